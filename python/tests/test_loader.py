"""The loader: its arguments, batches and endings."""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import pickle
import threading
import warnings

import numpy as np
import pytest
from made import SAMPLES, labels_of, picture, write_mixed, write_noise
from rows import start, write_rows

import betongo
from betongo import Loader, OrderOption
from betongo.fields import JSONField
from betongo.fields.decoders import (
    CenterCropRGBImageDecoder,
    FloatDecoder,
    IntDecoder,
    NDArrayDecoder,
    RandomResizedCropRGBImageDecoder,
    SimpleRGBImageDecoder,
)
from betongo.pipeline import PipelineSpec
from betongo.pipeline.operation import Operation
from betongo.transforms import (
    Convert,
    NormalizeImage,
    RandomHorizontalFlip,
    Squeeze,
    ToDevice,
    ToTensor,
    ToTorchImage,
    View,
)

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.usefixtures("engine")

OFF = {"image": None, "weight": None, "array": None, "text": None}
MEAN, STD = np.array([10.0, 20.0, 30.0]), np.array([2.0, 4.0, 8.0])


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    return write_mixed(tmp_path_factory.mktemp("mixed") / "mixed.beton")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return write_noise(tmp_path_factory.mktemp("noise") / "noise.beton")


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    return write_rows(tmp_path_factory.mktemp("rows") / "rows.beton", 600)


def labels(loader):
    """What an epoch's labels are."""
    return [int(i) for batch in loader for i in batch[0]]


# Batches.


def test_default_pipelines_give_tensors_in_file_order(mixed):
    loader = Loader(mixed, batch_size=8)
    first = next(iter(loader))
    assert type(first) is tuple
    image, label, weight, array, text = first
    assert all(isinstance(x, torch.Tensor) for x in first)
    assert image.shape == (8, 12, 16, 3) and image.dtype is torch.uint8
    assert label.shape == (8, 1) and label.dtype is torch.int64
    assert weight.shape == (8, 1) and weight.dtype is torch.float64
    assert array.shape == (8, 2, 3) and array.dtype is torch.float32
    assert label.flatten().tolist() == list(range(8))
    assert weight.flatten().tolist() == [i / 2 for i in range(8)]
    assert (image.numpy() == np.stack([picture(i) for i in range(8)])).all()
    assert JSONField.unpack(text) == [{"i": i, "s": "x" * (i % 7)} for i in range(8)]


@pytest.mark.parametrize("batch_size", [7, 1])
@pytest.mark.parametrize(
    "layout",
    [
        [ToTensor(), ToTorchImage()],
        [ToTensor(), ToDevice("cpu"), ToTorchImage(), Squeeze()],
        [ToTorchImage(), ToTensor(), Squeeze(1), Squeeze(0)],
        [NormalizeImage(MEAN, STD, np.float16), ToTensor(), ToTorchImage()],
        [NormalizeImage(MEAN, STD, np.float16), ToTensor(), ToTorchImage(convert_back_int16=False)],
        [ToTensor(), View(torch.int8), ToTorchImage()],
        [],
    ],
)
def test_views_are_shown_as_the_operations_show_them(mixed, layout, batch_size):
    """What shows an array in fewer steps gives what the steps give, to the strides."""
    pipelines = {"image": [SimpleRGBImageDecoder(), *layout], "label": [IntDecoder(), ToTensor(), Squeeze()]}
    pipelines = {**OFF, **pipelines}
    loader = Loader(mixed, batch_size, indices=range(15), pipelines=pipelines, drop_last=False)
    quick = list(loader)
    loader.code._looks = None
    for batch, other in zip(quick, loader):
        for a, b in zip(batch, other):
            assert type(a) is type(b) and a.dtype == b.dtype and a.shape == b.shape
            assert (a.strides if isinstance(a, np.ndarray) else a.stride()) == (
                b.strides if isinstance(b, np.ndarray) else b.stride()
            )
            assert bool((a == b).all())


def test_rows_of_bytes_are_as_long_as_the_longest_of_the_file(mixed):
    loader = Loader(mixed, batch_size=4, drop_last=False)
    widths = {batch[4].shape[1] for batch in loader}
    assert widths == {int(loader.reader.metadata["f4"]["size"].max())}


def test_without_to_tensor_batches_are_arrays(mixed):
    pipelines = {
        "label": [IntDecoder()],
        "weight": [FloatDecoder()],
        **dict.fromkeys(("image", "array", "text")),
    }
    label, weight = next(iter(Loader(mixed, batch_size=5, pipelines=pipelines)))
    assert type(label) is np.ndarray and label.dtype == np.int64 and label.flags.writeable
    assert type(weight) is np.ndarray and weight.shape == (5, 1)


@pytest.mark.parametrize(
    "ops, shape, stride, dtype",
    [
        ([ToTensor()], (4, 12, 16, 3), (576, 48, 3, 1), "uint8"),
        ([ToTensor(), ToTorchImage()], (4, 3, 12, 16), (576, 1, 48, 3), "uint8"),
        ([ToTensor(), ToTorchImage(channels_last=False)], (4, 3, 12, 16), (576, 192, 16, 1), "uint8"),
        (
            [ToTensor(), ToDevice("cpu"), ToTorchImage(), Convert(torch.float16)],
            (4, 3, 12, 16),
            (576, 1, 48, 3),
            "float16",
        ),
        (
            [NormalizeImage(MEAN, STD, np.float32), ToTensor(), ToTorchImage()],
            (4, 3, 12, 16),
            (576, 1, 48, 3),
            "float32",
        ),
        (
            [NormalizeImage(MEAN, STD, np.float16), ToTensor(), ToTorchImage()],
            (4, 3, 12, 16),
            (576, 1, 48, 3),
            "float16",
        ),
        ([NormalizeImage(MEAN, STD, np.float16), ToTensor()], (4, 12, 16, 3), (576, 48, 3, 1), "int16"),
        (
            [NormalizeImage(MEAN, STD, np.float16), View(np.float16), ToTensor()],
            (4, 12, 16, 3),
            (576, 48, 3, 1),
            "float16",
        ),
        (
            [ToTensor(), ToTorchImage(), NormalizeImage(MEAN, STD, np.float32)],
            (4, 3, 12, 16),
            (576, 1, 48, 3),
            "float32",
        ),
    ],
)
def test_shapes_strides_and_dtypes_are_ffcvs(mixed, ops, shape, stride, dtype):
    loader = Loader(mixed, 4, pipelines={**OFF, "image": [SimpleRGBImageDecoder(), *ops], "label": None})
    (image,) = next(iter(loader))
    assert (tuple(image.shape), image.stride(), str(image.dtype)) == (shape, stride, f"torch.{dtype}")
    assert not loader.code.threaded, "all of it is the engine's, or a view"
    want = np.stack([picture(i) for i in range(4)]).astype(np.float64)
    if any(isinstance(op, NormalizeImage) for op in ops):
        want = (want - MEAN) / STD
    got = image.view(torch.float16) if dtype == "int16" else image
    got = got.permute(0, 2, 3, 1) if got.shape[1] == 3 else got
    np.testing.assert_allclose(got.double().numpy(), want, rtol=2e-3, atol=2e-3)


def test_squeeze(mixed):
    loader = Loader(mixed, 7, pipelines={**OFF, "label": [IntDecoder(), ToTensor(), Squeeze()]})
    (label,) = next(iter(loader))
    assert label.shape == (7,) and label.tolist() == list(range(7))


def test_builtin_pipelines_have_no_thread_of_ours(mixed):
    before = threading.active_count()
    for _ in Loader(mixed, 8):
        assert threading.active_count() == before


def test_batches_that_are_kept_never_change(mixed):
    loader = Loader(mixed, 2, order=OrderOption.RANDOM, seed=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        kept = list(loader) + list(loader) + list(loader)
    for image, label, *_ in kept:
        for pixels, i in zip(image, label):
            assert (pixels.numpy() == picture(int(i))).all()


def test_batches_are_the_loops_to_write_to(mixed):
    loader = Loader(mixed, 4, pipelines={**OFF, "label": [IntDecoder(), ToTensor()]})
    for (label,) in loader:
        label += 1000
    assert labels(loader) == list(range(SAMPLES))


def test_dicts_on_request(mixed):
    batch = next(iter(Loader(mixed, 3, as_dict=True, pipelines={"text": None})))
    assert list(batch) == ["image", "label", "weight", "array"]
    assert batch["label"].flatten().tolist() == [0, 1, 2]


def test_nothing_enabled_gives_empty_tuples_and_ids(rows):
    loader = Loader(rows, 100, pipelines={"label": None, "x": None})
    it = iter(loader)
    seen = []
    for batch in it:
        assert batch == ()
        seen += it.ids.tolist()
    assert seen == list(range(600))


def test_ids_and_lengths_of_the_latest_batch(mixed):
    loader = Loader(mixed, 6, order="random", seed=4)
    it = iter(loader)
    for batch in it:
        assert it.ids.tolist() == batch[1].flatten().tolist()
        assert [len(JSONField.unpack(row)["s"]) for row in batch[4]] == [i % 7 for i in it.ids]
        assert (it.lengths["text"] == [np.flatnonzero(row == 0)[0] for row in batch[4].numpy()]).all()


# Lengths.


@pytest.mark.parametrize(
    "n, drop_last, want",
    [(7, True, 85), (7, False, 86), (60, True, 10), (60, False, 10), (601, True, 0), (601, False, 1)],
)
def test_len_is_the_number_of_batches(rows, n, drop_last, want):
    loader = Loader(rows, n, drop_last=drop_last)
    assert len(loader) == want
    for _ in range(2):
        sizes = [len(batch[0]) for batch in loader]
        assert len(sizes) == want
        assert all(size == n for size in sizes[:-1])
        if want:
            assert sizes[-1] == (n if drop_last else 600 - n * (want - 1))


def test_no_samples(rows):
    for drop_last in (True, False):
        loader = Loader(rows, 4, indices=[], drop_last=drop_last)
        assert len(loader) == 0 and list(loader) == [] and list(loader) == []


def test_indices_may_repeat_and_stay_the_callers(rows):
    mine = np.array([5, 3, 3, 599])
    loader = Loader(rows, 2, indices=mine, pipelines={"x": None})
    assert labels(loader) == [5, 3, 3, 599]
    loader.indices[0] = 7
    assert mine.tolist() == [5, 3, 3, 599]


@pytest.mark.parametrize(
    "indices, error",
    [
        ([600], ValueError),
        ([-1], ValueError),
        ([0.5], TypeError),
        ([[1]], TypeError),
        ([True, False], TypeError),
    ],
)
def test_indices_that_are_none(rows, indices, error):
    with pytest.raises(error, match="indices"):
        Loader(rows, 2, indices=indices)


# Pipelines.


def test_none_disables(mixed):
    assert len(next(iter(Loader(mixed, 4, pipelines={"image": None, "text": None})))) == 3


def test_several_views_of_one_field(mixed):
    pipelines = {
        **OFF,
        "label": [IntDecoder(), ToTensor(), Squeeze()],
        "again": PipelineSpec("label", decoder=IntDecoder(), transforms=[ToTensor()]),
        "small": PipelineSpec("image", CenterCropRGBImageDecoder((4, 4), 1), [ToTensor()]),
        "default": PipelineSpec("weight"),
    }
    loader = Loader(mixed, 4, pipelines=pipelines)
    assert list(loader.pipeline_specs) == ["label", "again", "small", "default"]
    label, again, small, default = next(iter(loader))
    assert label.shape == (4,) and again.shape == (4, 1) and small.shape == (4, 4, 4, 3)
    assert default.flatten().tolist() == [0, 0.5, 1, 1.5]


def test_a_branch_shares_what_was_drawn(pictures):
    flip, tensor = RandomHorizontalFlip(), ToTensor()
    pipelines = {
        "image": [RandomResizedCropRGBImageDecoder((8, 8)), flip, tensor],
        "label": None,
        "chw": PipelineSpec(tensor, transforms=[ToTorchImage()]),
        "floats": PipelineSpec(flip, transforms=[Convert(np.float32), ToTensor()]),
    }
    loader = Loader(pictures, 10, pipelines=pipelines, seed=1)
    for image, chw, floats in loader:
        assert (chw == image.permute(0, 3, 1, 2)).all()
        assert (floats == image.float()).all() and floats.dtype is torch.float32


def test_a_branch_behind_what_is_certain_stays_in_the_engine(mixed):
    decoder = SimpleRGBImageDecoder()
    pipelines = {
        **OFF,
        "image": [decoder, ToTensor()],
        "normal": PipelineSpec(decoder, transforms=[NormalizeImage(MEAN, STD, np.float32), ToTensor()]),
    }
    loader = Loader(mixed, 10, pipelines=pipelines)
    assert not loader.code.threaded
    image, _, normal = next(iter(loader))
    np.testing.assert_allclose(normal.numpy(), (image.numpy() - MEAN) / STD, rtol=1e-5)


def test_one_operation_in_two_pipelines_knows_both_shapes(mixed):
    convert, tensor = Convert(np.float32), ToTensor()
    pipelines = {
        **OFF,
        "image": [SimpleRGBImageDecoder(), convert, tensor],
        "array": [NDArrayDecoder(), tensor],
    }
    image, label, array = next(iter(Loader(mixed, 4, pipelines=pipelines)))
    assert image.dtype is torch.float32 and image.shape == (4, 12, 16, 3) and array.shape == (4, 2, 3)


def test_the_callers_lists_are_left_alone(mixed):
    pipelines = {"image": [SimpleRGBImageDecoder(), ToTensor()]}
    Loader(mixed, 4, pipelines=pipelines)
    assert [type(op) for op in pipelines["image"]] == [SimpleRGBImageDecoder, ToTensor]


def test_attributes_are_read_again_at_each_iter(pictures):
    decoder = RandomResizedCropRGBImageDecoder((8, 8))
    loader = Loader(pictures, 10, pipelines={"image": [decoder, ToTensor(), ToTorchImage()]})
    for size in (8, 20, 20, 12):
        decoder.output_size = (size, size)
        for image, _ in loader:
            assert image.shape == (10, 3, size, size)


def test_modules_are_operations(mixed):
    class Half(torch.nn.Module):
        def forward(self, x):
            return x / 2

    pipelines = {
        **OFF,
        "image": [SimpleRGBImageDecoder(), ToTensor(), ToTorchImage(), Convert(torch.float32), Half()],
    }
    image, _ = next(iter(Loader(mixed, 4, pipelines=pipelines)))
    assert image.shape == (4, 3, 12, 16) and image[3, 2, 0, 0] == (255 - 3) / 2


@pytest.mark.parametrize(
    "pipelines, error, says",
    [
        ({"imgae": []}, ValueError, "did you mean 'image'"),
        ({"imgae": None}, ValueError, "did you mean 'image'"),
        ({"more": PipelineSpec("lable")}, ValueError, "did you mean 'label'"),
        ({"label": 3}, ValueError, "want a list of operations"),
        ({"label": [IntDecoder]}, TypeError, "is a class"),
        ({"label": [len]}, TypeError, "neither an Operation"),
        ({"label": [ToTensor(), IntDecoder()]}, ValueError, "a decoder comes first"),
        ({"label": [FloatDecoder()]}, ValueError, "doesn't decode|comes first"),
        ({"label": PipelineSpec("label", SimpleRGBImageDecoder())}, ValueError, "doesn't decode"),
        ({"more": PipelineSpec(ToTensor())}, ValueError, "neither a field nor"),
        ({"more": PipelineSpec(None)}, ValueError, "no source"),
        ({"label": [IntDecoder(), ToTorchImage()]}, TypeError, "images"),
        (
            {"image": [SimpleRGBImageDecoder(), ToTensor(), RandomHorizontalFlip()]},
            TypeError,
            "before ToTensor",
        ),
    ],
)
def test_pipelines_that_do_not_fit(mixed, pipelines, error, says):
    with pytest.raises(error, match=says):
        Loader(mixed, 4, pipelines=pipelines)


def test_a_reference_to_an_operation_of_several_pipelines_is_ambiguous(mixed):
    tensor = ToTensor()
    pipelines = {
        "label": [IntDecoder(), tensor],
        "weight": [FloatDecoder(), tensor],
        "more": PipelineSpec(tensor),
    }
    with pytest.raises(ValueError, match="several pipelines"):
        Loader(mixed, 4, pipelines=pipelines)


def test_pictures_of_many_sizes_need_another_decoder(pictures):
    with pytest.raises(TypeError, match="one size"):
        Loader(pictures, 4)


# Arguments and attributes.


def test_attributes(rows):
    loader = Loader(rows, 100, seed=5, order=OrderOption.RANDOM, num_workers=1)
    assert loader.reader.num_samples == 600 and loader.reader.field_names == ["label", "x"]
    assert loader.indices.dtype == np.uint64 and loader.indices.tolist() == list(range(600))
    assert (loader.seed, loader.next_epoch, loader.batch_size, loader.num_workers) == (5, 0, 100, 1)
    assert (loader.batches_ahead, loader.drop_last, loader.distributed, loader.recompile) == (
        3,
        True,
        False,
        False,
    )
    assert loader.traversal_order.sample_order(0).tolist() == loader.first_traversal_order.tolist()
    assert loader.field_name_to_f_ix == {"label": 0, "x": 1}
    assert loader.fname == rows and list(loader.pipeline_specs) == ["label", "x"]
    iter(loader)
    iter(loader)
    assert loader.next_epoch == 2, "each iter() is an epoch"
    assert len(loader.memory_manager.ptrs) == 0
    assert "6 batches of 100" in repr(loader)


@pytest.mark.parametrize(
    "settings, says",
    [
        ({"batch_size": 0}, "batch_size"),
        ({"batch_size": 4, "batches_ahead": 0}, "batches_ahead"),
        ({"batch_size": 4, "order": "randon"}, "did you mean 'random'"),
        ({"batch_size": 4, "order": 3}, "order is 3"),
        ({"batch_size": 4, "seed": -1}, "seed"),
        ({"batch_size": 4, "on_error": "skipp"}, "skip"),
        ({"batch_size": 4, "rank": 2, "world_size": 2}, "rank 2"),
    ],
)
def test_arguments_that_do_not_fit(rows, settings, says):
    with pytest.raises(ValueError, match=says):
        Loader(rows, **settings)


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.beton"):
        Loader(str(tmp_path / "nowhere.beton"), 4)


def test_a_foreign_file(tmp_path):
    path = tmp_path / "text.beton"
    path.write_text("This is no dataset at all, however long one reads." * 100)
    with pytest.raises(betongo.FormatError, match="text.beton"):
        Loader(str(path), 4)


def test_names_with_characters_of_patterns(rows, tmp_path):
    path = tmp_path / "a[1]*?.beton"
    path.write_bytes(open(rows, "rb").read())
    assert labels(Loader(path, 100)) == list(range(600))


def test_relative_paths_are_of_the_moment(rows, monkeypatch, tmp_path):
    monkeypatch.chdir(os.path.dirname(rows))
    loader = Loader(os.path.basename(rows), 600)
    monkeypatch.chdir(tmp_path)
    assert labels(loader) == list(range(600))


@pytest.mark.parametrize(
    "settings",
    [{"os_cache": False}, {"os_cache": False, "memory": 64 << 20}, {"num_workers": 1}, {"batches_ahead": 1}],
)
def test_how_bytes_are_read_changes_no_batch(mixed, settings):
    want = [batch for batch in Loader(mixed, 7, order="random", seed=2)]
    got = [batch for batch in Loader(mixed, 7, order="random", seed=2, **settings)]
    assert len(got) == len(want) == 8
    for a, b in zip(got, want):
        assert all((x == y).all() for x, y in zip(a, b))


def test_the_seed_that_was_not_given_is_numpys(rows):
    np.random.seed(3)
    want = np.random.randint(0, np.iinfo("int32").max)
    np.random.seed(3)
    assert Loader(rows, 4).seed == want


def test_the_environment_says_how_bytes_are_read(rows):
    for value, want in (("1", "False"), ("0", "True")):
        code = "import sys, betongo; print(betongo.Loader(sys.argv[1], 4).os_cache)"
        assert start(code, rows, FFCV_DEFAULT_CACHE_PROCESS=value).communicate(timeout=60)[0].strip() == want


# Iterations.


def test_two_iterations_at_once(rows):
    loader = Loader(rows, 50, pipelines={"x": None})
    pairs = [(a[0], b[0]) for a, b in zip(loader, loader)]
    assert len(pairs) == 12 and all((a == b).all() for a, b in pairs)


def test_an_iteration_that_is_left(rows):
    loader = Loader(rows, 10, order="random", seed=1, pipelines={"x": None})
    for _ in range(5):
        for _ in loader:
            break
        next(iter(loader))
    assert sorted(labels(loader)) == list(range(600))
    assert loader.next_epoch == 11


def test_an_iterator_that_ended_stays_so(rows):
    it = iter(Loader(rows, 300))
    assert len(list(it)) == 2 and list(it) == []
    with pytest.raises(StopIteration):
        next(it)
    it.close()


def test_length_hint_and_epoch(rows):
    it = iter(Loader(rows, 100))
    assert it.epoch == 0 and it.__length_hint__() == 6
    next(it)
    assert it.__length_hint__() == 5


def test_filter(mixed):
    loader = Loader(mixed, 7, order="random", seed=1, drop_last=False)
    even = loader.filter("label", lambda label: int(label) % 2 == 0)
    assert even.indices.tolist() == list(range(0, SAMPLES, 2))
    assert sorted(int(i) for batch in even for i in batch[1]) == list(range(0, SAMPLES, 2))
    few = even.filter("weight", lambda weight: float(weight) < 3)
    assert few.indices.tolist() == [0, 2, 4]
    assert len(even.filter("label", lambda label: False)) == 0


def test_filter_of_chosen_samples_and_other_outputs(mixed):
    pipelines = {**OFF, "label": None, "more": PipelineSpec("label", IntDecoder(), [ToTensor(), Squeeze()])}
    loader = Loader(mixed, 4, indices=[50, 9, 12, 11, 30], pipelines=pipelines, as_dict=True)
    assert loader.filter("more", lambda i: i > 11).indices.tolist() == [50, 12, 30]
    assert loader.filter("label", lambda i: i < 12).indices.tolist() == [9, 11]
    with pytest.raises(ValueError, match="did you mean"):
        loader.filter("labell", bool)


def test_filter_is_told_what_condition_raises(mixed):
    def condition(label):
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        Loader(mixed, 4).filter("label", condition)


def test_pickled(rows):
    loader = Loader(rows, 30, order="random", pipelines={"x": None})
    list(loader)
    copy = pickle.loads(pickle.dumps(loader))
    assert copy.next_epoch == 1 and copy.seed == loader.seed
    assert labels(copy) == labels(loader)


def test_forked_children_go_on(rows):
    loader = Loader(rows, 30, order="random", seed=1, pipelines={"x": None})
    it = iter(loader)
    next(it)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(write, repr(labels(loader)).encode())
        finally:
            os._exit(0)
    os.close(write)
    text = b""
    while part := os.read(read, 1 << 16):
        text += part
    os.close(read)
    assert os.waitpid(child, 0)[1] == 0
    rest = sum(1 for _ in it)
    assert rest == 19
    assert eval(text) == labels(loader)


def test_spawned_children_go_on(rows):
    context = multiprocessing.get_context("spawn")
    loader = Loader(rows, 30, order="random", pipelines={"x": None})
    list(loader)
    answers = context.Queue()
    child = context.Process(target=labels_of, args=(loader, answers))
    child.start()
    got = answers.get(timeout=60)
    child.join(60)
    assert child.exitcode == 0 and got == labels(loader)


def test_stats(rows):
    loader = Loader(rows, 100)
    assert loader.stats is None
    it = iter(loader)
    next(it)
    assert loader.stats["epoch"] == 0 and loader.stats["batches"] == 1 and not loader.stats["ended"]
    list(it)
    stats = loader.stats
    assert stats["batches"] == 6 and stats["ended"] and len(stats) > 3


def test_replay(pictures):
    loader = Loader(
        pictures,
        6,
        order="random",
        seed=9,
        pipelines={"image": [RandomResizedCropRGBImageDecoder((9, 9)), ToTensor()]},
    )
    epochs = []
    for _ in range(2):
        it = iter(loader)
        epochs.append({int(i): x for image, label in it for i, x in zip(label, image)})
    for epoch, sample in ((0, 3), (1, 3), (1, 41)):
        (image, label), how = loader.replay(epoch, sample)
        assert label.flatten().tolist() == [sample] and isinstance(how, dict)
        assert (image[0] == epochs[epoch][sample]).all()
    assert not (epochs[0][3] == epochs[1][3]).all()


def test_samples_that_cannot_be_loaded(tmp_path):
    path = write_mixed(tmp_path / "damaged.beton")
    reader = betongo.Reader(path)
    # A pointer that leads out of the file, in sample 5's picture.
    rows = reader.metadata
    offset = 24 + 1041 * reader.num_fields + 5 * rows.dtype.itemsize + rows.dtype.fields["f0"][1] + 5
    del rows, reader
    with open(path, "r+b") as f:
        f.seek(offset)
        f.write((1 << 60).to_bytes(8, "little"))
    with pytest.raises(betongo.Error, match="5"):
        list(Loader(path, 4))
    loader = Loader(path, 4, on_error="skip", drop_last=False)
    it = iter(loader)
    seen, skipped = [], []
    for batch in it:
        seen += batch[1].flatten().tolist()
        skipped += it.skipped
    # Its row is another's of the batch, which ids say too.
    assert seen == [4 if i == 5 else i for i in range(SAMPLES)]
    assert [s["sample"] for s in skipped] == [5]
    assert loader.report["failed"] == 1
    loader = Loader(path, 4, on_error=("substitute", 7), drop_last=False)
    assert [int(i) for batch in loader for i in batch[1]] == [*range(5), 7, *range(6, SAMPLES)]
    loader = Loader(path, 4, quarantine=[5], drop_last=False)
    assert [int(i) for batch in loader for i in batch[1]] == [4 if i == 5 else i for i in range(SAMPLES)]


def test_checkpoints_of_jpegs_in_a_file_of_their_own(golden, tmp_path):
    marks = tmp_path / "marks"
    decoder = CenterCropRGBImageDecoder((32, 32), 0.5)
    want = [image for image, *_ in Loader(golden("rgb_jpg"), 2, pipelines={"image": [decoder, ToTensor()]})]
    for _ in range(2):
        loader = Loader(golden("rgb_jpg"), 2, pipelines={"image": [decoder, ToTensor()]}, marks_file=marks)
        assert all((a[0] == b).all() for a, b in zip(loader, want))
        loader.close()
    assert marks.stat().st_size > 0


def test_stats_file(mixed, tmp_path):
    path = tmp_path / "stats.json"
    loader = Loader(mixed, 4, stats_file=path)
    told = json.loads(path.read_text())
    assert told["format"] == "betongo-loader-stats" and told["epoch"]["epoch"] == -1
    assert told["batches"] == len(loader) and told["samples"] == 4 * len(loader)
    for epoch in range(2):
        batches = sum(1 for _ in loader)
        told = json.loads(path.read_text())
        assert told["epoch"]["epoch"] == epoch and told["epoch"]["batches"] == batches == len(loader)
        assert told["total"]["batches"] == (epoch + 1) * batches and not told["epoch"]["running"]
        assert told["epoch"]["verdict"] == loader.stats["verdict"]
    loader.close()
    assert [p.name for p in tmp_path.iterdir()] == ["stats.json"]


def test_stats_file_replaces_nothing_else(mixed, tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("mine")
    with pytest.raises((ValueError, OSError), match="holds no loader's statistics"):
        Loader(mixed, 4, stats_file=str(path))
    assert path.read_text() == "mine"


def test_pin_memory_without_cuda_is_what_it_was(mixed):
    if torch.cuda.is_available():
        pytest.skip("there is CUDA")
    loader = Loader(mixed, 4, pin_memory=True)
    assert not next(iter(loader))[0].is_pinned() and not loader.code.threaded


def test_memory_goes_back(rows):
    loader = Loader(rows, 10)
    for _ in loader:
        pass
    gc.collect()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(10):
            for _ in loader:
                pass


@pytest.mark.parametrize("threaded", [False, True])
def test_warnings_point_at_the_program(rows, threaded):
    class Same(Operation):
        def generate_code(self):
            return lambda x, dst: x

        def declare_state_and_memory(self, previous_state):
            return previous_state, None

    more = [Same()] if threaded else []
    loader = Loader(rows, 4, pipelines={"label": [IntDecoder(), *more], "x": None})
    assert loader.code.threaded == threaded
    with pytest.warns(RuntimeWarning, match="batches are in use") as said:
        kept = list(loader)
    assert len(kept) == 150 and [w.filename for w in said] == [__file__]
