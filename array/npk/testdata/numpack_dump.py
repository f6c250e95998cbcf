"""Reads or edits a pack with NumPack itself and prints what it reads, as JSON.

dump PATH: every array by load, getitem, stream_load and, where it isn't in segments, a lazy load.
write PATH: a new pack, with drops, appends and segments (NUMPACK_SEGMENT_TARGET_BYTES), then dump.
edit PATH: appends to, drops from and replaces in each array of int32 rows, then dump.
"""

from __future__ import annotations

import json
import os
import sys

import numpy as np
from numpack import NumPack


def dump(path: str) -> None:
    out = {}
    with NumPack(path) as pack:
        for name in pack.get_member_list():
            whole = pack.load(name)
            shape = tuple(int(n) for n in pack.get_shape(name))
            assert shape == whole.shape, (name, shape, whole.shape)
            if len(whole) and whole.size:
                rows = list(range(len(whole)))[::-1]
                assert pack.getitem(name, rows).tobytes() == whole[::-1].tobytes(), name
                batches = list(pack.stream_load(name, 3))
                assert np.concatenate(batches).tobytes() == whole.tobytes(), name
                if not os.path.exists(f"{path}/data_{name}.npkseg"):
                    lazy = pack.load(name, lazy=True)
                    assert np.asarray(lazy[0]).tobytes() == whole[0].tobytes(), name
            out[name] = {"dtype": whole.dtype.str, "shape": whole.shape, "bytes": whole.tobytes().hex()}
    print(json.dumps(out))


def write(path: str) -> None:
    with NumPack(path, drop_if_exists=True) as pack:
        for i, t in enumerate(["?", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8", "c8", "c16"]):
            pack.save({t: (np.arange(30 + i) % 2).astype(t)})
        x = np.arange(600, dtype=np.int32).reshape(300, 2)
        pack.save({"plain": x, "dropped": x, "appended": x, "gone": x})
        pack.drop("dropped", [0, 63, 64, 200, 299])
        pack.append({"appended": x[:7]})
        pack.drop("gone")
        os.environ["NUMPACK_SEGMENT_TARGET_BYTES"] = "1000"
        pack.save({"segmented": x, "both": x})
        pack.append({"segmented": x[:50]})
        pack.drop("both", list(range(5, 250, 3)))
    dump(path)


def edit(path: str) -> None:
    with NumPack(path) as pack:
        for name in pack.get_member_list():
            if pack.get_shape(name)[0] < 80:
                continue
            pack.append({name: np.full((70, 2), 9, np.int32)})
            pack.replace({name: np.full((2, 2), 5, np.int32)}, [0, 70])
            pack.drop(name, [1, 2])
    dump(path)


if __name__ == "__main__":
    {"dump": dump, "write": write, "edit": edit}[sys.argv[1]](sys.argv[2])
