"""A .beton file read with NumPy alone.

`File` maps the file and checks every number before it sizes, indexes or slices anything; the format is
docs/format.md's. It needs no engine: it serves looking into files, single values and whole columns. Batches
for training come from `betongo.Loader`.
"""

from __future__ import annotations

import mmap
import os
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Mapping, Sequence

import numpy as np

from . import _block, _sums, _value
from ._names import unknown
from .errors import FormatError, SampleError, UnsupportedError

if TYPE_CHECKING:
    from .fields.base import Field

VERSION = 2
HEADER_SIZE = 24
DESCRIPTOR_SIZE = 1041
ENTRY_SIZE = 24
MIN_PAGE = 2 << 20
MAX_PAGE = 2 << 30  # read; at most half of it is written
MAX_ROW = 1 << 30
MAX_ALIGN = 4096

HEADER = np.dtype(
    [
        ("version", "<u2"),
        ("num_fields", "<u2"),
        ("page_size", "<u4"),
        ("num_samples", "<u8"),
        ("alloc_table_ptr", "<u8"),
    ]
)
DESCRIPTOR = np.dtype([("type_id", "<u1"), ("name", "<u1", (16,)), ("arguments", "<u1", (1024,))])
ENTRY = np.dtype([("sample_id", "<u8"), ("ptr", "<u8"), ("size", "<u8")])

FLOAT, INT, RGB, BYTES, NDARRAY, JSON, TORCH = range(7)
CUSTOM = 255
NAMES = {
    FLOAT: "Float",
    INT: "Int",
    RGB: "RGBImage",
    BYTES: "Bytes",
    NDARRAY: "NDArray",
    JSON: "JSON",
    TORCH: "TorchTensor",
    CUSTOM: "Custom",
}

_SIZED = np.dtype([("ptr", "<u8"), ("size", "<u8")])
_MEMBERS: dict[int, np.dtype] = {
    FLOAT: np.dtype("<f8"),
    INT: np.dtype("<i8"),
    RGB: np.dtype([("mode", "<u1"), ("width", "<u2"), ("height", "<u2"), ("data_ptr", "<u8")]),
    BYTES: _SIZED,
    NDARRAY: np.dtype("<u8"),
    JSON: _SIZED,
    TORCH: np.dtype("<u8"),
}


@dataclass(frozen=True)
class FieldInfo:
    """One field as its descriptor has it.

    `dtype` and `shape` are those of one value where the descriptor tells them (Float, Int, NDArray,
    TorchTensor), else None. `member` is the dtype of the field's member of a metadata row; None for a custom
    field that nothing describes. `kind` names a custom field that describes itself ("audio", "image", "lz4"),
    else "". `of` is the type whose values an lz4 field has, `shuffle` the bytes of its elements that are
    taken apart, 0 for none.
    """

    name: str
    type: int
    arguments: np.ndarray
    member: np.dtype | None
    dtype: np.dtype | None = None
    shape: tuple[int, ...] | None = None
    kind: str = ""
    channels: int = 0
    of: int = -1
    shuffle: int = 0

    @property
    def type_name(self) -> str:
        """The name of the field's type; of a custom field that describes itself the kind's."""
        if self.kind == "lz4":
            return f"LZ4 of {NAMES[self.of]}"
        return self.kind.capitalize() if self.kind else NAMES.get(self.type, str(self.type))


class File:
    """A .beton file, mapped and checked.

    `custom_fields` gives for each custom field's name its `betongo.fields.Field` class (FFCV's
    `custom_fields`); fields of this project's own kinds (audio, image, lz4) need none.

    Raises FileNotFoundError and other OSErrors as `open` does, `FormatError` for a file that is not a sound
    .beton, `UnsupportedError` for one of a newer version or with an array type that is not served.

    verify="first_read" has the engine compare what is given out with its checksums, once: metadata rows, and
    values as far as the file tells where they lie (of a custom field of somebody else's only the row). What
    differs is a SampleError; a file without checksums is an UnsupportedError.

    Safe for use by several threads. It pickles as its path, and a forked child may go on using it. What is
    mapped stays mapped as long as any array made from it lives, `close` or not. The file must not be
    shortened meanwhile.
    """

    far = False  # whether the engine reads it, and nothing is mapped

    def __init__(
        self,
        path: str | os.PathLike[str],
        custom_fields: Mapping[str, type[Field]] | None = None,
        *,
        verify: str | None = None,
    ) -> None:
        self.path = os.fspath(path)
        if verify not in (None, "first_read"):
            raise ValueError(f'verify is {verify!r}: want None or "first_read"')
        self.verify = verify
        self._custom = dict(custom_fields or {})
        self._handlers: dict[str, Any] | None = None
        self._sorted: tuple[np.ndarray, np.ndarray] | None = None
        self._fd: int | None = None
        self._open()
        self._sums: _sums.Sums | None = _sums.Sums(self) if verify else None

    def _open(self) -> None:
        """Maps and checks the file."""
        self._map = _map(self.path)
        self._pages = 0
        self._size = self._map.size
        self._read_header()
        self._read_fields(self.bytes(HEADER_SIZE, self.num_fields * DESCRIPTOR_SIZE))
        self._check_metadata()
        self._check_table()
        self._block = _block.Block(self)
        if self._block.found and self._block.error is None:
            self._data = self._block.offset
            self._pages = min(self._pages, self._data)
        self._block.check_required()

    # -- opening -----------------------------------------------------------------------------------------

    def flaw(
        self, place: str, offset: int, what: str, *, found: Any = None, expected: Any = None
    ) -> FormatError:
        """Makes (and does not raise) a FormatError about this file."""
        return FormatError(
            f"{self.path}: at byte {offset}: {what}",
            file=self.path,
            place=place,
            offset=offset,
            found=found,
            expected=expected,
        )

    def bytes(self, offset: int, size: int) -> np.ndarray:
        """Returns `size` bytes at `offset`, a read-only uint8 view of the map; FormatError beyond the end."""
        if offset < 0 or size < 0 or offset + size > self._size:
            raise self.flaw(
                "file", offset, f"{size} bytes wanted, the file ends at {self._size}", found=self._size
            )
        return self._map[offset : offset + size]

    def _read_header(self) -> None:
        if self._size < HEADER_SIZE:
            raise self.flaw(
                "header",
                0,
                f"not a .beton: {self._size} bytes, the header alone has {HEADER_SIZE}",
                found=self._size,
                expected=HEADER_SIZE,
            )
        self.header = self.bytes(0, HEADER_SIZE).view(HEADER)[0]
        version, fields, page, samples, table = (int(self.header[name]) for name in HEADER.names or ())
        page_ok = MIN_PAGE <= page <= MAX_PAGE and page & (page - 1) == 0
        if version > VERSION and page_ok and fields:
            raise UnsupportedError(f"{self.path}: format version {version}, this package reads {VERSION}")

        def wrong(at: int, what: str, found: int, expected: Any) -> FormatError:
            return self.flaw("header", at, what, found=found, expected=expected)

        if version != VERSION:
            raise wrong(0, f"not a .beton: version {version}, want {VERSION}", version, VERSION)
        if not page_ok:
            want = f"a power of two from {MIN_PAGE} to {MAX_PAGE}"
            raise wrong(4, f"page size {page}, want {want}", page, want)
        if fields == 0:
            raise wrong(2, "no fields", 0, "1 to 65535 fields")
        if table == 0:
            what = "unfinished file: its writer stopped before it set the allocation table's offset"
            raise wrong(16, what, 0, "the allocation table's offset")
        if table > self._size:
            what = f"allocation table at byte {table}, but the file ends at {self._size}: it was cut short"
            raise wrong(16, what, table, f"at most {self._size}")
        self._meta = HEADER_SIZE + fields * DESCRIPTOR_SIZE
        if self._meta > table:
            what = (
                f"allocation table at byte {table}, inside the descriptors of {fields} fields, "
                f"which end at {self._meta}"
            )
            raise wrong(16, what, table, f"at least {self._meta}")
        self.num_samples = samples
        self.page_size = page
        self.num_fields = fields
        self._table: int = table
        self._data = table

    def _read_fields(self, descriptors: np.ndarray) -> None:
        self.descriptors = descriptors.view(DESCRIPTOR)
        infos = []
        for i, d in enumerate(self.descriptors):
            raw = d["name"].tobytes().split(b"\0", 1)[0]
            name = raw.decode("utf-8", "surrogateescape")
            try:
                infos.append(self._bind(name, int(d["type_id"]), d["arguments"]))
            except (ValueError, TypeError) as e:
                at = HEADER_SIZE + i * DESCRIPTOR_SIZE
                place = f"descriptor of field {i}"
                raise self.flaw(place, at, f"field {name!r}: field descriptor {i}: {e}") from e
            except UnsupportedError as e:
                raise UnsupportedError(f"{self.path}: field {name!r}: field descriptor {i}: {e}") from e
        self.fields: tuple[FieldInfo, ...] = tuple(infos)
        self.field_names = [f.name for f in infos]
        self.field_types = [f.type for f in infos]
        for name in self._custom:
            if not any(f.name == name for f in infos):
                raise ValueError(unknown("custom_fields", name, self.field_names, self.path))
        self._unknown = next((f.name for f in infos if f.member is None), None)
        members = [f.member for f in infos if f.member is not None]
        try:
            # Trailing members stay out behind one of unknown size: no row can be told then.
            self._row = None if self._unknown is not None else _row(members)
        except ValueError as e:
            raise self.flaw("descriptors", HEADER_SIZE, f"metadata row: {e}") from e
        self._firsts: list[int] = []
        pointers = 0
        for f in infos:
            self._firsts.append(pointers)
            pointers += _pointers(f)
        self._pointers = pointers

    def _bind(self, name: str, type_id: int, arguments: np.ndarray) -> FieldInfo:
        """Finds what describes a field's values. ValueError for a descriptor that describes none."""
        if name in self._custom:
            handler = self._custom[name].from_binary(arguments)
            return FieldInfo(name, type_id, arguments, np.dtype(handler.metadata_type))
        if type_id == CUSTOM:
            return _value.custom(name, arguments)
        if type_id not in _MEMBERS:
            raise ValueError(f"type {type_id}, want 0 to 6 or 255")
        member = _MEMBERS[type_id]
        if type_id in (NDARRAY, TORCH):
            dtype, shape = _value.array_arguments(arguments)
            return FieldInfo(name, type_id, arguments, member, dtype, shape)
        if type_id in (INT, FLOAT):
            return FieldInfo(name, type_id, arguments, member, member, ())
        return FieldInfo(name, type_id, arguments, member)

    def _check_metadata(self) -> None:
        n, table = self.num_samples, self._table
        place = "header"
        if self._row is None:  # a row has at least a byte, more is not known
            if n > table - self._meta:
                what = f"{n} samples do not fit before the allocation table at byte {table}"
                raise self.flaw(place, 8, what, found=n, expected=f"at most {table - self._meta}")
            self._pages = table
            return
        size = self._row.itemsize
        if size == 0 and n > 0:
            raise self.flaw(place, 8, f"{n} samples with metadata rows of no bytes", found=n, expected=0)
        end = self._meta + n * size
        if end > table:
            what = (
                f"{n} samples of {size} bytes of metadata at byte {self._meta} do not end before the "
                f"allocation table at {table}"
            )
            raise self.flaw(place, 8, what, found=n, expected=f"at most {(table - self._meta) // size}")
        self._pages = min(-(-end // self.page_size) * self.page_size, table)

    def _check_table(self) -> None:
        count = (self._size - self._table) // ENTRY_SIZE
        builtin = sum(_pointers(f) for f in self.fields if f.type != CUSTOM)
        if builtin * self.num_samples > count:
            what = (
                f"allocation table of {self._size - self._table} bytes, want {builtin} entries of "
                f"{ENTRY_SIZE} "
                f"bytes for each of {self.num_samples} samples: the file was cut short"
            )
            expected = builtin * self.num_samples
            raise self.flaw("allocation table", self._table, what, found=count, expected=expected)
        if all(f.type != CUSTOM for f in self.fields):
            count = builtin * self.num_samples  # behind them may lie what sealing in place has left
        self._entries: np.ndarray | None = self.bytes(self._table, count * ENTRY_SIZE).view(ENTRY)

    # -- what the file holds -------------------------------------------------------------------------------

    def __len__(self) -> int:
        return self.num_samples

    def __repr__(self) -> str:
        names = ", ".join(f"{f.name}: {f.type_name}" for f in self.fields)
        return f"<betongo file {self.path!r}: {self.num_samples} samples of {names}>"

    @property
    def metadata_type(self) -> np.dtype:
        """The dtype of a metadata row: members f0, f1, … as NumPy's align=True places them."""
        if self._row is None:
            raise UnsupportedError(
                f"{self.path}: field {self._unknown!r}: a custom field that nothing describes "
                f"(custom_fields), "
                "and without it the metadata rows cannot be told apart"
            )
        return self._row

    @property
    def metadata(self) -> np.ndarray:
        """The metadata rows, a read-only structured view of the map, shape (num_samples,)."""
        if self._sums is not None:
            self._sums.check(None, [])
        return self.rows

    @property
    def rows(self) -> np.ndarray:
        """`metadata` as it is in the file, compared with nothing."""
        dtype = self.metadata_type
        if dtype.itemsize == 0:
            return np.zeros(self.num_samples, dtype)
        return self.bytes(self._meta, self.num_samples * dtype.itemsize).view(dtype)

    @property
    def alloc_table(self) -> np.ndarray:
        """The allocation table as it stands, read-only: sample_id, ptr, size, all uint64; its entries
        unchecked."""
        assert self._entries is not None
        return self._entries

    @property
    def has_data(self) -> bool:
        """Whether any value lies in a page of data."""
        return len(self.alloc_table) > 0

    @property
    def handlers(self) -> dict[str, Any]:
        """The fields as `betongo.fields.Field` objects by their names, FFCV's `Reader.handlers`."""
        if self._handlers is None:
            from .fields import AudioField, ImageField, LZ4Field
            from .types import TYPE_ID_HANDLER

            kinds: dict[str, type[Field]] = {"audio": AudioField, "image": ImageField, "lz4": LZ4Field}
            made: dict[str, Any] = {}
            for f in self.fields:
                handler: Any = self._custom.get(f.name) or kinds.get(f.kind) or TYPE_ID_HANDLER.get(f.type)
                # Of fields of one name the first counts, as everywhere here.
                made.setdefault(f.name, None if handler is None else handler.from_binary(f.arguments))
            self._handlers = made
        return self._handlers

    def index(self, field: str | int) -> int:
        """Returns the number of a field from its name or number; KeyError or IndexError naming those
        there."""
        if isinstance(field, str):
            if field in self.field_names:
                return self.field_names.index(field)
            raise KeyError(_value.unknown_name("field", field, self.field_names))
        i = int(field)
        if not 0 <= i < self.num_fields:
            raise IndexError(f"field {i} of {self.num_fields}")
        return i

    @property
    def sections(self) -> list[_block.Section]:
        """The sections of the extension block in file order; [] without one. FormatError when it is
        damaged."""
        return self._block.sections()

    @property
    def classes(self) -> list[str] | None:
        """The names of the label values 0, 1, …; None for a file without. FormatError when they are
        damaged."""
        return self._block.classes()

    def key(self, i: int) -> str:
        """Returns the path (relative, with /) or other key that sample i was made from; "" without one."""
        return self._block.key(self._sample(i))

    def find(self, path: str) -> int:
        """Returns the first sample made from `path` (see `key`); KeyError without such a one."""
        return self._block.find(path)

    def opaque(self) -> dict[str, dict[str, int]]:
        """Returns the fields that only the program knows, with the size and alignment of their metadata."""
        return {
            f.name: {"size": f.member.itemsize, "align": f.member.alignment}
            for f in self.fields
            if f.type == CUSTOM and not f.kind and f.member is not None
        }

    def _sample(self, i: int) -> int:
        n = int(i)
        if not 0 <= n < self.num_samples:
            raise IndexError(f"{self.path}: sample {n} of {self.num_samples}")
        return n

    # -- values --------------------------------------------------------------------------------------------

    def value(self, i: int, field: str | int) -> Any:
        """Returns one value, owned by the caller.

        Int: int. Float: float. Bytes: bytes. JSON: what json.loads makes. NDArray and TorchTensor: an array
        of the field's dtype and shape. RGBImage: uint8 (height, width, 3), RGB, a JPEG decoded by Pillow
        where it is importable, else by the engine. Image: uint8 or uint16 (height, width, channels). Audio:
        `Audio`. LZ4: what the field whose values it keeps gives. A custom field with a class in
        custom_fields: what its decoder makes, without the batch dimension.

        IndexError, KeyError for what is not there; SampleError for a damaged value.
        """
        return self.sample(i, [self.index(field)])[0]

    def sample(self, i: int, fields: Sequence[int]) -> list[Any]:
        """Returns a sample's values of some fields, by number, as `value` does."""
        i = self._sample(i)
        for k in fields:
            self.check(i, k)
        return [self._value(i, k) for k in fields]

    def values(self, samples: Sequence[int] | np.ndarray, field: int) -> list[Any]:
        """Returns a field's values of some samples, as `value` does."""
        return [self.value(int(i), field) for i in samples]

    def _value(self, i: int, k: int) -> Any:
        f = self.fields[k]
        if f.name in self._custom:
            return self._run_decoder(i, k)
        member = self.rows[f"f{k}"][i]
        return self._made(i, k, member, lambda: self._stored(i, k, member))

    def _made(self, i: int, k: int, member: Any, stored: Callable[[], np.ndarray]) -> Any:
        """Makes a value of its member of the row and what it has stored."""
        f = self.fields[k]
        if f.type == FLOAT:
            return float(member)
        if f.type == INT:
            return int(member)
        if f.type == CUSTOM and not f.kind:
            return member.copy()
        return self._guard(i, k, lambda: _value.decode(self, i, k, member, stored()))

    def raw(self, i: int, field: str | int) -> np.ndarray:
        """Returns the stored bytes of one value (a JPEG stream, an array's elements), a read-only view of the
        map.

        Float and Int have none: uint8 of length 0. A custom field is asked for by its own decoder.
        """
        i, k = self._sample(i), self.index(field)
        self.check(i, k)
        f = self.fields[k]
        if f.type in (FLOAT, INT) or (f.type == CUSTOM and not f.kind):
            return self._map[:0]
        member = self.rows[f"f{k}"][i]
        return self._guard(i, k, lambda: self._stored(i, k, member))

    def check(self, samples: int | np.ndarray | None, field: int | None = None) -> None:
        """Compares samples' (None: all) rows, and values of a field (None: of all), with their checksums, if
        that was asked for (verify) and as far as it was not done before. SampleError for the first that
        differs."""
        if self._sums is None:
            return
        if samples is not None:
            samples = np.atleast_1d(np.asarray(samples, np.int64))
        self._sums.check(samples, range(self.num_fields) if field is None else [field])

    def _guard(self, i: int, k: int, read: Any) -> Any:
        """Runs read, and places what it finds wrong: sample, field and the member's offset."""
        try:
            return read()
        except (ValueError, OverflowError, _value.DecodeError) as e:
            row = self.metadata_type
            at = self._meta + i * row.itemsize + int(row.fields[f"f{k}"][1])  # type: ignore[index]
            name = self.fields[k].name
            message = f"{self.path}: sample {i}: field {name!r}: at byte {at}: {e}"
            raise SampleError(message, file=self.path, field=name, sample=i, offset=at) from e

    def _stored(self, i: int, k: int, member: Any) -> np.ndarray:
        ptr, size = _value.region(self, i, k, member)
        return self.region(i, ptr, size)

    def region(self, i: int, ptr: int, size: int) -> np.ndarray:
        """Returns a region of sample i, which must lie inside the data pages; ValueError otherwise."""
        if size == 0:  # the pointer of an empty value means nothing
            return self._map[:0]
        if size < 0 or ptr < self._pages or ptr + size > self._data:
            raise ValueError(
                f"{size} bytes at pointer {ptr}, the data pages are from {self._pages} to {self._data}"
            )
        return self._map[ptr : ptr + size]

    def region_size(self, i: int, k: int, ptr: int) -> int:
        """Returns the size of the region at `ptr`, field k's of sample i, from the allocation table.

        O(1) in a table in sample order, else through an index that the first call makes. ValueError when the
        table has no such entry.
        """
        at = i * self._pointers + self._firsts[k]
        if at < len(self.alloc_table):
            entry = self.alloc_table[at]
            if int(entry["sample_id"]) == i and int(entry["ptr"]) == ptr:
                return int(entry["size"])
        if self._sorted is None:
            order = np.argsort(self.alloc_table["ptr"], kind="stable")
            self._sorted = self.alloc_table["ptr"][order], order
        ptrs, order = self._sorted
        lo = int(np.searchsorted(ptrs, np.uint64(ptr), "left"))
        hi = int(np.searchsorted(ptrs, np.uint64(ptr), "right"))
        entries = self.alloc_table[np.sort(order[lo:hi])]
        sizes = entries["size"][entries["sample_id"] == i]
        if len(sizes) == 0:
            raise ValueError(f"no entry for pointer {ptr} in the allocation table")
        # FFCV gives an empty value the pointer of the next one: of several the first that is not empty.
        filled = sizes[sizes > 0]
        return int(filled[0] if len(filled) else 0)

    def _run_decoder(self, i: int, k: int) -> Any:
        """Runs the decoder of a custom field's own class over one sample."""
        from .pipeline.compiler import Compiler
        from .pipeline.state import State

        field = self.handlers[self.fields[k].name]
        read, state_of = self._reading()
        decoder = field.get_decoder_class()()
        decoder.accept_field(field)
        decoder.accept_globals(self.rows[f"f{k}"], read)
        state = State(jit_mode=False, device="cpu", shape=None, dtype=np.dtype("<u1"))  # type: ignore[arg-type]
        made, query = decoder.declare_state_and_memory(state)
        memory = None
        if query is not None:
            memory = np.zeros((1, *query.shape), query.dtype)
        enabled = getattr(Compiler, "is_enabled", False)
        Compiler.set_enabled(False)
        try:
            code = decoder.generate_code()
        finally:
            Compiler.set_enabled(enabled)
        out = code(np.array([i]), memory, self.rows[f"f{k}"], state_of(np.array([i])))
        return np.array(out[0])

    def _reading(self) -> tuple[Callable[[int, Any], np.ndarray], Callable[[np.ndarray], Any]]:
        """What an operation of Python reads stored bytes with: the function, and what gives its second
        argument for a batch."""
        from .memory_managers import OSCacheManager
        from .reader import Reader

        manager = OSCacheManager(Reader(self.path, self._custom))
        return manager.read, lambda ids: manager.schedule_epoch([]).state

    def fetch(
        self,
        data: np.ndarray,
        samples: np.ndarray,
        ptrs: np.ndarray,
        sizes: np.ndarray,
        begins: np.ndarray,
    ) -> None:
        """Reads regions, in the order of their pointers, into data, each from where it begins there. Of the
        file, not the map: what is read takes no memory but data's."""
        apart = np.flatnonzero(ptrs[1:] != ptrs[:-1] + sizes[:-1]) + 1
        runs = np.concatenate(([0], apart, [len(ptrs)])).tolist()
        room = memoryview(data)  # type: ignore[arg-type]
        for lo, hi in zip(runs, runs[1:]):
            at, begin = int(ptrs[lo]), int(begins[lo])
            end = int(begins[hi - 1] + sizes[hi - 1])
            while begin < end:
                n = os.preadv(self._descriptor(), [room[begin:end]], at)
                if n == 0:
                    raise self.flaw("pages", at, f"the file ends here, {end - begin} bytes are missing")
                at, begin = at + n, begin + n

    def _descriptor(self) -> int:
        if self._fd is None:
            fd = os.open(os.path.abspath(self.path), os.O_RDONLY | os.O_CLOEXEC)
            self._fd = fd
            weakref.finalize(self, os.close, fd)
        return self._fd

    def ask(
        self, request: dict[str, Any], payload: Any = b"", connection: Any = None
    ) -> tuple[dict[str, Any], bytearray]:
        """Asks the engine about the file: "verify" or "images". connection: one to be used, which stays
        open."""
        from ._engine import Connector

        told = {**request, "path": os.path.abspath(self.path)}
        custom = self.opaque()
        if custom:
            told["custom"] = custom
        if connection is not None:
            return connection.request(told, payload)  # type: ignore[no-any-return]
        with Connector()() as c:
            return c.request(told, payload)

    # -- whole columns -------------------------------------------------------------------------------------

    def column(self, field: str | int, samples: np.ndarray | None = None) -> np.ndarray:
        """Returns the values of a Float, Int, NDArray or TorchTensor field as one array (samples, *shape).

        All samples of Float and Int are a read-only view of the map, everything else is a copy. `samples` are
        int64 numbers inside the file. TypeError for other fields, whose values have no common shape.
        """
        k = self.index(field)
        f = self.fields[k]
        if f.dtype is None or f.shape is None or f.name in self._custom:
            raise TypeError(
                f"{self.path}: field {f.name!r} is {f.type_name}, whose values have no common shape"
            )
        self.check(samples, k)
        if f.kind == "lz4":
            numbers = range(self.num_samples) if samples is None else samples
            out = np.empty((len(numbers), *f.shape), f.dtype)
            for row, i in zip(out, numbers):
                row[...] = self.value(int(i), k)
            return out
        members = self.rows[f"f{k}"]
        if samples is not None:
            members = members[samples]
        if f.type in (FLOAT, INT):
            return members
        return self._gather(k, np.ascontiguousarray(members), samples)

    def _gather(self, k: int, ptrs: np.ndarray, samples: np.ndarray | None) -> np.ndarray:
        """Copies arrays of one size together: runs of pointers at one distance are one copy each."""
        f = self.fields[k]
        assert f.dtype is not None and f.shape is not None
        size = f.dtype.itemsize * int(np.prod(f.shape, dtype=object))
        n = len(ptrs)
        if size == 0:
            return np.empty((n, *f.shape), f.dtype)
        bad = (ptrs < self._pages) | (ptrs > self._data)
        bad |= self._data - ptrs < size
        if bad.any():
            j = int(np.flatnonzero(bad)[0])
            self.raw(j if samples is None else int(samples[j]), k)  # raises with sample and place
        try:
            out = np.empty((n, *f.shape), f.dtype)
        except ValueError as e:  # NumPy has no room for another dimension
            raise UnsupportedError(
                f"{self.path}: field {f.name!r} of shape {f.shape} as one array: {e}"
            ) from e
        rows = out.reshape(n, -1).view(np.uint8) if n else np.empty((0, size), np.uint8)
        steps = np.diff(ptrs.astype(np.int64))
        ends = [*(np.flatnonzero(np.diff(steps)) + 1).tolist(), n - 1]
        data = self._map.data  # slices of it are made sooner than arrays
        at = 0
        for end in ends:
            if end < at:
                continue
            first = int(ptrs[at])
            if end == at:
                rows[at] = data[first : first + size]
            else:
                strides = int(steps[at]), 1
                rows[at : end + 1] = np.ndarray((end - at + 1, size), np.uint8, data, first, strides)
            at = end + 1
        return out

    # -- life ----------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Lets go of the map, which ends with the last array made from it. Idempotent."""
        self._map = np.empty(0, np.uint8)
        self._size = 0
        self._entries = np.empty(0, ENTRY)
        self.num_samples = 0

    def __enter__(self) -> File:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "custom": self._custom, "verify": self.verify}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["path"], state["custom"], verify=state["verify"])  # type: ignore[misc]


def _map(path: str) -> np.ndarray:
    with open(path, "rb") as f:
        size = os.fstat(f.fileno()).st_size
        if size == 0:  # cannot be mapped
            return np.empty(0, np.uint8)
        try:
            mapped = mmap.mmap(f.fileno(), size, access=mmap.ACCESS_READ)
        except OSError as e:  # which doesn't name the file
            raise OSError(e.errno, f"mapping {size} bytes: {os.strerror(e.errno or 0)}", path) from None
        return np.frombuffer(mapped, np.uint8)


def _pointers(f: FieldInfo) -> int:
    """The number of regions of one value that are known of; a custom field of somebody else's has none."""
    return 0 if f.type in (FLOAT, INT) or (f.type == CUSTOM and not f.kind) else 1


def _row(members: Sequence[np.dtype]) -> np.dtype:
    """Lays out a metadata row: members one after another, each at a multiple of its alignment."""
    size = 0
    for i, m in enumerate(members):
        if m.itemsize > MAX_ROW or m.alignment > MAX_ALIGN:
            raise ValueError(f"member {i}: size {m.itemsize}, alignment {m.alignment}")
        size = -(-size // m.alignment) * m.alignment + m.itemsize
        if size > MAX_ROW:
            raise ValueError(f"member {i}: the row is larger than {MAX_ROW} bytes")
    return np.dtype([("", m) for m in members], align=True)
