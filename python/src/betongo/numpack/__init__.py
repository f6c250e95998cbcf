"""NumPack's packs, .npk, by NumPack 0.7's names.

A program changes `from numpack import ...` to `from betongo.numpack import ...`. Packs are those of NumPack
and of the Go package array/npk. Importing it brings in NumPy and nothing else.
"""

from __future__ import annotations

import gc
import platform
from typing import TYPE_CHECKING, Any

from .. import __version__
from ._lazy import LazyArray
from ._pack import NumPack
from .batch_mode import BatchModeContext

if TYPE_CHECKING:
    from .io import get_package_info as get_package_info
    from .io import pack as pack
    from .io import unpack as unpack

__all__ = [
    "BatchModeContext",
    "LazyArray",
    "NumPack",
    "force_cleanup_windows_handles",
    "get_backend_info",
    "get_package_info",
    "pack",
    "unpack",
]

_of_io = ("pack", "unpack", "get_package_info")
_of_engine = ("VectorEngine", "StreamingVectorEngine")


def force_cleanup_windows_handles() -> bool:
    """Collects garbage, with arrays over files that nobody holds any more; True."""
    gc.collect()
    return True


def get_backend_info() -> dict[str, Any]:
    """What works on the files: backend_type, platform, is_windows, version."""
    system = platform.system()
    return {
        "backend_type": "numpy",
        "platform": system,
        "is_windows": system.lower() == "windows",
        "version": __version__,
    }


if not TYPE_CHECKING:  # to whom every name would be there

    def __getattr__(name: str) -> Any:
        from importlib import import_module

        if name in ("io", "vector_engine", "writable_array"):
            return import_module("." + name, __name__)
        if name in _of_io:
            value = getattr(import_module(".io", __name__), name)
        elif name in _of_engine:
            value = getattr(import_module(".vector_engine", __name__), name)
        else:
            from .._names import missing

            raise missing(__name__, name, __all__)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
