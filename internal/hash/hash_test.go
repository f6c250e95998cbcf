package hash_test

import (
	"hash/fnv"
	"testing"

	"github.com/betongo/betongo/internal/hash"
)

func TestFNV(t *testing.T) {
	for _, text := range []string{"", "a", "image", "n01440764/x.JPEG", "\x00\xff"} {
		h := fnv.New64a()
		h.Write([]byte(text))
		if want := h.Sum64(); hash.FNV(text) != want || hash.FNV([]byte(text)) != want {
			t.Errorf("%q: %x and %x, want %x", text, hash.FNV(text), hash.FNV([]byte(text)), want)
		}
	}
}

// The reference's first outputs for the seed 1234567.
func TestMix(t *testing.T) {
	state := uint64(1234567)
	for i, want := range []uint64{6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821} {
		if state += hash.Weyl; hash.Mix(state) != want {
			t.Errorf("output %d: %d, want %d", i, hash.Mix(state), want)
		}
	}
}
