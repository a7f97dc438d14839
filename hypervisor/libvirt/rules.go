package libvirt

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	lv "libvirt.org/go/libvirt"

	"github.com/virtbalance/virtbalance/policy"
)

// readRule takes in one child of our element that is a rule. What it says more
// than once counts once.
func readRule(r *policy.Rules, name string, attrs []xml.Attr) error {
	value := func(key string) string {
		for _, a := range attrs {
			if a.Name.Space == "" && a.Name.Local == key {
				return strings.TrimSpace(a.Value)
			}
		}
		return ""
	}
	switch name {
	case "requires":
		label := value("label")
		if err := policy.CheckWord("label", label); err != nil {
			return err
		}
		if slices.Contains(r.Requires, label) {
			return nil
		}
		if len(r.Requires) == policy.RequiresMax {
			return fmt.Errorf("more than %d labels", policy.RequiresMax)
		}
		r.Requires = append(r.Requires, label)
	case "priority":
		n, err := strconv.Atoi(value("value"))
		if err != nil {
			return fmt.Errorf("value %.40q is not a number", value("value"))
		}
		p := policy.Rules{Priority: policy.Priority(n)}
		if err := p.Validate(); err != nil {
			return err
		}
		r.Priority = p.Priority
	case "override":
		o, err := policy.ParseOverride(value("mode"))
		if err != nil {
			return err
		}
		r.Override = o
	default:
		return readMembership(r, policy.GroupRule(name), value("group"), value("strength"))
	}
	return nil
}

func readMembership(r *policy.Rules, rule policy.GroupRule, group, strength string) error {
	m := policy.Membership{Rule: rule, Group: group, Soft: strength == "soft"}
	if err := policy.CheckWord("group", group); err != nil {
		return err
	}
	if strength != "" && strength != "soft" && strength != "hard" {
		return fmt.Errorf("strength %.40q is not one of hard, soft", strength)
	}
	for i, o := range r.Groups {
		if o.Rule == rule && o.Group == group {
			r.Groups[i].Soft = o.Soft && m.Soft
			return nil
		}
	}
	if len(r.Groups) == policy.MembershipsMax {
		return fmt.Errorf("more than %d groups", policy.MembershipsMax)
	}
	r.Groups = append(r.Groups, m)
	return nil
}

// writeRules writes what readRule reads.
func writeRules(b *strings.Builder, r policy.Rules) {
	if r.Pin {
		b.WriteString("<pin/>")
	}
	if r.Ignore {
		b.WriteString("<ignore/>")
	}
	element := func(name string, attrs ...string) {
		b.WriteString("<" + name)
		for i := 0; i < len(attrs); i += 2 {
			attribute(b, attrs[i], attrs[i+1])
		}
		b.WriteString("/>")
	}
	for _, l := range r.Requires {
		element("requires", "label", l)
	}
	for _, m := range r.Groups {
		if m.Soft {
			element(string(m.Rule), "group", m.Group, "strength", "soft")
		} else {
			element(string(m.Rule), "group", m.Group)
		}
	}
	if r.Priority != 0 {
		element("priority", "value", strconv.Itoa(int(r.Priority)))
	}
	if r.Override != policy.NoOverride {
		element("override", "mode", r.Override.String())
	}
}

// SetRules writes the rules of a domain into its metadata: of what runs and of
// what is defined. Everything else in there stays as it is.
func (h *Hypervisor) SetRules(ctx context.Context, id policy.DomainID, r policy.Rules) error {
	if err := r.Validate(); err != nil {
		return fmt.Errorf("rules of domain %s: %w", id, err)
	}
	s, err := h.control.current()
	if err != nil {
		return fmt.Errorf("rules of domain %s: %w", id, err)
	}
	_, err = onDomain(ctx, h, s, id, "write the rules", func(d *lv.Domain) (struct{}, error) {
		return struct{}{}, onCopies(d, func(where lv.DomainModificationImpact) error {
			return editMetadata(d, where, func(old *rules, fault error) (bool, error) {
				old.Rules = r
				return true, fault // what a person has written, a person mends
			})
		})
	})
	if err != nil {
		return fmt.Errorf("rules of domain %s: %w", id, err)
	}
	h.known.unread(id, time.Now())
	return nil
}

// onCopies calls f for each copy of the definition that the domain has: what
// runs and what is defined each have their own.
func onCopies(d *lv.Domain, f func(lv.DomainModificationImpact) error) error {
	active, err := d.IsActive()
	if err != nil {
		return err
	}
	persistent, err := d.IsPersistent()
	if err != nil {
		return err
	}
	if active {
		if err := f(lv.DOMAIN_AFFECT_LIVE); err != nil {
			return err
		}
	}
	if persistent {
		return f(lv.DOMAIN_AFFECT_CONFIG)
	}
	return nil
}

// editMetadata changes one copy of the domain's metadata, if edit says that it
// did. edit is told of a rule that makes no sense. A history that cannot be read
// is ours to replace; anything else that cannot may have been written by a
// person, and stays.
func editMetadata(d *lv.Domain, where lv.DomainModificationImpact, edit func(*rules, error) (bool, error)) error {
	var r rules
	var fault error
	old, err := d.GetMetadata(lv.DOMAIN_METADATA_ELEMENT, metadataURI, where)
	switch {
	case err == nil:
		r, fault = parseRules(old)
		switch {
		case errors.Is(fault, errRule):
		case errors.Is(fault, errHistory):
			fault = nil
		case fault != nil:
			return fault
		}
	case !hasCode(err, lv.ERR_NO_DOMAIN_METADATA):
		return fmt.Errorf("read the metadata: %w", err)
	}
	changed, err := edit(&r, fault)
	if err != nil || !changed {
		return err
	}
	if err := d.SetMetadata(lv.DOMAIN_METADATA_ELEMENT, r.element(), metadataKey, metadataURI, where); err != nil {
		return fmt.Errorf("write the metadata: %w", err)
	}
	return nil
}
