package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/png"
	"os"
	"unicode/utf8"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/npy"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/mmap"
	"github.com/betongo/betongo/rgb"
)

// errNoFile: no file that a person can open is made of such a value.
var errNoFile = errors.New("a value of a kind of its own")

// openable makes a file of a value, as ffcv.File.Value gives it: what it holds,
// and how its name ends.
func openable(v any, text bool) (b []byte, ext string, err error) {
	switch v := v.(type) {
	case rgb.Encoded:
		if v.JPEG {
			return bytes.Clone(v.Data), ".jpg", nil
		}
		b, err = pngOf(rgb.Raster{Width: v.Width, Height: v.Height, Channels: 3, Depth: 1, Pix: v.Data})
		return b, ".png", err
	case rgb.Raster:
		b, err = pngOf(v)
		return b, ".png", err
	case array.Array:
		var out bytes.Buffer
		if text {
			if err := array.WriteText(&out, v, "\n", ""); err != nil {
				return nil, "", err
			}
			return append(bytes.TrimRight(out.Bytes(), "\n"), '\n'), ".txt", nil
		}
		err := npy.Write(&out, v)
		return out.Bytes(), ".npy", err
	case json.RawMessage:
		var out bytes.Buffer
		if json.Indent(&out, v, "", "  ") != nil {
			out.Reset()
			out.Write(v) // NaN and Infinity stand in it, or it is none at all
		}
		out.WriteByte('\n')
		return out.Bytes(), ".json", nil
	case []byte:
		return bytes.Clone(v), extension(v), nil
	case fields.AudioClip:
		return sound(v)
	}
	return nil, "", errNoFile
}

// sound is a clip as a file.
func sound(v fields.AudioClip) ([]byte, string, error) {
	switch v.Encoding {
	case fields.AudioMP3:
		return bytes.Clone(v.Data), ".mp3", nil
	case fields.AudioFLAC:
		return bytes.Clone(v.Data), ".flac", nil
	}
	frame := 2 * uint32(v.Channels)
	if uint64(len(v.Data))+36 > 1<<32-1 {
		return nil, "", fmt.Errorf("%d bytes of sound: no WAV file is that large", len(v.Data))
	}
	b := append(make([]byte, 0, 44+len(v.Data)), "RIFF"...)
	b = binary.LittleEndian.AppendUint32(b, uint32(36+len(v.Data)))
	b = append(b, "WAVEfmt "...)
	b = binary.LittleEndian.AppendUint32(b, 16)
	b = binary.LittleEndian.AppendUint16(b, 1) // PCM
	b = binary.LittleEndian.AppendUint16(b, uint16(v.Channels))
	b = binary.LittleEndian.AppendUint32(b, v.SampleRate)
	b = binary.LittleEndian.AppendUint32(b, v.SampleRate*frame)
	b = binary.LittleEndian.AppendUint16(b, uint16(frame))
	b = binary.LittleEndian.AppendUint16(b, 16)
	b = append(b, "data"...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(v.Data)))
	return append(b, v.Data...), ".wav", nil
}

// pngOf is a raster as a PNG. Two channels are gray and alpha, which Go's encoder
// writes as colours.
func pngOf(r rgb.Raster) ([]byte, error) {
	if len(r.Pix) != r.Width*r.Height*r.Channels*r.Depth {
		return nil, fmt.Errorf("%d bytes of pixels; want %dx%d of %d channels of %d bytes", len(r.Pix), r.Width, r.Height, r.Channels, r.Depth)
	}
	mmap.Touch(r.Pix)
	box := image.Rect(0, 0, r.Width, r.Height)
	var img image.Image
	switch {
	case r.Channels == 1 && r.Depth == 1:
		img = &image.Gray{Pix: r.Pix, Stride: r.Width, Rect: box}
	case r.Channels == 1:
		g := image.NewGray16(box)
		for i := range len(r.Pix) / 2 {
			g.Pix[2*i], g.Pix[2*i+1] = r.Pix[2*i+1], r.Pix[2*i]
		}
		img = g
	case r.Depth == 1:
		n := image.NewNRGBA(box)
		for i := range r.Width * r.Height {
			spread(n.Pix[4*i:][:4], r.Pix[i*r.Channels:][:r.Channels], 0xff)
		}
		img = n
	default:
		n := image.NewNRGBA64(box)
		var from, to [4]uint16
		for i := range r.Width * r.Height {
			for c := range r.Channels {
				from[c] = binary.LittleEndian.Uint16(r.Pix[2*(i*r.Channels+c):])
			}
			spread(to[:], from[:r.Channels], 0xffff)
			for c, v := range to {
				binary.BigEndian.PutUint16(n.Pix[8*i+2*c:], v)
			}
		}
		img = n
	}
	var out bytes.Buffer
	err := png.Encode(&out, img)
	return out.Bytes(), err
}

// spread makes red, green, blue and alpha of a pixel of 2 to 4 channels.
func spread[T uint8 | uint16](dst, src []T, opaque T) {
	dst[3] = opaque
	switch len(src) {
	case 2:
		dst[0], dst[1], dst[2], dst[3] = src[0], src[0], src[0], src[1]
	default:
		copy(dst, src)
	}
}

// extension tells how the name of a file with these bytes ends, by what it
// begins with: .txt for text, .bin for anything unknown.
func extension(b []byte) string {
	if f := rgb.Sniff(b); f == rgb.JPEG {
		return ".jpg"
	} else if f != "" {
		return "." + string(f)
	}
	for _, m := range []struct {
		at         int
		magic, ext string
	}{
		{0, "%PDF-", ".pdf"}, {0, "PK\x03\x04", ".zip"}, {0, "\x1f\x8b", ".gz"}, {0, "\x93NUMPY", ".npy"},
		{0, "fLaC", ".flac"}, {0, "OggS", ".ogg"}, {0, "ID3", ".mp3"}, {8, "WAVE", ".wav"}, {4, "ftyp", ".mp4"},
		{0, "\x1aE\xdf\xa3", ".webm"}, {0, "\x28\xb5\x2f\xfd", ".zst"}, {0, "\x89HDF\r\n\x1a\n", ".h5"}, {0, "PAR1", ".parquet"},
	} {
		if len(b) >= m.at+len(m.magic) && string(b[m.at:][:len(m.magic)]) == m.magic {
			return m.ext
		}
	}
	if utf8.Valid(b) && !bytes.ContainsRune(b, 0) {
		return ".txt"
	}
	return ".bin"
}

// isFolder says whether path is a folder on the local disk.
func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
