package view_test

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/dataset"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/stats"
)

type histTold struct {
	Edges  []float64
	Counts []int64
	Log    bool
}

// chartsTold is what GET /api/charts tells.
type chartsTold struct {
	Samples, Of int
	Whole       bool
	Seconds     float64
	Labels      *struct {
		Field  string
		Counts []struct {
			Label any
			Class string
			Count int64
		}
		Others, Samples int64
		Distinct        int
		More, Whole     bool
		Entropy         float64
	}
	Images []struct {
		Field                        string
		Width, Height, Aspect, Bytes *histTold
		Modes                        map[string]int
		Mean, Std                    []float64
		Pixels                       uint64
		Pictures                     int
	}
	Fields []struct {
		Name                string
		Bytes, Values       *histTold
		TotalBytes          int64 `json:"total_bytes"`
		Min, Max, Mean, Std any
		NaN, Inf            int64
	}
	Broken int
}

// check says whether a histogram is one, of so many numbers.
func (h *histTold) check(n int) error {
	if h == nil || len(h.Edges) != len(h.Counts)+1 || len(h.Counts) == 0 || !slices.IsSorted(h.Edges) {
		return fmt.Errorf("no histogram: %+v", h)
	}
	sum := 0
	for i, c := range h.Counts {
		sum += int(c)
		if h.Edges[i] == h.Edges[i+1] || c < 0 {
			return fmt.Errorf("bin %d: %+v", i, h)
		}
	}
	if sum != n {
		return fmt.Errorf("%d numbers, want %d", sum, n)
	}
	return nil
}

func TestCharts(t *testing.T) {
	f := ffcvtest.Map(t, photoFile(t), nil)
	a := ask(t, f)
	var got chartsTold
	a.get("/api/charts", &got)
	if got.Samples != 64 || got.Of != 64 || !got.Whole || got.Broken != 0 || len(got.Images) != 1 || len(got.Fields) != 3 {
		t.Fatalf("%+v", got)
	}
	v := got.Images[0]
	for name, h := range map[string]*histTold{"width": v.Width, "height": v.Height, "aspect": v.Aspect, "bytes": v.Bytes, "text's bytes": got.Fields[2].Bytes} {
		if err := h.check(64); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if v.Modes["jpg"] != 64 || len(v.Mean) != 3 || len(v.Std) != 3 || v.Pictures < 4 || v.Pixels == 0 || got.Fields[0].Bytes != nil {
		t.Errorf("%+v", v)
	}
	for c := range v.Mean {
		if !(v.Mean[c] > 0 && v.Mean[c] < 1 && v.Std[c] > 0 && v.Std[c] < 0.5) {
			t.Errorf("channel %d: %v, %v", c, v.Mean[c], v.Std[c])
		}
	}
	l := got.Labels
	if l == nil || l.Field != "label" || l.Distinct != 10 || !l.Whole || l.Others != 0 || l.Samples != 64 || l.Counts[0].Count != 7 || l.Counts[9].Count != 6 || l.Counts[0].Label != 0. {
		t.Errorf("labels: %+v", l)
	}
	want := -(4*7./64*math.Log2(7./64) + 6*6./64*math.Log2(6./64))
	if math.Abs(l.Entropy-want) > 1e-12 {
		t.Errorf("entropy %v, want %v", l.Entropy, want)
	}
	if text := got.Fields[2]; text.TotalBytes != 63*32 || text.Values != nil || text.Min != nil {
		t.Errorf("text: %+v", text)
	}
	var few chartsTold
	a.get("/api/charts?count=10", &few)
	if few.Samples != 10 || few.Whole || !few.Labels.Whole || few.Labels.Samples != 64 {
		t.Errorf("of ten: %+v", few)
	}
	for _, q := range []string{"0", "-1", "x", "20001", "1e3"} {
		a.fails("GET", "/api/charts?count="+q, "", 400)
	}
}

// TestChartsValues: numbers, labels and arrays of every kind, also such as JSON has no
// word for.
func TestChartsValues(t *testing.T) {
	specs := []ffcv.FieldSpec{
		{Name: "x", Field: fields.Float{}}, {Name: "n", Field: fields.Int{}}, {Name: "label", Field: fields.Int{}},
		{Name: "v", Field: fields.NDArray{DType: array.Float32, Shape: []int{3}}}, {Name: "same", Field: fields.Float{}},
	}
	values := []float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, -1.5, 1e308, -1e308, 5e-324}
	path := ffcvtest.Write(t, specs, 80, func(i int) []any {
		v, _ := array.New(array.Spec{DType: array.Float32, Shape: []int{3}}, []byte{0, 0, 0x80, 0x3f, 0, 0, 0xc0, 0x7f, 0, 0, byte(0x40 * (i % 2)), 0x40})
		return []any{values[i%len(values)], int64(i%20) * 1000, int64(math.MinInt64) + int64(i%2), v, 7.25}
	}, nil)
	a := ask(t, ffcvtest.Map(t, path, nil))
	var got chartsTold
	a.get("/api/charts", &got)
	x := got.Fields[0]
	if err := x.Values.check(50); err != nil || x.NaN != 10 || x.Inf != 20 || x.Min != -1e308 || x.Max != 1e308 {
		t.Errorf("x: %v, %+v", err, x)
	}
	if n := got.Fields[1]; n.Values.check(80) != nil || n.Min != 0. || n.Max != 19000. || math.Abs(n.Mean.(float64)-9500) > 1e-9 {
		t.Errorf("n: %+v", n)
	}
	if got.Labels == nil || got.Labels.Distinct != 2 || got.Labels.Counts[0].Label != "-9223372036854775808" || got.Labels.Counts[0].Count != 40 || got.Fields[2].Values != nil {
		t.Errorf("labels: %+v", got.Labels)
	}
	if v := got.Fields[3]; v.Values.check(160) != nil || v.NaN != 80 || v.Min != 1. || v.Max != 3. {
		t.Errorf("v: %+v", v)
	}
	if same := got.Fields[4]; same.Values.check(80) != nil || len(same.Values.Counts) != 1 || same.Std != 0. {
		t.Errorf("same: %+v", same)
	}
}

// TestChartsEmpty: no samples, and no fields with anything to count.
func TestChartsEmpty(t *testing.T) {
	path := ffcvtest.Write(t, []ffcv.FieldSpec{{Name: "image", Field: fields.RGBImage{}}, {Name: "label", Field: fields.Int{}}}, 0, nil, nil)
	a := ask(t, ffcvtest.Map(t, path, nil))
	var got chartsTold
	a.get("/api/charts", &got)
	if got.Samples != 0 || !got.Whole || got.Labels != nil || got.Images[0].Width != nil || got.Images[0].Mean != nil {
		t.Errorf("%+v", got)
	}
	var pages pagesTold
	a.get("/api/pages", &pages)
	if len(pages.Buckets) != 0 {
		t.Errorf("%+v", pages)
	}
}

// jobTold is what GET /api/jobs/ID tells.
type jobTold struct {
	ID, Kind, State, Error string
	Done, All              int64
	Seconds                float64
	Result                 json.RawMessage
}

// run starts a job and waits for its end.
func (a *asker) run(kind string) jobTold {
	a.t.Helper()
	return a.wait(a.start(kind))
}

func (a *asker) start(kind string) (id string) {
	a.t.Helper()
	w := a.do("POST", "/api/jobs", fmt.Sprintf(`{"kind":%q}`, kind))
	var begun struct{ ID string }
	if err := json.Unmarshal(w.Body.Bytes(), &begun); err != nil || w.Code != 200 {
		a.t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	return begun.ID
}

func (a *asker) wait(id string) (j jobTold) {
	a.t.Helper()
	for until := time.Now().Add(time.Minute); time.Now().Before(until); time.Sleep(5 * time.Millisecond) {
		a.get("/api/jobs/"+id, &j)
		if j.Done > j.All && j.All >= 0 {
			a.t.Errorf("%s: %d of %d", j.Kind, j.Done, j.All)
		}
		if j.State != "running" {
			return j
		}
	}
	a.t.Fatal("the job does not end")
	return j
}

// TestSurvey: of all samples the numbers are those of package stats.
func TestSurvey(t *testing.T) {
	f := ffcvtest.Map(t, photoFile(t), nil)
	a := ask(t, f)
	j := a.run("survey")
	var got chartsTold
	if err := json.Unmarshal(j.Result, &got); err != nil || j.State != "done" {
		t.Fatalf("%+v: %v", j, err)
	}
	want, err := stats.Survey(t.Context(), f, &stats.Options{NoDuplicates: true})
	if err != nil {
		t.Fatal(err)
	}
	v := got.Images[0]
	if !got.Whole || got.Samples != 64 || v.Width.check(64) != nil || v.Pixels != want.Fields[0].Image.Channels[0].Pixels || v.Pictures != 64 {
		t.Errorf("%+v", got)
	}
	for c, w := range want.Fields[0].Image.Channels {
		if v.Mean[c] != w.MeanUnit || v.Std[c] != w.StdUnit {
			t.Errorf("channel %d: %v, %v; want %v, %v", c, v.Mean[c], v.Std[c], w.MeanUnit, w.StdUnit)
		}
	}
	if got.Fields[0].TotalBytes != want.Fields[0].Bytes {
		t.Errorf("%d bytes of pictures, want %d", got.Fields[0].TotalBytes, want.Fields[0].Bytes)
	}
}

// TestStopped: work over 10^8 samples ends as soon as it is stopped, and with the
// server.
func TestStopped(t *testing.T) {
	f, err := ffcv.New(newHuge(t, 100_000_000, 0), nil)
	if err != nil {
		t.Fatal(err)
	}
	a := ask(t, f)
	for _, kind := range []string{"survey", "verify", "decode"} {
		id := a.start(kind)
		time.Sleep(50 * time.Millisecond)
		if w := a.do("DELETE", "/api/jobs/"+id, ""); w.Code != 200 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		began := time.Now()
		if j := a.wait(id); j.State != "stopped" || time.Since(began) > 10*time.Second {
			t.Errorf("%s: %s after %v", kind, j.State, time.Since(began))
		}
	}
	a.start("survey")
	began := time.Now()
	if err := a.s.Close(); err != nil || time.Since(began) > 10*time.Second {
		t.Errorf("Close: %v after %v", err, time.Since(began))
	}
}

// TestSurveySeveral: several files are one dataset.
func TestSurveySeveral(t *testing.T) {
	f, g := ffcvtest.Map(t, photoFile(t), nil), ffcvtest.Map(t, photoFile(t), nil)
	both, err := dataset.NewConcat(f, g)
	if err != nil {
		t.Fatal(err)
	}
	a := ask(t, both)
	j := a.run("survey")
	var got chartsTold
	if err := json.Unmarshal(j.Result, &got); err != nil || got.Samples != 128 || got.Labels.Counts[0].Count != 14 || got.Images[0].Width.check(128) != nil {
		t.Errorf("%+v: %v", got, err)
	}
}
