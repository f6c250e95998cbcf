"""A real S3 server for tests: versitygw on the loopback, with credentials required."""

from __future__ import annotations

import hashlib
import hmac
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from datetime import datetime, timezone
from pathlib import Path

__all__ = ["ACCESS", "BUCKET", "SECRET", "Server", "program"]

ACCESS, SECRET, BUCKET, REGION = "testkey", "testsecret", "data", "us-east-1"
_VERSION = "v1.8.0"  # as internal/s3test has it


def program() -> str | None:
    """The server's path: $VERSITYGW, else the one that the Go tests have built in the user's cache folder; None
    where there is none."""
    given = os.environ.get("VERSITYGW")
    if given:
        return given
    if sys.platform == "darwin":
        cache = Path.home() / "Library" / "Caches"
    else:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    built = cache / "betongo" / f"versitygw-{_VERSION}"
    return str(built) if built.exists() else None


class Server:
    """A server with an empty bucket, until close. folder: where the bucket's objects lie as files by their keys.

    env: the settings with which a client reaches it.
    """

    def __init__(self, path: str, room: Path) -> None:
        files, meta = room / "files", room / "meta"
        files.mkdir(parents=True)
        meta.mkdir()
        self.folder = files / BUCKET
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self._log = open(room / "log", "wb")
        self.process = subprocess.Popen(
            [
                path,
                "--port",
                f"127.0.0.1:{port}",
                "--keep-alive",
                "--quiet",
                "posix",
                "--sidecar",
                str(meta),
                str(files),
            ],
            env={**os.environ, "ROOT_ACCESS_KEY": ACCESS, "ROOT_SECRET_KEY": SECRET},
            stdout=self._log,
            stderr=self._log,
        )
        end = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if self.process.poll() is not None or time.monotonic() > end:
                    self.close()
                    raise RuntimeError(f"{path} does not start:\n{(room / 'log').read_text()}") from None
                time.sleep(0.02)
        self.env = {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": ACCESS,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": REGION,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }
        self._request("PUT", f"/{BUCKET}")

    def put(self, key: str, data: bytes) -> str:
        """Makes an object, and returns its URL."""
        self._request("PUT", f"/{BUCKET}/{key}", data)
        return f"s3://{BUCKET}/{key}"

    def get(self, key: str) -> bytes:
        return (self.folder / key).read_bytes()

    def keys(self) -> list[str]:
        """The keys of what is visible as an object."""
        import re

        text = self._request("GET", f"/{BUCKET}").decode()
        return re.findall(r"<Key>(.*?)</Key>", text)

    def uploads(self) -> int:
        """How many uploads were begun and neither ended nor given up."""
        return self._request("GET", f"/{BUCKET}", query="uploads=").decode().count("<UploadId>")

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._log.close()

    def _request(self, method: str, path: str, body: bytes = b"", query: str = "") -> bytes:
        """A request signed by AWS's rules."""
        now = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        host = self.url.removeprefix("http://")
        sum_ = hashlib.sha256(body).hexdigest()
        headers = {"host": host, "x-amz-content-sha256": sum_, "x-amz-date": now}
        names = ";".join(headers)
        lines = "".join(f"{k}:{v}\n" for k, v in headers.items())
        scope = f"{now[:8]}/{REGION}/s3/aws4_request"
        asked = hashlib.sha256("\n".join([method, path, query, lines, names, sum_]).encode()).hexdigest()
        key = f"AWS4{SECRET}".encode()
        for part in scope.split("/"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        signature = hmac.new(
            key, f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{asked}".encode(), hashlib.sha256
        ).hexdigest()
        headers["Authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={ACCESS}/{scope}, SignedHeaders={names}, Signature={signature}"
        )
        url = self.url + path + ("?" + query if query else "")
        with urllib.request.urlopen(
            urllib.request.Request(url, body or None, headers, method=method), timeout=30
        ) as answer:
            found: bytes = answer.read()
            return found
