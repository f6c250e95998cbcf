package rgb_test

import (
	"bytes"
	"testing"

	"github.com/betongo/betongo/rgb"
)

// cluttered puts metadata wherever it may lie: every piece says SECRET.
func cluttered(data []byte) []byte {
	var clutter []byte
	for _, p := range []string{
		"\xE0JFXX\x00\x10SECRET",
		"\xE1Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00SECRET",
		"\xE1http://ns.adobe.com/xap/1.0/\x00SECRET",
		"\xE2ICC_PROFILE\x00\x01\x01SECRET",
		"\xEDPhotoshop 3.0\x00SECRET",
		"\xEFSECRET",
		"\xFESECRET",
	} {
		clutter = append(clutter, segment(p[0], []byte(p[1:]))...)
	}
	clutter = append(clutter, "SECRET"...) // between segments
	out := bytes.Clone(data[:2])
	out = append(out, clutter...)
	for _, part := range bytes.SplitAfter(data[2:len(data)-2], []byte{0xFF, 0xC4, 0}) {
		// Before each Huffman table, of which a progressive file has some between scans.
		if n := len(part); n > 3 && bytes.HasSuffix(part, []byte{0xFF, 0xC4, 0}) {
			out = append(append(out, part[:n-3]...), clutter...)
			part = part[n-3:]
		}
		out = append(out, part...)
	}
	out = append(out, clutter...)
	return append(append(out, data[len(data)-2:]...), "SECRET behind the end"...)
}

func TestStripJPEG(t *testing.T) {
	list := jpegVectors(t)
	for _, p := range pictures(t) {
		if rgb.Sniff(p.data) == rgb.JPEG {
			list = append(list, jpegVector{Name: p.File, data: p.data})
		}
	}
	var want, got rgb.Image
	stripped, smaller := 0, 0
	for _, v := range list {
		info, err := rgb.ScanJPEG(v.data)
		if err != nil || rgb.DecodeJPEG(&want, v.data) != nil {
			continue
		}
		stripped++
		plain, err := rgb.StripJPEG([]byte("head"), v.data)
		if err != nil || !bytes.HasPrefix(plain, []byte("head\xFF\xD8")) || len(plain)-4 > len(v.data) {
			t.Fatalf("%s: %d bytes of %d, %v", v.Name, len(plain), len(v.data), err)
		}
		plain = plain[4:]
		if len(plain) < len(v.data) {
			smaller++
		}
		for kind, data := range map[string][]byte{"as it is": v.data, "cluttered": cluttered(v.data)} {
			out, err := rgb.StripJPEG(nil, data)
			if err != nil || bytes.Contains(out, []byte("SECRET")) {
				t.Fatalf("%s, %s: %v, or something is left", v.Name, kind, err)
			}
			if err := rgb.DecodeJPEG(&got, out); err != nil || got.Width != want.Width || !bytes.Equal(got.Pix, want.Pix) {
				t.Errorf("%s, %s: other pixels than before: %v", v.Name, kind, err)
			}
			after, err := rgb.ScanJPEG(out)
			if err != nil || after.Size != len(out) || after.Orientation != 0 || after.Progressive != info.Progressive || after.Adobe != info.Adobe || after.JFIF != info.JFIF {
				t.Errorf("%s, %s: %+v, %v", v.Name, kind, after, err)
			}
			if again, err := rgb.StripJPEG(nil, out); err != nil || !bytes.Equal(again, out) {
				t.Errorf("%s, %s: not the same when stripped again: %v", v.Name, kind, err)
			}
		}
	}
	if stripped < 100 || smaller < 3 {
		t.Fatalf("only %d pictures, %d of them with anything to strip", stripped, smaller)
	}
}

// TestStripJPEGHeads checks the two segments that are kept in part.
func TestStripJPEGHeads(t *testing.T) {
	head := "JFIF\x00\x01\x01\x01\x00\x48\x00\x48"
	adobe := "Adobe\x00\x64\x00\x00\x00\x00\x01"
	data, err := rgb.EncodeJPEG(nil, smooth(40, 30), 90)
	if err != nil {
		t.Fatal(err)
	}
	rest := data[20:] // behind its own JFIF segment
	join := func(parts ...[]byte) []byte {
		return append(append([]byte{0xFF, 0xD8}, bytes.Join(parts, nil)...), rest...)
	}
	got, err := rgb.StripJPEG(nil, join(segment(0xE0, []byte(head+"\x02\x01sixbyt")), segment(0xEE, []byte(adobe+"more")), segment(0xEE, []byte("Adobe")), segment(0xE0, []byte("JFIF\x00short"))))
	want := join(segment(0xE0, []byte(head+"\x00\x00")), segment(0xEE, []byte(adobe)), segment(0xE0, []byte("JFIF\x00short")))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %q, %v\nwant %q", got[:min(len(got), 80)], err, want[:80])
	}
}

func TestStripJPEGRefuses(t *testing.T) {
	data := cluttered(photo().Data)
	for n := range len(data) - len("SECRET behind the end") {
		if n > 4096 && n%97 != 0 {
			continue
		}
		if out, err := rgb.StripJPEG([]byte("x"), data[:n]); err == nil || string(out) != "x" {
			t.Fatalf("the first %d bytes: %d bytes, %v", n, len(out), err)
		}
	}
}

func FuzzStripJPEG(f *testing.F) {
	addPictures(f)
	f.Add(cluttered(photo().Data))
	f.Fuzz(func(t *testing.T, data []byte) {
		before, err := rgb.ScanJPEG(data)
		out, stripErr := rgb.StripJPEG(nil, data)
		kind(t, stripErr)
		if (err == nil) != (stripErr == nil) {
			t.Fatalf("ScanJPEG says %v, StripJPEG %v", err, stripErr)
		}
		if err != nil {
			return
		}
		after, err := rgb.ScanJPEG(out)
		if err != nil || len(out) > before.Size || after.Size != len(out) || after.Orientation != 0 || after.Width != before.Width || after.Height != before.Height {
			t.Fatalf("%+v became %+v, %v", before, after, err)
		}
		if before.Width*before.Height > 1<<16 {
			return
		}
		var a, b rgb.Image
		var s rgb.Scratch
		errA, errB := s.DecodeJPEG(&a, data), s.DecodeJPEG(&b, out)
		// Four components are decoded by the standard library, which refuses a marker
		// that says nothing (TEM) and that isn't kept.
		more := errA != nil && errB == nil && !before.CMYK
		if errA == nil && (errB != nil || !bytes.Equal(a.Pix, b.Pix)) || more {
			t.Fatalf("other pixels: %v, %v", errA, errB)
		}
	})
}
