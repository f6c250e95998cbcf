package resize

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"syscall"
	"testing"
	"unsafe"
)

// guarded is a copy of b with unmapped pages around it: right before its first
// byte or, with end, right after its last. Bytes to spare on the other side
// are a canary.
type guarded struct {
	all, b []byte
	at     int
}

const canary = 0xA5

func guard(t *testing.T, b []byte, end bool) *guarded {
	t.Helper()
	page := syscall.Getpagesize()
	n := (len(b) + page - 1) / page * page
	all, err := syscall.Mmap(-1, 0, n+2*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Munmap(all) })
	g := &guarded{all: all[page : page+n]}
	for i := range g.all {
		g.all[i] = canary
	}
	if end {
		g.at = n - len(b)
	}
	g.b = g.all[g.at:][:len(b):len(b)]
	copy(g.b, b)
	for _, p := range [][]byte{all[:page], all[page+n:]} {
		if err := syscall.Mprotect(p, syscall.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	return g
}

// intact reports whether the canaries live.
func (g *guarded) intact() bool {
	rest := append(bytes.Clone(g.all[:g.at]), g.all[g.at+len(g.b):]...)
	return bytes.Count(rest, []byte{canary}) == len(rest)
}

// guardSlice puts a scratch slice, all of its capacity, among guards.
func guardSlice[T any](t *testing.T, s *[]T, end bool, all *[]*guarded) {
	if cap(*s) == 0 {
		return
	}
	n, whole := len(*s), (*s)[:cap(*s)]
	size := int(unsafe.Sizeof(whole[0]))
	g := guard(t, unsafe.Slice((*byte)(unsafe.Pointer(&whole[0])), size*len(whole)), end)
	*all = append(*all, g)
	*s = unsafe.Slice((*T)(unsafe.Pointer(&g.b[0])), len(whole))[:n]
}

func (z *Resizer) guard(t *testing.T, end bool) (all []*guarded) {
	for _, c := range []*comb{&z.x.of[0].comb, &z.x.of[1].comb} {
		guardSlice(t, &c.offset, end, &all)
		guardSlice(t, &c.prog, end, &all)
	}
	for _, a := range []*axis{&z.y.luma, &z.y.chroma, &z.x.luma, &z.x.chroma} {
		guardSlice(t, &a.start, end, &all)
		guardSlice(t, &a.weight, end, &all)
	}
	guardSlice(t, &z.pixels.offset, end, &all)
	guardSlice(t, &z.pixels.weight, end, &all)
	for _, s := range []*[]int16{&z.sums, &z.l, &z.cb, &z.cr} {
		guardSlice(t, s, end, &all)
	}
	for _, s := range []*[]byte{&z.lent, &z.out.r, &z.out.g, &z.out.b, &z.out.row} {
		guardSlice(t, s, end, &all)
	}
	return all
}

// TestGuards runs pictures with every slice that the assembly reads or writes
// between unmapped pages: planes, target, tables and scratch.
func TestGuards(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	rounds := 300
	if testing.Short() {
		rounds = 60
	}
	for i := range rounds {
		w, h := side(r, 300), side(r, 100)
		target := randomTarget(r, 100)
		if i%20 == 0 { // large enough to be streamed
			target.Width, target.Height = 150+r.IntN(90), 224
		}
		c, f, end := randomCrop(r, w, h), Filter(r.IntN(2)), r.IntN(2) == 0
		p, rgb := randomPhoto(r, w, h), noise(r, w, h, 3)
		what := fmt.Sprintf("round %d: %dx%d, chroma %dx%d, %+v, filter %d to %+v", i, w, h, p.H, p.V, c, f, *target)
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
			defer func() {
				if e := recover(); e != nil {
					t.Fatalf("%s: %v", what, e)
				}
			}()
			var planes []*guarded
			for _, q := range []*Plane{&p.Y, &p.Cb, &p.Cr, &rgb} {
				g := guard(t, q.Pix, end)
				q.Pix = g.b
				planes = append(planes, g)
			}
			for _, packed := range []bool{false, true} {
				z := &Resizer{}
				run := func(dst []byte) {
					var err error
					if packed {
						err = z.Packed(dst, &rgb, c, target, f)
					} else {
						err = z.Planar(dst, p, c, target, f)
					}
					if err != nil {
						t.Fatalf("%s: %v", what, err)
					}
				}
				want := make([]byte, target.Size())
				run(want)
				got := guard(t, want, end)
				clear(got.b)
				all := append(z.guard(t, end), got)
				run(got.b)
				if !bytes.Equal(got.b, want) {
					t.Errorf("%s: packed %v: differs between guards", what, packed)
				}
				for _, g := range append(all, planes...) {
					if !g.intact() {
						t.Errorf("%s: packed %v: wrote outside of a slice", what, packed)
					}
				}
			}
		})
	}
}
