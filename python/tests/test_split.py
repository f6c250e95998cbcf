"""betongo.split gives the numbers that Go's package label gives, which wrote testdata/label/vectors.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from betongo import split

VECTORS = json.loads(
    (Path(__file__).resolve().parents[2] / "testdata" / "label" / "vectors.json").read_text()
)


def parts(v: dict[str, Any]) -> list[Any]:
    labels, seed = v.get("labels"), v["seed"]
    if v["do"] == "stratified":
        return split.stratified(labels, v["shares"], seed)
    if v["do"] == "balanced":
        return [split.balanced(labels, v.get("per_class"), seed)]
    if v["do"] == "kfold":
        folds = split.kfold(v["n"], v["k"], seed if v.get("shuffle") else None)
    else:
        folds = split.stratified_kfold(labels, v["k"], seed)
    n = v.get("n") or len(labels)
    for f in folds:
        assert sorted([*f.train, *f.test]) == list(range(n)) and (np.diff(f.train) > 0).all()
    return [f.test for f in folds]


@pytest.mark.parametrize("v", VECTORS, ids=[f"{i}-{v['do']}" for i, v in enumerate(VECTORS)])
def test_as_go(v: dict[str, Any]) -> None:
    if v.get("fails"):
        with pytest.raises(ValueError):
            remapped(v) if v["do"] == "remap" else parts(v)
    elif v["do"] == "remap":
        got = remapped(v)
        assert got.labels.tolist() == v["new"] and got.classes == v.get("names")
    else:
        got = parts(v)
        assert all(p.dtype == np.int64 for p in got)
        assert [p.tolist() for p in got] == v["parts"]


def remapped(v: dict[str, Any]) -> split.Remapped:
    return split.remap(v["labels"], {r["From"]: r["To"] for r in v["rules"]}, v.get("classes"))


def test_what_is_taken() -> None:
    labels = np.arange(12, dtype=np.uint8).reshape(-1, 1) % 3
    a, b = split.stratified(labels, [2, 1])
    assert len(a) + len(b) == 12 and sorted(labels[b, 0].tolist()) == [0, 1, 2]
    assert split.balanced(labels).tolist() == list(range(12))
    assert split.balanced([]).tolist() == []
    assert split.remap([1, 2], {1: 7}).labels.tolist() == [7, 2]
    assert split.remap([], {1: 7}).labels.tolist() == []
    for wrong in (np.zeros((2, 2), int), [0.5, 1.0], np.zeros(())):
        with pytest.raises(TypeError, match="want integers"):
            split.balanced(wrong)


@pytest.mark.parametrize(
    "call, what",
    [
        (lambda: split.stratified([1, 2], []), "no shares"),
        (lambda: split.stratified([1, 2], [1, float("nan")]), "part 1 has the share nan"),
        (lambda: split.stratified([1, 2], [1, 1], seed=-1), "seed is -1"),
        (lambda: split.balanced([1, 2, 2], 2), "label 1 has 1 samples: want 2"),
        (lambda: split.balanced([1, 2, 2], 0), "per_class is 0"),
        (lambda: split.kfold(10, 11), "11 folds of 10"),
        (lambda: split.remap([1], {}), "no rules"),
        (lambda: split.remap([1], {1: ""}), "without a name"),
        (lambda: split.remap([1], {1: 2, "1": 3}), "two rules"),
        (lambda: split.remap([1, 5], {1: "a"}), "sample 1: label 5"),
    ],
)
def test_errors(call: Any, what: str) -> None:
    with pytest.raises(ValueError, match=what):
        call()


def test_a_million() -> None:
    labels = np.arange(1_000_000) % 1000
    a, b = split.stratified(labels, [0.9, 0.1], seed=4)
    assert len(b) == 100_000 and (np.bincount(labels[b]) == 100).all()
