"""NumPack's search engine for vectors, which is not part of this package."""

from __future__ import annotations

from typing import Any

__all__ = ["StreamingVectorEngine", "VectorEngine"]


class VectorEngine:
    """Not here: NotImplementedError. Packs' arrays can be given to any library for vector search."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError(
            f"numpack.vector_engine.{type(self).__name__} is not part of betongo, which is about files: "
            "NumPack.load and stream_load give arrays to a library for vector search"
        )


class StreamingVectorEngine(VectorEngine):
    """Not here: NotImplementedError."""
