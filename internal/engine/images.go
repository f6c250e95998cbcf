package engine

import (
	"fmt"
	"math"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/rgb"
)

type imagesRequest struct {
	Do     string                   `json:"do"`
	Path   string                   `json:"path"` // "": the dataset that the connection has opened
	Field  string                   `json:"field"`
	IDs    int                      `json:"ids"` // so many in the payload
	Custom map[string]customRequest `json:"custom"`
	Cached bool                     `json:"cached"` // the file is not to be mapped
}

type imagesAnswer struct {
	Images [][4]int `json:"images"` // height, width, channels, bytes a number
}

// images decodes whole pictures of a file.
func (c *conn) images(r *request) error {
	var q imagesRequest
	if err := r.decode(&q); err != nil {
		return err
	}
	rest := &numbers{r.payload}
	ids, err := rest.ints(q.IDs)
	if err != nil {
		return err
	}
	var f loader.Dataset
	if q.Path == "" {
		if f, err = c.opened(q.Do); err != nil {
			return err
		}
	} else {
		var files *set
		if q.Cached {
			files, err = c.engine.files.cached([]string{q.Path}, q.Custom)
		} else {
			files, err = c.engine.files.open([]string{q.Path}, access{custom: q.Custom})
		}
		if err != nil {
			return err
		}
		defer files.leave()
		f = files.data
	}
	field := fieldOf(f, q.Field)
	if field < 0 {
		return unknownField("images", q.Field, f)
	}
	answer, pixels, err := pictures(f, field, ids)
	if err != nil {
		return err
	}
	return c.answer(answer, pixels)
}

// fieldOf returns the number of a field, -1 for none of the name.
func fieldOf(f loader.Dataset, name string) int {
	return slices.IndexFunc(f.Fields(), func(d ffcv.Field) bool { return d.Name == name })
}

// unknownField is the error of a field that a file hasn't.
func unknownField(do, name string, f loader.Dataset) error {
	var names []string
	for _, d := range f.Fields() {
		names = append(names, d.Name)
	}
	return unknown(do+": field", name, names)
}

// pictures decodes the pictures of samples, one after another.
func pictures(f loader.Dataset, field int, ids []int) (a imagesAnswer, pixels []byte, err error) {
	a.Images = make([][4]int, len(ids))
	at := make([]int, len(ids)+1)
	announce(f, field, ids)
	for i, id := range ids {
		if id < 0 || id >= f.Len() {
			return a, nil, optionf("images: sample %d, %s has %d", id, f.Name(), f.Len())
		}
		p := &a.Images[i]
		if *p, err = sizeOf(f, field, id); err != nil {
			return a, nil, err
		}
		size := maxPayload + 1
		if p[0] <= maxPayload && p[1] <= maxPayload && p[0]*p[1] <= maxPayload {
			size = p[0] * p[1] * p[2] * p[3]
		}
		if at[i+1] = at[i] + size; at[i+1] > maxPayload {
			return a, nil, optionf("images: the first %d pictures have more than %d bytes; ask for fewer", i+1, maxPayload)
		}
	}
	pixels = make([]byte, at[len(ids)])
	var next atomic.Int64
	var workers sync.WaitGroup
	errs := make([]error, len(ids))
	for range min(len(ids), runtime.GOMAXPROCS(0)) {
		workers.Add(1)
		go func() { // ends when all pictures are taken
			defer workers.Done()
			debug.SetPanicOnFault(true)
			var s rgb.Scratch
			for i := int(next.Add(1)) - 1; i < len(ids); i = int(next.Add(1)) - 1 {
				errs[i] = picture(pixels[at[i]:at[i+1]:at[i+1]], f, field, ids[i], &s)
			}
		}()
	}
	workers.Wait()
	for _, err := range errs {
		if err != nil {
			return a, nil, err
		}
	}
	return a, pixels, nil
}

// announce tells a dataset from afar which samples' pictures, and marks of them, are
// about to be read, so that not each is waited for by itself. What is wrong with them
// shows when they are read.
func announce(f loader.Dataset, field int, ids []int) {
	if d, ok := f.(loader.Distant); !ok || !d.Distant() || len(ids) < 2 {
		return
	}
	if slices.ContainsFunc(ids, func(id int) bool { return id < 0 || id >= f.Len() }) {
		return
	}
	if h, ok := f.(loader.RowHinter); ok {
		h.WillNeedRows(ids, true)
	}
	h, marks := f.(loader.MarksHinter)
	if marks {
		h.WillNeedMarks(ids, field, false)
	}
	if list := rangesOf(f, field, ids); len(list) > 0 { // none at all would take back what was told
		f.WillNeed(list)
	}
	if marks {
		h.WillNeedMarks(ids, field, true)
	}
}

// rangesOf is where values lie.
func rangesOf(f loader.Dataset, field int, ids []int) (ranges []ffcv.Range) {
	for _, id := range ids {
		meta, err := memberOf(f, field, id)
		if err != nil {
			return ranges
		}
		list, err := f.Fields()[field].Field.Regions(nil, meta)
		if err != nil {
			continue
		}
		for _, r := range list {
			if r.Size < 0 {
				r.Size, err = f.RegionSize(id, field, r.Ptr)
			}
			if err == nil && r.Ptr <= math.MaxInt64 && r.Size > 0 {
				ranges = append(ranges, ffcv.Range{Off: int64(r.Ptr), Len: r.Size})
			}
		}
	}
	return ranges
}

// memberOf reads what a sample's row has of a field.
func memberOf(f loader.Dataset, field, sample int) ([]byte, error) {
	d := f.Fields()[field]
	if d.Field == nil || d.Offset < 0 || d.Size < 0 {
		return nil, optionf("images: field %q is of unknown layout", d.Name)
	}
	row, err := f.Rows(sample, 1, nil)
	if err != nil {
		return nil, err
	}
	return row[d.Offset : d.Offset+d.Size : d.Offset+d.Size], nil
}

// sizeOf is height, width, channels and bytes a number of a picture.
func sizeOf(f loader.Dataset, field, sample int) (size [4]int, err error) {
	d := f.Fields()[field]
	if d.Type == fields.TypeRGBImage {
		v, err := valueOf(f, field, sample)
		e, _ := v.(rgb.Encoded)
		return [4]int{e.Height, e.Width, 3, 1}, err
	}
	r, ok := d.Field.(loader.RasterField)
	if !ok {
		return size, optionf("images: field %q holds no pictures", d.Name)
	}
	meta, err := memberOf(f, field, sample)
	if err != nil {
		return size, err
	}
	channels, depth := r.Kind()
	w, h, err := r.Size(meta)
	return [4]int{h, w, channels, depth}, err
}

// picture decodes one into dst. A panic is its error.
func picture(dst []byte, f loader.Dataset, field, sample int, s *rgb.Scratch) (err error) {
	defer caught(&err)
	pix, err := decoded(dst, f, field, sample, s)
	if err == nil && len(pix) != len(dst) {
		err = fmt.Errorf("%d bytes of pixels, want %d as the metadata says", len(pix), len(dst))
	}
	if err != nil {
		return failedSample(f, sample, field, err)
	}
	if len(pix) > 0 && &pix[0] != &dst[0] {
		copy(dst, pix)
	}
	return nil
}

// decoded returns a picture's pixels, in dst if they fit.
func decoded(dst []byte, f loader.Dataset, field, sample int, s *rgb.Scratch) ([]byte, error) {
	v, err := valueOf(f, field, sample)
	if err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case rgb.Encoded:
		if m, ok := f.(interface {
			Marks(sample, field int, buf []byte) ([]byte, error)
		}); ok && v.JPEG {
			v.Marks, _ = m.Marks(sample, field, nil) // damaged ones are none
		}
		img := rgb.Image{Pix: dst[:0]}
		err = s.Load(&img, v)
		return img.Pix, err
	case rgb.Raster:
		return v.Pix, nil
	}
	return nil, fmt.Errorf("it is decoded as %T", v)
}

// valueOf reads a value as its field decodes it.
func valueOf(f loader.Dataset, field, sample int) (any, error) {
	if one, ok := f.(*ffcv.File); ok {
		return one.Value(sample, field)
	}
	meta, err := memberOf(f, field, sample)
	if err != nil {
		return nil, err
	}
	d := f.Fields()[field]
	list, err := d.Field.Regions(nil, meta)
	if err != nil {
		return nil, err
	}
	data := make([][]byte, len(list))
	for i, r := range list {
		if r.Size < 0 {
			if r.Size, err = f.RegionSize(sample, field, r.Ptr); err != nil {
				return nil, err
			}
		}
		if data[i], err = f.Bytes(sample, r.Ptr, r.Size, nil); err != nil {
			return nil, err
		}
	}
	return d.Field.Decode(meta, data)
}
