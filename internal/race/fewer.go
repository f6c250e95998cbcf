package race

// Fewer is n, or few under the race detector: how often a test tries what is
// about wrong bytes rather than about two goroutines at once. What allocates much
// takes most of its time there in the system, for the detector's own memory.
func Fewer(n, few int) int {
	if Enabled {
		return few
	}
	return n
}

// Step is 1, or step under the race detector: the distance of the bytes that a
// test tries one after another.
func Step(step int) int { return Fewer(1, step) }
