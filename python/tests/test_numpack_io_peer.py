"""Conversions beside NumPack's own, in one run: FORMATS_PYTHON names a Python that has numpack 0.7 and the libraries.

What NumPack does wrong on purpose differs here: one column is one dimension, integers keep their digits as text,
segments are in packages.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import betongo

PYTHON = os.environ.get("FORMATS_PYTHON", "")
GOLDEN = Path(__file__).parents[2] / "testdata" / "formats"

SETUP = """
import inspect, os, sys, warnings
import numpy as np
import numpack, numpack.io as theirs
import betongo.numpack as ours_pack, betongo.numpack.io as ours

GOLDEN = sys.argv[1]
DTYPES = "? u1 u2 u4 u8 i1 i2 i4 i8 f2 f4 f8 c8 c16".split()
rng = np.random.default_rng(0)

def by_theirs(path):
    with numpack.NumPack(path) as npk:
        return {n: np.array(npk.load(n)) for n in npk.get_member_list()}

def by_ours(path):
    with ours_pack.NumPack(path) as npk:
        return {n: np.array(npk.load(n)) for n in npk.get_member_list()}

def same(a, b):
    assert a.dtype == b.dtype and a.shape == b.shape, (a.dtype, a.shape, b.dtype, b.shape)
    np.testing.assert_array_equal(a, b)

def packs(a, b):
    # Each reader reads both.
    for x, y in ((by_theirs(a), by_theirs(b)), (by_ours(a), by_theirs(b))):
        assert sorted(x) == sorted(y), (sorted(x), sorted(y))
        for n in x:
            same(x[n], y[n])

def both(name, *args, **kwargs):
    # from_NAME by both into packs that must be equal.
    getattr(ours, name)(*args, "o.npk", drop_if_exists=True, **kwargs)
    getattr(theirs, name)(*args, "t.npk", drop_if_exists=True, **kwargs)
    packs("o.npk", "t.npk")

def made(path, **arrays):
    with numpack.NumPack(path, drop_if_exists=True) as npk:
        npk.save(arrays)

def read(path):
    with open(path, "rb") as f:
        return f.read()

FLOATS = rng.standard_normal((50, 4))
"""

CASES = {
    "names": """
missing = set(theirs.__all__) - set(ours.__all__)
assert not missing, missing
for name in theirs.__all__:
    f = getattr(theirs, name)
    if not inspect.isfunction(f) or name.endswith("_s3"):
        continue
    want = inspect.signature(f).parameters
    have = inspect.signature(getattr(ours, name)).parameters
    for (n, p), (m, q) in zip(want.items(), have.items()):
        if p.kind is p.VAR_KEYWORD:
            break
        assert n == m, (name, n, m)
        if n != "fmt":  # text: None is %d for integers here
            assert p.default == q.default, (name, n, p.default, q.default)
for name in ("DEFAULT_CHUNK_SIZE", "DEFAULT_BATCH_ROWS", "LARGE_FILE_THRESHOLD"):
    assert getattr(ours, name) == getattr(theirs, name)
for shape in ((), (5,), (1000, 3), (7, 0), (10**9, 2)):
    for size in (1, 1000, 100 << 20):
        args = shape, np.dtype("f8"), size
        assert ours.estimate_chunk_rows(*args) == theirs.estimate_chunk_rows(*args), args
""",
    "npy": """
for t in DTYPES:
    a = (np.arange(12) % 2 if t == "?" else np.arange(12)).astype(t).reshape(4, 3)
    np.save("x.npy", a)
    both("from_npy", "x.npy")
    both("from_npy", "x.npy", array_name="name")
    ours.to_npy("t.npk", "o.npy"); theirs.to_npy("t.npk", "t.npy")
    assert read("o.npy") == read("t.npy") == read("x.npy")
np.savez("x.npz", a=FLOATS, b=np.arange(3))
both("from_npy", "x.npz")
for compressed in (True, False):
    ours.to_npy("t.npk", "o.npz", compressed=compressed)
    with np.load("o.npz") as z:
        same(z["a"], FLOATS); same(z["b"], np.arange(3))
""",
    "text": """
np.savetxt("x.csv", FLOATS, delimiter=",")
both("from_csv", "x.csv")
both("from_csv", "x.csv", dtype=np.float32)
both("from_csv", "x.csv", skiprows=3, max_rows=5)
np.savetxt("i.csv", np.arange(12).reshape(4, 3), delimiter=";", fmt="%d")
both("from_csv", "i.csv", delimiter=";")
np.savetxt("x.txt", FLOATS)
both("from_txt", "x.txt")
open("n.csv", "w").write("1,2\\n,4\\nNA,6\\n")
both("from_csv", "n.csv")
open("h.csv", "w").write("a,b\\n1,2\\n3,4\\n")
both("from_csv", "h.csv", header=0)
both("from_csv", "h.csv", header=0, usecols=["b", "a"])
made("p.npk", x=FLOATS)
for kwargs in ({}, {"header": True}, {"fmt": "%.3f", "delimiter": ";"}):
    ours.to_csv("p.npk", "o.csv", **kwargs); theirs.to_csv("p.npk", "t.csv", **kwargs)
    assert read("o.csv") == read("t.csv"), kwargs
ours.to_txt("p.npk", "o.txt"); theirs.to_txt("p.npk", "t.txt")
assert read("o.txt") == read("t.txt")
""",
    "safetensors": """
from safetensors.numpy import load_file
arrays = {f"a.{t}": (np.arange(12) % 2 if t == "?" else np.arange(12)).astype(t).reshape(4, 3) for t in DTYPES[:-1]}
made("p.npk", **arrays)
for metadata in (None, {"who": "me"}):
    ours.to_safetensors_file("p.npk", "o.safetensors", metadata=metadata)
    theirs.to_safetensors_file("p.npk", "t.safetensors", metadata=metadata)
    assert read("o.safetensors") == read("t.safetensors")
both("from_safetensors_file", "o.safetensors")
both("from_safetensors_file", "o.safetensors", keys=["a.f4"])
both("from_tensor_dict", load_file("o.safetensors"))
x, y = ours.to_tensor_dict("p.npk"), theirs.to_tensor_dict("p.npk")
assert sorted(x) == sorted(y)
for n in x: same(x[n], y[n])
m, n = ours.get_safetensors_metadata("o.safetensors"), theirs.get_safetensors_metadata("o.safetensors")
assert m["metadata"] == n["metadata"]
for k, told in n["tensors"].items():
    assert m["tensors"][k]["dtype"] == told["dtype"] and tuple(m["tensors"][k]["shape"]) == tuple(told["shape"])
for (k, a), b in zip(sorted(ours.iter_safetensors("o.safetensors")), sorted(theirs.iter_safetensors("o.safetensors"))):
    assert k == b[0]; same(a, b[1])
""",
    "tables": """
import pyarrow as pa, pyarrow.parquet as pq, pyarrow.feather as feather
table = pa.table({"a": [1, 2, 3], "b": [1.5, 2.5, None], "c": pa.array([1, 2, 3], pa.int8())})
both("from_table", table); both("from_parquet_table", table, columns=["a", "c"])
pq.write_table(table, "x.parquet"); feather.write_feather(table, "x.feather")
for f in ("parquet", "feather"):
    both(f"from_{f}", f"x.{f}"); both(f"from_{f}", f"x.{f}", columns=["c", "a"]); both(f"from_{f}_file", f"x.{f}", array_name="n")
for a in (FLOATS, FLOATS[:, 0], np.arange(5), np.arange(6, dtype="f4").reshape(2, 3)):
    made("p.npk", x=a)
    assert ours.to_table("p.npk").equals(theirs.to_table("p.npk"))
    assert ours.to_parquet_table("p.npk").equals(theirs.to_parquet_table("p.npk"))
    ours.to_parquet("p.npk", "o.parquet"); theirs.to_parquet("p.npk", "t.parquet")
    assert pq.read_table("o.parquet").equals(pq.read_table("t.parquet"))
    ours.to_feather("p.npk", "o.feather"); theirs.to_feather("p.npk", "t.feather")
    assert feather.read_table("o.feather").equals(feather.read_table("t.feather"))
# What theirs does otherwise: one column has two dimensions, three are flattened.
ours.from_table(pa.table({"a": [1, 2]}), "o.npk"); theirs.from_table(pa.table({"a": [1, 2]}), "t.npk", drop_if_exists=True)
assert by_theirs("o.npk")["data"].shape == (2,) and by_theirs("t.npk")["data"].shape == (2, 1)
""",
    "pandas": """
import pandas as pd
for df in (pd.DataFrame({"a": [1, 2], "b": [1.5, 2.5]}), pd.DataFrame(FLOATS), pd.DataFrame({"a": [True, False]})):
    both("from_dataframe", df); both("from_dataframe", df, array_name="n")
    pd.testing.assert_frame_equal(ours.to_dataframe("t.npk"), theirs.to_dataframe("t.npk"))
pd.testing.assert_frame_equal(ours.to_dataframe("t.npk", columns=["x"]), theirs.to_dataframe("t.npk", columns=["x"]))
""",
    "hdf5": """
import h5py
with h5py.File("x.h5", "w") as f:
    f["a"], f["b"], f["g/c"] = FLOATS, np.arange(3), np.arange(4)
ours.from_hdf5("x.h5", "o.npk", ["a", "b"], drop_if_exists=True); theirs.from_hdf5("x.h5", "t.npk", ["a", "b"], drop_if_exists=True)
packs("o.npk", "t.npk")
ours.from_hdf5("x.h5", "o.npk", group="/g", drop_if_exists=True); theirs.from_hdf5("x.h5", "t.npk", group="/g", drop_if_exists=True)
packs("o.npk", "t.npk")
made("p.npk", x=FLOATS, y=np.arange(5))
ours.to_hdf5("p.npk", "o.h5"); theirs.to_hdf5("p.npk", "t.h5")
with h5py.File("o.h5") as a, h5py.File("t.h5") as b:
    assert sorted(a) == sorted(b)
    for n in a: same(a[n][...], b[n][...]); assert a[n].compression == b[n].compression
""",
    "zarr": """
import zarr
made("p.npk", x=FLOATS, y=np.arange(5))
ours.to_zarr("p.npk", "o.zarr"); theirs.to_zarr("p.npk", "t.zarr")
a, b = zarr.open_group("o.zarr", mode="r"), zarr.open_group("t.zarr", mode="r")
for n in ("x", "y"): same(a[n][...], b[n][...])
for store in ("o.zarr", "t.zarr"):
    ours.from_zarr(store, "o.npk", drop_if_exists=True); theirs.from_zarr(store, "t.npk", drop_if_exists=True)
    packs("o.npk", "t.npk")
""",
    "packages": """
made("p.npk", x=np.zeros((1000, 5)), y=FLOATS)
with numpack.NumPack("p.npk") as npk:
    npk.drop("y", [1, 3])
for compression in (True, False):
    ours.pack("p.npk", "o.npkg", compression, True); numpack.pack("p.npk", "t.npkg", compression, True)
    numpack.unpack("o.npkg", "a.npk", True); ours.unpack("t.npkg", "b.npk", True)
    packs("b.npk", "a.npk"); packs("p.npk", "a.npk")
    m, n = ours.get_package_info("t.npkg"), numpack.get_package_info("t.npkg")
    assert {k: m[k] for k in n if k not in ("files", "compression_name")} == {k: n[k] for k in n if k not in ("files", "compression_name")}
    assert [{k: f[k] for k in n["files"][0]} for f in m["files"]] == n["files"]
# An array in segments, which theirs loses.
ours.pack(os.path.join(GOLDEN, "segmented.npk"), "s.npkg"); numpack.unpack("s.npkg", "s.npk")
same(by_theirs("s.npk")["x"], by_ours(os.path.join(GOLDEN, "segmented.npk"))["x"])
""",
    "errors": """
made("p.npk", x=FLOATS, y=np.arange(5))
calls = [
    ("to_npy", "p.npk", "x.npy"), ("to_npy", "p.npk", "x.bin"), ("to_csv", "p.npk", "x.csv"), ("to_parquet", "p.npk", "x.parquet"),
    ("to_table", "p.npk"), ("to_dataframe", "p.npk"), ("to_csv", "p.npk", "x.csv", "none"), ("from_npy", "none.npy", "q.npk"),
    ("from_npy", "x.bin", "q.npk"), ("from_csv", "none.csv", "q.npk"), ("from_safetensors_file", "none", "q.npk"),
    ("from_tensor_dict", {"x": "words"}, "q.npk"), ("pack", "none.npk"), ("unpack", "none.npkg"), ("pack", "p.npk", "x.npkg"),
]
open("x.npkg", "w").close(); open("x.bin", "w").close()
for name, *args in calls:
    raised = []
    for lib in (ours, theirs):
        try:
            getattr(lib, name)(*args)
        except Exception as e:
            raised.append(e)
    assert len(raised) == 2 and isinstance(raised[0], type(raised[1])), (name, args, raised)
""",
    "zero copy": """
import pyarrow as pa
a = rng.standard_normal(100)
address = lambda x: x.__array_interface__["data"][0]
for lib in (ours, theirs):
    assert address(lib.from_dlpack(lib.to_dlpack(a))) == address(a)
    b = lib.numpy_to_arrow_zero_copy(a)
    assert b.buffers()[1].address == address(a) == address(lib.arrow_to_numpy_zero_copy(b))
    z = lib.wrap_for_zero_copy(a.reshape(10, 10))
    assert z.to_arrow().buffers()[1].address == address(a) and z.shape == (10, 10)
    assert sorted(lib.table_to_numpy_zero_copy(pa.table({"x": b}))) == ["x"]
names = {n for n in dir(theirs.ZeroCopyArray) if not n.startswith("_")} | {n for n in dir(theirs.DLPackBuffer) if not n.startswith("_")}
assert all(hasattr(ours.ZeroCopyArray, n) or hasattr(ours.DLPackBuffer, n) for n in names)
""",
}


@pytest.mark.parametrize("case", list(CASES))
def test_beside_numpack(tmp_path: Path, case: str) -> None:
    if not PYTHON:
        pytest.skip(
            "FORMATS_PYTHON is not set: it names a Python that has numpack 0.7 and the formats' libraries"
        )
    path = os.pathsep.join([str(Path(betongo.__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [PYTHON, "-W", "ignore", "-c", SETUP + CASES[case], str(GOLDEN)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-4000:]


def test_python() -> None:
    """The interpreter has what it is there for."""
    if not PYTHON:
        pytest.skip("FORMATS_PYTHON is not set")
    code = "import importlib.metadata as m; print(m.version('numpack'))"
    done = subprocess.run([PYTHON, "-c", code], capture_output=True, text=True)
    assert done.stdout.startswith("0.7"), done.stderr
    assert sys.version_info >= (3, 10)
