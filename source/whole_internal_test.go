package source

import (
	"context"
	"strings"
	"testing"
)

// vast is a store of one object of any size.
type vast struct {
	Store
	size int64
	read int64
}

func (v *vast) Read(_ context.Context, name string, n int64) ([]byte, error) {
	v.read = min(n, v.size)
	return make([]byte, min(v.read, 1<<10)), nil // nobody looks at more of them here
}

// TestReadWhole: an object comes whole, or is an error.
func TestReadWhole(t *testing.T) {
	for _, size := range []int64{0, 1, 99, 100, 101, 1000} {
		v := &vast{size: size}
		b, err := readWhole(t.Context(), v, "https://me:word@h/x?sig=word", 100)
		if size <= 100 {
			if err != nil || int64(len(b)) != size {
				t.Errorf("%d bytes of %d, %v", len(b), size, err)
			}
			continue
		}
		if err == nil || b != nil || v.read > 101 || !strings.Contains(err.Error(), "https://h/x: more than the 100 bytes") {
			t.Errorf("%d bytes: %d were read, %v", size, v.read, err)
		}
	}
	// The bound is one byte less than what is asked for: a store can tell.
	v := &vast{size: 1 << 40}
	if _, err := readWhole(t.Context(), v, "s3://b/x", maxObject); v.read != maxObject+1 {
		t.Errorf("%d bytes of an object beyond the bound were asked for, %v", v.read, err)
	}
}
