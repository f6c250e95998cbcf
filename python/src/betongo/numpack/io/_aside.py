"""Files and folders are written beside their place and renamed when they are complete: whatever goes wrong
before, nothing is changed."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

__all__ = ["aside", "remove"]


@contextlib.contextmanager
def aside(path: str | os.PathLike[str], folder: bool = False) -> Iterator[Path]:
    """A path beside path to write a file or folder to, which takes path's place when the block ends.

    folder: an empty folder is made; else nothing is there yet. When the block raises, what was written is
    removed and path is as it was. The folder that path is in is made where it is missing.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # The name's end stays: some libraries go by it.
    room = Path(tempfile.mkdtemp(prefix=f".{path.name[:100]}.", suffix=".aside", dir=path.parent))
    written = room / path.name
    try:
        if folder:
            written.mkdir()
        yield written
        _place(written, path, room)
    finally:
        remove(room)


def _place(written: Path, path: Path, room: Path) -> None:
    """Puts what was written in its place, what was there before out of the way first where it is a folder."""
    before = room / ("before." + path.name)
    moved = False
    if path.is_dir() or (written.is_dir() and path.exists()):
        os.rename(path, before)
        moved = True
    try:
        os.replace(written, path)
    except OSError:
        if moved:
            os.rename(before, path)
        raise


def remove(path: str | os.PathLike[str]) -> None:
    """Removes a file, or a folder and all that is in it; none is fine."""
    path = Path(path)
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(FileNotFoundError):
            path.unlink()
