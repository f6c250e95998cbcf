package fieldtest

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/betongo/betongo/fields"
)

// maxFlips bounds the metadata bytes that are changed one by one.
const maxFlips = 4096

func hostile(tb testing.TB, f fields.Field, values []any) {
	each(tb, f, values, func(_ int, what string, _ any, s *stored) {
		for i := range min(len(s.meta), maxFlips) {
			for _, b := range []byte{0, 0xff, s.meta[i] ^ 1, s.meta[i] ^ 0x80} {
				bad := &stored{meta: bytes.Clone(s.meta), data: s.data}
				bad.meta[i] = b
				survive(tb, f, what, bad)
			}
		}
		for _, n := range []int{0, 1, len(s.meta) / 2, len(s.meta) - 1, len(s.meta) + 1} {
			meta := make([]byte, n)
			copy(meta, s.meta)
			if _, err := regions(f, nil, meta); err == nil || errors.Is(err, errPanic) {
				tb.Errorf("%s: Regions of %d bytes of metadata, want %d: %v", what, n, len(s.meta), err)
			}
			if _, err := decode(f, &stored{meta: meta, data: s.data}); err == nil || errors.Is(err, errPanic) {
				tb.Errorf("%s: Decode of %d bytes of metadata, want %d: %v", what, n, len(s.meta), err)
			}
		}
		wrongData(tb, f, what, s)
	})
}

// survive reads metadata that may mean anything.
func survive(tb testing.TB, f fields.Field, what string, s *stored) {
	r, err := regions(f, nil, s.meta)
	if errors.Is(err, errPanic) {
		tb.Errorf("%s with metadata %x: %v", what, s.meta, err)
	}
	if n := len(f.Layout().Pointers); err == nil && len(r) != n {
		tb.Errorf("%s with metadata %x: %d regions, want %d", what, s.meta, len(r), n)
	}
	for _, r := range r {
		if r.Size < fields.UnknownSize {
			tb.Errorf("%s with metadata %x: a region of %d bytes", what, s.meta, r.Size)
		}
	}
	if _, err := decode(f, s); errors.Is(err, errPanic) {
		tb.Errorf("%s with metadata %x: %v", what, s.meta, err)
	}
}

// wrongData reads regions that are cut, too long, missing or too many.
func wrongData(tb testing.TB, f fields.Field, what string, s *stored) {
	sizes, _ := regions(f, nil, s.meta)
	for k, d := range s.data {
		for _, n := range []int{0, len(d) / 2, len(d) - 1, len(d) + 1} {
			if n < 0 || n == len(d) {
				continue
			}
			bad := &stored{meta: s.meta, data: slices.Clone(s.data)}
			bad.data[k] = make([]byte, n)
			copy(bad.data[k], d)
			_, err := decode(f, bad)
			if errors.Is(err, errPanic) {
				tb.Errorf("%s: %d of %d bytes of data: %v", what, n, len(d), err)
			}
			if err == nil && k < len(sizes) && sizes[k].Size != fields.UnknownSize {
				tb.Errorf("%s: Decode took %d bytes for a region of %d", what, n, len(d))
			}
		}
	}
	for _, data := range [][][]byte{nil, append(slices.Clone(s.data), nil)} {
		_, err := decode(f, &stored{meta: s.meta, data: data})
		if errors.Is(err, errPanic) || err == nil && len(s.data) > 0 {
			tb.Errorf("%s: %d regions of data, want %d: %v", what, len(data), len(s.data), err)
		}
	}
}
