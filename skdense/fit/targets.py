"""What y is: how it becomes targets of the network, and what the network's logits say of it.

There is a class for each type of target, in scikit-learn's sense; no other module asks which one y is.
Nothing here imports TensorFlow.
"""

import numpy as np
from scipy.special import entr, expit, log_expit, log_softmax
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.multiclass import (
    _check_partial_fit_first_call,
    check_classification_targets,
    type_of_target,
    unique_labels,
)

from skdense.core.formulas.activations import OUTPUT_ACTIVATIONS


class Targets:
    """What all types of targets have in common.

    Parameters
    ----------
    loss : str
        The loss that is minimized, a key of `losses`.

    Attributes
    ----------
    losses : dict of str to (str, str)
        For each loss of the estimator the output layer's activation, and the key of the core's table of
        losses, which also tells how predictions are scored.
    curves : dict of str to str
        The attributes with a value for each epoch, and their fields of `Curves`.
    is_stratified : bool
        Whether the validation split keeps the proportions of the classes.
    class_weight : dict, "balanced" or None
        The factors on the weights of the classes.
    hyper : dict of str to float
        The fields of `Hyper` that the loss takes.
    """

    curves = {
        "loss_curve_": "loss",
        "validation_loss_curve_": "validation_loss",
        "validation_scores_": "validation_score",
    }
    is_stratified = False
    class_weight = None
    hyper = {}

    def __init__(self, loss):
        self.out_activation, self.loss = self.losses[loss]

    def check(self, y, name):
        """Raise unless y, of this name, is of this type."""
        raise NotImplementedError

    def encode(self, y):
        """The targets `(n_samples, n_outputs)`."""
        raise NotImplementedError

    def constant_loss(self, targets, weights):
        """The lowest loss, weighted, of a network that gives every sample the same output."""
        raise NotImplementedError

    def decode(self, logits):
        """The predictions. As other methods that are given logits, it may overwrite them."""
        raise NotImplementedError


class Labels(Targets):
    """Class labels: what binary, multiclass and multilabel targets have in common.

    Parameters
    ----------
    binarizer : LabelBinarizer
        Fitted to the labels.
    classes : ndarray of shape (n_classes,)
    loss : str
    class_weight : dict, "balanced" or None
    label_smoothing : float
        The part of each sample's certainty that the log-loss leaves to all classes alike.
    """

    losses = {
        "log_loss": ("logistic", "logistic_log_loss"),
        "squared_error": ("identity", "squared_error"),
    }
    curves = Targets.curves | {"accuracy_curve_": "accuracy"}

    def __init__(self, binarizer, classes, loss, class_weight=None, label_smoothing=0):
        super().__init__(loss)
        self.binarizer, self.classes, self.class_weight = binarizer, classes, class_weight
        self.hyper = {"label_smoothing": label_smoothing}

    def check(self, y, name):
        """Raise if y has labels that are not among the classes."""
        if self._are_numbers(y) and np.isin(y, self.classes).all():
            return  # what follows checks more than numbers need, and takes longer than many a training
        labels = unique_labels(y)
        if len(np.setdiff1d(labels, self.classes)):
            raise ValueError(
                f"`{name}` has classes not in `self.classes_`. `self.classes_` has {self.classes}. "
                f"'{name}' has {labels}."
            )

    def encode(self, y):
        if self._are_numbers(y):
            return self._one_hot(y)
        return self.binarizer.transform(y).astype(bool)  # one byte each, whatever the dtype of X

    def constant_loss(self, targets, weights):
        p = np.average(targets, axis=0, weights=weights)
        if self.out_activation == "identity":
            return (p * (1 - p)).sum()
        entropies = entr(p) if self.out_activation == "softmax" else entr(p) + entr(1 - p)
        return entropies.sum()

    def _are_numbers(self, y):
        return y.ndim == 1 and y.dtype.kind in "biuf" and self.classes.dtype.kind in "biuf"

    def probabilities(self, logits):
        """The probability of each class."""
        return self._outputs(logits)

    def log_probabilities(self, logits):
        """Their logarithms, from the logits: finite also where a probability rounds to 0."""
        if self.out_activation == "identity":
            return np.log(self.probabilities(logits))
        return self._log_probabilities(logits)

    def _outputs(self, logits):
        """The outputs as probabilities."""
        if self.out_activation == "identity":
            return self._clipped(logits, np.finfo(logits.dtype).eps)
        return OUTPUT_ACTIVATIONS[self.out_activation](logits)

    def _clipped(self, outputs, eps):
        return np.clip(outputs, eps, 1 - eps)


class Binary(Labels):
    """Two classes: one output, which stands for the second."""

    is_stratified = True

    def _one_hot(self, y):
        return y[:, None] == self.classes[1:]

    def decode(self, logits):
        return self.classes[(self._outputs(logits)[:, 0] > 0.5).astype(int)]

    def probabilities(self, logits):
        if self.out_activation == "identity":
            outputs = self._outputs(logits)
            return np.hstack([1 - outputs, outputs])
        # Not 1 - p, which is 0 where the other class is a little too likely.
        probabilities = expit(np.hstack([-logits, logits]))
        return np.maximum(probabilities, np.finfo(logits.dtype).tiny, out=probabilities)

    def _log_probabilities(self, logits):
        return log_expit(np.hstack([-logits, logits]))


class OneClass(Binary):
    """One class, which is predicted whatever the logits are; the targets are all 0."""

    losses = {
        "log_loss": ("logistic", "one_class_log_loss"),
        "squared_error": ("identity", "one_class_squared_error"),
    }

    def _one_hot(self, y):
        return y[:, None] != self.classes

    def decode(self, logits):
        return np.repeat(self.classes, len(logits))


class Multiclass(Labels):
    """Three classes or more: an output for each, of which one is right."""

    losses = {
        "log_loss": ("softmax", "softmax_log_loss"),
        "squared_error": ("identity", "multiclass_squared_error"),
    }

    def _one_hot(self, y):
        return y[:, None] == self.classes

    def decode(self, logits):
        return self.classes[self._outputs(logits).argmax(axis=1)]

    def _clipped(self, outputs, eps):
        positive = np.maximum(outputs, eps)
        return positive / positive.sum(axis=1, keepdims=True)

    def _log_probabilities(self, logits):
        return log_softmax(logits, axis=1)


class Multilabel(Labels):
    """Any number of labels a sample: an output for each."""

    def decode(self, logits):
        return self.binarizer.inverse_transform(self._outputs(logits))

    def _log_probabilities(self, logits):
        # The logarithm of what predict_proba returns, so that both rank labels alike, if it is not 0.
        probabilities = expit(logits)
        return np.log(probabilities, out=log_expit(logits), where=probabilities > 0)


_LABELS = {"binary": Binary, "multiclass": Multiclass, "multilabel-indicator": Multilabel}


def labels_of(estimator, loss, label_smoothing=0):
    """The type of the labels that an estimator knows."""
    binarizer, classes = estimator._label_binarizer, estimator.classes_
    cls = OneClass if len(classes) == 1 else _LABELS[binarizer.y_type_]
    return cls(binarizer, classes, loss, estimator.class_weight, label_smoothing)


def fitted_labels(estimator):
    """The type of the labels that an estimator was fitted to, with the loss it was fitted with."""
    return labels_of(
        estimator, "squared_error" if estimator.out_activation_ == "identity" else "log_loss"
    )


def learn_labels(estimator, y, given, goes_on):
    """Set what an estimator knows of labels, or check that y has no other ones; return their type."""
    if estimator.label_smoothing and estimator.loss != "log_loss":
        raise ValueError(
            f"label_smoothing is for loss='log_loss' only, got {estimator.label_smoothing} with "
            f"loss={estimator.loss!r}; use label_smoothing=0"
        )
    try:
        return _learn_labels(estimator, y, given, goes_on)
    except ValueError:
        _check_discrete(y)
        raise


def _check_discrete(y):
    try:
        check_classification_targets(y)
    except ValueError as error:
        raise ValueError(f"{error} To predict numbers use LowLevelMLPRegressor.") from None


def _learn_labels(estimator, y, given, goes_on):
    if given.incremental and _learns_classes(estimator, given.classes):
        multilabel = type_of_target(y).startswith("multilabel")
        estimator._label_binarizer = LabelBinarizer().fit(y if multilabel else given.classes)
    elif not goes_on:
        estimator._label_binarizer = LabelBinarizer().fit(y)
        estimator.classes_ = estimator._label_binarizer.classes_
    if (goes_on or given.incremental) and estimator.warm_start:
        _check_all(estimator.classes_, y)
    labels = labels_of(estimator, estimator.loss, estimator.label_smoothing)
    labels.check(y, "y")
    return labels


def _learns_classes(estimator, classes):
    """Whether this is partial_fit's first call, which sets the classes; raise if they are others."""
    if hasattr(estimator, "classes_") and np.array_equal(classes, estimator.classes_):
        return False  # as what follows would find out, in the time of some training steps
    return _check_partial_fit_first_call(estimator, classes)


def _check_all(classes, y):
    labels = unique_labels(y)
    if set(labels) != set(classes):
        raise ValueError(
            "warm_start can only be used where `y` has the same classes as in the previous call to "
            f"fit. Previously got {classes}, `y` has {labels}"
        )
