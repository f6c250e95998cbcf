package dataset_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/dataset"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/rgb"
)

// model is a dataset as plain values: what a composite must be equal to.
type model struct {
	names   []string
	samples [][][]byte // by sample and field: the bytes that a loader gives
	from    [][]origin // by sample and field
}

// origin is where a value comes from.
type origin struct {
	file   string
	sample int
}

// made is a dataset and what it must hold.
type made struct {
	ds dataset.Dataset
	model
	text string // how it is made
}

// specs are the fields of the test's files.
var specs = []ffcv.FieldSpec{
	{Name: "id", Field: fields.Int{}},
	{Name: "x", Field: fields.NDArray{DType: array.Float32, Shape: []int{3}}},
	{Name: "text", Field: fields.Bytes{}},
	{Name: "image", Field: fields.RGBImage{Mode: fields.ModeProportion}},
	{Name: "meta", Field: fields.JSON{}},
}

// sampleOf is sample i of file number file.
func sampleOf(file, i int) []any {
	pix := make([]byte, 8*6*3)
	for k := range pix {
		pix[k] = byte(file*31 + i*7 + k)
	}
	return []any{
		file*1000 + i,
		[]float32{float32(file), float32(i), 0.5},
		bytes.Repeat([]byte{byte('a' + file)}, i*7%40),
		rgb.Image{Width: 8, Height: 6, Pix: pix},
		map[string]any{"file": file, "i": i},
	}
}

// writeFile writes file number file of n samples and returns its path. Page
// sizes differ.
func writeFile(tb testing.TB, file, n int) string {
	tb.Helper()
	return ffcvtest.Write(tb, specs, n, func(i int) []any { return sampleOf(file, i) }, &ffcv.Options{PageSize: 2 << 20 << (file % 2)})
}

// modelOf reads all values of a file one by one.
func modelOf(tb testing.TB, f *ffcv.File) model {
	tb.Helper()
	var m model
	for _, d := range f.Fields() {
		m.names = append(m.names, d.Name)
	}
	for i := range f.Len() {
		var row [][]byte
		var from []origin
		for k := range m.names {
			v, err := f.Value(i, k)
			if err != nil {
				tb.Fatal(err)
			}
			row = append(row, bytesOf(tb, v))
			from = append(from, origin{f.Name(), i})
		}
		m.samples, m.from = append(m.samples, row), append(m.from, from)
	}
	return m
}

// bytesOf is a value as a batch has it, an image as stored.
func bytesOf(tb testing.TB, v any) []byte {
	switch v := v.(type) {
	case int64:
		return binary.LittleEndian.AppendUint64(nil, uint64(v))
	case array.Array:
		return slices.Clone(v.Data)
	case []byte:
		return append([]byte{}, v...)
	case json.RawMessage:
		return append([]byte{}, v...)
	case rgb.Encoded:
		return slices.Clone(v.Data)
	}
	tb.Fatalf("value of type %T", v)
	return nil
}

// grower makes random compositions.
type grower struct {
	tb     testing.TB
	rng    *rand.Rand
	leaves []made
	nodes  int // how many more it may make
}

// grow makes a random dataset, at most so deep, of n samples unless n is
// negative.
func (g *grower) grow(depth, n int) made {
	g.nodes--
	kind := g.rng.IntN(6)
	if depth == 0 || g.nodes < 0 {
		kind = 0
	}
	var m made
	switch kind {
	case 0:
		m = g.leaves[g.rng.IntN(len(g.leaves))]
	case 1, 2:
		m = g.concat(depth)
	case 3:
		m = g.join(depth)
	case 4:
		m = g.subset(depth)
	default:
		m = g.selection(depth)
	}
	if n >= 0 && len(m.samples) != n {
		m = g.resize(m, n)
	}
	return m
}

func (g *grower) must(m *made, ds dataset.Dataset, err error) {
	g.tb.Helper()
	if err != nil {
		g.tb.Fatalf("%s: %v", m.text, err)
	}
	m.ds = ds
}

// concat makes one of a few, with the first one's fields.
func (g *grower) concat(depth int) made {
	first := g.grow(depth-1, -1)
	m := made{text: "concat(" + first.text, model: model{names: first.names}}
	members := []dataset.Dataset{first.ds}
	add := func(x made) {
		m.samples, m.from = append(m.samples, x.samples...), append(m.from, x.from...)
	}
	add(first)
	for range g.rng.IntN(3) {
		x := g.likeThat(first, g.grow(depth-1, -1))
		members = append(members, x.ds)
		m.text += ", " + x.text
		add(x)
	}
	m.text += ")"
	c, err := dataset.NewConcat(members...)
	g.must(&m, c, err)
	return m
}

// likeThat is x with the fields of like, or a part of like where it lacks some.
func (g *grower) likeThat(like, x made) made {
	var pick []dataset.Field
	for _, name := range like.names {
		if !slices.Contains(x.names, name) {
			return g.ranged(like)
		}
		pick = append(pick, dataset.Field{Name: name})
	}
	if slices.Equal(like.names, x.names) {
		return x
	}
	return g.pick(x, pick)
}

func (g *grower) pick(x made, fields []dataset.Field) made {
	m := made{text: fmt.Sprintf("select(%s, %v)", x.text, fields)}
	var at []int
	for _, f := range fields {
		at = append(at, slices.Index(x.names, f.Name))
		if f.As == "" {
			f.As = f.Name
		}
		m.names = append(m.names, f.As)
	}
	for i := range x.samples {
		var row [][]byte
		var from []origin
		for _, k := range at {
			row, from = append(row, x.samples[i][k]), append(from, x.from[i][k])
		}
		m.samples, m.from = append(m.samples, row), append(m.from, from)
	}
	ds, err := dataset.NewSelect(x.ds, fields...)
	g.must(&m, ds, err)
	return m
}

// selection picks random fields.
func (g *grower) selection(depth int) made {
	x := g.grow(depth-1, -1)
	var fields []dataset.Field
	for _, k := range g.rng.Perm(len(x.names))[:1+g.rng.IntN(len(x.names))] {
		fields = append(fields, dataset.Field{Name: x.names[k]})
	}
	return g.pick(x, fields)
}

// join puts a renamed one beside another.
func (g *grower) join(depth int) made {
	a := g.grow(depth-1, -1)
	b := g.grow(depth-1, len(a.samples))
	var fields []dataset.Field
	for i, name := range b.names {
		if i == 0 || g.rng.IntN(2) == 0 {
			fields = append(fields, dataset.Field{Name: name, As: fmt.Sprintf("%s%d", name, g.rng.Uint32())})
		}
	}
	b = g.pick(b, fields)
	m := made{text: "join(" + a.text + ", " + b.text + ")"}
	m.names = slices.Concat(a.names, b.names)
	for i := range a.samples {
		m.samples = append(m.samples, slices.Concat(a.samples[i], b.samples[i]))
		m.from = append(m.from, slices.Concat(a.from[i], b.from[i]))
	}
	ds, err := dataset.NewJoin(a.ds, b.ds)
	g.must(&m, ds, err)
	return m
}

func (g *grower) subset(depth int) made {
	x := g.grow(depth-1, -1)
	if g.rng.IntN(2) == 0 {
		return g.ranged(x)
	}
	return g.resize(x, g.rng.IntN(2*len(x.samples)+1))
}

// ranged is a random range.
func (g *grower) ranged(x made) made {
	lo := g.rng.IntN(len(x.samples) + 1)
	hi := lo + g.rng.IntN(len(x.samples)-lo+1)
	m := made{text: fmt.Sprintf("range(%s, %d, %d)", x.text, lo, hi), model: model{x.names, x.samples[lo:hi], x.from[lo:hi]}}
	ds, err := dataset.NewRange(x.ds, lo, hi)
	g.must(&m, ds, err)
	return m
}

// resize is a subset of n random samples.
func (g *grower) resize(x made, n int) made {
	if len(x.samples) == 0 {
		x = g.leaves[0]
	}
	indices := make([]int, n)
	m := made{model: model{names: x.names}}
	for i := range indices {
		v := g.rng.IntN(len(x.samples))
		if i > 0 && g.rng.IntN(2) == 0 {
			v = (indices[i-1] + 1) % len(x.samples) // runs
		}
		indices[i] = v
		m.samples, m.from = append(m.samples, x.samples[v]), append(m.from, x.from[v])
	}
	m.text = fmt.Sprintf("subset(%s, %v)", x.text, indices)
	ds, err := dataset.NewSubset(x.ds, indices)
	g.must(&m, ds, err)
	return m
}

// checkModel compares a dataset with its model: by a loader in several orders,
// and sample by sample.
func checkModel(tb testing.TB, m made, seed uint64) {
	tb.Helper()
	if m.ds.Len() != len(m.samples) {
		tb.Fatalf("%s: %d samples, want %d", m.text, m.ds.Len(), len(m.samples))
	}
	list := m.ds.Fields()
	var got []string
	var all, numbers []loader.Output
	some, pages := false, false
	for _, f := range list {
		got = append(got, f.Name)
		plain := f.Type == fields.TypeInt || f.Type == fields.TypeNDArray
		some, pages = some || plain, pages || f.Type != fields.TypeInt
		numbers = append(numbers, loader.Output{Name: f.Name, Disabled: !plain})
		if f.Type == fields.TypeRGBImage {
			all = append(all, loader.Output{Name: f.Name, Decoder: loader.Raw{}})
		}
	}
	if !slices.Equal(got, m.names) {
		tb.Fatalf("%s: fields %q, want %q", m.text, got, m.names)
	}
	if l, ok := m.ds.(loader.Locator); ok {
		for i := range m.from {
			for k, want := range m.from[i] {
				if file, sample := l.Locate(i, k); (origin{file, sample}) != want {
					tb.Fatalf("%s: sample %d, field %d is sample %d of %s, want %v", m.text, i, k, sample, file, want)
				}
			}
		}
	}
	orders := []loader.Order{loader.Sequential, loader.Random}
	if pages {
		orders = append(orders, loader.QuasiRandom)
	}
	for _, order := range orders {
		checkEpoch(tb, m, &loader.Options{BatchSize: 5, Order: order, Seed: seed, Outputs: all, Workers: 2})
		if some { // without rows
			checkEpoch(tb, m, &loader.Options{BatchSize: 5, Order: order, Seed: seed, Outputs: numbers, Workers: 2})
		}
	}
}

// checkEpoch loads an epoch and compares it with the model.
func checkEpoch(tb testing.TB, m made, opts *loader.Options) {
	tb.Helper()
	l, err := loader.New(m.ds, opts)
	if err != nil {
		tb.Fatalf("%s: %v", m.text, err)
	}
	defer l.Close()
	seen := make([]int, len(m.samples))
	for b, err := range l.Epoch(tb.Context(), 0) {
		if err != nil {
			tb.Fatalf("%s: %v", m.text, err)
		}
		for i, id := range b.Samples() {
			seen[id]++
			for _, c := range b.Outputs() {
				k := slices.Index(m.names, c.Name)
				if got, want := c.Value(i), m.samples[id][k]; !bytes.Equal(got, want) {
					tb.Fatalf("%s: sample %d, %q is %q, want %q", m.text, id, c.Name, got, want)
				}
			}
		}
		b.Release()
	}
	for id, n := range seen {
		if n != 1 {
			tb.Fatalf("%s: sample %d came %d times", m.text, id, n)
		}
	}
}

// makeLeaves opens each file twice: mapped, and through reads.
func makeLeaves(tb testing.TB, kind string) []made {
	tb.Helper()
	var list []made
	for file, n := range []int{7, 1, 0, 12, 5} {
		data, err := os.ReadFile(writeFile(tb, file, n))
		if err != nil {
			tb.Fatal(err)
		}
		f := ffcvtest.Open(tb, data, nil)[kind]
		list = append(list, made{ds: f, model: modelOf(tb, f), text: fmt.Sprint("file", file)})
	}
	return list
}

// TestCompositions compares random compositions with the plain values of their
// files.
func TestCompositions(t *testing.T) {
	for _, kind := range []string{"map", "reader"} {
		t.Run(kind, func(t *testing.T) {
			leaves := makeLeaves(t, kind)
			n := 150
			if testing.Short() {
				n = 20
			}
			for seed := range uint64(n) {
				g := &grower{tb: t, rng: rand.New(rand.NewPCG(seed, 1)), leaves: leaves, nodes: 12}
				checkModel(t, g.grow(4, -1), seed)
			}
		})
	}
}

// FuzzCompositions does so for other seeds.
func FuzzCompositions(f *testing.F) {
	mapped, read := makeLeaves(f, "map"), makeLeaves(f, "reader")
	f.Add(uint64(1), uint8(3))
	f.Add(uint64(77), uint8(5))
	f.Fuzz(func(t *testing.T, seed uint64, depth uint8) {
		leaves := mapped
		switch {
		case seed%3 == 0:
			leaves = read
		case seed%5 == 0:
			leaves = slices.Concat(mapped, read)
		}
		g := &grower{tb: t, rng: rand.New(rand.NewPCG(seed, 2)), leaves: leaves, nodes: 12}
		checkModel(t, g.grow(int(depth%7), -1), seed)
	})
}
