"""Conversions by the libraries of others: Arrow's tables, Parquet and Feather, torch, HDF5, Zarr, pandas."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from packs import DTYPES, GOLDEN, SHAPES, everything, has, made, same, sample, there_and_back

from betongo.numpack import NumPack, io

# -- Arrow's tables and files


@pytest.mark.parametrize("dtype", DTYPES[:-2])
def test_tables(tmp_path: Path, dtype: str) -> None:
    pa = pytest.importorskip("pyarrow")
    old = int(pa.__version__.split(".")[0]) < 15  # had no float16 in Parquet
    for shape in SHAPES:
        if 0 in shape[1:]:
            continue
        a = sample(dtype, shape)
        there_and_back(tmp_path, a, io.to_feather, io.from_feather, "x.feather")
        if not (dtype == "f2" and old):
            there_and_back(tmp_path, a, io.to_parquet, io.from_parquet, "x.parquet")
        table = io.to_table(made(tmp_path / "in.npk", x=a))
        assert table.num_rows == len(a)
        io.from_table(table, tmp_path / "t.npk", drop_if_exists=True)
        same(everything(tmp_path / "t.npk")["data"], a)


def test_tables_streamed(tmp_path: Path) -> None:
    """More than one row group and batch, of rows in several dimensions."""
    pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    for shape in [(1000,), (1000, 3), (1000, 2, 2)]:
        a = np.arange(np.prod(shape), dtype="f4").reshape(shape)
        p = made(tmp_path / "in.npk", x=a)
        io.to_parquet(p, tmp_path / "x.parquet", row_group_size=300, chunk_size=2000)
        assert pq.ParquetFile(tmp_path / "x.parquet").num_row_groups >= 4
        io.to_feather(p, tmp_path / "x.feather", chunk_size=2000, compression="lz4")
        for back, file in ((io.from_parquet, "x.parquet"), (io.from_feather, "x.feather")):
            back(tmp_path / file, tmp_path / "out.npk", drop_if_exists=True, chunk_size=500)
            same(everything(tmp_path / "out.npk")["x"], a)


def test_table_columns(tmp_path: Path) -> None:
    """Mixed types, nulls, words, lists and tensors."""
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    table = pa.table(
        {
            "i": pa.array([1, None, 3], pa.int32()),
            "f": pa.array([1.5, 2.5, None], pa.float32()),
            "b": pa.array([True, None, False]),
            "d": pa.array([7, 8, 7]).dictionary_encode(),
            "s": ["x", "y", "z"],
            "v": pa.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], pa.list_(pa.float32(), 2)),
        }
    )
    want = np.array([[1, 1.5, 1, 7], [np.nan, 2.5, np.nan, 8], [3, np.nan, 0, 7]])
    pq.write_table(table, tmp_path / "t.parquet")
    for put in (
        lambda **k: io.from_table(table, tmp_path / "p.npk", "t", drop_if_exists=True, **k),
        lambda **k: io.from_parquet(tmp_path / "t.parquet", tmp_path / "p.npk", drop_if_exists=True, **k),
    ):
        with pytest.warns(UserWarning, match=r"s \(string\)"):
            put()
        found = everything(tmp_path / "p.npk")
        same(found["t"], want)
        same(found["v"], np.array([[1, 2], [3, 4], [5, 6]], np.float32))
        put(columns=["v"])
        assert list(everything(tmp_path / "p.npk")) == ["t"]
        put(columns=["d"])
        same(everything(tmp_path / "p.npk")["t"], np.array([7, 8, 7]))
        with pytest.raises(TypeError, match="s"):
            put(columns=["s"])
        with pytest.raises(KeyError, match="nothing"):
            put(columns=["nothing"])
    one = pa.table({"x": [1, 2, 3]})
    pq.write_table(one, tmp_path / "one.parquet")
    io.from_parquet(tmp_path / "one.parquet", tmp_path / "p.npk")
    same(everything(tmp_path / "p.npk")["one"], np.array([1, 2, 3]))
    with pytest.raises(TypeError, match="c16|complex"):
        io.to_table(made(tmp_path / "c.npk", x=np.zeros(2, "c16")))
    with pytest.raises(ValueError, match="names"):
        io.to_table(made(tmp_path / "c.npk", x=np.zeros((2, 3))), column_names=["a"])


def test_table_goldens(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    for path in sorted((GOLDEN / "parquet").glob("*_*.parquet")) + sorted(
        (GOLDEN / "arrow").glob("*.feather")
    ):
        old = path.name == "v1.feather"
        put = io.from_parquet if path.suffix == ".parquet" else io.from_feather
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            put(path, tmp_path / "p.npk", drop_if_exists=True)
        found = everything(tmp_path / "p.npk")
        if "tensor" in path.name:
            assert found["tensor"].shape[0] == 3 and found["tensor"].ndim == 3
        if not old and "numpack" not in path.name and "v2pages" not in path.name:
            assert found["vec"].ndim == 2
            assert found[path.stem].shape[0] == 3


# -- torch


def test_torch_files(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    value = {
        "epoch": 3,
        "model": {"fc.weight": torch.arange(6.0).reshape(2, 3).t(), "n": torch.tensor(7)},
        "layers": [torch.ones(2, dtype=torch.bool), (torch.zeros(0, 4),)],
        "half": torch.tensor([1.0, -3.5], dtype=torch.bfloat16),
        "p": torch.nn.Parameter(torch.ones(2)),
    }
    torch.save(value, tmp_path / "c.pt")
    io.from_pt(tmp_path / "c.pt", tmp_path / "p.npk")
    found = everything(tmp_path / "p.npk")
    assert sorted(found) == ["half", "layers.0", "layers.1.0", "model.fc.weight", "model.n", "p"]
    same(found["model.fc.weight"], np.arange(6, dtype="f4").reshape(2, 3).T)
    same(found["model.n"], np.array([7]))
    same(found["layers.1.0"], np.zeros((0, 4), "f4"))
    same(found["half"], np.array([1, -3.5], "f4"))
    io.from_pt(tmp_path / "c.pt", tmp_path / "q.npk", key="model")
    assert sorted(everything(tmp_path / "q.npk")) == ["model.fc.weight", "model.n"]
    with pytest.raises(KeyError, match="Available"):
        io.from_pt(tmp_path / "c.pt", tmp_path / "q.npk", key="none")
    with pytest.raises(TypeError, match="epoch"):
        io.from_pt(tmp_path / "c.pt", tmp_path / "q.npk", key="epoch")
    torch.save(torch.arange(4), tmp_path / "t.pt")
    io.from_pt(tmp_path / "t.pt", tmp_path / "t.npk")
    same(everything(tmp_path / "t.npk")["t"], np.arange(4))
    io.to_pt(tmp_path / "t.npk", tmp_path / "u.pt", as_dict=False)
    assert torch.equal(torch.load(tmp_path / "u.pt"), torch.arange(4))
    for path in sorted((GOLDEN / "pt").glob("*.pt")):
        if path.name != "checkpoint_nested.pt" or hasattr(
            torch, "compile"
        ):  # torch 1.13 refuses floats in it
            io.from_pt(path, tmp_path / "g.npk", drop_if_exists=True)
    with NumPack(tmp_path / "t.npk") as npk:
        npk.drop("t", [0, 2])
    io.to_pt(tmp_path / "t.npk", tmp_path / "u.pt")
    assert torch.load(tmp_path / "u.pt")["t"].tolist() == [1, 3]
    with pytest.raises(TypeError, match="torch.Tensor"):
        io.from_tensor([1, 2], tmp_path / "t.npk")
    with pytest.raises(TypeError, match="sparse"):
        io.from_tensor(torch.eye(3).to_sparse(), tmp_path / "t.npk")


# -- HDF5 and Zarr


@pytest.mark.parametrize("dtype", DTYPES)
def test_hdf5_and_zarr(tmp_path: Path, dtype: str) -> None:
    pytest.importorskip("h5py")
    zarr = has("zarr")
    for shape in SHAPES:
        a = sample(dtype, shape)
        there_and_back(tmp_path, a, io.to_hdf5, io.from_hdf5, "x.h5")
        if zarr:
            there_and_back(tmp_path, a, io.to_zarr, io.from_zarr, "x.zarr")


def test_hdf5(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    with pytest.warns(UserWarning, match="strs"):
        io.from_hdf5(GOLDEN / "hdf5" / "basic_earliest.h5", tmp_path / "p.npk")
    found = everything(tmp_path / "p.npk")
    with h5py.File(GOLDEN / "hdf5" / "basic_earliest.h5") as f:
        for name in ("contig", "be", "chunk_gzip_shuf", "resizable", "lzf", "f16", "bool", "c8"):
            want = f[name][...]
            same(found[name], want.astype(want.dtype.newbyteorder("<")))
        same(found["g1.g2.u8"], f["g1/g2/u8"][...])
    io.from_hdf5(
        GOLDEN / "hdf5" / "basic_earliest.h5", tmp_path / "q.npk", group="/g1", dataset_names=["g2/u8"]
    )
    assert list(everything(tmp_path / "q.npk")) == ["g2.u8"]
    with pytest.raises(KeyError, match="none"):
        io.from_hdf5(GOLDEN / "hdf5" / "basic_earliest.h5", tmp_path / "q.npk", "none")
    with pytest.raises(TypeError, match="strs"):
        io.from_hdf5(GOLDEN / "hdf5" / "basic_earliest.h5", tmp_path / "q.npk", "strs")
    io.to_hdf5(tmp_path / "p.npk", tmp_path / "x.h5", ["contig"], group="/a/b", compression=None)
    with h5py.File(tmp_path / "x.h5") as f:
        same(f["a/b/contig"][...], found["contig"])


def test_zarr(tmp_path: Path) -> None:
    zarr = pytest.importorskip("zarr")
    new = int(zarr.__version__.split(".")[0]) >= 3
    want = np.arange(60, dtype="f4").reshape(10, 6)
    stores = sorted((GOLDEN / "zarr2").iterdir()) + (sorted((GOLDEN / "zarr3").iterdir()) if new else [])
    for path in stores:
        io.from_zarr(path, tmp_path / "p.npk", drop_if_exists=True)
        (name, found), *_ = everything(tmp_path / "p.npk").items()
        if "group" in path.name:
            assert "." in name or name in ("a", "b")
        else:
            assert name == path.stem
            same(found, want)
    with pytest.raises(KeyError):
        io.from_zarr(stores[0], tmp_path / "p.npk", array_names=["none"])
    p = made(tmp_path / "in.npk", x=np.arange(1000.0), y=np.arange(3))
    io.to_zarr(p, tmp_path / "x.zarr", group="/a/b", compressor=None)
    io.from_zarr(tmp_path / "x.zarr", tmp_path / "out.npk", group="a", array_names="b/x")
    same(everything(tmp_path / "out.npk")["b.x"], np.arange(1000.0))
    (tmp_path / "x.zarr" / "mine").write_text("goes with the store")
    io.to_zarr(p, tmp_path / "x.zarr", ["y"])
    assert sorted(zarr.open_group(str(tmp_path / "x.zarr"), mode="r")) == ["y"]


# -- pandas


def test_dataframes(tmp_path: Path) -> None:
    pd = pytest.importorskip("pandas")
    df = pd.DataFrame({"a": pd.array([1, None, 3], "Int64"), "b": [1.5, 2.5, 3.5]})
    io.from_dataframe(df, tmp_path / "p.npk")
    same(everything(tmp_path / "p.npk")["data"], np.array([[1, 1.5], [np.nan, 2.5], [3, 3.5]]))
    io.from_dataframe(pd.DataFrame({"a": [1, 2], "b": [True, False]}), tmp_path / "p.npk")
    same(everything(tmp_path / "p.npk")["data"], np.array([[1, 1], [2, 0]]))
    io.from_dataframe(pd.Series([1, 2, 3]), tmp_path / "p.npk")
    same(io.to_dataframe(tmp_path / "p.npk")[0].to_numpy(), np.array([1, 2, 3]))
    with pytest.raises(TypeError, match="s "):
        io.from_dataframe(pd.DataFrame({"a": [1], "s": ["x"]}), tmp_path / "p.npk")
    with pytest.raises(TypeError, match="DataFrame"):
        io.from_dataframe([[1, 2]], tmp_path / "p.npk")
