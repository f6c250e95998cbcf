"""PyTorch's DataLoader with torchvision's ImageFolder, and with a TensorDataset of rows.

Modes of rows: "batches" (a BatchSampler, rows picked a batch at a time), else as most write it.
"""

from __future__ import annotations

import random

import numpy as np
import torch
import torchvision.transforms as T
from common import MEAN, SIDE, STD, access, job, main, measure, pillow, table
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, Subset, TensorDataset
from torchvision.datasets import ImageFolder


def dataset(transform: object):
    folder = ImageFolder(job.photos, transform)
    if job.count >= len(folder):
        return folder
    return Subset(folder, random.Random(0).sample(range(len(folder)), job.count))


def load() -> None:
    torch.set_num_threads(1)
    if job.work == "epoch-cc224-u8":
        ops = [T.Resize(256), T.CenterCrop(SIDE), T.PILToTensor()]
    elif job.work == "epoch-rrc224-u8":
        ops = [T.RandomResizedCrop(SIDE), T.RandomHorizontalFlip(), T.PILToTensor()]
    else:
        ops = [T.RandomResizedCrop(SIDE), T.RandomHorizontalFlip(), T.ToTensor(), T.Normalize(MEAN, STD)]
    data = dataset(T.Compose(ops))
    loader = DataLoader(data, batch_size=job.batch, shuffle=True, num_workers=job.workers)
    measure(lambda: loader, lambda batch: len(batch[0]))


def rows() -> None:
    x, y = table()
    data = TensorDataset(torch.from_numpy(np.array(x)), torch.from_numpy(np.array(y)))
    if job.mode == "batches":
        torch.set_num_threads(job.workers)
        sampler = BatchSampler(RandomSampler(data), job.batch, drop_last=False)
        loader = DataLoader(data, batch_size=None, sampler=sampler)
    else:
        torch.set_num_threads(1)
        loader = DataLoader(data, batch_size=job.batch, shuffle=True, num_workers=job.workers)
    measure(lambda: loader, lambda batch: len(batch[0]))


def one() -> None:
    data = ImageFolder(job.photos, lambda image: np.asarray(image))
    access(lambda i: data[i], len(data))


if __name__ == "__main__":
    main({"epoch-rows": rows, "epoch-": load, "random-access-decoded": one}, "torch", "torchvision", pillow())
