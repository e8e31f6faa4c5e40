"""LowLevelMLPClassifier among scikit-learn's tools, put together as its users put them together."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import is_classifier
from sklearn.datasets import load_iris
from sklearn.exceptions import DataConversionWarning
from sklearn.model_selection import cross_val_score
from sklearn.neural_network import MLPClassifier

from skdense import LowLevelMLPClassifier
from skdense.datasets import make_two_clouds

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, y = load_iris(return_X_y=True)
X_CLOUDS, Y_CLOUDS = make_two_clouds(75, random_state=0)


def small(**parameters):
    defaults = {"learning_rate_init": 0.02, "max_iter": 30, "random_state": 0}
    return LowLevelMLPClassifier((8,), **defaults | parameters)


def fitted_pair(X, y, **parameters):
    """Our estimator and MLPClassifier, fitted alike."""
    ours = small(**parameters).fit(X, y)
    theirs = MLPClassifier(
        **{name: ours.get_params()[name] for name in MLPClassifier().get_params()}
    ).fit(X, y)
    return ours, theirs


def assert_same_network(one, other):
    for ours, theirs in zip(
        one.coefs_ + one.intercepts_, other.coefs_ + other.intercepts_, strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


class TestModelSelection:
    @pytest.mark.parametrize("scoring", ["roc_auc", "neg_log_loss", "accuracy", "f1"])
    def test_cross_validation_scores_equal_those_of_mlpclassifier(self, scoring):
        """In float64, to rounding: each fold trains the same network from the same draws."""
        settings = {"learning_rate_init": 0.02, "max_iter": 30, "random_state": 0}
        scores = [
            cross_val_score(
                Model((8,), **settings), X_CLOUDS.astype(float), Y_CLOUDS, cv=3, scoring=scoring
            )
            for Model in (LowLevelMLPClassifier, MLPClassifier)
        ]
        np.testing.assert_allclose(*scores, rtol=1e-9)


class TestLabels:
    @pytest.mark.parametrize(
        "labels",
        [
            np.array(["cold", "hot"]),
            np.array(["cold", "hot"], dtype=object),
            np.array([2, 7], dtype=np.int8),
            np.array([False, True]),
            np.array([0.0, 1.0]),
            np.array([1, 0]) - 1,
            np.array(["setosa", "versicolor", "virginica"]),
            np.array([-5, 10, 300]),
        ],
        ids=["str", "object", "int8", "bool", "float", "unsorted", "three str", "three"],
    )
    def test_what_classes_are_called_changes_nothing_but_the_names(self, labels):
        features, codes = (X_CLOUDS, Y_CLOUDS) if len(labels) == 2 else (X, y)
        model, reference = fitted_pair(features, labels[codes])
        plain = small().fit(features, np.argsort(np.argsort(labels))[codes])
        assert_same_network(model, plain)
        np.testing.assert_array_equal(model.classes_, np.sort(labels))
        assert model.classes_.dtype == reference.classes_.dtype
        predicted = model.predict(features)
        assert predicted.dtype == reference.predict(features).dtype
        np.testing.assert_array_equal(predicted, np.sort(labels)[plain.predict(features)])

    def test_labels_may_come_as_list_series_or_column(self):
        plain = small().fit(X, y)
        assert_same_network(small().fit(X.tolist(), y.tolist()), plain)
        assert_same_network(small().fit(pd.DataFrame(X), pd.Series(y)), plain)
        assert_same_network(small().fit(X, pd.Series(y.astype(str)).astype("category")), plain)
        with pytest.warns(DataConversionWarning, match="column-vector"):
            assert_same_network(small().fit(X, y[:, None]), plain)


class TestParameters:
    def test_the_signature_begins_with_mlpclassifiers(self):
        theirs = MLPClassifier().get_params()
        ours = LowLevelMLPClassifier().get_params()
        assert {name: ours[name] for name in theirs} == theirs
        assert set(ours) - set(theirs) == {
            "dtype", "loss", "init", "class_weight", "n_init", "dropout", "weight_decay", "warmup",
            "label_smoothing", "max_grad_norm", "validation_metric",
        }  # fmt: skip

    def test_all_but_the_first_two_parameters_are_keywords(self):
        with pytest.raises(TypeError, match="positional argument"):
            LowLevelMLPClassifier((3,), "relu", "adam")

    def test_it_is_a_classifier_and_prints_what_was_changed(self):
        assert is_classifier(small())
        assert repr(LowLevelMLPClassifier((3,), alpha=0.1)) == (
            "LowLevelMLPClassifier(alpha=0.1, hidden_layer_sizes=(3,))"
        )


class TestProbabilities:
    @pytest.mark.parametrize("given", [np.int64, np.float16, np.uint8, bool, np.longdouble])
    def test_everything_else_becomes_float64(self, given):
        model = small().fit(X_CLOUDS.astype(given), Y_CLOUDS)
        assert model.coefs_[0].dtype == np.float64
        assert model.predict_proba(X_CLOUDS.astype(given)).dtype == np.float64

    @pytest.mark.parametrize(("first", "then"), [("float32", float), (float, "float32")])
    def test_training_goes_on_in_the_dtype_it_began_with_as_mlpclassifiers(self, first, then):
        ours, theirs = fitted_pair(X_CLOUDS.astype(first), Y_CLOUDS)
        for model in (ours, theirs):
            model.partial_fit(X_CLOUDS.astype(then), Y_CLOUDS)
        assert ours.coefs_[0].dtype == theirs.coefs_[0].dtype == np.dtype(first)
