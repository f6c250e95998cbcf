package advice_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/advice"
	"github.com/betongo/betongo/internal/regular"
	"github.com/betongo/betongo/internal/term"
	"github.com/betongo/betongo/remote"
)

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

// TestKind checks what files are taken for, by what they begin with.
func TestKind(t *testing.T) {
	t.Chdir(t.TempDir())
	for i, tt := range []struct{ name, text, what, do string }{
		{"x", "\xff\xd8\xff\xe0", "a JPEG", "x is a picture; 'ffcvwrite folder DIR"},
		{"x.jpg", "\x00\x00\x00\x18ftypheic\x00\x00", "a HEIC picture", "convert it to JPEG"},
		{"s.tar", strings.Repeat("\x00", 257) + "ustar  \x00", "a tar archive", "'ffcvwrite webdataset s.tar -o s.beton'"},
		{"s.tar.gz", "\x1f\x8b\x08", "compressed by gzip", "'gunzip s.tar.gz'"},
		{"z.npz", "PK\x03\x04", "a zip archive", "'ffcvconvert --list z.npz'"},
		{"p", "PAR1", "a Parquet file", "'ffcvwrite parquet p -o p.beton'"},
		{"h.h5", "\x89HDF\r\n\x1a\n", "an HDF5 file", "'ffcvwrite hdf5 h.h5 -o h.beton'"},
		{"a.npy", "\x93NUMPY\x01", "a NumPy array", "'ffcvwrite arrays a.npy -o a.beton'"},
		{"l.beton", "version https://git-lfs.github.com/spec/v1", "a pointer of Git LFS", "'git lfs pull'"},
		{"w.beton", "<html><body>", "a web page", "a server's answer"},
		{"e.beton", "", "empty", "fetch it again"},
		{"t.csv", "a,b\n", "a table", "'ffcvwrite table t.csv -o t.beton"},
		{"t.txt", "hello", "a text", "t.txt is a text"},
		{"r.tfrecord", "\x10\x00\x00\x00\x00\x00\x00\x00", "a TFRecord file", "'ffcvwrite tfrecord r.tfrecord"},
		{"i.json", "{}", "JSON", "'ffcvwrite coco i.json"},
		{"b.beton", "\x02\x00\x01\x00", "a .beton", "'ffcv info b.beton'"},
		{"what", "\x00\x01\xff\xfe\x00", "", "'file what'"},
		{"P", string([]byte{'P', 'A', 'R'}), "a text", "a text"},
	} {
		name := filepath.Join(fmt.Sprint(i), tt.name)
		write(t, name, tt.text)
		t.Chdir(fmt.Sprint(i))
		if what, do := advice.Kind(tt.name); what != tt.what || !strings.Contains(do, tt.do) {
			t.Errorf("%s: got %q, %q; want %q, %q", tt.name, what, do, tt.what, tt.do)
		}
		t.Chdir("..")
	}
	for _, tt := range []struct{ file, what, do string }{
		{"mds/index.json", "a dataset of MosaicML Streaming", "'ffcvwrite mds mds -o mds.beton'"},
		{"made/x.beton", "a folder with .beton files", "'made/*.beton'"},
		{"shards/0.tar", "a folder with tar shards", "'ffcvwrite webdataset \"shards/*.tar\" -o shards.beton'"},
		{"hf/0.parquet", "a folder with Parquet files", "'ffcvwrite parquet hf -o hf.beton'"},
		{"PHOTOS/cat/1.jpg", "a folder with folders", "PHOTOS is a folder with 1 folders; if"},
		{"flat/1.JPG", "a folder with pictures", "one that has a folder for each class"},
		{"odd/1.c", "a folder", "expected a file"},
	} {
		write(t, tt.file, "x")
		dir, _, _ := strings.Cut(tt.file, "/")
		if what, do := advice.Kind(dir); what != tt.what || !strings.Contains(do, tt.do) {
			t.Errorf("%s: got %q, %q; want %q, %q", dir, what, do, tt.what, tt.do)
		}
	}
	if what, do := advice.Kind("nowhere"); what+do != "" {
		t.Errorf("nowhere: %q, %q", what, do)
	}
}

func TestOf(t *testing.T) {
	t.Chdir(t.TempDir())
	write(t, "train.beton", "PAR1")
	write(t, "dir/x", "x")
	_, gone := os.Open("trian.beton")
	_, far := os.Open("nowhere/x.beton")
	_, kind := regular.Open("dir")
	path := func(err error) error { return &fs.PathError{Op: "open", Path: "dir/x", Err: err} }
	for _, tt := range []struct {
		err  error
		want string // in the hint; "" none
	}{
		{nil, ""},
		{errors.New("something else"), ""},
		{gone, "did you mean train.beton?"},
		{fmt.Errorf("classes: %w", gone), "did you mean train.beton?"},
		{far, "the folder nowhere is not there either, seen from "},
		{fmt.Errorf("create nowhere/x.beton: %w", far), "'mkdir -p nowhere' makes the folder"},
		{&fs.PathError{Op: "stat", Path: "s3:/b/x", Err: fs.ErrNotExist}, "two slashes: s3://b/x"},
		{kind, "dir is a folder"},
		{path(fs.ErrPermission), "may not read dir/x; "},
		{fmt.Errorf("create x: %w", path(fs.ErrPermission)), "may not write dir/x; "},
		{fmt.Errorf("open s3://b/x: %w", remote.ErrDenied), "--anonymous"},
		{fmt.Errorf("open s3://b/x: %w", remote.ErrNotExist), "no object has that name"},
		{errors.New("open https://h/x: connection refused (tried 9 times)"), "nobody answers there"},
		{&ffcv.FormatError{File: "train.beton", Sample: -1, Err: errors.New("not a .beton: version 1")}, "a Parquet file: 'ffcvwrite parquet train.beton"},
		{&ffcv.FormatError{File: "train.beton", Sample: -1, Err: errors.New("the file ends at 3: it was cut short")}, "fetch it again"},
		{&ffcv.FormatError{File: "train.beton", Sample: 3, Err: errors.New("broken")}, ""},
		{errors.New("folder a/b: no class folders, 3 files directly in it"), "'mkdir a/b/cat && mv a/b/*.jpg a/b/cat'"},
		{errors.New(`pattern "x-*": no file matches it`), "in quotes"},
	} {
		got := advice.Of(tt.err)
		hint := term.Hint(got)
		if (hint == "") != (tt.want == "") || !strings.Contains(hint, tt.want) || !errors.Is(got, tt.err) {
			t.Errorf("%v: hint %q, want %q", tt.err, hint, tt.want)
		}
	}
	own := term.WithHint(gone, "mine")
	if got := advice.Of(own); got != own {
		t.Errorf("a hint that is there: got %q", term.Hint(got))
	}
}

// TestFull: a full disk is one by whatever names it.
func TestFull(t *testing.T) {
	err := fmt.Errorf("write x: %w", &fs.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC})
	if got := term.Hint(advice.Of(err)); full && !strings.Contains(got, "the disk is full") {
		t.Errorf("got %q", got)
	}
}
