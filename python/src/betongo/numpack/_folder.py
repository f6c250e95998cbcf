"""The folder of a pack: files opened within it, written aside and renamed, locked, and journals finished.

It follows the Go package array/npk, with which it shares packs: the same lock, the same journal.
"""

from __future__ import annotations

import errno
import json
import os
import re
import stat
import struct
import time
from pathlib import Path

from .. import _aside, errors
from ._format import check_file

__all__: list[str] = []

JOURNAL = "npk.journal"
PATCH = "npk.patch"
NEXT = ".next"  # behind the names of files that a journal renames
LOCK = "npk.lock"  # Windows' only
JOURNAL_LIMIT = 64 << 20
PATIENCE = 5.0  # seconds for another process to finish a change

# What a process that was killed while it changed the pack leaves beside.
LEFTOVER = re.compile(
    r"(?:(?:metadata\.npkm|deleted_.*\.npkb)(?:\.next)?|npk\.journal|.*\.npkseg)\.partial-[a-z0-9]{6}"
    r"|(?:metadata\.npkm|deleted_.*\.npkb)\.next|npk\.patch",
    re.DOTALL,
)
_CALM = getattr(os, "O_NONBLOCK", 0)  # a pipe in a file's place must not make us wait


class Busy(BlockingIOError):
    """Another process, or another NumPack of this one, is changing the pack."""


def lock(path: str) -> int:
    """Takes a pack for changes, until the descriptor is closed; the process' end does so at the latest."""
    busy = Busy(errno.EWOULDBLOCK, "another one is changing the pack", path)
    if os.name == "nt":
        import msvcrt

        fd = os.open(os.path.join(path, LOCK), os.O_RDWR | os.O_CREAT | _aside.FLAGS, 0o666)
        try:
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError:
            os.close(fd)
            raise busy from None
        return fd
    import fcntl

    fd = os.open(path, os.O_RDONLY | _aside.FLAGS)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.path.samestat(os.fstat(fd), os.stat(path)):  # another pack took its place meanwhile
            raise busy
    except (BlockingIOError, FileNotFoundError):
        os.close(fd)
        raise busy from None
    except OSError as e:
        if e.errno not in (errno.ENOTSUP, errno.ENOLCK, errno.EINVAL):  # a file system without locks
            os.close(fd)
            raise
    return fd


class Folder:
    """A pack's folder. Names of files are slash-separated and relative to it."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.fspath(path)
        self.real = os.path.realpath(self.path)

    def join(self, name: str) -> str:
        return os.path.join(self.path, *name.split("/"))

    def exists(self, name: str) -> bool:
        return os.path.lexists(self.join(name))

    def open(self, name: str) -> int:
        """Opens a file for reading. What leaves the folder by a link, or is no file, is refused."""
        path = self.join(name)
        real = os.path.realpath(path)
        if os.path.commonpath([real, self.real]) != self.real:
            raise errors.FormatError(f"{path}: it leads out of the pack, to {real}", file=path)
        fd = os.open(path, os.O_RDONLY | _aside.FLAGS | _CALM)
        try:
            regular(fd, path)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def open_write(self, name: str, create: bool = False) -> int:
        """Opens a file for writing; create: a new one in the place of what has its name."""
        self.no_link(name)
        path = self.join(name)
        if create:
            self.remove(name)
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _aside.FLAGS, 0o666)
        fd = os.open(path, os.O_RDWR | _aside.FLAGS | _CALM | getattr(os, "O_NOFOLLOW", 0))
        try:
            regular(fd, path)
        except BaseException:
            os.close(fd)
            raise
        return fd

    def size(self, name: str) -> int:
        fd = self.open(name)
        try:
            return os.fstat(fd).st_size
        finally:
            os.close(fd)

    def read(self, name: str, limit: int) -> bytes:
        """Reads a small file."""
        fd = self.open(name)
        with os.fdopen(fd, "rb") as f:
            size = os.fstat(fd).st_size
            if size > limit:
                path = self.join(name)
                raise errors.FormatError(f"{path}: {size} bytes, at most {limit} are read", file=path)
            return f.read(size)

    def no_link(self, name: str) -> None:
        """Refuses symbolic links on the way to a file that is to be changed."""
        at = self.path
        for part in name.split("/"):
            at = os.path.join(at, part)
            if os.path.islink(at):
                raise OSError(errno.ELOOP, "a symbolic link, which changes don't follow", at)

    def write(self, name: str, data: bytes) -> None:
        """Puts a small file in the pack: aside, synced, renamed."""
        self.no_link(name)
        _aside.write(self.join(name), data)

    def remove(self, name: str) -> None:
        _aside.remove(self.join(name))

    # Journals

    def settle(self) -> None:
        """Finishes a change that a process was killed in; while one is at it, it is waited for."""
        end = time.monotonic() + PATIENCE
        while self.exists(JOURNAL):
            try:
                fd = lock(self.path)
            except Busy:
                if time.monotonic() > end:
                    raise
                time.sleep(0.005)
                continue
            try:
                self.recover()
            finally:
                os.close(fd)

    def recover(self) -> None:
        """Does what a journal says is left to do; the pack must be locked."""
        if not self.exists(JOURNAL):
            return
        self.no_link(JOURNAL)
        path = self.join(JOURNAL)

        def bad(message: str) -> errors.FormatError:
            return errors.FormatError(f"{path}: {message}", file=path, place="journal")

        try:
            doc = json.loads(self.read(JOURNAL, JOURNAL_LIMIT))
            steps = [{k: str(s.get(k, "")) for k in ("do", "from", "to")} for s in doc["steps"] or []]
            version = doc["version"]
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as e:
            raise bad(str(e)) from None
        if version != 1:
            raise bad(f"version {version}, want 1")
        for i, s in enumerate(steps):
            do, source, target = s["do"], s["from"], s["to"]
            said = check_file(target) or (check_file(source) if source else None)
            if said:
                raise bad(f"step {i}: {said}")
            if "/" in source or "/" in target and do != "patch":
                raise bad(f"step {i}: the file is in a folder")
            known = (
                do == "rename"
                and source == target + NEXT
                or do == "remove"
                and target.startswith("deleted_")
                or do == "patch"
                and source == PATCH
            )
            if not known:
                raise bad(f"step {i}: {s}")
            for name in (source, target):
                if name:
                    self.no_link(name)
        self._apply(steps)

    def commit(self, steps: list[dict[str, str]]) -> None:
        """Makes several steps one: from the journal on they count."""
        self.write(JOURNAL, json.dumps({"version": 1, "steps": steps}, ensure_ascii=False).encode())
        self._apply(steps)

    def _apply(self, steps: list[dict[str, str]]) -> None:
        patched = set()
        for s in steps:
            try:
                if s["do"] == "rename":
                    os.replace(self.join(s["from"]), self.join(s["to"]))
                elif s["do"] == "remove":
                    os.remove(self.join(s["to"]))
                else:
                    patched.add(s["from"])
                    self._patch(s["from"], s["to"])
            except FileNotFoundError:
                pass  # it is done already
        _aside.sync_dir(self.path)
        self.remove(JOURNAL)
        for name in patched:
            self.remove(name)
        _aside.sync_dir(self.path)

    def _patch(self, source: str, target: str) -> None:
        """Copies the pieces for one file: each u16 and bytes of its name, u64 offset, u64 length, the
        bytes."""
        src = self.open(source)
        with os.fdopen(src, "rb", buffering=1 << 18) as f:
            dst = self.open_write(target)
            try:
                size = os.fstat(dst).st_size
                while head := f.read(2):
                    head += f.read(int.from_bytes(head, "little") + 16)
                    if len(head) < 18 or len(head) != int.from_bytes(head[:2], "little") + 18:
                        raise self._torn(source)
                    at, n = struct.unpack("<QQ", head[-16:])
                    mine = head[2:-16] == target.encode()
                    if mine and (at > size or n > size - at):
                        path = self.join(source)
                        raise errors.FormatError(f"{path}: {n} bytes at {at} of a file of {size}", file=path)
                    while n:
                        piece = f.read(min(n, 1 << 20))
                        if not piece:
                            raise self._torn(source)
                        if mine:
                            _aside.write_at(dst, piece, at)
                        at, n = at + len(piece), n - len(piece)
                os.fsync(dst)
            finally:
                os.close(dst)

    def _torn(self, name: str) -> errors.FormatError:
        path = self.join(name)
        return errors.FormatError(f"{path}: the file ends within a piece", file=path)


def regular(fd: int, path: str) -> None:
    """Refuses what isn't a file."""
    mode = os.fstat(fd).st_mode
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "not a regular file", path)


_OWN = re.compile(
    r"data_.*\.(?:npkd|npkseg)|data_.*_segments|deleted_.*\.npkb|metadata\.npkm|npk\.(?:lock|patch|journal)",
    re.DOTALL,
)


def is_pack(path: Path, meta: str) -> bool:
    """Whether a folder may be deleted as a pack: it has metadata, or nothing but files of one."""
    names = os.listdir(path)
    return meta in names or all(_OWN.fullmatch(n) or LEFTOVER.fullmatch(n) for n in names)
