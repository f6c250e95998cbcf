"""Mixup of images and labels (Zhang et al., 2017)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from ..pipeline.allocation_query import AllocationQuery
from ..pipeline.state import State, is_torch_dtype
from ._tensors import device_type, is_tensor, need_torch, numpy_dtype
from ._transform import Transform, batch_generator, before, finite, indexed, plain

__all__ = ["ImageMixup", "LabelMixup", "MixupToOneHot"]


class Mixing(Transform):
    """What mixes each row of a batch with the one before it; images and labels alike."""

    def __init__(self, alpha: float, same_lambda: bool) -> None:
        super().__init__()
        if not (finite(alpha) and alpha > 0):
            raise ValueError(f"{type(self).__name__} with alpha {alpha}, want a finite number above 0")
        self.alpha = alpha
        self.same_lambda = same_lambda

    def _settings(self) -> dict[str, Any]:
        return {"alpha": float(self.alpha), "samelambda": bool(self.same_lambda)}

    def _generator(self, indices: Any) -> np.random.Generator:
        """Return the generator of a batch: the same for images and labels, whatever their places."""
        return batch_generator((self._key or ())[:2], indices)

    def _lambdas(self, n: int, random: np.random.Generator) -> np.ndarray:
        if self.same_lambda:
            return np.full(n, random.beta(self.alpha, self.alpha))
        return random.beta(self.alpha, self.alpha, n)

    def _one_number(self) -> bool:
        """Tell whether the input is one number a sample."""
        state = self._before
        return state is None or state.shape is not None and int(np.prod(state.shape)) == 1


def mixed_labels(labels: np.ndarray, kept: np.ndarray, dst: np.ndarray | None) -> np.ndarray:
    """Return rows (own label, that of the row before, share of the own one) as float32."""
    n = len(labels)
    out = np.empty((n, 3), np.float32) if dst is None else dst[:n]
    flat = labels.reshape(n, -1)[:, 0]
    out[:, 0], out[:, 1], out[:, 2] = flat, np.roll(flat, 1), kept
    return out


def _numbers(dtype: Any) -> bool:
    """Tell whether the engine takes labels of this type."""
    known = numpy_dtype(dtype)
    return known is not None and known.str in (
        "|u1",
        "|i1",
        *(f"<{k}{n}" for k in "iu" for n in (2, 4, 8)),
        "<f4",
        "<f8",
    )


class ImageMixup(Mixing):
    """Mix each image of a batch with the one before it, the first with the last.

    It becomes l * x[i] + (1 - l) * x[i - 1]. alpha: l is drawn of the Beta distribution with both parameters
    alpha. same_lambda: one l for the batch, else one for each image. Takes arrays (n, *shape), gives the
    same; integers lose their fraction. The labels of the same batch want a LabelMixup with the same settings.
    """

    _pair = "mixup"

    def _op(self) -> dict[str, Any] | None:
        state = self._before
        dtype = np.dtype(np.uint8) if state is None else numpy_dtype(state.dtype)
        if dtype is None or dtype.str not in ("|u1", "<f4", "<f8"):
            return None
        return {"op": "ImageMixup", **self._settings()}

    def generate_code(self) -> Callable[..., Any]:
        def mixer(images: np.ndarray, dst: np.ndarray | None = None, indices: Any = None) -> np.ndarray:
            n = len(images)
            dst = np.empty_like(images) if dst is None else dst[:n]
            kept = self._lambdas(n, self._generator(np.arange(n) if indices is None else indices))
            for i in range(n):
                own = np.multiply(images[i], kept[i], dtype=np.float64)
                dst[i] = own + np.multiply(images[before(i, n)], 1 - kept[i], dtype=np.float64)
            return dst

        return indexed(mixer)

    def declare_state_and_memory(self, previous_state: State) -> tuple[State, AllocationQuery]:
        state = self._arrays(previous_state)
        return state, AllocationQuery(previous_state.shape or (), previous_state.dtype)


class LabelMixup(Mixing):
    """Mix labels as an ImageMixup with the same settings mixes the images of the same batch.

    Takes arrays of one number a sample, gives float32 (n, 3): the own label, the one of the row before, and
    the share of the own one.
    """

    _pair = "mixup"

    def _op(self) -> dict[str, Any] | None:
        if not self._one_number() or self._before is not None and not _numbers(self._before.dtype):
            return None
        return {"op": "LabelMixup", **self._settings()}

    def generate_code(self) -> Callable[..., Any]:
        def mixer(labels: np.ndarray, dst: np.ndarray | None = None, indices: Any = None) -> np.ndarray:
            n = len(labels)
            random = self._generator(np.arange(n) if indices is None else indices)
            return mixed_labels(labels, self._lambdas(n, random), dst)

        return indexed(mixer)

    def declare_state_and_memory(self, previous_state: State) -> tuple[State, AllocationQuery]:
        state = self._arrays(previous_state)
        dtype = np.dtype(np.float32)
        return replace(state, shape=(3,), dtype=dtype), AllocationQuery((3,), dtype)


class MixupToOneHot(Transform):
    """Make rows of shares, one a class, of what LabelMixup and LabelCutMix give.

    Takes float32 (n, 3), arrays or tensors, gives float32 (n, num_classes). Where both labels are the same
    the share is 1.
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.num_classes = num_classes

    def _op(self) -> dict[str, Any] | None:
        state = self._before
        if state is not None and (
            tuple(state.shape or ()) != (3,)
            or numpy_dtype(state.dtype) != np.float32
            or device_type(state.device) != "cpu"
        ):
            return None
        return {"op": "MixupToOneHot", "classes": int(self.num_classes)}

    def generate_code(self) -> Callable[..., Any]:
        classes = int(self.num_classes)

        def one_hotter(labels: Any, dst: Any = None) -> Any:
            if is_tensor(labels):
                torch = need_torch("MixupToOneHot")
                shares = torch.stack([labels[:, 2], 1 - labels[:, 2]], 1)
                out = torch.zeros((len(labels), classes), dtype=labels.dtype, device=labels.device)
                return out.scatter_add_(1, labels[:, :2].long(), shares)
            out = np.zeros((len(labels), classes), labels.dtype)
            rows = np.arange(len(labels))
            np.add.at(out, (rows, labels[:, 0].astype(np.int64)), labels[:, 2])
            np.add.at(out, (rows, labels[:, 1].astype(np.int64)), 1 - labels[:, 2])
            return out

        return plain(one_hotter)

    def declare_state_and_memory(self, previous_state: State) -> tuple[State, None]:
        self._before = previous_state
        if tuple(previous_state.shape or ()) != (3,):
            raise TypeError(
                f"MixupToOneHot takes what LabelMixup and LabelCutMix give, (3,), got {previous_state.shape}"
            )
        jit = previous_state.jit_mode and not is_torch_dtype(previous_state.dtype)
        return replace(previous_state, jit_mode=jit, shape=(int(self.num_classes),)), None
