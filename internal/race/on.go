//go:build race

package race

// Enabled says whether this is a build with -race.
const Enabled = true
