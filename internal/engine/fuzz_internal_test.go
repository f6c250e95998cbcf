package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"testing"
	"time"
)

// tape is a socket from which bytes come that were recorded.
type tape struct {
	*bytes.Reader
	out bytes.Buffer
}

func (t *tape) ReadMsgUnix(b, _ []byte) (n, oobn, flags int, addr *net.UnixAddr, err error) {
	n, err = t.Read(b)
	return n, 0, 0, nil, err
}

func (t *tape) WriteMsgUnix(b, oob []byte, _ *net.UnixAddr) (n, oobn int, err error) {
	n, err = t.out.Write(b)
	return n, len(oob), err
}

func (t *tape) Write(b []byte) (int, error)      { return t.out.Write(b) }
func (t *tape) SetWriteDeadline(time.Time) error { return nil }
func (t *tape) Close() error                     { return nil }

// FuzzFrames reads frames as they may come: what is read is what was written, and
// no more memory is taken than has come.
func FuzzFrames(f *testing.F) {
	var l link
	for _, seed := range []string{`{"do":"hello","protocol":1}`, `{"do":"epoch"}`, ""} {
		t := &tape{Reader: bytes.NewReader(nil)}
		l.socket = t
		l.write([]byte(seed), []byte("payload"), nil)
		f.Add(t.out.Bytes())
		f.Add(append(t.out.Bytes(), t.out.Bytes()[:9]...))
	}
	f.Add([]byte{0xff, 0xff, 0xff, 0, 0xff, 0xff, 0xff, 0x3f, '{'})
	f.Fuzz(func(t *testing.T, b []byte) {
		in := &tape{Reader: bytes.NewReader(b)}
		out := &tape{Reader: bytes.NewReader(nil)}
		l, back := &link{socket: in}, &link{socket: out}
		small := make([]byte, 64)
		for {
			f, err := l.read(small)
			if err != nil {
				break
			}
			if len(f.object)+len(f.payload) > len(b) {
				t.Fatalf("a frame of %d and %d bytes out of %d", len(f.object), len(f.payload), len(b))
			}
			if err := back.write(f.object, f.payload, nil); err != nil {
				t.Fatal(err)
			}
			if r, err := newRequest(f); err == nil && r.do == "" {
				t.Fatal("a request for nothing")
			}
		}
		if !bytes.HasPrefix(b, out.out.Bytes()) {
			t.Fatal("what was read is not what came")
		}
	})
}

// FuzzRequests decodes descriptions of loaders, which must neither panic nor take
// what they don't have.
func FuzzRequests(f *testing.F) {
	f.Add([]byte(`{"do":"loader","paths":["x"],"batch_size":2,"order":{"name":"weighted","weights":2},"indices":1,"outputs":[{"name":"image","decoder":{"op":"RandomResizedCrop","width":8,"height":8,"scale":[0.1,1]},"ops":[{"op":"Cutout","size":2,"fill":[1,2,3]},{"op":"Normalize","dtype":"<f2"}]}]}`), []byte("0123456789012345678901234567"))
	f.Add([]byte(`{"order":{"name":"repeated","order":{"name":"keyed"}},"on_error":{"policy":"substitute","sample":3},"verify":"first_read","state":{"version":1}}`), []byte{})
	f.Add([]byte(`{"outputs":[{"item":{"dtype":"<i4","shape":[-1]},"decoder":{"op":"Boxes","format":"cornersize","ondamage":true}}]}`), []byte{})
	f.Fuzz(func(t *testing.T, object, payload []byte) {
		var q loaderRequest
		if err := strict(object, &q, "loader"); err != nil {
			if k := describer(nil).describe(err).Kind; k != "option" {
				t.Fatalf("%v is of kind %q", err, k)
			}
			return
		}
		s := &stream{slots: newSlots()}
		defer s.close()
		rest := &numbers{payload}
		err := s.setOptions(&q, rest)
		if err == nil {
			_, err = outputs(q.Outputs)
		}
		if err != nil {
			if k := describer(nil).describe(err).Kind; k != "option" && k != "protocol" && k != "unsupported" {
				t.Fatalf("%v is of kind %q", err, k)
			}
		}
		if n := 8 * len(s.opts.Indices); n > len(payload) {
			t.Fatalf("%d bytes of indices out of %d", n, len(payload))
		}
	})
}

// FuzzConnection serves what may come on a connection, from its first byte.
func FuzzConnection(f *testing.F) {
	var seed bytes.Buffer
	w := &link{socket: &tape{Reader: bytes.NewReader(nil)}}
	for _, o := range []string{`{"do":"hello","protocol":1}`, `{"do":"loader","paths":["/nowhere"]}`, `{"do":"epoch","epoch":0}`, `{"do":"state"}`, `{"do":"images","path":"/","ids":1}`, `{"do":"verify","path":"/","fields":["x"],"ids":1}`} {
		w.write([]byte(o), []byte("12345678"), nil)
	}
	seed = w.socket.(*tape).out
	f.Add(seed.Bytes())
	f.Add(seed.Bytes()[:40])
	f.Fuzz(func(t *testing.T, b []byte) {
		in := &tape{Reader: bytes.NewReader(b)}
		newConn(&engine{}, &link{socket: in}).serve(context.Background())
		for out := in.out.Bytes(); len(out) > 0; { // whole frames, each a JSON object
			l := &link{socket: &tape{Reader: bytes.NewReader(out)}}
			f, err := l.read(nil)
			if err != nil || !json.Valid(f.object) {
				t.Fatalf("the answer is no frame: %v, %q", err, f.object)
			}
			out = out[headSize+len(f.object)+len(f.payload):]
		}
	})
}
