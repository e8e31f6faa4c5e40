"""Generated tables of any number of rows, with columns of every kind."""

import numpy as np
import pandas as pd
from scipy.stats import norm

N_COLUMNS = 20
LEVELS = {14: 3, 15: 5, 16: 10, 17: 30, 18: 200}  # of a column of categories
WITH_MISSING = 3, 6, 9
DATE = 19
BLOCK = 10_000


def table(n_rows, seed=0, task="classification", law=12345):
    """A DataFrame of mixed columns, and y: two classes, or a number with noise, by a wild function.

    `law` seeds the function, `seed` the rows.
    """
    rng, law = np.random.default_rng(seed), np.random.default_rng(law)
    directions = law.normal(size=(N_COLUMNS, 30)).astype(np.float32) / np.sqrt(N_COLUMNS)
    shifts, heights = law.normal(size=30).astype(np.float32), law.normal(size=30) / 3
    names = {column: law.permutation(n_levels) for column, n_levels in LEVELS.items()}
    X, y = np.empty((n_rows, N_COLUMNS), np.float32), np.empty(n_rows)
    for start in range(0, n_rows, BLOCK):  # so that the memory of the generation is not seen
        x = X[start : start + BLOCK]
        x[:] = rng.standard_normal(x.shape, dtype=np.float32)
        score = np.tanh(2 * np.clip(x, -3, 3) @ directions + shifts) @ heights
        score += np.sign(x[:, 2]) * (x[:, 5] > 0.3) + np.sin(3 * x[:, 4]) * (x[:, 15] > 0)
        if task == "classification":
            y[start : start + BLOCK] = rng.random(len(x)) < 1 / (1 + np.exp(-2 * score))
        else:
            y[start : start + BLOCK] = score + rng.normal(size=len(x))
        x[:, :DATE:3] = np.exp(x[:, :DATE:3])
        x[:, 1] = np.round(3 * x[:, 1])
        for column in WITH_MISSING:
            x[rng.random(len(x)) < 0.1, column] = np.nan
    columns = {f"number {column}": X[:, column] for column in range(DATE) if column not in LEVELS}
    for column, n_levels in LEVELS.items():
        edges = norm.ppf(np.arange(1, n_levels) / n_levels)
        codes = names[column][np.searchsorted(edges, X[:, column])]
        levels = [f"level {level}" for level in range(n_levels)]
        columns[f"category of {n_levels}"] = pd.Categorical.from_codes(codes, levels)
    days = np.round(1000 * X[:, DATE]).astype("timedelta64[D]")
    columns["date"] = (np.datetime64("2020-01-01") + days).astype("datetime64[s]")
    return pd.DataFrame(columns), y.astype(int) if task == "classification" else y


def frame(task, n_rows):
    """A table with its target as one more column; its function is another one for each `n_rows`."""
    X, y = table(n_rows, task=task, law=n_rows)
    return X.assign(target=y)
