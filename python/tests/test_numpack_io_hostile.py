"""Broken and hostile files: an error that names the file and the place, and nothing changed."""

from __future__ import annotations

import io as bytesio
import json
import os
import pickle
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import betongo
from betongo.numpack import NumPack, get_package_info, io, pack, unpack

A = np.arange(24, dtype=np.int32).reshape(6, 4)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A pack that nothing may happen to."""
    with NumPack(tmp_path / "t.npk") as npk:
        npk.save({"old": A})
    return tmp_path / "t.npk"


def state(path: Path) -> dict[str, bytes]:
    return {f.name: f.read_bytes() for f in path.rglob("*") if f.is_file()}


def refused(call: Callable[[], Any], target: Path, *said: str, kind: Any = io.FormatError) -> None:
    """The call raises, names all that is said, and leaves everything as it was."""
    before, beside = state(target), sorted(os.listdir(target.parent))
    with pytest.raises(kind) as e:
        call()
    for word in said:
        assert word in str(e.value), str(e.value)
    assert state(target) == before
    assert sorted(os.listdir(target.parent)) == beside


def cut(path: Path, call: Callable[[], Any], target: Path, step: int = 1) -> None:
    """Every shorter file is refused."""
    whole = path.read_bytes()
    for n in range(0, len(whole), step):
        path.write_bytes(whole[:n])
        refused(call, target, path.name)
    path.write_bytes(whole)


def test_cut_anywhere(tmp_path: Path, target: Path) -> None:
    for name, array in {"c": A, "f": np.asfortranarray(A)}.items():
        np.save(tmp_path / f"{name}.npy", array)
        cut(tmp_path / f"{name}.npy", lambda: io.from_npy(tmp_path / f"{name}.npy", target), target, 3)
    np.savez(tmp_path / "x.npz", x=A)
    cut(tmp_path / "x.npz", lambda: io.from_npy(tmp_path / "x.npz", target), target, 7)
    with NumPack(tmp_path / "p.npk") as npk:
        npk.save({"a": A, "b": A[:2].astype("f2")})
    io.to_safetensors_file(tmp_path / "p.npk", tmp_path / "x.safetensors")
    file = tmp_path / "x.safetensors"
    cut(file, lambda: io.from_safetensors_file(file, target), target, 3)
    cut(file, lambda: list(io.iter_safetensors(file)), target, 11)
    package = pack(tmp_path / "p.npk", tmp_path / "x.npkg")
    cut(package, lambda: unpack(package, tmp_path / "u.npk"), target, 3)
    package.write_bytes(package.read_bytes()[:-1])
    assert get_package_info(package)["file_count"] == 3  # the checksum is no part of it


def npy(header: str, data: bytes = bytes(96), version: int = 1) -> bytes:
    text = header.encode("utf-8" if version == 3 else "latin1") + b"\n"
    return (
        b"\x93NUMPY"
        + bytes([version, 0])
        + struct.pack("<H" if version == 1 else "<I", len(text))
        + text
        + data
    )


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("{'descr': '<i4', 'fortran_order': False, 'shape': (6, 5), }", "120"),
        ("{'descr': '<i4', 'fortran_order': False, 'shape': (-1, 4), }", "shape"),
        (
            "{'descr': '<i4', 'fortran_order': False, 'shape': (4294967296, 4294967296, 4294967296), }",
            "shape",
        ),
        ("{'descr': '<i4', 'fortran_order': False, 'shape': (1.5,), }", "shape"),
        ("{'descr': '<i4', 'fortran_order': False, 'shape': 6, }", "shape"),
        ("{'descr': '<i4', 'fortran_order': 1, 'shape': (6, 4), }", "fortran_order"),
        ("{'descr': '<z9', 'fortran_order': False, 'shape': (6, 4), }", "dtype"),
        ("{'descr': '|O', 'fortran_order': False, 'shape': (6, 4), }", "pickled"),
        ("{'descr': [('a', '|O')], 'fortran_order': False, 'shape': (6, 4), }", "pickled"),
        ("{'descr': '<i4', 'shape': (6, 4), }", "descr"),
        ("__import__('os').system('touch hacked')", "Python"),
        ("[" * 5000 + "]" * 5000, "header"),
        ("{'descr': '<i4', 'fortran_order': False, 'shape': (" + "1," * 65 + ")}", "shape"),
    ],
)
def test_npy_headers(tmp_path: Path, target: Path, header: str, said: str) -> None:
    for version in (1, 2, 3):
        (tmp_path / "x.npy").write_bytes(npy(header, version=version))
        refused(lambda: io.from_npy(tmp_path / "x.npy", target), target, "x.npy", said, "at byte")


def test_npy_others(tmp_path: Path, target: Path) -> None:
    path = tmp_path / "x.npy"
    for data, said in {
        b"PK\x03\x04" + bytes(99): "no .npy file",
        npy("{}", version=9): "version 9",
        b"\x93NUMPY\x02\x00" + struct.pack("<I", 1 << 31) + bytes(99): "header of",
        pickle.dumps(A): "no .npy file",
    }.items():
        path.write_bytes(data)
        refused(lambda: io.from_npy(path, target), target, "x.npy", said)
    np.save(path, np.array(["words"]))
    refused(lambda: io.from_npy(path, target), target, "x.npy", "'x'", kind=TypeError)


class Hacked:
    """A pickle of it makes a folder when it is loaded."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.folder),)


def test_pickles_are_not_run(tmp_path: Path, target: Path) -> None:
    hacked = tmp_path / "hacked"
    np.save(tmp_path / "x.npy", np.array([Hacked(hacked)], object), allow_pickle=True)
    np.savez(tmp_path / "x.npz", x=np.array([Hacked(hacked)], object))
    for name in ("x.npy", "x.npz"):
        refused(lambda: io.from_npy(tmp_path / name, target), target, name, "pickled")
    torch = pytest.importorskip("torch")
    for old in (True, False):
        torch.save(
            {"w": torch.ones(2), "x": Hacked(hacked)},
            tmp_path / "x.pt",
            _use_new_zipfile_serialization=not old,
        )
        refused(lambda: io.from_pt(tmp_path / "x.pt", target), target, "x.pt", "not run")
    (tmp_path / "x.pt").write_bytes(pickle.dumps(Hacked(hacked)))
    refused(lambda: io.from_pt(tmp_path / "x.pt", target), target, "x.pt")
    assert not hacked.exists()


def test_torch_files_cut(tmp_path: Path, target: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.save({"w": torch.arange(64.0)}, tmp_path / "x.pt")
    cut(tmp_path / "x.pt", lambda: io.from_pt(tmp_path / "x.pt", target), target, 53)


def test_zip_bombs(tmp_path: Path, target: Path) -> None:
    """What unpacks to more than it says, or than there is room for; entries over one another."""
    path = tmp_path / "x.npz"
    huge = 1 << 50
    header = npy(f"{{'descr': '|u1', 'fortran_order': False, 'shape': ({huge},), }}", b"")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("x.npy", header + bytes(5000))
    refused(lambda: io.from_npy(path, target), target, "x.npz", "'x'", str(huge))
    # The directory says the same as the header: there is no room for it.
    raw = bytearray(path.read_bytes())
    at = raw.rfind(b"PK\x01\x02")
    name = raw[at + 46 : at + 51]
    extra = struct.pack("<HHQ", 1, 8, len(header) + huge)
    central = (
        raw[at : at + 24] + b"\xff\xff\xff\xff" + struct.pack("<HH", 5, len(extra)) + raw[at + 32 : at + 46]
    )
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 1, 1, len(central) + 5 + len(extra), at, 0)
    path.write_bytes(bytes(raw[:at]) + bytes(central) + bytes(name) + extra + end)
    refused(lambda: io.from_npy(path, target), target, "x.npz", "free")
    # A small archive whose entries share their data.
    whole = bytesio.BytesIO()
    np.save(whole, np.zeros(1000, np.uint8))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("a.npy", whole.getvalue())
        z.writestr("b.npy", whole.getvalue())
    raw = bytearray(path.read_bytes())
    second = raw.rfind(b"PK\x01\x02")
    raw[second + 42 : second + 46] = struct.pack("<I", 0)
    path.write_bytes(raw)
    refused(lambda: io.from_npy(path, target), target, "x.npz", "over another")
    # Data that are broken within.
    np.savez_compressed(path, x=np.random.default_rng(0).integers(0, 9, 9000))
    raw = bytearray(path.read_bytes())
    raw[400:420] = bytes(20)
    path.write_bytes(raw)
    refused(lambda: io.from_npy(path, target), target, "x.npz", "'x'", "broken")
    path.write_bytes(b"no archive at all")
    refused(lambda: io.from_npy(path, target), target, "x.npz")


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (b"{", "JSON"),
        (b"[1]", "no object"),
        (b'{"a": 1, "a": 1}', "twice"),
        ({"x": 1}, "entry"),
        ({"x": {"dtype": "F99", "shape": [4], "data_offsets": [0, 16]}}, "F99"),
        ({"x": {"dtype": "F32", "shape": [-4], "data_offsets": [0, 16]}}, "shape"),
        ({"x": {"dtype": "F32", "shape": [True], "data_offsets": [0, 4]}}, "shape"),
        ({"x": {"dtype": "F32", "shape": [1 << 62, 1 << 62], "data_offsets": [0, 16]}}, "takes"),
        ({"x": {"dtype": "F32", "shape": [4], "data_offsets": [0, 1 << 62]}}, "16 bytes of data"),
        ({"x": {"dtype": "F32", "shape": [4], "data_offsets": [16, 0]}}, "data_offsets"),
        ({"x": {"dtype": "F32", "shape": [4], "data_offsets": [-16, 0]}}, "data_offsets"),
        ({"x": {"dtype": "F32", "shape": [3], "data_offsets": [4, 16]}}, "begin"),
        ({"x": {"dtype": "F32", "shape": [3], "data_offsets": [0, 12]}}, "no tensor"),
        (
            {
                "x": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]},
                "y": {"dtype": "F32", "shape": [2], "data_offsets": [8, 16]},
            },
            "begin",
        ),
        ({"__metadata__": {"a": 1}}, "metadata"),
        (b"[" * 100000, "JSON"),
    ],
)
def test_safetensors_headers(tmp_path: Path, target: Path, header: Any, said: str) -> None:
    path = tmp_path / "x.safetensors"
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(16))
    refused(lambda: io.from_safetensors_file(path, target), target, "x.safetensors", said)
    refused(lambda: io.get_safetensors_metadata(path), target, "x.safetensors", said)
    refused(lambda: next(io.iter_safetensors(path)), target, "x.safetensors", said)


def test_safetensors_lengths(tmp_path: Path, target: Path) -> None:
    path = tmp_path / "x.safetensors"
    for size in (9, 1 << 40, (1 << 64) - 1):
        path.write_bytes(struct.pack("<Q", size) + b"{}")
        refused(lambda: io.from_safetensors_file(path, target), target, "x.safetensors", "header of")


def package(
    *files: tuple[bytes, int, int, bytes], version: int = 2, method: int = 1, number: int | None = None
) -> bytes:
    """A package of files: path, size, size packed, bytes."""
    out = b"NPKG" + struct.pack("<IBI", version, method, len(files) if number is None else number)
    for path, size, packed, data in files:
        out += struct.pack("<I", len(path)) + path + struct.pack("<QQ", size, packed) + data
    return out + bytes(4)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"NPKX" + bytes(20), "NPKX"),
        (package(version=3), "version 3"),
        (package(version=0), "version 0"),
        (package(method=9), "compression 9"),
        (package(number=1 << 31), "files"),
        (package((b"../x", 1, 0, b"x")), "'../x'"),
        (package((b"/etc/x", 1, 0, b"x")), "path"),
        (package((b"data_x/../../y", 1, 0, b"x")), "path"),
        (package((b"a/b", 1, 0, b"x")), "path"),
        (package((b"a\\..\\b", 1, 0, b"x")), "path"),
        (package((b"", 1, 0, b"x")), "path"),
        (package((b".", 1, 0, b"x")), "path"),
        (package((b"a\0b", 1, 0, b"x")), "path"),
        (package((b"\xff", 1, 0, b"x")), "UTF-8"),
        (package((b"a" * 5000, 1, 0, b"x")), "5000"),
        (package((b"x", 1 << 63, 0, b"x")), "left"),
        (package((b"x", 1, 1 << 63, b"x")), "left"),
        (package((b"x", 1, 0, b"x"), (b"x", 1, 0, b"x")), "same path"),
        (package((b"x", 10, 30, zlib.compress(bytes(1 << 20))[:30])), "x.npkg"),
        (package((b"x", 10, 8, b"x\x9cabcdef")), "broken"),
        (package((b"metadata.npkm", 1, 0, b"x")), "Checksum"),
    ],
)
def test_packages(tmp_path: Path, target: Path, data: bytes, said: str) -> None:
    path = tmp_path / "x.npkg"
    path.write_bytes(data)
    refused(lambda: unpack(path, target, overwrite=True), target, "x.npkg", said)
    refused(
        lambda: unpack(path, tmp_path / "new.npk"),
        target,
        "x.npkg",
        said,
        kind=(io.FormatError, RuntimeError),
    )
    assert not (tmp_path.parent / "x").exists()


def test_package_bomb(tmp_path: Path, target: Path) -> None:
    """A file that says 10 bytes and unpacks to a gigabyte is stopped at once."""
    bomb = zlib.compress(bytes(1 << 26))
    path = tmp_path / "x.npkg"
    path.write_bytes(package((b"data_x.npkd", 10, len(bomb), bomb)))
    refused(lambda: unpack(path, target, overwrite=True), target, "x.npkg", "more than its 10 bytes")


def test_text(tmp_path: Path, target: Path) -> None:
    path = tmp_path / "x.csv"
    for text, said in {
        "1,2\n3\n": "lines 1 and on",
        "1,2\n3,4\n" * 20000 + "5,word\n": "word",
        "1,2\n\0,4\n": "lines 1 and on",
    }.items():
        path.write_text(text)
        refused(lambda: io.from_csv(path, target), target, "x.csv", said)


def test_broken_packs(tmp_path: Path, target: Path) -> None:
    """Every file of a pack cut short, by every writer."""
    with NumPack(tmp_path / "p.npk") as npk:
        npk.save({"x": A})
    with NumPack(tmp_path / "p.npk") as npk:
        npk.drop("x", [1])
    writers: list[Callable[[Path], Any]] = [
        lambda p: io.to_npy(p, tmp_path / "o.npy"),
        lambda p: io.to_safetensors_file(p, tmp_path / "o.safetensors"),
        lambda p: io.to_csv(p, tmp_path / "o.csv"),
        lambda p: io.to_tensor_dict(p),
        lambda p: pack(p, tmp_path / "o.npkg"),
    ]
    for file in (tmp_path / "p.npk").iterdir():
        whole = file.read_bytes()
        for n in range(0, len(whole), 5):
            file.write_bytes(whole[:n])
            for write in writers:
                refused(lambda: write(tmp_path / "p.npk"), target, "p.npk", kind=betongo.FormatError)
        file.write_bytes(whole)


def test_libraries(tmp_path: Path, target: Path) -> None:
    """What the libraries say of broken files, with the file's name."""
    cases: list[tuple[str, str, Callable[..., Any]]] = [
        ("pyarrow", "x.parquet", io.from_parquet),
        ("pyarrow", "x.feather", io.from_feather),
        ("h5py", "x.h5", io.from_hdf5),
        ("zarr", "x.zip", io.from_zarr),
        ("torch", "x.pt", io.from_pt),
    ]
    from importlib.util import find_spec

    for library, name, read in cases:
        if find_spec(library) is None:
            continue
        for data in (b"", b"PAR1", b"ARROW1\0\0" + bytes(50), os.urandom(300)):
            (tmp_path / name).write_bytes(data)
            refused(lambda: read(tmp_path / name, target), target, name)
