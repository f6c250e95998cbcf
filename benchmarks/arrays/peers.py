"""The peers' side: peers.py VERB ARGUMENT… does one thing as that library's documentation shows it, brings the
output to the disk, and prints the seconds it took. What the interpreter and the imports need doesn't count."""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np


def synced(path: str) -> None:
    """Brings a file, or all files of a folder, to the disk, as the other side does."""
    names = [path] if os.path.isfile(path) else [str(p) for p in Path(path).rglob("*") if p.is_file()]
    for name in names:
        with open(name, "rb") as f:
            os.fsync(f.fileno())


def make(path: str, dtype: str, *shape: str) -> Callable[[], None]:
    """A file to convert: values that compress somewhat, as measured ones do."""

    def run() -> None:
        dims = tuple(int(d) for d in shape)
        a = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=dims)
        r = np.random.default_rng(1)
        step = max(1, (64 << 20) // max(1, a[:1].nbytes))
        for i in range(0, dims[0], step):
            part = a[i : i + step]
            part[...] = r.integers(-9999, 9999, part.shape) / 64
        a.flush()

    return run


def npy_npk(a: str, b: str) -> Callable[[], None]:
    from numpack import io

    return lambda: io.from_npy(a, b, array_name="array")


def npk_safetensors(a: str, b: str) -> Callable[[], None]:
    from numpack import io

    return lambda: io.to_safetensors_file(a, b)


def safetensors_npy(a: str, b: str) -> Callable[[], None]:
    from safetensors import safe_open

    def run() -> None:
        with safe_open(a, framework="np") as f:
            np.save(b, f.get_tensor(next(iter(f.keys()))))

    return run


def npy_parquet(a: str, b: str, codec: str) -> Callable[[], None]:
    import pandas  # noqa: F401  which pyarrow would import at its first array
    import pyarrow as pa
    import pyarrow.parquet as pq

    def run() -> None:
        x = np.load(a, mmap_mode="r")
        rows = pa.FixedSizeListArray.from_arrays(pa.array(x.reshape(-1)), x.shape[1])
        pq.write_table(pa.table({"array": rows}), b, compression=codec)

    return run


def parquet_npy(a: str, b: str) -> Callable[[], None]:
    import pandas  # noqa: F401
    import pyarrow.parquet as pq

    def run() -> None:
        column = pq.read_table(a).column(0).combine_chunks()
        np.save(b, column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), -1))

    return run


def npy_arrow(a: str, b: str) -> Callable[[], None]:
    import pandas  # noqa: F401
    import pyarrow as pa

    def run() -> None:
        x = np.load(a, mmap_mode="r")
        table = pa.table({"array": pa.FixedSizeListArray.from_arrays(pa.array(x.reshape(-1)), x.shape[1])})
        with pa.ipc.new_file(b, table.schema) as f:
            f.write_table(table, max_chunksize=1 << 16)

    return run


def arrow_npy(a: str, b: str) -> Callable[[], None]:
    import pandas  # noqa: F401
    import pyarrow as pa

    def run() -> None:
        with pa.memory_map(a) as f:
            column = pa.ipc.open_file(f).read_all().column(0).combine_chunks()
            np.save(b, column.flatten().to_numpy().reshape(len(column), -1))

    return run


def npy_zarr(a: str, b: str, codec: str) -> Callable[[], None]:
    import zarr
    from zarr.codecs import ZstdCodec

    def run() -> None:
        x = np.load(a, mmap_mode="r")
        rows = max(1, (4 << 20) // x[:1].nbytes)
        codecs = [ZstdCodec(level=3)] if codec == "zstd" else None
        z = zarr.create_array(b, name="array", shape=x.shape, dtype=x.dtype, chunks=(rows, *x.shape[1:]), compressors=codecs)
        for i in range(0, len(x), rows):
            z[i : i + rows] = x[i : i + rows]

    return run


def zarr_npy(a: str, b: str) -> Callable[[], None]:
    import zarr

    return lambda: np.save(b, next(iter(zarr.open_group(a, mode="r").arrays()))[1][:])


def npy_hdf5(a: str, b: str, codec: str) -> Callable[[], None]:
    import h5py

    def run() -> None:
        x = np.load(a, mmap_mode="r")
        rows = max(1, (1 << 20) // x[:1].nbytes)
        with h5py.File(b, "w") as f:
            if codec == "none":
                f.create_dataset("array", data=x)
            else:
                f.create_dataset("array", data=x, chunks=(rows, *x.shape[1:]), compression=codec, shuffle=True)

    return run


def hdf5_npy(a: str, b: str) -> Callable[[], None]:
    import h5py

    def run() -> None:
        with h5py.File(a, "r") as f:
            np.save(b, next(iter(f.values()))[...])

    return run


def npy_csv(a: str, b: str) -> Callable[[], None]:
    return lambda: np.savetxt(b, np.load(a), delimiter=",")


def csv_npy(a: str, b: str, skip: str = "0") -> Callable[[], None]:
    return lambda: np.save(b, np.loadtxt(a, delimiter=",", skiprows=int(skip)))


def npy_csv_pandas(a: str, b: str) -> Callable[[], None]:
    import pandas as pd

    return lambda: pd.DataFrame(np.load(a)).to_csv(b, index=False)


def csv_npy_pandas(a: str, b: str) -> Callable[[], None]:
    import pandas as pd

    return lambda: np.save(b, pd.read_csv(a).to_numpy())


def npy_mat(a: str, b: str) -> Callable[[], None]:
    import scipy.io

    return lambda: scipy.io.savemat(b, {"array": np.load(a, mmap_mode="r")})


def mat_npy(a: str, b: str) -> Callable[[], None]:
    import scipy.io

    return lambda: np.save(b, scipy.io.loadmat(a)["array"])


def cast(source: str, to: str, count: str, rounds: str) -> Callable[[], None]:
    a = (np.arange(int(count)) % 1000 - 500).astype(source)
    return lambda: [a.astype(to) for _ in range(int(rounds))] and None


def append(path: str, rows: str, width: str, on_close: str, module: str) -> Callable[[], None]:
    if module == "ours":
        from betongo.npy_append_array import NpyAppendArray
    else:
        from npy_append_array import NpyAppendArray

    def run() -> None:
        row = np.arange(int(width), dtype="f4").reshape(1, -1)
        with NpyAppendArray(path, rewrite_header_on_append=on_close != "true") as f:
            for _ in range(int(rows)):
                f.append(row)

    return run


def main() -> None:
    verb, arguments = sys.argv[1], sys.argv[2:]
    run = globals()[verb](*arguments)
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    if verb == "append":
        synced(arguments[0])
    elif verb not in ("cast", "make"):
        synced(arguments[1])
    print(json.dumps({"wall_s": time.perf_counter() - wall, "cpu_s": time.process_time() - cpu}))


if __name__ == "__main__":
    main()
