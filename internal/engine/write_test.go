//go:build linux

package engine_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/leak"
	"github.com/betongo/betongo/rgb"
)

// entry is a value of a part.
type entry struct {
	form, a, b, c uint32
	data          []byte
}

// rowsOf packs rows of (int, float, bytes, picture) as a client does.
func rowsOf(first, n int, values []byte, off int) (columns, blob []byte) {
	var ints, floats, data, pictures []byte
	le := binary.LittleEndian
	add := func(column []byte, e entry) []byte {
		for _, v := range []uint32{e.form, e.a, e.b, e.c} {
			column = le.AppendUint32(column, v)
		}
		column = le.AppendUint64(column, uint64(off+len(values)))
		values = append(values, e.data...)
		return le.AppendUint64(column, uint64(len(e.data)))
	}
	for i := first; i < first+n; i++ {
		ints = le.AppendUint64(ints, uint64(int64(-i)))
		floats = le.AppendUint64(floats, math.Float64bits(float64(i)/8))
		data = add(data, entry{data: blobOf(i)})
		img := pictureOf(i)
		pictures = add(pictures, entry{form: 1, a: uint32(img.Height), b: uint32(img.Width), c: 3, data: img.Pix})
	}
	return append(append(append(ints, floats...), data...), pictures...), values
}

func blobOf(i int) []byte { return bytes.Repeat([]byte{byte(i)}, i*37%3000) }

func pictureOf(i int) rgb.Image {
	img := rgb.Image{Width: 5 + i%40, Height: 3 + i%30}
	for k := range 3 * img.Width * img.Height {
		img.Pix = append(img.Pix, byte(k*i))
	}
	return img
}

var fourFields = []object{
	{"name": "i", "kind": "int"}, {"name": "x", "kind": "float"}, {"name": "b", "kind": "bytes"},
	{"name": "p", "kind": "rgb", "mode": "proportion", "probability": 0.4, "max_resolution": 30, "quality": 80},
}

// direct writes n such rows without an engine and returns the file.
func direct(tb testing.TB, n int) []byte {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "direct.beton")
	w, err := ffcv.Create(path, []ffcv.FieldSpec{
		{Name: "i", Field: fields.Int{}}, {Name: "x", Field: fields.Float{}}, {Name: "b", Field: fields.Bytes{}},
		{Name: "p", Field: fields.RGBImage{Mode: fields.ModeProportion, CompressProbability: 0.4, MaxResolution: 30, Quality: 80}},
	}, &ffcv.Options{Seed: 7})
	if err != nil {
		tb.Fatal(err)
	}
	defer w.Close()
	if err := w.WriteDataset(context.Background(), rowsDirect(n), nil); err != nil {
		tb.Fatal(err)
	}
	return read(tb, path)
}

type rowsDirect int

func (n rowsDirect) Len() int { return int(n) }

func (rowsDirect) Sample(_ context.Context, i int) ([]any, string, error) {
	return []any{int64(-i), float64(i) / 8, blobOf(i), pictureOf(i)}, "", nil
}

func read(tb testing.TB, path string) []byte {
	tb.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// begin asks for a file and returns its job.
func (c *client) begin(o object) float64 {
	c.tb.Helper()
	ok, _ := c.ask(o, nil)
	return ok["job"].(float64)
}

// end waits for the file's end.
func (c *client) end() (object, []byte, error) {
	for {
		r, err := c.recv()
		if err != nil {
			return nil, r.payload, err
		}
		if end, ok := r.object["end"].(object); ok {
			return end, nil, nil
		}
	}
}

func (c *client) feedRequest(job float64) object {
	return object{"do": "feed", "job": job, "worker": 3, "pid": os.Getpid()}
}

// memory is a segment of a client.
type memory struct {
	f    *os.File
	b    []byte
	sent bool
}

func segment(tb testing.TB, size int, seals int) *memory {
	tb.Helper()
	fd, err := unix.MemfdCreate("test-samples", unix.MFD_ALLOW_SEALING|unix.MFD_CLOEXEC)
	if err == nil {
		err = unix.Ftruncate(fd, int64(size))
	}
	if err == nil && seals != 0 {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals)
	}
	if err != nil {
		tb.Fatal(err)
	}
	m := &memory{f: os.NewFile(uintptr(fd), "segment")}
	if m.b, err = unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { unix.Munmap(m.b); m.f.Close() })
	return m
}

// tryWith is try with a descriptor.
func (c *client) tryWith(o object, payload []byte, f *os.File) (object, error) {
	text, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	if _, _, err = c.sock.WriteMsgUnix(bytesOf(text, payload), unix.UnixRights(int(f.Fd())), nil); err != nil {
		return nil, err
	}
	r, err := c.recv()
	ok, _ := r.object["ok"].(object)
	return ok, err
}

// feedAll feeds chunks until there are none, in parts of at most rows rows: those
// of even chunks in segments.
func (c *client) feedAll(job float64, rows int) error {
	ok, _, err := c.try(c.feedRequest(job), nil)
	segments := map[float64]*memory{}
	free := []float64{}
	for err == nil && ok["chunk"] != nil {
		k, first, n := ok["chunk"].(float64), int(ok["first"].(float64)), int(ok["rows"].(float64))
		for at := first; at < first+n && err == nil; {
			m := min(rows, first+n-at)
			o := object{"do": "part", "chunk": k, "first": at, "rows": m, "last": at+m == first+n}
			columns, values := rowsOf(at, m, nil, 0)
			if int(k)%2 == 1 {
				ok, _, err = c.try(o, append(columns, values...))
			} else {
				if len(free) == 0 && len(segments) < 3 {
					id := float64(len(segments))
					segments[id] = segment(c.tb, 1<<20, unix.F_SEAL_SHRINK)
					free = append(free, id)
				}
				for len(free) == 0 && err == nil {
					if ok, _, err = c.try(object{"do": "free"}, nil); err == nil {
						free = appendFree(free, ok)
					}
				}
				if err != nil {
					return err
				}
				id := free[0]
				free = free[1:]
				s := segments[id]
				copy(s.b, values)
				o["segment"] = []float64{id, float64(len(values))}
				if s.sent {
					ok, _, err = c.try(o, columns)
				} else {
					ok, err = c.tryWith(o, columns, s.f)
					s.sent = true
				}
			}
			free = appendFree(free, ok)
			at += m
		}
	}
	return err
}

func appendFree(free []float64, ok object) []float64 {
	list, _ := ok["free"].([]any)
	for _, id := range list {
		free = append(free, id.(float64))
	}
	return free
}

// TestWriteFeeds: whoever feeds the rows, the file is the one that ffcv.Writer
// makes of them.
func TestWriteFeeds(t *testing.T) {
	const n = 1500
	want := direct(t, n)
	for _, test := range []struct{ clients, chunk, rows int }{{1, 100, 1000}, {1, 7, 3}, {2, 50, 20}, {4, 1, 1}, {3, 2000, 100}} {
		t.Run(fmt.Sprintf("clients=%d/chunk=%d/rows=%d", test.clients, test.chunk, test.rows), func(t *testing.T) {
			s := serve(t)
			c := s.connect()
			path := filepath.Join(t.TempDir(), "a.beton")
			job := c.begin(object{"do": "write", "path": path, "fields": fourFields, "samples": n, "chunk": test.chunk, "workers": test.clients, "seed": 7})
			var all sync.WaitGroup
			for range test.clients {
				f := s.connect()
				all.Add(1)
				go func() {
					defer all.Done()
					if err := f.feedAll(job, test.rows); err != nil {
						t.Error(err)
					}
				}()
			}
			end, _, err := c.end()
			all.Wait()
			if err != nil {
				t.Fatal(err)
			}
			if end["samples"] != float64(n) {
				t.Errorf("got %v", end)
			}
			if got := read(t, path); !bytes.Equal(got, want) {
				t.Errorf("%d bytes differ from the %d that ffcv.Writer writes", len(got), len(want))
			}
			// Who comes too late is told so.
			for _, o := range []object{c.feedRequest(job), {"do": "part"}, {"do": "free"}, {"do": "fail"}} {
				if ok, _ := s.connect().ask(o, nil); ok["stop"] != true {
					t.Errorf("%v: %v", o["do"], ok)
				}
			}
		})
	}
}

// TestWriteStreams: a stream of unknown length is the same file.
func TestWriteStreams(t *testing.T) {
	const n = 1500
	want := direct(t, n)
	s := serve(t)
	c, f := s.connect(), s.connect()
	path := filepath.Join(t.TempDir(), "a.beton")
	job := c.begin(object{"do": "write", "path": path, "fields": fourFields, "seed": 7})
	ok, _ := f.ask(f.feedRequest(job), nil)
	if ok["stream"] != true {
		t.Fatal(ok)
	}
	s.connect().fails("state", c.feedRequest(job), nil)
	for at := 0; at <= n; at += 100 {
		columns, values := rowsOf(at, min(100, n-at), nil, 0)
		f.ask(object{"do": "part", "chunk": 0, "first": at, "rows": min(100, n-at), "last": at == n}, append(columns, values...))
	}
	if _, _, err := c.end(); err != nil {
		t.Fatal(err)
	}
	if got := read(t, path); !bytes.Equal(got, want) {
		t.Errorf("%d bytes differ from the %d that ffcv.Writer writes", len(got), len(want))
	}
}

// nothing says that a folder has nothing but the old file.
func nothing(tb testing.TB, path string) {
	tb.Helper()
	list, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(list) != 1 || string(read(tb, path)) != "old" {
		tb.Errorf("the folder has %v, want the old file alone: %v", list, err)
	}
}

// old makes a file that is to be replaced.
func old(tb testing.TB) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "a.beton")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

var oneInt = []object{{"name": "i", "kind": "int"}}

// intsOf is a part of n rows of oneInt.
func intsOf(n int) []byte { return make([]byte, 8*n) }

// TestWriteFails: a client's account of a failure gets to who asked for the
// file, and the first in the order of the rows wins.
func TestWriteFails(t *testing.T) {
	for _, stream := range []bool{false, true} {
		s := serve(t)
		c, path := s.connect(), old(t)
		o := object{"do": "write", "path": path, "fields": oneInt}
		if !stream {
			o["samples"], o["chunk"] = 300, 100
		}
		job := c.begin(o)
		late := s.connect()
		f := s.connect()
		f.ask(f.feedRequest(job), nil)
		if !stream {
			late.ask(late.feedRequest(job), nil)
			late.ask(object{"do": "fail", "row": 100, "index": 1, "message": "late"}, []byte("late"))
		}
		f.ask(object{"do": "part", "chunk": 0, "first": 0, "rows": 40, "last": false}, intsOf(40))
		ok, _ := f.ask(object{"do": "fail", "row": 40, "index": 7, "message": "no sample"}, []byte("account"))
		if ok["stop"] != true {
			t.Error(ok)
		}
		_, account, err := c.end()
		var fail failure
		if !errors.As(err, &fail) || fail.kind() != "sample" || fail.object["message"] != "no sample" || fail.object["sample"] != 40. || string(account) != "account" {
			t.Errorf("stream %v: got %v %q", stream, err, account)
		}
		nothing(t, path)
	}
}

// TestWriteLoses: a client that is gone with rows to feed ends the file.
func TestWriteLoses(t *testing.T) {
	for _, stream := range []bool{false, true} {
		s := serve(t)
		c, path := s.connect(), old(t)
		o := object{"do": "write", "path": path, "fields": oneInt}
		if !stream {
			o["samples"], o["chunk"] = 300, 100
		}
		job := c.begin(o)
		f := s.connect()
		f.ask(f.feedRequest(job), nil)
		f.ask(object{"do": "part", "chunk": 0, "first": 0, "rows": 40, "last": false}, intsOf(40))
		f.sock.Close()
		_, _, err := c.end()
		var fail failure
		if !errors.As(err, &fail) || fail.kind() != "worker" || !strings.Contains(fail.Error(), "row 40") || !strings.Contains(fail.Error(), "worker 3") {
			t.Errorf("stream %v: got %v", stream, err)
		}
		nothing(t, path)
	}
}

// TestWriteGivenUp: nothing is left when who asked for the file is gone, and who
// feeds it is told to stop.
func TestWriteGivenUp(t *testing.T) {
	s := serve(t)
	c, path := s.connect(), old(t)
	job := c.begin(object{"do": "write", "path": path, "fields": oneInt, "samples": 300, "chunk": 100})
	f := s.connect()
	f.ask(f.feedRequest(job), nil)
	c.sock.Close()
	for {
		ok, _ := f.ask(object{"do": "free"}, nil)
		if ok["stop"] == true {
			break
		}
	}
	nothing(t, path)
}

// TestWriteRefuses: what can't be asked for.
func TestWriteRefuses(t *testing.T) {
	s := serve(t)
	c, path := s.connect(), filepath.Join(t.TempDir(), "a.beton")
	file := func(change object) object {
		o := object{"do": "write", "path": path, "fields": oneInt, "samples": 1}
		for k, v := range change {
			o[k] = v
		}
		return o
	}
	field := func(f object) object { f["name"] = "x"; return file(object{"fields": []object{f}}) }
	args := base64.StdEncoding.EncodeToString(make([]byte, 1024))
	for _, o := range []object{
		file(object{"path": ""}), file(object{"fields": []object{}}), file(object{"samples": -1}), file(object{"chunk": -1}),
		file(object{"page_size": 3 << 20}), file(object{"page_size": 1 << 31}), file(object{"reserve": -1}), file(object{"sampels": 1}),
		file(object{"fields": []object{{"name": "seventeen_letters", "kind": "int"}}}),
		file(object{"fields": []object{oneInt[0], oneInt[0]}}),
		field(object{"kind": "string"}), field(object{"kind": "ndarray", "dtype": "f4"}), field(object{"kind": "ndarray", "dtype": "x9", "shape": []int{1}}),
		field(object{"kind": "ndarray", "dtype": "<f4", "shape": []int{3, 0}}), field(object{"kind": "ndarray", "dtype": "<f4", "shape": []int{-1}}),
		field(object{"kind": "rgb", "mode": "png"}), field(object{"kind": "rgb", "mode": "jpg", "quality": 101}),
		field(object{"kind": "rgb", "mode": "jpg", "max_resolution": 1, "min_resolution": 1}), field(object{"kind": "rgb", "mode": "jpg", "min_resolution": -1}),
		field(object{"kind": "image", "channels": 5, "dtype": "|u1"}), field(object{"kind": "image", "channels": 1, "dtype": "<f4"}),
		field(object{"kind": "custom", "size": 0, "align": 1, "args": args}), field(object{"kind": "custom", "size": 8, "align": 3, "args": args}),
		field(object{"kind": "custom", "size": 8, "align": 8, "args": "AAAA"}), field(object{"kind": "custom", "size": 8, "align": 8, "args": args, "pointers": []int{1}}),
	} {
		c.fails("option", o, nil)
	}
	job := c.begin(file(object{"path": filepath.Join(t.TempDir(), "no", "a.beton")}))
	_, _, err := c.end()
	var fail failure
	if !errors.As(err, &fail) || fail.kind() != "notfound" {
		t.Errorf("job %v: %v", job, err)
	}
}

// TestWriteAbuse: parts that are none end their connection, and the file.
func TestWriteAbuse(t *testing.T) {
	le := binary.LittleEndian
	columns, values := rowsOf(0, 2, nil, 0)
	whole := append(bytes.Clone(columns), values...)
	bad := func(at int, v uint64) []byte {
		b := bytes.Clone(whole)
		le.PutUint64(b[at:], v)
		return b
	}
	first := 2 * 16 // where the entries begin
	part := func(change object) object {
		o := object{"do": "part", "chunk": 0, "first": 0, "rows": 2, "last": false}
		for k, v := range change {
			o[k] = v
		}
		return o
	}
	for name, test := range map[string]struct {
		o       object
		payload []byte
		segment *memory
	}{
		"short":          {part(nil), columns[:100], nil},
		"no bytes":       {part(nil), nil, nil},
		"rows":           {part(object{"rows": 1 << 40}), whole, nil},
		"negative":       {part(object{"rows": -1}), whole, nil},
		"chunk":          {part(object{"chunk": 1}), whole, nil},
		"first":          {part(object{"first": 1}), whole, nil},
		"too many":       {part(object{"rows": 11}), append(columns, make([]byte, 2000)...), nil},
		"early end":      {part(object{"last": true}), whole, nil},
		"offset":         {part(nil), bad(first+16, 1<<63), nil},
		"size":           {part(nil), bad(first+24, math.MaxUint64), nil},
		"form":           {part(nil), bad(first, 5), nil},
		"odd form":       {part(nil), bad(first, 77), nil},
		"no segment":     {part(object{"segment": []int{1, 1}}), columns, nil},
		"half a segment": {part(object{"segment": []int{1}}), columns, nil},
		"behind it":      {part(object{"segment": []int{1, 4097}}), columns, segment(t, 4096, unix.F_SEAL_SHRINK)},
		"negative size":  {part(object{"segment": []int{1, -1}}), columns, segment(t, 4096, unix.F_SEAL_SHRINK)},
		"unsealed":       {part(object{"segment": []int{1, 4096}}), columns, segment(t, 4096, 0)},
		"twice":          {part(object{"segment": []int{1, 4096}}), whole, segment(t, 4096, unix.F_SEAL_SHRINK)},
		"epoch":          {object{"do": "epoch"}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t)
			c, path := s.connect(), old(t)
			job := c.begin(object{"do": "write", "path": path, "fields": fourFields, "samples": 30, "chunk": 10})
			f := s.connect()
			f.ask(f.feedRequest(job), nil)
			var err error
			if test.segment != nil {
				_, err = f.tryWith(test.o, test.payload, test.segment.f)
			} else {
				_, _, err = f.try(test.o, test.payload)
			}
			if err == nil { // what is wrong with values is found when they are encoded
				_, _, err = f.try(object{"do": "free"}, nil)
			}
			f.sock.Close()
			if _, _, end := c.end(); end == nil {
				t.Errorf("the file was written; %v", err)
			}
			nothing(t, path)
		})
	}
}

// TestWriteLearns: the pointers of a client's own field are found in the first
// part.
func TestWriteLearns(t *testing.T) {
	le := binary.LittleEndian
	value := func(n byte, at ...int) []byte { // 24 bytes of metadata, n at byte 0; a region at each place
		meta := make([]byte, 24)
		meta[0] = n
		var heads, data []byte
		for k, p := range at {
			heads = le.AppendUint64(heads, uint64(n))
			heads = le.AppendUint64(heads, uint64(p))
			data = append(data, bytes.Repeat([]byte{n + byte(k)}, int(n))...)
			le.PutUint64(meta[p:], 1<<62+uint64(k))
		}
		return append(append(meta, heads...), data...)
	}
	part := func(values ...[]byte) []byte {
		var column, blob []byte
		for _, v := range values {
			column = le.AppendUint32(column, 5)
			column = le.AppendUint32(column, uint32((len(v)-24)/max(1, 16+int(v[0]))))
			column = le.AppendUint64(column, 0)
			column = le.AppendUint64(column, uint64(len(blob)))
			column = le.AppendUint64(column, uint64(len(v)))
			blob = append(blob, v...)
		}
		return append(column, blob...)
	}
	args := make([]byte, 1024)
	args[5] = 9
	own := []object{{"name": "own", "kind": "custom", "size": 24, "align": 8, "args": base64.StdEncoding.EncodeToString(args)}}
	write := func(t *testing.T, stream bool, parts ...[]byte) (string, error) {
		s := serve(t)
		c, path := s.connect(), old(t)
		o := object{"do": "write", "path": path, "fields": own}
		if !stream {
			o["samples"] = 3 * len(parts)
		}
		job := c.begin(o)
		f := s.connect()
		f.ask(f.feedRequest(job), nil)
		for i, p := range parts {
			f.try(object{"do": "part", "chunk": 0, "first": 3 * i, "rows": 3, "last": i == len(parts)-1}, p)
		}
		_, _, err := c.end()
		return path, err
	}
	for _, stream := range []bool{false, true} {
		path, err := write(t, stream, part(value(3), value(4, 16), value(5, 8, 16)), part(value(6, 8, 16), value(7, 16), value(0, 8)))
		if err != nil {
			t.Fatal(err)
		}
		known := fields.Opaque{DType: "<u8,<u8,<u8"}
		file, err := ffcv.Open(path, &ffcv.OpenOptions{Custom: map[string]fields.Field{"own": known}})
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if file.Fields()[0].Args[5] != 9 || file.Len() != 6 {
			t.Error("arguments or rows were lost")
		}
		sizes := map[uint64]uint64{}
		for e, err := range file.Entries() {
			if err != nil {
				t.Fatal(err)
			}
			sizes[e.Ptr] = e.Size
		}
		raw := read(t, path)
		for i, want := range []struct {
			n    byte
			size [2]uint64 // of the regions at 8 and 16
		}{{3, [2]uint64{}}, {4, [2]uint64{0, 4}}, {5, [2]uint64{5, 5}}, {6, [2]uint64{6, 6}}, {7, [2]uint64{0, 7}}, {0, [2]uint64{}}} {
			row := raw[24+1041+24*i:][:24]
			if row[0] != want.n {
				t.Errorf("row %d: %x", i, row)
			}
			for k, p := range []int{8, 16} {
				ptr := le.Uint64(row[p:])
				if size, ok := sizes[ptr]; !ok || size != want.size[k] {
					t.Errorf("row %d, pointer %d: 0x%x with %d bytes, want %d", i, p, ptr, size, want.size[k])
				} else if size > 0 && (raw[ptr] < want.n || raw[ptr] > want.n+1) {
					t.Errorf("row %d, pointer %d: byte %d", i, p, raw[ptr])
				}
			}
		}
	}
	if path, err := write(t, false, part(value(3), value(4, 16), value(5, 16)), part(value(6, 8), value(7), value(8))); err == nil || !strings.Contains(err.Error(), "at byte 8") {
		t.Errorf("a pointer at a new place: %v", err)
	} else {
		nothing(t, path)
	}
	other := value(6)
	other[16] = 1
	if path, err := write(t, false, part(value(3), value(4, 16), value(5, 16)), part(other, value(7), value(8))); err == nil || !strings.Contains(err.Error(), "0x1 at byte 16") {
		t.Errorf("a number in a pointer's place: %v", err)
	} else {
		nothing(t, path)
	}
}

// TestMerge: shards that were written apart are one file, the same as written
// whole.
func TestMerge(t *testing.T) {
	s := serve(t)
	dir := t.TempDir()
	write := func(name string, first, n int) string {
		c, f := s.connect(), s.connect()
		path := filepath.Join(dir, name)
		fs := append([]object{}, fourFields...)
		fs[3] = object{"name": "p", "kind": "rgb", "mode": "jpg"}
		job := c.begin(object{"do": "write", "path": path, "fields": fs})
		f.ask(f.feedRequest(job), nil)
		columns, values := rowsOf(first, n, nil, 0)
		f.ask(object{"do": "part", "chunk": 0, "first": 0, "rows": n, "last": true}, append(columns, values...))
		if _, _, err := c.end(); err != nil {
			t.Fatal(err)
		}
		return path
	}
	whole := write("whole", 0, 100)
	parts := []string{write("a", 0, 30), write("b", 30, 69), write("c", 99, 1)}
	c := s.connect()
	path := filepath.Join(dir, "merged")
	if err := c.send(object{"do": "merge", "path": path, "parts": parts}, nil); err != nil {
		t.Fatal(err)
	}
	if end, _, err := c.end(); err != nil || end["samples"] != 100. {
		t.Fatal(end, err)
	}
	if !bytes.Equal(read(t, path), read(t, whole)) {
		t.Error("the merged file is another one than that of all samples")
	}
	c.fails("notfound", object{"do": "merge", "path": path, "parts": []string{filepath.Join(dir, "no")}}, nil)
}

// TestPicture: pictures are shrunk and encoded as the field does.
func TestPicture(t *testing.T) {
	c := serve(t).connect()
	img := pictureOf(39)
	ask := func(change object) (object, []byte) {
		o := object{"do": "picture", "height": img.Height, "width": img.Width}
		for k, v := range change {
			o[k] = v
		}
		return c.ask(o, img.Pix)
	}
	if ok, p := ask(nil); ok["width"] != float64(img.Width) || !bytes.Equal(p, img.Pix) {
		t.Error(ok)
	}
	want, err := rgb.EncodeJPEG(nil, img, 70)
	if err != nil {
		t.Fatal(err)
	}
	if _, p := ask(object{"quality": 70}); !bytes.Equal(p, want) {
		t.Error("another JPEG")
	}
	small := rgb.Image{}
	rgb.ResizeArea(&small, img, rgb.Rect{W: img.Width, H: img.Height}, 20, 5)
	if img.Width != 44 || img.Height != 12 {
		t.Fatal(img.Width, img.Height)
	}
	if ok, p := ask(object{"max_resolution": 20}); ok["width"] != 20. || ok["height"] != 5. || !bytes.Equal(p, small.Pix) {
		t.Error(ok)
	}
	if ok, _ := ask(object{"min_resolution": 6}); ok["width"] != 22. || ok["height"] != 6. {
		t.Error(ok)
	}
	for _, change := range []object{{"height": 0}, {"width": -1}, {"width": img.Width + 1}, {"height": 1 << 40, "width": 1 << 40}, {"quality": 101}, {"max_resolution": 1}} {
		o := object{"do": "picture", "height": img.Height, "width": img.Width}
		for k, v := range change {
			o[k] = v
		}
		c.fails("option", o, img.Pix)
	}
}

// TestWriteLeavesNothing: files that are written, or not, leave no maps, open
// files and goroutines.
func TestWriteLeavesNothing(t *testing.T) {
	settle := leak.Watch(t)
	s := serve(t)
	before := s.quiet()
	for range 20 {
		c, f := s.connect(), s.connect()
		job := c.begin(object{"do": "write", "path": filepath.Join(t.TempDir(), "a"), "fields": fourFields, "samples": 20, "chunk": 5})
		if err := f.feedAll(job, 2); err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.end(); err != nil {
			t.Fatal(err)
		}
		c2, f2 := s.connect(), s.connect()
		job = c2.begin(object{"do": "write", "path": filepath.Join(t.TempDir(), "a"), "fields": fourFields, "samples": 20, "chunk": 5})
		f2.ask(f2.feedRequest(job), nil)
		for _, c := range []*client{c, f, c2, f2} {
			c.sock.Close()
		}
	}
	if now := s.quiet(); now > before+3*20 { // the segments of the test are its own
		t.Errorf("%d open files, %d before", now, before)
	}
	s.door.Close()
	s.wait()
	settle()
}
