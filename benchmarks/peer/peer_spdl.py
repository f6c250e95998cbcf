"""SPDL: its pipeline of threads over the files. Mode "pillow": Pillow's crop in them; else its own decoding
by FFmpeg, with a filter that crops and resizes (bilinear)."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import spdl.io
from common import SIDE, box, crop, job, main, measure, photos, pillow, shuffled
from spdl.pipeline import PipelineBuilder


def filtered(item: tuple[str, int]) -> tuple[Any, int]:
    packets = spdl.io.demux_image(item[0])
    x, y, w, h = box(packets.width, packets.height)
    flip = ",hflip" if random.random() < 0.5 else ""
    steps = f"crop={w}:{h}:{x}:{y}:exact=1,scale={SIDE}:{SIDE}:flags=bilinear{flip},format=pix_fmts=rgb24"
    return spdl.io.decode_packets(packets, filter_desc=steps), item[1]


def gather(frames: list[tuple[Any, int]]) -> np.ndarray:
    return spdl.io.to_numpy(spdl.io.convert_frames([f for f, _ in frames]))


def load() -> None:
    items = photos()
    pil = job.mode == "pillow"
    if not pil:
        filtered(items[0])  # fails without FFmpeg's libraries, where the pipeline would drop all samples

    def epoch() -> Iterator[np.ndarray]:
        pipeline = (
            PipelineBuilder()
            .add_source(shuffled(items))
            .pipe((lambda item: crop(item[0])) if pil else filtered, concurrency=job.workers)
            .aggregate(job.batch)
            .pipe(np.stack if pil else gather)
            .add_sink(2)
            .build(num_threads=job.workers)
        )
        with pipeline.auto_stop():
            yield from pipeline

    measure(epoch)


if __name__ == "__main__":
    main({"epoch-rrc224-u8": load}, "spdl", *([pillow()] if job.mode == "pillow" else []))
