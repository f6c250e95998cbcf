// Package tools is what the second program beside Python does beyond the engine
// (internal/engine), with libraries that would make the first one five times as large:
// datasets in object stores, and single objects there.
//
// # Single objects
//
// A connection may ask about an object: exists, fetch (into a new local file)
// and upload (of a local file, which appears when it is whole). "storage" says how objects
// are reached (storageRequest), as it does in what the engine itself is asked for.
//
//	{"do":"exists","url":"s3://bucket/train.beton","storage":{"region":"us-east-1","environ":{…}}}
//	{"ok":{"exists":true}}
//
// # Making and looking
//
// pack makes a dataset of a build.Recipe, estimate tells what that will take, export
// writes samples as another system's dataset, survey tells what a dataset holds, or what
// two have in common. Paths are whole, or URLs. Before the answer come any number of
// {"progress":[done,all]}, {"warning":text} and {"uploading":bytes}; closing the connection
// ends the work. A client that has much of it done starts a program for it alone.
//
//	{"do":"pack","recipe":{"folder":{"dir":"/photos"},"image":{"max_resolution":512},"writer":{}},"out":"/train.beton"}
//	{"progress":[512,10000]}
//	{"ok":{"samples":10000,"skipped":[],"classes":[…],"bytes":…,…}}
//
// What fails is of kind "build", unless it is an option's, or that of a file or object which
// is not there, can't be read, or is in the way.
package tools

import "github.com/betongo/betongo/internal/engine"

// More is what this program's engine does beyond files of the local disk.
func More() *engine.More {
	s := &stores{}
	return &engine.More{
		Stores:   s,
		Describe: describe,
		Operations: map[string]engine.Operation{
			"exists": s.exists,
			"fetch":  s.fetch,
			"upload": s.upload,
			"pack":   s.pack,

			"estimate": s.estimate,
			"export":   s.export,
			"survey":   s.survey,
		},
	}
}
