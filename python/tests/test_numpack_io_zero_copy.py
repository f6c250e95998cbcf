"""One memory for several libraries: proved by addresses, kept by references."""

from __future__ import annotations

import gc
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from betongo.numpack import NumPack
from betongo.numpack.io import (
    DLPackBuffer,
    ZeroCopyArray,
    arrow_to_numpy_zero_copy,
    from_dlpack,
    numpy_to_arrow_zero_copy,
    numpy_to_torch_zero_copy,
    table_to_numpy_zero_copy,
    to_dlpack,
    torch_to_numpy_zero_copy,
)

VERSIONED = tuple(int(v) for v in np.__version__.split(".")[:2]) >= (2, 1)
NUMBERS = ["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"]


def address(a: np.ndarray) -> int:
    return int(a.__array_interface__["data"][0])


@pytest.fixture(autouse=True)
def no_warnings() -> Any:
    """A copy is told by a warning: where none is expected there is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        yield


# -- DLPack


@pytest.mark.parametrize("dtype", [*NUMBERS, "c8", "c16"])
def test_dlpack(dtype: str) -> None:
    for a in (
        np.arange(12).astype(dtype).reshape(3, 4),
        np.arange(5).astype(dtype),
        np.array(3, dtype),
        np.empty((0, 2), dtype),
    ):
        b = from_dlpack(to_dlpack(a))
        assert (b.dtype, b.shape) == (a.dtype, a.shape)
        if a.size:
            assert address(b) == address(a)
        assert DLPackBuffer(a).__dlpack_device__() == (1, 0)


def test_dlpack_lifetime() -> None:
    a = np.arange(1000.0)
    b = from_dlpack(to_dlpack(a))
    c = from_dlpack(to_dlpack(np.arange(1000.0)))
    del a
    gc.collect()
    np.empty(1000).fill(7)
    assert b.sum() == c.sum() == 499500


def test_dlpack_capsules() -> None:
    a = np.arange(6.0)
    capsule = to_dlpack(a).__dlpack__()
    b = from_dlpack(capsule)
    assert address(b) == address(a)
    with pytest.raises(ValueError, match="used"):
        from_dlpack(capsule)
    for wrong in (3, None, "x"):
        with pytest.raises(TypeError, match="DLPack"):
            from_dlpack(wrong)
    with pytest.raises(TypeError, match="ndarray"):
        to_dlpack([1, 2])  # type: ignore[arg-type]
    import datetime

    with pytest.raises(ValueError, match="not of DLPack"):
        from_dlpack(datetime.datetime_CAPI)  # type: ignore[attr-defined]
    if VERSIONED:
        capsule = to_dlpack(a).__dlpack__(max_version=(1, 0))
        assert address(from_dlpack(capsule)) == address(a)


def test_dlpack_read_only() -> None:
    """A consumer of before 1.0 gets an error, or a copy where it asks for one; a later one is told."""
    a = np.arange(6.0)
    a.flags.writeable = False
    with pytest.raises(BufferError):
        DLPackBuffer(a).__dlpack__()
    copied = from_dlpack(DLPackBuffer(a).__dlpack__(copy=True))
    assert address(copied) != address(a)
    np.testing.assert_array_equal(copied, a)
    if VERSIONED:
        b = np.from_dlpack(DLPackBuffer(a))
        assert address(b) == address(a) and not b.flags.writeable
        assert not from_dlpack(ZeroCopyArray(a)).flags.writeable
    with pytest.raises((BufferError, ValueError)):
        DLPackBuffer(a).__dlpack__(dl_device=(2, 0))
    with pytest.raises(BufferError):
        DLPackBuffer(np.arange(3, dtype=">i4")).__dlpack__()


def test_dlpack_of_strides() -> None:
    with pytest.warns(UserWarning, match="not C-contiguous"):
        b = to_dlpack(np.arange(10)[::2])
    np.testing.assert_array_equal(b.array, np.arange(10)[::2])


def test_dlpack_torch() -> None:
    torch = pytest.importorskip("torch")
    a = np.arange(12, dtype="f4").reshape(3, 4)
    t = torch.from_dlpack(to_dlpack(a))
    assert t.data_ptr() == address(a)
    a[0, 0] = 99
    assert t[0, 0] == 99
    del a
    gc.collect()
    assert t[0, 0] == 99
    t = torch.arange(6.0)
    assert address(from_dlpack(t)) == address(from_dlpack(torch.utils.dlpack.to_dlpack(t))) == t.data_ptr()
    if torch.cuda.is_available():
        with pytest.raises((BufferError, TypeError)):
            from_dlpack(t.cuda())
        with pytest.raises((BufferError, TypeError)):
            from_dlpack(torch.utils.dlpack.to_dlpack(t.cuda()))
        assert numpy_to_torch_zero_copy(a2 := np.arange(3.0), "cuda").is_cuda and a2.sum() == 3
        with pytest.warns(UserWarning, match="cuda"):
            assert torch_to_numpy_zero_copy(t.cuda()).sum() == 15


# -- Arrow


@pytest.mark.parametrize("dtype", NUMBERS)
def test_arrow(dtype: str) -> None:
    pa = pytest.importorskip("pyarrow")
    for shape in [(6,), (3, 2), (2, 3, 1), (0,), (0, 2)]:
        a = np.arange(np.prod(shape)).astype(dtype).reshape(shape)
        b = numpy_to_arrow_zero_copy(a)
        assert len(b) == len(a)
        c = arrow_to_numpy_zero_copy(b)
        assert (c.dtype, c.shape) == (a.dtype, a.shape)
        assert not c.flags.writeable
        if a.size:
            assert address(c) == address(a) == [x for x in b.buffers() if x is not None][-1].address
        w = arrow_to_numpy_zero_copy(b, writable=True)
        assert w.flags.writeable and (address(w) != address(a) or not a.size)
        np.testing.assert_array_equal(w, a)
    part = numpy_to_arrow_zero_copy(a := np.arange(10).astype(dtype)).slice(3, 4)
    assert address(arrow_to_numpy_zero_copy(part)) == address(a) + 3 * a.itemsize
    rows = numpy_to_arrow_zero_copy(a.reshape(5, 2)).slice(2, 2)
    assert address(arrow_to_numpy_zero_copy(rows)) == address(a) + 4 * a.itemsize
    assert isinstance(rows, pa.Array)


def test_arrow_lifetime() -> None:
    pytest.importorskip("pyarrow")
    b = numpy_to_arrow_zero_copy(np.arange(1000.0))
    c = arrow_to_numpy_zero_copy(numpy_to_arrow_zero_copy(np.arange(1000.0)))
    gc.collect()
    np.empty(1000).fill(7)
    assert b.to_numpy().sum() == c.sum() == 499500


def test_arrow_copies() -> None:
    """Where it is a copy the values are right, and it is said."""
    pa = pytest.importorskip("pyarrow")
    bools = np.array([True, False, True])
    assert numpy_to_arrow_zero_copy(bools).to_pylist() == [True, False, True]
    assert numpy_to_arrow_zero_copy(np.arange(6).astype("M8[s]")).type == pa.timestamp("s")
    with pytest.warns(UserWarning, match="nulls"):
        got = arrow_to_numpy_zero_copy(pa.array([1, None, 3]))
    np.testing.assert_array_equal(got, [1, np.nan, 3])
    with pytest.warns(UserWarning, match="Zero-copy"):
        np.testing.assert_array_equal(arrow_to_numpy_zero_copy(pa.array(bools)), bools)
    with pytest.warns(UserWarning, match="contiguous"):
        assert numpy_to_arrow_zero_copy(np.arange(10)[::2]).to_pylist() == [0, 2, 4, 6, 8]
    with pytest.warns(UserWarning, match="byte order"):
        assert numpy_to_arrow_zero_copy(np.arange(3, dtype=">i4")).to_pylist() == [0, 1, 2]
    with pytest.raises(TypeError, match="complex"):
        numpy_to_arrow_zero_copy(np.zeros(3, "c8"))
    with pytest.raises(TypeError, match="ndarray"):
        numpy_to_arrow_zero_copy([1, 2])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="pyarrow"):
        arrow_to_numpy_zero_copy(np.arange(3))


def test_arrow_tables() -> None:
    pa = pytest.importorskip("pyarrow")
    a, b = np.arange(5.0), np.arange(5)
    table = pa.table({"a": numpy_to_arrow_zero_copy(a), "b": numpy_to_arrow_zero_copy(b)})
    assert address(table_to_numpy_zero_copy(table, "b")) == address(b)
    both = table_to_numpy_zero_copy(table)
    assert address(both["a"]) == address(a)
    with pytest.raises(KeyError):
        table_to_numpy_zero_copy(table, "none")
    with pytest.warns(UserWarning, match="2 chunks"):
        got = table_to_numpy_zero_copy(pa.concat_tables([table, table]), "a")
    np.testing.assert_array_equal(got, np.tile(a, 2))
    assert len(table_to_numpy_zero_copy(table.slice(0, 0), "a")) == 0


# -- torch


def test_torch() -> None:
    torch = pytest.importorskip("torch")
    a = np.arange(12, dtype="f4").reshape(3, 4)
    t = numpy_to_torch_zero_copy(a)
    assert t.data_ptr() == address(a)
    assert address(torch_to_numpy_zero_copy(t)) == address(a)
    turned = torch_to_numpy_zero_copy(t.t())
    assert address(turned) == address(a) and turned.strides == (4, 16)
    assert address(torch_to_numpy_zero_copy(torch.nn.Parameter(t))) == address(a)
    assert numpy_to_torch_zero_copy(a, "cpu").data_ptr() == address(a)
    t = numpy_to_torch_zero_copy(np.arange(1000.0))
    gc.collect()
    np.empty(1000).fill(7)
    assert t.sum() == 499500


def test_torch_copies() -> None:
    torch = pytest.importorskip("torch")
    a = np.arange(12.0)
    a.flags.writeable = False
    with pytest.warns(UserWarning, match="read-only"):
        t = numpy_to_torch_zero_copy(a)
    t[0] = 5
    assert a[0] == 0
    with pytest.warns(UserWarning, match="byte order"):
        assert numpy_to_torch_zero_copy(np.arange(3, dtype=">i4")).tolist() == [0, 1, 2]
    with pytest.warns(UserWarning, match="not contiguous"):
        assert numpy_to_torch_zero_copy(np.arange(4)[::-1]).tolist() == [3, 2, 1, 0]
    with pytest.warns(UserWarning, match="bfloat16"):
        assert torch_to_numpy_zero_copy(torch.tensor([1.5], dtype=torch.bfloat16)).tolist() == [1.5]
    with pytest.warns(UserWarning, match="conj"):
        assert torch_to_numpy_zero_copy(torch.tensor([1 + 2j]).conj()).tolist() == [1 - 2j]
    with pytest.raises(TypeError, match="Tensor"):
        torch_to_numpy_zero_copy(np.arange(3))
    with pytest.raises(TypeError, match="sparse"):
        torch_to_numpy_zero_copy(torch.eye(2).to_sparse())


# -- packs


def test_lazy_arrays(tmp_path: Path) -> None:
    """An array over the map of a pack is read-only, and stays so in every library that can."""
    a = np.arange(600.0).reshape(100, 6)
    with NumPack(tmp_path / "p.npk") as npk:
        npk.save({"x": a})
    with NumPack(tmp_path / "p.npk") as npk:
        view = np.asarray(npk.load("x", lazy=True))
        np.testing.assert_array_equal(view, a)
        if view.flags.writeable or view.flags.owndata:
            pytest.skip("lazy arrays are copies here")
        pytest.importorskip("pyarrow")
        assert address(arrow_to_numpy_zero_copy(numpy_to_arrow_zero_copy(view))) == address(view)


def test_zero_copy_array() -> None:
    a = np.arange(6, dtype="i4").reshape(2, 3)
    z = ZeroCopyArray(a)
    assert (z.shape, z.dtype, z.nbytes) == ((2, 3), np.dtype("i4"), 24)
    assert z.array is z.to_numpy() is a
    assert address(np.asarray(z)) == address(a)
    assert np.asarray(z, "f8").dtype == np.float64
    assert address(z.__array__(copy=True)) != address(a)
    with pytest.raises(ValueError, match="copy"):
        z.__array__("f8", copy=False)
    assert address(from_dlpack(z)) == address(ZeroCopyArray.from_dlpack(z).array) == address(a)
    assert z.to_dlpack().array is a
    assert "i4" in repr(z) or "int32" in repr(z)
    with pytest.raises(TypeError):
        ZeroCopyArray([1])  # type: ignore[arg-type]
