package mmap

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"unsafe"
)

// live are the maps that are open: a fault tells an address, and people want a
// file.
var live struct {
	mu   sync.Mutex
	maps map[*Map]struct{}

	// Those closed last: on a fault's way up to who makes an error of it, what is
	// deferred may close the map.
	past [32]place
	next int
}

// place is where a file's bytes lie, or lay.
type place struct {
	base, end uintptr
	name      string
	size      int64
}

func (p *place) holds(at uintptr) bool { return at >= p.base && at < p.end }

// show adds the map to those that are open.
func (m *Map) show() {
	live.mu.Lock()
	defer live.mu.Unlock()
	if live.maps == nil {
		live.maps = map[*Map]struct{}{}
	}
	live.maps[m] = struct{}{}
}

func (m *Map) hide() {
	live.mu.Lock()
	defer live.mu.Unlock()
	delete(live.maps, m)
	live.past[live.next%len(live.past)] = m.place
	live.next++
}

// span is where bytes lie.
func span(b []byte) (base, end uintptr) {
	base = uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	return base, base + uintptr(len(b))
}

// Count counts the maps of files that are open, for tests.
func Count() int {
	live.mu.Lock()
	defer live.mu.Unlock()
	return len(live.maps)
}

// FaultError says that bytes of a map could not be had when they were touched.
type FaultError struct {
	Name   string // of the file; "" where the address is in no map of a file
	Offset int64  // of the byte; -1 with no Name
	Size   int64  // of the file when it was mapped
	Now    int64  // and of what has its name now; -1 where that can't be told
}

func (e *FaultError) Error() string {
	if e.Name == "" {
		return e.Reason()
	}
	return fmt.Sprintf("%s: byte %d: %s", e.Name, e.Offset, e.Reason())
}

// Reason is the error without the file and the byte.
func (e *FaultError) Reason() string {
	switch {
	case e.Name == "" || e.Now < 0:
		return "memory fault: the file was cut short while it was being read, or can't be read"
	case e.Now <= e.Offset:
		return fmt.Sprintf("memory fault: the file was cut short while it was being read: it had %d bytes, and has %d now", e.Size, e.Now)
	}
	return "memory fault: the disk or the server that has the file can't read it, or it was cut short for a moment"
}

// Fault returns what a recovered panic tells, nil where it is none of a memory
// fault.
func Fault(r any) *FaultError {
	if !IsFault(r) {
		return nil
	}
	e := &FaultError{Offset: -1, Now: -1}
	at := r.(interface{ Addr() uintptr }).Addr()
	if p := find(at); p.name != "" {
		e.Name, e.Offset, e.Size = p.name, int64(at-p.base), p.size
	}
	if e.Name != "" {
		if info, err := os.Stat(e.Name); err == nil {
			e.Now = info.Size()
		}
	}
	return e
}

// find returns the map that has, or last had, the address; one without a name
// for none.
func find(at uintptr) place {
	live.mu.Lock()
	defer live.mu.Unlock()
	for m := range live.maps {
		if m.holds(at) {
			return m.place
		}
	}
	for i := range live.past {
		if p := live.past[(live.next+len(live.past)-1-i)%len(live.past)]; p.holds(at) {
			return p
		}
	}
	return place{}
}

// Guard runs do, and returns a memory fault in it, on this goroutine, as a
// *FaultError.
func Guard(do func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			fault := Fault(r)
			if fault == nil {
				panic(r)
			}
			err = fault
		}
	}()
	return do()
}

// IsFault says whether a recovered panic is of a memory fault.
func IsFault(r any) bool {
	e, ok := r.(runtime.Error)
	if !ok {
		return false
	}
	_, ok = e.(interface{ Addr() uintptr })
	return ok
}

// Touch reads a byte of each page of b. It is for bytes of a map that are
// handed to code which a memory fault must not interrupt: C, and assembly with a
// frame whose pointers the collector doesn't know, which it ends the program
// for. A fault comes here instead.
func Touch(b []byte) {
	var sum byte
	for i := 0; i < len(b); i += touchStep {
		sum |= b[i]
	}
	if len(b) > 0 {
		sum |= b[len(b)-1]
	}
	touched.Store(uint32(sum))
}

// touchStep is the smallest page that there is.
const touchStep = 4096

// touched keeps the reads from being left out.
var touched atomic.Uint32
