"""Crops JPEGs as FFCV's RandomResizedCropRGBImageDecoder does, with boxes from outside: ffcv_crop.py SIZE

Reads records until the end of stdin: seven uint32 (bytes of the JPEG, width and height of the photo, x, y, width and
height of the box), then the JPEG. Writes SIZE x SIZE x 3 bytes for each.
"""
import sys

import numpy as np
from ffcv.libffcv import imdecode, resize_crop

size = int(sys.argv[1])
stdin, stdout = sys.stdin.buffer, sys.stdout.buffer
out = np.empty((size, size, 3), np.uint8)
while head := stdin.read(28):
    n, w, h, x, y, cw, ch = map(int, np.frombuffer(head, "<u4"))
    data = np.frombuffer(stdin.read(n), np.uint8)
    whole = np.empty((h, w, 3), np.uint8)
    imdecode(data, whole, h, w, h, w, 0, 0, 1, 1, False, False)
    resize_crop(whole, y, y + ch, x, x + cw, out)
    stdout.write(out.tobytes())
    stdout.flush()
