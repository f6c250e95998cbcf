"""CSV and other tables of numbers as text, some lines at a time."""

from __future__ import annotations

import itertools
import os
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from . import _rows
from ._aside import aside
from ._depend import need
from ._pack import PackWriter, opened, reading
from ._rows import DEFAULT_CHUNK_SIZE, FormatError, Rows, existing

__all__ = ["from_csv", "from_txt", "to_csv", "to_txt"]

# What stands for no number, as pandas has it.
_MISSING = frozenset(
    [
        "",
        "na",
        "n/a",
        "nan",
        "-nan",
        "null",
        "none",
        "#n/a",
        "<na>",
        "#na",
        "-1.#ind",
        "1.#qnan",
        "1.#ind",
        "-1.#qnan",
    ]
)
_NO_INTEGER = re.compile(r"[.eEnNaAiIjJ]")
_LINES = 1 << 14  # parsed at once, unless chunk_size asks for fewer


# -- reading --------------------------------------------------------------------------------------------


class _NoNumber(FormatError):
    """Words are not of the dtype that the lines were read as."""


class _Table:
    """How a file of numbers is read."""

    def __init__(
        self, path: Path, delimiter: str | None, options: dict[str, Any], lines: int, guess: bool
    ) -> None:
        self.path = path
        self.guess = guess
        self.delimiter = delimiter
        self.lines = lines
        self.skip = int(options.pop("skiprows", 0) or 0)
        self.most = options.pop("max_rows", None)
        comment = options.pop("comments", "#")
        self.comment = comment[0] if isinstance(comment, (list, tuple)) else comment
        self.usecols = options.pop("usecols", None)
        self.encoding = options.pop("encoding", None) or "utf-8"
        self.ndmin = int(options.pop("ndmin", 0))
        self.converters = options.pop("converters", None)
        header = options.pop("header", None)
        if header is not None and header is not False:
            self.skip += 1 + (0 if header is True or header == "infer" else int(header))

    def batches(self) -> Iterator[tuple[int, list[str]]]:
        """Lines that hold rows, and the number of the first one among all of the file's."""
        left = self.most
        with open(self.path, encoding=self.encoding) as f:
            try:
                at = 1
                for _ in itertools.islice(f, self.skip):
                    at += 1
                while left is None or left > 0:
                    raw = list(itertools.islice(f, self.lines))
                    if not raw:
                        return
                    lines = raw
                    if self.comment:
                        lines = [s.partition(self.comment)[0] if self.comment in s else s for s in raw]
                    lines = [s for s in lines if s.strip()]
                    if left is not None:
                        lines = lines[:left]
                        left -= len(lines)
                    if lines:
                        yield at, lines
                    at += len(raw)
            except UnicodeDecodeError as e:
                raise FormatError(self.path, f"the text is not {self.encoding}: {e}", offset=e.start) from e

    def parse(self, at: int, lines: list[str], dtype: np.dtype, converters: Any = None) -> np.ndarray:
        """The rows of some lines, two dimensions."""
        try:
            with warnings.catch_warnings():
                # NumPy would read "1.5" as an integer.
                warnings.simplefilter("error", DeprecationWarning)
                return np.loadtxt(
                    lines,
                    dtype,
                    comments=None,
                    delimiter=self.delimiter,
                    converters=converters,
                    usecols=self.usecols,
                    ndmin=2,
                )
        except (ValueError, DeprecationWarning, OverflowError, IndexError, TypeError) as e:
            raise _NoNumber(self.path, self._where(at, lines, str(e))) from e

    def _where(self, at: int, lines: list[str], said: str) -> str:
        row = re.search(r"at row (\d+)", said) or re.search(r"row (\d+)", said)
        k = int(row.group(1)) if row else -1
        if 0 <= k < len(lines):
            return f"lines {at} and on: row {k} of them, {lines[k].strip()[:100]!r}: {said}"
        return f"lines {at} and on: {said}"

    def missing(self, lines: list[str]) -> dict[int, Callable[[Any], float]]:
        """What reads empty words as NaN, for each column."""
        words = lines[0].split(self.delimiter)
        columns = range(len(words)) if self.usecols is None else np.atleast_1d(self.usecols).tolist()
        return {int(c): _number for c in columns}


def _number(word: Any) -> float:
    text = word.decode() if isinstance(word, bytes) else str(word)
    text = text.strip()
    return float("nan") if text.lower() in _MISSING else float(text)


def _by_numpy(table: _Table, name: str, kind: np.dtype, empty: bool) -> Rows:
    """The rows of a file as a dtype, their number unknown. empty: empty words are NaN."""
    first = next(table.batches(), None)
    if first is None:
        return _rows.of_array(name, np.empty((0, 0) if table.ndmin > 1 else (0,), kind), str(table.path))
    use = table.missing(first[1]) if empty else table.converters
    width = table.parse(first[0], first[1], kind, use).shape[1]
    flat = width == 1 and table.ndmin < 2

    def blocks(_: int) -> Iterator[np.ndarray]:
        for at, lines in table.batches():
            if kind.kind in "iu" and table.guess:
                # NumPy would take them: cut to integers, and before 1.23 negative ones around to large ones.
                text = "".join(lines)
                if _NO_INTEGER.search(text) or (kind.kind == "u" and "-" in text):
                    raise _NoNumber(table.path, f"lines {at} and on: not all are of {kind}")
            rows = table.parse(at, lines, kind, use)
            if rows.shape[1] != width:
                raise FormatError(
                    table.path, f"lines {at} and on have {rows.shape[1]} columns, the first {width}"
                )
            yield np.ascontiguousarray(rows.reshape(-1) if flat else rows)

    return Rows(name, kind, (-1,) if flat else (-1, width), blocks, file=str(table.path))


def _kinds(dtype: Any, converters: Any) -> list[tuple[np.dtype, bool]]:
    """The dtypes to try, each with whether empty words are NaN."""
    if dtype is None:
        kinds = [(np.dtype(t), False) for t in (np.int64, np.uint64, np.float64)]
        return [*kinds, (np.dtype(np.float64), True)]
    kind = np.dtype(dtype)
    return [(kind, False), (kind, True)] if kind.kind == "f" and converters is None else [(kind, False)]


def _by_pandas(
    path: Path, name: str, dtype: Any, delimiter: str | None, lines: int, options: dict[str, Any]
) -> Rows:
    """The rows of a file as pandas reads them, for options that are pandas' own."""
    pd = need("pandas")
    options = {"header": None, "sep": r"\s+" if delimiter is None else delimiter, **options}
    if "max_rows" in options:
        options["nrows"] = options.pop("max_rows")
    if "comments" in options:
        options["comment"] = options.pop("comments")

    def frames() -> Iterator[np.ndarray]:
        with pd.read_csv(path, dtype=dtype, chunksize=lines, **options) as reader:
            for frame in reader:
                yield frame.to_numpy()

    kinds = {block.dtype for block in frames()}
    if not kinds:
        return _rows.of_array(name, np.empty(0, dtype or np.float64), str(path))
    kind = np.result_type(*kinds) if dtype is None else np.dtype(dtype)
    width = next(frames()).shape[1]

    def blocks(_: int) -> Iterator[np.ndarray]:
        for block in frames():
            block = np.ascontiguousarray(block, kind)
            yield block.reshape(-1) if width == 1 else block

    return Rows(name, kind, (-1,) if width == 1 else (-1, width), blocks, file=str(path))


def _by_number(usecols: Any) -> bool:
    """Whether columns are chosen by their numbers, if at all."""
    return usecols is None or np.asarray(usecols).dtype.kind in "iu"


_OWN = {"skiprows", "max_rows", "comments", "usecols", "encoding", "ndmin", "converters", "header"}


def from_csv(
    input_path: str | os.PathLike[str],
    output_path: str | os.PathLike[str],
    array_name: str | None = None,
    drop_if_exists: bool = False,
    dtype: Any = None,
    delimiter: str | None = ",",
    skiprows: int = 0,
    max_rows: int | None = None,
    chunk_size: int = DEFAULT_CHUNK_SIZE,
    return_npk_obj: bool = False,
    *,
    skip_header: int | None = None,
    **kwargs: Any,
) -> Any:
    """Puts the numbers of a CSV file into a pack, as one array.

    Lines that are empty or begin with # are passed over. Several columns make an array (rows, columns), one
    column an array (rows,), none (0,). dtype: by default int64 where all are integers, else float64 (uint64
    where only that holds them); the file is read again where that turns out late. Words that are empty, or
    nan, NA, null …, are NaN among floats. array_name: the file's name without its suffix by default.
    delimiter: None is white space. skiprows (or skip_header): lines passed over at the beginning. max_rows:
    how many rows at most.

    kwargs: comments (the sign, or None), usecols, encoding, ndmin (2: one column stays (rows, 1)),
    converters, as numpy.loadtxt has them; header=0 passes over a line of names. Others go to pandas.read_csv,
    with which the file is then read, as are columns by their names. chunk_size bounds the bytes of text held
    at once, about.

    The pack is changed when all is there, or not at all; other arrays of it stay (drop_if_exists: they
    don't). Returns None, or with return_npk_obj the opened NumPack.

    Raises FileNotFoundError; FormatError (a ValueError) with the line for words that are no numbers and for
    rows of different lengths; DependencyError for options of pandas without it.
    """
    path = existing(input_path)
    name = path.stem if array_name is None else array_name
    options = {**kwargs, "skiprows": skiprows if skip_header is None else skip_header}
    if max_rows is not None:
        options["max_rows"] = max_rows
    lines = max(1, min(_LINES, chunk_size // 100))
    if set(options) <= _OWN and _by_number(options.get("usecols")):
        kinds = _kinds(dtype, options.get("converters"))
        table = _Table(path, delimiter, options, lines, dtype is None)
        for kind, empty in kinds:
            try:
                with PackWriter(output_path, drop_if_exists) as pack:
                    pack.add(_by_numpy(table, name, kind, empty), chunk_size)
                break
            except _NoNumber:
                if (kind, empty) == kinds[-1]:
                    raise
    else:
        with PackWriter(output_path, drop_if_exists) as pack:
            pack.add(_by_pandas(path, name, dtype, delimiter, lines, options), chunk_size)
    return opened(output_path) if return_npk_obj else None


def from_txt(
    input_path: str | os.PathLike[str],
    output_path: str | os.PathLike[str],
    array_name: str | None = None,
    drop_if_exists: bool = False,
    dtype: Any = None,
    delimiter: str | None = None,
    skiprows: int = 0,
    chunk_size: int = DEFAULT_CHUNK_SIZE,
    return_npk_obj: bool = False,
    *,
    skip_header: int | None = None,
    **kwargs: Any,
) -> Any:
    """As `from_csv`, with words that white space divides unless a delimiter is given."""
    if delimiter is not None and not delimiter.strip(" "):
        delimiter = None  # any number of blanks
    return from_csv(
        input_path,
        output_path,
        array_name,
        drop_if_exists,
        dtype,
        delimiter,
        skiprows,
        None,
        chunk_size,
        return_npk_obj,
        skip_header=skip_header,
        **kwargs,
    )


# -- writing --------------------------------------------------------------------------------------------


def to_csv(
    input_path: str | os.PathLike[str],
    output_path: str | os.PathLike[str],
    array_name: str | None = None,
    delimiter: str = ",",
    header: bool | str | None = False,
    fmt: str | Sequence[str] | None = None,
    chunk_size: int = DEFAULT_CHUNK_SIZE,
    **kwargs: Any,
) -> None:
    """Writes an array of a pack, of at most two dimensions, as text: a row a line.

    array_name: needed where the pack has several. header: a line at the beginning, behind "# ": True writes
    col0, col1, …, a str itself. fmt: as numpy.savetxt has it; by default %.18e for floats, from which they
    read back the same, and %d for integers and bools, which %.18e would round from 2**53 on. kwargs: newline,
    footer, comments, encoding, as of numpy.savetxt. chunk_size bounds the bytes of rows held at once. An
    existing file is replaced when the new one is complete.

    Raises ValueError where array_name is needed and for arrays of three and more dimensions; KeyError for an
    array that the pack does not have; FileNotFoundError and FormatError for the pack.
    """
    newline, encoding = kwargs.pop("newline", "\n"), kwargs.pop("encoding", None)
    footer, comments = kwargs.pop("footer", ""), kwargs.pop("comments", "# ")
    if kwargs:
        raise TypeError(
            f"unknown arguments {sorted(kwargs)}; there are comments, encoding, footer and newline"
        )
    with reading(input_path) as pack:
        rows = pack.rows(pack.one(array_name))
        if len(rows.shape) > 2:
            raise ValueError(
                f"Expected 1D or 2D array: {input_path}: array {rows.name!r} has shape {rows.shape}"
            )
        if header is True:
            header = delimiter.join(f"col{i}" for i in range(rows.shape[1] if len(rows.shape) > 1 else 1))
        if fmt is None:
            fmt = "%d" if rows.dtype.kind in "iub" else "%.18e"
        with aside(output_path) as to, open(to, "w", encoding=encoding, newline="") as f:
            if header:
                f.write(comments + header.replace("\n", "\n" + comments) + newline)
            # As Python's objects and text the numbers take some 20 times their bytes.
            for block in rows.blocks(min(chunk_size // 20 + 1, _rows.PIECE)):
                _write(f, block, delimiter, fmt, newline)
            if footer:
                f.write(comments + footer.replace("\n", "\n" + comments) + newline)


def _write(f: Any, block: np.ndarray, delimiter: str, fmt: str | Sequence[str], newline: str) -> None:
    block = block.reshape(-1, 1) if block.ndim < 2 else block
    one = isinstance(fmt, str) and fmt.replace("%%", "").count("%") == 1
    if not one or block.dtype.kind == "c" or not block.shape[1]:
        np.savetxt(f, block, fmt, delimiter, newline)
        return
    line = delimiter.join([str(fmt)] * block.shape[1]) + newline
    with suppress(TypeError):
        # One formatting for all rows at once takes half the time of savetxt's one for each.
        f.write(line * len(block) % tuple(block.reshape(-1).tolist()))
        return
    np.savetxt(f, block, fmt, delimiter, newline)


def to_txt(
    input_path: str | os.PathLike[str],
    output_path: str | os.PathLike[str],
    array_name: str | None = None,
    delimiter: str = " ",
    fmt: str | Sequence[str] | None = None,
    chunk_size: int = DEFAULT_CHUNK_SIZE,
    *,
    header: bool | str | None = False,
    **kwargs: Any,
) -> None:
    """As `to_csv`, with blanks between the words."""
    to_csv(input_path, output_path, array_name, delimiter, header, fmt, chunk_size, **kwargs)
