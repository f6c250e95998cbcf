"""The real engine and clients that end badly, fork, keep everything, or are short of something."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import rows

import betongo
from betongo import _engine, _stream
from betongo._engine import Connector
from betongo._stream import LoaderStream

pytestmark = pytest.mark.usefixtures("engine")

N = 200_000

# What client scripts begin with; the file's path is their first argument.
HEAD = """
import os, signal, sys, time
import numpy as np
import betongo
from betongo import _engine
from betongo._engine import Connector
from betongo._stream import LoaderStream
import rows
path = sys.argv[1]
def stream(batch=1000, **more):
    return LoaderStream(Connector(), rows.spec(path, batch, **more))
def check(slots, batch=1000):
    n = 0
    for b in slots:
        assert (b.columns[0].array[:, 0] == b.ids).all() and (b.columns[1].array[:, 0] == b.ids / 2).all()
        n += len(b)
    return n
def say(*what):
    print(*what, flush=True)
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    return rows.write_rows(tmp_path_factory.mktemp("rows") / "rows.beton", N)


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    before = rows.leftovers()
    yield
    assert rows.leftovers() - before == set()


def stream(path: str, batch: int = 1000, **more: Any) -> LoaderStream:
    return LoaderStream(Connector(), rows.spec(path, batch, **more))


def count(slots: Any) -> int:
    n = 0
    for b in slots:
        assert (b.columns[0].array[:, 0] == b.ids).all() and (b.columns[1].array[:, 0] == b.ids / 2).all()
        n += len(b)
    return n


def test_epochs(path: str) -> None:
    with stream(path, 1024, order={"name": "random"}, seed=3) as s:
        first = [b.ids[0] for b in s.epoch(0)]
        assert count(s.epoch(1)) == N and [b.ids[0] for b in s.epoch(0)] == first
        assert count([s.get([5, 1, N - 1])]) == 3
        assert s.batches == len(first) == -(-N // 1024)


def test_state_within_an_epoch(path: str) -> None:
    """A state is told between batches; what is wrong with the question is no matter for the epoch."""
    with stream(path, 1000, order={"name": "random"}, seed=1) as s:
        ids = [b.ids.tolist() for b in s.epoch(2)]
        epoch = s.epoch(2)
        head = [next(epoch).ids.tolist() for _ in range(3)]
        state = s.state(2, 3)
        with pytest.raises((ValueError, betongo.StateError), match="201|200"):
            s.state(2, 201)
        assert head + [b.ids.tolist() for b in epoch] == ids
    with stream(path, 1000, order={"name": "random"}, seed=1, state=state) as s:
        assert [b.ids.tolist() for b in s.epoch(2)] == ids[3:]


# Endings


@pytest.mark.parametrize(
    "ending", ["os.kill(os.getpid(), signal.SIGKILL)", "os._exit(3)", "os.abort()", "sys.exit(0)", ""]
)
def test_the_engine_ends_with_its_client(path: str, ending: str) -> None:
    before = rows.leftovers()
    p = rows.start(
        HEAD + "s = stream()\nit = s.epoch(0)\nb = next(it)\nsay(_engine.engine().process.pid)\n" + ending,
        path,
    )
    assert p.stdout is not None and p.stderr is not None
    pid = int(p.stdout.readline())
    p.wait(10)
    assert rows.gone(pid, 1), "the engine goes on"
    p.stdout.close()
    p.stderr.close()
    assert rows.leftovers() == before


def test_children_do_not_keep_the_engine(path: str) -> None:
    """The client is killed while a forked child of it, that has all its sockets, goes on."""
    code = """
s = stream()
it = s.epoch(0)
b = next(it)
r, w = os.pipe()
if os.fork() == 0:
    time.sleep(20)
    os._exit(0)
say(_engine.engine().process.pid)
time.sleep(20)
"""
    p = rows.start(HEAD + code, path)
    assert p.stdout is not None and p.stderr is not None
    pid = int(p.stdout.readline())
    p.kill()
    p.wait(10)
    assert rows.gone(pid, 1)
    p.stdout.close()
    p.stderr.close()
    os.killpg(p.pid, signal.SIGKILL)


def test_closing_closes(path: str) -> None:
    """close ends the loader at the engine, even where a forked child has the socket too."""
    s = stream(path)
    assert count(s.epoch(0)) == N
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        time.sleep(20)
        os._exit(0)
    try:
        fds = descriptors(_engine.engine().process.pid)  # type: ignore[union-attr]
        s.close()
        deadline = time.monotonic() + 2
        while descriptors(_engine.engine().process.pid) >= fds and sys.platform == "linux":  # type: ignore[union-attr]
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_dead_engine_is_an_exception(path: str, number: int) -> None:
    s = stream(path)
    epoch = s.epoch(0)
    kept = [next(epoch), next(epoch)]
    before = _engine.engine()
    assert before.process is not None
    os.kill(before.process.pid, number)
    start = time.monotonic()
    # Until it has ended it goes on sending, and might come to the epoch's end.
    os.waitid(os.P_PID, before.process.pid, os.WEXITED | os.WNOWAIT)
    with pytest.raises(betongo.EngineError) as caught:
        for b in epoch:
            kept.append(b)
    assert time.monotonic() - start < 3
    if number == signal.SIGKILL:
        assert caught.value.status == -number and "SIGKILL" in str(caught.value)
    with pytest.raises(StopIteration):
        next(epoch)
    assert count(kept) == 1000 * len(kept)
    # What is asked for next is answered by another engine.
    assert count(s.epoch(0)) == N
    assert _engine.engine() is not before and not rows.alive(before.process.pid)


def test_shutdown(path: str) -> None:
    s = stream(path)
    b = next(s.epoch(0))
    process = _engine.engine().process
    _engine.shutdown()
    assert process is not None and process.returncode is not None
    assert count([b]) == 1000
    assert count(s.epoch(0)) == N


# Interrupts


def test_ctrl_c(path: str) -> None:
    code = (
        """
s = stream()
say("ready")
try:
    while True:
        check(s.epoch(0))
except KeyboardInterrupt:
    say("interrupted", time.monotonic())
assert check(s.epoch(1)) == %d
say(_engine.engine().process.poll())
"""
        % N
    )
    p = rows.start(HEAD + code, path)
    assert p.stdout is not None
    p.stdout.readline()
    time.sleep(0.3)
    start = time.monotonic()
    p.send_signal(signal.SIGINT)
    out, err = p.communicate(timeout=20)
    assert p.returncode == 0, err
    assert float(out.split()[1]) - start < 0.5
    assert out.split()[2] == "None"  # the engine went on


def test_many_interrupts(path: str) -> None:
    """Interrupts at any point of an epoch: the next one is whole."""
    s = stream(path, 100)
    assert count(s.epoch(0)) == N
    me = threading.get_ident()

    class Interrupted(Exception):
        pass

    armed = False

    def handler(*_: object) -> None:
        if armed:
            raise Interrupted

    done = threading.Event()

    def shoot() -> None:
        k = 0
        while not done.wait(0.001 + k % 17 / 3000):
            signal.pthread_kill(me, signal.SIGUSR1)
            k += 1

    old = signal.signal(signal.SIGUSR1, handler)
    t = threading.Thread(target=shoot)
    t.start()
    interrupts = 0
    try:
        for e in range(60):
            try:
                armed = True
                for _ in s.epoch(e):
                    pass
                armed = False
            except Interrupted:
                armed = False
                interrupts += 1
            armed = False
    finally:
        armed = False
        done.set()
        t.join()
        signal.signal(signal.SIGUSR1, old)
    assert interrupts > 5
    assert count(s.epoch(0)) == N


# Processes


FORK = """
s = stream()
assert check(s.epoch(0)) == %d
mine = _engine.engine()
it = s.epoch(1)
b = next(it)
pids = []
for k in range(4):
    pid = os.fork()
    if pid == 0:
        try:
            try:
                next(it)
                os._exit(2)
            except betongo.EngineError as e:
                assert "belongs to process" in str(e), e
            assert check(s.epoch(k)) == %d and check(s.epoch(k + 1)) == %d
            assert _engine.engine() is mine
            del b, it, s
            os._exit(0)
        except BaseException as e:
            print(repr(e), file=sys.stderr)
            os._exit(1)
    pids.append(pid)
assert check(it) == %d
for pid in pids:
    assert os.waitpid(pid, 0)[1] == 0
assert check(s.epoch(2)) == %d and _engine.engine() is mine
""" % (N, N, N, N - 1000, N)


def test_fork(path: str) -> None:
    rows.run(HEAD + FORK, path)


def test_fork_without_an_engine_yet(path: str) -> None:
    code = """
pid = os.fork()
s = stream()
assert check(s.epoch(0)) == %d
if pid:
    assert os.waitpid(pid, 0)[1] == 0
    assert check(s.epoch(0)) == %d
""" % (N, N)
    rows.run(HEAD + code, path)


SPAWN = """
import multiprocessing, pickle
def child(s, engine, queue):
    n = check(s.epoch(1))
    queue.put((n, s._last.conn.hello["pid"]))
if __name__ == "__main__":
    s = pickle.loads(pickle.dumps(stream()))
    assert check(s.epoch(0)) == %d
    for method in ("spawn", "forkserver"):
        context = multiprocessing.get_context(method)
        queue = context.SimpleQueue()
        ps = [context.Process(target=child, args=(s, Connector(), queue)) for _ in range(2)]
        for p in ps:
            p.start()
        for p in ps:
            n, pid = queue.get()
            assert n == %d and pid == _engine.engine().process.pid, (n, pid)
        for p in ps:
            p.join()
            assert p.exitcode == 0
    say("ok")
""" % (N, N)


def test_spawn(path: str, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(HEAD + SPAWN)
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]),
    }
    done = subprocess.run(
        [sys.executable, str(script), path], env=env, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0 and "ok" in done.stdout, done.stderr


def test_threads(path: str) -> None:
    """Threads of one process share the engine, and a stream too."""
    shared = stream(path, 500)
    problems: list[BaseException] = []

    def work(k: int) -> None:
        try:
            own = stream(path, 100 + k, seed=k, order={"name": "random"})
            for e in range(3):
                assert count(own.epoch(e)) == N
                assert count(shared.epoch(e)) == N
                assert count([shared.get([k, k + 1])]) == 2
                shared.state(e, 3)
        except BaseException as e:
            problems.append(e)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(60)
    assert not problems and not any(t.is_alive() for t in threads)


# Memory


def test_list_of_everything(path: str) -> None:
    s = stream(path, 100)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        kept = list(s.epoch(0))
    assert len(kept) == N // 100 > 2 * _stream.TOO_MANY
    assert len([w for w in caught if "batches are in use" in str(w.message)]) == 1
    for e in (1, 2):
        for b in s.epoch(e):
            b.columns[0].array[:] = -1
    assert count(kept) == N
    s.close()
    _engine.shutdown()
    assert count(kept) == N


def test_views_outlive_everything(path: str) -> None:
    s = stream(path)
    it = s.epoch(0)
    view = next(it).columns[1].array[10:20:3, 0]
    s.close()
    with pytest.raises((betongo.EngineError, StopIteration)):
        for _ in range(100):
            next(it)
    del it, s
    _engine.shutdown()
    assert view.tolist() == [5, 6.5, 8, 9.5]
    view[:] = 1


def descriptors(pid: int | str = "self") -> int:
    return len(os.listdir(f"/proc/{pid}/fd")) if sys.platform == "linux" else 0


def resident(pid: int | str = "self") -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) << 10
    return 0


def maps(pid: int | str = "self") -> int:
    return sum("memfd:" in line for line in Path(f"/proc/{pid}/maps").read_text().splitlines())


@pytest.mark.skipif(sys.platform != "linux", reason="it looks into /proc")
def test_open_and_abandon(path: str) -> None:
    """50 cycles of opening a loader and leaving it in the middle of an epoch, closed or not."""
    engine = _engine.engine().process
    assert engine is not None
    gc.collect()  # errors of other tests hold their frames

    def settle() -> dict[str, int]:
        deadline, last = time.monotonic() + 2, {}
        while time.monotonic() < deadline:
            now = {
                "descriptors": descriptors(),
                "engine's descriptors": descriptors(engine.pid),
                "threads": len(os.listdir("/proc/self/task")),
                "maps": maps(),
                "engine's maps": maps(engine.pid),
            }
            if now == last:
                break
            last = now
            time.sleep(0.2)
        return last

    sizes: list[tuple[int, int]] = []
    before: dict[str, int] = {}
    for k in range(60):
        s = stream(path, 500 + k, workers=2)
        it = s.epoch(k)
        for _, b in zip(range(k % 4), it):
            assert len(b) == 500 + k
        if k % 2:
            s.close()
        s = it = b = None  # type: ignore[assignment]
        if k in (9, 59):
            sizes.append((resident(), resident(engine.pid)))
            if k == 9:
                before = settle()
    after = settle()
    assert all(after[name] <= before[name] + 1 for name in after), (before, after)
    assert after["maps"] <= before["maps"] and after["engine's maps"] == 0, (before, after)
    for was, now in zip(*sizes):
        assert now - was < 32 << 20, sizes


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not keep to RLIMIT_AS")
@pytest.mark.parametrize("limit", [4 << 30, 2 << 30, 1 << 30, 700 << 20, 500 << 20, 400 << 20])
def test_a_limit_of_address_space(path: str, limit: int) -> None:
    """Under ulimit -v it works, or a clear error says what is missing; it never hangs."""
    code = f"""
import resource
resource.setrlimit(resource.RLIMIT_AS, ({limit}, {limit}))
try:
    assert check(stream(20000).epoch(0)) == {N}
    say("works")
except (betongo.Error, MemoryError, OSError) as e:
    say("clear", type(e).__name__, str(e)[:2000])
"""
    out = rows.run(HEAD + code, path, OPENBLAS_NUM_THREADS="1")
    assert out.startswith(("works", "clear")), out
    if limit >= 1 << 30:
        assert out.startswith("works"), out
    elif out.startswith("clear"):
        assert any(word in out for word in ("memory", "space", "room")), out


# What is missing or does not fit


def test_another_protocol(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_engine, "PROTOCOL", 99)
    with pytest.raises(betongo.EngineError, match="99.*1|1.*99") as caught:
        Connector()()
    assert betongo.__version__ in str(caught.value)
    monkeypatch.undo()
    Connector()().close()


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda p: None, "no such file"),
        (lambda p: p.write_text("no program"), "can't be started"),
        (lambda p: (p.write_bytes(b"\x7fELFnonsense"), p.chmod(0o755)), "no program for this machine"),
        (
            lambda p: (p.write_text("#!/bin/sh\necho it went wrong >&2\nexit 7\n"), p.chmod(0o755)),
            "status 7.*\n?.*it went wrong",
        ),
    ],
)
def test_a_wrong_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Any, what: str) -> None:
    engine = tmp_path / "engine"
    make(engine)
    monkeypatch.setenv("BETONGO_ENGINE", str(engine))
    _engine.shutdown()
    with pytest.raises(betongo.EngineError, match=what):
        Connector()()
    monkeypatch.undo()
    Connector()().close()


def test_no_engine_for_the_platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BETONGO_ENGINE", raising=False)
    monkeypatch.setattr(_engine, "__file__", str(tmp_path / "_engine.py"))
    with pytest.raises(betongo.EngineError, match=f"no engine for {sys.platform}.*BETONGO_ENGINE"):
        _engine.binary()


def test_importing_is_light() -> None:
    out = rows.run(
        "import sys, betongo\nprint([m for m in ('numpy', 'torch', 'numba', 'subprocess') if m in sys.modules])"
    )
    assert out.strip() == "[]"


@pytest.mark.parametrize(
    ("change", "error", "what"),
    [
        ({"paths": ["/no/such.beton"]}, FileNotFoundError, "such.beton"),
        ({"paths": [__file__]}, betongo.FormatError, "test_robust.py"),
        ({"batch_size": -1}, ValueError, "-1"),
        ({"order": {"name": "randon"}}, ValueError, "random"),
        ({"nonsense": 1}, ValueError, "nonsense"),
        ({"outputs": [{"name": "a", "field": "lable"}]}, ValueError, "label"),
        (
            {"outputs": [{"name": "a", "field": "label", "ops": [{"op": "Normalise"}]}]},
            ValueError,
            "Normalize",
        ),
        ({"state": {"version": 1}}, betongo.StateError, ""),
    ],
)
def test_what_a_loader_is_not_made_of(path: str, change: dict[str, Any], error: type, what: str) -> None:
    with pytest.raises(error) as caught:
        LoaderStream(Connector(), {**rows.spec(path, 10), **change})
    assert what in str(caught.value)


# torch


def test_torch_data_loader(path: str) -> None:
    pytest.importorskip("torch")
    script = Path(__file__).parent / "torch_workers.py"
    for method in ("fork", "spawn"):
        done = subprocess.run(
            [sys.executable, str(script), path, method], capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0 and f"{N} samples" in done.stdout, done.stderr
