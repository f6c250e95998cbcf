// Package engine is what the Python package runs: a process of its own that
// loads batches into shared memory, and writes files, for the program that
// started it.
//
// # Processes
//
// The program starts the engine with one end of a stream socket pair, the door,
// and sends connections through it: a message of the byte 'c' with one file
// descriptor, an end of another pair. Any process that has the door may do so.
// The engine ends when the door and all connections are closed, or at once when
// its context is done: the command ends it when the program that started it has
// died, however that died.
//
// # Frames
//
// Both sides send frames: two little-endian uint32 J and P, a JSON object of J
// bytes, a payload of P bytes. File descriptors come with a frame's first byte.
// A frame asks: {"do": name, …}, and is answered by {"ok": …} or {"error":
// {"kind": …, "message": …}}, in the order of the requests. The first one on a
// connection is hello:
//
//	{"do":"hello","protocol":1,"version":"0.1.0","pid":7}
//	{"ok":{"protocol":1,"version":"0.1.0","stream_version":1,"order_version":1,"pid":8}}
//
// What is no frame, or no request, ends the connection: an error of kind
// "protocol" says why, where the client still reads. So do more than
// maxQueued requests that were not answered yet. No client can do more than that:
// a connection has goroutines of its own, and what panics in a request is an
// error of kind "internal" there.
package engine

// Protocol is the version of the frames' meaning. A client of another one is
// refused.
const Protocol = 1

// Version is that of the package whose part the engine is.
const Version = "0.1.0"
