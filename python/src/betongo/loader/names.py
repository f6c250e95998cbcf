"""Names that there aren't, and the nearest ones that there are."""

from __future__ import annotations

from collections.abc import Iterable

from .._names import unknown

__all__ = ["refuse_unknown", "unknown"]


def refuse_unknown(what: str, names: Iterable[str], known: Iterable[str], where: str) -> None:
    """Raise ValueError for the first of names that isn't known."""
    known = list(known)
    for name in names:
        if name not in known:
            raise ValueError(unknown(what, name, known, where))
