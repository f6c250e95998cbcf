"""Loads a .beton with FFCV or with betongo under FFCV's names, and prints one JSON line:
load.py PACKAGE FILE PIPELINE ORDER BATCH EPOCHS WORKERS

PACKAGE: ffcv or betongo. PIPELINE: rows (x an array, label an int), bytes (x bytes, label an int), or of
image and label cc224, rrc224, rrc224f32, cifar, cifarf32, as "ffcv bench" has them. The environment's START,
seconds since 1970, is when the process was started. CPU time is that of the process and of betongo's engine.
"""

import json
import os
import sys
import time

START = float(os.environ.get("START", time.time()))
package, path, pipeline, order = sys.argv[1:5]
batch, epochs, workers = map(int, sys.argv[5:8])

import numpy as np  # noqa: E402

if package == "betongo":
    import betongo.as_ffcv  # noqa: F401

from ffcv.fields.basics import IntDecoder  # noqa: E402
from ffcv.fields.bytes import BytesDecoder  # noqa: E402
from ffcv.fields.ndarray import NDArrayDecoder  # noqa: E402
from ffcv.fields.rgb_image import (  # noqa: E402
    CenterCropRGBImageDecoder,
    RandomResizedCropRGBImageDecoder,
    SimpleRGBImageDecoder,
)
from ffcv.loader import Loader, OrderOption  # noqa: E402
from ffcv.transforms import (  # noqa: E402
    Cutout,
    NormalizeImage,
    RandomHorizontalFlip,
    RandomTranslate,
    Squeeze,
    ToTensor,
    ToTorchImage,
)

mean = np.array([0.485, 0.456, 0.406]) * 255
std = np.array([0.229, 0.224, 0.225]) * 255


def image():
    if pipeline == "cc224":
        return [CenterCropRGBImageDecoder((224, 224), 224 / 256), ToTensor(), ToTorchImage()]
    if pipeline.startswith("cifar"):
        ops = [
            SimpleRGBImageDecoder(),
            RandomHorizontalFlip(),
            RandomTranslate(padding=2),
            Cutout(4, (127, 127, 127)),
        ]
    else:
        ops = [RandomResizedCropRGBImageDecoder((224, 224)), RandomHorizontalFlip()]
    if pipeline.endswith("f32"):
        ops.append(NormalizeImage(mean, std, np.float32))
    return ops + [ToTensor(), ToTorchImage()]


pipelines = {"label": [IntDecoder(), ToTensor(), Squeeze()]}
if pipeline == "rows":
    pipelines["x"] = [NDArrayDecoder(), ToTensor()]
elif pipeline == "bytes":
    pipelines["x"] = [BytesDecoder(), ToTensor()]
else:
    pipelines["image"] = image()

began = time.time()
loader = Loader(
    path,
    batch_size=batch,
    num_workers=workers,
    order=OrderOption[order.upper()],
    pipelines=pipelines,
    seed=3,
    drop_last=False,
)
result = {"open_s": time.time() - began, "epochs": []}

clocks = [time.CLOCK_PROCESS_CPUTIME_ID]
if package == "betongo":
    from betongo import _engine

    clocks.append(~_engine.engine().process.pid << 3 | 2)  # Linux: the CPU clock of a process


def cpu():
    return sum(map(time.clock_gettime, clocks))


for _ in range(epochs):
    wall, used, own, samples = time.time(), cpu(), time.process_time(), 0
    for b in loader:
        if "start_to_first_batch_s" not in result:
            result["start_to_first_batch_s"] = time.time() - START
        samples += len(b[0])
    result["epochs"].append(
        {
            "wall_s": time.time() - wall,
            "cpu_s": cpu() - used,
            "own_s": time.process_time() - own,
            "samples": samples,
        }
    )
print(json.dumps(result))
