package loader

import (
	"github.com/betongo/betongo/rgb"
)

// shareDecodes finds the outputs of one field whose pictures are views of it:
// they are cut from one decode, sample by sample. Exact ones decode otherwise
// than the others.
func shareDecodes(outputs []output) {
	for i := range outputs {
		a := &outputs[i]
		if a.kind != kindImage || a.view == nil || a.shared != nil {
			continue
		}
		group, marked := []int{i}, a.marked
		for k := i + 1; k < len(outputs); k++ {
			if b := &outputs[k]; b.kind == kindImage && b.view != nil && b.field == a.field && b.target.Exact == a.target.Exact {
				group, marked = append(group, k), marked || b.marked
			}
		}
		if len(group) > 1 {
			for _, k := range group {
				outputs[k].shared, outputs[k].marked = group, marked
			}
		}
	}
}

// companions are those of all outputs with which o shares decodes, for Explain.
func (o *output) companions(all []output) (names []string) {
	for _, k := range o.shared {
		if all[k].name != o.name {
			names = append(names, all[k].name)
		}
	}
	return names
}

// together is each for outputs that share a decode. On an error w.out is the
// output that it is of.
func (w *worker) together(f *flight, group []int, lo, hi int) (int, error) {
	first := group[0]
	next := w.meter.first(first, lo)
	for pos := lo; pos < hi; pos++ {
		if f.passed(pos) {
			continue
		}
		w.turn(f, pos)
		if pos == next {
			w.meter.begin(first)
		}
		if err := w.sampleViews(f, group, pos); err != nil {
			return pos, err
		}
		w.giveBack()
		if pos == next {
			next += w.meter.end(first)
		}
	}
	w.meter.until(first, next-hi, 0)
	for _, i := range group {
		w.meter.count(i, hi-lo)
	}
	return 0, nil
}

// sampleViews is sample for outputs that share a decode.
func (w *worker) sampleViews(f *flight, group []int, pos int) error {
	id := f.batch.ids[pos]
	src, err := w.cut(f, group, pos, id)
	if err != nil {
		return err
	}
	w.out = group[0]
	if err := w.scratch.RenderViews(src, w.views); err != nil {
		// One after another, so that it is the error of the output that has it. One
		// that needs less of the picture than all together may have none.
		for k, i := range group {
			w.out = i
			v := &w.views[k]
			if err := w.scratch.Render(v.Dst, src, v.Crop, v.Flip, v.Target); err != nil {
				return err
			}
		}
	}
	if w.meter.on {
		w.meter.lap(group[0], stageDecode, 1)
	}
	for k, i := range group {
		w.out = i
		o := &w.plan.outputs[i]
		if err := w.stages(o, id, w.filled(f, i, pos), w.views[k].Dst); err != nil {
			return err
		}
	}
	return nil
}

// cut asks each output for its view of a sample, and returns the picture.
func (w *worker) cut(f *flight, group []int, pos, id int) (src rgb.Encoded, err error) {
	w.views = w.views[:0]
	for _, i := range group {
		w.out = i
		o := &w.plan.outputs[i]
		if len(w.views) == 0 {
			row := w.row(f, pos, id)
			if src, err = w.stored(f, o, pos, id, row[o.src.Offset:o.src.Offset+o.src.Size]); err != nil {
				return src, err
			}
		}
		v := rgb.View{Dst: w.value(f, i, pos), Target: w.target(i)}
		w.keys, w.id = o.keys, id
		if v.Crop, v.Flip, err = o.view(src.Width, src.Height, w.draw); err != nil {
			return src, err
		}
		w.views = append(w.views, v)
	}
	return src, nil
}

// filled is the row of output i in the batch at position pos.
func (w *worker) filled(f *flight, i, pos int) []byte {
	n := w.plan.outputs[i].filledBytes
	return f.batch.columns[i].Data[pos*n : (pos+1)*n : (pos+1)*n]
}

// value is where output i's picture goes before the operations: its row, or
// memory of its own, since all pictures are there before the first operation.
func (w *worker) value(f *flight, i, pos int) []byte {
	o := &w.plan.outputs[i]
	if o.into == 0 {
		return w.filled(f, i, pos)[:o.valueBytes:o.valueBytes]
	}
	for len(w.held) <= i {
		w.held = append(w.held, nil)
	}
	if len(w.held[i]) < o.valueBytes {
		w.held[i] = make([]byte, o.valueBytes)
	}
	return w.held[i][:o.valueBytes:o.valueBytes]
}
