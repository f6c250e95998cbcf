package torchfile

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/betongo/betongo/array"
)

// globals are the names that a pickle may ask for, by Python 3's names of
// modules: what only holds data. Names of storages are found by their ending.
var globals = map[string][]string{
	"collections":         {"OrderedDict", "Counter"},
	"builtins":            {"complex", "set", "frozenset", "bytearray", "bytes"},
	"_codecs":             {"encode"},
	"torch.serialization": {"_get_layout"},
	"torch.nn.parameter":  {"Parameter", "Buffer"},
	"torch._tensor":       {"_rebuild_from_type_v2"},
	"torch._utils": {"_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_parameter", "_rebuild_parameter_with_state",
		"_rebuild_qtensor", "_rebuild_sparse_tensor", "_rebuild_sparse_csr_tensor", "_rebuild_meta_tensor_no_storage"},
	"torch": {"Size", "device", "Tensor",
		"bool", "uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64", "float16", "bfloat16", "float32", "float64",
		"complex32", "complex64", "complex128", "float8_e4m3fn", "float8_e5m2", "float8_e8m0fnu", "float8_e4m3fnuz", "float8_e5m2fnuz",
		"qint8", "quint8", "qint32", "quint4x2", "quint2x4",
		"strided", "sparse_coo", "sparse_csr", "sparse_csc", "sparse_bsr", "sparse_bsc",
		"contiguous_format", "channels_last", "channels_last_3d", "preserve_format",
		"per_tensor_affine", "per_tensor_symmetric", "per_channel_affine", "per_channel_symmetric", "per_channel_affine_float_qparams"},
}

// allowed are the names of globals, module and name with a dot.
var allowed = func() map[string]Constant {
	m := map[string]Constant{}
	for module, names := range globals {
		for _, name := range names {
			m[module+"."+name] = Constant(module + "." + name)
		}
	}
	return m
}()

// storage is a run of elements that tensors lie in.
type storage struct {
	class string // "Float", "Untyped"
	t     array.DType
	data  []byte
	at    int64 // in the file
	big   bool  // elements are big-endian
}

// rebuilder is the host of PyTorch's pickles.
type rebuilder struct {
	budget *budget
	// storage returns the storage of a key, of n elements of a class.
	storage func(class string, key string, n int64, view any) (*storage, error)
	dry     bool // only storages are of interest
}

func (r *rebuilder) global(module, name string) (any, error) {
	if module == "__builtin__" {
		module = "builtins"
	}
	if c, ok := allowed[module+"."+name]; ok {
		return c, nil
	}
	if class, ok := strings.CutSuffix(name, "Storage"); ok {
		if _, ok := storageTypes[class]; ok && (module == "torch" || module == "torch.cuda" || module == "torch.storage") {
			return Constant("torch." + name), nil
		}
	}
	return nil, &GlobalError{Global: module + "." + name}
}

// persistent takes ('storage', class, key, location, elements), in files of the
// older form with a view behind.
func (r *rebuilder) persistent(id any) (any, error) {
	t, _ := id.(Tuple)
	if len(t) < 5 || len(t) > 6 || t[0] != "storage" {
		return nil, broken("a persistent id that is no storage's")
	}
	c, _ := t[1].(Constant)
	class, ok := strings.CutPrefix(strings.TrimSuffix(string(c), "Storage"), "torch.")
	if _, known := storageTypes[class]; !ok || !known {
		return nil, broken("a storage of class %v", t[1])
	}
	key, ok := t[2].(string)
	if n, isInt := t[2].(int64); isInt {
		key, ok = strconv.FormatInt(n, 10), true
	}
	n, ok2 := t[4].(int64)
	if !ok || !ok2 || n < 0 {
		return nil, broken("a storage of key %v and %v elements", t[2], t[4])
	}
	var view any
	if len(t) == 6 {
		view = t[5]
	}
	return r.storage(class, key, n, view)
}

// build gives OrderedDicts their attributes; those of others aren't kept.
func (r *rebuilder) build(obj, state any) error {
	switch d := obj.(type) {
	case *Dict:
		s, ok := state.(*Dict)
		if !ok {
			return broken("a dict's state is a %T", state)
		}
		d.State = s
		return nil
	case *Tensor, *Refused:
		return nil
	}
	return broken("a state for a %T", obj)
}

func (r *rebuilder) call(fn any, args Tuple) (any, error) {
	c, ok := fn.(Constant)
	if !ok {
		return nil, broken("a call of a %T", fn)
	}
	switch c {
	case "torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2":
		return r.tensor(args, false)
	case "torch._utils._rebuild_tensor_v3":
		return r.tensor(args, true)
	case "torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state", "torch.nn.parameter.Parameter":
		return parameter(args)
	case "torch._tensor._rebuild_from_type_v2":
		return r.fromType(args)
	case "torch._utils._rebuild_sparse_tensor", "torch._utils._rebuild_sparse_csr_tensor":
		return &Refused{"it is sparse"}, nil
	case "torch._utils._rebuild_qtensor":
		return &Refused{"it is quantized"}, nil
	case "torch._utils._rebuild_meta_tensor_no_storage":
		return &Refused{"it has no data (it was on the device \"meta\")"}, nil
	}
	return r.plain(c, args)
}

// plain makes the values of Python and torch that are no tensors.
func (r *rebuilder) plain(c Constant, args Tuple) (any, error) {
	var arg any
	if len(args) > 0 {
		arg = args[0]
	}
	switch c {
	case "collections.OrderedDict":
		return ordered(arg)
	case "collections.Counter":
		if arg == nil {
			return &Dict{}, nil
		}
		if d, ok := arg.(*Dict); ok {
			return d, nil
		}
	case "builtins.set", "builtins.frozenset":
		switch l := arg.(type) {
		case nil:
			return &Set{}, nil
		case *List: // its own from now on, as the pickle made it for this
			return &Set{Items: l.Items[:len(l.Items):len(l.Items)]}, nil
		}
	case "builtins.complex":
		re, ok := arg.(float64)
		if im, ok2 := args[min(1, len(args)):].float(); ok && ok2 {
			return complex(re, im), nil
		}
	case "_codecs.encode", "builtins.bytearray", "builtins.bytes":
		return r.encoded(c, args)
	case "torch.Size":
		if t, ok := arg.(Tuple); ok && len(args) == 1 {
			return t, nil
		}
	case "torch.device":
		if s, ok := arg.(string); ok {
			if i, ok := args[1:].integer(); ok {
				s += ":" + strconv.Itoa(i)
			}
			return Device(s), r.budget.take(len(s))
		}
	case "torch.serialization._get_layout":
		if s, ok := arg.(string); ok && allowed[s] != "" {
			return allowed[s], nil
		}
	}
	return nil, broken("%s can't be called with %s", c, typesOf(args))
}

// ordered makes an OrderedDict of nothing or of a list of pairs.
func ordered(arg any) (any, error) {
	d := &Dict{Ordered: true}
	l, ok := arg.(*List)
	if arg != nil && !ok {
		return nil, broken("collections.OrderedDict can't be called with a %T", arg)
	}
	if ok && len(l.Items) > 0 {
		return nil, broken("an OrderedDict made of a list; PyTorch sets the entries behind")
	}
	return d, nil
}

// encoded makes bytes. Protocol 2, which has none, writes them as text whose
// code points are the bytes.
func (r *rebuilder) encoded(c Constant, args Tuple) (any, error) {
	if len(args) == 0 {
		return []byte{}, nil
	}
	if b, ok := args[0].([]byte); ok && len(args) == 1 {
		return b, nil
	}
	s, ok := args[0].(string)
	if !ok || len(args) != 2 || args[1] != "latin1" && args[1] != "latin-1" {
		return nil, broken("%s can't be called with %s", c, typesOf(args))
	}
	if err := r.budget.take(len(s)); err != nil {
		return nil, err
	}
	b := make([]byte, 0, utf8.RuneCountInString(s))
	for _, c := range s {
		if c > 0xff {
			return nil, broken("bytes as text with the character %q", c)
		}
		b = append(b, byte(c))
	}
	return b, nil
}

func typesOf(args Tuple) string {
	var s []string
	for _, a := range args[:min(len(args), 8)] {
		s = append(s, fmt.Sprintf("%T", a))
	}
	return "(" + strings.Join(s, ", ") + ")"
}

// float returns the only element.
func (t Tuple) float() (float64, bool) {
	if len(t) != 1 {
		return 0, false
	}
	f, ok := t[0].(float64)
	return f, ok
}

// integer returns the only element where it isn't negative.
func (t Tuple) integer() (int, bool) {
	if len(t) != 1 {
		return 0, false
	}
	i, ok := t[0].(int64)
	return int(i), ok && i >= 0
}

// parameter takes (tensor, requires_grad, …).
func parameter(args Tuple) (any, error) {
	if len(args) == 0 {
		return nil, broken("a Parameter without a tensor")
	}
	switch t := args[0].(type) {
	case *Refused:
		return t, nil
	case *Tensor:
		p := *t
		p.Parameter, p.RequiresGrad = true, true
		if len(args) > 1 {
			p.RequiresGrad = args[1] == true
		}
		return &p, nil
	}
	return nil, broken("a Parameter of a %T", args[0])
}

// fromType takes (function, class, its arguments, attributes), as tensors with
// attributes are written. The class must be torch's own.
func (r *rebuilder) fromType(args Tuple) (any, error) {
	if len(args) != 4 {
		return nil, broken("_rebuild_from_type_v2 of %d arguments, want 4", len(args))
	}
	fn, _ := args[0].(Constant)
	class, _ := args[1].(Constant)
	inner, ok := args[2].(Tuple)
	if !ok || !strings.HasPrefix(string(fn), "torch._utils._rebuild_") {
		return nil, broken("_rebuild_from_type_v2 of %s", typesOf(args))
	}
	v, err := r.call(fn, inner)
	if err != nil {
		return nil, err
	}
	switch class {
	case "torch.Tensor", "torch.nn.parameter.Buffer":
	case "torch.nn.parameter.Parameter":
		if t, ok := v.(*Tensor); ok {
			t.Parameter = true
		}
	default:
		return nil, broken("a tensor of class %v", args[1])
	}
	return v, nil
}

// tensor takes (storage, offset, size, stride[, requires_grad, hooks][, dtype][,
// metadata]); offset and strides count elements.
func (r *rebuilder) tensor(args Tuple, v3 bool) (any, error) {
	rest := 4
	if v3 {
		rest = 7
	}
	if len(args) < rest {
		return nil, broken("a tensor of %d arguments, want %d", len(args), rest)
	}
	st, ok := args[0].(*storage)
	offset, ok2 := args[1].(int64)
	if !ok || !ok2 || offset < 0 {
		return nil, broken("a tensor at %v of a %T", args[1], args[0])
	}
	if r.dry {
		return &Tensor{}, nil
	}
	t := &Tensor{at: st.at}
	dtype := st.t
	if v3 {
		name, _ := args[6].(Constant)
		n, ok := typeOf(strings.TrimPrefix(string(name), "torch."))
		if !ok {
			return nil, broken("a tensor of dtype %v", args[6])
		}
		dtype, t.Float8 = n.t, n.float8
		if st.big {
			dtype = dtype.WithOrder('>')
		}
	} else if strings.HasPrefix(st.class, "Q") {
		return &Refused{"it is quantized"}, nil
	}
	if len(args) > 4 {
		t.RequiresGrad = args[4] == true
	}
	if why := viewBits(args, v3); why != "" {
		return &Refused{why}, nil
	}
	shape, err := dims("size", args[2], 1)
	if err != nil {
		return nil, err
	}
	item := dtype.ItemSize()
	strides, err := dims("stride", args[3], item)
	if err != nil {
		return nil, err
	}
	if offset > math.MaxInt64/int64(item) {
		return nil, broken("a tensor at element %d", offset)
	}
	if err := r.budget.take(4*objectSize + 16*len(shape)); err != nil {
		return nil, err
	}
	t.Strided, err = array.NewStrided(array.Spec{DType: dtype, Shape: shape}, strides, st.data, int(offset)*item)
	if err != nil {
		return nil, broken("%v", err)
	}
	return t, nil
}

// viewBits says why a tensor isn't what its bytes are.
func viewBits(args Tuple, v3 bool) string {
	at := 6
	if v3 {
		at = 7
	}
	if len(args) <= at {
		return ""
	}
	meta, ok := args[at].(*Dict)
	if !ok {
		return ""
	}
	for _, bit := range []string{"conj", "neg"} {
		if v, ok := meta.Get(bit); ok && v == true {
			return "it is a view that conjugates or negates (resolve_conj and resolve_neg make it a plain one)"
		}
	}
	return ""
}

// dims reads a tuple of sizes or strides, times scale.
func dims(what string, v any, scale int) ([]int, error) {
	var items []any
	switch t := v.(type) {
	case Tuple:
		items = t
	case *List:
		items = t.Items
	default:
		return nil, broken("a tensor's %s is a %T", what, v)
	}
	out := make([]int, len(items))
	for i, e := range items {
		n, ok := e.(int64)
		if !ok || n < 0 || n > int64(math.MaxInt/scale) {
			return nil, broken("a tensor's %s %v", what, e)
		}
		out[i] = int(n) * scale
	}
	return out, nil
}

// typeOf finds a dtype by torch's name.
func typeOf(name string) (newType, bool) {
	for _, n := range newTypes {
		if n.name == name {
			return n, true
		}
	}
	t, err := array.ParseDType(name)
	_, known := storageNames[t]
	return newType{name: name, t: t}, err == nil && known
}
