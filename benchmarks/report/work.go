package report

import (
	"strings"

	"github.com/betongo/betongo/benchmarks/result"
)

// kind is how a work is told of. What has no entry in kinds is called by its
// name.
type kind struct {
	work  string
	title string
	unit  string // what CPU and rate are a piece of
	bare  string // its line in README's table behind the number of samples; "" leaves it out
}

// kinds are the works in the order in which they are reported.
var kinds = []kind{
	{"epoch-rrc224-u8", "Photographs: random resized crop to 224, flip, uint8", "photo", "random resized crop to 224 and flip"},
	{"epoch-rrc224-f32", "Photographs: random resized crop to 224, flip, normalised float32", "photo", "the same, normalised, float32"},
	{"epoch-cc224-u8", "Photographs: centre crop to 224, uint8", "photo", "centre crop to 224"},
	{"epoch-rows", "Rows of 32 float32 and a label, random order", "row", "rows of 32 float32 and a label, random order"},
	{"build", "Packing photographs", "photo", "packed"},
	{"random-access", "One record at random: JPEG and label", "record", ""},
	{"random-access-decoded", "One photograph at random, decoded", "photo", ""},
}

// headline is the work that README compares all systems by.
const headline = "epoch-rrc224-u8"

// kindOf returns how to tell of a work.
func kindOf(work string) kind {
	for _, k := range kinds {
		if k.work == work {
			return k
		}
	}
	return kind{work: work, title: strings.ReplaceAll(work, "-", " "), unit: "sample"}
}

// works returns the works of a file, those of kinds first and in their order.
func works(f *result.File) []string {
	present := f.Works()
	var list []string
	for _, k := range kinds {
		for i, w := range present {
			if w == k.work {
				list, present = append(list, w), append(present[:i:i], present[i+1:]...)
				break
			}
		}
	}
	return append(list, present...)
}

// called is what a system is called in tables and plots.
func called(system string) string {
	switch system {
	case "ffcv":
		return "FFCV"
	case "dali":
		return "DALI"
	}
	return system
}

// own says that a system is of this repository.
func own(system string) bool { return system == Base || strings.HasPrefix(system, Base+" ") }

// twin is ours with what FFCV's file of photographs holds: they are encoded again
// there.
const twin = Base + " (500 px)"

// shown says that README's table has the system: of our own not the variants.
func shown(system string) bool {
	return !own(system) || system == Base || system == twin || system == Base+" (Python)"
}
