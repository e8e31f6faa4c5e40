"""LowLevelMLPClassifier among scikit-learn's tools, put together as its users put them together."""

import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone, is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import DataConversionWarning, FitFailedWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score, cross_validate
from sklearn.multioutput import ClassifierChain
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from skdense import LowLevelMLPClassifier
from skdense.datasets import make_two_clouds

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, y = load_iris(return_X_y=True)
X_CLOUDS, Y_CLOUDS = make_two_clouds(75, random_state=0)
Y_MULTILABEL = np.column_stack([y == 0, y > 0, X[:, 0] > 6]).astype(int)


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
        pipeline = Pipeline([("columns", columns), ("network", small())]).fit(frame, y)
        assert pipeline.score(frame, y) > 0.9
        assert pipeline["network"].n_features_in_ == 6
        assert list(pipeline.feature_names_in_) == list(frame.columns)
        shuffled = frame[["long", "d", "c", "b", "a"]]
        np.testing.assert_array_equal(pipeline.predict_proba(shuffled), pipeline.predict_proba(frame))

    def test_nested_parameters_are_read_and_set_through_the_pipeline(self):
        pipeline = Pipeline([("scale", StandardScaler()), ("network", small())])
        assert pipeline.get_params()["network__hidden_layer_sizes"] == (8,)
        pipeline.set_params(network__hidden_layer_sizes=(5,), network__alpha=0.1)
        assert pipeline["network"].hidden_layer_sizes == (5,)
        assert [coef.shape for coef in pipeline.fit(X, y)["network"].coefs_] == [(4, 5), (5, 3)]

    def test_the_networks_output_feeds_another_classifier(self):
        chain = ClassifierChain(small(), order=[0, 1, 2]).fit(X, Y_MULTILABEL)
        assert chain.score(X, Y_MULTILABEL) > 0.7


class TestFeatureNames:
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])

    def test_names_of_a_frame_are_kept(self):
        model = small().fit(self.frame, y)
        assert list(model.feature_names_in_) == ["a", "b", "c", "d"]
        assert not hasattr(small().fit(X, y), "feature_names_in_")

    @pytest.mark.parametrize(
        "other",
        [X, frame[["b", "a", "c", "d"]], frame.rename(columns={"a": "z"}), frame[["a", "b"]]],
        ids=["no names", "another order", "another name", "missing columns"],
    )
    def test_a_mismatch_is_answered_as_mlpclassifier_answers_it(self, other):
        def answer(model):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                try:
                    model.predict(other)
                except ValueError as error:
                    return str(error)
            return [str(w.message).replace(type(model).__name__, "MLPClassifier") for w in caught]

        ours, theirs = fitted_pair(self.frame, y)
        if isinstance(answer(ours), str):
            assert answer(ours).replace("LowLevelMLPClassifier", "MLPClassifier") == answer(theirs)
        else:
            assert answer(ours) == answer(theirs) != []


class TestModelSelection:
    def test_a_grid_search_over_widths_finds_one_that_learns(self):
        pipeline = Pipeline([("scale", StandardScaler()), ("network", small())])
        widths = [(), (5,), (8,)]
        search = GridSearchCV(pipeline, {"network__hidden_layer_sizes": widths}, cv=3).fit(X, y)
        assert list(search.cv_results_["param_network__hidden_layer_sizes"]) == widths
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

    def test_multiclass_auc_and_log_loss_are_scored(self):
        scores = cross_validate(small(), X, y, cv=3, scoring=["roc_auc_ovr", "neg_log_loss"])
        assert scores["test_roc_auc_ovr"].min() > 0.9
        assert scores["test_neg_log_loss"].min() > -np.log(3)

    @pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite")
    def test_a_candidate_that_fails_costs_only_its_own_score(self):
        search = GridSearchCV(small(), {"hidden_layer_sizes": [(8,), (-1,)]}, cv=2)
        with pytest.warns(FitFailedWarning, match="hidden_layer_sizes must be > 0"):
            search.fit(X, y)
        assert np.isnan(search.cv_results_["mean_test_score"]).tolist() == [False, True]


class TestEnsembles:
    def test_calibration_wraps_the_network(self):
        folds = StratifiedKFold(3)
        calibrated = CalibratedClassifierCV(small(max_iter=5), cv=folds).fit(X_CLOUDS, Y_CLOUDS)
        raw = small(max_iter=5).fit(X_CLOUDS, Y_CLOUDS)
        probabilities = calibrated.predict_proba(X_CLOUDS)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1)
        assert log_loss(Y_CLOUDS, probabilities) < log_loss(Y_CLOUDS, raw.predict_proba(X_CLOUDS))

    def test_a_soft_vote_is_the_mean_of_the_voters_probabilities(self):
        voters = [("network", small()), ("linear", LogisticRegression())]
        vote = VotingClassifier(voters, voting="soft").fit(X, y)
        mean = np.mean([model.predict_proba(X) for model in vote.estimators_], axis=0)
        np.testing.assert_allclose(vote.predict_proba(X), mean)
        np.testing.assert_array_equal(
            vote.estimators_[0].predict_proba(X), small().fit(X, y).predict_proba(X)
        )


class TestLabels:
    @pytest.mark.parametrize(
        "labels",
        [
            np.array(["cold", "hot"]),
            np.array(["cold", "hot"], dtype=object),
            np.array([-1, 1]),
            np.array([2, 7], dtype=np.int8),
            np.array([False, True]),
            np.array([0.0, 1.0]),
            np.array([1, 0]) - 1,
        ],
        ids=["str", "object", "signed", "int8", "bool", "float", "unsorted"],
    )
    def test_what_two_classes_are_called_changes_nothing_but_the_names(self, labels):
        model, reference = fitted_pair(X_CLOUDS, labels[Y_CLOUDS])
        plain = small().fit(X_CLOUDS, np.argsort(np.argsort(labels))[Y_CLOUDS])
        assert_same_network(model, plain)
        np.testing.assert_array_equal(model.classes_, np.sort(labels))
        assert model.classes_.dtype == reference.classes_.dtype
        predicted = model.predict(X_CLOUDS)
        assert predicted.dtype == reference.predict(X_CLOUDS).dtype
        np.testing.assert_array_equal(predicted, np.sort(labels)[plain.predict(X_CLOUDS)])

    @pytest.mark.parametrize(
        "labels", [["setosa", "versicolor", "virginica"], [-5, 10, 300], [1.0, 2.0, 3.0]]
    )
    def test_what_three_classes_are_called_changes_nothing_but_the_names(self, labels):
        model = small().fit(X, np.array(labels)[y])
        plain = small().fit(X, y)
        assert_same_network(model, plain)
        np.testing.assert_array_equal(model.predict(X), np.array(labels)[plain.predict(X)])
        np.testing.assert_array_equal(model.classes_, labels)

    def test_labels_may_come_as_list_series_or_column(self):
        plain = small().fit(X, y)
        assert_same_network(small().fit(X.tolist(), y.tolist()), plain)
        assert_same_network(small().fit(pd.DataFrame(X), pd.Series(y)), plain)
        assert_same_network(small().fit(X, pd.Series(y.astype(str)).astype("category")), plain)
        with pytest.warns(DataConversionWarning, match="column-vector"):
            assert_same_network(small().fit(X, y[:, None]), plain)

    def test_multilabel_targets_have_one_logistic_output_each(self):
        ours, theirs = fitted_pair(X, Y_MULTILABEL)
        np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
        np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-9)
        np.testing.assert_array_equal(ours.predict(X), ours.predict_proba(X) > 0.5)
        assert ours.out_activation_ == "logistic"
        assert ours.n_outputs_ == 3


class TestParameters:
    def test_the_signature_begins_with_mlpclassifiers(self):
        theirs = MLPClassifier().get_params()
        ours = LowLevelMLPClassifier().get_params()
        assert {name: ours[name] for name in theirs} == theirs
        assert set(ours) - set(theirs) == {
            "dtype", "loss", "init", "class_weight", "n_init", "dropout", "weight_decay", "warmup",
            "label_smoothing", "max_grad_norm", "validation_metric",
        }  # fmt: skip

    def test_a_clone_is_unfitted_and_has_the_same_parameters(self):
        model = small(class_weight={0: 1, 1: 2}).fit(X_CLOUDS, Y_CLOUDS)
        copy = clone(model)
        assert copy.get_params() == model.get_params()
        assert vars(copy).keys() == vars(clone(copy)).keys() != vars(model).keys()
        with pytest.raises(NotFittedError):
            copy.predict(X_CLOUDS)
        assert_same_network(copy.fit(X_CLOUDS, Y_CLOUDS), model)

    def test_fit_changes_no_parameter(self):
        model = small()
        before = dict(model.get_params())
        assert model.fit(X, y) is model
        assert model.get_params() == before

    def test_set_params_returns_the_estimator_and_acts_at_the_next_fit(self):
        model = small().fit(X, y)
        assert model.set_params(max_iter=2) is model
        assert model.n_iter_ == 30
        assert model.fit(X, y).n_iter_ == 2

    def test_a_typo_in_a_parameters_name_says_so(self):
        with pytest.raises(TypeError, match="unexpected keyword argument 'hiden_layer_sizes'"):
            LowLevelMLPClassifier(hiden_layer_sizes=(3,))
        with pytest.raises(ValueError, match="Invalid parameter 'hiden_layer_sizes'") as caught:
            small().set_params(hiden_layer_sizes=(3,))
        assert "'hidden_layer_sizes'" in str(caught.value)
        with pytest.raises(ValueError, match="Invalid parameter 'hiden_layer_sizes'"):
            GridSearchCV(small(), {"hiden_layer_sizes": [(3,)]}, cv=2, error_score="raise").fit(X, y)

    def test_all_but_the_first_two_parameters_are_keywords(self):
        with pytest.raises(TypeError, match="positional argument"):
            LowLevelMLPClassifier((3,), "relu", "adam")

    def test_it_is_a_classifier_and_prints_what_was_changed(self):
        assert is_classifier(small())
        assert repr(LowLevelMLPClassifier((3,), alpha=0.1)) == (
            "LowLevelMLPClassifier(alpha=0.1, hidden_layer_sizes=(3,))"
        )

    def test_a_notebook_shows_it(self):
        for model in (small(), small().fit(X, y), make_pipeline(StandardScaler(), small())):
            page = model._repr_html_()
            assert "LowLevelMLPClassifier" in page
            assert "learning_rate_init" in page


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

    def test_weights_that_nobody_asked_for_are_an_error(self):
        with pytest.raises(ValueError, match=r"sample_weight.* not explicitly set"):
            make_pipeline(small()).fit(X, y, sample_weight=self.weights)


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
