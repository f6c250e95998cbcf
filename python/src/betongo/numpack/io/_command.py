"""The command ffcvconvert, which reads and writes formats whose libraries are not installed."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ._depend import DependencyError
from ._pack import PackReader, PackWriter, reading
from ._rows import DEFAULT_CHUNK_SIZE, FormatError, existing

__all__ = ["converted", "find", "numeric", "write"]

_INSTEAD = "Or install the command ffcvconvert (on PATH, or named by BETONGO_CONVERT), which does without."


def find() -> str | None:
    """The command's path: BETONGO_CONVERT, beside the engine, or on PATH; None where it is not."""
    given = os.environ.get("BETONGO_CONVERT")
    if given:
        if not os.path.isfile(given):
            raise DependencyError(f"BETONGO_CONVERT names {given!r}, and there is no such file")
        return os.path.abspath(given)
    name = "ffcvconvert.exe" if os.name == "nt" else "ffcvconvert"
    engine = os.environ.get("BETONGO_ENGINE")
    folders = [Path(engine).parent] if engine else []
    folders.append(Path(__file__).parents[2] / "_bin")
    for folder in folders:
        if os.access(folder / name, os.X_OK):
            return str(folder / name)
    return shutil.which("ffcvconvert")


def need(package: str) -> str:
    """The command's path. Raises DependencyError that tells both ways, the library and the command."""
    found = find()
    if found is None:
        raise DependencyError(
            f"The optional dependency '{package}' is required to use this feature.\n"
            f"Please run: pip install {package}\n{_INSTEAD}"
        )
    return found


def run(package: str, source: str | os.PathLike[str], *args: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Runs the command and returns what it told: an object for each array, and one for the file.

    Raises FormatError with what it said where it fails.
    """
    done = subprocess.run(
        [need(package), "--json", *(os.fspath(a) for a in args)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip() or f"ffcvconvert ended with {done.returncode}"
        raise FormatError(source, said)
    return [json.loads(line) for line in done.stdout.decode().splitlines() if line.strip()]


Listed = dict[str, dict[str, Any]]  # what the command tells of a file's arrays, by name


@contextlib.contextmanager
def converted(
    source: str | os.PathLike[str],
    package: str,
    beside: str | os.PathLike[str],
    pick: Callable[[Listed], Mapping[str, str]],
    *flags: str,
) -> Iterator[PackReader]:
    """A pack with arrays of a file, which is there until the block ends.

    pick: given what is there, returns which arrays and what to call them. bfloat16 becomes float32, which has
    all of its values, scalars get the shape (1,). beside: what it is for; the pack lies in the same folder.
    The reader's names() are in the picked order.

    Raises DependencyError without the command, FileNotFoundError, and FormatError with what it said.
    """
    need(package)
    existing(source)
    listed = {a["name"]: a for a in run(package, source, "--list", source, *flags) if "name" in a}
    picked = dict(pick(listed))
    folder = Path(beside).absolute().parent
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".ffcvconvert.", dir=folder) as room:
        with PackWriter(Path(room) / "all.npk") as pack:
            for i, dtype in enumerate(("bfloat16", None)):
                group = [n for n in picked if (listed[n]["dtype"] == "bfloat16") == (dtype is not None)]
                if not group:
                    continue
                part = Path(room) / f"{i}.npk"
                args = [f"--array={n}" for n in group]
                args += [f"--rename={n}={picked[n]}" for n in group if picked[n] != n]
                args += ["--to-dtype=float32"] if dtype else []
                run(package, source, source, part, "--promote", *args, *flags)
                with reading(part) as done:
                    for name in done.names(None):
                        pack.add(done.rows(name), DEFAULT_CHUNK_SIZE)
        with reading(Path(room) / "all.npk") as done:
            yield done


def write(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    package: str,
    names: Sequence[str],
    *flags: str,
) -> None:
    """Writes arrays of a pack to a file, which takes the place of one that is there."""
    run(package, source, source, target, "--overwrite", *(f"--array={n}" for n in names), *flags)


def numeric(listed: Listed) -> list[str]:
    """The arrays whose dtype packs have; a warning for the others."""
    good: list[str] = []
    bad: list[str] = []
    for name, told in listed.items():
        try:
            kind = "f" if told["dtype"] == "bfloat16" else np.dtype(told["dtype"]).kind
        except TypeError:
            kind = "V"
        (good if kind in "biufc" else bad).append(name)
    if bad:
        warnings.warn(
            f"Left out, as packs have no such elements: {', '.join(bad)}", UserWarning, stacklevel=3
        )
    return good
