package fields_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/betongo/betongo/fields"
)

// TestImageFileSize: an image file longer than any picture is refused by its
// size, before it is read into memory; one that is no image, by its beginning.
func TestImageFileSize(t *testing.T) {
	for _, tt := range []struct {
		what  string
		begin []byte
		size  int64
		want  string
	}{
		{"a JPEG with gigabytes behind", []byte("\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01"), 5 << 30, "more than 4294967296"},
		{"no image", []byte("hello"), 3 << 30, "not a JPEG"},
	} {
		name := filepath.Join(t.TempDir(), "x.jpg")
		if err := os.WriteFile(name, tt.begin, 0o666); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(name, tt.size); err != nil {
			t.Skipf("no file of %d bytes here: %v", tt.size, err)
		}
		_, err := encode(fields.RGBImage{}, fields.Path(name))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.what, err, tt.want)
		}
	}
}
