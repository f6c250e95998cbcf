"""Which sample comes when: FFCV's orders, those of ranks, the engine's further ones."""

from __future__ import annotations

import pickle
import sys

import numpy as np
import pytest
from rows import write_rows

from betongo import Loader, OrderOption
from betongo.fields import BytesField, FloatField, IntField
from betongo.traversal_order import (
    BlockShuffle,
    ClassBalanced,
    Keyed,
    PageShuffle,
    QuasiRandom,
    Random,
    Repeated,
    Sequential,
    Weighted,
)
from betongo.traversal_order.deal import torch_permutation

pytestmark = pytest.mark.usefixtures("engine")

N = 600


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    return write_rows(tmp_path_factory.mktemp("rows") / "rows.beton", N)


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """200 samples of 50 kB on several pages of 2 MiB, with a label of 4 classes and a weight."""
    fields = {"data": BytesField(), "label": IntField(), "weight": FloatField()}
    path = tmp_path_factory.mktemp("pages") / "pages.beton"
    from made import Listed

    from betongo.writer import DatasetWriter

    writer = DatasetWriter(str(path), fields, page_size=1 << 21, num_workers=1)
    writer.from_indexed_dataset(
        Listed(200, lambda i: (np.full(50_000, i % 251, np.uint8), 3 if i < 150 else i % 3, float(i % 5)))
    )
    return str(path)


def epoch(loader):
    """The numbers of an epoch's samples."""
    it = iter(loader)
    ids = []
    for _ in it:
        ids += it.ids.tolist()
    return ids


def of(path, **settings):
    names = {"x", "label"} if "rows" in path else {"data", "label", "weight"}
    settings.setdefault("drop_last", False)
    return Loader(path, settings.pop("batch_size", 7), pipelines=dict.fromkeys(names), **settings)


def test_sequential_is_the_same_in_each_epoch(rows):
    loader = of(rows)
    assert epoch(loader) == epoch(loader) == list(range(N))


@pytest.mark.parametrize("indices", [None, [5, 9, 2, 2, 599, 30, 31]])
@pytest.mark.parametrize("order", [OrderOption.RANDOM, Random, "random", "RANDOM"])
def test_random_is_numpys(rows, indices, order):
    loader = of(rows, order=order, seed=42, indices=indices)
    chosen = np.arange(N) if indices is None else np.array(indices)
    for e in range(3):
        want = np.random.default_rng(42 + e).permutation(chosen).tolist()
        assert list(loader.next_traversal_order()) == want
        assert epoch(loader) == want


def test_the_orders_that_ffcv_gave(golden, golden_json):
    """testdata/ffcv/orders.json has those of the real FFCV."""
    known = [case for case in golden_json("orders")["quasi_random"] if isinstance(case["order"], list)]
    assert len(known) > 3
    for case in known:
        loader = Loader(
            golden(case["beton"]),
            case["batch_size"],
            order=OrderOption.QUASI_RANDOM,
            seed=case["seed"],
            indices=case.get("indices"),
            drop_last=False,
        )
        loader.next_epoch = case["epoch"]
        assert list(loader.next_traversal_order()) == case["order"]
        assert epoch(loader) == case["order"]


def test_quasi_random(pages, rows):
    loader = of(pages, order=OrderOption.QUASI_RANDOM, seed=1)
    first, second = epoch(loader), epoch(loader)
    assert first != second and sorted(first) == sorted(second) == list(range(200))
    assert isinstance(loader.traversal_order, QuasiRandom)
    assert loader.traversal_order.sample_order(1).tolist() == second
    with pytest.raises(ValueError, match="no page of data"):
        of(rows, order=OrderOption.QUASI_RANDOM)
    loaders = [of(pages, order=OrderOption.QUASI_RANDOM, seed=1, rank=r, world_size=3) for r in range(3)]
    for e, whole in enumerate((first, second)):
        whole = whole + whole[: -len(whole) % 3]
        for rank, one in enumerate(loaders):
            assert epoch(one) == one.traversal_order.sample_order(e).tolist() == whole[rank::3]


@pytest.mark.parametrize("order", [OrderOption.RANDOM, OrderOption.QUASI_RANDOM, "keyed", "page_shuffle"])
def test_ranks_without_a_seed_have_the_same(pages, order):
    """Each would draw another one, and samples would be missing."""
    seen = []
    for rank in range(2):
        with pytest.warns(UserWarning, match="no seed: it is 0"):
            seen += epoch(of(pages, order=order, rank=rank, world_size=2))
    assert sorted(seen) == list(range(200))


# Ranks.


def torch_sampler(n, shuffle, seed, e, rank, world):
    torch = pytest.importorskip("torch")
    sampler = torch.utils.data.DistributedSampler(range(n), world, rank, shuffle, seed)
    sampler.set_epoch(e)
    return list(sampler)


@pytest.mark.parametrize("world", [1, 2, 3, 4])
@pytest.mark.parametrize("indices", [None, range(100, 107)])
@pytest.mark.parametrize("order", [OrderOption.SEQUENTIAL, OrderOption.RANDOM])
def test_ranks_get_what_torchs_sampler_gives_them(rows, order, world, indices):
    pytest.importorskip("torch")
    chosen = np.arange(N) if indices is None else np.array(indices)
    for rank in range(world):
        loader = of(rows, order=order, seed=5, indices=indices, distributed=True, rank=rank, world_size=world)
        assert loader.distributed and (loader.rank, loader.world_size) == (rank, world)
        for e in range(2):
            want = chosen[torch_sampler(len(chosen), order is OrderOption.RANDOM, 5, e, rank, world)].tolist()
            assert list(loader.next_traversal_order()) == want
            assert epoch(loader) == want
            assert len(loader) == -(-len(want) // 7)


def test_permutations_are_torchs_with_and_without_it(monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.delitem(sys.modules, "torch")
    for n in (0, 1, 2, 10, 1000):
        for seed in (0, 7, (1 << 31) + 5, (1 << 32) + 1):
            want = torch.randperm(n, generator=torch.Generator().manual_seed(seed)).tolist()
            assert torch_permutation(n, seed).tolist() == want


def test_each_sample_exactly_once(rows):
    parts = [
        epoch(of(rows, order="random", seed=1, indices=range(100), rank=r, world_size=3, exactly_once=True))
        for r in range(3)
    ]
    assert sorted(sum(parts, [])) == list(range(100))


def test_the_environment_tells_ranks(rows, monkeypatch):
    with pytest.raises(ValueError, match="RANK and WORLD_SIZE"):
        of(rows, distributed=True)
    monkeypatch.setenv("RANK", "2")
    monkeypatch.setenv("WORLD_SIZE", "3")
    loader = of(rows, distributed=True)
    assert (loader.rank, loader.world_size) == (2, 3) and epoch(loader) == list(range(2, N, 3))
    assert not of(rows).distributed, "only if asked for"
    copy = pickle.loads(pickle.dumps(loader))
    monkeypatch.setenv("RANK", "two")
    with pytest.raises(ValueError, match="two"):
        of(rows, distributed=True)
    monkeypatch.delenv("RANK")
    assert (copy.rank, copy.world_size, copy.distributed) == (2, 3, True) and epoch(copy) == epoch(loader)
    copy = pickle.loads(pickle.dumps(loader))
    assert (copy.rank, copy.world_size) == (2, 3), "a copy has the ranks of what it is a copy of"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"rank": 0, "world_size": 1}, "rank=0, world_size=1, but the environment"),
        ({"rank": 2, "world_size": 4}, "world_size=4, but the environment .* is rank 2 of world size 3"),
        ({"rank": 1}, "rank=1, but the environment"),
        ({"rank": 2, "world_size": 3}, None),
        ({"world_size": 3}, None),
    ],
)
def test_arguments_must_not_contradict_what_is_found(rows, monkeypatch, given, said):
    monkeypatch.setenv("RANK", "2")
    monkeypatch.setenv("WORLD_SIZE", "3")
    if said is None:
        loader = of(rows, distributed=True, **given)
        assert (loader.rank, loader.world_size) == (2, 3)
    else:
        with pytest.raises(ValueError, match=said):
            of(rows, distributed=True, **given)


def test_arguments_alone_tell_ranks_without_distributed(rows, monkeypatch):
    """Groups smaller than the world share by what they were given, whatever the environment says."""
    monkeypatch.setenv("RANK", "5")
    monkeypatch.setenv("WORLD_SIZE", "8")
    loader = of(rows, rank=1, world_size=2)
    assert loader.distributed and epoch(loader) == list(range(1, N, 2))
    for given in ({"rank": 1}, {"world_size": 2}):
        with pytest.raises(ValueError, match="belong together"):
            of(rows, **given)
    monkeypatch.delenv("RANK")
    with pytest.raises(ValueError, match="belong together"):
        of(rows, distributed=True, rank=1)
    assert of(rows, distributed=True, rank=1, world_size=2).rank == 1, "where nothing else tells"


def test_torch_distributed_tells_ranks(rows, monkeypatch):
    torch = pytest.importorskip("torch")
    import torch.distributed as dist

    if not dist.is_available():
        pytest.skip("torch without torch.distributed")
    monkeypatch.setenv("RANK", "7")
    monkeypatch.setenv("WORLD_SIZE", "9")
    dist.init_process_group(
        "gloo", store=dist.HashStore() if hasattr(dist, "HashStore") else None, rank=0, world_size=1
    )
    try:
        loader = of(rows, distributed=True, order=OrderOption.RANDOM, seed=3)
        assert (loader.rank, loader.world_size) == (0, 1)
        assert epoch(loader) == torch_sampler(N, True, 3, 0, 0, 1)
        with pytest.raises(ValueError, match="rank=7, world_size=9, but torch.distributed is rank 0"):
            of(rows, distributed=True, rank=7, world_size=9)
        assert of(rows, rank=7, world_size=9).rank == 7
    finally:
        dist.destroy_process_group()
    assert torch


def test_a_distributed_random_order_without_a_seed_has_0(rows):
    with pytest.warns(UserWarning, match="seed"):
        loader = of(rows, order=OrderOption.RANDOM, distributed=True, rank=1, world_size=2)
    assert loader.seed == 0


# Further ones.


@pytest.mark.parametrize(
    "order",
    [
        "keyed",
        "page_shuffle",
        "block_shuffle",
        Keyed(),
        PageShuffle(window=2),
        BlockShuffle(block=10, window=2),
    ],
)
def test_shuffles_of_the_engine(pages, order):
    loader = of(pages, order=order, seed=3)
    first, second = epoch(loader), epoch(loader)
    assert sorted(first) == sorted(second) == list(range(200))
    assert first != second and first != list(range(200))
    assert epoch(of(pages, order=order, seed=3)) == first
    assert loader.traversal_order.sample_order(1).tolist() == second
    assert len(loader) == 29
    parts = [epoch(of(pages, order=order, seed=3, rank=r, world_size=2)) for r in range(2)]
    assert sorted(sum(parts, [])) == list(range(200))


def test_weighted(pages):
    loader = of(pages, order=Weighted([0.0] * 190 + [1.0] * 10, samples=50, replacement=True), seed=1)
    ids = epoch(loader)
    assert len(ids) == 50 and set(ids) <= set(range(190, 200))
    ids = epoch(of(pages, order=Weighted(field="weight"), seed=1))
    assert all(i % 5 for i in ids)
    many = np.linspace(0, 1, 200)
    assert len(epoch(of(pages, order=Weighted(many, samples=20, replacement=True)))) == 20


def test_class_balanced(pages):
    ids = epoch(of(pages, order=ClassBalanced("label", samples=80, replacement=True), seed=1))
    classes = [3 if i < 150 else i % 3 for i in ids]
    assert all(10 <= classes.count(c) <= 30 for c in range(4)), "150 of 200 are of class 3"
    with pytest.raises(ValueError, match="lable"):
        of(pages, order=ClassBalanced("lable"))


def test_repeated(pages):
    ids = epoch(of(pages, order=Repeated("keyed", times=2), seed=1))
    assert len(ids) == 400 and ids[::2] == ids[1::2] and sorted(ids[::2]) == list(range(200))
    assert "times=2" in repr(Repeated(Keyed(), times=2))


def test_orders_by_class_and_settings_by_name(pages):
    loader = of(pages, order="block_shuffle", order_kwargs={"block": 5, "window": 1}, seed=2)
    assert epoch(loader) == epoch(of(pages, order=BlockShuffle(5, 1), seed=2))
    assert isinstance(of(pages, order=Sequential).traversal_order, Sequential)
    with pytest.raises(TypeError):
        of(pages, order="block_shuffle", order_kwargs={"blok": 5})
