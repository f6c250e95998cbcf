"""SciPy's side of the tests: dump FILE… prints what it reads; save DIR writes the files of this folder."""

import json
import pathlib
import sys
import warnings

import numpy as np
import scipy.io
import scipy.sparse

warnings.simplefilter("ignore")


def flat(out: dict, name: str, value: object) -> None:
    """Puts value into out as the arrays of it are called in Go."""
    if scipy.sparse.issparse(value):
        value = value.tocsc()
        for part in ("data", "indices", "indptr"):
            out[f"{name}.{part}"] = getattr(value, part)
        if value.dtype.kind in "iuf":  # stored as they are, and doubles
            out[f"{name}.data"] = value.data.astype("f8")
        return
    if not isinstance(value, np.ndarray) or type(value).__name__ in ("MatlabOpaque", "MatlabFunction", "MatlabObject"):
        return
    if value.dtype.names is not None:
        elements = value.ravel(order="F")
        for i, element in enumerate(elements):
            of = name if len(elements) == 1 else f"{name}({i})"
            for field in value.dtype.names:
                flat(out, f"{of}.{field}", element[field])
    elif value.dtype == object:
        for i, element in enumerate(value.ravel(order="F")):
            flat(out, f"{name}{{{i}}}", element)
    else:
        out[name] = value


def dump(path: str) -> dict:
    try:
        # With mat_dtype SciPy forgets imaginary parts, without it MATLAB's types.
        reads = [scipy.io.loadmat(path, mat_dtype=mat_dtype) for mat_dtype in (True, False)]
    except Exception as e:  # what SciPy refuses too
        return {"error": f"{type(e).__name__}: {e}"}
    arrays: dict = {}
    stored: dict = {}
    for read, into in zip(reads, (arrays, stored)):
        for name, value in read.items():
            if not name.startswith("__"):
                flat(into, name, value)
    arrays |= {name: a for name, a in stored.items() if a.dtype.kind == "c"}
    listed = {}
    for name, a in arrays.items():
        if a.dtype.kind == "U":
            listed[name] = {"dtype": "U", "shape": a.shape, "text": [str(s) for s in a.ravel()]}
        else:
            a = a.astype(a.dtype.newbyteorder("<"))
            listed[name] = {"dtype": a.dtype.str, "shape": a.shape, "bytes": np.ascontiguousarray(a).tobytes().hex()}
    return {"arrays": listed}


def values() -> dict:
    """The arrays of save."""
    r = np.random.default_rng(7)
    v: dict = {f"n_{c}": r.integers(0, 100, (3, 4)).astype(c) for c in ("u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8")}
    v |= {"single": r.random((2, 3, 4), dtype="f4"), "double": r.random((5, 2)), "row": np.arange(7.0), "scalar": np.float64(2.5)}
    v |= {"c64": (r.random((3, 2)) + 1j).astype("c8"), "c128": r.random((3, 2)) - 2j, "flag": r.random((3, 3)) > 0.5}
    v |= {"none": np.zeros((0, 3)), "text": "hello", "words": np.array(["one", "three", "ünï"]), "empty": ""}
    v |= {"sparse": scipy.sparse.csc_matrix(np.eye(4) * [1, 0, 3, 4]), "nothing": scipy.sparse.csc_matrix((3, 0))}
    v["s"] = {"a": np.arange(6).reshape(2, 3), "deep": {"b": np.float32(1), "name": "x"}}
    v["c"] = np.array([np.arange(3), "cell", {"f": 1.5}], dtype=object)
    v["many"] = np.array([(1, 2.0), (3, 4.0)], dtype=[("k", "i4"), ("w", "f8")])
    return v


def save(folder: str) -> None:
    for name, keywords in {"plain": {}, "packed": {"do_compression": True}}.items():
        scipy.io.savemat(f"{folder}/{name}.mat", values(), **keywords)
    old = {k: v for k, v in values().items() if k in ("double", "single", "scalar", "c128", "text", "words")}
    old["single"] = old["single"][0]
    scipy.io.savemat(f"{folder}/level4.mat", old, format="4")
    for path in sorted(pathlib.Path(folder).glob("*.mat")):
        path.with_suffix(".json").write_text(json.dumps(dump(str(path))) + "\n")


if __name__ == "__main__":
    if sys.argv[1] == "save":
        save(sys.argv[2])
    else:
        json.dump({path: dump(path) for path in sys.argv[2:]}, sys.stdout)
