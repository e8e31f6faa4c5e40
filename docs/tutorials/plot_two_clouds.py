"""
Two clouds and a very small network
===================================

Three dense layers written by hand, plain minibatch gradient descent and two Gaussian clouds: one
notebook is enough. Two questions come up as soon as it is run a few times. The short answers:

- **Why does every run give a different result?** The notebook draws two things anew in every run: the
  data, by NumPy, and the initial weights, by TensorFlow. Nothing else is random, and the time plays no
  part. Fix both seeds, and every run gives the same result.
- **Why does it get worse with wider layers?** Weights drawn from [0, 1) all have the same sign, so the
  changes of all units add up. In a wide layer, the first steps are so long that every unit ends up
  below zero for every sample. Such a unit gets no gradient, and the network *collapses*: only the bias
  of the output layer still learns. An epoch ends with ten minibatches of class 1, which take this bias
  to 0.903. So the output is 0.903 for every sample, which is above 0.5: **all samples come out as
  positive**, and half of them are right. The outputs do become too large, but only in the first steps:
  about 38 at width 10. Draw weights of both signs that shrink as the layers widen
  (``init="glorot_uniform"``), or use a smaller learning rate.

In your own TensorFlow notebook, set both seeds once, and draw the kernel of each layer like this:

.. code-block:: python

   np.random.seed(0)  # once, before the data are drawn
   tf.random.set_seed(0)  # once, before the weights are drawn
   limit = (6 / (n_in + n_out)) ** 0.5  # Glorot's uniform distribution
   kernel = tf.Variable(tf.random.uniform((n_in, n_out), -limit, limit))

``kernel`` is the layer's ``W``; ``n_in`` and ``n_out`` are 2 and the width in the first layer, the
width twice in the second, and the width and 1 in the last. ``tf.keras.utils.set_random_seed(0)`` sets
both seeds in one line. With TensorFlow's alone, each run has other data and so another accuracy.

``tf.keras.initializers.GlorotUniform`` draws from the same distribution. In Keras 3 it does not follow
``tf.random.set_seed``, so give each layer a seed of its own: ``GlorotUniform(seed=1)``,
``GlorotUniform(seed=2)``.

The rest of this page does the same with :class:`~skdense.LowLevelMLPClassifier`, and measures why.
:doc:`/notebook` says which lines of the library are those of the notebook.

This page in Korean: :doc:`/generated/ko/plot_two_clouds_ko`.
"""

# %%
# The data
# --------
# A thousand samples around (0, 3) are class 0, a thousand around (3, 0) class 1. They come in that
# order, class 0 first, in float32. The notebook draws them anew in each run; here ``random_state=0``
# fixes them, as ``np.random.seed(0)`` does there.

# sphinx_gallery_thumbnail_number = 4
import copy
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
from skdense.inspection import dead_units

X, y = make_two_clouds(random_state=0)
print(X.shape, X.dtype, np.bincount(y))

# %%
# The network
# -----------
# Two hidden layers of two rectified units each and one linear output, trained on the squared error.
# The kernels start as uniform draws from [0, 1), the biases as zeros. Each step is plain gradient
# descent on the next 100 samples, never shuffled. ``tol=0`` with ``n_iter_no_change=np.inf`` switches
# stopping off: the number of epochs is ours to choose, and so the warning that training has not
# converged is expected.

warnings.simplefilter("ignore", ConvergenceWarning)


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


def report(network, epochs):
    """Print the loss and the accuracy of some epochs."""
    for epoch in epochs:
        loss, accuracy = (
            network.loss_curve_[epoch - 1],
            network.accuracy_curve_[epoch - 1],
        )
        print(f"epoch {epoch:3d}   loss {loss:.6f}   accuracy {accuracy:.4f}")


network = make_network(random_state=2, warm_start=True).fit(X, y)
report(network, epochs=[1, 10, 50, 100])
print(f"accuracy after 100 epochs: {network.score(X, y):.4f}")

# %%
# With ``warm_start=True`` a further call of ``fit`` goes on from where the last one ended, and the
# curves grow: 500 epochs more.

network.set_params(max_iter=500).fit(X, y)
report(network, epochs=[200, 400, 600])
print(f"accuracy after 600 epochs: {network.score(X, y):.4f}")

# %%
# No classifier can be right about more than 99.87 % of such samples on average, so there is nothing
# left to gain. What the network has learned is one soft step across the line between the clouds.


def plot_clouds(network, axes):
    """The samples over the predicted probability of class 1."""
    display = DecisionBoundaryDisplay.from_estimator(
        network,
        X,
        response_method="predict_proba",
        plot_method="pcolormesh",
        cmap="RdBu_r",
        vmin=0,
        vmax=1,
        alpha=0.5,
        ax=axes,
    )
    for label, color in enumerate(["tab:blue", "tab:red"]):
        axes.scatter(*X[y == label].T, s=4, color=color, label=f"class {label}")
    axes.set(xlabel="feature 0", ylabel="feature 1")
    axes.legend(loc="upper right")
    return display.surface_


figure, (clouds, losses, accuracies) = plt.subplots(
    1, 3, figsize=(12, 3.8), layout="constrained"
)
surface = plot_clouds(network, clouds)
figure.colorbar(surface, ax=clouds, label="probability of class 1")
clouds.set_title("after 600 epochs")
losses.semilogy(network.loss_curve_)
losses.set(xlabel="epoch", title="loss")
accuracies.plot(network.accuracy_curve_)
accuracies.set(xlabel="epoch", title="training accuracy", ylim=(0.98, 1.001))
plt.show()

# %%
# Why does every run give a different result?
# -------------------------------------------
# Here is the same network under ten values of ``random_state``, trained side by side.

networks = fit_many([make_network(random_state=seed) for seed in range(10)], X, y)
for seed, network in enumerate(networks):
    print(f"random_state={seed}   accuracy {network.score(X, y):.4f}")

# %%
# Nothing in the training is random: the minibatches come in order, and gradient descent draws nothing.
# The data are fixed here, so the only draw is that of the initial kernels. With ``random_state=None``
# they come from NumPy's global random state, which differs from run to run, so each run starts from
# other kernels. With an int the run repeats, bit for bit:

once, again = (make_network(random_state=2).fit(X, y) for _ in range(2))
print("same losses:    ", once.loss_curve_ == again.loss_curve_)
print(
    "same parameters:", all((a == b).all() for a, b in zip(once.coefs_, again.coefs_))
)

# %%
# What a collapsed network looks like
# -----------------------------------
# Some of these runs have an accuracy of exactly one half. They have *collapsed*. A fit that ends like
# this warns with a :class:`~skdense.exceptions.CollapseWarning`. As a ConvergenceWarning it was
# silenced above. Here it is:

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always", CollapseWarning)
    collapsed = make_network(random_state=0).fit(X, y)
print(textwrap.fill(f"CollapseWarning: {caught[-1].message}", 88))

# %%
# The sections below show why the advice is right. First look at the values of the hidden units, over
# all samples, of this network and of one that has not collapsed.


def hidden_values(network, X):
    """The values of each hidden layer, ``(n_samples, width)``."""
    values = []
    for kernel, bias in list(zip(network.coefs_, network.intercepts_))[:-1]:
        X = np.maximum(X @ kernel + bias, 0)
        values.append(X)
    return values


sound = networks[2]
for name, network in [("sound", sound), ("collapsed", collapsed)]:
    outputs = network.predict_proba(X)[:, 1]
    print(f"{name}: outputs from {outputs.min():.4f} to {outputs.max():.4f}")
    for layer, values in enumerate(hidden_values(network, X), start=1):
        print(
            f"  layer {layer}: largest value of each unit {values.max(axis=0).round(3)}"
        )

# %%
# In the collapsed network both units of the second layer are zero for every sample: they are *dead*.
# The gradient of a rectified unit is zero wherever its value is, so a unit that is zero for all
# samples never receives a gradient again, and neither does anything before it. What is left of the
# network is the output bias, the same number for every sample.
#
# That number ought to settle at one half, the mean of the targets. With samples shuffled it stays
# close by. In class order it follows the class it sees: each step takes the bias ``b`` to
# ``b + 0.2 * (target - b)``, so over an epoch it swings between 0.1 and 0.9, and at the end of the
# epoch, after ten minibatches of class 1, it is ``1 / (1 + 0.8**10)``, which is 0.903. That is above
# 0.5, so the network takes every sample for class 1.

shuffled = make_network(random_state=0, shuffle=True).fit(X, y)
print(f"output bias, in class order {collapsed.intercepts_[-1][0]:.3f}")
print(f"output bias, shuffled       {shuffled.intercepts_[-1][0]:.3f}")

# %%
# This also explains the curve below, which ends at 0.7 instead of 0.5: ``accuracy_curve_`` counts
# each minibatch just before its step, and a bias that follows the class just seen is right about 7 of
# 10 minibatches. ``score`` evaluates one fixed network on all samples, and gives 0.5.

figure, (clouds, accuracies) = plt.subplots(
    1, 2, figsize=(9, 3.8), layout="constrained"
)
surface = plot_clouds(collapsed, clouds)
figure.colorbar(surface, ax=clouds, label="probability of class 1")
clouds.set_title("a collapsed network")
accuracies.plot(sound.accuracy_curve_, label="sound")
accuracies.plot(collapsed.accuracy_curve_, label="collapsed")
accuracies.axhline(
    collapsed.score(X, y), color="gray", linestyle=":", label="collapsed, score"
)
accuracies.set(xlabel="epoch", ylabel="accuracy_curve_", ylim=(0.4, 1.02))
accuracies.legend(loc="upper right", bbox_to_anchor=(1, 0.92))
plt.show()

# %%
# Why do wider layers collapse?
# -----------------------------
# Kernels from [0, 1) are large, and all their entries have one sign. First their size. Nothing
# cancels: each unit adds up all values of the layer before, so a layer of width w multiplies them by
# about w / 2, and with two hidden layers the first prediction grows as w squared. The targets are 0
# and 1.
#
# The initial kernels are drawn layer by layer from one ``RandomState``, so the first predictions can
# be computed without any training.

widths = [2, 4, 5, 10, 20]
seeds = range(40)


def initial_kernels(width, seed):
    """The kernels that ``init="uniform"`` draws."""
    stream = np.random.RandomState(seed)
    return [stream.uniform(0, 1, shape) for shape in pairwise([2, width, width, 1])]


def first_predictions(width, seed):
    """The outputs of the network before its first step."""
    values = X
    for kernel in initial_kernels(width, seed):
        values = np.maximum(values @ kernel, 0)  # the outputs are not negative anyway
    return values


first = [
    np.mean([first_predictions(width, seed) for seed in seeds]) for width in widths
]
for width, prediction in zip(widths, first):
    print(f"width {width:2d}   mean first prediction {prediction:6.1f}")

# %%
# A first prediction of 38.5 where 0 is wanted, as at width 10, makes an enormous gradient. Since all
# kernels are positive, it has the same sign for all units: *down*. The first step takes kernels and
# biases far below zero. To watch it, ``partial_fit`` makes one step per call when it is given one
# minibatch; these are means over the first ten seeds.


def dead_fraction(network):
    """The fraction of dead units in the second layer."""
    return dead_units(network, X)[1].mean()


def dead_after_each_step(width, seed):
    """The fraction of dead units after each step of the first epoch."""
    network = make_network(width, random_state=seed)
    fractions = []
    for start in range(0, len(X), 100):
        rows = slice(start, start + 100)
        network.partial_fit(X[rows], y[rows], classes=[0, 1])
        fractions.append(dead_fraction(network))
    return fractions


dead = {
    width: np.mean([dead_after_each_step(width, seed) for seed in range(10)], axis=0)
    for width in (2, 5, 20)
}
print("dead units of layer 2 after   1 step   10 steps   20 steps")
for width, fractions in dead.items():
    print(
        f"width {width:2d}",
        " " * 18,
        "".join(f"{fractions[k - 1]:10.0%}" for k in (1, 10, 20)),
    )

# %%
# A single step kills nearly all units of a wide second layer. In narrower ones some units survive the
# first ten steps, in which every target is 0, and die when the class changes.

figure, (predictions, deaths) = plt.subplots(
    1, 2, figsize=(9, 3.8), layout="constrained"
)
predictions.loglog(widths, first, "o-", label="measured")
predictions.loglog(
    widths,
    3 * np.square(widths) / 8,
    ":",
    color="gray",
    label=r"$3 w^2 / 8$, its expectation",
)
predictions.axhline(1, color="tab:red", linewidth=1, label="the larger target")
predictions.set(
    xlabel="width", ylabel="mean first prediction", xticks=widths, xticklabels=widths
)
predictions.set_title("wide networks first predict too much")
predictions.minorticks_off()
predictions.legend()
for width, fractions in dead.items():
    deaths.plot(range(1, len(fractions) + 1), fractions, label=f"width {width}")
deaths.axvline(10.5, color="gray", linewidth=1, linestyle=":")
deaths.set(
    xlabel="steps", ylabel="dead units of layer 2", ylim=(0, 1.05), xticks=[1, 10, 20]
)
deaths.set_title("one step kills most of their units")
deaths.legend(loc="center right")
plt.show()

# %%
# How often, and what helps
# -------------------------
# The same network from 40 seeds, for each width, several ways to start, and leaky units: 1000 networks.
# :func:`~skdense.fit_many` trains them side by side. A network may also *diverge*: its steps grow
# until the parameters overflow. ``fit_many`` fits all others before it raises the ``ValueError`` that
# ``fit`` would raise, and leaves an estimator whose fit failed as it was.

starts = {
    "uniform": {"init": "uniform"},
    "glorot_uniform": {"init": "glorot_uniform"},
    "he_uniform": {"init": "he_uniform"},
    "uniform, leaky_relu": {"init": "uniform", "activation": "leaky_relu"},
    "uniform, rate 0.001": {"init": "uniform", "learning_rate_init": 0.001},
}
networks = {
    (name, width): [make_network(width, random_state=seed, **changes) for seed in seeds]
    for name, changes in starts.items()
    for width in widths
}


def collapses(network):
    """Whether a network gives every sample the same output."""
    return np.ptp(network.predict_proba(X)[:, 1]) < 1e-6


def fates(settings):
    """How many of each setting collapse and diverge, and the fraction of dead units."""
    try:
        fit_many([network for group in settings.values() for network in group], X, y)
    except ValueError as error:
        print("ValueError:", str(error).partition(".")[0])
    found = {}
    with np.errstate(over="ignore"):  # some networks end just short of diverging
        for setting, group in settings.items():
            trained = [
                network for network in group if getattr(network, "n_iter_", 0) == 100
            ]
            dead = (
                np.mean([dead_fraction(network) for network in trained])
                if trained
                else np.nan
            )
            found[setting] = (
                sum(map(collapses, trained)),
                len(group) - len(trained),
                dead,
            )
    return found


fate = fates(networks)
print("collapsed + diverged of", len(seeds), "networks (dead units of layer 2)")
print(" " * 19 + "".join(f"{f'width {width}':>14}" for width in widths))
for name in starts:
    cells = [fate[name, width] for width in widths]
    texts = [
        f"{collapsed} + {diverged} ({dead:.0%})" for collapsed, diverged, dead in cells
    ]
    print(f"{name:19}" + "".join(f"{text.replace('nan%', '-'):>14}" for text in texts))

# %%

figure, axes = plt.subplots(1, 2, figsize=(9, 4.2), sharey=True, layout="constrained")
for axis, title, column in zip(axes, ("collapsed", "diverged"), (0, 1)):
    for name, marker in zip(starts, "osD^v"):
        counts = [fate[name, width][column] for width in widths]
        axis.plot(range(len(widths)), counts, marker=marker, label=name, alpha=0.8)
    axis.set(title=title, xlabel="width", xticks=range(len(widths)), xticklabels=widths)
axes[0].set(ylabel=f"networks of {len(seeds)}", yticks=range(0, len(seeds) + 1, 10))
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
plt.show()

# %%
# Glorot's kernels, the default, have both signs and shrink as the layers widen. With them a wide layer
# is safe, and it is the narrowest that may lose all of its few units. He's kernels are larger, too
# large for this learning rate. A rate a hundred times smaller saves all uniform networks but the
# widest, whose first steps are still too long.
#
# A leaky unit has a gradient everywhere, so none dies, and no network collapses. But the steps are as
# long as before: narrow networks get over them, and the others diverge, all 40 of them from width 10
# on. Unlike a collapse, an error is not overlooked, but these networks fail too.
#
# Size or sign?
# -------------
# Uniform kernels are large *and* of one sign. Which of the two makes networks collapse? Change one at a
# time, at width 20: scale the kernels to U(0, 2 / fan_in), so that a unit's value is about the mean of
# the values before it; or stretch them to U(-1, 1), which has both signs; or do both. ``init`` offers
# none of these, but with ``warm_start=True`` training starts from ``coefs_`` and ``intercepts_``, which
# may be set by hand.

kinds = {
    "U(0, 1)": lambda kernel: kernel,
    "U(0, 2 / fan_in)": lambda kernel: kernel * 2 / len(kernel),
    "U(-1, 1)": lambda kernel: 2 * kernel - 1,
    "U(-2 / fan_in, 2 / fan_in)": lambda kernel: (2 * kernel - 1) * 2 / len(kernel),
}
rates = [0.1, 0.02]
fitted = {
    rate: make_network(
        20, init="glorot_uniform", learning_rate_init=rate, max_iter=1
    ).fit(X, y)
    for rate in rates
}


def start_from(kernels, rate):
    """A network that has these kernels and zero biases, and is still to be trained."""
    network = copy.deepcopy(fitted[rate]).set_params(max_iter=100, warm_start=True)
    network.coefs_ = [kernel.astype(X.dtype) for kernel in kernels]
    network.intercepts_ = [np.zeros_like(bias) for bias in network.intercepts_]
    return network


def mean_prediction(network):
    """The mean output over all samples, not clipped to a probability."""
    return (
        hidden_values(network, X)[-1] @ network.coefs_[-1] + network.intercepts_[-1]
    ).mean()


def prediction_after_a_step(network):
    """The same once a copy of the network has made one step, on the first minibatch."""
    one_step = copy.deepcopy(network).set_params(
        warm_start=False
    )  # it would ask for both classes
    return mean_prediction(one_step.partial_fit(X[:100], y[:100]))


networks = {
    (name, rate): [
        start_from(list(map(change, initial_kernels(20, seed))), rate) for seed in seeds
    ]
    for name, change in kinds.items()
    for rate in rates
}
before = {
    setting: np.mean([*map(mean_prediction, group)])
    for setting, group in networks.items()
}
after = {
    setting: np.mean([*map(prediction_after_a_step, group)])
    for setting, group in networks.items()
}
fate = fates(networks)

title = f"width 20, {len(seeds)} networks"
print(f"{title:27} rate  first prediction  after a step  collapsed + diverged")
for (name, rate), (n_collapsed, n_diverged, _) in fate.items():
    predictions = f"{before[name, rate]:16.1f} {after[name, rate]:13.1f}"
    print(f"{name:27} {rate:<5}{predictions} {n_collapsed:11} + {n_diverged}")

# %%
# Small kernels of one sign start near the targets, with predictions of about 1.6, and at a rate of 0.1
# they still collapse in 36 of 40 runs. All units of a layer get a gradient of one sign, so a step moves
# all of them the same way, and in the output their changes add up: it goes from 1.6 to -6.6, far past
# the targets. More such steps take the whole second layer below zero. At a rate of 0.02 the first step
# ends at -2.3, from where every network recovers.
#
# Kernels from U(-1, 1) are as large as the uniform ones, but some units move up where others move down,
# so few networks lose their whole second layer. Their steps grow until the parameters overflow: 38 of
# 40 diverge, and 2 collapse. Small kernels of both signs do neither.
#
# So wide networks collapse when their kernels have one sign *and* the steps, which add up over the
# units, are too long. Large kernels and wide layers make steps long. With kernels of both signs, steps
# that are too long mostly make training diverge instead, and `fit` raises an error. The remedy is
# ``init="glorot_uniform"``, or a smaller learning rate.
#
# Where a bad draw remains possible, try several. ``n_init`` trains several draws at once and keeps the
# network of the lowest loss; the first of these eight is the collapsed network from above.

best = make_network(random_state=0, n_init=8).fit(X, y)
print("losses of the draws:", best.init_losses_.round(4))
print(f"accuracy of the best: {best.score(X, y):.4f}")
