package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// world is the closed set of processes of one run.
type world struct {
	all, tool, work, judge *group

	cpus     int
	stat     string // the file that the tool sees as /proc/stat
	frozen   atomic.Bool
	homes    []string
	stop     chan struct{}
	done     sync.WaitGroup
	workers  []*exec.Cmd
	tail     []byte // of the real stat file, after its CPU lines
	began    time.Time
	cmd      *exec.Cmd
	out, err bytes.Buffer
}

// Weights, as CPU shares of 1024 for a plain process in the root group. So much
// that neighbours matter little, and that the judge never waits for the tool.
//
// The judge is not in the world: a group's weight is divided among its CPUs by
// the load it has there, and a heavy judge on one CPU would leave the tool on
// the other with next to nothing.
const (
	worldWeight = 102400
	judgeWeight = 102400
)

func newWorld() (w *world, err error) {
	w = &world{cpus: runtime.NumCPU(), stop: make(chan struct{}), began: time.Now()}
	name := fmt.Sprintf("loadgen-bench-%d", os.Getpid())
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	if w.homes, err = homes(); err != nil {
		return w, err
	}
	for _, g := range []struct {
		into   **group
		name   string
		weight int
	}{{&w.all, name, worldWeight}, {&w.tool, name + "/tool", 0}, {&w.work, name + "/work", 0}, {&w.judge, name + "-judge", judgeWeight}} {
		if *g.into, err = newGroup(g.name, g.weight); err != nil {
			return w, err
		}
	}
	if err = w.judge.join(os.Getpid()); err != nil {
		return w, err
	}
	if err = w.startStat(fmt.Sprintf("/dev/shm/%s.stat", name)); err != nil {
		return w, err
	}
	return w, nil
}

// startStat keeps a stat file in which only the world runs.
func (w *world) startStat(path string) error {
	w.stat = path
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(b)) {
		if !strings.HasPrefix(line, "cpu") {
			w.tail = append(w.tail, line...)
		}
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := w.writeStat(f); err != nil {
		return err
	}
	const every = 10 * time.Millisecond // as often as the kernel's figures change
	w.done.Go(func() {
		defer f.Close()
		runtime.LockOSThread()
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-w.stop:
				return
			case <-tick.C:
				if !w.frozen.Load() {
					_ = w.writeStat(f)
				}
			}
		}
	})
	return nil
}

func (w *world) writeStat(f *os.File) error {
	const (
		hz   = 100
		base = 100000 // as if after some uptime, so that no counter is 0
	)
	ticks := func(d time.Duration) int64 { return base + int64(d)*hz/int64(time.Second) }
	busy := w.tool.perCPU(w.cpus)
	for i, b := range w.work.perCPU(w.cpus) {
		busy[i] += b
	}
	wall := time.Since(w.began)
	var user, idle int64
	var lines bytes.Buffer
	for i, b := range busy {
		u, rest := ticks(b), ticks(max(wall-b, 0))
		user, idle = user+u, idle+rest
		fmt.Fprintf(&lines, "cpu%d %d 0 0 %d 0 0 0 0 0 0\n", i, u, rest)
	}
	text := fmt.Appendf(nil, "cpu  %d 0 0 %d 0 0 0 0 0 0\n", user, idle)
	_, err := f.WriteAt(append(append(text, lines.Bytes()...), w.tail...), 0)
	return err
}

// addWorker starts a process that spins, stopped until it is switched on.
func (w *world) addWorker() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	c := exec.Command(self, "spin")
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		return err
	}
	w.workers = append(w.workers, c)
	return errors.Join(c.Process.Signal(syscall.SIGSTOP), w.work.join(c.Process.Pid))
}

// working switches a worker on or off.
func (w *world) working(i int, on bool) {
	sig := syscall.SIGSTOP
	if on {
		sig = syscall.SIGCONT
	}
	_ = w.workers[i].Process.Signal(sig)
}

// start runs the tool with the world's stat file in place of the real one.
func (w *world) start(args []string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	w.cmd = exec.Command(self, append([]string{"inside", w.stat, strings.Join(w.tool.dirs, ":")}, args...)...)
	w.cmd.Stdout, w.cmd.Stderr = &w.out, &w.err
	w.cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS, Setsid: true}
	return w.cmd.Start()
}

// inside is what a new process does before it becomes the tool.
func inside(stat string, dirs []string, args []string) error {
	g := group{dirs: dirs}
	if err := g.join(os.Getpid()); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount(stat, "/proc/stat", "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("replace /proc/stat: %w", err)
	}
	path, err := exec.LookPath(args[0])
	if err != nil {
		return err
	}
	return syscall.Exec(path, args, os.Environ())
}

// end interrupts the tool and returns how long it took to stop, and how many
// processes it left behind.
func (w *world) end() (took time.Duration, left int) {
	at := time.Now()
	_ = w.cmd.Process.Signal(os.Interrupt)
	exited := make(chan struct{})
	go func() {
		_ = w.cmd.Wait()
		close(exited)
	}()
	select {
	case <-exited:
	case <-time.After(3 * time.Second):
	}
	took = time.Since(at)
	pids := w.tool.pids()
	for _, pid := range pids {
		_ = syscall.Kill(pid, syscall.SIGKILL) // a member of our own group
	}
	<-exited
	return took, len(pids)
}

// close ends everything and removes what was made.
func (w *world) close() error {
	close(w.stop)
	w.done.Wait()
	for _, c := range w.workers {
		_ = c.Process.Kill()
		_ = c.Wait()
	}
	var errs []error
	for _, h := range w.homes {
		if err := os.WriteFile(h, []byte(fmt.Sprint(os.Getpid())), 0); err != nil {
			errs = append(errs, err)
		}
	}
	for _, g := range []*group{w.tool, w.work, w.judge, w.all} {
		if g != nil {
			errs = append(errs, g.remove())
		}
	}
	if w.stat != "" {
		errs = append(errs, os.Remove(w.stat))
	}
	return errors.Join(errs...)
}
