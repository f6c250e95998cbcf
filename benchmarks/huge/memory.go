package main

import (
	"bytes"
	"os"
	"strconv"
	"sync"
	"time"
)

// peak samples how much memory is the process's own: anonymous and shared, not
// pages of mapped files, which the system can take back.
type peak struct {
	quit, done chan struct{}
	once       sync.Once
	most       int64
}

// watch begins to sample; stop ends it.
func watch() *peak {
	p := &peak{quit: make(chan struct{}), done: make(chan struct{}), most: own()}
	go func() {
		defer close(p.done)
		if p.most < 0 {
			return
		}
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-p.quit:
				p.most = max(p.most, own())
				return
			case <-tick.C:
				p.most = max(p.most, own())
			}
		}
	}()
	return p
}

// stop returns the peak in bytes, -1 where the system doesn't tell. A second
// call returns the same.
func (p *peak) stop() int64 {
	p.once.Do(func() { close(p.quit) })
	<-p.done
	return p.most
}

func own() int64 {
	anon, shared := status("RssAnon:"), status("RssShmem:")
	if anon < 0 || shared < 0 {
		return -1
	}
	return anon + shared
}

// status reads one line of Linux's /proc/self/status in bytes, -1 if it can't.
func status(key string) int64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return -1
	}
	for line := range bytes.Lines(text) {
		words := bytes.Fields(line)
		if len(words) < 2 || string(words[0]) != key {
			continue
		}
		if n, err := strconv.ParseInt(string(words[1]), 10, 64); err == nil {
			return n << 10
		}
	}
	return -1
}
