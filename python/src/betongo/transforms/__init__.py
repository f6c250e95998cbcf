"""Transforms: FFCV's, by their names and arguments, and more that the engine has.

What the engine knows it does while it decodes. Behind an operation that it doesn't know all run in the
client, in NumPy or torch, with the same meaning and other random numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .blur import GaussianBlur
from .color_jitter import (
    RandomBrightness,
    RandomColorJitter,
    RandomContrast,
    RandomGrayscale,
    RandomHue,
    RandomSaturation,
)
from .common import Squeeze
from .cutmix import ImageCutMix, LabelCutMix
from .cutout import Cutout, RandomCutout
from .erasing import RandomErasing
from .flip import RandomHorizontalFlip, RandomVerticalFlip
from .follow import Area, Boxes, Mask
from .mixup import ImageMixup, LabelMixup, MixupToOneHot
from .module import ModuleWrapper
from .normalize import NormalizeImage
from .ops import Convert, ToCHW, ToDevice, ToTensor, ToTorchImage, View
from .poisoning import Poison
from .random_resized_crop import RandomResizedCrop
from .replace_label import ReplaceLabel
from .resize import RandomCrop, Resize
from .solarization import Solarization
from .translate import RandomTranslate

__all__ = [
    "Area",
    "Boxes",
    "Convert",
    "Cutout",
    "GaussianBlur",
    "ImageCutMix",
    "ImageMixup",
    "LabelCutMix",
    "LabelMixup",
    "Mask",
    "MixupToOneHot",
    "ModuleWrapper",
    "NormalizeImage",
    "Poison",
    "RandomBrightness",
    "RandomColorJitter",
    "RandomContrast",
    "RandomCrop",
    "RandomCutout",
    "RandomErasing",
    "RandomGrayscale",
    "RandomHorizontalFlip",
    "RandomHue",
    "RandomResizedCrop",
    "RandomSaturation",
    "RandomTranslate",
    "RandomVerticalFlip",
    "ReplaceLabel",
    "Resize",
    "Solarization",
    "Squeeze",
    "ToCHW",
    "ToDevice",
    "ToTensor",
    "ToTorchImage",
    "View",
]

if not TYPE_CHECKING:  # to whom every name would be there

    def __getattr__(name: str) -> Any:
        from .._names import missing

        raise missing(__name__, name, __all__)
