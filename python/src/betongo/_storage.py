"""URLs of objects, and the settings with which they are reached.

Credentials are no setting: they are found where each store's own tools look for them.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from ._names import nearest

if TYPE_CHECKING:
    from typing import TypeAlias

    StorageOptions: TypeAlias = Mapping[str, Any]

__all__ = [
    "exists",
    "fetched",
    "is_several",
    "is_url",
    "local",
    "program",
    "request",
    "settings",
    "shown",
    "upload",
]

SCHEMES = ("s3", "gs", "azblob", "https", "http", "file")

KNOWN = (
    "endpoint_url",
    "region",
    "profile",
    "anonymous",
    "cache",
    "cache_size",
    "memory",
    "requests",
    "retries",
    "timeout",
)
"""What storage_options may have, beside the names that fsspec has for the same."""

_OTHER = {"anon": "anonymous", "region_name": "region", "default_cache_folder": "cache"}
_SECRET = re.compile(
    r"(^|_)(key|keys|secret|secrets|token|password|passwd|username|user|credentials?|sas)($|_)|connection_string"
)
_ENVIRON = re.compile(r"(AWS|GOOGLE|GCLOUD|CLOUDSDK|STORAGE_EMULATOR|AZURE|MSI|IDENTITY)_|HOME\Z")
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_UNITS |= {f"{u}I": 1 << 10 * n for n, u in enumerate("KMGT", 1)}


def is_url(path: Any) -> bool:
    """Whether a path is a URL. ValueError for one of an unknown kind."""
    found = _URL.match(path) if isinstance(path, str) else None
    if found is None:
        return False
    if found[1].lower() not in SCHEMES:
        raise ValueError(f"{shown(path)}: {found[1]}:// is unknown; there are {', '.join(SCHEMES)}")
    return True


def local(path: Any) -> Any:
    """The path that a file:// URL means; any other path as it is. ValueError for one of another machine."""
    if not isinstance(path, str) or not path.lower().startswith("file://"):
        return path
    parts = urlsplit(path)
    if parts.netloc not in ("", "localhost"):
        raise ValueError(f"{path}: want file:///PATH, of this machine")
    return unquote(parts.path)


def is_several(path: Any) -> bool:
    """Whether a path of the local disk stands for a dataset of several files: an index, or a pattern."""
    path = os.fsdecode(path)
    if path.endswith(".json"):
        return True
    return any(c in path for c in "*?[") and not os.path.exists(path)


def program(path: Any) -> str:
    """The engine's program that a dataset's path needs: an index may name URLs."""
    from ._engine import ENGINE, TOOLS

    return TOOLS if is_url(path) or os.fsdecode(path).endswith(".json") else ENGINE


def shown(url: str) -> str:
    """A URL as messages show it: without user, password and query, which may hold a signature."""
    if not url.lower().startswith(("http://", "https://")):
        return url
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def settings(options: Mapping[str, Any] | None) -> dict[str, Any]:
    """Checks storage_options, and returns them by this package's names.

    ValueError for an unknown name, with the nearest, for a value that is none, and for keys and secrets;
    TypeError for what is no mapping.
    """
    if options is None:
        return {}
    if not isinstance(options, Mapping):
        raise TypeError(f"storage_options are {type(options).__name__}: want a dict")
    flat: dict[str, Any] = {}
    for name, value in options.items():
        if name == "client_kwargs" and isinstance(value, Mapping):  # as of fsspec
            flat.update(value)
        else:
            flat[name] = value
    found: dict[str, Any] = {}
    for name, value in flat.items():
        plain = _OTHER.get(name, name)
        if plain not in KNOWN:
            _refuse(str(name))
        if value is not None:
            found[plain] = _value(plain, value)
    return found


def _refuse(name: str) -> None:
    if _SECRET.search(name.lower()):
        raise ValueError(
            f"storage_options: {name!r}: keys and secrets are not taken here, where they would end in logs "
            "and pickles; they are found in the environment (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
            "GOOGLE_APPLICATION_CREDENTIALS, AZURE_STORAGE_ACCOUNT), in a profile of ~/.aws/config "
            "(storage_options={'profile': NAME}), or as the machine's role"
        )
    raise ValueError(f"storage_options: {name!r} is unknown; {nearest(name, [*KNOWN, 'anon'])}")


def _value(name: str, value: Any) -> Any:
    if name in ("endpoint_url", "region", "profile"):
        if not isinstance(value, str):
            raise ValueError(f"storage_options: {name} is {value!r}: want text")
        if "@" in value and name == "endpoint_url":
            raise ValueError("storage_options: endpoint_url has a user or password; want http://HOST:PORT")
        return value
    if name == "anonymous":
        if not isinstance(value, bool):
            raise ValueError(f"storage_options: {name} is {value!r}: want True or False")
        return value
    if name == "cache":
        return os.path.abspath(os.path.expanduser(os.fsdecode(value)))
    if name in ("cache_size", "memory"):
        return size(name, value)
    if name == "timeout":
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1e9:
            raise ValueError(f"storage_options: timeout is {value!r}: want seconds")
        return float(value)
    least = 1 if name == "requests" else 0
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value < 1 << 31:
        raise ValueError(f"storage_options: {name} is {value!r}: want a whole number from {least} on")
    return value


def size(name: str, value: Any) -> int:
    """Reads a number of bytes, also as text such as "2GiB". ValueError for what is none."""
    n: float = math.nan
    if isinstance(value, str):
        found = re.fullmatch(r"\s*([0-9.]+)\s*([KMGT]?I?)B?\s*", value.upper())
        if found and found[2] in _UNITS:
            with contextlib.suppress(ValueError):
                n = float(found[1]) * _UNITS[found[2]]
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        n = value
    if not 1 <= n < 1 << 62:
        raise ValueError(f'{name} is {value!r}: want a number of bytes, or text such as "2GiB"')
    return int(n)


def request(options: Mapping[str, Any]) -> dict[str, Any]:
    """What the engine is told: checked settings, and the environment in which it looks for credentials.

    BETONGO_CACHE and BETONGO_CACHE_SIZE stand in for settings that are not there.
    """
    told = {k: v for k, v in options.items() if k != "memory"}
    if told.get("retries") == 0:
        told["retries"] = -1  # 0 is the engine's default
    folder = os.environ.get("BETONGO_CACHE")
    if folder and "cache" not in told:
        told["cache"] = os.path.abspath(os.path.expanduser(folder))
    quota = os.environ.get("BETONGO_CACHE_SIZE")
    if quota and "cache_size" not in told:
        told["cache_size"] = size("BETONGO_CACHE_SIZE", quota)
    told["environ"] = {k: v for k, v in os.environ.items() if _ENVIRON.match(k)}
    return told


def exists(url: str, options: Mapping[str, Any]) -> bool:
    """Whether there is an object. PermissionError and other OSErrors where that can't be had."""
    return bool(_ask({"do": "exists", "url": url}, options)["exists"])


def upload(path: str, url: str, options: Mapping[str, Any], *, overwrite: bool) -> None:
    """Sends a local file as an object, which appears whole or not at all. FileExistsError without overwrite
    where there is one by then."""
    _ask({"do": "upload", "path": path, "url": url, "overwrite": overwrite}, options)


@contextlib.contextmanager
def fetched(url: str, options: Mapping[str, Any]) -> Iterator[str]:
    """A copy of an object on the local disk, with its name, which is removed when the block ends."""
    with folder() as room:
        path = os.path.join(room, file_name(url))
        _ask({"do": "fetch", "path": path, "url": url}, options)
        yield path


@contextlib.contextmanager
def folder() -> Iterator[str]:
    """A temporary folder."""
    room = tempfile.mkdtemp(prefix="betongo-")
    try:
        yield room
    finally:
        shutil.rmtree(room, ignore_errors=True)


def file_name(url: str) -> str:
    """The last part of a URL, as a name that a file may have."""
    path = urlsplit(url).path if url.lower().startswith("http") else url
    name = re.sub(r'[\0-\x1f/\\:*?"<>|]', "_", path.rstrip("/").rpartition("/")[2])[-200:]
    return name if name.strip(".") else "file"


def _ask(told: dict[str, Any], options: Mapping[str, Any]) -> dict[str, Any]:
    from ._engine import TOOLS, Connector

    with Connector(TOOLS)() as connection:
        answer: dict[str, Any] = connection.request({**told, "storage": request(options)})[0]["ok"]
        return answer
