"""Writes pictures/ and pictures.json: tiny image files of many kinds and the
pixels that Pillow's convert('RGB') gives for them.

    python3 pictures.py      (needs numpy, Pillow, libturbojpeg; made with Pillow 9.4.0)

In pictures.json "rgb" is the pixels, zlib-packed, in base64; "off" is how far
a decoder may be off (0 unless a DCT is rounded).
"""
import base64, ctypes, io, json, os, struct, zlib
import numpy as np
import PIL
from PIL import Image

here = os.path.dirname(os.path.abspath(__file__))
os.makedirs(os.path.join(here, "pictures"), exist_ok=True)
out = []


def keep(name, data, off=0, orientation=0, convert="RGB"):
    """Stores the file and what Pillow makes of it."""
    with open(os.path.join(here, "pictures", name), "wb") as f:
        f.write(data)
    im = Image.open(io.BytesIO(data))
    assert im.format.lower() in ("jpeg", "png", "gif", "bmp", "tiff", "webp"), im.format
    px = np.asarray(im.convert("RGB"))  # turns a TIFF, also im itself
    out.append({"file": name, "format": im.format.lower(), "mode": im.mode, "width": im.width, "height": im.height,
                "orientation": orientation, "off": off,
                "rgb": base64.b64encode(zlib.compress(px.tobytes(), 9)).decode()})


def save(im, kind, **kw):
    b = io.BytesIO()
    im.save(b, kind, **kw)
    return b.getvalue()


def photo(w, h, channels=3):
    """Something smooth with an edge in it: JPEG keeps it near, chroma differs."""
    y, x = np.mgrid[0:h, 0:w].astype(float)
    p = np.stack([127 + 120 * np.sin(x / 5 + c) * np.cos(y / (4 + c) - c) for c in range(channels)], -1)
    p[(x + y > (w + h) / 2)] = 255 - p[(x + y > (w + h) / 2)]
    return np.clip(p, 0, 255).astype(np.uint8)


rgb = Image.fromarray(photo(23, 17))
rgba = Image.fromarray(photo(23, 17, 4), "RGBA")
gray = Image.fromarray(photo(23, 17)[..., 0].copy())
la = Image.merge("LA", (gray, rgba.getchannel(3)))
bit = gray.convert("1")
palette = rgb.quantize(37)
g16 = (photo(23, 17)[..., 0].astype(np.uint16) * 3)
exif = Image.Exif()
exif[274] = 6

# PNG
keep("rgb.png", save(rgb, "PNG"))
keep("rgba.png", save(rgba, "PNG"))
keep("gray.png", save(gray, "PNG"))
keep("grayalpha.png", save(la, "PNG"))
keep("bit.png", save(bit, "PNG"))
keep("palette.png", save(palette, "PNG"))
keep("palette4.png", save(rgb.quantize(9), "PNG"))
keep("palette_alpha.png", save(palette, "PNG", transparency=bytes(range(37))))
keep("rgb_key.png", save(rgb, "PNG", transparency=rgb.getpixel((3, 3))))
keep("gray_key.png", save(gray, "PNG", transparency=gray.getpixel((3, 3))))
keep("gray16.png", save(Image.fromarray(g16), "PNG"))
keep("exif6.png", save(rgb, "PNG", exif=exif), orientation=6)


def png(kind, depth, w, h, rows, *chunks):
    def chunk(t, d):
        return struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d))
    raw = b"".join(b"\0" + r for r in rows)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, depth, kind, 0, 0, 0))
            + b"".join(chunk(t, d) for t, d in chunks) + chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b""))


wide = (photo(9, 7, 4).astype(np.uint16) * 257 + 99).astype(">u2")
keep("gray2.png", png(0, 2, 9, 7, [bytes([0b00011011, 0b11100100, 0b10000000])] * 7))
keep("gray4.png", png(0, 4, 9, 7, [bytes([0x01, 0x23, 0x45, 0x9A, 0xF0])] * 7))
keep("gray16_key.png", png(0, 16, 9, 7, [r.tobytes() for r in wide[..., 0]], (b"tRNS", wide[0, 0, :1].tobytes())))
keep("rgb16.png", png(2, 16, 9, 7, [r.tobytes() for r in wide[..., :3]]))
keep("rgba16.png", png(6, 16, 9, 7, [r.tobytes() for r in wide]))
keep("grayalpha16.png", png(4, 16, 9, 7, [r.tobytes() for r in wide[..., :2]]))

# GIF
keep("palette.gif", save(palette, "GIF"))
keep("gray.gif", save(gray, "GIF"))
keep("clear.gif", save(palette, "GIF", transparency=5))
keep("frames.gif", save(palette, "GIF", save_all=True, append_images=[rgb.quantize(11)]))


def gif(screen, at, frame, palette, clear=None, local=False):
    """A frame of its own place on the screen."""
    im = save(frame, "GIF")
    i = 13 + 3 * (2 << (im[10] & 7))
    while im[i] != 0x2C:  # to the frame
        i += 2
        while im[i]:
            i += 1 + im[i]
        i += 1
    lzw = im[i + 10 + (3 * (2 << (im[i + 9] & 7)) if im[i + 9] & 0x80 else 0):]
    table, flags = bytes(palette), 0x80 | 7
    b = b"GIF89a" + struct.pack("<HHBBB", *screen, flags, 0, 0) + (bytes(reversed(table)) if local else table)
    if clear is not None:
        b += b"\x21\xF9\x04\x01\0\0" + bytes([clear]) + b"\0"
    b += b"\x2C" + struct.pack("<HHHHB", *at, *frame.size, flags if local else 0)
    return b + (table if local else b"") + lzw


colours = [(i * 7 + c * 85) & 255 for i in range(256) for c in range(3)]
index = Image.fromarray((np.arange(9 * 7).reshape(7, 9) * 4 % 251).astype(np.uint8), "P")
index.putpalette(colours)
keep("placed.gif", gif((13, 12), (2, 3), index, colours))
keep("placed_clear.gif", gif((13, 12), (2, 3), index, colours, clear=8))
keep("placed_local.gif", gif((13, 12), (0, 5), index, colours, clear=4, local=True))
keep("outside.gif", gif((5, 4), (2, 3), index, colours))

# BMP
keep("rgb.bmp", save(rgb, "BMP"))
keep("gray.bmp", save(gray, "BMP"))
keep("bit.bmp", save(bit, "BMP"))
keep("palette.bmp", save(palette, "BMP"))

# TIFF
keep("rgb.tiff", save(rgb, "TIFF"))
keep("rgb_lzw.tiff", save(rgb, "TIFF", compression="tiff_lzw"))
keep("rgb_deflate.tiff", save(rgb, "TIFF", compression="tiff_adobe_deflate"))
keep("rgba.tiff", save(rgba, "TIFF"))
keep("gray.tiff", save(gray, "TIFF"))
keep("bit.tiff", save(bit, "TIFF"))
keep("palette.tiff", save(palette, "TIFF"))
keep("gray16.tiff", save(Image.fromarray(g16), "TIFF"))
keep("packbits.tiff", save(rgb, "TIFF", compression="packbits"))
for o in range(1, 9):
    keep("turned%d.tiff" % o, save(rgb, "TIFF", tiffinfo={274: o}))

# WebP
for w, h in [(23, 17), (24, 16), (1, 1), (2, 3), (3, 2), (17, 1)]:
    keep("lossy_%dx%d.webp" % (w, h), save(Image.fromarray(photo(w, h)), "WEBP", quality=80))
keep("lossless.webp", save(rgb, "WEBP", lossless=True))
keep("lossless_alpha.webp", save(rgba, "WEBP", lossless=True, exact=True))
keep("lossy_alpha.webp", save(rgba, "WEBP", quality=80))
keep("exif6.webp", save(rgb, "WEBP", lossless=True, exif=exif), orientation=6)

# JPEG, by Pillow and by libturbojpeg for the layouts that Pillow can't write
for w, h in [(23, 17), (32, 16), (1, 1), (2, 2), (3, 3), (4, 5), (5, 4), (16, 1), (1, 16), (33, 9)]:
    for layout in (0, 1, 2):
        keep("%s_%dx%d.jpg" % (("444", "422", "420")[layout], w, h),
             save(Image.fromarray(photo(w, h)), "JPEG", quality=90, subsampling=layout), off=3)
keep("gray.jpg", save(gray, "JPEG", quality=90), off=3)
keep("progressive.jpg", save(rgb, "JPEG", quality=90, progressive=True), off=3)
keep("exif6.jpg", save(rgb, "JPEG", quality=90, exif=exif), off=3, orientation=6)
keep("cmyk.jpg", save(Image.fromarray(photo(23, 17, 4), "CMYK"), "JPEG", quality=90), off=3)

turbo = ctypes.CDLL("libturbojpeg.so.0")
turbo.tjInitCompress.restype = ctypes.c_void_p


def tj(px, layout):
    px = np.ascontiguousarray(px)
    h, w = px.shape[:2]
    buf, n = ctypes.c_void_p(), ctypes.c_ulong()
    rc = turbo.tjCompress2(ctypes.c_void_p(turbo.tjInitCompress()), px.ctypes.data_as(ctypes.c_void_p), w, 0, h, 0,
                           ctypes.byref(buf), ctypes.byref(n), layout, 90, 0)
    assert rc == 0
    return ctypes.string_at(buf, n.value)


for w, h in [(23, 17), (40, 3), (3, 40), (7, 2), (2, 7)]:
    keep("440_%dx%d.jpg" % (w, h), tj(photo(w, h), 4), off=3)
    keep("411_%dx%d.jpg" % (w, h), tj(photo(w, h), 5), off=3)


def segments(b):
    """The stream cut before each marker segment; the last piece is the scan."""
    i, parts = 2, [b[:2]]
    while b[i + 1] != 0xDA:
        n = 2 + struct.unpack(">H", b[i + 2:i + 4])[0]
        parts.append(b[i:i + n])
        i += n
    return parts + [b[i:]]


def relabel(b, jfif, ids=None, adobe=None):
    """Changes what a decoder decides on colour by: JFIF, component ids, Adobe."""
    parts = []
    for p in segments(b):
        if p[1] == 0xE0 and not jfif or p[1] == 0xEE:
            continue
        if ids and p[1] == 0xC0:
            p = bytearray(p)
            for i, c in enumerate(ids):
                p[10 + 3 * i] = c
        if ids and p[1] == 0xDA:
            p = bytearray(p)
            for i, c in enumerate(ids):
                p[5 + 2 * i] = c
        parts.append(bytes(p))
    if adobe is not None:
        parts.insert(1, b"\xFF\xEE\0\x0EAdobe\0\x64\0\0\0\0" + bytes([adobe]))
    return b"".join(parts)


yuv = save(rgb, "JPEG", quality=90, subsampling=0)
keep("ids_rgb.jpg", relabel(yuv, False, b"RGB"), off=3)
keep("adobe_rgb.jpg", relabel(yuv, False, adobe=0), off=3)
keep("adobe_rgb_420.jpg", relabel(save(rgb, "JPEG", quality=90), False, adobe=0), off=3)
keep("adobe_ycc.jpg", relabel(yuv, False, b"RGB", adobe=1), off=3)
keep("jfif_rgb_ids.jpg", relabel(yuv, True, b"RGB", adobe=0), off=3)
keep("ids_odd.jpg", relabel(yuv, False, bytes([1, 7, 9])), off=3)
four = save(Image.fromarray(photo(23, 17, 4), "CMYK"), "JPEG", quality=90)
keep("ycck.jpg", relabel(four, False, adobe=2), off=3)
keep("cmyk_plain.jpg", relabel(four, False), off=3)

with open(os.path.join(here, "pictures.json"), "w") as f:
    f.write('{"pillow": "%s", "pictures": [\n' % PIL.__version__)
    f.write(",\n".join(json.dumps(o) for o in out))
    f.write("\n]}\n")
