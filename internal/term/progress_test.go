package term

import (
	"bytes"
	"testing"
	"time"
)

func TestPlainProgress(t *testing.T) {
	var b bytes.Buffer
	if p := NewProgress(Safe(&b), "p", "images", 1); p != nil {
		t.Error("a progress where nobody looks")
	}
	w := &safeWriter{w: &b, progress: progressPlain}
	p := NewProgress(w, "p", "images", 20000)
	clock := p.start
	p.now = func() time.Time { return clock }
	steps := []struct {
		after       time.Duration
		done, total int64
		want        string
	}{
		{time.Second, 1000, 20000, ""},
		{4 * time.Second, 5000, 20000, "p: 5,000 of 20,000 images (25 %), 1,000/s, 15s left\n"},
		{time.Second, 6000, 20000, ""},
		{4 * time.Second, 10000, -1, "p: 10,000 images, 1,000/s\n"},
	}
	for i, s := range steps {
		b.Reset()
		clock = clock.Add(s.after)
		p.Set(s.done, s.total)
		if got := b.String(); got != s.want {
			t.Errorf("step %d: got %q, want %q", i, got, s.want)
		}
	}
	p.Clear()
	var none *Progress
	none.Set(1, 2)
	none.Clear()
}
