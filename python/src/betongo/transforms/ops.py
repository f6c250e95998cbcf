"""What changes the kind, place, type or order of a batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from operator import methodcaller
from typing import Any

import numpy as np

from ..pipeline.allocation_query import AllocationQuery
from ..pipeline.state import State, is_torch_dtype
from ._tensors import device_type, is_tensor, load_torch, need_torch, numpy_dtype, torch_dtype
from ._transform import Transform, plain, planes

__all__ = ["Convert", "ToCHW", "ToDevice", "ToTensor", "ToTorchImage", "View"]


_channels_first = methodcaller("transpose", (0, 3, 1, 2))


class ToTensor(Transform):
    """Make tensors of arrays, which share their memory; of the other byte order they are a copy.

    Without torch arrays stay arrays. TypeError for a dtype that torch hasn't.
    """

    @property
    def _layout(self) -> bool:  # type: ignore[override]
        state = self._before
        return state is None or is_torch_dtype(state.dtype) or bool(np.dtype(state.dtype).isnative)

    def __init__(self) -> None:
        super().__init__()

    def _look(self) -> Any:
        return "tensor" if type(self) is ToTensor and self._layout else None

    def generate_code(self) -> Callable[..., Any]:
        torch = load_torch()

        def to_tensor(inp: Any, dst: Any = None) -> Any:
            if torch is None or isinstance(inp, torch.Tensor):
                return inp
            if not inp.dtype.isnative:
                inp = inp.astype(inp.dtype.newbyteorder("="))
            elif any(step < 0 for step in inp.strides) or not inp.flags.writeable:
                inp = inp.copy()
            return torch.from_numpy(inp)

        return plain(to_tensor)

    def declare_state_and_memory(self, previous_state: State) -> tuple[State, None]:
        self._before = previous_state
        dtype = previous_state.dtype
        if load_torch() is not None and not is_torch_dtype(dtype):
            try:
                dtype = torch_dtype(np.dtype(dtype).newbyteorder("="))
            except TypeError as e:
                raise TypeError(f"{e}: leave ToTensor out, or put View or Convert before it") from None
        return planes(replace(previous_state, jit_mode=False, dtype=dtype), previous_state), None


class ToDevice(Transform):
    """Copy tensors to a device; to the processor, where they are, nothing is done.

    device: a torch.device, its name, or the number of one of CUDA's. non_blocking: go on before the copy is
    done, where the memory is pinned. Each batch gets memory of its own.
    """

    def __init__(self, device: Any, non_blocking: bool = True) -> None:
        super().__init__()
        self.device = device
        self.non_blocking = non_blocking

    @property
    def _layout(self) -> bool:  # type: ignore[override]
        stays = self._before is None or device_type(self._before.device) == "cpu"
        return stays and device_type(self.device) == "cpu"

    def _look(self) -> Any:
        return "same" if type(self) is ToDevice and self._layout else None

    def generate_code(self) -> Callable[..., Any]:
        device, non_blocking = self.device, self.non_blocking

        def to_device(inp: Any, dst: Any = None) -> Any:
            if not is_tensor(inp):
                if device_type(device) == "cpu":
                    return inp
                raise TypeError(f"ToDevice({device}) of an array: put ToTensor before it")
            return inp.to(device, non_blocking=non_blocking)

        return plain(to_device)

    def declare_state_and_memory(self, previous_state: State) -> tuple[State, None]:
        self._before = previous_state
        if self._layout:
            return previous_state, None
        if device_type(self.device) == "cpu":
            return replace(previous_state, device=self._torch()), None
        if not is_torch_dtype(previous_state.dtype):
            raise TypeError(f"ToDevice({self.device}) of arrays: put ToTensor before it")
        return replace(previous_state, jit_mode=False, device=self._torch()), None

    def _torch(self) -> Any:
        torch, device = need_torch("ToDevice"), self.device
        return torch.device("cuda", device) if isinstance(device, int) else torch.device(str(device))


class ToTorchImage(Transform):
    """Move the channels to the front: (n, height, width, channels) becomes (n, channels, height, width).

    channels_last: as a view of the same memory, which is torch.channels_last; else as a contiguous copy.
    convert_back_int16: int16, which is how NormalizeImage shows float16, is float16 behind it. Takes tensors,
    and arrays where torch is missing.
    """

    def __init__(self, channels_last: bool = True, convert_back_int16: bool = True) -> None:
        super().__init__()
        self.channels_last = channels_last
        self.convert_int16 = convert_back_int16
        self.enable_int16conv = False

    @property
    def _layout(self) -> bool:  # type: ignore[override]
        return bool(self.channels_last)

    _moves = True

    def _look(self) -> Any:
        if type(self) is not ToTorchImage or not self.channels_last or self.enable_int16conv:
            return None
        return _channels_first

    def _op(self) -> dict[str, Any] | None:
        state = self._before
        if self.channels_last:
            return None
        if state is not None and (
            device_type(state.device) != "cpu"
            or numpy_dtype(state.dtype) == np.int16
            and not self.convert_int16  # may be float16 in the engine
        ):
            return None
        return {"op": "ToCHW"}

    def generate_code(self) -> Callable[..., Any]:
        channels_last, convert = self.channels_last, self.convert_int16

        def to_torch_image(inp: Any, dst: Any = None) -> Any:
            if is_tensor(inp):
                torch = need_torch("ToTorchImage")
                if convert and inp.dtype is torch.int16:
                    inp = inp.view(torch.float16)
                inp = inp.permute(0, 3, 1, 2)
                return inp if channels_last else inp.contiguous()
            if convert and inp.dtype == np.int16:
                inp = inp.view(np.float16)
            inp = inp.transpose(0, 3, 1, 2)
            return inp if channels_last else np.ascontiguousarray(inp)

        return plain(to_torch_image)

    def declare_state_and_memory(self, previous_state: State) -> tuple[State, None]:
        self._before = previous_state
        shape = tuple(previous_state.shape or ())
        if len(shape) != 3:
            raise TypeError(f"ToTorchImage takes images (height, width, channels), got {shape}")
        height, width, channels = shape
        dtype = previous_state.dtype
        self.enable_int16conv = bool(self.convert_int16 and numpy_dtype(dtype) == np.int16)
        if self.enable_int16conv:
            dtype = torch_dtype(np.float16) if is_torch_dtype(dtype) else np.dtype(np.float16)
        state = replace(previous_state, jit_mode=False, shape=(channels, height, width), dtype=dtype)
        return state if self.channels_last else planes(state), None


class ToCHW(Transform):
    """Move the channels of arrays to the front: (n, channels, height, width), contiguous.

    It is ToTorchImage(channels_last=False) for arrays of any dtype, in front of ToTensor. FFCV has no such
    transform.
    """

    def _op(self) -> dict[str, Any] | None:
        return {"op": "ToCHW"}

    def generate_code(self) -> Callable[..., Any]:
        def to_chw(images: np.ndarray, dst: Any = None) -> np.ndarray:
            return np.ascontiguousarray(images.transpose(0, 3, 1, 2))

        return plain(to_chw)

    def declare_state_and_memory(self, previous_state: State) -> tuple[State, None]:
        state = self._images(previous_state)
        height, width, channels = state.shape or (0, 0, 0)
        return planes(replace(state, shape=(channels, height, width))), None


class Convert(Transform):
    """Change the type of the numbers; values stay what they are.

    target_dtype: one of NumPy's or of torch's; tensors stay tensors and arrays arrays whichever it is.
    """

    _commutes = True

    def __init__(self, target_dtype: Any) -> None:
        super().__init__()
        self.target_dtype = target_dtype

    def _target(self, like: Any) -> Any:
        """Return the type in the kind, torch's or NumPy's, that like is of."""
        if is_torch_dtype(like):
            return torch_dtype(self.target_dtype)
        target = numpy_dtype(self.target_dtype)
        if target is None:
            raise TypeError(f"Convert to {self.target_dtype}, which NumPy hasn't: put ToTensor before it")
        return target

    def _op(self) -> dict[str, Any] | None:
        target = numpy_dtype(self.target_dtype)
        if target is None or target.kind not in "iuf" or target.itemsize not in (2, 4, 8):
            return None
        if self._before is not None and (
            numpy_dtype(self._before.dtype) != np.uint8 or device_type(self._before.device) != "cpu"
        ):
            return None
        return {"op": "Convert", "dtype": target.str}

    def generate_code(self) -> Callable[..., Any]:
        def convert(inp: Any, dst: Any = None) -> Any:
            if is_tensor(inp):
                return inp.to(torch_dtype(self.target_dtype))
            return inp.astype(self._target(inp.dtype), copy=False)

        return plain(convert)

    def declare_state_and_memory(self, previous_state: State) -> tuple[State, AllocationQuery | None]:
        self._before = previous_state
        return replace(previous_state, dtype=self._target(previous_state.dtype)), None


class View(Transform):
    """Take the same bytes for another type of numbers, without a copy.

    The last dimension becomes as long as its bytes allow. target_dtype: one of NumPy's or of torch's.
    """

    _layout = True
    _moves = True

    def __init__(self, target_dtype: Any) -> None:
        super().__init__()
        self.target_dtype = target_dtype

    def generate_code(self) -> Callable[..., Any]:
        def view(inp: Any, dst: Any = None) -> Any:
            if is_tensor(inp):
                return inp.view(torch_dtype(self.target_dtype))
            target = numpy_dtype(self.target_dtype)
            if target is None:
                raise TypeError(f"View as {self.target_dtype}, which NumPy hasn't: put ToTensor before it")
            return inp.view(target)

        return plain(view)

    def declare_state_and_memory(self, previous_state: State) -> tuple[State, None]:
        self._before = previous_state
        dtype = previous_state.dtype
        target = torch_dtype(self.target_dtype) if is_torch_dtype(dtype) else numpy_dtype(self.target_dtype)
        if target is None:
            raise TypeError(f"View as {self.target_dtype}, which NumPy hasn't: put ToTensor before it")
        shape = tuple(previous_state.shape or ())
        before, after = item_size(dtype), item_size(target)
        if before != after:
            if not shape or shape[-1] * before % after:
                raise TypeError(
                    f"View of {shape} {dtype} as {target}: the last dimension is no whole number of them"
                )
            shape = (*shape[:-1], shape[-1] * before // after)
        return replace(previous_state, jit_mode=False, dtype=target, shape=shape), None


def item_size(dtype: Any) -> int:
    """Return the bytes of one number of NumPy's or torch's types."""
    if is_torch_dtype(dtype):
        return int(need_torch("a tensor").empty(0, dtype=dtype).element_size())
    return np.dtype(dtype).itemsize
