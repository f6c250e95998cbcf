package peer

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// adopt makes orphans of what is measured children of this process, so that none is lost
// sight of, and returns the children that there are already.
func adopt() []int {
	unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) // without it, an orphan's time is missed
	return offspring()
}

// group puts a process into a group of its own.
func group(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// kill ends a process and its group.
func kill(cmd *exec.Cmd) error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

// reap ends what a process has left, all children but the others, and returns its CPU time.
func reap(cmd *exec.Cmd, others []int) (cpu float64) {
	kill(cmd) // no such process, as a rule
	for until := time.Now().Add(5 * time.Second); time.Now().Before(until); {
		left := slices.DeleteFunc(offspring(), func(pid int) bool { return slices.Contains(others, pid) })
		if len(left) == 0 {
			break
		}
		for _, pid := range left {
			syscall.Kill(pid, syscall.SIGKILL)
			var u syscall.Rusage
			if got, err := syscall.Wait4(pid, nil, 0, &u); err == nil && got == pid {
				cpu += seconds(&u)
			}
		}
	}
	return cpu
}

// used is the CPU time of a process that has ended and of those children that it waited for.
func used(s *os.ProcessState) float64 {
	if u, ok := s.SysUsage().(*syscall.Rusage); ok {
		return seconds(u)
	}
	return 0
}

func seconds(u *syscall.Rusage) float64 {
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// children returns those of a process, of all its threads.
func children(pid int) []int {
	var list []int
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, name := range files {
		text, _ := os.ReadFile(name) // gone meanwhile
		for _, word := range strings.Fields(string(text)) {
			if n, err := strconv.Atoi(word); err == nil {
				list = append(list, n)
			}
		}
	}
	return list
}

// tree returns all processes that come from this one.
func tree() []int {
	list := offspring()
	for i := 0; i < len(list); i++ {
		list = append(list, children(list[i])...)
	}
	return list
}

// treeCPU returns the CPU seconds of all processes that come from this one: of those that run by
// their clocks, of those that ended and were waited for as their parents have it, in hundredths.
func treeCPU() float64 {
	var sum float64
	for _, pid := range tree() {
		var t unix.Timespec
		if unix.ClockGettime(int32(^pid<<3|2), &t) == nil {
			sum += float64(t.Nano()) / 1e9
		}
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		at := bytes.LastIndexByte(stat, ')') // the name in front may hold anything
		if err != nil || at < 0 {
			continue
		}
		if words := strings.Fields(string(stat[at+1:])); len(words) > 14 {
			for _, word := range words[13:15] { // cutime, cstime
				n, _ := strconv.ParseInt(word, 10, 64)
				sum += float64(n) / 100
			}
		}
	}
	return sum
}

// treeMemory returns the bytes of memory that are the processes' own, their share of what
// several have included; pages of mapped files are not.
func treeMemory() int64 {
	var sum int64
	for _, pid := range tree() {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			if words := strings.Fields(line); len(words) == 3 && (words[0] == "Pss_Anon:" || words[0] == "Pss_Shmem:") {
				n, _ := strconv.ParseInt(words[1], 10, 64)
				sum += n << 10
			}
		}
	}
	return sum
}

// Load returns the load of the machine in the last minute.
func Load() float64 {
	text, err := os.ReadFile("/proc/loadavg")
	if words := strings.Fields(string(text)); err == nil && len(words) > 0 {
		n, _ := strconv.ParseFloat(words[0], 64)
		return n
	}
	return 0
}

// settle lets the system write what it has to, so that the next run need not.
func settle() { unix.Sync() }

// offspring are the children that this process has.
func offspring() []int { return children(os.Getpid()) }
