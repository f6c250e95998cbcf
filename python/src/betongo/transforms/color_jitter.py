"""Random changes of colour. Factors and formulas are those of torchvision's ColorJitter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..pipeline.allocation_query import AllocationQuery
from ..pipeline.state import State
from ._transform import Transform, chance, finite, indexed

__all__ = [
    "RandomBrightness",
    "RandomColorJitter",
    "RandomContrast",
    "RandomGrayscale",
    "RandomHue",
    "RandomSaturation",
]


class _Colour(Transform):
    """What changes each image by a random factor with probability p, in place."""

    p: float
    _engine: str
    _least = 3  # channels

    def _op(self) -> dict[str, Any] | None:
        if not self._channels(self._least, 4 if self._least == 1 else 3):
            return None
        settings = self._settings()
        return None if settings is None else {"op": self._engine, **settings, "p": chance(self.p)}

    def _settings(self) -> dict[str, float] | None:
        """Return the engine's settings beside the probability."""
        raise NotImplementedError

    def _change(self, image: np.ndarray, random: np.random.Generator) -> None:
        """Change one image (height, width, channels)."""
        raise NotImplementedError

    def generate_code(self) -> Callable[..., Any]:
        p = self.p

        def colour(images: np.ndarray, dst: Any = None, indices: Any = None) -> np.ndarray:
            random = self._generator(indices)
            for i in np.flatnonzero(random.random(len(images)) < p):
                self._change(images[i], random)
            return images

        return indexed(colour)

    def declare_state_and_memory(self, previous_state: State) -> tuple[State, AllocationQuery | None]:
        return self._images(previous_state), None


class _Factor(_Colour):
    def __init__(self, magnitude: float, p: float = 0.5) -> None:
        super().__init__()
        self.p = p
        self.magnitude = magnitude

    def _settings(self) -> dict[str, float] | None:
        magnitude = float(self.magnitude)
        return {"magnitude": magnitude} if finite(magnitude) and magnitude >= 0 else None

    def _change(self, image: np.ndarray, random: np.random.Generator) -> None:
        self._apply(image, random.uniform(max(0, 1 - self.magnitude), 1 + self.magnitude))

    @staticmethod
    def _apply(image: np.ndarray, factor: float) -> None:
        raise NotImplementedError


class RandomBrightness(_Factor):
    """Multiply each image's values by a random factor with probability p.

    magnitude: the factor is uniform from max(0, 1 - magnitude) to 1 + magnitude. Takes arrays
    (n, height, width, channels) of values from 0 to 255, which are changed in place.
    """

    _engine = "Brightness"
    _least = 1

    @staticmethod
    def _apply(image: np.ndarray, factor: float) -> None:
        brighten(image, factor)


class RandomContrast(_Factor):
    """Move each image from or to its mean gray by a random factor with probability p.

    magnitude: the factor is uniform from max(0, 1 - magnitude) to 1 + magnitude. Takes arrays
    (n, height, width, 3) of values from 0 to 255, which are changed in place.
    """

    _engine = "Contrast"

    @staticmethod
    def _apply(image: np.ndarray, factor: float) -> None:
        contrast(image, factor)


class RandomSaturation(_Factor):
    """Move each pixel from or to its own gray by a random factor with probability p.

    magnitude: the factor is uniform from max(0, 1 - magnitude) to 1 + magnitude, one for each image. Takes
    arrays (n, height, width, 3) of values from 0 to 255, which are changed in place.
    """

    _engine = "Saturation"

    @staticmethod
    def _apply(image: np.ndarray, factor: float) -> None:
        saturate(image, factor)


class RandomHue(_Factor):
    """Turn each image's colours round the colour circle with probability p.

    magnitude: how far at most, each way, as a share of the circle; 0.5 at most. Takes uint8 arrays
    (n, height, width, 3), which are changed in place. FFCV has no such transform.
    """

    _engine = "Hue"

    def __init__(self, magnitude: float, p: float = 0.5) -> None:
        super().__init__(magnitude, p)
        _check_hue(magnitude)

    def _change(self, image: np.ndarray, random: np.random.Generator) -> None:
        turn(image, random.uniform(-self.magnitude, self.magnitude))


class RandomGrayscale(_Colour):
    """Give all three channels the pixel's gray, in each image with probability p.

    Takes arrays (n, height, width, 3) of values from 0 to 255, which are changed in place. FFCV has no such
    transform.
    """

    _engine = "Grayscale"

    def __init__(self, p: float = 0.1) -> None:
        super().__init__()
        self.p = p

    def _settings(self) -> dict[str, float] | None:
        return {}

    def _change(self, image: np.ndarray, random: np.random.Generator) -> None:
        image[:] = gray(image)[..., None]


class RandomColorJitter(_Colour):
    """Change brightness, contrast, saturation and hue in a random order, of each image with probability p.

    Each is as in the transform of its own, with the number given here as magnitude; 0 leaves it out. Takes
    uint8 arrays (n, height, width, 3), which are changed in place. FFCV has no such transform.
    """

    _engine = "ColorJitter"

    def __init__(
        self,
        brightness: float = 0.0,
        contrast: float = 0.0,
        saturation: float = 0.0,
        hue: float = 0.0,
        p: float = 1.0,
    ) -> None:
        super().__init__()
        _check_hue(hue)
        self.brightness = brightness
        self.contrast = contrast
        self.saturation = saturation
        self.hue = hue
        self.p = p

    def _settings(self) -> dict[str, float] | None:
        names = ("brightness", "contrast", "saturation", "hue")
        settings = {name: float(getattr(self, name)) for name in names}
        return settings if finite(*settings.values()) and min(settings.values()) >= 0 else None

    def _change(self, image: np.ndarray, random: np.random.Generator) -> None:
        steps: list[tuple[Callable[[np.ndarray, float], None], float, float]] = [
            (change, max(0.0, 1 - size), 1 + size)
            for change, size in (
                (brighten, self.brightness),
                (contrast, self.contrast),
                (saturate, self.saturation),
            )
            if size
        ]
        if self.hue:
            steps.append((turn, -self.hue, self.hue))
        for i in random.permutation(len(steps)):
            change, low, high = steps[i]
            change(image, random.uniform(low, high))


def _check_hue(hue: float) -> None:
    if not 0 <= hue <= 0.5:
        raise ValueError(f"a turn of hue by {hue}, want 0 to 0.5")


def gray(image: np.ndarray) -> np.ndarray:
    """Return each pixel's gray, in the image's dtype and without its fraction."""
    return (0.2989 * image[..., 0] + 0.587 * image[..., 1] + 0.114 * image[..., 2]).astype(image.dtype)


def brighten(image: np.ndarray, factor: float) -> None:
    """Multiply values by factor."""
    _blend(image, factor, 0.0)


def contrast(image: np.ndarray, factor: float) -> None:
    """Move values from (factor above 1) or to the image's mean gray."""
    _blend(image, factor, (1 - factor) * float(gray(image).mean(dtype=np.float64)))


def _blend(image: np.ndarray, factor: float, rest: float) -> None:
    """Make every value factor times itself and rest, held to 0 and 255."""
    if image.dtype == np.uint8:
        table = (factor * np.arange(256) + rest).clip(0, 255).astype(np.uint8)
        image[:] = table[image]
    else:
        image[:] = (factor * image.astype(np.float64) + rest).clip(0, 255)


def saturate(image: np.ndarray, factor: float) -> None:
    """Move pixels from (factor above 1) or to their gray."""
    value = factor * image.astype(np.float64) + (1 - factor) * gray(image)[..., None].astype(np.float64)
    image[:] = value.clip(0, 255).astype(image.dtype)


def turn(image: np.ndarray, by: float) -> None:
    """Turn the hue of uint8 pixels by a share of the circle, in float32."""
    rgb = np.moveaxis(image, -1, 0).astype(np.float32) / np.float32(255)
    most, span = rgb.max(0), rgb.max(0) - rgb.min(0)
    some = np.where(span == 0, np.float32(1), span)
    s = np.where(span == 0, np.float32(0), span / np.where(most == 0, np.float32(1), most))
    red, green, blue = (most - rgb) / some
    h = np.where(most == rgb[0], blue - green, np.where(most == rgb[1], 2 + red - blue, 4 + green - red))
    h = np.where(span == 0, np.float32(0), h).astype(np.float32)
    h = _whole(_whole(h / np.float32(6) + np.float32(1)) + np.float32(by)) * np.float32(6)
    sector = np.floor(h)
    f = h - sector
    one = np.float32(1)
    p, q, t = (_level(most * (one - part)) for part in (s, s * f, s * (one - f)))
    v = _level(most)
    which = sector.astype(np.int8) % 6
    for channel, values in enumerate(((v, q, p, p, t, v), (t, v, v, q, p, p), (p, p, t, v, v, q))):
        image[..., channel] = np.choose(which, values)


def _whole(h: np.ndarray) -> np.ndarray:
    """Take whole turns off hues from -1 to 2."""
    return np.where(h >= 1, h - np.float32(1), np.where(h < 0, h + np.float32(1), h))


def _level(v: np.ndarray) -> np.ndarray:
    return (v.clip(0, 1) * np.float32(255)).astype(np.uint8)
