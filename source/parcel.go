package source

import (
	"bytes"
	"compress/bzip2"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/betongo/betongo/internal/mmap"
)

// parcel is a shard whose parts can be read only when it was unpacked, or fetched,
// whole: into a temporary file, when the first of its samples is read. As many
// samples later as it has, the file is given up; who wants one again unpacks anew.
// So samples in order have few shards unpacked at a time, in any order all of
// them.
//
// It is safe for concurrent use.
type parcel struct {
	samples int
	fill    func(ctx context.Context, w io.Writer) error

	token  chan struct{} // whoever has it may use what follows
	file   *scratch      // nil: not unpacked
	left   int           // samples until it is given up
	closed bool
}

func newParcel(fill func(ctx context.Context, w io.Writer) error) *parcel {
	return &parcel{fill: fill, token: make(chan struct{}, 1)}
}

// use calls read with all bytes of the shard, which are valid during the call, for
// one of its samples.
func (p *parcel) use(ctx context.Context, read func(data []byte) error) (err error) {
	select {
	case p.token <- struct{}{}:
		defer func() { <-p.token }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if p.closed {
		return os.ErrClosed
	}
	if p.file == nil {
		if p.file, err = spill(ctx, p.fill); err != nil {
			return err
		}
		p.left = max(p.samples, 1)
	}
	err = read(p.file.m.Bytes())
	if p.left--; p.left <= 0 {
		err = errors.Join(err, p.drop())
	}
	return err
}

func (p *parcel) drop() error {
	f := p.file
	p.file = nil
	return f.Close()
}

// close waits for who uses the parcel. A second one does nothing.
func (p *parcel) close() error { return p.giveUp(true) }

// giveUp gives up what was unpacked, for ever or until it is used again.
func (p *parcel) giveUp(ever bool) error {
	p.token <- struct{}{}
	defer func() { <-p.token }()
	p.closed = p.closed || ever
	if p.file == nil {
		return nil
	}
	return p.drop()
}

// spill returns what fill writes, as a temporary file.
func spill(ctx context.Context, fill func(ctx context.Context, w io.Writer) error) (_ *scratch, err error) {
	f, err := os.CreateTemp("", "betongo-*")
	if err != nil {
		return nil, err
	}
	s := &scratch{f: f, gone: os.Remove(f.Name()) == nil}
	if err = fill(ctx, f); err == nil {
		s.m, err = mmap.File(f)
	}
	if err != nil {
		s.m = &mmap.Map{} // none, to be closed
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// packings are the compressions that archives come in, by what they begin with.
var packings = []struct {
	magic  string
	reader func(r io.Reader) (io.ReadCloser, error) // nil: not read
	name   string
}{
	{"\x1f\x8b", func(r io.Reader) (io.ReadCloser, error) { return gzip.NewReader(r) }, "gzip"},
	{"\x28\xb5\x2f\xfd", unzstd, "zstd"},
	{"BZh", func(r io.Reader) (io.ReadCloser, error) { return io.NopCloser(bzip2.NewReader(r)), nil }, "bzip2"},
	{"\xfd7zXZ\x00", nil, "xz"},
}

// maxZstdWindow bounds the memory that a frame of zstd may ask for; that of its
// highest level is 128 MiB.
const maxZstdWindow = 256 << 20

func unzstd(r io.Reader) (io.ReadCloser, error) {
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxZstdWindow))
	if err != nil {
		return nil, err
	}
	return z.IOReadCloser(), nil
}

// packing says how a blob is compressed: nil, with no error, for one that isn't.
func packing(ctx context.Context, b Blob) (func(r io.Reader) (io.ReadCloser, error), error) {
	head, err := readBlob(ctx, b, 0, min(8, b.Size()))
	if err != nil {
		return nil, err
	}
	for _, p := range packings {
		if !bytes.HasPrefix(head, []byte(p.magic)) {
			continue
		}
		if p.reader == nil {
			return nil, fmt.Errorf("compressed by %s, which is not read; expected .tar, or .tar.gz, .tar.zst, .tar.bz2: unpack it first", p.name)
		}
		return p.reader, nil
	}
	return nil, nil
}

// maxRatio bounds how many times its size a shard unpacks to, if that is more than
// maxUnpacked.
const maxRatio = 64

// unpackBlob calls take with a stream of what a blob unpacks to. A few bytes may
// unpack to any number, which would fill the disk: the stream ends in an error
// behind what a shard has.
func unpackBlob(ctx context.Context, b Blob, how func(r io.Reader) (io.ReadCloser, error), take func(r io.Reader) error) error {
	r, err := how(&ctxReader{ctx, io.NewSectionReader(scanBlob(ctx, b), 0, b.Size())})
	if err != nil {
		return fmt.Errorf("unpack: %w", err)
	}
	most := max(maxUnpacked, maxRatio*min(b.Size(), math.MaxInt64/maxRatio))
	return errors.Join(take(&bounded{r: &ctxReader{ctx, r}, most: most, left: most}), r.Close())
}

// bounded is an error behind some bytes.
type bounded struct {
	r          io.Reader
	most, left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left {
		p = p[:b.left+1]
	}
	n, err := b.r.Read(p)
	if int64(n) > b.left {
		return int(b.left), fmt.Errorf("it unpacks to more than %d bytes; unpack it first if it is meant so", b.most)
	}
	b.left -= int64(n)
	return n, err
}

// forward reads a stream at offsets that only grow.
type forward struct {
	r   io.Reader
	off int64
	buf []byte
}

// ReadAt is io.ReaderAt, as far as offsets grow. A stream that ends before off is
// io.ErrUnexpectedEOF.
func (f *forward) ReadAt(p []byte, off int64) (int, error) {
	if off < f.off {
		return 0, fmt.Errorf("byte %d of a stream that was read to byte %d", off, f.off)
	}
	if f.buf == nil {
		f.buf = make([]byte, 64<<10)
	}
	for f.off < off {
		n, err := io.ReadFull(f.r, f.buf[:min(int64(len(f.buf)), off-f.off)])
		if f.off += int64(n); err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return 0, err
		}
	}
	n, err := io.ReadFull(f.r, p)
	f.off += int64(n)
	// ReadFull's unexpected end is a stream's, or a decompressor's that misses some.
	if err == io.ErrUnexpectedEOF {
		if _, more := f.r.Read(f.buf[:1]); more == io.EOF {
			err = io.EOF
		}
	}
	return n, err
}
