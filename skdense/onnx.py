"""Models of tables, ensembles and networks as ONNX models, which predict what these predict here."""

import sys
from collections import defaultdict
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, is_classifier
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import (
    Lasso,
    LassoCV,
    LinearRegression,
    LogisticRegression,
    LogisticRegressionCV,
    Ridge,
    RidgeCV,
)
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import check_is_fitted, validate_data

from skdense.classifier import LowLevelMLPClassifier
from skdense.core.formulas.activations import ACTIVATIONS
from skdense.ensemble import BlendClassifier, BlendRegressor, CrossFitClassifier, CrossFitRegressor
from skdense.ensemble.members import is_lightgbm
from skdense.fit.inputs import MatrixLike
from skdense.regressor import LowLevelMLPRegressor
from skdense.tabular.estimators import TabularClassifier, TabularRegressor
from skdense.tabular.views import CLIP, LIMITS, TableScaler

__all__ = ["onnx_inputs", "to_onnx"]

_OPSETS = {"": 20, "ai.onnx.ml": 5}
_FLOAT, _STRING, _DOUBLE = 1, 8, 11
"""ONNX's numbers of types."""
_OUTPUTS = "label", "probabilities", "variable"
"""The names of outputs, which no input has."""
_TYPES = {
    **dict.fromkeys(("numbers", "durations"), _DOUBLE),
    **dict.fromkeys(("categories", "strings"), _STRING),
    "dates": _FLOAT,
}
"""The type of the input for a column of each kind."""
_WHITE_SPACE = r"[\s\v\x{1c}-\x{1f}\x{85}\p{Z}]*"
"""What else is missing, as a pattern of ONNX: strings that are empty or only of white space."""
_WORD = r"(?s)(.*[^\pL\pN])?{}([^\pL\pN].*)?"
"""The pattern of strings that have a word."""
_INFINITE = 1e300
"""The absolute value that LightGBM's `dump_model` writes for an infinite threshold."""
_OF_OBJECTIVES = {
    **dict.fromkeys(("regression", "regression_l1", "huber", "quantile"), "identity"),
    **dict.fromkeys(("poisson", "gamma", "tweedie"), "exp"),
    "binary sigmoid:1": "logistic",
    "multiclass": "softmax",
}
"""The output activations by LightGBM's names of objectives."""


def to_onnx(model: BaseEstimator) -> Any:
    """Convert a fitted model of a table, an ensemble or a network to ONNX.

    A :class:`skdense.TabularClassifier` or :class:`skdense.TabularRegressor` gets an input for each
    column of the table that it uses, with the column's name. An underscore is added to the empty name,
    and to `label`, `probabilities` and `variable`, which outputs have. It is one of

    - float64, of shape ``(n_samples, 1)``, for numbers, also if they are stored as strings, with NaN
      for missing ones. Bools are 0 and 1, and durations are seconds;
    - strings, of shape ``(n_samples, 1)``, for categories and other strings. They are read as in
      Python: "" and white space are missing, in a column of strings also "NA", "?" and the like, and
      "1.0" is "1";
    - float32, of shape ``(n_samples, 10)``, for dates: the numbers that `encoder_` makes of them.

    :func:`onnx_inputs` makes all of it from a table. Other models have one input, `X`, of float32.

    The outputs of a classifier are `label` and `probabilities`, that of a regressor is `variable`, of
    shape ``(n_samples, n_outputs)``. Quantiles and sets are not converted.

    Parameters
    ----------
    model : estimator
        A fitted :class:`skdense.TabularClassifier` or :class:`skdense.TabularRegressor`; an ensemble or
        a blend of networks, LightGBM's LGBMClassifier and LGBMRegressor, and scikit-learn's
        LogisticRegression, LinearRegression, Ridge, RidgeCV, DummyClassifier and DummyRegressor; one of
        these members; or a Pipeline of TableScaler, SimpleImputer or StandardScaler and one of these
        ensembles or members. Subclasses cannot be converted, since they may compute something else.

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
    >>> from skdense import TabularClassifier
    >>> from skdense.onnx import onnx_inputs, to_onnx
    >>> X = np.array([[20, "red"], [25, "blue"], [None, "red"], [60, None]] * 10, dtype=object)
    >>> model = TabularClassifier(models=["linear", "trees"], random_state=0, cv=2)
    >>> model = model.fit(X, ["a", "a", "b", "b"] * 10)
    >>> session = onnxruntime.InferenceSession(to_onnx(model).SerializeToString())
    >>> session.run(["probabilities"], onnx_inputs(model, X[:2]))[0].shape
    (2, 2)
    """
    check_is_fitted(model)
    import onnx

    graph, inputs = _Graph(onnx), _inputs_of(model)
    X = {column: graph.input(*its) for column, its in inputs.items()}
    X = X or graph.input("X", _FLOAT, getattr(_first(model), "n_features_in_", None))
    predicted = _converted(graph, model, X)
    if is_classifier(model):
        best = graph("ArgMax", predicted, axis=1, keepdims=0)
        label = graph("Gather", model.classes_, best)
        graph.give("label", label, graph.proto.initializer[-1].data_type, [None])
    name = "probabilities" if is_classifier(model) else "variable"
    graph.give(name, predicted, _DOUBLE, [None, None])
    opsets = [onnx.helper.make_opsetid(*each) for each in _OPSETS.items()]
    return onnx.helper.make_model_gen_version(graph.proto, opset_imports=opsets)


def onnx_inputs(model: BaseEstimator, X: MatrixLike) -> dict[str, NDArray]:
    """Make the inputs of a converted model from a table.

    Warnings tell of data that are unlike those in `fit`, as in `predict`.

    Parameters
    ----------
    model : estimator
        The model that :func:`to_onnx` converted.
    X : data frame or array-like of shape (n_samples, n_features)
        The table, as `predict` of the model takes it.

    Returns
    -------
    inputs : dict of str to ndarray of shape (n_samples, n_columns)
        What `run` of an onnxruntime.InferenceSession takes, by the names of the inputs, with as many
        columns as :func:`to_onnx` says.

    Examples
    --------
    >>> import pandas as pd
    >>> from skdense import TabularRegressor
    >>> from skdense.onnx import onnx_inputs
    >>> X = pd.DataFrame({"age": ["20", "25", None, "60"] * 10, "town": ["Cork", "Oslo"] * 20})
    >>> model = TabularRegressor(models=["linear"], cv=2, random_state=0).fit(X, range(40))
    >>> onnx_inputs(model, X[1:3])
    {'age': array([[25.], [nan]]), 'town': array([['Oslo'], ['Cork']], dtype=object)}
    """
    check_is_fitted(model)
    inputs = _inputs_of(model)
    if not inputs:
        first, given = _first(model), {"dtype": np.float32, "ensure_all_finite": False}
        return {"X": validate_data(first, X, reset=False, **given)}
    read = model.encoder_._read(X)
    values_of = {}
    for column in model.encoder_._used.in_order:
        (name, kind, width), values = inputs[column.name], read[column.name]
        if kind == _STRING:
            codes, levels = values
            values = np.array([level or "" for level in levels], dtype=object)[codes]
        elif kind == _FLOAT:
            values = column.encode(values)
        values_of[name] = values.reshape(-1, width)
    return values_of


def _inputs_of(model):
    """The name, type and width of the input for each column that a model of a table uses."""
    if type(model) not in (TabularClassifier, TabularRegressor):
        return {}
    inputs, taken, encoder = {}, ["", *_OUTPUTS], model.encoder_
    columns = {each.name: each for each in encoder._columns if each.name not in encoder.dropped_}
    for column, its in columns.items():
        name = column
        while name in taken or (name != column and name in columns):
            name += "_"
        taken.append(name)
        kind = _TYPES[its.kind]
        inputs[column] = name, kind, len(its.outputs) if kind == _FLOAT else 1
    return inputs


def _first(model):
    """The model, or the first step of a Pipeline that is more than "passthrough"."""
    steps = (step for _, step in getattr(model, "steps", ()) if hasattr(step, "n_features_in_"))
    return next(steps, model)


class _Graph:
    """An ONNX graph that grows: a call adds an operation and returns the name of its result."""

    def __init__(self, onnx):
        self.helper, self.tensor_of = onnx.helper, onnx.numpy_helper.from_array
        self.proto = onnx.GraphProto(name="skdense")
        self.prefix = "skdense "  # of the names of results and constants, and of no input

    def __call__(self, operation, *inputs, **attributes):
        """Add an operation on results, which are named by strings, and on constants."""
        names = [each if isinstance(each, str) else self.constant(each) for each in inputs]
        result = f"{self.prefix}result {len(self.proto.node)}"
        self.proto.node.append(self.helper.make_node(operation, names, [result], **attributes))
        return result

    def constant(self, array):
        """Add a constant."""
        array, name = np.asarray(array), f"{self.prefix}constant {len(self.proto.initializer)}"
        if array.dtype.kind not in "biuf":
            array = array.astype(str).astype(object)
        self.proto.initializer.append(self.tensor_of(array, name))
        return name

    def input(self, name, kind, width):
        """Add an input of so many columns. All inputs are added before anything else."""
        while name.startswith(self.prefix):
            self.prefix += "_"
        self.proto.input.append(self.helper.make_tensor_value_info(name, kind, [None, width]))
        return name

    def give(self, name, result, kind, shape):
        """Make a result an output of this name."""
        self.proto.node.append(self.helper.make_node("Identity", [result], [name]))
        self.proto.output.append(self.helper.make_tensor_value_info(name, kind, shape))


# --- tables ------------------------------------------------------------------------------------------


def _table(graph, model, inputs):
    """A TabularClassifier or TabularRegressor."""
    if isinstance(inputs, str):
        raise ValueError(
            f"a {type(model).__name__} within a Pipeline cannot be converted to ONNX: convert it alone"
        )
    return _converted(graph, model.ensemble_, _encoded(graph, model.encoder_, inputs))


def _encoded(graph, encoder, inputs):
    """A TableEncoder: all columns that it can write, and of them those that it does."""
    used, blocks, kept, marked, start = encoder._used, [], [], [], 0
    if used.numbers:
        numbers = graph("Concat", *(inputs[each.name] for each in used.numbers), axis=1)
        numbers = graph("Mul", graph("Sub", numbers, used.shift), used.scale)
        blocks.append(graph("Cast", numbers, to=_FLOAT))
    for each in used.others:
        is_date = _TYPES[each.kind] == _FLOAT
        blocks.append(inputs[each.name] if is_date else _levels(graph, each, inputs[each.name]))
    for each in used.in_order:
        kept += [start + place for place in each.keep]
        marked += [start] * each.is_marked
        start += len(each.outputs)
    written = graph("Gather", graph("Concat", *blocks, axis=1), kept + marked, axis=1)
    is_mark = encoder.output_roles_ == "missing"
    return graph("Where", is_mark, graph("Cast", graph("IsNaN", written), to=_FLOAT), written)


def _levels(graph, column, strings):
    """A column of levels: a row of two tables, and a column for each word."""
    from skdense.tabular.kinds import MISSING, texts_of

    known = [*dict.fromkeys([*column.levels, *column.numbers, None])]
    missing, n_levels = known.index(None), len(column.levels)
    row_of = {text: row for row, level in enumerate(known) if level for text in texts_of(level)}
    row_of |= dict.fromkeys(sorted(MISSING) if column.kind == "strings" else [""], missing)
    empty = graph("RegexFullMatch", strings, pattern=_WHITE_SPACE)
    row = graph(
        "LabelEncoder",
        graph("Where", empty, np.array(""), strings),
        domain="ai.onnx.ml",
        keys_strings=[*row_of],
        values_int64s=[*row_of.values()],
        default_int64=len(known),
    )
    is_there = graph("Not", graph("Equal", row, np.int64(missing)))
    row = graph("Squeeze", row, np.array([1]))
    level = graph("Min", row, np.int64(n_levels))
    blocks = [graph("Gather", np.eye(n_levels + 1, dtype=np.float32), level, axis=0)]
    if column.words:
        has_word = [
            graph("RegexFullMatch", strings, pattern=_WORD.format(_any_case(word)))
            for word in column.words
        ]
        has_word = graph("And", graph("Concat", *has_word, axis=1), is_there)
        blocks.append(graph("Cast", has_word, to=_FLOAT))
    if column.numbers:
        of_others = column.encode((np.array([0]), [""]))[0, -2:]
        numbers = [*(column.numbers.get(level, of_others) for level in known), of_others]
        blocks.append(graph("Gather", np.array(numbers, np.float32), row, axis=0))
    return graph("Concat", *blocks, axis=1)


def _any_case(word):
    """The pattern of a word in lower case, and in all other cases that `words_of` reads as this one.

    The flag (?i) takes more letters for equal: the micro sign and the Greek mu, the long s and the s.
    """
    return "".join(f"[{letter}{_other_cases().get(letter, '')}]" for letter in word)


@cache
def _other_cases():
    """The characters that `words_of` reads as a letter, by this letter in lower case."""
    from skdense.tabular.levels import words_of

    letters = defaultdict(str)
    for character in map(chr, range(sys.maxunicode + 1)):
        if character.lower() != character or character == "ς":
            for letter in words_of(character):
                letters[letter] += character
    return letters


# --- steps, which give numbers in float32 -------------------------------------------------------------


def _seen(graph, view, X):
    """A TableScaler."""
    X = graph("Div", graph("Sub", X, view.center_), view.scale_)
    X = graph("Where", graph("IsNaN", X), view._fill, X)  # before Clip, which may lose a NaN
    if view.scaling is not None:
        limit = np.float32(LIMITS[view.scaling])
        X = graph("Clip", X, -limit, limit)
    if view.scaling == "squash":
        share = graph("Div", X, np.float32(CLIP))
        root = graph("Sqrt", graph("Add", graph("Mul", share, share), np.float32(1)))
        X = graph("Div", X, root)
    seen = [graph("Mul", graph("Sub", X, view._mean), view._factor)]
    if len(view._ramp_sources):
        above = graph("Sub", graph("Gather", X, view._ramp_sources, axis=1), view._ramp_starts)
        ramps = graph("Div", above, view._ramp_ends - view._ramp_starts)
        seen.append(graph("Clip", ramps, np.float32(0), np.float32(1)))
    return graph("Concat", *seen, axis=1)


def _filled(graph, imputer, X):
    """A SimpleImputer."""
    values = np.asarray(imputer.statistics_, np.float32)
    finds_nan = imputer.missing_values != imputer.missing_values  # NaN equals nothing
    if imputer.add_indicator or not finds_nan or np.isnan(values).any():
        raise ValueError(
            "a SimpleImputer can be converted to ONNX with missing_values=nan, add_indicator=False and "
            f"a value for each column, got {imputer!r}"
        )
    return graph("Where", graph("IsNaN", X), values, X)


def _standardized(graph, scaler, X):
    """A StandardScaler."""
    X = graph("Sub", X, np.float32(scaler.mean_)) if scaler.with_mean else X
    return graph("Div", X, np.float32(scaler.scale_)) if scaler.with_std else X


def _steps(graph, pipeline, X):
    """A Pipeline."""
    for name, step in pipeline.steps:
        X = _converted(graph, step, X, f"step {name!r}")
    return X


# --- models, which give probabilities or numbers in float64 -------------------------------------------


def _blend(graph, blend, X):
    pairs = blend._weighted()
    return graph("Sum", *(graph("Mul", _converted(graph, m, X), np.float64(w)) for w, m in pairs))


def _cross_fit_regressor(graph, ensemble, X):
    members = [_converted(graph, each, X) for each in ensemble.estimators_]
    mean = graph("Div", graph("Sum", *members), np.float64(len(members)))
    return graph("Add", graph("Mul", mean, np.float64(ensemble.scale_)), np.float64(ensemble.center_))


def _cross_fit_classifier(graph, ensemble, X):
    pairs = zip(ensemble.estimators_, ensemble._places, strict=True)
    members = [_member(graph, each, X, ensemble, places) for each, places in pairs]
    return graph("Div", graph("Sum", *members), np.float64(len(members)))


def _member(graph, model, X, ensemble, places):
    """What a member predicts at the temperature of its ensemble."""
    if type(model) is LowLevelMLPClassifier:
        return _network(graph, model, X, ensemble.temperature_)
    # Of a class that the rows it was fitted to lack, a member knows nothing.
    to_all = np.eye(len(ensemble.classes_))[places]
    of_all_classes = graph("MatMul", _converted(graph, model, X), to_all)
    probabilities = graph("Max", of_all_classes, np.finfo(float).eps)
    logs = graph("Div", graph("Log", probabilities), np.float64(ensemble.temperature_))
    return graph("Softmax", logs, axis=1)


def _activated(graph, raw, output):
    """The output activation."""
    if output == "logistic":
        return graph("Sigmoid", graph("Concat", graph("Neg", raw), raw, axis=1))
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
    product = graph("MatMul", graph("Cast", X, to=_DOUBLE), kernel)
    raw = graph("Add", product, np.asarray(model.intercept_, np.float64))
    n_classes = len(model.classes_) if is_classifier(model) else 0
    return _activated(graph, raw, {0: "identity", 2: "logistic"}.get(n_classes, "softmax"))


def _boosted(graph, model, X):
    """LightGBM's trees, in float64: so thresholds are LightGBM's, and sums are as precise."""
    dump = model.booster_.dump_model()
    output = _OF_OBJECTIVES.get(str(dump.get("objective")).partition(" num_class")[0])
    refused = ValueError(
        f"boosted trees of LightGBM with an objective of {', '.join(_OF_OBJECTIVES)} can be converted "
        f"to ONNX, without categorical features, linear leaves or zero_as_missing=True, got {model!r}"
    )
    if output is None or dump["average_output"]:
        raise refused
    n_outputs, nodes, leaves, roots = dump["num_tree_per_iteration"], [], [], []

    def add(node, target):
        """Add a node and what is below it; return its number, and whether it is a leaf."""
        missing = node.get("missing_type")
        if node.get("decision_type") == "==" or "leaf_const" in node or missing == "Zero":
            raise refused
        if "leaf_value" in node:
            leaves.append((target, node["leaf_value"]))
            return len(leaves) - 1, True
        number, threshold = len(nodes), node["threshold"]
        if abs(threshold) >= _INFINITE:
            threshold = np.copysign(np.inf, threshold)
        # In a column that had no missing values in `fit`, NaN is 0.
        nan_is_left = node["default_left"] if missing == "NaN" else 0 <= threshold
        nodes.append([threshold, node["split_feature"], nan_is_left])
        nodes[number] += [*add(node["left_child"], target), *add(node["right_child"], target)]
        return number, False

    for number, tree in enumerate(dump["tree_info"]):
        root = tree["tree_structure"]
        if "leaf_value" in root:  # ONNX has no tree of one leaf
            root = {"split_feature": 0, "threshold": 0.0, "left_child": root, "right_child": root}
        roots.append(len(nodes))
        add(root, number % n_outputs)
    names = "featureids missing_value_tracks_true truenodeids trueleafs falsenodeids falseleafs"
    thresholds, *columns = np.array(nodes, np.float64).T
    targets, values = zip(*leaves, strict=True)
    sums = graph(
        "TreeEnsemble",
        graph("Cast", X, to=_DOUBLE),
        domain="ai.onnx.ml",
        n_targets=n_outputs,
        tree_roots=roots,
        nodes_modes=graph.tensor_of(np.zeros(len(nodes), np.uint8)),  # less or equal
        nodes_splits=graph.tensor_of(thresholds),
        leaf_targetids=targets,
        leaf_weights=graph.tensor_of(np.array(values, np.float64)),
        **{f"nodes_{name}": its.astype(int).tolist() for name, its in zip(names.split(), columns)},
    )
    return _activated(graph, sums, output)


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
    values = graph("Cast", X, to=_FLOAT if model.coefs_[0].dtype == np.float32 else _DOUBLE)
    for layer, (kernel, bias) in zip(*model._layers_and_parameters(), strict=True):
        values = graph("Add", graph("MatMul", values, kernel), bias)
        values = ACTIVATIONS[layer.activation].onnx(graph, values, kernel.dtype.type)
    raw = graph("Div", graph("Cast", values, to=_DOUBLE), np.float64(temperature))
    return _activated(graph, raw, output)


# --- which class is converted by what -----------------------------------------------------------------

_CONVERTERS = {
    str: lambda graph, step, X: X,  # "passthrough"
    SimpleImputer: _filled,
    StandardScaler: _standardized,
    TableScaler: _seen,
    Pipeline: _steps,
    **dict.fromkeys((TabularClassifier, TabularRegressor), _table),
    **dict.fromkeys((BlendClassifier, BlendRegressor), _blend),
    CrossFitClassifier: _cross_fit_classifier,
    CrossFitRegressor: _cross_fit_regressor,
    **dict.fromkeys((LowLevelMLPClassifier, LowLevelMLPRegressor), _network),
    **dict.fromkeys((LogisticRegression, LogisticRegressionCV), _linear),
    **dict.fromkeys((LinearRegression, Ridge, RidgeCV, Lasso, LassoCV), _linear),
    **dict.fromkeys((DummyClassifier, DummyRegressor), _constant),
}
"""What converts steps and models, by their very classes: a subclass may compute something else."""


def _converted(graph, model, X, what="the model"):
    """The result of a step or of a model."""
    convert = _boosted if is_lightgbm(model) else _CONVERTERS.get(type(model))
    if convert is None and hasattr(model, "best_estimator_"):
        raise ValueError(f"{what} is a {type(model).__name__}: convert its `best_estimator_` to ONNX")
    if convert is None:
        names = sorted(each.__name__ for each in _CONVERTERS if each is not str)
        raise ValueError(
            f"{what} cannot be converted to ONNX: {model!r}. These classes can, but no subclasses of "
            f"them: LGBMClassifier, LGBMRegressor, {', '.join(names)}"
        )
    return convert(graph, model, X)
