package build

import (
	"errors"
	"fmt"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/source"
)

// Recipe says what a dataset is made from, and how: one source, how photographs
// are stored, and how the file is written. It is data alone, and the same recipe
// over the same source gives the same bytes wherever it is followed. Zero values
// are the defaults.
type Recipe struct {
	// The source, one of the three.
	Folder *Folder `json:"folder,omitempty"`
	Table  *Table  `json:"table,omitempty"`
	Arrays *Arrays `json:"arrays,omitempty"`

	Image  Image  `json:"image"`
	Writer Writer `json:"writer"`
}

// Folder is a folder of class folders with photographs, on the local disk or in
// an object store (source.Folder).
type Folder struct {
	Dir      string   `json:"dir"`
	Classes  []string `json:"classes,omitempty"` // by label; nil is the folder's own
	Masks    string   `json:"masks,omitempty"`   // folder of masks, "" none
	MaskBits int      `json:"mask_bits,omitempty"`
}

// Table is a file of records, on the local disk or in an object store
// (source.Table).
type Table struct {
	File         string   `json:"file"`
	Fields       []string `json:"fields"` // as source.ParseSpec reads them
	AllowOutside bool     `json:"allow_outside,omitempty"`
}

// Arrays are .npy files, on the local disk or in an object store
// (source.Arrays).
type Arrays struct {
	Files  []string `json:"files,omitempty"`  // FILE, or NAME=FILE
	Fields []string `json:"fields,omitempty"` // as source.ParseSpec reads them
}

// Image says how photographs are stored (fields.RGBImage).
type Image struct {
	Mode                string  `json:"mode,omitempty"` // "" is jpg
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
	sources := 0
	for _, there := range []bool{r.Folder != nil, r.Table != nil, r.Arrays != nil} {
		if there {
			sources++
		}
	}
	if sources != 1 {
		return fmt.Errorf("recipe of %d sources; want one folder, table or arrays", sources)
	}
	if n := r.Writer.PageSize; n != 0 {
		if err := ffcv.CheckPageSize(n); err != nil {
			return &OptionError{"page-size", err}
		}
	}
	if _, err := r.Image.Field(nil); err != nil {
		return err
	}
	if r.Folder != nil {
		return r.Folder.check(&r.Image)
	}
	if r.Table != nil {
		_, err := r.tableSpecs(nil)
		return err
	}
	_, err := r.arraySpecs(nil)
	return err
}

func (f *Folder) check(image *Image) error {
	if f.Masks != "" && image.Orient {
		return optionError("masks", "masks are not turned, so images can't be either (--orient)")
	}
	if f.MaskBits != 0 && f.MaskBits != 8 && f.MaskBits != 16 {
		return optionError("mask-bits", "%d; expected 8 or 16", f.MaskBits)
	}
	return nil
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

// mask returns the field that stores the masks.
func (r *Recipe) mask() fields.Image {
	m := fields.Image{Channels: 1, DType: array.Uint8, MaxResolution: r.Image.MaxResolution, MaxPixels: r.Image.MaxPixels}
	if r.Folder.MaskBits == 16 {
		m.DType = array.Uint16
	}
	return m
}

// tableSpecs returns the fields of a table.
func (r *Recipe) tableSpecs(stats *fields.ImageStats) ([]source.Spec, error) {
	specs, err := r.specs(r.Table.Fields, stats)
	if err != nil {
		return nil, err
	}
	return specs, checkNames(specs)
}

// arraySpecs returns the fields of arrays: one for each file, of the type that is
// said in Fields or chosen by what the file holds.
func (r *Recipe) arraySpecs(stats *fields.ImageStats) ([]source.Spec, error) {
	var specs []source.Spec
	at := map[string]int{}
	for _, arg := range r.Arrays.Files {
		name, file := cutArray(arg)
		at[name] = len(specs)
		specs = append(specs, source.Spec{Field: source.Field{Name: name}, File: file})
	}
	typed, err := r.specs(r.Arrays.Fields, stats)
	if err != nil {
		return nil, err
	}
	for _, s := range typed {
		i, ok := at[s.Name]
		switch {
		case !ok:
			specs = append(specs, s)
		case s.File != "":
			return nil, fmt.Errorf("field %q has two files: %s and %s", s.Name, specs[i].File, s.File)
		default:
			s.File = specs[i].File
			specs[i] = s
		}
	}
	if len(specs) == 0 {
		return nil, errors.New("expected at least one .npy file")
	}
	return specs, checkNames(specs)
}

func (r *Recipe) specs(texts []string, stats *fields.ImageStats) ([]source.Spec, error) {
	image, err := r.Image.Field(stats)
	if err != nil {
		return nil, err
	}
	var specs []source.Spec
	for _, text := range texts {
		s, err := source.ParseSpec(text, image)
		if err != nil {
			return nil, &OptionError{"field", err}
		}
		specs = append(specs, s)
	}
	return specs, nil
}

// checkNames finds field names that no file can have.
func checkNames(specs []source.Spec) error {
	var names []string
	for _, s := range specs {
		names = append(names, s.Name)
	}
	return ffcv.CheckNames(names)
}
