package engine

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"iter"
	"math"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/betongo/betongo/alloc"
	"github.com/betongo/betongo/dataset"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/loader"
)

// openRequest opens a dataset for a connection that looks into it: what a
// client maps and reads by itself where it is one local file.
type openRequest struct {
	Do      string                   `json:"do"`
	Paths   []string                 `json:"paths"`
	Memory  int64                    `json:"memory"` // as of a loader, but -1
	Custom  map[string]customRequest `json:"custom"`
	Storage json.RawMessage          `json:"storage"`
}

type openAnswer struct {
	Name     string   `json:"name"`
	Samples  int      `json:"samples"`
	PageSize uint32   `json:"page_size"`
	Table    uint64   `json:"table"`    // of one file: where its allocation table begins
	Classes  []string `json:"classes"`  // null: none are named
	Identity string   `json:"identity"` // another one when a file was replaced
}

// open opens a dataset, which the connection has until it closes. The payload of
// the answer is its field descriptors.
func (c *conn) open(r *request) error {
	if c.looked != nil {
		return statef("open: the connection has a dataset already")
	}
	var q openRequest
	if err := r.decode(&q); err != nil {
		return err
	}
	if len(q.Paths) == 0 || q.Memory < 0 {
		return optionf("open: %d paths, memory %d", len(q.Paths), q.Memory)
	}
	s, err := c.engine.files.open(q.Paths, access{memory: q.Memory, custom: q.Custom, storage: q.Storage})
	if err != nil {
		return err
	}
	c.looked = s
	ds := s.data
	a := openAnswer{Name: ds.Name(), Samples: ds.Len(), Identity: fmt.Sprintf("%x", sha256.Sum256([]byte(s.same)))}
	if p, ok := ds.(loader.Pager); ok {
		h := p.Header()
		a.PageSize, a.Table = h.PageSize, h.AllocTable
	}
	if n, ok := ds.(interface{ Classes() []string }); ok {
		a.Classes = n.Classes()
	}
	list := ds.Fields()
	b := make([]byte, len(list)*ffcv.DescriptorSize)
	for i := range list {
		d := ffcv.FieldDesc{Type: list[i].Type, Name: list[i].Name, Args: *list[i].Args}
		d.Put(b[i*ffcv.DescriptorSize:])
	}
	return c.answer(a, b)
}

// opened is the connection's dataset.
func (c *conn) opened(do string) (loader.Dataset, error) {
	if c.looked == nil {
		return nil, statef("%s: the connection has no dataset", do)
	}
	return c.looked.data, nil
}

// mostTaken is how many bytes of values one answer has, unless a single sample
// has more.
const mostTaken = 64 << 20

type samplesRequest struct {
	Do     string `json:"do"`
	IDs    int    `json:"ids"` // so many in the payload; 0: from From up to To
	From   int    `json:"from"`
	To     int    `json:"to"`
	Fields []int  `json:"fields"` // whose stored bytes are wanted, by number
}

// samples answers {"samples": n} with the rows of the first n samples that were
// asked for, as many as fit, then for each of them the sizes of the wanted values,
// int64, and then the values' bytes.
func (c *conn) samples(r *request) error {
	var q samplesRequest
	if err := r.decode(&q); err != nil {
		return err
	}
	ds, err := c.opened(q.Do)
	if err != nil {
		return err
	}
	ids, err := (&numbers{r.payload}).ints(q.IDs)
	if err != nil {
		return err
	}
	if len(ids) == 0 {
		if q.From < 0 || q.From > q.To || q.To > ds.Len() {
			return optionf("samples: from %d up to %d, %s has %d", q.From, q.To, ds.Name(), ds.Len())
		}
	}
	t := &taking{ds: ds, tells: c.engine.tells, fields: ds.Fields(), wanted: q.Fields}
	for _, k := range q.Fields {
		if k < 0 || k >= len(t.fields) || t.fields[k].Field == nil {
			return optionf("samples: field %d of %d", k, len(t.fields))
		}
	}
	if len(ids) > 0 {
		err = t.rowsOf(ids)
	} else {
		err = t.rowsFrom(q.From, q.To)
	}
	if err != nil {
		return err
	}
	payload, n, err := t.values()
	if err != nil {
		return err
	}
	return c.answer(map[string]int{"samples": n}, payload)
}

// taking is the reading of samples as they are stored.
type taking struct {
	ds     loader.Dataset
	tells  describer
	fields []ffcv.Field
	wanted []int
	ids    []int
	rows   []byte
	row    int
}

// rowsFrom reads the rows of samples one after another, as many as fit.
func (t *taking) rowsFrom(lo, hi int) error {
	if lo == hi {
		return nil
	}
	one, err := t.ds.Rows(lo, 1, nil)
	if err != nil {
		return err
	}
	t.row = len(one)
	hi = min(hi, lo+max(1, mostTaken/max(t.row, 1)))
	t.rows = make([]byte, (hi-lo)*t.row)
	for id := lo; id < hi; id++ {
		t.ids = append(t.ids, id)
	}
	pieces := min((hi-lo)*t.row>>20+1, hi-lo)
	return abreast(pieces, func(i int) error {
		a, b := (hi-lo)*i/pieces, (hi-lo)*(i+1)/pieces
		into := t.rows[a*t.row : b*t.row : b*t.row]
		got, err := t.ds.Rows(lo+a, b-a, into)
		if err == nil {
			copy(into, got)
		}
		return err
	})
}

// rowsOf reads the rows of any samples, as many as fit.
func (t *taking) rowsOf(ids []int) error {
	for _, id := range ids {
		if id < 0 || id >= t.ds.Len() {
			return optionf("samples: sample %d, %s has %d", id, t.ds.Name(), t.ds.Len())
		}
	}
	one, err := t.ds.Rows(ids[0], 1, nil)
	if err != nil {
		return err
	}
	t.row = len(one)
	t.ids = ids[:min(len(ids), max(1, mostTaken/max(t.row, 1)))]
	if hint, ok := t.ds.(interface{ WillNeedRows([]int, bool) }); ok && len(t.ids) > 1 {
		hint.WillNeedRows(t.ids, len(t.wanted) > 0)
	}
	t.rows = make([]byte, len(t.ids)*t.row)
	return abreast(len(t.ids), func(i int) error {
		into := t.rows[i*t.row : (i+1)*t.row : (i+1)*t.row]
		got, err := t.ds.Rows(t.ids[i], 1, into)
		if err == nil {
			copy(into, got)
		}
		return err
	})
}

// stored is where a value lies; no bytes lie nowhere.
type stored struct {
	ptr  uint64
	size int64
}

// values returns the payload, and of how many samples it is.
func (t *taking) values() (payload []byte, n int, err error) {
	k := len(t.wanted)
	at := make([]stored, len(t.ids)*k)
	err = abreast(len(t.ids), func(i int) error {
		for j, f := range t.wanted {
			if err := t.find(i, f, &at[i*k+j]); err != nil {
				return t.failed(i, f, err)
			}
		}
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	total := int64(0)
	for n = 0; n < len(t.ids); n++ {
		more := int64(0)
		for _, v := range at[n*k : (n+1)*k] {
			more += min(v.size, math.MaxInt64/int64(2*k))
		}
		if n > 0 && total+more > mostTaken {
			break
		}
		total = min(total+more, math.MaxInt64/2)
	}
	head := int64(n*t.row + n*k*8)
	if head+total > maxPayload {
		return nil, 0, optionf("samples: sample %d of %s has %d bytes, more than the %d that can be sent", t.ids[0], t.ds.Name(), total, maxPayload)
	}
	payload = make([]byte, head+total)
	copy(payload, t.rows[:n*t.row])
	begins := make([]int64, n*k+1)
	begins[0] = head
	for i, v := range at[:n*k] {
		binary.LittleEndian.PutUint64(payload[n*t.row+8*i:], uint64(v.size))
		begins[i+1] = begins[i] + v.size
	}
	err = abreast(n*k, func(i int) error {
		into := payload[begins[i]:begins[i+1]:begins[i+1]]
		if err := fill(t.ds, t.ids[i/k], at[i].ptr, into); err != nil {
			return t.failed(i/k, t.wanted[i%k], err)
		}
		return nil
	})
	return payload, n, err
}

// find tells where a value lies. Fields keep one at most.
func (t *taking) find(i, field int, to *stored) error {
	d := &t.fields[field]
	list, err := d.Field.Regions(nil, t.rows[i*t.row+d.Offset:i*t.row+d.Offset+d.Size])
	if err != nil || len(list) == 0 {
		return err
	}
	to.ptr, to.size = list[0].Ptr, list[0].Size
	if to.size < 0 {
		to.size, err = t.ds.RegionSize(t.ids[i], field, to.ptr)
	}
	return err
}

// failed places an error of a value, unless it is placed already.
func (t *taking) failed(i, field int, err error) error {
	if k := t.tells.describe(err).Kind; k != "internal" && k != "format" {
		return err
	}
	return failedSample(t.ds, t.ids[i], field, err)
}

// failedSample is the error of a value.
func failedSample(ds loader.Dataset, sample, field int, err error) error {
	e := &loader.SampleError{File: ds.Name(), FileSample: sample, Sample: sample, Field: ds.Fields()[field].Name, Offset: -1, Err: err}
	if l, ok := ds.(interface {
		Locate(sample, field int) (string, int)
	}); ok {
		e.File, e.FileSample = l.Locate(sample, field)
	}
	return e
}

// fill reads bytes of a sample.
func fill(ds loader.Dataset, sample int, ptr uint64, into []byte) error {
	if len(into) == 0 {
		return nil
	}
	got, err := ds.Bytes(sample, ptr, int64(len(into)), into)
	if err == nil && &got[0] != &into[0] {
		copy(into, got)
	}
	return err
}

// reading is how many reads of one request run at a time: of an object each may
// wait for an answer.
const reading = 32

// abreast calls do for 0 to n-1, several at a time, and returns the error of the
// first that has one.
func abreast(n int, do func(i int) error) error {
	errs := make([]error, n)
	var next atomic.Int64
	var failed atomic.Bool
	var workers sync.WaitGroup
	for range min(n, reading) {
		workers.Add(1)
		go func() { // ends when all are taken, or one has failed
			defer workers.Done()
			debug.SetPanicOnFault(true)
			for !failed.Load() {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if errs[i] = safely(i, do); errs[i] != nil {
					failed.Store(true)
				}
			}
		}()
	}
	workers.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// safely calls do. A panic is its error.
func safely(i int, do func(i int) error) (err error) {
	defer caught(&err)
	return do(i)
}

type rangesRequest struct {
	Do string `json:"do"`
	N  int    `json:"n"` // so many triples in the payload: sample, pointer, bytes
}

// ranges answers with bytes of samples, one range after another.
func (c *conn) ranges(r *request) error {
	var q rangesRequest
	if err := r.decode(&q); err != nil {
		return err
	}
	ds, err := c.opened(q.Do)
	if err != nil {
		return err
	}
	if q.N < 0 || q.N > maxPayload/24 {
		return optionf("ranges: %d of them", q.N)
	}
	list, err := (&numbers{r.payload}).ints(3 * q.N)
	if err != nil {
		return err
	}
	begins := make([]int, q.N+1)
	for i := range q.N {
		id, size := list[3*i], list[3*i+2]
		if id < 0 || id >= ds.Len() || list[3*i+1] < 0 || size < 0 || size > maxPayload-begins[i] {
			return optionf("ranges: %d bytes at %d of sample %d, behind %d bytes; %s has %d samples, %d bytes can be sent",
				size, list[3*i+1], id, begins[i], ds.Name(), ds.Len(), maxPayload)
		}
		begins[i+1] = begins[i] + size
	}
	payload := make([]byte, begins[q.N])
	err = abreast(q.N, func(i int) error {
		return fill(ds, list[3*i], uint64(list[3*i+1]), payload[begins[i]:begins[i+1]:begins[i+1]])
	})
	if err != nil {
		return err
	}
	return c.answer(struct{}{}, payload)
}

type entriesRequest struct {
	Do   string `json:"do"`
	From int    `json:"from"`
}

// entries answers with the allocation table from an entry on, as much as fits;
// nothing at the end.
func (c *conn) entries(r *request) error {
	var q entriesRequest
	if err := r.decode(&q); err != nil {
		return err
	}
	ds, err := c.opened(q.Do)
	if err != nil {
		return err
	}
	of, ok := ds.(interface {
		Entries() iter.Seq2[alloc.Entry, error]
	})
	if !ok {
		return optionf("entries: %s has no allocation table", ds.Name())
	}
	var payload []byte
	n := 0
	var b [alloc.EntrySize]byte
	for e, err := range of.Entries() {
		if err != nil {
			return err
		}
		if n++; n <= q.From {
			continue
		}
		e.Put(b[:])
		payload = append(payload, b[:]...)
		if len(payload) > maxPayload-len(b) || n&0xffff == 0 && c.ctx.Err() != nil {
			break
		}
	}
	return c.answer(struct{}{}, payload)
}

type keyRequest struct {
	Do     string `json:"do"`
	Sample int    `json:"sample"`
	Key    string `json:"key"`
}

// key answers {"key": …}, "" for none.
func (c *conn) key(r *request) error {
	var q keyRequest
	if err := r.decode(&q); err != nil {
		return err
	}
	ds, err := c.opened(q.Do)
	if err != nil {
		return err
	}
	of, ok := ds.(interface{ Key(int) (string, error) })
	if !ok || q.Sample < 0 || q.Sample >= ds.Len() {
		return optionf("key: sample %d of %s, which has %d", q.Sample, ds.Name(), ds.Len())
	}
	key, err := of.Key(q.Sample)
	if err != nil {
		return err
	}
	return c.answer(map[string]string{"key": key}, nil)
}

// find answers {"sample": …}, -1 where no sample has the key.
func (c *conn) find(r *request) error {
	var q keyRequest
	if err := r.decode(&q); err != nil {
		return err
	}
	ds, err := c.opened(q.Do)
	if err != nil {
		return err
	}
	sample, err := c.search(ds, q.Key)
	if err != nil {
		return err
	}
	return c.answer(map[string]int{"sample": sample}, nil)
}

// search looks for the first sample that has a key: by the index of names of
// each file, or where that can't be had by all of them.
func (c *conn) search(ds loader.Dataset, key string) (int, error) {
	if of, ok := ds.(interface {
		Find(string) (int, bool, error)
	}); ok {
		i, found, err := of.Find(key)
		if err != nil || !found {
			i = -1
		}
		return i, err
	}
	if of, ok := ds.(*dataset.Concat); ok {
		bounds := of.Bounds()
		for m, member := range of.Members() {
			i, err := c.search(member, key)
			if err != nil {
				return -1, err
			}
			if i >= 0 {
				return bounds[m] + i, nil
			}
		}
		return -1, nil
	}
	of, ok := ds.(interface{ Key(int) (string, error) })
	if !ok {
		return -1, fmt.Errorf("%s keeps no names", ds.Name())
	}
	for i := range ds.Len() {
		k, err := of.Key(i)
		if err != nil {
			return -1, err
		}
		if k == key && key != "" {
			return i, nil
		}
		if i&0xfff == 0 && c.ctx.Err() != nil {
			return -1, c.ctx.Err()
		}
	}
	return -1, nil
}
