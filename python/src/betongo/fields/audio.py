"""AudioField: sound as it is coded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .base import FORM_SOUND, Entry, Field, Malloc, _decoder, _pack_args

if TYPE_CHECKING:
    from ..pipeline.operation import Operation

__all__ = ["AudioField"]

_KEYS = ("sample_rate", "channels", "duration_ms", "encoding", "data")


class AudioField(Field):
    """Sound: signed 16-bit samples, MP3 or FLAC, its bytes kept as they are.

    A value has the attributes, or is a dict with the keys, sample_rate (samples a second of each channel),
    channels, duration_ms, encoding ("pcm_s16le", "mp3" or "flac") and data (bytes): what reading one gives.
    """

    @property
    def metadata_type(self) -> np.dtype[Any]:
        from .._value import AUDIO

        return AUDIO

    @staticmethod
    def from_binary(binary: np.ndarray) -> Field:
        return AudioField()

    def to_binary(self) -> np.ndarray:
        return _pack_args({"field": "audio"})

    def encode(self, destination: Any, field: Any, malloc: Malloc) -> None:
        rate, milliseconds, channels, coding, data = _clip(field)
        destination["sample_rate"], destination["channels"], destination["duration_ms"] = (
            rate,
            channels,
            milliseconds,
        )
        destination["encoding"] = coding
        octets = np.frombuffer(data, np.uint8)
        destination["ptr"], buffer = malloc(octets.size)
        buffer[:] = octets

    def get_decoder_class(self) -> type[Operation]:
        return _decoder("AudioDecoder")

    def _spec(self) -> dict[str, Any]:
        return {"kind": "audio"}

    def _entry(self, value: Any) -> Entry:
        rate, milliseconds, channels, coding, data = _clip(value)
        return FORM_SOUND, rate, milliseconds, channels | coding << 8, data


def _clip(value: Any) -> tuple[int, int, int, int, Any]:
    from .._value import AUDIO_ENCODINGS

    have = value if isinstance(value, dict) else {k: getattr(value, k) for k in _KEYS if hasattr(value, k)}
    missing = [k for k in _KEYS if k not in have]
    if missing:
        raise TypeError(f"a {type(value).__name__} without {', '.join(missing)} where sound belongs")
    rate, channels, milliseconds = (int(have[k]) for k in ("sample_rate", "channels", "duration_ms"))
    if have["encoding"] not in AUDIO_ENCODINGS:
        raise ValueError(f"sound in {have['encoding']!r}; there are {', '.join(AUDIO_ENCODINGS)}")
    if not (0 < rate < 1 << 32 and 0 < channels < 256 and 0 <= milliseconds < 1 << 32):
        raise ValueError(f"sound of {rate} samples a second, {channels} channels, {milliseconds} ms")
    data = have["data"]
    if isinstance(data, np.ndarray):
        data = np.ascontiguousarray(data).reshape(-1).view(np.uint8)
    return rate, milliseconds, channels, AUDIO_ENCODINGS.index(have["encoding"]), data
