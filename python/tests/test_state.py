"""States: a loop that goes on where another one was, in the same process and in another."""

from __future__ import annotations

import copy
import json
import os
import warnings
from dataclasses import replace

import numpy as np
import pytest
from made import SAMPLES, write_noise
from rows import start, write_rows

import betongo
from betongo import Loader, OrderOption, StateError
from betongo.fields.decoders import IntDecoder, RandomResizedCropRGBImageDecoder
from betongo.pipeline.operation import Operation
from betongo.traversal_order import TraversalOrder, Weighted

pytestmark = pytest.mark.usefixtures("engine")


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    return write_rows(tmp_path_factory.mktemp("rows") / "rows.beton", 600)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return write_noise(tmp_path_factory.mktemp("noise") / "noise.beton")


class Same(Operation):
    """An operation of Python that changes nothing."""

    def generate_code(self):
        return lambda batch, dst: batch

    def declare_state_and_memory(self, previous_state):
        return replace(previous_state, jit_mode=False), None


class Backwards(TraversalOrder):
    def sample_order(self, epoch):
        return np.roll(self.indices[::-1], epoch)


def crops(path, **settings):
    """A loader of random crops and labels, as arrays."""
    image = [RandomResizedCropRGBImageDecoder((6, 6)), *settings.pop("ops", ())]
    settings.setdefault("order", "random")
    settings.setdefault("seed", 7)
    return Loader(
        path,
        settings.pop("batch_size", 8),
        pipelines={"image": image, "label": [IntDecoder()]},
        drop_last=False,
        **settings,
    )


def same(a, b):
    return len(a) == len(b) and all(all((x == y).all() for x, y in zip(p, q)) for p, q in zip(a, b))


ORDERS = [
    "sequential",
    "random",
    OrderOption.QUASI_RANDOM,
    "keyed",
    "page_shuffle",
    Backwards,
    Weighted(np.arange(SAMPLES) + 1.0),
]


@pytest.mark.parametrize("order", ORDERS, ids=str)
@pytest.mark.parametrize("ops", [(), (Same(),)], ids=["engine", "client"])
@pytest.mark.parametrize("taken", [0, 1, 5, 8])
def test_the_rest_of_an_epoch_is_the_same(pictures, order, ops, taken):
    whole = crops(pictures, order=order, ops=ops)
    epochs = [list(whole) for _ in range(4)]
    loader = crops(pictures, order=order, ops=ops)
    list(loader)
    it = iter(loader)
    for _ in range(taken):
        next(it)
    state = json.loads(json.dumps(loader.state_dict()))
    it.close()
    assert state["epoch"] == 1
    other = crops(pictures, order=order, ops=ops)
    other.load_state_dict(state)
    assert other.next_epoch == 1 and other.state_dict() == state
    got = list(other)
    assert same(got, epochs[1][taken:])
    assert same(list(other), epochs[2]) and same(list(other), epochs[3])


def test_after_its_end_an_epoch_is_followed_by_the_next(pictures):
    loader = crops(pictures)
    want = [list(loader) for _ in range(2)]
    loader = crops(pictures)
    for _ in loader:
        pass
    state = loader.state_dict()
    assert state["epoch"] == 1
    other = crops(pictures)
    other.load_state_dict(state)
    assert same(list(other), want[1])


def test_a_state_of_a_resumed_epoch(pictures):
    want = list(crops(pictures))
    state = None
    got = []
    while len(got) < len(want):
        loader = crops(pictures)
        if state is not None:
            loader.load_state_dict(state)
        it = iter(loader)
        got += [next(it) for _ in range(min(3, len(want) - len(got)))]
        state = loader.state_dict()
    assert same(got, want)


def test_a_state_after_break_and_before_any_epoch(pictures):
    loader = crops(pictures)
    assert loader.state_dict()["epoch"] == 0
    for k, _ in enumerate(loader):
        if k == 2:
            break
    state = loader.state_dict()
    other = crops(pictures)
    other.load_state_dict(state)
    assert same(list(other), list(crops(pictures))[3:])


def test_a_loader_without_a_seed_takes_the_states(pictures):
    loader = crops(pictures, seed=None)
    it = iter(loader)
    next(it)
    state = loader.state_dict()
    rest = list(it)
    other = crops(pictures, seed=None)
    other.load_state_dict(state)
    assert other.seed == loader.seed and same(list(other), rest)
    with pytest.raises(StateError, match="seed"):
        crops(pictures, seed=1).load_state_dict(state)


def test_growing_pictures(pictures):
    """FFCV's recipe: the decoder's size changes between epochs; a state knows the size that it had."""
    loader = crops(pictures)
    decoder = loader.pipeline_specs["image"].decoder
    list(loader)
    decoder.output_size = (10, 10)
    it = iter(loader)
    next(it)
    state = loader.state_dict()
    rest = list(it)
    other = crops(pictures)
    with pytest.raises(StateError, match="image"):
        other.load_state_dict(state)
    other.pipeline_specs["image"].decoder.output_size = (10, 10)
    other.load_state_dict(state)
    assert same(list(other), rest) and rest[0][0].shape[1:3] == (10, 10)


def test_another_number_of_ranks_goes_on(rows):
    def loader(rank, world, batch):
        settings = {
            "order": "random",
            "seed": 3,
            "pipelines": {"x": None, "label": [IntDecoder()]},
            "exactly_once": True,
        }
        return Loader(rows, batch, rank=rank, world_size=world, drop_last=False, **settings)

    seen = []
    for rank in range(2):
        one = loader(rank, 2, 50)
        it = iter(one)
        seen += [i for _ in range(2) for i in next(it)[0].ravel().tolist()]
        state = one.state_dict()
    for rank in range(3):
        one = loader(rank, 3, 20)
        one.load_state_dict(state)
        seen += [i for (batch,) in one for i in batch.ravel().tolist()]
    assert sorted(seen) == list(range(600))


def test_states_that_do_not_fit(rows, pictures, tmp_path):
    state = crops(pictures).state_dict()
    loader = crops(pictures)
    for wrong, says in (
        ({**state, "version": 99}, "version 99.*takes 1"),
        ({}, "version None"),
        ("text", "version None"),
        ({**state, "engine": {**state["engine"], "stream_version": 77}}, "77.*1|1.*77"),
        ({**state, "engine": {**state["engine"], "order_version": 66}}, "66"),
        ({**state, "engine": {**state["engine"], "version": 55}}, "55"),
        ({**state, "engine": {**state["engine"], "order": "sequential"}}, "order"),
    ):
        with pytest.raises(StateError, match=says):
            loader.load_state_dict(wrong)
    with pytest.raises(StateError):
        Loader(rows, 8, order="random", seed=7).load_state_dict(state)
    other = write_noise(tmp_path / "other.beton", 30)
    with pytest.raises(StateError):
        crops(other).load_state_dict(state)


def test_an_order_of_ones_own_that_has_become_another(rows):
    class Drawn(TraversalOrder):
        shift = 0

        def sample_order(self, epoch):
            return np.roll(self.indices, self.shift)

    state = Loader(rows, 10, order=Drawn, seed=1).state_dict()
    Loader(rows, 10, order=Drawn, seed=1).load_state_dict(state)
    Drawn.shift = 1
    with pytest.raises(StateError, match="order of epoch 0"):
        Loader(rows, 10, order=Drawn, seed=1).load_state_dict(state)


def test_a_refused_state_leaves_the_loader_as_it_was(pictures):
    loader = crops(pictures)
    want = list(crops(pictures))
    with pytest.raises(StateError):
        loader.load_state_dict({"version": 2, "epoch": 5})
    assert loader.next_epoch == 0 and same(list(loader), want)


def test_a_state_survives_a_copy_of_its_loader(pictures):
    import pickle

    loader = crops(pictures)
    it = iter(loader)
    next(it)
    state = copy.deepcopy(loader.state_dict())
    rest = list(it)
    other = crops(pictures)
    other.load_state_dict(state)
    assert same(list(pickle.loads(pickle.dumps(other))), rest)


def test_across_a_killed_run(pictures, tmp_path):
    """A run writes its state after each batch and is killed; another one goes on."""
    code = """
import json, os, signal, sys, betongo, zlib
from betongo.fields.decoders import IntDecoder, RandomResizedCropRGBImageDecoder
path, file, until = sys.argv[1], sys.argv[2], int(sys.argv[3])
loader = betongo.Loader(path, 8, order="random", seed=5, drop_last=False,
    pipelines={"image": [RandomResizedCropRGBImageDecoder((6, 6))], "label": [IntDecoder()]})
if os.path.exists(file):
    loader.load_state_dict(json.load(open(file)))
n = 0
while loader.next_epoch < 3:
    for image, label in loader:
        print(zlib.crc32(image.tobytes()), label.ravel().tolist(), flush=True)
        n += 1
        json.dump(loader.state_dict(), open(file + "~", "w"))
        os.replace(file + "~", file)
        if n == until:
            os.kill(os.getpid(), signal.SIGKILL)
"""

    def run(name, until):
        process = start(code, pictures, str(tmp_path / name), str(until))
        return process.communicate(timeout=120)[0].splitlines(), process.returncode

    want, _ = run("whole", 0)
    assert len(want) == 24
    first, status = run("killed", 11)
    assert status == -9 and len(first) == 11
    rest, status = run("killed", 0)
    assert status == 0 and first + rest == want


def test_torchs_stateful_loader(rows):
    """torchdata's StatefulDataLoader finds iter, state_dict and load_state_dict, and goes on where it was."""
    from collections.abc import Iterable

    assert isinstance(Loader(rows, 50, seed=1), Iterable)
    stateful = pytest.importorskip("torchdata.stateful_dataloader")
    data = pytest.importorskip("torch.utils.data")
    assert isinstance(Loader(rows, 50, seed=1), stateful.Stateful)

    class Batches(data.IterableDataset):
        def __init__(self):
            self.loader = Loader(rows, 50, order="random", seed=1)

        def __iter__(self):
            return iter(self.loader)

        def state_dict(self):
            return self.loader.state_dict()

        def load_state_dict(self, state):
            self.loader.load_state_dict(state)

    first = stateful.StatefulDataLoader(Batches(), batch_size=None)
    batches = iter(first)
    for _ in range(3):
        next(batches)
    state = json.loads(json.dumps(first.state_dict()))
    rest = [label.tolist() for label, *_ in batches]
    again = stateful.StatefulDataLoader(Batches(), batch_size=None)
    again.load_state_dict(state)
    assert [label.tolist() for label, *_ in again] == rest and len(rest) == len(Loader(rows, 50)) - 3


def test_a_state_for_a_loader_of_nothing(rows):
    loader = Loader(rows, 700)
    assert list(loader) == []
    other = Loader(rows, 700, seed=loader.seed)
    other.load_state_dict(loader.state_dict())
    assert other.next_epoch == 1 and list(other) == []


assert betongo and os and warnings
