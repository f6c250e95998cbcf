package rgb

import (
	"bytes"
	"encoding/binary"
)

// Format names an image file format.
type Format string

// The formats that are told apart; "" is any other.
const (
	JPEG Format = "jpeg"
	PNG  Format = "png"
	GIF  Format = "gif"
	BMP  Format = "bmp"
	TIFF Format = "tiff"
	WebP Format = "webp"
)

// Sniff names the format of an image file by its first bytes; 12 suffice, and
// fewer are enough for some formats. It is "" for anything else.
func Sniff(head []byte) Format {
	has := func(prefix string) bool { return len(head) >= len(prefix) && string(head[:len(prefix)]) == prefix }
	switch {
	case has("\xFF\xD8\xFF"):
		return JPEG
	case has("\x89PNG\r\n\x1a\n"):
		return PNG
	case has("GIF87a"), has("GIF89a"):
		return GIF
	case has("II*\x00"), has("MM\x00*"):
		return TIFF
	case has("RIFF") && len(head) >= 12 && string(head[8:12]) == "WEBP":
		return WebP
	case has("BM"):
		return BMP
	}
	return ""
}

// ScanImage reads the header of an image file of any known format: its size in
// pixels as [Decode] gives it and its EXIF orientation (1 to 8, 0 when there is
// none), which Decode leaves to the caller; a TIFF's is 0, since Decode turns it
// as Pillow does. Only headers are read, so a size is no promise that the rest
// is sound; for JPEG see [ScanJPEG]. Errors as in [Decode]; a file of no known
// format is an *UnsupportedError and Format "".
func ScanImage(data []byte) (f Format, width, height, orient int, err error) {
	f = Sniff(data)
	switch f {
	case JPEG:
		s := jpegScan{data: data}
		err = s.walk(true)
		width, height, orient = s.info.Width, s.info.Height, s.info.Orientation
	case PNG:
		width, height, orient, err = scanPNG(data)
	case GIF:
		var g gifHead
		g, err = scanGIF(data)
		width, height = g.width, g.height
	case BMP:
		width, height, err = scanBMP(data)
	case TIFF:
		var ok bool
		width, height, orient, ok = tiffHead(data)
		if !ok {
			err = invalid(TIFF, 4, "no image directory: truncated")
		}
		if orient >= 5 {
			width, height = height, width
		}
		orient = 0 // Decode turns it, as Pillow does
	case WebP:
		width, height, orient, err = scanWebP(data)
	default:
		err = unsupported("", "not a JPEG, PNG, GIF, BMP, TIFF or WebP file")
	}
	if err == nil {
		err = checkSize(f, width, height)
	}
	if err != nil {
		return f, 0, 0, 0, err
	}
	return f, width, height, orient, nil
}

// scanPNG reads the header chunk and looks for an eXIf chunk before the pixels.
func scanPNG(b []byte) (width, height, orient int, err error) {
	if len(b) < 33 || string(b[12:16]) != "IHDR" {
		return 0, 0, 0, invalid(PNG, 8, "no header chunk")
	}
	width, height = int(binary.BigEndian.Uint32(b[16:])), int(binary.BigEndian.Uint32(b[20:]))
	for off := 33; len(b)-off >= 8; {
		n, kind := int(binary.BigEndian.Uint32(b[off:])), string(b[off+4:off+8])
		if n > len(b)-off-8 || kind == "IDAT" {
			break
		}
		if kind == "eXIf" {
			orient = orientation(b[off+8 : off+8+n])
			break
		}
		off += 8 + n + 4
	}
	return width, height, orient, nil
}

// scanBMP reads the info header, or OS/2's shorter one. A height below zero
// means rows from the top.
func scanBMP(b []byte) (width, height int, err error) {
	if len(b) < 26 {
		return 0, 0, invalid(BMP, len(b), "no info header: truncated")
	}
	if binary.LittleEndian.Uint32(b[14:]) == 12 {
		return int(binary.LittleEndian.Uint16(b[18:])), int(binary.LittleEndian.Uint16(b[20:])), nil
	}
	width = int(int32(binary.LittleEndian.Uint32(b[18:])))
	height = int(int32(binary.LittleEndian.Uint32(b[22:])))
	return width, max(height, -height), nil
}

// scanWebP reads the first chunk (VP8, VP8L or VP8X) and looks for an EXIF chunk.
func scanWebP(b []byte) (width, height, orient int, err error) {
	const first = 20 // offset of the first chunk's payload
	if len(b) < first+10 {
		return 0, 0, 0, invalid(WebP, len(b), "no picture header: truncated")
	}
	p := b[first:]
	switch kind := string(b[12:16]); kind {
	case "VP8 ":
		if p[0]&1 != 0 || !bytes.Equal(p[3:6], []byte{0x9D, 0x01, 0x2A}) {
			return 0, 0, 0, invalid(WebP, first, "not the start of a key frame")
		}
		width = int(binary.LittleEndian.Uint16(p[6:]) & 0x3FFF)
		height = int(binary.LittleEndian.Uint16(p[8:]) & 0x3FFF)
	case "VP8L":
		if p[0] != 0x2F {
			return 0, 0, 0, invalid(WebP, first, "byte %#02x, want a lossless picture's 0x2f", p[0])
		}
		v := binary.LittleEndian.Uint32(p[1:])
		width, height = int(v&0x3FFF)+1, int(v>>14&0x3FFF)+1
	case "VP8X":
		width = int(p[4]) + int(p[5])<<8 + int(p[6])<<16 + 1
		height = int(p[7]) + int(p[8])<<8 + int(p[9])<<16 + 1
		orient = webpOrientation(b)
	default:
		return 0, 0, 0, invalid(WebP, 12, "first chunk is %q", kind)
	}
	return width, height, orient, nil
}

// webpOrientation looks for an EXIF chunk among a WebP file's chunks.
func webpOrientation(b []byte) int {
	for off := 12; len(b)-off >= 8; {
		n := int(binary.LittleEndian.Uint32(b[off+4:]))
		if n > len(b)-off-8 {
			return 0
		}
		if string(b[off:off+4]) == "EXIF" {
			return orientation(bytes.TrimPrefix(b[off+8:off+8+n], []byte("Exif\x00\x00")))
		}
		off += 8 + n + n&1
	}
	return 0
}
