"""The error of an operation that ran in the client: what it raised, and of which sample."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import SampleError

__all__ = ["failure"]


class _Failure(SampleError):
    """samples are those of the batch; sample the one that raises, None where that could not be told."""

    samples: list[int]

    def __str__(self) -> str:
        return str(self.args[0])


def failure(
    e: Exception,
    *,
    file: str,
    output: str,
    field: str,
    operation: str,
    samples: Sequence[int],
    sample: int | None,
) -> Exception:
    """Return e as a SampleError that is also of e's own class, so that what catches e still does."""
    if sample is not None:
        which = f"sample {sample}"
    else:
        some = ", ".join(str(i) for i in samples[:8])
        which = f"a batch of {len(samples)} samples ({some}{', …' if len(samples) > 8 else ''})"
    message = f"{file}: output {output!r}: {operation}: {which}: {type(e).__name__}: {e}"
    made = _of(type(e))
    made.args = (message,)
    made.file, made.field, made.sample, made.offset = file, field, sample, None
    made.samples = list(samples)
    return made


def _of(cls: type[Exception]) -> _Failure:
    """Return an empty error that is a _Failure and of cls, a mere _Failure where there can't be both."""
    if not issubclass(cls, (StopIteration, StopAsyncIteration)):  # which would end a loop without a word
        try:
            both: Any = type(cls.__name__, (_Failure, cls), {"__module__": cls.__module__})
            return both.__new__(both)
        except TypeError:
            pass
    return _Failure.__new__(_Failure)
