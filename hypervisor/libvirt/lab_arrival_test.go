//go:build lab

package libvirt_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/hypervisor"
	"github.com/virtbalance/virtbalance/hypervisor/libvirt"
	"github.com/virtbalance/virtbalance/policy"
	"github.com/virtbalance/virtbalance/tests/lab"
	"github.com/virtbalance/virtbalance/tests/lab/labtest"
)

func TestLabPreflightRefusals(t *testing.T) {
	l := labtest.Up(t, lab.Options{Hosts: 2})
	_, id := guest(t, l.Host("h1"), lab.GuestSpec{Name: "vm1", Persistent: true})
	from, to := connect(t, l.Host("h1"), libvirt.Options{}), connect(t, l.Host("h2"), libvirt.Options{})
	good, err := from.Describe(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if r, detail := to.Preflight(t.Context(), good); r != policy.OK {
		t.Fatalf("a good domain: %v: %s", r, detail)
	}
	swap := func(pattern, by string) func(*hypervisor.Description) {
		return func(d *hypervisor.Description) {
			changed := regexp.MustCompile(pattern).ReplaceAllString(d.XML, by)
			if changed == d.XML {
				t.Errorf("%s is not in\n%s", pattern, d.XML)
			}
			d.XML = changed
		}
	}
	device := func(xml string) func(*hypervisor.Description) { return swap(`</devices>`, xml+"</devices>") }
	cpu := func(xml string) func(*hypervisor.Description) { return swap(`(?s)<cpu .*</cpu>`, xml) }
	for _, c := range []struct {
		name   string
		spoil  func(*hypervisor.Description)
		want   policy.Reason
		detail string
	}{
		{"machine type of the future", swap(`machine='[^']*'`, `machine='pc-i440fx-99.0'`), policy.MachineUnsupported, "pc-i440fx-99.0"},
		{"emulator that is not here", swap(`<emulator>[^<]*`, `<emulator>/usr/bin/qemu-none`), policy.MachineUnsupported, "qemu-none"},
		{"CPU that is not here", cpu(`<cpu mode='custom' match='exact' check='full'><model fallback='forbid'>Snowridge</model></cpu>`), policy.CPUIncompatible, ""},
		{"the CPU that is here", cpu(`<cpu mode='custom' match='exact' check='full'><model fallback='forbid'>qemu64</model></cpu>`), policy.OK, ""},
		{"the host's CPU on an equal host", cpu(`<cpu mode='host-passthrough'/>`), policy.OK, ""},
		{
			"the host's CPU on another host",
			func(d *hypervisor.Description) {
				cpu(`<cpu mode='host-passthrough'/>`)(d)
				d.Source.CPUFingerprint++
			}, policy.CPUIncompatible, "microcode",
		},
		{"newer QEMU at the source", func(d *hypervisor.Description) { d.Source.HypervisorVersion += 1000 }, policy.VersionOlder, "QEMU"},
		{"no memory", func(d *hypervisor.Description) { d.MemoryMax = 1 << 45 }, policy.HostMemory, ""},
		{"no huge pages", swap(`</memory>`, `</memory><memoryBacking><hugepages><page size='1' unit='GiB'/></hugepages></memoryBacking>`), policy.HostMemory, "1.0 GiB"},
		{"no bridge", device(`<interface type='bridge'><source bridge='nobridge'/></interface>`), policy.NetworkMissing, "nobridge"},
		{"no network", device(`<interface type='network'><source network='nonet'/></interface>`), policy.NetworkMissing, "nonet"},
		{"no disk", device(`<disk type='file' device='disk'><source file='/nodisk'/><target dev='vda'/></disk>`), policy.StorageMissing, "/nodisk"},
		{"no medium", device(`<disk type='file' device='cdrom'><source file='/noiso'/><target dev='hda'/><readonly/></disk>`), policy.StorageMissing, "/noiso"},
		{"no such NUMA node", swap(`<os>`, `<numatune><memory mode='strict' nodeset='77'/></numatune><os>`), policy.PinnedDomain, "77"},
		{"no such CPU", swap(`<os>`, `<cputune><vcpupin vcpu='0' cpuset='4000'/></cputune><os>`), policy.PinnedDomain, "4000"},
		{"not XML", func(d *hypervisor.Description) { d.XML = d.XML[:100] }, policy.PreflightFailed, "definition"},
	} {
		d := good
		c.spoil(&d)
		r, detail := to.Preflight(t.Context(), d)
		if r != c.want || !strings.Contains(detail, c.detail) {
			t.Errorf("%s: %v: %s; want %v: ...%s...", c.name, r, detail, c.want, c.detail)
		}
	}
	results, err := to.Checks(t.Context(), good)
	if err != nil || len(results) < 10 {
		t.Errorf("checks: %+v, %v", results, err)
	}
	for _, r := range results {
		if r.Reason != policy.OK {
			t.Errorf("%s (row %d): %v: %s", r.Name, r.Row, r.Reason, r.Detail)
		}
	}

	// A stale definition of the same name, and then of the same UUID.
	if _, err := to.host.DefineGuest(t.Context(), lab.GuestSpec{Name: "vm1"}); err != nil {
		t.Fatal(err)
	}
	if r, detail := to.Preflight(t.Context(), good); r != policy.AlreadyThere || !strings.Contains(detail, "defined") {
		t.Errorf("a domain of the same name: %v: %s", r, detail)
	}
	d := good
	d.Domain, d.Name = policy.DomainID(virsh(t, to.host, "domuuid", "vm1")), "renamed"
	if r, detail := to.Preflight(t.Context(), d); r != policy.AlreadyThere || !strings.Contains(detail, string(d.Domain)) {
		t.Errorf("a domain of the same UUID: %v: %s", r, detail)
	}
}

func TestLabHungQEMU(t *testing.T) {
	l := labtest.Up(t, lab.Options{Hosts: 1})
	h := l.Host("h1")
	_, hungID := guest(t, h, lab.GuestSpec{Name: "hung", Persistent: true})
	_, fineID := guest(t, h, lab.GuestSpec{Name: "fine", Persistent: true})
	const deadline = 2 * time.Second
	a := connect(t, h, libvirt.Options{CallDeadline: deadline})
	for _, id := range []policy.DomainID{hungID, fineID} {
		if r := inspected(t, a, id); r != policy.OK {
			t.Fatalf("obstacle: %v", r)
		}
	}
	signal := func(name string) {
		t.Helper()
		if _, err := h.Exec(t.Context(), "sh", "-c", "kill -"+name+" $(cat /run/libvirt/qemu/hung.pid)"); err != nil {
			t.Fatal(err)
		}
	}
	signal("STOP")
	defer signal("CONT")
	// One reading may be held up; the next ones are complete again.
	slowest := time.Duration(0)
	until(t, "a complete sample beside a QEMU that hangs", func() bool {
		began := time.Now()
		s, err := a.Sample(t.Context())
		slowest = max(slowest, time.Since(began))
		if err != nil {
			return false
		}
		for _, d := range s.Domains {
			if d.ID == fineID && d.StatsKnown && d.State == policy.StateRunning {
				return true
			}
		}
		return false
	})
	t.Logf("slowest sample %v; %+v", slowest, a.Status())
	if slowest > deadline+5*time.Second {
		t.Errorf("a sample took %v", slowest)
	}
	if p := located(t, a, fineID); !p.Running() {
		t.Errorf("the domain beside it: %+v", p)
	}
	began := time.Now()
	p, err := a.Locate(t.Context(), hungID)
	t.Logf("locate the one that hangs: %+v, %v after %v", p, err, time.Since(began))
	if err != nil && p.Known || time.Since(began) > deadline+5*time.Second {
		t.Errorf("locate: %+v, %v after %v", p, err, time.Since(began))
	}
	signal("CONT")
	until(t, "everything to return", func() bool { return a.Status().HungCalls == 0 && a.Status().Connected })
	until(t, "the domain to be there again", func() bool {
		p, err := a.Locate(t.Context(), hungID)
		return err == nil && p.Running()
	})
}

// TestLabPostCopyAndDowntime looks at what libvirt does, not at the guest: with
// QEMU 7.2 and TCG a post-copy migration of a guest that writes faster than
// the network carries gives it back old memory, by virsh as well.
func TestLabPostCopyAndDowntime(t *testing.T) {
	l := labtest.Up(t, lab.Options{Hosts: 2})
	_, id := guest(t, l.Host("h1"), lab.GuestSpec{Name: "vm1", MemoryMiB: 64, FillMiB: 40, DirtyMiB: 32, Persistent: true})
	o := libvirt.Options{}
	o.Migration.PostCopy = true
	from, to := connect(t, l.Host("h1"), o), connect(t, l.Host("h2"), libvirt.Options{})
	// Slower than the guest writes: only post-copy brings it to an end.
	outcome := begin(t, from, hypervisor.Transfer{
		Domain: id, URI: to.host.MigrationURI(), Bandwidth: 12 * policy.MiB, MaxDowntime: 40 * time.Millisecond,
	})
	if limit := virsh(t, from.host, "migrate-getmaxdowntime", "vm1"); limit != "40" {
		t.Errorf("the longest downtime is %s ms", limit)
	}
	out := <-outcome
	t.Logf("outcome: %+v", out)
	if out.Result != policy.Succeeded {
		t.Errorf("outcome: %+v", out)
	}
	until(t, "the target to have everything", func() bool { return located(t, to, id).Running() })
	if p := located(t, from, id); p != absent {
		t.Errorf("on the source: %+v", p)
	}
}

func TestLabTargetLosesPower(t *testing.T) {
	l := labtest.Up(t, lab.Options{Hosts: 2, KeepaliveInterval: time.Second, KeepaliveCount: 3})
	id, transfer := slow(t, l)
	from := connect(t, l.Host("h1"), libvirt.Options{})
	outcome := begin(t, from, transfer)
	if err := l.Host("h2").PowerOff(t.Context()); err != nil {
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
