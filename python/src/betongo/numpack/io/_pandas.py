"""pandas' frames."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _rows
from ._depend import need
from ._pack import PackWriter, opened, reading
from ._rows import DEFAULT_CHUNK_SIZE

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-not-found, import-untyped, unused-ignore]

__all__ = ["from_dataframe", "to_dataframe"]


def from_dataframe(
    df: pd.DataFrame,
    output_path: str | os.PathLike[str],
    array_name: str = "data",
    drop_if_exists: bool = False,
    chunk_size: int = DEFAULT_CHUNK_SIZE,
    return_npk_obj: bool = False,
) -> Any:
    """Puts a frame's values into a pack, as one array (rows, columns); a Series' as (rows,).

    The dtype is the one that holds all columns, as of df.values. Columns of pandas' own numbers with NA
    become floats, where it is NaN. Index and names have no place in a pack. chunk_size bounds the bytes
    copied at once. The pack is changed when all is there, or not at all; other arrays of it stay
    (drop_if_exists: they don't). Returns None, or with return_npk_obj the opened NumPack.

    Raises DependencyError without pandas; TypeError for what is no frame, and for columns that are no
    numbers.
    """
    pd = need("pandas")
    if not isinstance(df, (pd.DataFrame, pd.Series)):
        raise TypeError(f"Expected pandas.DataFrame, got {type(df)}")
    values = np.asarray(df.values)
    if values.dtype == object:
        values = _numbers(pd, df)
    with PackWriter(output_path, drop_if_exists) as pack:
        pack.add(_rows.of_array(array_name, values), chunk_size)
    return opened(output_path) if return_npk_obj else None


def _numbers(pd: Any, df: Any) -> np.ndarray:
    """The values of a frame whose columns are numbers of different kinds."""
    columns = [(df.name, df)] if isinstance(df, pd.Series) else list(df.items())
    is_number = pd.api.types.is_numeric_dtype
    bad = [f"{n} ({c.dtype})" for n, c in columns if not is_number(c.dtype) and not _is_plain(c)]
    if bad:
        raise TypeError(f"columns that are no numbers: {', '.join(bad)}")
    parts = [
        c.to_numpy(np.float64, na_value=np.nan) if c.isna().any() else np.asarray(c.tolist())
        for _, c in columns
    ]
    return parts[0] if isinstance(df, pd.Series) else np.column_stack(parts)


def _is_plain(column: Any) -> bool:
    """Whether a column of objects has nothing but numbers."""
    return column.dtype == object and all(
        isinstance(v, (int, float, bool, np.number, np.bool_)) for v in column
    )


def to_dataframe(
    input_path: str | os.PathLike[str], array_name: str | None = None, columns: Sequence[str] | None = None
) -> pd.DataFrame:
    """An array of a pack as a frame, its values the caller's own.

    columns: names; by default col0, col1, … for an array of two dimensions, pandas' own for one of one.
    array_name: needed where the pack has several arrays.

    Raises DependencyError without pandas; ValueError where array_name is needed, for arrays of three and more
    dimensions, and for names too few or many; KeyError for an array that the pack does not have;
    FileNotFoundError and FormatError for the pack.
    """
    pd = need("pandas")
    with reading(input_path) as pack:
        array = pack.load(pack.one(array_name))
    if columns is None and array.ndim == 2:
        columns = [f"col{i}" for i in range(array.shape[1])]
    return pd.DataFrame(array, columns=None if columns is None else list(columns))
