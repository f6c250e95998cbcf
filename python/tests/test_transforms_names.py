"""Every public name of FFCV 1.0.2's transforms, decoders and operations is here with the same arguments."""

from __future__ import annotations

import importlib
import inspect

import pytest

EMPTY = inspect.Parameter.empty

# Of each module: the classes and functions, and of each its parameters with their defaults, as FFCV 1.0.2 has
# them. EMPTY: the parameter has no default.
NAMES = {
    "transforms": {
        "ToTensor": {},
        "ToDevice": {"device": EMPTY, "non_blocking": True},
        "ToTorchImage": {"channels_last": True, "convert_back_int16": True},
        "NormalizeImage": {"mean": EMPTY, "std": EMPTY, "type": EMPTY},
        "Convert": {"target_dtype": EMPTY},
        "Squeeze": {"dims": EMPTY},
        "View": {"target_dtype": EMPTY},
        "RandomResizedCrop": {"scale": EMPTY, "ratio": EMPTY, "size": EMPTY},
        "RandomHorizontalFlip": {"flip_prob": 0.5},
        "RandomTranslate": {"padding": EMPTY, "fill": (0, 0, 0)},
        "Cutout": {"crop_size": EMPTY, "fill": (0, 0, 0)},
        "ImageMixup": {"alpha": EMPTY, "same_lambda": EMPTY},
        "LabelMixup": {"alpha": EMPTY, "same_lambda": EMPTY},
        "MixupToOneHot": {"num_classes": EMPTY},
        "Poison": {"mask": EMPTY, "alpha": EMPTY, "indices": EMPTY, "clamp": (0, 255)},
        "ReplaceLabel": {"indices": EMPTY, "new_label": EMPTY},
        "ModuleWrapper": {"module": EMPTY},
        "RandomBrightness": {"magnitude": EMPTY, "p": 0.5},
        "RandomContrast": {"magnitude": EMPTY, "p": 0.5},
        "RandomSaturation": {"magnitude": EMPTY, "p": 0.5},
    },
    "transforms.color_jitter": ["RandomBrightness", "RandomContrast", "RandomSaturation"],
    "transforms.common": ["Squeeze"],
    "transforms.cutout": ["Cutout"],
    "transforms.flip": ["RandomHorizontalFlip"],
    "transforms.mixup": ["ImageMixup", "LabelMixup", "MixupToOneHot"],
    "transforms.module": ["ModuleWrapper"],
    "transforms.normalize": {
        "NormalizeImage": {"mean": EMPTY, "std": EMPTY, "type": EMPTY},
        "ch_dtype_from_numpy": {"dtype": EMPTY},
    },
    "transforms.ops": ["ToTensor", "ToDevice", "ToTorchImage", "Convert", "View"],
    "transforms.poisoning": ["Poison"],
    "transforms.random_resized_crop": ["RandomResizedCrop"],
    "transforms.replace_label": ["ReplaceLabel"],
    "transforms.translate": ["RandomTranslate"],
    "transforms.utils": {},
    "transforms.utils.fast_crop": {
        "resize_crop": dict.fromkeys(
            ("source", "start_row", "end_row", "start_col", "end_col", "destination"), EMPTY
        ),
        "get_random_crop": dict.fromkeys(("height", "width", "scale", "ratio"), EMPTY),
        "get_center_crop": dict.fromkeys(("height", "width", "ratio"), EMPTY),
    },
    "fields.decoders": {
        "FloatDecoder": {},
        "IntDecoder": {},
        "NDArrayDecoder": {},
        "BytesDecoder": {},
        "SimpleRGBImageDecoder": {},
        "RandomResizedCropRGBImageDecoder": {
            "output_size": EMPTY,
            "scale": (0.08, 1.0),
            "ratio": (0.75, 4 / 3),
        },
        "CenterCropRGBImageDecoder": {"output_size": EMPTY, "ratio": EMPTY},
    },
    "pipeline.operation": {"Operation": {}},
    "pipeline.state": {"State": dict.fromkeys(("jit_mode", "device", "shape", "dtype"), EMPTY)},
    "pipeline.allocation_query": {
        "AllocationQuery": {"shape": EMPTY, "dtype": EMPTY, "device": None},
        "allocate_query": dict.fromkeys(("memory_allocation", "batch_size", "batches_ahead"), EMPTY),
    },
    "pipeline.compiler": {"Compiler": {}},
}

# What FFCV 1.1.0, which was not released, has beyond that.
LATER = {
    "transforms.flip": {"RandomVerticalFlip": {"flip_prob": 0.5}},
    "transforms.cutout": {"RandomCutout": {"prob": EMPTY, "crop_size": EMPTY, "fill": (0, 0, 0)}},
    "transforms.solarization": {"Solarization": {"solarization_prob": 0.5, "threshold": 128}},
    "transforms.erasing": {
        "RandomErasing": {
            "prob": EMPTY,
            "min_area": 0.02,
            "max_area": 0.3,
            "min_aspect": 0.3,
            "max_count": 1,
            "fill_mean": (124, 116, 103),
            "fill_std": (58, 57, 57),
            "fast_fill": True,
        }
    },
    "transforms": ["RandomVerticalFlip", "RandomCutout", "Solarization", "RandomErasing"],
}

# Methods with their parameters behind self or cls.
METHODS = {
    "Operation": {
        "accept_field": ["field"],
        "accept_globals": ["metadata", "memory_read"],
        "generate_code": [],
        "declare_shared_memory": ["previous_state"],
        "generate_code_for_shared_state": [],
        "declare_state_and_memory": ["previous_state"],
    },
    "Compiler": {
        "set_enabled": ["b"],
        "set_num_threads": ["n"],
        "compile": ["code", "signature"],
        "get_iterator": [],
    },
}


def entries(table):
    for module, names in table.items():
        for name in names:
            yield pytest.param(
                module, name, names[name] if isinstance(names, dict) else None, id=f"{module}.{name}"
            )


@pytest.mark.parametrize("module, name, parameters", [*entries(NAMES), *entries(LATER)])
def test_name(module, name, parameters):
    found = getattr(importlib.import_module(f"betongo.{module}"), name)
    if parameters is None or name in ("Operation", "Compiler"):
        return
    have = list(inspect.signature(found).parameters.values())
    for p, (want, default) in zip(have, parameters.items(), strict=False):
        assert p.name == want
        assert p.default == default or p.default is default
    rest = have[len(parameters) :]
    assert len(have) >= len(parameters)
    assert all(p.kind is p.KEYWORD_ONLY and p.default is not EMPTY for p in rest), "more without a default"


@pytest.mark.parametrize("module", NAMES)
def test_module(module):
    importlib.import_module(f"betongo.{module}")


@pytest.mark.parametrize(
    "cls, module", [("Operation", "pipeline.operation"), ("Compiler", "pipeline.compiler")]
)
def test_methods(cls, module):
    found = getattr(importlib.import_module(f"betongo.{module}"), cls)
    for name, want in METHODS[cls].items():
        have = [p for p in inspect.signature(getattr(found, name)).parameters if p not in ("self", "cls")]
        assert have == want, name


def test_one_class_wherever_it_is_imported():
    import betongo.transforms as whole

    for module, names in NAMES.items():
        if module.startswith("transforms.") and isinstance(names, list):
            part = importlib.import_module(f"betongo.{module}")
            for name in names:
                assert getattr(part, name) is getattr(whole, name)


def test_decoders_are_of_ffcvs_family():
    from betongo.fields import decoders

    for name in decoders.__all__:
        if name.endswith("RGBImageDecoder"):
            assert issubclass(getattr(decoders, name), decoders.SimpleRGBImageDecoder), name
    assert issubclass(decoders.IntDecoder, decoders.BasicDecoder)


def test_the_nearest_name_is_told() -> None:
    import betongo
    from betongo import fields, transforms
    from betongo.fields import decoders

    for module, name, near in (
        (betongo, "Loder", "Loader"),
        (transforms, "RandomHorizontalFlp", "RandomHorizontalFlip"),
        (fields, "RGBImagField", "RGBImageField"),
        (decoders, "SimpleRGBDecoder", "SimpleRGBImageDecoder"),
    ):
        with pytest.raises(AttributeError, match=f"{name}.*did you mean '{near}'"):
            getattr(module, name)
        assert not hasattr(module, name)
