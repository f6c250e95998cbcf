package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
)

// longPlan returns the steps that -full adds: what takes long, or installs other
// systems.
func longPlan(m *moduleInfo) []step {
	return []step{
		{"soak", m.command(nil, "go", "test", "-count", "10", "-timeout", "60m", "-run", "Soak", "./loader")},
		{"beside other systems", m.beside},
		{"files read by FFCV", m.interop},
	}
}

// besideFolder is where other systems are set up, and stay for the next time.
func besideFolder() (string, error) {
	cache, err := os.UserCacheDir()
	return filepath.Join(cache, "betongo-ci", "peers"), err
}

// beside sets up the systems that the benchmarks compare with, and runs all works
// once on a thousand photographs: that they run is held, not how fast.
func (m *moduleInfo) beside(ctx context.Context) error {
	dir, err := besideFolder()
	if err != nil {
		return err
	}
	return m.command(nil, "go", "run", "./benchmarks", "--dir", dir, "--count", "1000", "--rounds", "1", "--apt")(ctx)
}

// interop has the real FFCV that was set up for it read files of every kind.
func (m *moduleInfo) interop(ctx context.Context) error {
	dir, err := besideFolder()
	if err != nil {
		return err
	}
	python := filepath.Join(dir, "env", "ffcv", "bin", "python")
	if _, err := os.Stat(python); err != nil {
		return absent("FFCV could not be set up here: " + err.Error())
	}
	files, err := os.MkdirTemp("", "betongo-interop-")
	if err != nil {
		return err
	}
	return errors.Join(m.command(nil, "go", "run", "./benchmarks/interop", "-dir", files, "-photos", "testdata/photos", "-python", python)(ctx), os.RemoveAll(files))
}
