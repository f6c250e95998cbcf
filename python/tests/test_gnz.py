"""GNZ1 files."""

import json
import math
import os
import random
from pathlib import Path

import numpy as np
import pytest

from betongo import errors, gnz
from betongo.gnz import GNZFile, GNZWriter

ROOT = Path(__file__).resolve().parents[2]


def head(path):
    raw = Path(path).read_bytes()
    assert raw[:4] == b"GNZ1" and len(raw) % 4096 == 0
    n = int.from_bytes(raw[4:8], "little")
    return json.loads(raw[8 : 8 + n]), raw


def put(path, text):
    body = text if isinstance(text, bytes) else text.encode()
    raw = b"GNZ1" + len(body).to_bytes(4, "little") + body
    Path(path).write_bytes(raw + bytes(-len(raw) % 4096) + bytes(4096))


def test_golden(tmp_path):
    golden = ROOT / "testdata" / "formats" / "basic.gnz"
    if not golden.exists():
        pytest.skip("no testdata/formats")
    with gnz.open(golden) as f:
        assert list(f.keys()) == list(f) == ["x", "labels", "be", "b", "stream"] and len(f) == 5
        assert f.metadata == {"source": "seed 002", "n": 3}
        assert f["x"].dtype == np.float32 and f["x"].shape == (3, 4)
        assert f["be"].dtype == np.dtype(">i4") and f["b"].dtype == bool
        assert f["stream"].tolist()[3] == [7, 7] or f["stream"].shape == (5, 2)
        assert f.info("labels") == {"dtype": np.dtype("u2"), "shape": (3,), "order": "C", "offset": 8192}
        # The same arrays give the same bytes.
        with GNZWriter(tmp_path / "same.gnz", f.metadata) as w:
            for name in f:
                w.add(name, f[name])
    assert (tmp_path / "same.gnz").read_bytes() == golden.read_bytes()


ARRAYS = {
    "f": np.arange(6.0).reshape(2, 3),
    "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "strided": np.arange(24).reshape(4, 6)[::2, ::-2],
    "be": np.arange(4, dtype=">u2"),
    "scalar": np.array(7, "i1"),
    "empty": np.zeros((0, 3), "f2"),
    "text": np.array(["a", "größe"]),
    "bytes": np.array([b"x", b"yz"]),
    "when": np.array(["2020-01-01"], "M8[D]"),
    "void": np.zeros(2, "V3"),
    "rows": np.array([(1, [2.5, 3]), (4, [5, 6])], [("a", "<i4"), ("b", "<f8", (2,))]),
    "": np.arange(3, dtype="c8"),
    "größe": np.array([True, False]),
}


def test_round_trip(tmp_path):
    path = tmp_path / "a.gnz"
    gnz.save(path, ARRAYS, {"n": 1, "list": [1.5, None, "ü"]})
    doc, raw = head(path)
    assert doc["version"] == 1 and all(a["offset"] % 4096 == 0 for a in doc["arrays"].values())
    got = gnz.load(path)
    assert list(got) == list(ARRAYS) or set(got) == set(ARRAYS)
    for name, a in ARRAYS.items():
        assert got[name].dtype == a.dtype and got[name].shape == a.shape
        assert repr(got[name].tolist()) == repr(a.tolist())
        assert got[name].flags.writeable and (a.size == 0 or got[name].base is None)
    assert got["fortran"].flags.f_contiguous and doc["arrays"]["fortran"]["order"] == "F"
    assert doc["arrays"]["rows"]["dtype"] == "|V20"
    with gnz.open(path) as f:
        assert f.metadata == {"n": 1, "list": [1.5, None, "ü"]} and "f" in f and "x" not in f
        assert not f["f"].flags.writeable and not f["f"].flags.owndata
        for call in (lambda: f["x"], lambda: f.info("x")):
            with pytest.raises(KeyError, match="no array"):
                call()
        held = f["f"]
    np.testing.assert_array_equal(held, ARRAYS["f"])  # it keeps the map
    with pytest.raises(ValueError, match="closed"):
        f["f"]
    f.close()


def test_cast_and_order(tmp_path):
    path = tmp_path / "a.gnz"
    with GNZWriter(path) as w:
        a = np.arange(6.0).reshape(2, 3)
        w.add("half", a, "f2")
        w.add("be", a, ">i4", order="F")
        w.add("c", np.asfortranarray(a), order="C")
        w.add("list", [1, 2])
        assert w.keys() == ["half", "be", "c", "list"]
    with gnz.open(path) as f:
        assert f["half"].dtype == np.float16 and f["be"].dtype == np.dtype(">i4")
        assert f["be"].flags.f_contiguous and f["c"].flags.c_contiguous
        for name in ("half", "be", "c"):
            np.testing.assert_array_equal(f[name], a)


def test_streaming(tmp_path):
    path = tmp_path / "a.gnz"
    with GNZWriter(path, {"k": 1}) as w:
        w.add_streaming("s", (5, 2), "<i4")
        w.add_streaming("f", (2, 3), "f4", order="F")
        w.add_streaming("none", (0, 3), "f4")
        w.add_streaming("one", (), "f8")
        w.add("a", np.arange(3))
        assert w.keys() == ["a", "s", "f", "none", "one"]
        w["s"][:3] = 7
        w["f"][1] = [1, 2, 3]
        w["one"][...] = 5
        assert not path.exists()
        with pytest.raises(ValueError, match="laid out"):
            w.add("late", np.zeros(1))
        with pytest.raises(KeyError):
            w["a"]
    got = gnz.load(path)
    assert got["s"].tolist() == [[7, 7]] * 3 + [[0, 0]] * 2 and got["f"].tolist() == [[0, 0, 0], [1, 2, 3]]
    assert got["one"] == 5 and got["a"].tolist() == [0, 1, 2] and got["none"].shape == (0, 3)
    with pytest.raises(ValueError, match="closed"):
        w["s"]


def test_writable_map(tmp_path):
    path = tmp_path / "a.gnz"
    gnz.save(path, {"a": np.zeros((3, 2)), "b": np.arange(4)})
    with GNZFile(path, "r+") as f:
        f["a"][1] = 5
        f["b"][:] *= 2
        f.flush()
    assert gnz.load(path)["a"].tolist() == [[0, 0], [5, 5], [0, 0]] and gnz.load(path)["b"].tolist() == [
        0,
        2,
        4,
        6,
    ]
    with pytest.raises(ValueError):
        GNZFile(path, "w")
    with pytest.raises(ValueError, match="closed"):
        f.flush()


def test_existing_files(tmp_path):
    path = tmp_path / "a.gnz"
    gnz.save(path, {"a": np.zeros(1)})
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match="overwrite"):
        gnz.save(path, {"b": np.zeros(1)})
    with pytest.raises(ZeroDivisionError), GNZWriter(path, overwrite=True) as w:
        w.add_streaming("b", 3, "f4")
        w["b"][:] = 1
        1 / 0
    assert path.read_bytes() == before
    gnz.save(path, {"b": np.zeros(1)}, overwrite=True)
    assert list(gnz.load(path)) == ["b"]
    with GNZWriter(tmp_path / "late.gnz") as w:
        w.add_streaming("b", 3, "f4")
        w["b"]
        (tmp_path / "late.gnz").write_text("somebody else's")
        with pytest.raises(FileExistsError):
            w.close()
    w.abort()
    w.close()
    w = GNZWriter(tmp_path / "gone.gnz")
    w.add_streaming("b", 3, "f4")
    w["b"]
    del w
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.gnz", "late.gnz"]


def test_refused(tmp_path):
    path = tmp_path / "a.gnz"
    with pytest.raises((TypeError, ValueError)):
        GNZWriter(path, {"x": object()})
    w = GNZWriter(path)
    w.add("a", np.zeros(1))
    for name in ("a", "\ud800"):
        with pytest.raises(ValueError):
            w.add(name, np.zeros(1))
    with pytest.raises(TypeError):
        w.add(3, np.zeros(1))
    with pytest.raises(TypeError):
        w.add("o", np.array([None]))
    with pytest.raises(TypeError):
        w.add("m", np.ma.zeros(2))
    for shape in ((-1, 2), (2**62, 2**62)):
        with pytest.raises(ValueError):
            w.add_streaming("s", shape, "f8")
    with pytest.raises(ValueError):
        w.add("order", np.zeros(1), order="A")
    w.close()
    assert list(gnz.load(path)) == ["a"]


@pytest.mark.parametrize("near", [4088, 8184, 12280])
def test_headers_of_every_length_near_a_page(tmp_path, near):
    """The header ends before the first array, whatever the offsets' digits do to its length."""
    path = tmp_path / "a.gnz"
    arrays = {f"a{i}": np.full(3, i) for i in range(8)}
    gnz.save(path, arrays, {"pad": ""})
    base = len(json.dumps(head(path)[0], sort_keys=True))
    for pad in range(near - base - 12, near - base + 4):
        gnz.save(path, arrays, {"pad": "x" * pad}, overwrite=True)
        doc, raw = head(path)
        first = min(a["offset"] for a in doc["arrays"].values())
        assert first == math.ceil((8 + int.from_bytes(raw[4:8], "little")) / 4096) * 4096
        got = gnz.load(path)
        assert all((got[k] == a).all() for k, a in arrays.items())


def test_truncations_and_flips(tmp_path):
    path = tmp_path / "a.gnz"
    gnz.save(path, {"a": np.arange(300), "b": np.zeros((2, 2), "i1,f4")}, {"k": [1]})
    doc, raw = head(path)
    n = 8 + int.from_bytes(raw[4:8], "little")
    rng = random.Random(1)
    for cut in [*range(n + 3), *range(4000, 4200), 8192, len(raw) - 4096 + 17]:
        path.write_bytes(raw[:cut])
        with pytest.raises(errors.FormatError, match="a.gnz"):
            GNZFile(path)
    for _ in range(400):
        at = rng.randrange(n)
        path.write_bytes(raw[:at] + bytes([raw[at] ^ 1 << rng.randrange(8)]) + raw[at + 1 :])
        try:
            with GNZFile(path) as f:
                for name in f:
                    f[name].tolist()
        except (errors.FormatError, errors.UnsupportedError) as e:
            assert str(path) in str(e)


GOOD = '{"arrays": {"a": {"dtype": "<f4", "offset": 4096, "order": "C", "shape": [2]}}, "metadata": {}, "version": 1}'


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "3", "{}", GOOD.replace('"version": 1', '"version": 2'), GOOD.replace('"version": 1', '"version": true'),
        GOOD.replace('"metadata": {}', '"metadata": 3'), GOOD.replace('"<f4"', "3"), GOOD.replace('"<f4"', '"<f5"'),
        GOOD.replace('"<f4"', '"|O"'), GOOD.replace('"<f4"', '"f4,f4"'), GOOD.replace("[2]", "[-2]"), GOOD.replace("[2]", "[2.0]"),
        GOOD.replace("[2]", "2"), GOOD.replace("[2]", "[true]"), GOOD.replace("[2]", "[9223372036854775807]"),
        GOOD.replace("[2]", "[4294967296, 4294967296, 4294967296]"), GOOD.replace("[2]", "[0, 4611686018427387904, 4611686018427387904]"),
        GOOD.replace("[2]", "[" + ", ".join("1" * 65) + "]"), GOOD.replace('"C"', '"A"'), GOOD.replace("4096", "0"),
        GOOD.replace("4096", "-1"), GOOD.replace("4096", "8190"), GOOD.replace("4096", "99999999999999999999"),
        GOOD.replace("4096", "4096.0"), GOOD.replace('"order"', '"descr": "[(\'a\', \'<i8\')]", "order"'),
        GOOD.replace('"order"', '"descr": "__import__(\'os\')", "order"'), GOOD.replace('"order"', '"descr": 3, "order"'),
        GOOD.replace('"a": {', '"b": {"dtype": "<f4", "offset": 4100, "shape": [2]}, "a": {'), "[" * 100000, b"\xff", GOOD[:-1],
        '{"arrays": [], "metadata": {}, "version": 1}', '{"arrays": {"a": 3}, "metadata": {}, "version": 1}',
    ],
)  # fmt: skip
def test_hostile_headers(tmp_path, text):
    path = tmp_path / "a.gnz"
    put(path, GOOD)
    assert gnz.load(path)["a"].tolist() == [0, 0]
    put(path, text)
    with pytest.raises((errors.FormatError, errors.UnsupportedError), match="a.gnz"):
        GNZFile(path)


def test_order_may_be_missing_and_metadata_null(tmp_path):
    put(tmp_path / "a.gnz", GOOD.replace('"order": "C", ', "").replace("{}", "null"))
    with gnz.open(tmp_path / "a.gnz") as f:
        assert f.metadata == {} and f["a"].tolist() == [0, 0]


def test_large_sparse(tmp_path):
    path = tmp_path / "a.gnz"
    n = (1 << 31) + 10
    with GNZWriter(path) as w:
        w.add_streaming("big", n, "u1")
        w.add_streaming("behind", 3, "f4")
        w["big"][-1] = 9
        w["behind"][:] = 1
    with gnz.open(path) as f:
        assert f["big"].shape == (n,) and f["big"][-1] == 9 and f["behind"].tolist() == [1, 1, 1]
    os.remove(path)
