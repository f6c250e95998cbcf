package build_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/betongo/betongo/build"
)

// zeros is a file of nothing but zeros, of any size.
type zeros struct{ at, size int64 }

func (z *zeros) Read(b []byte) (int, error) {
	n := min(int64(len(b)), z.size-z.at)
	if n == 0 {
		return 0, io.EOF
	}
	clear(b[:n])
	z.at += n
	return int(n), nil
}

func (z *zeros) Seek(off int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		off += z.at
	case io.SeekEnd:
		off += z.size
	}
	z.at = off
	return off, nil
}

// TestVastObject: an object of a table that is larger than a value may be is an
// error that says so, and not its first 4 GiB; none of it is read, and nothing
// written.
func TestVastObject(t *testing.T) {
	const size = 4<<30 + 1
	read := int64(0)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"1"`)
		if r.URL.Path == "/t.csv" {
			http.ServeContent(w, r, "", time.Time{}, strings.NewReader("photo,y\nx.jpg,1\n"))
			return
		}
		z := &zeros{size: size}
		http.ServeContent(w, r, "", time.Time{}, z)
		if r.Method == http.MethodGet {
			read = max(read, z.at)
		}
	}))
	defer server.Close()
	r := build.Recipe{Table: &build.Table{File: server.URL + "/t.csv", Fields: []string{"photo=rgb", "y=int"}}}
	out := filepath.Join(t.TempDir(), "out.beton")
	src, err := r.Open(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	_, err = r.Write(t.Context(), src, out, nil)
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%s/x.jpg: %d bytes; a sample's file has at most", server.URL, int64(size))) {
		t.Errorf("%v", err)
	}
	if read > 1<<20 {
		t.Errorf("%d bytes were read", read)
	}
	if rest, err := os.ReadDir(filepath.Dir(out)); err != nil || len(rest) > 0 {
		t.Errorf("left behind: %v, %v", rest, err)
	}
}
