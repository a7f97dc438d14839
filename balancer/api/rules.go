package api

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/virtbalance/virtbalance/policy"
)

// RulesChange is what to change in the rules of a domain. What it does not name
// stays as it is.
type RulesChange struct {
	Pin, Ignore *bool
	Priority    *policy.Priority
	Override    *policy.Override
	// Require and Release are labels that the domain is to require, or no more.
	Require, Release []string
	// Join are groups to belong to, harder or softer than before if it belongs
	// to them already; Leave are groups to leave.
	Join, Leave []policy.Membership
}

// IsZero reports whether nothing changes.
func (c RulesChange) IsZero() bool { return len(c.values()) == 0 }

// Apply returns the rules with the change made.
func (c RulesChange) Apply(r policy.Rules) policy.Rules {
	r = r.Clone()
	set(&r.Pin, c.Pin)
	set(&r.Ignore, c.Ignore)
	set(&r.Priority, c.Priority)
	set(&r.Override, c.Override)
	r.Requires = slices.DeleteFunc(r.Requires, func(l string) bool {
		return slices.Contains(c.Release, l) || slices.Contains(c.Require, l)
	})
	r.Requires = append(r.Requires, c.Require...)
	r.Groups = slices.DeleteFunc(r.Groups, func(m policy.Membership) bool {
		same := func(o policy.Membership) bool { return o.Rule == m.Rule && o.Group == m.Group }
		return slices.ContainsFunc(c.Leave, same) || slices.ContainsFunc(c.Join, same)
	})
	r.Groups = append(r.Groups, c.Join...)
	return r
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

// The query of a change: keys that may be given several times, and the prefix
// of those that take something away.
const (
	keyPin, keyIgnore     = "pin", "ignore"
	keyPriority, keyMode  = "priority", "mode"
	keyRequires, notAgain = "requires", "no-"
	soft                  = "soft-"
)

func (c RulesChange) values() url.Values {
	v := url.Values{}
	for key, b := range map[string]*bool{keyPin: c.Pin, keyIgnore: c.Ignore} {
		if b != nil {
			v.Set(key, strconv.FormatBool(*b))
		}
	}
	if c.Priority != nil {
		v.Set(keyPriority, strconv.Itoa(int(*c.Priority)))
	}
	if c.Override != nil {
		v.Set(keyMode, c.Override.String())
	}
	for _, l := range c.Require {
		v.Add(keyRequires, l)
	}
	for _, l := range c.Release {
		v.Add(notAgain+keyRequires, l)
	}
	for _, m := range c.Join {
		if m.Soft {
			v.Add(soft+string(m.Rule), m.Group)
		} else {
			v.Add(string(m.Rule), m.Group)
		}
	}
	for _, m := range c.Leave {
		v.Add(notAgain+string(m.Rule), m.Group)
	}
	return v
}

// parseRulesChange is the inverse of values. Every fault is told at once.
func parseRulesChange(v url.Values) (RulesChange, error) {
	var c RulesChange
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(v)) {
		for _, text := range v[key] {
			errs = append(errs, c.take(key, text))
		}
	}
	return c, errors.Join(errs...)
}

func (c *RulesChange) take(key, text string) error {
	switch key {
	case keyPin, keyIgnore:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("%s %.40q is not one of true, false", key, text)
		}
		if key == keyPin {
			c.Pin = &b
		} else {
			c.Ignore = &b
		}
	case keyPriority:
		n, err := strconv.Atoi(text)
		if err != nil {
			return fmt.Errorf("%s %.40q is not a number", key, text)
		}
		p := policy.Priority(n)
		c.Priority = &p
	case keyMode:
		o, err := policy.ParseOverride(text)
		if err != nil {
			return err
		}
		c.Override = &o
	case keyRequires:
		c.Require = append(c.Require, text)
	case notAgain + keyRequires:
		c.Release = append(c.Release, text)
	default:
		for _, rule := range []policy.GroupRule{policy.Affinity, policy.AntiAffinity} {
			m := policy.Membership{Rule: rule, Group: text}
			switch key {
			case string(rule):
				c.Join = append(c.Join, m)
				return nil
			case soft + string(rule):
				m.Soft = true
				c.Join = append(c.Join, m)
				return nil
			case notAgain + string(rule):
				c.Leave = append(c.Leave, m)
				return nil
			}
		}
		return fmt.Errorf("%.40q is no rule", key)
	}
	return nil
}

// DomainRules are the rules that a domain carries now.
type DomainRules struct {
	Domain policy.DomainID `json:"domain"`
	Name   string          `json:"name"`
	Host   string          `json:"host"`
	policy.Rules
}

// LabelsChange is what to change in the labels of a host.
type LabelsChange struct {
	Add, Remove []string
	// DryRun only says what would follow.
	DryRun bool
}

// Labels are the labels of a host and where they come from.
type Labels struct {
	Host policy.HostID `json:"host"`
	Name string        `json:"name"`
	// Labels are in force: those configured, without Removed and with Added,
	// which an operator has changed while the daemon ran.
	Labels     []string `json:"labels"`
	Configured []string `json:"configured"`
	Added      []string `json:"added,omitempty"`
	Removed    []string `json:"removed,omitempty"`
	// Misplaced are the domains here that require a label which the host lacks,
	// by name: they leave, as far as others can take them.
	Misplaced []string `json:"misplaced,omitempty"`
}

// ChangeRules changes the rules of a domain of the daemon's host.
func (c *Client) ChangeRules(ctx context.Context, domain string, change RulesChange) (r DomainRules, err error) {
	return r, c.do(ctx, http.MethodPost, "/v1/rules/"+url.PathEscape(domain)+"?"+change.values().Encode(), &r)
}

// Labels asks for the labels of the daemon's host.
func (c *Client) Labels(ctx context.Context) (l Labels, err error) {
	return l, c.do(ctx, http.MethodGet, "/v1/labels", &l)
}

// ChangeLabels changes them.
func (c *Client) ChangeLabels(ctx context.Context, change LabelsChange) (l Labels, err error) {
	v := url.Values{"add": change.Add, "remove": change.Remove}
	if change.DryRun {
		v.Set("dry-run", "true")
	}
	return l, c.do(ctx, http.MethodPost, "/v1/labels?"+v.Encode(), &l)
}

// serveRules routes what is about rules and labels.
func (s *Server) serveRules(mux *http.ServeMux) {
	mux.HandleFunc("POST /v1/rules/{domain}", func(w http.ResponseWriter, r *http.Request) {
		domain := r.PathValue("domain")
		change, err := parseRulesChange(r.URL.Query())
		if err != nil {
			writeError(w, http.StatusBadRequest, err)
			return
		}
		answer(s, func(d Daemon, ctx context.Context) (DomainRules, error) { return d.ChangeRules(ctx, domain, change) })(w, r)
	})
	mux.HandleFunc("GET /v1/labels", answer(s, func(d Daemon, ctx context.Context) (Labels, error) {
		return d.ChangeLabels(ctx, LabelsChange{DryRun: true})
	}))
	mux.HandleFunc("POST /v1/labels", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		change := LabelsChange{Add: q["add"], Remove: q["remove"], DryRun: q.Get("dry-run") == "true"}
		answer(s, func(d Daemon, ctx context.Context) (Labels, error) { return d.ChangeLabels(ctx, change) })(w, r)
	})
}
