package npk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/internal/mmap"
	"github.com/betongo/betongo/internal/regular"
)

// table is an array of a pack.
type table struct {
	record
	parts []part
	dead  *bitmap // nil where all rows are left

	// An Editor's: whether the metadata on disk don't tell of the array yet, and
	// the parts as they do.
	fresh   bool
	counted []part
	patch   map[int][]byte // rows that were replaced and aren't in the files yet
}

// left is the number of rows that count.
func (t *table) left() int {
	if t.dead != nil {
		return t.dead.left
	}
	return t.rows()
}

// spec is that of n of its rows.
func (t *table) spec(n int) array.Spec {
	return array.Spec{DType: t.dtype, Shape: append([]int{n}, t.shape[1:]...)}
}

func (t *table) member() array.Member {
	return array.Member{Name: t.name, Spec: t.spec(t.left())}
}

// pack is what File and Editor share: the folder and its arrays.
type pack struct {
	root *os.Root

	mu     sync.Mutex
	tables []*table
	maps   map[string]*mmap.Map // by file
	old    []*mmap.Map          // of files that were changed, still borrowed
	closed bool
}

func openPack(path string) (*pack, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	return &pack{root: root, maps: map[string]*mmap.Map{}}, nil
}

// load reads metadata, lists of segments and bitmaps, and compares the data
// files' sizes with them.
func (p *pack) load() error {
	b, err := readSmall(p.root, "", metaFile, metaLimit)
	if err != nil {
		return err
	}
	records, err := parseMeta(b)
	if err != nil {
		var m *metaError
		var u *array.UnsupportedError
		name := filepath.Join(p.root.Name(), metaFile)
		switch errors.As(err, &m); {
		case errors.As(err, &u):
			return fmt.Errorf("%s%w", array.Place(name, m.name, "", int64(m.off)), err)
		default:
			return &FormatError{File: p.root.Name(), Part: metaFile, Array: m.name, Offset: int64(m.off), Msg: err.Error()}
		}
	}
	for _, r := range records {
		t := &table{record: *r}
		if err := p.loadTable(t); err != nil {
			return err
		}
		p.tables = append(p.tables, t)
	}
	return p.apart()
}

// apart refuses arrays that share a file.
func (p *pack) apart() error {
	owner := map[string]*table{}
	for _, t := range p.tables {
		for _, f := range t.parts {
			if o := owner[f.file]; o != nil {
				return &FormatError{File: p.root.Name(), Part: metaFile, Array: t.name, Offset: -1, Msg: fmt.Sprintf("its file %q is one of array %q too", f.file, o.name)}
			}
			owner[f.file] = t
		}
	}
	return nil
}

func (p *pack) loadTable(t *table) error {
	bad := func(file string, format string, args ...any) error {
		return &FormatError{File: p.root.Name(), Part: file, Array: t.name, Offset: -1, Msg: fmt.Sprintf(format, args...)}
	}
	if err := errors.Join(checkName(t.name), checkFile(t.file)); err != nil {
		return bad(metaFile, "%v", err)
	}
	t.parts = []part{{file: t.file, rows: t.rows()}}
	if isSegmented(t.file) {
		b, err := readSmall(p.root, t.name, t.file, listLimit)
		if err != nil {
			return err
		}
		if t.parts, err = parseList(b, &t.record); err != nil {
			return bad(t.file, "segments: %v", err)
		}
	}
	for _, f := range t.parts {
		info, err := statRegular(p.root, t.name, f.file)
		if err != nil {
			return err
		}
		if want := int64(f.rows) * int64(t.row); info.Size() < want {
			return &FormatError{File: p.root.Name(), Part: f.file, Array: t.name, Offset: info.Size(), Msg: fmt.Sprintf("the file ends there, want %d bytes for %d rows of %v", want, f.rows, t.spec(t.rows()))}
		}
	}
	file := bitmapFile(t.name)
	if _, err := p.root.Lstat(file); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	b, err := readSmall(p.root, t.name, file, bitmapLimit)
	if err != nil {
		return err
	}
	if t.dead, err = parseBitmap(b, t.rows()); err != nil {
		return bad(file, "bitmap: %v", err)
	}
	return nil
}

func (p *pack) find(name string) (*table, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, fmt.Errorf("%s: %w", p.root.Name(), fs.ErrClosed)
	}
	for _, t := range p.tables {
		if t.name == name {
			return t, nil
		}
	}
	return nil, fmt.Errorf("%s: no array %q", p.root.Name(), name)
}

// members returns the arrays.
func (p *pack) members() []array.Member {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := make([]array.Member, len(p.tables))
	for i, t := range p.tables {
		list[i] = t.member()
	}
	return list
}

// bytes maps a part's rows.
func (p *pack) bytes(t *table, f part) ([]byte, error) {
	size := f.rows * t.row
	if size == 0 {
		return nil, nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, fmt.Errorf("%s: %w", p.root.Name(), fs.ErrClosed)
	}
	m := p.maps[f.file]
	if m == nil {
		file, err := regular.OpenIn(p.root, filepath.FromSlash(f.file))
		if err != nil {
			return nil, packError(p.root, t.name, f.file, err)
		}
		defer file.Close()
		if m, err = mmap.File(file); err != nil {
			return nil, err
		}
		p.maps[f.file] = m
	}
	b := m.Bytes()
	if len(b) < size {
		return nil, &FormatError{File: p.root.Name(), Part: f.file, Array: t.name, Offset: int64(len(b)), Msg: fmt.Sprintf("%d bytes, want %d", len(b), size)}
	}
	return b[:size:size], nil
}

// forget lets the next reader map a file again, which has changed.
func (p *pack) forget(file string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if m := p.maps[file]; m != nil {
		p.old = append(p.old, m)
		delete(p.maps, file)
	}
}

// close gives all maps back.
func (p *pack) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	p.closed = true
	var err error
	for _, m := range p.maps {
		err = errors.Join(err, m.Close())
	}
	for _, m := range p.old {
		err = errors.Join(err, m.Close())
	}
	return errors.Join(err, p.root.Close())
}

// array returns all rows: over the map where they lie together, else a copy.
func (p *pack) array(name string) (array.Strided, error) {
	t, err := p.find(name)
	if err != nil {
		return array.Strided{}, err
	}
	spec := t.spec(t.left())
	if len(t.parts) <= 1 && t.left() == t.rows() && len(t.patch) == 0 {
		var b []byte
		if len(t.parts) == 1 {
			if b, err = p.bytes(t, t.parts[0]); err != nil {
				return array.Strided{}, err
			}
		}
		a, err := array.New(spec, b)
		return a.Strided(), err
	}
	r := newReader(p, t)
	defer r.close()
	data := make([]byte, t.left()*t.row) // no more than the data files hold
	if err := r.read(data, t.left()); err != nil {
		return array.Strided{}, err
	}
	a, err := array.New(spec, data)
	return a.Strided(), err
}

// gather copies some rows, by their number among those that are left; negative
// ones count from the end.
func (p *pack) gather(name string, rows []int) (array.Array, error) {
	t, err := p.find(name)
	if err != nil {
		return array.Array{}, err
	}
	at, err := p.locate(t, rows)
	if err != nil {
		return array.Array{}, err
	}
	size, ok := times(len(rows), t.row)
	if !ok {
		return array.Array{}, fmt.Errorf("%s: array %q: %d rows of %d bytes", p.root.Name(), name, len(rows), t.row)
	}
	out := make([]byte, size)
	k := 0
	var b []byte
	for i, row := range at {
		if p := t.patch[row]; p != nil {
			copy(out[i*t.row:], p)
			continue
		}
		if f := t.parts; b == nil || row < f[k].start || row >= f[k].start+f[k].rows {
			k = t.part(row)
			if b, err = p.bytes(t, f[k]); err != nil {
				return array.Array{}, err
			}
		}
		lo := (row - t.parts[k].start) * t.row
		copy(out[i*t.row:(i+1)*t.row], b[lo:])
	}
	return array.New(t.spec(len(rows)), out)
}

// part returns which part a row lies in.
func (t *table) part(row int) int {
	k, _ := slices.BinarySearchFunc(t.parts, row, func(f part, row int) int {
		switch {
		case f.start+f.rows <= row:
			return -1
		case f.start > row:
			return 1
		}
		return 0
	})
	return k
}

// locate returns where rows lie in the data.
func (p *pack) locate(t *table, rows []int) ([]int, error) {
	p.mu.Lock()
	t.dead.rank()
	p.mu.Unlock()
	left := t.left()
	at := make([]int, len(rows))
	for i, row := range rows {
		if row < -left || row >= left {
			return nil, fmt.Errorf("%s: array %q: row %d, there are %d", p.root.Name(), t.name, row, left)
		}
		if row < 0 {
			row += left
		}
		at[i] = t.dead.find(row)
	}
	return at, nil
}

// reader reads the rows that are left from front to back.
type reader struct {
	p     *pack
	t     *table
	at    int // the next row, dropped ones included
	file  *os.File
	part  int // that file is
	block []byte
}

func newReader(p *pack, t *table) *reader { return &reader{p: p, t: t, part: -1} }

// maxGap is how many bytes of dropped rows are read with those around them
// rather than passed over.
const maxGap = 16 << 10

// read fills dst with the next n rows that are left, which there must be.
func (r *reader) read(dst []byte, n int) error {
	t := r.t
	for n > 0 {
		lo, run := t.dead.run(r.at, t.rows(), n)
		if run == 0 {
			return &FormatError{File: r.p.root.Name(), Part: bitmapFile(t.name), Array: t.name, Offset: -1, Msg: "fewer rows than the bitmap tells"}
		}
		if t.row == 0 {
			r.at, n = lo+run, n-run
			continue
		}
		if err := r.open(lo); err != nil {
			return err
		}
		f := t.parts[r.part]
		if end := f.start + f.rows; lo+run > end {
			run = end - lo
		}
		rows, err := r.piece(dst, f, lo, run, n)
		if err != nil {
			return err
		}
		dst, n = dst[rows*t.row:], n-rows
	}
	return nil
}

// piece reads a run of rows and, where it is short, those that follow it in
// the same file closely: with one read, from which they are copied.
func (r *reader) piece(dst []byte, f part, lo, run, most int) (rows int, err error) {
	t := r.t
	if run*t.row >= maxGap || run == most {
		r.at = lo + run
		return run, r.pread(dst[:run*t.row], lo, f)
	}
	end := lo + run // of what is read
	room := bufferBytes / 4 / t.row
	for rows = run; rows < most; {
		next, n := t.dead.run(end, t.rows(), most-rows)
		n = min(n, f.start+f.rows-next, lo+room-next)
		if n <= 0 || (next-end)*t.row > maxGap {
			break
		}
		rows, end = rows+n, next+n
	}
	if r.block == nil {
		r.block = make([]byte, bufferBytes/4)
	}
	size := (end - lo) * t.row
	if err := r.pread(r.block[:size], lo, f); err != nil {
		return 0, err
	}
	for at, left := lo, rows; left > 0; {
		from, n := t.dead.run(at, end, left)
		copy(dst, r.block[(from-lo)*t.row:(from-lo+n)*t.row])
		dst, at, left = dst[n*t.row:], from+n, left-n
	}
	r.at = end
	return rows, nil
}

func (r *reader) pread(dst []byte, row int, f part) error {
	off := int64(row-f.start) * int64(r.t.row)
	if n, err := r.file.ReadAt(dst, off); n < len(dst) {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return &FormatError{File: r.p.root.Name(), Part: f.file, Array: r.t.name, Offset: off + int64(n), Msg: err.Error()}
	}
	r.t.overlay(dst, row)
	return nil
}

// overlay copies rows that were replaced over those of the files, which begin
// with row.
func (t *table) overlay(dst []byte, row int) {
	n := len(dst) / t.row
	if len(t.patch) < n {
		for at, p := range t.patch {
			if at >= row && at < row+n {
				copy(dst[(at-row)*t.row:], p)
			}
		}
		return
	}
	for i := range n {
		if p := t.patch[row+i]; p != nil {
			copy(dst[i*t.row:], p)
		}
	}
}

// open opens the file that a row lies in.
func (r *reader) open(row int) error {
	k := r.part
	if k >= 0 && row >= r.t.parts[k].start && row < r.t.parts[k].start+r.t.parts[k].rows {
		return nil
	}
	r.close()
	k = r.t.part(row)
	f, err := r.p.root.Open(filepath.FromSlash(r.t.parts[k].file))
	if err != nil {
		return packError(r.p.root, r.t.name, r.t.parts[k].file, err)
	}
	r.file, r.part = f, k
	return nil
}

func (r *reader) close() error {
	if r.file == nil {
		return nil
	}
	err := r.file.Close()
	r.file, r.part = nil, -1
	return err
}

// stream gives the rows that are left. Of small chunks it reads several at a
// time.
type stream struct {
	r      *reader
	left   int        // rows to give
	most   int        // rows at a time
	ahead  int        // rows to read at a time, a multiple of most or all
	spec   array.Spec // of the last chunk
	buf    []byte
	ready  []byte // of buf, what was read and not given
	closed bool
}

// readAhead is how many bytes a stream reads at least.
const readAhead = 128 << 10

// stream begins a stream of most rows at a time, or of chunk bytes.
func (p *pack) stream(name string, chunk, most int) (array.Stream, error) {
	t, err := p.find(name)
	if err != nil {
		return nil, err
	}
	if most == 0 {
		if chunk <= 0 {
			chunk = array.DefaultChunk
		}
		most = max(1, chunk/max(t.row, 1))
		if t.row == 0 {
			most = max(1, t.left())
		}
	}
	c := *t
	c.dead, c.patch = t.dead.clone(), maps.Clone(t.patch) // an Editor's may change
	s := &stream{r: newReader(p, &c), left: t.left(), most: min(most, max(t.left(), 1))}
	s.ahead = s.most * max(1, readAhead/max(t.row, 1)/s.most)
	return s, nil
}

// Next returns the next rows.
func (s *stream) Next() (array.Array, error) {
	t := s.r.t
	if s.closed || s.r.p.isClosed() {
		return array.Array{}, fmt.Errorf("%s: array %q: the stream is closed", s.r.p.root.Name(), t.name)
	}
	if s.left == 0 {
		return array.Array{}, io.EOF
	}
	n := min(s.left, s.most)
	if len(s.ready) == 0 && t.row > 0 {
		size := min(s.left, s.ahead) * t.row // no more than the data files hold
		if s.buf == nil {
			s.buf = make([]byte, size)
		}
		if err := s.r.read(s.buf[:size], size/t.row); err != nil {
			return array.Array{}, err
		}
		s.ready = s.buf[:size]
	}
	if len(s.spec.Shape) == 0 || s.spec.Shape[0] != n {
		s.spec = t.spec(n)
	}
	size := n * t.row
	a := array.Array{Spec: s.spec, Data: s.ready[:size:size]}
	s.ready, s.left = s.ready[size:], s.left-n
	return a, nil
}

// Extents tells whether the rows lie in the files as they count.
func (s *stream) Extents() bool {
	t := s.r.t
	return t.dead == nil && len(t.patch) == 0 && t.row > 0 && len(s.ready) == 0
}

// NextExtent tells where the next rows lie.
func (s *stream) NextExtent(bytes int) (array.Extent, error) {
	t := s.r.t
	if s.closed || s.r.p.isClosed() {
		return array.Extent{}, fmt.Errorf("%s: array %q: the stream is closed", s.r.p.root.Name(), t.name)
	}
	if s.left == 0 {
		return array.Extent{}, io.EOF
	}
	if err := s.r.open(s.r.at); err != nil {
		return array.Extent{}, err
	}
	f := t.parts[s.r.part]
	n := min(s.left, max(1, bytes/t.row), f.start+f.rows-s.r.at)
	e := array.Extent{Spec: t.spec(n), File: s.r.file, Offset: int64(s.r.at-f.start) * int64(t.row)}
	s.r.at, s.left = s.r.at+n, s.left-n
	return e, nil
}

// Close ends the stream.
func (s *stream) Close() error {
	s.closed = true
	return s.r.close()
}

func (p *pack) isClosed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}
