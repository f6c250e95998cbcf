"""The README's lines for Python, run as they stand there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
INSTALL = "pip install ./python"


def program() -> str:
    """The first program of the README."""
    found = re.search(r"```python\n(.*?)```", README, re.S)
    assert found
    return found[1]


def folder(tmp_path: Path) -> Path:
    """A folder in which the program finds the photographs of a clone, and may write."""
    (tmp_path / "clone").mkdir()
    (tmp_path / "clone" / "testdata").symlink_to(ROOT / "testdata")
    return tmp_path / "clone"


def test_opens_with_python() -> None:
    before = README[: README.index("```")]
    assert INSTALL in before and "```go" not in before
    assert sum(bool(line.strip()) for line in program().splitlines()) == 10


def test_program(tmp_path: Path, engine: object) -> None:
    out = subprocess.run(
        [sys.executable, "-c", program()], capture_output=True, text=True, timeout=120, cwd=folder(tmp_path)
    )
    assert out.returncode == 0, out.stderr
    said = re.search(r"prints five times `(.*?)`", README)
    assert said
    want = said[1]
    try:
        import torch  # noqa: F401
    except ImportError:
        want = "(8, 3, 224, 224) uint8 (8, 1) int64"
    assert out.stdout.splitlines() == [want] * 5


def go() -> str:
    """The Go command, also where PATH does not have it: BETONGO_GO of the environment tells."""
    for path in (
        os.environ.get("BETONGO_GO"),
        shutil.which("go"),
        "/usr/local/go/bin/go",
        "/usr/lib/go/bin/go",
    ):
        if path and os.access(path, os.X_OK):
            return path
    pytest.skip("Go is not installed")


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean clone of what is committed."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("this is not a git clone")
    to = tmp_path_factory.mktemp("clean") / "betongo"
    subprocess.run(
        ["git", "clone", "--quiet", "--depth", "1", ROOT.as_uri(), str(to)], check=True, timeout=120
    )
    return to


def install(clone: Path, where: Path, path: str) -> subprocess.CompletedProcess[str]:
    """Runs the README's install line in a clone with an empty virtual environment active."""
    venv.create(where, with_pip=True)
    pip = [str(where / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    fetched = subprocess.run(
        [*pip, "install", "--quiet", "hatchling", "numpy"], capture_output=True, text=True, timeout=200
    )
    if fetched.returncode:
        pytest.skip(f"pip can't fetch hatchling and numpy here: {fetched.stderr.strip().splitlines()[-1]}")
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "BETONGO_ENGINE", "BETONGO_TOOLS")}
    env["PATH"] = os.pathsep.join([str(where / "bin"), path])
    line = ["/bin/sh", "-c", INSTALL]
    return subprocess.run(line, capture_output=True, text=True, timeout=400, cwd=clone, env=env)


def test_install_and_use(clone: Path, tmp_path: Path) -> None:
    """The install line in a clean clone, then the program, with nothing but what that installed."""
    made = install(clone, tmp_path / "venv", os.pathsep.join([os.path.dirname(go()), "/usr/bin", "/bin"]))
    assert made.returncode == 0, made.stderr
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "BETONGO_ENGINE", "BETONGO_TOOLS")}
    env["PATH"] = "/usr/bin:/bin"
    out = subprocess.run(
        [str(tmp_path / "venv" / "bin" / "python"), "-c", program()],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=folder(tmp_path),
        env=env,
    )
    assert out.stdout.splitlines() == ["(8, 3, 224, 224) uint8 (8, 1) int64"] * 5, out.stderr


def test_install_without_go(clone: Path, tmp_path: Path) -> None:
    """One line says what is missing."""
    if any(os.access(os.path.join(d, "go"), os.X_OK) for d in ("/usr/bin", "/bin")):
        pytest.skip("Go lies in /usr/bin")
    made = install(clone, tmp_path / "venv", "/usr/bin:/bin")
    assert made.returncode != 0
    assert [line for line in made.stderr.splitlines() if "https://go.dev/dl" in line], made.stderr


def test_guide(tmp_path: Path, engine: object) -> None:
    """The programs of docs/python.md, one after the other."""
    text = (ROOT / "docs" / "python.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.S)
    assert len(blocks) >= 6
    out = subprocess.run(
        [sys.executable, "-c", "\n".join(blocks)],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=folder(tmp_path),
    )
    assert out.returncode == 0, out.stderr
    assert "8 classes: animal" in out.stdout
