"""The NumPack class over packs: what it reads, writes and refuses."""

import itertools
import json
import os
import pickle
import struct
import threading
import warnings

import numpy as np
import pytest

from betongo import errors
from betongo.numpack import LazyArray, NumPack, get_backend_info

DTYPES = "? u1 u2 u4 u8 i1 i2 i4 i8 f2 f4 f8 c8 c16".split()


def some(dtype, shape, seed=1):
    """Values of a dtype, no two rows alike."""
    rng = np.random.default_rng(seed)
    n = int(np.prod(shape))
    return rng.integers(0, 2 if dtype == "?" else 100, n).astype(dtype).reshape(shape)


def files(path):
    return sorted(os.path.relpath(os.path.join(d, f), path) for d, _, fs in os.walk(path) for f in fs)


@pytest.fixture
def pack(tmp_path):
    with NumPack(tmp_path / "p.npk") as p:
        yield p


def again(p):
    """The pack as another process sees it."""
    p.flush()
    other = NumPack(p._filename)
    other.open()
    return other


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(5,), (0, 3), (4, 0), (3, 2), (2, 3, 4), (1, 1, 1, 2)])
def test_round_trip(pack, dtype, shape):
    a = some(dtype, shape)
    pack.save({"a": a})
    for p in (pack, again(pack)):
        got = p.load("a")
        assert got.dtype == a.dtype and got.shape == shape and p.get_shape("a") == shape
        np.testing.assert_array_equal(got, a)
        assert got.flags.writeable and got.flags.owndata
        lazy = p.load("a", lazy=True)
        assert (lazy.shape, lazy.dtype, lazy.ndim, lazy.size, lazy.nbytes) == (
            shape,
            a.dtype,
            a.ndim,
            a.size,
            a.nbytes,
        )
        np.testing.assert_array_equal(lazy[:], a)


@pytest.mark.parametrize("dtype", [">i4", ">f8", ">c8", ">f2"])
def test_big_endian_is_stored_little(pack, dtype):
    a = some(dtype, (3, 2))
    pack.save({"a": a})
    pack.append({"a": a})
    pack.replace({"a": a[:1] + 1}, [0])
    got = again(pack).load("a")
    assert got.dtype == np.dtype(dtype).newbyteorder("<")
    np.testing.assert_array_equal(got, np.concatenate([a[:1] + 1, a[1:], a]))


def test_fortran_and_strides(pack):
    base = some("f4", (6, 8))
    for a in (np.asfortranarray(base), base[::2, ::-1], base.T, base[:, 1]):
        pack.save({"a": a})
        pack.append({"a": a})
        np.testing.assert_array_equal(again(pack).load("a"), np.concatenate([a, a]))


def test_refused_dtypes(pack):
    bad = [
        np.array(["a"]),
        np.array([b"a"]),
        np.array([None]),
        np.zeros(2, "M8[s]"),
        np.zeros(2, "g"),
        np.zeros(2, [("a", "i4")]),
    ]
    for a in bad:
        for kind in (TypeError, ValueError):
            with pytest.raises(kind, match="array 'x'"):
                pack.save({"ok": np.zeros(1), "x": a})
    assert pack.get_member_list() == []  # not one of them was saved
    with pytest.raises(TypeError, match="masked"):
        pack.save({"x": np.ma.array([1, 2])})
    with pytest.raises(TypeError, match="want an array"):
        pack.save({"x": [1, 2]})
    with pytest.raises(ValueError, match="dictionary"):
        pack.save([1])


def test_scalars_are_refused(pack):
    with pytest.raises(ValueError, match="scalar"):
        pack.save({"x": np.array(3.0)})
    with pytest.raises(ValueError, match="scalar"):
        pack.save({"x": np.float64(3.0)})


@pytest.mark.parametrize("name", ["a/b", "a\\b", "a\0b", "x" * 201, "\ud800"])
def test_refused_names(pack, name):
    with pytest.raises(ValueError, match="name"):
        pack.save({name: np.zeros(1)})
    with pytest.raises(TypeError):
        pack.save({3: np.zeros(1)})


@pytest.mark.parametrize(
    "name", ["", ".", "..", "größe", "a b", "metadata", "x" * 200, "a.gen2", "deleted_a"]
)
def test_odd_names(pack, name):
    pack.save({name: np.arange(3)})
    pack.drop(name, 0)
    assert again(pack).load(name).tolist() == [1, 2]


def test_append_after_drop(pack):
    pack.save({"a": np.arange(70)})
    pack.drop("a", list(range(0, 70, 2)))
    pack.append({"a": np.arange(100, 105)})
    want = [*range(1, 70, 2), *range(100, 105)]
    for p in (pack, again(pack)):
        assert p.load("a").tolist() == want
        assert p.get_shape("a") == (len(want),)
    raw = (pack._filename / "deleted_a.npkb").read_bytes()
    assert struct.unpack("<QQ", raw[:16]) == (75, 35)  # the count is right too


def test_drop_means_rows_that_are_left(pack):
    pack.save({"a": np.arange(10)})
    pack.drop("a", [0, 1])
    pack.drop("a", [0, -1, 0])
    assert pack.load("a").tolist() == [3, 4, 5, 6, 7, 8]
    pack.drop("a", slice(None, None, 2))
    assert pack.load("a").tolist() == [4, 6, 8]
    pack.drop("a", np.array([False, True, False]))
    assert pack.load("a").tolist() == [4, 8]
    pack.drop("a", (1,))
    pack.drop("a", 0)
    assert again(pack).get_shape("a") == (0,)
    pack.append({"a": np.array([5, 6])})
    assert again(pack).load("a").tolist() == [5, 6]


def test_drop_out_of_range(pack):
    pack.save({"a": np.arange(5), "b": np.arange(3)})
    for rows in (5, -6, [0, 7], np.array([1, 99])):
        with pytest.raises(IndexError, match="row"):
            pack.drop("a", rows)
    with pytest.raises(IndexError):
        pack.drop(["a", "b"], [4])  # b has none
    assert again(pack).load("a").tolist() == [0, 1, 2, 3, 4]
    for rows in ("q", 1.5, [1.5], [[0, 1]], True):
        with pytest.raises(ValueError):
            pack.drop("a", rows)
    with pytest.raises(KeyError):
        pack.drop("x", [0])


def test_whole_arrays_stay_listed(pack):
    pack.save({"a": np.ones((4, 2), "f4"), "b": np.arange(3)})
    pack.drop(["a", "nothing"])
    assert pack.get_member_list() == ["a", "b"] and pack.has_array("a")
    got = again(pack).load("a")
    assert got.shape == (0, 2) and got.dtype == np.float32
    pack.update("a")
    assert again(pack).get_metadata()["arrays"]["a"]["shape"] == [0, 2]
    pack.save({"a": np.ones(2)})
    assert pack.load("a").tolist() == [1, 1]


def test_replace(pack):
    a = np.arange(20.0).reshape(10, 2)
    pack.save({"a": a})
    pack.replace({"a": np.full((2, 2), -1.0)}, slice(0, 10, 9))
    pack.replace({"a": np.array([7.0, 8.0])}, 4)  # one row without its dimension
    pack.replace({"a": np.array([[1.0, 1], [2, 2]])}, [3, 3])  # the last one stays
    a[[0, 9]], a[4], a[3] = -1, [7, 8], 2
    np.testing.assert_array_equal(pack.load("a"), a)
    np.testing.assert_array_equal(pack.getitem("a", [3, -1]), a[[3, -1]])
    assert not (pack._filename / "npk.patch").exists()
    np.testing.assert_array_equal(pack.load("a", lazy=True)[:], a)
    np.testing.assert_array_equal(again(pack).load("a"), a)
    assert files(pack._filename) == ["data_a.npkd", "metadata.npkm"]
    pack.drop("a", [0, 5])
    pack.replace({"a": np.zeros((1, 2))}, -1)
    a = np.delete(a, [0, 5], 0)
    a[-1] = 0
    np.testing.assert_array_equal(again(pack).load("a"), a)


def test_replace_refused(pack):
    pack.save({"a": np.zeros((4, 2)), "b": np.zeros((2, 2))})
    with pytest.raises(ValueError, match="shape"):
        pack.replace({"a": np.zeros((3, 2))}, [0, 1])
    with pytest.raises(ValueError, match="dtype"):
        pack.replace({"a": np.zeros((1, 2), "f4")}, [0])
    with pytest.raises(IndexError):
        pack.replace({"a": np.ones((1, 2)), "b": np.ones((1, 2))}, [3])
    with pytest.raises(KeyError):
        pack.replace({"x": np.zeros((1, 2))}, 0)
    assert not pack.load("a").any()  # nothing of a call that failed


def test_append_refused(pack):
    pack.save({"a": np.zeros((4, 2)), "b": np.zeros(3)})
    bad = [np.zeros((1, 3)), np.zeros(2), np.zeros((1, 2, 1)), np.zeros((1, 2), "f4"), np.zeros((1, 2), "i8")]
    for rows in bad:
        with pytest.raises(ValueError, match="array 'a'"):
            pack.append({"b": np.zeros(1), "a": rows})
    with pytest.raises(ValueError, match="no array"):
        pack.append({"b": np.zeros(1), "x": np.zeros(1)})
    assert pack.get_shape("b") == (3,)


def test_getitem(pack):
    a = some("i4", (10, 3))
    pack.save({"a": a})
    assert pack.getitem("a", 2).shape == (1, 3)  # as NumPack has it
    for key in (
        slice(2, 5),
        slice(None, None, -3),
        [9, 0, 0],
        np.array([-1, 1], "u1"[::-1] and "i2"),
        range(3),
    ):
        want = a[list(key)] if isinstance(key, range) else a[key]
        np.testing.assert_array_equal(pack.getitem("a", key), want)
    assert pack.getitem("a", []).shape == (0, 3)
    with pytest.raises(IndexError):
        pack.getitem("a", 10)
    with pytest.raises(KeyError):
        pack.getitem("x", 0)


def test_stream(pack):
    a = some("f4", (1000, 3))
    pack.save({"a": a})
    for drop in ([], [0, 5, 999], list(range(100, 700))):
        if drop:
            pack.drop("a", drop)
            a = np.delete(a, drop, 0)
        for size in (1, 7, 333, 10**6):
            got = list(pack.stream_load("a", size))
            assert {len(b) for b in got[:-1]} <= {size}
            np.testing.assert_array_equal(np.concatenate(got), a)
            assert all(b.flags.writeable for b in got)
    assert [b.shape for b in pack.stream_load("a")][:2] == [(1, 3)] * 2
    stream = pack.stream_load("a", 300)
    first = next(stream)
    pack.save({"a": np.zeros((1, 3))})
    pack.close()
    np.testing.assert_array_equal(np.concatenate([first, *stream]), a)  # of the array as it was
    pack.open()
    with pytest.raises(ValueError):
        pack.stream_load("a", 0)
    with pytest.raises(KeyError):
        pack.stream_load("x", 1)


def test_update_gives_the_room_back(pack):
    pack.save({"a": np.arange(1000), "b": np.arange(3)})
    pack.drop("a", slice(0, 990))
    pack.update("a")
    pack.update("b")
    pack.flush()
    assert files(pack._filename) == ["data_a.gen2.npkd", "data_b.npkd", "metadata.npkm"]
    assert (pack._filename / "data_a.gen2.npkd").stat().st_size == 80
    pack.drop("a", 0)
    pack.update("a")
    pack.flush()
    assert "data_a.npkd" in files(pack._filename)  # the name is used again
    assert again(pack).load("a").tolist() == list(range(991, 1000))
    with pytest.raises(KeyError):
        pack.update("x")


def test_clone(pack):
    pack.save({"a": np.arange(10)})
    pack.drop("a", [0])
    pack.replace({"a": np.array([50])}, 0)
    pack.clone("a", "b")
    pack.append({"b": np.array([1])})
    assert pack.load("a").tolist() == [50, *range(2, 10)]
    assert again(pack).load("b").tolist() == [50, *range(2, 10), 1]
    with pytest.raises(KeyError):
        pack.clone("x", "y")
    with pytest.raises(ValueError, match="already"):
        pack.clone("a", "b")


def test_metadata(pack):
    assert pack.get_metadata() == {"arrays": {}, "base_dir": str(pack._filename), "total_arrays": 0}
    pack.save({"a": np.ones((3, 2), "f4")})
    pack.drop("a", 0)
    got = pack.get_metadata()
    when = got["arrays"]["a"].pop("last_modified")
    assert got["arrays"] == {
        "a": {"shape": [3, 2], "data_file": "data_a.npkd", "size_bytes": 24, "dtype": "Float32"}
    }
    assert when == pack.get_modify_time("a") > 1.6e15
    assert pack.get_modify_time("x") is None
    assert pack.get_io_stats()["stats_available"] is False
    assert get_backend_info()["backend_type"] == pack.backend_type == "numpy"


def test_names(pack):
    pack.save({"b": np.zeros(1), "a": np.zeros(2)})
    assert pack.get_member_list() == list(pack) == ["b", "a"]
    assert len(pack) == 2 and "a" in pack and "x" not in pack and pack["a"].shape == (2,)
    assert "arrays=2" in repr(pack)
    for call in (pack.load, pack.get_shape, lambda name: pack.load(name, lazy=True), pack.__getitem__):
        with pytest.raises(KeyError, match="no array 'x'"):
            call("x")
    pack.reset()
    assert pack.get_member_list() == []
    pack.flush()
    assert files(pack._filename) == ["metadata.npkm"]


def test_open_and_close(tmp_path):
    p = NumPack(tmp_path / "new" / "p.npk")
    assert p.is_closed and not p.is_opened and not (tmp_path / "new").exists()
    for call in (
        lambda: p.load("a"),
        lambda: p.save({}),
        p.get_member_list,
        lambda: p.drop("a"),
        p.get_metadata,
        p.reset,
    ):
        with pytest.raises(RuntimeError, match="not opened or has been closed"):
            call()
    p.close()
    p.open()
    p.open()
    assert p.is_opened
    p.save({"a": np.arange(3)})
    p.close()
    p.close()
    with p as same:
        assert same is p and p["a"].tolist() == [0, 1, 2]
    assert p.is_closed and "closed" in repr(p)
    with NumPack(str(tmp_path / "empty")) as q:
        assert len(q) == 0 and q
    assert files(tmp_path / "empty") == ["metadata.npkm"]
    with NumPack(tmp_path / "empty"):
        pass


def test_strict_mode_and_warning(tmp_path):
    p = NumPack(tmp_path / "p", strict_context_mode=True)
    p.open()
    with pytest.raises(RuntimeError, match="strict context mode"):
        p.save({"a": np.zeros(1)})
    with p:
        p.save({"a": np.zeros(1)})
    with pytest.warns(UserWarning):
        NumPack(tmp_path / "p", warn_no_context=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        NumPack(tmp_path / "p", warn_no_context=False)
    with NumPack(tmp_path / "p", force_gc_on_close=True) as q:
        assert q["a"].tolist() == [0]
    q.close(force_gc=True)


def test_an_exception_keeps_what_was_done(tmp_path):
    with pytest.raises(ZeroDivisionError), NumPack(tmp_path / "p") as p:
        p.save({"a": np.arange(3)})
        1 / 0
    with NumPack(tmp_path / "p") as p:
        assert p["a"].tolist() == [0, 1, 2]


def test_drop_if_exists(tmp_path):
    with NumPack(tmp_path / "p") as p:
        p.save({"a": np.arange(3), "b": np.arange(900)})
    with NumPack(tmp_path / "p", drop_if_exists=True) as p:
        assert len(p) == 0
        p.save({"c": np.arange(2)})
        p.close()
        p.open()  # once only
        assert p.get_member_list() == ["c"]
    (tmp_path / "file").write_bytes(b"x")
    with NumPack(tmp_path / "file", drop_if_exists=True) as p:
        p.save({"c": np.arange(2)})
    mine = tmp_path / "mine"
    mine.mkdir()
    for name in ("thesis.txt", "data_2020.csv"):
        (mine / name).write_text("years of work")
        for drop in (True, False):
            with pytest.raises(FileExistsError):
                NumPack(mine, drop_if_exists=drop).open()
        assert (mine / name).exists()
        (mine / name).unlink()
    (mine / "data_a.npkd").write_bytes(b"x")  # as NumPack leaves it behind a kill
    with NumPack(mine, drop_if_exists=True):
        assert files(mine) == []
    (tmp_path / "plain").write_bytes(b"x")
    with pytest.raises(OSError):
        NumPack(tmp_path / "plain").open()


# Segments


@pytest.mark.parametrize("segment", [1, 24, 100, 10**6])
def test_segments(tmp_path, segment):
    a = some("f4", (50, 3))
    with NumPack(tmp_path / "p", segment_bytes=segment) as p:
        p.save({"a": a, "one": a[:1]})
        p.append({"a": a[:7]})
        a = np.concatenate([a, a[:7]])
        p.drop("a", [0, 13, 56])
        a = np.delete(a, [0, 13, 56], 0)
        p.replace({"a": a[:3]}, [20, 21, 22])
        a[20:23] = a[:3]
    with NumPack(tmp_path / "p", segment_bytes=segment) as p:
        np.testing.assert_array_equal(p["a"], a)
        np.testing.assert_array_equal(p.load("a", lazy=True)[::-1], a[::-1])
        np.testing.assert_array_equal(np.concatenate(list(p.stream_load("a", 11))), a)
        np.testing.assert_array_equal(p.getitem("a", [40, 3, 3]), a[[40, 3, 3]])
        p.clone("a", "b")
        p.update("a")
        np.testing.assert_array_equal(p["b"], a)
    with NumPack(tmp_path / "p") as p:
        np.testing.assert_array_equal(p["a"], a)
        with p.writable_batch_mode() as w:
            w.load("a")[:] += 1
        np.testing.assert_array_equal(p["a"], a + 1)


def test_segments_from_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMPACK_SEGMENT_TARGET_BYTES", "100")
    with NumPack(tmp_path / "p") as p:
        p.save({"a": np.arange(100)})
    doc = json.loads((tmp_path / "p" / "data_a.npkseg").read_text())
    assert doc["version"] == 1 and [s["rows"] for s in doc["segments"]] == [12] * 8 + [4]
    assert doc["segments"][0] == {"file": "data_a_segments/seg_000000.npkd", "rows": 12, "bytes": 96}


def test_segments_are_read_lazily(tmp_path):
    n = 1 << 22
    with NumPack(tmp_path / "p", segment_bytes=1 << 23) as p:
        p.save({"a": np.arange(n)})
        lazy = p.load("a", lazy=True)
        assert len(lazy._parts) == 4 and not any(q.flags.owndata for q in lazy._parts)
        assert lazy[[0, n // 2, -1]].tolist() == [0, n // 2, n - 1]


def test_more_segments_than_files_may_be_open(tmp_path):
    a = np.arange(700)
    with NumPack(tmp_path / "p", segment_bytes=8) as p:
        p.save({"a": a})
        lazy = p.load("a", lazy=True)
        assert lazy[::-1].tolist() == a[::-1].tolist() and lazy[[699, 0, 300]].tolist() == [699, 0, 300]
        assert len(lazy._parts.made) <= 256
        stream = p.stream_load("a", 10)
        assert np.concatenate(list(stream)).tolist() == a.tolist()
        assert p["a"].tolist() == a.tolist()


# Lazy arrays


def kinds(tmp_path):
    """The same array as one file, in segments, with dropped rows, and both."""
    a = some("i4", (30, 4, 3))
    rows = np.arange(60) // 2
    for i, (segment, drop) in enumerate(itertools.product((0, 200), (False, True))):
        with NumPack(tmp_path / f"{i}", segment_bytes=segment) as p:
            p.save({"a": a[rows] if drop else a})
            if drop:
                p.drop("a", slice(0, 60, 2))
        with NumPack(tmp_path / f"{i}") as p:
            yield a, p.load("a", lazy=True)


KEYS = [
    0, -1, np.int64(3), 29, slice(None), slice(2, 5), slice(None, None, -1), slice(20, 5, -4), slice(5, 5), [0, 2, 2], [-1, 5],
    [], np.array([], int), np.arange(30) % 3 == 0, [True] * 30, np.zeros(30, bool), Ellipsis, None, (None, 3), (3, None),
    (1, 2), (1, 2, 0), (slice(0, 9), 1), (slice(None), [0, 2]), ([0, 1, 5], [1, 2, 3]), ([0, 1, 5], 2), (3, [0, 2]),
    ([[0], [1]], [0, 2]), (Ellipsis, 1), (slice(None), Ellipsis, 0), (Ellipsis, slice(1, 3), 1), (4, Ellipsis),
    (None, slice(1, 3), None, 2), (np.array([[1, 2], [3, 4]]),), (slice(3, 9), slice(None), [0, 2]), (7, slice(None), [0, 2]),
    ([1, 2], slice(None), [0, 2]), (slice(None), np.array([True, False, True, False])), (Ellipsis, None), (0, 0, 0, Ellipsis),
    np.ones((30, 4), bool), np.array(4), (),
]  # fmt: skip


def test_lazy_indexing_is_numpys(tmp_path):
    for a, lazy in kinds(tmp_path):
        for key in [*KEYS, some("i8", (30, 4, 3)) > 50]:
            want, got = a[key], lazy[key]
            assert type(got) is type(want) and got.dtype == want.dtype and got.shape == want.shape, key
            np.testing.assert_array_equal(got, want, err_msg=str(key))
            if isinstance(got, np.ndarray):
                assert got.flags.writeable, key
                got[...] = 0
        np.testing.assert_array_equal(lazy[:], a)  # none of them was a view
        for key in (
            30,
            -31,
            [0, 30],
            (0, 4),
            (0, 0, 0, 0),
            [True],
            np.ones((30, 3), bool),
            1.5,
            "a",
            (slice(None), 7),
        ):
            with pytest.raises(IndexError):
                lazy[key]


def test_lazy_slices_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr("betongo.numpack._lazy.CHUNK", 100)
    for a, lazy in kinds(tmp_path):
        for key in [
            (slice(None), 1),
            (Ellipsis, 2),
            (None, slice(28, 2, -3), 0, slice(1, 3)),
            (slice(None), slice(0, 2)),
        ]:
            np.testing.assert_array_equal(lazy[key], a[key])


def test_lazy_is_an_array(tmp_path):
    for a, lazy in kinds(tmp_path):
        assert isinstance(lazy, LazyArray) and len(lazy) == 30
        np.testing.assert_array_equal(np.asarray(lazy), a)
        np.testing.assert_array_equal(np.asarray(lazy, "f8"), a)
        np.testing.assert_array_equal(np.sin(lazy), np.sin(a))
        np.testing.assert_array_equal(lazy.T, a.T)
        np.testing.assert_array_equal(lazy.copy(), a)
        assert lazy.copy().flags.writeable
        np.testing.assert_array_equal(list(lazy), list(a))
        np.testing.assert_array_equal(lazy.vectorized_gather([5, 1]), a[[5, 1]])
        np.testing.assert_array_equal(lazy.mega_batch_get_rows([5, 1], 10), a[[5, 1]])
        np.testing.assert_array_equal(lazy.parallel_boolean_index(np.arange(30) < 3), a[:3])
        assert np.mean(lazy) == a.mean() and a[3] in lazy
        assert "shape=(30, 4, 3)" in repr(lazy)
        flat = lazy.reshape((-1, 6))
        assert isinstance(flat, LazyArray) and flat.shape == (60, 6)
        np.testing.assert_array_equal(flat[3:5], a.reshape(-1, 6)[3:5])
        assert lazy.reshape(-1).shape == lazy.reshape(360).shape == (360,) and lazy.reshape(30, 12).shape == (
            30,
            12,
        )
        for shape in ((7, 7), (-2, 6), (-1, -1)):
            with pytest.raises(ValueError):
                lazy.reshape(shape)
        with lazy:
            view = np.asarray(lazy)
        np.testing.assert_array_equal(view, a)  # it keeps the map
        with pytest.raises(ValueError, match="closed"):
            lazy[0]


def test_lazy_view_is_the_file(pack):
    pack.save({"a": np.arange(10), "b": np.arange(10)})
    lazy = pack.load("a", lazy=True)
    view = np.asarray(lazy)
    assert not view.flags.writeable and not view.flags.owndata and np.shares_memory(view, np.asarray(lazy))
    assert np.shares_memory(np.asarray(lazy.reshape(2, 5)), view)
    with pack.writable_batch_mode() as w:
        w.load("a")[3] = 99
    assert view[3] == 99 and lazy[3] == 99
    pack.drop("b", 0)
    dropped = pack.load("b", lazy=True)
    assert np.asarray(dropped).flags.writeable
    if np.lib.NumpyVersion(np.__version__) >= "2.0.0":
        with pytest.raises(ValueError):
            np.asarray(dropped, copy=False)
        assert np.shares_memory(np.asarray(lazy, copy=False), view)
        assert not np.shares_memory(np.array(lazy, copy=True), view)


@pytest.mark.parametrize(
    "op", ["+", "-", "*", "/", "//", "%", "**", "==", "!=", "<", "<=", ">", ">=", "&", "|", "^", "<<", ">>"]
)
def test_lazy_operators(tmp_path, op):
    for a, lazy in kinds(tmp_path):
        a = np.asarray(lazy) % 5 + 1
        with NumPack(tmp_path / "ops", drop_if_exists=True) as p:
            p.save({"a": a})
            lazy = p.load("a", lazy=True)
            for x, y in ((lazy, 2), (2, lazy), (lazy, lazy), (lazy, a), (a, lazy)):
                plain = [np.asarray(v) if isinstance(v, LazyArray) else v for v in (x, y)]
                got, want = eval(f"x {op} y"), eval(f"u {op} v", {"u": plain[0], "v": plain[1]})
                assert isinstance(got, np.ndarray) and got.dtype == want.dtype
                np.testing.assert_array_equal(got, want)
        break


def test_lazy_unary_and_in_place(pack):
    a = np.arange(-3, 3)
    pack.save({"a": a, "f": a * 1.5})
    lazy = pack.load("a", lazy=True)
    assert (
        (-lazy).tolist() == (-a).tolist()
        and (+lazy).tolist() == a.tolist()
        and abs(lazy).tolist() == abs(a).tolist()
    )
    assert (~lazy).tolist() == (~a).tolist()
    assert (lazy @ lazy) == a @ a
    with pytest.raises(TypeError):
        ~pack.load("f", lazy=True)
    with pytest.raises(TypeError):
        hash(lazy)
    same = lazy
    lazy += 1  # an array of its own
    assert (
        isinstance(lazy, np.ndarray) and lazy.tolist() == (a + 1).tolist() and same[:].tolist() == a.tolist()
    )


# Batches


def test_batch_mode(pack):
    pack.save({"a": np.zeros(4), "b": np.zeros(4), "c": np.zeros(4)})
    with pack.batch_mode():
        a = pack.load("a")
        assert pack.load("a") is a
        for _ in range(10):
            a = pack.load("a")
            a += 1
            pack.save({"a": a})
        pack.load("b")[0] = 5  # changed, and not saved
        pack.load("c")
        pack.save({"new": np.ones(2)})
        assert pack.load("new").tolist() == [1, 1] and pack.has_array("new") and pack.get_shape("new") == (2,)
        before = pack.get_modify_time("c")
        assert again(pack).load("a").tolist() == [0] * 4  # nothing is written yet
    other = again(pack)
    assert (
        other["a"].tolist() == [10] * 4
        and other["b"].tolist() == [5, 0, 0, 0]
        and other["new"].tolist() == [1, 1]
    )
    assert other.get_modify_time("c") == before


def test_batch_mode_with_rows(pack):
    pack.save({"a": np.zeros((4, 2))})
    with pack.batch_mode():
        a = pack.load("a")
        a += 1
        pack.save({"a": a})
        pack.append({"a": np.full((1, 2), 7.0)})  # behind what is in memory
        pack.drop("a", 0)
        pack.replace({"a": np.full((1, 2), 9.0)}, 0)
        assert pack.load("a").tolist() == [[9, 9], [1, 1], [1, 1], [7, 7]]
        assert pack.getitem("a", -1).tolist() == [[7, 7]]
        pack.save({"a": pack.load("a").reshape(-1, 4)})
        assert [b.shape for b in pack.stream_load("a")] == [(1, 4)] * 2
        with pack.batch_mode():  # is part of the outer one
            pack.save({"b": np.zeros(1)})
        pack.save({"b": np.ones(1)})
        pack.clone("b", "d")
    assert again(pack)["a"].shape == (2, 4) and again(pack)["d"].tolist() == [1]


def test_batch_mode_errors_and_limit(pack):
    with pytest.raises(ZeroDivisionError), pack.batch_mode():
        pack.save({"a": np.ones(3)})
        1 / 0
    assert again(pack)["a"].tolist() == [1, 1, 1]
    with pytest.raises(ValueError), pack.batch_mode():
        pack.save({"x": np.array(["no"])})
    with pytest.raises(KeyError), pack.batch_mode():
        pack.load("x")
    with pack.batch_mode(memory_limit=1):
        for i in range(5):
            pack.save({f"big{i}": np.full(100_000, i, "f8")})
        assert len(pack._batch._arrays) == 1
        assert pack.load("big3")[0] == 3
        pack.reset()
        pack.save({"z": np.zeros(1)})
    assert again(pack).get_member_list() == ["z"]
    with pytest.raises(RuntimeError):
        NumPack(pack._filename).batch_mode().__enter__()


def test_writable_batch_mode(pack):
    a = some("f4", (100, 3))
    pack.save({"a": a, "e": np.zeros((0, 2))})
    pack.drop("a", [0])
    pack.replace({"a": np.ones((1, 3), "f4")}, 0)
    a = a[1:]
    a[0] = 1
    with pack.writable_batch_mode() as w:
        got = w.load("a")
        assert w.load("a") is got and got.flags.writeable and not got.flags.owndata
        np.testing.assert_array_equal(got, a)
        got *= 2
        np.sqrt(got, out=got)
        w.save({"a": got})
        w.save({"a": got.copy() + 1})
        w.load("e")
        with pytest.raises(ValueError, match="can't change"):
            w.save({"a": got.reshape(-1)})
        with pytest.raises(KeyError):
            w.load("x")
    want = np.sqrt(a * 2) + 1
    np.testing.assert_array_equal(got, want)  # it stays valid
    np.testing.assert_array_equal(again(pack)["a"], want)


# Threads, processes, locks


def test_threads_share_one_pack(pack):
    pack.save({"a": np.arange(1000)})
    failed = []

    def work(k):
        try:
            for i in range(20):
                pack.save({f"t{k}": np.full(50, i)})
                assert pack.load("a").sum() == 499500
                pack.append({f"t{k}": np.zeros(1, "i8")})
                assert sum(len(b) for b in pack.stream_load("a", 300)) == 1000
                pack.load("a", lazy=True)[::7]
        except BaseException as e:
            failed.append(e)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failed
    assert all(again(pack)[f"t{k}"].shape == (51,) for k in range(6))


def test_one_writer_at_a_time(tmp_path):
    a, b = NumPack(tmp_path / "p"), NumPack(tmp_path / "p")
    a.open()
    a.save({"a": np.arange(3)})
    a.flush()
    b.open()
    assert b["a"].tolist() == [0, 1, 2]
    for change in (
        lambda: b.save({"b": np.zeros(1)}),
        lambda: b.drop("a", 0),
        lambda: b.append({"a": np.arange(2)}),
    ):
        with pytest.raises(BlockingIOError, match="changing"):
            change()
    assert b["a"].tolist() == [0, 1, 2]
    a.append({"a": np.arange(1)})
    a.close()
    b.append({"a": np.arange(2)})  # behind what the other one appended
    b.close()
    with a:
        assert a["a"].tolist() == [0, 1, 2, 0, 0, 1]


def test_readers_go_on(tmp_path):
    with NumPack(tmp_path / "p") as w:
        w.save({"a": np.arange(5)})
        w.flush()
        with NumPack(tmp_path / "p") as r:
            lazy = r.load("a", lazy=True)
            w.append({"a": np.arange(5)})
            w.drop("a", [0, 1])
            w.flush()
            assert r["a"].tolist() == [0, 1, 2, 3, 4] and lazy[:].tolist() == [0, 1, 2, 3, 4]
            w.update("a")
            w.flush()
            assert lazy[:].tolist() == [0, 1, 2, 3, 4]
        with NumPack(tmp_path / "p") as r:
            assert r["a"].tolist() == [2, 3, 4, 0, 1, 2, 3, 4]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_fork_reads_and_leaves_changes_alone(tmp_path):
    p = NumPack(tmp_path / "p")
    p.open()
    p.save({"a": np.arange(3)})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pid = os.fork()
    if pid == 0:
        try:
            ok = p["a"].tolist() == [0, 1, 2]
            try:
                p.save({"b": np.zeros(1)})
                ok = False
            except errors.StateError:
                pass
            p.close()
            os._exit(0 if ok else 1)
        finally:
            os._exit(2)
    assert os.waitpid(pid, 0)[1] == 0
    with pytest.raises(BlockingIOError):
        with NumPack(tmp_path / "p") as q:
            q.save({"x": np.zeros(1)})
    p.close()
    with NumPack(tmp_path / "p") as q:
        assert q.get_member_list() == ["a"]


def test_pickle(tmp_path):
    with NumPack(tmp_path / "p") as p:
        p.save({"a": np.arange(3)})
        with pytest.raises(ValueError, match="flush"):
            pickle.dumps(p)
        p.flush()
        with pickle.loads(pickle.dumps(p)) as q:
            assert q["a"].tolist() == [0, 1, 2]
    assert pickle.loads(pickle.dumps(p)).is_closed


def test_the_rest_of_numpack():
    import betongo.numpack as numpack

    for name in ("VectorEngine", "StreamingVectorEngine"):
        with pytest.raises(NotImplementedError, match=name):
            getattr(numpack, name)()
    assert numpack.force_cleanup_windows_handles() is True
    with pytest.raises(AttributeError):
        numpack.nothing
    assert {"NumPack", "LazyArray", "pack", "unpack", "get_package_info"} <= set(dir(numpack))


def test_import_brings_in_numpy_alone():
    import subprocess
    import sys

    code = (
        "import sys, betongo.numpack, betongo.gnz, betongo.npy_append_array as n\n"
        "print(*{m.split('.')[0] for m in sys.modules} & {'torch', 'pyarrow', 'pandas', 'h5py'})"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout.strip()
        == ""
    )
