"""The members of an ensemble: networks train on rows of one table, other members on copies of them."""

from contextlib import nullcontext
from functools import cache, partial

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs, parallel_config
from sklearn import config_context, get_config
from sklearn.base import is_classifier
from sklearn.dummy import DummyClassifier
from sklearn.utils import gen_batches
from sklearn.utils.validation import has_fit_parameter
from threadpoolctl import ThreadpoolController

from skdense import compat
from skdense.base import is_network
from skdense.core.machine.blas import for_each_block, one_blas_thread
from skdense.ensemble.outer import has_all_cores, part_of
from skdense.ensemble.sizes import TREES
from skdense.final_step import final_step, fit_arguments
from skdense.fit.fitting import fit_together, outcome
from skdense.fit.inputs import FitInput

COPIED_ROWS = 2**15
"""How many rows are copied at a time to be predicted."""
_BLOCK = 4096
"""Rows at a time: smaller blocks take more processor time, larger ones more memory."""


def fit_members(members, splits, X, y, sample_weight, report):
    """Fit each member to the rows of its split, all at the same time; return them.

    A split is the rows to train on, and the member's fold: the rows held out, on which early stopping
    validates it.
    """
    if is_network(members[0], "fit"):
        _fit_networks(members, splits, X, y, sample_weight, report)
        return members
    data, fitted = (X, y, sample_weight, report.has_lines_of_members), []
    fits = [(member, split, *data) for member, split in zip(members, splits, strict=True)]
    metric = "accuracy" if is_classifier(members[0]) else "R2"
    # Each core has a member. And the last digits depend on the number of threads of BLAS, which members
    # that are fitted at the same time would change. An ensemble as a member is part of no other fit.
    with one_blas_thread(), part_of(None):
        for member, score in at_once(fit_member, fits):
            report.member(len(fitted), len(members), f"{metric} {score:f}")
            fitted.append(member)
    return fitted


def _fit_networks(estimators, splits, X, y, sample_weight, report):
    first = estimators[0]
    inputs = [FitInput(X, y, sample_weight, split=split) for split in splits]

    def after_fit(estimator, job):
        if job is None:  # it was trained alone
            words = [f"{estimator.n_iter_} iterations, loss = {estimator.loss_:.8f}"]
        else:
            words = [outcome(network, job) for network in job.networks]
        report.member(estimators.index(estimator), len(estimators), "; ".join(words))

    # With early stopping the best epoch is kept, and a cosine schedule ends at max_iter.
    may_reach_max_iter = first.early_stopping or first.learning_rate == "cosine"
    n_jobs = -1 if has_all_cores() else None
    errors = fit_together(estimators, inputs, n_jobs, after_fit, warn_max_iter=not may_reach_max_iter)
    for error in filter(None, errors):
        raise error


def fit_member(member, split, X, y, sample_weight, with_score=False):
    """Fit a member that is no network; return it, and its score on its fold if asked."""
    rows, fold = split
    if is_classifier(member) and (y[rows] == y[rows[0]]).all():
        member = DummyClassifier()  # many classifiers cannot be fitted to one class
    weight = None if sample_weight is None else sample_weight[rows]
    arguments = fit_arguments(member, sample_weight=weight)
    if getattr(member, "early_stopping", False) and has_fit_parameter(member, "X_val"):
        # A classifier cannot be validated on classes that its rows lack.
        known = fold[np.isin(y[fold], y[rows])] if is_classifier(member) else fold
        if len(known):
            member.early_stopping = True  # "auto" would not stop trees of 10,000 rows or fewer
            arguments |= {"X_val": compat.safe_indexing(X, known), "y_val": y[known]}
            if sample_weight is not None:
                arguments["sample_weight_val"] = sample_weight[known]
    with _openmp().limit(limits=1):  # each core has a member
        member.fit(compat.safe_indexing(X, rows), y[rows], **arguments)
    if not with_score or not len(fold):
        return member, np.nan
    of_fold = {} if sample_weight is None else {"sample_weight": sample_weight[fold]}
    return member, member.score(compat.safe_indexing(X, fold), y[fold], **of_fold)


def at_once(function, arguments):
    """The results of a function for each tuple of arguments, in order, as joblib is configured.

    Without a configuration there is a thread for each core, but only one thread within a task of
    joblib. What the function itself runs through joblib gets an equal share of the workers.
    """
    n_jobs, config = compat.joblibs_n_jobs(), get_config()  # each thread has its own configuration
    share = max(1, effective_n_jobs(n_jobs) // len(arguments))
    return Parallel(n_jobs, prefer="threads", return_as=compat.return_as())(
        delayed(_called)(function, values, config, share) for values in arguments
    )


def _called(function, values, config, share):
    with config_context(**config), parallel_config(n_jobs=share):
        return function(*values)


def held_out_outputs(output, members, splits, X):
    """The `output(member, X)` of each member for the rows of its fold, fold by fold."""
    last = final_step(members[0])
    # One thread of BLAS, as in `fit_members`.
    with nullcontext() if _divides_rows(last) else one_blas_thread():
        outputs = [
            in_blocks(partial(output, member), compat.safe_indexing(X, fold[part]), last)
            for member, (_, fold) in zip(members, splits, strict=True)
            if len(fold)
            for part in gen_batches(len(fold), COPIED_ROWS)
        ]
    return np.concatenate(outputs)


def _divides_rows(last):
    """Whether `in_blocks` divides the rows among threads: for those that would do so by themselves."""
    return type(last) in TREES or is_network(last, "_logits", "predict", "predict_proba")


def in_blocks(predict, X, last):
    """The result of `predict(X)`, a function that asks models which have such a final step.

    By themselves, scikit-learn's trees and the products of networks divide the rows among all cores,
    and wait for all of them after each tree or layer. If other work occupies a core, this takes 3 to
    100 times as long as with one thread. So each core gets blocks of rows of its own instead, which
    takes the same time on an idle machine.
    """
    if not _divides_rows(last):
        return predict(X)
    config, found = get_config(), {}

    def on_one_thread(rows):
        with config_context(**config), _openmp_of_trees().limit(limits=1):
            found[rows.start] = predict(compat.safe_indexing(X, rows))

    for_each_block(on_one_thread, X.shape[0], _BLOCK, threaded_from=1)
    return np.concatenate([found[start] for start in sorted(found)])


def _openmp():
    """The OpenMP libraries of the process, to limit their threads for the thread that does so.

    `threadpool_limits(1, user_api="openmp")` would also set BLAS back to what it was, which another
    thread may have limited then.
    """
    return ThreadpoolController().select(user_api="openmp")


_openmp_of_trees = cache(_openmp)
"""The same for scikit-learn's trees, whose library is always there. To find it takes milliseconds."""
