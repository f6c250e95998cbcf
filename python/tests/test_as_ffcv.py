"""betongo.as_ffcv: every public path of ffcv 1.0.2, by its name and with its parameters."""

from __future__ import annotations

import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from betongo.migrate import ABSENT

# One line each: a module; a class or function with its parameters; a method, property or value. "=?" stands
# for a default that has no short text. Taken from the ffcv 1.0.2 of PyPI by walking its modules.
LINES = (Path(__file__).parent / "ffcv_names.txt").read_text().split("\n")[:-1]


def absent(line: str) -> bool:
    """Whether it is one of the names that are not offered, each with a reason that betongo.migrate tells."""
    return any(re.match(pattern, line.partition("(")[0]) for pattern in ABSENT)


def resolve(name: str) -> Any:
    """Imports as much of a dotted name as are modules, and gets the rest as attributes."""
    parts = name.split(".")
    for n in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:n]))
        except ModuleNotFoundError as e:
            if e.name and not e.name.startswith("ffcv"):
                raise
            continue
        for part in parts[n:]:
            found = getattr(found, part)
        return found
    raise AssertionError(name)


@pytest.fixture(scope="module", autouse=True)
def registered() -> Any:
    """Registers the names, and takes them away again for the tests of other files."""
    import betongo.as_ffcv

    betongo.as_ffcv.install()
    yield
    for name in [m for m in sys.modules if m == "ffcv" or m.startswith("ffcv.")]:
        del sys.modules[name]
    sys.meta_path[:] = [f for f in sys.meta_path if type(f).__module__ != "betongo.as_ffcv"]


def test_there_are_names() -> None:
    assert len(LINES) > 350
    assert sum(not absent(line) for line in LINES) > 280


@pytest.mark.parametrize("line", [line for line in LINES if not absent(line)])
def test_name(line: str) -> None:
    name, _, rest = line.partition("(")
    try:
        found = resolve(name)
    except ImportError as e:
        if e.name in ("torch", "numba"):
            pytest.skip(f"{e.name} is not installed")
        raise
    if not rest:
        return
    want = [p for p in re.split(r", (?![^(]*\))", rest[:-1]) if p]
    got = [p for p in inspect.signature(found).parameters.values() if p.name != "self"]
    if want == ["*dims"]:
        assert got[0].kind is inspect.Parameter.VAR_POSITIONAL
        return
    if want == ["a", "b"]:  # print's own
        return
    assert [p.name for p in got[: len(want)]] == [w.split("=")[0] for w in want]
    for p in got[len(want) :]:  # what is added keeps calls as they were
        assert p.default is not p.empty or p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL, p.KEYWORD_ONLY), p
    for p, w in zip(got, want):
        default = w.partition("=")[2]
        assert bool(default) <= (p.default is not p.empty), p
        if default in ("{}", "?"):
            continue
        if default:
            assert repr(p.default) == default or p.default == eval(default), p


# Of FFCV's unreleased 1.1.0.
NEWER = """
ffcv.transforms.RandomVerticalFlip(flip_prob)
ffcv.transforms.RandomCutout(prob, crop_size, fill)
ffcv.transforms.RandomErasing(prob, min_area, max_area, min_aspect, max_count, fill_mean, fill_std, fast_fill)
ffcv.transforms.Solarization(threshold)
ffcv.fields.RGBImageField(write_mode, max_resolution, min_resolution, smart_threshold, compress_probability)
ffcv.writer.DatasetWriter.from_iterable
"""


@pytest.mark.parametrize("line", NEWER.split("\n")[1:-1])
def test_newer_name(line: str) -> None:
    name, _, rest = line.partition("(")
    found = resolve(name)
    assert set(re.findall(r"\w+", rest)) <= set(inspect.signature(found).parameters)


def test_modules_are_the_same() -> None:
    import ffcv
    import ffcv.loader
    from ffcv.fields import IntField

    import betongo
    import betongo.fields
    import betongo.loader

    assert ffcv is betongo and ffcv.loader is betongo.loader and IntField is betongo.fields.IntField
    assert betongo.loader.__name__ == "betongo.loader" and betongo.loader.__spec__.name == "betongo.loader"
    assert not hasattr(importlib.import_module("ffcv.utils"), "__path__")
    with pytest.raises(ModuleNotFoundError, match="betongo stands in for ffcv"):
        import ffcv.benchmarks  # noqa: F401
    with pytest.raises(ModuleNotFoundError):
        import ffcv.utils.nothing  # noqa: F401


def python(*arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=60, **more)


def test_after_the_real_ffcv(tmp_path: Path) -> None:
    (tmp_path / "ffcv.py").write_text("")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import ffcv; import betongo.as_ffcv"
    out = python("-c", code)
    assert "before betongo.as_ffcv" in out.stderr and str(tmp_path) in out.stderr


def test_before_the_real_ffcv(tmp_path: Path) -> None:
    (tmp_path / "ffcv.py").write_text("raise SystemExit('the real one')")
    first = f"import sys; sys.path.insert(0, {str(tmp_path)!r})"
    code = f"{first}; import betongo.as_ffcv; import ffcv; print(ffcv.__name__)"
    assert python("-c", code).stdout == "betongo\n"


def test_runs_a_script(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("word = 'beside'")
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, beside\nfrom ffcv.reader import Reader\nprint(__name__, beside.word, "
        "Reader.__module__, sys.argv[1:])"
    )
    out = python("-m", "betongo.as_ffcv", str(script), "a", "--b")
    assert out.stdout == "__main__ beside betongo.reader ['a', '--b']\n", out.stderr
    assert "usage" in python("-m", "betongo.as_ffcv").stderr


def test_import_ffcv_alone_has_all() -> None:
    """As there: modules are attributes of their packages, without an import of their own."""
    names = [line.partition("(")[0].partition(".")[2] for line in LINES if not absent(line)]
    program = (
        "import sys, operator, betongo.as_ffcv, ffcv\n"
        "for name in filter(None, sys.stdin.read().split()): operator.attrgetter(name)(ffcv)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], input="\n".join(names), capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 0, run.stderr
