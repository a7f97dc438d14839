package libvirt

import (
	"context"
	"errors"
	"fmt"

	"github.com/virtbalance/virtbalance/hypervisor"
	"github.com/virtbalance/virtbalance/policy"
	lv "libvirt.org/go/libvirt"
	"libvirt.org/go/libvirtxml"
)

// CheckResult is the answer of one check about one domain.
type CheckResult struct {
	// Name is the same for good; Row is the number of the check in
	// docs/preflight.md, zero if it has none there.
	Name string
	Row  int
	// Reason is OK if nothing stands in the way; Detail is for people.
	Reason policy.Reason
	Detail string
}

// arrival is a domain that wants to come here, and here as values: what the
// source says, and what this host answers to everything that it brings up.
type arrival struct {
	hypervisor.Description
	dom  libvirtxml.Domain
	site site
}

// arrivalChecks are asked in this order and the first that stands in the way
// is the answer: what cannot be changed comes first.
var arrivalChecks = []struct {
	check
	find func(*arrival) finding
}{
	{check{"other host", 0}, otherHost},
	{check{"not there yet", 21}, notThereYet},
	{check{"versions", 19}, versions},
	{check{"host CPU", 2}, hostCPU},
	{check{"CPU model", 1}, cpuModel},
	{check{"machine type", 3}, machineType},
}

// Preflight says whether this host, as the target, could run the domain:
// policy.OK, or the first reason against it with the detail for people. A
// question that could not be answered counts as a reason.
func (h *Hypervisor) Preflight(ctx context.Context, d hypervisor.Description) (policy.Reason, string) {
	a, f := h.arrival(ctx, d)
	if f.Reason != policy.OK {
		return f.Reason, f.Detail
	}
	for _, c := range arrivalChecks {
		if f := c.find(a); f.Reason != policy.OK {
			return f.Reason, f.Detail
		}
	}
	return policy.OK, ""
}

// Checks gives the answer of every check of Preflight.
func (h *Hypervisor) Checks(ctx context.Context, d hypervisor.Description) ([]CheckResult, error) {
	a, f := h.arrival(ctx, d)
	if f.Reason != policy.OK {
		return nil, fmt.Errorf("check domain %s: %s", d.Domain, f.Detail)
	}
	results := make([]CheckResult, 0, len(arrivalChecks))
	for _, c := range arrivalChecks {
		f := c.find(a)
		results = append(results, CheckResult{c.name, c.row, f.Reason, f.Detail})
	}
	return results, nil
}

// Limits on what a source may send.
const definitionMax = 4 << 20

// arrival gathers what the checks look at.
func (h *Hypervisor) arrival(ctx context.Context, d hypervisor.Description) (*arrival, finding) {
	cannot := func(err error) (*arrival, finding) {
		return nil, because(policy.PreflightFailed, "%s", message(err))
	}
	a := &arrival{Description: d}
	if len(d.XML) > definitionMax {
		return cannot(fmt.Errorf("a definition of %d bytes is more than %d", len(d.XML), definitionMax))
	}
	if err := a.dom.Unmarshal(d.XML); err != nil {
		return cannot(fmt.Errorf("the definition cannot be read: %w", err))
	}
	s, err := h.current()
	if err != nil {
		return cannot(err)
	}
	facts, err := h.factsOf(s.node)
	if err != nil {
		return cannot(err)
	}
	t := task{what: "check for an arrival", limit: h.opts.CallDeadline, conn: s.control}
	a.site, err = call(ctx, h.calls, t, func() (site, error) { return askLibvirt(s.control.lv, a) })
	if err != nil {
		return cannot(err)
	}
	a.site.facts = facts
	return a, finding{}
}

// site is this host's side of the checks, for one arrival.
type site struct {
	facts policy.HostFacts

	// uuidHere and nameHere say what already has the domain's UUID or name:
	// empty if nothing has.
	uuidHere, nameHere string

	cpu     answer
	machine answer
}

// answer is one that libvirt gave in words.
type answer struct {
	ok     bool
	detail string
}

// askLibvirt asks everything that an arrival brings up. It runs inside a call.
func askLibvirt(c *lv.Connect, a *arrival) (site, error) {
	var s site
	var err error
	if s.uuidHere, s.nameHere, err = namesakes(c, a); err != nil {
		return s, err
	}
	emulator, arch, machine := platform(&a.dom)
	if _, err := c.GetDomainCapabilities(emulator, arch, machine, a.dom.Type, 0); err != nil {
		if lost(err) {
			return s, err
		}
		s.machine.detail = message(err)
	} else {
		s.machine.ok = true
	}
	s.cpu, err = compareCPU(c, &a.dom)
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

// lost reports that an error is not libvirt's answer to the question but a
// broken connection.
func lost(err error) bool {
	var e lv.Error
	if !errors.As(err, &e) {
		return true
	}
	return e.Domain == lv.FROM_RPC
}
