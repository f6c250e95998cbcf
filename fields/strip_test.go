package fields_test

import (
	"bytes"
	"testing"

	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/rgb"
)

// TestStrip stores JPEGs from every kind of value without their metadata.
func TestStrip(t *testing.T) {
	for _, name := range []string{"exif6.jpg", "420_23x17.jpg", "adobe_rgb.jpg"} {
		data := read(t, name)
		data = append(append(bytes.Clone(data[:2]), "\xFF\xFE\x00\x08SECRET"...), data[2:]...)
		data = append(data, "and more"...)
		var whole rgb.Image
		if err := rgb.Decode(&whole, data); err != nil {
			t.Fatal(err)
		}
		info, err := rgb.ScanJPEG(data)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range []any{data, file(t, data), rgb.Encoded{JPEG: true, Width: info.Width, Height: info.Height, Data: data}} {
			f := fields.RGBImage{Strip: true, Stats: new(fields.ImageStats)}
			e := store(t, f, x)
			if !e.JPEG || bytes.Contains(e.Data, []byte("SECRET")) || !bytes.Equal(decodePixels(t, e).Pix, whole.Pix) {
				t.Errorf("%s as %T: JPEG %v of %d bytes, or other pixels", name, x, e.JPEG, len(e.Data))
			}
			s := f.Stats
			if saved := s.StrippedBytes.Load(); s.Kept.Load() != 1 || s.Stripped.Load() != 1 || saved != int64(len(data)-len(e.Data)) || saved < 18 {
				t.Errorf("%s as %T: counted %d kept, %d stripped of %d bytes", name, x, s.Kept.Load(), s.Stripped.Load(), saved)
			}
			if after, err := rgb.ScanJPEG(e.Data); err != nil || after.Orientation != 0 || s.OrientationIgnored.Load() != int64(min(1, info.Orientation/2)) {
				t.Errorf("%s as %T: %+v, %v; %d orientations ignored", name, x, after, err, s.OrientationIgnored.Load())
			}
		}
	}
	// A picture is turned before its orientation is lost.
	f := fields.RGBImage{Strip: true, Orient: true, Stats: new(fields.ImageStats)}
	data := read(t, "exif6.jpg")
	with := store(t, fields.RGBImage{Orient: true}, data)
	if e := store(t, f, data); !bytes.Equal(e.Data, with.Data) || f.Stats.Oriented.Load() != 1 || f.Stats.Stripped.Load() != 0 {
		t.Errorf("turned: other bytes than without Strip, %d turned, %d stripped", f.Stats.Oriented.Load(), f.Stats.Stripped.Load())
	}
	// What is bad stays an error.
	if _, err := encode(f, data[:len(data)-2]); err == nil {
		t.Error("a truncated JPEG: no error")
	}
}
