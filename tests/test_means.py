"""Means of y by level: the model `means` sees them, learned from the rows of their member."""

import pickle
import warnings

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import skops.io
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import log_loss
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.pipeline import Pipeline

from skdense import TabularClassifier, TabularRegressor, trusted_types
from skdense.onnx import to_onnx
from skdense.tabular import TableEncoder
from skdense.tabular.means import LevelMeans, level_columns
from skdense.tabular.models import Task, models_of

N_LEVELS, N = 601, 5_200
RNG = np.random.default_rng(0)
SHOPS = RNG.integers(N_LEVELS, size=N)
TABLE = pd.DataFrame({"shop": [f"shop{shop}" for shop in SHOPS], "size": RNG.normal(size=N)})
TABLE["region"] = [f"region{shop % 25}" for shop in SHOPS]
TABLE.loc[::50, ["shop", "region"]] = None
SALES = RNG.normal(size=N_LEVELS)[SHOPS] + TABLE["size"].to_numpy() + RNG.normal(size=N)
LABELS = np.where(SALES > 0, "high", "low")
OLD, NEW = slice(0, 5_000), slice(5_000, N)


@pytest.fixture(scope="module")
def fitted():
    return TabularClassifier(models=["means"], cv=2, random_state=0).fit(TABLE[OLD], LABELS[OLD])


def with_new_shops():
    table = TABLE[NEW].copy()
    table.iloc[:20, 0] = "a new shop"
    table.iloc[10:30, 2] = "a new region"
    return table


def effects_of_levels(codes, targets, alpha):
    """Ridge regression on indicators of the levels, by its normal equations."""
    levels = [np.unique(column) for column in codes.T]
    indicators = np.hstack([codes[:, [i]] == levels[i] for i in range(len(levels))]).astype(float)
    centred, y = indicators - indicators.mean(axis=0), targets - targets.mean(axis=0)
    penalty = alpha * np.eye(indicators.shape[1])
    effects = np.linalg.solve(centred.T @ centred + penalty, centred.T @ y)
    ends = np.cumsum([len(column) for column in levels])
    return list(zip(levels, np.split(effects, ends[:-1]), strict=True))


def effects_of_rows(effects, codes):
    """The effects of the levels of rows, 0 of new levels: (n_samples, n_columns, n_means)."""
    columns = []
    for column, (levels, level_effects) in zip(codes.T, effects, strict=True):
        known = dict(zip(levels, level_effects, strict=True))
        columns.append([known.get(code, np.zeros(level_effects.shape[1])) for code in column])
    return np.swapaxes(columns, 0, 1)


@pytest.mark.parametrize(
    ("target_type", "y"),
    [
        ("continuous", RNG.normal(size=300)),
        ("binary", RNG.integers(2, size=300)),
        ("multiclass", RNG.integers(4, size=300)),
    ],
)
@pytest.mark.parametrize("share", [0, 0.75])
def test_means_are_those_of_a_ridge_regression_on_the_levels(target_type, y, share):
    """Rare and new levels, whose frequency is 0, are one level; held-out rows choose the penalty."""
    rng = np.random.default_rng(0)
    levels = rng.integers(30, size=(300, 2))
    y = np.where(rng.random(300) < share, levels[:, 1] % min(4, len(np.unique(y))), y)
    rows = np.log(1 + np.arange(30.0))
    X = np.column_stack([levels[:, 0] / 30, rows[levels[:, 0]], levels[:, 1] / 30]).astype(np.float32)
    means = LevelMeans([(0, 1), (2, None)], target_type=target_type, random_state=0)
    in_fit, later = means.fit_transform(X[:200], y[:200]), means.transform(X)
    codes = np.column_stack([np.where(X[:, 1] > 0, X[:, 0], -1), X[:, 2]])

    numbers = y[:, None].astype(float)
    classes = np.unique(y)[1:] if target_type == "binary" else np.unique(y)
    targets = (numbers if target_type == "continuous" else (numbers == classes))[:200].astype(float)
    folds = (KFold if target_type == "continuous" else StratifiedKFold)(5, shuffle=True, random_state=0)
    losses, held_out = {}, {}
    for alpha in (0.1, 1, 10, 100):
        held_out[alpha], errors = np.empty((200, 2, targets.shape[1])), []
        for train, test in folds.split(codes[:200], y[:200]):
            effects = effects_of_levels(codes[:200][train], targets[train], alpha)
            held_out[alpha][test] = effects_of_rows(effects, codes[test])
            centre = (targets[train] - effects_of_rows(effects, codes[train]).sum(axis=1)).mean(axis=0)
            errors.append(targets[test] - centre - held_out[alpha][test].sum(axis=1))
        losses[alpha] = np.mean(np.concatenate(errors) ** 2)
    alpha = min(losses, key=losses.get)
    assert (alpha == 100) == (share == 0)
    mean = targets.mean(axis=0)
    expected = (mean + held_out[alpha]).reshape(200, -1)
    assert_allclose(in_fit, np.hstack([X[:200], expected]), atol=0.001)
    expected = mean + effects_of_rows(effects_of_levels(codes[:200], targets, alpha), codes)
    assert_allclose(later, np.hstack([X, expected.reshape(300, -1)]), atol=0.001)


def test_indicators_tell_levels_apart_as_places_do():
    rng = np.random.default_rng(0)
    levels = rng.integers(30, size=400)
    indicators = np.eye(30, dtype=np.float32)[levels]
    indicators[levels == 7] = 0  # a level that the table does not have
    y = rng.normal(size=400) + levels % 3
    by_place = LevelMeans([(0, None)], random_state=0)
    by_indicators = LevelMeans([[*range(30)]], random_state=0)
    for method in ("fit_transform", "transform"):
        arguments = (y,) if method == "fit_transform" else ()
        places = getattr(by_place, method)(levels[:, None].astype(np.float32), *arguments)
        assert_allclose(getattr(by_indicators, method)(indicators, *arguments)[:, 30], places[:, 1])


def test_columns_with_means_have_places_or_many_indicators():
    table = TABLE[OLD].assign(few=[f"kind{i % 19}" for i in range(5_000)])
    encoder = TableEncoder().fit(table)
    columns = level_columns(encoder.output_roles_, encoder.output_sources_)
    names = encoder.get_feature_names_out()
    shop, region = (names[[*column]].tolist() for column in columns)
    assert shop == ["shop:place", "shop:frequency"]
    assert sorted(region) == sorted([*(f"region=region{i}" for i in range(25)), "region:missing"])


def test_means_of_one_column_leave_out_what_another_one_explains():
    """Good teachers have good pupils, so the plain means of y would overestimate their effect."""
    rng = np.random.default_rng(0)
    teachers = rng.integers(40, size=8_000)
    pupils = np.where(rng.random(8_000) < 0.7, 2 * teachers, rng.integers(80, size=8_000))
    y = teachers / 40 + pupils / 80
    X = np.column_stack([teachers, pupils]).astype(np.float32)
    means = LevelMeans([(0, None), (1, None)], random_state=0)
    means.fit(X, y)
    numbers = np.arange(40)
    transformed = means.transform(np.column_stack([numbers, 2 * numbers]).astype(np.float32))
    slopes = [np.polyfit(numbers, column, 1)[0] for column in transformed[:, 2:].T]
    assert_allclose(slopes, [1 / 40, 2 / 80], rtol=0.02)


def test_trees_predict_better_with_the_means_of_levels(fitted):
    """Most of the 601 shops have no column of their own, but all have a place in the alphabet."""
    trees = TabularClassifier(models=["trees"], cv=2, random_state=0).fit(TABLE[OLD], LABELS[OLD])
    losses = [log_loss(LABELS[NEW], model.predict_proba(TABLE[NEW])) for model in (fitted, trees)]
    assert losses[0] < 0.95 * losses[1]


def test_means_do_not_know_the_fold():
    """Where y is noise, levels of few rows do not predict the rows that are held out."""
    rng = np.random.default_rng(1)
    noise = rng.normal(size=5_000)
    table = pd.DataFrame({"shop": rng.permutation(np.repeat(np.arange(2_500), 2)).astype(str)})
    table["size"] = rng.normal(size=5_000)
    kinds = {"shop": "category"}
    model = TabularRegressor(models=["means"], column_kinds=kinds, cv=2, random_state=0)
    model.fit(table, noise)
    assert type(model.ensemble_.estimators_[0][-1].estimators_[0]) is Pipeline
    assert -0.1 < model.oof_score_ < 0.01


def test_means_are_kept_in_files(fitted):
    proba = fitted.predict_proba(with_new_shops())
    loaded = pickle.loads(pickle.dumps(fitted))
    assert_array_equal(loaded.predict_proba(with_new_shops()), proba)
    file = skops.io.dumps(fitted)
    assert set(skops.io.get_untrusted_types(data=file)) <= set(trusted_types())
    loaded = skops.io.loads(file, trusted=trusted_types())
    assert_array_equal(loaded.predict_proba(with_new_shops()), proba)


def test_onnx_has_the_means(fitted):
    session = onnxruntime.InferenceSession(to_onnx(fitted).SerializeToString())
    table = with_new_shops()
    inputs = {
        "shop": table[["shop"]].fillna("").to_numpy(object),
        "size": table[["size"]].to_numpy(),
        "region": table[["region"]].fillna("").to_numpy(object),
    }
    labels, proba = session.run(["label", "probabilities"], inputs)
    assert_array_equal(labels.ravel(), fitted.predict(table))
    assert_allclose(proba, fitted.predict_proba(table), atol=1e-6)


def test_means_are_a_default_model_of_large_tables_with_many_levels():
    def names(n_rows, levels, n_classes=0, **changes):
        task = Task(
            n_rows=n_rows,
            n_trained_on=n_rows // 2,
            rarest_class_size=100,
            n_columns=10,
            n_classes=n_classes,
            n_outputs=1,
            loss_params={} if n_classes else {"loss": "squared_error", "quantile": 0.5, "delta": 1.0},
            network_params={},
            levels=levels,
            **changes,
        )
        models, callbacks = models_of(None, task, 2, np.random.RandomState(0), False)
        assert ("means" in callbacks) == ("means" in dict(models))
        return [*dict(models)]

    assert "means" in names(5_000, [(0, 1)])
    assert "means" not in names(4_999, [(0, 1)])
    assert "means" not in names(5_000, ())
    assert names(5_000, [(0, 1)], monotonic_cst=[0] * 10) == ["trees", "deep"]
    # In large regressions they replace the trees that do not see means.
    assert names(10_000, [(0, 1)]) == ["ramps", "deep", "means"]
    assert names(10_000, ()) == ["ramps", "trees", "deep"]
    assert "trees" in names(9_999, [(0, 1)])
    assert "trees" in names(10_000, [(0, 1)], n_classes=2)
    assert names(10_000, [(0, 1)], is_fast=True) == ["trees"]


def test_a_class_of_few_rows_has_no_means():
    """StratifiedKFold would warn of it."""
    labels = LABELS.copy()
    labels[:4] = "closed"
    model = TabularClassifier(models=["means"], cv=2, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(TABLE[OLD], labels[OLD])
    assert not any(type(m) is Pipeline for m in model.ensemble_.estimators_[0][-1].estimators_)
