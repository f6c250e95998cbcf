"""Arrays of a pack whose rows are read when they are asked for."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ._format import Bitmap
from ._rows import Maps

if TYPE_CHECKING:
    from ._store import Store

__all__ = ["LazyArray"]

Array = np.ndarray[Any, Any]
CHUNK = 16 << 20  # bytes of rows that a slice gathers at once


class LazyArray:
    """An array over maps of its files, read-only, as it was when it was loaded.

    Indexing is NumPy's, in full, and gives new arrays, which are the caller's: they take the memory of the
    rows that were asked for. Pages of the files that were read count as the process' memory too, until the
    system wants them for something else; a LazyArray itself takes a few hundred bytes, and a bit for each row
    where rows were dropped.

    np.asarray(lazy) is a read-only view over the file, without a copy, where the array is one file without
    dropped rows, else a new array; views keep the map alive, after close() too. Operators, and functions of
    NumPy, give NumPy's arrays and read all rows.

    Rows that are replaced later show in it once they are flushed; rows that are appended or dropped don't.
    Safe for concurrent use.
    """

    def __init__(
        self,
        name: str,
        dtype: np.dtype[Any],
        shape: tuple[int, ...],
        parts: Sequence[Array],
        starts: Sequence[int],
        dead: Bitmap | None,
    ) -> None:
        self._name, self._dtype, self._shape = name, dtype, shape
        self._parts, self._dead = parts, dead
        self._starts = np.array(starts, np.int64)  # of each part, and the end
        self._whole: Array | None = None
        if len(parts) <= 1 and dead is None:
            self._whole = parts[0] if parts else np.empty(shape, dtype)
        self._closed = False

    @classmethod
    def _of(cls, store: Store, name: str) -> LazyArray:
        t = store.table(name)
        dead = None if t.dead is None or t.dead.left == t.rows else t.dead.copy()
        starts = [*(p.start for p in t.parts), t.rows]
        return cls(name, t.dtype, t.logical, Maps(store.folder, replace(t)), starts, dead)

    # What it is

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape, without rows that were dropped."""
        return self._shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self._dtype

    @property
    def ndim(self) -> int:
        return len(self._shape)

    @property
    def size(self) -> int:
        return math.prod(self._shape)

    @property
    def itemsize(self) -> int:
        return self._dtype.itemsize

    @property
    def nbytes(self) -> int:
        return self.size * self.itemsize

    @property
    def T(self) -> Array:
        """The transposed array, read."""
        return self._all().T

    def __len__(self) -> int:
        return self._shape[0]

    def __repr__(self) -> str:
        with np.printoptions(threshold=50, edgeitems=3):
            body = np.array2string(self._edges()) if self.size else "[]"
        return f"LazyArray({self._name!r}, shape={self._shape}, dtype={self._dtype},\n{body})"

    def _edges(self) -> Array:
        """The first and last rows."""
        if len(self) <= 6 or self._whole is not None:
            return self._read()
        return np.concatenate([self[:3], self[-3:]])

    # Rows

    def _read(self) -> Array:
        if self._closed:
            raise ValueError(f"array {self._name!r} was closed")
        return self._all()

    def _all(self) -> Array:
        """The whole array: a read-only view where that is possible."""
        if self._closed:
            raise ValueError(f"array {self._name!r} was closed")
        return self._rows(0, len(self)) if self._whole is None else self._whole

    def _rows(self, lo: int, hi: int) -> Array:
        """Copies rows lo to hi."""
        if self._dead is not None:
            return self._gather(self._dead.span(lo, hi))
        out = np.empty((hi - lo, *self._shape[1:]), self._dtype)
        ends = self._starts
        first = int(np.searchsorted(ends, lo, "right")) - 1
        for k in range(first, int(np.searchsorted(ends, hi, "left")) if lo < hi else first):
            start = int(ends[k])
            part = self._parts[k]
            a, b = max(lo, start), min(hi, int(ends[k + 1]))
            out[a - lo : b - lo] = part[a - start : b - start]
        return out

    def _gather(self, at: Array) -> Array:
        """Copies rows by where they lie in the data."""
        out = np.empty((len(at), *self._shape[1:]), self._dtype)
        if len(self._parts) == 1:
            np.take(self._parts[0], at, axis=0, out=out, mode="clip")  # they are there; clip copies once
            return out
        which = np.searchsorted(self._starts, at, "right") - 1
        for k in np.unique(which).tolist():
            mine = which == k
            out[mine] = self._parts[k][at[mine] - self._starts[k]]
        return out

    def _pick(self, rows: Array) -> Array:
        """Copies rows by their number, negative ones from the end; IndexError."""
        n = len(self)
        bad = (rows < -n) | (rows >= n)
        if bad.any():
            raise IndexError(f"array {self._name!r}: index {rows[bad][0]} is out of bounds for {n} rows")
        rows = np.where(rows < 0, rows + n, rows).astype(np.int64, copy=False)
        return self._gather(rows if self._dead is None else self._dead.find(rows))

    def __getitem__(self, key: Any) -> Any:
        if self._closed:
            raise ValueError(f"array {self._name!r} was closed")
        if self._whole is not None:
            got = self._whole[key]
            return got.copy() if isinstance(got, np.ndarray) and not got.flags.owndata else got
        return self._select(key)

    def _select(self, key: Any) -> Any:
        """NumPy's indexing where the rows lie apart: those that the first index names are gathered, and the
        index is made one into them."""
        parts = list(key) if isinstance(key, tuple) else [key]
        parts = [np.asarray(k) if isinstance(k, list) else k for k in parts]
        at = _axis0(parts, self.ndim)
        if at is None:  # nothing speaks of the rows
            return self._all()[key]
        first = parts[at]
        if isinstance(first, slice):
            return self._slice(parts, at, range(len(self))[first])
        if isinstance(first, np.ndarray) and first.dtype == bool or isinstance(first, (bool, np.bool_)):
            mask = np.asarray(first)
            if mask.ndim == 0:
                return self._all()[key]
            if mask.shape != self._shape[: mask.ndim]:
                raise IndexError(f"a boolean index of shape {mask.shape} for an array of shape {self._shape}")
            parts[at : at + 1] = mask.nonzero()
            first = parts[at]
        if isinstance(first, np.ndarray) and first.size == 0 and first.dtype.kind == "f":
            first = first.astype(np.int64)  # an empty list
        index = np.asarray(first)
        if index.dtype.kind not in "iu":
            raise IndexError(f"array {self._name!r}: an index of {type(first).__name__}, {index.dtype}")
        names, back = np.unique(index.reshape(-1), return_inverse=True)
        rows = self._pick(names)
        parts[at] = int(back[0]) if index.ndim == 0 else back.reshape(index.shape)
        got = rows[tuple(parts)]
        return got.copy() if isinstance(got, np.ndarray) and not got.flags.owndata else got

    def _slice(self, parts: list[Any], at: int, rows: range) -> Any:
        """A slice of the rows, a piece at a time where the rest of the index makes less of them."""
        row = max(1, self.nbytes // max(1, len(self)))
        step = max(1, CHUNK // row)
        basic = all(k is None or k is Ellipsis or isinstance(k, (slice, int, np.integer)) for k in parts)
        if len(rows) > step and basic and not _all_of(parts, at):
            pieces = [self._slice(parts, at, rows[i : i + step]) for i in range(0, len(rows), step)]
            return np.concatenate(pieces, axis=sum(k is None for k in parts[:at]))
        if rows.step == 1:
            got = self._rows(rows.start, max(rows.start, rows.stop))
        else:
            got = self._pick(np.arange(rows.start, rows.stop, rows.step))
        if len(parts) == 1:
            return got
        parts = [*parts[:at], slice(None), *parts[at + 1 :]]
        out = got[tuple(parts)]
        return (
            out.copy()
            if isinstance(out, np.ndarray) and out.base is not None and out.size < got.size
            else out
        )

    def __iter__(self) -> Iterator[Any]:
        """The rows, each a copy."""
        step = max(1, (1 << 20) * len(self) // max(1, self.nbytes))
        for lo in range(0, len(self), step):
            for row in self[lo : lo + step]:
                yield row.copy() if isinstance(row, np.ndarray) else row

    def reshape(self, *shape: Any) -> LazyArray:
        """The same elements in another shape, which may have one -1; no data are read where the array is one
        file without dropped rows."""
        want = shape[0] if len(shape) == 1 else shape
        if any(d < -1 for d in np.atleast_1d(want).tolist()):
            raise ValueError(f"array {self._name!r}: shape {want}, of whose dimensions one may be -1")
        whole = self._all().reshape(want)
        return LazyArray(self._name, self._dtype, whole.shape, [whole], [0, len(whole)], None)

    def copy(self) -> Array:
        """All rows, in memory."""
        return self._all().copy() if self._whole is not None else self._all()

    def __copy__(self) -> Array:
        return self.copy()

    def __deepcopy__(self, memo: Any) -> Array:
        return self.copy()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        got = self._all()
        if dtype is not None and np.dtype(dtype) != got.dtype:
            if copy is False:
                raise ValueError(f"array {self._name!r}: of {got.dtype}, {np.dtype(dtype)} needs a copy")
            return got.astype(dtype)
        if copy and got is self._whole:
            return got.copy()
        if copy is False and self._whole is None:
            raise ValueError(f"array {self._name!r}: its rows lie apart, an array of them needs a copy")
        return got

    # Names that NumPack has for ways of gathering rows

    def vectorized_gather(self, indices: Sequence[int]) -> Array:
        """Copies some rows, in the order asked for; IndexError."""
        return np.asarray(self[np.asarray(indices, np.int64)])

    def mega_batch_get_rows(self, indices: Sequence[int], batch_size: int = 1000) -> list[Array]:
        """Some rows, each an array of its own."""
        if batch_size < 0:
            raise ValueError(f"batch_size of {batch_size}")
        return list(self.vectorized_gather(indices))

    def parallel_boolean_index(self, mask: Sequence[bool]) -> Array:
        """The rows that the mask, as long as the array, has True for."""
        return np.asarray(self[np.asarray(mask, bool)])

    boolean_index_smart = parallel_boolean_index
    boolean_index_adaptive = parallel_boolean_index
    boolean_index_production = parallel_boolean_index
    boolean_index_adaptive_algorithm = parallel_boolean_index

    def choose_optimal_algorithm(self, mask: Sequence[bool]) -> str:
        """The way a mask is taken; there is one."""
        return "gather"

    def intelligent_warmup(self, hint: str) -> None:
        """Does nothing, as in NumPack."""

    def close(self) -> None:
        """Gives the maps back; arrays that were read, and views, stay. The array is of no use any more."""
        self._closed, self._whole, self._parts = True, None, []

    def __enter__(self) -> LazyArray:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    __hash__ = None  # type: ignore[assignment]

    def __contains__(self, value: object) -> bool:
        return value in self._all()


def _axis0(parts: list[Any], ndim: int) -> int | None:
    """Which part of an index speaks of axis 0; an ellipsis is replaced by a slice where it stands for it."""
    for i, k in enumerate(parts):
        if k is None:
            continue
        if k is not Ellipsis:
            return i
        used = sum(_dims(o) for o in parts[i + 1 :])
        if used >= ndim:
            del parts[i]
            return i
        parts.insert(i, slice(None))
        return i
    return None


def _dims(k: Any) -> int:
    """How many axes a part of an index speaks of."""
    if k is None or k is Ellipsis:
        return 0
    if isinstance(k, np.ndarray) and k.dtype == bool:
        return k.ndim
    return 1


def _all_of(parts: list[Any], at: int) -> bool:
    """Whether an index takes whole rows."""
    return all(i == at or k is None or k is Ellipsis or k == slice(None) for i, k in enumerate(parts))


def _plain(value: Any) -> Any:
    return value._all() if isinstance(value, LazyArray) else value


def _binary(name: str, swap: bool) -> Callable[..., Any]:
    ufunc = getattr(np, name)

    def op(self: LazyArray, other: Any) -> Any:
        if other is None or isinstance(other, (str, bytes, dict)):
            return NotImplemented
        a, b = self._all(), _plain(other)
        return ufunc(b, a) if swap else ufunc(a, b)

    return op


def _pow(swap: bool) -> Callable[..., Any]:
    def op(self: LazyArray, other: Any, modulo: Any = None) -> Any:
        if modulo is not None:
            raise TypeError("pow() of an array has no third argument")
        a, b = self._all(), _plain(other)
        return b**a if swap else a**b

    return op


def _unary(name: str) -> Callable[[LazyArray], Any]:
    ufunc = getattr(np, name)

    def op(self: LazyArray) -> Any:
        return ufunc(self._all())

    return op


_OPERATORS = {
    "add": "add",
    "sub": "subtract",
    "mul": "multiply",
    "truediv": "true_divide",
    "floordiv": "floor_divide",
    "mod": "remainder",
    "matmul": "matmul",
    "and": "bitwise_and",
    "or": "bitwise_or",
    "xor": "bitwise_xor",
    "lshift": "left_shift",
    "rshift": "right_shift",
}
for _op, _name in _OPERATORS.items():
    setattr(LazyArray, f"__{_op}__", _binary(_name, False))
    setattr(LazyArray, f"__r{_op}__", _binary(_name, True))
for _op, _name in {
    "eq": "equal",
    "ne": "not_equal",
    "lt": "less",
    "le": "less_equal",
    "gt": "greater",
    "ge": "greater_equal",
}.items():
    setattr(LazyArray, f"__{_op}__", _binary(_name, False))
for _op, _name in {"pos": "positive", "neg": "negative", "abs": "absolute", "invert": "invert"}.items():
    setattr(LazyArray, f"__{_op}__", _unary(_name))
setattr(LazyArray, "__pow__", _pow(False))
setattr(LazyArray, "__rpow__", _pow(True))
