package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/usage"
	"github.com/betongo/betongo/loader"
)

// orders are those that don't need pages, by name.
var orders = map[string]loader.Order{
	"sequential": loader.Sequential,
	"random":     loader.Random,
	"keyed":      loader.Keyed,
}

// load is what a process of its own does and measures.
type load struct {
	File    string
	Order   string
	Batch   int
	Workers int
	Batches int // after which an epoch is left; 0 for all
	Epochs  int
	Check   bool // compare every value with what was written
}

// result is what it found: times in seconds, memory in bytes.
type result struct {
	Open   float64   // of the file
	New    float64   // of the loader
	First  float64   // from the epoch's begin to its first batch
	Rows   int       // of an epoch
	Wall   []float64 // of each epoch
	CPU    []float64 // of each epoch, user and system
	Own    int64     // memory of the process's own at most, -1 where the system doesn't tell
	Mapped int64     // memory of mapped files at the end, likewise
}

// run opens the file, makes a loader and loads.
func (l *load) run(ctx context.Context) (r result, err error) {
	order, ok := orders[l.Order]
	if !ok {
		return r, fmt.Errorf("no order %q", l.Order)
	}
	if err := usage.DropCached(l.File); err != nil && !errors.Is(err, errors.ErrUnsupported) && l.Batches > 0 {
		return r, err
	}
	peak := usage.Watch(time.Millisecond)
	defer peak.Stop()
	start := time.Now()
	f, err := ffcv.Open(l.File, nil)
	if err != nil {
		return r, err
	}
	defer f.Close()
	r.Open = time.Since(start).Seconds()
	start = time.Now()
	loading, err := loader.New(f, &loader.Options{BatchSize: l.Batch, Workers: l.Workers, Order: order, Seed: 1})
	if err != nil {
		return r, err
	}
	defer loading.Close()
	r.New = time.Since(start).Seconds()
	for epoch := range l.Epochs {
		if err := l.epoch(ctx, f, loading, epoch, &r); err != nil {
			return r, err
		}
	}
	r.Own, r.Mapped = peak.Stop(), usage.Mapped()
	return r, nil
}

// epoch loads one epoch.
func (l *load) epoch(ctx context.Context, f *ffcv.File, loading *loader.Loader, epoch int, r *result) error {
	cpu, err := usage.CPU()
	if err != nil {
		return err
	}
	start, rows := time.Now(), 0
	for b, err := range loading.Epoch(ctx, epoch) {
		if err != nil {
			return err
		}
		if epoch == 0 && b.Index() == 0 {
			r.First = time.Since(start).Seconds()
		}
		rows += b.Len()
		if l.Check {
			err = check(f, b)
		}
		more := b.Index()+1 != l.Batches
		b.Release()
		if err != nil {
			return err
		}
		if !more {
			break
		}
	}
	r.Rows = rows
	r.Wall = append(r.Wall, time.Since(start).Seconds())
	after, err := usage.CPU()
	r.CPU = append(r.CPU, (after - cpu).Seconds())
	return err
}

// check compares a batch with what was written.
func check(f *ffcv.File, b *loader.Batch) error {
	values, labels := b.Output("value"), b.Output("label")
	sparse, apart := f.Fields()[0].Type == fields.TypeFloat, step(f.Len())
	for row, i := range b.Samples() {
		label, want := int(binary.LittleEndian.Uint64(labels.Value(row))), i
		value, written := uint64(0), uint64(0)
		if sparse {
			value = binary.LittleEndian.Uint64(values.Value(row))
			if i%apart != 0 {
				want = 0
			}
		} else {
			value, written = uint64(binary.LittleEndian.Uint32(values.Value(row))), uint64(math.Float32bits(float32(i)))
		}
		if label != want || value != written {
			return fmt.Errorf("%s: sample %d: value %#x and label %d, want %#x and %d", f.Name(), i, value, label, written, want)
		}
	}
	return nil
}
