package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"time"

	"github.com/betongo/betongo/internal/term"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/view"
)

type viewCommand struct {
	filesFlags
	memoryFlags
	Listen     string `default:"127.0.0.1:0" placeholder:"HOST:PORT" help:"The address to listen on (default 127.0.0.1:0: this machine alone, and a port that is free)."`
	NoOpen     bool   `help:"Don't open a browser."`
	Loader     string `complete:"file" placeholder:"FILE|URL" help:"Show the statistics of a loader that runs elsewhere and writes them into this file."`
	Quarantine string `complete:"file" placeholder:"FILE" help:"A list of samples that loaders leave alone, a number a line: they are marked."`
	JSON       bool   `name:"json" help:"Print JSON on standard output. It is one object with the page's address."`
}

// Validate is kong's hook.
func (c *viewCommand) Validate() error {
	if _, port, err := net.SplitHostPort(c.Listen); err != nil || port == "" {
		return fmt.Errorf("--listen %s: expected HOST:PORT, such as 127.0.0.1:8080", c.Listen)
	}
	if err := c.memoryFlags.set(&c.customFlags); err != nil {
		return err
	}
	return c.filesFlags.Validate()
}

const (
	headerTime  = 10 * time.Second // that a browser may take for a request's header
	idleTime    = 2 * time.Minute  // that a connection is kept without requests
	headerBytes = 32 << 10         // of a request's header
	endTime     = 3 * time.Second  // for answers that are under way when the server ends
)

// Run is kong's hook.
func (c *viewCommand) Run(e *env) error {
	ds, err := c.openWhole(e)
	if err != nil {
		return err
	}
	defer ds.Close()
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return term.WithHint(fmt.Errorf("--listen: %w", err), "port 0 takes one that is free")
	}
	defer listener.Close()
	opts := view.Options{Host: listener.Addr().String(), Loader: c.Loader, Store: c.opts}
	if c.Quarantine != "" {
		if opts.Quarantine, err = loader.QuarantineFile(c.Quarantine); err != nil {
			return err
		}
	}
	s, err := view.New(ds, &opts)
	if err != nil {
		return suggestVerifyIts(err)
	}
	at, ok := listener.Addr().(*net.TCPAddr)
	address := "http://" + reached(listener.Addr())
	if err := c.announce(e, address, s.Token(), ok && at.IP.IsLoopback()); err != nil {
		return errors.Join(err, s.Close())
	}
	if !c.NoOpen {
		browse(address + "/?token=" + s.Ticket())
	}
	return errors.Join(serve(e.ctx, listener, s.Handler()), s.Close())
}

// announce prints where the page is, which this machine alone may reach.
func (c *viewCommand) announce(e *env, address, token string, alone bool) error {
	if !alone {
		term.Say(e.stderr, prog, "warning", "others on the network can reach this address. The token keeps them out, but nothing is encrypted on the way.")
	}
	where := address + "/?token=" + token
	if c.JSON {
		enc := json.NewEncoder(e.stdout)
		enc.SetEscapeHTML(false)
		return enc.Encode(map[string]string{"url": where})
	}
	_, err := fmt.Fprintf(e.stdout, "%s\n", where)
	term.Say(e.stderr, prog, "note", "the page is there until this program is stopped (Ctrl-C)")
	return err
}

// reached is the address by which a browser on this machine reaches one that is
// listened on: that of all addresses of the machine is none itself.
func reached(a net.Addr) string {
	t, ok := a.(*net.TCPAddr)
	if !ok || !t.IP.IsUnspecified() {
		return a.String()
	}
	name, err := os.Hostname()
	if err != nil {
		name = "localhost"
	}
	return net.JoinHostPort(name, fmt.Sprint(t.Port))
}

// serve answers requests until ctx is done, which is no error: that is how the
// program is stopped.
func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: headerTime, IdleTimeout: idleTime, MaxHeaderBytes: headerBytes,
		ErrorLog: log.New(io.Discard, "", 0)} // what a browser does wrong is its own affair
	ended := make(chan error, 1)
	go func() { // ends with the server, whose end is waited for below
		ended <- server.Serve(listener)
	}()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	limited, cancel := context.WithTimeout(context.Background(), endTime)
	defer cancel()
	err := server.Shutdown(limited)
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close()
	}
	<-ended
	return err
}

// browse opens a page in the person's browser, if there is a screen for one. That
// it can't be opened is no error: the address has been printed.
func browse(url string) {
	var name string
	var args []string
	switch runtime.GOOS {
	case "darwin":
		name = "open"
	case "windows":
		name, args = "rundll32", []string{"url.dll,FileProtocolHandler"}
	default:
		if os.Getenv("DISPLAY") == "" && os.Getenv("WAYLAND_DISPLAY") == "" {
			return
		}
		name = "xdg-open"
	}
	cmd := exec.Command(name, append(args, url)...)
	if cmd.Start() == nil {
		go cmd.Wait() // it ends once the browser has the address
	}
}
