package source_test

import (
	"context"
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/source"
)

// specs parses field specs.
func specs(t *testing.T, texts ...string) []source.Spec {
	t.Helper()
	var out []source.Spec
	for _, text := range texts {
		s, err := source.ParseSpec(text, fields.RGBImage{Mode: fields.ModeJPEG})
		must(t, err)
		out = append(out, s)
	}
	return out
}

// write writes a table and returns its path.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	must(t, os.WriteFile(path, []byte(text), 0o666))
	return path
}

// f4 is an array of float32.
func f4(t *testing.T, shape []int, values ...float32) array.Array {
	t.Helper()
	a, err := array.Of(values, shape...)
	must(t, err)
	return a
}

func TestTable(t *testing.T) {
	inf := math.Inf(1)
	tests := []struct {
		name   string
		file   string
		text   string
		fields []string
		want   [][]any
		keys   []string
	}{
		{
			name: "csv scalars", file: "t.csv", fields: []string{"label=int", "y=float:column=the target"},
			text: "the target,label,other\n1.5, 3 ,x\n\"-inf\",-9223372036854775808,\"a \"\"quoted\"\", cell\nof two lines\"\r\n\n0.1,+7,\n",
			want: [][]any{{int64(3), 1.5}, {int64(math.MinInt64), -inf}, {int64(7), 0.1}},
		},
		{
			name: "csv without a last line end, with a byte order mark", file: "t.CSV", fields: []string{"a=int"},
			text: "\xef\xbb\xbfa\n1\n2", want: [][]any{{int64(1)}, {int64(2)}},
		},
		{
			name: "tsv", file: "t.tsv", fields: []string{"a=bytes:inline=true", "b=bytes:inline=base64"},
			text: "a\tb\nx,y\t" + base64.StdEncoding.EncodeToString([]byte{0, 255}) + "\n\t\n",
			want: [][]any{{[]byte("x,y"), []byte{0, 255}}, {[]byte{}, []byte{}}},
		},
		{
			name: "csv json and lists", file: "t.csv", fields: []string{"m=json", "x=ndarray:dtype=<f4,shape=2x2"},
			text: "m,x\n\"{\"\"a\"\": NaN}\",\"[[1, 2], [NaN, -3e1]]\"\n",
			want: [][]any{{json.RawMessage(`{"a": NaN}`), f4(t, []int{2, 2}, 1, 2, float32(math.NaN()), -30)}},
		},
		{
			name: "csv files", file: "t.csv", fields: []string{"image=rgb:column=path", "b=bytes"},
			text: "path,b\nimg/1.jpg,./b.bin\n../out.jpg,b\n",
			want: [][]any{{path("img/1.jpg"), path("b.bin")}, {path("../out.jpg"), path("b")}},
			keys: []string{"img/1.jpg", ""},
		},
		{
			name: "jsonl", file: "t.jsonl", fields: []string{"label=int", "y=float", "s=bytes:inline=true", "m=json", "x=torch:dtype=<f4,shape=2"},
			text: `{"label": 1, "y": 2, "s": "\u00e9\n", "m": {"k": [1, "}"]}, "x": [0.5, 1], "more": null}` + "\n  \n" +
				`{"x":[1e1,-Infinity],"m":"\"","s":"","y":Infinity,"label":true}`,
			want: [][]any{
				{int64(1), 2.0, []byte("é\n"), json.RawMessage(`{"k": [1, "}"]}`), f4(t, []int{2}, 0.5, 1)},
				{int64(1), inf, []byte{}, json.RawMessage(`"\""`), f4(t, []int{2}, 10, float32(-inf))},
			},
		},
		{
			name: "jsonl one column twice, an escaped key", file: "t.ndjson", fields: []string{"a=int:column=kéy", "b=json:column=kéy"},
			text: `{"k\u00e9y": 7}` + "\r\n", want: [][]any{{int64(7), json.RawMessage("7")}},
		},
		{name: "jsonl of nothing", file: "t.jsonl", fields: []string{"a=int"}, text: "\n \n"},
		{name: "csv of a header", file: "t.csv", fields: []string{"a=int"}, text: "a\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := write(t, tt.file, tt.text)
			tab, err := source.OpenTable(t.Context(), file, specs(t, tt.fields...), &source.TableOptions{Outside: true})
			must(t, err)
			defer tab.Close()
			if tab.Len() != len(tt.want) {
				t.Fatalf("Len: got %d, want %d", tab.Len(), len(tt.want))
			}
			for i, want := range tt.want {
				got, key, err := tab.Sample(t.Context(), i)
				must(t, err)
				for k := range want {
					if p, ok := want[k].(path); ok {
						want[k] = fields.Path(filepath.Join(filepath.Dir(file), string(p)))
					}
					if !reflect.DeepEqual(got[k], want[k]) {
						t.Errorf("sample %d, %s: got %v, want %v", i, tt.fields[k], got[k], want[k])
					}
				}
				if len(got) != len(want) || tt.keys != nil && key != tt.keys[i] {
					t.Errorf("sample %d: got %d values, key %q", i, len(got), key)
				}
			}
			if got := tab.Fields(); len(got) != len(tt.fields) || !strings.HasPrefix(tt.fields[0], got[0].Name+"=") {
				t.Errorf("fields: got %v, want %v", got, tt.fields)
			}
		})
	}
}

// path is a file name relative to the table, in a wanted value.
type path string

func TestTableOpenErrors(t *testing.T) {
	tests := []struct{ file, text, field, want string }{
		{"t.csv", "", "a=int", "empty; expected a header row"},
		{"t.csv", "b,c\n1,2\n", "a=int", `t.csv:1: column "a": no such column; the header has b, c`},
		{"t.csv", "\n\na,b,a\n1,2,3\n", "a=int", `t.csv:3: column "a": two columns`},
		{"t.csv", "a\n1\n\n\"2\n3\n", "a=int", "line 4: a quote opens a cell and is never closed"},
		{"t.csv", "a\"b\n", "a=int", "t.csv:1: byte 2"},
		{"t.json", "{}", "a=int", `extension ".json"; expected .csv, .tsv, .jsonl or .ndjson`},
		{"t.csv", "a\n", "a=int:file=x.npy", "file= is for arrays"},
		{"t.csv", "a\n", "a=ndarray:dtype=<f4", "no dtype or no shape"},
		{"t.csv", "a\n", "a=torch:shape=3", "no dtype or no shape"},
	}
	for _, tt := range tests {
		tab, err := source.OpenTable(t.Context(), write(t, tt.file, tt.text), specs(t, tt.field), nil)
		if err == nil || !strings.Contains(err.Error(), tt.want) || tab != nil {
			t.Errorf("%q %s: got %v, want an error with %q", tt.text, tt.field, err, tt.want)
		}
	}
	if _, err := source.OpenTable(t.Context(), "t.csv", nil, nil); err == nil {
		t.Error("no fields: got no error")
	}
	if _, err := source.OpenTable(t.Context(), filepath.Join(t.TempDir(), "t.csv"), specs(t, "a=int"), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: got %v", err)
	}
}

func TestTableSampleErrors(t *testing.T) {
	const lists = "x=ndarray:dtype=<i2,shape=2x2"
	tests := []struct{ file, text, field, want string }{
		{"t.csv", "a\nx\n", "a=int", `t.csv:2: column "a": expected a whole number of 64 bits, found "x"`},
		{"t.csv", "a\n\n\n1.0\n", "a=int", `t.csv:4: column "a"`},
		{"t.csv", "a\n9223372036854775808\n", "a=int", "whole number"},
		{"t.csv", "a,b\n,1\n", "a=int", "found nothing"},
		{"t.csv", "a,b\n,1\n", "a=float", "found nothing"},
		{"t.csv", "a\n1e999\n", "a=float", "range of float64"},
		{"t.csv", "a,b\n1\n", "a=int", "t.csv:2: 1 cells; the header has 2"},
		{"t.csv", "a,b\n1,2,3\n", "a=int", "t.csv:2: 3 cells; the header has 2"},
		{"t.csv", "a,b\n\"1\n2\",\"x\"y\n", "a=json", "t.csv:2: byte 6 of line 2 of the record"},
		{"t.csv", "a\n{\n", "a=json", "json text"},
		{"t.csv", "a,b\n,x\n", "a=rgb", "empty; expected the name of a file"},
		{"t.csv", "a\n***\n", "a=rgb:inline=base64", "base64 text of 3 bytes"},
		{"t.csv", "a\nnone.npy\n", "a=ndarray:dtype=<f4,shape=2,inline=false", "none.npy"},
		{"t.jsonl", "{}", "a=int", `t.jsonl:1: column "a": the record does not have it`},
		{"t.jsonl", "\n{\"a\":1", "a=int", "t.jsonl:2: json text"},
		{"t.jsonl", "[1]", "a=int", "expected an object"},
		{"t.jsonl", `{"a": "1"}`, "a=int", `found "\"1\""`},
		{"t.jsonl", `{"a": 1.0}`, "a=int", "whole number"},
		{"t.jsonl", `{"a": null}`, "a=int", "whole number"},
		{"t.jsonl", `{"a": "nan"}`, "a=float", "expected a number"},
		{"t.jsonl", `{"a": 1e400}`, "a=float", "range of float64"},
		{"t.jsonl", `{"a": 1}`, "a=bytes", "expected a string"},
		{"t.jsonl", `{"a": "\ud800"}`, "a=bytes:inline=true", "half a surrogate pair"},
		{"t.jsonl", `{"x": [[1,2],[3]]}`, lists, "found fewer than 2 elements at axis 1"},
		{"t.jsonl", `{"x": [[1,2],[3,4],[5,6]]}`, lists, "found more than 2 elements at axis 0"},
		{"t.jsonl", `{"x": [1,2,3,4]}`, lists, "found \"1,2,3,4]\" at axis 1"},
		{"t.jsonl", `{"x": [[1,2],[3,[4]]]}`, lists, "not a whole number in the range of <i2"},
		{"t.jsonl", `{"x": [[1,2],[3,32768]]}`, lists, "not a whole number in the range of <i2"},
		{"t.jsonl", `{"x": [[1,2],[3,4.0]]}`, lists, "not a whole number in the range of <i2"},
		{"t.jsonl", `{"x": 1}`, "x=ndarray:dtype=<i2,shape=99999999999", "too short for an array"},
		{"t.jsonl", `{"x": ["a","b"]}`, "x=ndarray:dtype=S1,shape=2", "inline=false"},
		{"t.jsonl", `{"x": [2]}`, "x=ndarray:dtype=bool,shape=1", "not a bool"},
		{"t.jsonl", `{"x": [1e39]}`, "x=ndarray:dtype=<f4,shape=1", "not a number in the range of <f4"},
		{"t.jsonl", `{"x": [65520]}`, "x=ndarray:dtype=<f2,shape=1", "not a number in the range of <f2"},
	}
	for _, tt := range tests {
		tab, err := source.OpenTable(t.Context(), write(t, tt.file, tt.text), specs(t, tt.field), nil)
		must(t, err)
		values, _, err := tab.Sample(t.Context(), 0)
		if err == nil || !strings.Contains(err.Error(), tt.want) || values != nil {
			t.Errorf("%q %s: got %v, %v; want an error with %q", tt.text, tt.field, values, err, tt.want)
		}
		tab.Close()
	}
}

func TestTableRandomAccess(t *testing.T) {
	// Over several index steps and read buffers, read by several goroutines.
	var b strings.Builder
	b.WriteString("i,text\n")
	const n = 30000
	for i := range n {
		fmt.Fprintf(&b, "%d,\"line\n%s\"\n", i, strings.Repeat("x", i%50))
	}
	b.WriteString("bad,\n")
	tab, err := source.OpenTable(t.Context(), write(t, "t.csv", b.String()), specs(t, "i=int"), nil)
	must(t, err)
	defer tab.Close()
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for i := w; i < n; i += 4 {
				if v, _, err := tab.Sample(context.Background(), i); err != nil || v[0] != int64(i) {
					t.Errorf("sample %d: got %v, %v", i, v, err)
				}
			}
		}()
	}
	wg.Wait()
	_, _, err = tab.Sample(t.Context(), n)
	if want := fmt.Sprintf("t.csv:%d: ", 2*n+2); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q in it", err, want)
	}
}

// FuzzCSV compares the index and the record reader with encoding/csv over the
// whole file.
func FuzzCSV(f *testing.F) {
	for _, s := range []string{
		"a,b\n1,2\n", "a\r\n\"x\ny\"\r\n\r\n2", "a\n\r", "a\n\r\r\n", "a\n\"\"\"\"\n", "\xef\xbb\xbfa\nb\n", "a,b\n,\n\n\n,\"\"",
		"a\n\"x", "a\nx\"y\n", "a\n\"x\"y\n", "\ra\n\r\"b\n", "a\n\"x\"\r", "a\n\"x\r\ny\"",
	} {
		f.Add([]byte(s))
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		file := filepath.Join(dir, "t.csv")
		must(t, os.WriteFile(file, text, 0o666))
		r := csv.NewReader(strings.NewReader(strings.TrimPrefix(string(text), "\xef\xbb\xbf")))
		r.FieldsPerRecord = -1
		want, wantErr := r.ReadAll()
		if wantErr == nil && (len(want) == 0 || want[0][0] == "") {
			return
		}
		name := "a"
		if wantErr == nil {
			name = want[0][0]
		}
		spec := source.Spec{Field: source.Field{Name: "x", Field: fields.Bytes{}}, Column: name, Inline: source.InlineYes}
		tab, err := source.OpenTable(t.Context(), file, []source.Spec{spec}, nil)
		if err != nil {
			if wantErr == nil && !strings.Contains(err.Error(), "two columns") {
				t.Fatalf("%q: got %v, encoding/csv reads %q", text, err, want)
			}
			return
		}
		defer tab.Close()
		var failed error
		for i := range tab.Len() {
			values, _, err := tab.Sample(t.Context(), i)
			if err != nil {
				failed = err
				if wantErr == nil && len(want[i+1]) == len(want[0]) {
					t.Fatalf("%q: record %d: got %v, want %q", text, i, err, want[i+1])
				}
				continue
			}
			if wantErr == nil && string(values[0].([]byte)) != want[i+1][0] {
				t.Fatalf("%q: record %d: got %q, want %q", text, i, values[0], want[i+1])
			}
		}
		if wantErr == nil && tab.Len() != len(want)-1 {
			t.Fatalf("%q: got %d records, want %d", text, tab.Len(), len(want)-1)
		}
		if wantErr != nil && failed == nil {
			t.Fatalf("%q: all records read; encoding/csv says %v", text, wantErr)
		}
	})
}

// FuzzJSONL holds that any file is read without a panic, and that what is read
// is what encoding/json reads, where that knows the text.
func FuzzJSONL(f *testing.F) {
	for _, s := range []string{
		`{"a": 1, "x": [1, 2]}` + "\n" + `{"x":[NaN,-Infinity],"a":{}}`, `{"a":"\ud83d\ude00","x":[]}`, `{"\u0061":null}`,
		"\xef\xbb\xbf{\"a\":[[[\"]\"]]]}\n", "{}\n\n[]", `{"a":1,"a":2}`, `{"a":"\\","x":[ 1 , 2 ] }`,
	} {
		f.Add([]byte(s))
	}
	dir := f.TempDir()
	specs := []source.Spec{
		{Field: source.Field{Name: "a", Field: fields.JSON{}}},
		{Field: source.Field{Name: "s", Field: fields.Bytes{}}, Column: "a", Inline: source.InlineYes},
		{Field: source.Field{Name: "x", Field: fields.NDArray{DType: array.Float32, Shape: []int{2}}}},
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		file := filepath.Join(dir, "t.jsonl")
		must(t, os.WriteFile(file, text, 0o666))
		lines := strings.FieldsFunc(strings.TrimPrefix(string(text), "\xef\xbb\xbf"), func(r rune) bool { return r == '\n' })
		lines = slices.DeleteFunc(lines, func(s string) bool { return strings.Trim(s, " \t\r") == "" })
		for k := range specs {
			tab, err := source.OpenTable(t.Context(), file, specs[k:k+1], nil)
			must(t, err)
			if tab.Len() != len(lines) {
				t.Fatalf("%q: got %d records, want %d", text, tab.Len(), len(lines))
			}
			for i := range tab.Len() {
				values, _, err := tab.Sample(t.Context(), i)
				if k == 0 {
					checkJSON(t, lines[i], values, err)
				}
			}
			tab.Close()
		}
	})
}

// checkJSON compares the member "a" of a line as JSON with encoding/json.
func checkJSON(t *testing.T, line string, values []any, err error) {
	t.Helper()
	if err == nil {
		if err := fields.JSONText(values[0].(json.RawMessage)).Check(); err != nil {
			t.Fatalf("%q: got %q: %v", line, values[0], err)
		}
	}
	var want map[string]json.RawMessage
	if !utf8.ValidString(line) || json.Unmarshal([]byte(line), &want) != nil {
		return // invalid, or Python's dialect
	}
	a, ok := want["a"]
	switch {
	case ok && err != nil && !strings.Contains(err.Error(), "half a surrogate") && !strings.Contains(err.Error(), "nested"):
		t.Fatalf("%q: got %v, want %q", line, err, a)
	case !ok && err == nil:
		t.Fatalf("%q: got %q, want an error", line, values[0])
	case ok && err == nil && string(values[0].(json.RawMessage)) != string(a):
		t.Fatalf("%q: got %q, want %q", line, values[0], a)
	}
}
