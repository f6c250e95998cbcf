package npy

import (
	"errors"
	"io"

	"github.com/betongo/betongo/array"
)

// Stream gives the rows of an array in C order, about chunk bytes at a time (0
// is array.DefaultChunk) and at least one row. It needs memory for one chunk,
// for an array in Fortran order two, whatever the array's size. Compressed
// arrays in Fortran order are read whole.
func (a *Archive) Stream(name string, chunk int) (array.Stream, error) {
	m, err := a.find(name)
	if err != nil {
		return nil, err
	}
	extent := array.Extent{Spec: m.spec, File: a.file, Offset: m.data}
	if !m.fortran && m.data >= 0 {
		return array.StreamExtent(m.Name, extent, chunk)
	}
	if !m.fortran {
		return a.unpack(m, chunk)
	}
	whole, err := a.Array(m.Name)
	if err != nil {
		return nil, err
	}
	if m.data < 0 {
		return array.StreamOf(whole, chunk), nil
	}
	return array.StreamFortran(m.Name, extent, whole, chunk)
}

// unpack streams a compressed array.
func (a *Archive) unpack(m *member, chunk int) (array.Stream, error) {
	r, err := a.data(m)
	if err != nil {
		return nil, err
	}
	size, err := m.spec.Bytes()
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	at := 0
	return array.StreamFunc(array.Place(a.Name(), m.Name, "", -1)+"unpack", m.spec, chunk, func(buf []byte, _, _ int) error {
		if got, err := io.ReadFull(r, buf); err != nil {
			return a.inflate(m, int64(at+got), noEOF(err))
		}
		if at += len(buf); at == size {
			return a.end(m, r)
		}
		return nil
	}, r.Close)
}

func noEOF(err error) error {
	if err == nil || err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
