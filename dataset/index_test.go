package dataset_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/betongo/betongo/dataset"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/internal/leak"
	"github.com/betongo/betongo/loader"
)

// indexed writes files of these lengths to a folder of their own, and their
// index. all is what they hold, with paths from base on.
func indexed(tb testing.TB, lengths ...int) (x *dataset.Index, base string, all made) {
	tb.Helper()
	base = tb.TempDir()
	var files []*ffcv.File
	var names []string
	all.text = "index"
	for k, n := range lengths {
		names = append(names, fmt.Sprintf("part-%d.beton", k))
		f, err := ffcv.Open(copyTo(tb, writeFile(tb, k, n), base, names[k]), nil)
		if err != nil {
			tb.Fatal(err)
		}
		defer f.Close()
		m := modelOf(tb, f)
		all.names, all.samples, all.from = m.names, append(all.samples, m.samples...), append(all.from, m.from...)
		files = append(files, f)
	}
	x, err := dataset.NewIndex(files, names)
	if err != nil {
		tb.Fatal(err)
	}
	return x, base, all
}

// TestIndex: what Marshal writes ParseIndex reads, and it opens as the files do.
func TestIndex(t *testing.T) {
	x, base, all := indexed(t, 7, 1, 0, 12, 5)
	b, err := x.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(b), `{"betongo_index":1,`) || strings.Count(string(b), "\n") != 7 {
		t.Errorf("the index is %s", b)
	}
	y, err := dataset.ParseIndex(b)
	if err != nil || !reflect.DeepEqual(x, y) {
		t.Fatalf("%v: %+v, want %+v", err, y, x)
	}
	want := opened(t, nil, filepath.Join(base, "*.beton"))
	var opens atomic.Int64
	count := func(path string) (*ffcv.File, error) {
		opens.Add(1)
		return ffcv.Open(path, nil)
	}
	for name, opts := range map[string]*dataset.Options{"mapped": nil, "cached": cached(1 << 20), "open": {Open: count}} {
		t.Run(name, func(t *testing.T) {
			defer leak.Watch(t)()
			c, err := dataset.OpenIndex(y, base, opts)
			if err != nil {
				t.Fatal(err)
			}
			gotID, err := c.Identity()
			wantID, err2 := want.Identity()
			if gotID != wantID || err != nil || err2 != nil {
				t.Errorf("identity %v, want %v (%v, %v)", gotID, wantID, err, err2)
			}
			if got, want := c.Header(), want.Header(); got != want {
				t.Errorf("header %v, want %v", got, want)
			}
			if !slices.Equal(c.Bounds(), want.Bounds()) {
				t.Errorf("bounds %v, want %v", c.Bounds(), want.Bounds())
			}
			if n := opens.Load(); n > 0 && name == "open" {
				t.Errorf("%d files were opened before anything was asked for", n)
			}
			all.ds = c
			checkModel(t, all, 3)
			var got, entries []string
			for e, err := range c.Entries() {
				got = append(got, fmt.Sprint(e, err))
			}
			for e, err := range want.Entries() {
				entries = append(entries, fmt.Sprint(e, err))
			}
			if !slices.Equal(got, entries) {
				t.Errorf("entries %v, want %v", got, entries)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestIndexOpensWhatIsNeeded: a sample's shard alone is opened, once, by however
// many ask for it.
func TestIndexOpensWhatIsNeeded(t *testing.T) {
	x, base, _ := indexed(t, 3, 3, 3)
	var mu sync.Mutex
	var paths []string
	c, err := dataset.OpenIndex(x, base, &dataset.Options{Open: func(path string) (*ffcv.File, error) {
		mu.Lock()
		paths = append(paths, filepath.Base(path))
		mu.Unlock()
		time.Sleep(10 * time.Millisecond)
		return ffcv.Open(path, nil)
	}})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i := range 32 {
		all.Add(1)
		go func() {
			defer all.Done()
			if i%2 == 0 {
				c.WillNeedRows([]int{3, 5, 4}, true)
			}
			if rows, err := c.Rows(4, 1, nil); err != nil || len(rows) == 0 {
				t.Error(err)
			}
		}()
	}
	all.Wait()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if !slices.Equal(paths, []string{"part-1.beton"}) {
		t.Errorf("%q were opened", paths)
	}
	_, err = c.Rows(0, 1, nil)
	refused(t, err, "the dataset is closed", "part-0.beton")
}

// TestIndexHints: hints open the shards that they are for, ahead; Close waits
// for that, and an empty hint takes back what has not begun.
func TestIndexHints(t *testing.T) {
	defer leak.Watch(t)()
	x, base, _ := indexed(t, 3, 3, 3)
	var opens atomic.Int64
	c, err := dataset.OpenIndex(x, base, &dataset.Options{Open: func(path string) (*ffcv.File, error) {
		time.Sleep(20 * time.Millisecond)
		opens.Add(1)
		return ffcv.Open(path, nil)
	}})
	if err != nil {
		t.Fatal(err)
	}
	c.WillNeedRows([]int{0, 8, 1, -1, 100}, true)
	c.WillNeed([]ffcv.Range{{Off: int64(c.Header().AllocTable) - 100, Len: 10}})
	for deadline := time.Now().Add(5 * time.Second); opens.Load() < 2 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond)
	}
	if n := opens.Load(); n != 2 {
		t.Errorf("%d shards were opened, want 2", n)
	}
	c.WillNeedRows([]int{4}, true)
	c.WillNeed(nil)
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	c.WillNeedRows([]int{4}, true) // nothing happens
}

// TestIndexLies: a shard that is not what the index says is an error that names
// both, and only of what needs it.
func TestIndexLies(t *testing.T) {
	x, base, _ := indexed(t, 3, 4)
	other := ffcvtest.Write(t, []ffcv.FieldSpec{{Name: "id", Field: fields.Int{}}}, 4, func(i int) []any { return []any{i} }, nil)
	for name, c := range map[string]struct {
		change func(x *dataset.Index)
		words  []string
	}{
		"missing":     {func(x *dataset.Index) { x.Shards[1].Path = "gone.beton" }, []string{"gone.beton"}},
		"size":        {func(x *dataset.Index) { x.Shards[1].Size++ }, []string{"bytes, want"}},
		"samples":     {func(x *dataset.Index) { x.Shards[1].Samples++; x.Samples++ }, []string{"4 samples, want 5"}},
		"table":       {func(x *dataset.Index) { x.Shards[1].AllocTable-- }, []string{"allocation table at byte"}},
		"page size":   {func(x *dataset.Index) { x.PageSize = 2 << 20 }, []string{"page size 4194304, want 2097152"}},
		"other files": {func(x *dataset.Index) { x.Shards[1].Path = other }, []string{filepath.Base(other)}},
		"classes":     {func(x *dataset.Index) { x.Classes = []string{"cat"} }, nil}, // files that name none go with any
	} {
		t.Run(name, func(t *testing.T) {
			y := *x
			y.Shards = slices.Clone(x.Shards)
			c.change(&y)
			for _, opts := range []*dataset.Options{nil, cached(1 << 20)} {
				d, err := dataset.OpenIndex(&y, base, opts)
				if err != nil {
					t.Fatal(err)
				}
				defer d.Close()
				if _, err := d.Rows(1, 1, nil); err != nil && name != "page size" {
					t.Errorf("the first shard: %v", err)
				}
				if _, err = d.Rows(5, 1, nil); c.words == nil && err == nil {
					continue
				}
				refused(t, err, append(c.words, "index of "+base, fmt.Sprintf("%q", y.Shards[1].Path))...)
				l, err := loader.New(d, &loader.Options{BatchSize: 2, Outputs: []loader.Output{{Name: "image", Disabled: true}}})
				if err != nil {
					continue
				}
				for _, err = range l.Epoch(t.Context(), 0) {
					if err != nil {
						break
					}
				}
				l.Close()
				refused(t, err, fmt.Sprintf("%q", y.Shards[1].Path))
			}
		})
	}
	y := *x
	y.Shards = slices.Clone(x.Shards)
	y.Shards[1].Samples, y.Samples = 1<<40, 1<<40+3
	_, err := dataset.OpenIndex(&y, base, nil)
	refused(t, err, "part-1.beton", "1099511627776 samples")
	_, err = dataset.OpenIndex(&dataset.Index{}, base, nil)
	refused(t, err, base)
	if runtime.GOOS != "windows" {
		y.Shards[1] = x.Shards[1]
		y.Samples = x.Samples
		y.Shards[0].Path = "gone.beton"
		d, err := dataset.OpenIndex(&y, base, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		if _, err := d.Rows(0, 1, nil); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a missing shard: %v", err)
		}
		copyTo(t, filepath.Join(base, "part-0.beton"), base, "gone.beton")
		if _, err := d.Rows(0, 1, nil); err != nil {
			t.Errorf("the shard is there now: %v", err)
		}
	}
}

// small is an index of two shards.
const small = `{"betongo_index": 1, "samples": 5, "page_size": 2097152, "fields": [{"name": "y", "type": 1}],
"shards": [{"path": "a.beton", "size": 400, "samples": 2, "alloc_table": 400}, {"path": "b.beton", "size": 400, "samples": 3, "alloc_table": 400, "sum": 7}]}`

// TestParseIndex: everything that an index can have wrong is an error that says
// it.
func TestParseIndex(t *testing.T) {
	if x, err := dataset.ParseIndex([]byte(small)); err != nil || len(x.Shards) != 2 || *x.Shards[1].Sum != 7 || x.Shards[0].Sum != nil {
		t.Fatalf("%+v, %v", x, err)
	}
	for _, c := range []struct {
		old, new string
		words    string
	}{
		{`"betongo_index": 1`, `"betongo_index": 2`, "version 2, this package reads 1"},
		{`"betongo_index": 1`, `"betongo_index": "1"`, "version 1"},
		{`"betongo_index": 1`, `"betongo_index": 1.5`, "version 1.5"},
		{`"betongo_index": 1, "samples": 5`, `"samples": 5, "betongo_index": 1`, "the first key is samples"},
		{`"samples": 5`, `"samples": 6`, "6 samples, those of the shards are 5"},
		{`"samples": 5`, `"samples": -5`, "-5 samples"},
		{`"samples": 5`, `"samples": 99999999999999999999`, "cannot unmarshal"},
		{`2097152`, `2097153`, "page size 2097153"},
		{`2097152`, `0`, "page size 0"},
		{`2097152`, `4294967296`, "page size 4294967296"},
		{`[{"name": "y", "type": 1}]`, `[]`, "0 fields"},
		{`"name": "y"`, `"name": "12345678901234567"`, "17 bytes"},
		{`"type": 1`, `"type": 256`, "cannot unmarshal"},
		{`"type": 1`, `"type": 1, "args": "*"`, "arguments"},
		{`"type": 1`, `"type": 1, "args": "` + strings.Repeat("AAAA", 342) + `"`, "1026 bytes of arguments"},
		{`"b.beton"`, `"a.beton"`, "it is shard 0 too"},
		{`"b.beton"`, `""`, "no path"},
		{`"b.beton"`, `"\u0000"`, "no path"},
		{`"samples": 3`, `"samples": -3`, "-3 samples"},
		{`"samples": 3`, `"samples": 9223372036854775807`, "too many"},
		{`"alloc_table": 400, "sum"`, `"alloc_table": 401, "sum"`, "allocation table at byte 401"},
		{`"size": 400, "samples": 3`, `"size": -1, "samples": 3`, "-1 bytes"},
		{`"sum": 7`, `"sum": -7`, "cannot unmarshal"},
		{`"sum": 7`, `"sha256": "12"`, "64 hexadecimal digits"},
		{`"sum": 7}]}`, `"sum": 7}]} {}`, "something follows"},
	} {
		text := strings.Replace(small, c.old, c.new, 1)
		if text == small {
			t.Fatalf("%q is not there", c.old)
		}
		x, err := dataset.ParseIndex([]byte(text))
		if x != nil {
			t.Errorf("%q: an index beside the error", c.new)
		}
		refused(t, err, c.words, "index: ")
	}
	for n := range small {
		if _, err := dataset.ParseIndex([]byte(small[:n])); err == nil {
			t.Fatalf("%d bytes of %d are an index", n, len(small))
		}
	}
	for _, text := range []string{"", "null", "[]", `"x"`, "{}", "\x00", `{"betongo_index": 1}`, `{"betongo_index": 1, "shards": {}}`} {
		_, err := dataset.ParseIndex([]byte(text))
		refused(t, err, "index: ")
	}
}

// FuzzIndex: whatever is read as an index is written and read the same, and
// opens, or is refused, without a file being touched.
func FuzzIndex(f *testing.F) {
	f.Add([]byte(small))
	x, _, _ := indexed(f, 2, 1)
	b, err := x.Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add(b[:len(b)/2])
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := dataset.ParseIndex(b)
		if err != nil {
			return
		}
		again, err := x.Marshal()
		if err != nil {
			t.Fatalf("%s is read and not written: %v", b, err)
		}
		y, err := dataset.ParseIndex(again)
		if err != nil {
			t.Fatal(err)
		}
		if third, err := y.Marshal(); err != nil || string(third) != string(again) {
			t.Fatalf("%s, %v, want %s", third, err, again)
		}
		open := func(string) (*ffcv.File, error) { return nil, errors.New("nothing is opened") }
		c, err := dataset.OpenIndex(x, "base", &dataset.Options{Open: open})
		if err != nil {
			return
		}
		if int64(c.Len()) != x.Samples {
			t.Fatalf("%d samples, want %d", c.Len(), x.Samples)
		}
		c.Identity()
		c.Close()
	})
}

// TestIndexDiffer: files that don't go together make no index.
func TestIndexDiffer(t *testing.T) {
	a, b := file(t, 0, 1), numbers(t, "y", fields.Int{}, 2, ints)
	_, err := dataset.NewIndex([]*ffcv.File{a, b}, []string{"a", "b"})
	refused(t, err, a.Name(), b.Name())
	_, err = dataset.NewIndex([]*ffcv.File{a}, nil)
	refused(t, err, "1 files, 0 paths")
	_, err = dataset.NewIndex([]*ffcv.File{a, a}, []string{"a", "a"})
	refused(t, err, "it is shard 0 too")
	_, err = (&dataset.Index{}).Marshal()
	refused(t, err, "page size 0")
}

// large is an index of n shards of a million rows that nobody has.
func large(tb testing.TB, n int) []byte {
	tb.Helper()
	type m = map[string]any
	shards := make([]m, n)
	for i := range shards {
		shards[i] = m{"path": fmt.Sprintf("shard-%06d-of-%06d.beton", i, n), "size": 10_000_000_000, "samples": 1_000_000, "alloc_table": 9_000_000_000, "sha256": strings.Repeat("0123456789abcdef", 4), "sum": i}
	}
	args, err := json.Marshal([]m{{"name": "image", "type": 3}, {"name": "y", "type": 1}})
	if err != nil {
		tb.Fatal(err)
	}
	list, err := json.Marshal(shards)
	if err != nil {
		tb.Fatal(err)
	}
	return fmt.Appendf(nil, `{"betongo_index":1,"samples":%d,"page_size":8388608,"fields":%s,"shards":%s}`, n*1_000_000, args, list)
}

// TestIndexSize: a hundred thousand shards take little time and memory.
func TestIndexSize(t *testing.T) {
	const n = 100_000
	b := large(t, n)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&before)
	begin := time.Now()
	x, err := dataset.ParseIndex(b)
	if err != nil {
		t.Fatal(err)
	}
	parsed := time.Since(begin)
	c, err := dataset.OpenIndex(x, "s3://bucket/data", &dataset.Options{Open: func(string) (*ffcv.File, error) { return nil, os.ErrNotExist }})
	if err != nil {
		t.Fatal(err)
	}
	all := time.Since(begin)
	x = nil
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := float64(after.HeapAlloc-before.HeapAlloc) / n
	t.Logf("%d shards: an index of %.1f MB, parsed in %v, open after %v, %.0f bytes a shard", n, float64(len(b))/1e6, parsed, all, each)
	if c.Len() != n*1_000_000 {
		t.Errorf("%d samples", c.Len())
	}
	if each > 1000 {
		t.Errorf("%.0f bytes a shard, want less than 1000", each)
	}
	if all > 10*time.Second { // a second on a quiet machine
		t.Errorf("open after %v", all)
	}
	runtime.KeepAlive(c)
	runtime.KeepAlive(b)
}

// TestIndexCache: a cache that isn't the index's is refused, and stays its
// owner's.
func TestIndexCache(t *testing.T) {
	x, base, all := indexed(t, 3, 2)
	var files []dataset.CacheFile
	for i, path := range x.Paths(base) {
		files = append(files, dataset.CacheFile{Name: path, Size: x.Shards[i].Size, Open: func(context.Context) (io.ReaderAt, error) { return os.Open(path) }})
	}
	few, err := dataset.NewCache(1<<20, files[:1], nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = dataset.OpenIndex(x, base, &dataset.Options{Cache: few})
	refused(t, err, "2 shards, a cache of 1 files")
	if err := few.Close(); err != nil {
		t.Error(err)
	}
	cache, err := dataset.NewCache(1<<20, files, &dataset.CacheOptions{Reads: 4})
	if err != nil {
		t.Fatal(err)
	}
	c, err := dataset.OpenIndex(x, base, &dataset.Options{Cache: cache})
	if err != nil {
		t.Fatal(err)
	}
	all.ds = c
	checkModel(t, all, 1)
	if n := c.CacheBudget(); n != 1<<20 {
		t.Errorf("a budget of %d", n)
	}
	if s, ok := c.CacheStats(); !ok || s.Bytes == 0 {
		t.Errorf("stats %+v, %v", s, ok)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func BenchmarkIndex(b *testing.B) {
	text := large(b, 1000)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		x, err := dataset.ParseIndex(text)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := dataset.OpenIndex(x, "data", nil); err != nil {
			b.Fatal(err)
		}
	}
}

// TestIndexFind: a name is found by the shard that has it.
func TestIndexFind(t *testing.T) {
	base := t.TempDir()
	var files []*ffcv.File
	names := []string{"a.beton", "b.beton"}
	for _, name := range names {
		w, err := ffcv.Create(filepath.Join(base, name), []ffcv.FieldSpec{{Name: "y", Field: fields.Int{}}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		err = w.WriteStream(t.Context(), func(yield func(ffcv.Sample, error) bool) {
			for i := range 3 {
				if !yield(ffcv.Sample{Values: []any{i}, Key: fmt.Sprint(name, i)}, nil) {
					return
				}
			}
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, ffcvtest.Map(t, filepath.Join(base, name), nil))
	}
	x, err := dataset.NewIndex(files, names)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(base, "a.beton")); err != nil {
		t.Fatal(err)
	}
	d, err := dataset.OpenIndex(x, base, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	find := func(shard int, key string) (int, bool, error) {
		return d.Members()[shard].(interface {
			Find(key string) (sample int, ok bool, err error)
		}).Find(key)
	}
	for key, want := range map[string]int{"b.beton0": 0, "b.beton2": 2, "a.beton0": -1, "": -1} {
		if got, ok, err := find(1, key); err != nil || ok != (want >= 0) || ok && got != want {
			t.Errorf("%q: %d, %v, %v; want %d", key, got, ok, err, want)
		}
	}
	if _, _, err := find(0, "a.beton0"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing shard: %v", err)
	}
}
