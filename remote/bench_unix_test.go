//go:build unix

package remote_test

import (
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/betongo/betongo/internal/s3test"
	"github.com/betongo/betongo/remote"
)

// cpu is the time that this process has had.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkS3ReadAt tells what a request costs the client: 100 KB at random places,
// four at a time.
func BenchmarkS3ReadAt(b *testing.B) {
	s3test.Start(b)
	data := noise(64 << 20)
	const url, size = "s3://data/bench", 100_000
	if err := upload(b, nil, url, data, nil); err != nil {
		b.Fatal(err)
	}
	o, err := remote.Open(b.Context(), url, nil)
	if err != nil {
		b.Fatal(err)
	}
	defer o.Close()
	b.SetBytes(size)
	b.ReportAllocs()
	begin := cpu(b)
	b.ResetTimer()
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Add(1)
		go func() { // ends with its share of the reads
			defer wg.Done()
			r := rand.New(rand.NewPCG(1, uint64(w)))
			buf := make([]byte, size)
			for i := w; i < b.N; i += 4 {
				if _, err := o.ReadAt(buf, r.Int64N(int64(len(data)-size))); err != nil {
					b.Error(err)
					return
				}
			}
		}()
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(cpu(b)-begin)/1e3/float64(b.N), "cpu-µs/op")
}
