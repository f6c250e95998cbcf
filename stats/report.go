package stats

import (
	"encoding/json"
	"math"
)

// Report is what a dataset holds. As JSON it is a contract with other programs.
type Report struct {
	Name    string `json:"name"`
	Samples int    `json:"samples"` // of the dataset
	// Surveyed is how many of them were looked at. It is less than Samples only
	// where Options.Samples asks for some: then all that follows is of these.
	Surveyed int     `json:"surveyed"`
	Fields   []Field `json:"fields"`
	Pages    *Pages  `json:"pages,omitempty"` // nil where the dataset doesn't tell
	RowBytes int     `json:"row_bytes"`       // of metadata, a sample

	Broken     int      `json:"broken"`      // values that can't be read or decoded
	BrokenList []Broken `json:"broken_list"` // the first of them, by sample
}

// Field is what one field holds.
type Field struct {
	Name   string `json:"name"`
	Kind   string `json:"kind"` // in a few words
	Values int    `json:"values"`
	Broken int    `json:"broken"` // values that are not in any number below
	// Bytes is what the values take in the data pages, Stored how that is
	// distributed; nil for fields that keep none there.
	Bytes  int64    `json:"bytes"`
	Stored *Summary `json:"stored,omitempty"`

	Image      *Image      `json:"image,omitempty"`
	Numbers    *Summary    `json:"numbers,omitempty"` // of ints and floats
	Labels     *Labels     `json:"labels,omitempty"`  // of ints
	Array      *Array      `json:"array,omitempty"`
	Duplicates *Duplicates `json:"duplicates,omitempty"`
	Near       *Near       `json:"near,omitempty"`
}

// Image is what the pictures or rasters of a field are.
type Image struct {
	JPEG int `json:"jpg"` // stored as JPEG
	Raw  int `json:"raw"` // stored as pixels, or as an Image field codes them
	// Gray is how many have only pixels whose red, green and blue are equal; -1
	// where pixels were not looked at, or not at full size.
	Gray   int      `json:"gray"`
	Width  *Summary `json:"width,omitempty"`
	Height *Summary `json:"height,omitempty"`
	Pixels *Summary `json:"pixels,omitempty"` // width times height
	Aspect *Summary `json:"aspect,omitempty"` // width by height
	// Looked says which pixels the channels are of: "full", "scaled" or "none".
	Looked   string    `json:"looked"`
	Channels []Channel `json:"channels,omitempty"` // red, green, blue, or the raster's
	// Levels is how many pixels have each value, of rasters of one channel of 8
	// bits: a mask's classes. Values that don't come are left out.
	Levels map[int]uint64 `json:"levels,omitempty"`
}

// Channel is the pixels of all pictures, put one after another: a large picture
// counts for more than a small one.
type Channel struct {
	Mean float64 `json:"mean"` // 0 to 255, or to 65535
	Std  float64 `json:"std"`  // of the population, as NumPy's
	// MeanUnit and StdUnit are the same as parts of the largest value.
	MeanUnit float64 `json:"mean_unit"`
	StdUnit  float64 `json:"std_unit"`
	Pixels   uint64  `json:"pixels"`
}

// Labels is how often each value of an int field comes.
type Labels struct {
	// Distinct is how many values there are. When there are more than 65,536
	// it is that number, More is set, and Classes is empty.
	Distinct int  `json:"distinct"`
	More     bool `json:"more,omitempty"`
	Named    bool `json:"named"` // the dataset's class names are this field's
	// Classes are in the order of the labels, those that have a name and no
	// sample among them.
	Classes []Class `json:"classes,omitempty"`
	// Imbalance is the largest class by the smallest that has samples.
	Imbalance float64 `json:"imbalance,omitempty"`
	Empty     int     `json:"empty"`   // classes with a name and no sample
	Unnamed   int     `json:"unnamed"` // labels without a name, where there are names
}

// Class is a value of a label field.
type Class struct {
	Label int64  `json:"label"`
	Name  string `json:"name,omitempty"`
	Count int64  `json:"count"`
}

// Array is what the elements of an array field are.
type Array struct {
	NaN      int64 `json:"nan"` // elements; they are in no other number
	PosInf   int64 `json:"inf"`
	NegInf   int64 `json:"neg_inf"`
	Affected int   `json:"affected"` // values with NaN or an infinity
	// All is of the elements of all values, without quantiles. It is nil for
	// elements that are no real numbers.
	All *Summary `json:"all,omitempty"`
	// Elements is of each element for itself, in C order, of arrays that have at
	// most 64.
	Elements []Summary `json:"elements,omitempty"`
}

// Summary is how numbers are distributed. NaN and infinities are not among
// them.
type Summary struct {
	Count     int64      `json:"count"`
	Min       Number     `json:"min"`
	Max       Number     `json:"max"`
	Mean      Number     `json:"mean"`
	Std       Number     `json:"std"` // of the population
	NaN       int64      `json:"nan,omitempty"`
	Inf       int64      `json:"inf,omitempty"` // of both signs
	Quantiles []Quantile `json:"quantiles,omitempty"`
	// Exact says that quantiles are values that came. There are more than
	// 65,536 different ones otherwise, and quantiles are right to a
	// thousandth.
	Exact bool `json:"exact"`
}

// Quantile is the smallest value that at least the part P of all is not above:
// NumPy's method "inverted_cdf".
type Quantile struct {
	P     float64 `json:"p"`
	Value Number  `json:"value"`
}

// At returns the quantile at p, and false where the summary has none there.
func (s *Summary) At(p float64) (float64, bool) {
	for _, q := range s.Quantiles {
		if q.P == p {
			return float64(q.Value), true
		}
	}
	return 0, false
}

// Number is a float64 that stands in JSON as null where JSON has no number for
// it.
type Number float64

// MarshalJSON returns the number.
func (n Number) MarshalJSON() ([]byte, error) {
	if v := float64(n); math.IsNaN(v) || math.IsInf(v, 0) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(n))
}

// Pages is how full the data pages are.
type Pages struct {
	Size  int64    `json:"size"`  // bytes a page
	Count int      `json:"count"` // pages with values
	Bytes int64    `json:"bytes"` // of values in them
	Fill  float64  `json:"fill"`  // Bytes by Count times Size
	Each  *Summary `json:"each"`  // of the pages' own fill
}

// Broken is a value that can't be read or decoded.
type Broken struct {
	File   string `json:"file"`
	Field  string `json:"field"`
	Sample int    `json:"sample"` // its number in File
	Index  int    `json:"index"`  // its number in the dataset
	Offset int64  `json:"offset"` // of the value in File, -1 unknown
	What   string `json:"what"`
}

// Duplicates are values that are the same to the last byte, as they are stored;
// those of compressed fields as they are unpacked, rasters by their numbers.
type Duplicates struct {
	Groups int     `json:"groups"` // of equal values
	Values int     `json:"values"` // in them
	Extra  int     `json:"extra"`  // Values without the first of each group
	List   []Group `json:"list"`   // the groups of the lowest samples
}

// Group is samples with the same value.
type Group struct {
	Count   int   `json:"count"`
	Samples []int `json:"samples"` // the first of them, ascending
}

// Near are pictures that look alike and are not the same bytes: encoded anew,
// made smaller or larger. See the package's comment for what that means.
type Near struct {
	Distance int    `json:"distance"` // bits in which perceptual hashes may differ
	Pairs    int    `json:"pairs"`
	Pictures int    `json:"pictures"` // in any pair
	More     bool   `json:"more"`     // the search was ended: there are too many, and which were found is chance
	List     []Pair `json:"list"`     // the pairs of the lowest samples
}

// Pair is two samples whose pictures look alike.
type Pair struct {
	A          int     `json:"a"`
	B          int     `json:"b"`
	Distance   int     `json:"distance"`   // of the hashes, in bits
	Difference float64 `json:"difference"` // of the small pictures, in levels, root mean square
}

// OverlapReport is what two datasets have in common.
type OverlapReport struct {
	A        string         `json:"a"`
	B        string         `json:"b"`
	SamplesA int            `json:"samples_a"`
	SamplesB int            `json:"samples_b"`
	Fields   []FieldOverlap `json:"fields"`
	Broken   int            `json:"broken"` // values of both that could not be compared
}

// Shared says whether anything was found in both.
func (r *OverlapReport) Shared() bool {
	for _, f := range r.Fields {
		if f.Values > 0 || f.Near != nil && f.Near.Pairs > 0 {
			return true
		}
	}
	return false
}

// FieldOverlap is what a field of one name has in both datasets.
type FieldOverlap struct {
	Name   string   `json:"name"`
	Values int      `json:"values"` // different values that are in both
	InA    int      `json:"in_a"`   // samples of A that have one of them
	InB    int      `json:"in_b"`
	List   []Common `json:"list"`           // those of the lowest samples of A
	Near   *Near    `json:"near,omitempty"` // Pair.A is of A, Pair.B of B
}

// Common is a value that is in both datasets.
type Common struct {
	A []int `json:"a"` // the first samples that have it, ascending
	B []int `json:"b"`
}
