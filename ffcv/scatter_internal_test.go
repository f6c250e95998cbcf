package ffcv

import (
	"fmt"
	"slices"
	"testing"

	"github.com/betongo/betongo/fields"
)

// hollow is a source of a header, descriptors, and holes.
type hollow struct {
	head []byte
	size int64
	told []string
}

func (h *hollow) Name() string                       { return "hollow" }
func (h *hollow) Size() int64                        { return h.size }
func (h *hollow) Borrow(off, n int64) ([]byte, bool) { return nil, false }
func (h *hollow) WillNeed([]Range)                   { h.told = append(h.told, "ranges") }
func (h *hollow) Close() error                       { return nil }

func (h *hollow) ReadAt(p []byte, off int64) (int, error) {
	clear(p)
	if off < int64(len(h.head)) {
		copy(p, h.head[off:])
	}
	return len(p), nil
}

func (h *hollow) scatter(off, n int64, on bool) {
	h.told = append(h.told, fmt.Sprintf("%d+%d %v", off, n, on))
}

// newHollow is a file of n samples of an Int, and pages.
func newHollow(n uint64, pages int64) *hollow {
	const meta = HeaderSize + DescriptorSize
	data := (meta + int64(n)*8 + DefaultPageSize - 1) / DefaultPageSize * DefaultPageSize
	h := &hollow{head: make([]byte, meta), size: data + pages*DefaultPageSize}
	Header{Version: Version, NumFields: 1, PageSize: DefaultPageSize, NumSamples: n, AllocTable: uint64(h.size)}.Put(h.head)
	d := FieldDesc{Type: fields.TypeInt, Name: "label"}
	d.Put(h.head[HeaderSize:])
	return h
}

// TestScatter: the system is told once that rows lie here and there, once that
// they do no more, and nothing of small files.
func TestScatter(t *testing.T) {
	const many = 1 << 28 // 2 GiB of rows
	near, far := []int{5, 6, 7, 9, 8}, []int{many - 1, 3, many / 2}
	rows := func(n, meta int) string { return fmt.Sprintf("%d+%d", meta, n*8) }
	const meta = HeaderSize + DescriptorSize
	for _, test := range []struct {
		name  string
		n     uint64
		pages int64
		asked [][]int
		want  []string
	}{
		{"in order", many, 0, [][]int{near, near}, nil},
		{"here and there", many, 0, [][]int{far, far, {7}, nil}, []string{rows(many, meta) + " true"}},
		{"both in turn", many, 0, [][]int{near, far, near, far}, []string{rows(many, meta) + " true", rows(many, meta) + " false", rows(many, meta) + " true"}},
		{"small", scatterFrom/8 - 1, 0, [][]int{{0, scatterFrom/8 - 2}}, nil},
		{"large samples", many / 2, 1 << 19, [][]int{{0, many/2 - 1}}, []string{rows(many/2, meta) + " true"}},
	} {
		h := newHollow(test.n, test.pages)
		f, err := New(h, nil)
		if err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		for _, samples := range test.asked {
			f.WillNeedRows(samples, true)
		}
		// Empty ranges, of a table or pages that are not there, don't count.
		got := slices.DeleteFunc(h.told, func(s string) bool {
			return s == fmt.Sprintf("%d+0 true", h.size) || s == fmt.Sprintf("%d+0 false", h.size)
		})
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: told %v, want %v", test.name, got, test.want)
		}
	}
}
