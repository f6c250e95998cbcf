package stats

import (
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"math"
	"math/rand/v2"
	"sync"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/rgb"
)

// A record is what a worker makes of a value: numbers of 64 bits, in the row of
// a batch. Who takes the batches, one goroutine, adds them up in the order of the
// samples, so that nothing depends on the workers.
type record []byte

// The numbers of a record.
const (
	slotFlags  = iota
	slotBroken // number of the error in the probe's list
	slotBytes  // in data pages
	slotPrint  // hash of the content
	slotNear   // perceptual hash
	slotWidth
	slotHeight
	slotGray // 1: all pixels are
	slotPixels
	slotSum                   // of each of 4 channels
	slotSquare  = slotSum + 4 // of each of 4 channels
	slotsImage  = slotSquare + 4
	slotsPlain  = slotNear + 1
	slotCount   = slotWidth // of an array's finite elements
	slotNaN     = slotCount + 1
	slotPosInf  = slotNaN + 1
	slotNegInf  = slotPosInf + 1
	slotMean    = slotNegInf + 1
	slotM2      = slotMean + 1
	slotMin     = slotM2 + 1
	slotMax     = slotMin + 1
	slotsArray  = slotMax + 1
	flagRead    = 1 << 0 // the value could be read
	flagJPEG    = 1 << 1
	flagNear    = 1 << 2
	maxElements = 64 // of arrays that are looked at element by element
)

func (r record) get(slot int) uint64         { return binary.LittleEndian.Uint64(r[8*slot:]) }
func (r record) put(slot int, v uint64)      { binary.LittleEndian.PutUint64(r[8*slot:], v) }
func (r record) float(slot int) float64      { return math.Float64frombits(r.get(slot)) }
func (r record) putFloat(s int, v float64)   { r.put(s, math.Float64bits(v)) }
func (r record) level(at int) uint64         { return r.get(slotsImage + at) }
func (r record) element(at int) float64      { return r.float(slotsArray + at) }
func (r record) putElement(i int, v float64) { r.putFloat(slotsArray+i, v) }

// probe makes the records of a field. It is a loader.Decoder, and safe for
// concurrent use.
type probe struct {
	f      ffcv.Field
	plain  fields.Field // whose values these are
	spec   array.Spec   // of arrays
	opts   *Options
	prints bool // hash the content
	look   bool // look into the values, not only at their content
	near   bool
	slots  int
	pool   sync.Pool // of *scratch

	mu     sync.Mutex
	last   uint64
	errors map[uint64]error // those that no one has taken yet
}

// newProbe returns the probe of a field that keeps bytes in data pages or is a
// custom one.
func newProbe(f ffcv.Field, opts *Options, look bool) *probe {
	p := &probe{f: f, opts: opts, look: look, slots: slotsPlain, errors: map[uint64]error{}}
	_, p.plain = f.Plain()
	p.prints = !opts.NoDuplicates && (f.Type != fields.TypeCustom || p.plain != f.Field || len(f.Field.Layout().Pointers) > 0)
	p.pool.New = func() any { return &scratch{} }
	switch of := p.plain.(type) {
	case fields.RGBImage:
		p.slots, p.near = slotsImage, opts.Near
	case fields.Image:
		p.slots = slotsImage
		if channels, depth := of.Kind(); channels == 1 && depth == 1 {
			p.slots += 256
		}
	case fields.NDArray:
		p.spec = array.Spec{DType: of.DType, Shape: of.Shape}
	case fields.TorchTensor:
		p.spec = array.Spec{DType: of.DType, Shape: of.Shape}
	}
	if p.spec.DType.Valid() {
		p.slots = slotsArray
		if p.elements() > 0 {
			p.slots += p.elements()
		}
	}
	return p
}

// elements is how many elements of the arrays are looked at one by one, 0 for
// none.
func (p *probe) elements() int {
	if !real(p.spec.DType) {
		return 0
	}
	n := 1
	for _, d := range p.spec.Shape {
		if n *= d; n > maxElements || n < 0 {
			return 0
		}
	}
	return n
}

// real says whether elements are real numbers.
func real(t array.DType) bool {
	switch t.Kind() {
	case 'b', 'i', 'u', 'f':
		return true
	}
	return false
}

// scratch is what a worker needs for a value.
type scratch struct {
	rgb    rgb.Scratch
	image  rgb.Image
	raster rgb.Raster
	plain  []byte // of a value that was kept in fewer bytes
	cast   []byte
	small  []byte
	bright [smallSide * smallSide]float32
	hash   maphash.Hash
	parts  [1][]byte
}

// BindField is part of loader.Decoder.
func (p *probe) BindField(ffcv.Field) (array.Spec, func(dst, meta []byte, data [][]byte, rng *rand.Rand) error, error) {
	spec := array.Spec{DType: array.Uint8, Shape: []int{8 * p.slots}}
	return spec, func(dst, meta []byte, data [][]byte, _ *rand.Rand) error {
		p.record(dst, meta, data)
		return nil
	}, nil
}

// record makes the record of a value. An error is noted in it.
func (p *probe) record(r record, meta []byte, data [][]byte) {
	clear(r)
	s := p.pool.Get().(*scratch)
	defer p.pool.Put(s)
	size := 0
	for _, b := range data {
		size += len(b)
	}
	r.put(slotBytes, uint64(size))
	if err := p.value(r, s, meta, data); err != nil {
		r.put(slotBroken, p.broken(err))
		return
	}
	r.put(slotFlags, r.get(slotFlags)|flagRead)
}

// broken keeps an error and returns its number.
func (p *probe) broken(err error) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last++
	p.errors[p.last] = err
	return p.last
}

// why takes the error of that number.
func (p *probe) why(number uint64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	err := p.errors[number]
	delete(p.errors, number)
	return err
}

// value looks into a value.
func (p *probe) value(r record, s *scratch, meta []byte, data [][]byte) error {
	head, parts, err := p.content(s, meta, data)
	if err != nil {
		return err
	}
	if p.prints {
		r.put(slotPrint, s.print(head, parts))
	}
	if !p.look && !p.near {
		return nil
	}
	switch p.plain.(type) {
	case fields.RGBImage:
		return p.picture(r, s, meta, data)
	case fields.Image:
		p.raster(r, s)
		return nil
	case fields.NDArray, fields.TorchTensor:
		return p.array(r, s, parts[0])
	case fields.JSON:
		return fields.JSON{}.Check(plainMeta(len(parts[0])), parts)
	}
	if p.plain == p.f.Field {
		_, err = p.f.Field.Decode(meta, data)
	}
	return err
}

// plainMeta is the metadata of a Bytes or JSON value of so many bytes.
func plainMeta(size int) []byte {
	return binary.LittleEndian.AppendUint64(make([]byte, 8, 16), uint64(size))
}

// seed is that of all hashes of content in this process. Equal hashes are always
// confirmed, so no result depends on it.
var seed = maphash.MakeSeed()

// print is the hash of a content.
func (s *scratch) print(head uint64, parts [][]byte) uint64 {
	s.hash.SetSeed(seed)
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], head)
	s.hash.Write(b[:])
	for _, p := range parts {
		s.hash.Write(p)
	}
	return s.hash.Sum64()
}

// content returns what of a value makes it the same as another: a number that
// tells kind and size, and bytes, which are the scratch's or borrowed.
func (p *probe) content(s *scratch, meta []byte, data [][]byte) (head uint64, parts [][]byte, err error) {
	switch f := p.f.Field.(type) {
	case fields.Packed:
		n, err := f.PlainSize(meta)
		if err != nil {
			return 0, nil, err
		}
		if int64(cap(s.plain)) < n {
			s.plain = make([]byte, n)
		}
		s.parts[0] = s.plain[:n]
		if err := f.Unpack(s.parts[0], meta, data); err != nil {
			return 0, nil, err
		}
		return 0, s.parts[:], nil
	case fields.RGBImage:
		v, err := f.Decode(meta, data)
		if err != nil {
			return 0, nil, err
		}
		e := v.(rgb.Encoded)
		head = uint64(e.Width)<<32 | uint64(e.Height)<<1
		if e.JPEG {
			head |= 1
		}
		s.parts[0] = e.Data
		return head, s.parts[:], nil
	case fields.Image:
		if err := f.DecodeRaster(&s.raster, meta, data); err != nil {
			return 0, nil, err
		}
		s.parts[0] = s.raster.Pix
		return uint64(s.raster.Width)<<32 | uint64(s.raster.Height), s.parts[:], nil
	case fields.NDArray, fields.TorchTensor, fields.Bytes, fields.JSON:
		return 0, data, nil
	}
	// A custom field: its metadata but for where the data lies, and the data.
	s.small = append(s.small[:0], meta...)
	for _, at := range p.f.Field.Layout().Pointers {
		clear(s.small[at:][:8])
	}
	return uint64(len(meta)), append([][]byte{s.small}, data...), nil
}

// picture looks into an image.
func (p *probe) picture(r record, s *scratch, meta []byte, data [][]byte) error {
	v, err := p.plain.Decode(meta, data)
	if err != nil {
		return err
	}
	e := v.(rgb.Encoded)
	r.put(slotWidth, uint64(e.Width))
	r.put(slotHeight, uint64(e.Height))
	flags := uint64(0)
	if e.JPEG {
		flags = flagJPEG
	}
	if p.look {
		if err := p.pixels(r, s, e); err != nil {
			return err
		}
	}
	if p.near {
		h, err := s.perceive(e)
		if err != nil {
			return err
		}
		r.put(slotNear, h)
		flags |= flagNear
	}
	r.put(slotFlags, flags)
	return nil
}

// pixels adds up an image's pixels.
func (p *probe) pixels(r record, s *scratch, e rgb.Encoded) error {
	pix := []byte(nil)
	switch p.opts.Pixels {
	case PixelsNone:
		if !e.JPEG {
			return nil // its length was checked
		}
		info, err := rgb.ScanJPEG(e.Data)
		if err == nil && (info.Width != e.Width || info.Height != e.Height) {
			err = fmt.Errorf("the stream is %dx%d, the metadata says %dx%d", info.Width, info.Height, e.Width, e.Height)
		}
		return err
	case PixelsScaled:
		t := rgb.Target{Width: (e.Width + 7) / 8, Height: (e.Height + 7) / 8}
		s.small = grown(s.small, t.Bytes())
		if err := s.rgb.Render(s.small, e, rgb.Rect{W: e.Width, H: e.Height}, false, &t); err != nil {
			return err
		}
		pix = s.small
	default:
		if e.JPEG {
			if err := s.rgb.Load(&s.image, e); err != nil {
				return err
			}
			pix = s.image.Pix
		} else if pix = e.Data; len(pix) != 3*e.Width*e.Height {
			return fmt.Errorf("%d bytes of pixels; want %d for %dx%d", len(pix), 3*e.Width*e.Height, e.Width, e.Height)
		}
		if gray(pix) {
			r.put(slotGray, 1)
		}
	}
	sum, square := sums(pix)
	r.put(slotPixels, uint64(len(pix)/3))
	for k := range sum {
		r.put(slotSum+k, sum[k])
		r.put(slotSquare+k, square[k])
	}
	return nil
}

// grown returns n bytes, those of b where it has so many.
func grown(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}

// raster adds up the scratch's raster.
func (p *probe) raster(r record, s *scratch) {
	v := &s.raster
	r.put(slotWidth, uint64(v.Width))
	r.put(slotHeight, uint64(v.Height))
	if p.opts.Pixels != PixelsFull {
		return
	}
	r.put(slotPixels, uint64(v.Width)*uint64(v.Height))
	sum, square := rasterSums(v)
	for k := range sum {
		r.put(slotSum+k, sum[k])
		r.put(slotSquare+k, square[k])
	}
	if p.slots == slotsImage+256 {
		var levels [256]uint64
		for _, b := range v.Pix {
			levels[b]++
		}
		for k, n := range levels {
			r.put(slotsImage+k, n)
		}
	}
}

// array looks at the elements of an array.
func (p *probe) array(r record, s *scratch, data []byte) error {
	if !real(p.spec.DType) {
		return nil
	}
	a, err := array.New(p.spec, data)
	if err != nil {
		return err
	}
	if a, err = array.CastInto(s.cast, a, array.Float64); err != nil {
		return err
	}
	s.cast = a.Data
	var m moments
	one := p.elements() > 0
	var nan, up, down uint64
	for i := 0; 8*i+8 <= len(a.Data); i++ {
		v := math.Float64frombits(binary.LittleEndian.Uint64(a.Data[8*i:]))
		if one {
			r.putElement(i, v)
		}
		switch {
		case v != v:
			nan++
		case v > math.MaxFloat64:
			up++
		case v < -math.MaxFloat64:
			down++
		default:
			m.add(v)
		}
	}
	r.put(slotCount, uint64(m.n))
	r.put(slotNaN, nan)
	r.put(slotPosInf, up)
	r.put(slotNegInf, down)
	r.putFloat(slotMean, m.mean)
	r.putFloat(slotM2, m.m2)
	r.putFloat(slotMin, m.min)
	r.putFloat(slotMax, m.max)
	return nil
}

var _ loader.Decoder = (*probe)(nil)
