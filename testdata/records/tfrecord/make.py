"""Writes the TFRecord files here, by TensorFlow, with what they hold in truth.json.

    pip install tensorflow-cpu pillow
    python make.py
"""

import hashlib
import io
import json
import os

import numpy as np
import tensorflow as tf
from PIL import Image

N = 10
Feature = tf.train.Feature


def jpeg(i: int) -> bytes:
    rng = np.random.default_rng(i)
    out = io.BytesIO()
    Image.fromarray(rng.integers(0, 255, (6 + i, 9, 3), dtype=np.uint8)).save(out, "JPEG", quality=50)
    return out.getvalue()


def ints(*values: int) -> Feature:
    return Feature(int64_list=tf.train.Int64List(value=values))


def floats(*values: float) -> Feature:
    return Feature(float_list=tf.train.FloatList(value=values))


def data(*values: bytes) -> Feature:
    return Feature(bytes_list=tf.train.BytesList(value=values))


def features(i: int) -> dict:
    return {
        "image/encoded": data(jpeg(i)),
        "image/class/label": ints(i % 3),
        "image/filename": data(b"%d/%03d.jpg" % (i % 3, i)),
        "image/class/synset": data(b"n%05d" % i),
        "count": ints(-i),
        "mass": floats(i / 4),
        "vector": floats(i, 1, 2, 3),
        "boxes": floats(*range(i)),
        "words": data(*["ü".encode() * k for k in range(i % 3)]),
        "raw": data(np.array([i, 2, 3], "<i2").tobytes()),
    }


def main() -> None:
    os.chdir(os.path.dirname(os.path.abspath(__file__)))
    for name, how in {"plain": "", "gzip": "GZIP", "zlib": "ZLIB"}.items():
        with tf.io.TFRecordWriter(f"{name}.tfrecord", how) as w:
            for i in range(N):
                w.write(tf.train.Example(features=tf.train.Features(feature=features(i))).SerializeToString(deterministic=True))
    # One that has other features from its third record on.
    with tf.io.TFRecordWriter("mixed.tfrecord") as w:
        for i in range(20):
            f = features(i)
            if i == 17:
                f["vector"] = floats(1, 2)
            if i == 18:
                del f["mass"]
            if i == 19:
                f["count"] = data(b"1")
            w.write(tf.train.Example(features=tf.train.Features(feature=f)).SerializeToString(deterministic=True))
    with tf.io.TFRecordWriter("sequence.tfrecord") as w:
        for i in range(3):
            e = tf.train.SequenceExample(
                context=tf.train.Features(feature={"image/encoded": data(jpeg(i)), "id": ints(i)}),
                feature_lists=tf.train.FeatureLists(
                    feature_list={
                        "steps": tf.train.FeatureList(feature=[ints(*range(k)) for k in range(i + 1)]),
                        "said": tf.train.FeatureList(feature=[data(b"a", b"b")] * i),
                    }
                ),
            )
            w.write(e.SerializeToString(deterministic=True))
    truth = [{"sha256": hashlib.sha256(jpeg(i)).hexdigest(), "label": i % 3, "key": f"{i % 3}/{i:03}.jpg"} for i in range(N)]
    with open("truth.json", "w") as f:
        json.dump(truth, f, indent=1)


main()
