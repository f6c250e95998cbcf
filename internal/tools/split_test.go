package tools_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/betongo/betongo/label"
)

var update = flag.Bool("update", false, "write testdata/label/vectors.json anew")

// vector is a call of package label, and what it gives. Python's betongo.split is
// tested with the same ones.
type vector struct {
	Do      string    `json:"do"`
	Labels  []int64   `json:"labels,omitempty"`
	N       int       `json:"n,omitempty"`
	K       int       `json:"k,omitempty"`
	Shares  []float64 `json:"shares,omitempty"`
	Each    int       `json:"per_class,omitempty"`
	Shuffle bool      `json:"shuffle,omitempty"`
	Seed    uint64    `json:"seed"`

	Rules   []label.Rename `json:"rules,omitempty"`
	Classes []string       `json:"classes,omitempty"`

	Fails bool     `json:"fails,omitempty"`
	Parts [][]int  `json:"parts,omitempty"` // of folds what each tests
	New   []int64  `json:"new,omitempty"`
	Names []string `json:"names,omitempty"`
}

// run fills in what the call gives.
func (v *vector) run() {
	var err error
	var folds []label.Fold
	v.Fails, v.Parts, v.New, v.Names = false, nil, nil, nil
	switch v.Do {
	case "stratified":
		v.Parts, err = label.Stratified(v.Labels, v.Shares, v.Seed)
	case "kfold":
		folds, err = label.KFold(v.N, v.K, v.Seed, v.Shuffle)
	case "stratified_kfold":
		folds, err = label.StratifiedKFold(v.Labels, v.K, v.Seed)
	case "balanced":
		var list []int
		if list, err = label.Balanced(v.Labels, v.Each, v.Seed); err == nil {
			v.Parts = [][]int{list}
		}
	case "remap":
		var m label.Mapping
		if m, err = label.NewMapping(v.Rules, v.Classes); err == nil {
			v.New, err = m.Apply(v.Labels)
			v.Names = m.Classes()
		}
	}
	for _, f := range folds {
		v.Parts = append(v.Parts, f.Test)
	}
	if err != nil {
		v.Fails, v.Parts, v.New, v.Names = true, nil, nil, nil
	}
}

// many are labels that come unequally often, one of them once.
func many(n int) []int64 {
	list := make([]int64, n)
	for i := range list {
		list[i] = int64(i*i%11) - 3
	}
	list[n/2] = math.MaxInt64
	return list
}

func vectors() []vector {
	pets := []string{"cat", "dog", "owl", "cat"}
	list := []vector{
		{Do: "stratified", Labels: many(60), Shares: []float64{0.8, 0.1, 0.1}, Seed: 7},
		{Do: "stratified", Labels: many(61), Shares: []float64{1, 1}, Seed: math.MaxUint64},
		{Do: "stratified", Labels: []int64{5, 5, 5, 5, 5}, Shares: []float64{1, 1}, Seed: 0},
		{Do: "stratified", Labels: many(40), Shares: []float64{9}},
		{Do: "stratified", Labels: []int64{1, 2}, Shares: []float64{1, 1, 1}},
		{Do: "stratified", Labels: many(10), Shares: []float64{1, -1}},
		{Do: "kfold", N: 17, K: 5},
		{Do: "kfold", N: 17, K: 5, Seed: 3, Shuffle: true},
		{Do: "kfold", N: 4, K: 4, Seed: 1 << 63, Shuffle: true},
		{Do: "kfold", N: 3, K: 4},
		{Do: "stratified_kfold", Labels: many(50), K: 4, Seed: 11},
		{Do: "stratified_kfold", Labels: many(23), K: 7},
		{Do: "stratified_kfold", Labels: many(23), K: 1},
		{Do: "balanced", Labels: many(60), Seed: 5},
		{Do: "balanced", Labels: []int64{3, 1, 3, 1, 1, 3, 3, 1}, Each: 2, Seed: 9},
		{Do: "balanced", Labels: many(60), Each: 2},
		{Do: "remap", Labels: []int64{0, 1, 2, 3, 1}, Rules: []label.Rename{{From: "dog", To: "pet"}, {From: "cat", To: "pet"}}, Classes: pets},
		{Do: "remap", Labels: []int64{2, 9, 0}, Rules: []label.Rename{{From: "9", To: "bird"}, {From: "owl", To: "bird"}, {From: "*", To: "rest"}}, Classes: pets},
		{Do: "remap", Labels: []int64{2, 9}, Rules: []label.Rename{{From: "owl", To: "bird"}}, Classes: pets},
		{Do: "remap", Labels: []int64{2}, Rules: []label.Rename{{From: "emu", To: "bird"}}, Classes: pets},
		{Do: "remap", Labels: []int64{4, -2, 8}, Rules: []label.Rename{{From: "-2", To: "0"}, {From: "4", To: "+1"}}},
		{Do: "remap", Labels: []int64{4, -2, 8}, Rules: []label.Rename{{From: "8", To: "b"}, {From: "*", To: "a"}}},
		{Do: "remap", Labels: []int64{4, 5}, Rules: []label.Rename{{From: "4", To: "a"}}},
		{Do: "remap", Labels: []int64{4}, Rules: []label.Rename{{From: "cat", To: "a"}}},
	}
	for i := range list {
		list[i].run()
	}
	return list
}

// TestSplitVectors: package label gives what Python's tests want of betongo.split.
func TestSplitVectors(t *testing.T) {
	name := filepath.Join("..", "..", "testdata", "label", "vectors.json")
	var b bytes.Buffer
	b.WriteString("[\n")
	for i, v := range vectors() {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			b.WriteString(",\n")
		}
		b.Write(text)
	}
	b.WriteString("\n]\n")
	if *update {
		if err := os.WriteFile(name, b.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), want) {
		t.Errorf("%s is not what package label gives (go test -update writes it anew)", name)
	}
}
