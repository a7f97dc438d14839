//go:build lab

package libvirt_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/hypervisor"
	"github.com/virtbalance/virtbalance/hypervisor/libvirt"
	"github.com/virtbalance/virtbalance/policy"
	"github.com/virtbalance/virtbalance/tests/lab"
	"github.com/virtbalance/virtbalance/tests/lab/labtest"
)

// adapter is an adapter at work on one lab host.
type adapter struct {
	*libvirt.Hypervisor
	host *lab.Host
	stop func()
}

// connect runs an adapter on a host until the test ends, or stop is called.
func connect(t *testing.T, h *lab.Host, o libvirt.Options) *adapter {
	t.Helper()
	o.URI = h.URI()
	o.ReconnectMin, o.ReconnectMax = 100*time.Millisecond, time.Second
	o.Migration.AutoConverge = true
	v, err := libvirt.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- v.Run(ctx) }()
	a := &adapter{Hypervisor: v, host: h, stop: sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run on %s: %v", h.Name, err)
		}
	})}
	t.Cleanup(a.stop)
	until(t, "connect to "+h.Name, func() bool { return v.Status().Connected })
	return a
}

// until polls for a condition.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within a minute", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// guest starts a guest and returns it with its UUID once it has booted.
func guest(t *testing.T, h *lab.Host, s lab.GuestSpec) (*lab.Guest, policy.DomainID) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	g, err := h.StartGuest(ctx, s)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.WaitBooted(ctx); err != nil {
		t.Fatal(err)
	}
	return g, policy.DomainID(virsh(t, h, "domuuid", s.Name))
}

func virsh(t *testing.T, h *lab.Host, args ...string) string {
	t.Helper()
	out, err := h.Virsh(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

// find returns a domain of a fresh sample.
func find(t *testing.T, a *adapter, id policy.DomainID) (policy.DomainCounters, bool) {
	t.Helper()
	s, err := a.Sample(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range s.Domains {
		if d.ID == id {
			return d, true
		}
	}
	return policy.DomainCounters{}, false
}

// inspected waits until a domain's obstacle is known, and returns it.
func inspected(t *testing.T, a *adapter, id policy.DomainID) policy.Reason {
	t.Helper()
	var d policy.DomainCounters
	until(t, "inspection of "+string(id), func() bool {
		var ok bool
		d, ok = find(t, a, id)
		return ok && d.Obstacle != policy.NotInspected
	})
	return d.Obstacle
}

func located(t *testing.T, a *adapter, id policy.DomainID) policy.Presence {
	t.Helper()
	p, err := a.Locate(t.Context(), id)
	if err != nil {
		t.Fatalf("locate on %s: %v", a.host.Name, err)
	}
	return p
}

var absent = policy.Presence{Known: true}

func TestLabFactsAndSample(t *testing.T) {
	l := labtest.Up(t, lab.Options{Hosts: 1})
	h := l.Host("h1")
	_, id := guest(t, h, lab.GuestSpec{Name: "vm1", Load: 30, VCPUs: 2, Persistent: true})
	a := connect(t, h, libvirt.Options{CPUCapacity: 0.6})

	f, err := a.Facts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if string(f.ID) != h.UUID || f.Name != "h1" || f.Capacity.CPU != 600 || f.CPUFingerprint == 0 ||
		f.LibvirtVersion < 5_000_000 || f.HypervisorVersion < 5_000_000 {
		t.Errorf("facts: %+v; the host's UUID is %s", f, h.UUID)
	}
	if r := inspected(t, a, id); r != policy.OK {
		t.Errorf("obstacle: %v", r)
	}
	before, _ := find(t, a, id)
	if !before.StatsKnown || before.VCPUs != 2 || before.State != policy.StateRunning || before.Job != policy.NoJob ||
		before.MemoryMax != 16*policy.MiB || before.Memory <= 0 {
		t.Errorf("counters: %+v", before)
	}
	until(t, "CPU time to pass", func() bool {
		now, _ := find(t, a, id)
		return now.CPUTime > before.CPUTime && now.Wait >= before.Wait
	})
}

func TestLabPersistentMove(t *testing.T) {
	l := labtest.Up(t, lab.Options{Hosts: 2})
	const metadata = `<virtbalance:domain xmlns:virtbalance="https://virtbalance.org/domain/1"><colour shade="7"/></virtbalance:domain>` +
		`<x:note xmlns:x="urn:x">mine</x:note>`
	g, id := guest(t, l.Host("h1"), lab.GuestSpec{
		Name: "vm1", Load: 10, Persistent: true, Autostart: true, Metadata: metadata, FillMiB: 12,
	})
	from, to := connect(t, l.Host("h1"), libvirt.Options{}), connect(t, l.Host("h2"), libvirt.Options{})
	w, err := g.Watch(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	desc, err := from.Describe(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if !desc.Persistent || !desc.Autostart || desc.Name != "vm1" || desc.VCPUs != 1 || desc.InactiveXML == "" ||
		string(desc.Source.ID) != from.host.UUID || desc.MemoryMax != 16*policy.MiB {
		t.Errorf("description: %+v", desc)
	}
	if r, detail := to.Preflight(t.Context(), desc); r != policy.OK {
		t.Fatalf("pre-flight on h2: %v: %s", r, detail)
	}
	if r, _ := from.Preflight(t.Context(), desc); r != policy.SameHost {
		t.Errorf("pre-flight on the source itself: %v", r)
	}

	reports := 0
	out := from.Migrate(t.Context(), hypervisor.Transfer{Domain: id, URI: to.host.MigrationURI(), Bandwidth: 8 * policy.MiB},
		func(policy.Progress) { reports++ })
	t.Logf("outcome: %+v, progress reported %d times", out, reports)
	if out.Result != policy.Succeeded || out.Reason != policy.Completed || out.Downtime <= 0 || out.Duration <= 0 ||
		out.Transferred < policy.MiB || reports == 0 {
		t.Errorf("outcome: %+v after %d reports", out, reports)
	}
	if p := located(t, from, id); p != absent {
		t.Errorf("on the source: %+v", p)
	}
	if p := located(t, to, id); !p.Running() || !p.Defined {
		t.Errorf("on the target: %+v", p)
	}

	last := time.Now().Add(-time.Minute).Truncate(time.Second).UTC()
	handoff := hypervisor.Handoff{Autostart: true, History: policy.MoveHistory{Last: last, From: desc.Source.ID, Count: 2}}
	for range 2 { // the second time changes nothing
		if err := to.Settle(t.Context(), id, handoff); err != nil {
			t.Fatal(err)
		}
	}
	if info := virsh(t, to.host, "dominfo", "vm1"); !strings.Contains(info, "Autostart:      enable") {
		t.Errorf("autostart not carried over:\n%s", info)
	}
	for _, args := range [][]string{{"dumpxml", "vm1"}, {"dumpxml", "--inactive", "vm1"}} {
		xml := virsh(t, to.host, args...)
		for _, want := range []string{"colour shade=", "urn:x", `count="2"`, string(desc.Source.ID)} {
			if !strings.Contains(strings.ReplaceAll(xml, "'", `"`), want) {
				t.Errorf("%s lacks %s:\n%s", strings.Join(args, " "), want, xml)
			}
		}
	}
	until(t, "the history to show in a sample", func() bool {
		d, ok := find(t, to, id)
		return ok && d.History.Count == 2 && d.History.From == desc.Source.ID && d.History.Last.Equal(last)
	})
	r, err := w.Stop()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("guest: %s", r)
	if err := r.Err(); err != nil {
		t.Error(err)
	}
}

func TestLabTransientMove(t *testing.T) {
	l := labtest.Up(t, lab.Options{Hosts: 2})
	_, id := guest(t, l.Host("h1"), lab.GuestSpec{Name: "vm1"})
	careful := connect(t, l.Host("h1"), libvirt.Options{})
	if r := inspected(t, careful, id); r != policy.Transient {
		t.Errorf("obstacle: %v", r)
	}
	transfer := hypervisor.Transfer{Domain: id, URI: l.Host("h2").MigrationURI()}
	if out := careful.Migrate(t.Context(), transfer, nil); out.Result != policy.Failed || out.Reason != policy.Transient {
		t.Errorf("a transient domain is moved only if the configuration says so: %+v", out)
	}
	from := connect(t, l.Host("h1"), libvirt.Options{MoveTransient: true})
	to := connect(t, l.Host("h2"), libvirt.Options{})
	if out := from.Migrate(t.Context(), transfer, nil); out.Result != policy.Succeeded {
		t.Fatalf("outcome: %+v", out)
	}
	if err := to.Settle(t.Context(), id, hypervisor.Handoff{History: policy.MoveHistory{Last: time.Now(), Count: 1}}); err != nil {
		t.Error(err)
	}
	if p := located(t, from, id); p != absent {
		t.Errorf("on the source: %+v", p)
	}
	if p := located(t, to, id); !p.Running() || p.Defined {
		t.Errorf("on the target: %+v", p)
	}
}

// slow is a transfer that takes long enough to be disturbed.
func slow(t *testing.T, l *lab.Lab) (id policy.DomainID, transfer hypervisor.Transfer) {
	t.Helper()
	_, id = guest(t, l.Host("h1"), lab.GuestSpec{Name: "vm1", MemoryMiB: 64, FillMiB: 48, Persistent: true})
	return id, hypervisor.Transfer{Domain: id, URI: l.Host("h2").MigrationURI(), Bandwidth: policy.MiB}
}

// begin starts a migration and returns once it is seen running. The outcome
// comes through the channel.
func begin(t *testing.T, a *adapter, transfer hypervisor.Transfer) <-chan policy.Outcome {
	t.Helper()
	outcome := make(chan policy.Outcome, 1)
	running := make(chan struct{}, 1)
	go func() {
		outcome <- a.Migrate(t.Context(), transfer, func(policy.Progress) {
			select {
			case running <- struct{}{}:
			default:
			}
		})
	}()
	select {
	case <-running:
	case out := <-outcome:
		t.Fatalf("the migration was over before it was seen running: %+v", out)
	}
	return outcome
}

func TestLabAbort(t *testing.T) {
	l := labtest.Up(t, lab.Options{Hosts: 2})
	id, transfer := slow(t, l)
	from, to := connect(t, l.Host("h1"), libvirt.Options{}), connect(t, l.Host("h2"), libvirt.Options{})
	if err := from.Abort(t.Context(), id); !errors.Is(err, libvirt.ErrNoMigration) {
		t.Errorf("abort without a migration: %v", err)
	}
	outcome := begin(t, from, transfer)
	d, _ := find(t, from, id)
	if d.Job != policy.MigratingOut || d.State != policy.StateRunning {
		t.Errorf("on the source while it runs: %+v", d)
	}
	if p := located(t, from, id); p.Job != policy.MigratingOut || p.MigratedAway {
		t.Errorf("located on the source while it runs: %+v", p)
	}
	until(t, "the arrival to show on the target", func() bool {
		d, ok := find(t, to, id)
		return ok && d.Job == policy.MigratingIn && d.State == policy.StatePaused
	})
	if p := located(t, to, id); p.Running() || p.Job != policy.MigratingIn {
		t.Errorf("located on the target while it runs: %+v", p)
	}
	if out := from.Migrate(t.Context(), transfer, nil); out.Result != policy.Failed || out.Reason != policy.JobActive {
		t.Errorf("a second migration of the same domain: %+v", out)
	}
	if err := from.Abort(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if out := <-outcome; out.Result != policy.Aborted || out.Reason != policy.Cancelled {
		t.Errorf("outcome: %+v", out)
	}
	if p := located(t, from, id); !p.Running() || p.Job != policy.NoJob {
		t.Errorf("on the source afterwards: %+v", p)
	}
	until(t, "the target to be clean", func() bool { return located(t, to, id) == absent })
}

func TestLabDeadlineAbortsNothingAndWatchAdopts(t *testing.T) {
	l := labtest.Up(t, lab.Options{Hosts: 2})
	id, transfer := slow(t, l)
	transfer.Bandwidth = 8 * policy.MiB
	from, to := connect(t, l.Host("h1"), libvirt.Options{}), connect(t, l.Host("h2"), libvirt.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	out := from.Migrate(ctx, transfer, func(policy.Progress) { cancel() })
	if out.Result != policy.Unknown || out.Reason != policy.NotLocated {
		t.Errorf("outcome for a caller that left: %+v", out)
	}
	// Another life of the daemon finds the migration and follows it.
	heir := connect(t, l.Host("h1"), libvirt.Options{})
	reports := 0
	out = heir.Watch(t.Context(), id, func(policy.Progress) { reports++ })
	if out.Result != policy.Succeeded || reports == 0 {
		t.Errorf("outcome of the watch: %+v after %d reports", out, reports)
	}
	if p := located(t, to, id); !p.Running() {
		t.Errorf("on the target: %+v", p)
	}
	until(t, "the first adapter to forget it", func() bool { return from.Status().Migrations == 0 })
}

func TestLabLibvirtdKilledDuringMigration(t *testing.T) {
	l := labtest.Up(t, lab.Options{Hosts: 2, KeepaliveInterval: time.Second, KeepaliveCount: 3})
	id, transfer := slow(t, l)
	from, to := connect(t, l.Host("h1"), libvirt.Options{}), connect(t, l.Host("h2"), libvirt.Options{})
	outcome := begin(t, from, transfer)
	if err := from.host.RestartLibvirtd(t.Context()); err != nil {
		t.Fatal(err)
	}
	out := <-outcome
	t.Logf("outcome: %+v", out)
	if out.Result != policy.Failed || out.Reason != policy.ConnectionLost {
		t.Errorf("outcome: %+v", out)
	}
	if p := located(t, from, id); !p.Running() || !p.Defined || p.Job != policy.NoJob {
		t.Errorf("on the source: %+v", p)
	}
	until(t, "the target to be clean", func() bool { return located(t, to, id) == absent })
	if n := from.Status().Reconnects; n == 0 {
		t.Errorf("reconnects: %d", n)
	}
	transfer.Bandwidth = 0
	if out := from.Migrate(t.Context(), transfer, nil); out.Result != policy.Succeeded {
		t.Errorf("another attempt: %+v", out)
	}
}

func TestLabTargetLibvirtdKilledDuringMigration(t *testing.T) {
	l := labtest.Up(t, lab.Options{Hosts: 2, KeepaliveInterval: time.Second, KeepaliveCount: 3})
	id, transfer := slow(t, l)
	from := connect(t, l.Host("h1"), libvirt.Options{})
	outcome := begin(t, from, transfer)
	if err := l.Host("h2").RestartLibvirtd(t.Context()); err != nil {
		t.Fatal(err)
	}
	out := <-outcome
	t.Logf("outcome: %+v", out)
	if out.Result != policy.Failed || out.Reason != policy.LibvirtError {
		t.Errorf("outcome: %+v", out)
	}
	if p := located(t, from, id); !p.Running() || p.Job != policy.NoJob {
		t.Errorf("on the source: %+v", p)
	}
}

func TestLabLibvirtdRestartedAndStopped(t *testing.T) {
	l := labtest.Up(t, lab.Options{Hosts: 1})
	h := l.Host("h1")
	_, id := guest(t, h, lab.GuestSpec{Name: "vm1", Persistent: true})
	const deadline = time.Second
	a := connect(t, h, libvirt.Options{CallDeadline: deadline, KeepAlive: time.Second})
	if r := inspected(t, a, id); r != policy.OK {
		t.Fatalf("obstacle: %v", r)
	}

	// Killed: down, then up again by itself, with its events.
	if err := h.KillLibvirtd(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, "the loss of the connection", func() bool { return !a.Status().Connected })
	if s, err := a.Sample(t.Context()); err == nil || s.DomainsKnown || !s.Host.Known {
		t.Errorf("sample without libvirtd: %+v, %v", s, err)
	}
	if p, err := a.Locate(t.Context(), id); err == nil || p.Known {
		t.Errorf("locate without libvirtd: %+v, %v", p, err)
	}
	if err := h.StartLibvirtd(t.Context()); err != nil {
		t.Fatal(err)
	}
	until(t, "the connection to come back", func() bool { return a.Status().Connected })
	if p := located(t, a, id); !p.Running() {
		t.Errorf("after the restart: %+v", p)
	}
	virsh(t, h, "metadata", "vm1", "https://virtbalance.org/domain/1", "--live", "--key", "virtbalance", "--set", "<domain><pin/></domain>")
	until(t, "an event about the metadata to be heeded", func() bool {
		d, ok := find(t, a, id)
		return ok && d.Obstacle == policy.PinnedDomain
	})

	// Stopped: every call returns in time all the same.
	signal := func(name string) {
		t.Helper()
		if _, err := h.Exec(t.Context(), "sh", "-c", "kill -"+name+" $(cat /run/libvirtd.pid)"); err != nil {
			t.Fatal(err)
		}
	}
	signal("STOP")
	for range 5 {
		began := time.Now()
		s, err := a.Sample(t.Context())
		p, err2 := a.Locate(t.Context(), id)
		if took := time.Since(began); took > 2*deadline+5*time.Second {
			t.Errorf("calls on a stopped libvirtd took %v", took)
		}
		if err == nil || err2 == nil || s.DomainsKnown || p.Known {
			t.Errorf("a stopped libvirtd answered: %v, %v", err, err2)
		}
	}
	hung := a.Status()
	t.Logf("while stopped: %+v", hung)
	if hung.OverdueCalls == 0 || hung.Connected {
		t.Errorf("while stopped: %+v", hung)
	}
	signal("CONT")
	until(t, "the adapter to recover", func() bool {
		s := a.Status()
		return s.Connected && s.HungCalls == 0
	})
	if p := located(t, a, id); !p.Running() {
		t.Errorf("after the stop: %+v", p)
	}
}

func TestLabPausedAndVanishedDomains(t *testing.T) {
	l := labtest.Up(t, lab.Options{Hosts: 2})
	h := l.Host("h1")
	_, paused := guest(t, h, lab.GuestSpec{Name: "paused", Persistent: true})
	_, gone := guest(t, h, lab.GuestSpec{Name: "gone", MemoryMiB: 64, FillMiB: 48, Persistent: true})
	a := connect(t, h, libvirt.Options{})
	transfer := func(id policy.DomainID) hypervisor.Transfer {
		return hypervisor.Transfer{Domain: id, URI: l.Host("h2").MigrationURI(), Bandwidth: policy.MiB}
	}

	virsh(t, h, "suspend", "paused")
	if d, _ := find(t, a, paused); d.State != policy.StatePaused || d.Job != policy.NoJob {
		t.Errorf("paused domain in a sample: %+v", d)
	}
	if p := located(t, a, paused); p.State != policy.StatePaused || p.MigratedAway || p.Job != policy.NoJob {
		t.Errorf("paused domain located: %+v", p)
	}
	if out := a.Migrate(t.Context(), transfer(paused), nil); out.Result != policy.Failed || out.Reason != policy.NotRunning {
		t.Errorf("migration of a paused domain: %+v", out)
	}

	outcome := begin(t, a, transfer(gone))
	virsh(t, h, "destroy", "gone") // the guest's keyboard is locked by the migration
	out := <-outcome
	t.Logf("outcome of a domain that ends on the way: %+v", out)
	if out.Result != policy.Failed || out.Reason != policy.SourceGone {
		t.Errorf("outcome: %+v", out)
	}
	if p := located(t, a, gone); p.Active || !p.Defined || p.MigratedAway || p.State != policy.StateShutoff {
		t.Errorf("shut off domain located: %+v", p)
	}
	if out := a.Migrate(t.Context(), transfer(gone), nil); out.Result != policy.Failed || out.Reason != policy.NotRunning {
		t.Errorf("migration of a domain that is shut off: %+v", out)
	}
	const nobody policy.DomainID = "00000000-1111-2222-3333-444444444444"
	if out := a.Migrate(t.Context(), transfer(nobody), nil); out.Result != policy.Failed || out.Reason != policy.SourceGone {
		t.Errorf("migration of a domain that is not there: %+v", out)
	}
	if out := a.Watch(t.Context(), nobody, nil); out.Result != policy.Unknown || out.Reason != policy.NotLocated {
		t.Errorf("watch of a domain that is not there: %+v", out)
	}
}
