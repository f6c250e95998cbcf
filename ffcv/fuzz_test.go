package ffcv_test

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/rgb"
	golden "github.com/betongo/betongo/testdata/ffcv"
)

// sparse is a file of megabytes given by its few bytes that are not zero: what
// is before the pages, the beginning of the first page, and the end.
type sparse struct {
	head, page, tail []byte
	pageAt, tailAt   int64
}

const sparseLimit = 6 << 20

func newSparse(head, page, tail []byte) *sparse {
	s := &sparse{head: head, page: page, tail: tail}
	s.pageAt = int64(len(head)+ffcv.MinPageSize-1) &^ (ffcv.MinPageSize - 1)
	s.tailAt = int64(len(head))
	if len(head) >= ffcv.HeaderSize {
		if a := ffcv.HeaderAt(head).AllocTable; a >= uint64(len(head)) && a < sparseLimit {
			s.tailAt = int64(a)
		}
	}
	return s
}

func (s *sparse) size() int64 { return s.tailAt + int64(len(s.tail)) }

func (s *sparse) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off >= s.size() {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), s.size()-off))
	clear(p[:n])
	for _, part := range []struct {
		at int64
		b  []byte
	}{{0, s.head}, {s.pageAt, s.page}, {s.tailAt, s.tail}} {
		if part.at < off {
			if skip := off - part.at; skip < int64(len(part.b)) {
				copy(p[:n], part.b[skip:])
			}
		} else if at := part.at - off; at < int64(n) {
			copy(p[at:n], part.b)
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// sparseOf takes a file apart; false when it has more than its few bytes.
func sparseOf(b []byte) (*sparse, bool) {
	if len(b) < ffcv.HeaderSize {
		return newSparse(b, nil, nil), true
	}
	a := ffcv.HeaderAt(b).AllocTable
	if a < ffcv.HeaderSize || a > uint64(min(len(b), sparseLimit)) {
		return newSparse(b[:min(len(b), 8192)], nil, nil), len(b) <= 8192
	}
	head := b[:min(a, ffcv.MinPageSize)]
	if a > ffcv.MinPageSize {
		head = bytes.TrimRight(head, "\x00")
	}
	var page []byte
	if a > ffcv.MinPageSize {
		page = bytes.TrimRight(b[ffcv.MinPageSize:min(a, 2*ffcv.MinPageSize)], "\x00")
	}
	s := newSparse(head, page, b[a:])
	return s, len(head)+len(page) < 64<<10 && s.size() == int64(len(b))
}

// photoFile is a file of one photograph with checkpoints.
func photoFile(t testing.TB) []byte {
	t.Helper()
	img := rgb.Image{Width: 160, Height: 120, Pix: make([]byte, 3*160*120)}
	for i := range img.Pix {
		img.Pix[i] = byte(i/7 ^ i/480)
	}
	jpeg, err := rgb.EncodeJPEG(nil, img, 60)
	if err != nil {
		t.Fatal(err)
	}
	ds := made{1, func(int) []any { return []any{jpeg} }, nil}
	b, err := os.ReadFile(write(t, []ffcv.FieldSpec{{Name: "image", Field: fields.RGBImage{}}}, ds, &ffcv.Options{PageSize: 2 * mib}, nil))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// FuzzOpen opens anything, uses all of it, and verifies it. A file that
// verifies can be read whole.
func FuzzOpen(f *testing.F) {
	n := 0
	add := func(b []byte) {
		if s, ok := sparseOf(b); ok {
			f.Add(s.head, s.page, s.tail)
			n++
		}
	}
	for _, m := range golden.Each() {
		if m.Size < 5<<20 {
			add(m.Bytes())
		}
	}
	paths, _ := filepath.Glob("../testdata/broken/*.vector")
	for _, path := range paths {
		v := readVector(f, path)
		add(v.file)
	}
	marked := n
	b, _ := markedFile(f, 20)
	add(b)
	add(photoFile(f))
	if n < marked+2 {
		f.Fatal("files with marks are no seeds")
	}
	if n < 100 {
		f.Fatalf("%d seeds, want at least 100", n)
	}
	f.Fuzz(func(t *testing.T, head, page, tail []byte) {
		if len(head) > 64<<10 || len(page) > 256<<10 || len(tail) > 64<<10 {
			t.Skip()
		}
		s := newSparse(head, page, tail)
		file, err := ffcv.New(ffcv.ReaderAtSource("fuzz", s, s.size()), nil)
		if err != nil || file.Len() > 5000 {
			return
		}
		sound := !flawed(t, ffcv.ReaderAtSource("fuzz", s, s.size()), nil)
		for i := range file.Len() {
			for k, d := range file.Fields() {
				if _, err := file.Value(i, k); sound && err != nil {
					t.Fatalf("sound, but sample %d, field %q: %v", i, d.Name, err)
				}
				if _, err := file.Marks(i, k, nil); sound && err != nil {
					t.Fatalf("sound, but marks of sample %d, field %q: %v", i, d.Name, err)
				}
			}
		}
		touch(file)
	})
}

// The sparse form is the file: the seeds above are what they stand for.
func TestSparse(t *testing.T) {
	b := golden.Bytes("subset")
	s, ok := sparseOf(b)
	if !ok {
		t.Fatal("not taken apart")
	}
	got, err := io.ReadAll(io.NewSectionReader(s, 0, s.size()))
	if err != nil || !bytes.Equal(got, b) {
		t.Fatalf("%d bytes, %v; want %d", len(got), err, len(b))
	}
	for _, r := range [][2]int64{{0, 24}, {2<<20 - 5, 10}, {4<<20 - 5, 10}, {5, 3 << 20}} {
		p := make([]byte, r[1])
		if n, err := s.ReadAt(p, r[0]); n != len(p) || err != nil || !bytes.Equal(p, b[r[0]:r[0]+r[1]]) {
			t.Errorf("%d bytes at %d: %d, %v", r[1], r[0], n, err)
		}
	}
}
