package main

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// scene is what happens to a tool during a run. Times are in seconds from its
// start.
type scene struct {
	name     string
	min, max float64 // percent
	length   float64

	// Other work: so many shares of all CPUs between on and off; in bursts if
	// bursts is set.
	work    float64
	on, off float64
	bursts  bool

	freeze float64 // from when the stat file stands still; 0: never
}

// workers returns how many processes do the other work.
func (s scene) workers(cpus int) int {
	if s.work == 0 {
		return 0
	}
	return max(int(s.work*float64(cpus)), 1)
}

func (s scene) band(u float64) bool { return s.min <= u && u <= s.max }

// sample is what was seen in one period.
type sample struct {
	t, dt float64 // at its end, length, s
	u     float64 // utilisation of the world, percent
	tool  float64 // the tool's part of it
	work  float64 // the other work's part
}

// trial is what a run gave.
type trial struct {
	scene   scene
	samples []sample
	threads []int // as printed by the tool, in order
	printed []float64

	stop    time.Duration // from SIGINT to the end
	left    int
	system  float64 // share of the tool's CPU spent in the kernel
	control float64 // CPU of the tool's main thread, cores
	forks   float64 // per second, of the whole machine
	gap     float64 // longest period, s
}

const samplePeriod = 200 * time.Millisecond

// run puts a tool through a scene.
func run(s scene, args []string) (t trial, err error) {
	w, err := newWorld()
	if err != nil {
		return t, err
	}
	defer func() {
		if e := w.close(); err == nil {
			err = e
		}
	}()
	for range s.workers(w.cpus) {
		if err := w.addWorker(); err != nil {
			return t, err
		}
	}
	t.scene = s
	forks, before := forksSoFar(), time.Now()
	if err := w.start(args); err != nil {
		return t, err
	}
	start := time.Now()
	end := make(chan struct{})
	go func() {
		defer close(end)
		play(w, s, start)
	}()
	t.watch(w, start)
	<-end
	user, system := w.tool.userSystem()
	if user+system > 0 {
		t.system = system / (user + system)
	}
	t.control = mainThread(w.tool) / time.Since(start).Seconds()
	t.forks = float64(forksSoFar()-forks) / time.Since(before).Seconds()
	t.stop, t.left = w.end()
	t.read(w.out.String())
	return t, nil
}

// event is a switch in the world.
type event struct {
	at float64
	do func()
}

// play switches the other work and the stat file.
func play(w *world, s scene, start time.Time) {
	var events []event
	add := func(at float64, do func()) { events = append(events, event{at, do}) }
	rng := rand.New(rand.NewPCG(7, 7)) // the same bursts for every tool
	for i := range w.workers {
		if !s.bursts {
			add(s.on, func() { w.working(i, true) })
			add(s.off, func() { w.working(i, false) })
			continue
		}
		on := true
		for at := s.on + rng.Float64(); at < s.length; at += 0.2 + 1.8*rng.Float64() {
			now := on
			add(at, func() { w.working(i, now) })
			on = !on
		}
	}
	if s.freeze > 0 {
		add(s.freeze, func() { w.frozen.Store(true) })
	}
	slices.SortStableFunc(events, func(a, b event) int {
		return int(1000 * (a.at - b.at))
	})
	for _, e := range events {
		time.Sleep(time.Until(start.Add(time.Duration(e.at * float64(time.Second)))))
		e.do()
	}
}

// watch samples the clocks of the groups until the scene is over.
func (t *trial) watch(w *world, start time.Time) {
	type clocks struct {
		at         time.Time
		tool, work time.Duration
	}
	now := func() clocks { return clocks{time.Now(), w.tool.usage(), w.work.usage()} }
	last := now()
	for k := 1; ; k++ {
		time.Sleep(time.Until(start.Add(time.Duration(k) * samplePeriod)))
		c := now()
		dt := c.at.Sub(last.at).Seconds()
		share := func(d time.Duration) float64 { return 100 * d.Seconds() / dt / float64(w.cpus) }
		s := sample{t: c.at.Sub(start).Seconds(), dt: dt, tool: share(c.tool - last.tool), work: share(c.work - last.work)}
		s.u = s.tool + s.work
		t.samples = append(t.samples, s)
		t.gap = max(t.gap, dt)
		last = c
		if s.t >= t.scene.length {
			return
		}
	}
}

var threadWords = regexp.MustCompile(`CPU Usage: ([0-9.]+) +Current Thread Number: (\d+)`)

// read takes the number of threads from the tool's output.
func (t *trial) read(out string) {
	for _, m := range threadWords.FindAllStringSubmatch(out, -1) {
		u, _ := strconv.ParseFloat(m[1], 64)
		n, _ := strconv.Atoi(m[2])
		t.printed, t.threads = append(t.printed, u), append(t.threads, n)
	}
}

// mainThread returns the CPU seconds of the main threads of a group.
func mainThread(g *group) float64 {
	const hz = 100
	sum := 0.0
	for _, pid := range g.pids() {
		p := strconv.Itoa(pid)
		b, err := os.ReadFile(filepath.Join("/proc", p, "task", p, "schedstat"))
		if f := strings.Fields(string(b)); err == nil && len(f) == 3 {
			ns, _ := strconv.ParseFloat(f[0], 64)
			sum += ns / 1e9
			continue
		}
		b, _ = os.ReadFile(filepath.Join("/proc", p, "task", p, "stat"))
		_, rest, _ := strings.Cut(string(b), ") ")
		if f := strings.Fields(rest); len(f) > 12 {
			user, _ := strconv.ParseFloat(f[11], 64)
			system, _ := strconv.ParseFloat(f[12], 64)
			sum += (user + system) / hz
		}
	}
	return sum
}

func forksSoFar() int64 { return keyed("/proc/stat", "processes") }
