"""What the tests share. They run against the installed package, or against PYTHONPATH=python/src with
BETONGO_ENGINE."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's folder."""
    return ROOT


@pytest.fixture(scope="session")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """golden(NAME) is the path of testdata/ffcv/NAME.beton, a file by the real FFCV, unpacked."""
    folder = tmp_path_factory.mktemp("golden")

    def path(name: str) -> str:
        to = folder / f"{name}.beton"
        if not to.exists():
            to.write_bytes(gzip.decompress((ROOT / "testdata" / "ffcv" / f"{name}.beton.gz").read_bytes()))
        return str(to)

    return path


@pytest.fixture(scope="session")
def golden_json() -> Callable[[str], Any]:
    """golden_json(NAME) is what testdata/ffcv/NAME.json says that FFCV reads from the file."""

    def read(name: str) -> Any:
        return json.loads((ROOT / "testdata" / "ffcv" / f"{name}.json").read_text())

    return read


@pytest.fixture(scope="session")
def engine() -> Any:
    """The running engine; a test that asks for it is skipped where there is none for the platform."""
    from betongo import EngineError, _engine

    try:
        return _engine.engine()
    except EngineError as e:
        pytest.skip(str(e))
