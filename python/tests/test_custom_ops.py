"""Operations, decoders, fields and orders of a program's own."""

from __future__ import annotations

import gc
import os
import threading
import time
import warnings
from dataclasses import replace

import numpy as np
import pytest
from made import SAMPLES, Listed, picture, write, write_mixed, write_noise
from rows import write_rows

import betongo
from betongo import DatasetWriter, Loader, OrderOption
from betongo.fields import BytesField, IntField, NDArrayField
from betongo.fields.decoders import (
    BytesDecoder,
    FloatDecoder,
    IntDecoder,
    NDArrayDecoder,
    RandomResizedCropRGBImageDecoder,
    SimpleRGBImageDecoder,
)
from betongo.loader.regions import Regions
from betongo.memory_managers import OSCacheManager
from betongo.pipeline import Compiler, PipelineSpec
from betongo.pipeline.allocation_query import AllocationQuery
from betongo.pipeline.operation import Operation
from betongo.transforms import (
    ImageMixup,
    LabelMixup,
    NormalizeImage,
    RandomHorizontalFlip,
    Squeeze,
    ToDevice,
    ToTensor,
    ToTorchImage,
)
from betongo.traversal_order import Random, Sequential, TraversalOrder

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.usefixtures("engine")


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    return write_mixed(tmp_path_factory.mktemp("mixed") / "mixed.beton")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return write_noise(tmp_path_factory.mktemp("noise") / "noise.beton")


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    return write_rows(tmp_path_factory.mktemp("rows") / "rows.beton", 600)


@pytest.fixture(params=["compiled", "plain"])
def compiler(request):
    if request.param == "compiled":
        pytest.importorskip("numba")
    Compiler.set_enabled(request.param == "compiled")
    yield request.param
    Compiler.set_enabled(True)


OFF = {"image": None, "label": None, "weight": None, "array": None, "text": None}


class Doubler(Operation):
    """Doubles what comes in, into memory of its own."""

    def generate_code(self):
        def double(batch, dst):
            dst[:] = batch * 2
            return dst

        return double

    def declare_state_and_memory(self, previous_state):
        return previous_state, AllocationQuery(
            previous_state.shape, previous_state.dtype, previous_state.device
        )


class Plain(Operation):
    """Runs a function of batch, in Python."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def generate_code(self):
        return lambda batch, dst: self.function(batch)

    def declare_state_and_memory(self, previous_state):
        return replace(previous_state, jit_mode=False), None


def ours():
    """The loader's threads."""
    return [t for t in threading.enumerate() if t.name == "betongo loader"]


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    gc.collect()
    assert not ours()


# Operations.


def test_an_operation_between_others(mixed, compiler):
    pipelines = {
        **OFF,
        "label": [IntDecoder(), Doubler(), Doubler(), ToTensor(), Squeeze()],
        "weight": [FloatDecoder(), Doubler(), ToTensor()],
    }
    loader = Loader(mixed, 7, pipelines=pipelines, drop_last=False, num_workers=2)
    for _ in range(2):
        seen = [x for batch in loader for x in zip(*(b.flatten().tolist() for b in batch))]
        assert seen == [(4 * i, float(i)) for i in range(SAMPLES)]


class PickACorner(Operation):
    """FFCV's tutorial of a transform: one corner of each picture in parallel loops, its size a setting."""

    def __init__(self, side):
        super().__init__()
        self.side = side

    def generate_code(self):
        parallel_range = Compiler.get_iterator()
        side = self.side

        def pick(images, dst):
            which = np.random.rand(images.shape[0])
            for i in parallel_range(images.shape[0]):
                if which[i] < 0.5:
                    dst[i] = images[i, :side, :side]
                else:
                    dst[i] = images[i, -side:, -side:]
            return dst

        pick.is_parallel = True
        return pick

    def declare_state_and_memory(self, previous_state):
        h, w, c = previous_state.shape
        shape = (self.side, self.side, c)
        return replace(previous_state, shape=shape), AllocationQuery(shape, dtype=previous_state.dtype)


def test_tutorial_a_transform(mixed, compiler):
    op = PickACorner(4)
    pipelines = {**OFF, "image": [SimpleRGBImageDecoder(), op, ToTensor(), ToTorchImage()]}
    loader = Loader(mixed, 8, pipelines=pipelines, num_workers=2)
    for side in (4, 4, 6):
        op.side = side
        for k, (image,) in enumerate(loader):
            assert image.shape == (8, 3, side, side) and image.is_contiguous(
                memory_format=torch.channels_last
            )
            assert [int(x[0, 0, 0]) for x in image] == list(range(8 * k, 8 * k + 8))


class CorruptFixedLabels(Operation):
    """FFCV's tutorial of a transform that is told the samples: some of them get another label."""

    def generate_code(self):
        parallel_range = Compiler.get_iterator()

        def corrupt_fixed(labs, _, inds):
            for i in parallel_range(labs.shape[0]):
                if inds[i] < 10:
                    labs[i] = -1
            return labs

        corrupt_fixed.is_parallel = True
        corrupt_fixed.with_indices = True
        return corrupt_fixed

    def declare_state_and_memory(self, previous_state):
        return replace(previous_state, jit_mode=True), None


def test_tutorial_a_transform_with_indices(mixed, compiler):
    pipelines = {**OFF, "label": [IntDecoder(), CorruptFixedLabels(), ToTensor(), Squeeze()]}
    loader = Loader(mixed, 8, order=OrderOption.RANDOM, pipelines=pipelines, drop_last=False, num_workers=2)
    for _ in range(2):
        it = iter(loader)
        for (label,) in it:
            assert label.tolist() == [-1 if i < 10 else i for i in it.ids]


def test_indices_have_the_loaders_type(rows):
    seen = []

    class Look(Operation):
        def generate_code(self):
            def look(batch, _, indices):
                seen.append(indices)
                return batch

            look.with_indices = True
            return look

        def declare_state_and_memory(self, previous_state):
            return replace(previous_state, jit_mode=False), None

    for indices, dtype in ((None, np.uint64), (np.arange(50, dtype=np.int32), np.int32)):
        seen.clear()
        list(Loader(rows, 50, indices=indices, pipelines={"label": [IntDecoder(), Look()], "x": None}))
        assert {ids.dtype for ids in seen} == {np.dtype(dtype)}
        assert np.concatenate(seen).tolist() == list(range(len(seen) * 50))


def test_memory_in_several_pieces_and_shared_memory(mixed):
    class Shared(Operation):
        """Draws a number for each sample once, for all places where it stands."""

        def declare_shared_memory(self, previous_state):
            return AllocationQuery((1,), np.dtype("f8"))

        def generate_code_for_shared_state(self):
            def draw(memory):
                memory[:, 0] = np.random.rand(len(memory))

            return draw

        def generate_code(self):
            def add(batch, memory, shared):
                memory[0][:] = batch
                memory[1][:] = shared
                return memory[0] + memory[1]

            return add

        def declare_state_and_memory(self, previous_state):
            query = AllocationQuery((1,), np.dtype("f8"))
            return replace(previous_state, jit_mode=False, dtype=np.dtype("f8")), (query, query)

    op = Shared()
    pipelines = {**OFF, "label": [IntDecoder(), op], "weight": [FloatDecoder(), op]}
    for label, weight in Loader(mixed, 8, pipelines=pipelines):
        drawn = label - np.floor(label)
        assert (drawn > 0).all() and len(np.unique(drawn)) == 8
        np.testing.assert_allclose(label - drawn, 2 * (weight - drawn))


def test_memory_is_not_used_again_while_it_is_looked_at(mixed):
    pipelines = {**OFF, "image": [SimpleRGBImageDecoder(), Doubler(), ToTensor()], "label": [IntDecoder()]}
    loader = Loader(mixed, 40, indices=list(range(SAMPLES)) * 20, pipelines=pipelines)  # 23 kB each
    large = Loader(mixed, 400, indices=list(range(SAMPLES)) * 40, pipelines=pipelines)  # 230 kB each: pooled
    for it in (loader, large):
        for image, label in list(it) + list(it):
            want = np.stack([picture(int(i)) for i in label]) * 2
            assert (image.numpy() == want).all()


def test_memory_is_used_again_when_it_is_not(mixed):
    pipelines = {**OFF, "image": [SimpleRGBImageDecoder(), Doubler()]}
    loader = Loader(mixed, 400, indices=list(range(SAMPLES)) * 400, pipelines=pipelines, batches_ahead=1)
    places = {image.__array_interface__["data"][0] for (image,) in loader}
    assert len(places) < 12, "60 batches"


def test_operations_behind_tensors_and_modules(mixed):
    class Half(torch.nn.Module):
        def forward(self, x):
            return x.float() / 2

    pipelines = {
        **OFF,
        "image": [SimpleRGBImageDecoder(), ToTensor(), ToTorchImage(), Half(), Plain(lambda x: x + 1)],
    }
    for k, (image,) in enumerate(Loader(mixed, 10, pipelines=pipelines)):
        assert image.shape == (10, 3, 12, 16)
        assert image[:, 0, 0, 0].tolist() == [i / 2 + 1 for i in range(10 * k, 10 * k + 10)]


def test_a_subclass_of_an_operation_that_does_something_else_runs_here(mixed):
    class Never(RandomHorizontalFlip):
        def generate_code(self):
            return lambda batch, dst: batch + 1

    pipelines = {**OFF, "image": [SimpleRGBImageDecoder(), Never(), ToTensor()]}
    Compiler.set_enabled(False)
    try:
        (image,) = next(iter(Loader(mixed, 4, pipelines=pipelines)))
    finally:
        Compiler.set_enabled(True)
    assert image[:, 0, 0, 0].tolist() == [1, 2, 3, 4]


def test_operations_of_this_package_behind_one_of_python_are_named_once(mixed):
    mean, std = np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 4.0])
    ops = [SimpleRGBImageDecoder(), NormalizeImage(mean, std, np.float32), ToTensor()]
    want = Loader(mixed, 6, pipelines={**OFF, "image": ops})
    with pytest.warns(UserWarning, match="NormalizeImage of output 'image' .the engine's Normalize.") as said:
        here = [SimpleRGBImageDecoder(), Plain(lambda x: x), *ops[1:]]
        got = Loader(mixed, 6, pipelines={**OFF, "image": here})
    assert len(said) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for (a,), (b,) in zip(want, got):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-6)


def test_what_belongs_together_stays_together(pictures):
    """Pictures and labels are mixed with the same shares, also where one of them is mixed in Python."""
    mixes = {"image": ImageMixup(0.5, False), "label": LabelMixup(0.5, False)}
    for between in ([], [Plain(lambda x: x)]):
        image = [RandomResizedCropRGBImageDecoder((4, 4)), Plain(np.zeros_like), Plain(lambda x: x + 0)]
        pipelines = {
            "image": [RandomResizedCropRGBImageDecoder((4, 4)), mixes["image"], ToTensor()]
            if not between
            else [*image, mixes["image"], ToTensor()],
            "label": [IntDecoder(), mixes["label"], ToTensor()],
        }
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loader = Loader(pictures, 10, pipelines=pipelines, seed=3)
        done = {type(node.operation).__name__ for cut in loader.graph.split().cuts for node in cut.nodes}
        assert ("LabelMixup" in done) == ("ImageMixup" in done) == (not between)
        for _, label in loader:
            assert label.shape == (10, 3) and ((0 <= label[:, 2]) & (label[:, 2] <= 1)).all()


def test_what_operations_draw_here_belongs_to_seed_and_epoch(pictures):
    pipelines = {
        "image": [RandomResizedCropRGBImageDecoder((6, 6)), Plain(lambda x: x), RandomHorizontalFlip()],
        "label": None,
    }

    def epochs(seed):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loader = Loader(pictures, 10, pipelines=pipelines, seed=seed)
        return [np.concatenate([image for (image,) in loader]) for _ in range(2)]

    (a, b), (c, d), (e, _) = epochs(1), epochs(1), epochs(2)
    assert (a == c).all() and (b == d).all()
    assert not (a == b).all() and not (a == e).all()


# Ends.


def test_what_an_operation_raises_comes_with_its_sample(rows):
    def odd(batch):
        if (batch == 123).any():
            raise KeyError("no such label")
        return batch

    pipelines = {"label": [IntDecoder(), Plain(odd)], "x": None}
    loader = Loader(rows, 50, pipelines=pipelines)
    seen = []
    with pytest.raises(KeyError, match="sample 123.*no such label") as caught:
        for (label,) in loader:
            seen += label.flatten().tolist()
    assert seen == list(range(100)), "the batches before it come"
    e = caught.value
    assert isinstance(e, betongo.SampleError)
    assert (e.sample, e.field, e.file) == (123, "label", rows) and e.samples == list(range(100, 150))
    assert isinstance(e.__cause__, KeyError) and "Plain" in str(e)
    assert not ours()
    with pytest.raises(KeyError, match="sample 123"):
        list(loader)


@pytest.mark.parametrize(
    "error", [StopIteration, OSError(2, "gone"), UnicodeDecodeError("ascii", b"x", 0, 1, "no"), ValueError]
)
def test_errors_of_all_kinds_come_out(rows, error):
    def fail(batch):
        raise error

    loader = Loader(rows, 50, pipelines={"label": [IntDecoder(), Plain(fail)], "x": None})
    with pytest.raises(betongo.SampleError, match="sample 0") as caught:
        list(loader)
    cls = error if isinstance(error, type) else type(error)
    assert isinstance(caught.value, cls) or cls is StopIteration


def test_an_error_of_a_whole_batch_names_its_samples(rows):
    def fail(batch):
        if len(batch) > 1:
            raise ArithmeticError("together")
        return batch

    loader = Loader(
        rows, 20, indices=range(7, 600), pipelines={"label": [IntDecoder(), Plain(fail)], "x": None}
    )
    with pytest.raises(ArithmeticError, match=r"a batch of 20 samples \(7, 8,") as caught:
        list(loader)
    assert caught.value.sample is None


def test_a_loop_that_is_left_ends_its_thread(rows):
    slow = Plain(lambda batch: (time.sleep(0.01), batch)[1])
    loader = Loader(rows, 10, pipelines={"label": [IntDecoder(), slow], "x": None})
    for k, _ in enumerate(loader):
        if k == 2:
            assert len(ours()) == 1
            break
    gc.collect()
    assert not ours()
    it = iter(loader)
    next(it)
    it.close()
    assert not ours()
    with pytest.raises(ZeroDivisionError):
        for _ in loader:
            raise ZeroDivisionError
    gc.collect()
    assert not ours()
    for a, b in zip(loader, loader):
        assert (a[0] == b[0]).all()


def test_it_works_ahead_but_not_further_than_asked(rows):
    began = []
    loader = Loader(
        rows,
        10,
        batches_ahead=2,
        pipelines={"label": [IntDecoder(), Plain(lambda b: began.append(1) or b)], "x": None},
    )
    it = iter(loader)
    next(it)
    until = time.monotonic() + 5
    while len(began) < 4 and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(0.1)
    assert len(began) == 4  # handed out, two in front of the loop, one in the hand
    it.close()


def test_a_forked_child_is_told_that_an_iteration_is_not_its_own(rows):
    it = iter(Loader(rows, 10, pipelines={"label": [IntDecoder(), Plain(lambda batch: batch)], "x": None}))
    next(it)
    child = os.fork()
    if child == 0:
        try:
            next(it)
        except RuntimeError:
            os._exit(7)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert sum(1 for _ in it) == 59


def test_a_killed_engine_is_an_error_and_another_one_goes_on(rows):
    from betongo import _engine

    loader = Loader(
        rows, 10, order="random", seed=1, pipelines={"label": [IntDecoder(), Plain(lambda b: b)], "x": None}
    )
    want = [batch for (batch,) in loader]
    loader.next_epoch = 0
    it = iter(loader)
    got = [next(it)[0] for _ in range(5)]
    _engine.engine().process.kill()
    with pytest.raises(betongo.EngineError):
        for (batch,) in it:
            got.append(batch)
    loader.load_state_dict(loader.state_dict())
    got += [batch for (batch,) in loader]
    assert len(got) == len(want) and all((a == b).all() for a, b in zip(got, want))


def test_a_process_that_ends_in_the_middle_of_a_loop(rows):
    from rows import start

    code = """
import sys, betongo
from dataclasses import replace
from betongo.fields.decoders import IntDecoder
from betongo.pipeline.operation import Operation
class Op(Operation):
    def generate_code(self): return lambda b, d: b
    def declare_state_and_memory(self, s): return replace(s, jit_mode=False), None
it = iter(betongo.Loader(sys.argv[1], 10, pipelines={"label": [IntDecoder(), Op()], "x": None}))
print(next(it)[0].ravel().tolist(), flush=True)
"""
    process = start(code, rows)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and out.strip() == str(list(range(10)))


# Code.


def test_functions_are_made_again_only_when_something_changed(mixed):
    class Counted(Doubler):
        made = 0

        def __init__(self):
            super().__init__()
            self.factor = 2

        def generate_code(self):
            type(self).made += 1
            factor = self.factor
            return lambda batch, dst: batch * factor

        def declare_state_and_memory(self, previous_state):
            return replace(previous_state, jit_mode=False), None

    op = Counted()
    loader = Loader(mixed, 20, pipelines={**OFF, "label": [IntDecoder(), op]})
    codes = []
    for _ in range(3):
        assert next(iter(loader))[0].ravel().tolist() == [2 * i for i in range(20)]
        codes.append(loader.code)
    assert Counted.made == 1 and codes[0] is codes[1] is codes[2]
    op.factor = 3
    assert next(iter(loader))[0].ravel().tolist() == [3 * i for i in range(20)]
    assert Counted.made == 2 and loader.code is not codes[0]
    loader.recompile = True
    next(iter(loader))
    code = loader.code
    next(iter(loader))
    assert loader.code is not code


# Decoders and fields.


def test_a_decoder_of_ones_own(mixed, compiler):
    class Shifted(IntDecoder):
        def generate_code(self):
            def decode(indices, destination, metadata, storage_state):
                for k in range(len(indices)):
                    destination[k] = metadata[indices[k]] + 1000
                return destination[: len(indices)]

            return decode

    loader = Loader(
        mixed, 7, order="random", seed=2, pipelines={**OFF, "label": [Shifted(), ToTensor()]}, drop_last=False
    )
    it = iter(loader)
    for (label,) in it:
        assert label.flatten().tolist() == [i + 1000 for i in it.ids]


@pytest.mark.parametrize("os_cache", [True, False])
def test_a_decoder_that_reads_stored_bytes(tmp_path, compiler, os_cache, monkeypatch):
    if not os_cache:
        monkeypatch.setattr(OSCacheManager, "schedule_epoch", None)  # which is of the mapped file
    path = write(
        tmp_path / "bytes.beton", 40, {"data": BytesField()}, lambda i: (np.full(1 + i % 9, i, np.uint8),)
    )

    class Sum(BytesDecoder):
        def declare_state_and_memory(self, previous_state):
            return replace(previous_state, jit_mode=True, shape=(2,), dtype=np.dtype("i8")), AllocationQuery(
                (2,), np.dtype("i8")
            )

        def generate_code(self):
            read = self.memory_read

            def decode(indices, destination, metadata, storage_state):
                for k in range(len(indices)):
                    data = read(metadata[indices[k]]["ptr"], storage_state)
                    destination[k, 0] = len(data)
                    destination[k, 1] = data[0]
                return destination

            return decode

    chosen = [39, 1, 12, 3, 5, 6, 7, 8]
    loader = Loader(path, 8, os_cache=os_cache, pipelines={"data": [Sum(), ToTensor()]}, indices=chosen)
    (data,) = next(iter(loader))
    assert data.tolist() == [[1 + i % 9, i] for i in chosen]


@pytest.mark.parametrize(
    "name",
    ["bytes", "bytes_zero_first", "bytes_all_empty", "json", "cifar_like", "ndarray_multipage"],
)
def test_regions_are_read_as_they_are_mapped(golden, name, compiler, tmp_path):
    path = golden(name)
    reader = betongo.Reader(path)
    table, whole = reader.alloc_table, np.fromfile(path, np.uint8)
    regions = Regions(reader.file)
    read = regions.compile_reader()
    samples = np.unique(table["sample_id"])
    for ids in (samples, samples[::-3], samples[:1], samples[:0]):
        state = regions.state(ids.astype(np.int64))
        mine = table[np.isin(table["sample_id"], ids)]
        for entry in mine:
            at, size = int(entry["ptr"]), int(entry["size"])
            got = read(at, state)
            assert len(got) in mine["size"][mine["ptr"] == at]
            assert (got[:size] == whole[at : at + size][: len(got)]).all()
    cut = tmp_path / "cut.beton"
    cut.write_bytes(whole[: int(table["ptr"].max())].tobytes())
    if int(table["size"][table["ptr"].argmax()]):
        reader.file.path = str(cut)
        with pytest.raises(betongo.FormatError, match="bytes are missing"):
            regions = Regions(reader.file)
            regions._file._fd = None
            regions.state(samples.astype(np.int64))


def test_whole_images_that_are_not_mapped(mixed):
    class Mine(SimpleRGBImageDecoder):
        def generate_code(self):
            images = super().generate_code()

            def decode(*args):
                return images(*args)

            decode.plain = True
            return decode

    batches = [
        [
            b.tolist()
            for (b,) in Loader(mixed, 8, os_cache=o, pipelines={**OFF, "label": None, "image": [Mine()]})
        ]
        for o in (True, False)
    ]
    assert batches[0] == batches[1]


class StringField(NDArrayField):
    """FFCV's test of a field of one's own: texts of a fixed length."""

    def __init__(self, max_len, pad_char="\0"):
        self.max_len = max_len
        self.pad_char = pad_char
        super().__init__(np.dtype("uint8"), (max_len,))

    def encode(self, destination, field, malloc):
        padded = (field + self.pad_char * self.max_len)[: self.max_len]
        super().encode(destination, np.frombuffer(padded.encode("ascii"), dtype="uint8"), malloc)


def test_a_field_of_ones_own(tmp_path):
    texts = ["hello world", "", "FFCV", "abcdefghijklmnop"] * 10
    path = str(tmp_path / "texts.beton")
    fields = {"index": IntField(), "value": StringField(16)}
    DatasetWriter(path, fields, num_workers=1).from_indexed_dataset(Listed(40, lambda i: (i, texts[i])))
    with pytest.raises(ValueError, match="custom_fields"):
        Loader(path, 8)
    with pytest.raises(ValueError, match="custom_fields: 'valu' is unknown; did you mean 'value'"):
        Loader(path, 8, custom_fields={"valu": StringField})
    loader = Loader(path, 8, order="random", custom_fields={"value": StringField})
    for index, value in loader:
        assert value.shape == (8, 16)
        for i, row in zip(index, value):
            assert row.numpy().tobytes().decode().split("\0")[0] == texts[int(i)]


def test_fields_decode_in_the_engine_by_default(mixed):
    loader = Loader(mixed, 4)
    assert not loader.code.threaded
    assert {type(n.operation).__name__ for cut in loader.graph.split().cuts for n in cut.nodes} == {
        "SimpleRGBImageDecoder", "IntDecoder", "FloatDecoder", "NDArrayDecoder", "BytesDecoder"
    }  # fmt: skip


def test_an_array_field_under_a_class_of_ones_own_is_still_the_engines(mixed):
    class Named(NDArrayField):
        @staticmethod
        def from_binary(binary):
            field = NDArrayField.from_binary(binary)
            return Named(field.dtype, field.shape)

    loader = Loader(mixed, 4, custom_fields={"array": Named}, pipelines={**OFF, "array": [NDArrayDecoder()]})
    assert type(loader.reader.handlers["array"]) is Named and not loader.code.threaded
    assert next(iter(loader))[0][3].tolist() == [[3.0] * 3] * 2


# Devices.


def test_other_devices_have_their_batches_copied_there(mixed):
    """torch's device "meta" keeps shapes and strides alone: what a device is to the loader, without one."""
    pipelines = {
        **OFF,
        "image": [
            SimpleRGBImageDecoder(),
            ToTensor(),
            ToDevice(torch.device("meta"), non_blocking=True),
            ToTorchImage(),
        ],
        "label": [IntDecoder(), ToTensor(), ToDevice("meta"), Squeeze()],
    }
    loader = Loader(mixed, 8, pipelines=pipelines)
    assert loader.code.threaded, "copies are made ahead of the loop"
    image, label = next(iter(loader))
    assert image.device.type == label.device.type == "meta"
    assert image.shape == (8, 3, 12, 16) and image.stride() == (576, 1, 48, 3) and label.shape == (8,)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA here")
def test_cuda(mixed):
    device = torch.device("cuda:0")
    mean, std = np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 4.0])
    tail = [
        ToTensor(),
        ToDevice(device, non_blocking=True),
        ToTorchImage(),
        NormalizeImage(mean, std, np.float16),
    ]
    pipelines = {
        **OFF,
        "image": [SimpleRGBImageDecoder(), *tail],
        "label": [IntDecoder(), ToTensor(), ToDevice(device), Squeeze()],
    }
    kept = [
        batch for _ in range(5) for batch in Loader(mixed, 5, order="random", seed=3, pipelines=pipelines)
    ]
    for image, label in kept:
        assert (
            image.is_cuda
            and image.dtype is torch.float16
            and image.is_contiguous(memory_format=torch.channels_last)
        )
        want = (np.stack([picture(int(i)) for i in label]) - mean) / std
        np.testing.assert_allclose(image.permute(0, 2, 3, 1).float().cpu().numpy(), want, atol=0.1)
    pinned = next(iter(Loader(mixed, 5, pin_memory=True)))
    assert all(x.is_pinned() for x in pinned)


# Orders.


class Backwards(TraversalOrder):
    """All samples from the last to the first, less one more in each epoch."""

    def __init__(self, loader, less=1):
        super().__init__(loader)
        self.less = less

    def sample_order(self, epoch):
        return self.indices[::-1][epoch * self.less :]


@pytest.mark.parametrize("drop_last", [True, False])
def test_an_order_of_ones_own(rows, drop_last):
    loader = Loader(
        rows, 7, order=Backwards, order_kwargs={"less": 10}, drop_last=drop_last, pipelines={"x": None}
    )
    assert isinstance(loader.traversal_order, Backwards)
    assert len(loader) == (85 if drop_last else 86)
    for epoch in range(3):
        got = [int(i) for (batch,) in loader for i in batch]
        want = list(range(599 - 10 * epoch, -1, -1))
        assert got == (want[: len(want) // 7 * 7] if drop_last else want)


def test_an_order_of_ones_own_may_repeat_samples_and_change(rows):
    class Few(TraversalOrder):
        def sample_order(self, epoch):
            return [3, 3, 5, 599 - epoch]

    loader = Loader(rows, 2, order=Few, indices=[1, 2], pipelines={"x": None})
    assert [[int(i) for (batch,) in loader for i in batch] for _ in range(2)] == [
        [3, 3, 5, 599],
        [3, 3, 5, 598],
    ]


def test_an_order_derived_from_one_of_ours(rows):
    class Even(Sequential):
        def sample_order(self, epoch):
            return super().sample_order(epoch)[::2]

    class Same(Random):
        pass

    loader = Loader(rows, 100, order=Even, pipelines={"x": None})
    assert [int(i) for (batch,) in loader for i in batch] == list(range(0, 600, 2)) and len(loader) == 3
    a, b = (Loader(rows, 100, order=o, seed=4, pipelines={"x": None}) for o in (Same, OrderOption.RANDOM))
    assert all((x == y).all() for (x,), (y,) in zip(a, b))


def test_an_order_that_names_samples_that_there_are_not(rows):
    class Wrong(TraversalOrder):
        def sample_order(self, epoch):
            return np.arange(600) + 1

    loader = Loader(rows, 100, order=Wrong)
    with pytest.raises((ValueError, betongo.Error), match="600"):
        list(loader)


def test_views_of_a_field_with_an_operation_of_python(mixed):
    decoder = SimpleRGBImageDecoder()
    add = Plain(lambda x: np.add(x, 1, out=x))  # into what it got
    pipelines = {
        **OFF,
        "image": [decoder, ToTensor()],
        "more": PipelineSpec(decoder, transforms=[add, ToTensor()]),
        "most": PipelineSpec(add, transforms=[Plain(lambda x: np.add(x, 1, out=x))]),
    }
    for image, more, most in Loader(mixed, 5, pipelines=pipelines):
        assert (more == image + 1).all() and (torch.from_numpy(most) == image + 2).all()


def test_a_crop_of_ones_own_gets_pictures_from_the_engine(golden):
    class Corner(RandomResizedCropRGBImageDecoder):
        @property
        def get_crop_generator(self):
            return lambda height, width, scale, ratio: (0, 0, 16, 16)

    whole = betongo.open(golden("rgb_jpg"))
    loader = Loader(golden("rgb_jpg"), 3, pipelines={"image": [Corner((16, 16)), ToTensor()]})
    assert loader.code.threaded
    it = iter(loader)
    for image, *_ in it:
        for pixels, i in zip(image, it.ids):
            stored = whole.file.value(int(i), "image") if hasattr(whole, "file") else whole[int(i)]["image"]
            assert (pixels.numpy() == np.asarray(stored)[:16, :16]).all()


def test_nothing_follows_what_is_moved_in_python(tmp_path):
    from betongo.fields import ImageField, RGBImageField
    from betongo.fields.decoders import Mask

    fields = {"image": RGBImageField(), "mask": ImageField()}
    path = write(tmp_path / "masks.beton", 8, fields, lambda i: (picture(i), np.full((12, 16), i, np.uint8)))
    flip = RandomHorizontalFlip()
    pipelines = {"image": [SimpleRGBImageDecoder(), flip, Plain(lambda x: x)], "mask": [Mask("image")]}
    Loader(path, 4, pipelines=pipelines)
    pipelines["image"] = [SimpleRGBImageDecoder(), Plain(lambda x: x), flip]
    with pytest.raises(ValueError, match="'mask' follows 'image', whose RandomHorizontalFlip"):
        Loader(path, 4, pipelines=pipelines)
