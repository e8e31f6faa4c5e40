"""How fitted members predict: the one table of the kinds of models that are not simply asked.

A row says which models it is for, how they predict, and whether they use one thread. `ensemble` never
imports LightGBM: a model of it exists only if the user has imported it.
"""

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import NDArray
from scipy.special import log_softmax
from sklearn import config_context, get_config
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeCV
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import Pipeline

from skdense import compat
from skdense.base import is_network
from skdense.core.machine.threads import for_each_block
from skdense.ensemble.calibration import as_logs
from skdense.fit.targets import fitted_encoder


class Predictor(NamedTuple):
    """How fitted models of some classes predict.

    Attributes
    ----------
    is_for : callable
        `is_for(model)` is whether the model predicts in this way: the methods that are replaced would
        have run, and no others.
    log_proba : callable
        `log_proba(model, X)` are a classifier's log-probabilities `(n_samples, n_classes)`, in the
        order of its `classes_`.
    predict : callable
        `predict(model, X)` are a regressor's predictions.
    uses_one_thread : callable
        `uses_one_thread(model)` is whether many rows are to be divided among threads.
    """

    is_for: Callable[[Any], bool]
    log_proba: Callable[[Any, Any], NDArray]
    predict: Callable[[Any, Any], NDArray]
    uses_one_thread: Callable[[Any], bool] = lambda model: False


def protected(X: Any) -> Any:
    """A copy of an array, a sparse matrix or a frame, for a model that may write into it."""
    return X.copy() if hasattr(X, "copy") else X.clone()  # a frame of polars


# --- models of other libraries ------------------------------------------------------------------------


def _log_proba(model, X):
    return as_logs(model.predict_proba(protected(X)))


def _predict(model, X):
    return _one_column(model.predict(protected(X)))


def _one_column(predictions):
    """Predictions as one dimension if they have one column."""
    predictions = np.asarray(predictions)
    has_one_column = predictions.ndim == 2 and predictions.shape[1] == 1
    return predictions[:, 0] if has_one_column else predictions


# --- networks -----------------------------------------------------------------------------------------


def _is_network(model):
    return is_network(model, "_logits", "predict", "predict_proba", "predict_log_proba")


def _log_proba_of_network(model, X):
    return fitted_encoder(model).log_probabilities(model._forward(X))  # none is -inf


def _predict_of_network(model, X):
    return fitted_encoder(model).decode(model._forward(X))


# --- LightGBM, whose own methods take ten times as long for a row, and all cores ----------------------


def is_lightgbm(model: Any) -> bool:
    """Whether a model is LightGBM's own, which is imported then."""
    lightgbm = sys.modules.get("lightgbm")
    return lightgbm is not None and type(model) in (lightgbm.LGBMClassifier, lightgbm.LGBMRegressor)


def _log_proba_of_lightgbm(model, X):
    proba = _predict_of_lightgbm(model, X)
    return as_logs(np.column_stack([1 - proba, proba]) if proba.ndim == 1 else proba)


def _predict_of_lightgbm(model, X):
    booster = model.booster_
    stopping = {
        name: value for name, value in booster.params.items() if name.startswith("pred_early_stop")
    }
    return booster.predict(X, num_threads=1, **stopping)


def has_lightgbm_per_output(model: Any) -> bool:
    """Whether a model is scikit-learn's one of a LightGBM for each column of y."""
    return type(model) is MultiOutputRegressor and is_lightgbm(model.estimator)


def _predict_of_outputs(model, X):
    return np.column_stack([predictor_of(part).predict(part, X) for part in model.estimators_])


def is_pipeline_of_lightgbm(model: Any) -> bool:
    """Whether a model is a Pipeline that ends with LightGBM's own, after steps of this package."""
    if type(model) is not Pipeline or not is_lightgbm(model.steps[-1][1]):
        return False
    return all(type(step).__module__.startswith("skdense.") for _, step in model.steps[:-1])


def _before_lightgbm(pipeline, X):
    """The model at the end of a Pipeline, and X as the steps before transform it."""
    *before, (_, model) = pipeline.steps
    for _, step in before:
        X = step.transform(X)
    return model, X


def _log_proba_of_pipeline(pipeline, X):
    return _log_proba_of_lightgbm(*_before_lightgbm(pipeline, X))


def _predict_of_pipeline(pipeline, X):
    return _predict_of_lightgbm(*_before_lightgbm(pipeline, X))


# --- linear models ------------------------------------------------------------------------------------


def is_linear(model: Any) -> bool:
    """Whether a regressor predicts by scikit-learn's linear function of X."""
    predict = getattr(type(model), "predict", None)
    return predict in (LinearRegression.predict, Ridge.predict, RidgeCV.predict)


def _predict_of_linear(model, X):
    return _one_column(model.predict(X))


def _is_logistic(model):
    names = "predict_proba", "decision_function"
    return all(getattr(type(model), name, None) is getattr(LogisticRegression, name) for name in names)


def _log_proba_of_logistic(model, X):
    if isinstance(X, np.ndarray) and X.dtype.kind == "f":
        scores = X @ model.coef_.T + model.intercept_
        if np.isfinite(scores).all():  # `predict_proba` says what is wrong with X
            scores = np.pad(scores, [(0, 0), (1, 0)]) if len(model.classes_) == 2 else scores
            return np.maximum(log_softmax(scores, axis=1), as_logs(0.0))  # as of `predict_proba`
    return _log_proba(model, X)


# --- the table ----------------------------------------------------------------------------------------

OTHER = Predictor(lambda model: True, _log_proba, _predict)
"""How all other models predict: by their own methods, with a copy of X."""
PREDICTORS = (
    Predictor(
        _is_network,
        _log_proba_of_network,
        _predict_of_network,
        uses_one_thread=lambda model: True,
    ),
    Predictor(
        is_lightgbm,
        _log_proba_of_lightgbm,
        _predict_of_lightgbm,
        uses_one_thread=lambda model: True,
    ),
    Predictor(
        has_lightgbm_per_output,
        _log_proba,
        _predict_of_outputs,
        uses_one_thread=lambda model: True,
    ),
    Predictor(
        is_pipeline_of_lightgbm,
        _log_proba_of_pipeline,
        _predict_of_pipeline,
        uses_one_thread=lambda model: True,
    ),
    Predictor(
        lambda model: is_linear(model) or _is_logistic(model),
        _log_proba_of_logistic,
        _predict_of_linear,
        uses_one_thread=is_linear,
    ),
    OTHER,
)
"""The first row that is for a model says how it predicts."""


def predictor_of(model: Any) -> Predictor:
    """How a fitted model predicts."""
    return next(predictor for predictor in PREDICTORS if predictor.is_for(model))


def predictors_of(models: list) -> list[Predictor]:
    """How each of some fitted models predicts, found once for each class."""
    by_class = {}
    for model in models:
        if type(model) not in by_class:
            by_class[type(model)] = predictor_of(model)
    return [by_class[type(model)] for model in models]


# --- many rows ----------------------------------------------------------------------------------------

_BLOCK = 4096
"""Rows at a time: smaller blocks take more processor time, larger ones more memory."""
_FEW_TO_PREDICT = 64
"""So few rows are predicted where they are asked for."""


def in_blocks(predict: Callable[[Any], NDArray], X: Any, model: Any) -> NDArray:
    """The result of `predict(X)`, a function that asks such models; many rows in blocks, in threads.

    By themselves, products of networks divide the rows among all cores, and wait for all of them after
    each layer. If other work occupies a core, this takes 3 to 100 times as long as with one thread. So
    each core gets blocks of rows of its own, as for LightGBM, which uses one thread here, and linear
    models, whose products are in float64. There are as many threads as BLAS would use, or as joblib is
    configured with. For few rows, nothing of the process is touched.
    """
    n_rows = X.shape[0]
    if n_rows <= _FEW_TO_PREDICT or not predictor_of(model).uses_one_thread(model):
        return predict(X)
    config, blocks = get_config(), {}

    def predict_block(rows):
        with config_context(**config):
            blocks[rows.start] = predict(compat.safe_indexing(X, rows))

    n_jobs: Any = compat.joblibs_n_jobs()
    n_threads = None if n_jobs == -1 else effective_n_jobs(n_jobs)
    for_each_block(predict_block, n_rows, _BLOCK, threaded_from=1, n_threads=n_threads)
    return np.concatenate([blocks[start] for start in sorted(blocks)])
