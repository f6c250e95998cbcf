"""Names that there aren't, and the nearest ones that there are."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["refuse_unknown", "unknown"]


def refuse_unknown(what: str, names: Iterable[str], known: Iterable[str], where: str) -> None:
    """Raise ValueError for the first of names that isn't known."""
    known = list(known)
    for name in names:
        if name not in known:
            raise ValueError(unknown(what, name, known, where))


def unknown(what: str, name: str, known: Iterable[str], where: str) -> str:
    """Return a sentence on a name that isn't known, with the nearest that is."""
    import difflib  # which nobody needs but for this

    known = list(known)
    near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(map(repr, known)) or 'none'}"
    return f"{where}: {what}: {name!r} is unknown; {hint}"
