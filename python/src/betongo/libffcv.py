"""FFCV's native functions by their names, for operations and decoders of users.

memcpy may be called by functions that numba compiles; resize_crop and imdecode are NumPy and Pillow, for
plain Python. Images are resized and decoded in batches by the engine, which these are not.
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Any

import numpy as np

__all__ = ["imdecode", "memcpy", "read", "resize_crop"]

# numba calls it by its address, where a memoryview's copy could not go.
_libc: Any = ctypes.cdll.msvcrt if sys.platform == "win32" else ctypes.CDLL(None)  # type: ignore[attr-defined]
_memmove = _libc.memmove
_memmove.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
_memmove.restype = ctypes.c_void_p


def memcpy(source: np.ndarray, dest: np.ndarray) -> None:
    """Copies the bytes of source, C-contiguous, to the first ones of dest. ValueError when dest is
    smaller."""
    n = source.size * source.itemsize
    if n > dest.size * dest.itemsize:
        raise ValueError("memcpy: the source has more bytes than the destination")
    _memmove(dest.ctypes.data, source.ctypes.data, n)


def read(fileno: int, destination: np.ndarray, offset: int) -> int:
    """Reads into destination (C-contiguous uint8) from offset of an open file until it is full or the file
    ends.

    Returns how many bytes were read. OSError as os.pread.
    """
    room = memoryview(destination).cast("B")  # type: ignore[arg-type]
    done = 0
    while done < len(room):
        b = os.pread(fileno, min(len(room) - done, 1 << 30), int(offset) + done)
        if not b:
            break
        room[done : done + len(b)] = b
        done += len(b)
    return done


def resize_crop(
    source: np.ndarray, start_row: int, end_row: int, start_col: int, end_col: int, destination: np.ndarray
) -> None:
    """Resizes a region of source into destination, both uint8 (height, width, 3), with the pixels of OpenCV's
    INTER_AREA."""
    from .transforms.utils.fast_crop import resize_crop as made

    made(source, start_row, end_row, start_col, end_col, destination)


def imdecode(
    source: np.ndarray,
    dst: np.ndarray,
    source_height: int,
    source_width: int,
    crop_height: int | None = None,
    crop_width: int | None = None,
    offset_x: int = 0,
    offset_y: int = 0,
    scale_factor_num: int = 1,
    scale_factor_denom: int = 1,
    enable_crop: bool = False,
    do_flip: bool = False,
) -> int:
    """Decodes a JPEG (uint8) into dst, uint8 (rows, columns, 3), RGB, by Pillow; returns 0.

    With enable_crop the region of crop_height rows and crop_width columns at (offset_y, offset_x), mirrored
    with do_flip. ValueError when the picture has another size than given or dst another than the outcome,
    UnsupportedError for a scale, ImportError without Pillow.
    """
    import io

    from PIL import Image

    from .errors import UnsupportedError

    if scale_factor_num != scale_factor_denom:
        raise UnsupportedError(
            f"imdecode: a scale of {scale_factor_num}/{scale_factor_denom}: decode whole, then resize_crop"
        )
    with Image.open(io.BytesIO(source.tobytes())) as image:
        pixels = np.asarray(image.convert("RGB"))
    if pixels.shape[:2] != (source_height, source_width):
        raise ValueError(
            f"imdecode: a picture of {pixels.shape[1]}x{pixels.shape[0]} pixels, want "
            f"{source_width}x{source_height}"
        )
    if enable_crop:
        height, width = crop_height or 0, crop_width or 0
        if not (0 <= offset_y <= source_height - height and 0 <= offset_x <= source_width - width):
            raise ValueError(
                f"imdecode: {width}x{height} pixels at ({offset_x}, {offset_y}) of "
                f"{source_width}x{source_height}"
            )
        pixels = pixels[offset_y : offset_y + height, offset_x : offset_x + width]
    if do_flip:
        pixels = pixels[:, ::-1]
    if dst.size != pixels.size:
        raise ValueError(f"imdecode: dst of shape {dst.shape} for pixels of shape {pixels.shape}")
    dst.reshape(-1)[:] = pixels.reshape(-1)
    return 0
