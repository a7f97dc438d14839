package libvirt

import (
	"context"
	"errors"
	"fmt"

	lv "libvirt.org/go/libvirt"
	"libvirt.org/go/libvirtxml"

	"github.com/virtbalance/virtbalance/hypervisor"
	"github.com/virtbalance/virtbalance/policy"
)

// Errors of Abort that a caller may want to tell apart.
var (
	// ErrNoMigration says that no migration out of this host runs on the
	// domain.
	ErrNoMigration = errors.New("no migration out is running")
	// ErrPostCopy says that the migration is in its post-copy phase: the guest
	// executes on the target already, and cancelling would lose it.
	ErrPostCopy = errors.New("the migration is in its post-copy phase and cannot be cancelled")
)

// Abort asks libvirt to cancel the migration of a domain out of this host,
// whoever started it. Any other job is left alone.
func (h *Hypervisor) Abort(ctx context.Context, id policy.DomainID) error {
	s, err := h.control.current()
	if err != nil {
		return fmt.Errorf("abort the migration of %s: %w", id, err)
	}
	_, err = onDomain(ctx, h, s, id, "abort the migration", func(d *lv.Domain) (struct{}, error) {
		var none struct{}
		r, err := read(d)
		switch {
		case err != nil:
			return none, err
		case r.job != policy.MigratingOut:
			return none, ErrNoMigration
		case r.progress.PostCopy:
			return none, ErrPostCopy
		}
		// Should post-copy begin at this moment, libvirt refuses by itself: a
		// plain abort is not valid in it.
		return none, d.AbortJob()
	})
	if err != nil {
		return fmt.Errorf("domain %s: %w", id, err)
	}
	return nil
}

// Locate says what libvirt here knows of a domain. Unless every question about
// it was answered, Presence.Known is false.
func (h *Hypervisor) Locate(ctx context.Context, id policy.DomainID) (policy.Presence, error) {
	s, err := h.control.current()
	if err != nil {
		return policy.Presence{}, fmt.Errorf("locate %s: %w", id, err)
	}
	p, err := onDomain(ctx, h, s, id, "locate", func(d *lv.Domain) (policy.Presence, error) {
		persistent, err := d.IsPersistent()
		if err != nil {
			return policy.Presence{}, err
		}
		r, err := read(d)
		if err != nil {
			return policy.Presence{}, err
		}
		active, err := d.IsActive()
		if err != nil {
			return policy.Presence{}, err
		}
		if !active && r.state != policy.StateCrashed {
			r.state, r.job = policy.StateShutoff, policy.NoJob
		}
		return policy.Presence{
			Known:        true,
			Defined:      persistent,
			Active:       active,
			State:        r.state,
			Job:          r.job,
			MigratedAway: switchedOver(r.state, r.reason, r.job),
		}, nil
	})
	switch {
	case noDomain(err):
		return policy.Presence{Known: true}, nil
	case err != nil:
		return policy.Presence{}, fmt.Errorf("domain %s: %w", id, err)
	}
	return p, nil
}

// Describe returns what a target needs to know of a domain. The XML is the
// migratable one, in which libvirt has replaced what only this host can
// resolve, and holds no secrets.
func (h *Hypervisor) Describe(ctx context.Context, id policy.DomainID) (hypervisor.Description, error) {
	fail := func(err error) (hypervisor.Description, error) {
		return hypervisor.Description{}, fmt.Errorf("describe domain %s: %w", id, err)
	}
	s, err := h.control.current()
	if err != nil {
		return fail(err)
	}
	facts, err := h.factsOf(s.node)
	if err != nil {
		return fail(err)
	}
	desc, err := onDomain(ctx, h, s, id, "read the definition", describe)
	if err != nil {
		return fail(err)
	}
	desc.Domain, desc.Source = id, facts
	t := task{what: "look at the disks", limit: h.opts.CallDeadline, domain: id}
	desc.Files, err = call(ctx, h.calls, t, func() ([]hypervisor.File, error) { return filesOf(desc.XML) })
	if err != nil {
		return fail(err)
	}
	return desc, nil
}

// filesOf looks at the files that a domain needs. One that is not there, or
// that may not be looked at, is described as far as it can be.
func filesOf(definition string) ([]hypervisor.File, error) {
	var dom libvirtxml.Domain
	if err := dom.Unmarshal(definition); err != nil {
		return nil, err
	}
	var files []hypervisor.File
	for _, n := range needs(&dom) {
		seen, err := look(n.place())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", n.what, err)
		}
		if !seen.missing {
			files = append(files, seen.File)
		}
	}
	return files, nil
}

func describe(d *lv.Domain) (hypervisor.Description, error) {
	var desc hypervisor.Description
	var err error
	if desc.Name, err = d.GetName(); err != nil {
		return desc, err
	}
	if desc.XML, err = d.GetXMLDesc(lv.DOMAIN_XML_MIGRATABLE); err != nil {
		return desc, err
	}
	if desc.Persistent, err = d.IsPersistent(); err != nil {
		return desc, err
	}
	if desc.Persistent {
		if desc.InactiveXML, err = d.GetXMLDesc(lv.DOMAIN_XML_INACTIVE); err != nil {
			return desc, err
		}
		if desc.Autostart, err = d.GetAutostart(); err != nil && !noSupport(err) {
			return desc, err
		}
	}
	info, err := d.GetInfo()
	if err != nil {
		return desc, err
	}
	desc.VCPUs, desc.MemoryMax = int(info.NrVirtCpu), kibibytes(info.MaxMem)
	return desc, nil
}

// Settle sets what libvirt does not carry over: the autostart mark, and the
// domain's history of moves in its metadata. Doing it twice changes nothing.
func (h *Hypervisor) Settle(ctx context.Context, id policy.DomainID, handoff hypervisor.Handoff) error {
	s, err := h.control.current()
	if err != nil {
		return fmt.Errorf("settle domain %s: %w", id, err)
	}
	_, err = onDomain(ctx, h, s, id, "settle", func(d *lv.Domain) (struct{}, error) {
		return struct{}{}, settle(d, handoff)
	})
	if err != nil {
		return fmt.Errorf("domain %s: %w", id, err)
	}
	return nil
}

func settle(d *lv.Domain, handoff hypervisor.Handoff) error {
	persistent, err := d.IsPersistent()
	if err != nil {
		return err
	}
	if persistent {
		auto, err := d.GetAutostart()
		if err != nil && !noSupport(err) {
			return fmt.Errorf("read autostart: %w", err)
		}
		if err == nil && auto != handoff.Autostart {
			if err := d.SetAutostart(handoff.Autostart); err != nil {
				return fmt.Errorf("set autostart: %w", err)
			}
		}
	}
	return onCopies(d, func(where lv.DomainModificationImpact) error {
		return writeHistory(d, handoff.History, where)
	})
}

// writeHistory replaces the history in one copy of the domain's metadata and
// leaves everything else in it as it is.
func writeHistory(d *lv.Domain, history policy.MoveHistory, where lv.DomainModificationImpact) error {
	return editMetadata(d, where, func(r *rules, _ error) (bool, error) {
		changed := !sameHistory(r.history, history)
		r.history = history
		return changed, nil
	})
}
