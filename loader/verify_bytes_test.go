package loader_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/rgb"
	"github.com/betongo/betongo/transform"
)

// allTypes writes a file of a few small samples with a field of each type, and
// returns its bytes, and which of them mean something: in the pages those of
// values.
func allTypes(t *testing.T) (b []byte, mean []bool) {
	t.Helper()
	specs := []ffcv.FieldSpec{
		{Name: "int", Field: fields.Int{}}, {Name: "float", Field: fields.Float{}},
		{Name: "bytes", Field: fields.Bytes{}}, {Name: "json", Field: fields.JSON{}},
		{Name: "array", Field: fields.NDArray{DType: array.Int16, Shape: []int{2, 3}}},
		{Name: "tensor", Field: fields.TorchTensor{DType: array.Uint8, Shape: []int{5}}},
		{Name: "jpeg", Field: fields.RGBImage{}}, {Name: "raw", Field: fields.RGBImage{Mode: fields.ModeRaw}},
		{Name: "mask", Field: fields.Image{Channels: 1, DType: array.Uint8}},
		{Name: "packed", Field: fields.LZ4{Of: fields.Bytes{}}},
	}
	path := ffcvtest.Write(t, specs, 3, func(i int) []any {
		pix := bytes.Repeat([]byte{byte(40 * i), 7, 200, 90}, 3*16*16/4)
		jpeg, err := rgb.EncodeJPEG(nil, rgb.Image{Width: 16, Height: 16, Pix: pix}, 90)
		if err != nil {
			t.Fatal(err)
		}
		small := array.Array{Spec: array.Spec{DType: array.Int16, Shape: []int{2, 3}}, Data: pix[i : i+12]}
		five := array.Array{Spec: array.Spec{DType: array.Uint8, Shape: []int{5}}, Data: pix[i : i+5]}
		return []any{int64(i), float64(i) / 2, bytes.Repeat([]byte{byte(i), 9}, 5*i), json.RawMessage(fmt.Sprintf(`{"i":%d}`, i)), small, five,
			jpeg, rgb.Encoded{Width: 16, Height: 16, Data: pix}, rgb.Raster{Width: 8, Height: 8, Channels: 1, Depth: 1, Pix: pix[:64]},
			bytes.Repeat([]byte("packed"), 40+i)}
	}, &ffcv.Options{PageSize: ffcv.MinPageSize, Classes: []string{"a", "b"}})
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f := ffcvtest.Map(t, path, nil)
	mean = slices.Repeat([]bool{true}, len(b))
	first, n := f.Pages()
	for i := ffcv.HeaderSize + len(specs)*ffcv.DescriptorSize + f.Len()*f.RowSize(); int64(i) < first+n*int64(f.Header().PageSize); i++ {
		mean[i] = false
	}
	for e, err := range f.Entries() {
		if err != nil {
			t.Fatal(err)
		}
		for i := range e.Size {
			mean[e.Ptr+i] = true
		}
	}
	return b, mean
}

// wholeEpoch loads a file's epoch in one batch, with the samples that fail left
// out: their numbers, and the bytes of each row of each output. An error is one of
// opening the file, or of the epoch.
func wholeEpoch(b []byte, verify loader.Verify) (ids []int, rows map[string][]byte, err error) {
	f, err := ffcv.New(ffcvtest.Lend(b), nil)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	l, err := loader.New(f, &loader.Options{BatchSize: 8, Workers: 1, Verify: verify, OnError: loader.Skip, ExactlyOnce: true, MarksMemory: -1})
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	rows = map[string][]byte{}
	for batch, err := range l.Epoch(context.Background(), 0) {
		if err != nil {
			return nil, nil, err
		}
		ids = append(ids, batch.Samples()...)
		for _, c := range batch.Outputs() {
			for i, id := range batch.Samples() {
				row := c.Data[i*len(c.Data)/batch.Len():][:len(c.Data)/batch.Len()]
				if c.Lengths != nil {
					row = row[:c.Lengths[i]]
				}
				rows[fmt.Sprintf("%s %d", c.Name, id)] = bytes.Clone(row)
			}
		}
		batch.Release()
	}
	return ids, rows, nil
}

// noPanic fails when an error is of a panic.
func noPanic(t *testing.T, what string, err error) {
	t.Helper()
	var p *loader.PanicError
	if errors.As(err, &p) {
		t.Fatalf("%s: %v", what, err)
	}
}

// Whichever byte of a file with a field of each type changes, ffcv.File.VerifySums
// tells, a loader that verifies gives what was written or an error, and one that
// doesn't never panics.
func TestVerifyEveryByte(t *testing.T) {
	b, mean := allTypes(t)
	_, want, err := wholeEpoch(b, loader.VerifyOnFirstRead)
	if err != nil || len(want) != 30 {
		t.Fatalf("%d rows, %v", len(want), err)
	}
	step := 1
	if testing.Short() {
		step = 13
	}
	flipped, came := 0, 0
	for i := 0; i < len(b); i += step {
		if !mean[i] {
			continue
		}
		flipped++
		b[i] ^= byte(1 + i%255)
		what := fmt.Sprintf("byte %d changed", i)
		if f, err := ffcv.New(ffcvtest.Lend(b), nil); err == nil {
			if err := f.VerifySums(t.Context(), nil); err == nil {
				t.Errorf("%s: sound", what)
			}
			f.Close()
		}
		_, rows, err := wholeEpoch(b, loader.VerifyOnFirstRead)
		noPanic(t, what, err)
		for name, row := range rows {
			if came++; !bytes.Equal(row, want[name]) {
				t.Fatalf("%s: %s is % x, want % x", what, name, row, want[name])
			}
		}
		_, _, err = wholeEpoch(b, loader.VerifyNever)
		noPanic(t, what, err)
		b[i] ^= byte(1 + i%255)
	}
	if flipped < 10_000/step || came < flipped {
		t.Errorf("%d bytes were changed, %d rows came even so", flipped, came)
	}
}

// However short a file with a field of each type was cut, it is an error where
// values are compared; elsewhere an error or, where only the table's end is gone,
// samples as they were written and samples that can't be loaded.
func TestVerifyEveryCut(t *testing.T) {
	b, mean := allTypes(t)
	_, want, err := wholeEpoch(b, loader.VerifyNever)
	if err != nil {
		t.Fatal(err)
	}
	for n := range b {
		if !mean[n] && n%4096 != 0 {
			continue
		}
		for _, verify := range []loader.Verify{loader.VerifyOnFirstRead, loader.VerifyNever} {
			_, rows, err := wholeEpoch(b[:n:n], verify)
			noPanic(t, fmt.Sprintf("cut at %d", n), err)
			if err == nil && verify != loader.VerifyNever {
				t.Fatalf("cut at %d of %d: no error", n, len(b))
			}
			for name, row := range rows {
				if !bytes.Equal(row, want[name]) {
					t.Fatalf("cut at %d of %d: %s is % x, want % x", n, len(b), name, row, want[name])
				}
			}
		}
	}
}

// Checkpoints of JPEGs that were damaged change no pixel of a loader that
// verifies: the file's are used while they are as they were written, and else
// none of them.
func TestVerifyCheckpoints(t *testing.T) {
	f := photoFile(t, true)
	b, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	list, err := f.Sections()
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(list, func(s ffcv.Section) bool { return s.Tag == ffcv.TagMarks })
	if at < 0 {
		t.Fatal("no checkpoints")
	}
	crop := transform.RandomResizedCrop{Width: 32, Height: 32, Scale: [2]float64{0.05, 0.2}}
	epoch := func(verify loader.Verify) []byte {
		f, err := ffcv.New(ffcvtest.Lend(b), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		l, err := loader.New(f, &loader.Options{BatchSize: 128, Verify: verify, Outputs: []loader.Output{{Name: "image", Decoder: crop}}})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		var pixels []byte
		for batch, err := range l.Epoch(t.Context(), 0) {
			if err != nil {
				t.Fatal(err)
			}
			pixels = append(pixels, batch.Outputs()[0].Data...)
			batch.Release()
		}
		return pixels
	}
	want, others := epoch(loader.VerifyOnFirstRead), 0
	if !bytes.Equal(epoch(loader.VerifyNever), want) {
		t.Fatal("verified pixels are others")
	}
	for i := list[at].Offset; i < list[at].Offset+list[at].Length; i += list[at].Length / 40 {
		b[i] ^= 8
		if !bytes.Equal(epoch(loader.VerifyOnFirstRead), want) {
			t.Errorf("byte %d of the checkpoints changed: other pixels", i-list[at].Offset)
		}
		if !bytes.Equal(epoch(loader.VerifyNever), want) {
			others++
		}
		b[i] ^= 8
	}
	t.Logf("unverified, %d of 40 changes gave other pixels", others)
}
