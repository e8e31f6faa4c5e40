"""Blends: weighted means of models, with weights learned from their out-of-fold predictions."""

from functools import cache
from numbers import Integral, Real
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn import config_context
from sklearn.base import clone, is_classifier
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import VotingClassifier
from sklearn.metrics import r2_score
from sklearn.pipeline import Pipeline
from sklearn.utils import Bunch, check_random_state, get_tags
from sklearn.utils.validation import check_is_fitted

from skdense import compat
from skdense.core.formulas.losses import LOSSES
from skdense.ensemble import calibration
from skdense.ensemble.crossfit import (
    BaseOutOfFold,
    CrossFitClassifier,
    CrossFitRegressor,
    check_ensemble,
    fit_part,
)
from skdense.ensemble.members import in_parallel, joblib_jobs, leaves_X_unchanged, note_on_error
from skdense.ensemble.predictors import protected
from skdense.ensemble.progress import Progress, Stop
from skdense.ensemble.uncertainty import LabelsMixin, NumbersMixin
from skdense.final_step import final_step, fit_all_but_last, fit_arguments, nested, transforms_y

__all__ = ["BlendClassifier", "BlendRegressor"]


class BaseBlend(BaseOutOfFold):
    """What both blends share: named models, which are fitted together, and their weights.

    A subclass has the class `_cross_fit` that its models end with, and the method `_learn_weights`,
    given the out-of-fold outputs of the models and which rows all of them hold out. The models are left
    as they are: what a blend learns of them is its own.
    """

    estimators_: list[Any]
    named_estimators_: Bunch
    weights_: NDArray
    _out_of_fold: str
    _cross_fit: type
    _learn_weights: Any
    _model_losses: list[float]
    _model_scores: list[float]

    _parameter_constraints = BaseOutOfFold._parameter_constraints | {
        "estimators": [list],
        "prior_samples": [compat.Interval(Real, 0, None, closed="left")],
    }

    def _fit_parts(self, samples, progress, warn, stop, network_jobs, callbacks):
        names = [name for name, _ in self._models()]
        models = [model for _, model in self._models()]
        fits = [
            (
                model,
                samples,
                Progress(final_step(model).verbose, progress, name),
                warn,
                Stop(stop),
                network_jobs,
                (callbacks or {}).get(name),
            )
            for name, model in zip(names, _clones(models), strict=True)
        ]
        self.estimators_ = []
        for model, lines, warnings in in_parallel(
            _fit_model, fits, [f"model {name!r}" for name in names]
        ):
            progress.print_kept_lines(lines)
            warn.update(warnings)
            self.estimators_.append(model)
        self.named_estimators_ = Bunch(**dict(zip(names, self.estimators_, strict=True)))
        outputs = np.array(
            [getattr(final_step(model), self._out_of_fold) for model in self.estimators_]
        )
        # Rows that all models hold out; the outputs of others are NaN.
        held_out = ~np.isnan(outputs).any(axis=(0, *range(2, outputs.ndim)))
        if not held_out.any():
            raise ValueError(
                "the models must have at least one common held-out sample with a positive weight, "
                "got none"
            )
        self._learn_weights(outputs, held_out, samples)

    def _result(self, progress):
        """The line about the fit."""
        pairs = zip(self._mean_weights(), self.named_estimators_, strict=True)
        weights = ", ".join(f"{weight:.3g} {name}" for weight, name in pairs)
        score = f"R2 {self.oof_score_:f}"
        if is_classifier(self):
            score = f"accuracy {self.oof_score_:f}, temperature {self.temperature_:.3g}"
        return f"blend of {weights}: out-of-fold loss {self.oof_loss_:.6g}, {score}"

    @compat.fit_context(prefer_skip_nested_validation=False)  # which checks the parameters
    def _check_models(self, is_weighted):
        is_weighted |= getattr(self, "class_weight", None) is not None
        taken = [*self.get_params(deep=False), "all"]  # which `summary` has for the blend
        names = [p[0] if isinstance(p, tuple | list) and p else p for p in self.estimators]
        valid = all(isinstance(name, str) and "__" not in name and name not in taken for name in names)
        if not valid or len(set(names)) < len(names) or not self._models():
            raise ValueError(
                "estimators must be a list of (name, model) with at least one model that is not 'drop' "
                f"and distinct names without '__' that are not among {taken}, got the names "
                f"{names}"
            )
        for name, model in self._models():
            is_ensemble = isinstance(final_step(model), (self._cross_fit, type(self)))
            if not is_ensemble or transforms_y(model):
                raise TypeError(
                    f"the model {name!r} must be, or end with, a {self._cross_fit.__name__} or a "
                    f"{type(self).__name__}, which have out-of-fold predictions, and a transformation "
                    f"of y must be inside it, got {model!r}"
                )
            if _is_fitted_in_parts(model):
                with note_on_error(f"model {name!r}"):
                    check_ensemble(final_step(model), is_weighted)

    def _weighted(self):
        """The weights of the models and the models; those without weight are not asked."""
        pairs = zip(self.weights_, self.estimators_, strict=True)
        return [(weight, model) for weight, model in pairs if np.any(weight > 0)]

    def _mean_weights(self):
        """The weights of the models; if each column of y has others, their means."""
        return self.weights_.reshape(len(self.weights_), -1).mean(axis=1)

    def summary(self) -> Any:
        """Summarize the models and the blend.

        Returns
        -------
        summary : pandas.DataFrame
            One row per model, and a last row "all" for the blend. The columns are

            - `weight`: the weight of the model;
            - `oof_loss`: the out-of-fold loss on the samples that all models hold out. The weights
              minimize this loss, but with class weights. It also distinguishes models that have the
              same accuracy because a class is rare;
            - `oof_score`: the out-of-fold accuracy or R2 of these samples;
            - `n_members`: the number of members;
            - `fit_seconds`: the time from the start to the end of the fit, while other models were
              fitted;
            - `predict_ms`: CPU milliseconds to predict 1,000 rows, measured in `fit`. The blend does
              not use models of weight 0.
        """
        import pandas as pd

        check_is_fitted(self)
        ensembles = [*map(final_step, self.estimators_), self]
        columns = {
            "weight": [*self._mean_weights(), self._mean_weights().sum()],
            "oof_loss": [*self._model_losses, self.oof_loss_],
            "oof_score": [*self._model_scores, self.oof_score_],
            "n_members": [ensemble._n_members for ensemble in ensembles],
            "fit_seconds": [ensemble._fit_seconds for ensemble in ensembles],
            "predict_ms": [1e6 * ensemble._predict_seconds for ensemble in ensembles],
        }
        return pd.DataFrame(columns, index=[*self.named_estimators_, "all"])

    @property
    def _n_members(self):
        return sum(final_step(model)._n_members for model in self.estimators_)

    @property
    def _predict_seconds(self):
        return sum(final_step(model)._predict_seconds for _, model in self._weighted())

    def __setstate__(self, state):
        if "estimators_" in state and "_model_losses" not in state:  # saved by 0.6.0
            ensembles = [*map(final_step, state["estimators_"])]
            state = state | {
                "_model_losses": [ensemble.oof_loss_ for ensemble in ensembles],
                "_model_scores": [ensemble.oof_score_ for ensemble in ensembles],
                "_shared_temperature": 1.0,  # the temperatures of the models were multiplied by it
            }
        super().__setstate__(state)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Get the parameters and, with `deep`, also the models and the parameters of the models.

        Parameters
        ----------
        deep : bool, default=True
            Whether to include the parameters of the models.

        Returns
        -------
        params : dict
            Values by names.
        """
        params = super().get_params(deep=False)
        if deep:
            params |= dict(self._named())
            for name, model in self._models():
                params |= {f"{name}__{key}": value for key, value in model.get_params().items()}
        return params

    def set_params(self, **params: Any) -> Self:
        """Set parameters, models by name, or parameters of models by ``<name>__<parameter>``.

        A model that is set to "drop" is ignored.

        Parameters
        ----------
        **params : dict
            Values by names.

        Returns
        -------
        self : object
            The estimator.
        """
        if "estimators" in params:
            self.estimators = params.pop("estimators")
        if any(name in params for name, _ in self._named()):
            self.estimators = [(name, params.pop(name, model)) for name, model in self.estimators]
        return super().set_params(**params)

    def _sk_visual_block_(self):
        """How notebooks show the blend: as a VotingClassifier of its models, fitted or not."""
        named = getattr(self, "named_estimators_", dict(self.estimators))
        return compat.visual_block(VotingClassifier(list(named.items())))

    def _named(self):
        """The pairs of a name and a model; none if `estimators` is invalid."""
        try:
            return list(dict(self.estimators).items())
        except (TypeError, ValueError):
            return []

    def _models(self):
        """The same, without models that are "drop"."""
        return [(name, model) for name, model in self._named() if model != "drop"]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        input_tags = [get_tags(model).input_tags for _, model in self._models()]
        tags.input_tags.sparse = all(part.sparse for part in input_tags)
        tags.input_tags.allow_nan = all(part.allow_nan for part in input_tags)
        return tags


def _clones(models):
    """Clones to fit. Models that share a RandomState, also NumPy's, share a seed that it draws.

    Models with the same int share it already.
    """
    seed_of = cache(lambda random_state: random_state.randint(2**31))
    clones = [clone(model) for model in models]
    for model, copied in zip(models, clones, strict=True):
        ensemble = final_step(model)
        if hasattr(ensemble, "random_state") and not isinstance(ensemble.random_state, Integral):
            seed = seed_of(check_random_state(ensemble.random_state))
            final_step(copied).random_state = seed
    return clones


def _are_constant(models):
    """Which models predict the same for all samples."""
    estimators = [getattr(final_step(model), "estimator", None) for model in models]
    return np.array([isinstance(part, DummyClassifier | DummyRegressor) for part in estimators])


def _is_fitted_in_parts(model):
    """Whether what stands before the final step can be fitted without it: no class overrides `fit`."""
    fits = Pipeline.fit, BaseOutOfFold.fit  # tools may replace them
    return all(type(part).fit in fits for _, part in nested(model))


def _fit_model(model, samples, progress, warn, stop, network_jobs, callback):
    """Fit a model of a blend; return it, and its lines and warnings if this is another process."""
    stop.check()
    samples = samples._replace(X=_seen_by(model, samples.X))
    with config_context(enable_metadata_routing=False):  # what a model gets is the blend's to say
        if _is_fitted_in_parts(model):
            model, inputs = fit_all_but_last(model, samples.X, samples.y, {})
            samples = samples._replace(X=inputs.X)
            fit_part(final_step(model), samples, progress, warn, stop, network_jobs, callback)
        else:
            data = {"sample_weight": samples.sample_weight, "groups": samples.groups}
            model.fit(samples.X, samples.y, **fit_arguments(model, **data))
    return model, progress.lines, warn


def _seen_by(model, X):
    """X as a model may have it: a copy, unless it is known that the model does not write into X."""
    return X if leaves_X_unchanged(model) else protected(X)


def _proba_of(model, X, temperature):
    """The probabilities of a model of a blend if the logits of its members are also divided by this."""
    ensemble: Any = model
    X = _seen_by(model, X)
    # A subclass may override what is called here in place of `predict_proba`.
    while type(ensemble) is Pipeline:
        for _, step in ensemble.steps[:-1]:
            X = X if step in (None, "passthrough") else step.transform(X)
        ensemble = ensemble.steps[-1][1]
    asks_members = type(ensemble).predict_proba is LabelsMixin.predict_proba
    if isinstance(ensemble, BaseOutOfFold) and asks_members:
        with joblib_jobs(ensemble.n_jobs):
            return ensemble._predict_proba(ensemble._check_X(X), temperature)
    return calibration.probabilities_at(temperature, calibration.as_logs(ensemble.predict_proba(X)))


def _oof_proba_of(model, temperature):
    """The out-of-fold probabilities if the logits of members are also divided by a temperature."""
    ensemble = final_step(model)
    if isinstance(ensemble, BlendClassifier):
        temperature = temperature * ensemble._shared_temperature
        pairs = ensemble._weighted()
        return np.sum([weight * _oof_proba_of(part, temperature) for weight, part in pairs], axis=0)
    return calibration.probabilities_at(temperature, calibration.as_logs(ensemble.oof_proba_))


class BlendClassifier(LabelsMixin, BaseBlend):
    """Weighted average of classifiers, with weights that minimize the out-of-fold log-loss.

    The models are fitted in parallel. The non-negative weights minimize the log-loss of the weighted
    mean of the out-of-fold probabilities [1]_. Then the logits of all members are divided by one
    temperature. Ensembles of a :class:`~sklearn.dummy.DummyClassifier` get weight zero if the log-loss
    of the others is lower by at least three standard errors.

    Parameters
    ----------
    estimators : list of (str, model)
        Names and models. Each model is a :class:`CrossFitClassifier` of any classifier, another blend,
        or a Pipeline that ends with one. The folds of the models may differ. A model "drop" is ignored.

    verbose : bool or int, default=False
        Whether to print the out-of-fold accuracy of each model and of the blend, and the weights.

    prior_samples : float, default=0
        Strength of a prior that shrinks the weights of the models towards equal weights, in samples.

    n_jobs : int, default=None
        Number of models to fit in parallel. Each model has an equal share of the cores to fit the
        members, unless `n_jobs` of the model is set. None means the number of
        ``joblib.parallel_config``, or one per core without a configuration, unlike in scikit-learn. An
        int overrides both; -1 means one per core.

    class_weight : dict, "balanced" or None, default=None
        Factor for the sample weights of each class. It affects the models, the temperatures and the
        blend weights. "balanced" gives all classes the same total weight. `oof_loss_` and `oof_score_`
        of the blend and of the models do not use class weights. Samples of a class with weight zero are
        in no fold, and no member is trained on them, but transformers are fitted to them. If a model
        has a class_weight as well, the weights are multiplied, with a warning.

    Attributes
    ----------
    estimators_ : list of models
        The fitted models, without those that are "drop".

    named_estimators_ : :class:`~sklearn.utils.Bunch`
        The fitted models by their names.

    weights_ : ndarray of shape (n_models,)
        The weights of the models, which sum to 1. Models with weight 0 are not used for predictions.

    classes_ : ndarray of shape (n_classes,)
        The class labels, sorted.

    temperature_ : float
        The number by which the logits of all members are divided before averaging, in addition to the
        temperatures of the models. `temperature_` and `oof_proba_` of the models do not include it.

    oof_proba_ : ndarray of shape (n_samples, n_classes)
        The out-of-fold probabilities: each sample is predicted by members that were not trained on it.
        NaN if a model with positive weight has no such member.

    oof_loss_ : float
        The log-loss of the out-of-fold predictions.

    oof_score_ : float
        The accuracy of the out-of-fold predictions.

    n_features_in_ : int
        Number of features seen during fit, if X defines it.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if X has names that are all strings.

    See Also
    --------
    CrossFitClassifier : Clones of one estimator.
    sklearn.ensemble.StackingClassifier : A model that is fitted to the predictions of models.

    References
    ----------
    .. [1] Caruana, Niculescu-Mizil, Crew and Ksikes (2004), "Ensemble Selection from Libraries of
       Models", ICML. The weights here are the solution of the convex problem that the greedy search of
       this paper approximates.

    Examples
    --------
    >>> from sklearn.ensemble import HistGradientBoostingClassifier
    >>> from skdense import LowLevelMLPClassifier
    >>> from skdense.datasets import make_two_clouds
    >>> from skdense.ensemble import BlendClassifier, CrossFitClassifier
    >>> X, y = make_two_clouds(100, random_state=0)
    >>> network = LowLevelMLPClassifier((8,), learning_rate_init=0.01, max_iter=30, early_stopping=True)
    >>> trees = HistGradientBoostingClassifier(max_iter=20)
    >>> blend = BlendClassifier([
    ...     ("networks", CrossFitClassifier(network, cv=4, random_state=0)),
    ...     ("trees", CrossFitClassifier(trees, cv=4, random_state=0)),
    ... ]).fit(X, y)
    >>> blend.weights_.shape, blend.predict_proba([[0, 3]]).shape
    ((2,), (1, 2))
    """

    classes_: NDArray
    temperature_: float
    oof_proba_: NDArray

    _cross_fit = CrossFitClassifier
    _parameter_constraints = BaseBlend._parameter_constraints | {
        "class_weight": [dict, compat.StrOptions({"balanced"}), None]
    }

    def __init__(
        self,
        estimators: list,
        *,
        verbose: bool | int = False,
        prior_samples: float = 0,
        n_jobs: int | None = None,
        class_weight: dict | Literal["balanced"] | None = None,
    ):
        self.estimators = estimators
        self.verbose = verbose
        self.prior_samples = prior_samples
        self.n_jobs = n_jobs
        self.class_weight = class_weight

    def _predict_proba(self, X, temperature=1.0):
        """The probabilities of checked samples, if the logits of members are also divided by this."""
        temperature = temperature * self._shared_temperature
        return sum(weight * _proba_of(model, X, temperature) for weight, model in self._weighted())

    def _learn_weights(self, outputs, held_out, samples):
        weights, own_weights = samples.weights[held_out], samples.own_weights[held_out]
        class_numbers = np.searchsorted(self.classes_, samples.y[held_out])
        likelihoods = outputs[:, held_out][:, np.arange(len(class_numbers)), class_numbers]
        # Below this, `as_logs` is constant, and the loss would not be convex.
        likelihoods = np.maximum(likelihoods, np.finfo(float).eps)[:, :, None]
        self.weights_ = calibration.best_weights(
            likelihoods,
            lambda mixed: -np.log(mixed),
            lambda mixed: -1 / mixed,
            is_smooth=True,
            value_weights=weights[:, None] / weights.sum(),
            n_rows=calibration.effective_rows(weights),
            is_constant=_are_constant(self.estimators_),
            prior=self.prior_samples / weights.sum(),
        )
        is_used = self.weights_ > 0
        logs = [calibration.as_logs(proba[held_out]) for proba in outputs[is_used]]
        self.temperature_ = self._shared_temperature = calibration.learn_temperature(
            logs, class_numbers, weights, self.weights_[is_used]
        )
        self.oof_proba_ = np.sum(
            [weight * _oof_proba_of(model, self.temperature_) for weight, model in self._weighted()],
            axis=0,
        )
        results = [
            calibration.loss_and_accuracy(proba[held_out], class_numbers, own_weights)
            for proba in (*outputs, self.oof_proba_)
        ]
        *self._model_losses, self.oof_loss_ = [loss for loss, _ in results]
        *self._model_scores, self.oof_score_ = [score for _, score in results]


class BlendRegressor(NumbersMixin, BaseBlend):
    """Weighted average of regressors, with weights that minimize the out-of-fold loss.

    The models are fitted in parallel. The non-negative weights minimize the loss of the weighted mean
    of the out-of-fold predictions. Ensembles of a :class:`~sklearn.dummy.DummyRegressor` get weight
    zero if the loss of the others is lower by at least three standard errors.

    Parameters
    ----------
    estimators : list of (str, model)
        Names and models. Each model is a :class:`CrossFitRegressor` of any regressor, another blend, or
        a Pipeline that ends with one. A transformation of y, such as
        :class:`~sklearn.compose.TransformedTargetRegressor`, must be inside the CrossFitRegressor. The
        folds of the models may differ. A model "drop" is ignored.

    verbose : bool or int, default=False
        Whether to print the out-of-fold R2 of each model and of the blend, and the weights.

    prior_samples : float, default=0
        Strength of a prior that shrinks the weights of the models towards equal weights, in samples.

    n_jobs : int, default=None
        Number of models to fit in parallel. Each model has an equal share of the cores to fit the
        members, unless `n_jobs` of the model is set. None means the number of
        ``joblib.parallel_config``, or one per core without a configuration, unlike in scikit-learn. An
        int overrides both; -1 means one per core.

    loss : {'squared_error', 'poisson', 'absolute_error', 'quantile', 'huber'}, \
            default='squared_error'
        The loss that the weights minimize, usually the same as in the models. Huber's loss is computed
        on y divided by its standard deviation, and the Poisson loss needs models with positive
        predictions.

    quantile : float, default=0.5
        The quantile for ``loss="quantile"``.

    relative_delta : float, default=1.0
        For ``loss="huber"``, the error above which the loss is linear, as a multiple of the standard
        deviation of y.

    Attributes
    ----------
    estimators_ : list of models
        The fitted models, without those that are "drop".

    named_estimators_ : :class:`~sklearn.utils.Bunch`
        The fitted models by their names.

    weights_ : ndarray of shape (n_models,) or (n_models, n_outputs)
        The weights of the models, which sum to 1, for each column of y. Models with weight 0 are not
        used for predictions.

    oof_prediction_ : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        The out-of-fold predictions: each sample is predicted by members that were not trained on it.
        NaN if a model with positive weight has no such member.

    oof_loss_ : float
        The mean loss of the out-of-fold predictions, as defined by scikit-learn's metrics; Huber's loss
        is computed on y divided by its standard deviation.

    oof_score_ : float
        The R2 of the out-of-fold predictions.

    n_features_in_ : int
        Number of features seen during fit, if X defines it.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if X has names that are all strings.

    See Also
    --------
    CrossFitRegressor : Clones of one estimator.
    sklearn.ensemble.StackingRegressor : A model that is fitted to the predictions of models.

    Examples
    --------
    >>> from sklearn.datasets import make_friedman1
    >>> from sklearn.linear_model import RidgeCV
    >>> from skdense import LowLevelMLPRegressor
    >>> from skdense.ensemble import BlendRegressor, CrossFitRegressor
    >>> X, y = make_friedman1(200, random_state=0)
    >>> network = LowLevelMLPRegressor(max_iter=30, learning_rate_init=0.01, early_stopping=True)
    >>> blend = BlendRegressor([
    ...     ("networks", CrossFitRegressor(network, cv=4, random_state=0)),
    ...     ("linear", CrossFitRegressor(RidgeCV(), cv=4, random_state=0)),
    ... ]).fit(X, y)
    >>> blend.weights_.shape, blend.predict(X[:3]).shape
    ((2,), (3,))
    """

    oof_prediction_: NDArray

    _cross_fit = CrossFitRegressor
    _parameter_constraints = BaseBlend._parameter_constraints | {
        "loss": [compat.StrOptions(LOSSES["regression"].keys())],
        "quantile": [compat.Interval(Real, 0, 1, closed="neither")],
        "relative_delta": [compat.Interval(Real, 0, None, closed="neither")],
    }

    def __init__(
        self,
        estimators: list,
        *,
        verbose: bool | int = False,
        prior_samples: float = 0,
        n_jobs: int | None = None,
        loss: str = "squared_error",
        quantile: float = 0.5,
        relative_delta: float = 1.0,
    ):
        self.estimators = estimators
        self.verbose = verbose
        self.prior_samples = prior_samples
        self.n_jobs = n_jobs
        self.loss = loss
        self.quantile = quantile
        self.relative_delta = relative_delta

    def _predict(self, X):
        return sum(weight * model.predict(_seen_by(model, X)) for weight, model in self._weighted())

    def _learn_weights(self, outputs, held_out, samples):
        y, row_weights = samples.y[held_out], samples.weights[held_out]
        loss, number = calibration.loss_named(calibration.loss_params(self))
        elementwise: Any = loss.elementwise
        slope: Any = loss.slope
        with np.errstate(over="ignore"):  # of predictions that are far off
            losses = elementwise(y, outputs[:, held_out], *number)
        if loss.output == "exp" and not np.isfinite(losses).all():
            raise ValueError(
                f"loss={self.loss!r} needs models with positive predictions, and y of at least "
                f"{loss.lowest_target}, got out-of-fold predictions from {np.nanmin(outputs):.3g} and "
                f"y from {y.min():.3g}"
            )
        # Only losses of positive predictions depend on more than differences, which are precise at 0.
        center = 0.0 if loss.output == "exp" else y.mean(axis=0)
        mean, deviation = calibration.mean_and_deviation(y, row_weights)
        scale = 1.0 if loss.is_homogeneous else deviation
        columns = ((y - center) / scale).reshape(len(y), -1)  # (n_samples, n_outputs)
        predicted = ((outputs[:, held_out] - center) / scale).reshape(-1, *columns.shape)
        constant = np.broadcast_to((mean - center) / scale, columns.shape[1:])

        def mean_losses(mixed):  # (n_outputs,)
            with np.errstate(over="ignore"):
                return np.average(elementwise(columns, mixed, *number), axis=0, weights=row_weights)

        single = np.array([mean_losses(output) for output in predicted])
        # The prior is compared with the loss of the best model.
        units = np.where(single.min(axis=0) > 0, single.min(axis=0), 1e-6 * mean_losses(constant))
        units = np.where(units > 0, units, 1.0)

        def weights_for(i):
            column = columns[:, [i]]
            return calibration.best_weights(
                predicted[:, :, [i]],
                lambda mixed: elementwise(column, mixed, *number),
                lambda mixed: slope(column, mixed, *number),
                is_smooth=loss.is_smooth,
                value_weights=(row_weights / row_weights.sum())[:, None] / units[i],
                n_rows=calibration.effective_rows(row_weights),
                is_constant=_are_constant(self.estimators_),
                prior=self.prior_samples / row_weights.sum(),
            )

        model_weights = np.column_stack([weights_for(i) for i in range(columns.shape[1])])
        self.weights_ = model_weights if y.ndim > 1 else model_weights[:, 0]
        is_used = model_weights.any(axis=1)
        pairs = zip(self.weights_[is_used], outputs[is_used], strict=True)
        self.oof_prediction_ = np.sum([weight * predictions for weight, predictions in pairs], axis=0)
        self._lowest = min(final_step(model)._lowest for _, model in self._weighted())
        results = []
        for mixed, predictions in (
            *zip(predicted, outputs[:, held_out], strict=True),
            (np.einsum("mo,mso->so", model_weights, predicted), self.oof_prediction_[held_out]),
        ):
            score = r2_score(y, predictions, sample_weight=row_weights)
            # The loss is in the units of y, and that of the blend.
            results.append((float(mean_losses(mixed).mean()), score))
        *self._model_losses, self.oof_loss_ = [loss for loss, _ in results]
        *self._model_scores, self.oof_score_ = [score for _, score in results]
