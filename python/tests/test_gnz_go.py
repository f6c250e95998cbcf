"""GNZ1 files shared with Go, whose command ffcvconvert reads and writes them: BETONGO_CONVERT, or on PATH."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from packs import same

from betongo import gnz
from betongo.numpack.io import _command

RECORD = np.dtype([("id", "<i4"), ("v", ">f8", (2,)), ("name", "S3")])
ARRAYS = {
    "f4": np.arange(6, dtype="<f4").reshape(2, 3),
    "big": np.arange(6, dtype=">i4").reshape(3, 2),
    "text": np.array(["é", "日本"], "<U3"),
    "bytes": np.array([b"a", b"bc"], "S4"),
    "time": np.array(["2020-01-01", "NaT"], "<M8[ns]"),
    "bool": np.array([True, False]),
    "none": np.zeros((0, 3), "<c16"),
    "record": np.array([(1, (2.5, 3), b"abc"), (-1, (0, 1), b"")], RECORD),
}


def run(*args: str | Path) -> str:
    command = _command.find()
    if command is None:
        pytest.skip("there is no ffcvconvert: set BETONGO_CONVERT to one, or have it on PATH")
    done = subprocess.run([command, *map(str, args)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_go_reads(tmp_path: Path) -> None:
    path = tmp_path / "a.gnz"
    scalar = np.array(2.5)
    with gnz.GNZWriter(path, metadata={"source": "a", "n": [1, 2.5]}) as w:
        for name, a in ARRAYS.items():
            w.add(name, a)
        w.add("scalar", scalar)
        w.add("fortran", np.asfortranarray(ARRAYS["f4"]))
        w.add_streaming("stream", (4, 2), "u2")
        w["stream"][1] = 7
    told = [json.loads(line) for line in run("--list", "--json", path).splitlines()]
    assert told[-1]["attrs"] == {"source": "a", "n": [1, 2.5]}
    run(path, tmp_path / "a.npz")
    stream = np.zeros((4, 2), "u2")
    stream[1] = 7
    want = {**ARRAYS, "scalar": scalar, "fortran": ARRAYS["f4"], "stream": stream}
    with np.load(tmp_path / "a.npz") as z:
        assert sorted(z.files) == sorted(want)
        for name, a in want.items():
            same(z[name], a)


def test_go_writes(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", **ARRAYS)
    run(tmp_path / "a.npz", tmp_path / "a.gnz")
    with gnz.open(tmp_path / "a.gnz") as f:
        assert sorted(f.keys()) == sorted(ARRAYS)
        for name, a in ARRAYS.items():
            same(f.read(name), a)
