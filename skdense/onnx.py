"""Conversion of tabular models, ensembles and networks to ONNX."""

import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, is_classifier
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.impute import SimpleImputer
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import (
    Lasso,
    LassoCV,
    LinearRegression,
    LogisticRegression,
    LogisticRegressionCV,
    Ridge,
    RidgeCV,
)
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from skdense.classifier import LowLevelMLPClassifier
from skdense.core.formulas.activations import ACTIVATIONS
from skdense.ensemble import BlendClassifier, BlendRegressor, CrossFitClassifier, CrossFitRegressor
from skdense.ensemble.predictors import is_lightgbm
from skdense.ensemble.uncertainty import check_confidence_level
from skdense.fit.inputs import MatrixLike
from skdense.fit.targets import fitted_encoder
from skdense.regressor import LowLevelMLPRegressor
from skdense.tabular.estimators import TabularClassifier, TabularRegressor
from skdense.tabular.means import OTHER, LevelMeans, level_numbers
from skdense.tabular.views import CLIP, LIMITS, TableScaler
from skdense.version import __version__

__all__ = ["onnx_inputs", "to_onnx"]

_OPSETS = {"": 20, "ai.onnx.ml": 5}
_FLOAT, _INT, _STRING, _BOOL, _DOUBLE = 1, 7, 8, 9, 11
"""The codes of element types in ONNX."""
_OUTPUTS = "label", "probabilities", "sets", "variable", "quantiles", "interval"
"""The names of outputs, which no input has."""
_TYPES = {
    **dict.fromkeys(("numbers", "durations", "dates"), _DOUBLE),
    **dict.fromkeys(("categories", "strings"), _STRING),
}
"""The type of the input for a column of each kind."""
_DAY, _HOUR = 86400.0, 3600.0
"""Seconds."""
_WHITE_SPACE = r"[\s\v\x{1c}-\x{1f}\x{85}\p{Z}]*"
"""The pattern of strings that are empty or white space, and so missing."""
_WORD = r"(?s)(.*[^\pL\pN])?{}([^\pL\pN].*)?"
"""The pattern of strings that contain a word."""
_INFINITE = 1e300
"""The absolute value that LightGBM's `dump_model` writes for an infinite threshold."""
_ACTIVATION_OF_OBJECTIVE = {
    **dict.fromkeys(("regression", "regression_l1", "huber", "quantile"), "identity"),
    **dict.fromkeys(("poisson", "gamma", "tweedie"), "exp"),
    "binary sigmoid:1": "logistic",
    "multiclass": "softmax",
}
"""The activations of outputs, by LightGBM's objectives."""


def to_onnx(
    model: BaseEstimator,
    *,
    quantiles: float | Sequence[float] | None = None,
    confidence_level: float | None = None,
) -> Any:
    """Convert a fitted tabular model, an ensemble or a network to ONNX.

    For a :class:`skdense.TabularClassifier` or :class:`skdense.TabularRegressor`, the ONNX model has
    one input of shape ``(n_samples, 1)`` for each used column, with the name of the column. An
    underscore is added to the empty name and to the names of outputs. An input is

    - float64 for numbers, also if they are stored as strings; missing values are NaN. Booleans are 0
      and 1, durations are in seconds, and dates are in seconds since 1970-01-01 00:00 UTC;
    - strings for categories and other strings. They are parsed as in `predict`: "" and white space are
      missing values, in a column of strings also "NA", "?" and the other markers of missing values, and
      "1.0" is the same category as "1".

    :func:`onnx_inputs` converts a data frame to all inputs. For programs that do not use this package,
    the metadata of the model has the properties

    - `skdense.inputs`: a JSON list with one object per input: its name, the name and the kind of the
      column, and the value to pass; the range of numbers and dates in `fit`; the `unit` and the
      `decimal` mark of amounts; the `formats` and the `time_zone` of dates; the encoded `levels` and
      `words` of categories and strings, and the strings that are `missing`;
    - `skdense.outputs`: a JSON object with the classes, quantiles and confidence level;
    - `skdense.version`: the version of this package.

    Ensembles and networks have one input, `X`, of float32.

    The outputs of a classifier are `label` and `probabilities`. The output of a regressor is
    `variable`, of shape ``(n_samples, n_outputs)``.

    Parameters
    ----------
    model : estimator
        A fitted :class:`skdense.TabularClassifier` or :class:`skdense.TabularRegressor`; an ensemble or
        a blend of networks, LightGBM's LGBMClassifier and LGBMRegressor, and scikit-learn's
        LogisticRegression, LogisticRegressionCV, LinearRegression, Ridge, RidgeCV, Lasso, LassoCV,
        DummyClassifier, DummyRegressor and MultiOutputRegressor; one of these members; or a Pipeline of
        TableScaler, LevelMeans, SimpleImputer, StandardScaler, Nystroem with a Gaussian kernel or a
        FunctionTransformer of ``check_array`` to float64, and one of these ensembles or members.
        Subclasses cannot be converted, because they may compute something else.
    quantiles : float or list of float, default=None
        Quantiles of a regressor, as an additional output `quantiles` of shape ``(n_samples,
        n_quantiles)`` or ``(n_samples, n_outputs, n_quantiles)``. The model must be an ensemble or a
        tabular model.
    confidence_level : float, default=None
        The confidence level of an additional output: `sets`, as returned by `predict_set` of a
        classifier, or `interval`, as returned by `predict_interval` of a regressor.

    Returns
    -------
    onnx : onnx.ModelProto
        The ONNX model; save it with `SerializeToString`.

    Raises
    ------
    ImportError
        If the package onnx is not installed.
    ValueError
        If a part of the model cannot be converted; the message names the parameter or class. Also if
        the model does not have the requested quantiles, sets or intervals.

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
    _check_has_uncertainty(model, quantiles, confidence_level)
    import onnx

    graph, columns = _Graph(onnx), _columns_by_input(model)
    about_inputs = {name: _about(name, column) for name, column in columns.items()}
    inputs = {
        column.name: graph.input(name, _TYPES[column.kind], 1, about_inputs[name]["value"])
        for name, column in columns.items()
    }
    if columns:
        X = _encoded(graph, model.encoder_, inputs)
        predicted = _converted(graph, model.ensemble_, X)
    else:
        X = graph.input("X", _FLOAT, getattr(_first(model), "n_features_in_", None))
        predicted = _converted(graph, model, X)
    about_outputs = {}
    if is_classifier(model):
        about_outputs["classes"] = model.classes_.tolist()
        best = graph("ArgMax", predicted, axis=1, keepdims=0)
        classes = graph.constant(model.classes_)
        label_type = graph.proto.initializer[-1].data_type
        graph.output("label", graph("Gather", classes, best), label_type, [None])
        graph.output("probabilities", predicted, _DOUBLE, [None, None])
    else:
        graph.output("variable", predicted, _DOUBLE, [None, None])
    if confidence_level is not None:
        about_outputs["confidence_level"] = confidence_level
        if is_classifier(model):
            graph.output("sets", _sets(graph, model, predicted, confidence_level), _BOOL, [None, None])
        else:
            ends = [(1 - confidence_level) / 2, (1 + confidence_level) / 2]
            _add_quantiles(graph, "interval", model, predicted, X, ends)
    if quantiles is not None:
        about_outputs["quantiles"] = np.ravel(quantiles).tolist()
        _add_quantiles(graph, "quantiles", model, predicted, X, about_outputs["quantiles"])
    opsets = [onnx.helper.make_opsetid(*opset) for opset in _OPSETS.items()]
    converted = onnx.helper.make_model_gen_version(graph.proto, opset_imports=opsets)
    metadata = {
        "skdense.version": __version__,
        "skdense.outputs": json.dumps(about_outputs, default=str),
    }
    if columns:
        metadata["skdense.inputs"] = json.dumps([*about_inputs.values()], ensure_ascii=False)
    onnx.helper.set_model_props(converted, metadata)
    return converted


def _check_has_uncertainty(model, quantiles, confidence_level):
    """Raise if the model has not the quantiles, or the sets or intervals, that are asked for."""
    if quantiles is not None and is_classifier(model):
        raise ValueError(f"quantiles must be None for a classifier, got {quantiles!r}")
    levels = [] if quantiles is None else np.ravel(quantiles)
    if any(not 0 <= level <= 1 for level in levels):
        raise ValueError(
            f"quantiles must be a number or a list of numbers in [0, 1], got {quantiles!r}"
        )
    if confidence_level is not None:
        check_confidence_level(confidence_level)
    parameters = {"quantiles": quantiles, "confidence_level": confidence_level}
    for name, value in parameters.items():
        if value is not None and not hasattr(model, "_uncertainty"):
            raise ValueError(
                f"{name} must be None for a {type(model).__name__}, got {value!r}: only a "
                "TabularClassifier or TabularRegressor, and ensembles and blends outside of "
                "blends and Pipelines, have quantiles, intervals and sets"
            )


def onnx_inputs(model: BaseEstimator, X: MatrixLike) -> dict[str, NDArray]:
    """Convert a data frame to the inputs of a converted model.

    Warns about data that differ from the training data, as `predict` does.

    Parameters
    ----------
    model : estimator
        The model that :func:`to_onnx` converted.
    X : data frame or array-like of shape (n_samples, n_features)
        The data, as for `predict`.

    Returns
    -------
    inputs : dict of str to ndarray of shape (n_samples, 1)
        The inputs for `run` of an onnxruntime.InferenceSession, by name. For ensembles and networks,
        there is only the input `X`, of shape ``(n_samples, n_features)``.

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
    columns = _columns_by_input(model)
    if not columns:
        checks = {"dtype": np.float32, "ensure_all_finite": False}
        return {"X": validate_data(_first(model), X, reset=False, **checks)}
    values_of_columns = model.encoder_._read(X)
    inputs = {}
    for name, column in columns.items():
        values = values_of_columns[column.name]
        if _TYPES[column.kind] == _STRING:
            codes, levels = values
            values = np.array([level or "" for level in levels], dtype=object)[codes]
        elif column.kind == "dates":
            values = np.where(np.isnat(values), np.nan, values.astype(np.int64) / 1e6)
        inputs[name] = values.reshape(-1, 1)
    return inputs


def _columns_by_input(model):
    """The columns that a model of a table uses, by the names of their inputs; {} for other models."""
    if type(model) not in (TabularClassifier, TabularRegressor):
        return {}
    encoder = model.encoder_
    columns = [column for column in encoder._columns if column.name not in encoder.dropped_]
    names = {column.name for column in columns}
    by_input = {}
    for column in columns:
        name = column.name
        while name in ("", *_OUTPUTS) or name in by_input or (name != column.name and name in names):
            name += "_"
        by_input[name] = column
    return by_input


def _about(name, column):
    """What a program has to know about an input that does not read the table by this package."""
    from skdense.tabular.cells import MISSING  # which imports pandas

    about = {"input": name, "column": column.name, "kind": column.kind}
    if column.kind in ("categories", "strings"):
        about["value"] = "a string"
        about["missing"] = sorted(MISSING) if column.kind == "strings" else [""]
        about["levels"] = [level for level in column.levels if level is not None]
        if column.words:
            about["words"] = column.words
        return about
    about["missing"] = "NaN"
    if column.kind == "dates":
        about["value"] = "seconds since 1970-01-01 00:00 UTC"
        about["time_zone"] = column.zone or "UTC"
        about["formats"] = column.formats
        about["range"] = np.array([column.low, column.high]).astype("M8[us]").astype(str).tolist()
        return about
    about["value"] = "seconds" if column.kind == "durations" else "a number, or 0 or 1 for a bool"
    about["range"] = [
        value if np.isfinite(value) else str(value) for value in (column.low, column.high)
    ]
    if column.decimal:
        without = f"{column.unit!r} and " if column.unit else ""
        about["value"] = f"the number without {without}separators of thousands"
        about |= {"unit": column.unit, "decimal": column.decimal}
    return about


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
        names = [x if isinstance(x, str) else self.constant(x) for x in inputs]
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

    def input(self, name, dtype, n_columns, description=""):
        """Add an input. All inputs are added before anything else."""
        while name.startswith(self.prefix):
            self.prefix += "_"
        info = self.helper.make_tensor_value_info(name, dtype, [None, n_columns], description)
        self.proto.input.append(info)
        return name

    def output(self, name, result, dtype, shape):
        """Make a result an output of this name."""
        self.proto.node.append(self.helper.make_node("Identity", [result], [name]))
        self.proto.output.append(self.helper.make_tensor_value_info(name, dtype, shape))


# --- tables ------------------------------------------------------------------------------------------


def _table(graph, model, X):
    """A TabularClassifier or TabularRegressor that is a part of another model."""
    raise ValueError(
        f"a {type(model).__name__} within a Pipeline cannot be converted to ONNX: convert the model "
        "itself"
    )


def _encoded(graph, encoder, inputs):
    """A TableEncoder: all outputs of its columns, of which those that it keeps are gathered."""
    used, blocks, kept, marked, start = encoder._used, [], [], [], 0
    if used.numbers:
        numbers = graph("Concat", *(inputs[column.name] for column in used.numbers), axis=1)
        numbers = graph("Mul", graph("Sub", numbers, used.shift), used.scale)
        blocks.append(graph("Cast", numbers, to=_FLOAT))
    for column in used.others:
        encode = _dates if column.kind == "dates" else _levels
        blocks.append(encode(graph, column, inputs[column.name]))
    for column in used.in_order:
        kept += [start + place for place in column.keep]
        marked += [start] * column.is_marked
        start += len(column.outputs)
    encoded = graph("Gather", graph("Concat", *blocks, axis=1), kept + marked, axis=1)
    is_mark = encoder.output_roles_ == "missing"
    return graph("Where", is_mark, graph("Cast", graph("IsNaN", encoded), to=_FLOAT), encoded)


def _dates(graph, column, seconds):
    """A column of dates: the parts that `Dates.encode` writes, from seconds since 1970 in UTC."""

    def floor_divided(dividend, divisor):
        return graph("Floor", graph("Div", dividend, np.float64(divisor)))

    def times(factor, values):
        return graph("Mul", values, np.float64(factor))

    def sin_and_cos(values, most, period):
        turns = np.arange(most + 1) / period * 2 * np.pi
        places = graph("Squeeze", graph("Cast", values, to=_INT), np.array([1]))
        return graph("Gather", np.column_stack([np.sin(turns), np.cos(turns)]), places)

    is_missing = graph("IsNaN", seconds)
    utc = local = graph("Where", is_missing, np.float64(0), seconds)
    if column.zone not in (None, "UTC"):
        starts, offsets = _utc_offsets(column)
        has_begun = graph("Cast", graph("GreaterOrEqual", utc, starts), to=_INT)
        local = graph(
            "Add", utc, graph("Gather", offsets, graph("ReduceSum", has_begun, np.array([1])))
        )
    days = floor_divided(local, _DAY)
    hours = floor_divided(graph("Sub", local, times(_DAY, days)), _HOUR)
    weeks = floor_divided(graph("Add", days, np.float64(3)), 7)
    weekdays = graph("Sub", graph("Add", days, np.float64(4)), times(7, weeks))
    # Year, month and day in the Gregorian calendar: Hinnant, "chrono-compatible low-level date
    # algorithms". Its years begin in March, and its eras are 400 of them.
    shifted = graph("Add", days, np.float64(719468))
    eras = floor_divided(shifted, 146097)
    days_of_era = graph("Sub", shifted, times(146097, eras))
    leap = graph("Sub", floor_divided(days_of_era, 36524), floor_divided(days_of_era, 1460))
    leap = graph("Sub", leap, floor_divided(days_of_era, 146096))
    years = floor_divided(graph("Add", days_of_era, leap), 365)
    days_before = graph("Add", times(365, years), floor_divided(years, 4))
    days_before = graph("Sub", days_before, floor_divided(years, 100))
    days_of_year = graph("Sub", days_of_era, days_before)
    months = floor_divided(graph("Add", times(5, days_of_year), np.float64(2)), 153)
    days_before = floor_divided(graph("Add", times(153, months), np.float64(2)), 5)
    days_of_month = graph("Add", graph("Sub", days_of_year, days_before), np.float64(1))
    is_next_year = graph("Cast", graph("GreaterOrEqual", months, np.float64(10)), to=_DOUBLE)
    months = graph("Sub", graph("Add", months, np.float64(3)), times(12, is_next_year))
    years = graph("Add", graph("Add", years, times(400, eras)), is_next_year)
    parts = graph(
        "Concat",
        years,
        utc,
        sin_and_cos(months, 12, 12),
        sin_and_cos(days_of_month, 31, 30),
        sin_and_cos(hours, 24, 24),
        sin_and_cos(weekdays, 7, 7),
        axis=1,
    )
    low, high = column.limits
    parts = graph("Min", graph("Max", parts, low), high)
    shift, scale = np.zeros(len(low)), np.ones(len(low))
    shift[1], scale[1] = column.shift, column.scale
    parts = graph("Mul", graph("Sub", parts, shift), scale)
    return graph("Cast", graph("Where", is_missing, np.float64(np.nan), parts), to=_FLOAT)


def _utc_offsets(column):
    """When the clocks of a time zone are set, and their offsets from UTC, both in seconds.

    The first offset is that before the first change. Changes from 1850 to 2150 are found.
    """

    def offsets_at(dates):
        return (column._local(dates.astype("M8[us]")) - dates).astype("m8[s]").astype(np.int64)

    days = np.arange("1850-01-01", "2150-01-01", dtype="M8[D]").astype("M8[s]")
    offsets = offsets_at(days)
    changes = np.flatnonzero(np.diff(offsets))
    low, high = days[changes], days[changes + 1]
    while (high - low).max(initial=np.timedelta64(0, "s")) > np.timedelta64(1, "s"):
        middle = low + (high - low) // 2
        is_before = offsets_at(middle) == offsets[changes]
        low, high = np.where(is_before, middle, low), np.where(is_before, high, middle)
    offsets = np.append(offsets[changes], offsets[-1])
    return high.astype(np.int64).astype(np.float64), offsets.astype(np.float64)


def _levels(graph, column, strings):
    """A column of levels: one-hot columns, a column for each word, place and frequency."""
    from skdense.tabular.cells import MISSING, spellings

    known = [*dict.fromkeys([*column.levels, *column.numbers, None])]
    missing, n_levels = known.index(None), len(column.levels)
    row_of = {text: row for row, level in enumerate(known) if level for text in spellings(level)}
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
    is_present = graph("Not", graph("Equal", row, np.int64(missing)))
    row = graph("Squeeze", row, np.array([1]))
    level = graph("Min", row, np.int64(n_levels))
    blocks = [graph("Gather", np.eye(n_levels + 1, dtype=np.float32), level, axis=0)]
    if column.words:
        has_word = [
            graph("RegexFullMatch", strings, pattern=_WORD.format(_any_case(word)))
            for word in column.words
        ]
        has_word = graph("And", graph("Concat", *has_word, axis=1), is_present)
        blocks.append(graph("Cast", has_word, to=_FLOAT))
    if column.numbers:
        numbers_of_others = column.encode((np.array([0]), [""]))[0, -2:]
        numbers = [column.numbers.get(level, numbers_of_others) for level in known]
        numbers.append(numbers_of_others)
        blocks.append(graph("Gather", np.array(numbers, np.float32), row, axis=0))
    return graph("Concat", *blocks, axis=1)


def _any_case(word):
    """The pattern of a word in lower case, and in all other cases that `words_in` reads as this one.

    The flag (?i) takes more letters for equal: the micro sign and the Greek mu, the long s and the s.
    """
    return "".join(f"[{letter}{_other_cases().get(letter, '')}]" for letter in word)


@cache
def _other_cases():
    """The characters that `words_in` reads as a letter, by this letter in lower case."""
    from skdense.tabular.levels import words_in

    letters = defaultdict(str)
    for character in map(chr, range(sys.maxunicode + 1)):
        if character.lower() != character or character == "ς":
            for letter in words_in(character):
                letters[letter] += character
    return letters


# --- steps, which give numbers in float32 -------------------------------------------------------------


def _scaled(graph, view, X):
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
    blocks = [graph("Mul", graph("Sub", X, view._mean), view._factor)]
    if len(view._ramp_sources):
        above = graph("Sub", graph("Gather", X, view._ramp_sources, axis=1), view._ramp_starts)
        ramps = graph("Div", above, view._ramp_ends - view._ramp_starts)
        blocks.append(graph("Clip", ramps, np.float32(0), np.float32(1)))
    return graph("Concat", *blocks, axis=1)


def _with_means(graph, means, X):
    """A LevelMeans: the means of a level stand in the row with the number of the level."""
    blocks = [X]
    for columns, levels, values in zip(means.columns, means._levels, means._means, strict=True):
        if isinstance(columns, list):
            indicators = graph("Gather", X, np.array(columns), axis=1)
            places = graph("MatMul", indicators, level_numbers(columns)[:, None])
        else:
            place, frequency = columns
            places = graph("Gather", X, np.array([place]), axis=1)
            if frequency is not None:
                n_rows = graph("Gather", X, np.array([frequency]), axis=1)
                is_known = graph("Greater", n_rows, np.float32(0))
                places = graph("Where", is_known, places, np.float32(OTHER))
        row = graph(
            "LabelEncoder",
            places,
            domain="ai.onnx.ml",
            keys_floats=levels.tolist(),
            values_int64s=[*range(len(levels))],
            default_int64=len(levels),
        )
        blocks.append(graph("Gather", values, graph("Squeeze", row, np.array([1])), axis=0))
    return graph("Concat", *blocks, axis=1)


def _filled(graph, imputer, X):
    """A SimpleImputer."""
    values = np.asarray(imputer.statistics_, np.float32)
    fills_nan = imputer.missing_values != imputer.missing_values  # NaN equals nothing
    if imputer.add_indicator or not fills_nan or np.isnan(values).any():
        raise ValueError(
            "a SimpleImputer can be converted to ONNX with missing_values=nan, add_indicator=False and "
            f"a value for each column, got {imputer!r}"
        )
    return graph("Where", graph("IsNaN", X), values, X)


def _standardized(graph, scaler, X):
    """A StandardScaler."""
    X = graph("Sub", X, np.float32(scaler.mean_)) if scaler.with_mean else X
    return graph("Div", X, np.float32(scaler.scale_)) if scaler.with_std else X


def _in_double(graph, transformer, X):
    """A FunctionTransformer."""
    if transformer.func is not check_array or transformer.kw_args != {"dtype": "float64"}:
        raise ValueError(
            "a FunctionTransformer can be converted to ONNX with func=check_array and "
            f"kw_args={{'dtype': 'float64'}}, got {transformer!r}"
        )
    return graph("Cast", X, to=_DOUBLE)


def _kernel_features(graph, nystroem, X):
    """A Nystroem of a Gaussian kernel, whose results are in float64."""
    if nystroem.kernel != "rbf":
        raise ValueError(
            f"a Nystroem can be converted to ONNX with kernel='rbf', got {nystroem.kernel!r}"
        )
    X, centers = graph("Cast", X, to=_DOUBLE), np.float64(nystroem.components_)
    gamma = 1 / centers.shape[1] if nystroem.gamma is None else float(nystroem.gamma)
    squares = graph("ReduceSum", graph("Mul", X, X), np.array([1]), keepdims=1)
    products = graph("MatMul", X, -2 * centers.T)
    distances = graph("Sum", squares, products, np.sum(centers**2, axis=1)[None])
    kernel = graph("Exp", graph("Mul", graph("Max", distances, np.float64(0)), np.float64(-gamma)))
    return graph("MatMul", kernel, np.float64(nystroem.normalization_.T))


def _steps(graph, pipeline, X, *temperature):
    """A Pipeline. The temperature is for its last step."""
    *before, (name, last) = pipeline.steps
    for name_before, step in before:
        X = _converted(graph, step, X, f"step {name_before!r}")
    return _converted(graph, last, X, f"step {name!r}", *temperature)


# --- models, which give probabilities or numbers in float64 -------------------------------------------


def _blend(graph, blend, X, temperature=1.0):
    """A blend, if the logits of members are also divided by a temperature."""
    temperatures = [temperature * blend._shared_temperature] if is_classifier(blend) else []
    weighted = [
        graph("Mul", _converted(graph, model, X, "the model", *temperatures), weight)
        for weight, model in blend._weighted()
    ]
    return graph("Sum", *weighted)


def _cross_fit_regressor(graph, ensemble, X):
    members = [_converted(graph, member, X) for member in ensemble.estimators_]
    mean = graph("Div", graph("Sum", *members), np.float64(len(members)))
    return graph("Add", graph("Mul", mean, np.float64(ensemble.scale_)), np.float64(ensemble.center_))


def _cross_fit_classifier(graph, ensemble, X, temperature=1.0):
    """A CrossFitClassifier, if the logits of members are also divided by a temperature."""
    pairs = zip(ensemble.estimators_, ensemble._places, strict=True)
    temperature = temperature * ensemble.temperature_
    members = [_member(graph, member, X, ensemble, places, temperature) for member, places in pairs]
    return graph("Div", graph("Sum", *members), np.float64(len(members)))


def _member(graph, model, X, ensemble, places, temperature):
    """The probabilities of a member at a temperature."""
    if type(model) is LowLevelMLPClassifier:
        return _network(graph, model, X, temperature)
    # A member has no probability for classes that its training rows lack.
    to_all = np.eye(len(ensemble.classes_))
    to_all = to_all if places is None else to_all[places]
    all_classes = graph("MatMul", _converted(graph, model, X), to_all)
    probabilities = graph("Max", all_classes, np.finfo(float).eps)
    logs = graph("Div", graph("Log", probabilities), np.float64(temperature))
    return graph("Softmax", logs, axis=1)


def _outputs(graph, model, X):
    """A MultiOutputRegressor."""
    parts = [_converted(graph, part, X) for part in model.estimators_]
    return graph("Concat", *parts, axis=1)


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
    """LightGBM's trees, with thresholds and sums in float64, as LightGBM has them."""
    dump = model.booster_.dump_model()
    output = _ACTIVATION_OF_OBJECTIVE.get(str(dump.get("objective")).partition(" num_class")[0])
    refused = ValueError(
        "boosted trees of LightGBM can be converted to ONNX with an objective of "
        f"{', '.join(_ACTIVATION_OF_OBJECTIVE)}, without categorical features, linear leaves, "
        f"zero_as_missing=True or pred_early_stop=True, got {model!r}"
    )
    if output is None or dump["average_output"] or model.booster_.params.get("pred_early_stop"):
        raise refused
    n_outputs, nodes, leaves, roots = dump["num_tree_per_iteration"], [], [], []

    def add(node, target):
        """Add a node and its descendants; return its number, and whether it is a leaf."""
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
        **{
            f"nodes_{name}": column.astype(int).tolist() for name, column in zip(names.split(), columns)
        },
    )
    return _activated(graph, sums, output)


def _network(graph, model, X, temperature=1.0):
    output = model.out_activation_
    if is_classifier(model):
        n_classes = len(model.classes_)
        shapes = {"logistic": (2, 1), "softmax": (n_classes, n_classes)}  # classes and outputs
        if shapes.get(output) != (n_classes, model.n_outputs_):
            target_type = fitted_encoder(model).target_type
            raise ValueError(
                "only classifiers with loss='log_loss', one label for each sample and at least two "
                f"classes can be converted to ONNX, got {target_type} y and loss={model.loss!r}"
            )
    values = graph("Cast", X, to=_FLOAT if model.coefs_[0].dtype == np.float32 else _DOUBLE)
    for layer, (kernel, bias) in zip(*model._layers_and_parameters(), strict=True):
        values = graph("Add", graph("MatMul", values, kernel), bias)
        values = ACTIVATIONS[layer.activation].onnx(graph, values, kernel.dtype.type)
    raw = graph("Div", graph("Cast", values, to=_DOUBLE), np.float64(temperature))
    return _activated(graph, raw, output)


# --- uncertainty -------------------------------------------------------------------------------------


def _sets(graph, model, probabilities, confidence_level):
    """Whether the set of a sample has a class."""
    learned = model._uncertainty
    threshold = np.interp(confidence_level, learned["levels"], learned["errors"], right=np.inf)
    return graph("LessOrEqual", graph("Sub", np.float64(1), probabilities), np.float64(threshold))


def _add_quantiles(graph, name, model, predicted, X, quantiles):
    """An output with quantiles of a regressor's predictions."""
    blocks = []
    for i, learned in enumerate(model._uncertainty):
        prediction = graph("Gather", predicted, np.array([i]), axis=1)
        levels, errors = learned["levels"], learned["errors"]
        scaled = np.interp(quantiles, levels, errors, left=-np.inf, right=np.inf)
        spread = _spread(graph, learned["spread"], prediction, X)
        values = graph("Add", prediction, graph("Mul", spread, scaled))
        values = graph("Max", values, np.float64(model._lowest))
        blocks.append(graph("Unsqueeze", values, np.array([1])))
    result, shape = graph("Concat", *blocks, axis=1), [None, None, None]
    if len(blocks) == 1:
        result, shape = graph("Squeeze", result, np.array([1])), [None, None]
    graph.output(name, result, _DOUBLE, shape)


def _spread(graph, spread, prediction, X):
    """The size of errors, as `spread_at` has it."""
    if "estimators" in spread:
        known = graph("Where", graph("IsNaN", X), np.asarray(spread["fill"], np.float32), X)
        known = graph("Concat", graph("Cast", known, to=_DOUBLE), prediction, axis=1)
        sizes = [_converted(graph, estimator, known) for estimator in spread["estimators"]]
        return graph("Mul", graph("Sum", *sizes), np.float64(spread["mean"] / len(sizes)))
    knots, sizes = np.asarray(spread["predictions"], float), np.asarray(spread["sizes"], float)
    if len(knots) == 1:
        return np.float64(sizes[0])
    # Linear interpolation: each interval adds its slope times the part of it below the prediction.
    widths = np.diff(knots)
    inside = graph("Min", graph("Max", graph("Sub", prediction, knots[:-1]), np.float64(0)), widths)
    rises = graph("MatMul", inside, (np.diff(sizes) / widths)[:, None])
    return graph("Add", rises, np.float64(sizes[0]))


# --- which class is converted by what -----------------------------------------------------------------

_CONVERTERS = {
    str: lambda graph, step, X: X,  # "passthrough"
    SimpleImputer: _filled,
    StandardScaler: _standardized,
    FunctionTransformer: _in_double,
    Nystroem: _kernel_features,
    TableScaler: _scaled,
    LevelMeans: _with_means,
    Pipeline: _steps,
    **dict.fromkeys((TabularClassifier, TabularRegressor), _table),
    **dict.fromkeys((BlendClassifier, BlendRegressor), _blend),
    CrossFitClassifier: _cross_fit_classifier,
    CrossFitRegressor: _cross_fit_regressor,
    **dict.fromkeys((LowLevelMLPClassifier, LowLevelMLPRegressor), _network),
    **dict.fromkeys((LogisticRegression, LogisticRegressionCV), _linear),
    **dict.fromkeys((LinearRegression, Ridge, RidgeCV, Lasso, LassoCV), _linear),
    **dict.fromkeys((DummyClassifier, DummyRegressor), _constant),
    MultiOutputRegressor: _outputs,
}
"""What converts models, by their very classes: a subclass may compute something else.

LightGBM's are not among them, as it is not imported before the user does so.
"""


def _converted(graph, model, X, what="the model", *temperature):
    """The result of a step or of a model, of which some also take a temperature."""
    convert = _boosted if is_lightgbm(model) else _CONVERTERS.get(type(model))
    if convert is None and hasattr(model, "best_estimator_"):
        raise ValueError(f"{what} is a {type(model).__name__}: convert its `best_estimator_` to ONNX")
    if convert is None:
        names = [cls.__name__ for cls in _CONVERTERS if cls is not str]
        raise ValueError(
            f"{what} cannot be converted to ONNX: {model!r}. These classes can, but no subclasses of "
            f"them: {', '.join(sorted([*names, 'LGBMClassifier', 'LGBMRegressor']))}"
        )
    return convert(graph, model, X, *temperature)
