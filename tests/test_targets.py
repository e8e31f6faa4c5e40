"""The types of targets: which one y has, and that logits which fit the targets mean y again."""

from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sp

from skdense.fit.inputs import FitInput
from skdense.fit.targets import Binary, Multiclass, Multilabel, OneClass, fitted_labels, learn_labels

INDICATORS = np.arange(36).reshape(12, 3) % 2
CASES = {
    "binary text": (np.array(["no", "yes"] * 6), Binary, 1),
    "binary numbers": (np.arange(12) % 2 * 7 - 3, Binary, 1),
    "bools": (np.arange(12) % 2 > 0, Binary, 1),
    "one class": (np.full(12, 7), OneClass, 1),
    "one class of text": (np.array(["only"] * 12), OneClass, 1),
    "three classes": (np.arange(12) % 3 + 5, Multiclass, 3),
    "text": (np.array(["c", "a", "b", "a"] * 3), Multiclass, 3),
    "multilabel": (INDICATORS, Multilabel, 3),
    "sparse multilabel": (sp.csr_array(INDICATORS), Multilabel, 3),
    "multilabel without labels": (np.zeros((12, 2), int), Multilabel, 2),
}


def learned(y, loss="log_loss"):
    estimator = SimpleNamespace(loss=loss, class_weight=None, warm_start=False)
    labels = learn_labels(estimator, FitInput(None, y), continues=False)
    fitted = fitted_labels(SimpleNamespace(out_activation_=labels.loss.output, **labels.attributes))
    assert (type(fitted), fitted.loss_name) == (type(labels), loss)
    return labels


@pytest.mark.parametrize("loss", ["log_loss", "squared_error"])
@pytest.mark.parametrize(("y", "kind", "n_outputs"), CASES.values(), ids=CASES)
def test_logits_that_fit_the_targets_mean_y(y, kind, n_outputs, loss):
    labels = learned(y, loss)
    targets = labels.encode(y)

    assert type(labels) is kind
    assert targets.dtype == bool
    assert targets.shape == (12, n_outputs)
    # A squared error is least where outputs are the targets, a log-loss where logits are extreme.
    logits = targets.astype(float) if loss == "squared_error" else np.where(targets, 50.0, -50.0)
    decoded = labels.decode(logits.copy())
    if sp.issparse(y):
        decoded, y = decoded.toarray(), y.toarray()
    np.testing.assert_array_equal(decoded, y)
    probabilities = labels.probabilities(logits.copy())
    assert probabilities.shape == (12, max(2, n_outputs))
    np.testing.assert_allclose(probabilities[:, -n_outputs:], targets, atol=1e-15)
    np.testing.assert_allclose(np.exp(labels.log_probabilities(logits)), probabilities, atol=1e-15)


def test_learning_labels_changes_no_estimator():
    estimator = SimpleNamespace(loss="log_loss", class_weight=None, warm_start=False)
    before = dict(vars(estimator))
    labels = np.arange(3)
    learn_labels(estimator, FitInput(None, labels), continues=False)
    learn_labels(estimator, FitInput(None, labels, classes=range(4), incremental=True), False)
    assert vars(estimator) == before


def test_the_only_class_is_decoded_from_any_logits():
    labels = learned(np.full(3, 7))
    np.testing.assert_array_equal(labels.decode(np.array([[-9.0], [0.0], [9.0]])), [7, 7, 7])


def test_unknown_labels_are_named():
    with pytest.raises(ValueError, match=r"`y_val` has classes not in .* \[0 1\].* has \[1 2\]"):
        learned(np.array([0, 1])).check(np.array([1, 2]), "y_val")
