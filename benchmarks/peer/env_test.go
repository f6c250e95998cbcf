package peer_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/benchmarks/peer"
)

func TestSystems(t *testing.T) {
	names := map[string]bool{}
	for _, s := range peer.Systems {
		if names[s.Name] {
			t.Errorf("two systems are called %s", s.Name)
		}
		names[s.Name] = true
		if !slices.ContainsFunc(peer.Works, s.Does) {
			t.Errorf("%s does nothing", s.Name)
		}
	}
	envs := peer.Names(peer.Systems)
	for _, s := range peer.Systems {
		if s.Env() != "" && !slices.Contains(envs, s.Env()) {
			t.Errorf("%s needs the environment %s, which there is not", s.Name, s.Env())
		}
	}
}

func TestSetUpTakesWhatIsThere(t *testing.T) {
	dir := t.TempDir()
	python := filepath.Join(dir, "python")
	if err := os.WriteFile(python, nil, 0o777); err != nil {
		t.Fatal(err)
	}
	s := &peer.SetUp{Dir: dir, Python: python, Have: map[string]string{"tf": python, "dali": filepath.Join(dir, "none")}, Never: true, Log: io.Discard}
	if got, err := s.Do(context.Background(), "tf"); err != nil || got != python {
		t.Errorf("an interpreter that is there: %s, %v; want %s", got, err, python)
	}
	for name, want := range map[string]string{"dali": "none", "torch": "not set up", "hf": "not set up", "cobol": "none of that name"} {
		if got, err := s.Do(context.Background(), name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %s, %v; want %q", name, got, err, want)
		}
	}
}
