package loader

import (
	"errors"
	"math"

	"github.com/betongo/betongo/ffcv"
)

// RowHinter is the ability of a Dataset that reads its metadata, to do so ahead:
// the rows of these samples are about to be asked for, and with sizes their
// regions' sizes. It does not wait. *ffcv.File has it.
type RowHinter interface {
	WillNeedRows(samples []int, sizes bool)
}

// MarksHinter is the ability of a Marker that reads marks, to do so ahead, in two
// steps: the marks of these samples' values in a field are about to be asked for,
// and first where they lie. With found that was said some time ago, and what is to
// be read are the marks. *ffcv.File has it.
type MarksHinter interface {
	WillNeedMarks(samples []int, field int, found bool)
}

// ScanHinter is the ability of a Dataset that reads its files from afar, to read
// more at a time when most of its samples are about to be asked for, in whatever
// order. *ffcv.File has it.
type ScanHinter interface{ WillScan() }

// announceScan tells the dataset that this epoch takes most of its samples.
func (e *epoch) announceScan() (err error) {
	h, ok := e.plan.ds.(ScanHinter)
	if !ok || e.plan.lends || e.deal.samples <= e.plan.ds.Len()/2 {
		return nil
	}
	defer guard(e.plan.name, &err)
	h.WillScan()
	return nil
}

// announce tells the dataset of a flight's rows, which are read, or touched in
// the memory of a mapped file, when a worker comes to it, and of where its marks lie.
func (e *epoch) announce(f *flight) (err error) {
	defer guard(e.plan.name, &err)
	e.plan.hintRows(f)
	return nil
}

// hintRows tells the dataset of a flight's rows and of where its marks lie.
func (p *plan) hintRows(f *flight) {
	if p.rowHinter != nil && (p.reads || p.table != nil) {
		p.rowHinter.WillNeedRows(f.batch.ids, p.sized)
	}
	p.hintMarks(f, false)
}

// hintMarks tells the dataset of a flight's marks.
func (p *plan) hintMarks(f *flight, found bool) {
	if p.marksHinter == nil {
		return
	}
	for i := range p.outputs {
		if o := &p.outputs[i]; o.marked && (o.shared == nil || o.shared[0] == i) {
			p.marksHinter.WillNeedMarks(f.batch.ids, o.field, found)
		}
	}
}

// setAnnounce finds out what announce does.
func (p *plan) setAnnounce() {
	if p.rowHinter, _ = p.ds.(RowHinter); p.lends && p.table == nil {
		p.rowHinter = nil
	}
	if p.marksHinter, _ = p.ds.(MarksHinter); p.lends {
		p.marksHinter = nil
	}
	p.sized = false
	for i := range p.outputs {
		p.sized = p.sized || p.outputs[i].kind >= kindRawImage
	}
}

// forget takes back what the dataset was told of batches that nobody wants.
func (e *epoch) forget() {
	if e.plan.lends || len(e.flights) == 0 && (e.scout == nil || len(e.scout.list) == 0) {
		return
	}
	var err error
	defer guard(e.plan.name, &err) // the epoch has ended, with an error of its own or without
	e.plan.ds.WillNeed(nil)
}

// hint notes the regions of an output that regionsOf does not look up, at the
// first n positions. What is wrong with one shows when it is read.
func (w *worker) hint(f *flight, o *output, n int) {
	p := w.plan
	for pos := range n {
		if f.passed(pos) {
			continue
		}
		w.at = pos
		id := f.batch.ids[pos]
		row := w.row(f, pos, id)
		if o.kind == kindRegion {
			w.addRange(region{le64(row[o.ptr:]), int64(o.valueBytes)})
			continue
		}
		if o.kind == kindMember {
			return
		}
		var err error
		if w.regions, err = o.src.Field.Regions(w.regions[:0], row[o.src.Offset:o.src.Offset+o.src.Size]); err != nil {
			continue
		}
		for _, r := range w.regions {
			if r.Size < 0 {
				r.Size, err = p.ds.RegionSize(id, o.field, r.Ptr)
			}
			if err == nil {
				w.addRange(region{r.Ptr, r.Size})
			}
		}
	}
}

// addRange notes a region that is about to be read, with the one before it if it
// is its neighbour.
func (w *worker) addRange(r region) {
	if r.ptr > math.MaxInt64 {
		return // Bytes refuses it
	}
	off := int64(r.ptr)
	if n := len(w.ranges); n > 0 {
		if last := &w.ranges[n-1]; last.Off+last.Len == off {
			last.Len += r.size
			return
		}
	}
	w.ranges = append(w.ranges, ffcv.Range{Off: off, Len: r.size})
}

// prepareFlight does what comes before a batch can be filled, and gives it to the
// workers. It is done ahead of the filling of other batches, so that the dataset
// hears early of what will be read.
func (w *worker) prepareFlight(f *flight) {
	e := w.epoch
	defer e.share(f) // the dataset may end the goroutine
	w.meter.open(w.meter.lookUps())
	w.prepare(f)
	w.meter.close(w.meter.lookUps(), f.limit)
}

// prepareFresh prepares the flights that have been issued while f is being
// filled.
func (w *worker) prepareFresh(f *flight) {
	for len(w.epoch.fresh) > 0 {
		select {
		case fresh := <-w.epoch.fresh:
			w.prepareBeside(f, fresh)
		default: // another was quicker
		}
	}
}

func (w *worker) prepareBeside(f, fresh *flight) {
	ended := true
	defer func() {
		if ended { // with it goes what this worker has taken of f
			f.fail(0, errors.New("the dataset ended the goroutine that asked it"))
		}
	}()
	w.prepareFlight(fresh)
	ended = false
}
