package beam_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	betonbeam "github.com/betongo/betongo/beam"
)

// start starts this program as a child, as a worker does.
func start(t *testing.T, order string) (cmd *exec.Cmd, in io.WriteCloser, said *strings.Builder) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd, said = exec.CommandContext(t.Context(), self), new(strings.Builder)
	cmd.Env = append(os.Environ(), "BETONGO_BEAM_CHILD=1")
	cmd.Stdout, cmd.Stderr = said, said
	if in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(in, order); err != nil {
		t.Fatal(err)
	}
	return cmd, in, said
}

// TestOrphan has a child wait for a server when the process that started it goes.
func TestOrphan(t *testing.T) {
	asked, over := make(chan bool, 1), make(chan bool)
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		select {
		case asked <- true:
		default:
		}
		<-over
	}))
	defer s.Close()
	defer close(over)
	cmd, in, said := start(t, fmt.Sprintf(`{"Job":{"Plan":"%s/plan.json"},"Task":{"Shard":0}}`+"\n", s.URL))
	select {
	case <-asked:
	case <-time.After(30 * time.Second):
		t.Fatal("it asked for no plan")
	}
	in.Close()
	end := make(chan error, 1)
	go func() { end <- cmd.Wait() }() // ends with the child, which the test's end kills
	select {
	case <-end:
	case <-time.After(30 * time.Second):
		t.Fatalf("it is there still; it said %s", said)
	}
}

func TestOrders(t *testing.T) {
	for _, order := range []string{"", "{", "{}", "\n", "{}x\n", `{"Job":1}` + "\n"} {
		cmd, in, said := start(t, order)
		in.Close()
		if err := cmd.Wait(); err == nil || !strings.Contains(said.String(), "order: ") {
			t.Errorf("%q: %v, it said %q", order, err, said)
		}
	}
}

func TestCause(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"job 1 failed:\n\tcaused by:\nbetongo build of p.json: shard 1: why\n\tmore", "betongo build of p.json: shard 1: why"},
		{"job 1 failed: betongo build of a: b: betongo build of a: b", "betongo build of a: b"},
		{"job 1 failed:\nelse", "job 1 failed:\nelse"},
	} {
		if got := betonbeam.Cause(fmt.Errorf("%s", c.text)).Error(); got != c.want {
			t.Errorf("%q: got %q, want %q", c.text, got, c.want)
		}
	}
	if err := betonbeam.Cause(nil); err != nil {
		t.Error(err)
	}
}
