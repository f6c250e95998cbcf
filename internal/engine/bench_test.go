//go:build linux || darwin

package engine_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/ffcv"
	"github.com/betongo/betongo/fields"
	"github.com/betongo/betongo/internal/engine"
	"github.com/betongo/betongo/internal/ffcvtest"
	"github.com/betongo/betongo/loader"
	"github.com/betongo/betongo/transform"
)

// The test's program is the engine of the benchmarks too.
func TestMain(m *testing.M) {
	if os.Getenv("BETONGO_TEST") == "engine" {
		if err := engine.Serve(context.Background(), os.NewFile(3, "door"), nil); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// apart begins an engine in a process of its own; done waits for its end and
// returns what processor time it took.
func apart(tb testing.TB) (s *served, done func() time.Duration) {
	tb.Helper()
	a, b := pair(tb)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "BETONGO_TEST=engine")
	cmd.ExtraFiles = []*os.File{b}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	b.Close()
	s = &served{tb: tb, door: sock(tb, a)}
	return s, func() time.Duration {
		s.door.Close()
		cmd.Wait()
		return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
}

// cpu is the processor time of this process.
func cpu() time.Duration {
	var u unix.Rusage
	unix.Getrusage(unix.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// lean is a client that looks at nothing but how many samples come, and maps
// nothing.
func (v *viewer) lean(epoch int) (n int) {
	v.ask(object{"do": "epoch", "epoch": epoch}, nil)
	buf := make([]byte, 1<<20)
	rights := make([]byte, unix.CmsgSpace(4*253))
	credit := make([]byte, 0, 64)
	var back []uint32
	v.sock.SetReadDeadline(time.Time{})
	have := 0
	for taken := uint32(0); ; {
		var size int
		for {
			if have >= 8 {
				size = 8 + int(binary.LittleEndian.Uint32(buf)) + int(binary.LittleEndian.Uint32(buf[4:]))
				if have >= size {
					break
				}
			}
			m, oobn, _, _, err := v.sock.ReadMsgUnix(buf[have:], rights)
			if err != nil {
				v.tb.Fatal(err)
			}
			have += m
			if oobn > 0 {
				messages, _ := unix.ParseSocketControlMessage(rights[:oobn])
				for i := range messages {
					fds, _ := unix.ParseUnixRights(&messages[i])
					for _, fd := range fds {
						unix.Close(fd)
					}
				}
			}
		}
		j := int(binary.LittleEndian.Uint32(buf))
		text := buf[8 : 8+j]
		if j < 5 || string(text[:5]) != `{"b":` {
			if string(text[:11]) != `{"end":true` {
				v.tb.Fatalf("%s", text)
			}
			v.sock.Write(creditOf(credit, taken, back))
			return n
		}
		seq, k := uint32(0), 5
		for ; text[k] != ','; k++ {
			seq = seq*10 + uint32(text[k]-'0')
		}
		rows := 0
		for k += len(`,"n":`); text[k] != ','; k++ {
			rows = rows*10 + int(text[k]-'0')
		}
		n += rows
		taken++
		v.sock.Write(creditOf(credit, taken, back))
		back = append(back[:0], seq)
		have = copy(buf, buf[size:have])
	}
}

func creditOf(b []byte, taken uint32, back []uint32) []byte {
	b = binary.LittleEndian.AppendUint32(b[:0], 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(4+4*len(back)))
	b = binary.LittleEndian.AppendUint32(b, taken)
	for _, seq := range back {
		b = binary.LittleEndian.AppendUint32(b, seq)
	}
	return b
}

// compare measures epochs of a loader here and of one in another process, in
// turns.
func compare(b *testing.B, path string, opts *loader.Options, request object) {
	f := open(b, path)
	l := newLoader(b, f, opts)
	here := func(epoch int) {
		for k, err := range l.Epoch(b.Context(), epoch) {
			if err != nil {
				b.Fatal(err)
			}
			k.Release()
		}
	}
	here(0)
	var own, other, ownTime, otherTime time.Duration
	samples := 0
	s, done := apart(b)
	v := s.connect().loader(with(request, object{"paths": []string{path}}), nil)
	v.lean(0)
	client := time.Duration(0)
	pid := engineCPU(v)
	first := pid()
	for i := range b.N {
		from, at := cpu(), time.Now()
		here(1 + i)
		own, ownTime = own+cpu()-from, ownTime+time.Since(at)
		from, at = cpu(), time.Now()
		samples += v.lean(1 + i)
		client, otherTime = client+cpu()-from, otherTime+time.Since(at)
	}
	other = pid() - first + client
	v.sock.Close()
	done()
	b.ReportMetric(float64(samples)/ownTime.Seconds(), "go-samples/s")
	b.ReportMetric(float64(samples)/otherTime.Seconds(), "engine-samples/s")
	b.ReportMetric(own.Seconds()*1e6/float64(samples), "go-cpu-µs/sample")
	b.ReportMetric(other.Seconds()*1e6/float64(samples), "engine-cpu-µs/sample")
	b.ReportMetric(100*(other.Seconds()/own.Seconds()-1), "%overhead")
	b.ReportMetric(0, "ns/op")
}

// engineCPU returns what reads the processor time of a client's engine.
func engineCPU(v *viewer) func() time.Duration {
	ok, _ := v.ask(object{"do": "hello", "protocol": engine.Protocol}, nil)
	pid := int(ok["pid"].(float64))
	return func() time.Duration {
		text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err != nil {
			v.tb.Skip(err)
		}
		var name string
		var state byte
		var user, system int64
		var skip [10]int64
		fmt.Sscanf(string(text), "%d %s %c %d %d %d %d %d %d %d %d %d %d %d %d", &skip[0], &name, &state, &skip[0], &skip[1], &skip[2],
			&skip[3], &skip[4], &skip[5], &skip[6], &skip[7], &skip[8], &skip[9], &user, &system)
		return time.Duration(user+system) * 10 * time.Millisecond
	}
}

func BenchmarkRows(b *testing.B) {
	const n = 1 << 20
	x := make([]float32, 32)
	path := ffcvtest.Write(b, []ffcv.FieldSpec{{Name: "x", Field: fields.NDArray{DType: array.Float32, Shape: []int{32}}}, {Name: "y", Field: fields.Int{}}}, n,
		func(i int) []any {
			x[0] = float32(i)
			v, _ := array.Of(x, 32)
			return []any{v, int64(i)}
		}, nil)
	for name, o := range map[string]loader.Order{"sequential": loader.Sequential, "random": loader.Random} {
		for _, size := range []int{256, 2048, 16384} {
			b.Run(fmt.Sprintf("order=%s/batch=%d", name, size), func(b *testing.B) {
				compare(b, path, &loader.Options{BatchSize: size, Order: o}, object{"batch_size": size, "order": object{"name": name}})
			})
		}
	}
}

func BenchmarkImages(b *testing.B) {
	list := pictures(b)
	path := ffcvtest.Write(b, []ffcv.FieldSpec{{Name: "image", Field: fields.RGBImage{}}, {Name: "y", Field: fields.Int{}}}, 2048,
		func(i int) []any { return []any{list[i%len(list)], int64(i)} }, nil)
	out := loader.Output{Name: "image", Decoder: transform.RandomResizedCrop{Width: 224, Height: 224}, Ops: []any{transform.HorizontalFlip{}}}
	op := object{"name": "image", "decoder": object{"op": "RandomResizedCrop", "width": 224, "height": 224}, "ops": []object{{"op": "HorizontalFlip"}}}
	compare(b, path, &loader.Options{BatchSize: 256, Order: loader.Random, Outputs: []loader.Output{out}},
		object{"batch_size": 256, "order": object{"name": "random"}, "outputs": []object{op}})
}
