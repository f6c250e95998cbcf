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
		},
	}
}
