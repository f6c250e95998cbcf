"""Makes the files here with the real libraries.

peers2.zip with zarr 2.18 and numcodecs 0.15, peers3.zip and blosc.zip with zarr 3.4
and numcodecs 0.17: python make.py 2 in one environment, python make.py 3 in the other.

peersN.zip holds stores below store/, and for each array NAME what is in it: want/NAME
are its bytes in C order, want/NAME.json its dtype and shape. blosc.zip holds frames
whose names tell packer, shuffle, element size, number of bytes and block size; byte i of
what they hold is (i // 40 * 3 + (i % 1000 < 100) * (i * i // 7)) % 251.
"""

import json
import os
import shutil
import sys
import tempfile
import warnings
import zipfile

import numpy as np
import zarr

warnings.simplefilter("ignore")
work = tempfile.mkdtemp()
store = os.path.join(work, "store")
wants: dict[str, np.ndarray] = {}


def values(dtype: str, n: int) -> np.ndarray:
    d = np.dtype(dtype)
    i = np.arange(n)
    if d.kind in "SU":
        return np.array([f"{v % 7}ä"[: max(1, d.itemsize // (4 if d.kind == "U" else 1))] for v in i]).astype("U").astype(
            d
        ) if d.kind == "U" else np.array([str(v * 13).encode() for v in i], d)
    if d.kind == "V" and d.fields is None:
        return np.frombuffer((np.arange(n * d.itemsize) % 256).astype("u1").tobytes(), d)
    if d.fields is not None:
        out = np.zeros(n, d)
        for name in d.names:
            sub = d.fields[name][0]
            if sub.subdtype is not None:
                out[name] = (i[:, None] * 3 + np.arange(int(np.prod(sub.shape)))).reshape((n,) + sub.shape)
            else:
                out[name] = values(sub.str if sub.fields is None else sub, n)
        return out
    if d.kind in "mM":
        return (i * 1000).astype("i8").view(d.newbyteorder("=")).astype(d)
    if d.kind == "c":
        return (i + 1j * (i % 5)).astype(d)
    return (i * 3 % 120).astype(d)


DTYPES = ["?", "i1", "<i2", ">i4", "<i8", "u1", ">u2", "<u4", "<u8", "<f2", ">f4", "<f8", "<c8", "<c16", "S3", "<U4", "V3", "<M8[ns]", "<m8[25s]"]
STRUCTS = {"struct": [("a", "<f4"), ("n", [("x", "<i2"), ("y", "<U2")])]}


def make2() -> None:
    import numcodecs as nc

    g = zarr.open_group(store, mode="w", zarr_version=2)
    g.attrs.update({"one": 1, "float": 1.0, "nan": float("nan"), "text": "ä\n", "list": [1, None, True]})

    def put(name: str, a: np.ndarray, **kw) -> None:
        z = g.create_dataset(name, shape=a.shape, dtype=a.dtype, **kw)
        z[...] = a
        wants[name] = np.asarray(z[...])

    for d in DTYPES:
        put("dtype/" + np.dtype(d).str.strip("|<>").replace("[", "_").replace("]", "") + ("be" if d[0] == ">" else ""), values(d, 11), chunks=(4,))
    put("dtype/struct", values(STRUCTS["struct"], 5), chunks=(2,))
    put("dtype/mixed", values([("a", ">f4"), ("b", "<i8", (2, 3))], 5), chunks=(2,))
    cube = values("<i4", 7 * 5 * 6).reshape(7, 5, 6)
    for name, c in {
        "none": None, "gzip": nc.GZip(3), "zlib": nc.Zlib(6), "zstd": nc.Zstd(5), "lz4": nc.LZ4(), "bz2": nc.BZ2(),
        "blosc": nc.Blosc("zstd", 3, 2),
    }.items():
        for order in "CF":
            put(f"codec/{name}{order}", cube, chunks=(3, 2, 4), order=order, compressor=c)
    put("shuffled", cube, chunks=(3, 2, 4), filters=[nc.Shuffle(4)], compressor=nc.Zlib(1))
    put("slash", cube, chunks=(3, 2, 4), dimension_separator="/")
    put("scalar", np.array(7.5))
    put("empty", np.zeros((0, 3), "f4"), chunks=(2, 3))
    put("wide", cube, chunks=(100, 100, 100))
    for name, d, fill in [
        ("i4", "<i4", -5), ("i8", "<i8", 2**62 + 1), ("u8", "<u8", 2**64 - 1), ("nan", "<f8", float("nan")), ("inf", ">f4", float("-inf")),
        ("third", "<f4", 0.1), ("half", "<f2", 2.5), ("yes", "?", True), ("text", "<U4", "aä"), ("bytes", "S3", b"xy"), ("void", "V3", b"abc"),
        ("complex", "<c8", 1 - 2j), ("time", "<M8[ns]", 12345), ("null", "<i4", None),
    ]:
        z = g.create_dataset("fill/" + name, shape=(5, 4), chunks=(2, 3), dtype=d, fill_value=fill)
        z[2, 0:3] = values(d, 3)
        a = np.asarray(z[...])
        if fill is None:  # what isn't there is anything in the library
            a = np.zeros((5, 4), d)
            a[2, :3] = values(d, 3)
        wants["fill/" + name] = a
    g.create_group("a/b").attrs["deep"] = "yes"
    import numcodecs

    z = g.create_dataset("refused", shape=(3,), dtype=object, object_codec=numcodecs.VLenUTF8())
    z[...] = np.array(["a", "bb", "ccc"], dtype=object)
    z = g.create_dataset("delta", shape=(9,), dtype="<i4", filters=[nc.Delta("<i4")])
    z[...] = np.arange(9)
    zarr.consolidate_metadata(store)


def make3() -> None:
    from zarr.codecs import BloscCodec, BytesCodec, GzipCodec, ShardingCodec, TransposeCodec, ZstdCodec, Crc32cCodec

    g = zarr.open_group(store, mode="w", zarr_format=3)
    g.attrs.update({"one": 1, "float": 1.0, "text": "ä\n", "list": [1, None, True]})

    def put(name: str, a: np.ndarray, **kw) -> None:
        z = g.create_array(name, shape=a.shape, dtype=a.dtype, **kw)
        z[...] = a
        got = np.asarray(z[...])
        if kw.get("serializer") is not None:
            got = got.astype(got.dtype.newbyteorder(">"))
        wants[name] = got

    for d in DTYPES:
        d = d.replace(">", "<")
        put("dtype/" + np.dtype(d).str.strip("|<>").replace("[", "_").replace("]", ""), values(d, 11), chunks=(4,))
    put("dtype/struct", values(STRUCTS["struct"], 5), chunks=(2,))
    cube = values("<i4", 7 * 5 * 6).reshape(7, 5, 6)
    put("big", cube, chunks=(3, 2, 4), serializer=BytesCodec(endian="big"))
    for name, c in {
        "none": None, "gzip": GzipCodec(level=3), "zstd": ZstdCodec(level=5, checksum=True), "blosc": BloscCodec(cname="lz4hc", shuffle="bitshuffle"),
        "crc": Crc32cCodec(), "both": [ZstdCodec(), Crc32cCodec()],
    }.items():
        put(f"codec/{name}", cube, chunks=(3, 2, 4), compressors=c)
        put(f"codec/{name}T", cube, chunks=(3, 2, 4), compressors=c, filters=[TransposeCodec(order=(2, 0, 1))])
        put(f"shard/{name}", cube, chunks=(3, 2, 2), shards=(6, 6, 4), compressors=c)
    z = g.create_array("shard/start", shape=(9, 6), dtype="<i2", chunks=(4, 6), filters=None, compressors=None,
        serializer=ShardingCodec(chunk_shape=(2, 3), index_location="start"), fill_value=-3)
    z[4:, 3:] = 9
    wants["shard/start"] = np.asarray(z[...])
    put("dot", cube, chunks=(3, 2, 4), chunk_key_encoding={"name": "default", "separator": "."})
    put("v2keys", cube, chunks=(3, 2, 4), chunk_key_encoding={"name": "v2", "separator": "."})
    put("scalar", np.array(7.5))
    put("empty", np.zeros((0, 3), "f4"), chunks=(2, 3))
    put("wide", cube, chunks=(100, 100, 100))
    for name, d, fill in [
        ("i4", "<i4", -5), ("i8", "<i8", 2**62 + 1), ("u8", "<u8", 2**64 - 1), ("nan", "<f8", float("nan")), ("inf", "<f4", float("-inf")),
        ("third", "<f4", 0.1), ("half", "<f2", 2.5), ("yes", "?", True), ("text", "<U4", "aä"), ("bytes", "S3", b"xy"), ("void", "V3", np.void(b"abc")),
        ("complex", "<c8", 1 - 2j), ("time", "<M8[ns]", np.datetime64(12345, "ns")),
    ]:
        z = g.create_array("fill/" + name, shape=(5, 4), chunks=(2, 3), dtype=d, fill_value=fill)
        z[2, 0:3] = values(d, 3)
        wants["fill/" + name] = np.asarray(z[...])
    z = g.create_array("fill/struct", shape=(5,), chunks=(2,), dtype=[("a", "<f4"), ("b", "<i8")], fill_value=np.array((1.5, -7), [("a", "<f4"), ("b", "<i8")])[()])
    z[2:4] = values([("a", "<f4"), ("b", "<i8")], 2)
    wants["fill/struct"] = np.asarray(z[...])
    g.create_group("a/b").attrs["deep"] = "yes"
    z = g.create_array("refused", shape=(3,), dtype=str)
    z[...] = np.array(["a", "bb", "ccc"])
    blosc()


def blosc() -> None:
    from numcodecs import blosc

    def write(cname: str, shuffle: int, size: int, n: int, block: int) -> None:
        i = np.arange(n)
        raw = ((i // 40 * 3 + (i % 1000 < 100) * (i * i // 7)) % 251).astype("u1").tobytes()
        frame = blosc.compress(raw, cname.encode(), 5, shuffle, block, typesize=size)
        assert not n or blosc.decompress(frame) == raw
        z.writestr(f"{cname}-{shuffle}-{size}-{n}-{block}", frame)

    with zipfile.ZipFile("blosc.zip", "w", zipfile.ZIP_DEFLATED) as z:
        for cname in blosc.list_compressors():
            for shuffle in range(3):
                for size in [1, 2, 3, 4, 8, 16, 17]:
                    write(cname, shuffle, size, 5003, 0)
                    write(cname, shuffle, size, 5003, 1024)
            for n in [0, 1, 15, 16, 17, 127, 128, 129]:
                write(cname, 1, 4, n, 0)
        for n in [32, 64, 100, 8 * 17, 8 * 17 + 4]:
            write("lz4", 2, 4, n, 0)
        write("blosclz", 0, 1, 150_000, 0)


{"2": make2, "3": make3}[sys.argv[1]]()
with zipfile.ZipFile(f"peers{sys.argv[1]}.zip", "w", zipfile.ZIP_DEFLATED) as z:
    for folder, _, files in sorted(os.walk(store)):
        for name in sorted(files):
            path = os.path.join(folder, name)
            z.write(path, os.path.relpath(path, work))
    for name, a in wants.items():
        z.writestr("want/" + name, np.ascontiguousarray(a).tobytes())
        descr = a.dtype.descr if a.dtype.fields else a.dtype.str
        z.writestr("want/" + name + ".json", json.dumps({"dtype": repr(descr) if a.dtype.fields else descr, "shape": a.shape}))
shutil.rmtree(work)
