package splice_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/splice"
)

// A merge that leaves the pages to others is the other merge once they are there.
func TestMergePages(t *testing.T) {
	files := []*ffcv.File{
		everyKind{90, 0}.make(t, ffcv.Options{}, nil),
		everyKind{0, 0}.make(t, ffcv.Options{}, nil),
		everyKind{70, 1000}.make(t, ffcv.Options{Plain: true}, nil),
		everyKind{5, 500}.make(t, ffcv.Options{}, nil),
	}
	whole := filepath.Join(t.TempDir(), "whole.beton")
	if _, err := splice.Merge(t.Context(), whole, files, nil); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	holed := filepath.Join(t.TempDir(), "holed.beton")
	type piece struct {
		file        int
		from, to, n int64
	}
	var list []piece
	_, err = splice.Merge(t.Context(), holed, files, &splice.Options{Pages: func(file int, from, to, n int64) error {
		list = append(list, piece{file, from, to, n})
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(holed)
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 3 || len(got) != len(want) {
		t.Fatalf("%d pieces of 3, %d bytes of %d", len(list), len(got), len(want))
	}
	for _, p := range list {
		hole := got[p.to:][:p.n]
		if bytes.Count(hole, []byte{0}) != len(hole) {
			t.Errorf("file %d: not a hole at byte %d", p.file, p.to)
		}
		b, err := os.ReadFile(files[p.file].Name())
		if err != nil {
			t.Fatal(err)
		}
		copy(hole, b[p.from:][:p.n])
	}
	if !bytes.Equal(got, want) {
		t.Error("with the pages in place it is another file")
	}
	if _, err := splice.Merge(t.Context(), holed, files, &splice.Options{Overwrite: true, Repack: true, Pages: func(int, int64, int64, int64) error { return nil }}); err == nil {
		t.Error("values placed anew without pages: no error")
	}
}

// Files of consecutive rows, merged, have what one file of all rows has.
func TestMergeRows(t *testing.T) {
	for _, shuffle := range []bool{false, true} {
		opts := ffcv.Options{Seed: 7}
		all := everyKind{100, 0}.make(t, opts, &ffcv.DatasetOptions{Shuffle: shuffle})
		var parts []*ffcv.File
		for _, r := range []ffcv.Rows{{Lo: 0, Hi: 30}, {Lo: 30, Hi: 30}, {Lo: 30, Hi: 31}, {Lo: 31, Hi: 100}} {
			f := everyKind{100, 0}.make(t, opts, &ffcv.DatasetOptions{Shuffle: shuffle, Rows: &r})
			if f.Len() != r.Hi-r.Lo {
				t.Errorf("rows %v: %d samples", r, f.Len())
			}
			parts = append(parts, f)
		}
		path := filepath.Join(t.TempDir(), "x.beton")
		if _, err := splice.Merge(t.Context(), path, parts, nil); err != nil {
			t.Fatal(err)
		}
		check(t, path, whole(all))
	}
}
