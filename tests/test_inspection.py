"""Dead units, on networks whose state is known."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from helpers import OF_NOTEBOOK
from skdense import LowLevelMLPClassifier
from skdense.datasets import make_two_clouds
from skdense.inspection import dead_unit_masks

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, y = make_two_clouds(100, random_state=0)
NOTEBOOK = LowLevelMLPClassifier((2, 2), **OF_NOTEBOOK, batch_size=100, max_iter=20)


def test_a_unit_whose_bias_holds_it_below_zero_is_dead_and_only_that_one():
    clf = (
        LowLevelMLPClassifier(**NOTEBOOK.get_params()).set_params(max_iter=1, random_state=0).fit(X, y)
    )
    clf.coefs_ = [np.eye(2), np.eye(2), np.ones((2, 1))]
    clf.intercepts_ = [np.array([0.0, -1e3]), np.array([-1e3, 10.0]), np.zeros(1)]
    first, second = dead_unit_masks(clf, X)
    assert first.tolist() == [False, True]
    # The second layer's other unit sees only the dead one: it outputs 10 for every sample.
    assert second.tolist() == [True, True]


def test_a_model_without_hidden_layers_has_no_units():
    assert dead_unit_masks(LowLevelMLPClassifier((), solver="lbfgs").fit(X, y), X) == []


def test_the_units_of_a_pipeline_see_what_its_steps_make():
    network = LowLevelMLPClassifier(**NOTEBOOK.get_params()).set_params(random_state=0)
    model = make_pipeline(make_pipeline(StandardScaler(), network)).fit(X, y)
    expected, _ = dead_unit_masks(network, StandardScaler().fit_transform(X))
    found = dead_unit_masks(model, X)
    assert found[0].tolist() == expected.tolist()


@pytest.mark.parametrize(
    "other", [make_pipeline(StandardScaler(), LogisticRegression()), LogisticRegression()]
)
def test_only_networks_have_units(other):
    with pytest.raises(TypeError, match="LowLevelMLPClassifier"):
        dead_unit_masks(other.fit(X, y), X)


class OwnFit(LowLevelMLPClassifier):
    def fit(self, X, y):
        return super().fit(np.abs(X), y)


def test_what_the_units_of_a_subclass_see_is_not_guessed():
    with pytest.raises(TypeError, match="OwnFit overrides fit"):
        dead_unit_masks(OwnFit((3,), max_iter=1).fit(X, y), X)
