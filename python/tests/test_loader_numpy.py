"""The loader where there is neither torch nor numba, and what it imports where they are."""

from __future__ import annotations

import pytest
from made import write_mixed
from rows import start, write_rows

pytestmark = pytest.mark.usefixtures("engine")

WITHOUT = """
import sys
sys.modules["torch"] = sys.modules["numba"] = None  # can't be imported
from dataclasses import replace
import numpy as np
from betongo import Loader
from betongo.fields.decoders import IntDecoder, SimpleRGBImageDecoder
from betongo.pipeline import Compiler
from betongo.pipeline.allocation_query import AllocationQuery
from betongo.pipeline.operation import Operation
from betongo.transforms import NormalizeImage, RandomHorizontalFlip, Squeeze, ToDevice, ToTensor, ToTorchImage


class Add(Operation):
    def generate_code(self):
        def add(batch, dst, indices):
            for i in Compiler.get_iterator()(len(batch)):
                dst[i] = batch[i] + indices[i]
            return dst

        add.with_indices = add.is_parallel = True
        return add

    def declare_state_and_memory(self, state):
        return state, AllocationQuery(state.shape, state.dtype)


for batch in Loader(sys.argv[1], 8):
    assert [type(x) for x in batch] == [np.ndarray] * 5, batch
assert batch[0].shape == (8, 12, 16, 3) and batch[0].dtype == np.uint8

mean, std = np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 4.0])
flip = RandomHorizontalFlip()
pipelines = {
    "image": [SimpleRGBImageDecoder(), flip, NormalizeImage(mean, std, np.float16), ToTensor(), ToTorchImage()],
    "label": [IntDecoder(), Add(), ToTensor(), ToDevice("cpu"), Squeeze()],
    "weight": None, "array": None, "text": None,
}
loader = Loader(sys.argv[1], 8, order="random", distributed=True, rank=1, world_size=2, seed=3, pipelines=pipelines)
it = iter(loader)
for image, label in it:
    assert image.shape == (8, 3, 12, 16) and image.dtype == np.float16 and image.strides == (1152, 2, 96, 6)
    assert label.tolist() == [2 * i for i in it.ids]
print("fine")
"""

LIGHT = """
import sys, betongo
assert not {"numpy", "torch", "numba", "subprocess"} & set(sys.modules), "import betongo"
from betongo import Loader
from betongo.fields.decoders import FloatDecoder, IntDecoder
from betongo.transforms import RandomHorizontalFlip
assert not {"torch", "numba"} & set(sys.modules)
for batch in Loader(sys.argv[1], 100, order="random", pipelines={"label": [IntDecoder()], "x": [FloatDecoder()]}):
    pass
assert not {"torch", "numba"} & set(sys.modules)
print("fine")
"""


def test_without_torch_and_numba(tmp_path):
    out, _ = start(WITHOUT, write_mixed(tmp_path / "mixed.beton")).communicate(timeout=120)
    assert out.strip() == "fine"


def test_torch_and_numba_are_imported_only_when_they_are_needed(tmp_path):
    out, _ = start(LIGHT, write_rows(tmp_path / "rows.beton", 600)).communicate(timeout=120)
    assert out.strip() == "fine"
