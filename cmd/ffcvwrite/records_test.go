package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/betongo/betongo/internal/s3test"
)

// TestRecordScripts runs the scripts over files that other formats' own libraries
// wrote, in $RECORDS and as s3://data/records.
func TestRecordScripts(t *testing.T) {
	records, err := filepath.Abs(filepath.Join("..", "..", "testdata", "records"))
	if err != nil {
		t.Fatal(err)
	}
	s := s3test.Start(t)
	if err := os.CopyFS(filepath.Join(s.Folder, "records"), os.DirFS(records)); err != nil {
		t.Fatal(err)
	}
	scripts(t, "records", append(s.Env, "RECORDS="+records)...)
}
