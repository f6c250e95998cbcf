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
//
// # Loaders
//
// A connection has at most one loader, which loaderRequest describes: names are
// those of loader.Options and loader.Output, operations {"op": the name of a type
// of package transform, …} with its fields, orders {"name": …} with theirs. Numbers
// of 8 bytes come in the payload: those of indices, then an order's weights where
// "weights" is their number.
//
//	{"do":"loader","paths":["train.beton"],"batch_size":256,"order":{"name":"random"},"seed":1,
//	 "outputs":[{"name":"image","decoder":{"op":"CenterCrop","width":224,"height":224}}]}
//	{"ok":{"batches":40,"samples":10000,"outputs":[{"name":"image","dtype":"|u1","shape":[224,224,3], …}], …}}
//
// An epoch is answered by how many batches it has, and then these are sent, as far
// as two ahead of what the client says that it has taken:
//
//	{"do":"epoch","epoch":0}
//	{"ok":{"batches":40,"outputs":[…]}}
//	{"b":17,"n":256,"o":[[segment,offset,rows,width],…],"fds":[[segment,size],…],"drop":[segment,…]}
//	…
//	{"end":true,"stopped":false,"stats":{…},"report":{…}}
//
// A batch's number counts on over all epochs of the connection. Each output has
// a place: its segment (-1 when it has no bytes), its offset there, its rows
// (items, of a ragged output) and, where it has no shape, their width. "fds" are
// segments that the client has not seen, whose descriptors come with the frame;
// "drop" are those that it will not see again. The payload is the samples' numbers,
// int64, then for each output in order lengths (one a row) or offsets (one more),
// as its description tells. An error takes the end's place.
//
// A client tells what it has taken of the epoch, and which batches, of any epoch,
// it is done with, in a frame without an object: uint32 each, the count first. Until
// then a batch's memory stays as it is, or as the client leaves it. When the
// connection closes it is the client's alone: what maps it keeps it.
//
// During an epoch the client may send stop, state and stats, whose answers come
// among the batches: {"state": …}, {"stats": …}, or an error that has "do" with their
// name. Without one it may ask for get, the batch of the samples in the payload, for
// replay, which is followed by such a batch, and, also on a connection without a
// loader, for images, whole pictures, and for verify: whether values are as their
// checksums say, which a loader with "verify":"first_read" asks itself.
//
// # Looking
//
// What is one file of the local disk clients map and read by themselves. Of
// anything else, several files or objects, a connection opens a dataset, and has it
// until it closes; "storage" says how objects are reached, also in a loader's description:
//
//	{"do":"open","paths":["s3://bucket/train-*.beton"],"memory":0,"storage":{"region":"us-east-1","environ":{…}}}
//	{"ok":{"name":…,"samples":10000,"page_size":8388608,"table":…,"classes":…,"identity":…}}, payload: field descriptors
//	{"do":"samples","ids":3,"fields":[0]}, payload: numbers -> {"ok":{"samples":3}}, payload: rows, sizes, stored bytes
//	{"do":"samples","from":0,"to":10000,"fields":[]} -> {"ok":{"samples":n}}: as many as fit, from the first on
//	{"do":"ranges","n":2}, payload: sample, pointer and size of each -> {"ok":{}}, payload: the bytes
//	{"do":"entries","from":0} -> {"ok":{}}, payload: the allocation table from there on, as much as fits
//	{"do":"key","sample":7} -> {"ok":{"key":…}}; {"do":"find","key":…} -> {"ok":{"sample":7}}, -1 for none
//
// images and verify without a path are about that dataset.
//
// Datasets are open once however many connections have them, as long as they are
// the same: an object that was replaced is another one, told by its version.
//
// # Two programs
//
// betongo-engine reads the local disk alone, and refuses URLs and indexes, which may
// name some. betongo-tools hands Serve what reaches objects, and further requests
// (More): it speaks the same protocol, and is the larger one by four fifths. A client
// asks it for what the first one can't do.
package engine

// Protocol is the version of the frames' meaning. A client of another one is
// refused.
const Protocol = 1

// Version is that of the package whose part the engine is.
const Version = "0.1.0"
