package mds

import (
	"compress/bzip2"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha3"
	"crypto/sha512"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"

	"github.com/andybalholm/brotli"
	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/zeebo/xxh3"
)

// unpacks says whether a compression is one that Unpack knows.
func unpacks(name string) bool {
	return slices.Contains([]string{"br", "bz2", "gz", "snappy", "zstd"}, name)
}

// maxWindow bounds the memory that a zstd frame may ask for; that of its highest
// level is 128 MiB.
const maxWindow = 256 << 20

// Unpack writes what r, all of the shard's Zip, unpacks to, which must be of Raw's
// size. Raw's hash is compared, if the index has one that is known.
func (s *Shard) Unpack(w io.Writer, r io.Reader) error {
	name, sum := s.Raw.NewHash()
	to := w
	if sum != nil {
		to = io.MultiWriter(w, sum)
	}
	n, err := s.unpack(to, r)
	switch {
	case err != nil:
		return fmt.Errorf("unpack %s: %w", s.Compression, err)
	case n != s.Raw.Size:
		return fmt.Errorf("it unpacks to %d bytes or more; the index says %d", n, s.Raw.Size)
	case sum == nil:
		return nil
	}
	return s.Raw.CheckHash(name, sum)
}

// unpack writes no more than one byte above Raw's size.
func (s *Shard) unpack(w io.Writer, r io.Reader) (int64, error) {
	switch s.Compression {
	case "br":
		r = brotli.NewReader(r)
	case "bz2":
		r = bzip2.NewReader(r)
	case "gz":
		z, err := gzip.NewReader(r)
		if err != nil {
			return 0, err
		}
		r = z
	case "zstd":
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return 0, err
		}
		defer z.Close()
		r = z
	case "snappy":
		return s.unsnap(w, r)
	}
	return io.Copy(w, io.LimitReader(r, s.Raw.Size+1))
}

// maxSnappy bounds how many times its size a block of snappy unpacks to: copies of 64
// bytes take 3.
const maxSnappy = 22

// unsnap unpacks a block of snappy, which is unpacked whole.
func (s *Shard) unsnap(w io.Writer, r io.Reader) (int64, error) {
	b, err := io.ReadAll(io.LimitReader(r, s.Zip.Size+1))
	if err != nil {
		return 0, err
	}
	n, err := snappy.DecodedLen(b)
	if err != nil || int64(n) != s.Raw.Size {
		return int64(n), err
	}
	if n/maxSnappy > len(b) {
		return 0, fmt.Errorf("%d bytes that say to hold %d", len(b), n)
	}
	if b, err = snappy.Decode(nil, b); err != nil {
		return 0, err
	}
	n, err = w.Write(b)
	return int64(n), err
}

// hashes are the algorithms that are known, the fastest first.
var hashes = []struct {
	name string
	make func() hash.Hash
}{
	{"xxh3_64", func() hash.Hash { return xxh3.New() }},
	{"xxh128", func() hash.Hash { return wide{xxh3.New()} }},
	{"xxh3_128", func() hash.Hash { return wide{xxh3.New()} }},
	{"xxh64", func() hash.Hash { return xxhash.New() }},
	{"sha1", sha1.New},
	{"sha256", sha256.New},
	{"sha224", sha256.New224},
	{"sha512", sha512.New},
	{"sha384", sha512.New384},
	{"md5", md5.New},
	{"sha3_256", func() hash.Hash { return sha3.New256() }},
	{"sha3_224", func() hash.Hash { return sha3.New224() }},
	{"sha3_384", func() hash.Hash { return sha3.New384() }},
	{"sha3_512", func() hash.Hash { return sha3.New512() }},
}

// wide is xxh3 with 128 bits.
type wide struct{ *xxh3.Hasher }

func (w wide) Size() int { return 16 }

func (w wide) Sum(b []byte) []byte {
	s := w.Sum128()
	b = binary.BigEndian.AppendUint64(b, s.Hi)
	return binary.BigEndian.AppendUint64(b, s.Lo)
}

// NewHash returns a hash of those that the index has of the file, the fastest that
// is known, with its name; nil where there is none.
func (f *File) NewHash() (name string, h hash.Hash) {
	for _, known := range hashes {
		if _, ok := f.Hashes[known.name]; ok {
			return known.name, known.make()
		}
	}
	return "", nil
}

// CheckHash compares what NewHash returned, into which the file was written, with
// the index.
func (f *File) CheckHash(name string, h hash.Hash) error {
	if got, want := hex.EncodeToString(h.Sum(nil)), f.Hashes[name]; !strings.EqualFold(got, want) {
		return fmt.Errorf("%s of its bytes is %s; the index says %s", name, got, want)
	}
	return nil
}

// Check compares the bytes of the file with a hash of the index, if it has one that
// is known.
func (f *File) Check(b []byte) error {
	name, h := f.NewHash()
	if h == nil {
		return nil
	}
	h.Write(b)
	return f.CheckHash(name, h)
}
