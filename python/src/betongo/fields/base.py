"""Field: the base of all kinds of values."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ..pipeline.operation import Operation

__all__ = ["ARG_TYPE", "Field"]

ARG_TYPE = np.dtype([("", "<u1", 1024)])
"""What a file keeps of a field beside its type and name: 1,024 bytes."""

Malloc = Callable[[int], tuple[int, np.ndarray]]
"""malloc(size) reserves size bytes for the sample: a pointer to store in the metadata, and the uint8 array to
fill.
"""

FORM_BYTES, FORM_PIXELS, FORM_FILE, FORM_PATH, FORM_SOUND, FORM_CUSTOM = range(6)

Entry = tuple[int, int, int, int, Any]
"""A value on its way to the engine: form, three numbers that belong to the form, and the bytes."""


class Field(ABC):
    """A kind of value. Subclass it for one of your own.

    A subclass says how its metadata look (metadata_type), what the file keeps of its settings (to_binary,
    from_binary), how a value is stored (encode) and what reads it (get_decoder_class). It runs in Python;
    reading needs it again: Loader(..., custom_fields={name: Class}).
    """

    @property
    @abstractmethod
    def metadata_type(self) -> np.dtype[Any]:
        """The dtype of a value's metadata, of the same size for all values."""
        raise NotImplementedError

    @staticmethod
    @abstractmethod
    def from_binary(binary: np.ndarray) -> Field:
        """Returns the field with the settings that to_binary packed; binary is 1,024 uint8."""
        raise NotImplementedError

    @abstractmethod
    def to_binary(self) -> np.ndarray:
        """Returns the settings, an element of ARG_TYPE."""
        raise NotImplementedError

    @abstractmethod
    def encode(self, destination: Any, field: Any, malloc: Malloc) -> None:
        """Stores the value `field`: writes destination, an array of one element of metadata_type, and the
        buffers that it takes from malloc(size) -> (pointer, uint8 array).

        Each pointer is stored in the metadata as it is, once, as eight bytes ("<u8"), at the same place for
        every value: where the bytes will lie in the file is not known yet, and the true pointer takes the
        place of the one that malloc gave. A value may go without (zeros instead of a pointer).
        """
        raise NotImplementedError

    @abstractmethod
    def get_decoder_class(self) -> type[Operation]:
        """Returns the decoder that a Loader takes when a pipeline names none."""
        raise NotImplementedError


def _no_args() -> np.ndarray:
    """The to_binary of a field without settings."""
    args: np.ndarray = np.zeros(1, dtype=ARG_TYPE)[0]
    return args


def _pack_args(settings: dict[str, Any]) -> np.ndarray:
    """Settings as JSON text, by which the readers of betongo know a custom field."""
    import json

    text = json.dumps(dict(sorted(settings.items()))).encode("ascii")
    args = np.zeros(1, dtype=ARG_TYPE)
    args.view(np.uint8).reshape(-1)[: len(text)] = np.frombuffer(text, np.uint8)
    packed: np.ndarray = args[0]
    return packed


def _unpack_args(binary: np.ndarray) -> dict[str, Any]:
    """What _pack_args packed."""
    import json

    text = np.asarray(binary).tobytes().split(b"\0", 1)[0]
    settings = json.loads(text.decode("ascii")) if text else {}
    if not isinstance(settings, dict):
        raise ValueError(f"the arguments {text[:80]!r} are no settings of a field")
    return settings


def _decoder(name: str) -> type[Operation]:
    """A class of the decoders, which know the fields: brought in when it is asked for."""
    from . import decoders

    found: type[Operation] = getattr(decoders, name)
    return found


def _torch(value: Any) -> Any:
    """Tells whether value is a torch tensor; torch is not imported for it."""
    import sys

    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)
