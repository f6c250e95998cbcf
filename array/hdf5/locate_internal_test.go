package hdf5

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func env(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func touch(t *testing.T, parts ...string) string {
	t.Helper()
	path := filepath.Join(parts...)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o777), os.WriteFile(path, []byte("no library"), 0o666)); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestCandidates(t *testing.T) {
	dir := t.TempDir()
	conda, venv, given := filepath.Join(dir, "conda"), filepath.Join(dir, "venv"), filepath.Join(dir, "given [1]")
	inConda := touch(t, conda, "lib", "libhdf5.so")
	inWheel := touch(t, venv, "lib", "python3.12", "site-packages", "h5py.libs", "libhdf5-abc.so.310.4.0")
	touch(t, venv, "lib", "python3.12", "site-packages", "h5py.libs", "libaec-abc.so.0")
	onMac := touch(t, venv, "lib", "python3.12", "site-packages", "h5py", ".dylibs", "libhdf5.310.dylib")
	onWindows := touch(t, venv, "Lib", "site-packages", "h5py", "hdf5.dll")
	if runtime.GOOS != "windows" { // where a folder of any name can be
		one := touch(t, given, "libhdf5.so.310")
		if list, err := candidates("linux", env(Variable, given, "VIRTUAL_ENV", venv)); err != nil || !slices.Equal(list, []string{one}) {
			t.Errorf("given: %v, %v", list, err)
		}
	}
	list, err := candidates("linux", env("CONDA_PREFIX", conda, "VIRTUAL_ENV", venv))
	if err != nil || len(list) < 4 || list[0] != inConda || list[1] != inWheel || !slices.Contains(list, "libhdf5_serial.so.103") {
		t.Errorf("environments: %v, %v", list, err)
	}
	if !slices.ContainsFunc(siblings(inWheel), func(s string) bool { return strings.Contains(s, "libaec") }) {
		t.Errorf("siblings %v", siblings(inWheel))
	}
	if list, err := candidates("darwin", env("VIRTUAL_ENV", venv)); err != nil || list[0] != onMac {
		t.Errorf("darwin: %v, %v", list, err)
	}
	if list, err := candidates("windows", env("VIRTUAL_ENV", venv)); err != nil || !slices.Contains(list, onWindows) {
		t.Errorf("windows: %v, %v", list, err)
	}
	if list, err := candidates("linux", env(Variable, "libmine.so")); err != nil || !slices.Equal(list, []string{"libmine.so"}) {
		t.Errorf("a name: %v, %v", list, err)
	}
}

// TestNoLibrary: what is missing, and how to get it.
func TestNoLibrary(t *testing.T) {
	dir := t.TempDir()
	bad := touch(t, dir, "bad", "libhdf5.so")
	if err := os.Mkdir(filepath.Join(dir, "empty"), 0o777); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ given, want string }{
		{filepath.Join(dir, "none.so"), "none.so"},
		{filepath.Join(dir, "empty"), "no libhdf5 in the folder"},
		{bad, bad},
		{"libnosuchhdf5.so", "libnosuchhdf5.so"},
	} {
		l, err := load(runtime.GOOS, env(Variable, c.given))
		var e *LibraryError
		if l != nil || !errors.As(err, &e) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "To install it: ") || !strings.Contains(err.Error(), Variable) {
			t.Errorf("%s: got %v", c.given, err)
		}
	}
	for _, system := range []string{"linux", "darwin", "windows"} {
		for _, how := range map[string][]string{"linux": {"apt install", "conda"}, "darwin": {"brew"}, "windows": {"HDF Group"}}[system] {
			if hint := installHint(system); !strings.Contains(hint, how) {
				t.Errorf("%s: %s", system, hint)
			}
		}
	}
}

// TestOtherLibrary: a library that is none of HDF5's is told so.
func TestOtherLibrary(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the C library's name is known on linux only")
	}
	_, err := load("linux", env(Variable, "libc.so.6"))
	if err == nil || !strings.Contains(err.Error(), "it has no H5open") {
		t.Errorf("got %v", err)
	}
}
