"""Libraries that conversions use where they are installed, imported when they are first needed."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

__all__ = ["DependencyError", "have", "need"]


class DependencyError(ImportError):
    """A conversion needs a library that is not installed. The message names it and how to get it."""


def have(module: str) -> bool:
    """Whether a library can be imported, without doing so."""
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):  # half-imported ones, and those set to None in sys.modules
        return False


def need(module: str, package: str | None = None, instead: str = "") -> Any:
    """The module, imported. package: what pip calls it; instead: what else would do, a sentence.

    Raises DependencyError where it is not installed. A library that is there and fails to load keeps its own
    error as the cause.
    """
    try:
        return importlib.import_module(module)
    except ImportError as e:
        package = package or module.partition(".")[0]
        text = (
            f"The optional dependency '{package}' is required to use this feature.\n"
            f"Please run: pip install {package}"
        )
        if have(module.partition(".")[0]):
            text = f"The optional dependency '{package}' is installed but can't be imported: {e}"
        raise DependencyError(f"{text}\n{instead}" if instead else text, name=module) from e
