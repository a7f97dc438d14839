package peer

import (
	"context"
	"fmt"
	"slices"

	"github.com/virtbalance/virtbalance/balancer/api"
	"github.com/virtbalance/virtbalance/policy"
)

// Any daemon answers an operator for the whole fleet: what its own host does not
// know it asks of the others, by report and explain. Both only read.

// ReportRequest asks a host for what it shows its own operator.
type ReportRequest struct {
	// History is how many ended operations are wanted, the newest.
	History int `json:"history,omitempty"`
}

// ReportReply is the answer.
type ReportReply struct {
	Report api.Report `json:"report"`
}

// explainRequest asks a host why one of its domains would or would not move.
type explainRequest struct {
	Domain policy.DomainID `json:"domain"`
}

type explainReply struct {
	Explanation api.Explanation `json:"explanation"`
}

// ReportHistoryMax bounds the history in a report, ReportDomainsMax its domains,
// AlarmsMax what other hosts call a person for: all together stay below the size
// of an answer.
const (
	ReportHistoryMax = 200
	ReportDomainsMax = 1000
	AlarmsMax        = 64
)

// explainHostsMax bounds the hosts of an explanation; the fleet of one gossip
// pool is smaller.
const explainHostsMax = 4096

// Report asks a host for what it shows its own operator.
func (c *Client) Report(ctx context.Context, e policy.Endpoint, target policy.HostID, r ReportRequest) (api.Report, error) {
	reply, err := askPatiently[ReportReply](ctx, c, e, target, pathReport, r)
	if err == nil {
		err = same("report.host.id", reply.Report.Host.ID, "the host asked", target)
	}
	if err != nil {
		return api.Report{}, fmt.Errorf("report of %s: %w", target, err)
	}
	return reply.Report, nil
}

// Explain asks a host why one of its domains would or would not move.
func (c *Client) Explain(ctx context.Context, e policy.Endpoint, target policy.HostID, id policy.DomainID) (api.Explanation, error) {
	reply, err := askPatiently[explainReply](ctx, c, e, target, pathExplain, explainRequest{id})
	if err == nil {
		err = same("explanation.domain.id", reply.Explanation.Domain.ID, "the domain asked for", id)
	}
	if err != nil {
		return api.Explanation{}, fmt.Errorf("explain %s on %s: %w", id, target, err)
	}
	return reply.Explanation, nil
}

// Validate checks the bounds.
func (r ReportRequest) Validate() error {
	return between("history", r.History, 0, ReportHistoryMax)
}

// Validate checks the form of the domain ID.
func (r explainRequest) Validate() error { return uuid("domain", r.Domain) }

// Validate checks the form and the bounds of what is counted, compared or
// printed.
func (r ReportReply) Validate() error {
	p := r.Report
	err := first(
		validFacts("report.host", p.Host),
		validState(p.State),
		text("report.version", p.Version, nameMax),
		between("report.over", len(p.Over), 0, samplesMax),
		between("report.alarms", len(p.Alarms), 0, AlarmsMax),
		between("report.fleet.missing", len(p.Fleet.Missing), 0, 0),
		text("report.hold_text", p.HoldText, detailMax),
		between("report.idle", len(p.Idle), 0, explainHostsMax),
		validRoom("report.room", p.Room),
		validShortage("report.shortage", p.Shortage),
		between("report.domains", len(p.Domains), 0, ReportDomainsMax),
		between("report.domains_left_out", p.DomainsLeftOut, 0, countMax),
		validOperations("report.operations", p.Operations),
		validOperations("report.history", p.History),
		validDecisions("report.decisions", p.Decisions),
	)
	for i := 0; err == nil && i < len(p.Idle); i++ {
		err = uuid("report.idle", p.Idle[i])
	}
	for i := 0; err == nil && i < len(p.Alarms); i++ {
		a := p.Alarms[i]
		err = first(
			uuid("report.alarms.domain", a.Domain),
			text("report.alarms.name", a.Name, nameMax),
			uuid("report.alarms.from", a.From),
			text("report.alarms.from_name", a.FromName, nameMax),
		)
	}
	for i := 0; err == nil && i < len(p.Domains); i++ {
		err = first(
			validDomain("report.domains", p.Domains[i].Domain),
			text("report.domains.stays_text", p.Domains[i].StaysText, detailMax),
		)
	}
	return err
}

// Validate checks the form and the bounds of what is counted, compared or
// printed.
func (r explainReply) Validate() error {
	e := r.Explanation
	err := first(
		validDomain("explanation.domain", e.Domain),
		text("explanation.hold_text", e.HoldText, detailMax),
		text("explanation.unconfirmed", e.Unconfirmed, nameMax),
		validOperations("explanation.history", e.History),
		between("explanation.hosts", len(e.Hosts), 0, explainHostsMax),
	)
	if err == nil && e.Move != nil {
		err = validMove(*e.Move)
	}
	if err == nil && e.Instead != nil {
		err = validInstead(*e.Instead)
	}
	for i := 0; err == nil && i < len(e.Hosts); i++ {
		err = first(
			uuid("explanation.hosts.host", e.Hosts[i].Host),
			text("explanation.hosts.name", e.Hosts[i].Name, nameMax),
			text("explanation.hosts.text", e.Hosts[i].Text, detailMax),
		)
	}
	return err
}

// validRoom bounds what a host says of the room in the fleet.
func validRoom(key string, r api.Headroom) error {
	const timesMax = 10_000 // what is counted on one host
	if r.Hardest != "" {
		if err := uuid(key+".hardest_loss", r.Hardest); err != nil {
			return err
		}
	}
	return first(
		between(key+".hosts", r.Hosts, 0, countMax),
		validLoad(key+".size", r.Size),
		between(key+".domains", r.Domains, 0, countMax*timesMax),
		text(key+".hardest_loss_name", r.HardestName, nameMax),
	)
}

// validShortage bounds what a host says would help it; nil is no shortage.
func validShortage(key string, s *policy.Shortage) error {
	if s == nil {
		return nil
	}
	if s.Domain != "" {
		if err := uuid(key+".domain", s.Domain); err != nil {
			return err
		}
	}
	const reasonsMax = 256 // a newer version may know more of them than this one
	err := first(
		text(key+".name", s.Name, nameMax),
		validLoad(key+".size", s.Size),
		between(key+".tally", len(s.Tally), 0, reasonsMax),
	)
	for i := 0; err == nil && i < len(s.Tally); i++ {
		err = between(key+".tally.count", s.Tally[i].Count, 0, countMax)
	}
	return err
}

func validInstead(i api.Instead) error {
	const most = 8 // changes; policy makes two
	err := first(
		between("explanation.instead.changes", len(i.Changes), 0, most),
		validMove(i.Move),
		text("explanation.instead.text", i.Text, detailMax),
		text("explanation.instead.to_name", i.ToName, nameMax),
	)
	for n := 0; err == nil && n < len(i.Changes); n++ {
		err = first(
			text("explanation.instead.changes.key", i.Changes[n].Key, nameMax),
			text("explanation.instead.changes.was", i.Changes[n].Was, nameMax),
			text("explanation.instead.changes.is", i.Changes[n].Is, nameMax),
		)
	}
	return err
}

func validDomain(key string, d policy.Domain) error {
	err := first(
		uuid(key+".id", d.ID),
		text(key+".name", d.Name, nameMax),
		between(key+".vcpus", d.VCPUs, 0, vcpusMax),
		validLoad(key+".demand", d.Demand),
		between(key+".trend_millis", d.Trend, -cpuMax, cpuMax),
		between(key+".memory_max_bytes", d.MemoryMax, 0, memoryMax),
		between(key+".huge_pages_bytes", d.HugePages, 0, memoryMax),
		fraction(key+".wait", d.Wait),
		validHistory(key+".history", d.History),
		between(key+".requires", len(d.Requires), 0, labelsMax),
		between(key+".groups", len(d.Groups), 0, groupsMax),
		between(key+".priority", d.Priority, policy.LowestPriority, policy.HighestPriority),
	)
	for i := 0; err == nil && i < len(d.Groups); i++ {
		err = first(
			text(key+".groups.rule", string(d.Groups[i].Rule), nameMax),
			text(key+".groups.group", d.Groups[i].Group, nameMax),
		)
	}
	for i := 0; err == nil && i < len(d.Requires); i++ {
		err = text(key+".requires", d.Requires[i], nameMax)
	}
	return err
}

func validOperations(key string, operations []api.Operation) error {
	err := between(key, len(operations), 0, ReportHistoryMax)
	for i := 0; err == nil && i < len(operations); i++ {
		o := operations[i]
		err = first(
			validOp(o.ID),
			text(key+".phase", o.Phase, nameMax),
			validMove(o.Move),
			text(key+".detail", o.Detail, detailMax),
			text(key+".from_name", o.FromName, nameMax),
			text(key+".to_name", o.ToName, nameMax),
			fraction(key+".done", o.Done),
			validGain(key+".predicted_gain", o.Gain),
			validAudits(key+".audits", o.Audits),
		)
	}
	return err
}

func validDecisions(key string, decisions []api.Decision) error {
	err := between(key, len(decisions), 0, ReportHistoryMax)
	for i := 0; err == nil && i < len(decisions); i++ {
		d := decisions[i]
		err = first(
			text(key+".hold_text", d.HoldText, detailMax),
			text(key+".why_text", d.WhyText, detailMax),
			text(key+".to_name", d.ToName, nameMax),
			fraction(key+".cpu", d.CPU),
			fraction(key+".memory", d.Memory),
			between(key+".stay", len(d.Stay), 0, ReportHistoryMax),
		)
		if err == nil && d.Move != nil {
			err = validMove(*d.Move)
		}
		for j := 0; err == nil && j < len(d.Stay); j++ {
			err = first(
				text(key+".stay.text", d.Stay[j].Text, detailMax),
				between(key+".stay.domains", d.Stay[j].Domains, 0, countMax),
			)
		}
	}
	return err
}

// cleanReport makes what a hypervisor and a journal hold fit for the wire: one
// odd domain must not cost the answer about all the others.
func cleanReport(r *api.Report) {
	all := len(r.Domains)
	r.Domains = slices.DeleteFunc(r.Domains, func(d api.Domain) bool { return validDomain("", cleanDomain(d.Domain)) != nil })
	for i := range r.Domains {
		r.Domains[i].Domain = cleanDomain(r.Domains[i].Domain)
	}
	r.DomainsLeftOut += all - len(r.Domains)
	r.Fleet.Missing = nil // there may be thousands, and the other host has its own
	if r.Shortage != nil {
		s := *r.Shortage
		s.Name = printableName(s.Name)
		r.Shortage = &s
		if validShortage("", r.Shortage) != nil { // the rest of the report is worth more
			r.Shortage = nil
		}
	}
	r.Operations = cleanOperations(r.Operations)
	r.History = cleanOperations(r.History)
	for i, d := range r.Decisions {
		if d.Move != nil {
			m := *d.Move
			m.Name = printableName(m.Name)
			r.Decisions[i].Move = &m
		}
	}
}

func cleanExplanation(e *api.Explanation) {
	e.Domain = cleanDomain(e.Domain)
	e.Unconfirmed = printableName(e.Unconfirmed)
	e.History = cleanOperations(e.History)
	if e.Move != nil {
		m := *e.Move
		m.Name = printableName(m.Name)
		e.Move = &m
	}
	if e.Instead != nil {
		i := *e.Instead
		i.Move.Name, i.ToName = printableName(i.Move.Name), printableName(i.ToName)
		e.Instead = &i
		if validInstead(i) != nil { // the rest of the answer is worth more
			e.Instead = nil
		}
	}
}

func cleanDomain(d policy.Domain) policy.Domain {
	d.Name = printableName(d.Name)
	if validHistory("", d.History) != nil {
		d.History = policy.MoveHistory{}
	}
	return d
}

// cleanOperations leaves out what an older version may have written down in
// another form.
func cleanOperations(operations []api.Operation) []api.Operation {
	for i := range operations {
		o := &operations[i]
		o.Move.Name, o.Detail = printableName(o.Move.Name), printable(o.Detail)
		o.FromName, o.ToName = printableName(o.FromName), printableName(o.ToName)
	}
	operations = slices.DeleteFunc(operations, func(o api.Operation) bool {
		return validOperations("", []api.Operation{o}) != nil
	})
	return operations[:min(len(operations), ReportHistoryMax)]
}

func printableName(s string) string { return printable(s[:min(len(s), nameMax)]) }
