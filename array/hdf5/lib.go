package hdf5

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"unsafe"

	"github.com/ebitengine/purego"
)

// hid names an object of the library; negative ones are failures.
type hid = int64

// What H5.h and its like call the constants that are used here. They have
// never changed and are the same in all releases from 1.10 to 2.
const (
	fileReadOnly = 0
	fileWritable = 1
	fileTruncate = 2

	closeStrong = 3 // H5F_CLOSE_STRONG: everything in the file is closed with it

	idGroup   = 2 // H5I_type_t
	idDataset = 5

	linkHard = 0 // H5L_type_t
	linkSoft = 1

	spaceScalar = 0 // H5S_class_t
	spaceSimple = 1
	spaceNull   = 2
	selectSet   = 0

	flushGlobal = 1 // H5F_SCOPE_GLOBAL

	layoutCompact    = 0 // H5D_layout_t
	layoutContiguous = 1
	layoutChunked    = 2
	layoutVirtual    = 3

	fillByUser = 2 // H5D_fill_value_t
	fillNever  = 1 // H5D_fill_time_t
	allocEarly = 1 // H5D_alloc_time_t

	classInteger   = 0 // H5T_class_t
	classFloat     = 1
	classTime      = 2
	classString    = 3
	classBitfield  = 4
	classOpaque    = 5
	classCompound  = 6
	classReference = 7
	classEnum      = 8
	classVlen      = 9
	classArray     = 10
	classComplex   = 11 // since 2.0

	orderLittle = 0 // H5T_order_t
	orderBig    = 1

	normNone = 2 // H5T_norm_t: the first bit of the fraction is stored

	padNull  = 0 // H5T_STR_NULLTERM
	padZero  = 1 // H5T_STR_NULLPAD
	padSpace = 2 // H5T_STR_SPACEPAD

	charUTF8     = 1
	variableSize = ^uintptr(0) // H5T_VARIABLE

	filterDeflate    = 1 // H5Z_filter_t
	filterShuffle    = 2
	filterFletcher32 = 3
	filterSZip       = 4
	filterNBit       = 5
	filterScale      = 6
	filterLZF        = 32000

	addressUndefined = ^uint64(0) // HADDR_UNDEF

	iterateIncreasing = 0
	indexName         = 0
	walkDownward      = 1
	unlimited         = ^uint64(0) // H5S_UNLIMITED
)

// library is libhdf5: its functions under their own names, without the H5. The
// library isn't safe for concurrent use as a rule, so that each call is made
// within locked.
type library struct {
	path    string
	version [3]uint32
	mu      sync.Mutex

	open, dontAtexit func() int32
	getLibversion    func(major, minor, release *uint32) int32
	freeMemory       func(p unsafe.Pointer) int32

	Fopen   func(name string, flags uint32, fapl hid) hid
	Fcreate func(name string, flags uint32, fcpl, fapl hid) hid
	Fclose  func(id hid) int32
	Fflush  func(id hid, scope int32) int32

	Pcreate                    func(class hid) hid
	Pclose                     func(id hid) int32
	Pset_fclose_degree         func(id hid, degree int32) int32
	Pset_libver_bounds         func(id hid, low, high int32) int32
	Pset_alignment             func(id hid, threshold, alignment uint64) int32
	Pset_file_locking          func(id hid, use, ignoreDisabled bool) int32 // since 1.10.7; may be nil
	Pset_layout                func(id hid, layout int32) int32
	Pget_layout                func(id hid) int32
	Pset_chunk                 func(id hid, rank int32, dims *uint64) int32
	Pget_chunk                 func(id hid, rank int32, dims *uint64) int32
	Pset_deflate               func(id hid, level uint32) int32
	Pset_shuffle               func(id hid) int32
	Pset_fletcher32            func(id hid) int32
	Pset_fill_time             func(id hid, when int32) int32
	Pset_alloc_time            func(id hid, when int32) int32
	Pset_obj_track_times       func(id hid, track bool) int32
	Pset_char_encoding         func(id hid, encoding int32) int32
	Pget_chunk_opts            func(id hid, opts *uint32) int32 // may be nil
	Pget_nfilters              func(id hid) int32
	Pget_filter                func(id hid, i uint32, flags *uint32, n *uintptr, values *uint32, nameSize uintptr, name *byte, config *uint32) int32
	Pfill_value_defined        func(id hid, status *int32) int32
	Pget_fill_value            func(id hid, t hid, value unsafe.Pointer) int32
	Pget_external_count        func(id hid) int32
	Zfilter_avail              func(id int32) int32
	Dopen                      func(loc hid, name string, dapl hid) hid
	Dcreate                    func(loc hid, name string, t, space, lcpl, dcpl, dapl hid) hid
	Dclose                     func(id hid) int32
	Dget_space                 func(id hid) hid
	Dget_type                  func(id hid) hid
	Dget_create_plist          func(id hid) hid
	Dget_offset                func(id hid) uint64
	Dget_storage_size          func(id hid) uint64
	Dread                      func(id, mem, memSpace, fileSpace, dxpl hid, buf unsafe.Pointer) int32
	Dwrite                     func(id, mem, memSpace, fileSpace, dxpl hid, buf unsafe.Pointer) int32
	Dset_extent                func(id hid, dims *uint64) int32
	Dget_chunk_storage_size    func(id hid, at, size *uint64) int32
	Dread_chunk                func(id, dxpl hid, at *uint64, mask *uint32, buf unsafe.Pointer) int32
	Dwrite_chunk               func(id, dxpl hid, mask uint32, at *uint64, size uintptr, buf unsafe.Pointer) int32
	Dvlen_get_buf_size         func(id, t, space hid, size *uint64) int32
	Dvlen_reclaim              func(t, space, dxpl hid, buf unsafe.Pointer) int32
	Screate                    func(class int32) hid
	Screate_simple             func(rank int32, dims, most *uint64) hid
	Sclose                     func(id hid) int32
	Sget_simple_extent_type    func(id hid) int32
	Sget_simple_extent_ndims   func(id hid) int32
	Sget_simple_extent_dims    func(id hid, dims, most *uint64) int32
	Sselect_hyperslab          func(id hid, op int32, start, stride, count, block *uint64) int32
	Tcopy                      func(id hid) hid
	Tcreate                    func(class int32, size uintptr) hid
	Tclose                     func(id hid) int32
	Tget_class                 func(id hid) int32
	Tget_size                  func(id hid) uintptr
	Tget_order                 func(id hid) int32
	Tget_sign                  func(id hid) int32
	Tget_precision             func(id hid) uintptr
	Tget_offset                func(id hid) int32
	Tget_fields                func(id hid, sign, exp, expSize, man, manSize *uintptr) int32
	Tget_ebias                 func(id hid) uintptr
	Tset_norm                  func(id hid, norm int32) int32
	Tget_strpad                func(id hid) int32
	Tget_cset                  func(id hid) int32
	Tis_variable_str           func(id hid) int32
	Tget_nmembers              func(id hid) int32
	Tget_member_name           func(id hid, i uint32) unsafe.Pointer
	Tget_member_offset         func(id hid, i uint32) uintptr
	Tget_member_type           func(id hid, i uint32) hid
	Tget_member_value          func(id hid, i uint32, value unsafe.Pointer) int32
	Tget_super                 func(id hid) hid
	Tget_array_ndims           func(id hid) int32
	Tget_array_dims            func(id hid, dims *uint64) int32
	Tget_tag                   func(id hid) unsafe.Pointer
	Tset_size                  func(id hid, size uintptr) int32
	Tset_order                 func(id hid, order int32) int32
	Tset_precision             func(id hid, bits uintptr) int32
	Tset_fields                func(id hid, sign, exp, expSize, man, manSize uintptr) int32
	Tset_ebias                 func(id hid, bias uintptr) int32
	Tset_strpad                func(id hid, pad int32) int32
	Tset_cset                  func(id hid, cset int32) int32
	Tset_tag                   func(id hid, tag string) int32
	Tinsert                    func(id hid, name string, offset uintptr, member hid) int32
	Tarray_create              func(base hid, rank uint32, dims *uint64) hid
	Tenum_create               func(base hid) hid
	Tenum_insert               func(id hid, name string, value unsafe.Pointer) int32
	Gcreate                    func(loc hid, name string, lcpl, gcpl, gapl hid) hid
	Oopen                      func(loc hid, name string, lapl hid) hid
	Oclose                     func(id hid) int32
	Iget_type                  func(id hid) int32
	Lget_val                   func(loc hid, name string, buf unsafe.Pointer, size uintptr, lapl hid) int32
	Literate                   func(loc hid, index, order int32, at *uint64, op, data uintptr) int32
	Aopen                      func(loc hid, name string, aapl hid) hid
	Acreate                    func(loc hid, name string, t, space, acpl, aapl hid) hid
	Aclose                     func(id hid) int32
	Aexists                    func(loc hid, name string) int32
	Adelete                    func(loc hid, name string) int32
	Aget_space, Aget_type      func(id hid) hid
	Aread, Awrite              func(id, mem hid, buf unsafe.Pointer) int32
	Aiterate                   func(loc hid, index, order int32, at *uint64, op, data uintptr) int32
	Eset_auto                  func(stack hid, op, data uintptr) int32
	Ewalk                      func(stack hid, direction int32, op, data uintptr) int32
	Eclear                     func(stack hid) int32
	onLink, onAttr, onError    uintptr // the callbacks of this package
	classFile, classLink       hid     // H5P_FILE_ACCESS, H5P_LINK_CREATE
	classData                  hid     // H5P_DATASET_CREATE
	classGroup                 hid     // H5P_GROUP_CREATE
	classFileCreate, classAttr hid     // H5P_FILE_CREATE, H5P_ATTRIBUTE_CREATE
	ints                       [8]hid  // I8 I16 I32 I64 U8 U16 U32 U64, little-endian
	float32s, float64s, cstr   hid
}

// symbol is a name in the library; the first that is there counts.
type symbol struct {
	fn    any
	names []string
	spare bool // may be missing
}

func (l *library) symbols() []symbol {
	must := func(fn any, names ...string) symbol { return symbol{fn, names, false} }
	return []symbol{
		must(&l.open, "H5open"), must(&l.dontAtexit, "H5dont_atexit"), must(&l.getLibversion, "H5get_libversion"), must(&l.freeMemory, "H5free_memory"),
		must(&l.Fopen, "H5Fopen"), must(&l.Fcreate, "H5Fcreate"), must(&l.Fclose, "H5Fclose"), must(&l.Fflush, "H5Fflush"),
		must(&l.Pcreate, "H5Pcreate"), must(&l.Pclose, "H5Pclose"), must(&l.Pset_fclose_degree, "H5Pset_fclose_degree"),
		must(&l.Pset_libver_bounds, "H5Pset_libver_bounds"), must(&l.Pset_alignment, "H5Pset_alignment"), {&l.Pset_file_locking, []string{"H5Pset_file_locking"}, true},
		must(&l.Pset_layout, "H5Pset_layout"), must(&l.Pget_layout, "H5Pget_layout"), must(&l.Pset_chunk, "H5Pset_chunk"), must(&l.Pget_chunk, "H5Pget_chunk"),
		{&l.Pget_chunk_opts, []string{"H5Pget_chunk_opts"}, true},
		must(&l.Pset_deflate, "H5Pset_deflate"), must(&l.Pset_shuffle, "H5Pset_shuffle"), must(&l.Pset_fletcher32, "H5Pset_fletcher32"),
		must(&l.Pset_fill_time, "H5Pset_fill_time"), must(&l.Pset_alloc_time, "H5Pset_alloc_time"), must(&l.Pset_obj_track_times, "H5Pset_obj_track_times"),
		must(&l.Pset_char_encoding, "H5Pset_char_encoding"),

		must(&l.Pget_nfilters, "H5Pget_nfilters"), must(&l.Pget_filter, "H5Pget_filter2"), must(&l.Pfill_value_defined, "H5Pfill_value_defined"), must(&l.Pget_fill_value, "H5Pget_fill_value"),
		must(&l.Pget_external_count, "H5Pget_external_count"), must(&l.Zfilter_avail, "H5Zfilter_avail"),
		must(&l.Dopen, "H5Dopen2"), must(&l.Dcreate, "H5Dcreate2"), must(&l.Dclose, "H5Dclose"), must(&l.Dget_space, "H5Dget_space"), must(&l.Dget_type, "H5Dget_type"),
		must(&l.Dget_create_plist, "H5Dget_create_plist"), must(&l.Dget_offset, "H5Dget_offset"), must(&l.Dget_storage_size, "H5Dget_storage_size"), must(&l.Dread, "H5Dread"), must(&l.Dwrite, "H5Dwrite"),
		must(&l.Dset_extent, "H5Dset_extent"), must(&l.Dget_chunk_storage_size, "H5Dget_chunk_storage_size"),
		must(&l.Dread_chunk, "H5Dread_chunk1", "H5Dread_chunk"), must(&l.Dwrite_chunk, "H5Dwrite_chunk"),
		must(&l.Dvlen_get_buf_size, "H5Dvlen_get_buf_size"), must(&l.Dvlen_reclaim, "H5Treclaim", "H5Dvlen_reclaim"),
		must(&l.Screate, "H5Screate"), must(&l.Screate_simple, "H5Screate_simple"), must(&l.Sclose, "H5Sclose"),
		must(&l.Sget_simple_extent_type, "H5Sget_simple_extent_type"), must(&l.Sget_simple_extent_ndims, "H5Sget_simple_extent_ndims"),
		must(&l.Sget_simple_extent_dims, "H5Sget_simple_extent_dims"), must(&l.Sselect_hyperslab, "H5Sselect_hyperslab"),
		must(&l.Tcopy, "H5Tcopy"), must(&l.Tcreate, "H5Tcreate"), must(&l.Tclose, "H5Tclose"), must(&l.Tget_class, "H5Tget_class"), must(&l.Tget_size, "H5Tget_size"),
		must(&l.Tget_order, "H5Tget_order"), must(&l.Tget_sign, "H5Tget_sign"), must(&l.Tget_precision, "H5Tget_precision"), must(&l.Tget_offset, "H5Tget_offset"),
		must(&l.Tget_fields, "H5Tget_fields"), must(&l.Tget_ebias, "H5Tget_ebias"), must(&l.Tset_norm, "H5Tset_norm"), must(&l.Tget_strpad, "H5Tget_strpad"),
		must(&l.Tget_cset, "H5Tget_cset"), must(&l.Tis_variable_str, "H5Tis_variable_str"), must(&l.Tget_nmembers, "H5Tget_nmembers"),
		must(&l.Tget_member_name, "H5Tget_member_name"), must(&l.Tget_member_offset, "H5Tget_member_offset"), must(&l.Tget_member_type, "H5Tget_member_type"),
		must(&l.Tget_member_value, "H5Tget_member_value"), must(&l.Tget_super, "H5Tget_super"), must(&l.Tget_array_ndims, "H5Tget_array_ndims"),
		must(&l.Tget_array_dims, "H5Tget_array_dims2"), must(&l.Tget_tag, "H5Tget_tag"), must(&l.Tset_size, "H5Tset_size"), must(&l.Tset_order, "H5Tset_order"),
		must(&l.Tset_precision, "H5Tset_precision"), must(&l.Tset_fields, "H5Tset_fields"), must(&l.Tset_ebias, "H5Tset_ebias"), must(&l.Tset_strpad, "H5Tset_strpad"),
		must(&l.Tset_cset, "H5Tset_cset"), must(&l.Tset_tag, "H5Tset_tag"), must(&l.Tinsert, "H5Tinsert"), must(&l.Tarray_create, "H5Tarray_create2"),
		must(&l.Tenum_create, "H5Tenum_create"), must(&l.Tenum_insert, "H5Tenum_insert"),
		must(&l.Gcreate, "H5Gcreate2"), must(&l.Oopen, "H5Oopen"), must(&l.Oclose, "H5Oclose"), must(&l.Iget_type, "H5Iget_type"),
		must(&l.Lget_val, "H5Lget_val"), must(&l.Literate, "H5Literate2", "H5Literate1", "H5Literate"),
		must(&l.Aopen, "H5Aopen"), must(&l.Acreate, "H5Acreate2"), must(&l.Aclose, "H5Aclose"), must(&l.Aexists, "H5Aexists"), must(&l.Adelete, "H5Adelete"),
		must(&l.Aget_space, "H5Aget_space"), must(&l.Aget_type, "H5Aget_type"), must(&l.Aread, "H5Aread"), must(&l.Awrite, "H5Awrite"), must(&l.Aiterate, "H5Aiterate2"),
		must(&l.Eset_auto, "H5Eset_auto2"), must(&l.Ewalk, "H5Ewalk2"), must(&l.Eclear, "H5Eclear2"),
	}
}

// the library is loaded once, whatever Variable says later.
var loading = sync.OnceValues(func() (*library, error) { return load(runtime.GOOS, os.Getenv) })

// Version loads libhdf5, unless that is done, and tells its release, as
// "1.14.6", and what it was loaded from. The error is a *LibraryError.
func Version() (release, path string, err error) {
	l, err := loading()
	if err != nil {
		return "", "", err
	}
	return l.release(), l.path, nil
}

func (l *library) release() string {
	return fmt.Sprintf("%d.%d.%d", l.version[0], l.version[1], l.version[2])
}

// load tries one library after the other.
func load(system string, getenv func(string) string) (*library, error) {
	names, err := candidates(system, getenv)
	if err != nil {
		return nil, &LibraryError{Msg: Variable + ": " + err.Error()}
	}
	failed := &LibraryError{}
	for _, name := range names {
		l, opened, err := loadFrom(name)
		if err == nil {
			return l, nil
		}
		// A mere name that doesn't open isn't there, unless it is another's fault.
		if !opened && filepath.Base(name) == name && (system != "linux" || strings.HasPrefix(err.Error(), name+":")) {
			failed.Tried = append(failed.Tried, name)
			continue
		}
		failed.Unfit = append(failed.Unfit, name+": "+strings.TrimPrefix(err.Error(), name+": "))
	}
	return nil, failed
}

// loadFrom loads one; opened tells whether there is a library at all. One that
// doesn't fit stays loaded: what it began by itself needs it.
func loadFrom(name string) (l *library, opened bool, err error) {
	handle, err := dlopen(name)
	if err != nil {
		for _, other := range siblings(name) {
			_, _ = dlopen(other) // whether it helped shows next
		}
		handle, err = dlopen(name)
	}
	if err != nil {
		return nil, false, err
	}
	l = &library{path: name}
	return l, true, l.bind(handle)
}

// bind looks up the functions, starts the library and looks at its release.
func (l *library) bind(handle uintptr) error {
	for _, s := range l.symbols() {
		var at uintptr
		var err error
		for _, name := range s.names {
			if at, err = dlsym(handle, name); err == nil && at != 0 {
				break
			}
		}
		switch {
		case err == nil && at != 0:
			purego.RegisterFunc(s.fn, at)
		case !s.spare:
			return fmt.Errorf("it has no %s", s.names[len(s.names)-1])
		}
	}
	l.dontAtexit() // the first call of all; where others use the library it is too late, and no harm
	v := &l.version
	if l.getLibversion(&v[0], &v[1], &v[2]) < 0 {
		return errors.New("it doesn't tell its release")
	}
	if v[0] < 1 || v[0] == 1 && (v[1] < 10 || v[1] == 10 && v[2] < 3) {
		return fmt.Errorf("it is release %s, want 1.10.3 or later", l.release())
	}
	if l.open() < 0 {
		return errors.New("it doesn't start")
	}
	for _, global := range []struct {
		to   *hid
		name string
	}{
		{&l.classFile, "H5P_CLS_FILE_ACCESS_ID_g"}, {&l.classFileCreate, "H5P_CLS_FILE_CREATE_ID_g"}, {&l.classLink, "H5P_CLS_LINK_CREATE_ID_g"},
		{&l.classData, "H5P_CLS_DATASET_CREATE_ID_g"}, {&l.classGroup, "H5P_CLS_GROUP_CREATE_ID_g"},
		{&l.classAttr, "H5P_CLS_ATTRIBUTE_CREATE_ID_g"},
		{&l.ints[0], "H5T_STD_I8LE_g"}, {&l.ints[1], "H5T_STD_I16LE_g"}, {&l.ints[2], "H5T_STD_I32LE_g"}, {&l.ints[3], "H5T_STD_I64LE_g"},
		{&l.ints[4], "H5T_STD_U8LE_g"}, {&l.ints[5], "H5T_STD_U16LE_g"}, {&l.ints[6], "H5T_STD_U32LE_g"}, {&l.ints[7], "H5T_STD_U64LE_g"},
		{&l.float32s, "H5T_IEEE_F32LE_g"}, {&l.float64s, "H5T_IEEE_F64LE_g"}, {&l.cstr, "H5T_C_S1_g"},
	} {
		at, err := dlsym(handle, global.name)
		if err != nil || at == 0 {
			return fmt.Errorf("it has no %s", global.name)
		}
		*global.to = **(**hid)(unsafe.Pointer(&at))
	}
	// Three callbacks in all: a process can't have many, and gives none back.
	l.onLink, l.onAttr, l.onError = purego.NewCallback(noteLink), purego.NewCallback(noteAttr), purego.NewCallback(noteError)
	return nil
}

// locked makes do the only one that calls the library. The thread is kept:
// some builds have a stack of errors for each.
func (l *library) locked(do func() error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	l.Eset_auto(0, 0, 0) // nothing is printed
	return do()
}

// goString copies a string of C, of at most limit bytes.
func goString(p unsafe.Pointer, limit int) string {
	if p == nil {
		return ""
	}
	n := 0
	for n < limit && *(*byte)(unsafe.Add(p, n)) != 0 {
		n++
	}
	return string(unsafe.Slice((*byte)(p), n))
}
