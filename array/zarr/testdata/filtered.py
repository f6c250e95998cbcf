"""Writes arrays of Zarr version 2 with numcodecs' filters, and beside each its values as .npy."""

import sys

import numcodecs as nc
import numpy as np
import zarr

path = sys.argv[1]
rng = np.random.default_rng(1)
ints = np.cumsum(rng.integers(-50, 50, (300, 7)), axis=0)
floats = np.round(rng.normal(1000, 5, (300, 7)), 1)
cases = {
    "delta": (ints.astype("<i4"), [nc.Delta("<i4")]),
    "narrow": (ints.astype("<i8"), [nc.Delta("<i8", "<i8"), nc.AsType("<i4", "<i8")]),
    "scaled": (floats, [nc.FixedScaleOffset(offset=1000, scale=10, dtype="<f8", astype="<i2")]),
    "both": (floats, [nc.FixedScaleOffset(offset=1000, scale=10, dtype="<f8", astype="<i4"), nc.Delta("<i4")]),
    "quantized": (floats, [nc.Quantize(digits=1, dtype="<f8", astype="<f4")]),
    "rounded": (floats.astype("<f4"), [nc.BitRound(keepbits=10)]),
    "shuffled": (floats.astype("<f4"), [nc.Shuffle(4)]),
    "bits": (ints > 0, [nc.PackBits()]),
    "checked": (ints.astype("<i2"), [nc.Fletcher32()]),
    "crc": (ints.astype("<i2"), [nc.CRC32()]),
    "adler": (ints.astype("<i2"), [nc.Adler32()]),
}
version = {"zarr_format": 2} if zarr.__version__[0] != "2" else {"zarr_version": 2}
group = zarr.open_group(path, mode="w", **version)
for name, (values, filters) in cases.items():
    for suffix, compressor in (("", None), ("_zlib", nc.Zlib(1))):
        kwargs = dict(shape=values.shape, chunks=(64, 3), dtype=values.dtype, filters=filters)
        if zarr.__version__[0] == "2":
            array = group.create_dataset(name + suffix, compressor=compressor, **kwargs)
        else:
            array = group.create_array(name + suffix, compressors=compressor, **kwargs)
        array[:] = values
        np.save(f"{path}.{name}{suffix}.npy", array[:])
print(2 * len(cases))
