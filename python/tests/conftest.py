"""What the tests share. They run against the installed package, or against PYTHONPATH=python/src with
BETONGO_ENGINE."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from s3 import Server, program

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


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real S3 server; tests that ask for it are skipped where there is none to start, and fail there if
    BETONGO_S3 is "required"."""
    path = program()
    if path is None:
        text = "no S3 server: set VERSITYGW, or run the Go tests of internal/s3test, which build one"
        if os.environ.get("BETONGO_S3") == "required":
            pytest.fail(text)
        pytest.skip(text)
    server = Server(path, tmp_path_factory.mktemp("s3"))
    yield server
    server.close()


@pytest.fixture
def s3(s3_server: Server, engine: Any, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The server, which this process's environment leads to and has credentials for."""
    for name in [n for n in os.environ if n.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in s3_server.env.items():
        monkeypatch.setenv(name, value)
    return s3_server
