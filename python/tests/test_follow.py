"""Lossless pictures, and masks and boxes that follow a picture."""

from __future__ import annotations

import numpy as np
import pytest

import betongo
import betongo.transforms as T
from betongo.fields import BytesField, ImageField, IntField, NDArrayField, RGBImageField
from betongo.fields import decoders as D
from betongo.pipeline.pipeline_spec import PipelineSpec

N, HEIGHT, WIDTH = 12, 40, 32


class Scenes:
    """Pictures whose red is their mask, and the boxes of two marks."""

    def __len__(self):
        return N

    def __getitem__(self, i):
        picture = np.random.default_rng(i).integers(1, 250, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        depth = picture.astype(np.uint16)[..., :2] * 200
        boxes = np.array([[4, 6, 14, 26, i], [20, 30, 28, 36, 100 + i]], np.float32)
        return picture, picture[..., :1].copy(), depth, boxes, np.frombuffer(boxes.tobytes(), np.uint8), i


@pytest.fixture(scope="module")
def file(engine, tmp_path_factory):
    path = str(tmp_path_factory.mktemp("scenes") / "scenes.beton")
    fields = {
        "image": RGBImageField(),
        "mask": ImageField(1, np.uint8),
        "depth": ImageField(2, np.uint16),
        "boxes": NDArrayField(np.dtype("<f4"), (2, 5)),
        "raw": BytesField(),
        "label": IntField(),
    }
    betongo.DatasetWriter(path, fields, num_workers=1).from_indexed_dataset(Scenes())
    return path


def load(file, **pipelines):
    names = ("image", "mask", "depth", "boxes", "raw", "label")
    loader = betongo.Loader(
        file, N, seed=4, pipelines={n: None for n in names if n not in pipelines} | pipelines, as_dict=True
    )
    return next(iter(loader))


def test_whole(file):
    got = load(file, image=[D.SimpleRGBImageDecoder()], mask=[D.ImageDecoder()], depth=[D.ImageDecoder()])
    scenes = [Scenes()[i] for i in range(N)]
    assert (got["image"] == np.stack([s[0] for s in scenes])).all()
    assert got["mask"].dtype == np.uint8 and (got["mask"] == np.stack([s[1] for s in scenes])).all()
    assert got["depth"].dtype == np.uint16 and (got["depth"] == np.stack([s[2] for s in scenes])).all()


def test_whole_in_the_client(file):
    class Here(D.ImageDecoder):
        def generate_code(self):
            return super().generate_code()

    for name in ("mask", "depth"):
        a, b = load(file, **{name: [D.ImageDecoder()]}), load(file, **{name: [Here()]})
        assert a[name].dtype == b[name].dtype and (a[name] == b[name]).all()


def test_crops_of_lossless_pictures(file):
    got = load(file, depth=[D.CenterCropRGBImageDecoder((10, 12), 0.5)], mask=[D.ResizeRGBImageDecoder(8)])
    assert got["depth"].shape == (N, 10, 12, 2) and got["depth"].dtype == np.uint16
    assert got["mask"].shape == (N, 8, 8, 1)


def test_mask_follows(file):
    ops = [T.RandomHorizontalFlip(), T.RandomVerticalFlip(), T.RandomTranslate(5, (0, 0, 0))]
    got = load(file, image=[D.SimpleRGBImageDecoder(), *ops], mask=[T.Mask("image")])
    assert got["mask"].shape == (N, HEIGHT, WIDTH, 1)
    assert (got["mask"] == got["image"][..., :1]).all()
    assert len({m.tobytes() for m in got["mask"]}) == N


def test_fill(file):
    image = [D.RandomCropRGBImageDecoder((60, 60), pad_if_needed=True, fill=(9, 9, 9))]
    got = load(file, image=image, mask=[T.Mask("image", fill=9)])
    assert (got["mask"] == got["image"][..., :1]).all()
    with pytest.raises(ValueError, match="fill"):
        load(file, image=image, mask=[T.Mask("image", fill=-1)])


def test_area_follows(file):
    image = [D.CenterCropRGBImageDecoder((10, 10), 1.0, exact=True), T.RandomHorizontalFlip()]
    got = load(file, image=image, depth=[T.Area("image")])
    assert got["depth"].shape == (N, 10, 10, 2) and got["depth"].dtype == np.uint16
    assert np.abs(got["depth"] / 200 - got["image"][..., :2]).max() < 1.5


@pytest.mark.parametrize("source", ["boxes", "raw"])
def test_boxes_follow(source, file):
    settings = {} if source == "boxes" else {"max_boxes": 2, "dtype": np.float32, "columns": 5}
    boxes = T.Boxes("image", **settings)
    pipelines = {"image": [D.SimpleRGBImageDecoder(), T.RandomHorizontalFlip(0.5)], source: [boxes]}
    got = load(file, **pipelines, label=[D.IntDecoder()])
    assert got[source].shape == (N, 2, 5) and got[source].dtype == np.float32
    for picture, found, i in zip(got["image"], got[source], got["label"][:, 0]):
        flipped = not (picture == Scenes()[i][0]).all()
        for box, want in zip(found, Scenes()[i][3]):
            left, right = (WIDTH - want[2], WIDTH - want[0]) if flipped else (want[0], want[2])
            assert box.tolist() == [left, want[1], right, want[3], want[4]]


def test_boxes_out_of_sight(file):
    image = [D.CenterCropRGBImageDecoder((12, 12), 12 / 32)]
    got = load(file, image=image, boxes=[T.Boxes("image", min_visible=0.99)])["boxes"]
    assert (got == -1).all(-1).any(1).all()
    with pytest.raises(ValueError, match="coco"):
        T.Boxes("image", format="xyxy")


def test_two_views_of_one_picture(file):
    views = {
        "image": [D.RandomResizedCropRGBImageDecoder(24)],
        "small": PipelineSpec("image", D.RandomResizedCropRGBImageDecoder(8)),
        "small_mask": PipelineSpec("mask", T.Mask("small")),
    }
    got = load(file, **views)
    assert got["image"].shape == (N, 24, 24, 3) and got["small"].shape == (N, 8, 8, 3)
    assert got["small_mask"].shape == (N, 8, 8, 1)


def test_followers_want_their_fields(file):
    with pytest.raises(ValueError, match="RGBImageField|doesn't decode"):
        load(file, image=[T.Mask("label")], label=[D.IntDecoder()])
    with pytest.raises(ValueError, match="nothing|no output"):
        load(file, mask=[T.Mask("nothing")])


def test_follower_behind_python(file):
    """What drew the geometry is known in the engine alone."""

    class Changed(T.Mask):
        def generate_code(self):
            return super().generate_code()

    with pytest.raises(betongo.UnsupportedError, match="engine"):
        load(file, image=[D.SimpleRGBImageDecoder()], mask=[Changed("image")])
