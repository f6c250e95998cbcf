"""Puts the engine into the wheel.

Its two programs are built with Go from ../cmd/betongo-engine and ../cmd/betongo-tools, for the machine or for
BETONGO_GOOS and BETONGO_GOARCH. BETONGO_ENGINE names the first where it is built already, and BETONGO_TOOLS
the second, which else lies beside it; BETONGO_ENGINE=none makes a wheel without them, which reads files but
loads no batches.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# A static binary runs on any C library's system; the tags say what Python's installers ask for.
TAGS = {
    ("linux", "amd64"): "manylinux_2_17_x86_64.manylinux2014_x86_64.musllinux_1_1_x86_64",
    ("linux", "arm64"): "manylinux_2_17_aarch64.manylinux2014_aarch64.musllinux_1_1_aarch64",
    ("darwin", "arm64"): "macosx_11_0_arm64",
}
MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
PROGRAMS = {"betongo-engine": "BETONGO_ENGINE", "betongo-tools": "BETONGO_TOOLS"}
"""What a wheel holds, and the variables that name what is built already."""
LOWEST = (1, 24)
SMALLER = "disable_grpc_modules,grpcnotrace"
"""What Google's library for its store would link for gRPC, which is not spoken here: 12 MB, and half of the
start."""


class EngineHook(BuildHookInterface[Any]):
    """Builds the engine before a wheel, and tells the wheel its platform."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Adds the engine to the wheel, or fails with one line that says what is missing."""
        given = os.environ.get("BETONGO_ENGINE", "")
        if given == "none":
            return
        system, machine = target()
        tags = TAGS.get((system, machine))
        if tags is None:
            names = ", ".join("/".join(t) for t in TAGS)
            raise SystemExit(
                f"betongo: there is no engine for {system}/{machine} (only {names}); "
                "BETONGO_ENGINE=none installs the package without one"
            )
        found = built(given) if given else {}
        if version == "editable":
            folder = Path(self.root) / "src" / "betongo" / "_bin"
            folder.mkdir(exist_ok=True)
        else:
            self.folder = tempfile.TemporaryDirectory(prefix="betongo-")
            folder = Path(self.folder.name)
        for program in PROGRAMS:
            out = folder / program
            if not given:
                build(Path(self.root).parent, out, system, machine)
            elif not (out.exists() and os.path.samefile(found[program], out)):
                shutil.copyfile(found[program], out)
            out.chmod(0o755)
            if version != "editable":
                build_data["force_include"][str(out)] = f"betongo/_bin/{program}"
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{tags}"


def built(engine: str) -> dict[str, str]:
    """Returns the paths of programs that are built already, by their names."""
    beside = os.path.join(os.path.dirname(os.path.abspath(engine)), "betongo-tools")
    paths = {"betongo-engine": engine, "betongo-tools": os.environ.get("BETONGO_TOOLS") or beside}
    for program, path in paths.items():
        if not os.path.isfile(path):
            raise SystemExit(
                f"betongo: {PROGRAMS[program]}: {program} is to be {path!r}, and there is no such file"
            )
    return paths


def target() -> tuple[str, str]:
    """Returns Go's names for the system and machine that the wheel is for."""
    system = os.environ.get("BETONGO_GOOS") or sys.platform
    machine = platform.machine().lower()
    machine = os.environ.get("BETONGO_GOARCH") or MACHINES.get(machine, machine)
    return system, machine


def build(module: Path, out: Path, system: str, machine: str) -> None:
    """Builds the program that `out` is named after, with Go."""
    go = shutil.which("go")
    hint = "or set BETONGO_ENGINE to a betongo-engine that is built already, with a betongo-tools beside it"
    if go is None:
        lowest = ".".join(map(str, LOWEST))
        raise SystemExit(
            f"betongo: building the engine needs Go {lowest} or later on PATH: https://go.dev/dl ({hint})"
        )
    said = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True).stdout.strip()
    number = re.match(r"go(\d+)\.(\d+)", said)
    if number and tuple(map(int, number.groups())) < LOWEST and os.environ.get("GOTOOLCHAIN") == "local":
        raise SystemExit(
            f"betongo: building the engine needs Go 1.24 or later, {go} is {said}: https://go.dev/dl ({hint})"
        )
    if not (module / "cmd" / out.name).is_dir():
        raise SystemExit(
            f"betongo: {module} is no clone of betongo: the engine's sources are missing ({hint})"
        )
    env = dict(os.environ, CGO_ENABLED="0", GOOS=system, GOARCH=machine)
    command = [
        go,
        "build",
        "-trimpath",
        "-buildvcs=false",
        "-tags",
        SMALLER,
        "-ldflags",
        "-s -w",
        "-o",
        str(out),
        f"./cmd/{out.name}",
    ]
    done = subprocess.run(
        command, cwd=module, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode != 0:
        raise SystemExit(
            f"betongo: {' '.join(command)}: exit status {done.returncode}\n{done.stdout.strip()}"
        )
