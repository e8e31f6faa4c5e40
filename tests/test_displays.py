"""Pictures of trainings show the numbers of the estimators; a study tells of itself."""

import copy

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers import SETTINGS, make_problem
from skdense import LowLevelMLPClassifier, LowLevelMLPRegressor
from skdense.inspection import LossCurveDisplay, study_seeds

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.usefixtures("pyplot"),
]

X, y = make_problem()
CURVES = {
    "loss": ("loss_curve_", "validation_loss_curve_"),
    "score": ("accuracy_curve_", "validation_scores_"),
}


@pytest.fixture(scope="module")
def validated():
    """A network that was fitted with early stopping."""
    return LowLevelMLPClassifier(**SETTINGS, early_stopping=True).fit(X, y)


@pytest.fixture(scope="module")
def study():
    """Three seeds, of which the second stops early and the third diverged."""
    study = study_seeds(LowLevelMLPClassifier(**SETTINGS), X, y, seeds=[3, 1, 4])
    short, diverged = study.estimators[1:]
    short.loss_curve_ = short.loss_curve_[:2]
    study.estimators[2] = LowLevelMLPClassifier(random_state=4)
    study.score[2] = study.dead[2] = np.nan
    assert diverged.random_state == 4
    return study


@pytest.mark.parametrize("kind", CURVES)
def test_both_curves_of_an_estimator_are_drawn(validated, kind, pyplot):
    figure, ax = pyplot.subplots()

    display = LossCurveDisplay.from_estimator(validated, kind=kind, ax=ax)

    assert display.ax_ is ax
    assert display.figure_ is figure
    for line, attribute, what in zip(display.lines_, CURVES[kind], ["training", "validation"]):
        np.testing.assert_array_equal(line.get_xdata(), np.arange(1, validated.n_iter_ + 1))
        np.testing.assert_array_equal(line.get_ydata(), getattr(validated, attribute))
        assert line.get_label() == what
    assert ax.get_xlabel() == "epoch"
    assert ax.get_ylabel() == kind
    assert not display.bands_


def test_several_estimators_and_studies_are_drawn_in_one_picture(validated, study):
    pipeline = make_pipeline(StandardScaler(), LowLevelMLPClassifier(**SETTINGS)).fit(X, y)

    display = LossCurveDisplay.from_estimator([validated, pipeline, study])

    assert [line.get_label() for line in display.lines_] == [
        "LowLevelMLPClassifier 0, training",
        "LowLevelMLPClassifier 0, validation",
        "LowLevelMLPClassifier 1, training",
        "LowLevelMLPClassifier 2, training",
    ]
    assert len(display.bands_) == 1
    named = LossCurveDisplay.from_estimator([validated, pipeline], name=["a", "b"])
    labels = [line.get_label() for line in named.lines_]
    assert labels == ["a, training", "a, validation", "b, training"]
    with pytest.raises(ValueError, match="name must have an entry for each of the 2"):
        LossCurveDisplay.from_estimator([validated, pipeline], name=["a"])


def test_a_study_is_a_band_around_the_median_of_the_runs_that_did_not_diverge(study):
    display = LossCurveDisplay.from_estimator(study)

    long, short = (network.loss_curve_ for network in study.estimators[:2])
    (line,), (band,) = display.lines_, display.bands_
    np.testing.assert_allclose(line.get_ydata(), np.mean([long, short + short[-1:] * 3], axis=0))
    low, high = band.get_datalim(display.ax_.transData).intervaly
    assert low >= min(long + short)
    assert high <= max(long + short)
    legend = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert legend == ["training", "training, 10th to 90th percentile"]


def test_a_display_can_be_drawn_again(validated, pyplot):
    display = LossCurveDisplay.from_estimator(validated)
    ax = pyplot.subplots()[1]
    assert display.plot(ax=ax).ax_ is ax
    assert len(display.lines_) == len(ax.lines) == 2


def test_what_cannot_be_drawn_is_an_error(validated):
    without_curves = copy.copy(validated)
    without_curves.loss_curve_ = without_curves.validation_loss_curve_ = None
    with pytest.raises(ValueError, match="solver='lbfgs' records neither"):
        LossCurveDisplay.from_estimator(without_curves)
    with pytest.raises(ValueError, match=r"kind must be one of .*'accuracy'"):
        LossCurveDisplay.from_estimator(validated, kind="accuracy")
    with pytest.raises(TypeError, match="must be LowLevelMLPClassifier"):
        LossCurveDisplay.from_estimator(StandardScaler())
    with pytest.raises(ValueError, match="not fitted"):
        LossCurveDisplay.from_estimator(LowLevelMLPRegressor())


def test_a_study_tells_in_a_line_how_its_seeds_fared(study):
    low, high = sorted(study.score[:2])
    assert repr(study) == (
        f"<SeedStudy of 3 LowLevelMLPClassifiers: scores from {low:.4g} to {high:.4g}, median "
        f"{(low + high) / 2:.4g}, 1 diverged>"
    )
