"""A pack that is open: its arrays as they are read, and the changes that wait for the next flush.

What changes stands from flush on, wholly or not at all: new rows lie beside or behind those that count until
the metadata tell of them. The Go package array/npk does the same with the same files.
"""

from __future__ import annotations

import errno
import os
import struct
from typing import Any

import numpy as np

from .. import errors
from .._aside import sync_dir, write_all, write_at
from ._folder import JOURNAL, LEFTOVER, LOCK, NEXT, PATCH, Folder, lock
from ._format import (
    LIST_LIMIT,
    META,
    META_LIMIT,
    SEGMENT,
    Bitmap,
    DTypeError,
    Part,
    RowError,
    Table,
    bitmap_file,
    check_name,
    clash,
    data_file,
    fold,
    format_list,
    format_meta,
    list_file,
    now,
    number_of,
    parse_list,
    parse_meta,
    segment_dir,
    segment_file,
    too_large,
)
from ._rows import BUFFER, Files, SavedRows, map_part, pieces

__all__: list[str] = []

Array = np.ndarray[Any, Any]

MAX_PATCH = 64 << 20  # bytes of replaced rows that wait in memory


class Store:
    """The arrays of a pack. Not safe for concurrent use: NumPack's lock is around it."""

    def __init__(self, path: str | os.PathLike[str], segment_bytes: int = 0) -> None:
        self.folder = Folder(path)
        self.path = self.folder.path
        self.segment_bytes = segment_bytes
        self.tables: dict[str, Table] = {}
        self.missing = False  # there are no metadata yet
        self.pid = os.getpid()
        self.lock_fd = -1
        self.failed: BaseException | None = None
        self._clear()
        self.read()

    def _clear(self) -> None:
        self.stand: set[str] = set()  # files that the metadata on disk name
        self.touched: set[str] = set()  # files to bring to disk
        self.lists: set[str] = set()  # arrays whose list of segments is to be written
        self.bitmaps: set[str] = set()  # arrays whose bitmap is to be written or removed
        self.stale: list[str] = []  # files to remove behind the next flush
        self.patched = 0  # bytes of rows that were replaced and wait
        self.meta = False  # the metadata are to be written

    @property
    def changed(self) -> bool:
        return self.meta or bool(self.bitmaps)

    # Reading

    def read(self) -> None:
        """Reads metadata, lists and bitmaps, and compares the data files' sizes with them.

        Another process that is flushing meanwhile is noticed, and all is read again.
        """
        for last in (False, False, False, True):
            self.folder.settle()
            before = self._mark()
            try:
                self._load()
            except (OSError, errors.FormatError):
                if last or before == self._mark() and not self.folder.exists(JOURNAL):
                    raise
                continue
            if before == self._mark() and not self.folder.exists(JOURNAL):
                break

    def _mark(self) -> tuple[int, ...] | None:
        try:
            s = os.stat(self.folder.join(META))
        except FileNotFoundError:
            return None
        return (s.st_ino, s.st_mtime_ns, s.st_size)

    def _load(self) -> None:
        self.tables = {}
        self.missing = not self.folder.exists(META)
        if self.missing:
            for name in os.listdir(self.path):
                if name != LOCK and not LEFTOVER.fullmatch(name):
                    raise FileExistsError(
                        errno.EEXIST, f"no pack, it has no {META}, and not empty", self.path
                    )
            return
        meta = self.folder.join(META)
        owner: dict[str, str] = {}
        for r in parse_meta(self.folder.read(META, META_LIMIT), meta):
            t = Table(r.name, r.dtype, r.shape, r.file, r.modified)
            self._load_parts(t)
            for p in t.parts:
                if p.file in owner:
                    raise errors.FormatError(
                        f"{meta}: array {t.name!r}: its file {p.file!r} is also one of {owner[p.file]!r}",
                        file=meta,
                    )
                owner[p.file] = t.name
            self.tables[t.name] = t

    def _load_parts(self, t: Table) -> None:
        t.parts = [Part(t.file, 0, t.rows)]
        if t.segmented:
            t.parts = parse_list(self.folder.read(t.file, LIST_LIMIT), t, self.folder.join(t.file))
        for p in t.parts:
            size, want = self.folder.size(p.file), p.rows * t.row
            if size < want:
                path = self.folder.join(p.file)
                raise errors.FormatError(
                    f"{path}: array {t.name!r}: {size} bytes, want {want}: {p.rows} rows of {t.dtype}",
                    file=path,
                    place=f"array {t.name!r}",
                    offset=size,
                    found=size,
                    expected=want,
                )
        name = bitmap_file(t.name)
        if self.folder.exists(name):
            try:
                t.dead = Bitmap.parse(self.folder.read(name, META_LIMIT), t.rows)
            except ValueError as e:
                path = self.folder.join(name)
                raise errors.FormatError(
                    f"{path}: array {t.name!r}: bitmap: {e}", file=path, place="bitmap"
                ) from None

    def table(self, name: str) -> Table:
        if not isinstance(name, str):
            raise TypeError(f"an array's name is a str, not {type(name).__name__}")
        try:
            return self.tables[name]
        except KeyError:
            raise KeyError(f"{self.path}: no array {name!r}") from None

    def map(self, t: Table, p: Part) -> Array:
        """A part's rows over a map of its file, read-only."""
        return map_part(self.folder, t, p)

    def read_rows(self, t: Table, lo: int, hi: int) -> Array:
        """Reads rows lo to hi of those that are left into new memory."""
        if t.dead is not None and t.dead.left != t.rows:
            if not t.patch:
                with Files(self.folder, t) as files:
                    return files.read_left(lo, hi)
            return self.gather_at(t, t.dead.span(lo, hi))
        return self._read_at(t, lo, hi)

    def _read_at(self, t: Table, lo: int, hi: int) -> Array:
        """Reads rows lo to hi, dropped ones included."""
        with Files(self.folder, t) as files:
            out = files.read(lo, hi)
        for row, data in t.patch.items():
            if lo <= row < hi:
                out[row - lo] = data
        return out

    def locate(self, t: Table, rows: Array) -> Array:
        """Where rows lie in the data; negative ones count from the end; IndexError."""
        rows = np.asarray(rows, np.int64)
        left = t.left
        bad = (rows < -left) | (rows >= left)
        if bad.any():
            raise RowError(f"{self.path}: array {t.name!r}: row {rows[bad][0]}, there are {left}")
        rows = np.where(rows < 0, rows + left, rows)
        return rows if t.dead is None else t.dead.find(rows)

    def gather(self, t: Table, rows: Array) -> Array:
        """Copies some rows, by their number among those that are left."""
        return self.gather_at(t, self.locate(t, rows))

    def gather_at(self, t: Table, at: Array) -> Array:
        out = np.empty((len(at), *t.shape[1:]), t.dtype)
        if out.nbytes:
            for p in t.parts:
                inside = (at >= p.start) & (at < p.end) if len(t.parts) > 1 else slice(None)
                if len(t.parts) == 1 or inside.any():  # type: ignore[union-attr]
                    out[inside] = map_part(self.folder, t, p)[at[inside] - p.start]
        if t.patch:
            for i, row in enumerate(at.tolist()):
                if row in t.patch:
                    out[i] = t.patch[row]
        return out

    # Changes

    def begin(self) -> None:
        """Takes the pack for changes; what another one changed since it was opened is seen from here on."""
        if self.failed is not None:
            raise errors.StateError(
                f"{self.path}: changes failed to be written; open the pack again"
            ) from self.failed
        if self.lock_fd >= 0:
            if self.pid != os.getpid():
                raise errors.StateError(
                    f"{self.path}: changes begun before a fork go on in the parent process only"
                )
            return
        fd = lock(self.path)
        try:
            self.folder.recover()
            self.read()
            for t in self.tables.values():
                for file in (META, *t.files(), bitmap_file(t.name)):
                    self.folder.no_link(file)
            if self.missing:  # a process that is killed from here on leaves an empty pack
                self.folder.write(META, format_meta([]))
                self.missing = False
            self._clear()
            self._stood()
            self._sweep()
            self.lock_fd, self.pid = fd, os.getpid()
            self._clip()
        except BaseException:
            self.lock_fd = -1
            os.close(fd)
            raise

    def _stood(self) -> None:
        """Notes what is on disk now."""
        self.stand = set()
        for t in self.tables.values():
            t.fresh, t.counted = False, list(t.parts)
            self.stand.update(fold(f) for f in t.files())

    def _sweep(self) -> None:
        """Removes what was written and never counted."""
        own: set[str] = set()  # files that new data of these arrays would have
        for t in self.tables.values():
            for gen in range(4):
                if gen or t.file not in (data_file(t.name, 0), list_file(t.name, 0)):
                    own |= {data_file(t.name, gen), list_file(t.name, gen), segment_dir(t.name, gen)}
        used = {f.split("/")[0] for f in self.stand}
        for name in os.listdir(self.path):
            if LEFTOVER.fullmatch(name) or name in own and fold(name) not in used:
                self._remove_tree(name)

    def _remove_tree(self, name: str) -> None:
        path = self.folder.join(name)
        if os.path.isdir(path) and not os.path.islink(path):
            import shutil

            shutil.rmtree(path)
        else:
            self.folder.remove(name)

    def _clip(self) -> None:
        """Takes away what lies behind the rows that count: NumPack appends at the end of a file."""
        for t in self.tables.values():
            if t.dead is not None and t.dead.ahead:
                t.dead.ahead = False
                self.bitmaps.add(t.name)
        if self.bitmaps:
            self.flush()
        for t in self.tables.values():
            for p in t.parts:
                self._cut(p, t.row)

    def _cut(self, p: Part, row: int) -> None:
        if os.path.getsize(self.folder.join(p.file)) > p.rows * row:
            fd = self.folder.open_write(p.file)
            try:
                os.ftruncate(fd, p.rows * row)
            finally:
                os.close(fd)

    def check(self, name: str, a: Array) -> None:
        """Whether an array can be saved under a name; TypeError, ValueError."""
        if not isinstance(name, str):
            raise TypeError(f"an array's name is a str, not {type(name).__name__}")
        if said := check_name(name):
            raise ValueError(said)
        try:
            number_of(a.dtype)
        except TypeError as e:
            raise DTypeError(f"array {name!r}: {e}") from None
        if a.ndim == 0:
            raise ValueError(
                f"array {name!r}: a scalar has no rows; an array of a pack has 1 to 64 dimensions"
            )
        if too_large(a.shape, a.dtype):
            raise ValueError(f"array {name!r}: shape {a.shape} of {a.dtype} is too large")
        for other in self.tables:
            if clash(other, name):
                raise ValueError(f"arrays {other!r} and {name!r} would have the same files on this system")

    def save(self, name: str, a: Array) -> None:
        """Writes an array, which replaces one of that name. It was checked."""
        self.begin()
        dtype = a.dtype.newbyteorder("<") if a.dtype.itemsize > 1 else a.dtype
        gen = 0
        while any(
            self._busy(f) for f in (data_file(name, gen), list_file(name, gen), segment_file(name, gen, 0))
        ):
            gen += 1
        t = Table(name, dtype, (0, *a.shape[1:]), data_file(name, gen), 0, fresh=True)
        most = max(1, self.segment_bytes // t.row) if self.segment_bytes and t.row else len(a)
        try:
            if len(a) > most:
                t.file = list_file(name, gen)
                self._remove_tree(segment_dir(name, gen))
                os.mkdir(self.folder.join(segment_dir(name, gen)))
            files = (
                [segment_file(name, gen, i) for i in range(-(-len(a) // most))] if len(a) > most else [t.file]
            )
            for i, file in enumerate(files):
                rows = a[i * most : (i + 1) * most]
                fd = self.folder.open_write(file, create=True)
                try:
                    for piece in pieces(rows, dtype):
                        write_all(fd, piece)
                finally:
                    os.close(fd)
                t.parts.append(Part(file, i * most, len(rows)))
        except BaseException:
            for p in t.parts:
                self.folder.remove(p.file)
            raise
        t.shape, t.modified = (len(a), *a.shape[1:]), now()
        if t.segmented:
            self.folder.write(t.file, format_list(t.parts, t.row))
        self._put(t)

    def _put(self, t: Table) -> None:
        """Puts a new array in the place of the old one."""
        old = self.tables.get(t.name)
        if old is not None:
            self._leave(old)
        self.touched.update(p.file for p in t.parts)
        self.bitmaps.add(t.name)  # one of an array that is no longer there
        self.tables[t.name] = t
        self.meta = True

    def _busy(self, file: str) -> bool:
        """Whether a file counts, on disk or for the next flush."""
        file = fold(file)
        return file in self.stand or any(file == fold(f) for t in self.tables.values() for f in t.files())

    def _leave(self, t: Table) -> None:
        self.stale += t.files()
        self.lists.discard(t.name)
        self.bitmaps.add(t.name)
        self.touched.difference_update(t.files())

    def match(self, t: Table, a: Array, rows: int | None) -> None:
        """Whether rows are an array's, of the same type in either byte order; ValueError."""
        want = ("any number", *t.shape[1:]) if rows is None else (rows, *t.shape[1:])
        if (a.dtype.kind, a.dtype.itemsize) != (t.dtype.kind, t.dtype.itemsize):
            raise ValueError(f"{self.path}: array {t.name!r}: rows of dtype {a.dtype}, want {t.dtype}")
        if a.ndim != len(t.shape) or a.shape[1:] != t.shape[1:] or rows is not None and len(a) != rows:
            raise ValueError(f"{self.path}: array {t.name!r}: rows of shape {a.shape}, want {want}")

    def append(self, name: str, a: Array) -> None:
        """Adds rows behind the last. They were matched."""
        self.begin()
        t = self.table(name)
        self.match(t, a, None)
        n = len(a)
        if n == 0:
            return
        t.parts = self._extend(t, a)
        t.shape = (t.rows + n, *t.shape[1:])
        t.modified = now()
        if t.dead is not None:
            t.dead.extend(n)
            self.bitmaps.add(name)
        if t.segmented:
            self.lists.add(name)
        self.meta = True

    def _extend(self, t: Table, a: Array) -> list[Part]:
        parts = [Part(p.file, p.start, p.rows) for p in t.parts]
        most, rows = len(a) + t.rows, t.rows
        if t.segmented and t.row:
            most = max(1, (self.segment_bytes or SEGMENT) // t.row)
        while len(a):
            if not parts or parts[-1].rows >= most:
                parts.append(Part(self._segment(t, len(parts)), rows, 0))
            p = parts[-1]
            k = min(len(a), most - p.rows)
            self._write_behind(p, a[:k], t)
            p.rows, rows, a = p.rows + k, rows + k, a[k:]
        return parts

    def _write_behind(self, p: Part, a: Array, t: Table) -> None:
        """Writes behind a part's rows; what lay there never counted."""
        at = p.rows * t.row
        fd = self.folder.open_write(p.file)
        try:
            if os.fstat(fd).st_size > at:
                os.ftruncate(fd, at)
            try:
                for piece in pieces(a, t.dtype):
                    write_at(fd, piece, at)
                    at += len(piece)
            except BaseException:
                os.ftruncate(fd, p.rows * t.row)
                raise
        finally:
            os.close(fd)
        self.touched.add(p.file)

    def _segment(self, t: Table, i: int) -> str:
        """Makes the file of one more segment, as NumPack would call it if that name is free."""
        folder = t.parts[0].file.split("/")[0] if t.parts else segment_dir(t.name, 0)
        self.folder.no_link(folder)
        os.makedirs(self.folder.join(folder), exist_ok=True)
        while self._busy(file := f"{folder}/seg_{i:06d}.npkd"):
            i += 1
        os.close(self.folder.open_write(file, create=True))
        return file

    def drop(self, name: str, rows: Array) -> None:
        """Takes rows away, by their number among those that are left. Their bytes stay until compact."""
        self.begin()
        t = self.table(name)
        at = self.locate(t, rows)
        if len(at) == 0:
            return
        dead = Bitmap.full(t.rows) if t.dead is None else t.dead.copy()
        dead.drop(at)
        t.dead = dead
        self.bitmaps.add(name)

    def drop_all(self, name: str) -> None:
        """Takes all rows of an array away, which stays in the pack."""
        self.begin()
        t = self.table(name)
        if t.left:
            t.dead = Bitmap(np.zeros(-(-t.rows // 64) * 8, np.uint8), t.rows)
            self.bitmaps.add(name)

    def remove(self, name: str) -> None:
        """Takes an array out of the pack."""
        self.begin()
        self._leave(self.table(name))
        del self.tables[name]
        self.meta = True

    def replace(self, name: str, rows: Array, a: Array) -> None:
        """Writes rows in the place of others; of a row that is named twice the last one stays."""
        self.begin()
        t = self.table(name)
        at = self.locate(t, rows)
        self.match(t, a, len(at))
        if len(at) == 0 or t.row == 0:
            return
        step = max(1, BUFFER // t.row)
        for i in range(0, len(at), step):
            data = np.array(a[i : i + step], t.dtype, order="C")  # a copy
            t.patch.update(zip(at[i : i + step].tolist(), data))
            t.modified, self.meta = now(), True
            self.patched += data.nbytes
            if self.patched > MAX_PATCH:
                self.flush()

    def compact(self, name: str, whole: bool = False) -> None:
        """Writes an array anew without the rows that were dropped; whole: in one file too."""
        self.begin()
        t = self.table(name)
        if t.dead is None and not (whole and t.segmented):
            return
        segment = 0 if whole else self.segment_bytes or (SEGMENT if t.segmented else 0)
        self.copy(t, name, segment)

    def copy(self, t: Table, name: str, segment: int) -> None:
        """Saves an array's rows under a name, a piece at a time."""
        keep, self.segment_bytes = self.segment_bytes, segment
        try:
            step = max(1, BUFFER * 4 // max(t.row, 1)) if t.row else max(t.left, 1)
            self.save(name, SavedRows(self.read_rows, t, step))  # type: ignore[arg-type]
        finally:
            self.segment_bytes = keep

    # Flushing

    def flush(self) -> None:
        """Makes the changes so far stand, on disk.

        After an error nothing more can be changed: what was told to do is done wholly when the pack is opened
        next, or not at all.
        """
        if self.lock_fd < 0 or not self.changed:
            return
        if self.pid != os.getpid():
            raise errors.StateError(
                f"{self.path}: changes begun before a fork are the parent process's to flush"
            )
        try:
            self._flush()
        except BaseException as e:
            self.failed = e
            os.close(self.lock_fd)
            self.lock_fd = -1
            raise

    def _flush(self) -> None:
        sync_dir(self.path)  # the names of new files
        for file in sorted(self.touched):
            self._sync(file)
        self.touched.clear()
        for name in sorted(self.lists):
            t = self.tables[name]
            self.folder.write(t.file, format_list(t.parts, t.row))
        self.lists.clear()
        self._commit()
        self._stood()
        for file in self.stale:
            if not self._busy(file):
                self.folder.remove(file)  # what stays is swept up later
                if "/" in file:
                    try:
                        os.rmdir(self.folder.join(file.split("/")[0]))
                    except OSError:
                        pass  # it isn't empty yet
        if self.patched:
            self.folder.remove(PATCH)
        for t in self.tables.values():
            t.patch = {}
        self.stale, self.meta, self.patched = [], False, 0
        self.bitmaps.clear()

    def _sync(self, file: str) -> None:
        fd = self.folder.open_write(file)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
        if "/" in file:
            sync_dir(os.path.dirname(self.folder.join(file)))

    def _commit(self) -> None:
        """Replaces metadata and bitmaps: by one rename where that is all, else by a journal."""
        changes: list[tuple[str, bytes | None]] = []
        for name in sorted(self.bitmaps):
            t, file = self.tables.get(name), bitmap_file(name)
            if t is not None and t.dead is not None:
                changes.append((file, t.dead.format()))
            elif self.folder.exists(file):
                changes.append((file, None))
        if self.meta:
            changes.append((META, format_meta(list(self.tables.values()))))
        steps = self._patches()
        if len(changes) == 1 and not steps and changes[0][1] is not None:
            self.folder.write(changes[0][0], changes[0][1])
            return
        for file, data in changes:
            if data is None:
                steps.append({"do": "remove", "to": file})
            else:
                self.folder.no_link(file)
                self.folder.write(file + NEXT, data)
                steps.append({"do": "rename", "from": file + NEXT, "to": file})
        if steps:
            self.folder.commit(steps)

    def _patches(self) -> list[dict[str, str]]:
        """Writes the pieces that replace rows; a step for each file that they are of."""
        if not self.patched:
            return []
        steps = []
        with os.fdopen(self.folder.open_write(PATCH, create=True), "wb", buffering=1 << 18) as f:
            for t in self.tables.values():
                rows = np.array(sorted(t.patch), np.int64)
                for p in t.parts:
                    mine = rows[np.searchsorted(rows, p.start) : np.searchsorted(rows, p.end)]
                    if not len(mine):
                        continue
                    name = p.file.encode()
                    for run in np.split(mine, np.flatnonzero(np.diff(mine) != 1) + 1):
                        at, n = (int(run[0]) - p.start) * t.row, len(run) * t.row
                        f.write(struct.pack("<H", len(name)) + name + struct.pack("<QQ", at, n))
                        for row in run.tolist():
                            f.write(t.patch[row].tobytes())
                    steps.append({"do": "patch", "from": PATCH, "to": p.file})
            f.flush()
            os.fsync(f.fileno())
        return steps

    def touch(self, name: str) -> None:
        """Notes that an array's bytes were changed in their place."""
        t = self.table(name)
        t.modified, self.meta = now(), True
        self.touched.update(p.file for p in t.parts)

    # Ends

    def release(self) -> None:
        """Gives the pack back; what was not flushed is taken away."""
        if self.lock_fd < 0:
            return
        fd, self.lock_fd = self.lock_fd, -1
        if self.pid != os.getpid():  # the parent's
            os.close(fd)
            return
        try:
            for t in self.tables.values():
                for file in t.files():
                    if fold(file) not in self.stand:
                        self.folder.remove(file)
                for p in t.counted:
                    self._cut(p, t.row)
            for file in self.stale:
                if fold(file) not in self.stand:
                    self.folder.remove(file)
        except OSError:
            pass  # the next one to change the pack sweeps up
        finally:
            os.close(fd)

    def close(self) -> None:
        """Flushes, and gives the pack back."""
        if self.pid == os.getpid() and self.failed is None:
            self.flush()
            if self.missing:
                self._found()
        self.release()

    def _found(self) -> None:
        """Writes the metadata of a new pack that nothing was saved in."""
        try:
            self.begin()
        except OSError:
            pass  # another one is at it, or has taken the folder away
