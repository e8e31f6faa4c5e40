"""LowLevelMLPClassifier among scikit-learn's tools, put together as its users put them together."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import DataConversionWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score, cross_validate
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

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


class TestPipelines:
    def test_a_pipeline_equals_its_steps_by_hand(self):
        pipeline = make_pipeline(StandardScaler(), small()).fit(X, y)
        scaled = StandardScaler().fit_transform(X)
        by_hand = small().fit(scaled, y)
        np.testing.assert_array_equal(pipeline.predict_proba(X), by_hand.predict_proba(scaled))
        assert pipeline.score(X, y) == accuracy_score(y, pipeline.predict(X)) > 0.9

    def test_a_column_transformer_takes_a_frame_apart(self):
        frame = pd.DataFrame(X, columns=["a", "b", "c", "d"]).assign(
            long=np.where(X[:, 2] > 4, "yes", "no")
        )
        columns = make_column_transformer(
            (StandardScaler(), ["a", "b", "c", "d"]), (OneHotEncoder(), ["long"])
        )
        pipeline = make_pipeline(columns, small()).fit(frame, y)
        assert pipeline.score(frame, y) > 0.9
        assert pipeline[-1].n_features_in_ == 6
        shuffled = frame[["long", "d", "c", "b", "a"]]
        np.testing.assert_array_equal(pipeline.predict_proba(shuffled), pipeline.predict_proba(frame))

    def test_calibration_and_a_soft_vote_wrap_the_network(self):
        short = small(max_iter=5)
        calibrated = CalibratedClassifierCV(short, cv=StratifiedKFold(3)).fit(X, y)
        raw = short.fit(X, y).predict_proba(X)
        assert log_loss(y, calibrated.predict_proba(X)) < log_loss(y, raw)
        vote = VotingClassifier([("network", short), ("linear", LogisticRegression())], voting="soft")
        mean = np.mean([raw, LogisticRegression().fit(X, y).predict_proba(X)], axis=0)
        np.testing.assert_allclose(vote.fit(X, y).predict_proba(X), mean)


class TestModelSelection:
    def test_a_grid_search_over_widths_finds_one_that_learns(self):
        pipeline, widths = make_pipeline(StandardScaler(), small()), [(), (5,), (8,)]
        grid = {"lowlevelmlpclassifier__hidden_layer_sizes": widths}
        search = GridSearchCV(pipeline, grid, cv=3).fit(X, y)
        assert list(search.cv_results_["param_lowlevelmlpclassifier__hidden_layer_sizes"]) == widths
        assert search.best_score_ > 0.85
        assert search.score(X, y) > 0.9

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


class TestMetadataRouting:
    weights = np.linspace(0.1, 2, len(X))

    @pytest.fixture(autouse=True)
    def routing(self):
        with sklearn.config_context(enable_metadata_routing=True):
            yield

    def test_sample_weight_reaches_the_network_through_a_pipeline(self):
        network = small().set_fit_request(sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        pipeline = make_pipeline(scaler, network).fit(X, y, sample_weight=self.weights)
        scaled = StandardScaler().fit_transform(X)
        direct = small().fit(scaled, y, sample_weight=self.weights)
        assert_same_network(pipeline[-1], direct)

    def test_sample_weight_is_split_with_the_folds(self):
        model = small().set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        folds = list(StratifiedKFold(2).split(X, y))
        routed = cross_validate(
            model, X, y, cv=folds, params={"sample_weight": self.weights}, return_estimator=True
        )
        for (train, test), fitted, score in zip(folds, routed["estimator"], routed["test_score"]):
            direct = small().fit(X[train], y[train], sample_weight=self.weights[train])
            assert_same_network(fitted, direct)
            assert score == direct.score(X[test], y[test], sample_weight=self.weights[test])


class TestProbabilities:
    def test_float32_stays_float32(self):
        model = small().fit(X_CLOUDS, Y_CLOUDS)
        assert X_CLOUDS.dtype == np.float32
        assert {array.dtype for array in model.coefs_ + model.intercepts_} == {np.dtype("float32")}
        assert model.predict_proba(X_CLOUDS).dtype == np.float32
        assert model.predict_log_proba(X_CLOUDS).dtype == np.float32
        assert model.predict_proba(X_CLOUDS.astype(float)).dtype == np.float64

    @pytest.mark.parametrize("given", [np.int64, np.float16, np.uint8, bool, np.longdouble])
    def test_everything_else_becomes_float64(self, given):
        model = small().fit(X_CLOUDS.astype(given), Y_CLOUDS)
        assert model.coefs_[0].dtype == np.float64
        assert model.predict_proba(X_CLOUDS.astype(given)).dtype == np.float64

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_dtype_decides_whatever_X_is(self, dtype):
        for data in (X_CLOUDS, X_CLOUDS.astype(float)):
            model = small(dtype=dtype).fit(data, Y_CLOUDS)
            assert {array.dtype for array in model.coefs_} == {np.dtype(dtype)}

    @pytest.mark.parametrize(("first", "then"), [("float32", float), (float, "float32")])
    def test_training_goes_on_in_the_dtype_it_began_with_as_mlpclassifiers(self, first, then):
        ours, theirs = fitted_pair(X_CLOUDS.astype(first), Y_CLOUDS)
        for model in (ours, theirs):
            model.partial_fit(X_CLOUDS.astype(then), Y_CLOUDS)
        assert ours.coefs_[0].dtype == theirs.coefs_[0].dtype == np.dtype(first)
