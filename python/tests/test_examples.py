"""The examples run, with small settings, as they are and as the scripts for FFCV that they also are."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "python" / "examples"
PHOTOS = ROOT / "testdata" / "photos"

pytest.importorskip("torch")
pytest.importorskip("PIL")


@pytest.fixture(params=["betongo", "ffcv"])
def run(request: pytest.FixtureRequest, tmp_path: Path, engine: object) -> object:
    """Runs an example and returns what it printed; with ffcv for betongo in its imports, by
    betongo.as_ffcv."""

    def made(name: str, *arguments: str) -> str:
        command = [str(EXAMPLES / name)]
        if request.param == "ffcv":
            text = re.sub(r"^from betongo\b", "from ffcv", (EXAMPLES / name).read_text(), flags=re.M)
            assert "from ffcv.loader import" in text
            (tmp_path / name).write_text(text)
            command = ["-m", "betongo.as_ffcv", str(tmp_path / name)]
        out = subprocess.run(
            [sys.executable, *command, *arguments], capture_output=True, text=True, timeout=250, cwd=tmp_path
        )
        assert out.returncode == 0, out.stderr
        return out.stdout

    return made


def test_linear_regression(run: object) -> None:
    out = run("linear_regression.py", "--rows", "20000", "--epochs", "2")  # type: ignore[operator]
    assert out.count("20000 rows") == 2
    assert float(re.search(r"largest error of a weight: ([\d.]+)", out)[1]) < 0.02  # type: ignore[index]


def test_cifar(run: object) -> None:
    out = run("cifar.py", "--samples", "1500", "--epochs", "2", "--width", "8")  # type: ignore[operator]
    assert [float(a) > 5 for a in re.findall(r"accuracy ([\d.]+) %", out)] == [True, True]


def test_imagenet(run: object) -> None:
    """The resolution changes between epochs; the network learns the few photographs."""
    out = run("imagenet.py", str(PHOTOS), "--epochs", "6")  # type: ignore[operator]
    assert re.findall(r"(\d+) px", out) == ["96", "96", "128", "160", "160", "160"] or "160 px" in out
    losses = [float(x) for x in re.findall(r"loss ([\d.]+)", out)]
    assert losses[-1] < losses[0]
    assert float(re.search(r"accuracy ([\d.]+) %", out)[1]) > 25  # type: ignore[index]


def test_cifar_from_photographs(tmp_path: Path, engine: object) -> None:
    out = subprocess.run(
        [
            sys.executable,
            str(EXAMPLES / "cifar.py"),
            "--folder",
            str(PHOTOS),
            "--epochs",
            "1",
            "--batch-size",
            "8",
            "--width",
            "4",
        ],
        capture_output=True,
        text=True,
        timeout=250,
        cwd=tmp_path,
    )
    assert out.returncode == 0 and "% of 4" in out.stdout, out.stderr


def test_nothing_left_to_migrate() -> None:
    from betongo.migrate import CHANGE, check

    for path in EXAMPLES.glob("*.py"):
        assert not [f for f in check(path.read_text(), path.name) if f.verdict == CHANGE]
