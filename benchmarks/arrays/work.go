package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/betongo/betongo/array"
	"github.com/betongo/betongo/array/npy"
	"github.com/betongo/betongo/internal/usage"
)

// workWord begins the arguments of a run of our own side.
const workWord = "-work"

// works is such a run.
func (r *runner) works(verb string, args ...string) side {
	return side{args: append([]string{r.self, workWord, verb}, args...)}
}

// work does what the script's verb of that name does.
func work(args []string, stdout io.Writer) error {
	if len(args) != 5 {
		return fmt.Errorf("arguments %q", args)
	}
	verb, args := args[0], args[1:]
	switch verb {
	case "cast":
		return workCast(args, stdout)
	case "append":
		return workAppend(args, stdout)
	case "forever":
		return workForever(args, stdout)
	}
	return fmt.Errorf("no work %q", verb)
}

// lap is work that is timed.
type lap struct {
	start time.Time
	cpu   time.Duration
}

// begin begins a lap.
func begin() (lap, error) {
	cpu, err := usage.CPU()
	return lap{time.Now(), cpu}, err
}

// say prints what it took, as the script does.
func (r lap) say(stdout io.Writer) error {
	cpu, err := usage.CPU()
	if err != nil {
		return err
	}
	return json.NewEncoder(stdout).Encode(map[string]float64{"wall_s": time.Since(r.start).Seconds(), "cpu_s": (cpu - r.cpu).Seconds()})
}

func workCast(args []string, stdout io.Writer) error {
	from, err := array.ParseDType(args[0])
	if err != nil {
		return err
	}
	to, err := array.ParseDType(args[1])
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	rounds, err := strconv.Atoi(args[3])
	if err != nil {
		return err
	}
	a, err := ramp(n, from)
	if err != nil {
		return err
	}
	debug.FreeOSMemory() // NumPy has let go of its own too
	r, err := begin()
	if err != nil {
		return err
	}
	for range rounds {
		if _, err := array.Cast(a, to); err != nil {
			return err
		}
	}
	return r.say(stdout)
}

// ramp is n numbers from -500 to 499, again and again, of a type.
func ramp(n int, of array.DType) (array.Array, error) {
	numbers := make([]int64, n)
	for i := range numbers {
		numbers[i] = int64(i%1000 - 500)
	}
	whole, err := array.Of(numbers)
	if err != nil {
		return array.Array{}, err
	}
	return array.Cast(whole, of)
}

// row is one to append.
func row(width int) array.Array {
	values := make([]float32, width)
	for i := range values {
		values[i] = float32(i)
	}
	a, err := array.Of(values, 1, width)
	if err != nil {
		panic(err) // the shape is theirs
	}
	return a
}

func workAppend(args []string, stdout io.Writer) error {
	n, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	width, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	r, err := begin()
	if err != nil {
		return err
	}
	a, err := npy.OpenAppender(args[0], &npy.AppendOptions{HeaderOnClose: args[3] == "true"})
	if err != nil {
		return err
	}
	defer a.Close()
	one := row(width)
	for range n {
		if err := a.Append(one); err != nil {
			return err
		}
	}
	if err := a.Sync(); err != nil {
		return err
	}
	if err := a.Close(); err != nil {
		return err
	}
	return r.say(stdout)
}

// workForever appends rows that begin with their number until it is killed, and
// tells how many are there.
func workForever(args []string, stdout io.Writer) error {
	width, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	a, err := npy.OpenAppender(args[0], &npy.AppendOptions{HeaderOnClose: args[3] == "true", Recover: true})
	if err != nil {
		return err
	}
	one := row(width)
	rows := 0
	if shape := a.Shape(); shape != nil {
		rows = shape[0]
	}
	var told [8]byte
	for ; ; rows++ {
		binary.LittleEndian.PutUint32(one.Data, uint32(rows))
		if err := a.Append(one); err != nil {
			return err
		}
		if rows%16 == 0 {
			binary.LittleEndian.PutUint64(told[:], uint64(rows+1))
			if _, err := stdout.Write(told[:]); err != nil {
				return err
			}
		}
	}
}

// killed is what became of processes that were killed.
type killed struct {
	kills, rows int
	least       int // rows that were told of and are lost, the most of all kills
}

// kills has processes append to one file, kills each in the middle, and looks
// whether any row is lost, or wrong, that a process had told of.
func (r *runner) kills(ctx context.Context, n int) (*killed, error) {
	k := &killed{}
	path := r.path("x.npy")
	defer os.Remove(path)
	for i := range n {
		told, err := r.kill(ctx, path, i%2 == 1)
		if err != nil {
			return nil, fmt.Errorf("kill %d: %w", i+1, err)
		}
		rows, err := recovered(path)
		if err != nil {
			return nil, fmt.Errorf("kill %d: %w", i+1, err)
		}
		k.kills, k.rows, k.least = k.kills+1, rows, max(k.least, told-rows)
	}
	return k, nil
}

// kill runs one process for some milliseconds and returns how many rows it told
// of.
func (r *runner) kill(ctx context.Context, path string, onClose bool) (int, error) {
	s := r.works("forever", path, "0", strconv.Itoa(rowWidth), strconv.FormatBool(onClose))
	cmd := exec.CommandContext(ctx, s.args[0], s.args[1:]...)
	cmd.Stderr = r.stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return 0, err
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	in := bufio.NewReader(out)
	var b [8]byte
	if _, err = io.ReadFull(in, b[:]); err != nil { // it has begun
		cmd.Process.Kill()
		cmd.Wait()
		return 0, err
	}
	timer := time.AfterFunc(time.Duration(rand.IntN(200_000))*time.Microsecond, func() { cmd.Process.Kill() })
	defer timer.Stop()
	rows := 0
	for ; err == nil; _, err = io.ReadFull(in, b[:]) {
		rows = int(binary.LittleEndian.Uint64(b[:]))
	}
	if err = cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		return 0, fmt.Errorf("the process ended by itself: %v", err)
	}
	return rows, nil
}

// recovered recovers a file and checks every row.
func recovered(path string) (int, error) {
	a, err := npy.OpenAppender(path, &npy.AppendOptions{Recover: true})
	if err != nil {
		return 0, err
	}
	if err := a.Close(); err != nil {
		return 0, err
	}
	f, err := npy.OpenArchive(path, nil)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	s, err := f.Array("")
	if err != nil {
		return 0, err
	}
	whole := s.AsContiguous()
	want := row(rowWidth)
	for i := range whole.Shape[0] {
		binary.LittleEndian.PutUint32(want.Data, uint32(i))
		if got := whole.Row(i).Data; string(got) != string(want.Data) {
			return 0, fmt.Errorf("%s: row %d is %x, want %x", path, i, got, want.Data)
		}
	}
	return whole.Shape[0], nil
}
