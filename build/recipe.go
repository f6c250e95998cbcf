package build

import (
	"fmt"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/source"
)

// Recipe says what a dataset is made from, and how: one source, how photographs
// are stored, and how the file is written. It is data alone, and the same recipe
// over the same source gives the same bytes wherever it is followed. Zero values
// are the defaults.
type Recipe struct {
	// The source, one of these.
	Folder     *Folder     `json:"folder,omitempty"`
	Table      *Table      `json:"table,omitempty"`
	Arrays     *Arrays     `json:"arrays,omitempty"`
	WebDataset *WebDataset `json:"webdataset,omitempty"`
	MDS        *MDS        `json:"mds,omitempty"`
	Parquet    *Parquet    `json:"parquet,omitempty"`
	TFRecord   *TFRecord   `json:"tfrecord,omitempty"`
	HDF5       *HDF5       `json:"hdf5,omitempty"`
	CIFAR      *CIFAR      `json:"cifar,omitempty"`
	IDX        *IDX        `json:"idx,omitempty"`
	Beton      *Beton      `json:"beton,omitempty"`
	COCO       *COCO       `json:"coco,omitempty"`
	YOLO       *YOLO       `json:"yolo,omitempty"`

	Image  Image  `json:"image"`
	Writer Writer `json:"writer"`
}

// Image says how photographs are stored (fields.RGBImage).
type Image struct {
	Mode                string  `json:"mode,omitempty"` // "" is jpg; raw of CIFAR and IDX, as it is of Beton
	MaxResolution       int     `json:"max_resolution,omitempty"`
	Quality             int     `json:"quality,omitempty"`  // 0 is 90
	Reencode            string  `json:"reencode,omitempty"` // "" is auto
	Orient              bool    `json:"orient,omitempty"`
	Strip               bool    `json:"strip,omitempty"`
	SmartThreshold      int     `json:"smart_threshold,omitempty"`
	NoCheckpoints       bool    `json:"no_checkpoints,omitempty"`
	MaxPixels           int     `json:"max_pixels,omitempty"`
	CompressProbability float64 `json:"compress_probability,omitempty"` // 0 is 0.5
}

// Writer says how the file is written (ffcv.Options), as far as its bytes depend
// on that.
type Writer struct {
	PageSize     int64  `json:"page_size,omitempty"` // 0 is ffcv.DefaultPageSize
	LargeSamples bool   `json:"large_samples,omitempty"`
	Shuffle      bool   `json:"shuffle,omitempty"`
	Seed         uint64 `json:"seed,omitempty"`
	SkipErrors   bool   `json:"skip_errors,omitempty"` // samples that fail take no row
	Plain        bool   `json:"plain,omitempty"`
}

// OptionError says that an option of a recipe has a value that it can't have.
type OptionError struct {
	Option string // as commands spell it, such as "max-resolution"
	Err    error
}

func (e *OptionError) Error() string { return e.Option + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *OptionError) Unwrap() error { return e.Err }

// optionError returns an OptionError with a text.
func optionError(option, format string, args ...any) error {
	return &OptionError{option, fmt.Errorf(format, args...)}
}

// Check finds what can be seen to be wrong without a look at the source: options
// out of range are an *OptionError.
func (r *Recipe) Check() error {
	one, err := r.source()
	if err != nil {
		return err
	}
	if n := r.Writer.PageSize; n != 0 {
		if err := ffcv.CheckPageSize(n); err != nil {
			return &OptionError{"page-size", err}
		}
	}
	if _, err := r.Image.Field(nil); err != nil {
		return err
	}
	return one.kind.check(&r.Image)
}

// Field returns the field that stores the images, and counts in stats what it
// did, unless that is nil. Options out of range are an *OptionError.
func (m *Image) Field(stats *fields.ImageStats) (fields.RGBImage, error) {
	f := fields.RGBImage{
		MaxResolution:       m.MaxResolution,
		SmartThreshold:      m.SmartThreshold,
		Quality:             m.Quality,
		CompressProbability: m.CompressProbability,
		Orient:              m.Orient,
		Strip:               m.Strip,
		NoCheckpoints:       m.NoCheckpoints,
		MaxPixels:           m.MaxPixels,
		Stats:               stats,
	}
	if f.Quality == 0 {
		f.Quality = 90
	}
	if f.CompressProbability == 0 {
		f.CompressProbability = 0.5
	}
	if m.Mode != "" {
		if err := source.ParseMode(&f.Mode, m.Mode); err != nil {
			return f, &OptionError{"mode=" + m.Mode, err}
		}
	}
	if m.Reencode != "" {
		if err := source.ParseReencode(&f.Reencode, m.Reencode); err != nil {
			return f, &OptionError{"reencode=" + m.Reencode, err}
		}
	}
	switch {
	case f.Quality < 1 || f.Quality > 100:
		return f, optionError("quality", "%d; expected 1 to 100", m.Quality)
	case m.MaxResolution < 0:
		return f, optionError("max-resolution", "%d; expected a number of pixels", m.MaxResolution)
	case m.MaxPixels < 0:
		return f, optionError("max-pixels", "%d; expected a number of pixels", m.MaxPixels)
	case m.SmartThreshold < 0:
		return f, optionError("smart-threshold", "%d; expected a number of bytes", m.SmartThreshold)
	case !(f.CompressProbability > 0 && f.CompressProbability <= 1):
		return f, optionError("compress-probability", "%v; expected a number above 0 up to 1 (for 0 there is --mode=raw)", m.CompressProbability)
	}
	return f, nil
}

// checkNames finds field names that no file can have.
func checkNames(specs []source.Spec) error {
	var names []string
	for _, s := range specs {
		names = append(names, s.Name)
	}
	return ffcv.CheckNames(names)
}
