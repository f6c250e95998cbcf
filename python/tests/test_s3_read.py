"""Datasets in an object store, read from a real S3 server: what comes is what a local file gives, or one error
that says what is wrong."""

from __future__ import annotations

import json
import pickle
import signal
from pathlib import Path

import numpy as np
import pytest
from made import SAMPLES, labels_of, write_mixed, write_noise
from rows import write_rows

import betongo
from betongo import FormatError, Loader, Reader, SampleError, _engine, _storage
from betongo.fields.decoders import RandomResizedCropRGBImageDecoder

QUICK = {"retries": 0, "timeout": 5}


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_mixed(tmp_path_factory.mktemp("mixed") / "mixed.beton")


@pytest.fixture(scope="module")
def noise(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_noise(tmp_path_factory.mktemp("noise") / "noise.beton")


@pytest.fixture
def url(s3, mixed):
    return s3.put("mixed.beton", Path(mixed).read_bytes())


def same(a, b) -> None:
    """Compares values of samples."""
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for k in a:
            same(a[k], b[k])
    elif isinstance(a, list):
        assert len(a) == len(b)
        for x, y in zip(a, b):
            same(x, y)
    elif isinstance(a, np.ndarray):
        assert a.dtype == b.dtype and np.array_equal(a, b)
    else:
        assert type(a) is type(b) and a == b


def epoch(loader) -> list:
    return [[np.array(column) for column in batch] for batch in loader]


def test_s3_open(url, mixed) -> None:
    with betongo.open(url) as far, betongo.open(mixed) as near:
        assert len(far) == len(near) == SAMPLES and far.names == near.names and far.classes == near.classes
        for i in (0, 7, SAMPLES - 1):
            same(far[i], near[i])
        same(far[3:9], near[3:9])
        same(far[[5, -1, 5]], near[[5, -1, 5]])
        for name in near.names:
            same(np.asarray(far[name]), np.asarray(near[name]))
        same(far["text"][4], near["text"][4])
        same(np.array(far.raw(3, "image")), np.array(near.raw(3, "image")))
        same(far.metadata["f1"], near.metadata["f1"])
        same(far.file.alloc_table, near.file.alloc_table)
        assert "mixed.beton" in repr(far) and "60 samples" in repr(far)
        with pytest.raises(IndexError):
            far[SAMPLES]
        with pytest.raises(KeyError):
            far["labe"]
        with pytest.raises(KeyError):
            far.find("no such name")
    with pytest.raises(IndexError):  # as of a file
        far[0]


def test_s3_reader(url, mixed) -> None:
    far, near = Reader(url), Reader(mixed)
    assert (far.num_samples, far.page_size, far.num_fields) == (
        near.num_samples,
        near.page_size,
        near.num_fields,
    )
    assert far.header == near.header and far.field_names == near.field_names
    same(far.field_descriptors["type_id"], near.field_descriptors["type_id"])
    same(far.metadata, near.metadata)


@pytest.mark.parametrize("order", ["sequential", "random", "quasi_random", "page_shuffle"])
def test_s3_loader(s3, noise, order) -> None:
    url = s3.put("noise.beton", Path(noise).read_bytes())

    def make(path):
        image = [RandomResizedCropRGBImageDecoder((8, 8))]
        return Loader(path, 8, order=order, seed=3, drop_last=False, pipelines={"image": image})

    far, near = make(url), make(noise)
    for _ in range(2):
        same(epoch(far), epoch(near))
    assert len(far) == len(near)
    far.close()


def test_s3_glob_and_index(s3, mixed, tmp_path) -> None:
    data = Path(mixed).read_bytes()
    for k in range(3):
        s3.put(f"many/train-{k}.beton", data)
        (tmp_path / f"train-{k}.beton").write_bytes(data)
    s3.put("many/other.txt", b"no dataset")
    pattern = "s3://data/many/train-*.beton"
    with (
        betongo.open(pattern) as far,
        betongo.open(mixed) as near,
        betongo.open(tmp_path / "train-*.beton") as disk,
    ):
        assert len(far) == len(disk) == 3 * SAMPLES
        for i in (0, SAMPLES, 2 * SAMPLES + 7):
            same(far[i], near[i % SAMPLES])
            same(disk[i], near[i % SAMPLES])
        same(far[[1, SAMPLES + 1]]["label"], np.array([1, 1]))
        assert far["label"].sum() == 3 * near["label"].sum()
        same(far["array"], disk["array"])
    loader = Loader(pattern, 10, drop_last=False, order="random", seed=1)
    beside = Loader(str(tmp_path / "train-*.beton"), 10, drop_last=False, order="random", seed=1)
    same(epoch(loader), epoch(beside))
    with pytest.raises(FileNotFoundError, match="nothing-"):
        betongo.open("s3://data/many/nothing-*.beton")


def test_s3_index(s3, tmp_path) -> None:
    """An index that the command makes of shards opens as one dataset."""
    for k in range(2):
        s3.put(f"indexed/{k}.beton", Path(write_rows(tmp_path / f"{k}.beton", 50 + k)).read_bytes())
    shards = []
    for k in range(2):
        data = s3.get(f"indexed/{k}.beton")
        table = int.from_bytes(data[16:24], "little")
        shards.append({"path": f"{k}.beton", "size": len(data), "samples": 50 + k, "alloc_table": table})
    import base64

    fields = [
        {"name": n, "type": t, "args": base64.b64encode(bytes(1024)).decode()}
        for n, t in (("label", 1), ("x", 0))
    ]
    index = {"betongo_index": 1, "samples": 101, "page_size": 8 << 20, "fields": fields, "shards": shards}
    url = s3.put("indexed/index.json", json.dumps(index).encode())
    with betongo.open(url) as far:
        assert len(far) == 101 and far["label"].tolist() == [*range(50), *range(51)]
        assert far[75] == {"label": 25, "x": 12.5}
    labels = [int(i) for batch in Loader(url, 7, drop_last=False) for i in batch[0].reshape(-1)]
    assert labels == [*range(50), *range(51)]


def test_s3_missing_and_wrong(s3, url, monkeypatch, tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match="none.beton"):
        betongo.open("s3://data/none.beton")
    with pytest.raises(FileNotFoundError):
        Loader("s3://nobucket/x.beton", 8, storage_options=QUICK)
    junk = s3.put("junk.beton", b"junk" * 100)
    with pytest.raises(FormatError, match="junk.beton"):
        betongo.open(junk)
    with pytest.raises(ValueError, match="ftp"):
        betongo.open("ftp://host/x.beton")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    with pytest.raises(PermissionError) as e:
        betongo.open(url)
    assert "another" not in str(e.value) and "mixed.beton" in str(e.value)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3.env["AWS_SECRET_ACCESS_KEY"])
    assert len(betongo.open(url)) == SAMPLES  # what is set now counts, not what was when the engine began
    with pytest.raises(PermissionError):
        betongo.open(url, storage_options={"anon": True})


def test_s3_options(s3, url, monkeypatch, tmp_path) -> None:
    """Where the server is may be said by options, whole, or by a profile."""
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.delenv("AWS_REGION")
    options = {"endpoint_url": s3.url, "region": "us-east-1", "memory": "64MiB", "requests": 4, **QUICK}
    assert betongo.open(url, storage_options=options)[1]["label"] == 1
    fsspec = {"client_kwargs": {"endpoint_url": s3.url, "region_name": "us-east-1"}, "anon": False}
    loader = Loader(url, 20, storage_options=fsspec)
    assert sum(len(batch[1]) for batch in loader) == SAMPLES
    config = tmp_path / "config"
    config.write_text(
        f"[profile there]\nendpoint_url = {s3.url}\nregion = us-east-1\n"
        "aws_access_key_id = testkey\naws_secret_access_key = testsecret\n"
    )
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    assert betongo.open(url, storage_options={"profile": "there"})[2]["label"] == 2


def test_s3_cache(s3, url, mixed, tmp_path) -> None:
    folder = tmp_path / "cache"
    options = {"cache": str(folder), "cache_size": "32MiB"}
    near = epoch(Loader(mixed, 16, drop_last=False))
    for _ in range(2):
        loader = Loader(url, 16, drop_last=False, storage_options=options)
        same(epoch(loader), near)
        loader.close()
    assert (folder / "CACHEDIR.TAG").exists() and any((folder / "pages").rglob("*-*"))


def test_storage_options_refused() -> None:
    for name in ("key", "secret", "token", "aws_secret_access_key", "account_key", "sas_token", "password"):
        with pytest.raises(ValueError, match="environment") as e:
            betongo.open("s3://data/x.beton", storage_options={name: "S3cr3t"})
        assert "S3cr3t" not in str(e.value)
    for options, text in (
        ({"endpoint": "http://x"}, "endpoint_url"),
        ({"memory": -1}, "memory"),
        ({"memory": "much"}, "memory"),
        ({"retries": True}, "retries"),
        ({"timeout": 0}, "timeout"),
        ({"anonymous": 1}, "anonymous"),
        ({"endpoint_url": "http://user:word@host"}, "endpoint_url"),
    ):
        with pytest.raises(ValueError, match=text) as e:
            Loader("s3://data/x.beton", 8, storage_options=options)
        assert "word@" not in str(e.value)
    with pytest.raises(TypeError, match="storage_options"):
        betongo.open("s3://data/x.beton", storage_options="anon")


def test_storage_names() -> None:
    assert (
        _storage.size("x", "1.5 GiB") == 3 << 29
        and _storage.size("x", "2kb") == 2000
        and _storage.size("x", 7) == 7
    )
    assert _storage.shown("https://u:p@host/x.beton?sig=1#f") == "https://host/x.beton"
    assert (
        _storage.file_name("https://host/a/x.npy?sig=1") == "x.npy"
        and _storage.file_name("s3://b/..") == "file"
    )
    assert _storage.local("file:///a%20b/c") == "/a b/c" and _storage.local("s3://a/b") == "s3://a/b"
    with pytest.raises(ValueError, match="machine"):
        _storage.local("file://elsewhere/a")


def test_file_url(mixed) -> None:
    assert len(betongo.open(Path(mixed).as_uri())) == SAMPLES
    assert len(Loader(Path(mixed).as_uri(), 30)) == 2


def test_s3_replaced_during_an_epoch(s3, tmp_path) -> None:
    """An object that is replaced ends the epoch with one error that says so; none is skipped for it."""
    big = Path(write_rows(tmp_path / "big.beton", 2_000_000)).read_bytes()
    url = s3.put("replaced.beton", big)
    ds = betongo.open(url, storage_options={"memory": "1MiB"})
    assert ds[5]["label"] == 5
    loader = Loader(url, 1000, on_error="skip", memory=1 << 20)
    batches = iter(loader)
    next(batches)
    s3.put("replaced.beton", big[:24] + bytes(len(big) - 24))
    with pytest.raises(OSError, match="replaced") as e:
        for _ in batches:
            pass
    import errno

    assert e.value.errno == errno.ESTALE
    with pytest.raises(OSError, match="replaced"):
        ds["label"]
    ds.close()
    loader.close()


def test_s3_state(s3, noise) -> None:
    url = s3.put("state.beton", Path(noise).read_bytes())

    def make():
        image = [RandomResizedCropRGBImageDecoder((8, 8))]
        return Loader(url, 8, order="random", seed=5, drop_last=False, pipelines={"image": image})

    loader = make()
    batches = iter(loader)
    next(batches)
    state = json.loads(json.dumps(loader.state_dict()))
    rest = [[np.array(c) for c in batch] for batch in batches]
    again = make()
    again.load_state_dict(state)
    same(epoch(again), rest)


def test_s3_pickled(s3, url, mixed) -> None:
    options = {"endpoint_url": s3.url, "memory": "16MiB"}
    ds = pickle.loads(pickle.dumps(betongo.open(url, storage_options=options)))
    same(ds[4], betongo.open(mixed)[4])
    loader = pickle.loads(pickle.dumps(Loader(url, 10, storage_options=options)))
    same(epoch(loader), epoch(Loader(mixed, 10)))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_s3_children(s3, url, method) -> None:
    import multiprocessing

    from betongo.fields.decoders import IntDecoder

    context = multiprocessing.get_context(method)
    loader = Loader(
        url,
        10,
        pipelines={"label": [IntDecoder()], "image": None, "weight": None, "array": None, "text": None},
    )
    answers = context.Queue()
    p = context.Process(target=labels_of, args=(loader, answers))
    p.start()
    assert answers.get(timeout=60) == list(range(SAMPLES))
    p.join()


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_s3_data_loader(s3, url, method) -> None:
    """torch's DataLoader over a Dataset, by worker processes, all with one engine."""
    torch_data = pytest.importorskip("torch.utils.data")
    ds = betongo.open(url)
    ds[0]
    workers = torch_data.DataLoader(
        ds, batch_size=10, num_workers=3, multiprocessing_context=method, collate_fn=list
    )
    got = [sample for batch in workers for sample in batch]
    assert [s["label"] for s in got] == list(range(SAMPLES))
    same(got[7], ds[7])


def test_s3_engine_killed(s3, url, mixed) -> None:
    """A dead engine is an error of what was under way; the next use has another one, and the same dataset."""
    ds, loader = betongo.open(url), Loader(url, 4)
    ds[0]
    batches = iter(loader)
    next(batches)
    process = _engine.engine(_engine.TOOLS).process
    process.send_signal(signal.SIGKILL)
    process.wait()
    with pytest.raises(betongo.EngineError):
        ds[1]
    same(ds[1], betongo.open(mixed)[1])
    assert sum(len(batch[1]) for batch in loader) == SAMPLES
    assert ds.find is not None and len(ds["label"]) == SAMPLES


def test_s3_engine_killed_and_replaced(s3, mixed) -> None:
    url = s3.put("killed.beton", Path(mixed).read_bytes())
    ds = betongo.open(url)
    process = _engine.engine(_engine.TOOLS).process
    process.send_signal(signal.SIGKILL)
    process.wait()
    s3.put("killed.beton", Path(mixed).read_bytes()[:-24])
    with pytest.raises((betongo.EngineError, OSError)):
        ds[1]
    with pytest.raises((OSError, FormatError)):
        ds[1]


def test_s3_python_operations(s3, mixed) -> None:
    """Decoders that run in Python get what samples have stored, through the engine."""
    from dataclasses import replace

    from betongo.fields.decoders import SimpleRGBImageDecoder
    from betongo.pipeline.operation import Operation

    class Mine(SimpleRGBImageDecoder):
        """Not the engine's, since it is none of this package's."""

    class Half(Operation):
        def generate_code(self):
            return lambda batch, dst: batch // 2

        def declare_state_and_memory(self, previous_state):
            return replace(previous_state, jit_mode=False), None

    url = s3.put("operations.beton", Path(mixed).read_bytes())

    def make(path):
        return Loader(path, 10, pipelines={"image": [Mine(), Half()], "text": None}, seed=1)

    same(epoch(make(url)), epoch(make(mixed)))


def test_s3_a_field_of_ones_own(s3, tmp_path) -> None:
    """A field that only the program knows, of one object; several are refused."""
    from made import write
    from test_custom_ops import StringField

    from betongo.fields import IntField

    path = write(
        tmp_path / "own.beton",
        40,
        {"index": IntField(), "value": StringField(16)},
        lambda i: (i, f"text {i}"),
    )
    data = Path(path).read_bytes()
    urls = [s3.put(f"own/{k}.beton", data) for k in range(2)]
    own = {"value": StringField}
    near = Loader(path, 8, order="random", seed=2, custom_fields=own)
    same(epoch(Loader(urls[0], 8, order="random", seed=2, custom_fields=own)), epoch(near))
    with pytest.raises(betongo.UnsupportedError, match="value"):  # whose pointers nobody could tell
        Loader("s3://data/own/*.beton", 40, custom_fields=own)
    with betongo.open(path, own) as one, betongo.open(urls[1], own) as far:
        same(far[5], one[5])


def test_s3_as_ffcv(s3, url) -> None:
    """Scripts for FFCV may say URLs."""
    import subprocess
    import sys

    code = (
        "import betongo.as_ffcv, sys\n"
        "from ffcv.loader import Loader, OrderOption\n"
        "print(sum(len(b[1]) for b in Loader(sys.argv[1], 20, order=OrderOption.RANDOM)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, url], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == str(SAMPLES), done.stderr


def test_s3_verify(s3, mixed) -> None:
    data = bytearray(Path(mixed).read_bytes())
    sound = s3.put("sound.beton", bytes(data))
    assert betongo.open(sound, verify="first_read")[3]["label"] == 3
    with betongo.open(mixed) as near:
        entries = near.file.alloc_table
        at = int(entries[entries["sample_id"] == 9]["ptr"][0])
    data[at] ^= 1
    broken = s3.put("broken.beton", bytes(data))
    ds = betongo.open(broken, verify="first_read")
    assert ds[8]["label"] == 8
    with pytest.raises(SampleError, match="sample 9"):
        ds[9]
    loader = Loader(broken, 10, verify="first_read", on_error="skip", drop_last=False)
    assert len(list(loader)) == 6 and loader.report["failed"] == 1


def test_s3_damaged_value(s3, mixed) -> None:
    data = bytearray(Path(mixed).read_bytes())
    with betongo.open(mixed) as near:
        row = near.file._meta + 5 * near.metadata.dtype.itemsize
        at = row + near.metadata.dtype.fields["f3"][1]
    data[at : at + 8] = (1 << 40).to_bytes(8, "little")
    url = s3.put("damaged.beton", bytes(data))
    with pytest.raises((SampleError, FormatError), match="5"):
        betongo.open(url)[5]
    assert betongo.open(url)[4]["label"] == 4


def test_max_pixels(noise, tmp_path) -> None:
    """Pictures of more pixels than max_pixels can't be loaded, nor written."""
    from made import write

    from betongo.fields import RGBImageField
    from betongo.writer import WriteError

    sizes = betongo.open(noise).metadata["f0"]
    pixels = sizes["width"].astype(int) * sizes["height"]
    most = int(np.median(pixels))
    image = [RandomResizedCropRGBImageDecoder((8, 8))]
    loader = Loader(noise, 10, pipelines={"image": image}, on_error="skip", max_pixels=most, drop_last=False)
    list(loader)
    assert loader.report["failed"] == int((pixels > most).sum())
    with pytest.raises(ValueError, match="max_pixels"):
        Loader(noise, 10, max_pixels=0)
    big = np.zeros((20, 20, 3), np.uint8)
    with pytest.raises(WriteError, match="400|20x20"):
        write(tmp_path / "x.beton", 1, {"image": RGBImageField(max_pixels=399)}, lambda i: (big,))
    write(tmp_path / "x.beton", 1, {"image": RGBImageField(max_pixels=400)}, lambda i: (big,))
    with pytest.raises(ValueError, match="max_pixels"):
        RGBImageField(max_pixels=0)
