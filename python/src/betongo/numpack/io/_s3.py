"""Files in object stores: fetched or sent whole, through the local disk."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Any

from ... import _storage
from ._hdf5 import from_hdf5, to_hdf5
from ._npy import from_npy, to_npy
from ._pack import opened
from ._package import pack, unpack
from ._parquet import from_feather_file, from_parquet_file, to_feather_file, to_parquet_file
from ._rows import DEFAULT_CHUNK_SIZE
from ._safetensors import from_safetensors_file, to_safetensors_file
from ._text import from_csv, from_txt, to_csv, to_txt
from ._torch import from_pt, to_pt

__all__ = ["from_s3", "to_s3"]

_SUFFIXES = {
    ".npy": "numpy",
    ".npz": "numpy",
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "txt",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".feather": "feather",
    ".arrow": "feather",
    ".h5": "hdf5",
    ".hdf5": "hdf5",
    ".safetensors": "safetensors",
    ".pt": "pt",
    ".pth": "pt",
    ".npkg": "npkg",
}
_NAMES = {"npy": "numpy", "npz": "numpy", "h5": "hdf5", "arrow": "feather", "pytorch": "pt"}

_from: dict[str, Callable[..., Any]] = {
    "numpy": from_npy,
    "csv": from_csv,
    "txt": from_txt,
    "parquet": from_parquet_file,
    "feather": from_feather_file,
    "hdf5": from_hdf5,
    "safetensors": from_safetensors_file,
    "pt": from_pt,
}
_to: dict[str, Callable[..., Any]] = {
    "numpy": to_npy,
    "csv": to_csv,
    "txt": to_txt,
    "parquet": to_parquet_file,
    "feather": to_feather_file,
    "hdf5": to_hdf5,
    "safetensors": to_safetensors_file,
    "pt": to_pt,
}
_several = ("numpy", "hdf5", "safetensors", "pt")  # formats of which a file may have more than one array


def from_s3(
    s3_path: str,
    output_path: str | os.PathLike[str],
    format: str = "auto",
    drop_if_exists: bool = False,
    chunk_size: int = DEFAULT_CHUNK_SIZE,
    return_npk_obj: bool = False,
    **s3_kwargs: Any,
) -> Any:
    """Makes a pack of a file in an object store.

    s3_path: a URL, s3://BUCKET/KEY, also of gs://, azblob:// and https://. format: "numpy" (.npy and .npz),
    "csv", "txt", "parquet", "feather", "hdf5", "safetensors", "pt" or "npkg"; "auto" goes by the suffix.
    The arrays are called as by the format's own function, chunk_size and the result are as there.
    s3_kwargs: how the store is reached, as `betongo.open`'s storage_options, the names of s3fs for the same
    among them (anon, client_kwargs). Keys and secrets are refused: they are found in the environment, a
    profile, or the machine's role. The file is fetched whole into a temporary folder ($TMPDIR) first; the
    pack is changed when all is there, or not at all.

    Raises FileNotFoundError and PermissionError for the object; ValueError for a URL, format or setting
    that is none; EngineError where there is no engine, which fetches; else as the format's function does.
    """
    options, kind = _settings(s3_path, format, s3_kwargs)
    with _storage.fetched(s3_path, options) as path:
        if kind != "npkg":
            more = {
                "drop_if_exists": drop_if_exists,
                "chunk_size": chunk_size,
                "return_npk_obj": return_npk_obj,
            }
            return _from[kind](_named(path, kind), output_path, **more)
        unpack(path, output_path, overwrite=drop_if_exists)
        return opened(output_path) if return_npk_obj else None


def to_s3(
    input_path: str | os.PathLike[str],
    s3_path: str,
    format: str = "auto",
    array_name: str | None = None,
    chunk_size: int = DEFAULT_CHUNK_SIZE,
    *,
    overwrite: bool = True,
    **s3_kwargs: Any,
) -> None:
    """Writes a pack's array, or all of them, as a file in an object store.

    s3_path, format and s3_kwargs: as of `from_s3`. array_name: which; where it isn't given all of them in
    formats that take several, else it is needed for a pack of several. The file is made in a temporary
    folder ($TMPDIR) and then sent: the object appears whole or not at all. With overwrite=False one that is
    there, also one that came meanwhile, is FileExistsError.

    Raises PermissionError for the store; else as `from_s3` and the format's function do.
    """
    options, kind = _settings(s3_path, format, s3_kwargs)
    if s3_path.lower().startswith("http"):
        raise ValueError(
            f"{_storage.shown(s3_path)}: a web server's files can't be written; want s3://BUCKET/KEY"
        )
    if _storage.exists(s3_path, options) and not overwrite:
        raise FileExistsError(errno.EEXIST, f"{s3_path}: the object exists already")
    with _storage.folder() as room:
        path = _named(os.path.join(room, _storage.file_name(s3_path)), kind, move=False)
        if kind == "npkg":
            if array_name is not None:
                raise ValueError("array_name: an .npkg has all arrays of a pack")
            pack(input_path, path)
        else:
            one: dict[str, Any] = {}
            if array_name is not None:
                one = {"array_names": [array_name]} if kind in _several else {"array_name": array_name}
            _to[kind](input_path, path, chunk_size=chunk_size, **one)
        _storage.upload(path, s3_path, options, overwrite=overwrite)


def _settings(url: str, format: str, kwargs: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Checked storage options, and the format's name."""
    if not _storage.is_url(url) or url.lower().startswith("file:"):
        raise ValueError(f"{url!r:.200} is no URL of an object: want s3://BUCKET/KEY")
    options = dict(kwargs)
    options.update(options.pop("storage_options", None) or {})
    if format != "auto":
        kind = _NAMES.get(format, format)
        if kind not in _from and kind != "npkg":
            from ..._names import nearest

            raise ValueError(f"format {format!r} is unknown; {nearest(format, ['auto', *_from, 'npkg'])}")
    else:
        suffix = os.path.splitext(_storage.file_name(url))[1].lower()
        if suffix not in _SUFFIXES:
            raise ValueError(
                f"{_storage.shown(url)}: the suffix {suffix!r} tells no format: say format=, one of "
                f"{', '.join([*_from, 'npkg'])}"
            )
        kind = _SUFFIXES[suffix]
    return _storage.settings(options), kind


def _named(path: str, kind: str, move: bool = True) -> str:
    """The path with a suffix that the format's function goes by; move: of a file that is there."""
    if os.path.splitext(path)[1].lower() in [s for s, k in _SUFFIXES.items() if k == kind]:
        return path
    named = path + next(s for s, k in _SUFFIXES.items() if k == kind)
    if move:
        os.rename(path, named)
    return named
