package stats

import (
	"context"
	"encoding/binary"
	"math"
	"slices"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
)

// tally adds up a field. One goroutine uses it.
type tally struct {
	k     int
	f     ffcv.Field
	opts  *Options
	probe *probe // nil for ints and floats, which come as they are

	values, broken int
	bytes          int64
	stored         sketch

	exact, near prints

	// Of pictures.
	jpeg, raw, gray               int
	width, height, pixels, aspect sketch
	channels                      [4]channel
	levels                        []uint64

	// Of numbers.
	numbers sketch
	labels  map[int64]int64 // nil for none, or too many

	// Of arrays.
	nan, up, down int64
	affected      int
	all           moments
	elements      []sketch
}

func newTally(k int, f ffcv.Field, o *Options, look bool) *tally {
	t := &tally{k: k, f: f, opts: o}
	switch f.Type {
	case fields.TypeInt:
		t.labels = map[int64]int64{}
		return t
	case fields.TypeFloat:
		return t
	}
	t.probe = newProbe(f, o, look)
	if n := t.probe.elements(); n > 0 {
		t.elements = make([]sketch, n)
	}
	return t
}

// lists is how many lists of hashes the field has.
func (t *tally) lists() (n int) {
	if t.probe != nil && t.probe.prints {
		n++
	}
	if t.probe != nil && t.probe.near {
		n++
	}
	return n
}

// number adds the value of an int or float.
func (t *tally) number(b []byte) error {
	v := binary.LittleEndian.Uint64(b)
	t.values++
	if t.f.Type == fields.TypeFloat {
		t.numbers.add(math.Float64frombits(v))
		return nil
	}
	t.numbers.add(float64(int64(v)))
	if t.labels != nil {
		if t.labels[int64(v)]++; len(t.labels) > maxValues {
			t.labels = nil
		}
	}
	return nil
}

// record adds a value that could be read.
func (t *tally) record(id int, r record) error {
	t.values++
	t.bytes += int64(r.get(slotBytes))
	t.stored.add(float64(r.get(slotBytes)))
	if t.probe.prints {
		if err := t.exact.add(r.get(slotPrint), id); err != nil {
			return err
		}
	}
	if r.get(slotFlags)&flagNear != 0 {
		if err := t.near.add(r.get(slotNear), id); err != nil {
			return err
		}
	}
	switch {
	case !t.probe.look:
	case t.probe.spec.DType.Valid():
		t.array(r)
	case t.probe.slots >= slotsImage:
		t.picture(r)
	}
	return nil
}

func (t *tally) picture(r record) {
	if r.get(slotFlags)&flagJPEG != 0 {
		t.jpeg++
	} else {
		t.raw++
	}
	w, h := float64(r.get(slotWidth)), float64(r.get(slotHeight))
	t.width.add(w)
	t.height.add(h)
	t.pixels.add(w * h)
	t.aspect.add(w / h)
	t.gray += int(r.get(slotGray))
	n := r.get(slotPixels)
	for k := range t.channels {
		t.channels[k].add(n, r.get(slotSum+k), r.get(slotSquare+k))
	}
	if t.probe.slots == slotsImage+256 {
		if t.levels == nil {
			t.levels = make([]uint64, 256)
		}
		for k := range t.levels {
			t.levels[k] += r.level(k)
		}
	}
}

func (t *tally) array(r record) {
	t.nan += int64(r.get(slotNaN))
	t.up += int64(r.get(slotPosInf))
	t.down += int64(r.get(slotNegInf))
	if r.get(slotNaN)+r.get(slotPosInf)+r.get(slotNegInf) > 0 {
		t.affected++
	}
	t.all.merge(moments{n: int64(r.get(slotCount)), mean: r.float(slotMean), m2: r.float(slotM2), min: r.float(slotMin), max: r.float(slotMax)})
	for i := range t.elements {
		t.elements[i].add(r.element(i))
	}
}

// report makes the report of a survey.
func (s *survey) report(ctx context.Context) (*Report, error) {
	r := &Report{Name: s.ds.Name(), Samples: s.ds.Len(), Surveyed: s.total, Fields: []Field{}, Broken: s.broken}
	for _, f := range s.reader.fields {
		r.RowBytes = max(r.RowBytes, f.Offset+f.Size)
	}
	label := s.labelField()
	for _, t := range s.tallies {
		f := t.report()
		if t.labels != nil || t.f.Type == fields.TypeInt {
			var names []string
			if c, ok := s.ds.(interface{ Classes() []string }); ok && t.k == label {
				names = c.Classes()
			}
			f.Labels = t.classes(names)
		}
		if err := s.twins(ctx, t, &f); err != nil {
			return nil, err
		}
		r.Fields = append(r.Fields, f)
	}
	r.BrokenList = append([]Broken{}, s.list.sorted()...)
	var err error
	r.Pages, err = pagesOf(ctx, s.ds)
	return r, err
}

// twins finds the values that are the same, or alike.
func (s *survey) twins(ctx context.Context, t *tally, f *Field) error {
	if t.probe == nil {
		return nil
	}
	d := side{r: s.reader, k: t.k, p: t.probe, found: &t.exact}
	var extra samples
	if t.probe.near {
		extra = newSamples(s.ds.Len())
	}
	if t.probe.prints {
		var err error
		if f.Duplicates, _, err = duplicates(ctx, d, s.opts.Limit, extra); err != nil {
			return err
		}
	}
	if t.probe.near {
		d.found = &t.near
		var err error
		f.Near, err = nearIn(ctx, []side{d}, []samples{extra}, s.opts)
		return err
	}
	return nil
}

// report makes the field's report, without what compares values.
func (t *tally) report() Field {
	f := Field{Name: t.f.Name, Kind: ffcv.Kind(t.f.Type, t.f.Field), Values: t.values, Broken: t.broken, Bytes: t.bytes}
	if t.probe == nil {
		f.Numbers = t.numbers.summary()
		return f
	}
	if len(t.f.Field.Layout().Pointers) > 0 {
		f.Stored = t.stored.summary()
	}
	switch {
	case t.probe.spec.DType.Valid():
		a := &Array{NaN: t.nan, PosInf: t.up, NegInf: t.down, Affected: t.affected, All: t.all.summary()}
		for i := range t.elements {
			if one := t.elements[i].summary(); one != nil {
				a.Elements = append(a.Elements, *one)
			} else {
				a.Elements = append(a.Elements, Summary{})
			}
		}
		f.Array = a
	case t.probe.slots >= slotsImage:
		f.Image = t.image()
	}
	return f
}

func (t *tally) image() *Image {
	v := &Image{JPEG: t.jpeg, Raw: t.raw, Gray: -1, Width: t.width.summary(), Height: t.height.summary(),
		Pixels: t.pixels.summary(), Aspect: t.aspect.summary(), Looked: "none"}
	channels, most := 3, 255.0
	raster, isRaster := t.probe.plain.(fields.Image)
	switch {
	case isRaster && t.opts.Pixels == PixelsFull:
		v.Looked = "full"
		depth := 0
		if channels, depth = raster.Kind(); depth == 2 {
			most = 65535
		}
	case isRaster || t.opts.Pixels == PixelsNone:
		return v
	case t.opts.Pixels == PixelsScaled:
		v.Looked = "scaled"
	default:
		v.Looked, v.Gray = "full", t.gray
	}
	if t.values > 0 {
		for k := range channels {
			v.Channels = append(v.Channels, t.channels[k].report(most))
		}
	}
	if t.levels != nil && v.Looked == "full" {
		v.Levels = map[int]uint64{}
		for k, n := range t.levels {
			if n > 0 {
				v.Levels[k] = n
			}
		}
	}
	return v
}

// classes makes the report of labels with these names, nil for none.
func (t *tally) classes(names []string) *Labels {
	l := &Labels{Distinct: len(t.labels), Named: names != nil}
	if t.labels == nil {
		l.Distinct, l.More = maxValues, true
		return l
	}
	var list []int64
	for v := range t.labels {
		list = append(list, v)
		if names != nil && (v < 0 || v >= int64(len(names))) {
			l.Unnamed++
		}
	}
	for i := range names {
		if t.labels[int64(i)] == 0 {
			list = append(list, int64(i))
			l.Empty++
		}
	}
	slices.Sort(list)
	least, most := int64(math.MaxInt64), int64(0)
	for _, v := range list {
		c := Class{Label: v, Count: t.labels[v]}
		if v >= 0 && v < int64(len(names)) {
			c.Name = names[v]
		}
		if c.Count > 0 {
			least, most = min(least, c.Count), max(most, c.Count)
		}
		l.Classes = append(l.Classes, c)
	}
	if most > 0 {
		l.Imbalance = float64(most) / float64(least)
	}
	return l
}
