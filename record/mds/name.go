package mds

import (
	"fmt"
	"strings"
)

// checkName refuses the name of a file that is not one beside the index, or below
// it.
func checkName(name string) error {
	bad := name == "" || strings.HasPrefix(name, "/") || strings.ContainsAny(name, "\\:\x00")
	for part := range strings.SplitSeq(name, "/") {
		bad = bad || part == "" || part == "." || part == ".."
	}
	if bad {
		return fmt.Errorf("file name %q: expected one beside the index", name)
	}
	return nil
}
