package libvirt

import (
	"context"
	"fmt"

	"libvirt.org/go/libvirtxml"

	"github.com/virtbalance/virtbalance/hypervisor"
	"github.com/virtbalance/virtbalance/policy"
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
	{check{"machine type", 3}, machineType},
	{check{"CPU model", 1}, cpuModel},
	{check{"TSC frequency", 4}, tscMatches},
	{check{"disks", 9}, disksSeen},
	{check{"media", 10}, mediaSeen},
	{check{"directories", 14}, directoriesSeen},
	{check{"networks", 12}, networksSeen},
	{check{"TPM", 13}, tpmHere},
	{check{"CPU numbers", 16}, cpusExist},
	{check{"NUMA nodes", 15}, numaFits},
	{check{"memory", 15}, memoryFits},
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

// definitionMax bounds what a source may send.
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
	s, err := h.control.current()
	if err != nil {
		return cannot(err)
	}
	if a.site, err = h.survey(ctx, s, a); err != nil {
		return cannot(err)
	}
	return a, finding{}
}
