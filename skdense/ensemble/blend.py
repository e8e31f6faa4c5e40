"""Blends: weighted means of models, with weights learned from their out-of-fold predictions."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import (
    BaseEstimator,
    MetaEstimatorMixin,
    _fit_context,
    clone,
)
from sklearn.callback import CallbackSupportMixin
from sklearn.ensemble import VotingClassifier
from sklearn.utils import Bunch, get_tags
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from skdense.ensemble.conversion import converted, voting
from skdense.ensemble.crossfit import summary
from skdense.ensemble.ends import fit_parameters, last_of
from skdense.ensemble.folds import at_once, check_table
from skdense.ensemble.progress import FitTask
from skdense.fit.inputs import MatrixLike
from skdense.fit.train import unchanged_on_error


class BaseBlend(CallbackSupportMixin, MetaEstimatorMixin, BaseEstimator):
    """What both blends share: named models, which are fitted together, and their weights.

    A subclass has the methods `_check_y` and `_learn_out_of_fold`, and the class `_cross_fit` that its
    models end with.
    """

    _parameter_constraints = {"estimators": [list], "verbose": ["verbose"]}

    _rows_of_prior = 0
    """How many samples a prior counts as that draws the weights towards equal ones."""

    def __init__(self, estimators: list, *, verbose: bool | int = False):
        self.estimators = estimators
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: MatrixLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Fit all models at the same time, and find their weights.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            The samples, as the models take them.
        y : array-like of shape (n_samples,)
            What to predict; for the regressor also of shape (n_samples, n_outputs).
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples, for the models and for the loss that the weights minimize.
        groups : array-like of shape (n_samples,), default=None
            The group of each sample, for the folds of the models.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        TypeError
            If a model has no out-of-fold predictions.
        ValueError
            If names are invalid, no sample is held out by all models, or a model cannot be fitted. An
            earlier fit is left as it was.
        """
        self._check_estimators()
        context = self._init_callback_context(sequential_subtasks=False)
        with unchanged_on_error(self):
            self._fit(X, y, sample_weight, groups, context)
        return self

    def _check_estimators(self):
        taken = self.get_params(deep=False)
        names = [p[0] if isinstance(p, tuple | list) and p else p for p in self.estimators]
        valid = all(isinstance(name, str) and "__" not in name and name not in taken for name in names)
        if not self._kept() or len(self._named()) < len(names) or not valid:
            raise ValueError(
                "estimators must be a list of (name, model) with at least one model that is not 'drop' "
                f"and distinct names without '__' that are not among {list(taken)}, got the names "
                f"{names}"
            )
        for name, model in self._kept():
            if not isinstance(last_of(model), (self._cross_fit, type(self))):
                raise TypeError(
                    f"the model {name!r} must be, or end with, a {self._cross_fit.__name__} or a "
                    f"{type(self).__name__}, which have out-of-fold predictions, got {model!r}"
                )

    def _fit(self, X, y, sample_weight, groups, context):
        X, y = check_table(self, X, y, reset=True)
        y = self._check_y(y)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X, ensure_non_negative=True)
        sample_weight = self._weigh(y, sample_weight)
        given = {"sample_weight": sample_weight, "groups": groups}
        given = {name: value for name, value in given.items() if value is not None}
        chosen = self._chosen(y)
        task = FitTask(self, context, X, y, sample_weight)
        with task.of(len(chosen)):
            self.estimators_ = at_once(
                _fitted,
                (
                    (clone(model), X, y, given, self.verbose, task, name, number)
                    for number, (name, model) in enumerate(chosen)
                ),
            )
            names = [name for name, _ in chosen]
            self.named_estimators_ = Bunch(**dict(zip(names, self.estimators_, strict=True)))
            self.n_estimators_ = sum(last_of(model).n_estimators_ for model in self.estimators_)
            self._learn_out_of_fold(y, sample_weight)
        if self.verbose:
            weights = ", ".join(f"{w:.3g} {name}" for w, name in zip(self.weights_, names))
            print(f"Blend of {weights}: {summary(self)}")

    def _weigh(self, y, sample_weight):
        """The weights of the samples, None if all are one."""
        return sample_weight

    def _chosen(self, y):
        """The names and models to fit. A subclass may let the data decide."""
        return self._kept()

    def _seen(self, outputs):
        """The rows that all models hold out, given their out-of-fold outputs, NaN where they do not."""
        seen = ~np.isnan(outputs).any(axis=(0, *range(2, outputs.ndim)))
        if not seen.any():
            raise ValueError("the folds of all models must have a held-out sample in common, got none")
        return seen

    def _mean(self, outputs):
        """The weighted mean of the outputs of the models that have weight."""
        return sum(w * output for w, output in zip(self.weights_[self.weights_ > 0], outputs))

    def _models(self):
        """The models that have weight."""
        return [model for w, model in zip(self.weights_, self.estimators_, strict=True) if w > 0]

    @property
    def members_(self) -> Any:
        """The weight, the out-of-fold score and the number of members of each model and of the blend.

        Returns
        -------
        frame : pandas.DataFrame
            A row for each model, by its name, and the last one for the blend. `oof_score` is the
            accuracy or R2.
        """
        check_is_fitted(self)
        try:
            import pandas as pd
        except ImportError as error:  # `dir` and notebooks look at every attribute, and expect this one
            raise AttributeError("members_ needs pandas: pip install pandas") from error
        ensembles = [*map(last_of, self.estimators_), self]
        columns = {
            "weight": [*self.weights_, self.weights_.sum()],
            "oof_score": [ensemble.oof_score_ for ensemble in ensembles],
            "n_estimators": [ensemble.n_estimators_ for ensemble in ensembles],
        }
        return pd.DataFrame(columns, index=[*self.named_estimators_, "all"])

    def to_sklearn(self) -> BaseEstimator:
        """Convert to the VotingClassifier or VotingRegressor that is the same ensemble.

        Each model that has a weight becomes a voting estimator of scikit-learn's networks and of copies
        of other members, with the steps of a Pipeline that stand before it. A classifier's
        temperatures, and the scale of y, become part of output layers, leaves and coefficients. The
        predictions are the same up to rounding, and need neither this package nor TensorFlow, unless
        those steps do.

        Returns
        -------
        model : VotingClassifier or VotingRegressor
            The fitted model, which shares nothing with this one.

        Raises
        ------
        ValueError
            If scikit-learn's networks cannot represent one of the members, if a regressor predicts
            several numbers for each sample, or if members can take neither temperature nor scale:
            networks, scikit-learn's HistGradientBoosting and a LogisticRegression can.
        """
        check_is_fitted(self)
        weighted = zip(self.named_estimators_.items(), self.weights_, strict=True)
        models = {name: converted(model) for (name, model), weight in weighted if weight > 0}
        return voting(self, models, self.weights_[self.weights_ > 0])

    def _check_X(self, X):
        check_is_fitted(self)
        return check_table(self, X, reset=False)

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Get the parameters, with `deep` also the models by their names and their parameters.

        Parameters
        ----------
        deep : bool, default=True
            Whether to return those of the models, too.

        Returns
        -------
        params : dict
            Values by names.
        """
        params = super().get_params(deep=False)
        if deep:
            params |= dict(self._named())
            for name, model in self._kept():
                params |= {f"{name}__{key}": value for key, value in model.get_params().items()}
        return params

    def set_params(self, **params: Any) -> Self:
        """Set parameters, models by their names, or parameters of models by ``<name>__<parameter>``.

        A model that is set to "drop" is left out.

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
        return VotingClassifier(list(named.items()))._sk_visual_block_()

    def _named(self):
        """The pairs of a name and a model; none if `estimators` is invalid."""
        try:
            return list(dict(self.estimators).items())
        except (TypeError, ValueError):
            return []

    def _kept(self):
        """The same, without models that are "drop"."""
        return [(name, model) for name, model in self._named() if model != "drop"]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        inputs = [get_tags(model).input_tags for _, model in self._kept()]
        tags.input_tags.sparse = all(its.sparse for its in inputs)
        tags.input_tags.allow_nan = all(its.allow_nan for its in inputs)
        return tags


def _fitted(model, X, y, given, verbose, task, name, number):
    """Fit a model; unless its ensemble prints its result, print it."""
    ensemble = last_of(model)
    ensemble._called = f", {name}"
    with task.repeating(model, name, number):
        model.fit(X, y, **fit_parameters(model, **given))
    if verbose and not ensemble.verbose:
        print(f"{name}: {summary(last_of(model))}")
    return model
