"""Says line by line what of a script for FFCV works here as it is.

    python -m betongo.migrate SCRIPT.py [MORE.py …] [--json]

The script is read, not run. Each line that uses FFCV is one of

    works    as it is;
    differs  works, but not in every respect as with FFCV, or there is a better way: the line says how;
    change   has to be changed: the line says to what.

Exit status: 0 when nothing has to be changed, 1 when something has, 2 when a script can't be read.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import importlib
import importlib.util
import inspect
import json
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

__all__ = ["ABSENT", "Finding", "check", "main"]

WORKS, DIFFERS, CHANGE = "works", "differs", "change"

# What of FFCV's names is not offered: a pattern of the whole name, and why.
ABSENT = {
    r"ffcv\.benchmarks\b": "FFCV's benchmarks of itself",
    r"ffcv\._libffcv\b": "FFCV's native library; ffcv.libffcv has its functions",
    r"ffcv\.libffcv\.(ctypes_\w+|lib|libc|read_c)$": (
        "FFCV's native library; use imdecode, memcpy, read and resize_crop"
    ),
    r"ffcv\.pipeline\.graph\.\w": "how FFCV generates code; the engine has no such graph",
    r"ffcv\.pipeline\.pipeline\.Pipeline\.\w": (
        "how FFCV generates code; its own loader does not use it either"
    ),
    r"ffcv\.fields\.(basics|bytes|ndarray|rgb_image)\.ARG_TYPE$": "it is in ffcv.fields.base",
    r"ffcv\.fields\.base\.Field\.encode$": "abstract; its three arguments are the same under other names",
    r"ffcv\.fields\.rgb_image\.resizer$": (
        "a step of RGBImageField; its second argument is max_resolution, as in ffcv 1.1.0"
    ),
    r"ffcv\.fields\.rgb_image\.get_(center|random)_crop$": "it is in ffcv.transforms.utils.fast_crop",
    r"ffcv\.loader\.epoch_iterator\.\w": "the thread behind an epoch, whose place the engine's stream takes",
    r"ffcv\.memory_managers\.base\.MemoryManager\.compile_reader$": (
        "abstract; OSCacheManager and ProcessCacheManager have it"
    ),
    r"ffcv\.reader\.Reader\.read_\w+$": "a step of the constructor",
    r"ffcv\.writer\.(count_samples_in_shard|from_shard|handle_sample|worker_job_\w+)$": (
        "a step of the writer's processes"
    ),
    r"ffcv\.writer\.DatasetWriter\.(finalize|prepare)$": "a step of writing",
    r"ffcv\.(writer|reader)\.(ALLOC_TABLE_TYPE|CURRENT_VERSION|\w+Type|TYPE_ID_HANDLER)$": (
        "it is in ffcv.types"
    ),
    r"ffcv\.traversal_order\.quasi_random\.(generate_order_\w+|QuasiRandom\.prepare_data_structures)$": (
        "a step of the order"
    ),
    r"ffcv\.transforms\.normalize\.(ch_dtype_from_numpy|NormalizeImage\.generate_code_\w+)$": (
        "a step of the operation"
    ),
}

# torchvision's modules, as users put them into ModuleWrapper, and what the engine does instead.
NATIVE = {
    "CenterCrop": "CenterCropRGBImageDecoder",
    "ColorJitter": "RandomColorJitter",
    "GaussianBlur": "GaussianBlur",
    "Normalize": "NormalizeImage (mean and std times 255)",
    "RandomCrop": "RandomCrop",
    "RandomErasing": "RandomErasing",
    "RandomGrayscale": "RandomGrayscale",
    "RandomHorizontalFlip": "RandomHorizontalFlip",
    "RandomResizedCrop": "RandomResizedCropRGBImageDecoder",
    "RandomSolarize": "Solarization",
    "RandomVerticalFlip": "RandomVerticalFlip",
    "Resize": "Resize",
}

_BASES = {
    "Operation": (
        "runs in this process (compiled by numba where that is installed), the operations before "
        "it in the engine"
    ),
    "Field": "is encoded and decoded in this process",
    "TraversalOrder": "gives the engine its order",
    "MemoryManager": "is not asked by the loader: the engine reads the file",
}


_as_it_is = ": as it is"


@dataclass(frozen=True)
class Finding:
    """What is to be said of one place of a script: line and column from 1, verdict, its text, and why."""

    file: str
    line: int
    column: int
    verdict: str
    text: str
    why: str


@dataclass
class _Op:
    """An operation in a pipeline: the call, the name of its class in FFCV's terms, "" for anything else."""

    node: ast.expr
    name: str


class _Script(ast.NodeVisitor):
    """Walks a script once, in its order, and collects findings."""

    def __init__(self, file: str, source: str) -> None:
        self.file = file
        self.lines = source.splitlines()
        self.names: dict[str, str] = {}  # of the script -> dotted, ffcv.…
        self.own: dict[str, str] = {}  # its classes -> the class of ffcv's they are of
        self.made: dict[str, str] = {}  # variables -> the class of ffcv's that was called for them
        self.lists: dict[str, list[_Op]] = {}  # variables -> pipelines
        self.found: list[Finding] = []
        self.first_import = 0
        self.registered = False

    def say(self, node: ast.AST, verdict: str, why: str) -> None:
        line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0) + 1
        text = self.lines[line - 1].strip() if line <= len(self.lines) else ""
        self.found.append(Finding(self.file, line, column, verdict, text, why))

    # -- names ---------------------------------------------------------------------------------------------

    def visit_Import(self, node: ast.Import) -> None:
        for a in node.names:
            if _ours(a.name):
                self.module(node, a.name)
                if a.name == "betongo.as_ffcv":
                    self.registered = True
                if a.asname:
                    self.names[a.asname] = _as_ffcv(a.name)
                else:
                    self.names[a.name.split(".")[0]] = "ffcv"

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = node.module or ""
        if node.level or not _ours(module) or not self.module(node, module):
            return
        for a in node.names:
            if a.name == "*":
                for name in getattr(_find(_as_ffcv(module))[0], "__all__", ()):
                    self.names[name] = f"{_as_ffcv(module)}.{name}"
                continue
            dotted = f"{_as_ffcv(module)}.{a.name}"
            self.names[a.asname or a.name] = dotted
            self.exists(node, dotted)

    def module(self, node: ast.stmt, name: str) -> bool:
        """Looks whether there is such a module, and says so when there isn't."""
        if name.split(".")[0] == "ffcv" and not self.first_import:
            self.first_import = node.lineno
        _, error = _find(_as_ffcv(name))
        self.say(node, CHANGE if error else WORKS, error or "imported from betongo")
        return not error

    def exists(self, node: ast.AST, dotted: str) -> None:
        """Says when there is no such name; when there is, the import was said to work."""
        _, error = _find(dotted)
        if error:
            self.say(node, CHANGE, error)

    def dotted(self, node: ast.AST) -> str:
        """Returns ffcv.… for an expression that names something of FFCV's, "" for others."""
        if isinstance(node, ast.Name):
            return self.names.get(node.id, "")
        if isinstance(node, ast.Attribute):
            owner = self.dotted(node.value)
            return f"{owner}.{node.attr}" if owner else ""
        return ""

    def visit_Attribute(self, node: ast.Attribute) -> None:
        dotted = self.dotted(node)
        if dotted:
            self.exists(node, dotted)
        elif isinstance(node.value, ast.Name) and node.value.id in self.made:
            self.attribute(node, self.made[node.value.id])
        else:
            self.generic_visit(node)

    def attribute(self, node: ast.Attribute, of: str) -> None:
        """Looks at an attribute of a variable that holds a Loader, Reader or DatasetWriter, or an
        operation."""
        cls = _find(of)[0]
        if cls is None or node.attr.startswith("__"):
            return
        name = of.rpartition(".")[2]
        if name in ("Loader", "Reader", "DatasetWriter"):
            if node.attr not in _attributes(cls):
                near = difflib.get_close_matches(node.attr, _attributes(cls), 1)
                hint = f"; did you mean {near[0]}?" if near else ""
                self.say(node, CHANGE, f"{name} has no attribute {node.attr!r}{hint}")
            elif (name, node.attr) in _MEMBERS:
                self.say(node, DIFFERS, _MEMBERS[name, node.attr])
        elif isinstance(node.ctx, ast.Store):
            self.say(node, WORKS, "attributes of operations are read again at each iter()")

    # -- definitions and calls -----------------------------------------------------------------------------

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        for base in node.bases:
            dotted = self.dotted(base) or (self.own.get(base.id, "") if isinstance(base, ast.Name) else "")
            if not dotted:
                continue
            self.own[node.name] = dotted
            kind = _kind(dotted)
            verdict = DIFFERS if kind == "MemoryManager" else WORKS
            self.say(node, verdict, f"a {kind} of your own {_BASES.get(kind, 'runs in this process')}")
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        self.generic_visit(node)
        for target in node.targets:
            self.assign(target, node.value)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.generic_visit(node)
        if node.value is not None:
            self.assign(node.target, node.value)

    def assign(self, target: ast.expr, value: ast.expr) -> None:
        if not isinstance(target, ast.Name):
            return
        self.made.pop(target.id, None)
        self.lists.pop(target.id, None)
        if isinstance(value, ast.Call) and self.dotted(value.func):
            self.made[target.id] = self.dotted(value.func)
        elif isinstance(value, ast.List):
            self.lists[target.id] = self.operations(value.elts)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.generic_visit(node)
        if isinstance(node.target, ast.Name) and isinstance(node.value, ast.List):
            self.more(node.target.id, node.value.elts)

    def more(self, name: str, elements: Sequence[ast.expr]) -> None:
        """Notes that operations were added to a pipeline."""
        if name in self.lists:
            self.lists[name] += self.operations(elements)

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        f = node.func
        if (
            isinstance(f, ast.Attribute)
            and isinstance(f.value, ast.Name)
            and f.value.id in self.lists
            and node.args
        ):
            if f.attr == "extend" and isinstance(node.args[0], (ast.List, ast.Tuple)):
                self.more(f.value.id, node.args[0].elts)
            elif f.attr == "append":
                self.more(f.value.id, node.args[:1])
        dotted = self.dotted(f)
        if isinstance(f, ast.Attribute) and isinstance(f.value, ast.Name) and f.value.id in self.made:
            dotted = f"{self.made[f.value.id]}.{f.attr}"
        if dotted:
            self.call(node, dotted)

    def call(self, node: ast.Call, dotted: str) -> None:
        """Looks at the arguments of a call of something of FFCV's."""
        found, error = _find(dotted)
        if error or found is None:
            return  # said where it was imported
        problem = _arguments(found, node, dotted)
        if problem:
            self.say(node, CHANGE, problem)
            return
        name = dotted.rpartition(".")[2]
        said = False
        given = {k.arg: k.value for k in node.keywords if k.arg}
        for argument, value in given.items():
            why = _ARGUMENTS.get((name, argument))
            if why is not None and why[0](value):
                self.say(value, DIFFERS, why[1])
                said = True
        if name == "Loader":
            self.pipelines(given.get("pipelines"))
        elif name == "ModuleWrapper" and node.args:
            said = self.wrapped(node) or said
        elif name in _CALLS:
            self.say(node, DIFFERS, _CALLS[name])
            said = True
        if not said:
            self.say(node, WORKS, f"{name}{_as_it_is}")

    def wrapped(self, node: ast.Call) -> bool:
        """Looks for torchvision's modules of which the engine has its own."""
        said = False
        for inner in ast.walk(node.args[0]):
            if isinstance(inner, ast.Call):
                name = (
                    inner.func.attr
                    if isinstance(inner.func, ast.Attribute)
                    else getattr(inner.func, "id", "")
                )
                if name in NATIVE:
                    self.say(
                        inner,
                        DIFFERS,
                        f"runs in torch, once for the whole batch; the engine has {NATIVE[name]}",
                    )
                    said = True
        return said

    # -- pipelines -----------------------------------------------------------------------------------------

    def operations(self, elements: Iterable[ast.expr]) -> list[_Op]:
        made = []
        for e in elements:
            name = self.dotted(e.func) if isinstance(e, ast.Call) else ""
            if isinstance(e, ast.Name):
                name = self.made.get(e.id, "")
            made.append(_Op(e, name))
        return made

    def pipelines(self, value: ast.expr | None) -> None:
        """Looks at the order of operations in pipelines={…} as far as it stands in the script."""
        if not isinstance(value, ast.Dict):
            return
        for v in value.values:
            if isinstance(v, ast.List):
                self.order(self.operations(v.elts))
            elif isinstance(v, ast.Name) and v.id in self.lists:
                self.order(self.lists.pop(v.id))

    def finish(self) -> None:
        """Looks at the pipelines that were built and not seen in a Loader's argument."""
        for ops in self.lists.values():
            if any(_is_op(op.name) for op in ops):
                self.order(ops)

    def order(self, ops: list[_Op]) -> None:
        """Says which operations the engine can't do because of where they stand."""
        client: _Op | None = None
        device: _Op | None = None
        for op in ops:
            name = op.name.rpartition(".")[2]
            if name == "ToDevice" and not _is_cpu(op.node):
                device = device or op
            elif device is not None and _native(op.name):
                self.say(
                    op.node,
                    DIFFERS,
                    f"behind ToDevice (line {device.node.lineno}) {name} runs in torch on the device; "
                    f"before it the engine "
                    "does it while it decodes",
                )
            elif client is not None and _native(op.name):
                self.say(
                    op.node,
                    DIFFERS,
                    f"{name} runs in this process, because of what stands before it (line "
                    f"{client.node.lineno}); "
                    "put it before that and the engine does it",
                )
            elif client is None and self.runs_here(op):
                client = op

    def runs_here(self, op: _Op) -> bool:
        """Whether an operation is one that the engine doesn't know: the script's own, or a module."""
        if op.name:
            return op.name.rpartition(".")[2] == "ModuleWrapper"
        return isinstance(op.node, ast.Call) and getattr(op.node.func, "id", "") in self.own


def _is_false(v: ast.expr) -> bool:
    return isinstance(v, ast.Constant) and v.value is False


def _is_true(v: ast.expr) -> bool:
    return isinstance(v, ast.Constant) and v.value is True


# Arguments that work otherwise than with FFCV: (callable, argument) -> (whether the value is meant, why).
_ARGUMENTS: dict[tuple[str, str], tuple[Any, str]] = {
    ("Loader", "os_cache"): (
        _is_false,
        "the engine reads pages through a cache of bounded memory; every order works with it, RANDOM too",
    ),
    ("Loader", "recompile"): (_is_true, "not needed: operations are looked at again at each iter()"),
    ("RGBImageField", "max_resolution"): (
        lambda v: isinstance(v, (ast.Tuple, ast.List)),
        "one number, of the longer side: a pair fails with FFCV too",
    ),
}

# Calls that work otherwise than with FFCV.
_CALLS = {
    "MemoryAllocator": "DatasetWriter does not use it: the engine gives out the space in pages",
    "imdecode": "Pillow's decoder, for plain Python; the engine decodes whole batches",
    "resize_crop": "NumPy, for plain Python; the engine crops and resizes whole batches",
}

# Attributes of Loader, Reader and DatasetWriter that mean something else here.
_MEMBERS: dict[tuple[str, str], str] = {}


def _ours(module: str) -> bool:
    return module.split(".")[0] in ("ffcv", "betongo")


def _as_ffcv(dotted: str) -> str:
    return re.sub(r"^betongo\b", "ffcv", dotted)


def _find(dotted: str) -> tuple[Any, str]:
    """Returns what a name of FFCV's is here, and why it is nothing.

    (None, "") for what can't be looked at because torch or numba is missing.
    """
    for pattern, why in ABSENT.items():
        if re.match(pattern, dotted):
            return None, f"{dotted} is not offered: {why}"
    parts = ["betongo", *dotted.split(".")[1:]]
    for n in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:n]))
        except ModuleNotFoundError as e:
            if e.name is None or not e.name.startswith("betongo"):
                return None, ""
            continue
        except ImportError:
            return None, ""
        for k, part in enumerate(parts[n:], n):
            if not hasattr(found, part):
                if inspect.isclass(found) and part in _attributes(found):
                    return None, ""
                names = [name for name in dir(found) if not name.startswith("_")]
                near = difflib.get_close_matches(part, names, 1)
                hint = f"; did you mean {near[0]}?" if near else ""
                return None, f"there is no {part} in {'.'.join(parts[:k])}{hint}"
            found = getattr(found, part)
        return found, ""
    return None, f"there is no {dotted}"


def _attributes(cls: Any) -> set[str]:
    """Returns the names of a class's members, and of what its methods set on self."""
    names = set(dir(cls))
    for c in cls.__mro__[:-1]:
        names |= set(getattr(c, "__annotations__", ()))
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(c)))
        except (OSError, TypeError, SyntaxError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                if isinstance(node.value, ast.Name) and node.value.id == "self":
                    names.add(node.attr)
    return names


def _kind(dotted: str) -> str:
    """Returns which of FFCV's base classes a class is of."""
    cls = _find(dotted)[0]
    names = [c.__name__ for c in getattr(cls, "__mro__", ())]
    return next((n for n in names if n in _BASES), dotted.rpartition(".")[2])


def _is_op(dotted: str) -> bool:
    return bool(dotted) and _kind(dotted) == "Operation"


def _native(dotted: str) -> bool:
    """Whether the engine knows an operation that changes pixels or numbers."""
    cls = _find(dotted)[0] if dotted else None
    return hasattr(cls, "_native") and not getattr(cls, "_layout", False)


def _is_cpu(node: ast.expr) -> bool:
    """Whether ToDevice's argument is the processor, as far as it is written there."""
    return any(isinstance(n, ast.Constant) and n.value == "cpu" for n in ast.walk(node))


def _arguments(found: Any, node: ast.Call, dotted: str) -> str:
    """Returns what is wrong with the arguments of a call, "" for nothing that can be seen."""
    if any(isinstance(a, ast.Starred) for a in node.args) or any(k.arg is None for k in node.keywords):
        return ""
    try:
        signature = inspect.signature(found)
    except (TypeError, ValueError):
        return ""
    bound = inspect.isfunction(found) and "self" in signature.parameters
    arguments: list[Any] = [None] * (len(node.args) + bound)
    name = dotted.rpartition(".")[2]
    try:
        signature.bind(*arguments, **{k.arg: None for k in node.keywords if k.arg})
    except TypeError as e:
        unknown = [k.arg for k in node.keywords if k.arg and k.arg not in signature.parameters]
        near = difflib.get_close_matches(unknown[0], list(signature.parameters), 1) if unknown else []
        return f"{name}: {e}" + (f"; did you mean {near[0]}?" if near else "")
    return ""


def check(source: str, file: str = "<script>") -> list[Finding]:
    """Returns what is to be said of a script's text, in the order of its lines. SyntaxError when it is no
    Python."""
    script = _Script(file, source)
    script.visit(ast.parse(source, file))
    script.finish()
    if script.first_import and not script.registered:
        at = ast.Pass(lineno=script.first_import, col_offset=0)
        script.say(
            at, WORKS, "put `import betongo.as_ffcv` on a line before this one, or write betongo for ffcv"
        )
    unique = dict.fromkeys(script.found)
    return sorted(unique, key=lambda f: (f.line, f.column, (CHANGE, DIFFERS, WORKS).index(f.verdict)))


def _report(findings: Sequence[Finding]) -> Iterator[str]:
    """Yields the lines of the report: each line of a script once, with all that is to be said of it, then the
    counts."""
    lines: dict[tuple[str, int], list[Finding]] = {}
    for f in findings:
        lines.setdefault((f.file, f.line), []).append(f)
    counts = dict.fromkeys((CHANGE, DIFFERS, WORKS), 0)
    for (file, line), said in lines.items():
        worst = min((f.verdict for f in said), key=list(counts).index)
        counts[worst] += 1
        yield f"{file}:{line}: {worst:<7}  {said[0].text}"
        fine = [f.why.removesuffix(_as_it_is) for f in said if f.why.endswith(_as_it_is)]
        if fine:
            yield f"    {', '.join(fine)}{_as_it_is}"
        yield from (f"    {f.why}" for f in said if not f.why.endswith(_as_it_is))
    yield (
        f"{len(lines)} lines use FFCV: {counts[WORKS]} work as they are, {counts[DIFFERS]} work and differ, "
        f"{counts[CHANGE]} have to be changed"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit status."""
    p = argparse.ArgumentParser(prog="python -m betongo.migrate", description=__doc__.split("\n")[0])
    p.add_argument("script", nargs="+", help="a Python file that uses FFCV")
    p.add_argument("--json", action="store_true", help="print a JSON list of findings")
    given = p.parse_args(arguments)
    findings: list[Finding] = []
    for name in given.script:
        try:
            findings += check(Path(name).read_text(encoding="utf-8"), name)
        except (OSError, SyntaxError, ValueError) as e:
            print(f"{name}: {e}", file=sys.stderr)
            return 2
    if given.json:
        print(json.dumps([asdict(f) for f in findings], indent=1))
    else:
        print("\n".join(_report(findings)))
    return int(any(f.verdict == CHANGE for f in findings))


if __name__ == "__main__":
    sys.exit(main())
