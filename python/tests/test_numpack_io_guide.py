"""What NumPack's guide to conversions and its reference of numpack.io show, with only the import changed.

Under 0.7's names and the ones before; what needs CUDA runs where it is; S3 is not part of the package yet.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from betongo.numpack import NumPack, get_package_info, pack, unpack

F4 = np.arange(1000 * 8, dtype=np.float32).reshape(1000, 8)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def made(path: str = "input.npk", **arrays: np.ndarray) -> None:
    """A pack with some arrays."""
    with NumPack(path, drop_if_exists=True) as npk:
        npk.save(arrays)


def loaded(path: str, name: str) -> np.ndarray:
    with NumPack(path) as npk:
        return np.array(npk.load(name))


def names(path: str) -> list[str]:
    with NumPack(path) as npk:
        return sorted(npk.get_member_list())


def same(a: Any, b: Any) -> None:
    a, b = np.asarray(a), np.asarray(b)
    assert (a.dtype, a.shape) == (b.dtype, b.shape)
    np.testing.assert_array_equal(a, b)


# -- our own documentation


@pytest.mark.parametrize(
    "title", ["Conversions: `betongo.numpack.io`", "One memory: `betongo.numpack.io.zero_copy`"]
)
def test_documentation(title: str) -> None:
    text = (Path(__file__).parents[2] / "docs" / "python-arrays.md").read_text()
    section = text.split(f"## {title}\n")[1].split("\n## ")[0]
    (block,) = [part.split("```")[0] for part in section.split("```python\n")[1:]]
    exec(compile(block, title, "exec"), {})


# -- PyTorch


def test_torch_memory_guide() -> None:
    torch = pytest.importorskip("torch")
    from betongo.numpack.io import from_tensor, from_torch, to_tensor, to_torch

    assert (from_torch, to_torch) == (from_tensor, to_tensor)
    tensor = torch.randn(1000, 128)
    from_torch(tensor, "output.npk", array_name="embeddings")
    made(embeddings=tensor.numpy())
    loaded = to_torch("input.npk", array_name="embeddings")
    assert torch.equal(loaded, tensor)
    assert torch.equal(to_torch("output.npk", array_name="embeddings"), tensor)
    assert torch.equal(to_torch("output.npk"), tensor)
    half = to_torch("output.npk", array_name="embeddings", device="cpu", dtype=torch.float16)
    assert torch.equal(half, tensor.half())
    from_tensor(tensor, "default.npk")
    assert names("default.npk") == ["data"]
    if torch.cuda.is_available():
        there = to_torch("input.npk", array_name="embeddings", device="cuda")
        assert there.is_cuda and torch.equal(there.cpu(), tensor)
        assert to_tensor("input.npk", device="cuda:0").is_cuda
        from_torch(there, "cuda.npk")
        assert torch.equal(to_torch("cuda.npk"), tensor)


def test_torch_files_guide() -> None:
    torch = pytest.importorskip("torch")
    from betongo.numpack.io import from_pt, from_pytorch, from_torch_file, to_pt, to_pytorch, to_torch_file

    assert from_pytorch is from_torch_file is from_pt and to_pytorch is to_torch_file is to_pt
    weights, bias = torch.randn(20, 4), torch.randn(20)
    torch.save({"weights": weights, "encoder.weight": bias}, "model.pt")
    from_torch_file("model.pt", "output.npk")
    assert names("output.npk") == ["encoder.weight", "weights"]
    from_torch_file("model.pt", "one.npk", key="weights")
    assert names("one.npk") == ["weights"]
    from_pt("model.pt", "one.npk", key="encoder.weight")
    assert names("one.npk") == ["encoder.weight", "weights"]
    made(layer1=F4, layer2=F4[0])
    to_torch_file("input.npk", "output.pt")
    to_torch_file("input.npk", "output.pt", array_names=["layer1", "layer2"])
    back = torch.load("output.pt", weights_only=True)
    assert list(back) == ["layer1", "layer2"]
    same(back["layer1"].numpy(), F4)
    to_pt("one.npk", "restored.pt", array_names=["weights", "encoder.weight"])
    assert torch.equal(torch.load("restored.pt")["weights"], weights)


def test_torch_pipeline_guide() -> None:
    torch = pytest.importorskip("torch")
    from betongo.numpack.io import from_safetensors_file, from_torch, to_safetensors_file, to_torch

    model = torch.nn.Linear(128, 64)
    state_dict = model.state_dict()
    with NumPack("model.npk", drop_if_exists=True):
        for name, tensor in state_dict.items():
            from_torch(tensor, "model.npk", array_name=name)
    loaded_state = {}
    with NumPack("model.npk") as npk:
        for name in npk.get_member_list():
            loaded_state[name] = to_torch("model.npk", array_name=name)
    assert sorted(loaded_state) == sorted(state_dict)
    assert all(torch.equal(loaded_state[n], state_dict[n]) for n in state_dict)
    to_safetensors_file("model.npk", "model.safetensors", metadata={"framework": "pytorch", "version": "1.0"})
    from_safetensors_file("model.safetensors", "restored.npk")
    same(loaded("restored.npk", "weight"), state_dict["weight"].numpy())
    for name, param in model.named_parameters():
        from_torch(param.data, "params.npk", array_name=name)
    assert names("params.npk") == ["bias", "weight"]


def test_torch_best_practices_guide() -> None:
    torch = pytest.importorskip("torch")
    from betongo.numpack.io import from_torch, to_torch

    weights, biases = torch.randn(5, 3), torch.randn(5)
    with NumPack("model.npk", drop_if_exists=True):
        from_torch(weights, "model.npk", array_name="weights")
        from_torch(biases, "model.npk", array_name="biases")
    assert torch.equal(to_torch("model.npk", array_name="weights"), weights)
    assert torch.equal(to_torch("model.npk", array_name="biases"), biases)


# -- Arrow, Feather, Parquet


def test_arrow_memory_guide() -> None:
    pa = pytest.importorskip("pyarrow")
    from betongo.numpack.io import from_arrow, from_table, to_arrow, to_table

    assert from_arrow is from_table and to_arrow is to_table
    table = pa.table({"a": [1, 2, 3], "b": [4.0, 5.0, 6.0]})
    from_arrow(table, "output.npk", array_name="my_table")
    same(loaded("output.npk", "my_table"), [[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]])
    table = to_arrow("output.npk", array_name="my_table")
    assert table.column_names == ["col0", "col1"]
    assert to_arrow("output.npk", column_names=["a", "b"]).column_names == ["a", "b"]

    table = pa.table({"col1": [1, 2, 3], "col2": [4, 5, 6]})
    from_table(table, "plain.npk")
    same(loaded("plain.npk", "data"), np.array([[1, 4], [2, 5], [3, 6]]))
    from_table(pa.array([1.0, 2.0, 3.0, 4.0]), "plain.npk", array_name="values")
    arrow_table = to_table("plain.npk", array_name="values")
    assert arrow_table.column_names == ["data"]
    assert arrow_table["data"].to_pylist() == [1.0, 2.0, 3.0, 4.0]

    # The reference loads a column by its name. NumPack stores the columns as one array, "data", and so do we.
    mixed = {"features": np.random.rand(1000).astype(np.float32), "labels": np.random.randint(0, 10, 1000)}
    from_table(pa.table({k: pa.array(v) for k, v in mixed.items()}), "data.npk")
    features = to_table("data.npk", column_names=list(mixed))["features"]
    np.testing.assert_array_equal(features.to_numpy(), mixed["features"].astype(np.float64))


def test_feather_files_guide() -> None:
    pa = pytest.importorskip("pyarrow")
    feather = pytest.importorskip("pyarrow.feather")
    from betongo.numpack.io import from_feather, from_feather_file, to_feather, to_feather_file

    assert from_feather is from_feather_file and to_feather is to_feather_file
    feather.write_feather(pa.table({"col1": [1, 2], "col2": [3, 4], "col3": [5, 6]}), "data.feather")
    from_feather_file("data.feather", "output.npk")
    same(loaded("output.npk", "data"), np.array([[1, 3, 5], [2, 4, 6]]))
    from_feather("data.feather", "output.npk", columns=["col1", "col2"])
    same(loaded("output.npk", "data"), np.array([[1, 3], [2, 4]]))
    made(data=F4)
    to_feather_file("input.npk", "output.feather", compression="zstd")
    assert feather.read_table("output.feather")["col7"].to_pylist() == F4[:, 7].tolist()
    to_feather("input.npk", "exported.feather")
    from_feather("exported.feather", "again.npk")
    same(loaded("again.npk", "exported"), F4)


def test_parquet_guide() -> None:
    pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    import pyarrow as pa

    from betongo.numpack.io import (
        from_parquet,
        from_parquet_file,
        from_parquet_table,
        to_parquet,
        to_parquet_file,
        to_parquet_table,
    )

    assert from_parquet is from_parquet_file and to_parquet is to_parquet_file
    pq.write_table(pa.table({"col1": [1, 2, 3], "col2": [4.0, 5.0, 6.0]}), "data.parquet")
    table = pq.read_table("data.parquet")
    from_parquet_table(table, "output.npk", array_name="data")
    table = to_parquet_table("output.npk", array_name="data")
    pq.write_table(table, "output.parquet")
    assert pq.read_table("output.parquet")["col1"].to_pylist() == [4.0, 5.0, 6.0]
    assert [f.name for f in to_parquet_table("output.npk").schema] == ["col0", "col1"]

    from_parquet_file("data.parquet", "file.npk")
    same(loaded("file.npk", "data"), [[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]])
    from_parquet_file("data.parquet", "file.npk", columns=["col1", "col2"])
    made(data=F4)
    to_parquet_file("input.npk", "output.parquet", compression="snappy")
    to_parquet_file("input.npk", "output.parquet", compression="zstd")
    from_parquet("output.parquet", "again.npk")
    same(loaded("again.npk", "output"), F4)
    for codec in ("gzip", "brotli", "lz4", "none"):
        to_parquet("input.npk", "output.parquet", compression=codec, row_group_size=300)
        assert pq.ParquetFile("output.parquet").num_row_groups == 4

    with NumPack("again.npk") as npk:
        data = npk.load("output")
        npk.save({"output": data / data.max()})
    to_parquet_file("again.npk", "normal.parquet")
    assert pq.read_table("normal.parquet")["col7"].to_pylist()[-1] == 1.0


# -- SafeTensors


def test_safetensors_guide(capsys: pytest.CaptureFixture[str]) -> None:
    from betongo.numpack.io import (
        from_safetensors,
        from_safetensors_file,
        from_tensor_dict,
        get_safetensors_metadata,
        iter_safetensors,
        to_safetensors,
        to_safetensors_file,
        to_tensor_dict,
    )

    assert from_safetensors is from_tensor_dict and to_safetensors is to_tensor_dict
    tensors = {
        "weight": np.random.rand(768, 768).astype(np.float32),
        "bias": np.random.rand(768).astype(np.float32),
    }
    from_tensor_dict(tensors, "model.npk")
    arrays = to_safetensors("model.npk")
    assert sorted(arrays) == ["bias", "weight"]
    same(arrays["weight"], tensors["weight"])

    made(embeddings=F4, **{"layer1.weight": F4[:3]})
    to_safetensors_file("input.npk", "output.safetensors")
    to_safetensors_file("input.npk", "model.safetensors", metadata={"format": "numpack"})
    from_safetensors_file("model.safetensors", "output.npk")
    assert names("output.npk") == ["embeddings", "layer1.weight"]
    from_safetensors_file("model.safetensors", "one.npk", keys=["embeddings"])
    assert names("one.npk") == ["embeddings"]

    info = get_safetensors_metadata("model.safetensors")
    assert sorted(info["tensors"].keys()) == ["embeddings", "layer1.weight"]
    assert info["tensors"]["embeddings"] == {"dtype": "float32", "shape": [1000, 8], "stored": "F32"}
    assert info["metadata"] == {"format": "numpack"}
    for name, tensor in iter_safetensors("model.safetensors"):
        print(f"{name}: {tensor.shape}")
    assert "embeddings: (1000, 8)" in capsys.readouterr().out

    with NumPack("output.npk") as npk:
        npk.save({"embeddings": npk.load("embeddings").astype(np.int8)})
    to_safetensors_file("output.npk", "quantized.safetensors", metadata={"quantization": "int8"})
    assert get_safetensors_metadata("quantized.safetensors")["tensors"]["embeddings"]["stored"] == "I8"


def test_safetensors_library_guide() -> None:
    numpy_api = pytest.importorskip("safetensors.numpy")
    from betongo.numpack.io import from_safetensors, to_safetensors

    numpy_api.save_file({"a": F4, "b": F4[:2]}, "model.safetensors")
    tensors = numpy_api.load_file("model.safetensors")
    from_safetensors(tensors, "output.npk")
    arrays = to_safetensors("output.npk")
    numpy_api.save_file(arrays, "output.safetensors")
    assert Path("output.safetensors").read_bytes() == Path("model.safetensors").read_bytes()


# -- NumPy, HDF5, Zarr, text, pandas


def test_numpy_guide() -> None:
    from betongo.numpack.io import from_npy, from_numpy, to_npy, to_numpy

    assert from_numpy is from_npy and to_numpy is to_npy
    np.save("data.npy", F4)
    from_numpy("data.npy", "output.npk")
    to_numpy("output.npk", "output.npy", array_name="data")
    assert Path("output.npy").read_bytes() == Path("data.npy").read_bytes()
    from_npy("data.npy", "output.npk", array_name="features")
    to_npy("output.npk", "features.npy", array_names=["features"])
    same(np.load("features.npy"), F4)
    np.savez("data.npz", x=F4, y=F4[0])
    from_npy("data.npz", "many.npk")
    assert names("many.npk") == ["x", "y"]
    to_npy("many.npk", "output.npz")
    with np.load("output.npz") as z:
        same(z["x"], F4)
    Path("npy_files").mkdir()
    np.save("npy_files/a.npy", F4)
    for npy_file in Path("npy_files").glob("*.npy"):
        from_npy(npy_file, f"npk_files/{npy_file.stem}.npk")
    same(loaded("npk_files/a.npk", "a"), F4)


def test_hdf5_guide() -> None:
    h5py = pytest.importorskip("h5py")
    from betongo.numpack.io import from_hdf5, to_hdf5

    with h5py.File("data.h5", "w") as f:
        f["features"] = F4
        f["train/features"], f["train/labels"] = F4, F4[:, 0].astype(np.int64)
        f["test/features"] = F4[:5]
    from_hdf5("data.h5", "one.npk", dataset="features")
    assert names("one.npk") == ["features"]
    from_hdf5("data.h5", "output.npk")
    # NumPack's reference calls them with slashes, with which NumPack can't store them.
    assert names("output.npk") == ["features", "test.features", "train.features", "train.labels"]
    from_hdf5("data.h5", "some.npk", dataset_names=["train/features", "train/labels"])
    assert names("some.npk") == ["train.features", "train.labels"]
    to_hdf5("output.npk", "output.h5")
    to_hdf5("output.npk", "output.h5", compression="lzf")
    to_hdf5("output.npk", "output.h5", array_names=["features"])
    with h5py.File("output.h5") as f:
        assert list(f) == ["features"]
        same(f["features"][...], F4)


def test_zarr_guide() -> None:
    zarr = pytest.importorskip("zarr")
    from betongo.numpack.io import from_zarr, to_zarr

    root = zarr.open_group("data.zarr", mode="w")
    for name in ("features", "labels"):
        make = root.create_array if hasattr(root, "create_array") else root.create_dataset
        make(name, shape=F4.shape, dtype=F4.dtype, chunks=(100, 8))[...] = F4
    from_zarr("data.zarr", "output.npk")
    from_zarr("data.zarr", "output.npk", array_names=["features", "labels"])
    same(loaded("output.npk", "labels"), F4)
    to_zarr("output.npk", "output.zarr")
    same(zarr.open_group("output.zarr", mode="r")["features"][...], F4)
    to_zarr("output.npk", "output.zarr", chunks=(1000, 128))
    blosc = getattr(zarr, "Blosc", None) or pytest.importorskip("numcodecs").Blosc
    to_zarr("output.npk", "output.zarr", compressor=blosc(cname="zstd", clevel=3))
    to_zarr("output.npk", "output.zarr", chunks=(300, 4), compressor=blosc(cname="lz4", clevel=5))
    a = zarr.open_group("output.zarr", mode="r")["features"]
    assert a.chunks == (300, 4)
    same(a[...], F4)


def test_text_guide() -> None:
    from betongo.numpack.io import from_csv, from_txt, to_csv, to_txt

    Path("data.csv").write_text("a,b,c\n1,2.5,3\n4,5,6\n")
    want = np.array([[1, 2.5, 3], [4, 5, 6]], np.float32)
    from_csv("data.csv", "output.npk", array_name="features", delimiter=",", skip_header=1, dtype=np.float32)
    same(loaded("output.npk", "features"), want)
    made(data=F4)
    to_csv("input.npk", "output.csv", array_name="data")
    from_csv("output.csv", "output.npk", array_name="back", dtype=np.float32)
    same(loaded("output.npk", "back"), F4)
    to_csv("input.npk", "tab.csv", array_name="data", delimiter="\t", header="col1,col2,col3", fmt="%.4f")
    assert Path("tab.csv").read_text().splitlines()[:2] == [
        "# col1,col2,col3",
        "\t".join(f"{v:.4f}" for v in F4[0]),
    ]
    Path("data.txt").write_text("1 2\n3   4\n")
    from_txt("data.txt", "text.npk", array_name="data", delimiter=None)
    same(loaded("text.npk", "data"), np.array([[1, 2], [3, 4]]))
    Path("data.txt").write_text("1\t2\n3\t4\n")
    from_txt("data.txt", "text.npk", delimiter="\t")
    same(loaded("text.npk", "data"), np.array([[1, 2], [3, 4]]))
    to_txt("text.npk", "output.txt", array_name="data", delimiter="\t")
    to_txt("text.npk", "output.txt", delimiter=" ")
    assert Path("output.txt").read_text() == "1 2\n3 4\n"
    from_csv("data.csv", "raw_data.npk", skip_header=1, dtype=np.float32)
    with NumPack("raw_data.npk") as npk:
        data = npk.load("data")
        npk.save({"normalized": (data - data.mean()) / data.std()})


def test_pandas_guide() -> None:
    pd = pytest.importorskip("pandas")
    from betongo.numpack.io import from_dataframe, from_pandas, to_dataframe, to_pandas

    assert from_pandas is from_dataframe and to_pandas is to_dataframe
    df = pd.DataFrame({"a": [1, 2, 3], "b": [4.0, 5.0, 6.0]})
    from_dataframe(df, "output.npk", array_name="dataframe")
    back = to_dataframe("output.npk", array_name="dataframe")
    assert list(back.columns) == ["col0", "col1"]
    same(back.values, df.values)
    df = pd.DataFrame({"feature1": [1.0, 2.0, 3.0], "feature2": [4.0, 5.0, 6.0], "label": [0, 1, 0]})
    from_dataframe(df, "data.npk", array_name="dataset")
    assert len(to_dataframe("data.npk", array_name="dataset").head()) == 3
    named = to_dataframe("data.npk", columns=["feature1", "feature2", "label"])
    assert list(named.columns) == ["feature1", "feature2", "label"]
    from_dataframe(df, "batch.npk")
    with NumPack("batch.npk") as npk:
        with npk.batch_mode():
            data = npk.load("data")
            npk.save({"data": data * 2})
    result = to_dataframe("batch.npk", columns=df.columns.tolist())
    same(result["feature1"].to_numpy(), df["feature1"].to_numpy() * 2)


# -- one memory


def test_dlpack_guide() -> None:
    from betongo.numpack.io import from_dlpack, to_dlpack

    arr = np.random.rand(100, 50)
    restored = from_dlpack(to_dlpack(arr))
    same(restored, arr)
    assert restored.__array_interface__["data"][0] == arr.__array_interface__["data"][0]
    torch = pytest.importorskip("torch")
    arr = np.random.rand(100, 50).astype(np.float32)
    tensor = torch.from_dlpack(to_dlpack(arr))
    assert tensor.data_ptr() == arr.__array_interface__["data"][0]
    tensor = torch.randn(100, 50)
    capsule = torch.utils.dlpack.to_dlpack(tensor)
    assert from_dlpack(capsule).__array_interface__["data"][0] == tensor.data_ptr()


def test_arrow_zero_copy_guide() -> None:
    pa = pytest.importorskip("pyarrow")
    from betongo.numpack.io import (
        arrow_to_numpy_zero_copy,
        numpy_to_arrow_zero_copy,
        table_to_numpy_zero_copy,
    )

    arr = np.random.rand(100, 50).astype(np.float32)
    numpy_arr = arrow_to_numpy_zero_copy(numpy_to_arrow_zero_copy(arr))
    same(numpy_arr, arr)
    assert numpy_arr.__array_interface__["data"][0] == arr.__array_interface__["data"][0]
    arrow_arr = numpy_to_arrow_zero_copy(np.random.rand(10000).astype(np.float32))
    assert len(arrow_arr) == 10000
    same(arrow_to_numpy_zero_copy(pa.array([1.0, 2.0, 3.0, 4.0])), [1.0, 2.0, 3.0, 4.0])
    same(table_to_numpy_zero_copy(pa.table({"values": [1.0, 2.0, 3.0]}), "values"), [1.0, 2.0, 3.0])


def test_torch_zero_copy_guide() -> None:
    torch = pytest.importorskip("torch")
    from betongo.numpack.io import numpy_to_torch_zero_copy, torch_to_numpy_zero_copy

    arr = np.random.rand(1000, 128).astype(np.float32)
    tensor = numpy_to_torch_zero_copy(arr)
    arr[0, 0] = 999
    assert tensor[0, 0] == 999.0
    assert torch_to_numpy_zero_copy(tensor).__array_interface__["data"][0] == tensor.data_ptr()
    made("features.npk", features=arr)
    with NumPack("features.npk") as npk:
        tensor = numpy_to_torch_zero_copy(npk.load("features"))
        with torch.no_grad():
            assert torch.nn.Linear(128, 2)(tensor).shape == (1000, 2)
    with pytest.warns(UserWarning, match="not contiguous"):
        numpy_to_torch_zero_copy(np.random.rand(100, 100)[:, ::2])


def test_zero_copy_array_guide() -> None:
    torch = pytest.importorskip("torch")
    from betongo.numpack.io import ZeroCopyArray, wrap_for_zero_copy

    arr = np.random.rand(1000, 128).astype(np.float32)
    zc = ZeroCopyArray(arr)
    assert zc.to_numpy() is arr
    here = arr.__array_interface__["data"][0]
    assert zc.to_torch().data_ptr() == here
    assert torch.from_dlpack(zc).data_ptr() == here
    assert wrap_for_zero_copy(arr).to_torch().data_ptr() == here


def test_zero_copy_array_arrow_guide() -> None:
    pa = pytest.importorskip("pyarrow")
    from betongo.numpack.io import ZeroCopyArray, wrap_for_zero_copy

    arr = np.random.rand(1000, 128).astype(np.float32)
    zc = ZeroCopyArray(arr)
    assert zc.to_arrow().buffers()[1].address == arr.__array_interface__["data"][0]
    assert pa.table({"features": zc.to_arrow()}).num_rows == arr.size
    assert wrap_for_zero_copy(arr).to_numpy() is arr


# -- packages


def test_package_guide(capsys: pytest.CaptureFixture[str]) -> None:
    from datetime import datetime

    made("model.npk", weights=F4, biases=F4[0], config=np.arange(3))
    assert pack("model.npk", "model_v1.0.npkg") == Path("model_v1.0.npkg")
    pack("model.npk", "model.npkg", compression=False)
    pack("model.npk", "huge.npkg", chunk_size=16 * 1024 * 1024)
    unpack("model_v1.0.npkg", "restored.npk")
    with NumPack("restored.npk") as npk:
        same(npk.load("weights"), F4)
    info = get_package_info("model.npkg")
    print(f"Files: {info['file_count']}")
    print(f"Compression: {info['compression']}")
    print(f"Ratio: {info['compression_ratio']:.2f}x")
    for f in info["files"]:
        print(f"  {f['path']}: {f['original_size']} bytes")
    assert capsys.readouterr().out.startswith(
        "Files: 4\nCompression: 0\nRatio: 1.00x\n  data_biases.npkd: 32 bytes\n"
    )
    if info["total_original_size"] < 1e9:
        unpack("model.npkg", "extracted.npk")
    timestamp = datetime(2026, 1, 2).strftime("%Y%m%d_%H%M%S")
    pack("model.npk", f"backups/production_{timestamp}.npkg")
    assert Path("backups/production_20260102_000000.npkg").exists()
