package hdf5

import (
	"path/filepath"

	"golang.org/x/sys/windows"
)

// dlopen loads a DLL; what it needs itself is looked for beside it too. A mere
// name is looked for where the system keeps its own, never in the folder that
// the process works in.
func dlopen(name string) (uintptr, error) {
	flags := uintptr(windows.LOAD_LIBRARY_SEARCH_DEFAULT_DIRS)
	if filepath.IsAbs(name) {
		flags |= windows.LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR
	}
	h, err := windows.LoadLibraryEx(name, 0, flags)
	return uintptr(h), err
}

func dlsym(lib uintptr, name string) (uintptr, error) {
	return windows.GetProcAddress(windows.Handle(lib), name)
}
