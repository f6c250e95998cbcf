"""Pages of the file read into memory of the process, for as long as batches need them."""

from .context import ProcessCacheContext
from .manager import ProcessCacheManager

__all__ = ["ProcessCacheContext", "ProcessCacheManager"]
