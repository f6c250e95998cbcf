package torchfile_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/torchfile"
	"github.com/betongo/betongo/internal/formattest"
)

// archive makes a file of a pickle's opcodes and storages.
func archive(t testing.TB, pickle string, storages ...string) []byte {
	entries := []string{"x/data.pkl", "\x80\x02" + pickle + ".", "x/version", "3\n"}
	for i, s := range storages {
		entries = append(entries, fmt.Sprint("x/data/", i), s)
	}
	return stored(t, entries...)
}

// stored makes an archive of names and what they have.
func stored(t testing.TB, entries ...string) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i < len(entries); i += 2 {
		data := []byte(entries[i+1])
		w, err := z.CreateRaw(&zip.FileHeader{Name: entries[i], CRC32: crc32.ChecksumIEEE(data), CompressedSize64: uint64(len(data)), UncompressedSize64: uint64(len(data))})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Opcodes of a few values.
func global(s string) string { return "c" + strings.Replace(s, " ", "\n", 1) + "\n" }
func str(s string) string {
	return "X" + string(binary.LittleEndian.AppendUint32(nil, uint32(len(s)))) + s
}
func num(n int64) string {
	return "\x8a\x08" + string(binary.LittleEndian.AppendUint64(nil, uint64(n)))
}
func tuple(v ...string) string {
	return "(" + strings.Join(v, "") + "t"
}

// tensor is a tensor of float32 over storage 0 with n elements.
func tensor(n, offset int64, shape, strides []int64) string {
	ints := func(list []int64) string {
		var s []string
		for _, n := range list {
			s = append(s, num(n))
		}
		return tuple(s...)
	}
	st := tuple(str("storage"), global("torch FloatStorage"), str("0"), str("cpu"), num(n)) + "Q"
	return global("torch._utils _rebuild_tensor_v2") + tuple(st, num(offset), ints(shape), ints(strides), "\x89", global("collections OrderedDict")+")R") + "R"
}

func TestHostilePickles(t *testing.T) {
	data := strings.Repeat("\x00", 24)
	deep := strings.Repeat("]", 3000) + strings.Repeat("a", 2999)
	shared := "]q\x00" // each list holds the one before twice
	for i := range byte(40) {
		shared += "](h" + string(i) + "h" + string(i) + "eq" + string(i+1)
	}
	for _, c := range []struct{ name, pickle, want string }{
		{"a function", global("os system") + tuple(str("touch /tmp/pwned")) + "R", "os.system"},
		{"posix", global("posix system") + tuple(str("id")) + "R", "posix.system"},
		{"eval", global("__builtin__ eval") + tuple(str("1")) + "R", "builtins.eval"},
		{"eval of 3", global("builtins eval") + tuple(str("1")) + "R", "builtins.eval"},
		{"getattr", global("builtins getattr") + tuple(str("1")) + "R", "builtins.getattr"},
		{"a stacked name", "\x8c\x02os\x8c\x06system\x93" + tuple(str("id")) + "R", "os.system"},
		{"only named", global("subprocess Popen"), "subprocess.Popen"},
		{"a class", global("__main__ Net") + ")\x81", "__main__.Net"},
		{"dotted", global("torch hub.load") + ")R", "torch.hub.load"},
		{"a disguised storage", global("evil FloatStorage") + ")R", "evil.FloatStorage"},
		{"another storage", global("torch FooStorage"), "torch.FooStorage"},
		{"torch.load", global("torch.serialization load") + tuple(str("x")) + "R", "torch.serialization.load"},
		{"INST", "(" + str("id") + "ios\nsystem\n", "opcode 0x69"},
		{"OBJ", "(" + str("id") + "o", "opcode 0x6f"},
		{"EXT1", "\x82\x01", "opcode 0x82"},
		{"protocol 0", "I1\n", "opcode 0x49"},
		{"a call of a string", str("x") + ")R", "a call of a string"},
		{"a call of a dtype", global("torch float32") + ")R", "can't be called"},
		{"a call without a tuple", global("torch Size") + "]R", "without a tuple"},
		{"another function inside", global("torch._tensor _rebuild_from_type_v2") + tuple(global("collections OrderedDict"), global("torch Tensor"), ")", "}") + "R", "_rebuild_from_type_v2"},
		{"another class inside", global("torch._tensor _rebuild_from_type_v2") + tuple(global("torch._utils _rebuild_sparse_tensor"), global("torch Size"), ")", "}") + "R", "of class"},
		{"an id of a module", tuple(str("module"), "N", str("f"), str("s"), "N") + "Q", "persistent id"},
		{"an id that is no tuple", "K\x01Q", "persistent id"},
		{"a storage of no class", tuple(str("storage"), "N", str("0"), str("cpu"), "K\x06") + "Q", "of class"},
		{"a storage that isn't there", tuple(str("storage"), global("torch FloatStorage"), str("../../etc/passwd"), str("cpu"), "K\x06") + "Q", "no entry"},
		{"too few elements", tensor(5, 0, []int64{5}, []int64{1}), "24 bytes, want 5 elements of 4"},
		{"too many elements", tensor(7, 0, []int64{6}, []int64{1}), "24 bytes, want 7 elements of 4"},
		{"negative elements", tensor(-1, 0, []int64{6}, []int64{1}), "-1 elements"},
		{"huge elements", tensor(1<<62, 0, []int64{6}, []int64{1}), "want 4611686018427387904"},
		{"a negative stride", tensor(6, 5, []int64{6}, []int64{-1}), "stride -1"},
		{"a huge stride", tensor(6, 0, []int64{2}, []int64{1 << 61}), "stride"},
		{"a stride beyond", tensor(6, 0, []int64{2}, []int64{6}), "leave"},
		{"a negative offset", tensor(6, -1, []int64{6}, []int64{1}), "a tensor at -1"},
		{"an offset beyond", tensor(6, 1, []int64{6}, []int64{1}), "leave"},
		{"a huge offset", tensor(6, 1<<62, []int64{6}, []int64{1}), "at element"},
		{"a negative size", tensor(6, 0, []int64{-6}, []int64{1}), "size -6"},
		{"a huge size", tensor(6, 0, []int64{1 << 40, 1 << 40}, []int64{0, 0}), "1099511627776"},
		{"strides that lack", tensor(6, 0, []int64{2, 3}, []int64{1}), "1 strides, want 2"},
		{"sizes of another kind", global("torch._utils _rebuild_tensor_v2") + tuple(tuple(str("storage"), global("torch FloatStorage"), str("0"), str("cpu"), "K\x06")+"Q", "K\x00", str("x"), ")") + "R", "size is a string"},
		{"too few arguments", global("torch._utils _rebuild_tensor_v2") + ")R", "0 arguments"},
		{"an unknown dtype", global("torch._utils _rebuild_tensor_v3") + tuple(tuple(str("storage"), global("torch.storage UntypedStorage"), str("0"), str("cpu"), num(24))+"Q", "K\x00", ")", ")", "\x89", "N", global("torch quint8")) + "R", "torch.quint8"},
		{"a parameter of a number", global("torch._utils _rebuild_parameter") + tuple("K\x01", "\x88", "N") + "R", "a Parameter of a int64"},
		{"bytes that aren't", global("_codecs encode") + tuple(str("€"), str("latin1")) + "R", "character"},
		{"another codec", global("_codecs encode") + tuple(str("a"), str("zlib")) + "R", "can't be called"},
		{"bytearray of a size", global("__builtin__ bytearray") + tuple(num(1<<40)) + "R", "can't be called"},
		{"a state for a list", "]}b", "a state for a"},
		{"an element for a dict", "}K\x01a", "no list"},
		{"entries for a list", "]K\x01K\x02s", "no dict"},
		{"a key without a value", "}(K\x01u", "without a value"},
		{"a key that is a list", "}(]K\x01u", "key is a"},
		{"an empty stack", "a", "empty"},
		{"a mark that is used", "(a", "mark"},
		{"no mark", "t", "no mark"},
		{"no memo", "h\x05", "memo 5"},
		{"a string without an end", "X\xff\xff\xff\x7fabc", "bytes are wanted"},
		{"a long without an end", "\x8b\xff\xff\xff\x7f", "a number of"},
		{"bytes of 2^63", "\x8e\xff\xff\xff\xff\xff\xff\xff\xffabc", "bytes are wanted"},
		{"a newer protocol", "\x80\x06", "protocol 6"},
		{"a name without an end", "cos", "without an end"},
		{"deep", deep, "more than 1000 deep"},
		{"a list in itself", "]q\x00h\x00a", "in themselves"},
		{"a doubling list", shared, "MaxMemory"},
	} {
		name := formattest.Put(t, "x.pt", archive(t, c.pickle, data))
		f, err := torchfile.Open(name, &torchfile.OpenOptions{MaxMemory: 64 << 20})
		if err == nil {
			f.Close()
			t.Errorf("%s: taken", c.name)
			continue
		}
		if !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
		var bad *torchfile.FormatError
		var no *torchfile.GlobalError
		if !errors.As(err, &bad) && !errors.As(err, &no) {
			t.Errorf("%s: a %T", c.name, err)
		}
		if strings.HasSuffix(c.name, "function") && (no == nil || no.Global != "os.system" || no.Offset == 0) {
			t.Errorf("%s: %+v", c.name, no)
		}
	}
}

func TestHostileArchives(t *testing.T) {
	var bomb bytes.Buffer
	z := zip.NewWriter(&bomb)
	w, _ := z.Create("x/data.pkl") // deflated
	w.Write(bytes.Repeat([]byte{'}'}, 1<<20))
	z.Close()
	overlap := archive(t, tensor(6, 0, []int64{6}, []int64{1}), strings.Repeat("\x01", 24))
	// The directory is made to say that the storage lies on the pickle.
	over := bytes.Clone(overlap)
	at := bytes.LastIndex(over, []byte("x/data/0")) - 46
	first := bytes.Index(over, []byte("PK\x01\x02"))
	copy(over[at+42:at+46], over[first+42:first+46])
	twice := stored(t, "x/data.pkl", "\x80\x02N.", "x/data.pkl", "\x80\x02N.")
	for _, c := range []struct {
		name string
		b    []byte
		want string
	}{
		{"nothing", nil, "neither"},
		{"text", []byte("hello world"), "neither"},
		{"a bomb", bomb.Bytes(), "compressed"},
		{"overlap", over, "overlaps"},
		{"twice", twice, "twice"},
		{"no pickle", stored(t, "x/version", "3\n"), "no entry"},
		{"no folder", stored(t, "data.pkl", "\x80\x02N."), "in a folder"},
		{"newer", stored(t, "x/data.pkl", "\x80\x02N.", "x/version", "11\n"), "version"},
		{"no version", stored(t, "x/data.pkl", "\x80\x02N.", "x/version", "abc"), "version"},
		{"byte order", stored(t, "x/data.pkl", "\x80\x02N.", "x/byteorder", "middle"), "byte order"},
		{"script", stored(t, "x/data.pkl", "\x80\x02N.", "x/constants.pkl", "\x80\x02N."), "TorchScript"},
		{"empty pickle", stored(t, "x/data.pkl", ""), "ends before"},
		{"tar", append(append(make([]byte, 257), "ustar"...), make([]byte, 300)...), "tar"},
		{"a plain pickle", []byte("\x80\x02}."), "none of PyTorch's"},
	} {
		name := formattest.Put(t, "x.pt", c.b)
		f, err := torchfile.Open(name, nil)
		var bad *torchfile.FormatError
		if err == nil {
			f.Close()
		}
		if !errors.As(err, &bad) || bad.File != name || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
		if _, err := torchfile.Load(name, nil); !errors.As(err, &bad) {
			t.Errorf("%s: Load: %v", c.name, err)
		}
	}
}

// What is larger than its storage is a view, and not filled in unasked.
func TestExpanded(t *testing.T) {
	f := open(t, formattest.Put(t, "x.pt", archive(t, tuple(tensor(1, 0, []int64{1 << 20, 1 << 30}, []int64{0, 0}), tensor(1, 0, []int64{3, 2}, []int64{0, 0})), "\x00\x00\x80\x3f")))
	a, err := f.Array("0")
	if err != nil || len(a.Data) != 4 {
		t.Fatalf("%v, %v", a, err)
	}
	if _, err := f.Stream("0", 0); err == nil || !strings.Contains(err.Error(), "rows of 4294967296 bytes") {
		t.Errorf("got %v", err)
	}
	s, err := f.Stream("1", 8)
	if err != nil {
		t.Fatal(err)
	}
	if rows, err := s.Next(); err != nil || formattest.Text(rows.Strided()) != "<f4(1, 2) 1.0 1.0" {
		t.Errorf("got %v, %v", rows, err)
	}
}

func TestBigEndian(t *testing.T) {
	b := stored(t, "x/data.pkl", "\x80\x02"+tensor(2, 0, []int64{2}, []int64{1})+".", "x/byteorder", "big", "x/data/0", "\x3f\x80\x00\x00\xc0\x00\x00\x00")
	f := open(t, formattest.Put(t, "x.pt", b))
	if got := all(t, f); got != "x: >f4(2,) 1.0 -2.0" {
		t.Errorf("got %s", got)
	}
}

func TestNewTypes(t *testing.T) {
	v3 := func(dtype string, n int64) string {
		st := tuple(str("storage"), global("torch.storage UntypedStorage"), str("0"), str("cpu"), num(4)) + "Q"
		return global("torch._utils _rebuild_tensor_v3") + tuple(st, "K\x00", tuple(num(n)), tuple("K\x01"), "\x89", global("collections OrderedDict")+")R", global("torch "+dtype)) + "R"
	}
	f := open(t, formattest.Put(t, "x.pt", archive(t, tuple(v3("uint16", 2), v3("float8_e4m3fn", 4), v3("uint64", 0)), "\x01\x00\xff\xff")))
	m := f.Members()
	if len(m) != 3 || m[0].Spec.String() != "<u2 (2,)" || m[1].Spec.String() != "|V1 (4,)" || m[1].Attrs["dtype"] != "F8_E4M3" {
		t.Fatalf("members %v", m)
	}
	a, _ := f.Array("0")
	if formattest.Text(a) != "<u2(2,) 1 65535" {
		t.Errorf("got %s", formattest.Text(a))
	}
}

// A tensor that conjugates on the way out isn't what its bytes are.
func TestRefused(t *testing.T) {
	st := tuple(str("storage"), global("torch ComplexFloatStorage"), str("0"), str("cpu"), num(1)) + "Q"
	conj := global("torch._utils _rebuild_tensor_v2") + tuple(st, "K\x00", ")", ")", "\x89", global("collections OrderedDict")+")R", "}"+str("conj")+"\x88s") + "R"
	sparse := global("torch._utils _rebuild_sparse_tensor") + ")R"
	same := "}(" + str("a.b") + tensor1 + str("a") + "}" + str("b") + tensor1 + "su"
	f := open(t, formattest.Put(t, "x.pt", archive(t, tuple(conj, sparse, same), "\x00\x00\x80\x3f\x00\x00\x80\x3f")))
	var no *array.UnsupportedError
	for name, want := range map[string]string{"0": "conjugates", "1": "sparse"} {
		if _, err := f.Array(name); !errors.As(err, &no) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	if err := f.Refused(); err == nil || !strings.Contains(err.Error(), "more than one tensor has this name") {
		t.Errorf("got %v", err)
	}
	if m := f.Members(); len(m) != 1 || m[0].Name != "2.a.b" {
		t.Errorf("members %v", m)
	}
	if _, err := f.Array("2.a.b"); err != nil {
		t.Error(err)
	}
	if err := torchfile.Save(f.Name()+"2", f.Value(), nil); err == nil || !strings.Contains(err.Error(), "conjugates") {
		t.Errorf("got %v", err)
	}
}

var tensor1 = global("torch._utils _rebuild_tensor_v2") + tuple(tuple(str("storage"), global("torch ComplexFloatStorage"), str("0"), str("cpu"), num(1))+"Q", "K\x00", ")", ")", "\x89", "N") + "R"

// Python 3's protocols, which torch.save takes as an option.
func TestProtocol4(t *testing.T) {
	p := "\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x00}\x94(\x8c\x01a\x94K\x01\x8c\x01b\x94C\x02\x00\xff\x94\x8c\x01c\x94\x8f\x94(K\x01K\x02\x90\x8c\x01d\x94(K\x03\x91\x94\x8c\x01e\x94\x8c\x0bcollections\x94\x8c\x0bOrderedDict\x94\x93\x94)R\x94\x8c\x01f\x94h\x01u."
	f := open(t, formattest.Put(t, "x.pt", stored(t, "x/data.pkl", p)))
	if got := fmt.Sprint(f.Attrs()); got != "map[a:1 b:[0 255] c.0:1 c.1:2 d.0:3 f:a]" {
		t.Errorf("got %s", got)
	}
}

// small bounds what fuzzing may make.
var small = &torchfile.OpenOptions{MaxMemory: 1 << 20}

func FuzzOpen(f *testing.F) {
	for name := range goldens {
		b, err := os.ReadFile(golden + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, err := torchfile.Parse(b, small); err == nil {
			read(t, formattest.Put(t, "x.pt", b))
		}
	})
}

// FuzzPickle is about pickles in archives that are right otherwise.
func FuzzPickle(f *testing.F) {
	for name := range goldens {
		z, err := zip.OpenReader(golden + name)
		if err != nil {
			continue // the older form
		}
		r, err := z.Open(strings.TrimSuffix(name, ".pt") + "/data.pkl")
		if err != nil {
			f.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			f.Fatal(err)
		}
		z.Close()
		f.Add(b)
	}
	f.Add([]byte("\x80\x02" + tensor(6, 0, []int64{2, 3}, []int64{1, 2}) + "."))
	f.Fuzz(func(t *testing.T, b []byte) {
		entries := []string{"x/data.pkl", string(b)}
		for i := range 10 {
			entries = append(entries, fmt.Sprint("x/data/", i), strings.Repeat("\x01", 24))
		}
		file := stored(t, entries...)
		if _, err := torchfile.Parse(file, small); err == nil {
			read(t, formattest.Put(t, "x.pt", file))
		}
	})
}
