package policytest

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/virtbalance/virtbalance/policy"
)

// args are the words of one command: bare words in order, and key=value pairs.
// Faults are gathered and come out of leftover.
type args struct {
	command string
	words   []string
	pairs   map[string]string
	errs    []error
}

func parseArgs(line string) (*args, error) {
	fields := strings.Fields(line)
	if len(fields) == 0 {
		return nil, errors.New("empty command")
	}
	a := &args{command: fields[0], pairs: map[string]string{}}
	for _, f := range fields[1:] {
		if key, value, ok := strings.Cut(f, "="); ok {
			a.pairs[key] = value
		} else {
			a.words = append(a.words, f)
		}
	}
	return a, nil
}

// word takes the next bare word; empty if there is none.
func (a *args) word() string {
	if len(a.words) == 0 {
		return ""
	}
	w := a.words[0]
	a.words = a.words[1:]
	return w
}

// rest takes all bare words that are left.
func (a *args) rest() string {
	all := strings.Join(a.words, " ")
	a.words = nil
	return all
}

// flag takes a bare word wherever it stands, and says whether it was there.
func (a *args) flag(name string) bool {
	i := slices.Index(a.words, name)
	if i < 0 {
		return false
	}
	a.words = slices.Delete(a.words, i, i+1)
	return true
}

func (a *args) text(key string) (string, bool) {
	v, ok := a.pairs[key]
	delete(a.pairs, key)
	return v, ok
}

func (a *args) list(key string) []string {
	v, ok := a.text(key)
	if !ok {
		return nil
	}
	return strings.Split(v, ",")
}

// memberships takes the groups that are named under their rules.
func (a *args) memberships() []policy.Membership {
	var all []policy.Membership
	for _, rule := range []policy.GroupRule{policy.Affinity, policy.AntiAffinity} {
		for _, strength := range []string{"", "soft-"} {
			for _, group := range a.list(strength + string(rule)) {
				all = append(all, policy.Membership{Rule: rule, Group: group, Soft: strength != ""})
			}
		}
	}
	return all
}

func (a *args) number(key string, set func(float64)) {
	v, ok := a.text(key)
	if !ok {
		return
	}
	f, err := strconv.ParseFloat(v, 64)
	if err != nil {
		a.errs = append(a.errs, fmt.Errorf("%s: %w", key, err))
		return
	}
	set(f)
}

func (a *args) count(key string, to *int) {
	a.number(key, func(f float64) { *to = int(f) })
}

func (a *args) percent(key string, to *policy.Fraction) {
	a.number(key, func(f float64) { *to = policy.Fraction(f / 100) })
}

func (a *args) duration(key string, to *time.Duration) {
	v, ok := a.text(key)
	if !ok {
		return
	}
	d, err := time.ParseDuration(v)
	if err != nil {
		a.errs = append(a.errs, fmt.Errorf("%s: %w", key, err))
		return
	}
	*to = d
}

func (a *args) reason(key string, to *policy.Reason) {
	v, ok := a.text(key)
	if !ok {
		return
	}
	r, err := policy.ParseReason(v)
	if err != nil {
		a.errs = append(a.errs, err)
	}
	*to = r
}

func (a *args) cpus(key string) (m policy.MilliCPU) {
	a.number(key, func(f float64) { m = policy.MilliCPU(f * 1000) })
	return m
}

func (a *args) gib(key string) (b policy.Bytes) {
	a.number(key, func(f float64) { b = policy.Bytes(f * float64(policy.GiB)) })
	return b
}

// leftover is every fault so far, words that nothing took included.
func (a *args) leftover() error {
	errs := a.errs
	for _, w := range a.words {
		errs = append(errs, fmt.Errorf("unexpected word %q", w))
	}
	for key := range a.pairs {
		errs = append(errs, fmt.Errorf("unknown key %q", key))
	}
	return errors.Join(errs...)
}
