"""Packs as one file, .npkg.

Numbers are little-endian: "NPKG", u32 version (2), u8 whether files may be packed, u32 number of files; for
each file u32 length and path in UTF-8, u64 its size, u64 its size packed or 0 where it is not, its bytes; at
the end u32, the CRC-32 over all files' CRC-32s (version 1: over all files' bytes). Packed is by zstd, or by
zlib where its library was missing; the first bytes tell which.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from ._aside import aside
from ._depend import DependencyError, have, need
from ._pack import package_files
from ._rows import Extent, FormatError

__all__ = ["get_package_info", "pack", "unpack"]

_MAGIC = b"NPKG"
_VERSION = 2
_ZSTD = b"\x28\xb5\x2f\xfd"
CHUNK_SIZE = 8 << 20
_PATH_LIMIT = 4096


class ChecksumError(FormatError, RuntimeError):
    """The bytes of a package are not those that were packed."""


# -- packing --------------------------------------------------------------------------------------------


def pack(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str] | None = None,
    compression: bool = True,
    overwrite: bool = False,
    *,
    chunk_size: int = CHUNK_SIZE,
) -> Path:
    """Writes a pack (.npk, a folder) into one file, .npkg, that NumPack unpacks too.

    target: SOURCE.npkg beside the source by default; a name without a suffix gets .npkg. compression: whether
    files are packed, by zstd where there is a library for it (Python 3.14, or the package zstandard), else by
    zlib; a file that gets no smaller stays as it is. An array in segments is stored as one data file.
    chunk_size: bytes read at a time. Returns the target's path, which stands when all is written.

    Raises ValueError where source is no pack, FileExistsError where target exists and overwrite is False.
    """
    source = Path(source)
    if not source.is_dir():
        what = "Source must be a NumPack directory" if source.exists() else "Source path does not exist"
        raise ValueError(f"{what}: {source}")
    if not (source / "metadata.npkm").is_file():
        raise ValueError(f"{source} is no pack: it has no metadata.npkm")
    if target is None:
        target = source.parent / f"{source.name}.npkg"
    target = Path(target)
    if not target.suffix:
        target = target.with_suffix(".npkg")
    if target.exists() and not overwrite:
        raise FileExistsError(f"Target file already exists: {target}. Use overwrite=True to replace it.")
    files = package_files(source)
    check = 0
    with aside(target) as to, open(to, "w+b") as f:
        f.write(_MAGIC + struct.pack("<IBI", _VERSION, int(compression), len(files)))
        for path, extents in files:
            name = path.encode()
            f.write(struct.pack("<I", len(name)) + name)
            crc = _store(f, extents, _packer() if compression else None, max(1, chunk_size))
            check = zlib.crc32(struct.pack("<I", crc), check)
        f.write(struct.pack("<I", check))
    return target


def _store(f: BinaryIO, extents: list[Extent | bytes], packer: Any, chunk: int) -> int:
    """Writes a file's sizes and its bytes, packed where that is shorter; returns its CRC-32."""
    at = f.tell()
    f.write(bytes(16))
    crc = size = packed = 0
    for piece in _pieces(extents, chunk):
        crc = zlib.crc32(piece, crc)
        size += len(piece)
        data = packer.compress(piece) if packer else piece
        packed += len(data)
        f.write(data)
    if packer:
        data = packer.flush()
        packed += len(data)
        f.write(data)
        if packed >= size:
            f.seek(at + 16)
            f.truncate()
            packed = 0
            for piece in _pieces(extents, chunk):
                f.write(piece)
    f.seek(at)
    f.write(struct.pack("<QQ", size, packed if packer else 0))
    f.seek(0, os.SEEK_END)
    return crc


def _pieces(extents: list[Extent | bytes], chunk: int) -> Iterator[bytes]:
    for e in extents:
        if isinstance(e, bytes):
            yield e
            continue
        with open(e.path, "rb", buffering=0) as f:
            f.seek(e.offset)
            left = e.size
            while left:
                data = f.read(min(chunk, left))
                if not data:
                    raise FormatError(e.path, f"the file ends, {left} bytes were expected", offset=f.tell())
                left -= len(data)
                yield data


def _packer() -> Any:
    if have("compression.zstd"):
        return need("compression.zstd").ZstdCompressor(level=3)
    if have("zstandard"):
        return need("zstandard").ZstdCompressor(level=3).compressobj()
    return zlib.compressobj(6)


# -- unpacking ------------------------------------------------------------------------------------------


class _Entry:
    """A file within a package."""

    def __init__(self, path: str, size: int, packed: int, offset: int, method: str) -> None:
        self.path, self.size, self.packed, self.offset, self.method = path, size, packed, offset, method

    @property
    def stored(self) -> int:
        """Bytes in the package."""
        return self.packed or self.size


def _entries(f: BinaryIO, source: Path) -> tuple[int, int, list[_Entry], int]:
    """Version, compression, the files and where they end; every number checked against the file's size."""
    total = os.fstat(f.fileno()).st_size

    def read(n: int, what: str) -> bytes:
        at = f.tell()
        data = f.read(n)
        if len(data) < n:
            raise FormatError(source, f"the file ends within {what}", offset=at)
        return data

    magic = f.read(4)
    if magic != _MAGIC:
        raise FormatError(
            source, f"Invalid .npkg file: it begins with {magic!r}, not with {_MAGIC!r}", offset=0
        )
    version, method, number = struct.unpack("<IBI", read(9, "the header"))
    if not 1 <= version <= _VERSION:
        raise FormatError(source, f"version {version}, known are 1 and {_VERSION}", offset=4)
    if method > 1:
        raise FormatError(source, f"compression {method}, known are 0 and 1", offset=8)
    if number > (total - 13) // 20:
        raise FormatError(
            source, f"{number} files, the package's {total} bytes have not as many headers", offset=9
        )
    entries: list[_Entry] = []
    for _ in range(number):
        at = f.tell()
        (length,) = struct.unpack("<I", read(4, "a file's header"))
        if not 0 < length <= _PATH_LIMIT:
            raise FormatError(source, f"a path of {length} bytes", offset=at)
        path = _checked(source, read(length, "a file's path"), at)
        size, packed = struct.unpack("<QQ", read(16, "a file's sizes"))
        start = f.tell()
        if (packed or size) > total - start:
            raise FormatError(
                source, f"{path!r} has {packed or size} bytes, {total - start} are left", offset=start
            )
        kind = "none"
        if packed:
            kind = "zstd" if f.read(4) == _ZSTD else "zlib"
        entries.append(_Entry(path, size, packed, start, kind))
        f.seek(start + (packed or size))
    names = [e.path for e in entries]
    if len(set(names)) < len(names):
        raise FormatError(source, "two files have the same path")
    return version, method, entries, f.tell()


def _checked(source: Path, raw: bytes, at: int) -> str:
    """A path that leads nowhere but below the target: NumPack's own files, in one folder at most."""
    try:
        path = raw.decode()
    except UnicodeDecodeError as e:
        raise FormatError(source, f"the path {raw!r} is not UTF-8", offset=at) from e
    parts = path.split("/")
    folder = parts[0].startswith("data_") and parts[0].endswith("_segments")
    if (
        len(parts) > 2
        or (len(parts) == 2 and not folder)
        or any(p in ("", ".", "..") for p in parts)
        or any(c in path for c in "\\\0")
        or (os.name == "nt" and any(c in path for c in '<>:"|?*'))
    ):
        raise FormatError(source, f"Invalid file path in package: {path!r}", offset=at)
    return path


def unpack(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    verify: bool = True,
    *,
    chunk_size: int = CHUNK_SIZE,
) -> Path:
    """Makes a pack (.npk) of a package (.npkg).

    target: the source's name without .npkg, with .npk, beside it by default. verify: whether the checksum is
    compared. chunk_size: bytes read at a time. Returns the target's path; it stands, and what was there
    before goes, when all is unpacked and checked.

    Raises ValueError where source is no file, FormatError (a ValueError) where it is no package or a broken
    one, ChecksumError (a RuntimeError too) where its bytes are not what was packed, FileExistsError where
    target exists and overwrite is False, DependencyError for one packed by zstd without a library for it.
    """
    source = Path(source)
    if not source.is_file():
        what = "Source must be a file" if source.exists() else "Source file does not exist"
        raise ValueError(f"{what}: {source}")
    if target is None:
        target = source.parent / (source.stem if source.stem.endswith(".npk") else f"{source.stem}.npk")
    target = Path(target)
    if target.exists() and not overwrite:
        raise FileExistsError(f"Target directory already exists: {target}. Use overwrite=True to replace it.")
    with open(source, "rb") as f:
        version, _, entries, end = _entries(f, source)
        with aside(target, folder=True) as to:
            check = 0
            for e in entries:
                out = to / e.path
                out.parent.mkdir(exist_ok=True)
                crc = 0 if version > 1 else check
                with open(out, "wb") as o:
                    for piece in _unpacked(f, source, e, max(1, chunk_size)):
                        crc = zlib.crc32(piece, crc)
                        o.write(piece)
                check = crc if version == 1 else zlib.crc32(struct.pack("<I", crc), check)
            if verify:
                f.seek(end)
                stored = f.read(4)
                if len(stored) < 4:
                    raise FormatError(source, "the file ends before its checksum", offset=end)
                if stored != struct.pack("<I", check):
                    raise ChecksumError(
                        source, "Checksum verification failed: the package is corrupted", offset=end
                    )
    return target


def _unpacked(f: BinaryIO, source: Path, e: _Entry, chunk: int) -> Iterator[bytes]:
    """The bytes of a file within a package, as many as it says and no more."""
    f.seek(e.offset)
    if not e.packed:
        yield from _pieces([Extent(os.fspath(source), e.offset, e.size)], chunk)
        return
    step: Callable[[bytes], Iterator[bytes]] = _by_zstd(source) if e.method == "zstd" else _by_zlib(chunk)
    left, done = e.packed, 0
    while left:
        data = f.read(min(chunk, left))
        left -= len(data)
        try:
            for piece in step(data):
                done += len(piece)
                if done > e.size:
                    raise FormatError(
                        source, f"{e.path!r} unpacks to more than its {e.size} bytes", offset=e.offset
                    )
                yield piece
        except (zlib.error, EOFError) as err:
            raise FormatError(
                source, f"{e.path!r}: the packed data are broken: {err}", offset=e.offset
            ) from err
    if done != e.size:
        raise FormatError(source, f"{e.path!r} unpacks to {done} bytes, not to its {e.size}", offset=e.offset)


def _by_zlib(chunk: int) -> Callable[[bytes], Iterator[bytes]]:
    d = zlib.decompressobj()

    def step(data: bytes) -> Iterator[bytes]:
        while data:
            yield d.decompress(data, chunk)  # at most so much at once, whatever is packed there
            data = d.unconsumed_tail
            if d.eof:
                return

    return step


def _by_zstd(source: Path) -> Callable[[bytes], Iterator[bytes]]:
    if have("compression.zstd"):
        zstd = need("compression.zstd")
        d, error = zstd.ZstdDecompressor(), zstd.ZstdError

        def step(data: bytes) -> Iterator[bytes]:
            try:
                while not d.eof and (data or not d.needs_input):
                    yield d.decompress(data, CHUNK_SIZE)
                    data = b""
            except error as e:
                raise zlib.error(str(e)) from e

        return step
    if not have("zstandard"):
        raise DependencyError(
            f"{source} is packed by zstd, which Python has from 3.14 on.\nPlease run: pip install zstandard"
        )
    zstandard = need("zstandard")
    o = zstandard.ZstdDecompressor().decompressobj()

    def pieces(data: bytes) -> Iterator[bytes]:
        try:
            # Small pieces in: nothing bounds what comes out of one but what zstd packs into it.
            for at in range(0, len(data), 1 << 12):
                if o.eof:
                    return
                yield o.decompress(data[at : at + (1 << 12)])
        except zstandard.ZstdError as e:
            raise zlib.error(str(e)) from e

    return pieces


# -- looking --------------------------------------------------------------------------------------------


def get_package_info(source: str | os.PathLike[str]) -> dict[str, Any]:
    """What is in a package; nothing is unpacked.

    Returns version, compression (0 or 1), compression_name ("none", "zstd", "zlib": what its files are packed
    by), file_count, files (a list of dicts: name, path, original_size, compressed_size (0 where it is not
    packed), actual_size), total_original_size, total_compressed_size and compression_ratio.

    Raises ValueError where source does not exist, FormatError (a ValueError) where it is no package.
    """
    source = Path(source)
    if not source.is_file():
        raise ValueError(f"Source file does not exist: {source}")
    with open(source, "rb") as f:
        version, method, entries, _ = _entries(f, source)
    files = [
        {
            "name": e.path,
            "path": e.path,
            "original_size": e.size,
            "compressed_size": e.packed,
            "actual_size": e.stored,
        }
        for e in entries
    ]
    original, stored = sum(e.size for e in entries), sum(e.stored for e in entries)
    methods = sorted({e.method for e in entries} - {"none"})
    return {
        "version": version,
        "compression": method,
        "compression_name": ", ".join(methods) if methods else ("zstd" if method else "none"),
        "file_count": len(entries),
        "files": files,
        "total_original_size": original,
        "total_compressed_size": stored,
        "compression_ratio": stored / original if original else 1.0,
    }
