package source_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/source"
)

// TestDeepJSON: records that nest without end are errors of their line,
// whatever column is asked for, and take no stack and no memory beside the line.
func TestDeepJSON(t *testing.T) {
	const n = 1 << 20
	lines := []string{
		strings.Repeat("[", n),
		strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n),
		`{"a": 1, "b": ` + strings.Repeat("[", n) + strings.Repeat("]", n) + "}",
		`{"b": ` + strings.Repeat(`[{"a":`, n/2),
	}
	path := write(t, "deep.jsonl", strings.Join(lines, "\n")+"\n"+`{"a": 1, "b": []}`+"\n")
	for _, f := range []fields.Field{fields.JSON{}, fields.Int{}, fields.Bytes{}, fields.NDArray{DType: array.Int64, Shape: []int{2}}} {
		specs := []source.Spec{{Field: source.Field{Name: "a", Field: f}}}
		if _, text := f.(fields.Bytes); text {
			specs[0].Inline = source.InlineYes
		}
		tab, err := source.OpenTable(t.Context(), path, specs, nil)
		must(t, err)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for i, line := range lines {
			_, _, err := tab.Sample(t.Context(), i)
			if err == nil || !strings.Contains(err.Error(), "nested deeper") || !strings.Contains(err.Error(), "deep.jsonl") {
				t.Errorf("%T, %.20s: %v", f, line, err)
			}
		}
		runtime.ReadMemStats(&after)
		if got, most := after.TotalAlloc-before.TotalAlloc, uint64(100<<20); got > most {
			t.Errorf("%T: %d bytes allocated for four lines, want at most %d", f, got, most)
		}
		must(t, tab.Close())
	}
}
