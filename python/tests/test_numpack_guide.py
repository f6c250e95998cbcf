"""What NumPack's guide shows, section by section, with smaller arrays: a program of its changes one import.

Where the guide and NumPack 0.7 itself differ this package does as NumPack does, and the test says so.
"""

import gc
import os
import platform
import time
import timeit
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from betongo.numpack import NumPack, force_cleanup_windows_handles, get_backend_info

rng = np.random.default_rng(7)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def features(rows=100, cols=20):
    return rng.random((rows, cols)).astype(np.float32)


@pytest.fixture
def data(folder):
    """data.npk with features and labels."""
    arrays = {"features": features(), "labels": rng.integers(0, 10, 100).astype(np.int32)}
    with NumPack("data.npk", drop_if_exists=True) as npk:
        npk.save(arrays)
    return arrays


# Our own documentation


@pytest.mark.parametrize(
    "title",
    ["Packs: `betongo.numpack`", "Files that grow: `betongo.npy_append_array`", "GNZ1: `betongo.gnz`"],
)
def test_docs(folder, title):
    docs = Path(__file__).resolve().parents[2] / "docs" / "python-arrays.md"
    if not docs.exists():
        pytest.skip("no docs")
    section = docs.read_text().split(f"## {title}\n")[1].split("\n## ")[0]
    (block,) = [part.split("```")[0] for part in section.split("```python\n")[1:]]
    exec(compile(block, title, "exec"), {})
    assert list(folder.iterdir())


# 01: getting started


def test_first_example():
    data = {"features": features(), "labels": np.arange(100, dtype=np.int32)}
    with NumPack("my_data.npk") as npk:
        npk.save(data)
        got, labels = npk.load("features"), npk.load("labels")
    np.testing.assert_array_equal(got, data["features"])
    np.testing.assert_array_equal(labels, data["labels"])


def test_managed_by_hand():
    npk = NumPack("data.npk")
    npk.open()
    npk.save({"array": features()})
    first = npk.load("array")
    npk.close()
    npk.open()
    np.testing.assert_array_equal(npk.load("array"), first)
    npk.close()


def test_like_a_dictionary():
    with NumPack("data.npk") as npk:
        a = features()
        npk.save({"array1": a})
        np.testing.assert_array_equal(npk["array1"], a)
        assert {name: npk.get_shape(name) for name in npk} == {"array1": a.shape}


def test_with_or_without_a_context():
    a = features()
    with NumPack("data.npk") as npk:
        npk.save({"array": a})
        np.testing.assert_array_equal(npk.load("array"), a)
    npk = NumPack("data.npk")
    npk.open()
    npk.save({"array": a + 1})
    np.testing.assert_array_equal(npk.load("array"), a + 1)
    npk.close()


def test_strict_context():
    npk = NumPack("data.npk", strict_context_mode=True)
    npk.open()  # which NumPack allows; what follows is the error
    with pytest.raises(RuntimeError):
        npk.save({"array": features()})
    with npk:
        npk.save({"array": features()})


def test_dropped_if_there_and_collected():
    for _ in range(2):
        with NumPack("data.npk", drop_if_exists=True) as npk:
            assert npk.get_member_list() == []
            npk.save({"fresh_data": features()})
    with NumPack("data.npk", force_gc_on_close=True) as npk:
        npk.save({"data": features()})


def test_dtypes():
    names = "bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 float32 float64 complex64 complex128".split()
    arrays = {f"{name}_array": (rng.random((10, 4)) * 100).astype(name) for name in names}
    with NumPack("data.npk") as npk:
        npk.save(arrays)
    with NumPack("data.npk") as npk:
        for name, a in arrays.items():
            assert npk[name].dtype == a.dtype
            np.testing.assert_array_equal(npk[name], a)


def test_metadata():
    with NumPack("data.npk") as npk:
        npk.save({"array1": features(100, 50), "array2": features(200, 30)})
        assert npk.get_member_list() == ["array1", "array2"]
        assert npk.get_shape("array1") == (100, 50)
        assert npk.has_array("array1") and not npk.has_array("x")
        # The guide calls it a Unix timestamp; as in NumPack they are microseconds.
        assert (
            abs(datetime.fromtimestamp(npk.get_modify_time("array1") / 1e6) - datetime.now()).total_seconds()
            < 60
        )
        assert npk.get_modify_time("x") is None
        assert set(npk.get_metadata()) == {"arrays", "base_dir", "total_arrays"}


def test_backend():
    info = get_backend_info()
    assert info["platform"] == platform.system() and info["is_windows"] == (os.name == "nt")
    assert {"backend_type", "version"} <= set(info)  # of another backend than NumPack's


def test_one_instance_or_many(data):
    with NumPack("data.npk") as npk:
        sums = [npk.load("features").sum() for _ in range(5)]
    for _ in range(5):
        with NumPack("data.npk") as npk:
            sums.append(npk.load("features").sum())
    assert len(set(sums)) == 1


def test_warning_and_update():
    NumPack("data.npk", warn_no_context=False)
    with NumPack("data.npk", drop_if_exists=True) as npk:
        npk.save({"data": features()})
    with NumPack("data.npk") as npk:
        existing = npk.load("data")
        npk.save({"data": existing * 2})
    with NumPack("data.npk") as npk:
        np.testing.assert_array_equal(npk["data"], existing * 2)


# 02: core operations


def test_options():
    NumPack("data.npk")
    npk = NumPack(Path("data.npk"), drop_if_exists=True, strict_context_mode=True, force_gc_on_close=False)
    assert npk.is_closed


def test_save_one_and_several():
    with NumPack("data.npk") as npk:
        npk.save({"features": rng.random((100, 10))})
        arrays = {
            "features": features(),
            "labels": np.arange(100),
            "weights": rng.random(100).astype(np.float32),
        }
        npk.save(arrays)  # features in another shape and dtype
        for name, a in arrays.items():
            np.testing.assert_array_equal(npk[name], a)


def test_load(data):
    with NumPack("data.npk") as npk:
        a = npk.load("features")
        lazy = npk.load("features", lazy=True)
        assert type(a) is np.ndarray and type(lazy).__name__ == "LazyArray"
        np.testing.assert_array_equal(lazy[10:20], a[10:20])
        np.testing.assert_array_equal(npk["features"], a)


def test_replace(data):
    want, labels = data["features"].copy(), data["labels"].copy()
    with NumPack("data.npk") as npk:
        row = features(1)[0]  # one row without its dimension, which NumPack 0.7 refuses
        npk.replace({"features": row}, 0)
        want[0] = row
        for index in ([0, 10, 20, 30, 40], np.array([1, 3, 5, 7, 9]), slice(0, 10)):
            rows = features(10 if isinstance(index, slice) else 5)
            npk.replace({"features": rows}, index)
            want[index] = rows
        rows, three = features(3), np.array([1, 2, 3], np.int32)
        npk.replace({"features": rows, "labels": three}, [0, 1, 2])
        want[:3], labels[:3] = rows, three
    with NumPack("data.npk") as npk:
        np.testing.assert_array_equal(npk["features"], want)
        np.testing.assert_array_equal(npk["labels"], labels)


def test_append(data):
    with NumPack("data.npk") as npk:
        npk.append({"features": features(10)})
        assert npk.get_shape("features") == (110, 20)
        npk.append({"features": features(50), "labels": np.zeros(50, np.int32)})
        assert npk.get_shape("features") == (160, 20) and npk.get_shape("labels") == (150,)


def test_drop():
    with NumPack("data.npk") as npk:
        a = features(100, 5)
        npk.save({"array1": a, "array2": features(100, 3), "array3": features(100, 2)})
        npk.drop("array1", [0, 1, 2, 10, 20])
        npk.drop("array1", np.array([5, 15, 25]))
        npk.drop("array1", slice(0, 10))
        want = np.delete(np.delete(np.delete(a, [0, 1, 2, 10, 20], 0), [5, 15, 25], 0), range(10), 0)
        np.testing.assert_array_equal(npk["array1"], want)
        npk.drop(["array2", "array3"])
        npk.drop("array1")
        assert [npk.get_shape(name) for name in npk] == [(0, 5), (0, 3), (0, 2)]
        with pytest.raises(
            IndexError
        ):  # the guide drops rows of an array that has none; NumPack says nothing
            npk.drop("array1", [0, 1, 2])


def test_drop_and_compact(data):
    size = lambda: sum(f.stat().st_size for f in Path("data.npk").iterdir())  # noqa: E731
    before = size()
    with NumPack("data.npk") as npk:
        npk.drop("features", list(range(0, 60)))
    assert size() >= before
    with NumPack("data.npk") as npk:
        npk.update("features")
    assert size() < before / 2
    with NumPack("data.npk") as npk:
        np.testing.assert_array_equal(npk["features"], data["features"][60:])


def test_random_access(data):
    a = data["features"]
    with NumPack("data.npk") as npk:
        assert npk.getitem("features", 0).shape == (1, 20)  # as NumPack; the guide has (20,)
        np.testing.assert_array_equal(npk.getitem("features", [0, 10, 20, 30]), a[[0, 10, 20, 30]])
        np.testing.assert_array_equal(npk.getitem("features", np.array([1, 5, 10])), a[[1, 5, 10]])


def test_shapes_and_names(data):
    with NumPack("data.npk") as npk:
        rows, cols = npk.get_shape("features")
        assert (rows, cols) == (100, 20)
        assert [npk.get_shape(name) for name in npk.get_member_list()] == [(100, 20), (100,)]
        if npk.has_array("features"):
            npk.load("features")
        assert npk.get_metadata()["total_arrays"] == 2
        npk.reset()
        assert npk.get_member_list() == []


def test_stream(data):
    with NumPack("data.npk") as npk:
        assert [b.shape for b in npk.stream_load("features", buffer_size=30)] == [(30, 20)] * 3 + [(10, 20)]
        assert [b.shape for b in npk.stream_load("features")] == [(1, 20)] * 100


def test_open_close_and_properties():
    npk = NumPack("data.npk")
    assert not npk.is_opened and npk.is_closed
    npk.open()
    assert npk.is_opened and not npk.is_closed
    npk.save({"data": features()})
    npk.close()
    npk.close(force_gc=True)
    assert not npk.is_opened
    assert isinstance(npk.backend_type, str)


def test_complete_example():
    with NumPack("example.npk", drop_if_exists=True) as npk:
        a, labels = features(), np.arange(100, dtype=np.int32)
        npk.save({"features": a, "labels": labels})
        rows, more = features(10), features(30)
        npk.replace({"features": rows}, list(range(10)))
        npk.append({"features": more, "labels": np.zeros(30, np.int32)})
        want = np.concatenate([rows, a[10:], more])
        assert npk.get_shape("features") == (130, 20)
        np.testing.assert_array_equal(npk.getitem("features", [0, 100, 50]), want[[0, 100, 50]])
        npk.drop("features", [0, 1, 2])
        npk.update("features")
        np.testing.assert_array_equal(
            np.concatenate(list(npk.stream_load("features", buffer_size=40))), want[3:]
        )


# 03: batches


def test_batch_mode(data):
    with NumPack("data.npk") as npk:
        with npk.batch_mode():
            for _ in range(10):
                a = npk.load("features")
                a *= 2
                npk.save({"features": a})
    with NumPack("data.npk") as npk:
        np.testing.assert_array_equal(npk["features"], data["features"] * 1024)


def test_batch_mode_with_other_shapes(data):
    with NumPack("data.npk") as npk:
        npk.save({"metadata": np.arange(20)})
        with npk.batch_mode():
            a = npk.load("features")
            a *= 2
            npk.save({"features": a})
            more = features(10)
            npk.append({"features": more})
            npk.save({"metadata": npk.load("metadata").reshape(-1, 10)})
            npk.save({"new_array": np.ones(3)})
        np.testing.assert_array_equal(npk["features"], np.concatenate([data["features"] * 2, more]))
        assert npk.get_shape("metadata") == (2, 10) and npk.has_array("new_array")


def test_batch_mode_with_a_limit(data):
    with NumPack("data.npk") as npk:
        with npk.batch_mode(memory_limit=0.01):
            for i in range(10):
                npk.save({f"array_{i}": np.full((100, 20), i)})
        assert [npk[f"array_{i}"][0, 0] for i in range(10)] == list(range(10))


def test_batch_modes_are_quicker(data):
    def spent(work):
        begin = time.perf_counter()
        with NumPack("data.npk") as npk:
            work(npk)
        return time.perf_counter() - begin

    def normal(npk):
        for _ in range(60):
            a = npk.load("features")
            a *= 1.01
            npk.save({"features": a})

    def batch(npk):
        with npk.batch_mode():
            normal(npk)

    def writable(npk):
        with npk.writable_batch_mode() as wb:
            a = wb.load("features")
            for _ in range(60):
                a *= 1.01

    assert all(spent(work) > 0 for work in (normal, batch, writable))
    with NumPack("data.npk") as npk:
        np.testing.assert_allclose(npk["features"], data["features"] * 1.01**180, rtol=1e-3)


def test_writable_batch_mode(data):
    with NumPack("data.npk") as npk:
        with npk.writable_batch_mode() as wb:
            for _ in range(10):
                a = wb.load("features")
                a *= 2
                wb.save({"features": a})
            assert not a.flags["OWNDATA"] and a.flags["WRITEABLE"]
            a[0, 0] = 999
    with NumPack("data.npk") as npk:
        want = data["features"] * 1024
        want[0, 0] = 999
        np.testing.assert_array_equal(npk["features"], want)


def test_writable_in_chunks(data):
    with NumPack("data.npk") as npk:
        with npk.writable_batch_mode() as wb:
            a, labels = wb.load("features"), wb.load("labels")
            for i in range(0, len(a), 30):
                a[i : i + 30] *= 2
            labels += 1
        np.testing.assert_array_equal(npk["features"], data["features"] * 2)
        np.testing.assert_array_equal(npk["labels"], data["labels"] + 1)


def test_both_modes_in_turn(data):
    with NumPack("data.npk") as npk:
        npk.save({"metadata": np.arange(20)})
        with npk.writable_batch_mode() as wb:
            large = wb.load("features")
            large *= 2
        with npk.batch_mode():
            npk.save({"metadata": npk.load("metadata").reshape(-1, 10)})
            for name in ("features", "labels"):
                a = npk.load(name)
                a += 1
                npk.save({name: a})
        assert npk["metadata"].shape == (2, 10)
        np.testing.assert_array_equal(npk["features"], data["features"] * 2 + 1)


def test_a_shape_can_not_change_in_the_file(data):
    with NumPack("data.npk") as npk, npk.writable_batch_mode() as wb:
        a = wb.load("features").reshape(-1, 10)
        with pytest.raises(ValueError):  # NumPack says nothing, and saves nothing
            wb.save({"features": a})


def test_one_mode_within_the_other(data):
    with NumPack("data.npk") as npk:  # undefined in the guide
        with npk.batch_mode():
            a = npk.load("features")
            a += 1
            npk.save({"features": a})
            with npk.writable_batch_mode() as wb:
                mapped = wb.load("features")
                mapped *= 2
        np.testing.assert_array_equal(npk["features"], (data["features"] + 1) * 2)


def test_lazily_then_by_size(data):
    with NumPack("data.npk") as npk:
        lazy = npk.load("features", lazy=True)
        assert lazy.shape == (100, 20) and lazy.nbytes == 8000
        with npk.writable_batch_mode() as wb:
            wb.load("features")[:] *= 2
        with npk.batch_mode():
            a = npk.load("features")
            a *= 2
            npk.save({"features": a})
        np.testing.assert_array_equal(npk["features"], data["features"] * 4)


def test_batches_that_fail(data):
    with NumPack("data.npk") as npk:
        with pytest.raises(ValueError), npk.batch_mode():
            a = npk.load("features")
            a *= 2
            npk.save({"features": a})
            raise ValueError("Something went wrong")
        with pytest.raises(ValueError), npk.writable_batch_mode() as wb:
            a = wb.load("features")
            a *= 2
            raise ValueError("Something went wrong")
    with NumPack("data.npk") as npk:
        np.testing.assert_array_equal(npk["features"], data["features"] * 4)


# 04: advanced features


def test_lazy_arrays(data):
    a = data["features"]
    with NumPack("data.npk") as npk:
        lazy = npk.load("features", lazy=True)
        assert (lazy.shape, lazy.ndim, lazy.size, lazy.dtype, lazy.nbytes) == (
            (100, 20),
            2,
            2000,
            a.dtype,
            8000,
        )
        for key in (
            0,
            slice(10, 20),
            slice(None, None, 10),
            [0, 10, 20],
            np.array([1, 5, 10]),
            a[:, 0] > 0.5,
        ):
            np.testing.assert_array_equal(lazy[key], a[key])
        for i, row in enumerate(lazy):
            np.testing.assert_array_equal(row, a[i])
        for i in range(0, len(lazy), 30):
            np.testing.assert_array_equal(lazy[i : i + 30], a[i : i + 30])
        np.testing.assert_array_equal(np.asarray(lazy[10:20]), a[10:20])
        np.testing.assert_array_equal(np.asarray(lazy), a)
        assert lazy[0:10].tolist() == a[:10].tolist()
        assert [len(lazy[:80]), len(lazy[80:90]), len(lazy[90:])] == [80, 10, 10]
        np.testing.assert_array_equal(lazy[10:20, 5:10], a[10:20, 5:10])
        np.testing.assert_array_equal(lazy[:, [0, 5, 10]], a[:, [0, 5, 10]])
        np.testing.assert_array_equal(lazy[::10, :], a[::10, :])


def test_lazy_again_and_again(data):
    for i in range(5):
        with NumPack("data.npk") as npk:
            np.testing.assert_array_equal(npk.load("features", lazy=True)[i], data["features"][i])


def test_streamed_mean(data):
    with NumPack("data.npk") as npk:
        total = sum(batch.sum(dtype="f8") for batch in npk.stream_load("features", buffer_size=30))
    assert total == pytest.approx(data["features"].sum(dtype="f8"))


def test_streamed_from_pack_to_pack(data):
    with NumPack("data.npk") as source, NumPack("output.npk", drop_if_exists=True) as target:
        first = True
        for batch in source.stream_load("features", buffer_size=30):
            if first:
                target.save({"transformed": batch * 2})
                first = False
            else:
                target.append({"transformed": batch * 2})
    with NumPack("output.npk") as npk:
        np.testing.assert_array_equal(npk["transformed"], data["features"] * 2)


def test_streams_side_by_side(data):
    with NumPack("data.npk") as npk:
        streams = zip(npk.stream_load("features", buffer_size=7), npk.stream_load("labels", buffer_size=7))
        assert all(len(x) == len(y) for x, y in streams)


def test_fancy_and_boolean(data):
    a, labels = data["features"], data["labels"]
    with NumPack("data.npk") as npk:
        np.testing.assert_array_equal(npk.getitem("features", np.array([0, 10, 40])), a[[0, 10, 40]])
        np.testing.assert_array_equal(npk.load("features", lazy=True)[[0, 99, 20]], a[[0, 99, 20]])
        mask = npk.load("labels") == 1
        np.testing.assert_array_equal(npk.load("features", lazy=True)[mask], a[labels == 1])


def test_in_place_operations(data):
    want = data["features"]
    with NumPack("data.npk") as npk:
        with npk.writable_batch_mode() as wb:
            for a in (wb.load("features"), want):
                a += 5
                a -= 2
                a *= 3
                a /= 4
                a **= 2
                np.sqrt(a, out=a)
                np.exp(a, out=a)
                np.log(a, out=a)
                np.sin(a, out=a)
                a[0] = 999.0
                a[10:20] = 0.0
                a[:, 0] = 1.0
                a[a < 0] = 0
        np.testing.assert_array_equal(npk["features"], want)


def test_in_chunks_and_pipelines(data):
    def chunks(npk, name, size=30):
        rows = npk.get_shape(name)[0]
        for start in range(0, rows, size):
            yield npk.getitem(name, list(range(start, min(start + size, rows))))

    def pipeline(npk, name, size=30):
        for batch in npk.stream_load(name, buffer_size=size):
            yield (batch - batch.mean()) / batch.std()

    with NumPack("data.npk") as npk:
        np.testing.assert_array_equal(np.concatenate(list(chunks(npk, "features"))), data["features"])
        assert [b.shape for b in pipeline(npk, "features")] == [(30, 20)] * 3 + [(10, 20)]
        lazy = npk.load("features", lazy=True)
        for i in range(0, len(lazy), 30):
            np.testing.assert_array_equal(
                np.log(lazy[i : i + 30] * 2 + 1), np.log(data["features"][i : i + 30] * 2 + 1)
            )


def test_memory(folder):
    resource = pytest.importorskip("resource")
    peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024  # noqa: E731
    if platform.system() != "Linux":
        pytest.skip("ru_maxrss is in other units")
    with NumPack("large.npk") as npk:
        for i in range(40):
            a = np.full((10_000, 100), i, "f4")  # 4 MB
            npk.append({"a": a}) if i else npk.save({"a": a})
    gc.collect()
    with NumPack("large.npk") as npk:
        before = peak()
        assert sum(len(b) for b in npk.stream_load("a", buffer_size=1000)) == 400_000
        npk.drop("a", [0])
        npk.update("a")
        assert npk.get_shape("a") == (399_999, 100)
        assert peak() - before < 100  # of 160 MB


def test_windows_and_platforms(data):
    with NumPack("data.npk") as npk:
        npk.save({"data": features()})
        npk.load("data")
    assert force_cleanup_windows_handles()
    strict = get_backend_info()["is_windows"]
    with NumPack("data.npk", strict_context_mode=strict) as npk:
        assert npk.has_array("data")


@pytest.mark.parametrize("mode", ["eager", "lazy", "stream", "writable_batch"])
def test_loading_modes(data, mode):
    with NumPack("data.npk") as npk:
        if mode == "eager":
            got = npk.load("features")
        elif mode == "lazy":
            got = npk.load("features", lazy=True)[:]
        elif mode == "stream":
            got = np.concatenate(list(npk.stream_load("features", buffer_size=10000)))
        else:
            with npk.writable_batch_mode() as wb:
                got = wb.load("features")
    np.testing.assert_array_equal(got, data["features"])


def test_one_row_at_a_time(data):
    want = data["features"]
    with NumPack("data.npk") as npk:
        for i in range(5):
            a = npk.load("features")
            a[i] *= 2
            npk.save({"features": a})
        with npk.batch_mode():
            for i in range(5, 100):
                a = npk.load("features")
                a[i] *= 2
                npk.save({"features": a})
    with NumPack("data.npk") as npk:
        np.testing.assert_array_equal(npk["features"], want * 2)


def test_complete_advanced_example(folder):
    with NumPack("advanced_demo.npk", drop_if_exists=True) as npk:
        npk.save({"features": features(1000), "labels": np.zeros(1000, np.int32)})
    with NumPack("advanced_demo.npk") as npk:
        npk.load("features", lazy=True)[:100].mean()
        batches = list(npk.stream_load("features", buffer_size=100))
        mean = np.float32(sum(b.sum() for b in batches) / sum(b.size for b in batches))
        with npk.writable_batch_mode() as wb:
            a = wb.load("features")
            for i in range(0, len(a), 100):
                chunk = a[i : i + 100]
                chunk -= mean
                chunk /= chunk.std()
    with NumPack("advanced_demo.npk") as npk, npk.batch_mode():
        a = npk.load("features")
        a += rng.standard_normal(a.shape) * 0.01
        npk.save({"features": a})
        more = (a + rng.standard_normal(a.shape) * 0.05).astype(
            np.float32
        )  # the guide's is of float64: ValueError
        npk.append({"features": more[:100], "labels": npk.load("labels")[:100]})
    with NumPack("advanced_demo.npk") as npk:
        assert npk.get_shape("features") == (1100, 20) and npk.get_shape("labels") == (1100,)


# 05: performance


def test_several_ways_to_change(data):
    with NumPack("data.npk") as npk:
        lazy = npk.load("features", lazy=True)
        assert np.isfinite(np.mean(lazy))
        with npk.writable_batch_mode() as wb:
            wb.load("features")[:] += 1
        with npk.batch_mode():
            a = npk.load("features")
            npk.append({"features": a[:10]})
        np.testing.assert_array_equal(
            npk["features"], np.concatenate([data["features"] + 1, data["features"][:10] + 1])
        )


def test_smaller_dtypes(folder):
    with NumPack("optimized.npk", drop_if_exists=True) as npk:
        a = rng.random((100, 10))
        npk.save({"data": a, "f4": a.astype(np.float32), "f2": a.astype(np.float16)})
        sizes = {name: m["size_bytes"] for name, m in npk.get_metadata()["arrays"].items()}
    assert sizes == {"data": 8000, "f4": 4000, "f2": 2000}


def test_statistics_and_buffer_sizes(data):
    with NumPack("data.npk") as npk:
        row = npk.load("features", lazy=True).dtype.itemsize * npk.get_shape("features")[1]
        size = min(max((100 << 20) // row, 10), 30)
        total = square = count = 0.0
        for batch in npk.stream_load("features", buffer_size=size):
            total, square, count = total + batch.sum(), square + (batch**2).sum(), count + batch.size
        a = npk.load("features")
    assert total / count == pytest.approx(a.mean(), rel=1e-4)
    assert np.sqrt(square / count - (total / count) ** 2) == pytest.approx(a.std(), rel=1e-3)


def test_many_drops_and_one(data):
    with NumPack("data.npk") as npk:
        for i in range(20):
            npk.drop("features", [i])  # each of the rows that are left
        np.testing.assert_array_equal(
            npk["features"], data["features"][1:40:2].tolist() + data["features"][40:].tolist()
        )
        npk.drop("features", list(range(50)))
        npk.update("features")
        assert npk.get_shape("features") == (30, 20)


def test_a_loader_for_training(data):
    class DataLoader:
        def __enter__(self):
            self.npk = NumPack("data.npk").__enter__()
            self.x, self.y = (self.npk.load(name, lazy=True) for name in ("features", "labels"))
            return self

        def __exit__(self, *args):
            return self.npk.__exit__(*args)

        def __iter__(self):
            order = rng.permutation(len(self.x))
            for i in range(0, len(order), 32):
                yield self.x[order[i : i + 32]], self.y[order[i : i + 32]]

    with DataLoader() as loader:
        for _ in range(2):
            batches = list(loader)
            assert [x.shape for x, _ in batches] == [(32, 20)] * 3 + [(4, 20)]
            assert sorted(np.concatenate([y for _, y in batches])) == sorted(data["labels"])


def test_annotation(data):
    with NumPack("data.npk") as source, NumPack("annotations.npk") as notes:
        if not notes.has_array("labels"):
            notes.save({"labels": np.full(source.get_shape("features")[0], -1, np.int32)})
        with notes.writable_batch_mode() as wb:
            labels = wb.load("labels")
            for i, sample in enumerate(source.load("features", lazy=True)):
                labels[i] = int(sample.sum())
    with NumPack("annotations.npk") as npk:
        np.testing.assert_array_equal(npk["labels"], [int(r.sum()) for r in data["features"]])


def test_feature_engineering(data):
    with NumPack("data.npk") as source, NumPack("engineered.npk", drop_if_exists=True) as target:
        first = True
        for batch in source.stream_load("features", buffer_size=30):
            made = np.concatenate([batch, batch**2, batch[:, :10] * batch[:, 10:20]], axis=1)
            if first:
                target.save({"features": made})
                first = False
            else:
                target.append({"features": made})
        assert target.get_shape("features") == (100, 50)


def test_checkpoints(folder):
    for epoch in range(3):
        with NumPack("model_checkpoint.npk") as npk, npk.batch_mode():
            for name in ("a", "b"):
                npk.save({f"weights_{name}": np.full((3, 2), epoch, "f4"), f"optimizer_{name}": np.zeros(2)})
            npk.save({"epoch": np.array([epoch]), "metrics": np.array([0.5, 0.95])})
    with NumPack("model_checkpoint.npk") as npk:
        weights = {name[8:]: npk.load(name) for name in npk.get_member_list() if name.startswith("weights_")}
        assert sorted(weights) == ["a", "b"] and (weights["a"] == 2).all()
        assert npk.load("epoch")[0] == 2 and npk.load("metrics").tolist() == [0.5, 0.95]


def test_timed(data):
    def load(lazy):
        with NumPack("data.npk") as npk:
            npk.load("features", lazy=lazy)

    assert min(timeit.repeat(lambda: load(True), number=3, repeat=2)) > 0
    assert min(timeit.repeat(lambda: load(False), number=3, repeat=2)) > 0


# 06: quick reference


def test_create_read_change_delete(data):
    with NumPack("data.npk") as npk:
        npk.save({"data": rng.random((100, 5))})
        a = npk.load("data")
        new = rng.random((3, 5))
        npk.replace({"data": new}, [0, 1, 2])
        npk.replace({"data": rng.random((10, 5))}, slice(0, 10))
        npk.append({"data": new})
        npk.drop("data", [0, 1, 2])
        np.testing.assert_array_equal(npk["data"][7:97], a[10:])
        np.testing.assert_array_equal(npk["data"][97:], new)


def test_lazy_operations(data):
    with NumPack("data.npk") as npk:
        lazy = npk.load("features", lazy=True)
        assert lazy[0].shape == (20,) and lazy[10:20].shape == (10, 20) and lazy[[0, 10, 20]].shape == (3, 20)
        assert lazy.size == 2000 and np.asarray(lazy).shape == lazy.shape
        assert np.isfinite([lazy[:50].mean(), lazy[:50].std()]).all()


def test_mean_by_stream(data):
    with NumPack("data.npk") as npk:
        total = sum(batch.sum() for batch in npk.stream_load("labels", buffer_size=30))
        assert total / npk.get_shape("labels")[0] == data["labels"].mean()


def test_training_over_lazy_arrays(data):
    with NumPack("data.npk") as npk:
        x, y = npk.load("features", lazy=True), npk.load("labels", lazy=True)
        assert sum(len(x[i : i + 16]) == len(y[i : i + 16]) for i in range(0, len(x), 16)) == 7


def test_troubles(data):
    with pytest.raises(RuntimeError, match="not opened"):
        NumPack("data.npk").load("features")
    with NumPack("data.npk") as npk:
        if not npk.has_array("array"):
            assert npk.get_member_list() == ["features", "labels"]
        rows, cols = npk.get_shape("features")
        npk.replace({"features": features(10, cols)}, list(range(10)))
        with pytest.raises(ValueError):
            npk.replace({"features": features(10, cols + 1)}, list(range(10)))
    npk = NumPack("data.npk", strict_context_mode=True)
    with npk:
        npk.save({"data": features()})
