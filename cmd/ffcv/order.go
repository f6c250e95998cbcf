package main

import (
	"errors"
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
	Order   string `default:"sequential" complete:"order" placeholder:"NAME" help:"The order of the samples. sequential (the default), random (FFCV's), keyed (in constant memory), quasi_random (FFCV's, by pages), page_shuffle, block_shuffle, weighted, class_balanced or repeated."`
	Window  int    `default:"0" placeholder:"N" help:"Pages or blocks that page_shuffle and block_shuffle mix (default 64, or as many as --memory has room for)."`
	Block   int    `default:"0" placeholder:"N" help:"Samples in a block of block_shuffle (default 256)."`
	Weights string `complete:"field" placeholder:"FIELD" help:"The field that holds the weights of weighted."`
	labelFlag
	Replacement bool `help:"Let weighted and class_balanced draw with replacement."`
	Times       int  `default:"0" placeholder:"N" help:"How often repeated, of random, gives each sample (default 3)."`
}

// orders are the full names.
var orders = []string{"sequential", "random", "keyed", "quasi_random", "page_shuffle", "block_shuffle", "weighted", "class_balanced", "repeated"}

// orderNames are what --order may be besides.
var orderNames = map[string]string{
	"quasi": "quasi_random", "pages": "page_shuffle", "blocks": "block_shuffle", "balanced": "class_balanced",
}

// order makes the order for a dataset.
func (f *orderFlags) order(ds loader.Dataset) (loader.Order, error) {
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
		return loader.PageShuffle{Window: f.Window}, nil
	case "block_shuffle":
		return loader.BlockShuffle{Block: f.Block, Window: f.Window}, nil
	case "repeated":
		return loader.Repeated{Times: f.Times}, nil
	case "weighted":
		if f.Weights == "" {
			return nil, term.Usagef("--order weighted needs --weights, the name of a field")
		}
		return loader.Weighted{Field: f.Weights, Replacement: f.Replacement}, nil
	}
	o := loader.ClassBalanced{Field: f.LabelField, Replacement: f.Replacement}
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
	if !slices.Contains(orders, name) {
		text := fmt.Sprintf("--order: %q; expected one of %s", f.Order, strings.Join(orders, ", "))
		if near := term.Near(name, orders); near != "" {
			text += fmt.Sprintf("; did you mean %s?", near)
		}
		return errors.New(text)
	}
	f.Order = name
	return nil
}
