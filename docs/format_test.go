package docs_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/source"
)

// spec is format.md, to be read by.
type spec struct {
	t    *testing.T
	text string
}

func openSpec(t *testing.T) *spec {
	t.Helper()
	text, err := os.ReadFile("format.md")
	if err != nil {
		t.Fatal(err)
	}
	return &spec{t, string(text)}
}

// place is a line of a table: what lies where.
type place struct {
	offset, size int
	name         string
}

var widths = map[string]int{"u8": 1, "u16": 2, "u32": 4, "u64": 8, "i64": 8, "f64": 8}

// rows returns the cells of the first table behind a text, by the titles of their
// columns.
func (s *spec) rows(behind string) []map[string]string {
	s.t.Helper()
	_, rest, ok := strings.Cut(s.text, behind)
	if !ok {
		s.t.Fatalf("format.md: nothing reads %q", behind)
	}
	var titles []string
	var list []map[string]string
	for line := range strings.Lines(rest) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") {
			if titles != nil {
				break
			}
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.Trim(strings.TrimSpace(cells[i]), "`")
		}
		switch {
		case titles == nil:
			titles = cells
		case strings.HasPrefix(cells[0], "--"):
		default:
			row := map[string]string{}
			for i, c := range cells {
				row[titles[i]] = c
			}
			list = append(list, row)
		}
	}
	return list
}

// places returns the lines of a table that have a number for an offset. They
// follow each other without a gap.
func (s *spec) places(behind string) map[string]place {
	s.t.Helper()
	all, next := map[string]place{}, 0
	for _, row := range s.rows(behind) {
		offset, err := strconv.Atoi(row["offset"])
		if err != nil {
			break // what lies behind something of no fixed size
		}
		if offset != next {
			s.t.Errorf("format.md, behind %q: something at %d, where %d is next", behind, offset, next)
		}
		size, ok := widths[row["type"]]
		if !ok {
			if size, err = strconv.Atoi(row["size"]); err != nil {
				if m := regexp.MustCompile(`^(\d+) · (\d+)$`).FindStringSubmatch(row["size"]); m != nil {
					a, _ := strconv.Atoi(m[1])
					b, _ := strconv.Atoi(m[2])
					size = a * b
				}
			}
		}
		name := row["name"]
		if name == "" {
			name = row["meaning"]
		}
		if name == "" {
			name = row["what"]
		}
		all[name] = place{offset, size, name}
		next = offset + size
		if size == 0 {
			break
		}
	}
	if len(all) < 2 {
		s.t.Fatalf("format.md: no table behind %q", behind)
	}
	return all
}

// end is where a table's last fixed part ends.
func end(places map[string]place) (at int) {
	for _, p := range places {
		at = max(at, p.offset+p.size)
	}
	return at
}

// number reads the little-endian number at a place whose name begins so.
func (s *spec) number(b []byte, base int, places map[string]place, name string) uint64 {
	s.t.Helper()
	for n, p := range places {
		if strings.HasPrefix(n, name) {
			var wide [8]byte
			copy(wide[:], b[base+p.offset:][:p.size])
			return binary.LittleEndian.Uint64(wide[:])
		}
	}
	s.t.Fatalf("format.md tells nothing of %q", name)
	return 0
}

// TestFormatSizes: what the tables add up to, and the limits that stand in the
// text, are the code's.
func TestFormatSizes(t *testing.T) {
	s := openSpec(t)
	for behind, want := range map[string]int{
		"## Header": ffcv.HeaderSize, "## Field descriptors": 1041, "## Allocation table": 24, "### Section\n": 16, "### Trailer": 64,
		"### `SEAL`": 64, "### `MARK`": 16, "## Side file of marks": 64, "### `SUMS`": 32,
		"**Image** is another": 21, "**NDArray, TorchTensor.** Arguments": 264,
	} {
		if got := end(s.places(behind)); got != want {
			t.Errorf("the table behind %q ends at %d, want %d", behind, got, want)
		}
	}
	for _, said := range []string{"1041 bytes each", fmt.Sprintf("1 to %d |", ffcv.MaxFields), "64 bytes at A − 64"} {
		if !strings.Contains(s.text, said) {
			t.Errorf("format.md doesn't say %q", said)
		}
	}
	if ffcv.MinPageSize != 2<<20 || ffcv.Version != 2 {
		t.Errorf("pages of %d, version %d: format.md says 2 MiB, and 2", ffcv.MinPageSize, ffcv.Version)
	}
}

// member is what the table of metadata says of a field.
func (s *spec) member(name string) (size, align int) {
	s.t.Helper()
	for _, row := range s.rows("- padding is zero, and readers ignore it.") {
		if slices.Contains(strings.Split(row["field"], ", "), name) {
			size, err := strconv.Atoi(row["size"])
			align, err2 := strconv.Atoi(row["alignment"])
			if err != nil || err2 != nil {
				s.t.Fatalf("format.md: %s has %q, %q", name, row["size"], row["alignment"])
			}
			return size, align
		}
	}
	s.t.Fatalf("format.md: no size of %s's metadata", name)
	return 0, 0
}

// layout places members as the text has it.
func (s *spec) layout(names []string) (offsets []int, row int) {
	most := 1
	up := func(n, to int) int { return (n + to - 1) / to * to }
	for _, name := range names {
		size, align := s.member(name)
		at := up(row, align)
		offsets, row, most = append(offsets, at), at+size, max(most, align)
	}
	return offsets, up(row, most)
}

var builtin = map[string]fields.Field{
	"Float": fields.Float{}, "Int": fields.Int{}, "RGBImage": fields.RGBImage{}, "Bytes": fields.Bytes{}, "JSON": fields.JSON{},
	"NDArray":     fields.NDArray{DType: array.Float32, Shape: []int{3, 2}},
	"TorchTensor": fields.TorchTensor{DType: array.Float32, Shape: []int{3, 2}},
}

// TestFormatRows: rows as the text places their members are those of files, and
// so are the worked examples.
func TestFormatRows(t *testing.T) {
	s := openSpec(t)
	examples := 0
	for _, row := range s.rows("Worked examples (offsets; R)") {
		names := strings.Split(row["fields"], ", ")
		if strings.Contains(row["fields"], "custom") {
			continue // by the reader's word: TestFormatFile of no file
		}
		examples++
		offsets, size := s.layout(names)
		said := strings.Trim(fmt.Sprint(offsets), "[]")
		if want := strings.ReplaceAll(row["offsets"], ",", ""); said != want || strconv.Itoa(size) != row["R"] {
			t.Errorf("%s: the rules give %s; %d, the example says %s; %s", row["fields"], said, size, want, row["R"])
		}
		var specs []ffcv.FieldSpec
		for i, n := range names {
			specs = append(specs, ffcv.FieldSpec{Name: fmt.Sprint("f", i), Field: builtin[n]})
		}
		f := write(t, specs, none{}, nil)
		if f.RowSize() != size {
			t.Errorf("%s: rows of %d bytes, format.md says %d", row["fields"], f.RowSize(), size)
		}
		for i, d := range f.Fields() {
			if d.Offset != offsets[i] {
				t.Errorf("%s: member %d at %d, format.md says %d", row["fields"], i, d.Offset, offsets[i])
			}
		}
	}
	if examples < 6 {
		t.Errorf("%d examples were found, too few", examples)
	}
}

type none struct{}

func (none) Len() int                                               { return 0 }
func (none) Sample(_ context.Context, _ int) ([]any, string, error) { return nil, "", nil }

// write writes a dataset and opens the file.
func write(t *testing.T, specs []ffcv.FieldSpec, ds ffcv.Dataset, opts *ffcv.Options) *ffcv.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.beton")
	w, err := ffcv.Create(path, specs, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := w.WriteDataset(t.Context(), ds, nil); err != nil {
		t.Fatal(err)
	}
	f, err := ffcv.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// TestFormatFile reads a file by the document's tables and rules alone, and gets
// what was written.
func TestFormatFile(t *testing.T) {
	s := openSpec(t)
	photos, err := source.OpenFolder(t.Context(), "../testdata/photos", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer photos.Close()
	ds := every{photos}
	names := []string{"Int", "RGBImage", "Float", "Bytes", "NDArray", "JSON", "TorchTensor"}
	var specs []ffcv.FieldSpec
	for _, n := range names {
		specs = append(specs, ffcv.FieldSpec{Name: "the_" + n, Field: builtin[n]})
	}
	f := write(t, specs, ds, &ffcv.Options{Classes: photos.Classes(), PageSize: 2 << 20})
	b, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	head := s.places("## Header")
	table := int(s.number(b, 0, head, "alloc_table_ptr"))
	for name, want := range map[string]uint64{"version": 2, "num_fields": uint64(len(names)), "page_size": 2 << 20, "num_samples": uint64(ds.Len()), "alloc_table_ptr": f.Header().AllocTable} {
		if got := s.number(b, 0, head, name); got != want {
			t.Errorf("header: %s is %d, want %d", name, got, want)
		}
	}
	desc := s.places("## Field descriptors")
	ids := map[string]string{}
	members := map[string]string{}
	for _, row := range s.rows("## Fields") {
		ids[row["field"]], members[row["field"]] = row["id"], row["member"]
	}
	for i, n := range names {
		at := ffcv.HeaderSize + i*end(desc)
		name, _, _ := strings.Cut(string(b[at+desc["name"].offset:][:desc["name"].size]), "\x00")
		if id := fmt.Sprint(b[at+desc["type"].offset]); name != "the_"+n || id != ids[n] {
			t.Errorf("descriptor %d: %q of type %s, want %q of %s", i, name, id, "the_"+n, ids[n])
		}
	}
	entries := s.entries(b[table:])
	offsets, size := s.layout(names)
	meta := ffcv.HeaderSize + len(names)*end(desc)
	for i := range ds.Len() {
		values, _, err := ds.Sample(t.Context(), i)
		if err != nil {
			t.Fatal(err)
		}
		for k, n := range names {
			what := fmt.Sprintf("sample %d, %s", i, n)
			s.value(what, n, members, b, meta+i*size+offsets[k], values[k], uint64(i), entries)
		}
	}
	s.extension(b, table, meta, size, ds.Len(), photos.Classes(), f)
}

// every has a value of each kind for each photograph.
type every struct{ photos *source.Folder }

func (d every) Len() int { return d.photos.Len() }

func (d every) Sample(ctx context.Context, i int) ([]any, string, error) {
	v, key, err := d.photos.Sample(ctx, i)
	if err != nil {
		return nil, "", err
	}
	photo, err := os.ReadFile(filepath.Join("../testdata/photos", filepath.FromSlash(key)))
	if err != nil {
		return nil, "", err
	}
	x, err := array.Of([]float32{float32(i), 1, 2, 3, 4, 5}, 3, 2)
	if err != nil {
		return nil, "", err
	}
	return []any{v[1], photo, float64(i) / 3, bytes.Repeat([]byte{byte(i)}, i), x, map[string]any{"i": i}, x}, key, nil
}

type entry struct{ sample, ptr uint64 }

// entries reads the allocation table.
func (s *spec) entries(b []byte) map[entry]uint64 {
	places := s.places("## Allocation table")
	all := map[entry]uint64{}
	for at := 0; at+end(places) <= len(b); at += end(places) {
		all[entry{s.number(b, at, places, "sample_id"), s.number(b, at, places, "ptr")}] = s.number(b, at, places, "size")
	}
	return all
}

var part = regexp.MustCompile(`(\w+) (u8|u16|u64)`)

// value compares a value as the document finds it with what was written.
func (s *spec) value(what, kind string, members map[string]string, b []byte, at int, want any, sample uint64, entries map[entry]uint64) {
	s.t.Helper()
	member := members[kind]
	if member == "as NDArray" {
		member = members["NDArray"]
	}
	if !strings.Contains(member, "{") && !strings.Contains(member, "ptr") {
		word := binary.LittleEndian.Uint64(b[at:])
		got := map[string]string{"f64": fmt.Sprint(math.Float64frombits(word)), "i64": fmt.Sprint(int64(word))}[member]
		if got != fmt.Sprint(want) {
			s.t.Errorf("%s: %s, want %v", what, got, want)
		}
		return
	}
	parts := part.FindAllStringSubmatch(member, -1)
	if len(parts) == 0 {
		parts = [][]string{{"", "ptr", "u64"}}
	}
	places, next := map[string]place{}, 0
	for _, p := range parts {
		places[p[1]] = place{next, widths[p[2]], p[1]}
		next += widths[p[2]]
	}
	ptr := s.number(b, at, places, "ptr")
	size, ok := entries[entry{sample, ptr}]
	if !ok {
		s.t.Errorf("%s: no entry in the allocation table for pointer %d", what, ptr)
		return
	}
	region := b[ptr:][:size]
	var stored []byte
	switch v := want.(type) {
	case []byte:
		stored = v
	case array.Array:
		stored = v.Data
	case map[string]any:
		stored = fmt.Appendf(nil, "{\"i\": %v}\x00", v["i"])
	}
	if kind == "RGBImage" && s.number(b, at, places, "mode") != 0 {
		s.t.Errorf("%s: mode %d, want 0, a JPEG", what, s.number(b, at, places, "mode"))
	}
	if !bytes.Equal(region, stored) {
		s.t.Errorf("%s: %d bytes at %d, want %d others", what, len(region), ptr, len(stored))
	}
}

// extension reads the block between pages and table.
func (s *spec) extension(b []byte, table, meta, row, samples int, classes []string, f *ffcv.File) {
	s.t.Helper()
	castagnoli := crc32.MakeTable(crc32.Castagnoli)
	trailer := s.places("### Trailer")
	at := table - end(trailer)
	magic := s.rows("### Trailer")[0]["meaning"]
	if got := fmt.Sprintf("% x", b[at:at+8]); got != magic {
		s.t.Fatalf("trailer: magic %s, format.md says %s", got, magic)
	}
	if sum := crc32.Checksum(b[at:at+60], castagnoli); uint64(sum) != s.number(b, at, trailer, "own checksum") {
		s.t.Error("trailer: its own checksum is another")
	}
	from, length := int(s.number(b, at, trailer, "offset")), int(s.number(b, at, trailer, "length"))
	if from+length != at || from%8 != 0 {
		s.t.Errorf("trailer: %d bytes from %d, want up to %d, from a multiple of 8", length, from, at)
	}
	if sum := crc32.Checksum(b[from:at], castagnoli); uint64(sum) != s.number(b, at, trailer, "checksum") {
		s.t.Error("trailer: the sections' checksum is another")
	}
	section := s.places("### Section\n")
	payloads := map[string][]byte{}
	for from < at {
		n := int(s.number(b, from, section, "length"))
		tag := string(b[from:][:4])
		payloads[tag] = b[from+end(section):][:n]
		if !strings.Contains(s.text, "### `"+tag+"`") {
			s.t.Errorf("section %s: format.md doesn't tell of it", tag)
		}
		from += end(section) + (n+7)/8*8
	}
	for _, tag := range []string{"CLAS", "NAME", "NIDX", "SUMS", "MARK"} {
		if payloads[tag] == nil {
			s.t.Fatalf("no section %s: there are %q", tag, slices.Collect(maps.Keys(payloads)))
		}
	}
	// CLAS
	var got []string
	for p := payloads["CLAS"][4:]; len(p) > 0; {
		n := binary.LittleEndian.Uint32(p)
		got, p = append(got, string(p[4:4+n])), p[4+n:]
	}
	if !slices.Equal(got, classes) {
		s.t.Errorf("CLAS: %q, want %q", got, classes)
	}
	// NAME and NIDX
	names, slots := payloads["NAME"], payloads["NIDX"]
	index := names[8 : 8+8*(samples+1)]
	for i := range samples {
		lo, hi := binary.LittleEndian.Uint64(index[8*i:]), binary.LittleEndian.Uint64(index[8*i+8:])
		name := names[8+len(index):][lo:hi]
		if want, err := f.Key(i); err != nil || string(name) != want {
			s.t.Fatalf("NAME: sample %d is %q, want %q (%v)", i, name, want, err)
		}
		hash, count := nameHash(name), uint64(len(slots)/8)
		for slot := hash % count; ; slot = (slot + 1) % count {
			word := binary.LittleEndian.Uint64(slots[8*slot:])
			if word == 0 {
				s.t.Fatalf("NIDX: %q is not found", name)
			}
			if word&(1<<40-1) == uint64(i)+1 && word>>40 == hash>>40 {
				break
			}
		}
	}
	for text, hash := range map[string]string{"": "efd01f60ba992926", "a": "82a2a958a9bece5b"} {
		if got := fmt.Sprintf("%016x", nameHash([]byte(text))); got != hash || !strings.Contains(s.text, hash) {
			s.t.Errorf("the hash of %q is %s, format.md says %s", text, got, hash)
		}
	}
	// SUMS
	sums := s.places("### `SUMS`")
	p := payloads["SUMS"]
	if got := s.number(p, 0, sums, "samples"); got != uint64(samples) {
		s.t.Errorf("SUMS: %d samples, want %d", got, samples)
	}
	if got := s.number(p, 0, sums, "sum of header"); uint64(crc32.Checksum(b[:meta], castagnoli)) != got {
		s.t.Error("SUMS: that of header and descriptors is another")
	}
	run := int(s.number(p, 0, sums, "rows with one sum"))
	first := crc32.Checksum(b[meta:][:min(run, samples)*row], castagnoli)
	if got := binary.LittleEndian.Uint32(p[end(sums):]); got != first {
		s.t.Errorf("SUMS: that of the first %d rows is %08x, want %08x", run, got, first)
	}
}

// nameHash is the hash of NIDX, as the text has it.
func nameHash(name []byte) uint64 {
	h := uint64(0xcbf29ce484222325)
	for _, c := range name {
		h = (h ^ uint64(c)) * 0x100000001b3
	}
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
