"""The numbers and dtypes of the .beton format, by FFCV's names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import _file
from .fields import BytesField, FloatField, IntField, JSONField, NDArrayField, RGBImageField, TorchTensorField
from .fields.base import Field

__all__ = [
    "ALLOC_TABLE_TYPE",
    "CURRENT_VERSION",
    "FieldDescType",
    "HeaderType",
    "TYPE_ID_HANDLER",
    "get_handlers",
    "get_metadata_type",
]

CURRENT_VERSION = _file.VERSION
HeaderType = np.dtype(_file.HEADER.descr, align=True)
ALLOC_TABLE_TYPE = _file.ENTRY
FieldDescType = _file.DESCRIPTOR

# The class of each type id; a custom field's is not in the file.
TYPE_ID_HANDLER: dict[int, Any] = {
    255: None,
    0: FloatField,
    1: IntField,
    2: RGBImageField,
    3: BytesField,
    4: NDArrayField,
    5: JSONField,
    6: TorchTensorField,
}


def get_handlers(field_descriptors: np.ndarray) -> list[Field | None]:
    """Returns a Field for each descriptor, None for a custom one. KeyError for an unknown type id."""
    handlers = []
    for d in field_descriptors:
        handler = TYPE_ID_HANDLER[int(d["type_id"])]
        handlers.append(None if handler is None else handler.from_binary(d["arguments"]))
    return handlers


def get_metadata_type(handlers: Sequence[Field]) -> np.dtype:
    """Returns the dtype of a metadata row of these fields: members f0, f1, … placed as by a C compiler."""
    return np.dtype([("", h.metadata_type) for h in handlers], align=True)
