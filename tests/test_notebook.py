"""The notebook's job: two Gaussian clouds, three small dense layers, plain gradient descent.

The reference is a NumPy network that is trained by backpropagation derived by hand, from the same
initial parameters. For one sample with targets t and layers

    h1 = relu(x K1 + b1),    h2 = relu(h1 K2 + b2),    z = h2 K3 + b3,

the loss is l = sum_j (z_j - t_j)^2, so dl/dz = 2 (z - t). A layer a = h K + b passes a gradient on by

    dl/dK = h^T dl/da,    dl/db = dl/da,    dl/dh = dl/da K^T,

and a relu lets it through where its output is positive. The loss of a minibatch of m samples is their
mean, so its gradients are the sums over the samples divided by m; the loss of an epoch is the mean over
all samples, each seen before the step of its minibatch.
"""

from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import norm
from sklearn.datasets import make_blobs

from helpers import OF_NOTEBOOK
from skdense import LowLevelMLPClassifier
from skdense.datasets import make_two_clouds

SOUND_SEED, OTHER_SOUND_SEED, COLLAPSING_SEED = 2, 9, 0
LEARNING_RATE, BATCH_SIZE = 0.1, 100


def notebook_network(**changes):
    settings = OF_NOTEBOOK | {"hidden_layer_sizes": (2, 2), "batch_size": BATCH_SIZE, "max_iter": 100}
    return LowLevelMLPClassifier(**{**settings, "random_state": SOUND_SEED, **changes})


pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def clouds():
    return make_two_clouds(random_state=0)


@pytest.fixture(scope="module")
def collapsed(clouds):
    return notebook_network(random_state=COLLAPSING_SEED).fit(*clouds)


def uniform_parameters(layer_sizes, seed, dtype):
    """Kernels from U[0, 1), layer by layer from one stream; zero biases take nothing from it."""
    stream = np.random.RandomState(seed)
    return [
        [stream.uniform(0, 1, (fan_in, fan_out)).astype(dtype), np.zeros(fan_out, dtype)]
        for fan_in, fan_out in pairwise(layer_sizes)
    ]


def descend(parameters, X, T, n_epochs):
    """Train the parameters in place; return the loss and the accuracy (one output) of each epoch."""
    (K1, b1), (K2, b2), (K3, b3) = parameters
    losses, accuracies = [], []
    for _ in range(n_epochs):
        loss = n_correct = 0
        for start in range(0, len(X), BATCH_SIZE):
            x, t = X[start : start + BATCH_SIZE], T[start : start + BATCH_SIZE]
            h1 = np.maximum(x @ K1 + b1, 0)
            h2 = np.maximum(h1 @ K2 + b2, 0)
            z = h2 @ K3 + b3
            loss += np.sum((z - t) ** 2)
            n_correct += np.sum((z > 0.5) == (t > 0.5))

            dz = 2 * (z - t) / len(x)
            da2 = (dz @ K3.T) * (h2 > 0)
            da1 = (da2 @ K2.T) * (h1 > 0)
            gradients = [h2.T @ dz, dz.sum(0), h1.T @ da2, da2.sum(0), x.T @ da1, da1.sum(0)]
            for parameter, gradient in zip([K3, b3, K2, b2, K1, b1], gradients, strict=True):
                parameter -= LEARNING_RATE * gradient
        losses.append(loss / len(X))
        accuracies.append(n_correct / T.size)
    return losses, accuracies


def hidden_values(network, X):
    """The values of each hidden layer, `(n_samples, width)`."""
    values = []
    for kernel, bias in list(zip(network.coefs_, network.intercepts_, strict=True))[:-1]:
        X = np.maximum(X @ kernel + bias, 0)
        values.append(X)
    return values


def assert_same_parameters(network, parameters, **tolerance):
    for coef, intercept, (kernel, bias) in zip(
        network.coefs_, network.intercepts_, parameters, strict=True
    ):
        np.testing.assert_allclose(coef, kernel, **tolerance)
        np.testing.assert_allclose(intercept, bias, **tolerance)


def test_the_notebook_reaches_its_accuracy_and_a_warm_start_betters_it(clouds):
    X, y = clouds
    network = notebook_network(warm_start=True).fit(X, y)
    assert X.dtype == network.coefs_[0].dtype == np.float32
    assert network.score(X, y) >= 0.996
    loss_after_100 = network.loss_

    network.set_params(max_iter=500).fit(X, y)
    assert network.score(X, y) >= 0.9965
    assert network.loss_ < loss_after_100
    assert len(network.loss_curve_) == len(network.accuracy_curve_) == 600


@pytest.mark.parametrize("seed", [SOUND_SEED, OTHER_SOUND_SEED, COLLAPSING_SEED])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-6), ("float64", 1e-13)])
def test_the_first_epochs_are_those_of_backpropagation_by_hand(clouds, dtype, tolerance, seed):
    X, y = clouds
    X = X.astype(dtype)
    parameters = uniform_parameters((2, 2, 2, 1), seed, dtype)
    losses, accuracies = descend(parameters, X, y[:, None].astype(dtype), n_epochs=5)

    network = notebook_network(max_iter=5, random_state=seed).fit(X, y)
    np.testing.assert_allclose(network.loss_curve_, losses, rtol=tolerance)
    np.testing.assert_allclose(network.accuracy_curve_, accuracies, rtol=1e-13)
    assert_same_parameters(network, parameters, rtol=tolerance, atol=tolerance)


def test_backpropagation_by_hand_agrees_with_several_outputs_and_a_short_last_minibatch():
    X, y = make_blobs(450, centers=3, cluster_std=2, random_state=0)
    parameters = uniform_parameters((2, 4, 3, 3), SOUND_SEED, "float64")
    initial = [kernel.copy() for kernel, _ in parameters]
    losses, _ = descend(parameters, X / 10, np.eye(3)[y], n_epochs=5)

    network = notebook_network(hidden_layer_sizes=(4, 3), max_iter=5).fit(X / 10, y)
    np.testing.assert_allclose(network.loss_curve_, losses, rtol=1e-13)
    assert_same_parameters(network, parameters, rtol=1e-13, atol=1e-13)
    assert all(np.abs(kernel - start).max() > 1e-2 for kernel, start in zip(network.coefs_, initial))


def test_a_collapsed_network_has_a_dead_second_layer_and_predicts_one_class(clouds, collapsed):
    X, y = clouds
    first, second = hidden_values(collapsed, X)
    assert first.any()
    assert not second.any()
    assert len(np.unique(collapsed.predict(X))) == 1
    assert collapsed.score(X, y) == 0.5


def test_the_output_of_a_collapsed_network_forgets_all_but_the_class_it_saw_last(clouds, collapsed):
    # Only the output bias learns: a step takes b to b + 0.2 (target - b), so the ten minibatches of
    # class 0 and then ten of class 1 take it to q (q b) + 1 - q with q = 0.8^10, which rests at
    # 1 / (1 + q). The output is then above 1/2 for the first three minibatches of class 0, below it for
    # those of class 1, so an epoch counts 7 of 10 samples as correct.
    X, _ = clouds
    np.testing.assert_allclose(collapsed.predict_proba(X)[:, 1], 1 / (1 + 0.8**10), rtol=1e-6)
    assert collapsed.accuracy_curve_[-1] == pytest.approx(0.7)


def test_the_clouds_come_in_class_order_in_float32_with_their_means_and_covariances():
    n = 20000
    X, y = make_two_clouds(n, random_state=0)

    assert X.shape == (2 * n, 2)
    assert X.dtype == np.float32
    np.testing.assert_array_equal(y, np.repeat([0, 1], n))
    for label, mean in enumerate([[0, 3], [3, 0]]):
        cloud = X[y == label]
        np.testing.assert_allclose(cloud.mean(axis=0), mean, atol=5 / np.sqrt(n))
        np.testing.assert_allclose(np.cov(cloud.T), [[1, 0.5], [0.5, 1]], atol=10 / np.sqrt(n))


def test_the_best_line_is_as_accurate_as_the_docstring_says():
    # Along (1, -1) the clouds have means -3 and 3 and variance 1 + 1 - 2 / 2 = 1.
    X, y = make_two_clouds(50000, random_state=0)

    assert norm.cdf(3) == pytest.approx(0.9987, abs=5e-5)
    assert np.mean((X[:, 0] > X[:, 1]) == y) == pytest.approx(norm.cdf(3), abs=5e-4)


def test_the_clouds_repeat_with_their_seed_and_advance_a_random_state_that_they_are_given():
    random_state = np.random.RandomState(0)

    first, _ = make_two_clouds(20, random_state=random_state)
    second, _ = make_two_clouds(20, random_state=random_state)

    np.testing.assert_array_equal(first, make_two_clouds(20, random_state=0)[0])
    assert (first != second).any()
