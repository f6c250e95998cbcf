"""betongo.migrate: what it says of scripts for FFCV."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from betongo.migrate import CHANGE, DIFFERS, WORKS, check, main

CIFAR = """\
from typing import List
import numpy as np
import torch as ch
import torchvision
from ffcv.fields import IntField, RGBImageField
from ffcv.fields.decoders import IntDecoder, SimpleRGBImageDecoder
from ffcv.loader import Loader, OrderOption
from ffcv.pipeline.operation import Operation
from ffcv.transforms import RandomHorizontalFlip, Cutout, RandomTranslate, Convert, ToDevice, ToTensor
from ffcv.transforms import ToTorchImage
from ffcv.transforms.common import Squeeze
from ffcv.writer import DatasetWriter

loaders = {}
for name in ['train', 'test']:
    label_pipeline: List[Operation] = [IntDecoder(), ToTensor(), ToDevice('cuda:0'), Squeeze()]
    image_pipeline: List[Operation] = [SimpleRGBImageDecoder()]
    if name == 'train':
        image_pipeline.extend([RandomHorizontalFlip(), RandomTranslate(padding=2), Cutout(8, (0, 0, 0))])
    image_pipeline.extend([
        ToTensor(),
        ToDevice('cuda:0', non_blocking=True),
        ToTorchImage(),
        Convert(ch.float16),
        torchvision.transforms.Normalize([125.0], [51.0]),
    ])
    loaders[name] = Loader(f'/tmp/cifar_{name}.beton', batch_size=512, num_workers=8,
                           order=OrderOption.RANDOM, drop_last=(name == 'train'),
                           pipelines={'image': image_pipeline, 'label': label_pipeline})
"""


def findings(source: str) -> dict[int, list[tuple[str, str]]]:
    """verdict and reason of each line."""
    found: dict[int, list[tuple[str, str]]] = {}
    for f in check(textwrap.dedent(source)):
        found.setdefault(f.line, []).append((f.verdict, f.why))
    return found


def verdicts(source: str) -> dict[int, str]:
    """The most serious verdict of each line."""
    return {
        line: min((v for v, _ in fs), key=(CHANGE, DIFFERS, WORKS).index)
        for line, fs in findings(source).items()
    }


def test_the_cifar_example() -> None:
    got = verdicts(CIFAR)
    assert CHANGE not in got.values()
    assert {line for line, v in got.items() if v == DIFFERS} == {24}  # Convert behind ToDevice
    assert set(range(5, 13)) <= set(got)
    assert any("import betongo.as_ffcv" in why for _, why in findings(CIFAR)[5])
    with_line = "import betongo.as_ffcv\n" + CIFAR
    assert not any("put `import" in why for fs in findings(with_line).values() for _, why in fs)
    ours = CIFAR.replace("from ffcv", "from betongo")
    assert verdicts(ours) == got


@pytest.mark.parametrize(
    ("line", "verdict", "words"),
    [
        ("from ffcv.loadr import Loader", CHANGE, "there is no"),
        ("from ffcv.loader import Lodaer", CHANGE, "did you mean Loader?"),
        ("import ffcv.benchmarks", CHANGE, "not offered"),
        ("from ffcv.libffcv import ctypes_resize", CHANGE, "resize_crop"),
        ("from ffcv.transforms import *; x = ToTensor()", WORKS, ""),
        ("import ffcv.transforms as T; x = T.Cutout(8)", WORKS, ""),
        ("import ffcv.transforms as T; x = T.Cutot(8)", CHANGE, "did you mean Cutout?"),
        ("import ffcv; x = ffcv.transforms.Cutout(crop_siz=8)", CHANGE, "did you mean crop_size?"),
        ("from ffcv.transforms import Cutout; x = Cutout()", CHANGE, "crop_size"),
        ("from ffcv import Loader; l = Loader('x', 3, os_cache=False)", DIFFERS, "bounded memory"),
        ("from ffcv import Loader; l = Loader('x', 3, recompile=True)", DIFFERS, "not needed"),
        ("from ffcv import Loader; l = Loader('x', 3, batchsize=3)", CHANGE, "batchsize"),
        ("from ffcv import Loader; l = Loader('x', 3); l.next_epoch", WORKS, ""),
        ("from ffcv import Loader; l = Loader('x', 3); l.nxt_epoch", CHANGE, "did you mean next_epoch?"),
        ("from ffcv.reader import Reader; r = Reader('x'); r.metadata, r.alloc_table", WORKS, ""),
        (
            "from ffcv.fields import RGBImageField; RGBImageField(max_resolution=(256, 256))",
            DIFFERS,
            "one number",
        ),
        (
            "from ffcv.transforms import ModuleWrapper; from torchvision import transforms as T; "
            "ModuleWrapper(T.ColorJitter(.1))",
            DIFFERS,
            "RandomColorJitter",
        ),
        ("from ffcv.pipeline.operation import Operation\nclass Mine(Operation): pass", WORKS, ""),
    ],
)
def test_one_line(line: str, verdict: str, words: str) -> None:
    got = findings(line)
    worst = min(verdicts(line).values(), key=(CHANGE, DIFFERS, WORKS).index)
    assert worst == verdict, got
    assert any(words in why for fs in got.values() for v, why in fs if v == verdict), got


def test_order_of_operations() -> None:
    got = findings(
        """\
        from ffcv.fields.decoders import SimpleRGBImageDecoder
        from ffcv.loader import Loader
        from ffcv.pipeline.operation import Operation
        from ffcv.transforms import Cutout, NormalizeImage, RandomHorizontalFlip, ToDevice, ToTensor
        from ffcv.transforms import ToTorchImage
        class Mine(Operation):
            pass
        decoder = SimpleRGBImageDecoder()
        pipeline = [
            decoder,
            RandomHorizontalFlip(),
            Mine(),
            Cutout(8),
            ToTensor(),
            ToDevice('cuda:0'),
            ToTorchImage(),
            NormalizeImage(0, 1, 'f'),
        ]
        decoder.size = 3
        loader = Loader('x', 4, pipelines={'image': pipeline})
        other = [decoder, Cutout(8), ToTensor(), ToDevice('cpu'), NormalizeImage(0, 1, 'f')]
        """
    )
    differs = {line: why for line, fs in got.items() for v, why in fs if v == DIFFERS}
    assert set(differs) == {13, 17}
    assert "line 12" in differs[13] and "line 15" in differs[17]
    assert "your own" in got[6][0][1]
    assert ("works", "attributes of operations are read again at each iter()") in got[19]


def test_subclasses() -> None:
    got = verdicts(
        """\
        from ffcv.fields import NDArrayField
        from ffcv.traversal_order.base import TraversalOrder
        from ffcv.fields.decoders import CenterCropRGBImageDecoder
        class Text(NDArrayField): pass
        class Order(TraversalOrder): pass
        class Crop(CenterCropRGBImageDecoder): pass
        class Later(Crop): pass
        class Other: pass
        """
    )
    assert [got.get(line) for line in range(4, 9)] == [WORKS] * 4 + [None]


def test_scripts_without_ffcv() -> None:
    assert check("import torch\nprint(torch.Loader())\n") == []
    assert check("") == []


def test_command(tmp_path: Path, capsys: Any) -> None:
    good, bad, none = tmp_path / "good.py", tmp_path / "bad.py", tmp_path / "none.py"
    good.write_text(CIFAR)
    bad.write_text("from ffcv.loader import Lodaer\n")
    assert main([str(good)]) == 0
    out = capsys.readouterr().out
    assert f"{good}:7: works    from ffcv.loader import Loader, OrderOption" in out
    assert "0 have to be changed" in out.splitlines()[-1]
    assert main([str(good), str(bad)]) == 1
    capsys.readouterr()
    assert main(["--json", str(bad)]) == 1
    found = json.loads(capsys.readouterr().out)
    assert {"file", "line", "column", "verdict", "text", "why"} == set(found[0]) and found[0]["file"] == str(
        bad
    )
    none.write_text("def (")
    assert main([str(none)]) == 2 and main([str(tmp_path / "missing.py")]) == 2
    err = capsys.readouterr().err
    assert "none.py: invalid syntax" in err and "missing.py" in err
    run = subprocess.run(
        [sys.executable, "-m", "betongo.migrate", str(bad)], capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 1 and "did you mean Loader?" in run.stdout
