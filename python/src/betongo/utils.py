"""Small things that users of FFCV import from its utils."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from threading import Lock
from typing import Any, TypeVar

import numpy as np

__all__ = [
    "align_to_page",
    "cast_int_to_byte_ptr",  # noqa: F822 (made when it is asked for)
    "chunks",
    "decode_null_terminated_string",
    "is_power_of_2",
    "s_print",
    "s_print_lock",
]

T = TypeVar("T")

s_print_lock = Lock()


def chunks(lst: Sequence[T], n: int) -> Iterator[Sequence[T]]:
    """Yields slices of n elements, the last of what is left."""
    for i in range(0, len(lst), n):
        yield lst[i : i + n]


def is_power_of_2(n: int) -> bool:
    """Tells whether n is 1, 2, 4, …"""
    return n > 0 and n & (n - 1) == 0


def align_to_page(ptr: int, page_size: int) -> int:
    """Returns the first multiple of page_size that is not below ptr."""
    return -(-ptr // page_size) * page_size


def decode_null_terminated_string(bytes: np.ndarray) -> str:
    """Returns the ASCII text before the first NUL of an array of uint8."""
    return bytes.tobytes().split(b"\0", 1)[0].decode("ascii")


def s_print(*a: Any, **b: Any) -> None:
    """Prints, one thread at a time."""
    with s_print_lock:
        print(*a, **b)


def __getattr__(name: str) -> Any:
    if name != "cast_int_to_byte_ptr":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        made = _intrinsic()
    except ImportError as e:
        raise AttributeError(f"{__name__}.{name} is numba's, which is not installed") from e
    globals()[name] = made
    return made


def _intrinsic() -> Any:
    """Makes the numba intrinsic that takes an integer for the address of bytes."""
    from numba import types
    from numba.extending import intrinsic

    @intrinsic  # type: ignore[misc]
    def cast_int_to_byte_ptr(typingctx: Any, src: Any) -> Any:
        if not isinstance(src, types.Integer):
            return None
        pointer = types.CPointer(types.uint8)

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.inttoptr(args[0], context.get_value_type(signature.return_type))

        return pointer(types.uintp), codegen

    return cast_int_to_byte_ptr
