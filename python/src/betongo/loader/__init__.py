"""The loader: batches of a .beton file, with FFCV's interface."""

from .loader import Loader, OrderOption

__all__ = ["Loader", "OrderOption"]
