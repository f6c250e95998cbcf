package build_test

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/betongo/betongo/build"
)

// manyPhotos links the photographs of the tests many times into a folder.
func manyPhotos(t *testing.T, times int) string {
	t.Helper()
	found, err := filepath.Glob(photos + "/*/*")
	if err != nil || len(found) == 0 {
		t.Fatalf("%d photographs, %v", len(found), err)
	}
	dir := t.TempDir()
	for i := range times {
		for _, path := range found {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			name := filepath.Join(dir, filepath.Base(filepath.Dir(path)), strings.Repeat("x", i+1)+filepath.Base(path))
			if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, data, 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

// What is estimated is what the file then has, in each of the ways; all samples looked
// at give it nearly to the byte.
func TestEstimateSize(t *testing.T) {
	r := build.Recipe{Folder: &build.Folder{Dir: manyPhotos(t, 4)}, Writer: build.Writer{PageSize: 2 << 20}}
	r.Image.Mode, r.Image.MaxResolution = "raw", 48
	for _, tt := range []struct {
		samples int
		within  float64 // of what pages don't round
	}{{1 << 20, 0.001}, {30, 0.05}} {
		e, err := r.Estimate(t.Context(), &build.EstimateOptions{Samples: tt.samples, Workers: 2})
		if err != nil {
			t.Fatal(err)
		}
		if len(e.Choices) != 6 || !e.Choices[0].Asked || e.Suits < 0 || len(e.Failed) != 0 {
			t.Fatalf("%+v", e)
		}
		for _, c := range e.Choices {
			q := r
			q.Image = c.Image
			info, err := os.Stat(direct(t, q))
			if err != nil {
				t.Fatal(err)
			}
			if c.Image.Mode == "proportion" {
				continue // the dice of so few samples
			}
			if d := math.Abs(float64(c.Bytes - info.Size())); d > tt.within*float64(info.Size())+2<<20 {
				t.Errorf("%d samples, %s: %d bytes are estimated, the file has %d", tt.samples, c.Name, c.Bytes, info.Size())
			}
			if c.LoadCPU <= 0 || c.BuildCPU <= 0 || math.Abs(c.EpochCPU-c.LoadCPU*float64(e.Samples)/1e3) > 1e-9 {
				t.Errorf("%+v", c)
			}
		}
	}
}

// The block behind the pages is known to the byte.
func TestEstimateSmallSamples(t *testing.T) {
	dir := t.TempDir()
	table := filepath.Join(dir, "t.csv")
	text := "i,s\n" + strings.Repeat("1,some text\n2,\n3,other text here\n", 700)
	if err := os.WriteFile(table, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	r := build.Recipe{Table: &build.Table{File: table, Fields: []string{"i=int", "s=bytes:inline=true"}}, Writer: build.Writer{PageSize: 2 << 20}}
	e, err := r.Estimate(t.Context(), nil)
	if err != nil || len(e.Choices) != 1 || e.Sampled != 200 {
		t.Fatalf("%+v, %v", e, err)
	}
	info, err := os.Stat(direct(t, r))
	if err != nil {
		t.Fatal(err)
	}
	if e.Choices[0].Bytes != info.Size() {
		t.Errorf("%d bytes are estimated, the file has %d", e.Choices[0].Bytes, info.Size())
	}
}

func TestEstimateSuits(t *testing.T) {
	r := folder(t, nil)
	best := func(o *build.EstimateOptions) *build.Choice {
		t.Helper()
		o.Samples = 8
		e, err := r.Estimate(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if e.Suits < 0 {
			return nil
		}
		return &e.Choices[e.Suits]
	}
	if c := best(&build.EstimateOptions{Disk: 1000}); c != nil {
		t.Errorf("%s fits into 1000 bytes", c.Name)
	}
	if c := best(&build.EstimateOptions{PerSecond: 1}); c == nil || !c.Asked {
		t.Errorf("%+v; want what was asked for, which is quick enough", c)
	}
	if c := best(&build.EstimateOptions{PerSecond: 1e12}); c == nil || c.Fast {
		t.Errorf("%+v; want one that is not quick enough", c)
	}
}

// Samples that can't be packed are named, and the others looked at.
func TestEstimateBroken(t *testing.T) {
	dir := manyPhotos(t, 1)
	for _, name := range []string{"a.jpg", "z.jpg"} {
		if err := os.WriteFile(filepath.Join(dir, "broken", name), nil, 0o666); os.IsNotExist(err) {
			if err = os.MkdirAll(filepath.Join(dir, "broken"), 0o777); err == nil {
				err = os.WriteFile(filepath.Join(dir, "broken", name), []byte("no image"), 0o666)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	r := build.Recipe{Folder: &build.Folder{Dir: dir}}
	e, err := r.Estimate(t.Context(), &build.EstimateOptions{Samples: 1 << 20})
	if err != nil || len(e.Failed) != 2 || e.Failed[0].Path == "" || e.Choices[1].Bytes == 0 {
		t.Errorf("%+v, %v", e, err)
	}
}

func TestEstimateBeton(t *testing.T) {
	from := direct(t, folder(t, nil))
	r := build.Recipe{Beton: &build.Beton{File: from}, Writer: build.Writer{PageSize: 2 << 20}}
	e, err := r.Estimate(t.Context(), nil)
	if err != nil || len(e.Choices) != 6 {
		t.Fatalf("%+v, %v", e, err)
	}
	info, err := os.Stat(from)
	if err != nil {
		t.Fatal(err)
	}
	if d := math.Abs(float64(e.Choices[0].Bytes - info.Size())); d > 4096 {
		t.Errorf("%d bytes are estimated, the file has %d", e.Choices[0].Bytes, info.Size())
	}
}
