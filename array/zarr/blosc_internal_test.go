package zarr

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// bloscBytes are what the frames in testdata hold.
func bloscBytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		v := i / 40 * 3
		if i%1000 < 100 {
			v += i * i / 7
		}
		b[i] = byte(v % 251)
	}
	return b
}

func frames(t testing.TB) map[string][]byte {
	t.Helper()
	z, err := zip.OpenReader("testdata/blosc.zip")
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	all := map[string][]byte{}
	for _, e := range z.File {
		r, err := e.Open()
		if err != nil {
			t.Fatal(err)
		}
		if all[e.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// frameSize reads the number of bytes from a frame's name.
func frameSize(t testing.TB, name string) (n int) {
	t.Helper()
	parts := strings.Split(name, "-")
	if _, err := fmt.Sscan(parts[3], &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestBloscFrames unpacks what c-blosc packed, whole and cut anywhere.
func TestBloscFrames(t *testing.T) {
	all := frames(t)
	if len(all) < 200 {
		t.Errorf("only %d frames", len(all))
	}
	for name, frame := range all {
		n := frameSize(t, name)
		got, err := bloscCodec{}.decode(make([]byte, 0, n), frame)
		if err != nil && strings.HasPrefix(name, "snappy") {
			continue
		}
		if err != nil || !bytes.Equal(got, bloscBytes(n)) {
			t.Errorf("%s: %v", name, err)
		}
		step := 1 + len(frame)/64
		for cut := 0; cut < len(frame); cut += step {
			if _, err := (bloscCodec{}).decode(make([]byte, 0, n), frame[:cut]); err == nil {
				t.Errorf("%s: no error at %d bytes", name, cut)
			}
			// As if the header were right.
			broken := bytes.Clone(frame[:cut])
			if cut >= bloscHeader {
				broken[12], broken[13], broken[14] = byte(cut), byte(cut>>8), byte(cut>>16)
				bloscCodec{}.decode(make([]byte, 0, n), broken)
			}
		}
		if n > 0 {
			if _, err := (bloscCodec{}).decode(make([]byte, 0, n-1), frame); err == nil {
				t.Errorf("%s: unpacks to more than there is room for", name)
			}
		}
	}
}

// TestCodecs packs and unpacks at the boundaries.
func TestCodecs(t *testing.T) {
	var all []codec
	for _, packer := range []int{bloscLZ4, bloscZlib, bloscZstd} {
		for _, order := range []byte{0, bloscShuffled, bloscBitshuffled} {
			for _, size := range []int{1, 2, 3, 4, 8, 16, 255} {
				all = append(all, bloscCodec{packer: packer, level: 5, shuffling: order, size: size, block: 1024})
			}
		}
	}
	all = append(all, bloscCodec{packer: bloscLZ4, level: 1, size: 4}, gzipCodec{level: 1}, zlibCodec{level: 9}, zstdCodec{}, zstdCodec{level: 19, checksum: true},
		lz4Codec{}, crcCodec{}, shuffleCodec{size: 4}, shuffleCodec{size: 7})
	random := make([]byte, 5000)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range random {
		random[i] = byte(r.Uint32())
	}
	for _, c := range all {
		for _, n := range []int{0, 1, 7, 8, 15, 16, 269, 270, 1023, 1024, 1025, 5000} {
			for _, src := range [][]byte{bloscBytes(n), random[:n], make([]byte, n)} {
				packed, err := c.encode([]byte("before"), src)
				if err != nil {
					t.Fatalf("%+v: %d bytes: %v", c, n, err)
				}
				if string(packed[:6]) != "before" {
					t.Fatalf("%+v: what was there is gone", c)
				}
				packed = packed[6:]
				if int64(len(packed))*c.ratio()+1<<16 < int64(n) {
					t.Errorf("%+v: %d bytes in %d", c, n, len(packed))
				}
				got, err := c.decode(make([]byte, 0, n), packed)
				if err != nil || !bytes.Equal(got, src) {
					t.Errorf("%+v: %d bytes: %v", c, n, err)
				}
				if _, ok := c.(crcCodec); !ok && n > 0 {
					if _, err := c.decode(make([]byte, 0, n-1), packed); err == nil {
						t.Errorf("%+v: %d bytes fit into one less", c, n)
					}
				}
			}
		}
	}
}

// TestBitshuffle goes there and back again, with any rest.
func TestBitshuffle(t *testing.T) {
	for size := 1; size < 20; size++ {
		for n := range 70 {
			src := bloscBytes(n)
			got, back := make([]byte, n), make([]byte, n)
			bitshuffle(got, src, size, false)
			if bitshuffle(back, got, size, true); !bytes.Equal(back, src) {
				t.Errorf("bits of elements of %d in %d bytes", size, n)
			}
		}
	}
}

// FuzzBlosc unpacks anything.
func FuzzBlosc(f *testing.F) {
	for name, frame := range frames(f) {
		if len(frame) < 3000 {
			f.Add(frame, frameSize(f, name))
		}
	}
	f.Fuzz(func(t *testing.T, frame []byte, n int) {
		n = max(0, min(n, 1<<20))
		dst := make([]byte, n, n+1)
		dst[:n+1][n] = 0x5A
		got, err := bloscCodec{}.decode(dst[:0:n], frame)
		if err == nil && len(got) > n || dst[:n+1][n] != 0x5A {
			t.Fatalf("%d bytes, room for %d", len(got), n)
		}
	})
}
