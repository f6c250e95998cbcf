package source_test

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/source"
)

// records are files that other programs wrote.
const records = "../testdata/records/"

// copyTo copies a golden file into a folder, by its name there.
func copyTo(t testing.TB, golden, dir, name string) string {
	t.Helper()
	b, err := os.ReadFile(records + golden)
	if err != nil {
		t.Fatal(err)
	}
	return put(t, dir, name, b)
}

// parquetTruth is what the golden files hold.
func parquetTruth(t testing.TB) (rows []struct {
	Image  struct{ SHA256, Path string }
	Label  int64
	Mass   float64
	Text   string
	Ragged []int
}) {
	t.Helper()
	b, err := os.ReadFile(records + "parquet/truth.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &rows); err != nil {
		t.Fatal(err)
	}
	return rows
}

func TestParquet(t *testing.T) {
	dir := t.TempDir()
	copyTo(t, "parquet/datasets.parquet", dir, "train-00000-of-00002.parquet")
	copyTo(t, "parquet/zstd.parquet", dir, "train-00001-of-00002.parquet")
	rows := parquetTruth(t)
	for _, names := range [][]string{{dir}, {filepath.Join(dir, "train-*.parquet")}, {filepath.Join(dir, "train-0000{0,1}-of-00002.parquet")}, {"mem:///"}, {"mem:///train-{00000..00001}-of-00002.parquet"}} {
		p, err := source.OpenParquet(t.Context(), names, nil, &source.ParquetOptions{Store: shelf{dir}})
		if err != nil {
			t.Fatal(err)
		}
		if p.Len() != 2*len(rows) || !reflect.DeepEqual(p.Classes(), []string{"cat", "dög", `a "b"`}) {
			t.Fatalf("%d samples, classes %q", p.Len(), p.Classes())
		}
		var types []string
		for _, f := range p.Fields() {
			types = append(types, fmt.Sprintf("%s %T", f.Name, f.Field))
		}
		want := "image fields.RGBImage,label fields.Int,small fields.Int,flag fields.Int,mass fields.Float,half fields.Float,text fields.Bytes,blob fields.Bytes,vector fields.NDArray,grid fields.NDArray,ragged fields.JSON,nested fields.JSON"
		if got := strings.Join(types, ","); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		for i := range p.Len() {
			values, key, err := p.Sample(t.Context(), i)
			if err != nil {
				t.Fatal(err)
			}
			r := rows[i%len(rows)]
			if got := fmt.Sprintf("%x", sha256.Sum256(values[0].([]byte))); key != r.Image.Path || got != r.Image.SHA256 || values[1] != r.Label || values[4] != r.Mass || string(values[6].([]byte)) != r.Text {
				t.Errorf("sample %d, %q: %v", i, key, values[1:])
			}
		}
		one, err := p.Traits(t.Context())
		if err != nil || len(one) != 3 {
			t.Errorf("%v: %v", err, one)
		}
		if err := errors.Join(p.Close(), p.Close()); err != nil {
			t.Error(err)
		}
		if _, _, err := p.Sample(t.Context(), 0); !errors.Is(err, os.ErrClosed) {
			t.Errorf("got %v", err)
		}
	}
}

// TestParquetSpecs takes columns as they are asked for.
func TestParquetSpecs(t *testing.T) {
	file := records + "parquet/snappy.parquet"
	list := specs(t, "photo=rgb:column=image", "raw=bytes:column=image", "y=float:column=small", "x=ndarray:column=vector", "g=torch:column=grid,dtype=|u1,shape=2x3", "n=json:column=nested,lz4=true", "t=bytes:column=text,lz4=true")
	p, err := source.OpenParquet(t.Context(), []string{file}, list, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if got := p.Fields()[3].Field; !reflect.DeepEqual(got, fields.NDArray{DType: array.Float32, Shape: []int{4}}) {
		t.Errorf("got %+v", got)
	}
	values, _, err := p.Sample(t.Context(), 3)
	if err != nil {
		t.Fatal(err)
	}
	if string(values[0].([]byte)) != string(values[1].([]byte)) || values[2] != -3.0 || string(values[6].([]byte)) != "üüü" {
		t.Errorf("got %v", values)
	}
	ragged, err := source.OpenParquet(t.Context(), []string{file}, specs(t, "r=ndarray:column=ragged,dtype=<i2,shape=3"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ragged.Close()
	if values, _, err := ragged.Sample(t.Context(), 3); err != nil || fmt.Sprint(values[0].(array.Array).Data) != "[0 0 1 0 2 0]" {
		t.Errorf("%v: got %v", err, values)
	}
	if _, _, err := ragged.Sample(t.Context(), 4); err == nil || !strings.Contains(err.Error(), `snappy.parquet: row 4: column "ragged"`) {
		t.Errorf("got %v", err)
	}
}

// TestParquetByPath: images without bytes are files beside the table.
func TestParquetByPath(t *testing.T) {
	for _, name := range []string{records + "parquet/by_path", "mem:///by_path/paths.parquet"} {
		p, err := source.OpenParquet(t.Context(), []string{name}, nil, &source.ParquetOptions{Store: shelf{records + "parquet"}})
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		values, key, err := p.Sample(t.Context(), 0)
		if err != nil || key != "0.jpg" {
			t.Errorf("%v: %s: %v", err, key, values)
		}
		for i, want := range []error{1: source.ErrOutside, 2: nil, 3: nil} {
			if i == 0 {
				continue
			}
			if _, _, err := p.Sample(t.Context(), i); err == nil || want != nil && !errors.Is(err, want) || !strings.Contains(err.Error(), fmt.Sprintf("row %d", i)) {
				t.Errorf("row %d: got %v", i, err)
			}
		}
	}
}

func TestParquetRefused(t *testing.T) {
	dir := t.TempDir()
	copyTo(t, "parquet/zstd.parquet", dir, "two/train-0.parquet")
	copyTo(t, "parquet/zstd.parquet", dir, "two/test-0.parquet")
	put(t, dir, "empty/x.txt", nil)
	b, err := os.ReadFile(records + "parquet/zstd.parquet")
	if err != nil {
		t.Fatal(err)
	}
	cut := put(t, dir, "cut.parquet", b[:len(b)-100])
	for _, test := range []struct {
		names   []string
		specs   []string
		classes []string
		want    string
	}{
		{nil, nil, nil, "no files"},
		{[]string{dir + "/none.parquet"}, nil, nil, "no such file"},
		{[]string{cut}, nil, nil, "cut.parquet: at byte 11706: it doesn't end in PAR1: it was cut off"},
		{[]string{dir + "/empty"}, nil, nil, "no file that ends in .parquet"},
		{[]string{dir + "/two"}, nil, nil, "are of two splits"},
		{[]string{cut, cut}, nil, nil, "given twice"},
		{[]string{records + "parquet/delta.parquet"}, nil, nil, "no column of images"},
		{[]string{records + "parquet/nulls.parquet"}, nil, nil, `"when": a column of timestamp is not supported; the fields that are to be taken can be named`},
		{[]string{records + "parquet/zstd.parquet", records + "parquet/classes.parquet"}, []string{"label=int"}, nil, `column "label" differs: class label of the classes cat, dög, a "b" in ` + records + `parquet/zstd.parquet, class label of the classes dog, cat in ` + records + "parquet/classes.parquet"},
		{[]string{records + "parquet/zstd.parquet", records + "parquet/types.parquet"}, []string{"label=int"}, nil, `column "label" differs`},
		{[]string{records + "parquet/zstd.parquet", records + "parquet/types.parquet"}, []string{"mass=float"}, nil, `column "mass" is in ` + records + "parquet/zstd.parquet, and not in " + records + "parquet/types.parquet"},
		{[]string{records + "parquet/zstd.parquet"}, []string{"x=int"}, nil, `no column "x"; it has image, label, small`},
		{[]string{records + "parquet/zstd.parquet"}, []string{"label=float:inline=true"}, nil, "inline"},
		{[]string{records + "parquet/zstd.parquet"}, []string{"text=int"}, nil, `column "text" of string: a field of fields.Int can't be made of it`},
		{[]string{records + "parquet/zstd.parquet"}, []string{"vector=ndarray:dtype=<f8"}, nil, "its rows are <f4 (4,)"},
		{[]string{records + "parquet/zstd.parquet"}, []string{"ragged=ndarray"}, nil, "may have any length"},
		{[]string{records + "parquet/zstd.parquet"}, nil, []string{"cat", "dog"}, `class 1 is "dög" in ` + records + `parquet/zstd.parquet, and "dog" in the classes that are given`},
	} {
		var list []source.Spec
		for _, text := range test.specs {
			s, err := source.ParseSpec(text, fields.RGBImage{})
			if err != nil {
				if !strings.Contains(err.Error(), test.want) {
					t.Errorf("%v: got %v, want %s", test.specs, err, test.want)
				}
				list = nil
				break
			}
			list = append(list, s)
		}
		if test.specs != nil && list == nil {
			continue
		}
		p, err := source.OpenParquet(t.Context(), test.names, list, &source.ParquetOptions{Classes: test.classes})
		if p != nil || err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v %v: got %v, want %s", test.names, test.specs, err, test.want)
		}
	}
}

// TestParquetLabels: classes that are given are numbers' or names'.
func TestParquetLabels(t *testing.T) {
	file := []string{records + "parquet/delta.parquet"}
	p, err := source.OpenParquet(t.Context(), file, specs(t, "label=int:column=word"), &source.ParquetOptions{Classes: []string{"x", "abd", "ab"}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if v, _, err := p.Sample(t.Context(), 2); err != nil || v[0] != int64(1) {
		t.Errorf("%v: got %v", err, v)
	}
	if _, _, err := p.Sample(t.Context(), 1); err == nil || !strings.Contains(err.Error(), `row 1: column "word": class`) {
		t.Errorf("got %v", err)
	}
	p, err = source.OpenParquet(t.Context(), file, specs(t, "n=int"), &source.ParquetOptions{Classes: []string{"x", "y"}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if _, _, err := p.Sample(t.Context(), 2); err == nil || !strings.Contains(err.Error(), "label 2; the classes that are given") {
		t.Errorf("got %v", err)
	}
	if _, err := source.OpenParquet(t.Context(), file, specs(t, "t=bytes:column=word"), &source.ParquetOptions{Classes: []string{"x"}}); err == nil {
		t.Error("no error of classes without labels")
	}
}
