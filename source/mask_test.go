package source_test

import (
	"bytes"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/source"
)

func TestFolderMasks(t *testing.T) {
	dir := tree(t, "a/long.jpg", "a/none.jpg", "a/other.jpg", "a/sub/x.jpeg", "b/text.jpg")
	// A size that comes behind more than what is read at first.
	photo := jpegBytes(t)
	segment := append([]byte{0xff, 0xe2, 0xff, 0xff}, make([]byte, 65533)...)
	must(t, os.WriteFile(filepath.Join(dir, "a", "long.jpg"), slices.Concat(photo[:2], segment, segment, photo[2:]), 0o666))
	must(t, os.WriteFile(filepath.Join(dir, "b", "text.jpg"), []byte("text"), 0o666))
	masks := t.TempDir()
	for name, size := range map[string]image.Point{"a/long.png": {X: 8, Y: 6}, "a/other.png": {X: 6, Y: 8}, "a/sub/x.png": {X: 8, Y: 6}, "b/text.png": {X: 8, Y: 6}} {
		var b bytes.Buffer
		must(t, png.Encode(&b, image.NewGray(image.Rectangle{Max: size})))
		path := filepath.Join(masks, filepath.FromSlash(name))
		must(t, os.MkdirAll(filepath.Dir(path), 0o777))
		must(t, os.WriteFile(path, b.Bytes(), 0o666))
	}
	mask := fields.Image{Channels: 1, DType: array.Uint16}
	f, err := source.OpenFolder(t.Context(), dir, &source.FolderOptions{Masks: masks, Mask: mask})
	must(t, err)
	defer f.Close()
	if list := f.Fields(); len(list) != 3 || list[2].Name != "mask" || list[2].Field != fields.Field(mask) {
		t.Errorf("fields %v", list)
	}
	for i, want := range []struct{ key, err string }{
		{"a/long.jpg", ""},
		{"a/none.jpg", "none.jpg: no mask: "},
		{"a/other.jpg", "other.jpg 8x6; expected the same size"},
		{"a/sub/x.jpeg", ""},
		{"b/text.jpg", "text.jpg: rgb: unsupported: not a JPEG"},
	} {
		values, key, err := f.Sample(t.Context(), i)
		if key != want.key {
			t.Errorf("sample %d: key %q, want %q", i, key, want.key)
		}
		if want.err == "" {
			path := fields.Path(filepath.Join(masks, filepath.FromSlash(strings.TrimSuffix(key, filepath.Ext(key))+".png")))
			if err != nil || len(values) != 3 || values[2] != path {
				t.Errorf("%s: %v, %v; want the mask %s", key, values, err, path)
			}
		} else if err == nil || !strings.Contains(err.Error(), want.err) || values != nil {
			t.Errorf("%s: %v, %v; want an error that says %q", key, values, err, want.err)
		}
	}
	if _, err := source.OpenFolder(t.Context(), dir, &source.FolderOptions{Masks: filepath.Join(dir, "a", "none.jpg")}); err == nil || !strings.Contains(err.Error(), "not a folder") {
		t.Errorf("a file as the folder of masks: %v", err)
	}
}
