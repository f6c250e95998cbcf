package main

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// What the formats of arrays are tested beside, pinned: peers has the formats'
// own libraries, and zarr2 the version of Zarr that wrote most of the stores
// there are.
var (
	//go:embed peers.txt
	peersList string
	//go:embed zarr2.txt
	zarr2List string
)

const (
	uv      = "uv==0.13.9"
	numpack = "numpack==0.7.0" // has no wheel: it is built
)

// arraysPlan returns the step of the formats of arrays.
func arraysPlan(m *moduleInfo) []step {
	return []step{{"arrays: beside their peers", m.arrays}}
}

// arrays runs the tests of array/... and convert that have other libraries read
// what is written here and the other way round, and the tests of the Python
// package that do so.
func (m *moduleInfo) arrays(ctx context.Context) error {
	if runtime.GOOS != "linux" && runtime.GOOS != "darwin" {
		return skipped("the formats' peers are installed on linux and darwin only")
	}
	p, err := m.peers(ctx)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "betongo-arrays-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	convert := filepath.Join(dir, "ffcvconvert")
	if err := m.command(nil, "go", "build", "-o", convert, "./cmd/ffcvconvert")(ctx); err != nil {
		return err
	}
	env := []string{"FORMATS_PYTHON=" + p.formats, "ZARR2_PYTHON=" + p.zarr2, "BETONGO_CONVERT=" + convert, "PYTHONDONTWRITEBYTECODE=1"}
	out, err := m.output(ctx, env, "go", "test", "-count=1", "-timeout", "15m", "-v", "-run", "^TestInterop", "./array/...", "./convert/...")
	if err != nil {
		return fmt.Errorf("%w\n%s", errors.New("go test -run ^TestInterop failed"), failures(out))
	}
	if err := sound(out, "TestInterop", "Torch"); err != nil {
		return err
	}
	tests, err := p.pythonTests(m.root)
	if err != nil || len(tests) == 0 {
		return err
	}
	env = append(env, "PYTHONPATH="+filepath.Join(m.root, "python", "src"))
	in := *m
	in.root = dir // nothing of the repository is found by chance
	return in.command(env, p.formats, append([]string{"-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"}, tests...)...)(ctx)
}

// sound tells whether the tests whose names begin so ran, and all of them: one
// that passes over for want of a peer would look as good as one that passed. But
// those that have but in their names may, unless it is "": Torch is not in the
// index in a size that could be fetched for this, and the machine may have none.
func sound(out, prefix, but string) error {
	if !strings.Contains(out, "--- PASS: "+prefix) {
		return fmt.Errorf("no test named %s… ran", prefix)
	}
	var over []string
	for _, line := range strings.Split(out, "\n") {
		if strings.HasPrefix(line, "--- SKIP: "+prefix) && (but == "" || !strings.Contains(line, but)) {
			over = append(over, line)
		}
	}
	if len(over) > 0 {
		return fmt.Errorf("tests were skipped although their peers are there:\n%s", strings.Join(over, "\n"))
	}
	return nil
}

// failures returns what of a verbose run is worth reading.
func failures(out string) string {
	var kept []string
	for _, line := range strings.Split(out, "\n") {
		if !strings.HasPrefix(line, "=== ") && !strings.Contains(line, "--- PASS") && !strings.HasPrefix(line, "ok ") {
			kept = append(kept, line)
		}
	}
	const most = 200
	return strings.Join(kept[max(0, len(kept)-most):], "\n")
}

// peers are the Pythons that have the formats' libraries.
type peers struct{ formats, zarr2 string }

// pythonTests lists the Python package's tests of formats.
func (p *peers) pythonTests(root string) ([]string, error) {
	var tests []string
	for _, pattern := range []string{"test_numpack*.py", "test_npy_append_array*.py", "test_gnz*.py"} {
		names, err := filepath.Glob(filepath.Join(root, "python", "tests", pattern))
		if err != nil {
			return nil, err
		}
		tests = append(tests, names...)
	}
	return tests, nil
}

// peers makes the environments, in the user's cache, where a later run finds
// them again. Their folder's name tells all that is pinned.
func (m *moduleInfo) peers(ctx context.Context) (*peers, error) {
	python, version, err := findPython(ctx)
	if err != nil {
		return nil, err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(strings.Join([]string{python, version, uv, numpack, peersList, zarr2List}, "\n")))
	dir := filepath.Join(cache, "betongo-ci", fmt.Sprintf("peers-%x", sum[:6]))
	p := &peers{formats: filepath.Join(dir, "formats", "bin", "python"), zarr2: filepath.Join(dir, "zarr2", "bin", "python")}
	if p.works(ctx) == nil {
		return p, nil
	}
	if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o777)); err != nil {
		return nil, err
	}
	for name, list := range map[string]string{"formats": peersList, "zarr2": zarr2List} {
		if err := m.command(nil, python, "-m", "venv", filepath.Join(dir, name))(ctx); err != nil {
			return nil, err
		}
		file := filepath.Join(dir, name+".txt")
		if err := os.WriteFile(file, []byte(list), 0o666); err != nil {
			return nil, err
		}
		v := &virtual{m: m, dir: dir, python: filepath.Join(dir, name, "bin", "python")}
		if err := v.fetch(ctx, uv); err != nil {
			return nil, err
		}
		out, err := m.output(ctx, nil, v.python, "-m", "uv", "pip", "install", "--quiet", "--python", v.python, "--only-binary", ":all:", "-r", file)
		if err != nil {
			return nil, absent("the formats' libraries can't be fetched here: " + lastLine(out))
		}
	}
	if err := m.numpack(ctx, dir, p.formats); err != nil {
		return nil, err
	}
	return p, p.works(ctx)
}

// findPython returns a Python of 3.12 or later, for which there are all peers as
// they are pinned, and its version. pyenv keeps those that it isn't told to use
// off the path.
func findPython(ctx context.Context) (python, version string, err error) {
	candidates := pythons
	if home, err := os.UserHomeDir(); err == nil {
		more, _ := filepath.Glob(filepath.Join(home, ".pyenv", "versions", "3.1[2-9].*", "bin", "python")) // the pattern is sound
		slices.Reverse(more)                                                                               // the latest first
		candidates = slices.Concat(pythons, more)
	}
	for _, name := range candidates {
		found, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		out, err := exec.CommandContext(ctx, found, "-c", "import sys, venv, ensurepip; print(sys.version_info >= (3, 12), sys.executable, sys.version)").Output()
		if rest, ok := strings.CutPrefix(string(out), "True "); err == nil && ok {
			executable, version, _ := strings.Cut(strings.TrimSpace(rest), " ")
			return executable, version, nil
		}
	}
	return "", "", absent("it needs Python 3.12 or later with venv and pip; none of " + strings.Join(pythons, ", ") + " is one")
}

// works tells whether both can import what the tests want.
func (p *peers) works(ctx context.Context) error {
	for python, modules := range map[string]string{
		p.formats: "numpy, ml_dtypes, numpack, npy_append_array, pyarrow, safetensors, h5py, zarr, numcodecs, scipy.io, pandas, PIL, pytest",
		p.zarr2:   "zarr, numcodecs",
	} {
		if out, err := exec.CommandContext(ctx, python, "-c", "import "+modules).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", python, err, out)
		}
	}
	return nil
}

// numpack builds and installs NumPack, which is in the index as source only. It
// is built without BLAS, which serves its search among vectors and nothing that
// is tested, and whose own build wants to fetch from elsewhere; and with less
// optimisation, in a third of the time.
func (m *moduleInfo) numpack(ctx context.Context, dir, python string) error {
	if _, err := exec.LookPath("cargo"); err != nil {
		return absent(numpack + " is built by cargo, and there is none")
	}
	env := []string{
		"PATH=" + filepath.Dir(python) + string(filepath.ListSeparator) + os.Getenv("PATH"),
		"CARGO_TARGET_DIR=" + filepath.Join(dir, "target"),
		"CARGO_PROFILE_RELEASE_LTO=off", "CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16", "CARGO_PROFILE_RELEASE_OPT_LEVEL=1",
	}
	pip := []string{"-m", "pip", "--quiet", "--disable-pip-version-check"}
	source := filepath.Join(dir, "source")
	out, err := m.output(ctx, env, python, append(pip, "download", "--no-deps", "--no-build-isolation", "--no-binary", ":all:", "--dest", source, numpack)...)
	if err != nil {
		return absent(numpack + " can't be fetched here: " + lastLine(out))
	}
	names, err := filepath.Glob(filepath.Join(source, "*.tar.gz"))
	if err != nil || len(names) != 1 {
		return fmt.Errorf("sources %q of %s, want one; %v", names, numpack, err)
	}
	folder, err := unpack(names[0], source)
	if err != nil {
		return err
	}
	if err := withoutBLAS(filepath.Join(folder, "Cargo.toml")); err != nil {
		return err
	}
	out, err = m.output(ctx, env, python, append(pip, "install", "--no-deps", "--no-build-isolation", folder)...)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return absent(numpack + " can't be built here: " + lastLine(out))
	}
	return errors.Join(os.RemoveAll(filepath.Join(dir, "target")), os.RemoveAll(source))
}

// withoutBLAS leaves it away from a Cargo.toml.
func withoutBLAS(name string) error {
	b, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	text := string(b)
	for old, plain := range map[string]string{
		`ndarray = { version = "0.16", features = ["blas"] }`:      `ndarray = "0.16"`,
		`blas-src = { version = "0.10", features = ["openblas"] }`: `blas-src = "0.10"`,
	} {
		if !strings.Contains(text, old) {
			return fmt.Errorf("%s: no line %s", name, old)
		}
		text = strings.Replace(text, old, plain, 1)
	}
	return os.WriteFile(name, []byte(text), 0o666)
}

// unpack unpacks a source distribution below dir and returns its one folder.
func unpack(name, dir string) (folder string, err error) {
	f, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	for t := tar.NewReader(z); ; {
		h, err := t.Next()
		if err == io.EOF {
			return folder, nil
		}
		if err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		inside := path.Clean(h.Name)
		if !filepath.IsLocal(inside) {
			return "", fmt.Errorf("%s: an entry %q outside", name, h.Name)
		}
		first, _, _ := strings.Cut(inside, "/")
		folder = filepath.Join(dir, first)
		to := filepath.Join(dir, filepath.FromSlash(inside))
		if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
			return "", err
		}
		b, err := io.ReadAll(t)
		if err == nil {
			err = os.WriteFile(to, b, 0o666)
		}
		if err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
	}
}
