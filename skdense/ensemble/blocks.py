"""Predictions of boosted trees, in blocks of rows that use one OpenMP thread each."""

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.utils import _safe_indexing, gen_batches
from sklearn.utils.parallel import Parallel, delayed
from threadpoolctl import threadpool_info, threadpool_limits

from skdense.ensemble.ends import last_of

_TREES = HistGradientBoostingClassifier, HistGradientBoostingRegressor
_BLOCK = 4096
"""Rows at a time: smaller blocks take more processor time, larger ones more memory."""


def predicted(predict, X, models):
    """The result of `predict(X)`, a function that calls these models, which are of one kind.

    scikit-learn's trees divide the rows of X among all cores, and wait for all of them after each tree.
    If other work occupies a core, this takes 3 to 100 times as long as with one thread. So each core
    gets blocks of rows of its own instead, which takes the same time on an idle machine.
    """
    if not isinstance(last_of(models[0]), _TREES):
        return predict(X)

    def on_one_thread(rows):
        with threadpool_limits(1, user_api="openmp"):  # of the calling thread only
            return predict(_safe_indexing(X, rows))

    blocks = list(gen_batches(X.shape[0], _BLOCK)) or [slice(0)]
    libraries = [library for library in threadpool_info() if library["user_api"] == "openmp"]
    n_threads = min((library["num_threads"] for library in libraries), default=1)
    outputs = Parallel(min(n_threads, len(blocks)), backend="threading")(
        delayed(on_one_thread)(rows) for rows in blocks
    )
    return np.concatenate(outputs)
