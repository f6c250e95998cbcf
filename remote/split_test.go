package remote_test

import (
	"testing"
	"time"

	"github.com/betongo/betongo/internal/faultproxy"
	"github.com/betongo/betongo/internal/s3test"
)

// TestS3LongRead: a long read is several requests at a time, and so faster than
// one connection.
func TestS3LongRead(t *testing.T) {
	s := s3test.Start(t)
	data := noise(40<<20 + 5)
	if err := upload(t, nil, "s3://data/long", data, nil); err != nil {
		t.Fatal(err)
	}
	p, err := faultproxy.Start(s.Addr, faultproxy.Faults{Latency: 20 * time.Millisecond, BytesPerSecond: 40e6})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	t.Setenv("AWS_ENDPOINT_URL", "http://"+p.Addr())
	before := p.Requests()
	begin := time.Now()
	check(t, "s3://data/long", data)
	took := time.Since(begin)
	t.Logf("%d MiB in %v: %.0f MB/s", len(data)>>20, took, float64(len(data))/took.Seconds()/1e6)
	if n := p.Requests() - before; n != 1+6 {
		t.Errorf("%d requests", n)
	}
}
