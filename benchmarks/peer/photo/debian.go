package photo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Packages are Debian's with photographs that are free to use.
var Packages = []string{"gnome-backgrounds", "lomiri-wallpapers", "lomiri-wallpapers-16.04", "lomiri-wallpapers-20.04", "mate-backgrounds",
	"plasma-workspace-wallpapers", "ukui-wallpapers"}

// Fetch downloads Packages with apt-get and unpacks them in a folder, neither of which needs root. It
// returns those that it got, with their versions, and an error only if there is none.
func Fetch(ctx context.Context, dir string) (got []string, err error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	var errs []error
	for _, name := range Packages {
		cmd := exec.CommandContext(ctx, "apt-get", "download", "-qq", name)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			errs = append(errs, fmt.Errorf("apt-get download %s: %w: %s", name, err, strings.TrimSpace(string(out))))
			continue
		}
		files, _ := filepath.Glob(filepath.Join(dir, name+"_*.deb"))
		for _, file := range files {
			if out, err := exec.CommandContext(ctx, "dpkg", "-x", file, filepath.Join(dir, name)).CombinedOutput(); err != nil {
				errs = append(errs, fmt.Errorf("dpkg -x %s: %w: %s", filepath.Base(file), err, strings.TrimSpace(string(out))))
				continue
			}
			_, version, _ := strings.Cut(strings.TrimSuffix(filepath.Base(file), ".deb"), "_")
			version, _, _ = strings.Cut(version, "_")
			got = append(got, name+" "+strings.ReplaceAll(version, "%3a", ":"))
			os.Remove(file)
		}
	}
	if len(got) == 0 {
		return nil, errors.Join(errs...)
	}
	return got, nil
}
