"""Out-of-fold ensembles: each member is fitted outside of its fold, which validates it.

BaggingClassifier and CalibratedClassifierCV cannot pass the samples that they hold out to a network for
early stopping.
"""

from numbers import Integral
from time import perf_counter
from typing import Any, Self

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, MetaEstimatorMixin, clone, is_classifier, is_regressor
from sklearn.metrics import r2_score
from sklearn.utils import check_random_state, get_tags
from sklearn.utils.validation import check_is_fitted

from skdense import compat
from skdense.base import Saved, is_network
from skdense.ensemble import calibration, members
from skdense.ensemble.predictors import (
    in_blocks,
    is_lightgbm,
    is_linear,
    predictor_of,
    predictors_of,
)
from skdense.ensemble.progress import Progress, Stop, Warnings, outermost_fit
from skdense.ensemble.samples import Samples, checked_samples, draw_splits
from skdense.ensemble.uncertainty import LabelsMixin, NumbersMixin
from skdense.final_step import final_step, transforms_y
from skdense.fit.fitting import set_attributes
from skdense.fit.inputs import MatrixLike, float_dtypes, shallow_copy, validated

__all__ = ["CrossFitClassifier", "CrossFitRegressor"]


class BaseOutOfFold(Saved, MetaEstimatorMixin, BaseEstimator):
    """What cross-fit ensembles and blends share: how they are fitted, and loaded from files.

    A subclass has the methods `_check_models(is_weighted)`, which checks all parameters, and whether
    all members take weights if there are some, `_learn_y`, which checks y and learns its classes,
    `_fit_parts`, which fits the members of an ensemble or the models of a blend and learns from their
    out-of-fold predictions, `_result(progress)`, a line about the fit, and `_learn_uncertainty`.
    """

    oof_loss_: float
    oof_score_: float
    n_features_in_: int
    feature_names_in_: NDArray

    n_jobs: int | None
    verbose: bool | int
    temperature_: float
    estimators_: list[Any]
    _fit_seconds: float
    _check_models: Any
    _fit_parts: Any
    _learn_uncertainty: Any
    _learn_y: Any
    _predict_proba: Any
    predict_proba: Any

    _parameter_constraints = {"verbose": ["verbose"], "n_jobs": [Integral, None]}

    def fit(
        self,
        X: MatrixLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Fit all members, or all models of a blend, and learn from their out-of-fold predictions.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            The samples.
        y : array-like of shape (n_samples,)
            The targets; for regressors also of shape (n_samples, n_outputs).
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples in training, in early stopping and in all estimates from out-of-fold
            predictions. Samples of weight zero are in no fold, no member is trained on them, and their
            out-of-fold predictions are NaN. If the mean of the positive weights is below 1, all are
            scaled so that it is 1. Prediction intervals and sets depend only on the relative weights;
            the effective sample size is ``sum(weights)**2 / sum(weights**2)`` (Kish, 1965). If the
            weights are frequencies of identical rows, repeat the rows instead.
        groups : array-like of shape (n_samples,), default=None
            The group of each sample. If `cv` is an int, all samples of a group are in the same fold.
            Regressors also use the groups to test whether the size of errors depends on the row.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        TypeError
            If the estimator, or a model of a blend, is not supported.
        ValueError
            If the data, the folds, names or parameters of models are invalid, or training diverged. The
            previously fitted state is kept.
        """
        fitted = shallow_copy(self)  # an error finds an earlier fit as it was
        warn, stop = Warnings(), Stop()
        with members.joblib_jobs(self.n_jobs), outermost_fit(warn, stop):
            fitted._check_models(sample_weight is not None)
            samples = checked_samples(fitted, X, y, sample_weight, groups)
            progress, network_jobs = Progress(self.verbose), members.jobs_of_networks()
            fit_ensemble(fitted, samples, progress, warn, stop, network_jobs)
        set_attributes(self, vars(fitted))
        return self

    def __setstate__(self, state):
        if "_skdense_format" not in state:
            raise ValueError(
                f"a {type(self).__name__} saved by skdense 0.5 or earlier cannot be used: refit it"
            )
        super().__setstate__(state)

    def _check_X(self, X):
        """The checked samples to predict."""
        check_is_fitted(self)
        return self._checked(X, self.estimators_[0], reset=False)

    def _checked(self, X, member, **checks):
        """X as such members take it.

        Networks share one array or CSR matrix, in their `dtype` if it is set. Other members take a
        DataFrame as it is, and check the values of X themselves.
        """
        if is_network(member, "fit"):
            return validated(self, X, dtype=float_dtypes(member), order="C", **checks)
        if hasattr(X, "columns"):
            return validated(self, X, skip_check_array=True, **checks)
        return validated(self, X, dtype=None, ensure_all_finite=False, **checks)


def check_ensemble(ensemble: Any, is_weighted: bool) -> None:
    """Raise if a parameter of an ensemble, or of a model in it, is invalid.

    If samples have weights, all members have to take them.
    """
    ensemble._check_models(is_weighted)


def fit_ensemble(
    ensemble: Any,
    samples: Samples,
    progress: Progress,
    warn: Warnings,
    stop: Stop,
    network_jobs: int | None,
    callbacks: Any = None,
    spreads: Any = None,
) -> None:
    """Fit an ensemble that has been checked to checked samples, and learn its uncertainty.

    Parameters
    ----------
    ensemble : CrossFitClassifier, CrossFitRegressor, BlendClassifier or BlendRegressor
        It is changed in place.
    samples : Samples
        What it is fitted to.
    progress, warn, stop : Progress, Warnings, Stop
        What prints its results, collects its warnings, and ends it.
    network_jobs : int or None
        How many networks a model trains at the same time; None asks joblib.
    callbacks : dict of str to callable, default=None
        For models of a blend, by their names, what makes the callbacks of LightGBM that stop members.
    spreads : estimator or "constant", default=None
        The regressor of the size of errors, see `learn_errors`.
    """
    samples = fit_part(ensemble, samples, progress, warn, stop, network_jobs, callbacks)
    ensemble._learn_uncertainty(samples, stop, spreads)


def fit_part(
    ensemble: Any,
    samples: Samples,
    progress: Progress,
    warn: Warnings,
    stop: Stop,
    network_jobs: int | None,
    callbacks: Any = None,
) -> Samples:
    """Fit an ensemble as a part of another one; return the samples as they are used.

    X, y and weights of classes are those of this ensemble, all else of the samples is that of the
    outermost fit, which has checked all models. Uncertainty is not learned. The parameters are those of
    `fit_ensemble`, but `callbacks` of a cross-fit ensemble is one callable, or None.
    """
    X = ensemble._checked(samples.X, getattr(ensemble, "estimator", None))
    samples = samples._replace(X=X, y=ensemble._learn_y(samples.y)).with_class_weight(ensemble)
    begin = perf_counter()
    with members.joblib_jobs(ensemble.n_jobs):
        if ensemble.n_jobs is not None:
            network_jobs = members.jobs_of_networks()
        ensemble._fit_parts(samples, progress, warn, stop, network_jobs, callbacks)
    ensemble._fit_seconds = perf_counter() - begin
    progress.print_result(ensemble._result(progress))
    return samples


def predict_checked(ensemble: Any, X: Any) -> NDArray:
    """The probabilities or predictions of an ensemble for samples that have been checked."""
    # `is_classifier` asks all models for their tags, a tenth of the time of a row.
    is_classification = isinstance(ensemble, LabelsMixin)
    return ensemble._predict_proba(X) if is_classification else ensemble._predict(X)


class BaseCrossFit(BaseOutOfFold):
    """What both cross-fit ensembles share: folds, and members that are fitted together.

    A subclass has the methods `_y_of_members(samples)`, what members are fitted to,
    `_output_of(member, labels, X)`, what a member predicts whose columns have these labels,
    `_shape_of_output(y)`, the shape of that for a sample, and `_learn_out_of_fold`.
    """

    n_estimators_: int
    _y_of_members: Any
    _output_of: Any
    _shape_of_output: Any
    _learn_out_of_fold: Any

    _parameter_constraints = BaseOutOfFold._parameter_constraints | {
        "estimator": [compat.HasMethods(["fit", "predict", "get_params"])],
        "cv": ["cv_object"],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator: Any,
        cv: Any = 8,
        *,
        random_state: int | RandomState | None = None,
        verbose: bool | int = False,
        n_jobs: int | None = None,
    ):
        self.estimator = estimator
        self.cv = cv
        self.random_state = random_state
        self.verbose = verbose
        self.n_jobs = n_jobs

    @compat.fit_context(prefer_skip_nested_validation=False)  # which checks the parameters
    def _check_models(self, is_weighted):
        what, is_one = "regressor", is_regressor(self.estimator)
        if is_classifier(self):
            what, is_one = "classifier that has predict_proba", is_classifier(self.estimator)
            is_one = is_one and hasattr(self.estimator, "predict_proba")
        if not is_one:
            raise TypeError(f"estimator must be a {what}, got {self.estimator!r}")
        last = final_step(self.estimator)
        if is_classifier(self) and is_lightgbm(last):
            params = last.get_params()
            if any(callable(params.get(name)) for name in calibration.NAMES_OF_OBJECTIVE):
                raise TypeError(
                    "objective must be a name: with a function LightGBM predicts no probabilities, "
                    f"got {last!r}"
                )
        if is_weighted and not members.takes_weights(last):
            raise ValueError(
                f"{self.estimator!r} takes no sample_weight, which weights and a class_weight need"
            )

    def _fit_parts(self, samples, progress, warn, stop, network_jobs, callback):
        both_weigh = not np.array_equal(samples.weights, samples.own_weights)
        if both_weigh and members.class_weights_of(final_step(self.estimator)):
            warn(
                f"{final_step(self.estimator)!r} has a class_weight, which is multiplied by that of "
                "the ensemble"
            )
        random_state = check_random_state(self.random_state)
        splits = samples.splits or draw_splits(
            self.cv, samples, random_state, is_classifier(self), warn
        )
        seeded = members.names_of_seeds(self.estimator)
        seeds = [{name: random_state.randint(2**31) for name in seeded} for _ in splits]
        clones: list[Any] = [clone(self.estimator) for _ in splits]
        for member, params in zip(clones, seeds, strict=True):
            member.set_params(**params)
        out_of_fold = members.fit_out_of_fold(
            clones,
            splits,
            samples._replace(y=self._y_of_members(samples)),
            self._output_of,
            progress=progress,
            stop=stop,
            network_jobs=network_jobs,
            callback=callback,
        )
        outputs = out_of_fold.outputs
        expected = (len(outputs), *self._shape_of_output(samples.y))
        if outputs.shape != expected:
            raise ValueError(
                f"{self.estimator!r} must predict an array of shape {expected} for samples held out, "
                f"got {outputs.shape}"
            )
        if not np.isfinite(outputs).all():
            raise ValueError(f"{self.estimator!r} predicts NaN or infinity for held-out samples")
        self.estimators_ = out_of_fold.members
        self.n_estimators_ = len(self.estimators_)
        self._predict_seconds = out_of_fold.predict_seconds
        self._learn_out_of_fold(out_of_fold, samples)

    def _result(self, progress):
        """The line about the fit.

        Within a blend the loss is not printed: the blend compares its models by its own loss.
        """
        score = f"R2 {self.oof_score_:f}"
        if is_classifier(self):
            score = f"accuracy {self.oof_score_:f}, temperature {self.temperature_:.3g}"
        if is_classifier(self) or not progress.prefix:
            score = f"loss {self.oof_loss_:.6g}, {score}"
        return f"all {len(self.estimators_)} folds: out-of-fold {score}"

    @property
    def _n_members(self):
        return len(self.estimators_)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(self.estimator).input_tags
        return tags


class CrossFitClassifier(LabelsMixin, BaseCrossFit):
    r"""Average of classifiers that are fitted by cross-validation, each without one fold.

    The samples are split into `cv` folds, and one clone of the estimator, a member, is fitted outside
    each fold. Early stopping, if enabled, uses the held-out fold, so no samples are needed for
    validation only; classifiers other than networks need a `fit` that accepts `X_val`, `eval_X` or
    `eval_set`. All networks are trained in parallel, as with :func:`skdense.fit_many`, on one copy of
    the data.

    The probabilities are the mean of :math:`\mathrm{softmax}(\mathrm{logits} / T)` over the members.
    The temperature :math:`T` minimizes the log-loss of the out-of-fold predictions [1]_. With few
    samples, a prior shrinks :math:`T` towards 1.

    Parameters
    ----------
    estimator : classifier with `predict_proba`
        A :class:`skdense.LowLevelMLPClassifier` or any other classifier. It is cloned for each member,
        with a different seed.

    cv : int, cross-validation generator or iterable, default=8
        The folds. An int is a number of stratified, shuffled folds. A splitter may leave samples out:
        each member is fitted only to the training set of its split.

    random_state : int, RandomState instance or None, default=None
        Determines the folds, unless `cv` does, and the seeds of the members.

    verbose : bool or int, default=False
        Whether to print the score of each member and the out-of-fold accuracy.

    n_jobs : int, default=None
        Number of members to fit in parallel, and number of threads in predictions of many samples. None
        means the number of ``joblib.parallel_config``, or one per core without a configuration, unlike
        in scikit-learn. An int overrides both; -1 means one per core.

    Attributes
    ----------
    estimators_ : list of classifiers
        The members, in the order of the folds.

    n_estimators_ : int
        The number of members.

    classes_ : ndarray of shape (n_classes,)
        The class labels, sorted.

    temperature_ : float
        The number by which the logits are divided, from 0.22 to 4.5.

    oof_proba_ : ndarray of shape (n_samples, n_classes)
        The out-of-fold probabilities: each sample is predicted by the member that was not trained on
        it, after division of the logits by the temperature. The mean if there are several such members,
        NaN if there is none. The members use the held-out fold only for early stopping.

    oof_loss_ : float
        The log-loss of the out-of-fold predictions.

    oof_score_ : float
        The accuracy of the out-of-fold predictions.

    n_features_in_ : int
        Number of features seen during fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if X has names that are all strings.

    See Also
    --------
    CrossFitRegressor : The same for regression.
    BlendClassifier : Weighted average of several ensembles.
    skdense.TabularClassifier : An ensemble for tabular data.

    References
    ----------
    .. [1] Guo, Pleiss, Sun and Weinberger (2017), "On Calibration of Modern Neural Networks", ICML.

    Examples
    --------
    >>> from skdense import LowLevelMLPClassifier
    >>> from skdense.datasets import make_two_clouds
    >>> from skdense.ensemble import CrossFitClassifier
    >>> X, y = make_two_clouds(100, random_state=0)
    >>> network = LowLevelMLPClassifier((8,), learning_rate_init=0.01, max_iter=30, early_stopping=True)
    >>> ensemble = CrossFitClassifier(network, cv=4, random_state=0).fit(X, y)
    >>> len(ensemble.estimators_), ensemble.predict_proba([[0, 3]]).shape
    (4, (1, 2))
    """

    classes_: NDArray
    temperature_: float
    oof_proba_: NDArray

    def _predict_proba(self, X, temperature=1.0):
        """The probabilities of checked samples, if the logits of members are also divided by this."""
        predictors = predictors_of(self.estimators_)
        parts = list(zip(predictors, self.estimators_, self._places, strict=True))

        def mean(X):
            logs = [
                self._with_all_classes(predictor.log_proba(member, X), places)
                for predictor, member, places in parts
            ]
            proba = calibration.probabilities_at(self.temperature_ * temperature, np.concatenate(logs))
            return proba.reshape(len(parts), X.shape[0], -1).mean(axis=0)

        return in_blocks(mean, X, self.estimators_[0])

    def _y_of_members(self, samples):
        return samples.y

    def _shape_of_output(self, y):
        return (len(self.classes_),)

    def _output_of(self, member, labels, X):
        logs = predictor_of(member).log_proba(member, X)
        return self._with_all_classes(logs, self._places_of(labels))

    def _places_of(self, labels):
        """The place in `classes_` of each label of a member's columns; None for all, in this order."""
        labels, classes = labels.tolist(), self.classes_.tolist()
        if unknown := [label for label in labels if label not in classes]:
            raise ValueError(
                f"{self.estimator!r} has classes_ that y does not have: {unknown[:9]}; the classes of "
                f"y are {classes[:9]}"
            )
        place_of = {label: place for place, label in enumerate(classes)}
        return None if labels == classes else np.array([place_of[label] for label in labels])

    def _with_all_classes(self, logs, places):
        """The log-probabilities of a member, whose columns are at these places in `classes_`."""
        if places is None or logs.shape[1] != len(places):  # 0.6.0 saved places of networks, too
            return logs
        spread = np.full((len(logs), len(self.classes_)), calibration.as_logs(0.0))  # if unknown
        spread[:, places] = logs
        return spread

    def _learn_out_of_fold(self, out_of_fold, samples):
        self._places = [self._places_of(labels) for labels in out_of_fold.labels]
        rows, outputs = out_of_fold.rows, out_of_fold.outputs
        class_numbers = np.searchsorted(self.classes_, samples.y)
        self.temperature_ = calibration.learn_temperature(
            [outputs], class_numbers[rows], samples.weights[rows]
        )
        probabilities = calibration.probabilities_at(self.temperature_, outputs)
        self.oof_proba_, held_out = _mean_by_row(rows, probabilities, len(class_numbers))
        self.oof_loss_, self.oof_score_ = calibration.loss_and_accuracy(
            self.oof_proba_[held_out], class_numbers[held_out], samples.own_weights[held_out]
        )


class CrossFitRegressor(NumbersMixin, BaseCrossFit):
    """Average of regressors that are fitted by cross-validation, each without one fold.

    The samples are split into `cv` folds, and one clone of the estimator, a member, is fitted outside
    each fold. Early stopping, if enabled, uses the held-out fold, so no samples are needed for
    validation only; regressors other than networks need a `fit` that accepts `X_val`, `eval_X` or
    `eval_set`. The prediction is the mean over the members. All networks are trained in parallel, as
    with :func:`skdense.fit_many`, on one copy of the data.

    Parameters
    ----------
    estimator : regressor
        A :class:`skdense.LowLevelMLPRegressor` or any other regressor. It is cloned for each member,
        with a different seed.

    cv : int, cross-validation generator or iterable, default=8
        The folds. An int is a number of shuffled folds. A splitter may leave samples out: each member
        is fitted only to the training set of its split.

    random_state : int, RandomState instance or None, default=None
        Determines the folds, unless `cv` does, and the seeds of the members.

    verbose : bool or int, default=False
        Whether to print the score of each member and the out-of-fold R2.

    n_jobs : int, default=None
        Number of members to fit in parallel, and number of threads in predictions of many samples. None
        means the number of ``joblib.parallel_config``, or one per core without a configuration, unlike
        in scikit-learn. An int overrides both; -1 means one per core.

    scale_y : bool, default=False
        Whether the members are trained on a scaled y, so that results do not depend on the unit of y. y
        is scaled to mean 0 and variance 1. With ``loss="poisson"`` or ``loss="gamma"``, y is only
        divided by the mean. y is not scaled if the members transform y themselves, or for other losses
        such as LightGBM's "mape", and callables. The members predict the scaled y, and the ensemble
        predicts y.

    Attributes
    ----------
    estimators_ : list of regressors
        The members, in the order of the folds.

    n_estimators_ : int
        The number of members.

    center_, scale_ : float, or ndarrays of shape (n_outputs,)
        With `scale_y`, members are trained on ``(y - center_) / scale_``; otherwise they are 0 and 1.

    oof_prediction_ : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        The out-of-fold predictions: each sample is predicted by the member that was not trained on it.
        The mean if there are several such members, NaN if there is none. The held-out fold is used only
        for early stopping, and for `center_` and `scale_`.

    oof_loss_ : float
        The mean loss of the out-of-fold predictions. The loss is that of the estimator, if a parameter
        `loss` has one of the names that :class:`BlendRegressor` accepts (with `quantile` or `delta`),
        and the squared error otherwise. Do not compare ensembles with different losses by this value.

    oof_score_ : float
        The R2 of the out-of-fold predictions.

    n_features_in_ : int
        Number of features seen during fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if X has names that are all strings.

    See Also
    --------
    CrossFitClassifier : The same for classification.
    BlendRegressor : Weighted average of several ensembles.
    skdense.TabularRegressor : An ensemble for tabular data.

    Examples
    --------
    >>> from sklearn.datasets import make_friedman1
    >>> from skdense import LowLevelMLPRegressor
    >>> from skdense.ensemble import CrossFitRegressor
    >>> X, y = make_friedman1(200, random_state=0)
    >>> network = LowLevelMLPRegressor(max_iter=30, learning_rate_init=0.01, early_stopping=True)
    >>> ensemble = CrossFitRegressor(network, cv=4, random_state=0).fit(X, y)
    >>> len(ensemble.estimators_), ensemble.predict(X[:3]).shape
    (4, (3,))
    """

    center_: float | NDArray
    scale_: float | NDArray
    oof_prediction_: NDArray

    _parameter_constraints = BaseCrossFit._parameter_constraints | {"scale_y": ["boolean"]}

    def __init__(
        self,
        estimator: Any,
        cv: Any = 8,
        *,
        random_state: int | RandomState | None = None,
        verbose: bool | int = False,
        n_jobs: int | None = None,
        scale_y: bool = False,
    ):
        super().__init__(estimator, cv, random_state=random_state, verbose=verbose, n_jobs=n_jobs)
        self.scale_y = scale_y

    def _predict(self, X):
        return self._unscaled(in_blocks(self._mean_prediction, X, self.estimators_[0]))

    def _mean_prediction(self, X):
        if all(map(is_linear, self.estimators_)):
            mean = shallow_copy(self.estimators_[0])  # a mean of linear functions is one
            for name in ("coef_", "intercept_"):
                values = [getattr(member, name) for member in self.estimators_]
                setattr(mean, name, np.mean(values, axis=0, dtype=np.float64))
            return mean.predict(X)
        pairs = zip(predictors_of(self.estimators_), self.estimators_, strict=True)
        return np.mean([predictor.predict(member, X) for predictor, member in pairs], axis=0)

    def _unscaled(self, predictions):
        """Predictions of members in the units of y, in float64, as float32 may be too coarse."""
        return predictions * np.float64(self.scale_) + self.center_

    def _y_of_members(self, samples):
        self.center_, self.scale_ = 0.0, 1.0
        if not self.scale_y:
            return samples.y
        scale = calibration.scale_of(self.estimator, samples.y, samples.weights)
        self.center_, self.scale_ = scale
        return (samples.y - self.center_) / self.scale_

    def _shape_of_output(self, y):
        return y.shape[1:]

    def _output_of(self, member, labels, X):
        return predictor_of(member).predict(member, X)

    def _learn_out_of_fold(self, out_of_fold, samples):
        y, predictions = samples.y, self._unscaled(out_of_fold.outputs)
        self.oof_prediction_, held_out = _mean_by_row(out_of_fold.rows, predictions, len(y))
        is_positive = calibration.regression_loss(self.estimator).is_positive
        self._lowest = 0.0 if is_positive else -np.inf
        pair, weights = (y[held_out], self.oof_prediction_[held_out]), samples.weights[held_out]
        params = final_step(self.estimator).get_params(deep=False)
        loss, number = calibration.loss_named({} if transforms_y(self.estimator) else params)
        unit = 1.0 if loss.is_homogeneous else self.scale_  # a member's number is one of the scaled y
        elementwise: Any = loss.elementwise
        losses = elementwise(*(values / unit for values in pair), *number)
        losses = losses.reshape(len(weights), -1).mean(axis=1)
        self.oof_loss_ = float(np.average(losses, weights=weights))
        self.oof_score_ = r2_score(*pair, sample_weight=weights)


def _mean_by_row(rows, outputs, n_rows):
    """The mean of the outputs of each row, of which it may have several, and whether it has any.

    The mean of none is NaN.
    """
    n_predictions, sums = np.bincount(rows, minlength=n_rows), np.zeros((n_rows, *outputs.shape[1:]))
    np.add.at(sums, rows, outputs)
    with np.errstate(invalid="ignore"):
        return np.divide(sums.T, n_predictions, out=sums.T).T, n_predictions > 0
