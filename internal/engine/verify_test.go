//go:build linux || darwin

package engine_test

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
)

// checkSampleError looks whether an error names the damaged value.
func checkSampleError(t *testing.T, err error, path string, sample int, offset int64) {
	t.Helper()
	f, ok := err.(failure)
	if !ok || f.kind() != "sample" || f.object["file"] != path || f.object["field"] != "image" || f.object["sample"] != float64(sample) || f.object["offset"] != float64(offset) {
		t.Fatalf("%v", err)
	}
	for _, want := range []string{path, fmt.Sprintf("sample %d", sample), `field "image"`, fmt.Sprintf("at byte %d", offset), "checksum"} {
		if !strings.Contains(f.Error(), want) {
			t.Errorf("%q doesn't say %q", f.Error(), want)
		}
	}
}

// taken looks at nothing of a batch.
func taken(int, *view) error { return nil }

// TestVerifyingLoader: a picture that was damaged and still decodes is noticed,
// and treated as the client wants.
func TestVerifyingLoader(t *testing.T) {
	path, offset := ffcvtest.FlipPicture(t, write(t, 20), 11, "image")
	request := func(more object) object {
		return with(object{"paths": []string{path}, "batch_size": 4, "verify": "first_read", "outputs": append(disabledOps()[:5], cropOp)}, more)
	}
	s := serve(t)
	if _, err := s.connect().loader(request(object{"verify": ""}), nil).epoch(nil, nil, taken); err != nil {
		t.Fatalf("unverified: %v", err)
	}
	_, err := s.connect().loader(request(nil), nil).epoch(nil, nil, taken)
	checkSampleError(t, err, path, 11, offset)
	_, err = s.connect().loader(request(object{"outputs": disabledOps(), "verify_fields": []string{"image"}}), nil).epoch(nil, nil, taken)
	checkSampleError(t, err, path, 11, offset)
	for _, policy := range []object{{"policy": "skip"}, {"policy": "substitute", "sample": 0}, {"policy": "substitute"}} {
		end, err := s.connect().loader(request(object{"on_error": policy}), nil).epoch(nil, nil, taken)
		if err != nil || end["report"].(object)["failed"] != 1. {
			t.Errorf("%v: %v, %v", policy, end["report"], err)
		}
	}
	plain := ffcvtest.Write(t, []ffcv.FieldSpec{{Name: "n", Field: fields.Int{}}}, 3, func(i int) []any { return []any{i} }, &ffcv.Options{Plain: true})
	f := s.connect().fails("unsupported", object{"do": "loader", "paths": []string{plain}, "verify": "first_read"}, nil)
	if !strings.Contains(f.Error(), plain) || !strings.Contains(f.Error(), "no checksums") {
		t.Error(f)
	}
}

// TestVerify asks about values.
func TestVerify(t *testing.T) {
	path, offset := ffcvtest.FlipPicture(t, write(t, 20), 11, "image")
	ids := func(list ...uint64) (b []byte) {
		for _, i := range list {
			b = binary.LittleEndian.AppendUint64(b, i)
		}
		return b
	}
	c := serve(t).connect()
	about := func(more object) object {
		return with(object{"do": "verify", "path": path, "fields": []string{"image"}}, more)
	}
	c.ask(about(object{"from": 0, "to": 0}), nil)
	c.ask(about(object{"from": 0, "to": 11}), nil)
	c.ask(about(object{"ids": 2}), ids(19, 0))
	c.ask(about(object{"from": 0, "to": 20, "fields": []string{"label", "json", "vector"}}), nil)
	c.ask(about(object{"from": 0, "to": 20, "fields": []string{}}), nil)
	checkSampleError(t, c.fails("sample", about(object{"from": 3, "to": 20}), nil), path, 11, offset)
	checkSampleError(t, c.fails("sample", about(object{"ids": 2}), ids(2, 11)), path, 11, offset)
	for _, wrong := range []object{{"from": 1, "to": 0}, {"from": -1, "to": 3}, {"to": 21}, {"fields": []string{"imge"}}, {"too": 1}} {
		c.fails("option", about(wrong), nil)
	}
	c.fails("option", about(object{"ids": 1}), ids(20))
	c.fails("option", about(object{"ids": 1}), ids(1<<63))
	c.fails("notfound", about(object{"path": path + "x"}), nil)
	several := about(object{"path": strings.TrimSuffix(path, "damaged.beton") + "*.beton", "to": 20})
	c.ask(with(several, object{"to": 11}), nil)
	checkSampleError(t, c.fails("sample", with(several, object{"from": 3}), nil), path, 11, offset)
	c.fails("protocol", about(object{"ids": 2}), ids(1))
	c.closed()
}
