"""Writes the Parquet files here, by Hugging Face's datasets and by pyarrow, with what they hold in truth.json.

    pip install datasets pyarrow pillow numpy
    python make.py

Its files are kept: newer versions of the libraries write others, of the same values.
"""

import hashlib
import io
import json
import os

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

N = 10
HERE = os.path.dirname(os.path.abspath(__file__))
NAMES = ["cat", "dög", "a \"b\""]


def jpeg(i: int) -> bytes:
    rng = np.random.default_rng(i)
    out = io.BytesIO()
    Image.fromarray(rng.integers(0, 255, (6 + i, 9, 3), dtype=np.uint8)).save(out, "JPEG", quality=50)
    return out.getvalue()


def row(i: int) -> dict:
    return {
        "image": {"bytes": jpeg(i), "path": f"{NAMES[i % 3]}/{i:03}.jpg" if i != 4 else None},
        "label": i % 3,
        "small": -i,
        "flag": i % 2 == 0,
        "mass": i / 4,
        "half": i / 2,
        "text": "ü" * i,
        "blob": bytes(range(i)),
        "vector": [float(i), 1.0, 2.0, 3.0],
        "grid": [[i, 1, 2], [3, 4, 5]],
        "ragged": list(range(i)),
        "nested": {"a": i, "b": [{"c": "x" * k, "d": [k / 2]} for k in range(i % 3)], "e": None if i % 2 else "e"},
    }


FEATURES = datasets.Features(
    {
        "image": datasets.Image(),
        "label": datasets.ClassLabel(names=NAMES),
        "small": datasets.Value("int16"),
        "flag": datasets.Value("bool"),
        "mass": datasets.Value("float64"),
        "half": datasets.Value("float16"),
        "text": datasets.Value("string"),
        "blob": datasets.Value("binary"),
        "vector": datasets.List(datasets.Value("float32"), length=4),
        "grid": datasets.Array2D((2, 3), "uint8"),
        "ragged": datasets.List(datasets.Value("int64")),
        "nested": {
            "a": datasets.Value("int64"),
            "b": datasets.List({"c": datasets.Value("string"), "d": datasets.List(datasets.Value("float32"))}),
            "e": datasets.Value("string"),
        },
    }
)


def truth(r: dict) -> dict:
    t = dict(r)
    t["image"] = {"sha256": hashlib.sha256(r["image"]["bytes"]).hexdigest(), "path": r["image"]["path"] or ""}
    t["blob"] = r["blob"].hex()
    return t


def main() -> None:
    os.chdir(HERE)
    rows = [row(i) for i in range(N)]
    d = datasets.Dataset.from_list(rows, features=FEATURES)
    d.to_parquet("datasets.parquet", batch_size=4)
    table = pq.read_table("datasets.parquet")
    image = table.select(["image", "label"]).replace_schema_metadata(table.schema.metadata)
    for name, options in {
        "snappy": dict(compression="snappy"),
        "zstd": dict(compression="zstd", use_dictionary=False, data_page_version="2.0", write_page_checksum=True),
        "pages": dict(compression="gzip", use_dictionary=["text"], data_page_size=1, write_batch_size=1, row_group_size=7),
    }.items():
        pq.write_table(table, f"{name}.parquet", **options)
    # Columns that dictionaries and deltas do most for.
    pq.write_table(
        pa.table({"word": ["ab", "abc", "abd", "abd", "x"] * 4, "n": pa.array(range(20), pa.uint32())}),
        "delta.parquet",
        use_dictionary=False,
        column_encoding={"word": "DELTA_BYTE_ARRAY", "n": "DELTA_BINARY_PACKED"},
    )
    # Images by their paths alone, of which one climbs out.
    os.makedirs("by_path", exist_ok=True)
    with open("by_path/0.jpg", "wb") as f:
        f.write(jpeg(0))
    files = [{"bytes": None, "path": "0.jpg"}, {"bytes": None, "path": "../0.jpg"}, {"bytes": None, "path": None}, None]
    pq.write_table(
        pa.table({"image": pa.array(files, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))}), "by_path/paths.parquet"
    )
    # What isn't there, and what can't be served.
    pq.write_table(
        pa.table(
            {
                "label": pa.array([1, None, 3]),
                "text": pa.array(["a", None, ""]),
                "list": pa.array([[1, 2], None, [1, None]], pa.list_(pa.int32(), 2)),
                "tree": pa.array([{"a": None}, None, {"a": 1}]),
                "when": pa.array([1, 2, 3], pa.timestamp("s")),
                "big": pa.array([0, 2**63, 2**63 - 1], pa.uint64()),
            }
        ),
        "nulls.parquet",
    )
    # Other classes, and another type.
    other = dict(FEATURES)
    features = datasets.Features({"image": other["image"], "label": datasets.ClassLabel(names=["dog", "cat"])})
    datasets.Dataset.from_list([{"image": rows[0]["image"], "label": 1}], features=features).to_parquet("classes.parquet")
    pq.write_table(image.set_column(1, "label", pa.array(["x"] * N)).replace_schema_metadata(None), "types.parquet")
    with open("truth.json", "w") as f:
        json.dump([truth(r) for r in rows], f, indent=1)


main()
