package array_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
)

// TestCTypes: a C compiler's layout, as Python's ctypes knows it, is that of
// StructAligned, and C's and Fortran's arrays are read as they were handed over.
func TestCTypes(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3")
	}
	types := map[string]string{"c_int8": "i1", "c_uint8": "u1", "c_int16": "<i2", "c_int32": "<i4", "c_uint64": "<u8", "c_float": "<f4", "c_double": "<f8"}
	var script, want strings.Builder
	script.WriteString("from ctypes import *\nimport sys\n")
	for i, list := range [][]string{
		{"c_int8", "c_double"}, {"c_double", "c_int8"}, {"c_int8", "c_int16", "c_int8", "c_int32"}, {"c_uint8"}, {"c_int8", "c_uint64 * 3", "c_float"},
		{"c_int16", "S0", "c_int8"}, {"c_int8", "S2", "c_float"},
	} {
		var fields []array.Field
		fmt.Fprintf(&script, "class S%d(Structure): _fields_ = [", i)
		for k, c := range list {
			f := array.Field{Name: fmt.Sprint("f", k)}
			name, times, _ := strings.Cut(c, " * ")
			if times != "" {
				f.Shape = []int{3}
			}
			if f.DType, err = array.ParseDType(types[name]); name[0] == 'S' {
				f.DType, err = structs[name], nil
			}
			if err != nil {
				t.Fatal(err)
			}
			fields = append(fields, f)
			fmt.Fprintf(&script, "('f%d', %s), ", k, c)
		}
		fmt.Fprintf(&script, "]\nprint(sizeof(S%d), [getattr(S%d, n[0]).offset for n in S%d._fields_])\n", i, i, i)
		d, err := array.StructAligned(fields)
		if err != nil {
			t.Fatal(err)
		}
		structs[fmt.Sprint("S", i)] = d
		var offsets []string
		for _, f := range d.Fields() {
			offsets = append(offsets, fmt.Sprint(f.Offset))
		}
		fmt.Fprintf(&want, "%d [%s]\n", d.ItemSize(), strings.Join(offsets, ", "))
	}
	// A table of S2, and two orders of floats.
	path := filepath.Join(t.TempDir(), "x.bin")
	table := make([]byte, 2*structs["S2"].ItemSize())
	for i := range table {
		table[i] = byte(i)
	}
	a, _ := array.New(array.Spec{DType: structs["S2"], Shape: []int{2}}, table)
	v, _ := array.Of([]float32{1, 2, 3, 4, 5, 6}, 2, 3)
	for i, a := range []array.Array{a, v, v.Strided().AsFortran().Transpose().AsContiguous()} {
		if err := array.ToFile(fmt.Sprint(path, i), a, nil); err != nil {
			t.Fatal(err)
		}
	}
	script.WriteString(`
p = sys.argv[1]
t = (S2 * 2).from_buffer_copy(open(p + "0", "rb").read())
print(t[1].f0, t[1].f1, t[1].f3)
print((c_float * 3 * 2).from_buffer_copy(open(p + "1", "rb").read())[1][2])
print((c_float * 2 * 3).from_buffer_copy(open(p + "2", "rb").read())[2][1])
`)
	size := structs["S2"].ItemSize()
	f1, f3 := size+2, size+8
	fmt.Fprintf(&want, "%d %d %d\n6.0\n6.0\n", size, f1+(f1+1)<<8, f3+(f3+1)<<8+(f3+2)<<16+(f3+3)<<24)
	out, err := exec.Command(python, "-c", script.String(), path).CombinedOutput()
	if got := strings.ReplaceAll(string(out), "\r", ""); err != nil || got != want.String() {
		t.Errorf("%v: ctypes says\n%swant\n%s", err, got, want.String())
	}
	if _, err := os.Stat(path + "2"); err != nil {
		t.Error(err)
	}
}

// structs are the ones that TestCTypes has made.
var structs = map[string]array.DType{}
