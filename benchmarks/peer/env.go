package peer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// env is a virtual environment of Python in which peers are installed.
type env struct {
	name    string
	torch   bool       // it has torch and torchvision: the system's Python's, else PyTorch's for processors alone
	module  string     // what an import of which proves that it is whole
	missing []string   // modules, and where it has another name "=" and their package: installed where they can't be imported
	check   string     // a shell-free command that must succeed before anything is installed
	need    string     // what check looks for, and Debian's names of it
	pip     [][]string // the arguments of each "pip install", in order
	extra   []string   // of the environment of these
	tidy    func(site string) error
}

// numpy1 keeps NumPy at the version that an old torch was compiled for.
const numpy1 = "NUMPY"

// envs are all environments. What is pinned is so because a newer one does not go
// with a torch of before 2.0, which Debian's is.
var envs = []env{
	{name: "base", module: "numpy", pip: [][]string{{"numpy"}}},
	{name: "pillow", module: "PIL", pip: [][]string{{"numpy", "pillow"}}},
	{name: "torch", torch: true, module: "torchvision"},
	{name: "simd", torch: true, module: "PIL", pip: [][]string{{"--no-binary", "pillow-simd", "--no-cache-dir", "--ignore-installed", "pillow-simd"}},
		check: "cc --version", need: "a C compiler, and the headers of libjpeg-turbo and zlib (Debian: gcc python3-dev libjpeg62-turbo-dev zlib1g-dev)",
		extra: []string{"CC=cc -mavx2"}},
	{name: "ffcv", torch: true, module: "ffcv", check: "pkg-config --exists opencv4 libturbojpeg",
		need:    "a C++ compiler, pkg-config and the headers of OpenCV and libjpeg-turbo (Debian: g++ pkg-config python3-dev libopencv-dev libturbojpeg0-dev)",
		missing: []string{"numba", "cv2=opencv-python-headless", "tqdm", "psutil", "yaml=pyyaml", "setuptools=setuptools<80"},
		pip: [][]string{{"--no-deps", "fastargs", "terminaltables", "assertpy", "pytorch-pfn-extras<0.8"},
			{"--no-deps", "--no-build-isolation", "ffcv==1.0.2"}}},
	{name: "webdataset", torch: true, module: "webdataset", pip: [][]string{{"webdataset", numpy1}}},
	{name: "mds", torch: true, module: "streaming", pip: [][]string{{"mosaicml-streaming", numpy1, "python-dateutil<3", "huggingface-hub<1.0"}}},
	{name: "litdata", torch: true, module: "litdata", pip: [][]string{{"--no-deps", "litdata", "lightning-utilities", "obstore", "tifffile"},
		{"boto3", "filelock", "requests", numpy1}}, tidy: oldTorch},
	{name: "hf", torch: true, module: "datasets", pip: [][]string{{"datasets<4.6", "pandas<2.3", "pyarrow>=18,<21", numpy1}}},
	{name: "tf", module: "tensorflow", pip: [][]string{{"tensorflow-cpu"}}},
	{name: "dali", module: "nvidia.dali", pip: [][]string{{"numpy", "nvidia-dali-cuda120"}}},
	{name: "spdl", module: "spdl.io", pip: [][]string{{"numpy", "pillow", "spdl"}}},
	{name: "grain", module: "grain", pip: [][]string{{"numpy", "pillow", "grain", "array-record"}}},
	{name: "lance", module: "lance", pip: [][]string{{"numpy", "pillow", "pyarrow", "pylance"}}},
}

// Packages are what the peers need of a Debian system, by the names of its packages.
var Packages = []string{"gcc", "g++", "pkg-config", "python3-dev", "python3-venv", "libopencv-dev", "libturbojpeg0-dev", "libjpeg62-turbo-dev",
	"zlib1g-dev", "python3-torch", "python3-torchvision", "python3-numba", "python3-opencv", "ffmpeg"}

// SetUp installs environments.
type SetUp struct {
	Dir    string            // where they are put, a folder each
	Python string            // the interpreter that they are made with; "" looks for one
	Have   map[string]string // folders of environments, or interpreters, that exist, by name: taken as they are
	Never  bool              // installs nothing: takes what is there
	Log    io.Writer         // a line for each that is installed
}

// Names returns the names of the environments that systems need, each once.
func Names(systems []System) []string {
	var names []string
	for _, e := range envs {
		for _, s := range systems {
			if s.env == e.name {
				names = append(names, e.name)
				break
			}
		}
	}
	return names
}

// Do returns the interpreter of an environment, which it makes where there is none. What a failed
// installation printed last is in the error.
func (s *SetUp) Do(ctx context.Context, name string) (python string, err error) {
	if have := s.Have[name]; have != "" {
		return interpreter(have)
	}
	for i := range envs {
		if envs[i].name == name {
			return s.make(ctx, &envs[i])
		}
	}
	return "", fmt.Errorf("environment %q: there is none of that name", name)
}

// interpreter returns the Python of an environment's folder, or a Python itself.
func interpreter(have string) (string, error) {
	have, err := filepath.Abs(have)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(have)
	if err == nil && info.IsDir() {
		return inside(have), nil
	}
	return have, err
}

// inside returns where an environment's interpreter lies.
func inside(dir string) string {
	if runtime.GOOS == "windows" {
		return filepath.Join(dir, "Scripts", "python.exe")
	}
	return filepath.Join(dir, "bin", "python")
}

// make makes an environment unless it is there and whole.
func (s *SetUp) make(ctx context.Context, e *env) (string, error) {
	dir := filepath.Join(s.Dir, e.name)
	python := inside(dir)
	if imports(ctx, python, e.module) == nil {
		return python, nil
	}
	base, err := s.base(ctx)
	if err != nil {
		return "", err
	}
	if s.Never {
		switch e.name {
		case "base", "pillow", "torch": // the system's Python may do for these
			if imports(ctx, base, "numpy", e.module) == nil {
				return base, nil
			}
		}
		return "", fmt.Errorf("the environment %s is not set up, and nothing is installed now", e.name)
	}
	if words := strings.Fields(e.check); len(words) > 0 && exec.CommandContext(ctx, words[0], words[1:]...).Run() != nil {
		return "", fmt.Errorf("needs %s: %q fails", e.need, e.check)
	}
	fmt.Fprintf(s.Log, "setting up %s in %s\n", e.name, dir)
	if err := s.install(ctx, e, base, dir); err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	if err := imports(ctx, python, e.module); err != nil {
		return "", err
	}
	return python, nil
}

// base finds the interpreter that environments are made with: the system's own, whose packages
// (torch) they may use, else the first in the path.
func (s *SetUp) base(ctx context.Context) (string, error) {
	if s.Python != "" {
		return exec.LookPath(s.Python)
	}
	for _, p := range []string{"/usr/bin/python3", "python3", "python"} {
		if path, err := exec.LookPath(p); err == nil && imports(ctx, path, "venv") == nil {
			return path, nil
		}
	}
	return "", errors.New("no Python: install Python 3.10 or later")
}

// imports tells whether an interpreter can import modules, all of them in one process.
func imports(ctx context.Context, python string, modules ...string) error {
	cmd := exec.CommandContext(ctx, python, "-c", "import "+strings.Join(modules, ", "))
	cmd.Dir = os.TempDir()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: import %s: %w\n%s", python, strings.Join(modules, ", "), err, tail(out))
	}
	return nil
}

// install makes the environment and puts its packages in.
func (s *SetUp) install(ctx context.Context, e *env, base, dir string) error {
	system := e.torch && imports(ctx, base, "torch", "torchvision") == nil
	args := []string{"-m", "venv", "--clear"}
	if system {
		args = append(args, "--system-site-packages")
	}
	if err := run(ctx, nil, base, append(args, dir)...); err != nil {
		return fmt.Errorf("%w (Debian: python3-venv)", err)
	}
	python := inside(dir)
	if e.torch && !system {
		if err := s.torch(ctx, e, python); err != nil {
			return err
		}
	}
	lists := e.pip
	if list := lacking(ctx, python, e.missing); len(list) > 0 {
		lists = append([][]string{append(list, numpy1)}, lists...)
	}
	for _, list := range lists {
		args := append([]string{"-m", "pip", "install", "-q"}, arguments(ctx, python, list, system)...)
		if err := run(ctx, e.extra, python, args...); err != nil {
			return err
		}
	}
	if e.tidy != nil {
		site, err := output(ctx, python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
		if err != nil {
			return err
		}
		return e.tidy(strings.TrimSpace(site))
	}
	return nil
}

// torch gives an environment torch where the system has none: that of the environment torch, by its
// path, so that it is there once.
func (s *SetUp) torch(ctx context.Context, e *env, python string) error {
	if e.name == "torch" {
		args := []string{"-m", "pip", "install", "-q", "torch", "torchvision"}
		if runtime.GOOS == "linux" { // the other index's has CUDA with it, some gigabytes
			args = append(args, "--index-url", "https://download.pytorch.org/whl/cpu")
		}
		return run(ctx, nil, python, args...)
	}
	from, err := s.Do(ctx, "torch")
	if err != nil {
		return fmt.Errorf("torch: %w", err)
	}
	const pth = "import sysconfig; print(sysconfig.get_path('purelib'))"
	theirs, err := output(ctx, from, "-c", pth)
	if err != nil {
		return err
	}
	ours, err := output(ctx, python, "-c", pth)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(strings.TrimSpace(ours), "torch-beside.pth"), []byte(theirs), 0o666)
}

// arguments makes a list of pip's arguments what it is for this machine.
func arguments(ctx context.Context, python string, list []string, system bool) []string {
	var args []string
	for _, a := range list {
		if a == numpy1 {
			out, err := output(ctx, python, "-c", "import numpy; print(numpy.__version__)")
			if !system || err != nil || !strings.HasPrefix(out, "1.") {
				continue
			}
			a = "numpy<1.25"
		}
		args = append(args, a)
	}
	return args
}

// lacking returns the packages of those modules that can't be imported.
func lacking(ctx context.Context, python string, modules []string) []string {
	var list []string
	for _, m := range modules {
		module, name, named := strings.Cut(m, "=")
		if !named {
			name = module
		}
		if imports(ctx, python, module) != nil {
			list = append(list, name)
		}
	}
	return list
}

// oldTorch lets LitData, which wants torch 2.4 for names of types only, be imported with an older
// one: it gets names that nothing here uses.
func oldTorch(site string) error {
	const shim = `import torch

for name in ("uint16", "uint32", "uint64", "float8_e4m3fn", "float8_e5m2"):
    if not hasattr(torch, name):
        setattr(torch, name, type(name, (), {})())

`
	first := filepath.Join(site, "litdata", "__init__.py")
	text, err := os.ReadFile(first)
	if err != nil {
		return err
	}
	return os.WriteFile(first, append([]byte(shim), text...), 0o666)
}

// output returns what a program prints.
func output(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = os.TempDir()
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return string(out), nil
}

// run runs a program of the set-up; what it printed last is in its error.
func run(ctx context.Context, extra []string, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = os.TempDir()
	cmd.Env = append(os.Environ(), extra...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, tail(out))
	}
	return nil
}

// tail returns the last lines of what a program printed.
func tail(out []byte) string {
	text := strings.TrimSpace(string(out))
	if lines := strings.Split(text, "\n"); len(lines) > 8 {
		text = strings.Join(lines[len(lines)-8:], "\n")
	}
	return text[max(0, len(text)-1500):]
}
