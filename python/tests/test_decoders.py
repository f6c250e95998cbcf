"""Decoders: as the engine runs them, and as the client does where a subclass changes them."""

from __future__ import annotations

import gc
import warnings

import numpy as np
import pytest

import betongo
from betongo.fields import decoders as D
from betongo.pipeline.compiler import Compiler


def same(a, b):
    return a.shape == b.shape and a.dtype == b.dtype and a.tobytes() == b.tobytes()


def here(cls):
    """Return a subclass that the engine doesn't know, and that does the same."""

    class Changed(cls):
        def generate_code(self):
            return super().generate_code()

    Changed.__name__ = f"Changed{cls.__name__}"
    return Changed


@pytest.fixture
def load(engine, golden):
    """load(file, **decoders): the outputs of the first samples of a golden file, at most 16."""

    def run(name, seed=3, batch_size=16, **decoders):
        path = golden(name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            reader = betongo.Reader(path)
            pipelines = {field: None for field in reader.field_names}
            pipelines |= {field: [d] for field, d in decoders.items()}
            n = min(int(reader.num_samples), batch_size)
            loader = betongo.Loader(path, n, seed=seed, pipelines=pipelines, as_dict=True)
            batch = next(iter(loader))
            del loader
            gc.collect()
        return batch

    return run


def twice(load, name, field, cls, *args, **kwargs):
    """Return an output decoded in the engine and in the client."""
    native = cls(*args, **kwargs)
    changed = here(cls)(*args, **kwargs)
    assert changed._native() is None
    return load(name, **{field: native})[field], load(name, **{field: changed})[field]


@pytest.mark.parametrize(
    "name, cls, field",
    [
        ("ints_floats", D.IntDecoder, "int"),
        ("ints_floats", D.FloatDecoder, "float"),
        ("ndarray", D.NDArrayDecoder, "nd"),
        ("ndarray_f16", D.NDArrayDecoder, "nd"),
        ("bytes", D.BytesDecoder, "bytes"),
        ("bytes_all_empty", D.BytesDecoder, "bytes"),
        ("bytes_zero_first", D.BytesDecoder, "bytes"),
        ("json", D.BytesDecoder, "bytes"),
    ],
)
def test_defaults(name, cls, field, load, golden):
    kinds = {
        "int": "IntField",
        "float": "FloatField",
        "nd": "NDArrayField",
        "bytes": "BytesField",
        "json": "JSONField",
    }
    handlers = betongo.Reader(golden(name)).handlers
    fields = [n for n, h in handlers.items() if type(h).__name__ == kinds[field]]
    assert fields
    for field in fields:
        a, b = twice(load, name, field, cls)
        assert same(np.asarray(a), np.asarray(b))


def test_values(load, golden):
    from betongo._file import File

    file = File(golden("ints_floats"))
    for field, cls in (("int", D.IntDecoder), ("float", D.FloatDecoder)):
        column = next(n for n, h in file.handlers.items() if isinstance(h.get_decoder_class()(), cls))
        got = load("ints_floats", **{column: cls()})[column]
        assert got.shape[1:] == (1,)
        assert same(got[:, 0], np.array([file.value(i, column) for i in range(len(got))])), field


def test_bytes_are_padded_with_zeros(load, golden):
    from betongo._file import File

    file = File(golden("bytes"))
    (field,) = [n for n, h in file.handlers.items() if type(h).__name__ == "BytesField"][:1]
    longest = max(len(file.value(i, field)) for i in range(len(file)))
    for decoder in (D.BytesDecoder(), here(D.BytesDecoder)()):
        got = load("bytes", **{field: decoder})[field]
        assert got.shape == (min(16, len(file)), longest) and got.dtype == np.uint8
        for i, row in enumerate(got):
            value = file.value(i, field)
            assert row.tobytes() == value + bytes(longest - len(value))


SIZES = [(16, 12), (33, 50), 224]


@pytest.mark.parametrize("name", ["rgb_raw", "rgb_jpg", "rgb_proportion", "rgb_tiny_odd", "rgb_tiny_odd_jpg"])
@pytest.mark.parametrize("size", SIZES)
def test_center_crop(name, size, load):
    a, b = twice(load, name, "image", D.CenterCropRGBImageDecoder, size, 224 / 256, exact=True)
    assert same(a, b)
    fast = load(name, image=D.CenterCropRGBImageDecoder(size, 224 / 256))["image"]
    assert fast.shape == a.shape and np.abs(fast.astype(int) - a).mean() < 1


@pytest.mark.parametrize("name", ["rgb_raw", "rgb_jpg", "rgb_tiny_odd"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("filter", ["area", "bilinear"])
def test_resize(name, size, filter, load):
    a, b = twice(load, name, "image", D.ResizeRGBImageDecoder, size, filter=filter, exact=True)
    assert same(a, b)


@pytest.mark.parametrize("filter", ["area", "bilinear"])
def test_resize_center_crop(filter, load):
    cls = D.ResizeCenterCropRGBImageDecoder
    a, b = twice(load, "rgb_jpg", "image", cls, (50, 60), 70, filter=filter, exact=True)
    assert same(a, b)
    with pytest.raises(ValueError, match="larger"):
        load("rgb_jpg", image=cls(80, 70))


def test_simple(load):
    a, b = twice(load, "cifar_like", "image", D.SimpleRGBImageDecoder)
    assert same(a, b) and a.shape == (16, 32, 32, 3)
    for cls in (D.SimpleRGBImageDecoder, here(D.SimpleRGBImageDecoder)):
        with pytest.raises(TypeError, match="RandomResizedCropRGBImageDecoder"):
            load("rgb_raw", image=cls())


@pytest.mark.parametrize("change", [lambda c: c, here], ids=["engine", "client"])
def test_random_crop(change, load):
    cls = change(D.RandomCropRGBImageDecoder)
    got = load("rgb_raw", image=cls((30, 20)))["image"]
    whole = load("rgb_raw", image=D.RandomCropRGBImageDecoder((192, 192)))["image"]
    assert got.shape == (8, 30, 20, 3) and got.std() > 1 and whole.shape == (8, 192, 192, 3)
    again = load("rgb_raw", image=cls((30, 20)))["image"]
    assert same(got, again)
    assert not same(got, load("rgb_raw", image=cls((30, 20)), seed=4)["image"])
    padded = load("rgb_raw", image=cls((300, 300), fill=(7, 7, 7), pad_if_needed=True))["image"]
    assert (padded == 7).all(-1).any((1, 2)).all()


@pytest.mark.parametrize("change", [lambda c: c, here], ids=["engine", "client"])
def test_random_resized_crop(change, load, golden):
    from betongo._file import File

    cls = change(D.RandomResizedCropRGBImageDecoder)
    got = load("rgb_raw", image=cls((30, 20)))["image"]
    assert got.shape == (8, 30, 20, 3) and got.dtype == np.uint8
    assert same(got, load("rgb_raw", image=cls((30, 20)))["image"])
    assert not same(got, load("rgb_raw", image=cls((30, 20)), seed=4)["image"])
    file = File(golden("rgb_raw"))
    whole = load("rgb_raw", image=cls(32, scale=(1, 1), ratio=(0.75, 4 / 3), exact=True))["image"]
    for i in range(8):
        assert np.abs(whole[i].mean((0, 1)) - file.value(i, "image").mean((0, 1))).max() < 12


def test_crop_generator_of_ones_own(load, golden):
    """FFCV's way to a crop of one's own: a subclass with another get_crop_generator."""
    from betongo._file import File

    class TopLeft(D.ResizedCropRGBImageDecoder):
        scale = (1.0, 1.0)
        ratio = (1.0, 1.0)

        @property
        def get_crop_generator(self):
            return lambda height, width, scale, ratio: (0, 0, 40, 30)

    class Other(D.CenterCropRGBImageDecoder):
        @property
        def get_crop_generator(self):
            return lambda height, width, scale, ratio: (height - 20, width - 20, 20, 20)

    file = File(golden("rgb_raw"))
    got = load("rgb_raw", image=TopLeft((40, 30)))["image"]
    assert all(same(got[i], file.value(i, "image")[:40, :30]) for i in range(8))
    got = load("rgb_raw", image=Other((20, 20), 0.5))["image"]
    assert all(same(got[i], file.value(i, "image")[-20:, -20:]) for i in range(8))


def test_sizes_are_read_anew(engine, golden):
    """FFCV's recipe for progressive resizing: the decoder's output_size is set between epochs."""
    decoder = D.RandomResizedCropRGBImageDecoder((32, 32))
    loader = betongo.Loader(golden("rgb_raw"), 4, seed=1, pipelines={"image": [decoder], "label": None})
    sizes = []
    for size in (32, 48, 16):
        decoder.output_size = (size, size)
        sizes.append({batch[0].shape for batch in loader})
    assert sizes == [{(4, n, n, 3)} for n in (32, 48, 16)]


@pytest.mark.parametrize(
    "make, match",
    [
        (lambda: D.CenterCropRGBImageDecoder(10, 1.5), "ratio"),
        (lambda: D.CenterCropRGBImageDecoder(10, 0), "ratio"),
        (lambda: D.CenterCropRGBImageDecoder(0, 0.5), "sides"),
        (lambda: D.CenterCropRGBImageDecoder((70000, 5), 0.5), "sides"),
        (lambda: D.RandomResizedCropRGBImageDecoder(10, scale=(2, 1)), "scale"),
        (lambda: D.RandomResizedCropRGBImageDecoder(10, ratio=(-1, 1)), "ratio"),
        (lambda: D.RandomResizedCropRGBImageDecoder(10, filter="nearest"), "nearest"),
        (lambda: D.RandomCropRGBImageDecoder(10, padding=-1), "padding"),
        (lambda: D.RandomCropRGBImageDecoder(10, fill=(0, 300, 0)), "fill"),
    ],
)
def test_wrong_settings(make, match, load):
    with pytest.raises(ValueError, match=match):
        load("rgb_raw", image=make())


def test_damaged_jpegs(engine, golden, tmp_path):
    whole = bytearray(open(golden("rgb_jpg"), "rb").read())
    reader = betongo.Reader(golden("rgb_jpg"))
    entry = reader.alloc_table[reader.alloc_table["sample_id"] == 0][0]
    middle = int(entry["ptr"]) + int(entry["size"]) // 2
    whole[middle : middle + 300] = b"\xff\xd9" * 150
    path = tmp_path / "damaged.beton"
    path.write_bytes(whole)
    loader = betongo.Loader(str(path), 4, pipelines={"image": [D.ResizeRGBImageDecoder(20)], "label": None})
    with pytest.raises(betongo.SampleError):
        next(iter(loader))
    kept = D.ResizeRGBImageDecoder(20, keep_damaged=True)
    loader = betongo.Loader(str(path), 4, pipelines={"image": [kept], "label": None})
    assert next(iter(loader))[0].shape == (4, 20, 20, 3)


@pytest.mark.parametrize("enabled", [True, False])
def test_client_decoders_need_no_numba(enabled, load):
    before = Compiler.is_enabled
    Compiler.set_enabled(enabled)
    try:
        got = load("rgb_raw", image=here(D.ResizeRGBImageDecoder)(20))["image"]
    finally:
        Compiler.set_enabled(before)
    assert got.shape == (8, 20, 20, 3)


def test_jpeg_helper():
    pytest.importorskip("PIL")
    with pytest.raises(ValueError, match="cannot be decoded|cannot identify"):
        D.decode_jpeg(np.zeros(100, np.uint8), 4, 4)
