package remote_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/betongo/betongo/remote"
)

// TestGoogleCredentials: credentials that are named and can't be read are told as
// that, and not gone without.
func TestGoogleCredentials(t *testing.T) {
	dir := t.TempDir()
	broken := filepath.Join(dir, "broken.json")
	if err := os.WriteFile(broken, []byte(`{"type": "service_account", "private_key": "secret`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(dir, "none.json"), broken} {
		t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", path)
		_, err := remote.Open(t.Context(), "gs://bucket/x.beton", &remote.Options{Retries: -1})
		if !errors.Is(err, remote.ErrDenied) || !strings.Contains(err.Error(), "GOOGLE_APPLICATION_CREDENTIALS") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestPasswordInURL: credentials are no part of a store's URL, and what somebody wrote
// there is not shown.
func TestPasswordInURL(t *testing.T) {
	for _, url := range []string{"s3://me:secret@bucket/x.beton", "gs://secret@bucket/x.beton", "azblob://me:secret@bucket/*.beton", "s3://me:a/secret@bucket/x.beton"} {
		_, openErr := remote.Open(t.Context(), url, nil)
		_, createErr := remote.Create(t.Context(), url, nil, nil)
		_, listErr := remote.List(t.Context(), url, nil)
		for _, err := range []error{openErr, createErr, listErr} {
			if err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "credentials are no part") {
				t.Errorf("%v", err)
			}
		}
	}
}
