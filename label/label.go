// Package label divides samples by their labels: stratified parts, folds for
// cross-validation, subsets in which all classes are as large, labels renamed
// and merged. Its functions work on plain numbers and know no files; what they
// return are the numbers of samples, as loader.Options.Indices and
// splice.Selection take them.
//
// # Order
//
// What is drawn at random is the same for the same seed on every machine: the
// samples come in the order of their keys, of equal keys the smaller number
// first, and the key of sample i is SplitMix64's output
//
//	z = seed XOR 0x6c6162656c730001, then z = mix(z) + (i+1)*0x9e3779b97f4a7c15, then mix(z)
//
// modulo 2^64, where mix is z ^= z>>30, z *= 0xbf58476d1ce4e5b9, z ^= z>>27,
// z *= 0x94d049bb133111eb, z ^= z>>31. So it is one stable sort by a column of
// numbers, in any language.
//
// All lists that are returned are ascending: shuffling an epoch is the loader's
// work. Functions are safe for concurrent use and don't write to what they are
// given. Memory is a few words a sample, of k folds k words and a few.
package label

import (
	"cmp"
	"fmt"
	"slices"
)

// Fold is one of several ways to hold some samples back.
type Fold struct {
	Train []int `json:"train"` // ascending
	Test  []int `json:"test"`  // ascending; no other fold of the same call tests these
}

// mix is SplitMix64's output function.
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// shuffled returns 0 to n-1 in the seed's order.
func shuffled(n int, seed uint64) []int {
	state := mix(seed ^ 0x6c6162656c730001)
	key := func(i int) uint64 { return mix(state + (uint64(i)+1)*0x9e3779b97f4a7c15) }
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	slices.SortFunc(list, func(a, b int) int { return cmp.Or(cmp.Compare(key(a), key(b)), cmp.Compare(a, b)) })
	return list
}

// numbered gives the labels numbers from 0 on, in the order in which they first
// appear, and says how often each comes.
func numbered(labels []int64) (class []int, counts []int, known []int64) {
	of := map[int64]int{}
	class = make([]int, len(labels))
	for i, l := range labels {
		c, ok := of[l]
		if !ok {
			c = len(known)
			of[l] = c
			known, counts = append(known, l), append(counts, 0)
		}
		class[i] = c
		counts[c]++
	}
	return class, counts, known
}

// Stratified divides the samples into parts so that each has its share of every
// class: parts[k] are the samples of part k. Shares are in proportion to each
// other, 9 and 1 as 0.9 and 0.1. Of a class with n samples, in the seed's order,
// the parts get those up to n times the sum of the shares so far, rounded to the
// nearest, halves up: a class is divided with an error below one sample in each
// bound. (scikit-learn's StratifiedShuffleSplit draws the rounding.) Labels that
// are all alike give a plain random split.
//
// A share that isn't above 0 and finite is an error, as is a part that gets no
// sample.
func Stratified(labels []int64, shares []float64, seed uint64) ([][]int, error) {
	d, err := NewDealer(shares)
	if err != nil {
		return nil, err
	}
	for _, l := range labels {
		d.Count(l)
	}
	if err := d.Counted(); err != nil {
		return nil, err
	}
	parts := make([][]int, len(shares))
	for k, n := range d.Parts() {
		parts[k] = make([]int, 0, n)
	}
	for _, i := range shuffled(len(labels), seed) {
		k, _ := d.Deal(labels[i])
		parts[k] = append(parts[k], i)
	}
	for _, p := range parts {
		slices.Sort(p)
	}
	return parts, nil
}

// KFold divides n samples into k folds: each sample is tested in one of them,
// and trained on in the others. The first n%k folds test n/k+1 samples, the
// others n/k, as in scikit-learn: runs of samples that follow each other, or
// with shuffle runs of the seed's order. k is 2 to n.
func KFold(n, k int, seed uint64, shuffle bool) ([]Fold, error) {
	if err := checkFolds(n, k); err != nil {
		return nil, err
	}
	of := make([]int, n)
	var order []int
	if shuffle {
		order = shuffled(n, seed)
	}
	i := 0
	for f := range k {
		size := n / k
		if f < n%k {
			size++
		}
		for range size {
			at := i
			if shuffle {
				at = order[i]
			}
			of[at] = f
			i++
		}
	}
	return folds(of, k), nil
}

// StratifiedKFold divides the samples into k folds that test each class about
// equally: the numbers of a class in any two folds differ by one at most, and so
// do the sizes of the folds. These numbers are scikit-learn's: the classes are
// put one after another, in the order in which they first appear, and sample j
// of that list is tested in fold j%k. Within a class the samples are in the
// seed's order. Of a class with fewer samples than k some folds test none.
func StratifiedKFold(labels []int64, k int, seed uint64) ([]Fold, error) {
	n := len(labels)
	if err := checkFolds(n, k); err != nil {
		return nil, err
	}
	class, counts, _ := numbered(labels)
	next := make([]int, len(counts)) // the place of the class's next sample in the list
	for c := 1; c < len(counts); c++ {
		next[c] = next[c-1] + counts[c-1]
	}
	of := make([]int, n)
	for _, i := range shuffled(n, seed) {
		of[i] = next[class[i]] % k
		next[class[i]]++
	}
	return folds(of, k), nil
}

func checkFolds(n, k int) error {
	if k < 2 || k > n {
		return fmt.Errorf("%d folds of %d samples; want 2 folds at least and no more than there are samples", k, n)
	}
	return nil
}

// folds makes the lists of which fold tests each sample.
func folds(of []int, k int) []Fold {
	sizes := make([]int, k)
	for _, f := range of {
		sizes[f]++
	}
	list := make([]Fold, k)
	for f := range list {
		list[f] = Fold{Train: make([]int, 0, len(of)-sizes[f]), Test: make([]int, 0, sizes[f])}
		for i, at := range of {
			if at == f {
				list[f].Test = append(list[f].Test, i)
			} else {
				list[f].Train = append(list[f].Train, i)
			}
		}
	}
	return list
}

// Balanced returns perClass samples of each class, the first ones in the seed's
// order; 0 is as many as the smallest class has. Every label that comes is a
// class. One that has fewer is an error, which names it.
func Balanced(labels []int64, perClass int, seed uint64) ([]int, error) {
	if perClass < 0 {
		return nil, fmt.Errorf("%d samples of each class; want 0 or more", perClass)
	}
	class, counts, known := numbered(labels)
	if len(counts) == 0 {
		return nil, nil
	}
	if perClass == 0 {
		perClass = slices.Min(counts)
	}
	for c, n := range counts {
		if n < perClass {
			return nil, fmt.Errorf("label %d has %d samples; want %d of each class", known[c], n, perClass)
		}
	}
	taken := make([]int, len(counts))
	list := make([]int, 0, perClass*len(counts))
	for _, i := range shuffled(len(labels), seed) {
		if c := class[i]; taken[c] < perClass {
			taken[c]++
			list = append(list, i)
		}
	}
	slices.Sort(list)
	return list, nil
}
