// Package result holds what a run of the benchmarks measured: a file of JSON
// with the machine, the versions, what was skipped and why, and a line for each
// run of a piece of work by a system. Save refuses what can't be compared and
// takes names of hosts, users and folders out of every text; Compare pairs the
// runs of a round, which were made one after another, and tells medians, ratios
// and how far these scatter.
//
// Nothing here is safe for concurrent use with a change of the same File.
package result

import "time"

// Schema is the number of this layout of the file. A reader refuses others.
//
//	1: the first.
const Schema = 1

// File is what was measured from Started on, in one place. Runs are in the order
// in which they were made.
type File struct {
	Schema   int               `json:"schema"` // Schema; Save sets it
	Started  time.Time         `json:"started"`
	Machine  Machine           `json:"machine"`
	Commit   string            `json:"commit"` // of this module: 7 to 40 hexadecimal digits
	Dirty    bool              `json:"dirty"`  // there were changes that the commit has not
	Command  []string          `json:"command"`
	Photos   Photos            `json:"photos"`
	Versions map[string]string `json:"versions"` // of each system, with what it stands on: "1.0.2, Python 3.11, libjpeg-turbo 2.1"
	Skipped  []Skip            `json:"skipped"`
	Runs     []Run             `json:"runs"`
}

// Machine is what the runs were made on.
type Machine struct {
	System     string `json:"system"` // linux/amd64
	Processor  string `json:"processor,omitempty"`
	Processors int    `json:"processors"`
	Memory     int64  `json:"memory,omitempty"` // bytes; 0: unknown
	Go         string `json:"go"`
}

// Photos are the photographs that the works are about.
type Photos struct {
	Count  int    `json:"count"`
	Bytes  int64  `json:"bytes"`            // of all files
	Made   string `json:"made,omitempty"`   // where they are from or how they were made, in words
	Digest string `json:"digest,omitempty"` // tells another set from this
}

// Skip is a system, or one work of it, that was not measured.
type Skip struct {
	System string `json:"system"`
	Work   string `json:"work,omitempty"` // "": all
	Reason string `json:"reason"`
}

// Run is one work done once by one system, in a process of its own. A figure
// that does not belong to the work is 0 and means "not measured".
type Run struct {
	Work    string `json:"work"`    // "epoch-rrc224-u8": small letters, digits, hyphens
	System  string `json:"system"`  // "betongo", "ffcv", …: as the report is to call it
	Round   int    `json:"round"`   // from 1; the runs of a work in one round are a set of pairs
	Samples int    `json:"samples"` // that CPU and Wall are of

	CPU        float64 `json:"cpu_s,omitempty"`         // user and system, of the process and its children, over Samples; without the start
	Wall       float64 `json:"wall_s,omitempty"`        // over the same
	FirstBatch float64 `json:"first_batch_s,omitempty"` // from the process's start
	PeakMemory int64   `json:"peak_memory,omitempty"`   // bytes of its own and its children's, not those of mapped files
	FileSize   int64   `json:"file_size,omitempty"`     // bytes of what was built
	P50        float64 `json:"p50_s,omitempty"`         // of one access at random
	P99        float64 `json:"p99_s,omitempty"`

	Note  string  `json:"note,omitempty"`  // what is decoded how: scaling, filter, antialias, type, layout
	Load  float64 `json:"load"`            // of the machine in the minute before
	Error string  `json:"error,omitempty"` // why the run gave nothing; its figures then do not count
}
