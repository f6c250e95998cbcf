"""Writes the HDF5 files here, by h5py.

    pip install h5py numpy pillow
    python make.py
"""

import hashlib
import io
import json
import os

import h5py
import numpy as np
from PIL import Image

N = 10


def jpeg(i: int) -> bytes:
    rng = np.random.default_rng(i)
    out = io.BytesIO()
    Image.fromarray(rng.integers(0, 255, (6 + i, 9, 3), dtype=np.uint8)).save(out, "JPEG", quality=50)
    return out.getvalue()


def main() -> None:
    os.chdir(os.path.dirname(os.path.abspath(__file__)))
    pixels = (np.arange(N * 4 * 5 * 3) % 251).astype(np.uint8).reshape(N, 4, 5, 3)
    with h5py.File("collection.h5", "w") as f:
        f["images"] = pixels
        f.create_dataset("packed", data=pixels, chunks=(3, 4, 5, 3), compression="gzip", shuffle=True)
        v = f.create_dataset("jpegs", (N,), dtype=h5py.vlen_dtype(np.uint8))
        c = f.create_dataset("train/jpegs", (N,), dtype=h5py.vlen_dtype(np.uint8), chunks=(4,), compression="gzip")
        for i in range(N):
            v[i] = c[i] = np.frombuffer(jpeg(i), np.uint8)
        f["labels"] = np.arange(N, dtype=np.int32) % 3
        f["mass"] = np.arange(N, dtype=np.float32) / 4
        f["vector"] = np.arange(N * 4, dtype=np.float64).reshape(N, 4)
        f["fewer"] = np.arange(N - 1)
        f["one"] = 1
        f.create_dataset("numbers", (N,), dtype=h5py.vlen_dtype(np.int64))
    with open("truth.json", "w") as f:
        json.dump([hashlib.sha256(jpeg(i)).hexdigest() for i in range(N)], f, indent=1)


main()
