"""betongo.stats and betongo.overlap against NumPy, and what is planted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import betongo
from betongo import DatasetWriter, fields

pytestmark = pytest.mark.usefixtures("engine")

N = 40


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (N, 9, 7, 3), dtype=np.uint8)


def write(path: Path, pixels: np.ndarray, labels: Any) -> str:
    spec = {
        "image": fields.RGBImageField(write_mode="raw"),
        "label": fields.IntField(),
        "x": fields.FloatField(),
    }
    samples = [(p, int(n), n / 4) for p, n in zip(pixels, labels)]
    DatasetWriter(path, spec).from_iterable(samples)
    return str(path)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory, pixels: np.ndarray) -> str:
    return write(tmp_path_factory.mktemp("stats") / "a.beton", pixels, np.arange(N) % 7)


def named(report: dict[str, Any], name: str) -> dict[str, Any]:
    return next(f for f in report["fields"] if f["name"] == name)


def test_as_numpy(path: str, pixels: np.ndarray) -> None:
    seen: list[tuple[int, int]] = []
    report = betongo.stats(path, progress=lambda done, of: seen.append((done, of)))
    assert report["samples"] == report["surveyed"] == N and report["broken"] == 0
    channels = named(report, "image")["image"]["channels"]
    flat = pixels.reshape(-1, 3).astype(np.float64)
    assert np.allclose([c["mean"] for c in channels], flat.mean(0), rtol=1e-12)
    assert np.allclose([c["std"] for c in channels], flat.std(0), rtol=1e-12)
    classes = {c["label"]: c["count"] for c in named(report, "label")["labels"]["classes"]}
    assert classes == {i: int((np.arange(N) % 7 == i).sum()) for i in range(7)}
    x = (np.arange(N) % 7) / 4
    numbers = named(report, "x")["numbers"]
    assert (numbers["min"], numbers["max"]) == (0, 1.5) and np.isclose(numbers["mean"], x.mean())
    assert all(of == N for _, of in seen)


def test_choices(path: str) -> None:
    report = betongo.stats(path, fields=["label"], samples=10, pixels="none", duplicates=False, workers=1)
    assert [f["name"] for f in report["fields"]] == ["label"] and report["surveyed"] == 10
    with pytest.raises(ValueError, match="pixels"):
        betongo.stats(path, pixels="some")  # type: ignore[arg-type]
    with pytest.raises((ValueError, betongo.BuildError), match="nam"):
        betongo.stats(path, fields=["nam"])
    with pytest.raises(FileNotFoundError):
        betongo.stats(path + "x")
    with pytest.raises(betongo.FormatError):
        betongo.stats(__file__)


def test_duplicates_and_overlap(tmp_path: Path, path: str, pixels: np.ndarray) -> None:
    again = np.concatenate([pixels[[3, 3, 17]], 255 - pixels[:5]])
    other = write(tmp_path / "b.beton", again, np.zeros(8))
    duplicates = named(betongo.stats(other), "image")["duplicates"]
    assert (duplicates["groups"], duplicates["values"]) == (1, 2)
    assert duplicates["list"][0]["samples"] == [0, 1]
    report = betongo.overlap(path, other)
    assert (report["samples_a"], report["samples_b"]) == (N, 8)
    image = named(report, "image")
    assert (image["values"], image["in_a"], image["in_b"]) == (2, 2, 3)
    assert image["list"] == [{"a": [3], "b": [0, 1]}, {"a": [17], "b": [2]}]
    assert named(betongo.overlap(other, path, near=True, fields=["image"]), "image")["values"] == 2


def test_s3_stats(s3: Any, path: str) -> None:
    url = s3.put("stats/a.beton", Path(path).read_bytes())
    far, near = betongo.stats(url), betongo.stats(path)
    assert far["fields"] == near["fields"]
    assert named(betongo.overlap(url, path), "image")["values"] == N
