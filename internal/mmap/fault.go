package mmap

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"unsafe"
)

// live are the maps that are open: a fault tells an address, and people want a
// file.
var live struct {
	mu   sync.Mutex
	maps map[*Map]struct{}
}

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
	live.mu.Lock()
	for m := range live.maps {
		if at >= m.base && at < m.end {
			e.Name, e.Offset, e.Size = m.name, int64(at-m.base), m.size
		}
	}
	live.mu.Unlock()
	if e.Name != "" {
		if info, err := os.Stat(e.Name); err == nil {
			e.Now = info.Size()
		}
	}
	return e
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
