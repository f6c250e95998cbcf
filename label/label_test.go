package label_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/label"
)

// draw makes n labels of so many classes, some of them rare.
func draw(n, classes int, seed uint64) []int64 {
	rng := rand.New(rand.NewPCG(seed, 1))
	list := make([]int64, n)
	for i := range list {
		list[i] = int64(float64(classes)*rng.Float64()*rng.Float64()) - 2
	}
	return list
}

func count(labels []int64, of []int) map[int64]int {
	n := map[int64]int{}
	for _, i := range of {
		n[labels[i]]++
	}
	return n
}

func all(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

// cover fails unless the lists are ascending and hold each of n samples once.
func cover(t *testing.T, n int, lists ...[]int) {
	t.Helper()
	var sum []int
	for _, l := range lists {
		if !slices.IsSorted(l) {
			t.Errorf("%v is not ascending", l)
		}
		sum = append(sum, l...)
	}
	slices.Sort(sum)
	if !slices.Equal(sum, all(n)) {
		t.Errorf("%d samples, want each of %d once", len(sum), n)
	}
}

func TestStratified(t *testing.T) {
	for _, shares := range [][]float64{{1}, {0.9, 0.1}, {80, 10, 10}, {1, 1, 1, 1}} {
		for _, n := range []int{40, 41, 1000} {
			labels := draw(n, 7, uint64(n))
			parts, err := label.Stratified(labels, shares, 5)
			if err != nil {
				t.Fatal(err)
			}
			cover(t, n, parts...)
			sum := 0.0
			for _, s := range shares {
				sum += s
			}
			total := count(labels, all(n))
			for k, p := range parts {
				for l, c := range count(labels, p) {
					if want := float64(total[l]) * shares[k] / sum; math.Abs(float64(c)-want) > 1 {
						t.Errorf("shares %v: part %d has %d of label %d, want %.1f", shares, k, c, l, want)
					}
				}
			}
			again, _ := label.Stratified(labels, shares, 5)
			other, _ := label.Stratified(labels, shares, 6)
			if !equal(parts, again) || len(shares) > 1 && equal(parts, other) {
				t.Error("a seed is one division, another seed another")
			}
		}
	}
}

func equal(a, b [][]int) bool { return slices.EqualFunc(a, b, slices.Equal[[]int]) }

func TestFolds(t *testing.T) {
	for _, n := range []int{2, 3, 10, 11, 103} {
		for _, k := range []int{2, 3, 5, 10} {
			labels := draw(n, 6, uint64(n+k))
			for name, make := range map[string]func() ([]label.Fold, error){
				"plain":      func() ([]label.Fold, error) { return label.KFold(n, k, 0, false) },
				"shuffled":   func() ([]label.Fold, error) { return label.KFold(n, k, 3, true) },
				"stratified": func() ([]label.Fold, error) { return label.StratifiedKFold(labels, k, 3) },
			} {
				folds, err := make()
				if k > n {
					if err == nil {
						t.Errorf("%s: %d folds of %d: no error", name, k, n)
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				var tests [][]int
				for _, f := range folds {
					cover(t, n, f.Train, f.Test)
					tests = append(tests, f.Test)
					if len(f.Test) != n/k && len(f.Test) != (n+k-1)/k {
						t.Errorf("%s: a fold of %d tests, %d of %d", name, len(f.Test), n, k)
					}
				}
				cover(t, n, tests...)
				if name != "stratified" {
					continue
				}
				for l := range count(labels, all(n)) {
					least, most := n, 0
					for _, f := range folds {
						c := count(labels, f.Test)[l]
						least, most = min(least, c), max(most, c)
					}
					if most > least+1 {
						t.Errorf("label %d: %d to %d in the folds", l, least, most)
					}
				}
			}
		}
	}
	folds, err := label.KFold(7, 3, 0, false)
	if got := fmt.Sprint(folds, err); got != "[{[3 4 5 6] [0 1 2]} {[0 1 2 5 6] [3 4]} {[0 1 2 3 4] [5 6]}] <nil>" {
		t.Error(got)
	}
	for _, k := range []int{-1, 0, 1} {
		if _, err := label.KFold(9, k, 0, true); err == nil {
			t.Errorf("%d folds: no error", k)
		}
	}
}

func TestBalanced(t *testing.T) {
	labels := draw(500, 5, 1)
	least := 500
	for _, c := range count(labels, all(500)) {
		least = min(least, c)
	}
	for _, per := range []int{0, 1, least} {
		list, err := label.Balanced(labels, per, 9)
		if err != nil {
			t.Fatal(err)
		}
		want := per
		if per == 0 {
			want = least
		}
		got := count(labels, list)
		if len(got) != len(count(labels, all(500))) || !slices.IsSorted(list) || len(slices.Compact(slices.Clone(list))) != len(list) {
			t.Errorf("%d each: %v", per, got)
		}
		for l, c := range got {
			if c != want {
				t.Errorf("label %d: %d, want %d", l, c, want)
			}
		}
	}
	if _, err := label.Balanced(labels, least+1, 9); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("has %d samples; want %d", least, least+1)) {
		t.Errorf("got %v", err)
	}
	if _, err := label.Balanced(labels, -1, 9); err == nil {
		t.Error("no error")
	}
	if list, err := label.Balanced(nil, 0, 1); list != nil || err != nil {
		t.Error(list, err)
	}
}

// TestKnown holds the order to what it was: files of indices are made of it.
func TestKnown(t *testing.T) {
	labels := []int64{0, 1, 1, 0, 2, 1, 0, 1, 1, 2, 0, 1}
	parts, err := label.Stratified(labels, []float64{3, 1}, 42)
	if got := fmt.Sprint(parts, err); got != "[[2 3 4 5 6 7 8 9 10 11] [0 1]] <nil>" {
		t.Errorf("got %s", got)
	}
	folds, err := label.StratifiedKFold(labels, 3, 42)
	if got := fmt.Sprint(folds[0].Test, folds[1].Test, folds[2].Test, err); got != "[0 1 2 6] [4 8 10 11] [3 5 7 9] <nil>" {
		t.Errorf("got %s", got)
	}
	list, err := label.Balanced(labels, 0, 42)
	if got := fmt.Sprint(list, err); got != "[4 6 7 8 9 10] <nil>" {
		t.Errorf("got %s", got)
	}
}

func TestRefused(t *testing.T) {
	for _, shares := range [][]float64{nil, {0}, {1, -1}, {math.NaN()}, {math.Inf(1)}, {1, 0.001}} {
		if parts, err := label.Stratified(make([]int64, 20), shares, 0); err == nil || parts != nil {
			t.Errorf("shares %v: got %v, %v", shares, parts, err)
		}
	}
}

func Example() {
	labels := []int64{0, 0, 0, 0, 1, 1, 1, 1}
	folds, err := label.StratifiedKFold(labels, 4, 1)
	if err != nil {
		panic(err)
	}
	for _, f := range folds {
		fmt.Println(len(f.Train), len(f.Test), labels[f.Test[0]], labels[f.Test[1]])
	}
	// Output:
	// 6 2 0 1
	// 6 2 0 1
	// 6 2 0 1
	// 6 2 0 1
}
