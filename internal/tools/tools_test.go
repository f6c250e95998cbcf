//go:build linux || darwin

package tools_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/engine"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/internal/s3test"
	"github.com/betongo/betongo/internal/tools"
)

type object = map[string]any

// client is a connection to an engine of this process.
type client struct {
	t    *testing.T
	sock *net.UnixConn
}

// serve begins an engine, which ends with the test.
func serve(t *testing.T) func() *client {
	t.Helper()
	door, its := pair(t)
	done := make(chan error, 1)
	go func() { done <- engine.Serve(context.Background(), its, tools.More()) }() // ends with the door and the clients
	t.Cleanup(func() {
		door.Close()
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		case <-time.After(20 * time.Second):
			t.Error("the engine hasn't ended")
		}
		its.Close()
	})
	out := dial(t, door)
	return func() *client {
		t.Helper()
		mine, its := pair(t)
		if _, _, err := out.WriteMsgUnix([]byte{'c'}, unix.UnixRights(int(its.Fd())), nil); err != nil {
			t.Fatal(err)
		}
		its.Close()
		c := &client{t, dial(t, mine)}
		c.ask(object{"do": "hello", "protocol": engine.Protocol}, nil)
		return c
	}
}

func pair(t *testing.T) (a, b *os.File) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fds[0]), "mine"), os.NewFile(uintptr(fds[1]), "its")
}

func dial(t *testing.T, f *os.File) *net.UnixConn {
	t.Helper()
	c, err := net.FileConn(f)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	t.Cleanup(func() { c.Close() })
	return c.(*net.UnixConn)
}

// send sends a request.
func (c *client) send(o object, payload []byte) {
	c.t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		c.t.Fatal(err)
	}
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(text)))
	b = binary.LittleEndian.AppendUint32(b, uint32(len(payload)))
	if _, err := c.sock.Write(append(append(b, text...), payload...)); err != nil {
		c.t.Fatal(err)
	}
}

// recv receives a frame.
func (c *client) recv() (o object, payload []byte) {
	c.t.Helper()
	c.sock.SetReadDeadline(time.Now().Add(30 * time.Second))
	head := make([]byte, 8)
	if _, err := io.ReadFull(c.sock, head); err != nil {
		c.t.Fatal(err)
	}
	text := make([]byte, binary.LittleEndian.Uint32(head))
	payload = make([]byte, binary.LittleEndian.Uint32(head[4:]))
	for _, b := range [][]byte{text, payload} {
		if _, err := io.ReadFull(c.sock, b); err != nil {
			c.t.Fatal(err)
		}
	}
	if err := json.Unmarshal(text, &o); err != nil {
		c.t.Fatal(err)
	}
	return o, payload
}

// ask is a request that is not to fail.
func (c *client) ask(o object, payload []byte) (object, []byte) {
	c.t.Helper()
	c.send(o, payload)
	a, b := c.recv()
	if a["error"] != nil {
		c.t.Fatalf("%v: %v", o["do"], a["error"])
	}
	ok, _ := a["ok"].(object)
	return ok, b
}

// fails is one that is to fail with an error of this kind, whose message it returns.
func (c *client) fails(kind string, o object) string {
	c.t.Helper()
	c.send(o, nil)
	a, _ := c.recv()
	e, _ := a["error"].(object)
	if e["kind"] != kind {
		c.t.Fatalf("%v: got %v, want an error of kind %q", o, a, kind)
	}
	return e["message"].(string)
}

// write writes a file of n samples.
func write(t *testing.T, n int) (path string, b []byte) {
	t.Helper()
	specs := []ffcv.FieldSpec{{Name: "value", Field: fields.Int{}}, {Name: "text", Field: fields.Bytes{}}}
	path = ffcvtest.Write(t, specs, n, func(i int) []any { return []any{i, []byte(strings.Repeat("x", i))} }, nil)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, b
}

func TestLocal(t *testing.T) {
	path, _ := write(t, 20)
	c := serve(t)()
	if got, _ := c.ask(object{"do": "open", "paths": []string{path}}, nil); got["samples"] != 20. {
		t.Errorf("open: %v", got)
	}
	c.fails("option", object{"do": "exists", "url": path})
	if m := c.fails("option", object{"do": "exits"}); !strings.Contains(m, `"exists"`) {
		t.Error(m)
	}
}

// TestS3 puts objects into a store, and looks into them, with the settings of the
// client's environment.
func TestS3(t *testing.T) {
	server := s3test.Start(t)
	path, bytesOfFile := write(t, 20)
	environ := map[string]string{}
	for _, kv := range server.Env {
		name, value, _ := strings.Cut(kv, "=")
		environ[name] = value
		t.Setenv(name, "") // what the engine had in the beginning is of no use
	}
	with := func(o object) object {
		o["storage"] = object{"environ": environ, "retries": -1}
		return o
	}
	url := func(name string) string { return "s3://" + server.Bucket + "/" + name }
	connect := serve(t)
	t.Cleanup(func() { server.Kill() }) // connections that are kept for the next end with it
	c := connect()
	for _, name := range []string{"x/a.beton", "x/b.beton"} {
		c.ask(with(object{"do": "upload", "path": path, "url": url(name)}), nil)
	}
	if m := c.fails("os", with(object{"do": "upload", "path": path, "url": url("x/a.beton")})); !strings.Contains(m, "x/a.beton") {
		t.Error(m)
	}
	for name, there := range map[string]bool{"x/a.beton": true, "x/c.beton": false} {
		if got, _ := c.ask(with(object{"do": "exists", "url": url(name)}), nil); got["exists"] != there {
			t.Errorf("exists %s: %v", name, got)
		}
	}
	copied := filepath.Join(t.TempDir(), "copy.beton")
	c.ask(with(object{"do": "fetch", "path": copied, "url": url("x/a.beton")}), nil)
	if b, err := os.ReadFile(copied); err != nil || !bytes.Equal(b, bytesOfFile) {
		t.Errorf("fetched %d bytes, want %d: %v", len(b), len(bytesOfFile), err)
	}
	c.fails("notfound", with(object{"do": "open", "paths": []string{url("none.beton")}}))
	c.fails("option", object{"do": "open", "paths": []string{"s3://b/k"}, "storage": object{"environ": object{"PATH": "/tmp"}}})
	if m := c.fails("option", object{"do": "open", "paths": []string{"s3://b/k"}, "storage": object{"retrys": 1}}); !strings.Contains(m, "retries") {
		t.Error(m)
	}
	for pattern, n := range map[string]int{"x/*.beton": 40, "x/b.beton": 20} {
		c := connect()
		got, _ := c.ask(with(object{"do": "open", "paths": []string{url(pattern)}}), nil)
		if got["samples"] != float64(n) {
			t.Fatalf("open: %v", got)
		}
		_, b := c.ask(object{"do": "samples", "ids": 1, "fields": []int{1}}, binary.LittleEndian.AppendUint64(nil, uint64(n-1)))
		if !bytes.HasSuffix(b, []byte(strings.Repeat("x", 19))) {
			t.Errorf("%s: the last sample: %q", pattern, b)
		}
	}
}
