// Package hash holds the hashes that files and orders are made of: they never
// change.
package hash

// FNV returns the FNV-1a hash of 64 bits over text's bytes.
func FNV[T string | []byte](text T) uint64 {
	h := uint64(0xcbf29ce484222325)
	for i := 0; i < len(text); i++ {
		h = (h ^ uint64(text[i])) * 0x100000001b3
	}
	return h
}

// Weyl is the distance of SplitMix64's states: 2^64 divided by the golden
// ratio.
const Weyl = 0x9e3779b97f4a7c15

// Mix is SplitMix64's output function: it leaves no bit of z recognisable.
// Mix(0) is 0.
func Mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
