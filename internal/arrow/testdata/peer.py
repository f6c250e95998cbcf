"""pyarrow and pandas as the judges of Arrow and Parquet files.

    peer.py check LIST.json     compares files with the arrays that they were written from
    peer.py write arrow DIR     writes files, and want.json that tells what is in them
    peer.py write parquet DIR
"""

import json
import os
import sys

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.ipc as ipc
import pyarrow.parquet as pq


def read(path: str) -> pa.Table:
    """A file as a table, by its extension."""
    if path.endswith(".parquet"):
        return pq.read_table(path)
    if path.endswith(".arrows"):
        return ipc.open_stream(path).read_all()
    return ipc.open_file(path).read_all()


def grouped(a: object, n: int, each: int) -> object:
    """The elements of n lists of one length."""
    if isinstance(a, dict):
        return {k: grouped(v, n, each) for k, v in a.items()}
    return a.reshape((n, each) + a.shape[1:])


def values(col: pa.Array) -> object:
    """A column as an array of its rows, or as nested ones by field names."""
    t = col.type
    if isinstance(t, pa.FixedShapeTensorType):
        return col.to_numpy_ndarray()
    if pa.types.is_fixed_size_list(t):
        return grouped(values(col.flatten()), len(col), t.list_size)
    if pa.types.is_struct(t):
        return {t.field(i).name: values(col.field(i)) for i in range(t.num_fields)}
    if pa.types.is_string(t) or pa.types.is_large_string(t):
        return np.array(col.to_pylist(), dtype=str) if len(col) else np.zeros(0, "U1")
    if pa.types.is_binary(t) or pa.types.is_large_binary(t):
        return np.array(col.to_pylist(), dtype=bytes) if len(col) else np.zeros(0, "S1")
    if pa.types.is_fixed_size_binary(t):
        return np.frombuffer(b"".join(col.to_pylist()), f"V{t.byte_width}")
    if pa.types.is_timestamp(t) or pa.types.is_duration(t) or pa.types.is_date32(t):
        unit = "D" if pa.types.is_date32(t) else t.unit
        ints = col.cast(pa.int32()).cast(pa.int64()) if unit == "D" else col.cast(pa.int64())
        filled = ints.fill_null(np.iinfo(np.int64).min)
        return filled.to_numpy(zero_copy_only=False).view(("M8" if not pa.types.is_duration(t) else "m8") + f"[{unit}]")
    if pa.types.is_int64(t) and col.null_count:
        return col.fill_null(np.iinfo(np.int64).min).to_numpy(zero_copy_only=False)
    assert not col.null_count, f"{col.null_count} nulls in {t}"
    return col.to_numpy(zero_copy_only=False)


def compare(got: object, want: np.ndarray, name: str) -> None:
    """Fails where a column isn't the array."""
    if want.dtype.names and want.dtype.names[0] != "":
        for field in want.dtype.names:
            compare(got[field], want[field], f"{name}.{field}")
        return
    kind = want.dtype.kind
    if kind == "c":
        want = want.astype(want.dtype.newbyteorder("=")).view(want.real.dtype.newbyteorder("=")).reshape(want.shape + (2,))
    elif kind in "Mm" and got.dtype.kind == "i":
        want = want.view(want.dtype.byteorder.replace("=", "<") + "i8").astype("i8")
    assert got.shape == want.shape, f"{name}: {got.shape}, want {want.shape}"
    if kind == "V":
        assert got.tobytes() == want.tobytes(), name
        return
    if kind in "biuf":
        assert got.dtype == want.dtype.newbyteorder("="), f"{name}: {got.dtype}, want {want.dtype}"
    if kind in "Mm" and got.dtype.kind in "Mm":
        if want.dtype.str[1:] == "M8[s]" and ".parquet" in name:  # which has no seconds
            got = got.astype("M8[s]")
        assert got.dtype == want.dtype.newbyteorder("="), f"{name}: {got.dtype}, want {want.dtype}"
        got, want = got.view("i8"), want.astype(want.dtype.newbyteorder("=")).view("i8")
    assert np.array_equal(got, want), f"{name}: {got!r}, want {want!r}"


def check(listed: str) -> None:
    """Compares each file of a list, whose arrays lie in files of raw bytes."""
    for entry in json.load(open(listed)):
        table = read(entry["path"])
        table.validate(full=True)
        assert table.column_names == [m["name"] for m in entry["members"]], table.column_names
        for m in entry["members"]:
            dtype = m["dtype"]
            dtype = "V16" if "f16" in dtype else "V2" if "bfloat16" in dtype else eval(dtype) if dtype[0] in "[{" else dtype
            want = np.fromfile(m["data"], np.uint8).tobytes()
            shape = m["shape"] or [1]
            if m["dtype"] == ">bfloat16":  # kept the other way around
                want = np.frombuffer(want, ">u2").astype("<u2").tobytes()
            want = np.frombuffer(want, dtype).reshape(shape) if want else np.zeros(shape, dtype)
            col = table[m["name"]].combine_chunks()
            if isinstance(col, pa.ChunkedArray):
                col = pa.concat_arrays(col.chunks) if col.num_chunks else pa.array([], col.type)
            if len(shape) > 2 and "tensor" in m:
                assert isinstance(col.type, pa.FixedShapeTensorType), col.type
            compare(values(col), want, f"{entry['path']}: {m['name']}")
        for key, value in entry.get("attrs", {}).items():
            assert table.schema.metadata[key.encode()].decode() == value, table.schema.metadata
        if not entry["path"].endswith(".arrows"):
            # Lists of bytes and the like are nothing that pandas reads.
            names = [m["name"] for m in entry["members"] if len(m["shape"]) < 2]
            load = pd.read_parquet if entry["path"].endswith(".parquet") else pd.read_feather
            frame = load(entry["path"], columns=names)
            assert list(frame.columns) == names and len(frame) == table.num_rows
            assert isinstance(frame.index, pd.RangeIndex), frame.index
    print("compared")


def table(n: int) -> tuple[pa.Table, dict[str, np.ndarray]]:
    """A table of all kinds of columns, with the arrays that they are."""
    r = np.random.default_rng(n)
    want: dict[str, np.ndarray] = {}
    cols: dict[str, pa.Array] = {}
    for t in ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"]:
        info = np.iinfo(t)
        want[t] = r.integers(info.min, info.max, n, dtype=t, endpoint=True)
        cols[t] = pa.array(want[t])
    for t in ["f2", "f4", "f8"]:
        want[t] = r.normal(size=n).astype(t)
        cols[t] = pa.array(want[t])
        holes = r.random(n) < 0.3
        cols[t + " holes"] = pa.array(want[t], mask=holes)
        want[t + " holes"] = np.where(holes, np.array(np.nan, t), want[t])
    want["small"] = r.integers(0, 5, n).astype("i4")
    cols["small"] = pa.array(want["small"])
    want["b"] = r.random(n) < 0.5
    cols["b"] = pa.array(want["b"])
    words = ["", "a", "déjà", "漢字 with a longer tail", "\U0001f600"]
    text = [words[i] for i in r.integers(0, 5, n)]
    unique = [f"row number {i} é" for i in range(n)]
    for name, type_ in [("s", pa.string()), ("ls", pa.large_string()), ("sv", pa.string_view())]:
        cols[name], want[name] = pa.array(text, type_), np.array(text or [""])[: len(text)]
        cols[name + " u"], want[name + " u"] = pa.array(unique, type_), np.array(unique or [""])[: len(unique)]
    raw = [w.encode() + b"\xff" for w in text]
    for name, type_ in [("bin", pa.binary()), ("lbin", pa.large_binary()), ("vbin", pa.binary_view())]:
        cols[name], want[name] = pa.array(raw, type_), np.array(raw or [b""])[: len(raw)]
    cols["fsb"] = pa.array([bytes(r.integers(0, 256, 5, dtype="u1")) for _ in range(n)], pa.binary(5))
    want["fsb"] = np.frombuffer(b"".join(cols["fsb"].to_pylist()), "V5")
    cols["d"], want["d"] = cols["s"].dictionary_encode(), want["s"]
    cols["di"] = pa.DictionaryArray.from_arrays(pa.array(r.integers(0, 3, n).astype("i1")), pa.array([1.5, 2.5, -1]))
    want["di"] = np.array([1.5, 2.5, -1])[cols["di"].indices.to_numpy()]
    missing = [None if i % 3 == 1 else v for i, v in enumerate(text)]
    cols["s holes"] = pa.array(missing, pa.string())
    want["s holes"] = np.array([v if v is not None else "-" for v in missing] or [""])[:n]
    times = r.integers(-(10**9), 10**9, n)
    holes = r.random(n) < 0.3
    for unit in ["s", "ms", "us", "ns"]:
        for kind, type_ in [("M8", pa.timestamp(unit)), ("m8", pa.duration(unit)), ("M8 zone", pa.timestamp(unit, "Europe/Berlin"))]:
            name = f"{kind}[{unit}]"
            cols[name] = pa.array(times, mask=holes).cast(type_)
            want[name] = np.where(holes, np.iinfo("i8").min, times).view(f"{kind[:2]}[{unit}]")
    cols["date32"] = pa.array((times % 40000 - 10000).astype("i4"), mask=holes).cast(pa.date32())
    want["date32"] = np.where(holes, np.iinfo("i8").min, times % 40000 - 10000).view("M8[D]")
    cols["date64"] = pa.array((times % 40000 - 10000) * 86400000).cast(pa.date64())
    want["date64"] = ((times % 40000 - 10000) * 86400000).view("M8[ms]")
    day = times % 86400
    cols["time32[ms]"], want["time32[ms]"] = pa.array(day.astype("i4")).cast(pa.time32("ms")), day.view("m8[ms]")
    cols["time64[us]"], want["time64[us]"] = pa.array(day).cast(pa.time64("us")), day.view("m8[us]")
    cols["time64[ns]"], want["time64[ns]"] = pa.array(day).cast(pa.time64("ns")), day.view("m8[ns]")
    flat = r.normal(size=n * 12).astype("f4")
    cols["fsl"] = pa.FixedSizeListArray.from_arrays(pa.array(flat), 12)
    want["fsl"] = flat.reshape(n, 12)
    cols["nested"] = pa.FixedSizeListArray.from_arrays(pa.FixedSizeListArray.from_arrays(pa.array(flat), 3), 4)
    want["nested"] = flat.reshape(n, 4, 3)
    gone = np.arange(n) % 4 == 2
    cols["fsl rows"] = pa.FixedSizeListArray.from_arrays(pa.array(flat), 12, mask=pa.array(gone))
    want["fsl rows"] = np.where(gone[:, None], np.float32(np.nan), want["fsl"])
    holed = r.random(n * 12) < 0.2
    cols["fsl holes"] = pa.FixedSizeListArray.from_arrays(pa.array(flat, mask=holed), 12)
    want["fsl holes"] = np.where(holed, np.float32(np.nan), flat).reshape(n, 12)
    storage = pa.FixedSizeListArray.from_arrays(pa.array(flat), 12)
    cols["tensor"] = pa.ExtensionArray.from_storage(pa.fixed_shape_tensor(pa.float32(), [3, 4]), storage)
    want["tensor"] = flat.reshape(n, 3, 4)
    turned = pa.fixed_shape_tensor(pa.float32(), [3, 4, 1], permutation=[2, 0, 1], dim_names=["x", "y", "z"])
    cols["turned"] = pa.ExtensionArray.from_storage(turned, storage)
    want["turned"] = flat.reshape(n, 3, 4, 1).transpose(0, 3, 1, 2)
    inner = pa.StructArray.from_arrays([cols["i2"], cols["fsl"]], ["p", "q"])
    cols["struct"] = pa.StructArray.from_arrays([cols["f8 holes"], cols["s"], inner], ["x", "y", "z"])
    width = want["s"].dtype
    kind = np.dtype([("x", "<f8"), ("y", width), ("z", [("p", "<i2"), ("q", "<f4", (12,))])])
    both = np.zeros(n, kind)
    both["x"], both["y"], both["z"]["p"], both["z"]["q"] = want["f8 holes"], want["s"], want["i2"], want["fsl"]
    want["struct"] = both
    # What no array can hold.
    cols["list"] = pa.array([list(range(i % 3)) for i in range(n)], pa.list_(pa.int32()))
    cols["decimal"] = pa.array([i for i in range(n)], pa.decimal128(9, 2))
    cols["map"] = pa.array([[("a", i)] for i in range(n)], pa.map_(pa.string(), pa.int32()))
    return pa.table(cols), want


def save(folder: str, name: str, want: dict[str, np.ndarray], listed: list[dict]) -> None:
    """Notes a file and what is in it."""
    members = []
    for column, a in want.items():
        data = os.path.join(folder, f"{len(listed)}.{len(members)}.raw")
        np.ascontiguousarray(a).tofile(data)
        dtype = a.dtype.str if a.dtype.names is None else str(a.dtype)
        members.append({"name": column, "dtype": dtype, "shape": list(a.shape), "data": data})
    listed.append({"path": os.path.join(folder, name), "members": members})


def write(kind: str, folder: str) -> None:
    """Writes tables in all ways that there are."""
    listed: list[dict] = []
    for n in [0, 1, 5, 3000]:
        t, want = table(n)
        if kind == "arrow":
            for codec in [None, "lz4", "zstd"]:
                for batch in [None, 700]:
                    opts = ipc.IpcWriteOptions(compression=codec)
                    name = f"{n}-{codec}-{batch}"
                    with ipc.new_file(os.path.join(folder, name + ".arrow"), t.schema, options=opts) as w:
                        w.write_table(t, max_chunksize=batch)
                    save(folder, name + ".arrow", want, listed)
                    with ipc.new_stream(os.path.join(folder, name + ".arrows"), t.schema, options=opts) as w:
                        w.write_table(t, max_chunksize=batch)
                    save(folder, name + ".arrows", want, listed)
            views = [c for c in t.column_names if "view" in str(t.schema.field(c).type)]
            feather.write_feather(t.drop_columns(views), os.path.join(folder, f"{n}.feather"))
            save(folder, f"{n}.feather", {k: v for k, v in want.items() if k not in views}, listed)
            continue
        ways = {c: {"compression": c} for c in ["none", "snappy", "gzip", "brotli", "zstd", "lz4"]}
        ways |= {
            "v2": {"data_page_version": "2.0", "compression": "zstd", "data_page_size": 500, "write_batch_size": 64},
            "plain": {"use_dictionary": False, "row_group_size": 700, "write_page_checksum": True},
            "split": {"use_dictionary": False, "use_byte_stream_split": [c for c in want if c[:2] in ("f2", "f4", "f8", "i4", "i8", "u4", "u8")]},
            "page index": {"write_page_index": True, "row_group_size": 1000, "data_page_size": 300},
            "old": {"version": "1.0", "use_deprecated_int96_timestamps": True},
        }
        delta = {c: "DELTA_BINARY_PACKED" for c in ["i4", "i8", "i2", "u4", "u8", "M8[us]"]}
        delta |= {c: "DELTA_LENGTH_BYTE_ARRAY" for c in ["s", "bin"]} | {c: "DELTA_BYTE_ARRAY" for c in ["s u", "fsb", "s holes"]} | {"b": "RLE"}
        ways["delta"] = {"use_dictionary": False, "column_encoding": delta, "data_page_version": "2.0"}
        for name, opts in ways.items():
            path = f"{n}-{name}.parquet"
            left = t
            wanted = dict(want)
            if name == "old":  # by that version's own types
                keep = ["i1", "i4", "i8", "f4", "f8 holes", "b", "s", "bin", "date32", "fsl", "M8[ns]"]
                left, wanted = t.select(keep), {k: want[k] for k in keep}
            pq.write_table(left, os.path.join(folder, path), **opts)
            save(folder, path, wanted, listed)
        keep = ["i1", "u2", "u8", "f2", "f8 holes", "b", "s", "fsb", "M8[us]", "M8[ns]", "date32", "time64[us]", "d"]
        pq.write_table(t.select(keep), os.path.join(folder, f"{n}-bare.parquet"), store_schema=False)
        save(folder, f"{n}-bare.parquet", {k: want[k] for k in keep}, listed)
    with open(os.path.join(folder, "want.json"), "w") as f:
        json.dump(listed, f)
    print("written")


if __name__ == "__main__":
    check(sys.argv[2]) if sys.argv[1] == "check" else write(sys.argv[2], sys.argv[3])
