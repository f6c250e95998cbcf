"""FFCV: its own file of the photographs (at most 500 px, quality 90), and of the rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from common import MEAN, SIDE, STD, build, job, main, measure, photos, table
from ffcv.fields import IntField, NDArrayField, RGBImageField
from ffcv.fields.basics import IntDecoder
from ffcv.fields.ndarray import NDArrayDecoder
from ffcv.fields.rgb_image import CenterCropRGBImageDecoder, RandomResizedCropRGBImageDecoder
from ffcv.loader import Loader, OrderOption
from ffcv.transforms import NormalizeImage, RandomHorizontalFlip, Squeeze, ToTensor, ToTorchImage
from ffcv.writer import DatasetWriter


class Photos:
    """What the writer's processes read."""

    def __init__(self) -> None:
        self.items = photos()

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, i: int) -> tuple[Any, int]:
        from PIL import Image

        path, label = self.items[i]
        return Image.open(path).convert("RGB"), label


class Rows:
    def __init__(self) -> None:
        self.x, self.y = table()

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, i: int) -> tuple[np.ndarray, int]:
        return self.x[i], int(self.y[i])


def write_photos() -> None:
    if job.work == "build-raw":
        image = RGBImageField(write_mode="raw", max_resolution=256)
    else:
        image = RGBImageField(write_mode="jpg", max_resolution=500, jpeg_quality=90)
    data = Photos()
    writer = DatasetWriter(job.data, {"image": image, "label": IntField()}, num_workers=job.workers)
    build(lambda: writer.from_indexed_dataset(data), len(data))


def write_rows() -> None:
    data = Rows()
    fields = {"x": NDArrayField(np.dtype("<f4"), (32,)), "label": IntField()}
    writer = DatasetWriter(job.data, fields, num_workers=job.workers)
    build(lambda: writer.from_indexed_dataset(data, chunksize=1000), len(data))


def load() -> None:
    label = [IntDecoder(), ToTensor(), Squeeze()]
    if job.work == "epoch-rows":
        pipelines: dict[str, list[Any]] = {"x": [NDArrayDecoder(), ToTensor()], "label": label}
    elif job.work == "epoch-cc224-u8":
        pipelines = {
            "image": [CenterCropRGBImageDecoder((SIDE, SIDE), 224 / 256), ToTensor(), ToTorchImage()],
            "label": label,
        }
    else:
        image = [RandomResizedCropRGBImageDecoder((SIDE, SIDE)), RandomHorizontalFlip()]
        if job.work == "epoch-rrc224-f32":
            image.append(NormalizeImage(np.array(MEAN) * 255, np.array(STD) * 255, np.float32))
        pipelines = {
            "image": image + [ToTensor(), ToTorchImage(channels_last=job.work != "epoch-rrc224-f32")],
            "label": label,
        }
    loader = Loader(
        job.data,
        batch_size=job.batch,
        num_workers=job.workers,
        os_cache=True,
        order=OrderOption.RANDOM,
        pipelines=pipelines,
        drop_last=False,
    )
    measure(lambda: loader, lambda batch: len(batch[0]), warm=True)


if __name__ == "__main__":
    main({"build-rows": write_rows, "build-": write_photos, "build": write_photos, "epoch-": load}, "ffcv", "numba", "torch")
