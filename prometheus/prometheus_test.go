package prometheus_test

import (
	"context"
	"math"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	prom "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/prometheus"
)

// rows is a dataset of rows of three numbers and a label.
type rows int

func (n rows) Len() int { return int(n) }

func (n rows) Sample(_ context.Context, i int) ([]any, string, error) {
	a, err := array.New(array.Spec{DType: array.Uint8, Shape: []int{3}}, []byte{byte(i), 1, 2})
	return []any{a, int64(i)}, "", err
}

// open packs n rows and opens the file.
func open(t *testing.T, n int) *ffcv.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rows.beton")
	w, err := ffcv.Create(path, []ffcv.FieldSpec{
		{Name: "x", Field: fields.NDArray{DType: array.Uint8, Shape: []int{3}}},
		{Name: "label", Field: fields.Int{}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := w.WriteDataset(context.Background(), rows(n), nil); err != nil {
		t.Fatal(err)
	}
	f, err := ffcv.Open(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// gathered is what a registry tells: the value of each metric without labels of
// its own, and the sum over the others.
func gathered(t *testing.T, r *prom.Registry) map[string]float64 {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Error(err)
	}
	values := make(map[string]float64)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			values[f.GetName()] += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return values
}

func TestCollector(t *testing.T) {
	const n = 1000
	f := open(t, n)
	r := prom.NewPedanticRegistry()
	loaders := make([]*loader.Loader, 2)
	for i, set := range []string{"train", "val"} {
		var err error
		if loaders[i], err = loader.New(f, &loader.Options{BatchSize: 100, Workers: 2}); err != nil {
			t.Fatal(err)
		}
		defer loaders[i].Close()
		c := prometheus.NewCollector(loaders[i], prom.Labels{"set": set})
		if problems, err := testutil.CollectAndLint(c); err != nil || len(problems) > 0 {
			t.Errorf("%v, %v", problems, err)
		}
		r.MustRegister(c)
	}
	if got := gathered(t, r)["betongo_loader_epoch"]; got != -2 {
		t.Errorf("before the first epochs of both: %g", got)
	}
	for e := range 3 {
		for b, err := range loaders[0].Epoch(context.Background(), e) {
			if err != nil {
				t.Fatal(err)
			}
			b.Release()
		}
	}
	got, total := gathered(t, r), loaders[0].Totals()
	for name, want := range map[string]float64{
		"epochs_total": 3, "batches_total": 30, "samples_total": 3 * n, "bytes_total": 3 * n * 11, "read_bytes_total": 3 * n * 11,
		"skipped_total": 0, "wait_seconds_total": total.Wait.Seconds(), "elapsed_seconds_total": total.Elapsed.Seconds(),
		"work_seconds_total": total.Work.Seconds(), "stage_values_total": 3 * n * 2, "workers": 2, "ahead": 3, "epoch": 2 - 1,
	} {
		if v, ok := got["betongo_loader_"+name]; !ok || math.Abs(v-want) > 1e-9 {
			t.Errorf("%s is %g (%v), want %g", name, v, ok, want)
		}
	}
	if s := got["betongo_loader_stage_seconds_total"]; s <= 0 || s > total.Work.Seconds()+1e-9 {
		t.Errorf("stages of %g s, work of %g s", s, total.Work.Seconds())
	}
}

// TestCountersGrow gathers while epochs run.
func TestCountersGrow(t *testing.T) {
	l, err := loader.New(open(t, 5000), &loader.Options{BatchSize: 50, Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r := prom.NewRegistry()
	r.MustRegister(prometheus.NewCollector(l, nil))
	var gathering sync.WaitGroup
	quit := make(chan struct{})
	gathering.Add(1)
	go func() {
		defer gathering.Done()
		last := map[string]float64{}
		for {
			now := gathered(t, r)
			for name, v := range now {
				if v < last[name] && strings.HasSuffix(name, "_total") {
					t.Errorf("%s fell from %g to %g", name, last[name], v)
				}
			}
			last = now
			select {
			case <-quit:
				return
			default:
			}
		}
	}()
	for e := range 20 {
		for b, err := range l.Epoch(context.Background(), e) {
			if err != nil {
				t.Fatal(err)
			}
			b.Release()
		}
	}
	close(quit)
	gathering.Wait()
}
