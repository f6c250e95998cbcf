"""Files that come into being whole or not at all: written beside their target, synced, then renamed.

What is written beside has the target's name with ".partial-XXXXXX" behind it; a process that is killed leaves
that, and nothing else.
"""

from __future__ import annotations

import errno
import os
import random
import sys
from typing import Any

__all__: list[str] = []

FLAGS = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOINHERIT", 0)
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def create(target: str) -> tuple[int, str]:
    """Makes a file beside target: its descriptor and name."""
    while True:
        name = f"{target}.partial-{''.join(random.choices(_LETTERS, k=6))}"
        try:
            return os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL | FLAGS, 0o666), name
        except FileExistsError:
            continue


def commit(fd: int, name: str, target: str) -> None:
    """Syncs and closes a file, and puts it in the target's place. If that fails nothing of it is left."""
    try:
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
        os.replace(name, target)
    except BaseException:
        remove(name)
        raise
    sync_dir(os.path.dirname(target) or ".")


def write(target: str, data: bytes) -> None:
    """Puts bytes at target."""
    fd, name = create(target)
    try:
        write_all(fd, data)
    except BaseException:
        os.close(fd)
        remove(name)
        raise
    commit(fd, name, target)


def sweep_lock(target: str) -> None:
    """Removes the file by which a writer that was killed had target, NAME.lock, unless another has it."""
    try:
        import fcntl
    except ImportError:
        return  # the next writer takes it over
    name = target + ".lock"
    try:
        fd = os.open(name, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | FLAGS)
    except OSError:
        return
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Another may have removed the name before the lock was had, and have made one of its own.
        if os.path.samestat(os.fstat(fd), os.stat(name)):
            os.unlink(name)
    except OSError:
        pass  # held, or gone
    finally:
        os.close(fd)


def remove(name: str) -> None:
    """Removes a file, if it is there."""
    try:
        os.remove(name)
    except FileNotFoundError:
        pass


def sync_dir(path: str) -> None:
    """Makes changes of names in a folder outlive a crash of the machine, where the file system can."""
    if os.name == "nt":
        return
    try:
        fd = os.open(path, os.O_RDONLY | FLAGS)
    except PermissionError:
        return  # a folder that may be written, but not read
    try:
        os.fsync(fd)
    except OSError as e:
        if e.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise
    finally:
        os.close(fd)


def write_all(fd: int, data: Any) -> None:
    """Writes all bytes where the descriptor stands."""
    view = memoryview(data)
    while len(view):
        view = view[os.write(fd, view[: 1 << 30]) :]


def pwrite(fd: int, data: Any, at: int) -> int:
    if sys.platform != "win32":
        return os.pwrite(fd, data, at)
    os.lseek(fd, at, os.SEEK_SET)
    return os.write(fd, data)


def write_at(fd: int, data: Any, at: int) -> None:
    """Writes all bytes at a place."""
    view = memoryview(data)
    while len(view):
        n = pwrite(fd, view[: 1 << 30], at)
        view, at = view[n:], at + n
