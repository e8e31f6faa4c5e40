"""Out-of-fold ensembles: each member is fitted outside of its fold, which validates it.

BaggingClassifier and CalibratedClassifierCV cannot pass the samples that they hold out to a network for
early stopping.
"""

from copy import copy
from numbers import Integral
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    MetaEstimatorMixin,
    clone,
    is_classifier,
    is_regressor,
)
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    PredefinedSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
    check_cv,
)
from sklearn.utils import check_array, check_consistent_length, check_random_state, get_tags
from sklearn.utils.validation import check_is_fitted

from skdense import compat
from skdense.base import Saved, is_network
from skdense.ensemble import calibration
from skdense.ensemble.members import fit_members, held_out_outputs, in_blocks
from skdense.ensemble.outer import FitReport, begin_fit, end_fit
from skdense.ensemble.sizes import MANY_ROWS, set_by_size
from skdense.ensemble.uncertainty import LabelsMixin, NumbersMixin
from skdense.final_step import final_step, transforms_y
from skdense.fit.fitting import set_attributes
from skdense.fit.inputs import (
    MatrixLike,
    float_dtypes,
    hinted,
    one_column,
    times_class_weight,
    validated,
)

__all__ = ["CrossFitClassifier", "CrossFitRegressor"]


class Samples(NamedTuple):
    """What an ensemble is fitted to.

    `sample_weight` is the final one, with class weights in it, or None for equal weights. `row_weights`
    is the same as an array in both cases, and `counts` are weights of samples alone. `row_of` is that
    of `Outer`.
    """

    X: Any
    y: NDArray
    sample_weight: NDArray | None
    row_weights: NDArray
    counts: NDArray
    groups: ArrayLike | None
    row_of: NDArray | None


class BaseOutOfFold(Saved, MetaEstimatorMixin, BaseEstimator):
    """What cross-fit ensembles and blends share: how they are fitted, and loaded from files.

    A subclass has the methods `_check_models`, `_learn_y`, which checks y and learns its classes,
    `_fit_parts`, which fits the members of an ensemble or the models of a blend and learns from their
    out-of-fold predictions, and `_learn_uncertainty`.
    """

    _parameter_constraints = {"verbose": ["verbose"]}

    @compat.fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: MatrixLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        """Fit all members, or models of a blend, at the same time; learn from out-of-fold predictions.

        Parameters
        ----------
        X : {array-like, sparse matrix, DataFrame} of shape (n_samples, n_features)
            The samples, as the models take them.
        y : array-like of shape (n_samples,)
            What to predict; for the regressors also of shape (n_samples, n_outputs).
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples, in training, in choosing epochs and in all that is learned from
            out-of-fold predictions. Rows of weight zero are absent: the fit is that of the others, and
            their out-of-fold predictions are NaN. Weights count samples, but if the mean of those that
            are not zero is below 1, all are multiplied so that it is 1.
        groups : array-like of shape (n_samples,), default=None
            The group of each sample, for the folds. If `cv` is an int, or None with `by_size`, no group
            is in two folds. Regressors also judge by groups whether the size of errors depends on the
            row.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        TypeError
            If the estimator, or a model of a blend, is none that this class takes.
        ValueError
            If the data, the folds, names or parameters of models are invalid, or training diverged. An
            earlier fit is left as it was.
        """
        self._check_models()
        arguments = {"sample_weight": sample_weight, "groups": groups}
        # Within the fit of a table or of a blend, X, y and the arguments stay as they are.
        X, y, arguments, outer = begin_fit(X, y, sample_weight, arguments)
        report = FitReport(self, outer)
        fitted = copy(self)  # an error, or a prediction meanwhile, finds an earlier fit as it was
        samples = fitted._checked_samples(X, y, **arguments, row_of=outer.row_of)
        fitted._fit_parts(samples, report)
        if outer.report is None:  # the models of a blend learn none
            fitted._learn_uncertainty(samples)
        report.end(fitted)
        end_fit(fitted, outer)
        set_attributes(self, vars(fitted))
        return self

    def _checked_samples(self, X, y, sample_weight, groups, row_of):
        """The data as they are used: y is learned, and weights are those of samples and classes."""
        X, y = self._checked(X, getattr(self, "estimator", None), y=y, multi_output=True)
        check_consistent_length(y, groups)
        y = self._learn_y(one_column(y))
        if sample_weight is not None:
            sample_weight = compat.check_sample_weight(sample_weight, X, ensure_non_negative=True)
        counts = np.ones(len(y)) if sample_weight is None else sample_weight
        class_weight = getattr(self, "class_weight", None)  # of a blend of classifiers
        if class_weight is not None:
            sample_weight = times_class_weight(sample_weight, y, class_weight, self.classes_)
        if sample_weight is not None:
            sample_weight = calibration.as_counts(sample_weight)
        row_weights = np.ones(len(y)) if sample_weight is None else sample_weight
        return Samples(X, y, sample_weight, row_weights, counts, groups, row_of)

    def _check_X(self, X):
        """The checked samples to predict."""
        check_is_fitted(self)
        return self._checked(X, self.estimators_[0], reset=False)

    def _checked(self, X, member, **checks):
        """X as such members take it, and y if it is among the checks.

        Networks share one array or CSR matrix, in their `dtype` if it is set. Other members take a
        DataFrame as it is, and check the values of X themselves.
        """
        if is_network(member, "fit"):
            return validated(self, X, dtype=float_dtypes(member), order="C", **checks)
        if not hasattr(X, "columns"):
            return validated(self, X, dtype=None, ensure_all_finite=False, **checks)
        found = validated(self, X, skip_check_array=True, **checks)
        if "y" in checks:
            check_consistent_length(*found)
            with hinted():
                found = X, check_array(found[1], input_name="y", ensure_2d=False, dtype=None)
        return found


class BaseCrossFit(BaseOutOfFold):
    """What both cross-fit ensembles share: folds, and members that are fitted together.

    A subclass has the classes of its splitter without and with groups, `_splitters`, and the methods
    `_output(member, X)` and `_learn_out_of_fold`, which sets `_loss_explained`, the share of the loss
    of a constant that the members explain, which for all regressors is R2.
    """

    _parameter_constraints = BaseOutOfFold._parameter_constraints | {
        "estimator": [BaseEstimator],
        "cv": ["cv_object"],
        "random_state": ["random_state"],
        "by_size": ["boolean"],
        "max_rows": [compat.Interval(Integral, 1, None, closed="left"), None],
        "max_outputs": [compat.Interval(Integral, 1, None, closed="left"), None],
    }

    def __init__(
        self,
        estimator: BaseEstimator,
        cv: Any = 8,
        *,
        random_state: int | RandomState | None = None,
        verbose: bool | int = False,
        by_size: bool = False,
        max_rows: int | None = None,
        max_outputs: int | None = None,
    ):
        self.estimator = estimator
        self.cv = cv
        self.random_state = random_state
        self.verbose = verbose
        self.by_size = by_size
        self.max_rows = max_rows
        self.max_outputs = max_outputs

    def _check_models(self):
        if isinstance(self, ClassifierMixin):
            if not (is_classifier(self.estimator) and hasattr(self.estimator, "predict_proba")):
                raise TypeError(
                    f"estimator must be a classifier that has predict_proba, got {self.estimator!r}"
                )
        elif not is_regressor(self.estimator):
            raise TypeError(f"estimator must be a regressor, got {self.estimator!r}")

    def _fit_parts(self, samples, report):
        X, y, sample_weight, row_weights, *_ = samples
        random_state = check_random_state(self.random_state)
        splits = self._splits(samples, random_state, report)
        members = self._members(splits, random_state)
        of_members = self._y_of_members(y, row_weights)
        self.estimators_ = fit_members(members, splits, X, of_members, sample_weight, report)
        self.n_estimators_ = len(members)
        outputs = held_out_outputs(self._output, self.estimators_, splits, X)
        rows = np.concatenate([fold for _, fold in splits])
        self._learn_out_of_fold(rows, outputs, y, row_weights)

    def _members(self, splits, random_state):
        """A member for each split, not yet fitted, with seeds that are drawn for it."""
        member = clone(self.estimator)
        if self.by_size:
            set_by_size(member, min(len(trained_on) for trained_on, _ in splits))
        names = [name for name in sorted(member.get_params()) if name.split("__")[-1] == "random_state"]
        seeds = [{name: random_state.randint(2**31) for name in names} for _ in splits]
        return [clone(member).set_params(**its) for its in seeds]

    def _splits(self, samples, random_state, report):
        """For each member the rows to train on, sorted, and those of its fold, as arrays of ints."""
        X, y, _, row_weights, _, groups, row_of = samples
        cv, strata, has_classes = self.cv, y, isinstance(self, ClassifierMixin)
        if self.by_size and cv is None:
            cv = self._n_folds(y, groups, report)
        if isinstance(cv, Integral):
            seed = random_state.randint(2**31)
            cv = self._splitters[groups is not None](cv, shuffle=True, random_state=seed)
            if has_classes:
                strata = _strata(y, cv.n_splits, report)
        as_given = [*check_cv(cv, y, classifier=has_classes).split(X, strata, groups)]
        row_at = np.arange(len(y), dtype=np.int32)
        if row_of is not None and (np.iterable(cv) or isinstance(cv, PredefinedSplit)):
            row_at = row_of  # the user has numbered all rows, -1 stands for those of weight zero
        row_at = np.where(row_weights[row_at] > 0, row_at, -1)  # the weight of a class may be zero

        def with_weight(chosen):
            found = row_at[chosen]
            return found[found >= 0]

        splits = [(np.sort(with_weight(train)), with_weight(fold)) for train, fold in as_given]
        _check_splits(splits, as_given)
        if groups is not None and has_classes:
            _warn_of_lacking_classes(y, np.unique(y[row_weights > 0]), splits, report)
        return splits

    def _n_folds(self, y, groups, report):
        """As many folds as suit the number of rows, and its largest class and the groups allow."""
        n_folds = 8 if len(y) < MANY_ROWS else 4
        what, most = "y", len(y)
        if isinstance(self, ClassifierMixin):
            what, most = "the largest class of y", np.unique(y, return_counts=True)[1].max()
        possible = most if groups is None else min(most, len(np.unique(groups)))
        chosen = max(2, min(n_folds, int(possible)))
        if most < n_folds:
            report.add_warning(
                f"{what} has {most} sample(s), too few for {n_folds} folds: there are {chosen} "
                "instead, and out-of-fold scores and intervals mean little"
            )
        return chosen

    def _y_of_members(self, y, row_weights):
        """What members are fitted to."""
        return y

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(self.estimator).input_tags
        return tags


def _strata(y, n_folds, report):
    """What stratified folds have the same shares of: classes, but those too rare may be in any fold."""
    classes, label, sizes = np.unique(y, return_inverse=True, return_counts=True)
    rare = sizes < n_folds
    if rare.any() and not rare.all():  # if all are, no stratified folds are possible
        report.add_warning(
            f"y has fewer samples than the {n_folds} folds of the classes "
            f"{classes[rare].tolist()[:9]}: some members may be trained without them"
        )
        label[rare[label]] = sizes.argmax()
    return label


def _check_splits(splits, as_given):
    """Raise if a member has no rows. Those held out may have no weight, but not in all folds."""
    for i, ((trained_on, _), (_, fold)) in enumerate(zip(splits, as_given, strict=True)):
        for name, part in {"to train on": trained_on, "that are held out": fold}.items():
            if not len(part):
                raise ValueError(
                    f"cv must give every fold samples {name}, got none in fold {i}; samples of "
                    "weight zero do not count"
                )
    if not any(len(fold) for _, fold in splits):
        raise ValueError("cv must hold out samples of positive weight, got none")


def _warn_of_lacking_classes(y, classes, splits, report):
    lacking = [found for each, _ in splits if len(found := np.setdiff1d(classes, y[each]))]
    if lacking:
        lacked = np.unique(np.concatenate(lacking)).tolist()
        report.add_warning(
            f"{len(lacking)} of {len(splits)} members are trained without the classes "
            f"{lacked[:9]}, since all groups with them are held out. Classes should be in "
            "several groups, and y must not be the groups"
        )


class CrossFitClassifier(LabelsMixin, BaseCrossFit):
    r"""Classifiers of the same settings, each fitted to all folds but one, and averaged.

    The samples are split into `cv` folds, and a clone of the estimator is fitted outside of each. A
    network with ``early_stopping=True`` keeps the epoch that was best on its own fold, so that no
    sample is lost to validation; so do other classifiers whose `fit` takes `X_val`, if they stop early.
    All networks are trained at the same time, as by :func:`skdense.fit_many`, on one copy of the data.

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
        Draws the folds, unless `cv` gives them, and the seeds of each member.

    verbose : bool or int, default=False
        Whether to print a line for each member as it is fitted, and the out-of-fold accuracy.

    by_size : bool, default=False
        Whether the number of samples decides what is left open, as in the default for tables. With
        ``cv=None`` there are 8 folds, or 4 of at least 10,000 samples, and fewer if the samples or
        groups are fewer. Of an estimator that is a network, parameters that are None are set:
        `batch_size`, `learning_rate_init`, `max_iter`, `early_stopping` and `n_iter_no_change`. Boosted
        trees of scikit-learn with ``early_stopping="auto"`` are stopped by their folds, but with fewer
        than 400 samples to train on they have at most 100 iterations, with a learning rate of at least
        0.1.

    max_rows, max_outputs : int, default=None
        A blend leaves the ensemble out if there are more samples or classes.

    Attributes
    ----------
    estimators_ : list of classifiers
        The members, in the order of the folds.

    n_estimators_ : int
        The number of members.

    classes_ : ndarray of shape (n_classes,)
        The class labels, sorted.

    temperature_ : float
        The number by which the logits are divided, from 0.22 to 4.5; within a blend, times the blend's.

    oof_proba_ : ndarray of shape (n_samples, n_classes)
        The probabilities of each sample by the member that held it out, at the temperature; their mean
        if several did, NaN if none did. A blend divides the logits of this mean, too. A member uses its
        held-out fold only for early stopping.

    oof_score_ : float
        The accuracy of the out-of-fold predictions.

    n_features_in_ : int
        Number of features seen during fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, where X has names that are all strings.

    See Also
    --------
    CrossFitRegressor : The same for numbers to predict.
    BlendClassifier : Several ensembles, with weights.
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
        return in_blocks(self._mean_probabilities, X, final_step(self.estimators_[0]))

    def _mean_probabilities(self, X):
        outputs = (self._output(member, X) for member in self.estimators_)
        total = sum(calibration.probabilities_at(self.temperature_, output) for output in outputs)
        return total / len(self.estimators_)

    def _output(self, member, X):
        """A member's log-probabilities of all classes; it may be trained without some of them."""
        if is_network(member, "_logits", "predict_proba", "predict_log_proba"):
            return member.predict_log_proba(X)  # from the logits, so that none is -inf
        # Boosted trees return two columns even if they were fitted to one class.
        known = member.predict_proba(X)[:, : len(member.classes_)]
        probabilities = np.zeros((len(known), len(self.classes_)))
        probabilities[:, np.searchsorted(self.classes_, member.classes_)] = known
        return calibration.as_logs(probabilities)

    def _learn_out_of_fold(self, rows, outputs, y, row_weights):
        class_numbers = np.searchsorted(self.classes_, y[rows])
        self.temperature_ = calibration.learn_temperature([outputs], class_numbers, row_weights[rows])
        probabilities = calibration.probabilities_at(self.temperature_, outputs)
        self.oof_proba_, held_out = _mean_by_row(rows, probabilities, len(y))
        predicted = self.classes_[self.oof_proba_.argmax(axis=1)[held_out]]
        self.oof_score_ = accuracy_score(y[held_out], predicted, sample_weight=row_weights[held_out])
        shares = np.bincount(class_numbers, row_weights[rows]) / row_weights[rows].sum()
        likelihoods = probabilities[np.arange(len(rows)), class_numbers], shares[class_numbers]
        logs = np.average(calibration.as_logs(np.array(likelihoods)), axis=1, weights=row_weights[rows])
        self._loss_explained = 1 - logs[0] / logs[1] if logs[1] else 0.0

    def _divide_logits(self, temperature):
        """Divide the logits of all members by a further temperature."""
        self.temperature_ *= temperature
        logs = calibration.as_logs(self.oof_proba_)
        self.oof_proba_ = calibration.probabilities_at(temperature, logs)


class CrossFitRegressor(NumbersMixin, BaseCrossFit):
    """Regressors of the same settings, each fitted to all folds but one, and averaged.

    The samples are split into `cv` folds, and a clone of the estimator is fitted outside of each. A
    network with ``early_stopping=True`` keeps the epoch that was best on its own fold, so that no
    sample is lost to validation; so do other regressors whose `fit` takes `X_val`, if they stop early.
    The prediction is the mean of the members'. All networks are trained at the same time, as by
    :func:`skdense.fit_many`, on one copy of the data.

    Parameters
    ----------
    estimator : regressor
        A :class:`skdense.LowLevelMLPRegressor` or any other, of which clones are fitted, with other
        seeds.

    cv : int, cross-validation generator or iterable, default=8
        The folds. An int is a number of shuffled folds. A generator may leave samples out: a member is
        fitted to the training set of its split only.

    random_state : int, RandomState instance or None, default=None
        Draws the folds, unless `cv` gives them, and the seeds of each member.

    verbose : bool or int, default=False
        Whether to print a line for each member as it is fitted, and the out-of-fold R2.

    scale_y : bool, default=False
        Whether the members are trained on a scaled y, so that results do not depend on its unit. y gets
        mean 0 and variance 1, or mean 1 with ``loss="poisson"`` or ``loss="gamma"``, which cannot be
        shifted. The members predict the scaled y, and the ensemble predicts y.

    by_size : bool, default=False
        Whether the number of samples decides what is left open, as in the default for tables. With
        ``cv=None`` there are 8 folds, or 4 of at least 10,000 samples, and fewer if the samples or
        groups are fewer. Of an estimator that is a network, parameters that are None are set:
        `batch_size`, `learning_rate_init`, `max_iter`, `early_stopping` and `n_iter_no_change`. Boosted
        trees of scikit-learn with ``early_stopping="auto"`` are stopped by their folds, but with fewer
        than 400 samples to train on they have at most 100 iterations, with a learning rate of at least
        0.1.

    max_rows, max_outputs : int, default=None
        A blend leaves the ensemble out if there are more samples or columns of y.

    losses : list of str, default=None
        A blend leaves the ensemble out if the blend's `loss` is none of these.

    Attributes
    ----------
    estimators_ : list of regressors
        The members, in the order of the folds.

    n_estimators_ : int
        The number of members.

    center_, scale_ : float, or ndarrays of shape (n_outputs,)
        With `scale_y`, members are trained on ``(y - center_) / scale_``; otherwise they are 0 and 1.

    oof_prediction_ : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        The prediction of each sample by the member that held it out; their mean if several did, NaN if
        none did. A member uses its held-out fold only for early stopping.

    oof_score_ : float
        The R2 of the out-of-fold predictions.

    n_features_in_ : int
        Number of features seen during fit.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, where X has names that are all strings.

    See Also
    --------
    CrossFitClassifier : The same for class labels.
    BlendRegressor : Several ensembles, with weights.
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
    _parameter_constraints = BaseCrossFit._parameter_constraints | {
        "scale_y": ["boolean"],
        "losses": [list, None],
    }

    def __init__(
        self,
        estimator: BaseEstimator,
        cv: Any = 8,
        *,
        random_state: int | RandomState | None = None,
        verbose: bool | int = False,
        scale_y: bool = False,
        by_size: bool = False,
        max_rows: int | None = None,
        max_outputs: int | None = None,
        losses: list[str] | None = None,
    ):
        super().__init__(
            estimator,
            cv,
            random_state=random_state,
            verbose=verbose,
            by_size=by_size,
            max_rows=max_rows,
            max_outputs=max_outputs,
        )
        self.scale_y = scale_y
        self.losses = losses

    def _predict(self, X):
        return self._unscaled(in_blocks(self._mean_prediction, X, final_step(self.estimators_[0])))

    def _mean_prediction(self, X):
        return np.mean([member.predict(X) for member in self.estimators_], axis=0)

    def _unscaled(self, predictions):
        """Predictions of members in the units of y, in float64, as float32 may be too coarse."""
        return predictions * np.float64(self.scale_) + self.center_

    def _y_of_members(self, y, row_weights):
        self.center_, self.scale_ = 0.0, 1.0
        if self.scale_y:
            self.center_, self.scale_ = calibration.scale_of(self.estimator, y, row_weights)
            y = (y - self.center_) / self.scale_
        return y

    def _output(self, member, X):
        return member.predict(X)

    def _learn_out_of_fold(self, rows, outputs, y, row_weights):
        self.oof_prediction_, held_out = _mean_by_row(rows, self._unscaled(outputs), len(y))
        estimator = self.estimator
        are_positive = calibration.is_positive(final_step(estimator)) and not transforms_y(estimator)
        self._lowest = 0.0 if are_positive else -np.inf
        self.oof_score_ = r2_score(
            y[held_out], self.oof_prediction_[held_out], sample_weight=row_weights[held_out]
        )
        self._loss_explained = self.oof_score_


def _mean_by_row(rows, outputs, n_rows):
    """The mean of the outputs of each row, of which it may have several, and whether it has any.

    The mean of none is NaN.
    """
    n_predictions, sums = np.bincount(rows, minlength=n_rows), np.zeros((n_rows, *outputs.shape[1:]))
    np.add.at(sums, rows, outputs)
    with np.errstate(invalid="ignore"):
        return np.divide(sums.T, n_predictions, out=sums.T).T, n_predictions > 0
