"""betongo.open: samples, slices and columns of a file."""

from __future__ import annotations

import multiprocessing
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_file import TESTDATA, golden, vector

import betongo


@pytest.fixture
def mixed(tmp_path: Path) -> Any:
    return betongo.open(golden("cifar_like", tmp_path))


def test_sample(mixed: Any) -> None:
    s = mixed[0]
    assert list(s) == ["image", "label"] == mixed.names
    assert s["image"].shape == (32, 32, 3) and s["image"].dtype == np.uint8
    assert s["image"].flags.writeable and type(s["label"]) is int
    assert np.array_equal(mixed[-len(mixed)]["image"], s["image"])
    assert mixed[np.int64(2)]["label"] == mixed["label"][2]
    for i in (len(mixed), -len(mixed) - 1):
        with pytest.raises(IndexError, match=f"sample {i} of {len(mixed)}"):
            mixed[i]


def test_several(mixed: Any) -> None:
    part = mixed[1:4]
    assert part["image"].shape == (3, 32, 32, 3) and part["label"].tolist() == mixed["label"][1:4].tolist()
    assert mixed[::-2]["label"].tolist() == mixed["label"][::-2].tolist()
    for picked in ([3, -1], np.array([3, len(mixed) - 1]), np.array([3, len(mixed) - 1], np.uint16)):
        assert mixed[picked]["label"].tolist() == [mixed[3]["label"], mixed[-1]["label"]]
    mask = np.zeros(len(mixed), bool)
    mask[2] = True
    assert mixed[mask]["label"].tolist() == [mixed[2]["label"]]
    assert mixed[mask]["label"].flags.writeable
    assert mixed[[]]["label"].shape == (0,) and mixed[5:5]["label"].shape == (0,)
    for wrong in (1.5, [0.5], [[1]], None):
        with pytest.raises(TypeError, match="samples are picked by"):
            mixed[wrong]
    for beyond in ([len(mixed)], [0, -len(mixed) - 1], np.array([1 << 63], np.uint64), mask[:2]):
        with pytest.raises(IndexError):
            mixed[beyond]


def test_columns(mixed: Any, tmp_path: Path) -> None:
    labels = mixed["label"]
    assert labels.dtype == np.int64 and labels.shape == (len(mixed),) and not labels.flags.writeable
    images = mixed["image"]
    assert len(images) == len(mixed) and np.array_equal(images[-1], mixed[-1]["image"])
    assert np.array_equal(np.asarray(images), mixed[:]["image"])
    assert np.array_equal(images[[1, 0]], mixed[[1, 0]]["image"])
    assert [i.shape for i in images[:2]] == [(32, 32, 3)] * 2 and "RGBImage" in repr(images)
    with pytest.raises(KeyError, match="did you mean 'label'"):
        mixed["labels"]
    arrays = betongo.open(golden("ndarray", tmp_path))
    name = arrays.names[0]
    assert arrays[name].shape == (len(arrays), 32) and arrays[2:5][name].shape == (3, 32)
    assert np.array_equal(arrays[name][7], arrays[7][name])


def test_values_of_many_shapes(tmp_path: Path) -> None:
    ds = betongo.open(golden("rgb_tiny_odd", tmp_path))
    part = ds[:3]["image"]
    assert isinstance(part, list) and len({p.shape for p in part}) > 1
    assert np.asarray(ds["image"]).dtype == object
    docs = betongo.open(golden("json", tmp_path))
    assert docs[0]["doc"]["id"] == 0 and [d["id"] for d in docs["doc"][:3]] == [0, 1, 2]
    data = betongo.open(golden("bytes", tmp_path))
    assert [len(v) for v in data[:4]["data"]] == [17, 54, 165, 0]
    assert [s["index"] for s in data] == list(range(len(data)))


def test_names_and_classes(tmp_path: Path) -> None:
    _, made = vector(TESTDATA / "broken" / "block.vector", tmp_path)
    ds = betongo.open(made)
    assert [ds.find(ds.key(i)) for i in range(len(ds))] == [0, 1, 2]
    assert ds.key(-1) == ds.key(2)
    assert ds.classes and f"{len(ds.classes)} classes: {ds.classes[0]}" in repr(ds)


def test_repr(mixed: Any, tmp_path: Path) -> None:
    lines = repr(mixed).splitlines()
    assert lines[0] == f"<betongo.Dataset {mixed.path!r}: {len(mixed):,} samples>"
    assert lines[1].split() == ["image", "RGBImage", "uint8", "(32,", "32,", "3),", "raw"]
    assert lines[2].split() == ["label", "Int", "int64"]
    for path in sorted((TESTDATA / "broken").glob("*.vector")):
        _, made = vector(path, tmp_path)
        try:
            ds = betongo.open(made)
        except betongo.Error:
            continue
        assert repr(ds).startswith("<betongo.Dataset")


def test_no_samples(tmp_path: Path) -> None:
    _, made = vector(TESTDATA / "broken" / "zero_samples.vector", tmp_path)
    ds = betongo.open(made)
    assert len(ds) == 0 and list(ds) == [] and "0 samples" in repr(ds)
    assert all(len(ds[name]) == 0 for name in ds.names)
    assert ds[:].keys() == dict.fromkeys(ds.names).keys()


def test_life(mixed: Any) -> None:
    again = pickle.loads(pickle.dumps(mixed))
    labels = mixed["label"]
    want = labels.tolist()
    with mixed:
        pass
    assert labels.tolist() == want == again["label"].tolist()
    assert len(mixed) == 0


def total(ds: Any) -> int:
    return int(ds["label"].sum()) + int(ds[0]["image"].sum())


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_in_children(mixed: Any, method: str) -> None:
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.map(total, [mixed] * 3) == [total(mixed)] * 3


def test_in_a_torch_loader(tmp_path: Path) -> None:
    data = pytest.importorskip("torch.utils.data")
    ds = betongo.open(golden("cifar_like", tmp_path))
    got = [b["label"] for b in data.DataLoader(ds, batch_size=5, num_workers=2)]
    assert np.concatenate([b.numpy() for b in got]).tolist() == ds["label"].tolist()


def test_import_is_light() -> None:
    """betongo.open needs neither torch nor numba, and starts nothing."""
    import subprocess
    import sys

    path = TESTDATA / "ffcv"
    assert path.is_dir()
    code = "import betongo.dataset, sys; print([m for m in ('torch', 'numba', 'PIL') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert out.stdout == "[]\n"
