package source_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/source"
)

// shelf is a store of the files below a folder, as objects of mem://.
type shelf struct{ dir string }

func (s shelf) path(name string) string {
	return filepath.Join(s.dir, filepath.FromSlash(strings.TrimPrefix(name, "mem://")))
}

func (s shelf) List(_ context.Context, folder string, deep bool, yield func(string, int64) error) error {
	type entry struct {
		name string
		size int64
	}
	var list []entry
	err := filepath.WalkDir(s.path(folder), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(s.path(folder), path)
		name, size := filepath.ToSlash(rel), info.Size()
		if dir, _, ok := strings.Cut(name, "/"); ok && !deep {
			name, size = dir+"/", -1
		}
		if !slices.Contains(list, entry{name, size}) {
			list = append(list, entry{name, size})
		}
		return err
	})
	slices.SortFunc(list, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	for _, e := range list {
		if err == nil {
			err = yield(e.name, e.size)
		}
	}
	return err
}

func (s shelf) Read(_ context.Context, name string, n int64) ([]byte, error) {
	b, err := os.ReadFile(s.path(name))
	return b[:min(int64(len(b)), n)], err
}

func (s shelf) Size(_ context.Context, name string) (int64, error) {
	info, err := os.Stat(s.path(name))
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// book is an object that is open.
type book struct {
	*os.File
	size int64
}

func (b book) Size() int64 { return b.size }

func (s shelf) Open(ctx context.Context, name string) (source.Blob, error) {
	size, err := s.Size(ctx, name)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(s.path(name))
	if err != nil {
		return nil, err
	}
	return book{f, size}, nil
}

// scatter writes files of a size of their own.
func scatter(t *testing.T, dir string, names ...string) {
	t.Helper()
	for i, name := range names {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		b := fmt.Appendf(nil, "%d %s", i, name)
		if strings.Contains(name, "sniff") {
			b = append([]byte("\xff\xd8\xff\xe0"), b...)
		}
		if err := os.WriteFile(path, b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// samples are a source's keys and values, with files read.
func samples(t *testing.T, s interface {
	Len() int
	Sample(context.Context, int) ([]any, string, error)
}) (list []string) {
	t.Helper()
	for i := range s.Len() {
		values, key, err := s.Sample(t.Context(), i)
		if err != nil {
			t.Fatal(err)
		}
		for k, v := range values {
			if p, ok := v.(fields.Path); ok {
				if values[k], err = os.ReadFile(string(p)); err != nil {
					t.Fatal(err)
				}
			}
		}
		list = append(list, fmt.Sprintf("%q %q", key, values))
	}
	return list
}

// A folder in a store is the one on the disk.
func TestFolderStore(t *testing.T) {
	dir := t.TempDir()
	scatter(t, dir, "in/b/2.jpg", "in/b/10.jpg", "in/b/deep/er/x.png", "in/b/deep-er.jpg", "in/b c/1.jpg", "in/a/sniffed", "in/a/notes.txt",
		"in/a/.hidden.jpg", "in/a/.dir/1.jpg", "in/a/.dir/2.jpg", "in/a/d/.git/x/1.jpg", "in/.top/1.jpg", "in/.file", "in/readme.md")
	disk, err := source.OpenFolder(t.Context(), filepath.Join(dir, "in"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer disk.Close()
	for _, name := range []string{"mem://in", "mem://in/"} {
		far, err := source.OpenFolder(t.Context(), name, &source.FolderOptions{Store: shelf{dir}})
		if err != nil {
			t.Fatal(err)
		}
		defer far.Close()
		if got, want := samples(t, far), samples(t, disk); !slices.Equal(got, want) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
		if got, want := far.Skipped(), disk.Skipped(); !slices.Equal(got, want) {
			t.Errorf("left out: got  %q\nwant %q", got, want)
		}
		if got, want := far.Classes(), disk.Classes(); !slices.Equal(got, want) {
			t.Errorf("classes: got %q, want %q", got, want)
		}
		a, errA := far.Traits(t.Context())
		b, errB := disk.Traits(t.Context())
		if err := errors.Join(errA, errB); err != nil || !slices.Equal(a, b) {
			t.Errorf("traits: got %q, want %q, %v", a, b, err)
		}
		last := func(k int) int { return disk.Len() - 1 - k }
		x, errA := far.Files(t.Context(), 3, last)
		y, errB := disk.Files(t.Context(), 3, last)
		if err := errors.Join(errA, errB); err != nil || x != y || !strings.HasPrefix(x, "3 files, ") {
			t.Errorf("files: got %q, want %q, %v", x, y, err)
		}
	}
	if _, err := source.OpenFolder(t.Context(), "mem://in", nil); err == nil {
		t.Error("a URL without a store: no error")
	}
	scatter(t, dir, "empty/x.jpg")
	if _, err := source.OpenFolder(t.Context(), "mem://empty", &source.FolderOptions{Store: shelf{dir}}); err == nil || !strings.Contains(err.Error(), "no class folders, 1 files directly in it") {
		t.Errorf("got %v", err)
	}
}

// A table in a store is the one on the disk, and names nothing outside unasked.
func TestTableStore(t *testing.T) {
	dir := t.TempDir()
	scatter(t, dir, "in/a.bin", "in/sub/b.bin", "out.bin")
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	specs := []source.Spec{{Field: source.Field{Name: "b", Field: fields.Bytes{}}}, {Field: source.Field{Name: "i", Field: fields.Int{}}}}
	path := write("in/t.csv", "b,i\na.bin,1\nsub/b.bin,2\n./sub/../a.bin,3\n")
	disk, err := source.OpenTable(t.Context(), path, specs, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer disk.Close()
	far, err := source.OpenTable(t.Context(), "mem://in/t.csv", specs, &source.TableOptions{Store: shelf{dir}, Copy: path})
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	if got, want := samples(t, far), samples(t, disk); !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	a, errA := far.Traits(t.Context())
	b, errB := disk.Traits(t.Context())
	if err := errors.Join(errA, errB); err != nil || !slices.Equal(a, b) {
		t.Errorf("traits: got %q, want %q, %v", a, b, err)
	}
	all := func(k int) int { return k }
	x, errA := far.Files(t.Context(), 3, all)
	y, errB := disk.Files(t.Context(), 3, all)
	if err := errors.Join(errA, errB); err != nil || x != y || x == "" {
		t.Errorf("files: got %q, want %q, %v", x, y, err)
	}
	// A URL's query is none of its folder, its extension or what messages say.
	signed, err := source.OpenTable(t.Context(), "https://host/in/t.csv?sig=/secret", specs,
		&source.TableOptions{Store: shelf{dir}, Copy: write("in/v.csv", "b,i\n/etc/passwd,1\n"), Name: "https://host/in/t.csv"})
	if err != nil {
		t.Fatal(err)
	}
	defer signed.Close()
	if _, _, err := signed.Sample(t.Context(), 0); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("a signed table: %v", err)
	}
	// Nor is what is secret in the URLs that it names of the samples' names.
	named, err := source.OpenTable(t.Context(), "https://me:secret@host/in/t.csv", specs,
		&source.TableOptions{Store: shelf{dir}, Copy: write("in/w.csv", "b,i\nhttps://me:secret@host/in/a.bin?secret,1\n"), Outside: true, Name: "https://host/in/t.csv"})
	if err != nil {
		t.Fatal(err)
	}
	defer named.Close()
	if _, key, _ := named.Sample(t.Context(), 0); key != "a.bin" { // this store has no such server
		t.Errorf("the name of a sample is %q", key)
	}
	for _, c := range []struct {
		place, cell string
		outside     bool
		want        string // of the error
	}{
		{"mem://in/u.csv", "../out.bin", false, "is outside of the table's folder"},
		{"mem://in/u.csv", "../out.bin", true, ""},
		{"mem://in/u.csv", "mem://out.bin", false, "is outside of the table's folder"},
		{"mem://in/u.csv", "mem://in/a.bin", false, ""},
		{"mem://in/u.csv", "/etc/passwd", true, "a path of one machine"},
		{"mem://in/u.csv", "none.bin", false, "no such file"},
		{"", "mem://in/a.bin", false, "is outside of the table's folder"},
		{"", "mem://in/a.bin", true, ""},
	} {
		copied := write("in/u.csv", "b,i\n"+c.cell+",1\n")
		place := c.place
		if place == "" {
			place = copied
		}
		u, err := source.OpenTable(t.Context(), place, specs, &source.TableOptions{Store: shelf{dir}, Copy: copied, Outside: c.outside})
		if err != nil {
			t.Fatal(err)
		}
		defer u.Close()
		values, _, err := u.Sample(t.Context(), 0)
		switch {
		case c.want == "" && (err != nil || len(values[0].([]byte)) == 0):
			t.Errorf("%+v: %v, %v", c, values, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%+v: got %v", c, err)
		}
	}
}

// Masks lie in a store or on the disk, as the images do or otherwise.
func TestMaskStore(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []string{"in/cat", "masks/cat"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	put := func(name string, b []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	small, large := pngBytes(t, 4, 3), pngBytes(t, 5, 3)
	put("in/cat/1.png", small)
	put("masks/cat/1.png", small)
	for _, c := range [][2]string{{"mem://in", "mem://masks"}, {filepath.Join(dir, "in"), "mem://masks"}, {"mem://in", filepath.Join(dir, "masks")}} {
		f, err := source.OpenFolder(t.Context(), c[0], &source.FolderOptions{Store: shelf{dir}, Masks: c[1], Mask: fields.Image{Channels: 1, DType: array.Uint8}})
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		put("masks/cat/1.png", small)
		values, _, err := f.Sample(t.Context(), 0)
		if err != nil || len(values) != 3 || !bytes.Equal(values[0].([]byte), small) || !bytes.Equal(values[2].([]byte), small) {
			t.Errorf("%q: %v, %v", c, values, err)
		}
		if s, err := f.Files(t.Context(), 1, func(k int) int { return k }); err != nil || !strings.Contains(s, "; masks: 1 files") {
			t.Errorf("%q: %v, %v", c, s, err)
		}
		put("masks/cat/1.png", large)
		if _, _, err := f.Sample(t.Context(), 0); err == nil || !strings.Contains(err.Error(), "mask cat/1.png is 5x3, its image cat/1.png 4x3") {
			t.Errorf("%q: %v", c, err)
		}
		if err := os.Remove(filepath.Join(dir, "masks/cat/1.png")); err != nil {
			t.Fatal(err)
		}
		if _, _, err := f.Sample(t.Context(), 0); err == nil || !strings.Contains(err.Error(), "image cat/1.png: no mask") {
			t.Errorf("%q: %v", c, err)
		}
	}
}

func pngBytes(t *testing.T, w, h int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, w, h))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestStoreGrown: an image that has become larger since it was listed is an error,
// not its first bytes.
func TestStoreGrown(t *testing.T) {
	dir := t.TempDir()
	scatter(t, dir, "a/1.jpg", "b/2.jpg")
	f, err := source.OpenFolder(t.Context(), "mem://", &source.FolderOptions{Store: shelf{dir}})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	path := filepath.Join(dir, "b", "2.jpg")
	b, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(path, append(b, 0), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.Sample(t.Context(), 0); err != nil {
		t.Error(err)
	}
	if _, _, err := f.Sample(t.Context(), 1); err == nil || !strings.Contains(err.Error(), "mem://b/2.jpg: more than the") {
		t.Errorf("%v", err)
	}
}
