package libvirt

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"time"

	lv "libvirt.org/go/libvirt"
	"libvirt.org/go/libvirtxml"

	"github.com/virtbalance/virtbalance/policy"
)

// finding is an answer about a domain or a host: a reason and the detail that
// an operator needs to act on it.
type finding struct {
	Reason policy.Reason
	Detail string
}

var notInspected = finding{policy.NotInspected, "its definition has not been read yet"}

// definition is what libvirt says of one domain when asked for everything that
// matters to moving it.
type definition struct {
	xml        string
	persistent bool
	snapshots  int
	blockJobs  []string          // disks with a running block job
	pools      map[string]string // type of each storage pool that is used
}

// subject is a domain under inspection: its definition and its surroundings
// as values, so that every rule is a pure function.
type subject struct {
	definition
	dom    libvirtxml.Domain
	fault  error // why the definition could not be understood
	rules  rules
	others []string // namespaces of other managers' metadata
	opts   *Options
	qemu   uint32 // version
	// fsType names the type of the file system that holds a path.
	fsType func(path string) (string, error)
	// pacemaker reports whether Pacemaker runs the domain of that name.
	pacemaker func(name string) bool
}

// readDefinition asks libvirt. It runs inside a call.
func readDefinition(c *lv.Connect, d *lv.Domain) (definition, error) {
	var def definition
	var err error
	if def.xml, err = d.GetXMLDesc(0); err != nil {
		return def, err
	}
	if def.persistent, err = d.IsPersistent(); err != nil {
		return def, err
	}
	if def.snapshots, err = d.SnapshotNum(0); err != nil && !noSupport(err) {
		return def, err
	}
	var dom libvirtxml.Domain
	if err := dom.Unmarshal(def.xml); err != nil || dom.Devices == nil {
		return def, nil // judged later, when it is read for its content
	}
	for _, disk := range dom.Devices.Disks {
		if disk.Source != nil && disk.Source.Volume != nil {
			if def.pools == nil {
				def.pools = make(map[string]string)
			}
			pool := disk.Source.Volume.Pool
			def.pools[pool] = poolType(c, pool)
		}
		if disk.Target == nil || disk.ReadOnly != nil {
			continue
		}
		job, err := d.GetBlockJobInfo(disk.Target.Dev, 0)
		if err == nil && job != nil && job.Type != lv.DOMAIN_BLOCK_JOB_TYPE_UNKNOWN {
			def.blockJobs = append(def.blockJobs, disk.Target.Dev)
		}
	}
	return def, nil
}

// poolType returns the type of a storage pool, empty if it cannot be told.
func poolType(c *lv.Connect, name string) string {
	p, err := c.LookupStoragePoolByName(name)
	if err != nil {
		return ""
	}
	defer func() { _ = p.Free() }()
	desc, err := p.GetXMLDesc(0)
	if err != nil {
		return ""
	}
	var pool struct {
		Type string `xml:"type,attr"`
	}
	if err := xml.Unmarshal([]byte(desc), &pool); err != nil {
		return ""
	}
	return pool.Type
}

// newSubject prepares a definition for judgement.
func (h *Hypervisor) newSubject(def definition, qemu uint32) *subject {
	s := &subject{definition: def, opts: &h.opts, qemu: qemu, fsType: fsType, pacemaker: h.pacemaker}
	if err := s.dom.Unmarshal(def.xml); err != nil {
		s.fault = fmt.Errorf("read the definition: %w", err)
		return s
	}
	s.rules, s.others, s.fault = readMetadata(def.xml)
	s.rules.hugePages = s.dom.MemoryBacking != nil && s.dom.MemoryBacking.MemoryHugePages != nil
	if errors.Is(s.fault, errHistory) && !errors.Is(s.fault, errRule) {
		s.fault = nil // ours to write, and no reason to keep the domain here
	}
	return s
}

// inspect reads and judges one domain. Everything that may block runs with a
// deadline.
func (h *Hypervisor) inspect(ctx context.Context, s *session, id policy.DomainID) (finding, rules, error) {
	def, err := onDomain(ctx, h, s, id, "read the definition", func(d *lv.Domain) (definition, error) {
		return readDefinition(s.conn.lv, d)
	})
	if err != nil {
		return finding{}, rules{}, err
	}
	type answer struct {
		finding finding
		rules   rules
	}
	// The file systems that hold the disks may hang, too.
	t := task{what: "look at the disks", limit: h.opts.CallDeadline, domain: id}
	a, err := call(ctx, h.calls, t, func() (answer, error) {
		subject := h.newSubject(def, s.node.hypervisorVersion)
		return answer{subject.obstacle(), subject.rules}, nil
	})
	return a.finding, a.rules, err
}

// inspectDomains keeps the registry's answers fresh, one domain at a time.
func (h *Hypervisor) inspectDomains(ctx context.Context, s *session) {
	periodic := time.NewTicker(h.opts.InspectEvery/10 + time.Second)
	defer periodic.Stop()
	for {
		for _, id := range h.known.due(time.Now()) {
			began := time.Now()
			f, r, err := h.inspect(ctx, s, id)
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				if !noDomain(err) { // else it went in the meantime
					h.log.Debug("domain not inspected", "domain", id, "err", err)
				}
				h.known.postponed(id, began)
				continue
			}
			r.history = plausible(r.history, began)
			h.known.learned(id, began, f, r)
		}
		select {
		case <-ctx.Done():
			return
		case <-h.known.inspect:
		case <-periodic.C:
		}
	}
}

// plausible is the history with a time that is not in the future: a host whose
// clock was wrong must not pin a domain for years.
func plausible(h policy.MoveHistory, now time.Time) policy.MoveHistory {
	if h.Last.After(now) {
		h.Last = now
	}
	return h
}

// onDomain runs fn on the domain, looked up for the purpose.
func onDomain[T any](ctx context.Context, h *Hypervisor, s *session, id policy.DomainID,
	what string, fn func(*lv.Domain) (T, error),
) (T, error) {
	t := task{what: what, limit: h.opts.CallDeadline, domain: id, conn: s.conn}
	return call(ctx, h.calls, t, func() (T, error) {
		d, err := s.conn.lv.LookupDomainByUUIDString(string(id))
		if err != nil {
			var none T
			return none, err
		}
		defer func() { _ = d.Free() }()
		return fn(d)
	})
}
