"""Tables, ensembles and networks as ONNX models, which compute what NumPy and scikit-learn do here."""

from functools import cache

import numpy as np
from sklearn.base import is_classifier
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted, validate_data

from skdense import compat
from skdense.classifier import LowLevelMLPClassifier
from skdense.core.formulas.activations import ACTIVATIONS
from skdense.ensemble import BlendClassifier, BlendRegressor, CrossFitClassifier, CrossFitRegressor
from skdense.ensemble.calibration import is_positive
from skdense.regressor import LowLevelMLPRegressor
from skdense.tabular.pipeline import TablePipeline
from skdense.tabular.steps import LEAST, NUMBERS_OF_OTHERS, Landmarks, LevelsEncoder, Ramps, Unclip

__all__ = ["onnx_inputs", "to_onnx"]

_OPSETS = {"": 20, "ai.onnx.ml": 3}
_FLOAT, _STRING, _DOUBLE = 1, 8, 11
"""ONNX's numbers of types."""


def to_onnx(model):
    """Convert a fitted model of a table, an ensemble or a network to ONNX.

    A model of :func:`skdense.make_tabular_classifier` or :func:`skdense.make_tabular_regressor` gets an
    input for each column, in the order of the columns, with the column's name; an underscore is added
    to the empty one, and where an output has the name. It is one of

    - float64, of shape ``(n_samples, 1)``, for numbers and for strings of numbers, with NaN for missing
      ones. Bools are 0 and 1, and durations are seconds;
    - strings, of shape ``(n_samples, 1)``, for all others but dates. They are read as in Python: "" and
      white space are missing, in a column of strings also "NA", "?" and the like, and "1.0" is "1";
    - float32, of shape ``(n_samples, n_numbers)``, for dates, and for strings that a transformer of
      your own writes: the numbers that the step `columns` writes for them.

    :func:`onnx_inputs` makes all of it from a table. Other models have one input, `X`, of float32.

    The outputs of a classifier are `label` and `probabilities`, that of a regressor is `variable`, of
    shape ``(n_samples, n_outputs)``.

    Parameters
    ----------
    model : estimator
        A fitted Pipeline of :func:`skdense.make_tabular_classifier` or
        :func:`skdense.make_tabular_regressor`, an ensemble or a blend of networks and scikit-learn's
        HistGradientBoosting, LogisticRegression, LinearRegression, Ridge, RidgeCV, DummyClassifier and
        DummyRegressor, one of these members, or a Pipeline of SimpleImputer or StandardScaler and one
        of all these. Subclasses cannot be converted, since they may compute something else.

    Returns
    -------
    onnx : onnx.ModelProto
        The model, to be saved with its `SerializeToString`.

    Raises
    ------
    ImportError
        Without the package onnx.
    ValueError
        If a part of the model cannot be converted; its parameter or class is named.

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
    import onnx

    graph, inputs = _Graph(onnx), _inputs_of(model)
    if inputs:
        X = {column: graph.input(*its) for column, its in inputs.items()}
    else:
        X = graph.input("X", _FLOAT, getattr(_first(model), "n_features_in_", None))
    predicted = _converted(graph, model, X)
    if is_classifier(model):
        best = graph("ArgMax", predicted, axis=1, keepdims=0)
        graph.give("label", graph("Gather", model.classes_, best))
    graph.give(_outputs_of(model)[-1], predicted)
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
    inputs : dict of str to ndarray of shape (n_samples, n_columns)
        What `run` of an onnxruntime.InferenceSession takes, by the names of the inputs, with as many
        columns as :func:`to_onnx` says.

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
    inputs = _inputs_of(model)
    if not inputs:
        first, given = _first(model), {"dtype": np.float32, "ensure_all_finite": False}
        return {"X": validate_data(first, X, reset=False, **given)}
    values_of = {}
    for column, values in model[0]._read(X).items():
        name, kind, width = inputs[column]
        if kind == _STRING:
            values = np.array(["" if x is None else x for x in values], dtype=object)
        elif kind == _FLOAT:
            values = model[0]._columns[column].write(values)
        values_of[name] = values.reshape(-1, width)
    return values_of


def _outputs_of(model):
    """The names of the outputs."""
    return ["label", "probabilities"] if is_classifier(model) else ["variable"]


def _inputs_of(model):
    """The name, type and width of the input for each column, if the model begins with a table's."""
    inputs, taken = {}, ["", *_outputs_of(model)]
    if isinstance(model, Pipeline) and _converters().get(type(model[0])) is _table:
        columns = model[0]._columns
        for column in columns:
            name = column
            while name in taken or (name != column and name in columns):
                name += "_"
            taken.append(name)
            inputs[column] = name, *_type_of(columns[column])
    return inputs


def _type_of(column):
    """The type and the width of the input for a column of a table."""
    if column.kind in ("numbers", "durations"):
        return _DOUBLE, 1
    transformer = getattr(column.writer, "transformer", None)
    if transformer is None or type(transformer) is LevelsEncoder:
        return _STRING, 1
    return _FLOAT, column.writer.n_columns


def _first(model):
    """The model, or the first step of a Pipeline that is more than "passthrough"."""
    steps = (step for _, step in getattr(model, "steps", ()) if hasattr(step, "n_features_in_"))
    return next(steps, model)


class _Graph:
    """An ONNX graph that grows: a call adds an operation and returns the name of its result."""

    def __init__(self, onnx):
        self.helper, self.tensor_of = onnx.helper, onnx.numpy_helper.from_array
        self.nodes, self.constants, self.inputs, self.outputs = [], [], [], []

    def __call__(self, operation, *inputs, domain="", **attributes):
        """Add an operation on results, which are named by strings, and on constants."""
        names = [each if isinstance(each, str) else self.constant(each) for each in inputs]
        result = f"skdense result {len(self.nodes)}"
        node = self.helper.make_node(operation, names, [result], domain=domain, **attributes)
        self.nodes.append(node)
        return result

    def constant(self, array):
        """Add a constant."""
        array, name = np.asarray(array), f"skdense constant {len(self.constants)}"
        if array.dtype.kind not in "biuf":
            array = array.astype(str).astype(object)
        self.constants.append(self.tensor_of(array, name))
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

    def like(self, array, result):
        """Numbers in the type that a result has, which is float32 or float64."""
        return self("CastLike", np.asarray(array, np.float64), result)

    def columns(self, result, numbers):
        """Some columns of a result."""
        return self("Gather", result, np.asarray(numbers, np.int64), axis=1)

    def side_by_side(self, results):
        """The columns of all results."""
        return self("Concat", *results, axis=1)


# --- the steps of the default for tables -------------------------------------------------------------


def _table(graph, encoder, inputs):
    """A TableEncoder: an input for each column."""
    from skdense.tabular.columns import OneHot

    kinds = {name: _type_of(column)[0] for name, column in encoder._columns.items()}
    shifted = [name for name, kind in kinds.items() if kind == _DOUBLE]
    sources = dict.fromkeys([*shifted, *(each.source for each in encoder.written_)])
    columns = {name: encoder._columns[name] for name in sources}
    blocks = []
    if shifted:
        numbers = graph.side_by_side([inputs[name] for name in shifted])
        writers = [columns[name].writer for name in shifted]
        numbers = graph("Sub", numbers, np.array([writer.shift for writer in writers]))
        numbers = graph("Mul", numbers, np.array([writer.scale for writer in writers]))
        blocks.append(graph.cast(numbers, _FLOAT))
    for name, column in columns.items():
        if kinds[name] == _STRING:
            convert = _one_hot if type(column.writer) is OneHot else _levels
            blocks.append(convert(graph, column, inputs[name]))
        elif kinds[name] == _FLOAT:
            blocks.append(inputs[name])
    starts = np.cumsum([0, *(column.writer.n_columns for column in columns.values())])
    start = dict(zip(columns, starts))
    numbers = [start[each.source] + each.position for each in encoder.written_]
    written = graph.columns(graph.side_by_side(blocks), numbers)
    is_mark = np.array([each.kind == "missing" for each in encoder.written_])
    return graph("Where", is_mark, graph.cast(graph("IsNaN", written), _FLOAT), written)


def _place(graph, column, strings, places):
    """The place of each string, which is read as `Column` does; for one without, how many there are."""
    from skdense.tabular.columns import WHITE_SPACE, strings_of

    read_as = {each: level for level in places if level for each in strings_of(level)}
    read_as |= dict.fromkeys(column.missing)
    empty = graph("RegexFullMatch", strings, pattern=WHITE_SPACE)
    return graph(
        "LabelEncoder",
        graph("Where", empty, np.array(""), strings),
        domain="ai.onnx.ml",
        keys_strings=list(read_as),
        values_int64s=[places.get(level, len(places)) for level in read_as.values()],
        default_int64=len(places),
    )


def _one_hot(graph, column, strings):
    """What a OneHot writes: a row of its table."""
    place = _place(graph, column, strings, column.writer.places)
    return graph("Gather", column.writer.rows, graph("Squeeze", place, np.array([1])), axis=0)


def _levels(graph, column, strings):
    """What a LevelsEncoder writes: a row of two tables, and a column for each word."""
    encoder = column.writer.transformer
    known = dict.fromkeys([*encoder.levels_, *encoder.numbers_, None])
    places = {level: place for place, level in enumerate(known)}
    place = _place(graph, column, strings, places)
    row = graph("Squeeze", place, np.array([1]))
    numbers = [encoder.numbers_.get(level, NUMBERS_OF_OTHERS) for level in known]
    numbers = graph("Gather", np.array([*numbers, NUMBERS_OF_OTHERS], np.float32), row, axis=0)
    n_levels = len(encoder.levels_)
    level = graph("Min", row, np.int64(n_levels))
    levels = graph("Gather", np.eye(n_levels + 1, dtype=np.float32), level, axis=0)
    if not encoder.words_:
        return graph.side_by_side([levels, numbers])
    # (?i) reads letters as `lower` does, but for this one and some of old scripts, such as the long s.
    patterns = [word.replace("i", "[iİ]") for word in encoder.words_]
    found = [
        graph("RegexFullMatch", strings, pattern=rf"(?is)(.*[^\pL\pN])?{pattern}([^\pL\pN].*)?")
        for pattern in patterns
    ]
    is_there = graph("Not", graph("Equal", place, np.int64(places[None])))
    words = graph.cast(graph("And", graph.side_by_side(found), is_there), _FLOAT)
    return graph.side_by_side([levels, words, numbers])


def _squashed(graph, scaler, X):
    """A SquashingScaler of ours."""
    center, divisor, factor, zero = compat.squashing_of(scaler)
    scaled = X
    for operation, array in (("Sub", center), ("Div", divisor), ("Mul", factor)):
        exact = graph(operation, graph.cast(scaled, _DOUBLE), array)
        scaled = graph("CastLike", exact, X)  # as NumPy's operations in place
    zero = graph("And", zero[None], graph("Not", graph("IsNaN", X)))
    scaled = graph("Where", zero, graph.like(0, X), scaled)
    most = graph.like(scaler.max_absolute_value, X)
    share = graph("Div", scaled, most)
    root = graph("Sqrt", graph("Add", graph("Mul", share, share), graph.like(1, X)))
    infinite = graph("Mul", graph("Sign", X), most)
    squashed = graph("Where", graph("IsInf", X), infinite, graph("Div", scaled, root))
    return graph("Mul", squashed, graph.like(scaler.factors_, X))


def _filled(graph, imputer, X):
    """A SimpleImputer."""
    values = np.asarray(imputer.statistics_, np.float64)
    finds_nan = imputer.missing_values != imputer.missing_values  # NaN equals nothing
    if imputer.add_indicator or not finds_nan or np.isnan(values).any():
        raise ValueError(
            "a SimpleImputer can be converted to ONNX with missing_values=nan, add_indicator=False and "
            f"a value for each column, got {imputer!r}"
        )
    return graph("Where", graph("IsNaN", X), graph.like(values, X), X)


def _ramps(graph, ramps, X):
    """The columns and their Ramps."""
    counts = ramps._counts()
    X = graph("Mul", graph.cast(X, _FLOAT), ramps.factors_)
    if not sum(counts):
        return X
    low = np.concatenate([knots[:-1] for knots in ramps.knots_])
    high = np.concatenate([knots[1:] for knots in ramps.knots_])
    above = graph("Sub", graph.columns(X, np.repeat(np.arange(len(counts)), counts)), low)
    ramp = graph("Clip", graph("Div", above, high - low), np.float32(0), np.float32(1))
    return graph.side_by_side([X, ramp])


def _standardized(graph, scaler, X):
    """A StandardScaler."""
    X = graph("Sub", X, graph.like(scaler.mean_, X)) if scaler.with_mean else X
    return graph("Div", X, graph.like(scaler.scale_, X)) if scaler.with_std else X


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


def _steps(graph, pipeline, X):
    """A Pipeline."""
    for name, step in pipeline.steps:
        X = _converted(graph, step, X, f"step {name!r}")
    return X


# --- models, which give probabilities or numbers in float64 -------------------------------------------


def _blend(graph, blend, X):
    parts = zip(blend.weights_, blend.estimators_, strict=True)
    weighted = [graph("Mul", _converted(graph, m, X), np.float64(w)) for w, m in parts if w > 0]
    return graph("Sum", *weighted)


def _cross_fit_regressor(graph, ensemble, X):
    members = [_converted(graph, each, X) for each in ensemble.estimators_]
    mean = graph("Div", graph("Sum", *members), np.float64(len(members)))
    return graph("Add", graph("Mul", mean, np.float64(ensemble.scale_)), np.float64(ensemble.center_))


def _cross_fit_classifier(graph, ensemble, X):
    members = [_member(graph, each, X, ensemble) for each in ensemble.estimators_]
    return graph("Div", graph("Sum", *members), np.float64(len(members)))


def _member(graph, model, X, ensemble):
    """What a member predicts at the temperature of its ensemble."""
    if type(model) is LowLevelMLPClassifier:
        return _network(graph, model, X, ensemble.temperature_)
    # Of a class that the rows it was fitted to lack, a member knows nothing.
    its_classes = np.searchsorted(ensemble.classes_, model.classes_)
    to_all = np.eye(len(ensemble.classes_))[its_classes]
    of_its_classes = graph.columns(_converted(graph, model, X), np.arange(len(its_classes)))
    probabilities = graph("Max", graph("MatMul", of_its_classes, to_all), np.finfo(float).eps)
    logs = graph("Div", graph("Log", probabilities), np.float64(ensemble.temperature_))
    return graph("Softmax", logs, axis=1)


def _activated(graph, raw, output):
    """The output activation."""
    if output == "logistic":
        return graph("Sigmoid", graph.side_by_side([graph("Neg", raw), raw]))
    if output == "exp":
        return graph("Exp", raw)
    return graph("Softmax", raw, axis=1) if output == "softmax" else raw


def _constant(graph, model, X):
    if is_classifier(model) and model.strategy != "prior":
        raise ValueError(
            f"of DummyClassifier only strategy='prior' can be converted to ONNX, got {model.strategy!r}"
        )
    constant = model.class_prior_ if is_classifier(model) else model.constant_
    n_rows = graph("Shape", X, start=0, end=1)
    shape = graph("Concat", n_rows, np.array([np.size(constant)]), axis=0)
    return graph("Expand", np.asarray(constant, np.float64).reshape(1, -1), shape)


def _linear(graph, model, X):
    kernel = np.asarray(model.coef_, np.float64).reshape(-1, model.n_features_in_).T
    product = graph("MatMul", graph.cast(X, _DOUBLE), kernel)
    raw = graph("Add", product, np.asarray(model.intercept_, np.float64))
    n_classes = len(model.classes_) if is_classifier(model) else 0
    return _activated(graph, raw, {0: "identity", 2: "logistic"}.get(n_classes, "softmax"))


def _boosted(graph, model, X):
    """The sums of the leaves of trees, which ONNX adds up in float32."""
    trees = [_tree(number, *each) for number, each in enumerate(compat.nodes_of_boosted_trees(model))]
    joined = {name: np.concatenate([tree[name] for tree in trees]).tolist() for name in trees[0]}
    joined["n_targets"] = n_outputs = model.n_trees_per_iteration_
    sums = graph("TreeEnsembleRegressor", graph.cast(X, _FLOAT), domain="ai.onnx.ml", **joined)
    raw = graph("Add", graph.cast(sums, _DOUBLE), compat.baseline_of_boosted_trees(model))
    if is_classifier(model):
        return _activated(graph, raw, "logistic" if n_outputs == 1 else "softmax")
    return _activated(graph, raw, "exp" if is_positive(model) else "identity")


def _tree(number, output, nodes):
    """The attributes of the nodes and leaves of one tree, as arrays."""
    inside, leaves = nodes["is_leaf"] == 0, np.flatnonzero(nodes["is_leaf"])
    if nodes["is_categorical"][inside].any():
        raise ValueError("trees with categorical features cannot be converted to ONNX")
    return {
        "nodes_treeids": np.full(len(nodes), number),
        "nodes_nodeids": np.arange(len(nodes)),
        "nodes_featureids": nodes["feature_idx"] * inside,
        "nodes_values": _rounded_down(nodes["num_threshold"] * inside),
        "nodes_modes": np.where(inside, "BRANCH_LEQ", "LEAF"),
        "nodes_truenodeids": nodes["left"] * inside,
        "nodes_falsenodeids": nodes["right"] * inside,
        "nodes_missing_value_tracks_true": nodes["missing_go_to_left"] * inside,
        "target_treeids": np.full(len(leaves), number),
        "target_nodeids": leaves,
        "target_ids": np.full(len(leaves), output),
        "target_weights": nodes["value"][leaves],
    }


def _rounded_down(thresholds):
    """The largest float32 that is not above each threshold: a float32 is compared as before."""
    rounded = thresholds.astype(np.float32)
    return np.where(rounded > thresholds, np.nextafter(rounded, np.float32(-np.inf)), rounded)


def _network(graph, model, X, temperature=1.0):
    output = model.out_activation_
    if is_classifier(model):
        n_classes = len(model.classes_)
        shapes = {"logistic": (2, 1), "softmax": (n_classes, n_classes)}  # classes and outputs
        if shapes.get(output) != (n_classes, model.n_outputs_):
            raise ValueError(
                "only classifiers with loss='log_loss', one label for each sample and at least two "
                f"classes can be converted to ONNX, got {n_classes} and loss={model.loss!r}"
            )
    raw = graph("Div", graph.cast(_logits(graph, model, X), _DOUBLE), np.float64(temperature))
    return _activated(graph, raw, output)


def _logits(graph, network, X):
    kind = _FLOAT if network.coefs_[0].dtype == np.float32 else _DOUBLE
    values = graph.cast(X, kind)
    layers, parameters = network._layers_and_parameters()
    for layer, (kernel, bias) in zip(layers, parameters, strict=True):
        values = graph("Add", graph("MatMul", values, kernel), bias)
        values = ACTIVATIONS[layer.activation].onnx(graph, values, kernel.dtype.type)
    return values


# --- which class is converted by what -----------------------------------------------------------------


@cache
def _converters():
    """What converts steps and models, by their very classes: a subclass may compute something else."""
    converters = {
        str: lambda graph, step, X: X,  # "passthrough"
        SimpleImputer: _filled,
        StandardScaler: _standardized,
        Unclip: _unclipped,
        Ramps: _ramps,
        Landmarks: _landmarks,
        Pipeline: _steps,
        TablePipeline: _steps,
        BlendClassifier: _blend,
        BlendRegressor: _blend,
        CrossFitClassifier: _cross_fit_classifier,
        CrossFitRegressor: _cross_fit_regressor,
        LowLevelMLPClassifier: _network,
        LowLevelMLPRegressor: _network,
        HistGradientBoostingClassifier: _boosted,
        HistGradientBoostingRegressor: _boosted,
        **dict.fromkeys((LogisticRegression, LinearRegression, Ridge, RidgeCV), _linear),
        **dict.fromkeys((DummyClassifier, DummyRegressor), _constant),
    }
    try:
        from skdense.tabular.columns import SquashingScaler, TableEncoder
    except ImportError:  # without skrub, no step is of these classes
        return converters
    return converters | {TableEncoder: _table, SquashingScaler: _squashed}


def _converted(graph, model, X, what="the model"):
    """The result of a step or of a model."""
    if type(model) not in _converters():
        names = sorted(each.__name__ for each in _converters() if hasattr(each, "fit"))
        raise ValueError(
            f"{what} cannot be converted to ONNX: {model!r}. These classes can, but no subclasses of "
            f"them: {', '.join(names)}"
        )
    return _converters()[type(model)](graph, model, X)
