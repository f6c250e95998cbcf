"""PipelineSpec: one output of a loader, where it comes from and what is done to it."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any

from .operation import Operation

__all__ = ["PipelineSpec"]


class PipelineSpec:
    """An output: its source, decoder and transforms.

    source is the name of a field, or an Operation of another output's pipeline: the value behind that is
    then taken from there, and has no decoder. decoder None means the first transform if it is one of the
    field's, else the field's default. Transforms are Operations or torch modules; without decoder and
    transforms there is ToTensor. The list is copied, and never changed.
    """

    def __init__(
        self,
        source: str | Operation | None,
        decoder: Operation | None = None,
        transforms: Iterable[Any] | None = None,
    ) -> None:
        self.source = source
        self.decoder = decoder
        self.transforms: list[Any] = list(transforms) if transforms is not None else []
        self.default_pipeline = decoder is None and not self.transforms and isinstance(source, str)

    def __repr__(self) -> str:
        return repr((self.source, self.decoder, self.transforms))

    def accept_decoder(self, Decoder: type[Operation] | None, output_name: str) -> None:
        """Settle on the decoder: the one given, the first transform if it is one, else a new Decoder.

        ValueError when the source is another pipeline's operation and there is a decoder too, or when
        Decoder can't be made without arguments.
        """
        if not isinstance(self.source, str) and self.decoder is not None:
            raise ValueError(
                f"output {output_name!r}: its source is an operation of another pipeline, "
                "so it can't have a decoder"
            )
        if Decoder is not None and self.decoder is None:
            first = self.transforms[0] if self.transforms else None
            if (
                isinstance(first, Decoder)
                or getattr(first, "_decoder", False)
                and isinstance(first, Operation)
            ):
                self.decoder = self.transforms.pop(0)
            else:
                self.decoder = _make(Decoder, output_name)
        if self.default_pipeline:
            from ..transforms import ToTensor

            self.transforms.append(ToTensor())
            self.default_pipeline = False
        self.transforms = [wrap(op, output_name) for op in self.transforms]

    def copy(self) -> PipelineSpec:
        """Return another of the same operations."""
        spec = PipelineSpec(self.source, self.decoder, self.transforms)
        spec.default_pipeline = self.default_pipeline
        return spec


def _make(Decoder: type[Operation], output_name: str) -> Operation:
    try:
        return Decoder()
    except Exception as e:
        raise ValueError(
            f"output {output_name!r}: its default decoder {Decoder.__name__} can't be made "
            f"without arguments ({e}); put a decoder first in its pipeline"
        ) from e


def wrap(op: Any, output_name: str) -> Operation:
    """Return op as an Operation: torch modules are wrapped. TypeError for anything else."""
    if isinstance(op, Operation):
        return op
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(op, torch.nn.Module):
        from ..transforms.module import ModuleWrapper

        return ModuleWrapper(op)
    if isinstance(op, type) and issubclass(op, Operation):
        raise TypeError(
            f"output {output_name!r}: {op.__name__} is a class, put one made from it: {op.__name__}(…)"
        )
    if all(hasattr(op, name) for name in ("declare_state_and_memory", "generate_code")):
        raise TypeError(
            f"output {output_name!r}: {op!r} is an operation of {type(op).__module__.partition('.')[0]}, "
            "not of betongo: `import betongo.as_ffcv` before anything is imported from ffcv"
        )
    hint = ""
    if isinstance(op, str):
        from .. import transforms
        from .._names import nearest
        from ..fields import decoders

        hint = f"; {nearest(op, [*transforms.__all__, *decoders.__all__])}"
    raise TypeError(f"output {output_name!r}: {op!r} is neither an Operation nor a torch.nn.Module{hint}")
