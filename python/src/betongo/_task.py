"""What a program of its own does for one call: making datasets, exporting them, looking through them.

Such work takes long and much memory, so it is not the engine's that loads: a process is started for the call,
and has ended when the call has, however that ends.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from . import _engine, _storage
from ._warn import warn
from ._wire import error_of
from .errors import EngineError

__all__ = ["Progress", "path", "run"]

Progress = Callable[[int, int], object]
"""Called with how many samples of how many are done, now and then and in the end."""


def path(name: str | os.PathLike[str]) -> str:
    """A path as the program takes it: whole, or a URL."""
    plain = _storage.local(os.fspath(name))
    if not isinstance(plain, str):
        raise TypeError(f"{plain!r}: want a path or a URL as text")
    if not plain:
        raise ValueError("an empty path")
    return plain if _storage.is_url(plain) else os.path.abspath(plain)


def run(
    request: Mapping[str, Any],
    *,
    storage_options: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    payload: bytes = b"",
) -> tuple[dict[str, Any], bytearray]:
    """Has a request done, and returns its answer and what came with it.

    progress is called in between; what it raises ends the work. Ctrl-C does too. Raises BuildError for work
    that failed, ValueError for an option, FileNotFoundError and other OSErrors for files and objects.
    """
    storage = _storage.request(_storage.settings(storage_options))
    engine = _engine.start(_engine.TOOLS)
    try:
        with engine.connect() as connection:
            connection.send({**request, "storage": storage}, payload)
            while True:
                news, data, fds = connection.recv()
                for fd in fds:
                    os.close(fd)
                if "error" in news:
                    failed = error_of(news["error"])
                    raise failed from failed.__cause__
                if "ok" in news:
                    return news["ok"], data
                if "progress" in news and progress is not None:
                    progress(*news["progress"])
                elif "warning" in news:
                    warn(str(news["warning"]))
                elif not news:
                    raise EngineError("the engine sent a frame that is no answer")
    finally:
        engine.close()
