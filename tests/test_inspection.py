"""Dead units and seed studies, on networks whose state is known."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers import OF_NOTEBOOK
from skdense import LowLevelMLPClassifier, LowLevelMLPRegressor
from skdense.datasets import make_two_clouds
from skdense.inspection import SeedStudy, dead_units, study_seeds

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, y = make_two_clouds(100, random_state=0)
NAME = "lowlevelmlpclassifier"
NOTEBOOK = LowLevelMLPClassifier((2, 2), **OF_NOTEBOOK, batch_size=100, max_iter=20)


@pytest.mark.parametrize(
    ("before", "name"),
    [
        (lambda network: network, "random_state"),
        (lambda network: make_pipeline(StandardScaler(), network), f"{NAME}__random_state"),
        (
            lambda network: make_pipeline(make_pipeline(StandardScaler(), network)),
            f"pipeline__{NAME}__random_state",
        ),
    ],
    ids=["network", "pipeline", "nested"],
)
def test_a_seed_study_equals_the_fits_of_its_seeds_one_by_one(before, name):
    model = before(clone(NOTEBOOK).set_params(max_iter=5))

    study = study_seeds(model, X, y, seeds=[3, 1])

    for seed, fitted, accuracy, dead in zip([3, 1], study.estimators, study.score, study.dead):
        alone = clone(model).set_params(**{name: seed}).fit(X, y)
        np.testing.assert_allclose(fitted.predict_proba(X), alone.predict_proba(X), rtol=0, atol=1e-6)
        assert accuracy == alone.score(X, y)
        assert dead.tolist() == [units.mean() for units in dead_units(alone, X)]
    assert study.estimators[0].get_params().keys() == model.get_params().keys()
    assert not hasattr(model, "n_features_in_")


def test_a_unit_whose_bias_holds_it_below_zero_is_dead_and_only_that_one():
    clf = (
        LowLevelMLPClassifier(**NOTEBOOK.get_params()).set_params(max_iter=1, random_state=0).fit(X, y)
    )
    clf.coefs_ = [np.eye(2), np.eye(2), np.ones((2, 1))]
    clf.intercepts_ = [np.array([0.0, -1e3]), np.array([-1e3, 10.0]), np.zeros(1)]
    first, second = dead_units(clf, X)
    assert first.tolist() == [False, True]
    # The second layer's other unit sees only the dead one: it outputs 10 for every sample.
    assert second.tolist() == [True, True]


def test_a_study_tells_in_a_line_how_its_seeds_fared():
    networks = [clone(NOTEBOOK).set_params(random_state=seed) for seed in range(3)]
    study = SeedStudy(networks, np.array([0.5, np.nan, 0.75]), np.full((3, 2), np.nan))
    assert repr(study) == (
        "<SeedStudy of 3 LowLevelMLPClassifiers: scores from 0.5 to 0.75, median 0.625, 1 diverged>"
    )


def test_a_model_without_hidden_layers_has_no_units():
    study = study_seeds(LowLevelMLPClassifier((), max_iter=1), X, y, seeds=2)
    assert study.dead.shape == (2, 0)
    assert dead_units(study.estimators[0], X) == []


def test_a_study_keeps_the_seeds_that_did_not_diverge():
    wild = LowLevelMLPClassifier(**NOTEBOOK.get_params()).set_params(
        hidden_layer_sizes=(20, 20), init="he_uniform", learning_rate_init=0.2, max_iter=50
    )
    study = study_seeds(wild, X, y, seeds=8)
    diverged = np.isnan(study.score)
    for seed in range(8):
        alone = LowLevelMLPClassifier(**wild.get_params()).set_params(random_state=seed)
        if diverged[seed]:
            with pytest.raises(ValueError, match="non-finite"):
                alone.fit(X, y)
        else:
            assert study.score[seed] == alone.fit(X, y).score(X, y)
    assert 0 < diverged.sum() < 8


def test_a_study_of_a_regressor_scores_by_r2():
    targets = X[:, 0]
    study = study_seeds(LowLevelMLPRegressor(hidden_layer_sizes=(3,), max_iter=5), X, targets, seeds=2)
    for fitted, score, dead in zip(study.estimators, study.score, study.dead, strict=True):
        assert score == r2_score(targets, fitted.predict(X))
        assert dead.tolist() == [units.mean() for units in dead_units(fitted, X)]


def test_an_int_of_numpy_is_a_number_of_seeds():
    tiny = clone(NOTEBOOK).set_params(max_iter=1)
    study = study_seeds(tiny, X, y, seeds=np.int64(3))
    assert [network.random_state for network in study.estimators] == [0, 1, 2]
    assert len(study_seeds(tiny, X, y, seeds=np.array([5, 7])).estimators) == 2


@pytest.mark.parametrize("seeds", [0, -1, 2.0, None, []])
def test_a_study_needs_seeds_and_a_network_that_can_be_fitted(seeds):
    with pytest.raises(ValueError, match="seeds must be a positive int or a list of ints, got"):
        study_seeds(LowLevelMLPClassifier((2,)), X, y, seeds=seeds)
    with pytest.raises(ValueError, match="hidden_layer_sizes"):
        study_seeds(LowLevelMLPClassifier((0,)), X, y, seeds=2)


@pytest.mark.parametrize(
    "other",
    [
        make_pipeline(StandardScaler(), LogisticRegression()),
        LogisticRegression(),
        [LowLevelMLPClassifier()],
        None,
    ],
)
def test_a_study_is_of_an_estimator_of_ours(other):
    with pytest.raises(TypeError, match="LowLevelMLPClassifier"):
        study_seeds(other, X, y, seeds=2)


class OwnFit(LowLevelMLPClassifier):
    def fit(self, X, y):
        return super().fit(np.abs(X), y)


def test_what_the_units_of_a_subclass_see_is_not_guessed():
    with pytest.raises(TypeError, match="OwnFit overrides fit"):
        study_seeds(OwnFit(), X, y, seeds=2)
    with pytest.raises(TypeError, match="OwnFit overrides fit"):
        dead_units(OwnFit((3,), max_iter=1).fit(X, y), X)
