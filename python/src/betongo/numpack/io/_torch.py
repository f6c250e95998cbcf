"""PyTorch's tensors and files. A file's pickle is never run: torch reads it with weights_only=True."""

from __future__ import annotations

import os
import pickle
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _command, _rows
from ._aside import aside
from ._depend import have, need
from ._pack import PackWriter, opened, reading, stored_name
from ._rows import DEFAULT_CHUNK_SIZE, FormatError, Rows, existing
from ._safetensors import array_of

if TYPE_CHECKING:
    import torch

__all__ = ["from_pt", "from_tensor", "to_pt", "to_tensor"]


def from_tensor(
    tensor: torch.Tensor,
    output_path: str | os.PathLike[str],
    array_name: str | None = None,
    drop_if_exists: bool = False,
    return_npk_obj: bool = False,
) -> Any:
    """Puts a tensor into a pack, under array_name ("data" by default).

    A tensor on the CPU is written from where it lies; one on another device is copied to the CPU first.
    bfloat16 is stored as float32, which has all of its values; a scalar with the shape (1,). The pack is
    changed when all is there, or not at all; other arrays of it stay (drop_if_exists: they don't). Returns
    None, or with return_npk_obj the opened NumPack.

    Raises DependencyError without torch; TypeError for what is no tensor, and for sparse and quantized ones.
    """
    torch = need("torch")
    if not torch.is_tensor(tensor):
        raise TypeError(f"Expected torch.Tensor, got {type(tensor)}")
    name = "data" if array_name is None else array_name
    with PackWriter(output_path, drop_if_exists) as pack:
        pack.add(_rows.of_array(name, array_of(tensor)), DEFAULT_CHUNK_SIZE)
    return opened(output_path) if return_npk_obj else None


def to_tensor(
    input_path: str | os.PathLike[str], array_name: str | None = None, device: Any = None, dtype: Any = None
) -> torch.Tensor:
    """An array of a pack as a tensor, the caller's own.

    array_name: needed where the pack has several arrays. device: where to ("cpu" by default). dtype: a
    torch.dtype to cast to, before it goes to the device.

    Raises DependencyError without torch; ValueError where array_name is needed; KeyError for an array that
    the pack does not have; TypeError for a dtype that torch does not have (unsigned ones before torch 2.3);
    FileNotFoundError and FormatError for the pack.
    """
    torch = need("torch")
    with reading(input_path) as pack:
        tensor = torch.from_numpy(pack.load(pack.one(array_name)))
    if dtype is not None:
        tensor = tensor.to(dtype=dtype)
    return tensor if device is None else tensor.to(device=device)


# -- files ----------------------------------------------------------------------------------------------


def _load(torch: Any, path: Path) -> Any:
    """What a file holds; tensors over a map of it where torch can."""
    existing(path)
    options: dict[str, Any] = {"map_location": "cpu", "weights_only": True}
    try:
        try:
            return torch.load(str(path), mmap=True, **options)
        except (TypeError, RuntimeError, ValueError):
            # An older torch does not know mmap, and none maps files of before 1.6.
            return torch.load(str(path), **options)
    except pickle.UnpicklingError as e:
        raise FormatError(
            path, f"the file's pickle asks for more than tensors and what holds them; it was not run: {e}"
        ) from e
    except (
        RuntimeError,
        ValueError,
        EOFError,
        KeyError,
        TypeError,
        IndexError,
        AttributeError,
        AssertionError,
    ) as e:
        raise FormatError(path, f"no file of PyTorch's, or a broken one: {e}") from e


def _tensors(torch: Any, value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """The tensors wherever they are in a value, called by the way to them: "model.fc.weight", "layers.0"."""
    if torch.is_tensor(value):
        yield name, value
        return
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, (list, tuple)):
        items = dict(enumerate(value)).items()
    else:
        return
    for key, inner in items:
        yield from _tensors(torch, inner, f"{name}.{key}" if name else str(key))


def from_pt(
    input_path: str | os.PathLike[str],
    output_path: str | os.PathLike[str],
    key: str | None = None,
    drop_if_exists: bool = False,
    chunk_size: int = DEFAULT_CHUNK_SIZE,
    return_npk_obj: bool = False,
) -> Any:
    """Puts the tensors of a .pt or .pth file into a pack.

    One tensor is called as the file without its suffix; those of a dict by their keys, deeper ones by the way
    to them: "model.fc.weight", "layers.0". What is no tensor is left out. key: only the tensor of that name,
    or all below it. Names with slashes get dots instead, which file names can have. bfloat16 is stored as
    float32, which has all of its values; scalars with the shape (1,).

    The file's pickle is not run but read by torch with weights_only=True: one that asks for other code is
    refused. Tensors are read from a map of the file where torch has that (2.1 and later). Without torch the
    command ffcvconvert reads the file, where it is installed. The pack is changed when all is there, or not
    at all; other arrays of it stay (drop_if_exists: they don't). Returns None, or with return_npk_obj the
    opened NumPack.

    Raises DependencyError where neither is installed; FileNotFoundError; FormatError (a ValueError) for a
    broken file, and one whose pickle would run code; KeyError for a key that is not there; TypeError where
    nothing in the file, or below the key, is a tensor.
    """
    path = Path(input_path)
    if not have("torch"):
        _by_command(path, output_path, key, drop_if_exists)
        return opened(output_path) if return_npk_obj else None
    torch = need("torch")
    try:
        data = _load(torch, path)
    except FormatError:
        # Before 2.x torch's own reader of plain data knew few values: the command's knows all that hold data.
        if _command.find() is None:
            raise
        _by_command(path, output_path, key, drop_if_exists)
        return opened(output_path) if return_npk_obj else None
    found = dict(_tensors(torch, data, path.stem if torch.is_tensor(data) else ""))
    if key is not None and not torch.is_tensor(data):
        found = _below(data, found, key, path)
    if not found:
        raise TypeError(f"{path}: unsupported PyTorch data, no tensor is in it: {type(data)}")
    with PackWriter(output_path, drop_if_exists) as pack:
        for name in list(found):
            tensor = found.pop(name)
            pack.add(_tensor_rows(torch, stored_name(name), tensor, path), chunk_size)
    return opened(output_path) if return_npk_obj else None


def _by_command(
    path: Path, output_path: str | os.PathLike[str], key: str | None, drop_if_exists: bool
) -> None:
    def pick(listed: _command.Listed) -> dict[str, str]:
        # A file's only value, which has no name of its own, is called as the file is.
        names = {n: path.stem if n in ("", "data") and len(listed) == 1 else n for n in listed}
        if key is not None and len(listed) > 1:
            names = {n: n for n in listed if n == key or n.startswith(key + ".")}
            if not names:
                raise KeyError(f"{path}: Key {key!r} not found. Available: {list(listed)}")
        return {n: stored_name(to) for n, to in names.items()}

    with (
        _command.converted(path, "torch", output_path, pick) as done,
        PackWriter(output_path, drop_if_exists) as pack,
    ):
        for name in done.names(None):
            pack.add(done.rows(name), DEFAULT_CHUNK_SIZE)


def _below(data: Any, found: dict[str, Any], key: str, path: Path) -> dict[str, Any]:
    """The tensor of a name, or those below it."""
    if key in found:
        return {key: found[key]}
    below = {name: t for name, t in found.items() if name.startswith(key + ".")}
    if not below:
        if isinstance(data, dict) and key in data:
            raise TypeError(f"{path}: Value for key {key!r} is not a tensor: {type(data[key])}")
        raise KeyError(f"{path}: Key {key!r} not found. Available: {list(found)}")
    return below


def _tensor_rows(torch: Any, name: str, tensor: Any, path: Path) -> Rows:
    """Rows of a tensor, which are made what NumPy knows some at a time."""
    tensor = tensor.detach()
    if tensor.layout != torch.strided or tensor.is_quantized:
        raise TypeError(f"{path}: tensor {name!r} is sparse or quantized, of which there are no arrays")
    one = array_of(torch.empty(0, dtype=tensor.dtype))
    shape = tuple(tensor.shape)
    if not shape:
        return _rows.of_array(name, array_of(tensor), str(path))

    def blocks(size: int) -> Iterator[np.ndarray]:
        step = _rows.rows_at_once(shape, one.dtype, size)
        for lo in range(0, shape[0], step):
            yield np.ascontiguousarray(array_of(tensor[lo : lo + step]))

    return Rows(name, one.dtype, shape, blocks, file=str(path))


def to_pt(
    input_path: str | os.PathLike[str],
    output_path: str | os.PathLike[str],
    array_names: Sequence[str] | str | None = None,
    as_dict: bool = True,
    chunk_size: int = DEFAULT_CHUNK_SIZE,
) -> None:
    """Writes arrays of a pack to a .pt file: a dict of tensors by name, as torch.load(weights_only=True)
    takes it.

    array_names: which, all by default. as_dict: with False a single array is stored as the tensor itself.
    Arrays are seen through maps of the pack, not loaded. chunk_size has no effect with torch, which writes a
    tensor as one. Without torch the command ffcvconvert writes the file, where it is installed. An existing
    file is replaced when the new one is complete.

    Raises DependencyError where neither is installed; KeyError for an array that the pack does not have;
    TypeError for dtypes that torch does not have; FileNotFoundError and FormatError for the pack.
    """
    with reading(input_path) as pack:
        names = pack.names(array_names)
        if not have("torch") and (as_dict or len(names) != 1):
            _command.write(input_path, output_path, "torch", names)
            return
        torch = need("torch")
        with warnings.catch_warnings():
            # Maps are read-only, and torch has no such tensors; these are only read.
            warnings.simplefilter("ignore", UserWarning)
            tensors = {name: torch.from_numpy(pack.view(name)) for name in names}
        value = tensors if as_dict or len(names) != 1 else tensors[names[0]]
        with aside(output_path) as to:
            torch.save(value, str(to))
