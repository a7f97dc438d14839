package lab

import (
	"context"
	"crypto/sha1"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Host is one hypervisor host of the lab.
type Host struct {
	Node
	// UUID is libvirt's host UUID; it is the same after PowerOff and PowerOn,
	// and in the next lab of the same name.
	UUID string

	number int
}

func newHost(l *Lab, number int) *Host {
	name := "h" + strconv.Itoa(number)
	return &Host{
		Node:   Node{Name: name, Address: hostAddress(number), lab: l},
		UUID:   hostUUID(l.opts.Name, name),
		number: number,
	}
}

// hostUUID is a name-based UUID (RFC 9562, version 5, in a name space of its own).
func hostUUID(lab, host string) string {
	sum := sha1.Sum([]byte("virtbalance lab " + lab + " host " + host))
	sum[6] = sum[6]&0x0f | 0x50
	sum[8] = sum[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[0:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

// StateDir is a directory for the files of whatever runs on the host. It has
// the same path within the host and without, and survives PowerOff.
func (h *Host) StateDir() string { return h.dir("state") }

// root is a path of the host's own file system as seen from outside.
func (h *Host) root(path string) string { return h.dir("root", path) }

// Path translates an absolute path within the host to one that leads to the
// same file from outside. Only what hosts have of their own (/run, /var/log,
// /etc/libvirt, /var/lib/libvirt, /var/cache/libvirt) is translated; the rest of
// the file system is the machine's, under the same paths.
func (h *Host) Path(inside string) string {
	inside = filepath.Clean(inside)
	if rest, ok := strings.CutPrefix(inside, "/var/run/"); ok {
		inside = "/run/" + rest
	}
	for _, own := range []string{"/run/", "/var/log/", "/etc/libvirt/", "/var/lib/libvirt/", "/var/cache/libvirt/"} {
		if strings.HasPrefix(inside+"/", own) {
			return h.root(inside)
		}
	}
	return inside
}

// PKI is the directory of the host's certificates, within the host; see
// Authority.
func (h *Host) PKI() string { return "/etc/libvirt/pki" }

// ---- power ----

// powerOn starts the host if it is off and brings up whatever of it is missing.
func (h *Host) powerOn(ctx context.Context) error {
	g := h.lab.groups
	if !h.Running() {
		// Whatever is left of it has to go, and its counters of CPU time begin
		// at 0 again, as they do with a machine that starts.
		if err := h.endAll(ctx); err != nil {
			return err
		}
		if err := removeGroup(ctx, g, h.Name); err != nil {
			return err
		}
		if err := g.create(h.Name, h.lab.opts.MemoryMiB, h.lab.opts.Weight); err != nil {
			return fmt.Errorf("control groups of %s: %w", h.Name, err)
		}
		if err := h.writeFiles(); err != nil {
			return fmt.Errorf("files of %s: %w", h.Name, err)
		}
		env := []string{
			"ROOT=" + h.dir("root"),
			"HOSTS_FILE=" + h.lab.hostsFile(),
			"PROC=" + filepath.Join(h.lab.procDir(), h.Name),
			"CGROUPS=" + strings.Join(g.mounts(), " "),
		}
		// unlimited while it starts, which nobody measures
		if err := g.setCapacity(h.Name, 0); err != nil {
			return err
		}
		if err := h.boot(ctx, "host.sh", env, h.plug); err != nil {
			return err
		}
	}
	if len(h.libvirtd()) == 0 {
		if err := h.StartLibvirtd(ctx); err != nil {
			return err
		}
	} else if err := h.waitLibvirtd(ctx); err != nil {
		return err
	}
	if c, err := g.capacity(h.Name); err == nil && c > 0 {
		return nil
	}
	return h.SetCapacity(h.lab.opts.Capacity)
}

// PowerOn starts the host again after PowerOff, as after a crash: what is on
// its disk (definitions, StateDir, logs) is as it was, /run is empty.
// Its capacity is the lab's default again.
func (h *Host) PowerOn(ctx context.Context) error {
	unlock, err := h.lab.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return h.powerOn(ctx)
}

// PowerOff takes the host's power away: every process in it is killed at once,
// and nothing of it says good-bye to the network. Powering off a host that is
// off does nothing.
func (h *Host) PowerOff(ctx context.Context) error {
	unlock, err := h.lab.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	// The cable first: the kernel closes the connections of killed processes.
	if h.Running() {
		if err := h.unplug(); err != nil {
			return fmt.Errorf("power off %s: %w", h.Name, err)
		}
	}
	return h.endAll(ctx)
}

// endAll kills every process of the host and waits until they are gone.
func (n *Node) endAll(ctx context.Context) error {
	return endGroup(ctx, n.lab.groups, n.Name)
}

func endGroup(ctx context.Context, g groups, member string) error {
	err := poll(ctx, 10*time.Millisecond, func() (bool, error) {
		pids, err := g.processes(member)
		if err != nil || len(pids) == 0 {
			return true, err
		}
		// Version 1 keeps even the killed frozen.
		if frozen, err := g.frozen(member); err == nil && frozen {
			if err := g.freeze(member, false); err != nil {
				return false, err
			}
		}
		for _, pid := range pids {
			p, err := identify(pid)
			if err != nil {
				continue
			}
			// Between the listing and identify the PID may have become another
			// process's. It is ours only if the group still lists it.
			if again, err := g.processes(member); err != nil || !slices.Contains(again, pid) {
				continue
			}
			if err := p.signal(unix.SIGKILL); err != nil {
				return false, fmt.Errorf("kill %d: %w", pid, err)
			}
		}
		return false, nil
	})
	if err != nil {
		return fmt.Errorf("end the processes of %s: %w", member, err)
	}
	return nil
}

// removeGroup removes a member's groups, or all if there is none; a group is busy
// for a moment after its last process.
func removeGroup(ctx context.Context, g groups, member string) error {
	var last error
	err := poll(ctx, 5*time.Millisecond, func() (bool, error) {
		last = g.remove(member)
		return last == nil, nil
	})
	return errors.Join(err, last)
}

// Freeze stops every process of the host, as a machine does that hangs: its
// connections stay open and nobody answers. Thaw lets it go on.
func (h *Host) Freeze() error {
	if err := h.lab.groups.freeze(h.Name, true); err != nil {
		return fmt.Errorf("freeze %s: %w", h.Name, err)
	}
	return nil
}

// Thaw undoes Freeze.
func (h *Host) Thaw() error {
	if err := h.lab.groups.freeze(h.Name, false); err != nil {
		return fmt.Errorf("thaw %s: %w", h.Name, err)
	}
	return nil
}

// Frozen reports whether the host is frozen.
func (h *Host) Frozen() bool {
	frozen, err := h.lab.groups.frozen(h.Name)
	return err == nil && frozen
}

// ---- CPU ----

// SetCapacity changes how much CPU time the host may use, in percent of one
// core. The host's /proc shows as many CPUs as that needs, rounded up.
func (h *Host) SetCapacity(percent int) error {
	if percent < 1 {
		return fmt.Errorf("capacity of %s: %d %%: must be 1 or more", h.Name, percent)
	}
	return h.lab.groups.setCapacity(h.Name, percent)
}

// Capacity is the CPU time that the host may use, in percent of one core.
func (h *Host) Capacity() (int, error) { return h.lab.groups.capacity(h.Name) }

// CPUUsage is the CPU time that the host's processes have used since the host
// was started, as the kernel accounts it.
func (h *Host) CPUUsage() (time.Duration, error) { return h.lab.groups.usage(h.Name) }

// Throttling counts how often the host ran into its capacity.
func (h *Host) Throttling() (Throttling, error) { return h.lab.groups.throttled(h.Name) }

// Ticks are the first line of the host's /proc/stat, in clock ticks (100 a
// second for each CPU).
type Ticks struct{ Busy, Idle int64 }

// Ticks reads the host's /proc/stat from within. See hostproc.c for how that is
// made: busy time is the CPU time of the host's control group, idle time is what
// its capacity would have allowed more, and both begin at 0 with the host.
func (h *Host) Ticks(ctx context.Context) (t Ticks, err error) {
	out, err := h.Exec(ctx, "head", "-n1", "/proc/stat")
	if err != nil {
		return t, err
	}
	f, err := ints(strings.Fields(out)[1:])
	if err != nil || len(f) < 8 {
		return t, fmt.Errorf("%s: /proc/stat begins %q", h.Name, out)
	}
	for i, v := range f[:8] {
		if i == 3 || i == 4 { // idle, iowait
			t.Idle += int64(v)
		} else {
			t.Busy += int64(v)
		}
	}
	return t, nil
}

// ---- files ----

// writeFiles lays out the host's own part of the file system. What is there
// already from before a "power off" stays, but for /run.
func (h *Host) writeFiles() error {
	if err := os.RemoveAll(h.root("run")); err != nil {
		return err
	}
	for _, d := range []string{
		h.StateDir(), h.root("run"), h.root("etc/libvirt"), h.root("var/lib/libvirt"),
		h.root("var/log/libvirt"), h.root("var/cache/libvirt"),
	} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			return err
		}
	}
	if err := os.WriteFile(h.root("etc/machine-id"), []byte(strings.ReplaceAll(h.UUID, "-", "")+"\n"), 0o444); err != nil {
		return err
	}
	if err := h.writeCertificates(); err != nil {
		return err
	}
	return h.writeLibvirtConfig()
}
