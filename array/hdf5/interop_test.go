package hdf5_test

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/hdf5"
)

// judge is h5py's side: what it finds in our files must be what lies beside them
// as NumPy's bytes. Then it writes files of its own for us.
const judge = `
import json, pathlib, sys
import h5py
import numpy as np

d = pathlib.Path(sys.argv[1])
count = 0
for path in sorted(d.glob("*.h5")):
    with h5py.File(path) as f:
        want = json.loads((d / (path.stem + ".json")).read_text())
        for name, (dtype, shape, raw) in want.items():
            x = f[name]
            raw = bytes.fromhex(raw)
            if dtype.startswith("<U"):
                a = np.frombuffer(raw, dtype).reshape(shape)
                assert h5py.check_string_dtype(x.dtype).encoding == "utf-8", name
                got = x.asstr()[()] if shape else x[()].decode()
                assert np.array_equal(np.asarray(got).astype(dtype), a), (path, name, got, a)
            elif dtype == "bfloat16":
                a = (np.frombuffer(raw, "<u2").astype("<u4") << 16).view("<f4").reshape(shape)
                assert np.array_equal(np.asarray(x[()]).astype("<f4"), a, equal_nan=True), (path, name)
            else:
                a = np.frombuffer(raw, np.lib.format.descr_to_dtype(eval(dtype)) if dtype[0] == "[" else dtype).reshape(shape)
                if a.dtype.itemsize != 16 or a.dtype.kind != "f":
                    got = x[()]
                    assert np.asarray(got).dtype == a.dtype and x.shape == a.shape, (path, name, x.dtype, a.dtype)
                    if a.dtype.names:
                        assert all(np.asarray(got)[k].tobytes() == a[k].tobytes() for k in a.dtype.names), (path, name)
                    else:
                        assert np.asarray(got).tobytes() == a.tobytes(), (path, name, got, a)
            count += 1
            b = x.attrs
            assert b["text"] == "żółć" and b["yes"] == True and b["yes"].dtype == bool, dict(b)
            assert b["n"] == 3 and b["n"].dtype == "i8" and b["f4"].dtype == "f4" and b["c"] == 1 + 2j
            assert list(b["texts"]) == ["a", "bcd"] and b["list"].tolist() == [[1, 2.5], [3, 4]]
            assert isinstance(b["none"], h5py.Empty)
        assert f.attrs["text"] == "żółć" and f["deep/er"].attrs["n"] == 3


def fill(f, form):
    g = f.create_group("g")
    g.attrs["desc"] = "group"
    rng = np.random.default_rng(1)
    out = {}

    def put(name, a, **kw):
        x = f.create_dataset(name, data=a, **kw)
        out[name] = np.asarray(a)
        return x

    for i, t in enumerate("? i1 u1 <i2 >i4 <u8 <f2 >f4 <f8 <c8 >c16 S5 V3".split()):
        n = np.dtype(t).itemsize * 12
        raw = rng.integers(1, 100, n, dtype="u1") if t != "?" else rng.integers(0, 2, n, dtype="u1")
        a = np.frombuffer(raw.tobytes(), t).reshape(4, 3)
        put("plain/%d" % i, a)
        put("gzip/%d" % i, a, chunks=(3, 2), compression="gzip", shuffle=True, fletcher32=True, maxshape=(None, 3))
        if t != "V3":
            put("lzf/%d" % i, a, chunks=(2, 3), compression="lzf")
    ints = rng.integers(0, 1000, (50, 7), dtype="<i4")
    put("scaled", ints, chunks=(10, 7), scaleoffset=0)
    if h5py.h5z.filter_avail(h5py.h5z.FILTER_SZIP):
        put("szip", ints, chunks=(10, 7), compression="szip")
    put("repeat", np.repeat(np.arange(40, dtype="<i8"), 500), chunks=(1000,), compression="lzf", shuffle=True)
    put("noise", rng.integers(0, 256, 5000, dtype="u1"), chunks=(700,), compression="gzip")
    x = f.create_dataset("sparse", (30, 4), ">i2", chunks=(4, 4), fillvalue=-7)
    x[10:13] = 5
    out["sparse"] = x[()]
    x = f.create_dataset("unwritten", (5, 2), "<f4", fillvalue=2.5)
    out["unwritten"] = x[()]
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_layout(h5py.h5d.COMPACT)
    x = h5py.h5d.create(f.id, b"compact", h5py.h5t.STD_I32BE, h5py.h5s.create_simple((3,)), plist)
    x.write(h5py.h5s.ALL, h5py.h5s.ALL, np.arange(3, dtype=">i4"))
    out["compact"] = np.arange(3, dtype=">i4")
    rec = np.zeros(3, np.dtype([("a", "i1"), ("b", "f8", (2,)), ("c", [("d", "<c8"), ("e", "?")])], align=True))
    rec["b"] = rng.random((3, 2))
    put("rec", rec)
    put("sub", np.zeros(0, "<f4"))
    sub = np.arange(24, dtype="<i2").reshape(4, 3, 2)
    x = f.create_dataset("arrays", (4,), np.dtype(("<i2", (3, 2))))
    x[...] = sub
    out["arrays"] = sub
    put("times", np.arange(3).astype("M8[ns]").astype(h5py.opaque_dtype("M8[ns]")))
    out["times"] = np.arange(3).astype("M8[ns]")
    for name, pad in (("nullterm", h5py.h5t.STR_NULLTERM), ("spaces", h5py.h5t.STR_SPACEPAD)):
        t = h5py.h5t.C_S1.copy()
        t.set_size(6)
        t.set_strpad(pad)
        raw = np.frombuffer(b"ab\0xy\0cd    " if pad == h5py.h5t.STR_NULLTERM else b"ab    cdefgh", "S6")
        x = h5py.h5d.create(f.id, name.encode(), t, h5py.h5s.create_simple((2,)))
        x.write(h5py.h5s.ALL, h5py.h5s.ALL, raw, mtype=t)
        out[name] = np.array([b"ab", b"cd    "] if pad == h5py.h5t.STR_NULLTERM else [b"ab", b"cdefgh"], "S6")
    words = ["", "a", "żółć", "𝄞𝄞"]
    f.create_dataset("words", data=words, dtype=h5py.string_dtype())
    out["words"] = np.array(words)
    f.create_dataset("chunkwords", data=words * 3000, dtype=h5py.string_dtype(), chunks=(1000,), compression="gzip")
    out["chunkwords"] = np.array(words * 3000)
    f.create_dataset("ascii", data=["x", "yz"], dtype=h5py.string_dtype("ascii"))
    out["ascii"] = np.array([b"x", b"yz"])
    e = h5py.enum_dtype({"RED": 0, "GREEN": 1}, basetype="i2")
    f.create_dataset("enum", data=np.array([0, 1, 1]), dtype=e)
    out["enum"] = np.array([0, 1, 1], "<i2")
    x = put("attrs", np.arange(2.0))
    a = x.attrs
    a["str"] = "żółć"
    a["bytes"] = np.bytes_("raw")
    a["bool"] = True
    a["int"] = 5
    a["f4"] = np.float32(0.5)
    a["c"] = 1 + 2j
    a["strs"] = ["a", "bc"]
    a["arr"] = np.arange(6, dtype=">i2").reshape(2, 3)
    a["empty"] = h5py.Empty("f4")
    a["ref"] = f["g"].ref
    f["soft"] = h5py.SoftLink("/plain/1")
    f["g/up"] = h5py.SoftLink("../soft")
    f["g/me"] = h5py.SoftLink("/g")
    f["g/loop"] = f["g"]
    f["dangling"] = h5py.SoftLink("/nowhere")
    f["outside"] = h5py.ExternalLink("other.h5", "/x")
    f["hard"] = f["plain/1"]
    out["soft"] = out["g/up"] = out["hard"] = out["plain/1"]
    f.create_dataset("refs", data=[f["g"].ref], dtype=h5py.ref_dtype)
    f.create_dataset("seqs", (2,), dtype=h5py.vlen_dtype("i4"))
    f.create_dataset("null", data=h5py.Empty("f4"))
    layout = h5py.VirtualLayout(shape=(4,), dtype="i4")
    layout[:] = h5py.VirtualSource("other.h5", "x", shape=(4,))
    if form != "v2":  # later than 1.8
        f.create_virtual_dataset("virtual", layout)
    f.create_dataset("external", (4,), "i4", external=[("other.bin", 0, 16)])
    f["type"] = np.dtype("f8")
    return out


for name, kw in (("v0", {}), ("v2", {"libver": ("v108", "v108")}), ("v3", {"libver": ("v110", "v110")}), ("user", {"userblock_size": 512}), ("order", {"track_order": True})):
    with h5py.File(d / ("py_%s.hdf5" % name), "w", **kw) as f:
        out = fill(f, name)
    want = {}
    for k, a in out.items():
        t = a.dtype
        want[k] = [None if t.names else t.str, list(a.shape), np.ascontiguousarray(a).tobytes().hex()]
    (d / ("py_%s.want" % name)).write_text(json.dumps(want))
print(count, "arrays")
`

// TestInterop has h5py read what this package writes and this package what h5py
// writes. FORMATS_PYTHON names an interpreter that has it.
func TestInterop(t *testing.T) {
	python := os.Getenv("FORMATS_PYTHON")
	if python == "" {
		t.Skip("FORMATS_PYTHON isn't set")
	}
	need(t)
	dir := t.TempDir()
	list := samples(t)
	attrs := map[string]any{"text": "żółć", "yes": true, "n": 3, "f4": float32(0.5), "c": 1 + 2i, "texts": []string{"a", "bcd"}, "list": []any{[]any{1, 2.5}, []any{3.0, 4.0}}, "none": nil}
	count := 0
	want := map[string][3]any{}
	for name, a := range list {
		dtype := a.DType.String()
		want[name] = [3]any{dtype, append([]int{}, a.Shape...), hex.EncodeToString(a.Data)}
	}
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	for name, o := range options() {
		if o.Latest && atLeast(t, "2.0.0") {
			continue // the peer may be older
		}
		for _, unknown := range []bool{false, true} {
			base := name
			if unknown {
				base += "_unknown"
			}
			save(t, filepath.Join(dir, base+".h5"), o, list, attrs, unknown)
			if err := os.WriteFile(filepath.Join(dir, base+".json"), text, 0o666); err != nil {
				t.Fatal(err)
			}
			count += len(list)
		}
	}
	out, err := exec.Command(python, "-W", "ignore", "-c", judge, dir).CombinedOutput()
	if err != nil || !strings.HasSuffix(strings.TrimSpace(string(out)), "arrays") || !strings.HasPrefix(string(out), strconv.Itoa(count)) {
		t.Fatalf("%v: %s; %d arrays were written", err, out, count)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.hdf5"))
	if err != nil || len(files) != 5 {
		t.Fatalf("%v: %v", files, err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) { fromPeer(t, path) })
	}
}

// fromPeer reads a file of h5py's.
func fromPeer(t *testing.T, path string) {
	text, err := os.ReadFile(strings.TrimSuffix(path, ".hdf5") + ".want")
	if err != nil {
		t.Fatal(err)
	}
	var want map[string][3]json.RawMessage
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	f := open(t, path)
	list := map[string]array.Array{}
	for name, w := range want {
		var dtype *string
		var shape []int
		var raw string
		if err := errors.Join(json.Unmarshal(w[0], &dtype), json.Unmarshal(w[1], &shape), json.Unmarshal(w[2], &raw)); err != nil {
			t.Fatal(err)
		}
		if dtype == nil {
			text := "{'names': ['a', 'b', 'c'], 'formats': ['|i1', ('<f8', (2,)), {'names': ['d', 'e'], 'formats': ['<c8', '|b1'], 'offsets': [0, 8], 'itemsize': 12}], 'offsets': [0, 8, 24], 'itemsize': 40}"
			dtype = &text
		}
		list[name] = typed(t, *dtype, unhexed(t, raw), shape...)
	}
	same(t, f, list)
	refused := f.Refused().Error()
	for _, what := range []string{`"refs": not supported: references`, `"seqs": not supported: sequences`, `"virtual": not supported: a virtual`, `"external": not supported`,
		`"null": not supported`, `"outside": not supported: a link to another file`, `attribute "ref"`} {
		if strings.Contains(path, "py_v2") && strings.HasPrefix(what, `"virtual"`) {
			continue
		}
		if !strings.Contains(refused, what) {
			t.Errorf("%s isn't in what is refused:\n%s", what, refused)
		}
	}
	for _, m := range f.Members() {
		if m.Name != "attrs" {
			continue
		}
		a := m.Attrs
		if a["str"] != "żółć" || a["bytes"] != "raw" || a["bool"] != true || a["int"] != int64(5) || a["f4"] != float32(0.5) || a["c"] != 1+2i || a["empty"] != nil ||
			!slices.Equal(a["strs"].([]string), []string{"a", "bc"}) || a["arr"].(array.Array).Spec.String() != ">i2 (2, 3)" {
			t.Errorf("attributes %v", a)
		}
	}
	info, err := f.Info("gzip/3")
	if err != nil || !slices.Equal(info.Filters, []string{"shuffle", "gzip", "fletcher32"}) || !slices.Equal(info.MaxShape, []int{-1, 3}) || info.Layout != "chunked" {
		t.Errorf("%+v, %v", info, err)
	}
	var e *hdf5.UnsupportedError
	if _, err := f.Array("refs"); !errors.As(err, &e) {
		t.Errorf("refs: %v", err)
	}
}

func unhexed(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
