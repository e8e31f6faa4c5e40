"""The models that are compared on tables: each with its defaults, on one thread.

They take a DataFrame as it comes. Each gets strings, dates and ids as its documentation asks for them.
Without its package, a model is left out.
"""

import time
from importlib import import_module
from importlib.util import find_spec
from itertools import chain

import numpy as np
import pandas as pd
from sklearn.base import (
    BaseEstimator,
    ClassifierMixin,
    RegressorMixin,
    TransformerMixin,
    clone,
    is_classifier,
)
from sklearn.compose import TransformedTargetRegressor, make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, log_loss, r2_score, root_mean_squared_error
from sklearn.model_selection import KFold, StratifiedKFold, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from benchmarks.tables import columns_by_kind

NUMBERS = make_column_selector(dtype_include="number")
CATEGORIES = make_column_selector(dtype_exclude="number")
KINDS = {"classification": "Classifier", "regression": "Regressor"}
# Name: the package it is from. The first is ours.
PACKAGES = {
    "skdense": "skdense",
    "CatBoost": "catboost",
    "HistGradientBoosting": "sklearn.ensemble",
    "LightGBM": "lightgbm",
    "stopped LightGBM": "lightgbm",
    "tabular_pipeline": "skrub",
    "linear model": "sklearn.linear_model",
    "MLP": "sklearn.neural_network",
    "XGBoost": "xgboost",
    "8 x CatBoost": "catboost",
}
SETTINGS = [
    {"contestant": name, "estimators": estimators, "settings": settings, "columns": columns}
    for name, estimators, settings, columns in (
        ("skdense", "TabularClassifier, TabularRegressor", "default", "as they are"),
        ("CatBoost", "CatBoostClassifier, CatBoostRegressor", "default",
         "`cat_features`, and `text_features` of texts; a string for missing ones"),
        ("8 x CatBoost", "the mean of 8 CatBoosts",
         "each stopped by a fold of its own, with a patience of 50 rounds", "as for CatBoost"),
        ("LightGBM", "LGBMClassifier, LGBMRegressor", "default", "category dtype"),
        ("stopped LightGBM", "the same",
         "31 leaves as by default, stopped by a fifth of the rows, with a patience of 50 rounds",
         "category dtype"),
        ("XGBoost", "XGBClassifier, XGBRegressor", "`enable_categorical=True`", "category dtype"),
        ("HistGradientBoosting", "HistGradientBoostingClassifier, -Regressor", "default",
         "category dtype; the rarest are one category beyond 255"),
        ("tabular_pipeline", "skrub's, with its HistGradientBoosting", "default", "as they are"),
        ("linear model", "LogisticRegression, Ridge", "`max_iter=1000`; default",
         "one-hot; numbers imputed and scaled"),
        ("MLP", "MLPClassifier, MLPRegressor", "default; the target of a regression is scaled",
         "one-hot; numbers imputed and scaled"),
    )
]  # fmt: skip
LEGEND = """\
For all but skdense and tabular_pipeline a date is its year, month, day, weekday, second of the day and
seconds since 1970; *texts* are strings of more than two words of which more than half are unlike all
others, and other strings are categories. All run on one thread. Ours is an ensemble, so one rival is
the mean of eight."""
MOST_CATEGORIES = 254  # of HistGradientBoosting, beside the rare ones
PATIENCE = 50  # rounds that boosting goes on without a better loss of its fold
MOST_ROUNDS = 10_000  # of a LightGBM that a fold stops
N_FOLDS = 8


def present():
    """The names of the contestants that this machine has."""
    return [name for name, package in PACKAGES.items() if find_spec(package.partition(".")[0])]


def make(name, task, X, seed):
    """A contestant for a table, not yet fitted."""
    kind = KINDS[task]
    package = import_module(PACKAGES[name])
    match name:
        case "skdense":
            return ours(task)(random_state=seed)
        case "CatBoost" | "8 x CatBoost":
            columns = columns_by_kind(X)
            settings = {"thread_count": 1, "verbose": False, "allow_writing_files": False}
            model = getattr(package, f"CatBoost{kind}")(
                random_seed=seed,
                cat_features=columns["categories"],
                text_features=columns["texts"],
                **settings,
            )
            if name == "8 x CatBoost":
                model = {"Classifier": _Classifiers, "Regressor": _Regressors}[kind](model, seed)
            return make_pipeline(Columns("missing"), model)
        case "LightGBM":
            model = getattr(package, f"LGBM{kind}")(random_state=seed, n_jobs=1, verbose=-1)
            return make_pipeline(Columns(), Categories(), model)
        case "stopped LightGBM":
            model = getattr(package, f"LGBM{kind}")(
                n_estimators=MOST_ROUNDS, random_state=seed, n_jobs=1, verbose=-1
            )
            model = {"Classifier": _StoppedClassifier, "Regressor": _StoppedRegressor}[kind](
                model, seed
            )
            return make_pipeline(Columns(), Categories(), model)
        case "XGBoost":
            model = getattr(package, f"XGB{kind}")
            model = model(random_state=seed, n_jobs=1, enable_categorical=True)
            return make_pipeline(Columns(), Categories(), model)
        case "HistGradientBoosting":
            model = getattr(package, f"HistGradientBoosting{kind}")(random_state=seed)
            return make_pipeline(Columns(), Categories(MOST_CATEGORIES), model)
        case "tabular_pipeline":
            from sklearn import ensemble

            trees = getattr(ensemble, f"HistGradientBoosting{kind}")
            return package.tabular_pipeline(trees(categorical_features="from_dtype", random_state=seed))
        case "MLP":
            model = _after_columns(getattr(package, f"MLP{kind}")(random_state=seed))
            if kind == "Regressor":
                model = TransformedTargetRegressor(model, transformer=StandardScaler())
            return model
        case "linear model":
            return _after_columns(
                LogisticRegression(max_iter=1000) if kind == "Classifier" else Ridge()
            )


def ours(task):
    """The tabular estimator of skdense for a task."""
    import skdense

    return getattr(skdense, f"Tabular{KINDS[task]}")


def figures(name, task, X, y, X_test, y_test, seed):
    """The scores of a contestant on held-out rows, and its processor time, on one thread."""
    model = make(name, task, X, seed)
    start = time.process_time()
    with threadpool_limits(1):
        model.fit(X, y)
        seconds = time.process_time() - start
        found = scores(task, model, X_test, y_test, y.std())
        predict = seconds_of_1000(model, X_test)
    return {"seconds": seconds, "predict": predict} | found


def scores(task, model, X, y, scale):
    """The score, of which more is better, and the loss, of which less is."""
    if task == "regression":
        predicted = model.predict(X)
        return {"score": r2_score(y, predicted), "loss": root_mean_squared_error(y, predicted) / scale}
    probabilities = model.predict_proba(X)
    predicted = probabilities.argmax(axis=1)
    return {"score": accuracy_score(y, predicted), "loss": log_loss(y, probabilities)}


def seconds_of_1000(model, X):
    """The processor time of predicting 1,000 rows, in a second call."""
    X = X.sample(1000, replace=True, random_state=0)
    predict = model.predict_proba if hasattr(model, "predict_proba") else model.predict
    predict(X)
    start = time.process_time()
    predict(X)
    return time.process_time() - start


class Columns(TransformerMixin, BaseEstimator):
    """Numbers for dates, by what `fit` saw of them; strings for texts and categories."""

    def __init__(self, missing=None):
        self.missing = missing  # the string in the place of a missing one

    def fit(self, X, y=None):
        self.columns_ = columns_by_kind(X)
        return self

    def transform(self, X):
        numbers, dates, *strings = self.columns_.values()
        parts = [X[numbers].astype(np.float64), *(_parts(X[name]) for name in dates)]
        for name in chain.from_iterable(strings):
            values = X[name].astype(object).map(str, na_action="ignore")
            parts.append(values if self.missing is None else values.fillna(self.missing))
        return pd.concat(parts, axis=1)


def _parts(column):
    """The numbers of a date, a column each."""
    date = pd.to_datetime(column, format="mixed", utc=True, errors="coerce")
    second = date.dt.hour * 3600 + date.dt.minute * 60 + date.dt.second
    since = (date - pd.Timestamp(0, tz="UTC")).dt.total_seconds()
    parts = {name: getattr(date.dt, name) for name in ("year", "month", "day", "weekday")}
    parts |= {"second": second, "total_seconds": since}
    return pd.DataFrame(parts).astype(np.float64).add_prefix(f"{column.name}_")


class Categories(TransformerMixin, BaseEstimator):
    """Strings as categories: those of `fit`, or the most frequent of them and one for the rest."""

    def __init__(self, most=None):
        self.most = most

    def fit(self, X, y=None):
        self.levels_ = {name: X[name].value_counts().index[: self.most] for name in CATEGORIES(X)}
        return self

    def transform(self, X):
        return X.assign(**{name: self._of(X[name], levels) for name, levels in self.levels_.items()})

    def _of(self, column, levels):
        if self.most is None or len(levels) < self.most:
            return pd.Categorical(column, levels)
        column = column.where(column.isin(levels) | column.isna(), "(rare)")
        return pd.Categorical(column, [*levels, "(rare)"])


class _Folded(BaseEstimator):
    """The mean of CatBoosts, each stopped by a fold that it is fitted without."""

    def __init__(self, model, seed):
        self.model = model
        self.seed = seed

    def fit(self, X, y):
        folds = self._splitter(N_FOLDS, shuffle=True, random_state=self.seed).split(X, y)
        self.models_ = [
            self.model.copy().fit(
                X.iloc[rows],
                y[rows],
                eval_set=(X.iloc[held_out], y[held_out]),
                early_stopping_rounds=PATIENCE,
            )
            for rows, held_out in folds
        ]
        return self


class _Classifiers(ClassifierMixin, _Folded):
    _splitter = StratifiedKFold

    def predict_proba(self, X):
        return np.mean([model.predict_proba(X) for model in self.models_], axis=0)


class _Regressors(RegressorMixin, _Folded):
    _splitter = KFold

    def predict(self, X):
        return np.mean([model.predict(X) for model in self.models_], axis=0)


class _Stopped(BaseEstimator):
    """A LightGBM that a fifth of the rows stops."""

    def __init__(self, model, seed):
        self.model = model
        self.seed = seed

    def fit(self, X, y):
        stratify = y if is_classifier(self) else None
        X, X_held_out, y, y_held_out = train_test_split(
            X, y, test_size=0.2, stratify=stratify, random_state=self.seed
        )
        stop = import_module("lightgbm").early_stopping(PATIENCE, verbose=False)
        self.model_ = clone(self.model).fit(X, y, eval_set=[(X_held_out, y_held_out)], callbacks=[stop])
        return self

    def predict(self, X):
        return self.model_.predict(X)


class _StoppedClassifier(ClassifierMixin, _Stopped):
    def predict_proba(self, X):
        return self.model_.predict_proba(X)


class _StoppedRegressor(RegressorMixin, _Stopped):
    pass


def _after_columns(last):
    """Numbers imputed and scaled, categories one-hot, before an estimator that takes numbers only."""
    numbers = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    categories = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=5)
    columns = make_column_transformer((numbers, NUMBERS), (categories, CATEGORIES))
    return make_pipeline(Columns(), columns, last)
