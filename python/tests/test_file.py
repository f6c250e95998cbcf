"""The NumPy reader: FFCV's own files, files with one flaw each, files cut anywhere."""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import json
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import betongo
from betongo import _block, _value
from betongo._file import File

PILLOW = importlib.util.find_spec("PIL") is not None
TESTDATA = Path(__file__).parents[2] / "testdata"
GOLDENS = sorted(p.name[: -len(".beton.gz")] for p in (TESTDATA / "ffcv").glob("*.beton.gz"))
BROKEN = sorted((TESTDATA / "broken").glob("*.vector"))


@pytest.fixture(autouse=True)
def decoder(request: pytest.FixtureRequest) -> None:
    """Something that decodes JPEGs: Pillow or the engine; else tests are skipped."""
    if not PILLOW:
        request.getfixturevalue("engine")


def golden(name: str, folder: Path) -> Path:
    """Unpacks a golden file."""
    path = folder / f"{name}.beton"
    path.write_bytes(gzip.decompress((TESTDATA / "ffcv" / f"{name}.beton.gz").read_bytes()))
    return path


def vector(path: Path, folder: Path) -> tuple[dict[str, str], Path]:
    """Unpacks a file of testdata/broken, and returns its header too."""
    head, _, body = path.read_bytes().partition(b"\n\n")
    made = folder / "x.beton"
    made.write_bytes(gzip.decompress(body))
    return dict(line.split(": ", 1) for line in head.decode().splitlines()), made


def sha(b: Any) -> str:
    return hashlib.sha256(b).hexdigest()


def custom_class(dtype: Any) -> type:
    """A Field class for custom_fields, as far as the reader needs one."""

    class Custom:
        metadata_type = np.dtype(dtype)

        @staticmethod
        def from_binary(binary: np.ndarray) -> Custom:
            return Custom()

    return Custom


def to_dtype(d: Any) -> np.dtype:
    return np.dtype([tuple(m) for m in d] if isinstance(d, list) else d)


def test_there_are_data() -> None:
    assert len(GOLDENS) > 30
    assert len(BROKEN) > 90


@pytest.mark.parametrize("name", GOLDENS)
def test_golden(name: str, tmp_path: Path) -> None:
    if name == "ndarray_structured":  # FFCV writes such arrays and cannot read them either
        with pytest.raises(betongo.UnsupportedError, match="structured"):
            File(golden(name, tmp_path))
        return
    m = json.loads((TESTDATA / "ffcv" / f"{name}.json").read_text())
    custom = {
        f["name"]: custom_class(to_dtype(f["metadata_dtype"])) for f in m["fields"] if f["kind"] == "custom"
    }
    f = File(golden(name, tmp_path), custom)
    header = m["header"]
    assert (f.num_samples, f.page_size, f.num_fields) == (
        header["num_samples"],
        header["page_size"],
        header["num_fields"],
    )
    assert f.field_names == [x["name"] for x in m["fields"]]
    assert f.field_types == [x["type_id"] for x in m["fields"]]
    assert f.metadata.itemsize == m["sample_itemsize"]
    assert sha(f.metadata.tobytes()) == m["metadata_sha256"]
    assert len(f.alloc_table) == m["alloc_count"]
    assert sha(f.alloc_table.tobytes()) == m["alloc_sha256"]
    assert f.classes is None and f.sections == []
    for k, x in enumerate(m["fields"]):
        check_field(f, k, x)


def check_field(f: File, k: int, x: dict[str, Any]) -> None:
    """Compares a field's values with its part of the manifest."""
    samples = range(f.num_samples)
    if x["kind"] == "custom":
        got = f.metadata[f"f{k}"]
        assert [v.tolist() for v in got] == x["values"] or got.dtype.names
        return
    if x["kind"] == "ndarray" and not x["shape"][-1]:  # the format loses the zero
        with pytest.raises(betongo.SampleError):
            f.value(0, k)
        return
    values = [f.value(i, k) for i in samples]
    if x["kind"] == "int":
        assert values == x["values"]
        assert f.column(k).tolist() == x["values"]
    elif x["kind"] == "float":
        bits = np.array(values, "<f8").view("<u8")
        assert [f"0x{b:016x}" for b in bits] == x["bits"]
    elif x["kind"] == "bytes":
        assert [len(v) for v in values] == x["size"]
        assert [sha(v) for v in values] == x["sha256"]
    elif x["kind"] == "json":
        assert [bytes(f.raw(i, k)).rstrip(b"\0").decode() for i in samples] == x["text"]
        assert all(v == json.loads(t) or "NaN" in t for v, t in zip(values, x["text"]))
    elif x["kind"] == "ndarray":
        assert all(v.dtype.str == x["dtype"] and list(v.shape) == x["shape"] for v in values)
        assert [sha(v.tobytes()) for v in values] == x["sha256"]
        column = f.column(k)
        assert column.shape == (f.num_samples, *x["shape"])
        assert [sha(v.tobytes()) for v in column] == x["sha256"]
        some = np.arange(f.num_samples)[::-3]
        assert [sha(v.tobytes()) for v in f.column(k, some)] == [x["sha256"][i] for i in some]
    else:
        assert x["kind"] == "rgb"
        assert [v.shape for v in values] == [(h, w, 3) for w, h in zip(x["width"], x["height"])]
        assert [sha(f.raw(i, k)) for i in samples] == x["data_sha256"]
        raw = [i for i in samples if x["mode"][i] == 1]
        assert [sha(values[i].tobytes()) for i in raw] == [x["pixels_sha256"][i] for i in raw]


# What a reader of values notices, each with the sample and field of the vector's header; what the others
# have only a full check finds.
NOTICED = (
    "entry_jpeg_past_end entry_jpeg_size_0 image_mode jpeg_start json_no_nul json_text "
    "pointer_0 pointer_before_pages pointer_huge pointer_in_metadata pointer_in_table pointer_past_end "
    "size_63 size_huge size_past_pages"
).split()


@pytest.mark.parametrize("path", BROKEN, ids=lambda p: p.stem)
def test_broken(path: Path, tmp_path: Path) -> None:
    head, made = vector(path, tmp_path)
    expect, words = head["expect"], head.get("what", "")
    if expect == "invalid":
        with pytest.raises(betongo.FormatError) as caught:
            File(made)
        e = caught.value
        assert words.replace("descriptor 0", "descriptor 0") in str(e)
        assert e.file == str(made) and e.place and e.offset is not None and str(made) in str(e)
        assert repr(head.get("field", "")) in str(e) or "field" not in head
        return
    if expect == "unsupported":
        with pytest.raises(betongo.UnsupportedError):
            File(made)
        return
    f = File(made)
    if expect == "unknown field":
        for read in (lambda: f.metadata, lambda: f.value(0, 0)):
            with pytest.raises(betongo.UnsupportedError, match=repr(head["field"])):
                read()
        return
    errors = touch(f)
    if expect == "sound":
        assert errors == []
    elif path.stem in NOTICED:
        places = {(e.sample, e.field) for e in errors if isinstance(e, betongo.SampleError)}
        assert (int(head["sample"]), head["field"]) in places
        assert any(words in str(e) for e in errors)
    for e in errors:
        assert str(made) in str(e)


def touch(f: File) -> list[betongo.Error]:
    """Reads everything, and returns what was wrong; anything but betongo's own errors goes through."""
    errors: list[betongo.Error] = []

    def attempt(read: Any) -> None:
        try:
            read()
        except betongo.Error as e:
            errors.append(e)
        except KeyError:
            pass

    attempt(lambda: f.classes)
    attempt(lambda: f.sections)
    attempt(lambda: f.find("class/name.jpg"))
    for i in range(f.num_samples):
        attempt(lambda: f.key(i))
        for k in range(f.num_fields):
            attempt(lambda: f.value(i, k))
            attempt(lambda: f.raw(i, k))
    for k, info in enumerate(f.fields):
        if info.shape is not None:
            attempt(lambda: f.column(k))
    return errors


@pytest.mark.parametrize("name", ["sound", "block", "array", "block_required_known"])
def test_truncation(name: str, tmp_path: Path) -> None:
    """Of a file cut anywhere nothing but betongo's own errors comes; most cuts are seen at once."""
    _, made = vector(TESTDATA / "broken" / f"{name}.vector", tmp_path)
    whole = made.read_bytes()
    table = int.from_bytes(whole[16:24], "little")
    cuts = {*range(0, 4200, 29), *range(table - 40, len(whole)), *range(4200, len(whole), len(whole) // 20)}
    opened = 0
    for n in sorted(c for c in cuts if 0 <= c < len(whole)):
        made.write_bytes(whole[:n])
        try:
            f = File(made)
        except betongo.FormatError:
            continue
        opened += 1
        touch(f)
    assert opened == 0  # each pointer wants its entry of the table


@pytest.mark.parametrize("name", ["sound", "block", "array", "text", "overlap"])
def test_changed_bytes(name: str, tmp_path: Path) -> None:
    """Bytes changed at random give values or betongo's own errors, nothing else."""
    _, made = vector(TESTDATA / "broken" / f"{name}.vector", tmp_path)
    whole = made.read_bytes()
    table = min(int.from_bytes(whole[16:24], "little"), len(whole)) if len(whole) > 24 else 0
    places = np.concatenate([np.arange(min(len(whole), 6000)), np.arange(max(table - 600, 0), len(whole))])
    rng = np.random.default_rng(5)
    for _ in range(150):
        b = bytearray(whole)
        for at in rng.choice(places, 3):
            b[int(at)] = int(rng.integers(256))
        made.write_bytes(bytes(b))
        try:
            f = File(made)
        except (betongo.FormatError, betongo.UnsupportedError):
            continue
        if f.num_samples < 1000:
            touch(f) if f._unknown is None else None


def test_block(tmp_path: Path) -> None:
    _, made = vector(TESTDATA / "broken" / "block.vector", tmp_path)
    f = File(made)
    assert f.classes
    assert {"CLAS", "NAME"} <= {s.tag for s in f.sections}
    (tmp_path / "hashed").mkdir()
    _, made = vector(TESTDATA / "broken" / "index_lost.vector", tmp_path / "hashed")
    hashed = File(made)
    assert "NIDX" in {s.tag for s in hashed.sections}
    assert [f.find(f.key(i)) for i in range(f.num_samples)] == list(range(f.num_samples))
    for g, wrong in (
        (f, "no/such"),
        (f, ""),
        (f, "\udcff"),
        (hashed, hashed.key(0)),
    ):  # that index lost its names
        with pytest.raises(KeyError):
            g.find(wrong)
    with pytest.raises(KeyError, match="does not keep"):
        File(golden("bytes", tmp_path)).find("x")


def with_index(made: Path, slots: int) -> None:
    """Adds the index of names that a file with names lacks, as docs/format.md has it."""
    f = File(made)
    table = [0] * slots
    for i in range(f.num_samples):
        h = _block.name_hash(f.key(i).encode())
        at = h % slots
        while table[at]:
            at = (at + 1) % slots
        table[at] = h >> 40 << 40 | i + 1
    b = bytearray(made.read_bytes())
    end = int.from_bytes(b[16:24], "little")
    trailer, tail = b[end - 64 : end], b[end:]
    block = int.from_bytes(trailer[16:24], "little")
    del b[end - 64 :]
    b += b"NIDX" + bytes(4) + (8 * slots).to_bytes(8, "little") + np.array(table, "<u8").tobytes()
    trailer[24:32] = (len(b) - block).to_bytes(8, "little")
    trailer[32:36] = _block.crc32c(bytes(b[block:])).to_bytes(4, "little")
    trailer[60:64] = _block.crc32c(bytes(trailer[:60])).to_bytes(4, "little")
    b[16:24] = (len(b) + 64).to_bytes(8, "little")
    made.unlink()  # it is mapped
    made.write_bytes(bytes(b + trailer + tail))


@pytest.mark.parametrize("slots", [4, 8, 64])
def test_find_by_index(slots: int, tmp_path: Path) -> None:
    _, made = vector(TESTDATA / "broken" / "block.vector", tmp_path)
    with_index(made, slots)
    f = File(made)
    assert "NIDX" in {s.tag for s in f.sections}
    assert [f.find(f.key(i)) for i in range(3)] == [0, 1, 2]
    for i in range(200):
        with pytest.raises(KeyError):
            f.find(f"no {i}")


def test_hashes() -> None:
    assert _block.name_hash(b"") == 0xEFD01F60BA992926
    assert _block.name_hash(b"a") == 0x82A2A958A9BECE5B
    assert _block.crc32c(b"123456789") == 0xE3069283


def test_arguments_of_methods(tmp_path: Path) -> None:
    f = File(golden("ints_floats", tmp_path))
    with pytest.raises(KeyError, match="did you mean 'int_value'"):
        f.value(0, "int_valu")
    with pytest.raises(IndexError, match=f"sample {f.num_samples} of {f.num_samples}"):
        f.value(f.num_samples, 0)
    with pytest.raises(IndexError):
        f.value(0, 2)
    with pytest.raises(TypeError, match="no common shape"):
        File(golden("bytes", tmp_path)).column("data")
    with pytest.raises(ValueError, match="'nope'"):
        File(golden("bytes", tmp_path), {"nope": custom_class("<u4")})
    with pytest.raises(FileNotFoundError):
        File(tmp_path / "none.beton")
    with pytest.raises(IsADirectoryError):
        File(tmp_path)


def test_life(tmp_path: Path) -> None:
    """Views outlive the file, and it pickles as its path."""
    f = File(golden("ndarray", tmp_path))
    view, want = f.raw(3, 0), f.raw(3, 0).tobytes()
    again = pickle.loads(pickle.dumps(f))
    f.close()
    f.close()
    assert view.tobytes() == want == again.raw(3, 0).tobytes()
    assert not view.flags.writeable
    assert again.value(3, 0).flags.writeable
    with pytest.raises(IndexError):
        f.value(0, 0)


def lz4_literals(b: bytes) -> bytes:
    """An LZ4 block of literals alone."""
    n = len(b)
    head = bytes([min(n, 15) << 4])
    if n >= 15:
        head += b"\xff" * ((n - 15) // 255) + bytes([(n - 15) % 255])
    return head + b


def test_lz4() -> None:
    text = b"abcdefg" * 40
    assert _value.unpack_lz4(lz4_literals(text), len(text)) == text
    # "abc", then 3 back, 4 + 15 + 2 bytes of it, then the end's literals
    packed = b"\x3fabc\x03\x00\x02" + b"\x50abcde"
    want = (b"abc" * 8)[:24] + b"abcde"
    assert _value.unpack_lz4(packed, len(want)) == want
    for cut in range(len(packed)):
        with pytest.raises(_value.DecodeError):
            _value.unpack_lz4(packed[:cut], len(want))
    for wrong in (b"\x10a\x02\x00", b"\x10a\x00\x00", b"\x30a", packed + b"\x10x"):
        with pytest.raises(_value.DecodeError):
            _value.unpack_lz4(wrong, len(want))


def test_without_pillow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Pillow is missing the engine decodes JPEGs, to nearly the same pixels."""
    pytest.importorskip("PIL")
    engine = pytest.importorskip("betongo._engine")
    f = File(golden("rgb_jpg", tmp_path) if "rgb_jpg" in GOLDENS else golden("rgb_smart", tmp_path))
    want = f.value(0, "image")
    try:
        engine.engine()
    except betongo.EngineError as e:
        pytest.skip(f"no engine: {e}")
    monkeypatch.setitem(sys.modules, "PIL", None)
    got = f.value(0, "image")
    assert got.shape == want.shape and got.dtype == want.dtype
    assert np.abs(got.astype(int) - want.astype(int)).mean() < 2
