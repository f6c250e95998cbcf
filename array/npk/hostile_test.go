package npk_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/betongo/betongo/array/npk"
	"github.com/betongo/betongo/internal/formattest"
)

// entry is an array in metadata that are put together by hand.
type entry struct {
	name, file string
	shape      []uint64
	dtype      byte
	packed     byte
	blocks     byte
}

func meta(list ...entry) []byte {
	le := binary.LittleEndian
	b := le.AppendUint32([]byte("NPKB"), 1)
	b = le.AppendUint64(b, 0)
	b = le.AppendUint32(b, uint32(len(list)))
	for _, e := range list {
		b = append(le.AppendUint32(b, uint32(len(e.name))), e.name...)
		b = le.AppendUint32(b, uint32(len(e.shape)))
		for _, d := range e.shape {
			b = le.AppendUint64(b, d)
		}
		b = append(le.AppendUint32(b, uint32(len(e.file))), e.file...)
		b = append(b, make([]byte, 16)...)
		b = append(b, e.dtype, e.packed)
		b = append(b, make([]byte, 20)...)
		b = append(b, e.blocks)
	}
	return b
}

// pack writes files into a new folder.
func pack(t testing.TB, files map[string]string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.npk")
	for name, body := range files {
		name = filepath.Join(path, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o777), os.WriteFile(name, []byte(body), 0o666)); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func TestBadPacks(t *testing.T) {
	x := entry{name: "x", file: "data_x.npkd", shape: []uint64{4, 2}, dtype: 1}
	with := func(change func(e *entry)) []byte {
		e := x
		change(&e)
		return meta(e)
	}
	seg := func(text string) map[string]string {
		return map[string]string{
			"metadata.npkm": string(with(func(e *entry) { e.file = "data_x.npkseg" })),
			"data_x.npkseg": text, "data_x_segments/seg_000000.npkd": "12345678", "data_x_segments/seg_000001.npkd": "12345678",
		}
	}
	bits := func(words ...uint64) string {
		var b []byte
		for _, w := range words {
			b = binary.LittleEndian.AppendUint64(b, w)
		}
		return string(b)
	}
	data := func(b []byte) map[string]string {
		return map[string]string{"metadata.npkm": string(b), "data_x.npkd": "12345678"}
	}
	and := func(files map[string]string, name, body string) map[string]string {
		files[name] = body
		return files
	}
	bad := map[string]map[string]string{
		"empty":            {"metadata.npkm": ""},
		"another magic":    data(append([]byte("NPKC"), meta(x)[4:]...)),
		"a newer version":  data(append([]byte("NPKB\x02"), meta(x)[5:]...)),
		"version 0":        data(append([]byte("NPKB\x00"), meta(x)[5:]...)),
		"bytes behind":     data(append(meta(x), 0)),
		"more arrays":      data(append(append([]byte("NPKB\x01\x00\x00\x00"), make([]byte, 8)...), 0xff, 0xff, 0xff, 0xff)),
		"a long name":      data(append(meta()[:16], 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 'x')),
		"twice":            data(meta(x, x)),
		"one file for two": data(meta(x, entry{name: "y", file: "data_x.npkd", shape: []uint64{4, 2}, dtype: 1})),
		"dtype":            data(with(func(e *entry) { e.dtype = 14 })),
		"compressed":       data(with(func(e *entry) { e.packed = 1 })),
		"blocks":           data(with(func(e *entry) { e.blocks = 1 })),
		"a scalar":         data(with(func(e *entry) { e.shape = nil })),
		"dimensions":       data(with(func(e *entry) { e.shape = make([]uint64, 65) })),
		"huge":             data(with(func(e *entry) { e.shape = []uint64{1 << 62, 1 << 10} })),
		"negative":         data(with(func(e *entry) { e.shape = []uint64{1 << 63, 2} })),
		"too short data":   data(with(func(e *entry) { e.shape = []uint64{5, 2} })),
		"no data":          {"metadata.npkm": string(meta(x))},
		"a folder":         {"metadata.npkm": string(meta(x)), "data_x.npkd/y": ""},
		"above":            data(with(func(e *entry) { e.file = "../data_x.npkd" })),
		"an absolute file": data(with(func(e *entry) { e.file = "/etc/hosts" })),
		"no file":          data(with(func(e *entry) { e.file = "" })),
		"the pack":         data(with(func(e *entry) { e.file = "." })),
		"around":           data(with(func(e *entry) { e.file = "a/../data_x.npkd" })),
		"backwards":        data(with(func(e *entry) { e.file = `..\data_x.npkd` })),
		"a name above":     data(with(func(e *entry) { e.name = "../x" })),
		"no UTF-8":         data(with(func(e *entry) { e.name = "\xff" })),

		"no JSON":             seg(`{`),
		"list version":        seg(`{"version": 2, "segments": []}`),
		"too few segments":    seg(`{"version": 1, "segments": [{"file": "data_x_segments/seg_000000.npkd", "rows": 3, "bytes": 6}]}`),
		"segment's size":      seg(`{"version": 1, "segments": [{"file": "data_x_segments/seg_000000.npkd", "rows": 4, "bytes": 9}]}`),
		"segment too short":   seg(`{"version": 1, "segments": [{"file": "data_x_segments/seg_000000.npkd", "rows": 5, "bytes": 10}], "x": 1}`[:0] + `{"version": 1, "segments": [{"file": "none", "rows": 4, "bytes": 8}]}`),
		"segment twice":       seg(`{"version": 1, "segments": [{"file": "data_x_segments/seg_000000.npkd", "rows": 2, "bytes": 4}, {"file": "data_x_segments/seg_000000.npkd", "rows": 2, "bytes": 4}]}`),
		"segment above":       seg(`{"version": 1, "segments": [{"file": "../data_x_segments/seg_000000.npkd", "rows": 4, "bytes": 8}]}`),
		"negative rows":       seg(`{"version": 1, "segments": [{"file": "data_x_segments/seg_000000.npkd", "rows": -4, "bytes": -8}]}`),
		"huge rows":           seg(`{"version": 1, "segments": [{"file": "data_x_segments/seg_000000.npkd", "rows": 9223372036854775807, "bytes": -2}]}`),
		"short bitmap":        and(data(meta(x)), "deleted_x.npkb", "123"),
		"empty bitmap":        and(data(meta(x)), "deleted_x.npkb", ""),
		"bitmap of less rows": and(data(meta(x)), "deleted_x.npkb", bits(3, 0, 7)),
		"bitmap of odd size":  and(data(meta(x)), "deleted_x.npkb", bits(4, 0, 7)+"x"),
		"bitmap is a folder":  and(data(meta(x)), "deleted_x.npkb/y", ""),
		"no journal":          and(data(meta(x)), "npk.journal", "{"),
		"journal's version":   and(data(meta(x)), "npk.journal", `{"version": 2}`),
		"journal above":       and(data(meta(x)), "npk.journal", `{"version": 1, "steps": [{"do": "remove", "to": "../deleted_x.npkb"}]}`),
		"journal's renaming":  and(data(meta(x)), "npk.journal", `{"version": 1, "steps": [{"do": "rename", "from": "data_x.npkd", "to": "metadata.npkm"}]}`),
		"journal's removal":   and(data(meta(x)), "npk.journal", `{"version": 1, "steps": [{"do": "remove", "to": "data_x.npkd"}]}`),
		"journal's patch":     and(and(data(meta(x)), "npk.journal", `{"version": 1, "steps": [{"do": "patch", "from": "npk.patch", "to": "data_x.npkd"}]}`), "npk.patch", "\x0b\x00data_x.npkd"+bits(7, 2)+"xx"),
	}
	for name, files := range bad {
		path := pack(t, files)
		f, err := npk.Open(path, nil)
		if err == nil {
			f.Close()
			t.Errorf("%s: no error", name)
			continue
		}
		if !strings.Contains(err.Error(), path) {
			t.Errorf("%s: an error without the pack's path: %v", name, err)
		}
		if e, err := npk.Edit(path, &npk.EditOptions{Create: true}); err == nil {
			e.Close()
			t.Errorf("%s: an editor", name)
		}
		for file, body := range files { // nothing was lost
			if b, err := os.ReadFile(filepath.Join(path, file)); err != nil || string(b) != body {
				t.Errorf("%s: %s: %v, or other bytes", name, file, err)
			}
		}
	}
	good := data(meta(x))
	check(t, open(t, pack(t, good)), "x", formattest.Of(t, []byte("12345678"), 4, 2))
	old := map[string]string{"metadata.npkm": string(with(func(e *entry) { e.shape = []uint64{70} })), "data_x.npkd": strings.Repeat("0123456789", 7),
		"deleted_x.npkb": bits(0b1010, 0b11)} // as an older NumPack has it
	check(t, open(t, pack(t, old)), "x", formattest.Of(t, []byte("1345")))
	check(t, open(t, pack(t, and(good, "deleted_x.npkb", bits(4, 9, 0b0101)))), "x", formattest.Of(t, []byte("1256"), 2, 2))
	check(t, open(t, pack(t, and(good, "deleted_x.npkb", bits(6, 9, 0b110101)))), "x", formattest.Of(t, []byte("1256"), 2, 2))
}

// TestLinks refuses links out of the pack, and when editing all.
func TestLinks(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("links need rights")
	}
	x := entry{name: "x", file: "data_x.npkd", shape: []uint64{4, 2}, dtype: 1}
	path := pack(t, map[string]string{"metadata.npkm": string(meta(x)), "real": "12345678", "../out": "12345678"})
	link := filepath.Join(path, "data_x.npkd")
	for target, reads := range map[string]bool{"real": true, "../out": false, filepath.Join(path, "../out"): false} {
		if err := os.Symlink(target, link); err != nil {
			t.Fatal(err)
		}
		f, err := npk.Open(path, nil)
		if (err == nil) != reads {
			t.Errorf("a link to %s: %v", target, err)
		}
		if f != nil {
			f.Close()
		}
		if e, err := npk.Edit(path, nil); err == nil {
			e.Close()
			t.Errorf("a link to %s: an editor", target)
		}
		if err := os.Remove(link); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTruncated cuts each file of the goldens everywhere, and takes it away: the
// error names the pack and, but for the metadata's own, the array.
func TestTruncated(t *testing.T) {
	for _, name := range []string{"deleted.npk", "segmented.npk"} {
		files := map[string]string{}
		from := filepath.Join(goldens, name)
		for _, pattern := range []string{"*", "*/*"} {
			list, err := filepath.Glob(filepath.Join(from, pattern))
			if err != nil {
				t.Fatal(err)
			}
			for _, file := range list {
				if b, err := os.ReadFile(file); err == nil {
					rel, _ := filepath.Rel(from, file)
					files[rel] = string(b)
				}
			}
		}
		if len(files) < 3 {
			t.Fatalf("%s has %d files", name, len(files))
		}
		path := pack(t, files)
		for file, body := range files {
			for n := range len(body) {
				if err := os.WriteFile(filepath.Join(path, file), []byte(body[:n]), 0o666); err != nil {
					t.Fatal(err)
				}
				refused(t, path, file, fmt.Sprintf("%s: %s cut to %d of %d bytes", name, file, n, len(body)))
			}
			if err := os.Remove(filepath.Join(path, file)); err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(file, ".npkb") { // else all rows count
				refused(t, path, file, name+": no "+file)
			}
			if err := os.WriteFile(filepath.Join(path, file), []byte(body), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		open(t, path)
	}
}

// refused opens a pack whose file was damaged.
func refused(t *testing.T, path, file, what string) {
	t.Helper()
	f, err := npk.Open(path, nil)
	if err == nil {
		f.Close()
		t.Errorf("%s: no error", what)
		return
	}
	text := err.Error()
	if !strings.Contains(text, path) || file != "metadata.npkm" && (!strings.Contains(text, `array "`) || !strings.Contains(text, filepath.Base(file))) {
		t.Errorf("%s: pack, array and file are not all in %q", what, text)
	}
}

func FuzzOpen(f *testing.F) {
	for _, name := range []string{"deleted.npk", "segmented.npk", "all_dtypes.npk"} {
		var seed [3][]byte
		for i, file := range []string{"metadata.npkm", "deleted_x.npkb", "data_x.npkseg"} {
			seed[i], _ = os.ReadFile(filepath.Join(goldens, name, file))
		}
		if len(seed[0]) == 0 {
			f.Fatal("no metadata")
		}
		f.Add(seed[0], seed[1], seed[2])
	}
	path := pack(f, map[string]string{"data_x.npkd": strings.Repeat("x", 960), "data_x_segments/seg_000000.npkd": strings.Repeat("y", 256),
		"data_x_segments/seg_000001.npkd": strings.Repeat("y", 256), "data_x_segments/seg_000002.npkd": strings.Repeat("y", 256),
		"data_x_segments/seg_000003.npkd": strings.Repeat("y", 256)})
	f.Fuzz(func(t *testing.T, meta, bitmap, list []byte) {
		for name, body := range map[string][]byte{"metadata.npkm": meta, "deleted_x.npkb": bitmap, "data_x.npkseg": list} {
			os.Remove(filepath.Join(path, name))
			if len(body) > 0 {
				if err := os.WriteFile(filepath.Join(path, name), body, 0o666); err != nil {
					t.Fatal(err)
				}
			}
		}
		p, err := npk.Open(path, nil)
		if err != nil {
			return
		}
		defer p.Close()
		for _, m := range p.Members() {
			if n, err := m.Spec.Bytes(); err != nil || n > 1<<20 {
				t.Fatalf("%v: %v", m.Spec, err)
			}
			a, err := p.Array(m.Name)
			if err != nil {
				t.Fatal(err)
			}
			s, err := p.Stream(m.Name, 100)
			if m.Spec.Shape[0] < 1000 {
				if got := formattest.Drain(t, s, err); string(got) != string(a.AsContiguous().Data) {
					t.Fatalf("%q: other bytes streamed", m.Name)
				}
			}
		}
	})
}
