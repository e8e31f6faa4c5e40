"""Fits within a fit: what they are told, what they say and when they stop; the members of an ensemble.

A table's fit has a blend's, a blend's has those of its models, and a model's has those of its members.
Networks train on rows of one table, other members on copies of them.
"""

import sys
from collections.abc import Callable
from contextlib import contextmanager, nullcontext
from inspect import signature
from threading import Event
from time import perf_counter
from typing import Any

import numpy as np
from joblib import Parallel, cpu_count, delayed, effective_n_jobs, parallel_config
from scipy.special import log_softmax
from sklearn import config_context, get_config
from sklearn.base import is_classifier
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeCV
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils.validation import has_fit_parameter
from threadpoolctl import ThreadpoolController

from skdense import compat
from skdense.base import is_network
from skdense.core.machine.threads import for_each_block, one_blas_thread
from skdense.ensemble.calibration import as_logs, facts_of_loss
from skdense.final_step import fit_arguments, nested
from skdense.fit.fitting import fit_together, outcome
from skdense.fit.inputs import FitInput
from skdense.fit.targets import fitted_encoder
from skdense.version import __version__


class Log:
    """What a fit and all fits within it have to say, with the time; the outermost fit prints it.

    In another process, lines are kept for the outermost fit, as warnings always are.
    """

    def __init__(self, is_elsewhere: bool = False):
        self._begin, self._is_elsewhere = perf_counter(), is_elsewhere
        self.lines: list[str] = []
        self.warnings: dict[str, None] = {}

    def __reduce__(self):
        return Log, (True,)

    def say(self, line: str) -> None:
        """Print a line, in one piece, as other threads print, too."""
        if self._is_elsewhere:
            self.lines.append(line)
        else:
            seconds = perf_counter() - self._begin
            number, unit = (seconds, "s") if seconds < 100 else (seconds / 60, "min")
            print(f"[{number:.{0 if number >= 10 else 1}f} {unit}] {line}\n", end="")


class Stop(Event):
    """Set when a fit is not to go on: what is running ends soon, and nothing more begins.

    A fit that is part of another one has its own, which networks set when one of them fails, so that
    the error arrives before other models end by it. The whole's ends all parts. Another process is not
    told.
    """

    def __init__(self, whole: "Stop | None" = None):
        super().__init__()
        self._parts: list[Stop] = []
        if whole is not None:
            whole._parts.append(self)
            if whole.is_set():
                self.set()

    def __reduce__(self):
        return Stop, ()

    def set(self) -> None:
        """End this fit and its parts, which look at their own flag after each round of boosting."""
        super().set()
        for part in [*self._parts]:
            part.set()

    def check(self) -> None:
        """Raise if it is set. The error ends a thread whose result nobody waits for."""
        if self.is_set():
            raise RuntimeError("the fit that this one is part of has ended")


class Context:
    """What an ensemble is told by the fit that it is part of, or what the outermost fit begins with.

    Parameters
    ----------
    verbose : bool or int
        That of the ensemble: whether the results of its members are printed.
    above : Context, default=None
        That of the fit which it is part of.
    name : str, default=""
        The ensemble's name there.

    Attributes
    ----------
    log : Log
        Where lines and warnings go.
    stop : Stop
        What ends all fits within the outermost one.
    callbacks : dict of str to callable
        For each model whose members are stopped by callbacks of LightGBM, a function that makes one for
        a member; a table's fit sets it.
    make_callback : callable or None
        What makes the callbacks of this model.
    all_cores : bool
        Whether networks use all cores, whatever the share of their model: the models of a blend end at
        different times, and a network needs no copy of the rows.
    has_lines_of_members : bool
        Whether a line is printed for each member.
    """

    def __init__(self, verbose: bool | int, above: "Context | None" = None, name: str = ""):
        self.log = above.log if above else Log()
        self.stop = Stop(above.stop) if above else Stop()
        self.callbacks: dict[str, Callable] = above.callbacks if above else {}
        self.make_callback = self.callbacks.get(name)
        self.all_cores = above.all_cores if above else compat.joblibs_n_jobs() == -1
        self._called = f"{above._called}{name}, " if above and name else ""
        self.has_lines_of_members = bool(verbose)
        self._has_lines = bool(verbose) or (above is not None and above._has_lines)

    def say_member(self, number: int, n_members: int, outcome: str) -> None:
        """Say that the member of this number, from 0, is fitted, and with what outcome."""
        if self.has_lines_of_members:
            self.log.say(f"{self._called}{fold_name(number, n_members)}: {outcome}")

    def say_result(self, ensemble: Any) -> None:
        """Say the results on out-of-fold predictions."""
        if not self._has_lines:
            return
        what = f"all {len(ensemble.estimators_)} folds"
        if is_blend := hasattr(ensemble, "named_estimators_"):
            weights = zip(ensemble.weights_, ensemble.named_estimators_, strict=True)
            what = "blend of " + ", ".join(f"{weight:.3g} {name}" for weight, name in weights)
        score = f"R2 {ensemble.oof_score_:f}"
        if of_classes := is_classifier(ensemble):
            score = f"accuracy {ensemble.oof_score_:f}, temperature {ensemble.temperature_:.3g}"
        if is_blend or of_classes or not self._called:  # a blend has its own losses of numbers
            score = f"loss {ensemble.oof_loss_:.6g}, {score}"
        self.log.say(f"{self._called}{what}: out-of-fold {score}")

    def add_warning(self, message: str) -> None:
        """Let the outermost fit warn, once if several fits have the same to say."""
        self.log.warnings[message] = None

    @contextmanager
    def outermost(self):
        """Around the outermost fit: whatever ends it ends all fits within; then it warns.

        An error has the warnings that are known here as notes, since they may say why.
        """
        try:
            yield
        except BaseException as error:
            self.stop.set()
            for message in [*self.log.warnings]:  # other threads may add some
                error.add_note(f"Before that, the fit would have warned: {message}")
            raise
        for message in self.log.warnings:
            compat.warn_at_caller(message)


def jobs(n_jobs):
    """A context in which joblib is configured with a number of jobs; None leaves it as it is."""
    return nullcontext() if n_jobs is None else parallel_config(n_jobs=n_jobs)


# --- members -----------------------------------------------------------------------------------------


_BLOCK = 4096
"""Rows at a time: smaller blocks take more processor time, larger ones more memory."""
_FEW_TO_PREDICT = 64
"""So few rows are predicted where they are asked for."""
_STOPPING = "early_stopping", "early_stopping_rounds", "early_stopping_round"
"""The parameters that switch early stopping on: scikit-learn's, XGBoost's, LightGBM's."""


def fold_name(number, n_members):
    """What the fold of this number, from 0, is called in lines and notes."""
    return f"fold {number + 1} of {n_members}"


def fit_members(members, splits, samples, context):
    """Fit each member to the rows of its split, all at the same time.

    Return them, and for classifiers the labels of the columns that each predicts.

    A split is the rows to train on, and the member's fold: the rows held out, on which early stopping
    validates it.
    """
    if is_network(members[0], "fit"):
        _fit_networks(members, splits, samples, context)
        return members, [getattr(member, "classes_", None) for member in members]
    X, y, sample_weight = samples.X, samples.y, samples.sample_weight
    data = X, y, sample_weight, context.stop, context.make_callback, context.has_lines_of_members
    fits, fitted = [(*each, *data) for each in zip(members, splits, strict=True)], []
    labels = []
    folds = [fold_name(number, len(members)) for number in range(len(members))]
    # Each core has a member. And the last digits depend on the number of threads of BLAS, which members
    # that are fitted at the same time would change.
    with one_blas_thread():
        for member, labels_of_member, score in at_once(fit_member, fits, folds):
            context.say_member(len(fitted), len(members), f"score {score:f}")
            fitted.append(member)
            labels.append(labels_of_member)
    return fitted, labels


def _fit_networks(estimators, splits, samples, context):
    first = estimators[0]
    data = samples.X, samples.y, samples.sample_weight
    inputs = [FitInput(*data, split=split) for split in splits]

    def after_fit(estimator, job):
        if job is None:  # it was trained alone
            words = [f"{estimator.n_iter_} iterations, loss = {estimator.loss_:.8f}"]
        else:
            words = [outcome(network, job) for network in job.networks]
        context.say_member(estimators.index(estimator), len(estimators), "; ".join(words))

    # With early stopping the best epoch is kept, and a cosine schedule ends at max_iter.
    may_reach_max_iter = first.early_stopping or first.learning_rate == "cosine"
    n_jobs = cpu_count() if context.all_cores else None  # as joblib is configured here
    context.stop.check()
    fit_together(estimators, inputs, n_jobs, after_fit, not may_reach_max_iter, stop=context.stop)


def fit_member(member, split, X, y, sample_weight, stop, make_callback=None, with_score=False):
    """Fit a member that is no network.

    Return it, the labels of its columns if it is a classifier, and its score on its fold if asked.

    A classifier cannot be fitted to one class, or validated on classes that its rows lack. And where
    they lack some, XGBoost demands that integers are numbered anew. Losses of positive numbers have no
    minimum if all of y is 0. `make_callback()` makes a callback for a LightGBM, which is validated on
    the fold then.
    """
    stop.check()
    rows, fold = split
    known, classes, labels = fold, None, None
    if is_classifier(member):
        labels = classes = np.unique(y[rows])
        is_known = np.isin(y, classes)
        known = fold[is_known[fold]]
        if y.dtype.kind in "iu" and not is_known.all() and not names_labels(member):
            y, classes = np.where(is_known, np.searchsorted(classes, y), -1), np.arange(len(classes))
        member = DummyClassifier() if len(classes) == 1 else member
    elif (not y[rows].any() or not y[fold].any()) and facts_of_loss(member)[1]:
        known = known[:0]  # zeros do not validate such a loss
        if not y[rows].any():
            # Not 0, which has an infinite loss where y is not 0: as if the rows had half a unit in sum.
            constant = np.full(y.shape[1:], 0.5 / len(rows))
            member = DummyRegressor(strategy="constant", constant=constant)
    weight = None if sample_weight is None else sample_weight[rows]
    arguments = fit_arguments(member, sample_weight=weight)
    arguments |= _validation(member, X, y, classes, known, sample_weight, make_callback is not None)
    if is_lightgbm(member):
        arguments["callbacks"] = [lambda _: stop.is_set() and stop.check()]
        if "eval_X" in arguments and make_callback is not None:
            arguments["callbacks"].append(make_callback())
    # Each core has a member. `threadpool_limits(1, user_api="openmp")` would also set BLAS back to what
    # it was, which another thread may have limited then.
    with ThreadpoolController().select(user_api="openmp").limit(limits=1):
        member.fit(compat.safe_indexing(X, rows), y[rows], **arguments)
    if labels is not None and hasattr(member, "classes_"):
        # In the order of the member's own columns, which may be those of more classes than its rows'.
        numbered_anew = classes is not labels
        labels = labels[member.classes_] if numbered_anew else np.asarray(member.classes_)
    if not with_score or not len(fold):
        return member, labels, np.nan
    of_fold = None if sample_weight is None else sample_weight[fold]
    score = accuracy_score if is_classifier(member) else r2_score
    predictions = member.predict(compat.safe_indexing(X, fold))
    predictions = np.reshape(predictions, y[fold].shape)  # CatBoost's may be a column
    return member, labels, score(y[fold], predictions, sample_weight=of_fold)


def _validation(member, X, y, classes, fold, sample_weight, has_callback):
    """The arguments by which a member that stops early is validated on its fold.

    If the fold is empty, it does not stop early: without validation samples, some raise an error.
    """
    own, takes = member.get_params(deep=False), signature(member.fit).parameters
    stopping = [name for name in _STOPPING if own.get(name)]
    if not (stopping or has_callback) or not {"X_val", "eval_X", "eval_set"} & takes.keys():
        return {}
    if not len(fold):
        member.set_params(**{name: False if name == "early_stopping" else None for name in stopping})
        return {}
    X, y = compat.safe_indexing(X, fold), y[fold]
    weight = None if sample_weight is None else sample_weight[fold]
    if "X_val" in takes:
        arguments = {"X_val": X, "y_val": y, "sample_weight_val": weight}
    elif "eval_X" in takes:
        if classes is not None:
            y = np.searchsorted(classes, y)  # LightGBM encodes the labels of y and `eval_set` only
        arguments = {"eval_X": X, "eval_y": y, "eval_sample_weight": [weight]}
    elif is_catboost(member):
        features = "cat_features", "text_features", "embedding_features"
        data = {name: own[name] for name in features if own.get(name) is not None}
        pool = sys.modules["catboost"].Pool(X, y, weight=weight, **data)
        arguments = {"eval_set": pool}
    else:
        arguments = {"eval_set": [(X, y)], "sample_weight_eval_set": [weight]}
        if "sample_weight_eval_set" in takes:
            arguments["verbose"] = False  # XGBoost would print each round
    return {name: values for name, values in arguments.items() if name in takes}


def class_weights_of(model):
    """The weights of classes that a model and its parts have, those by labels in dicts."""
    names = "class_weight", "class_weights"  # the latter is CatBoost's
    its = model.get_params().items()
    return [value for name, value in its if name.split("__")[-1] in names and value is not None]


def names_labels(model):
    """Whether a model has parameters with the labels of classes: weights, or CatBoost's names."""
    names = [value for name, value in model.get_params().items() if name.endswith("class_names")]
    return any(isinstance(value, dict) for value in class_weights_of(model)) or any(
        value is not None for value in names
    )


def takes_weights(model):
    """Whether `fit` of a model takes `sample_weight`, by name or among any other arguments."""
    parameters = signature(model.fit).parameters.values()
    return has_fit_parameter(model, "sample_weight") or any(
        parameter.kind is parameter.VAR_KEYWORD for parameter in parameters
    )


def names_of_seeds(model):
    """The parameters of a model and its parts that are seeds.

    CatBoost's `get_params` has only parameters that are set, and two names for the seed.
    """
    params = model.get_params()
    names = [name for name in params if name.split("__")[-1] in ("random_state", "random_seed")]
    for prefix, part in {"": model, **{f"{name}__": part for name, part in params.items()}}.items():
        if is_catboost(part) and not {f"{prefix}random_state", f"{prefix}random_seed"} & {*names}:
            names.append(f"{prefix}random_seed")
    return sorted(names)


def is_catboost(model):
    """Whether a model is CatBoost's own, which is imported then."""
    catboost = sys.modules.get("catboost")
    return catboost is not None and isinstance(
        model, catboost.CatBoostClassifier | catboost.CatBoostRegressor
    )


def protected(model, X):
    """X as a model may have it: a copy, unless it is known that the model does not write into X."""
    parts = [step for _, part in nested(model) for _, step in getattr(part, "steps", [("", part)])]
    if all(type(part).__module__.startswith("skdense.") for part in parts):
        return X
    return own_copy(X)


def own_copy(X):
    """A copy of an array, a sparse matrix or a frame."""
    return X.copy() if hasattr(X, "copy") else X.clone()  # a frame of polars


def is_lightgbm(model):
    """Whether a model is LightGBM's own, which is imported then."""
    lightgbm = sys.modules.get("lightgbm")
    return lightgbm is not None and type(model) in (lightgbm.LGBMClassifier, lightgbm.LGBMRegressor)


def is_linear(model):
    """Whether a regressor predicts by scikit-learn's linear function of X."""
    return type(model).predict in (LinearRegression.predict, Ridge.predict, RidgeCV.predict)


def at_once(function, arguments, names):
    """The results of a function for each tuple of arguments, in order, as joblib is configured.

    An error has a note with the name of the call that raised it. Without a configuration there is a
    thread for each core, but only one thread within a task of joblib. What the function itself runs
    through joblib gets an equal share of the workers.
    """
    n_jobs, config = compat.joblibs_n_jobs(), get_config()  # each thread has its own configuration
    share = max(1, effective_n_jobs(n_jobs) // len(arguments))
    return Parallel(n_jobs, prefer="threads", return_as=compat.return_as())(
        delayed(_called)(function, values, name, config, share, __version__)
        for values, name in zip(arguments, names, strict=True)
    )


def _called(function, values, name, config, share, version):
    if version != __version__:  # a cluster does not tell of the warning when a model is unpickled
        raise RuntimeError(
            f"this worker has skdense {__version__}, but the process that calls it has {version}: "
            "workers need the same version"
        )
    with noted(name), config_context(**config), parallel_config(n_jobs=share):
        return function(*values)


@contextmanager
def noted(name):
    """Errors in the block have a note that names it."""
    try:
        yield
    except Exception as error:
        error.add_note(f"It was raised in {name}.")
        raise


def prediction_of(member, X):
    """The prediction of a fitted regressor, for checked samples."""
    if is_network(member, "_logits", "predict"):
        return fitted_encoder(member).decode(member._forward(X))
    if is_lightgbm(member):  # whose `predict` takes ten times as long for a row, and all cores
        return member.booster_.predict(X, num_threads=1)
    predictions = np.asarray(member.predict(X if is_linear(member) else own_copy(X)))
    has_one_column = predictions.ndim == 2 and predictions.shape[1] == 1
    return predictions[:, 0] if has_one_column else predictions


def log_probabilities_of(member, X):
    """The log-probabilities of a fitted classifier's own classes, for checked samples."""
    if is_network(member, "_logits", "predict_proba", "predict_log_proba"):
        return fitted_encoder(member).log_probabilities(member._forward(X))  # none is -inf
    is_logistic = type(member).predict_proba is LogisticRegression.predict_proba
    if is_logistic and isinstance(X, np.ndarray) and X.dtype.kind == "f":
        scores = X @ member.coef_.T + member.intercept_
        if np.isfinite(scores).all():  # `predict_proba` says what is wrong with X
            scores = np.pad(scores, [(0, 0), (1, 0)]) if len(member.classes_) == 2 else scores
            return log_softmax(scores, axis=1)
    if is_lightgbm(member):  # whose predict_proba takes ten times as long for a row, and all cores
        found = member.booster_.predict(X, num_threads=1)
        found = np.column_stack([1 - found, found]) if found.ndim == 1 else found
    else:
        found = member.predict_proba(own_copy(X))
    return as_logs(found)


def in_blocks(predict, X, member):
    """The result of `predict(X)`, a function that asks such members; many rows in blocks, in threads.

    By themselves, products of networks divide the rows among all cores, and wait for all of them after
    each layer. If other work occupies a core, this takes 3 to 100 times as long as with one thread. So
    each core gets blocks of rows of its own, as for LightGBM, which uses one thread here, and linear
    models, whose products are in float64. There are as many threads as BLAS would use, or as joblib is
    configured with. For few rows, nothing of the process is touched.
    """
    n_rows = X.shape[0]
    uses_one_thread = is_lightgbm(member) or is_network(member, "_logits", "predict", "predict_proba")
    if n_rows <= _FEW_TO_PREDICT or not (uses_one_thread or is_linear(member)):
        return predict(X)
    config, found = get_config(), {}

    def of_block(rows):
        with config_context(**config):
            found[rows.start] = predict(compat.safe_indexing(X, rows))

    n_jobs = compat.joblibs_n_jobs()
    n_threads = None if n_jobs == -1 else effective_n_jobs(n_jobs)
    for_each_block(of_block, n_rows, _BLOCK, threaded_from=1, n_threads=n_threads)
    return np.concatenate([found[start] for start in sorted(found)])
