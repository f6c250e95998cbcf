"""Tables of Arrow's, and the arrays that they are in a pack.

Columns of numbers are the columns of one array (rows, columns); a single one is an array (rows,), unless the
table's metadata say that it had two dimensions. A column of fixed-size lists or fixed-shape tensors of
numbers is an array (rows, ...) of its own.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _rows
from ._depend import need
from ._pack import PackWriter, opened, reading, stored_name
from ._rows import DEFAULT_CHUNK_SIZE, FormatError, Rows
from .zero_copy import numpy_to_arrow_zero_copy

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-not-found, import-untyped, unused-ignore]

__all__ = ["from_parquet_table", "from_table", "to_parquet_table", "to_table"]

# In a table's metadata: how many dimensions its one column of numbers had.
DIMS = b"betongo:dims"

# Record batches of some columns (all that are named) of about so many rows.
Batches = Callable[[list[str], int], Iterable[Any]]


class Nulls(FormatError):
    """A column of integers or bools has nulls, which only floats can tell."""

    def __init__(self, file: str, column: str) -> None:
        super().__init__(file, f"column {column!r} has nulls")
        self.column = column


# -- a table's columns as arrays ------------------------------------------------------------------------


class Columns:
    """The columns of a schema that are numbers, as arrays.

    nulls: names of integer and bool columns that have nulls; they are read as floats, where nulls are NaN.
    """

    def __init__(self, schema: Any, columns: Sequence[str] | None, file: str, nulls: set[str]) -> None:
        self.pa = need("pyarrow")
        self.file, self.nulls = file, nulls
        self.dims = _dims(schema)
        names = list(schema.names)
        missing = [c for c in columns or () if c not in names]
        if missing:
            raise KeyError(f"{file}: no columns {missing}; there are {names}".lstrip(": "))
        wanted = names if columns is None else list(columns)
        if len(set(wanted)) < len(wanted):
            raise ValueError(f"{file}: two columns have the same name: {wanted}".lstrip(": "))
        self.flat: dict[str, np.dtype] = {}
        self.deep: dict[str, tuple[np.dtype, tuple[int, ...]]] = {}
        bad = []
        for name in wanted:
            found = self._element(schema.field(name).type)
            if found is None:
                bad.append(f"{name} ({schema.field(name).type})")
            elif found[1]:
                self.deep[name] = found
            else:
                self.flat[name] = found[0]
        if bad and (columns is not None or len(bad) == len(wanted)):
            raise TypeError(f"{file}: columns that are no numbers: {', '.join(bad)}".lstrip(": "))
        if bad:
            warnings.warn(
                f"{file}: left out, as they are no numbers: {', '.join(bad)}", UserWarning, stacklevel=4
            )

    def _element(self, kind: Any) -> tuple[np.dtype, tuple[int, ...]] | None:
        """The dtype and shape of a row of a column, None where it is no number."""
        types = self.pa.types
        shape: tuple[int, ...] = ()
        if isinstance(kind, self.pa.BaseExtensionType):
            inner, order = getattr(kind, "shape", None), getattr(kind, "permutation", None)
            if inner is not None and (not order or list(order) == sorted(order)):
                dtype = self._number(kind.value_type)
                return None if dtype is None else (dtype, tuple(inner))
            kind = kind.storage_type
        while types.is_fixed_size_list(kind):
            shape += (kind.list_size,)
            kind = kind.value_type
        if types.is_dictionary(kind):
            kind = kind.value_type
        dtype = self._number(kind)
        return None if dtype is None else (dtype, shape)

    def _number(self, kind: Any) -> np.dtype | None:
        types = self.pa.types
        if types.is_boolean(kind) or types.is_integer(kind) or types.is_floating(kind):
            return np.dtype(kind.to_pandas_dtype())
        return None

    def arrays(self, name: str, batches: Batches, rows: int) -> list[Rows]:
        """The arrays of the columns. name: what the one of plain columns, or the only one, is called.

        rows: how many the table has, -1 where that is not known.
        """
        out = []
        if self.flat or not self.deep:
            dtypes = [
                np.dtype(np.float64) if n in self.nulls and t.kind in "iub" else t
                for n, t in self.flat.items()
            ]
            kind = np.result_type(*dtypes) if dtypes else np.dtype(np.float64)
            one = len(dtypes) == 1 and self.dims != 2
            shape: tuple[int, ...] = (rows,) if one else (rows, len(dtypes))
            out.append(Rows(name, kind, shape, lambda n: self._stack(batches, kind, one, n), file=self.file))
        for column, (dtype, inner) in self.deep.items():
            called = name if not self.flat and len(self.deep) == 1 else stored_name(column)
            out.append(self._tensor(called, column, dtype, inner, batches, rows))
        return out

    def _stack(self, batches: Batches, kind: np.dtype, one: bool, size: int) -> Iterator[np.ndarray]:
        names = list(self.flat)
        row = max(1, kind.itemsize * len(names))
        for batch in batches(names, max(1, min(size // row, 1 << 16))):
            columns = [self._values(batch.column(batch.schema.get_field_index(n)), n) for n in names]
            if one:
                yield np.ascontiguousarray(columns[0], kind)
                continue
            out = np.empty((batch.num_rows, len(columns)), kind)
            for i, column in enumerate(columns):
                out[:, i] = column
            yield out

    def _values(self, column: Any, name: str) -> np.ndarray:
        types = self.pa.types
        if isinstance(column, self.pa.ChunkedArray):
            column = column.combine_chunks()
        if types.is_dictionary(column.type):
            column = column.dictionary_decode()
        if column.null_count and not types.is_floating(column.type):
            if name not in self.nulls:
                raise Nulls(self.file, name)
            if types.is_boolean(column.type):
                column = column.cast(self.pa.uint8())
            column = column.cast(self.pa.float64(), safe=False)
        return column.to_numpy(zero_copy_only=False)

    def _tensor(
        self, called: str, column: str, dtype: np.dtype, shape: tuple[int, ...], batches: Batches, rows: int
    ) -> Rows:
        def blocks(size: int) -> Iterator[np.ndarray]:
            step = _rows.rows_at_once((1 << 16, *shape), dtype, size)
            for batch in batches([column], step):
                a = batch.column(batch.schema.get_field_index(column))
                if isinstance(a, self.pa.ChunkedArray):
                    a = a.combine_chunks()
                if isinstance(a, self.pa.ExtensionArray):
                    a = a.storage
                while self.pa.types.is_fixed_size_list(a.type):
                    if a.null_count:
                        raise FormatError(self.file, f"column {column!r} has nulls in the place of lists")
                    a = a.flatten()
                if a.null_count and dtype.kind != "f":
                    raise FormatError(self.file, f"column {column!r} has nulls among integers")
                yield np.ascontiguousarray(a.to_numpy(zero_copy_only=False)).reshape(-1, *shape)

        return Rows(called, dtype, (rows, *shape), blocks, file=self.file)


def _dims(schema: Any) -> int:
    told = (schema.metadata or {}).get(DIMS, b"")
    return int(told) if told.isdigit() and len(told) < 3 else 0


def store(
    schema: Any,
    columns: Sequence[str] | None,
    name: str,
    batches: Batches,
    rows: int,
    output_path: str | os.PathLike[str],
    drop_if_exists: bool,
    chunk_size: int,
    file: str = "",
) -> None:
    """Puts a table's columns into a pack; again from the beginning where nulls turn up late."""
    nulls: set[str] = set()
    while True:
        arrays = Columns(schema, columns, file, nulls).arrays(name, batches, rows)
        try:
            with PackWriter(output_path, drop_if_exists) as pack:
                for a in arrays:
                    pack.add(a, chunk_size)
            return
        except Nulls as e:
            nulls.add(e.column)


# -- arrays as tables -----------------------------------------------------------------------------------


def table_schema(rows: Rows, column_names: Sequence[str] | None) -> Any:
    """The schema of an array's table. Raises ValueError for names that are too few or many."""
    pa = need("pyarrow")
    if rows.dtype.kind not in "iufb":
        raise TypeError(f"{rows.file}: array {rows.name!r}: Arrow has no numbers of dtype {rows.dtype}")
    kind = pa.from_numpy_dtype(rows.dtype)
    two = len(rows.shape) == 2
    want = rows.shape[1] if two else 1
    names = list(column_names) if column_names else ([f"col{i}" for i in range(want)] if two else ["data"])
    if len(names) < want or (two and len(names) > want):
        raise ValueError(f"{rows.file}: array {rows.name!r} has {want} columns, there are {len(names)} names")
    if two:
        return pa.schema([pa.field(n, kind) for n in names], metadata={DIMS: b"2"} if want == 1 else None)
    if len(rows.shape) > 2:
        kind = numpy_to_arrow_zero_copy(np.empty((0, *rows.shape[1:]), rows.dtype)).type
    return pa.schema([pa.field(names[0], kind)])


def record_batch(schema: Any, block: np.ndarray) -> Any:
    """Rows of an array as a record batch; those of other than two dimensions are not copied."""
    pa = need("pyarrow")
    if block.ndim == 2:
        across = np.ascontiguousarray(block.T)
        return pa.RecordBatch.from_arrays([numpy_to_arrow_zero_copy(c) for c in across], schema=schema)
    return pa.RecordBatch.from_arrays([numpy_to_arrow_zero_copy(np.atleast_1d(block))], schema=schema)


def from_table(
    table: pa.Table,
    output_path: str | os.PathLike[str],
    array_name: str | None = None,
    columns: Sequence[str] | None = None,
    drop_if_exists: bool = False,
    return_npk_obj: bool = False,
) -> Any:
    """Puts an Arrow table, record batch or array into a pack.

    Columns of numbers become one array (rows, columns), of the dtype that holds them all as NumPy promotes
    them; a single one, and an array, (rows,). A column of fixed-size lists or fixed-shape tensors becomes an
    array (rows, ...), under array_name if it is the only one, else under its own name. Nulls are NaN, for
    which integers become float64. Columns of anything else are left out with a warning, unless columns names
    them. array_name: "data" by default. columns: which, all by default.

    The pack is changed when all is there, or not at all; other arrays of it stay (drop_if_exists: they
    don't). Returns None, or with return_npk_obj the opened NumPack.

    Raises DependencyError without pyarrow; KeyError for a column that is not there; TypeError for columns
    that are no numbers, and for what is no table.
    """
    pa = need("pyarrow")
    if isinstance(table, (pa.Array, pa.ChunkedArray)):
        table = pa.table({"data": table})
    elif isinstance(table, pa.RecordBatch):
        table = pa.Table.from_batches([table])
    elif not isinstance(table, pa.Table):
        raise TypeError(f"Expected pyarrow.Table or Array, got {type(table)}")

    def batches(names: list[str], rows: int) -> Iterator[Any]:
        # All columns: names may be there twice where they are not asked for.
        yield from table.to_batches(max_chunksize=rows)

    name = "data" if array_name is None else array_name
    store(
        table.schema, columns, name, batches, table.num_rows, output_path, drop_if_exists, DEFAULT_CHUNK_SIZE
    )
    return opened(output_path) if return_npk_obj else None


def to_table(
    input_path: str | os.PathLike[str],
    array_name: str | None = None,
    column_names: Sequence[str] | None = None,
) -> pa.Table:
    """An array of a pack as an Arrow table.

    An array (rows, columns) becomes columns col0, col1, …, one of one dimension the column data, one of more
    a column data of fixed-shape tensors, a row of the array each. column_names: other names. array_name:
    needed where the pack has several arrays.

    Raises DependencyError without pyarrow; ValueError where array_name is needed, and for names too few or
    many; KeyError for an array that the pack does not have; TypeError for complex numbers, which Arrow does
    not have; FileNotFoundError and FormatError for the pack.
    """
    pa = need("pyarrow")
    with reading(input_path) as pack:
        name = pack.one(array_name)
        schema = table_schema(pack.rows(name), column_names)
        return pa.Table.from_batches([record_batch(schema, pack.load(name))], schema=schema)


from_parquet_table = from_table
to_parquet_table = to_table
