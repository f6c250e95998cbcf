package peer

import (
	"slices"
	"strings"
)

// The works, by the names that results have. Build makes a system's dataset of the photographs; the others
// load or read it.
const (
	Build   = "build"
	Random  = "epoch-rrc224-u8"
	Float   = "epoch-rrc224-f32"
	Center  = "epoch-cc224-u8"
	Raw     = "epoch-raw"
	Rows    = "epoch-rows"
	Access  = "random-access"
	Decoded = "random-access-decoded"
)

// Works are all works, in the order in which a round does them.
var Works = []string{Build, Random, Float, Center, Raw, Rows, Access, Decoded}

// System is one way to load photographs or rows.
type System struct {
	Name string

	env    string   // of Python; "" is this module's own program
	script string   // in this folder
	mode   string   // of the script or the program
	store  string   // what it reads photographs from, in the data folder; "": the files themselves
	raw    string   // what it reads raw pixels from
	rows   string   // what it reads rows from; "": the arrays themselves
	write  []string // ffcvwrite's arguments where that makes the store
	few    bool     // slow with rows: it gets a tenth of them
	works  []work
}

// work is one that a system does, and what it does there that another may not.
type work struct{ name, note string }

// What is decoded how. A ratio is between equals only where these are.
const (
	pil       = "Pillow: decoded whole, bilinear with antialias; u8 HWC"
	pilRows   = "random order; batches of arrays"
	fast      = "decodes what the crop needs, from checkpoints, at a reduced size where it shrinks that much; area filter (antialiased); "
	kept      = "; photographs as they are"
	shrunk    = "; JPEGs encoded again, at most 500 px, quality 90"
	record    = "stored JPEG and label, as copies"
	decoded   = "decoded whole by Pillow"
	rowsNote  = "random order"
	rawNote   = "raw pixels, at most 256 px; area filter (antialiased); u8 HWC"
	copied    = "JPEGs as they are"
	recoded   = "decoded, at most 500 px, encoded with quality 90"
	fast8     = fast + "u8 HWC"
	fastFloat = fast + "f32 CHW, normalised"
)

// Systems are all systems, this module's first.
var Systems = []System{
	{Name: "betongo", store: "kept.beton", raw: "raw.beton", rows: "rows.beton", write: []string{}, works: []work{
		{Build, copied + ", with checkpoints and checksums"}, {Random, fast8 + kept}, {Float, fastFloat + kept}, {Center, fast8 + kept},
		{Raw, rawNote}, {Rows, rowsNote}, {Access, record}, {Decoded, "decoded whole"}}},
	{Name: "betongo (antialiased)", mode: "bilinear", store: "kept.beton", works: []work{
		{Random, strings.Replace(fast8, "area filter (antialiased)", "bilinear with antialias, as Pillow's", 1) + kept},
		{Float, strings.Replace(fastFloat, "area filter (antialiased)", "bilinear with antialias, as Pillow's", 1) + kept}}},
	{Name: "betongo (exact)", mode: "exact", store: "kept.beton", works: []work{
		{Random, "full resolution, bit for bit as libjpeg and OpenCV's INTER_AREA; u8 HWC" + kept}}},
	{Name: "betongo (no checkpoints)", mode: "plain", store: "plain.beton", write: []string{"--no-checkpoints"}, works: []work{
		{Build, copied + ", with checksums"}, {Random, strings.Replace(fast8, ", from checkpoints", "", 1) + kept + "; makes checkpoints for later epochs"}}},
	{Name: "betongo (500 px)", store: "500.beton", write: []string{"--max-resolution", "500", "--quality", "90", "--reencode", "always"}, works: []work{
		{Build, recoded + ", with checkpoints"}, {Random, fast8 + shrunk}, {Float, fastFloat + shrunk}, {Center, fast8 + shrunk}}},
	{Name: "betongo (500 px, exact)", mode: "exact", store: "500.beton", works: []work{
		{Random, "full resolution, bit for bit as libjpeg and OpenCV's INTER_AREA; u8 HWC" + shrunk}}},
	{Name: "betongo (Python)", env: "base", script: "peer_betongo.py", store: "kept.beton", raw: "raw.beton", rows: "rows.beton", works: []work{
		{Random, fast8 + kept}, {Float, fastFloat + kept}, {Center, fast8 + kept}, {Raw, rawNote}, {Rows, rowsNote},
		{Access, record}, {Decoded, "decoded whole"}}},
	{Name: "betongo (Python, 500 px)", env: "base", script: "peer_betongo.py", store: "500.beton", works: []work{
		{Random, fast8 + shrunk}, {Float, fastFloat + shrunk}}},

	{Name: "ffcv", env: "ffcv", script: "peer_ffcv.py", store: "ffcv.beton", raw: "raw-ffcv.beton", rows: "rows-ffcv.beton", works: []work{
		{Build, recoded}, {Random, "decoded whole, libjpeg-turbo's fast DCT; INTER_AREA (antialiased); u8 HWC" + shrunk},
		{Float, "decoded whole, libjpeg-turbo's fast DCT; INTER_AREA (antialiased); f32 CHW, normalised" + shrunk},
		{Center, "decoded whole, libjpeg-turbo's fast DCT; INTER_AREA (antialiased); u8 HWC" + shrunk}, {Raw, rawNote}, {Rows, rowsNote}}},
	{Name: "torch+Pillow", env: "torch", script: "peer_torch.py", works: []work{
		{Random, "Pillow: decoded whole, bilinear with antialias; u8 CHW"}, {Float, "Pillow: decoded whole, bilinear with antialias; f32 CHW, normalised"},
		{Center, "Pillow: decoded whole, shrunk to 256, bilinear with antialias; u8 CHW"},
		{Decoded, decoded + "; ImageFolder"}}},
	{Name: "torch+Pillow-SIMD", env: "simd", script: "peer_torch.py", works: []work{
		{Random, "Pillow-SIMD (AVX2): decoded whole, bilinear with antialias; u8 CHW"}, {Float, "Pillow-SIMD (AVX2): decoded whole, bilinear with antialias; f32 CHW, normalised"},
		{Center, "Pillow-SIMD (AVX2): decoded whole, shrunk to 256, bilinear with antialias; u8 CHW"}}},
	{Name: "tf.data", env: "tf", script: "peer_tf.py", works: []work{
		{Random, "decodes the crop alone; bilinear without antialias; u8 HWC"}, {Float, "decodes the crop alone; bilinear without antialias; f32 HWC, normalised"},
		{Center, "decodes the crop alone; bilinear without antialias; u8 HWC"}}},
	{Name: "tf.data antialias", env: "tf", script: "peer_tf.py", mode: "antialias", works: []work{
		{Random, "decodes the crop alone; bilinear with antialias; u8 HWC"}}},
	{Name: "TFRecord", env: "tf", script: "peer_tf.py", store: "tfrecord", works: []work{{Build, copied}}},
	{Name: "DALI", env: "dali", script: "peer_dali.py", works: []work{
		{Random, "on the processors; decodes the crop's rows; triangular filter (antialiased); u8 HWC"},
		{Float, "on the processors; decodes the crop's rows; triangular filter (antialiased); f32 CHW, normalised"},
		{Center, "on the processors; decoded whole, shrunk to 256, triangular filter; u8 HWC"}}},
	{Name: "WebDataset", env: "webdataset", script: "peer_webdataset.py", store: "webdataset", works: []work{
		{Build, copied}, {Random, pil + "; shuffle of shards and of 1,000"}}},
	{Name: "MDS", env: "mds", script: "peer_mds.py", store: "mds", rows: "rows-mds", few: true, works: []work{
		{Build, copied}, {Random, pil}, {Rows, rowsNote + ", py1e"}, {Access, record}, {Decoded, decoded}}},
	{Name: "SPDL", env: "spdl", script: "peer_spdl.py", mode: "pillow", works: []work{{Random, pil}}},
	{Name: "SPDL FFmpeg", env: "spdl", script: "peer_spdl.py", works: []work{{Random, "FFmpeg: decoded whole, swscale's bilinear; u8 HWC"}}},
	{Name: "threads+Pillow", env: "pillow", script: "peer_threads.py", works: []work{
		{Random, pil}, {Access, record + "; a file each"}, {Decoded, decoded + "; a file each"}}},
	{Name: "threads+Pillow-SIMD", env: "simd", script: "peer_threads.py", works: []work{
		{Random, "Pillow-SIMD (AVX2): decoded whole, bilinear with antialias; u8 HWC"}}},
	{Name: "Grain", env: "grain", script: "peer_grain.py", store: "arrayrecord", rows: "rows-arrayrecord", works: []work{
		{Build, copied + "; ArrayRecord"}, {Random, pil + "; threads"}, {Rows, rowsNote + "; ArrayRecord, a batch at a time"}, {Access, record}, {Decoded, decoded}}},
	{Name: "LitData", env: "litdata", script: "peer_litdata.py", store: "litdata", works: []work{
		{Build, copied}, {Random, pil}, {Access, record}, {Decoded, decoded}}},
	{Name: "HF datasets", env: "hf", script: "peer_hf.py", store: "hf", rows: "rows-hf", works: []work{
		{Build, copied + "; Arrow"}, {Random, pil}, {Rows, rowsNote + ", a batch at a time"}, {Access, record}, {Decoded, decoded}}},
	{Name: "Lance", env: "lance", script: "peer_lance.py", store: "lance", rows: "rows-lance", works: []work{
		{Build, copied}, {Random, pil + "; threads"}, {Rows, rowsNote + ", a batch at a time"}, {Access, record}, {Decoded, decoded}}},
	{Name: "NumPy", env: "pillow", script: "peer_threads.py", works: []work{{Rows, "mapped arrays, " + rowsNote}}},
	{Name: "NumPy sorted", env: "pillow", script: "peer_threads.py", mode: "sorted", works: []work{{Rows, "mapped arrays, " + rowsNote + ", within a batch in the file's"}}},
	{Name: "torch DataLoader", env: "torch", script: "peer_torch.py", works: []work{{Rows, "DataLoader over a TensorDataset in memory, " + rowsNote}}},
	{Name: "torch batches", env: "torch", script: "peer_torch.py", mode: "batches", works: []work{{Rows, "TensorDataset in memory, a batch at a time, " + rowsNote}}},
}

// Env returns the name of the environment that the system needs, "" for none.
func (s *System) Env() string { return s.env }

// Does tells whether the system does a work.
func (s *System) Does(name string) bool {
	return slices.ContainsFunc(s.works, func(w work) bool { return w.name == name })
}

// note tells how the system does a work.
func (s *System) note(name string) string {
	for _, w := range s.works {
		if w.name == name {
			return w.note
		}
	}
	return ""
}

// reads returns what the system reads for a work, "" for the photographs or the arrays.
func (s *System) reads(work string) string {
	switch work {
	case Rows:
		return s.rows
	case Raw:
		return s.raw
	}
	return s.store
}

// builder returns the system that makes this one's store of photographs.
func (s *System) builder() *System {
	for i := range Systems {
		if b := &Systems[i]; b.store == s.store && b.Does(Build) {
			return b
		}
	}
	return s
}
