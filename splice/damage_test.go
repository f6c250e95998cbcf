package splice_test

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/splice"
)

// What the extension block holds and cannot be carried over is told; the
// samples are.
func TestDamagedExtension(t *testing.T) {
	far := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f}
	for _, test := range []struct {
		name string
		tag  ffcv.Tag
		at   int64 // in the section
		b    []byte
		want string
	}{
		{"names", ffcv.TagNames, 8 + 8*5, far, "the names of "},
		{"number of names", ffcv.TagNames, 0, far, "the names of "},
		{"marks", ffcv.TagMarks, 16 + 8*5, far, "the marks of "},
		{"classes", ffcv.TagClasses, 0, far, "the class names are damaged"},
		{"a section twice", ffcv.TagMarks, -16, []byte("abcd"), "the extension section abcd is left behind: there is one before it"},
		{"directory", ffcv.TagClasses, -8, far, "left behind where it is damaged"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := everyKind{60, 0}.write(t, ffcv.Options{Sections: []ffcv.NewSection{{Tag: foreignTag, Data: []byte("kept")}}}, nil)
			f := open(t, path)
			list, err := f.Sections()
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range list {
				if s.Tag == test.tag {
					poke(t, path, s.Offset+test.at, test.b...)
					break
				}
			}
			f = open(t, path)
			for _, repack := range []bool{false, true} {
				var said []string
				out := filepath.Join(t.TempDir(), "x.beton")
				_, err := splice.Merge(context.Background(), out, []*ffcv.File{f, f}, &splice.Options{
					Repack: repack, Warn: func(msg string) { said = append(said, msg) }})
				if err != nil {
					t.Fatal(err)
				}
				if !strings.Contains(strings.Join(said, "\n"), test.want) {
					t.Errorf("said %q, want %q", said, test.want)
				}
				got := open(t, out)
				if err := got.Verify(context.Background(), nil); err != nil {
					t.Fatal(err)
				}
				for i := range got.Len() {
					for k := range got.Fields() {
						v, err := got.Value(i, k)
						w, _ := f.Value(i%f.Len(), k)
						if err != nil || !equal(v, w) {
							t.Fatalf("sample %d, field %d: %v, %v; want %v", i, k, v, err, w)
						}
					}
				}
			}
		})
	}
}
