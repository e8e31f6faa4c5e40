"""
Two clouds and a very small network
===================================

Three dense layers written by hand, plain minibatch gradient descent and two Gaussian clouds: one
notebook is enough. Two questions come up as soon as it is run a few times. The short answers:

- **Why does every run give a different result?** The notebook draws two things in every run: the data,
  with NumPy, and the initial weights, with TensorFlow. Nothing else is random. Fix both seeds, and
  every run gives the same result.
- **Why does it get worse with wider layers?** Weights drawn from [0, 1) all have the same sign, so the
  changes of all units add up. In a wide layer, the first steps are so long that every unit ends up
  below zero for every sample. Such a unit gets no gradient, and the network *collapses*: only the bias
  of the output layer is still trained. An epoch ends with ten minibatches of class 1, which move this
  bias to 0.903. So the output is 0.903 for every sample, which is above 0.5: **all samples are
  predicted as positive**, and half of the predictions are correct. The outputs do become too large, but
  only in the first steps: about 38 at width 10. Draw weights of both signs that are smaller in wider
  layers (``init="glorot_uniform"``), or use a smaller learning rate.

In your own TensorFlow notebook, set both seeds once, and draw the kernel of each layer like this:

.. code-block:: python

   np.random.seed(0)  # once, before the data are drawn
   tf.random.set_seed(0)  # once, before the weights are drawn
   limit = (6 / (n_in + n_out)) ** 0.5  # Glorot's uniform distribution
   kernel = tf.Variable(tf.random.uniform((n_in, n_out), -limit, limit))

``kernel`` is the layer's ``W``; ``n_in`` and ``n_out`` are 2 and the width in the first layer, the
width twice in the second, and the width and 1 in the last. ``tf.keras.utils.set_random_seed(0)`` sets
both seeds in one line. With TensorFlow's seed alone, each run has other data and therefore another
accuracy.
In TensorFlow 1, or with ``tf.compat.v1``, write ``tf.set_random_seed(0)`` before you create variables.

``tf.keras.initializers.GlorotUniform`` draws from the same distribution. In Keras 3 it does not follow
``tf.random.set_seed``, so give each layer a seed of its own: ``GlorotUniform(seed=1)``,
``GlorotUniform(seed=2)``.

The rest of this page repeats the experiment with :class:`~skdense.LowLevelMLPClassifier` and measures
the causes. The last section shows where the lines of the notebook are in the library. In Korean:
:doc:`/generated/ko/two_clouds`.
"""

# %%
# The data and the network
# ------------------------
# A thousand samples around (0, 3) are class 0, a thousand around (3, 0) class 1, in that order. Two
# hidden layers of two rectified units each and one linear output are trained on the squared error. The
# kernels start as uniform draws from [0, 1), the biases as zeros. Each step is plain gradient descent
# on the next 100 samples. ``tol=0`` with ``n_iter_no_change=np.inf`` switches stopping off, so the
# warning that training has not converged is expected.

import textwrap
import warnings
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.inspection import DecisionBoundaryDisplay

from skdense import LowLevelMLPClassifier, fit_many
from skdense.datasets import make_two_clouds
from skdense.exceptions import CollapseWarning
from skdense.inspection import dead_unit_masks

warnings.simplefilter("ignore", ConvergenceWarning)

X, y = make_two_clouds(random_state=0)


def make_network(width=2, **changes):
    """The notebook's network, with changes."""
    settings = {
        "hidden_layer_sizes": (width, width),
        "activation": "relu",
        "loss": "squared_error",
        "init": "uniform",
        "solver": "sgd",
        "momentum": 0,
        "learning_rate_init": 0.1,
        "batch_size": 100,
        "shuffle": False,
        "alpha": 0,
        "max_iter": 100,
        "tol": 0,
        "n_iter_no_change": np.inf,
    }
    return LowLevelMLPClassifier(**{**settings, **changes})


sound = make_network(random_state=2).fit(X, y)
print(f"accuracy after 100 epochs: {sound.score(X, y):.4f}")

# %%
# No classifier can have an accuracy above 99.87% on such samples on average. The network has learned
# one smooth step across the line between the clouds.

figure, (clouds, losses) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
DecisionBoundaryDisplay.from_estimator(
    sound, X, response_method="predict_proba", cmap="RdBu_r", alpha=0.5, ax=clouds
)
for label, color in enumerate(["tab:blue", "tab:red"]):
    clouds.scatter(*X[y == label].T, s=4, color=color, label=f"class {label}")
clouds.set(xlabel="feature 0", ylabel="feature 1", title="after 100 epochs")
clouds.legend(loc="upper right")
losses.semilogy(sound.loss_curve_)
losses.set(xlabel="epoch", title="loss")
plt.show()

# %%
# Why does every run give a different result?
# -------------------------------------------
# Here is the same network with ten values of ``random_state``, trained in parallel.

networks = fit_many([make_network(random_state=seed) for seed in range(10)], X, y)
print("accuracy by seed:", *(f"{network.score(X, y):.4f}" for network in networks))

# %%
# Nothing in the training is random, so the only random draw is that of the initial kernels. With
# ``random_state=None`` they come from NumPy's global random state, which differs from run to run. With
# an integer the run is reproducible, bit for bit:

again = make_network(random_state=2).fit(X, y)
print("same losses:", again.loss_curve_ == sound.loss_curve_)

# %%
# What a collapsed network looks like
# -----------------------------------
# Some of these runs have an accuracy of exactly one half. They have *collapsed*. A fit that ends like
# this warns with a :class:`~skdense.exceptions.CollapseWarning`, a ConvergenceWarning, which was
# silenced above. Here it is, with the largest value of each hidden unit over all samples:

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always", CollapseWarning)
    collapsed = make_network(random_state=0).fit(X, y)
print(textwrap.fill(f"CollapseWarning: {caught[-1].message}", 88))


def hidden_values(network, X):
    """The values of each hidden layer, ``(n_samples, width)``."""
    values = []
    for kernel, bias in list(zip(network.coefs_, network.intercepts_))[:-1]:
        X = np.maximum(X @ kernel + bias, 0)
        values.append(X)
    return values


for name, network in [("sound", sound), ("collapsed", collapsed)]:
    outputs = network.predict_proba(X)[:, 1]
    print(f"{name}: outputs from {outputs.min():.3f} to {outputs.max():.3f}")
    for layer, values in enumerate(hidden_values(network, X), start=1):
        print(f"  layer {layer}: {values.max(axis=0).round(3)}")

# %%
# Both units of the second layer are zero for every sample: they are *dead*. The gradient of a rectified
# unit is zero wherever its value is, so such a unit never receives a gradient again, and neither does
# anything before it. What is left of the network is the output bias.
#
# Because the samples are in class order, the bias follows the class of the minibatch: each step
# changes the bias ``b`` to ``b + 0.2 * (target - b)``, and after ten minibatches of class 1 it is ``1
# / (1 + 0.8**10)``, which is 0.903. That is above 0.5, so the network predicts class 1 for every
# sample.
#
# Why do wider layers collapse?
# -----------------------------
# Nothing cancels if all kernels are positive: each unit adds up all values of the layer before. So a
# layer of width w multiplies them by about w / 2, and with two hidden layers the first prediction grows
# as w squared. The targets are 0 and 1.

widths = [2, 5, 10, 20]


def initial_kernels(width, seed):
    """The kernels that ``init="uniform"`` draws."""
    stream = np.random.RandomState(seed)
    return [stream.uniform(0, 1, shape) for shape in pairwise([2, width, width, 1])]


def first_prediction(width, seed):
    """The mean output of the network before its first step."""
    values = X
    for kernel in initial_kernels(width, seed):
        values = np.maximum(values @ kernel, 0)  # the outputs are not negative anyway
    return values.mean()


def dead_fraction(network):
    """The fraction of dead units in the second layer."""
    return dead_unit_masks(network, X)[1].mean()


def dead_after_a_step(width, seed):
    """The same after one step: ``partial_fit`` makes one for a minibatch."""
    network = make_network(width, random_state=seed)
    return dead_fraction(network.partial_fit(X[:100], y[:100], classes=[0, 1]))


for width in widths:
    first = np.mean([first_prediction(width, seed) for seed in range(40)])
    dead = np.mean([dead_after_a_step(width, seed) for seed in range(5)])
    print(
        f"width {width:2}: first prediction {first:5.1f}, dead after a step {dead:4.0%}"
    )

# %%
# A prediction of 38 for a target of 0 gives an enormous gradient. Since all kernels are positive, it
# has the same sign for all units: *down*. A single step kills nearly all units of a wide second layer.
#
# How often, and what helps
# -------------------------
# The same network from 20 seeds for each width: with other initial kernels, leaky units and a smaller
# learning rate. A network may also *diverge*: its steps grow until the parameters overflow.
# ``fit_many`` fits all others before it raises the ``ValueError`` of ``fit``.

seeds = range(20)
ways = {
    "uniform": {},
    "glorot_uniform": {"init": "glorot_uniform"},
    "uniform, leaky_relu": {"activation": "leaky_relu"},
    "uniform, rate 0.001": {"learning_rate_init": 0.001},
}


def fates(networks):
    """How many of the networks collapse, and how many diverge."""
    try:
        fit_many(networks, X, y)
    except ValueError:
        pass  # the others are fitted all the same
    trained = [each for each in networks if getattr(each, "n_iter_", 0) == 100]
    outputs = [each.predict_proba(X)[:, 1] for each in trained]
    return sum(np.ptp(each) < 1e-6 for each in outputs), len(networks) - len(trained)


figure, axes = plt.subplots(1, 2, figsize=(9, 4.2), sharey=True, layout="constrained")
for (name, changes), marker in zip(ways.items(), "osD^"):
    counts = [
        fates([make_network(width, random_state=i, **changes) for i in seeds])
        for width in widths
    ]
    print(f"{name:20}", *(f"{n} + {m}".rjust(8) for n, m in counts))
    for axis, numbers in zip(axes, np.transpose(counts)):
        axis.plot([*map(str, widths)], numbers, marker=marker, label=name, alpha=0.8)
for axis, title in zip(axes, ("collapsed", "diverged")):
    axis.set(title=title, xlabel="width")
axes[0].set(ylabel="networks of 20", yticks=range(0, 21, 5))
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
plt.show()

# %%
# Glorot's kernels, the default, have both signs and shrink as the layers widen, so a wide layer is
# safe. The narrowest network may still lose its few units. A learning rate a hundred times smaller
# saves all uniform networks except the widest: units die because the steps are too long, as they add
# up over kernels of one sign. A leaky unit has a gradient everywhere, so no network collapses, but the
# steps are as long as before, and most networks diverge.
#
# So use ``init="glorot_uniform"`` or a smaller learning rate. If a bad initialization remains possible,
# ``n_init`` trains networks from several initializations in parallel and keeps the one with the lowest
# loss:

best = make_network(random_state=0, n_init=8).fit(X, y)
print("losses by initialization:", best.init_losses_.round(4))
print(f"accuracy of the best: {best.score(X, y):.4f}")

# %%
# .. include:: /notebook.rst
