package main

import (
	"slices"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/term"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/rgb"
	"github.com/betongo/betongo/transform"
)

// ImageNet's mean and standard deviation, in units of pixel values.
var (
	imageMean = [3]float64{0.485 * 255, 0.456 * 255, 0.406 * 255}
	imageStd  = [3]float64{0.229 * 255, 0.224 * 255, 0.225 * 255}
)

// cropSide is the side of the images that the crop pipelines give.
const cropSide = 224

// shape is how outputs are made: how crops are resized, and how values that
// differ in length lie in a batch.
type shape struct {
	filter rgb.Filter
	exact  bool
	ragged bool
}

// pipeline returns the outputs of a pipeline: the first image field through
// it, every other field as stored.
func pipeline(f loader.Dataset, name string, r shape) ([]loader.Output, error) {
	list := f.Fields()
	var outputs []loader.Output
	at := -1 // the image among the outputs
	for i, d := range list {
		if slices.ContainsFunc(list[:i], func(e ffcv.Field) bool { return e.Name == d.Name }) {
			continue // a loader tells fields apart by name, this one comes by its default pipeline
		}
		if at < 0 && d.Type == fields.TypeRGBImage {
			at = len(outputs)
		}
		id, _ := d.Plain()
		var decoder any = loader.Raw{}
		if id != d.Type {
			decoder = nil // what is compressed is unpacked: its metadata alone would be no measure
		}
		varies := id == fields.TypeBytes || id == fields.TypeJSON || d.Type == fields.TypeRGBImage && (name == "raw" || at != len(outputs))
		outputs = append(outputs, loader.Output{Name: d.Name, Decoder: decoder, Ragged: r.ragged && varies})
	}
	if name == "raw" {
		return outputs, nil
	}
	if at < 0 {
		return nil, term.WithHint(errNoImage, "--pipeline raw loads any file")
	}
	image := &outputs[at]
	random := transform.RandomResizedCrop{Width: cropSide, Height: cropSide, Filter: r.filter, Exact: r.exact}
	switch name {
	case "simple":
		image.Decoder = transform.Simple{}
	case "cc224":
		image.Decoder = transform.CenterCrop{Width: cropSide, Height: cropSide, Filter: r.filter, Exact: r.exact}
	case "rrc224":
		image.Decoder = random
		image.Ops = []any{transform.HorizontalFlip{}}
	case "rrc224f32":
		image.Decoder = random
		image.Ops = []any{transform.HorizontalFlip{}, transform.Normalize{Mean: imageMean, Std: imageStd}, transform.ToCHW{}}
	case "cifar", "cifarf32":
		image.Decoder = transform.Simple{}
		image.Ops = []any{transform.HorizontalFlip{}, transform.Translate{Padding: 2}, transform.Cutout{Size: 4, Fill: []uint8{127, 127, 127}}}
		if name == "cifarf32" {
			image.Ops = append(image.Ops, transform.Normalize{Mean: imageMean, Std: imageStd})
		}
	}
	return outputs, nil
}
