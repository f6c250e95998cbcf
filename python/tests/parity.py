"""A script for FFCV that prints what its loader gives, as JSON: run by FFCV it made parity.json, run by this
package it has to print the same.

    python parity.py FOLDER_OF_UNPACKED_GOLDENS > parity.json
"""

import hashlib
import json
import os
import sys

import numpy as np
import torch as ch
from ffcv.fields.decoders import IntDecoder, NDArrayDecoder, SimpleRGBImageDecoder
from ffcv.loader import Loader, OrderOption
from ffcv.pipeline.pipeline_spec import PipelineSpec
from ffcv.transforms import (
    Convert,
    NormalizeImage,
    Poison,
    RandomHorizontalFlip,
    ReplaceLabel,
    Squeeze,
    ToTensor,
    ToTorchImage,
    View,
)

MEAN, STD = np.array([120.0, 110.0, 100.0]), np.array([60.0, 50.0, 40.0])


def image(*ops):
    return {"image": [SimpleRGBImageDecoder(), *ops]}


def spec():
    return {
        **image(ToTensor()),
        "two": PipelineSpec("image", SimpleRGBImageDecoder(), [ToTensor(), ToTorchImage()]),
    }


def poison():
    mask, alpha = np.full((32, 32, 3), 9, "float32"), np.full((32, 32), 0.25, "float32")
    return image(Poison(mask, alpha, [1, 2, 3]), ToTensor())


def cases():
    """name, file, and the loader's arguments."""
    for order in OrderOption:
        for file, pipelines in (
            ("cifar_like", {}),
            ("ndarray", {}),
            ("torch_tensor", {"h": None}),
        ):  # float16 hangs it
            yield f"{file} {order.name}", file, {"order": order, "pipelines": pipelines}
        if order.name != "QUASI_RANDOM":
            yield f"ints_floats {order.name}", "ints_floats", {"order": order}
    pictures = {
        "last short batch": {"drop_last": False},
        "indices": {"indices": list(range(0, 1000, 3)), "order": OrderOption.RANDOM},
        "arrays": {"pipelines": image()},
        "channels last": {"pipelines": image(ToTensor(), ToTorchImage())},
        "channels first": {"pipelines": image(ToTensor(), ToTorchImage(channels_last=False))},
        "float32": {"pipelines": image(NormalizeImage(MEAN, STD, np.float32), ToTensor(), ToTorchImage())},
        "float16": {"pipelines": image(NormalizeImage(MEAN, STD, np.float16), ToTensor(), ToTorchImage())},
        "float16 channels first": {
            "pipelines": image(
                NormalizeImage(MEAN, STD, np.float16), ToTensor(), ToTorchImage(channels_last=False)
            )
        },
        "convert": {"pipelines": image(ToTensor(), ToTorchImage(), Convert(ch.float16))},
        "flip": {"pipelines": image(RandomHorizontalFlip(1.0), ToTensor())},
        "poison": {"pipelines": poison()},
        "labels": {
            "pipelines": {
                "image": None,
                "label": [IntDecoder(), ReplaceLabel([1, 2], 7), ToTensor(), Convert(ch.float32), Squeeze()],
            }
        },
        "two views": {"pipelines": spec()},
        "view": {"pipelines": {"image": None, "label": [IntDecoder(), ToTensor(), View(ch.int32)]}},
    }
    for name, arguments in pictures.items():
        yield name, "cifar_like", arguments
    yield (
        "array",
        "ndarray",
        {"pipelines": {"f4v": [NDArrayDecoder()], "f8m": None, "i2": [NDArrayDecoder(), ToTensor()]}},
    )


def output(value):
    """Type, shape, dtype, strides and a sum of the values of an output."""
    array = value.numpy() if isinstance(value, ch.Tensor) else np.asarray(value)
    stride = list(value.stride()) if isinstance(value, ch.Tensor) else []
    data = hashlib.md5(np.ascontiguousarray(array).tobytes()).hexdigest()
    return [type(value).__name__, list(value.shape), str(value.dtype), stride, data]


def main(folder):
    made = {}
    for name, file, arguments in cases():
        loader = Loader(os.path.join(folder, file + ".beton"), 16, num_workers=2, seed=7, **arguments)
        epochs = [[[output(v) for v in batch] for batch in loader] for _ in range(2)]
        whole = hashlib.md5(json.dumps(epochs).encode()).hexdigest()
        made[name] = {
            "batches": [len(e) for e in epochs],
            "first": epochs[0][0],
            "last": epochs[1][-1],
            "all": whole,
        }
    return made


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1]), indent=1))
