package browser

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/testdata/photos"
)

// create writes a dataset.
func create(t *testing.T, path string, specs []ffcv.FieldSpec, n int, at func(i int) ffcv.Sample, opts *ffcv.Options) string {
	t.Helper()
	w, err := ffcv.Create(path, specs, opts)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	err = w.WriteStream(t.Context(), func(yield func(ffcv.Sample, error) bool) {
		for i := range n {
			if !yield(at(i), nil) {
				return
			}
		}
	}, &ffcv.StreamOptions{Reserve: int64(n)})
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// photographs are the paths of the real ones, by class, and the classes.
func photographs(t *testing.T) (paths, classes []string) {
	t.Helper()
	err := fs.WalkDir(photos.FS, ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".jpg") {
			paths = append(paths, path)
			if class, _, _ := strings.Cut(path, "/"); !slices.Contains(classes, class) {
				classes = append(classes, class)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths, classes
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := photos.FS.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// photoSamples is how many samples photoFile has.
const photoSamples = 120

// photoFile is a dataset of photographs with keys, classes and a field of every
// other kind.
func photoFile(t *testing.T) string {
	t.Helper()
	paths, classes := photographs(t)
	specs := []ffcv.FieldSpec{
		{Name: "image", Field: fields.RGBImage{}}, {Name: "label", Field: fields.Int{}}, {Name: "weight", Field: fields.Float{}},
		{Name: "curve", Field: fields.NDArray{DType: array.Float32, Shape: []int{200}}},
		{Name: "heat", Field: fields.NDArray{DType: array.Float32, Shape: []int{3, 24, 32}}},
		{Name: "meta", Field: fields.JSON{}}, {Name: "note", Field: fields.Bytes{}}, {Name: "sound", Field: fields.Audio{}},
	}
	curve, heat := make([]float32, 200), make([]float32, 3*24*32)
	return create(t, filepath.Join(t.TempDir(), "photographs.beton"), specs, photoSamples, func(i int) ffcv.Sample {
		path := paths[i%len(paths)]
		class, _, _ := strings.Cut(path, "/")
		for k := range curve {
			curve[k] = float32(math.Sin(float64(k*(i+1)) / 40))
		}
		for k := range heat {
			heat[k] = float32((k%32)*(k/32%24)) / 700
		}
		return ffcv.Sample{Key: fmt.Sprintf("%03d/%s", i, path), Values: []any{
			read(t, path), int64(slices.Index(classes, class)), float64(i) / 10,
			must(array.Of(slices.Clone(curve), 200)), must(array.Of(slices.Clone(heat), 3, 24, 32)),
			json.RawMessage(fmt.Sprintf(`{"camera":{"iso":%d,"lens":"50mm"},"tags":["a","b"],"big":9007199254740993}`, 100*(i%4+1))),
			[]byte(fmt.Sprintf("Note %d of %s\n", i, path)), tone(i),
		}}
	}, &ffcv.Options{PageSize: ffcv.MinPageSize, Classes: classes, LargeSamples: true})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) // of a shape that stands beside it
	}
	return v
}

// tone is a quarter of a second of sound.
func tone(i int) fields.AudioClip {
	const rate, n = 8000, 2000
	b := make([]byte, 2*n)
	for k := range n {
		binary.LittleEndian.PutUint16(b[2*k:], uint16(int16(8000*math.Sin(float64(k)*float64(200+10*i)*2*math.Pi/rate))))
	}
	return fields.AudioClip{SampleRate: rate, Channels: 1, DurationMS: 250, Encoding: fields.AudioPCM, Data: b}
}

// damagedFile is photoFile with a bit of sample 3's picture flipped, and sample 7's
// picture no picture at all.
func damagedFile(t *testing.T) string {
	t.Helper()
	path, _ := ffcvtest.FlipPicture(t, photoFile(t), 3, "image")
	f := ffcvtest.Map(t, path, nil)
	row, err := f.Metadata(7)
	if err != nil {
		t.Fatal(err)
	}
	e, err := f.Image(7, 0)
	if err != nil {
		t.Fatal(err)
	}
	at, n := int64(binary.LittleEndian.Uint64(row[f.Fields()[0].Offset+5:])), len(e.Data)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for k := range b[at:][:n] {
		b[at+int64(k)] = 0x55
	}
	broken := filepath.Join(t.TempDir(), "damaged.beton")
	if err := os.WriteFile(broken, b, 0o666); err != nil {
		t.Fatal(err)
	}
	return broken
}

// hostile are texts that must show as they are, wherever they come from. Each does
// window.hit() where it is taken for a script.
var hostile = []string{
	`<script>hit()</script>`,
	`"><img src=x onerror=hit()>`,
	`'><svg/onload=hit()>`,
	`</script><script>hit()</script>`,
	`</title></style></textarea><iframe srcdoc="<script>parent.hit()</script>">`,
	`javascript:hit()`,
	`<a href="javascript:hit()" autofocus onfocus=hit()>x</a>`,
	`{{constructor.constructor('hit()')()}} ${hit()} <%= hit() %>`,
	`<meta http-equiv=refresh content="0;url=http://elsewhere.invalid/">`,
	`<img src=http://elsewhere.invalid/x.png><link rel=stylesheet href=//elsewhere.invalid/x.css>`,
	`__proto__`,
	`constructor`,
	"bidi \u202e\u2066gpj.exe\u2069 \u200f\u200e end",
	"control \x01\x02\x07\x1b[31m\x7f\u0085\u2028\u2029 end",
	"zero\u200bwidth\ufeff and \U000e0041 tag",
	`quotes " ' ` + "`" + ` \ \" \' &quot; &#34; &lt;b&gt; %22 end`,
	`../../../../etc/passwd`,
	strings.Repeat("W", 40_000),
	strings.Repeat("ꙮ̷̖͗", 2_000),
	" ",
	"-",
}

// hostileFile is a dataset whose every name and text is hostile.
func hostileFile(t *testing.T) string {
	t.Helper()
	paths, _ := photographs(t)
	name := "<img src=x onerror=hit()> \"'& \u202egnp.beton"
	if runtime.GOOS == "windows" {
		name = "\u202ehostile & '.beton"
	}
	specs := []ffcv.FieldSpec{
		{Name: "image", Field: fields.RGBImage{}}, {Name: "label", Field: fields.Int{}},
		{Name: `<b onclick=x>`, Field: fields.JSON{}}, {Name: `"'&<i>`, Field: fields.Bytes{}},
		{Name: "__proto__", Field: fields.Float{}},
	}
	return create(t, filepath.Join(t.TempDir(), name), specs, len(hostile), func(i int) ffcv.Sample {
		h := hostile[i]
		member, err := json.Marshal(map[string]any{h: h, "list": []string{h}, "__proto__": map[string]string{"hit": h}})
		if err != nil {
			t.Fatal(err)
		}
		return ffcv.Sample{Key: keyOf(h), Values: []any{
			read(t, paths[i%len(paths)]), int64(i), json.RawMessage(member), []byte(h), math.Inf(1 - 2*(i%2)),
		}}
	}, &ffcv.Options{Classes: hostile})
}

// keyOf is as much of a text as a key may have.
func keyOf(h string) string {
	if len(h) > 3000 {
		h = h[:3000]
	}
	return strings.ToValidUTF8(h, "")
}

// millionFile has 1,000,000 samples with a small picture each.
func millionFile(t *testing.T) string {
	t.Helper()
	specs := []ffcv.FieldSpec{{Name: "image", Field: fields.RGBImage{Mode: fields.ModeRaw}}, {Name: "label", Field: fields.Int{}}}
	const side = 6
	var pictures []array.Array
	for k := range 64 {
		pix := make([]uint8, side*side*3)
		for j := range pix {
			pix[j] = uint8(j*(k+1)*5 + 40*k)
		}
		pictures = append(pictures, must(array.Of(pix, side, side, 3)))
	}
	return create(t, filepath.Join(t.TempDir(), "million.beton"), specs, 1_000_000, func(i int) ffcv.Sample {
		return ffcv.Sample{Values: []any{pictures[i%len(pictures)], int64(i * 7919 % 1000)}}
	}, nil)
}
