"""Loads a .beton with the real FFCV and prints one JSON line:
ffcv_load.py FILE PIPELINE ORDER BATCH EPOCHS WORKERS [OS_CACHE [COLD]]

PIPELINE: rows (x an array, label an int), bytes (x bytes, label an int), cc224, rrc224, rrc224f32, cifar or cifarf32 (image, label), as "ffcv bench"
has them.
OS_CACHE: true (the default) or false. COLD: true drops the file from the system's cache before each epoch.
Run it in a folder that has no folder named ffcv. The environment's START, seconds since 1970, is when the process was
started.
"""
import json, os, resource, sys, threading, time

START = float(os.environ.get("START", time.time()))
path, pipeline, order = sys.argv[1:4]
batch, epochs, workers = map(int, sys.argv[4:7])
os_cache, cold = (sys.argv[7:9] + ["true", "false"][len(sys.argv[7:9]):])

import numpy as np
from ffcv.fields.basics import IntDecoder
from ffcv.fields.bytes import BytesDecoder
from ffcv.fields.ndarray import NDArrayDecoder
from ffcv.fields.rgb_image import (CenterCropRGBImageDecoder, RandomResizedCropRGBImageDecoder,
                                   SimpleRGBImageDecoder)
from ffcv.loader import Loader, OrderOption
from ffcv.transforms import (Cutout, NormalizeImage, RandomHorizontalFlip, RandomTranslate, Squeeze, ToTensor,
                             ToTorchImage)

mean = np.array([0.485, 0.456, 0.406]) * 255
std = np.array([0.229, 0.224, 0.225]) * 255


def image():
    if pipeline == "cc224":
        return [CenterCropRGBImageDecoder((224, 224), 224 / 256), ToTensor()]
    if pipeline.startswith("cifar"):
        ops = [SimpleRGBImageDecoder(), RandomHorizontalFlip(), RandomTranslate(padding=2), Cutout(4, (127, 127, 127))]
        if pipeline == "cifarf32":
            ops.append(NormalizeImage(mean, std, np.float32))
        return ops + [ToTensor(), ToTorchImage()]
    ops = [RandomResizedCropRGBImageDecoder((224, 224)), RandomHorizontalFlip()]
    if pipeline == "rrc224":
        return ops + [ToTensor()]
    return ops + [NormalizeImage(mean, std, np.float32), ToTensor(), ToTorchImage(channels_last=False)]


def cpu():
    u = resource.getrusage(resource.RUSAGE_SELF)
    return u.ru_utime + u.ru_stime


def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_majflt


def chill():
    file = os.open(path, os.O_RDONLY)
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(file)


def watch():
    """Notes the most memory of the process's own, as ffcv bench does."""
    global anon
    while True:
        with open("/proc/self/status") as f:
            kib = sum(int(line.split()[1]) for line in f if line.startswith(("RssAnon:", "RssShmem:")))
        anon = max(anon, kib / 1024)
        time.sleep(0.05)


anon = 0
if os.path.exists("/proc/self/status"):
    threading.Thread(target=watch, daemon=True).start()

pipelines = {"label": [IntDecoder(), ToTensor(), Squeeze()]}
if pipeline == "rows":
    pipelines["x"] = [NDArrayDecoder(), ToTensor()]
elif pipeline == "bytes":
    pipelines["x"] = [BytesDecoder(), ToTensor()]
else:
    pipelines["image"] = image()

before = time.time()
loader = Loader(path, batch_size=batch, num_workers=workers, os_cache=os_cache == "true", order=OrderOption[order],
                pipelines=pipelines, seed=3, drop_last=False)
result = {"open_s": time.time() - before, "epochs": []}
for _ in range(epochs):
    if cold == "true":
        chill()
    wall, used, read, samples = time.time(), cpu(), faults(), 0
    for b in loader:
        if "start_to_first_batch_s" not in result:
            result["start_to_first_batch_s"] = time.time() - START
        samples += len(b[0])
    result["epochs"].append({"wall_s": time.time() - wall, "cpu_s": cpu() - used, "samples": samples,
                             "major_faults": faults() - read})
result["peak_anon_mb"] = anon
result["peak_rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps(result))
