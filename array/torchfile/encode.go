package torchfile

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"

	"github.com/betongo/betongo/array"
)

// encoder writes pickles of protocol 2, with no more opcodes and names than
// torch.load(weights_only=True) knows.
type encoder struct {
	b    []byte
	memo map[any]uint32 // of globals and frequent strings by their text, of containers by their pointer
	path map[any]bool   // containers that are being written
	// storage tells where a tensor's elements lie.
	storage func(t *Tensor) (stored, error)
}

// stored is a tensor's place: elements of a storage of n elements.
type stored struct {
	key     string
	n       int
	offset  int
	strides []int
}

func newEncoder(storage func(*Tensor) (stored, error)) *encoder {
	return &encoder{b: []byte{opProto, 2}, memo: map[any]uint32{}, path: map[any]bool{}, storage: storage}
}

// word is a string that is written once and then referred to; name a global.
type (
	word string
	name string
)

// recall writes a reference to what was written before.
func (e *encoder) recall(key any) bool {
	i, ok := e.memo[key]
	switch {
	case !ok:
	case i < 256:
		e.b = append(e.b, opBinget, byte(i))
	default:
		e.b = binary.LittleEndian.AppendUint32(append(e.b, opLongBinget), i)
	}
	return ok
}

// keep gives what is on the stack a number.
func (e *encoder) keep(key any) {
	i := uint32(len(e.memo))
	e.memo[key] = i
	if i < 256 {
		e.b = append(e.b, opBinput, byte(i))
	} else {
		e.b = binary.LittleEndian.AppendUint32(append(e.b, opLongBinput), i)
	}
}

func (e *encoder) global(module, of string) {
	key := name(module + "." + of)
	if e.recall(key) {
		return
	}
	e.b = append(e.b, opGlobal)
	e.b = append(append(append(append(e.b, module...), '\n'), of...), '\n')
	e.keep(key)
}

func (e *encoder) word(s string) {
	if !e.recall(word(s)) {
		e.text(s)
		e.keep(word(s))
	}
}

func (e *encoder) text(s string) {
	e.b = binary.LittleEndian.AppendUint32(append(e.b, opBinunicode), uint32(len(s)))
	e.b = append(e.b, s...)
}

func (e *encoder) int(n int64) {
	switch {
	case n >= 0 && n < 1<<8:
		e.b = append(e.b, opBinint1, byte(n))
	case n >= 0 && n < 1<<16:
		e.b = append(e.b, opBinint2, byte(n), byte(n>>8))
	case n >= math.MinInt32 && n <= math.MaxInt32:
		e.b = binary.LittleEndian.AppendUint32(append(e.b, opBinint), uint32(n))
	default:
		e.b = binary.LittleEndian.AppendUint64(append(e.b, opLong1, 8), uint64(n))
	}
}

func (e *encoder) bool(v bool) {
	if v {
		e.b = append(e.b, opTrue)
	} else {
		e.b = append(e.b, opFalse)
	}
}

// tuple writes a tuple of n values, which items writes.
func (e *encoder) tuple(n int, items func()) {
	switch {
	case n == 0:
		e.b = append(e.b, opEmptyTuple)
	case n <= 3:
		items()
		e.b = append(e.b, opTuple1+byte(n-1))
	default:
		e.b = append(e.b, opMark)
		items()
		e.b = append(e.b, opTuple)
	}
}

func (e *encoder) ints(list []int) {
	e.tuple(len(list), func() {
		for _, n := range list {
			e.int(int64(n))
		}
	})
}

// hooks writes the empty OrderedDict that tensors carry.
func (e *encoder) hooks() {
	e.global("collections", "OrderedDict")
	e.b = append(e.b, opEmptyTuple, opReduce)
}

// tensor writes a tensor or Parameter.
func (e *encoder) tensor(t *Tensor) error {
	st, err := e.storage(t)
	if err != nil {
		return err
	}
	if k := t.DType.Kind(); t.RequiresGrad && (k == 'b' || k == 'i' || k == 'u') {
		return fmt.Errorf("a tensor %v requires a gradient, which only floats have", t.Spec)
	}
	if t.Parameter {
		e.global("torch._utils", "_rebuild_parameter")
	}
	dtype := t.DType.WithOrder('<')
	fresh, isNew := findNew(dtype, t.Float8)
	rebuild, module, class := "_rebuild_tensor_v2", "torch", storageNames[dtype]
	if isNew {
		rebuild, module, class = "_rebuild_tensor_v3", "torch.storage", "UntypedStorage"
		st.n *= dtype.ItemSize()
	}
	e.global("torch._utils", rebuild)
	e.b = append(e.b, opMark, opMark)
	e.word("storage")
	e.global(module, class)
	e.text(st.key)
	e.word("cpu")
	e.int(int64(st.n))
	e.b = append(e.b, opTuple, opBinpersid)
	e.int(int64(st.offset))
	e.ints(t.Shape)
	e.ints(st.strides)
	e.bool(t.RequiresGrad && !t.Parameter)
	e.hooks()
	if isNew {
		e.global("torch", fresh.name)
	}
	e.b = append(e.b, opTuple, opReduce)
	if t.Parameter {
		e.bool(t.RequiresGrad)
		e.hooks()
		e.b = append(e.b, opTuple3, opReduce)
	}
	return nil
}

// value writes any value that a file may hold.
func (e *encoder) value(v any, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("values lie more than %d deep in each other, or in themselves", maxDepth)
	}
	if len(e.b) > math.MaxInt32 {
		return fmt.Errorf("a pickle of more than %d bytes", math.MaxInt32)
	}
	switch v := v.(type) {
	case nil:
		e.b = append(e.b, opNone)
	case bool:
		e.bool(v)
	case int:
		e.int(int64(v))
	case int64:
		e.int(v)
	case float64:
		e.b = binary.BigEndian.AppendUint64(append(e.b, opBinfloat), math.Float64bits(v))
	case string:
		if uint64(len(v)) > math.MaxInt32 {
			return fmt.Errorf("a string of %d bytes", len(v))
		}
		e.text(v)
	case *Tensor:
		return e.tensor(v)
	case array.Strided:
		return e.tensor(&Tensor{Strided: v})
	case array.Array:
		return e.tensor(&Tensor{Strided: v.Strided()})
	case []byte:
		e.bytes(v)
	case *big.Int:
		return e.big(v)
	case complex128:
		e.global("__builtin__", "complex")
		e.b = binary.BigEndian.AppendUint64(append(e.b, opBinfloat), math.Float64bits(real(v)))
		e.b = binary.BigEndian.AppendUint64(append(e.b, opBinfloat), math.Float64bits(imag(v)))
		e.b = append(e.b, opTuple2, opReduce)
	case Constant:
		if allowed[string(v)] == "" {
			return fmt.Errorf("%q is no name of torch's", string(v))
		}
		i := strings.LastIndexByte(string(v), '.')
		e.global(string(v[:i]), string(v[i+1:]))
	case Device:
		e.global("torch", "device")
		e.text(string(v))
		e.b = append(e.b, opTuple1, opReduce)
	default:
		return e.container(v, depth)
	}
	return nil
}

// bytes writes them as text whose code points are the bytes, as protocol 2 does.
func (e *encoder) bytes(b []byte) {
	text := make([]rune, len(b))
	for i, c := range b {
		text[i] = rune(c)
	}
	e.global("_codecs", "encode")
	e.text(string(text))
	e.word("latin1")
	e.b = append(e.b, opTuple2, opReduce)
}

// big writes a number in two's complement.
func (e *encoder) big(v *big.Int) error {
	n := v.BitLen()/8 + 1
	if n > 255 {
		return fmt.Errorf("a number of %d bits", v.BitLen())
	}
	w := v
	if v.Sign() < 0 {
		w = new(big.Int).Add(v, new(big.Int).Lsh(big.NewInt(1), uint(8*n)))
	}
	b := w.FillBytes(make([]byte, n))
	slices.Reverse(b)
	e.b = append(append(e.b, opLong1, byte(n)), b...)
	return nil
}

// container writes what holds other values. One that is at many places, by its
// pointer, is written once.
func (e *encoder) container(v any, depth int) error {
	switch v := v.(type) {
	case Tuple:
		var err error
		e.tuple(len(v), func() { err = e.all(v, depth) })
		return err
	case []any:
		return e.list(v, depth)
	case map[string]any:
		d := &Dict{}
		for key, value := range v {
			d.Items = append(d.Items, Item{key, value})
		}
		slices.SortFunc(d.Items, func(a, b Item) int { return strings.Compare(a.Key.(string), b.Key.(string)) })
		return e.dict(d, depth, func() {})
	case *List, *Dict, *Set:
		if e.recall(v) {
			return nil
		}
		if e.path[v] {
			return fmt.Errorf("a %T that holds itself", v)
		}
		e.path[v] = true
		defer delete(e.path, v)
		switch v := v.(type) {
		case *List:
			err := e.list(v.Items, depth)
			e.keep(v)
			return err
		case *Set:
			e.global("__builtin__", "set")
			err := e.list(v.Items, depth)
			e.b = append(e.b, opTuple1, opReduce)
			e.keep(v)
			return err
		}
		return e.dict(v.(*Dict), depth, func() { e.keep(v) })
	}
	return fmt.Errorf("a %T, which these files don't have", v)
}

func (e *encoder) all(items []any, depth int) error {
	for i, v := range items {
		if err := e.value(v, depth+1); err != nil {
			return fmt.Errorf("[%d]: %w", i, err)
		}
	}
	return nil
}

func (e *encoder) list(items []any, depth int) error {
	e.b = append(e.b, opEmptyList)
	if len(items) == 0 {
		return nil
	}
	e.b = append(e.b, opMark)
	err := e.all(items, depth)
	e.b = append(e.b, opAppends)
	return err
}

// dict writes a dict; kept is called when its entries are.
func (e *encoder) dict(d *Dict, depth int, kept func()) error {
	if d.Ordered {
		e.hooks()
	} else {
		e.b = append(e.b, opEmptyDict)
	}
	if len(d.Items) > 0 {
		e.b = append(e.b, opMark)
		for _, item := range d.Items {
			if _, ok := keyOf(item.Key); !ok {
				return fmt.Errorf("a key of type %T", item.Key)
			}
			if err := e.value(item.Key, depth+1); err != nil {
				return err
			}
			if err := e.value(item.Value, depth+1); err != nil {
				return fmt.Errorf("[%q]: %w", fmt.Sprint(item.Key), err)
			}
		}
		e.b = append(e.b, opSetitems)
	}
	if d.Ordered && d.State != nil {
		if err := e.value(d.State, depth+1); err != nil {
			return err
		}
		e.b = append(e.b, opBuild)
	}
	kept()
	return nil
}
