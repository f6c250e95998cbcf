package torchfile

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"unsafe"

	"github.com/betongo/betongo/array"
)

// Save writes a file that holds a value, as torch.save does: nil, bool, int,
// int64, *big.Int, float64, complex128, string, []byte, *Tensor, array.Strided,
// array.Array, *Dict, map[string]any (in the order of its keys), *List, []any,
// Tuple, *Set, Constant, Device.
//
// Tensors whose Data are the same slice share a storage where they overlap, and
// do again when they are loaded. Strides are kept where nothing of the storage
// is unused; what PyTorch has no strides for, and big-endian elements, are
// written in C order. Bytes of Data that no tensor has aren't written.
func Save(path string, value any, opts *CreateOptions) error {
	if opts == nil {
		opts = &CreateOptions{}
	}
	c := &collection{places: map[*Tensor]stored{}, seen: map[any]bool{}}
	if err := c.collect(value, 0); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	p, err := newPack(path, opts.Overwrite)
	if err != nil {
		return err
	}
	if err := c.write(p, value); err != nil {
		return errors.Join(fmt.Errorf("%s: %w", p.f.Target(), err), p.f.Abort())
	}
	return p.f.Commit()
}

// collection is the tensors of a value, in the order in which they are written.
type collection struct {
	tensors []*Tensor
	places  map[*Tensor]stored
	seen    map[any]bool // containers
	next    int          // for the encoder
}

// hasTensor tells whether a value is a tensor or holds one.
func hasTensor(v any) bool {
	c := &collection{places: map[*Tensor]stored{}, seen: map[any]bool{}}
	return c.collect(v, 0) != nil || len(c.tensors) > 0
}

// collect finds the tensors just as the encoder will come across them.
func (c *collection) collect(v any, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("values lie more than %d deep in each other, or in themselves", maxDepth)
	}
	var items []any
	switch v := v.(type) {
	case *Tensor:
		return c.tensor(v)
	case array.Strided:
		return c.tensor(&Tensor{Strided: v})
	case array.Array:
		return c.tensor(&Tensor{Strided: v.Strided()})
	case *Refused:
		return fmt.Errorf("a tensor can't be written: %s", v.Why)
	case Tuple:
		items = v
	case []any:
		items = v
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			items = append(items, v[k])
		}
	case *List, *Set, *Dict:
		if c.seen[v] {
			return nil
		}
		c.seen[v] = true
		switch v := v.(type) {
		case *List:
			items = v.Items
		case *Set:
			items = v.Items
		case *Dict:
			for _, item := range v.Items {
				items = append(items, item.Value)
			}
			if v.Ordered && v.State != nil {
				items = append(items, v.State)
			}
		}
	}
	for _, v := range items {
		if err := c.collect(v, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func (c *collection) tensor(t *Tensor) error {
	if t.DType != void1 && t.Float8 != "" {
		return fmt.Errorf("a tensor %v called %s, which is |V1", t.Spec, t.Float8)
	}
	if err := check(t.Spec, t.Float8); err != nil {
		return err
	}
	if _, err := array.NewStrided(t.Spec, t.Strides, t.Data, t.Offset); err != nil {
		return err
	}
	c.tensors = append(c.tensors, t)
	return nil
}

// extent is a tensor's bytes in its Data.
type extent struct {
	t      *Tensor
	lo, hi int
}

// memory tells which tensors may share a storage: those of the same slice and
// type.
type memory struct {
	first  *byte
	size   int
	dtype  array.DType
	float8 string
}

// write writes each storage once, then the value.
func (c *collection) write(p *pack, value any) error {
	groups := map[memory][]extent{}
	var order []memory
	done := map[*Tensor]bool{}
	var alone []*Tensor // those that are written in C order
	for _, t := range c.tensors {
		if done[t] {
			continue
		}
		done[t] = true
		x, ok := t.extent()
		if !ok {
			alone = append(alone, t)
			continue
		}
		key := memory{unsafe.SliceData(t.Data), len(t.Data), t.DType, t.Float8}
		if groups[key] == nil {
			order = append(order, key)
		}
		groups[key] = append(groups[key], x)
	}
	for _, key := range order {
		more, err := c.shared(p, groups[key])
		if err != nil {
			return err
		}
		alone = append(alone, more...)
	}
	for _, t := range alone {
		a := t.AsContiguous()
		n, _ := t.Spec.Count() // checked
		c.places[t] = stored{key: c.key(p), n: n, strides: rowMajor(t.Shape)}
		if err := p.rows(a); err != nil {
			return err
		}
		if err := p.end(); err != nil {
			return err
		}
	}
	e := newEncoder(func(*Tensor) (stored, error) {
		// The encoder makes its own Tensor of an array: it is the next one.
		t := c.tensors[c.next]
		c.next++
		return c.places[t], nil
	})
	if err := e.value(value, 0); err != nil {
		return err
	}
	return p.finish(append(e.b, opStop))
}

// key begins a storage.
func (c *collection) key(p *pack) string {
	key := strconv.Itoa(len(p.entries))
	p.begin("data/" + key)
	return key
}

// extent returns the bytes that a tensor lies in, where PyTorch has such
// strides.
func (t *Tensor) extent() (extent, bool) {
	x := extent{t: t, lo: t.Offset, hi: t.Offset + t.DType.ItemSize()}
	n, err := t.Spec.Bytes()
	if err != nil || n == 0 || t.DType.Order() == '>' {
		return x, false
	}
	for i, d := range t.Shape {
		if step := t.Strides[i]; d > 1 && (step < 0 || step%t.DType.ItemSize() != 0) {
			return x, false
		} else if d > 1 {
			x.hi += (d - 1) * step
		}
	}
	return x, true
}

// shared writes the storages of tensors that lie in one slice: a run of bytes
// that overlap each. It returns those that are better written alone.
func (c *collection) shared(p *pack, list []extent) (alone []*Tensor, err error) {
	slices.SortStableFunc(list, func(a, b extent) int { return a.lo - b.lo })
	for len(list) > 0 {
		lo, hi, n := list[0].lo, list[0].hi, 1
		for n < len(list) && list[n].lo < hi {
			hi = max(hi, list[n].hi)
			n++
		}
		run := list[:n]
		list = list[n:]
		if size, _ := run[0].t.Spec.Bytes(); n == 1 && hi-lo > size {
			alone = append(alone, run[0].t)
			continue
		}
		key := ""
		for _, x := range run {
			item := x.t.DType.ItemSize()
			if (x.lo-lo)%item != 0 || (hi-lo)%item != 0 {
				alone = append(alone, x.t)
				continue
			}
			if key == "" {
				key = c.key(p)
				if err := p.write(x.t.Data[lo:hi]); err != nil {
					return nil, err
				}
				if err := p.end(); err != nil {
					return nil, err
				}
			}
			c.places[x.t] = stored{key: key, n: (hi - lo) / item, offset: (x.lo - lo) / item, strides: x.t.steps()}
		}
	}
	return alone, nil
}

// steps are a tensor's strides in elements.
func (t *Tensor) steps() []int {
	item := t.DType.ItemSize()
	steps := make([]int, len(t.Strides))
	for i, s := range t.Strides {
		if t.Shape[i] > 1 {
			steps[i] = s / item
		} else {
			steps[i] = 1
		}
	}
	return steps
}
