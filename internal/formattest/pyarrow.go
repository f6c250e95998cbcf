package formattest

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
)

// peer is the program that judges tables by pyarrow and pandas, for the test of a
// package two folders below the module's root.
const peer = "../../internal/arrow/testdata/peer.py"

// peerPython returns the interpreter that has pyarrow and pandas.
func peerPython(t testing.TB) string {
	t.Helper()
	p := os.Getenv("FORMATS_PYTHON")
	if p == "" {
		t.Skip("FORMATS_PYTHON isn't set: no pyarrow to compare with")
	}
	return p
}

// judge runs the peer, which must end in a word.
func judge(python, word string, args ...string) error {
	out, err := exec.Command(python, append([]string{peer}, args...)...).CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != word {
		return fmt.Errorf("%v\n%s", err, out)
	}
	return nil
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

// InteropWrite has pyarrow and pandas read columns of all types, of 0 rows to
// 1000, that are written in some ways. Those are called as the files are.
func InteropWrite(t *testing.T, ways func(rows int) Ways) {
	python := peerPython(t)
	dir := t.TempDir()
	var list []listed
	for _, rows := range []int{0, 1, 7, 1000} {
		members, arrays := Columns(t, rows)
		entry := listed{Attrs: map[string]string{"who": "me"}}
		for i, m := range members {
			data := filepath.Join(dir, strconv.Itoa(rows)+"."+strconv.Itoa(i)+".raw")
			if err := os.WriteFile(data, arrays[i].Data, 0o666); err != nil {
				t.Fatal(err)
			}
			entry.Members = append(entry.Members, listedMember{m.Name, m.Spec.DType.String(), m.Spec.Shape, data})
		}
		for name, create := range ways(rows) {
			entry.Path = filepath.Join(dir, strconv.Itoa(rows)+name)
			w, err := create(entry.Path)
			if err := Save(t, w, err, members, arrays, map[string]any{"who": "me"}, 100); err != nil {
				t.Fatal(err)
			}
			list = append(list, entry)
		}
	}
	b, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	if err := judge(python, "compared", "check", Put(t, "list.json", b)); err != nil {
		t.Error(err)
	}
}

// InteropRead reads what pyarrow writes of a format in every way. refused is how
// many columns of each file are not served, -1 that it doesn't matter.
func (x *Table) InteropRead(t *testing.T, format string, refused int) {
	python := peerPython(t)
	dir := t.TempDir()
	if err := judge(python, "written", "write", format, dir); err != nil {
		t.Fatal(err)
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
		f := x.open(t, entry.Path, "-")
		if got := len(f.Members()); got != len(entry.Members) {
			t.Errorf("%s: %d members, want %d: %v", entry.Path, got, len(entry.Members), f.Refused())
		}
		if err := f.Refused(); refused >= 0 && (err == nil || strings.Count(err.Error(), "\n")+1 != refused) {
			t.Errorf("%s: refused %v, want %d", entry.Path, err, refused)
		}
		for _, m := range entry.Members {
			if err := x.compare(t, f, m); err != nil {
				t.Errorf("%s: %q: %v", entry.Path, m.Name, err)
			}
		}
		f.Close()
	}
}

// compare reads a column in every way.
func (x *Table) compare(t *testing.T, f TableFile, m listedMember) error {
	want, err := os.ReadFile(m.Data)
	if err != nil {
		return err
	}
	got, err := f.Array(m.Name)
	if err != nil {
		return err
	}
	spec := array.Spec{DType: DType(t, m.DType), Shape: m.Shape}
	if !got.Spec.Equal(spec) && len(want) > 0 {
		return fmt.Errorf("%v, want %v", got.Spec, spec)
	}
	if string(got.AsContiguous().Data) != string(want) {
		return errors.New("values differ")
	}
	s, err := f.Stream(m.Name, 10_000)
	if err != nil {
		return err
	}
	if all, err := Rows(t, s); err != nil || string(all.Data) != string(want) {
		return fmt.Errorf("%v: streamed values differ", err)
	}
	return nil
}

// golden is what is in the files that pyarrow wrote, as Text tells it.
var golden = []struct{ name, text string }{
	{"i", "<i8(3,) 1 2 3"},
	{"f", "<f4(3,) 0.5 1.5 nan"},
	{"h", "<f2(3,) 1.0 2.0 3.0"},
	{"b", "|b1(3,) True False True"},
	{"s", "<U2(3,) a bb -"},
	{"bin", "|S2(3,) \x00\x01  z"},
	{"vec", "<f4(3, 4) 0.0 1.0 2.0 3.0 4.0 5.0 6.0 7.0 8.0 9.0 10.0 11.0"},
	{"d", "<U1(3,) x y x"},
	{"tensor", "<f4(3, 2, 2) 0.0 1.0 2.0 3.0 4.0 5.0 6.0 7.0 8.0 9.0 10.0 11.0"},
}

// Goldens returns the paths of a folder's golden files, of which there are n.
// They have the same columns, but for those of that other name.
func Goldens(t testing.TB, folder string, n int, other string) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(filepath.FromSlash(Folder), folder, "*"))
	if err != nil || len(list) != n {
		t.Fatalf("%d golden files: %v", len(list), err)
	}
	return slices.DeleteFunc(list, func(p string) bool { return filepath.Base(p) == other })
}

// Golden reads the golden files. Only those whose names begin with tensor have
// one.
func (x *Table) Golden(t *testing.T, paths []string) {
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			f := x.open(t, path, "-")
			want := golden
			if !strings.HasPrefix(filepath.Base(path), "tensor") {
				want = golden[:len(golden)-1]
			}
			members := f.Members()
			if len(members) != len(want) {
				t.Fatalf("got %d members, want %d: %v", len(members), len(want), f.Refused())
			}
			if err := f.Refused(); err == nil || !strings.Contains(err.Error(), `"lst"`) || !errors.As(err, new(*array.UnsupportedError)) {
				t.Errorf("refused: %v", err)
			}
			for i, w := range want {
				s, err := f.Array(w.name)
				if err != nil {
					t.Error(err)
					continue
				}
				if got := Text(s); got != w.text || members[i].Name != w.name || !members[i].Spec.Equal(s.Spec) {
					t.Errorf("member %d is %q %v: got %s, want %q %s", i, members[i].Name, members[i].Spec, got, w.name, w.text)
				}
				for _, chunk := range []int{1, 5, 0} {
					st, err := f.Stream(w.name, chunk)
					if err != nil {
						t.Fatal(err)
					}
					a, err := Rows(t, st)
					if err != nil {
						t.Fatal(err)
					}
					if got := Text(a.Strided()); got != w.text {
						t.Errorf("%q by %d: got %s, want %s", w.name, chunk, got, w.text)
					}
				}
			}
		})
	}
}
