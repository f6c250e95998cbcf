"""Lets `import ffcv` mean this package, so that a script written for FFCV needs one more line:

    import betongo.as_ffcv  # before the first import of ffcv
    from ffcv.loader import Loader, OrderOption

or none: `python -m betongo.as_ffcv SCRIPT.py ARGUMENTS…` runs it as it is.

`ffcv` and each `ffcv.X` are then the very modules `betongo` and `betongo.X`. ImportError when the real ffcv
was imported before: its classes and these don't go together.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

__all__ = ["install"]

_OLD, _NEW = "ffcv", "betongo"


class _Alias(MetaPathFinder, Loader):
    """Finds ffcv.X as betongo.X."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != _OLD and not fullname.startswith(_OLD + "."):
            return None
        ours = _NEW + fullname[len(_OLD) :]
        try:
            found = importlib.util.find_spec(ours)
        except ModuleNotFoundError:
            found = None
        if found is None:
            raise ModuleNotFoundError(
                f"no module {fullname!r}: betongo stands in for ffcv, and has no {ours!r}", name=fullname
            )
        return ModuleSpec(fullname, self, is_package=found.submodule_search_locations is not None)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(_NEW + spec.name[len(_OLD) :])
        # The import system sets __spec__ of what it is given; exec_module gives the module its own back.
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None and isinstance(module.__spec__.loader, _Alias):
            module.__spec__ = module.__spec__.loader_state


def install() -> None:
    """Registers the names; again is no error. ImportError when the real ffcv has been imported."""
    there = sys.modules.get(_OLD)
    if there is not None and there is not sys.modules.get(_NEW):
        where = getattr(there, "__file__", None) or "somewhere"
        raise ImportError(
            f"ffcv was imported from {where} before betongo.as_ffcv: put `import betongo.as_ffcv` before "
            f"the first "
            "import of ffcv",
            name=_OLD,
        )
    if not any(isinstance(f, _Alias) for f in sys.meta_path):
        sys.meta_path.insert(0, _Alias())
    importlib.import_module(_OLD)


def _main(arguments: list[str]) -> None:
    """Runs a script as Python itself would, with the names in place."""
    import os
    import runpy

    if not arguments:
        raise SystemExit("usage: python -m betongo.as_ffcv SCRIPT.py ARGUMENTS…")
    sys.argv = arguments
    sys.path[0] = os.path.dirname(os.path.abspath(arguments[0]))
    runpy.run_path(arguments[0], run_name="__main__")


if __name__ == "__main__":
    # The module that scripts import is the one of this name, not __main__.
    importlib.import_module("betongo.as_ffcv")
    _main(sys.argv[1:])
else:
    install()
