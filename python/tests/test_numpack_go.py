"""Packs shared with Go, whose command ffcvconvert reads and writes them: BETONGO_CONVERT, or on PATH."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Protocol

import numpy as np
import pytest
from packs import DTYPES, SHAPES, everything, made, same, sample

from betongo.numpack import NumPack, io
from betongo.numpack.io import _command


class Go(Protocol):
    def __call__(self, *args: str | Path, code: int = 0) -> str: ...


@pytest.fixture
def go() -> Go:
    """Runs the command, which must end with a code, and returns what it said."""
    command = _command.find()
    if command is None:
        pytest.skip("there is no ffcvconvert: set BETONGO_CONVERT to one, or have it on PATH")

    def run(*args: str | Path, code: int = 0) -> str:
        done = subprocess.run([command, *map(str, args)], capture_output=True, text=True, timeout=120)
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr

    return run


def read(go: Go, pack: Path) -> dict[str, np.ndarray]:
    """The arrays of a pack as Go reads them."""
    out = pack.with_suffix(".npz")
    go(pack, out, "--overwrite")
    with np.load(out) as z:
        return {name: z[name] for name in z.files}


def equal(got: dict[str, np.ndarray], want: dict[str, np.ndarray]) -> None:
    assert sorted(got) == sorted(want)
    for name, a in want.items():
        same(got[name], a)


def arrays() -> dict[str, np.ndarray]:
    return {f"{d}_{i}": sample(d, shape) for d in DTYPES for i, shape in enumerate(SHAPES)}


def test_go_reads(tmp_path: Path, go: Go) -> None:
    """Every type, rows that were dropped and replaced, segments, arrays that were compacted."""
    want, path = arrays(), tmp_path / "p.npk"
    rows = np.arange(900, dtype="f4").reshape(300, 3)
    with NumPack(path, segment_bytes=400) as npk:
        npk.save(want)
        npk.save({"cut": rows, "compact": rows, "none": rows})
        npk.append({"cut": rows[:7]})
        npk.drop("cut", [0, 64, 65, 299, 306])
        npk.replace({"cut": rows[:2]}, [-1, 3])
        npk.drop("compact", slice(None, None, 2))
        npk.update("compact")
        npk.drop("none")
    cut = np.delete(np.concatenate([rows, rows[:7]]), [0, 64, 65, 299, 306], 0)
    cut[[-1, 3]] = rows[:2]
    want |= {"cut": cut, "compact": rows[1::2], "none": rows[:0]}
    equal(everything(path), want)
    equal(read(go, path), want)


def test_in_turn(tmp_path: Path, go: Go) -> None:
    """Go writes a pack, Python changes it, Go reads it and writes the next one."""
    want, path = arrays(), tmp_path / "p.npk"
    np.savez(tmp_path / "a.npz", **want)
    go(tmp_path / "a.npz", path)
    for n in range(3):
        equal(everything(path), want)
        row = want["f4_3"][:1] + n
        with NumPack(path) as npk:
            npk.append({"f4_3": row})
            npk.drop("f4_3", [1])
            npk.save({"i8_0": np.arange(n)})
        want |= {"f4_3": np.delete(np.concatenate([want["f4_3"], row]), 1, 0), "i8_0": np.arange(n)}
        next_path = tmp_path / f"p{n}.npk"
        go(path, next_path)
        equal(read(go, path), want)
        path = next_path


def test_while_it_is_changed(tmp_path: Path, go: Go) -> None:
    """Go reads what stands, and does not take the pack away; a journal that is left is finished by either."""
    path = made(tmp_path / "p.npk", a=np.arange(5))
    np.save(tmp_path / "x.npy", np.arange(3))
    with NumPack(path) as npk:
        npk.append({"a": np.arange(2)})
        equal(read(go, path), {"a": np.arange(5)})
        if os.name == "posix":
            said = go(tmp_path / "x.npy", path, "--overwrite", code=1)
            assert "another editor has the pack open" in said
    equal(read(go, path), {"a": np.array([0, 1, 2, 3, 4, 0, 1])})
    go(tmp_path / "x.npy", path, "--overwrite")
    equal(everything(path), {"x": np.arange(3)})


def test_journals(tmp_path: Path, go: Go, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change that a process here was killed in counts, once it has its journal; Go finishes it."""
    from betongo.numpack import _folder

    path = made(tmp_path / "p.npk", a=np.arange(100.0).reshape(50, 2), b=np.arange(9))

    def killed(self: object, steps: object) -> None:
        raise KeyboardInterrupt

    with NumPack(path) as npk:
        npk.replace({"a": np.full((2, 2), 7.0)}, [3, -1])
        npk.drop("b", [0, 8])
        monkeypatch.setattr(_folder.Folder, "_apply", killed)
        with pytest.raises(KeyboardInterrupt):
            npk.flush()
        assert (path / "npk.journal").exists()
        npk._store.release()
        npk._store = None
    monkeypatch.undo()
    want = np.arange(100.0).reshape(50, 2)
    want[[3, -1]] = 7
    equal(read(go, path), {"a": want, "b": np.arange(1, 8)})
    assert not (path / "npk.journal").exists()
    equal(everything(path), {"a": want, "b": np.arange(1, 8)})


def test_packages(tmp_path: Path, go: Go) -> None:
    """A package of a pack that Go wrote comes back as the pack."""
    want = {"a": np.arange(6.0).reshape(3, 2), "b": np.arange(4, dtype="u1")}
    np.savez(tmp_path / "a.npz", **want)
    go(tmp_path / "a.npz", tmp_path / "a.npk")
    io.pack(tmp_path / "a.npk", tmp_path / "a.npkg")
    io.unpack(tmp_path / "a.npkg", tmp_path / "b.npk")
    equal(read(go, tmp_path / "b.npk"), want)
