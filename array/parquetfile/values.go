package parquetfile

import (
	"encoding/binary"
	"fmt"
)

// values gives a page's values of one size, each as Parquet stores it; truth
// values as bytes.
type values interface{ read(dst []byte, n int) error }

type plainValues struct {
	b    []byte
	size int
}

func (p *plainValues) read(dst []byte, n int) error {
	k := n * p.size
	if k > len(p.b) {
		return errShort
	}
	copy(dst, p.b[:k])
	p.b = p.b[k:]
	return nil
}

type plainBits struct {
	b  []byte
	at int
}

func (p *plainBits) read(dst []byte, n int) error {
	if p.at+n > 8*len(p.b) {
		return errShort
	}
	for i := range n {
		dst[i] = p.b[p.at>>3] >> (p.at & 7) & 1
		p.at++
	}
	return nil
}

// numbers reads whole numbers in runs, some at a time.
type numbers struct {
	hybrid
	buf [256]uint32
}

func (r *numbers) each(n int, do func(i int, v uint32) error) error {
	for at := 0; at < n; {
		got, same, v, err := r.next(r.buf[:min(n-at, len(r.buf))])
		if err != nil {
			return err
		}
		for i := range got {
			if !same {
				v = r.buf[i]
			}
			if err := do(at+i, v); err != nil {
				return err
			}
		}
		at += got
	}
	return nil
}

type runBits struct{ numbers }

func (r *runBits) read(dst []byte, n int) error {
	return r.each(n, func(i int, v uint32) error {
		dst[i] = byte(v)
		return nil
	})
}

// dictValues are places in a dictionary of values of one size.
type dictValues struct {
	numbers
	dict []byte
	size int
}

func (d *dictValues) read(dst []byte, n int) error {
	most := uint32(len(d.dict) / d.size)
	return d.each(n, func(i int, v uint32) error {
		if v >= most {
			return fmt.Errorf("value %d of a dictionary of %d", v, most)
		}
		copy(dst[i*d.size:(i+1)*d.size], d.dict[int(v)*d.size:])
		return nil
	})
}

type deltaValues struct {
	*deltas
	size int
}

func (d *deltaValues) read(dst []byte, n int) error {
	for i := range n {
		v, err := d.next()
		if err != nil {
			return err
		}
		if d.size == 4 {
			binary.LittleEndian.PutUint32(dst[4*i:], uint32(v))
		} else {
			binary.LittleEndian.PutUint64(dst[8*i:], uint64(v))
		}
	}
	return nil
}

// splitValues have all first bytes first, then all second ones.
type splitValues struct {
	b    []byte
	size int
	at   int
}

func (s *splitValues) read(dst []byte, n int) error {
	all := len(s.b) / s.size
	if s.at+n > all {
		return errShort
	}
	for j := range s.size {
		from := s.b[j*all+s.at : j*all+s.at+n]
		for i, c := range from {
			dst[i*s.size+j] = c
		}
	}
	s.at += n
	return nil
}

// sizedValues are texts that must have one size.
type sizedValues struct {
	texts
	size int
}

func (s *sizedValues) read(dst []byte, n int) error {
	for i := range n {
		v, err := s.next()
		if err != nil {
			return err
		}
		if len(v) != s.size {
			return fmt.Errorf("a value of %d bytes, want %d", len(v), s.size)
		}
		copy(dst[i*s.size:], v)
	}
	return nil
}

// dictTexts are places in a dictionary of texts.
type dictTexts struct {
	numbers
	dict [][]byte
	have []uint32
	kept [64]uint32
}

func (d *dictTexts) next() ([]byte, error) {
	if len(d.have) == 0 {
		n, same, v, err := d.hybrid.next(d.kept[:])
		if err != nil {
			return nil, err
		}
		d.have = d.kept[:n]
		for i := 0; same && i < n; i++ {
			d.kept[i] = v
		}
	}
	v := d.have[0]
	d.have = d.have[1:]
	if int(v) >= len(d.dict) {
		return nil, fmt.Errorf("value %d of a dictionary of %d", v, len(d.dict))
	}
	return d.dict[v], nil
}

// runs begins the places in a dictionary: the bits of each are told first.
func runs(b []byte) (numbers, error) {
	if len(b) == 0 {
		return numbers{}, nil // of a page without values
	}
	if b[0] > 32 {
		return numbers{}, fmt.Errorf("places of %d bits", b[0])
	}
	return numbers{hybrid: hybrid{b: b[1:], width: int(b[0])}}, nil
}

// size is how many bytes a value takes; 1 for truth values, 0 for texts.
func (n *node) width() int {
	switch n.physical {
	case boolean:
		return 1
	case int32s, floats:
		return 4
	case int64s, doubles:
		return 8
	case int96s:
		return 12
	case fixed:
		return int(n.size)
	}
	return 0
}

// decode begins a page's values.
func (l *leaf) decode(b []byte, encoding int32) error {
	n, size := l.node, l.node.width()
	l.fixed, l.texts = nil, nil
	var err error
	switch {
	case encoding == plainDictionary || encoding == rleDictionary:
		var r numbers
		if !l.hasDict {
			return fmt.Errorf("places in a dictionary that isn't there")
		}
		if r, err = runs(b); size == 0 {
			l.texts = &dictTexts{numbers: r, dict: l.dictTexts}
		} else {
			l.fixed = &dictValues{numbers: r, dict: l.dict, size: size}
		}
	case encoding == plain && size == 0:
		l.texts = &plainTexts{b}
	case encoding == plain && n.physical == boolean:
		l.fixed = &plainBits{b: b}
	case encoding == plain:
		l.fixed = &plainValues{b, size}
	case encoding == rle && n.physical == boolean:
		if b, _, err = levelsOf(b, rle); err == nil {
			l.fixed = &runBits{numbers{hybrid: hybrid{b: b, width: 1}}}
		}
	case encoding == deltaPacked && (n.physical == int32s || n.physical == int64s):
		var d *deltas
		d, err = newDeltas(b)
		l.fixed = &deltaValues{d, size}
	case encoding == deltaLength && size == 0:
		l.texts, err = newSizedTexts(b)
	case encoding == deltaStrings && (size == 0 || n.physical == fixed):
		var f *frontTexts
		if f, err = newFrontTexts(b); size == 0 {
			l.texts = f
		} else {
			l.fixed = &sizedValues{f, size}
		}
	case encoding == streamSplit && n.physical != boolean && size > 0:
		l.fixed = &splitValues{b: b, size: size}
	default:
		err = fmt.Errorf("encoding %d of values of type %d is not supported", encoding, n.physical)
	}
	return err
}

// setDict keeps a dictionary's n values.
func (l *leaf) setDict(b []byte, n int) error {
	size := l.node.width()
	l.hasDict = true
	if l.node.physical == boolean || size > 0 && n > len(b)/size || size == 0 && n > len(b)/4 {
		return fmt.Errorf("a dictionary of %d values in %d bytes", n, len(b))
	}
	if size > 0 {
		l.dict = append(l.dict[:0], b[:n*size]...)
		return nil
	}
	p := plainTexts{append([]byte(nil), b...)}
	l.dictTexts = make([][]byte, n)
	for i := range n {
		var err error
		if l.dictTexts[i], err = p.next(); err != nil {
			return err
		}
	}
	return nil
}
