//go:build linux || darwin

package engine_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/betongo/betongo/loader"
)

// viewer is a client with a loader: it maps the segments, as Python does.
type viewer struct {
	*client
	batches  int
	specs    []spec
	segments map[int][]byte
	back     []uint32 // to be released with the next credit
	live     map[uint32]bool
}

type spec struct {
	Name    string `json:"name"`
	DType   string `json:"dtype"`
	Shape   []int  `json:"shape"`
	Lengths bool   `json:"lengths"`
	Offsets bool   `json:"offsets"`
	Item    []int  `json:"item"`
}

// view is a batch.
type view struct {
	seq     uint32
	ids     []int
	columns []column
	skipped []any
}

type column struct {
	data             []byte
	rows, width      int
	lengths, offsets []int64
}

// again decodes a JSON value into another type.
func again(tb testing.TB, from, to any) {
	tb.Helper()
	text, err := json.Marshal(from)
	if err == nil {
		err = json.Unmarshal(text, to)
	}
	if err != nil {
		tb.Fatal(err)
	}
}

func int64s(list ...int) []byte {
	var b []byte
	for _, n := range list {
		b = binary.LittleEndian.AppendUint64(b, uint64(n))
	}
	return b
}

// loader asks for a loader of these paths.
func (c *client) loader(request object, payload []byte) *viewer {
	c.tb.Helper()
	ok, _ := c.ask(with(request, object{"do": "loader"}), payload)
	v := &viewer{client: c, segments: map[int][]byte{}, live: map[uint32]bool{}}
	v.describe(ok)
	c.tb.Cleanup(v.unmap)
	return v
}

// unmap forgets all segments.
func (v *viewer) unmap() {
	for _, b := range v.segments {
		unix.Munmap(b)
	}
	clear(v.segments)
}

func (v *viewer) describe(ok object) {
	again(v.tb, ok["outputs"], &v.specs)
	again(v.tb, ok["batches"], &v.batches)
}

// with is a with the keys of b.
func with(a, b object) object {
	o := object{}
	for k, v := range a {
		o[k] = v
	}
	for k, v := range b {
		o[k] = v
	}
	return o
}

// credit tells what was taken, and releases what is in back.
func (v *viewer) credit(taken int) {
	v.tb.Helper()
	b := binary.LittleEndian.AppendUint32(nil, uint32(taken))
	for _, seq := range v.back {
		b = binary.LittleEndian.AppendUint32(b, seq)
		delete(v.live, seq)
	}
	v.back = v.back[:0]
	if err := v.send(nil, b); err != nil {
		v.tb.Fatal(err)
	}
}

// next receives a frame: a batch, or what else comes.
func (v *viewer) next() (*view, object, error) {
	r, err := v.recv()
	if err != nil {
		return nil, nil, err
	}
	var f struct {
		B    *uint32  `json:"b"`
		N    int      `json:"n"`
		O    [][4]int `json:"o"`
		FDs  [][2]int `json:"fds"`
		Drop []int    `json:"drop"`
		Skip []any    `json:"skipped"`
	}
	again(v.tb, r.object, &f)
	if f.B == nil {
		return nil, r.object, nil
	}
	if len(f.FDs) != len(r.fds) {
		return nil, nil, fmt.Errorf("%d descriptors, %d are told", len(r.fds), len(f.FDs))
	}
	for i, at := range f.FDs {
		if v.segments[at[0]] != nil {
			return nil, nil, fmt.Errorf("segment %d comes again", at[0])
		}
		v.segments[at[0]], err = unix.Mmap(r.fds[i], 0, at[1], unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		unix.Close(r.fds[i])
		if err != nil {
			return nil, nil, err
		}
	}
	for _, n := range f.Drop {
		if v.segments[n] == nil {
			return nil, nil, fmt.Errorf("segment %d is dropped, which there isn't", n)
		}
		unix.Munmap(v.segments[n])
		delete(v.segments, n)
	}
	b := &view{seq: *f.B, skipped: f.Skip}
	p := r.payload
	take := func(n int) []int64 {
		list := make([]int64, n)
		for i := range list {
			list[i] = int64(binary.LittleEndian.Uint64(p[8*i:]))
		}
		p = p[8*n:]
		return list
	}
	for _, id := range take(f.N) {
		b.ids = append(b.ids, int(id))
	}
	for i, s := range v.specs {
		c := column{rows: f.O[i][2], width: f.O[i][3]}
		if f.O[i][0] >= 0 {
			c.data = v.segments[f.O[i][0]][f.O[i][1]:]
		}
		if s.Lengths {
			c.lengths = take(f.N)
		}
		if s.Offsets {
			c.offsets = take(f.N + 1)
		}
		b.columns = append(b.columns, c)
	}
	if len(p) > 0 {
		return nil, nil, fmt.Errorf("%d bytes of the payload are left", len(p))
	}
	v.live[b.seq] = true
	return b, nil, nil
}

var errEnough = errors.New("enough")

// epoch goes through an epoch. each gets the batches, which it may release, by
// putting them in back; with errEnough it stops the epoch.
func (v *viewer) epoch(request object, payload []byte, each func(i int, b *view) error) (end object, err error) {
	v.tb.Helper()
	ok, _, err := v.try(with(object{"do": "epoch", "epoch": 0}, request), payload)
	if err != nil {
		return nil, err
	}
	v.describe(ok)
	for i := 0; ; i++ {
		b, o, err := v.next()
		if err != nil {
			return nil, err
		}
		if b == nil {
			if o["end"] != true {
				return nil, fmt.Errorf("got %v for an end", o)
			}
			return o, nil
		}
		if err := each(i, b); err == errEnough {
			if err := v.send(object{"do": "stop"}, nil); err != nil {
				return nil, err
			}
			each = func(_ int, b *view) error { v.back = append(v.back, b.seq); return nil }
		} else if err != nil {
			return nil, err
		}
		v.credit(i + 1)
	}
}

// all goes through an epoch and releases every batch at once, compared with those
// of a loader in this process.
func (v *viewer) all(request object, payload []byte, epoch int, l *loader.Loader) object {
	v.tb.Helper()
	want := batches(v.tb, l, epoch)
	n := 0
	end, err := v.epoch(with(request, object{"epoch": epoch}), payload, func(i int, b *view) error {
		n++
		v.back = append(v.back, b.seq)
		if i >= len(want) {
			return fmt.Errorf("batch %d, want %d", i, len(want))
		}
		return want[i].same(b)
	})
	if err != nil {
		v.tb.Fatal(err)
	}
	if n != len(want) || v.batches != n {
		v.tb.Fatalf("%d batches, %d are told, want %d", n, v.batches, len(want))
	}
	return end
}

// batch is a batch of a loader in this process, copied.
type batch struct {
	ids     []int
	columns []loader.Column
}

func batches(tb testing.TB, l *loader.Loader, epoch int) (list []batch) {
	tb.Helper()
	for b, err := range l.Epoch(tb.Context(), epoch) {
		if err != nil {
			tb.Fatal(err)
		}
		list = append(list, copied(b))
		b.Release()
	}
	return list
}

func copied(b *loader.Batch) batch {
	var k batch
	k.ids = slices.Clone(b.Samples())
	for _, c := range b.Outputs() {
		c.Data, c.Shape = slices.Clone(c.Data), slices.Clone(c.Shape)
		c.Lengths, c.Offsets = slices.Clone(c.Lengths), slices.Clone(c.Offsets)
		k.columns = append(k.columns, c)
	}
	return k
}

// same compares with what a client has got.
func (k *batch) same(b *view) error {
	if !slices.Equal(k.ids, b.ids) {
		return fmt.Errorf("batch %d: samples %v, want %v", b.seq, b.ids, k.ids)
	}
	if len(k.columns) != len(b.columns) {
		return fmt.Errorf("batch %d: %d outputs, want %d", b.seq, len(b.columns), len(k.columns))
	}
	for i, c := range k.columns {
		g := b.columns[i]
		lengths := make([]int64, len(c.Lengths))
		for i, n := range c.Lengths {
			lengths[i] = int64(n)
		}
		switch {
		case g.rows != c.Shape[0] || g.width >= 0 && g.width != c.Shape[1]:
			return fmt.Errorf("batch %d, output %q: %d rows of %d, want %v", b.seq, c.Name, g.rows, g.width, c.Shape)
		case len(g.data) < len(c.Data) || !bytes.Equal(g.data[:len(c.Data)], c.Data):
			return fmt.Errorf("batch %d, output %q: other bytes", b.seq, c.Name)
		case g.lengths != nil && !slices.Equal(g.lengths, lengths) || g.offsets != nil && !slices.Equal(g.offsets, c.Offsets):
			return fmt.Errorf("batch %d, output %q: lengths %v, offsets %v, want %v, %v", b.seq, c.Name, g.lengths, g.offsets, lengths, c.Offsets)
		}
	}
	return nil
}
