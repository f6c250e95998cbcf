"""The engine's two programs: which is started, when, beside which, and how both end."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rows

import betongo
from betongo import Loader, _engine
from betongo._engine import ENGINE, TOOLS

N = 10_000

HEAD = (
    """
import os, signal, sys
import betongo
from betongo import Loader, _engine
from betongo._engine import ENGINE, TOOLS
def running():
    return sorted(_engine._engines)
def total(loader):
    return sum(int(x.sum()) for x, _ in loader)
near, far = sys.argv[1:3]
want = sum(range(%d))
"""
    % N
)


@pytest.fixture
def path(tmp_path: Path, engine: Any) -> str:
    return rows.write_rows(tmp_path / "rows.beton", N)


def run(code: str, path: str, url: str, **env: str) -> None:
    rows.run(HEAD + code, path, url, **env)


@pytest.fixture
def url(s3: Any, path: str) -> str:
    return s3.put("two/rows.beton", Path(path).read_bytes())


def test_s3_which_program(path: str, url: str) -> None:
    """Each path's own, beside the other; shutdown ends both."""
    code = """
import subprocess
with betongo.open(near) as ds:
    assert ds[3]["label"] == 3 and running() == []  # read without any
assert total(Loader(near, 1000)) == want and running() == [ENGINE]
held = Loader(near, 1000)
epoch = iter(held)
next(epoch)
loader = Loader(far, 1000)
assert total(loader) == want and running() == [ENGINE, TOOLS]
assert sum(int(x.sum()) for x, _ in epoch) < want and total(held) == want
a, b = _engine.engine(ENGINE).process, _engine.engine(TOOLS).process
names = [os.readlink(f"/proc/{p.pid}/exe") for p in (a, b)] if sys.platform == "linux" else [ENGINE, TOOLS]
assert [os.path.basename(n) for n in names] == [ENGINE, TOOLS], names
_engine.shutdown()
assert a.poll() == 0 and b.poll() == 0 and running() == []
assert total(Loader(far, 1000)) == want and running() == [TOOLS]
assert betongo.open(far)[7]["label"] == 7 and running() == [TOOLS]
"""
    run(code, path, url)


def test_s3_deaths(path: str, url: str) -> None:
    """The death of one is nothing to the other."""
    code = """
import time
near, far = Loader(near, 100), Loader(far, 100)
for loader, other, program in ((near, far, ENGINE), (far, near, TOOLS)):
    mine, its = iter(loader), iter(other)
    next(mine), next(its)
    os.kill(_engine.engine(program).process.pid, signal.SIGKILL)
    try:
        for _ in mine: pass
        assert False, "the epoch went on"
    except betongo.EngineError as e:
        assert "SIGKILL" in str(e), e
    assert sum(1 for _ in its) == 99
    assert total(loader) == want
"""
    run(code, path, url)


def test_s3_client_killed(path: str, url: str) -> None:
    code = """
a, b = Loader(near, 100), Loader(far, 100)
it = iter(a), iter(b)
next(it[0]), next(it[1])
print(*(_engine.engine(p).process.pid for p in (ENGINE, TOOLS)), flush=True)
signal.pause()
"""
    p = rows.start(HEAD + code, path, url)
    try:
        assert p.stdout is not None
        pids = [int(n) for n in p.stdout.readline().split()]
        assert len(pids) == 2 and all(rows.alive(n) for n in pids)
        p.send_signal(signal.SIGKILL)
        p.wait(10)
        for n in pids:
            assert rows.gone(n, 5), f"process {n} lives on"
    finally:
        p.kill()
        p.communicate()


def test_s3_children(path: str, url: str) -> None:
    """Forked and spawned children use their parent's, of both."""
    code = """
import multiprocessing
def child(loaders, queue):
    queue.put([total(loader) for loader in loaders])
    queue.put([_engine.engine(p).connect().hello["pid"] for p in (ENGINE, TOOLS)])
if __name__ == "__main__":
    loaders = [Loader(near, 1000), Loader(far, 1000)]
    pids = [_engine.engine(p).process.pid for p in (ENGINE, TOOLS)]
    for method in ("fork", "spawn", "forkserver"):
        context = multiprocessing.get_context(method)
        queue = context.SimpleQueue()
        p = context.Process(target=child, args=(loaders, queue))
        p.start()
        assert queue.get() == [want, want]
        assert queue.get() == pids, method
        p.join()
        assert p.exitcode == 0
"""
    program = Path(path).parent / "children.py"
    program.write_text(HEAD + code)
    out = subprocess.run(
        [sys.executable, str(program), path, url], capture_output=True, text=True, timeout=90
    )
    assert out.returncode == 0, out.stderr


def test_s3_interrupt(url: str, path: str) -> None:
    """Ctrl-C answers at once, and nothing of it is the engine's."""
    code = """
loader = Loader(far, 10)
try:
    print("ready", flush=True)
    while True:
        for _ in loader: pass
except KeyboardInterrupt:
    assert _engine.engine(TOOLS).process.poll() is None
    print(total(loader) == want)
"""
    p = rows.start(HEAD + code, path, url)
    try:
        assert p.stdout is not None and p.stdout.readline() == "ready\n"
        p.send_signal(signal.SIGINT)
        out, err = p.communicate(timeout=30)
        assert out == "True\n", err
    finally:
        p.kill()


def test_an_index_is_of_the_other_program(path: str) -> None:
    """An index may name URLs; a pattern of the local disk doesn't."""
    assert betongo._storage.program(path + "*") == ENGINE
    assert betongo._storage.program("a/index.json") == TOOLS
    assert betongo._storage.program(Path("a/index.json")) == TOOLS
    assert betongo._storage.program("gs://bucket/a.beton") == TOOLS
    ds = betongo.open(os.path.join(os.path.dirname(path), "*.beton"))
    assert np.array_equal(ds["label"], np.arange(N))


def test_the_small_one_refuses_urls(path: str) -> None:
    with _engine.Connector(ENGINE)() as c:
        with pytest.raises(ValueError, match="betongo-tools"):
            c.request({"do": "open", "paths": ["s3://bucket/a.beton"]})


def test_only_one_is_there(tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of the local disk need the small one alone; a URL says what is missing."""
    alone = tmp_path / "betongo-engine"
    shutil.copy(_engine.binary(), alone)
    monkeypatch.setenv("BETONGO_ENGINE", str(alone))
    monkeypatch.delenv("BETONGO_TOOLS", raising=False)
    code = """
assert total(Loader(near, 1000)) == want
try:
    betongo.open("s3://bucket/a.beton")
    assert False
except betongo.EngineError as e:
    assert "betongo-tools" in str(e) and "BETONGO_TOOLS" in str(e), e
"""
    run(code, path, "-", BETONGO_ENGINE=str(alone))
    monkeypatch.setenv("BETONGO_TOOLS", str(tmp_path / "none"))
    with pytest.raises(betongo.EngineError, match="BETONGO_TOOLS names .*no such file"):
        _engine.binary(TOOLS)
    monkeypatch.setenv("BETONGO_TOOLS", str(alone))
    assert _engine.binary(TOOLS) == str(alone)
    monkeypatch.delenv("BETONGO_ENGINE")
    monkeypatch.delenv("BETONGO_TOOLS")
    monkeypatch.setattr(_engine, "__file__", str(tmp_path / "_engine.py"))
    with pytest.raises(betongo.EngineError, match="no engine for .*betongo-tools"):
        _engine.binary(TOOLS)
    assert Loader(path, 1000) is not None
