package parquet

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Values gives a page's values of one size, each as Parquet stores it; truth
// values as bytes.
type Values interface{ Read(dst []byte, n int) error }

type plainValues struct {
	b    []byte
	size int
}

func (p *plainValues) Read(dst []byte, n int) error {
	k := n * p.size
	if k > len(p.b) {
		return ErrShort
	}
	copy(dst, p.b[:k])
	p.b = p.b[k:]
	return nil
}

type plainBits struct {
	b  []byte
	at int
}

func (p *plainBits) Read(dst []byte, n int) error {
	if p.at+n > 8*len(p.b) {
		return ErrShort
	}
	for i := range n {
		dst[i] = p.b[p.at>>3] >> (p.at & 7) & 1
		p.at++
	}
	return nil
}

// numbers reads whole numbers in runs, some at a time.
type numbers struct {
	Levels
	buf [256]uint32
}

func (r *numbers) each(n int, do func(i int, v uint32) error) error {
	for at := 0; at < n; {
		got, same, v, err := r.Next(r.buf[:min(n-at, len(r.buf))])
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

func (r *runBits) Read(dst []byte, n int) error {
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

func (d *dictValues) Read(dst []byte, n int) error {
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

func (d *deltaValues) Read(dst []byte, n int) error {
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

func (s *splitValues) Read(dst []byte, n int) error {
	all := len(s.b) / s.size
	if s.at+n > all {
		return ErrShort
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
	Texts
	size int
}

func (s *sizedValues) Read(dst []byte, n int) error {
	for i := range n {
		v, err := s.Next()
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

// DictTexts are places in a dictionary of texts.
type DictTexts struct {
	numbers
	dict [][]byte
	have []uint32
	kept [64]uint32
}

func (d *DictTexts) Next() ([]byte, error) {
	if len(d.have) == 0 {
		n, same, v, err := d.Levels.Next(d.kept[:])
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
	return numbers{Levels: Levels{b: b[1:], width: int(b[0])}}, nil
}

// Width is how many bytes a value takes; 1 for truth values, 0 for texts.
func (n *Node) Width() int {
	switch n.Physical {
	case Boolean:
		return 1
	case Int32, Float:
		return 4
	case Int64, Double:
		return 8
	case Int96:
		return 12
	case FixedLen:
		return int(n.Size)
	}
	return 0
}

// Decoder gives the values of a column chunk's pages, one page after another:
// those of one size in Fixed, the others in Texts.
type Decoder struct {
	Node  *Node
	Fixed Values
	Texts Texts

	hasDict   bool
	dict      []byte
	DictTexts [][]byte
}

// Page begins a page: one with a dictionary is kept, and of one with data the
// levels and how many there are are returned. Pages without values, and those of
// unknown kinds, have none.
func (d *Decoder) Page(p *Pages, h Header, body []byte) (rep, def Levels, n int, err error) {
	switch h.Kind {
	case DictionaryPage:
		if d.hasDict {
			return rep, def, 0, errors.New("a second dictionary")
		}
		if h.Encoding != plain && h.Encoding != plainDictionary {
			return rep, def, 0, fmt.Errorf("a dictionary in encoding %d", h.Encoding)
		}
		if body, err = p.Unpack(body, int(h.Unpacked)); err == nil {
			err = d.SetDict(body, int(h.Values))
		}
		if err != nil {
			err = fmt.Errorf("dictionary: %w", err)
		}
		return rep, def, 0, err
	case DataPage, DataPage2:
	default:
		return rep, def, 0, nil
	}
	if h.Values == 0 {
		return rep, def, 0, nil
	}
	repBytes, defBytes, values, err := p.Content(h, body, d.Node)
	if err != nil {
		return rep, def, 0, err
	}
	rep = Levels{b: repBytes, width: levelBits(d.Node.Rep)}
	def = Levels{b: defBytes, width: levelBits(d.Node.Def)}
	return rep, def, int(h.Values), d.Decode(values, h.Encoding)
}

// Decode begins a page's values.
func (d *Decoder) Decode(b []byte, encoding int32) error {
	n, size := d.Node, d.Node.Width()
	d.Fixed, d.Texts = nil, nil
	var err error
	switch {
	case encoding == plainDictionary || encoding == rleDictionary:
		var r numbers
		if !d.hasDict {
			return fmt.Errorf("places in a dictionary that isn't there")
		}
		if r, err = runs(b); size == 0 {
			d.Texts = &DictTexts{numbers: r, dict: d.DictTexts}
		} else {
			d.Fixed = &dictValues{numbers: r, dict: d.dict, size: size}
		}
	case encoding == plain && size == 0:
		d.Texts = &plainTexts{b}
	case encoding == plain && n.Physical == Boolean:
		d.Fixed = &plainBits{b: b}
	case encoding == plain:
		d.Fixed = &plainValues{b, size}
	case encoding == rle && n.Physical == Boolean:
		if b, _, err = levelsOf(b, rle); err == nil {
			d.Fixed = &runBits{numbers{Levels: Levels{b: b, width: 1}}}
		}
	case encoding == deltaPacked && (n.Physical == Int32 || n.Physical == Int64):
		var list *deltas
		list, err = newDeltas(b)
		d.Fixed = &deltaValues{list, size}
	case encoding == deltaLength && size == 0:
		d.Texts, err = newSizedTexts(b)
	case encoding == deltaStrings && (size == 0 || n.Physical == FixedLen):
		var f *frontTexts
		if f, err = newFrontTexts(b); size == 0 {
			d.Texts = f
		} else {
			d.Fixed = &sizedValues{f, size}
		}
	case encoding == streamSplit && n.Physical != Boolean && size > 0:
		d.Fixed = &splitValues{b: b, size: size}
	default:
		err = fmt.Errorf("encoding %d of values of type %d is not supported", encoding, n.Physical)
	}
	return err
}

// SetDict keeps a dictionary's n values.
func (d *Decoder) SetDict(b []byte, n int) error {
	size := d.Node.Width()
	d.hasDict = true
	if d.Node.Physical == Boolean || size > 0 && n > len(b)/size || size == 0 && n > len(b)/4 {
		return fmt.Errorf("a dictionary of %d values in %d bytes", n, len(b))
	}
	if size > 0 {
		d.dict = append(d.dict[:0], b[:n*size]...)
		return nil
	}
	p := plainTexts{append([]byte(nil), b...)}
	d.DictTexts = make([][]byte, n)
	for i := range n {
		var err error
		if d.DictTexts[i], err = p.Next(); err != nil {
			return err
		}
	}
	return nil
}

// Text reads the next of Texts, which stays what it is as long as the page's and
// the dictionary's bytes do.
func (d *Decoder) Text() ([]byte, error) {
	b, err := d.Texts.Next()
	if _, ok := d.Texts.(*frontTexts); ok {
		b = append([]byte{}, b...)
	}
	return b, err
}
