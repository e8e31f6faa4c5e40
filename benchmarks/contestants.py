"""The models that are compared on tables: each with its defaults, on one thread.

They take a DataFrame of numbers and categories with missing values. Without its package, a model is
left out.
"""

from importlib import import_module
from importlib.util import find_spec
from itertools import islice

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.compose import TransformedTargetRegressor, make_column_selector, make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

NUMBERS = make_column_selector(dtype_include="number")
CATEGORIES = make_column_selector(dtype_include="category")
KINDS = {"classification": "Classifier", "regression": "Regressor"}
# Name: the package it is from. The first is ours.
PACKAGES = {
    "make_tabular": "skdense",
    "8 x RealMLP_TD_S": "pytabkit",
    "TabM_D": "pytabkit",
    "CatBoost": "catboost",
    "CatBoost, stopped": "catboost",
    "8 x CatBoost": "catboost",
    "LightGBM": "lightgbm",
    "XGBoost": "xgboost",
    "HistGradientBoosting": "sklearn.ensemble",
    "MLP": "sklearn.neural_network",
    "linear model": "sklearn.linear_model",
}
LEGEND = """\
*make_tabular*, *MLP* and *linear model* stand for make_tabular_classifier, MLPClassifier and
LogisticRegression, or for make_tabular_regressor, MLPRegressor and Ridge. The settings of
make_tabular were chosen on other tables. The rivals have their defaults, but LogisticRegression
`max_iter=1000`, and RealMLP and TabM for classification what RealMLP's authors recommend for the
log-loss (`val_metric_name="cross_entropy"`, `use_ls=False`). They get what they need: MLP,
LogisticRegression and Ridge one-hot categories, and numbers that are imputed and scaled; RealMLP and
TabM imputed numbers; CatBoost a category for missing categories; MLPRegressor a scaled target. A fifth
of the rows stops *CatBoost, stopped*. Ours are up to 48 models, so two rivals are eight models:
*8 x RealMLP_TD_S* is its own ensemble (`n_cv=8`), *8 x CatBoost* the mean of eight that are each
stopped by a fold of their own. One fit of these, or of TabM_D, takes minutes on larger tables: the
eights of CatBoost are measured on tables of at most 7,500 rows, those of RealMLP and TabM_D on tables
of at most 3,000. AutoGluon was not run."""
PATIENCE = 50  # iterations that a CatBoost goes on without a better loss of its fold


def present():
    """The names of the contestants that this machine has."""
    return [name for name, package in PACKAGES.items() if find_spec(package.partition(".")[0])]


def make(name, task, X, seed):
    """A contestant for a table, not yet fitted."""
    kind = KINDS[task]
    package = import_module(PACKAGES[name])
    match name:
        case "make_tabular":
            return getattr(package, f"make_tabular_{kind.lower()}")(random_state=seed)
        case "8 x RealMLP_TD_S" | "TabM_D":
            number, _, name = name.rpartition(" x ")
            settings = {"n_cv": int(number)} if number else {}
            if task == "classification":
                settings["val_metric_name"] = "cross_entropy"
                if name != "TabM_D":
                    settings["use_ls"] = False
            return _of_pytabkit(package, f"{name}_{kind}", seed, **settings)
        case "CatBoost" | "CatBoost, stopped" | "8 x CatBoost":
            settings = {"thread_count": 1, "verbose": False, "allow_writing_files": False}
            model = getattr(package, f"CatBoost{kind}")
            model = model(random_seed=seed, cat_features=CATEGORIES(X), **settings)
            if name != "CatBoost":
                folded = {"Classifier": _FoldedClassifier, "Regressor": _FoldedRegressor}[kind]
                n_folds, n_models = (8, 8) if name == "8 x CatBoost" else (5, 1)
                model = folded(model, seed, n_folds, n_models)
            return make_pipeline(FunctionTransformer(_named_missing), model)
        case "LightGBM":
            return getattr(package, f"LGBM{kind}")(random_state=seed, n_jobs=1, verbose=-1)
        case "XGBoost":
            return getattr(package, f"XGB{kind}")(random_state=seed, n_jobs=1, enable_categorical=True)
        case "HistGradientBoosting":
            return getattr(package, f"HistGradientBoosting{kind}")(random_state=seed)
        case "MLP":
            model = _after_columns(getattr(package, f"MLP{kind}")(random_state=seed))
            if kind == "Regressor":
                model = TransformedTargetRegressor(model, transformer=StandardScaler())
            return model
        case "linear model":
            return _after_columns(
                LogisticRegression(max_iter=1000) if kind == "Classifier" else Ridge()
            )


class _Folded(BaseEstimator):
    """The mean of CatBoosts, each stopped by a fold that it is fitted without: the first `n_models`."""

    def __init__(self, model, seed, n_folds, n_models):
        self.model = model
        self.seed = seed
        self.n_folds = n_folds
        self.n_models = n_models

    def fit(self, X, y):
        folds = self._splitter(self.n_folds, shuffle=True, random_state=self.seed).split(X, y)
        self.models_ = [
            self.model.copy().fit(
                X.iloc[rows],
                y[rows],
                eval_set=(X.iloc[held_out], y[held_out]),
                early_stopping_rounds=PATIENCE,
            )
            for rows, held_out in islice(folds, self.n_models)
        ]
        return self


class _FoldedClassifier(ClassifierMixin, _Folded):
    _splitter = StratifiedKFold

    def predict_proba(self, X):
        return np.mean([model.predict_proba(X) for model in self.models_], axis=0)


class _FoldedRegressor(RegressorMixin, _Folded):
    _splitter = KFold

    def predict(self, X):
        return np.mean([model.predict(X) for model in self.models_], axis=0)


def _of_pytabkit(package, name, seed, **settings):
    """Numbers imputed, categories as they are, before a model of pytabkit."""
    model = getattr(package, name)(random_state=seed, device="cpu", n_threads=1, **settings)
    numbers = SimpleImputer(strategy="median", add_indicator=True)
    steps = make_column_transformer(
        (numbers, NUMBERS), ("passthrough", CATEGORIES), verbose_feature_names_out=False
    )
    return make_pipeline(steps.set_output(transform="pandas"), model)


def _named_missing(X):
    """CatBoost takes no missing categories."""
    categories = CATEGORIES(X)
    return X.assign(**X[categories].astype(object).fillna("missing"))


def _after_columns(last):
    """Numbers imputed and scaled, categories one-hot, before an estimator that takes numbers only."""
    numbers = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    categories = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=5)
    return make_pipeline(make_column_transformer((numbers, NUMBERS), (categories, CATEGORIES)), last)
