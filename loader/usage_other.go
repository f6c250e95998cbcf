//go:build !unix

package loader

// processUsage is unknown: the system tells too little.
func processUsage() usage { return usage{} }
