package label_test

import (
	"fmt"
	"log"

	"github.com/betongo/betongo/label"
)

var labels = []int64{0, 0, 1, 0, 1, 0, 1, 1}

func ExampleStratified() {
	parts, err := label.Stratified(labels, []float64{0.75, 0.25}, 1)
	if err != nil {
		log.Fatal(err)
	}
	for _, part := range parts {
		fmt.Println(part)
	}
	// Output:
	// [0 1 2 3 6 7]
	// [4 5]
}

// Labels that come one by one, too many to keep, are dealt out to two parts.
func ExampleNewDealer() {
	d, err := label.NewDealer([]float64{0.75, 0.25})
	if err != nil {
		log.Fatal(err)
	}
	for _, l := range labels {
		d.Count(l)
	}
	if err := d.Counted(); err != nil {
		log.Fatal(err)
	}
	fmt.Println(d.Parts())
	for i, l := range labels {
		if part, ok := d.Deal(l); ok {
			fmt.Println("sample", i, "to part", part)
		}
	}
	// Output:
	// [6 2]
	// sample 0 to part 0
	// sample 1 to part 0
	// sample 2 to part 0
	// sample 3 to part 0
	// sample 4 to part 0
	// sample 5 to part 1
	// sample 6 to part 0
	// sample 7 to part 1
}

func ExampleNewMapping() {
	rules, err := label.ParseMapping("tabby=cat, siamese=cat")
	if err != nil {
		log.Fatal(err)
	}
	m, err := label.NewMapping(rules, []string{"tabby", "dog", "siamese"})
	if err != nil {
		log.Fatal(err)
	}
	renamed, err := m.Apply([]int64{0, 1, 2})
	fmt.Println(m.Classes(), renamed, err)
	// Output: [cat dog] [0 1 0] <nil>
}
