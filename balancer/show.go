package balancer

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/virtbalance/virtbalance/balancer/api"
	"github.com/virtbalance/virtbalance/balancer/operation"
	"github.com/virtbalance/virtbalance/policy"
)

// glance is what the API shows, taken at one instant.
type glance struct {
	view       policy.View
	missing    []policy.MissingHost
	decision   policy.Decision
	shadow     Shadow
	state      policy.State
	operations []operation.Operation
	alarms     []Doubt
	// awaited has from where word is awaited of domains.
	awaited map[policy.DomainID]policy.HostID
	paused  bool
}

func (b *Balancer) glance(ctx context.Context) (g glance, err error) {
	fleet := b.fleet()
	err = b.ask(ctx, func(c *Core) {
		g.missing = fleet.Missing
		g.view = c.View(time.Now(), fleet)
		g.decision, g.shadow, g.state = c.decision, c.shadow, c.state
		g.operations, g.alarms = c.Operations(), c.Alarms()
		g.awaited = map[policy.DomainID]policy.HostID{}
		for _, d := range g.view.Domains {
			if from, ok := c.awaited(d.ID); ok {
				g.awaited[d.ID] = from
			}
		}
		g.paused = c.paused
	})
	return g, err
}

// Status shows the daemon at a glance.
func (b *Balancer) Status(ctx context.Context) (api.Status, error) {
	g, err := b.glance(ctx)
	if err != nil {
		return api.Status{}, err
	}
	tuning := b.tuning.Load()
	s := api.Status{
		Version: b.o.Version, Started: b.started,
		Host: g.view.Hosts[0].HostFacts, State: g.view.Hosts[0].HostState,
		Marks: tuning.Policy.Marks, Mode: g.view.Conditions.Mode, Paused: g.paused,
		Over: g.state.Over,
		Hold: g.decision.Hold, HoldText: g.decision.HoldText(),
		Fleet:      api.Fleet{Known: g.view.Conditions.Known, Missing: g.missing},
		Operations: []api.Operation{},
	}
	if g.view.Conditions.Closed {
		s.Closed = &api.Closed{Opens: g.view.Conditions.Opens}
	}
	s.Strategy = tuning.Policy.Strategy
	if s.Strategy == policy.ConsolidateStrategy {
		s.Idle = tuning.Policy.Idle(g.view)
	}
	s.Room, s.Shortage = b.headroom(g.view, g.decision), g.decision.Shortage
	if g.view.Utilization.Known {
		s.Sampled = g.view.Utilization.At
	}
	for _, h := range g.view.Hosts {
		if !b.stale(g.view, h) {
			s.Fleet.Fresh++
		}
	}
	if s.Hold == policy.Sustaining {
		s.HoldText += fmt.Sprintf(" (%d of %d samples are; %d must be)", over(s.Over), len(s.Over), tuning.Policy.SamplesOver)
	}
	names := g.names()
	for _, a := range g.alarms {
		s.Alarms = append(s.Alarms, api.Alarm{Domain: a.Domain, Name: a.Name, From: a.From, FromName: names[a.From], Reason: a.Reason})
	}
	for _, o := range g.operations {
		s.Operations = append(s.Operations, b.show(o, names))
	}
	return s, nil
}

// over counts the samples that speak for relief.
func over(samples []bool) (n int) {
	for _, o := range samples {
		if o {
			n++
		}
	}
	return n
}

// Hosts shows every host as this daemon sees it, itself first.
func (b *Balancer) Hosts(ctx context.Context) ([]api.Host, error) {
	g, err := b.glance(ctx)
	var hosts []api.Host
	for _, h := range g.view.Hosts {
		hosts = append(hosts, api.Host{
			Host: h, Self: h.ID == g.view.Self, Stale: b.stale(g.view, h),
			AgeSeconds: g.view.Now.Sub(h.Received).Seconds(),
		})
	}
	return hosts, err
}

func (b *Balancer) stale(v policy.View, h policy.Host) bool {
	return v.Now.Sub(h.Received) > b.tuning.Load().Policy.StaleAfter
}

// Domains shows the domains of this host, each with why it stays.
func (b *Balancer) Domains(ctx context.Context) ([]api.Domain, error) {
	g, err := b.glance(ctx)
	stays := map[policy.DomainID]policy.Reason{}
	for _, v := range g.decision.Verdicts {
		if v.Host == "" {
			stays[v.Domain] = v.Reason
		}
	}
	domains := []api.Domain{}
	for _, d := range g.view.Domains {
		why := stays[d.ID]
		domains = append(domains, api.Domain{Domain: d, Stays: why, StaysText: why.Text()})
	}
	return domains, err
}

// Plan shows the last decision: what would move now, and why everything else
// would not.
func (b *Balancer) Plan(ctx context.Context) (api.Plan, error) {
	g, err := b.glance(ctx)
	plan := api.Plan{
		Decision: g.decision, HoldText: g.decision.HoldText(), HostNames: g.names(),
		Room: b.headroom(g.view, g.decision),
	}
	if s := g.shadow; s.Disagreement != "" {
		plan.Shadow = &api.Shadow{Decision: s.Decision, HoldText: s.Decision.HoldText(), Disagreement: s.Disagreement}
	}
	return plan, err
}

// headroom is what the fleet has room for: for what nobody took, if that was so,
// else for domains as this host has them.
func (b *Balancer) headroom(v policy.View, d policy.Decision) api.Headroom {
	size := policy.TypicalSize(v.Domains)
	if d.Shortage != nil && d.Shortage.Domain != "" {
		size = d.Shortage.Size
	}
	r := b.tuning.Load().Policy.Headroom(v, size)
	hardest, _ := v.Host(r.Hardest)
	return api.Headroom{Headroom: r, HardestName: hardest.Name}
}

// explain says of one domain of the view why it would, would not or did move:
// host by host.
func (b *Balancer) explain(g glance, id policy.DomainID) api.Explanation {
	d, _ := g.view.Domain(id)
	names := g.names()
	e := api.Explanation{Domain: d, On: b.o.Facts.Name, Hold: g.decision.Hold, HoldText: g.decision.HoldText()}
	for _, v := range g.decision.Verdicts {
		if v.Domain == d.ID && v.Host == "" {
			e.Stays = v.Reason
		}
	}
	if from, ok := g.awaited[d.ID]; ok {
		e.Unconfirmed = cmp.Or(names[from], string(from))
	}
	for _, m := range g.decision.Plan {
		if m.Domain == d.ID {
			e.Move = &m
		}
	}
	config := b.tuning.Load().Policy
	if i, ok := (policy.Policy{Config: config}).Instead(g.view, g.state, id); ok && e.Move == nil {
		e.Instead = &api.Instead{Instead: i, Text: i.Text(), ToName: names[i.Move.To]}
	}
	for _, h := range g.view.Hosts {
		if h.ID == g.view.Self {
			continue
		}
		why := config.Explain(g.view, g.state, d.ID, h.ID)
		e.Hosts = append(e.Hosts, api.HostExplanation{Host: h.ID, Name: h.Name, Reason: why, Text: why.Text()})
	}
	for _, o := range b.o.Journal.History(keepClosed) {
		if o.Move.Domain == d.ID {
			e.History = append(e.History, b.show(o, names))
		}
	}
	return e
}

// Snapshot is what this daemon knows of the fleet.
func (b *Balancer) Snapshot(ctx context.Context) (policy.Snapshot, error) {
	g, err := b.glance(ctx)
	return policy.SnapshotOf(g.view), err
}

// History shows ended operations, newest first.
func (b *Balancer) History(ctx context.Context, limit int) ([]api.Operation, error) {
	g, err := b.glance(ctx)
	operations, names := []api.Operation{}, g.names()
	for _, o := range b.o.Journal.History(limit) {
		operations = append(operations, b.show(o, names))
	}
	return operations, err
}

func (b *Balancer) show(o operation.Operation, names map[policy.HostID]string) api.Operation {
	shown := api.Operation{
		ID: o.ID, Phase: o.Phase.String(), Move: o.Move, Opened: o.Opened,
		Alarm: o.Alarm(), Result: o.Outcome.Result, Reason: o.Outcome.Reason, Detail: o.Outcome.Detail,
		FromName:        names[o.Move.From],
		ToName:          names[o.Move.To],
		Audits:          o.Audits,
		DurationSeconds: o.Outcome.Duration.Seconds(), DowntimeSeconds: o.Outcome.Downtime.Seconds(),
	}
	if o.Phase.Closed() {
		shown.Ended = o.Changed
	}
	if o.Move.LoadDriven() {
		shown.Gain = o.Move.Gain()
	}
	if p, ok := b.progress.get(o.ID); ok && p.Total > 0 {
		shown.Done = policy.Fraction(float64(p.Total-p.Remaining) / float64(p.Total))
	}
	return shown
}

// names are those of the hosts, of the missing ones, too.
func (g glance) names() map[policy.HostID]string {
	names := names(g.view)
	for _, h := range g.missing {
		if h.Name != "" {
			names[h.ID] = h.Name
		}
	}
	return names
}

func names(v policy.View) map[policy.HostID]string {
	names := make(map[policy.HostID]string, len(v.Hosts))
	for _, h := range v.Hosts {
		names[h.ID] = h.Name
	}
	return names
}
