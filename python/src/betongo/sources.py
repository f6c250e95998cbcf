"""Other systems' datasets, made .beton files: each function names one, as `ffcvwrite` has it.

    from betongo import sources

    sources.folder("PHOTOS").estimate()
    sources.folder("PHOTOS").write("train.beton", max_resolution=512)
    sources.webdataset("s3://bucket/train-{000..146}.tar").write("train.beton", resume=True)

A function opens nothing and returns a `Source`. Paths may be URLs (s3://, gs://, azblob://, https://). The
work is done by a process of its own, in Go, that ends with the call. JPEGs are kept as they are, byte for
byte, unless an option asks for something else.
"""

from __future__ import annotations

import operator
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Union

from . import _storage, _task
from ._task import Progress

__all__ = [
    "Choice",
    "Estimate",
    "Images",
    "Packed",
    "Skip",
    "Source",
    "arrays",
    "beton",
    "cifar",
    "coco",
    "folder",
    "hdf5",
    "idx",
    "mds",
    "parquet",
    "table",
    "tfrecord",
    "webdataset",
    "yolo",
]

Path = Union[str, "os.PathLike[str]"]
Fields = Union[Mapping[str, str], Sequence[str]]
"""Fields by name, each a type with its options as `ffcvwrite --field` has them ({"image":
"rgb:column=path"}), or such texts whole ("image=rgb:column=path")."""
Classes = Union[Sequence[str], "os.PathLike[str]"]
"""Names by label, or the path of a file of them (a pathlib.Path), a line each, as `betongo.export` writes."""
Mode = Literal["jpg", "raw", "smart", "proportion"]


@dataclass(frozen=True)
class Skip:
    """What became no sample: a file or a sample of the source, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class Images:
    """What was done with images: numbers of them. kept are JPEGs whose bytes were kept, encoded those made
    here; damaged ones are among the kept, as far as that was noticed. stripped_bytes is what the metadata
    took that was dropped; pixels is as stored."""

    kept: int
    encoded: int
    raw: int
    resized: int
    oriented: int
    orientation_ignored: int
    damaged: int
    stripped: int
    stripped_bytes: int
    pixels: int


@dataclass(frozen=True)
class Packed:
    """What was written.

    samples are the file's, resumed those of them that an interrupted run had written. skipped are samples
    that failed, where skip_errors allowed it, left_out what the source has that is no sample: the first
    10,000 of each, failed and without are how many there are. classes are the names by label, None where
    there are none. bytes is the file's size, data that of the values in its pages. images is None where no
    field has any.
    """

    path: str
    samples: int
    resumed: int
    skipped: list[Skip] = field(repr=False)
    left_out: list[Skip] = field(repr=False)
    failed: int
    without: int
    classes: list[str] | None = field(repr=False)
    fields: list[str]
    bytes: int
    data: int
    pages: int
    images: Images | None = field(repr=False)


@dataclass(frozen=True)
class Choice:
    """A way to store images, and what it takes.

    options are those of `Source.write` for it. bytes is the file's size; build_cpu_s and build_seconds are
    processor time and time of the build here; load_cpu_ms is the processor time of a sample for a random
    resized crop of 224x224, in milliseconds, epoch_cpu_s that of all samples, in seconds, and per_second how
    many samples the cores load. asked: it is what was asked for. fits: on the disk. fast: enough for the
    demand.
    """

    name: str
    options: dict[str, Any]
    asked: bool
    bytes: int
    build_cpu_s: float
    build_seconds: float
    load_cpu_ms: float
    epoch_cpu_s: float
    per_second: float
    fits: bool
    fast: bool


@dataclass(frozen=True)
class Estimate:
    """What building and loading a dataset will take, found from some of its samples.

    samples are the source's, sampled those that were looked at, failed those of them that can't be packed.
    suits is the choice that suits the disk and the cores best, None where none does, and why says so in
    words.
    """

    samples: int
    sampled: int
    failed: list[Skip]
    workers: int
    cores: int
    choices: list[Choice]
    suits: Choice | None
    why: str


class Source:
    """A dataset of another system's, or files that one is made of: kind and settings, as the recipes of Go's
    package build have them. It opens nothing, and can be used again and pickled."""

    def __init__(self, kind: str, settings: Mapping[str, Any]) -> None:
        self.kind = kind
        self.settings = {k: v for k, v in settings.items() if v is not None}

    def __repr__(self) -> str:
        told = ", ".join(f"{k}={_short(v)}" for k, v in self.settings.items())
        return f"betongo.sources.{self.kind}({told})"

    def write(
        self,
        out: Path,
        *,
        mode: Mode | None = None,
        max_resolution: int | None = None,
        quality: int = 90,
        reencode: Literal["auto", "always"] = "auto",
        orient: bool = False,
        strip: bool = False,
        smart_threshold: int = 0,
        compress_probability: float = 0.5,
        checkpoints: bool = True,
        max_pixels: int | None = None,
        page_size: int | str = 8 << 20,
        large_samples: bool = False,
        shuffle: bool = False,
        seed: int = 0,
        skip_errors: bool = False,
        plain: bool = False,
        overwrite: bool = False,
        resume: bool = False,
        restart: bool = False,
        workers: int | None = None,
        staging: Path | None = None,
        storage_options: Mapping[str, Any] | None = None,
        progress: Progress | None = None,
    ) -> Packed:
        """Writes the samples to out, a path or URL, which appears whole or not at all.

        Images: mode is jpg (JPEGs keep their bytes), raw (pixels), smart (jpg above smart_threshold bytes of
        pixels) or proportion (jpg with compress_probability); None is jpg, raw of CIFAR and IDX, and as it is
        of a .beton. max_resolution shrinks images whose longer side has more pixels; quality is that of JPEGs
        which are encoded, reencode="always" encodes all. orient turns them as their EXIF says; strip drops
        metadata; checkpoints=False leaves out what makes crops faster; max_pixels refuses larger images.

        The file: page_size is a power of two from 2 MiB to 1 GiB, which a sample must fit, unless
        large_samples; FFCV then reads the file with os_cache=True only. shuffle writes the samples in a
        random order by seed. skip_errors leaves out samples that fail, and lists them. plain writes FFCV's
        own format and no names, classes or checksums.

        The run: resume goes on from where an earlier one was interrupted, and begins where there was none;
        restart deletes what such a one left. workers are how many samples are encoded at a time. staging is
        the folder in which a file for an object store is collected. progress is called with how many samples
        of how many are done. The bytes of the file depend on none of these.

        Raises BuildError for a sample that fails, with its shard, key and offset as far as they are known,
        and for a run that is interrupted, after which resume goes on; ValueError for an option;
        FileNotFoundError, FileExistsError without overwrite, and other OSErrors.
        """
        image = _image(
            mode=mode,
            max_resolution=max_resolution,
            quality=quality,
            reencode=reencode,
            orient=orient,
            strip=strip,
            smart_threshold=smart_threshold,
            compress_probability=compress_probability,
            checkpoints=checkpoints,
            max_pixels=max_pixels,
        )
        writer = {
            "page_size": _storage.size("page_size", page_size),
            "large_samples": large_samples,
            "shuffle": shuffle,
            "seed": _whole("seed", seed, 0, 1 << 64),
            "skip_errors": skip_errors,
            "plain": plain,
        }
        path = _task.path(out)
        request = {
            "do": "pack",
            "recipe": {self.kind: self.settings, "image": image, "writer": writer},
            "out": path,
            "overwrite": overwrite,
            "resume": resume,
            "restart": restart,
            "workers": _whole("workers", workers or 0, 0, 1 << 20),
            "staging": "" if staging is None else _task.path(staging),
        }
        told, _ = _task.run(request, storage_options=storage_options, progress=progress)
        return Packed(
            path=path,
            samples=told["samples"],
            resumed=told["resumed"],
            skipped=_skips(told["skipped"]),
            left_out=_skips(told["left_out"]),
            failed=told["failed"],
            without=told["without"],
            classes=told["classes"],
            fields=list(told["fields"] or ()),
            bytes=told["bytes"],
            data=told["data"],
            pages=told["pages"],
            images=Images(**told["images"]) if told["images"] else None,
        )

    def estimate(
        self,
        *,
        samples: int = 200,
        cores: int | None = None,
        disk: int | str | None = None,
        per_second: float | None = None,
        mode: Mode | None = None,
        max_resolution: int | None = None,
        quality: int = 90,
        reencode: Literal["auto", "always"] = "auto",
        orient: bool = False,
        strip: bool = False,
        smart_threshold: int = 0,
        compress_probability: float = 0.5,
        checkpoints: bool = True,
        max_pixels: int | None = None,
        seed: int = 0,
        workers: int | None = None,
        storage_options: Mapping[str, Any] | None = None,
        progress: Progress | None = None,
    ) -> Estimate:
        """Estimates what `write` will take, with these options for images and in five other ways, from some
        samples that are packed and loaded for it.

        cores are those that load, by default this machine's; disk is how many bytes there is room for (also
        as text, "200GiB"); per_second is how many samples a second the training takes. Errors are those of
        `write`.
        """
        image = _image(
            mode=mode,
            max_resolution=max_resolution,
            quality=quality,
            reencode=reencode,
            orient=orient,
            strip=strip,
            smart_threshold=smart_threshold,
            compress_probability=compress_probability,
            checkpoints=checkpoints,
            max_pixels=max_pixels,
        )
        request = {
            "do": "estimate",
            "recipe": {self.kind: self.settings, "image": image},
            "samples": _whole("samples", samples, 1, 1 << 31),
            "seed": _whole("seed", seed, 0, 1 << 64),
            "workers": _whole("workers", workers or 0, 0, 1 << 20),
            "cores": _whole("cores", cores or 0, 0, 1 << 20),
            "disk": 0 if disk is None else _storage.size("disk", disk),
            "per_second": 0.0 if per_second is None else float(per_second),
        }
        told, _ = _task.run(request, storage_options=storage_options, progress=progress)
        choices = [_choice(c) for c in told["choices"]]
        best = told["suits"]
        return Estimate(
            samples=told["samples"],
            sampled=told["sampled"],
            failed=_skips(told["failed"]),
            workers=told["workers"],
            cores=told["cores"],
            choices=choices,
            suits=choices[best] if best >= 0 else None,
            why=told["why"],
        )


def folder(
    path: Path, *, classes: Classes | None = None, masks: Path | None = None, mask_bits: int = 8
) -> Source:
    """A folder of class folders with photographs: fields image and label.

    classes are the folders' names by label, by default all in the order of their bytes. masks is a folder of
    masks with the same names, of mask_bits 8 or 16, which become a field mask.
    """
    where = None if masks is None else _task.path(masks)
    bits = None if masks is None else mask_bits
    return Source(
        "folder", {"dir": _task.path(path), "classes": _names(classes), "masks": where, "mask_bits": bits}
    )


def table(path: Path, fields: Fields, *, allow_outside: bool = False) -> Source:
    """The records of a .csv, .tsv or .jsonl file.

    fields say what is made of which column. Files that cells name lie below the table's folder, unless
    allow_outside: for a table that you trust.
    """
    return Source(
        "table",
        {"file": _task.path(path), "fields": _fields(fields), "allow_outside": allow_outside or None},
    )


def arrays(files: Mapping[str, Path] | Sequence[Path], *, fields: Fields | None = None) -> Source:
    """Rows of .npy files: a field each, by name, or of the file's name. fields give types other than the
    one that is chosen by what a file holds."""
    if isinstance(files, Mapping):
        list_ = [f"{name}={_task.path(path)}" for name, path in files.items()]
    else:
        list_ = _paths(files)
    return Source("arrays", {"files": list_, "fields": _fields(fields)})


def webdataset(
    shards: Path | Sequence[Path], *, fields: Fields | None = None, classes: Classes | None = None
) -> Source:
    """WebDataset's tar shards, plain or compressed: paths, URLs, lists in braces ("x-{000..146}.tar"),
    patterns.

    fields say what is made of which members ({"image": "rgb:column=jpg;png"}); by default the first sample's,
    by their extensions. classes are names by label: .cls may then hold a name.
    """
    return Source(
        "webdataset", {"shards": _paths(shards), "fields": _fields(fields), "classes": _names(classes)}
    )


def mds(
    dirs: Path | Sequence[Path], *, fields: Fields | None = None, classes: Classes | None = None
) -> Source:
    """Datasets of MosaicML Streaming: folders with an index.json. Columns of pickles are refused, and never
    run.

    fields are those to make, all columns by their encodings unless given. classes are names by label.
    """
    return Source("mds", {"dirs": _paths(dirs), "fields": _fields(fields), "classes": _names(classes)})


def parquet(
    files: Path | Sequence[Path], *, fields: Fields | None = None, classes: Classes | None = None
) -> Source:
    """Parquet files such as those of Hugging Face's datasets: paths, patterns, folders.

    fields are those to make, all columns by their types unless given. classes are names by label, by default
    those that the files' metadata names.
    """
    return Source("parquet", {"files": _paths(files), "fields": _fields(fields), "classes": _names(classes)})


def tfrecord(
    files: Path | Sequence[Path], *, fields: Fields | None = None, classes: Classes | None = None
) -> Source:
    """TensorFlow's records of tf.train.Example, plain or compressed: paths and patterns. TensorFlow is not
    needed.

    fields are those to make, all features by what the first records hold unless given. classes are names by
    label.
    """
    return Source("tfrecord", {"files": _paths(files), "fields": _fields(fields), "classes": _names(classes)})


def hdf5(path: Path, *, fields: Fields | None = None, classes: Classes | None = None) -> Source:
    """Datasets of an HDF5 file that share their first axis. The programs in this package load no library of
    the system, libhdf5 neither, so writing it is an UnsupportedError, and `ffcvwrite hdf5` does it; or h5py
    reads the file for `betongo.DatasetWriter.from_indexed_dataset`.

    fields are those to make, all datasets by their types unless given. classes are names by label.
    """
    return Source("hdf5", {"file": _task.path(path), "fields": _fields(fields), "classes": _names(classes)})


Corners = Literal["xyxy", "xywh", "cxcywh"]


def coco(
    annotations: Path,
    images: Path,
    *,
    boxes: Corners = "xyxy",
    columns: Sequence[Literal["label", "iscrowd", "area", "category"]] = ("label",),
    mask: Literal["semantic", "instance"] | None = None,
    mask_bits: Literal[8, 16] | None = None,
    classes: Classes | None = None,
) -> Source:
    """COCO's annotations, a file such as instances_train2017.json, and the folder of its images.

    Fields are image and boxes, which `betongo.fields.decoders.Boxes` loads: rows of little-endian float32,
    (n, 4+columns), of which four are the box in pixels of the stored image, as boxes says, and behind them
    columns; with iscrowd boxes of crowds are taken too; id, the image's; and count, how many boxes. mask adds
    a field of the image's size: semantic has each pixel's label plus one, instance the number plus one of its
    box. classes are names by label, by default the categories in the order of their ids.
    """
    settings = _boxes(boxes, columns, mask, mask_bits, classes)
    return Source("coco", {"file": _task.path(annotations), "images": _task.path(images), **settings})


def yolo(
    data: Path,
    *,
    split: str = "train",
    boxes: Corners = "xyxy",
    mask: Literal["semantic", "instance"] | None = None,
    mask_bits: Literal[8, 16] | None = None,
    classes: Classes | None = None,
) -> Source:
    """Images with labels as YOLO has them: a data.yaml, or a folder that has one, or images and labels. split
    is train, val or test. Fields are those of `coco` but id, with the label behind each box."""
    settings = _boxes(boxes, ("label",), mask, mask_bits, classes)
    return Source("yolo", {"data": _task.path(data), "split": split, **settings})


def cifar(
    files: Path | Sequence[Path],
    *,
    split: Literal["train", "test"] = "train",
    classes: Classes | None = None,
) -> Source:
    """CIFAR-10 or CIFAR-100, the binary version: .bin files, a folder or a .tar.gz of them, of which split is
    taken. classes are names by label, by default those beside the data."""
    return Source("cifar", {"files": _paths(files), "split": split, "classes": _names(classes)})


def idx(
    images: Path,
    labels: Path | None = None,
    *,
    kind: Literal["rgb", "image", "ndarray"] = "rgb",
    transpose: bool = False,
    classes: Classes | None = None,
) -> Source:
    """Images and labels in MNIST's format, .gz or not. kind is the type of the field image; transpose turns
    images that were stored by columns, as EMNIST's."""
    return Source(
        "idx",
        {
            "images": _task.path(images),
            "labels": None if labels is None else _task.path(labels),
            "as": kind,
            "transpose": transpose or None,
            "classes": _names(classes),
        },
    )


def beton(
    path: Path,
    *,
    fields: Sequence[str] | None = None,
    indices: Iterable[int] | str | None = None,
    index_file: Path | None = None,
) -> Source:
    """Samples of another .beton, with their names and classes, as they are stored, or encoded anew where
    options of `Source.write` ask for it.

    fields are those to take, in this order. indices are numbers of samples, or text such as "0:1000, -5:";
    index_file is a file of them.
    """
    if indices is not None and not isinstance(indices, str):
        indices = _ranges(indices)
    return Source(
        "beton",
        {
            "file": _task.path(path),
            "fields": None if fields is None else list(fields),
            "indices": indices,
            "index_file": None if index_file is None else _task.path(index_file),
        },
    )


def _image(
    *,
    mode: str | None,
    max_resolution: int | None,
    quality: int,
    reencode: str,
    orient: bool,
    strip: bool,
    smart_threshold: int,
    compress_probability: float,
    checkpoints: bool,
    max_pixels: int | None,
) -> dict[str, Any]:
    """Options for images, as recipes have them. Of numbers whose zero is a default there it refuses the
    zero."""
    if quality == 0:
        raise ValueError("quality is 0: want 1 to 100")
    if compress_probability == 0:
        raise ValueError(
            'compress_probability is 0: want a number above 0 up to 1 (for 0 there is mode="raw")'
        )
    told = {
        "mode": mode,
        "max_resolution": max_resolution,
        "quality": quality,
        "reencode": reencode,
        "orient": orient,
        "strip": strip,
        "smart_threshold": smart_threshold,
        "no_checkpoints": not checkpoints,
        "max_pixels": max_pixels,
        "compress_probability": compress_probability,
    }
    return {k: v for k, v in told.items() if v}


def _boxes(
    boxes: str,
    columns: Sequence[str],
    mask: str | None,
    mask_bits: int | None,
    classes: Classes | None,
) -> dict[str, Any]:
    return {
        "boxes": boxes,
        "columns": list(columns) or None,
        "no_column": True if not columns else None,
        "mask": mask,
        "mask_bits": mask_bits,
        "classes": _names(classes),
    }


def _choice(told: dict[str, Any]) -> Choice:
    options = dict(told["image"])
    if options.pop("no_checkpoints", False):
        options["checkpoints"] = False
    names = (
        "name",
        "asked",
        "bytes",
        "build_cpu_s",
        "build_seconds",
        "load_cpu_ms",
        "epoch_cpu_s",
        "per_second",
    )
    return Choice(options=options, **{k: told[k] for k in (*names, "fits", "fast")})


def _skips(told: Iterable[Mapping[str, str]] | None) -> list[Skip]:
    return [Skip(s["path"], s["reason"]) for s in told or ()]


def _whole(name: str, n: int, least: int, end: int) -> int:
    n = operator.index(n)
    if not least <= n < end:
        raise ValueError(f"{name} is {n}: want a whole number from {least} on")
    return n


def _names(classes: Classes | None) -> list[str] | None:
    if isinstance(classes, str):
        raise TypeError(
            f"classes is {classes!r}: want a list of names, by label, or a pathlib.Path of a file"
        )
    if isinstance(classes, os.PathLike):
        with open(classes, encoding="utf-8") as file:
            return file.read().removesuffix("\n").split("\n")
    return None if classes is None else [str(c) for c in classes]


def _fields(fields: Fields | None) -> list[str] | None:
    if fields is None:
        return None
    if isinstance(fields, str):
        raise TypeError(f"fields is {fields!r}: want a dict of types by name, or a list of texts")
    if isinstance(fields, Mapping):
        return [f"{name}={kind}" for name, kind in fields.items()]
    return [str(f) for f in fields]


def _paths(files: Path | Sequence[Path]) -> list[str]:
    """Paths and URLs, one or several, as the program takes them."""
    if isinstance(files, (str, os.PathLike)):
        return [_task.path(files)]
    if not files:
        raise ValueError("no files: want at least one")
    return [_task.path(f) for f in files]


def _ranges(indices: Iterable[int]) -> str:
    """Numbers of samples as text, runs as ranges."""
    runs: list[list[int]] = []
    for i in map(operator.index, indices):
        if runs and i >= 0 and runs[-1][0] >= 0 and i == runs[-1][1]:
            runs[-1][1] += 1
        else:
            runs.append([i, i + 1])
    if not runs:
        raise ValueError("indices is empty: want the numbers of samples, None for all")
    return ",".join(str(a) if b == a + 1 else f"{a}:{b}" for a, b in runs)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
