package source

import (
	"errors"
	"fmt"
	"strconv"

	"gopkg.in/yaml.v3"
)

// maxYAML is how many bytes a data.yaml may have.
const maxYAML = 4 << 20

// maxYOLOClasses bounds how many classes it names.
const maxYOLOClasses = 1 << 20

// yoloData is what a data.yaml says.
type yoloData struct {
	path    string
	splits  map[string][]string // nil: there is none
	classes []string
	points  bool
}

// parseYOLO reads a data.yaml.
func parseYOLO(text []byte) (d yoloData, err error) {
	var doc map[string]yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return d, err
	}
	if len(doc) == 0 {
		return d, errors.New("nothing in it; expected train, val and names")
	}
	for key, node := range doc {
		switch key {
		case "path":
			err = node.Decode(&d.path)
		case "names":
			d.classes, err = yoloNames(&node)
		case "kpt_shape":
			d.points = true
		case "train", "val", "test":
			var list []string
			if node.Kind == yaml.ScalarNode {
				var one string
				if err = node.Decode(&one); one != "" && node.Tag != "!!null" {
					list = []string{one}
				}
			} else {
				err = node.Decode(&list)
			}
			if d.splits == nil {
				d.splits = map[string][]string{}
			}
			if list != nil {
				d.splits[key] = list
			}
		}
		if err != nil {
			return d, fmt.Errorf("line %d: %s: %w", node.Line, key, err)
		}
	}
	return d, d.check(doc["nc"])
}

// check compares the number of classes with their names.
func (d *yoloData) check(nc yaml.Node) error {
	if nc.Kind == 0 {
		return nil
	}
	n := 0
	if err := nc.Decode(&n); err != nil {
		return fmt.Errorf("line %d: nc: %w", nc.Line, err)
	}
	if d.classes != nil && n != len(d.classes) {
		return fmt.Errorf("line %d: nc is %d, there are %d names", nc.Line, n, len(d.classes))
	}
	return nil
}

// yoloNames reads the names of classes: a list, or by their number.
func yoloNames(node *yaml.Node) ([]string, error) {
	if node.Kind == yaml.SequenceNode {
		var list []string
		err := node.Decode(&list)
		return list, err
	}
	var by map[string]string
	if err := node.Decode(&by); err != nil {
		return nil, err
	}
	if len(by) > maxYOLOClasses {
		return nil, fmt.Errorf("%d names", len(by))
	}
	list := make([]string, len(by))
	set := make([]bool, len(by))
	for key, name := range by {
		i, err := strconv.Atoi(key)
		if err != nil || i < 0 || i >= len(by) || set[i] {
			return nil, fmt.Errorf("class %q of %d; expected 0 to %d", key, len(by), len(by)-1)
		}
		list[i], set[i] = name, true
	}
	return list, nil
}
