package fieldtest

import (
	"bytes"
	"errors"
	"testing"

	"github.com/betongo/betongo/fields"
)

// marker is a fields.Marker with the method that it may have.
type marker interface {
	fields.Marker
	CheckMarks(meta []byte, data [][]byte, marks []byte) error
}

func marks(tb testing.TB, f fields.Field, values []any) {
	m, ok := f.(fields.Marker)
	if !ok {
		return
	}
	check, _ := f.(marker)
	each(tb, f, values, func(_ int, what string, _ any, s *stored) {
		was := &stored{meta: bytes.Clone(s.meta)}
		for _, d := range s.data {
			was.data = append(was.data, bytes.Clone(d))
		}
		got, err := appendMarks(m, nil, s)
		if err != nil {
			tb.Errorf("%s: AppendMarks: %v", what, err)
			return
		}
		before := []byte("before")
		if again, err := appendMarks(m, before, s); err != nil || !bytes.Equal(again, append(before, got...)) {
			tb.Errorf("%s: AppendMarks to %q gives %d bytes (%v), want these and %d others", what, before, len(again), err, len(got))
		}
		if !was.equal(s) {
			tb.Errorf("%s: AppendMarks changed the metadata or the data", what)
		}
		if check == nil {
			return
		}
		if len(got) > 0 {
			if err := checkMarks(check, s, got); err != nil {
				tb.Errorf("%s: CheckMarks of its own marks: %v", what, err)
			}
		}
		wrongMarks(tb, m, check, what, s, got)
	})
}

// wrongMarks checks marks that may mean anything, and makes some of values that
// are damaged.
func wrongMarks(tb testing.TB, m fields.Marker, check marker, what string, s *stored, got []byte) {
	for i := range min(len(got), maxFlips) {
		bad := bytes.Clone(got)
		bad[i] ^= 0x55
		if err := checkMarks(check, s, bad); errors.Is(err, errPanic) {
			tb.Errorf("%s with marks %x: %v", what, bad, err)
		}
	}
	for _, bad := range [][]byte{{}, {0}, bytes.Repeat([]byte{0xff}, 100), append(bytes.Clone(got), 0), got[:len(got)/2]} {
		if err := checkMarks(check, s, bad); errors.Is(err, errPanic) {
			tb.Errorf("%s with marks %x: %v", what, bad, err)
		}
	}
	cut := &stored{meta: s.meta}
	for _, d := range s.data {
		cut.data = append(cut.data, d[:len(d)/2])
	}
	for _, bad := range []*stored{cut, {meta: s.meta}, {meta: s.meta[:len(s.meta)/2], data: s.data}} {
		if _, err := appendMarks(m, nil, bad); errors.Is(err, errPanic) {
			tb.Errorf("%s, damaged: %v", what, err)
		}
		if err := checkMarks(check, bad, got); errors.Is(err, errPanic) {
			tb.Errorf("%s, damaged: %v", what, err)
		}
	}
}

func appendMarks(m fields.Marker, dst []byte, s *stored) (got []byte, err error) {
	err = noPanic("AppendMarks", func() (err error) {
		got, err = m.AppendMarks(dst, s.meta, s.data)
		return err
	})
	return got, err
}

func checkMarks(m marker, s *stored, marks []byte) error {
	return noPanic("CheckMarks", func() error { return m.CheckMarks(s.meta, s.data, marks) })
}
