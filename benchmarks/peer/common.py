"""What the peers' scripts share: the job, the marks that the harness reads its clocks by, and Pillow's crop.

    python peer_NAME.py JOB

JOB is a JSON object (see `Job`). On its standard output a script says, a line of JSON each: "versions", what
it stands on; "first", its first batch is there; "begin" and "end", what is measured lies between them. To
these two the harness answers a line when it has read the clocks of the process and of its children. What
libraries print goes to the standard error instead.
"""

from __future__ import annotations

import json
import math
import os
import random
import resource
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

SIDE = 224
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)


class Job(NamedTuple):
    """What a script is to do."""

    work: str  # epoch-rrc224-u8, …: the harness's names
    mode: str  # which of a script's systems
    photos: str  # a folder of class folders of JPEGs
    data: str  # what the system built of them: a file or a folder; of a build: where it goes
    rows: str  # a folder with x.npy, f4[n, 32], and y.npy, i8[n]
    count: int  # photographs or rows, the first ones
    draws: int  # of access at random
    workers: int
    batch: int
    seconds: float  # at least; epochs are repeated until then


job = Job(**json.loads(sys.argv[1])) if len(sys.argv) > 1 else None
_out = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)


def say(mark: str, **more: Any) -> None:
    """Tells the harness something."""
    print(json.dumps({"mark": mark, **more}), file=_out, flush=True)


def clock(mark: str, **more: Any) -> None:
    """Has the harness read its clocks, and waits until it has."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    say(mark, cpu=sum(u.ru_utime + u.ru_stime for u in used), **more)
    sys.stdin.readline()


def photos() -> list[tuple[str, int]]:
    """The photographs' paths and labels, in a fixed order that mixes the classes."""
    found = []
    for label, name in enumerate(sorted(os.listdir(job.photos))):
        folder = os.path.join(job.photos, name)
        found += [(os.path.join(folder, f), label) for f in sorted(os.listdir(folder))]
    random.Random(0).shuffle(found)
    return found[: job.count]


def read(path: str) -> bytes:
    with open(path, "rb") as f:
        return f.read()


def table() -> tuple[np.ndarray, np.ndarray]:
    """The rows, mapped: float32 (n, 32), int64 (n,)."""
    x, y = (np.load(os.path.join(job.rows, f"{name}.npy"), mmap_mode="r") for name in "xy")
    return x[: job.count], y[: job.count]


def measure(epoch: Callable[[], Iterable[Any]], size: Callable[[Any], int] = len, warm: bool = False) -> None:
    """Runs epochs until job.seconds are over and tells when. warm: one comes before that, for systems that
    compile something in the first."""
    if warm:
        for i, _ in enumerate(epoch()):
            if i == 0:
                say("first")
    clock("begin")
    began, samples, first = time.perf_counter(), 0, warm
    while True:
        for batch in epoch():
            samples += size(batch)
            if not first:
                first = True
                say("first")
        if time.perf_counter() - began >= job.seconds:
            break
    clock("end", samples=samples)


def access(get: Callable[[int], Any], n: int) -> None:
    """Times get of samples at random, each once before."""
    draw = random.Random(1)
    picks = [draw.randrange(n) for _ in range(job.draws)]
    for i in picks:
        get(i)
    say("first")
    times = []
    clock("begin")
    for i in picks:
        began = time.perf_counter_ns()
        get(i)
        times.append(time.perf_counter_ns() - began)
    clock("end", samples=len(picks))
    times.sort()
    say("latency", p50=times[len(times) // 2] / 1e9, p99=times[len(times) * 99 // 100] / 1e9)


def build(write: Callable[[], None], n: int) -> None:
    """Times the writing of a dataset of n samples."""
    clock("begin")
    write()
    clock("end", samples=n)


def main(works: dict[str, Callable[[], None]], *packages: str) -> None:
    """Does the job's work, one of works, whose names may be the beginnings of several ("epoch-").

    packages are what it stands on, for the report: names of distributions, or with their version behind a
    space."""
    from importlib.metadata import version

    stands = [p if " " in p else f"{p} {version(p)}" for p in packages] + [f"Python {sys.version.split()[0]}"]
    say("versions", text=", ".join(stands))
    for name, work in works.items():
        if job.work == name or name.endswith("-") and job.work.startswith(name):
            work()
            return
    raise SystemExit(f"no work {job.work}; there are {', '.join(works)}")


def pillow() -> str:
    """Pillow and its version, for main."""
    import PIL
    from PIL import features

    name = "Pillow-SIMD" if "post" in PIL.__version__ else "Pillow"
    return f"{name} {PIL.__version__} (libjpeg-turbo {features.version('libjpeg_turbo')})"


def box(width: int, height: int) -> tuple[int, int, int, int]:
    """RandomResizedCrop's crop, as torchvision draws it: x, y, width, height."""
    for _ in range(10):
        area = width * height * random.uniform(0.08, 1.0)
        ratio = math.exp(random.uniform(math.log(3 / 4), math.log(4 / 3)))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            return random.randint(0, width - w), random.randint(0, height - h), w, h
    side = min(width, height)
    return (width - side) // 2, (height - side) // 2, side, side


def crop(file: Any) -> np.ndarray:
    """Decodes a JPEG with Pillow, crops, resizes (bilinear, antialiased) and flips at random: uint8
    (224, 224, 3). file is its path or an open file."""
    from PIL import Image

    with Image.open(file) as image:
        x, y, w, h = box(*image.size)
        small = image.convert("RGB").resize((SIDE, SIDE), Image.BILINEAR, box=(x, y, x + w, y + h))
    pixels = np.asarray(small)
    return np.ascontiguousarray(pixels[:, ::-1]) if random.random() < 0.5 else pixels


def decode(file: Any) -> np.ndarray:
    """Decodes a JPEG with Pillow, whole: uint8 (height, width, 3)."""
    from PIL import Image

    with Image.open(file) as image:
        return np.asarray(image.convert("RGB"))


def threaded(items: Iterable[Any], work: Callable[[Any], np.ndarray]) -> Iterator[np.ndarray]:
    """Batches of work(item), by job.workers threads, some batches ahead."""
    from collections import deque
    from concurrent.futures import Future, ThreadPoolExecutor

    with ThreadPoolExecutor(job.workers) as pool:
        ahead: deque[Future[np.ndarray]] = deque()

        def batch() -> np.ndarray:
            return np.stack([ahead.popleft().result() for _ in range(min(job.batch, len(ahead)))])

        for item in items:
            ahead.append(pool.submit(work, item))
            if len(ahead) >= 3 * job.batch:
                yield batch()
        while ahead:
            yield batch()


def order(n: int) -> np.ndarray:
    """A random order of n numbers."""
    return np.random.default_rng().permutation(n)


def slices(order: np.ndarray) -> Iterator[np.ndarray]:
    """An order's batches."""
    for at in range(0, len(order), job.batch):
        yield order[at : at + job.batch]


def shuffled(items: Sequence[Any]) -> list[Any]:
    return random.sample(items, len(items))
