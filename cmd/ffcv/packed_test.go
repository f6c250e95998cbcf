package main

import (
	"bytes"
	"context"
	"encoding/json"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
)

// TestPacked: values of LZ4 fields are dumped as those of the plain ones, info
// says what the fields are, and a splice copies them as they are stored.
func TestPacked(t *testing.T) {
	write := func(of func(fields.Field) fields.Field) string {
		return ffcvtest.Write(t, []ffcv.FieldSpec{
			{Name: "b", Field: of(fields.Bytes{})}, {Name: "j", Field: of(fields.JSON{})},
			{Name: "a", Field: of(fields.NDArray{DType: array.Int32, Shape: []int{50}})},
		}, 5, func(i int) []any {
			return []any{bytes.Repeat([]byte("ab"), 100*i), json.RawMessage(`"` + strings.Repeat("x", 100*i) + `"`), make([]int32, 50)}
		}, nil)
	}
	packed := write(func(f fields.Field) fields.Field { return fields.LZ4{Of: f} })
	plain := write(func(f fields.Field) fields.Field { return f })
	call := func(args ...string) string {
		t.Helper()
		var out, errs bytes.Buffer
		if code := run(context.Background(), args, &out, &errs); code != 0 {
			t.Fatalf("ffcv %v: %d, %s", args, code, errs.String())
		}
		return out.String()
	}
	subset := filepath.Join(t.TempDir(), "subset.beton")
	call("subset", packed, "-o", subset, "--range", "1:4")
	for _, flag := range []string{"--json", "--pixels"} {
		if got, want := call("dump", packed, flag), call("dump", plain, flag); got != want {
			t.Errorf("dump %s:\n%s\nwant:\n%s", flag, got, want)
		}
	}
	number := regexp.MustCompile(`"sample":\d+`)
	if got, want := call("dump", subset, "--json"), call("dump", plain, "--json", "--range", "1:4"); number.ReplaceAllString(got, "") != number.ReplaceAllString(want, "") {
		t.Errorf("dump of a subset:\n%s\nwant, but for the numbers:\n%s", got, want)
	}
	for _, want := range []string{`{"field": "lz4", "type": 3, "version": 1}`, `{"dtype": "<i4", "field": "lz4", "shape": [50], "shuffle": 4, "type": 4, "version": 1}`} {
		if got := call("info", packed); !strings.Contains(got, want) {
			t.Errorf("info: %s\nwant %s", got, want)
		}
	}
	for _, ragged := range []string{"--ragged", "--ragged=false"} {
		if got := call("bench", packed, "--epochs", "1", "--explain", ragged); !strings.Contains(got, "unpack") {
			t.Errorf("bench %s: %s\nwant values unpacked", ragged, got)
		}
	}
	call("verify", packed)
	call("verify", subset)
}
