package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Line is one line of a guest's console.
type Line struct {
	// N counts the guest's lines since it started.
	N int
	// Up is the guest's own clock: time since it started, without the times in
	// which it was stopped.
	Up time.Duration
	// Ticks counts timer interrupts, 100 a second unless the vCPU starved.
	Ticks int
	// VCPUs, Load (percent of each) and DirtyMiB (per second) are its settings.
	VCPUs, Load, DirtyMiB int
	// Passes is how often it has looked through its memory, Bad how many pages
	// were damaged.
	Passes, Bad int
	// At is when the line was written, by this machine's clock. It is zero if
	// nobody was watching, and the begin of the watch in its first line.
	At time.Time
}

// parseLine understands a line of the test guest's console.
func parseLine(text string) (l Line, err error) {
	fields := strings.Fields(text)
	if len(fields) != 9 {
		return l, fmt.Errorf("not a line of the test guest: %q", text)
	}
	var up int
	for i, want := range []struct {
		key string
		to  *int
	}{
		{"n", &l.N},
		{"up", &up},
		{"ticks", &l.Ticks},
		{"cpus", &l.VCPUs},
		{"load", &l.Load},
		{"dirty", &l.DirtyMiB},
		{"pass", &l.Passes},
		{"bad", &l.Bad},
	} {
		key, value, _ := strings.Cut(fields[i+1], "=")
		n, err := strconv.Atoi(value)
		if err != nil || key != want.key {
			return l, fmt.Errorf("not a line of the test guest: %q", text)
		}
		*want.to = n
	}
	l.Up = time.Duration(up) * time.Millisecond
	return l, nil
}

// Record is what a guest's console shows over some time.
type Record struct {
	// Lines is how many lines it has; First and Last are its ends.
	Lines       int
	First, Last Line
	// LongestGap is the longest time between two lines as seen from outside,
	// which is the guest's pause plus the time between two lines plus whatever
	// held its vCPU up. The line after the gap is GapBefore.
	LongestGap time.Duration
	GapBefore  Line
	// LongestStop is the longest time by which this machine's clock got ahead
	// of the guest's between two lines: how long the guest's clock stood still,
	// which is the pause alone, within a few ms on a quiet machine.
	LongestStop time.Duration
	// Faults are the places where the counter did not go on by one, the clock
	// or the ticks went back, or the console held something else, up to ten.
	Faults []string
}

// add takes the next line.
func (r *Record) add(l Line) {
	if r.Lines > 0 {
		p := r.Last
		if l.N != p.N+1 {
			r.fault("line %d follows line %d", l.N, p.N)
		}
		if l.Up < p.Up || l.Ticks < p.Ticks {
			r.fault("line %d: the guest's clock went back from %s to %s", l.N, p.Up, l.Up)
		}
		if !p.At.IsZero() && !l.At.IsZero() {
			gap := l.At.Sub(p.At)
			if gap > r.LongestGap {
				r.LongestGap, r.GapBefore = gap, l
			}
			r.LongestStop = max(r.LongestStop, gap-(l.Up-p.Up))
		}
	} else {
		r.First = l
	}
	r.Last = l
	r.Lines++
}

func (r *Record) fault(format string, args ...any) {
	if len(r.Faults) < 10 {
		r.Faults = append(r.Faults, fmt.Sprintf(format, args...))
	}
}

// Err is nil if the guest never stopped for good, started again, ran twice or
// lost memory: the record has lines, they are continuous, and no page is bad.
func (r Record) Err() error {
	switch {
	case r.Lines == 0:
		return errors.New("the guest wrote nothing")
	case len(r.Faults) > 0:
		return fmt.Errorf("the guest's counter is broken: %s", strings.Join(r.Faults, "; "))
	case r.Last.Bad > 0:
		return fmt.Errorf("%d pages of the guest's memory are damaged", r.Last.Bad)
	}
	return nil
}

// String is the record in a line.
func (r Record) String() string {
	return fmt.Sprintf("lines %d..%d, longest gap %s (before line %d), longest stop %s, passes %d, bad pages %d, faults %d",
		r.First.N, r.Last.N, r.LongestGap.Round(time.Millisecond), r.GapBefore.N,
		r.LongestStop.Round(time.Millisecond), r.Last.Passes-r.First.Passes, r.Last.Bad, len(r.Faults))
}

// History reads the guest's whole console. It has no times, so no gaps: use
// Watch for those.
func (g *Guest) History() (Record, error) {
	b, err := os.ReadFile(g.Console())
	if err != nil {
		return Record{}, err
	}
	var r recorder
	r.write(b, time.Time{})
	return r.record, nil
}

// recorder makes lines out of what is read piece by piece.
type recorder struct {
	record  Record
	partial []byte
}

func (r *recorder) write(b []byte, at time.Time) {
	r.partial = append(r.partial, b...)
	for {
		line, rest, ok := bytes.Cut(r.partial, []byte("\n"))
		if !ok {
			return
		}
		r.partial = rest
		l, err := parseLine(string(line))
		if err != nil {
			r.record.fault("%v", err)
			continue
		}
		l.At = at
		r.record.add(l)
	}
}

// Watch is a running record of a guest's console, with the time of each line.
type Watch struct {
	mu       sync.Mutex
	recorder recorder
	err      error
	changed  chan struct{} // closed and replaced at each new line

	stop context.CancelFunc
	done chan struct{}
}

// Watch begins to record the guest's console, with the last line it has written,
// if any. It ends with Stop, or with ctx.
func (g *Guest) Watch(ctx context.Context) (*Watch, error) {
	f, err := os.OpenFile(g.Console(), os.O_RDONLY|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	if err := seekLastLine(f); err != nil {
		f.Close()
		return nil, err
	}
	notify, err := watchFile(g.Console())
	if err != nil {
		f.Close()
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	w := &Watch{changed: make(chan struct{}), stop: cancel, done: make(chan struct{})}
	go func() {
		defer close(w.done)
		defer f.Close()
		unblock := context.AfterFunc(ctx, func() { notify.Close() })
		defer unblock()
		events := make([]byte, 4096)
		for {
			at := time.Now()
			b, err := io.ReadAll(f)
			w.take(b, at, err)
			if err != nil {
				return
			}
			if _, err := notify.Read(events); err != nil {
				if ctx.Err() == nil {
					w.take(nil, at, err)
				}
				return
			}
		}
	}()
	return w, nil
}

// watchFile returns a file that can be read from whenever the other one was
// written to (inotify(7)): waiting for that is more exact than looking often,
// and costs nothing.
func watchFile(path string) (*os.File, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("inotify: %w", err)
	}
	notify := os.NewFile(uintptr(fd), "inotify")
	if _, err := unix.InotifyAddWatch(fd, path, unix.IN_MODIFY); err != nil {
		notify.Close()
		return nil, fmt.Errorf("inotify %s: %w", path, err)
	}
	return notify, nil
}

// seekLastLine goes to the beginning of the last whole line: what happens to the
// guest from now on shows in what follows that.
func seekLastLine(f *os.File) error {
	b, err := io.ReadAll(f)
	if err != nil {
		return err
	}
	whole := b[:bytes.LastIndexByte(b, '\n')+1]
	_, err = f.Seek(int64(bytes.LastIndexByte(bytes.TrimSuffix(whole, []byte("\n")), '\n')+1), io.SeekStart)
	return err
}

func (w *Watch) take(b []byte, at time.Time, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.recorder.record.Lines
	w.recorder.write(b, at)
	w.err = err
	if w.recorder.record.Lines != before {
		close(w.changed)
		w.changed = make(chan struct{})
	}
}

// Record returns what has been recorded so far.
func (w *Watch) Record() (Record, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.recorder.record, w.err
}

// Stop ends the recording and returns it.
func (w *Watch) Stop() (Record, error) {
	w.stop()
	<-w.done
	return w.Record()
}

// Until waits for the first state of the record that satisfies the condition.
func (w *Watch) Until(ctx context.Context, condition func(Record) bool) error {
	for {
		w.mu.Lock()
		record, err, changed := w.recorder.record, w.err, w.changed
		w.mu.Unlock()
		if condition(record) {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case <-changed:
		case <-w.done:
			return errors.New("the recording has ended")
		case <-ctx.Done():
			return fmt.Errorf("%w; so far: %s", context.Cause(ctx), record)
		}
	}
}

// WaitBooted waits until a guest that was just started writes its first lines.
func (g *Guest) WaitBooted(ctx context.Context) error {
	w, err := g.Watch(ctx)
	if err != nil {
		return err
	}
	defer w.Stop() //nolint:errcheck // only the wait's result matters
	if err := w.Until(ctx, func(r Record) bool { return r.Lines >= 2 }); err != nil {
		return fmt.Errorf("guest %s does not start: %w", g.Name, err)
	}
	return nil
}
