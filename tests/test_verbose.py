"""What verbose fits print beyond MLPClassifier's lines, which `test_parity` compares."""

import re

import numpy as np
import pytest

from helpers import SETTINGS, make_problem
from skdense import LowLevelMLPClassifier, LowLevelMLPRegressor, fit_many

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, y = make_problem()


def net(**parameters):
    return LowLevelMLPClassifier(**SETTINGS | parameters)


def test_each_of_several_draws_has_a_line(capsys):
    model = net(verbose=True, n_init=3, early_stopping=True).fit(X, y)

    lines = sorted(capsys.readouterr().out.splitlines())
    scores = []
    for i, (line, loss) in enumerate(zip(lines, model.init_losses_, strict=True), start=1):
        start, score = line.split(", best validation score: ")
        assert start == f"Initialization {i} of 3: 5 iterations, loss = {loss:.8f}"
        scores.append(float(score))
    assert max(scores) == pytest.approx(model.best_validation_score_, abs=1e-6)


def test_a_negative_loss_that_is_the_score_is_printed_as_a_loss(capsys):
    model = LowLevelMLPRegressor("absolute_error", **SETTINGS)
    model.set_params(verbose=True, n_init=2, early_stopping=True).fit(X, X[:, 0])
    scores = re.findall(r", best validation loss: ([\d.]+)$", capsys.readouterr().out, re.MULTILINE)
    assert -min(map(float, scores)) == pytest.approx(model.best_validation_score_, abs=1e-6)


def test_your_own_validation_set_is_scored_in_each_epoch_without_early_stopping(capsys):
    model = net(verbose=True).fit(X, y, X_val=X[:16], y_val=y[:16])

    lines = capsys.readouterr().out.splitlines()
    assert lines[::2] == [f"Iteration {i}, loss = {v:.8f}" for i, v in enumerate(model.loss_curve_, 1)]
    assert lines[1::2] == [f"Validation score: {score:f}" for score in model.validation_scores_]


def test_fit_many_counts_the_estimators_that_are_trained(capsys):
    models = [net(random_state=seed) for seed in range(25)] + [net(solver="lbfgs")]

    fit_many(models, X, y, verbose=True)

    lines = capsys.readouterr().out.splitlines()
    counts = [int(re.fullmatch(r"Trained (\d+) of 26 networks", line)[1]) for line in lines]
    assert len(counts) == 10
    assert counts == sorted(set(counts))
    assert counts[-1] == 26
    assert np.diff(counts).max() <= 3
    fit_many(models[:2], X, y)
    assert capsys.readouterr().out == ""
