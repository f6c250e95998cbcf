package source_test

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/source"
)

// jpegBytes is a small JPEG.
func jpegBytes(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewRGBA(image.Rect(0, 0, 8, 6)), nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// tree makes files below a new folder: NAME or NAME -> TARGET for a symbolic
// link; what has an image's extension is a JPEG, anything else text.
func tree(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	photo := jpegBytes(t)
	for _, name := range names {
		name, target, link := strings.Cut(name, " -> ")
		path := filepath.Join(dir, filepath.FromSlash(name))
		if strings.HasSuffix(name, "/") {
			must(t, os.MkdirAll(path, 0o777))
			continue
		}
		must(t, os.MkdirAll(filepath.Dir(path), 0o777))
		switch {
		case link:
			if err := os.Symlink(filepath.FromSlash(target), path); err != nil {
				t.Skip("no symbolic links here: ", err)
			}
		case strings.Contains(name, ".txt"):
			must(t, os.WriteFile(path, []byte("text"), 0o666))
		default:
			must(t, os.WriteFile(path, photo, 0o666))
		}
	}
	return dir
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// keys lists a dataset's keys.
func keys(t *testing.T, d interface {
	Len() int
	Sample(context.Context, int) ([]any, string, error)
}) []string {
	t.Helper()
	var out []string
	for i := range d.Len() {
		_, key, err := d.Sample(t.Context(), i)
		must(t, err)
		out = append(out, key)
	}
	return out
}

func TestFolder(t *testing.T) {
	tests := []struct {
		name    string
		files   []string
		classes []string // given
		want    []string // keys
		names   []string // classes
		labels  []int64
		skipped []string // path: reason
	}{
		{
			name:   "classes and paths in byte order",
			files:  []string{"b/2.jpg", "b/10.jpg", "a-b/x.jpg", "a/z.jpg", "a/s/1.jpg", "a/s-t/1.jpg", "B/1.jpg", "é/1.jpg"},
			want:   []string{"B/1.jpg", "a/s-t/1.jpg", "a/s/1.jpg", "a/z.jpg", "a-b/x.jpg", "b/10.jpg", "b/2.jpg", "é/1.jpg"},
			names:  []string{"B", "a", "a-b", "b", "é"},
			labels: []int64{0, 1, 1, 1, 2, 3, 3, 4},
		},
		{
			name:    "what is no image is reported",
			files:   []string{"a/1.jpg", "a/notes.txt", "a/.hidden.jpg", "a/.dir/1.jpg", "top.txt", "top.jpg", ".git/1.jpg", "a/deep/x.txt"},
			want:    []string{"a/1.jpg"},
			names:   []string{"a"},
			labels:  []int64{0},
			skipped: []string{".git: hidden", "a/.dir: hidden", "a/.hidden.jpg: hidden", "a/deep/x.txt: not an image", "a/notes.txt: not an image", "top.jpg: not in a class folder", "top.txt: not in a class folder"},
		},
		{
			name:   "content tells, whatever the extension",
			files:  []string{"a/photo", "a/photo.dat", "a/upper.JPG", "a/wrong.txt.jpg"},
			want:   []string{"a/photo", "a/photo.dat", "a/upper.JPG", "a/wrong.txt.jpg"},
			names:  []string{"a"},
			labels: []int64{0, 0, 0, 0},
		},
		{
			name:    "links",
			files:   []string{"a/1.jpg", "b -> a", "c/sub -> ../a", "c/up -> ..", "c/self -> .", "c/gone.jpg -> nowhere", "c/gone -> nowhere", "d -> nowhere", "a/l.jpg -> 1.jpg"},
			want:    []string{"a/1.jpg", "a/l.jpg", "b/1.jpg", "b/l.jpg", "c/gone.jpg", "c/sub/1.jpg", "c/sub/l.jpg", "c/up/a/1.jpg", "c/up/a/l.jpg", "c/up/b/1.jpg", "c/up/b/l.jpg"},
			names:   []string{"a", "b", "c"},
			labels:  []int64{0, 0, 1, 1, 2, 2, 2, 2, 2, 2, 2},
			skipped: []string{"c/gone: broken link", "c/self: link to a folder that holds it", "c/up/c: link to a folder that holds it", "c/up/d: broken link", "d: broken link"},
		},
		{
			name:    "a given mapping",
			files:   []string{"b/1.jpg", "a/1.jpg"},
			classes: []string{"z", "b", "a"},
			want:    []string{"a/1.jpg", "b/1.jpg"},
			names:   []string{"z", "b", "a"},
			labels:  []int64{2, 1},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := tree(t, tt.files...)
			f, err := source.OpenFolder(t.Context(), dir, &source.FolderOptions{Classes: tt.classes})
			must(t, err)
			defer f.Close()
			if got := keys(t, f); !slices.Equal(got, tt.want) {
				t.Errorf("keys: got %q, want %q", got, tt.want)
			}
			if got := f.Classes(); !slices.Equal(got, tt.names) {
				t.Errorf("classes: got %q, want %q", got, tt.names)
			}
			for i := range min(f.Len(), len(tt.labels)) {
				values, key, err := f.Sample(t.Context(), i)
				must(t, err)
				if want := filepath.Join(dir, filepath.FromSlash(key)); values[0] != fields.Path(want) || values[1] != tt.labels[i] {
					t.Errorf("sample %d: got %v, want [%s %d]", i, values, want, tt.labels[i])
				}
			}
			skipped := f.Skipped()
			for i, s := range skipped {
				if i >= len(tt.skipped) || !strings.HasPrefix(s.Path+": "+s.Reason, tt.skipped[i]) {
					t.Errorf("skipped %d: got %q, want %q", i, skipped, tt.skipped)
					break
				}
			}
			if len(skipped) < len(tt.skipped) {
				t.Errorf("skipped: got %q, want %q", skipped, tt.skipped)
			}
		})
	}
}

func TestFolderErrors(t *testing.T) {
	tests := []struct {
		name    string
		files   []string
		classes []string
		want    string
	}{
		{"no class folders", []string{"1.jpg", "2.txt"}, nil, "no class folders, 2 files directly in it"},
		{"nothing", nil, nil, "no class folders, 0 files"},
		{"empty class", []string{"a/1.jpg", "b/1.txt", "c/"}, nil, "no image in class folder b, c"},
		{"unknown class", []string{"a/1.jpg", "b/1.jpg"}, []string{"a", "c"}, `class folder "b" is not among the 2 known classes (a, c)`},
		{"no classes known", []string{"a/1.jpg"}, []string{}, "not among the 0 known"},
		{"twice", []string{"a/1.jpg"}, []string{"a", "a"}, `"a" is named twice`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f, err := source.OpenFolder(t.Context(), tree(t, tt.files...), &source.FolderOptions{Classes: tt.classes})
			if err == nil || !strings.Contains(err.Error(), tt.want) || f != nil {
				t.Errorf("got %v, %v; want an error with %q", f, err, tt.want)
			}
			var unknown *source.UnknownClassError
			if tt.name == "unknown class" && (!errors.As(err, &unknown) || unknown.Class != "b") {
				t.Errorf("got %#v, want an UnknownClassError of b", err)
			}
		})
	}
	if _, err := source.OpenFolder(t.Context(), filepath.Join(t.TempDir(), "none"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing folder: got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := tree(t, "a/1.jpg")
	if _, err := source.OpenFolder(ctx, dir, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
	f, err := source.OpenFolder(t.Context(), dir, nil)
	must(t, err)
	defer f.Close()
	if _, _, err := f.Sample(ctx, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled sample: got %v", err)
	}
	for _, i := range []int{-1, 1} {
		if _, _, err := f.Sample(t.Context(), i); err == nil {
			t.Errorf("sample %d of 1: got no error", i)
		}
	}
	for range 2 {
		must(t, f.Close())
	}
	if _, _, err := f.Sample(t.Context(), 0); !errors.Is(err, os.ErrClosed) {
		t.Errorf("closed: got %v", err)
	}
}

func TestFolderUnreadable(t *testing.T) {
	if runtime.GOOS == "windows" || os.Getuid() == 0 {
		t.Skip("permissions do not bind this user")
	}
	dir := tree(t, "a/1.jpg", "a/closed/2.jpg")
	must(t, os.Chmod(filepath.Join(dir, "a", "closed"), 0))
	if _, err := source.OpenFolder(t.Context(), dir, nil); !errors.Is(err, os.ErrPermission) {
		t.Errorf("got %v, want a permission error", err)
	}
}

func TestFolderPNG(t *testing.T) {
	dir := tree(t, "a/")
	var b bytes.Buffer
	must(t, png.Encode(&b, image.NewGray(image.Rect(0, 0, 3, 2))))
	must(t, os.WriteFile(filepath.Join(dir, "a", "scan"), b.Bytes(), 0o666))
	f, err := source.OpenFolder(t.Context(), dir, nil)
	must(t, err)
	defer f.Close()
	if got := keys(t, f); !slices.Equal(got, []string{"a/scan"}) {
		t.Errorf("got %q", got)
	}
	got := f.Fields()
	if len(got) != 2 || got[0].Name != "image" || got[1].Name != "label" ||
		got[0].Field.TypeID() != fields.TypeRGBImage || got[1].Field.TypeID() != fields.TypeInt {
		t.Errorf("fields: got %v", got)
	}
}
