package view

import "context"

// pageMap fills the buckets of a map.
type pageMap struct {
	l        *layout
	from, to int64
	buckets  []pageBucket
}

func newPageMap(l *layout, from, to, n int64) *pageMap {
	m := &pageMap{l: l, from: from, to: to, buckets: make([]pageBucket, n)}
	for b := range m.buckets {
		m.buckets[b] = pageBucket{From: m.begins(int64(b)), To: m.begins(int64(b) + 1), Fields: make([]int64, len(l.fields))}
	}
	return m
}

// begins is the first page of bucket b: pages are dealt as evenly as they can be.
func (m *pageMap) begins(b int64) int64 {
	pages, n := m.to-m.from, int64(len(m.buckets))
	each, more := pages/n, pages%n
	return m.from + b*each + min(b, more)
}

// bucketOf is the bucket of an offset, -1 of one outside.
func (m *pageMap) bucketOf(off int64) int {
	page := off / m.l.pageSize
	if page < m.from || page >= m.to {
		return -1
	}
	each, more := (m.to-m.from)/int64(len(m.buckets)), (m.to-m.from)%int64(len(m.buckets))
	at := page - m.from
	if at < more*(each+1) {
		return int(at / (each + 1))
	}
	return int(more + (at-more*(each+1))/each)
}

// fill reads all samples of a small file. Of a large one in which they lie in
// order it looks for those at the buckets' ends and draws some between; of one
// without order it draws samples of the whole.
func (m *pageMap) fill(ctx context.Context) error {
	n := m.l.f.Len()
	if n == 0 || len(m.buckets) == 0 {
		return nil
	}
	if n <= mostRead {
		return m.draw(ctx, n)
	}
	sorted, err := m.l.ordered(ctx)
	if err != nil {
		return err
	}
	if sorted {
		return m.bisect(ctx)
	}
	return m.draw(ctx, drawnRows)
}

// draw adds k samples, spread evenly over the file, each for as many as it stands
// for.
func (m *pageMap) draw(ctx context.Context, k int) error {
	n := m.l.f.Len()
	read := 0
	for j := range k {
		if j%256 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if j%256 == 255 && m.l.late() {
			break
		}
		if err := m.add(place(j, k, n)); err != nil {
			return err
		}
		read++
	}
	if read < n {
		m.weigh(float64(n) / float64(read))
	}
	return nil
}

// place is the j-th of k numbers below n, in an order that has few in the front
// spread as evenly as many: the reading may end early.
func place(j, k, n int) int {
	if k == n {
		return stride(j, n)
	}
	step, rest := n/k, n%k
	at := stride(j, k)
	return at*step + at*rest/k
}

// stride is the j-th of the numbers below n, each once: by steps of about the golden
// section.
func stride(j, n int) int {
	step := max(1, int(float64(n)*0.6180339887))
	for gcd(step, n) != 1 {
		step++
	}
	// j and step are below 2^27 here, so that their product is no overflow.
	return j * step % n
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// add adds a sample's values to the buckets that they lie in.
func (m *pageMap) add(i int) error {
	spans, err := m.l.sample(i)
	if err != nil || len(spans) == 0 {
		return err
	}
	first := spans[0].off
	for _, v := range spans {
		first = min(first, v.off)
		m.addSpan(v)
	}
	if b := m.bucketOf(first); b >= 0 {
		m.buckets[b].begin(m.l.base + i)
	}
	return nil
}

// begin counts a sample that begins in the bucket.
func (b *pageBucket) begin(number int) {
	b.Samples++
	if b.First == nil || number < *b.First {
		b.First = &number
	}
	if b.Last == nil || number > *b.Last {
		b.Last = &number
	}
}

func (m *pageMap) addSpan(v fieldSpan) {
	lo, hi := max(v.off, m.from*m.l.pageSize), min(v.off+v.size, m.to*m.l.pageSize)
	for lo < hi {
		b := &m.buckets[m.bucketOf(lo)]
		part := min(hi, b.To*m.l.pageSize) - lo
		b.Fields[v.field] += part
		lo += part
	}
}

// weigh multiplies all buckets: they are of a part of the samples.
func (m *pageMap) weigh(by float64) {
	for b := range m.buckets {
		m.buckets[b].weigh(by)
	}
}

func (b *pageBucket) weigh(by float64) {
	b.Estimated = true
	b.Samples = int64(float64(b.Samples)*by + 0.5)
	for k := range b.Fields {
		b.Fields[k] = int64(float64(b.Fields[k]) * by)
	}
}

// bucketRange is buckets whose first samples lie between two known ones.
type bucketRange struct{ lo, hi int }

// bisect finds the sample with which each bucket begins, the middle ones first, and
// adds some of those between.
func (m *pageMap) bisect(ctx context.Context) error {
	n := len(m.buckets)
	begins := make([]int, n+1)
	known := make([]bool, n+1)
	for _, b := range []int{0, n} {
		var err error
		if begins[b], err = m.l.search(0, m.l.f.Len(), m.begins(int64(b))*m.l.pageSize); err != nil {
			return err
		}
		known[b] = true
	}
	for queue := []bucketRange{{0, n}}; len(queue) > 0; queue = queue[1:] {
		r := queue[0]
		if r.hi-r.lo < 2 {
			continue
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		mid := (r.lo + r.hi) / 2
		lo, hi := begins[r.lo], max(begins[r.lo], begins[r.hi])
		if known[mid] = !m.l.late(); known[mid] {
			var err error
			if begins[mid], err = m.l.search(lo, hi, m.begins(int64(mid))*m.l.pageSize); err != nil {
				return err
			}
		} else { // as if samples lay evenly
			begins[mid] = lo + int(float64(hi-lo)*float64(mid-r.lo)/float64(r.hi-r.lo))
		}
		queue = append(queue, bucketRange{r.lo, mid}, bucketRange{mid, r.hi})
	}
	return m.between(ctx, begins, known)
}

// between fills buckets by samples that are drawn of those that begin in them.
func (m *pageMap) between(ctx context.Context, begins []int, known []bool) error {
	mean, read := make([]float64, len(m.l.fields)), 0
	drawn := make([]int, len(m.buckets))
	for b := range m.buckets {
		lo, hi := begins[b], max(begins[b], begins[b+1])
		if ctx.Err() != nil {
			return ctx.Err()
		}
		m.buckets[b].Samples = int64(hi - lo)
		if hi > lo {
			first, last := m.l.base+lo, m.l.base+hi-1
			m.buckets[b].First, m.buckets[b].Last = &first, &last
		}
		for k := range min(bucketDraw, hi-lo) {
			if b > 0 && m.l.late() {
				break
			}
			spans, err := m.l.sample(lo + k*(hi-lo)/min(bucketDraw, hi-lo))
			if err != nil {
				return err
			}
			for _, v := range spans {
				m.buckets[b].Fields[v.field] += v.size
				mean[v.field] += float64(v.size)
			}
			drawn[b]++
			read++
		}
	}
	for b := range m.buckets {
		k := &m.buckets[b]
		k.Estimated = int64(drawn[b]) < k.Samples || !known[b] || !known[b+1]
		for f := range k.Fields {
			switch {
			case drawn[b] > 0:
				k.Fields[f] = int64(float64(k.Fields[f]) / float64(drawn[b]) * float64(k.Samples))
			case read > 0:
				k.Fields[f] = int64(mean[f] / float64(read) * float64(k.Samples))
			}
		}
	}
	m.spill()
	return nil
}

// spill moves what a bucket has beyond its pages into the next ones: of values of
// several pages, which are all counted where they begin.
func (m *pageMap) spill() {
	for b := range m.buckets {
		k := &m.buckets[b]
		used, room := int64(0), (k.To-k.From)*m.l.pageSize
		for _, n := range k.Fields {
			used += n
		}
		if used <= room {
			continue
		}
		for f := range k.Fields {
			keeps := int64(float64(k.Fields[f]) * float64(room) / float64(used))
			if b+1 < len(m.buckets) && m.buckets[b+1].Samples == 0 {
				m.buckets[b+1].Fields[f] += k.Fields[f] - keeps
				m.buckets[b+1].Estimated = m.buckets[b+1].Estimated || k.Estimated
			}
			k.Fields[f] = keeps
		}
	}
}

// answer is the map as JSON.
func (m *pageMap) answer() pagesAnswer {
	l := m.l
	a := pagesAnswer{
		File: l.number, Name: l.f.Name(), PageSize: l.pageSize, Pages: l.pages, FirstData: l.first,
		Fields: append([]string{}, l.names...), Buckets: m.buckets, Broken: l.broken, Meta: l.meta(),
	}
	for b := range m.buckets {
		k := &m.buckets[b]
		for _, n := range k.Fields {
			k.Used += n
		}
		k.Used = min(k.Used, (k.To-k.From)*l.pageSize) // values that overlap are damage
		a.Estimated = a.Estimated || k.Estimated
	}
	return a
}
