"""What FFCV's own test suite asks for, asked of this package.

One section for each of its files, with its sizes; written anew. docs/moving-from-ffcv.md has the table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from betongo.fields import (
    BytesField,
    FloatField,
    IntField,
    JSONField,
    NDArrayField,
    RGBImageField,
    TorchTensorField,
)
from betongo.fields.decoders import (
    CenterCropRGBImageDecoder,
    FloatDecoder,
    IntDecoder,
    NDArrayDecoder,
    RandomResizedCropRGBImageDecoder,
    SimpleRGBImageDecoder,
)
from betongo.libffcv import memcpy
from betongo.loader import Loader, OrderOption
from betongo.memory_managers import OSCacheManager
from betongo.pipeline.allocation_query import AllocationQuery
from betongo.pipeline.compiler import Compiler
from betongo.pipeline.operation import Operation
from betongo.pipeline.state import State
from betongo.reader import Reader
from betongo.transforms import (
    Cutout,
    NormalizeImage,
    Poison,
    RandomHorizontalFlip,
    RandomResizedCrop,
    RandomTranslate,
    ReplaceLabel,
    ToTensor,
    ToTorchImage,
)
from betongo.writer import DatasetWriter

pytestmark = pytest.mark.usefixtures("engine")


class Of:
    """A dataset of n samples made by a function."""

    def __init__(self, n: int, sample: Callable[[int], Any]) -> None:
        self.n, self.sample = n, sample

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, i: int) -> Any:
        if i >= self.n:
            raise IndexError(i)
        return self.sample(i)


def number(i: int) -> tuple[int, float]:
    return i, float(np.sin(i))


def random_bytes(size: int) -> Callable[[int], tuple[int, np.ndarray]]:
    """Samples of a number and size bytes that it seeds."""

    def sample(i: int) -> tuple[int, np.ndarray]:
        return i, np.frombuffer(np.random.default_rng(i).bytes(size), np.uint8)

    return sample


def pixels(height: int, width: int) -> Callable[[int], tuple[int, np.ndarray]]:
    """Samples of a number and a picture of one colour."""

    def sample(i: int) -> tuple[int, np.ndarray]:
        return i, np.full((height, width, 3), i % 255, np.uint8)

    return sample


def write(path: Path, n: int, fields: dict[str, Any], sample: Any, workers: int = 1, **more: Any) -> str:
    DatasetWriter(str(path), fields, num_workers=workers).from_indexed_dataset(Of(n, sample), **more)
    return str(path)


@pytest.fixture
def numbers(tmp_path: Path) -> str:
    """600 samples of an int and a float."""
    return write(tmp_path / "numbers.beton", 600, {"index": IntField(), "value": FloatField()}, number)


@pytest.fixture(params=[True, False], ids=["compiled", "plain"])
def compiled(request: pytest.FixtureRequest) -> Iterator[bool]:
    """Whether operations of Python are compiled."""
    if request.param:
        pytest.importorskip("numba")
    before = Compiler.is_enabled
    Compiler.set_enabled(request.param)
    yield request.param
    Compiler.set_enabled(before)


# -- test_writer -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "workers", "more"),
    [
        (600, 1, {}),
        (600, 2, {}),
        (600, 2, {"chunksize": 1}),
        (600, 2, {"chunksize": 10_000}),
        (60_000, 2, {}),
    ],
)
def test_writer(n: int, workers: int, more: dict[str, int], tmp_path: Path) -> None:
    path = write(
        tmp_path / "x.beton", n, {"index": IntField(), "value": FloatField()}, number, workers, **more
    )
    r = Reader(path)
    assert r.num_samples == n and len(r.alloc_table) == 0
    assert r.metadata["f0"].tolist() == list(range(n))
    assert np.array_equal(r.metadata["f1"], np.sin(np.arange(n)))


def test_writer_shuffles(tmp_path: Path) -> None:
    path = write(
        tmp_path / "x.beton", 600, {"index": IntField(), "value": FloatField()}, number, shuffle_indices=True
    )
    got = Reader(path).metadata["f0"].tolist()
    assert got != list(range(600)) and sorted(got) == list(range(600))


def test_writer_small_chunks_of_bytes(tmp_path: Path) -> None:
    fields = {"index": IntField(), "value": BytesField()}
    path = write(tmp_path / "x.beton", 100, fields, lambda i: (i, np.zeros(2)), 3, chunksize=1)
    assert len(Reader(path).alloc_table) == 100


# -- test_memory_allocation, test_memory_reader --------------------------------------------------------------


@pytest.mark.parametrize(("n", "size"), [(600, 76), (600, 1024), (20_000, 81)])
def test_memory_allocation(n: int, size: int, tmp_path: Path) -> None:
    path = write(tmp_path / "x.beton", n, {"index": IntField(), "value": BytesField()}, random_bytes(size), 2)
    r = Reader(path)
    assert len(r.alloc_table) == n and set(r.alloc_table["size"].tolist()) == {size}
    assert [type(h) for h in r.handlers.values()] == [IntField, BytesField]


@pytest.mark.parametrize("size", [76, 1024, 81])
def test_memory_reader(size: int, compiled: bool, tmp_path: Path) -> None:
    sample = random_bytes(size)
    path = write(tmp_path / "x.beton", 2000, {"index": IntField(), "value": BytesField()}, sample, 2)
    manager = OSCacheManager(Reader(path))
    read = manager.compile_reader()
    with manager.schedule_epoch(np.arange(2000).reshape(20, 100)) as context:
        for e in np.random.default_rng(0).choice(manager.reader.alloc_table, 500):
            assert np.array_equal(read(e["ptr"], context.state), sample(int(e["sample_id"]))[1])


# -- test_array_field, test_json_field
# -------------------------------------------------------------------------


def test_array_field(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    arrays = rng.standard_normal((500, 2048)).astype("<f4")
    fields = {"index": IntField(), "value": NDArrayField(np.dtype("<f4"), (2048,))}
    path = write(tmp_path / "x.beton", 500, fields, lambda i: (i, arrays[i]), 2)
    loader = Loader(path, 100, pipelines={"index": [IntDecoder()], "value": [NDArrayDecoder()]})
    for ids, values in loader:
        assert np.array_equal(values, arrays[ids[:, 0]])


def test_array_field_of_torch(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    tensors = torch.randn(200, 3, 40)
    path = write(
        tmp_path / "x.beton",
        200,
        {"value": TorchTensorField(torch.float32, (3, 40))},
        lambda i: (tensors[i],),
    )
    got = torch.cat(
        [batch for (batch,) in Loader(path, 50, pipelines={"value": [NDArrayDecoder(), ToTensor()]})]
    )
    assert torch.equal(got, tensors)


def test_arrays_of_a_sample_share_a_page(tmp_path: Path) -> None:
    fields = {str(k): NDArrayField(np.dtype("<f4"), (2048 * (k + 1),)) for k in range(3)}
    path = write(
        tmp_path / "x.beton",
        300,
        fields,
        lambda i: tuple(np.full(2048 * (k + 1), i + k, "<f4") for k in range(3)),
        2,
    )
    r = Reader(path)
    pages = r.alloc_table["ptr"] // r.page_size
    for i in range(300):
        assert len(set(pages[r.alloc_table["sample_id"] == i])) == 1
    for batch in Loader(path, 30, pipelines={str(k): [NDArrayDecoder()] for k in range(3)}):
        for k, values in enumerate(batch):
            assert (values == values[:, :1]).all() and np.array_equal(values[:, 0] - k, batch[0][:, 0])


def test_json_field(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    docs = [
        {"number": i, "text": "é" * i, "list": rng.integers(0, 9, i).tolist(), "none": None}
        for i in range(32)
    ]
    path = write(tmp_path / "x.beton", 32, {"index": IntField(), "doc": JSONField()}, lambda i: (i, docs[i]))
    got: list[Any] = []
    for ids, batch in Loader(path, 5, drop_last=False):
        got += JSONField.unpack(batch)
    assert got == docs


# -- test_image_read, test_image_pipeline, test_rrc
# --------------------------------------------------------------


@pytest.mark.parametrize("mode", ["raw", "jpg"])
def test_image_read(mode: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    noise = rng.integers(0, 256, (60, 128, 128, 3), dtype=np.uint8)
    fields = {"index": IntField(), "value": RGBImageField(write_mode=mode)}
    path = write(tmp_path / "x.beton", 60, fields, lambda i: (i, noise[i]), 2)
    loader = Loader(path, 20, pipelines={"index": [IntDecoder()], "value": [SimpleRGBImageDecoder()]})
    for ids, images in loader:
        want = noise[ids[:, 0]]
        if mode == "raw":
            assert np.array_equal(images, want)
        else:
            assert np.abs(images.astype(float) - want).mean() < 80


@pytest.mark.parametrize("mode", ["raw", "jpg"])
@pytest.mark.parametrize("first", ["index", "value"])
def test_image_pipeline(mode: str, first: str, tmp_path: Path) -> None:
    """Constant pictures come out as they are, whichever field stands first."""
    both = {"index": IntField(), "value": RGBImageField(write_mode=mode, jpeg_quality=95)}
    fields = both if first == "index" else dict(reversed(both.items()))
    sample = pixels(300, 500)
    path = write(
        tmp_path / "x.beton", 50, fields, lambda i: sample(i) if first == "index" else sample(i)[::-1], 2
    )
    loader = Loader(path, 5, pipelines={"index": [IntDecoder()], "value": [SimpleRGBImageDecoder()]})
    for batch in loader:
        ids, images = batch if first == "index" else batch[::-1]
        assert images.shape == (5, 300, 500, 3)
        assert (images == ids[:, :, None, None]).all()


def test_image_pipeline_smart(tmp_path: Path) -> None:
    """Small pictures stay raw in smart mode without a threshold."""
    fields = {"index": IntField(), "value": RGBImageField(write_mode="smart")}
    path = write(tmp_path / "x.beton", 100, fields, pixels(32, 32))
    assert set(Reader(path).metadata["f1"]["mode"].tolist()) == {1}
    for ids, images in Loader(
        path, 10, pipelines={"index": [IntDecoder()], "value": [SimpleRGBImageDecoder()]}
    ):
        assert (images == ids[:, :, None, None]).all()


@pytest.mark.parametrize("mode", ["raw", "jpg"])
@pytest.mark.parametrize(
    "decoder",
    [RandomResizedCropRGBImageDecoder((160, 160)), CenterCropRGBImageDecoder((160, 160), 224 / 256)],
    ids=["rrc", "center"],
)
def test_rrc(mode: str, decoder: Operation, tmp_path: Path) -> None:
    """Crops of constant pictures of 300 to 500 pixels keep their colour."""
    rng = np.random.default_rng(4)
    sizes = rng.integers(300, 500, (40, 2))
    fields = {"index": IntField(), "value": RGBImageField(write_mode=mode, jpeg_quality=95)}
    path = write(tmp_path / "x.beton", 40, fields, lambda i: pixels(*sizes[i])(i), 2)
    for ids, images in Loader(path, 8, pipelines={"index": [IntDecoder()], "value": [decoder]}):
        assert images.shape == (8, 160, 160, 3)
        assert (images == ids[:, :, None, None]).all()
    with pytest.raises(TypeError):
        Loader(path, 8, pipelines={"index": [IntDecoder()], "value": [SimpleRGBImageDecoder()]})


# -- test_basic_pipeline, test_partial_batches, test_partial_pipeline, test_loader_filter
# --------------------------


class Doubled(Operation):
    """Twice the values, into memory of its own."""

    def generate_code(self) -> Callable[..., Any]:
        def double(values: Any, memory: Any) -> Any:
            for i in range(values.shape[0]):
                memory[i] = 2 * values[i]
            return memory[: values.shape[0]]

        return double

    def declare_state_and_memory(self, previous_state: State) -> tuple[State, AllocationQuery]:
        return replace(previous_state, jit_mode=True), AllocationQuery(
            previous_state.shape, previous_state.dtype
        )  # type: ignore[arg-type]


def test_basic_pipeline(numbers: str, compiled: bool) -> None:
    loader = Loader(
        numbers,
        8,
        num_workers=2,
        order=OrderOption.SEQUENTIAL,
        pipelines={"index": [IntDecoder(), Doubled(), ToTensor()], "value": [FloatDecoder(), ToTensor()]},
    )
    index, value = next(iter(loader))
    assert np.asarray(index)[:, 0].tolist() == [2 * i for i in range(8)]
    assert np.array_equal(np.asarray(value)[:, 0], np.sin(np.arange(8)))


def test_two_iterators(numbers: str) -> None:
    loader = Loader(numbers, 8)
    first, second = iter(loader), iter(loader)
    for _ in range(4):
        assert np.array_equal(next(first)[0], next(second)[0])


def test_code_is_kept(numbers: str) -> None:
    """What runs in Python is made once, and anew for each epoch when asked."""
    for recompile in (False, True):
        loader = Loader(numbers, 8, pipelines={"index": [IntDecoder(), Doubled()]}, recompile=recompile)
        codes = []
        for _ in range(2):
            next(iter(loader))
            codes.append(loader.code)
        assert (codes[0] is codes[1]) is not recompile


@pytest.mark.parametrize(
    ("batch_size", "drop_last", "batches"), [(7, True, 85), (7, False, 86), (601, False, 1), (600, True, 1)]
)
def test_partial_batches(numbers: str, batch_size: int, drop_last: bool, batches: int) -> None:
    loader = Loader(numbers, batch_size, drop_last=drop_last)
    assert len(loader) == batches
    sizes = [len(index) for index, _ in loader]
    assert len(sizes) == batches and set(sizes[:-1]) <= {batch_size}
    assert sum(sizes) == (600 if not drop_last else batches * batch_size)


def test_partial_pipeline(numbers: str) -> None:
    loader = Loader(numbers, 8, pipelines={"index": None})
    for batch in loader:
        assert len(batch) == 1
    assert np.array_equal(next(iter(loader))[0][:, 0], np.sin(np.arange(8)))


def test_loader_filter(numbers: str) -> None:
    loader = Loader(numbers, 8, drop_last=False)
    chosen = loader.filter("value", lambda v: bool(v > 0))
    values = np.concatenate([np.array(value) for _, value in chosen])
    assert len(values) and (values > 0).all() and len(values) == (np.sin(np.arange(600)) > 0).sum()


# -- test_traversal_orders
# -------------------------------------------------------------------------------------


@pytest.fixture
def paged(tmp_path: Path) -> str:
    """600 samples with bytes, as a quasi-random order wants them."""
    return write(
        tmp_path / "paged.beton", 600, {"index": IntField(), "value": BytesField()}, random_bytes(1000)
    )


def epoch(loader: Loader) -> list[int]:
    return [int(i) for batch in loader for i in np.asarray(batch[0])[:, 0]]


ORDERS = [OrderOption.SEQUENTIAL, OrderOption.RANDOM, OrderOption.QUASI_RANDOM]


@pytest.mark.parametrize("order", ORDERS, ids=lambda o: o.name)
@pytest.mark.parametrize("indices", [None, range(100, 400, 3)], ids=["all", "indices"])
def test_traversal_orders(paged: str, order: OrderOption, indices: Any) -> None:
    loader = Loader(
        paged, 10, order=order, drop_last=False, indices=indices, seed=3, pipelines={"value": None}
    )
    want = list(range(600)) if indices is None else list(indices)
    first, second = epoch(loader), epoch(loader)
    assert sorted(first) == sorted(second) == want
    assert (first == second) is (order is OrderOption.SEQUENTIAL)


@pytest.mark.parametrize("order", ORDERS, ids=lambda o: o.name)
@pytest.mark.parametrize("world", [1, 2, 3, 4])
def test_traversal_orders_of_ranks(paged: str, order: OrderOption, world: int) -> None:
    """All ranks together have each sample once, or twice to make their shares equal."""
    seen: list[int] = []
    for rank in range(world):
        loader = Loader(
            paged,
            10,
            order=order,
            drop_last=False,
            distributed=True,
            rank=rank,
            world_size=world,
            seed=3,
            pipelines={"value": None},
        )
        mine = epoch(loader)
        assert len(mine) == -(-600 // world)
        seen += mine
    counts = np.bincount(seen, minlength=600)
    assert counts.min() >= 1 and counts.max() <= 2


# -- test_custom_field, test_memcpy
# ------------------------------------------------------------------------------


class StringField(NDArrayField):
    """Texts of at most so many characters, as arrays of bytes."""

    def __init__(self, length: int = 0, pad: str = "\0") -> None:
        self.length, self.pad = length, pad
        super().__init__(np.dtype("u1"), (length,))

    def encode(self, destination: Any, field: str, malloc: Any) -> None:
        padded = field.ljust(self.length, self.pad)[: self.length]
        super().encode(destination, np.frombuffer(padded.encode("ascii"), np.uint8), malloc)


WORDS = ["hello", "this", "is", "a", "test", "of", "fields", "of", "a", "program's", "own"] * 3


def test_custom_field(tmp_path: Path) -> None:
    path = write(
        tmp_path / "x.beton",
        len(WORDS),
        {"label": IntField(), "text": StringField(20)},
        lambda i: (i, WORDS[i]),
    )
    loader = Loader(path, 10, drop_last=False, custom_fields={"text": StringField})
    got = [bytes(np.asarray(row)).rstrip(b"\0").decode() for _, batch in loader for row in batch]
    assert got == WORDS
    assert np.array_equal(
        Reader(path, {"text": StringField}).file.value(2, "text"), np.frombuffer(b"is".ljust(20, b"\0"), "u1")
    )


def test_custom_field_that_nobody_describes(tmp_path: Path) -> None:
    path = write(
        tmp_path / "x.beton",
        len(WORDS),
        {"label": IntField(), "text": StringField(20)},
        lambda i: (i, WORDS[i]),
    )
    with pytest.raises(ValueError, match="custom_fields"):
        Loader(path, 10)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64])
def test_memcpy(dtype: Any, compiled: bool) -> None:
    copy = Compiler.compile(memcpy)
    source = np.random.default_rng(5).integers(0, 100, (3, 20)).astype(dtype)
    dest = np.zeros_like(source)
    copy(source, dest)
    assert np.array_equal(source, dest)


# -- test_augmentations, test_image_normalization
# -----------------------------------------------------------------


@pytest.fixture
def pictures(tmp_path: Path) -> str:
    """60 pictures of noise with ten classes."""
    noise = np.random.default_rng(6).integers(0, 256, (60, 32, 32, 3), dtype=np.uint8)
    fields = {"image": RGBImageField(), "label": IntField()}
    return write(tmp_path / "pictures.beton", 60, fields, lambda i: (noise[i], i % 10))


@pytest.mark.parametrize(
    "ops",
    [
        [],
        [Cutout(8)],
        [RandomHorizontalFlip(1.0)],
        [RandomHorizontalFlip(0.5), Cutout(8)],
        [RandomTranslate(padding=10)],
        [Poison(np.zeros((32, 32, 3)), np.zeros((32, 32)), list(range(30)))],
        [RandomResizedCrop(scale=(0.08, 1.0), ratio=(0.75, 4 / 3), size=32)],
    ],
    ids=lambda ops: "-".join(type(o).__name__ for o in ops) or "none",
)
def test_augmentations(pictures: str, ops: list[Operation]) -> None:
    image = [SimpleRGBImageDecoder(), *ops, ToTensor(), ToTorchImage()]
    label = [IntDecoder(), ToTensor()]
    loader = Loader(pictures, 7, drop_last=False, seed=1, pipelines={"image": image, "label": label})
    labels = []
    for images, batch in loader:
        assert tuple(images.shape[1:]) == (3, 32, 32)
        labels += np.asarray(batch)[:, 0].tolist()
    assert labels == [i % 10 for i in range(60)]


def test_replaced_labels(pictures: str) -> None:
    label = [IntDecoder(), ReplaceLabel(list(range(30)), 0)]
    loader = Loader(pictures, 7, drop_last=False, pipelines={"image": None, "label": label})
    assert epoch(loader) == [0] * 30 + [i % 10 for i in range(30, 60)]


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_image_normalization(pictures: str, dtype: Any) -> None:
    mean, std = np.array([120.0, 100.0, 60.0]), np.array([60.0, 50.0, 40.0])
    plain = Loader(pictures, 20, pipelines={"label": None, "image": [SimpleRGBImageDecoder()]})
    normal = Loader(
        pictures,
        20,
        pipelines={
            "label": None,
            "image": [SimpleRGBImageDecoder(), NormalizeImage(mean, std, dtype), ToTensor(), ToTorchImage()],
        },
    )
    for (images,), (got,) in zip(plain, normal):
        want = ((images.astype(np.float64) - mean) / std).transpose(0, 3, 1, 2)
        assert np.asarray(got).dtype == dtype
        assert np.abs(np.asarray(got).astype(np.float64) - want).max() < 2e-3


# -- test_webdataset
# -----------------------------------------------------------------------------------------------


def test_webdataset(tmp_path: Path) -> None:
    """1007 samples in shards of 20."""
    webdataset = pytest.importorskip("webdataset")
    with webdataset.ShardWriter(str(tmp_path / "%06d.tar"), maxcount=20, verbose=0) as sink:
        for i in range(1007):
            sink.write({"__key__": f"{i:06d}", "cls": i})
    shards = sorted(str(p) for p in tmp_path.glob("*.tar"))
    path = str(tmp_path / "x.beton")
    writer = DatasetWriter(path, {"index": IntField()}, num_workers=2)
    writer.from_webdataset(shards, lambda dataset: dataset.decode().to_tuple("cls"))
    assert sorted(Reader(path).metadata["f0"].tolist()) == list(range(1007))


# -- test_memory_leak
# ------------------------------------------------------------------------------------------------


def test_memory_leak(tmp_path: Path) -> None:
    """Five epochs over 60 MB keep far less than that in this process."""
    path = write(
        tmp_path / "x.beton", 600, {"index": IntField(), "value": BytesField()}, random_bytes(100_000)
    )
    loader = Loader(path, 20, pipelines={"index": None})

    def resident() -> int:
        status = Path("/proc/self/status")
        if not status.exists():
            pytest.skip("needs Linux")
        return int(status.read_text().split("RssAnon:")[1].split()[0]) << 10

    for _ in loader:
        pass
    before = resident()
    for _ in range(5):
        for _ in loader:
            pass
    assert resident() - before < 30 << 20
