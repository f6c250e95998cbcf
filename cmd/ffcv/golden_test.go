package main

import (
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"strings"
	"testing"

	golden "github.com/betongo/betongo/testdata/ffcv"
)

// printed returns the object that dump prints for a value.
func printed(t *testing.T, f *golden.Field, i int, pixels bool) string {
	t.Helper()
	switch f.Kind {
	case "int":
		return fmt.Sprintf(`{"type":"int","value":%d}`, f.Values[i])
	case "float":
		return string(appendFloat(nil, math.Float64frombits(uint64(f.Bits[i]))))
	case "bytes":
		return fmt.Sprintf(`{"type":"bytes","size":%d,"sha256":"%s"}`, f.Size[i], f.SHA256[i])
	case "json":
		return `{"type":"json","value":` + f.Text[i] + `}`
	case "ndarray":
		shape := strings.ReplaceAll(fmt.Sprint(f.Shape), " ", ",")
		return fmt.Sprintf(`{"type":"ndarray","dtype":"%s","shape":%s,"sha256":"%s"}`, f.DType, shape, f.SHA256[i])
	case "rgb":
		name := []string{"jpg", "raw"}[f.Mode[i]]
		more := ""
		if pixels && name == "raw" { // FFCV's JPEG decoder is not quite libjpeg's default
			more = fmt.Sprintf(`,"pixels_sha256":"%s"`, f.PixelsSHA256[i])
		}
		return fmt.Sprintf(`{"type":"rgb","mode":"%s","width":%d,"height":%d,"size":%d,"sha256":"%s"%s}`,
			name, f.Width[i], f.Height[i], f.DataSize[i], f.DataSHA256[i], more)
	case "custom":
		return fmt.Sprintf(`{"type":"custom","type_id":255,"hex":"%x"}`, f.Custom(i))
	}
	t.Fatalf("kind %q", f.Kind)
	return ""
}

var jpgPixels = regexp.MustCompile(`("mode":"jpg",[^}]*),"pixels_sha256":"[0-9a-f]{64}"`)

func TestGoldens(t *testing.T) {
	for _, m := range golden.Each() {
		t.Run(m.Name, func(t *testing.T) {
			t.Parallel()
			path, err := unpack(t.TempDir(), m.Name)
			if err != nil {
				t.Fatal(err)
			}
			var custom []string
			pixels := false
			for name, dtype := range m.Custom() {
				custom = append(custom, "--custom", name+"="+dtype)
			}
			for _, f := range m.Fields {
				pixels = pixels || f.Kind == "rgb"
			}
			checkInfo(t, m, path, custom)
			if m.Name == "ndarray_zero_dim" {
				return // the descriptor lost the trailing 0, so the value can't be read
			}
			checkDump(t, m, append([]string{"dump", path, "--json"}, custom...), false)
			if pixels {
				checkDump(t, m, append([]string{"dump", "--json", "--pixels", path}, custom...), true)
			}
			if code, out, errs := call(t, append([]string{"verify", path}, custom...)...); code != 0 || strings.Count(out, "\n") != 1 {
				t.Errorf("verify: exit %d\n%s%s", code, out, errs)
			}
		})
	}
}

func checkDump(t *testing.T, m *golden.File, args []string, pixels bool) {
	t.Helper()
	code, out, errs := call(t, args...)
	if code != 0 || errs != "" {
		t.Fatalf("%q: exit %d\n%s", args, code, errs)
	}
	lines := strings.SplitAfter(out, "\n")
	if len(lines) != int(m.Header.NumSamples)+1 {
		t.Fatalf("%d lines, want %d", len(lines)-1, m.Header.NumSamples)
	}
	for i, got := range lines[:len(lines)-1] {
		var want []string
		for _, f := range m.Fields {
			name, err := json.Marshal(f.Name)
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, string(name)+":"+printed(t, &f, i, pixels))
		}
		if pixels {
			got = jpgPixels.ReplaceAllString(got, "$1")
		}
		if want := fmt.Sprintf("{\"sample\":%d,\"fields\":{%s}}\n", i, strings.Join(want, ",")); got != want {
			t.Fatalf("sample %d:\ngot  %swant %s", i, got, want)
		}
	}
}

func checkInfo(t *testing.T, m *golden.File, path string, custom []string) {
	t.Helper()
	code, out, errs := call(t, append([]string{"info", "--json", path}, custom...)...)
	var got info
	if err := json.Unmarshal([]byte(out), &got); code != 0 || err != nil {
		t.Fatalf("info: exit %d, %v\n%s", code, err, errs)
	}
	h := m.Header
	end := m.MetadataStart + int64(m.SampleItemsize)*int64(h.NumSamples)
	page := int64(h.PageSize)
	pages := max(0, int64(h.AllocTablePtr)/page-(end+page-1)/page)
	if got.Version != int(h.Version) || got.NumFields != int(h.NumFields) || got.PageSize != page || got.NumSamples != int(h.NumSamples) ||
		got.AllocTable != h.AllocTablePtr || got.AllocEntries != m.AllocCount || got.Pages != pages ||
		got.SampleSize == nil || *got.SampleSize != m.SampleItemsize || len(got.Classes)+len(got.Sections) != 0 {
		t.Errorf("info: %s\nwant %+v, %d entries, %d pages, rows of %d", out, h, m.AllocCount, pages, m.SampleItemsize)
	}
	for i, f := range m.Fields {
		g := got.Fields[i]
		if string(g.Name) != f.Name || g.TypeID != f.TypeID || g.Args != f.ArgsHex || g.Offset == nil || *g.Offset != m.SampleLayout[i].Offset ||
			g.Size == nil || *g.Size != m.SampleLayout[i].Itemsize {
			t.Errorf("info: field %d: %+v, want %+v, layout %+v", i, g, f.Name, m.SampleLayout[i])
		}
	}
	if len(custom) == 0 {
		return
	}
	// Without --custom the layout is unknown; the pages are found all the same.
	code, out, errs = call(t, "info", "--json", path)
	if err := json.Unmarshal([]byte(out), &got); code != 0 || err != nil || got.SampleSize != nil || got.Pages != pages {
		t.Errorf("info without --custom: exit %d, %v: %s%swant %d pages", code, err, out, errs, pages)
	}
}
