"""RGBImageField: pictures, as pixels or as JPEG."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from .base import FORM_FILE, FORM_PATH, FORM_PIXELS, Entry, Field, Malloc, _decoder, _no_args

if TYPE_CHECKING:
    from .._wire import Connection
    from ..pipeline.operation import Operation

__all__ = ["IMAGE_MODES", "RGBImageField", "encode_jpeg", "resizer"]

IMAGE_MODES = {"jpg": 0, "raw": 1}
"""How a picture's metadata say what its bytes are."""

_DECODERS = (
    "CenterCropRGBImageDecoder",
    "RandomResizedCropRGBImageDecoder",
    "ResizedCropRGBImageDecoder",
    "SimpleRGBImageDecoder",
    "get_center_crop",
    "get_random_crop",
)

_MODES = ("raw", "jpg", "smart", "proportion")
_AREA = 3  # OpenCV's number of INTER_AREA


def __getattr__(name: str) -> Any:
    if name in _DECODERS:
        return _decoder(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class RGBImageField(Field):
    """Pictures: PIL images of mode RGB, uint8 arrays of shape (height, width, 3), and image files, as bytes
    or os.PathLike, of any format that the engine reads.

    write_mode: 'raw' (pixels), 'jpg', 'smart' (JPEG when the pixels take more than smart_threshold bytes) or
    'proportion' (JPEG with compress_probability). max_resolution: pixels of the longer side, to which larger
    pictures are shrunk; or min_resolution: of the shorter side. jpeg_quality: 1 to 100.

    interpolation and resample are filters to shrink with instead of OpenCV's area: an OpenCV number (which
    needs cv2), or with pillow_resize one of Pillow's (its default Lanczos).

    keep_jpeg: image files that are JPEG, and PIL images opened from one and not changed since, keep their
    bytes where a JPEG is to be stored and nothing is shrunk; otherwise pictures are decoded and encoded anew,
    as by FFCV. orient turns image files as their EXIF orientation says; strip drops the metadata of those
    that are kept. checkpoints=False leaves out what makes decoding parts of a JPEG quicker.
    max_pixels: a picture of more (width times height) is an error, before it is decoded where it is a file.
    """

    def __init__(
        self,
        write_mode: str = "raw",
        max_resolution: int | None = None,
        smart_threshold: int | None = None,
        jpeg_quality: int = 90,
        compress_probability: float = 0.5,
        *,
        min_resolution: int | None = None,
        interpolation: int | None = None,
        resample: int | None = None,
        pillow_resize: bool = False,
        keep_jpeg: bool = False,
        orient: bool = False,
        strip: bool = False,
        checkpoints: bool = True,
        max_pixels: int | None = None,
    ) -> None:
        if write_mode not in _MODES:
            raise ValueError(f"write_mode {write_mode!r}; there are {', '.join(map(repr, _MODES))}")
        if max_resolution is not None and min_resolution is not None:
            raise ValueError(
                f"only one of max_resolution={max_resolution} and min_resolution={min_resolution} can be set"
            )
        for name, pixels in (("max_resolution", max_resolution), ("min_resolution", min_resolution)):
            if pixels is not None and not (isinstance(pixels, (int, np.integer)) and pixels > 0):
                raise ValueError(f"{name}={pixels!r}: want a number of pixels of one side")
        if not 1 <= int(jpeg_quality) <= 100:
            raise ValueError(f"jpeg_quality={jpeg_quality}: want 1 to 100")
        if not 0 <= compress_probability <= 1:
            raise ValueError(f"compress_probability={compress_probability}: want 0 to 1")
        if max_pixels is not None and not (isinstance(max_pixels, (int, np.integer)) and max_pixels > 0):
            raise ValueError(f"max_pixels={max_pixels!r}: want a number of pixels")
        if orient and min_resolution is not None:
            raise ValueError("orient and min_resolution don't go together")
        self.write_mode = write_mode
        self.smart_threshold = smart_threshold
        self.max_resolution = max_resolution
        self.min_resolution = min_resolution
        self.jpeg_quality = int(jpeg_quality)
        self.proportion = compress_probability
        self.interpolation = interpolation
        self.resample = resample
        self.pillow_resize = pillow_resize
        self.keep_jpeg = keep_jpeg
        self.orient = orient
        self.strip = strip
        self.checkpoints = checkpoints
        self.max_pixels = max_pixels

    @property
    def metadata_type(self) -> np.dtype[Any]:
        return np.dtype([("mode", "<u1"), ("width", "<u2"), ("height", "<u2"), ("data_ptr", "<u8")])

    def get_decoder_class(self) -> type[Operation]:
        return _decoder("SimpleRGBImageDecoder")

    @staticmethod
    def from_binary(binary: np.ndarray) -> Field:
        return RGBImageField()

    def to_binary(self) -> np.ndarray:
        return _no_args()

    def encode(self, destination: Any, image: Any, malloc: Malloc) -> None:
        pixels = resizer(self._pixels(image), self.max_resolution, self.min_resolution, self.interpolation)
        height, width = pixels.shape[:2]
        if max(height, width) > 65535:
            raise ValueError(f"a picture of {width}x{height} pixels: a side can have 65535")
        mode = self.write_mode
        if mode == "smart":
            mode = (
                "jpg" if self.smart_threshold is not None and pixels.nbytes > self.smart_threshold else "raw"
            )
        elif mode == "proportion":
            mode = "jpg" if np.random.rand() < self.proportion else "raw"
        data = (
            encode_jpeg(pixels, self.jpeg_quality)
            if mode == "jpg"
            else np.ascontiguousarray(pixels).reshape(-1)
        )
        destination["mode"] = IMAGE_MODES[mode]
        destination["height"], destination["width"] = height, width
        destination["data_ptr"], storage = malloc(data.nbytes)
        storage[:] = data

    def _spec(self) -> dict[str, Any]:
        mode, threshold = self.write_mode, 0
        if mode == "smart":
            if self.smart_threshold is None:
                mode = "raw"
            else:
                threshold = max(
                    1, int(self.smart_threshold)
                )  # 0 is none for the engine, and any picture is larger
        if mode == "proportion" and self.proportion == 0:
            mode = "raw"
        spec: dict[str, Any] = {
            "kind": "rgb",
            "mode": mode,
            "quality": self.jpeg_quality,
            "keep": self.keep_jpeg,
        }
        if mode == "smart":
            spec["smart_threshold"] = threshold
        if mode == "proportion":
            spec["probability"] = float(self.proportion)
        if not self._resizes_here():
            spec["max_resolution"] = int(self.max_resolution or 0)
            spec["min_resolution"] = int(self.min_resolution or 0)
        spec.update(orient=self.orient, strip=self.strip, no_checkpoints=not self.checkpoints)
        spec["max_pixels"] = int(self.max_pixels or 0)
        return spec

    def _resizes_here(self) -> bool:
        """Whether pictures are shrunk in Python: by a filter that the engine doesn't have."""
        if self.max_resolution is None and self.min_resolution is None:
            return False
        return self.pillow_resize or self.interpolation not in (None, _AREA)

    def _entry(self, value: Any) -> Entry:
        if self._resizes_here():
            pixels = resizer(
                self._pixels(value), self.max_resolution, self.min_resolution, self.interpolation
            )
            return _of_pixels(pixels)
        if isinstance(value, np.ndarray):
            return _of_pixels(value)
        if _is_pil(value):
            file = _jpeg_file(value, self.keep_jpeg)
            if file is not None:
                return FORM_FILE, 0, 0, 0, file
            _check_mode(value)
            width, height = value.size
            return FORM_PIXELS, height, width, 3, value.tobytes()
        if isinstance(value, (bytes, bytearray, memoryview)):
            return FORM_FILE, 0, 0, 0, value
        if isinstance(value, os.PathLike):
            if self.min_resolution is None:
                return FORM_PATH, 0, 0, 0, os.path.abspath(os.fsencode(value))
            with open(value, "rb") as f:
                return FORM_FILE, 0, 0, 0, f.read()
        raise _unsupported(value)

    def _pixels(self, value: Any) -> Any:
        """The value's pixels; a PIL image, shrunk, with pillow_resize."""
        if isinstance(value, (bytes, bytearray, memoryview, os.PathLike)):
            import io

            from PIL import Image

            value = Image.open(value if isinstance(value, os.PathLike) else io.BytesIO(value)).convert("RGB")
        if self.pillow_resize and (self.max_resolution is not None or self.min_resolution is not None):
            value = self._pillow(value)
        if _is_pil(value):
            _check_mode(value)
            return np.frombuffer(value.tobytes(), np.uint8).reshape(value.size[1], value.size[0], 3)
        if not isinstance(value, np.ndarray):
            raise _unsupported(value)
        return _checked(value)

    def _pillow(self, value: Any) -> Any:
        from PIL import Image

        if isinstance(value, np.ndarray):
            value = Image.fromarray(_checked(value))
        if not _is_pil(value):
            raise _unsupported(value)
        size = _shrunk(value.size, self.max_resolution, self.min_resolution)
        if size == value.size:
            return value
        return value.resize(
            size, resample=Image.Resampling.LANCZOS if self.resample is None else self.resample
        )


def _unsupported(value: Any) -> TypeError:
    return TypeError(
        f"a {type(value).__module__}.{type(value).__qualname__} where a picture belongs: a PIL image of "
        "mode RGB, a uint8 array (height, width, 3), or an image file as bytes or path"
    )


def _checked(pixels: np.ndarray) -> np.ndarray:
    if pixels.dtype != np.uint8:
        raise ValueError(f"a picture of {pixels.dtype}, want uint8")
    if pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
        raise ValueError(f"a picture of shape {pixels.shape}, want (height, width, 3)")
    return pixels


def _of_pixels(pixels: np.ndarray) -> Entry:
    pixels = _checked(pixels)
    return FORM_PIXELS, pixels.shape[0], pixels.shape[1], 3, np.ascontiguousarray(pixels)


def _is_pil(value: Any) -> bool:
    pil = sys.modules.get("PIL.Image")
    return pil is not None and isinstance(value, pil.Image)


def _check_mode(image: Any) -> None:
    if image.mode != "RGB":
        raise ValueError(f"a PIL image of mode {image.mode}, want RGB: .convert('RGB') makes it one")


def _jpeg_file(image: Any, keep: bool) -> bytes | None:
    """The bytes of the JPEG that a PIL image was opened from, if the image is what those give.

    Of an image that was not decoded yet nothing can have been changed, and the engine decodes it just as
    Pillow would. One that was decoded could have been: if its bytes are wanted it is compared with what a
    second decoding gives.
    """
    if getattr(image, "format", None) != "JPEG" or image.mode != "RGB" or not hasattr(image, "tile"):
        return None
    waits = bool(image.tile) and getattr(image, "fp", None) is not None
    if waits and getattr(image, "decoderconfig", None):
        return None  # draft() has asked for another size
    if not waits and not keep:
        return None
    data = _file_of(image)
    if data is None or waits:
        return data
    import io

    from PIL import Image

    try:
        again = Image.open(io.BytesIO(data))
        same = again.mode == "RGB" and again.size == image.size and again.tobytes() == image.tobytes()
    except OSError:
        return None
    return data if same else None


def _file_of(image: Any) -> bytes | None:
    """The bytes of the file that a PIL image was opened from, None when they can't be had any more."""
    fp = getattr(image, "fp", None)
    try:
        if fp is not None and not getattr(fp, "closed", False):
            at = fp.tell()
            fp.seek(0)
            data: bytes = fp.read()
            fp.seek(at)
            return data
        name = getattr(image, "filename", "")
        if name:
            with open(name, "rb") as f:
                return f.read()
    except (OSError, ValueError, AttributeError):
        pass
    return None


def _shrunk(size: tuple[int, int], most: int | None, least: int | None) -> tuple[int, int]:
    """The size (width, height) that a picture is shrunk to, rounded as FFCV does."""
    ratio = 1.0
    if most is not None:
        ratio = most / max(size)
    elif least is not None:
        ratio = least / min(size)
    return size if ratio >= 1 else (int(ratio * size[0]), int(ratio * size[1]))


def resizer(
    image: np.ndarray,
    max_resolution: int | None,
    min_resolution: int | None = None,
    interpolation: int | None = None,
) -> np.ndarray:
    """Returns an RGB picture, uint8 (height, width, 3), shrunk to a longer side of max_resolution pixels, or
    a shorter one of min_resolution; itself when it is small enough. interpolation is OpenCV's number of a
    filter, INTER_AREA by default, which needs no cv2.
    """
    size = image.shape[1], image.shape[0]
    to = _shrunk(size, max_resolution, min_resolution)
    if to == size:
        return image
    if min(to) < 1:
        raise ValueError(f"a picture of {size[0]}x{size[1]} pixels would become {to[0]}x{to[1]}")
    if interpolation not in (None, _AREA):
        try:
            import cv2
        except ImportError:
            raise ValueError(f"interpolation={interpolation} is OpenCV's, and cv2 is not installed") from None
        resized: np.ndarray = cv2.resize(image, to, interpolation=interpolation)
        return resized
    answer, data = _picture(
        image, max_resolution=int(max_resolution or 0), min_resolution=int(min_resolution or 0)
    )
    return np.frombuffer(data, np.uint8).reshape(answer["height"], answer["width"], 3)


def encode_jpeg(numpy_image: np.ndarray, quality: int) -> np.ndarray:
    """Returns the JPEG, as a uint8 array, of an RGB picture, uint8 (height, width, 3): OpenCV's and Pillow's
    bytes.
    """
    _, data = _picture(numpy_image, quality=int(quality))
    return np.frombuffer(data, np.uint8)


def _picture(image: np.ndarray, **what: int) -> tuple[dict[str, Any], bytearray]:
    """Has the engine work on a picture."""
    image = np.ascontiguousarray(_checked(image))
    request = {"do": "picture", "height": image.shape[0], "width": image.shape[1], **what}
    answer, data = _connection().request(request, memoryview(image.reshape(-1)))
    return answer["ok"], data


_connections: dict[int, Connection] = {}


def _connection() -> Connection:
    """This process's connection for single pictures."""
    from .._engine import Connector

    pid = os.getpid()
    c = _connections.get(pid)
    if c is None or c.closed:
        _connections.clear()
        c = _connections[pid] = Connector()()
    return c
