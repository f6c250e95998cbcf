package torchfile_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/torchfile"
)

// judge is PyTorch's side: it reads what Go wrote, and writes what Go reads,
// with each tensor's elements beside it as bytes.
const judge = `
import sys, pathlib, torch, collections, zipfile
d = pathlib.Path(sys.argv[1])
x = torch.arange(12.).reshape(3, 4)

safe = torch.load(d / "safe.pt", weights_only=True)
assert safe["x"].equal(x) and safe["t"].equal(x.t()) and safe["row"].equal(x[1]) and safe["reversed"].equal(x.flip(0))
assert safe["t"].stride() == (1, 4), safe["t"].stride()
assert len({safe[k].storage().data_ptr() for k in ("x", "t", "row")}) == 1
assert safe["column"].equal(x[:, 1:2]) and safe["be"].tolist() == [1, 256] and safe["be"].dtype == torch.int32
assert safe["empty"].shape == (0, 3) and safe["empty"].dtype == torch.float64
m = safe["model"]
assert type(m) is collections.OrderedDict and m._metadata == {"version": 1}
assert type(m["w"]) is torch.nn.Parameter and m["w"].requires_grad and m["w"].equal(x)
assert type(m["frozen"]) is torch.nn.Parameter and not m["frozen"].requires_grad
assert m["grad"].requires_grad and m["grad"].dtype == torch.bfloat16 and m["grad"].tolist() == [1, 2]
assert safe["one"] == [1, "é\n", None] and safe["one"] is safe["same"]
assert safe["tuple"] == (1, 2, 3, 4) and safe["unit"] == () and safe[7] == {"a": [], "b": 1}
assert zipfile.ZipFile(d / "safe.pt").testzip() is None
assert torch.load(d / "bare.pt", weights_only=True).equal(x)
w = torch.load(d / "written.pt", weights_only=True)
assert w["a.b.0"].equal(x) and w["s"].shape == () and w["epoch"] == 3
rest = torch.load(d / "rest.pt")
assert rest["bytes"] == b"\x00\x7f\xff" and rest["set"] == {1, 2} and rest["dtype"] is torch.float16
assert rest["numbers"] == [-1, 255, 256, 65536, 2**31, -2**31, 2**63 - 1, 1.5, True, False, -123456789012345678901234567890, 1 + 2j]
assert rest["device"] == torch.device("cuda:1")

lin = torch.nn.Linear(4, 3)
adam = torch.optim.Adam(lin.parameters())
lin(torch.ones(2, 4)).sum().backward()
adam.step()
base = torch.arange(24, dtype=torch.int16)
values = {
    "sd": lin.state_dict(), "lin": list(lin.parameters()), "f2": torch.ones(3).half(), "bf": torch.tensor([1, -2.5]).bfloat16(),
    "shared": [base, base[4:10], base.reshape(2, 3, 4).permute(2, 0, 1), base[::3]], "expand": torch.ones(1, 3).expand(5, 3),
    "c": torch.ones(2, dtype=torch.complex64), "c16": torch.ones(2, dtype=torch.complex128), "bool": torch.tensor([True, False]),
    "i1": torch.tensor([-1], dtype=torch.int8), "e": torch.zeros(0, 2), "s": torch.tensor(5), "nested": {"a": [{"b": base.double()}]},
    "opt": adam.state_dict(), "size": base.shape, "attr": torch.ones(2),
    "q": torch.quantize_per_tensor(torch.ones(2), .1, 0, torch.qint8), "sp": torch.eye(2).to_sparse(),
}
values["attr"].note = "x"
for name, args in {"zip": {}, "old": dict(_use_new_zipfile_serialization=False), "p4": dict(pickle_protocol=4), "p5": dict(pickle_protocol=5)}.items():
    torch.save(values, d / ("py_" + name + ".pt"), **args)

def walk(v, name):
    if isinstance(v, torch.Tensor):
        if not v.is_quantized and not v.is_sparse:
            v = v.detach().contiguous()
            raw = v.view(torch.int16).numpy() if v.dtype == torch.bfloat16 else v.numpy()
            print(name, raw.tobytes().hex() or "-")
    elif isinstance(v, dict):
        for k, w in v.items():
            walk(w, name + "." + str(k) if name else str(k))
    elif isinstance(v, (list, tuple)):
        for k, w in enumerate(v):
            walk(w, name + "." + str(k))
walk(values, "")
`

func TestInteropTorch(t *testing.T) {
	python := findPython("torch")
	if python == "" {
		t.Skip("no python3 with PyTorch")
	}
	dir := t.TempDir()
	writeForTorch(t, dir)
	out, err := exec.Command(python, "-W", "ignore", "-c", judge, dir).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) < 20 {
		t.Fatalf("PyTorch wrote %d tensors: %s", len(lines), out)
	}
	for _, name := range []string{"zip", "old", "p4", "p5"} {
		f := open(t, filepath.Join(dir, "py_"+name+".pt"))
		if n := len(f.Members()); n != len(lines) {
			t.Errorf("%s: %d tensors, want %d", name, n, len(lines))
		}
		for _, line := range lines {
			member, want, _ := strings.Cut(line, " ")
			a, err := f.Array(member)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if got := hex(a.AsContiguous().Data); got != want {
				t.Errorf("%s: %s is %s, want %s", name, member, got, want)
			}
		}
		x, _ := f.Array("shared.0")
		if y, _ := f.Array("shared.2"); len(x.Data) == 0 || &x.Data[0] != &y.Data[0] || y.IsContiguous() {
			t.Errorf("%s: storages aren't shared: %v", name, y.Spec)
		}
		for _, q := range []string{"q", "sp"} {
			if _, err := f.Array(q); err == nil || !strings.Contains(err.Error(), "it is") {
				t.Errorf("%s: %s: %v", name, q, err)
			}
		}
		// Once more through our own writer: nothing is lost but what is refused.
		d := f.Value().(*torchfile.Dict)
		again := &torchfile.Dict{}
		for _, item := range d.Items {
			if _, no := item.Value.(*torchfile.Refused); !no {
				again.Items = append(again.Items, item)
			}
		}
		other := filepath.Join(dir, "again_"+name+".pt")
		if err := torchfile.Save(other, again, nil); err != nil {
			t.Fatal(err)
		}
		if got, want := all(t, open(t, other)), all(t, f); got != want {
			t.Errorf("%s: again: got\n%s\nwant\n%s", name, got, want)
		}
	}
}

// findPython returns the Python of FORMATS_PYTHON, or the first python3 of the
// path, that has a module.
func findPython(module string) string {
	if python := os.Getenv("FORMATS_PYTHON"); python != "" && exec.Command(python, "-c", "import "+module).Run() == nil {
		return python
	}
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		python, err := exec.LookPath(filepath.Join(dir, "python3"))
		if err == nil && exec.Command(python, "-c", "import "+module).Run() == nil {
			return python
		}
	}
	return ""
}

func hex(b []byte) string {
	const digits = "0123456789abcdef"
	if len(b) == 0 {
		return "-"
	}
	s := make([]byte, 0, 2*len(b))
	for _, c := range b {
		s = append(s, digits[c>>4], digits[c&15])
	}
	return string(s)
}

// writeForTorch writes what PyTorch 1.13 and later read, and apart what
// weights_only takes.
func writeForTorch(t *testing.T, dir string) {
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	v := nested(t)
	safe, rest := &torchfile.Dict{}, &torchfile.Dict{}
	for _, item := range v.Items {
		switch item.Key {
		case "u", "f8": // types of PyTorch 2
		case "numbers", "bytes", "set", "dtype", "device":
			rest.Items = append(rest.Items, item)
		default:
			safe.Items = append(safe.Items, item)
		}
	}
	check(torchfile.Save(filepath.Join(dir, "safe.pt"), safe, nil))
	check(torchfile.Save(filepath.Join(dir, "rest.pt"), rest, nil))
	x, _ := v.Get("x")
	check(torchfile.Save(filepath.Join(dir, "bare.pt"), x, nil))
	w, err := torchfile.Create(filepath.Join(dir, "written.pt"), nil)
	check(err)
	for name, a := range map[string]array.Array{"a.b.0": x.(array.Array), "s": x.(array.Array).Row(0).Row(0)} {
		sink, err := w.Add(array.Member{Name: name, Spec: a.Spec})
		check(err)
		check(sink.Write(a))
		check(sink.Close())
	}
	check(w.SetAttrs(map[string]any{"epoch": 3}))
	check(w.Close())
}
