"""CrossFitClassifier and BlendClassifier: what is particular to probabilities."""

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin, is_classifier
from sklearn.metrics import accuracy_score
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets

from skdense.base import BaseLowLevelMLP
from skdense.ensemble.blend import BaseBlend
from skdense.ensemble.blocks import predicted
from skdense.ensemble.conversion import converted
from skdense.ensemble.crossfit import BaseCrossFit
from skdense.ensemble.ends import last_of
from skdense.ensemble.folds import mean_by_row, n_counted
from skdense.ensemble.temperature import as_logs, learn_temperature, log_likelihoods, probabilities_at
from skdense.ensemble.weights import best_weights
from skdense.fit.inputs import MatrixLike

__all__ = ["BlendClassifier", "CrossFitClassifier"]


class _Classifier(ClassifierMixin):
    """What both classifiers share: labels from probabilities.

    A subclass has the method `_predict_proba(X)`, which predicts probabilities of checked samples.
    """

    def predict(self, X: MatrixLike) -> NDArray:
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

    def predict_proba(self, X: MatrixLike) -> NDArray:
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
        return self._predict_proba(self._check_X(X))

    def predict_log_proba(self, X: MatrixLike) -> NDArray:
        """Predict the logarithm of the probability of each class.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        log_probabilities : ndarray of shape (n_samples, n_classes)
            The logarithms of what `predict_proba` returns. None is -inf: a probability below 2.2e-16
            counts as 2.2e-16.
        """
        return as_logs(self.predict_proba(X))

    def _check_y(self, y):
        check_classification_targets(y)
        if y.ndim > 1:
            raise ValueError(f"y must have one label for each sample, got shape {y.shape}")
        self.classes_ = np.unique(y)
        if len(self.classes_) < 2:
            raise ValueError(
                f"y must have at least two classes, got one class: {self.classes_.tolist()}"
            )
        return y


class CrossFitClassifier(_Classifier, BaseCrossFit):
    r"""Classifiers of the same settings, each fitted to all folds but one, and averaged.

    The samples are split into `cv` folds, and a clone of the estimator is fitted outside of each. A
    network with ``early_stopping=True`` keeps the epoch that was best on its own fold, so that no
    sample is lost to validation; so do other classifiers whose `fit` takes `X_val`. All networks are
    trained at the same time, as by :func:`skdense.fit_many`, on one copy of the data.

    The probabilities are the mean of :math:`\mathrm{softmax}(\mathrm{logits} / T)` over the members.
    The temperature :math:`T` minimizes the log-loss of all samples [1]_, for each by the member that
    was not fitted to it. With few samples, a prior draws :math:`T` towards 1.

    Parameters
    ----------
    estimator : classifier with `predict_proba`
        A :class:`skdense.LowLevelMLPClassifier` or any other, of which clones are fitted, with other
        seeds.

    cv : int, cross-validation generator or iterable, default=8
        The folds. An int is a number of stratified, shuffled folds. A generator may leave samples out:
        a member is fitted to the training set of its split only.

    random_state : int, RandomState instance or None, default=None
        Draws the folds, if `cv` is an int, and the seeds of each member.

    verbose : bool or int, default=False
        Whether to print a line for each member as it is fitted, and the out-of-fold accuracy.

    Attributes
    ----------
    estimators_ : list of classifiers
        The members, in the order of the folds.

    n_estimators_ : int
        The number of members.

    classes_ : ndarray of shape (n_classes,)
        The class labels, sorted.

    temperature_ : float
        The number by which the logits are divided, between 0.22 and 4.5.

    oof_probabilities_ : ndarray of shape (n_samples, n_classes)
        The probabilities of each sample by the member that held it out, at the temperature; their mean
        if several did, NaN if none did. A member uses its held-out fold only for early stopping.

    oof_score_ : float
        The accuracy of the out-of-fold predictions.

    n_features_in_ : int
        Number of features seen during fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, where X has names that are all strings.

    See Also
    --------
    CrossFitRegressor : The same for numbers to predict.
    BlendClassifier : Ensembles of several kinds, with weights.
    skdense.make_tabular_classifier : The ensemble for tables of numbers and categories.

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

    _splitters = StratifiedKFold, StratifiedGroupKFold

    def _predict_proba(self, X):
        return predicted(self._mean_probabilities, X, self.estimators_)

    def _mean_probabilities(self, X):
        outputs = (self._log_probabilities(model, X) for model in self.estimators_)
        total = sum(probabilities_at(self.temperature_, output) for output in outputs)
        return total / len(self.estimators_)

    def _check_estimator(self):
        if not (is_classifier(self.estimator) and hasattr(self.estimator, "predict_proba")):
            raise TypeError(
                f"estimator must be a classifier that has predict_proba, got {self.estimator!r}"
            )

    def _log_probabilities(self, model, X):
        """A model's log-probabilities of all classes; its fold may have lacked some of them."""
        if isinstance(model, BaseLowLevelMLP):
            return model.predict_log_proba(X)  # from the logits, so that none is -inf
        # Boosted trees return two columns even if they were fitted to one class.
        known = model.predict_proba(X)[:, : len(model.classes_)]
        probabilities = np.zeros((len(known), len(self.classes_)))
        probabilities[:, np.searchsorted(self.classes_, model.classes_)] = known
        return as_logs(probabilities)

    def _learn_out_of_fold(self, X, y, sample_weight, held_out):
        rows, outputs = self._held_out(self._log_probabilities, X, held_out)
        weight = np.ones(len(y)) if sample_weight is None else sample_weight
        labels, weights = np.searchsorted(self.classes_, y[rows]), weight[rows]

        def log_loss(temperature):
            return -np.average(log_likelihoods(temperature, outputs, labels), weights=weights)

        self.temperature_ = learn_temperature(log_loss, n_counted(weights))
        outputs = probabilities_at(self.temperature_, outputs)
        self.oof_probabilities_, seen = mean_by_row(rows, outputs, len(y))
        predicted = self.classes_[self.oof_probabilities_.argmax(axis=1)[seen]]
        self.oof_score_ = accuracy_score(y[seen], predicted, sample_weight=weight[seen])

    def _converted(self, model):
        return converted(model, self.temperature_)

    def _divide_logits(self, temperature):
        """Divide the logits of all members by a further temperature."""
        self.temperature_ *= temperature
        self.oof_probabilities_ = probabilities_at(temperature, as_logs(self.oof_probabilities_))


class BlendClassifier(_Classifier, BaseBlend):
    """Classifiers that vote with weights, chosen by their out-of-fold probabilities.

    The models are fitted at the same time. The weights, of which none is negative, are those of the
    lowest log-loss of the mean of the out-of-fold probabilities [1]_. Then the logits of all members
    are divided by one temperature. The probabilities are the weighted mean of the models'.

    Parameters
    ----------
    estimators : list of (str, model)
        The models and their names. Each is a :class:`CrossFitClassifier` or another blend, or a
        Pipeline that ends in one. Their folds may differ.
        "drop" instead of a model leaves it out.

    class_weight : dict, "balanced" or None, default=None
        Factor on the weight of each class's samples, as if it were part of `sample_weight`: for the
        models, their temperatures and scores, and the weights of the models. "balanced" gives all
        classes the same sum of weights. A `class_weight` of the models themselves would only change
        how they are trained.

    verbose : bool or int, default=False
        Whether to print the out-of-fold accuracy of each model as it is fitted, and the weights and the
        out-of-fold accuracy of the blend.

    Attributes
    ----------
    estimators_ : list of models
        The fitted models, without those that are "drop".

    named_estimators_ : :class:`~sklearn.utils.Bunch`
        The same, by their names.

    n_estimators_ : int
        The number of the members of all models.

    weights_ : ndarray of shape (n_models,)
        The weights of the models. Their sum is 1. A model of weight 0 is not asked to predict.

    members_ : pandas.DataFrame
        A table of the models, with their weights and out-of-fold scores, and of the blend.

    classes_ : ndarray of shape (n_classes,)
        The class labels, sorted.

    temperature_ : float
        The number by which the logits of all members are divided, besides the models' own temperatures.
        The models' `temperature_` and `oof_probabilities_` are those after this division.

    oof_probabilities_ : ndarray of shape (n_samples, n_classes)
        The probabilities of each sample by members that were not trained on it; NaN for a sample that
        a model with a weight has never held out.

    oof_score_ : float
        The accuracy of the out-of-fold predictions.

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
    _parameter_constraints = BaseBlend._parameter_constraints | {
        "class_weight": [dict, StrOptions({"balanced"}), None]
    }

    def __init__(
        self,
        estimators: list,
        *,
        class_weight: Mapping | Literal["balanced"] | None = None,
        verbose: bool | int = False,
    ):
        super().__init__(estimators, verbose=verbose)
        self.class_weight = class_weight

    def _predict_proba(self, X):
        return self._mean(model.predict_proba(X) for model in self._models())

    def _weigh(self, y, sample_weight):
        if self.class_weight is None:
            return sample_weight
        weights = np.ones(len(y)) if sample_weight is None else sample_weight.astype(float)
        counted = weights > 0  # a class whose samples have no weight cannot be balanced
        classes, label = np.unique(y[counted], return_inverse=True)
        factors = compute_class_weight(
            self.class_weight, classes=classes, y=y[counted], sample_weight=weights[counted]
        )
        weights[counted] *= factors[label]
        return weights

    def _learn_out_of_fold(self, y, sample_weight):
        outputs = np.array([last_of(model).oof_probabilities_ for model in self.estimators_])
        seen = self._seen(outputs)
        weight = np.ones(len(y)) if sample_weight is None else sample_weight
        weight = weight[seen]
        labels = np.searchsorted(self.classes_, y[seen])
        true_label = np.arange(len(labels)), labels

        def log_loss(likelihoods):
            return -np.average(as_logs(likelihoods), weights=weight)

        likelihoods = outputs[:, seen][:, *true_label]
        n_rows = n_counted(weight)
        self.weights_ = best_weights(
            lambda w: log_loss(w @ likelihoods), len(outputs), self._rows_of_prior / n_rows
        )
        logs = [as_logs(probabilities[seen]) for probabilities in outputs[self.weights_ > 0]]

        def log_loss_at(temperature):
            return log_loss(self._mean(np.exp(log_likelihoods(temperature, p, labels)) for p in logs))

        self.temperature_ = 1.0
        self._divide_logits(learn_temperature(log_loss_at, n_rows))
        predicted = self.oof_probabilities_[seen].argmax(axis=1)
        self.oof_score_ = accuracy_score(labels, predicted, sample_weight=weight)

    def _divide_logits(self, temperature):
        """Divide the logits of all members by a temperature."""
        self.temperature_ *= temperature
        for model in self.estimators_:
            last_of(model)._divide_logits(temperature)
        self.oof_probabilities_ = self._mean(last_of(m).oof_probabilities_ for m in self._models())
