"""Reads with the real library what this package wrote: python check.py STORE...

Each store has beside it STORE.want, a folder of NAME.bin, the bytes in C order, and
NAME.json, the dtype in NumPy's text and the shape, where slashes are commas.
"""

import ast
import json
import pathlib
import sys

import numpy as np
import zarr

count = 0
for store in sys.argv[1:]:
    want = pathlib.Path(store + ".want")
    if zarr.__version__ < "3":
        root = zarr.open(zarr.ZipStore(store, mode="r") if pathlib.Path(store).is_file() else store, mode="r")
    else:
        from zarr.storage import LocalStore, ZipStore

        root = zarr.open(ZipStore(store, mode="r") if pathlib.Path(store).is_file() else LocalStore(store), mode="r")
    assert root.attrs["title"] == "ä" and root.attrs["n"] == 3, dict(root.attrs)
    for meta in sorted(want.glob("*.json")):
        name = meta.stem.replace(",", "/")
        info = json.loads(meta.read_text())
        dtype = np.dtype(ast.literal_eval(info["dtype"]) if info["dtype"][0] in "[{" else info["dtype"])
        got = root[name]
        assert got.shape == tuple(info["shape"]), (store, name, got.shape)
        assert dict(got.attrs) == {"of": name}, (store, name, dict(got.attrs))
        a = np.asarray(got[...]).astype(dtype, copy=False)
        if dtype.fields and not isinstance(a, np.ndarray):
            a = np.asarray(a)
        assert a.dtype == dtype, (store, name, a.dtype, dtype)
        assert a.tobytes() == meta.with_suffix(".bin").read_bytes(), (store, name)
        count += 1
print(count)
