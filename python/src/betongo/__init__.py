"""betongo: datasets in FFCV's .beton format, written and loaded by an engine in Go.

The names here are brought in when they are first used; importing the package alone starts nothing and imports
neither NumPy nor torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import (
    BuildError,
    EngineError,
    Error,
    FormatError,
    SampleError,
    StateError,
    UnsupportedError,
)

if TYPE_CHECKING:
    from .dataset import open as open
    from .exports import export as export
    from .loader import Loader as Loader
    from .loader import OrderOption as OrderOption
    from .reader import Reader as Reader
    from .surveys import overlap as overlap
    from .surveys import stats as stats
    from .writer import DatasetWriter as DatasetWriter

__version__ = "0.1.0"

__all__ = [
    "BuildError",
    "DatasetWriter",
    "EngineError",
    "Error",
    "FormatError",
    "Loader",
    "OrderOption",
    "Reader",
    "SampleError",
    "StateError",
    "UnsupportedError",
    "export",
    "open",
    "overlap",
    "stats",
]

_where = {
    "DatasetWriter": "writer",
    "Loader": "loader",
    "OrderOption": "loader",
    "Reader": "reader",
    "export": "exports",
    "open": "dataset",
    "overlap": "surveys",
    "stats": "surveys",
}

# Those that `import ffcv` brings in: ffcv.transforms.ToTensor needs no import of its own.
_modules = (
    "fields",
    "libffcv",
    "loader",
    "memory_allocator",
    "memory_managers",
    "pipeline",
    "reader",
    "sources",
    "split",
    "transforms",
    "traversal_order",
    "types",
    "utils",
    "writer",
)

if not TYPE_CHECKING:  # to whom every name would be there

    def __getattr__(name: str) -> Any:
        from importlib import import_module

        if name in _modules:
            return import_module("." + name, __name__)
        if name not in _where:
            from ._names import missing

            raise missing(__name__, name, [*__all__, *_modules])
        value = getattr(import_module("." + _where[name], __name__), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_modules})
