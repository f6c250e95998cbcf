package mds_test

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"image/jpeg"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/pyjson"
	"github.com/betongo/betongo/record/mds"
)

const golden = "../../testdata/records/mds"

func readFile(t testing.TB, names ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(append([]string{golden}, names...)...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func index(t testing.TB, name string) []mds.Shard {
	t.Helper()
	shards, err := mds.ParseIndex(readFile(t, name, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	return shards
}

// rows returns the values of all samples of a shard.
func rows(s *mds.Shard, b []byte) ([][][]byte, error) {
	table, err := s.Table(b[:min(int64(len(b)), s.TableSize())], int64(len(b)))
	if err != nil {
		return nil, err
	}
	var list [][][]byte
	for i := range s.Samples {
		off, n := table.Span(i)
		values, err := s.Values(nil, b[off:off+n])
		if err != nil {
			return nil, fmt.Errorf("sample %d: %w", i, err)
		}
		list = append(list, values)
	}
	return list, nil
}

// plain is a value as plain.json tells it. Of JPEGs' and PNGs' pixels it tells
// nothing: whether they decode alike is not this room's.
func plain(t *testing.T, v any) any {
	b64 := func(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
	switch v := v.(type) {
	case []byte:
		if _, err := jpeg.DecodeConfig(bytes.NewReader(v)); err == nil {
			return "image"
		}
		if _, err := png.DecodeConfig(bytes.NewReader(v)); err == nil {
			return "image"
		}
		return map[string]any{"bytes": b64(v)}
	case float64:
		text, err := pyjson.Append(nil, v, 0)
		if err != nil {
			t.Fatal(err)
		}
		return strings.NewReplacer("Infinity", "inf", "NaN", "nan").Replace(string(text))
	case int64:
		return json.Number(strconv.FormatInt(v, 10))
	case uint64:
		return json.Number(strconv.FormatUint(v, 10))
	case json.RawMessage:
		x, err := pyjson.Parse(v, &pyjson.Options{Number: func(s string) any { return json.Number(s) }})
		if err != nil {
			t.Fatal(err)
		}
		return x
	case array.Array:
		shape := []any{}
		for _, n := range v.Shape {
			shape = append(shape, json.Number(strconv.Itoa(n)))
		}
		return map[string]any{"dtype": v.DType.String(), "shape": shape, "data": b64(v.Data)}
	case mds.Picture:
		if v.Mode == "RGB" {
			return map[string]any{"mode": v.Mode, "size": []any{json.Number(strconv.Itoa(v.Width)), json.Number(strconv.Itoa(v.Height))}, "rgb": b64(v.Pixels)}
		}
		return v.Mode
	case [][]byte:
		list := []any{}
		for _, b := range v {
			list = append(list, plain(t, b))
		}
		return list
	case []mds.Picture:
		list := []any{}
		for _, p := range v {
			list = append(list, plain(t, p))
		}
		return list
	}
	return v
}

// lessened is what plain tells, of what plain.json does.
func lessened(want, got any) any {
	switch got := got.(type) {
	case string:
		if m, ok := want.(map[string]any); ok && m["mode"] != nil && (got == "image" || got == m["mode"]) {
			return got
		}
	case []any:
		if list, ok := want.([]any); ok && len(list) == len(got) {
			for i := range list {
				list[i] = lessened(list[i], got[i])
			}
		}
	}
	return want
}

// Every encoding is read as MosaicML Streaming reads it.
func TestGoldens(t *testing.T) {
	shards := index(t, "all")
	b := readFile(t, "all", shards[0].Raw.Name)
	list, err := rows(&shards[0], b)
	if err != nil {
		t.Fatal(err)
	}
	var told []map[string]any
	d := json.NewDecoder(bytes.NewReader(readFile(t, "plain.json")))
	d.UseNumber()
	if err := d.Decode(&told); err != nil {
		t.Fatal(err)
	}
	if len(shards) != 1 || len(list) != len(told) || len(list) == 0 {
		t.Fatalf("got %d shards, %d samples, want %d", len(shards), len(list), len(told))
	}
	for i, values := range list {
		for k, c := range shards[0].Columns {
			v, err := shards[0].Encodings[k].Decode(values[k])
			if err != nil {
				t.Errorf("sample %d: column %s: %v", i, c.Name, err)
				continue
			}
			got := plain(t, v)
			if want := lessened(told[i][c.Name], got); !reflect.DeepEqual(got, want) {
				t.Errorf("sample %d: column %s: got %v, want %v", i, c.Name, got, want)
			}
			// What is read is written as it was.
			again, err := mds.AppendValue(nil, c.Encoding, v)
			if strings.Contains(c.Encoding, "pil") {
				continue
			}
			if err != nil || !bytes.Equal(again, values[k]) {
				t.Errorf("sample %d: column %s: written again it is %x, %v, want %x", i, c.Name, again, err, values[k])
			}
		}
	}
}

// A shard that is written again, and its index, are what MosaicML Streaming wrote,
// to the byte.
func TestWriterGolden(t *testing.T) {
	shards := index(t, "all")
	want := readFile(t, "all", shards[0].Raw.Name)
	list, err := rows(&shards[0], want)
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	w, err := mds.NewWriter(&got, shards[0].Columns)
	if err != nil {
		t.Fatal(err)
	}
	for _, values := range list {
		if err := w.Write(values); err != nil {
			t.Fatal(err)
		}
	}
	info, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("got %q\nwant %q", got.Bytes(), want)
	}
	info.Name = shards[0].Raw.Name
	text, err := mds.Index([]mds.ShardInfo{info})
	if err != nil {
		t.Fatal(err)
	}
	if want := readFile(t, "all", "index.json"); !bytes.Equal(text, want) {
		t.Errorf("index: got %s\nwant %s", text, want)
	}
	text, err = mds.Index(nil)
	if want := readFile(t, "empty", "index.json"); err != nil || !bytes.Equal(text, want) {
		t.Errorf("index of nothing: got %s, %v\nwant %s", text, err, want)
	}
}

func TestUnpack(t *testing.T) {
	for _, how := range []string{"zstd", "gz", "br", "bz2", "snappy"} {
		shards, raw := index(t, "photos_"+how), index(t, "photos")
		if len(shards) != len(raw) || len(shards) < 2 {
			t.Fatalf("%s: %d shards, and %d unpacked", how, len(shards), len(raw))
		}
		for i := range shards {
			s := &shards[i]
			if s.Compression != how {
				t.Errorf("%s: compression %q", how, s.Compression)
			}
			packed := readFile(t, "photos_"+how, s.Zip.Name)
			name, sum := s.Zip.NewHash()
			if sum == nil {
				t.Fatalf("%s: no hash", how)
			}
			sum.Write(packed)
			if err := s.Zip.CheckHash(name, sum); err != nil {
				t.Errorf("%s: %v", how, err)
			}
			var got bytes.Buffer
			if err := s.Unpack(&got, bytes.NewReader(packed)); err != nil {
				t.Errorf("%s: %v", how, err)
			}
			// The config in it names the compression, so that it is not that of photos.
			want, err := rows(&raw[i], readFile(t, "photos", raw[i].Raw.Name))
			if err != nil {
				t.Fatal(err)
			}
			list, err := rows(s, got.Bytes())
			if err != nil || !reflect.DeepEqual(list, want) {
				t.Errorf("%s: shard %d: other samples, %v", how, i, err)
			}
			for n := 0; n < len(packed); n += 1 + len(packed)/97 {
				if err := s.Unpack(&got, bytes.NewReader(packed[:n])); err == nil {
					t.Errorf("%s: %d of %d bytes unpack", how, n, len(packed))
				}
			}
			flipped := bytes.Clone(packed)
			flipped[len(flipped)/2] ^= 1
			if err := s.Unpack(&got, bytes.NewReader(flipped)); err == nil {
				t.Errorf("%s: a changed bit, and no error", how)
			}
			short := *s
			short.Raw.Size--
			if err := short.Unpack(&got, bytes.NewReader(packed)); err == nil || !strings.Contains(err.Error(), "the index says") {
				t.Errorf("%s: more than the index says: got %v", how, err)
			}
		}
	}
}

// Every hash that is known is the one that Python has.
func TestHash(t *testing.T) {
	for name, want := range map[string]string{
		"xxh64": "44bc2cf5ad770999", "xxh3_64": "78af5f94892f3950", "xxh128": "06b05ab6733a618578af5f94892f3950", "xxh3_128": "06b05ab6733a618578af5f94892f3950",
		"md5": "900150983cd24fb0d6963f7d28e17f72", "sha1": "a9993e364706816aba3e25717850c26c9cd0d89d",
		"sha256":   "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
		"sha3_256": "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532",
	} {
		f := mds.File{Hashes: map[string]string{name: want, "unknown": "x"}}
		used, h := f.NewHash()
		if used != name {
			t.Errorf("%s: got %q", name, used)
			continue
		}
		h.Write([]byte("abc"))
		if err := f.CheckHash(name, h); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		h.Write([]byte("d"))
		if err := f.CheckHash(name, h); err == nil {
			t.Errorf("%s of other bytes: no error", name)
		}
		if len(h.Sum(nil)) != h.Size() || len(want) != 2*h.Size() {
			t.Errorf("%s: Size %d", name, h.Size())
		}
	}
	none := mds.File{Hashes: map[string]string{"xxh32": "32d153ff"}}
	if _, h := none.NewHash(); h != nil {
		t.Error("a hash that is not known")
	}
}

func TestPickled(t *testing.T) {
	shards := index(t, "pickled")
	list, err := rows(&shards[0], readFile(t, "pickled", shards[0].Raw.Name))
	if err != nil {
		t.Fatal(err)
	}
	for k, c := range shards[0].Columns {
		_, err := shards[0].Encodings[k].Decode(list[0][k])
		if errors.Is(err, mds.ErrPickled) != (c.Name == "extra") {
			t.Errorf("column %s: %v", c.Name, err)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	u32 := func(list ...uint32) (b []byte) {
		for _, n := range list {
			b = binary.LittleEndian.AppendUint32(b, n)
		}
		return b
	}
	for _, test := range []struct {
		encoding string
		b        []byte
	}{
		{"int", make([]byte, 7)}, {"int", nil}, {"float16", make([]byte, 3)}, {"str", []byte("\xff")}, {"str_int", []byte("1.5")},
		{"str_int", []byte("9223372036854775808")}, {"str_float", []byte("x")}, {"str_float", []byte("1e999")}, {"str_decimal", []byte("x")},
		{"str_decimal", []byte(strings.Repeat("1", 5000))},
		{"ndarray", nil}, {"ndarray", []byte{8}}, {"ndarray", []byte{7, 4, 1, 0}}, {"ndarray", []byte{8, 4, 2, 0}}, {"ndarray", []byte{8, 4, 1, 0, 0}},
		{"ndarray", []byte{8, 4<<2 | 3, 1}}, {"ndarray:uint8", []byte{1<<2 | 3, 255, 255, 255, 255, 255, 255, 255, 255}},
		{"ndarray:uint8", append([]byte{2<<2 | 2}, u32(math.MaxUint32, math.MaxUint32)...)}, {"ndarray:uint8:2", []byte{1}},
		{"pil", nil}, {"pil", u32(1, 1, 1)}, {"pil", append(u32(1, 1, 1), 'X', 0)}, {"pil", append(u32(2, 1, 1), 'L', 0)}, {"pil", u32(1, 1, math.MaxUint32)},
		{"pil", append(u32(math.MaxUint32, math.MaxUint32, 1), 'L')}, {"pil", append(u32(9, 1, 1), '1', 0)},
		{"jpegarray", nil}, {"jpegarray", u32(1)}, {"jpegarray", u32(1, 1)}, {"jpegarray", append(u32(1, 1), 0, 0)}, {"jpegarray", u32(math.MaxUint32)},
		{"list[jpeg]", u32(0)}, {"list[pil]", append(u32(0, 1, 1), 0)},
	} {
		e, err := mds.ParseEncoding(test.encoding)
		if err != nil {
			t.Fatal(err)
		}
		if v, err := e.Decode(test.b); err == nil || v != nil {
			t.Errorf("%s of %x: got %v, %v", test.encoding, test.b, v, err)
		}
	}
}

// A shard that is cut, or whose table says something else, is an error.
func TestCut(t *testing.T) {
	shards := index(t, "photos")
	s := &shards[0]
	b := readFile(t, "photos", s.Raw.Name)
	for n := range len(b) {
		if _, err := rows(s, b[:n]); err == nil {
			t.Fatalf("%d of %d bytes: no error", n, len(b))
		}
	}
	for at := 0; at < int(s.TableSize()); at++ {
		broken := bytes.Clone(b)
		broken[at] ^= 0x40
		if _, err := rows(s, broken); err == nil {
			t.Errorf("byte %d of the table changed: no error", at)
		}
	}
	table, err := s.Table(b[:s.TableSize()], int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	off, n := table.Span(0)
	sample := b[off : off+n]
	for k := range sample {
		if _, err := s.Values(nil, sample[:k]); err == nil {
			t.Errorf("%d of %d bytes of a sample: no error", k, n)
		}
	}
	if _, err := s.Values(nil, append(bytes.Clone(sample), 0)); err == nil {
		t.Error("a byte behind the sample: no error")
	}
}

func TestParseIndexRefuses(t *testing.T) {
	good := string(readFile(t, "photos_zstd", "index.json"))
	for _, test := range []struct{ old, new, want string }{
		{good, "", "JSON"},
		{good, "[]", "cannot unmarshal"},
		{good, "{}", "expected the index.json"},
		{`"version": 2}`, `"version": 3}`, "version 3"},
		{`"format": "mds"`, `"format": "csv"`, `format "csv"`},
		{`"version": 2, "zip_data"`, `"version": 1, "zip_data"`, "version 1"},
		{`"shard.00000.mds"`, `"../shard.00000.mds"`, "beside the index"},
		{`"shard.00000.mds.zstd"`, `"/shard"`, "beside the index"},
		{`"compression": "zstd"`, `"compression": "lzma"`, `compression "lzma"`},
		{`"compression": "zstd"`, `"compression": null`, "no compression"},
		{`"samples": 7`, `"samples": -7`, "-7 samples"},
		{`"samples": 7`, `"samples": 5000000000`, "5000000000 samples"},
		{`"bytes": 5446`, `"bytes": -1`, "-1 bytes"},
		{`"bytes": 5446`, `"bytes": 99999999999`, "at most 4294967295"},
		{`"raw_data": {`, `"raw_dato": {`, "no raw_data"},
		{`["str", "jpeg", "int", "str"]`, `["str", "jpeg", "int"]`, "3 encodings"},
		{`["str", "jpeg", "int", "str"]`, `["str", "jpeg", "int", "x"]`, `encoding "x"`},
		{`["filename", "image", "label", "split"]`, `["filename", "image", "label", "image"]`, `called "image"`},
		{`[null, null, 8, null]`, `[null, null, 4, null]`, "values of 4 bytes"},
		{`[null, null, 8, null]`, `[null, null, null, null]`, "encoding int has 8"},
	} {
		text := strings.Replace(good, test.old, test.new, 1)
		if text == good {
			t.Fatalf("%q is not in the index", test.old)
		}
		shards, err := mds.ParseIndex([]byte(text))
		if err == nil || shards != nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", test.new, err, test.want)
		}
	}
	for n := range len(good) {
		if _, err := mds.ParseIndex([]byte(good[:n])); err == nil {
			t.Fatalf("%d of %d bytes: no error", n, len(good))
		}
	}
}

func FuzzShard(f *testing.F) {
	for _, name := range []string{"photos", "all"} {
		shards := index(f, name)
		b := readFile(f, name, shards[0].Raw.Name)
		f.Add(uint32(shards[0].Samples), b[:min(len(b), 4000)])
	}
	text := readFile(f, "all", "index.json")
	f.Fuzz(func(t *testing.T, samples uint32, b []byte) {
		shards, err := mds.ParseIndex(text)
		if err != nil {
			t.Fatal(err)
		}
		s := &shards[0]
		s.Samples, s.Raw.Size = int(samples%64), int64(len(b))
		list, err := rows(s, b)
		if err != nil {
			return
		}
		for _, values := range list {
			for k, e := range s.Encodings {
				e.Decode(values[k])
			}
		}
	})
}

func FuzzDecode(f *testing.F) {
	shards := index(f, "all")
	list, err := rows(&shards[0], readFile(f, "all", shards[0].Raw.Name))
	if err != nil {
		f.Fatal(err)
	}
	for k, c := range shards[0].Columns {
		f.Add(c.Encoding, list[1][k])
	}
	f.Fuzz(func(t *testing.T, encoding string, b []byte) {
		e, err := mds.ParseEncoding(encoding)
		if err != nil {
			return
		}
		v, err := e.Decode(b)
		if err != nil || e.Kind == mds.KindDigits || e.Kind == mds.KindJSON || strings.Contains(encoding, "pil") {
			return
		}
		if a, ok := v.(array.Array); ok && (len(a.Data) == 0 || len(a.Shape) == 0) {
			return
		}
		out, err := mds.AppendValue(nil, encoding, v)
		if err != nil {
			t.Fatalf("%v is not written: %v", v, err)
		}
		again, err := e.Decode(out)
		if err != nil || fmt.Sprint(again) != fmt.Sprint(v) {
			t.Fatalf("got %v, %v, want %v (%s)", again, err, v, hex.EncodeToString(b))
		}
	})
}

func FuzzIndex(f *testing.F) {
	for _, name := range []string{"photos_zstd", "all", "empty"} {
		f.Add(readFile(f, name, "index.json"))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		shards, err := mds.ParseIndex(text)
		if err != nil && shards != nil {
			t.Fatal("shards and an error")
		}
		for i := range shards {
			shards[i].TableSize()
		}
	})
}

// A sample of a whole shard is what its table tells; a table that is broken there is
// an error.
func TestSample(t *testing.T) {
	shards := index(t, "photos")
	s := &shards[0]
	b := readFile(t, "photos", s.Raw.Name)
	table, err := s.Table(b[:s.TableSize()], int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	for i := range s.Samples {
		off, n := table.Span(i)
		got, err := s.Sample(b, i)
		if err != nil || !bytes.Equal(got, b[off:off+n]) {
			t.Errorf("sample %d: got %d bytes, %v, want %d", i, len(got), err, n)
		}
		for at := 4 + 4*i; at < 12+4*i; at++ {
			broken := bytes.Clone(b)
			broken[at] ^= 0x80
			if got, err := s.Sample(broken, i); err == nil && at%4 > 1 {
				t.Errorf("sample %d: byte %d of the table changed: %d bytes and no error", i, at, len(got))
			}
		}
	}
	for _, i := range []int{-1, s.Samples} {
		if _, err := s.Sample(b, i); err == nil {
			t.Errorf("sample %d: no error", i)
		}
	}
	for n := range len(b) {
		if _, err := s.Sample(b[:n], 0); err == nil {
			t.Fatalf("of %d of %d bytes: no error", n, len(b))
		}
	}
	b[0]++
	if _, err := s.Sample(b, 0); err == nil {
		t.Error("another number of samples: no error")
	}
}

// A few bytes of snappy that tell of 4 GiB take no memory.
func TestUnpackLying(t *testing.T) {
	s := index(t, "photos_snappy")[0]
	s.Raw.Size = 1<<32 - 1
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := s.Unpack(io.Discard, strings.NewReader("\xff\xff\xff\xff\x0fabcdef"))
	runtime.ReadMemStats(&after)
	if err == nil || !strings.Contains(err.Error(), "say to hold 4294967295") || after.TotalAlloc-before.TotalAlloc > 1<<20 {
		t.Errorf("got %v with %d bytes; want an error without any", err, after.TotalAlloc-before.TotalAlloc)
	}
}
