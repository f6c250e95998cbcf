package store_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/betongo/betongo/dataset"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/store"
)

// TestForeignIndex: an index at a URL names no local file, and nothing that is
// reached with other rights; a copy of it on the disk does.
func TestForeignIndex(t *testing.T) {
	path := written(t, 0, 100, 300)
	dir := t.TempDir()
	server := httptest.NewServer(http.FileServer(http.Dir(dir)))
	defer server.Close()
	for _, name := range []string{filepath.ToSlash(path), "file://" + filepath.ToSlash(path), "s3://bucket/x.beton", "../../x.beton"} {
		x, err := dataset.NewIndex([]*ffcv.File{ffcvtest.Map(t, path, nil)}, []string{name})
		if err != nil {
			t.Fatal(err)
		}
		b, err := x.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		index := filepath.Join(dir, "index.json")
		if err := os.WriteFile(index, b, 0o600); err != nil {
			t.Fatal(err)
		}
		url := server.URL + "/index.json"
		_, openErr := store.Open(t.Context(), []string{url + "?sig=secret"}, nil)
		_, filesErr := store.Files(t.Context(), []string{url + "?sig=secret"}, nil)
		for _, err := range []error{openErr, filesErr} {
			if err == nil || !strings.Contains(err.Error(), url) || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%s: %v", name, err)
			}
		}
		if !strings.HasPrefix(name, "file") && name != filepath.ToSlash(path) {
			continue
		}
		ds, err := store.Open(t.Context(), []string{index}, nil)
		if err != nil {
			t.Errorf("%s, of an index on the disk: %v", name, err)
			continue
		}
		if _, err := ds.Rows(0, 100, nil); err != nil {
			t.Error(err)
		}
		ds.Close()
	}
}
