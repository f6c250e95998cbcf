package engine

import (
	"encoding/json"
	"fmt"
	"reflect"
	"sync"

	"github.com/betongo/betongo/dataset"
	"github.com/betongo/betongo/loader"
)

// What has no settings is a value in package loader, and a type here.
type (
	sequentialOrder  struct{}
	randomOrder      struct{}
	quasiRandomOrder struct{}
	keyedOrder       struct{}
)

// orders are those that a client can name.
var orders map[string]reflect.Type

func init() { // they can be settings of each other
	orders = map[string]reflect.Type{
		"sequential":     reflect.TypeFor[sequentialOrder](),
		"random":         reflect.TypeFor[randomOrder](),
		"quasi_random":   reflect.TypeFor[quasiRandomOrder](),
		"keyed":          reflect.TypeFor[keyedOrder](),
		"page_shuffle":   reflect.TypeFor[loader.PageShuffle](),
		"block_shuffle":  reflect.TypeFor[loader.BlockShuffle](),
		"weighted":       reflect.TypeFor[loader.Weighted](),
		"class_balanced": reflect.TypeFor[loader.ClassBalanced](),
		"repeated":       reflect.TypeFor[loader.Repeated](),
		"mixture":        reflect.TypeFor[dataset.Mixture](),
		"given":          reflect.TypeFor[givenOrder](),
	}
}

// plain is the loader's order for a value of one of these types.
func plain(v any) loader.Order {
	switch o := v.(type) {
	case sequentialOrder:
		return loader.Sequential
	case randomOrder:
		return loader.Random
	case quasiRandomOrder:
		return loader.QuasiRandom
	case keyedOrder:
		return loader.Keyed
	case givenOrder:
		return &given{length: o.Length, all: o.Length == 0}
	}
	return v.(loader.Order)
}

// order makes the order of {"name": …, settings}; nothing is Sequential.
func order(text json.RawMessage, floats func(n int) ([]float64, error)) (loader.Order, error) {
	v, err := namedOrder(text, floats)
	if v == nil || err != nil {
		return loader.Sequential, err
	}
	return plain(v), nil
}

// givenOrder are the settings of an order whose samples come with each epoch.
type givenOrder struct {
	Length int // positions of an epoch; 0: as many as samples are selected
}

// given is an order that the client makes: of each epoch anew.
type given struct {
	length int
	all    bool // as many as are selected

	mu      sync.Mutex
	samples []int // of the epoch that begins next
}

// Plan implements loader.Order.
func (g *given) Plan(s loader.Selection) (loader.Plan, error) {
	if g.length < 0 {
		return nil, fmt.Errorf("order given: length %d is negative", g.length)
	}
	if g.all {
		g.length = s.Len
	}
	return g, nil
}

// Len implements loader.Plan.
func (g *given) Len() int { return g.length }

// String names the order in a state.
func (g *given) String() string { return "given" }

// give sets the samples of the epoch that begins next, and returns false when
// they are not as many as an epoch has.
func (g *given) give(samples []int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(samples) != g.length {
		return false
	}
	g.samples = samples
	return true
}

// Epoch implements loader.Plan.
func (g *given) Epoch(s loader.Start) (loader.Sequence, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	samples := g.samples
	if len(samples) != g.length {
		return nil, statef("order given: epoch %d was asked for without its samples", s.Epoch)
	}
	return loader.SequenceFunc(func(dst []int, from, step int) error {
		for i := range dst {
			dst[i] = samples[from+i*step]
		}
		return nil
	}), nil
}
