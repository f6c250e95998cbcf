package source

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// pile is a store of objects in memory, by their URLs.
type pile map[string][]byte

func (s pile) List(_ context.Context, folder string, deep bool, yield func(string, int64) error) error {
	var names []string
	for name := range s {
		if rel, ok := strings.CutPrefix(name, folder); ok && (deep || !strings.Contains(rel, "/")) {
			names = append(names, rel)
		}
	}
	slices.Sort(names)
	for _, rel := range names {
		if err := yield(rel, int64(len(s[folder+rel]))); err != nil {
			return err
		}
	}
	return nil
}

func (s pile) Read(_ context.Context, name string, n int64) ([]byte, error) {
	b, ok := s[name]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return bytes.Clone(b[:min(n, int64(len(b)))]), nil
}

func (s pile) Size(ctx context.Context, name string) (int64, error) {
	b, err := s.Read(ctx, name, maxObject)
	return int64(len(b)), err
}

func (s pile) Open(ctx context.Context, name string) (Blob, error) {
	b, err := s.Read(ctx, name, maxObject)
	if err != nil {
		return nil, err
	}
	return &object1{Reader: bytes.NewReader(b)}, nil
}

// object1 is an object that counts what is read of it.
type object1 struct {
	*bytes.Reader
	reads int
	bytes int64
}

func (o *object1) Close() error { return nil }

func (o *object1) ReadAt(p []byte, off int64) (int, error) {
	o.reads++
	o.bytes += int64(len(p))
	return o.Reader.ReadAt(p, off)
}

func TestBlob(t *testing.T) {
	data := []byte("0123456789abcdef")
	file := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(file, data, 0o666); err != nil {
		t.Fatal(err)
	}
	st := pile{"mem://b/x": data}
	for _, name := range []string{file, "mem://b/x"} {
		b, err := openBlob(t.Context(), name, st)
		if err != nil {
			t.Fatal(err)
		}
		if b.Size() != int64(len(data)) {
			t.Errorf("%s: got %d bytes, want %d", name, b.Size(), len(data))
		}
		if err := iotest.TestReader(io.NewSectionReader(b, 0, b.Size()), data); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, test := range []struct {
			off, n int64
			want   string
			ok     bool
		}{
			{0, 16, string(data), true}, {3, 4, "3456", true}, {16, 0, "", true}, {15, 1, "f", true},
			{15, 2, "", false}, {17, 0, "", false}, {-1, 1, "", false}, {0, -1, "", false}, {1, 1<<63 - 1, "", false}, {1<<63 - 1, 1, "", false},
		} {
			got, err := readBlob(t.Context(), b, test.off, test.n)
			if string(got) != test.want || (err == nil) != test.ok {
				t.Errorf("%s: %d bytes from %d: got %q, %v, want %q", name, test.n, test.off, got, err, test.want)
			}
		}
		if err := errors.Join(b.Close(), b.Close()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := openBlob(t.Context(), "mem://b/x", nil); err == nil {
		t.Error("a URL without a store opens")
	}
	for _, name := range []string{file + ".none", "mem://b/none"} {
		if _, err := openBlob(t.Context(), name, st); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: got %v, want fs.ErrNotExist", name, err)
		}
	}
}

// stalled is an object whose answers never come until it is closed.
type stalled struct {
	*object1
	closed chan struct{}
}

func (o stalled) ReadAt([]byte, int64) (int, error) {
	<-o.closed
	return 0, os.ErrClosed
}

func TestBlobCancelled(t *testing.T) {
	b := stalled{&object1{Reader: bytes.NewReader(make([]byte, 10))}, make(chan struct{})}
	defer close(b.closed)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := readBlob(ctx, b, 0, 10); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want context.DeadlineExceeded", err)
	}
}

// A pass over an object by small parts takes few requests.
func TestScanBlob(t *testing.T) {
	data := make([]byte, 3*scanSize+100)
	for i := range data {
		data[i] = byte(i >> 9)
	}
	b := &object1{Reader: bytes.NewReader(data)}
	s := scanBlob(t.Context(), b)
	head := make([]byte, 512)
	for off := int64(0); off < int64(len(data)); off += 512 {
		n, err := s.ReadAt(head, off)
		if !bytes.Equal(head[:n], data[off:min(off+512, int64(len(data)))]) || (n < 512) != (err == io.EOF) {
			t.Fatalf("at %d: got %d bytes, %v", off, n, err)
		}
	}
	if b.reads != 4 || b.bytes != int64(len(data)) {
		t.Errorf("got %d reads of %d bytes, want 4 of %d", b.reads, b.bytes, len(data))
	}
	if n, err := s.ReadAt(head, int64(len(data))); n != 0 || err != io.EOF {
		t.Errorf("behind the end: got %d, %v", n, err)
	}
	if _, err := s.ReadAt(head, -1); err == nil {
		t.Error("before the beginning: no error")
	}
	// What is larger than a run is one read.
	large := make([]byte, scanSize+512)
	if n, err := s.ReadAt(large, 512); n != len(large) || err != nil || !bytes.Equal(large, data[512:][:n]) {
		t.Errorf("a large part: got %d, %v", n, err)
	}
}

func TestExpandBraces(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"a.tar", "a.tar"},
		{"", ""},
		{"x-{000..003}.tar", "x-000.tar x-001.tar x-002.tar x-003.tar"},
		{"{8..11}", "8 9 10 11"},
		{"{08..11}", "08 09 10 11"},
		{"{8..011}", "008 009 010 011"},
		{"{3..1}", "3 2 1"},
		{"{-1..1}", "-1 0 1"},
		{"{-01..1}", "-01 000 001"},
		{"{0..7..3}", "0 3 6"},
		{"{7..0..3}", "7 4 1"},
		{"{0..7..-3}", "0 3 6"},
		{"{1..2..0}", "1 2"},
		{"{a..e..2}", "a c e"},
		{"{c..a}", "c b a"},
		{"{a,b}", "a b"},
		{"{a,}x", "ax x"},
		{"{,}", " "},
		{"{a,b}{0..1}", "a0 a1 b0 b1"},
		{"{a,b{1,2},c}", "a b1 b2 c"},
		{"{train-{00..01},val}.tar", "train-00.tar train-01.tar val.tar"},
		{"{{0..1}..2}", "{0..2} {1..2}"},
		{"{a}", "{a}"},
		{"{}", "{}"},
		{"{a", "{a"},
		{"a}", "a}"},
		{"{1{2,3}", "{12 {13"},
		{"{a,b}}", "a} b}"},
		{"{a..}", "{a..}"},
		{"{1..b}", "{1..b}"},
		{"{1..2..x}", "{1..2..x}"},
		{"{a..bc}", "{a..bc}"},
		{"{1.5..2}", "{1.5..2}"},
		{"${HOME}/x", "${HOME}/x"},
		{"{9223372036854775806..9223372036854775807}", "{9223372036854775806..9223372036854775807}"},
	} {
		got, err := expandBraces(test.text)
		if err != nil || strings.Join(got, " ") != test.want {
			t.Errorf("%q: got %q, %v, want %q", test.text, got, err, test.want)
		}
	}
	for _, text := range []string{"{0..99999999}", "{0..1023}{0..1023}{0..1}", "{-4000000000000000000..4000000000000000000}"} {
		if list, err := expandBraces(text); err == nil {
			t.Errorf("%q: %d names and no error", text, len(list))
		}
	}
}

func TestExpandShards(t *testing.T) {
	dir := t.TempDir()
	st := pile{}
	for _, name := range []string{"a-000.tar", "a-001.tar", "a-010.tar", "b/x.tar", "b/y.tar", "c/x.tar", "[odd].tar", "{0,1}.tar", "b/deep/z.tar"} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o666); err != nil {
			t.Fatal(err)
		}
		st["s3://bucket/d/"+name] = nil
	}
	if err := os.Symlink("a-000.tar", filepath.Join(dir, "link.tar")); err != nil {
		t.Skip(err)
	}
	base := filepath.ToSlash(dir) + "/"
	for _, test := range []struct {
		names, want string
		fails       error // errAny: some error
	}{
		{"a-000.tar", "a-000.tar", nil},
		{"a-{000..001}.tar", "a-000.tar a-001.tar", nil},
		{"a-{001,000}.tar", "a-001.tar a-000.tar", nil},
		{"a-*.tar", "a-000.tar a-001.tar a-010.tar", nil},
		{"a-01?.tar b/*.tar", "a-010.tar b/x.tar b/y.tar", nil},
		{"*/x.tar", "b/x.tar c/x.tar", nil},
		{"{c,b}/*.tar", "c/x.tar b/x.tar b/y.tar", nil},
		{"b/*/z.tar", "b/deep/z.tar", nil},
		{"a-00[12].tar", "a-001.tar", nil},
		{"a-{000..002}.tar", "", fs.ErrNotExist},
		{"z-*.tar", "", fs.ErrNotExist},
		{"a-000.tar a-*.tar", "", errAny},
		{"a-[.tar", "", errAny},
	} {
		for _, at := range []string{base, "s3://bucket/d/"} {
			var names, want []string
			for _, n := range strings.Fields(test.names) {
				names = append(names, at+n)
			}
			for _, n := range strings.Fields(test.want) {
				want = append(want, at+n)
			}
			got, err := expandShards(t.Context(), names, st)
			for i := range got {
				got[i] = filepath.ToSlash(got[i])
			}
			if at != base && test.names == "a-{000..002}.tar" {
				continue // whether an object is there opening it says
			}
			if test.fails == nil && err != nil || test.fails != nil && err == nil || test.fails == fs.ErrNotExist && !errors.Is(err, fs.ErrNotExist) || !slices.Equal(got, want) {
				t.Errorf("%q: got %q, %v, want %q, %v", names, got, err, want, test.fails)
			}
		}
	}
	for _, name := range []string{base + "[odd].tar", base + "{0,1}.tar", "s3://bucket/d/[odd].tar", "https://host/a.tar?x=*&y=[z]"} {
		if got, err := expandShards(t.Context(), []string{name}, st); err != nil || len(got) != 1 || got[0] != name {
			t.Errorf("%q: got %q, %v, want itself", name, got, err)
		}
	}
	got, err := expandShards(t.Context(), []string{"https://u:secret@host/x-{0..1}.tar?token=1"}, nil)
	if err != nil || !slices.Equal(got, []string{"https://u:secret@host/x-0.tar?token=1", "https://u:secret@host/x-1.tar?token=1"}) {
		t.Errorf("of the web: got %q, %v", got, err)
	}
	for _, names := range [][]string{nil, {"https://u:secret@host/*.tar?token=secret"}, {"https://u:secret@host/a?token=secret", "https://u:secret@host/a?token=secret"},
		{base + "a-000.tar", base + "./a-000.tar"}, {base + "a-000.tar", base + "link.tar"}} {
		got, err := expandShards(t.Context(), names, st)
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: got %q, %v, want an error that keeps quiet", names, got, err)
		}
	}
	for name, want := range map[string]string{
		"s3://me:secret@bucket/a@b": "s3://bucket/a@b", "s3://me:a/secret@bucket/b": "s3://bucket/b", "gs://bucket/a@b": "gs://bucket/a@b", "a@b/c": "a@b/c", "https://me:secret@host/a@b?secret": "https://host/a@b",
	} {
		if got := shown(name); got != want {
			t.Errorf("%q is shown as %q, want %q", name, got, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := expandShards(ctx, []string{base + "a-*.tar"}, st); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
}

var errAny = errors.New("any")
