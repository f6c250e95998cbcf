package zarr_test

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/zarr"
)

// put writes a store of files.
func put(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "s")
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o777), os.WriteFile(path, []byte(text), 0o666)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const (
	plain2 = `{"zarr_format":2,"shape":[4,3],"chunks":[2,3],"dtype":"<f4","order":"C","fill_value":0,"filters":null,"compressor":null}`
	plain3 = `{"zarr_format":3,"node_type":"array","shape":[4,3],"data_type":"float32","chunk_grid":{"name":"regular","configuration":{"chunk_shape":[2,3]}},
"chunk_key_encoding":{"name":"default"},"fill_value":0,"codecs":[{"name":"bytes","configuration":{"endian":"little"}}],"attributes":{}}`
	sharded3 = `{"name":"sharding_indexed","configuration":{"chunk_shape":[1,3],"codecs":[{"name":"bytes","configuration":{"endian":"little"}}],
"index_codecs":[{"name":"bytes","configuration":{"endian":"little"}},{"name":"crc32c"}]}}`
)

// TestBrokenMetadata changes one thing each; the error names the file and the
// array.
func TestBrokenMetadata(t *testing.T) {
	for _, test := range []struct{ version, from, to, want string }{
		{"2", `"<f4"`, `"|O"`, "Python objects"},
		{"2", `"<f4"`, `"<f5"`, "f5"},
		{"2", `"<f4"`, `7`, "dtype"},
		{"2", `"<f4"`, `"|S9999999999"`, "S9999999999"},
		{"2", `"<f4"`, `[["a","<f4",[1000000000,1000000000]]]`, "too large"},
		{"2", `"<f4"`, strings.Repeat(`[["a",`, 60) + `"<f4"` + strings.Repeat(`]]`, 60), "dtype"},
		{"2", `[4,3]`, `[4,-3]`, "shape has -3"},
		{"2", `[4,3]`, `[4]`, "chunks"},
		{"2", `[4,3]`, `[4.0,3]`, "shape has 4"},
		{"2", `[4,3]`, `[4000000000000000,3000000000000]`, "shape"},
		{"2", `[4,3]`, `"x"`, "shape is no list"},
		{"2", `[4,3]`, `[` + strings.Repeat("1,", 99) + `1]`, "dimensions"},
		{"2", `[2,3]`, `[0,3]`, "want at least 1"},
		{"2", `[2,3]`, `[2000000000,3000000000]`, "has more than"},
		{"2", `"C"`, `"K"`, "order"},
		{"2", `"fill_value":0`, `"fill_value":[]`, "fill_value"},
		{"2", `"fill_value":0`, `"fill_value":1e999`, ""},
		{"2", `"filters":null`, `"filters":[{"id":"pickle"}]`, `not supported: codec "pickle"`},
		{"2", `"filters":null`, `"filters":{}`, "filters"},
		{"2", `"compressor":null`, `"compressor":{"id":"lzma"}`, `not supported: codec "lzma"`},
		{"2", `"compressor":null`, `"compressor":{}`, "without id"},
		{"2", `"compressor":null`, `"compressor":null,"dimension_separator":"../"`, "dimension_separator"},
		{"2", `"zarr_format":2`, `"zarr_format":4`, "not supported: zarr_format 4"},
		{"3", `"float32"`, `"string"`, "string"},
		{"3", `"float32"`, `"r12"`, "r12"},
		{"3", `"float32"`, `{"name":"fixed_length_utf32","configuration":{"length_bytes":6}}`, "length_bytes"},
		{"3", `"float32"`, `{"name":"struct","configuration":{"fields":[]}}`, "without fields"},
		{"3", `"regular"`, `"rectangular"`, `not supported: chunk grid "rectangular"`},
		{"3", `{"name":"default"}`, `{"name":"x"}`, `not supported: chunk key encoding "x"`},
		{"3", `{"name":"default"}`, `{"name":"default","configuration":{"separator":"/../"}}`, "separator"},
		{"3", `"attributes":{}`, `"attributes":{},"secret":{"must_understand":true}`, `not supported: metadata key "secret"`},
		{"3", `"attributes":{}`, `"storage_transformers":[{"name":"x"}]`, "not supported: storage transformers"},
		{"3", `"little"`, `"middle"`, "endian"},
		{"3", `"codecs":[`, `"codecs":[{"name":"vlen-utf8"},`, `not supported: codec "vlen-utf8"`},
		{"3", `"codecs":[`, `"codecs":[{"name":"gzip"},`, "out of place"},
		{"3", `"codecs":[`, `"codecs":[{"name":"transpose","configuration":{"order":[0,0]}},`, "order"},
		{"3", `"codecs":[`, `"codecs":[{"name":"transpose","configuration":{"order":[1]}},`, "order"},
		{"3", `[{"name":"bytes","configuration":{"endian":"little"}}]`, `[]`, "codecs"},
		{"3", `[{"name":"bytes","configuration":{"endian":"little"}}]`, `[` + sharded3 + `,{"name":"gzip"}]`, "together"},
		{"3", `[{"name":"bytes","configuration":{"endian":"little"}}]`, `[` + strings.Replace(sharded3, "[1,3]", "[3,3]", 1) + `]`, "multiple"},
		{"3", `[{"name":"bytes","configuration":{"endian":"little"}}]`, `[` + strings.Replace(sharded3, "[1,3]", "[0,3]", 1) + `]`, "at least 1"},
		{"3", `[{"name":"bytes","configuration":{"endian":"little"}}]`, `[` + strings.Replace(sharded3, `{"name":"crc32c"}`, `{"name":"gzip"}`, 1) + `]`, "index of shards"},
		{"3", `"fill_value":0`, `"fill_value":"0x12"`, "fill_value"},
		{"3", `"fill_value":0,`, ``, "fill_value is missing"},
	} {
		text, key := plain2, "a/.zarray"
		root := map[string]string{".zgroup": `{"zarr_format":2}`}
		if test.version == "3" {
			text, key = plain3, "a/zarr.json"
			root = map[string]string{"zarr.json": `{"zarr_format":3,"node_type":"group"}`}
		}
		if !strings.Contains(text, test.from) {
			t.Fatalf("%q isn't there", test.from)
		}
		root[key] = strings.Replace(text, test.from, test.to, 1)
		f, err := zarr.Open(put(t, root), nil)
		if err != nil {
			t.Errorf("%s: %v", test.to, err)
			continue
		}
		defer f.Close()
		if test.want == "" {
			continue
		}
		_, err = f.Array("a")
		if err == nil || !strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), `array "a"`) || !strings.Contains(err.Error(), f.Name()) {
			t.Errorf("%s: %v, want %q", test.to, err, test.want)
		}
		if _, err2 := f.Stream("a", 0); err2 == nil || len(f.Members()) != 0 || f.Refused() == nil {
			t.Errorf("%s: is served: %v", test.to, err2)
		}
	}
}

// TestBrokenDocuments are those that make no store.
func TestBrokenDocuments(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"nothing":      {"x": "y"},
		"no JSON":      {".zarray": `{"a":`},
		"no object":    {".zarray": `[]`},
		"deep":         {".zarray": strings.Repeat(`{"a":`, 100000)},
		"deep list":    {"zarr.json": strings.Repeat(`[`, 1000000)},
		"large":        {"zarr.json": strings.Repeat(` `, 17<<20)},
		"no UTF-8":     {".zarray": "{\"a\":\"\xff\"}"},
		"node type":    {"zarr.json": `{"zarr_format":3,"node_type":"shelf"}`},
		"group format": {".zgroup": `{"zarr_format":1}`},
		"consolidated": {".zmetadata": `{"zarr_consolidated_format":1,"metadata":{"../../a/.zarray":{}}}`, ".zgroup": `{"zarr_format":2}`},
	} {
		_, err := zarr.Open(put(t, files), nil)
		var format *zarr.FormatError
		if !errors.As(err, &format) || len(err.Error()) > 500 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := zarr.Open(filepath.Join(t.TempDir(), "no"), nil); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	path := filepath.Join(t.TempDir(), "x.zip")
	if err := os.WriteFile(path, []byte("PK\x03\x04 no more"), 0o666); err != nil {
		t.Fatal(err)
	}
	var format *zarr.FormatError
	if _, err := zarr.Open(path, nil); !errors.As(err, &format) {
		t.Error(err)
	}
}

// TestHugeIsRefused takes no memory for what is only declared.
func TestHugeIsRefused(t *testing.T) {
	bomb := func(shape, chunks string) string {
		s := strings.Replace(plain2, "[4,3]", shape, 1)
		s = strings.Replace(s, "[2,3]", chunks, 1)
		return strings.Replace(s, `"compressor":null`, `"compressor":{"id":"zlib"}`, 1)
	}
	dir := put(t, map[string]string{
		".zgroup":   `{"zarr_format":2}`,
		"a/.zarray": bomb("[1000000000,1000000]", "[1,1000]"),
		"b/.zarray": bomb("[400000000,1]", "[400000000,1]"), "b/0.0": "x\x9c",
		"c/.zarray": bomb("[10,10]", "[400000000,1]"), "c/0.0": "x\x9c",
		"d/.zarray": strings.Replace(plain2, `"<f4"`, `"|S2000000000"`, 1),
	})
	f := open(t, dir)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, name := range []string{"a", "c", "d"} {
		if _, err := f.Array(name); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := f.Array("c"); !strings.Contains(err.Error(), `"c/0.0"`) {
		t.Error(err)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
		t.Errorf("%d bytes were taken", n)
	}
	small, err := zarr.Open(dir, &zarr.OpenOptions{MaxArray: 1000, MaxChunk: 1000})
	if err != nil {
		t.Fatal(err)
	}
	defer small.Close()
	if _, err := small.Stream("b", 0); err == nil {
		t.Error("b is served")
	}
}

// TestBombs unpack to more than a chunk, or less.
func TestBombs(t *testing.T) {
	for _, version := range []int{2, 3} {
		for name, o := range options() {
			if o.Version != version || o.Compression.Codec == "none" || o.ShardRows > 0 {
				continue
			}
			dir := filepath.Join(t.TempDir(), name)
			o.Chunk, o.OmitEmpty, o.Zip = 1<<20, false, false
			save(t, dir, o, samplesOf(t, 100), 1000, false, false)
			path := filepath.Join(dir, map[int]string{2: ".zarray", 3: "zarr.json"}[version])
			path = filepath.Join(filepath.Dir(path), "a", filepath.Base(path))
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, n := range []string{"99", "101", "1000"} {
				changed := bytes.ReplaceAll(text, []byte("100"), []byte(n))
				if err := os.WriteFile(path, changed, 0o666); err != nil {
					t.Fatal(err)
				}
				f := open(t, dir)
				_, err := f.Array("a")
				var format *zarr.FormatError
				if !errors.As(err, &format) || format.Array != "a" || !strings.HasPrefix(format.Part, "a/") {
					t.Errorf("%s: chunks of %s: %v", name, n, err)
				}
			}
		}
	}
}

// TestTruncated cuts every chunk, shard and ZIP file anywhere.
func TestTruncated(t *testing.T) {
	for name, o := range options() {
		o.Chunk, o.OmitEmpty, o.Zip = 100, false, o.Compression.Codec == "gzip"
		dir := filepath.Join(t.TempDir(), "s")
		save(t, dir, o, samplesOf(t, 60), 7, false, true)
		if o.Zip {
			whole, err := os.ReadFile(dir)
			if err != nil {
				t.Fatal(err)
			}
			for cut := 0; cut < len(whole); cut += 1 + cut/50 {
				if err := os.WriteFile(dir, whole[:cut], 0o666); err != nil {
					t.Fatal(err)
				}
				if f, err := zarr.Open(dir, nil); err == nil {
					f.Close()
					t.Errorf("%s: no error at %d of %d", name, cut, len(whole))
				}
			}
			continue
		}
		filepath.WalkDir(filepath.Join(dir, "a"), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.Contains(d.Name(), "z") {
				return err
			}
			whole, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for cut := 0; cut < len(whole); cut += 1 + len(whole)/30 {
				if err := os.WriteFile(path, whole[:cut], 0o666); err != nil {
					t.Fatal(err)
				}
				f, err := zarr.Open(dir, nil)
				if err != nil {
					t.Fatal(err)
				}
				rel, _ := filepath.Rel(dir, path)
				if _, err = f.Array("a"); err == nil || !strings.Contains(err.Error(), filepath.ToSlash(rel)) {
					t.Errorf("%s: %s: at %d of %d: %v", name, rel, cut, len(whole), err)
				}
				f.Close()
			}
			return os.WriteFile(path, whole, 0o666)
		})
	}
}

// TestClimbing gives names that lead out of the store.
func TestClimbing(t *testing.T) {
	outside := put(t, map[string]string{".zarray": plain2, "0.0": strings.Repeat("s", 24), "1.0": strings.Repeat("s", 24)})
	dir := put(t, map[string]string{".zgroup": `{"zarr_format":2}`, "a/.zarray": plain2})
	if err := errors.Join(os.Symlink(outside, filepath.Join(dir, "b")), os.Symlink(filepath.Join(outside, "0.0"), filepath.Join(dir, "a", "0.0"))); err != nil {
		t.Skip(err)
	}
	f := open(t, dir)
	if len(f.Members()) != 1 {
		t.Errorf("%v", f.Members())
	}
	if got, err := f.Array("a"); err == nil {
		t.Errorf("reads from outside: %q", got.Data)
	}
	path := filepath.Join(t.TempDir(), "x.zip")
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(out)
	for name, text := range map[string]string{".zgroup": `{"zarr_format":2}`, "../b/.zarray": plain2, "/c/.zarray": plain2, "a/../d/.zarray": plain2, "e/.zarray": plain2} {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, text)
	}
	if err := errors.Join(z.Close(), out.Close()); err != nil {
		t.Fatal(err)
	}
	if f := open(t, path); len(f.Members()) != 1 || f.Members()[0].Name != "e" {
		t.Errorf("%v", f.Members())
	}
}

// FuzzMetadata opens any metadata with a chunk of any bytes.
func FuzzMetadata(f *testing.F) {
	for _, text := range []string{plain2, plain3, strings.Replace(plain3, `[{"name":"bytes","configuration":{"endian":"little"}}]`, "["+sharded3+"]", 1)} {
		f.Add([]byte(text), []byte(strings.Repeat("x", 24)))
	}
	for _, name := range []string{"peers2.zip", "peers3.zip"} {
		z, err := zip.OpenReader("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		defer z.Close()
		for _, e := range z.File {
			if b := filepath.Base(e.Name); b == ".zarray" || b == "zarr.json" {
				r, err := e.Open()
				if err != nil {
					f.Fatal(err)
				}
				text, _ := io.ReadAll(r)
				f.Add(text, []byte("\x02\x01\x21\x04"))
			}
		}
	}
	f.Fuzz(func(t *testing.T, text, chunk []byte) {
		files := map[string]string{"0.0": string(chunk), "0": string(chunk), "c/0/0": string(chunk)}
		if bytes.Contains(text, []byte("node_type")) {
			files["zarr.json"] = string(text)
		} else {
			files[".zarray"] = string(text)
		}
		readAll(t, put(t, files))
	})
}

// FuzzShard reads a shard of any bytes, with the right checksum of the index.
func FuzzShard(f *testing.F) {
	for _, name := range []string{"0/0", "1/0", "2/0"} {
		b, err := os.ReadFile(formats + "zarr3/sharded.zarr/c/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	text, err := os.ReadFile(formats + "zarr3/sharded.zarr/zarr.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, shard []byte) {
		if n := 4 * 16; len(shard) >= n+4 {
			index := shard[len(shard)-n-4:]
			binary.LittleEndian.PutUint32(index[n:], crc32c(index[:n]))
		}
		readAll(t, put(t, map[string]string{"zarr.json": string(text), "c/0/0": string(shard)}))
	})
}

func crc32c(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// samplesOf is one array of n numbers.
func samplesOf(t *testing.T, n int) map[string]array.Array {
	return map[string]array.Array{"a": arange(t, n, n)}
}

// readAll reads what a store has, within narrow limits.
func readAll(t *testing.T, dir string) {
	f, err := zarr.Open(dir, &zarr.OpenOptions{MaxArray: 1 << 14, MaxChunk: 1 << 16, MaxMetadata: 1 << 16})
	if err != nil {
		return
	}
	defer f.Close()
	for _, m := range f.Members() {
		a, err := f.Array(m.Name)
		size, _ := m.Spec.Bytes()
		if err == nil && len(a.Data) != size {
			t.Fatalf("%d bytes, want %d", len(a.Data), size)
		}
		s, err2 := f.Stream(m.Name, 64)
		if err2 != nil {
			continue
		}
		var all []byte
		for {
			rows, e := s.Next()
			if e != nil {
				err2 = e
				break
			}
			all = append(all, rows.Data...)
			if len(all) > 1<<20 {
				return
			}
		}
		if err == nil && (err2 != io.EOF || !bytes.Equal(all, a.Data)) {
			t.Fatalf("stream: %d bytes, %v", len(all), err2)
		}
		s.Close()
	}
}
