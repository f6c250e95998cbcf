"""The extension block of a .beton: class names, source paths and their index (docs/format.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .errors import FormatError, UnsupportedError

if TYPE_CHECKING:
    from ._file import File

MAGIC = b"\x89btngx\r\n"
TRAILER_SIZE = 64
VERSION = 1
REQUIRED = 1
PLACE = "extension block"
MAX_SECTIONS = 4096
MAX_CLASS_BYTES = 64 << 20
KNOWN = frozenset(("CLAS", "NAME", "NIDX", "MARK"))

_SAMPLE_BITS = (1 << 40) - 1


@dataclass(frozen=True)
class Section:
    """One section: its tag (four letters, or 0x… when they are none), flags, and where its payload lies."""

    tag: str
    flags: int
    offset: int
    length: int


class Block:
    """The extension block of an opened file. Reads the trailer at once, all else at the first need."""

    def __init__(self, file: File) -> None:
        self.file = file
        self.found = False
        self.error: FormatError | UnsupportedError | None = None
        self.offset = self.length = 0
        self._required = False
        self._sections: list[Section] | None = None
        self._names: tuple[np.ndarray, int, int] | None = None
        end = file._table
        low = file._meta + (0 if file._row is None else file._row.itemsize * file.num_samples)
        if end - low >= TRAILER_SIZE:
            self._read_trailer(low, end)

    def _read_trailer(self, low: int, end: int) -> None:
        at = end - TRAILER_SIZE
        b = self.file.bytes(at, TRAILER_SIZE).tobytes()
        if b[:8] != MAGIC:
            return
        self.found = True
        version, flags = _u32(b, 8), _u32(b, 12)
        offset, length = _u64(b, 16), _u64(b, 24)
        got, want = _u32(b, 60), crc32c(b[:60])
        if got != want:
            self.error = self.file.flaw(
                PLACE, at, f"extension block: trailer: wrong checksum: 0x{got:08x}, want 0x{want:08x}"
            )
            return
        self._required = bool(flags & REQUIRED)
        if version != VERSION:
            self.error = UnsupportedError(
                f"{self.file.path}: extension block: version {version}, this package knows {VERSION}"
            )
        elif offset % 8 or offset < low:
            self.error = self.file.flaw(
                PLACE,
                at,
                f"extension block: trailer: block at {offset}, want a multiple of 8 at or after {low}",
            )
        elif offset > at or length != at - offset:
            self.error = self.file.flaw(
                PLACE,
                at,
                f"extension block: trailer: block of {length} bytes at {offset} does not end at the "
                f"trailer, {at}",
            )
        else:
            self.offset, self.length = offset, length

    def check_required(self) -> None:
        """Refuses a file whose samples cannot be read without a section that is damaged or unknown."""
        if not self._required:
            return
        if self.error is not None:
            raise self.error
        for s in self.sections():
            if s.flags & REQUIRED and s.tag not in KNOWN:
                raise UnsupportedError(
                    f"{self.file.path}: the samples cannot be read without the extension section {s.tag}, "
                    "which this package does not know"
                )

    def sections(self) -> list[Section]:
        """Lists the sections; raises the block's error when it is damaged."""
        if self.error is not None:
            raise self.error
        if self._sections is None:
            self._sections = self._walk() if self.found else []
        return list(self._sections)

    def _walk(self) -> list[Section]:
        found: list[Section] = []
        at, end = self.offset, self.offset + self.length
        while at < end:
            if len(found) == MAX_SECTIONS:
                raise self.file.flaw(PLACE, at, f"extension block: more than {MAX_SECTIONS} sections")
            if end - at < 16:
                raise self.file.flaw(
                    PLACE, at, f"extension block: {end - at} bytes, want a section header of 16"
                )
            b = self.file.bytes(at, 16).tobytes()
            tag = b[:4].decode("ascii") if all(32 < c < 127 for c in b[:4]) else f"0x{_u32(b, 0):08x}"
            length, left = _u64(b, 8), end - at - 16
            if length > left:
                raise self.file.flaw(
                    PLACE, at, f"extension block: section {tag} has {length} bytes, {left} are left"
                )
            found.append(Section(tag, _u32(b, 4), at + 16, length))
            at += 16 + min(-(-length // 8) * 8, left)
        return found

    def section(self, tag: str) -> Section | None:
        """Returns the first section of a tag."""
        return next((s for s in self.sections() if s.tag == tag), None)

    def _flaw(self, s: Section, what: str, sample: int | None = None) -> FormatError:
        of = "" if sample is None else f"sample {sample}: "
        return self.file.flaw(f"section {s.tag}", s.offset, f"{of}extension section {s.tag}: {what}")

    def classes(self) -> list[str] | None:
        """The CLAS section's names."""
        s = self.section("CLAS")
        if s is None:
            return None
        if not 4 <= s.length <= MAX_CLASS_BYTES:
            raise self._flaw(s, f"{s.length} bytes, want 4 to {MAX_CLASS_BYTES}")
        b = self.file.bytes(s.offset, s.length).tobytes()
        count, at = _u32(b, 0), 4
        if count > (len(b) - 4) // 4:
            raise self._flaw(s, f"{count} classes in {len(b)} bytes")
        names = []
        for i in range(count):
            if len(b) - at < 4:
                raise self._flaw(s, f"class {i}: {len(b) - at} bytes left, want a length of 4")
            n = _u32(b, at)
            if n > len(b) - at - 4:
                raise self._flaw(s, f"class {i}: a name of {n} bytes, {len(b) - at - 4} are left")
            names.append(b[at + 4 : at + 4 + n].decode("utf-8", "surrogateescape"))
            at += 4 + n
        if at != len(b):
            raise self._flaw(s, f"{len(b) - at} bytes after the last class")
        return names

    def _name_index(self) -> tuple[np.ndarray, int, int] | None:
        """The NAME section's offsets (read-only view), where the names begin, and how many bytes they are."""
        if self._names is None:
            s = self.section("NAME")
            if s is None:
                return None
            if s.length < 16:
                raise self._flaw(s, f"{s.length} bytes, want at least 16")
            n = _u64(self.file.bytes(s.offset, 8).tobytes(), 0)
            if n != self.file.num_samples or n > (s.length - 16) // 8:
                raise self._flaw(s, f"{n} names in {s.length} bytes, want {self.file.num_samples}")
            index = self.file.bytes(s.offset + 8, 8 * (n + 1)).view("<u8")
            begin = 8 + 8 * (n + 1)
            self._names = index, s.offset + begin, s.length - begin
        return self._names

    def key(self, i: int) -> str:
        """The name of sample i, "" without one."""
        names = self._name_index()
        return "" if names is None else self._key(names, i).decode("utf-8", "surrogateescape")

    def _key(self, names: tuple[np.ndarray, int, int], i: int) -> bytes:
        index, begin, total = names
        lo, hi = int(index[i]), int(index[i + 1])
        if lo > hi or hi > total:
            s = self.section("NAME")
            assert s is not None
            raise self._flaw(s, f"name from {lo} to {hi} of {total} bytes", sample=i)
        return self.file.bytes(begin + lo, hi - lo).tobytes()

    def find(self, path: str) -> int:
        """The first sample of that name, by the hash table where there is one, else by reading all."""
        names = self._name_index()
        if names is None:
            raise KeyError(f"{self.file.path} does not keep its samples' names")
        wanted = path.encode("utf-8", "surrogateescape")
        found = None if not wanted else self._probe(names, wanted)
        if found is None:
            raise KeyError(f"{self.file.path} has no sample {path!r}")
        return found

    def _probe(self, names: tuple[np.ndarray, int, int], wanted: bytes) -> int | None:
        s = self.section("NIDX")
        if s is None:
            return next((i for i in range(self.file.num_samples) if self._key(names, i) == wanted), None)
        slots = s.length // 8
        if s.length % 8 or slots == 0 or slots & (slots - 1):
            raise self._flaw(s, f"{s.length} bytes, want a power of two of slots of 8")
        table = self.file.bytes(s.offset, s.length).view("<u8")
        h = name_hash(wanted)
        for k in range(slots):
            at = (h + k) & (slots - 1)
            slot = int(table[at])
            if slot == 0:
                return None
            if slot >> 40 != h >> 40:
                continue
            i = (slot & _SAMPLE_BITS) - 1
            if not 0 <= i < self.file.num_samples:
                raise self._flaw(s, f"slot {at} is of sample {i}, there are {self.file.num_samples}")
            if self._key(names, i) == wanted:
                return i
        raise self._flaw(s, f"no free slot among {slots}")


def name_hash(name: bytes) -> int:
    """FNV-1a of 64 bits, mixed, as the index of names is hashed."""
    mask = (1 << 64) - 1
    h = 0xCBF29CE484222325
    for c in name:
        h = (h ^ c) * 0x100000001B3 & mask
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        h ^= h >> 33
        h = h * factor & mask
    return h ^ h >> 33


def _castagnoli() -> list[int]:
    table = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
        table.append(n)
    return table


_CRC = _castagnoli()


def crc32c(b: bytes) -> int:
    """CRC-32C (Castagnoli) of a few bytes."""
    crc = 0xFFFFFFFF
    for c in b:
        crc = crc >> 8 ^ _CRC[(crc ^ c) & 255]
    return crc ^ 0xFFFFFFFF


def _u32(b: bytes, at: int) -> int:
    return int.from_bytes(b[at : at + 4], "little")


def _u64(b: bytes, at: int) -> int:
    return int.from_bytes(b[at : at + 8], "little")
