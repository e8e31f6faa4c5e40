"""Seventy random settings of a network and its data, drawn once by a seed, for `--speed`.

Single jobs show where the library is fast and where it is slow; a draw shows what to expect. Numbers of
rows, columns and units are drawn on a log scale, the rest uniformly. A fit has at
most `WORK` multiplications and `STEPS` minibatches: MLPClassifier needs little more than a second
with BLAS on one thread, and up to three on two cores.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

SEED, N_SETTINGS = 0, 70
ROWS, COLUMNS, UNITS = (100, 20_000), (3, 400), (4, 256)
MOST_LAYERS, MOST_CLASSES = 3, 10
BATCHES = "auto", 32, 64, 128, 256
ACTIVATIONS = "relu", "tanh", "logistic", "identity"
SOLVERS = "adam", "sgd", "lbfgs"
WORK, STEPS, EPOCHS = 4e9, 5_000, (3, 200)


class Setting(NamedTuple):
    """A network, and the generated data that it is fitted to."""

    task: str
    rows: int
    columns: int
    outputs: int  # classes, or 1
    dtype: str
    params: dict

    @property
    def title(self):
        what = f"{self.outputs} classes" if self.task == "classification" else "regression"
        network = ", ".join(f"{name} {value}" for name, value in self.params.items())
        network = network.replace("hidden_layer_sizes ", "").replace("batch_size", "batch")
        return f"{self.rows}x{self.columns}, {what}, {network}"

    def data(self):
        """X and y: the slice along a random direction, or the place along it with noise."""
        rng = np.random.default_rng(0)
        X = rng.standard_normal((self.rows, self.columns))
        along = X @ rng.standard_normal(self.columns) / np.sqrt(self.columns)
        if self.task == "regression":
            return X, np.tanh(along) + 0.1 * rng.standard_normal(self.rows)
        edges = np.quantile(along, np.arange(1, self.outputs) / self.outputs)
        return X, np.searchsorted(edges, along)


def draw(n_settings=N_SETTINGS, seed=SEED):
    """The settings; the first ones are the same whatever their number."""
    rng = np.random.default_rng(seed)
    return [_one(rng) for _ in range(n_settings)]


def _one(rng):
    def log_uniform(bounds):
        return round(np.exp(rng.uniform(*np.log(bounds))))

    def one_of(choices):
        return choices[rng.integers(len(choices))]

    task = one_of(("classification", "regression"))
    rows, columns = log_uniform(ROWS), log_uniform(COLUMNS)
    outputs = int(rng.integers(2, MOST_CLASSES + 1))
    widths = tuple(log_uniform(UNITS) for _ in range(rng.integers(1, MOST_LAYERS + 1)))
    if task == "regression":
        outputs = 1
    solver = one_of(SOLVERS)
    params = {"hidden_layer_sizes": widths, "activation": one_of(ACTIVATIONS), "solver": solver}
    batch = one_of(BATCHES)
    if solver != "lbfgs":
        params["batch_size"] = batch if batch == "auto" else min(batch, rows)
    sizes = columns, *widths, outputs
    multiplications = 3 * rows * sum(n_in * n_out for n_in, n_out in pairwise(sizes))
    steps = 1 if solver == "lbfgs" else rows / (min(200, rows) if batch == "auto" else batch)
    params["max_iter"] = int(np.clip(min(WORK / multiplications, STEPS / steps), *EPOCHS))
    return Setting(task, rows, columns, outputs, one_of(("float64", "float32")), params)
