"""A race: the candidates that still go on, and what happens to them at a rung."""

import time
from traceback import format_exc

import numpy as np
from sklearn.exceptions import FitFailedWarning

from skdense.fit.callers import warn_at_caller
from skdense.search.results import Row
from skdense.search.rungs import best_first, n_that_go_on
from skdense.search.runs import Run, describe
from skdense.search.training import Training


class Race:
    """The runs of all candidates, prepared, of which those that go on are trained and scored.

    Parameters
    ----------
    candidates : list of Candidate
    splits : list of Split
    scorer : callable
    factor : float
        Of `factor` candidates, one goes on from a rung.
    error_score : 'raise' or float
        What a fit that has failed scores.
    n_jobs : int or None
        The number of threads.

    Attributes
    ----------
    going : list of (dict, list of Run)
        The parameters and the runs of the candidates that still go on.
    """

    def __init__(self, candidates, splits, scorer, factor, error_score, n_jobs):
        self.scorer, self.factor, self.error_score = scorer, factor, error_score
        self.going = [
            (candidate.params, [Run(split, candidate) for split in splits]) for candidate in candidates
        ]
        self._report_failures(self._runs)
        self._try_scorer(len(splits))
        self.training = Training([run.job for run in self._runs if run.job is not None], n_jobs)

    @property
    def _runs(self):
        return [run for _, runs in self.going for run in runs]

    def _try_scorer(self, n_splits):
        """Score an untrained network on each split: what fails then would fail for all candidates."""
        for i in range(n_splits):
            runs = (runs[i] for _, runs in self.going)
            run = next((run for run in runs if run.job is not None), None)
            if run is not None:
                try:
                    run.score(run.attributes(), self.scorer)
                except Exception as error:
                    error.add_note(
                        f"This is how scoring failed on split {i}, before anything was trained."
                    )
                    raise

    def run(self, iteration, epochs, is_over):
        """Train to a rung and score; return the rows of the rung, the best first, and drop the others.

        At the last rung the race is over.
        """
        self._train(epochs)
        sound = [run for run in self._runs if run.job is not None]
        rows = [self._row(iteration, epochs, *candidate, is_over) for candidate in self.going]
        self._report_failures([run for run in sound if run.job is None], len(self._runs))
        order = best_first([np.mean(row.scores) for row in rows])
        n_kept = 0 if is_over else n_that_go_on(len(rows), self.factor)
        self.going = [self.going[i] for i in sorted(order[:n_kept])]
        return rows

    def _train(self, epochs):
        runs = [run for run in self._runs if run.is_active]
        before, start = [run.epochs for run in runs], time.perf_counter()
        if self.training.go_on([run.job for run in runs], epochs):
            raise KeyboardInterrupt
        seconds = time.perf_counter() - start
        gained = np.array([run.epochs for run in runs]) - before
        for run, share in zip(runs, gained / max(1, gained.sum()), strict=True):
            run.seconds += seconds * share

    def _row(self, iteration, epochs, params, runs, is_over):
        scores, seconds = zip(*[self._score(run, is_over) for run in runs], strict=True)
        return Row(iteration, epochs, params, [run.seconds for run in runs], seconds, scores)

    def _score(self, run, is_over):
        """The score of a run and the seconds that this took."""
        start = time.perf_counter()
        attributes = run.attributes(is_over)
        if attributes is None:
            return self.error_score, 0.0
        try:
            score = run.score(attributes, self.scorer)
        except Exception:
            if self.error_score == "raise":
                raise
            score = self.error_score
            warn_at_caller(
                "Scoring failed. The score on this train-test partition for these parameters will be "
                f"set to {self.error_score}. Details: \n{format_exc()}"
            )
        return score, time.perf_counter() - start

    def _report_failures(self, runs, n_fits=None):
        """Warn of the fits that have failed among these runs; raise if all have, or none may."""
        errors = [run.error for run in runs if run.error is not None]
        n_fits = n_fits or len(runs)
        if not errors:
            return
        if self.error_score == "raise":
            raise errors[0]
        if len(errors) == n_fits:
            raise ValueError(
                f"All the {n_fits} fits failed. It is very likely that your model is misconfigured. "
                f"With error_score='raise' the first error is raised.\n{describe(errors)}"
            )
        warn_at_caller(
            f"{len(errors)} fits failed out of a total of {n_fits}. The score on these train-test "
            f"partitions for these parameters will be set to {self.error_score}. With "
            f"error_score='raise' the first error is raised.\n{describe(errors)}",
            FitFailedWarning,
        )
