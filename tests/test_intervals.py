"""Tests of quantiles, of the y that regressors are trained on, of weights, and of sets of classes."""

import copy
import pickle
import re
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joblib import effective_n_jobs, parallel_config
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_diabetes
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    BaggingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    TweedieRegressor,
)
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale
from sklearn.tree import DecisionTreeRegressor

from skdense import LowLevelMLPRegressor
from skdense.ensemble import BlendClassifier, BlendRegressor, CrossFitClassifier, CrossFitRegressor
from skdense.ensemble.calibration import effective_rows, scale_of
from skdense.ensemble.progress import Stop
from skdense.ensemble.samples import Samples
from skdense.ensemble.uncertainty import learn_errors, spread_at

SETTINGS = {"max_iter": 40, "early_stopping": True, "learning_rate_init": 0.03}
NETWORKS = CrossFitRegressor(
    LowLevelMLPRegressor(hidden_layer_sizes=(8,), **SETTINGS), cv=3, random_state=0
)
LINEAR = CrossFitRegressor(LinearRegression(), cv=5, random_state=0)
ZERO = CrossFitRegressor(DummyRegressor(strategy="constant", constant=0), cv=3, random_state=0)
TREES = HistGradientBoostingRegressor(
    "gamma", max_iter=40, max_leaf_nodes=8, max_bins=32, l2_regularization=1.0, early_stopping=True,
    random_state=0,
)  # fmt: skip
"""Few bins: scikit-learn finds the edges of each by a quantile of weighted rows, most of the time."""
NINETY = [0.05, 0.5, 0.95]
THIRDS = [1 / 3, 1 / 2, 2 / 3]


class FollowsRows(CrossFitRegressor):
    """Its spreads may follow the columns of X, as those of a table do, by other trees."""

    def _learn_uncertainty(self, samples, stop, estimator=None):
        super()._learn_uncertainty(samples, stop, TREES)


def lines(n_samples, noise):
    """X of one column, and 3 X + 2 with normal noise of this deviation at X."""
    rng = np.random.default_rng(0)
    x = rng.uniform(1, 3, n_samples)
    return x[:, None], 3 * x + 2 + noise(x) * rng.normal(size=n_samples)


def shares(model, noise):
    """The shares of new samples below three quantiles, in thirds of X."""
    X, y = lines(30_000, noise)
    below = y[:, None] <= model.predict_quantiles(X, NINETY)
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
    model = clone(ZERO).fit(np.zeros((199, 1)), y)
    expected = np.sort(y)[[9, 99, 189]]  # of 199 samples, which leave 200 gaps
    assert_allclose(model.predict_quantiles(np.zeros((2, 1)), NINETY), [expected, expected])
    none = model.fit(np.zeros((30, 1)), np.zeros(30))
    assert_array_equal(none.predict_quantiles([[0]], NINETY), np.zeros((1, 3)))


# --- intervals, and what few samples tell -------------------------------------------------------------


@settings(max_examples=6)
@given(st.integers(3, 12), st.data())
def test_each_of_n_samples_is_in_an_interval_of_the_others_as_often_as_it_must(n_samples, data):
    """By symmetry: k of n + 1 exchangeable values are below the quantile k / (n + 1) of the others."""
    y = np.random.default_rng(data.draw(st.integers(0, 99))).normal(size=n_samples + 1)
    k = data.draw(st.integers(0, n_samples + 1))
    shift = data.draw(st.sampled_from([0, 1e-3])) if 0 < k < n_samples else 0
    below = 0
    for i in range(n_samples + 1):
        others = clone(ZERO).fit(np.zeros((n_samples, 1)), np.delete(y, i))
        quantile = others.predict_quantiles([[0]], k / (n_samples + 1) + shift)[0, 0]
        below += y[i] < quantile
        assert np.isfinite(quantile) == (0 < k <= n_samples)
    # Right at the k-th value, the value itself is the k-th of all if it is left out.
    assert below in ({k} if shift == 0 else {k, k + 1})


@pytest.mark.parametrize(("confidence_level", "n_needed"), [(0.9, 19), (0.95, 39), (0.8, 9)])
def test_intervals_are_infinite_where_so_few_samples_do_not_tell_them(confidence_level, n_needed):
    X, y = lines(n_needed, np.ones_like)
    assert np.isfinite(clone(LINEAR).fit(X, y).predict_interval(X, confidence_level)).all()
    few = clone(LINEAR).fit(X[1:], y[1:])
    assert_array_equal(few.predict_interval([[2]], confidence_level), [[-np.inf, np.inf]])
    assert_array_equal(few.predict_quantiles([[2]], [0, 1]), [[-np.inf, np.inf]])
    assert np.isfinite(few.predict_quantiles([[2]], 0.5)).all()


def test_an_interval_is_two_quantiles_for_each_output():
    X, y = lines(100, np.ones_like)
    model = clone(LINEAR).fit(X, np.c_[y, -y])
    expected = model.predict_quantiles(X, [0.1, 0.9])
    assert_allclose(model.predict_interval(X, confidence_level=0.8), expected)
    assert_allclose(model.predict_interval(X), model.predict_quantiles(X, [0.05, 0.95]))
    one = model.fit(X, y)
    assert one.predict_interval(X[:7]).shape == (7, 2)


@pytest.mark.parametrize("level", [0, 1, 90, -0.1, np.nan, None])
def test_a_confidence_level_that_is_no_share_is_refused(level):
    X, y = three_classes(60)
    for asked in (clone(LINEAR).fit(X, y).predict_interval, clone(LOGISTIC).fit(X, y).predict_set):
        with pytest.raises(ValueError, match="confidence_level must be a number between 0 and 1"):
            asked(X, confidence_level=level)


def test_a_thousand_of_the_errors_say_what_all_of_them_say():
    y = np.random.default_rng(0).standard_t(3, size=49_999)
    model = clone(ZERO).fit(np.zeros((len(y), 1)), y)
    (learned,) = model._uncertainty
    assert len(learned["errors"]) == len(learned["levels"]) <= 1000
    asked = [2e-5, 1e-4, 0.001, 0.05, 0.3, 0.5, 0.9, 0.95, 0.995, 0.9999, 1 - 2e-5]
    found = model.predict_quantiles([[0]], asked)[0]
    assert_allclose(found[[0, -1]], [y.min(), y.max()])
    share_below = np.mean(y[:, None] <= found, axis=0)
    error = np.abs(share_below - asked)
    assert (error < 1e-3).all()
    assert (error[[0, 1, 2, -3, -2, -1]] < 1.01 / len(y)).all()


def assert_plain(value):
    """What a saved model may hold, apart from estimators of others."""
    if isinstance(value, dict):
        assert all(type(key) is str for key in value)
        value = [*value.values()]
    if isinstance(value, list):
        for each in value:
            assert_plain(each)
    else:
        assert type(value) in (np.ndarray, float) or type(value).__module__.startswith("sklearn")


def test_what_is_learned_is_arrays_and_dicts(noisy):
    X, y = three_classes(99)
    for model in (clone(LINEAR).fit(X, y), clone(LOGISTIC).fit(X, y), noisy):
        assert_plain(model._uncertainty)


def test_models_of_a_blend_leave_intervals_and_sets_to_it():
    X, y = three_classes(99)
    for blend, cross_fit, asked in (
        (BlendRegressor, LINEAR, lambda model: model.predict_quantiles(X, 0.5)),
        (BlendRegressor, LINEAR, lambda model: model.predict_interval(X)),
        (BlendClassifier, LOGISTIC, lambda model: model.predict_set(X)),
    ):
        model = blend([("one", blend([("inner", cross_fit)]))]).fit(X, y)
        asked(model)
        inner = model.estimators_[0]
        for part in (inner, inner.estimators_[0]):
            with pytest.raises(ValueError, match=f"{type(part).__name__} is part of a blend.* use the"):
                asked(part)
        with pytest.raises(NotFittedError):
            asked(clone(inner))


@pytest.mark.parametrize("noise", [np.ones_like, lambda x: np.exp(2 * x)], ids=["same", "grows"])
def test_intervals_of_small_tables_have_their_share_of_new_values(noise):
    inside = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        X = rng.uniform(-1, 1, (540, 1))
        y = X + noise(X) * rng.normal(size=(540, 5))  # five tables, by their outputs
        low, high = clone(LINEAR).fit(X[:40], y[:40]).predict_interval(X[40:]).transpose(2, 0, 1)
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
        weighted.predict_quantiles(X, NINETY), model.predict_quantiles(X, NINETY), atol=0.05
    )


def test_quantiles_pass_through_a_pipeline_and_a_transformed_target():
    X, y = lines(500, np.ones_like)
    plain = clone(LINEAR).fit(X, y).predict_quantiles(X, NINETY)
    target = TransformedTargetRegressor(LINEAR, transformer=StandardScaler())
    model = make_pipeline(StandardScaler(), target).fit(X, y)
    with pytest.warns(FutureWarning):
        assert_allclose(model.predict(X, quantiles=NINETY), plain)
    assert plain.shape == (500, 3)
    assert (np.diff(plain, axis=1) > 0).all()


def test_one_quantile_has_no_axis_of_its_own_and_several_outputs_have_one():
    X, y = lines(100, np.ones_like)
    model = clone(LINEAR).fit(X, y)
    assert_array_equal(model.predict_quantiles(X, 0.5), model.predict_quantiles(X, [0.5]))
    for quantiles, expected in (
        (NINETY, model.predict_quantiles(X, NINETY)),
        (0.5, model.predict_quantiles(X, 0.5)[:, 0]),
    ):
        with pytest.warns(FutureWarning, match="predict_quantiles"):
            assert_array_equal(model.predict(X, quantiles=quantiles), expected)
    both = clone(LINEAR).fit(X, np.c_[y, -y]).predict_quantiles(X, NINETY)
    assert both.shape == (100, 2, 3)
    assert_allclose(both[:, 0], model.predict_quantiles(X, NINETY))
    assert_allclose(both[:, 1, ::-1], -both[:, 0])


def test_what_is_no_quantile_is_refused():
    model = clone(LINEAR).fit(*lines(50, np.ones_like))
    for quantiles in ([5, 95], "median", [[0.1], [0.2, 0.3]], {0.5: 1}):
        with pytest.raises(ValueError, match=rf"numbers in \[0, 1\], got {re.escape(repr(quantiles))}"):
            model.predict_quantiles([[1.0]], quantiles)


def test_what_is_asked_for_is_checked_before_anything_is_predicted(monkeypatch):
    model = clone(LINEAR).fit(*lines(50, np.ones_like))
    monkeypatch.delattr(CrossFitRegressor, "_predict")
    with pytest.raises(ValueError, match="quantiles must be"):
        model.predict_quantiles([[1.0]], 95)
    del model._uncertainty  # as in a blend
    with pytest.raises(ValueError, match="is part of a blend"):
        model.predict_quantiles([[1.0]], 0.95)


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


class Named(LinearRegression):
    """A regressor whose loss has the name that it has elsewhere."""

    def __init__(self, loss=None, objective=None, loss_function=None, criterion=None):
        super().__init__()
        self.loss, self.objective, self.loss_function = loss, objective, loss_function
        self.criterion = criterion


@pytest.mark.parametrize(
    ("params", "positive"),
    [
        ({"objective": "poisson"}, True),
        ({"objective": "count:poisson"}, True),
        ({"objective": "reg:gamma"}, True),
        ({"loss_function": "Tweedie:variance_power=1.5"}, True),
        ({"criterion": "poisson"}, True),
        ({"loss_function": "LogLinQuantile:alpha=0.5"}, True),
        ({"objective": "regression"}, False),
        ({"loss_function": "RMSE"}, False),
        ({}, False),
    ],
)
def test_the_loss_of_other_libraries_says_whether_y_can_be_shifted(diabetes, params, positive):
    X, y = diabetes
    model = CrossFitRegressor(Named(**params), cv=3, scale_y=True).fit(X, y)
    assert (model.center_ == 0) == positive
    assert (model.predict_quantiles(X, 0) == 0).all() == positive
    if positive:
        (name, value), *_ = params.items()
        with pytest.raises(ValueError, match=f"range of {name}='{value}': must be at least 0, got -1"):
            model.fit(X, np.r_[-1.0, y[1:]])


@pytest.mark.parametrize(
    "estimator",
    [
        Named(objective="mape"),
        Named(objective="reg:squaredlogerror"),
        Named(loss_function="MAPE"),
        Named(objective=max),
        Named(objective="cross_entropy_lambda"),
        Named(objective="survival:cox"),
        Named(loss_function="SurvivalAft:dist=Normal"),
        GridSearchCV(TransformedTargetRegressor(Ridge(), func=np.log, inverse_func=np.exp), {}, cv=2),
    ],
)
def test_a_y_whose_zero_has_a_meaning_stays_as_it_is(diabetes, estimator):
    X, y = diabetes
    scaled = CrossFitRegressor(estimator, cv=3, scale_y=True, random_state=0).fit(X, y)
    assert (scaled.center_, scaled.scale_) == (0, 1)
    plain = CrossFitRegressor(estimator, cv=3, random_state=0).fit(X, y)
    assert_array_equal(scaled.predict(X), plain.predict(X))


@pytest.mark.parametrize("name", ["objective", "objective_type", "application", "app", "loss"])
@pytest.mark.parametrize("loss", ["poisson", "mape", "regression"])
@pytest.mark.filterwarnings("ignore:Found")
def test_each_name_that_lightgbm_has_for_its_objective_says_whether_y_can_be_shifted(name, loss):
    lightgbm = pytest.importorskip("lightgbm")
    X = np.random.default_rng(0).normal(size=(200, 2))
    y = np.exp(1 + X[:, 0])
    trees = lightgbm.LGBMRegressor(n_estimators=5, verbose=-1, **{name: loss})
    model = CrossFitRegressor(trees, cv=3, scale_y=True, random_state=0).fit(X, y)
    scale = {"poisson": (0, y.mean()), "mape": (0, 1), "regression": (y.mean(), y.std())}[loss]
    assert_allclose((model.center_, model.scale_), scale)
    assert (model.predict_quantiles(X, 0) == 0).all() == (loss == "poisson")


def test_a_y_whose_root_is_predicted_stays_as_it_is(diabetes):
    lightgbm = pytest.importorskip("lightgbm")
    trees = lightgbm.LGBMRegressor(n_estimators=5, verbose=-1, reg_sqrt=True)
    for model in (trees, clone(trees).set_params(objective="l1")):
        fitted = CrossFitRegressor(model, cv=3, scale_y=True, random_state=0).fit(*diabetes)
        assert (fitted.center_, fitted.scale_) == (0, 1)


def test_a_y_whose_logarithm_is_predicted_keeps_its_zero(diabetes):
    X, y = diabetes
    for power, link in ((0, "log"), (1.5, "auto"), (0, "auto")):
        regressor = TweedieRegressor(power=power, link=link, max_iter=1000)
        model = CrossFitRegressor(regressor, cv=3, scale_y=True, random_state=0).fit(X, y)
        is_positive = power > 0 or link == "log"
        assert (model.center_ == 0) == is_positive
        assert (model.predict_quantiles(X, 0) == 0).all() == is_positive


@pytest.mark.parametrize("wrap", [GridSearchCV, BaggingRegressor, CrossFitRegressor])
def test_what_is_positive_before_a_transformation_need_not_be_after_it(wrap):
    X, y = (scale(part) for part in load_diabetes(return_X_y=True))
    shifted = TransformedTargetRegressor(
        PoissonRegressor(), func=lambda y: y + 9, inverse_func=lambda y: y - 9
    )
    model = GridSearchCV(shifted, {}, cv=2) if wrap is GridSearchCV else wrap(shifted)
    fitted = CrossFitRegressor(model, cv=3, scale_y=True, random_state=0).fit(X, y)
    assert (fitted.center_, fitted.scale_) == (0, 1)
    assert fitted.predict_quantiles(X, 0.01).min() < 0


class OfAnotherKind:
    """A regressor that is no BaseEstimator, as CatBoost's."""

    def __init__(self, loss_function="Poisson"):
        self.loss_function = loss_function

    def get_params(self, deep=True):
        return {"loss_function": self.loss_function}


@pytest.mark.parametrize("estimator", [PoissonRegressor(), OfAnotherKind()])
def test_a_search_has_the_loss_of_its_estimator(diabetes, estimator):
    _, y = diabetes
    search = GridSearchCV(estimator, {}, cv=2)
    assert scale_of(search, y, np.ones(len(y)))[0] == 0


@pytest.mark.parametrize("weight", [1, 1 / 40, 5000])
def test_equal_weights_leave_the_quantiles_as_they_are_whatever_their_unit(weight):
    X, y = lines(40, np.ones_like)
    plain = clone(LINEAR).fit(X, y).predict_quantiles(X, NINETY)
    weighted = clone(LINEAR).fit(X, y, sample_weight=np.full(40, weight))
    assert_allclose(weighted.predict_quantiles(X, NINETY), plain)


def test_the_quantiles_of_negative_errors_are_negative_whatever_the_weights():
    y = np.random.default_rng(0).normal(size=20)
    weights = np.random.default_rng(1).lognormal(size=20)
    predicted = [
        clone(ZERO).fit(np.zeros((20, 1)), errors, sample_weight=weights).predict([[0]], THIRDS)[0]
        for errors in (y, -y)
    ]
    assert_allclose(predicted[0], -predicted[1][::-1])


def test_the_highest_and_lowest_prediction_may_have_no_weight():
    X, y = lines(40, np.ones_like)
    predictions = clone(LINEAR).fit(X, y).oof_prediction_
    weights = np.ones(40)
    weights[[predictions.argmin(), predictions.argmax()]] = 0
    model = clone(LINEAR).fit(X, y, sample_weight=weights)
    assert np.isfinite(model.predict_quantiles(X, NINETY)).all()


@pytest.mark.parametrize("unit", [1e-3, 1, 5000])
def test_weights_of_a_survey_tell_quantiles_of_its_population_as_its_effective_rows_do(unit):
    rng = np.random.default_rng(0)
    y, weights = rng.normal(size=400), rng.uniform(0.1, 2, 400)
    model = clone(ZERO).fit(np.zeros((400, 1)), y, sample_weight=unit * weights)
    asked = np.array([0.05, 0.5, 0.95])
    order = np.argsort(y)
    shares = np.cumsum(weights[order]) / weights.sum()
    expected = np.interp(asked, shares, y[order])
    assert_allclose(model.predict_quantiles([[0]], asked)[0], expected, atol=0.05)
    n_effective = weights.sum() ** 2 / (weights**2).sum()
    beyond = np.array([0.99, 1.01]) / (n_effective + 1)
    assert_array_equal(np.isfinite(model.predict_quantiles([[0]], beyond)), [[False, True]])
    assert_array_equal(np.isfinite(model.predict_quantiles([[0]], 1 - beyond)), [[False, True]])


def test_intervals_have_the_share_of_the_population_that_the_weights_describe():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, 4000)  # of the second kind, nine of ten were left out of the sample
    kept = rng.random(4000) < np.where(x == 1, 0.1, 1)
    y = np.where(x == 1, 3.0, 1.0) * rng.normal(size=4000)
    X, weight = np.zeros((4000, 1)), np.where(x == 1, 10.0, 1.0)
    unweighted = clone(ZERO).fit(X[kept], y[kept])
    weighted = clone(ZERO).fit(X[kept], y[kept], sample_weight=weight[kept])
    assert coverage(unweighted, X, y) < 0.8
    assert coverage(weighted, X, y) == pytest.approx(0.9, abs=0.025)


@pytest.mark.parametrize("unit", [0.001, 0.5, 5000])
def test_shares_have_any_unit_and_larger_weights_count_samples_beside_a_prior(unit):
    X, y = three_classes(90)
    weight = np.random.default_rng(2).uniform(0.2, 2, 90)
    weight /= weight.mean()
    models = [("bayes", GaussianNB()), ("constant", DummyClassifier())]  # which no unit changes
    models = [(name, CrossFitClassifier(model, cv=3, random_state=0)) for name, model in models]
    noise = np.random.default_rng(3).normal(size=X.shape)  # so the constant is not clearly worse
    found, expected = (
        BlendClassifier(models, prior_samples=3).fit(2 * noise + X, y, sample_weight=w)
        for w in (unit * weight, weight)
    )
    one, other = (clone(models[0][1]).fit(X, y, sample_weight=w) for w in (unit * weight, weight))
    if unit < 1:
        assert one.temperature_ == pytest.approx(other.temperature_, rel=1e-4)
        assert_allclose(found.weights_, expected.weights_, atol=1e-4)
        assert found.weights_[1] > 0
    else:  # the prior draws it less towards 1
        assert abs(np.log(one.temperature_)) > abs(np.log(other.temperature_))
    for level in (0.8, 0.99):  # for sets only the ratios of the weights matter
        shares = [model.predict_set(X, level).mean() for model in (one, other)]
        assert shares[0] == pytest.approx(shares[1], abs=0.02)


@pytest.mark.parametrize("shared", [1, 1 / 90, 5000, 0.5])
def test_weights_are_worth_as_many_samples_as_their_mean_is_precise(shared):
    assert effective_rows(np.full(90, shared)) == pytest.approx(90)
    uneven = np.r_[np.full(45, shared), np.full(45, 3 * shared)] + 1e-9
    deviation_of_mean = np.sqrt(np.sum(uneven**2)) / uneven.sum()
    assert effective_rows(uneven) == pytest.approx(deviation_of_mean**-2)


@settings(deadline=None, max_examples=10)
@given(st.floats(1e-3, 1e4) | st.integers(1, 20))
def test_the_unit_of_weights_changes_no_interval_also_where_they_are_whole_numbers(unit):
    X, y = lines(12, np.ones_like)
    expected, scaled = (
        clone(LINEAR).fit(X, y, sample_weight=np.full(12, weight)).predict_interval(X, 0.8)
        for weight in (1.0, unit)
    )
    assert np.isfinite(expected).all()
    assert_allclose(scaled, expected)


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
    low = counts.predict_quantiles(X, 0.05)
    assert low.min() == 0
    blend = BlendRegressor([("counts", CrossFitRegressor(model, cv=4)), ("again", counts)]).fit(X, y)
    assert blend.predict_quantiles(X, [0.05])[:, 0].min() == 0
    low, high = counts.predict_quantiles(X, [0.05, 0.95]).T
    assert 0.85 < np.mean((low <= y) & (y <= high))
    any_sign = BlendRegressor([("counts", counts), ("linear", LINEAR)]).fit(X, y)
    if (any_sign.weights_ > 0).all():
        assert any_sign.predict_quantiles(X, 0.01).min() < 0


def noisy_rows(n_samples, seed=0, governs=1.0):
    """X, y and whether a row is noisy: the second column governs the noise, and not y."""
    rng = np.random.default_rng(seed)
    X = np.c_[rng.normal(size=(n_samples, 3)), rng.integers(0, 2, n_samples)]
    deviation = np.where(X[:, 3] == 1, 3.0, 0.5) ** governs
    return X, X[:, 0] + deviation * rng.normal(size=n_samples), X[:, 3] == 1


def coverage(model, X, y):
    low, high = model.predict_quantiles(X, [0.05, 0.95]).T
    return np.mean((low <= y) & (y <= high))


@pytest.fixture(scope="module")
def noisy():
    X, y, _ = noisy_rows(1000)
    return FollowsRows(LinearRegression(), cv=5, random_state=0).fit(X, y)


def test_intervals_follow_a_column_that_governs_the_noise(noisy):
    X, y, is_noisy = noisy_rows(20_000, seed=1)
    assert coverage(noisy, X, y) == pytest.approx(0.9, abs=0.02)
    assert 0.84 < coverage(noisy, X[is_noisy], y[is_noisy]) < 0.95
    assert 0.85 < coverage(noisy, X[~is_noisy], y[~is_noisy]) < 0.97
    mean = CrossFitRegressor(DummyRegressor(), cv=5, random_state=0).fit(*noisy_rows(1000)[:2])
    assert np.ptp(mean.predict_quantiles(X, 0.95)) == 0  # by itself, an ensemble follows the prediction


def test_intervals_of_equal_noise_are_as_wide_as_before():
    X, y, _ = noisy_rows(1000, governs=0)
    model = FollowsRows(LinearRegression(), cv=5, random_state=0).fit(X, y)
    low, high = model.predict_interval(X).T
    assert np.mean(high - low) == pytest.approx(2 * 1.645, rel=0.06)


def test_intervals_that_follow_the_row_take_missing_values_and_several_outputs(noisy):
    X, y, _ = noisy_rows(1000)
    expected = noisy.predict_quantiles(X, NINETY)
    both = clone(noisy).fit(X, np.c_[y, 2 * y]).predict_quantiles(X, NINETY)
    assert_allclose(both[:, 0], expected)
    assert_allclose(both[:, 1], 2 * expected)
    X[::3, 3] = np.nan
    trees = FollowsRows(HistGradientBoostingRegressor(max_iter=10), cv=2).fit(X, y)
    assert np.isfinite(trees.predict_quantiles(X, NINETY)).all()
    # A column that had no missing value in fit: trees know nothing of one, and it is the median.
    new, spread = X[:9].copy(), trees._uncertainty[0]["spread"]
    new[:, 0] = np.nan
    missing = spread_at(spread, y[:9], new)
    new[:, 0] = np.median(X[:, 0])
    assert_array_equal(missing, spread_at(spread, y[:9], new))


class CountsJobs(LinearRegression):
    """Notes how many jobs joblib is configured with where it predicts."""

    jobs: ClassVar[list[int]] = []

    def predict(self, X):
        self.jobs.append(effective_n_jobs(None))
        return super().predict(X)


def test_n_jobs_also_holds_for_what_predicts_the_size_of_errors(noisy):
    X, _, _ = noisy_rows(10)
    model = copy.copy(noisy).set_params(n_jobs=3)
    (learned,) = model._uncertainty
    follows = CountsJobs().fit(np.c_[X, X[:, 0]], X[:, 1])
    model._uncertainty = [learned | {"spread": learned["spread"] | {"estimators": [follows]}}]

    with parallel_config("threading", n_jobs=1):
        model.predict_quantiles(X, 0.5)
        model.predict_interval(X)

    assert CountsJobs.jobs == [3, 3]


def test_weights_in_float32_tell_the_same_quantiles():
    X, y, _ = noisy_rows(19)
    fits = [
        CrossFitRegressor(LinearRegression(), cv=3, random_state=0).fit(X, y, np.ones(19, dtype))
        for dtype in (np.float32, np.float64)
    ]
    of_float32, of_float64 = (model.predict_interval(X) for model in fits)
    assert np.isfinite(of_float32).all()
    assert_array_equal(of_float32, of_float64)


class Sometimes(LinearRegression):
    """It has no prediction for some rows."""

    def predict(self, X):
        return np.where(X[:, 0] > 0, super().predict(X), np.nan)


def test_a_prediction_that_is_no_number_is_an_error():
    X, y, _ = noisy_rows(100)
    with pytest.raises(ValueError, match=r"Sometimes\(\) predicts NaN or infinity"):
        CrossFitRegressor(Sometimes(), cv=3).fit(X, y)


class Rows(BaseEstimator, RegressorMixin):
    """It predicts errors of 1, and remembers the rows that it was fitted to and stopped by."""

    fits: ClassVar[list] = []

    def __init__(self, early_stopping=True):
        self.early_stopping = early_stopping

    def fit(self, X, y, sample_weight=None, X_val=None, y_val=None, sample_weight_val=None):
        self.fits.append((set(X[:, 0]), set(X_val[:, 0])))
        return self

    def predict(self, X):
        return np.ones(len(X))


def test_copies_of_a_sample_do_not_tell_an_estimator_their_errors():
    """Members that were not fitted to them predict them differently."""
    rng = np.random.default_rng(0)
    X, y, ones = rng.normal(size=(200, 3)), rng.standard_t(3, size=200), np.ones(600)
    samples = Samples(np.tile(X, (3, 1)), np.tile(y, 3), ones, ones, False, None)
    trees = DecisionTreeRegressor(random_state=0)
    (learned,) = learn_errors(samples, rng.normal(size=600) / 1000, trees, Stop())
    assert "estimators" not in learned["spread"]


def test_samples_that_only_share_X_are_no_copies():
    rng = np.random.default_rng(0)
    X, ones = rng.integers(0, 2, (800, 1)) * 1.0, np.ones(800)
    y = (1 + 9 * X[:, 0]) * rng.normal(size=800)
    samples = Samples(X, y, ones, ones, False, None)
    (learned,) = learn_errors(samples, np.zeros(800), DecisionTreeRegressor(max_depth=2), Stop())
    assert "estimators" in learned["spread"]


@pytest.mark.parametrize("n_groups", [2, 3, 5, 60])
def test_a_spread_is_judged_on_fifths_that_neither_trained_nor_stopped_it(n_groups):
    rng = np.random.default_rng(0)
    group = np.arange(300) % n_groups
    X, Rows.fits = np.arange(300.0)[:, None], []
    ones = np.ones(300)
    samples = Samples(X, rng.normal(size=300), ones, ones, False, group)
    learn_errors(samples, np.zeros(300), Rows(), Stop())
    assert len(Rows.fits) == (0 if n_groups == 2 else min(n_groups, 5))
    held_out = [set(range(300)) - trained_on - stopped_by for trained_on, stopped_by in Rows.fits]
    for (trained_on, stopped_by), others in zip(Rows.fits, held_out):
        assert trained_on
        assert not trained_on & stopped_by
        for part in (trained_on, stopped_by, others):
            rest = set(range(300)) - part
            assert not {group[int(i)] for i in part} & {group[int(i)] for i in rest}
    assert not held_out or set.union(*held_out) == set(range(300))


def test_rows_without_weight_do_not_change_intervals_that_follow_the_row():
    X, y, _ = noisy_rows(900)
    folds = [*KFold(3).split(X[:600])]
    expected = FollowsRows(LinearRegression(), folds).fit(X[:600], y[:600])
    with_junk = [(np.r_[train, 600:900], held) for train, held in folds]
    weight = (np.arange(900) < 600).astype(float)
    y[600:] += 100
    model = FollowsRows(LinearRegression(), with_junk).fit(X, y, sample_weight=weight)
    assert_allclose(model.predict_quantiles(X, NINETY), expected.predict_quantiles(X, NINETY))


def test_a_spread_is_judged_on_groups_that_it_was_not_fitted_to():
    rng = np.random.default_rng(0)
    group = np.repeat(rng.permutation(40), 50)  # the noise of one says nothing of that of others
    deviation = rng.lognormal(sigma=0.7, size=40)[group]
    X, y = np.c_[group, rng.normal(size=2000)], deviation * rng.normal(size=2000)
    mean = FollowsRows(DummyRegressor(), cv=5, random_state=0)
    by_row, by_group = (clone(mean).fit(X, y, groups=groups) for groups in (None, group))
    assert np.ptp(by_row.predict_quantiles(X, 0.95)) > 0.3
    assert np.ptp(by_group.predict_quantiles(X, 0.95)) == 0


def test_intervals_that_follow_the_row_are_saved_and_scale_with_y(noisy):
    X, y, _ = noisy_rows(1000)
    expected = noisy.predict_quantiles(X, NINETY)
    assert_array_equal(pickle.loads(pickle.dumps(noisy)).predict_quantiles(X, NINETY), expected)
    assert_allclose(clone(noisy).fit(X, 1024 * y).predict_quantiles(X, NINETY), 1024 * expected)


# --- sets of classes ----------------------------------------------------------------------------------

LOGISTIC = CrossFitClassifier(LogisticRegression(), cv=3, random_state=0)


def three_classes(n_samples, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n_samples)
    return rng.normal(size=(n_samples, 2)) + np.array([[0, 0], [1.5, 0], [0, 1.5]])[y], y


def test_sets_have_the_classes_whose_probability_is_above_a_quantile_of_the_true_ones():
    X, y = three_classes(99)
    model = clone(LOGISTIC).fit(X, y)
    threshold = np.sort(model.oof_proba_[np.arange(99), y])[9]  # of 100 gaps, 90 are above
    probabilities = model.predict_proba(X)
    assert_array_equal(model.predict_set(X), probabilities >= threshold)
    assert not model.predict_set(X, confidence_level=0.99).all()
    assert model.predict_set(X, confidence_level=0.991).all()  # which 99 samples do not tell
    assert (model.predict_set(X, 0.8) <= model.predict_set(X, 0.9)).all()
    few = clone(LOGISTIC).fit(X[:8], [0, 1] * 4)  # 90 % takes 9 samples
    assert few.predict_set(X).all()
    assert not few.predict_set(X, confidence_level=0.5).all()


@pytest.mark.parametrize("confidence_level", [0.7, 0.9, 0.97])
def test_sets_have_the_true_class_of_their_share_of_new_samples(confidence_level):
    X, y = three_classes(1500)
    blend = BlendClassifier([("line", LOGISTIC), ("trees", clone(LOGISTIC).set_params(cv=5))])
    blend.fit(X, y)
    X, y = three_classes(20_000, seed=1)
    inside = blend.predict_set(X, confidence_level)[np.arange(len(y)), y]
    assert inside.mean() == pytest.approx(confidence_level, abs=0.02)


def rare_class(n_samples, seed):
    """5 % of the samples are of class 1."""
    rng = np.random.default_rng(seed)
    y = (rng.random(n_samples) < 0.05).astype(int)
    x = np.where(y == 1, 2 + 0.3 * rng.normal(size=n_samples), 1.5 * rng.normal(size=n_samples))
    return np.c_[x, x**2], y


@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 1.0, 1: 50.0}])
def test_sets_have_their_share_of_samples_whatever_the_class_weight(class_weight):
    model = BlendClassifier([("linear", LOGISTIC)], class_weight=class_weight)
    model.fit(*rare_class(2000, seed=0))
    X, y = rare_class(20_000, seed=1)
    inside = model.predict_set(X)[np.arange(len(y)), y]
    assert inside.mean() == pytest.approx(0.9, abs=0.015)


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
