"""Tests of quantiles, of the y that regressors are trained on, and of sets of classes."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    TweedieRegressor,
)
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

import skdense
from skdense import LowLevelMLPRegressor
from skdense.ensemble import BlendClassifier, BlendRegressor, CrossFitClassifier, CrossFitRegressor
from skdense.tabular import TablePipeline

SETTINGS = {"max_iter": 40, "early_stopping": True, "learning_rate_init": 0.03}
NETWORKS = CrossFitRegressor(
    LowLevelMLPRegressor(hidden_layer_sizes=(8,), **SETTINGS), cv=3, random_state=0
)
LINEAR = CrossFitRegressor(LinearRegression(), cv=5, random_state=0)
NINETY = [0.05, 0.5, 0.95]


def lines(n_samples, noise):
    """X of one column, and 3 X + 2 with normal noise of this deviation at X."""
    rng = np.random.default_rng(0)
    x = rng.uniform(1, 3, n_samples)
    return x[:, None], 3 * x + 2 + noise(x) * rng.normal(size=n_samples)


def shares(model, noise):
    """The shares of new samples below three quantiles, in thirds of X."""
    X, y = lines(30_000, noise)
    below = y[:, None] <= model.predict(X, quantiles=NINETY)
    third = np.digitize(X[:, 0], [5 / 3, 7 / 3])
    return np.array([below[third == i].mean(axis=0) for i in range(3)])


@pytest.mark.parametrize(
    "noise", [np.ones_like, lambda x: x, lambda x: 4 - x], ids=["same", "up", "down"]
)
def test_quantiles_have_the_share_of_samples_below_whether_errors_grow_or_shrink(noise):
    model = clone(LINEAR).fit(*lines(5000, noise))
    assert_allclose(shares(model, noise), np.tile(NINETY, (3, 1)), atol=0.04)
    assert_allclose(shares(model, noise).mean(axis=0), NINETY, atol=0.01)


def test_quantiles_are_those_of_the_errors_if_all_predictions_are_alike():
    y = np.random.default_rng(0).normal(size=199)
    model = CrossFitRegressor(DummyRegressor(strategy="constant", constant=0), cv=3)
    model.fit(np.zeros((199, 1)), y)
    expected = np.sort(y)[[9, 99, 189]]  # of 199 samples, which leave 200 gaps
    assert_allclose(model.predict(np.zeros((2, 1)), quantiles=NINETY), [expected, expected])
    none = model.fit(np.zeros((30, 1)), np.zeros(30))
    assert_array_equal(none.predict([[0]], quantiles=NINETY), np.zeros((1, 3)))


@pytest.mark.parametrize("noise", [np.ones_like, lambda x: np.exp(2 * x)], ids=["same", "grows"])
def test_intervals_of_small_tables_have_their_share_of_new_values(noise):
    inside = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        x = rng.uniform(-1, 1, 540)
        X, y = x[:, None], x + noise(x) * rng.normal(size=540)
        low, high = clone(LINEAR).fit(X[:40], y[:40]).predict(X[40:], quantiles=[0.05, 0.95]).T
        inside.append(np.mean((low <= y[40:]) & (y[40:] <= high)))
    # The standard error of the mean is about half a point.
    assert_allclose(np.mean(inside), 0.9, atol=0.02)


def test_quantiles_are_those_of_weighted_samples():
    X, y = lines(300, np.ones_like)
    weight = np.random.default_rng(1).integers(0, 4, 300)
    folds = [(train, held) for train, held in KFold(3).split(X)]
    weighted = CrossFitRegressor(LinearRegression(), folds).fit(X, y, sample_weight=weight)
    rows = np.repeat(np.arange(300), weight)
    repeated = [tuple(np.flatnonzero(np.isin(rows, part)) for part in fold) for fold in folds]
    model = CrossFitRegressor(LinearRegression(), repeated).fit(X[rows], y[rows])
    assert_allclose(
        weighted.predict(X, quantiles=NINETY), model.predict(X, quantiles=NINETY), atol=0.05
    )


def test_quantiles_pass_through_a_pipeline_and_a_transformed_target():
    X, y = lines(500, np.ones_like)
    plain = clone(LINEAR).fit(X, y).predict(X, quantiles=NINETY)
    target = TransformedTargetRegressor(LINEAR, transformer=StandardScaler())
    model = make_pipeline(StandardScaler(), target).fit(X, y)
    assert_allclose(model.predict(X, quantiles=NINETY), plain)
    assert plain.shape == (500, 3)
    assert (np.diff(plain, axis=1) > 0).all()


def test_one_quantile_has_no_axis_of_its_own_and_several_outputs_have_one():
    X, y = lines(100, np.ones_like)
    model = clone(LINEAR).fit(X, y)
    assert_array_equal(model.predict(X, quantiles=0.5), model.predict(X, quantiles=[0.5])[:, 0])
    both = clone(LINEAR).fit(X, np.c_[y, -y]).predict(X, quantiles=NINETY)
    assert both.shape == (100, 2, 3)
    assert_allclose(both[:, 0], model.predict(X, quantiles=NINETY))
    assert_allclose(both[:, 1, ::-1], -both[:, 0])


def test_what_is_no_quantile_is_refused():
    model = clone(LINEAR).fit(*lines(50, np.ones_like))
    with pytest.raises(ValueError, match=r"numbers in \[0, 1\], got \[ 5. 95.\]"):
        model.predict([[1.0]], quantiles=[5, 95])


@pytest.fixture(scope="module")
def diabetes():
    X, y = load_diabetes(return_X_y=True)
    return scale(X), y


def test_a_scaled_y_gives_the_networks_of_a_transformed_target(diabetes):
    X, y = diabetes
    scaled = clone(NETWORKS).set_params(scale_y=True).fit(X, y)
    around = TransformedTargetRegressor(NETWORKS, transformer=StandardScaler()).fit(X, y)
    assert_allclose(scaled.predict(X), around.predict(X), rtol=1e-9)
    assert scaled.oof_score_ == pytest.approx(around.regressor_.oof_score_)
    for network in scaled.estimators_:
        assert r2_score(y, network.predict(X) * scaled.scale_ + scaled.center_) > 0.4


@pytest.mark.parametrize("loss", ["absolute_error", "poisson"])
def test_a_scaled_y_is_predicted_in_its_own_units_whatever_the_loss(diabetes, loss):
    X, y = diabetes
    model = clone(NETWORKS).set_params(scale_y=True, estimator__loss=loss)
    small, large = clone(model).fit(X, y), clone(model).fit(X, 1000 * y)
    assert small.oof_score_ > 0.3
    assert_allclose(large.predict(X), 1000 * small.predict(X), rtol=1e-6)
    if loss == "poisson":
        assert small.predict(X).min() > 0


def test_several_outputs_are_scaled_each_by_itself(diabetes):
    X, y = diabetes
    both = np.c_[y, 1e4 - 1e-3 * y]
    model = clone(NETWORKS).set_params(scale_y=True).fit(X, both)
    assert (r2_score(both, model.predict(X), multioutput="raw_values") > 0.4).all()
    assert r2_score(both, model.oof_prediction_) == model.oof_score_


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "poisson", "gamma"])
def test_trees_on_a_scaled_y_do_not_depend_on_its_unit(diabetes, loss):
    X, y = diabetes
    trees = HistGradientBoostingRegressor(loss, max_iter=5, early_stopping=True)
    model = CrossFitRegressor(trees, cv=3, random_state=0, scale_y=True)
    expected = clone(model).fit(X, y).predict(X)
    for unit in (2.0**-20, 2.0**20):
        assert_allclose(clone(model).fit(X, unit * y).predict(X), unit * expected, rtol=1e-9)


@pytest.mark.parametrize("loss", ["poisson", "gamma"])
def test_a_negative_y_is_told_in_its_own_units(diabetes, loss):
    X, y = diabetes
    trees = HistGradientBoostingRegressor(loss)
    with pytest.raises(ValueError, match=f"loss='{loss}': must be at least 0, got -7.0"):
        CrossFitRegressor(trees, scale_y=True).fit(X, np.r_[-7.0, y[1:]])


@pytest.mark.parametrize("weight", [1, 1 / 40])
def test_equal_weights_that_are_shares_leave_the_quantiles_as_they_are(weight):
    X, y = lines(40, np.ones_like)
    plain = clone(LINEAR).fit(X, y).predict(X, quantiles=NINETY)
    weighted = clone(LINEAR).fit(X, y, sample_weight=np.full(40, weight))
    assert_allclose(weighted.predict(X, quantiles=NINETY), plain)


def test_the_quantiles_of_negative_errors_are_negative_whatever_the_weights():
    y = np.random.default_rng(0).normal(size=20)
    weights = np.random.default_rng(1).lognormal(size=20)
    zero = CrossFitRegressor(DummyRegressor(strategy="constant", constant=0), cv=3)
    predicted = [
        clone(zero).fit(np.zeros((20, 1)), errors, sample_weight=weights).predict([[0]], NINETY)[0]
        for errors in (y, -y)
    ]
    assert_allclose(predicted[0], -predicted[1][::-1])


def test_the_highest_and_lowest_prediction_may_have_no_weight():
    X, y = lines(40, np.ones_like)
    predictions = clone(LINEAR).fit(X, y).oof_prediction_
    weights = np.ones(40)
    weights[[predictions.argmin(), predictions.argmax()]] = 0
    model = clone(LINEAR).fit(X, y, sample_weight=weights)
    assert np.isfinite(model.predict(X, quantiles=NINETY)).all()


@pytest.mark.parametrize(
    "model",
    [
        PoissonRegressor(),
        HistGradientBoostingRegressor("poisson", max_iter=20),
        TweedieRegressor(power=1.5),
    ],
)
def test_quantiles_of_counts_are_no_less_than_0(model):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 2))
    y = rng.poisson(np.exp(X[:, 0] - 0.5))
    counts = CrossFitRegressor(model, cv=4, random_state=0).fit(X, y)
    low = counts.predict(X, quantiles=0.05)
    assert low.min() == 0
    blend = BlendRegressor([("counts", CrossFitRegressor(model, cv=4)), ("again", counts)]).fit(X, y)
    assert blend.predict(X, quantiles=[0.05])[:, 0].min() == 0
    low, high = counts.predict(X, quantiles=[0.05, 0.95]).T
    assert 0.85 < np.mean((low <= y) & (y <= high))
    any_sign = BlendRegressor([("counts", counts), ("linear", LINEAR)]).fit(X, y)
    if (any_sign.weights_ > 0).all():
        assert any_sign.predict(X, quantiles=0.01).min() < 0


def noisy_rows(n_samples, seed=0, governs=1.0):
    """X, y and whether a row is noisy: the second column governs the noise, and not y."""
    rng = np.random.default_rng(seed)
    X = np.c_[rng.normal(size=(n_samples, 3)), rng.integers(0, 2, n_samples)]
    deviation = np.where(X[:, 3] == 1, 3.0, 0.5) ** governs
    return X, X[:, 0] + deviation * rng.normal(size=n_samples), X[:, 3] == 1


def coverage(model, X, y):
    low, high = model.predict(X, quantiles=[0.05, 0.95]).T
    return np.mean((low <= y) & (y <= high))


@pytest.fixture(scope="module")
def noisy():
    X, y, _ = noisy_rows(1000)
    return clone(LINEAR).fit(X, y)


def test_intervals_follow_a_column_that_governs_the_noise(noisy):
    X, y, is_noisy = noisy_rows(20_000, seed=1)
    assert coverage(noisy, X, y) == pytest.approx(0.9, abs=0.02)
    assert 0.84 < coverage(noisy, X[is_noisy], y[is_noisy]) < 0.95
    assert 0.85 < coverage(noisy, X[~is_noisy], y[~is_noisy]) < 0.97
    blend = BlendRegressor([("line", LINEAR), ("same", LINEAR)]).fit(*noisy_rows(1000)[:2])
    assert_allclose(blend.predict(X, NINETY), noisy.predict(X, NINETY))


def test_intervals_of_equal_noise_are_as_wide_as_before():
    X, y, _ = noisy_rows(1000, governs=0)
    low, high = clone(LINEAR).fit(X, y).predict(X, quantiles=[0.05, 0.95]).T
    assert np.mean(high - low) == pytest.approx(2 * 1.645, rel=0.06)


def test_of_few_rows_or_other_than_numbers_intervals_follow_the_prediction_alone():
    X, y, _ = noisy_rows(1000)
    mean = CrossFitRegressor(DummyRegressor(), cv=5, random_state=0)
    words = np.where(X[:, 3:] == 1, "loud", "calm").astype(object)
    assert np.ptp(clone(mean).fit(X, y).predict(X, quantiles=0.95)) > 1
    for table in (X[:399], np.hstack([X, words]), csr_matrix(X)):
        alone = clone(mean).fit(table, y[: table.shape[0]])
        assert np.ptp(alone.predict(table, quantiles=0.95)) == 0


def test_intervals_that_follow_the_row_take_missing_values_frames_and_several_outputs(noisy):
    pd = pytest.importorskip("pandas")
    X, y, _ = noisy_rows(1000)
    table = pd.DataFrame(X, columns=list("abcd")).astype({"d": "Int64"})
    expected = noisy.predict(X, quantiles=NINETY)
    assert_allclose(clone(LINEAR).fit(table, y).predict(table, quantiles=NINETY), expected)
    both = clone(LINEAR).fit(X, np.c_[y, 2 * y]).predict(X, quantiles=NINETY)
    assert_allclose(both[:, 0], expected)
    assert_allclose(both[:, 1], 2 * expected)
    X[::3, 3] = np.nan
    trees = CrossFitRegressor(HistGradientBoostingRegressor(max_iter=10), cv=2).fit(X, y)
    assert np.isfinite(trees.predict(X, quantiles=NINETY)).all()


def test_rows_without_weight_do_not_change_intervals_that_follow_the_row():
    X, y, _ = noisy_rows(900)
    folds = [*KFold(3).split(X[:600])]
    expected = CrossFitRegressor(LinearRegression(), folds).fit(X[:600], y[:600])
    with_junk = [(np.r_[train, 600:900], held) for train, held in folds]
    weight = (np.arange(900) < 600).astype(float)
    y[600:] += 100
    model = CrossFitRegressor(LinearRegression(), with_junk).fit(X, y, sample_weight=weight)
    assert_allclose(model.predict(X, NINETY), expected.predict(X, NINETY))


def test_a_spread_is_judged_on_groups_that_it_was_not_fitted_to():
    rng = np.random.default_rng(0)
    group = np.repeat(rng.permutation(200), 10)  # the noise of one says nothing of that of others
    deviation = rng.lognormal(sigma=0.7, size=200)[group]
    X, y = np.c_[group, rng.normal(size=2000)], deviation * rng.normal(size=2000)
    mean = CrossFitRegressor(DummyRegressor(), cv=5, random_state=0)
    by_row, by_group = (clone(mean).fit(X, y, groups=groups) for groups in (None, group))
    assert np.ptp(by_row.predict(X, quantiles=0.95)) > 0.3
    assert np.ptp(by_group.predict(X, quantiles=0.95)) == 0


def test_intervals_that_follow_the_row_are_saved_and_scale_with_y(noisy):
    X, y, _ = noisy_rows(1000)
    expected = noisy.predict(X, quantiles=NINETY)
    assert_array_equal(pickle.loads(pickle.dumps(noisy)).predict(X, quantiles=NINETY), expected)
    assert_allclose(clone(LINEAR).fit(X, 1024 * y).predict(X, NINETY), 1024 * expected)


# --- sets of classes ----------------------------------------------------------------------------------

LOGISTIC = CrossFitClassifier(LogisticRegression(), cv=3, random_state=0)


def three_classes(n_samples, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n_samples)
    return rng.normal(size=(n_samples, 2)) + np.array([[0, 0], [1.5, 0], [0, 1.5]])[y], y


def test_sets_have_the_classes_whose_probability_is_above_a_quantile_of_the_true_ones():
    X, y = three_classes(99)
    model = clone(LOGISTIC).fit(X, y)
    threshold = np.sort(model.oof_probabilities_[np.arange(99), y])[9]  # of 100 gaps, 90 are above
    probabilities = model.predict_proba(X)
    assert_array_equal(model.predict_set(X), probabilities >= threshold)
    assert model.predict_set(X, confidence=0.995).all()
    assert (model.predict_set(X, 0.8) <= model.predict_set(X, 0.9)).all()
    with pytest.raises(ValueError, match="confidence == 90, must be <= 1"):
        model.predict_set(X, confidence=90)


@pytest.mark.parametrize("confidence", [0.7, 0.9, 0.97])
def test_sets_have_the_true_class_of_their_share_of_new_samples(confidence):
    X, y = three_classes(1500)
    blend = BlendClassifier([("line", LOGISTIC), ("trees", clone(LOGISTIC).set_params(cv=5))])
    blend.fit(X, y)
    X, y = three_classes(20_000, seed=1)
    for model in (blend, *blend.estimators_):
        inside = model.predict_set(X, confidence)[np.arange(len(y)), y]
        assert inside.mean() == pytest.approx(confidence, abs=0.02)


def test_sets_are_those_of_weighted_samples():
    X, y = three_classes(300)
    weight = np.random.default_rng(1).integers(0, 4, 300)
    folds = [*KFold(3).split(X)]
    weighted = CrossFitClassifier(LogisticRegression(), folds).fit(X, y, sample_weight=weight)
    rows = np.repeat(np.arange(300), weight)
    repeated = [tuple(np.flatnonzero(np.isin(rows, part)) for part in fold) for fold in folds]
    model = CrossFitClassifier(LogisticRegression(), repeated).fit(X[rows], y[rows])
    assert np.mean(weighted.predict_set(X) != model.predict_set(X)) < 0.005


def test_sets_hold_for_new_groups_if_no_group_is_in_two_folds():
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(120), 10)
    y = rng.integers(0, 2, 120)[group]  # a group has one class, by which its rows know each other
    X = np.c_[rng.normal(size=(120, 8))[group], rng.normal(size=1200) + y]
    known = group < 60
    trees = CrossFitClassifier(HistGradientBoostingClassifier(max_iter=20), cv=5, random_state=0)
    by_row, by_group = (
        clone(trees)
        .fit(X[known], y[known], groups=groups)
        .predict_set(X[~known])[np.arange(600), y[~known]]
        .mean()
        for groups in (None, group[known])
    )
    assert by_row < 0.85 < by_group


def test_a_pipeline_for_tables_has_the_sets_of_its_last_step():
    X, y = three_classes(99)
    model = TablePipeline([("scaled", StandardScaler()), ("ensemble", clone(LOGISTIC))]).fit(X, y)
    expected = model[-1].predict_set(model[:-1].transform(X), confidence=0.8)
    assert_array_equal(model.predict_set(X, confidence=0.8), expected)
    assert not hasattr(TablePipeline([("ensemble", LINEAR)]), "predict_set")
    steps = TablePipeline([("scaled", StandardScaler()), ("nothing", "passthrough")])
    assert not hasattr(steps, "predict")
    assert_array_equal(steps.fit(X, y).transform(X), model[:-1].transform(X))


def test_ensembles_of_earlier_versions_predict_and_say_that_intervals_and_sets_need_a_new_fit():
    X, y = three_classes(99)
    for model, asked in (
        (clone(LINEAR).fit(X, y), lambda model: model.predict(X, quantiles=0.9)),
        (clone(LOGISTIC).fit(X, y), lambda model: model.predict_set(X)),
    ):
        of_intervals = {"_spreads", "_nonconformity"}
        state = {name: its for name, its in vars(model).items() if name not in of_intervals}
        earlier = type(model).__new__(type(model))
        earlier.__setstate__(state | {"_skdense_version": skdense.__version__, "_errors": [(0, 0)]})
        assert_array_equal(earlier.predict(X), model.predict(X))
        with pytest.raises(ValueError, match=f"saved this {type(model).__name__}.*: fit it again"):
            asked(earlier)
