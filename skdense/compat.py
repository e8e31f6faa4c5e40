"""Every private or undocumented name of other libraries that this package uses, but TensorFlow's.

A new release of scikit-learn, joblib or NumPy may change these names without notice; then this
is the file to look at. Each entry says what it is for and what happens without it. TensorFlow's are in
`core/machine/lazy_import.py` and `context.py`. The last sections emulate Python 3.12's
`skip_file_prefixes` and import LightGBM.

To add a name, first look for a public way. Then give it a name without underscore here, or write a
function that reads the attribute. `tests/test_floors.py` fails if such a name stands in another module.
This file imports nothing of this package, so that all modules can import it.
"""

import sys
import warnings
from contextlib import nullcontext
from copy import copy
from multiprocessing import current_process
from traceback import walk_stack
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import sklearn
from joblib.parallel import get_active_backend
from sklearn import base, utils
from sklearn.utils import _param_validation, validation

# --- what scikit-learn's own estimators are made with ------------------------------------------------

# What scikit-learn plans for 1.10 stands with the names that it concerns, with the number of its issue
# or pull request; of the others we know no plans.

# Without it: our own check, and `sklearn.callback.with_callbacks`, which is public.
fit_context = base._fit_context
"""Checks the parameters around each `fit`, and ends callbacks after it."""
HasMethods = _param_validation.HasMethods
Interval = _param_validation.Interval
Options = _param_validation.Options
StrOptions = _param_validation.StrOptions
"""Constraints that `fit_context` checks, with the texts of its errors. Without them: our own."""

# scikit-learn looks up two names in a class, so they stand in our classes, too. `fit_context` reads
# `_parameter_constraints`; without it no parameter is checked. Notebooks read `_sk_visual_block_`;
# without it they show a blend without its models.


def constraints_of(cls: Any) -> dict:
    """The constraints of a parent class of ours. Without them, few of our parameters are checked."""
    return cls._parameter_constraints


def validate_parameters(estimator: Any) -> None:
    """Raise what `fit` raises for invalid parameters, where they are read before any `fit`.

    Without it: the error of whatever fails first.
    """
    estimator._validate_params()


def metric_of(scorer: Any) -> Any:
    """The metric of a scorer that `make_scorer` has made; any other callable is its own.

    Without it: an error where a metric takes no weights and there are some.
    """
    return getattr(scorer, "_score_func", scorer)


def visual_block(estimator: Any) -> Any:
    """How notebooks show an estimator, see above."""
    return estimator._sk_visual_block_()


# --- callbacks of scikit-learn -----------------------------------------------------------------------

# `sklearn.callback` is experimental in 1.9 and may change without deprecation. If it is absent or lacks
# what is used here, `set_callbacks` is an error and all else works.


def _callback_mixin() -> Any:
    """The mixin of scikit-learn, or None if it is absent or lacks what is used here."""
    try:
        from sklearn.callback import CallbackContext, CallbackSupportMixin
    except ImportError:
        return None
    used = {
        CallbackSupportMixin: ("set_callbacks", "_init_callback_context"),
        CallbackContext: ("subcontext", "call_on_fit_task_begin", "call_on_fit_task_end"),
    }
    is_complete = all(hasattr(cls, name) for cls, names in used.items() for name in names)
    return CallbackSupportMixin if is_complete else None


class _WithoutCallbacks:
    """In the place of the mixin, where there is none."""

    def set_callbacks(self, *callbacks):
        """Raise, unless there are no callbacks to set."""
        if callbacks:
            raise NotImplementedError(
                "set_callbacks needs the callbacks of scikit-learn 1.9, which are experimental there; "
                f"those of the installed scikit-learn {sklearn.__version__} are absent or different. "
                "Use verbose=True to see the loss of each epoch"
            )
        return self


_mixin = _callback_mixin()
if TYPE_CHECKING:
    from sklearn.callback import CallbackSupportMixin as CallbackSupport
else:
    CallbackSupport = _mixin or _WithoutCallbacks


class NoCallbacks:
    """A context of a fit without callbacks."""

    def subcontext(self, **task: Any) -> "NoCallbacks":
        """The context of a task within the fit."""
        return self

    def call_on_fit_task_begin(self, **task: Any) -> "NoCallbacks":
        """Begin a task."""
        return self

    def call_on_fit_task_end(self, **task: Any) -> bool:
        """End a task; no callback asks to stop."""
        return False

    def propagate_callback_context(self, estimator: Any) -> Any:
        """A context manager in which the estimator is fitted."""
        return nullcontext()


def has_callbacks(estimator: Any) -> bool:
    """Whether an estimator has callbacks.

    Without it: callbacks are never called, or training returns to Python after every epoch.
    """
    return _mixin is not None and hasattr(estimator, "_skl_callbacks")


def callback_context(estimator: Any, **settings: Any) -> Any:
    """The `sklearn.callback.CallbackContext` of a fit, by a documented method of the mixin.

    Without it: callbacks are told nothing. How callbacks send messages from worker processes has
    changed (#33941: by sockets), but they do so themselves, and nothing here depends on it.
    """
    return estimator._init_callback_context(**settings) if has_callbacks(estimator) else NoCallbacks()


# --- rows, weights and searches of scikit-learn ------------------------------------------------------

safe_indexing = utils._safe_indexing
"""Rows of an array, a sparse matrix or a frame. scikit-learn documents it in spite of its name.

Whether it becomes public is not decided (#27439). An open change deprecates slices (#32726), which
`in_blocks` of `ensemble/predictors.py` passes.
"""
check_sample_weight = validation._check_sample_weight
"""An array of weights, or an error. Without it: `check_array` and a comparison of lengths."""
check_method_params = validation._check_method_params
"""Some rows of parameters of `fit`. Without it: a loop that calls `safe_indexing`."""


def routed_parameters(search: Any, parameters: dict) -> Any:
    """The parameters of `fit` by who takes them: the estimator, the splitter, the scorer.

    Without it: `sklearn.utils.metadata_routing.process_routing`, and an own rule where routing is off.
    Metadata routing is to be rewritten for 1.10 (#34372), so this is the first name to look at. An open
    change makes the parent class `_MetadataRequester` public, without the underscore (#34314). We have
    its methods from `BaseEstimator` alone.
    """
    return search._get_routed_params_for_fit(parameters)


def formatted_results(
    search: Any, candidates: list[dict], n_splits: int, split_results: list, columns: dict
) -> dict:
    """A `cv_results_` from the scores and seconds of all splits of all candidates, and more columns.

    Without it: means, deviations, ranks and the masked columns `param_...` have to be written here.
    """
    search = copy(search)
    search.return_train_score = False  # a parameter that other searches have
    return search._format_results(candidates, n_splits, split_results, columns)


# --- joblib and NumPy --------------------------------------------------------------------------------


def joblibs_n_jobs() -> int | None:
    """The `n_jobs` that joblib is configured with, -1 if it is not; None within a task of joblib.

    Without it: `effective_n_jobs()` alone, so that nothing would be threaded by default.
    """
    backend, n_jobs = cast(tuple[Any, Any], get_active_backend())
    return -1 if n_jobs is None and backend.nesting_level == 0 else n_jobs


def return_as() -> str:
    """Whether joblib's backend hands results over one by one, as "generator", or as a "list".

    Those of Ray and Spark do not. Without it: a list, so that lines of progress come at the end.
    """
    backend: Any = get_active_backend()[0]
    return "generator" if backend.supports_return_generator else "list"


def is_worker_of_joblib() -> bool:
    """Whether this is a worker process of joblib. Without it: no warning about them."""
    return type(current_process()).__module__.startswith("joblib.")


def features_of_processor() -> Any:
    """What NumPy has found. It is in the keys of kept programs; with an error they are not kept."""
    config: Any = np.show_config("dicts")
    return config["SIMD Extensions"]


# --- Python ------------------------------------------------------------------------------------------

_PASSED_OVER = {
    "skdense", "sklearn", "joblib", "skrub", "concurrent", "contextlib", "multiprocessing",
    "threading",
}  # fmt: skip
"""The packages between a user's line and ours."""


def warn_at_caller(message: str | Warning, category: type[Warning] = UserWarning) -> None:
    """Warn at the innermost line of the user's, as `skip_file_prefixes` does from Python 3.12 on.

    A thread of joblib has none. There it is the line that calls a method of this package.
    """
    names = {frame: str(frame.f_globals.get("__name__")) for frame, _ in walk_stack(sys._getframe(1))}
    users = [frame for frame, name in names.items() if name.partition(".")[0] not in _PASSED_OVER]
    wrappers = "sklearn.base", "contextlib"  # of our functions
    outside = [
        frame
        for frame, name in names.items()
        if not (name.partition(".")[0] == "skdense" or name.startswith(wrappers))
    ]
    frame = [*users, *outside, *names][0]
    registry = frame.f_globals.setdefault("__warningregistry__", {})
    module = frame.f_globals.get("__name__") or "<unknown>"  # of code that `exec` runs
    warnings.warn_explicit(
        message, category, frame.f_code.co_filename, frame.f_lineno, module, registry
    )


# --- LightGBM ----------------------------------------------------------------------------------------


def import_lightgbm() -> Any:
    """LightGBM, or an ImportError that says how to install what is missing."""
    try:
        import lightgbm
    except ImportError:
        raise ImportError("tabular models need LightGBM: python -m pip install lightgbm") from None
    except OSError as error:  # of the system's OpenMP library
        raise ImportError(
            f"LightGBM cannot be loaded: {error}. It needs OpenMP, which one command installs: "
            "`apt-get install libgomp1` on Debian and Ubuntu, `dnf install libgomp` on Fedora, "
            "`conda install -c conda-forge lightgbm` with conda, `brew install libomp` on macOS"
        ) from error
    return lightgbm
