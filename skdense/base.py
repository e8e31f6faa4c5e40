"""Common base of both estimators: parameter constraints, `fit`, the forward pass, saved state.

How a fit goes is in `skdense.fit.fitting`. Prediction uses NumPy alone:
`core/machine/tensorflow.py` imports TensorFlow only when it is used.
"""

import inspect
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.utils.validation import check_is_fitted

from skdense.compat import CallbackSupport, Interval, Options, StrOptions, fit_context, warn_at_caller
from skdense.core.formulas.activations import ACTIVATIONS
from skdense.core.formulas.layers import INITIALIZERS, forward, hidden_and_output
from skdense.core.formulas.optimizers import ANY_OPTIMIZER, OPTIMIZERS, allowed_settings
from skdense.core.formulas.schedules import SCHEDULES
from skdense.core.machine.threads import for_each_block
from skdense.core.network import LBFGS
from skdense.fit.fitting import fit_estimator
from skdense.fit.inputs import FitInput, MatrixLike, validated
from skdense.version import __version__


class Names(StrOptions):
    """A constraint: one of some names, with a hint for whoever passes something else."""

    def __init__(self, names, hint):
        super().__init__(names)
        self.hint = hint

    def __str__(self):
        return f"{super().__str__()} ({self.hint})"


def optimizer_constraints() -> dict[str, list]:
    """The constraints of `solver`, and of all settings of optimizers and schedules."""
    constraints: dict[str, list] = {"solver": [StrOptions({LBFGS: None, **OPTIMIZERS}.keys())]}
    for optimizer in OPTIMIZERS:
        for name, allowed in allowed_settings(optimizer).items():
            interval = Interval(Real, allowed.low, allowed.high, closed=allowed.closed)
            infinite = [Options(Real, {np.inf}), None] if allowed.or_none else []
            constraints[name] = ["boolean"] if allowed.is_flag else [interval, *infinite]
    return constraints


def has_optimizer(estimator: Any) -> bool:
    """For `available_if`: True if the solver has an optimizer to keep between calls, else an error."""
    if estimator.solver == LBFGS:
        raise AttributeError(
            "partial_fit is only available for stochastic optimizers. solver='lbfgs' is not "
            f"stochastic; use {ANY_OPTIMIZER}."
        )
    return True


def is_network(model: Any, *methods: str) -> bool:
    """Whether a model is a network of this package whose class does not override these methods.

    Only then may something else take the place of the methods: training with others, for instance, that
    of `fit`. A subclass that overrides them is treated as a model of another library.
    """
    if not isinstance(model, BaseLowLevelMLP):
        return False
    ours = next(cls for cls in type(model).__mro__ if cls.__module__.startswith("skdense."))
    # A regressor has no predict_proba.
    return all(getattr(type(model), name, None) is getattr(ours, name, None) for name in methods)


_FORMAT = 2
"""The version of the format of saved states. It rises with each change that older code cannot read.
Networks of 0.5.0 and all of 0.6.0 have the format 1, which is read as well."""


class Saved(BaseEstimator):
    """An estimator whose saved state has the version of skdense that saved it, and of its format."""

    def __getstate__(self):
        state: Any = super().__getstate__()
        return {**state, "_skdense_version": __version__, "_skdense_format": _FORMAT}

    def __setstate__(self, state):
        """Restore a saved state. If another version of skdense saved it, warn as scikit-learn does.

        Raises
        ------
        ValueError
            If a later version of skdense saved it in a format that this one cannot read.
        """
        state = dict(state)
        saved_format = state.pop("_skdense_format", 1)  # networks of 0.5.0 have none
        if saved_format > _FORMAT:
            saved_by = state["_skdense_version"]
            raise ValueError(
                f"this {type(self).__name__} was saved by skdense {saved_by} in the file format "
                f"{saved_format}, and skdense {__version__} reads formats up to {_FORMAT}: install the "
                f"version that saved it, `python -m pip install skdense=={saved_by}`, or a later one"
            )
        # Networks had no version before 0.5, and the parts of tables none before 0.7.
        version = state.pop("_skdense_version", "0.6 or earlier")
        if version != __version__:
            warn_at_caller(
                InconsistentVersionWarning(
                    estimator_name=f"{type(self).__name__} (skdense)",
                    current_sklearn_version=__version__,
                    original_sklearn_version=version,
                )
            )
        # A model of an earlier version lacks newer parameters, which get their defaults.
        defaults = {}
        for cls in reversed(type(self).__mro__):  # a subclass may have parameters of its own
            if issubclass(cls, Saved) and "__init__" in vars(cls):
                parameters = inspect.signature(cls.__init__).parameters.values()
                defaults |= {p.name: p.default for p in parameters if p.default is not p.empty}
        super().__setstate__(defaults | state)


class BaseLowLevelMLP(CallbackSupport, Saved):
    """A multi-layer perceptron. Its two subclasses are the classifier and the regressor.

    The annotations tell type checkers the parameters that code for both reads, and what `fit` sets.
    """

    activation: str
    max_iter: int
    solver: str
    coefs_: list[NDArray]
    intercepts_: list[NDArray]
    loss_: float
    best_loss_: float | None
    loss_curve_: list[float]
    validation_scores_: list[float] | None
    validation_loss_curve_: list[float] | None
    best_validation_score_: float | None
    init_losses_: NDArray
    n_iter_: int
    t_: int
    n_features_in_: int
    feature_names_in_: NDArray
    n_layers_: int
    n_outputs_: int
    out_activation_: str

    _parameter_constraints = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(ACTIVATIONS.keys())],
        **optimizer_constraints(),
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate": [Names(SCHEDULES.keys(), "the rate itself is learning_rate_init")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "scoring": [str, callable, None],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
        "max_fun": [Interval(Integral, 1, None, closed="left")],
        "dtype": [
            StrOptions({"float32", "float64"}),
            Options(type, {np.float32, np.float64}),
            Options(np.dtype, {np.dtype("float32"), np.dtype("float64")}),
            None,
        ],
        "init": [StrOptions(INITIALIZERS.keys())],
        "n_init": [Interval(Integral, 1, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left"), "array-like"],
    }

    def __setstate__(self, state):
        """Restore a saved state, also one of 0.5, which has other names for two parameters."""
        state = dict(state)
        if "validation_metric" in state:
            state["warmup_epochs"], metric = state.pop("warmup", 0), state.pop("validation_metric")
            state["scoring"] = None if metric in ("accuracy", "r2") else metric
            if "_criterion" in state and state["_criterion"]["metric"] == metric:
                state["_criterion"] = state["_criterion"] | {"metric": state["scoring"]}
        super().__setstate__(state)

    @fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: MatrixLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        X_val: MatrixLike | None = None,
        y_val: ArrayLike | None = None,
        sample_weight_val: ArrayLike | None = None,
    ) -> Self:
        """Fit the network to X and y.

        Ctrl-C ends the training with a warning and keeps the current state. After an error, the
        previously fitted state is kept.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            The samples.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The targets: real values for a regressor; class labels for a classifier, or an indicator
            matrix for multilabel problems.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the samples; None weights them equally.
        X_val : {array-like, sparse matrix} of shape (n_val, n_features), default=None
            Your own validation samples. The network is evaluated on these samples after each epoch;
            with `early_stopping` they replace the split. A Pipeline transforms them with
            ``transform_input=["X_val"]`` if metadata routing is enabled, as the user guide shows.
        y_val : array-like of shape (n_val,) or (n_val, n_outputs), default=None
            The targets of the validation samples.
        sample_weight_val : array-like of shape (n_val,), default=None
            The weights of the validation samples.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If a parameter or the data are invalid, or if training diverged.
        """
        return fit_estimator(self, FitInput(X, y, sample_weight, X_val, y_val, sample_weight_val))

    def _layers_and_parameters(self):
        """The layers, and the kernel and the bias of each."""
        *widths, n_outputs = map(len, self.intercepts_)
        layers = hidden_and_output(widths, self.activation, n_outputs)
        return layers, [*zip(self.coefs_, self.intercepts_, strict=True)]

    def _logits(self, X):
        """The output layer's values `(n_samples, n_outputs)`."""
        check_is_fitted(self)
        return self._forward(validated(self, X, reset=False))

    def _forward(self, X):
        """The logits of validated X, computed in blocks of rows."""
        dtype = np.float32 if np.result_type(X.dtype, *self.coefs_) == np.float32 else np.float64
        layers, parameters = self._layers_and_parameters()
        logits = np.empty((X.shape[0], self.n_outputs_), dtype)

        def fill(rows):
            logits[rows] = forward(layers, parameters, X[rows].astype(dtype, copy=False))

        for_each_block(fill, X.shape[0])
        return logits
