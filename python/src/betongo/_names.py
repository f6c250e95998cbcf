"""Names that there aren't, and the nearest ones that there are."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["missing", "nearest", "unknown"]


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint at the name that was meant, or at those that there are."""
    import difflib  # which nobody needs but for this

    known = list(known)
    near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.4)
    return f"did you mean {near[0]!r}?" if near else f"there are {', '.join(map(repr, known)) or 'none'}"


def unknown(what: str, name: str, known: Iterable[str], where: str) -> str:
    """Return a sentence on a name that isn't known, with the nearest that is."""
    return f"{where}: {what}: {name!r} is unknown; {nearest(name, known)}"


def missing(module: str, name: str, known: Iterable[str]) -> AttributeError:
    """Return the error of a module that hasn't this name."""
    hint = "" if name.startswith("__") else f"; {nearest(name, known)}"
    return AttributeError(f"module {module!r} has no attribute {name!r}{hint}")
