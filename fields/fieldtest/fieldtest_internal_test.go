package fieldtest

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/betongo/betongo/fields"
)

// recorder is a testing.TB that keeps what a test would have failed with.
type recorder struct {
	testing.TB
	mu   sync.Mutex
	said []string
}

func (r *recorder) Helper()                   {}
func (r *recorder) Log(...any)                {}
func (r *recorder) Errorf(f string, a ...any) { r.add(fmt.Sprintf(f, a...)) }
func (r *recorder) Fatalf(f string, a ...any) { r.add(fmt.Sprintf(f, a...)); runtime.Goexit() }

func (r *recorder) add(s string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said = append(r.said, s)
}

// fails runs the whole suite and returns what it found, part by part.
func fails(f fields.Field, values ...any) []string {
	var r recorder
	for _, p := range parts {
		done := make(chan struct{})
		go func() { // its own goroutine, because Fatalf ends it
			defer close(done)
			p.run(&r, f, values)
		}()
		<-done
	}
	return r.said
}

// twisted is a sound field with one thing wrong.
type twisted struct {
	fields.Field
	layout  func(fields.Layout) fields.Layout
	args    func(fields.Args) fields.Args
	encode  func(meta []byte, v any, at fields.At) error
	regions func(dst []fields.Region, meta []byte) ([]fields.Region, error)
	decode  func(meta []byte, data [][]byte) (any, error)
}

func (f twisted) Layout() fields.Layout {
	if f.layout != nil {
		return f.layout(f.Field.Layout())
	}
	return f.Field.Layout()
}

func (f twisted) Args() (fields.Args, error) {
	a, err := f.Field.Args()
	if f.args != nil {
		a = f.args(a)
	}
	return a, err
}

func (f twisted) Encode(meta []byte, v any, at fields.At) error {
	if f.encode != nil {
		return f.encode(meta, v, at)
	}
	return f.Field.Encode(meta, v, at)
}

func (f twisted) Regions(dst []fields.Region, meta []byte) ([]fields.Region, error) {
	if f.regions != nil {
		return f.regions(dst, meta)
	}
	return f.Field.Regions(dst, meta)
}

func (f twisted) Decode(meta []byte, data [][]byte) (any, error) {
	if f.decode != nil {
		return f.decode(meta, data)
	}
	return f.Field.Decode(meta, data)
}

func TestSoundFieldPasses(t *testing.T) {
	if said := fails(twisted{Field: fields.Bytes{}}, []byte("abc"), []byte{}); len(said) > 0 {
		t.Errorf("a sound field fails: %q", said)
	}
}

func TestBrokenFieldsAreCaught(t *testing.T) {
	var count atomic.Int64
	b := fields.Bytes{}
	for _, tt := range []struct {
		name string
		f    twisted
		want string // in one of the messages
	}{
		{"size of no multiple", twisted{layout: func(l fields.Layout) fields.Layout { l.Align = 32; return l }}, "not a multiple"},
		{"odd alignment", twisted{layout: func(l fields.Layout) fields.Layout { l.Align = 3; return l }}, "power of two"},
		{"pointer outside", twisted{layout: func(l fields.Layout) fields.Layout { l.Pointers = []int{9}; return l }}, "outside"},
		{"pointers overlap", twisted{layout: func(l fields.Layout) fields.Layout { l.Pointers = []int{0, 4}; return l }}, "overlap"},
		{"pointer not told", twisted{layout: func(l fields.Layout) fields.Layout { l.Pointers = nil; return l }}, "asked for 1 regions"},
		{"pointer elsewhere", twisted{layout: func(l fields.Layout) fields.Layout { l.Pointers = []int{8}; return l }}, "as Alloc gave it"},
		{"args change", twisted{args: func(a fields.Args) fields.Args { a[0] = byte(count.Add(1)); return a }}, "differ the second time"},
		{"args not read", twisted{args: func(a fields.Args) fields.Args { a[0] = 1; return a }}, "has others"},
		{"stores nothing", twisted{encode: func(meta []byte, v any, at fields.At) error {
			return b.Encode(meta, make([]byte, len(v.([]byte))), at)
		}}, "want [97"},
		{"not the same twice", twisted{encode: func(meta []byte, v any, at fields.At) error {
			return b.Encode(meta, []byte{byte(count.Add(1))}, at)
		}}, "stored twice"},
		{"takes no second look", twisted{decode: func(meta []byte, data [][]byte) (any, error) {
			v, err := b.Decode(meta, data)
			return fmt.Sprint(v), err
		}}, "is refused by Encode"},
		{"alloc error lost", twisted{encode: func(meta []byte, v any, at fields.At) error {
			if err := b.Encode(meta, v, at); errors.Is(err, fields.ErrValue) {
				return err
			}
			return nil
		}}, "Alloc fails"},
		{"own alloc error", twisted{encode: func(meta []byte, v any, at fields.At) error {
			if err := b.Encode(meta, v, at); err != nil {
				return fmt.Errorf("no luck: %v (%w)", err, fields.ErrValue)
			}
			return nil
		}}, "Alloc fails"},
		{"plain refusal", twisted{encode: func(meta []byte, v any, at fields.At) error {
			if err := b.Encode(meta, v, at); err != nil {
				return errors.New(err.Error())
			}
			return nil
		}}, "wrap fields.ErrValue"},
		{"panics on wrong types", twisted{encode: func(meta []byte, v any, at fields.At) error {
			return b.Encode(meta, v.([]byte), at)
		}}, "panic in Encode"},
		{"takes everything", twisted{encode: func(meta []byte, v any, at fields.At) error {
			v, _ = v.([]byte)
			return b.Encode(meta, v, at)
		}}, "was stored"},
		{"trusts short metadata", twisted{regions: func(dst []fields.Region, meta []byte) ([]fields.Region, error) {
			_ = meta[15]
			return b.Regions(dst, meta[:16])
		}}, "panic in Regions"},
		{"trusts sizes", twisted{decode: func(meta []byte, data [][]byte) (any, error) {
			return data[0][:meta[8]], nil
		}}, "panic in Decode"},
		{"negative sizes", twisted{regions: func(dst []fields.Region, meta []byte) ([]fields.Region, error) {
			dst, err := b.Regions(dst, meta)
			if err == nil && dst[len(dst)-1].Size > 1<<40 {
				dst[len(dst)-1].Size = -7
			}
			return dst, err
		}}, "a region of -7"},
		{"regions forgets dst", twisted{regions: func(_ []fields.Region, meta []byte) ([]fields.Region, error) {
			return b.Regions(nil, meta)
		}}, "one region before"},
		{"remembers the place", twisted{regions: func(dst []fields.Region, meta []byte) ([]fields.Region, error) {
			dst, err := b.Regions(dst, meta)
			if err == nil {
				dst[len(dst)-1].Ptr = 1<<33 + 1
			}
			return dst, err
		}}, "moved: region 0"},
		{"writes metadata", twisted{decode: func(meta []byte, data [][]byte) (any, error) {
			v, err := b.Decode(meta, data)
			if err == nil {
				meta[15]++
			}
			return v, err
		}}, "the metadata was changed"},
		{"takes any data", twisted{decode: func(meta []byte, data [][]byte) (any, error) {
			if _, err := b.Regions(nil, meta); err != nil || len(data) == 0 {
				return nil, errors.New("no")
			}
			return data[0], nil
		}}, "for a region of"},
	} {
		tt.f.Field = b
		said := fails(tt.f, []byte("abc"), []byte{})
		if !strings.Contains(strings.Join(said, "\n"), tt.want) {
			t.Errorf("%s: the suite says %q; want %q in it", tt.name, said, tt.want)
		}
	}
}

func TestSame(t *testing.T) {
	nan := fields.AudioClip{SampleRate: 1}
	for _, tt := range []struct {
		a, b any
		want bool
	}{
		{nil, nil, true}, {nil, 1, false}, {1, int64(1), false}, {[]byte(nil), []byte{}, true},
		{[]byte("a"), []byte("b"), false}, {[]string{"a"}, []string{"a", "b"}, false},
		{map[string]any{"a": 1.5}, map[string]any{"a": 1.5}, true},
		{map[string]any{"a": 1.5}, map[string]any{"b": 1.5}, false},
		{nan, nan, true}, {nan, fields.AudioClip{}, false}, {&nan, &fields.AudioClip{SampleRate: 1}, true},
	} {
		if got := same(tt.a, tt.b); got != tt.want {
			t.Errorf("same(%v, %v) = %v", tt.a, tt.b, got)
		}
	}
}
