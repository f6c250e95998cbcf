"""Packs beside NumPack 0.7 itself: each reads and changes what the other wrote.

FORMATS_PYTHON names an interpreter that has numpack.
"""

import json
import os
import shutil
import subprocess

import numpy as np
import pytest

from betongo.numpack import NumPack

PYTHON = os.environ.get("FORMATS_PYTHON")
DTYPES = "bool uint8 uint16 uint32 uint64 int8 int16 int32 int64 float16 float32 float64 complex64 complex128".split()


@pytest.fixture(scope="module")
def peer():
    if not PYTHON:
        pytest.skip("FORMATS_PYTHON names no interpreter that has numpack")
    if subprocess.run([PYTHON, "-c", "import numpack"], capture_output=True).returncode:
        pytest.skip(f"{PYTHON} has no numpack")

    def run(path, code, **env):
        """Runs code with npk, a NumPack over the path, and arrays that lie beside it; what it says by tell()."""
        before = (
            "import json, sys, numpy as np\nfrom numpack import NumPack\ntold = {}\n"
            "def tell(name, a): told[name] = a.tolist() if hasattr(a, 'tolist') else a\n"
            "with NumPack(sys.argv[1]) as npk:\n"
        )
        lines = "\n".join("    " + line for line in code.strip().split("\n"))
        program = before + lines + "\nprint('told ' + json.dumps(told))\n"
        done = subprocess.run(
            [PYTHON, "-c", program, str(path)],
            capture_output=True,
            text=True,
            timeout=120,
            env={**os.environ, **env},
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.rsplit("told ", 1)[1])

    return run


def arrays():
    rng = np.random.default_rng(2)
    return {f"{d}{n}": (rng.random((7, 3, 2)[:n]) * 100).astype(d) for d in DTYPES for n in (1, 2, 3)}


def test_it_reads_ours(tmp_path, peer):
    a = arrays()
    with NumPack(tmp_path / "p") as p:
        p.save(a)
        p.save({"empty": np.zeros((0, 3))})
        p.append({"int323": a["int323"]})
        p.drop("float642", [0, 5])
        p.drop("int641")
        p.replace({"uint81": a["uint81"][:2]}, [5, 6])
    np.savez(tmp_path / "want.npz", **a)
    told = peer(
        tmp_path / "p",
        f"""
want = np.load({str(tmp_path / "want.npz")!r})
tell("names", sorted(npk.get_member_list()))
changed = ("int323", "float642", "int641", "uint81")
tell("same", [n for n in want if n not in changed and want[n].dtype == npk.load(n).dtype and (want[n] == npk.load(n)).all()])
for n in changed:
    tell(n, npk.load(n))
tell("empty", list(npk.get_shape("empty")))
tell("shape", list(npk.get_shape("float642")))
tell("lazy", npk.load("float642", lazy=True)[0])
""",
    )
    changed = ("int323", "float642", "int641", "uint81")
    assert told["names"] == sorted([*a, "empty"])
    assert sorted(told["same"]) == sorted(n for n in a if n not in changed)
    assert told["int323"] == np.concatenate([a["int323"]] * 2).tolist()
    want = np.delete(a["float642"], [0, 5], 0)
    assert told["float642"] == want.tolist() and told["lazy"] == want[0].tolist() and told["shape"] == [5, 3]
    assert told["int641"] == [] and told["empty"] == [0, 3]
    assert told["uint81"] == [*a["uint81"][:5].tolist(), *a["uint81"][:2].tolist()]


def test_we_read_its(tmp_path, peer):
    a = arrays()
    np.savez(tmp_path / "a.npz", **a)
    peer(
        tmp_path / "p",
        f"""
a = dict(np.load({str(tmp_path / "a.npz")!r}))
npk.save(a)
npk.append({{"int323": a["int323"]}})
npk.drop("float642", [0, 5])
npk.drop("int641")
npk.replace({{"uint81": a["uint81"][:2]}}, [5, 6])
npk.drop("bool2", slice(1, 3))
npk.update("bool2")
npk.clone("int81", "copy")
""",
    )
    with NumPack(tmp_path / "p") as p:
        want = {
            **a,
            "copy": a["int81"],
            "int323": np.concatenate([a["int323"]] * 2),
            "bool2": np.delete(a["bool2"], [1, 2], 0),
        }
        want["float642"], want["int641"] = np.delete(a["float642"], [0, 5], 0), a["int641"][:0]
        want["uint81"] = np.concatenate([a["uint81"][:5], a["uint81"][:2]])
        assert sorted(p.get_member_list()) == sorted(want)
        for name, b in want.items():
            for got in (p[name], p.load(name, lazy=True)[:]):
                assert got.dtype == b.dtype and got.shape == b.shape
                np.testing.assert_array_equal(got, b)


def test_segments_both_ways(tmp_path, peer):
    a = np.arange(3000).reshape(1000, 3)
    with NumPack(tmp_path / "p", segment_bytes=5000) as p:
        p.save({"a": a})
        p.append({"a": a[:300]})
        p.drop("a", [0, 500, 1299])
    told = peer(
        tmp_path / "p",
        "tell('a', npk.load('a'))\nnpk.save({'b': np.arange(4000)})",
        NUMPACK_SEGMENT_TARGET_BYTES="10000",
    )
    a = np.delete(np.concatenate([a, a[:300]]), [0, 500, 1299], 0)
    assert told["a"] == a.tolist()
    with NumPack(tmp_path / "p") as p:
        np.testing.assert_array_equal(p["a"], a)
        np.testing.assert_array_equal(p.load("b", lazy=True)[::-3], np.arange(4000)[::-3])
        p.append({"b": np.arange(5)})
        p.drop("b", slice(0, 3990))
    assert peer(tmp_path / "p", "tell('b', npk.load('b'))")["b"] == [*range(3990, 4000), *range(5)]


def test_in_turn(tmp_path, peer):
    """One changes what the other did, several times."""
    want = np.arange(40.0).reshape(20, 2)
    with NumPack(tmp_path / "p") as p:
        p.save({"a": want})
    for k in range(3):
        rows = np.full((2, 2), 100.0 + k)
        with NumPack(tmp_path / "p") as p:
            p.replace({"a": rows}, [k, -1])
            p.append({"a": rows})
            p.save({"b": rows})
        want[[k, -1]] = rows
        want = np.concatenate([want, rows])
        told = peer(
            tmp_path / "p",
            f"""
tell("a", npk.load("a"))
tell("b", npk.load("b"))
npk.append({{"a": np.full((1, 2), {-1.0 - k})}})
npk.replace({{"a": np.full((1, 2), 7.0)}}, [{k + 5}])
""",
        )
        assert told == {"a": want.tolist(), "b": rows.tolist()}
        want = np.concatenate([want, np.full((1, 2), -1.0 - k)])
        want[k + 5] = 7
        with NumPack(tmp_path / "p") as p:
            np.testing.assert_array_equal(p["a"], want)
    with NumPack(tmp_path / "p") as p:
        p.drop("a", [0, 1])
        p.update("a")
    peer(tmp_path / "p", "npk.drop('a', [0])\nnpk.append({'b': np.zeros((1, 2))})")
    with NumPack(tmp_path / "p") as p:
        np.testing.assert_array_equal(p["a"], want[3:])
        assert p.get_shape("b") == (3, 2)


def test_the_same_answers(tmp_path, peer):
    """What both return of the same calls."""
    a = np.arange(60).reshape(10, 3, 2)
    calls = {
        "shape": "list(npk.get_shape('a'))",
        "getitem": "npk.getitem('a', 3)",
        "rows": "npk.getitem('a', [0, 9, 4])",
        "slice": "npk.getitem('a', slice(2, 5))",
        "members": "npk.get_member_list()",
        "has": "[npk.has_array('a'), npk.has_array('x')]",
        "missing": "npk.get_modify_time('x')",
        "stream": "[list(b.shape) for b in npk.stream_load('a', 4)]",
        "one": "[list(b.shape) for b in npk.stream_load('a')]",
        "lazy": "[list(lazy.shape), lazy.ndim, lazy.size, lazy.nbytes, lazy.itemsize, len(lazy), str(lazy.dtype)]",
        "row": "lazy[3]",
        "from the end": "lazy[-2]",
        "range": "lazy[2:9:3]",
        "list": "lazy[[5, 1, 1]]",
        "mask": "lazy[np.arange(10) > 6]",
        "column": "lazy[1:3, 1]",
        "points": "lazy[2, 1, 0]",
        "ellipsis": "lazy[..., 1]",
        "sum": "lazy + 1",
        "power": "2 ** (lazy % 5)",
        "less": "lazy < 7",
        "transposed": "lazy.T",
        "reshaped": "np.asarray(lazy.reshape((6, 10)))",
        "flat": "list(lazy.reshape(-1).shape)",
        "copied": "lazy.copy()",
        "gathered": "np.asarray(lazy.vectorized_gather([3, 0])).reshape(2, 3, 2)",
        "metadata": "sorted(npk.get_metadata()['arrays']['a'])",
        "kinds": "[npk.get_metadata()['arrays']['a'][k] for k in ('shape', 'size_bytes', 'dtype')]",
    }
    with NumPack(tmp_path / "p") as p:
        p.save({"a": a})
    code = "lazy = npk.load('a', lazy=True)\n" + "\n".join(
        f"tell({name!r}, {call})" for name, call in calls.items()
    )
    told = peer(tmp_path / "p", code)
    with NumPack(tmp_path / "p") as npk:
        names = {"npk": npk, "np": np, "lazy": npk.load("a", lazy=True)}
        for name, call in calls.items():
            got = eval(call, dict(names))
            assert (got.tolist() if hasattr(got, "tolist") else got) == told[name], name


def test_errors_of_the_same_kind(tmp_path, peer):
    cases = {
        "npk.get_shape('x')": KeyError,
        "npk.load('x')": KeyError,
        "npk.getitem('x', 0)": KeyError,
        "npk.stream_load('x', 1)": KeyError,
        "npk.stream_load('a', 0)": ValueError,
        "npk.append({'x': np.zeros(1)})": ValueError,
        "npk.append({'a': np.zeros((1, 2), 'f4')})": ValueError,
        "npk.append({'a': np.zeros((1, 3))})": ValueError,
        "npk.append({'a': np.zeros(2)})": ValueError,
        "npk.replace({'x': np.zeros((1, 2))}, 0)": KeyError,
        "npk.replace({'a': np.zeros((1, 2))}, 9)": ValueError,
        "npk.replace({'a': np.zeros((1, 3))}, 0)": ValueError,
        "npk.replace([1], 0)": ValueError,
        "npk.replace({'a': np.zeros((1, 2))}, 'q')": ValueError,
        "npk.save([1])": ValueError,
        "npk.save({'s': np.array(['x'])})": ValueError,
        "npk.drop('a', 'q')": ValueError,
        "npk.clone('x', 'y')": KeyError,
        "npk.clone('a', 'a')": ValueError,
        "npk.load('a', lazy=True)[9]": IndexError,
        "npk.load('a', lazy=True).reshape((9, 9))": ValueError,
        "~npk.load('a', lazy=True)": TypeError,
        "npk.drop('x')": None,
        "npk.get_modify_time('x')": None,
    }
    with NumPack(tmp_path / "p") as p:
        p.save({"a": np.zeros((4, 2))})
    shutil.copytree(tmp_path / "p", tmp_path / "q")
    code = f"for call in {list(cases)!r}:\n    try:\n        eval(call)\n        tell(call, None)\n    except Exception as e:\n        tell(call, type(e).__name__)"
    told = peer(tmp_path / "q", code)
    with NumPack(tmp_path / "p") as npk:
        names = {"npk": npk, "np": np}
        for call, kind in cases.items():
            assert told[call] == (kind and kind.__name__), call
            if kind is None:
                eval(call, names)
                continue
            with pytest.raises(kind):
                eval(call, names)
