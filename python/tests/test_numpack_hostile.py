"""Packs that are broken, made to harm, or left by a process that was killed."""

import json
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from betongo import errors
from betongo.numpack import NumPack
from betongo.numpack._format import Bitmap, format_meta, parse_meta

ROOT = Path(__file__).resolve().parents[2]


def make(path):
    """A pack with an array in one file, one in segments, and one with dropped rows."""
    with NumPack(path, segment_bytes=80) as p:
        p.save(
            {"one": np.arange(6, dtype="f4"), "parts": np.arange(60).reshape(30, 2), "left": np.arange(10)}
        )
        p.drop("left", [0, 3])
    return path


def content(path):
    with NumPack(path) as p:
        return {name: p[name].tolist() for name in p}


def snapshot(path):
    return {str(f.relative_to(path)): f.read_bytes() for f in sorted(path.rglob("*")) if f.is_file()}


def refused(path, kinds=(errors.FormatError, errors.UnsupportedError, OSError)):
    """Opening it fails, or reading each array does or gives what it says; no bytes change."""
    before = snapshot(path)
    try:
        with NumPack(path) as p:
            for name in p:
                assert p[name].shape == p.get_shape(name) == p.load(name, lazy=True)[:].shape
        ok = False
    except kinds as e:
        assert str(path) in str(e)
        ok = True
    assert snapshot(path) == before
    return ok


def test_corrupt_metadata_is_never_overwritten(tmp_path):
    path = make(tmp_path / "p")
    for bad in (b"", b"\0" * 100, b"NPKB", b"garbage"):
        (path / "metadata.npkm").write_bytes(bad)
        with pytest.raises(errors.FormatError, match="metadata.npkm"):
            NumPack(path).open()
        assert (path / "metadata.npkm").read_bytes() == bad
    with NumPack(path, drop_if_exists=True) as p:  # as it was asked
        assert len(p) == 0


def test_truncations_and_flips(tmp_path):
    path = make(tmp_path / "p")
    whole = snapshot(path)
    rng = random.Random(1)
    count = 0
    for name, data in whole.items():
        file = path / name
        for n in range(0, len(data), 1 + len(data) // 70):
            file.write_bytes(data[:n])
            assert refused(path), (name, n)
        for _ in range(30):
            at = rng.randrange(len(data))
            file.write_bytes(data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :])
            count += refused(path)
        file.write_bytes(data)
    assert count > 10
    assert content(path)["left"] == [1, 2, 4, 5, 6, 7, 8, 9]


def meta(*arrays, count=None, version=1, tail=b""):
    """Metadata of (name, shape, file, type) arrays."""
    out = b"NPKB" + struct.pack("<IQI", version, 0, len(arrays) if count is None else count)
    for name, shape, file, kind in arrays:
        out += struct.pack("<I", len(name)) + name + struct.pack("<I", len(shape))
        out += b"".join(struct.pack("<Q", d) for d in shape)
        out += struct.pack("<I", len(file)) + file + struct.pack("<QQB", 0, 0, kind) + bytes(22)
    return out + tail


GOOD = (b"a", (2,), b"data_a.npkd", 11)


@pytest.mark.parametrize(
    "data",
    [
        meta(GOOD, version=2),
        meta(GOOD, version=0),
        meta(GOOD, count=2**32 - 1),
        meta(GOOD, GOOD),
        meta(GOOD, (b"b", (2,), b"data_a.npkd", 11)),
        meta(GOOD, tail=b"x"),
        meta((b"a", (2**63,), b"data_a.npkd", 11)),
        meta((b"a", (2**40, 2**40), b"data_a.npkd", 11)),
        meta((b"a", (2**40,), b"data_a.npkd", 11)),
        meta((b"a", (0, 2**40, 2**40), b"data_a.npkd", 11)),
        meta((b"a", (3,), b"data_a.npkd", 11)),
        meta((b"a", (), b"data_a.npkd", 11)),
        meta((b"a", (1,) * 65, b"data_a.npkd", 11)),
        meta((b"a", (2,), b"data_a.npkd", 14)),
        meta((b"a", (2,), b"../out", 11)),
        meta((b"a", (2,), b"/etc/passwd", 1)),
        meta((b"a", (2,), b"a/../../out", 1)),
        meta((b"a", (2,), b"", 1)),
        meta((b"a", (2,), b".", 1)),
        meta((b"a", (2,), b"folder", 1)),
        meta((b"a", (2,), b"a\\b", 1)),
        meta((b"a", (2,), b"nothing", 1)),
        meta((b"\xff", (2,), b"data_a.npkd", 11)),
        meta((b"a/b", (2,), b"data_a.npkd", 11)),
        meta(GOOD)[:-22] + b"\1" + bytes(21),
        meta(GOOD)[:-1] + b"\1",
    ],
)
def test_hostile_metadata(tmp_path, data):
    path = tmp_path / "p"
    path.mkdir()
    (tmp_path / "out").write_bytes(bytes(100))
    (path / "folder").mkdir()
    (path / "data_a.npkd").write_bytes(bytes(16))
    (path / "metadata.npkm").write_bytes(meta(GOOD))
    assert content(path) == {"a": [0, 0]}
    (path / "metadata.npkm").write_bytes(data)
    assert refused(path)


def test_links_are_not_followed_out(tmp_path):
    path = make(tmp_path / "p")
    outside = tmp_path / "outside"
    outside.write_bytes(bytes(100))
    (path / "data_one.npkd").unlink()
    try:
        (path / "data_one.npkd").symlink_to(outside)
    except OSError:
        pytest.skip("no symbolic links")
    with pytest.raises(errors.FormatError, match="out of the pack"):
        NumPack(path).open()
    (path / "data_one.npkd").unlink()
    (path / "inside").write_bytes(np.arange(6, dtype="f4").tobytes())
    (path / "data_one.npkd").symlink_to("inside")
    with NumPack(path) as p:
        assert p["one"].tolist() == [0, 1, 2, 3, 4, 5]
        with pytest.raises(OSError, match="symbolic link"):
            p.append({"one": np.zeros(1, "f4")})
    assert (path / "inside").stat().st_size == 24


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
def test_a_pipe_does_not_make_it_wait(tmp_path):
    path = make(tmp_path / "p")
    for name in ("data_one.npkd", "deleted_left.npkb", "metadata.npkm"):
        data = (path / name).read_bytes()
        (path / name).unlink()
        os.mkfifo(path / name)
        with pytest.raises(OSError, match="not a regular file"):
            NumPack(path).open()
        (path / name).unlink()
        (path / name).write_bytes(data)


@pytest.mark.parametrize(
    "doc",
    [
        "", "[]", "{}", '{"version": 2, "segments": []}', '{"version": 1, "segments": [{}]}', '{"version": 1, "segments": [3]}',
        '{"version": 1, "segments": [{"file": "../x", "rows": 30, "bytes": 480}]}',
        '{"version": 1, "segments": [{"file": "data_parts_segments/seg_000000.npkd", "rows": -1, "bytes": -16}]}',
        '{"version": 1, "segments": [{"file": "data_parts_segments/seg_000000.npkd", "rows": 1e3, "bytes": 16}]}',
        '{"version": 1, "segments": [{"file": "data_parts_segments/seg_000000.npkd", "rows": 30, "bytes": 480}]}',
        '{"version": 1, "segments": [{"file": "data_parts_segments/seg_000000.npkd", "rows": 99999999999999999999, "bytes": 1}]}',
        '{"version": 1, "segments": [{"file": "data_one.npkd", "rows": 30, "bytes": 480}]}', "[" * 100000,
    ],
)  # fmt: skip
def test_hostile_lists_of_segments(tmp_path, doc):
    path = make(tmp_path / "p")
    (path / "data_parts.npkseg").write_text(doc)
    assert refused(path)


def test_bitmaps():
    rng = np.random.default_rng(1)
    for rows in (0, 1, 63, 64, 65, 200, 40_000, 70_001):
        alive = rng.random(rows) < 0.5
        b = Bitmap.full(rows)
        b.drop(np.flatnonzero(~alive))
        want = np.flatnonzero(alive)
        assert b.left == len(want)
        np.testing.assert_array_equal(b.span(0, b.left), want)
        if len(want) > 10:
            np.testing.assert_array_equal(b.span(5, len(want) - 3), want[5:-3])
            pick = rng.integers(0, len(want), 50)
            np.testing.assert_array_equal(b.find(pick), want[pick])
        same = Bitmap.parse(b.format(), rows)
        np.testing.assert_array_equal(same.span(0, same.left), want)
        if rows > 64:  # of an older NumPack: the words alone
            old = Bitmap.parse(b.format()[16:], rows)
            assert old.left == b.left
        b.extend(77)
        assert b.left == len(want) + 77 and b.rows == rows + 77
        np.testing.assert_array_equal(b.span(0, b.left), [*want, *range(rows, rows + 77)])
        # More rows than the array has don't count.
        cut = Bitmap.parse(b.format(), rows)
        assert cut.ahead and cut.left == len(want)
        for n in range(0, min(len(same.format()), 200)):
            with pytest.raises(ValueError):
                Bitmap.parse(same.format()[:n], rows + (rows == 0))


def test_metadata_round_trip(tmp_path):
    raw = (make(tmp_path / "p") / "metadata.npkm").read_bytes()
    with NumPack(tmp_path / "p") as p:
        assert format_meta(list(p._store.tables.values())) == raw
    assert [r.name for r in parse_meta(raw, "f")] == ["one", "parts", "left"]


def test_golden_packs():
    folder = ROOT / "testdata" / "formats"
    if not folder.exists():
        pytest.skip("no testdata/formats")
    with NumPack(folder / "all_dtypes.npk") as p:
        assert len(p) >= 14
        for name in p:
            np.testing.assert_array_equal(p.load(name, lazy=True)[:], p[name])
    for name in ("deleted.npk", "appended.npk", "segmented.npk"):
        before = snapshot(folder / name)
        with NumPack(folder / name) as p:
            for a in p:
                got = p[a]
                assert got.shape == p.get_shape(a)
                np.testing.assert_array_equal(np.concatenate(list(p.stream_load(a, 100_000))), got)
        assert snapshot(folder / name) == before


# Behind a process that was killed


def test_what_never_counted_is_swept_up(tmp_path):
    path = make(tmp_path / "p")
    want, before = content(path), snapshot(path)
    for name in (
        "data_one.gen2.npkd",
        "data_parts.gen2.npkseg",
        "npk.patch",
        "metadata.npkm.next",
        "metadata.npkm.partial-abc123",
    ):
        (path / name).write_bytes(b"left behind")
    (path / "mine.txt").write_text("stays")
    with open(path / "data_one.npkd", "ab") as f:
        f.write(bytes(9))  # rows that were being appended
    assert content(path) == want
    with NumPack(path) as p:
        p.append({"one": np.array([7], "f4")})
        p.append({"left": np.array([70])})
    want["one"].append(7)
    want["left"].append(70)
    assert content(path) == want
    assert snapshot(path).keys() == before.keys() | {"mine.txt"}
    assert (path / "data_one.npkd").stat().st_size == 28


def journal(path, *steps, version=1):
    (path / "npk.journal").write_text(json.dumps({"version": version, "steps": list(steps)}))


def piece(name, at, data):
    return struct.pack("<H", len(name)) + name + struct.pack("<QQ", at, len(data)) + data


@pytest.mark.parametrize("opener", ["read", "write"])
def test_a_journal_is_finished(tmp_path, opener):
    path, other = make(tmp_path / "p"), make(tmp_path / "other")
    with NumPack(other) as p:
        p.append({"one": np.array([9], "f4")})
    (path / "metadata.npkm.next").write_bytes((other / "metadata.npkm").read_bytes())
    with open(path / "data_one.npkd", "ab") as f:
        f.write(struct.pack("<f", 9))
    (path / "npk.patch").write_bytes(
        piece(b"data_one.npkd", 4, struct.pack("<2f", 50, 51))
        + piece(b"data_parts_segments/seg_000001.npkd", 16, struct.pack("<q", 60))
    )
    journal(
        path,
        {"do": "patch", "from": "npk.patch", "to": "data_one.npkd"},
        {"do": "patch", "from": "npk.patch", "to": "data_parts_segments/seg_000001.npkd"},
        {"do": "remove", "to": "deleted_left.npkb"},
        {"do": "remove", "to": "deleted_nothing.npkb"},
        {"do": "rename", "from": "metadata.npkm.next", "to": "metadata.npkm"},
    )
    with NumPack(path) as p:
        if opener == "write":
            p.save({"new": np.zeros(1)})
        assert p["one"].tolist() == [0, 50, 51, 3, 4, 5, 9]
        assert p["parts"][6].tolist() == [60, 13]
        assert p["left"].tolist() == list(range(10))
    assert not list(path.glob("npk.*")) and not list(path.glob("*.next"))


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "{", '{"version": 1}', '{"version": 2, "steps": []}', '{"version": 1, "steps": [3]}',
        '{"version": 1, "steps": [{"do": "remove", "to": "metadata.npkm"}]}',
        '{"version": 1, "steps": [{"do": "remove", "to": "../deleted_x"}]}',
        '{"version": 1, "steps": [{"do": "remove", "to": "deleted_x/y"}]}',
        '{"version": 1, "steps": [{"do": "rename", "from": "a", "to": "b"}]}',
        '{"version": 1, "steps": [{"do": "rename", "from": "/tmp/x.next", "to": "/tmp/x"}]}',
        '{"version": 1, "steps": [{"do": "patch", "from": "mine", "to": "data_one.npkd"}]}',
        '{"version": 1, "steps": [{"do": "explode", "to": "b"}]}',
    ],
)  # fmt: skip
def test_hostile_journals(tmp_path, text):
    path = make(tmp_path / "p")
    (path / "npk.journal").write_text(text)
    before = snapshot(path)
    with pytest.raises(errors.FormatError, match="npk.journal"):
        NumPack(path).open()
    assert snapshot(path) == before


@pytest.mark.parametrize(
    "data",
    [
        piece(b"data_one.npkd", 20, bytes(8)),
        piece(b"data_one.npkd", 2**63, b"x"),
        piece(b"data_one.npkd", 0, bytes(8))[:-3],
        b"\1",
    ],
)
def test_hostile_patches(tmp_path, data):
    path = make(tmp_path / "p")
    (path / "npk.patch").write_bytes(data)
    journal(path, {"do": "patch", "from": "npk.patch", "to": "data_one.npkd"})
    with pytest.raises(errors.FormatError, match="npk.patch"):
        NumPack(path).open()
    assert (path / "data_one.npkd").stat().st_size == 24


def test_every_stop_leaves_all_or_nothing(tmp_path, monkeypatch):
    """A change is stopped at each call that alters the disk; then the pack is the old or the new one."""
    first = make(tmp_path / "first")
    old = content(first)

    def change(path):
        with NumPack(path, segment_bytes=80) as p:
            p.append({"one": np.array([6], "f4"), "parts": np.full((9, 2), 5)})
            p.drop("left", 0)
            p.replace({"one": np.array([70], "f4")}, 0)
            p.save({"new": np.arange(3), "left2": np.arange(30)})
            p.drop("one", 1)
            p.save({"parts": np.ones((20, 2), "u1")})
            p.update("left")

    shutil.copytree(first, tmp_path / "second")
    change(tmp_path / "second")
    new = content(tmp_path / "second")
    assert new != old
    seen = []
    for stop in range(1000):
        path = tmp_path / f"{stop}"
        shutil.copytree(first, path)
        pid = os.fork() if hasattr(os, "fork") else pytest.skip("no fork")
        if pid == 0:
            count = 0

            def counted(f):
                def call(*args, **kwargs):
                    nonlocal count
                    count += 1
                    if count > stop:
                        os._exit(7)
                    return f(*args, **kwargs)

                return call

            for name in ("replace", "remove", "ftruncate", "pwrite", "write", "rmdir", "mkdir"):
                setattr(os, name, counted(getattr(os, name)))
            try:
                change(path)
                os._exit(0)
            finally:
                os._exit(3)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        assert code in (0, 7)
        got = content(path)
        assert got in (old, new), stop
        seen.append(got == new)
        with NumPack(path) as p:  # and it can be changed
            p.save({"behind": np.zeros(1)})
        if code == 0:
            break
        shutil.rmtree(path)
    assert code == 0 and stop > 20
    assert seen == sorted(seen) and not seen[0] and seen[-1]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL")
def test_kill(tmp_path):
    """Each flush's rows are there behind a kill, each row whole and in its place."""
    code = """if True:
        import sys, numpy as np
        from betongo.numpack import NumPack
        with NumPack(sys.argv[1]) as p:
            n = p.get_shape("a")[0] if p.has_array("a") else 0
            while True:
                rows = np.arange(n, n + 50).repeat(3).reshape(50, 3)
                p.append({"a": rows}) if n else p.save({"a": rows})
                p.replace({"a": rows[:1]}, n)
                n += 50
                p.flush()
                print(n, flush=True)
    """
    rng = random.Random(3)
    for _ in range(6):
        with subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "p")], stdout=subprocess.PIPE, text=True
        ) as child:
            child.stdout.readline()
            time.sleep(rng.random() * 0.3)
            child.kill()
            told = [int(line) for line in child.stdout if line.endswith("\n")]
        with NumPack(tmp_path / "p") as p:
            a = p["a"]
        assert len(a) % 50 == 0 and len(a) >= (told[-1] if told else 0)
        np.testing.assert_array_equal(a, np.arange(len(a)).repeat(3).reshape(-1, 3))


def test_a_full_disk_leaves_the_pack(tmp_path, monkeypatch):
    path = make(tmp_path / "p")
    old = content(path)
    real = os.write

    def full(fd, data):
        raise OSError(28, "No space left on device")

    with NumPack(path) as p:
        monkeypatch.setattr(os, "write", full)
        with pytest.raises(OSError, match="space"):
            p.save({"new": np.arange(9)})
        monkeypatch.setattr(os, "write", real)
        assert p.get_member_list() == list(old)
    assert content(path) == old
    p = NumPack(path)
    p.open()
    p.append({"one": np.zeros(1, "f4")})
    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="space"):
        p.flush()
    monkeypatch.setattr(os, "write", real)
    with pytest.raises(errors.StateError, match="open the pack again"):
        p.append({"one": np.zeros(1, "f4")})
    p.close()
    assert content(path) == old
