package splice_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/splice"
)

// A plain file that is sealed is the file that is written with checksums and
// checkpoints at once.
func TestSealIsAsWritten(t *testing.T) {
	photos, _ := filepath.Glob("../testdata/photos/*/*.jpg")
	if len(photos) < 20 {
		t.Fatalf("%d photos", len(photos))
	}
	specs := []ffcv.FieldSpec{{Name: "image", Field: fields.RGBImage{}}, {Name: "n", Field: fields.Int{}}, {Name: "more", Field: fields.RGBImage{}}}
	at := func(i int) []any {
		return []any{fields.Path(photos[i]), i, fields.Path(photos[len(photos)-1-i])}
	}
	want, err := os.ReadFile(ffcvtest.Write(t, specs, len(photos), at, nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, workers := range []int{1, 3} {
		path := ffcvtest.Write(t, specs, len(photos), at, &ffcv.Options{Plain: true})
		f, err := ffcv.Open(path, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		opts := &splice.SealOptions{Options: splice.Options{Overwrite: true, Workers: workers}}
		if _, err := splice.Seal(t.Context(), path, f, opts); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d workers: %d bytes (%v), want the %d of the file written so", workers, len(got), err, len(want))
		}
	}
}

// What other packages keep in a file, its names and its classes stay.
func TestSealKeeps(t *testing.T) {
	tag := ffcv.Tag('a' | 'b'<<8 | 'c'<<16 | 'd'<<24)
	photo, err := filepath.Abs("../testdata/photos/animal/chelsea_1.jpg")
	if err != nil {
		t.Fatal(err)
	}
	path := ffcvtest.Write(t, []ffcv.FieldSpec{{Name: "image", Field: fields.RGBImage{NoCheckpoints: true}}}, 3,
		func(int) []any { return []any{fields.Path(photo)} },
		&ffcv.Options{Classes: []string{"x", "y"}, Sections: []ffcv.NewSection{{Tag: tag, Data: []byte("kept")}}})
	f, err := ffcv.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := splice.Seal(t.Context(), path, f, &splice.SealOptions{NoCheckpoints: true}); !errors.Is(err, splice.ErrSealed) {
		t.Errorf("sealed with nothing to add: %v", err)
	}
	to := filepath.Join(t.TempDir(), "sealed.beton")
	if _, err := splice.Seal(t.Context(), to, f, nil); err != nil {
		t.Fatal(err)
	}
	g, err := ffcv.Open(to, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if err := g.Verify(t.Context(), func(e *ffcv.FormatError) { t.Error(e) }); err != nil {
		t.Error(err)
	}
	if got := g.Classes(); len(got) != 2 {
		t.Errorf("classes %q", got)
	}
	if m, err := g.Marks(2, 0, nil); len(m) == 0 || err != nil {
		t.Errorf("marks %x, %v", m, err)
	}
	list, err := g.Sections()
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, s := range list {
		if s.Tag == tag {
			b := make([]byte, s.Length)
			if _, err := g.OpenSection(s).Read(b); err != nil || string(b) != "kept" {
				t.Errorf("section %q, %v", b, err)
			}
			found = true
		}
	}
	if !found {
		t.Errorf("sections %v", list)
	}
}
