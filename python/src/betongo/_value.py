"""Single values of a .beton: where their bytes lie, and how they become Python's and NumPy's."""

from __future__ import annotations

import difflib
import io
import json
import math
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Iterable

import numpy as np

from .errors import UnsupportedError

if TYPE_CHECKING:
    from ._file import FieldInfo, File

MAX_SIDE = 65535
MAX_PIXELS = 1 << 28
AUDIO = np.dtype(
    {
        "names": ["sample_rate", "channels", "duration_ms", "ptr", "encoding"],
        "formats": ["<u4", "<u1", "<u4", "<u8", "<u1"],
        "offsets": [0, 4, 8, 16, 24],
        "itemsize": 32,
        "aligned": True,
    }
)
IMAGE = np.dtype(
    {
        "names": ["ptr", "size", "width", "height", "coding"],
        "formats": ["<u8", "<u8", "<u2", "<u2", "<u1"],
        "offsets": [0, 8, 16, 18, 20],
        "itemsize": 24,
        "aligned": True,
    }
)
LZ4 = np.dtype([("ptr", "<u8"), ("stored", "<u8"), ("size", "<u8")], align=True)
AUDIO_ENCODINGS = ("pcm_s16le", "mp3", "flac")


@dataclass(frozen=True)
class Audio:
    """A piece of sound, its bytes as stored.

    sample_rate: samples a second of each channel. channels: at least 1. duration_ms: milliseconds, as whoever
    made it says. encoding: "pcm_s16le" (channels interleaved), "mp3" or "flac". data: the coded sound.
    """

    sample_rate: int
    channels: int
    duration_ms: int
    encoding: str
    data: bytes


class DecodeError(Exception):
    """Stored bytes are not what their field's type says."""


def unknown_name(what: str, name: object, names: Iterable[str]) -> str:
    """Says that there is no such name, what there is, and which is nearest."""
    known = list(names)
    near = difflib.get_close_matches(str(name), known, 1, 0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"no {what} {name!r}: there are {', '.join(map(repr, known))}{hint}"


def array_arguments(arguments: np.ndarray) -> tuple[np.dtype, tuple[int, ...]]:
    """Reads an array field's dtype and shape. ValueError for arguments that are none, UnsupportedError for a
    structured type."""
    b = arguments.tobytes()
    shape = [int(n) for n in np.frombuffer(b, "<u8", 32)]
    while shape and shape[-1] == 0:
        shape.pop()
    length = int.from_bytes(b[256:264], "little")
    if length > len(b) - 264:
        raise ValueError(f"array arguments: a type's text of {length} bytes, at most {len(b) - 264} fit")
    text = b[264 : 264 + length]
    try:
        members = json.loads(text.decode("ascii"))
    except ValueError as e:
        raise ValueError(f"array arguments: type {text!r}: not JSON: {e}") from None
    if (
        not isinstance(members, list)
        or not members
        or not all(isinstance(m, list) and 2 <= len(m) <= 3 for m in members)
    ):
        raise ValueError(f"array arguments: type {text!r}: not a list of members")
    if len(members) > 1 or members[0][0] != "" or len(members[0]) == 3 or not isinstance(members[0][1], str):
        raise UnsupportedError(
            f"array type {text!r}: structured; such values can be stored as bytes or by a custom field"
        )
    try:
        dtype = np.dtype(members[0][1])
    except (TypeError, ValueError) as e:
        raise ValueError(f"array arguments: dtype {members[0][1]!r}: {e}") from None
    if dtype.hasobject or dtype.names or dtype.subdtype:
        raise ValueError(f"array arguments: dtype {members[0][1]!r} is none of a number's")
    if not shape:
        raise ValueError("array arguments: a shape without dimensions")
    size = max(dtype.itemsize, 1)
    for n in shape:
        size *= max(n, 1)  # NumPy bounds the others' product of an array without elements too
    if size >= 1 << 63:
        raise ValueError(
            f"array arguments: shape {tuple(shape)} of {dtype.str} has more bytes than a file can"
        )
    return dtype, tuple(shape)


def custom(name: str, arguments: np.ndarray) -> FieldInfo:
    """Describes a custom field from its arguments: one of this project's kinds, or one that nothing
    describes."""
    from ._file import CUSTOM, FieldInfo

    text, _, rest = arguments.tobytes().partition(b"\0")
    try:
        if rest.strip(b"\0"):
            raise ValueError
        found = json.loads(text)
    except ValueError:  # a custom field may keep anything there
        found = None
    kind = found.get("field") if isinstance(found, dict) else None
    if kind == "audio":
        return FieldInfo(name, CUSTOM, arguments, AUDIO, kind="audio")
    if kind == "image":
        channels, dtype = found.get("channels"), found.get("dtype")
        if type(channels) is not int or not 1 <= channels <= 4:
            raise ValueError(f"channels {channels!r}, want 1 to 4")
        if dtype not in ("|u1", "<u2"):
            raise ValueError(f"dtype {dtype!r}, want '|u1' or '<u2'")
        return FieldInfo(name, CUSTOM, arguments, IMAGE, np.dtype(dtype), kind="image", channels=channels)
    if kind == "lz4":
        return _lz4(name, arguments, found)
    return FieldInfo(name, CUSTOM, arguments, None)


def _lz4(name: str, arguments: np.ndarray, found: dict[str, Any]) -> FieldInfo:
    """Describes a field of another's values, compressed."""
    from . import _file

    version, of, shuffle = found.get("version"), found.get("type"), found.get("shuffle", 0)
    if version != 1:
        raise UnsupportedError(f"lz4 version {version!r}, this reads 1")
    if type(of) is not int or of not in (_file.BYTES, _file.NDARRAY, _file.JSON, _file.TORCH):
        raise ValueError(f"lz4 of type {of!r}, want 3, 4, 5 or 6")
    info = _file.FieldInfo(name, _file.CUSTOM, arguments, LZ4, kind="lz4", of=of)
    if of in (_file.BYTES, _file.JSON):
        if shuffle:
            raise ValueError(f"lz4: shuffle {shuffle!r} of values without elements")
        return info
    try:
        dtype = np.dtype(found.get("dtype", ""))
    except (TypeError, ValueError) as e:
        raise ValueError(f"lz4 of dtype {found.get('dtype')!r}: {e}") from None
    shape = found.get("shape")
    if (
        not isinstance(found.get("dtype"), str)
        or dtype.hasobject
        or dtype.names
        or dtype.subdtype
        or not isinstance(shape, list)
        or not 1 <= len(shape) <= 32
        or not all(type(n) is int and 0 <= n < 1 << 63 for n in shape)
    ):
        raise ValueError(f"lz4 of arrays of dtype {found.get('dtype')!r} and shape {shape!r}")
    if math.prod(shape) * dtype.itemsize >= 1 << 63:
        raise ValueError(f"lz4 of arrays of shape {tuple(shape)}: more bytes than a file can have")
    if shuffle not in (0, 2, 4, 8) or shuffle and dtype.itemsize % shuffle:
        raise ValueError(f"lz4: shuffle {shuffle!r} of elements of {dtype.itemsize} bytes")
    return replace(info, dtype=dtype, shape=tuple(shape), shuffle=int(shuffle))


def lz4_sizes(f: FieldInfo, m: Any) -> tuple[int, int]:
    """Checks the metadata of a value that may be compressed, and returns how many bytes are stored and how
    many it has."""
    stored, size = int(m["stored"]), int(m["size"])
    if stored > size or stored < size and size > stored * 255:
        raise DecodeError(f"lz4 metadata: {stored} bytes stored for {size}")
    if f.dtype is not None and f.shape is not None:
        want = math.prod(f.shape) * f.dtype.itemsize
        if size != want:
            raise DecodeError(f"lz4 metadata: a value of {size} bytes, want {want}")
    return stored, size


def unpacked(f: FieldInfo, m: Any, b: np.ndarray) -> np.ndarray:
    """Returns the bytes that the plain field would keep of a value; those of b where it isn't compressed."""
    stored, size = lz4_sizes(f, m)
    if len(b) < stored:
        raise DecodeError(f"{len(b)} bytes of data, want {stored}")
    if stored == size:
        return b[:size]
    plain = np.frombuffer(unpack_lz4(b[:stored].tobytes(), size), np.uint8)
    if f.shuffle:
        plain = np.ascontiguousarray(plain.reshape(f.shuffle, -1).T).reshape(-1)
    return plain


def region(file: File, i: int, k: int, m: Any) -> tuple[int, int]:
    """Returns pointer and size of the stored bytes of field k of sample i, whose metadata member is m."""
    from . import _file

    f = file.fields[k]
    if f.type == _file.RGB:
        ptr, width, height = int(m["data_ptr"]), int(m["width"]), int(m["height"])
        if int(m["mode"]) == 1:
            return ptr, width * height * 3
        if int(m["mode"]) != 0:
            raise DecodeError(f"image mode {int(m['mode'])}, want 0 (JPEG) or 1 (raw)")
        if width == 0 or height == 0:
            raise DecodeError(f"a JPEG of {width}x{height} pixels")
        size = file.region_size(i, k, ptr)
        if size == 0:
            raise DecodeError("a JPEG of no bytes")
        return ptr, size
    if f.type in (_file.BYTES, _file.JSON):
        return int(m["ptr"]), int(m["size"])
    if f.type in (_file.NDARRAY, _file.TORCH):
        assert f.dtype is not None and f.shape is not None
        size = f.dtype.itemsize
        for n in f.shape:
            size *= n
        return int(m), size
    if f.kind == "audio":
        return int(m["ptr"]), file.region_size(i, k, int(m["ptr"]))
    if f.kind == "lz4":
        return int(m["ptr"]), lz4_sizes(f, m)[0]
    return int(m["ptr"]), _picture_size(f, m)


def decode(file: File, i: int, k: int, m: Any, b: np.ndarray) -> Any:
    """Makes the value of field k of sample i from its member and stored bytes; see File.value."""
    from . import _file

    f = file.fields[k]
    of = f.type
    if f.kind == "lz4":
        of, b = f.of, unpacked(f, m, b)
    if of == _file.BYTES:
        return b.tobytes()
    if of == _file.JSON:
        return parse_json(b)
    if of in (_file.NDARRAY, _file.TORCH):
        assert f.dtype is not None and f.shape is not None
        return np.frombuffer(b.tobytes(), f.dtype).reshape(f.shape).copy()
    if f.type == _file.RGB:
        width, height = int(m["width"]), int(m["height"])
        if int(m["mode"]) == 1:
            return b.reshape(height, width, 3).copy()
        return _jpeg(file, i, k, b, width, height)
    if f.kind == "audio":
        if int(m["encoding"]) >= len(AUDIO_ENCODINGS) or not int(m["sample_rate"]) or not int(m["channels"]):
            raise DecodeError(
                f"audio of encoding {int(m['encoding'])}, {int(m['sample_rate'])} samples a second, "
                f"{int(m['channels'])} channels"
            )
        encoding = AUDIO_ENCODINGS[int(m["encoding"])]
        return Audio(int(m["sample_rate"]), int(m["channels"]), int(m["duration_ms"]), encoding, b.tobytes())
    return _picture(f, m, b)


def parse_json(b: np.ndarray) -> Any:
    """Parses a stored JSON text, which its first NUL ends."""
    text, nul, _ = b.tobytes().partition(b"\0")
    if not nul:
        raise DecodeError(f"json text: no NUL ends its {len(b)} bytes")
    try:
        return json.loads(text.decode("utf-8"))
    except (ValueError, RecursionError) as e:
        raise DecodeError(f"json text: {e}") from None


def _jpeg(file: File, i: int, k: int, b: np.ndarray, width: int, height: int) -> np.ndarray:
    """Decodes a JPEG by Pillow, or where that is missing by the engine."""
    try:
        from PIL import Image
    except ImportError:
        answer, pixels = _engine_images(file, k, i)
        h, w, c = (int(n) for n in answer["ok"]["images"][0][:3])
        out = np.frombuffer(pixels, np.uint8).reshape(h, w, c).copy()
    else:
        try:
            with Image.open(io.BytesIO(b.tobytes()), formats=("JPEG",)) as image:
                if image.size != (width, height):
                    raise DecodeError(
                        f"a JPEG of {image.size[0]}x{image.size[1]} pixels, the metadata has {width}x{height}"
                    )
                out = np.array(image.convert("RGB"))
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as e:
            raise DecodeError(f"JPEG of {len(b)} bytes: {e}") from None
    if out.shape != (height, width, 3):
        raise DecodeError(
            f"a JPEG of {out.shape[1]}x{out.shape[0]} pixels, the metadata has {width}x{height}"
        )
    return out


def _engine_images(file: File, k: int, i: int) -> tuple[dict[str, Any], bytes]:
    """Has the engine decode one picture. EngineError, or UnsupportedError, that names Pillow, where it
    can't."""
    from .errors import EngineError, SampleError

    try:
        request = {"do": "images", "field": file.fields[k].name, "ids": 1}
        answer, pixels = file.ask(request, np.array([i], "<i8").tobytes())
        return answer, bytes(pixels)
    except SampleError as e:
        raise DecodeError(str(e).removeprefix(f"{os.path.abspath(file.path)}: ")) from None
    except (EngineError, UnsupportedError) as e:
        e.args = (f"{e} (a JPEG is decoded by Pillow, which is not installed, or by the engine)",)
        raise


def _picture_size(f: FieldInfo, m: Any) -> int:
    """Checks the metadata of a lossless picture, and returns the size of its region."""
    assert f.dtype is not None
    width, height, coding, stored = (int(m[n]) for n in ("width", "height", "coding", "size"))
    if not width or not height or width * height > MAX_PIXELS:
        raise DecodeError(
            f"image metadata: a picture of {width}x{height} pixels, more than {MAX_PIXELS} or none"
        )
    size = width * height * f.channels * f.dtype.itemsize
    if coding > 3:
        raise DecodeError(f"image metadata: coding {coding}, want 0 to 3")
    if coding == 0 and stored != size:
        raise DecodeError(f"image metadata: {stored} bytes stored for {width}x{height}, want {size}")
    if coding and (stored >= size or size > stored * 255 + 64):
        raise DecodeError(f"image metadata: {stored} bytes of lz4 for the {size} of {width}x{height}")
    return stored


def _picture(f: FieldInfo, m: Any, b: np.ndarray) -> np.ndarray:
    """Decodes a lossless picture to (height, width, channels)."""
    assert f.dtype is not None
    width, height, coding = (int(m[n]) for n in ("width", "height", "coding"))
    shape = height, width, f.channels
    count = height * width * f.channels
    if coding == 0:
        return np.frombuffer(b.tobytes(), f.dtype).reshape(shape).copy()
    plain = unpack_lz4(b.tobytes(), count * f.dtype.itemsize)
    if coding == 1:
        return np.frombuffer(plain, f.dtype).reshape(shape).copy()
    step = f.channels if coding == 2 else f.channels * width
    differences = np.frombuffer(plain, np.uint8)
    if f.dtype.itemsize == 2:  # low bytes, then high bytes, of folded differences
        folded = differences[:count].astype(np.uint16) | differences[count:].astype(np.uint16) << np.uint16(8)
        differences = folded >> np.uint16(1) ^ -(folded & np.uint16(1))
    sums = np.cumsum(differences.reshape(-1, step), axis=0, dtype=differences.dtype)
    return sums.astype(f.dtype).reshape(shape)


def unpack_lz4(src: bytes, want: int) -> bytes:
    """Decodes an LZ4 block that has `want` bytes; DecodeError for another."""
    out = bytearray()
    at = 0

    def length(n: int) -> int:
        nonlocal at
        more = n == 15
        while more and at < len(src):
            n += src[at]
            more = src[at] == 255
            at += 1
        return n

    while at < len(src):
        token = src[at]
        at += 1
        n = length(token >> 4)
        if n > len(src) - at or n > want - len(out):
            raise DecodeError(f"byte {at} of {len(src)} of lz4: {n} bytes as they are, beyond the end")
        out += src[at : at + n]
        at += n
        if at == len(src):
            break
        back = int.from_bytes(src[at : at + 2], "little")
        if len(src) - at < 2 or back == 0 or back > len(out):
            raise DecodeError(
                f"byte {at} of {len(src)} of lz4: a copy from {back} bytes back, {len(out)} are there"
            )
        at += 2
        n = 4 + length(token & 15)
        if n > want - len(out):
            raise DecodeError(f"byte {at} of {len(src)} of lz4: {len(out) + n} bytes, want {want} in all")
        begin = len(out) - back
        if back >= n:
            out += out[begin : begin + n]
        else:
            out += (bytes(out[begin:]) * (n // back + 1))[:n]
    if len(out) != want:
        raise DecodeError(f"lz4 of {len(src)} bytes ends after {len(out)}, want {want}")
    return bytes(out)
