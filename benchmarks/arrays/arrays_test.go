package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWork runs our own side once.
func TestWork(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.npy")
	for _, args := range [][]string{{"cast", "<f4", "<f2", "1000", "2"}, {"append", path, "100", "32", "false"}, {"append", path, "50", "32", "true"}} {
		var out bytes.Buffer
		if err := work(args, &out); err != nil {
			t.Fatal(err)
		}
		var took map[string]float64
		if err := json.Unmarshal(out.Bytes(), &took); err != nil || len(took) != 2 {
			t.Errorf("%v: %q, %v", args, out.String(), err)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil || len(b) != 128+150*32*4 {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	for _, args := range [][]string{nil, {"cast", "x", "<f2", "1", "1"}, {"fly", "", "", "", ""}} {
		if work(args, &bytes.Buffer{}) == nil {
			t.Errorf("%q: no error", args)
		}
	}
}

// TestTable prints one line of each kind.
func TestTable(t *testing.T) {
	p := []pair{{ours: taken{wall: 1, cpu: 0.5, rss: 20}, theirs: taken{wall: 2, cpu: 2, rss: 300}, cp: taken{wall: 0.9, cpu: 0.4}}}
	tab := &table{machine: "m", commit: "c", command: "go run", kills: &killed{kills: 2, rows: 7}}
	tab.add(duel{what: "copy", cp: true, theirs: side{name: "peer"}}, p)
	tab.add(duel{what: "cast", theirs: side{name: "peer"}}, p)
	var out bytes.Buffer
	if err := tab.print(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| copy | peer | 2.00 s | 0.50 s | **4.00** (4.00 to 4.00) | 2.00 s | 1.00 s | 300 MiB | 20 MiB | 0.40 s | 0.90 s | **0.90** (0.90 to 0.90) |\n",
		"| cast | peer | 2.00 s | 0.50 s | **4.00** (4.00 to 4.00) | 2.00 s | 1.00 s | 300 MiB | 20 MiB |\n", "2 times; 7 rows",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}
