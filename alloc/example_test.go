package alloc_test

import (
	"fmt"
	"log"

	"github.com/betongo/betongo/alloc"
)

// A writer that was stopped goes on as if it had not been.
func ExampleResumePages() {
	const first, size = 4 << 20, 2 << 20
	p := alloc.NewPages(first, size, false)
	ptrs := make([]uint64, 2)
	if err := p.Place([]int{100_000, 16}, ptrs); err != nil {
		log.Fatal(err)
	}
	fmt.Println(ptrs)
	count, used := p.State() // into the journal

	p, err := alloc.ResumePages(first, size, false, count, used)
	if err != nil {
		log.Fatal(err)
	}
	if err := p.Place([]int{50_000, 16}, ptrs); err != nil {
		log.Fatal(err)
	}
	fmt.Println(ptrs)
	// Output:
	// [4194304 4294304]
	// [4294320 4344320]
}
