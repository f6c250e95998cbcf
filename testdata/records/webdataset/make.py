"""Shards by WebDataset itself, and tar archives by Python's tarfile, for the tests of record/webdataset and source.

    pip install webdataset==1.0.2
    python make.py

told.json is what webdataset reads of each: the samples' keys, and the SHA-256 of their members.
"""

import hashlib
import io
import json
import os
import tarfile

import numpy as np
import webdataset as wds
from PIL import Image

HERE = os.path.dirname(os.path.abspath(__file__))


def picture(i: int, fmt: str) -> bytes:
    y, x = np.mgrid[:16, :24]
    rgb = np.stack([x * 10 + i * 40, y * 12, (x + y) * 6 + i], -1).astype(np.uint8)
    image = Image.fromarray(rgb, "RGB")
    if fmt == "PNG":
        image = image.convert("L")
    b = io.BytesIO()
    image.save(b, fmt)
    return b.getvalue()


def sample(i: int, key: str) -> dict:
    return {
        "__key__": key, "jpg": picture(i, "JPEG"), "cls": i % 3, "json": {"i": i, "name": "größe"}, "txt": "text %d" % i,
        "seg.png": picture(i, "PNG"), "npy": np.arange(4, dtype=np.float32) * i, "bin": bytes(range(i)),
    }


def key(i: int) -> str:
    return "%s/%04d" % ("abc"[i % 3], i)


def write(name: str, keys: list[str], **options) -> None:
    with wds.TarWriter(os.path.join(HERE, name), mtime=0, **options) as w:
        for i, k in enumerate(keys):
            w.write(sample(i, k))


def archive(name: str, members: list[tuple[str, bytes]], format: int, mode: str = "w") -> None:
    with tarfile.open(os.path.join(HERE, name), mode, format=format) as t:
        for path, data in members:
            info = tarfile.TarInfo(path)
            if path.endswith("/"):
                info.type = tarfile.DIRTYPE
                t.addfile(info)
            else:
                info.size = len(data)
                t.addfile(info, io.BytesIO(data))


def read(name: str) -> list:
    told = []
    for s in wds.WebDataset(os.path.join(HERE, name), shardshuffle=False, empty_check=False):
        members = {k: hashlib.sha256(v).hexdigest() for k, v in s.items() if not k.startswith("__")}
        told.append({"key": s["__key__"], "members": members})
    return told


def main() -> None:
    with wds.ShardWriter(os.path.join(HERE, "shard-%06d.tar"), maxcount=5, mtime=0, verbose=0) as w:
        for i in range(12):
            w.write(sample(i, key(i)))
    write("packed.tar.gz", [key(i) for i in range(3)], compress="gz")
    with open(os.path.join(HERE, "packed.tar.gz"), "r+b") as f:  # no time in it
        f.seek(4)
        f.write(bytes(4))
    write("packed.tar.bz2", [key(i) for i in range(3)], compress="bz2")
    write("packed.tar.xz", [key(i) for i in range(3)], compress="xz")
    long = ["deep/" * 40 + "%d" % i for i in range(2)] + ["prefix/" * 20 + "x", "größe/ü", "a.b/c d"]
    write("ustar.tar", long[2:3])
    write("pax.tar", long, format="PAX_FORMAT")
    write("gnu.tar", long, format="GNU_FORMAT")
    odd = [
        ("dir/", b""), ("dir/A.JPG", b"jpg"), ("dir/A.Cls", b"1"), ("__meta__", b"m"), ("__meta__/x.jpg", b"m"), ("__meta__/deep/x.jpg", b"m"),
        ("README", b"no extension"), ("dir/b.left.jpg", b"l"), ("dir/b.right.jpg", b""), ("dir.d/b.jpg", b"x" * 513), ("__c.jpg", b"c"), ("d.", b"empty"),
    ]
    archive("odd.tar", odd, tarfile.USTAR_FORMAT)
    archive("empty.tar", [], tarfile.USTAR_FORMAT)
    names = sorted(n for n in os.listdir(HERE) if ".tar" in n)
    with open(os.path.join(HERE, "told.json"), "w") as f:
        json.dump({n: read(n) for n in names}, f, sort_keys=True, indent=1)
        f.write("\n")


if __name__ == "__main__":
    main()
