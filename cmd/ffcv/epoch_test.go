package main

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/betongo/betongo/loader"
)

// epochLines runs the verb to its end in a process of its own.
func epochLines(t *testing.T, args ...string) []string {
	t.Helper()
	out, err := exec.Command("ffcv", append([]string{"epoch"}, args...)...).Output()
	if err != nil {
		t.Fatalf("ffcv epoch %v: %v", args, err)
	}
	return slices.Collect(strings.Lines(string(out)))
}

// killedLines runs the verb and kills it when that many lines were read. It
// returns the whole lines that it had written.
func killedLines(t *testing.T, lines int, args ...string) []string {
	t.Helper()
	cmd := exec.Command("ffcv", append([]string{"epoch"}, args...)...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(out)
	var list []string
	for len(list) < lines {
		line, err := r.ReadString('\n')
		if err != nil {
			t.Fatalf("ffcv epoch %v: %v after %d lines", args, err, len(list))
		}
		list = append(list, line)
	}
	if err := cmd.Process.Kill(); err != nil { // SIGKILL
		t.Fatal(err)
	}
	rest, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(rest)) {
		if strings.HasSuffix(line, "\n") {
			list = append(list, line)
		}
	}
	if err := cmd.Wait(); err == nil {
		t.Fatalf("ffcv epoch %v came to its end with %d lines, before it was killed", args, len(list))
	}
	return list
}

// TestKilled kills the program for real, twice in an epoch, with the state saved
// after every batch: what it has printed up to the state, and what it prints when
// it goes on, are the lines of an epoch that nobody disturbed.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	file, err := unpack(dir, "cifar_like")
	if err != nil {
		t.Fatal(err)
	}
	for k, order := range []string{"random", "keyed"} {
		for rank := range 2 {
			args := []string{file, "--json", "--pipeline", "cifar", "--order", order, "--seed", "3", "--epoch", "1", "--batch", "1",
				"--world", "2", "--rank", strconv.Itoa(rank)}
			want := epochLines(t, append(args, "--workers", "2")...)
			state := filepath.Join(dir, order+strconv.Itoa(rank)+".json")
			saving := append(args, "--workers", strconv.Itoa(1+k), "--state", state)
			var got []string
			for _, lines := range []int{7, 30} {
				some := killedLines(t, lines, append(saving, "--save-every", "1")...)
				s, err := loader.ReadState(state)
				if err != nil {
					t.Fatal(err)
				}
				done := s.Batches - len(got)
				if d := len(some) - done; d < 0 || d > 1 {
					t.Fatalf("%d lines were printed, the state has %d batches after %d", len(some), s.Batches, len(got))
				}
				got = append(got, some[:done]...)
			}
			if len(got) < 30 || len(got) == len(want) {
				t.Fatalf("%d of %d batches when it was killed", len(got), len(want))
			}
			got = append(got, epochLines(t, saving...)...)
			if !slices.Equal(got, want) {
				t.Errorf("%s, rank %d: %d lines, want %d, the same", order, rank, len(got), len(want))
			}
			// The epoch is done; another time nothing comes, and the next one is whole.
			if again := epochLines(t, saving...); len(again) != 0 {
				t.Errorf("%d lines after the end", len(again))
			}
			i := slices.Index(saving, "--epoch") + 1
			saving[i], args[i] = "2", "2"
			if next := epochLines(t, saving...); !slices.Equal(next, epochLines(t, args...)) {
				t.Errorf("%s: the next epoch has other lines", order)
			}
		}
	}
}

// TestEpochRanks: a state that ranks have left is dealt out anew to others.
func TestEpochRanks(t *testing.T) {
	dir := t.TempDir()
	file, err := unpack(dir, "ndarray_multipage")
	if err != nil {
		t.Fatal(err)
	}
	for _, order := range []string{"random", "quasi_random", "block_shuffle", "page_shuffle", "class_balanced", "repeated"} {
		base := []string{file, "--json", "--order", order, "--batch", "16", "--exactly-once", "--block", "7", "--window", "3"}
		whole := idsOf(t, epochLines(t, append(base, "--world", "3")...))
		for rank := 1; rank < 3; rank++ {
			whole = append(whole, idsOf(t, epochLines(t, append(base, "--world", "3", "--rank", strconv.Itoa(rank))...))...)
		}
		var got []int
		var states [][]byte
		for rank := range 3 {
			state := filepath.Join(dir, order+strconv.Itoa(rank))
			got = append(got, idsOf(t, epochLines(t, append(base, "--world", "3", "--rank", strconv.Itoa(rank), "--stop-after", "5", "--state", state)...))...)
			b, err := os.ReadFile(state)
			if err != nil {
				t.Fatal(err)
			}
			states = append(states, b)
		}
		for rank := range 2 {
			if string(states[rank]) != string(states[2]) {
				t.Fatalf("%s: states of ranks %d and 2:\n%s%s", order, rank, states[rank], states[2])
			}
			state := filepath.Join(dir, order+strconv.Itoa(rank))
			got = append(got, idsOf(t, epochLines(t, append(base, "--world", "2", "--rank", strconv.Itoa(rank), "--state", state)...))...)
		}
		slices.Sort(whole)
		slices.Sort(got)
		if !slices.Equal(got, whole) {
			t.Errorf("%s: %d samples came, want %d, the same", order, len(got), len(whole))
		}
	}
}

func idsOf(t *testing.T, lines []string) (ids []int) {
	t.Helper()
	for _, line := range lines {
		var b epochBatch
		if err := json.Unmarshal([]byte(line), &b); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		ids = append(ids, b.IDs...)
	}
	return ids
}
