"""TabularClassifier and TabularRegressor, models for tabular data with columns of mixed types.

`fit` of both is `BaseTabular.fit`. `columns.py` encodes the columns, `models.py` defines the models and
the settings that depend on the number of rows, and `views.py` the input of each model. A blend of
`skdense.ensemble` fits them.
"""

from copy import deepcopy
from functools import partial
from numbers import Integral
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from joblib import effective_n_jobs
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray
from sklearn import config_context
from sklearn.base import is_classifier
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from skdense import compat
from skdense.base import Saved
from skdense.ensemble.blend import BlendClassifier, BlendRegressor
from skdense.ensemble.calibration import loss_params
from skdense.ensemble.crossfit import check_ensemble, fit_ensemble, predict_checked
from skdense.ensemble.members import joblib_jobs, jobs_of_networks
from skdense.ensemble.progress import Forecast, Progress, Stop, Warnings, outermost_fit
from skdense.ensemble.samples import checked_samples, draw_splits
from skdense.ensemble.uncertainty import LabelsMixin, NumbersMixin
from skdense.fit.fitting import set_attributes
from skdense.fit.inputs import MatrixLike, shallow_copy
from skdense.frames import table_of
from skdense.tabular import monotone
from skdense.tabular.means import level_columns
from skdense.tabular.models import (
    PRIOR_SAMPLES,
    Task,
    models_of,
    number_of_folds,
    trees_of_spreads,
)

if TYPE_CHECKING:
    from skdense.tabular.columns import TableEncoder

__all__ = ["TabularClassifier", "TabularRegressor"]


class BaseTabular(Saved):
    """What both estimators share: how they are fitted.

    A subclass has the class `_blend` of its ensemble, to which it passes its parameters named in
    `_loss_param_names`. It takes the attributes named in `_blend_attributes` from the fitted blend, and
    `_out_of_fold`, which has a value for each row.
    """

    _loss_param_names = ()

    preset: Literal["default", "fast"]
    models: list | None
    column_kinds: dict[Any, Any] | None
    monotonic_cst: dict[Any, int] | ArrayLike | None
    network_params: dict[str, Any] | None
    cv: Any
    verbose: bool | int
    random_state: int | RandomState | None
    n_jobs: int | None

    encoder_: "TableEncoder"
    ensemble_: Any
    _blend: type
    _blend_attributes: tuple[str, ...]
    _out_of_fold: str
    _learn_y: Any
    oof_loss_: float
    oof_score_: float
    n_features_in_: int
    feature_names_in_: NDArray

    _parameter_constraints = {
        "preset": [compat.StrOptions({"default", "fast"})],
        "models": [list, tuple, None],
        "column_kinds": [dict, None],
        "monotonic_cst": [dict, "array-like", None],
        "network_params": [dict, None],
        "cv": ["cv_object", None],
        "verbose": ["verbose"],
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
    }

    @compat.fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: MatrixLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Encode the columns of X and fit all models.

        Parameters
        ----------
        X : data frame or array-like of shape (n_samples, n_features)
            The data. Columns may have any type and missing values.
        y : array-like of shape (n_samples,)
            Class labels for the classifier, of the types that scikit-learn's classifiers support; real
            values for the regressor, which also supports the shape (n_samples, n_outputs).
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples. Rows of weight zero are ignored, and their out-of-fold predictions
            are NaN. Weights do not affect the encoding of columns. Prediction intervals and sets depend
            only on the relative weights; the effective sample size is ``sum(weights)**2 /
            sum(weights**2)`` (Kish, 1965). If the weights are frequencies of identical rows, repeat the
            rows instead.
        groups : array-like of shape (n_samples,), default=None
            The group of each sample. If `cv` is None or an int, all samples of a group are in the same
            fold, so that out-of-fold scores, intervals and prediction sets are estimates for new
            groups.

        Returns
        -------
        self : object
            The fitted estimator. If `fit` raises an error, the previously fitted state is kept.

        Raises
        ------
        ImportError
            If pandas, LightGBM or, for strings that may be dates, skrub is missing. The extra `tables`
            installs them.
        TypeError
            If X is sparse.
        ValueError
            If X is neither a data frame nor a 2-D array, or if the data or parameters are invalid.
        """
        from skdense.tabular.columns import TableEncoder  # which needs the extra `tables`

        compat.import_lightgbm()  # or say how to install it
        is_classification = is_classifier(self)
        fitted = shallow_copy(self)  # an error finds an earlier fit as it was
        warn, stop, progress = Warnings(), Stop(), Progress(self.verbose)
        config = config_context(transform_output="default")
        with joblib_jobs(self.n_jobs), outermost_fit(warn, stop), config:
            # What the user gives is checked. From here on, weights contain those of the classes.
            X = table_of(X, estimator=fitted)
            samples = checked_samples(fitted, X, y, sample_weight, groups)
            samples = samples._replace(y=fitted._learn_y(samples.y)).with_class_weight(fitted)

            # The folds of all models are drawn. No row without weight, its own or that of its class, is
            # in one. A user's folds may have numbers of all rows, so rows leave only afterwards.
            random_state, cv = check_random_state(self.random_state), self.cv
            if cv is None:
                cv = number_of_folds(samples, is_classification, self.preset == "fast", warn)
            splits = draw_splits(cv, samples, random_state, is_classification, warn)

            # Rows whose own weight is zero leave, and from here on the others are numbered without
            # them. Of those of class weight zero, columns are still read, tested and scaled.
            rows = np.flatnonzero(samples.own_weights)
            table = samples._replace(splits=splits).take_rows(rows)
            n_trained_on = min(len(train) for train, _ in splits)  # all of them have a weight

            # Classes become numbers.
            y, n_classes, rarest_class_size = table.y, 0, 0
            if is_classification:
                codes, n_classes = np.searchsorted(fitted.classes_, samples.y), len(fitted.classes_)
                y = codes[rows]
                # A class of weight zero is in no fold, and says nothing about how rare the others are.
                has_weight = np.isin(np.arange(n_classes), codes[samples.weights > 0])
                rarest_class_size = min(
                    np.bincount(codes[train], minlength=n_classes)[has_weight].min()
                    for train, _ in splits
                )

            # Constraints are checked, as far as no column has to be read.
            losses = {} if is_classification else loss_params(self)
            constraints = monotone.constraints_by_name(
                self.monotonic_cst, getattr(X, "columns", None), fitted.n_features_in_
            )
            monotone.check_constraints_suit(constraints, n_classes, losses.get("loss"))

            # The models are chosen that suit the table. They are checked before anything is fitted, and
            # chosen again when the number of columns is known.
            task = Task(
                n_rows=int(np.count_nonzero(table.weights)),
                n_trained_on=n_trained_on,
                rarest_class_size=rarest_class_size,
                n_columns=fitted.n_features_in_,
                n_classes=n_classes,
                n_outputs=1 if table.y.ndim == 1 else table.y.shape[1],
                loss_params=losses,
                network_params=self.network_params or {},
                monotonic_cst=[*constraints.values()] or None,
                is_fast=self.preset == "fast",
            )
            choose = partial(models_of, self.models, n_folds=len(splits), verbose=self.verbose)
            models, _ = choose(task, random_state=deepcopy(random_state))
            # A blend gets no class_weight, which the weights of rows have already.
            loss_settings = {name: getattr(self, name) for name in self._loss_param_names}
            blend = self._blend(
                models, verbose=self.verbose, prior_samples=PRIOR_SAMPLES, **loss_settings
            )
            check_ensemble(blend, table.is_weighted)
            fitted.ensemble_ = blend

            # The table becomes numbers.
            fitted.encoder_ = TableEncoder(self.column_kinds)
            matrix = fitted.encoder_._fit(table.X, y, table.splits)
            task = task._replace(
                n_columns=matrix.shape[1],
                levels=level_columns(fitted.encoder_.output_roles_, fitted.encoder_.output_sources_),
            )
            if constraints:
                signs = monotone.encoded_constraints(constraints, fitted.encoder_)
                task = task._replace(monotonic_cst=signs)
            blend.estimators, callbacks = choose(task, random_state=random_state)

            # Members of all models but the constant one take about equally long.
            costs = {name: 0.01 if name == "constant" else 1.0 for name, _ in blend.estimators}
            n_jobs: Any = compat.joblibs_n_jobs()
            progress.expect(Forecast(costs, len(splits), effective_n_jobs(n_jobs)))

            # Members are fitted out of fold; the weights of the models and uncertainty are learned.
            fit_ensemble(
                blend,
                table._replace(X=matrix, y=y),
                progress,
                warn,
                stop,
                jobs_of_networks(),
                callbacks,
                trees_of_spreads(task),
            )

            # Attributes are set. Those of rows have all rows of `samples`.
            vars(fitted).update({name: getattr(blend, name) for name in fitted._blend_attributes})
            oof = getattr(blend, fitted._out_of_fold)
            full_oof = np.full((len(samples.y), *oof.shape[1:]), np.nan)
            full_oof[rows] = oof
            setattr(fitted, fitted._out_of_fold, full_oof)
        set_attributes(self, vars(fitted))
        return self

    def summary(self) -> Any:
        """Summarize the models and their blend.

        Returns
        -------
        summary : pandas.DataFrame
            One row per model, and a last row "all" for the blend, with weights, out-of-fold losses and
            scores, numbers of members and times; see :meth:`skdense.ensemble.BlendClassifier.summary`.
        """
        check_is_fitted(self)
        return self.ensemble_.summary()

    def _check_X(self, X):
        """The encoded table to predict."""
        check_is_fitted(self)
        return self.encoder_._written(self.encoder_._read(X))

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = tags.input_tags.string = tags.input_tags.categorical = True
        return tags


class TabularClassifier(LabelsMixin, BaseTabular):
    """Classifier for tabular data with columns of mixed types and missing values.

    It accepts data frames and arrays without preprocessing, and works without hyperparameter tuning.

    A :class:`skdense.tabular.TableEncoder` encodes the columns: numbers, dates and durations (which may
    be stored as strings), categories, and texts. Constant columns, and columns with many categories
    that are not significantly related to y, are dropped with a warning.

    The ensemble is a :class:`skdense.ensemble.BlendClassifier` of

    - `plain`: networks on scaled columns; used for binary classification only with fewer than 400
      training rows, or instead of `ramps`;
    - `ramps`: networks that also receive a piecewise linear encoding of the columns [1]_; used for
      fewer than 1,000 encoded columns;
    - `trees`: LightGBM's boosted trees, on unscaled columns;
    - `deep`: the same with more leaves, up to 127 for many rows;
    - `means`: `trees` with target encoding (means of y by category) of columns with many categories;
    - `linear`: a :class:`~sklearn.linear_model.LogisticRegressionCV`, which selects its penalty;
    - `sparse`: the same with an L1 penalty;
    - `constant`: the class frequencies, with no weight if the other models are clearly better.

    Each model has one member per fold, trained on the other rows. Networks and trees use the log-loss
    of the held-out fold for early stopping. Networks have two hidden layers of 128 units, or 64 for two
    classes. The number of rows determines the number of epochs, the minibatches and the number of
    folds. With fewer than 400 training rows, early stopping is off, and networks of `plain` are trained
    for more epochs than those of `ramps`. By default, `trees`, `deep` and `means` are used for at most
    10 classes, `deep` and `means` for at least 5,000 rows, and `linear`, `sparse` and `constant` for
    fewer than 10,000 rows. `means` is used only if a column has at least 20 encoded categories, or if
    at least a tenth of its rows have categories that are too rare for a separate encoded column.
    `sparse` is used only for binary classification with at most ``max(1000, 5 * n_encoded_columns)``
    rows.

    Parameters
    ----------
    preset : {"default", "fast"}, default="default"
        Determines `models` and `cv` if they are None. "default" is described there. "fast" fits only
        `trees`, `linear` and `constant`, with 3 folds, in about a quarter of the time or less; for
        10,000 rows or more, it fits only `trees`. For more than 10 classes, "fast" fits `plain` instead
        of `trees`, with half as many folds as the default.
        `linear` is a :class:`~sklearn.linear_model.LogisticRegression` with ``C=0.3``.

    models : list of str or (str, estimator), default=None
        The models: names from the list above, or pairs of a name and any classifier with
        `predict_proba`. None selects models by the number of rows and classes. If a list is given,
        exactly these models are fitted. An estimator with the name of a built-in model replaces it and
        receives its input. With another name, a network receives the input of `plain`, an estimator
        that supports NaN the input of `trees`, and others the input of `linear`. If `n_jobs` or
        `thread_count` of an estimator is None, it is set to 1, because members are already fitted in
        parallel; scikit-learn's estimators are not changed, since they follow joblib's configuration.
        An estimator may also be wrapped in a :class:`skdense.ensemble.CrossFitClassifier`, whose `cv`
        and `random_state` are ignored.

    column_kinds : dict, default=None
        The types of columns, by their names, or by their positions in an array: "number", "category",
        "text", "date", "duration" or "ignore", or dicts with the format of dates, or the decimal mark
        and the unit of amounts, see :class:`skdense.tabular.TableEncoder`. These types override the
        inferred ones, and such columns are not tested for a relation to y. Ignored columns may be
        missing in `predict`.

    monotonic_cst : dict or array-like of int of shape (n_features,), default=None
        Monotonic constraints of columns: 1 if the probability of ``classes_[1]`` must not decrease when
        the column increases, -1 if it must not increase, and 0 for no constraint. The keys of a dict
        are names of columns, or positions in an array; other columns have no constraint. Constrained
        columns must be numbers or durations; pass a date as a number of days. The effect of missing
        values is not constrained. Constraints are supported for two classes, and only `trees` and
        `deep` are fitted.

    network_params : dict, default=None
        Parameters of :class:`skdense.LowLevelMLPClassifier` for all networks of `plain` and `ramps`,
        such as ``{"dropout": 0.2}``. They override the defaults of this class.

    cv : int, cross-validation generator, iterable or None, default=None
        The folds: each model has one member per fold. None means 8 folds, or 4 folds with 10,000 rows
        or more.

    verbose : bool or int, default=False
        Whether to print the score of each member, and the out-of-fold loss of each model and of the
        blend.

    random_state : int, RandomState instance or None, default=None
        Determines the folds and the seeds of the members. The trees used for the column selection
        always use seed 0.

    n_jobs : int, default=None
        Number of members to fit in parallel, and number of threads in predictions of many rows. None
        means the number of ``joblib.parallel_config``, or one per core without a configuration, unlike
        in scikit-learn. An int overrides both; -1 means one per core.

    class_weight : dict, "balanced" or None, default=None
        Factor for the sample weights of each class, in the members, their temperatures and the blend
        weights. "balanced" gives all classes the same total weight. Samples of a class with weight zero
        are used only to fit the encoder. `oof_loss_` and `oof_score_` do not use class weights.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The class labels, sorted.

    encoder_ : TableEncoder
        The fitted encoder of the columns, with the names of the encoded columns and the reasons for
        dropped ones.

    ensemble_ : BlendClassifier
        The ensemble of all fitted models, with the blend weights. It predicts from the output of
        ``encoder_.transform``. The classes of the ensemble are 0 to ``n_classes - 1``. Attributes with
        one value per sample omit samples with weight zero.

    oof_proba_ : ndarray of shape (n_samples, n_classes)
        The out-of-fold probabilities: each sample is predicted by members that were not trained on it.
        NaN if all members were trained on a sample.

    oof_loss_ : float
        The log-loss of the out-of-fold predictions.

    oof_score_ : float
        The accuracy of the out-of-fold predictions.

    n_features_in_ : int
        Number of columns seen during fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, if X has names that are all strings.

    See Also
    --------
    TabularRegressor : The same for regression.

    References
    ----------
    .. [1] Gorishniy, Rubachev and Babenko (2022), "On Embeddings for Numerical Features in Tabular Deep
       Learning", NeurIPS.

    Examples
    --------
    >>> import numpy as np
    >>> from skdense import TabularClassifier
    >>> X = np.array([[20, "red"], [25, "blue"], [None, "red"], [60, None]] * 10, dtype=object)
    >>> model = TabularClassifier(models=["ramps", "linear"], cv=2, random_state=0)
    >>> model = model.fit(X, ["a", "a", "b", "b"] * 10)
    >>> model.predict([[30, "green"]]).shape
    (1,)
    """

    classes_: NDArray
    ensemble_: BlendClassifier
    oof_proba_: NDArray

    _blend = BlendClassifier
    _blend_attributes = "oof_loss_", "oof_score_", "_uncertainty"
    _parameter_constraints = BaseTabular._parameter_constraints | {
        "class_weight": [dict, compat.StrOptions({"balanced"}), None]
    }

    def __init__(
        self,
        *,
        preset: Literal["default", "fast"] = "default",
        models: list | None = None,
        column_kinds: dict[Any, Any] | None = None,
        monotonic_cst: dict[Any, int] | ArrayLike | None = None,
        network_params: dict[str, Any] | None = None,
        cv: Any = None,
        verbose: bool | int = False,
        random_state: int | RandomState | None = None,
        n_jobs: int | None = None,
        class_weight: dict | Literal["balanced"] | None = None,
    ):
        self.preset = preset
        self.models = models
        self.column_kinds = column_kinds
        self.monotonic_cst = monotonic_cst
        self.network_params = network_params
        self.cv = cv
        self.verbose = verbose
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.class_weight = class_weight

    def _predict_proba(self, X):
        with config_context(transform_output="default"):  # as in `fit`
            return predict_checked(self.ensemble_, X)


class TabularRegressor(NumbersMixin, BaseTabular):
    """Regressor for tabular data with columns of mixed types and missing values.

    It accepts data frames and arrays without preprocessing, and works without hyperparameter tuning.
    Columns are encoded as in :class:`TabularClassifier`, and the ensemble is a
    :class:`skdense.ensemble.BlendRegressor` of the corresponding regressors: `linear` is a
    :class:`~sklearn.linear_model.RidgeCV`, and `sparse` is a :class:`~sklearn.linear_model.LassoCV`.
    An additional model, `kernel`, is an approximate kernel ridge regression with a Gaussian kernel, a
    :class:`~sklearn.kernel_approximation.Nystroem` and a :class:`~sklearn.linear_model.RidgeCV`.
    Members are trained on a scaled y by default, so the results do not depend on the unit of y.
    Networks have two hidden layers of 128 units, or 64 units with 10,000 rows or more, those of `plain`
    with 3,000 rows or more. `ramps` is used for fewer than 1,000 encoded columns, otherwise `plain`.

    By default, `trees` and `deep` are used for at most 10 columns of y, with separate trees for each
    column, `deep` for at least 5,000 rows, and `linear`, `sparse` and `constant` for the squared error
    and fewer than 10,000 rows, `kernel` for at most 1,000 rows. `means` is used for a single column of
    y, under the same conditions as in classification. For a single column of y and 10,000 rows or more,
    `plain` is not used, and neither is `trees` if there is `means`. `sparse` is used for at most 10
    columns of y, with a separate model for each column, and for at most 5 rows per encoded column.

    The scale of the errors, which quantiles and intervals use, is estimated from out-of-fold
    predictions. It is a constant, a function of the prediction, or a prediction of additional trees
    from the columns, whichever has the lowest pinball loss.

    Parameters
    ----------
    preset : {"default", "fast"}, default="default"
        Determines `models` and `cv` if they are None. "default" is described there. "fast" fits only
        `trees`, `linear` and `constant`, with 3 folds, in about a quarter of the time or less; for
        10,000 rows or more, and for losses other than the squared error, it fits only `trees`. For more
        than 10 columns of y, "fast" fits `plain` instead of `trees`, with half as many folds as the
        default.

    models : list of str or (str, estimator), default=None
        The models: `plain`, `ramps`, `trees`, `deep`, `means`, `linear`, `sparse`, `constant`,
        `kernel`, or pairs of a name and any regressor, as described for :class:`TabularClassifier`.
        None selects models by the number of rows and columns of y. If a list is given, exactly these
        models are fitted; a built-in model that does not support the loss raises a ValueError.
        Regressors are trained on a scaled y, see `scale_y` of
        :class:`skdense.ensemble.CrossFitRegressor`, so parameters in units of y, such as `epsilon` of
        :class:`~sklearn.svm.SVR`, are in units of the standard deviation of y. To train a regressor on
        the original y, pass ``("svr", CrossFitRegressor(SVR(epsilon=3), scale_y=False))``. `scale_y` of
        this wrapper is used, and `cv` and `random_state` are ignored.

    column_kinds : dict, default=None
        The types of columns, by their names, or by their positions in an array: "number", "category",
        "text", "date", "duration" or "ignore", or dicts with the format of dates, or the decimal mark
        and the unit of amounts, see :class:`skdense.tabular.TableEncoder`. These types override the
        inferred ones, and such columns are not tested for a relation to y. Ignored columns may be
        missing in `predict`.

    monotonic_cst : dict or array-like of int of shape (n_features,), default=None
        Monotonic constraints of columns: 1 if the prediction must not decrease when the column
        increases, -1 if it must not increase, and 0 for no constraint. The keys of a dict are names of
        columns, or positions in an array; other columns have no constraint. Constrained columns must be
        numbers or durations; pass a date as a number of days. The effect of missing values is not
        constrained. With constraints, the loss must be "squared_error", "poisson" or "huber", only
        `trees` and `deep` are fitted, for any number of columns of y, and intervals have the same width
        for all rows, so that quantiles satisfy the constraints as well.

    network_params : dict, default=None
        Parameters of :class:`skdense.LowLevelMLPRegressor` for all networks of `plain` and `ramps`,
        such as ``{"dropout": 0.2}``. They override the defaults of this class.

    cv : int, cross-validation generator, iterable or None, default=None
        The folds: each model has one member per fold. None means 8 folds, 5 folds with 3,000 rows or
        more, or 4 folds with 5,000 rows or more.

    verbose : bool or int, default=False
        Whether to print the score of each member, and the out-of-fold loss of each model and of the
        blend.

    random_state : int, RandomState instance or None, default=None
        Determines the folds and the seeds of the members. The trees used for the column selection and
        for the scale of the errors always use seed 0.

    n_jobs : int, default=None
        Number of members to fit in parallel, and number of threads in predictions of many rows. None
        means the number of ``joblib.parallel_config``, or one per core without a configuration, unlike
        in scikit-learn. An int overrides both; -1 means one per core.

    loss : {"squared_error", "absolute_error", "poisson", "quantile", "huber"}, \
            default="squared_error"
        The loss that networks, trees and the blend weights minimize. "poisson" is for counts.

    quantile : float, default=0.5
        The quantile for ``loss="quantile"``.

    relative_delta : float, default=1.0
        For ``loss="huber"``, the error above which the loss is linear, as a multiple of the standard
        deviation of y.

    Attributes
    ----------
    encoder_ : TableEncoder
        The fitted encoder of the columns, with the names of the encoded columns and the reasons for
        dropped ones.

    ensemble_ : BlendRegressor
        The ensemble of all fitted models, with the blend weights. It predicts from the output of
        ``encoder_.transform``. Attributes with one value per sample omit samples with weight zero.

    oof_prediction_ : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        The out-of-fold predictions: each sample is predicted by members that were not trained on it.
        NaN if all members were trained on a sample.

    oof_loss_ : float
        The mean loss of the out-of-fold predictions, as defined by scikit-learn's metrics; Huber's loss
        is computed on y divided by its standard deviation.

    oof_score_ : float
        The R2 of the out-of-fold predictions.

    n_features_in_ : int
        Number of columns seen during fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns, if X has names that are all strings.

    See Also
    --------
    TabularClassifier : The same for classification.

    Examples
    --------
    >>> import numpy as np
    >>> from skdense import TabularRegressor
    >>> X = np.array([[20, "red"], [25, "blue"], [None, "red"], [60, None]] * 10, dtype=object)
    >>> model = TabularRegressor(models=["ramps", "linear"], cv=2, random_state=0).fit(X, range(40))
    >>> model.predict([[30, "green"]]).shape
    (1,)
    """

    ensemble_: BlendRegressor
    oof_prediction_: NDArray

    _blend = BlendRegressor
    _blend_attributes = "oof_loss_", "oof_score_", "_uncertainty", "_lowest"
    _loss_param_names = "loss", "quantile", "relative_delta"
    _parameter_constraints = BaseTabular._parameter_constraints | {
        name: compat.constraints_of(BlendRegressor)[name] for name in _loss_param_names
    }

    def __init__(
        self,
        *,
        preset: Literal["default", "fast"] = "default",
        models: list | None = None,
        column_kinds: dict[Any, Any] | None = None,
        monotonic_cst: dict[Any, int] | ArrayLike | None = None,
        network_params: dict[str, Any] | None = None,
        cv: Any = None,
        verbose: bool | int = False,
        random_state: int | RandomState | None = None,
        n_jobs: int | None = None,
        loss: str = "squared_error",
        quantile: float = 0.5,
        relative_delta: float = 1.0,
    ):
        self.preset = preset
        self.models = models
        self.column_kinds = column_kinds
        self.monotonic_cst = monotonic_cst
        self.network_params = network_params
        self.cv = cv
        self.verbose = verbose
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.loss = loss
        self.quantile = quantile
        self.relative_delta = relative_delta

    def _predict(self, X):
        with config_context(transform_output="default"):  # as in `fit`
            return predict_checked(self.ensemble_, X)
