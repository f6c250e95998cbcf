package arrowfile_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/arrowfile"
)

const peer = "../../internal/arrow/testdata/peer.py"

// python returns the interpreter that has pyarrow and pandas.
func python(t testing.TB) string {
	p := os.Getenv("FORMATS_PYTHON")
	if p == "" {
		t.Skip("FORMATS_PYTHON isn't set: no pyarrow to compare with")
	}
	return p
}

// listed is what a file has, for peer.py and by it.
type listed struct {
	Path    string            `json:"path"`
	Members []listedMember    `json:"members"`
	Attrs   map[string]string `json:"attrs,omitempty"`
}

type listedMember struct {
	Name  string `json:"name"`
	DType string `json:"dtype"`
	Shape []int  `json:"shape"`
	Data  string `json:"data"`
}

// TestInteropWrite has pyarrow and pandas read what is written here.
func TestInteropWrite(t *testing.T) {
	python := python(t)
	dir := t.TempDir()
	var list []listed
	for _, rows := range []int{0, 1, 7, 1000} {
		members, arrays := samples(t, rows)
		entry := listed{Attrs: map[string]string{"who": "me"}}
		for i, m := range members {
			data := filepath.Join(dir, strconv.Itoa(rows)+"."+strconv.Itoa(i)+".raw")
			if err := os.WriteFile(data, arrays[i].Data, 0o666); err != nil {
				t.Fatal(err)
			}
			entry.Members = append(entry.Members, listedMember{m.Name, m.Spec.DType.String(), m.Spec.Shape, data})
		}
		for name, opts := range map[string]arrowfile.CreateOptions{"none.arrow": {}, "zstd.feather": {Compression: arrowfile.ZSTD}, "lz4.arrow": {Compression: arrowfile.LZ4},
			"batches.arrow": {BatchRows: 3 + rows/3}, "stream.arrows": {}, "many.arrows": {BatchRows: 1 + rows/2, Compression: arrowfile.LZ4}} {
			entry.Path = filepath.Join(dir, strconv.Itoa(rows)+name)
			if err := save(t, entry.Path, &opts, members, arrays, map[string]any{"who": "me"}, 100); err != nil {
				t.Fatal(err)
			}
			list = append(list, entry)
		}
	}
	b, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	names := filepath.Join(dir, "list.json")
	if err := os.WriteFile(names, b, 0o666); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(python, peer, "check", names).CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "compared" {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestInteropRead reads what pyarrow writes in every way.
func TestInteropRead(t *testing.T) {
	python := python(t)
	dir := t.TempDir()
	if out, err := exec.Command(python, peer, "write", "arrow", dir).CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != "written" {
		t.Fatalf("%v\n%s", err, out)
	}
	b, err := os.ReadFile(filepath.Join(dir, "want.json"))
	if err != nil {
		t.Fatal(err)
	}
	var list []listed
	if err := json.Unmarshal(b, &list); err != nil || len(list) < 50 {
		t.Fatalf("%d files: %v", len(list), err)
	}
	for _, entry := range list {
		f := open(t, entry.Path, &arrowfile.OpenOptions{Fill: "-"})
		if got := len(f.Members()); got != len(entry.Members) {
			t.Errorf("%s: %d members, want %d: %v", entry.Path, got, len(entry.Members), f.Refused())
		}
		if err := f.Refused(); err == nil || strings.Count(err.Error(), "\n") != 2 {
			t.Errorf("%s: refused %v", entry.Path, err)
		}
		for _, m := range entry.Members {
			want, err := os.ReadFile(m.Data)
			if err != nil {
				t.Fatal(err)
			}
			got, err := f.Array(m.Name)
			if err != nil {
				t.Error(err)
				continue
			}
			spec := array.Spec{DType: dtype(t, m.DType), Shape: m.Shape}
			if !got.Spec.Equal(spec) && len(want) > 0 {
				t.Errorf("%s: %q is %v, want %v", entry.Path, m.Name, got.Spec, spec)
			}
			if string(got.AsContiguous().Data) != string(want) {
				t.Errorf("%s: %q: values differ", entry.Path, m.Name)
			}
			s, err := f.Stream(m.Name, 10_000)
			if err != nil {
				t.Fatal(err)
			}
			if all, err := read(t, s); err != nil || string(all.Data) != string(want) {
				t.Errorf("%s: %q: %v: streamed values differ", entry.Path, m.Name, err)
			}
		}
		f.Close()
	}
}
