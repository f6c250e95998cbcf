"""Values compared with their checksums before they are given out."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made import write

import betongo
from betongo import Loader
from betongo.fields import BytesField, IntField, NDArrayField, RGBImageField
from betongo.fields.decoders import CenterCropRGBImageDecoder
from betongo.transforms import ToTensor

BAD = 5
N = 12


@pytest.fixture(scope="module")
def photos(root: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file of photographs as they are, labels, arrays and bytes."""
    jpegs = [p.read_bytes() for p in sorted((root / "testdata" / "photos").glob("*/*.jpg"))[:N]]
    assert len(jpegs) == N
    fields = {
        "image": RGBImageField(),
        "label": IntField(),
        "vector": NDArrayField(np.dtype("<f4"), (3,)),
        "blob": BytesField(),
    }
    path = tmp_path_factory.mktemp("photos") / "photos.beton"
    return write(path, N, fields, lambda i: (jpegs[i], i, np.full(3, i, np.float32), np.full(9, i, np.uint8)))


@pytest.fixture
def flip(photos: str, tmp_path: Path) -> Callable[..., tuple[str, int]]:
    """flip(name) is a copy with one bit changed in sample 5's value of that field, and where the value lies."""

    def damaged(name: str) -> tuple[str, int]:
        b = bytearray(Path(photos).read_bytes())
        with betongo.open(photos) as ds:
            value = ds.raw(BAD, name).tobytes()
            row = ds.file.metadata_type
            first = 24 + 1041 * ds.file.num_fields + BAD * row.itemsize
        at = b.find(value) if value else first + int(row.fields["f1"][1])
        b[at + len(value) * 3 // 4] ^= 4
        path = tmp_path / "damaged.beton"
        path.write_bytes(b)
        return str(path), at

    return damaged


def is_the_one(e: betongo.SampleError, path: str, field: str, at: int) -> None:
    assert (e.file, e.field, e.sample, e.offset) == (path, field, BAD, at)
    for words in (path, f"sample {BAD}", f'field "{field}"', f"at byte {at}", "checksum"):
        assert words in str(e)


CROP = {"image": [CenterCropRGBImageDecoder((32, 32), 0.3), ToTensor()]}


@pytest.mark.parametrize("os_cache", [True, False])
def test_a_flipped_bit_that_still_decodes(flip: Any, os_cache: bool) -> None:
    path, at = flip("image")
    settings: dict[str, Any] = {"pipelines": CROP, "os_cache": os_cache, "drop_last": False}
    assert sum(len(label) for _, label, *_ in Loader(path, 4, **settings)) == N  # nobody knows
    with pytest.raises(betongo.SampleError) as e:
        list(Loader(path, 4, verify="first_read", **settings))
    is_the_one(e.value, path, "image", at)
    for policy, instead in (("skip", 4), (("substitute", 7), 7)):
        loader = Loader(path, 4, verify="first_read", on_error=policy, **settings)
        for _ in range(2):
            want = [instead if i == BAD else i for i in range(N)]
            assert [int(i) for _, label, *_ in loader for i in label.reshape(-1)] == want
            report = loader.report
            assert report is not None and report["failed"] == 1


def test_fields_that_nobody_loads_are_not_read(flip: Any) -> None:
    path, _ = flip("image")
    loader = Loader(path, 4, verify="first_read", pipelines={"image": None}, drop_last=False)
    assert sum(len(b[0]) for b in loader) == N


@pytest.mark.parametrize("field", ["vector", "blob", "image"])
def test_every_kind_of_region(flip: Any, field: str) -> None:
    path, at = flip(field)
    with pytest.raises(betongo.SampleError) as e:
        list(Loader(path, 4, verify="first_read", pipelines=CROP))
    is_the_one(e.value, path, field, at)


def test_a_row(flip: Any) -> None:
    path, at = flip("label")
    assert [int(i) for _, label, *_ in Loader(path, 4, pipelines=CROP) for i in label.reshape(-1)] != list(
        range(N)
    )
    with pytest.raises(betongo.SampleError, match="metadata rows"):
        list(Loader(path, 4, verify="first_read", pipelines=CROP))


class Own(CenterCropRGBImageDecoder):
    """A decoder that runs in Python."""

    def _native(self) -> None:
        return None


@pytest.mark.parametrize("os_cache", [True, False])
def test_what_python_reads_by_itself(flip: Any, os_cache: bool) -> None:
    path, at = flip("image")
    pipelines = {"image": [Own((32, 32), 1)]}
    assert len(list(Loader(path, 4, os_cache=os_cache, pipelines=pipelines))) == N // 4
    loader = Loader(path, 4, os_cache=os_cache, pipelines=pipelines, verify="first_read")
    with pytest.raises(betongo.SampleError) as e:
        list(loader)
    is_the_one(e.value, path, "image", at)
    loader = Loader(path, 4, os_cache=os_cache, pipelines=pipelines, verify="first_read", on_error="skip")
    assert [int(i) for _, label, *_ in loader for i in label.reshape(-1)] == [
        4 if i == BAD else i for i in range(N)
    ]


def test_sound_files_are_as_ever(photos: str) -> None:
    for os_cache in (True, False):
        a = list(Loader(photos, 4, os_cache=os_cache, pipelines=CROP))
        b = list(Loader(photos, 4, os_cache=os_cache, pipelines=CROP, verify="first_read"))
        assert all((x == y).all() for p, q in zip(a, b) for x, y in zip(p, q))


def test_opened_with_verify(flip: Any, photos: str) -> None:
    path, at = flip("image")
    with betongo.open(path) as ds:
        assert ds[BAD]["image"].shape[2] == 3  # nobody knows
    ds = betongo.open(path, verify="first_read")
    assert ds[0]["label"] == 0 and len(ds[6:9]["image"]) == 3 and ds["label"].tolist() == list(range(N))
    assert ds["vector"].shape == (N, 3) and ds.metadata["f1"].tolist() == list(range(N))
    asks: list[Callable[[Any], Any]] = [
        lambda ds: ds[BAD],
        lambda ds: ds[2:7],
        lambda ds: ds[[1, BAD]],
        lambda ds: ds.raw(BAD, "image"),
        lambda ds: ds["image"][BAD],
        lambda ds: ds["image"][4:6],
        lambda ds: np.asarray(ds["image"]),
        lambda ds: list(ds),
        lambda ds: pickle.loads(pickle.dumps(ds))[BAD],
        lambda ds: list(ds.loader(4, pipelines=CROP)),
        lambda ds: ds.file.value(BAD, "image"),
    ]
    for ask in asks:
        for again in (ds, betongo.open(path, verify="first_read")):
            with pytest.raises(betongo.SampleError) as e:
                ask(again)
            is_the_one(e.value, path, "image", at)
    ds = betongo.open(photos, verify="first_read")
    for i in range(N):
        assert all(np.array_equal(v, betongo.open(photos)[i][k]) for k, v in ds[i].items())


def test_arrays_and_rows_with_verify(flip: Any) -> None:
    path, at = flip("vector")
    ds = betongo.open(path, verify="first_read")
    for ask in (lambda: ds["vector"], lambda: ds[3:8], lambda: ds[BAD]):
        with pytest.raises(betongo.SampleError) as e:
            ask()
        is_the_one(e.value, path, "vector", at)
    path, _ = flip("label")
    ds = betongo.open(path, verify="first_read")
    for ask in (lambda: ds["label"], lambda: ds.metadata, lambda: ds[0], lambda: ds.raw(1, "blob")):
        with pytest.raises(betongo.SampleError, match="metadata rows"):
            ask()
    assert "samples" in repr(ds)


def test_files_without_checksums_and_other_words(golden: Callable[[str], str], photos: str) -> None:
    path = golden("rgb_jpg")
    for make in (
        lambda: Loader(path, 4, verify="first_read", pipelines=CROP),
        lambda: betongo.open(path, verify="first_read"),
    ):
        with pytest.raises(betongo.UnsupportedError, match="no checksums"):
            make()
    for word in ("first", True, 1):
        with pytest.raises(ValueError, match="first_read"):
            Loader(photos, 4, verify=word)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="first_read"):
            betongo.open(photos, verify=word)  # type: ignore[arg-type]
