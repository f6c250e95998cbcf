package engine

import (
	"fmt"
	"os"

	"github.com/betongo/betongo/loader"
)

// handler does what a request asks for, and answers it (conn.answer), or
// returns why it can't be done, which is answered then. The handlers of a
// connection run one after another, in the order of the requests, in one
// goroutine; c.ctx ends with the connection. What it keeps for later requests
// belongs in a member of conn, and what that needs in the end in conn.end.
type handler func(c *conn, r *request) error

// handlers are what can be asked for.
var handlers = map[string]handler{
	"hello":  (*conn).hello,
	"images": (*conn).images,
	"verify": (*conn).verify,

	"loader": (*conn).loader,
	"epoch":  (*conn).epoch,
	"get":    (*conn).get,
	"replay": (*conn).replay,

	"open":    (*conn).open,
	"samples": (*conn).samples,
	"ranges":  (*conn).ranges,
	"entries": (*conn).entries,
	"key":     (*conn).key,
	"find":    (*conn).find,

	"write":   (*conn).write,
	"feed":    (*conn).feed,
	"part":    (*conn).fedTooLate,
	"free":    (*conn).fedTooLate,
	"fail":    (*conn).fedTooLate,
	"merge":   (*conn).merge,
	"picture": (*conn).picture,
}

// urgent are those that don't wait for an epoch's end, nor for anything else: the
// reader's goroutine does them.
var urgent = map[string]handler{
	"stop":  (*conn).stop,
	"state": (*conn).state,
	"stats": (*conn).stats,
}

type helloRequest struct {
	Do       string `json:"do"`
	Protocol int    `json:"protocol"`
	Version  string `json:"version"`
	PID      int    `json:"pid"`
}

type helloAnswer struct {
	Protocol      int    `json:"protocol"`
	Version       string `json:"version"`
	StreamVersion int    `json:"stream_version"`
	OrderVersion  int    `json:"order_version"`
	PID           int    `json:"pid"`
}

// hello is the first request of a connection.
func (c *conn) hello(r *request) error {
	var q helloRequest
	if err := r.decode(&q); err != nil {
		return err
	}
	if q.Protocol != Protocol {
		return &protocolError{fmt.Sprintf("the client %s speaks protocol %d, the engine %s speaks protocol %d", q.Version, q.Protocol, Version, Protocol)}
	}
	c.greeted = true
	return c.answer(helloAnswer{Protocol, Version, loader.StreamVersion, loader.OrderVersion, os.Getpid()}, nil)
}
