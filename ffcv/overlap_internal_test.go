package ffcv

import (
	"math/rand/v2"
	"testing"
)

func TestExtents(t *testing.T) {
	const page = 1000
	type s = [2]uint64
	for name, c := range map[string]struct {
		spans    []s
		extents  int
		clusters []extent
	}{
		"none":              {nil, 0, nil},
		"one page":          {[]s{{1000, 1100}, {1100, 1200}, {1300, 2000}}, 1, nil},
		"two pages":         {[]s{{1000, 1100}, {2000, 2100}}, 2, nil},
		"pages by turns":    {[]s{{1000, 1100}, {2000, 2100}, {1100, 1200}, {2100, 2200}, {1200, 1300}}, 2, nil},
		"downwards":         {[]s{{1200, 1300}, {1100, 1200}, {1000, 1100}}, 3, nil},
		"large, then small": {[]s{{1000, 3500}, {4000, 4100}}, 2, nil},
		"alike":             {[]s{{1000, 1100}, {1000, 1100}}, 2, []extent{{1000, 1100}}},
		"by a byte":         {[]s{{1000, 1100}, {1099, 1200}}, 2, []extent{{1000, 1200}}},
		"inside":            {[]s{{1000, 1900}, {1100, 1200}, {1300, 1400}}, 2, []extent{{1000, 1900}}},
		"large over small":  {[]s{{2000, 2100}, {1000, 2050}}, 2, []extent{{1000, 2100}}},
		"two clusters":      {[]s{{1000, 1100}, {1050, 1150}, {5000, 5001}, {7000, 7100}, {7099, 7200}}, 5, []extent{{1000, 1150}, {7000, 7200}}},
	} {
		x := newExtents(page)
		for _, s := range c.spans {
			x.add(s[0], s[1])
		}
		got := x.clusters()
		if len(x.list) != c.extents || len(got) != len(c.clusters) {
			t.Errorf("%s: %v, clusters %v; want %d, %v", name, x.list, got, c.extents, c.clusters)
			continue
		}
		for i := range got {
			if got[i] != c.clusters[i] {
				t.Errorf("%s: clusters %v, want %v", name, got, c.clusters)
			}
		}
	}
}

// Extents never miss an overlap: against all pairs. (In a file without order
// they suspect some that are none; Verify then looks at the spans themselves.)
func TestExtentsRandom(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 3000 {
		var spans []extent
		x := newExtents(64)
		for range 1 + rng.IntN(8) {
			lo := uint64(rng.IntN(400))
			s := extent{lo, lo + 1 + uint64(rng.IntN(30))}
			spans = append(spans, s)
			x.add(s.lo, s.hi)
		}
		want := false
		for i, a := range spans {
			for _, b := range spans[:i] {
				want = want || a.lo < b.hi && b.lo < a.hi
			}
		}
		clusters := x.clusters()
		if len(clusters) == 0 && want {
			t.Fatalf("%v: clusters %v, want %v", spans, clusters, want)
		}
	}
}
