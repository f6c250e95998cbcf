"""Samples divided by their labels: stratified parts, folds for cross-validation, balanced subsets, renamed
labels.

    with betongo.open("all.beton") as ds:
        train, val = split.stratified(ds["label"], [0.9, 0.1], seed=1)
    loader = Loader("all.beton", 256, indices=train)

The functions work on arrays of labels and return numbers of samples: the same ones as `ffcv split`, `subset`
and `remap` and Go's package label for the same seed, on every machine. They need no engine.

What is drawn at random is a stable sort by a key a sample: that of sample i is mix(s + (i+1) *
0x9e3779b97f4a7c15) with s = mix(seed XOR 0x6c6162656c730001), modulo 2**64, where mix is SplitMix64's output
function.

Labels are integers, (n,) or (n, 1). All arrays that are returned are int64, ascending, and the caller's.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Ids = NDArray[np.int64]

__all__ = ["Fold", "Remapped", "balanced", "kfold", "remap", "stratified", "stratified_kfold"]

OTHERS = "*"


class Fold(NamedTuple):
    """One of several ways to hold some samples back."""

    train: Ids
    test: Ids


class Remapped(NamedTuple):
    """Labels with new numbers, and the names of these; None where they have none."""

    labels: Ids
    classes: list[str] | None


def stratified(labels: ArrayLike, shares: Sequence[float], seed: int = 0) -> list[Ids]:
    """Divides the samples into parts so that each has its share of every class.

    Shares are in proportion to each other, 9 and 1 as 0.9 and 0.1. Of a class with n samples, in the seed's
    order, the parts get those up to n times the sum of the shares so far, rounded to the nearest, halves up.
    Labels that are all alike give a plain random split. ValueError for a share that isn't above 0, and for
    a part that gets no sample.
    """
    of = _labels(labels)
    ends, total = [], 0.0
    for k, share in enumerate(shares):
        if not (share > 0 and math.isfinite(share)):
            raise ValueError(f"part {k} has the share {share!r}: want a number above 0")
        total += float(share)
        ends.append(total)
    if not ends:
        raise ValueError("no shares: want at least one")
    group, counts = _numbered(of)
    order = _shuffled(len(of), seed)
    rank = _ranks(group, order, counts)
    part = np.zeros(len(of), np.int64)
    for end in ends[:-1]:
        part += rank >= _rounded(counts * (end / total), counts)[group]
    parts = [np.flatnonzero(part == k) for k in range(len(ends))]
    for k, p in enumerate(parts):
        if not len(p):
            raise ValueError(f"part {k} gets none of the {len(of)} samples")
    return parts


def kfold(n: int, k: int, seed: int | None = None) -> list[Fold]:
    """Divides n samples into k folds: each sample is tested in one of them and trained on in the others.

    The first n%k folds test n//k+1 samples, the others n//k, as in scikit-learn: runs of samples that follow
    each other, or with a seed runs of its order. ValueError unless k is 2 to n.
    """
    n, k = operator.index(n), operator.index(k)
    _check(n, k)
    sizes = np.full(k, n // k)
    sizes[: n % k] += 1
    of = np.empty(n, np.int64)
    of[np.arange(n) if seed is None else _shuffled(n, seed)] = np.repeat(np.arange(k), sizes)
    return _folds(of, k)


def stratified_kfold(labels: ArrayLike, k: int, seed: int = 0) -> list[Fold]:
    """Divides the samples into k folds that test each class about equally.

    The numbers of a class in any two folds differ by one at most, and so do the folds' sizes. Of a class with
    fewer samples than k some folds test none. ValueError unless k is 2 to the number of samples.
    """
    of, k = _labels(labels), operator.index(k)
    _check(len(of), k)
    group, counts = _numbered(of)
    first = np.cumsum(counts) - counts
    return _folds((first[group] + _ranks(group, _shuffled(len(of), seed), counts)) % k, k)


def balanced(labels: ArrayLike, per_class: int | None = None, seed: int = 0) -> Ids:
    """Returns per_class samples of each class, as many as the smallest has unless given.

    Every label that comes is a class. ValueError for one that has fewer.
    """
    of = _labels(labels)
    if per_class is not None and operator.index(per_class) < 1:
        raise ValueError(
            f"per_class is {per_class}: want 1 or more, None for as many as the smallest class has"
        )
    if not len(of):
        return np.empty(0, np.int64)
    group, counts = _numbered(of)
    most = int(counts.min()) if per_class is None else operator.index(per_class)
    if (counts < most).any():
        label = of[np.flatnonzero((counts < most)[group])[0]]
        few = int(counts[counts < most][0])
        raise ValueError(f"label {label} has {few} samples: want {most} of each class")
    return np.flatnonzero(_ranks(group, _shuffled(len(of), seed), counts) < most)


def remap(
    labels: ArrayLike, rules: Mapping[str | int, str | int], classes: Sequence[str] | None = None
) -> Remapped:
    """Gives labels new numbers, and classes new names, several of them the same one.

    With classes, their names by label (`betongo.open(…).classes`), rules go from names to names; a key that
    is no name may be the number of a label that has none, and "*" stands for all that no other rule names,
    which else keep their names. The new classes are numbered in the order in which the old ones first give
    each.

    Without classes keys are numbers of labels, or "*". If all values are numbers they are the new labels, and
    labels that no rule names stay; else they are the names of classes from then on, in the order of the
    rules.

    ValueError for a rule of what doesn't exist, and for a label that becomes none.
    """
    if not rules:
        raise ValueError("no rules: want at least one, such as {'cat': 'animal'}")
    texts = {_text(key): _text(value) for key, value in rules.items()}
    if len(texts) != len(rules):
        raise ValueError("two rules for one label")
    for key, text in texts.items():
        if not text:
            raise ValueError(f"{key!r} becomes a class without a name")
    to, rest, keep, names = _by_number(texts) if classes is None else _by_name(texts, list(classes))
    of = _labels(labels)
    known, inverse = np.unique(of, return_inverse=True)
    numbers = np.empty(len(known), np.int64)
    for j, old in enumerate(known.tolist()):
        value = to.get(old, old if keep and rest is None else rest)
        if value is None:
            i = int(np.flatnonzero(of == old)[0])
            raise ValueError(f"sample {i}: label {old} has no class name, and no rule names it")
        numbers[j] = value
    return Remapped(numbers[inverse.reshape(-1)], names or None)


_Rules = tuple[dict[int, int], "int | None", bool, "list[str]"]


def _by_name(rules: dict[str, str], known: list[str]) -> _Rules:
    number: dict[str, int] = {}
    for i, name in enumerate(known):
        number.setdefault(name, i)
    to: dict[int, str] = {}
    beyond: list[int] = []
    rest = None
    for old, new in rules.items():
        if old in number:
            label = number[old]
        elif old == OTHERS:
            rest = new
            continue
        else:
            n = _number(old)
            if n is None or 0 <= n < len(known):
                raise ValueError(f"{old!r} is none of the {len(known)} classes")
            label = n
            beyond.append(label)
        if label in to:
            raise ValueError(f"two rules for {old!r}")
        to[label] = new
    names: dict[str, int] = {}
    result = {}
    for i, name in enumerate(known):
        name = to.get(i, name if rest is None else rest)
        result[i] = names.setdefault(name, len(names))
    for label in beyond:
        result[label] = names.setdefault(to[label], len(names))
    other = None if rest is None else names.setdefault(rest, len(names))
    return result, other, False, list(names)


def _by_number(rules: dict[str, str]) -> _Rules:
    numbers = {old: _number(new) for old, new in rules.items()}
    plain = all(n is not None for n in numbers.values())
    names: dict[str, int] = {}
    to: dict[int, int] = {}
    rest = None
    for old, new in rules.items():
        n = numbers[old]
        value = n if plain and n is not None else names.setdefault(new, len(names))
        if old == OTHERS:
            rest = value
            continue
        label = _number(old)
        if label is None:
            raise ValueError(f"{old!r}: there are no class names, want the number of a label")
        if label in to:
            raise ValueError(f"two rules for {label}")
        to[label] = value
    return to, rest, plain, list(names)


def _text(name: Any) -> str:
    return name if isinstance(name, str) else str(operator.index(name))


def _number(text: str) -> int | None:
    digits = text[1:] if text[:1] in ("+", "-") else text
    if not (digits.isascii() and digits.isdigit()) or not -(1 << 63) <= int(text) < 1 << 63:
        return None
    return int(text)


def _labels(labels: ArrayLike) -> Ids:
    a = np.asarray(labels)
    if a.ndim == 2 and a.shape[1] == 1:
        a = a[:, 0]
    if a.ndim != 1 or not (np.issubdtype(a.dtype, np.integer) or a.size == 0):
        raise TypeError(f"labels are {a.dtype} of shape {a.shape}: want integers, (n,) or (n, 1)")
    return a.astype(np.int64)


def _mix(z: Any) -> Any:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _shuffled(n: int, seed: int) -> Ids:
    """0 to n-1 in the seed's order."""
    seed = operator.index(seed)
    if not 0 <= seed < 1 << 64:
        raise ValueError(f"seed is {seed}: want a whole number from 0 up to 2**64-1")
    state = _mix(np.array([seed ^ 0x6C6162656C730001], np.uint64))
    keys = _mix(state + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    return np.argsort(keys, kind="stable").astype(np.int64)


def _numbered(labels: Ids) -> tuple[Ids, Ids]:
    """Numbers of classes in the order in which they first appear, a sample, and how often each comes."""
    _, first, inverse, counts = np.unique(labels, return_index=True, return_inverse=True, return_counts=True)
    order = np.argsort(first, kind="stable")
    at = np.empty(len(order), np.int64)
    at[order] = np.arange(len(order))
    return at[inverse.reshape(-1)], counts[order].astype(np.int64)


def _ranks(group: Ids, order: Ids, counts: Ids) -> Ids:
    """The place of each sample among those of its class, in an order."""
    by = order[np.argsort(group[order], kind="stable")]  # a class after another, each in the order
    rank = np.empty(len(group), np.int64)
    rank[by] = np.arange(len(group)) - np.repeat(np.cumsum(counts) - counts, counts)
    return rank


def _rounded(x: NDArray[Any], most: Ids) -> Ids:
    """x rounded to the nearest, halves up."""
    down = np.floor(x)
    return np.minimum((down + (x - down >= 0.5)).astype(np.int64), most)


def _check(n: int, k: int) -> None:
    if not 2 <= k <= n:
        raise ValueError(
            f"{k} folds of {n} samples: want 2 folds at least and no more than there are samples"
        )


def _folds(of: Ids, k: int) -> list[Fold]:
    return [Fold(np.flatnonzero(of != f), np.flatnonzero(of == f)) for f in range(k)]
