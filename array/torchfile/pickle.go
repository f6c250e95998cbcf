package torchfile

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"unicode/utf8"
)

// Opcodes of pickle, protocols 2 to 5, and those of 1 that they use. The text
// opcodes of protocol 0, those that build instances, and EXT aren't served.
const (
	opMark, opStop, opPop, opPopMark, opDup      = '(', '.', '0', '1', '2'
	opBinfloat, opBinint, opBinint1              = 'G', 'J', 'K'
	opBinint2, opNone, opBinpersid               = 'M', 'N', 'Q'
	opReduce, opBinstring, opShortBinstring      = 'R', 'T', 'U'
	opBinunicode, opAppend, opBuild              = 'X', 'a', 'b'
	opGlobal, opEmptyDict, opAppends             = 'c', '}', 'e'
	opBinget, opLongBinget, opEmptyList          = 'h', 'j', ']'
	opBinput, opLongBinput, opSetitem            = 'q', 'r', 's'
	opTuple, opEmptyTuple, opSetitems            = 't', ')', 'u'
	opBinbytes, opShortBinbytes                  = 'B', 'C'
	opProto, opNewobj                            = 0x80, 0x81
	opTuple1, opTuple2, opTuple3                 = 0x85, 0x86, 0x87
	opTrue, opFalse, opLong1, opLong4            = 0x88, 0x89, 0x8a, 0x8b
	opShortBinunicode, opBinunicode8             = 0x8c, 0x8d
	opBinbytes8, opEmptySet, opAdditems          = 0x8e, 0x8f, 0x90
	opFrozenset, opStackGlobal, opMemoize        = 0x91, 0x93, 0x94
	opFrame, opBytearray8, maxProtocol           = 0x95, 0x96, 5
	maxName, maxLong                        uint = 4096, 4096 // bytes of a global's name, of a big number
)

// host gives a machine the objects that a pickle may ask for.
type host interface {
	// global returns what a name stands for, or an error.
	global(module, name string) (any, error)
	// call calls what global gave.
	call(fn any, args Tuple) (any, error)
	// persistent returns the object of an id.
	persistent(id any) (any, error)
	// build gives an object its state.
	build(obj, state any) error
}

// machine runs a pickle. Nothing that it does costs more than a fixed multiple
// of the bytes that it reads, and what it makes is counted against a budget.
type machine struct {
	b      []byte
	i      int
	host   host
	budget *budget
	stack  []any
	marks  []int
	memo   []any
	far    map[uint32]any // memo entries that weren't put in order
}

// budget is how many bytes objects may still take, roughly.
type budget struct{ left, all int64 }

func (b *budget) take(n int) error {
	if int64(n) > b.left {
		b.left = 0
		return fmt.Errorf("what the pickle makes takes more than %d bytes; MaxMemory may be raised", b.all)
	}
	b.left -= int64(n)
	return nil
}

// slotSize and objectSize are what a value and a container take, roughly.
const slotSize, objectSize = 16, 64

// brokenError says that a pickle isn't well-formed.
type brokenError string

func (e brokenError) Error() string { return string(e) }

func broken(format string, args ...any) error { return brokenError(fmt.Sprintf(format, args...)) }

// mark is what lies on the stack where MARK was.
type mark struct{}

// run reads one pickle from where the machine stands and returns its value.
func (m *machine) run() (v any, err error) {
	m.stack, m.marks, m.memo, m.far = m.stack[:0], m.marks[:0], nil, nil
	for {
		if m.i >= len(m.b) {
			return nil, broken("the pickle ends before its STOP")
		}
		op := m.b[m.i]
		at := m.i
		m.i++
		if op == opStop {
			v := m.pop(&err)
			return v, err
		}
		if err := m.step(op); err != nil {
			m.i = at
			return nil, err
		}
	}
}

// bytes borrows the next n bytes.
func (m *machine) bytes(n uint64, err *error) []byte {
	if *err != nil {
		return nil
	}
	if n > uint64(len(m.b)-m.i) {
		*err = broken("%d bytes are wanted, %d are left", n, len(m.b)-m.i)
		return nil
	}
	b := m.b[m.i : m.i+int(n)]
	m.i += int(n)
	return b
}

// number reads an unsigned number of n bytes.
func (m *machine) number(n int, err *error) uint64 {
	var b [8]byte
	copy(b[:], m.bytes(uint64(n), err))
	return binary.LittleEndian.Uint64(b[:])
}

func (m *machine) line(err *error) string {
	for n, c := range m.b[m.i:] {
		if uint(n) > maxName {
			break
		}
		if c == '\n' {
			s := string(m.b[m.i : m.i+n])
			m.i += n + 1
			return s
		}
	}
	*err = broken("a name without an end")
	return ""
}

func (m *machine) push(v any) { m.stack = append(m.stack, v) }

func (m *machine) pop(err *error) any {
	n := len(m.stack) - 1
	if n < 0 {
		if *err == nil {
			*err = broken("the stack is empty")
		}
		return nil
	}
	v := m.stack[n]
	if _, ok := v.(mark); ok {
		if *err == nil {
			*err = broken("a mark where a value belongs")
		}
		return nil
	}
	m.stack[n] = nil
	m.stack = m.stack[:n]
	return v
}

func (m *machine) top(err *error) any {
	v := m.pop(err)
	if *err == nil {
		m.push(v)
	}
	return v
}

// popMark returns what lies above the last mark, valid until the next push, and
// removes both.
func (m *machine) popMark(err *error) []any {
	n := len(m.marks) - 1
	if n < 0 {
		if *err == nil {
			*err = broken("no mark on the stack")
		}
		return nil
	}
	at := m.marks[n]
	m.marks = m.marks[:n]
	items := m.stack[at+1:]
	m.stack = m.stack[:at]
	return items
}

// step runs one opcode.
func (m *machine) step(op byte) (err error) {
	if err := m.budget.take(slotSize); err != nil {
		return err
	}
	switch op {
	case opProto:
		if v := m.number(1, &err); err == nil && v > maxProtocol {
			err = broken("protocol %d, want up to %d", v, maxProtocol)
		}
	case opFrame:
		m.number(8, &err) // a hint of how much to read at once
	case opMark:
		m.marks = append(m.marks, len(m.stack))
		m.push(mark{})
	case opPop:
		if n := len(m.marks) - 1; n >= 0 && m.marks[n] == len(m.stack)-1 {
			m.popMark(&err)
		} else {
			m.pop(&err)
		}
	case opPopMark:
		m.popMark(&err)
	case opDup:
		m.push(m.top(&err))
	case opNone:
		m.push(nil)
	case opTrue:
		m.push(true)
	case opFalse:
		m.push(false)
	case opBinint:
		m.push(int64(int32(m.number(4, &err))))
	case opBinint1:
		m.push(int64(m.number(1, &err)))
	case opBinint2:
		m.push(int64(m.number(2, &err)))
	case opLong1:
		m.long(m.number(1, &err), &err)
	case opLong4:
		m.long(m.number(4, &err), &err)
	case opBinfloat:
		var b [8]byte
		copy(b[:], m.bytes(8, &err))
		m.push(math.Float64frombits(binary.BigEndian.Uint64(b[:])))
	case opBinget:
		m.get(uint32(m.number(1, &err)), &err)
	case opLongBinget:
		m.get(uint32(m.number(4, &err)), &err)
	case opBinput:
		m.put(uint32(m.number(1, &err)), &err)
	case opLongBinput:
		m.put(uint32(m.number(4, &err)), &err)
	case opMemoize:
		m.put(uint32(len(m.memo)+len(m.far)), &err)
	case opGlobal, opStackGlobal, opReduce, opNewobj, opBuild, opBinpersid:
		err = m.object(op)
	default:
		if known, e := m.text(op); known {
			return e
		}
		return m.container(op)
	}
	return err
}

// long pushes a number in two's complement.
func (m *machine) long(n uint64, err *error) {
	if n > uint64(maxLong) && *err == nil {
		*err = broken("a number of %d bytes, more than %d", n, maxLong)
	}
	b := m.bytes(n, err)
	if *err != nil {
		return
	}
	if len(b) <= 8 {
		v := int64(0)
		for i, c := range b {
			v |= int64(c) << (8 * i)
		}
		if shift := 64 - 8*len(b); len(b) > 0 {
			v = v << shift >> shift
		}
		m.push(v)
		return
	}
	be := make([]byte, len(b))
	for i, c := range b {
		be[len(b)-1-i] = c
	}
	v := new(big.Int).SetBytes(be)
	if be[0]&0x80 != 0 {
		v.Sub(v, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	if v.IsInt64() {
		m.push(v.Int64())
		return
	}
	if *err = m.budget.take(objectSize + len(b)); *err == nil {
		m.push(v)
	}
}

func (m *machine) get(i uint32, err *error) {
	if *err != nil {
		return
	}
	if int64(i) < int64(len(m.memo)) {
		m.push(m.memo[i])
		return
	}
	v, ok := m.far[i]
	if !ok {
		*err = broken("memo %d was never put", i)
		return
	}
	m.push(v)
}

func (m *machine) put(i uint32, err *error) {
	v := m.top(err)
	switch {
	case *err != nil:
	case int64(i) < int64(len(m.memo)):
		m.memo[i] = v
	case int64(i) == int64(len(m.memo)) && m.far == nil:
		m.memo = append(m.memo, v)
	default:
		if *err = m.budget.take(objectSize); *err == nil {
			if m.far == nil {
				m.far = map[uint32]any{}
			}
			m.far[i] = v
		}
	}
}

// text runs the opcodes of strings and bytes.
func (m *machine) text(op byte) (known bool, err error) {
	width := 4
	switch op {
	case opShortBinunicode, opShortBinbytes, opShortBinstring:
		width = 1
	case opBinunicode8, opBinbytes8, opBytearray8:
		width = 8
	case opBinunicode, opBinbytes, opBinstring:
	default:
		return false, nil
	}
	n := m.number(width, &err)
	b := m.bytes(n, &err)
	if err == nil {
		err = m.budget.take(len(b))
	}
	if err != nil {
		return true, err
	}
	switch op {
	case opShortBinunicode, opBinunicode, opBinunicode8:
		m.push(string(b))
	case opBinstring, opShortBinstring: // Python 2's str: text, mostly
		if utf8.Valid(b) {
			m.push(string(b))
			break
		}
		fallthrough
	default:
		m.push(append([]byte{}, b...))
	}
	return true, nil
}

// container runs the opcodes of tuples, lists, dicts and sets.
func (m *machine) container(op byte) (err error) {
	if err := m.budget.take(objectSize); err != nil {
		return err
	}
	switch op {
	case opEmptyTuple:
		m.push(Tuple{})
	case opTuple1, opTuple2, opTuple3:
		t := make(Tuple, op-opTuple1+1)
		for i := len(t) - 1; i >= 0; i-- {
			t[i] = m.pop(&err)
		}
		m.push(t)
	case opTuple:
		m.push(append(Tuple{}, m.popMark(&err)...))
	case opEmptyList:
		m.push(&List{})
	case opEmptyDict:
		m.push(&Dict{})
	case opEmptySet:
		m.push(&Set{})
	case opFrozenset:
		m.push(&Set{Items: append([]any{}, m.popMark(&err)...)})
	case opAppend:
		v := m.pop(&err)
		if l, ok := m.top(&err).(*List); ok {
			l.Items = append(l.Items, v)
		} else if err == nil {
			err = broken("an element for what is no list")
		}
	case opAppends, opAdditems:
		items := m.popMark(&err)
		switch l := m.top(&err).(type) {
		case *List:
			l.Items = append(l.Items, items...)
		case *Set:
			l.Items = append(l.Items, items...)
		default:
			if err == nil {
				err = broken("elements for what is neither list nor set")
			}
		}
	case opSetitem:
		v := m.pop(&err)
		k := m.pop(&err)
		if err == nil {
			err = m.setItems([]any{k, v})
		}
	case opSetitems:
		if items := m.popMark(&err); err == nil {
			err = m.setItems(items)
		}
	default:
		return broken("opcode %#02x isn't one that is served", op)
	}
	return err
}

// setItems puts keys and values into the dict on the stack.
func (m *machine) setItems(items []any) (err error) {
	// The slice lies above the stack's top, which is only read here.
	d, ok := m.top(&err).(*Dict)
	switch {
	case err != nil:
		return err
	case !ok:
		return broken("entries for what is no dict")
	case len(items)%2 != 0:
		return broken("a key without a value")
	}
	if err := m.budget.take(len(items) * objectSize); err != nil {
		return err
	}
	for i := 0; i < len(items); i += 2 {
		if err := d.Set(items[i], items[i+1]); err != nil {
			return broken("a dict's key is a %T", items[i])
		}
	}
	return nil
}

// object runs the opcodes by which pickles reach for code.
func (m *machine) object(op byte) (err error) {
	var v any
	switch op {
	case opGlobal:
		module := m.line(&err)
		name := m.line(&err)
		if err == nil {
			v, err = m.host.global(module, name)
		}
	case opStackGlobal:
		name, ok := m.pop(&err).(string)
		module, ok2 := m.pop(&err).(string)
		if err == nil && (!ok || !ok2 || uint(len(name)) > maxName || uint(len(module)) > maxName) {
			err = broken("a global without a name")
		}
		if err == nil {
			v, err = m.host.global(module, name)
		}
	case opReduce, opNewobj:
		args, ok := m.pop(&err).(Tuple)
		fn := m.pop(&err)
		if err == nil && !ok {
			err = broken("a call without a tuple of arguments")
		}
		if err == nil {
			v, err = m.host.call(fn, args)
		}
	case opBinpersid:
		id := m.pop(&err)
		if err == nil {
			v, err = m.host.persistent(id)
		}
	case opBuild:
		state := m.pop(&err)
		if v = m.pop(&err); err == nil {
			err = m.host.build(v, state)
		}
	}
	if err == nil {
		err = m.budget.take(objectSize)
	}
	m.push(v)
	return err
}
