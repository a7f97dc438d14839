package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// Lab is a running lab. Its methods may be called concurrently, and from several
// programs at once; those that change which hosts run take turns.
type Lab struct {
	opts      Options
	groups    groups
	authority *Authority
	machine   *Node
	hosts     []*Host
}

// ErrNoLab is returned by Open when there is no lab of that name.
var ErrNoLab = errors.New("no such lab")

// Up builds the lab, or whatever of it is missing: a lab that is up already is
// left as it is, and returned. Hosts that were powered off are started. If the
// lab runs, its own options apply, except that Hosts may add hosts.
//
// When Up fails it takes away what it has built, unless the lab was up before.
func Up(ctx context.Context, o Options) (*Lab, error) {
	asked, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if lacks := Requirements(); len(lacks) > 0 {
		return nil, &MissingError{lacks}
	}
	l, err := attach(asked)
	if err != nil {
		return nil, err
	}
	unlock, err := l.lock(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	wasUp := l.machine.Running()
	if wasUp {
		stored, err := loadOptions(l.opts.Dir)
		if err != nil {
			return nil, fmt.Errorf("lab %s runs, but has lost its directory (take it down): %w", asked.Name, err)
		}
		stored.Hosts = max(stored.Hosts, asked.Hosts)
		l.opts = stored
	} else if err := l.clear(ctx); err != nil { // what a killed one left
		return nil, err
	}
	if err := l.up(ctx); err != nil {
		err = fmt.Errorf("lab %s: %w", asked.Name, err)
		if !wasUp {
			late, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
			defer cancel()
			err = errors.Join(err, l.clear(late), l.removeDir())
		}
		return nil, err
	}
	return l, nil
}

// Open returns a lab that is up.
func Open(o Options) (*Lab, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	l, err := attach(o)
	if err != nil {
		return nil, err
	}
	if !l.machine.Running() {
		return nil, fmt.Errorf("%s: %w", o.Name, ErrNoLab)
	}
	if l.opts, err = loadOptions(o.Dir); err != nil {
		return nil, err
	}
	if l.authority, err = loadAuthority(l.caDir()); err != nil {
		return nil, err
	}
	l.makeHosts()
	return l, nil
}

// Down takes a lab away: its processes, and with them its networks and mounts,
// its control groups and its files. It works on whatever is left of a lab, with
// or without its directory, and on none. Of the options only Name and Dir count.
func Down(ctx context.Context, o Options) error {
	o, err := o.withDefaults()
	if err != nil {
		return err
	}
	l, err := attach(o)
	if err != nil {
		return err
	}
	return l.Down(ctx)
}

// Down takes the lab away; see the function Down.
func (l *Lab) Down(ctx context.Context) error {
	if _, err := os.Stat(l.opts.Dir); err == nil {
		unlock, err := l.lock(ctx)
		if err != nil {
			return err
		}
		defer unlock()
	}
	if err := l.clear(ctx); err != nil {
		return fmt.Errorf("lab %s: %w", l.opts.Name, err)
	}
	return l.removeDir()
}

// attach makes the value that stands for a lab, existing or not.
func attach(o Options) (*Lab, error) {
	g, err := findGroups(tagOf(o.Name))
	if err != nil {
		return nil, err
	}
	l := &Lab{opts: o, groups: g}
	l.machine = &Node{Name: machineName, Address: machineAddress, lab: l}
	l.makeHosts()
	return l, nil
}

func (l *Lab) makeHosts() {
	l.hosts = nil
	for n := 1; n <= l.opts.Hosts; n++ {
		l.hosts = append(l.hosts, newHost(l, n))
	}
}

// Name is what tells the lab from others on this machine.
func (l *Lab) Name() string { return l.opts.Name }

// Dir is the directory with its files.
func (l *Lab) Dir() string { return l.opts.Dir }

// Options are those that it was built with, defaults filled in.
func (l *Lab) Options() Options { return l.opts }

// Authority certifies the lab's hosts.
func (l *Lab) Authority() *Authority { return l.authority }

// Machine is where the hosts are plugged in: an administrator's computer in
// their network.
func (l *Lab) Machine() *Node { return l.machine }

// Hosts are all hosts in order, with or without power.
func (l *Lab) Hosts() []*Host { return l.hosts }

// Host returns a host by name, or nil if the lab has none of that name.
func (l *Lab) Host(name string) *Host {
	for _, h := range l.hosts {
		if h.Name == name {
			return h
		}
	}
	return nil
}

// Node returns a host or the machine by name.
func (l *Lab) Node(name string) (*Node, error) {
	if name == machineName {
		return l.machine, nil
	}
	if h := l.Host(name); h != nil {
		return &h.Node, nil
	}
	return nil, fmt.Errorf("no node %q in lab %s: it has machine and h1 to h%d", name, l.opts.Name, len(l.hosts))
}

func (l *Lab) path(elem ...string) string {
	return filepath.Join(append([]string{l.opts.Dir}, elem...)...)
}
func (l *Lab) hostsFile() string  { return l.path("etc-hosts") }
func (l *Lab) procDir() string    { return l.path("proc") }
func (l *Lab) caDir() string      { return l.path("ca") }
func (l *Lab) guestImage() string { return l.path("guest.elf") }

const optionsFile = "lab.json"

func loadOptions(dir string) (o Options, err error) {
	b, err := os.ReadFile(filepath.Join(dir, optionsFile))
	if err != nil {
		return o, err
	}
	if err := json.Unmarshal(b, &o); err != nil {
		return o, fmt.Errorf("%s: %w", filepath.Join(dir, optionsFile), err)
	}
	return o, nil
}

// up builds what is missing, with the lock held.
func (l *Lab) up(ctx context.Context) error {
	if err := l.writeFiles(ctx); err != nil {
		return err
	}
	l.makeHosts()
	if err := l.startMachine(ctx); err != nil {
		return err
	}
	// What libvirtd finds out about QEMU takes it seconds of CPU time. The first
	// host does that, once on this machine, and the others get a copy.
	first := l.hosts[:1]
	if l.loadCapabilities(l.hosts) {
		first = nil
	}
	for _, h := range first {
		if err := h.powerOn(ctx); err != nil {
			return err
		}
		if err := l.saveCapabilities(ctx, h); err != nil {
			return err
		}
		l.loadCapabilities(l.hosts[1:])
	}
	g, gctx := errgroup.WithContext(ctx)
	for _, h := range l.hosts[len(first):] {
		g.Go(func() error { return h.powerOn(gctx) })
	}
	return g.Wait()
}

// writeFiles lays out the lab's directory.
func (l *Lab) writeFiles(ctx context.Context) error {
	for _, d := range []string{l.path("hosts", machineName), l.procDir(), l.path("consoles")} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	b, err := json.MarshalIndent(l.opts, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(l.path(optionsFile), b, 0o644); err != nil {
		return err
	}
	var names strings.Builder
	fmt.Fprintf(&names, "127.0.0.1 localhost\n%s %s\n", machineAddress, machineName)
	for n := 1; n <= maxHosts; n++ {
		fmt.Fprintf(&names, "%s h%d\n", hostAddress(n), n)
	}
	if err := os.WriteFile(l.hostsFile(), []byte(names.String()), 0o644); err != nil {
		return err
	}
	if l.authority, err = loadAuthority(l.caDir()); errors.Is(err, fs.ErrNotExist) {
		if l.authority, err = NewAuthority(tagOf(l.opts.Name) + " test CA"); err == nil {
			err = l.authority.save(l.caDir())
		}
	}
	if err != nil {
		return fmt.Errorf("certificate authority: %w", err)
	}
	if err := guestArtifact.install(ctx, l.guestImage()); err != nil {
		return err
	}
	return hostprocArtifact.install(ctx, l.path("hostproc"))
}

// startMachine starts the machine and hostproc on it.
func (l *Lab) startMachine(ctx context.Context) error {
	if !l.machine.Running() {
		if err := l.machine.endAll(ctx); err != nil {
			return err
		}
		if err := l.groups.create(machineName, 0, l.opts.Weight); err != nil {
			return fmt.Errorf("control groups: %w", err)
		}
		env := []string{"HOSTS_FILE=" + l.hostsFile()}
		if err := l.machine.boot(ctx, "machine.sh", env, plugMachine); err != nil {
			return err
		}
	}
	mounted := func() (bool, error) {
		_, err := l.machine.Exec(ctx, "mountpoint", "-q", l.procDir())
		return err == nil, nil
	}
	if ok, _ := mounted(); ok {
		return nil
	}
	cpu, cpuacct, memory := l.groups.parents()
	p, err := l.machine.Start("hostproc", l.path("hostproc"), l.procDir(), cpu, cpuacct, memory)
	if err != nil {
		return err
	}
	return poll(ctx, 5*time.Millisecond, func() (bool, error) {
		select {
		case <-p.Done():
			return false, fmt.Errorf("hostproc ended: %w: %s", p.err, p.Text())
		default:
			return mounted()
		}
	})
}

// clear ends every process of the lab and removes its control groups.
func (l *Lab) clear(ctx context.Context) error {
	members, err := l.groups.members()
	if err != nil {
		return err
	}
	// The frozen do not die, and the machine cannot before its hosts have.
	for _, m := range members {
		if frozen, err := l.groups.frozen(m); err == nil && frozen {
			if err := l.groups.freeze(m, false); err != nil {
				return err
			}
		}
	}
	if init, ok := l.machine.first(); ok {
		if err := init.signal(unix.SIGKILL); err != nil {
			return err
		}
	}
	for _, m := range members {
		if err := endGroup(ctx, l.groups, m); err != nil {
			return err
		}
	}
	return removeGroup(ctx, l.groups, "")
}

// removeDir removes the lab's directory, if it is one.
func (l *Lab) removeDir() error {
	if ok, err := isLabDir(l.opts.Dir); !ok || err != nil {
		return err
	}
	return os.RemoveAll(l.opts.Dir)
}

// isLabDir guards against removing, or building in, what is not ours.
func isLabDir(dir string) (bool, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for _, e := range entries {
		if e.Name() == optionsFile || e.Name() == lockFile {
			return true, nil
		}
	}
	if len(entries) > 0 {
		return false, fmt.Errorf("%s is not empty and not a lab's", dir)
	}
	return true, nil
}

const lockFile = "lock"

// lock waits for its turn to change the lab. A killed program loses its lock.
func (l *Lab) lock(ctx context.Context) (unlock func(), err error) {
	if _, err := isLabDir(l.opts.Dir); err != nil {
		return nil, err
	}
	var f *os.File
	err = poll(ctx, 20*time.Millisecond, func() (bool, error) {
		if err := os.MkdirAll(l.opts.Dir, 0o755); err != nil {
			return false, err
		}
		var err error
		if f, err = os.OpenFile(l.path(lockFile), os.O_CREATE|os.O_RDWR, 0o644); err != nil {
			return false, err
		}
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil && sameFile(f, l.path(lockFile)) {
			return true, nil
		}
		f.Close()
		if err == nil || errors.Is(err, unix.EWOULDBLOCK) {
			return false, nil // busy, or the lab went down while we waited
		}
		return false, err
	})
	if err != nil {
		return nil, fmt.Errorf("lock lab %s: %w", l.opts.Name, err)
	}
	return func() { f.Close() }, nil
}

func sameFile(f *os.File, path string) bool {
	a, err := f.Stat()
	if err != nil {
		return false
	}
	b, err := os.Stat(path)
	return err == nil && os.SameFile(a, b)
}

// List names the labs on this machine of which anything runs.
func List() ([]string, error) {
	hierarchies, unified, err := cgroupMounts("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	dir := unified
	for _, h := range hierarchies {
		if strings.Contains(strings.Join(h.controllers, ","), "freezer") {
			dir = h.mountPoint
		}
	}
	groups, err := subdirectories(dir)
	var names []string
	for _, g := range groups {
		if name, ok := strings.CutPrefix(g, tagPrefix); ok {
			names = append(names, name)
		}
	}
	return names, err
}

// Status is what can be said of a node at a glance.
type Status struct {
	Name, Address, UUID string
	Running, Frozen     bool
	CapacityPercent     int
	// Guests are the running ones; Err says why they are not known.
	Guests []string
	Err    error
}

// Status asks every host.
func (l *Lab) Status(ctx context.Context) []Status {
	all := make([]Status, len(l.hosts))
	var wg sync.WaitGroup
	for i, h := range l.hosts {
		wg.Go(func() {
			s := Status{Name: h.Name, Address: h.Address, UUID: h.UUID, Running: h.Running(), Frozen: h.Frozen()}
			s.CapacityPercent, _ = h.Capacity()
			if s.Running && !s.Frozen {
				ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
				defer cancel()
				var out string
				out, s.Err = h.Virsh(ctx, "list", "--name")
				s.Guests = strings.Fields(out)
			}
			all[i] = s
		})
	}
	wg.Wait()
	return all
}
