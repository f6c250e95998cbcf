package view

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"math"
	"net/http"
	"slices"
	"sync"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/transform"
)

// played is what a pipeline has made of a sample.
type played struct {
	pipeline *pipeline
	data     []byte // of shape and dtype
	shape    []int
	dtype    string
	fused    string
	drawn    drawn
}

// drawn is what a playground's picture came of, for X-Drawn.
type drawn struct {
	Sample int                `json:"sample"`
	Seed   uint64             `json:"seed,string"`
	Stored *loader.StoredSize `json:"stored,omitempty"`
	Crop   *loader.Box        `json:"crop,omitempty"`
	Flip   *bool              `json:"flip,omitempty"`
	Steps  []drawnStep        `json:"steps"`
	Batch  []int              `json:"batch,omitempty"` // the samples that were mixed
	Shape  []int              `json:"shape"`
	DType  string             `json:"dtype"`
	Mapped string             `json:"mapped,omitempty"` // how pixels were made of numbers that are none
	Cut    bool               `json:"cut,omitempty"`    // there is more than a header can tell
}

// drawnStep is what a step drew.
type drawnStep struct {
	Op    string         `json:"op"`
	Drawn map[string]any `json:"drawn,omitempty"`
}

// mostDrawn is how many bytes X-Drawn has at most.
const mostDrawn = 4 << 10

// header is X-Drawn's text, of ASCII alone.
func (d drawn) header() string {
	b, err := json.Marshal(d)
	if err != nil || len(b) > mostDrawn || slices.ContainsFunc(b, func(c byte) bool { return c < ' ' || c > '~' }) {
		d.Steps, d.Batch, d.Cut = []drawnStep{}, nil, true
		b, _ = json.Marshal(d)
	}
	return string(b)
}

// play makes a sample's row as a loader of that seed has it in its epoch 0: with
// operations on batches, one of batchShown samples in the file's order.
func (s *Server) play(ctx context.Context, p *pipeline, field, sample int, seed uint64) (*played, error) {
	l, err := s.player(p, field, seed)
	if err != nil {
		return nil, p.blame(err, func(p *pipeline) error {
			l, err := s.player(p, field, seed)
			if err == nil {
				err = l.Close()
			}
			return err
		})
	}
	defer l.Close()
	made := &played{pipeline: p, drawn: drawn{Sample: sample, Seed: seed, Steps: []drawnStep{}}}
	if err := made.bound(l, s.fields[field].Name); err != nil {
		return nil, err
	}
	r, err := l.Replay(sample, 0)
	if err != nil {
		return nil, p.blame(err, func(p *pipeline) error {
			l, err := s.player(p, field, seed)
			if err != nil {
				return err
			}
			defer l.Close()
			_, err = l.Replay(sample, 0)
			return err
		})
	}
	made.replayed(&r.Outputs[slices.IndexFunc(r.Outputs, func(o loader.ReplayedOutput) bool { return o.Output == s.fields[field].Name })])
	if p.mixes() {
		if err := made.mixed(ctx, l, s.fields[field].Name, sample, s.ds.Len()); err != nil {
			return nil, errorf(http.StatusUnprocessableEntity, "a batch of samples %d to %d: %w", made.drawn.Batch[0], made.drawn.Batch[len(made.drawn.Batch)-1], err)
		}
	}
	return made, nil
}

// bound takes over type and shape of what a loader makes, if it is not too large.
func (d *played) bound(l *loader.Loader, name string) error {
	for _, o := range l.Explain() {
		if o.Output != name {
			continue
		}
		d.shape, d.dtype, d.fused = o.Shape, o.DType, o.String()
		n, most := 1, 4*mostShown
		if d.pipeline.mixes() { // there will be several
			most /= 4
		}
		for _, side := range d.shape {
			if n *= max(side, 1); n > most {
				return errorf(http.StatusUnprocessableEntity, "the pipeline gives %s %v: more than the playground shows", d.dtype, d.shape)
			}
		}
	}
	d.drawn.Shape, d.drawn.DType = d.shape, d.dtype
	return nil
}

// replayed takes over a row, and what was drawn for it.
func (d *played) replayed(o *loader.ReplayedOutput) {
	d.data = o.Value.Data
	d.drawn.Stored, d.drawn.Crop, d.drawn.Flip = o.Stored, o.Crop, o.Flip
	if d.pipeline.decoder != nil {
		d.drawn.Steps = append(d.drawn.Steps, drawnStep{plainName(o.Decoder), finite(o.Drawn)})
	}
	for _, step := range o.Ops {
		d.drawn.Steps = append(d.drawn.Steps, drawnStep{plainName(step.Op), finite(step.Drawn)})
	}
}

// finite is what was drawn as JSON can say it.
func finite(drawn map[string]any) map[string]any {
	for k, v := range drawn {
		if f, ok := v.(float64); ok && (math.IsNaN(f) || math.IsInf(f, 0)) {
			drawn[k] = fmt.Sprint(f)
		}
	}
	return drawn
}

// mixed replaces the row by that of a batch: replaying ends where samples mix.
func (d *played) mixed(ctx context.Context, l *loader.Loader, name string, sample, n int) error {
	first := sample - sample%batchShown
	for i := first; i < min(first+batchShown, n); i++ {
		d.drawn.Batch = append(d.drawn.Batch, i)
	}
	b, err := l.Get(ctx, 0, d.drawn.Batch)
	if err != nil {
		return err
	}
	defer b.Release()
	c := b.Output(name)
	d.data = slices.Clone(c.Value(sample - first))
	return nil
}

// encoder makes PNGs quickly rather than small: they go to the same machine.
var encoder = png.Encoder{CompressionLevel: png.BestSpeed, BufferPool: &pngBuffers{}}

// pngBuffers keeps the encoder's memory from one picture to the next.
type pngBuffers struct{ pool sync.Pool }

func (b *pngBuffers) Get() *png.EncoderBuffer {
	e, _ := b.pool.Get().(*png.EncoderBuffer)
	return e
}

func (b *pngBuffers) Put(e *png.EncoderBuffer) { b.pool.Put(e) }

// png encodes the row, with what was drawn in front (see joinDrawn).
func (d *played) png() (picture, error) {
	pix, err := d.pixels()
	if err != nil {
		return picture{}, err
	}
	var b bytes.Buffer
	if err := encoder.Encode(&b, pix); err != nil {
		return picture{}, fmt.Errorf("write the picture: %w", err)
	}
	return picture{"image/png", joinDrawn(d.drawn.header(), b.Bytes())}, nil
}

// pixels makes a picture of the row for the eye: channels last, 0 to 255, what
// Normalize did undone.
func (d *played) pixels() (image.Image, error) {
	t, err := array.ParseDType(d.dtype)
	if err != nil {
		return nil, err
	}
	if t == transform.BFloat16 {
		t = array.BFloat16
	}
	planes := len(d.shape) == 3 && d.shape[0] <= 4 && d.shape[2] > 4
	var v eye
	if len(d.shape) == 3 {
		v.height, v.width, v.channels = d.shape[0], d.shape[1], d.shape[2]
		v.pixel, v.channel = v.channels, 1
	}
	if planes {
		v.channels, v.height, v.width = d.shape[0], d.shape[1], d.shape[2]
		v.pixel, v.channel = 1, v.height*v.width
	}
	if v.channels < 1 || v.channels > 4 || v.height < 1 || v.width < 1 || len(d.data) != v.height*v.width*v.channels*t.ItemSize() {
		return nil, errorf(http.StatusUnprocessableEntity, "the pipeline gives %s %v, which is no picture", d.dtype, d.shape)
	}
	if d.drawn.Mapped, err = v.scale(d, t, planes); err != nil {
		return nil, err
	}
	return v.image(), nil
}

// eye makes pixels of an array's numbers.
type eye struct {
	bytes                   []byte    // as they are, or
	floats                  []float32 // the numbers
	height, width, channels int
	pixel, channel          int // how many numbers one lies behind the one before
	mul, add                [4]float32
}

// scale takes over the numbers, sets how they become 0 to 255, and says what was
// done.
func (v *eye) scale(d *played, t array.DType, planes bool) (mapped string, err error) {
	v.mul = [4]float32{1, 1, 1, 1}
	undo := slices.IndexFunc(d.pipeline.ops, is[transform.Normalize])
	switch {
	case t == array.Uint8 && undo < 0:
		v.bytes = d.data
	default:
		a, err := array.New(array.Spec{DType: t, Shape: d.shape}, d.data)
		if err == nil {
			a, err = array.Cast(a, array.Float32)
		}
		if err != nil {
			return "", errorf(http.StatusUnprocessableEntity, "the pipeline gives %s %v, which is no picture: %w", d.dtype, d.shape, err)
		}
		v.floats = make([]float32, len(a.Data)/4)
		for i := range v.floats {
			v.floats[i] = math.Float32frombits(binary.LittleEndian.Uint32(a.Data[4*i:]))
		}
		mapped = "numbers are held to 0 to 255"
	}
	switch {
	case undo >= 0:
		n := d.pipeline.ops[undo].(transform.Normalize)
		for c := range n.Mean {
			v.mul[c], v.add[c] = float32(n.Std[c]), float32(n.Mean[c])
		}
		mapped = "what Normalize did is undone"
	case t == array.Uint16 && !slices.ContainsFunc(d.pipeline.ops, is[transform.Convert]): // a raster's
		v.mul = [4]float32{1. / 257, 1. / 257, 1. / 257, 1. / 257}
		mapped = "65535 is shown as 255"
	}
	if planes && mapped != "" {
		mapped += "; "
	}
	if planes {
		mapped += "channels are last again"
	}
	return mapped, nil
}

// is says whether an operation is of that type.
func is[T any](v any) bool {
	_, ok := v.(T)
	return ok
}

// at is a number of pixel i as a level.
func (v *eye) at(i, c int) byte {
	k := i*v.pixel + c*v.channel
	if v.bytes != nil {
		return v.bytes[k]
	}
	f := v.floats[k]*v.mul[c] + v.add[c]
	if !(f > 0) { // NaN is black too
		return 0
	}
	return byte(min(f+0.5, 255))
}

// image is the picture.
func (v *eye) image() image.Image {
	img := image.NewNRGBA(image.Rect(0, 0, v.width, v.height))
	for i := range v.width * v.height {
		p := img.Pix[4*i : 4*i+4 : 4*i+4]
		p[0], p[3] = v.at(i, 0), 255
		p[1], p[2] = p[0], p[0]
		if v.channels >= 3 {
			p[1], p[2] = v.at(i, 1), v.at(i, 2)
		}
		if v.channels == 4 {
			p[3] = v.at(i, 3)
		}
	}
	return img
}
