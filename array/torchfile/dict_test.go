package torchfile_test

import (
	"math"
	"testing"

	"github.com/betongo/betongo/array/torchfile"
)

func TestDict(t *testing.T) {
	d := &torchfile.Dict{}
	for i := range 50 {
		if err := d.Set(i, i*i); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ set, get any }{
		{"a", "a"}, {int64(7), 7}, {true, 1}, {2.0, int64(2)}, {1.5, 1.5}, {nil, nil}, {[]byte("x"), []byte("x")},
		{torchfile.Tuple{1, "a"}, torchfile.Tuple{int64(1), "a"}}, {math.Inf(1), math.Inf(1)}, {float64(1 << 60), float64(1 << 60)},
	} {
		n := len(d.Items)
		_, was := d.Get(c.get)
		if err := d.Set(c.set, "new"); err != nil {
			t.Fatal(err)
		}
		if v, ok := d.Get(c.get); !ok || v != "new" {
			t.Errorf("%v set, %v got: %v, %v", c.set, c.get, v, ok)
		}
		if grown := len(d.Items) > n; grown == was {
			t.Errorf("%v: %d entries after %d", c.set, len(d.Items), n)
		}
	}
	if v, ok := d.Get(49); !ok || v != 49*49 {
		t.Errorf("got %v", v)
	}
	for _, key := range []any{[]any{1}, torchfile.Tuple{torchfile.Tuple{1}}, &torchfile.List{}, make([]byte, 1000), make(torchfile.Tuple, 1000)} {
		if err := d.Set(key, 1); err == nil {
			t.Errorf("a key of %T was taken", key)
		}
		if _, ok := d.Get(key); ok {
			t.Errorf("a key of %T is there", key)
		}
	}
	// Entries that were put there without Set are found, too.
	d.Items = append(d.Items, torchfile.Item{Key: "late", Value: 1})
	if v, ok := d.Get("late"); !ok || v != 1 {
		t.Errorf("got %v, %v", v, ok)
	}
}
