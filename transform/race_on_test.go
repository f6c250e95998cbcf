//go:build race

package transform_test

// raceEnabled: the race detector makes sync.Pool forget on purpose.
const raceEnabled = true
