package main

import (
	"fmt"
	"io"
	"math"
)

// result is what a pipeline's networks recognise.
type result struct {
	pipeline string
	top1     []float64 // percent, one a seed
}

// printTable prints the results in Markdown; the last column compares the first
// pipeline with each of the others.
func printTable(w io.Writer, results []result) {
	first := results[0]
	fmt.Fprintf(w, "| pipeline | top-1, mean ± standard deviation | each seed | %s less this, ± standard error |\n", first.pipeline)
	fmt.Fprintln(w, "|---|---|---|---|")
	for i, r := range results {
		mean, deviation := spread(r.top1)
		fmt.Fprintf(w, "| %s | %.2f ± %.2f %% |", r.pipeline, mean, deviation)
		for _, v := range r.top1 {
			fmt.Fprintf(w, " %.2f", v)
		}
		if i == 0 {
			fmt.Fprintln(w, " | |")
			continue
		}
		difference, noise := less(first.top1, r.top1)
		fmt.Fprintf(w, " | %+.2f ± %.2f |\n", difference, noise)
	}
}

// spread is the mean and the standard deviation of a sample of runs, two at
// least.
func spread(list []float64) (mean, deviation float64) {
	for _, v := range list {
		mean += v / float64(len(list))
	}
	for _, v := range list {
		deviation += (v - mean) * (v - mean)
	}
	return mean, math.Sqrt(deviation / float64(len(list)-1))
}

// less is the mean of a less b and its standard error. Runs of one seed are a
// pair: their networks begin alike and see the same photographs in the same
// batches, cropped otherwise.
func less(a, b []float64) (difference, noise float64) {
	list := make([]float64, len(a))
	for i := range a {
		list[i] = a[i] - b[i]
	}
	difference, deviation := spread(list)
	return difference, deviation / math.Sqrt(float64(len(list)))
}
