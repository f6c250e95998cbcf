"""Compiler: numba for the operations that run in the client, where it is installed."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

__all__ = ["Compiler"]


class Compiler:
    """Compiles operations by numba when it can be imported, else leaves them as they are.

    Everything is of the class, for all loaders of the process. numba is imported by the first compile.
    """

    is_enabled: bool = True
    num_threads: int = 1

    @classmethod
    def set_enabled(cls, b: bool) -> None:
        """Compile from now on, or run everything as plain Python."""
        cls.is_enabled = b

    @classmethod
    def set_num_threads(cls, n: int) -> None:
        """Set how many threads an operation with is_parallel gets; less than 1: all processors."""
        cls.num_threads = n if n >= 1 else _processors()
        numba = sys.modules.get("numba")
        if numba is not None:
            _spread(numba, cls.num_threads)

    @classmethod
    def compile(cls, code: Callable[..., Any], signature: Any = None) -> Callable[..., Any]:
        """Return code compiled for its arguments, or code itself.

        code is left as it is when compiling is off or numba is missing, when it is compiled already, and
        when it has the attribute plain = True, which says that it is NumPy that gains nothing. With
        nopython = False numba may fall back to Python's objects. numba reports what it can't compile when
        the function is first called.
        """
        if not cls.is_enabled or getattr(code, "plain", False) or hasattr(code, "py_func"):
            return code
        numba = _numba()
        if numba is None:
            return code
        _spread(numba, cls.num_threads)
        settings: dict[str, Any] = {"fastmath": True, "nogil": True, "error_model": "numpy"}
        settings["parallel"] = bool(getattr(code, "is_parallel", False)) and cls.num_threads > 1
        if not getattr(code, "nopython", True):
            return numba.jit(signature, forceobj=True)(code)
        return numba.njit(signature, **settings)(code)

    @classmethod
    def get_iterator(cls) -> Any:
        """Return numba's prange when there are several threads and numba to spread over them, else range."""
        if cls.num_threads > 1 and cls.is_enabled:
            numba = _numba()
            if numba is not None:
                return numba.prange
        return range


_known: list[Any] = []  # functions of this package that numba has been told of


def _numba() -> Any:
    """Return numba, or None where it can't be imported.

    Compiled functions may call FFCV's of transforms.utils.fast_crop then, which stay plain for the others.
    """
    try:
        import numba
    except ImportError:
        return None
    if not _known:
        from ..transforms.utils import fast_crop

        _known[:] = fast_crop.get_random_crop, fast_crop.get_center_crop
        for function in _known:
            numba.extending.register_jitable(function)
    return numba


def _spread(numba: Any, threads: int) -> None:
    """Give numba so many threads, as many as it was started with at most."""
    numba.set_num_threads(max(1, min(threads, numba.config.NUMBA_NUM_THREADS)))


def _processors() -> int:
    """Count the processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
