package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/term"
	"github.com/betongo/betongo/loader"
)

// orderFlags choose an order.
type orderFlags struct {
	Order       string `default:"sequential" placeholder:"NAME" help:"sequential (the default), random (FFCV's), keyed (in constant memory), quasi_random (FFCV's, by pages), page_shuffle, block_shuffle, weighted, class_balanced or repeated."`
	Window      int    `default:"0" placeholder:"N" help:"Pages or blocks that page_shuffle and block_shuffle mix (default 64, or as many as --memory has room for)."`
	Block       int    `default:"0" placeholder:"N" help:"Samples in a block of block_shuffle (default 256)."`
	Weights     string `placeholder:"FIELD" help:"The field that holds the weights of weighted."`
	Label       string `placeholder:"FIELD" help:"The field that class_balanced goes by (default the first of type Int)."`
	Replacement bool   `help:"Let weighted and class_balanced draw with replacement."`
	Times       int    `default:"0" placeholder:"N" help:"How often repeated, of random, gives each sample (default 3)."`
}

// orderNames are what --order may be besides.
var orderNames = map[string]string{
	"quasi": "quasi_random", "pages": "page_shuffle", "blocks": "block_shuffle", "balanced": "class_balanced",
}

// order makes the order for a dataset of which memory bytes may be kept; 0 is any
// number. Of what doesn't fit warn is told.
func (f *orderFlags) order(ds loader.Dataset, memory int64, warn func(string)) (loader.Order, error) {
	switch f.Order {
	case "sequential":
		return loader.Sequential, nil
	case "random":
		return loader.Random, nil
	case "keyed":
		return loader.Keyed, nil
	case "quasi_random":
		return loader.QuasiRandom, nil
	case "page_shuffle":
		return loader.PageShuffle{Window: f.window(pageBytes(ds), memory, "pages", warn)}, nil
	case "block_shuffle":
		block := f.Block
		if block == 0 {
			block = 256
		}
		return loader.BlockShuffle{Block: block, Window: f.window(float64(block)*sampleBytes(ds), memory, "blocks", warn)}, nil
	case "repeated":
		return loader.Repeated{Times: f.Times}, nil
	case "weighted":
		if f.Weights == "" {
			return nil, term.Usagef("--order weighted needs --weights, the name of a field")
		}
		return loader.Weighted{Field: f.Weights, Replacement: f.Replacement}, nil
	}
	o := loader.ClassBalanced{Field: f.Label, Replacement: f.Replacement}
	if o.Field == "" {
		list := ds.Fields()
		i := slices.IndexFunc(list, func(d ffcv.Field) bool { return d.Type == fields.TypeInt })
		if i < 0 {
			return nil, term.Usagef("--order class_balanced: %s has no field of type Int", ds.Name())
		}
		o.Field = list[i].Name
	}
	return o, nil
}

// mixed is how many pages or blocks the loader mixes by default.
const mixed = 64

// window is how many pages or blocks are mixed, each of so many bytes of the file:
// by default no more than there is room for, or each would be read many times.
func (f *orderFlags) window(each float64, memory int64, what string, warn func(string)) int {
	if memory == 0 {
		return f.Window
	}
	room := int(min(float64(memory)*3/4/max(each, 1), 1<<20)) // of the rest the next window takes some
	switch {
	case f.Window == 0 && room > 0:
		return min(room, mixed)
	case f.Window == 0:
		warn(fmt.Sprintf("--memory %s has no room for one of the %s of %s, parts of which may be read several times; %s is enough",
			term.FormatSize(memory), what, term.FormatSize(int64(each)), term.FormatSize(int64(each*4/3)+1)))
		return 1
	case f.Window > room:
		warn(fmt.Sprintf("--memory %s has no room for a window of %d %s of %s, parts of which may be read several times; without --window it is %d",
			term.FormatSize(memory), f.Window, what, term.FormatSize(int64(each)), min(max(room, 1), mixed)))
	}
	return f.Window
}

// pageBytes is what a page of data and the metadata of its samples take.
func pageBytes(ds loader.Dataset) float64 {
	p, ok := ds.(loader.Pager)
	if !ok {
		return 0
	}
	h := p.Header()
	pages := max(float64(h.AllocTable)/float64(h.PageSize), 1)
	return float64(h.PageSize) + float64(ds.Len())/pages*rowBytes(ds)
}

// sampleBytes is what a sample takes on average.
func sampleBytes(ds loader.Dataset) float64 {
	p, ok := ds.(loader.Pager)
	if !ok {
		return rowBytes(ds)
	}
	return float64(p.Header().AllocTable)/max(float64(ds.Len()), 1) + rowBytes(ds)
}

// rowBytes is the size of a sample's metadata.
func rowBytes(ds loader.Dataset) (n float64) {
	for _, d := range ds.Fields() {
		n += float64(d.Size)
	}
	return n
}

// check refuses settings that there are none of, and gives the order its full
// name.
func (f *orderFlags) check() error {
	for _, v := range []struct {
		name  string
		value int
	}{{"window", f.Window}, {"block", f.Block}, {"times", f.Times}} {
		if v.value < 0 {
			return fmt.Errorf("--%s: %d; expected 0 or more", v.name, v.value)
		}
	}
	name := strings.ReplaceAll(f.Order, "-", "_")
	if to, ok := orderNames[name]; ok {
		name = to
	}
	known := []string{"sequential", "random", "keyed", "quasi_random", "page_shuffle", "block_shuffle", "weighted", "class_balanced", "repeated"}
	if !slices.Contains(known, name) {
		return fmt.Errorf("--order: %q; expected one of %s", f.Order, strings.Join(known, ", "))
	}
	f.Order = name
	return nil
}
