package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// What checks types and style is pinned, so that a new release changes nothing
// unasked.
const (
	mypy = "mypy==1.13.0"
	ruff = "ruff==0.8.4"
)

// pythons are tried in this order.
var pythons = []string{"python3", "python3.13", "python3.12", "python3.11", "python3.10", "/usr/bin/python3"}

// maxSizes are what the programs beside Python may take, in bytes: the one that
// everybody starts, and the one with the libraries of object stores and of what is
// done beside loading.
var maxSizes = map[string]int64{"ENGINE": 20_000_000, "TOOLS": 44_000_000}

// pythonPlan returns the steps of the Python package.
func pythonPlan(m *moduleInfo) []step {
	steps := []step{
		{"python: tests with torch", func(ctx context.Context) error { return m.pythonTest(ctx, true) }},
		{"python: wheel and tests", func(ctx context.Context) error { return m.pythonTest(ctx, false) }},
		{"python: types and style", m.pythonStyle},
	}
	return pairs(steps)
}

// pythonTest builds a wheel, installs it into an empty virtual environment and
// runs the tests there, with Go out of reach: with NumPy alone, or with the torch
// that the machine has.
func (m *moduleInfo) pythonTest(ctx context.Context, torch bool) error {
	switch runtime.GOOS {
	case "linux", "darwin":
	default:
		return skipped("there is no engine for Python on " + runtime.GOOS)
	}
	dir, err := os.MkdirTemp("", "betongo-python-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	v, err := m.virtual(ctx, dir, torch)
	if err != nil {
		return err
	}
	needs := []string{"hatchling", "pytest"}
	if torch {
		needs = append(needs, "pillow", "webdataset") // what the package works with; pillow comes with torch as a rule
	} else {
		needs = append(needs, "numpy")
	}
	if err := v.fetch(ctx, needs...); err != nil {
		return err
	}
	if torch { // which would fetch a torch of its own
		if err := v.fetch(ctx, "--no-deps", "torchdata"); err != nil {
			return err
		}
	}
	wheel, err := v.wheel(ctx)
	if err != nil {
		return err
	}
	if err := v.pip(ctx, "install", "--quiet", "--no-deps", wheel); err != nil {
		return err
	}
	if err := v.engine(ctx); err != nil {
		return err
	}
	tests := filepath.Join(m.root, "python", "tests")
	env := v.withoutGo()
	if path, err := exec.LookPath("go"); err == nil {
		env = append(env, "BETONGO_GO="+path) // for the test that installs from a clone
	}
	if m.s3Server {
		env = append(env, "BETONGO_S3=required")
	}
	return v.run(ctx, env, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", tests)
}

// pythonStyle checks the package's annotations, and how all that is Python here
// is written.
func (m *moduleInfo) pythonStyle(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "betongo-python-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	v, err := m.virtual(ctx, dir, false)
	if err != nil {
		return err
	}
	if err := v.fetch(ctx, mypy, ruff, "numpy"); err != nil {
		return err
	}
	project := filepath.Join(m.root, "python")
	for _, args := range [][]string{ // ruff finds its settings in the project
		{"ruff", "check", "--no-cache", project},
		{"ruff", "format", "--no-cache", "--check", project},
		{"mypy", "--config-file", filepath.Join(project, "pyproject.toml"), "--cache-dir", filepath.Join(dir, "mypy"), filepath.Join(project, "src", "betongo")},
	} {
		if err := v.run(ctx, nil, append([]string{"-m"}, args...)...); err != nil {
			return err
		}
	}
	return nil
}

// virtual is a virtual environment of Python's.
type virtual struct {
	m      *moduleInfo
	dir    string
	python string
}

// virtual makes an environment below dir; with torch it is one that sees the
// packages of a Python that has torch.
func (m *moduleInfo) virtual(ctx context.Context, dir string, torch bool) (*virtual, error) {
	probe, what := "", "Python 3.10 or later with venv and pip"
	args := []string{"-m", "venv"}
	if torch {
		probe, what = ", torch, numpy", what+", torch and NumPy"
		args = append(args, "--system-site-packages")
	}
	v := &virtual{m: m, dir: dir, python: filepath.Join(dir, "venv", "bin", "python")}
	for _, name := range pythons {
		name, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		said, err := exec.CommandContext(ctx, name, "-c", "import sys, venv, ensurepip"+probe+"; print(sys.version_info >= (3, 10))").Output()
		if err != nil || strings.TrimSpace(string(said)) != "True" {
			continue
		}
		return v, m.command(nil, name, append(args, filepath.Join(dir, "venv"))...)(ctx)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return nil, skipped("it needs " + what + "; none of " + strings.Join(pythons, ", ") + " is one")
}

// fetch installs packages from the index.
func (v *virtual) fetch(ctx context.Context, packages ...string) error {
	args := append([]string{"-m", "pip", "install", "--quiet", "--disable-pip-version-check"}, packages...)
	if out, err := v.m.output(ctx, nil, v.python, args...); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return skipped("pip can't fetch " + strings.Join(packages, ", ") + " here: " + lastLine(out))
	}
	return nil
}

func (v *virtual) pip(ctx context.Context, args ...string) error {
	return v.run(ctx, nil, append([]string{"-m", "pip", "--disable-pip-version-check"}, args...)...)
}

// wheel builds the package.
func (v *virtual) wheel(ctx context.Context) (string, error) {
	to := filepath.Join(v.dir, "dist")
	err := v.pip(ctx, "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", to, filepath.Join(v.m.root, "python"))
	if err != nil {
		return "", err
	}
	names, err := filepath.Glob(filepath.Join(to, "*.whl"))
	if err != nil || len(names) != 1 {
		return "", fmt.Errorf("wheels %q, want one; %v", names, err)
	}
	if name := filepath.Base(names[0]); !strings.Contains(name, "-py3-none-") || strings.HasSuffix(name, "-any.whl") {
		return "", fmt.Errorf("wheel %s, want one of py3-none-PLATFORM", name)
	}
	return names[0], nil
}

// engine checks that what is installed has programs that are not too large.
func (v *virtual) engine(ctx context.Context) error {
	for name, most := range maxSizes {
		cmd := exec.CommandContext(ctx, v.python, "-c", "from betongo import _engine; print(_engine.binary(_engine."+name+"))")
		cmd.Env, cmd.Dir = v.environ(nil), v.dir
		out, err := cmd.Output()
		var failed *exec.ExitError
		if errors.As(err, &failed) {
			return fmt.Errorf("the installed package's engine: %w\n%s", err, failed.Stderr)
		} else if err != nil {
			return err
		}
		info, err := os.Stat(strings.TrimSpace(string(out)))
		if err != nil {
			return err
		}
		if info.Size() > most {
			return fmt.Errorf("%s has %d bytes, more than the %d that it may have", info.Name(), info.Size(), most)
		}
	}
	return nil
}

// run runs the environment's Python in an empty folder.
func (v *virtual) run(ctx context.Context, env []string, args ...string) error {
	cwd := filepath.Join(v.dir, "cwd")
	if err := os.MkdirAll(cwd, 0o777); err != nil {
		return err
	}
	in := *v.m
	in.root = cwd
	return in.command(v.environ(env), v.python, args...)(ctx)
}

// environ is what is set for the environment's Python: nothing of ours but what
// is installed.
func (v *virtual) environ(more []string) []string {
	return append([]string{"PYTHONPATH=", "PYTHONHOME=", "BETONGO_ENGINE=", "BETONGO_TOOLS=", "PYTHONDONTWRITEBYTECODE=1"}, more...)
}

// withoutGo returns a PATH on which there is no Go.
func (v *virtual) withoutGo() []string {
	list := []string{filepath.Dir(v.python)}
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		if _, err := os.Stat(filepath.Join(dir, "go")); errors.Is(err, os.ErrNotExist) {
			list = append(list, dir)
		}
	}
	return []string{"PATH=" + strings.Join(list, string(filepath.ListSeparator))}
}
