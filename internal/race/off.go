//go:build !race

// Package race tells tests whether the race detector runs: it makes sync.Pool
// forget on purpose, and takes ten times as long for bytes that are gone through
// one by one.
package race

// Enabled says whether this is a build with -race.
const Enabled = false
