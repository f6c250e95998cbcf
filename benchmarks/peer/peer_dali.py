"""NVIDIA DALI's operators for processors over the files: decoding fused with the crop, resized with a
triangular filter (antialiased)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import nvidia.dali.fn as fn
import nvidia.dali.types as types
from common import MEAN, SIDE, STD, job, main, measure, photos
from nvidia.dali import pipeline_def


def load() -> None:
    items = photos()

    @pipeline_def(batch_size=job.batch, num_threads=job.workers, device_id=None)
    def pipeline():
        data, label = fn.readers.file(
            files=[path for path, _ in items],
            labels=[label for _, label in items],
            random_shuffle=True,
            name="files",
        )
        if job.work == "epoch-cc224-u8":
            image = fn.decoders.image(data, device="cpu", output_type=types.RGB)
            image = fn.resize(image, resize_shorter=256, interp_type=types.INTERP_TRIANGULAR)
            return fn.crop(image, crop=(SIDE, SIDE)), label
        image = fn.decoders.image_random_crop(data, device="cpu", output_type=types.RGB)
        image = fn.resize(image, size=(SIDE, SIDE), interp_type=types.INTERP_TRIANGULAR)
        if job.work == "epoch-rrc224-u8":
            return fn.flip(image, horizontal=fn.random.coin_flip()), label
        return (
            fn.crop_mirror_normalize(
                image,
                mirror=fn.random.coin_flip(),
                dtype=types.FLOAT,
                output_layout="CHW",
                mean=[255 * m for m in MEAN],
                std=[255 * s for s in STD],
            ),
            label,
        )

    pipe = pipeline()
    pipe.build()

    def epoch() -> Iterator[np.ndarray]:
        left = len(items)
        while left > 0:
            image, _ = pipe.run()
            batch = image.as_array()[:left]
            left -= len(batch)
            yield batch

    measure(epoch)


if __name__ == "__main__":
    main({"epoch-": load}, "nvidia-dali-cuda120")
