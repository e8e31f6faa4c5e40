"""Tables, ensembles and networks as ONNX models, which compute what NumPy and scikit-learn do here."""

import numpy as np
from sklearn.base import is_classifier
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeCV
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from skdense.base import BaseLowLevelMLP
from skdense.core.formulas.activations import LEAK, SELU_ALPHA, SELU_SCALE
from skdense.ensemble.blend import BaseBlend
from skdense.ensemble.crossfit import BaseCrossFit
from skdense.tabular.linear import CLIP, LEAST, unclipped

__all__ = ["to_onnx"]

_OPSETS = {"": 18, "ai.onnx.ml": 3}
_FLOAT, _STRING, _DOUBLE = 1, 8, 11
"""ONNX's numbers of types."""
_TREES = HistGradientBoostingClassifier, HistGradientBoostingRegressor
_LINEAR = LogisticRegression, LinearRegression, Ridge, RidgeCV


def to_onnx(model):
    """Convert a fitted model of a table, an ensemble or a network to ONNX.

    A model of :func:`skdense.make_tabular_classifier` or :func:`skdense.make_tabular_regressor` gets an
    input for each column, of shape ``(n_samples, 1)`` and with the column's name: float64 for numbers,
    with NaN for missing ones, strings for categories, with "" for missing ones. Bools are 0 and 1, and
    durations are seconds. Other models have one input, `X`, of float32.

    The outputs of a classifier are `label` and `probabilities`, that of a regressor is `variable`, of
    shape ``(n_samples, n_outputs)``.

    Parameters
    ----------
    model : estimator
        A fitted Pipeline of :func:`skdense.make_tabular_classifier` or
        :func:`skdense.make_tabular_regressor`, an ensemble or a blend of networks and scikit-learn's
        HistGradientBoosting, LogisticRegression and Ridge, or one of these members.

    Returns
    -------
    onnx : onnx.ModelProto
        The model, to be saved with its `SerializeToString`.

    Raises
    ------
    ImportError
        Without the package onnx.
    ValueError
        If a column has dates or texts, or a part of the model cannot be converted.

    Examples
    --------
    >>> import numpy as np
    >>> import onnxruntime
    >>> from skdense import make_tabular_classifier
    >>> from skdense.tabular import to_onnx
    >>> X = np.array([[20, "red"], [25, "blue"], [None, "red"], [60, None]] * 10, dtype=object)
    >>> model = make_tabular_classifier(random_state=0, cv=2, max_iter=20)
    >>> model = model.fit(X, ["a", "a", "b", "b"] * 10)
    >>> session = onnxruntime.InferenceSession(to_onnx(model).SerializeToString())
    >>> columns = {"x0": np.array([[20.0], [60.0]]), "x1": np.array([["red"], [""]], dtype=object)}
    >>> session.run(["probabilities"], columns)[0].shape
    (2, 2)
    """
    check_is_fitted(model)
    try:
        from onnx import helper
    except ImportError as error:
        raise ImportError("to_onnx needs the package onnx: pip install onnx") from error
    graph = _Graph(helper)
    takes_columns = isinstance(model, Pipeline) and type(model[0]).__name__ == "TableEncoder"
    X = None if takes_columns else graph.input("X", _FLOAT, model.n_features_in_)
    predicted = _predicted(graph, model, X)
    if is_classifier(model):
        best = graph("ArgMax", predicted, axis=1, keepdims=0)
        graph.give("label", graph("Gather", model.classes_, best))
        graph.give("probabilities", predicted)
    else:
        graph.give("variable", predicted)
    return graph.model()


class _Graph:
    """An ONNX graph that grows: a call adds an operation and returns the name of its result."""

    def __init__(self, helper):
        self.helper = helper
        self.nodes, self.constants, self.inputs, self.outputs = [], [], [], []
        self.n_names = 0

    def __call__(self, operation, *inputs, domain="", **attributes):
        """Add an operation on results, which are named by strings, and on constants."""
        names = [each if isinstance(each, str) else self.constant(each) for each in inputs]
        result = self.name()
        self.nodes.append(
            self.helper.make_node(operation, names, [result], domain=domain, **attributes)
        )
        return result

    def name(self):
        """A name that no other result has."""
        self.n_names += 1
        return f"result {self.n_names}"

    def constant(self, array):
        """Add a constant."""
        array = np.asarray(array)
        if array.dtype.kind in "biuf":
            kind, values = self.helper.np_dtype_to_tensor_dtype(array.dtype), array.ravel()
        else:
            kind, values = _STRING, [str(each).encode() for each in array.ravel()]
        name = self.name()
        self.constants.append(self.helper.make_tensor(name, kind, array.shape, values))
        return name

    def input(self, name, kind, width):
        """Add an input of so many columns."""
        self.inputs.append(self.helper.make_tensor_value_info(name, kind, [None, width]))
        return name

    def give(self, name, result):
        """Make a result an output of this name."""
        self.nodes.append(self.helper.make_node("Identity", [result], [name]))
        self.outputs.append(self.helper.make_empty_tensor_value_info(name))

    def model(self):
        """The graph as a model."""
        graph = self.helper.make_graph(self.nodes, "skdense", self.inputs, self.outputs, self.constants)
        opsets = [self.helper.make_opsetid(*opset) for opset in _OPSETS.items()]
        version = self.helper.find_min_ir_version_for(opsets)
        return self.helper.make_model(graph, opset_imports=opsets, ir_version=version)

    def cast(self, result, kind):
        """A result in another type."""
        return self("Cast", result, to=kind)

    def rounded(self, operation, result, array):
        """An operation in float64, rounded to float32."""
        array = np.asarray(array, np.float64)
        return self.cast(self(operation, self.cast(result, _DOUBLE), array), _FLOAT)

    def columns(self, result, numbers):
        """Some columns of a result."""
        return self("Gather", result, np.asarray(numbers, np.int64), axis=1)

    def side_by_side(self, results):
        """The columns of all results."""
        return self("Concat", *results, axis=1)


# --- the steps of the default for tables -------------------------------------------------------------


def _table(graph, encoder, _):
    """A TableEncoder: an input for each column."""
    vectorizer, parts = encoder.vectorizer_, []
    if encoder.numbers_:
        numbers = [graph.input(name, _DOUBLE, 1) for name in encoder.numbers_]
        parts.append(graph.rounded("Sub", graph.side_by_side(numbers), encoder._shifts))
    if vectorizer is not None:
        outputs = vectorizer.all_outputs_
        for name in dict.fromkeys(map(vectorizer.output_to_input_.get, outputs)):
            parts.append(_vectorized(graph, name, vectorizer))
    written = graph.side_by_side(parts)
    if encoder._nullable:
        missing = graph("IsNaN", graph.columns(written, encoder._nullable))
        written = graph.side_by_side([written, graph.cast(missing, _FLOAT)])
    return graph.columns(written, encoder._kept)


def _vectorized(graph, name, vectorizer):
    """What skrub writes for a column: a number, or a column for each category."""
    kind = vectorizer.column_to_kind_[name]
    if kind == "numeric":
        return graph.cast(graph.input(name, _DOUBLE, 1), _FLOAT)
    if kind != "low_cardinality":
        what = {"datetime": "dates", "high_cardinality": "texts, or many categories"}.get(kind, kind)
        raise ValueError(
            f"ONNX models of tables take numbers and categories, but column {name!r} has {what}: leave "
            "it out, or write it as numbers before"
        )
    from pandas import DataFrame, Series

    encoder = vectorizer.transformers_[name]
    known = [each for each in encoder.categories_[0] if isinstance(each, str)]
    missing = [each for each in encoder.categories_[0] if not isinstance(each, str)]
    unknown = "".join(known) + "?"
    values = [*known, *(missing or [unknown]), unknown]
    rows = np.asarray(encoder.transform(DataFrame({name: Series(values, dtype=object)})))
    row = graph(
        "LabelEncoder",
        graph.input(name, _STRING, 1),
        domain="ai.onnx.ml",
        keys_strings=[*known, ""],
        values_int64s=range(len(rows) - 1),
        default_int64=len(rows) - 1,
    )
    return graph("Gather", rows.astype(np.float32), graph("Squeeze", row, np.array([1])), axis=0)


def _squashed(graph, scaler, X):
    """A SquashingScaler of skrub."""
    n = scaler.n_features_in_
    center, divisor, factor = np.zeros(n), np.ones(n), np.ones(n)
    if scaler.robust_cols_.any():
        center[scaler.robust_cols_] = scaler.robust_scaler_.center_
        divisor[scaler.robust_cols_] = scaler.robust_scaler_.scale_
    if scaler.minmax_cols_.any():
        center[scaler.minmax_cols_] = scaler.minmax_scaler_.median_
        factor[scaler.minmax_cols_] = scaler.minmax_scaler_.scale_
    scaled = X
    for operation, array in (("Sub", center), ("Div", divisor), ("Mul", factor)):
        scaled = graph.rounded(operation, scaled, array)
    zero = graph("And", scaler.zero_cols_[None], graph("Not", graph("IsNaN", X)))
    scaled = graph("Where", zero, np.float32(0), scaled)
    most = np.float32(scaler.max_absolute_value)
    share = graph("Div", scaled, most)
    root = graph("Sqrt", graph("Add", graph("Mul", share, share), np.float32(1)))
    infinite = graph("Mul", graph("Sign", X), most)
    return graph("Where", graph("IsInf", X), infinite, graph("Div", scaled, root))


def _filled(graph, imputer, X):
    """A SimpleImputer that neither adds nor leaves out columns."""
    values = np.asarray(imputer.statistics_, np.float32)
    if imputer.indicator_ is not None or np.isnan(values).any():
        raise ValueError(f"an imputer that adds or leaves out columns cannot be converted: {imputer!r}")
    return graph("Where", graph("IsNaN", X), values, X)


def _ramps(graph, ramps, X):
    """The columns and their Ramps."""
    counts = [len(knots) - 1 for knots in ramps.knots_]
    if not sum(counts):
        return X
    low = np.concatenate([knots[:-1] for knots in ramps.knots_])
    high = np.concatenate([knots[1:] for knots in ramps.knots_])
    above = graph("Sub", graph.columns(X, np.repeat(np.arange(len(counts)), counts)), low)
    ramp = graph("Clip", graph("Div", above, high - low), np.float32(0), np.float32(1))
    return graph.side_by_side([X, ramp])


def _standardized(graph, scaler, X):
    """A StandardScaler."""
    X = graph.cast(X, _DOUBLE)
    X = graph("Sub", X, scaler.mean_) if scaler.with_mean else X
    return graph("Div", X, scaler.scale_) if scaler.with_std else X


def _landmarks(graph, landmarks, X):
    """Landmarks."""
    rows = graph("Unsqueeze", graph.cast(X, _DOUBLE), np.array([1]))
    apart = graph("Abs", graph("Sub", rows, landmarks.components_))
    distances = graph("ReduceSum", apart, np.array([2]), keepdims=0)
    kernels = graph("Exp", graph("Mul", distances, np.float64(-1 / landmarks.n_features_in_)))
    return graph("MatMul", kernels, landmarks.normalization_.T)


def _unclipped(graph, transformer, X):
    """A FunctionTransformer of `unclipped`."""
    if transformer.func is not unclipped:
        raise ValueError(f"a function cannot be converted to ONNX: {transformer!r}")
    X = graph.cast(X, _DOUBLE)
    share = graph("Div", X, np.float64(CLIP))
    rest = graph("Sub", np.float64(1), graph("Mul", share, share))
    return graph("Div", X, graph("Sqrt", graph("Max", rest, np.float64(LEAST))))


_STEPS = {
    "TableEncoder": _table,
    "SquashingScaler": _squashed,
    "SimpleImputer": _filled,
    "StandardScaler": _standardized,
    "Ramps": _ramps,
    "FunctionTransformer": _unclipped,
    "Landmarks": _landmarks,
}
"""By their names, since some need packages that predictions do without."""


# --- models ------------------------------------------------------------------------------------------


def _predicted(graph, model, X):
    """The probabilities of a classifier, or the numbers of a regressor, in float64."""
    if isinstance(model, Pipeline):
        *steps, (_, last) = model.steps
        for name, step in steps:
            if type(step).__name__ not in _STEPS:
                raise ValueError(f"step {name!r} cannot be converted to ONNX: {step!r}")
            X = _STEPS[type(step).__name__](graph, step, X)
        return _predicted(graph, last, X)
    if isinstance(model, BaseBlend):
        parts = zip(model.weights_, model.estimators_, strict=True)
        return _sum(graph, [graph("Mul", _predicted(graph, m, X), w) for w, m in parts if w > 0])
    if isinstance(model, BaseCrossFit):
        if is_classifier(model):
            members = [_probabilities(graph, model, each, X) for each in model.estimators_]
        else:
            members = [_predicted(graph, each, X) for each in model.estimators_]
        mean = graph("Mul", _sum(graph, members), 1 / len(members))
        if is_classifier(model):
            return mean
        scaled = graph("Mul", mean, np.float64(model.scale_))
        return graph("Add", scaled, np.float64(model.center_))
    if not isinstance(model, (BaseLowLevelMLP, *_TREES, *_LINEAR)):
        raise ValueError(
            "only networks, scikit-learn's HistGradientBoosting, LogisticRegression and Ridge, and "
            f"ensembles and blends of them can be converted to ONNX, got {model!r}"
        )
    raw, output = _raw(graph, model, X)
    if output in ("identity", "exp"):
        return raw if output == "identity" else graph("Exp", raw)
    return _as_probabilities(graph, raw, output)


def _sum(graph, results):
    return results[0] if len(results) == 1 else graph("Sum", *results)


def _as_probabilities(graph, logits, output):
    if output == "softmax":
        return graph("Softmax", logits, axis=1)
    return graph("Sigmoid", graph.side_by_side([graph("Neg", logits), logits]))


def _probabilities(graph, ensemble, model, X):
    """The probabilities of a member of a CrossFitClassifier at its temperature."""
    temperature = np.float64(ensemble.temperature_)
    if isinstance(model, BaseLowLevelMLP):
        raw, output = _raw(graph, model, X)
        if output == "identity":
            raise ValueError(f"classifiers need loss='log_loss', got loss={model.loss!r}")
        return _as_probabilities(graph, graph("Div", raw, temperature), output)
    # Of a class that its fold lacked, a member knows nothing.
    known = np.searchsorted(ensemble.classes_, model.classes_)
    place = np.eye(len(ensemble.classes_))[known]
    of_known = graph.columns(_predicted(graph, model, X), np.arange(len(known)))
    probabilities = graph("Max", graph("MatMul", of_known, place), np.finfo(float).eps)
    logs = graph("Log", probabilities)
    return graph("Softmax", graph("Div", logs, temperature), axis=1)


def _raw(graph, model, X):
    """The outputs of a model before its output activation, in float64, and that activation."""
    if isinstance(model, BaseLowLevelMLP):
        return graph.cast(_logits(graph, model, X), _DOUBLE), model.out_activation_
    if isinstance(model, _LINEAR):
        kernel = np.asarray(model.coef_, np.float64).reshape(-1, model.n_features_in_).T
        product = graph("MatMul", graph.cast(X, _DOUBLE), kernel)
        raw = graph("Add", product, np.asarray(model.intercept_, np.float64))
        if not is_classifier(model):
            return raw, "identity"
        return raw, "logistic" if len(model.classes_) == 2 else "softmax"
    raw = graph("Add", graph.cast(_leaves(graph, model, X), _DOUBLE), model._baseline_prediction)
    if not is_classifier(model):
        return raw, "exp" if model.loss in ("poisson", "gamma") else "identity"
    return raw, "logistic" if model.n_trees_per_iteration_ == 1 else "softmax"


def _logits(graph, network, X):
    kind = _FLOAT if network.coefs_[0].dtype == np.float32 else _DOUBLE
    values = graph.cast(X, kind)
    *hidden, last = zip(network.coefs_, network.intercepts_, strict=True)
    for kernel, bias in hidden:
        values = graph("Add", graph("MatMul", values, kernel), bias)
        values = _ACTIVATIONS[network.activation](graph, values, kernel.dtype.type)
    return graph("Add", graph("MatMul", values, last[0]), last[1])


def _gelu(graph, z, number):
    # onnxruntime has the error function in float32 only.
    erf = graph("Erf", graph.cast(graph("Mul", z, number(0.5**0.5)), _FLOAT))
    erf = graph.cast(erf, _FLOAT if number is np.float32 else _DOUBLE)
    return graph("Mul", graph("Mul", z, number(0.5)), graph("Add", erf, number(1)))


_ACTIVATIONS = {
    "identity": lambda graph, z, _: z,
    "logistic": lambda graph, z, _: graph("Sigmoid", z),
    "tanh": lambda graph, z, _: graph("Tanh", z),
    "relu": lambda graph, z, _: graph("Relu", z),
    "leaky_relu": lambda graph, z, _: graph("LeakyRelu", z, alpha=LEAK),
    "elu": lambda graph, z, _: graph("Elu", z),
    "selu": lambda graph, z, _: graph("Selu", z, alpha=SELU_ALPHA, gamma=SELU_SCALE),
    "gelu": _gelu,
    "silu": lambda graph, z, _: graph("Mul", z, graph("Sigmoid", z)),
    "mish": lambda graph, z, _: graph("Mul", z, graph("Tanh", graph("Softplus", z))),
}


def _leaves(graph, trees, X):
    """The sums of the leaves of boosted trees, which scikit-learn keeps in private attributes."""
    every = [each for iteration in trees._predictors for each in enumerate(iteration)]
    parts = [_tree(number, tree.nodes, target) for number, (target, tree) in enumerate(every)]
    joined = {name: np.concatenate([part[name] for part in parts]).tolist() for name in parts[0]}
    n_targets = trees.n_trees_per_iteration_
    X = graph.cast(X, _FLOAT)
    return graph("TreeEnsembleRegressor", X, domain="ai.onnx.ml", n_targets=n_targets, **joined)


def _tree(number, nodes, target):
    """The attributes of the nodes and leaves of one tree, as arrays."""
    is_leaf, ids = nodes["is_leaf"] == 1, np.arange(len(nodes))
    if (nodes["is_categorical"][~is_leaf] == 1).any():
        raise ValueError("trees with categorical features cannot be converted to ONNX")
    return {
        "nodes_treeids": np.full(len(nodes), number),
        "nodes_nodeids": ids,
        "nodes_featureids": nodes["feature_idx"],
        "nodes_values": np.where(is_leaf, 0, _rounded_down(nodes["num_threshold"])),
        "nodes_modes": np.where(is_leaf, "LEAF", "BRANCH_LEQ"),
        "nodes_truenodeids": nodes["left"],
        "nodes_falsenodeids": nodes["right"],
        "nodes_missing_value_tracks_true": nodes["missing_go_to_left"],
        "target_treeids": np.full(is_leaf.sum(), number),
        "target_nodeids": ids[is_leaf],
        "target_ids": np.full(is_leaf.sum(), target),
        "target_weights": nodes["value"][is_leaf],
    }


def _rounded_down(thresholds):
    """The largest float32 that is not above each threshold: a float32 is compared as before."""
    rounded = thresholds.astype(np.float32)
    return np.where(rounded > thresholds, np.nextafter(rounded, np.float32(-np.inf)), rounded)
