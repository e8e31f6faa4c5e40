"""Tables, ensembles and networks as ONNX models, which compute what NumPy and scikit-learn do here."""

import numpy as np
from sklearn.base import is_classifier
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeCV
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted, validate_data

from skdense.base import BaseLowLevelMLP
from skdense.core.formulas.activations import ACTIVATIONS
from skdense.core.formulas.layers import Dense
from skdense.ensemble.blend import BaseBlend
from skdense.ensemble.calibration import is_positive
from skdense.ensemble.crossfit import BaseCrossFit
from skdense.ensemble.sizes import TREES
from skdense.tabular.steps import LEAST

__all__ = ["onnx_inputs", "to_onnx"]

_OPSETS = {"": 20, "ai.onnx.ml": 3}
_FLOAT, _STRING, _DOUBLE = 1, 8, 11
"""ONNX's numbers of types."""
_LINEAR = LogisticRegression, LinearRegression, Ridge, RidgeCV
_CONSTANT = DummyClassifier, DummyRegressor
_SPACE = r"[\s\v\x{1c}-\x{1f}\x{85}\p{Z}]*"
"""Strings that are empty or only of white space, as Python understands it."""


def to_onnx(model):
    """Convert a fitted model of a table, an ensemble or a network to ONNX.

    A model of :func:`skdense.make_tabular_classifier` or :func:`skdense.make_tabular_regressor` gets an
    input for each column, in the order of the columns, of shape ``(n_samples, 1)``: float64 for numbers
    and for strings of numbers, with NaN for missing ones, strings for all others. Its name is that of
    the column; an underscore is added to the empty one, and where an output has the name. Bools are 0
    and 1, and durations are seconds. Strings are read as in Python: "", white space, "NA", "?" and the
    like are missing, and "1.0" is "1". :func:`onnx_inputs` makes all of it from a table. Other models
    have one input, `X`, of float32.

    The outputs of a classifier are `label` and `probabilities`, that of a regressor is `variable`, of
    shape ``(n_samples, n_outputs)``.

    Parameters
    ----------
    model : estimator
        A fitted Pipeline of :func:`skdense.make_tabular_classifier` or
        :func:`skdense.make_tabular_regressor`, an ensemble or a blend of networks and scikit-learn's
        HistGradientBoosting, ExtraTreesClassifier, LogisticRegression, LinearRegression, Ridge,
        RidgeCV, DummyClassifier and DummyRegressor, or one of these members.

    Returns
    -------
    onnx : onnx.ModelProto
        The model, to be saved with its `SerializeToString`.

    Raises
    ------
    ImportError
        Without the package onnx.
    ValueError
        If a column has dates, or a part of the model cannot be converted.

    Examples
    --------
    >>> import numpy as np
    >>> import onnxruntime
    >>> from skdense import make_tabular_classifier
    >>> from skdense.tabular import onnx_inputs, to_onnx
    >>> X = np.array([[20, "red"], [25, "blue"], [None, "red"], [60, None]] * 10, dtype=object)
    >>> model = make_tabular_classifier(random_state=0, cv=2, max_iter=20)
    >>> model = model.fit(X, ["a", "a", "b", "b"] * 10)
    >>> session = onnxruntime.InferenceSession(to_onnx(model).SerializeToString())
    >>> session.run(["probabilities"], onnx_inputs(model, X[:2]))[0].shape
    (2, 2)
    """
    check_is_fitted(model)
    try:
        import onnx
    except ImportError as error:
        raise ImportError("to_onnx needs the package onnx: pip install onnx") from error
    outputs, columns = _names_of(model)
    graph = _Graph(onnx, [*outputs, *columns.values()])
    if columns:
        numbers = model[0].numbers_
        kinds = {name: _DOUBLE if name in numbers else _STRING for name in columns}
        X = {name: graph.input(columns[name], kind, 1) for name, kind in kinds.items()}
    else:
        X = graph.input("X", _FLOAT, model.n_features_in_)
    predicted = _predicted(graph, model, X)
    if is_classifier(model):
        best = graph("ArgMax", predicted, axis=1, keepdims=0)
        graph.give("label", graph("Gather", model.classes_, best))
    graph.give(outputs[-1], predicted)
    return graph.model()


def onnx_inputs(model, X):
    """The inputs of a converted model for a table.

    Parameters
    ----------
    model : estimator
        The model that :func:`to_onnx` converted.
    X : DataFrame of pandas or polars, or array-like, of shape (n_samples, n_features)
        The table, as `predict` of the model takes it.

    Returns
    -------
    inputs : dict of str to ndarray of shape (n_samples, 1) or (n_samples, n_features)
        What `run` of an onnxruntime.InferenceSession takes, by the names of the inputs.

    Examples
    --------
    >>> import pandas as pd
    >>> from skdense import make_tabular_regressor
    >>> from skdense.tabular import onnx_inputs
    >>> X = pd.DataFrame({"age": ["20", "25", None, "60"] * 10, "town": ["Cork", "Oslo"] * 20})
    >>> model = make_tabular_regressor(random_state=0, cv=2, max_iter=20).fit(X, range(40))
    >>> onnx_inputs(model, X[1:3])
    {'age': array([[25.], [nan]]), 'town': array([['Oslo'], ['Cork']], dtype=object)}
    """
    check_is_fitted(model)
    _, columns = _names_of(model)
    if not columns:
        first = model[0] if isinstance(model, Pipeline) else model
        validate_data(first, X, reset=False, skip_check_array=True)
        return {"X": np.asarray(X, dtype=np.float32)}
    inputs = {}
    for name, values in model[0]._read(X).items():
        if name not in model[0].numbers_:
            values = np.array(["" if x is None or x != x else x for x in values], dtype=object)
        inputs[columns[name]] = values.reshape(-1, 1)
    return inputs


def _names_of(model):
    """The names of the outputs, and those of the inputs by the columns of a table."""
    outputs = ["label", "probabilities"] if is_classifier(model) else ["variable"]
    inputs = {}
    if isinstance(model, Pipeline) and type(model[0]).__name__ == "TableEncoder":
        columns = model[0]._columns
        for name in columns:
            own = name
            while own in ("", *outputs, *inputs.values()) or (own != name and own in columns):
                own += "_"
            inputs[name] = own
    return outputs, inputs


class _Graph:
    """An ONNX graph that grows: a call adds an operation and returns the name of its result."""

    def __init__(self, onnx, names):
        self.helper, self.tensor_of = onnx.helper, onnx.numpy_helper.from_array
        self.nodes, self.constants, self.inputs, self.outputs = [], [], [], []
        self.doubles = set()
        self.n_names, self.prefix = 0, "result"
        while any(name.startswith(self.prefix) for name in names):
            self.prefix += "_"

    def __call__(self, operation, *inputs, domain="", **attributes):
        """Add an operation on results, which are named by strings, and on constants."""
        names = [each if isinstance(each, str) else self.constant(each) for each in inputs]
        result = self.name()
        node = self.helper.make_node(operation, names, [result], domain=domain, **attributes)
        self.nodes.append(node)
        if self.doubles.intersection(names):
            self.doubles.add(result)
        return result

    def name(self):
        """A name that no other result has."""
        self.n_names += 1
        return f"{self.prefix} {self.n_names}"

    def constant(self, array):
        """Add a constant."""
        array, name = np.asarray(array), self.name()
        if array.dtype.kind not in "biuf":
            array = array.astype(str).astype(object)
        self.constants.append(self.tensor_of(array, name))
        if array.dtype == np.float64:
            self.doubles.add(name)
        return name

    def input(self, name, kind, width):
        """Add an input of so many columns."""
        self.inputs.append(self.helper.make_tensor_value_info(name, kind, [None, width]))
        if kind == _DOUBLE:
            self.doubles.add(name)
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
        cast = self("Cast", result, to=kind)
        (self.doubles.add if kind == _DOUBLE else self.doubles.discard)(cast)
        return cast

    def number(self, result):
        """The type of a result's numbers."""
        return np.float64 if result in self.doubles else np.float32

    def exactly(self, operation, result, array):
        """An operation in float64, rounded to the type that the result has, as NumPy's in place."""
        exact = self(operation, self.cast(result, _DOUBLE), np.asarray(array, np.float64))
        return exact if result in self.doubles else self.cast(exact, _FLOAT)

    def columns(self, result, numbers):
        """Some columns of a result."""
        return self("Gather", result, np.asarray(numbers, np.int64), axis=1)

    def side_by_side(self, results):
        """The columns of all results."""
        return self("Concat", *results, axis=1)


# --- the steps of the default for tables -------------------------------------------------------------


def _table(graph, encoder, inputs):
    """A TableEncoder: an input for each column."""
    vectorizer, parts = encoder.vectorizer_, []
    if encoder.numbers_:
        numbers = graph.side_by_side([inputs[name] for name in encoder.numbers_])
        parts.append(graph.cast(graph("Sub", numbers, np.asarray(encoder._shifts)), _FLOAT))
    if vectorizer is not None:
        sources = map(vectorizer.output_to_input_.get, vectorizer.all_outputs_)
        for name in dict.fromkeys(sources):
            parts.append(_categories(graph, encoder._columns[name], vectorizer, inputs[name]))
    written = graph.side_by_side(parts)
    if encoder._nullable:
        missing = graph("IsNaN", graph.columns(written, encoder._nullable))
        written = graph.side_by_side([written, graph.cast(missing, _FLOAT)])
    return graph.columns(written, encoder._kept)


def _categories(graph, column, vectorizer, strings):
    """A column for each category; those of a LevelsEncoder may also have some for words."""
    from pandas import DataFrame, Series

    encoder = vectorizer.transformers_[column.name]
    words = getattr(encoder, "words_", [])
    if hasattr(encoder, "levels_"):
        categories = encoder.levels_
    elif hasattr(encoder, "categories_"):
        categories = encoder.categories_[0]
    else:
        what = {"datetime": "dates"}.get(kind := vectorizer.column_to_kind_[column.name], kind)
        raise ValueError(
            f"ONNX models of tables take numbers and categories, but column {column.name!r} has "
            f"{what}: leave it out, or write it as numbers before"
        )
    known = [each for each in categories if isinstance(each, str)]
    missing = [each for each in categories if not isinstance(each, str)]
    unknown = "".join([*known, *words]) + "?"
    values = [*known, *(missing or [unknown]), unknown]
    rows = encoder.transform(DataFrame({column.name: Series(values, dtype=object)}))
    places = {category: place for place, category in enumerate(known)}
    places |= {f"{each}.0": i for each, i in places.items() if each.lstrip("-").isdecimal()}
    places |= dict.fromkeys(column.missing, len(known))
    strings = graph("Where", graph("RegexFullMatch", strings, pattern=_SPACE), np.array(""), strings)
    row = graph(
        "LabelEncoder",
        strings,
        domain="ai.onnx.ml",
        keys_strings=list(places),
        values_int64s=list(places.values()),
        default_int64=len(values) - 1,
    )
    rows, row = np.asarray(rows, dtype=np.float32), graph("Squeeze", row, np.array([1]))
    if not words:
        return graph("Gather", rows, row, axis=0)
    found = [
        graph("RegexFullMatch", strings, pattern=rf"(?is)(.*[^\pL\pN])?{word}([^\pL\pN].*)?")
        for word in words
    ]
    is_rare = graph("Gather", np.eye(len(values), dtype=np.float32)[:, -1:], row, axis=0)
    found = graph("Mul", graph.cast(graph.side_by_side(found), _FLOAT), is_rare)
    levels = graph("Gather", rows[:, : len(categories) + 1], row, axis=0)
    return graph.side_by_side([levels, found])


def _squashed(graph, scaler, X):
    """A SquashingScaler of skrub."""
    n, number = scaler.n_features_in_, graph.number(X)
    center, divisor, factor = np.zeros(n), np.ones(n), np.ones(n)
    if scaler.robust_cols_.any():
        center[scaler.robust_cols_] = scaler.robust_scaler_.center_
        divisor[scaler.robust_cols_] = scaler.robust_scaler_.scale_
    if scaler.minmax_cols_.any():
        center[scaler.minmax_cols_] = scaler.minmax_scaler_.median_
        factor[scaler.minmax_cols_] = scaler.minmax_scaler_.scale_
    scaled = X
    for operation, array in (("Sub", center), ("Div", divisor), ("Mul", factor)):
        scaled = graph.exactly(operation, scaled, array)
    zero = graph("And", scaler.zero_cols_[None], graph("Not", graph("IsNaN", X)))
    scaled = graph("Where", zero, number(0), scaled)
    most = number(scaler.max_absolute_value)
    share = graph("Div", scaled, most)
    root = graph("Sqrt", graph("Add", graph("Mul", share, share), number(1)))
    infinite = graph("Mul", graph("Sign", X), most)
    return graph("Where", graph("IsInf", X), infinite, graph("Div", scaled, root))


def _filled(graph, imputer, X):
    """A SimpleImputer that neither adds nor leaves out columns."""
    values = np.asarray(imputer.statistics_, graph.number(X))
    if imputer.indicator_ is not None or np.isnan(values).any():
        raise ValueError(f"an imputer that adds or leaves out columns cannot be converted: {imputer!r}")
    return graph("Where", graph("IsNaN", X), values, X)


def _ramps(graph, ramps, X):
    """The columns and their Ramps."""
    counts = [len(knots) - 1 for knots in ramps.knots_]
    X = graph.cast(X, _FLOAT)
    if not sum(counts):
        return X
    low = np.concatenate([knots[:-1] for knots in ramps.knots_])
    high = np.concatenate([knots[1:] for knots in ramps.knots_])
    above = graph("Sub", graph.columns(X, np.repeat(np.arange(len(counts)), counts)), low)
    ramp = graph("Clip", graph("Div", above, high - low), np.float32(0), np.float32(1))
    return graph.side_by_side([X, ramp])


def _standardized(graph, scaler, X):
    """A StandardScaler."""
    number = graph.number(X)
    X = graph("Sub", X, scaler.mean_.astype(number)) if scaler.with_mean else X
    return graph("Div", X, scaler.scale_.astype(number)) if scaler.with_std else X


def _landmarks(graph, landmarks, X):
    """Landmarks."""
    rows = graph("Unsqueeze", graph.cast(X, _DOUBLE), np.array([1]))
    apart = graph("Abs", graph("Sub", rows, landmarks.components_))
    distances = graph("ReduceSum", apart, np.array([2]), keepdims=0)
    kernels = graph("Exp", graph("Mul", distances, np.float64(-1 / landmarks.n_features_in_)))
    return graph("MatMul", kernels, landmarks.normalization_.T)


def _unclipped(graph, transformer, X):
    """An Unclip."""
    X = graph.cast(X, _DOUBLE)
    if transformer.clip is None:
        return X
    share = graph("Div", X, np.float64(transformer.clip))
    rest = graph("Sub", np.float64(1), graph("Mul", share, share))
    return graph("Div", X, graph("Sqrt", graph("Max", rest, np.float64(LEAST))))


_STEPS = {
    "TableEncoder": _table,
    "SquashingScaler": _squashed,
    "SimpleImputer": _filled,
    "StandardScaler": _standardized,
    "Ramps": _ramps,
    "Unclip": _unclipped,
    "Landmarks": _landmarks,
    "str": lambda graph, step, X: X,  # "passthrough"
}
"""By the names of their classes, since some need packages that predictions do without."""


# --- models ------------------------------------------------------------------------------------------


def _predicted(graph, model, X, temperature=1.0):
    """The probabilities of a classifier, or the numbers of a regressor, in float64.

    The logits are divided by the temperature; only those of networks ask for another than 1.
    """
    if isinstance(model, Pipeline):
        *steps, (_, last) = model.steps
        for name, step in steps:
            if type(step).__name__ not in _STEPS:
                raise ValueError(f"step {name!r} cannot be converted to ONNX: {step!r}")
            X = _STEPS[type(step).__name__](graph, step, X)
        return _predicted(graph, last, X)
    if isinstance(model, BaseBlend):
        parts = zip(model.weights_, model.estimators_, strict=True)
        weighted = [graph("Mul", _predicted(graph, m, X), np.float64(w)) for w, m in parts if w > 0]
        return graph("Sum", *weighted)
    if isinstance(model, BaseCrossFit):
        members = [_member(graph, model, each, X) for each in model.estimators_]
        mean = graph("Div", graph("Sum", *members), np.float64(len(members)))
        if is_classifier(model):
            return mean
        return graph("Add", graph("Mul", mean, np.float64(model.scale_)), np.float64(model.center_))
    raw, output = _raw(graph, model, X)
    if output == "exp":
        return graph("Exp", raw)
    if output in ("logistic", "softmax"):
        raw = graph("Div", raw, np.float64(temperature))
    if output == "logistic":
        return graph("Sigmoid", graph.side_by_side([graph("Neg", raw), raw]))
    return graph("Softmax", raw, axis=1) if output == "softmax" else raw


def _member(graph, ensemble, model, X):
    """What a member of an ensemble predicts, a classifier at the temperature of the ensemble."""
    if not is_classifier(model):
        return _predicted(graph, model, X)
    if isinstance(model, BaseLowLevelMLP):
        return _predicted(graph, model, X, ensemble.temperature_)
    # Of a class that its fold lacked, a member knows nothing.
    known = np.searchsorted(ensemble.classes_, model.classes_)
    place = np.eye(len(ensemble.classes_))[known]
    of_known = graph.columns(_predicted(graph, model, X), np.arange(len(known)))
    probabilities = graph("Max", graph("MatMul", of_known, place), np.finfo(float).eps)
    logs = graph("Div", graph("Log", probabilities), np.float64(ensemble.temperature_))
    return graph("Softmax", logs, axis=1)


def _raw(graph, model, X):
    """The outputs of a model before its output activation, in float64, and that activation."""
    n_classes = len(model.classes_) if is_classifier(model) else 0
    if isinstance(model, _CONSTANT):
        if n_classes and model.strategy != "prior":
            raise ValueError(
                "of DummyClassifier only strategy='prior' can be converted to ONNX, got "
                f"{model.strategy!r}"
            )
        constant = model.class_prior_ if n_classes else model.constant_
        n_rows = graph("Shape", X, start=0, end=1)
        shape = graph("Concat", n_rows, np.array([np.size(constant)]), axis=0)
        return graph("Expand", np.asarray(constant, np.float64).reshape(1, -1), shape), "identity"
    if isinstance(model, BaseLowLevelMLP):
        output = model.out_activation_
        shapes = {"logistic": (2, 1), "softmax": (n_classes, n_classes)}  # classes and outputs
        if n_classes and shapes.get(output) != (n_classes, model.n_outputs_):
            raise ValueError(
                "only classifiers with loss='log_loss', one label for each sample and at least two "
                f"classes can be converted to ONNX, got {n_classes} class(es) or labels and "
                f"loss={model.loss!r}"
            )
        return graph.cast(_logits(graph, model, X), _DOUBLE), output
    if isinstance(model, _LINEAR):
        kernel = np.asarray(model.coef_, np.float64).reshape(-1, model.n_features_in_).T
        product = graph("MatMul", graph.cast(X, _DOUBLE), kernel)
        raw = graph("Add", product, np.asarray(model.intercept_, np.float64))
        return raw, ("identity" if not n_classes else "logistic" if n_classes == 2 else "softmax")
    if isinstance(model, ExtraTreesClassifier):
        return _leaves(graph, _of_forest(model), n_classes, X), "identity"
    if not isinstance(model, TREES):
        raise ValueError(
            "only networks, scikit-learn's HistGradientBoosting, ExtraTreesClassifier, linear and "
            "constant models, and ensembles and blends of them can be converted to ONNX, "
            f"got {model!r}"
        )
    sums = _leaves(graph, _of_boosted(model), model.n_trees_per_iteration_, X)
    raw = graph("Add", sums, model._baseline_prediction)
    if not n_classes:
        return raw, "exp" if is_positive(model) else "identity"
    return raw, "logistic" if model.n_trees_per_iteration_ == 1 else "softmax"


def _logits(graph, network, X):
    kind = _FLOAT if network.coefs_[0].dtype == np.float32 else _DOUBLE
    values = graph.cast(X, kind)
    layers, parameters = network._layers_and_parameters()
    for layer, arrays in zip(layers, parameters, strict=True):
        if not isinstance(layer, Dense):
            raise ValueError(f"layers of activation={network.activation!r} cannot be converted to ONNX")
        kernel, bias = arrays
        values = graph("Add", graph("MatMul", values, kernel), bias)
        values = ACTIVATIONS[layer.activation].onnx(graph, values, kernel.dtype.type)
    return values


def _leaves(graph, trees, n_targets, X):
    """The sums of the leaves of trees, in float64."""
    parts = [_tree(number, *each) for number, each in enumerate(trees)]
    joined = {name: np.concatenate([part[name] for part in parts]).tolist() for name in parts[0]}
    X = graph.cast(X, _FLOAT)
    sums = graph("TreeEnsembleRegressor", X, domain="ai.onnx.ml", n_targets=n_targets, **joined)
    return graph.cast(sums, _DOUBLE)


def _of_boosted(model):
    """The arguments of `_tree` for boosted trees, which scikit-learn keeps in private attributes."""
    for target, tree in (each for iteration in model._predictors for each in enumerate(iteration)):
        nodes = tree.nodes
        leaves, is_inside = np.flatnonzero(nodes["is_leaf"]), nodes["is_leaf"] == 0
        if nodes["is_categorical"][is_inside].any():
            raise ValueError("trees with categorical features cannot be converted to ONNX")
        fields = "feature_idx", "num_threshold", "left", "right", "missing_go_to_left"
        inside = [nodes[field] * is_inside for field in fields]
        yield is_inside, *inside, leaves, np.full(len(leaves), target), nodes["value"][leaves]


def _of_forest(model):
    """The arguments of `_tree` for a forest, whose leaves have shares of classes."""
    for tree in (each.tree_ for each in model.estimators_):
        is_inside = tree.children_left >= 0
        nodes = tree.feature, tree.threshold, tree.children_left, tree.children_right
        inside = [values * is_inside for values in (*nodes, tree.missing_go_to_left)]
        leaves, classes = np.nonzero(tree.value[:, 0] * ~is_inside[:, None])
        shares = tree.value[leaves, 0, classes]
        yield is_inside, *inside, leaves, classes, shares / len(model.estimators_)


def _tree(number, is_inside, features, thresholds, left, right, missing_left, leaves, targets, weights):
    """The attributes of the nodes and leaves of one tree, as arrays."""
    return {
        "nodes_treeids": np.full(len(is_inside), number),
        "nodes_nodeids": np.arange(len(is_inside)),
        "nodes_featureids": features,
        "nodes_values": _rounded_down(thresholds),
        "nodes_modes": np.where(is_inside, "BRANCH_LEQ", "LEAF"),
        "nodes_truenodeids": left,
        "nodes_falsenodeids": right,
        "nodes_missing_value_tracks_true": missing_left,
        "target_treeids": np.full(len(leaves), number),
        "target_nodeids": leaves,
        "target_ids": targets,
        "target_weights": weights,
    }


def _rounded_down(thresholds):
    """The largest float32 that is not above each threshold: a float32 is compared as before."""
    rounded = thresholds.astype(np.float32)
    return np.where(rounded > thresholds, np.nextafter(rounded, np.float32(-np.inf)), rounded)
