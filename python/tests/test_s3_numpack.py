"""from_s3 and to_s3, with a real S3 server."""

from __future__ import annotations

import io as std
import tempfile

import numpy as np
import pytest

from betongo.numpack import NumPack, io


@pytest.fixture(autouse=True)
def room(tmp_path, monkeypatch):
    """The temporary folder, in which nothing may be left."""
    room = tmp_path / "room"
    room.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(room))
    yield room
    assert not list(room.iterdir())


@pytest.fixture
def pack(tmp_path):
    path = tmp_path / "in.npk"
    with NumPack(path) as p:
        p.save({"a": np.arange(12, dtype="f8").reshape(6, 2), "b": np.arange(5)})
    return path


def arrays(path):
    with NumPack(path) as p:
        return {name: np.array(p.load(name)) for name in p.get_member_list()}


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.csv", "a.txt", "a.safetensors", "x", "a.npkg"])
def test_s3_both_ways(s3, pack, tmp_path, name) -> None:
    format = {"x": "npy"}.get(name, "auto")
    url = f"s3://data/numpack/{name}"
    one = None if name.endswith(".npkg") else "a"
    io.to_s3(pack, url, format, array_name=one)
    out = tmp_path / "out.npk"
    assert io.from_s3(url, out, format) is None
    got = arrays(out)
    assert np.array_equal(got["x" if name == "x" else "a"], arrays(pack)["a"])
    again = io.from_s3(url, out, format, drop_if_exists=True, return_npk_obj=True)
    assert isinstance(again, NumPack)
    again.close()
    with pytest.raises(FileExistsError):
        io.to_s3(pack, url, format, array_name=one, overwrite=False)
    io.to_s3(pack, url, format, array_name=one)
    assert s3.uploads() == 0


@pytest.mark.parametrize("name", ["a.parquet", "a.feather"])
def test_s3_arrow(s3, pack, tmp_path, name) -> None:
    pytest.importorskip("pyarrow")
    io.to_s3(pack, f"s3://data/arrow/{name}", array_name="a")
    io.from_s3(f"s3://data/arrow/{name}", tmp_path / "out.npk")
    assert np.array_equal(arrays(tmp_path / "out.npk")["a"], arrays(pack)["a"])


def test_s3_all_of_a_pack(s3, pack, tmp_path) -> None:
    io.to_s3(pack, "s3://data/all.npz")
    io.from_s3("s3://data/all.npz", tmp_path / "out.npk")
    assert set(arrays(tmp_path / "out.npk")) == {"a", "b"}
    with np.load(std.BytesIO(s3.get("all.npz"))) as z:
        assert np.array_equal(z["b"], np.arange(5))


def test_s3_refused(s3, pack, tmp_path, monkeypatch) -> None:
    out = tmp_path / "out.npk"
    io.to_s3(pack, "s3://data/refused.npy", array_name="a")
    for kwargs in ({"key": "k", "secret": "S3cr3t"}, {"token": "S3cr3t"}):
        with pytest.raises(ValueError, match="environment") as e:
            io.from_s3("s3://data/refused.npy", out, **kwargs)
        assert "S3cr3t" not in str(e.value)
    with pytest.raises(ValueError, match="endpoint_url"):
        io.from_s3("s3://data/refused.npy", out, endpoint="x")
    with pytest.raises(ValueError, match="suffix"):
        io.from_s3("s3://data/refused.xyz", out)
    with pytest.raises(ValueError, match="parquet"):
        io.to_s3(pack, "s3://data/x.npy", "parqet")
    with pytest.raises(ValueError, match="no URL"):
        io.from_s3("refused.npy", out)
    with pytest.raises(ValueError, match="web server"):
        io.to_s3(pack, "https://example.com/x.npy")
    with pytest.raises(FileNotFoundError, match="none.npy"):
        io.from_s3("s3://data/none.npy", out)
    with pytest.raises(PermissionError):
        io.from_s3("s3://data/refused.npy", out, anon=True)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(PermissionError):
        io.to_s3(pack, "s3://data/denied.npy", array_name="a")
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3.env["AWS_SECRET_ACCESS_KEY"])
    io.from_s3("s3://data/refused.npy", out, endpoint_url=s3.url, client_kwargs={"region_name": "us-east-1"})
    assert set(arrays(out)) == {"refused"} and "denied.npy" not in s3.keys()
