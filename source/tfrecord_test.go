package source_test

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/record/tfrecord"
	"github.com/betongo/betongo/source"
)

func TestTFRecord(t *testing.T) {
	var truth []struct {
		SHA256, Key string
		Label       int64
	}
	b, err := os.ReadFile(records + "tfrecord/truth.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &truth); err != nil {
		t.Fatal(err)
	}
	for _, names := range [][]string{
		{records + "tfrecord/plain.tfrecord"}, {records + "tfrecord/gzip.tfrecord", records + "tfrecord/zlib.tfrecord"},
		{records + "tfrecord/{plain,gzip}.tfrecord"}, {"mem:///plain.tfrecord"}, {"mem:///[gz]*ip.tfrecord"}, {"mem:///zlib.tfrecord"},
	} {
		r, err := source.OpenTFRecord(t.Context(), names, nil, &source.TFRecordOptions{Store: shelf{records + "tfrecord"}})
		if err != nil {
			t.Fatal(err)
		}
		var types []string
		for _, f := range r.Fields() {
			types = append(types, fmt.Sprintf("%s %T", f.Name, f.Field))
		}
		want := "image fields.RGBImage,label fields.Int,boxes fields.JSON,count fields.Int,synset fields.Bytes,mass fields.Float,raw fields.Bytes,vector fields.NDArray,words fields.JSON"
		if got := strings.Join(types, ","); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if n := r.Len(); n != len(truth) && n != 2*len(truth) {
			t.Fatalf("%d samples", n)
		}
		for i := r.Len() - 1; i >= 0; i-- {
			values, key, err := r.Sample(t.Context(), i)
			if err != nil {
				t.Fatal(err)
			}
			w := truth[i%len(truth)]
			if got := fmt.Sprintf("%x", sha256.Sum256(values[0].([]byte))); got != w.SHA256 || values[1] != w.Label || key != w.Key {
				t.Errorf("%v: sample %d, %q: %v", names, i, key, values[1:])
			}
		}
		if size, err := r.SampleSize(t.Context(), 0); err != nil || size < 900 {
			t.Errorf("%v: %d bytes", err, size)
		}
		if a, err := r.Traits(t.Context()); err != nil || len(a) != 11 {
			t.Errorf("%v: %v", err, a)
		}
		if a, err := r.Identity(t.Context()); err != nil || len(a) != 10 {
			t.Errorf("%v: %v", err, a)
		}
		if err := errors.Join(r.Close(), r.Close()); err != nil {
			t.Error(err)
		}
		if _, _, err := r.Sample(t.Context(), 0); !errors.Is(err, os.ErrClosed) {
			t.Errorf("got %v", err)
		}
	}
}

// TestTFRecordSpecs takes features as they are asked for.
func TestTFRecordSpecs(t *testing.T) {
	r, err := source.OpenTFRecord(t.Context(), []string{records + "tfrecord/plain.tfrecord"}, specs(t,
		"img=rgb:column=image/encoded", "y=float:column=count", "v=ndarray:column=vector,dtype=<f8,shape=2x2", "t=torch:column=vector",
		"raw=ndarray:dtype=<i2,shape=3", "n=ndarray:column=count,dtype=|i1,shape=1", "f=bytes:column=image/filename,lz4=true", "w=json:column=words"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	values, _, err := r.Sample(t.Context(), 5)
	if err != nil {
		t.Fatal(err)
	}
	for k, want := range map[int]string{1: "-5", 3: "<f4 (4,) [0 0 160 64 0 0 128 63 0 0 0 64 0 0 64 64]", 4: "<i2 (3,) [5 0 2 0 3 0]", 5: "|i1 (1,) [251]", 7: `["", "ü"]`} {
		got := valueText(values[k])
		if got != want {
			t.Errorf("value %d: got %s, want %s", k, got, want)
		}
	}
	if a, err := array.Values[float64](values[2].(array.Array)); err != nil || fmt.Sprint(a) != "[5 1 2 3]" {
		t.Errorf("%v: got %v", err, a)
	}
	seq, err := source.OpenTFRecord(t.Context(), []string{records + "tfrecord/sequence.tfrecord"}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer seq.Close()
	values, _, err = seq.Sample(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	for k, want := range map[int]string{1: "2", 2: `[["a", "b"], ["a", "b"]]`, 3: "[[], [0], [0, 1]]"} {
		got := valueText(values[k])
		if got != want {
			t.Errorf("value %d: got %s, want %s", k, got, want)
		}
	}
}

// TestTFRecordBroken: errors name the file, the record and its place.
func TestTFRecordBroken(t *testing.T) {
	dir := t.TempDir()
	b, err := os.ReadFile(records + "tfrecord/mixed.tfrecord")
	if err != nil {
		t.Fatal(err)
	}
	mixed := put(t, dir, "mixed.tfrecord", b)
	flipped := append([]byte(nil), b...)
	flipped[len(b)-100] ^= 1
	sum := put(t, dir, "sum.tfrecord", flipped)
	r, err := source.OpenTFRecord(t.Context(), []string{mixed}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for i, want := range map[int]string{16: "", 17: `feature "vector", field "vector": a list of 2 values, the field holds arrays <f4 (4,)`, 18: `feature "mass", field "mass": the record does not have it`, 19: "a list of bytes, expected of ints"} {
		_, _, err := r.Sample(t.Context(), i)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), fmt.Sprintf("mixed.tfrecord: record %d at byte ", i))) {
			t.Errorf("record %d: got %v, want %s", i, err, want)
		}
	}
	r, err = source.OpenTFRecord(t.Context(), []string{sum}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, _, err := r.Sample(t.Context(), 19); err == nil || !strings.Contains(err.Error(), "sum.tfrecord: record 19 at byte") || !strings.Contains(err.Error(), "checksum") {
		t.Errorf("got %v", err)
	}
	more := append([]byte(nil), b...)
	other := put(t, dir, "more.tfrecord", tfrecord.Append(more, []byte("\x0a\x0c\x0a\x0a\x0a\x03new\x12\x03\x1a\x01\x08")))
	noText := put(t, dir, "none.tfrecord", tfrecord.Append(nil, []byte("text")))
	big, err := os.ReadFile(records + "tfrecord/gzip.tfrecord")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, spec string
		classes    []string
		want       string
	}{
		{put(t, dir, "cut.tfrecord", b[:len(b)-5]), "", nil, "cut.tfrecord: record 19 at byte "},
		{put(t, dir, "cut.tfrecord.gz", big[:len(big)-50]), "", nil, "cut.tfrecord.gz: "},
		{put(t, dir, "text.tfrecord", []byte("some text that is long enough")), "", nil, "text.tfrecord: record 0 at byte 0: its length has the checksum"},
		{put(t, dir, "empty.tfrecord", nil), "", nil, "no records"},
		{noText, "", nil, "none.tfrecord: record 0 at byte 0: no tf.train.Example"},
		{mixed, "x=ndarray", nil, `no feature "x"`},
		{mixed, "words=ndarray", nil, "no dtype"},
		{mixed, "", []string{"a", "a"}, "named twice"},
		{mixed, "mass=float", []string{"a", "b"}, "no field of whole numbers"},
		{filepath.Join(dir, "none.*"), "", nil, "none"},
	} {
		var list []source.Spec
		if test.spec != "" {
			list = specs(t, test.spec)
		}
		r, err := source.OpenTFRecord(t.Context(), []string{test.name}, list, &source.TFRecordOptions{Classes: test.classes})
		if r != nil || err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s %s: got %v, want %s", test.name, test.spec, err, test.want)
		}
	}
	r, err = source.OpenTFRecord(t.Context(), []string{other}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, _, err := r.Sample(t.Context(), 20); err == nil || !strings.Contains(err.Error(), `mixed fields: it has the feature "new"`) {
		t.Errorf("got %v", err)
	}
}

// TestTFRecordLabels: labels are numbers of classes, or their names.
func TestTFRecordLabels(t *testing.T) {
	r, err := source.OpenTFRecord(t.Context(), []string{records + "tfrecord/plain.tfrecord"}, specs(t, "label=int:column=image/class/synset"), &source.TFRecordOptions{Classes: []string{"n00001", "n00000"}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if v, _, err := r.Sample(t.Context(), 0); err != nil || v[0] != int64(1) {
		t.Errorf("%v: got %v", err, v)
	}
	if _, _, err := r.Sample(t.Context(), 2); err == nil || !strings.Contains(err.Error(), "n00002") {
		t.Errorf("got %v", err)
	}
}

func valueText(v any) string {
	switch v := v.(type) {
	case json.RawMessage:
		return string(v)
	case array.Array:
		return fmt.Sprint(v.Spec, v.Data)
	}
	return fmt.Sprint(v)
}

// Files with other labels in records of the same sizes are another source.
func TestTFRecordChanged(t *testing.T) {
	name := filepath.Join(t.TempDir(), "x.tfrecord")
	var seen []string
	for label := range byte(3) {
		// Features{"y": Int64List{label}}
		example := []byte{0x0a, 0x0c, 0x0a, 0x0a, 0x0a, 1, 'y', 0x12, 5, 0x1a, 3, 0x0a, 1, label}
		if err := os.WriteFile(name, tfrecord.Append(tfrecord.Append(nil, example), example), 0o666); err != nil {
			t.Fatal(err)
		}
		r, err := source.OpenTFRecord(t.Context(), []string{name}, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if v, _, err := r.Sample(t.Context(), 1); err != nil || v[0] != int64(label) {
			t.Fatalf("got %v, %v; want %d", v, err, label)
		}
		traits, err := r.Traits(t.Context())
		if text := fmt.Sprint(traits); err != nil || slices.Contains(seen, text) {
			t.Errorf("label %d: %v, %s as of another", label, err, text)
		} else {
			seen = append(seen, text)
		}
	}
}
