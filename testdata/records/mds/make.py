"""Datasets by MosaicML Streaming itself, for the tests of record/mds and source.

    pip install mosaicml-streaming==0.13.0
    python make.py

Each folder is a dataset; plain.json tells what streaming's own reader says of `all`.
"""

import base64
import decimal
import io
import json
import os
import shutil
import sys

import numpy as np
from PIL import Image
from streaming import MDSWriter
from streaming.base.format import reader_from_json

HERE = os.path.dirname(os.path.abspath(__file__))


def picture(i: int, mode: str = "RGB", size: tuple[int, int] = (24, 16)) -> Image.Image:
    y, x = np.mgrid[: size[1], : size[0]]
    rgb = np.stack([x * 10 + i * 40, y * 12, (x + y) * 6 + i], -1).astype(np.uint8)
    return Image.fromarray(rgb, "RGB").convert(mode)


def coded(i: int, fmt: str = "JPEG") -> bytes:
    b = io.BytesIO()
    picture(i).save(b, fmt)
    return b.getvalue()


ALL = {
    "a_int": "int", "b_str": "str", "c_bytes": "bytes", "d_jpeg": "jpeg", "e_png": "png", "f_pil": "pil", "g_json": "json",
    "h_nd": "ndarray", "i_nd_t": "ndarray:float32", "j_nd_ts": "ndarray:int16:2,3",
    "k_jpegarray": "jpegarray", "l_jpeg_array": "jpeg_array", "m_list_jpeg": "list[jpeg]", "n_list_png": "list[png]", "o_list_pil": "list[pil]",
    "p_str_int": "str_int", "q_str_float": "str_float", "r_str_decimal": "str_decimal",
}
SCALARS = ["uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float16", "float32", "float64"]
for s in SCALARS:
    ALL["z_" + s] = s


def sample(i: int) -> dict:
    out = {
        "a_int": (-1) ** i * i * 10**15, "b_str": "größe %d" % i, "c_bytes": bytes(range(i * 3)), "d_jpeg": coded(i), "e_png": picture(i),
        "f_pil": picture(i, ["RGB", "L", "RGBA"][i % 3]), "g_json": {"i": i, "list": [1.5, None, "ä"]},
        "h_nd": np.arange(6 + i, dtype=["uint8", "int64", "float16"][i % 3]).reshape(1, -1) * (1 if i else 1),
        "i_nd_t": np.arange(300 * (i + 1), dtype=np.float32)[None, :, None] / 7,
        "j_nd_ts": np.arange(6, dtype=np.int16).reshape(2, 3) - i,
        "k_jpegarray": [coded(i), coded(i + 1)], "l_jpeg_array": [coded(i)],
        "m_list_jpeg": [Image.open(io.BytesIO(coded(i)))] * i, "n_list_png": [picture(i), picture(i + 1)], "o_list_pil": [picture(i, size=(3, 2))],
        "p_str_int": 10**17 * i - 1, "q_str_float": [0.1, float("inf"), 1e300][i % 3], "r_str_decimal": decimal.Decimal("1.10") + i,
    }
    for s in SCALARS:
        out["z_" + s] = [0, np.iinfo(s).max, np.iinfo(s).min][i % 3] if "int" in s else [0.5, -1.25, 65504.0][i % 3]
    return out


def fresh(name: str) -> str:
    path = os.path.join(HERE, name)
    shutil.rmtree(path, ignore_errors=True)
    return path


def write(name: str, columns: dict[str, str], samples: list[dict], **options) -> None:
    with MDSWriter(out=fresh(name), columns=columns, **options) as w:
        for s in samples:
            w.write(s)


def plain(v):
    """A value as JSON tells it: bytes, pixels and arrays in base64."""
    if isinstance(v, (bytes, bytearray)):
        return {"bytes": base64.b64encode(v).decode()}
    if isinstance(v, Image.Image):
        rgb = v.convert("RGB")
        return {"mode": v.mode, "size": list(v.size), "rgb": base64.b64encode(rgb.tobytes()).decode()}
    if isinstance(v, np.ndarray):
        return {"dtype": v.dtype.str, "shape": list(v.shape), "data": base64.b64encode(v.tobytes()).decode()}
    if isinstance(v, list):
        return [plain(x) for x in v]
    if isinstance(v, decimal.Decimal):
        return str(v)
    if isinstance(v, np.generic):
        v = v.item()
    if isinstance(v, float):
        return repr(v)
    return v


def main() -> None:
    write("all", ALL, [sample(i) for i in range(3)], hashes=["xxh64"], size_limit=None)
    with open(os.path.join(HERE, "all", "index.json")) as f:
        index = json.load(f)
    reader = reader_from_json(HERE, "all", index["shards"][0])
    told = [{k: plain(v) for k, v in reader.decode_sample(reader.get_sample_data(i)).items()} for i in range(reader.samples)]
    with open(os.path.join(HERE, "plain.json"), "w") as f:
        json.dump(told, f, sort_keys=True, indent=1)
        f.write("\n")

    photos = [{"image": coded(i), "label": i % 3, "filename": "%s/%03d.jpg" % ("abc"[i % 3], i), "split": "train"} for i in range(20)]
    columns = {"image": "jpeg", "label": "int", "filename": "str", "split": "str"}
    write("photos", columns, photos, size_limit=6000, hashes=["sha1", "xxh3_64"])
    for c in ["zstd", "gz:6", "br:5", "bz2:9", "snappy"]:
        write("photos_" + c.split(":")[0], columns, photos, size_limit=6000, compression=c, hashes=["md5", "xxh128"])
    write("pickled", {"image": "jpeg", "extra": "pkl"}, [{"image": coded(0), "extra": {1, 2}}])
    write("empty", {"label": "int"}, [])
    sys.exit(0)


if __name__ == "__main__":
    main()
