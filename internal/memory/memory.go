// Package memory tells how much memory the process can take.
package memory
