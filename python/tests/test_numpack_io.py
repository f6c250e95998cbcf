"""Conversions between packs and other formats: values, types and shapes both ways, and what stays when one fails."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from packs import DTYPES, GOLDEN, SHAPES, everything, has, made, same, sample, there_and_back

from betongo.numpack import NumPack, get_package_info, io, pack, unpack

# -- NumPy's files


@pytest.mark.parametrize("dtype", DTYPES)
def test_npy(tmp_path: Path, dtype: str) -> None:
    for shape in SHAPES:
        a = sample(dtype, shape)
        there_and_back(tmp_path, a, io.to_npy, io.from_npy, "x.npy")
        np.save(tmp_path / "np.npy", a)
        assert (tmp_path / "x.npy").read_bytes() == (tmp_path / "np.npy").read_bytes()
        there_and_back(tmp_path, a, io.to_npy, io.from_npy, "x.npz")
        with np.load(tmp_path / "x.npz") as z:
            same(z["x"], a)


def test_npy_orders(tmp_path: Path) -> None:
    """Fortran's order and big-endian numbers, in pieces of any size, stored and packed."""
    a = np.arange(7 * 5 * 3, dtype=">i4").reshape(7, 5, 3)
    for array in (a, np.asfortranarray(a), a.T, a[:, :1], np.asfortranarray(a[:, 0])):
        np.save(tmp_path / "x.npy", array)
        np.savez(tmp_path / "x.npz", x=array)
        np.savez_compressed(tmp_path / "y.npz", x=array)
        for file in ("x.npy", "x.npz", "y.npz"):
            for chunk in (1, 100, 1 << 20):
                io.from_npy(tmp_path / file, tmp_path / "o.npk", drop_if_exists=True, chunk_size=chunk)
                same(everything(tmp_path / "o.npk")["x"], array.astype("<i4"))


def test_npy_goldens(tmp_path: Path) -> None:
    for path in sorted((GOLDEN / "npy").glob("*.npy")):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # version 2 and 3
            want = None if "object" in path.name else np.load(path)
        if want is None or want.dtype.kind not in "biufc":
            with pytest.raises((TypeError, io.FormatError), match=path.stem):
                io.from_npy(path, tmp_path / "none.npk")
            assert not (tmp_path / "none.npk").exists()
            continue
        io.from_npy(path, tmp_path / "o.npk", drop_if_exists=True)
        same(
            everything(tmp_path / "o.npk")[path.stem],
            want.reshape(want.shape or 1).astype(want.dtype.newbyteorder("<")),
        )
    for path in sorted((GOLDEN / "npy").glob("*.npz")):
        io.from_npy(path, tmp_path / "z.npk", drop_if_exists=True)
        same(everything(tmp_path / "z.npk")["x"], np.arange(3))
        same(everything(tmp_path / "z.npk")["y"], np.ones((2, 2), np.float32))


def test_npy_arguments(tmp_path: Path) -> None:
    p = made(tmp_path / "p.npk", a=np.arange(3), b=np.arange(4))
    with pytest.raises(ValueError, match="can only store one array"):
        io.to_npy(p, tmp_path / "x.npy")
    with pytest.raises(ValueError, match="supported are .npy and .npz"):
        io.to_npy(p, tmp_path / "x.bin")
    with pytest.raises(KeyError, match="'c'"):
        io.to_npy(p, tmp_path / "x.npy", "c")
    with pytest.raises(FileNotFoundError):
        io.to_npy(tmp_path / "none.npk", tmp_path / "x.npy")
    assert not (tmp_path / "none.npk").exists()
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="0: "):
        io.to_npy(tmp_path / "empty", tmp_path / "x.npy")
    assert not list((tmp_path / "empty").iterdir())
    with pytest.raises(FileNotFoundError):
        io.from_npy(tmp_path / "none.npy", p)
    io.to_npy(p, tmp_path / "x.bin", single_file=False)
    with np.load(tmp_path / "x.bin") as z:
        assert sorted(z.files) == ["a", "b"]
    io.to_npy(p, tmp_path / "stored.npz", compressed=False)
    npk = io.from_npy(tmp_path / "stored.npz", tmp_path / "q.npk", return_npk_obj=True)
    assert sorted(npk.get_member_list()) == ["a", "b"]
    npk.close()


# -- packs


def test_pack_goldens(tmp_path: Path) -> None:
    """Packs by NumPack itself: all types, dropped rows, segments."""
    io.to_npy(GOLDEN / "all_dtypes.npk", tmp_path / "all.npz")
    with np.load(tmp_path / "all.npz") as z:
        assert len(z.files) == 14
        for name in z.files:
            same(z[name], np.array([[0, 1], [1, 0], [1, 1]]).astype(name))
    rows = np.delete(np.arange(140, dtype=np.int32).reshape(70, 2), [1, 2, 65, 69], axis=0)
    io.to_npy(GOLDEN / "deleted.npk", tmp_path / "d.npy")
    same(np.load(tmp_path / "d.npy"), rows)
    io.to_npy(GOLDEN / "segmented.npk", tmp_path / "s.npy")
    assert np.load(tmp_path / "s.npy").shape == (58, 4)


def test_rows_dropped(tmp_path: Path) -> None:
    """What was dropped is left out by every writer."""
    a = np.arange(3000, dtype=np.float32).reshape(1000, 3)
    with NumPack(tmp_path / "p.npk") as npk:
        npk.save({"x": a})
        npk.drop("x", list(range(0, 1000, 3)))
        npk.append({"x": -a[:2]})
    want = np.concatenate([np.delete(a, np.arange(0, 1000, 3), axis=0), -a[:2]])
    for chunk in (1, 1000, 1 << 20):
        io.to_npy(tmp_path / "p.npk", tmp_path / "x.npy", chunk_size=chunk)
        same(np.load(tmp_path / "x.npy"), want)
    io.to_safetensors_file(tmp_path / "p.npk", tmp_path / "x.safetensors")
    same(dict(io.iter_safetensors(tmp_path / "x.safetensors"))["x"], want)
    same(io.to_tensor_dict(tmp_path / "p.npk")["x"], want)
    pack(tmp_path / "p.npk")
    same(everything(unpack(tmp_path / "p.npk.npkg", tmp_path / "q.npk"))["x"], want)


def test_existing_packs(tmp_path: Path) -> None:
    """Arrays come beside those that are there, and in the place of ones of their name."""
    p = made(tmp_path / "p.npk", a=np.arange(3), b=np.arange(4))
    io.from_tensor_dict({"b": np.arange(5.0), "c": np.arange(6)}, p)
    found = everything(p)
    assert sorted(found) == ["a", "b", "c"]
    same(found["a"], np.arange(3))
    same(found["b"], np.arange(5.0))
    io.from_tensor_dict({"d": np.arange(2)}, p, drop_if_exists=True)
    assert sorted(everything(p)) == ["d"]
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "diary.txt").write_text("dear diary")
    with pytest.raises(FileExistsError):
        io.from_tensor_dict({"d": np.arange(2)}, tmp_path / "folder", drop_if_exists=True)
    with pytest.raises(FileExistsError):
        io.from_tensor_dict({"d": np.arange(2)}, tmp_path / "folder")
    assert [f.name for f in (tmp_path / "folder").iterdir()] == ["diary.txt"]


@pytest.mark.parametrize("drop", [False, True])
def test_nothing_changes_on_failure(tmp_path: Path, drop: bool) -> None:
    p = made(tmp_path / "p.npk", a=np.arange(3))
    before = {f.name: f.read_bytes() for f in p.iterdir()}
    for bad in (
        {"x": np.arange(9), "y": "no array"},
        {"x": np.arange(9), "y": np.array(["s"])},
        {"a": np.arange(9), "a/b": np.arange(1)},
    ):
        with pytest.raises((TypeError, ValueError)):
            io.from_tensor_dict(bad, p, drop_if_exists=drop)
        assert {f.name: f.read_bytes() for f in p.iterdir()} == before
        with pytest.raises((TypeError, ValueError)):
            io.from_tensor_dict(bad, tmp_path / "new.npk", drop_if_exists=drop)
    (tmp_path / "x.npz").write_bytes(b"old")
    with pytest.raises(TypeError):
        io.to_safetensors_file(made(tmp_path / "c.npk", x=np.zeros(3, "c16")), tmp_path / "x.npz")
    assert (tmp_path / "x.npz").read_bytes() == b"old"
    assert sorted(f.name for f in tmp_path.iterdir()) == ["c.npk", "p.npk", "x.npz"]


def test_open_elsewhere(tmp_path: Path) -> None:
    """A pack that is open, and unchanged, takes arrays; one that is being changed does not."""
    with NumPack(tmp_path / "p.npk") as npk:
        io.from_tensor_dict({"a": np.arange(3)}, tmp_path / "p.npk")
        npk.save({"b": np.arange(4)})
        with pytest.raises(BlockingIOError):
            io.from_tensor_dict({"c": np.arange(3)}, tmp_path / "p.npk")
    assert sorted(everything(tmp_path / "p.npk")) == ["a", "b"]


def test_replaced_elsewhere(tmp_path: Path) -> None:
    """drop_if_exists does not take a pack away from who is changing it, and leaves one for who reads it."""
    path = tmp_path / "p.npk"
    with NumPack(path) as npk:
        npk.save({"b": np.arange(4)})
        with pytest.raises(BlockingIOError):
            io.from_tensor_dict({"c": np.arange(3)}, path, drop_if_exists=True)
        assert [f.name for f in tmp_path.iterdir()] == ["p.npk"]
        npk.append({"b": np.arange(2)})
    same(everything(path)["b"], np.array([0, 1, 2, 3, 0, 1]))
    with NumPack(path) as npk:
        io.from_tensor_dict({"c": np.arange(3)}, path, drop_if_exists=True)
        npk.save({"d": np.arange(2)})
    assert sorted(everything(path)) == ["c", "d"]


def test_replaced_between(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pack that another one replaces just before it is locked is not the one that is locked."""
    fcntl = pytest.importorskip("fcntl")
    path, flock = tmp_path / "p.npk", fcntl.flock
    io.from_tensor_dict({"a": np.arange(3)}, path)

    def late(fd: int, how: int) -> None:
        monkeypatch.undo()
        io.from_tensor_dict({"b": np.arange(3)}, path, drop_if_exists=True)
        flock(fd, how)

    with NumPack(path) as npk:
        monkeypatch.setattr(fcntl, "flock", late)
        with pytest.raises(BlockingIOError):
            npk.save({"c": np.arange(3)})
    assert sorted(everything(path)) == ["b"]


def test_scalars(tmp_path: Path) -> None:
    """A pack has no scalars: they have the shape (1,)."""
    np.save(tmp_path / "s.npy", np.float32(2.5))
    io.from_npy(tmp_path / "s.npy", tmp_path / "s.npk")
    io.from_tensor_dict({"t": np.int64(3), "u": 1.5}, tmp_path / "s.npk")
    found = everything(tmp_path / "s.npk")
    same(found["s"], np.array([2.5], np.float32))
    same(found["t"], np.array([3]))
    same(found["u"], np.array([1.5]))


def test_strides(tmp_path: Path) -> None:
    """Arrays in memory of any strides and byte order."""
    a = np.arange(60, dtype=">f8").reshape(5, 4, 3)
    given = {"f": np.asfortranarray(a), "s": a[::2, ::-1], "t": a.T, "b": np.broadcast_to(a[0], (2, 4, 3))}
    io.from_tensor_dict(given, tmp_path / "p.npk")
    found = everything(tmp_path / "p.npk")
    for name, want in given.items():
        same(found[name], want.astype("<f8"))


# -- SafeTensors


@pytest.mark.parametrize("dtype", DTYPES[:-1])
def test_safetensors(tmp_path: Path, dtype: str) -> None:
    for shape in SHAPES:
        there_and_back(
            tmp_path, sample(dtype, shape), io.to_safetensors_file, io.from_safetensors_file, "x.safetensors"
        )


def test_safetensors_golden(tmp_path: Path) -> None:
    path = GOLDEN / "safetensors" / "all.safetensors"
    info = io.get_safetensors_metadata(path)
    assert info["metadata"] == {"format": "pt", "who": "conv"}
    assert info["tensors"]["bf16"] == {"dtype": "float32", "shape": [3], "stored": "BF16"}
    found = dict(io.iter_safetensors(path))
    same(found["bf16"], np.array([1, 2, -3.5], np.float32))
    same(found["f32"], np.array([[0, 1], [2, 3]], np.float32))
    same(found["bool"], np.array([True, False]))
    assert [n for n, _ in io.iter_safetensors(path, ["u8", "f16"])] == ["u8", "f16"]
    io.from_safetensors_file(path, tmp_path / "p.npk")
    stored = everything(tmp_path / "p.npk")
    for name, a in found.items():
        same(stored[name], np.atleast_1d(a))
    # The way back: the same bytes for bfloat16.
    io.to_safetensors_file(tmp_path / "p.npk", tmp_path / "x.safetensors", ["bf16"], dtype="BF16")
    assert (tmp_path / "x.safetensors").read_bytes()[-6:] == np.array(
        [0x3F80, 0x4000, 0xC060], "<u2"
    ).tobytes()
    with pytest.raises(KeyError, match="nothing"):
        io.from_safetensors_file(path, tmp_path / "p.npk", keys=["nothing"])
    with pytest.raises(TypeError, match="metadata"):
        io.to_safetensors_file(tmp_path / "p.npk", tmp_path / "x.safetensors", metadata={"n": 1})  # type: ignore[dict-item]


def test_bfloat16() -> None:
    """Rounding to the nearest, ties to even, once: against exact arithmetic."""
    from betongo.numpack.io._safetensors import _widen, bfloat16

    rng = np.random.default_rng(1)
    bits = rng.integers(0, 1 << 32, 20000, dtype=np.uint64).astype("<u4")
    edge = np.array(
        [0, 1, 0x7F800000, 0xFF800000, 0x7F7FFFFF, 0x3F808000, 0x3F818000, 0x3F808001, 0x00008000], "<u4"
    )
    values = np.concatenate([bits, edge, edge ^ np.uint32(1)]).view("<f4")
    values = values[np.isfinite(values)].astype(np.float64)
    got = _widen("BF16", bfloat16(values)).astype(np.float64)
    values, got = values[np.isfinite(got)], got[np.isfinite(got)]
    up = bfloat16(values).astype(np.int64)
    for step in (-1, 1):
        near = np.clip(up + step, 0, 0xFFFF)
        other = _widen("BF16", near.astype("<u2"))
        ok = np.isfinite(other)
        other = np.where(ok, other, 0).astype(np.float64)
        assert (np.abs(got - values)[ok] <= np.abs(other - values)[ok]).all()
        tie = ok & (np.abs(got - values) == np.abs(other - values)) & (got != other)
        assert (up[tie] % 2 == 0).all()
    assert np.isnan(_widen("BF16", bfloat16(np.array([np.nan], "f4")))).all()
    # A double between two bfloat16, a hair above the middle, which float32 does not see.
    middle = np.array(
        [1 + 2.0**-8 + 2.0**-40, 1 + 2.0**-8, 1 + 2.0**-8 - 2.0**-40, -(1 + 2.0**-8 + 2.0**-40)]
    )
    assert bfloat16(middle).tolist() == [0x3F81, 0x3F80, 0x3F80, 0xBF81]


def test_safetensors_names(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="__metadata__"):
        io.to_safetensors_file(
            made(tmp_path / "p.npk", __metadata__=np.arange(3)), tmp_path / "x.safetensors"
        )
    ml_dtypes = pytest.importorskip("ml_dtypes")
    io.from_tensor_dict({"x": np.array([1, -3.5], ml_dtypes.bfloat16)}, tmp_path / "q.npk")
    same(everything(tmp_path / "q.npk")["x"], np.array([1, -3.5], np.float32))


def test_float8(tmp_path: Path) -> None:
    """The floats of 8 bits, by values that their definition tells."""
    codes = np.array([0x00, 0x01, 0x08, 0x38, 0x7E, 0x7F, 0xB8, 0xFE], np.uint8)
    for kind, want in {
        "F8_E4M3": [0, 2.0**-9, 2.0**-6, 1, 448, np.nan, -1, -448],
        "F8_E5M2": [0, 2.0**-16, 2.0**-13, 0.5, np.nan, np.nan, -0.5, np.nan],
    }.items():
        path = tmp_path / "f8.safetensors"
        safetensors(path, {"x": {"dtype": kind, "shape": [8], "data_offsets": [0, 8]}}, codes.tobytes())
        same(dict(io.iter_safetensors(path))["x"], np.array(want, np.float32))


def safetensors(path: Path, header: Any, data: bytes) -> None:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


# -- text


def test_text_dtypes(tmp_path: Path) -> None:
    cases = {
        "1,2\n3,4\n": np.array([[1, 2], [3, 4]]),
        "1,2\n3,4.5\n": np.array([[1, 2], [3, 4.5]]),
        "1,\n3,4\n": np.array([[1, np.nan], [3, 4]]),
        "NA,2\n3,null\n": np.array([[np.nan, 2], [3, np.nan]]),
        "18446744073709551615\n1\n": np.array([2**64 - 1, 1], np.uint64),
        "18446744073709551615\n-1\n": np.array([2.0**64, -1]),
        "5\n6\n": np.array([5, 6]),
        "5,6\n": np.array([[5, 6]]),
        "": np.empty(0, np.int64),
        "# only words\n\n": np.empty(0, np.int64),
        "# a,b\n1,2\n\n3,4 # end\n": np.array([[1, 2], [3, 4]]),
        "nan\ninf\n-inf\n1e300\n": np.array([np.nan, np.inf, -np.inf, 1e300]),
    }
    for text, want in cases.items():
        (tmp_path / "t.csv").write_text(text)
        io.from_csv(tmp_path / "t.csv", tmp_path / "p.npk", drop_if_exists=True)
        same(everything(tmp_path / "p.npk")["t"], want)
        # Found out late, in another piece.
        io.from_csv(tmp_path / "t.csv", tmp_path / "p.npk", drop_if_exists=True, chunk_size=1)
        same(everything(tmp_path / "p.npk")["t"], want)


def test_text_options(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("x;y\n1;2\n3;4\n5;6\n")

    def read(**kwargs: Any) -> np.ndarray:
        io.from_csv(path, tmp_path / "p.npk", drop_if_exists=True, delimiter=";", **kwargs)
        return everything(tmp_path / "p.npk")["t"]

    same(read(skiprows=1), np.array([[1, 2], [3, 4], [5, 6]]))
    same(read(skip_header=1, max_rows=2), np.array([[1, 2], [3, 4]]))
    same(read(header=0, usecols=[1]), np.array([2, 4, 6]))
    same(read(header=0, usecols=[1], ndmin=2), np.array([[2], [4], [6]]))
    same(read(skiprows=1, dtype="f2"), np.array([[1, 2], [3, 4], [5, 6]], "f2"))
    with pytest.raises(io.FormatError, match=r"t\.csv.*lines 1 and on.*x"):
        read()
    path.write_text("1;2\n3;4;5\n")
    with pytest.raises(io.FormatError, match="lines 1 and on"):
        read()
    path.write_bytes(b"1;2\n\xff;4\n")
    with pytest.raises(io.FormatError, match="utf-8"):
        read()
    path.write_text("1;'2'\n3;'4'\n")
    if has("pandas"):
        same(read(quotechar="'"), np.array([[1, 2], [3, 4]]))
    else:
        with pytest.raises(io.DependencyError, match="pandas"):
            read(quotechar="'")


@pytest.mark.parametrize("dtype", DTYPES[:-2])
def test_text_both_ways(tmp_path: Path, dtype: str) -> None:
    for shape in [(7,), (5, 3), (1, 4)]:
        a = sample(dtype, shape)
        if dtype[0] in "fi":
            a.reshape(-1)[0] = np.finfo(dtype).max if dtype[0] == "f" else np.iinfo(dtype).min
        io.to_csv(made(tmp_path / "in.npk", x=a), tmp_path / "x.csv")
        io.from_csv(
            tmp_path / "x.csv",
            tmp_path / "out.npk",
            dtype=None if dtype == "i8" else dtype,
            drop_if_exists=True,
        )
        same(everything(tmp_path / "out.npk")["x"], a)
    with pytest.raises(ValueError, match="1D or 2D"):
        io.to_csv(made(tmp_path / "in.npk", x=sample(dtype, (2, 2, 2))), tmp_path / "x.csv")


def test_text_as_savetxt(tmp_path: Path) -> None:
    """What is written is numpy.savetxt's, byte for byte."""
    rng = np.random.default_rng(0)
    for a in (
        rng.standard_normal((50, 4)),
        rng.standard_normal(9).astype("f2"),
        rng.standard_normal((3, 2)) * 1j,
    ):
        made(tmp_path / "p.npk", x=a)
        for fmt in ("%.18e", "%.3f", "%10.5g|"):
            io.to_txt(
                tmp_path / "p.npk", tmp_path / "x.txt", fmt=fmt, delimiter="  ", footer="end", chunk_size=200
            )
            np.savetxt(tmp_path / "y.txt", a, fmt=fmt, delimiter="  ", footer="end")
            assert (tmp_path / "x.txt").read_bytes() == (tmp_path / "y.txt").read_bytes()
    a = np.arange(6).reshape(3, 2)
    made(tmp_path / "p.npk", x=a)
    io.to_csv(tmp_path / "p.npk", tmp_path / "x.txt", fmt=["%d", "%.1f"], header=True, comments="")
    assert (tmp_path / "x.txt").read_text() == "col0,col1\n0,1.0\n2,3.0\n4,5.0\n"


# -- packages


def test_packages(tmp_path: Path) -> None:
    a = np.arange(40000.0).reshape(1000, 40)
    p = made(
        tmp_path / "p.npk", x=a, y=np.random.default_rng(0).bytes(5000) and np.arange(3), z=np.empty((0, 3))
    )
    (p / "diary.txt").write_text("stays at home")
    for compression in (True, False):
        target = pack(p, compression=compression, overwrite=True)
        assert target == tmp_path / "p.npk.npkg"
        info = get_package_info(target)
        assert [f["name"] for f in info["files"]] == [
            "data_x.npkd",
            "data_y.npkd",
            "data_z.npkd",
            "metadata.npkm",
        ]
        assert (info["total_compressed_size"] < info["total_original_size"]) == compression
        assert info["compression_name"] in (("zstd", "zlib") if compression else ("none",))
        found = everything(unpack(target, tmp_path / "q.npk", overwrite=True))
        same(found["x"], a)
        same(found["z"], np.empty((0, 3)))
    with pytest.raises(FileExistsError):
        pack(p)
    with pytest.raises(FileExistsError):
        unpack(target, tmp_path / "q.npk")
    assert pack(p, tmp_path / "bare").suffix == ".npkg"
    shutil.rmtree(p)
    assert unpack(target) == p


def test_package_goldens(tmp_path: Path) -> None:
    want = np.delete(np.arange(140, dtype=np.int32).reshape(70, 2), [1, 2, 65, 69], axis=0)
    for name in ("deleted_none", "deleted_zlib_or_zstd"):
        info = get_package_info(GOLDEN / f"{name}.npkg")
        assert info["version"] == 2
        try:
            unpack(GOLDEN / f"{name}.npkg", tmp_path / f"{name}.npk")
        except io.DependencyError:
            assert info["compression_name"] == "zstd"
            continue
        same(everything(tmp_path / f"{name}.npk")["x"], want)


def test_package_of_segments(tmp_path: Path) -> None:
    """NumPack's own package leaves segments out; ours has the rows as one data file."""
    io.to_npy(GOLDEN / "segmented.npk", tmp_path / "want.npy")
    target = pack(GOLDEN / "segmented.npk", tmp_path / "s.npkg")
    assert "data_x.npkd" in [f["path"] for f in get_package_info(target)["files"]]
    same(everything(unpack(target))["x"], np.load(tmp_path / "want.npy"))


# -- memory and dependencies


def test_bounded_memory(tmp_path: Path) -> None:
    """300 MB through all formats of our own, within 100 MB."""
    if sys.platform != "linux":
        pytest.skip("peak memory is asked of Linux")
    script = """
import resource, numpy as np, sys
from betongo.numpack import io
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
io.from_npy("big.npy", "big.npk")
io.to_safetensors_file("big.npk", "big.safetensors")
io.from_safetensors_file("big.safetensors", "big2.npk")
io.to_safetensors_file("big2.npk", "half.safetensors", dtype="BF16")
io.from_safetensors_file("half.safetensors", "big3.npk")
io.to_npy("big2.npk", "back.npy")
io.from_npy("fortran.npy", "fortran.npk")
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) >> 10)
"""
    shape = (75_000, 1000)
    m = np.lib.format.open_memmap(tmp_path / "big.npy", "w+", np.float32, shape)
    m[::1000] = 1.5
    del m
    m = np.lib.format.open_memmap(
        tmp_path / "fortran.npy", "w+", np.float32, (150_000, 100), fortran_order=True
    )
    m[:, 7] = 2
    del m
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 100
    assert (tmp_path / "back.npy").stat().st_size == (tmp_path / "big.npy").stat().st_size
    back = np.load(tmp_path / "back.npy", mmap_mode="r")
    assert back[::1000].min() == 1.5 and back[1::1000].max() == 0


def test_dependency_errors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the library and without the command: both ways are told."""
    for name in ("torch", "pyarrow", "pyarrow.parquet", "pyarrow.feather", "pandas", "h5py", "zarr"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("BETONGO_CONVERT", raising=False)
    monkeypatch.delenv("BETONGO_ENGINE", raising=False)
    p, f = made(tmp_path / "p.npk", x=np.arange(3)), tmp_path / "file"
    f.write_bytes(b"")
    both: list[tuple[str, Callable[[], Any]]] = [
        ("torch", lambda: io.from_pt(f, p)),
        ("torch", lambda: io.to_pt(p, f)),
        ("pyarrow", lambda: io.from_parquet(f, p)),
        ("pyarrow", lambda: io.to_parquet(p, f)),
        ("pyarrow", lambda: io.from_feather(f, p)),
        ("pyarrow", lambda: io.to_feather(p, f)),
        ("h5py", lambda: io.from_hdf5(f, p)),
        ("h5py", lambda: io.to_hdf5(p, f)),
        ("zarr", lambda: io.from_zarr(f, p)),
        ("zarr", lambda: io.to_zarr(p, f)),
    ]
    for package, call in both:
        with pytest.raises(io.DependencyError, match=f"pip install {package}\n.*ffcvconvert"):
            call()
    one: list[tuple[str, Callable[[], Any]]] = [
        ("torch", lambda: io.to_tensor(p)),
        ("torch", lambda: io.numpy_to_torch_zero_copy(np.arange(3))),
        ("pyarrow", lambda: io.to_table(p)),
        ("pyarrow", lambda: io.numpy_to_arrow_zero_copy(np.arange(3))),
        ("pandas", lambda: io.to_dataframe(p)),
    ]
    for package, call in one:
        with pytest.raises(ImportError, match=f"pip install {package}"):
            call()
    assert f.read_bytes() == b"" and list(everything(p)) == ["x"]


def test_imports_nothing() -> None:
    """Importing the package imports none of the libraries."""
    code = "import sys, betongo.numpack.io; print([m for m in ('torch','pyarrow','pandas','h5py','zarr') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_names() -> None:
    for name in io.__all__:
        assert getattr(io, name) is not None
    assert (io.LARGE_FILE_THRESHOLD, io.DEFAULT_CHUNK_SIZE, io.DEFAULT_BATCH_ROWS) == (
        1 << 30,
        100 << 20,
        100_000,
    )
    assert io.estimate_chunk_rows((10000, 100), np.dtype("f8"), 1 << 20) == 1310
    assert io.estimate_chunk_rows((), np.dtype("f8")) == 1
    assert io.estimate_chunk_rows((5, 0), np.dtype("f8")) == 100_000
