// Package fieldtest proves that a fields.Field keeps its contract. A program
// with a field of its own runs it in a test:
//
//	func TestAudio(t *testing.T) {
//		fieldtest.Run(t, fields.Audio{}, clip, fields.AudioClip{SampleRate: 8000, Channels: 1})
//	}
package fieldtest

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/betongo/betongo/fields"
)

// Run tests f with values that it stores; there must be at least one, and
// varied ones (empty, small, large) prove more. Each part is a subtest:
//
//   - Layout: size, alignment and pointers make sense and stay what they are.
//   - Args: they stay what they are, and the field made again from them reads
//     the same values (for custom fields, when they are registered).
//   - RoundTrip: one region a pointer, in order, its pointer where the layout
//     says; other pointers may be written there; storing a value twice gives
//     the same bytes; Decode gives a value that is stored as the same bytes,
//     equal to the first if it is of the same type.
//   - Alloc: Encode returns the error of an Alloc that has no place.
//   - Hostile: changed and cut metadata and data give errors or other values,
//     never a panic.
//   - WrongType: values of other types are refused with fields.ErrValue.
//   - Marks: a fields.Marker appends, always the same, and changes nothing; with
//     CheckMarks it accepts its own marks, and others give errors or none, never
//     a panic.
//   - Concurrent: many goroutines may encode and decode (run it with -race).
func Run(t *testing.T, f fields.Field, values ...any) {
	t.Helper()
	if len(values) == 0 {
		t.Fatal("fieldtest: no values")
	}
	for _, p := range parts {
		t.Run(p.name, func(t *testing.T) { p.run(t, f, values) })
	}
}

var parts = []struct {
	name string
	run  func(tb testing.TB, f fields.Field, values []any)
}{
	{"Layout", layout},
	{"Args", args},
	{"RoundTrip", roundTrip},
	{"Alloc", allocError},
	{"Hostile", hostile},
	{"WrongType", wrongType},
	{"Marks", marks},
	{"Concurrent", concurrent},
}

// stored is an encoded value.
type stored struct {
	meta []byte
	ptrs []uint64 // as Alloc gave them
	data [][]byte
}

func (s *stored) equal(t *stored) bool {
	return bytes.Equal(s.meta, t.meta) && slices.EqualFunc(s.data, t.data, bytes.Equal)
}

// alloc is a page that never ends; it begins at an odd offset above 4 GiB, so
// that narrow and aligned pointers show.
func (s *stored) alloc(size int) (uint64, []byte, error) {
	if size < 0 {
		return 0, nil, fmt.Errorf("a region of %d bytes", size)
	}
	ptr := uint64(1<<33 + 1)
	if n := len(s.ptrs); n > 0 {
		ptr = s.ptrs[n-1] + uint64(max(1, len(s.data[n-1])))
	}
	s.ptrs = append(s.ptrs, ptr)
	s.data = append(s.data, make([]byte, size))
	return ptr, s.data[len(s.data)-1], nil
}

// noPanic turns a panic into an error that says so.
func noPanic(what string, do func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w in %s: %v", errPanic, what, r)
		}
	}()
	return do()
}

var errPanic = errors.New("panic")

func encode(f fields.Field, v any, i int) (*stored, error) {
	s := &stored{meta: make([]byte, f.Layout().Size)}
	at := fields.At{Sample: i, Rand: uint64(i) * 0x9e3779b97f4a7c15, Alloc: s.alloc}
	err := noPanic("Encode", func() error { return f.Encode(s.meta, v, at) })
	return s, err
}

// decode and regions hand out a copy of the metadata, so that a field that
// writes there harms nobody else.
func decode(f fields.Field, s *stored) (v any, err error) {
	err = noPanic("Decode", func() (err error) {
		meta := bytes.Clone(s.meta)
		if v, err = f.Decode(meta, s.data); err == nil && !bytes.Equal(meta, s.meta) {
			err = errors.New("the metadata was changed by Decode")
		}
		return err
	})
	return v, err
}

func regions(f fields.Field, dst []fields.Region, meta []byte) (r []fields.Region, err error) {
	err = noPanic("Regions", func() (err error) {
		own := bytes.Clone(meta)
		if r, err = f.Regions(dst, own); err == nil && !bytes.Equal(own, meta) {
			err = errors.New("the metadata was changed by Regions")
		}
		return err
	})
	return r, err
}

// each encodes every value and reports those that can't be.
func each(tb testing.TB, f fields.Field, values []any, do func(i int, what string, v any, s *stored)) {
	tb.Helper()
	for _, p := range f.Layout().Pointers {
		if p < 0 || p > f.Layout().Size-8 {
			return // Layout tells; nothing can be looked at through it
		}
	}
	for i, v := range values {
		what := fmt.Sprintf("value %d (%T)", i, v)
		s, err := encode(f, v, i)
		if err != nil {
			tb.Errorf("%s: Encode: %v", what, err)
			continue
		}
		if n := len(f.Layout().Pointers); len(s.ptrs) != n {
			tb.Errorf("%s: Encode asked for %d regions, the layout has %d pointers", what, len(s.ptrs), n)
			continue
		}
		do(i, what, v, s)
	}
}

func layout(tb testing.TB, f fields.Field, _ []any) {
	l := f.Layout()
	if l.Size < 1 {
		tb.Errorf("size %d, want at least 1", l.Size)
	}
	if l.Align < 1 || l.Align&(l.Align-1) != 0 {
		tb.Errorf("alignment %d, want a power of two", l.Align)
	} else if l.Size%l.Align != 0 {
		tb.Errorf("size %d is not a multiple of the alignment %d", l.Size, l.Align)
	}
	taken := make(map[int]bool)
	for _, p := range l.Pointers {
		if p < 0 || p > l.Size-8 {
			tb.Errorf("a pointer at %d, outside of %d bytes", p, l.Size)
			continue
		}
		for b := p; b < p+8; b++ {
			if taken[b] {
				tb.Errorf("pointers overlap at byte %d", b)
			}
			taken[b] = true
		}
	}
	if again := f.Layout(); again.Size != l.Size || again.Align != l.Align || !slices.Equal(again.Pointers, l.Pointers) {
		tb.Errorf("the layout changed from %v to %v", l, again)
	}
}

func args(tb testing.TB, f fields.Field, values []any) {
	a, err := f.Args()
	if err != nil {
		tb.Fatalf("Args: %v", err)
	}
	if again, err := f.Args(); err != nil || again != a {
		tb.Errorf("Args differ the second time (%v)", err)
	}
	var made fields.Field
	if id := f.TypeID(); id != fields.TypeCustom {
		made, err = fields.New(id, &a)
	} else if made, _, err = fields.Custom(&a); err == nil && made == nil {
		tb.Log("a custom field that is not registered: it is not made again from its arguments")
		return
	}
	if err != nil {
		tb.Fatalf("field from its own arguments: %v", err)
	}
	if again, err := made.Args(); err != nil || again != a {
		tb.Errorf("the field made from the arguments has others (%v)", err)
	}
	if l, m := f.Layout(), made.Layout(); l.Size != m.Size || l.Align != m.Align || !slices.Equal(l.Pointers, m.Pointers) {
		tb.Errorf("the field made from the arguments has layout %v, want %v", m, l)
		return
	}
	each(tb, f, values, func(_ int, what string, _ any, s *stored) {
		want, err := decode(f, s)
		if err != nil {
			tb.Errorf("%s: %v", what, err)
			return
		}
		if got, err := decode(made, s); err != nil || !same(got, want) {
			tb.Errorf("%s: read by the field made from the arguments: %s, %v; want %s", what, show(got), err, show(want))
		}
	})
}

func roundTrip(tb testing.TB, f fields.Field, values []any) {
	each(tb, f, values, func(i int, what string, v any, s *stored) {
		if again, err := encode(f, v, i); err != nil || !again.equal(s) {
			tb.Errorf("%s: stored twice gives different bytes (%v)", what, err)
		}
		pointers(tb, f, what, s)
		got, err := decode(f, s)
		if err != nil {
			tb.Errorf("%s: Decode: %v", what, err)
			return
		}
		if fmt.Sprintf("%T", got) == fmt.Sprintf("%T", v) && !same(got, v) {
			tb.Errorf("%s: Decode gives %s, want %s", what, show(got), show(v))
		}
		back, err := encode(f, got, i)
		if err != nil {
			tb.Errorf("%s: what Decode gives (%T) is refused by Encode: %v", what, got, err)
		} else if !back.equal(s) {
			tb.Errorf("%s: what Decode gives (%T) is stored as other bytes", what, got)
		}
		moved(tb, f, what, s, got)
	})
}

// pointers checks that the metadata holds what Alloc gave, and that Regions
// finds it.
func pointers(tb testing.TB, f fields.Field, what string, s *stored) {
	for k, off := range f.Layout().Pointers {
		if got := binary.LittleEndian.Uint64(s.meta[off:]); got != s.ptrs[k] {
			tb.Errorf("%s: pointer %d in the metadata is %#x, want %#x as Alloc gave it", what, k, got, s.ptrs[k])
		}
	}
	first := fields.Region{Ptr: 1, Size: 2}
	got, err := regions(f, []fields.Region{first}, s.meta)
	if err != nil {
		tb.Errorf("%s: Regions: %v", what, err)
		return
	}
	if len(got) != 1+len(s.ptrs) || got[0] != first {
		tb.Errorf("%s: Regions made %v of one region before: want it and %d more", what, got, len(s.ptrs))
		return
	}
	for k, r := range got[1:] {
		if r.Ptr != s.ptrs[k] {
			tb.Errorf("%s: region %d is at %#x, want %#x", what, k, r.Ptr, s.ptrs[k])
		}
		if r.Size != fields.UnknownSize && r.Size != int64(len(s.data[k])) {
			tb.Errorf("%s: region %d has a size of %d, want %d", what, k, r.Size, len(s.data[k]))
		}
	}
}

// moved gives the regions new places, as a writer does.
func moved(tb testing.TB, f fields.Field, what string, s *stored, want any) {
	m := &stored{meta: bytes.Clone(s.meta), data: s.data}
	for k, off := range f.Layout().Pointers {
		m.ptrs = append(m.ptrs, 1<<40-uint64(k)*12345)
		binary.LittleEndian.PutUint64(m.meta[off:], m.ptrs[k])
	}
	pointers(tb, f, what+" moved", m)
	if got, err := decode(f, m); err != nil || !same(got, want) {
		tb.Errorf("%s moved: Decode gives %s, %v; want %s", what, show(got), err, show(want))
	}
}

func allocError(tb testing.TB, f fields.Field, values []any) {
	full := errors.New("no place")
	each(tb, f, values, func(i int, what string, v any, s *stored) {
		for fail := range s.ptrs {
			var part stored
			at := fields.At{Sample: i, Alloc: func(size int) (uint64, []byte, error) {
				if len(part.ptrs) == fail {
					return 0, nil, full
				}
				return part.alloc(size)
			}}
			err := noPanic("Encode", func() error { return f.Encode(make([]byte, len(s.meta)), v, at) })
			if !errors.Is(err, full) {
				tb.Errorf("%s: Alloc fails at region %d, Encode returns %v", what, fail, err)
			}
		}
	})
}

func wrongType(tb testing.TB, f fields.Field, _ []any) {
	for _, v := range []any{make(chan int), func() {}, nil, struct{}{}, struct{ X any }{}} {
		_, err := encode(f, v, 0)
		switch v.(type) {
		case chan int, func():
			if err == nil {
				tb.Errorf("a %T was stored", v)
			}
		}
		if err != nil && !errors.Is(err, fields.ErrValue) {
			tb.Errorf("a %T: %v; want it to wrap fields.ErrValue", v, err)
		}
	}
}

func concurrent(tb testing.TB, f fields.Field, values []any) {
	var wg sync.WaitGroup
	each(tb, f, values, func(i int, what string, v any, s *stored) {
		for range 4 {
			wg.Add(1)
			go func() { // ends by itself; Wait below
				defer wg.Done()
				for range 4 {
					if again, err := encode(f, v, i); err != nil || !again.equal(s) {
						tb.Errorf("%s: encoded by several goroutines: different bytes (%v)", what, err)
					}
					if _, err := decode(f, s); err != nil {
						tb.Errorf("%s: decoded by several goroutines: %v", what, err)
					}
				}
			}()
		}
	})
	wg.Wait()
}
