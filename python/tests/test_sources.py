"""betongo.sources: other systems' datasets made .beton files by the second program, and betongo.export back."""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import signal
import struct
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rows

import betongo
from betongo import BuildError, sources

pytestmark = pytest.mark.usefixtures("engine")

PHOTOS = Path(__file__).resolve().parents[2] / "testdata" / "photos"


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of class folders with three photographs each."""
    folder = tmp_path_factory.mktemp("photos")
    files = sorted(PHOTOS.rglob("*.jpg"))[:6]
    assert len(files) == 6
    for i, file in enumerate(files):
        to = folder / ("cat", "dog")[i % 2] / f"{i}.jpg"
        to.parent.mkdir(exist_ok=True)
        to.write_bytes(file.read_bytes())
    return folder


def no_partials(folder: Path) -> None:
    left = [p.name for p in folder.iterdir() if "partial" in p.name]
    assert not left


def test_folder(photos: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    packed = sources.folder(photos).write(
        tmp_path / "a.beton", progress=lambda done, of: seen.append((done, of))
    )
    assert packed.samples == 6 and packed.classes == ["cat", "dog"] and packed.fields == ["image", "label"]
    assert packed.path == str(tmp_path / "a.beton") and packed.bytes == os.path.getsize(packed.path)
    assert packed.images is not None and packed.images.kept == 6 and packed.skipped == packed.left_out == []
    assert seen[-1] == (6, 6)
    with betongo.open(packed.path) as ds:
        assert ds.classes == ["cat", "dog"] and ds["label"].tolist() == [0, 0, 0, 1, 1, 1]
        assert bytes(ds.file.raw(0, "image")) == (photos / "cat" / "0.jpg").read_bytes()
    again = sources.folder(photos, classes=["dog", "cat"]).write(
        tmp_path / "b.beton", mode="raw", max_resolution=64, page_size="2MiB", plain=True
    )
    assert again.images is not None and again.images.raw == 6
    with betongo.open(again.path) as ds:
        assert ds.classes is None and ds["label"].tolist() == [1, 1, 1, 0, 0, 0]
        assert max(ds[0]["image"].shape) == 64


def test_a_source_is_plain_data(photos: Path, tmp_path: Path) -> None:
    source = sources.folder(photos)
    assert repr(source) == f"betongo.sources.folder(dir={str(photos)!r})"
    copy = pickle.loads(pickle.dumps(source))
    a = copy.write(tmp_path / "a.beton", shuffle=True, seed=3)
    b = source.write(tmp_path / "b.beton", shuffle=True, seed=3, workers=1)
    assert Path(a.path).read_bytes() == Path(b.path).read_bytes()


def test_relative_paths(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(photos.parent)
    source = sources.folder(photos.name)
    monkeypatch.chdir(tmp_path)
    assert source.write("a.beton").path == str(tmp_path / "a.beton")


def test_table_and_arrays(photos: Path, tmp_path: Path) -> None:
    table = photos / "rows.csv"
    table.write_text("path,age\ncat/0.jpg,7\ndog/1.jpg,8\n")
    fields = {"image": "rgb:column=path,max_resolution=32", "age": "int"}
    with betongo.open(sources.table(table, fields).write(tmp_path / "t.beton").path) as ds:
        assert ds["age"].tolist() == [7, 8] and max(ds[1]["image"].shape) == 32
    table.unlink()
    np.save(tmp_path / "x.npy", np.arange(12, dtype="<f4").reshape(4, 3))
    np.save(tmp_path / "y.npy", np.arange(4))
    source = sources.arrays({"x": tmp_path / "x.npy", "label": tmp_path / "y.npy"})
    with betongo.open(source.write(tmp_path / "n.beton").path) as ds:
        assert ds["x"].tolist()[3] == [9, 10, 11] and ds["label"].tolist() == [0, 1, 2, 3]
    with betongo.open(sources.arrays([tmp_path / "y.npy"]).write(tmp_path / "m.beton").path) as ds:
        assert ds.names == ["y"]


def test_idx_and_cifar(tmp_path: Path) -> None:
    pixels = np.arange(5 * 4 * 3, dtype=np.uint8)
    with gzip.open(tmp_path / "images.gz", "wb") as f:
        f.write(struct.pack(">IIII", 0x803, 5, 4, 3) + pixels.tobytes())
    (tmp_path / "labels").write_bytes(struct.pack(">II", 0x801, 5) + bytes([3, 1, 0, 2, 1]))
    source = sources.idx(tmp_path / "images.gz", tmp_path / "labels", kind="ndarray", classes=list("abcd"))
    with betongo.open(source.write(tmp_path / "i.beton").path) as ds:
        assert ds["label"].tolist() == [3, 1, 0, 2, 1] and ds.classes == list("abcd")
        assert ds["image"].reshape(-1).tolist() == pixels.tolist()
    row = bytes([9]) + bytes(3072)
    (tmp_path / "data_batch_1.bin").write_bytes(row * 3)
    with betongo.open(sources.cifar(tmp_path / "data_batch_1.bin").write(tmp_path / "c.beton").path) as ds:
        assert len(ds) == 3 and ds[0]["label"] == 9 and ds[0]["image"].shape == (32, 32, 3)


def test_beton(photos: Path, tmp_path: Path) -> None:
    whole = sources.folder(photos).write(tmp_path / "a.beton").path
    part = sources.beton(whole, indices=[4, 1, 2, 3, 5], fields=["label", "image"]).write(
        tmp_path / "b.beton"
    )
    with betongo.open(whole) as a, betongo.open(part.path) as b:
        assert b.names == ["label", "image"] and b.classes == a.classes and len(b) == 5
        assert b["label"].tolist() == a["label"][[4, 1, 2, 3, 5]].tolist()
        assert bytes(b.file.raw(0, "image")) == bytes(a.file.raw(4, "image"))
    assert sources._ranges(np.array([0, 1, 2, 9, -3, -2, 5])) == "0:3,9,-3,-2,5"
    with pytest.raises(ValueError, match="empty"):
        sources.beton(whole, indices=[])


def test_errors(photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "a.beton"
    with pytest.raises(FileNotFoundError, match="none"):
        sources.folder(tmp_path / "none").write(out)
    with pytest.raises(ValueError, match="quality: 101"):
        sources.folder(photos).write(out, quality=101)
    with pytest.raises(ValueError, match="quality is 0"):
        sources.folder(photos).write(out, quality=0)
    with pytest.raises(ValueError, match="mode=jpeg"):
        sources.folder(photos).write(out, mode="jpeg")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match='"clases" is unknown; the nearest is "classes"'):
        sources.Source("folder", {"dir": str(photos), "clases": []}).write(out)
    with pytest.raises(ValueError, match="the nearest is .folder"):
        sources.Source("foldr", {"dir": str(photos)}).write(out)
    with pytest.raises(BuildError, match="dog.*not among"):
        sources.folder(photos, classes=["cat"]).write(out)
    with pytest.raises(TypeError, match="list of names"):
        sources.folder(photos, classes="cat")
    with pytest.raises(ValueError, match="no files"):
        sources.cifar([])
    with pytest.raises(ValueError, match="did you mean 'region'"):
        sources.folder(photos).write(out, storage_options={"regoin": "x"})
    assert not out.exists()
    no_partials(tmp_path)
    out.write_bytes(b"mine")
    with pytest.raises(FileExistsError):
        sources.folder(photos).write(out)
    assert out.read_bytes() == b"mine"
    assert sources.folder(photos).write(out, overwrite=True).samples == 6


def test_a_sample_that_fails(photos: Path, tmp_path: Path) -> None:
    broken = tmp_path / "p"
    for name in ("cat/a.jpg", "cat/b.jpg", "dog/c.jpg"):
        (broken / name).parent.mkdir(parents=True, exist_ok=True)
        (broken / name).write_bytes(b"no picture" if "b" in name else (photos / "cat" / "0.jpg").read_bytes())
    with pytest.raises(BuildError, match="b.jpg") as failed:
        sources.folder(broken).write(tmp_path / "a.beton")
    e = failed.value
    assert (e.key, e.field, e.sample) == ("cat/b.jpg", "image", 1)
    assert not (tmp_path / "a.beton").exists()
    packed = sources.folder(broken).write(tmp_path / "b.beton", skip_errors=True)
    assert packed.samples == 2 and packed.failed == 1 and packed.skipped[0].path == "cat/b.jpg"


def test_progress_that_raises(photos: Path, tmp_path: Path) -> None:
    def stop(done: int, of: int) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        sources.folder(photos).write(tmp_path / "a.beton", progress=stop)
    assert sources.folder(photos).write(tmp_path / "a.beton", restart=True).samples == 6


INTERRUPTED = """
import os, signal, sys, threading
from betongo import sources
def progress(done, of):
    if done > 200:
        os.kill(os.getpid(), getattr(signal, sys.argv[3]))
source = sources.table(sys.argv[1], {"text": "bytes:inline=true"})
try:
    source.write(sys.argv[2], progress=progress, workers=1)
    print("written")
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.parametrize("how", ["SIGINT", "SIGKILL"])
def test_interrupted_and_resumed(tmp_path: Path, how: str) -> None:
    """Ctrl-C, or a kill, of a long build: nothing runs on, no file is there, and resume goes on."""
    table = tmp_path / "rows.jsonl"
    n = 30_000
    table.write_text("".join(json.dumps({"text": "x" * 2000 + str(i)}) + "\n" for i in range(n)))
    out = tmp_path / "a.beton"
    p = rows.start(INTERRUPTED, str(table), str(out), how)
    said, err = p.communicate(timeout=60)
    assert "written" not in said, err
    if how == "SIGINT":
        assert said == "interrupted\n", err
    assert not out.exists()
    source = sources.table(table, {"text": "bytes:inline=true"})
    end = time.monotonic() + 10
    while True:  # the killed one's program ends a moment after it
        try:
            packed = source.write(out, resume=True)
            break
        except (BuildError, OSError):
            assert how == "SIGKILL" and time.monotonic() < end
            time.sleep(0.05)
    assert packed.samples == n
    whole = source.write(tmp_path / "b.beton")
    assert out.read_bytes() == Path(whole.path).read_bytes()


def test_estimate(photos: Path) -> None:
    e = sources.folder(photos).estimate(samples=6, disk="1GiB", cores=2, max_resolution=64)
    assert e.samples == e.sampled == 6 and e.cores == 2 and e.why and e.failed == []
    asked = e.choices[0]
    assert asked.asked and asked.options["max_resolution"] == 64 and len(e.choices) >= 5
    assert e.suits in e.choices and all(c.bytes > 0 and c.load_cpu_ms > 0 for c in e.choices)


def test_no_process_is_left(photos: Path, tmp_path: Path) -> None:
    """A call's program ends with it, and the engine that loads is another one."""
    before = children()
    sources.folder(photos).write(tmp_path / "a.beton")
    with pytest.raises(BuildError):
        sources.folder(photos, classes=["cat"]).write(tmp_path / "b.beton")
    assert children() == before


@pytest.mark.skipif(sys.platform != "linux", reason="finds the program in /proc")
def test_its_program_is_killed(photos: Path, tmp_path: Path) -> None:
    before = children()

    def kill(done: int, of: int) -> None:
        for pid in set(children()) - set(before):
            os.kill(int(pid), signal.SIGKILL)

    np.save(tmp_path / "x.npy", np.zeros((200_000, 64)))
    source = sources.arrays([tmp_path / "x.npy"])
    with pytest.raises(betongo.EngineError, match="SIGKILL"):
        source.write(tmp_path / "a.beton", progress=kill, workers=1)
    assert not (tmp_path / "a.beton").exists()
    assert source.write(tmp_path / "a.beton", resume=True).samples == 200_000


def children() -> list[str]:
    if sys.platform != "linux":
        return []
    return sorted(Path("/proc/self/task").joinpath(str(os.getpid()), "children").read_text().split())


@pytest.mark.parametrize("to", ["folder", "tar", "parquet", "mds"])
def test_export(photos: Path, tmp_path: Path, to: Any) -> None:
    file = sources.folder(photos).write(tmp_path / "a.beton").path
    seen: list[tuple[int, int]] = []
    out = tmp_path / "out"
    told = betongo.export(file, to, out, progress=lambda done, of: seen.append((done, of)))
    assert told.samples == 6 and told.failed == 0 and told.path == str(out) and seen[-1] == (6, 6)
    assert sum(p.stat().st_size for p in out.rglob("*") if p.is_file()) >= told.bytes > 0
    with pytest.raises(FileExistsError):
        betongo.export(file, to, out)
    assert (
        betongo.export(file, to, out, overwrite=True, indices=[5, 0], fields=["image", "label"]).samples == 2
    )
    if to == "folder":
        kept = sorted(p.read_bytes() for p in out.rglob("*.jpg"))
        assert kept == sorted((photos / n).read_bytes() for n in ("cat/0.jpg", "dog/5.jpg"))


def test_parquet(photos: Path, tmp_path: Path) -> None:
    file = sources.folder(photos).write(tmp_path / "a.beton").path
    betongo.export(file, "parquet", tmp_path / "out")
    back = sources.parquet(tmp_path / "out").write(tmp_path / "b.beton")
    with betongo.open(file) as a, betongo.open(back.path) as b:
        assert back.classes == a.classes and b["label"].tolist() == a["label"].tolist()
        for i in range(6):
            assert bytes(a.file.raw(i, "image")) == bytes(b.file.raw(i, "image"))
    one = sources.parquet([tmp_path / "out" / "*.parquet"], fields={"label": "int"}, classes=["x", "y"])
    with pytest.raises(BuildError, match="cat.*x|x.*cat"):
        one.write(tmp_path / "c.beton")


RECORDS = Path(__file__).resolve().parents[2] / "testdata" / "records"


@pytest.mark.parametrize("to", ["tar", "mds"])
def test_shards_there_and_back(photos: Path, tmp_path: Path, to: Any) -> None:
    file = sources.folder(photos).write(tmp_path / "a.beton").path
    betongo.export(file, to, tmp_path / "out", shard_size=60_000)
    classes = tmp_path / "out" / "classes.txt"
    if to == "tar":
        source = sources.webdataset(tmp_path / "out" / "*.tar", classes=classes)
    else:
        source = sources.mds(tmp_path / "out", classes=classes)
    back = source.write(tmp_path / "b.beton")
    with betongo.open(file) as a, betongo.open(back.path) as b:
        assert back.classes == a.classes and b["label"].tolist() == a["label"].tolist()
        assert [b.file.key(i) for i in range(6)] == [a.file.key(i) for i in range(6)]
        for i in range(6):
            assert bytes(a.file.raw(i, "image")) == bytes(b.file.raw(i, "image"))


def test_webdataset(tmp_path: Path) -> None:
    shards = RECORDS / "webdataset" / "shard-{000000..000002}.tar"
    fields = {"image": "rgb:column=jpg", "label": "int:column=cls"}
    packed = sources.webdataset(shards, fields=fields).write(tmp_path / "a.beton")
    assert packed.samples > 3 and packed.fields == ["image", "label"]
    short = tmp_path / "short.tar"
    short.write_bytes((RECORDS / "webdataset" / "shard-000000.tar").read_bytes()[:3000])
    with pytest.raises(BuildError) as failed:
        sources.webdataset(short, fields=fields).write(tmp_path / "b.beton")
    assert failed.value.shard == str(short) and isinstance(failed.value.offset, int)
    assert str(short) in str(failed.value)
    with pytest.raises(FileNotFoundError):
        sources.webdataset(tmp_path / "none-*.tar").write(tmp_path / "b.beton")
    assert not (tmp_path / "b.beton").exists()


def test_mds(tmp_path: Path) -> None:
    for name in ("photos", "photos_zstd"):
        packed = sources.mds(RECORDS / "mds" / name).write(tmp_path / f"{name}.beton")
        assert packed.samples > 3
    with pytest.raises((BuildError, ValueError), match="pickled"):
        sources.mds(RECORDS / "mds" / "pickled").write(tmp_path / "b.beton")
    assert not (tmp_path / "b.beton").exists()


def test_tfrecord(tmp_path: Path) -> None:
    truth = json.loads((RECORDS / "tfrecord" / "truth.json").read_text())
    assert truth
    packed = sources.tfrecord(RECORDS / "tfrecord" / "plain.tfrecord").write(tmp_path / "a.beton")
    assert packed.samples > 1 and "image" in packed.fields
    short = tmp_path / "short.tfrecord"
    short.write_bytes((RECORDS / "tfrecord" / "plain.tfrecord").read_bytes()[:-5])
    with pytest.raises(BuildError) as failed:
        sources.tfrecord(short).write(tmp_path / "b.beton")
    assert failed.value.shard == str(short) and failed.value.offset is not None
    assert not (tmp_path / "b.beton").exists()


def numbers(sample: dict[str, Any], columns: int = 5) -> np.ndarray:
    """The boxes of a sample."""
    return np.frombuffer(bytes(sample["boxes"]), "<f4").reshape(-1, columns)


def test_coco_and_yolo(photos: Path, tmp_path: Path) -> None:
    images = tmp_path / "images" / "train"
    (tmp_path / "labels" / "train").mkdir(parents=True)
    images.mkdir(parents=True)
    for i in range(2):
        (images / f"{i}.jpg").write_bytes((photos / "cat" / "0.jpg").read_bytes())
    (tmp_path / "labels" / "train" / "1.txt").write_text("1 0.5 0.5 0.25 0.5\n")
    (tmp_path / "data.yaml").write_text("path: .\ntrain: images/train\nnames: [cat, dog]\n")
    packed = sources.yolo(tmp_path).write(tmp_path / "y.beton")
    assert packed.fields == ["image", "boxes", "count"] and packed.classes == ["cat", "dog"]
    with betongo.open(packed.path) as ds:
        height, width = ds[1]["image"].shape[:2]
        assert np.allclose(
            numbers(ds[1]), [[width * 0.375, height / 4, width * 0.625, height * 0.75, 1]], atol=0.01
        )
    annotations = {
        "images": [{"id": 7, "file_name": "0.jpg", "width": width, "height": height}],
        "categories": [{"id": 3, "name": "cat"}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 3, "bbox": [1, 2, 3, 4], "iscrowd": 0, "area": 12}
        ],
    }
    (tmp_path / "a.json").write_text(json.dumps(annotations))
    source = sources.coco(tmp_path / "a.json", images, boxes="xywh", columns=["label", "area"])
    with betongo.open(source.write(tmp_path / "c.beton").path) as ds:
        assert numbers(ds[0], 6).tolist() == [[1, 2, 3, 4, 0, 12]] and ds.classes == ["cat"]
    bare = sources.coco(tmp_path / "a.json", images, columns=[])
    with betongo.open(bare.write(tmp_path / "d.beton").path) as ds:
        assert numbers(ds[0], 4).tolist() == [[1, 2, 4, 6]]


def test_hdf5_is_not_to_be_had(tmp_path: Path) -> None:
    with pytest.raises(betongo.UnsupportedError, match="x.h5: .*ffcvwrite hdf5"):
        sources.hdf5(tmp_path / "x.h5", fields={"x": "int"}).write(tmp_path / "a.beton")


def test_export_errors(photos: Path, tmp_path: Path) -> None:
    file = sources.folder(photos).write(tmp_path / "a.beton").path
    with pytest.raises(FileNotFoundError):
        betongo.export(tmp_path / "none.beton", "tar", tmp_path / "out")
    with pytest.raises(ValueError, match="samples 0 to 5"):
        betongo.export(file, "tar", tmp_path / "out", indices=[6])
    for wrong in ([0.5], [True, False], [[1, 2]], ["1"]):
        with pytest.raises(TypeError, match="indices are"):
            betongo.export(file, "tar", tmp_path / "out", indices=wrong)  # type: ignore[arg-type]
    with pytest.raises((BuildError, ValueError), match="zip"):
        betongo.export(file, "zip", tmp_path / "out")  # type: ignore[arg-type]
    with pytest.raises((BuildError, ValueError), match="nam"):
        betongo.export(file, "tar", tmp_path / "out", key_from="label")
    assert not (tmp_path / "out").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "x").write_text("mine")
    with pytest.raises((BuildError, OSError)):
        betongo.export(file, "tar", tmp_path / "mine", overwrite=True)
    assert (tmp_path / "mine" / "x").read_text() == "mine"


def test_s3_there_and_back(s3: Any, photos: Path, tmp_path: Path) -> None:
    packed = sources.folder(photos).write("s3://data/made/a.beton")
    assert packed.path == "s3://data/made/a.beton" and s3.keys().count("made/a.beton") == 1
    with pytest.raises(FileExistsError):
        sources.folder(photos).write("s3://data/made/a.beton")
    with betongo.open("s3://data/made/a.beton") as ds:
        assert ds["label"].tolist() == [0, 0, 0, 1, 1, 1]
    assert betongo.export("s3://data/made/a.beton", "folder", "s3://data/made/out").samples == 6
    far = sources.folder("s3://data/made/out").write(tmp_path / "b.beton", storage_options={"retries": 1})
    assert far.samples == 6 and far.classes == ["cat", "dog"]
    with pytest.raises(BuildError, match="s3://data/none"):
        sources.folder("s3://data/none").write(tmp_path / "c.beton")


def test_s3_denied(s3: Any, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(PermissionError):
        sources.folder(photos).write("s3://data/made/denied.beton")


def test_a_pickled_error() -> None:
    e = BuildError("no", shard="s", key="k", offset=3, next=4)
    assert (e.shard, e.key, e.offset, e.next, e.sample) == ("s", "k", 3, 4, None)
    b = io.BytesIO()
    pickle.dump(e, b)
    same = pickle.loads(b.getvalue())
    assert str(same) == "no" and vars(same) == vars(e)


def test_signals_are_as_before(photos: Path, tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    sources.folder(photos).write(tmp_path / "a.beton")
    assert signal.getsignal(signal.SIGINT) is before
