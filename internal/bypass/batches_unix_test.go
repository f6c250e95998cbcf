//go:build unix

package bypass_test

import (
	"bytes"
	"fmt"
	"syscall"
	"testing"

	"github.com/betongo/betongo/internal/bypass"
	"github.com/betongo/betongo/internal/mmap"
)

// cpu is the time of the process so far, in nanoseconds.
func cpu(b *testing.B) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// BenchmarkBatches is what batches of values of 32 KiB, each behind as many zeros,
// take to be made and, two batches later, read, five of them in turn: through the
// caches and past them.
func BenchmarkBatches(b *testing.B) {
	const value = 32 << 10
	src := bytes.Repeat([]byte{1}, 256<<20)
	for _, size := range []int{4 << 20, 8 << 20, 16 << 20, 32 << 20} {
		var blocks [5][]byte
		for i := range blocks {
			var err error
			if blocks[i], err = mmap.Anon(size); err != nil {
				b.Fatal(err)
			}
			defer mmap.Free(blocks[i])
			mmap.Huge(blocks[i])
		}
		for _, way := range []struct {
			name  string
			copy  func(dst, src []byte) int
			clear func(dst []byte)
		}{
			{"through", func(dst, src []byte) int { return copy(dst, src) }, func(dst []byte) { clear(dst) }},
			{"past", bypass.Copy, bypass.Clear},
		} {
			for _, read := range []bool{false, true} {
				b.Run(fmt.Sprintf("MiB=%d/caches=%s/read=%v", size>>20, way.name, read), func(b *testing.B) {
					b.SetBytes(2 * value)
					from, start := 0, cpu(b)
					for k := 0; b.Loop(); k++ {
						at := k * 2 * value
						block := blocks[at/size%len(blocks)]
						row := block[at%size:][:2*value]
						if from += value + 8; from+value > len(src) {
							from = 0
						}
						way.copy(row[:value], src[from:from+value])
						way.clear(row[value:])
						if before := blocks[(at/size+3)%len(blocks)]; read && bytes.IndexByte(before[at%size:][:2*value], 9) >= 0 {
							b.Fatal("a value that nobody wrote")
						}
					}
					b.ReportMetric(float64(cpu(b)-start)/float64(b.N), "cpu-ns/op")
				})
			}
		}
	}
}
