"""PrunedSearchCV: all candidates begin to train, the worst are dropped, the others go on."""

import time
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, Literal, Self

import numpy as np
from numpy.random import RandomState
from numpy.typing import ArrayLike, NDArray
from sklearn import get_config
from sklearn.base import BaseEstimator, clone, is_classifier
from sklearn.metrics import check_scoring, get_scorer_names
from sklearn.model_selection import ParameterGrid, ParameterSampler, RandomizedSearchCV, check_cv
from sklearn.utils import indexable

from skdense import compat
from skdense.final_step import network_of
from skdense.fit.fitting import task_of, unchanged_on_error
from skdense.fit.inputs import MatrixLike
from skdense.search.race import Candidate, Race, best_first, rungs_of

_N_CANDIDATES = 64
"""How many candidates are drawn by default."""


class PrunedSearchCV(RandomizedSearchCV):
    """Cross-validated search over parameters of a network that drops bad candidates early.

    All candidates begin to train on all splits. At the first rung (a number of epochs), the candidates
    are scored, and the final score of each candidate is forecast from the scores so far. The candidates
    with the best forecasts continue to the next rung, and so on until `max_iter`. With the default
    rungs, 64 candidates need about 36% of the epochs of a search without pruning.

    A candidate that reaches the end has been trained without interruption, so its scores are the same
    as with GridSearchCV, up to rounding. The networks are trained in parallel, in threads of this
    process.

    Parameters
    ----------
    estimator : LowLevelMLPClassifier, LowLevelMLPRegressor, Pipeline or TransformedTargetRegressor
        A network with a `solver` other than 'lbfgs', or a model that ends with such a network. The
        steps before the network are fitted once for each split and each combination of the parameters
        of these steps.

    param_distributions : dict or list of dicts
        For each parameter name, a list of values, or a distribution with a method `rvs`, as in
        `scipy.stats`. If there are several dicts, one of them is drawn first.

    n_candidates : int, default=None
        The number of candidates to draw; if all parameters have lists, they are drawn without
        replacement. None uses the whole grid if all parameters have lists, and 64 candidates otherwise.

    factor : float, default=1.6
        At each rung, 1 / `factor` of the candidates continue, rounded up.

    rung_epochs : sequence of int, default=None
        The epochs after which candidates are compared, in increasing order and at most `max_iter` of
        the estimator, which is always the last one; if candidates differ in `max_iter`, the largest is
        used. None means 0.15, 0.25, 0.375, 0.5 and 0.75 of `max_iter`, without those below 3 epochs. An
        empty sequence trains all candidates to the end.

    scoring : str or callable, default=None
        The scorer, as for GridSearchCV, but one metric only. None uses the method `score` of the
        estimator.

    refit : bool, default=True
        Whether to fit the best candidate to all samples at the end.

    cv : int, cross-validation generator or iterable, default=None
        The splits, as for GridSearchCV; None means five folds.

    random_state : int, RandomState instance or None, default=None
        Determines the candidates.

    n_jobs : int, default=None
        The number of threads that train, as in :func:`skdense.fit_many`.

    verbose : int, default=0
        Whether to print one line per rung.

    error_score : 'raise' or float, default=nan
        The score of a fit that failed, for example because it diverged, or that could not be scored,
        with a FitFailedWarning. A failed fit is not trained further. 'raise' raises the error. NaN is
        ranked last.

    Attributes
    ----------
    cv_results_ : dict of ndarray
        The results, as in scikit-learn's halving searches: one row for each candidate at each rung that
        it reached, with `iter`, the number of the rung, and `n_resources`, its epochs.
        `forecast_test_score` is the forecast of `mean_test_score` at the end. `mean_fit_time` is the
        time of a candidate up to this rung; the time of a rung is divided equally among the networks
        that are trained in parallel.

    best_estimator_ : estimator
        The best candidate, fitted to all samples. Not available if ``refit=False``.

    best_score_ : float
        The mean score of the best candidate over the splits.

    best_params_ : dict
        The parameters of the best candidate.

    best_index_ : int
        The row of `cv_results_` with the best score of the last rung.

    n_candidates_ : list of int
        The number of candidates that reached each rung.

    n_resources_ : list of int
        The epochs of each rung.

    n_iterations_ : int
        The number of rungs.

    scorer_ : callable
        The scorer.

    n_splits_ : int
        The number of splits.

    refit_time_ : float
        The seconds of the final fit to all samples. Not available if ``refit=False``.

    classes_ : ndarray of shape (n_classes,)
        The labels of a classifier. Not available if ``refit=False``.

    n_features_in_ : int
        The number of features. Not available if ``refit=False``.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        The names of the features, if X has names that are all strings. Not available if
        ``refit=False``.

    multimetric_ : bool
        False.

    See Also
    --------
    sklearn.model_selection.HalvingRandomSearchCV : The same for any estimator; candidates that
        continue are trained again from the start.

    Notes
    -----
    The score at a rung is that of the last epoch, or with ``early_stopping=True`` of the best epoch so
    far. A network that has converged keeps its score.

    The forecast assumes that the loss decreases by the same factor each time the epochs double, and
    uses 0.6 of the fitted slope. The loss is minus the score if `scoring` begins with ``"neg_"``, and
    otherwise 1 minus the score, as for accuracy, ROC AUC and R2. If `scoring` is a callable, it is
    minus the score if all scores are negative. For scores above 1 there
    is no forecast, and candidates are compared by their scores. Because the slope needs an
    earlier score, candidates are scored once more before the first rung, and before a rung that is far
    from the previous one.

    Networks are padded to share programs, which changes the rounding of the results. In float32 and
    with large learning rates, training may amplify the difference.

    Before training, the scorer is called once per split with an untrained network, so that its errors
    are raised immediately. A ValueError of a regressor's scorer is only raised if no trained network
    can be scored either, because scorers such as ``"neg_mean_squared_log_error"`` do not accept
    predictions of -1 or less, which an untrained network may make.

    `verbose` and `warm_start` of the network only affect the final fit to all samples.

    After the first rung, Ctrl-C ends the search with a warning, and the best candidate of the completed
    rungs is refitted.

    References
    ----------
    K. Jamieson and A. Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter
    Optimization", AISTATS 2016. https://arxiv.org/abs/1502.07943

    T. Domhan, J. T. Springenberg and F. Hutter, "Speeding up Automatic Hyperparameter Optimization of
    Deep Neural Networks by Extrapolation of Learning Curves", IJCAI 2015.

    Examples
    --------
    >>> from scipy.stats import loguniform
    >>> from skdense import LowLevelMLPClassifier
    >>> from skdense.datasets import make_two_clouds
    >>> from skdense.search import PrunedSearchCV
    >>> X, y = make_two_clouds(100, random_state=0)
    >>> network = LowLevelMLPClassifier((8,), max_iter=27, tol=0, random_state=0)
    >>> rates = {"learning_rate_init": loguniform(1e-5, 1e-1)}
    >>> search = PrunedSearchCV(network, rates, n_candidates=9, cv=3, random_state=0).fit(X, y)
    >>> search.n_resources_[:4], search.n_candidates_[:4]
    ([4, 7, 10, 14], [9, 6, 4, 3])
    """

    cv_results_: dict[str, Any]
    best_estimator_: Any
    best_score_: float
    best_params_: dict[str, Any]
    best_index_: int
    n_candidates_: list[int]
    n_resources_: list[int]
    n_iterations_: int
    scorer_: Callable
    n_splits_: int
    refit_time_: float
    feature_names_in_: NDArray
    multimetric_: bool

    _parameter_constraints = {
        **compat.constraints_of(RandomizedSearchCV),
        "estimator": [BaseEstimator],
        "n_candidates": [compat.Interval(Integral, 1, None, closed="left"), None],
        "factor": [compat.Interval(Real, 1, None, closed="neither")],
        "rung_epochs": ["array-like", None],
        "scoring": [compat.StrOptions(set(get_scorer_names())), callable, None],
        "refit": ["boolean"],
    }

    def __init__(
        self,
        estimator: BaseEstimator,
        param_distributions: Mapping | list,
        *,
        n_candidates: int | None = None,
        factor: float = 1.6,
        rung_epochs: Sequence[int] | None = None,
        scoring: Any = None,
        refit: bool = True,
        cv: Any = None,
        random_state: int | RandomState | None = None,
        n_jobs: int | None = None,
        verbose: bool | int = 0,
        error_score: float | Literal["raise"] = np.nan,
    ) -> None:
        self.estimator = estimator
        self.param_distributions = param_distributions
        self.n_candidates = n_candidates
        self.factor = factor
        self.rung_epochs = rung_epochs
        self.scoring = scoring
        self.refit = refit
        self.cv = cv
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.error_score = error_score

    @compat.fit_context(prefer_skip_nested_validation=False)
    def fit(self, X: MatrixLike, y: ArrayLike, **params: Any) -> Self:
        """Search for the best candidate, and fit it to all samples.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The samples; for a Pipeline, the input of its first step.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The targets.
        **params : dict
            Parameters of the `fit` of the estimator, such as `sample_weight`, and `groups` for the
            splits. With metadata routing they are passed to the objects that request them.

        Returns
        -------
        self : object
            The fitted search.

        Raises
        ------
        TypeError
            If the estimator does not end with a network of this package whose `fit` is not overridden.
        ValueError
            If a parameter is invalid, or if all fits fail or cannot be scored before the end of the
            first rung.
        Exception
            Errors of a fit or of the scorer with ``error_score='raise'``, and errors of the scorer for
            an untrained network, except a ValueError for a regressor.
        """
        network_of(self.estimator)
        if y is None:
            raise ValueError("PrunedSearchCV requires y to be passed, but the target y is None")
        scorer: Any = check_scoring(self.estimator, self.scoring)
        candidates = [Candidate(self.estimator, values) for values in self._draw_candidates()]
        limits = [candidate.estimator.max_iter for candidate in candidates]
        # Candidates with another limit fail when they are fitted.
        valid = [int(limit) for limit in limits if isinstance(limit, Integral)]
        if not valid:
            compat.validate_parameters(candidates[0].estimator)  # says what is wrong with its limit
        rungs = rungs_of(self.rung_epochs, max(valid))
        all_samples: Any = indexable(X, y)
        X, y = all_samples
        routed = compat.routed_parameters(self, params)
        cv: Any = check_cv(self.cv, y, classifier=is_classifier(self.estimator))
        splits = [*cv.split(X, y, **routed.splitter.split)]
        if not splits:
            raise ValueError("cv must give at least one split, got none")
        context = compat.callback_context(self, max_subtasks=len(rungs) + self.refit)
        task = task_of(self, X, y, params.get("sample_weight"))
        context.call_on_fit_task_begin(**task)
        with unchanged_on_error(self):
            for name in ("best_estimator_", "refit_time_", "feature_names_in_"):
                vars(self).pop(name, None)

            def samples_of(rows, params):
                params = compat.check_method_params(X, params, rows)
                return compat.safe_indexing(X, rows), compat.safe_indexing(y, rows), params

            to_fit, to_score = routed.estimator.fit, routed.scorer.score
            samples = [(samples_of(fit, to_fit), samples_of(test, to_score)) for fit, test in splits]
            highest_score = None  # of the user's own scorer it is not known
            if self.scoring is None or isinstance(self.scoring, str):
                highest_score = 0 if str(self.scoring).startswith("neg_") else 1
            race = Race(
                candidates, rungs, self.factor, scorer, self.error_score, self.n_jobs, highest_score
            )
            skips_steps = not callable(self.scoring) and not get_config()["enable_metadata_routing"]
            race.begin(samples, skips_steps)
            self._search(race, context)
            self._set_results(race, len(splits))
        if self.refit:  # an error here keeps the results
            self._refit(X, y, routed.estimator.fit, context, task)
        context.call_on_fit_task_end(**task)
        return self

    def _draw_candidates(self):
        """The parameters of all candidates."""
        dicts = self.param_distributions
        dicts = dicts if isinstance(dicts, list) else [dicts]
        choices = [values for grid in dicts if isinstance(grid, Mapping) for values in grid.values()]
        has_distribution = any(hasattr(values, "rvs") for values in choices)
        if self.n_candidates is None and not has_distribution:
            candidates = list(ParameterGrid(dicts))
        else:
            n_candidates = self.n_candidates or _N_CANDIDATES
            candidates = list(ParameterSampler(dicts, n_candidates, random_state=self.random_state))
        if not candidates:
            raise ValueError("param_distributions must have a candidate, got an empty list")
        return candidates

    def _search(self, race, context):
        """Train and score candidates rung by rung, or until Ctrl-C or a callback ends the search."""
        start = time.perf_counter()
        try:
            while race.candidates:
                task = context.subcontext(task_name="rung").call_on_fit_task_begin(estimator=self)
                rung = race.run()
                if self.verbose and rung:
                    best = np.nanmax(rung.scores, initial=-np.inf)
                    print(
                        f"Rung {len(race.finished)} of {len(race.rungs)}, {race.scored_epochs[-1]} "
                        f"epochs: {len(rung.scores)} candidates, best score {best:.4f}, "
                        f"{len(race.candidates)} go "
                        f"on; {time.perf_counter() - start:.1f} s"
                    )
                if task.call_on_fit_task_end(estimator=self) or not rung:
                    break
        except KeyboardInterrupt:
            if not race.finished:
                raise
            compat.warn_at_caller("Search interrupted by user.")

    def _set_results(self, race, n_splits):
        """Set the fitted attributes from the finished rungs of a race."""
        self.scorer_, self.n_splits_, self.multimetric_ = race.scorer, n_splits, False
        self.n_iterations_ = len(race.finished)
        self.n_candidates_ = [len(rung.params) for rung in race.finished]
        self.n_resources_ = race.rungs[: self.n_iterations_]
        params = [params for rung in race.finished for params in rung.params]
        results = [result for rung in race.finished for result in rung.results]
        columns = {
            "iter": np.repeat(range(self.n_iterations_), self.n_candidates_),
            "n_resources": np.repeat(self.n_resources_, self.n_candidates_),
            "forecast_test_score": np.concatenate([rung.forecasts for rung in race.finished]),
        }
        self.cv_results_ = compat.formatted_results(self, params, n_splits, results, columns)
        means = self.cv_results_["mean_test_score"]
        n_before = len(means) - self.n_candidates_[-1]
        self.best_index_ = int(n_before + best_first(means[n_before:])[0])
        self.best_score_, self.best_params_ = means[self.best_index_], params[self.best_index_]

    def _refit(self, X, y, fit_params, context, task):
        best_params: Any = clone(self.best_params_, safe=False)
        best: Any = clone(self.estimator)
        best.set_params(**best_params)
        start = time.perf_counter()
        refit = context.subcontext(task_name="refit-with-best-params")
        with refit.propagate_callback_context(best):
            refit.call_on_fit_task_begin(**task)
            best.fit(X, y, **fit_params)
            refit.call_on_fit_task_end(**task)
        self.best_estimator_, self.refit_time_ = best, time.perf_counter() - start
        if hasattr(best, "feature_names_in_"):
            self.feature_names_in_ = best.feature_names_in_
