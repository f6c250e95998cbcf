package webdataset_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/betongo/betongo/record/webdataset"
)

func member(ext, data string) webdataset.Member {
	return webdataset.Member{Ext: ext, Data: []byte(data)}
}

func TestWriter(t *testing.T) {
	long := strings.Repeat("long/", 60) + "x"
	var b bytes.Buffer
	w := webdataset.NewWriter(&b)
	for _, key := range []string{"cat/0", "cat.d/1", "cat 2", "ü/3", long, "cat/0"} {
		if err := w.Write(key, []webdataset.Member{member("jpg", key), member("cls", "0"), member("seg.png", ""), member("bin", strings.Repeat("x", 513))}); err != nil {
			t.Fatal(err)
		}
	}
	if w.Size() != int64(b.Len()) || w.Size()%512 != 0 {
		t.Errorf("Size: got %d, want %d", w.Size(), b.Len())
	}
	if err := errors.Join(w.Close(), w.Close()); err != nil {
		t.Fatal(err)
	}
	if w.Size() != int64(b.Len()) {
		t.Errorf("Size: got %d, want %d", w.Size(), b.Len())
	}
	// The standard library's reader as the second opinion.
	r := tar.NewReader(&b)
	var names []string
	for {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if h.ModTime.Unix() != 0 || h.Uid != 0 || h.Uname != "" || h.Mode != 0o444 || h.Typeflag != tar.TypeReg {
			t.Errorf("%s: header %+v", h.Name, h)
		}
		if key, ok := strings.CutSuffix(h.Name, ".jpg"); ok && string(data) != key {
			t.Errorf("%s holds %q", h.Name, data)
		}
		names = append(names, h.Name)
	}
	want := ""
	for _, key := range []string{"cat/0", "cat.d/1", "cat 2", "ü/3", long, "cat/0"} {
		want += fmt.Sprintf("%[1]s.jpg %[1]s.cls %[1]s.seg.png %[1]s.bin ", key)
	}
	if got := strings.Join(names, " ") + " "; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestWriterRefuses(t *testing.T) {
	jpg := []webdataset.Member{member("jpg", "x")}
	for _, test := range []struct {
		key     string
		members []webdataset.Member
		want    string
	}{
		{"", jpg, "without a name"},
		{"/a", jpg, "absolute"},
		{"C:/a", jpg, "absolute"},
		{"../a", jpg, "climbs out"},
		{"a/../../b", jpg, "climbs out"},
		{`a\..\b`, jpg, "climbs out"},
		{"a/", jpg, "ends in"},
		{"a//b", jpg, "no plain path"},
		{"./a", jpg, "no plain path"},
		{"a.b", jpg, "a dot in its last part"},
		{"a/.b", jpg, "a dot in its last part"},
		{"a\x00", jpg, "zero byte"},
		{"a\xff", jpg, "UTF-8"},
		{"__meta__", jpg, "WebDataset's own"},
		{"__meta__/x", jpg, "WebDataset's own"},
		{"before", jpg, "the sample before"},
		{"a", nil, "no members"},
		{"a", []webdataset.Member{member("", "x")}, "no extension"},
		{"a", []webdataset.Member{member("JPG", "x")}, "lower case"},
		{"a", []webdataset.Member{member("a/b", "x")}, "end of a file's name"},
		{"a", []webdataset.Member{member("__key__", "x")}, "WebDataset's own"},
		{"a", []webdataset.Member{member("\xff", "x")}, "UTF-8"},
		{"a", []webdataset.Member{member("a", "x"), member("b", "x"), member("a", "x")}, "two members"},
	} {
		w := webdataset.NewWriter(io.Discard)
		if err := w.Write("before", jpg); err != nil {
			t.Fatal(err)
		}
		err := w.Write(test.key, test.members)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: got %v, want %q", test.key, err, test.want)
		}
		if got := w.Write("good", jpg); got != err {
			t.Errorf("%q: then %v, want the same", test.key, got)
		}
		if got := w.Close(); got != err {
			t.Errorf("%q: Close: %v, want the same", test.key, got)
		}
	}
	w := webdataset.NewWriter(io.Discard)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := w.Write("a", jpg); err == nil {
		t.Error("Write behind Close: no error")
	}
}

// full is a disk that takes n bytes.
type full struct{ n int }

var errFull = errors.New("no space")

func (f *full) Write(b []byte) (int, error) {
	if len(b) > f.n {
		return 0, errFull
	}
	f.n -= len(b)
	return len(b), nil
}

func TestWriterFull(t *testing.T) {
	for n := 0; n < 4*512; n += 100 {
		w := webdataset.NewWriter(&full{n})
		err := w.Write("a", []webdataset.Member{member("jpg", "x")})
		if closed := w.Close(); closed == nil || !errors.Is(closed, errFull) || err != nil && closed != err {
			t.Errorf("%d bytes: got %v, then %v, want the disk's error", n, err, closed)
		}
	}
}
