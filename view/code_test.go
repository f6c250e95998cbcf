package view_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/betongo/betongo/dataset"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/internal/op"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/rgb"
	"github.com/betongo/betongo/store"
	"github.com/betongo/betongo/view"
)

// coded are pipelines of which programs are run: each decoder and operation is in one
// of them, with settings that are not its defaults.
var coded = []string{
	`[{"op":"RandomResizedCrop","args":{"Width":40,"Height":56,"Scale":[0.3,0.9],"Ratio":[0.5,1.5],"Filter":"bilinear","OnDamage":true}},{"op":"HorizontalFlip","args":{"P":0.7}},{"op":"Normalize"},{"op":"ToCHW"}]`,
	`[{"op":"CenterCrop","args":{"Width":48,"Height":48,"Ratio":0.9,"Exact":true}},{"op":"ColorJitter"},{"op":"Brightness","args":{"P":0.9}},{"op":"Contrast"},{"op":"Saturation"},{"op":"Hue"}]`,
	`[{"op":"Resize","args":{"Width":64,"Height":48}},{"op":"RandomCrop","args":{"Width":44,"Height":40,"Padding":2,"Fill":[1,2,3]}},{"op":"VerticalFlip"},{"op":"Grayscale","args":{"P":0.5}},{"op":"Solarize","args":{"Threshold":100}}]`,
	`[{"op":"ResizeCenterCrop","args":{"Size":60,"Width":50,"Height":40}},{"op":"GaussianBlur","args":{"Size":5,"P":0.8}},{"op":"Cutout","args":{"Size":7,"Fill":[9,8,7]}},{"op":"Cutout","args":{"Size":5,"P":0.5}},{"op":"Translate","args":{"Padding":3}}]`,
	`[{"op":"RandomCrop","args":{"Width":100,"Height":90}},{"op":"RandomResizedCrop","args":{"Width":32,"Height":32}},{"op":"Resize","args":{"Width":24,"Height":20,"Filter":"bilinear"}},{"op":"RandomErasing","args":{"P":0.9,"Count":2,"Fill":[5,6,7],"Noise":[3,2,1]}},{"op":"Normalize","args":{"DType":"<f2"}}]`,
	`[{"op":"CenterCrop","args":{"Width":30,"Height":30}},{"op":"ToCHW"},{"op":"Convert","args":{"DType":"<f4"}}]`,
	`[{"op":"CenterCrop","args":{"Width":20,"Height":20}},{"op":"ImageMixup","args":{"Alpha":0.4,"SameLambda":true}},{"op":"ImageCutMix"}]`,
	`[{"op":"Simple"},{"op":"HorizontalFlip"},{"op":"Translate","args":{"Padding":2}},{"op":"Cutout","args":{"Size":4,"Fill":[127,127,127]}}]`,
}

// bound is what the playground tells of a pipeline.
type bound struct {
	Go, Python string
	Notes      []string
}

func (a *asker) code(pipeline string, seed int) (got bound) {
	a.t.Helper()
	w := a.do("POST", "/api/playground", fmt.Sprintf(`{"pipeline":%s,"sample":0,"seed":%d,"field":"image"}`, pipeline, seed))
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 {
		a.t.Fatalf("%s: %d %s: %v", pipeline, w.Code, w.Body, err)
	}
	return got
}

// want is the hash of the whole epoch that a pipeline's program should load.
func want(t *testing.T, f *ffcv.File, pipeline string, seed uint64) string {
	t.Helper()
	var steps []struct {
		Op   string
		Args map[string]json.RawMessage
	}
	if err := json.Unmarshal([]byte(pipeline), &steps); err != nil {
		t.Fatal(err)
	}
	out := loader.Output{Name: "image"}
	for i, s := range steps {
		settings := map[string]json.RawMessage{}
		for k, v := range view.ToBegin[s.Op] {
			settings[k], _ = json.Marshal(v)
		}
		for k, v := range s.Args {
			settings[k] = v
		}
		v, err := op.New(s.Op, settings)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			out.Decoder = v
		} else {
			out.Ops = append(out.Ops, v)
		}
	}
	l, err := loader.New(f, &loader.Options{BatchSize: 256, Order: loader.Random, Seed: seed, Outputs: []loader.Output{out}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	h := sha256.New()
	for b, err := range l.Epoch(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		h.Write(b.Output("image").Data)
		b.Release()
	}
	return hex.EncodeToString(h.Sum(nil))
}

// codeFiles are a dataset of photographs, and one of small pictures of one size.
func codeFiles(t *testing.T) (photographs, small *ffcv.File) {
	t.Helper()
	specs := []ffcv.FieldSpec{{Name: "image", Field: fields.RGBImage{}}, {Name: "label", Field: fields.Int{}}}
	path := ffcvtest.Write(t, specs, 20, func(i int) []any {
		pix := make([]byte, 3*32*32)
		for k := range pix {
			pix[k] = byte(k*7 + i*31)
		}
		return []any{rgb.Image{Width: 32, Height: 32, Pix: pix}, int64(i)}
	}, nil)
	return ffcvtest.Map(t, photoFile(t), nil), ffcvtest.Map(t, path, nil)
}

// TestGoCode: the programs are as gofmt has them, and load what the pipeline gives.
func TestGoCode(t *testing.T) {
	if testing.Short() {
		t.Skip("builds programs")
	}
	photographs, small := codeFiles(t)
	// One program of all: each one's main becomes a function.
	dir := t.TempDir()
	var list []string
	var hashes []string
	for i, pipeline := range coded {
		f := photographs
		if strings.Contains(pipeline, "Simple") {
			f = small
		}
		got := ask(t, f).code(pipeline, 3)
		out, err := exec.Command("gofmt", "-l", "-s", write(t, dir, got.Go)).CombinedOutput()
		if err != nil || len(out) > 0 {
			t.Errorf("%s: gofmt: %s %v\n%s", pipeline, out, err, got.Go)
		}
		hashed := strings.Replace(got.Go, "fmt.Println(images.DType, images.Shape)", "sum.Write(images.Data)", 1)
		hashed = strings.Replace(hashed, "func main() {", "func main() {\n\tsum := sha256.New()\n\tdefer func() { fmt.Printf(\"%x\\n\", sum.Sum(nil)) }()", 1)
		hashed = strings.Replace(hashed, "import (", "import (\n\t\"crypto/sha256\"", 1)
		if strings.Count(hashed, "sum") < 3 {
			t.Fatalf("the program has another form:\n%s", got.Go)
		}
		name := filepath.Join(dir, fmt.Sprint(i), "main.go")
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(hashed), 0o666); err != nil {
			t.Fatal(err)
		}
		list, hashes = append(list, name), append(hashes, want(t, f, pipeline, 3))
	}
	for i, name := range list {
		out, err := exec.Command("go", "run", name).CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != hashes[i] {
			t.Errorf("%s: %v, %s; want %s", coded[i], err, out, hashes[i])
		}
	}
}

func write(t *testing.T, dir, text string) string {
	t.Helper()
	name := filepath.Join(dir, "one.go")
	if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return name
}

// TestPythonCode: the programs load the same with the Python package, where there is
// a Python with NumPy.
func TestPythonCode(t *testing.T) {
	python := numpy()
	if python == "" || testing.Short() {
		t.Skip("no python3 of 3.10 with NumPy")
	}
	dir := t.TempDir()
	engine := filepath.Join(dir, "betongo-engine")
	if out, err := exec.Command("go", "build", "-o", engine, "../cmd/betongo-engine").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	source, err := filepath.Abs("../python/src")
	if err != nil {
		t.Fatal(err)
	}
	photographs, small := codeFiles(t)
	var script bytes.Buffer
	script.WriteString("import hashlib, sys\nimport numpy as np\n")
	var hashes []string
	for _, pipeline := range coded {
		f := photographs
		if strings.Contains(pipeline, "Simple") {
			f = small
		}
		got := ask(t, f).code(pipeline, 3)
		if len(got.Notes) > 0 && !strings.Contains(pipeline, "Mix") {
			t.Errorf("%s: %q", pipeline, got.Notes)
		}
		text := strings.Replace(got.Python, "print(images.dtype, tuple(images.shape))", "sum.update(np.ascontiguousarray(images).tobytes())", 1)
		fmt.Fprintf(&script, "sum = hashlib.sha256()\n%s\nprint(sum.hexdigest())\n", text)
		hashes = append(hashes, want(t, f, pipeline, 3))
	}
	c := exec.Command(python, "-W", "error::SyntaxWarning", "-")
	c.Stdin = &script
	c.Env = append(os.Environ(), "PYTHONPATH="+source, "BETONGO_ENGINE="+engine)
	var out, failed bytes.Buffer
	c.Stdout, c.Stderr = &out, &failed
	if err := c.Run(); err != nil {
		t.Fatalf("%v: %s\n%s", err, failed.Bytes(), script.Bytes())
	}
	for i, got := range strings.Fields(out.String()) {
		if got != hashes[i] {
			t.Errorf("%s: other values than Go's", coded[i])
		}
	}
}

// numpy returns a Python of 3.10 or later that has NumPy, "" where there is none.
func numpy() string {
	for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/bin") {
		name := filepath.Join(dir, "python3")
		if exec.Command(name, "-c", "import sys, numpy\nassert sys.version_info >= (3, 10)").Run() == nil {
			return name
		}
	}
	return ""
}

// TestCodeNames: names of files and fields are text in programs, whatever stands in
// them.
func TestCodeNames(t *testing.T) {
	const name = "a\"b\n'#\\"
	specs := []ffcv.FieldSpec{{Name: name, Field: fields.RGBImage{}}, {Name: "other", Field: fields.RGBImage{}}}
	path := ffcvtest.Write(t, specs, 2, func(i int) []any {
		return []any{rgb.Image{Width: 8, Height: 8, Pix: make([]byte, 3*64)}, rgb.Image{Width: 8 + i, Height: 8, Pix: make([]byte, 3*8*(8+i))}}
	}, nil)
	strange := filepath.Join(filepath.Dir(path), "it's \"one\" {}.beton")
	if err := os.Rename(path, strange); err != nil {
		t.Fatal(err)
	}
	a := ask(t, ffcvtest.Map(t, strange, nil))
	w := a.do("POST", "/api/playground", `{"pipeline":[{"op":"CenterCrop","args":{"Width":4,"Height":4}}],"sample":0}`)
	var got bound
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 {
		t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	out, err := exec.Command("gofmt", "-e", "-l", write(t, t.TempDir(), got.Go)).CombinedOutput()
	if err != nil || len(out) > 0 || !strings.Contains(got.Go, `{Name: "other", Disabled: true},`) {
		t.Errorf("gofmt: %s %v\n%s", out, err, got.Go)
	}
	if !strings.Contains(got.Python, `"a\"b\n'#\\": [`) || !strings.Contains(got.Python, `"other": None,`) {
		t.Errorf("Python:\n%s", got.Python)
	}
	if python, err := exec.LookPath("python3"); err == nil {
		c := exec.Command(python, "-c", "import ast, sys; ast.parse(sys.stdin.read())")
		c.Stdin = strings.NewReader(got.Python)
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("%v: %s\n%s", err, out, got.Python)
		}
	}
}

// TestCodePaths: a program opens what the viewer was given: a file, several, a pattern
// or an index.
func TestCodePaths(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.beton", "b.beton"} {
		if err := os.Rename(photoFile(t), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	a, b := filepath.Join(dir, "a.beton"), filepath.Join(dir, "b.beton")
	var files []*ffcv.File
	for _, path := range []string{a, b} {
		files = append(files, ffcvtest.Map(t, path, nil))
	}
	x, err := dataset.NewIndex(files, []string{"a.beton", "b.beton"})
	if err != nil {
		t.Fatal(err)
	}
	index := filepath.Join(dir, "all.json")
	text, err := x.Marshal()
	if err == nil {
		err = os.WriteFile(index, text, 0o666)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		open       []string
		golang, py string
		note       bool
	}{
		{[]string{a}, fmt.Sprintf("ffcv.Open(%q, nil)", a), fmt.Sprintf("    %q,\n", a), false},
		{[]string{a, b}, fmt.Sprintf("store.Open(context.Background(), []string{%q, %q}, nil)", a, b), fmt.Sprintf("    %q,\n", a), true},
		{[]string{filepath.Join(dir, "*.beton")}, fmt.Sprintf("[]string{%q}", filepath.Join(dir, "*.beton")), fmt.Sprintf("    %q,\n", filepath.Join(dir, "*.beton")), false},
		{[]string{index}, fmt.Sprintf("[]string{%q}", index), fmt.Sprintf("    %q,\n", index), false},
	} {
		ds, err := store.Open(t.Context(), test.open, nil)
		if test.open[0] == index { // which is the dataset's name there alone
			ds, err = dataset.Open(test.open, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		got := ask(t, ds).code(`[{"op":"CenterCrop"}]`, 0)
		if !strings.Contains(got.Go, test.golang) || !strings.Contains(got.Python, test.py) || (len(got.Notes) > 0) != test.note {
			t.Errorf("%q: %q\n%s\n%s", test.open, got.Notes, got.Go, got.Python)
		}
		if err := ds.Close(); err != nil {
			t.Error(err)
		}
	}
}
