package build

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"

	"github.com/betongo/betongo/internal/regular"
	"github.com/betongo/betongo/remote"
	"github.com/betongo/betongo/store"
)

// sizeAt is the size of a local file, 0 where there is none.
func sizeAt(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// openObject opens an object; one that isn't there is fs.ErrNotExist.
func openObject(ctx context.Context, url string, st *store.Options) (*remote.Object, error) {
	return openObjectOf(ctx, url, objectsOf(st).opts)
}

// remoteOf says how object stores are reached.
func remoteOf(st *store.Options) *remote.Options {
	if st == nil {
		return nil
	}
	return &st.Remote
}

// sizeOf returns the size of a file or an object.
func sizeOf(ctx context.Context, name string, st *store.Options) (int64, error) {
	if store.IsURL(name) {
		return objectsOf(st).Size(ctx, name)
	}
	f, err := regular.Open(store.Join(".", name))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// sumOf reads a file or an object, and returns its size, its SHA-256, and, of an
// object, its version.
func sumOf(ctx context.Context, name string, st *store.Options) (size int64, sum, version string, err error) {
	if !store.IsURL(name) {
		size, sum, err = sumFile(ctx, store.Join(".", name))
		return size, sum, "", err
	}
	obj, err := openObject(ctx, name, st)
	if err != nil {
		return 0, "", "", err
	}
	defer obj.Close()
	h := sha256.New()
	err = eachPiece(ctx, obj, 0, obj.Size(), func(b []byte) error {
		h.Write(b)
		return nil
	})
	return obj.Size(), hex.EncodeToString(h.Sum(nil)), obj.Version(), err
}

const (
	pieceSize = 8 << 20 // that are asked for together
	pieces    = 8       // at a time
)

// piece is a part of an object that is on its way.
type piece struct {
	b   []byte
	err error
}

// eachPiece reads an object from off to end, some pieces ahead, and calls yield
// with one after another.
func eachPiece(ctx context.Context, obj *remote.Object, off, end int64, yield func(b []byte) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	queue := make(chan chan piece, pieces) // in order
	go func() {                            // ends with the last piece, or with ctx; its reads are waited for by the object's Close
		defer close(queue)
		for ; off < end; off += pieceSize {
			c := make(chan piece, 1)
			select {
			case queue <- c:
			case <-ctx.Done():
				return
			}
			go func(off int64) { // ends with its read
				b := make([]byte, min(pieceSize, end-off))
				n, err := obj.ReadAt(b, off)
				if n == len(b) {
					err = nil
				}
				c <- piece{b, err}
			}(off)
		}
	}()
	for c := range queue {
		select {
		case p := <-c:
			if p.err == nil {
				p.err = yield(p.b)
			}
			if p.err != nil {
				return p.err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return ctx.Err()
}
