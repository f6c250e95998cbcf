"""This repository's Python package, its engine beside it."""

from __future__ import annotations

from typing import Any

import betongo
import numpy as np
from betongo.fields.decoders import CenterCropRGBImageDecoder, RandomResizedCropRGBImageDecoder
from betongo.transforms import NormalizeImage, RandomHorizontalFlip, ToTensor, ToTorchImage
from common import MEAN, SIDE, STD, access, job, main, measure


def load() -> None:
    pipelines: dict[str, Any] = {}
    if job.work == "epoch-cc224-u8":
        pipelines["image"] = [CenterCropRGBImageDecoder((SIDE, SIDE), 224 / 256), ToTensor()]
    elif job.work != "epoch-rows":
        image: list[Any] = [RandomResizedCropRGBImageDecoder((SIDE, SIDE)), RandomHorizontalFlip()]
        if job.work == "epoch-rrc224-f32":
            image.append(NormalizeImage(np.array(MEAN) * 255, np.array(STD) * 255, np.float32))
            image.append(ToTorchImage())
        pipelines["image"] = image + [ToTensor()]
    loader = betongo.Loader(
        job.data,
        batch_size=job.batch,
        num_workers=job.workers,
        order="random",
        seed=0,
        drop_last=False,
        pipelines=pipelines,
    )
    measure(lambda: loader, lambda batch: len(batch[0]))


def one() -> None:
    data = betongo.open(job.data)
    if job.work == "random-access":
        access(lambda i: (bytes(data.raw(i, "image")), data["label"][i]), len(data))
    else:
        access(lambda i: data[i]["image"], len(data))


if __name__ == "__main__":
    main(
        {"epoch-": load, "random-access": one, "random-access-decoded": one},
        f"betongo {betongo.__version__}",
        "numpy",
    )
