"""Out-of-fold ensembles: each model is fitted outside of a fold, and stopped by it if it stops early.

BaggingClassifier and CalibratedClassifierCV train networks together as well, under the joblib backend
"skdense", but cannot pass the fold that is held out to the network that is to be stopped by it.
"""

from numbers import Integral

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    MetaEstimatorMixin,
    RegressorMixin,
    _fit_context,
    clone,
    is_classifier,
    is_regressor,
)
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold, check_cv
from sklearn.utils import _safe_indexing, check_random_state, get_tags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from skdense.base import BaseLowLevelMLP
from skdense.ensemble.conversion import converted, voting
from skdense.ensemble.folds import check_table, fit_folds, mean_by_row
from skdense.ensemble.intervals import learn_errors, predict_quantiles
from skdense.ensemble.scaling import give_scale, scale_of
from skdense.ensemble.temperature import at_temperature, learn_temperature, tempered
from skdense.fit.fitting import unchanged_on_error
from skdense.fit.validation import one_column

__all__ = ["CrossFitClassifier", "CrossFitRegressor"]


class BaseCrossFit(MetaEstimatorMixin, BaseEstimator):
    """What both ensembles share: folds, and models that are fitted together.

    A subclass has the classes of its splitter without and with groups, `_splitters`, and the methods
    `_check_estimator`, `_check_y` and `_learn_out_of_fold`.
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
    def fit(self, X, y, sample_weight=None, groups=None):
        """Fit a model outside of each fold, all at the same time.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The samples; also a DataFrame that `estimator` can be fitted to.
        y : array-like of shape (n_samples,)
            What to predict; for the regressor also of shape (n_samples, n_outputs).
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples, in training, in choosing epochs and in the out-of-fold score.
        groups : array-like of shape (n_samples,), default=None
            The group of each sample, for `cv`. If that is an int, no group is in two folds.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        TypeError
            If `estimator` is of another kind.
        ValueError
            If the data, the folds or the parameters of `estimator` are invalid, or training diverged.
            An earlier fit is left as it was.
        """
        self._check_estimator()
        with unchanged_on_error(self):
            self._fit(X, y, sample_weight, groups)
        return self

    def _fit(self, X, y, sample_weight, groups):
        X, y = self._check_data(X, y)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X, ensure_non_negative=True)
        random_state = check_random_state(self.random_state)
        folds = self._folds(X, y, groups, random_state)
        models = [self._seeded(random_state) for _ in folds]
        self.estimators_ = self._fit_folds(models, X, y, sample_weight, folds)
        self._learn_out_of_fold(X, y, sample_weight, [held_out for _, held_out in folds])

    def _fit_folds(self, models, X, y, sample_weight, folds):
        return fit_folds(models, X, y, sample_weight, folds)

    def _check_data(self, X, y):
        if isinstance(self.estimator, BaseLowLevelMLP):
            X, y = validate_data(self, X, y, **_checks(self.estimator), multi_output=True)
            y = one_column(y)
        else:
            X, y = check_table(self, X, y, reset=True)
        return X, self._check_y(y)

    def _folds(self, X, y, groups, random_state):
        """The rows to train on and those held out, for each fold."""
        splitter = self.cv
        if isinstance(splitter, Integral):
            splitter = self._splitters[groups is not None](
                splitter, shuffle=True, random_state=random_state.randint(2**31)
            )
        splitter = check_cv(splitter, y, classifier=is_classifier(self))
        rows = np.arange(len(y), dtype=np.int32)
        folds = [
            (np.sort(rows[train]), rows[held_out]) for train, held_out in splitter.split(X, y, groups)
        ]
        for i, fold in enumerate(folds):
            for name, part in zip(("to train on", "that are held out"), fold, strict=True):
                if not len(part):
                    raise ValueError(f"cv must give every fold samples {name}, got none in fold {i}")
        return folds

    def _seeded(self, random_state):
        """A clone with a seed wherever it takes one."""
        model = clone(self.estimator)
        seeds = {
            name: random_state.randint(2**31)
            for name in sorted(model.get_params())
            if name == "random_state" or name.endswith("__random_state")
        }
        return model.set_params(**seeds)

    def _checked(self, X):
        """The samples to predict, in the networks' precision where they have one of their own."""
        check_is_fitted(self)
        if isinstance(self.estimators_[0], BaseLowLevelMLP):
            return validate_data(self, X, **_checks(self.estimators_[0]), reset=False)
        return check_table(self, X, reset=False)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(self.estimator).input_tags
        return tags


class CrossFitClassifier(ClassifierMixin, BaseCrossFit):
    r"""Classifiers of the same settings, each fitted to all folds but one, and averaged.

    The samples are split into `cv` folds, and a clone of the estimator is fitted outside of each. A
    network with ``early_stopping=True`` keeps the epoch that was best on its own fold, so that no
    sample is lost to validation; so do other classifiers whose `fit` takes `X_val`. The logits of the
    samples by the member that did not see them give one temperature :math:`T`, by which the log-loss is
    lowest [1]_; the probabilities are the mean of :math:`\mathrm{softmax}(\mathrm{logits} / T)` over
    the members. Where samples are few, a prior draws :math:`T` towards 1. All networks are trained at
    the same time, as by :func:`skdense.fit_many`, on one copy of the data.

    Parameters
    ----------
    estimator : classifier with `predict_proba`
        A :class:`skdense.LowLevelMLPClassifier` or any other, of which clones are fitted, with other
        seeds.

    cv : int, cross-validation generator or iterable, default=8
        The folds. An int is a number of stratified, shuffled folds. A generator may leave samples out:
        a member is fitted to nothing but the training set of its split.

    random_state : int, RandomState instance or None, default=None
        Draws the folds, if `cv` is an int, and the seeds of each member.

    Attributes
    ----------
    estimators_ : list of classifiers
        The members, in the order of the folds.

    classes_ : ndarray of shape (n_classes,)
        The class labels, sorted.

    temperature_ : float
        What the logits are divided by. It is learned between 0.22 and 4.5.

    oof_probabilities_ : ndarray of shape (n_samples, n_classes)
        The probabilities of each sample by the member that held it out, at the temperature; their mean
        if several did, NaN if none did. With its fold, a member has at most chosen its epoch.

    oof_score_ : float
        The accuracy of these.

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
        outputs = (self._log_probabilities(model, X) for model in self.estimators_)
        return np.mean([np.exp(at_temperature(self.temperature_, o)) for o in outputs], axis=0)

    def _check_estimator(self):
        if not (is_classifier(self.estimator) and hasattr(self.estimator, "predict_proba")):
            raise TypeError(
                f"estimator must be a classifier that has predict_proba, got {self.estimator!r}"
            )

    def to_sklearn(self):
        """Convert to the VotingClassifier that is the same ensemble.

        Its members are scikit-learn's networks, whose output layers are divided by the temperature. The
        probabilities are the same up to rounding, and need neither this package nor TensorFlow.

        Returns
        -------
        model : VotingClassifier
            The fitted model, which shares nothing with this one.

        Raises
        ------
        ValueError
            If scikit-learn's networks cannot express one of the members, or if the members are no
            networks: nothing else has a place for the temperature.
        """
        check_is_fitted(self)
        members = (converted(model, self.temperature_) for model in self.estimators_)
        return voting(self, {f"fold {i}": member for i, member in enumerate(members)})

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

    def _log_probabilities(self, model, X):
        """A model's log-probabilities of all classes, of which it may not know some."""
        if isinstance(model, BaseLowLevelMLP):
            return model.predict_log_proba(X)  # from the logits, so that none is -inf
        known = model.predict_proba(X)
        probabilities = np.zeros((len(known), len(self.classes_)))
        probabilities[:, np.searchsorted(self.classes_, model.classes_)] = known
        return np.log(np.maximum(probabilities, np.finfo(float).eps))

    def _learn_out_of_fold(self, X, y, sample_weight, held_out):
        rows = np.concatenate(held_out)
        outputs = np.concatenate(
            [
                self._log_probabilities(model, _safe_indexing(X, part))
                for model, part in zip(self.estimators_, held_out, strict=True)
            ]
        )
        weight = np.ones(len(y)) if sample_weight is None else sample_weight
        of_label = np.arange(len(rows)), np.searchsorted(self.classes_, y[rows])

        def log_loss(temperature):
            return -np.average(at_temperature(temperature, outputs)[of_label], weights=weight[rows])

        self.temperature_ = learn_temperature(log_loss, weight[rows].sum())
        probabilities = np.exp(at_temperature(self.temperature_, outputs))
        self.oof_probabilities_ = mean_by_row(rows, probabilities, len(y))
        seen = np.unique(rows)
        predicted = self.classes_[self.oof_probabilities_[seen].argmax(axis=1)]
        self.oof_score_ = accuracy_score(y[seen], predicted, sample_weight=weight[seen])

    def _divide_logits(self, temperature):
        """Divide the logits of all members by a further temperature."""
        self.temperature_ *= temperature
        self.oof_probabilities_ = tempered(temperature, self.oof_probabilities_)


class CrossFitRegressor(RegressorMixin, BaseCrossFit):
    """Regressors of the same settings, each fitted to all folds but one, and averaged.

    The samples are split into `cv` folds, and a clone of the estimator is fitted outside of each. A
    network with ``early_stopping=True`` keeps the epoch that was best on its own fold, so that no
    sample is lost to validation; so do other regressors whose `fit` takes `X_val`. The prediction is
    the mean of the members'. All networks are trained at the same time, as by
    :func:`skdense.fit_many`, on one copy of the data.

    Parameters
    ----------
    estimator : regressor
        A :class:`skdense.LowLevelMLPRegressor` or any other, of which clones are fitted, with other
        seeds.

    cv : int, cross-validation generator or iterable, default=8
        The folds. An int is a number of shuffled folds. A generator may leave samples out: a member is
        fitted to nothing but the training set of its split.

    random_state : int, RandomState instance or None, default=None
        Draws the folds, if `cv` is an int, and the seeds of each member.

    scale_y : bool, default=False
        Whether networks are trained on a scaled y, and their output layers are rescaled afterwards, so
        that they predict y as it is. y gets mean 0 and variance 1, or mean 1 with ``loss="poisson"``,
        which cannot be shifted. The networks' curves, and parameters such as the threshold of
        ``loss="huber"``, are those of the scaled y.

    Attributes
    ----------
    estimators_ : list of regressors
        The members, in the order of the folds.

    oof_prediction_ : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        The prediction of each sample by the member that held it out; their mean if several did, NaN if
        none did. With its fold, a member has at most chosen its epoch.

    oof_score_ : float
        The R2 of these.

    n_features_in_ : int
        Number of features seen during fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, where X has names that are all strings.

    See Also
    --------
    CrossFitClassifier : The same for class labels.
    BlendRegressor : Ensembles of several kinds, with weights.
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

    _splitters = KFold, GroupKFold
    _parameter_constraints = BaseCrossFit._parameter_constraints | {"scale_y": ["boolean"]}

    def __init__(self, estimator, cv=8, *, random_state=None, scale_y=False):
        super().__init__(estimator, cv, random_state=random_state)
        self.scale_y = scale_y

    def predict(self, X, quantiles=None):
        """Predict numbers, or quantiles of them.

        Quantiles are found from the errors of the out-of-fold predictions, without any further fits.
        Where errors grow or shrink with what is predicted, so do the distances between the quantiles.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
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
        X = self._checked(X)
        predictions = np.mean([model.predict(X) for model in self.estimators_], axis=0)
        return (
            predictions
            if quantiles is None
            else predict_quantiles(self._errors, predictions, quantiles)
        )

    def to_sklearn(self):
        """Convert to the VotingRegressor that is the same ensemble.

        Networks become scikit-learn's; other members are copied. The predictions are the same up to
        rounding, and need neither this package nor TensorFlow.

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
        members = map(converted, self.estimators_)
        return voting(self, {f"fold {i}": member for i, member in enumerate(members)})

    def _check_estimator(self):
        if not is_regressor(self.estimator):
            raise TypeError(f"estimator must be a regressor, got {self.estimator!r}")
        if self.scale_y and not isinstance(self.estimator, BaseLowLevelMLP):
            raise TypeError(
                f"scale_y=True takes a LowLevelMLPRegressor, got {self.estimator!r}; put it into a "
                "TransformedTargetRegressor"
            )

    def _fit_folds(self, models, X, y, sample_weight, folds):
        if not self.scale_y:
            return super()._fit_folds(models, X, y, sample_weight, folds)
        center, scale = scale_of(self.estimator, y, sample_weight)
        models = super()._fit_folds(models, X, (y - center) / scale, sample_weight, folds)
        for network in models:
            give_scale(network, center, scale)
        return models

    def _check_y(self, y):
        return y

    def _learn_out_of_fold(self, X, y, sample_weight, held_out):
        rows = np.concatenate(held_out)
        outputs = np.concatenate(
            [
                model.predict(_safe_indexing(X, part))
                for model, part in zip(self.estimators_, held_out, strict=True)
            ]
        )
        self.oof_prediction_ = mean_by_row(rows, outputs, len(y))
        seen = np.unique(rows)
        weight = None if sample_weight is None else sample_weight[seen]
        predictions = self.oof_prediction_[seen]
        self.oof_score_ = r2_score(y[seen], predictions, sample_weight=weight)
        self._errors = learn_errors(y[seen], predictions, weight)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _checks(network):
    """What X is checked for: the precision of a network that has one of its own."""
    dtype = (np.float64, np.float32) if network.dtype is None else network.dtype
    return {"accept_sparse": "csr", "dtype": dtype}


def _checks(network):
    """What X is checked for: the precision of a network that has one of its own."""
    dtype = (np.float64, np.float32) if network.dtype is None else network.dtype
    return {"accept_sparse": "csr", "dtype": dtype, "order": "C"}
