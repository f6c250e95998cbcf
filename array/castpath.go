package array

// kernel is a cast that there is assembly for, where there is any: the name says
// what it makes of what.
type kernel uint8

const (
	kNone kernel = iota
	kWidenInt8to16
	kWidenInt8to32
	kWidenInt8to64
	kWidenInt16to32
	kWidenInt16to64
	kWidenInt32to64
	kWidenUint8to16
	kWidenUint8to32
	kWidenUint8to64
	kWidenUint16to32
	kWidenUint16to64
	kWidenUint32to64
	kNarrow16to8
	kNarrow32to16
	kNarrow32to8
	kNarrow64to32
	kNarrow64to16
	kNarrow64to8
	kInt8toFloat32
	kInt8toFloat64
	kInt16toFloat32
	kInt16toFloat64
	kUint8toFloat32
	kUint8toFloat64
	kUint16toFloat32
	kUint16toFloat64
	kInt32toFloat32
	kInt32toFloat64
	kUint32toFloat64
	kUint32toFloat32
	kInt64toFloat64
	kInt64toFloat32
	kFloat32toInt64
	kFloat64toInt64
	kFloat32toInt32
	kFloat64toInt32
	kFloat32to16
	kFloat32to8
	kFloat64to16
	kFloat64to8
	kFloat32toFloat64
	kFloat64toFloat32
	kFloat16toFloat32
	kFloat32toFloat16
	kBfloat16toFloat32
	kFloat32toBFloat16
	kTruth8
	kTruth16
	kTruth32
	kTruthFloat32
	kTruth64
	kTruthFloat64
	kReals64
	kSpread64
	kSwap16
	kSwap32
	kSwap64
	kCopy // integers of one size
)

// path is one kernel or two, with elements of mid bytes between them.
type path struct {
	first, second kernel
	mid           int
}

// paths are the casts between Go's types that go by kernels. Of floats to small
// integers the way is over int32, as x86-64 goes.
var paths = map[[2]DType]path{
	{Int8, Int16}:      {kWidenInt8to16, kNone, 0},
	{Int8, Int32}:      {kWidenInt8to32, kNone, 0},
	{Int8, Int64}:      {kWidenInt8to64, kNone, 0},
	{Int8, Uint8}:      {kCopy, kNone, 0},
	{Int8, Uint16}:     {kWidenInt8to16, kNone, 0},
	{Int8, Uint32}:     {kWidenInt8to32, kNone, 0},
	{Int8, Uint64}:     {kWidenInt8to64, kNone, 0},
	{Int8, Bool}:       {kTruth8, kNone, 0},
	{Int8, Float32}:    {kInt8toFloat32, kNone, 0},
	{Int8, Float64}:    {kInt8toFloat64, kNone, 0},
	{Int16, Int8}:      {kNarrow16to8, kNone, 0},
	{Int16, Int32}:     {kWidenInt16to32, kNone, 0},
	{Int16, Int64}:     {kWidenInt16to64, kNone, 0},
	{Int16, Uint8}:     {kNarrow16to8, kNone, 0},
	{Int16, Uint16}:    {kCopy, kNone, 0},
	{Int16, Uint32}:    {kWidenInt16to32, kNone, 0},
	{Int16, Uint64}:    {kWidenInt16to64, kNone, 0},
	{Int16, Bool}:      {kTruth16, kNone, 0},
	{Int16, Float32}:   {kInt16toFloat32, kNone, 0},
	{Int16, Float64}:   {kInt16toFloat64, kNone, 0},
	{Int32, Int8}:      {kNarrow32to8, kNone, 0},
	{Int32, Int16}:     {kNarrow32to16, kNone, 0},
	{Int32, Int64}:     {kWidenInt32to64, kNone, 0},
	{Int32, Uint8}:     {kNarrow32to8, kNone, 0},
	{Int32, Uint16}:    {kNarrow32to16, kNone, 0},
	{Int32, Uint32}:    {kCopy, kNone, 0},
	{Int32, Uint64}:    {kWidenInt32to64, kNone, 0},
	{Int32, Bool}:      {kTruth32, kNone, 0},
	{Int32, Float32}:   {kInt32toFloat32, kNone, 0},
	{Int32, Float64}:   {kInt32toFloat64, kNone, 0},
	{Int64, Int8}:      {kNarrow64to8, kNone, 0},
	{Int64, Int16}:     {kNarrow64to16, kNone, 0},
	{Int64, Int32}:     {kNarrow64to32, kNone, 0},
	{Int64, Uint8}:     {kNarrow64to8, kNone, 0},
	{Int64, Uint16}:    {kNarrow64to16, kNone, 0},
	{Int64, Uint32}:    {kNarrow64to32, kNone, 0},
	{Int64, Uint64}:    {kCopy, kNone, 0},
	{Int64, Bool}:      {kTruth64, kNone, 0},
	{Int64, Float32}:   {kInt64toFloat32, kNone, 0},
	{Int64, Float64}:   {kInt64toFloat64, kNone, 0},
	{Uint8, Int8}:      {kCopy, kNone, 0},
	{Uint8, Int16}:     {kWidenUint8to16, kNone, 0},
	{Uint8, Int32}:     {kWidenUint8to32, kNone, 0},
	{Uint8, Int64}:     {kWidenUint8to64, kNone, 0},
	{Uint8, Uint16}:    {kWidenUint8to16, kNone, 0},
	{Uint8, Uint32}:    {kWidenUint8to32, kNone, 0},
	{Uint8, Uint64}:    {kWidenUint8to64, kNone, 0},
	{Uint8, Bool}:      {kTruth8, kNone, 0},
	{Uint8, Float32}:   {kUint8toFloat32, kNone, 0},
	{Uint8, Float64}:   {kUint8toFloat64, kNone, 0},
	{Uint16, Int8}:     {kNarrow16to8, kNone, 0},
	{Uint16, Int16}:    {kCopy, kNone, 0},
	{Uint16, Int32}:    {kWidenUint16to32, kNone, 0},
	{Uint16, Int64}:    {kWidenUint16to64, kNone, 0},
	{Uint16, Uint8}:    {kNarrow16to8, kNone, 0},
	{Uint16, Uint32}:   {kWidenUint16to32, kNone, 0},
	{Uint16, Uint64}:   {kWidenUint16to64, kNone, 0},
	{Uint16, Bool}:     {kTruth16, kNone, 0},
	{Uint16, Float32}:  {kUint16toFloat32, kNone, 0},
	{Uint16, Float64}:  {kUint16toFloat64, kNone, 0},
	{Uint32, Int8}:     {kNarrow32to8, kNone, 0},
	{Uint32, Int16}:    {kNarrow32to16, kNone, 0},
	{Uint32, Int32}:    {kCopy, kNone, 0},
	{Uint32, Int64}:    {kWidenUint32to64, kNone, 0},
	{Uint32, Uint8}:    {kNarrow32to8, kNone, 0},
	{Uint32, Uint16}:   {kNarrow32to16, kNone, 0},
	{Uint32, Uint64}:   {kWidenUint32to64, kNone, 0},
	{Uint32, Bool}:     {kTruth32, kNone, 0},
	{Uint32, Float32}:  {kUint32toFloat32, kNone, 0},
	{Uint32, Float64}:  {kUint32toFloat64, kNone, 0},
	{Uint64, Int8}:     {kNarrow64to8, kNone, 0},
	{Uint64, Int16}:    {kNarrow64to16, kNone, 0},
	{Uint64, Int32}:    {kNarrow64to32, kNone, 0},
	{Uint64, Int64}:    {kCopy, kNone, 0},
	{Uint64, Uint8}:    {kNarrow64to8, kNone, 0},
	{Uint64, Uint16}:   {kNarrow64to16, kNone, 0},
	{Uint64, Uint32}:   {kNarrow64to32, kNone, 0},
	{Uint64, Bool}:     {kTruth64, kNone, 0},
	{Float32, Bool}:    {kTruthFloat32, kNone, 0},
	{Float32, Int32}:   {kFloat32toInt32, kNone, 0},
	{Float32, Int8}:    {kFloat32to8, kNone, 0},
	{Float32, Int16}:   {kFloat32to16, kNone, 0},
	{Float32, Uint8}:   {kFloat32to8, kNone, 0},
	{Float32, Uint16}:  {kFloat32to16, kNone, 0},
	{Float32, Int64}:   {kFloat32toInt64, kNone, 0},
	{Float32, Uint32}:  {kFloat32toInt64, kNarrow64to32, 8},
	{Float64, Bool}:    {kTruthFloat64, kNone, 0},
	{Float64, Int32}:   {kFloat64toInt32, kNone, 0},
	{Float64, Int8}:    {kFloat64to8, kNone, 0},
	{Float64, Int16}:   {kFloat64to16, kNone, 0},
	{Float64, Uint8}:   {kFloat64to8, kNone, 0},
	{Float64, Uint16}:  {kFloat64to16, kNone, 0},
	{Float64, Int64}:   {kFloat64toInt64, kNone, 0},
	{Float64, Uint32}:  {kFloat64toInt64, kNarrow64to32, 8},
	{Float32, Float64}: {kFloat32toFloat64, kNone, 0},
	{Float64, Float32}: {kFloat64toFloat32, kNone, 0},
}

// between is how many elements lie between two kernels.
const between = 256

// vector returns a step that goes by kernels and leaves the last few elements to
// plain; nil where there are none.
func vector(from, to DType, plain step) step {
	p, ok := paths[[2]DType{from, to}]
	if !ok || !fast {
		return nil
	}
	in, out := from.ItemSize(), to.ItemSize()
	switch {
	case p.first == kCopy:
		return func(dst, src []byte, n int) { copy(dst[:n*out], src) }
	case p.second == kNone:
		return func(dst, src []byte, n int) {
			if k := lanes(p.first, dst, src, n); k < n {
				plain(dst[k*out:], src[k*in:], n-k)
			}
		}
	}
	mid := make([]byte, between*p.mid)
	return func(dst, src []byte, n int) {
		for n > 0 {
			k := lanes(p.first, mid, src, min(n, between))
			if k == 0 {
				plain(dst, src, n)
				return
			}
			lanes(p.second, dst, mid, k)
			dst, src, n = dst[k*out:], src[k*in:], n-k
		}
	}
}
