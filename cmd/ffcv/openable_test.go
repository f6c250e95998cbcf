package main

import (
	"bytes"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/npy"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/rgb"
)

func TestOpenable(t *testing.T) {
	a, err := array.Of([]int16{1, -2, 3}, 3)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		v         any
		text      bool
		ext, want string // what it begins with
	}{
		{rgb.Encoded{JPEG: true, Data: []byte("\xff\xd8\xff")}, false, ".jpg", "\xff\xd8\xff"},
		{rgb.Encoded{Width: 1, Height: 1, Data: []byte{1, 2, 3}}, false, ".png", "\x89PNG"},
		{a, false, ".npy", "\x93NUMPY"},
		{a, true, ".txt", "1\n-2\n3\n"},
		{json.RawMessage(`{"a":[1]}`), false, ".json", "{\n  \"a\": [\n"},
		{json.RawMessage(`{"a":NaN}`), false, ".json", "{\"a\":NaN}\n"},
		{[]byte("text"), false, ".txt", "text"},
		{[]byte("\x00\x01"), false, ".bin", "\x00\x01"},
		{[]byte("%PDF-1.7"), false, ".pdf", "%PDF"},
		{[]byte("RIFF\x00\x00\x00\x00WAVE"), false, ".wav", "RIFF"},
		{[]byte{}, false, ".txt", ""},
		{fields.AudioClip{SampleRate: 8000, Channels: 2, Data: []byte{1, 2, 3, 4}}, false, ".wav",
			"RIFF\x28\x00\x00\x00WAVEfmt \x10\x00\x00\x00\x01\x00\x02\x00\x40\x1f\x00\x00\x00\x7d\x00\x00\x04\x00\x10\x00data\x04\x00\x00\x00\x01\x02\x03\x04"},
		{fields.AudioClip{Encoding: fields.AudioFLAC, Data: []byte("fLaC")}, false, ".flac", "fLaC"},
	} {
		b, ext, err := openable(test.v, test.text)
		if err != nil || ext != test.ext || !strings.HasPrefix(string(b), test.want) {
			t.Errorf("%v: got %q%s, %v; want %q%s", test.v, b, ext, err, test.want, test.ext)
		}
	}
	if b, _, _ := openable(a, false); b != nil {
		if got, err := npy.Parse(b); err != nil || !bytes.Equal(got.Data, a.Data) {
			t.Errorf("got %v, %v", got, err)
		}
	}
	if _, _, err := openable(struct{}{}, false); err != errNoFile {
		t.Errorf("got %v", err)
	}
}

// TestPNG: each pixel comes back, whatever the channels.
func TestPNG(t *testing.T) {
	for channels := 1; channels <= 4; channels++ {
		for depth := 1; depth <= 2; depth++ {
			r := rgb.Raster{Width: 3, Height: 2, Channels: channels, Depth: depth}
			for i := range 3 * 2 * channels * depth {
				r.Pix = append(r.Pix, byte(i*37+11))
			}
			b, err := pngOf(r)
			if err != nil {
				t.Fatal(err)
			}
			img, err := png.Decode(bytes.NewReader(b))
			if err != nil {
				t.Fatal(err)
			}
			for i := range 6 {
				if got, want := pixelOf(img, i%3, i/3, depth), wantPixel(r, i); got != want {
					t.Errorf("%d channels of %d bytes, pixel %d: got %x, want %x", channels, depth, i, got, want)
				}
			}
		}
	}
	if _, err := pngOf(rgb.Raster{Width: 2, Height: 2, Channels: 1, Depth: 1, Pix: make([]byte, 3)}); err == nil {
		t.Error("too few pixels: no error")
	}
}

// pixelOf is a pixel of any picture as red, green, blue and alpha of 16 bits.
func pixelOf(img image.Image, x, y, depth int) [4]uint16 {
	if depth == 2 {
		c := color.NRGBA64Model.Convert(img.At(x, y)).(color.NRGBA64)
		if n, ok := img.(*image.NRGBA64); ok {
			c = n.NRGBA64At(x, y)
		}
		return [4]uint16{c.R, c.G, c.B, c.A}
	}
	c := color.NRGBAModel.Convert(img.At(x, y)).(color.NRGBA)
	if n, ok := img.(*image.NRGBA); ok {
		c = n.NRGBAAt(x, y)
	}
	return [4]uint16{uint16(c.R), uint16(c.G), uint16(c.B), uint16(c.A)}
}

func wantPixel(r rgb.Raster, i int) [4]uint16 {
	v := [4]uint16{3: 0xff}
	if r.Depth == 2 {
		v[3] = 0xffff
	}
	at := func(c int) uint16 {
		k := (i*r.Channels + c) * r.Depth
		if r.Depth == 2 {
			return uint16(r.Pix[k]) | uint16(r.Pix[k+1])<<8
		}
		return uint16(r.Pix[k])
	}
	switch r.Channels {
	case 1, 2:
		v[0], v[1], v[2] = at(0), at(0), at(0)
		if r.Channels == 2 {
			v[3] = at(1)
		}
	default:
		for c := range r.Channels {
			v[c] = at(c)
		}
	}
	return v
}
