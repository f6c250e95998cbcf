"""Lets FFCV read fields that betongo wrote as LZ4: custom_fields={NAME: LZ4Field}."""

import json
from dataclasses import replace

import numpy as np
from ffcv.fields.base import Field
from ffcv.pipeline.allocation_query import AllocationQuery
from ffcv.pipeline.compiler import Compiler
from ffcv.pipeline.operation import Operation


def unlz4(src, dst):
    """Decode an LZ4 block that has exactly dst.size bytes; False for any other."""
    at, made = 0, 0
    while at < src.size:
        token = src[at]
        at += 1
        n = np.int64(token >> 4)
        more = n == 15
        while more and at < src.size:
            n += src[at]
            more = src[at] == 255
            at += 1
        if n > src.size - at or n > dst.size - made:
            return False
        for i in range(n):
            dst[made + i] = src[at + i]
        at += n
        made += n
        if at == src.size:
            break
        if src.size - at < 2:
            return False
        back = np.int64(src[at]) | np.int64(src[at + 1]) << 8
        at += 2
        n = np.int64(token & 15)
        more = n == 15
        while more and at < src.size:
            n += src[at]
            more = src[at] == 255
            at += 1
        n += 4
        if back == 0 or back > made or n > dst.size - made:
            return False
        for i in range(n):
            dst[made + i] = dst[made + i - back]
        made += n
    return made == dst.size


def unshuffle(src, dst, width):
    """Put elements of width bytes together, whose first bytes lie in front of all their second ones."""
    n = src.size // width
    for k in range(width):
        for i in range(n):
            dst[i * width + k] = src[k * n + i]


class LZ4Decoder(Operation):
    """Bytes and JSON: u1 (n, longest of the dataset), zeros behind. Arrays: as NDArrayDecoder's.

    A damaged value is zeros.
    """

    def declare_state_and_memory(self, previous_state):
        shape, dtype = self.field.shape, self.field.dtype
        if shape is None:
            shape = (int(self.metadata["size"].max()),)
        apart = int(np.prod(shape)) * dtype.itemsize if self.field.shuffle else 1
        return (
            replace(previous_state, jit_mode=True, shape=shape, dtype=dtype),
            (AllocationQuery(shape, dtype=dtype), AllocationQuery((apart,), dtype=np.dtype("<u1"))),
        )

    def generate_code(self):
        read, each = self.memory_read, Compiler.get_iterator()
        decode, together = Compiler.compile(unlz4), Compiler.compile(unshuffle)
        width = self.field.shuffle

        def fill(data, stored, size, value, apart):
            good = 0 <= stored <= size <= value.size and stored <= data.size
            if good and stored < size:
                if width == 0:
                    good = decode(data[:stored], value[:size])
                else:
                    good = decode(data[:stored], apart)
                    if good:
                        together(apart, value[:size], width)
            elif good:
                for i in range(size):
                    value[i] = data[i]
            for i in range(size if good else 0, value.size):
                value[i] = 0

        one = Compiler.compile(fill)

        def decoder(batch_indices, memory, metadata, storage_state):
            destination, scratch = memory
            for k in each(batch_indices.shape[0]):
                row = metadata[batch_indices[k]]
                value = destination[k].reshape(-1).view(np.uint8)
                data = read(row["ptr"], storage_state)
                one(data, np.int64(row["stored"]), np.int64(row["size"]), value, scratch[k])
            return destination[: batch_indices.shape[0]]

        decoder.is_parallel = True
        return decoder


class LZ4Field(Field):
    """Bytes, JSON texts (JSONField.unpack reads them) or arrays, as the file's arguments tell."""

    def __init__(self, settings):
        if settings["version"] != 1:
            raise ValueError(f"lz4 version {settings['version']}, this reads 1")
        arrays = settings["type"] in (4, 6)
        self.dtype = np.dtype(settings["dtype"] if arrays else "<u1")
        self.shape = tuple(settings["shape"]) if arrays else None
        self.shuffle = settings.get("shuffle", 0)

    @property
    def metadata_type(self):
        return np.dtype([("ptr", "<u8"), ("stored", "<u8"), ("size", "<u8")], align=True)

    @staticmethod
    def from_binary(binary):
        return LZ4Field(json.loads(binary.tobytes().split(b"\0")[0]))

    def to_binary(self):
        raise NotImplementedError("betongo writes such fields")

    def encode(self, destination, field, malloc):
        raise NotImplementedError("betongo writes such fields")

    def get_decoder_class(self):
        return LZ4Decoder
