package source_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/betongo/betongo/rgb"
	"github.com/betongo/betongo/source"
)

// cifarRecords returns n records with that many labels: label i, coarse i/5, and in
// pixel p of plane c the number i+3c+p.
func cifarRecords(n, labels int) []byte {
	var b []byte
	for i := range n {
		if labels == 2 {
			b = append(b, byte(i/5))
		}
		b = append(b, byte(i))
		for c := range 3 {
			for p := range 1024 {
				b = append(b, byte(i+3*c+p))
			}
		}
	}
	return b
}

func put(t testing.TB, dir, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

func zipped(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const cifarNames = "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n"

func TestCIFAR(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "c10/data_batch_2.bin", cifarRecords(4, 1))
	one := put(t, dir, "c10/data_batch_1.bin", cifarRecords(10, 1))
	put(t, dir, "c10/test_batch.bin", cifarRecords(3, 1))
	put(t, dir, "c10/batches.meta.txt", []byte(cifarNames))
	train := put(t, dir, "c100/train.bin", cifarRecords(100, 2))
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, name := range []string{"batches.meta.txt", "data_batch_2.bin", "data_batch_1.bin", "test_batch.bin"} {
		data, err := os.ReadFile(filepath.Join(dir, "c10", name))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.WriteHeader(&tar.Header{Name: "cifar-10-batches-bin/" + name, Size: int64(len(data)), Mode: 0o644, Typeflag: tar.TypeReg, Format: tar.FormatUSTAR}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	packed := put(t, dir, "cifar-10-binary.tar.gz", zipped(t, b.Bytes()))
	plain := put(t, dir, "cifar-10-binary.tar", b.Bytes())
	for _, tt := range []struct {
		name, split string
		len         int
		keys        string // of the first and the last
		classes     int
		values      int
	}{
		{one, "", 10, "data_batch_1.bin:0 data_batch_1.bin:9", 10, 2},
		{filepath.Join(dir, "c10"), "", 14, "data_batch_1.bin:0 data_batch_2.bin:3", 10, 2},
		{filepath.Join(dir, "c10"), "test", 3, "test_batch.bin:0 test_batch.bin:2", 10, 2},
		{packed, "train", 14, "data_batch_1.bin:0 data_batch_2.bin:3", 10, 2},
		{plain, "test", 3, "test_batch.bin:0 test_batch.bin:2", 10, 2},
		{train, "", 100, "train.bin:0 train.bin:99", 0, 3},
	} {
		c, err := source.OpenCIFAR(t.Context(), []string{tt.name}, &source.CIFAROptions{Split: tt.split})
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		_, first, _ := c.Sample(t.Context(), 0)
		values, last, err := c.Sample(t.Context(), c.Len()-1)
		if err != nil || c.Len() != tt.len || first+" "+last != tt.keys || len(c.Classes()) != tt.classes || len(values) != tt.values || len(c.Fields()) != tt.values {
			t.Errorf("%s %s: %d samples, %d classes, keys %s and %s, %d values, %v; want %+v", tt.name, tt.split, c.Len(), len(c.Classes()), first, last, len(values), err, tt)
			continue
		}
		label := values[1].(int64)
		img := values[0].(rgb.Image)
		for _, p := range []int{0, 1, 1023} {
			for ch := range 3 {
				if got, want := img.Pix[3*p+ch], byte(int(label)+3*ch+p); got != want {
					t.Errorf("%s: pixel %d channel %d is %d, want %d", tt.name, p, ch, got, want)
				}
			}
		}
		if tt.values == 3 && (label != 99 || values[2] != int64(19)) {
			t.Errorf("labels %v", values[1:])
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if _, _, err := c.Sample(t.Context(), 0); err == nil {
			t.Errorf("%s: a sample after Close", tt.name)
		}
	}
}

func TestCIFARRefuses(t *testing.T) {
	dir := t.TempDir()
	good := cifarRecords(3, 1)
	bad := bytes.Clone(good)
	bad[2*3073] = 10
	for _, tt := range []struct {
		name string
		data []byte
		opts *source.CIFAROptions
		want string
	}{
		{"empty.bin", nil, nil, "no records"},
		{"cut.bin", good[:len(good)-1], nil, "no records"},
		{"label.bin", bad, nil, "no records"},
		{"data_batch_1", []byte("\x80\x02}q\x01"), nil, "pickle"},
		{"few.bin", good, &source.CIFAROptions{Classes: []string{"a", "b"}}, "2 class names"},
		{"split.bin", good, &source.CIFAROptions{Split: "val"}, "expected train or test"},
		{"cut.tar.gz", zipped(t, good)[:100], nil, "unpack"},
	} {
		path := put(t, dir, tt.name, tt.data)
		if c, err := source.OpenCIFAR(t.Context(), []string{path}, tt.opts); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, %v; want an error with %q", tt.name, c, err, tt.want)
		}
	}
	// A label of a later record is that sample's error; classes that clash name both.
	many := cifarRecords(10, 1)
	many = append(append(many, many...), many...)
	many[20*3073] = 77
	c, err := source.OpenCIFAR(t.Context(), []string{put(t, dir, "many.bin", many)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, _, err := c.Sample(t.Context(), 20); err == nil || !strings.Contains(err.Error(), "record 20 at byte 61460: label 77") {
		t.Errorf("record 20: %v", err)
	}
	put(t, dir, "named/batches.meta.txt", []byte(cifarNames))
	named := put(t, dir, "named/data_batch_1.bin", good)
	names := strings.Fields(strings.Replace(cifarNames, "cat", "tiger", 1))
	if _, err := source.OpenCIFAR(t.Context(), []string{named}, &source.CIFAROptions{Classes: names}); err == nil || !strings.Contains(err.Error(), `class 3 is "cat" in `) || !strings.Contains(err.Error(), `"tiger"`) {
		t.Errorf("classes that clash: %v", err)
	}
}

// TestCIFARTruncated opens every beginning of a small archive.
func TestCIFARTruncated(t *testing.T) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	data := cifarRecords(2, 1)
	if err := w.WriteHeader(&tar.Header{Name: "x/data_batch_1.bin", Size: int64(len(data)), Mode: 0o644, Format: tar.FormatUSTAR}); err != nil {
		t.Fatal(err)
	}
	w.Write(data)
	w.Close()
	dir := t.TempDir()
	for n := 0; n < 512+len(data); n += 97 {
		path := put(t, dir, fmt.Sprintf("%d.tar", n), b.Bytes()[:n])
		if c, err := source.OpenCIFAR(t.Context(), []string{path}, nil); err == nil {
			t.Errorf("%d of %d bytes open, with %d samples", n, b.Len(), c.Len())
			c.Close()
		}
	}
}

func FuzzCIFAR(f *testing.F) {
	f.Add(cifarRecords(2, 1))
	f.Add(cifarRecords(1, 2))
	f.Add(zipped(f, cifarRecords(1, 1)))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := source.OpenCIFAR(t.Context(), []string{put(t, dir, fmt.Sprintf("%d/data_batch_1.bin", os.Getpid()), data)}, nil)
		if err != nil {
			return
		}
		defer c.Close()
		for i := range min(c.Len(), 4) {
			if v, _, err := c.Sample(t.Context(), i); err == nil && len(v[0].(rgb.Image).Pix) != 3072 {
				t.Errorf("sample %d: %v", i, v)
			}
		}
	})
}
