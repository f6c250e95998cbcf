"""Decoders: what makes arrays of stored values."""

from __future__ import annotations

import io
from abc import ABCMeta, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import UnsupportedError
from ..pipeline.allocation_query import AllocationQuery
from ..pipeline.state import State
from ..transforms._resize import filter_number, resize
from ..transforms._transform import Transform, colour, interval, plain
from ..transforms.follow import Area, Boxes, Mask
from ..transforms.resize import RandomCrop, height_width
from ..transforms.utils.fast_crop import draw_crop, get_center_crop, get_random_crop

__all__ = [
    "Area",
    "AudioDecoder",
    "BasicDecoder",
    "Boxes",
    "BytesDecoder",
    "CenterCropRGBImageDecoder",
    "FloatDecoder",
    "ImageDecoder",
    "IntDecoder",
    "Mask",
    "NDArrayDecoder",
    "RandomCropRGBImageDecoder",
    "RandomResizedCropRGBImageDecoder",
    "ResizeCenterCropRGBImageDecoder",
    "ResizeRGBImageDecoder",
    "ResizedCropRGBImageDecoder",
    "SimpleRGBImageDecoder",
]


if not TYPE_CHECKING:  # to whom every name would be there

    def __getattr__(name: str) -> Any:
        from .._names import missing

        raise missing(__name__, name, __all__)


_JPEG = 0  # mode of a stored image


def _plain_read(decoder: Transform) -> Callable[..., np.ndarray]:
    """Return the function that reads stored bytes, not compiled: nothing that is compiled calls it here."""
    read: Any = decoder.memory_read
    return getattr(read, "py_func", read)  # type: ignore[no-any-return]


class _Default(Transform):
    """A decoder that is its field's default in the engine: whose _op is {}."""

    _decoder = True


class BasicDecoder(_Default):
    """Decode scalars: arrays (n, 1) of the class's dtype.

    A subclass with a dtype of its own decodes scalars of that type.
    """

    dtype: np.dtype

    def _op(self) -> dict[str, Any] | None:
        return {} if type(self).dtype in (np.dtype("<i8"), np.dtype("<f8")) else None

    def declare_state_and_memory(self, previous_state: State) -> tuple[State, AllocationQuery]:
        state = replace(previous_state, jit_mode=True, shape=(1,), dtype=self.dtype)
        return state, AllocationQuery((1,), self.dtype)

    def generate_code(self) -> Callable[..., Any]:
        def decoder(indices: Any, destination: np.ndarray, metadata: Any, storage_state: Any) -> np.ndarray:
            destination[: len(indices), 0] = metadata[np.asarray(indices, dtype=np.int64)]
            return destination[: len(indices)]

        return plain(decoder)


class IntDecoder(BasicDecoder):
    """Decode integers: int64 (n, 1)."""

    dtype = np.dtype("<i8")


class FloatDecoder(BasicDecoder):
    """Decode floats: float64 (n, 1)."""

    dtype = np.dtype("<f8")


class NDArrayDecoder(_Default):
    """Decode arrays of one shape: (n, *shape) of the field's dtype."""

    def _op(self) -> dict[str, Any] | None:
        return {}

    def declare_state_and_memory(self, previous_state: State) -> tuple[State, AllocationQuery]:
        shape, dtype = tuple(self.field.shape), np.dtype(self.field.dtype)  # type: ignore[attr-defined]
        return replace(previous_state, jit_mode=True, shape=shape, dtype=dtype), AllocationQuery(shape, dtype)

    def generate_code(self) -> Callable[..., Any]:
        read = _plain_read(self)
        unpack = getattr(self.field, "_unpack", None)  # of an LZ4Field

        def decoder(indices: Any, destination: np.ndarray, metadata: Any, storage_state: Any) -> np.ndarray:
            for k, sample in enumerate(indices):
                flat = destination[k].reshape(-1).view(np.uint8)
                row = metadata[sample]
                if unpack is not None:
                    flat[:] = unpack(row, read(row["ptr"], storage_state))
                else:
                    flat[:] = read(row, storage_state)[: flat.size]
            return destination[: len(indices)]

        return plain(decoder)


class BytesDecoder(_Default):
    """Decode bytes: uint8 (n, longest of the dataset), shorter values followed by zeros."""

    _last = True

    def _op(self) -> dict[str, Any] | None:
        return {}

    def _output(self) -> dict[str, Any]:
        return {"width": self._longest()}

    def _longest(self) -> int:
        sizes = self.metadata["size"]
        return int(sizes.max()) if len(sizes) else 0

    def declare_state_and_memory(self, previous_state: State) -> tuple[State, AllocationQuery]:
        shape, dtype = (self._longest(),), np.dtype("<u1")
        return replace(previous_state, jit_mode=True, shape=shape, dtype=dtype), AllocationQuery(shape, dtype)

    def generate_code(self) -> Callable[..., Any]:
        read = _plain_read(self)
        unpack = getattr(self.field, "_unpack", None)  # of an LZ4Field

        def decoder(indices: Any, destination: np.ndarray, metadata: Any, storage_state: Any) -> np.ndarray:
            for k, sample in enumerate(indices):
                size = int(metadata[sample]["size"])
                if size:
                    data = read(metadata[sample]["ptr"], storage_state)
                    if unpack is not None:
                        data = unpack(metadata[sample], data)
                    destination[k, :size] = data[:size]
                destination[k, size:] = 0
            return destination[: len(indices)]

        return plain(decoder)


class AudioDecoder(_Default):
    """Give what is kept of a sound beside its bytes: uint8 (n, 32), the field's metadata_type in bytes.

    The sounds themselves are what betongo.open and Reader give.
    """

    def _op(self) -> dict[str, Any] | None:
        return {}

    def declare_state_and_memory(self, previous_state: State) -> tuple[State, AllocationQuery]:
        shape, dtype = (int(self.metadata.dtype.itemsize),), np.dtype("<u1")
        return replace(previous_state, jit_mode=True, shape=shape, dtype=dtype), AllocationQuery(shape, dtype)

    def generate_code(self) -> Callable[..., Any]:
        def decoder(indices: Any, destination: np.ndarray, metadata: Any, storage_state: Any) -> np.ndarray:
            for k, sample in enumerate(indices):
                destination[k] = np.frombuffer(metadata[sample].tobytes(), np.uint8)
            return destination[: len(indices)]

        return plain(decoder)


class _ImageDecoder(Transform):
    """What decoders of pictures have in common: those of RGBImageField, and of ImageField."""

    _decoder = True
    # Gives whole images, uint8 (height, width, 3), of samples. Where the loader sets it the engine decodes
    # them, else it is done here, JPEGs by Pillow.
    _images_of: Callable[[np.ndarray], Sequence[np.ndarray]] | None = None

    def _shape(self) -> tuple[int, int]:
        """Return the height and width of the outcome."""
        raise NotImplementedError

    def _accepts(self, field: Any) -> bool:
        return _is_raster(field)

    def _fit(self, image: np.ndarray, random: np.random.Generator) -> np.ndarray:
        """Return the outcome of one whole image."""
        raise NotImplementedError

    def declare_state_and_memory(self, previous_state: State) -> tuple[State, Any]:
        height, width = self._shape()
        if not (1 <= height <= 65535 and 1 <= width <= 65535):
            raise ValueError(
                f"{type(self).__name__} of images of {(height, width)}, want sides from 1 to 65535"
            )
        field = getattr(self, "field", None)
        channels, dtype = (field.channels, field.dtype) if _is_raster(field) else (3, np.dtype("<u1"))  # type: ignore
        shape = (height, width, channels)
        return replace(previous_state, jit_mode=True, shape=shape, dtype=dtype), AllocationQuery(shape, dtype)

    def generate_code(self) -> Callable[..., Any]:
        read = _plain_read(self)

        def decode(indices: Any, destination: Any, metadata: Any, storage_state: Any) -> np.ndarray:
            out: np.ndarray = destination[0] if isinstance(destination, tuple) else destination
            random = self._generator(indices)
            for k, image in enumerate(self._whole(indices, metadata, storage_state, read)):
                out[k] = self._fit(image, random)
            return out[: len(indices)]

        return plain(decode)

    def _whole(self, indices: Any, metadata: Any, storage_state: Any, read: Any) -> Iterator[np.ndarray]:
        """Give the whole images of some samples."""
        if self._images_of is not None:
            yield from self._images_of(np.asarray(indices, dtype=np.int64))
            return
        raster = _is_raster(self.field)
        for sample in indices:
            row = metadata[sample]
            data = read(row["ptr" if raster else "data_ptr"], storage_state)
            if raster:
                yield _decode_raster(self.field, row, data)
                continue
            shape = int(row["height"]), int(row["width"]), 3
            if int(row["mode"]) == _JPEG:
                yield decode_jpeg(data, shape[0], shape[1])
            else:
                yield data[: shape[0] * shape[1] * 3].reshape(shape)


def _is_raster(field: Any) -> bool:
    """Tell whether a field is one of lossless pictures."""
    from .image import ImageField

    return isinstance(field, ImageField)


def _decode_raster(field: Any, row: Any, data: np.ndarray) -> np.ndarray:
    """Return a lossless picture, (height, width, channels); ValueError when it is broken."""
    from .. import _value

    info = _value.custom("", field.to_binary())
    try:
        return _value._picture(info, row, data)
    except _value.DecodeError as e:
        raise ValueError(str(e)) from e


def _one_size(metadata: Any, who: str) -> tuple[int, int]:
    """Return the height and width that all pictures have; TypeError when they differ."""
    heights, widths = metadata["height"], metadata["width"]
    if not len(heights):
        raise TypeError(f"{who} takes its size from the pictures, and there are none")
    low, high = (heights.min(), widths.min()), (heights.max(), widths.max())
    if low != high:
        raise TypeError(
            f"{who} takes pictures of one size, these are from {low[0]}x{low[1]} to {high[0]}x{high[1]} "
            "pixels: use RandomResizedCropRGBImageDecoder, CenterCropRGBImageDecoder or another that makes "
            "them one size"
        )
    return int(heights[0]), int(widths[0])


class ImageDecoder(_ImageDecoder):
    """Decode whole lossless pictures, which must all have one size.

    Gives (n, height, width, channels) of the field's dtype. TypeError when their sizes differ.
    """

    def _op(self) -> dict[str, Any] | None:
        return {"op": "Simple"}

    def _shape(self) -> tuple[int, int]:
        return _one_size(self.metadata, type(self).__name__)

    def _fit(self, image: np.ndarray, random: np.random.Generator) -> np.ndarray:
        return image


def decode_jpeg(data: Any, height: int, width: int) -> np.ndarray:
    """Return a JPEG's pixels, uint8 (height, width, 3); ValueError when it is broken or of another size."""
    try:
        from PIL import Image
    except ImportError:
        raise UnsupportedError("a JPEG in the client needs Pillow, which is not installed") from None
    try:
        with Image.open(io.BytesIO(bytes(data))) as picture:
            pixels = np.asarray(picture.convert("RGB"))
    except OSError as e:
        raise ValueError(f"a JPEG of {len(data)} bytes that cannot be decoded: {e}") from e
    if pixels.shape != (height, width, 3):
        raise ValueError(f"a JPEG of {pixels.shape[:2]} where the metadata says {(height, width)}")
    return pixels


class SimpleRGBImageDecoder(_ImageDecoder):
    """Decode whole images, which must all have one size: uint8 (n, height, width, 3).

    TypeError when their sizes differ.
    """

    def __init__(self) -> None:
        super().__init__()

    def _op(self) -> dict[str, Any] | None:
        return {"op": "Simple"}

    def _shape(self) -> tuple[int, int]:
        return _one_size(self.metadata, type(self).__name__)

    def _fit(self, image: np.ndarray, random: np.random.Generator) -> np.ndarray:
        return image


class ResizedCropRGBImageDecoder(SimpleRGBImageDecoder, metaclass=ABCMeta):
    """The base of decoders that cut out a region and resize it to output_size, (height, width).

    A subclass has scale and ratio, and get_crop_generator, a function of an image's height and width and of
    these two that gives the region: its first row and column, height and width.
    """

    _defining = (*Transform._defining, "get_crop_generator")
    scale: Any = None
    ratio: Any = None

    def __init__(
        self,
        output_size: int | tuple[int, int],
        *,
        exact: bool = False,
        filter: str = "area",
        keep_damaged: bool = False,
    ) -> None:
        super().__init__()
        self.output_size = output_size
        self.exact = exact
        self.filter = filter
        self.keep_damaged = keep_damaged
        filter_number(filter)

    def _op(self) -> dict[str, Any] | None:
        return None

    def _target(self) -> dict[str, Any]:
        """Return the engine's settings that such decoders share."""
        height, width = self._shape()
        target = {"width": width, "height": height, "exact": bool(self.exact), **self._damage()}
        return {**target, "filter": filter_number(self.filter)}

    def _damage(self) -> dict[str, Any]:
        return {"ondamage": True} if self.keep_damaged else {}

    def _shape(self) -> tuple[int, int]:
        return height_width(self.output_size)

    @property
    @abstractmethod
    def get_crop_generator(self) -> Callable[..., tuple[int, int, int, int]]:
        """The function that gives the region."""
        raise NotImplementedError

    def _region(self, height: int, width: int, random: np.random.Generator) -> tuple[int, int, int, int]:
        return self.get_crop_generator(height, width, self.scale, self.ratio)

    def _fit(self, image: np.ndarray, random: np.random.Generator) -> np.ndarray:
        i, j, h, w = self._region(image.shape[0], image.shape[1], random)
        if image.dtype != np.uint8:
            raise UnsupportedError(f"{type(self).__name__} of {image.dtype} runs in the engine alone")
        return resize(image[i : i + h, j : j + w], *self._shape(), self.filter)


class RandomResizedCropRGBImageDecoder(ResizedCropRGBImageDecoder):
    """Decode a random region of each image, resized: uint8 (n, height, width, 3).

    output_size: (height, width), or the side of a square. scale: the region's share of the image's area,
    from the first to the second number. ratio: of its width to its height. exact: all of the picture
    decoded as libjpeg does it and resized bit for bit as OpenCV, several times as slow; without it values
    differ by fractions of a level. filter: "area" or "bilinear".
    keep_damaged: damaged JPEGs give what can be had of them, and are no errors.
    """

    def __init__(
        self,
        output_size: int | tuple[int, int],
        scale: tuple[float, float] = (0.08, 1.0),
        ratio: tuple[float, float] = (0.75, 4 / 3),
        *,
        exact: bool = False,
        filter: str = "area",
        keep_damaged: bool = False,
    ) -> None:
        super().__init__(output_size, exact=exact, filter=filter, keep_damaged=keep_damaged)
        self.scale = scale
        self.ratio = ratio

    def _op(self) -> dict[str, Any] | None:
        scale, ratio = interval(self.scale), interval(self.ratio)
        if scale is None or ratio is None:
            raise ValueError(
                f"{type(self).__name__} with scale {self.scale} and ratio {self.ratio}, want two numbers "
                "from 0 each, the first not above the second"
            )
        return {"op": "RandomResizedCrop", **self._target(), "scale": scale, "ratio": ratio}

    @property
    def get_crop_generator(self) -> Callable[..., tuple[int, int, int, int]]:
        return get_random_crop

    def _region(self, height: int, width: int, random: np.random.Generator) -> tuple[int, int, int, int]:
        if self.get_crop_generator is get_random_crop:
            return draw_crop(random, height, width, self.scale, self.ratio)
        return super()._region(height, width, random)


class CenterCropRGBImageDecoder(ResizedCropRGBImageDecoder):
    """Decode the square in the middle of each image, resized: uint8 (n, height, width, 3).

    output_size: (height, width), or the side of a square. ratio: of the square's side to the image's shorter
    one, above 0 and 1 at most. exact, filter and keep_damaged as RandomResizedCropRGBImageDecoder's.
    """

    def __init__(
        self,
        output_size: int | tuple[int, int],
        ratio: float,
        *,
        exact: bool = False,
        filter: str = "area",
        keep_damaged: bool = False,
    ) -> None:
        super().__init__(output_size, exact=exact, filter=filter, keep_damaged=keep_damaged)
        self.scale = None
        self.ratio = ratio

    def _op(self) -> dict[str, Any] | None:
        if not 0 < self.ratio <= 1:
            raise ValueError(f"{type(self).__name__} with ratio {self.ratio}, want above 0 and 1 at most")
        return {"op": "CenterCrop", **self._target(), "ratio": float(self.ratio)}

    @property
    def get_crop_generator(self) -> Callable[..., tuple[int, int, int, int]]:
        return _center_crop


def _center_crop(height: int, width: int, scale: Any, ratio: float) -> tuple[int, int, int, int]:
    return get_center_crop(height, width, ratio)


class ResizeRGBImageDecoder(ResizedCropRGBImageDecoder):
    """Decode whole images, resized whatever their shape: uint8 (n, height, width, 3).

    torchvision's Resize((height, width)); filter "bilinear" is its. FFCV has no such decoder.
    """

    def _op(self) -> dict[str, Any] | None:
        return {"op": "Resize", **self._target()}

    @property
    def get_crop_generator(self) -> Callable[..., tuple[int, int, int, int]]:
        return _everything


def _everything(height: int, width: int, scale: Any, ratio: Any) -> tuple[int, int, int, int]:
    return 0, 0, height, width


class ResizeCenterCropRGBImageDecoder(ResizedCropRGBImageDecoder):
    """Decode the middle of images that are resized before: uint8 (n, height, width, 3).

    size: what the shorter side becomes before output_size is cut out of the middle, as torchvision's
    Resize(size) and CenterCrop(output_size). exact: the whole picture is resized, and cut then, as there.
    FFCV has no such decoder.
    """

    def __init__(
        self,
        output_size: int | tuple[int, int],
        size: int,
        *,
        exact: bool = False,
        filter: str = "area",
        keep_damaged: bool = False,
    ) -> None:
        super().__init__(output_size, exact=exact, filter=filter, keep_damaged=keep_damaged)
        self.size = size

    def _shape(self) -> tuple[int, int]:
        height, width = super()._shape()
        if height > self.size or width > self.size:
            raise ValueError(
                f"{type(self).__name__} of {(height, width)} out of images of {self.size}: larger than that"
            )
        return height, width

    def _op(self) -> dict[str, Any] | None:
        return {"op": "ResizeCenterCrop", **self._target(), "size": int(self.size)}

    @property
    def get_crop_generator(self) -> Callable[..., tuple[int, int, int, int]]:
        return _everything

    def _fit(self, image: np.ndarray, random: np.random.Generator) -> np.ndarray:
        height, width = image.shape[:2]
        if width <= height:
            w, h = self.size, int(self.size * height / width)
        else:
            w, h = int(self.size * width / height), self.size
        whole = resize(image, h, w, self.filter)
        to_height, to_width = self._shape()
        y, x = round((h - to_height) / 2), round((w - to_width) / 2)
        return whole[y : y + to_height, x : x + to_width]


class RandomCropRGBImageDecoder(ResizedCropRGBImageDecoder):
    """Decode a random region of each image in its own pixels: uint8 (n, height, width, 3).

    padding, fill and pad_if_needed are RandomCrop's. torchvision's RandomCrop; FFCV has no such decoder.
    """

    def __init__(
        self,
        output_size: int | tuple[int, int],
        padding: int = 0,
        fill: tuple[int, int, int] = (0, 0, 0),
        pad_if_needed: bool = False,
        *,
        exact: bool = False,
        keep_damaged: bool = False,
    ) -> None:
        super().__init__(output_size, exact=exact, keep_damaged=keep_damaged)
        self.padding = padding
        self.fill = np.array(fill)
        self.pad_if_needed = pad_if_needed

    def _op(self) -> dict[str, Any] | None:
        height, width = self._shape()
        fill = colour(self.fill, 3)
        if fill is None or self.padding < 0:
            raise ValueError(
                f"{type(self).__name__} with padding {self.padding} and fill {self.fill}, want 0 or more and "
                "three numbers from 0 to 255"
            )
        return {
            "op": "RandomCrop",
            "width": width,
            "height": height,
            "padding": int(self.padding),
            "padifneeded": bool(self.pad_if_needed),
            "fill": fill,
            "exact": bool(self.exact),
            **self._damage(),
        }

    @property
    def get_crop_generator(self) -> Callable[..., tuple[int, int, int, int]]:
        return _everything

    def _fit(self, image: np.ndarray, random: np.random.Generator) -> np.ndarray:
        crop = RandomCrop(self.output_size, self.padding, tuple(self.fill), self.pad_if_needed)
        return crop.cut(image[None], None, random)[0]
