"""Blends: several models, weighted by what they predict for samples that they were not trained on."""

import numpy as np
from joblib import Parallel, delayed, parallel_config
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    MetaEstimatorMixin,
    RegressorMixin,
    _fit_context,
    clone,
)
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils import Bunch, get_tags
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from skdense.ensemble.conversion import converted, voting
from skdense.ensemble.crossfit import CrossFitClassifier, CrossFitRegressor
from skdense.ensemble.ends import fit_parameters, last_of, out_of_fold
from skdense.ensemble.folds import check_table
from skdense.ensemble.intervals import learn_errors, predict_quantiles
from skdense.ensemble.temperature import learn_temperature, tempered
from skdense.ensemble.weights import best_weights
from skdense.fit.fitting import unchanged_on_error

__all__ = ["BlendClassifier", "BlendRegressor"]


class BaseBlend(MetaEstimatorMixin, BaseEstimator):
    """What both blends share: models of names, which are fitted together, and their weights.

    A subclass has the method `_learn_out_of_fold`, and the class `_cross_fit` that its models end with.
    """

    _parameter_constraints = {"estimators": [list]}

    def __init__(self, estimators):
        self.estimators = estimators

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, sample_weight=None, groups=None):
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
        with unchanged_on_error(self):
            self._fit(X, y, sample_weight, groups)
        return self

    def _check_estimators(self):
        names = [name for name, _ in self.estimators]
        if not names or len(set(names)) < len(names) or any("__" in name for name in names):
            raise ValueError(
                "estimators must be a list of (name, model) with at least one model and distinct names "
                f"without '__', got the names {names}"
            )
        for name, model in self.estimators:
            if not isinstance(last_of(model), (self._cross_fit, type(self))):
                raise TypeError(
                    f"the model {name!r} must be, or end with, a {self._cross_fit.__name__} or a "
                    f"{type(self).__name__}, which have out-of-fold predictions, got {model!r}"
                )

    def _fit(self, X, y, sample_weight, groups):
        X, y = check_table(self, X, y, reset=True)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X, ensure_non_negative=True)
        given = {"sample_weight": sample_weight, "groups": groups}
        given = {name: value for name, value in given.items() if value is not None}
        with parallel_config("skdense"):
            self.estimators_ = Parallel()(
                delayed(_fitted)(clone(model), X, y, given) for _, model in self.estimators
            )
        names = [name for name, _ in self.estimators]
        self.named_estimators_ = Bunch(**dict(zip(names, self.estimators_, strict=True)))
        self._learn_out_of_fold(y, sample_weight)

    def _seen(self, outputs):
        """The rows that all models hold out, given their out-of-fold outputs, NaN where they do not."""
        seen = ~np.isnan(outputs).any(axis=(0, *range(2, outputs.ndim)))
        if not seen.any():
            raise ValueError("the folds of all models must hold out a sample in common, got none")
        return seen

    def _mean(self, outputs):
        """The weighted mean of the outputs of the models that have weight."""
        return sum(w * output for w, output in zip(self.weights_[self.weights_ > 0], outputs))

    def _models(self):
        """The models that have weight."""
        return [model for w, model in zip(self.weights_, self.estimators_, strict=True) if w > 0]

    def _voting(self):
        names = [name for name, _ in self.estimators]
        models = {
            name: converted(model)
            for name, model, weight in zip(names, self.estimators_, self.weights_, strict=True)
            if weight > 0
        }
        return voting(self, models, self.weights_[self.weights_ > 0])

    def _check_X(self, X):
        check_is_fitted(self)
        return check_table(self, X, reset=False)

    def get_params(self, deep=True):
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
            for name, model in self._named():
                params[name] = model
                params |= {f"{name}__{key}": value for key, value in model.get_params().items()}
        return params

    def set_params(self, **params):
        """Set parameters, models by their names, or parameters of models by ``<name>__<parameter>``.

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

    def _named(self):
        """The names and models, if they are such."""
        try:
            return list(dict(self.estimators).items())
        except (TypeError, ValueError):
            return []

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        inputs = [get_tags(model).input_tags for _, model in self._named()]
        tags.input_tags.sparse = all(its.sparse for its in inputs)
        tags.input_tags.allow_nan = all(its.allow_nan for its in inputs)
        return tags


class BlendClassifier(ClassifierMixin, BaseBlend):
    """Classifiers that vote with weights, chosen by their out-of-fold probabilities.

    The models are fitted at the same time, and all of their networks train together. The weights, of
    which none is negative, are those of the lowest log-loss of the mean of the out-of-fold
    probabilities [1]_. Then the logits of all members are divided by one temperature. The probabilities
    are the weighted mean of the models'.

    Parameters
    ----------
    estimators : list of (str, model)
        The models and their names. Each is a :class:`CrossFitClassifier` or another blend, or a
        Pipeline that ends in one. Their folds may differ.

    Attributes
    ----------
    estimators_ : list of models
        The fitted models.

    named_estimators_ : :class:`~sklearn.utils.Bunch`
        The same, by their names.

    weights_ : ndarray of shape (n_models,)
        The weights of the models. Their sum is 1. A model of weight 0 is not asked to predict.

    classes_ : ndarray of shape (n_classes,)
        The class labels, sorted.

    temperature_ : float
        What the logits of all members are divided by, besides the models' own temperatures. The
        models' `temperature_` and `oof_probabilities_` are those after this division.

    oof_probabilities_ : ndarray of shape (n_samples, n_classes)
        The probabilities of each sample by members that were not trained on it; NaN for a sample that
        a model with a weight has never held out.

    oof_score_ : float
        The accuracy of these.

    n_features_in_ : int
        Number of features seen during fit, where X tells it.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, where X has names that are all strings.

    See Also
    --------
    CrossFitClassifier : Models of one kind.
    sklearn.ensemble.StackingClassifier : A model of the models' predictions.

    References
    ----------
    .. [1] Caruana, Niculescu-Mizil, Crew and Ksikes (2004), "Ensemble Selection from Libraries of
       Models", ICML. The weights here are those of the convex problem that its greedy search solves.

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

    _cross_fit = CrossFitClassifier

    def predict(self, X):
        """Predict class labels.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        y : ndarray of shape (n_samples,)
            The labels of the highest probability.
        """
        probabilities = self.predict_proba(X)
        return self.classes_[probabilities.argmax(axis=1)]

    def predict_proba(self, X):
        """Predict the probability of each class.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            Columns ordered as `classes_`.
        """
        X = self._check_X(X)
        return self._mean(model.predict_proba(X) for model in self._models())

    def to_sklearn(self):
        """Convert to the VotingClassifier that is the same ensemble.

        Each model that has a weight becomes a VotingClassifier of scikit-learn's networks, whose output
        layers are divided by the temperatures, with the steps of a Pipeline that stand before it. The
        probabilities are the same up to rounding, and need neither this package nor TensorFlow, unless
        those steps do.

        Returns
        -------
        model : VotingClassifier
            The fitted model, which shares nothing with this one.

        Raises
        ------
        ValueError
            If scikit-learn's networks cannot express one of the members, or if a model's members are no
            networks: nothing else has a place for the temperature.
        """
        check_is_fitted(self)
        return self._voting()

    def _learn_out_of_fold(self, y, sample_weight):
        self.classes_ = self.estimators_[0].classes_
        outputs = np.array([last_of(model).oof_probabilities_ for model in self.estimators_])
        seen = self._seen(outputs)
        weight = np.ones(len(y)) if sample_weight is None else sample_weight
        weight = weight[seen]
        labels = np.searchsorted(self.classes_, y[seen])
        of_label = np.arange(len(labels)), labels

        def log_loss(right):
            return -np.average(np.log(np.maximum(right, np.finfo(float).eps)), weights=weight)

        of_labels = outputs[:, seen][:, *of_label]
        self.weights_ = best_weights(lambda w: log_loss(w @ of_labels), len(outputs))
        outputs = outputs[self.weights_ > 0][:, seen]

        def log_loss_at(temperature):
            return log_loss(self._mean(tempered(temperature, p) for p in outputs)[of_label])

        self.temperature_ = learn_temperature(log_loss_at, weight.sum())
        for model in self.estimators_:
            last_of(model)._divide_logits(self.temperature_)
        self.oof_probabilities_ = self._mean(last_of(m).oof_probabilities_ for m in self._models())
        predicted = self.oof_probabilities_[seen].argmax(axis=1)
        self.oof_score_ = accuracy_score(labels, predicted, sample_weight=weight)

    def _divide_logits(self, temperature):
        """Divide the logits of all members by a temperature."""
        self.temperature_ *= temperature
        for model in self.estimators_:
            last_of(model)._divide_logits(temperature)
        self.oof_probabilities_ = self._mean(last_of(m).oof_probabilities_ for m in self._models())


class BlendRegressor(RegressorMixin, BaseBlend):
    """Regressors that are averaged with weights, chosen by their out-of-fold predictions.

    The models are fitted at the same time, and all of their networks train together. The weights, of
    which none is negative, are those of the lowest squared error of the mean of the out-of-fold
    predictions. The prediction is the weighted mean of the models'.

    Parameters
    ----------
    estimators : list of (str, model)
        The models and their names. Each is a :class:`CrossFitRegressor` or another blend, or a Pipeline
        or a :class:`~sklearn.compose.TransformedTargetRegressor` that ends in one. Their folds may
        differ.

    Attributes
    ----------
    estimators_ : list of models
        The fitted models.

    named_estimators_ : :class:`~sklearn.utils.Bunch`
        The same, by their names.

    weights_ : ndarray of shape (n_models,)
        The weights of the models. Their sum is 1. A model of weight 0 is not asked to predict.

    oof_prediction_ : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        The prediction of each sample by members that were not trained on it; NaN for a sample that a
        model with a weight has never held out.

    oof_score_ : float
        The R2 of these.

    n_features_in_ : int
        Number of features seen during fit, where X tells it.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, where X has names that are all strings.

    See Also
    --------
    CrossFitRegressor : Models of one kind.
    sklearn.ensemble.StackingRegressor : A model of the models' predictions.

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

    _cross_fit = CrossFitRegressor

    def predict(self, X, quantiles=None):
        """Predict numbers, or quantiles of them, as :meth:`CrossFitRegressor.predict` does.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            The samples.
        quantiles : float or list of float, default=None
            The quantiles to predict, such as ``[0.05, 0.95]`` for an interval that has 90 % of the
            values. None predicts numbers.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            The predictions. Several quantiles are on a last axis, ``(n_samples, n_quantiles)`` or
            ``(n_samples, n_outputs, n_quantiles)``.
        """
        X = self._check_X(X)
        predictions = self._mean(model.predict(X) for model in self._models())
        return (
            predictions
            if quantiles is None
            else predict_quantiles(self._errors, predictions, quantiles)
        )

    def to_sklearn(self):
        """Convert to the VotingRegressor that is the same ensemble.

        Each model that has a weight becomes a VotingRegressor of scikit-learn's networks and of copies
        of other members, with the steps of a Pipeline that stand before it. The predictions are the
        same up to rounding, and need neither this package nor TensorFlow, unless those steps do.

        Returns
        -------
        model : VotingRegressor
            The fitted model, which shares nothing with this one.

        Raises
        ------
        ValueError
            If scikit-learn's networks cannot express one of the members.
        """
        check_is_fitted(self)
        return self._voting()

    def _learn_out_of_fold(self, y, sample_weight):
        outputs = np.array([out_of_fold(model) for model in self.estimators_])
        seen = self._seen(outputs)
        weight = None if sample_weight is None else sample_weight[seen]
        y = y[seen]
        errors = (outputs[:, seen] - y).reshape(len(outputs), len(y), -1)
        errors /= np.maximum(y.reshape(len(y), -1).std(axis=0), np.finfo(float).tiny)

        def squared_error(weights):
            squares = np.tensordot(weights, errors, axes=1) ** 2
            return np.average(squares.mean(axis=1), weights=weight)

        self.weights_ = best_weights(squared_error, len(outputs))
        self.oof_prediction_ = self._mean(outputs[self.weights_ > 0])
        predictions = self.oof_prediction_[seen]
        self.oof_score_ = r2_score(y, predictions, sample_weight=weight)
        self._errors = learn_errors(y, predictions, weight)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _fitted(model, X, y, given):
    return model.fit(X, y, **fit_parameters(model, **given))
