package engine

import (
	"bytes"
	"context"
	"io"
	"os"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/betongo/betongo/dataset"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
)

// late is a file that answers after a while.
type late struct {
	io.ReaderAt
	reads *atomic.Int64
}

func (l late) ReadAt(p []byte, off int64) (int, error) {
	l.reads.Add(1)
	time.Sleep(2 * time.Millisecond)
	return l.ReaderAt.ReadAt(p, off)
}

// TestPicturesFromAfar: pictures of a file that is far away are those of the file, and
// are asked for together.
func TestPicturesFromAfar(t *testing.T) {
	const name = "rgb_jpg"
	path := ffcvtest.Unpack(t, name)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	near := ffcvtest.Map(t, path, nil)
	var reads atomic.Int64
	open := func(context.Context) (io.ReaderAt, error) { return late{bytes.NewReader(b), &reads}, nil }
	c, err := dataset.NewCache(16<<20, []dataset.CacheFile{{Name: name, Size: int64(len(b)), Open: open}}, &dataset.CacheOptions{Reads: 16})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	far, err := c.Open(0, nil)
	if err != nil {
		t.Fatal(err)
	}
	field := slices.IndexFunc(near.Fields(), func(d ffcv.Field) bool { return d.Type == fields.TypeRGBImage })
	ids := make([]int, near.Len())
	for i := range ids {
		ids[i] = len(ids) - 1 - i
	}
	_, want, err := pictures(near, field, ids)
	if err != nil {
		t.Fatal(err)
	}
	reads.Store(0)
	_, got, err := pictures(far, field, ids)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes of pixels, want %d, equal: %v; error %v", len(got), len(want), bytes.Equal(got, want), err)
	}
	if n := reads.Load(); n > int64(len(ids)/3) { // it is 25 for these 40 where each is waited for
		t.Errorf("%d pictures took %d reads", len(ids), n)
	}
}
