"""What the tests of conversions share: arrays, packs of them, and what other programs wrote."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from betongo.numpack import NumPack

GOLDEN = Path(__file__).parents[2] / "testdata" / "formats"
DTYPES = ["?", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8", "c8", "c16"]
SHAPES = [(7,), (1,), (0,), (5, 3), (0, 4), (3, 0), (4, 1), (2, 3, 4), (3, 1, 2, 2)]


def sample(dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    n = int(np.prod(shape))
    a = np.arange(n) % 2 if dtype == "?" else np.arange(n) - (n // 2 if dtype[0] in "ifc" else 0)
    return (a * (1 + 0.5j) if dtype[0] == "c" else a).astype(dtype).reshape(shape)


def made(path: Path, **arrays: np.ndarray) -> Path:
    with NumPack(path, drop_if_exists=True) as npk:
        npk.save(arrays)
    return path


def everything(path: Path) -> dict[str, np.ndarray]:
    with NumPack(path) as npk:
        return {name: np.array(npk.load(name)) for name in npk.get_member_list()}


def same(a: Any, b: Any) -> None:
    assert (a.dtype, a.shape) == (b.dtype, b.shape)
    np.testing.assert_array_equal(a, b)


def there_and_back(
    tmp_path: Path, a: np.ndarray, there: Callable[..., Any], back: Callable[..., Any], to: str
) -> None:
    """Writes an array from a pack to a file, and puts it into another pack."""
    there(made(tmp_path / "in.npk", x=a), tmp_path / to)
    back(tmp_path / to, tmp_path / "out.npk", drop_if_exists=True)
    (found,) = everything(tmp_path / "out.npk").values()
    same(found, a)


def has(*names: str) -> bool:
    return all(importlib.util.find_spec(n) for n in names)
