package loader_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"regexp"
	"strings"
	"testing"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/loader"
	golden "github.com/betongo/betongo/testdata/ffcv"
	"github.com/betongo/betongo/transform"
)

// FuzzBroken writes a number somewhere into a file of every kind of field and
// loads it, lent and read: no panic, and the same batches or the same first
// failing sample.
func FuzzBroken(f *testing.F) {
	mixed := golden.Open("mixed")
	whole := mixed.Bytes()
	rows := ffcv.HeaderSize + 11*ffcv.DescriptorSize
	for off := 0; off < 112; off += 7 { // somewhere in the row of sample 5
		for _, v := range []uint64{0, 1, 1 << 21, 1 << 24, 1 << 63, math.MaxUint64} {
			f.Add(uint32(rows+5*112+off), v, off%2 == 0)
		}
	}
	f.Add(uint32(4194304+24*60+8), uint64(1<<40), true) // allocation table
	f.Fuzz(func(t *testing.T, off uint32, v uint64, random bool) {
		b := bytes.Clone(whole)
		binary.LittleEndian.PutUint64(b[int(off)%(len(b)-8):], v)
		var got [2]string
		lent := ffcvtest.Lend(b)
		for i, src := range []ffcv.Source{
			lent,
			ffcv.ReaderAtSource(lent.Name(), bytes.NewReader(b), int64(len(b))),
		} {
			file, err := ffcv.New(src, ffcvtest.Options(mixed))
			if err != nil {
				got[i] = err.Error()
				continue
			}
			got[i] = describe(file, random)
		}
		if got[0] != got[1] {
			t.Errorf("lent:\n%s\nread:\n%s", got[0], got[1])
		}
	})
}

var sampleNumber = regexp.MustCompile(`sample \d+:`)

// describe is what comes of loading a file.
func describe(f *ffcv.File, random bool) string {
	opts := &loader.Options{BatchSize: 16, Workers: 2, Outputs: []loader.Output{
		{Name: "img", Decoder: transform.CenterCrop{Width: 4, Height: 4}},
		{Name: "img2", Decoder: loader.Raw{}},
	}}
	if random {
		opts.Order = loader.Random
	}
	l, err := loader.New(f, opts)
	if err != nil {
		return err.Error()
	}
	defer l.Close()
	var s strings.Builder
	for b, err := range l.Epoch(context.Background(), 0) {
		if err != nil {
			s.WriteString(sampleNumber.FindString(err.Error())) // the words differ
			break
		}
		for _, c := range b.Outputs() {
			fmt.Fprintln(&s, c.Name, c.Spec, c.Lengths, c.Images, golden.Sum(c.Data))
		}
		b.Release()
	}
	return s.String()
}
