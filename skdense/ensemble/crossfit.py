"""Out-of-fold ensembles: each network keeps the epoch that is best on a fold it was not trained on.

BaggingClassifier and CalibratedClassifierCV train networks together as well, under the joblib backend
"skdense", but cannot pass the fold that is held out to the network that is to be stopped by it.
"""

from numbers import Integral

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    MetaEstimatorMixin,
    RegressorMixin,
    _fit_context,
    clone,
    is_classifier,
)
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import KFold, StratifiedKFold, check_cv
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from skdense.classifier import LowLevelMLPClassifier
from skdense.fit.fitting import unchanged_on_error
from skdense.fit.validation import FitInput, one_column
from skdense.many import fit_inputs
from skdense.regressor import LowLevelMLPRegressor

__all__ = ["CrossFitClassifier", "CrossFitRegressor"]

_LOG_TEMPERATURES = (-1.5, 1.5)
"""Where all samples are predicted right, a lower temperature always looks better; it is not."""


class _CrossFit(MetaEstimatorMixin, BaseEstimator):
    """What both ensembles share: folds, and networks that are trained together.

    A subclass has the class `_network` of its members, the class `_folds` of its splitter, and the
    method `_learn_out_of_fold`.
    """

    _parameter_constraints = {
        "estimator": [BaseEstimator],
        "cv": ["cv_object"],
        "random_state": ["random_state"],
    }

    def __init__(self, estimator, cv=8, *, random_state=None):
        self.estimator = estimator
        self.cv = cv
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, sample_weight=None):
        """Fit a network outside of each fold, all at the same time.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The samples.
        y : array-like of shape (n_samples,)
            What to predict; for the regressor also of shape (n_samples, n_outputs).
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples, in training, in choosing epochs and in the out-of-fold score.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        TypeError
            If `estimator` is no network of this kind.
        ValueError
            If the data or the network's parameters are invalid, or training diverged. An earlier fit
            is left as it was.
        """
        network = self.estimator
        if not isinstance(network, self._network):
            raise TypeError(
                f"estimator must be a {self._network.__name__}, got {network!r}; put steps that come "
                "before it into a Pipeline with the ensemble"
            )
        with unchanged_on_error(self):
            self._fit(network, X, y, sample_weight)
        return self

    def _fit(self, network, X, y, sample_weight):
        X, y = validate_data(self, X, y, **_checks(network), multi_output=True)
        y = self._check_y(one_column(y))
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X, ensure_non_negative=True)
        random_state = check_random_state(self.random_state)
        held_out = [rows for _, rows in self._splitter(y, random_state).split(X, y)]
        networks = [
            clone(network).set_params(random_state=random_state.randint(2**31)) for _ in held_out
        ]
        given = [self._given(network, X, y, sample_weight, rows) for rows in held_out]
        # Early stopping keeps the best epoch, whichever was the last.
        errors = fit_inputs(networks, given, may_reach_max_iter=network.early_stopping)
        for error in filter(None, errors):
            raise error
        self.estimators_ = networks
        self._learn_out_of_fold(X, y, sample_weight, held_out)

    def _splitter(self, y, random_state):
        if isinstance(self.cv, Integral):
            return self._folds(self.cv, shuffle=True, random_state=random_state.randint(2**31))
        return check_cv(self.cv, y, classifier=is_classifier(self))

    def _given(self, network, X, y, sample_weight, held_out):
        """What a network is fitted to if these rows are held out."""

        def part(rows):
            return X[rows], y[rows], None if sample_weight is None else sample_weight[rows]

        train = np.ones(len(y), bool)
        train[held_out] = False
        validation = part(held_out) if network.early_stopping else ()
        return FitInput(*part(self._known(y, train)), *validation)

    def _checked(self, X):
        """The samples to predict, in the networks' precision where they have one of their own."""
        check_is_fitted(self)
        return validate_data(self, X, **_checks(self.estimators_[0]), reset=False)

    def _known(self, y, train):
        """The rows to train on, a mask, given those outside of the fold."""
        return train

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


class CrossFitClassifier(ClassifierMixin, _CrossFit):
    r"""Networks of the same settings, each fitted to all folds but one, and averaged.

    The samples are split into `cv` folds, and a network is trained outside of each. With
    ``early_stopping=True`` it keeps the epoch that was best on its own fold, so that no sample is lost
    to validation. The logits of the samples by the network that did not see them give one temperature
    :math:`T`, by which the lowest log-loss is reached [1]_; the probabilities are the mean of
    :math:`\mathrm{softmax}(\mathrm{logits} / T)` over the networks. All networks are trained at the
    same time, as by :func:`skdense.fit_many`.

    Parameters
    ----------
    estimator : LowLevelMLPClassifier
        The network, of which clones are fitted, with other seeds.

    cv : int, cross-validation generator or iterable, default=8
        The folds. An int is a number of stratified, shuffled folds.

    random_state : int, RandomState instance or None, default=None
        Draws the folds, if `cv` is an int, and a seed for each network.

    Attributes
    ----------
    estimators_ : list of LowLevelMLPClassifier
        The networks, in the order of the folds.

    classes_ : ndarray of shape (n_classes,)
        The class labels, sorted.

    temperature_ : float
        What the logits are divided by, between 0.22 and 4.5.

    oof_probabilities_ : ndarray of shape (n_samples, n_classes)
        The probabilities of each sample by the network that was not trained on it, at the temperature;
        their mean if several were not, NaN if all were. With samples of the network's fold it has only
        chosen its epoch.

    oof_score_ : float
        The accuracy of these.

    n_features_in_ : int
        Number of features seen during fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, where X has names that are all strings.

    See Also
    --------
    CrossFitRegressor : The same for numbers to predict.
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

    _network, _folds = LowLevelMLPClassifier, StratifiedKFold

    def predict(self, X):
        """Predict class labels.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
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
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            Columns ordered as `classes_`.
        """
        X = self._checked(X)
        outputs = (network.predict_log_proba(X) for network in self.estimators_)
        return np.mean([np.exp(_at(self.temperature_, output)) for output in outputs], axis=0)

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

    def _known(self, y, train):
        return train | ~np.isin(y, y[train])  # a network has to know all classes

    def _learn_out_of_fold(self, X, y, sample_weight, held_out):
        rows = np.concatenate(held_out)
        outputs = np.concatenate(
            [network.predict_log_proba(X[part]) for network, part in zip(self.estimators_, held_out)]
        )
        label = np.searchsorted(self.classes_, y)
        weight = None if sample_weight is None else sample_weight[rows]
        of_label = np.arange(len(rows)), label[rows]

        def log_loss(log_temperature):
            return -np.average(_at(np.exp(log_temperature), outputs)[of_label], weights=weight)

        best = minimize_scalar(log_loss, bounds=_LOG_TEMPERATURES, method="bounded")
        self.temperature_ = float(np.exp(best.x))
        self.oof_probabilities_ = _mean_of(rows, np.exp(_at(self.temperature_, outputs)), len(y))
        seen = np.unique(rows)
        predicted = self.classes_[self.oof_probabilities_[seen].argmax(axis=1)]
        weight = None if sample_weight is None else sample_weight[seen]
        self.oof_score_ = accuracy_score(y[seen], predicted, sample_weight=weight)


class CrossFitRegressor(RegressorMixin, _CrossFit):
    """Networks of the same settings, each fitted to all folds but one, and averaged.

    The samples are split into `cv` folds, and a network is trained outside of each. With
    ``early_stopping=True`` it keeps the epoch that was best on its own fold, so that no sample is lost
    to validation. The prediction is the mean of the networks'. All of them are trained at the same
    time, as by :func:`skdense.fit_many`.

    Parameters
    ----------
    estimator : LowLevelMLPRegressor
        The network, of which clones are fitted, with other seeds.

    cv : int, cross-validation generator or iterable, default=8
        The folds. An int is a number of shuffled folds.

    random_state : int, RandomState instance or None, default=None
        Draws the folds, if `cv` is an int, and a seed for each network.

    Attributes
    ----------
    estimators_ : list of LowLevelMLPRegressor
        The networks, in the order of the folds.

    oof_prediction_ : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        The prediction of each sample by the network that was not trained on it; their mean if several
        were not, NaN if all were. With samples of the network's fold it has only chosen its epoch.

    oof_score_ : float
        The R2 of these.

    n_features_in_ : int
        Number of features seen during fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, where X has names that are all strings.

    See Also
    --------
    CrossFitClassifier : The same for class labels.
    skdense.make_tabular_regressor : The ensemble for tables of numbers and categories.

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

    _network, _folds = LowLevelMLPRegressor, KFold

    def predict(self, X):
        """Predict numbers.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The samples.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            The predictions.
        """
        X = self._checked(X)
        return np.mean([network.predict(X) for network in self.estimators_], axis=0)

    def _check_y(self, y):
        return y

    def _learn_out_of_fold(self, X, y, sample_weight, held_out):
        rows = np.concatenate(held_out)
        outputs = np.concatenate(
            [network.predict(X[part]) for network, part in zip(self.estimators_, held_out)]
        )
        self.oof_prediction_ = _mean_of(rows, outputs, len(y))
        seen = np.unique(rows)
        weight = None if sample_weight is None else sample_weight[seen]
        self.oof_score_ = r2_score(y[seen], self.oof_prediction_[seen], sample_weight=weight)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _checks(network):
    """What X is checked for: the precision of a network that has one of its own."""
    dtype = (np.float64, np.float32) if network.dtype is None else network.dtype
    return {"accept_sparse": "csr", "dtype": dtype}


def _at(temperature, log_probabilities):
    """The log-probabilities if the logits are divided by a temperature."""
    return log_softmax(log_probabilities / temperature, axis=1)


def _mean_of(rows, outputs, n_samples):
    """The mean of the outputs of each of n samples, of which a row may have several or none."""
    counts = np.bincount(rows, minlength=n_samples).astype(float)
    sums = np.zeros((n_samples, *outputs.shape[1:]))
    np.add.at(sums, rows, outputs)
    counts[counts == 0] = np.nan
    return (sums.T / counts).T
