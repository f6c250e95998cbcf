"""Fields: what they store, what they keep of their settings, fields of a user's own, and pictures."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from betongo import fields
from betongo._file import File
from betongo.fields.base import ARG_TYPE, Field
from betongo.fields.ndarray import NDArrayField
from betongo.fields.rgb_image import IMAGE_MODES, encode_jpeg, resizer
from betongo.reader import Reader
from betongo.writer import DatasetWriter, WriteError

NOISE = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)


def smooth(h: int = 90, w: int = 120) -> np.ndarray:
    y, x = np.mgrid[:h, :w]
    return np.stack([x * 2 % 256, y * 2 % 256, (x + y) % 256], 2).astype(np.uint8)


def write(path: Path, field: Any, *values: Any, **settings: Any) -> Reader:
    DatasetWriter(path, {"x": field}, num_workers=1, **settings).from_indexed_dataset([(v,) for v in values])
    return Reader(str(path), {"x": type(field)})


def stored(reader: Reader, i: int = 0) -> bytes:
    """The bytes of a sample, of which the table has one entry."""
    table = reader.alloc_table
    entry = table[table["sample_id"] == i][0]
    data = np.memmap(reader.file_name, "u1", "r")
    return data[int(entry["ptr"]) : int(entry["ptr"]) + int(entry["size"])].tobytes()


@pytest.mark.parametrize("dtype", ["u1", "i1", "?", "f2", "i8", "c8", ">f4", "<u4", "<U5", "<M8[ns]"])
@pytest.mark.parametrize("shape", [(1,), (3, 2), (1, 2, 3, 4)])
def test_settings_of_arrays(dtype: str, shape: tuple[int, ...]) -> None:
    field = NDArrayField(np.dtype(dtype), shape)
    args = field.to_binary()
    assert args.dtype == ARG_TYPE and len(args[0]) == 1024
    again = NDArrayField.from_binary(args[0])
    assert type(again) is NDArrayField and again.dtype == field.dtype and again.shape == shape


def test_settings_as_golden(golden: Callable[[str], str], root: Path) -> None:
    """to_binary gives the bytes that FFCV wrote."""
    seen = 0
    for p in sorted((root / "testdata" / "ffcv").glob("*.beton.gz")):
        data = Path(golden(p.name.removesuffix(".beton.gz"))).read_bytes()
        for i in range(int.from_bytes(data[2:4], "little")):
            descriptor = data[24 + 1041 * i :][:1041]
            if descriptor[0] not in (4, 6):
                continue
            try:
                field = NDArrayField.from_binary(np.frombuffer(descriptor[17:], "u1"))
            except ValueError:
                continue  # a structured type, which nobody reads
            assert field.to_binary()[0].tobytes() == descriptor[17:]
            seen += 1
    assert seen > 3


@pytest.mark.parametrize(
    "field",
    [
        fields.IntField(),
        fields.FloatField(),
        fields.BytesField(),
        fields.JSONField(),
        fields.RGBImageField("jpg"),
    ],
)
def test_settings_of_none(field: Field) -> None:
    assert field.to_binary()[0].tobytes() == bytes(1024)
    assert isinstance(type(field).from_binary(field.to_binary()[0]), Field)


def test_settings_of_ours() -> None:
    image = fields.ImageField.from_binary(fields.ImageField(4, "u2").to_binary()[0])
    assert isinstance(image, fields.ImageField) and image.channels == 4 and image.dtype == np.uint16
    assert isinstance(fields.AudioField.from_binary(fields.AudioField().to_binary()[0]), fields.AudioField)


def test_decoders_come_when_asked_for() -> None:
    code = (
        "import sys, betongo.fields as f\n"
        "assert not {'betongo.fields.decoders', 'torch', 'PIL'} & set(sys.modules)\n"
        "from betongo.fields.rgb_image import SimpleRGBImageDecoder, CenterCropRGBImageDecoder\n"
        "from betongo.fields.basics import IntDecoder, FloatDecoder\n"
        "from betongo.fields.bytes import BytesDecoder\n"
        "from betongo.fields.ndarray import NDArrayDecoder\n"
        "assert f.RGBImageField().get_decoder_class() is SimpleRGBImageDecoder\n"
        "assert f.IntField().get_decoder_class() is IntDecoder\n"
        "assert f.JSONField().get_decoder_class() is BytesDecoder\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize(
    "settings",
    [
        {"write_mode": "png"},
        {"max_resolution": 0},
        {"max_resolution": (256, 256)},
        {"max_resolution": 3, "min_resolution": 3},
        {"jpeg_quality": 0},
        {"jpeg_quality": 101},
        {"compress_probability": 1.5},
    ],
)
def test_settings_that_are_none(settings: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        fields.RGBImageField(**settings)


def test_unpack() -> None:
    rows = np.zeros((2, 30), "u1")
    for i, text in enumerate([b'{"a": [1, NaN]}\0rest', b'"x"\0']):
        rows[i, : len(text)] = np.frombuffer(text, "u1")
    assert repr(fields.JSONField.unpack(rows)) == "[{'a': [1, nan]}, 'x']"
    assert fields.JSONField.unpack(rows[1]) == "x"
    with pytest.raises(ValueError, match="without a NUL"):
        fields.JSONField.unpack(np.full((1, 3), 32, "u1"))


@pytest.mark.usefixtures("engine")
def test_json(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    values = [
        {"id": i, "list": rng.random(int(rng.integers(0, 9))).tolist(), "text": "é" * i} for i in range(32)
    ]
    reader = write(tmp_path / "a", fields.JSONField(), *values)
    for i in range(32):
        assert fields.JSONField.unpack(np.frombuffer(stored(reader, i), "u1")) == values[i]


@pytest.mark.usefixtures("engine")
def test_arrays(tmp_path: Path) -> None:
    a = np.arange(6, dtype=">f4").reshape(2, 3)
    field = NDArrayField(np.dtype(">f4"), (2, 3))
    reader = write(tmp_path / "a", field, a, a[:, ::-1], a.T.copy().T, a[None], np.asfortranarray(a))
    for i, want in enumerate([a, a[:, ::-1], a, a, a]):
        assert stored(reader, i) == want.tobytes()


@pytest.mark.usefixtures("engine")
def test_tensors(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    t = torch.arange(6, dtype=torch.float32).reshape(2, 3).requires_grad_()
    field = fields.TorchTensorField(torch.float32, (2, 3))
    reader = write(tmp_path / "a", field, t, t.detach().t().contiguous().t())
    assert reader.field_descriptors[0]["type_id"] == 6
    assert stored(reader) == stored(reader, 1) == t.detach().numpy().tobytes()
    values = [(torch.tensor(3), torch.tensor([0.5]), torch.zeros(3, dtype=torch.uint8), t)]
    kinds = {
        "a": fields.IntField(),
        "b": fields.FloatField(),
        "c": fields.BytesField(),
        "d": NDArrayField("f4", (2, 3)),
    }
    DatasetWriter(tmp_path / "b", kinds).from_indexed_dataset(values)
    with File(str(tmp_path / "b")) as f:
        assert (
            f.value(0, "a") == 3 and f.value(0, "b") == 0.5 and (f.value(0, "d") == t.detach().numpy()).all()
        )


@pytest.mark.usefixtures("engine")
def test_masks_and_sound(tmp_path: Path) -> None:
    mask = (smooth()[..., 0] // 60).astype("u2")
    reader = write(
        tmp_path / "a", fields.ImageField(1, "u2"), mask, mask[..., None], NOISE[..., 0].astype("u2")
    )
    assert len(stored(reader)) < mask.nbytes / 8
    with File(str(tmp_path / "a")) as f:
        assert (np.asarray(f.value(0, "x")).squeeze() == mask).all()
        assert (np.asarray(f.value(2, "x")).squeeze() == NOISE[..., 0]).all()
    reader = write(tmp_path / "b", fields.ImageField(3, compress=False), NOISE)
    assert stored(reader) == NOISE.tobytes()
    clip = {
        "sample_rate": 8000,
        "channels": 2,
        "duration_ms": 3,
        "encoding": "pcm_s16le",
        "data": np.arange(8, dtype="i2"),
    }
    write(tmp_path / "c", fields.AudioField(), clip)
    with File(str(tmp_path / "c")) as f:
        v = f.value(0, "x")
        assert (v.sample_rate, v.channels, v.duration_ms, v.encoding) == (8000, 2, 3, "pcm_s16le")
        assert bytes(v.data) == np.arange(8, dtype="i2").tobytes()
        write(tmp_path / "d", fields.AudioField(), v)
    with pytest.raises(WriteError, match="multiple of 2 channels"):
        write(tmp_path / "c", fields.AudioField(), {**clip, "data": b"123"})


# Pictures


def jpeg(pixels: np.ndarray, quality: int = 75, **settings: Any) -> bytes:
    Image = pytest.importorskip("PIL.Image")
    to = io.BytesIO()
    Image.fromarray(pixels).save(to, "JPEG", quality=quality, **settings)
    return to.getvalue()


def pixels_of(data: bytes) -> np.ndarray:
    Image = pytest.importorskip("PIL.Image")
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


@pytest.mark.usefixtures("engine")
def test_modes(tmp_path: Path) -> None:
    def mode(**settings: Any) -> list[int]:
        return [
            int(m["mode"])
            for m in write(tmp_path / "a", fields.RGBImageField(**settings), NOISE).metadata["f0"]
        ]

    jpg, raw = [IMAGE_MODES["jpg"]], [IMAGE_MODES["raw"]]
    assert mode() == raw and mode(write_mode="jpg") == jpg
    assert mode(write_mode="smart") == raw
    assert mode(write_mode="smart", smart_threshold=NOISE.nbytes) == raw
    assert mode(write_mode="smart", smart_threshold=NOISE.nbytes - 1) == jpg
    assert mode(write_mode="smart", smart_threshold=0) == jpg
    assert mode(write_mode="proportion", compress_probability=0) == raw
    assert mode(write_mode="proportion", compress_probability=1) == jpg


@pytest.mark.usefixtures("engine")
def test_raw_is_exact(tmp_path: Path) -> None:
    wide = np.concatenate([NOISE, NOISE], 1)[:, ::2]
    reader = write(tmp_path / "a", fields.RGBImageField(), NOISE, wide)
    assert stored(reader) == NOISE.tobytes() and stored(reader, 1) == wide.tobytes()


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("quality", [50, 90, 100])
def test_jpeg_is_pillows(tmp_path: Path, quality: int) -> None:
    reader = write(tmp_path / "a", fields.RGBImageField("jpg", jpeg_quality=quality), NOISE, smooth(33, 17))
    for i, pixels in enumerate((NOISE, smooth(33, 17))):
        want = jpeg(pixels, quality)
        assert stored(reader, i) == encode_jpeg(pixels, quality).tobytes()
        assert (pixels_of(stored(reader, i)) == pixels_of(want)).all()
    assert np.abs(pixels_of(stored(reader)).astype(int) - NOISE).mean() < 80


@pytest.mark.usefixtures("engine")
def test_shrunk(tmp_path: Path) -> None:
    def size(field: Field, value: np.ndarray) -> tuple[int, int]:
        m = write(tmp_path / "a", field, value).metadata["f0"][0]
        return int(m["width"]), int(m["height"])

    assert size(fields.RGBImageField(max_resolution=256), smooth(333, 500)) == (256, 170)
    assert size(fields.RGBImageField(max_resolution=500), smooth(333, 500)) == (500, 333)
    assert size(fields.RGBImageField("jpg", min_resolution=100), smooth(333, 500)) == (150, 100)
    assert size(fields.RGBImageField("jpg", min_resolution=400), smooth(333, 500)) == (500, 333)
    for settings in ({"max_resolution": 50}, {"min_resolution": 50}):
        reader = write(tmp_path / "a", fields.RGBImageField(**settings), smooth())
        assert (
            stored(reader)
            == resizer(smooth(), settings.get("max_resolution"), settings.get("min_resolution")).tobytes()
        )
    with pytest.raises(WriteError, match="becomes 10x0"):
        size(fields.RGBImageField(max_resolution=10), smooth(3, 100))


@pytest.mark.usefixtures("engine")
def test_other_filters(tmp_path: Path) -> None:
    Image = pytest.importorskip("PIL.Image")
    reader = write(
        tmp_path / "a",
        fields.RGBImageField(max_resolution=60, pillow_resize=True),
        NOISE,
        Image.fromarray(NOISE),
    )
    want = np.asarray(Image.fromarray(NOISE).resize((60, 45), Image.Resampling.LANCZOS)).tobytes()
    assert stored(reader) == want == stored(reader, 1)
    box = fields.RGBImageField(min_resolution=30, pillow_resize=True, resample=Image.Resampling.BOX)
    assert (
        stored(write(tmp_path / "a", box, NOISE))
        == np.asarray(Image.fromarray(NOISE).resize((40, 30), 4)).tobytes()
    )
    cv2 = pytest.importorskip("cv2")
    linear = fields.RGBImageField(max_resolution=60, interpolation=cv2.INTER_LINEAR)
    assert (
        stored(write(tmp_path / "a", linear, NOISE)) == cv2.resize(NOISE, (60, 45), interpolation=1).tobytes()
    )
    area = fields.RGBImageField(max_resolution=60, interpolation=cv2.INTER_AREA)
    assert (
        stored(write(tmp_path / "a", area, NOISE)) == cv2.resize(NOISE, (60, 45), interpolation=3).tobytes()
    )


@pytest.mark.usefixtures("engine")
def test_kept_jpegs(tmp_path: Path) -> None:
    Image = pytest.importorskip("PIL.Image")
    data = jpeg(NOISE, 60)
    name = tmp_path / "p.jpg"
    name.write_bytes(data)
    again = encode_jpeg(pixels_of(data), 90).tobytes()
    loaded, changed, turned = Image.open(name), Image.open(name), Image.open(name)
    loaded.load()
    changed.putpixel((0, 0), (1, 2, 3))
    turned.thumbnail((60, 45))
    other = Image.open(io.BytesIO(data))
    values = [Image.open(name), loaded, other, data, name, changed, turned, Image.open(name).convert("RGB")]
    reader = write(tmp_path / "a", fields.RGBImageField("jpg", keep_jpeg=True), *values)
    for i in range(5):
        assert stored(reader, i) == data, i
    assert stored(reader, 5) == encode_jpeg(np.asarray(changed), 90).tobytes()
    assert stored(reader, 6) == encode_jpeg(np.asarray(turned), 90).tobytes()
    assert stored(reader, 7) == again
    assert (np.asarray(values[0]) == pixels_of(data)).all()  # can still be read
    values[0] = Image.open(name)
    reader = write(tmp_path / "a", fields.RGBImageField("jpg"), *values[:5])
    for i in range(5):
        assert stored(reader, i) == again, i
    reader = write(tmp_path / "a", fields.RGBImageField("raw", keep_jpeg=True), *values[:5])
    for i in range(5):
        assert stored(reader, i) == pixels_of(data).tobytes(), i
    draft = Image.open(name)
    draft.draft("RGB", (60, 45))
    reader = write(tmp_path / "a", fields.RGBImageField("jpg", keep_jpeg=True), draft)
    assert stored(reader) == encode_jpeg(np.asarray(draft), 90).tobytes()


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1"])
def test_modes_of_pillow(tmp_path: Path, mode: str) -> None:
    Image = pytest.importorskip("PIL.Image")
    with pytest.raises(WriteError, match=f"mode {mode}, want RGB"):
        write(tmp_path / "a", fields.RGBImageField(), Image.fromarray(NOISE).convert(mode))
    assert not (tmp_path / "a").exists()


@pytest.mark.usefixtures("engine")
def test_gray_jpeg_of_pillow(tmp_path: Path) -> None:
    Image = pytest.importorskip("PIL.Image")
    gray = Image.open(io.BytesIO(jpeg(NOISE[..., 0])))
    with pytest.raises(WriteError, match="mode L, want RGB"):
        write(tmp_path / "a", fields.RGBImageField("jpg", keep_jpeg=True), gray)


# Fields of a user's own


class StringField(NDArrayField):
    """Text, padded with NULs."""

    def __init__(self, size: int) -> None:
        self.size = size
        super().__init__(np.dtype("uint8"), (size,))

    def encode(self, destination: Any, field: Any, malloc: Any) -> None:
        padded = (field + "\0" * self.size)[: self.size]
        super().encode(destination, np.frombuffer(padded.encode("ascii"), np.uint8), malloc)


class PairField(Field):
    """Two runs of bytes and a number, in a struct; a run may be missing."""

    @property
    def metadata_type(self) -> np.dtype[Any]:
        return np.dtype([("n", "<u4"), ("b", "<u8"), ("a", "<u8"), ("size", "<u8", (2,))], align=True)

    @staticmethod
    def from_binary(binary: np.ndarray) -> Field:
        return PairField()

    def to_binary(self) -> np.ndarray:
        args = np.zeros(1, ARG_TYPE)[0]
        args[0][:4] = (9, 8, 7, 6)
        return args

    def encode(self, destination: Any, field: Any, malloc: Any) -> None:
        n, a, b = field
        destination["n"] = n
        destination["size"] = (len(a or b""), len(b or b""))
        for name, data in (("a", a), ("b", b)):
            if data is not None:
                destination[name], buffer = malloc(len(data))
                buffer[:] = np.frombuffer(data, np.uint8)

    def get_decoder_class(self) -> Any:
        raise NotImplementedError


class PhotoField(fields.RGBImageField):
    """A subclass, which FFCV counts as a custom field."""


def pairs(n: int) -> list[tuple[int, Any]]:
    rng = np.random.default_rng(1)
    samples = []
    for i in range(n):
        a, b = (rng.integers(0, 256, rng.integers(0, 5000), dtype=np.uint8).tobytes() for _ in "ab")
        samples.append((i, (i, a, None if i % 3 == 2 else b)))
    return samples


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("workers", [1, 3])
def test_own_field(tmp_path: Path, workers: int) -> None:
    path = str(tmp_path / "a.beton")
    samples = pairs(700)
    kinds = {"i": fields.IntField(), "pair": PairField()}
    DatasetWriter(path, kinds, num_workers=workers, page_size=1 << 21).from_indexed_dataset(
        samples, chunksize=9
    )
    reader = Reader(path, {"pair": PairField})
    assert reader.field_descriptors[1]["type_id"] == 255
    assert reader.field_descriptors[1]["arguments"][:5].tolist() == [9, 8, 7, 6, 0]
    data = np.memmap(path, "u1", "r")
    table = {int(e["ptr"]): e for e in reader.alloc_table}
    for i, (_, (n, a, b)) in enumerate(samples):
        m = reader.metadata["f1"][i]
        assert m["n"] == n
        for name, want in (("a", a), ("b", b)):
            ptr = int(m[name])
            assert table[ptr]["sample_id"] == i and table[ptr]["size"] == len(want or b"")
            assert data[ptr : ptr + len(want or b"")].tobytes() == (want or b"")
    one = tmp_path / "one.beton"
    DatasetWriter(one, kinds, page_size=1 << 21).from_iterable(samples)
    assert one.read_bytes() == Path(path).read_bytes()


@pytest.mark.usefixtures("engine")
def test_own_field_without_data(tmp_path: Path) -> None:
    class Vector(fields.FloatField):
        @property
        def metadata_type(self) -> np.dtype[Any]:
            return np.dtype(("<f4", (3,)))

        @staticmethod
        def from_binary(binary: np.ndarray) -> Field:
            return Vector()

        def encode(self, destination: Any, field: Any, malloc: Any) -> None:
            destination[0] = field

    reader = write(tmp_path / "a", Vector(), (1, 2, 3), np.arange(3) / 8)
    assert reader.metadata["f0"].tolist() == [[1, 2, 3], [0, 0.125, 0.25]]
    assert len(reader.alloc_table) == 0


@pytest.mark.usefixtures("engine")
def test_subclasses(tmp_path: Path) -> None:
    path = str(tmp_path / "a.beton")
    words = ["", "word", "w" * 60]
    DatasetWriter(
        path, {"x": StringField(50), "y": PhotoField("jpg", max_resolution=60)}
    ).from_indexed_dataset([(w, NOISE) for w in words])
    reader = Reader(path, {"x": StringField, "y": PhotoField})
    assert reader.field_descriptors["type_id"].tolist() == [255, 255]
    data = np.memmap(path, "u1", "r")
    for i, w in enumerate(words):
        ptr = int(reader.metadata["f0"][i])
        assert data[ptr : ptr + 50].tobytes() == (w + "\0" * 50)[:50].encode()
    assert reader.metadata["f1"]["width"].tolist() == [60] * 3
    want = encode_jpeg(resizer(NOISE, 60), 90).tobytes()
    ptr = int(reader.metadata["f1"][2]["data_ptr"])
    assert data[ptr : ptr + len(want)].tobytes() == want
    with pytest.raises(ValueError):
        Reader(path)


class Wrong(fields.BytesField):
    """A field that does with pointers what `how` says."""

    def __init__(self, how: str) -> None:
        self.how = how

    @property
    def metadata_type(self) -> np.dtype[Any]:
        return np.dtype([("p", "<u8"), ("q", "<u8"), ("r", "<u4")])

    def encode(self, destination: Any, field: Any, malloc: Any) -> None:
        ptr, _ = malloc(1 << 60 if self.how == "large" else 10)
        if self.how == "twice":
            destination["p"] = destination["q"] = ptr
        elif self.how == "moved":
            destination["p"] = ptr + 1
        elif self.how == "second" and field == 1:
            destination["q"] = ptr
        elif self.how == "other" and field == 1:
            destination["p"] = 5
            destination["q"] = ptr
        elif self.how != "lost":
            destination["p"] = ptr


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("lost", "nowhere in the metadata"),
        ("moved", "nowhere in the metadata"),
        ("twice", "twice"),
        ("large", "choose a larger page_size"),
        ("other", "0x5 at byte 0"),
    ],
)
def test_own_field_that_is_wrong(tmp_path: Path, how: str, message: str) -> None:
    path = tmp_path / "a.beton"
    with pytest.raises(WriteError, match=message) as e:
        DatasetWriter(path, {"x": Wrong(how)}).from_indexed_dataset([(0,), (1,)])
    assert e.value.field == "x"
    assert os.listdir(tmp_path) == []


@pytest.mark.usefixtures("engine")
def test_own_field_with_pointers_elsewhere_later(tmp_path: Path) -> None:
    path = tmp_path / "a.beton"
    few = [(0,), (1,)]
    DatasetWriter(path, {"x": Wrong("second")}).from_indexed_dataset(few)  # the first part has both
    many = [(int(i == 5000),) for i in range(5001)]
    with pytest.raises(
        WriteError, match="a pointer at byte 8 of the metadata, where the first samples have none"
    ):
        DatasetWriter(path, {"x": Wrong("second")}, num_workers=1).from_indexed_dataset(many)
