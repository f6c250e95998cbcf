package hdf5

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// Variable is the name of the environment variable that tells where libhdf5
// is: the path of the library, or of a folder that it lies in. Where it is set,
// nothing else is tried.
const Variable = "BETONGO_HDF5"

// LibraryError says that libhdf5 could not be loaded, or is none that this
// package can work with.
type LibraryError struct {
	Unfit []string // what was found, and what is wrong with it
	Tried []string // the names that nothing was found by
	Msg   string
}

// Error tells what is wrong and how libhdf5 is installed on this system.
func (e *LibraryError) Error() string {
	s := "HDF5 files need the C library libhdf5, 1.10.3 or later: " + e.Msg
	switch {
	case len(e.Unfit) > 0:
		s += strings.Join(e.Unfit[:min(3, len(e.Unfit))], "; ") // the rest are other names of the same, as a rule
	case len(e.Tried) > 0:
		s += "none was found as " + strings.Join(e.Tried, ", ")
	}
	return s + ". " + installHint(runtime.GOOS)
}

// installHint tells how libhdf5 comes onto a system.
func installHint(system string) string {
	how := "conda install hdf5"
	switch system {
	case "linux":
		how = "apt install libhdf5-103-1 (Debian 12; libhdf5-310 on later ones), dnf install hdf5, apk add hdf5, or " + how
	case "darwin":
		how = "brew install hdf5, or " + how
	case "windows":
		how = "the installer of the HDF Group (support.hdfgroup.org), or " + how
	}
	return "To install it: " + how + "; a Python with h5py has one too, in its site-packages. " +
		Variable + " may name the file, or its folder"
}

// patterns are the file names of the library, by system.
func patterns(system string) []string {
	switch system {
	case "windows":
		return []string{"hdf5.dll", "libhdf5-*.dll", "libhdf5.dll", "hdf5-*.dll"}
	case "darwin":
		return []string{"libhdf5.dylib", "libhdf5.[0-9]*.dylib", "libhdf5-*.dylib"}
	}
	return []string{"libhdf5.so", "libhdf5.so.[0-9]*", "libhdf5_serial.so", "libhdf5_serial.so.[0-9]*", "libhdf5-*.so*"}
}

// sonames are what the system's own search finds: 103 is 1.10, 200 is 1.12, 310
// is 1.14, 320 is 2.0.
func sonames(system string) []string {
	switch system {
	case "windows":
		return []string{"hdf5.dll"}
	case "darwin":
		return []string{"libhdf5.dylib"}
	}
	var list []string
	for _, version := range []string{".320", ".310", ".200", ".103", ""} {
		list = append(list, "libhdf5_serial.so"+version, "libhdf5.so"+version)
	}
	return list
}

// inFolder returns the libraries of a folder, the newest names first.
func inFolder(folder, system string) []string {
	var list []string
	for _, p := range patterns(system) {
		found, _ := filepath.Glob(filepath.Join(escapeGlob(folder), p)) // the patterns are good ones
		slices.Sort(found)
		slices.Reverse(found)
		list = append(list, found...)
	}
	return list
}

// siblings are what a library in a Python's wheel needs and doesn't find by
// itself where Python didn't load it before, each behind what it needs itself.
func siblings(name string) []string {
	folder := filepath.Dir(name)
	if base := filepath.Base(folder); base != "h5py.libs" && base != ".dylibs" {
		return nil
	}
	var list []string
	for _, p := range []string{"libz-*", "libz.*", "libaec-*", "libaec.*", "libsz-*", "libsz.*"} {
		found, _ := filepath.Glob(filepath.Join(escapeGlob(folder), p))
		list = append(list, found...)
	}
	return list
}

// escapeGlob lets a folder's name stand for itself in a pattern.
func escapeGlob(name string) string {
	if runtime.GOOS == "windows" {
		return name // has no way to escape there, and no brackets as a rule
	}
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(name)
}

// candidates returns what to load, best first. The error is one of Variable.
func candidates(system string, getenv func(string) string) ([]string, error) {
	if given := getenv(Variable); given != "" {
		info, err := os.Stat(given)
		switch {
		case err != nil && filepath.Base(given) != given:
			return nil, err
		case err != nil || !info.IsDir():
			return []string{given}, nil
		}
		if list := inFolder(given, system); len(list) > 0 {
			return list, nil
		}
		return nil, fmt.Errorf("no libhdf5 in the folder %s", given)
	}
	var list []string
	for _, folder := range environments(system, getenv) {
		list = append(list, inFolder(folder, system)...)
	}
	list = append(list, sonames(system)...)
	for _, folder := range places(system, getenv) {
		list = append(list, inFolder(folder, system)...)
	}
	return list, nil
}

// environments are the folders of a conda or virtual environment that is
// active, h5py's own among them.
func environments(system string, getenv func(string) string) []string {
	var list []string
	sites := func(root string) {
		for _, p := range []string{
			filepath.Join("lib", "python3*", "site-packages"), filepath.Join("Lib", "site-packages"),
		} {
			found, _ := filepath.Glob(filepath.Join(escapeGlob(root), p))
			for _, site := range found {
				list = append(list, filepath.Join(site, "h5py.libs"), filepath.Join(site, "h5py", ".dylibs"), filepath.Join(site, "h5py"))
			}
		}
	}
	if root := getenv("CONDA_PREFIX"); root != "" {
		list = append(list, filepath.Join(root, "lib"))
		if system == "windows" {
			list[0] = filepath.Join(root, "Library", "bin")
		}
		sites(root)
	}
	if root := getenv("VIRTUAL_ENV"); root != "" {
		sites(root)
	}
	return list
}

// places are the folders that package managers put the library into and the
// system's own search may not know.
func places(system string, getenv func(string) string) []string {
	switch system {
	case "darwin":
		return []string{"/opt/homebrew/lib", "/opt/homebrew/opt/hdf5/lib", "/usr/local/lib", "/usr/local/opt/hdf5/lib", "/opt/local/lib"}
	case "windows":
		var list []string
		for _, v := range []string{"ProgramFiles", "ProgramW6432"} {
			if root := getenv(v); root != "" {
				found, _ := filepath.Glob(filepath.Join(root, "HDF_Group", "HDF5", "*", "bin"))
				slices.Reverse(found)
				list = append(list, found...)
			}
		}
		for _, folder := range filepath.SplitList(getenv("PATH")) {
			if filepath.IsAbs(folder) {
				list = append(list, folder)
			}
		}
		return list
	}
	return []string{"/usr/local/lib", "/usr/lib64", "/usr/lib", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu",
		"/usr/lib/x86_64-linux-gnu/hdf5/serial", "/usr/lib/aarch64-linux-gnu/hdf5/serial"}
}
