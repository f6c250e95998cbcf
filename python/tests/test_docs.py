"""The programs of the documents, run as they stand there, one after the other in the document's own folder.

Where another test runs a document, or what it needs can't be had here, that is said below.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ELSEWHERE = {
    "README.md": "test_readme.py",
    "docs/python.md": "test_readme.py",
    "docs/python-arrays.md": "test_numpack_guide.py and test_numpack_io_guide.py",
}
WITHOUT = {  # a line of a program that isn't run, and why
    "import io, lmdb": "LMDB's module is not among what the tests may need",
    "webdataset.WebDataset": "benchmarks/roundtrip runs WebDataset",
    "from ffcv.fields.base import": "benchmarks/interop runs it with the real FFCV",
}
# A comment that readers don't see may say what they would have by then: <!-- python: … -->
BLOCK = re.compile(r"(?:^<!-- python:\n(.*?)-->\n)?^```python\n(.*?)^```", re.S | re.M)


def programs() -> dict[str, list[str]]:
    """The programs of every document that are to be run, by its path in the clone."""
    found = {}
    for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("python/**/*.md")]):
        name = path.relative_to(ROOT).as_posix()
        found_here = ["".join(parts) for parts in BLOCK.findall(path.read_text())]
        blocks = [b for b in found_here if not any(line in b for line in WITHOUT)]
        if blocks and name not in ELSEWHERE:
            found[name] = blocks
    return found


def test_some() -> None:
    """Every exception still stands for something."""
    text = "".join((p.read_text()) for p in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
    assert [line for line in WITHOUT if line not in text] == []
    assert [name for name in ELSEWHERE if not BLOCK.search((ROOT / name).read_text())] == []
    assert len(programs()) >= 1


@pytest.mark.parametrize("name", programs())
def test_program(name: str, tmp_path: Path, engine: object) -> None:
    (tmp_path / "testdata").symlink_to(ROOT / "testdata")
    program = "import numpy as np\n" + "\n".join(programs()[name])
    if "import torch" in program:
        pytest.importorskip("torch")
    out = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=300, cwd=tmp_path
    )
    assert out.returncode == 0, out.stderr
