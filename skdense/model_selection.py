"""Searches whose networks train together: scikit-learn's GridSearchCV and RandomizedSearchCV.

Scoring, bookkeeping, errors and the refit are scikit-learn's own. Before it fits the candidates one
after the other, each is prepared as far as its network, and all networks train in stacks; a network's
`fit` then takes over the one that was trained with its parameters on its data.
"""

import warnings
from collections import defaultdict, deque
from contextlib import contextmanager
from copy import deepcopy
from functools import wraps
from inspect import signature
from time import perf_counter
from typing import NamedTuple

import joblib
import sklearn.model_selection
from joblib import parallel_config
from sklearn import get_config
from sklearn.base import clone
from sklearn.callback import AutoPropagatedCallback, ProgressBar
from sklearn.pipeline import Pipeline
from sklearn.utils.metadata_routing import process_routing
from sklearn.utils.metaestimators import _safe_split
from sklearn.utils.validation import _check_method_params

from skdense.classifier import LowLevelMLPClassifier, fit_stand_in
from skdense.many import fit_inputs, trains_alone

__all__ = ["GridSearchCV", "RandomizedSearchCV"]


class _StackedSearch:
    """What a search of scikit-learn needs to train its networks in stacks, where that can be done."""

    def fit(self, X, y=None, **params):
        """Fit the estimator with each candidate on each split, then the best one on all samples.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The samples, in whatever form the estimator takes.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Their labels.
        **params : dict
            Passed to the estimator's `fit`, to the scorers and to the splitter, as scikit-learn's
            search passes them: without metadata routing `groups` goes to the splitter, and the rest to
            `fit`.

        Returns
        -------
        self : object
            The fitted search.
        """
        if not _can_stack(self):
            return super().fit(X, y, **params)
        # Networks are taken over in this process, so here scikit-learn is to use no other; n_jobs and
        # the user's own configuration are for the training.
        self._stacking = _Stacking(params, parallel_config(backend="sequential"))
        try:
            return super().fit(X, y, **params)
        finally:
            self._stacking.one_process.unregister()
            del self._stacking

    def _run_search(self, evaluate_candidates, *, callback_ctx=None):
        if not hasattr(self, "_stacking"):
            return super()._run_search(evaluate_candidates, callback_ctx=callback_ctx)
        # By now scikit-learn has what it runs the evaluations with.
        self._stacking.one_process.unregister()
        fit_params = _fit_params(self, self._stacking.params)
        shares = []

        def evaluate(candidates, cv=None, more_results=None, callback_ctx=None):
            cv = cv or self._checked_cv_orig
            training = _Training(self, list(candidates), cv, fit_params, callback_ctx)
            with _standing_in(training.take_over):
                results = evaluate_candidates(
                    training.candidates, cv=training, more_results=more_results
                )
            training.tasks.end_all()
            shares.extend([training.seconds_each] * len(training.candidates))
            results["mean_fit_time"] += shares
            results["params"] = [dict(candidate) for candidate in results["params"]]
            return results

        return super()._run_search(evaluate, callback_ctx=callback_ctx)


class GridSearchCV(_StackedSearch, sklearn.model_selection.GridSearchCV):
    """Exhaustive search over a grid of parameters, whose networks train together.

    :class:`sklearn.model_selection.GridSearchCV` with the same signature, methods and results. Where
    the estimator, or the last step of the Pipeline, is a :class:`skdense.LowLevelMLPClassifier`, the
    networks of all candidates and splits train in stacks before scikit-learn scores them, and the
    Pipeline's earlier steps are fitted once for each split and setting of their parameters. Everything
    else runs as scikit-learn runs it.

    Parameters
    ----------
    estimator : estimator object
        What is fitted with each candidate's parameters.
    param_grid : dict or list of dict
        Names of parameters with the lists of values to try; of a list, each grid is searched.
    scoring : str, callable, list, tuple, dict or None, default=None
        What the predictions on the test split are scored by; several scores if it is a list, tuple
        or dict, and the estimator's own if it is None.
    n_jobs : int, default=None
        Number of processes over which the stacks are spread, through joblib. None and 1 train in this
        process, with a thread for each core. ``joblib.parallel_config`` chooses another backend, such
        as a cluster.
    refit : bool, str or callable, default=True
        Whether to fit the best candidate on all samples; with several scores, the name of the one that
        decides; or a function of `cv_results_` that returns the best candidate's index.
    cv : int, cross-validation generator or iterable, default=None
        How samples are split; None is five folds, stratified for classifiers.
    verbose : int, default=0
        How much is printed. Networks are trained before the first line.
    pre_dispatch : int or str, default='2*n_jobs'
        Of no effect where networks train in stacks.
    error_score : 'raise' or numeric, default=np.nan
        The score where a fit fails; 'raise' raises the error.
    return_train_score : bool, default=False
        Whether `cv_results_` has the scores on the training splits too.

    Attributes
    ----------
    cv_results_ : dict of ndarray
        The scores and times of each candidate. The time in which networks were trained together is
        shared out equally among their fits, so ``mean_fit_time`` does not tell a slow candidate from a
        fast one, but its sum over candidates, times the number of splits, is the time that passed.
    best_estimator_ : estimator
        The best candidate, fitted to all samples; only with `refit`.
    best_score_ : float
        Its mean score over the test splits.
    best_params_ : dict
        Its parameters.
    best_index_ : int
        Its index in `cv_results_`.
    scorer_ : function or dict
        The scorer, or the scorers by name.
    n_splits_ : int
        Number of splits.
    refit_time_ : float
        Seconds that the last fit took; only with `refit`.
    multimetric_ : bool
        Whether there are several scores.
    classes_ : ndarray of shape (n_classes,)
        The class labels; only with `refit`.
    n_features_in_ : int
        Number of features of the best estimator; only with `refit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, where X has names that are all strings; only with `refit`.

    See Also
    --------
    sklearn.model_selection.GridSearchCV : The class that this one extends.
    RandomizedSearchCV : Draws the candidates from distributions.
    skdense.fit_many : Fits a list of networks together.

    Notes
    -----
    Networks train in stacks if nothing is to watch them one by one: a callback of the estimator, or one
    of the search that passes itself on to it, leaves the search to scikit-learn.
    :class:`sklearn.callback.ProgressBar` shows one bar for the search, not one for each network.

    With ``random_state=None``, networks and the Pipeline's earlier steps draw from NumPy's global state
    in another order than one after the other, and candidates that differ in their network only share
    the earlier steps, draws included.

    Ctrl-C while networks train ends the search; scikit-learn's would end one fit and go on.

    Examples
    --------
    >>> from skdense import LowLevelMLPClassifier
    >>> from skdense.datasets import make_two_clouds
    >>> from skdense.model_selection import GridSearchCV
    >>> X, y = make_two_clouds(100, random_state=0)
    >>> grid = {"hidden_layer_sizes": [(2,), (4,), (8,)]}
    >>> net = LowLevelMLPClassifier(max_iter=30, tol=0.1, random_state=0)
    >>> search = GridSearchCV(net, grid, cv=3).fit(X, y)
    >>> search.cv_results_["mean_test_score"].shape
    (3,)
    """


class RandomizedSearchCV(_StackedSearch, sklearn.model_selection.RandomizedSearchCV):
    """Search over candidates that are drawn from distributions, whose networks train together.

    :class:`sklearn.model_selection.RandomizedSearchCV` with the same signature, methods and results.
    How networks train, and what `n_jobs` and the times mean, is as in :class:`GridSearchCV`.

    Parameters
    ----------
    estimator : estimator object
        What is fitted with each candidate's parameters.
    param_distributions : dict or list of dict
        Names of parameters with distributions (objects with a method `rvs`) or lists to draw from.
    n_iter : int, default=10
        Number of candidates.
    scoring : str, callable, list, tuple, dict or None, default=None
        What the predictions on the test split are scored by; several scores if it is a list, tuple
        or dict, and the estimator's own if it is None.
    n_jobs : int, default=None
        Number of processes over which the stacks are spread.
    refit : bool, str or callable, default=True
        Whether to fit the best candidate on all samples, and by which score it is chosen.
    cv : int, cross-validation generator or iterable, default=None
        How samples are split; None is five folds, stratified for classifiers.
    verbose : int, default=0
        How much is printed. Networks are trained before the first line.
    pre_dispatch : int or str, default='2*n_jobs'
        Of no effect where networks train in stacks.
    random_state : int, RandomState instance or None, default=None
        Source of the candidates' draws.
    error_score : 'raise' or numeric, default=np.nan
        The score where a fit fails; 'raise' raises the error.
    return_train_score : bool, default=False
        Whether `cv_results_` has the scores on the training splits too.

    Attributes
    ----------
    cv_results_ : dict of ndarray
        The scores and times of each candidate.
    best_estimator_ : estimator
        The best candidate, fitted to all samples; only with `refit`.
    best_score_ : float
        Its mean score over the test splits.
    best_params_ : dict
        Its parameters.
    best_index_ : int
        Its index in `cv_results_`.
    scorer_ : function or dict
        The scorer, or the scorers by name.
    n_splits_ : int
        Number of splits.
    refit_time_ : float
        Seconds that the last fit took; only with `refit`.
    multimetric_ : bool
        Whether there are several scores.
    classes_ : ndarray of shape (n_classes,)
        The class labels; only with `refit`.
    n_features_in_ : int
        Number of features of the best estimator; only with `refit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Their names, where X has names that are all strings; only with `refit`.

    See Also
    --------
    sklearn.model_selection.RandomizedSearchCV : The class that this one extends.
    GridSearchCV : Tries all candidates of a grid.

    Examples
    --------
    >>> from scipy.stats import loguniform
    >>> from skdense import LowLevelMLPClassifier
    >>> from skdense.datasets import make_two_clouds
    >>> from skdense.model_selection import RandomizedSearchCV
    >>> X, y = make_two_clouds(100, random_state=0)
    >>> net = LowLevelMLPClassifier((8,), max_iter=30, tol=0.1, random_state=0)
    >>> rates = {"learning_rate_init": loguniform(1e-3, 1e-1)}
    >>> search = RandomizedSearchCV(net, rates, n_iter=4, cv=3, random_state=0).fit(X, y)
    >>> search.cv_results_["mean_test_score"].shape
    (4,)
    """


class _Stacking(NamedTuple):
    """What a search's `fit` leaves for `_run_search`."""

    params: dict
    one_process: parallel_config


def _can_stack(search):
    """Whether the networks of a search may train out of scikit-learn's sight."""
    network = _last_step(search.estimator)
    if not _is_ours(network) or trains_alone(network):
        return False
    parts = [search.estimator, *search.estimator.get_params().values()]
    if any(hasattr(part, "_skl_callbacks") for part in parts):
        return False
    return not any(
        isinstance(callback, AutoPropagatedCallback)
        and callback.max_propagation_depth != 0
        and not isinstance(callback, ProgressBar)
        for callback in getattr(search, "_skl_callbacks", ())
    )


def _last_step(estimator):
    while isinstance(estimator, Pipeline) and estimator.steps:
        estimator = estimator.steps[-1][1]
    return estimator


def _is_ours(estimator):
    cls = type(estimator)
    return issubclass(cls, LowLevelMLPClassifier) and cls.fit is LowLevelMLPClassifier.fit


def _fit_params(search, params):
    """Those of the search's parameters of `fit` that are the estimator's."""
    if get_config()["enable_metadata_routing"]:
        return process_routing(search, "fit", **params).estimator.fit
    return {name: value for name, value in params.items() if name != "groups"}


@contextmanager
def _standing_in(function):
    """Let a function stand in for the `fit` of our estimators: see `fit_stand_in`."""
    token = fit_stand_in.set(function)
    try:
        yield
    finally:
        fit_stand_in.reset(token)


class _Candidate(dict):
    """A candidate's parameters. Its clone, which is what the estimator gets, has unseen ones too."""

    def __init__(self, parameters, unseen):
        super().__init__(parameters)
        self.unseen = unseen

    def __sklearn_clone__(self):
        return {**self.unseen, **clone(dict(self), safe=False)}


class _Training:
    """The networks of all candidates and splits.

    To scikit-learn it is the splitter: that is where the splits are known and nothing is fitted yet.
    """

    def __init__(self, search, candidates, cv, fit_params, callback_ctx):
        self.search = search
        self.cv = cv
        self.fit_params = fit_params
        self.memo = _Memo()
        self.candidates = [_Candidate(c, self._memories(c)) for c in candidates]
        self.tasks = _Tasks(search, callback_ctx)
        self.networks, self.inputs, self.keys, self.task_indices = [], [], [], []
        self.shared = {}
        self.trained = defaultdict(deque)
        self.seconds_each = 0.0

    def _estimator(self, parameters):
        return clone(self.search.estimator).set_params(**clone(parameters, safe=False))

    def _memories(self, candidate):
        """The memo as the `memory` of each Pipeline around the network that has none of its own."""
        prefix, memories = "", {}
        try:
            estimator = self._estimator(candidate)
        except Exception:  # raised again where scikit-learn sets the parameters
            return memories
        if _is_ours(_last_step(estimator)):
            while isinstance(estimator, Pipeline):
                if estimator.memory is None:
                    memories[f"{prefix}memory"] = self.memo
                name, estimator = estimator.steps[-1]
                prefix += f"{name}__"
        return memories

    def split(self, X, y=None, **params):
        """The splits, once the networks are trained on them."""
        start = perf_counter()
        splits = list(self.cv.split(X, y, **params))
        for candidate in self.candidates:
            for train, _ in splits:
                self._prepare(candidate, X, y, train)
        self._train()
        self.seconds_each = (perf_counter() - start) / max(1, len(splits) * len(self.candidates))
        return splits

    def _prepare(self, candidate, X, y, train):
        """Fit what comes before a candidate's network, and note what the network's fit is asked for."""

        def note(estimator, given):
            if estimator is not network:
                return False
            self._note(network, given, task)
            return True

        self.tasks.begin(X, y, train, self.fit_params)
        task = len(self.tasks.begun) - 1
        try:
            estimator = self._estimator(candidate)
            network = _last_step(estimator)
            if _is_ours(network) and not trains_alone(network):
                fit_params = _check_method_params(X, params=self.fit_params, indices=train)
                with _standing_in(note):
                    estimator.fit(*_safe_split(estimator, X, y, train), **fit_params)
        except Exception:
            # Raised again, and dealt with, where scikit-learn fits the candidate.
            return

    def _note(self, network, given, task):
        digests = [self.memo.digest(value) for value in given]
        # Equal data become the same object, so that they are kept, and are in a stack, once.
        values = [self.shared.setdefault(*pair) for pair in zip(digests, given, strict=True)]
        self.networks.append(network)
        self.inputs.append(given._make(values))
        self.keys.append(_key(network, digests))
        self.task_indices.append(task)

    def _train(self):
        """Train the networks; keep how it went by their parameters and data."""
        outcomes = fit_inputs(
            self.networks,
            self.inputs,
            self.search.n_jobs,
            lambda i: self.tasks.end(self.task_indices[i]),
        )
        for key, *trained in zip(self.keys, self.networks, outcomes, strict=True):
            self.trained[key].append(trained)
        self.networks, self.inputs, self.keys, self.shared = [], [], [], {}

    def take_over(self, estimator, given):
        """Give the estimator what was trained with its parameters on its data; False if nothing was."""
        key = _key(estimator, [self.memo.digest(value) for value in given])
        if not self.trained.get(key):
            return False
        network, outcome = self.trained[key].popleft()
        for message in outcome.warnings:
            warnings.warn(message, stacklevel=4)  # where fit is called
        if outcome.error is not None:
            raise outcome.error
        parameters = estimator.get_params(deep=False)
        vars(estimator).update({k: v for k, v in vars(network).items() if k not in parameters})
        return True


def _key(estimator, digests):
    return type(estimator), joblib.hash(estimator.get_params(deep=False)), *digests


class _Tasks:
    """The evaluations of a search, as its callbacks see them.

    They are scikit-learn's, but not passed on to the networks, which have no fit of their own to show.
    """

    def __init__(self, search, context):
        self.search = search
        self.context = context
        self.begun = []

    def begin(self, X, y, train, fit_params):
        """Begin the next task: the fit of a candidate to a split."""
        if self.context is None:
            return

        def metadata():
            params = _check_method_params(X, params=fit_params, indices=train)
            weight = params.get("sample_weight")
            return None if weight is None else {"sample_weight": weight}

        # Functions, called only for callbacks that ask.
        arguments = {
            "X": lambda: _safe_split(self.search.estimator, X, y, train)[0],
            "y": lambda: _safe_split(self.search.estimator, X, y, train)[1],
            "metadata": metadata,
        }
        task = self.context.subcontext("candidate-split-evaluation", task_id=len(self.begun))
        task.call_on_fit_task_begin(estimator=self.search, **arguments)
        self.begun.append((task, arguments))

    def end(self, i):
        """End the i-th task, unless it has ended."""
        if self.context is None or self.begun[i] is None:
            return
        (task, arguments), self.begun[i] = self.begun[i], None
        task.call_on_fit_task_end(estimator=self.search, **arguments)

    def end_all(self):
        """End all tasks that have not ended."""
        for i in range(len(self.begun)):
            self.end(i)


class _Memo:
    """Remembers what functions returned for equal arguments; a `memory` for Pipelines.

    What it returns is the same object for each call. A remembered function, which may work in place,
    is given a copy of it.
    """

    def __init__(self):
        self.results = {}
        self.returned = {}
        self.digests = {}

    def __deepcopy__(self, memo):
        return self

    def digest(self, value):
        """A hash of the value's content, taken once if the memo returned the value."""
        if value is None:
            return None
        if id(value) not in self.returned:
            return joblib.hash(value, hash_name="sha1")
        if id(value) not in self.digests:
            self.digests[id(value)] = joblib.hash(value, hash_name="sha1")
        return self.digests[id(value)]

    def cache(self, function, ignore=()):
        """The function, remembered by its arguments without those to ignore."""

        def call(*args, **kwargs):
            own = [deepcopy(value) if id(value) in self.returned else value for value in args]
            return function(*own, **kwargs)

        @wraps(function)
        def remembered(*args, **kwargs):
            arguments = signature(function).bind(*args, **kwargs).arguments
            try:
                key = tuple(
                    (name, self.digest(value))
                    for name, value in arguments.items()
                    if name not in ignore
                )
            except Exception:  # what cannot be pickled cannot be hashed
                return call(*args, **kwargs)
            if key not in self.results:
                self.results[key] = result = call(*args, **kwargs)
                self.returned.update({id(value): value for value in result})
            return self.results[key]

        return remembered
