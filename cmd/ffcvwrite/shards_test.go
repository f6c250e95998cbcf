package main

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/betongo/betongo/internal/s3test"
)

// recordFiles is where other systems' files lie.
func recordFiles(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", "..", "testdata", "records"))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestShardScripts runs the scripts about other systems' files, which lie in
// $RECORDS and behind the web server $WEB.
func TestShardScripts(t *testing.T) {
	dir := recordFiles(t)
	web := httptest.NewServer(http.FileServer(http.Dir(dir)))
	t.Cleanup(web.Close)
	scripts(t, "shards", "RECORDS="+dir, "WEB="+web.URL)
}

// TestS3ShardScripts runs those that have them in an object store: a real server,
// whose bucket is s3://data, as files below $BUCKET.
func TestS3ShardScripts(t *testing.T) {
	s := s3test.Start(t)
	scripts(t, "s3shards", append(s.Env, "BUCKET="+s.Folder, "RECORDS="+recordFiles(t))...)
}
