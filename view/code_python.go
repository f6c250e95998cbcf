package view

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/rgb"
	"github.com/betongo/betongo/transform"
)

// pythonCode is the program in Python, with the names of FFCV's interface. notes
// tell of settings that the Python package hasn't: they are left out.
func (s *Server) pythonCode(p *pipeline, field int, seed uint64) (text string, notes []string) {
	name := s.fields[field].Name
	w := &pythonWriter{from: map[string][]string{"betongo.loader": {"Loader", "OrderOption"}}, rgb: s.fields[field].Type == fields.TypeRGBImage}
	w.step(p.decoder, true)
	for i, o := range p.ops {
		if last := i == len(p.ops)-1; last && is[transform.ToCHW](o) {
			w.use("betongo.transforms", "ToTensor")
			w.list = append(w.list, "ToTensor()")
			w.call("betongo.transforms", "ToTorchImage", "channels_last=False")
			break
		}
		w.step(o, false)
	}
	if n := len(w.list); n == 0 || !strings.HasPrefix(w.list[n-1], "ToTorchImage") {
		w.call("betongo.transforms", "ToTensor")
	}
	paths := s.paths()
	file := pyString(paths[0])
	if len(paths) > 1 {
		notes = append(notes, fmt.Sprintf("Python's Loader takes one name: a pattern, or the index of the %d files", len(paths)))
	}
	var b strings.Builder
	w.head(&b)
	fmt.Fprintf(&b, "loader = Loader(\n    %s,\n    batch_size=256,\n    order=OrderOption.RANDOM,\n    seed=%d,\n    drop_last=False,\n    pipelines={\n        %s: [\n", file, seed, pyString(name))
	for _, line := range w.list {
		fmt.Fprintf(&b, "            %s,\n", line)
	}
	b.WriteString("        ],\n")
	for _, other := range s.others(field) {
		fmt.Fprintf(&b, "        %s: None,\n", pyString(other))
	}
	b.WriteString("    },\n    as_dict=True,\n)\n\n")
	fmt.Fprintf(&b, "for batch in loader:\n    images = batch[%s]\n    print(images.dtype, tuple(images.shape))\n", pyString(name))
	return b.String(), append(notes, w.notes...)
}

// pythonWriter writes the steps.
type pythonWriter struct {
	from  map[string][]string // module -> names
	numpy bool
	rgb   bool // of JPEGs and pixels, not of rasters
	list  []string
	notes []string
}

func (w *pythonWriter) head(b *strings.Builder) {
	if w.numpy {
		b.WriteString("import numpy as np\n\n")
	}
	for _, module := range []string{"betongo.fields.decoders", "betongo.loader", "betongo.transforms"} {
		if names := w.from[module]; len(names) > 0 {
			slices.Sort(names)
			fmt.Fprintf(b, "from %s import %s\n", module, strings.Join(names, ", "))
		}
	}
	b.WriteString("\n")
}

func (w *pythonWriter) use(module, name string) {
	if !slices.Contains(w.from[module], name) {
		w.from[module] = append(w.from[module], name)
	}
}

// call adds a step.
func (w *pythonWriter) call(module, name string, args ...string) {
	w.use(module, name)
	w.list = append(w.list, name+"("+strings.Join(args, ", ")+")")
}

const (
	decoders   = "betongo.fields.decoders"
	transforms = "betongo.transforms"
)

// lacks notes what Python hasn't.
func (w *pythonWriter) lacks(v any, what string) {
	w.notes = append(w.notes, fmt.Sprintf("Python: %s: %s", reflect.TypeOf(v).Name(), what))
}

// step adds the decoder, nil for the field's own, or an operation.
func (w *pythonWriter) step(v any, decoder bool) {
	if decoder {
		w.decoder(v)
		return
	}
	switch o := v.(type) {
	case transform.RandomResizedCrop:
		w.cropOp(o)
	case transform.Resize:
		w.call(transforms, "Resize", w.finish(pySides(o.Height, o.Width), o.Filter, o.Exact, false)...)
	case transform.RandomCrop:
		w.call(transforms, "RandomCrop", pySides(o.Height, o.Width), pyNum(o.Padding), pyColour(o.Fill), pyTruth(o.PadIfNeeded))
	case transform.HorizontalFlip:
		w.call(transforms, "RandomHorizontalFlip", pyNum(orUsual(o.P, 0.5)))
	case transform.VerticalFlip:
		w.call(transforms, "RandomVerticalFlip", pyNum(orUsual(o.P, 0.5)))
	case transform.Cutout:
		if o.P == 0 {
			w.call(transforms, "Cutout", pyNum(o.Size), pyColour(o.Fill))
		} else {
			w.call(transforms, "RandomCutout", pyNum(o.P), pyNum(o.Size), pyColour(o.Fill))
		}
	case transform.GaussianBlur:
		sigma := o.Sigma
		if sigma == [2]float64{} {
			sigma = [2]float64{0.1, 2}
		}
		w.call(transforms, "GaussianBlur", pyNum(o.Size), pyTuple(sigma[:]), pyNum(orUsual(o.P, 1)))
	case transform.RandomErasing:
		w.erasing(o)
	case transform.Translate:
		w.call(transforms, "RandomTranslate", pyNum(o.Padding), pyColour(o.Fill))
	case transform.ToCHW:
		w.call(transforms, "ToCHW")
	case transform.ImageMixup:
		w.call(transforms, "ImageMixup", pyNum(orUsual(o.Alpha, 1)), pyTruth(o.SameLambda))
	case transform.ImageCutMix:
		w.call(transforms, "ImageCutMix", pyNum(orUsual(o.Alpha, 1)), pyTruth(o.SameLambda))
	default:
		w.colour(v)
	}
}

// colour adds an operation on values alone.
func (w *pythonWriter) colour(v any) {
	switch o := v.(type) {
	case transform.Brightness:
		w.call(transforms, "RandomBrightness", pyNum(o.Magnitude), pyNum(orUsual(o.P, 0.5)))
	case transform.Contrast:
		w.call(transforms, "RandomContrast", pyNum(o.Magnitude), pyNum(orUsual(o.P, 0.5)))
	case transform.Saturation:
		w.call(transforms, "RandomSaturation", pyNum(o.Magnitude), pyNum(orUsual(o.P, 0.5)))
	case transform.Hue:
		w.call(transforms, "RandomHue", pyNum(o.Magnitude), pyNum(orUsual(o.P, 0.5)))
	case transform.Grayscale:
		w.call(transforms, "RandomGrayscale", pyNum(orUsual(o.P, 0.1)))
	case transform.ColorJitter:
		w.call(transforms, "RandomColorJitter", pyNum(o.Brightness), pyNum(o.Contrast), pyNum(o.Saturation), pyNum(o.Hue), pyNum(orUsual(o.P, 1)))
	case transform.Solarize:
		threshold := o.Threshold
		if threshold == 0 {
			threshold = 128
		}
		w.call(transforms, "Solarization", pyNum(orUsual(o.P, 0.5)), pyNum(threshold))
	case transform.Normalize:
		w.normalize(o)
	case transform.Convert:
		if o.DType == transform.BFloat16 {
			w.lacks(v, "NumPy has no bfloat16; put Convert(torch.bfloat16) behind ToTensor")
			return
		}
		w.numpy = true
		w.call(transforms, "Convert", "np.dtype("+pyString(o.DType.String())+")")
	default:
		w.lacks(v, "it is left out here: write it by hand")
	}
}

// decoder adds the first step.
func (w *pythonWriter) decoder(v any) {
	switch d := v.(type) {
	case nil:
		w.whole()
	case transform.Simple:
		if d.OnDamage != nil {
			w.lacks(v, "damaged pictures are errors: SimpleRGBImageDecoder has no keep_damaged")
		}
		w.whole()
	case transform.RandomResizedCrop:
		d = withRanges(d)
		w.call(decoders, "RandomResizedCropRGBImageDecoder", w.finish(pySides(d.Height, d.Width)+", scale="+pyTuple(d.Scale[:])+", ratio="+pyTuple(d.Ratio[:]), d.Filter, d.Exact, d.OnDamage != nil)...)
	case transform.CenterCrop:
		w.call(decoders, "CenterCropRGBImageDecoder", w.finish(pySides(d.Height, d.Width)+", ratio="+pyNum(orUsual(d.Ratio, 224./256)), d.Filter, d.Exact, d.OnDamage != nil)...)
	case transform.Resize:
		w.call(decoders, "ResizeRGBImageDecoder", w.finish(pySides(d.Height, d.Width), d.Filter, d.Exact, d.OnDamage != nil)...)
	case transform.ResizeCenterCrop:
		w.call(decoders, "ResizeCenterCropRGBImageDecoder", w.finish(pySides(d.Height, d.Width)+", "+pyNum(d.Size), d.Filter, d.Exact, d.OnDamage != nil)...)
	case transform.RandomCrop:
		first := strings.Join([]string{pySides(d.Height, d.Width), pyNum(d.Padding), pyColour(d.Fill), pyTruth(d.PadIfNeeded)}, ", ")
		w.call(decoders, "RandomCropRGBImageDecoder", w.finish(first, rgb.Area, d.Exact, d.OnDamage != nil)...)
	}
}

// whole adds the decoder of whole pictures.
func (w *pythonWriter) whole() {
	name := "ImageDecoder"
	if w.rgb {
		name = "SimpleRGBImageDecoder"
	}
	w.call(decoders, name)
}

// finish adds to arguments those that are not their default.
func (w *pythonWriter) finish(first string, filter rgb.Filter, exact, keep bool) []string {
	list := []string{first}
	if exact {
		list = append(list, "exact=True")
	}
	if filter == rgb.Bilinear {
		list = append(list, `filter="bilinear"`)
	}
	if keep {
		list = append(list, "keep_damaged=True")
	}
	return list
}

// withRanges is a crop with what its zeros stand for.
func withRanges(d transform.RandomResizedCrop) transform.RandomResizedCrop {
	if d.Scale == [2]float64{} {
		d.Scale = [2]float64{0.08, 1}
	}
	if d.Ratio == [2]float64{} {
		d.Ratio = [2]float64{3. / 4, 4. / 3}
	}
	return d
}

func (w *pythonWriter) cropOp(o transform.RandomResizedCrop) {
	o = withRanges(o)
	if o.Width != o.Height {
		w.lacks(o, "FFCV's operation gives squares alone; as the decoder it takes any size")
		return
	}
	w.call(transforms, "RandomResizedCrop", w.finish(pyTuple(o.Scale[:])+", "+pyTuple(o.Ratio[:])+", "+pyNum(o.Width), o.Filter, o.Exact, false)...)
}

func (w *pythonWriter) erasing(o transform.RandomErasing) {
	area, aspect, noise := o.Area, o.Aspect, [3]float64{}
	if area == [2]float64{} {
		area = [2]float64{0.02, 0.3}
	}
	if aspect == [2]float64{} {
		aspect = [2]float64{0.3, 1 / 0.3}
	}
	if d := aspect[0]*aspect[1] - 1; d > 1e-6 || d < -1e-6 {
		w.lacks(o, "the largest shape is one by the smallest there")
	}
	copy(noise[:], o.Noise)
	w.call(transforms, "RandomErasing", pyNum(orUsual(o.P, 0.5)), "min_area="+pyNum(area[0]), "max_area="+pyNum(area[1]), "min_aspect="+pyNum(aspect[0]),
		"max_count="+pyNum(max(o.Count, 1)), "fill_mean="+pyColour(o.Fill), "fill_std="+pyTuple(noise[:]))
}

func (w *pythonWriter) normalize(o transform.Normalize) {
	kind := ""
	switch o.DType {
	case array.DType{}, array.Float32:
		kind = "np.dtype(np.float32)"
	case array.Float16:
		kind = "np.dtype(np.float16)"
	default:
		w.lacks(o, "NumPy has no bfloat16; float32 stands here")
		kind = "np.dtype(np.float32)"
	}
	w.numpy = true
	w.call(transforms, "NormalizeImage", "np.array("+pyList(o.Mean[:])+")", "np.array("+pyList(o.Std[:])+")", kind)
}

// or is a number, or what 0 stands for.
func orUsual(v, usual float64) float64 {
	if v == 0 {
		return usual
	}
	return v
}

// num is a number in Python.
func pyNum[T int | float64](v T) string { return strconv.FormatFloat(float64(v), 'g', -1, 64) }

func pyTruth(v bool) string {
	if v {
		return "True"
	}
	return "False"
}

func pySides(height, width int) string { return "(" + pyNum(height) + ", " + pyNum(width) + ")" }

func pyNumbers[T uint8 | float64](list []T) string {
	var words []string
	for _, v := range list {
		words = append(words, pyNum(float64(v)))
	}
	return strings.Join(words, ", ")
}

func pyTuple(list []float64) string { return "(" + pyNumbers(list) + ")" }
func pyList(list []float64) string  { return "[" + pyNumbers(list) + "]" }

// tuple3 is a colour, nil being black.
func pyColour(fill []uint8) string {
	if fill == nil {
		fill = []uint8{0, 0, 0}
	}
	if len(fill) == 1 {
		return "(" + pyNumbers(fill) + ",)"
	}
	return "(" + pyNumbers(fill) + ")"
}

// pyString is a string in Python: JSON's, whose escapes are Python's too.
func pyString(s string) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if enc.Encode(s) != nil {
		return `""`
	}
	return strings.TrimSpace(b.String())
}
