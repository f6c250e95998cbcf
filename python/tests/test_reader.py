"""Reader, the memory managers and the small modules: what scripts for FFCV touch of them."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_file import GOLDENS, TESTDATA, golden

from betongo import Reader, libffcv, utils
from betongo._value import IMAGE
from betongo.fields import Field, ImageField, NDArrayField
from betongo.memory_allocator import MemoryAllocator
from betongo.memory_managers import OSCacheManager, ProcessCacheManager
from betongo.memory_managers.process_cache.schedule import ScheduleExecutor, compute_schedule
from betongo.pipeline.compiler import Compiler
from betongo.types import ALLOC_TABLE_TYPE, FieldDescType, HeaderType, get_handlers, get_metadata_type


@pytest.mark.parametrize("name", [n for n in GOLDENS if not n.startswith(("ndarray_struct", "ndarray_zero"))])
def test_reader(name: str, tmp_path: Path) -> None:
    """What FFCV's Reader says of its own files."""
    m = json.loads((TESTDATA / "ffcv" / f"{name}.json").read_text())
    if any(f["kind"] == "custom" for f in m["fields"]):
        with pytest.raises(ValueError, match="custom_fields"):
            Reader(golden(name, tmp_path))
        return
    r = Reader(golden(name, tmp_path))
    assert (r.num_samples, r.page_size, r.num_fields) == tuple(
        m["header"][k] for k in ("num_samples", "page_size", "num_fields")
    )
    assert int(r.header["alloc_table_ptr"]) == m["header"]["alloc_table_ptr"]
    assert r.field_names == list(r.handlers) == [f["name"] for f in m["fields"]]
    assert r.metadata.shape == (r.num_samples,) and r.metadata.dtype == r.metadata_type
    assert r.metadata_type == get_metadata_type(list(r.handlers.values()))
    assert [type(h) for h in get_handlers(r.field_descriptors)] == [type(h) for h in r.handlers.values()]
    assert r.metadata_type.names == tuple(f"f{i}" for i in range(r.num_fields))
    assert len(r.alloc_table) == m["alloc_count"] and r.alloc_table.dtype == ALLOC_TABLE_TYPE
    for f in m["fields"]:
        if f["kind"] == "ndarray":
            h = r.handlers[f["name"]]
            assert isinstance(h, NDArrayField) and (h.dtype.str, list(h.shape)) == (f["dtype"], f["shape"])
    assert not r.metadata.flags.writeable and not r.alloc_table.flags.writeable


def test_custom_fields(tmp_path: Path) -> None:
    class Flag(Field):
        @property
        def metadata_type(self) -> np.dtype:
            return np.dtype("<u1")

        @staticmethod
        def from_binary(binary: Any) -> Flag:
            return Flag()

        def to_binary(self) -> Any:
            raise NotImplementedError

        def encode(self, destination: Any, field: Any, malloc: Any) -> None:
            raise NotImplementedError

        def get_decoder_class(self) -> Any:
            raise NotImplementedError

    class Number(Flag):
        @property
        def metadata_type(self) -> np.dtype:
            return np.dtype("<u4")

        @staticmethod
        def from_binary(binary: Any) -> Number:
            return Number()

    path = golden("u1_then_i8", tmp_path)
    with pytest.raises(ValueError, match="'flag'.*custom_fields"):
        Reader(path)
    m = json.loads((TESTDATA / "ffcv" / "u1_then_i8.json").read_text())
    classes = {
        f["name"]: Number if f["metadata_dtype"] == "<u4" else Flag
        for f in m["fields"]
        if f["kind"] == "custom"
    }
    with pytest.raises(ValueError, match="'u5' is unknown; did you mean 'u4'"):
        Reader(path, {**classes, "u5": Flag})
    r = Reader(path, classes)
    assert isinstance(r.handlers["u4"], Number)
    for k, f in enumerate(m["fields"]):
        assert r.metadata[f"f{k}"].tolist() == f["values"]


def test_own_kinds(tmp_path: Path) -> None:
    """A field that describes itself needs no class."""
    field = ImageField(2, np.uint16)
    b = bytearray(24 + 1041 + 24 + 24)
    b[0:4] = b"\x02\x00\x01\x00"
    b[4:8] = (1 << 21).to_bytes(4, "little")
    b[8] = 1
    b[24], b[25:29] = 255, b"mask"
    b[41 : 41 + 1024] = field.to_binary().tobytes()
    pixels = np.arange(24, dtype="<u2").reshape(3, 4, 2)
    page = 1 << 21
    b[1065:1089] = np.array([(page, 48, 4, 3, 0)], IMAGE).tobytes()
    whole = bytes(b[:1089]).ljust(page, b"\0") + pixels.tobytes().ljust(page, b"\0")
    table = np.array([(0, page, 48)], ALLOC_TABLE_TYPE).tobytes()
    head = bytearray(whole)
    head[16:24] = len(whole).to_bytes(8, "little")
    path = tmp_path / "x.beton"
    path.write_bytes(bytes(head) + table)
    reader = Reader(path)
    assert isinstance(reader.handlers["mask"], ImageField)
    assert np.array_equal(reader.file.value(0, "mask"), pixels)


def regions(r: Reader) -> list[tuple[int, int]]:
    return [(int(e["ptr"]), int(e["size"])) for e in r.alloc_table]


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("name", ["bytes", "bytes_two_fields_retry", "mixed_w4", "rgb_smart"])
def test_memory_managers(name: str, compiled: bool, tmp_path: Path) -> None:
    """Every region is read by its pointer, through the map and through pages, compiled and not."""
    if compiled:
        pytest.importorskip("numba")
    path = golden(name, tmp_path)
    whole = path.read_bytes()
    r = Reader(path, u1_u4(path))
    before = Compiler.is_enabled
    Compiler.set_enabled(compiled)
    try:
        for manager in (OSCacheManager(r), ProcessCacheManager(r)):
            read = manager.compile_reader()
            batches = [list(range(i, min(i + 7, r.num_samples))) for i in range(0, r.num_samples, 7)]
            with manager.schedule_epoch(batches) as context:
                for b, samples in enumerate(batches):
                    context.start_batch(b)
                    for e in r.alloc_table[np.isin(r.alloc_table["sample_id"], samples)][:40]:
                        ptr, size = int(e["ptr"]), int(e["size"])
                        got = read(np.uint64(ptr), context.state)
                        assert got.dtype == np.uint8 and got[:size].tobytes() == whole[ptr : ptr + size]
            if not compiled:
                with pytest.raises(ValueError, match="no region at pointer 5"):
                    read(5, context.state)
    finally:
        Compiler.set_enabled(before)


def u1_u4(path: Path) -> dict[str, type]:
    m = json.loads((TESTDATA / "ffcv" / f"{path.stem}.json").read_text())
    return {
        f["name"]: type(
            "Any",
            (),
            {"metadata_type": np.dtype(f["metadata_dtype"]), "from_binary": classmethod(lambda c, b: c())},
        )
        for f in m["fields"]
        if f["kind"] == "custom"
    }


def test_pages(tmp_path: Path) -> None:
    r = Reader(golden("bytes_two_fields_retry", tmp_path))
    m = OSCacheManager(r)
    bits = r.page_size.bit_length() - 1
    for sample in range(r.num_samples):
        want = {
            ptr >> bits for (ptr, _), e in zip(regions(r), r.alloc_table) if int(e["sample_id"]) == sample
        }
        assert m.sample_to_pages[sample] == want and all(sample in m.page_to_samples[p] for p in want)
    assert set(m.page_to_samples) == {ptr >> bits for ptr, _ in regions(r)} and 0 not in m.page_to_samples
    assert m.ptr_to_size == dict(regions(r))
    assert len(m.sample_to_pages) == r.num_samples and m.sample_to_pages[10**9] == set()


def test_state_types(tmp_path: Path) -> None:
    numba = pytest.importorskip("numba")
    r = Reader(golden("bytes", tmp_path))
    for manager in (OSCacheManager(r), ProcessCacheManager(r)):
        with manager.schedule_epoch([[0, 1]]) as context:
            context.start_batch(0)
            assert numba.typeof(context.state) == manager.state_type


def test_schedule() -> None:
    s = compute_schedule([[1, 2], [2], [3], [4], [5], [1]], prefetch_ahead=1)
    assert s.entering_at[0] == {1, 2} and s.leaving_at[2] == {2} and s.can_prefetch_at[1] == {3}
    for b in range(6):
        held = [p for p in s.page_to_slot if min(x for x in range(6) if p in s.entering_at[x]) <= b]
        inside = [p for p in held if not any(p in s.leaving_at[x] for x in range(b + 1))]
        assert len({s.page_to_slot[p] for p in inside}) == len(inside)
    assert s.num_slots <= 4


def test_reading_pages_fails(tmp_path: Path) -> None:
    """What a thread that reads pages meets comes out where its pages are waited for."""
    s = compute_schedule([[0]])
    with ScheduleExecutor(tmp_path / "none", s, np.zeros((1, 10), np.uint8), num_workers=1) as e:
        with pytest.raises(FileNotFoundError):
            e.load_batch(0)
        with pytest.raises(ValueError, match="0 is the next"):
            e.load_batch(3)
    with pytest.raises(RuntimeError, match="once"):
        e.__enter__()


def test_allocator(tmp_path: Path) -> None:
    path = tmp_path / "pages"
    path.write_bytes(b"head")
    allocator = MemoryAllocator(path, 4, 16)
    assert allocator.space_left_in_page == 0
    with allocator:
        for sample, size in enumerate((10, 6, 12)):
            allocator.set_current_sample(sample)
            ptr, buffer = allocator.malloc(size)
            buffer[:] = sample + 1
            assert ptr == (16, 26, 32)[sample]
        with pytest.raises(MemoryError):
            allocator.malloc(6)  # the rest of the sample is on the page before
        assert allocator.allocations == [(0, 16, 10), (1, 26, 6)]
        allocator.malloc(12)[1][:] = 3
        with pytest.raises(ValueError, match="17 bytes"):
            allocator.malloc(17)
    b = path.read_bytes()
    assert b[16:32] == bytes([1] * 10 + [2] * 6) and b[48:64] == bytes([3] * 12 + [0] * 4)


def test_utils() -> None:
    assert [list(c) for c in utils.chunks([1, 2, 3], 2)] == [[1, 2], [3]]
    assert [n for n in range(-2, 17) if utils.is_power_of_2(n)] == [1, 2, 4, 8, 16]
    assert [utils.align_to_page(n, 8) for n in (0, 1, 8, 9)] == [0, 8, 8, 16]
    assert utils.decode_null_terminated_string(np.frombuffer(b"ab\0c", np.uint8)) == "ab"
    assert HeaderType.itemsize == 24 and FieldDescType.itemsize == 1041
    with pytest.raises(AttributeError):
        utils.nothing


@pytest.mark.parametrize("dtype", ["u1", "<i2", "<f4", "<f8", "<c16"])
@pytest.mark.parametrize("compiled", [False, True])
def test_memcpy(dtype: str, compiled: bool) -> None:
    if compiled:
        pytest.importorskip("numba")
        before = Compiler.is_enabled
        Compiler.set_enabled(True)
        memcpy = Compiler.compile(libffcv.memcpy)
        Compiler.set_enabled(before)
    else:
        memcpy = libffcv.memcpy
    rng = np.random.default_rng(0)
    source = np.frombuffer(rng.bytes(64 * np.dtype(dtype).itemsize), dtype)
    dest = np.zeros(source.nbytes + 3, np.uint8)
    memcpy(source, dest)
    assert dest.tobytes() == source.tobytes() + b"\0\0\0"
    with pytest.raises(ValueError, match="more bytes"):
        memcpy(source, dest[: source.nbytes - 1])


def test_native_functions(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    (tmp_path / "x").write_bytes(bytes(range(100)))
    with open(tmp_path / "x", "rb") as f:
        room = np.zeros(10, np.uint8)
        assert libffcv.read(f.fileno(), room, 95) == 5 and room.tolist() == [95, 96, 97, 98, 99] + [0] * 5
    pixels = np.full((20, 30, 3), 77, np.uint8)
    b = io.BytesIO()
    image.fromarray(pixels).save(b, "JPEG", quality=95)
    source = np.frombuffer(b.getvalue(), np.uint8)
    out = np.zeros((20, 30, 3), np.uint8)
    assert libffcv.imdecode(source, out, 20, 30) == 0 and abs(int(out.mean()) - 77) < 2
    part = np.zeros((5, 6, 3), np.uint8)
    libffcv.imdecode(source, part, 20, 30, 5, 6, 2, 3, enable_crop=True, do_flip=True)
    assert np.array_equal(part, out[3:8, 2:8][:, ::-1])
    with pytest.raises(ValueError, match="want 31x20"):
        libffcv.imdecode(source, out, 20, 31)
    small = np.zeros((4, 4, 3), np.uint8)
    libffcv.resize_crop(out, 2, 10, 2, 10, small)
    assert abs(int(small.mean()) - 77) < 2


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Reader(tmp_path / "none.beton")
