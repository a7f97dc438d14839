package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Rules are what the owner of a domain asks of its placement. They travel with
// the domain, and hold whatever the load.
type Rules struct {
	// Pin keeps the domain on its host, whoever wants it away; Ignore makes it
	// none of our business.
	Pin    bool `json:"pin,omitempty"`
	Ignore bool `json:"ignore,omitempty"`
	// Requires are the labels that a host must have to run the domain. On a
	// host that lacks one, the domain is moved whatever the load.
	Requires []string `json:"requires,omitempty"`
	// Groups are the groups of domains that the domain belongs to.
	Groups []Membership `json:"groups,omitempty"`
	// Priority says who moves for the others' sake.
	Priority Priority `json:"priority,omitempty"`
	// Override is how far the balancer may go with this domain, where that is
	// less far than the mode of its host.
	Override Override `json:"override,omitempty"`
}

// Bounds of the rules of one domain.
const (
	// MembershipsMax is how many groups a domain may belong to, RequiresMax how
	// many labels it may require, WordMax the bytes of a group's name or a label.
	MembershipsMax = 8
	RequiresMax    = 16
	WordMax        = 64
)

// Validate returns every fault at once.
func (r Rules) Validate() error {
	var errs []error
	if len(r.Requires) > RequiresMax {
		errs = append(errs, fmt.Errorf("requires %d labels, at most %d are possible", len(r.Requires), RequiresMax))
	}
	for _, l := range r.Requires {
		errs = append(errs, CheckWord("label", l))
	}
	if len(r.Groups) > MembershipsMax {
		errs = append(errs, fmt.Errorf("belongs to %d groups, at most %d are possible", len(r.Groups), MembershipsMax))
	}
	for i, g := range r.Groups {
		errs = append(errs, CheckWord("group", g.Group))
		if g.Rule != Affinity && g.Rule != AntiAffinity {
			errs = append(errs, fmt.Errorf("the rule %q of group %q is not one of %s, %s", g.Rule, g.Group, Affinity, AntiAffinity))
		}
		for _, o := range r.Groups[:i] {
			if o.same(g) {
				errs = append(errs, fmt.Errorf("the %s group %q is there twice", g.Rule, g.Group))
			}
		}
	}
	if r.Priority < LowestPriority || r.Priority > HighestPriority {
		errs = append(errs, fmt.Errorf("priority %d is not within %d..%d", r.Priority, LowestPriority, HighestPriority))
	}
	return errors.Join(errs...)
}

// CheckWord says what is wrong with a label or the name of a group: they stand
// in lists and in tables.
func CheckWord(what, word string) error {
	switch {
	case word == "":
		return fmt.Errorf("a %s has no name", what)
	case len(word) > WordMax:
		return fmt.Errorf("%s %.20q... has %d bytes, at most %d are possible", what, word, len(word), WordMax)
	case strings.ContainsFunc(word, func(r rune) bool {
		return r == ',' || r == unicode.ReplacementChar || unicode.IsSpace(r) || !unicode.IsPrint(r)
	}):
		return fmt.Errorf("%s %q must be one word without commas", what, word)
	}
	return nil
}

// Clone is a copy that shares nothing with r.
func (r Rules) Clone() Rules {
	r.Requires, r.Groups = slices.Clone(r.Requires), slices.Clone(r.Groups)
	return r
}

// Summary says the rules in one line, for logs: empty if there are none. It is
// no String, which whatever embeds Rules would inherit.
func (r Rules) Summary() string {
	var words []string
	if r.Pin {
		words = append(words, "pin")
	}
	if r.Ignore {
		words = append(words, "ignore")
	}
	for _, l := range r.Requires {
		words = append(words, "requires="+l)
	}
	for _, m := range r.Groups {
		strength := "hard"
		if m.Soft {
			strength = "soft"
		}
		words = append(words, fmt.Sprintf("%s=%s/%s", m.Rule, m.Group, strength))
	}
	if r.Priority != 0 {
		words = append(words, fmt.Sprintf("priority=%d", r.Priority))
	}
	if r.Override != NoOverride {
		words = append(words, "mode="+r.Override.String())
	}
	return strings.Join(words, " ")
}

// Priority orders the domains of a host that has to give some away for its
// load: those of the lowest priority first, whatever is quicker to move. Those
// of the highest move only when somebody on the host waits for a CPU.
type Priority int

// The bounds of a priority; zero is normal.
const (
	LowestPriority  Priority = -10
	HighestPriority Priority = 10
)

// Override is how far the balancer may go with one domain.
type Override uint8

// The overrides. The host's mode always bounds them: no domain moves by itself
// from a host that does not balance by itself.
const (
	// NoOverride leaves it to the mode of the host.
	NoOverride Override = iota
	// ApproveMove: a move is proposed, after those of all others, and a person
	// has to agree.
	ApproveMove
	// NeverMove: the domain moves only when a person drains its host or moves it.
	NeverMove
)

var overrideNames = [...]string{NoOverride: "auto", ApproveMove: "approve", NeverMove: "never"}

// Overrides returns every override.
func Overrides() []Override { return []Override{NoOverride, ApproveMove, NeverMove} }

// String names the override.
func (o Override) String() string {
	if int(o) < len(overrideNames) {
		return overrideNames[o]
	}
	return overrideNames[NeverMove]
}

// ParseOverride is the inverse of Override.String.
func ParseOverride(s string) (Override, error) {
	for _, o := range Overrides() {
		if s == o.String() {
			return o, nil
		}
	}
	return NeverMove, fmt.Errorf("mode %q of a domain is not one of auto, approve, never", s)
}

// MarshalText writes the name.
func (o Override) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText reads a name; one that a newer version knows reads as NeverMove,
// the most careful.
func (o *Override) UnmarshalText(b []byte) error {
	*o, _ = ParseOverride(string(b))
	return nil
}

// welcomes reports whether the host has every label that the domain requires.
func (d *Domain) welcomes(h *Host) bool { return h.has(d.Requires) }

// has reports whether the host has all of the labels.
func (h *Host) has(labels []string) bool {
	for _, label := range labels {
		if !slices.Contains(h.Labels, label) {
			return false
		}
	}
	return true
}
