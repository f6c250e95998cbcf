"""LZ4Field: other fields' values, compressed, through the writer, open, Reader and Loader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import betongo
from betongo import DatasetWriter, Loader, Reader, SampleError, UnsupportedError, _value
from betongo.fields import (
    BytesField,
    Field,
    IntField,
    JSONField,
    LZ4Field,
    NDArrayField,
    TorchTensorField,
)
from betongo.fields.base import _pack_args
from betongo.fields.decoders import BytesDecoder, NDArrayDecoder

PLAIN: dict[str, Field] = {
    "text": BytesField(),
    "doc": JSONField(),
    "tokens": NDArrayField(np.dtype("<i4"), (20, 50)),
    "mask": NDArrayField(np.dtype("?"), (300,)),
    "wide": NDArrayField(np.dtype("<f8"), (11, 3)),
}


def values(i: int) -> tuple[Any, ...]:
    rng = np.random.default_rng(i)
    text = b"" if i == 3 else b"a word and another " * i if i % 2 else rng.bytes(1000)
    return (
        text,
        {"i": i, "words": ["same"] * (10 * i)},
        rng.integers(0, 3000 if i % 3 else 1 << 30, (20, 50), dtype="<i4"),
        rng.random(300) < 0.01,
        rng.random((11, 3)).round(1) if i % 2 else rng.random((11, 3)),
        i,
    )


class Samples:
    def __len__(self) -> int:
        return 40

    def __getitem__(self, i: int) -> tuple[Any, ...]:
        return values(i)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory, engine: Any) -> str:
    """A file with each value compressed (name_z) and plain."""
    to = str(tmp_path_factory.mktemp("lz4") / "x.beton")
    fields: dict[str, Field] = {}
    for name, field in PLAIN.items():
        fields[name] = field
        fields[name + "_z"] = LZ4Field(field, shuffle=name != "wide")
    fields["n"] = IntField()
    twice = [(*(v for v in values(i)[:-1] for _ in range(2)), i) for i in range(40)]
    DatasetWriter(to, fields, num_workers=1).from_indexed_dataset(twice)
    return to


def same(a: Any, b: Any) -> bool:
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and bool((a == b).all())
    return bool(a == b)


def test_values(path: str) -> None:
    with betongo.open(path) as ds:
        for name in PLAIN:
            for i in range(40):
                assert same(ds[i][name + "_z"], ds[i][name]), (name, i)
            got, want = ds[name + "_z"][[5, 39, 5]], ds[name][[5, 39, 5]]
            assert same(got, want)
        assert np.array_equal(np.asarray(ds["tokens_z"]), np.asarray(ds["tokens"]))
        packed = [
            int((ds.file.rows[f"f{k}"]["stored"] < ds.file.rows[f"f{k}"]["size"]).sum()) for k in (1, 3, 5, 7)
        ]
        assert all(0 < n <= 40 for n in packed) and packed[0] < 25, packed
        assert "LZ4 of Bytes" in repr(ds) and "LZ4 of NDArray" in repr(ds)
        assert len(ds.file.raw(1, "text_z")) <= len(ds.file.raw(1, "text"))


@pytest.mark.parametrize("os_cache", [True, False])
def test_loader(path: str, os_cache: bool) -> None:
    """Batches are those of the plain fields: padded to the longest of the dataset, JSON with its NUL."""
    loader = Loader(path, 16, num_workers=2, drop_last=False, os_cache=os_cache)
    n = 0
    for batch in loader:
        columns = dict(zip(loader.reader.field_names, batch))
        for name in PLAIN:
            assert same(np.asarray(columns[name + "_z"]), np.asarray(columns[name])), name
        assert JSONField.unpack(columns["doc_z"])[0]["i"] == int(np.asarray(columns["n"])[0, 0])
        n += len(columns["n"])
    assert n == 40


class OwnBytes(BytesDecoder):
    """One that the engine doesn't know."""

    def generate_code(self) -> Any:
        return super().generate_code()


class OwnArrays(NDArrayDecoder):
    """One that the engine doesn't know."""

    def generate_code(self) -> Any:
        return super().generate_code()


def test_in_python(path: str) -> None:
    """Decoders that run in the client unpack too."""
    pipelines: dict[str, Any] = {
        "text_z": [OwnBytes()],
        "doc_z": [OwnBytes()],
        "tokens_z": [OwnArrays()],
        "wide_z": [OwnArrays()],
    }
    loader = Loader(path, 7, num_workers=1, drop_last=False, pipelines=pipelines)
    for batch in loader:
        columns = dict(zip(loader.reader.field_names, batch))
        for name in ("text", "doc", "tokens", "wide"):
            assert same(np.asarray(columns[name + "_z"]), np.asarray(columns[name])), name


def test_settings() -> None:
    for field, text in [
        (LZ4Field(BytesField()), '{"field": "lz4", "type": 3, "version": 1}'),
        (LZ4Field(JSONField()), '{"field": "lz4", "type": 5, "version": 1}'),
        (
            LZ4Field(NDArrayField(np.dtype("<i4"), (128, 3))),
            '{"dtype": "<i4", "field": "lz4", "shape": [128, 3], "shuffle": 4, "type": 4, "version": 1}',
        ),
        (
            LZ4Field(NDArrayField(np.dtype("<c16"), (9,))),
            '{"dtype": "<c16", "field": "lz4", "shape": [9], "shuffle": 8, "type": 4, "version": 1}',
        ),
        (
            LZ4Field(NDArrayField(np.dtype("<i2"), (2,)), shuffle=False),
            '{"dtype": "<i2", "field": "lz4", "shape": [2], "type": 4, "version": 1}',
        ),
    ]:
        args = field.to_binary()
        assert args.tobytes().rstrip(b"\0") == text.encode()
        again = LZ4Field.from_binary(args)
        assert again.to_binary().tobytes() == args.tobytes()
        assert again.metadata_type == field.metadata_type and again.metadata_type.itemsize == 24
    with pytest.raises(TypeError, match="LZ4Field of IntField: want"):
        LZ4Field(IntField())
    with pytest.raises(TypeError, match=r"LZ4Field of BytesField: make one, with \(\)"):
        LZ4Field(BytesField)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="LZ4Field of LZ4Field"):
        LZ4Field(LZ4Field(BytesField()))


def test_torch() -> None:
    torch = pytest.importorskip("torch")
    assert b'"type": 6' in LZ4Field(TorchTensorField(torch.int32, (3,))).to_binary().tobytes()


@pytest.mark.parametrize(
    "settings",
    [
        {"type": 3},
        {"version": 2, "type": 3},
        {"version": 1, "type": 0},
        {"version": 1, "type": 4},
        {"version": 1, "type": 4, "dtype": "<i4", "shape": []},
        {"version": 1, "type": 4, "dtype": "<i4", "shape": [-1]},
        {"version": 1, "type": 4, "dtype": "<i4", "shape": [1 << 40, 1 << 40]},
        {"version": 1, "type": 4, "dtype": "O", "shape": [2]},
        {"version": 1, "type": 4, "dtype": 7, "shape": [2]},
        {"version": 1, "type": 4, "dtype": "<i4", "shape": [2], "shuffle": 8},
        {"version": 1, "type": 3, "shuffle": 4},
    ],
)
def test_settings_that_are_none(settings: dict[str, Any]) -> None:
    args = np.frombuffer(_pack_args({"field": "lz4", **settings}).tobytes(), np.uint8)
    with pytest.raises((ValueError, UnsupportedError)):
        _value.custom("x", args)


def test_sizes() -> None:
    """Sizes that can't be are refused before any memory is taken for them."""
    info = _value.custom("x", np.frombuffer(LZ4Field(BytesField()).to_binary().tobytes(), np.uint8))
    for stored, size in [(0, 1), (5, 4), (4, 4 * 255 + 1), (1 << 40, 1 << 63)]:
        with pytest.raises(_value.DecodeError):
            _value.lz4_sizes(info, np.array([(0, stored, size)], _value.LZ4)[0])


def test_damaged(path: str, tmp_path: Path) -> None:
    """A damaged value is a SampleError, in whatever reads it, and never another value of another size."""
    reader = Reader(path)
    k = reader.field_names.index("text_z")
    i = next(
        i for i in range(40) if reader.metadata[f"f{k}"][i]["stored"] < reader.metadata[f"f{k}"][i]["size"]
    )
    ptr, stored = int(reader.metadata[f"f{k}"][i]["ptr"]), int(reader.metadata[f"f{k}"][i]["stored"])
    whole = bytearray(Path(path).read_bytes())
    whole[ptr : ptr + stored] = b"\xff" * stored
    bad = tmp_path / "bad.beton"
    bad.write_bytes(whole)
    with betongo.open(bad) as ds, pytest.raises(SampleError, match=f"sample {i}: field 'text_z'"):
        ds[i]
    with pytest.raises(SampleError, match=f"sample {i}: "):
        for _ in Loader(str(bad), 8, num_workers=1):
            pass
