"""A thread that works ahead of the loop."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Generator
from typing import Any, Generic, TypeVar

from .._warn import Warned, catch, warn

__all__ = ["Ahead"]

T = TypeVar("T")


class Ahead(Generic[T]):
    """Runs a generator in a thread, up to depth items ahead of next().

    close ends the thread, after the item that it is at, and waits for it; the generator is closed by the
    thread. What the generator raises comes out of next() behind the items before it.
    """

    def __init__(self, items: Generator[T, None, None], depth: int) -> None:
        self._shared = _Shared(max(depth, 1))
        self._owner = os.getpid()
        self._thread = threading.Thread(
            target=_work, args=(items, self._shared), name="betongo loader", daemon=True
        )
        self._thread.start()

    def __iter__(self) -> Ahead[T]:
        return self

    def __next__(self) -> T:
        if os.getpid() != self._owner:
            raise RuntimeError(
                "this iteration is of the process that this one was forked from: begin another"
            )
        s = self._shared
        with s.change:
            while not s.items and not s.done:
                s.change.wait()
            came = [s.items.popleft()] if s.items else []
            s.change.notify_all()
            error = s.error
            if not came:
                s.error = None
        while s.warned:
            warn(*s.warned.popleft())
        if came:
            item: T = came.pop()
            return item
        self._thread.join()
        if error is not None:
            raise error
        raise StopIteration

    def close(self) -> None:
        if os.getpid() != self._owner:  # a forked child has no such thread
            return
        s = self._shared
        with s.change:
            s.stop = True
            s.items.clear()
            s.change.notify_all()
        if self._thread is not threading.current_thread():
            self._thread.join()


class _Shared:
    """What the thread and its owner both see; the thread doesn't know its owner, who may die."""

    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.items: deque[Any] = deque()
        self.change = threading.Condition()
        self.stop = False
        self.done = False
        self.error: BaseException | None = None
        self.warned: Warned = deque()  # what the thread had to warn of


def _work(items: Generator[Any, None, None], s: _Shared) -> None:
    error: BaseException | None = None
    catch(s.warned)
    try:
        for item in items:
            with s.change:
                while len(s.items) >= s.depth and not s.stop:
                    s.change.wait()
                if s.stop:
                    break
                s.items.append(item)
                s.change.notify_all()
            item = None  # its memory is the loop's now
    except BaseException as e:
        error = e
    try:
        items.close()
    except BaseException as e:
        error = error or e
    with s.change:
        s.error, s.done = error, True
        s.change.notify_all()
