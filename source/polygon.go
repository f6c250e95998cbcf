package source

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// Masks as pycocotools has them, to the pixel: runs of pixels by columns, from the
// top left, the first of which is of pixels outside.

// paintRuns calls set with the pixels, by their place in rows, that the runs say are
// inside. What lies beyond the image is left out.
func paintRuns(runs []uint32, width, height int, set func(at int)) {
	at, end := 0, width*height
	for i, n := range runs {
		next := min(end, at+int(n))
		if i%2 == 1 {
			for ; at < next; at++ {
				set(at%height*width + at/height)
			}
		}
		at = next
	}
}

// checkRuns finds runs that are not those of an image.
func checkRuns(runs []uint32, width, height int) error {
	total := uint64(0)
	for _, n := range runs {
		total += uint64(n) // of at most 2^32 runs
	}
	if total != uint64(width)*uint64(height) {
		return fmt.Errorf("runs of %d pixels in all; an image of %dx%d has %d", total, width, height, uint64(width)*uint64(height))
	}
	return nil
}

// maxRuns bounds how many runs a mask has.
const maxRuns = 1 << 26

// parseRuns reads runs in COCO's compressed form: each number in groups of five bits
// from the lowest on, a bit for more to follow, in characters from '0' on; from the
// fourth number on they are differences to the one two before.
func parseRuns(text string) ([]uint32, error) {
	var runs []uint32
	for i := 0; i < len(text); {
		var x int64
		for shift := 0; ; shift += 5 {
			if i == len(text) {
				return nil, fmt.Errorf("counts end in the middle of a number, after %d", len(runs))
			}
			c := int64(text[i]) - '0'
			if c < 0 || c > 63 {
				return nil, fmt.Errorf("counts have the byte %#02x at %d", text[i], i)
			}
			if shift > 35 {
				return nil, fmt.Errorf("counts have a number of more than 40 bits at %d", i)
			}
			i++
			x |= c & 31 << shift
			if c&32 == 0 {
				if c&16 != 0 {
					x |= -1 << (shift + 5)
				}
				break
			}
		}
		if len(runs) > 2 {
			x += int64(runs[len(runs)-2])
		}
		if x < 0 || x > math.MaxUint32 {
			return nil, fmt.Errorf("counts have a run of %d pixels, number %d", x, len(runs))
		}
		if len(runs) >= maxRuns {
			return nil, fmt.Errorf("counts have more than %d runs", maxRuns)
		}
		runs = append(runs, uint32(x))
	}
	return runs, nil
}

const (
	// polygonScale is by how much polygons are drawn larger before their pixels are
	// found.
	polygonScale = 5
	// maxOutline bounds how many points a polygon's outline has when it is drawn so.
	maxOutline = 1 << 24
	// maxCoordinate bounds coordinates, wherever they lie.
	maxCoordinate = 1 << 24
)

// paintPolygon calls set with the pixels, by their place in rows, of a polygon of
// corners x, y, x, y…, which closes by itself. Its outline is drawn five times as
// large, by rounded points along the longer side of each edge; where that crosses the
// middle of a column a run begins or ends.
func paintPolygon(xy []float64, width, height int, set func(at int)) error {
	edges, err := crossings(xy, width, height)
	if err != nil {
		return err
	}
	slices.Sort(edges)
	for i := 0; i+1 < len(edges); i += 2 {
		for at := edges[i]; at < edges[i+1]; at++ {
			set(at%height*width + at/height)
		}
	}
	return nil
}

// crossings returns where runs begin and end, by columns, in any order; an even
// number of them.
func crossings(xy []float64, width, height int) ([]int, error) {
	n := len(xy) / 2
	if n < 3 || len(xy)%2 != 0 {
		return nil, fmt.Errorf("a polygon of %d numbers; expected x and y of 3 corners or more", len(xy))
	}
	corner := func(i int) (x, y int) {
		i %= n
		return int(polygonScale*xy[2*i] + .5), int(polygonScale*xy[2*i+1] + .5)
	}
	for _, v := range xy {
		if !(v >= -maxCoordinate && v <= maxCoordinate) {
			return nil, fmt.Errorf("a polygon with the coordinate %v", v)
		}
	}
	var edges []int
	outline := 0
	last, begun := [2]int{}, false
	for i := range n {
		xs, ys := corner(i)
		xe, ye := corner(i + 1)
		if outline += max(abs(xe-xs), abs(ye-ys)) + 1; outline > maxOutline {
			return nil, errors.New("a polygon with too long an outline")
		}
		eachPoint(xs, ys, xe, ye, func(x, y int) {
			if begun && x != last[0] {
				if at, ok := crossing(last[0], last[1], x, y, width, height); ok {
					edges = append(edges, at)
				}
			}
			last, begun = [2]int{x, y}, true
		})
	}
	if len(edges)%2 == 1 { // the last run goes to the end
		edges = append(edges, width*height)
	}
	return edges, nil
}

// eachPoint yields the points of an edge from its begin to its end.
func eachPoint(xs, ys, xe, ye int, yield func(x, y int)) {
	dx, dy := abs(xe-xs), abs(ye-ys)
	wide := dx >= dy
	flip := wide && xs > xe || !wide && ys > ye
	if flip {
		xs, xe, ys, ye = xe, xs, ye, ys
	}
	steps, slope := max(dx, dy), 0.0
	switch {
	case steps == 0:
	case wide:
		slope = float64(ye-ys) / float64(dx)
	default:
		slope = float64(xe-xs) / float64(dy)
	}
	for d := range steps + 1 {
		t := d
		if flip {
			t = steps - d
		}
		if wide {
			yield(t+xs, int(float64(ys)+slope*float64(t)+.5))
		} else {
			yield(int(float64(xs)+slope*float64(t)+.5), t+ys)
		}
	}
}

// crossing returns where, by columns, the outline crosses the middle of a column of
// the image between two of its points, if it does.
func crossing(x0, y0, x1, y1, width, height int) (at int, ok bool) {
	x := float64(x1)
	if x1 >= x0 {
		x = float64(x1 - 1)
	}
	x = (x+.5)/polygonScale - .5
	if math.Floor(x) != x || x < 0 || x > float64(width-1) {
		return 0, false
	}
	y := (float64(min(y0, y1))+.5)/polygonScale - .5
	y = math.Ceil(max(0, min(float64(height), y)))
	return int(x)*height + int(y), true
}

func abs(n int) int { return max(n, -n) }
