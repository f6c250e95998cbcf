package view

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/op"
	"github.com/betongo/betongo/loader"
)

const (
	mostPipeline = 64 << 10 // bytes of a pipeline's JSON
	mostSteps    = 32       // decoder and operations
	mostSide     = 8192     // pixels, of any setting that is a size
	mostShown    = 4 << 20  // pixels of a picture that is rendered
	mostDecoded  = 64 << 20 // pixels of a stored picture that is decoded here
	batchShown   = 8        // samples of the batch that a batch operation gets
)

var _ = register((*Server).playgroundRoutes)

func (s *Server) playgroundRoutes() []route {
	return []route{
		{"GET", "/api/ops", s.listOps},
		{"GET", "/api/playground/image", s.playgroundImage},
		{"POST", "/api/playground", s.playground},
	}
}

// step is a decoder or an operation as a page has it: the name of a type of
// package transform, and its settings. Those that are left out are as listOps has
// them.
type step struct {
	Op   string                     `json:"op"`
	Args map[string]json.RawMessage `json:"args,omitempty"`
}

// pipeline is a decoder and operations, for one field of pictures.
type pipeline struct {
	steps   []step
	values  []any // of the steps
	decoder any   // the first of them, if it is one; nil: the field's own
	ops     []any // the others
}

// parsePipeline reads a list of steps, a decoder first if there is one. What is
// wrong with a step is a statusError that says which: 422 with at, and param.
func parsePipeline(text []byte) (*pipeline, error) {
	p := &pipeline{}
	if len(text) > mostPipeline {
		return nil, badRequest("pipeline: %d bytes; expected up to %d", len(text), mostPipeline)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&p.steps); err != nil {
		return nil, badRequest(`pipeline: %w; expected a list such as [{"op":"CenterCrop","args":{"Width":224,"Height":224}}]`, err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, badRequest("pipeline: something stands behind the list")
	}
	if len(p.steps) > mostSteps {
		return nil, badRequest("pipeline: %d steps; expected up to %d", len(p.steps), mostSteps)
	}
	for i := range p.steps {
		v, err := op.New(p.steps[i].Op, p.steps[i].complete())
		if err == nil {
			err = shown(v)
		}
		if err != nil {
			return nil, wrongStep(i, p.steps[i].Op, err)
		}
		p.values = append(p.values, v)
	}
	p.ops = p.values
	if len(p.values) > 0 && decodes(p.values[0]) {
		p.decoder, p.ops = p.values[0], p.values[1:]
	}
	return p, nil
}

// decodes says whether a value makes pictures of stored ones.
func decodes(v any) bool {
	switch v.(type) {
	case loader.ImageDecoder, loader.RasterDecoder:
		return true
	}
	return false
}

// shown says why a decoder or operation is not one for the playground: what it
// gives is no picture, or would be too large a one.
func shown(v any) error {
	name := reflect.TypeOf(v).Name()
	switch v.(type) {
	case loader.Raw:
		return fmt.Errorf("%s gives a picture's bytes as they are stored, which a sample's page shows", name)
	case loader.RasterFollower, loader.ArrayFollower:
		return fmt.Errorf("%s lays a value out as another output's picture lies, and the playground has one output", name)
	}
	size := map[string]int{}
	for f, at := range reflect.VisibleFields(reflect.TypeOf(v)) {
		if n := reflect.ValueOf(v).Field(f); at.Type.Kind() == reflect.Int && slices.Contains([]string{"Width", "Height", "Size", "Padding", "Count"}, at.Name) {
			if size[at.Name] = int(n.Int()); size[at.Name] > mostSide {
				return &op.Error{Op: name, Param: at.Name, What: fmt.Sprintf("%s: %s %d; the playground takes up to %d", name, at.Name, n.Int(), mostSide)}
			}
		}
	}
	if w, h := size["Width"], size["Height"]; w > 0 && h > mostShown/w {
		return &op.Error{Op: name, Param: "Height", What: fmt.Sprintf("%s: %dx%d pixels; the playground shows up to %d", name, w, h, mostShown)}
	}
	return nil
}

// wrongStep is the error of a step.
func wrongStep(at int, name string, err error) error {
	e := errorf(http.StatusUnprocessableEntity, "%w", err)
	e.more = map[string]any{"at": at}
	var wrong *op.Error
	if errors.As(err, &wrong) && wrong.Param != "" {
		e.more["param"] = wrong.Param
	} else if param := paramIn(name, err.Error()); param != "" {
		e.more["param"] = param
	}
	return e
}

// paramIn is the setting of a step that its error's text names first, "" none.
func paramIn(name, text string) (param string) {
	t := op.Type(name)
	if t == nil {
		return ""
	}
	first := len(text)
	for _, f := range reflect.VisibleFields(t) {
		at := regexp.MustCompile(`\b` + f.Name + `\b`).FindStringIndex(text)
		if at != nil && at[0] < first {
			param, first = f.Name, at[0]
		}
	}
	return param
}

// mixes says whether an operation works on whole batches.
func (p *pipeline) mixes() bool {
	return slices.ContainsFunc(p.ops, func(v any) bool {
		_, ok := v.(loader.BatchOp)
		return ok
	})
}

// first is how many of the steps come before the operations.
func (p *pipeline) first() int { return len(p.values) - len(p.ops) }

// cut is the pipeline up to its first n operations.
func (p *pipeline) cut(n int) *pipeline {
	k := p.first() + n
	return &pipeline{steps: p.steps[:k], values: p.values[:k], decoder: p.decoder, ops: p.ops[:n]}
}

// playField returns the field of pictures of that name, "" being the first one.
func (s *Server) playField(name string) (int, error) {
	var list []string
	for k := range s.fields {
		if !isPicture(s.fields[k].Type, s.fields[k].Field) {
			continue
		}
		if name == "" || name == s.names[k] {
			return k, nil
		}
		list = append(list, strconv.Quote(s.names[k]))
	}
	if len(list) == 0 {
		return 0, errorf(http.StatusUnprocessableEntity, "%s has no field of pictures", s.ds.Name())
	}
	return 0, badRequest("no field of pictures is called %q; there is %s", name, strings.Join(list, ", "))
}

// isPicture says whether values are images or rasters.
func isPicture(id fields.TypeID, f fields.Field) bool {
	if id == fields.TypeRGBImage {
		return true
	}
	_, ok := f.(loader.RasterField)
	return ok
}

// player returns a loader that has a pipeline for a field, and no other output.
func (s *Server) player(p *pipeline, field int, seed uint64) (*loader.Loader, error) {
	name := s.fields[field].Name
	outputs := []loader.Output{{Name: name, Decoder: p.decoder, Ops: p.ops}}
	for k := range s.fields {
		other := s.fields[k].Name
		if !slices.ContainsFunc(outputs, func(o loader.Output) bool { return o.Name == other }) {
			outputs = append(outputs, loader.Output{Name: other, Disabled: true})
		}
	}
	return loader.New(s.ds, &loader.Options{BatchSize: batchShown, Workers: 1, Seed: seed, Outputs: outputs, MarksMemory: -1, MaxPixels: mostDecoded})
}

// blame finds the step that an error of the pipeline is of: the first one with
// which try fails. An error of the sample itself, which is damaged, stays what it
// is.
func (p *pipeline) blame(err error, try func(p *pipeline) error) error {
	for n := range len(p.ops) + 1 {
		e := try(p.cut(n))
		switch {
		case e == nil:
			continue
		case n > 0:
			at := p.first() + n - 1
			return wrongStep(at, p.steps[at].Op, innermost(e))
		case errors.As(e, new(*loader.SampleError)) || p.decoder == nil:
			return errorf(http.StatusUnprocessableEntity, "%w", e)
		}
		return wrongStep(0, p.steps[0].Op, innermost(e))
	}
	return err
}

// innermost is the cause of all: what a loader says around it is of the file, and
// counts operations from behind the decoder.
func innermost(err error) error {
	for {
		cause := errors.Unwrap(err)
		if cause == nil {
			return err
		}
		err = cause
	}
}

// playRequest is what the playground is asked about.
type playRequest struct {
	Pipeline json.RawMessage `json:"pipeline"`
	Field    string          `json:"field"` // "": the first one of pictures
	Sample   int             `json:"sample"`
	Seed     uint64          `json:"seed"`
}

// playAnswer tells of a pipeline.
type playAnswer struct {
	Field  string   `json:"field"`
	Shape  []int    `json:"shape"`
	DType  string   `json:"dtype"`
	Fused  string   `json:"fused"` // how the loader does it: what is one pass with the decoder
	Go     string   `json:"go"`
	Python string   `json:"python"`
	Notes  []string `json:"notes,omitempty"` // what is not the same in one of them
}

// playground binds a pipeline, makes the sample once, and writes it as code.
func (s *Server) playground(w http.ResponseWriter, r *http.Request) error {
	var q playRequest
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		return badRequest("the request is no JSON object: %w", err)
	}
	p, err := parsePipeline(q.Pipeline)
	if err != nil {
		return err
	}
	field, err := s.playField(q.Field)
	if err != nil {
		return err
	}
	if err := s.checkSample(q.Sample); err != nil {
		return err
	}
	done, err := s.busy(r.Context())
	if err != nil {
		return err
	}
	defer done()
	played, err := s.play(r.Context(), p, field, q.Sample, q.Seed)
	if err != nil {
		return err
	}
	a := playAnswer{Field: s.names[field], Shape: played.shape, DType: played.dtype, Fused: played.fused}
	a.Go, a.Python, a.Notes = s.code(p, field, q.Seed)
	return writeJSON(w, a)
}

// checkSample says whether there is a sample of that number.
func (s *Server) checkSample(i int) error {
	if n := s.ds.Len(); i < 0 || i >= n {
		return errorf(http.StatusNotFound, "sample %d; there are %d", i, n)
	}
	return nil
}

// playgroundImage answers with the picture that a loader of that seed gives for a
// sample in its epoch 0, and says in X-Drawn what was drawn for it.
func (s *Server) playgroundImage(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	sample, err := strconv.Atoi(query.Get("sample"))
	if err != nil {
		return badRequest("sample %q is no number", query.Get("sample"))
	}
	var seed uint64
	if text := query.Get("seed"); text != "" {
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			return badRequest("seed %q is no number from 0 to 2^64-1", text)
		}
	}
	if err := s.checkSample(sample); err != nil {
		return err
	}
	field, err := s.playField(query.Get("field"))
	if err != nil {
		return err
	}
	p, err := parsePipeline([]byte(query.Get("pipeline")))
	if err != nil {
		return err
	}
	key := fmt.Sprintf("play %d %d %d %s", sample, field, seed, query.Get("pipeline"))
	made, ok := s.pictures.get(key)
	if !ok {
		done, err := s.busy(r.Context())
		if err != nil {
			return err
		}
		defer done()
		played, err := s.play(r.Context(), p, field, sample, seed)
		if err != nil {
			return err
		}
		if made, err = played.png(); err != nil {
			return err
		}
		s.pictures.put(key, made)
	}
	drawn, picture := splitDrawn(made.data)
	w.Header().Set("X-Drawn", drawn)
	w.Header().Set("Content-Type", made.kind)
	w.Header().Set("Content-Length", strconv.Itoa(len(picture)))
	w.Write(picture) // an error is of a browser that has gone
	return nil
}

// joinDrawn puts what was drawn, one line of JSON, in front of the picture: they
// are kept together. splitDrawn takes them apart.
func joinDrawn(drawn string, picture []byte) []byte {
	return append([]byte(drawn+"\n"), picture...)
}

func splitDrawn(b []byte) (drawn string, picture []byte) {
	line, picture, _ := bytes.Cut(b, []byte("\n"))
	return string(line), picture
}

// plainName is a type's name without its package's.
func plainName(name string) string { return name[strings.LastIndex(name, ".")+1:] }
