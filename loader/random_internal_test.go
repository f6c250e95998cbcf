package loader

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"slices"
	"testing"

	golden "github.com/betongo/betongo/testdata/ffcv"
)

// The known answers of Random123's kat_vectors for philox4x32-10.
func TestPhiloxKnownAnswers(t *testing.T) {
	ones := ^uint32(0)
	for _, k := range []struct {
		counter [4]uint32
		key     [2]uint32
		want    [4]uint32
	}{
		{want: [4]uint32{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
		{[4]uint32{ones, ones, ones, ones}, [2]uint32{ones, ones}, [4]uint32{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
		{[4]uint32{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, [2]uint32{0xa4093822, 0x299f31d0}, [4]uint32{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
	} {
		if got := philox4x32(k.counter, k.key); got != k.want {
			t.Errorf("philox4x32(%x, %x) = %x, want %x", k.counter, k.key, got, k.want)
		}
	}
}

// Streams that differ in any part of their name differ, and none depends on
// what was drawn before.
func TestStreams(t *testing.T) {
	var p philox
	rng := rand.New(&p)
	seen := map[uint64]string{}
	for _, seed := range []uint64{0, 1, 1 << 40} {
		for _, output := range []string{"image", "view", ""} {
			for op, stream := range []string{"", "flip", "flip"} {
				for _, epoch := range []uint32{0, 1} {
					for _, sample := range []uint64{0, 1, 1 << 33} {
						p.rekey(streamKey(seed, output, stream, op), epoch, sample)
						v := rng.Uint64()
						if name, ok := seen[v]; ok {
							t.Errorf("stream %d %q %d %d %d begins as %s", seed, output, op, epoch, sample, name)
						}
						seen[v] = output
						rng.Float64() // leaves half of a block behind
						p.rekey(streamKey(seed, output, stream, op), epoch, sample)
						if again := rng.Uint64(); again != v {
							t.Errorf("begun anew: %x, want %x", again, v)
						}
					}
				}
			}
		}
	}
}

func TestMT19937(t *testing.T) { // C++: std::mt19937 g(5489); the 10,000th draw is in the standard
	m := newMT19937(5489)
	var v uint32
	for range 10000 {
		v = m.uint32()
	}
	if v != 4123659995 {
		t.Errorf("10,000th draw: %d, want 4123659995", v)
	}
}

// TestPythonSet holds the order against CPython 3.11's: list(set) after adding
// the values one by one.
func TestPythonSet(t *testing.T) {
	small := [][2][]uint64{
		{{637, 261, 759, 367, 814}, {261, 814, 367, 759, 637}},
		{{4, 1, 7, 1, 4}, {1, 4, 7}},
		{{60828, 976481, 522301, 108744, 328941, 237410, 779707, 983709, 517100, 798507, 213855, 522884, 27502, 454515, 855954, 586117, 381840, 816709, 334714, 150851},
			{522884, 586117, 381840, 855954, 60828, 983709, 798507, 779707, 522301, 150851, 816709, 108744, 213855, 976481, 237410, 517100, 328941, 27502, 454515, 334714}},
	}
	var set pythonSet
	list := func(values []uint64) []uint64 {
		set.reset()
		for _, v := range values {
			set.add(v)
		}
		var got []uint64
		set.each(func(v uint64) { got = append(got, v) })
		return got
	}
	for _, c := range small {
		if got := list(c[0]); !slices.Equal(got, c[1]) {
			t.Errorf("set of %v: %v, want %v", c[0], got, c[1])
		}
	}
	// Past 50,000 a set grows by less: [(x*7919) % 2**28 for x in range(60000)].
	var many []uint64
	for x := range uint64(60000) {
		many = append(many, x*7919%(1<<28))
	}
	h := sha256.New()
	for _, v := range list(many) {
		h.Write(binary.LittleEndian.AppendUint64(nil, v))
	}
	const want = "1f0950a494281612fc085d3df58cda4e2e248de98a2d14be3900e02fb68c84d3"
	if got := hex.EncodeToString(h.Sum(nil)); got != want {
		t.Errorf("set of 60,000: sha256 %s, want %s", got, want)
	}
}

// TestQuasiFirstCall checks the order of a subset as FFCV gives it when it is
// asked for the first time, without the call that its Loader makes before.
func TestQuasiFirstCall(t *testing.T) {
	var o struct {
		Quasi []struct {
			BatchSize int `json:"batch_size"`
			Indices   []int
			Seed      uint64
			FirstCall []int `json:"first_call"`
		} `json:"quasi_random"`
		Pages struct {
			Samples [][]uint32 `json:"page_to_samples_before_shuffle"`
		} `json:"quasi_pages"`
	}
	golden.JSON("orders.json", &o)
	tested := false
	for _, g := range o.Quasi {
		if g.FirstCall == nil {
			continue
		}
		tested = true
		l := &pageList{}
		for _, page := range o.Pages.Samples {
			l.samples = append(l.samples, page...)
			l.ends = append(l.ends, len(l.samples))
		}
		s := Selection{Len: len(g.Indices), Samples: g.Indices}
		selected, err := newSelected(1000, s)
		if err != nil {
			t.Fatal(err)
		}
		if l, err = orderPages(l, selected, s); err != nil {
			t.Fatal(err)
		}
		p := &quasiPlan{sel: Selection{Seed: g.Seed}}
		shufflePages(l, p.seed(0))
		got := make([]int, len(g.FirstCall))
		if err := newQuasiSequence(l, p.seed(0), 2*g.BatchSize, &p.given).Fill(got, 0, 1); err != nil || !slices.Equal(got, g.FirstCall) {
			t.Errorf("%v (%v), want %v", got, err, g.FirstCall)
		}
	}
	if !tested {
		t.Error("no golden order of a subset")
	}
}
