"""What linear models see of a table's columns."""

import numpy as np

CLIP = 3
"""What SquashingScaler's soft clip keeps all values below."""
LEAST = 1e-4
"""Of 1 minus the squared share of `CLIP`, which float32 knows to 0.1 %: values stay below 300."""


def unclipped(X):
    """Columns as they were before SquashingScaler clipped them, in ranges of their middle halves.

    A linear function of a column with outliers is no linear function of the clipped column.
    """
    X = np.asarray(X, dtype=np.float64)
    return X / np.sqrt(np.maximum(1 - (X / CLIP) ** 2, LEAST))
