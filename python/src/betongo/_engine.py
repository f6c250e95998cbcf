"""The engine: the process beside this one that reads, decodes and batches.

There are two programs for it, which speak the same: a small one for files of the local disk (ENGINE), and one
that knows object stores too, and what else is done beside loading (TOOLS). Each is started when it is first
needed, one of each for a process; forked and spawned children (DataLoader's workers) use their parent's. They
end when their client has ended, however that happened.
"""

from __future__ import annotations

import atexit
import os
import platform
import signal
import socket
import sys
import threading
import weakref
from array import array
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ._wire import PROTOCOL, Connection
from .errors import EngineError

if TYPE_CHECKING:
    import subprocess

__all__ = ["ENGINE", "TOOLS", "Connector", "Engine", "binary", "engine", "shutdown", "start"]

ENGINE = "betongo-engine"
"""The program for files of the local disk."""
TOOLS = "betongo-tools"
"""The program that knows object stores too."""


def binary(program: str = ENGINE) -> str:
    """Returns a program's path: BETONGO_ENGINE and BETONGO_TOOLS where these are set, the latter else beside
    the former, else those in the package.

    Raises EngineError that says what to do where there is none.
    """
    variable = "BETONGO_TOOLS" if program == TOOLS else "BETONGO_ENGINE"
    given = os.environ.get(variable)
    if given:
        if not os.path.isfile(given):
            raise EngineError(f"{variable} names {given!r}, and there is no such file")
        return os.path.abspath(given)
    beside = os.environ.get("BETONGO_ENGINE")
    if beside:
        path = Path(os.path.abspath(beside)).parent / program
        if not path.is_file():
            raise EngineError(
                f"URLs and indexes are {program}'s, and beside what BETONGO_ENGINE names there is none "
                f"({path} is missing): put it there, or set {variable}"
            )
        return str(path)
    path = Path(__file__).parent / "_bin" / program
    if not path.is_file():
        raise EngineError(
            f"this installation of betongo has no engine for {sys.platform} on {platform.machine()} "
            f"({path} is missing): install a wheel for this platform, or build one with Go "
            f"(https://go.dev/dl) by `pip install ./python` in a clone, or set {variable} to the path of "
            f"a {program}; betongo.open reads files without one"
        )
    return str(path)


class Engine:
    """A running engine. connect may be called by any thread, and by forked children."""

    def __init__(
        self, door: socket.socket, process: subprocess.Popen[bytes] | None, log: IO[bytes] | None
    ) -> None:
        self.owner = os.getpid()
        self.door = door
        self.process = process  # None: of the parent that this process was spawned by
        self._log = log
        self._lost: tuple[str, int | None, str] | None = None  # how it ended: message, status, log
        self._connections: weakref.WeakSet[Connection] = weakref.WeakSet()

    def connect(self) -> Connection:
        """Returns a new connection, on which both sides have told their versions. Raises EngineError."""
        if self._lost is not None:
            raise self.dead()
        mine, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            try:
                rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", [its.fileno()]))]
                self.door.sendmsg([b"c"], rights)
            finally:
                its.close()
            c = Connection(mine, self.dead)
        except OSError:
            mine.close()
            raise self.dead() from None
        from . import __version__

        hello = {"do": "hello", "protocol": PROTOCOL, "version": __version__, "pid": os.getpid()}
        c.hello = c.request(hello)[0].get("ok", {})
        if c.hello.get("protocol") != PROTOCOL:
            c.close()
            raise EngineError(
                f"the engine speaks protocol {c.hello.get('protocol')} (version {c.hello.get('version')}), "
                f"this package {PROTOCOL} (version {__version__}): they are of different installations"
            )
        self._connections.add(c)
        return c

    @property
    def lost(self) -> bool:
        """Whether the engine is known to have ended."""
        if (
            self._lost is None
            and self._mine()
            and self.process is not None
            and self.process.poll() is not None
        ):
            self.dead()
        return self._lost is not None

    def _mine(self) -> bool:
        return self.owner == os.getpid()

    def dead(self) -> EngineError:
        """Returns the error that tells how the engine ended; from now on lost is true, if it did."""
        if self._lost is None:
            self._lost = self._end()
        if self._lost is None:
            return EngineError("the engine closed the connection")
        message, status, log = self._lost
        return EngineError(message, status=status, log=log)

    def _end(self) -> tuple[str, int | None, str] | None:
        """Waits a moment for the engine's end, and returns how it ended."""
        if self.process is None or not self._mine():
            return (
                ("the engine, which another process had started, has ended", None, "")
                if self._hung_up()
                else None
            )
        status = self._wait(1)
        if status is None:
            return None
        log = self._tail()
        if status < 0:
            how = f"was killed by signal {-status} ({_signal(-status)})"
        else:
            how = f"ended with exit status {status}"
        said = f":\n{log}" if log else ""
        return f"the engine {how}{said}{_limits()}", status, log

    def _hung_up(self) -> bool:
        """Whether the other end of the door is closed, or will be in a moment."""
        import select

        p = select.poll()
        p.register(self.door.fileno(), select.POLLIN)
        return bool(p.poll(1000))

    def _wait(self, seconds: float) -> int | None:
        import subprocess

        assert self.process is not None
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def _tail(self) -> str:
        """The last lines that the engine wrote to its standard error, or the first ones of what was fatal."""
        if self._log is None:
            return ""
        try:
            end = self._log.seek(0, os.SEEK_END)
            self._log.seek(max(0, end - (256 << 10)))
            text = self._log.read().decode("utf-8", "replace")
        except (OSError, ValueError):
            return ""
        lines = [line for line in text.splitlines() if line.strip()]
        for i, line in enumerate(lines):
            if line.startswith(_fatal):
                return "\n".join(lines[i : i + 8])
        return "\n".join(lines[-8:])

    def close(self) -> None:
        """Ends the engine, with all that is done for its connections, and waits for it. Again is no error."""
        if self._lost is None:
            self._lost = ("the engine was shut down", None, "")
        if not self._mine() or self.process is None:
            self.door.close()
            return
        for c in list(self._connections):
            c.close("the engine was shut down")
        try:
            self.door.shutdown(socket.SHUT_RDWR)  # children may have it too
        except OSError:
            pass
        self.door.close()
        if self.process.poll() is None:
            self.process.terminate()
            if self._wait(3) is None:
                self.process.kill()
                self._wait(3)
        if self._log is not None:
            self._log.close()


_fatal = ("panic:", "fatal error:", "runtime:", "runtime/", "SIG")  # how the last words of a Go program begin


def _limits() -> str:
    """What may be the matter when an engine can't go on: a limit on address space, most of which Go only
    reserves."""
    import resource

    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY:
        return ""
    return (
        f"\nthe address space of this process and of the engine is limited to {limit >> 20} MiB (ulimit -v); "
        "the engine needs about 1000 MiB and the batches' memory, most of it only reserved"
    )


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"


def start(program: str) -> Engine:
    """Starts an engine that is the caller's, who closes it."""
    import subprocess

    path = binary(program)
    door, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    log = _scratch()
    try:
        process = subprocess.Popen(
            [path, "--door", str(its.fileno()), "--parent", str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            pass_fds=(its.fileno(),),
            start_new_session=True,  # Ctrl-C in a terminal is for Python to answer
        )
    except OSError as e:
        door.close()
        log.close()
        hint = " (it is no program for this machine)" if e.errno == 8 else ""
        raise EngineError(f"the engine {path} can't be started: {e.strerror}{hint}") from e
    finally:
        its.close()
    return Engine(door, process, log)


def _scratch() -> IO[bytes]:
    """A file without a name, for the engine's standard error: a pipe would want a thread to empty it."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("betongo-log"), "w+b", buffering=0)
    import tempfile

    return tempfile.TemporaryFile(buffering=0)


_lock = threading.Lock()
_engines: dict[str, Engine] = {}  # by program


def engine(program: str = ENGINE) -> Engine:
    """Returns this process's engine, started when there is none yet or when it has ended. By any thread.

    A child uses the engine of the parent that it was forked from, or that its loader was pickled by.
    """
    with _lock:
        e = _engines.get(program)
        if e is None or e.lost:
            if e is not None:
                e.close()
                del _engines[program]
            e = _engines[program] = start(program)
        return e


def shutdown() -> None:
    """Ends this process's engines, if it has any; what still uses them raises EngineError. The next use
    starts another."""
    with _lock:
        running = list(_engines.values())
        _engines.clear()
    for e in running:
        e.close()


class Connector:
    """Makes connections to the process's engine of a program. It can be pickled.

    Pickled for a child that is being spawned, it brings the engine of this process along; anywhere else it is
    one for the process that unpickles it.
    """

    def __init__(self, program: str = ENGINE) -> None:
        self.program = program

    def __call__(self) -> Connection:
        """Returns a new connection; an engine that had ended unnoticed is replaced, once."""
        e = engine(self.program)
        try:
            return e.connect()
        except EngineError:
            if not e.lost:
                raise
        return engine(self.program).connect()

    def __reduce__(self) -> tuple[Any, ...]:
        from multiprocessing import context, reduction

        child = context.get_spawning_popen()  # type: ignore[no-untyped-call]
        if child is None:
            return Connector, (self.program,)
        doors = _doors.setdefault(child, {})
        if self.program not in doors:  # a child is given a descriptor once
            doors[self.program] = reduction.DupFd(engine(self.program).door.fileno())
        return _join, (self.program, doors[self.program])


_doors: weakref.WeakKeyDictionary[Any, dict[str, Any]] = weakref.WeakKeyDictionary()


def _join(program: str, door: Any) -> Connector:
    """In a spawned child: takes the parent's engine for its own, unless it has one."""
    fd = door.detach()
    with _lock:
        mine = _engines.get(program)
        if mine is None:
            _engines[program] = Engine(socket.socket(fileno=fd), None, None)
            os.set_inheritable(fd, False)
        elif mine.door.fileno() != fd:
            os.close(fd)
    return Connector(program)


def _forked() -> None:
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_forked)
atexit.register(shutdown)
