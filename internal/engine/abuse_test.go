//go:build linux || darwin

package engine_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/betongo/betongo/internal/engine"
	"github.com/betongo/betongo/loader"
)

// maps counts the engine's segments that this process maps.
func maps(tb testing.TB) int {
	tb.Helper()
	b, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		tb.Skip("no /proc")
	}
	return bytes.Count(b, []byte("memfd:betongo"))
}

// descriptors counts the open files of this process.
func descriptors(tb testing.TB) int {
	tb.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		tb.Skip("no /proc")
	}
	return len(list)
}

// eventually waits until there are n of what count counts.
func eventually(tb testing.TB, what string, n int, count func(testing.TB) int) {
	tb.Helper()
	for end := time.Now().Add(5 * time.Second); count(tb) != n; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			tb.Fatalf("%d %s, want %d", count(tb), what, n)
		}
	}
}

// quiet counts the open files when there is no connection.
func (s *served) quiet() int {
	s.tb.Helper()
	s.connect().sock.Close()
	time.Sleep(50 * time.Millisecond)
	return descriptors(s.tb)
}

// TestNoFrames: what is no frame ends the connection that it comes on, with a
// reason, and no other.
func TestNoFrames(t *testing.T) {
	s := serve(t)
	other := s.connect()
	hello := bytesOf([]byte(`{"do":"hello","protocol":1}`), nil)
	head := func(object, payload uint32) []byte {
		return binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, object), payload)
	}
	many := bytes.Repeat(bytesOf([]byte(`{"do":"hello","protocol":1}`), nil), 10*engine.MaxQueued)
	for name, test := range map[string]struct {
		bytes []byte
		want  string // of the reason
	}{
		"garbage":            {bytes.Repeat([]byte("\xff\x13garbage"), 100), "a frame with an object of"},
		"a large object":     {head(16<<20+1, 0), "at most 16777216"},
		"a large payload":    {head(2, 1<<30+1), "at most 1073741824"},
		"no JSON":            {bytesOf([]byte("{"), nil), "no JSON object"},
		"no object":          {bytesOf([]byte("[1]"), nil), "no JSON object"},
		"no request":         {bytesOf([]byte(`{"a":1}`), nil), `without "do"`},
		"no hello":           {bytesOf([]byte(`{"do":"loader","paths":["x"]}`), nil), "before hello"},
		"credit, no loader":  {append(hello, bytesOf(nil, []byte{0, 0, 0, 0})...), "want 4 for each number, and a loader"},
		"nothing at all":     {append(hello, bytesOf(nil, nil)...), "want 4 for each number, and a loader"},
		"too many":           {many, "wait for their answers already"},
		"cut in the head":    {hello[:5], ""},
		"cut in the object":  {hello[:12], ""},
		"cut in the payload": {append(hello, bytesOf([]byte(`{"do":"x"}`), make([]byte, 100))[:60]...), ""},
		"a promise of much":  {append(head(16<<20, 1<<30), '{'), ""},
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			c := s.dial()
			c.sock.Write(test.bytes)
			if test.want == "" {
				c.sock.CloseWrite()
			}
			reason := ""
			for {
				r, err := c.recv()
				if f, ok := err.(failure); ok {
					reason = f.Error()
					continue
				}
				if err != nil {
					break
				}
				_ = r
			}
			if !strings.Contains(reason, test.want) || test.want != "" && !strings.HasPrefix(reason, "protocol: ") {
				t.Errorf("got %q, want it to say %q", reason, test.want)
			}
		})
	}
	other.ask(object{"do": "hello", "protocol": 1}, nil)
}

// TestDoor: what comes through the door and is no connection is passed over.
func TestDoor(t *testing.T) {
	s := serve(t)
	n := s.quiet()
	a, b := pair(t)
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []struct {
		b      string
		rights []byte
	}{
		{"c", nil}, {"x", unix.UnixRights(int(a.Fd()))}, {"c", unix.UnixRights(int(a.Fd()), int(b.Fd()))},
		{"c", unix.UnixRights(int(file.Fd()))}, {"ccc", nil}, {"\x00", nil},
	} {
		if _, _, err := s.door.WriteMsgUnix([]byte(m.b), m.rights, nil); err != nil {
			t.Fatal(err)
		}
	}
	a.Close()
	b.Close()
	file.Close()
	c := s.connect()
	c.sock.Close()
	eventually(t, "descriptors", n, descriptors)
}

// TestEndings: however a connection ends in the midst of an epoch, all that was
// made for it is gone soon.
func TestEndings(t *testing.T) {
	path := write(t, 300)
	s := serve(t)
	n := s.quiet()
	for name, end := range map[string]func(v *viewer){
		"closed":        func(v *viewer) {},
		"half a frame":  func(v *viewer) { v.sock.Write([]byte{9, 0, 0}) },
		"no such batch": func(v *viewer) { v.back = append(v.back, 77); v.credit(1); v.closed() },
		"released twice": func(v *viewer) {
			v.back = append(v.back, 1, 1)
			v.credit(1)
			v.closed()
		},
		"two epochs":    func(v *viewer) { v.send(object{"do": "epoch", "epoch": 1}, nil); v.closed() },
		"a get amidst":  func(v *viewer) { v.send(object{"do": "get", "ids": 0}, nil); v.closed() },
		"half a credit": func(v *viewer) { v.send(nil, []byte{1, 2, 3}); v.closed() },
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			settled := runtime.NumGoroutine()
			v := s.connect().loader(object{"paths": []string{path}, "batch_size": 4, "outputs": []object{cropOp}}, nil)
			defer v.unmap()
			v.ask(object{"do": "epoch", "epoch": 0}, nil)
			var held *view
			for i := range 3 {
				b, _, err := v.next()
				if err != nil {
					t.Fatal(err)
				}
				if i == 0 {
					held = b
				}
				v.credit(i + 1)
			}
			before := bytes.Clone(held.columns[5].data[:100])
			mine := len(v.segments)
			end(v)
			v.sock.Close()
			eventually(t, "segments", mine, maps) // the client's own
			eventually(t, "descriptors", n, descriptors)
			eventually(t, "goroutines", settled, func(testing.TB) int { return max(runtime.NumGoroutine(), settled) })
			if !bytes.Equal(before, held.columns[5].data[:100]) {
				t.Error("a batch that was not released has changed")
			}
		})
	}
}

// TestOneDoesNotRead: a client that never reads holds up nobody, and ends with
// the engine.
func TestOneDoesNotRead(t *testing.T) {
	path := write(t, 100)
	s := serve(t)
	for range 2 {
		deaf := s.connect().loader(object{"paths": []string{path}, "batch_size": 50, "outputs": disabledOps()}, nil)
		deaf.send(object{"do": "images", "path": path, "field": "image", "ids": 100}, int64s(make([]int, 100)...))
		deaf.send(object{"do": "epoch", "epoch": 0}, nil)
		var sent sync.WaitGroup
		sent.Add(1)
		go func() { // ends when the socket is closed
			defer sent.Done()
			for range 10000 {
				if deaf.send(object{"do": "state", "epoch": 0, "batches": 0}, nil) != nil {
					return
				}
			}
		}()
		defer sent.Wait()
		defer deaf.sock.Close()
	}
	time.Sleep(50 * time.Millisecond)
	v := s.connect().loader(object{"paths": []string{path}, "batch_size": 8, "outputs": disabledOps()}, nil)
	v.all(nil, nil, 0, newLoader(t, open(t, path), &loader.Options{BatchSize: 8, Outputs: disabled()}))
	s.stop()
	s.wait()
}

// TestStop: the engine's end is that of its clients' epochs.
func TestStop(t *testing.T) {
	path := write(t, 100)
	s := serve(t)
	var list []*viewer
	for i := range 5 {
		v := s.connect().loader(object{"paths": []string{path}, "batch_size": 4, "outputs": []object{cropOp}}, nil)
		if i > 0 {
			v.send(object{"do": "epoch", "epoch": 0}, nil)
		}
		list = append(list, v)
	}
	s.stop()
	if err := s.wait(); err == nil {
		t.Error("no error of a context that was cancelled")
	}
	for _, v := range list {
		v.closed()
	}
}

// TestDoorCloses: connections go on until they are closed themselves.
func TestDoorCloses(t *testing.T) {
	path := write(t, 50)
	s := serve(t)
	v := s.connect().loader(object{"paths": []string{path}, "batch_size": 4, "outputs": disabledOps()}, nil)
	s.door.Close()
	v.all(nil, nil, 0, newLoader(t, open(t, path), &loader.Options{BatchSize: 4, Outputs: disabled()}))
	select {
	case <-s.done:
		t.Fatal("the engine ended with a connection open")
	case <-time.After(20 * time.Millisecond):
	}
	v.sock.Close()
	if err := s.wait(); err != nil {
		t.Error(err)
	}
}

func TestPanic(t *testing.T) {
	defer engine.Panic("panic")()
	c := serve(t).connect()
	for range 2 {
		if f := c.fails("internal", object{"do": "panic"}, nil); !strings.Contains(f.Error(), "on purpose") {
			t.Error(f)
		}
		c.fails("internal", object{"do": "panic-urgent"}, nil)
	}
	c.ask(object{"do": "hello", "protocol": 1}, nil)
}

func TestManyConnections(t *testing.T) {
	path := write(t, 40)
	s := serve(t)
	n := s.quiet()
	l := newLoader(t, open(t, path), &loader.Options{BatchSize: 8, Outputs: disabled()})
	want := batches(t, l, 0)
	var all sync.WaitGroup
	errs := make(chan error, 64)
	for i := range 32 {
		v := s.connect().loader(object{"paths": []string{path}, "batch_size": 8, "outputs": disabledOps()}, nil)
		all.Add(1)
		go func() { // ends with its epoch
			defer all.Done()
			defer v.sock.Close()
			if i%4 == 3 {
				return
			}
			k := 0
			_, err := v.epoch(nil, nil, func(_ int, b *view) error { k++; return want[k-1].same(b) })
			if err == nil && k != len(want) {
				err = fmt.Errorf("%d batches, want %d", k, len(want))
			}
			errs <- err
		}()
	}
	all.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
	eventually(t, "descriptors", n, descriptors)
}
