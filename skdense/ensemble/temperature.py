"""One number by which a classifier's logits are divided, such that its probabilities are calibrated."""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from sklearn.utils import gen_batches

_LOG_TEMPERATURES = (-1.5, 1.5)
"""The bounds of the logarithm: if all samples are predicted right, the log-loss has no minimum."""
_PRIOR = 0.3
"""The standard deviation of a normal prior on the logarithm, which counts as much as a few samples."""
_BLOCK = 2**15
"""How many samples are divided at a time, which takes little memory."""


def at_temperature(temperature, log_probabilities):
    """The log-probabilities if the logits are divided by a temperature.

    They are in float64, so that the sums of probabilities are 1 as precisely as metrics demand.
    """
    return log_softmax(np.divide(log_probabilities, temperature, dtype=np.float64), axis=1)


def log_likelihoods(temperature, log_probabilities, labels):
    """The log-probability of each sample's label, given as its column, at this temperature."""
    found = np.empty(len(labels))
    for part in gen_batches(len(labels), _BLOCK):
        true_label = np.arange(len(labels[part])), labels[part]
        found[part] = at_temperature(temperature, log_probabilities[part])[true_label]
    return found


def probabilities_at(temperature, log_probabilities):
    """The probabilities if the logits are divided by a temperature."""
    found = np.empty(log_probabilities.shape)
    for part in gen_batches(len(found), _BLOCK):
        found[part] = np.exp(at_temperature(temperature, log_probabilities[part]))
    return found


def as_logs(probabilities):
    """The logarithms of probabilities, none of which is -inf."""
    return np.log(np.maximum(probabilities, np.finfo(float).eps))


def learn_temperature(log_loss, n_samples):
    """The most probable temperature, from its mean log-loss, a function of it, over so many samples."""

    def objective(u):
        return log_loss(np.exp(u)) + (u / _PRIOR) ** 2 / (2 * n_samples)

    best = minimize_scalar(objective, bounds=_LOG_TEMPERATURES, method="bounded")
    return float(np.exp(best.x))
