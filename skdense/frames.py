"""Tables as users pass them: data frames of any library, or arrays."""

from difflib import get_close_matches
from importlib.util import find_spec
from numbers import Integral
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array


def array_of(X: Any, **checks: Any) -> NDArray:
    """A table that is no frame as an array; numbers and strings of a list do not become strings."""
    dtype: Any = None if hasattr(X, "__array__") else object
    return check_array(X, dtype=dtype, ensure_all_finite=False, **checks)


def table_of(X: Any, **checks: Any) -> Any:
    """Any data frame as a DataFrame of pandas or polars, and any other table as an array.

    narwhals knows data frames, such as those of pyarrow, DuckDB, Modin and Dask; lazy ones are
    collected. Others are read by the Arrow PyCapsule interface.
    """
    if isinstance(X, np.ndarray):
        return array_of(X, **checks)
    if _is_usual_frame(X):
        return X
    frame = nw.from_native(X, pass_through=True)
    if isinstance(frame, nw.LazyFrame):
        frame = frame.collect()
    elif frame is X and hasattr(X, "__arrow_c_stream__") and not nw.dependencies.is_into_series(X):
        # pyarrow is one of the packages with which pandas reads Arrow; polars needs none.
        frame = nw.DataFrame.from_arrow(X, backend="pyarrow" if find_spec("pyarrow") else "polars")
    if isinstance(frame, nw.DataFrame):
        native = frame.to_native()
        if frame.implementation.is_pyarrow():
            return _pandas_of_arrow(native)
        return native if _is_usual_frame(native) else frame.to_pandas()
    if hasattr(X, "columns") or type(X) is dict:
        raise TypeError(
            "X must be a data frame, as of pandas, polars or pyarrow, or a dense array of rows and "
            f"columns, got a {type(X).__name__}; pandas.DataFrame(X) or X.to_pandas() may convert it"
        )
    return array_of(X, **checks)


def _pandas_of_arrow(table):
    """A table of pyarrow as a DataFrame; integers beside missing ones keep all digits."""
    import pandas as pd

    types = {"int64": pd.Int64Dtype(), "uint64": pd.UInt64Dtype()}
    return table.to_pandas(types_mapper=lambda kind: types.get(str(kind)))


def _is_usual_frame(X):
    """Whether this is a DataFrame of pandas or polars, which takes narwhals 20 us to find out."""
    name, module = type(X).__name__, type(X).__module__.partition(".")[0]
    return name == "DataFrame" and module in ("pandas", "polars")


def name_of_column(parameter: str, key: Any, names: list[str], has_names: bool) -> str:
    """The name of the column that a key of a dict refers to; raise if X does not have it.

    Parameters
    ----------
    parameter : str
        The name of the parameter that is the dict.
    key : object
        A name, or a position in an array.
    names : list of str
        The names of all columns, in order.
    has_names : bool
        Whether X has names, so that keys are no positions.
    """
    is_position = not has_names and isinstance(key, Integral) and 0 <= key < len(names)
    name = names[int(key)] if is_position else str(key)
    if name not in names:
        known = names if has_names else f"the positions 0 to {len(names) - 1}"
        close = get_close_matches(name, names, n=1) if has_names else []
        question = f"; did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"{parameter} has a column {key!r}, but X has {known}{question}")
    return name
