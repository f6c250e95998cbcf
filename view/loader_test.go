package view_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/internal/leak"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/testdata/photos"
	"github.com/betongo/betongo/view"
)

// loaderAnswer is what the page reads of GET /api/loader.
type loaderAnswer struct {
	Source  *string
	Running bool
	Stats   *struct {
		Epoch, Batches, Workers int
		Verdict                 string
	}
	Of      *struct{ Batches, Samples int }
	Stale   bool
	History []struct {
		T       float64
		Samples float64 `json:"samples_per_s"`
		Wait    float64
		Work    float64
	}
	Own *struct {
		Order   string
		Batch   int
		Workers int
	}
	Error, Hint string
	At          *int
	Param       string
}

// loaderServer serves a small dataset of pictures.
func loaderServer(t *testing.T, opts *view.Options) (ask func(method, body string) (int, loaderAnswer), s *view.Server) {
	t.Helper()
	f := ffcvtest.Map(t, pictureFile(t), nil)
	s, err := view.New(f, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return func(method, body string) (int, loaderAnswer) {
		t.Helper()
		r := httptest.NewRequest(method, "http://127.0.0.1:8080/api/loader", strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+s.Token())
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, r)
		var a loaderAnswer
		if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
			t.Fatalf("%d: %s: %v", w.Code, w.Body, err)
		}
		return w.Code, a
	}, s
}

func pictureFile(t *testing.T) string {
	t.Helper()
	specs := []ffcv.FieldSpec{{Name: "image", Field: fields.RGBImage{}}, {Name: "label", Field: fields.Int{}}, {Name: "text", Field: fields.Bytes{}}}
	var pictures [][]byte
	err := fs.WalkDir(photos.FS, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || len(pictures) == 8 || !strings.HasSuffix(path, ".jpg") {
			return err
		}
		b, err := fs.ReadFile(photos.FS, path)
		pictures = append(pictures, b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return ffcvtest.Write(t, specs, 64, func(i int) []any {
		return []any{pictures[i%len(pictures)], int64(i), []byte(strings.Repeat("x", i))}
	}, &ffcv.Options{PageSize: ffcv.MinPageSize})
}

func TestNoLoader(t *testing.T) {
	ask, _ := loaderServer(t, nil)
	code, a := ask("GET", "")
	if code != 200 || a.Source != nil || a.Stats != nil || a.History == nil || a.Error != "" || !strings.Contains(a.Hint, "StatsFile") {
		t.Errorf("%d, %+v", code, a)
	}
	if code, a := ask("POST", `{"action":"stop"}`); code != http.StatusConflict || a.Error == "" {
		t.Errorf("stop: %d, %+v", code, a)
	}
}

// TestOwnLoader: it runs epochs until it is stopped, and what it ended with can be
// seen.
func TestOwnLoader(t *testing.T) {
	defer leak.Watch(t)()
	ask, s := loaderServer(t, nil)
	defer s.Close()
	code, a := ask("POST", `{"action":"start","pipeline":[{"op":"CenterCrop","args":{"Width":32,"Height":32}}],"field":"image","batch":8,"workers":1,"order":"sequential"}`)
	if code != 200 || a.Source == nil || *a.Source != "own" || !a.Running || a.Of.Batches != 8 || a.Own.Workers != 1 {
		t.Fatalf("start: %d, %+v", code, a)
	}
	if code, a := ask("POST", `{"action":"start"}`); code != http.StatusConflict || a.Hint == "" {
		t.Errorf("a second start: %d, %+v", code, a)
	}
	for end := time.Now().Add(20 * time.Second); a.Stats.Epoch < 2 || len(a.History) == 0; {
		if time.Now().After(end) {
			t.Fatalf("after 20 s: %+v", a)
		}
		time.Sleep(20 * time.Millisecond)
		_, a = ask("GET", "")
	}
	if p := a.History[0]; p.Samples <= 0 || p.Wait < 0 || p.Wait > 1 || p.Work < 0 || p.Work > 1 || p.T < 1e9 {
		t.Errorf("a point: %+v", p)
	}
	code, a = ask("POST", `{"action":"stop"}`)
	if code != 200 || a.Running || a.Error != "" || a.Stats.Verdict == "" {
		t.Errorf("stop: %d, %+v", code, a)
	}
	if _, b := ask("GET", ""); b.Running || b.Stats.Epoch != a.Stats.Epoch {
		t.Errorf("after it: %+v", b)
	}
	if code, a := ask("POST", `{"action":"start"}`); code != 200 || a.Own.Order != "random" || a.Own.Batch != 256 {
		t.Errorf("without settings: %d, %+v", code, a)
	}
	if err := s.Close(); err != nil { // ends it
		t.Fatal(err)
	}
	if code, _ := ask("POST", `{"action":"start"}`); code != http.StatusServiceUnavailable {
		t.Errorf("start after Close: %d", code)
	}
}

func TestOwnLoaderRefused(t *testing.T) {
	ask, _ := loaderServer(t, nil)
	for _, test := range []struct {
		body string
		code int
		want string
	}{
		{`{`, 400, "JSON"},
		{`[]`, 400, "JSON"},
		{`{"action":"<b>"}`, 400, `"<b>"`},
		{`{"action":"start","batch":-1}`, 400, "batch"},
		{`{"action":"start","batch":1000000}`, 400, "batch"},
		{`{"action":"start","workers":-1}`, 400, "workers"},
		{`{"action":"start","workers":100000}`, 400, "workers"},
		{`{"action":"start","order":"radnom"}`, 400, `"random"`},
		{`{"action":"start","field":"imge"}`, 400, `"imge"`},
		{`{"action":"start","field":"text"}`, 422, "differ in length"},
		{`{"action":"start","pipeline":7}`, 400, "pipeline"},
		{`{"action":"start","pipeline":[{"op":"CentreCrop"}]}`, 422, `"CenterCrop"`},
		{`{"action":"start","pipeline":[{"op":"CenterCrop","args":{"Width":-3,"Height":3}}]}`, 422, "-3"},
		{`{"action":"start","pipeline":[{"op":"CenterCrop","args":{"Width":3,"Height":3}},{"op":"CenterCrop","args":{"Wdth":3}}]}`, 422, "Wdth"},
		{`{"action":"start","pipeline":[{"op":"HorizontalFlip"}]}`, 422, "decoder"},
		{`{"action":"start","batch":8192,"pipeline":[{"op":"CenterCrop","args":{"Width":1024,"Height":1024}}]}`, 422, "GiB"},
	} {
		code, a := ask("POST", test.body)
		if code != test.code || !strings.Contains(a.Error, test.want) {
			t.Errorf("%s: %d, %+v; want %d and %q", test.body, code, a, test.code, test.want)
		}
	}
	if _, a := ask("GET", ""); a.Source != nil {
		t.Errorf("one runs: %+v", a)
	}
	_, a := ask("POST", `{"action":"start","pipeline":[{"op":"CenterCrop","args":{"Width":3,"Height":3}},{"op":"Cutout","args":{"Size":"a"}}]}`)
	if a.At == nil || *a.At != 1 || a.Param != "Size" {
		t.Errorf("where it is wrong: %+v", a)
	}
}

// TestLoaderFile: a running loader's file is shown; what is wrong with it is told
// beside what was last seen.
func TestLoaderFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stats.json")
	ask, _ := loaderServer(t, &view.Options{Loader: path})
	look := func() loaderAnswer {
		t.Helper()
		time.Sleep(510 * time.Millisecond) // it is not read more often
		code, a := ask("GET", "")
		if code != 200 || a.Source == nil || *a.Source != "file" {
			t.Fatalf("%d, %+v", code, a)
		}
		return a
	}
	if a := look(); a.Error == "" || a.Stats != nil || !strings.Contains(a.Hint, "StatsFile") {
		t.Errorf("no file: %+v", a)
	}
	l, err := loader.New(ffcvtest.Map(t, pictureFile(t), nil), &loader.Options{
		BatchSize: 8, StatsFile: path, Outputs: []loader.Output{{Name: "image", Disabled: true}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if a := look(); a.Error != "" || a.Stats.Verdict != "no epoch yet" || a.Running || a.Of.Batches != 8 {
		t.Errorf("no epoch: %+v", a)
	}
	for b, err := range l.Epoch(context.Background(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		b.Release()
	}
	a := look()
	if a.Error != "" || a.Stats.Batches != 8 || !a.Running || len(a.History) != 1 || a.History[0].Samples <= 0 {
		t.Errorf("an epoch that has just ended: %+v", a)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ name, text, want string }{
		{"half", string(whole[:len(whole)/2]), "unexpected end"},
		{"other", `{"hello":"<script>"}`, "format"},
		{"long", string(whole) + strings.Repeat(" ", loader.MaxSnapshot), "bytes"},
		{"empty", "", "unexpected end"},
	} {
		if err := os.WriteFile(path, []byte(test.text), 0o666); err != nil {
			t.Fatal(err)
		}
		if a := look(); !strings.Contains(a.Error, test.want) || a.Stats == nil || a.Stats.Batches != 8 {
			t.Errorf("%s: %+v; want %q and what was seen before", test.name, a, test.want)
		}
	}
	old := bytes.Replace(whole, []byte(`"running":false`), []byte(`"running":true`), 1)
	later := func(b []byte, d time.Duration, epoch string) []byte {
		var m map[string]json.RawMessage
		if err := json.Unmarshal(b, &m); err != nil {
			t.Fatal(err)
		}
		m["time"] = json.RawMessage(fmt.Sprintf("%q", time.Now().Add(d).Format(time.RFC3339Nano)))
		m["epoch"] = json.RawMessage(epoch)
		m["total"] = json.RawMessage(epoch)
		b, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	os.WriteFile(path, later(old, -time.Hour, `{"running":true,"samples":9223372036854775807,"wait":-9223372036854775808,"work":9223372036854775807}`), 0o666)
	if a := look(); !a.Stale || !a.Running {
		t.Errorf("an old one: %+v", a)
	}
	os.WriteFile(path, later(old, time.Hour, `{"running":true,"samples":9223372036854775807,"wait":9223372036854775807,"work":-9223372036854775808,"workers":-4,"verdict":"<img src=x onerror=alert(1)>"}`), 0o666)
	if a := look(); a.Error != "" || len(a.History) != 1 || a.History[0].Wait > 1 || a.History[0].Work != 0 || a.Stats.Verdict != "<img src=x onerror=alert(1)>" {
		t.Errorf("strange numbers: %+v", a)
	}
}

// TestLoaderURL: the file may be anywhere that files are read from.
func TestLoaderURL(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stats.json")
	if err := os.WriteFile(path, []byte(`{"format":"betongo-loader-stats","version":1,"epoch":{"epoch":3,"verdict":"well"}}`), 0o666); err != nil {
		t.Fatal(err)
	}
	ask, _ := loaderServer(t, &view.Options{Loader: "file://" + filepath.ToSlash(path)})
	if _, a := ask("GET", ""); runtime.GOOS != "windows" && (a.Error != "" || a.Stats == nil || a.Stats.Verdict != "well") {
		t.Errorf("%+v", a)
	}
	ask, _ = loaderServer(t, &view.Options{Loader: "nowhere://bucket/stats.json"})
	if _, a := ask("GET", ""); a.Error == "" || a.Stats != nil {
		t.Errorf("of a kind that there isn't: %+v", a)
	}
}
