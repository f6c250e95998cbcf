package hdf5

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"unicode/utf8"
	"unsafe"

	"github.com/betongo/betongo/array"
)

// textBatch is how many strings of any length are read at a time.
const textBatch = 1 << 12

// resolve reads strings of any length for the longest, which tells the type, on
// first use; for all other arrays it tells why they aren't served.
func (f *File) resolve(n *node) error {
	n.text.Lock()
	defer n.text.Unlock()
	if n.done {
		return n.err
	}
	n.done = true
	longest, ascii := 0, !n.data.utf8
	n.Spec = n.data.spec()
	n.Spec.DType = array.Uint8 // any will do for a reader
	r, err := f.reader(n)
	if err == nil {
		defer r.close()
		var letters, bytes int
		err = r.eachText(0, r.count, func(s []byte, _ int) error {
			letters, bytes = max(letters, utf8.RuneCount(s)), max(bytes, len(s))
			ascii = ascii || !utf8.Valid(s)
			return nil
		})
		if longest = letters; ascii {
			longest = bytes
		}
	}
	if err != nil {
		n.err = f.l.explain(err, f.path, n.Name)
		return n.err
	}
	kind := "U"
	if ascii {
		kind = "S"
	}
	// NumPy too has no strings of no letters in an array.
	if n.Spec.DType, n.err = array.ParseDType(fmt.Sprintf("%s%d", kind, max(longest, 1))); n.err == nil {
		_, n.err = n.Spec.Bytes()
	}
	if n.err != nil {
		n.err = f.l.explain(n.err, f.path, n.Name)
	}
	return n.err
}

// inRow is how many strings are in a row.
func (d *dataset) inRow() (int, error) {
	if len(d.dims) == 0 {
		return 1, nil
	}
	return array.Spec{DType: array.Uint8, Shape: d.dims[1:]}.Bytes()
}

// eachText gives the strings of rows, in order and numbered from the first of
// them; they are valid during the call. The rows begin a row of chunks.
func (r *reader) eachText(lo, hi int, do func(s []byte, i int) error) error {
	per, err := r.d.inRow()
	if err != nil || per == 0 {
		return err
	}
	step := max(1, textBatch/per)
	if r.d.chunks != nil {
		c := r.d.chunks[0]
		step = (step + c - 1) / c * c // no chunk is unpacked twice
	}
	step = min(step, hi-lo)
	if n, err := (array.Spec{DType: mustDType("V16"), Shape: []int{step, per}}).Bytes(); err != nil || int64(n) > r.f.opts.MaxArray {
		return &FormatError{Offset: -1, Msg: fmt.Sprintf("%d rows of %d strings, whose places take more than %d bytes", step, per, r.f.opts.MaxArray)}
	}
	refs := r.d.refs(r.heap.refSize())
	first := lo * per
	for ; lo < hi; lo += step {
		n := min(step, hi-lo)
		if refs != nil {
			err = r.byRefs(refs, lo, lo+n, per, func(s []byte, i int) error { return do(s, i-first) })
		} else {
			err = r.byLibrary(lo, lo+n, per, func(s []byte, i int) error { return do(s, i-first) })
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// byLibrary gives the strings of rows as the library reads them, from what this
// package doesn't unpack.
func (r *reader) byLibrary(lo, hi, per int, do func(s []byte, i int) error) error {
	return r.f.locked(func() error {
		pointers := make([]unsafe.Pointer, (hi-lo)*per)
		i := lo * per
		return r.f.l.someTexts(r.id, r.d, lo, hi, pointers, r.f.opts, func(p unsafe.Pointer) error {
			s, err := cBytes(p, int(r.f.opts.MaxText))
			if err != nil {
				return fmt.Errorf("string %d of row %d: %w", i%per, i/per, err)
			}
			i++
			return do(s, i-1)
		})
	})
}

// cBytes is a string of C, which must not be longer than most.
func cBytes(p unsafe.Pointer, most int) ([]byte, error) {
	if p == nil {
		return nil, nil
	}
	n := 0
	for *(*byte)(unsafe.Add(p, n)) != 0 {
		if n++; n > most {
			return nil, &FormatError{Offset: -1, Msg: fmt.Sprintf("it has more than %d bytes, which is OpenOptions.MaxText", most)}
		}
	}
	return unsafe.Slice((*byte)(p), n), nil
}

// someTexts reads the strings of some rows, and gives each; the library is
// locked.
func (l *library) someTexts(id hid, d *dataset, lo, hi int, pointers []unsafe.Pointer, opts OpenOptions, do func(unsafe.Pointer) error) error {
	t := l.Dget_type(id)
	if t < 0 {
		return l.fail("read its type")
	}
	defer l.Tclose(t)
	file, mem, err := l.selectRows(id, d, lo, hi)
	if err != nil {
		return err
	}
	if file == 0 {
		if file, mem = l.Dget_space(id), l.Dget_space(id); file < 0 || mem < 0 {
			return l.fail("read its dimensions")
		}
	}
	defer l.Sclose(file)
	defer l.Sclose(mem)
	// One string may stand in many places of a file: asked first is what all of
	// them take. Of a scalar there is only one, and 1.10 crashes.
	var size uint64
	if len(d.dims) > 0 && l.Dvlen_get_buf_size(id, t, file, &size) < 0 {
		return l.fail("measure the strings of rows %d to %d", lo, hi)
	}
	if size > uint64(opts.MaxArray) {
		return &FormatError{Offset: -1, Msg: fmt.Sprintf("the strings of rows %d to %d have %d bytes, at most %d are read at once", lo, hi, size, opts.MaxArray)}
	}
	if l.Dread(id, t, mem, file, 0, unsafe.Pointer(&pointers[0])) < 0 {
		return l.fail("read rows %d to %d", lo, hi)
	}
	defer l.Dvlen_reclaim(t, mem, 0, unsafe.Pointer(&pointers[0]))
	for _, p := range pointers {
		if err := do(p); err != nil {
			return err
		}
	}
	return nil
}

// texts reads strings of any length as those of the type that was found.
func (r *reader) texts(dst []byte, lo, hi int) error {
	t := r.n.Spec.DType
	item := t.ItemSize()
	clear(dst)
	return r.eachText(lo, hi, func(s []byte, i int) error {
		to := dst[i*item : (i+1)*item]
		if t.Kind() == 'S' {
			if len(s) > item {
				return errChanged
			}
			copy(to, s)
			return nil
		}
		for len(s) > 0 {
			c, n := utf8.DecodeRune(s)
			if len(to) == 0 {
				return errChanged
			}
			binary.LittleEndian.PutUint32(to, uint32(c))
			s, to = s[n:], to[4:]
		}
		return nil
	})
}

var errChanged = errors.New("a string is longer than all were before: the file has changed")

// texts are the strings of an array of U.
func texts(a array.Array) ([]string, error) {
	item := a.DType.ItemSize()
	var order binary.ByteOrder = binary.LittleEndian
	if a.DType.Order() == '>' {
		order = binary.BigEndian
	}
	n, err := a.Spec.Count()
	if err != nil {
		return nil, err
	}
	list := make([]string, 0, n)
	var b []byte
	for i := range n {
		b = b[:0]
		s := a.Data[i*item : (i+1)*item]
		for len(s) > 0 && order.Uint32(s[len(s)-4:]) == 0 {
			s = s[:len(s)-4]
		}
		for ; len(s) > 0; s = s[4:] {
			c := order.Uint32(s)
			if c == 0 || c > utf8.MaxRune || !utf8.ValidRune(rune(c)) {
				return nil, fmt.Errorf("text %d has the letter %#x, which is none that a string of HDF5 can have", i, c)
			}
			b = utf8.AppendRune(b, rune(c))
		}
		list = append(list, string(b))
	}
	return list, nil
}

// writeTexts writes rows of U by the library, which is locked.
func (l *library) writeTexts(id hid, d *dataset, lo int, rows array.Array) error {
	list, err := texts(rows)
	if err != nil || len(list) == 0 {
		return err
	}
	var pin runtime.Pinner
	defer pin.Unpin()
	pointers := pinned(&pin, list)
	hi := lo + 1
	if len(rows.Shape) > 0 {
		hi = lo + rows.Shape[0]
	}
	return l.slab(id, d, lo, hi, unsafe.Pointer(&pointers[0]), true)
}
