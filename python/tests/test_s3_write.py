"""Datasets written to an object store: an object appears whole, or not at all, and takes nobody's place unasked."""

from __future__ import annotations

import pickle
import signal
import tempfile

import numpy as np
import pytest
from made import Listed

import betongo
from betongo import DatasetWriter, EngineError, _engine
from betongo.fields import IntField, NDArrayField
from betongo.writer import WriteError

FIELDS = {"label": IntField(), "array": NDArrayField(np.dtype("<f4"), (3,))}


def sample(i: int):
    return i, np.full(3, i, "<f4")


@pytest.fixture(autouse=True)
def room(tmp_path, monkeypatch):
    """The temporary folder, in which nothing may be left."""
    room = tmp_path / "room"
    room.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(room))
    yield room
    assert not list(room.iterdir())


@pytest.mark.parametrize("workers", [1, 2])
def test_s3_write(s3, tmp_path, workers) -> None:
    """The object's bytes are those of a local file."""
    url = f"s3://data/written/{workers}.beton"
    writer = DatasetWriter(url, FIELDS, num_workers=workers, classes=["a", "b"])
    writer.from_indexed_dataset(Listed(300, sample), chunksize=50)
    near = tmp_path / "near.beton"
    DatasetWriter(near, FIELDS, num_workers=1, classes=["a", "b"]).from_indexed_dataset(Listed(300, sample))
    assert s3.get(f"written/{workers}.beton") == near.read_bytes()
    assert writer.num_samples == 300 and betongo.open(url)["label"].tolist() == list(range(300))
    writer = pickle.loads(pickle.dumps(writer))
    with pytest.raises(FileExistsError, match="overwrite"):
        writer.from_iterable([sample(7)])
    again = DatasetWriter(url, FIELDS, overwrite=True)
    again.from_iterable([sample(7)])
    assert betongo.open(url)["label"].tolist() == [7]


def test_s3_write_meanwhile(s3) -> None:
    """An object that comes while another is being made stays, and the file is not sent over it."""

    def samples():
        yield sample(0)
        s3.put("meanwhile.beton", b"another's")
        yield sample(1)

    with pytest.raises(FileExistsError, match="meanwhile.beton"):
        DatasetWriter("s3://data/meanwhile.beton", FIELDS).from_iterable(samples())
    assert s3.get("meanwhile.beton") == b"another's"


def test_s3_write_fails(s3, monkeypatch) -> None:
    def broken(i):
        if i == 20:
            raise RuntimeError("no such sample")
        return sample(i)

    for workers in (1, 2):
        with pytest.raises(WriteError, match="no such sample") as e:
            DatasetWriter("s3://data/failing.beton", FIELDS, num_workers=workers).from_indexed_dataset(
                Listed(40, broken), chunksize=5
            )
        assert e.value.index == 20 and e.value.file == "s3://data/failing.beton"
    assert "failing.beton" not in s3.keys() and s3.uploads() == 0
    with pytest.raises(FileNotFoundError):
        DatasetWriter(
            "s3://nobucket/x.beton", FIELDS, overwrite=True, storage_options={"retries": 0}
        ).from_iterable([sample(0)])
    with pytest.raises(ValueError, match="web server"):
        DatasetWriter("https://example.com/x.beton", FIELDS)
    with pytest.raises(ValueError, match="environment"):
        DatasetWriter("s3://data/x.beton", FIELDS, storage_options={"secret": "x"})
    began = []

    def never():
        began.append(1)
        yield sample(0)

    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(PermissionError):
        DatasetWriter("s3://data/failing.beton", FIELDS).from_iterable(never())
    assert not began  # told before the work, not behind it


def test_s3_write_engine_killed(s3) -> None:
    def samples():
        yield sample(0)
        process = _engine.engine().process
        process.send_signal(signal.SIGKILL)
        process.wait()
        for i in range(100_000):
            yield sample(i)

    with pytest.raises(EngineError):
        DatasetWriter("s3://data/ended.beton", FIELDS).from_iterable(samples())
    assert "ended.beton" not in s3.keys()


def test_s3_write_interrupted(s3) -> None:
    """Ctrl-C: nothing is seen."""

    def samples():
        yield sample(0)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        DatasetWriter("s3://data/interrupted.beton", FIELDS).from_iterable(samples())
    assert "interrupted.beton" not in s3.keys() and s3.uploads() == 0


def test_s3_write_large(s3, tmp_path) -> None:
    """A file of several parts."""
    fields = {"bytes": NDArrayField(np.dtype("u1"), (1 << 20,))}
    random = np.random.default_rng(1).integers(0, 256, 1 << 20, dtype=np.uint8)
    writer = DatasetWriter("s3://data/large.beton", fields, num_workers=1)
    writer.from_indexed_dataset(Listed(40, lambda i: (random ^ np.uint8(i),)))
    ds = betongo.open("s3://data/large.beton", verify="first_read")
    assert np.array_equal(ds[39]["bytes"], random ^ np.uint8(39)) and s3.uploads() == 0
    assert len(s3.get("large.beton")) > 40 << 20
    s3.put("large.beton", b"")


def test_local_overwrite(engine, tmp_path) -> None:
    path = tmp_path / "x.beton"
    DatasetWriter(path, FIELDS).from_iterable([sample(0)])
    with pytest.raises(FileExistsError):
        DatasetWriter(path, FIELDS, overwrite=False).from_iterable([sample(1)])
    assert betongo.open(path)["label"].tolist() == [0]
    DatasetWriter(path.as_uri(), FIELDS).from_iterable([sample(2)])
    assert betongo.open(path)["label"].tolist() == [2]
