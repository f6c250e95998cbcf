"""What a writer says of bad samples, processes and ends, and that nothing is left of a file that was not
written.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from betongo import EngineError, SampleError, _engine, fields
from betongo.reader import Reader
from betongo.writer import DatasetWriter, WorkerError, WriteError

pytestmark = pytest.mark.usefixtures("engine")

INT = fields.IntField()


class Of:
    """n samples by a function."""

    def __init__(self, n: int, get: Any) -> None:
        self.n, self.get = n, get

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, i: int) -> Any:
        return self.get(i)


def breaks(i: int) -> Any:
    if i in (250, 270, 333):
        raise KeyError(f"no number {i}")
    return (i,)


def dies(i: int) -> Any:
    if i == 130:
        os.kill(os.getpid(), signal.SIGKILL)
    return (i,)


def leaves(i: int) -> Any:
    if i == 130:
        os._exit(7)
    return (i,)


def slow(i: int) -> Any:
    time.sleep(0.01)
    return (i,)


def heavy(i: int) -> Any:
    time.sleep(0.002)
    return (bytes(10_000),)


@pytest.fixture
def path(tmp_path: Path) -> Any:
    """A file that is there already, and has to be there afterwards, alone."""
    p = tmp_path / "a.beton"
    p.write_text("old")
    yield str(p)
    assert p.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.beton"]
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_first_failure(path: str, workers: int) -> None:
    with pytest.raises(WriteError, match=r"sample 250: KeyError: 'no number 250'") as e:
        DatasetWriter(path, {"x": INT}, num_workers=workers).from_indexed_dataset(
            Of(1000, breaks), chunksize=10
        )
    assert isinstance(e.value, SampleError)
    assert e.value.index == 250 and e.value.sample == 250
    cause = e.value.__cause__
    assert isinstance(cause, KeyError)
    if workers == 1:
        assert cause.__traceback__ is not None
    else:
        assert "in breaks" in str(cause.__cause__)


def test_failure_of_an_index(path: str) -> None:
    with pytest.raises(WriteError, match=r"sample 270 \(row 2\): KeyError") as e:
        DatasetWriter(path, {"x": INT}).from_indexed_dataset(Of(1000, breaks), [3, 1, 270, 5])
    assert e.value.index == 270 and e.value.sample == 2


def test_failure_of_an_iterable(path: str) -> None:
    with pytest.raises(WriteError, match=r"sample 250: KeyError") as e:
        DatasetWriter(path, {"x": INT}).from_iterable(breaks(i) for i in range(1000))
    assert isinstance(e.value.__cause__, KeyError)


class Odd(Exception):
    """An exception that no other process can read."""

    def __init__(self, a: int, b: int) -> None:
        super().__init__(f"odd {a} {b}")


def odd(i: int) -> Any:
    raise Odd(1, 2)


def test_failure_that_does_not_pickle(path: str) -> None:
    with pytest.raises(WriteError, match="sample 0: Odd: odd 1 2") as e:
        DatasetWriter(path, {"x": INT}, num_workers=2).from_indexed_dataset(Of(300, odd))
    assert "in odd" in str(e.value.__cause__)


F4 = fields.NDArrayField(np.dtype("f4"), (2, 3))
IMAGE = fields.RGBImageField("jpg")

BAD: list[tuple[Any, Any, str]] = [
    (INT, 1.5, "1.5 where an integer belongs"),
    (INT, 1 << 63, "outside of -2"),
    (INT, np.uint64(2**64 - 1), "outside of -2"),
    (INT, "1", "a str where an integer belongs"),
    (INT, None, "a NoneType where an integer belongs"),
    (INT, np.arange(2), r"shape \(2,\) where one number"),
    (INT, float("nan"), "nan where an integer"),
    (fields.FloatField(), "1", "a str where a number"),
    (fields.FloatField(), np.zeros(3), r"shape \(3,\)"),
    (fields.FloatField(), 1j, "complex"),
    (fields.BytesField(), "text", "a str where bytes"),
    (fields.BytesField(), np.array([1, 300]), "elements that are none"),
    (fields.BytesField(), np.array([0.5]), "elements that are none"),
    (fields.BytesField(), np.zeros((2, 2), "u1"), "one dimension"),
    (fields.BytesField(), Path("/nowhere/at/all"), "nowhere/at/all"),
    (fields.JSONField(), {1, 2}, "not JSON serializable"),
    (F4, np.zeros((2, 3)), "float64 where float32 belongs"),
    (F4, np.zeros((3, 2), "f4"), r"shape \(3, 2\) where \(2, 3\)"),
    (F4, [[1.0] * 3] * 2, "a list where an array of float32"),
    (IMAGE, np.zeros((4, 4), "u1"), r"shape \(4, 4\)"),
    (IMAGE, np.zeros((4, 4, 4), "u1"), r"shape \(4, 4, 4\)"),
    (IMAGE, np.zeros((0, 4, 3), "u1"), r"shape \(0, 4, 3\)"),
    (IMAGE, np.zeros((4, 4, 3)), "a picture of float64"),
    (IMAGE, np.zeros((1, 65536, 3), "u1"), "65536"),
    (IMAGE, b"no picture", "sample 1, field 'x'"),
    (IMAGE, "a.jpg", "a builtins.str where a picture"),
    (fields.ImageField(1), np.zeros((4, 4, 2), "u1"), r"where a picture of 1 channel of uint8"),
    (fields.AudioField(), {"data": b""}, "without sample_rate"),
]


GOOD = {
    fields.IntField: 1,
    fields.FloatField: 1,
    fields.BytesField: b"",
    fields.JSONField: 1,
    fields.NDArrayField: np.zeros((2, 3), "f4"),
    fields.RGBImageField: np.zeros((1, 1, 3), "u1"),
    fields.ImageField: np.zeros((1, 1), "u1"),
    fields.AudioField: dict(sample_rate=1, channels=1, duration_ms=0, encoding="mp3", data=b""),
}


@pytest.mark.parametrize(("field", "value", "message"), BAD)
def test_values(path: str, field: fields.Field, value: Any, message: str) -> None:
    samples = [(GOOD[type(field)], 1), (value, 1)]
    with pytest.raises(WriteError, match=message) as e:
        DatasetWriter(path, {"x": field, "n": INT}).from_indexed_dataset(samples)
    assert e.value.field == "x" and e.value.index == 1


@pytest.mark.parametrize(
    ("sample", "message"),
    [
        ((1,), "1 values for 2 fields"),
        ((1, 2, 3), "3 values for 2 fields"),
        ({"a": 1}, r"keys \['a'\] for the fields \['a', 'b'\]"),
        ({"a": 1, "b": 2, "c": 3}, "'c'"),
        (7, "a sample is a int"),
        (None, "a sample is a NoneType"),
        (np.arange(3), "3 values for 2"),
        (np.zeros((2, 2)), "a sample is a ndarray"),
    ],
)
def test_shapes_of_samples(path: str, sample: Any, message: str) -> None:
    for workers in (1, 2):
        with pytest.raises(WriteError, match=message):
            w = DatasetWriter(path, {"a": INT, "b": INT}, num_workers=workers)
            w.from_indexed_dataset([(1, 2), (1, 2), sample], chunksize=1)


def test_too_large(path: str) -> None:
    kinds = {"x": fields.BytesField()}
    big = [(bytes(1 << 21),), (bytes((1 << 21) + 1),)]
    with pytest.raises(WriteError, match="sample 1") as e:
        DatasetWriter(path, kinds, page_size=1 << 21).from_indexed_dataset(big)
    assert "page" in str(e.value)


@pytest.mark.parametrize(("function", "how"), [(dies, "killed by signal 9"), (leaves, "exit status 7")])
def test_dead_process(path: str, function: Any, how: str) -> None:
    with pytest.raises(WorkerError, match=how):
        DatasetWriter(path, {"x": INT}, num_workers=2).from_indexed_dataset(Of(1000, function), chunksize=10)


class Unready(Of):
    """A dataset that does not get into another process."""

    def __reduce__(self) -> Any:
        return os._exit, (9,)


def test_no_process_comes_up(path: str) -> None:
    w = DatasetWriter(path, {"x": INT}, num_workers=2, start_method="spawn")
    with pytest.raises(WorkerError, match="exit status 9"):
        w.from_indexed_dataset(Unready(1000, slow), chunksize=10)


@pytest.mark.parametrize("workers", [1, 2])
def test_dead_engine(path: str, workers: int) -> None:
    engine = _engine.engine()
    assert engine.process is not None
    timer = threading.Timer(0.7, engine.process.kill)
    timer.start()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of fork beside the timer's thread
        with pytest.raises(EngineError, match="signal 9"):
            w = DatasetWriter(path, {"x": fields.BytesField()}, num_workers=workers)
            w.from_indexed_dataset(Of(5000, heavy), chunksize=10)
    timer.join()


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("feed", ["indexed", "iterable", "webdataset"])
def test_interrupt(tmp_path: Path, workers: int, feed: str) -> None:
    if feed == "webdataset":
        pytest.importorskip("webdataset")
    script = f"""
        import sys, time
        from betongo.writer import DatasetWriter
        from betongo.fields import IntField
        class D:
            def __len__(self): return 100000
            def __getitem__(self, i):
                time.sleep(.01)
                return (i,)
        print("go", flush=True)
        w = DatasetWriter("a.beton", {{"x": IntField()}}, num_workers={workers})
        try:
            if {feed!r} == "indexed":
                w.from_indexed_dataset(D(), chunksize=10)
            elif {feed!r} == "iterable":
                w.from_iterable(D()[i] for i in range(10**5))
            else:
                w.from_webdataset(["a.tar", "b.tar", "c.tar"], lambda d: (D()[i] for i in range(10**5)))
        except KeyboardInterrupt:
            import multiprocessing
            print("interrupted", multiprocessing.active_children())
    """
    p = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert p.stdout is not None
    assert p.stdout.readline() == b"go\n"
    time.sleep(1.5)
    os.killpg(p.pid, signal.SIGINT)  # as a terminal does
    out, err = p.communicate(timeout=10)
    assert out == b"interrupted []\n", err.decode()
    assert err == b""
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_killed(tmp_path: Path, workers: int) -> None:
    """Of a client that is killed no process is left."""
    script = f"""
        import os, time
        from betongo.writer import DatasetWriter
        from betongo.fields import IntField
        class D:
            def __len__(self): return 100000
            def __getitem__(self, i):
                open(f"pid-{{os.getpid()}}", "w").close()
                time.sleep(.01)
                return (i,)
        w = DatasetWriter("a.beton", {{"x": IntField()}}, num_workers={workers})
        w.from_indexed_dataset(D(), chunksize=10)
    """
    p = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], cwd=tmp_path)
    end = time.monotonic() + 60
    while len(list(tmp_path.glob("pid-*"))) < workers and time.monotonic() < end:
        time.sleep(0.05)
    p.kill()
    p.wait()
    pids = [int(f[4:]) for f in os.listdir(tmp_path) if f.startswith("pid-")]
    assert len(pids) == workers
    end = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < end, "a process goes on"
        time.sleep(0.05)
    assert not (tmp_path / "a.beton").exists()


@pytest.mark.parametrize("empty", [[], Of(0, slow), Of(5, slow)])
def test_nothing(path: str, empty: Any) -> None:
    with pytest.raises(ValueError, match="no samples|empty"):
        DatasetWriter(path, {"x": INT}).from_indexed_dataset(empty, [] if len(empty) else None)


def test_nothing_to_iterate(path: str) -> None:
    with pytest.raises(ValueError, match="no samples"):
        DatasetWriter(path, {"x": INT}).from_iterable(iter([]))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({}, "no fields"),
        ({"x": 1}, "no Field"),
        ({"x": fields.IntField}, r"make one, with \(\)"),
        ({"": INT}, "0 characters"),
        ({"seventeen_letters": INT}, "17 characters"),
        ({"größe": INT}, "ASCII"),
        ({"a\0b": INT}, "ASCII"),
        ({1: INT}, "ASCII"),
    ],
)
def test_fields(path: str, names: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        DatasetWriter(path, names)


@pytest.mark.parametrize("size", [0, -1, 3 << 20, 1 << 20, 1 << 32])
def test_page_sizes(path: str, size: int) -> None:
    with pytest.raises(ValueError, match="page_size"):
        DatasetWriter(path, {"x": INT}, page_size=size)


@pytest.mark.parametrize(
    ("field", "message"),
    [
        (fields.NDArrayField(np.dtype("f4"), ()), "shape without dimensions"),
        (fields.NDArrayField(np.dtype("f4"), (3, 0)), "ends in 0"),
        (fields.NDArrayField(np.dtype([("a", "i4"), ("b", "f4")]), (3,)), "can't be stored"),
    ],
)
def test_fields_that_no_file_keeps(path: str, field: fields.Field, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DatasetWriter(path, {"x": field}).from_indexed_dataset([(1,)])


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        DatasetWriter(tmp_path / "nowhere" / "a.beton", {"x": INT}).from_indexed_dataset([(1,)])


def test_webdataset(path: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    wds = pytest.importorskip("webdataset")
    shards = tmp_path_factory.mktemp("shards")
    with wds.ShardWriter(f"file:{shards}/%04d.tar", maxcount=20, verbose=0) as to:
        for i in range(60):
            to.write({"__key__": f"{i:05d}", "cls": i})
    names = sorted(map(str, shards.iterdir()))

    def bad(d: Any) -> Any:
        return d.decode().to_tuple("cls").map(lambda s: breaks(s[0] + 230))

    for workers in (1, 2):
        w = DatasetWriter(path, {"x": INT}, num_workers=workers)
        with pytest.raises(TypeError, match="returned None"):
            w.from_webdataset(names, lambda d: None)
        with pytest.raises(WriteError, match="KeyError"):
            w.from_webdataset(names, bad)
        with pytest.raises(WriteError, match="sample 0.*a str where an integer"):
            w.from_webdataset(names, lambda d: [("x",)])
        with pytest.raises(ValueError, match="no samples"):
            w.from_webdataset(names, lambda d: [])
    with pytest.raises(WorkerError, match="killed by signal 9"):
        w.from_webdataset(names, lambda d: (dies(130) for _ in "a"))


def test_usable_afterwards(tmp_path: Path) -> None:
    w = DatasetWriter(tmp_path / "a.beton", {"x": INT}, num_workers=2)
    for _ in range(2):
        with pytest.raises(WriteError):
            w.from_indexed_dataset(Of(1000, breaks))
        w.from_indexed_dataset(Of(200, breaks))
        assert len(Reader(w.fname).metadata) == 200


def test_nothing_leaks(tmp_path: Path) -> None:
    def open_files() -> int:
        return len(os.listdir("/proc/self/fd"))

    if not Path("/proc/self/fd").exists():
        pytest.skip("no /proc")
    w = DatasetWriter(tmp_path / "a.beton", {"x": fields.BytesField(), "n": INT}, num_workers=1)
    before = 0
    for round in range(6):
        w.from_indexed_dataset([(bytes(300_000), 1)] * 50)
        with pytest.raises(WriteError):
            w.from_indexed_dataset([(bytes(300_000), 1)] * 50 + [(1, 1)])
        if round == 1:
            before = open_files()
    assert open_files() <= before
