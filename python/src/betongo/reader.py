"""Reader: FFCV's view of a .beton file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _file, _storage
from ._far import open_file
from ._file import File

if TYPE_CHECKING:
    from .fields.base import Field

__all__ = ["Reader"]


class Reader:
    """Header, fields, metadata and allocation table of a file, by FFCV's names.

    num_samples, page_size, num_fields: ints. header: the structured header. field_descriptors: one
    structured row a field. field_names: in file order. handlers: name to `Field`. metadata_type: dtype of a
    row. metadata: structured (num_samples,), members f0, f1, …; alloc_table: structured (entries,),
    sample_id, ptr, size. The arrays are read-only views of the map, loaded as they are touched; of URLs and
    of several files they are copies, had from the engine when they are asked for. file: the
    `betongo._file.File` behind it.

    fname may be a URL, a pattern (of a URL too), or an index (.json); storage_options are as `betongo.open`
    has them, and memory is how many bytes of a URL's pages the engine keeps (0: 1 GiB).

    Raises ValueError for a custom field without a class in custom_handlers, and for a class of no field; else
    as `betongo.open` does.
    """

    def __init__(
        self,
        fname: str | os.PathLike[str],
        custom_handlers: Mapping[str, type[Field]] | None = None,
        *,
        storage_options: Mapping[str, Any] | None = None,
        memory: int | None = None,
    ) -> None:
        self._fname = fname
        self.custom_fields = dict(custom_handlers or {})
        options = _storage.settings(storage_options)
        self.file: File = open_file(
            fname, self.custom_fields, storage_options=options, memory=int(memory or options.get("memory", 0))
        )
        for info in self.file.fields:
            if info.type == _file.CUSTOM and info.name not in self.custom_fields and not info.kind:
                raise ValueError(
                    f"{os.fspath(fname)}: field {info.name!r} is custom: give its class in custom_fields "
                    f"(custom_fields={{{info.name!r}: YourField}})"
                )

    @property
    def file_name(self) -> str | os.PathLike[str]:
        """The path as it was given."""
        return self._fname

    @property
    def num_samples(self) -> int:
        """The number of samples."""
        return self.file.num_samples

    @property
    def page_size(self) -> int:
        """Bytes of a data page, a power of two."""
        return self.file.page_size

    @property
    def num_fields(self) -> int:
        """The number of fields."""
        return self.file.num_fields

    @property
    def header(self) -> Any:
        """The file's header: version, num_fields, page_size, num_samples, alloc_table_ptr."""
        return self.file.header

    @property
    def field_descriptors(self) -> np.ndarray:
        """The descriptors: type_id, name, arguments."""
        return self.file.descriptors

    @property
    def field_names(self) -> list[str]:
        """The fields' names in file order."""
        return self.file.field_names

    @property
    def handlers(self) -> dict[str, Any]:
        """The fields as `betongo.fields.Field` objects by name."""
        return self.file.handlers

    @property
    def metadata_type(self) -> np.dtype:
        """The dtype of a metadata row."""
        return self.file.metadata_type

    @property
    def metadata(self) -> np.ndarray:
        """The metadata rows."""
        return self.file.metadata

    @property
    def alloc_table(self) -> np.ndarray:
        """The allocation table as it stands in the file."""
        return self.file.alloc_table

    def __repr__(self) -> str:
        return f"<betongo.Reader of {self.file!r}>"
