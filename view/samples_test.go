package view_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/betongo/betongo/dataset"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/store"
	"github.com/betongo/betongo/view"
)

// found is what the page reads of GET /api/samples.
type found struct {
	Total *int
	Items []struct {
		Index   int
		Key     *string
		Label   any
		Class   *string
		Caption string
		Fields  map[string]any
		Image   *struct {
			Field         string
			Width, Height int
			Mode          string
			Bytes         int64
		}
		Audio *struct {
			Field string
			Bytes int64
		}
		Error string
	}
	Cursor           *string
	Scanned, Skipped int
	Done             bool
}

func (f *found) indices() (list []int) {
	for _, it := range f.Items {
		list = append(list, it.Index)
	}
	return list
}

// span is lo to hi-1.
func span(lo, hi int) (list []int) {
	for i := lo; i < hi; i++ {
		list = append(list, i)
	}
	return list
}

func TestPaging(t *testing.T) {
	s := rich(t)
	back := func(list []int) []int { slices.Reverse(list); return list }
	const n = richSamples
	for _, test := range []struct {
		query string
		want  []int
		done  bool
	}{
		{"", span(0, n), true},
		{"count=5", span(0, 5), false},
		{"count=1&start=47", span(47, 48), true},
		{"start=47", span(47, 48), true},
		{"start=43&count=5", span(43, 48), true},
		{"start=43&count=4", span(43, 47), false},
		{"start=0&count=48", span(0, 48), true},
		{"start=0&count=47", span(0, 47), false},
		{"start=0&count=200", span(0, 48), true},
		{"dir=desc&count=3", back(span(45, 48)), false},
		{"dir=desc&count=3&start=2", back(span(0, 3)), true},
		{"dir=desc&count=3&start=1", back(span(0, 2)), true},
		{"dir=asc&start=7&count=1", span(7, 8), false},
		{"q=index:10-12", span(10, 13), true},
		{"q=index:10-12&dir=desc", back(span(10, 13)), true},
		{"q=index:46-", span(46, 48), true},
		{"q=index:46-9999", span(46, 48), true},
		{"q=index:48", nil, true},
		{"q=index:5+index:6", nil, true},
	} {
		got := answer[found](s, "/api/samples?"+test.query)
		if !slices.Equal(got.indices(), test.want) || got.Done != test.done && !strings.HasPrefix(test.query, "count=4") {
			t.Errorf("%s: %v, done %v; want %v, %v", test.query, got.indices(), got.Done, test.want, test.done)
		}
		if got.Items == nil {
			t.Errorf("%s: no list of items", test.query)
		}
	}
	for _, query := range []string{"start=48", "start=-1", "start=x", "count=0", "count=201", "count=1e3", "cursor=-1", "cursor=48", "cursor=abc", "dir=up", "start=99999999999999999999"} {
		s.refused("/api/samples?"+query, 400, strings.SplitN(query, "=", 2)[0])
	}
}

func TestSearch(t *testing.T) {
	s := rich(t)
	every := func(fits func(i int) bool) []int {
		return slices.DeleteFunc(span(0, richSamples), func(i int) bool { return !fits(i) })
	}
	all, none := span(0, richSamples), []int(nil)
	label := func(list ...int) []int { return every(func(i int) bool { return slices.Contains(list, i%7) }) }
	for q, want := range map[string][]int{
		"label:3":                        label(3),
		"label:-1":                       none,
		"class:dog":                      label(1),
		"class:DOG":                      label(1),
		"class:do":                       none,
		"class:terrier*":                 label(3, 4),
		`class:"terrier*"`:               none,
		`class:"golden retriever"`:       label(2),
		"class:äff*":                     label(5),
		"class:*":                        label(0, 1, 2, 3, 4, 5),
		"key:photo_01":                   span(10, 20),
		"key:PHOTO_017":                  {17},
		"key:.png":                       none,
		"score>=11":                      span(44, 48),
		"score<0.5":                      {0, 1},
		"score=2.5":                      {10},
		"score=nan":                      {7},
		"score!=nan":                     every(func(i int) bool { return i != 7 }),
		"score<=1.5":                     span(0, 7),
		"big=9007199254740993":           {1},
		"big>9007199254741035":           span(44, 48),
		"big>9.007199254741035e15":       span(46, 48),
		"label<2":                        label(0, 1),
		"meta.camera.iso>4500":           {46, 47},
		"meta.camera.iso=1700":           {17},
		"meta.camera.iso!=1700":          every(func(i int) bool { return i != 17 }),
		`meta.camera.iso="1700"`:         none,
		"meta.title~script":              all,
		`meta.title~"photo 12 "`:         {12},
		`meta.camera.name=Möller`:        all,
		"meta.camera.name~möl":           all,
		"meta.tags=a1":                   every(func(i int) bool { return i%3 == 1 }),
		"meta.tags.0=a2":                 every(func(i int) bool { return i%3 == 2 }),
		"meta.tags.1=a2":                 none,
		"meta.tags.9=a2":                 none,
		"meta.x.y=5":                     {5},
		"meta.none=null":                 all,
		"meta.ok=true":                   every(func(i int) bool { return i%2 == 0 }),
		"meta.nan=nan":                   all,
		"meta.nowhere=1":                 none,
		"note~note":                      span(1, richSamples),
		"width>0":                        all,
		"width>5000":                     none,
		"image.height>1 mask.width=30":   all,
		"mask.width<30":                  none,
		"depth.height=4":                 all,
		"bytes>1kB":                      all,
		"image.bytes>1GB":                none,
		"tone.bytes>=390":                span(46, 48),
		"dog":                            label(1),
		"photo_044":                      {44},
		`"photo 44 <script>"`:            {44},
		"möller":                         all,
		"a2":                             every(func(i int) bool { return i%3 == 2 }),
		"nothinglikethat":                none,
		"label:3 index:0-20":             {3, 10, 17},
		"label:3 key:photo_01 score>2.6": {17},
		"dog meta.camera.iso<1000":       {1, 8},
		"tokens.tokens=7":                all,
		"tokens.tokens=8":                none,
		`"tokens"`:                       all,
		"index:3":                        {3},
		"label:3 label:4":                none,
		`key:"folder/photo_000.jpg" a0`:  {0},
		"score>1 score<2 label:5":        {5},
		`meta.title="Photo 3 <script>alert(1)</script>"`: {3},
	} {
		got := answer[found](s, "/api/samples?count=200&q="+url.QueryEscape(q))
		if !slices.Equal(got.indices(), want) || !got.Done || got.Cursor != nil || got.Skipped != 0 {
			t.Errorf("%s: %v, want %v (done %v, %d skipped)", q, got.indices(), want, got.Done, got.Skipped)
		}
		if got.Total == nil || *got.Total != len(want) {
			t.Errorf("%s: total %v, want %d", q, got.Total, len(want))
		}
	}
}

func TestSearchRefuses(t *testing.T) {
	s := rich(t)
	for q, words := range map[string][]string{
		"label:dog": {"character 1", "label:dog", "whole number"}, "label:1.5": {"whole number"}, "a color:red": {"character 3", "color:", "quotes"}, "index:a": {"index:a"},
		"index:5-3": {"index:5-3"}, "index:-3": {"index"}, "index:99999999999999999999": {"index"}, "nofield=3": {"no field \"nofield\"", "image, label"}, "score=high": {"expected a number"},
		"score~1": {"~ is for text"}, "label.x=3": {"no JSON"}, "emb>3": {"can't be searched"}, "image.mode=jpg": {"no \"mode\""}, "image=3": {"can't be searched"}, "width~3": {"~ is for text"},
		"width=wide": {"expected a number"}, "bytes>big": {"1.5MiB"}, "score>": {"behind"}, `"`: {"without its end"}, "clip>3": {"can't be searched"}, "note=3": {"can't be searched"},
	} {
		a := s.refused("/api/samples?q="+url.QueryEscape(q), 400, words...)
		if at, ok := a["at"].(float64); !ok || at < 1 {
			t.Errorf("%s: at %v", q, a["at"])
		}
	}
	bare := serve(t, ffcvtest.Map(t, ffcvtest.Unpack(t, "ints_3_fields"), nil), nil)
	for _, q := range []string{"label:1", "class:x", "key:x", "width>3"} {
		bare.refused("/api/samples?q="+url.QueryEscape(q), 400)
	}
	if got := answer[found](bare, "/api/samples?q=word"); len(got.Items) != 0 || !got.Done {
		t.Errorf("a word where there is none: %+v", got)
	}
}

// TestCursors: a search in small steps finds what it finds at once, each sample
// once, in both directions.
func TestCursors(t *testing.T) {
	s := rich(t)
	for _, q := range []string{"label:3", "meta.ok=true", "photo", "index:3-40 label<4"} {
		for _, dir := range []string{"asc", "desc"} {
			base := "/api/samples?dir=" + dir + "&q=" + url.QueryEscape(q)
			want := answer[found](s, base+"&count=200")
			var got []int
			path, scanned := base+"&count=2", 0
			for range richSamples {
				a := answer[found](s, path)
				got, scanned = append(got, a.indices()...), scanned+a.Scanned
				if a.Done != (a.Cursor == nil) {
					t.Fatalf("%s: done %v, cursor %v", path, a.Done, a.Cursor)
				}
				if a.Done {
					break
				}
				path = base + "&count=2&cursor=" + *a.Cursor
			}
			if !slices.Equal(got, want.indices()) || scanned != want.Scanned {
				t.Errorf("%s %s: %v of %d, want %v of %d", q, dir, got, scanned, want.indices(), want.Scanned)
			}
		}
	}
}

func TestItem(t *testing.T) {
	got := answer[found](rich(t), "/api/samples?start=7&count=1").Items[0]
	if got.Index != 7 || *got.Key != "folder/photo_007.jpg" || got.Label != 0.0 || *got.Class != "cat" {
		t.Errorf("%+v", got)
	}
	if fmt.Sprint(got.Fields) != "map[big:9007199254740999 score:nan]" {
		t.Errorf("%v", got.Fields)
	}
	if got.Image == nil || got.Image.Field != "image" || got.Image.Width < 100 || got.Image.Mode != "jpg" || got.Image.Bytes < 1000 {
		t.Errorf("%+v", got.Image)
	}
	if got.Audio == nil || got.Audio.Field != "clip" || got.Audio.Bytes != 160 {
		t.Errorf("%+v", got.Audio)
	}
	if !strings.Contains(got.Caption, "Photo 7") || !strings.Contains(got.Caption, " · note äöü note") {
		t.Errorf("%q", got.Caption)
	}
}

// TestSeveral: several files are one dataset; so are those of an index, which are
// opened when they are needed.
func TestSeveral(t *testing.T) {
	one := richFile(t)
	dir := t.TempDir()
	var paths []string
	for i := range 3 {
		b, err := os.ReadFile(one)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, fmt.Sprintf("part-%d.beton", i))
		if err := os.WriteFile(path, b, 0o666); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	var members []*ffcv.File
	for _, path := range paths {
		members = append(members, ffcvtest.Map(t, path, nil))
	}
	x, err := dataset.NewIndex(members, []string{"part-0.beton", "part-1.beton", "part-2.beton"})
	if err != nil {
		t.Fatal(err)
	}
	b, err := x.Marshal()
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "all.json"), b, 0o666)
	}
	if err != nil {
		t.Fatal(err)
	}
	for name, opened := range map[string][]string{"files": paths, "index": {filepath.Join(dir, "all.json")}} {
		t.Run(name, func(t *testing.T) {
			c, err := dataset.Open(opened, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			s := serve(t, c, nil)
			about := answer[struct {
				Samples int
				Files   []struct{ Samples int }
				Keys    bool
			}](s, "/api/dataset")
			if about.Samples != 3*richSamples || len(about.Files) != 3 || about.Files[2].Samples != richSamples || !about.Keys {
				t.Errorf("%+v", about)
			}
			if got := answer[found](s, "/api/samples?start=46&count=4"); !slices.Equal(got.indices(), span(46, 50)) || *got.Items[2].Key != "folder/photo_000.jpg" {
				t.Errorf("over the border: %+v", got)
			}
			if got := answer[found](s, "/api/samples?q=key:photo_005&dir=desc"); !slices.Equal(got.indices(), []int{101, 53, 5}) {
				t.Errorf("search: %v", got.indices())
			}
			got := answer[struct {
				File struct {
					Name  string
					Index int
				}
				Fields []struct {
					Offset   *int64
					Checksum string
					Error    string
				}
			}](s, "/api/sample/101")
			alone := answer[struct {
				Fields []struct{ Offset *int64 }
			}](serve(t, members[0], nil), "/api/sample/5")
			if filepath.Base(got.File.Name) != "part-2.beton" || got.File.Index != 5 || *got.Fields[0].Offset != *alone.Fields[0].Offset || got.Fields[0].Checksum != "ok" {
				t.Errorf("%+v", got)
			}
			if b := s.get("/api/sample/101/image?side=64"); len(b) < 500 {
				t.Errorf("a picture of %d bytes", len(b))
			}
		})
	}
}

// TestLarge: the pages of a million samples come at once, and a search looks at
// as many as it has time for.
func TestLarge(t *testing.T) {
	n := 1_000_000
	if testing.Short() {
		n = 10_000
	}
	path := ffcvtest.Write(t, []ffcv.FieldSpec{{Name: "label", Field: fields.Int{}}, {Name: "x", Field: fields.Float{}}}, n,
		func(i int) []any { return []any{i % 1000, float64(i)} }, &ffcv.Options{PageSize: ffcv.MinPageSize})
	begin := time.Now()
	f := ffcvtest.Map(t, path, nil)
	s := serve(t, f, nil)
	about := answer[struct{ Samples int }](s, "/api/dataset")
	first := answer[found](s, "/api/samples?count=200")
	took := time.Since(begin)
	if about.Samples != n || !slices.Equal(first.indices(), span(0, 200)) {
		t.Errorf("%d samples, %v", about.Samples, first.indices())
	}
	t.Logf("the first page of %d samples: %v", n, took)
	if took > 500*time.Millisecond {
		t.Errorf("the first page took %v", took)
	}
	for _, start := range []int{0, n / 2, n - 200} {
		begin := time.Now()
		got := answer[found](s, fmt.Sprintf("/api/samples?count=200&start=%d", start))
		if !slices.Equal(got.indices(), span(start, start+200)) || time.Since(begin) > 500*time.Millisecond {
			t.Errorf("from %d: %d samples in %v", start, len(got.Items), time.Since(begin))
		}
	}
	for _, test := range []struct {
		q    string
		want int
	}{{"label:999", n / 1000}, {"x=" + strconv.Itoa(n-1), 1}, {fmt.Sprintf("x>=%d", n-150), 150}} {
		path, got, rounds := "/api/samples?count=200&q="+url.QueryEscape(test.q), 0, 0
		for at := path; ; rounds++ {
			begin := time.Now()
			a := answer[found](s, at)
			if took := time.Since(begin); took > 3*time.Second {
				t.Errorf("%s: a request took %v", test.q, took)
			}
			if got += len(a.Items); a.Done {
				break
			}
			at = path + "&cursor=" + *a.Cursor
		}
		t.Logf("%s: %d requests, %v", test.q, rounds+1, time.Since(begin))
		if got != test.want {
			t.Errorf("%s: %d, want %d", test.q, got, test.want)
		}
	}
}

// TestEmpty: a dataset without samples has answers too.
func TestEmpty(t *testing.T) {
	path := ffcvtest.Write(t, []ffcv.FieldSpec{{Name: "label", Field: fields.Int{}}}, 0, nil, nil)
	s := serve(t, ffcvtest.Map(t, path, nil), nil)
	if got := answer[found](s, "/api/samples"); got.Items == nil || len(got.Items) != 0 || !got.Done || *got.Total != 0 {
		t.Errorf("%+v", got)
	}
	for _, query := range []string{"q=label:3", "dir=desc", "start=0"} {
		if got := answer[found](s, "/api/samples?"+query); len(got.Items) != 0 || !got.Done {
			t.Errorf("%s: %+v", query, got)
		}
	}
	s.get("/api/dataset")
	s.refused("/api/sample/0", 404, "no sample 0")
}

// TestHostile: names and values that are markup, control characters and no UTF-8
// come as JSON text, and are found.
func TestHostile(t *testing.T) {
	evil := []string{`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, "\x1b[2J\x00", "a\u202eb", "\xff\xfe", "javascript:alert(1)", "</script><!--", "'; DROP TABLE"}
	k := keyed{n: len(evil), at: func(i int) ([]any, string) {
		text, err := json.Marshal(map[string]string{"t": evil[i]})
		if err != nil {
			t.Fatal(err)
		}
		return []any{i, fields.JSONText(text), []byte(evil[i])}, strings.ToValidUTF8(strings.ReplaceAll(evil[i], "\x00", ""), "?")
	}}
	classes := make([]string, len(evil))
	for i := range classes {
		classes[i] = strings.ToValidUTF8(strings.ReplaceAll(evil[i], "\x00", ""), "?")
	}
	path := k.write(t, []ffcv.FieldSpec{{Name: "<b>label</b>", Field: fields.Int{}}, {Name: "<i onload=x>", Field: fields.JSON{}}, {Name: "a/../b", Field: fields.Bytes{}}},
		&ffcv.Options{PageSize: ffcv.MinPageSize, Classes: classes})
	s := serve(t, ffcvtest.Map(t, path, nil), &view.Options{})
	for _, path := range []string{"/api/dataset", "/api/samples", "/api/sample/0", "/api/sample/1", "/api/sample/4", "/api/samples?q=" + url.QueryEscape(`"<script>"`),
		"/api/sample/0/text?field=" + url.QueryEscape("a/../b"), "/api/sample/2/text?field=" + url.QueryEscape("<i onload=x>")} {
		w := s.do(s.request(path))
		if w.Code != 200 || w.Header().Get("Content-Type") != "application/json" || !json.Valid(w.Body.Bytes()) {
			t.Errorf("%s: %d %s", path, w.Code, w.Header())
		}
		if strings.ContainsAny(w.Body.String(), "<>\x1b\x00") {
			t.Errorf("%s: unescaped %s", path, w.Body)
		}
		checkHeaders(t, path, w)
	}
	if got := answer[found](s, "/api/samples?q="+url.QueryEscape(`"<script>alert(1)</script>"`)); !slices.Equal(got.indices(), []int{0}) {
		t.Errorf("found %v", got.indices())
	}
	w := s.do(s.request("/api/sample/0/bytes?field=" + url.QueryEscape("a/../b")))
	if got := w.Header().Get("Content-Disposition"); got != `attachment; filename="sample-0-a____b.txt"` {
		t.Errorf("%s", got)
	}
	if got := w.Header().Get("Content-Type"); got != "application/octet-stream" || w.Body.String() != evil[0] {
		t.Errorf("%s, %q", got, w.Body)
	}
	w = s.do(s.request("/api/sample/0/image?field=" + url.QueryEscape("<nothing>")))
	if w.Code != 404 || strings.Contains(w.Body.String(), "<nothing>") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestHuge: pages and searches of 10^8 samples take no longer than those of few,
// and no more memory.
func TestHuge(t *testing.T) {
	const n = 100_000_000
	f, err := ffcv.New(newHuge(t, n, 0), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := serve(t, f, nil)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for _, start := range []int{0, n / 3, n - 200} {
		begin := time.Now()
		got := answer[found](s, fmt.Sprintf("/api/samples?count=200&start=%d", start))
		if !slices.Equal(got.indices(), span(start, start+200)) || got.Items[199].Image.Bytes < 1000 {
			t.Errorf("from %d: %d samples", start, len(got.Items))
		}
		if took := time.Since(begin); took > 3*time.Second {
			t.Errorf("from %d: %v", start, took)
		}
	}
	got := answer[sample](s, fmt.Sprintf("/api/sample/%d", n-1))
	if got.Label != float64((n-1)%1000) || len(got.Neighbours) != 5 {
		t.Errorf("%+v", got)
	}
	for _, q := range []string{"label:-1", "width>9999", "bytes>1GB", "index:50000000- label:-1"} {
		begin := time.Now()
		a := answer[found](s, "/api/samples?q="+url.QueryEscape(q))
		if took := time.Since(begin); took > 3*time.Second || a.Done || a.Cursor == nil || a.Scanned < 1000 || a.Scanned == n {
			t.Errorf("%s: %v, %+v", q, took, a)
		}
		t.Logf("%s: %d samples a request", q, a.Scanned)
	}
	if a := answer[found](s, "/api/samples?q="+url.QueryEscape("index:99999990- label:999")); !slices.Equal(a.indices(), []int{n - 1}) || !a.Done {
		t.Errorf("%+v", a)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 16<<20 {
		t.Errorf("the server has %d bytes more", grown)
	}
}

// TestFar: a dataset in an object store is asked for its values together.
func TestFar(t *testing.T) {
	path := richFile(t)
	const wait = 20 * time.Millisecond
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(wait)
		http.ServeFile(w, r, path)
	}))
	defer web.Close()
	f, err := store.OpenFile(t.Context(), web.URL+"/rich.beton", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := serve(t, f, nil)
	for _, test := range []struct {
		path string
		want []int
	}{
		{"/api/samples?count=200", span(0, richSamples)}, {"/api/samples?q=meta.camera.iso%3E4500", []int{46, 47}}, {"/api/samples?q=label:3+key:photo_01", []int{10, 17}},
	} {
		got, rounds, begin := []int{}, 0, time.Now()
		for at := test.path; rounds < 40; rounds++ {
			a := answer[found](s, at)
			if got = append(got, a.indices()...); a.Done {
				break
			}
			at = test.path + "&cursor=" + *a.Cursor
		}
		t.Logf("%s: %d requests, %v", test.path, rounds+1, time.Since(begin))
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", test.path, got, test.want)
		}
	}
	decoded(t, s, "/api/sample/40/image?side=64", "image/jpeg")
	if got := answer[sample](s, "/api/sample/40"); got.Fields[0].Checksum != "ok" || strings.Contains(got.File.Name, "?") {
		t.Errorf("%+v", got.Fields[0])
	}
}

// TestManyTexts: a caption is of a few fields, however many there are, and the others
// aren't read for it; a picture is found behind them.
func TestManyTexts(t *testing.T) {
	var specs []ffcv.FieldSpec
	for k := range 40 {
		specs = append(specs, ffcv.FieldSpec{Name: fmt.Sprintf("text%d", k), Field: fields.LZ4{Of: fields.JSON{}}})
	}
	specs = append(specs, ffcv.FieldSpec{Name: "picture", Field: fields.Bytes{}})
	path := ffcvtest.Write(t, specs, 1, func(int) []any {
		var values []any
		for k := range 40 {
			values = append(values, fields.JSONText(fmt.Sprintf(`"value %d"`, k)))
		}
		return append(values, onePicture())
	}, nil)
	a := answer[found](serve(t, ffcvtest.Map(t, path, nil), nil), "/api/samples")
	if it := a.Items[0]; !strings.HasPrefix(it.Caption, `"value 0" · "value 1"`) || strings.Contains(it.Caption, "value 8") || it.Image == nil || it.Image.Field != "picture" {
		t.Errorf("%+v", it)
	}
}
