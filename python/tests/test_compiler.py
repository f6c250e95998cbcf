"""Operation, State, AllocationQuery and Compiler: FFCV's interface for operations of one's own."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from betongo.pipeline.allocation_query import AllocationQuery, allocate_query
from betongo.pipeline.compiler import Compiler
from betongo.pipeline.operation import Operation
from betongo.pipeline.state import Device, State, cpu


@pytest.fixture(autouse=True)
def restored():
    enabled, threads = Compiler.is_enabled, Compiler.num_threads
    yield
    Compiler.set_enabled(enabled)
    Compiler.set_num_threads(threads)


def total(values):
    s = 0
    for i in range(len(values)):
        s += values[i]
    return s


def fresh(code):
    """Run code in an interpreter of its own."""
    got = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert got.returncode == 0, got.stderr
    return got.stdout.strip()


def test_disabled_leaves_functions_alone():
    Compiler.set_enabled(False)
    assert Compiler.compile(total) is total
    Compiler.set_num_threads(2)
    assert Compiler.get_iterator() is range


def test_compiles_with_numba():
    pytest.importorskip("numba")
    Compiler.set_enabled(True)
    made = Compiler.compile(total)
    assert made is not total and made.py_func is total
    assert made(np.arange(5)) == 10
    assert Compiler.compile(made) is made


def test_signature():
    numba = pytest.importorskip("numba")
    made = Compiler.compile(total, numba.int64(numba.int64[:]))
    assert made(np.arange(5)) == 10
    assert len(made.signatures) == 1


def test_parallel_uses_prange():
    numba = pytest.importorskip("numba")
    Compiler.set_enabled(True)
    Compiler.set_num_threads(1)
    assert Compiler.get_iterator() is range
    Compiler.set_num_threads(2)
    each = Compiler.get_iterator()
    assert each is numba.prange

    def doubled(values, out):
        for i in each(len(values)):
            out[i] = 2 * values[i]
        return out

    doubled.is_parallel = True
    got = Compiler.compile(doubled)(np.arange(100), np.empty(100, np.int64))
    assert (got == 2 * np.arange(100)).all()


def test_more_threads_than_numba_has():
    pytest.importorskip("numba")
    Compiler.set_num_threads(10_000)
    assert Compiler.num_threads == 10_000
    assert Compiler.compile(total)(np.arange(3)) == 3


def test_no_threads_means_all():
    Compiler.set_num_threads(-1)
    assert Compiler.num_threads >= 1


def test_without_nopython():
    pytest.importorskip("numba")

    def named(values):
        return {"n": str(len(values))}

    named.nopython = False
    assert Compiler.compile(named)(np.arange(3)) == {"n": "3"}


def test_plain_functions_are_not_compiled():
    pytest.importorskip("numba")

    def made(values):
        return values

    made.plain = True
    assert Compiler.compile(made) is made


def test_fast_crop_in_compiled_code():
    pytest.importorskip("numba")
    from betongo.transforms.utils.fast_crop import get_center_crop, get_random_crop

    def crops(height, width):
        i, j, h, w = get_random_crop(height, width, (0.2, 1.0), (0.75, 1.25))
        return get_center_crop(height, width, 0.5), i >= 0 and i + h <= height and j >= 0 and j + w <= width

    assert Compiler.compile(crops)(40, 60) == ((10, 20, 20, 20), True)
    assert crops(40, 60) == ((10, 20, 20, 20), True)


def test_without_numba():
    code = """
import sys
sys.modules["numba"] = None
from betongo.pipeline.compiler import Compiler
Compiler.set_num_threads(4)
f = lambda x: x
assert Compiler.compile(f) is f
assert Compiler.get_iterator() is range
"""
    fresh(code)


def test_importing_is_light():
    code = """
import sys
import betongo.pipeline.compiler, betongo.pipeline.operation, betongo.transforms
print(sorted({"torch", "numba", "PIL"} & set(sys.modules)))
"""
    assert fresh(code) == "[]"


def test_state_refuses_what_cannot_be():
    torch = pytest.importorskip("torch")
    State(True, torch.device("cpu"), (3,), np.dtype("u1"))
    State(False, torch.device("cuda:0"), (3,), torch.uint8)
    with pytest.raises(AssertionError, match="cuda"):
        State(True, torch.device("cuda:0"), (3,), np.dtype("u1"))
    with pytest.raises(AssertionError, match="torch.uint8"):
        State(True, torch.device("cpu"), (3,), torch.uint8)


def test_state_replace():
    state = State(jit_mode=True, device=cpu(), shape=None, dtype=np.dtype("u1"))
    state = replace(state, shape=(2, 3))
    assert state.shape == (2, 3) and state.jit_mode


def test_device_before_torch():
    assert Device() == "cpu" and Device().type == "cpu" and hash(Device()) == hash("cpu")
    torch = pytest.importorskip("torch")
    assert Device() == torch.device("cpu") and torch.device("cpu") == Device()
    assert Device() != torch.device("cuda:0")
    assert cpu() == torch.device("cpu") and isinstance(cpu(), torch.device)


def test_allocate_arrays():
    got = allocate_query(AllocationQuery((3, 4), np.dtype("<f4")), 5, 2)
    assert got.shape == (2, 5, 3, 4) and got.dtype == np.float32 and got.flags.writeable
    assert allocate_query(AllocationQuery((), np.uint16), 5, 2).shape == (2, 5)


def test_allocate_tensors():
    torch = pytest.importorskip("torch")
    got = allocate_query(AllocationQuery((3, 4), torch.float16, torch.device("cpu")), 5, 2)
    assert [t.shape for t in got] == [(5, 3, 4)] * 2 and got[0].dtype is torch.float16
    meta = allocate_query(AllocationQuery((3,), torch.uint8, torch.device("meta")), 5, 1)
    assert meta[0].device.type == "meta"


def test_allocation_query_is_frozen():
    query = AllocationQuery((3,), np.uint8)
    assert query.device is None and hash(query) == hash(AllocationQuery((3,), np.uint8))
    with pytest.raises(AttributeError):
        query.shape = (4,)


class Doubled(Operation):
    """As in FFCV's tutorial on custom transforms."""

    def generate_code(self):
        each = Compiler.get_iterator()

        def double(values, dst):
            for i in each(values.shape[0]):
                dst[i] = values[i] * 2
            return dst

        double.is_parallel = True
        return double

    def declare_state_and_memory(self, previous_state):
        return replace(previous_state, jit_mode=True), AllocationQuery(
            previous_state.shape, previous_state.dtype
        )


@pytest.mark.parametrize("enabled", [True, False])
def test_custom_operation(enabled):
    if enabled:
        pytest.importorskip("numba")
    Compiler.set_enabled(enabled)
    Compiler.set_num_threads(2)
    op = Doubled()
    state, query = op.declare_state_and_memory(State(True, cpu(), (4,), np.dtype("<i4")))
    memory = allocate_query(query, 3, 1)[0]
    values = np.arange(12, dtype=np.int32).reshape(3, 4)
    assert (Compiler.compile(op.generate_code())(values, memory) == 2 * values).all()
    assert op.declare_shared_memory(state) is None and op.generate_code_for_shared_state() is None


def test_operation_is_abstract():
    with pytest.raises(TypeError):
        Operation()


def test_accept():
    op = Doubled()
    op.accept_field("field")
    op.accept_globals("metadata", len)
    assert (op.field, op.metadata, op.memory_read) == ("field", "metadata", len)
