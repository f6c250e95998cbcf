"""tf.data over the files, its decoding fused with the crop. Mode "antialias": tf.image.resize with
antialias=True, as Pillow and torchvision resize; else without, its default."""

from __future__ import annotations

import os

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")

import tensorflow as tf  # noqa: E402
from common import MEAN, SIDE, STD, build, job, main, measure, photos, read  # noqa: E402

smooth = job.mode == "antialias"


def random_crop(data: tf.Tensor) -> tf.Tensor:
    shape = tf.image.extract_jpeg_shape(data)
    begin, size, _ = tf.image.sample_distorted_bounding_box(
        shape,
        tf.zeros([1, 0, 4]),
        area_range=(0.08, 1.0),
        aspect_ratio_range=(3 / 4, 4 / 3),
        max_attempts=10,
        use_image_if_no_bounding_boxes=True,
        min_object_covered=0.0,
    )
    y, x, _ = tf.unstack(begin)
    height, width, _ = tf.unstack(size)
    return tf.image.decode_and_crop_jpeg(data, tf.stack([y, x, height, width]), channels=3)


def center_crop(data: tf.Tensor) -> tf.Tensor:
    """The middle, 7/8 of the shorter side."""
    shape = tf.image.extract_jpeg_shape(data)
    side = tf.minimum(shape[0], shape[1]) * 7 // 8
    corner = [(shape[0] - side) // 2, (shape[1] - side) // 2]
    return tf.image.decode_and_crop_jpeg(data, tf.stack([*corner, side, side]), channels=3)


def image(path: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    data = tf.io.read_file(path)
    pixels = center_crop(data) if job.work == "epoch-cc224-u8" else random_crop(data)
    pixels = tf.image.resize(pixels, [SIDE, SIDE], "bilinear", antialias=smooth)
    if job.work != "epoch-cc224-u8":
        pixels = tf.image.random_flip_left_right(pixels)
    if job.work == "epoch-rrc224-f32":
        return (pixels / 255.0 - MEAN) / STD, label
    return tf.cast(pixels, tf.uint8), label


def load() -> None:
    tf.config.threading.set_intra_op_parallelism_threads(job.workers)
    tf.config.threading.set_inter_op_parallelism_threads(job.workers)
    paths, labels = map(list, zip(*photos()))
    data = tf.data.Dataset.from_tensor_slices((paths, labels)).shuffle(len(paths))
    data = data.map(image, num_parallel_calls=job.workers, deterministic=False).batch(job.batch).prefetch(2)
    options = tf.data.Options()
    options.threading.private_threadpool_size = job.workers
    data = data.with_options(options)
    measure(data.as_numpy_iterator, lambda batch: len(batch[1]))


def write() -> None:
    def feature(data: bytes, label: int) -> bytes:
        return tf.train.Example(
            features=tf.train.Features(
                feature={
                    "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[data])),
                    "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
                }
            )
        ).SerializeToString()

    items = photos()
    os.makedirs(job.data)

    def records() -> None:
        with tf.io.TFRecordWriter(os.path.join(job.data, "train.tfrecord")) as out:
            for path, label in items:
                out.write(feature(read(path), label))

    build(records, len(items))


if __name__ == "__main__":
    main({"build": write, "epoch-": load}, f"TensorFlow {tf.__version__}")
