package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/betongo/betongo/internal/term"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/rgb"
)

type replayCommand struct {
	filesFlags
	Sample   int    `required:"" placeholder:"N" help:"The sample's number, in the file or in the files as one."`
	Epoch    int    `default:"0" placeholder:"N" help:"The epoch, from 0."`
	Seed     uint64 `default:"0" placeholder:"S" help:"Seed of all that is random. It is the loader's."`
	Pipeline string `default:"rrc224" enum:"raw,simple,cc224,rrc224,rrc224f32,cifar,cifarf32" placeholder:"NAME" group:"Pipeline" help:"What happens to the first image field. rrc224 (the default) or another of bench's."`
	resizeFlags
	Output string `short:"o" aliases:"out" complete:"dir" placeholder:"DIR" help:"What to write: a path. A folder that gets the pictures as PNG, such as image-sample7-epoch0.png."`
}

// replayResult is what the verb prints; it is a contract with other programs.
type replayResult struct {
	File     string `json:"file"` // of several, which and how many
	Pipeline string `json:"pipeline"`
	*loader.Replayed
	Pictures map[string]string `json:"pictures,omitempty"` // by output, with --output
}

// Run is kong's hook.
func (c *replayCommand) Run(e *env) error {
	f, err := c.openWhole(e)
	if err != nil {
		return err
	}
	defer f.Close()
	if c.Sample < 0 || c.Sample >= f.Len() || c.Epoch < 0 {
		return term.Usagef("sample %d of epoch %d: %s has %d samples; epochs count from 0", c.Sample, c.Epoch, f.Name(), f.Len())
	}
	outputs, err := pipeline(f, c.Pipeline, shape{filter: filters[c.Filter], exact: c.Exact})
	if err != nil {
		return err
	}
	l, err := loader.New(f, &loader.Options{BatchSize: 1, Workers: 1, Seed: c.Seed, Outputs: outputs})
	if err != nil {
		return suggestVerifyIts(err)
	}
	defer l.Close()
	r := replayResult{File: f.Name(), Pipeline: c.Pipeline}
	if r.Replayed, err = l.Replay(c.Sample, c.Epoch); err != nil {
		return suggestVerifyIts(err)
	}
	if c.Output != "" {
		if r.Pictures, err = c.write(r.Outputs); err != nil {
			return err
		}
	}
	enc := json.NewEncoder(e.stdout)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

// write writes the outputs that are pictures.
func (c *replayCommand) write(outputs []loader.ReplayedOutput) (map[string]string, error) {
	if err := os.MkdirAll(c.Output, 0o777); err != nil {
		return nil, err
	}
	files := make(map[string]string)
	for i := range outputs {
		o := &outputs[i]
		img, err := picture(o)
		if err != nil {
			return nil, fmt.Errorf("output %q: %w", o.Output, err)
		}
		if img == nil {
			continue
		}
		name := filepath.Join(c.Output, fmt.Sprintf("%s-sample%d-epoch%d.png", fileName(o.Output), c.Sample, c.Epoch))
		w, err := os.Create(name)
		if err != nil {
			return nil, err
		}
		err = png.Encode(w, img)
		if e := w.Close(); err == nil {
			err = e
		}
		if err != nil {
			return nil, fmt.Errorf("write %s: %w", name, err)
		}
		files[o.Output] = filepath.ToSlash(name)
	}
	return files, nil
}

// fileName is an output's name as part of a file's.
func fileName(output string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("-_.", r) || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, output)
}

// picture is an output's row as a picture, nil when it is none: pixels, a
// picture as stored, or what Normalize has made of one.
func picture(o *loader.ReplayedOutput) (image.Image, error) {
	data, shape := o.Value.Data, o.Shape
	switch {
	case o.Stored != nil && len(shape) == 1:
		img := rgb.Image{Width: o.Stored.Width, Height: o.Stored.Height, Pix: data}
		if len(data) != 3*img.Width*img.Height || rgb.Sniff(data) == rgb.JPEG {
			if err := rgb.Decode(&img, data); err != nil {
				return nil, err
			}
		}
		data, shape = img.Pix, []int{img.Height, img.Width, 3}
	case o.DType == "<f4" && len(shape) == 3:
		data, shape = pixels(data, shape)
	case o.DType != "|u1":
		return nil, nil
	}
	if len(shape) != 3 || shape[2] != 1 && shape[2] != 3 && shape[2] != 4 {
		return nil, nil
	}
	img := image.NewNRGBA(image.Rect(0, 0, shape[1], shape[0]))
	for i := range shape[0] * shape[1] {
		p := data[i*shape[2] : (i+1)*shape[2]]
		c := color.NRGBA{p[0], p[0], p[0], 255}
		if len(p) >= 3 {
			c.G, c.B = p[1], p[2]
		}
		if len(p) == 4 {
			c.A = p[3]
		}
		img.SetNRGBA(i%shape[1], i/shape[1], c)
	}
	return img, nil
}

// pixels undoes the pipelines' Normalize, and their ToCHW.
func pixels(data []byte, shape []int) ([]byte, []int) {
	h, w, first := shape[0], shape[1], shape[0] == 3
	if first {
		h, w = shape[1], shape[2]
	}
	pix := make([]byte, 3*h*w)
	for i := range len(pix) {
		at := i
		if first {
			at = i%3*h*w + i/3
		}
		v := float64(math.Float32frombits(binary.LittleEndian.Uint32(data[4*at:])))
		pix[i] = byte(min(max(math.Round(v*imageStd[i%3]+imageMean[i%3]), 0), 255))
	}
	return pix, []int{h, w, 3}
}
