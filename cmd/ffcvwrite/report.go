package main

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/betongo/betongo/build"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/internal/term"
	"github.com/betongo/betongo/source"
)

// report is what a run did; as JSON it is the object of --json.
type report struct {
	Output        string       `json:"output"`
	Samples       int          `json:"samples"`
	Resumed       int          `json:"resumed"`  // of them, written before an interruption
	Skipped       []skip       `json:"skipped"`  // samples that failed, before an interruption too
	LeftOut       []skip       `json:"left_out"` // files that are no samples
	Classes       int          `json:"classes"`
	Bytes         int64        `json:"bytes"`      // of the file
	DataBytes     int64        `json:"data_bytes"` // of the values in its pages
	Pages         int64        `json:"pages"`
	Seconds       float64      `json:"seconds"`
	SamplesPerSec float64      `json:"samples_per_s"`
	Images        *imageReport `json:"images,omitempty"` // when a field has images: those of this run

	unit string
}

type skip struct {
	Path   string `json:"path"`
	Reason string `json:"reason"`
}

type imageReport struct {
	Kept               int64   `json:"kept"`    // JPEGs whose bytes were kept
	Encoded            int64   `json:"encoded"` // JPEGs made here
	Raw                int64   `json:"raw"`
	Resized            int64   `json:"resized"`
	Oriented           int64   `json:"oriented"`
	OrientationIgnored int64   `json:"orientation_ignored"`
	Damaged            int64   `json:"damaged"`         // of the kept ones, as far as that was noticed
	Stripped           int64   `json:"stripped"`        // of the kept ones: without their metadata now
	StrippedBytes      int64   `json:"stripped_bytes"`  // that the metadata took
	MeanMegapixels     float64 `json:"mean_megapixels"` // as stored
}

func (j *job) report(d *build.Source, s ffcv.Stats, took time.Duration) report {
	r := report{
		Output:        j.output.Output,
		Samples:       s.Samples,
		Resumed:       j.resumed.Samples,
		Skipped:       skips(j.skipped),
		LeftOut:       skips(d.LeftOut),
		Classes:       len(d.Classes),
		Bytes:         s.Bytes,
		DataBytes:     s.Data,
		Pages:         s.Pages,
		Seconds:       took.Seconds(),
		SamplesPerSec: float64(s.Samples-j.resumed.Samples) / max(took.Seconds(), 1e-9),
		unit:          d.Unit,
	}
	if n := j.stats.Images(); n > 0 {
		r.Images = &imageReport{
			Kept:               j.stats.Kept.Load(),
			Encoded:            j.stats.Encoded.Load(),
			Raw:                j.stats.Raw.Load(),
			Resized:            j.stats.Resized.Load(),
			Oriented:           j.stats.Oriented.Load(),
			OrientationIgnored: j.stats.OrientationIgnored.Load(),
			Damaged:            j.stats.Damaged.Load(),
			Stripped:           j.stats.Stripped.Load(),
			StrippedBytes:      j.stats.StrippedBytes.Load(),
			MeanMegapixels:     float64(j.stats.Pixels.Load()) / float64(n) / 1e6,
		}
	}
	return r
}

func skips(list []source.Skip) []skip {
	out := make([]skip, len(list)) // an empty list, not null, in JSON
	for i, s := range list {
		out[i] = skip(s)
	}
	return out
}

// leftOutShown is how many files that are no samples are named; --json has all.
const leftOutShown = 20

// print tells the result on standard output, and what else the user should
// know on standard error.
func (j *job) print(r report) error {
	for i, s := range r.LeftOut {
		if i == leftOutShown && !j.output.JSON {
			term.Say(j.err, prog, "left out", term.FormatCount(int64(len(r.LeftOut)-i))+" more (--json lists all)")
		}
		if i < leftOutShown {
			term.Say(j.err, prog, "left out", term.Name(s.Path)+": "+s.Reason)
		}
	}
	for _, s := range r.Skipped {
		path := s.Path
		if path != "" {
			path = term.Name(path) + ": "
		}
		term.Say(j.err, prog, "skipped", path+s.Reason)
	}
	if r.Images != nil {
		j.printNotes(r.Images)
	}
	if j.output.JSON {
		text, err := json.Marshal(r)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(j.out, "%s\n", text)
		return err
	}
	line := fmt.Sprintf("%s: %s in %.1f s (%s/s), %s", r.Output, count(int64(r.Samples), r.unit), r.Seconds,
		count(int64(r.SamplesPerSec), r.unit), term.FormatSize(r.Bytes))
	if m := r.Images; m != nil && m.Stripped > 0 {
		line += fmt.Sprintf(", %s of metadata dropped from %s", term.FormatSize(m.StrippedBytes), count(m.Stripped, "JPEG"))
	}
	if r.Resumed > 0 {
		line += fmt.Sprintf(", %s of them before an interruption", term.FormatCount(int64(r.Resumed)))
	}
	if n := len(r.Skipped); n > 0 {
		line += fmt.Sprintf(", %s skipped", term.FormatCount(int64(n)))
	}
	_, err := fmt.Fprintln(j.out, line)
	return err
}

// count writes a number of things.
func count(n int64, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return term.FormatCount(n) + " " + thing
}

// manyPixels is where images are larger than training usually needs.
const manyPixels = 2.0 // megapixels

// printNotes says what the image flags did, and what they could do.
func (j *job) printNotes(r *imageReport) {
	if n := r.OrientationIgnored; n > 0 {
		term.Say(j.err, prog, "note", "the EXIF orientation of "+count(n, "image")+" was ignored, as torchvision does; --orient turns them")
	}
	if n := r.Damaged; n > 0 {
		term.Say(j.err, prog, "warning", count(n, "JPEG")+" kept as is with damaged pixel data, which decoders refuse or show in part; ffcv verify names them")
	}
	if r.Kept > 0 && j.from.qualityGiven {
		term.Say(j.err, prog, "note", fmt.Sprintf("--quality %d touched %s only: %s kept as is (--reencode always encodes all)",
			j.from.Quality, count(r.Encoded, "re-encoded image"), count(r.Kept, "JPEG")))
	}
	if r.MeanMegapixels > manyPixels && j.from.MaxResolution == 0 {
		term.Say(j.err, prog, "hint", fmt.Sprintf("images have %.1f megapixels on average; --max-resolution 512, say, makes the file smaller and loading faster", r.MeanMegapixels))
	}
}
