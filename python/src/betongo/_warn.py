"""Warnings that point into the program, whatever of this package lies between."""

from __future__ import annotations

import os
import sys
import threading
import warnings
from collections import deque

__all__ = ["Warned", "catch", "warn"]

Warned = deque[tuple[str, type[Warning]]]

_here = os.path.dirname(os.path.abspath(__file__)) + os.sep
_mine = threading.local()


def warn(text: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the line of the program that called into the package.

    In a thread of the package's own, which nobody called, it waits for whom catch was told of.
    """
    later: Warned | None = getattr(_mine, "later", None)
    if later is not None:
        later.append((text, category))
        return
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_here):
        level, frame = level + 1, frame.f_back
    warnings.warn(text, category, stacklevel=level)


def catch(later: Warned) -> None:
    """Keep the warnings of the calling thread in later, for another thread to give."""
    _mine.later = later
