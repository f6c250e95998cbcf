"""What the real FFCV's loader gave of its own files, in shape, dtype, strides and every bit of the values."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from test_file import golden

HERE = Path(__file__).parent
# Made by parity.py with ffcv 1.0.2 (numpy 1.24, torch 1.13, numba 0.56).
WANT = json.loads((HERE / "parity.json").read_text())


@pytest.fixture(scope="module")
def got(tmp_path_factory: pytest.TempPathFactory, engine: object) -> dict[str, Any]:
    """What the same script, unmodified, prints by this package."""
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("parity")
    for name in ("cifar_like", "ndarray", "torch_tensor", "ints_floats"):
        golden(name, folder)
    command = [sys.executable, "-W", "ignore", "-m", "betongo.as_ffcv", str(HERE / "parity.py"), str(folder)]
    out = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert out.returncode == 0, out.stderr
    found: dict[str, Any] = json.loads(out.stdout)
    assert list(found) == list(WANT)
    return found


@pytest.mark.parametrize("case", WANT)
def test_as_ffcv_gave_it(case: str, got: dict[str, Any]) -> None:
    for part in ("batches", "first", "last", "all"):
        assert got[case][part] == WANT[case][part], part
