package loader_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/transform"
)

// verified are 500 samples, of which numbers 40 (in a data page) and 300 (in
// the metadata) are not as they were written, though they can be read.
func verified(t *testing.T) (path string, bad map[int]string) {
	specs := []ffcv.FieldSpec{{Name: "x", Field: fields.NDArray{DType: array.Uint8, Shape: []int{1000}}}, {Name: "label", Field: fields.Int{}}}
	path = ffcvtest.Write(t, specs, 500, func(i int) []any {
		x := make([]byte, 1000)
		for k := range x {
			x[k] = byte(i + k)
		}
		return []any{array.Array{Spec: array.Spec{DType: array.Uint8, Shape: []int{1000}}, Data: x}, i}
	}, nil)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	meta := ffcv.HeaderSize + 2*ffcv.DescriptorSize
	b[binary.LittleEndian.Uint64(b[meta+40*16:])+777] ^= 4
	b[meta+300*16+8] ^= 4
	path = filepath.Join(t.TempDir(), "damaged.beton")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	bad = map[int]string{40: `field "x"`}
	for i := 256; i < 500; i++ { // rows of 16 bytes with one checksum
		bad[i] = "metadata rows 256 to 499"
	}
	return path, bad
}

// Samples that differ from their checksums come without a word, or don't come,
// as a program chose.
func TestVerifyOnFirstRead(t *testing.T) {
	path, bad := verified(t)
	for name, opts := range map[string]*ffcv.OpenOptions{"mapped": nil, "cached": {Memory: 1 << 20}} {
		f, err := ffcv.Open(path, opts)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for _, workers := range []int{1, 3} {
			t.Run(fmt.Sprintf("%s/%d", name, workers), func(t *testing.T) { checkVerify(t, f, workers, bad) })
		}
	}
}

func checkVerify(t *testing.T, ds loader.Dataset, workers int, bad map[int]string) {
	t.Helper()
	opts := loader.Options{BatchSize: 32, Workers: workers, Order: loader.Random}
	if got := delivered(t, ds, opts); len(got) != ds.Len() {
		t.Errorf("without Verify: %d samples, want %d", len(got), ds.Len())
	}
	opts.Verify, opts.OnError = loader.VerifyOnFirstRead, loader.Skip
	opts.MaxFailures, opts.ExactlyOnce = -1, true // nothing in the place of what failed
	for range 2 {                                 // the second epoch from what is known
		got := delivered(t, ds, opts)
		for _, i := range got {
			if bad[i] != "" {
				t.Errorf("sample %d came", i)
			}
		}
		if want := ds.Len() - len(bad); len(got) != want {
			t.Errorf("%d samples, want %d", len(got), want)
		}
	}
	opts.OnError, opts.Order = loader.Fail, loader.Sequential
	l, err := loader.New(ds, &opts)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for b, err := range l.Epoch(context.Background(), 0) {
		if err == nil {
			n += b.Len()
			b.Release()
			continue
		}
		var e *loader.SampleError
		if !errors.As(err, &e) || e.Sample != 40 || !strings.Contains(err.Error(), "checksum 0x") {
			t.Errorf("%v, want sample 40 by its checksum", err)
		}
	}
	if n != 32 {
		t.Errorf("%d samples before the damaged one, want 32", n)
	}
}

// delivered returns the numbers of an epoch's samples.
func delivered(t *testing.T, ds loader.Dataset, opts loader.Options) (ids []int) {
	t.Helper()
	l, err := loader.New(ds, &opts)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for b, err := range l.Epoch(context.Background(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, b.Samples()...)
		b.Release()
	}
	return ids
}

// A dataset without checksums is refused, by name.
func TestVerifyRefused(t *testing.T) {
	for _, g := range []string{"ints_floats", "bytes"} {
		for _, f := range ffcvtest.Golden(t, g) {
			_, err := loader.New(f, &loader.Options{Verify: loader.VerifyOnFirstRead})
			if err == nil || !strings.Contains(err.Error(), "no checksums") || !strings.Contains(err.Error(), f.Name()) {
				t.Errorf("%s: %v", g, err)
			}
		}
	}
	f, err := ffcv.Open(ffcvtest.Write(t, []ffcv.FieldSpec{{Name: "n", Field: fields.Int{}}}, 3, func(i int) []any { return []any{i} }, nil), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := loader.New(f, &loader.Options{Verify: 7}); err == nil {
		t.Error("Verify 7: no error")
	}
}

// A JPEG with a flipped bit that still decodes comes with wrong pixels, or as
// the sample that can't be loaded that it is: by each policy, whatever part of
// it a crop would have decoded, and also where the program reads it by itself.
func TestVerifyPictures(t *testing.T) {
	const bad = 17
	sound := photoFile(t, true)
	path, offset := ffcvtest.FlipPicture(t, sound.Name(), bad, "image")
	n := sound.Len()
	crops := map[string]loader.Output{
		"a small crop": {Name: "image", Decoder: transform.RandomResizedCrop{Width: 32, Height: 32, Scale: [2]float64{0.05, 0.1}}},
		"whole":        {Name: "image", Decoder: loader.Raw{}},
		"by itself":    {Name: "image", Disabled: true},
	}
	for name, open := range map[string]*ffcv.OpenOptions{"mapped": nil, "cached": {Memory: 1 << 20}} {
		f := ffcvtest.Map(t, path, open)
		for crop, out := range crops {
			t.Run(name+"/"+crop, func(t *testing.T) {
				opts := loader.Options{BatchSize: 8, Workers: 2, Outputs: []loader.Output{out}}
				if got := delivered(t, f, opts); len(got) != n {
					t.Fatalf("unverified: %d samples, want %d", len(got), n)
				}
				opts.Verify, opts.VerifyFields = loader.VerifyOnFirstRead, []string{"image"}
				checkPolicies(t, f, opts, bad, offset)
			})
		}
	}
	if _, err := loader.New(sound, &loader.Options{Verify: loader.VerifyOnFirstRead, VerifyFields: []string{"imge"}}); err == nil || !strings.Contains(err.Error(), `"imge"`) {
		t.Errorf("a field that there isn't: %v", err)
	}
}

// checkPolicies loads a dataset of which one value differs from its checksum,
// with each policy.
func checkPolicies(t *testing.T, f *ffcv.File, opts loader.Options, bad int, offset int64) {
	t.Helper()
	l, err := loader.New(f, &opts)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for b, err := range l.Epoch(t.Context(), 0) {
		if err == nil {
			b.Release()
			continue
		}
		var e *loader.SampleError
		if !errors.As(err, &e) || e.File != f.Name() || e.Field != "image" || e.Sample != bad || e.Offset != offset {
			t.Errorf("fail: %#v", err)
		}
		for _, want := range []string{f.Name(), "sample 17", `field "image"`, fmt.Sprintf("at byte %d", offset), "checksum 0x"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q doesn't say %q", err, want)
			}
		}
	}
	for name, policy := range map[string]loader.Policy{
		"skip": loader.Skip, "sample": loader.SubstituteSample(3), "zeros": loader.SubstituteValue(nil),
	} {
		opts.OnError = policy
		l, err := loader.New(f, &opts)
		if err != nil {
			t.Fatal(err)
		}
		for epoch := range 2 {
			ids := []int{}
			for b, err := range l.Epoch(t.Context(), epoch) {
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				ids = append(ids, b.Samples()...)
				b.Release()
			}
			r, _ := l.Report(epoch)
			if r.Failed != 1 || len(r.List) != 1 || r.List[0].Sample != bad || len(ids) != f.Len() || ids[bad] == bad && name != "zeros" || name == "sample" && ids[bad] != 3 {
				t.Errorf("%s: epoch %d: %+v; sample %d in row %d", name, epoch, r, ids[bad], bad)
			}
		}
		l.Close()
	}
}
