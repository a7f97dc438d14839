package lab

import (
	"context"
	"encoding/xml"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

// GuestSpec says what test guest to make. Only Name is required.
type GuestSpec struct {
	Name string
	// MemoryMiB is the guest's memory. Default, and least: 16.
	MemoryMiB int
	// VCPUs is how many vCPUs it has; each burns Load. Default: 1, at most 16.
	VCPUs int
	// Load is the percentage of each vCPU that it burns.
	Load int
	// DirtyMiB is how much memory it rewrites in a second, in MiB.
	DirtyMiB int
	// FillMiB is how much of its memory has a content that a migration must
	// transfer, in MiB. Default: half. Negative: none.
	FillMiB int
	// Every is the time between two lines of its console, a multiple of 10 ms.
	// Default: 100 ms.
	Every time.Duration
	// Persistent guests are defined, others vanish when they stop.
	Persistent bool
	// Autostart marks a persistent guest to be started with its host.
	Autostart bool
	// Metadata, Devices and Extra are XML to go into <metadata>, <devices> and
	// <domain>.
	Metadata, Devices, Extra string
}

// Guest is a test guest. It is a name, not a place: use Lab.Where to find it.
type Guest struct {
	Name string

	lab *Lab
}

// Guest returns the guest of that name, whether there is one or not.
func (l *Lab) Guest(name string) *Guest { return &Guest{name, l} }

// Console is the file with what the guest has written on its serial port, on
// whatever host it was, since it was made.
func (g *Guest) Console() string { return g.lab.path("consoles", g.Name) }

// DefineGuest defines a persistent guest on the host, without starting it.
func (h *Host) DefineGuest(ctx context.Context, s GuestSpec) (*Guest, error) {
	s.Persistent = true
	return h.makeGuest(ctx, s, false)
}

// StartGuest starts a guest on the host.
func (h *Host) StartGuest(ctx context.Context, s GuestSpec) (*Guest, error) {
	return h.makeGuest(ctx, s, true)
}

func (h *Host) makeGuest(ctx context.Context, s GuestSpec, start bool) (*Guest, error) {
	text, err := h.lab.guestXML(s)
	if err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(h.lab.opts.Dir, "guest-*.xml")
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		return nil, err
	}
	command := "create " + f.Name()
	if s.Persistent {
		command = "define " + f.Name()
		if s.Autostart {
			command += "; autostart " + s.Name
		}
		if start {
			command += "; start " + s.Name
		}
	}
	if _, err := h.Virsh(ctx, command); err != nil {
		return nil, fmt.Errorf("guest %s: %w", s.Name, err)
	}
	return h.lab.Guest(s.Name), nil
}

func (l *Lab) guestXML(s GuestSpec) (string, error) {
	setDefault(&s.MemoryMiB, 16)
	setDefault(&s.VCPUs, 1)
	setDefault(&s.FillMiB, s.MemoryMiB/2)
	setDefault(&s.Every, 100*time.Millisecond)
	switch {
	case s.Name == "" || len(s.Name) > 31 || strings.ContainsAny(s.Name, " \t\n/=,;'\"<>&"):
		return "", fmt.Errorf("guest name %q: must be 1 to 31 characters without spaces and any of /=,;'\"<>&", s.Name)
	case s.MemoryMiB < 16:
		return "", fmt.Errorf("guest %s: memory %d MiB: must be 16 or more", s.Name, s.MemoryMiB)
	case s.VCPUs < 1 || s.VCPUs > 16:
		return "", fmt.Errorf("guest %s: %d vCPUs: must be from 1 to 16", s.Name, s.VCPUs)
	case s.Load < 0 || s.Load > 100:
		return "", fmt.Errorf("guest %s: load %d %%: must be from 0 to 100", s.Name, s.Load)
	case s.DirtyMiB < 0:
		return "", fmt.Errorf("guest %s: dirty %d MiB/s: must be 0 or more", s.Name, s.DirtyMiB)
	case s.Every < 10*time.Millisecond || s.Every%(10*time.Millisecond) != 0:
		return "", fmt.Errorf("guest %s: a line every %s: must be a multiple of 10 ms", s.Name, s.Every)
	}
	var d strings.Builder
	fmt.Fprintf(&d, "<domain type='qemu'>\n<name>%s</name>\n", s.Name)
	if s.Metadata != "" {
		fmt.Fprintf(&d, "<metadata>%s</metadata>\n", s.Metadata)
	}
	fmt.Fprintf(&d, "<memory unit='MiB'>%d</memory>\n<vcpu>%d</vcpu>\n", s.MemoryMiB, s.VCPUs)
	// Emulated, not accelerated, so that a guest is the same everywhere, and
	// with a small cache of translated code: QEMU's own choice is as big as the
	// host's memory allows.
	fmt.Fprintf(&d, "<os><type arch='x86_64' machine='pc'>hvm</type><kernel>%s</kernel><cmdline>%s</cmdline></os>\n",
		l.guestImage(), fmt.Sprintf("name=%s load=%d dirty=%d fill=%d every=%d",
			s.Name, s.Load, s.DirtyMiB, max(s.FillMiB, 0), s.Every.Milliseconds()))
	d.WriteString("<features><acpi/><apic/><tcg><tb-cache unit='MiB'>16</tb-cache></tcg></features>\n" +
		"<clock offset='utc'><timer name='hpet' present='yes'/></clock>\n" +
		"<on_crash>destroy</on_crash>\n<devices>\n<controller type='usb' model='none'/>\n<memballoon model='virtio'/>\n")
	// Appended to: the QEMU at a migration's destination opens the same file.
	fmt.Fprintf(&d, "<serial type='file'><source path='%s' append='on'/></serial>\n", l.Guest(s.Name).Console())
	fmt.Fprintf(&d, "%s\n</devices>\n%s\n</domain>\n", s.Devices, s.Extra)
	if err := xml.Unmarshal([]byte(d.String()), new(struct{})); err != nil {
		return "", fmt.Errorf("guest %s: %w in\n%s", s.Name, err, d.String())
	}
	return d.String(), nil
}

// ---- while it runs ----

// SetLoad makes the guest burn so many percent of each vCPU from now on. The
// host is where the guest runs.
func (g *Guest) SetLoad(ctx context.Context, h *Host, percent int) error {
	if percent < 0 || percent > 100 {
		return fmt.Errorf("guest %s: load %d %%: must be from 0 to 100", g.Name, percent)
	}
	if percent == 100 {
		return g.SendKeys(ctx, h, "KEY_EQUAL")
	}
	// The tens by a digit, the ones by the letter below it: two keys of which
	// either may come first, because their order is not promised.
	tens := fmt.Sprintf("KEY_%d", percent/10)
	ones := "KEY_" + string("PQWERTYUIO"[percent%10])
	return g.SendKeys(ctx, h, tens, ones)
}

// SetDirty makes the guest rewrite so much memory in a second from now on, in
// MiB: 0 or a power of two up to 256. (GuestSpec.DirtyMiB can be anything.)
func (g *Guest) SetDirty(ctx context.Context, h *Host, mib int) error {
	key := slices.Index([]int{0, 1, 2, 4, 8, 16, 32, 64, 128, 256}, mib)
	if key < 0 {
		return fmt.Errorf("guest %s: dirty %d MiB/s: must be 0 or a power of two up to 256", g.Name, mib)
	}
	return g.SendKeys(ctx, h, fmt.Sprintf("KEY_F%d", key+1))
}

// Shutdown makes the guest power itself off, at once.
func (g *Guest) Shutdown(ctx context.Context, h *Host) error { return g.SendKeys(ctx, h, "KEY_ESC") }

// Reset makes the guest start again from nothing.
func (g *Guest) Reset(ctx context.Context, h *Host) error { return g.SendKeys(ctx, h, "KEY_F12") }

// SendKeys presses keys of the guest's keyboard, by their Linux names.
func (g *Guest) SendKeys(ctx context.Context, h *Host, keys ...string) error {
	if _, err := h.Virsh(ctx, append([]string{"send-key", g.Name}, keys...)...); err != nil {
		return fmt.Errorf("guest %s: %w", g.Name, err)
	}
	return nil
}

// Migrate moves the guest by a bare "virsh migrate", live and peer-to-peer, as
// virtbalanced's moves are, and returns how long that took. More virsh options
// may follow. Guests that are persistent stay so.
func (g *Guest) Migrate(ctx context.Context, from, to *Host, options ...string) (time.Duration, error) {
	persistent, err := from.Virsh(ctx, "list", "--all", "--persistent", "--name")
	if err != nil {
		return 0, err
	}
	args := []string{"migrate", "--live", "--p2p", "--abort-on-error"}
	if slices.Contains(strings.Fields(persistent), g.Name) {
		args = append(args, "--persistent", "--undefinesource")
	}
	args = append(append(args, options...), g.Name, to.MigrationURI())
	began := time.Now()
	_, err = from.Virsh(ctx, args...)
	return time.Since(began), err
}

// ---- where it is ----

// Presence is what one host's libvirtd says of a guest.
type Presence struct {
	Host       *Host
	State      string // in virsh's words: "running", "paused", "shut off", ...
	Persistent bool
	// QEMUs is how many QEMU processes hold the guest there.
	QEMUs int
	// Err is set if libvirtd could not be asked; QEMUs is known all the same.
	Err error
}

// Where asks every host's libvirtd for the guest and lists those that know it,
// or have a QEMU of it, or cannot say. Hosts without power are left out.
func (l *Lab) Where(ctx context.Context, guest string) []Presence {
	found := make([]*Presence, len(l.hosts))
	var wg sync.WaitGroup
	for i, h := range l.hosts {
		wg.Go(func() {
			if !h.Running() {
				return
			}
			p := Presence{Host: h, QEMUs: len(h.qemuOf(guest))}
			if h.Frozen() {
				p.Err = fmt.Errorf("%s is frozen", h.Name)
			} else {
				p.State, p.Persistent, p.Err = h.domain(ctx, guest)
			}
			if p.State != "" || p.QEMUs > 0 || p.Err != nil {
				found[i] = &p
			}
		})
	}
	wg.Wait()
	var all []Presence
	for _, p := range found {
		if p != nil {
			all = append(all, *p)
		}
	}
	return all
}

// domain returns the state of a guest on this host, or "" if there is none.
func (h *Host) domain(ctx context.Context, guest string) (state string, persistent bool, err error) {
	out, err := h.Virsh(ctx, "list --all; list --all --persistent --name")
	if err != nil {
		return "", false, err
	}
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		switch {
		case len(f) >= 3 && f[1] == guest: // "3   vm1   running"
			state = strings.Join(f[2:], " ")
		case len(f) == 1 && f[0] == guest:
			persistent = true
		}
	}
	return state, persistent, nil
}

// RunningOn returns the one host on which the guest is running. Anything else,
// nowhere, twice, or a host that cannot say, is an error.
func (l *Lab) RunningOn(ctx context.Context, guest string) (*Host, error) {
	var on *Host
	where := l.Where(ctx, guest)
	for _, p := range where {
		if p.Err != nil {
			return nil, fmt.Errorf("guest %s: %w", guest, p.Err)
		}
		if p.State == "running" {
			if on != nil {
				return nil, fmt.Errorf("guest %s runs on both %s and %s", guest, on.Name, p.Host.Name)
			}
			on = p.Host
		}
	}
	if on == nil {
		return nil, fmt.Errorf("guest %s runs nowhere", guest)
	}
	return on, nil
}
