//go:build unix

package hdf5

import "github.com/ebitengine/purego"

// dlopen loads a shared library; its symbols stay its own.
func dlopen(name string) (uintptr, error) {
	return purego.Dlopen(name, purego.RTLD_NOW|purego.RTLD_LOCAL)
}

func dlsym(lib uintptr, name string) (uintptr, error) { return purego.Dlsym(lib, name) }
