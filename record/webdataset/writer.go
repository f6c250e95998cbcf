package webdataset

import (
	"archive/tar"
	"fmt"
	"io"
	"time"
)

// Member is a file of a sample: what follows behind its key and a dot in its name,
// such as jpg or seg.png, and its bytes.
type Member struct {
	Ext  string
	Data []byte
}

// Writer writes one shard. What it writes depends on the samples alone: members
// have no time, no owner, and the mode 0444. Paths that USTAR does not hold are in
// a PAX header. After an error every call returns it. It is not safe for
// concurrent use.
type Writer struct {
	out  counter
	tar  *tar.Writer
	last string // key
	any  bool   // a sample was written
	done bool
	err  error
}

// counter counts what goes through it.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

// NewWriter returns a writer of a shard to w, which is the caller's to close.
func NewWriter(w io.Writer) *Writer {
	x := &Writer{out: counter{w: w}}
	x.tar = tar.NewWriter(&x.out)
	return x
}

// Write appends a sample, its members in the order in which they are given. The key
// is a path with '/' and without an extension; one that would not be read as it was
// written, the key of the sample before, no members, and two of one extension are
// errors. The data is not kept.
func (w *Writer) Write(key string, members []Member) error {
	if w.err != nil {
		return w.err
	}
	if err := w.check(key, members); err != nil {
		return w.fail(key, err)
	}
	w.last, w.any = key, true
	for _, m := range members {
		h := tar.Header{Typeflag: tar.TypeReg, Name: key + "." + m.Ext, Size: int64(len(m.Data)), Mode: 0o444, ModTime: time.Unix(0, 0)}
		err := w.tar.WriteHeader(&h)
		if err == nil {
			_, err = w.tar.Write(m.Data)
		}
		if err == nil {
			err = w.tar.Flush()
		}
		if err != nil {
			return w.fail(key, err)
		}
	}
	return nil
}

func (w *Writer) check(key string, members []Member) error {
	if w.done {
		return fmt.Errorf("the shard is closed")
	}
	if err := checkKey(key); err != nil {
		return err
	}
	if w.any && key == w.last {
		return fmt.Errorf("the sample before has this key too: both would be read as one")
	}
	if len(members) == 0 {
		return fmt.Errorf("no members")
	}
	for i, m := range members {
		if err := checkExt(m.Ext); err != nil {
			return err
		}
		for _, other := range members[:i] {
			if other.Ext == m.Ext {
				return fmt.Errorf("two members have the extension %q", m.Ext)
			}
		}
	}
	return nil
}

// fail keeps the first error.
func (w *Writer) fail(key string, err error) error {
	w.err = fmt.Errorf("webdataset: write sample %q: %w", key, err)
	return w.err
}

// Size returns how many bytes were written so far; Close adds 1024.
func (w *Writer) Size() int64 { return w.out.n }

// Close writes the end of the archive. A second Close does nothing.
func (w *Writer) Close() error {
	if w.err != nil || w.done {
		return w.err
	}
	w.done = true
	if err := w.tar.Close(); err != nil {
		w.err = fmt.Errorf("webdataset: write the end of the archive: %w", err)
	}
	return w.err
}
