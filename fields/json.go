package fields

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sync"
)

// JSON stores JSON text. JSONText and json.RawMessage are checked and kept as
// they are; any other value is written as Python's json.dumps would (see
// AppendJSON). A file keeps a NUL behind the text, which its size includes.
// Decode returns the text as a json.RawMessage that borrows the data; NaN and
// Infinity may stand in it, which encoding/json refuses: JSONText reads them.
type JSON struct{}

// TypeID returns TypeJSON.
func (JSON) TypeID() TypeID { return TypeJSON }

// Args returns zeros.
func (JSON) Args() (Args, error) { return Args{}, nil }

// Layout is {ptr u8, size u8}, packed.
func (JSON) Layout() Layout { return blobLayout }

// texts are buffers for text whose length isn't known before it is written.
var texts = sync.Pool{New: func() any { return new([]byte) }}

// maxKept is the largest buffer that goes back to a pool.
const maxKept = 64 << 20

// Encode stores the value's text.
func (JSON) Encode(meta []byte, value any, at At) error {
	switch v := value.(type) {
	case JSONText:
		return encodeText(meta, v, at)
	case json.RawMessage:
		return encodeText(meta, JSONText(v), at)
	}
	p := texts.Get().(*[]byte)
	text, err := AppendJSON((*p)[:0], value)
	if err == nil {
		err = storeText(meta, text, at)
	}
	if cap(text) > cap(*p) && cap(text) <= maxKept {
		*p = text
	}
	texts.Put(p)
	return err
}

func encodeText(meta []byte, text JSONText, at At) error {
	if err := text.Check(); err != nil {
		return fmt.Errorf("%w: %w", err, ErrValue)
	}
	return storeText(meta, text, at)
}

// storeText writes a text that is known to be good. It can't hold a NUL: JSON
// escapes it.
func storeText(meta, text []byte, at At) error {
	buf, err := allocBlob(meta, len(text)+1, at)
	if err != nil {
		return err
	}
	buf[copy(buf, text)] = 0
	return nil
}

// Regions returns the text's place, its NUL included.
func (JSON) Regions(dst []Region, meta []byte) ([]Region, error) {
	return blobRegion("json", dst, meta)
}

// Decode returns the text before the first NUL, unparsed.
func (JSON) Decode(meta []byte, data [][]byte) (any, error) {
	b, err := blobData("json", meta, data)
	if err != nil {
		return nil, err
	}
	end := bytes.IndexByte(b, 0)
	if end < 0 {
		return nil, fmt.Errorf("json text: no NUL ends its %d bytes", len(b))
	}
	return json.RawMessage(b[:end:end]), nil
}

// Check tells whether the stored text is JSON.
func (f JSON) Check(meta []byte, data [][]byte) error {
	v, err := f.Decode(meta, data)
	if err != nil {
		return err
	}
	return JSONText(v.(json.RawMessage)).Check()
}
