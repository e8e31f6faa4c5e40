"""A race: the candidates that still go on, and what happens to them at a rung."""

import time

import numpy as np
from sklearn import config_context, get_config
from sklearn.exceptions import FitFailedWarning

from skdense.fit.callers import warn_at_caller
from skdense.search.results import Row
from skdense.search.rungs import best_first, n_that_go_on, share_trained
from skdense.search.runs import Run, describe
from skdense.search.training import Training


class Race:
    """The runs of all candidates, prepared, of which those that go on are trained and scored.

    Parameters
    ----------
    candidates : list of Candidate
    splits : list of Split
    rungs : list of int
        The epochs of all rungs.
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

    def __init__(self, candidates, splits, rungs, factor, error_score, n_jobs):
        self.factor, self.error_score = factor, error_score
        self.going = [
            (candidate.params, [Run(split, candidate) for split in splits]) for candidate in candidates
        ]
        for split in splits:
            split.forget()
        self._report_errors(self._runs)
        self._try_scorer(len(splits))
        jobs = [run.job for run in self._runs if run.job is not None]
        self.training = Training(jobs, share_trained(len(candidates), rungs, factor), n_jobs)

    @property
    def _runs(self):
        return [run for _, runs in self.going for run in runs]

    def _try_scorer(self, n_splits):
        """Score an untrained network on each split: what fails then would fail for all candidates."""
        for i in range(n_splits):
            runs = (runs[i] for _, runs in self.going)
            run = next((run for run in runs if run.job is not None), None)
            if run is not None:
                run.judge()
                if run.score_error is not None:
                    note = f"This is how scoring failed on split {i}, before anything was trained."
                    run.score_error.add_note(note)
                    raise run.score_error

    def run(self, iteration, epochs, is_over):
        """Train to a rung and score; return the rows of the rung, and leave out those who do not go on.

        At the last rung the race is over.
        """
        sound = [run for run in self._runs if run.job is not None]
        self._train([run for run in sound if run.is_active], epochs)
        self._report_errors(sound)
        rows = [self._row(iteration, epochs, *candidate) for candidate in self.going]
        if is_over:
            for run in self._runs:
                run.warn()
        order = best_first([np.mean(row.scores) for row in rows])
        n_kept = 0 if is_over else n_that_go_on(len(rows), self.factor)
        self.going = [self.going[i] for i in sorted(order[:n_kept])]
        return rows

    def _train(self, runs, epochs):
        """Train these runs, and score each as soon as it is trained, while others train."""
        run_of, config = {run.job: run for run in runs}, get_config()
        before, start = [run.epochs for run in runs], time.perf_counter()

        def judge(job):
            with config_context(**config):  # scikit-learn's configuration belongs to a thread
                run_of[job].judge()

        if self.training.go_on(list(run_of), epochs, judge):
            raise KeyboardInterrupt
        seconds = time.perf_counter() - start
        gained = np.array([run.epochs for run in runs]) - before
        for run, share in zip(runs, gained / max(1, gained.sum()), strict=True):
            run.fit_seconds += seconds * share

    def _row(self, iteration, epochs, params, runs):
        scores = [self.error_score if run.score is None else run.score for run in runs]
        fit_time, score_time = (
            [getattr(run, name) for run in runs] for name in ("fit_seconds", "score_seconds")
        )
        return Row(iteration, epochs, params, fit_time, score_time, scores)

    def _report_errors(self, runs):
        """Warn of what has failed in these runs, which had not failed before, or raise it."""
        errors = [run.error for run in runs if run.error is not None]
        score_errors = [run.score_error for run in runs if run.score_error is not None]
        if self.error_score == "raise" and errors + score_errors:
            raise [*errors, *score_errors][0]
        n_fits = len(self._runs)
        if errors and all(run.error is not None for run in self._runs):
            raise ValueError(
                f"All the {n_fits} fits failed. It is very likely that your model is misconfigured. "
                f"With error_score='raise' the first error is raised.\n{describe(errors)}"
            )
        if errors:
            warn_at_caller(
                f"{len(errors)} fits failed out of a total of {n_fits}. The score on these train-test "
                f"partitions for these parameters will be set to {self.error_score}. With "
                f"error_score='raise' the first error is raised.\n{describe(errors)}",
                FitFailedWarning,
            )
        if score_errors:
            warn_at_caller(
                f"Scoring failed {len(score_errors)} times. The score on these train-test partitions "
                f"for these parameters will be set to {self.error_score}.\n{describe(score_errors)}"
            )
