package npk

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/betongo/betongo/internal/aside"
)

var errBusy = errors.New("another editor has the pack open")

// journal says what is left to do of a change that counts already. Doing it
// twice is doing it once. Names are of files in the pack's folder itself, save
// for those of segments.
type journal struct {
	Version int    `json:"version"`
	Steps   []step `json:"steps"`
}

// step renames From to To, removes To, or copies a patch's pieces into To.
type step struct {
	Do   string `json:"do"` // "rename", "remove", "patch"
	From string `json:"from,omitempty"`
	To   string `json:"to"`
}

const (
	next         = ".next" // behind the names of files that a journal renames
	patchFile    = "npk.patch"
	patchHead    = 16 // of a piece, behind the name
	patience     = 5 * time.Second
	journalLimit = 64 << 20
)

// settle finishes a change that a process was killed in, which comes to
// nothing where there is none. While an Editor is at it, it is waited for.
func (p *pack) settle() error {
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		if _, err := p.root.Lstat(journalFile); errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		unlock, err := lock(p.root.Name())
		if err == nil {
			return errors.Join(p.recover(), unlock())
		}
		if !errors.Is(err, errBusy) || time.Now().After(end) {
			return fmt.Errorf("%s: a change was interrupted: %w", p.root.Name(), err)
		}
	}
}

// recover does what the journal says; the caller has the lock.
func (p *pack) recover() error {
	if _, err := p.root.Lstat(journalFile); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	b, err := readSmall(p.root, "", journalFile, journalLimit)
	if err != nil {
		return err
	}
	bad := func(format string, args ...any) error {
		return &FormatError{File: p.root.Name(), Part: journalFile, Offset: -1, Msg: fmt.Sprintf(format, args...)}
	}
	var j journal
	if err := json.Unmarshal(b, &j); err != nil {
		return bad("%v", err)
	}
	if j.Version != 1 {
		return bad("version %d, want 1", j.Version)
	}
	for i, s := range j.Steps {
		if s.From != "" {
			err = checkFile(s.From)
		}
		if err = errors.Join(err, checkFile(s.To), p.noLink(s.From), p.noLink(s.To)); err != nil {
			return bad("step %d: %v", i, err)
		}
		if from := strings.Contains(s.From, "/"); from || strings.Contains(s.To, "/") && s.Do != "patch" {
			return bad("step %d: the file is in a folder", i)
		}
		switch {
		case s.Do == "rename" && s.From == s.To+next:
		case s.Do == "remove" && strings.HasPrefix(s.To, "deleted_"):
		case s.Do == "patch" && s.From == patchFile:
		default:
			return bad("step %d: %+v", i, s)
		}
	}
	return p.apply(j.Steps)
}

// noLink refuses symbolic links on the way to a file.
func (p *pack) noLink(file string) error {
	for i := range file + "/" {
		if i < len(file) && file[i] != '/' || i == 0 {
			continue
		}
		info, err := p.root.Lstat(filepath.FromSlash(file[:i]))
		if err == nil && info.Mode()&fs.ModeSymlink != 0 {
			return fmt.Errorf("%s: a symbolic link, which an editor does not follow", p.path(file[:i]))
		}
	}
	return nil
}

// path is a file's own.
func (p *pack) path(file string) string {
	return filepath.Join(p.root.Name(), filepath.FromSlash(file))
}

// commit makes several steps one: behind the journal they count.
func (p *pack) commit(steps []step) error {
	b, err := json.Marshal(journal{Version: 1, Steps: steps})
	if err != nil {
		return err
	}
	if err := p.write(journalFile, b); err != nil {
		return err
	}
	return p.apply(steps)
}

// write puts a file in the pack, aside first.
func (p *pack) write(name string, b []byte) error {
	if err := p.noLink(name); err != nil {
		return err
	}
	return aside.WriteFile(p.path(name), b, true)
}

// apply does the steps and removes the journal.
func (p *pack) apply(steps []step) error {
	patched := map[string]bool{}
	for _, s := range steps {
		var err error
		switch s.Do {
		case "rename":
			err = os.Rename(p.path(s.From), p.path(s.To))
		case "remove":
			err = os.Remove(p.path(s.To))
		case "patch":
			patched[s.From] = true
			err = p.patch(s.From, s.To)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // else it is done already
			return err
		}
	}
	if err := syncDir(p.root.Name()); err != nil {
		return err
	}
	if err := os.Remove(p.path(journalFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for name := range patched {
		os.Remove(p.path(name)) // without a journal it is swept up
	}
	return syncDir(p.root.Name())
}

// patch copies the pieces for one file. A patch file is pieces, each a u16 and
// so many bytes of a file's name, u64 offset, u64 length, and the bytes.
func (p *pack) patch(from, to string) error {
	f, err := p.root.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	src := bufio.NewReaderSize(f, bufferBytes/4)
	dst, err := p.root.OpenFile(filepath.FromSlash(to), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer dst.Close()
	info, err := dst.Stat()
	if err != nil {
		return err
	}
	var head [patchHead]byte
	for {
		name, err := readName(src)
		if err == io.EOF {
			return dst.Sync()
		}
		if err != nil {
			return err
		}
		if _, err := io.ReadFull(src, head[:]); err != nil {
			return err
		}
		off, n := binary.LittleEndian.Uint64(head[:]), binary.LittleEndian.Uint64(head[8:])
		if size := uint64(info.Size()); name == to && (off > size || n > size-off) || n > 1<<62 {
			return &FormatError{File: p.root.Name(), Part: from, Offset: int64(min(off, math.MaxInt64)), Msg: fmt.Sprintf("%d bytes, in a file of %d", n, size)}
		}
		if name != to {
			if _, err := io.CopyN(io.Discard, src, int64(n)); err != nil {
				return err
			}
			continue
		}
		if _, err := io.CopyN(io.NewOffsetWriter(dst, int64(off)), src, int64(n)); err != nil {
			return err
		}
	}
}

func readName(r io.Reader) (string, error) {
	var n [2]byte
	if _, err := io.ReadFull(r, n[:]); err != nil {
		return "", err
	}
	name := make([]byte, binary.LittleEndian.Uint16(n[:]))
	if _, err := io.ReadFull(r, name); err != nil {
		return "", io.ErrUnexpectedEOF
	}
	return string(name), nil
}
