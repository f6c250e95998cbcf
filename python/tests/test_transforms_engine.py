"""Transforms as the engine runs them, and the same behind an operation of Python."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from operate import images

import betongo.transforms as T
from betongo.fields.decoders import IntDecoder, SimpleRGBImageDecoder
from betongo.pipeline.operation import Operation
from betongo.pipeline.pipeline_spec import PipelineSpec

MEAN = np.array([123.675, 116.28, 103.53])
STD = np.array([58.395, 57.12, 57.375])
BATCH = 64


class Here(Operation):
    """An operation of one's own, which changes nothing."""

    def generate_code(self):
        def here(batch, memory):
            return batch

        here.plain = True
        return here

    def declare_state_and_memory(self, previous_state):
        return previous_state, None


@pytest.fixture(scope="module")
def batches(engine, golden):
    """batches(ops, here, labels): the first batch of pictures and labels, before and behind operations."""
    import betongo

    path = golden("cifar_like")

    def load(ops=(), here=False, labels=(), seed=5):
        own = [Here()] if here else []
        late = here or any(isinstance(op, Here) for op in labels)
        names = ("image", "label")
        decoders = {"image": SimpleRGBImageDecoder, "label": IntDecoder}
        pipelines = {name: [decoders[name]()] for name in names}
        for name, more in zip(names, (ops, labels)):
            if name == "image" or more:
                pipelines[name + "2"] = PipelineSpec(name, decoders[name](), [*own, *more])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore" if late else "error", UserWarning)
            loader = betongo.Loader(path, BATCH, seed=seed, pipelines=pipelines, as_dict=True)
            return next(iter(loader))

    return load


@pytest.fixture(scope="module", params=["engine", "client"])
def load(request, batches):
    """batches, once with operations in the engine and once behind an operation of Python."""

    def run(*args, **kwargs):
        return batches(*args, here=request.param == "client", **kwargs)

    return run


def same(a, b):
    return a.shape == b.shape and a.dtype == b.dtype and bool((a == b).all())


def test_native_operations_run_in_the_engine(batches):
    """What has no counterpart in the engine would be a thread of its own here."""
    for op in (T.RandomHorizontalFlip(), T.NormalizeImage(MEAN, STD, np.float32), T.Cutout(4)):
        assert op._native() is not None
        batches([op])


CERTAIN = {
    "normalize": T.NormalizeImage(MEAN, STD, np.float32),
    "normalize16": T.NormalizeImage(MEAN, STD, np.float16),
    "convert16": T.Convert(np.float16),
    "convert32": T.Convert(np.float32),
    "convert64": T.Convert(np.int64),
    "chw": T.ToCHW(),
    "flip": T.RandomHorizontalFlip(1.0),
    "vflip": T.RandomVerticalFlip(1.0),
    "no flip": T.RandomHorizontalFlip(0),
    "solarize": T.Solarization(1.0, 100.5),
    "no solarize": T.Solarization(1.0, 300),
    "solarize all": T.Solarization(1.0, 0),
    "grayscale": T.RandomGrayscale(1.0),
    "no brightness": T.RandomBrightness(0, 1.0),
    "no cutout": T.RandomCutout(0, 5),
    "no translate": T.RandomTranslate(0),
    "poison": T.Poison(images(1, 32, 32)[0], images(1, 32, 32, 1)[0, ..., 0] / 255, [3, 7, 8, 60, 1999]),
    "poison clamp": T.Poison(images(1, 32, 32)[0], 0.3 * np.ones((32, 32)), [7, 8, 9], (20, 90)),
    "resize box": T.Resize((16, 8), exact=True),
    "resize": T.Resize((13, 21), exact=True),
    "resize up": T.Resize((50, 21), exact=True),
    "resize bilinear": T.Resize((13, 40), filter="bilinear", exact=True),
    "blur nothing": T.GaussianBlur(3, p=0),
}


@pytest.mark.parametrize("name", CERTAIN)
def test_engine_and_client_agree(name, batches):
    there, here = batches([CERTAIN[name]]), batches([CERTAIN[name]], here=True)
    assert same(there["image"], here["image"])
    assert same(there["image2"], here["image2"])
    if name.startswith("no ") or name == "blur nothing":
        assert same(there["image"], there["image2"])


@pytest.mark.parametrize("sigma", [0.3, 1.0, 2.0])
def test_blur_agrees_but_for_rounding(sigma, batches):
    op = T.GaussianBlur(5, sigma)
    a, b = batches([op])["image2"].astype(int), batches([op], here=True)["image2"].astype(int)
    assert np.abs(a - b).max() <= 1 and (a != b).mean() < 1e-3


def test_labels_agree(batches):
    for op in (T.ReplaceLabel([1, 5, 63], 77), T.ReplaceLabel([], 1), T.ReplaceLabel([3], -1)):
        assert same(batches(labels=[op])["label2"], batches(labels=[op], here=True)["label2"])


# Random operations: properties of what comes out, wherever it was made.


def places(got, source):
    """Return where in source a region of got's size equals it."""
    height, width = got.shape[:2]
    windows = np.lib.stride_tricks.sliding_window_view(source, (height, width), (0, 1))
    return list(zip(*np.nonzero((windows == np.moveaxis(got, -1, 0)).all((2, 3, 4)))))


@pytest.mark.parametrize("cls, axis", [(T.RandomHorizontalFlip, 1), (T.RandomVerticalFlip, 0)])
def test_flips(cls, axis, load):
    x = load([cls(0.4)])
    flipped = np.array([same(b, np.flip(a, axis)) for a, b in zip(x["image"], x["image2"])])
    kept = np.array([same(a, b) for a, b in zip(x["image"], x["image2"])])
    assert (flipped | kept).all() and 12 <= flipped.sum() <= 40


def test_translate(load):
    x = load([T.RandomTranslate(3, (9, 8, 7))])
    seen = []
    for a, b in zip(x["image"], x["image2"]):
        room = np.empty((38, 38, 3), np.uint8)
        room[:] = (9, 8, 7)
        room[3:35, 3:35] = a
        found = places(b, room)
        assert found
        seen += found
    assert len({y for y, _ in seen}) == len({x for _, x in seen}) == 7


def test_random_crop(load):
    x = load([T.RandomCrop((30, 29))])
    seen = [places(b, a) for a, b in zip(x["image"], x["image2"])]
    assert all(seen) and x["image2"].shape == (BATCH, 30, 29, 3)
    assert len({y for y, _ in sum(seen, [])}) == 3 and len({x for _, x in sum(seen, [])}) == 4
    x = load([T.RandomCrop((40, 32), padding=2, pad_if_needed=True, fill=(1, 2, 3))])
    assert x["image2"].shape == (BATCH, 40, 32, 3)
    assert (x["image2"] == (1, 2, 3)).all(-1).any((1, 2)).all()


@pytest.mark.parametrize(
    "op, least, most", [(T.Cutout(6, (1, 2, 3)), 64, 64), (T.RandomCutout(0.4, 6, (1, 2, 3)), 12, 40)]
)
def test_cutouts(op, least, most, load):
    x = load([op])
    cut = 0
    for a, b in zip(x["image"], x["image2"]):
        rows, columns = np.nonzero((a != b).any(-1))
        if len(rows):
            cut += 1
            assert np.ptp(rows) <= 5 and np.ptp(columns) <= 5
            assert (b[rows, columns] == (1, 2, 3)).all()
    assert least - 2 <= cut <= most


def test_erasing(load):
    x = load([T.RandomErasing(0.5, fill_mean=(1, 2, 3), fill_std=(0, 0, 0))])
    painted = (x["image2"] == (1, 2, 3)).all(-1)
    assert same(np.where(painted[..., None], x["image"], x["image2"]), x["image"])
    assert 16 <= painted.any((1, 2)).sum() <= 48 and painted.mean((1, 2)).max() < 0.33
    x = load([T.RandomErasing(1.0, 0.2, 0.3, max_count=3)])
    values = x["image2"][(x["image"] != x["image2"]).any(-1)]
    assert np.abs(values.mean(0) - (124, 116, 103)).max() < 4


@pytest.mark.parametrize("cls", [T.RandomBrightness, T.RandomContrast, T.RandomSaturation, T.RandomHue])
def test_colours(cls, load):
    x = load([cls(0.5, 0.5)])
    changed = (x["image"] != x["image2"]).any((1, 2, 3)).sum()
    assert 16 <= changed <= 48
    x = load([cls(0.5, 1.0)])
    means = x["image2"].mean((1, 2, 3)) / x["image"].mean((1, 2, 3))
    if cls is T.RandomBrightness:
        assert means.min() > 0.45 and means.max() < 1.55 and means.std() > 0.15
    else:
        assert np.abs(means - 1).max() < 0.7


def test_brightness_is_one_factor(load):
    x = load([T.RandomBrightness(0.3, 1.0)])
    for a, b in zip(x["image"].astype(float), x["image2"]):
        some = (a > 100) & (b < 255)
        factor = np.median((b[some] + 0.5) / a[some])
        assert np.abs(b - np.minimum(factor * a, 255)).max() < 2.5


def test_color_jitter(load):
    x = load([T.RandomColorJitter(0.4, 0.4, 0.4, 0.1)])
    assert (x["image"] != x["image2"]).any((1, 2, 3)).sum() >= BATCH - 1
    x = load([T.RandomColorJitter()])
    assert same(x["image"], x["image2"])


@pytest.mark.parametrize("same_lambda", [True, False])
def test_mixup(same_lambda, load):
    x = load([T.ImageMixup(0.7, same_lambda)], labels=[T.LabelMixup(0.7, same_lambda)])
    mixed = x["label2"]
    assert mixed.dtype == np.float32 and mixed.shape == (BATCH, 3)
    assert same(mixed[:, :1], x["label"].astype(np.float32))
    assert same(mixed[:, 1:2], np.roll(x["label"], 1, 0).astype(np.float32))
    assert (len(np.unique(mixed[:, 2])) == 1) == same_lambda
    share = mixed[:, 2].astype(float)[:, None, None, None]
    want = share * x["image"] + (1 - share) * np.roll(x["image"], 1, 0)
    assert np.abs(x["image2"] - want).max() <= 1


@pytest.mark.parametrize("same_lambda", [True, False])
def test_cutmix(same_lambda, load):
    x = load([T.ImageCutMix(1.0, same_lambda)], labels=[T.LabelCutMix(1.0, same_lambda, (32, 32))])
    other = np.roll(x["image"], 1, 0)
    strange = (x["image2"] != x["image"]).any(-1)
    assert same(x["image2"][strange], other[strange])
    assert (strange.mean((1, 2)) <= 1 - x["label2"][:, 2] + 1e-6).all()
    assert strange.mean() > 0.9 * (1 - x["label2"][:, 2]).mean()


def test_one_hot(load):
    x = load(labels=[T.LabelMixup(0.7, False), T.MixupToOneHot(1000)])
    assert x["label2"].shape == (BATCH, 1000) and x["label2"].dtype == np.float32
    assert np.allclose(x["label2"].sum(1), 1)
    own = x["label2"][np.arange(BATCH), x["label"][:, 0]]
    other = x["label2"][np.arange(BATCH), np.roll(x["label"][:, 0], 1)]
    assert np.allclose(own + other * (x["label"] != np.roll(x["label"], 1, 0))[:, 0], 1)


def test_random_resized_crop(load):
    x = load([T.RandomResizedCrop((0.2, 1.0), (0.75, 4 / 3), 16)])
    assert x["image2"].shape == (BATCH, 16, 16, 3)
    gap = np.abs(x["image2"].mean((1, 2)) - x["image"].mean((1, 2)))
    assert gap.mean() < 30
    whole = load([T.RandomResizedCrop((1.0, 1.0), (1.0, 1.0), 16, exact=True)])
    boxes = whole["image"].reshape(BATCH, 16, 2, 16, 2, 3).astype(int).sum((2, 4))
    assert same(whole["image2"], ((boxes + 2) >> 2).astype(np.uint8))


def test_a_seed_and_an_epoch_draw_the_same(load):
    ops = [T.RandomTranslate(4), T.RandomBrightness(0.5)]
    a, b, c = load(ops), load(ops), load(ops, seed=6)
    assert same(a["image2"], b["image2"]) and not same(a["image2"], c["image2"])


# With torch.


def test_imagenet_pipeline(batches):
    torch = pytest.importorskip("torch")
    ops = [
        T.RandomHorizontalFlip(),
        T.ToTensor(),
        T.ToDevice(torch.device("cpu"), non_blocking=True),
        T.ToTorchImage(),
        T.NormalizeImage(MEAN, STD, np.float16),
    ]
    x = batches(ops, labels=[T.ToTensor(), T.Squeeze(), T.ToDevice("cpu")])
    got = x["image2"]
    assert got.dtype is torch.float16 and got.is_contiguous(memory_format=torch.channels_last)
    table = ((x["image"] - MEAN) / STD).astype(np.float16)
    for a, b in zip(table, got.permute(0, 2, 3, 1).numpy()):
        assert same(a, b) or same(a[:, ::-1], b)
    assert x["label2"].shape == (BATCH,)


def test_cifar_pipeline(batches):
    torch = pytest.importorskip("torch")
    ops = [
        T.RandomHorizontalFlip(),
        T.RandomTranslate(2, (125, 122, 113)),
        T.Cutout(4, (125, 122, 113)),
        T.ToTensor(),
        T.ToDevice("cpu"),
        T.ToTorchImage(),
        T.Convert(torch.float16),
    ]
    got = batches(ops)["image2"]
    assert got.dtype is torch.float16 and got.shape == (BATCH, 3, 32, 32)
    assert got.is_contiguous(memory_format=torch.channels_last)
    torch_ops = [*ops, torch.nn.Flatten()]
    assert batches(torch_ops, here=True)["image2"].shape == (BATCH, 3072)


@pytest.mark.parametrize("channels_last", [True, False])
@pytest.mark.parametrize("convert", [True, False])
def test_half_precision(channels_last, convert, batches):
    torch = pytest.importorskip("torch")
    ops = [T.NormalizeImage(MEAN, STD, np.float16), T.ToTensor(), T.ToTorchImage(channels_last, convert)]
    there, here = batches(ops), batches(ops, here=True)
    for x in (there, here):
        got = x["image2"]
        assert got.dtype is (torch.float16 if convert else torch.int16)
        assert got.stride() == ((3072, 1, 96, 3) if channels_last else (3072, 1024, 32, 1))
        want = ((x["image"] - MEAN) / STD).astype(np.float16).transpose(0, 3, 1, 2)
        assert (got.view(torch.float16).numpy() == want).all()
    assert batches(ops[:2])["image2"].dtype is torch.int16


def test_wrong_order_is_told(batches):
    pytest.importorskip("torch")
    with pytest.raises(TypeError, match="ToTensor"):
        batches([T.ToTensor(), T.RandomHorizontalFlip()])
    with pytest.raises(TypeError, match="uint8"):
        batches([T.Convert(np.float32), T.NormalizeImage(MEAN, STD, np.float32)])


def test_a_changed_class_runs_here(batches):
    class Never(T.RandomHorizontalFlip):
        def generate_code(self):
            def keep(images, dst):
                return images

            return keep

    op = Never(1.0)
    assert op._native() is None
    x = batches([op])
    assert same(x["image"], x["image2"])

    class Always(T.RandomHorizontalFlip):
        def __init__(self):
            super().__init__(1.0)

    assert Always()._native() is not None
    x = batches([Always()])
    assert same(x["image"][:, :, ::-1], x["image2"])


def test_mixup_agrees_when_one_of_the_two_cannot_run_in_the_engine(batches):
    """Images in the engine and labels behind Python would draw different shares."""
    x = batches([T.ImageMixup(0.7, False)], labels=[Here(), T.LabelMixup(0.7, False)])
    share = x["label2"][:, 2].astype(float)[:, None, None, None]
    want = share * x["image"] + (1 - share) * np.roll(x["image"], 1, 0)
    assert np.abs(x["image2"] - want).max() <= 1


# Any order of operations that come out the same each time.

PICTURES = [
    lambda r: T.RandomHorizontalFlip(float(r.integers(2))),
    lambda r: T.RandomVerticalFlip(float(r.integers(2))),
    lambda r: T.Solarization(1.0, int(r.integers(1, 300))),
    lambda r: T.RandomGrayscale(float(r.integers(2))),
    lambda r: T.RandomBrightness(0.0, 1.0),
    lambda r: T.RandomTranslate(0),
    lambda r: T.Poison(images(1, 32, 32)[0], 0.5, r.integers(0, 70, 5)),
    lambda r: T.RandomErasing(0.0),
]


def chain(r):
    """Return operations in an order that can be."""
    ops = [PICTURES[i](r) for i in r.integers(0, len(PICTURES), r.integers(4))]
    ops += [T.Resize((int(r.integers(4, 40)), int(r.integers(4, 40))), exact=True)] if r.integers(2) else []
    ops += [PICTURES[i](r) for i in r.integers(0, 5, r.integers(3))]
    normal = bool(r.integers(2))
    ops += [T.NormalizeImage(MEAN, STD, (np.float16, np.float32)[r.integers(2)])] if normal else []
    ops.append(T.ToTensor())
    ops += [T.ToDevice("cpu")] if r.integers(2) else []
    ops += [T.ToTorchImage(bool(r.integers(2)))] if r.integers(3) else []
    ops += [T.ToDevice("cpu")] if r.integers(2) else []
    if not normal:
        last = [None, T.NormalizeImage(MEAN, STD, np.float16), T.Convert(np.float32)][r.integers(3)]
        ops += [last] if last is not None else []
    return ops


@pytest.mark.parametrize("seed", range(40))
def test_chains(seed, batches):
    torch = pytest.importorskip("torch")
    make = lambda: chain(np.random.default_rng(seed))  # noqa: E731
    there, here = batches(make())["image2"], batches(make(), here=True)["image2"]
    assert there.dtype is here.dtype and there.shape == here.shape and there.stride() == here.stride()
    assert torch.equal(there, here), [type(op).__name__ for op in make()]
