package gomlx_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gomlx/gomlx/backends"
	"github.com/gomlx/gomlx/backends/simplego"
	"github.com/gomlx/gomlx/pkg/core/dtypes"
	"github.com/gomlx/gomlx/pkg/core/tensors"
	"github.com/gomlx/gomlx/pkg/ml/datasets"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/gomlx"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/internal/leak"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/transform"
)

// kinds are arrays' element types and what they become.
var kinds = map[string]struct {
	array.DType
	want dtypes.DType
}{
	"b1": {array.Bool, dtypes.Bool}, "i1": {array.Int8, dtypes.Int8}, "i2": {array.Int16, dtypes.Int16},
	"i4": {array.Int32, dtypes.Int32}, "i8": {array.Int64, dtypes.Int64}, "u1": {array.Uint8, dtypes.Uint8},
	"u2": {array.Uint16, dtypes.Uint16}, "u4": {array.Uint32, dtypes.Uint32}, "u8": {array.Uint64, dtypes.Uint64},
	"f2": {array.Float16, dtypes.Float16}, "f4": {array.Float32, dtypes.Float32}, "f8": {array.Float64, dtypes.Float64},
	"c8": {array.Complex64, dtypes.Complex64}, "c16": {array.Complex128, dtypes.Complex128},
	"brain": {transform.BFloat16, dtypes.BFloat16},
}

// kindFile is a file with an array of each of kinds, text and a label.
func kindFile(t testing.TB, n int) *ffcv.File {
	var names []string
	for name := range kinds {
		names = append(names, name)
	}
	slices.Sort(names)
	specs := []ffcv.FieldSpec{{Name: "label", Field: fields.Int{}}, {Name: "text", Field: fields.Bytes{}}}
	for _, name := range names {
		specs = append(specs, ffcv.FieldSpec{Name: name, Field: fields.NDArray{DType: kinds[name].DType, Shape: []int{2, 3}}})
	}
	path := ffcvtest.Write(t, specs, n, func(i int) []any {
		values := []any{i, bytes.Repeat([]byte{byte(i)}, i%5)}
		for _, name := range names {
			spec := array.Spec{DType: kinds[name].DType, Shape: []int{2, 3}}
			size, err := spec.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			data := make([]byte, size)
			for k := range data {
				if data[k] = byte(i + k); name == "b1" {
					data[k] &= 1
				}
			}
			a, err := array.New(spec, data)
			if err != nil {
				t.Fatal(err)
			}
			values = append(values, a)
		}
		return values
	}, nil)
	return ffcvtest.Map(t, path, nil)
}

func newLoader(t testing.TB, f *ffcv.File, opts *loader.Options) *loader.Loader {
	l, err := loader.New(f, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func newDataset(t testing.TB, l *loader.Loader, opts *gomlx.Options) *gomlx.Dataset {
	d, err := gomlx.New(context.Background(), l, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Close)
	return d
}

// contents returns a tensor's bytes.
func contents(t testing.TB, v *tensors.Tensor) (b []byte) {
	if v.Shape().Size() == 0 {
		return nil
	}
	if err := v.ConstBytes(func(data []byte) { b = bytes.Clone(data) }); err != nil {
		t.Fatal(err)
	}
	return b
}

// TestTensors: every output's tensor has its shape, element type and bytes.
func TestTensors(t *testing.T) {
	f := kindFile(t, 23)
	l := newLoader(t, f, &loader.Options{BatchSize: 5, Order: loader.Random, Seed: 3})
	for _, backend := range []backends.Backend{nil, simplego.GetBackend()} {
		d := newDataset(t, l, &gomlx.Options{Backend: backend, Labels: []string{"label", "text.lengths"}, Epoch: 4})
		for b, err := range l.Epoch(context.Background(), 4) {
			if err != nil {
				t.Fatal(err)
			}
			spec, inputs, labels, err := d.Yield()
			if err != nil {
				t.Fatal(err)
			}
			s := spec.(*gomlx.Spec)
			for i, name := range append(slices.Clone(s.Inputs), s.Labels...) {
				v := append(slices.Clone(inputs), labels...)[i]
				compare(t, name, v, b)
				if err := v.FinalizeAll(); err != nil {
					t.Error(err)
				}
			}
			b.Release()
		}
		if _, _, _, err := d.Yield(); err != io.EOF {
			t.Errorf("after the last batch: %v, want io.EOF", err)
		}
	}
}

// TestRagged: rows one after another, with where they lie.
func TestRagged(t *testing.T) {
	f := kindFile(t, 23)
	for _, item := range []array.Spec{{}, {DType: mustParse(t, "<i2")}} {
		l := newLoader(t, f, &loader.Options{BatchSize: 5, Order: loader.Random, OnError: loader.SubstituteValue(nil), // texts that aren't whole items are empty
			Outputs: []loader.Output{{Name: "text", Ragged: true, Item: item}}})
		for _, backend := range []backends.Backend{nil, simplego.GetBackend()} {
			d := newDataset(t, l, &gomlx.Options{Backend: backend, Inputs: []string{"text", "text.offsets"}, Labels: []string{"text.lengths"}})
			for b, err := range l.Epoch(context.Background(), 0) {
				if err != nil {
					t.Fatal(err)
				}
				_, inputs, labels, err := d.Yield()
				if err != nil {
					t.Fatal(err)
				}
				c, text, offsets := b.Output("text"), inputs[0], inputs[1]
				if !slices.Equal(text.Shape().Dimensions, c.Shape) || !bytes.Equal(contents(t, text), c.Data) {
					t.Errorf("%v, want shape %v", text, c.Shape)
				}
				var want []byte
				for _, n := range c.Offsets {
					want = binary.LittleEndian.AppendUint64(want, uint64(n))
				}
				if offsets.DType() != dtypes.Int64 || len(c.Offsets) != b.Len()+1 || !bytes.Equal(contents(t, offsets), want) {
					t.Errorf("offsets: %v, want %v", offsets, c.Offsets)
				}
				compare(t, "text.lengths", labels[0], b)
				b.Release()
				for _, v := range append(inputs, labels...) {
					if err := v.FinalizeAll(); err != nil {
						t.Error(err)
					}
				}
			}
			d.Close()
		}
	}
	l := newLoader(t, f, nil)
	d := newDataset(t, l, &gomlx.Options{Inputs: []string{"text.offsets"}})
	if _, _, _, err := d.Yield(); err == nil || !strings.Contains(err.Error(), "they are padded") {
		t.Errorf("offsets of padded rows: %v", err)
	}
}

// compare compares a tensor with what it was made of.
func compare(t *testing.T, name string, v *tensors.Tensor, b *loader.Batch) {
	t.Helper()
	if name == "text.lengths" {
		var want []byte
		for _, n := range b.Output("text").Lengths {
			want = binary.LittleEndian.AppendUint64(want, uint64(n))
		}
		if v.DType() != dtypes.Int64 || !bytes.Equal(contents(t, v), want) {
			t.Errorf("lengths: %v", v)
		}
		return
	}
	c := b.Output(name)
	want := dtypes.Int64
	if k, ok := kinds[name]; ok {
		want = k.want
	} else if name == "text" {
		want = dtypes.Uint8
	}
	if v.DType() != want || !slices.Equal(v.Shape().Dimensions, c.Shape) || !bytes.Equal(contents(t, v), c.Data) {
		t.Errorf("output %q: %v of %v, want %v of %v", name, v.Shape(), contents(t, v), c.Spec, c.Data)
	}
}

// ids are the labels of all batches up to the next error.
func ids(t testing.TB, d *gomlx.Dataset) (list []int64, err error) {
	for {
		_, inputs, labels, err := d.Yield()
		if err != nil {
			return list, err
		}
		list = append(list, tensors.MustCopyFlatData[int64](labels[0])...)
		for _, v := range append(inputs, labels...) {
			v.MustFinalizeAll()
		}
	}
}

// order is the order of an epoch as the loader gives it.
func order(t testing.TB, l *loader.Loader, epoch int) (list []int64) {
	for b, err := range l.Epoch(context.Background(), epoch) {
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range b.Samples() {
			list = append(list, int64(i))
		}
		b.Release()
	}
	return list
}

// numbers is a file of an Int "label", the sample's number.
func numbers(t testing.TB, n int) *ffcv.File {
	specs := []ffcv.FieldSpec{{Name: "label", Field: fields.Int{}}, {Name: "x", Field: fields.Float{}}}
	return ffcvtest.Map(t, ffcvtest.Write(t, specs, n, func(i int) []any { return []any{i, float64(i)} }, nil), nil)
}

// TestEpochs: which epoch comes after Reset and io.EOF.
func TestEpochs(t *testing.T) {
	l := newLoader(t, numbers(t, 50), &loader.Options{BatchSize: 8, Order: loader.Random, Seed: 7})
	d := newDataset(t, l, &gomlx.Options{Name: "über", Epoch: 2})
	want := func(epoch int) {
		t.Helper()
		if got, err := ids(t, d); err != io.EOF || !slices.Equal(got, order(t, l, epoch)) {
			t.Errorf("epoch %d: %v, %v", epoch, got, err)
		}
		if _, _, _, err := d.Yield(); err != io.EOF {
			t.Errorf("after the end: %v, want io.EOF", err)
		}
	}
	d.Reset() // nothing was asked for yet
	d.Reset()
	want(2)
	d.Reset()
	want(3)
	d.Reset()
	if _, _, _, err := d.Yield(); err != nil {
		t.Error(err)
	}
	d.Reset() // in the middle
	want(5)
	if d.Name() != "über" || d.ShortName() != "übe" {
		t.Errorf("names %q, %q", d.Name(), d.ShortName())
	}

	endless := newDataset(t, l, &gomlx.Options{Infinite: true})
	var got []int64
	for len(got) < 150 {
		_, _, labels, err := endless.Yield()
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, tensors.MustCopyFlatData[int64](labels[0])...)
	}
	if all := slices.Concat(order(t, l, 0), order(t, l, 1), order(t, l, 2)); !slices.Equal(got, all) {
		t.Errorf("three epochs: %v, want %v", got, all)
	}
	if endless.Name() != "beton" || endless.ShortName() != "bet" {
		t.Errorf("names %q, %q", endless.Name(), endless.ShortName())
	}
	none := newDataset(t, newLoader(t, numbers(t, 0), nil), &gomlx.Options{Infinite: true})
	if _, _, _, err := none.Yield(); err != io.EOF {
		t.Errorf("an endless dataset of no samples: %v, want io.EOF", err)
	}
}

// TestNames: which outputs are inputs and which labels.
func TestNames(t *testing.T) {
	l := newLoader(t, kindFile(t, 1), nil)
	unlike := newLoader(t, ffcvtest.Map(t, ffcvtest.Write(t, []ffcv.FieldSpec{
		{Name: "big", Field: fields.NDArray{DType: mustParse(t, ">f4"), Shape: []int{1}}},
	}, 1, func(int) []any {
		a, _ := array.New(array.Spec{DType: mustParse(t, ">f4"), Shape: []int{1}}, make([]byte, 4))
		return []any{a}
	}, nil), nil), nil)
	rest := "text b1 brain c16 c8 f2 f4 f8 i1 i2 i4 i8 u1 u2 u4 u8"
	for _, test := range []struct {
		loader *loader.Loader
		opts   *gomlx.Options
		want   string // the spec's text, or part of the error
		ok     bool
	}{
		{l, nil, rest + " -> label", true},
		{l, &gomlx.Options{Labels: []string{}}, "label " + rest + " -> ", true},
		{l, &gomlx.Options{Inputs: []string{"f4", "text", "text.lengths"}}, "f4 text text.lengths -> label", true},
		{l, &gomlx.Options{Inputs: []string{"label"}}, "label -> ", true},
		{l, &gomlx.Options{Inputs: []string{"f4"}, Labels: []string{"i8", "i4"}}, "f4 -> i8 i4", true},
		{l, &gomlx.Options{Inputs: []string{"f3"}}, `no output "f3", the loader has "label", "text"`, false},
		{l, &gomlx.Options{Labels: []string{"nothing.lengths"}}, `no output "nothing.lengths"`, false},
		{l, &gomlx.Options{Labels: []string{"f4.lengths"}}, `all rows of output "f4" are as long`, false},
		{l, &gomlx.Options{Epoch: -1}, "epoch -1", false},
		{unlike, nil, "element type >f4", false},
	} {
		d, err := gomlx.New(context.Background(), test.loader, test.opts)
		if !test.ok {
			if err == nil || d != nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%+v: %v, want %q", test.opts, err, test.want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%+v: %v", test.opts, err)
			continue
		}
		spec, inputs, labels, err := d.Yield()
		if s, ok := spec.(*gomlx.Spec); err != nil || !ok || s.String() != test.want || len(inputs) != len(s.Inputs) || len(labels) != len(s.Labels) {
			t.Errorf("%+v: %v of %d and %d, %v; want %s", test.opts, spec, len(inputs), len(labels), err, test.want)
		}
		d.Close()
	}
}

func mustParse(t testing.TB, s string) array.DType {
	d, err := array.ParseDType(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// broken is an operation that fails at a sample, or gives it to another hand.
type broken struct{ at int }

func (b broken) BindIndexed(in array.Spec) (array.Spec, func(dst, src []byte, sample int, _ *rand.Rand) error, bool, error) {
	return in, func(_, _ []byte, sample int, _ *rand.Rand) error {
		if sample == b.at {
			return errors.New("it is broken")
		}
		return nil
	}, true, nil
}

// TestErrors: errors travel and stay until Reset.
func TestErrors(t *testing.T) {
	settle := leak.Watch(t)
	f := numbers(t, 50)
	l := newLoader(t, f, &loader.Options{BatchSize: 8, Outputs: []loader.Output{{Name: "x", Ops: []any{broken{at: 20}}}}})
	d := newDataset(t, l, nil)
	for range 2 {
		got, err := ids(t, d)
		if len(got) != 16 || err == nil || !strings.Contains(err.Error(), "it is broken") || !strings.Contains(err.Error(), "20") {
			t.Errorf("%d samples, then %v", len(got), err)
		}
		if _, _, _, again := d.Yield(); again == nil || again.Error() != err.Error() {
			t.Errorf("asked again: %v, want %v", again, err)
		}
		d.Reset()
	}
	d.Close()
	d.Close()
	d.Reset()
	if _, _, _, err := d.Yield(); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("after Close: %v", err)
	}

	ctx, cancel := context.WithCancel(context.Background())
	d, err := gomlx.New(ctx, newLoader(t, f, &loader.Options{BatchSize: 8}), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := d.Yield(); err != nil {
		t.Error(err)
	}
	cancel()
	if _, _, _, err := d.Yield(); !errors.Is(err, context.Canceled) {
		t.Errorf("after cancel: %v", err)
	}
	settle()
}

// TestBackend: a device that isn't there is an error of Yield.
func TestBackend(t *testing.T) {
	l := newLoader(t, numbers(t, 50), &loader.Options{BatchSize: 8})
	d := newDataset(t, l, &gomlx.Options{Backend: simplego.GetBackend(), Device: 7})
	for range 2 {
		if _, _, _, err := d.Yield(); err == nil || !strings.Contains(err.Error(), `batch 0: output "x"`) {
			t.Errorf("got %v, want an error of batch 0", err)
		}
	}
}

// TestEnds: nothing runs after Reset, Close, and a dataset that is dropped.
func TestEnds(t *testing.T) {
	l := newLoader(t, numbers(t, 500), &loader.Options{BatchSize: 8, Workers: 4})
	for name, end := range map[string]func(d *gomlx.Dataset){
		"reset":   (*gomlx.Dataset).Reset,
		"close":   (*gomlx.Dataset).Close,
		"dropped": func(*gomlx.Dataset) {},
	} {
		t.Run(name, func(t *testing.T) {
			settle := leak.Watch(t)
			func() {
				d, err := gomlx.New(context.Background(), l, nil)
				if err != nil {
					t.Fatal(err)
				}
				for range 3 {
					if _, _, _, err := d.Yield(); err != nil {
						t.Fatal(err)
					}
				}
				end(d)
			}()
			runtime.GC()
			runtime.GC()
			settle()
		})
	}
}

// TestConcurrent: callers side by side share an epoch, each sample once.
func TestConcurrent(t *testing.T) {
	const n = 5000
	l := newLoader(t, numbers(t, n), &loader.Options{BatchSize: 8, Order: loader.Random})
	d := newDataset(t, l, &gomlx.Options{Backend: simplego.GetBackend()})
	for range 3 {
		var mu sync.Mutex
		var all []int64
		var group sync.WaitGroup
		for range 8 {
			group.Add(1)
			go func() { // ends with the epoch; group waits for it
				defer group.Done()
				list, err := ids(t, d)
				mu.Lock()
				defer mu.Unlock()
				if all = append(all, list...); err != io.EOF {
					t.Error(err)
				}
			}()
		}
		group.Wait()
		once(t, all, n)
		d.Reset()
	}
	settle := leak.Watch(t)
	p := datasets.Parallel(d)
	for range 2 {
		var all []int64
		for {
			_, _, labels, err := p.Yield()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, tensors.MustCopyFlatData[int64](labels[0])...)
		}
		once(t, all, n)
		p.Reset()
	}
	p.Done()
	d.Close()
	settle()
}

func once(t *testing.T, all []int64, n int) {
	t.Helper()
	slices.Sort(all)
	for i := range n {
		if len(all) != n || all[i] != int64(i) {
			t.Fatalf("%d samples, %d is %d", len(all), i, all[min(i, len(all)-1)])
		}
	}
}

// BenchmarkYield makes tensors of 150,528 float32 a sample, an image's.
func BenchmarkYield(b *testing.B) {
	const n, size = 256, 224 * 224 * 3
	value := make([]float32, size)
	path := ffcvtest.Write(b, []ffcv.FieldSpec{{Name: "x", Field: fields.NDArray{DType: array.Float32, Shape: []int{224, 224, 3}}}}, n,
		func(int) []any { return []any{value} }, nil)
	l := newLoader(b, ffcvtest.Map(b, path, nil), &loader.Options{BatchSize: 32})
	for name, backend := range map[string]backends.Backend{"memory=go": nil, "memory=device": simplego.GetBackend()} {
		b.Run(name, func(b *testing.B) {
			d := newDataset(b, l, &gomlx.Options{Backend: backend, Infinite: true})
			b.SetBytes(32 * size * 4)
			b.ReportAllocs()
			for b.Loop() {
				_, inputs, _, err := d.Yield()
				if err != nil {
					b.Fatal(err)
				}
				if _, err := inputs[0].Buffer(simplego.GetBackend(), 0); err != nil { // as a training step does
					b.Fatal(err)
				}
				inputs[0].MustFinalizeAll()
			}
		})
	}
}
