"""Transforms as they run in the client."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from operate import images, operate, state_of

import betongo.transforms as T
from betongo.transforms.color_jitter import brighten, contrast, gray, saturate, turn

MEAN = np.array([123.675, 116.28, 103.53])
STD = np.array([58.395, 57.12, 57.375])


def same(a, b):
    return a.shape == b.shape and a.dtype == b.dtype and bool((a == b).all())


# What moves pixels about.


@pytest.mark.parametrize("cls, axis", [(T.RandomHorizontalFlip, 2), (T.RandomVerticalFlip, 1)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.int64])
def test_flips_only_flip(cls, axis, dtype):
    batch = images(200).astype(dtype)
    before = batch.copy()
    got = operate(cls(0.5), batch)
    flipped = np.array([same(g, np.flip(b, axis - 1)) for g, b in zip(got, before)])
    kept = np.array([same(g, b) for g, b in zip(got, before)])
    assert (flipped ^ kept).all()
    assert 60 < flipped.sum() < 140
    assert same(batch, before)


@pytest.mark.parametrize("p, want", [(0, slice(None)), (1, slice(None, None, -1))])
def test_flip_always_and_never(p, want):
    batch = images()
    assert same(operate(T.RandomHorizontalFlip(p), batch), np.ascontiguousarray(batch[:, :, want]))


def test_flip_draws_anew_for_each_batch_and_the_same_for_the_same():
    op, batch = T.RandomHorizontalFlip(), images(64)
    a, b = operate(op, batch), operate(op, batch)
    assert not same(a, b)
    op._reseed(7, 0, 3)
    a, b = operate(op, batch), operate(op, batch)
    assert same(a, b)
    assert not same(a, operate(op, batch, np.arange(64) + 1))
    op._reseed(7, 1, 3)
    assert not same(a, operate(op, batch))


def places(got, source, height, width):
    """Return where in source a region of got's size equals it."""
    return [
        (y, x)
        for y in range(source.shape[0] - height + 1)
        for x in range(source.shape[1] - width + 1)
        if same(source[y : y + height, x : x + width], got)
    ]


def test_translate():
    batch = images(100)
    padded = np.full((100, 12 + 6, 10 + 6, 3), (9, 8, 7), np.uint8)
    padded[:, 3:15, 3:13] = batch
    got = operate(T.RandomTranslate(3, (9, 8, 7)), batch.copy())
    seen = [places(g, p, 12, 10) for g, p in zip(got, padded)]
    assert all(seen)
    assert {y for y, _ in sum(seen, [])} == {x for _, x in sum(seen, [])} == set(range(7))


def test_translate_by_nothing():
    batch = images()
    assert same(operate(T.RandomTranslate(0), batch.copy()), batch)
    with pytest.raises(ValueError):
        operate(T.RandomTranslate(-1), batch)


def test_random_crop():
    batch = images(100)
    got = operate(T.RandomCrop((5, 4)), batch)
    seen = [places(g, b, 5, 4) for g, b in zip(got, batch)]
    assert all(seen)
    assert {y for y, _ in sum(seen, [])} == set(range(8)) and {x for _, x in sum(seen, [])} == set(range(7))


def test_random_crop_pads():
    batch = images(1)
    assert operate(T.RandomCrop(14, padding=2), batch).shape == (1, 14, 14, 3)
    got = operate(T.RandomCrop((12, 16), fill=(5,), pad_if_needed=True), batch)
    assert got.shape == (1, 12, 16, 3) and (got == 5).any()
    with pytest.raises(ValueError, match="pad_if_needed"):
        operate(T.RandomCrop(20, padding=2), batch)


def test_random_resized_crop_keeps_a_colour():
    batch = np.empty((8, 40, 30, 3), np.uint8)
    batch[:] = (10, 200, 77)
    got = operate(T.RandomResizedCrop((0.08, 1.0), (0.75, 4 / 3), 16), batch)
    assert same(got, np.broadcast_to(np.array([10, 200, 77], np.uint8), (8, 16, 16, 3)))


def test_random_resized_crop_shows_parts():
    """Of a picture whose colours are its coordinates, to which a crop shows where it lies."""
    y, x = np.mgrid[0:100, 0:200]
    batch = np.repeat(np.stack([y, x, 0 * y], -1).astype(np.uint8)[None], 64, 0)
    got = operate(T.RandomResizedCrop((0.1, 0.5), (0.75, 4 / 3), 20), batch).astype(int)
    for g in got:
        assert (np.diff(g[:, 10, 0]) >= 0).all() and (np.diff(g[10, :, 1]) >= 0).all()
        height, width = np.ptp(g[:, 10, 0]) * 20 / 19, np.ptp(g[10, :, 1]) * 20 / 19
        assert 0.6 < width / height < 1.6
        assert 0.06 < width * height / 20000 < 0.65


def test_resize():
    batch = images(2, 20, 30)
    assert operate(T.Resize((10, 15)), batch).shape == (2, 10, 15, 3)
    boxes = batch.reshape(2, 10, 2, 15, 2, 3).astype(int).sum((2, 4))
    assert same(operate(T.Resize((10, 15)), batch), ((boxes + 2) >> 2).astype(np.uint8))
    assert operate(T.Resize(7), images(2, channels=4)).shape == (2, 7, 7, 4)
    with pytest.raises(ValueError, match="bicubic"):
        T.Resize(7, filter="bicubic")


@pytest.mark.parametrize("size", [(7, 9), (20, 30), (31, 11), (64, 50), (5, 60)])
def test_resize_bilinear_is_pillows(size):
    Image = pytest.importorskip("PIL.Image")
    batch = images(1, 33, 47)
    want = np.asarray(Image.fromarray(batch[0]).resize(size[::-1], Image.BILINEAR))
    assert same(operate(T.Resize(size, filter="bilinear"), batch)[0], want)


# What paints over pixels.


def test_cutout():
    batch = np.full((50, 12, 10, 3), 255, np.uint8)
    got = operate(T.Cutout(4, (1, 2, 3)), batch)
    for g in got:
        rows, columns = np.nonzero((g == (1, 2, 3)).all(-1))
        assert len(rows) == 16 and np.ptp(rows) == np.ptp(columns) == 3
        assert (g == 255).all(-1).sum() == 120 - 16
    assert got is batch
    with pytest.raises(ValueError, match="11"):
        operate(T.Cutout(11), batch)


def test_random_cutout():
    batch = np.full((300, 12, 10, 3), 255, np.uint8)
    cut = (operate(T.RandomCutout(0.3, 4), batch) == 0).any((1, 2, 3)).sum()
    assert 50 < cut < 130


def test_solarization():
    batch = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    got = operate(T.Solarization(1.0, 200), batch).ravel()
    want = np.arange(256)
    want[200:] = 255 - want[200:]
    assert (got == want).all()
    assert same(operate(T.Solarization(0.0), batch), batch)


def test_erasing():
    batch = np.full((200, 30, 40, 3), 250, np.uint8)
    got = operate(T.RandomErasing(0.5, fill_mean=(1, 2, 3), fill_std=(0, 0, 0)), batch)
    areas = (got == (1, 2, 3)).all(-1).sum((1, 2)) / 1200
    assert 60 < (areas > 0).sum() < 140
    assert areas[areas > 0].min() > 0.01 and areas.max() < 0.35
    noisy = operate(T.RandomErasing(1.0, min_area=0.3, fast_fill=False), np.zeros((50, 30, 40, 3), np.uint8))
    values = noisy[noisy.any(-1)]
    assert np.abs(values.mean(0) - (124, 116, 103)).max() < 5 and 45 < values.std(0).mean() < 65


# Colours.


def test_factors():
    image = images(1)[0]
    for change, other in ((brighten, 0), (contrast, gray(image).mean()), (saturate, gray(image)[..., None])):
        for factor in (0.0, 0.3, 1.0, 1.7):
            got = image.copy()
            change(got, factor)
            want = (factor * image + (1 - factor) * other).clip(0, 255)
            assert np.abs(got - np.floor(want + 1e-9)).max() <= 1, (change, factor)
    red, green, blue = np.moveaxis(image.astype(float), -1, 0)
    assert same(gray(image), (0.2989 * red + 0.587 * green + 0.114 * blue).astype(np.uint8))


@pytest.mark.parametrize("cls", [T.RandomBrightness, T.RandomContrast, T.RandomSaturation, T.RandomHue])
def test_colours_apply_with_probability(cls):
    batch = images(200)
    got = operate(cls(0.5), batch.copy())
    changed = (got != batch).any((1, 2, 3)).sum()
    assert 60 < changed < 140
    assert same(operate(cls(0.5, p=0), batch.copy()), batch)
    for g, b in zip(operate(cls(0.0, 1.0), batch.copy()), batch):
        assert np.abs(g.astype(int) - b).max() <= 1


def test_hue_is_a_turn():
    image = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [40, 40, 40], [0, 0, 0]]], np.uint8)
    got = image.copy()
    turn(got, 1 / 3)
    assert np.abs(got.astype(int)[0, :3] - np.roll(image, 1, -1)[0, :3]).max() <= 1
    assert (got[0, 3:] == image[0, 3:]).all()
    with pytest.raises(ValueError):
        T.RandomHue(0.6)


def test_hue_is_torchvisions():
    functional = pytest.importorskip("torchvision.transforms.functional")
    torch = pytest.importorskip("torch")
    image = images(1, 40, 40)[0]
    for by in (-0.5, -0.2, 0.0, 0.1, 0.37, 0.5):
        got = image.copy()
        turn(got, by)
        want = functional.adjust_hue(torch.from_numpy(image).permute(2, 0, 1), by).permute(1, 2, 0).numpy()
        assert np.abs(got.astype(int) - want).max() <= 1


def test_grayscale():
    batch = images(300)
    got = operate(T.RandomGrayscale(0.4), batch.copy())
    flat = (got == got[..., :1]).all((1, 2, 3))
    assert 80 < flat.sum() < 160
    assert same(got[flat][..., 0], gray(batch[flat]))


def test_color_jitter():
    batch = images(50)
    assert same(operate(T.RandomColorJitter(), batch.copy()), batch)
    got = operate(T.RandomColorJitter(0.4, 0.4, 0.4, 0.1), batch.copy())
    assert (got != batch).any((1, 2, 3)).all()
    with pytest.raises(ValueError):
        T.RandomColorJitter(hue=0.7)


def test_blur():
    batch = np.zeros((1, 21, 21, 1), np.uint8)
    batch[0, 10, 10] = 255
    got = operate(T.GaussianBlur(9, 1.5), batch.copy())[0, ..., 0]
    weights = np.exp(-0.5 * (np.arange(-4, 5) / 1.5) ** 2)
    weights /= weights.sum()
    assert np.abs(got[6:15, 6:15] - 255 * np.outer(weights, weights)).max() <= 0.51
    assert same(operate(T.GaussianBlur(3), np.full_like(batch, 90)), np.full_like(batch, 90))
    assert same(operate(T.GaussianBlur(5, p=0), batch.copy()), batch)
    for wrong in (0, 4):
        with pytest.raises(ValueError):
            T.GaussianBlur(wrong)
    with pytest.raises(ValueError, match="41"):
        operate(T.GaussianBlur(43), batch)


# Numbers.


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_normalize(dtype):
    batch = images()
    want = ((batch - MEAN) / STD).astype(dtype)
    assert same(operate(T.NormalizeImage(MEAN, STD, dtype), batch), want)


def test_normalize_to_half_is_shown_as_int16():
    batch = images()
    got = operate(T.NormalizeImage(MEAN, STD, np.float16), batch)
    assert got.dtype == np.int16
    assert same(got.view(np.float16), ((batch - MEAN) / STD).astype(np.float16))


def test_normalize_sequences_and_one_channel():
    got = operate(T.NormalizeImage([1], [2], np.float32), images(channels=1))
    assert same(got, ((images(channels=1) - 1.0) / 2).astype(np.float32))


@pytest.mark.parametrize("mean, std", [([1], [1, 2]), (3, 4), ([[1, 2, 3]], [[1, 2, 3]])])
def test_normalize_wrong_settings(mean, std):
    with pytest.raises(ValueError, match="shape"):
        T.NormalizeImage(np.array(mean), np.array(std), np.float32)


def test_normalize_wrong_input():
    op = T.NormalizeImage(MEAN, STD, np.float32)
    for batch in (images().astype(np.float32), images(channels=4), images()[0]):
        with pytest.raises(TypeError):
            operate(op, batch)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int64, np.int32, np.float64])
def test_convert_arrays(dtype):
    assert same(operate(T.Convert(dtype), images()), images().astype(dtype))


def test_poison():
    random = np.random.default_rng(3)
    mask, alpha = random.uniform(0, 255, (12, 10, 3)), random.uniform(0, 1, (12, 10))
    batch = images(6)
    got = operate(T.Poison(mask, alpha, [14, 3, 11]), batch.copy(), [10, 11, 12, 13, 14, 15])
    value = (batch * (1 - alpha[..., None])).astype(np.float32)
    value = (value + mask * alpha[..., None]).astype(np.float32).clip(0, 255).astype(np.uint8)
    want = batch.copy()
    want[[1, 4]] = value[[1, 4]]
    assert same(got, want)
    held = operate(T.Poison(mask, alpha, range(20), (100, 120)), batch.copy())
    assert held.min() >= 100 and held.max() <= 120


def test_poison_with_one_opacity():
    mask = np.full((12, 10, 3), 200.0)
    assert (operate(T.Poison(mask, 1.0, [0]), images(1)) == 200).all()
    with pytest.raises(ValueError, match="alpha"):
        T.Poison(mask, np.ones((3, 4)), [0])
    with pytest.raises(ValueError, match="mask"):
        operate(T.Poison(mask, 1.0, [0]), images(1, 5, 5))


def test_replace_label():
    labels = np.arange(6, dtype=np.int64)[:, None]
    got = operate(T.ReplaceLabel([3, 12, 5], -7), labels, [3, 4, 5, 6, 7, 8])
    assert got.ravel().tolist() == [-7, 1, -7, 3, 4, 5]
    assert operate(T.ReplaceLabel([], 1), labels, range(6)) is labels


# Batches.


@pytest.mark.parametrize("same_lambda", [True, False])
def test_mixup_of_images_and_labels_agree(same_lambda):
    batch, labels = images(6), np.arange(6)[:, None]
    ids = [9, 4, 6, 1, 0, 3]
    got = operate(T.ImageMixup(0.4, same_lambda), batch, ids)
    mixed = operate(T.LabelMixup(0.4, same_lambda), labels, ids)
    assert mixed.dtype == np.float32 and mixed.shape == (6, 3)
    assert (mixed[:, 0] == np.arange(6)).all() and (mixed[:, 1] == np.roll(np.arange(6), 1)).all()
    share = mixed[:, 2].astype(np.float64)[:, None, None, None]
    assert (len(set(mixed[:, 2])) == 1) == same_lambda
    want = share * batch + (1 - share) * np.roll(batch, 1, 0)
    assert np.abs(got - want).max() <= 1


def test_mixup_of_an_epoch():
    op, other = T.ImageMixup(1.0, True), T.LabelMixup(1.0, True)
    op._reseed(1, 2, 77)
    other._reseed(1, 2, 99)
    labels = np.arange(4)[:, None]
    first = operate(other, labels)
    other._reseed(1, 3, 99)
    assert not same(first, operate(other, labels))
    other._reseed(1, 2, 99)
    share = operate(other, labels)[0, 2]
    batch = np.zeros((4, 2, 2, 1), np.float64)
    batch[0] = 1
    assert abs(operate(op, batch)[0, 0, 0, 0] - share) < 1e-6


@pytest.mark.parametrize("same_lambda", [True, False])
def test_cutmix(same_lambda):
    batch, labels = np.zeros((8, 20, 30, 3), np.uint8), np.arange(8)[:, None]
    batch[:] = np.arange(8)[:, None, None, None]
    got = operate(T.ImageCutMix(1.0, same_lambda), batch)
    mixed = operate(T.LabelCutMix(1.0, same_lambda, (20, 30)), labels)
    own = (got == np.arange(8)[:, None, None, None]).all(-1)
    other = (got == np.roll(np.arange(8), 1)[:, None, None, None]).all(-1)
    assert (own ^ other).all()
    assert np.allclose(own.mean((1, 2)), mixed[:, 2])
    for o in other:
        rows, columns = np.nonzero(o)
        assert len(rows) == 0 or (np.ptp(rows) + 1) * (np.ptp(columns) + 1) == len(rows)


def test_mixup_settings():
    for alpha in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="alpha"):
            T.ImageMixup(alpha, True)


def test_one_hot_of_arrays():
    mixed = np.array([[0, 2, 0.25], [1, 1, 0.3]], np.float32)
    got = operate(T.MixupToOneHot(3), mixed)
    assert np.allclose(got, [[0.25, 0, 0.75], [0, 1, 0]])
    with pytest.raises(TypeError):
        operate(T.MixupToOneHot(3), mixed[:, :2])


# Layout.


def test_to_chw():
    got = operate(T.ToCHW(), images())
    assert same(got, images().transpose(0, 3, 1, 2)) and got.flags.c_contiguous


def test_squeeze_arrays():
    assert operate(T.Squeeze(), np.zeros((4, 1, 3, 1))).shape == (4, 3)
    assert operate(T.Squeeze(), np.zeros((1, 1))).shape == (1,)
    assert operate(T.Squeeze(1), np.zeros((4, 1, 3, 1))).shape == (4, 3, 1)
    assert operate(T.Squeeze(-1, 1), np.zeros((4, 1, 3, 1))).shape == (4, 3)
    assert operate(T.Squeeze(2), np.zeros((4, 1, 3, 1))).shape == (4, 1, 3, 1)
    with pytest.raises(IndexError):
        operate(T.Squeeze(5), np.zeros((4, 1)))
    batch = np.zeros((4, 1))
    assert np.shares_memory(operate(T.Squeeze(), batch), batch)


def test_view_arrays():
    batch = np.arange(24, dtype=np.uint8).reshape(3, 8)
    got = operate(T.View(np.float32), batch)
    assert got.shape == (3, 2) and np.shares_memory(got, batch)
    with pytest.raises(TypeError, match="no whole number"):
        operate(T.View(np.float32), np.zeros((3, 7), np.uint8))


# Which input operations take.


ON_ARRAYS = [
    T.RandomHorizontalFlip(),
    T.RandomVerticalFlip(),
    T.RandomTranslate(1),
    T.Cutout(2),
    T.RandomCutout(0.5, 2),
    T.Solarization(),
    T.RandomErasing(0.5),
    T.RandomBrightness(0.5),
    T.RandomContrast(0.5),
    T.RandomSaturation(0.5),
    T.RandomHue(0.5),
    T.RandomGrayscale(),
    T.RandomColorJitter(0.1),
    T.GaussianBlur(3),
    T.RandomResizedCrop((0.1, 1), (1, 1), 4),
    T.Resize(4),
    T.RandomCrop(4),
    T.ImageMixup(1, True),
    T.ImageCutMix(1, True),
    T.Poison(np.zeros((12, 10, 3)), 0.5, [0]),
    T.ToCHW(),
]


@pytest.mark.parametrize("op", ON_ARRAYS, ids=lambda op: type(op).__name__)
def test_one_image_and_strided_batches(op):
    assert len(operate(op, images(1))) == 1
    assert len(operate(op, images(8)[::2])) == 4
    assert len(operate(op, images(0))) == 0


@pytest.mark.parametrize("op", ON_ARRAYS, ids=lambda op: type(op).__name__)
def test_wrong_places(op):
    torch = pytest.importorskip("torch")
    tensor = torch.from_numpy(images())
    with pytest.raises(TypeError, match="put it before ToTensor"):
        op.declare_state_and_memory(state_of(tensor))
    moved = np.ascontiguousarray(images().transpose(0, 3, 1, 2))
    with pytest.raises((TypeError, ValueError), match="put it before ToTorchImage|mask"):
        op.declare_state_and_memory(state_of(moved, jit_mode=False))
    behind, _ = T.ToCHW().declare_state_and_memory(state_of(images()))
    with pytest.raises(TypeError, match="ToCHW"):
        op.declare_state_and_memory(behind)


@pytest.mark.parametrize("op", ON_ARRAYS, ids=lambda op: type(op).__name__)
def test_functions_need_no_compiler(op):
    op.declare_state_and_memory(state_of(images()))
    assert op.generate_code().plain


# With torch, and without.


def test_to_tensor():
    torch = pytest.importorskip("torch")
    batch = images()
    got = operate(T.ToTensor(), batch)
    assert isinstance(got, torch.Tensor) and got.dtype is torch.uint8
    batch[0, 0, 0, 0] ^= 255
    assert got[0, 0, 0, 0] == batch[0, 0, 0, 0]
    assert operate(T.ToTensor(), images()[:, ::-1]).shape == batch.shape
    assert operate(T.ToTensor(), got) is got


def test_to_tensor_of_what_torch_has_not():
    pytest.importorskip("torch")
    with pytest.raises(TypeError, match="<U3.*leave ToTensor out"):
        operate(T.ToTensor(), np.zeros((2, 3), "<U3"))


def test_to_tensor_of_the_other_byte_order():
    torch = pytest.importorskip("torch")
    op, batch = T.ToTensor(), np.arange(6, dtype=">f4").reshape(2, 3)
    got = operate(op, batch)
    assert got.dtype is torch.float32 and got.tolist() == batch.tolist() and not op._layout


@pytest.mark.parametrize("channels_last", [True, False])
def test_to_torch_image(channels_last):
    torch = pytest.importorskip("torch")
    batch = torch.from_numpy(images())
    got = operate(T.ToTorchImage(channels_last), batch)
    assert got.shape == (4, 3, 12, 10)
    assert got.is_contiguous(memory_format=torch.channels_last if channels_last else torch.contiguous_format)
    assert (got.data_ptr() == batch.data_ptr()) == channels_last
    assert (got == batch.permute(0, 3, 1, 2)).all()


@pytest.mark.parametrize("convert", [True, False])
def test_to_torch_image_of_half(convert):
    torch = pytest.importorskip("torch")
    batch = torch.from_numpy(operate(T.NormalizeImage(MEAN, STD, np.float16), images()))
    got = operate(T.ToTorchImage(convert_back_int16=convert), batch)
    assert got.dtype is (torch.float16 if convert else torch.int16)
    want = ((images() - MEAN) / STD).astype(np.float16).transpose(0, 3, 1, 2)
    assert (got.view(torch.float16).numpy() == want).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("moved", [True, False])
def test_normalize_tensors(dtype, moved):
    torch = pytest.importorskip("torch")
    batch = torch.from_numpy(images())
    want = torch.from_numpy(((images() - MEAN) / STD).astype(dtype))
    if moved:
        batch, want = batch.permute(0, 3, 1, 2), want.permute(0, 3, 1, 2)
    got = operate(T.NormalizeImage(MEAN, STD, dtype), batch)
    assert got.dtype is want.dtype and got.stride() == batch.stride() and (got == want).all()


def test_normalize_on_a_device():
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no CUDA")
    batch = torch.from_numpy(images()).cuda().permute(0, 3, 1, 2)
    got = operate(T.NormalizeImage(MEAN, STD, np.float16), batch)
    assert got.is_cuda and got.is_contiguous(memory_format=torch.channels_last)
    want = ((images() - MEAN) / STD).astype(np.float16).transpose(0, 3, 1, 2)
    assert (got.cpu().numpy() == want).all()


def test_convert_tensors():
    torch = pytest.importorskip("torch")
    batch = torch.from_numpy(images())
    for target in (torch.float16, np.float16):
        assert operate(T.Convert(target), batch).dtype is torch.float16
    assert operate(T.Convert(torch.int64), images()).dtype == np.int64
    with pytest.raises(TypeError, match="bfloat16"):
        operate(T.Convert(torch.bfloat16), images())
    assert operate(T.Convert(torch.bfloat16), batch).dtype is torch.bfloat16


def test_view_tensors():
    torch = pytest.importorskip("torch")
    assert operate(T.View(torch.float16), torch.zeros((3, 4), dtype=torch.int16)).dtype is torch.float16
    assert operate(T.View(np.int16), torch.zeros((3, 4), dtype=torch.uint8)).shape == (3, 2)


def test_to_device():
    torch = pytest.importorskip("torch")
    batch = torch.from_numpy(images()).permute(0, 3, 1, 2)
    assert operate(T.ToDevice("cpu"), batch) is batch
    assert operate(T.ToDevice(torch.device("cpu"), non_blocking=False), images()).shape == (4, 12, 10, 3)
    op = T.ToDevice("meta")
    got = operate(op, batch)
    assert got.device.type == "meta" and got.stride() == batch.stride() and not op._layout
    with pytest.raises(TypeError, match="ToTensor"):
        operate(T.ToDevice("cuda:0"), images())
    op = T.ToDevice("cpu")
    op.declare_state_and_memory(state_of(batch))
    assert op._layout


def test_squeeze_tensors():
    torch = pytest.importorskip("torch")
    labels = torch.arange(4)[:, None]
    assert operate(T.Squeeze(), labels).tolist() == [0, 1, 2, 3]
    assert operate(T.Squeeze(), labels[:1]).shape == (1,)


def test_one_hot_of_tensors():
    torch = pytest.importorskip("torch")
    mixed = torch.tensor([[0, 2, 0.25], [1, 1, 0.3]])
    got = operate(T.MixupToOneHot(3), mixed)
    assert torch.allclose(got, torch.tensor([[0.25, 0, 0.75], [0, 1, 0]]))
    assert mixed[0, 2] == 0.25


def test_module_wrapper():
    torch = pytest.importorskip("torch")
    batch = torch.from_numpy(images()).float()
    got = operate(T.ModuleWrapper(torch.nn.Flatten(2)), batch[:, :, :, 0])
    assert (got == batch[..., 0]).all()


def test_without_torch():
    code = """
import sys
sys.modules["torch"] = None
sys.path.insert(0, sys.argv[1])
import numpy as np
from operate import images, operate
import betongo.transforms as T
got = operate(T.ToTensor(), images())
assert isinstance(got, np.ndarray)
half = operate(T.NormalizeImage(np.ones(3), np.ones(3), np.float16), images())
last = operate(T.ToTorchImage(), operate(T.ToTensor(), half), jit_mode=False)
assert last.shape == (4, 3, 12, 10) and last.dtype == np.float16 and np.shares_memory(last, half)
first = operate(T.ToTorchImage(channels_last=False), images(), jit_mode=False)
assert first.flags.c_contiguous
behind = operate(T.NormalizeImage(np.ones(3), np.ones(3), np.float32), first, jit_mode=False)
assert (behind == first.astype(np.float32) - 1).all()
assert operate(T.ToDevice("cpu"), images()).shape == (4, 12, 10, 3)
assert operate(T.Squeeze(), np.zeros((4, 1))).shape == (4,)
try:
    T.ToDevice("cuda:0").declare_state_and_memory
    operate(T.ToDevice("cuda:0"), images())
except TypeError as e:
    assert "ToTensor" in str(e)
else:
    raise AssertionError
"""
    here = str(__import__("pathlib").Path(__file__).parent)
    got = subprocess.run([sys.executable, "-c", code, here], capture_output=True, text=True, timeout=120)
    assert got.returncode == 0, got.stderr
