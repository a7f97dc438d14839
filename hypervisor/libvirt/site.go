package libvirt

import (
	"context"
	"errors"
	"fmt"

	lv "libvirt.org/go/libvirt"
	"libvirt.org/go/libvirtxml"

	"github.com/virtbalance/virtbalance/hypervisor/proc"
	"github.com/virtbalance/virtbalance/policy"
)

// site is this host's side of the checks: its answer to everything that one
// arrival brings up.
type site struct {
	node
	facts  policy.HostFacts
	memory proc.Memory

	// uuidHere and nameHere say what already has the domain's UUID or name:
	// empty if nothing has.
	uuidHere, nameHere string

	cpu      finding
	machine  answer
	tpm      bool // swtpm can be had
	networks map[string]network
	// freePages is the number of free huge pages of each size that the host
	// has and the guest wants.
	freePages map[policy.Bytes]uint64

	links map[string]nic
	files map[string]sight
}

// answer is one that libvirt gave in words.
type answer struct {
	ok     bool
	detail string
}

// survey asks libvirt and looks around.
func (h *Hypervisor) survey(ctx context.Context, s *session, a *arrival) (site, error) {
	var v site
	facts, err := h.factsOf(s.node)
	if err != nil {
		return v, err
	}
	memory, err := h.proc.Memory()
	if err != nil {
		return v, err
	}
	t := task{what: "check for an arrival", limit: h.opts.CallDeadline, conn: s.conn}
	v, err = call(ctx, h.calls, t, func() (site, error) { return askLibvirt(s.conn.lv, a, memory) })
	if err != nil {
		return v, err
	}
	v.node, v.facts, v.memory = s.node, facts, memory

	type seen struct {
		links map[string]nic
		files map[string]sight
	}
	t = task{what: "look for disks and networks", limit: h.opts.CallDeadline}
	around, err := call(ctx, h.calls, t, func() (seen, error) {
		v := seen{links: readLinks(&a.dom), files: make(map[string]sight)}
		for _, n := range needs(&a.dom) {
			var err error
			if v.files[n.place()], err = look(n.place()); err != nil {
				return v, fmt.Errorf("%s: %w", n.what, err)
			}
		}
		return v, nil
	})
	v.links, v.files = around.links, around.files
	return v, err
}

// askLibvirt asks everything that an arrival brings up. It runs inside a call.
func askLibvirt(c *lv.Connect, a *arrival, memory proc.Memory) (site, error) {
	var s site
	var err error
	if s.uuidHere, s.nameHere, err = namesakes(c, a); err != nil {
		return s, err
	}
	if s.machine, s.tpm, err = readEmulator(c, &a.dom); err != nil {
		return s, err
	}
	if s.machine.ok { // else there is nothing to compare for
		if s.cpu, err = compareCPU(c, &a.dom); err != nil {
			return s, err
		}
	}
	if s.networks, err = readNetworks(c, &a.dom); err != nil {
		return s, err
	}
	s.freePages, err = readFreePages(c, &a.dom, memory)
	return s, err
}

// namesakes looks for a domain with the UUID or the name of the arrival.
func namesakes(c *lv.Connect, a *arrival) (uuid, name string, err error) {
	d, err := c.LookupDomainByUUIDString(string(a.Domain))
	switch {
	case err == nil:
		uuid = presence(d)
		_ = d.Free()
	case !noDomain(err):
		return "", "", err
	}
	d, err = c.LookupDomainByName(a.Name)
	switch {
	case err == nil:
		name = presence(d)
		_ = d.Free()
	case !noDomain(err):
		return "", "", err
	}
	return uuid, name, nil
}

// presence puts into words in which way a domain is there.
func presence(d *lv.Domain) string {
	name, _ := d.GetName()
	uuid, _ := d.GetUUIDString()
	how := "defined"
	if active, err := d.IsActive(); err == nil && active {
		how = "active"
	}
	return fmt.Sprintf("domain %s (%s) is %s here", name, uuid, how)
}

// platform is what the guest is emulated with.
func platform(d *libvirtxml.Domain) (emulator, arch, machine string) {
	if d.Devices != nil {
		emulator = d.Devices.Emulator
	}
	if d.OS != nil && d.OS.Type != nil {
		arch, machine = d.OS.Type.Arch, d.OS.Type.Machine
	}
	return emulator, arch, machine
}

// readEmulator asks whether the guest's emulator is here and knows the guest's
// machine type, and whether it has a software TPM.
func readEmulator(c *lv.Connect, d *libvirtxml.Domain) (machine answer, tpm bool, err error) {
	emulator, arch, machineType := platform(d)
	desc, err := c.GetDomainCapabilities(emulator, arch, machineType, d.Type, 0)
	switch {
	case err == nil:
	case lost(err):
		return machine, false, err
	default:
		return answer{detail: message(err)}, false, nil
	}
	var caps libvirtxml.DomainCaps
	if err := caps.Unmarshal(desc); err != nil {
		return machine, false, fmt.Errorf("read the emulator's capabilities: %w", err)
	}
	if t := caps.Devices.TPM; t != nil && t.Supported == "yes" {
		for _, e := range t.Enums {
			for _, v := range e.Values {
				tpm = tpm || e.Name == "backendModel" && v == "emulator"
			}
		}
	}
	return answer{ok: true}, tpm, nil
}

// readFreePages asks for the sizes of huge pages that the guest wants. A size
// that the host does not have is left out.
func readFreePages(c *lv.Connect, d *libvirtxml.Domain, memory proc.Memory) (map[policy.Bytes]uint64, error) {
	free := make(map[policy.Bytes]uint64)
	wanted, err := hugePages(d, memory)
	if err != nil {
		return free, nil // judged by the check
	}
	for _, p := range wanted {
		const everywhere = -1 // all NUMA nodes together
		counts, err := c.GetFreePages([]uint64{uint64(p.size / policy.KiB)}, everywhere, 1, 0)
		switch {
		case err == nil && len(counts) > 0:
			free[p.size] = counts[0]
		case err != nil && lost(err):
			return free, err
		}
	}
	return free, nil
}

// lost reports that an error is not libvirt's answer to the question but a
// broken connection.
func lost(err error) bool {
	var e lv.Error
	if !errors.As(err, &e) {
		return true
	}
	return e.Domain == lv.FROM_RPC
}
