package main

import (
	"errors"
	"testing"
)

func TestUncounted(t *testing.T) {
	for _, test := range []struct {
		err    error
		absent bool
	}{
		{nil, false},
		{errors.New("benchmarks: error: more than 2 % slower: resize"), false},
		{errors.New("benchmarks: error: no instruction counter: perf finds none of the processor's, and there is no valgrind"), true},
		{errors.New("benchmarks: error: find the commit HEAD^: git: exit status 1"), true},
	} {
		err := uncounted(test.err)
		var a absent
		if errors.As(err, &a) != test.absent || !test.absent && err != test.err {
			t.Errorf("%v: got %v", test.err, err)
		}
	}
}
