package policytest

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/virtbalance/virtbalance/policy"
)

// Runner is the stage of one scenario.
type Runner struct {
	Config   policy.Config
	View     policy.View
	State    policy.State
	Decision policy.Decision
}

// sampleInterval is the time between two samples of a scenario.
const sampleInterval = 20 * time.Second

// NewRunner returns an empty stage: default configuration, automatic mode.
func NewRunner() *Runner {
	start := time.Date(2030, time.January, 1, 0, 0, 0, 0, time.UTC)
	return &Runner{
		Config: policy.DefaultConfig(),
		View:   policy.View{Now: start, Conditions: policy.Conditions{Mode: policy.AutoMode}},
	}
}

// Do executes one command and returns its answer; a command that only sets
// something has none.
func (r *Runner) Do(line string) (string, error) {
	a, err := parseArgs(line)
	if err != nil {
		return "", err
	}
	answer, err := r.do(a)
	if err == nil {
		err = a.leftover()
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", line, err)
	}
	return answer, nil
}

func (r *Runner) do(a *args) (string, error) {
	switch a.command {
	case "config":
		return "", r.config(a)
	case "host":
		return "", r.host(a)
	case "vm":
		return "", r.domain(a)
	case "gone":
		name := a.word()
		r.View.Hosts = without(r.View.Hosts, func(h policy.Host) bool { return h.Name == name })
		r.View.Domains = without(r.View.Domains, func(d policy.Domain) bool { return d.Name == name })
		return "", nil
	case "conditions":
		return "", r.conditions(a)
	case "promise":
		return "", r.promise(a)
	case "wait":
		d, err := time.ParseDuration(a.word())
		r.pass(d)
		return "", err
	case "sample":
		return r.sample(a)
	case "decide":
		return r.decide(), nil
	case "apply":
		if len(r.Decision.Plan) == 0 {
			return "", fmt.Errorf("there is no move to apply")
		}
		r.View = r.View.Apply(r.Decision.Plan[0])
		return "", nil
	case "finish":
		return "", r.finish(a)
	case "refused":
		why, err := policy.ParseReason(a.word())
		if len(r.Decision.Plan) == 0 {
			return "", fmt.Errorf("there is no move to refuse")
		}
		r.State = r.Config.Refused(r.State, r.View.Now, r.Decision.Plan[0], why)
		return "", err
	case "explain":
		domain, to := policy.DomainID(a.word()), policy.HostID(a.word())
		return r.Config.Explain(r.View, r.State, domain, to).Text() + "\n", nil
	case "shortage":
		return r.shortage(), nil
	case "room":
		return r.room(policy.Load{CPU: a.cpus("cpu"), Memory: a.gib("mem")}), nil
	case "ask":
		return r.ask(a)
	case "admit":
		r.reserve()
		m := policy.Move{Domain: policy.DomainID(a.word()), From: policy.HostID(a.word()), To: r.View.Self}
		m.Load = policy.Load{CPU: a.cpus("cpu"), Memory: a.gib("mem")}
		m.MemoryMax = m.Load.Memory
		m.Requires, m.Groups, m.Joins = a.list("requires"), a.memberships(), a.list("joins")
		return r.Config.Admit(r.View, m).String() + "\n", nil
	default:
		return "", fmt.Errorf("unknown command %q", a.command)
	}
}

// pass lets time go by. What was heard stays as old as it was.
func (r *Runner) pass(d time.Duration) {
	r.View.Now = r.View.Now.Add(d)
	for i := range r.View.Hosts {
		r.View.Hosts[i].Received = r.View.Hosts[i].Received.Add(d)
	}
}

func (r *Runner) sample(a *args) (string, error) {
	for percent := range strings.FieldsSeq(a.rest()) {
		p, err := strconv.ParseFloat(percent, 64)
		if err != nil {
			return "", err
		}
		r.pass(sampleInterval)
		r.observe(policy.Fraction(p / 100))
		r.decide()
	}
	return r.String(), nil
}

// observe makes u the use of self, whatever its domains add up to.
func (r *Runner) observe(u policy.Fraction) {
	r.View.Utilization = policy.Utilization{At: r.View.Now, Recent: u, Smoothed: u, Known: true}
	for i, h := range r.View.Hosts {
		if h.ID == r.View.Self {
			r.View.Hosts[i].Used.CPU = policy.MilliCPU(float64(u) * float64(h.Capacity.CPU))
		}
	}
}

func (r *Runner) decide() string {
	r.reserve()
	r.Decision, r.State = policy.Policy{Config: r.Config}.Decide(r.View, r.State)
	return r.String()
}

// String is the last decision as scenarios write it.
func (r *Runner) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "hold %s\n", r.Decision.Hold)
	for _, m := range r.Decision.Plan {
		fmt.Fprintf(&b, "move %s %s -> %s %s: %s -> %s, %s -> %s\n",
			m.Name, m.From, m.To, m.Why, m.FromBefore, m.FromAfter, m.ToBefore, m.ToAfter)
		if m.Back != nil {
			fmt.Fprintf(&b, "back at most %s, %s\n", m.Back.CPU, m.Back.Memory)
		}
	}
	for _, v := range r.Decision.Verdicts {
		switch {
		case v.Reason == r.Decision.Hold && v.Host == "":
		case v.Host == "":
			fmt.Fprintf(&b, "stay %s %s\n", v.Name, v.Reason)
		default:
			fmt.Fprintf(&b, "no %s -> %s %s\n", v.Name, v.Host, v.Reason)
		}
	}
	return b.String()
}

// ask puts a move to self as its target, which remembers what it agrees to.
func (r *Runner) ask(a *args) (string, error) {
	m := policy.Move{Domain: policy.DomainID(a.word()), From: policy.HostID(a.word()), To: r.View.Self}
	m.Load = policy.Load{CPU: a.cpus("cpu"), Memory: a.gib("mem")}
	m.MemoryMax = m.Load.Memory
	a.reason("why", &m.Why)
	if _, ok := a.pairs["back"]; ok {
		m.Back = &policy.Load{CPU: a.cpus("back"), Memory: a.gib("back-mem")}
	}
	var why policy.Reason
	before := r.State.Debt
	why, r.State = r.Config.Answer(r.View, r.State, m)
	answer := why.String() + "\n"
	if debt := r.State.Debt; debt != before {
		answer += fmt.Sprintf("owes %s to %s\n", debt.Domain, cmp.Or(debt.To, "anybody"))
	}
	return answer, nil
}

func (r *Runner) finish(a *args) error {
	if len(r.Decision.Plan) == 0 {
		return fmt.Errorf("there is no move to finish")
	}
	var o policy.Outcome
	switch result := a.word(); result {
	case "succeeded":
		o.Result = policy.Succeeded
	case "failed":
		o.Result = policy.Failed
	case "aborted":
		o.Result = policy.Aborted
	case "unknown":
	default:
		return fmt.Errorf("unknown result %q", result)
	}
	if why := a.word(); why != "" {
		reason, err := policy.ParseReason(why)
		if err != nil {
			return err
		}
		o.Reason = reason
	}
	r.State = r.Config.Finished(r.State, r.View.Now, r.Decision.Plan[0], o)
	return nil
}
