"""Encoders of class labels, which are what classifiers predict. Nothing here imports TensorFlow."""

from numbers import Real

import numpy as np
from scipy.sparse import issparse
from scipy.sparse import vstack as sparse_vstack
from scipy.special import expit, log_expit, log_softmax
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.multiclass import check_classification_targets, type_of_target, unique_labels

from skdense.core.formulas.activations import OUTPUT_ACTIVATIONS
from skdense.fit.encoder import Encoder, loss_with_output
from skdense.fit.validation import check_any_weight


class Labels(Encoder):
    """What binary, multiclass and multilabel targets have in common.

    Parameters
    ----------
    binarizer : LabelBinarizer
        Fitted to the labels.
    classes : ndarray of shape (n_classes,)
    loss_name : str
    class_weight : dict, "balanced" or None
        The factors on the weights of the classes.
    """

    curves = Encoder.curves | {"accuracy_curve_": "accuracy"}

    def __init__(self, binarizer, classes, loss_name, class_weight=None):
        super().__init__(loss_name)
        self.binarizer, self.classes, self.class_weight = binarizer, classes, class_weight

    @property
    def attributes(self):
        return {"_label_binarizer": self.binarizer, "classes_": self.classes}

    def check(self, y, name):
        """Raise if y has labels that are not among the classes."""
        if self._are_numbers(y) and np.isin(y, self.classes).all():
            return  # `unique_labels` takes ten times as long, 0.2 ms for 150 labels
        labels = unique_labels(y)
        if len(np.setdiff1d(labels, self.classes)):
            raise ValueError(
                f"`{name}` has classes not in `self.classes_`. `self.classes_` has {self.classes}. "
                f"'{name}' has {labels}."
            )

    def weights(self, samples, validation, rows):
        """Each sample's weight times its class's, for training and validation; None if all are one."""
        weights, validation_weights = super().weights(samples, validation, rows)
        if self.class_weight is None:
            return weights, validation_weights
        if isinstance(self.class_weight, dict):
            self._check_class_weight(samples.y)
        y_val = validation and validation.y
        factors, validation_factors = _class_factors(self.class_weight, samples.y, y_val, weights, rows)
        weights = factors if weights is None else factors * weights
        check_any_weight(weights, "class_weight and sample_weight", rows)
        if validation is not None:
            if validation_weights is None:
                validation_weights = 1
            validation_weights = validation_factors * validation_weights
            check_any_weight(validation_weights, "class_weight and sample_weight_val")
        return weights, validation_weights

    def _check_class_weight(self, y):
        if y.ndim == 2:
            raise ValueError("class_weight must be None or 'balanced' for multilabel y, got a dict")
        unknown = [label for label in self.class_weight if label not in self.classes]
        if unknown:
            raise ValueError(
                f"class_weight has weights for unknown classes {unknown}; the classes are "
                f"{self.classes}"
            )
        for label, weight in self.class_weight.items():
            if not (isinstance(weight, Real) and 0 <= weight < np.inf):
                raise ValueError(
                    f"class_weight must have finite weights of at least 0, got {weight!r} for class "
                    f"{label!r}"
                )

    def encode(self, y):
        if self._are_numbers(y):
            return self._one_hot(y)
        return self.binarizer.transform(y).astype(bool)  # a byte each is the least memory

    def _are_numbers(self, y):
        return y.ndim == 1 and y.dtype.kind in "biuf" and self.classes.dtype.kind in "biuf"

    def probabilities(self, logits):
        """The probability of each class."""
        return self._outputs(logits)

    def log_probabilities(self, logits):
        """Their logarithms, from the logits: finite also where a probability rounds to 0."""
        if self.loss.output == "identity":
            return np.log(self.probabilities(logits))
        return self._log_probabilities(logits)

    def _outputs(self, logits):
        """The outputs as probabilities."""
        if self.loss.output == "identity":
            return self._clipped(logits, np.finfo(logits.dtype).eps)
        return OUTPUT_ACTIVATIONS[self.loss.output](logits)

    def _clipped(self, outputs, eps):
        return np.clip(outputs, eps, 1 - eps)


class Binary(Labels):
    """Two classes: one output, which stands for the second."""

    target_type = "binary"
    is_stratified = True

    def _one_hot(self, y):
        return y[:, None] == self.classes[1:]

    def decode(self, logits):
        return self.classes[(self._outputs(logits)[:, 0] > 0.5).astype(int)]

    def probabilities(self, logits):
        if self.loss.output == "identity":
            outputs = self._outputs(logits)
            return np.hstack([1 - outputs, outputs])
        # `1 - expit(logits)` would round to 0 in float32 for logits from 17 on.
        probabilities = expit(np.hstack([-logits, logits]))
        return np.maximum(probabilities, np.finfo(logits.dtype).tiny, out=probabilities)

    def _log_probabilities(self, logits):
        return log_expit(np.hstack([-logits, logits]))


class OneClass(Binary):
    """One class, which is predicted whatever the logits are; the targets are all 0."""

    target_type = "one class"

    def _one_hot(self, y):
        return y[:, None] != self.classes

    def decode(self, logits):
        return np.repeat(self.classes, len(logits))


class Multiclass(Labels):
    """Three classes or more: an output for each, of which one is right."""

    target_type = "multiclass"

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

    target_type = "multilabel"

    def decode(self, logits):
        return self.binarizer.inverse_transform(self._outputs(logits))

    def _log_probabilities(self, logits):
        # The logarithm of what predict_proba returns, so that both rank labels alike, except where that
        # is 0.
        probabilities = expit(logits)
        return np.log(probabilities, out=log_expit(logits), where=probabilities > 0)


_TYPES = {"binary": Binary, "multiclass": Multiclass, "multilabel-indicator": Multilabel}


def _type_of(binarizer, classes):
    """The class of `Labels` for the labels that a binarizer was fitted to."""
    return OneClass if len(classes) == 1 else _TYPES[binarizer.y_type_]


def fitted_labels(estimator):
    """The encoder of a fitted estimator. Its loss is any one with the same output activation."""
    binarizer, classes = estimator._label_binarizer, estimator.classes_
    cls = _type_of(binarizer, classes)
    return cls(binarizer, classes, loss_with_output(cls, estimator.out_activation_))


def learn_labels(estimator, y, inputs, continues):
    """The encoder of y, whose labels must be among the earlier ones if training continues."""
    try:
        binarizer, classes = _learn_classes(estimator, y, inputs, continues)
        if (continues or inputs.incremental) and estimator.warm_start:
            _check_all(classes, y)
        cls = _type_of(binarizer, classes)
        labels = cls(binarizer, classes, estimator.loss, estimator.class_weight)
        labels.check(y, "y")
    except ValueError:
        _check_discrete(y)
        raise
    return labels


def _learn_classes(estimator, y, inputs, continues):
    """A fitted LabelBinarizer and the classes: of y, as given to `partial_fit`, or the earlier ones."""
    if continues and hasattr(estimator, "classes_"):  # else its weights were set by hand
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


def _check_all(classes, y):
    labels = unique_labels(y)
    if set(labels) != set(classes):
        raise ValueError(
            "warm_start can only be used where `y` has the same classes as in the previous call to "
            f"fit. Previously got {classes}, `y` has {labels}"
        )


def _check_discrete(y):
    try:
        check_classification_targets(y)
    except ValueError as error:
        raise ValueError(f"{error} To predict numbers use LowLevelMLPRegressor.") from None


def _class_factors(class_weight, y, y_val, weights, rows):
    """The class weight of each sample of y, and of y_val or None; "balanced" counts only `rows` of y.

    The factor of a multilabel sample is the product of a weight for each label, which depends on
    whether the sample has the label.
    """
    n_samples = y.shape[0]
    if rows is None:
        rows = slice(n_samples)
    if y_val is not None:
        y = sparse_vstack([y, y_val]) if issparse(y) else np.concatenate([y, y_val])
    columns = (y.toarray() if issparse(y) else y).reshape(y.shape[0], -1).T
    factors = np.ones(y.shape[0])
    for column in columns:
        labels, label_of = np.unique(column, return_inverse=True)
        if class_weight == "balanced":
            counted = None if weights is None else weights[rows]
            by_label = _balance(np.bincount(label_of[rows], counted, minlength=len(labels)))
        else:
            by_label = np.array([class_weight.get(label, 1.0) for label in labels])
        factors *= by_label[label_of]
    return factors[:n_samples], None if y_val is None else factors[n_samples:]


def _balance(counts):
    """The factors that give classes of these weighted counts equal weight; 0 for a count of 0."""
    balanced = np.zeros(len(counts))
    return np.divide(counts.sum(), np.count_nonzero(counts) * counts, out=balanced, where=counts > 0)
