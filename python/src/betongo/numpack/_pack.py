"""The NumPack class: a pack of arrays in a folder."""

from __future__ import annotations

import errno
import os
import shutil
import threading
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ._folder import is_pack, lock
from ._format import DTYPE_NAMES, META, number_of
from ._lazy import LazyArray
from ._rows import Array, Files
from ._store import Store

if TYPE_CHECKING:
    from .batch_mode import BatchModeContext
    from .writable_array import WritableBatchMode

__all__ = ["NumPack"]

Rows = "int | list[int] | tuple[int, ...] | Array | slice"


class NumPack:
    """Arrays by name in a folder, a pack, as NumPack 0.7 has them and reads them.

    Rows are given by their number among those that are left; negative ones count from the end. What changes
    is seen by this object at once, and stands on disk from flush() or close() on, wholly or not at all: a
    process that is killed before leaves the pack as it was.

    A pack that is only read is never locked. From its first change until close() it is locked: another object
    or process, be it this package's or the Go package's, that begins a change gets a BlockingIOError. Reading
    goes on meanwhile, of the pack as it was when it was opened.

    Methods are safe for concurrent use by threads; each iterator of stream_load is for one thread. In a
    process that was forked off, what the parent has begun to change can only be read.

    Errors: KeyError for an array that isn't there, ValueError for shapes, names and dtypes that don't fit
    (one that is a TypeError too for dtypes that packs don't have), IndexError, that is a ValueError too, for
    rows that aren't there, betongo.errors.FormatError for a broken pack, which is never written to,
    RuntimeError where the pack isn't open.
    """

    def __init__(
        self,
        filename: str | os.PathLike[str],
        drop_if_exists: bool = False,
        strict_context_mode: bool = False,
        warn_no_context: bool | None = None,
        force_gc_on_close: bool = False,
        *,
        segment_bytes: int | None = None,
    ) -> None:
        """Names a pack; open() or a with statement opens it.

        drop_if_exists: open() deletes what is in the pack, or the file of that name. A folder that is no
        pack, and not empty, is an error. strict_context_mode: methods work within a with statement only.
        warn_no_context: whether to warn without strict_context_mode; None: on Windows. force_gc_on_close:
        close() collects garbage. segment_bytes: arrays that are saved and larger are split into files of this
        size. None: as the environment's NUMPACK_SEGMENT_TARGET_BYTES says, else one file for each array,
        which alone can be mapped as a whole.
        """
        self._filename = Path(filename)
        self._drop_if_exists = drop_if_exists
        self._strict_context_mode = strict_context_mode
        self._force_gc_on_close = force_gc_on_close
        if segment_bytes is None:
            said = os.environ.get("NUMPACK_SEGMENT_TARGET_BYTES", "")
            segment_bytes = int(said) if said.isdecimal() else 0
        if segment_bytes < 0:
            raise ValueError(f"segment_bytes of {segment_bytes}")
        self._segment_bytes = segment_bytes
        self._store: Store | None = None
        self._entered = False
        self._batch: BatchModeContext | None = None
        self._mutex = threading.RLock()
        if not strict_context_mode and (os.name == "nt" if warn_no_context is None else warn_no_context):
            warnings.warn(
                f"the pack {filename} is used without strict_context_mode: Windows can't move "
                "or delete its files before close()",
                UserWarning,
                stacklevel=2,
            )

    # Open and close

    def open(self) -> None:
        """Opens the pack, and makes an empty one where there is none; does nothing where it is open.

        What a process that was killed while it changed the pack has left to do is done. Raises FormatError
        for a broken pack, FileExistsError for a folder that is no pack and not empty.
        """
        with self._mutex:
            if self._store is not None:
                return
            path = self._filename
            if self._drop_if_exists:
                _clear(path)
            path.mkdir(parents=True, exist_ok=True)
            self._store = Store(path, self._segment_bytes)
            self._drop_if_exists = False

    def close(self, force_gc: bool | None = None) -> None:
        """Flushes and closes; does nothing where the pack is closed. open() opens it again."""
        with self._mutex:
            store = self._store
            if store is None:
                return
            try:
                if self._batch is not None:
                    self._batch._write()
            finally:
                self._store = None
                store.close()
        if self._force_gc_on_close if force_gc is None else force_gc:
            import gc

            gc.collect()

    def flush(self) -> None:
        """Makes the changes so far stand, on disk. The pack stays open, and locked if it was changed."""
        with self._mutex:
            self._open().flush()

    def __enter__(self) -> NumPack:
        self.open()
        self._entered = True
        return self

    def __exit__(self, *exc: object) -> None:
        try:
            self.close()
        finally:
            self._entered = False

    def __del__(self) -> None:
        try:
            if getattr(self, "_store", None) is not None:
                self.close()
        except Exception:  # at the interpreter's end nothing may be left to close with
            pass

    def __getstate__(self) -> dict[str, Any]:
        """Another process gets the pack's name, and opens it if it was open."""
        with self._mutex:
            if self._store is not None and self._store.changed:
                raise ValueError(f"{self._filename}: flush() before the pack goes to another process")
            state = {k: v for k, v in self.__dict__.items() if k not in ("_mutex", "_batch")}
            state["_store"] = self._store is not None
            return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        opened = state.pop("_store")
        self.__dict__.update(state, _store=None, _batch=None, _mutex=threading.RLock())
        if opened:
            self.open()

    def _open(self) -> Store:
        """The pack's arrays, where it is open."""
        if self._store is None:
            raise RuntimeError(f"{self._filename}: the pack is not opened or has been closed: call open()")
        if self._strict_context_mode and not self._entered:
            raise RuntimeError(
                f"{self._filename}: strict context mode allows use within a with statement only"
            )
        return self._store

    # Whole arrays

    def save(self, arrays: Mapping[str, Any]) -> None:
        """Writes arrays of one dimension or more, which replace those of their names.

        Elements are bool, integers, floats of 2 to 8 bytes or complex; big-endian ones are stored
        little-endian, with the same values, and every array in C order, whatever its strides. Where one of
        them doesn't fit, none is written.
        """
        with self._mutex:
            store, ready = self._open(), _arrays(arrays)
            for name, a in ready.items():
                store.check(name, a)
            if self._batch is not None:
                self._batch._keep(arrays, ready)
                return
            for name, a in ready.items():
                store.save(name, a)

    def load(self, array_name: str, lazy: bool = False) -> Any:
        """Returns an array: in new memory, or with lazy as a LazyArray, which reads what it is asked for.

        Within batch_mode, the array in memory that the batch works on.
        """
        with self._mutex:
            store = self._open()
            if self._batch is not None:
                return self._batch._load(array_name)
            t = store.table(array_name)
            if not lazy:
                return store.read_rows(t, 0, t.left)
            if t.patch:
                store.flush()
            return LazyArray._of(store, array_name)

    def clone(self, source_name: str, target_name: str) -> None:
        """Copies an array to a new name, in bounded memory; ValueError where the name is taken."""
        with self._mutex:
            store = self._written()
            t = store.table(source_name)
            if target_name in store.tables:
                raise ValueError(f"{self._filename}: there is an array {target_name!r} already")
            store.check(target_name, np.empty((0, *t.shape[1:]), t.dtype))
            store.begin()
            store.copy(store.table(source_name), target_name, store.segment_bytes)

    def reset(self) -> None:
        """Takes all arrays out of the pack."""
        with self._mutex:
            store = self._open()
            if self._batch is not None:
                self._batch._forget()
            store.begin()
            for name in list(store.tables):
                store.remove(name)

    # Rows

    def replace(self, arrays: Mapping[str, Any], indexes: Any) -> None:
        """Writes rows in the place of others: the first of an array's in that of the first index, and so on.

        An array for a single row may lack the dimension of rows. indexes are an int, ints in a list, a tuple
        or an array, a mask, or a slice, stepped ones too. Up to 64 MiB of replaced rows wait in memory for
        the next flush; one follows by itself where there are more.
        """
        with self._mutex:
            store, ready = self._written(arrays), _arrays(arrays)
            todo = []
            for name, a in ready.items():
                t = store.table(name)
                rows = _rows(indexes, t.left)
                store.locate(t, rows)
                if a.ndim == len(t.shape) - 1 and len(rows) == 1:
                    a = a[None]
                store.match(t, a, len(rows))
                todo.append((name, rows, a))
            for name, rows, a in todo:
                store.replace(name, rows, a)

    def append(self, arrays: Mapping[str, Any]) -> None:
        """Adds rows behind the last of arrays that are there, of their dtype and other dimensions.

        Where one of them doesn't fit, nothing is appended.
        """
        with self._mutex:
            store, ready = self._written(arrays), _arrays(arrays)
            for name, a in ready.items():
                if name not in store.tables:
                    raise ValueError(f"{self._filename}: no array {name!r} to append to")
                store.match(store.table(name), a, None)
            for name, a in ready.items():
                store.append(name, a)

    def drop(self, array_name: str | list[str], indexes: Any = None) -> None:
        """Takes rows away, or without indexes all of them, of an array or several.

        An array without rows stays in the pack. indexes are as with replace; a row that isn't there is an
        IndexError, and nothing is dropped; one that is named twice is dropped once. Dropping all of an array
        that isn't there does nothing. The bytes of rows stay in the files until update().
        """
        with self._mutex:
            names = [array_name] if isinstance(array_name, str) else list(array_name)
            store = self._written(names)
            if indexes is None:
                for name in names:
                    if name in store.tables:
                        store.drop_all(name)
                return
            todo = []
            for name in dict.fromkeys(names):
                t = store.table(name)
                rows = _rows(indexes, t.left)
                store.locate(t, rows)
                todo.append((name, rows))
            for name, rows in todo:
                store.drop(name, rows)

    def getitem(self, array_name: str, indexes: Any) -> Array:
        """Copies some rows; indexes are as with replace. The result has the dimension of rows for one too."""
        with self._mutex:
            store = self._written([array_name])
            t = store.table(array_name)
            return store.gather(t, _rows(indexes, t.left))

    def stream_load(self, array_name: str, buffer_size: int | None = None) -> Iterator[Array]:
        """Gives an array's rows in batches of buffer_size, one row each where it is None; the last may have
        fewer. Batches are the caller's. It is of the array as it is now; memory for one batch is needed."""
        if buffer_size is not None and buffer_size <= 0:
            raise ValueError(f"buffer_size of {buffer_size}, want 1 or more")
        with self._mutex:
            store = self._written([array_name])
            if store.table(array_name).patch:
                store.flush()
            files = Files(store.folder, store.table(array_name)).hold()
        return files.batches(buffer_size or 1)

    def update(self, array_name: str) -> None:
        """Writes an array anew without the rows that were dropped; does nothing where there are none."""
        with self._mutex:
            store = self._written([array_name])
            store.table(array_name)
            store.compact(array_name)

    # What there is

    def get_shape(self, array_name: str) -> tuple[int, ...]:
        """The shape of an array, without rows that were dropped."""
        with self._mutex:
            self._open()
            if self._batch is not None and array_name in self._batch._arrays:
                return self._batch._arrays[array_name].shape
            return self._open().table(array_name).logical

    def get_member_list(self) -> list[str]:
        """The names of the arrays, in the order of the metadata."""
        with self._mutex:
            names = list(self._open().tables)
            if self._batch is not None:
                names += [name for name in self._batch._arrays if name not in names]
            return names

    def has_array(self, array_name: str) -> bool:
        """Whether there is an array of that name."""
        return array_name in self.get_member_list()

    def get_modify_time(self, array_name: str) -> int | None:
        """When an array was modified, in microseconds since 1970; None where it isn't there."""
        with self._mutex:
            t = self._open().tables.get(array_name)
            return None if t is None else t.modified

    def get_metadata(self) -> dict[str, Any]:
        """What the metadata tell: arrays by name with shape (of the data, dropped rows included), data_file,
        last_modified (microseconds since 1970), size_bytes and dtype ("Float32"); base_dir; total_arrays."""
        with self._mutex:
            store = self._written()
            arrays = {
                t.name: {
                    "shape": list(t.shape),
                    "data_file": t.file,
                    "last_modified": t.modified,
                    "size_bytes": t.rows * t.row,
                    "dtype": DTYPE_NAMES[number_of(t.dtype)],
                }
                for t in store.tables.values()
            }
            return {"arrays": arrays, "base_dir": str(self._filename), "total_arrays": len(arrays)}

    def get_io_stats(self) -> dict[str, Any]:
        """Whether there are statistics: no."""
        return {"backend_type": self.backend_type, "stats_available": False}

    def __getitem__(self, key: str) -> Any:
        return self.load(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self.get_member_list())

    def __contains__(self, name: object) -> bool:
        return name in self.get_member_list()

    def __len__(self) -> int:
        return len(self.get_member_list())

    def __bool__(self) -> bool:
        return True

    @property
    def backend_type(self) -> str:
        """What works on the files: NumPy."""
        return "numpy"

    @property
    def is_opened(self) -> bool:
        return self._store is not None

    @property
    def is_closed(self) -> bool:
        return self._store is None

    def __repr__(self) -> str:
        state = f"arrays={len(self._store.tables)}" if self._store is not None else "status=closed"
        return f"NumPack({self._filename}, {state}, backend={self.backend_type})"

    # Modes

    def batch_mode(self, memory_limit: float | None = None) -> BatchModeContext:
        """Within it arrays are loaded once, kept in memory and written at its end, those that changed.

        memory_limit: megabytes of arrays that are kept; saved ones are written, and others not kept, beyond.
        """
        from .batch_mode import BatchModeContext

        return BatchModeContext(self, memory_limit)

    def writable_batch_mode(self) -> WritableBatchMode:
        """Within it load() of what it returns gives arrays over their files, which change with them."""
        from .writable_array import WritableBatchMode

        return WritableBatchMode(self)

    def _written(self, names: Any = None) -> Store:
        """The pack, with what a batch has in memory of some arrays, or all, written to it."""
        store = self._open()
        if self._batch is not None:
            self._batch._write(names)
        return store


def _arrays(arrays: Mapping[str, Any]) -> dict[str, Array]:
    if not isinstance(arrays, Mapping):
        raise ValueError(f"arrays must be a dictionary of arrays by name, not {type(arrays).__name__}")
    ready = {}
    for name, a in arrays.items():
        if isinstance(a, np.ma.MaskedArray):
            raise TypeError(f"array {name!r}: a masked array, whose mask a pack can't keep")
        if not hasattr(a, "dtype") or not hasattr(a, "shape"):
            raise TypeError(f"array {name!r}: a {type(a).__name__}, want an array")
        ready[name] = np.asarray(a)
    return ready


def _rows(indexes: Any, left: int) -> Array:
    """Rows by number from what a caller gives for them."""
    if isinstance(indexes, slice):
        return np.arange(left, dtype=np.int64)[indexes]
    if isinstance(indexes, range):
        indexes = list(indexes)
    if isinstance(indexes, (bool, np.bool_)) or not isinstance(
        indexes, (int, np.integer, list, tuple, np.ndarray)
    ):
        raise ValueError(
            f"indexes of {type(indexes).__name__}: they must be int or list or numpy.ndarray or slice"
        )
    rows = np.atleast_1d(np.asarray(indexes))
    if rows.dtype == bool:
        if rows.shape != (left,):
            raise IndexError(f"a mask of shape {rows.shape} for {left} rows")
        return rows.nonzero()[0]
    if rows.size == 0:
        return np.empty(0, np.int64)
    if rows.dtype.kind not in "iu" or rows.ndim != 1:
        raise ValueError(
            f"indexes of dtype {rows.dtype} and shape {rows.shape}: want integers in one dimension"
        )
    return rows.astype(np.int64)


def _clear(path: Path) -> None:
    """Deletes what is in a pack, or the file of that name."""
    if path.is_symlink() and not path.exists():
        raise OSError(errno.ELOOP, "a symbolic link to nothing", str(path))
    if path.is_file():
        path.unlink()
    if not path.is_dir():
        return
    if not is_pack(path, META):
        raise FileExistsError(errno.EEXIST, "no pack, and not empty: it is not deleted", str(path))
    fd = lock(str(path))
    try:
        # Without metadata there is no pack: a process that is killed leaves no half of one.
        names = sorted(os.listdir(path), key=lambda name: name != META)
        for name in names:
            file = path / name
            if name == "npk.lock":
                continue
            if file.is_dir() and not file.is_symlink():
                shutil.rmtree(file)
            else:
                file.unlink()
    finally:
        os.close(fd)
