//go:build betongodebug

package loader_test

import (
	"runtime/debug"
	"testing"

	"github.com/betongo/betongo/loader"
)

var sink byte

// TestUseAfterRelease needs the build tag betongodebug.
func TestUseAfterRelease(t *testing.T) {
	f := numbers(t, 100)["map"]
	l := newLoader(t, f, &loader.Options{BatchSize: 10})
	caught := func(what string, use func()) {
		t.Helper()
		defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
		defer func() {
			if recover() == nil {
				t.Errorf("%s after Release is not caught", what)
			}
		}()
		use()
	}
	for b, err := range l.Epoch(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		c := b.Output("x")
		b.Release()
		caught("Output", func() { b.Output("x") })
		caught("Outputs", func() { b.Outputs() })
		caught("Samples", func() { b.Samples() })
		caught("Value", func() { c.Value(0) })
		caught("Release", b.Release)
		caught("reading", func() { sink += c.Data[3] })
		caught("writing", func() { c.Data[3] = 1 })
	}
}
