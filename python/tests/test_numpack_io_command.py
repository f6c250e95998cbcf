"""Formats whose libraries are not installed, by the command ffcvconvert: BETONGO_CONVERT, or on PATH."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from packs import GOLDEN, everything, has, made, same

from betongo.numpack import io
from betongo.numpack.io import _command

LIBRARIES = ("torch", "pyarrow", "pyarrow.parquet", "pyarrow.feather", "h5py", "zarr")


@pytest.fixture(autouse=True)
def command() -> str:
    found = _command.find()
    if found is None:
        pytest.skip("there is no ffcvconvert: set BETONGO_CONVERT to one, or have it on PATH")
    return found


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> None:
    """No library can be imported."""
    for name in LIBRARIES:
        monkeypatch.setitem(sys.modules, name, None)


ARRAYS = [
    np.arange(6, dtype="f4").reshape(3, 2),
    np.arange(5, dtype="i8"),
    np.arange(24, dtype="u1").reshape(4, 3, 2),
    np.arange(3, dtype="f8").reshape(3, 1),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: str(a.shape))
def test_both_ways(tmp_path: Path, without: None, array: np.ndarray) -> None:
    p = made(tmp_path / "in.npk", x=array)
    pairs: list[tuple[Callable[..., Any], Callable[..., Any], str]] = [
        (io.to_pt, io.from_pt, "x.pt"),
        (io.to_zarr, io.from_zarr, "x.zarr"),
        (io.to_parquet, io.from_parquet, "x.parquet"),
        (io.to_feather, io.from_feather, "x.feather"),
        (io.to_hdf5, io.from_hdf5, "x.h5"),
    ]
    for there, back, file in pairs:
        try:
            there(p, tmp_path / file)
        except io.FormatError as e:
            if file != "x.h5" or "libhdf5" not in str(e):
                raise
            continue  # the machine has no libhdf5, as the error says
        back(tmp_path / file, tmp_path / "out.npk", drop_if_exists=True)
        found = everything(tmp_path / "out.npk")
        want = array[:, 0] if array.shape == (3, 1) and file in ("x.parquet", "x.feather") else array
        assert list(found) == ["x"], file
        same(found["x"], want)
    assert not [f for f in tmp_path.iterdir() if f.name.startswith(".")]


def test_library_reads_what_the_command_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    array = np.arange(12, dtype="f4").reshape(4, 3)
    p = made(tmp_path / "in.npk", x=array)
    pairs: list[tuple[str, Callable[..., Any], Callable[..., Any], str]] = [
        ("torch", io.to_pt, io.from_pt, "x.pt"),
        ("zarr", io.to_zarr, io.from_zarr, "x.zarr"),
        ("pyarrow", io.to_parquet, io.from_parquet, "x.parquet"),
        ("pyarrow", io.to_feather, io.from_feather, "x.feather"),
    ]
    for library, there, back, file in pairs:
        with monkeypatch.context() as m:
            for name in LIBRARIES:
                m.setitem(sys.modules, name, None)
            there(p, tmp_path / file)
        new = library != "zarr" or (
            has("zarr") and version("zarr") >= "3"
        )  # what the command writes is of version 3
        if has(library) and new:
            back(tmp_path / file, tmp_path / "out.npk", drop_if_exists=True)
            same(everything(tmp_path / "out.npk")["x"], array)


def test_goldens(tmp_path: Path, without: None) -> None:
    want = np.arange(60, dtype="f4").reshape(10, 6)
    for folder in ("zarr2", "zarr3"):
        for path in sorted((GOLDEN / folder).iterdir()):
            io.from_zarr(path, tmp_path / "p.npk", drop_if_exists=True)
            (name, found), *_ = everything(tmp_path / "p.npk").items()
            if "group" not in path.name:
                assert name == path.stem
                same(found, want)
    for path in sorted((GOLDEN / "pt").glob("*.pt")):
        io.from_pt(path, tmp_path / "p.npk", drop_if_exists=True)
    io.from_pt(GOLDEN / "pt" / "dict.pt", tmp_path / "p.npk", drop_if_exists=True)
    found = everything(tmp_path / "p.npk")
    same(found["bf"], np.array([1, -3.5], "f4"))
    same(found["view"], np.arange(12).reshape(3, 4).T.astype(found["view"].dtype))
    io.from_pt(GOLDEN / "pt" / "tensor.pt", tmp_path / "p.npk", drop_if_exists=True)
    same(everything(tmp_path / "p.npk")["tensor"], np.arange(6.0).reshape(2, 3))
    io.from_pt(GOLDEN / "pt" / "dict.pt", tmp_path / "p.npk", key="w", drop_if_exists=True)
    assert list(everything(tmp_path / "p.npk")) == ["w"]
    with pytest.raises(KeyError, match="none"):
        io.from_pt(GOLDEN / "pt" / "dict.pt", tmp_path / "p.npk", key="none")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        io.from_parquet(GOLDEN / "parquet" / "tensor_zstd.parquet", tmp_path / "p.npk", drop_if_exists=True)
        assert everything(tmp_path / "p.npk")["tensor"].ndim == 3
        io.from_feather(GOLDEN / "arrow" / "tensor_v2_lz4.feather", tmp_path / "p.npk", drop_if_exists=True)
        assert everything(tmp_path / "p.npk")["vec"].ndim == 2


def test_hdf5_goldens(tmp_path: Path, without: None) -> None:
    path = GOLDEN / "hdf5" / "basic_earliest.h5"
    try:
        io.from_hdf5(path, tmp_path / "p.npk", "contig")
    except io.FormatError as e:
        if "libhdf5" in str(e):
            pytest.skip("the machine has no libhdf5")
        raise
    same(everything(tmp_path / "p.npk")["contig"], np.arange(12, dtype="f4").reshape(3, 4))
    io.from_hdf5(path, tmp_path / "p.npk", "g2/u8", group="g1")
    assert sorted(everything(tmp_path / "p.npk")) == ["contig", "g2.u8"]
    with pytest.raises(KeyError, match="none"):
        io.from_hdf5(path, tmp_path / "p.npk", "none")


def test_failures(tmp_path: Path, without: None) -> None:
    """What the command says, with the file's name; nothing is changed or left."""
    bad = tmp_path / "bad.parquet"
    bad.write_bytes(b"PAR1 and nothing else PAR1")
    p = made(tmp_path / "p.npk", x=np.arange(3))
    with pytest.raises(io.FormatError, match="bad.parquet"):
        io.from_parquet(bad, p, drop_if_exists=True)
    assert list(everything(p)) == ["x"]
    with pytest.raises(io.FormatError, match="bad.pt"):
        (tmp_path / "bad.pt").write_bytes(b"\x80\x02cos\nsystem\n(S'touch hacked'\ntR.")
        io.from_pt(tmp_path / "bad.pt", p)
    assert sorted(f.name for f in tmp_path.iterdir()) == ["bad.parquet", "bad.pt", "p.npk"]
    with pytest.raises(FileNotFoundError):
        io.from_hdf5(tmp_path / "none.h5", p)


def test_named_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, without: None) -> None:
    monkeypatch.setenv("BETONGO_CONVERT", str(tmp_path / "none"))
    with pytest.raises(io.DependencyError, match="BETONGO_CONVERT"):
        io.to_pt(made(tmp_path / "p.npk", x=np.arange(3)), tmp_path / "x.pt")
