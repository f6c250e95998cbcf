package convert_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/gnz"
	"github.com/betongo/betongo/array/hdf5"
	"github.com/betongo/betongo/convert"
)

// model is what docs/conversion.md says of a format, for the test to hold the
// code to it.
type model struct {
	name, path string
	single     bool
	types      string // dtypes that it has, little-endian, with blanks around each
	structs    bool
	scalars    bool
	order      bool                          // keeps big-endian elements
	most       int                           // dimensions; 0 for any number
	trail      bool                          // shapes that end in 0 are refused
	shape      func([]int) []int             // what comes back; nil for the same
	table      bool                          // all arrays have the same number of rows
	member     string                        // the array's name, where it isn't the file's
	accept     func([]int) string            // what is wrong with a shape
	splits     bool                          // structs become an array for each field
	convert    func(array.Array) array.Array // what comes back of elements; nil for the same
	options    func(m array.Member, o *convert.Options)
}

const (
	plainTypes = " |b1 |i1 <i2 <i4 <i8 |u1 <u2 <u4 <u8 <f2 <f4 <f8 "
	textTypes  = plainTypes + "<c8 <c16 |S5 <U3 bfloat16 "
	numpyTypes = plainTypes + "<c8 <c16 |S5 <U3 <M8[ns] <m8[s] |V3 "
)

var models = []model{
	{name: "npy", path: "x.npy", single: true, types: numpyTypes, structs: true, scalars: true, order: true},
	{name: "npz", path: "x.npz", types: numpyTypes, structs: true, scalars: true, order: true},
	{name: "npk", path: "x.npk", types: plainTypes + "<c8 <c16 "},
	{name: "gnz", path: "x.gnz", types: numpyTypes + "bfloat16 ", structs: true, scalars: true, order: true},
	{name: "safetensors", path: "x.safetensors", types: plainTypes + "<c8 bfloat16 ", scalars: true},
	{name: "torch", path: "x.pt", types: plainTypes + "<c8 <c16 bfloat16 ", scalars: true},
	{name: "zarr", path: "x.zarr", types: numpyTypes + "bfloat16 ", structs: true, scalars: true, order: true},
	{name: "hdf5", path: "x.h5", types: numpyTypes + "bfloat16 ", structs: true, scalars: true, order: true, convert: shortest},
	{name: "arrow", path: "x.arrow", types: numpyTypes + "bfloat16 ", structs: true, scalars: true, order: true, table: true},
	{name: "arrows", path: "x.arrows", types: numpyTypes + "bfloat16 ", structs: true, scalars: true, order: true, table: true},
	{name: "parquet", path: "x.parquet", types: numpyTypes + "bfloat16 ", structs: true, scalars: true, order: true, table: true},
	{name: "mat", path: "x.mat", types: strings.ReplaceAll(plainTypes, "<f2 ", "") + "<c8 <c16 |S5 <U3 ", splits: true, scalars: true, shape: twoAxes, convert: padded},
	{name: "images", path: "x_images", single: true, types: " |u1 <u2 ", member: "images", accept: folder, shape: pixels},
	{name: "image", path: "x.png", single: true, types: " |u1 <u2 ", member: "image", accept: picture, shape: pixels},
	{name: "beton", path: "x.beton", types: numpyTypes, structs: true, table: true, trail: true},
	{name: "csv", path: "x.csv", single: true, types: textTypes, structs: true, order: true, most: 2, shape: twoDims, options: asText},
	{name: "txt", path: "x.txt", single: true, types: textTypes, structs: true, order: true, most: 2, shape: twoDims, options: asText},
	{name: "raw", path: "x.raw", single: true, types: numpyTypes + "bfloat16 ", structs: true, scalars: true, order: true, options: asRaw},
}

func twoDims(shape []int) []int {
	if shape[0] == 0 { // of no lines
		return []int{0, 0}
	}
	if len(shape) == 1 {
		return []int{shape[0], 1}
	}
	return shape
}

// picture and folder are the shapes of images.
func picture(shape []int) string {
	switch n := len(shape); {
	case n < 2 || n > 3 || n == 3 && shape[2] != 1 && shape[2] != 3 && shape[2] != 4:
		return "not that of images"
	case shape[0] == 0 || shape[1] == 0:
		return "no pixels"
	}
	return ""
}

func folder(shape []int) string {
	if why := picture(shape[1:]); why != "" || shape[0] != 0 {
		return why
	}
	return "no images"
}

// pixels of one channel come back without it.
func pixels(shape []int) []int {
	if n := len(shape); n > 2 && shape[n-1] == 1 {
		return shape[:n-1]
	}
	return shape
}

// twoAxes are MATLAB's rows.
func twoAxes(shape []int) []int {
	switch len(shape) {
	case 0:
		return []int{1, 1}
	case 1:
		return []int{1, shape[0]}
	}
	return shape
}

// shortest is HDF5's text: U as long as the longest.
func shortest(a array.Array) array.Array {
	if a.DType.Kind() != 'U' {
		return a
	}
	item, longest := a.DType.ItemSize(), 1
	for i := 0; i < len(a.Data); i += item {
		longest = max(longest, len(bytes.TrimRight(a.Data[i:i+item], "\x00"))+3)
	}
	a, err := array.Cast(a, mustType(fmt.Sprintf("<U%d", longest/4)))
	if err != nil {
		panic(err)
	}
	return a
}

// padded is MATLAB's text: characters, with blanks behind.
func padded(a array.Array) array.Array {
	if a.DType.Kind() == 'S' {
		var err error
		if a, err = array.Cast(a, mustType(fmt.Sprintf("<U%d", a.DType.ItemSize()))); err != nil {
			panic(err)
		}
	}
	if a.DType.Kind() == 'U' {
		a.Data = slices.Clone(a.Data)
		for i := 0; i < len(a.Data); i += 4 {
			if a.Data[i]|a.Data[i+1]|a.Data[i+2]|a.Data[i+3] == 0 {
				a.Data[i] = ' '
			}
		}
	}
	return a
}

func asText(m array.Member, o *convert.Options) { o.Text.DType = m.Spec.DType }

func asRaw(m array.Member, o *convert.Options) {
	o.Raw = convert.Raw{DType: m.Spec.DType, Shape: m.Spec.Shape}
}

// takes tells whether the format has such an array, and what comes back of it.
func (f *model) takes(m array.Member) (back array.Member, why string) {
	t, shape := m.Spec.DType, m.Spec.Shape
	back = array.Member{Name: m.Name, Spec: array.Spec{DType: t, Shape: slices.Clone(shape)}}
	kind := t.WithOrder('<').String()
	switch t.Kind() { // of any length
	case 'S':
		kind = "|S5"
	case 'U':
		kind = "<U3"
	}
	switch {
	case len(shape) == 0 && !f.scalars:
		return back, "is a scalar"
	case t.IsStruct() && !f.structs && !f.splits, !t.IsStruct() && !strings.Contains(f.types, " "+kind+" "):
		return back, "no elements of type"
	case f.most > 0 && (len(shape) > f.most || t.IsStruct() && len(shape) > 1):
		return back, "other dimensions"
	case f.options != nil && f.most > 0 && len(shape) == 2 && shape[1] == 0:
		return back, "without columns"
	case f.trail && len(shape) > 1 && shape[len(shape)-1] == 0:
		return back, "ends in 0"
	}
	if f.accept != nil {
		if why := f.accept(shape); why != "" {
			return back, why
		}
	}
	if !f.order {
		back.Spec.DType = t.WithOrder('<')
	}
	if f.shape != nil && !t.IsStruct() && !(f.splits && strings.ContainsRune("SU", rune(t.Kind()))) {
		back.Spec.Shape = f.shape(shape)
	}
	return back, ""
}

func mustType(s string) array.DType {
	t, err := array.ParseDType(s)
	if err != nil {
		panic(err)
	}
	return t
}

// value is an array of the matrix.
type value struct {
	array.Member
	a array.Array // C order, little-endian
}

// matrixTypes and matrixShapes are what is tried; the first few in short mode.
var matrixTypes = []string{
	"<f4", "<i8", ">i4", "|b1", "[('a', '<f4'), ('b', '|S3'), ('c', '<i8')]",
	"|i1", "<i2", "<i4", "|u1", "<u2", "<u4", "<u8", "<f2", "<f8", "<c8", "<c16", ">f8", "|S5", "<U3", "<M8[ns]", "<m8[s]", "|V3", "bfloat16",
}

var matrixShapes = [][]int{{3, 4}, {}, {0, 3}, {1}, {5}, {2, 3, 2}, {0}, {3, 0}}

// values makes the arrays: each type once with the first shapes, f4 with all.
func values(short bool) []value {
	var list []value
	add := func(text string, shape []int, fortran bool) {
		t := mustType(text)
		n := 0
		for _, v := range list {
			if v.Spec.DType == t {
				n++
			}
		}
		name := strings.Trim(strings.NewReplacer("<", "", ">", "be_", "|", "", "[", "", "]", "").Replace(text), " ")
		if t.IsStruct() {
			name = "struct"
		}
		v := value{Member: array.Member{Name: fmt.Sprintf("%s_%d", name, n), Fortran: fortran, Spec: array.Spec{DType: t, Shape: shape}}}
		v.a = fill(array.Spec{DType: t.WithOrder('<'), Shape: shape})
		list = append(list, v)
	}
	types, shapes := matrixTypes, matrixShapes
	if short {
		types, shapes = types[:5], shapes[:5]
	}
	for _, t := range types {
		add(t, []int{5}, false)
		if t != "[('a', '<f4'), ('b', '|S3'), ('c', '<i8')]" {
			add(t, []int{3, 4}, false)
		}
	}
	for _, shape := range shapes {
		add("<f4", shape, false)
	}
	for _, shape := range [][]int{{2, 4, 5}, {3, 4, 3}, {2, 3, 4, 4}, {2, 4, 5, 1}} {
		add("|u1", shape, false)
		add(">u2", shape, false)
	}
	add("<f4", []int{3, 4}, true)
	add(">i4", []int{2, 3, 2}, true)
	return list
}

// fill makes an array of different elements, the same each time.
func fill(spec array.Spec) array.Array {
	n, err := spec.Count()
	if err != nil {
		panic(err)
	}
	size, _ := spec.Bytes()
	data := make([]byte, size)
	item := spec.DType.ItemSize()
	for i := range n {
		element(data[i*item:(i+1)*item], spec.DType, i)
	}
	return array.Array{Spec: spec, Data: data}
}

func element(b []byte, t array.DType, i int) {
	switch t.Kind() {
	case 'V':
		if t == array.BFloat16 {
			copy(b, array.BytesOf([]uint16{array.BFloat16Bits(float32(i) - 2)}))
			return
		}
		for _, f := range t.Fields() {
			element(b[f.Offset:f.Offset+f.DType.ItemSize()], f.DType, i)
		}
		if !t.IsStruct() {
			copy(b, []byte{byte(i), 7, byte(i + 1)})
		}
	case 'S':
		copy(b, fmt.Sprintf("s%d", i))
	case 'U':
		for k, r := range []rune(fmt.Sprintf("é%d", i))[:2] {
			copy(b[4*k:], array.BytesOf([]uint32{uint32(r)}))
		}
	case 'b':
		b[0] = byte(i % 2)
	case 'M', 'm':
		copy(b, array.BytesOf([]int64{int64(i) * 1_000_003}))
	default:
		text := fmt.Sprint(i + 1)
		if err := array.ParseElement(b, text, t); err != nil {
			panic(err)
		}
	}
}

// key says which arrays go into one file.
type key struct{ path, extra string }

// group tells which of the arrays of a format go into one file: all, where it
// holds more than one, but for tables, whose arrays have the same rows, and
// .beton, whose structs' fields are each other's neighbours.
func (f *model) group(m array.Member) string {
	switch {
	case f.single:
		return m.Name
	case f.name == "beton" && m.Spec.DType.IsStruct():
		return "struct"
	case f.table && len(m.Spec.Shape) == 0:
		return "1"
	case f.table:
		return fmt.Sprint(m.Spec.Shape[0])
	}
	return ""
}

// source writes the values that a format has, by way of GNZ1, which has all,
// and tells in which file each is.
func source(t *testing.T, f *model, list []value, dir string) map[string]string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	groups := map[string][]value{}
	for _, v := range list {
		if _, why := f.takes(v.Member); why == "" {
			g := f.group(v.Member)
			groups[g] = append(groups[g], v)
		}
	}
	at := map[string]string{}
	for g, group := range groups {
		all, to := filepath.Join(dir, g+".all.gnz"), filepath.Join(dir, g+f.path)
		w, err := gnz.Create(all, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range group {
			at[v.Name] = to
			if err := w.Put(v.Name, v.strided(), &gnz.PutOptions{Fortran: v.Fortran}); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := convert.Convert(t.Context(), all, to, &convert.Options{To: f.name, Text: convert.Text{Delimiter: ","}}); err != nil {
			t.Fatalf("%s: %v", f.name, err)
		}
	}
	return at
}

// strided is the array in its own byte order.
func (v *value) strided() array.Strided {
	if v.Spec.DType != v.a.DType {
		return array.SwapBytes(v.a).Strided()
	}
	return v.a.Strided()
}

// TestMatrix converts every format into every other: each array comes back with
// the same values, or is refused as the document says.
func TestMatrix(t *testing.T) {
	list := values(testing.Short())
	dir := t.TempDir()
	if _, _, err := hdf5.Version(); err != nil {
		t.Logf("without HDF5: %v", err)
		models = slices.DeleteFunc(models, func(m model) bool { return m.name == "hdf5" })
	}
	for _, from := range models {
		t.Run(from.name, func(t *testing.T) {
			files := source(t, &from, list, filepath.Join(dir, from.name))
			for _, to := range models {
				t.Run(to.name, func(t *testing.T) { pair(t, &from, &to, list, files) })
			}
		})
	}
}

// pair converts from one format to another.
func pair(t *testing.T, from, to *model, list []value, files map[string]string) {
	dir := t.TempDir()
	together := map[key][]value{}
	for _, v := range list {
		path, ok := files[v.Name]
		if !ok {
			continue
		}
		if v.Spec.DType.IsStruct() && from.splits {
			continue
		}
		v = from.back(v)
		if from.single {
			if v.Name = from.member; v.Name == "" {
				v.Name = strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
			}
		}
		_, why := to.takes(v.Member)
		if why == "" {
			k := key{path, to.group(v.Member)}
			together[k] = append(together[k], v)
			continue
		}
		out := filepath.Join(dir, "refused"+to.path)
		o := options(from, v)
		o.To = to.name
		_, err := convert.Convert(t.Context(), path, out, o)
		if err == nil || !strings.Contains(err.Error(), why) || !strings.Contains(err.Error(), v.Name) {
			t.Errorf("%s %v: got error %v, want one with %q", v.Name, v.Spec, err, why)
		}
		if _, err := os.Lstat(out); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: something is at the output after an error", v.Name)
		}
	}
	n := 0
	for k, group := range together {
		n++
		out := filepath.Join(dir, fmt.Sprint(n)+to.path)
		o := options(from, group...)
		o.To = to.name
		if _, err := convert.Convert(t.Context(), k.path, out, o); err != nil {
			t.Errorf("%s to %s, %s and %d more: %v", from.name, to.name, group[0].Name, len(group)-1, err)
			continue
		}
		compare(t, to, out, group)
	}
}

// options are those to read arrays from a file.
func options(f *model, list ...value) *convert.Options {
	o := &convert.Options{From: f.name}
	o.Text.Delimiter = "," // blanks can't be around text that ends in some
	if f.options != nil {
		f.options(list[0].Member, o)
	}
	for _, v := range list {
		o.Arrays = append(o.Arrays, v.Name)
	}
	return o
}

// back is what comes back of an array.
func (f *model) back(v value) value {
	v.Member, _ = f.takes(v.Member)
	if f.convert != nil && !v.a.DType.IsStruct() {
		if v.a = f.convert(v.a); v.a.DType.Kind() == 'U' {
			v.Spec.DType = v.a.DType
		}
	}
	v.a.Shape = v.Spec.Shape
	return v
}

// columns are the arrays that become of a struct's fields.
func (v *value) columns(f *model) []value {
	var list []value
	for _, c := range v.Spec.DType.Fields() {
		s, err := v.a.Strided().Field(c.Name)
		if err != nil {
			panic(err)
		}
		one := value{a: s.AsContiguous()}
		one.Member = array.Member{Name: v.Name + "." + c.Name, Spec: one.a.Spec}
		list = append(list, f.back(one))
	}
	return list
}

// compare reads arrays back.
func compare(t *testing.T, f *model, path string, list []value) {
	t.Helper()
	var back []value
	for _, v := range list {
		if v.Spec.DType.IsStruct() && f.splits {
			back = append(back, v.columns(f)...)
		} else {
			back = append(back, f.back(v))
		}
	}
	file, err := convert.Open(t.Context(), path, options(f, back...))
	if err != nil {
		t.Error(err)
		return
	}
	defer file.Close()
	for _, v := range back {
		name := v.Name
		if f.single {
			name = file.Members()[0].Name
		}
		i := slices.IndexFunc(file.Members(), func(m array.Member) bool { return m.Name == name })
		if i < 0 {
			t.Errorf("%s: no array %q", path, name)
			continue
		}
		if m := file.Members()[i]; !m.Spec.Equal(v.Spec) {
			t.Errorf("%s: got %v, want %v", v.Name, m.Spec, v.Spec)
		}
		got, err := collect(file, name, v.Spec)
		if err != nil {
			t.Errorf("%s: %v", v.Name, err)
			continue
		}
		if !bytes.Equal(got, v.a.Data) {
			t.Errorf("%s %v: got % x, want % x", v.Name, v.Spec, head(got), head(v.a.Data))
		}
	}
}

// collect reads an array, little-endian and in C order.
func collect(f convert.File, name string, spec array.Spec) ([]byte, error) {
	s, err := f.Stream(name, 64) // some rows at a time
	if err != nil {
		return nil, err
	}
	defer s.Close()
	var data []byte
	for {
		a, err := s.Next()
		if err == io.EOF {
			return data, nil
		}
		if err != nil {
			return nil, err
		}
		if a.DType != spec.DType {
			return nil, fmt.Errorf("rows of %v, want %v", a.Spec, spec)
		}
		if a.DType != a.DType.WithOrder('<') {
			a = array.SwapBytes(a)
		}
		data = append(data, a.Data...)
	}
}

func head(b []byte) []byte { return b[:min(len(b), 48)] }
