"""Parquet and Feather files, by pyarrow, or by the command ffcvconvert."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from . import _command, _rows, _table
from ._aside import aside
from ._depend import have, need
from ._pack import PackWriter, opened, reading, stored_name
from ._rows import DEFAULT_CHUNK_SIZE, FormatError, Rows, existing

__all__ = ["from_feather_file", "from_parquet_file", "to_feather_file", "to_parquet_file"]


def from_parquet_file(
    input_path: str | os.PathLike[str],
    output_path: str | os.PathLike[str],
    array_name: str | None = None,
    columns: Sequence[str] | None = None,
    drop_if_exists: bool = False,
    chunk_size: int = DEFAULT_CHUNK_SIZE,
    return_npk_obj: bool = False,
) -> Any:
    """Puts the columns of a Parquet file into a pack, as `from_table` does.

    array_name: the file's name without its suffix by default. columns: which, all by default. chunk_size
    bounds the bytes of rows held at once, next to what pyarrow holds of a row group. One column of numbers is
    an array (rows,), also where NumPack wrote (rows, 1), unless `to_parquet_file` wrote it from (rows, 1).

    Without pyarrow the command ffcvconvert reads the file, where it is installed. The pack is changed when
    all is there, or not at all; other arrays of it stay (drop_if_exists: they don't). Returns None, or with
    return_npk_obj the opened NumPack.

    Raises DependencyError where neither is installed; FileNotFoundError; FormatError (a ValueError) for a
    broken file; KeyError for a column that is not there; TypeError for columns that are no numbers.
    """
    path = existing(input_path)
    name = path.stem if array_name is None else array_name
    if not have("pyarrow"):
        _by_command(path, output_path, name, columns, drop_if_exists)
        return opened(output_path) if return_npk_obj else None
    pa, pq = need("pyarrow"), need("pyarrow.parquet")
    with _named(pa, path), pq.ParquetFile(str(path)) as file:

        def batches(names: list[str], rows: int) -> Iterator[Any]:
            with _named(pa, path):
                yield from file.iter_batches(batch_size=rows, columns=names)

        _table.store(
            file.schema_arrow,
            columns,
            name,
            batches,
            file.metadata.num_rows,
            output_path,
            drop_if_exists,
            chunk_size,
            str(path),
        )
    return opened(output_path) if return_npk_obj else None


def to_parquet_file(
    input_path: str | os.PathLike[str],
    output_path: str | os.PathLike[str],
    array_name: str | None = None,
    compression: str = "snappy",
    row_group_size: int = 100000,
    chunk_size: int = DEFAULT_CHUNK_SIZE,
    *,
    column_names: Sequence[str] | None = None,
) -> None:
    """Writes an array of a pack to a Parquet file, with the columns that `to_table` has.

    array_name: needed where the pack has several arrays. compression: "snappy", "gzip", "brotli", "zstd",
    "lz4" or "none". row_group_size: rows of a row group, fewer where they have more than chunk_size bytes,
    which bounds the bytes of rows held at once. Without pyarrow the command ffcvconvert writes the file,
    where it is installed. An existing file is replaced when the new one is complete.

    Raises DependencyError where neither is installed; ValueError where array_name is needed; KeyError for an
    array that the pack does not have; TypeError for dtypes that Parquet does not have; FileNotFoundError and
    FormatError for the pack.
    """
    with reading(input_path) as pack:
        rows = pack.rows(pack.one(array_name))
        if not have("pyarrow"):
            _columns_by_command(
                rows, output_path, f"--compression={compression}", f"--row-group={row_group_size}"
            )
            return
        pa, pq = need("pyarrow"), need("pyarrow.parquet")
        schema = _table.table_schema(rows, column_names)
        group = max(1, min(row_group_size, _rows.rows_at_once(rows.shape, rows.dtype, chunk_size)))
        with _refusing(pa, rows), aside(output_path) as to:
            with pq.ParquetWriter(str(to), schema, compression=compression) as writer:
                for block in _groups(rows, group):
                    table = pa.Table.from_batches([_table.record_batch(schema, block)], schema=schema)
                    writer.write_table(table, row_group_size=group)


def _groups(rows: Rows, group: int) -> Iterator[np.ndarray]:
    """Blocks of so many rows."""
    size = group * max(1, _rows.count(rows.shape[1:])) * rows.dtype.itemsize
    if not rows.shape or rows.shape[0]:
        yield from rows.blocks(size)


def from_feather_file(
    input_path: str | os.PathLike[str],
    output_path: str | os.PathLike[str],
    array_name: str | None = None,
    columns: Sequence[str] | None = None,
    drop_if_exists: bool = False,
    return_npk_obj: bool = False,
    *,
    chunk_size: int = DEFAULT_CHUNK_SIZE,
) -> Any:
    """Puts the columns of a Feather file into a pack, as `from_table` does, a record batch at a time.

    array_name: the file's name without its suffix by default. columns: which, all by default. A file of
    version 1, which has no batches, is held as a whole. Without pyarrow the command ffcvconvert reads the
    file (version 2 only), where it is installed. The pack is changed when all is there, or not at all; other
    arrays of it stay (drop_if_exists: they don't). Returns None, or with return_npk_obj the opened NumPack.

    Raises as `from_parquet_file`.
    """
    path = existing(input_path)
    name = path.stem if array_name is None else array_name
    if not have("pyarrow"):
        _by_command(path, output_path, name, columns, drop_if_exists)
        return opened(output_path) if return_npk_obj else None
    pa = need("pyarrow")
    with _named(pa, path):
        with open(path, "rb") as f:
            old = f.read(4) == b"FEA1"
        if old:
            table = need("pyarrow.feather").read_table(str(path))
            _table.from_table(table, output_path, name, columns, drop_if_exists)
        else:
            _ipc(pa, path, output_path, name, columns, drop_if_exists, chunk_size)
    return opened(output_path) if return_npk_obj else None


def _ipc(
    pa: Any,
    path: Path,
    output_path: str | os.PathLike[str],
    name: str,
    columns: Sequence[str] | None,
    drop_if_exists: bool,
    chunk_size: int,
) -> None:
    schema = pa.ipc.open_file(str(path)).schema

    def batches(names: list[str], rows: int) -> Iterator[Any]:
        with _named(pa, path):
            fields = [schema.get_field_index(n) for n in names]
            options = pa.ipc.IpcReadOptions(included_fields=fields)
            with pa.OSFile(str(path)) as f, pa.ipc.open_file(f, options=options) as file:
                for i in range(file.num_record_batches):
                    batch = file.get_batch(i)
                    for lo in range(0, batch.num_rows, rows):
                        yield batch.slice(lo, rows)

    _table.store(schema, columns, name, batches, -1, output_path, drop_if_exists, chunk_size, str(path))


def to_feather_file(
    input_path: str | os.PathLike[str],
    output_path: str | os.PathLike[str],
    array_name: str | None = None,
    compression: str = "zstd",
    *,
    chunk_size: int = DEFAULT_CHUNK_SIZE,
    column_names: Sequence[str] | None = None,
) -> None:
    """Writes an array of a pack to a Feather file (version 2), with the columns that `to_table` has.

    array_name: needed where the pack has several arrays. compression: "zstd", "lz4" or "uncompressed".
    chunk_size bounds the bytes of rows held at once; a record batch has at most 65,536 rows. Without pyarrow
    the command ffcvconvert writes the file, where it is installed. An existing file is replaced when the new
    one is complete.

    Raises as `to_parquet_file`.
    """
    none = compression in (None, "uncompressed", "none")
    with reading(input_path) as pack:
        rows = pack.rows(pack.one(array_name))
        if not have("pyarrow"):
            _columns_by_command(rows, output_path, f"--compression={'none' if none else compression}")
            return
        pa = need("pyarrow")
        schema = _table.table_schema(rows, column_names)
        options = pa.ipc.IpcWriteOptions(compression=None if none else compression)
        group = min(1 << 16, _rows.rows_at_once(rows.shape, rows.dtype, chunk_size))
        with _refusing(pa, rows), aside(output_path) as to:
            with pa.OSFile(str(to), "wb") as f, pa.ipc.new_file(f, schema, options=options) as writer:
                for block in _groups(rows, group):
                    writer.write_batch(_table.record_batch(schema, block))


# -- what both share ------------------------------------------------------------------------------------


class _named:
    """Gives pyarrow's errors the file's name."""

    def __init__(self, pa: Any, path: Path) -> None:
        self.pa, self.path = pa, path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, FormatError) or not isinstance(error, (self.pa.ArrowException, OSError)):
            return
        if isinstance(error, OSError) and error.errno is not None:
            return  # the system's
        raise FormatError(self.path, f"{type(error).__name__}: {error}") from error


class _refusing:
    """Names the array that pyarrow has no type for."""

    def __init__(self, pa: Any, rows: Rows) -> None:
        self.pa, self.rows = pa, rows

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, self.pa.ArrowNotImplementedError):
            raise TypeError(
                f"{self.rows.file}: array {self.rows.name!r} of {self.rows.dtype}: {error}"
            ) from error


def _by_command(
    path: Path,
    output_path: str | os.PathLike[str],
    name: str,
    columns: Sequence[str] | None,
    drop_if_exists: bool,
) -> None:
    def pick(listed: _command.Listed) -> dict[str, str]:
        missing = [c for c in columns or () if c not in listed]
        if missing:
            raise KeyError(f"{path}: no columns {missing}; there are {list(listed)}")
        return {n: stored_name(n) for n in (columns if columns is not None else _command.numeric(listed))}

    with (
        _command.converted(path, "pyarrow", output_path, pick) as done,
        PackWriter(output_path, drop_if_exists) as pack,
    ):
        arrays = [done.rows(n) for n in done.names(None)]
        flat, deep = [a for a in arrays if len(a.shape) == 1], [a for a in arrays if len(a.shape) > 1]
        if flat:
            pack.add(_stacked(flat, name), DEFAULT_CHUNK_SIZE)
        for a in deep:
            a.name = name if len(arrays) == 1 else a.name
            pack.add(a, DEFAULT_CHUNK_SIZE)


def _stacked(columns: list[Rows], name: str) -> Rows:
    """Arrays of one dimension as the columns of one."""
    if len(columns) == 1:
        columns[0].name = name
        return columns[0]
    kind = np.result_type(*(c.dtype for c in columns))

    def blocks(size: int) -> Iterator[np.ndarray]:
        rows = max(1, size // (kind.itemsize * len(columns)))
        for parts in zip(*(c.blocks(rows * c.dtype.itemsize) for c in columns)):
            yield np.column_stack(parts).astype(kind, copy=False)

    return Rows(name, kind, (columns[0].shape[0], len(columns)), blocks, file=columns[0].file)


def _columns_by_command(rows: Rows, output_path: str | os.PathLike[str], *flags: str) -> None:
    """Writes an array's columns, each an array of a pack that the command reads."""
    folder = Path(output_path).absolute().parent
    _command.need("pyarrow")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".ffcvconvert.", dir=folder) as room:
        part = Path(room) / "columns.npk"
        with PackWriter(part) as pack:
            if len(rows.shape) != 2:
                pack.add(
                    Rows("data", rows.dtype, rows.shape, rows.blocks, rows.extents, rows.file),
                    DEFAULT_CHUNK_SIZE,
                )
            else:
                for i in range(rows.shape[1]):
                    pack.add(_column(rows, i), DEFAULT_CHUNK_SIZE)
        with reading(part) as done:
            _command.write(part, output_path, "pyarrow", done.names(None), *flags)


def _column(rows: Rows, i: int) -> Rows:
    def blocks(size: int) -> Iterator[np.ndarray]:
        for block in rows.blocks(size):
            yield np.ascontiguousarray(block[:, i])

    return Rows(f"col{i}", rows.dtype, rows.shape[:1], blocks, file=rows.file)
