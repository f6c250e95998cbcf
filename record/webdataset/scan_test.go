package webdataset_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/internal/race"
	"github.com/betongo/betongo/record/webdataset"
)

const golden = "../../testdata/records/webdataset"

// read returns the samples of an archive with their members' bytes, and what was
// skipped.
func read(b []byte) (list []sample, skipped []string, err error) {
	err = webdataset.Scan(bytes.NewReader(b), int64(len(b)), webdataset.Visitor{
		Sample: func(s *webdataset.Sample) error {
			x := sample{Key: s.Key, data: map[string]string{}}
			for _, e := range s.Entries {
				x.data[e.Ext] = string(b[e.Off:][:e.Size])
			}
			list = append(list, x)
			return nil
		},
		Skip: func(name, _ string) { skipped = append(skipped, name) },
	})
	return list, skipped, err
}

type sample struct {
	Key     string
	Members map[string]string // SHA-256
	data    map[string]string
}

func sums(data map[string]string) map[string]string {
	out := map[string]string{}
	for ext, b := range data {
		out[ext] = fmt.Sprintf("%x", sha256.Sum256([]byte(b)))
	}
	return out
}

// What is read is what WebDataset reads.
func TestGoldens(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(golden, "told.json"))
	if err != nil {
		t.Fatal(err)
	}
	var told map[string][]sample
	if err := json.Unmarshal(text, &told); err != nil {
		t.Fatal(err)
	}
	n := 0
	for name, want := range told {
		if !strings.HasSuffix(name, ".tar") {
			continue // compressed: the source unpacks it
		}
		n++
		b, err := os.ReadFile(filepath.Join(golden, name))
		if err != nil {
			t.Fatal(err)
		}
		got, skipped, err := read(b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(got) != len(want) {
			t.Errorf("%s: got %d samples, want %d", name, len(got), len(want))
			continue
		}
		for i := range got {
			if got[i].Key != want[i].Key || !maps.Equal(sums(got[i].data), want[i].Members) {
				t.Errorf("%s: sample %d: got %q %v, want %q %v", name, i, got[i].Key, sums(got[i].data), want[i].Key, want[i].Members)
			}
		}
		if want := []string{"__meta__", "__meta__/x.jpg", "__meta__/deep/x.jpg", "README"}; name == "odd.tar" && !slices.Equal(skipped, want) {
			t.Errorf("%s: skipped %q, want %q", name, skipped, want)
		}
	}
	if n < 7 {
		t.Errorf("%d archives; expected at least 7", n)
	}
}

// archive writes an archive by the standard library.
func archive(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for i, h := range headers {
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		if err := w.WriteHeader(&h); err != nil {
			t.Fatalf("header %d: %v", i, err)
		}
		if _, err := w.Write(bytes.Repeat([]byte{'x'}, int(h.Size))); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// patched changes bytes of the header at off, and its sum.
func patched(b []byte, off, at int, text string) []byte {
	b = bytes.Clone(b)
	copy(b[off+at:], text)
	copy(b[off+148:], "        ")
	sum := 0
	for _, c := range b[off : off+512] {
		sum += int(c)
	}
	copy(b[off+148:], fmt.Sprintf("%06o\x00 ", sum))
	return b
}

func TestScanRefuses(t *testing.T) {
	file := func(name string) tar.Header { return tar.Header{Name: name, Size: 3} }
	plain := archive(t, file("a.jpg"), file("a.cls"))
	sparse := archive(t, tar.Header{Name: "a.jpg", Size: 3, Format: tar.FormatPAX, PAXRecords: map[string]string{"VENDOR.sparse.map": "0"}})
	for _, test := range []struct {
		name string
		b    []byte
		want []string
	}{
		{"nothing", nil, []string{"no tar archive", "at byte 0"}},
		{"text", []byte(strings.Repeat("this is no archive ", 50)), []string{"no tar archive", "sum is wrong"}},
		{"short text", []byte("<html>"), []string{"no tar archive"}},
		{"up", archive(t, file("a.jpg"), file("../b.jpg")), []string{`"../b.jpg" at byte 1024`, "climbs out"}},
		{"up in the middle", archive(t, file("a/../../b.jpg")), []string{"climbs out"}},
		{"up by a backslash", archive(t, file(`a\..\..\b.jpg`)), []string{"climbs out"}},
		{"absolute", archive(t, file("/etc/a.jpg")), []string{"absolute"}},
		{"drive", archive(t, file("C:/a.jpg")), []string{"absolute"}},
		{"symbolic link", archive(t, tar.Header{Name: "a.jpg", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}), []string{`"a.jpg"`, "a link"}},
		{"hard link", archive(t, tar.Header{Name: "a.jpg", Typeflag: tar.TypeLink, Linkname: "b.jpg"}), []string{"a link"}},
		{"device", archive(t, tar.Header{Name: "a.jpg", Typeflag: tar.TypeChar}), []string{"a device"}},
		{"pipe", archive(t, tar.Header{Name: "a.jpg", Typeflag: tar.TypeFifo}), []string{"a device"}},
		{"sparse", patched(plain, 0, 156, "S"), []string{`"a.jpg"`, "sparse"}},
		{"sparse by PAX", bytes.Replace(sparse, []byte("VENDOR.sparse.map"), []byte("GNU.sparse.map123"), 1), []string{"sparse"}},
		{"volume", patched(plain, 0, 156, "M"), []string{"another volume"}},
		{"type", patched(plain, 0, 156, "Z"), []string{`type 'Z'`}},
		{"twice", archive(t, file("a.jpg"), file("a.cls"), file("a.JPG")), []string{`"a.JPG" at byte 2048`, "a member jpg already"}},
		{"not together", archive(t, file("a.jpg"), file("b.jpg"), file("a.cls")), []string{`"a.cls" at byte 2048`, "sample at byte 0", "follow each other"}},
		{"two archives", slices.Concat(plain, plain), []string{"two archives"}},
		{"no end", plain[:2048], []string{"no end", "at byte 2048"}},
		{"half of a member", plain[:1536+2], []string{`"a.cls" at byte 1024`, "3 bytes", "unexpected EOF"}},
		{"size", patched(plain, 0, 124, "77777777777\x00"), []string{"unexpected EOF"}},
		{"no number", patched(plain, 0, 124, "8"), []string{"octal"}},
		{"negative size", patched(plain, 0, 124, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), []string{"negative"}},
		{"huge size", patched(plain, 0, 124, "\x80\x00\x00\x00\x7f\xff\xff\xff\xff\xff\xff\xff"), []string{"a member of 9223372036854775807 bytes"}},
		{"more than 63 bits", patched(plain, 0, 124, "\x80\x00\x00\x01\x7f\xff\xff\xff\xff\xff\xff\xff"), []string{"63 bits"}},
		{"sum", append([]byte("b"), plain[1:]...), []string{"sum is wrong"}},
		{"long header", patched(archive(t, tar.Header{Name: "ü.jpg", Size: 3}), 0, 124, "00007777777\x00"), []string{"at most 1048576"}},
	} {
		list, _, err := read(test.b)
		var e *webdataset.Error
		if !errors.As(err, &e) {
			t.Errorf("%s: got %v, want an *Error", test.name, err)
			continue
		}
		for _, w := range test.want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%s: got %q of %v, want it to tell of %q", test.name, err, list, w)
			}
		}
	}
}

// Numbers of GNU, sums of signed bytes, and names as USTAR splits them.
func TestScanOdd(t *testing.T) {
	plain := archive(t, tar.Header{Name: "a.jpg", Size: 3})
	for name, b := range map[string][]byte{
		"size in base 256":   patched(plain, 0, 124, "\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x03"),
		"blanks in the size": patched(plain, 0, 124, "          3 "),
		"old type":           patched(plain, 0, 156, "\x00"),
		"contiguous":         patched(plain, 0, 156, "7"),
		"one block of zeros": plain[:1536],
		"no padding":         append(slices.Clone(plain[:512+3]), []byte{}...),
	} {
		got, _, err := read(b)
		if name == "no padding" {
			if err == nil || !strings.Contains(err.Error(), "no end") {
				t.Errorf("%s: got %v", name, err)
			}
			continue
		}
		if err != nil || len(got) != 1 || got[0].Key != "a" || got[0].data["jpg"] != "xxx" {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
	split := patched(plain, 0, 345, "cat/deep")
	if got, _, err := read(split); err != nil || len(got) != 1 || got[0].Key != "cat/deep/a" {
		t.Errorf("prefix: got %v, %v", got, err)
	}
	dots := archive(t, tar.Header{Name: "./", Typeflag: tar.TypeDir}, tar.Header{Name: "./cat/1.jpg", Size: 3}, tar.Header{Name: "./cat/1.cls", Size: 3}, tar.Header{Name: "./cat/._1.jpg", Size: 3})
	got, skipped, err := read(dots)
	if err != nil || len(got) != 1 || got[0].Key != "cat/1" || len(got[0].data) != 2 || !slices.Equal(skipped, []string{"cat/._1.jpg"}) {
		t.Errorf("names with ./: got %v, %q, %v", got, skipped, err)
	}
}

func TestSplit(t *testing.T) {
	for _, test := range []struct{ name, key, ext string }{
		{"a.jpg", "a", "jpg"}, {"a.b.JPG", "a", "b.jpg"}, {"x.y/a.jpg", "x.y/a", "jpg"}, {"x/a.", "x/a", ""},
		{"a", "", ""}, {".a", "", ""}, {"x/.a.jpg", "", ""}, {"x.y/a", "", ""}, {"", "", ""},
	} {
		key, ext, ok := webdataset.Split(test.name)
		if key != test.key || ext != test.ext || ok != (test.key != "") {
			t.Errorf("%q: got %q, %q, %v", test.name, key, ext, ok)
		}
	}
}

// An archive that is cut anywhere is an error, and so is a stream that ends there.
func TestScanCut(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(golden, "odd.tar"))
	if err != nil {
		t.Fatal(err)
	}
	all, _, err := read(b)
	if err != nil {
		t.Fatal(err)
	}
	end := len(bytes.TrimRight(b, "\x00"))
	end += 512 - end%512 // the last data's padding
	for _, file := range []string{"odd.tar", "gnu.tar", "pax.tar"} {
		b, err := os.ReadFile(filepath.Join(golden, file))
		if err != nil {
			t.Fatal(err)
		}
		end := len(bytes.TrimRight(b, "\x00"))
		end = (end + 511) &^ 511
		for n := 0; n < end; n += race.Fewer(1, 31) * (1 + n%7*13) {
			got, _, err := read(b[:n])
			if err == nil {
				t.Fatalf("%s of %d bytes: %d samples and no error", file, n, len(got))
			}
			stream := &skipping{r: bytes.NewReader(b[:n])}
			if err := webdataset.Scan(stream, webdataset.Unknown, webdataset.Visitor{Sample: func(*webdataset.Sample) error { return nil }}); err == nil {
				t.Fatalf("a stream of %s of %d bytes: no error", file, n)
			}
		}
	}
	n := 0
	stream := &skipping{r: bytes.NewReader(b)}
	err = webdataset.Scan(stream, webdataset.Unknown, webdataset.Visitor{Sample: func(s *webdataset.Sample) error {
		if s.Key != all[n].Key {
			t.Errorf("sample %d: got %q, want %q", n, s.Key, all[n].Key)
		}
		n++
		return nil
	}})
	if err != nil || n != len(all) {
		t.Errorf("a stream: got %d samples, %v, want %d", n, err, len(all))
	}
}

// skipping reads a stream at offsets that grow.
type skipping struct {
	r   io.Reader
	off int64
}

func (s *skipping) ReadAt(b []byte, off int64) (int, error) {
	if off < s.off {
		panic("back")
	}
	if _, err := io.CopyN(io.Discard, s.r, off-s.off); err != nil {
		return 0, io.ErrUnexpectedEOF
	}
	n, err := io.ReadFull(s.r, b)
	s.off = off + int64(n)
	if err == io.ErrUnexpectedEOF {
		err = io.EOF
	}
	return n, err
}

// The visitor's error ends a scan, and stays what it is.
func TestScanStops(t *testing.T) {
	b := archive(t, tar.Header{Name: "a.jpg"}, tar.Header{Name: "b.jpg"})
	stop := errors.New("stop")
	n := 0
	err := webdataset.Scan(bytes.NewReader(b), int64(len(b)), webdataset.Visitor{Sample: func(*webdataset.Sample) error {
		n++
		return stop
	}})
	if err != stop || n != 1 {
		t.Errorf("got %v, %d samples", err, n)
	}
}

// What is written is read, to the byte.
func TestRoundTrip(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(golden, "pax.tar"))
	if err != nil {
		t.Fatal(err)
	}
	want, _, err := read(b)
	if err != nil {
		t.Fatal(err)
	}
	got := rewrite(t, want)
	for i := range want {
		if got[i].Key != want[i].Key || !maps.Equal(got[i].data, want[i].data) {
			t.Errorf("sample %d: got %q, want %q", i, got[i].Key, want[i].Key)
		}
	}
}

func rewrite(t testing.TB, list []sample) []sample {
	var b bytes.Buffer
	w := webdataset.NewWriter(&b)
	for _, s := range list {
		var members []webdataset.Member
		for _, ext := range slices.Sorted(maps.Keys(s.data)) {
			members = append(members, webdataset.Member{Ext: ext, Data: []byte(s.data[ext])})
		}
		if err := w.Write(s.Key, members); err != nil {
			return nil // a name that the writer refuses, which the reader takes
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	got, _, err := read(b.Bytes())
	if err != nil || len(got) != len(list) {
		t.Fatalf("what was written: %d samples, %v, want %d", len(got), err, len(list))
	}
	return got
}

// repaired is an archive whose headers' sums are right, without which a fuzzer sees
// nothing else.
func repaired(b []byte) []byte {
	b = bytes.Clone(b)
	for off := 0; off+512 <= len(b); off += 512 {
		if string(b[off+257:off+262]) == "ustar" {
			b = patched(b, off, 0, "")
		}
	}
	return b
}

func FuzzScan(f *testing.F) {
	names, err := filepath.Glob(filepath.Join(golden, "*.tar"))
	if err != nil || len(names) == 0 {
		f.Fatal("no goldens", err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b[:min(len(b), 6*512)])
	}
	long := strings.Repeat("long/", 40) + "a.jpg"
	for _, h := range []tar.Header{{Name: "a.jpg", Size: 3}, {Name: long}, {Name: long, Format: tar.FormatGNU}, {Name: "ü.jpg", Format: tar.FormatPAX}} {
		f.Add(archive(f, h))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		b = repaired(b)
		var places []webdataset.Entry
		samples := 0
		err := webdataset.Scan(bytes.NewReader(b), int64(len(b)), webdataset.Visitor{Sample: func(s *webdataset.Sample) error {
			samples++
			for _, e := range s.Entries {
				if e.Off < 512 || e.Size < 0 || e.Off+e.Size > int64(len(b)) {
					t.Fatalf("%q: %d bytes at %d of %d", s.Key, e.Size, e.Off, len(b))
				}
				places = append(places, e)
			}
			return nil
		}})
		for i := range places[min(1, len(places)):] {
			if places[i].Off+places[i].Size > places[i+1].Off-512 {
				t.Fatal("members overlap")
			}
		}
		// A stream of the same bytes says the same.
		n := 0
		streamed := webdataset.Scan(&skipping{r: bytes.NewReader(b)}, webdataset.Unknown, webdataset.Visitor{Sample: func(*webdataset.Sample) error { n++; return nil }})
		if (err == nil) != (streamed == nil) || err == nil && n != samples {
			t.Fatalf("got %v, and of a stream %v; %d and %d samples", err, streamed, samples, n)
		}
		if err == nil && samples < 100 {
			list, _, err := read(b)
			if err != nil {
				t.Fatal(err)
			}
			rewrite(t, list)
		}
	})
}

// Files with dots inside of their names, which seem to be one sample, are an error
// soon.
func TestManyMembers(t *testing.T) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for i := range 5000 {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: fmt.Sprintf("photo.%06d.jpg", i)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	_, _, err := read(buf.Bytes())
	var bad *webdataset.Error
	if !errors.As(err, &bad) || bad.Name != "photo.004096.jpg" || !strings.Contains(bad.Error(), `sample "photo" has more than 4096 members`) {
		t.Errorf("got %v, want that photo.004096.jpg is too many", err)
	}
}
