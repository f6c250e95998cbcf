"""Trains a small network and prints its top-1 in percent: train.py CLASSES SIZE EPOCHS BATCH STEPS SEED ORDER [BETON]

stdin has batches: uint32 n, n int64 labels, n x SIZE x SIZE x 3 bytes. The first is the held-out photographs; those to
train with follow, EPOCHS x STEPS, unless FFCV's loader reads them from BETON.
"""
import sys

import numpy as np
import torch
from torch import nn

classes, size, epochs, batch, steps, seed, order = map(int, sys.argv[1:8])
beton = sys.argv[8]


def take(n, dtype):
    data = sys.stdin.buffer.read(n * np.dtype(dtype).itemsize)
    if len(data) != n * np.dtype(dtype).itemsize:
        sys.exit("stdin ends inside a batch")
    return torch.from_numpy(np.frombuffer(data, dtype).copy())


def read():
    n = int(take(1, "<i4"))
    labels = take(n, "<i8")
    return take(n * size * size * 3, "u1").reshape(n, size, size, 3), labels


def sent():
    for _ in range(epochs):
        yield (read() for _ in range(steps))


def loaded():
    from ffcv.fields.basics import IntDecoder
    from ffcv.fields.rgb_image import RandomResizedCropRGBImageDecoder
    from ffcv.loader import Loader, OrderOption
    from ffcv.transforms import RandomHorizontalFlip, Squeeze, ToTensor

    loader = Loader(beton, batch_size=batch, num_workers=2, os_cache=True, order=OrderOption.RANDOM, seed=order, drop_last=True,
                    pipelines={"image": [RandomResizedCropRGBImageDecoder((size, size)), RandomHorizontalFlip(), ToTensor()],
                               "label": [IntDecoder(), ToTensor(), Squeeze()]})
    torch.set_num_threads(1)  # the loader has set its own number
    for _ in range(epochs):
        yield loader


def layer(i, o):
    return [nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU(), nn.MaxPool2d(2)]


def numbers(pixels):
    return (pixels.permute(0, 3, 1, 2).float() - 118) / 60


torch.manual_seed(seed)
torch.set_num_threads(1)  # threads that wait for each other take longer on a shared machine
net = nn.Sequential(*layer(3, 24), *layer(24, 48), *layer(48, 96), *layer(96, 128), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                    nn.Linear(128, classes))
opt = torch.optim.AdamW(net.parameters(), lr=4e-3, weight_decay=0.02)
plan = torch.optim.lr_scheduler.OneCycleLR(opt, 4e-3, total_steps=epochs * steps)
held, truth = read()
for epoch in loaded() if beton else sent():
    done = 0
    for pixels, labels in epoch:
        opt.zero_grad()
        nn.functional.cross_entropy(net(numbers(pixels)), labels).backward()
        opt.step()
        plan.step()
        done += 1
    if done != steps:
        sys.exit(f"an epoch has {done} batches, want {steps}")
net.eval()
with torch.no_grad():
    right = sum((net(numbers(p)).argmax(1) == t).sum().item() for p, t in zip(held.split(256), truth.split(256)))
print(100 * right / len(truth))
