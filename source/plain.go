package source

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"time"

	"github.com/betongo/betongo/internal/mmap"
)

// part is a file that holds many samples, or a member of an archive of such files.
type part struct {
	name string // as messages have it
	off  int64  // of its bytes in the blob
	size int64
	from *plainFile
}

// plainFile is a file of a source that is read by offsets, which gzip does not
// allow: of a compressed one it is the bytes unpacked.
type plainFile struct {
	name string // path or URL
	blob Blob
	gz   bool
}

// maxUnpacked bounds what a compressed file unpacks to, which lies in the folder for
// temporary files.
const maxUnpacked int64 = 16 << 30

// openPlain opens a file, and unpacks it if it is one of gzip.
func openPlain(ctx context.Context, name string, st Store) (*plainFile, error) {
	b, err := openBlob(ctx, name, st)
	if err != nil {
		return nil, err
	}
	var magic [2]byte
	if n, _ := b.ReadAt(magic[:], 0); n < 2 || magic != [2]byte{0x1f, 0x8b} {
		return &plainFile{name: name, blob: b}, nil
	}
	defer b.Close()
	un, err := unpack(ctx, io.NewSectionReader(scanBlob(ctx, b), 0, b.Size()), maxUnpacked)
	if err != nil {
		return nil, fmt.Errorf("%s: unpack: %w", shown(name), err)
	}
	return &plainFile{name: name, blob: un, gz: true}, nil
}

// unpack unpacks gzip into a temporary file of at most that many bytes.
func unpack(ctx context.Context, r io.Reader, most int64) (_ Blob, err error) {
	z, err := gzip.NewReader(&ctxReader{ctx, r})
	if err != nil {
		return nil, err
	}
	f, err := os.CreateTemp("", "betongo-*")
	if err != nil {
		return nil, err
	}
	gone := os.Remove(f.Name()) == nil
	defer func() {
		if err != nil {
			f.Close()
			if !gone {
				os.Remove(f.Name())
			}
		}
	}()
	n, err := io.Copy(f, io.LimitReader(z, most+1))
	if err != nil {
		return nil, err
	}
	if n > most {
		return nil, fmt.Errorf("more than %d bytes unpacked", most)
	}
	m, err := mmap.File(f)
	if err != nil {
		return nil, err
	}
	return &scratch{mapped{m}, f, gone}, nil
}

// scratch is a temporary file that is read as a Blob.
type scratch struct {
	mapped
	f    *os.File
	gone bool // its name is removed already
}

func (s *scratch) Close() error {
	err := s.mapped.Close()
	if s.f != nil {
		err = errors.Join(err, s.f.Close())
		if !s.gone {
			err = errors.Join(err, os.Remove(s.f.Name()))
		}
		s.f = nil
	}
	return err
}

// bytes returns n bytes of a part from off on, which are read-only and valid until
// the file's Close.
func (p *part) bytes(ctx context.Context, off, n int64) ([]byte, error) {
	return readBlob(ctx, p.from.blob, p.off+off, n)
}

// trait tells what the file holds, as far as its size and some of its bytes do.
func (f *plainFile) trait(ctx context.Context) (Trait, error) {
	const blocks, size = 16, 4096
	n := f.blob.Size()
	h := sha256.New()
	h.Write(binary.LittleEndian.AppendUint64(nil, uint64(n)))
	step := max((n-size)/(blocks-1), size)
	for off := int64(0); off < n; off += step {
		b, err := readBlob(ctx, f.blob, off, min(size, n-off))
		if err != nil {
			return Trait{}, fmt.Errorf("%s: %w", shown(f.name), err)
		}
		h.Write(b)
	}
	return Trait{"file " + path.Base(filepath.ToSlash(shown(f.name))), fmt.Sprintf("%d bytes, sum of some %x", n, h.Sum(nil)[:16])}, nil
}

// identity is trait with the time of change, where there is one.
func (f *plainFile) identity(ctx context.Context) (Trait, error) {
	t, err := f.trait(ctx)
	if err != nil || far(f.name) {
		return t, err
	}
	info, err := os.Stat(f.name)
	if err == nil {
		t.Value += ", changed " + info.ModTime().UTC().Format(time.RFC3339Nano)
	}
	return t, err
}

// plainFiles are the files of a source.
type plainFiles []*plainFile

func (list plainFiles) traits(ctx context.Context) (all []Trait, err error) {
	for _, f := range list {
		t, err := f.trait(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}

func (list plainFiles) identity(ctx context.Context) (all []Trait, err error) {
	for _, f := range list {
		t, err := f.identity(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}

func (list plainFiles) close() error {
	var errs []error
	for _, f := range list {
		errs = append(errs, f.blob.Close())
	}
	return errors.Join(errs...)
}

// classLines reads class names, one a line, as they lie beside data sets: blank lines
// at the end are none.
func classLines(text []byte) []string {
	var list []string
	for _, line := range bytes.Split(bytes.TrimSpace(text), []byte{'\n'}) {
		if line = bytes.TrimSpace(line); len(line) > 0 {
			list = append(list, string(line))
		}
	}
	return list
}

// settleClasses joins the classes that the data names, in a file called from, with
// those that the caller fixes: they must be the same where there are both.
func settleClasses(from string, found, given []string) ([]string, error) {
	if found == nil || given == nil {
		if given != nil {
			found = given
		}
		return found, nil
	}
	for i := range max(len(found), len(given)) {
		a, b := "none", "none"
		if i < len(found) {
			a = fmt.Sprintf("%q", found[i])
		}
		if i < len(given) {
			b = fmt.Sprintf("%q", given[i])
		}
		if a != b {
			return nil, fmt.Errorf("class %d is %s in %s, and %s in the classes that are given; expected the same", i, a, from, b)
		}
	}
	return found, nil
}
