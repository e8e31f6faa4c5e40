"""The models of tables: which there are, what each sees, and what the size of a table decides."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lightgbm import LGBMClassifier, LGBMRegressor
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import is_classifier
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.metrics import log_loss
from sklearn.model_selection import KFold
from sklearn.multioutput import MultiOutputRegressor
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skdense import LowLevelMLPClassifier, TabularClassifier, TabularRegressor
from skdense.ensemble.samples import Samples
from skdense.tabular.levels import SMALL_TREES
from skdense.tabular.models import (
    MODELS,
    Patience,
    Task,
    models_of,
    number_of_folds,
    training_for,
)

pytestmark = pytest.mark.usefixtures("coarse_buckets")

N = 60
RNG = np.random.default_rng(0)
X = pd.DataFrame({"a": RNG.normal(size=N), "b": RNG.lognormal(size=N), "c": ["red", "blue"] * (N // 2)})
X.loc[::7, "b"] = np.nan
NUMBERS = X["a"].to_numpy() + (X["c"] == "red")
LABELS = np.where(NUMBERS > np.median(NUMBERS), "high", "low")
FEW = {"cv": 2, "random_state": 0}
NETWORK = {"hidden_layer_sizes": (), "max_iter": 3}


def classifier(*models, **parameters):
    return TabularClassifier(models=[*models], **FEW | parameters)


def regressor(*models, **parameters):
    return TabularRegressor(models=[*models], **FEW | parameters)


def members_of(fitted, *names):
    """The members of models."""
    named = fitted.ensemble_.named_estimators_
    return [member for name in names for member in named[name][-1].estimators_]


# --- which there are ---------------------------------------------------------------------------------


def task_of(n_rows=100, n_columns=10, n_classes=0, n_outputs=1, loss="squared_error"):
    return Task(
        n_rows=n_rows,
        n_trained_on=n_rows,
        rarest_class_size=n_rows // n_classes if n_classes else 0,
        n_columns=n_columns,
        n_classes=n_classes,
        n_outputs=n_outputs,
        loss_params={} if n_classes else {"loss": loss, "quantile": 0.5, "delta": 1.0},
        network_params={},
    )


def suiting(**its):
    """The names of the models that suit a table."""
    return " ".join(name for name, model in MODELS.items() if model.suits(task_of(**its)))


def test_rows_columns_classes_outputs_and_the_loss_decide_which_models_there_are():
    assert suiting(n_rows=51) == suiting(n_rows=1_000) == "plain ramps trees linear constant kernel"
    assert suiting(n_rows=1_001) == suiting(n_rows=4_999) == "plain ramps trees linear constant"
    assert suiting(n_rows=9_999) == "plain ramps trees linear constant deep"
    assert suiting(n_rows=10_000) == suiting(n_rows=10**6) == "ramps trees deep"
    assert suiting(n_rows=10_000, n_classes=3) == "plain ramps trees deep"
    assert suiting(n_rows=10_000, n_outputs=2) == "plain ramps trees deep"
    assert suiting(n_rows=399, n_classes=2) == "plain ramps trees linear constant sparse"
    assert suiting(n_rows=400, n_classes=2) == "ramps trees linear constant sparse"
    for n_rows, n_classes in ((300, 0), (300, 2), (3_000, 2)):
        models = suiting(n_rows=n_rows, n_columns=1_000, n_classes=n_classes)
        assert models == "plain trees linear constant sparse" + " kernel" * (n_classes == 0)
    assert "ramps" in suiting(n_columns=999)
    assert suiting(n_classes=3) == suiting(n_classes=10) == "plain ramps trees linear constant"
    assert suiting(n_classes=11) == "plain ramps linear constant"
    assert suiting(n_outputs=11) == "plain ramps linear constant kernel"
    assert suiting(n_outputs=2) == suiting(n_outputs=10) == "plain ramps trees linear constant kernel"
    for loss in ("absolute_error", "poisson", "quantile", "huber"):
        assert suiting(loss=loss) == "plain ramps trees"
        assert suiting(loss=loss, n_outputs=2) == "plain ramps trees"


def test_the_sparse_model_is_for_many_columns_and_for_few_rows_of_two_classes():
    def is_in(n_rows, n_columns, n_classes):
        return "sparse" in suiting(n_rows=n_rows, n_columns=n_columns, n_classes=n_classes).split()

    assert [is_in(n, 300, 0) for n in (1_500, 1_501)] == [True, False]
    assert [is_in(n, 300, 2) for n in (1_500, 1_501)] == [True, False]
    assert [is_in(n, 10, 0) for n in (50, 51)] == [True, False]
    assert [is_in(n, 10, 2) for n in (1_000, 1_001)] == [True, False]
    assert not is_in(100, 300, 3)


def test_the_columns_that_count_are_those_of_the_encoded_table():
    """A column of 20 levels is 20 columns."""
    levels = np.arange(100) % 20
    fitted = TabularRegressor(network_params=NETWORK, cv=2, random_state=0)
    fitted.fit(pd.DataFrame({"level": levels.astype(str) + np.array("x")}), levels % 3)
    assert "sparse" in fitted.ensemble_.named_estimators_


def test_a_listed_model_is_fitted_whatever_the_size_is():
    assert "trees" not in suiting(n_classes=11).split()
    y = np.arange(N) % 11
    fitted = classifier("trees", "constant").fit(X, y)
    assert [*fitted.ensemble_.named_estimators_] == ["trees", "constant"]
    assert fitted.predict_proba(X).shape == (N, 11)


@pytest.mark.parametrize(
    ("models", "message"),
    [
        (["tree"], r"models must be names from \['plain', .*\], or \(name, estimator\) .* got 'tree'"),
        ([], r"a list with at least one model, got \[\]"),
        (["linear", "linear"], r"distinct names, got \['linear', 'linear'\]"),
        ([("linear", GaussianNB()), "linear"], "distinct names"),
        ([("mine", 3)], r"pairs of a name and a classifier, got \('mine', 3\)"),
        ([("mine", Ridge())], r"pairs of a name and a classifier, got \('mine', Ridge\(\)\)"),
        ([GaussianNB()], "pairs of a name and a classifier, got GaussianNB"),
        ([("mine", GaussianNB)], "pairs of a name and a classifier"),
        ([(1, GaussianNB())], "pairs of a name and a classifier"),
        ("linear", "'models' parameter of TabularClassifier must be an instance of 'list'"),
    ],
    ids=str,
)
def test_what_is_no_model_is_told(models, message):
    with pytest.raises(ValueError, match=message):
        TabularClassifier(models=models, **FEW).fit(X, LABELS)


def test_a_classifier_without_probabilities_is_told():
    with pytest.raises(TypeError, match="a classifier that has predict_proba, got RidgeClassifier"):
        classifier(("mine", RidgeClassifier())).fit(X, LABELS)


def test_what_a_model_cannot_do_at_all_is_told():
    with pytest.raises(
        ValueError, match="not have 'linear': it minimizes 'squared_error', got loss='h"
    ):
        regressor("linear", loss="huber").fit(X, NUMBERS)
    with pytest.raises(
        ValueError, match=r"out of the valid range of objective='poisson': .* at least 0"
    ):
        regressor("trees", loss="poisson").fit(X, NUMBERS)
    for model, y in ((classifier, LABELS), (regressor, NUMBERS)):
        neighbours = KNeighborsClassifier() if model is classifier else KNeighborsRegressor()
        with pytest.raises(ValueError, match="takes no sample_weight"):
            model(("near", neighbours)).fit(X, y, sample_weight=np.ones(N))
    with pytest.raises(ValueError, match=r"takes no .*class_weight"):
        classifier(("near", KNeighborsClassifier()), class_weight="balanced").fit(X, LABELS)


# --- several columns of y ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n_rows", "loss"), [(900, "squared_error"), (N, "poisson"), (N, "absolute_error")]
)
def test_trees_of_several_columns_of_y_are_those_of_each_column_alone(n_rows, loss):
    """With 900 rows, the fold stops the trees of each column after different rounds."""
    rng = np.random.default_rng(0)
    many = pd.DataFrame(rng.normal(size=(n_rows, 3)), columns=[*"abc"])
    many["b"] = many["b"].where(many["b"] < 1)
    y = np.c_[many["a"] ** 2, rng.lognormal(size=n_rows), 100 * many["c"].abs()]
    weight = rng.integers(1, 4, n_rows)
    model = regressor("trees", loss=loss).fit(many, y, sample_weight=weight)
    alone = [regressor("trees", loss=loss).fit(many, column, sample_weight=weight) for column in y.T]
    expected = np.column_stack([each.predict(many) for each in alone])
    assert_allclose(model.predict(many), expected, rtol=1e-9)
    assert_array_equal(model.predict(many[:1]), model.predict(many)[:1])
    if n_rows == 900:
        rounds = [part.n_estimators_ for part in members_of(model, "trees")[0].estimators_]
        assert len({*rounds}) == 3


def test_each_column_of_y_has_what_it_would_have_alone():
    """Also where a member sees nothing but zeros of a column, which have no Poisson loss."""
    y = np.c_[np.exp(NUMBERS), np.arange(N) >= N - 5]
    model = regressor("trees", loss="poisson", cv=KFold(4)).fit(X, y)
    alone = regressor("trees", loss="poisson", cv=KFold(4)).fit(X, y[:, 1])
    assert_allclose(model.predict(X)[:, 1], alone.predict(X), rtol=1e-9)


def test_a_linear_model_has_for_each_column_of_y_the_penalty_it_would_have_alone():
    """Columns of noise need a strong one, which would be far too strong for the first column."""
    rng = np.random.default_rng(0)
    many = rng.normal(size=(60, 10))
    y = np.c_[many[:, 0] + many[:, 1], rng.normal(size=(60, 3))]
    model = regressor("linear").fit(many, y)
    alone = np.column_stack([regressor("linear").fit(many, column).predict(many) for column in y.T])
    assert_allclose(model.predict(many), alone, rtol=1e-6, atol=1e-9)


def test_all_models_predict_several_columns_of_y():
    """More accurately than networks and linear models alone, where trees are better."""
    rng = np.random.default_rng(0)
    steps = pd.DataFrame(rng.normal(size=(300, 4)), columns=[*"abcd"])
    y = np.c_[np.floor(2 * steps["a"]) % 3, np.floor(2 * steps["b"]) % 3]
    models = "ramps", "trees", "deep", "linear", "sparse", "constant"
    fitted = regressor(*models, network_params=NETWORK).fit(steps, y)
    losses = fitted.summary()["oof_loss"]
    assert losses.drop("all").idxmin() == "trees"
    assert losses["all"] < 0.6 * losses["linear"]
    assert fitted.predict_interval(steps).shape == (300, 2, 2)


def test_lightgbm_for_each_output_of_the_user_is_stopped_by_its_fold():
    y = np.c_[NUMBERS, -NUMBERS]
    trees = LGBMRegressor(n_estimators=200, early_stopping_round=3, min_child_samples=5, verbose=-1)
    fitted = regressor(("mine", MultiOutputRegressor(trees))).fit(X, y)
    rounds = [part.best_iteration_ for m in members_of(fitted, "mine") for part in m.estimators_]
    assert 0 < min(rounds) <= max(rounds) < 200


# --- estimators of the user --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "estimator", "sees"),
    [
        ("linear", GaussianNB(), "linear"),
        ("plain", GaussianNB(), "plain"),
        ("trees", LGBMClassifier(n_estimators=3, verbose=-1), "trees"),
        ("mine", LowLevelMLPClassifier(**NETWORK, early_stopping=True), "plain"),
        ("mine", HistGradientBoostingClassifier(max_iter=3), "trees"),
        ("mine", RandomForestClassifier(3), "trees"),
        ("mine", LogisticRegression(), "linear"),
        ("mine", make_pipeline(StandardScaler(), GaussianNB()), "linear"),
    ],
    ids=lambda each: each if isinstance(each, str) else type(each).__name__,
)
def test_an_estimator_sees_what_its_name_or_its_kind_says(name, estimator, sees):
    before = estimator.get_params()
    fitted = classifier((name, estimator), "constant").fit(X, LABELS)
    view, members = fitted.ensemble_.named_estimators_[name]
    assert view.get_params() == MODELS[sees].view.get_params()
    assert type(members.estimators_[0]) is type(estimator)
    assert str(estimator.get_params()) == str(before)  # a clone was fitted
    assert fitted.predict_proba(X).shape == (N, 2)


@pytest.mark.filterwarnings("error")
def test_members_have_a_thread_each_unless_the_user_says_otherwise():
    """scikit-learn's follow joblib, and some of them warn of any n_jobs. So do subclasses of them."""

    class Subclass(LogisticRegression):
        pass

    for given_n, expected in ((None, 1), (2, 2)):
        model = LGBMClassifier(n_estimators=3, verbose=-1, n_jobs=given_n)
        members = members_of(classifier(("mine", model)).fit(X, LABELS), "mine")
        assert [member.n_jobs for member in members] == [expected] * 2
        last = make_pipeline(StandardScaler(), model)
        members = members_of(classifier(("mine", last)).fit(X, LABELS), "mine")
        assert [member[-1].n_jobs for member in members] == [expected] * 2
    for model in (LogisticRegression(), Subclass()):
        members = members_of(classifier(("mine", model)).fit(X, LABELS), "mine")
        assert [member.n_jobs for member in members] == [None] * 2


@pytest.mark.parametrize("make", [classifier, regressor])
def test_catboost_is_a_model(make):
    """It is no BaseEstimator, and has only those parameters that are set."""
    catboost = pytest.importorskip("catboost")
    cls = catboost.CatBoostClassifier if make is classifier else catboost.CatBoostRegressor
    y = LABELS if make is classifier else NUMBERS
    fitted = make(("cat", cls(iterations=30, verbose=False, allow_writing_files=False))).fit(X, y)
    view, members = fitted.ensemble_.named_estimators_["cat"]
    assert view.scaling is None
    assert [member.get_params()["thread_count"] for member in members.estimators_] == [1, 1]
    assert fitted.score(X, y) > 0.8


class Seeing(GaussianNB):
    """Notes the labels that it is fitted to."""

    seen = []

    def fit(self, X, y, sample_weight=None):
        self.seen.append(np.unique(y).tolist())
        return super().fit(X, y, sample_weight)


def test_members_see_classes_as_numbers_from_0_and_the_user_the_labels():
    Seeing.seen.clear()
    y = np.array(["c", "a", "b"], object)[np.arange(N) % 3]
    fitted = classifier(("mine", Seeing())).fit(X, y)
    assert Seeing.seen == [[0, 1, 2]] * 2
    assert_array_equal(fitted.classes_, ["a", "b", "c"])
    assert set(fitted.predict(X)) <= {"a", "b", "c"}


# --- parameters of networks --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("drpout", "did you mean 'dropout'?"),
        ("anything", "networks have activation, .*hidden_layer_sizes"),
        (3, "networks have activation"),
        ("loss", "it is a parameter of TabularRegressor"),
        ("random_state", "set that of the model"),
        ("verbose", "set that of the model"),
        ("warm_start", "trained from the start"),
        ("class_weight", "it is a parameter of TabularClassifier"),
    ],
)
@pytest.mark.parametrize(("make", "y"), [(classifier, LABELS), (regressor, NUMBERS)])
@pytest.mark.parametrize("models", [["plain"], ["linear"]], ids=str)
def test_parameters_that_are_not_those_of_networks_are_told(models, make, y, name, message):
    with pytest.raises(ValueError, match=f"network_params must not have {name!r}: .*{message}"):
        make(*models, network_params={name: 1}).fit(X, y)


def test_parameters_of_networks_are_those_of_both_models_in_the_place_of_the_defaults():
    settings = NETWORK | {"batch_size": 20, "dropout": 0.0}
    fitted = regressor("plain", "ramps", loss="huber", relative_delta=0.3, network_params=settings)
    for network in members_of(fitted.fit(X, NUMBERS), "plain", "ramps"):
        its = network.get_params()
        assert its.items() >= (settings | {"loss": "huber", "delta": 0.3, "dtype": "float32"}).items()
    with pytest.raises(ValueError, match="'dropout' parameter of LowLevelMLPRegressor"):
        regressor("plain", network_params={"dropout": 7}).fit(X, NUMBERS)


def test_labels_are_smoothed_unless_the_user_says_otherwise():
    for given_share, expected in (({}, 0.05), ({"label_smoothing": 0}, 0)):
        fitted = classifier("plain", network_params=NETWORK | given_share).fit(X, LABELS)
        assert {network.label_smoothing for network in members_of(fitted, "plain")} == {expected}


# --- what the number of rows decides -----------------------------------------------------------------


def test_networks_see_as_many_rows_unless_epochs_would_be_too_few_or_too_many():
    n_rows = np.array([400, 8_000, 20_000, 80_000, 10_000_000])
    epochs = np.array([training_for(n)["max_iter"] for n in n_rows])
    assert_array_equal(n_rows[1:4] * epochs[1:4], 800_000)
    assert_array_equal(epochs[[0, -1]], [100, 10])


def test_the_fewest_rows_that_a_member_is_trained_on_decide_how_networks_are_trained():
    fold = np.arange(12)
    cv = [(np.setdiff1d(np.arange(N), fold), fold), (fold, np.arange(12, 20))]
    with warnings.catch_warnings(action="error"):  # none about batch_size
        settings = {"network_params": {"hidden_layer_sizes": ()}}
        fitted = regressor("plain", "ramps", cv=cv, **settings).fit(X, NUMBERS)
    for name, epochs in (("plain", 100), ("ramps", 30)):
        for network in members_of(fitted, name):
            assert network.get_params().items() >= training_for(12, name == "plain").items()
            assert (network.batch_size, network.max_iter, network.n_iter_) == (12, epochs, epochs)


def test_plain_networks_of_few_rows_train_longer_than_those_with_ramps():
    n_rows = [51, 120, 150, 300, 399]
    assert [training_for(n, is_long=True)["max_iter"] for n in n_rows] == [100, 100, 80, 40, 30]
    assert {training_for(n)["max_iter"] for n in n_rows} == {30}
    assert training_for(400, is_long=True) == training_for(400)


def test_from_400_rows_to_train_on_folds_stop_members():
    assert [training_for(n)["early_stopping"] for n in (399, 400)] == [False, True]
    x = np.random.default_rng(0).normal(size=(800, 1))
    y = x[:, 0] + np.random.default_rng(1).normal(size=800)
    for n_rows, is_stopped in ((798, False), (800, True)):
        fitted = regressor("trees").fit(x[:n_rows], y[:n_rows])
        n_trees = {member.booster_.current_iteration() for member in members_of(fitted, "trees")}
        assert (max(n_trees) < 1000) if is_stopped else n_trees == {100}


@given(st.lists(st.floats(0, 1), min_size=30, max_size=200))
def test_trees_wait_the_longer_for_a_lower_loss_the_more_rounds_they_had(losses):
    """The callback of LightGBM against its rule, on any losses of rounds."""
    from lightgbm.callback import CallbackEnv, EarlyStopException

    wait, kept = Patience(), None
    for now, loss in enumerate(losses):
        best = int(np.argmin(losses[: now + 1]))
        try:
            wait(CallbackEnv(None, {}, now, 0, len(losses), [("fold", "l2", loss, False)]))
        except EarlyStopException as stop:
            kept = stop.best_iteration
        assert kept == (now if now > best * 1.3 + 10 else None)  # all rounds are kept
        if kept:
            break


@pytest.mark.parametrize(
    ("n_rows", "of_largest", "n_groups", "n_folds", "is_told"),
    [
        (2_999, None, None, 8, False),
        (3_000, None, None, 5, False),
        (4_999, None, None, 5, False),
        (5_000, None, None, 4, False),
        (9_999, 5_000, None, 8, False),
        (10_000, 5_000, None, 4, False),
        (3, None, None, 3, True),
        (100, 7, None, 7, True),
        (100, 50, 3, 3, False),
        (100, 50, 1, 2, False),
    ],
)
def test_there_are_as_many_folds_as_suit_the_rows_the_largest_class_and_groups(
    n_rows, of_largest, n_groups, n_folds, is_told
):
    y = np.arange(n_rows) if of_largest is None else np.arange(n_rows) // of_largest
    groups = None if n_groups is None else np.arange(n_rows) % n_groups
    ones, told = np.ones(n_rows), []
    samples = Samples(None, y, ones, ones, False, groups)
    assert number_of_folds(samples, of_largest is not None, False, told.append) == n_folds
    assert len(told) == is_told
    message = f"sample(s), too few for 8 folds: {n_folds} folds are used"
    assert all(message in text for text in told)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([0, 1, 2], r"the largest class of y has 1 sample\(s\) of positive weight, but 2 are needed"),
        ([0.5, 1.5], r"y has 2 sample\(s\) of positive weight, but 3 are needed"),
    ],
)
def test_an_error_says_how_many_rows_are_needed(y, message):
    model = TabularRegressor() if isinstance(y[0], float) else TabularClassifier()
    with pytest.raises(ValueError, match=message):
        model.fit(np.arange(len(y))[:, None], y)


def test_two_rows_are_enough_without_trees():
    model = TabularRegressor(models=["linear", "constant"])
    with pytest.warns(UserWarning, match="too few for 8 folds"):
        assert np.isfinite(model.fit([[1.0], [2.0]], [1.0, 2.0]).predict([[1.5]])).all()


# --- single models -----------------------------------------------------------------------------------


def test_the_penalty_of_linear_models_is_chosen():
    """Classes that a difference of nearly equal columns separates need nearly none."""
    rng = np.random.default_rng(0)
    parts = rng.normal(size=(400, 3))
    x = 3 * rng.normal(size=(400, 1)) + 0.1 * parts
    y = (parts[:, 0] > parts[:, 1]).astype(int)
    model = classifier("linear", cv=3).fit(x[:200], y[:200])
    fixed = LogisticRegression(C=0.3).fit((x[:200] - x.mean(0)) / x.std(0), y[:200])
    loss = log_loss(y[200:], model.predict_proba(x[200:]))
    assert loss < 0.2 < 0.6 < log_loss(y[200:], fixed.predict_proba((x[200:] - x.mean(0)) / x.std(0)))
    # And for noise a strong one.
    noise = rng.normal(size=(100, 20))
    fitted = members_of(classifier("linear").fit(noise, np.arange(100) % 2), "linear")
    assert max(np.abs(each.coef_).max() for each in fitted) < 0.1


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ["linear", "sparse", "kernel"])
def test_linear_models_can_be_fitted_to_few_rows_and_rare_classes(name):
    x = np.random.default_rng(0).normal(size=(60, 3))
    for y, cv in ((np.arange(12) % 2, 4), (np.r_[np.zeros(50), 1, 1], 2), (np.arange(6) % 3, 2)):
        fitted = classifier(name, cv=cv).fit(x[: len(y)], y)
        assert np.isfinite(fitted.predict_proba(x)).all()
    for n_rows in (4, 12, 60):
        assert np.isfinite(regressor(name).fit(x[:n_rows], x[:n_rows, 0]).predict(x)).all()


def test_the_sparse_model_finds_the_few_columns_that_matter():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1_150, 300))
    linear = x[:, :3] @ [2, -1.5, 1]
    y = linear + rng.normal(size=len(x))
    model = regressor("sparse", cv=4).fit(x[:150], y[:150])
    assert np.sqrt(np.mean((model.predict(x[150:]) - y[150:]) ** 2)) < 1.2  # 1 is noise
    labels = (3 * linear + rng.logistic(size=len(x)) > 0).astype(int)
    losses = [
        log_loss(labels[150:], classifier(name, cv=4).fit(x[:150], labels[:150]).predict_proba(x[150:]))
        for name in ("sparse", "linear")
    ]
    assert losses[0] < 0.75 * losses[1]


def test_the_kernel_model_learns_a_smooth_function_of_several_columns():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1_150, 4))
    y = x[:, 0] * x[:, 1] + np.sin(x[:, 2] + x[:, 3])
    kernel = regressor("kernel", cv=4).fit(x[:150], y[:150])
    assert kernel.score(x[150:], y[150:]) > 0.85
    assert regressor("linear", cv=4).fit(x[:150], y[:150]).score(x[150:], y[150:]) < 0.4
    # As many columns of y, and classes, if it is listed.
    pairs = regressor("kernel", cv=4).fit(x[:150], np.c_[y, -y][:150])
    assert_allclose(pairs.predict(x)[:, 0], -pairs.predict(x)[:, 1], atol=1e-5)
    labels = (y > 0).astype(int)
    assert classifier("kernel", cv=4).fit(x[:150], labels[:150]).score(x[150:], labels[150:]) > 0.8


def test_leaves_of_deep_trees_and_rounds_follow_the_number_of_rows():
    rows = [5_000, 9_000, 13_000, 10**6]
    deep = [MODELS["deep"].make(task_of(n, n_classes=2)).get_params() for n in rows]
    assert [each["num_leaves"] for each in deep] == [50, 90, 127, 127]
    assert [each["n_estimators"] for each in deep] == [350, 390, 430, 2_000]
    trees = MODELS["trees"].make(task_of(10**6)).get_params()
    assert (trees["num_leaves"], trees["n_estimators"]) == (16, 2_000)


def test_trees_for_regression_have_fewer_rounds_beside_deep_ones():
    def rounds(*names, n_rows=5_000, **parameters):
        task = task_of(n_rows, **parameters)
        models, _ = models_of(names or None, task, 4, np.random.RandomState(0), False)
        trees = [model[-1].estimator for name, model in models if name in ("trees", "deep")]
        return [each.n_estimators for each in trees]

    assert rounds() == rounds("trees", "deep") == [700, 700]
    assert rounds(n_rows=20_000) == rounds("trees", "deep", n_rows=20_000) == [400, 400]
    assert rounds("trees") == rounds("trees", "ramps") == [1_050]
    assert rounds(n_rows=4_999) == [1_049]
    assert rounds("trees", n_classes=2) == rounds("trees", "deep", n_classes=2)[:1] == [350]
    assert rounds("trees", "deep", n_rows=399) == [100, 100]


def test_networks_for_regression_are_narrower_with_many_rows():
    def layers(name, n_rows, **parameters):
        return MODELS[name].make(task_of(n_rows, **parameters)).hidden_layer_sizes

    wide, narrow = (128, 128), (64, 64)
    assert [layers("plain", n) for n in (2_999, 3_000)] == [wide, narrow]
    assert [layers("ramps", n) for n in (9_999, 10_000)] == [wide, narrow]
    assert layers("ramps", 10_000, n_classes=3) == wide
    assert layers("ramps", 500, n_classes=2) == narrow


def test_leaves_of_classes_have_fewer_rows_where_there_are_more():
    rows = [400, 1_000, 1_750, 10_000]
    leaves = [MODELS["trees"].make(task_of(n, n_classes=2)).min_child_samples for n in rows]
    assert leaves == [20, 14, 8, 5]
    of_few_rows = [MODELS["trees"].make(task_of(399, n_classes=n)).get_params() for n in (0, 2)]
    assert of_few_rows[1].items() >= SMALL_TREES.items()
    assert of_few_rows[0].items() >= SMALL_TREES.items()


def test_trees_learn_an_exclusive_or_of_a_flag_and_many_levels():
    rng = np.random.default_rng(0)
    level, flag, side = rng.integers(0, 80, 4_000), rng.integers(0, 2, 4_000), rng.integers(0, 2, 80)
    y = flag ^ side[level] ^ (rng.random(4_000) < 0.05)
    table = pd.DataFrame({"level": level.astype(str) + np.array("x"), "flag": flag})
    model = TabularClassifier(models=["trees"], random_state=0).fit(table[:2_000], y[:2_000])
    assert model.score(table[2_000:], y[2_000:]) > 0.92  # 0.95 is possible


def test_trees_of_wide_tables_see_some_columns_in_few_bins():
    for n_columns, share, bins in ((400, None, None), (500, None, 31), (2_000, 0.25, 31)):
        for name in ("trees", "deep"):
            trees = MODELS[name].make(task_of(n_rows=450, n_columns=n_columns))
            assert trees.get_params()["colsample_bytree"] == (share or 1.0)
            assert trees.get_params().get("max_bin") == bins


def test_linear_models_of_large_tables_of_classes_are_less_precise_which_bounds_their_time():
    for n_columns, tolerance, weakest in ((400, 1e-4, 1e6), (600, 1e-3, 10)):
        linear = MODELS["linear"].make(task_of(n_rows=1_000, n_columns=n_columns, n_classes=4))
        assert (linear.tol, max(linear.Cs)) == (tolerance, weakest)


def test_linear_models_are_right_whatever_outliers_there_are():
    X = np.random.default_rng(0).standard_t(3, size=(600, 3))
    y = X @ [1, 2, 0]
    assert regressor("linear").fit(X[:300], y[:300]).score(X[300:], y[300:]) > 0.999


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "poisson", "quantile", "huber"])
def test_trees_minimize_the_loss_of_the_regressor(loss):
    """By LightGBM's names of the losses and of their numbers, on a scaled y."""
    x = np.random.default_rng(0).normal(size=(300, 2)).astype(np.float32)
    y = np.exp(x[:, 0]) + np.random.default_rng(1).exponential(size=300)
    fold, others = np.arange(150), np.arange(150, 300)
    model = regressor("trees", loss=loss, quantile=0.8, relative_delta=0.3, cv=[(others, fold)])
    [trees] = members_of(model.fit(x, y), "trees")
    center, scale = (0, y.mean()) if loss == "poisson" else (y.mean(), y.std())
    seen = model.encoder_.transform(x)
    alone = LGBMRegressor(**trees.get_params()).fit(seen[others], (y[others] - center) / scale)
    assert_allclose(trees.predict(seen), alone.predict(seen), rtol=1e-6)
    assert_allclose(model.predict(x), center + scale * alone.predict(seen), rtol=1e-6)
    objectives = {"squared_error": "regression", "absolute_error": "regression_l1"}
    assert trees.get_params()["objective"] == objectives.get(loss, loss)
    assert trees.get_params().get("alpha") == {"quantile": 0.8, "huber": 0.3}.get(loss)


def test_the_constant_model_predicts_shares_or_the_mean():
    shares = classifier("constant").fit(X, LABELS)
    assert is_classifier(shares)
    assert_allclose(shares.predict_proba(X), 0.5)
    assert_allclose(regressor("constant", cv=4).fit(X, NUMBERS).predict(X), NUMBERS.mean())


def test_a_model_of_ours_has_a_seed_of_its_own_whatever_others_there_are():
    """Without numbers and rare levels, the models of networks see the same columns."""
    colors = X[["c"]]
    both = regressor("plain", "ramps", network_params=NETWORK).fit(colors, NUMBERS)
    plain, ramps = members_of(both, "plain"), members_of(both, "ramps")
    assert plain[0].coefs_[0].shape == ramps[0].coefs_[0].shape
    assert not np.allclose(plain[0].coefs_[0], ramps[0].coefs_[0])
    alone = regressor("ramps", network_params=NETWORK).fit(colors, NUMBERS)
    for member, expected in zip(members_of(alone, "ramps"), ramps, strict=True):
        assert_array_equal(member.coefs_[0], expected.coefs_[0])
