package loader_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/internal/leak"
	"github.com/betongo/betongo/internal/race"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/rgb"
	"github.com/betongo/betongo/transform"
)

// docID decodes JSON, and so finds what is none.
type docID struct{}

func (docID) BindField(ffcv.Field) (array.Spec, func(dst, meta []byte, data [][]byte, rng *rand.Rand) error, error) {
	return array.Spec{DType: array.Int64, Shape: []int{1}}, func(dst, _ []byte, data [][]byte, _ *rand.Rand) error {
		var v struct{ ID int64 }
		if err := json.Unmarshal(bytes.TrimSuffix(data[0], []byte{0}), &v); err != nil {
			return err
		}
		binary.LittleEndian.PutUint64(dst, uint64(v.ID))
		return nil
	}, nil
}

// damagedKinds are the ways in which damagedFile breaks samples, and the kind
// that a report gives each.
var damagedKinds = []string{
	"picture", // a JPEG that is cut off
	"picture", // one whose entropy-coded part is not what it was
	"format",  // a picture's pointer outside the file
	"picture", // a picture of another size than its metadata says
	"format",  // a picture's mode
	"format",  // a size larger than the file
	"format",  // a size that is no multiple of the item's
	"other",   // JSON that is none
	"format",  // an array's pointer outside the pages
	"format",  // a JSON's pointer into the header
}

// damagedFile makes the bytes of a file of n samples with many kinds of fields, and
// those of the same with one in a hundred samples broken in each of the ways of
// damagedKinds. bad has the way of each broken sample.
func damagedFile(t testing.TB, n int) (sound, damaged []byte, bad map[int]int) {
	t.Helper()
	pictures := make([][]byte, 8)
	for k := range pictures {
		m := image.NewRGBA(image.Rect(0, 0, 48, 36))
		for i := range m.Pix {
			m.SetRGBA(i%48, i/48, color.RGBA{uint8(i*7 + k*31), uint8(i * i), uint8(i*k + 90), 255})
		}
		var b bytes.Buffer
		if err := jpeg.Encode(&b, m, nil); err != nil {
			t.Fatal(err)
		}
		pictures[k] = b.Bytes()
	}
	path := ffcvtest.Write(t, []ffcv.FieldSpec{
		{Name: "image", Field: fields.RGBImage{NoCheckpoints: true}},
		{Name: "label", Field: fields.Int{}},
		{Name: "tokens", Field: fields.Bytes{}},
		{Name: "doc", Field: fields.JSON{}},
		{Name: "vec", Field: fields.NDArray{DType: array.Float32, Shape: []int{3}}},
	}, n, func(i int) []any {
		v := float32(i)
		return []any{pictures[i%len(pictures)], i, bytes.Repeat([]byte{byte(i), byte(i >> 8), 0, 0}, i%11), map[string]any{"ID": i, "pad": strings.Repeat("x", i%5)}, []float32{v, -v, 1 / (v + 1)}}
	}, nil)
	sound, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	damaged, bad = bytes.Clone(sound), map[int]int{}
	f, err := ffcv.New(ffcvtest.Lend(sound), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	le := binary.LittleEndian
	for i := range n {
		way := slices.Index([]int{3, 14, 25, 36, 47, 58, 69, 80, 81, 82}, i%100)
		if way < 0 {
			continue
		}
		row := damaged[ffcv.HeaderSize+5*ffcv.DescriptorSize+i*f.RowSize():][:f.RowSize()]
		at := func(field int) []byte { return row[f.Fields()[field].Offset:] }
		img, err := f.Image(i, 0)
		if err != nil {
			t.Fatal(err)
		}
		stream := damaged[le.Uint64(at(0)[5:]):][:len(img.Data)]
		doc := damaged[le.Uint64(at(3)):]
		switch way {
		case 0:
			copy(stream[len(stream)*6/10:], "\xff\xd9")
		case 1:
			for k := len(stream) * 6 / 10; k < len(stream); k++ {
				stream[k] ^= byte(0x55 * k)
			}
		case 2:
			le.PutUint64(at(0)[5:], 1<<50)
		case 3:
			le.PutUint16(at(0)[1:], 55)
		case 4:
			at(0)[0] = 9
		case 5:
			le.PutUint64(at(2)[8:], 1<<40)
		case 6:
			le.PutUint64(at(2)[8:], 3)
		case 7:
			doc[0] = '}'
		case 8:
			le.PutUint64(at(4), math.MaxUint64-2)
		case 9:
			le.PutUint64(at(3), 16)
		}
		if way < 2 {
			var out rgb.Image
			if new(rgb.Scratch).Load(&out, rgb.Encoded{JPEG: true, Width: 48, Height: 36, Data: stream}) == nil {
				t.Fatalf("sample %d: what was done to the JPEG does not break it", i)
			}
		}
		bad[i] = way
	}
	return sound, damaged, bad
}

// all are outputs of every kind over the fields of damagedFile.
func all(ragged bool) []loader.Output {
	return []loader.Output{
		{Name: "image", Decoder: transform.CenterCrop{Width: 16, Height: 16, Ratio: 1, Exact: true}, Ops: []any{transform.HorizontalFlip{}}},
		{Name: "tokens", Item: array.Spec{DType: array.Int32}, Ragged: ragged},
		{Name: "doc", Ragged: ragged},
		{Name: "id", Field: "doc", Decoder: docID{}},
		{Name: "flip", Field: "vec", Ops: []any{widen{}}},
		{Name: "crop", Field: "image", Decoder: transform.CenterCrop{Width: 8, Height: 8, Ratio: 1, Exact: true}},
	}
}

// rowOf is all of a row of a batch.
func rowOf(b *loader.Batch, i int) string {
	var s strings.Builder
	for _, c := range b.Outputs() {
		fmt.Fprintf(&s, "%s %q\n", c.Name, c.Value(i))
	}
	return s.String()
}

// asked counts how often a dataset's bytes are asked for, by sample.
type asked struct {
	*ffcv.File
	mu    sync.Mutex
	times map[int]int
}

func (d *asked) Bytes(sample int, ptr uint64, size int64, buf []byte) ([]byte, error) {
	d.mu.Lock()
	d.times[sample]++
	d.mu.Unlock()
	return d.File.Bytes(sample, ptr, size, buf)
}

// TestPolicies loads a damaged file under every policy: the good samples are as
// in the sound file, the others' rows are what the policy says, and the report
// has them all.
func TestPolicies(t *testing.T) {
	n := race.Fewer(1100, 330)
	last := n - 7
	sound, damaged, bad := damagedFile(t, n)
	if len(bad) != n/10 {
		t.Fatalf("%d broken samples", len(bad))
	}
	kinds := map[string]int{}
	for _, way := range bad {
		kinds[damagedKinds[way]]++
	}
	whole, broken := ffcvtest.Open(t, sound, nil), ffcvtest.Open(t, damaged, nil)
	quarantine := slices.Sorted(maps.Keys(bad))
	for _, c := range []struct {
		name       string
		opts       loader.Options
		quarantine []int
	}{
		{"skip", loader.Options{OnError: loader.Skip}, nil},
		{"skip exactly once", loader.Options{OnError: loader.Skip, ExactlyOnce: true}, nil},
		{"sample", loader.Options{OnError: loader.SubstituteSample(last)}, nil},
		{"value", loader.Options{OnError: loader.SubstituteValue(func(output string, sample int, row array.Array) error {
			if output == "label" {
				binary.LittleEndian.PutUint64(row.Data, uint64(-sample))
			}
			return nil
		})}, nil},
		{"quarantine", loader.Options{}, quarantine},
		{"quarantine exactly once", loader.Options{ExactlyOnce: true}, quarantine},
		{"half of each", loader.Options{OnError: loader.Skip}, quarantine[:len(quarantine)/2]},
		{"half of each, value", loader.Options{OnError: loader.SubstituteValue(nil)}, quarantine[:len(quarantine)/2]},
	} {
		for _, shape := range []struct {
			batch, workers int
			order          loader.Order
			ragged         bool
		}{{64, 3, loader.Random, false}, {1, 2, loader.Sequential, false}, {5, 2, loader.Random, true}, {n, 2, loader.Random, true}} {
			for src := range whole {
				t.Run(fmt.Sprintf("%s/%d/%s", c.name, shape.batch, src), func(t *testing.T) {
					defer leak.Watch(t)()
					opts := c.opts
					opts.BatchSize, opts.Workers, opts.Order, opts.Seed, opts.Outputs = shape.batch, shape.workers, shape.order, 7, all(shape.ragged)
					want := map[int]string{}
					var batches [][]int
					ref := newLoader(t, whole[src], &loader.Options{BatchSize: shape.batch, Order: shape.order, Seed: 7, Outputs: opts.Outputs})
					for b, err := range ref.Epoch(t.Context(), 2) {
						if err != nil {
							t.Fatal(err)
						}
						batches = append(batches, slices.Clone(b.Samples()))
						for i, id := range b.Samples() {
							want[id] = rowOf(b, i)
						}
						b.Release()
					}
					opts.Quarantine = c.quarantine
					ds := &asked{File: broken[src], times: map[int]int{}}
					l := newLoader(t, ds, &opts)
					skipped := 0
					for b, err := range l.Epoch(t.Context(), 2) {
						if err != nil {
							t.Fatal(err)
						}
						ids := filled(batches[b.Index()], bad, c.name, last, n)
						if !slices.Equal(b.Samples(), ids) {
							t.Fatalf("batch %d holds %v, want %v", b.Index(), b.Samples(), ids)
						}
						for i, id := range ids {
							if id >= 0 && rowOf(b, i) != want[id] {
								t.Fatalf("batch %d, row %d, sample %d:\n%s\nwant\n%s", b.Index(), i, id, rowOf(b, i), want[id])
							}
						}
						for _, s := range b.Skipped() {
							check(t, &s, b, bad, batches[b.Index()], c.quarantine)
							skipped++
							if v := b.Output("label"); s.By == -1 && !opts.ExactlyOnce && c.name == "value" {
								if got := view[int64](t, v)[s.Row]; got != int64(-s.Sample) || b.Output("tokens").Lengths[s.Row] != 0 {
									t.Errorf("sample %d: the value %d in its place", s.Sample, got)
								}
							}
						}
						b.Release()
					}
					r, ok := l.Report(2)
					if !ok || r.Skipped() != len(bad) || skipped != len(bad) || r.Quarantined != len(c.quarantine) || r.Batches != len(batches) || len(r.List) != min(len(bad), 100) {
						t.Errorf("report %+v, want %d samples, %d in quarantine, %d batches", r, len(bad), len(c.quarantine), len(batches))
					}
					if len(c.quarantine) == 0 && !maps.Equal(r.Kinds, kinds) {
						t.Errorf("kinds %v, want %v", r.Kinds, kinds)
					}
					for id := range bad {
						if q := slices.Contains(c.quarantine, id); q && ds.times[id] > 0 || ds.times[id] > 20 {
							t.Errorf("sample %d was read %d times, in quarantine %v", id, ds.times[id], q)
						}
					}
				})
			}
		}
	}
}

// check holds what a batch says of a skipped sample to what is wrong with it.
func check(t *testing.T, s *loader.Skipped, b *loader.Batch, bad map[int]int, due, quarantine []int) {
	t.Helper()
	way, ok := bad[s.Sample]
	if !ok || due[s.Row] != s.Sample || s.Batch != b.Index() {
		t.Errorf("%+v: the batch was to have %v", s, due)
	}
	if s.By >= 0 && b.Samples()[s.Row] != s.By {
		t.Errorf("%+v: row %d holds %d", s, s.Row, b.Samples()[s.Row])
	}
	if slices.Contains(quarantine, s.Sample) {
		if !s.Quarantined || s.Err != nil || s.Kind() != "quarantine" {
			t.Errorf("%+v: it is in quarantine", s)
		}
		return
	}
	var e *loader.SampleError
	if !errors.As(s.Err, &e) || e.Sample != s.Sample || e.Output == "" || e.Field == "" || s.Kind() != damagedKinds[way] {
		t.Errorf("%s %+v, want kind %s", s.Kind(), s.Err, damagedKinds[way])
	}
	var format *ffcv.FormatError
	var picture *rgb.InvalidError
	if way := damagedKinds[way]; way == "format" && !errors.As(s.Err, &format) || way == "picture" && (!errors.As(s.Err, &picture) || e.Offset < 2<<20) {
		t.Errorf("way %s: %v (offset %d)", way, s.Err, e.Offset)
	}
}

// filled is what is to be in a batch of the samples due.
func filled(due []int, bad map[int]int, policy string, last, n int) (ids []int) {
	ok := func(id int) bool { _, b := bad[id]; return !b }
	for i, id := range due {
		switch {
		case ok(id):
			ids = append(ids, id)
		case strings.HasSuffix(policy, "exactly once"):
		case policy == "sample":
			ids = append(ids, last)
		case strings.HasSuffix(policy, "value"):
			ids = append(ids, -1)
		default:
			by := -1
			for k := i - 1; k >= 0 && by < 0; k-- {
				if ok(due[k]) {
					by = due[k]
				}
			}
			for k := i + 1; k < len(due) && by < 0; k++ {
				if ok(due[k]) {
					by = due[k]
				}
			}
			for v := due[len(due)-1]; by < 0; {
				if v = (v + 1) % n; ok(v) {
					by = v
				}
			}
			ids = append(ids, by)
		}
	}
	return ids
}
