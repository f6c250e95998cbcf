package source

import (
	"encoding/binary"
	"math"
	"testing"
)

// FuzzRuns reads compressed runs, and paints them.
func FuzzRuns(f *testing.F) {
	f.Add("PPo0o0", 40, 20)
	f.Add("d0", 5, 4)
	f.Add("_", 1, 1)
	f.Fuzz(func(t *testing.T, text string, width, height int) {
		width, height = 1+width&63, 1+height&63
		runs, err := parseRuns(text)
		if err != nil {
			return
		}
		n := 0
		paintRuns(runs, width, height, func(at int) {
			if n++; at < 0 || at >= width*height {
				t.Errorf("pixel %d of %dx%d", at, width, height)
			}
		})
		if n > width*height {
			t.Errorf("%d pixels of %dx%d", n, width, height)
		}
		if checkRuns(runs, width, height) == nil {
			inside := 0
			for i, r := range runs {
				inside += int(r) * (i % 2)
			}
			if n != inside {
				t.Errorf("%d pixels are painted, %d are inside", n, inside)
			}
		}
	})
}

// FuzzPolygon paints polygons.
func FuzzPolygon(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x20, 0x41, 0, 0, 0, 0, 0, 0, 0x20, 0x41, 0, 0, 0x20, 0x41}, 20, 20)
	f.Fuzz(func(t *testing.T, data []byte, width, height int) {
		width, height = 1+width&63, 1+height&63
		var xy []float64
		for ; len(data) >= 4 && len(xy) < 32; data = data[4:] {
			v := float64(math.Float32frombits(binary.LittleEndian.Uint32(data)))
			if math.Abs(v) > 1000 { // long outlines take long
				v = math.Mod(v, 1000)
			}
			xy = append(xy, v)
		}
		_ = paintPolygon(xy, width, height, func(at int) {
			if at < 0 || at >= width*height {
				t.Errorf("pixel %d of %dx%d", at, width, height)
			}
		})
	})
}

func TestParseRuns(t *testing.T) {
	for _, text := range []string{"P", "\x00", "oooooooooooo", "0000O"} {
		if runs, err := parseRuns(text); err == nil && text != "0000O" {
			t.Errorf("%q: %v; want an error", text, runs)
		}
	}
}
