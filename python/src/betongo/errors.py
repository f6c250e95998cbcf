"""What betongo raises of its own.

Next to these, the usual ones are used for what they mean: FileNotFoundError and OSError (with errno) for
files, ValueError for an option's value, TypeError for a wrong type or dtype.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "BuildError",
    "EngineError",
    "Error",
    "FormatError",
    "SampleError",
    "StateError",
    "UnsupportedError",
]


class Error(Exception):
    """The base of all errors of this package's own."""


class SampleError(Error):
    """A sample could not be read, decoded, transformed or written.

    file, field, sample and offset say which one, and where in the file its value lies; None where that is not
    known. sample is the sample's number in the file.
    """

    def __init__(
        self,
        message: str,
        *,
        file: str | None = None,
        field: str | None = None,
        sample: int | None = None,
        offset: int | None = None,
    ) -> None:
        super().__init__(message)
        self.file = file
        self.field = field
        self.sample = sample
        self.offset = offset


class FormatError(Error):
    """A file is no .beton file, or a broken one: file, place in it, what was found there and what was
    expected.

    place is words ("header", "descriptor of field 2"), offset a byte's number; None where they are not known.
    """

    def __init__(
        self,
        message: str,
        *,
        file: str | None = None,
        place: str | None = None,
        offset: int | None = None,
        found: Any = None,
        expected: Any = None,
    ) -> None:
        super().__init__(message)
        self.file = file
        self.place = place
        self.offset = offset
        self.found = found
        self.expected = expected


class BuildError(Error):
    """A dataset could not be made of a source, exported, or looked through.

    shard and file say where it was, key, sample and field in what, offset at which byte; None where that is
    not known. next is the sample that comes next when the same is asked for with resume=True, None where
    nothing of what was done is kept. __cause__ is what the store or the system said, if it was that.
    """

    def __init__(
        self,
        message: str,
        *,
        file: str | None = None,
        shard: str | None = None,
        key: str | None = None,
        sample: int | None = None,
        field: str | None = None,
        offset: int | None = None,
        next: int | None = None,
    ) -> None:
        super().__init__(message)
        self.file = file
        self.shard = shard
        self.key = key
        self.sample = sample
        self.field = field
        self.offset = offset
        self.next = next


class StateError(Error):
    """A saved state does not fit: of another version, another file, or another loader."""


class UnsupportedError(Error):
    """What was asked for is right but not to be had here."""


class EngineError(Error):
    """The engine is missing, did not start, speaks another protocol, or has ended.

    status is its exit status when it ended (negative: the number of the signal that ended it), else None; log
    holds the last lines that it wrote to its standard error.
    """

    def __init__(self, message: str, *, status: int | None = None, log: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.log = log
