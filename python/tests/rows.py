"""Files of numbers, as large as a test wants them, and clients in processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np


def write_rows(path: str | Path, n: int) -> str:
    """Writes a .beton of n samples with an int field "label", i, and a float field "x", i/2; returns its
    path."""
    fields = b"".join(
        bytes([kind]) + name.ljust(16, b"\0") + bytes(1024) for kind, name in ((1, b"label"), (0, b"x"))
    )
    rows = np.zeros(n, [("label", "<i8"), ("x", "<f8")])
    rows["label"] = np.arange(n)
    rows["x"] = np.arange(n) / 2
    end = 24 + len(fields) + rows.nbytes
    header = np.array([(2, 2, 8 << 20, n, end)], "<u2,<u2,<u4,<u8,<u8")
    Path(path).write_bytes(header.tobytes() + fields + rows.tobytes())
    return str(path)


def spec(path: str, batch: int, **more: Any) -> dict[str, Any]:
    """Returns a loader's description for a file of write_rows."""
    outputs = [{"name": name, "field": name} for name in ("label", "x")]
    return {"paths": [path], "batch_size": batch, "order": {"name": "sequential"}, "outputs": outputs, **more}


def start(code: str, *args: str, **env: str) -> subprocess.Popen[str]:
    """Starts a Python of our own with code, with its output for us to read."""
    more = {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])}
    return subprocess.Popen(
        [sys.executable, "-c", code, *args],
        env={**os.environ, **more, **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run(code: str, *args: str, timeout: float = 60, **env: str) -> str:
    """Runs code in a Python of our own and returns what it wrote; it must end well."""
    p = start(code, *args, **env)
    try:
        out, err = p.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        p.kill()
        out, err = p.communicate()
        raise AssertionError(f"not done within {timeout} s\n{out}\n{err}") from None
    assert p.returncode == 0, f"exit status {p.returncode}\n{out}\n{err}"
    return out


def alive(pid: int) -> bool:
    """Whether there is such a process, and it has not ended."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return sys.platform != "linux"
    except ProcessLookupError:
        return False
    return state != "Z"


def gone(pid: int, seconds: float) -> bool:
    """Waits for a process's end."""
    end = time.monotonic() + seconds
    while alive(pid):
        if time.monotonic() > end:
            os.kill(pid, signal.SIGKILL)
            return False
        time.sleep(0.01)
    return True


def leftovers() -> set[str]:
    """What is named after us in the folders of temporary things."""
    folders = [Path(f) for f in ("/dev/shm", "/tmp", os.environ.get("TMPDIR", "/tmp"), "/run/shm")]
    return {
        str(p) for f in folders if f.is_dir() for p in f.iterdir() if p.name.startswith(("betongo", "memfd"))
    }
