package policytest

import (
	"fmt"
	"slices"
	"time"

	"github.com/virtbalance/virtbalance/policy"
)

// config changes the configuration. Marks, shares and gains are in percent.
func (r *Runner) config(a *args) error {
	c := &r.Config
	for key, to := range map[string]*policy.Fraction{
		"low": &c.Marks.Low, "receive": &c.Marks.Receive, "stop": &c.Marks.Stop,
		"high": &c.Marks.High, "critical": &c.Marks.Critical,
		"wait": &c.WaitHigh, "memory": &c.MemoryReceive, "reserve": &c.Reserve.CPU, "reserve-mem": &c.Reserve.Memory, "gain": &c.MinGain, "quorum": &c.Quorum,
	} {
		a.percent(key, to)
	}
	if name, ok := a.text("strategy"); ok {
		if err := c.Strategy.UnmarshalText([]byte(name)); err != nil {
			return err
		}
	}
	a.count("spare", &c.Spare)
	if a.flag("swaps") {
		c.Swaps = true
	}
	for key, to := range map[string]*int{
		"over": &c.SamplesOver, "window": &c.SamplesWindow, "in": &c.MaxInbound, "out": &c.MaxOutbound,
		"moves": &c.MaxMoves, "breaker": &c.BreakerFailures, "quarantine": &c.QuarantineFailures,
	} {
		a.count(key, to)
	}
	for key, to := range map[string]*time.Duration{
		"cooldown": &c.Cooldown, "cooldown-max": &c.CooldownMax, "cooldown-window": &c.CooldownWindow,
		"return": &c.ReturnWindow, "settle": &c.Settle, "stale": &c.StaleAfter, "refused": &c.RefusedBackoff, "failed": &c.FailedBackoff,
		"reset": &c.BreakerReset,
	} {
		a.duration(key, to)
	}
	if name, ok := a.text("detector"); ok {
		if err := c.Detector.UnmarshalText([]byte(name)); err != nil {
			return err
		}
	}
	return c.Validate()
}

var flagNames = map[string]policy.HostFlags{
	"cordoned": policy.Cordoned, "draining": policy.Draining, "paused": policy.Paused,
	"blind": policy.Blind, "frozen": policy.Frozen, "emptying": policy.Emptying,
}

func (r *Runner) host(a *args) error {
	self := a.flag("self")
	name := a.word()
	var age time.Duration
	a.duration("age", &age)
	h := policy.Host{Received: r.View.Now.Add(-age)}
	h.ID, h.Name = policy.HostID(name), name
	h.Capacity = policy.Load{CPU: a.cpus("cpu"), Memory: a.gib("mem")}
	h.Used = policy.Load{CPU: a.cpus("used"), Memory: a.gib("mem-used")}
	h.Promised = policy.Load{CPU: a.cpus("promised"), Memory: a.gib("promised-mem")}
	a.count("in", &h.Inbound)
	a.count("out", &h.Outbound)
	a.count("running", &h.Running)
	h.Labels = a.list("labels")
	for _, m := range a.memberships() {
		h.Groups = h.Groups.With(m)
	}
	for _, f := range a.list("flags") {
		bit, ok := flagNames[f]
		if !ok {
			return fmt.Errorf("unknown flag %q", f)
		}
		h.Flags |= bit
	}
	r.View.Hosts = append(without(r.View.Hosts, func(o policy.Host) bool { return o.ID == h.ID }), h)
	if self {
		r.View.Self = h.ID
		r.observe(h.Used.Share(policy.CPU, h.Capacity))
	}
	return nil
}

func (r *Runner) domain(a *args) error {
	name := a.word()
	d := policy.Domain{ID: policy.DomainID(name), Name: name, VCPUs: 1, Known: !a.flag("unknown")}
	d.Demand = policy.Load{CPU: a.cpus("cpu"), Memory: a.gib("mem")}
	d.MemoryMax = max(d.Demand.Memory, a.gib("max"))
	a.count("vcpus", &d.VCPUs)
	a.percent("wait", &d.Wait)
	a.reason("obstacle", &d.Obstacle)
	d.Requires = a.list("requires")
	d.Groups = a.memberships()
	a.number("priority", func(f float64) { d.Priority = policy.Priority(f) })
	if mode, ok := a.text("mode"); ok {
		var err error
		if d.Override, err = policy.ParseOverride(mode); err != nil {
			return err
		}
	}
	if err := d.Rules.Validate(); err != nil {
		return err
	}
	if _, ok := a.pairs["moved"]; ok {
		var ago time.Duration
		a.duration("moved", &ago)
		d.History = policy.MoveHistory{Last: r.View.Now.Add(-ago), Count: 1}
	}
	a.count("count", &d.History.Count)
	if from, ok := a.text("from"); ok {
		d.History.From = policy.HostID(from)
	}
	r.View.Domains = append(without(r.View.Domains, func(o policy.Domain) bool { return o.ID == d.ID }), d)
	return nil
}

func (r *Runner) conditions(a *args) error {
	c := &r.View.Conditions
	c.Paused, c.Frozen, c.JournalUnwritable = a.flag("paused"), a.flag("frozen"), a.flag("journal-unwritable")
	a.count("known", &c.Known)
	mode, ok := a.text("mode")
	if !ok {
		return nil
	}
	var err error
	c.Mode, err = policy.ParseMode(mode)
	return err
}

func (r *Runner) promise(a *args) error {
	p := policy.Reservation{
		Domain: policy.DomainID(a.word()), To: policy.HostID(a.word()),
		Load: policy.Load{CPU: a.cpus("cpu"), Memory: a.gib("mem")}, Granted: r.View.Now,
		Expires: r.View.Now.Add(time.Hour), Groups: a.memberships(),
	}
	p.Op = policy.OpID("op-" + string(p.Domain))
	phase, _ := a.text("phase")
	switch phase {
	case "", "reserved":
	case "migrating":
		p.Phase = policy.Migrating
	case "settling":
		p.Phase = policy.SettlingIn
	default:
		return fmt.Errorf("unknown phase %q", phase)
	}
	r.View.Ledger = r.View.Ledger.With(p)
	return nil
}

// reserve has self keep what its configuration says.
func (r *Runner) reserve() {
	for i := range r.View.Hosts {
		if h := &r.View.Hosts[i]; h.ID == r.View.Self {
			h.Reserved = r.Config.Reserved(h.Capacity, h.Used, r.View.Domains)
		}
	}
}

func without[T any](s []T, match func(T) bool) []T {
	return slices.DeleteFunc(slices.Clone(s), match)
}
