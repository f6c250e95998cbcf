"""Loads the same files with FFCV, with betongo's Python package and with its Go loader, in turns, and prints
tables for docs/python-benchmarks.md:

    python benchmarks/python/compare.py --python ~/ffcv-venv/bin/python --photos ~/train

--python is an interpreter that can import ffcv; betongo is loaded in the same one, from this clone. It needs
Linux and Go. All sides run one after another, round by round, so that what disturbs the machine disturbs all;
figures are medians of the rounds, those of a round medians of the epochs after the first, and ratios medians
of the rounds' ratios. CPU is user and system time of all processes; PSS is that of all processes together,
the mapped file's share included.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent

WRITE = """
import sys
import numpy as np
import betongo
from betongo.fields import BytesField, IntField, NDArrayField, RGBImageField
kind, path, n = sys.argv[1], sys.argv[2], int(sys.argv[3])
rng = np.random.default_rng(1)
if kind == "rows":
    x = rng.standard_normal((n, 32), np.float32)
    fields = {"x": NDArrayField(np.dtype("<f4"), (32,)), "label": IntField()}
elif kind == "bytes":
    x = [rng.integers(0, 256, size, np.uint8) for size in rng.integers(1 << 10, 64 << 10, n)]
    fields = {"x": BytesField(), "label": IntField()}
else:
    x = rng.integers(0, 256, (n, 32, 32, 3), np.uint8)
    fields = {"image": RGBImageField(write_mode="raw"), "label": IntField()}
class Data:
    def __len__(self):
        return n
    def __getitem__(self, i):
        return x[i], i % 10
betongo.DatasetWriter(path, fields).from_indexed_dataset(Data())
"""


class Work(NamedTuple):
    """What is loaded: by all sides the same."""

    name: str
    file: Path
    pipeline: str
    order: str
    batch: int
    epochs: int


class Result(NamedTuple):
    """What one side took: seconds, and MiB."""

    cpu: float  # a sample
    own: float  # of cpu, in the Python process
    wall: float  # a sample
    first: float  # batch, from the process's start
    pss: float


class Bench:
    """Runs the sides."""

    def __init__(self, args: argparse.Namespace, folder: Path) -> None:
        self.args, self.folder = args, folder
        self.env = {
            **os.environ,
            "PYTHONPATH": str(ROOT / "python" / "src"),
            "BETONGO_ENGINE": str(folder / "betongo-engine"),
        }
        for name in ("ffcv", "betongo-engine"):
            build = [
                "go",
                "build",
                "-trimpath",
                "-ldflags",
                "-s -w",
                "-o",
                str(folder / name),
                f"./cmd/{name}",
            ]
            subprocess.run(build, cwd=ROOT, env={**os.environ, "CGO_ENABLED": "0"}, check=True)

    def works(self) -> list[Work]:
        """Writes the files and returns what is to be loaded."""
        a, works = self.args, []
        if a.rows:
            file = self.write("rows", a.rows)
            works += [
                Work(f"{a.rows:,} rows f4[32] + label, {o}", file, "rows", o, 2048, a.epochs)
                for o in ("sequential", "random")
            ]
        if a.bytes:
            file = self.write("bytes", a.bytes)
            name = f"{a.bytes:,} values of 1 to 64 KiB, {{}}"
            works += [Work(name.format(o), file, "bytes", o, 256, a.epochs) for o in ("sequential", "random")]
        if a.small:
            file = self.write("small", a.small)
            works += [
                Work(f"{a.small:,} images of 32x32, {p}", file, p, "random", 512, a.epochs)
                for p in ("cifar", "cifarf32")
            ]
        if a.photos:
            few = max(2, a.epochs // 2)
            jpg, raw = self.photos("jpg", 500), self.photos("raw", 256)
            works += [
                Work(f"photos of at most 500 px, {p}", jpg, p, "random", a.batch, few)
                for p in ("rrc224", "rrc224f32", "cc224")
            ]
            works.append(Work("raw images of at most 256 px, rrc224", raw, "rrc224", "random", a.batch, few))
        return works

    def write(self, kind: str, n: int) -> Path:
        path = self.folder / f"{kind}{n}.beton"
        if not path.exists():
            subprocess.run(
                [self.args.python, "-c", WRITE, kind, str(path), str(n)],
                env=self.env,
                cwd=self.folder,
                check=True,
            )
        return path

    def photos(self, mode: str, resolution: int) -> Path:
        path = self.folder / f"{mode}{resolution}.beton"
        if not path.exists():
            script = HERE.parent / "compare" / "ffcv_write.py"
            command = [
                self.args.python,
                script,
                os.path.abspath(self.args.photos),
                path,
                mode,
                str(resolution),
                "2",
            ]
            subprocess.run(
                command, cwd=self.folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
        return path

    def run(self, side: str, w: Work) -> Result:
        """Runs one side once."""
        a = self.args
        if side == "go":
            pipeline = "raw" if w.pipeline in ("rows", "bytes") else w.pipeline
            command = [
                str(self.folder / "ffcv"),
                "bench",
                str(w.file),
                "--json",
                "--pipeline",
                pipeline,
                "--order",
                w.order,
            ]
            command += ["--batch", str(w.batch), "--epochs", str(w.epochs), "--workers", str(a.workers)]
        else:
            command = [a.python, str(HERE / "load.py"), side, str(w.file), w.pipeline, w.order]
            command += [str(w.batch), str(w.epochs), str(a.workers)]
        with tempfile.TemporaryFile("w+") as errors:
            env = {**self.env, "START": repr(time.time())}
            if side == "ffcv":
                del env["PYTHONPATH"]
            p = subprocess.Popen(
                command, cwd=self.folder, env=env, stdout=subprocess.PIPE, stderr=errors, text=True
            )
            watch = Watch(p.pid)
            out = p.communicate()[0]
            peak = watch.end()
            if p.returncode != 0:
                errors.seek(0)
                raise SystemExit(f"{' '.join(command)}: exit status {p.returncode}\n{errors.read()}")
        said = json.loads(out.strip().splitlines()[-1])
        hot = said["epochs"][1:]

        def per(key: str) -> float:
            return statistics.median(e.get(key, 0) / e["samples"] for e in hot)

        return Result(per("cpu_s"), per("own_s"), per("wall_s"), said["start_to_first_batch_s"], peak)


class Watch:
    """Notes the most memory of a process and its children."""

    def __init__(self, pid: int) -> None:
        self.peak = 0.0
        self._pid = pid
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def end(self) -> float:
        """Returns the peak, in MiB."""
        self._done.set()
        self._thread.join()
        return self.peak

    def _run(self) -> None:
        while not self._done.wait(0.1):
            self.peak = max(self.peak, sum(map(pss, family(self._pid))))


def family(pid: int) -> list[int]:
    """The process and its children, theirs too."""
    found = [pid]
    for parent in found:
        try:
            for task in os.listdir(f"/proc/{parent}/task"):
                found += map(int, Path(f"/proc/{parent}/task/{task}/children").read_text().split())
        except OSError:
            pass
    return found


def pss(pid: int) -> float:
    """A process's proportional share of memory, in MiB."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0.0


def seconds(s: float) -> str:
    """A duration with four digits or so."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if s >= size:
            return f"{s / size:.4g} {unit}"
    return f"{s * 1e9:.3g} ns"


def mid(rounds: list[dict[str, Result]], get: Any) -> float:
    return statistics.median(map(get, rounds))


def spread(rounds: list[dict[str, Result]], a: str, b: str) -> str:
    ratios = [r[a].cpu / r[b].cpu for r in rounds]
    return f"**{statistics.median(ratios):.3f}** ({min(ratios):.3f} to {max(ratios):.3f})"


def tables(done: list[tuple[Work, list[dict[str, Result]]]]) -> str:
    """The tables, in Markdown."""
    lines = [
        "| loading | CPU a sample: FFCV | betongo | of it in Python | Go alone | betongo : FFCV (rounds) "
        "| betongo : Go | samples/s: FFCV | betongo | Go |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for w, rounds in done:
        row = [
            w.name,
            seconds(mid(rounds, lambda r: r["ffcv"].cpu)),
            seconds(mid(rounds, lambda r: r["betongo"].cpu)),
        ]
        row += [seconds(mid(rounds, lambda r: r["betongo"].own)), seconds(mid(rounds, lambda r: r["go"].cpu))]
        row += [spread(rounds, "betongo", "ffcv"), spread(rounds, "betongo", "go")]
        row += [f"{1 / mid(rounds, lambda r, s=s: r[s].wall):,.0f}" for s in ("ffcv", "betongo", "go")]
        lines.append(f"| {' | '.join(row)} |")
    lines += [
        "",
        "| starting | first batch from process start: FFCV | betongo | Go "
        "| peak PSS, all processes: FFCV | betongo | Go |",
        "|---|---|---|---|---|---|---|",
    ]
    for w, rounds in done:
        row = [w.name] + [
            f"{mid(rounds, lambda r, s=s: r[s].first):.2f} s" for s in ("ffcv", "betongo", "go")
        ]
        row += [f"{mid(rounds, lambda r, s=s: r[s].pss):,.0f} MiB" for s in ("ffcv", "betongo", "go")]
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines)


def main() -> None:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--python", required=True, help="an interpreter that can import ffcv")
    p.add_argument("--photos", help="a folder of class folders with JPEGs: loaded with crops too")
    p.add_argument("--rows", type=int, default=1_000_000, help="rows of the first file; 0 leaves it out")
    p.add_argument(
        "--small", type=int, default=50_000, help="images of 32x32 of the second file; 0 leaves it out"
    )
    p.add_argument("--bytes", type=int, default=10_000, help="values of a file of bytes; 0 leaves it out")
    p.add_argument("--rounds", type=int, default=3)
    p.add_argument(
        "--epochs",
        type=int,
        default=6,
        help="epochs of a run, half as many over photos; the first does not count",
    )
    p.add_argument("--batch", type=int, default=64, help="photos in a batch")
    p.add_argument("--workers", type=int, default=2)
    p.add_argument("--dir", help="where the files are written, and used again; by default a temporary folder")
    args = p.parse_args()
    with tempfile.TemporaryDirectory(prefix="compare-") as temporary:
        folder = Path(args.dir or temporary).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        bench = Bench(args, folder)
        done = []
        for w in bench.works():
            rounds = []
            for n in range(args.rounds):
                sides = ["ffcv", "betongo", "go"] if n % 2 == 0 else ["go", "betongo", "ffcv"]
                print(f"{w.name}, round {n + 1} of {args.rounds}", file=sys.stderr)
                rounds.append({side: bench.run(side, w) for side in sides})
            done.append((w, rounds))
        print(tables(done))


if __name__ == "__main__":
    main()
