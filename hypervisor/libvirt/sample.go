package libvirt

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	lv "libvirt.org/go/libvirt"

	"github.com/virtbalance/virtbalance/policy"
)

// statsWanted are the groups of statistics that are read. With NOWAIT a domain
// that is occupied by another call is answered for as far as cgroups and /proc
// go. A QEMU that hangs holds up the first call that reaches it nevertheless
// (seen with libvirt 9.0, and without balloon too); the calls after it find the
// domain occupied.
const statsWanted = lv.DOMAIN_STATS_STATE | lv.DOMAIN_STATS_CPU_TOTAL |
	lv.DOMAIN_STATS_VCPU | lv.DOMAIN_STATS_BALLOON

const statsFlags = lv.CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE | lv.CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT

// errReading says that the reading before has not returned yet.
var errReading = errors.New("the reading before has not returned")

// Sample reads the counters of the host and, in one call, of every active
// domain. A part that could not be read is marked as unknown, and the error
// says why.
func (h *Hypervisor) Sample(ctx context.Context) (policy.Sample, error) {
	s := policy.Sample{At: time.Now()}
	var hostErr, domErr error
	s.Host, hostErr = h.host.read()
	s.Domains, domErr = h.readDomains(ctx)
	s.DomainsKnown = domErr == nil
	if hostErr != nil {
		hostErr = fmt.Errorf("sample the host: %w", hostErr)
	}
	if domErr != nil {
		domErr = fmt.Errorf("sample the domains: %w", domErr)
	}
	return s, errors.Join(hostErr, domErr)
}

func (h *Hypervisor) readDomains(ctx context.Context) ([]policy.DomainCounters, error) {
	sess, err := h.stats.current()
	if err != nil {
		return nil, err
	}
	select {
	case sess.reading <- struct{}{}:
	default:
		return nil, errReading
	}
	t := task{
		what: "read the statistics", limit: h.opts.CallDeadline / 2, conn: sess.conn,
		after: func() { <-sess.reading },
	}
	records, err := call(ctx, h.calls, t, func() ([]domainStats, error) { return bulkStats(sess.conn.lv) })
	if err != nil {
		return nil, err
	}
	return h.known.observe(records), nil
}

// domainStats is one record, with libvirt's reason for the state.
type domainStats struct {
	policy.DomainCounters
	reason int
	// resident: Memory is what the host has given away, not what the guest
	// may use.
	resident bool
}

// bulkStats reads all active domains and frees every reference to them.
func bulkStats(c *lv.Connect) ([]domainStats, error) {
	stats, err := c.GetAllDomainStats(nil, statsWanted, statsFlags)
	if err != nil {
		return nil, err
	}
	records := make([]domainStats, 0, len(stats))
	for i := range stats {
		r, err := record(&stats[i])
		_ = stats[i].Domain.Free()
		if err == nil { // else it has no identity: a domain that just went
			records = append(records, r)
		}
	}
	return records, nil
}

func record(s *lv.DomainStats) (domainStats, error) {
	var r domainStats
	uuid, err := s.Domain.GetUUIDString()
	if err != nil {
		return r, err
	}
	r.ID = policy.DomainID(strings.ToLower(uuid))
	if r.Name, err = s.Domain.GetName(); err != nil {
		return r, err
	}
	if s.State != nil && s.State.StateSet {
		r.State, r.reason = domainState(s.State.State), s.State.Reason
		r.Immigrated = r.State == policy.StateRunning && lv.DomainRunningReason(r.reason) == lv.DOMAIN_RUNNING_MIGRATED
	}
	if s.Cpu != nil && s.Cpu.TimeSet {
		r.CPUTime, r.StatsKnown = nanoseconds(s.Cpu.Time), true
	}
	var wait uint64
	for _, v := range s.Vcpu {
		if v.StateSet { // absent for a vCPU that is not plugged in
			r.VCPUs++
		}
		wait += v.Delay
	}
	r.Wait = nanoseconds(wait)
	if b := s.Balloon; b != nil {
		r.MemoryMax = kibibytes(b.Maximum)
		// What the host has given away, where known: pages that the guest
		// never touched cost nothing, here or on a target.
		r.Memory = kibibytes(b.Current)
		if b.RssSet && b.Rss > 0 {
			r.Memory, r.resident = kibibytes(b.Rss), true
		}
	}
	return r, nil
}

// nanoseconds and kibibytes convert and bound what libvirt reports.
func nanoseconds(n uint64) time.Duration { return time.Duration(min(n, math.MaxInt64)) }

func kibibytes(n uint64) policy.Bytes {
	return policy.Bytes(min(n, math.MaxInt64>>10)) * policy.KiB
}

// plain converts a number of bytes.
func plain(n uint64) policy.Bytes { return policy.Bytes(min(n, math.MaxInt64)) }

// product is a*b, or the largest number if that does not fit.
func product(a, b uint64) uint64 {
	if b != 0 && a > math.MaxUint64/b {
		return math.MaxUint64
	}
	return a * b
}
