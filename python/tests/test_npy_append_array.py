"""Rows appended to .npy files."""

import io
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from betongo import errors
from betongo.npy_append_array import (
    HeaderError,
    NpyAppendArray,
    ensure_appendable,
    is_appendable,
    needs_recovery,
    recover,
)

ROOT = Path(__file__).resolve().parents[2]


def saved(a):
    f = io.BytesIO()
    np.save(f, a)
    return f.getvalue()


# Old releases of NumPy leave no room for rows in a header.
GROWS = len(saved(np.zeros((1,) * 20, "<f8"))) == 192 + 8
PLAIN = [np.dtype(t) for t in "? u1 <i2 >i4 <f2 <f4 <f8 <c16 |S3 <U2 <M8[ns] <m8[s] |V5".split()]
STRUCTS = [
    np.dtype([("a", "<f4"), ("b", "<i8", (2, 3))]),
    np.dtype("i1,f8", align=True),
    np.dtype([("é", "<i2"), ("zz", "S2")]),
]


def some(dtype, shape, seed=1):
    raw = np.random.default_rng(seed).integers(
        0, 2 if dtype.kind == "b" else 50, int(np.prod(shape)) * max(dtype.itemsize, 1), "u1"
    )
    return raw[: int(np.prod(shape)) * dtype.itemsize].view(dtype).reshape(shape)


# The readme's


def test_readme_usage(tmp_path):
    filename = tmp_path / "out.npy"
    arr1 = np.array([[1, 2], [3, 4]])
    arr2 = np.array([[1, 2], [3, 4], [5, 6]])
    with NpyAppendArray(filename, delete_if_exists=True) as npaa:
        npaa.append(arr1)
        npaa.append(arr2)
        npaa.append(arr2)
    data = np.load(filename, mmap_mode="r")
    assert data.tolist() == np.concatenate([arr1, arr2, arr2]).tolist()
    with NpyAppendArray(filename, delete_if_exists=True) as npaa:
        npaa.append(arr2)
    assert np.load(filename).tolist() == arr2.tolist()


def test_readme_concurrency(tmp_path):
    filename = tmp_path / "out.npy"
    with NpyAppendArray(filename) as npaa:
        rows = [np.full((1, 4), i) for i in range(400)]
        threads = [
            threading.Thread(target=lambda k=k: [npaa.append(r) for r in rows[k::8]]) for k in range(8)
        ]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    got = np.load(filename)
    assert sorted(got[:, 0].tolist()) == list(range(400)) and (got == got[:, :1]).all()


def test_readme_recover_and_ensure(tmp_path):
    filename = tmp_path / "out.npy"
    with NpyAppendArray(filename, rewrite_header_on_append=False) as npaa:
        npaa.append(np.arange(6).reshape(2, 3))
        npaa.append(np.arange(6).reshape(2, 3))
        assert np.load(filename).shape == (0, 3)
        npaa.update_header()
        assert np.load(filename).shape == (4, 3)
    whole = filename.read_bytes()
    for zero, rows in ((False, 3), (True, 4)):
        filename.write_bytes(whole[:-5])
        assert needs_recovery(filename)
        with pytest.raises(ValueError, match="recover"):
            NpyAppendArray(filename)
        assert recover(filename, zerofill_incomplete=zero) is True
        assert not needs_recovery(filename) and recover(filename) is True
        got = np.load(filename)
        assert got.shape == (rows, 3)
        np.testing.assert_array_equal(got[:3], np.arange(12).reshape(4, 3)[:3] % 6)
    for inplace in (False, True):
        tight(filename, np.arange(6).reshape(3, 2))
        assert not is_appendable(filename)
        assert ensure_appendable(filename, inplace=inplace) is True
        assert is_appendable(filename) and ensure_appendable(filename)
        with NpyAppendArray(filename) as npaa:
            npaa.append(np.array([[6, 7]]))
        assert np.load(filename).tolist() == [[0, 1], [2, 3], [4, 5], [6, 7]]


def tight(path, a, room=0):
    """A file as an older writer has it: the header ends behind the dict."""
    text = repr(
        {"descr": np.lib.format.dtype_to_descr(a.dtype), "fortran_order": False, "shape": a.shape}
    ).encode()
    head = b"\x93NUMPY\1\0" + (len(text) + room + 1).to_bytes(2, "little") + text + b" " * room + b"\n"
    path.write_bytes(head + a.tobytes())


# Files


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(1,), (3,), (2, 3), (1, 4), (3, 1), (2, 3, 4), (0, 3), (2, 0)])
@pytest.mark.parametrize("dtype", PLAIN + STRUCTS, ids=str)
def test_files_are_numpys(tmp_path, dtype, shape, order):
    a = np.asarray(some(dtype, shape), order=order)
    f = tmp_path / "a.npy"
    with NpyAppendArray(f) as n:
        n.append(a)
        fortran = n.fortran_order
        assert n.shape == a.shape and n.dtype == dtype
        if GROWS:
            assert f.read_bytes() == saved(a)
        for _ in range(11):
            n.append(a)
    axis = a.ndim - 1 if fortran else 0
    want = np.concatenate([a] * 12, axis=axis).astype(dtype)
    if fortran:
        want = np.asfortranarray(want)
    got = np.load(f)
    assert got.dtype == want.dtype and got.shape == want.shape
    assert repr(got.tolist()) == repr(want.tolist())
    padded = dtype.names is not None and dtype.itemsize > sum(dtype[k].itemsize for k in dtype.names)
    if GROWS and not padded:
        assert f.read_bytes() == saved(want)
    assert is_appendable(f) and not needs_recovery(f)


def test_growing_numbers_of_rows(tmp_path):
    f = tmp_path / "a.npy"
    row = np.arange(3.0).reshape(1, 3)
    with NpyAppendArray(f) as n:
        for i in range(1, 1205):
            n.append(row)
            assert n.shape == (i, 3)
            if i in (1, 2, 9, 10, 11, 99, 100, 999, 1000, 1204):
                assert np.load(f).shape == (i, 3)
                if GROWS:
                    assert f.read_bytes() == saved(np.tile(row, (i, 1)))
    with NpyAppendArray(f) as n:  # and again
        n.append(np.zeros((0, 3)))
        n.append(np.tile(row, (9000, 1)))
    assert np.load(f).shape == (10204, 3)


def test_strides(tmp_path):
    f = tmp_path / "a.npy"
    base = np.arange(24.0).reshape(4, 6)
    want = []
    with NpyAppendArray(f) as n:
        for a in (
            base[:, :3],
            base[::-1, ::2],
            np.asfortranarray(base[:, 3:]),
            base.T[:, :3],
            base[0:1, 2:5],
            base[:1, ::2],
        ):
            n.append(a)
            want.append(a)
    np.testing.assert_array_equal(np.load(f), np.concatenate(want))
    g = tmp_path / "f.npy"
    with NpyAppendArray(g) as n:
        n.append(np.asfortranarray(base))
        n.append(base[:, :2])
        n.append(base[:, ::-3])
    assert n.fortran_order
    np.testing.assert_array_equal(np.load(g), np.concatenate([base, base[:, :2], base[:, ::-3]], axis=1))


def test_large_strides(tmp_path):
    a = np.arange(3_000_000).reshape(1000, 3000)[:, ::2]
    with NpyAppendArray(tmp_path / "a.npy") as n:
        n.append(a)
        n.append(a)
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy")[1000:], a)


def test_a_dtype_is_cast_only_when_asked(tmp_path):
    f = tmp_path / "a.npy"
    with NpyAppendArray(f) as n:
        n.append(np.array([1], "i1"))
        for bad in (np.array([300.0]), np.array([1], "u1"), np.array([1], "i8")):
            with pytest.raises(ValueError, match="cast=True"):
                n.append(bad)
    with NpyAppendArray(f, cast=True) as n:
        n.append(np.array([2.0]))
        n.append(np.array([3]))
    assert np.load(f).tolist() == [1, 2, 3] and np.load(f).dtype == np.int8
    with NpyAppendArray(tmp_path / "b.npy") as n:  # the other byte order is another dtype
        n.append(np.array([1], ">i4"))
        with pytest.raises(ValueError):
            n.append(np.array([1], "<i4"))


def test_refused(tmp_path):
    f = tmp_path / "a.npy"
    with NpyAppendArray(f) as n:
        for bad in (np.array(1.0), np.array([None])):
            with pytest.raises(ValueError):
                n.append(bad)
        assert not f.exists() and n.shape is None
        n.append(np.zeros((2, 3)))
        for shape in ((3,), (2, 2), (1, 2, 3), ()):
            with pytest.raises(ValueError, match="axis"):
                n.append(np.zeros(shape))
        with pytest.raises(TypeError, match="mask"):
            n.append(np.ma.zeros((2, 3)))
    for _ in range(2):
        with pytest.raises(ValueError, match="closed"):
            n.append(np.zeros((2, 3)))
        n.close()
    assert np.load(f).shape == (2, 3)
    np.save(f, np.float64(3))
    with pytest.raises(ValueError, match="scalar"):
        NpyAppendArray(f)
    with pytest.raises(ValueError, match="scalar"):
        ensure_appendable(f)
    np.save(f, np.array([None]), allow_pickle=True)
    with pytest.raises(ValueError, match="objects"):
        NpyAppendArray(f)
    assert not needs_recovery(f)
    with pytest.raises(FileNotFoundError):
        recover(tmp_path / "nothing")


def test_foreign_headers(tmp_path):
    """Headers that are longer than needed, which npy-append-array corrupts, and of every version."""
    f = tmp_path / "a.npy"
    a = np.arange(6.0).reshape(3, 2)
    for room in (30, 200, 1000):
        tight(f, a, room)
        size = f.stat().st_size
        with NpyAppendArray(f) as n:
            n.append(a)
        assert f.stat().st_size == size + a.nbytes
        np.testing.assert_array_equal(np.load(f), np.concatenate([a, a]))
    for version in ((1, 0), (2, 0), (3, 0)):
        with open(f, "wb") as out:
            np.lib.format.write_array(out, a, version=version)
        ensure_appendable(f)
        with NpyAppendArray(f) as n:
            n.append(a)
        np.testing.assert_array_equal(np.load(f), np.concatenate([a, a]))
    text = b"{'shape': (3L, 2L),  'fortran_order': False, 'descr': '<f8'}".ljust(117) + b"\n"
    f.write_bytes(b"\x93NUMPY\1\0" + len(text).to_bytes(2, "little") + text + a.tobytes())
    with NpyAppendArray(f) as n:
        n.append(a)
    np.testing.assert_array_equal(np.load(f), np.concatenate([a, a]))
    tight(f, np.zeros((0, 2)))
    assert ensure_appendable(f)
    with NpyAppendArray(f) as n:
        n.append(a)
    np.testing.assert_array_equal(np.load(f), a)


def test_ensure_keeps_mode_links_and_large_data(tmp_path, monkeypatch):
    monkeypatch.setattr("betongo.npy_append_array._BLOCK", 1000)
    f, link = tmp_path / "a.npy", tmp_path / "link.npy"
    a = np.arange(5000).reshape(-1, 2)
    for inplace in (False, True):
        tight(f, a)
        f.chmod(0o640)
        if not link.exists():
            link.symlink_to(f)
        ensure_appendable(link, inplace)
        assert link.is_symlink() and f.stat().st_mode & 0o777 == 0o640
        np.testing.assert_array_equal(np.load(f), a)
    tight(f, a)
    f.write_bytes(f.read_bytes()[:-3])
    with pytest.raises(ValueError, match="recover"):
        ensure_appendable(f)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.npy", "link.npy"]


# Hostile files


def test_truncations(tmp_path):
    f = tmp_path / "a.npy"
    a = np.arange(6.0).reshape(3, 2)
    with NpyAppendArray(f) as n:
        n.append(a)
    whole = f.read_bytes()
    head = len(whole) - a.nbytes
    for n in range(len(whole)):
        f.write_bytes(whole[:n])
        if n < head:
            for call in (is_appendable, needs_recovery, recover, ensure_appendable):
                with pytest.raises(HeaderError, match="a.npy"):
                    call(f)
            if n:
                with pytest.raises(errors.FormatError):
                    NpyAppendArray(f)
        else:
            assert needs_recovery(f)
            recover(f)
            np.testing.assert_array_equal(np.load(f), a[: (n - head) // 16])
        assert f.stat().st_size <= n
    f.write_bytes(b"")  # killed before its header
    with NpyAppendArray(f) as n:
        n.append(a)
    assert f.read_bytes() == whole


@pytest.mark.parametrize(
    "text",
    [
        "", "{}", "[]", "3", "{'descr': '<f8'}", "{'descr': '<f8', 'fortran_order': False, 'shape': (1,), 'x': 1}",
        "{'descr': '<f8', 'fortran_order': 0, 'shape': (1,)}", "{'descr': '<f8', 'fortran_order': False, 'shape': [1]}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}", "{'descr': '<f8', 'fortran_order': False, 'shape': (1.0,)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (True,)}", "{'descr': '<f8', 'fortran_order': False, 'shape': (9223372036854775807, 9)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (0, 4611686018427387904, 4611686018427387904)}",
        "{'descr': '<q9', 'fortran_order': False, 'shape': (1,)}", 
        "{'descr': [('a', '<f8', 3, 4, 5)], 'fortran_order': False, 'shape': (1,)}", "{'descr': 3, 'fortran_order': False, 'shape': (1,)}",
        "{'descr': '<f8', 'fortran_order': False, 'shape': " + "(" * 3000 + ")" * 3000 + "}", "__import__('os').system('true')",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1,)*65}", "{'descr': '<f8', 'fortran_order': False, 'shape': " + str((1,) * 65) + "}",
    ],
)  # fmt: skip
def test_hostile_headers(tmp_path, text):
    f = tmp_path / "a.npy"
    body = text.encode() + b"\n"
    f.write_bytes(b"\x93NUMPY\1\0" + len(body).to_bytes(2, "little") + body + bytes(8))
    before = f.read_bytes()
    for call in (is_appendable, needs_recovery, recover, ensure_appendable, NpyAppendArray):
        try:
            call(f)
        except HeaderError as e:
            assert str(f) in str(e) and e.file == str(f) and e.offset is not None
        else:
            raise AssertionError(text)
    assert f.read_bytes() == before


@pytest.mark.parametrize(
    "head",
    [
        b"\x93NUMPX\1\0\5\0",
        b"\x93NUMPY\4\0\5\0",
        b"\x93NUMPY\1\1\5\0",
        b"\x93NUMPY\2\0\xff\xff\xff\xff",
        b"PK\3\4" * 5,
    ],
)
def test_hostile_prefixes(tmp_path, head):
    f = tmp_path / "a.npy"
    f.write_bytes(head + bytes(100))
    with pytest.raises(HeaderError):
        needs_recovery(f)


def test_more_data_than_told_is_recovered(tmp_path):
    f = tmp_path / "a.npy"
    with NpyAppendArray(f) as n:
        n.append(np.arange(4.0).reshape(2, 2))
    with open(f, "ab") as out:
        out.write(np.arange(3.0).tobytes())
    assert needs_recovery(f) and recover(f)
    assert np.load(f).tolist() == [[0, 1], [2, 3], [0, 1]]
    g = tmp_path / "f.npy"
    np.save(g, np.asfortranarray(np.arange(6.0).reshape(2, 3)))
    ensure_appendable(g)
    g.write_bytes(g.read_bytes()[:-8])
    recover(g)
    assert np.load(g).tolist() == [[0, 1], [3, 4]]
    np.save(g, np.zeros((3, 0)))
    with open(g, "ab") as out:
        out.write(b"x")
    with pytest.raises(ValueError, match="rows that have none"):
        recover(g)


# Stops


@pytest.mark.parametrize("rewrite", [True, False])
def test_kill(tmp_path, rewrite):
    """At most the row that was being appended is lost; with the header rewritten on each append no recovery
    is needed to read all rows that were told but the last."""
    f = tmp_path / "a.npy"
    code = """if True:
        import sys, os, numpy as np
        from betongo.npy_append_array import NpyAppendArray
        with NpyAppendArray(sys.argv[1], rewrite_header_on_append=sys.argv[2] == "True") as n:
            i = n.shape[0] if n.shape else 0
            while True:
                n.append(np.full((1, 5), i))
                i += 1
                os.write(1, b"%d\\n" % i)
    """
    rng = random.Random(5)
    for _ in range(5):
        args = [sys.executable, "-c", code, str(f), str(rewrite)]
        with subprocess.Popen(args, stdout=subprocess.PIPE) as child:
            first = int(child.stdout.readline())
            # The pipe is read on, so that the child is stopped anywhere.
            got = []
            reader = threading.Thread(target=lambda: got.extend(child.stdout))
            reader.start()
            time.sleep(rng.random() * 0.2)
            child.kill()
            reader.join()
        told = max([first, *(int(line) for line in got if line.endswith(b"\n"))])
        if rewrite:
            assert len(np.load(f)) >= told
        recover(f)
        a = np.load(f)
        assert told <= len(a) <= told + 1
        np.testing.assert_array_equal(a, np.arange(len(a)).repeat(5).reshape(-1, 5))


def test_a_full_disk_leaves_the_file(tmp_path, monkeypatch):
    f = tmp_path / "a.npy"
    row = np.arange(4.0).reshape(1, 4)
    with NpyAppendArray(f) as n:
        n.append(row)
        n.append(row)
        before = f.read_bytes()
        real = os.pwrite

        def full(fd, data, at):
            real(fd, memoryview(data).cast("B")[:5], at)
            raise OSError(28, "No space left on device")

        def short(fd, data, at):
            return real(fd, memoryview(data).cast("B")[:5], at)

        for rows in (row, np.tile(row, (3, 1))):
            monkeypatch.setattr("betongo.npy_append_array._quick", full)
            monkeypatch.setattr(os, "pwrite", full)
            with pytest.raises(OSError, match="space"):
                n.append(rows)
            assert f.read_bytes() == before
        monkeypatch.setattr(os, "pwrite", real)
        monkeypatch.setattr("betongo.npy_append_array._quick", short)
        n.append(row)
        monkeypatch.setattr("betongo.npy_append_array._quick", real)
        n.append(row)
    np.testing.assert_array_equal(np.load(f), np.tile(row, (4, 1)))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore")
def test_a_fork_leaves_the_file(tmp_path):
    f = tmp_path / "a.npy"
    n = NpyAppendArray(f, rewrite_header_on_append=False)
    n.append(np.zeros(3))
    pid = os.fork()
    if pid == 0:
        try:
            n.append(np.zeros((2, 2)))
        except ValueError:
            n.close()
            os._exit(0)
        os._exit(1)
    assert os.waitpid(pid, 0)[1] == 0
    assert needs_recovery(f)
    n.close()
    assert np.load(f).shape == (3,)


# Beside npy-append-array


@pytest.fixture(scope="module")
def peer():
    python = os.environ.get("FORMATS_PYTHON")
    if not python:
        pytest.skip("FORMATS_PYTHON names no interpreter that has npy-append-array")

    def run(code, *args):
        done = subprocess.run(
            [python, "-c", code, *map(str, args)], capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


THEIRS = """if True:
    import sys, numpy as np
    from npy_append_array import NpyAppendArray, recover, is_appendable
    with NpyAppendArray(sys.argv[1]) as n:
        for _ in range(int(sys.argv[3])):
            n.append(np.load(sys.argv[2]))
    assert is_appendable(sys.argv[1])
"""


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f4", ">i8", "?", "<c16", "<U3", "i1,f8"])
def test_both_work_on_one_file(tmp_path, peer, dtype, order):
    rows, f, theirs = tmp_path / "rows.npy", tmp_path / "a.npy", tmp_path / "b.npy"
    a = np.asarray(some(np.dtype(dtype), (2, 3)), order=order)
    np.save(rows, a)
    with NpyAppendArray(f) as n:
        n.append(a)
        n.append(a)
    peer(THEIRS, f, rows, 2)
    with NpyAppendArray(f) as n:
        n.append(a)
    peer(THEIRS, theirs, rows, 5)
    assert f.read_bytes() == theirs.read_bytes()


def test_rate(tmp_path, peer):
    """Five times npy-append-array's rate, and more, by CPU time in one run; here a weaker bound, for machines
    that do other things meanwhile."""
    code = """if True:
        import sys, time, numpy as np
        from npy_append_array import NpyAppendArray
        row = np.arange(8.0).reshape(1, 8)
        with NpyAppendArray(sys.argv[1], rewrite_header_on_append=sys.argv[2] == "1") as n:
            begin = time.process_time()
            for _ in range(20000):
                n.append(row)
            print(time.process_time() - begin)
    """
    mine = code.replace("from npy", "from betongo.npy")
    for rewrite in "10":
        theirs = float(peer(code, tmp_path / f"a{rewrite}.npy", rewrite))
        done = subprocess.run(
            [sys.executable, "-c", mine, str(tmp_path / f"b{rewrite}.npy"), rewrite],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert theirs / float(done.stdout) > 2
        assert (tmp_path / f"a{rewrite}.npy").read_bytes() == (tmp_path / f"b{rewrite}.npy").read_bytes()
