"""Encoders: y becomes targets of the network, and the network's logits become predictions.

There is an encoder for each of scikit-learn's types of targets, and one for labels of a single class.
Everything that depends on the type of the targets is in the encoder.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from scipy.special import expit, log_expit, log_softmax
from sklearn.base import ClassifierMixin
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import assert_all_finite
from sklearn.utils.multiclass import check_classification_targets, type_of_target, unique_labels

from skdense.core.formulas.activations import OUTPUT_ACTIVATIONS
from skdense.core.formulas.losses import LOSSES, NEGATIVE_LOSS
from skdense.core.network import Parameters
from skdense.fit.inputs import Estimator, FitInput


class Encoder:
    """Base class of the encoders.

    Parameters
    ----------
    loss_name : str
        The loss that is minimized, by its name among the losses of this type.
    classes : ndarray of shape (n_classes,) or None
        The classes of labels; None for numbers.
    binarizer : LabelBinarizer or None
        Fitted to the labels, as scikit-learn's networks have it. It encodes multilabel targets, and
        tells of what type the labels of a fitted estimator are.

    Attributes
    ----------
    target_type : str
        The name of the type in the core's table of losses.
    loss : Loss
        All that is known of the loss.
    curve_attributes : dict of str to str
        The attributes with a value for each epoch, and their fields of `Curves`.
    is_stratified : bool
        Whether the validation split keeps the proportions of the classes.
    scores : tuple
        The values of `scoring` that a program computes.
    check : callable
        `check(y, name)` raises if y has a label or a number that this encoder does not take; the error
        calls y by this name.
    encode : callable
        `encode(y)` are the targets `(n_samples, n_outputs)`.
    decode : callable
        `decode(logits)` are the predictions. As every method that takes logits, it may overwrite them.
    """

    target_type: str
    curve_attributes = {
        "loss_curve_": "loss",
        "validation_loss_curve_": "validation_loss",
        "validation_scores_": "validation_score",
    }
    is_stratified = False
    scores: tuple[str | None, ...] = None, "loss"
    check: Callable[[Any, str], None]
    encode: Callable[[Any], NDArray]
    decode: Callable[[NDArray], Any]

    def __init__(self, loss_name: str, classes: Any = None, binarizer: Any = None):
        self.loss_name, self.loss = loss_name, LOSSES[self.target_type][loss_name]
        self.classes, self.binarizer = classes, binarizer

    def fitted(self, parameters: Parameters) -> dict[str, Any]:
        """The fitted attributes by which a network with these parameters predicts."""
        coefs, intercepts = map(list, zip(*parameters, strict=True))
        label_attributes = {"_label_binarizer": self.binarizer, "classes_": self.classes}
        return {
            **({} if self.classes is None else label_attributes),
            "coefs_": coefs,
            "intercepts_": intercepts,
            "n_layers_": len(parameters) + 1,
            "n_outputs_": len(intercepts[-1]),
            "out_activation_": self.loss.output,
        }


# --- labels ------------------------------------------------------------------------------------------


class Labels(Encoder):
    """What binary, multiclass and multilabel targets have in common."""

    _log_probabilities: Callable[[NDArray], NDArray]
    curve_attributes = Encoder.curve_attributes | {"accuracy_curve_": "accuracy"}
    scores = *Encoder.scores, "accuracy"

    def check(self, y: Any, name: str) -> None:
        """Raise if y has labels that are not among the classes."""
        are_numbers = y.ndim == 1 and y.dtype.kind in "biuf" and self.classes.dtype.kind in "biuf"
        if are_numbers and np.isin(y, self.classes).all():
            return  # the fast path: `unique_labels` takes 0.2 ms for 150 labels, ten times as long
        labels = unique_labels(y)
        if len(np.setdiff1d(labels, self.classes)):
            raise ValueError(
                f"`{name}` has classes not in `self.classes_`. `self.classes_` has {self.classes}. "
                f"'{name}' has {labels}."
            )

    def probabilities(self, logits: NDArray) -> NDArray:
        """The probability of each class."""
        if self.loss.output == "identity":
            return self._clipped(logits, np.finfo(logits.dtype).eps)
        return OUTPUT_ACTIVATIONS[self.loss.output](logits)

    def log_probabilities(self, logits: NDArray) -> NDArray:
        """The logarithm of each class's probability; finite even if the probability rounds to 0."""
        if self.loss.output == "identity":
            return np.log(self.probabilities(logits))
        return self._log_probabilities(logits)

    def _clipped(self, outputs: NDArray, eps: float) -> NDArray:
        return np.clip(outputs, eps, 1 - eps)


class Binary(Labels):
    """Two classes: one output, the probability of the second."""

    target_type = "binary"
    is_stratified = True

    def encode(self, y: Any) -> NDArray:
        return y[:, None] != self.classes[:1]

    def decode(self, logits: NDArray) -> Any:
        return self.classes[(super().probabilities(logits)[:, 0] > 0.5).astype(int)]

    def probabilities(self, logits: NDArray) -> NDArray:
        if self.loss.output == "identity":
            positive = super().probabilities(logits)
            return np.hstack([1 - positive, positive])
        # `1 - expit(logits)` would round to 0 in float32 for logits from 17 on.
        probabilities = expit(np.hstack([-logits, logits]))
        return np.maximum(probabilities, np.finfo(logits.dtype).tiny, out=probabilities)

    def _log_probabilities(self, logits: NDArray) -> NDArray:
        return log_expit(np.hstack([-logits, logits]))


class OneClass(Binary):
    """One class, which is predicted whatever the logits are; the targets are all 0.

    As with MLPClassifier its accuracy is 1, so the core's table has losses of its own for it.
    """

    target_type = "one class"

    def decode(self, logits: NDArray) -> Any:
        return np.repeat(self.classes, len(logits))


class Multiclass(Labels):
    """Three classes or more: an output for each, of which one is right."""

    target_type = "multiclass"

    def encode(self, y: Any) -> NDArray:
        return y[:, None] == self.classes

    def decode(self, logits: NDArray) -> Any:
        return self.classes[self.probabilities(logits).argmax(axis=1)]

    def _clipped(self, outputs: NDArray, eps: float) -> NDArray:
        positive = np.maximum(outputs, eps)
        return positive / positive.sum(axis=1, keepdims=True)

    def _log_probabilities(self, logits: NDArray) -> NDArray:
        return log_softmax(logits, axis=1)


class Multilabel(Labels):
    """Any number of labels a sample: an output for each."""

    target_type = "multilabel"

    def encode(self, y: Any) -> NDArray:
        return self.binarizer.transform(y).astype(bool)  # a byte each is the least memory

    def decode(self, logits: NDArray) -> Any:
        return self.binarizer.inverse_transform(self.probabilities(logits))

    def _log_probabilities(self, logits: NDArray) -> NDArray:
        # The logarithm of what predict_proba returns, so that both rank labels alike, except where that
        # is 0.
        probabilities = expit(logits)
        return np.log(probabilities, out=log_expit(logits), where=probabilities > 0)


_TYPES = {"binary": Binary, "multiclass": Multiclass, "multilabel-indicator": Multilabel}


def _type_of(binarizer: LabelBinarizer, classes: Any) -> type[Labels]:
    """The class of `Labels` for the labels that a binarizer was fitted to."""
    return OneClass if len(classes) == 1 else _TYPES[binarizer.y_type_]


def _learn_labels(estimator: Estimator, y: Any, inputs: FitInput, continues: bool) -> Labels:
    """The encoder of y, whose labels must be among the earlier ones if training continues."""
    try:
        binarizer, classes = _learn_classes(estimator, y, inputs, continues)
        labels_type = _type_of(binarizer, classes)
        if (y.ndim == 2) != (labels_type is Multilabel):
            expected = "an indicator matrix" if labels_type is Multilabel else "one-dimensional"
            raise ValueError(
                f"y must be {expected}, as in the last call, got shape {y.shape}; to train anew on "
                "other targets, set warm_start=False and call fit"
            )
        if (continues or inputs.incremental) and estimator.warm_start:
            labels = unique_labels(y)
            if set(labels) != set(classes):
                raise ValueError(
                    "warm_start can only be used where `y` has the same classes as in the previous "
                    f"call to fit. Previously got {classes}, `y` has {labels}"
                )
        encoder = labels_type(estimator.loss, classes, binarizer)
        encoder.check(y, "y")
    except ValueError:
        try:
            check_classification_targets(y)
        except ValueError as error:
            raise ValueError(f"{error} For regression use LowLevelMLPRegressor.") from None
        raise
    return encoder


def _learn_classes(
    estimator: Estimator, y: Any, inputs: FitInput, continues: bool
) -> tuple[LabelBinarizer, NDArray]:
    """A fitted LabelBinarizer and the classes: of y, as given to `partial_fit`, or the earlier ones."""
    if continues and hasattr(estimator, "classes_"):  # else its parameters were set by hand
        earlier = estimator.classes_
        if inputs.classes is not None and not np.array_equal(unique_labels(inputs.classes), earlier):
            raise ValueError(
                f"`classes={inputs.classes!r}` is not the same as on last call to partial_fit, was: "
                f"{earlier!r}"
            )
        return estimator._label_binarizer, earlier
    if not inputs.incremental:
        binarizer = LabelBinarizer().fit(y)
        return binarizer, binarizer.classes_
    if inputs.classes is None:
        raise ValueError("classes must be passed on the first call to partial_fit.")
    multilabel = type_of_target(y).startswith("multilabel")
    return LabelBinarizer().fit(y if multilabel else inputs.classes), unique_labels(inputs.classes)


# --- numbers -----------------------------------------------------------------------------------------


class Continuous(Encoder):
    """Numbers to predict, in one column or several."""

    target_type = "regression"

    def __init__(self, loss_name: str, classes: Any = None, binarizer: Any = None):
        super().__init__(loss_name, classes, binarizer)
        if self.loss.metric is not NEGATIVE_LOSS:  # then it is R2
            self.scores = *Encoder.scores, "r2"

    def check(self, y: Any, name: str) -> None:
        y = as_numbers(y, name)
        lowest = self.loss.lowest_target
        if (y < lowest).any():
            raise ValueError(
                f"Some value(s) of {name} are out of the valid range of loss={self.loss_name!r}: must "
                f"be at least {lowest}, got {y.min()}"
            )

    def encode(self, y: Any) -> NDArray:
        return as_numbers(y).reshape(len(y), -1)

    def decode(self, logits: NDArray) -> NDArray:
        predictions = OUTPUT_ACTIVATIONS[self.loss.output](logits)
        return predictions.ravel() if predictions.shape[1] == 1 else predictions


def as_numbers(y: Any, name: str = "y") -> NDArray:
    """The numbers in y, which may be objects; an error calls it by `name`."""
    if issparse(y):
        raise TypeError(f"{name} must be dense, got a sparse matrix; use {name}.toarray()")
    if y.dtype.kind not in "biufO":
        raise ValueError(
            f"{name} must be numeric, got dtype {y.dtype}; convert it, or use a classifier to predict "
            "classes"
        )
    if y.dtype.kind != "O":
        return y
    try:
        numbers = y.astype(np.float64)
    except (OverflowError, TypeError, ValueError) as error:
        raise ValueError(f"{name} must be numeric: {error}") from error
    assert_all_finite(numbers, input_name=name)  # None becomes NaN
    return numbers


# --- labels or numbers --------------------------------------------------------------------------------


def learn_encoder(estimator: Estimator, y: Any, inputs: FitInput, continues: bool) -> Encoder:
    """The encoder of the checked y, where training continues from an earlier fit or starts anew.

    If it continues, the labels must be among the earlier ones, and numbers in as many columns.
    """
    if isinstance(estimator, ClassifierMixin):
        return _learn_labels(estimator, y, inputs, continues)
    encoder = Continuous(estimator.loss)
    encoder.check(y, "y")
    n_outputs = 1 if y.ndim == 1 else y.shape[1]
    if continues and n_outputs != (earlier := len(estimator.intercepts_[-1])):
        raise ValueError(
            f"y has {n_outputs} outputs, but training continues from a network with {earlier}: give y "
            "the same columns, or set warm_start=False and call fit"
        )
    return encoder


def fitted_encoder(estimator: Estimator) -> Any:
    """The encoder of a fitted estimator.

    Predictions depend on the loss only by its output activation, so any loss that has this one serves.
    """
    classes = getattr(estimator, "classes_", None)
    binarizer = getattr(estimator, "_label_binarizer", None)
    cls = Continuous if binarizer is None else _type_of(binarizer, classes)
    losses = LOSSES[cls.target_type].items()
    name = next(name for name, loss in losses if loss.output == estimator.out_activation_)
    return cls(name, classes, binarizer)
