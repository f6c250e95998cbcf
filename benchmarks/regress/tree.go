package regress

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// works is the folder of the works in a tree, with slashes.
const works = "benchmarks/regress/works"

// commit returns the full name of a commit.
func commit(ctx context.Context, root, name string) (string, error) {
	out, err := output(ctx, root, nil, "git", "rev-parse", "--verify", "--quiet", "--end-of-options", name+"^{commit}")
	if err != nil {
		return "", fmt.Errorf("find the commit %s: %w", name, err)
	}
	return strings.TrimSpace(string(out)), nil
}

// export writes a commit's files to a new folder. A work tree of git's would do
// too, but leave an entry in the repository when the program is killed.
func export(ctx context.Context, root, commit, to string) (err error) {
	top, err := output(ctx, root, nil, "git", "rev-parse", "--show-toplevel")
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "git", "archive", "--format=tar", commit)
	cmd.Dir = strings.TrimRight(string(top), "\r\n")
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	err = unpack(pipe, to)
	if err == nil {
		_, err = io.Copy(io.Discard, pipe) // what follows the archive's end
	} else {
		pipe.Close() // git ends by it
	}
	if werr := cmd.Wait(); err == nil && werr != nil {
		err = fmt.Errorf("%w: %s", werr, bytes.TrimSpace(complaint.Bytes()))
	}
	if err != nil {
		return fmt.Errorf("git archive %s: %w", commit, err)
	}
	return nil
}

// unpack writes the files and folders of an archive below a folder.
func unpack(r io.Reader, to string) error {
	archive := tar.NewReader(r)
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if !filepath.IsLocal(filepath.FromSlash(h.Name)) {
			return fmt.Errorf("%q leads out of the archive", h.Name)
		}
		name := filepath.Join(to, filepath.FromSlash(h.Name))
		switch h.Typeflag {
		case tar.TypeDir:
			err = os.MkdirAll(name, 0o777)
		case tar.TypeReg:
			err = unpackFile(name, archive)
		}
		if err != nil {
			return err
		}
	}
}

func unpackFile(name string, r io.Reader) (err error) {
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		return err
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = io.Copy(f, r)
	return err
}

// overlay gives the base's tree the works of head's.
func overlay(base, head string) error {
	to := filepath.Join(base, filepath.FromSlash(works))
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	from := filepath.Join(head, filepath.FromSlash(works))
	if _, err := os.Stat(from); err != nil {
		return fmt.Errorf("the commit to look at has no works: %w", err)
	}
	return os.CopyFS(to, os.DirFS(from))
}

// output runs a program and returns what it prints; its error has what it
// complained of.
func output(ctx context.Context, dir string, env []string, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	cmd.WaitDelay = 10 * time.Second // for what the program started and an interrupt left behind
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s: %w\n%s", path.Base(name), err, bytes.TrimSpace(complaint.Bytes()))
	}
	return out.Bytes(), nil
}
