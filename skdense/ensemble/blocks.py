"""Predictions of networks and boosted trees, in blocks of rows that use one thread each."""

from contextlib import nullcontext

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.utils import _safe_indexing, gen_batches
from sklearn.utils.parallel import Parallel, delayed
from threadpoolctl import threadpool_info, threadpool_limits

from skdense.base import BaseLowLevelMLP
from skdense.core.machine.blas import one_blas_thread
from skdense.ensemble.ends import last_of

_TREES = HistGradientBoostingClassifier, HistGradientBoostingRegressor
_BLOCK = 4096
"""Rows at a time: smaller blocks take more processor time, larger ones more memory."""


def predicted(predict, X, models):
    """The result of `predict(X)`, a function that calls these models, which are of one kind.

    By themselves, scikit-learn's trees and the products of networks divide the rows among all cores,
    and wait for all of them after each tree or layer. If other work occupies a core, this takes 3 to
    100 times as long as with one thread. So each core gets blocks of rows of its own instead, which
    takes the same time on an idle machine.
    """
    last = last_of(models[0])
    if not isinstance(last, (BaseLowLevelMLP, *_TREES)):
        return predict(X)

    def on_one_thread(rows):
        # The limit is that of the calling thread only.
        limit = threadpool_limits(1, user_api="openmp") if isinstance(last, _TREES) else nullcontext()
        with limit:
            return predict(_safe_indexing(X, rows))

    blocks = list(gen_batches(X.shape[0], _BLOCK))
    with one_blas_thread() as n_threads:
        if len(blocks) < 2:
            return on_one_thread(slice(None))
        openmp = [library for library in threadpool_info() if library["user_api"] == "openmp"]
        n_threads = min([n_threads, *(library["num_threads"] for library in openmp)])
        outputs = Parallel(n_threads, backend="threading")(
            delayed(on_one_thread)(rows) for rows in blocks
        )
    return np.concatenate(outputs)
