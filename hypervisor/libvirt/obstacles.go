package libvirt

import (
	"fmt"
	"slices"
	"strings"

	"libvirt.org/go/libvirtxml"

	"github.com/virtbalance/virtbalance/policy"
)

// check is one thing that may keep a domain where it is, or off a host.
type check struct {
	// name is for people and stays the same for good.
	name string
	// row is the number of the check in docs/preflight.md.
	row int
}

// obstacles are asked in this order and the first that stands in the way is
// the answer: what a person has said comes first, what can be taken away by a
// person comes before what is in the nature of the domain.
var obstacles = []struct {
	check
	find func(*subject) finding
}{
	{check{"definition", 0}, understood},
	{check{"rules", 0}, ownRules},
	{check{"managed elsewhere", 23}, managedElsewhere},
	{check{"persistence", 0}, transience},
	{check{"passthrough", 5}, passthrough},
	{check{"snapshots", 7}, snapshots},
	{check{"block jobs", 8}, blockJobs},
	{check{"storage", 9}, storage},
	{check{"devices", 8}, devices},
	{check{"CPU features", 4}, cpuFeatures},
	{check{"pinning", 16}, pinning},
}

// obstacle returns the first finding that stands in the way of moving the
// domain anywhere, or none.
func (s *subject) obstacle() finding {
	for _, o := range obstacles {
		if f := o.find(s); f.Reason != policy.OK {
			return f
		}
	}
	return finding{}
}

// because makes a finding.
func because(r policy.Reason, format string, args ...any) finding {
	return finding{r, fmt.Sprintf(format, args...)}
}

// understood keeps a domain where it is whose definition says something that
// this version cannot read: it may be what makes it immovable.
func understood(s *subject) finding {
	if s.fault != nil {
		return because(policy.NotMigratable, "%v", s.fault)
	}
	return finding{}
}

func ownRules(s *subject) finding {
	switch {
	case s.rules.Ignore:
		return because(policy.IgnoredDomain, "its metadata says <ignore/>")
	case s.rules.Pin:
		return because(policy.PinnedDomain, "its metadata says <pin/>")
	default:
		return finding{}
	}
}

// managers are the namespaces by which other managers mark the domains that
// are theirs; a prefix each, because they carry versions.
var managers = []struct{ prefix, name string }{
	{"http://openstack.org/xmlns/libvirt/nova/", "OpenStack Nova"},
	{"http://ovirt.org/vm/", "oVirt"},
	{"http://opennebula.org/xmlns/libvirt/", "OpenNebula"},
	{"http://kubevirt.io", "KubeVirt"},
}

func managedElsewhere(s *subject) finding {
	for _, ns := range s.others {
		for _, m := range managers {
			if strings.HasPrefix(ns, m.prefix) {
				return because(policy.ManagedElsewhere, "its metadata is %s's", m.name)
			}
		}
		if slices.Contains(s.opts.ManagedNamespaces, ns) {
			return because(policy.ManagedElsewhere, "its metadata is in %s", ns)
		}
	}
	if s.pacemaker(s.dom.Name) {
		return because(policy.ManagedElsewhere, "Pacemaker runs it as a VirtualDomain resource")
	}
	return finding{}
}

func transience(s *subject) finding {
	if !s.persistent && !s.opts.MoveTransient {
		return because(policy.Transient, "it has no persistent definition")
	}
	return finding{}
}

func snapshots(s *subject) finding {
	if s.snapshots > 0 {
		return because(policy.HasSnapshot, "snapshots: %d", s.snapshots)
	}
	return finding{}
}

func blockJobs(s *subject) finding {
	if len(s.blockJobs) > 0 {
		return because(policy.JobActive, "block job on disk %s", strings.Join(s.blockJobs, ", "))
	}
	for _, d := range s.disks() {
		if d.Mirror != nil {
			return because(policy.JobActive, "disk %s is being copied or committed", diskName(d))
		}
	}
	return finding{}
}

// passthrough finds devices of this host that the domain holds.
func passthrough(s *subject) finding {
	if s.dom.Devices == nil {
		return finding{}
	}
	held := func(format string, args ...any) finding { return because(policy.Passthrough, format, args...) }
	for _, d := range s.dom.Devices.Hostdevs {
		switch {
		case d.SubsysPCI != nil:
			// A transient teaming partner is unplugged for the migration, but
			// nothing here can tell whether the guest survives that.
			return held("PCI device of this host")
		case d.SubsysMDev != nil:
			return held("mediated device of this host")
		case d.SubsysUSB != nil:
			return held("USB device of this host")
		default:
			return held("device of this host")
		}
	}
	for _, i := range s.dom.Devices.Interfaces {
		if i.Source != nil && i.Source.Hostdev != nil {
			return held("network interface %s is a device of this host", interfaceName(i))
		}
		if i.Source != nil && i.Source.Direct != nil && i.Source.Direct.Mode == "passthrough" {
			return held("network interface %s takes %s of this host for itself", interfaceName(i), i.Source.Direct.Dev)
		}
	}
	for _, t := range s.dom.Devices.TPMs {
		if t.Backend != nil && t.Backend.Passthrough != nil {
			return held("TPM of this host")
		}
	}
	for _, i := range s.dom.Devices.Inputs {
		if i.Source != nil && (i.Source.Passthrough != nil || i.Source.EVDev != nil) {
			return held("input device of this host")
		}
	}
	for _, c := range s.dom.Devices.Smartcards {
		if c.Host != nil || len(c.HostCerts) > 0 {
			return held("smart card of this host")
		}
	}
	for _, c := range s.dom.Devices.Serials {
		if c.Source != nil && c.Source.Dev != nil {
			return held("serial port %s of this host", c.Source.Dev.Path)
		}
	}
	for _, c := range s.dom.Devices.Parallels {
		if c.Source != nil && c.Source.Dev != nil {
			return held("parallel port %s of this host", c.Source.Dev.Path)
		}
	}
	return finding{}
}

// devices finds what libvirt or QEMU cannot migrate, and what nothing here can
// check on a target.
func devices(s *subject) finding {
	no := func(format string, args ...any) finding { return because(policy.NotMigratable, format, args...) }
	if s.dom.LaunchSecurity != nil {
		return no("its memory is encrypted for this host")
	}
	if c := s.dom.QEMUCommandline; c != nil && len(c.Args)+len(c.Envs) > 0 {
		return no("it has raw QEMU arguments, which nothing can check")
	}
	dev := s.dom.Devices
	if dev == nil {
		return finding{}
	}
	if len(dev.Filesystems) > 0 {
		return no("it shares a directory of this host")
	}
	if len(dev.Shmems) > 0 {
		return no("it shares memory with other processes of this host")
	}
	for _, m := range dev.Memorydevs {
		switch m.Model {
		case "dimm", "virtio-mem":
		default:
			return no("memory device of model %s", m.Model)
		}
	}
	for _, d := range dev.Disks {
		if d.Transient != nil {
			return no("disk %s is transient", diskName(d))
		}
	}
	for _, v := range dev.Videos {
		if a := v.Model.Accel; a != nil && a.Accel3D == "yes" {
			return no("its video device uses the GPU of this host")
		}
	}
	for _, g := range dev.Graphics {
		if g.EGLHeadless != nil || g.Spice != nil && g.Spice.GL != nil && g.Spice.GL.Enable == "yes" {
			return no("its display uses the GPU of this host")
		}
	}
	for _, t := range dev.TPMs {
		if t.Backend != nil && t.Backend.External != nil {
			return no("its TPM runs outside libvirt")
		}
	}
	for _, i := range dev.Interfaces {
		if f := interfaceKind(i); f.Reason != policy.OK {
			return f
		}
	}
	return finding{}
}

// interfaceKind allows the kinds of network interface whose other end can be
// looked for on a target.
func interfaceKind(i libvirtxml.DomainInterface) finding {
	no := func(what string) finding {
		return because(policy.NotMigratable, "network interface %s: %s", interfaceName(i), what)
	}
	src := i.Source
	switch {
	case src == nil:
		return no("no source")
	case src.Bridge != nil, src.Network != nil, src.Direct != nil, src.Hostdev != nil, src.Null != nil:
		return finding{}
	case src.User != nil:
		return no("user-mode networking, whose connections end here")
	case src.VDPA != nil:
		return no("vDPA")
	case src.VHostUser != nil:
		return no("vhost-user, which nothing can check on a target")
	case src.Ethernet != nil:
		return no("a bare tap device, which nothing connects on a target")
	default:
		return no("a kind that nothing can check on a target")
	}
}

// cpuFeatures refuses what libvirt refuses late: an invariant TSC without a
// frequency that a target could be compared by.
func cpuFeatures(s *subject) finding {
	if s.dom.CPU == nil {
		return finding{}
	}
	for _, f := range s.dom.CPU.Features {
		if f.Name == "invtsc" && (f.Policy == "require" || f.Policy == "force") && tscFrequency(&s.dom) == 0 {
			return because(policy.NotMigratable, "CPU feature invtsc without a TSC frequency")
		}
	}
	return finding{}
}

func tscFrequency(d *libvirtxml.Domain) uint64 {
	if d.Clock == nil {
		return 0
	}
	for _, t := range d.Clock.Timer {
		if t.Name == "tsc" {
			return t.Frequency
		}
	}
	return 0
}

// pinning treats a domain that somebody has bound to CPUs or NUMA nodes as
// bound to the host: the numbers mean other CPUs elsewhere.
func pinning(s *subject) finding {
	if s.opts.MovePinned {
		return finding{}
	}
	pinned := func(format string, args ...any) finding { return because(policy.PinnedDomain, format, args...) }
	if v := s.dom.VCPU; v != nil && v.CPUSet != "" && v.Placement != "auto" {
		return pinned("its vCPUs are bound to CPUs %s", v.CPUSet)
	}
	if t := s.dom.CPUTune; t != nil {
		switch {
		case len(t.VCPUPin) > 0:
			return pinned("vCPU %d is bound to CPUs %s", t.VCPUPin[0].VCPU, t.VCPUPin[0].CPUSet)
		case t.EmulatorPin != nil:
			return pinned("its emulator is bound to CPUs %s", t.EmulatorPin.CPUSet)
		case len(t.IOThreadPin) > 0:
			return pinned("I/O thread %d is bound to CPUs %s", t.IOThreadPin[0].IOThread, t.IOThreadPin[0].CPUSet)
		}
	}
	if n := s.dom.NUMATune; n != nil {
		if m := n.Memory; m != nil && m.Nodeset != "" && (m.Mode == "" || m.Mode == "strict") {
			return pinned("its memory is bound to NUMA nodes %s", m.Nodeset)
		}
		for _, m := range n.MemNodes {
			if m.Mode == "" || m.Mode == "strict" {
				return pinned("memory cell %d is bound to NUMA nodes %s", m.CellID, m.Nodeset)
			}
		}
	}
	return finding{}
}

// disks returns the disks of the domain, nil if it has none.
func (s *subject) disks() []libvirtxml.DomainDisk {
	if s.dom.Devices == nil {
		return nil
	}
	return s.dom.Devices.Disks
}

func diskName(d libvirtxml.DomainDisk) string {
	if d.Target != nil && d.Target.Dev != "" {
		return d.Target.Dev
	}
	return "?"
}

func interfaceName(i libvirtxml.DomainInterface) string {
	if i.Target != nil && i.Target.Dev != "" {
		return i.Target.Dev
	}
	if i.MAC != nil {
		return i.MAC.Address
	}
	return "?"
}
