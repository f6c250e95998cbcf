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
