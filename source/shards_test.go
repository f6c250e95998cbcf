package source_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/race"
	"github.com/betongo/betongo/record/mds"
	"github.com/betongo/betongo/record/webdataset"
	"github.com/betongo/betongo/source"
)

// longKey is the key of a sample: 200 bytes.
func longKey(i int) string {
	return fmt.Sprintf("%0190d/%09d", i/100, i)
}

// TestShardsMemory opens shards of a few and of many samples, whose keys alone would
// be 12 MB.
func TestShardsMemory(t *testing.T) {
	for _, n := range []int{5_000, race.Fewer(60_000, 6_000)} {
		path := filepath.Join(t.TempDir(), "s.tar")
		f, err := os.Create(path)
		must(t, err)
		out := bufio.NewWriterSize(f, 1<<20)
		w := webdataset.NewWriter(out)
		for i := range n {
			must(t, w.Write(longKey(i), []webdataset.Member{{Ext: "cls", Data: []byte("1")}}))
		}
		must(t, w.Close())
		must(t, out.Flush())
		must(t, f.Close())
		flat(t, fmt.Sprintf("webdataset of %d samples", n), 12<<20, func() {
			d, err := source.OpenWebDataset(t.Context(), []string{path}, nil, nil)
			must(t, err)
			if d.Len() != n {
				t.Errorf("got %d samples, want %d", d.Len(), n)
			}
			for i := 0; i < n; i += 97 {
				if v, key, err := d.Sample(t.Context(), i); err != nil || v[0] != int64(1) || key != longKey(i)+".cls" {
					t.Fatalf("sample %d: got %v, %q, %v", i, v, key, err)
				}
			}
			must(t, d.Close())
		})
	}
}

// exampleShards writes a shard of WebDataset and a dataset of MDS, of two samples each.
func exampleShards(dir string) error {
	f, err := os.Create(filepath.Join(dir, "train-000000.tar"))
	if err != nil {
		return err
	}
	defer f.Close()
	w := webdataset.NewWriter(f)
	g, err := os.Create(filepath.Join(dir, "shard.00000.mds"))
	if err != nil {
		return err
	}
	defer g.Close()
	m, err := mds.NewWriter(g, []mds.Column{{Name: "text", Encoding: "str"}, {Name: "label", Encoding: "int"}})
	if err != nil {
		return err
	}
	for i, text := range []string{"one", "two"} {
		if err := w.Write("words/"+text, []webdataset.Member{{Ext: "cls", Data: fmt.Append(nil, i)}, {Ext: "json", Data: []byte(`{"text": "` + text + `"}`)}}); err != nil {
			return err
		}
		label, err := mds.AppendValue(nil, "int", i)
		if err != nil {
			return err
		}
		if err := m.Write([][]byte{[]byte(text), label}); err != nil {
			return err
		}
	}
	info, err := m.Close()
	if err != nil {
		return err
	}
	info.Name = "shard.00000.mds"
	index, err := mds.Index([]mds.ShardInfo{info})
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "index.json"), index, 0o666); err != nil {
		return err
	}
	return w.Close()
}

func ExampleOpenWebDataset() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	if err := exampleShards(dir); err != nil {
		fmt.Println(err)
		return
	}
	d, err := source.OpenWebDataset(context.Background(), []string{filepath.Join(dir, "train-{000000..000000}.tar")}, nil, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer d.Close()
	for i := range d.Len() {
		values, key, err := d.Sample(context.Background(), i)
		fmt.Println(key, values[0], string(values[1].(json.RawMessage)), err)
	}
	// Output:
	// words/one.cls 0 {"text": "one"} <nil>
	// words/two.cls 1 {"text": "two"} <nil>
}

func ExampleOpenMDS() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	if err := exampleShards(dir); err != nil {
		fmt.Println(err)
		return
	}
	specs := []source.Spec{{Field: source.Field{Name: "label", Field: fields.Int{}}}, {Field: source.Field{Name: "text", Field: fields.Bytes{}}}}
	d, err := source.OpenMDS(context.Background(), []string{dir}, specs, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer d.Close()
	for i := range d.Len() {
		values, key, err := d.Sample(context.Background(), i)
		fmt.Printf("%s %d %s %v\n", key, values[0], strings.ToUpper(string(values[1].([]byte))), err)
	}
	// Output:
	// shard.00000.mds:0 0 ONE <nil>
	// shard.00000.mds:1 1 TWO <nil>
}
