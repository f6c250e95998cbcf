"""What FFCV's tests ask of a writer, and that a file does not depend on who hands over its samples."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from betongo import fields
from betongo._file import File
from betongo.reader import Reader
from betongo.writer import DatasetWriter, WriteError

pytestmark = pytest.mark.usefixtures("engine")

WAYS = [m for m in ("fork", "spawn") if m in multiprocessing.get_all_start_methods()]


class Numbers:
    """(i, sin(i))"""

    def __init__(self, n: int) -> None:
        self.n = n

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, i: int) -> tuple[int, float]:
        if i >= self.n:
            raise IndexError(i)
        return i, float(np.sin(i))


NUMBERS = {"index": fields.IntField(), "value": fields.FloatField()}


class Blobs:
    """(i, size bytes that only i gives)"""

    def __init__(self, n: int, size: int) -> None:
        self.n, self.size = n, size

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, i: int) -> tuple[int, np.ndarray]:
        return i, np.random.default_rng(i).integers(0, 256, self.size, dtype=np.uint8)


BLOBS = {"index": fields.IntField(), "data": fields.BytesField()}


class Everything:
    """A value of every kind, of sizes from nothing to more than a segment of the feeding takes."""

    def __init__(self, n: int = 60) -> None:
        self.n = n

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, i: int) -> tuple[Any, ...]:
        rng = np.random.default_rng(i)
        size = [0, 1, 1000, 20_000, 300_000, 3_000_000][i % 6]
        h, w = rng.integers(30, 300, 2)
        return (
            i,
            i / 7,
            rng.integers(0, 256, size, dtype=np.uint8),
            {"i": int(i), "text": 'é\0"', "list": [1.5, None, float("nan")]},
            rng.standard_normal((3, 5)).astype("f4"),
            rng.integers(0, 256, (h, w, 3), dtype=np.uint8),
            rng.integers(0, 256, (h, w, 3), dtype=np.uint8),
            rng.integers(0, 9, (h, w), dtype=np.uint16),
        )


EVERYTHING = {
    "i": fields.IntField(),
    "x": fields.FloatField(),
    "bytes": fields.BytesField(),
    "json": fields.JSONField(),
    "array": fields.NDArrayField(np.dtype("f4"), (3, 5)),
    "sixteen_letters_": fields.RGBImageField("raw"),
    "photo": fields.RGBImageField("proportion", max_resolution=120, compress_probability=0.4),
    "mask": fields.ImageField(1, np.uint16),
}


def sha(path: str | os.PathLike[str]) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def rows(path: str, n: int) -> None:
    reader = Reader(path)
    assert isinstance(reader.handlers["index"], fields.IntField)
    assert isinstance(reader.handlers["value"], fields.FloatField)
    assert len(reader.alloc_table) == 0
    assert reader.num_samples == n and len(reader.metadata) == n
    assert (np.sin(reader.metadata["f0"]) == reader.metadata["f1"]).all()


@pytest.mark.parametrize("workers", [0, 1, 2, 30, -1])
@pytest.mark.parametrize("chunk", [1, 100, 10_000])
def test_numbers(tmp_path: Path, workers: int, chunk: int) -> None:
    path = str(tmp_path / "a.beton")
    DatasetWriter(path, NUMBERS, num_workers=workers).from_indexed_dataset(Numbers(600), chunksize=chunk)
    rows(path, 600)
    assert (Reader(path).metadata["f0"] == np.arange(600)).all()


def test_many(tmp_path: Path) -> None:
    path = str(tmp_path / "a.beton")
    DatasetWriter(path, NUMBERS, num_workers=4).from_indexed_dataset(Numbers(600_000), chunksize=10_000)
    rows(path, 600_000)


def test_shuffled(tmp_path: Path) -> None:
    path = str(tmp_path / "a.beton")
    indices = np.arange(100, 700)
    kept = indices.copy()
    np.random.seed(5)
    DatasetWriter(path, NUMBERS).from_indexed_dataset(Numbers(1000), indices, shuffle_indices=True)
    rows(path, 600)
    got = Reader(path).metadata["f0"]
    np.random.seed(5)
    np.random.shuffle(kept)
    assert (got == kept).all()  # FFCV's order
    assert (indices == np.arange(100, 700)).all()  # which takes the caller's own array


@pytest.mark.parametrize(
    "indices", [[4, 2, 0], np.array([4, 2, 0]), (4, 2, 0), range(4, -1, -2), {4: 1, 2: 1, 0: 1}.keys()]
)
def test_indices(tmp_path: Path, indices: Any) -> None:
    path = str(tmp_path / "a.beton")
    DatasetWriter(path, NUMBERS).from_indexed_dataset(Numbers(5), indices)
    assert Reader(path).metadata["f0"].tolist() == [4, 2, 0]


@pytest.mark.parametrize(("n", "size"), [(600, 76), (600, 1024), (6000, 81), (100, 1 << 20), (7, 2 << 20)])
def test_bytes(tmp_path: Path, n: int, size: int) -> None:
    """One allocation a sample, of the right size, with the right bytes at its pointer."""
    path = str(tmp_path / "a.beton")
    DatasetWriter(path, BLOBS, page_size=1 << 21, num_workers=3).from_indexed_dataset(
        Blobs(n, size), chunksize=10
    )
    reader = Reader(path)
    assert [type(h) for h in reader.handlers.values()] == [fields.IntField, fields.BytesField]
    table = reader.alloc_table
    assert sorted(table["sample_id"]) == list(range(n)) and (table["size"] == size).all()
    data = np.memmap(path, "u1", "r")
    for entry in table[:: max(1, n // 50)]:
        ptr = int(entry["ptr"])
        assert (data[ptr : ptr + size] == Blobs(n, size)[int(entry["sample_id"])][1]).all()


class Arrays:
    def __len__(self) -> int:
        return 300

    def __getitem__(self, i: int) -> tuple[np.ndarray, ...]:
        rng = np.random.default_rng(i)
        return tuple(rng.standard_normal((2048,)).astype("f4") for _ in range(3))


def test_arrays_of_a_sample_share_a_page(tmp_path: Path) -> None:
    path = str(tmp_path / "a.beton")
    kind = fields.NDArrayField(np.dtype("<f4"), (2048,))
    DatasetWriter(path, {"a": kind, "b": kind, "c": kind}, page_size=1 << 21).from_indexed_dataset(
        Arrays(), chunksize=7
    )
    table = Reader(path).alloc_table
    pages = table["ptr"] >> 21
    for i in range(300):
        assert len(set(pages[table["sample_id"] == i])) == 1
    with File(path) as f:
        for i in (0, 17, 299):
            for k, want in enumerate(Arrays()[i]):
                assert (f.value(i, "abc"[k]) == want).all()


def test_every_kind(tmp_path: Path) -> None:
    path = str(tmp_path / "a.beton")
    data = Everything()
    w = DatasetWriter(path, EVERYTHING, num_workers=2)
    w.from_indexed_dataset(data, chunksize=4)
    assert w.num_samples == 60 and w.stats["bytes"] == os.path.getsize(path)
    with File(path) as f:
        for i in range(60):
            want = data[i]
            assert f.value(i, "i") == want[0] and f.value(i, "x") == want[1]
            assert bytes(f.value(i, "bytes")) == want[2].tobytes()
            got = f.value(i, "json")
            assert repr(got) == repr(want[3])
            assert (f.value(i, "array") == want[4]).all()
            assert (f.value(i, "sixteen_letters_") == want[5]).all()


def test_same_bytes_for_any_number_of_workers(tmp_path: Path) -> None:
    want = ""
    for workers, chunk in ((1, 100), (2, 5), (4, 1), (3, 7)):
        path = tmp_path / f"{workers}.beton"
        DatasetWriter(path, EVERYTHING, num_workers=workers).from_indexed_dataset(
            Everything(), chunksize=chunk
        )
        want = want or sha(path)
        assert sha(path) == want, f"{workers} workers, chunks of {chunk}"
    path = tmp_path / "iterable.beton"
    DatasetWriter(path, EVERYTHING).from_iterable(Everything()[i] for i in range(60))
    assert sha(path) == want, "from_iterable"


@pytest.mark.parametrize("way", WAYS)
def test_processes(tmp_path: Path, way: str) -> None:
    path = str(tmp_path / "a.beton")
    DatasetWriter(path, NUMBERS, num_workers=2, start_method=way).from_indexed_dataset(Numbers(500))
    rows(path, 500)
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("make", [iter, list, lambda d: (s for s in d)])
def test_iterable(tmp_path: Path, make: Callable[[Any], Any]) -> None:
    path = str(tmp_path / "a.beton")
    DatasetWriter(path, NUMBERS).from_iterable(make([Numbers(50_000)[i] for i in range(50_000)]))
    rows(path, 50_000)
    DatasetWriter(path, NUMBERS).from_iterable_dataset(make([Numbers(30)[i] for i in range(30)]))
    rows(path, 30)


class Fair:
    """Samples as all the things that a sample may be."""

    def __len__(self) -> int:
        return 6

    def __getitem__(self, i: int) -> Any:
        pair = np.array([(i, np.sin(i))], [("index", "i8"), ("value", "f8")])[0]
        both = {"value": np.sin(i), "index": np.int32(i)}
        one = (np.array([i]), np.array(np.sin(i)))
        return [(i, np.sin(i)), [i, np.sin(i)], both, pair, one, (float(i), np.array([np.sin(i)]))][i]


def test_samples(tmp_path: Path) -> None:
    path = str(tmp_path / "a.beton")
    DatasetWriter(path, NUMBERS).from_indexed_dataset(Fair())
    rows(path, 6)


def test_rows_of_an_array(tmp_path: Path) -> None:
    path = str(tmp_path / "a.beton")
    DatasetWriter(path, {"a": fields.IntField(), "b": fields.IntField()}).from_indexed_dataset(
        np.arange(20).reshape(10, 2)
    )
    assert Reader(path).metadata["f1"].tolist() == list(range(1, 20, 2))


def test_classes_and_seed(tmp_path: Path) -> None:
    a, b, c = (tmp_path / x for x in "abc")
    noise = [(np.random.default_rng(i).integers(0, 256, (40, 40, 3), dtype=np.uint8),) for i in range(40)]
    kind = {"x": fields.RGBImageField("proportion")}
    DatasetWriter(a, kind, seed=1, classes=["cat", "dog"]).from_iterable(noise)
    DatasetWriter(b, kind, seed=1, plain=True).from_iterable(noise)
    DatasetWriter(c, kind, seed=2, plain=True).from_iterable(noise)
    with File(a) as f:
        assert f.classes == ["cat", "dog"]
        modes = [r["f0"]["mode"] for r in f.metadata]
    assert 5 < sum(modes) < 35
    assert modes == [r["f0"]["mode"] for r in Reader(str(b)).metadata]
    assert modes != [r["f0"]["mode"] for r in Reader(str(c)).metadata]


def test_webdataset(tmp_path: Path) -> None:
    wds = pytest.importorskip("webdataset")
    with wds.ShardWriter(f"file:{tmp_path}/%04d.tar", maxcount=20, verbose=0) as shards:
        for i in range(107):
            shards.write({"__key__": f"{i:05d}", "cls": i, "json": {"i": i}})
    names = sorted(str(p) for p in tmp_path.glob("*.tar"))
    assert len(names) == 6
    path = tmp_path / "a.beton"
    kinds = {"label": fields.IntField(), "text": fields.JSONField()}
    made = set()
    for workers in (1, 3):
        DatasetWriter(path, kinds, num_workers=workers).from_webdataset(
            names, lambda d: d.decode().to_tuple("cls", "json")
        )
        made.add(sha(path))
        assert sorted(os.listdir(tmp_path)) == sorted(["a.beton", *map(os.path.basename, names)])
        with File(path) as f:
            assert f.metadata["f0"].tolist() == list(range(107))
            assert f.value(106, "text") == {"i": 106}
    assert len(made) == 1


class Folder:
    """As torchvision's ImageFolder, of as much as is looked at."""

    def __init__(self, root: Path, n: int) -> None:
        self.root = str(root)
        self.samples = [(str(root / f"c{i % 3}" / f"{i} ö.jpg"), i % 3) for i in range(n)]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, i: int) -> Any:
        return (i,)


class Part:
    """As torch's Subset."""

    def __init__(self, dataset: Any, indices: list[int]) -> None:
        self.dataset, self.indices = dataset, indices

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, i: int) -> Any:
        return self.dataset[self.indices[i]]


def name_of(i: int) -> str | None:
    return None if i == 7 else f"n/{i}"


@pytest.mark.parametrize("workers", [1, 2])
def test_names(tmp_path: Path, workers: int) -> None:
    path, n = tmp_path / "a.beton", 250
    folder = Folder(tmp_path / "train", n)
    part = Part(folder, list(range(n - 1, -1, -1)))
    cases: list[Any] = [
        (folder, None, lambda i: f"c{i % 3}/{i} ö.jpg"),
        (part, None, lambda i: f"c{(n - 1 - i) % 3}/{n - 1 - i} ö.jpg"),
        (folder, [f"x{i}" for i in range(n)], lambda i: f"x{i}"),
        (folder, name_of, lambda i: name_of(i) or ""),
        (folder, False, None),
        (Numbers(n), None, None),
    ]
    for dataset, names, want in cases:
        kinds = NUMBERS if isinstance(dataset, Numbers) else {"i": fields.IntField()}
        writer = DatasetWriter(path, kinds, num_workers=workers)
        writer.from_indexed_dataset(dataset, names=names, chunksize=30)
        with File(path) as f:
            if want is None:
                assert not any(s.tag == "NAME" for s in f.sections)
                continue
            assert [f.key(i) for i in range(n)] == [want(i) for i in range(n)]
            assert all(f.find(want(i)) == i for i in range(0, n, 10))
            with pytest.raises(KeyError, match="no sample 'y'"):
                f.find("y")
    writer = DatasetWriter(path, {"i": fields.IntField()}, num_workers=workers, plain=True)
    writer.from_indexed_dataset(folder)
    with File(path) as f:
        assert f.sections == []


def test_names_follow_indices(tmp_path: Path) -> None:
    path = tmp_path / "a.beton"
    writer = DatasetWriter(path, {"i": fields.IntField()}, num_workers=1)
    writer.from_indexed_dataset(Folder(tmp_path, 50), [40, 3])
    with File(path) as f:
        assert [f.key(0), f.key(1)] == ["c1/40 ö.jpg", "c0/3 ö.jpg"]


def test_names_of_an_iterable(tmp_path: Path) -> None:
    path, n = tmp_path / "a.beton", 5000
    writer = DatasetWriter(path, {"i": fields.IntField()})
    for names in (lambda sample: f"{sample[0]}", map(str, range(n))):
        writer.from_iterable(((i,) for i in range(n)), names=names)
        with File(path) as f:
            assert [f.key(i) for i in (0, 4095, 4096, n - 1)] == ["0", "4095", "4096", str(n - 1)]
    with pytest.raises(WriteError, match="names has 3 names"):
        writer.from_iterable([(i,) for i in range(4)], names=["a", "b", "c"])


def test_bad_names(tmp_path: Path) -> None:
    writer = DatasetWriter(tmp_path / "a.beton", {"i": fields.IntField()}, num_workers=1)
    data = [(i,) for i in range(10)]
    with pytest.raises(WriteError, match="sample 4: IndexError"):
        writer.from_indexed_dataset(data, names=["a"] * 4)
    with pytest.raises(WriteError, match="sample 0: TypeError: the sample's name is 5"):
        writer.from_indexed_dataset(data, names=lambda i: 5)
    for names in ("abc", 5):
        with pytest.raises(TypeError, match="want a list by the samples"):
            writer.from_indexed_dataset(data, names=names)  # type: ignore[arg-type]
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("workers", [1, 3])
def test_names_of_webdataset(tmp_path: Path, workers: int, capfd: pytest.CaptureFixture[str]) -> None:
    wds = pytest.importorskip("webdataset")
    with wds.ShardWriter(f"file:{tmp_path}/%04d.tar", maxcount=20, verbose=0) as to:
        for i in range(70):
            to.write({"__key__": f"k/{i:05d}", "cls": i})
    shards = sorted(str(p) for p in tmp_path.glob("*.tar"))
    kinds = {"cls": fields.IntField()}
    writer = DatasetWriter(tmp_path / "a.beton", kinds, num_workers=workers, progress=True)

    def keys(pipeline: Any) -> list[str]:
        writer.from_webdataset(shards, pipeline)
        with File(writer.fname) as f:
            found = [f.key(i) for i in range(f.num_samples)]
            assert all(k == f"k/{i:05d}" for i, k in zip(f.metadata["f0"], found, strict=True) if k)
            return found

    assert all(keys(lambda d: d.decode().to_tuple("cls")))
    assert "70" in capfd.readouterr().err
    assert all(keys(lambda d: d.decode()))  # dicts
    assert all(keys(lambda d: d.decode().shuffle(10)))
    assert not any(keys(lambda d: d.decode().shuffle(10).to_tuple("cls")))
    assert len(keys(lambda d: d.decode().select(lambda s: s["cls"] % 10 < 8).to_tuple("cls"))) == 56


def test_replaced_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "a.beton"
    path.write_text("old")

    class Looks(Numbers):
        def __getitem__(self, i: int) -> Any:
            assert path.read_text() == "old"
            return super().__getitem__(i)

    DatasetWriter(path, NUMBERS, num_workers=1).from_indexed_dataset(Looks(10))
    rows(str(path), 10)
    assert os.listdir(tmp_path) == ["a.beton"]


def test_bar(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.beton"
    DatasetWriter(path, NUMBERS).from_indexed_dataset(Numbers(10))
    assert capfd.readouterr().err == ""  # no terminal
    DatasetWriter(path, NUMBERS, progress=True).from_indexed_dataset(Numbers(10))
    assert "10" in capfd.readouterr().err
