package main

import (
	"bufio"
	"context"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

//go:embed ffcv_crop.py
var script string

// theirs is a Python process that crops with FFCV's own library.
type theirs struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	out   *bufio.Reader
	noise strings.Builder // what it says beside the crops
}

// startFFCV starts the process; close ends it. It runs in the system's folder
// for temporary files, where no folder named ffcv is taken for the library.
func startFFCV(ctx context.Context, python string, size int) (*theirs, error) {
	f := &theirs{cmd: exec.CommandContext(ctx, python, "-c", script, strconv.Itoa(size))}
	f.cmd.Dir = os.TempDir()
	f.cmd.Stderr = &f.noise
	in, err := f.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := f.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	f.in, f.out = in, bufio.NewReader(out)
	if err := f.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start FFCV: %w", err)
	}
	return f, nil
}

// crop renders a photo's box as FFCV does.
func (f *theirs) crop(dst []byte, p *photo) error {
	var head []byte
	for _, v := range []int{len(p.src.Data), p.src.Width, p.src.Height, p.box.X, p.box.Y, p.box.W, p.box.H} {
		head = binary.LittleEndian.AppendUint32(head, uint32(v))
	}
	_, err := f.in.Write(append(head, p.src.Data...))
	if err == nil {
		_, err = io.ReadFull(f.out, dst)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("ask FFCV for a crop: %w", err), f.close())
	}
	return nil
}

// close ends the process.
func (f *theirs) close() error {
	f.in.Close()
	if err := f.cmd.Wait(); err != nil && f.cmd.ProcessState != nil && !f.cmd.ProcessState.Success() {
		return fmt.Errorf("FFCV: %w\n%s", err, f.noise.String())
	}
	return nil
}
