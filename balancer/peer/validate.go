package peer

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/virtbalance/virtbalance/hypervisor"
	"github.com/virtbalance/virtbalance/policy"
)

// Bounds of what a sane peer says. They are far beyond any real host and far
// below what overflows a sum.
const (
	cpuMax      policy.MilliCPU = 100_000 * 1000
	memoryMax   policy.Bytes    = 1 << 50
	countMax                    = 1_000_000
	vcpusMax                    = 100_000
	samplesMax                  = 100_000
	fractionMax policy.Fraction = 1_000_000
	durationMax                 = 30 * 24 * time.Hour
	// movesMax also bounds the loop that doubles a cooldown.
	movesMax  = 10_000
	nameMax   = 256
	labelsMax = 64
	groupsMax = 64
	xmlMax    = 400 << 10
	// A guest has a few disks, each with its chain of backing files.
	filesMax                 = 1024
	pathMax                  = 4096
	fileSizeMax policy.Bytes = 1 << 60
)

// Validate checks the form and the bounds of every field.
func (r ReserveRequest) Validate() error {
	return first(
		validOp(r.Op),
		validMove(r.Move),
		validDescription(r.Description),
		validHistory("handoff.history", r.Handoff.History),
		same("description.domain", r.Description.Domain, "move.domain", r.Move.Domain),
		same("description.source.id", r.Description.Source.ID, "move.from", r.Move.From),
	)
}

// Validate checks the form and the bounds of every field. A refusal need not
// describe the host.
func (r ReserveReply) Validate() error {
	if err := text("detail", r.Detail, detailMax); err != nil {
		return err
	}
	if r.Reason != policy.OK && r.Host.ID == "" {
		return nil
	}
	return first(validFacts("host", r.Host.HostFacts), validState(r.Host.HostState))
}

// Validate checks the form and the bounds of every field.
func (r FinishRequest) Validate() error {
	return first(
		validOp(r.Op),
		validMove(r.Move),
		between("result", r.Result, policy.Unknown, policy.Aborted),
		validHistory("handoff.history", r.Handoff.History),
	)
}

// Validate checks the form of the operation ID.
func (r renewRequest) Validate() error { return validOp(r.Op) }

// Validate checks the form of the IDs and of the name.
func (r LocateRequest) Validate() error {
	err := uuid("domain", r.Domain)
	if err == nil && r.Alarm != nil {
		err = first(uuid("alarm.op", r.Alarm.Op), text("alarm.name", r.Alarm.Name, nameMax))
	}
	return err
}

// Validate checks that an unknown presence says nothing else.
func (r locateReply) Validate() error {
	if !r.Presence.Known && r.Presence != (policy.Presence{}) {
		return fmt.Errorf("presence says that the domain's whereabouts are not known, and then what they are")
	}
	return nil
}

// Validate accepts every answer: there is nothing in it.
func (emptyReply) Validate() error { return nil }

func validOp(op policy.OpID) error { return uuid("op", op) }

func validMove(m policy.Move) error {
	err := first(
		uuid("move.domain", m.Domain),
		text("move.name", m.Name, nameMax),
		uuid("move.from", m.From),
		uuid("move.to", m.To),
		validLoad("move.load", m.Load),
		// What is not booked is not there: a move without memory is a mistake.
		between("move.memory_max_bytes", m.MemoryMax, 1, memoryMax),
		between("move.vcpus", m.VCPUs, 0, vcpusMax),
		fraction("move.wait", m.Wait),
		between("move.trend_millis", m.Trend, -cpuMax, cpuMax),
		between("move.requires", len(m.Requires), 0, labelsMax),
		between("move.groups", len(m.Groups), 0, groupsMax),
		between("move.joins", len(m.Joins), 0, groupsMax),
		fraction("move.from_before", m.FromBefore),
		fraction("move.from_after", m.FromAfter),
		fraction("move.to_before", m.ToBefore),
		fraction("move.to_after", m.ToAfter),
		between("move.duration_ns", m.Duration, 0, durationMax),
	)
	for i := 0; err == nil && i < len(m.Requires); i++ {
		err = text("move.requires", m.Requires[i], nameMax)
	}
	for i := 0; err == nil && i < len(m.Groups); i++ {
		err = first(
			text("move.groups.rule", string(m.Groups[i].Rule), nameMax),
			text("move.groups.group", m.Groups[i].Group, nameMax),
		)
	}
	for i := 0; err == nil && i < len(m.Joins); i++ {
		err = text("move.joins", m.Joins[i], nameMax)
	}
	if err == nil && m.Back != nil {
		err = validLoad("move.back", *m.Back)
	}
	if err == nil && m.From == m.To {
		err = fmt.Errorf("move.from and move.to are both %q", m.From)
	}
	return err
}

func validDescription(d hypervisor.Description) error {
	err := first(
		uuid("description.domain", d.Domain),
		text("description.name", d.Name, nameMax),
		document("description.xml", d.XML),
		document("description.inactive_xml", d.InactiveXML),
		between("description.vcpus", d.VCPUs, 0, vcpusMax),
		between("description.memory_max_bytes", d.MemoryMax, 0, memoryMax),
		validFacts("description.source", d.Source),
		between("description.files", len(d.Files), 0, filesMax),
	)
	for i := 0; err == nil && i < len(d.Files); i++ {
		err = first(
			text("description.files.path", d.Files[i].Path, pathMax),
			between("description.files.size_bytes", d.Files[i].Size, 0, fileSizeMax),
			text("description.files.file_system", d.Files[i].FileSystem, nameMax),
			text("description.files.identity", d.Files[i].Identity, nameMax),
		)
	}
	return err
}

func validFacts(key string, f policy.HostFacts) error {
	err := first(
		uuid(key+".id", f.ID),
		text(key+".name", f.Name, nameMax),
		validLoad(key+".capacity", f.Capacity),
		text(key+".cpu_model", f.CPUModel, nameMax),
		text(key+".endpoint.peer", f.Endpoint.Peer, nameMax),
		text(key+".endpoint.migration", f.Endpoint.Migration, nameMax),
		between(key+".labels", len(f.Labels), 0, labelsMax),
	)
	for i := 0; err == nil && i < len(f.Labels); i++ {
		err = text(key+".labels", f.Labels[i], nameMax)
	}
	return err
}

func validState(s policy.HostState) error {
	return first(
		validLoad("host.used", s.Used),
		fraction("host.ahead", s.Ahead),
		fraction("host.pressure", s.Pressure),
		validLoad("host.promised", s.Promised),
		validLoad("host.reserved", s.Reserved),
		between("host.inbound", s.Inbound, 0, countMax),
		between("host.outbound", s.Outbound, 0, countMax),
		between("host.running", s.Running, 0, countMax),
	)
}

func validHistory(key string, h policy.MoveHistory) error {
	err := first(between(key+".count", h.Count, 0, movesMax), between(key+".unhelped", h.Unhelped, 0, movesMax))
	if err == nil && h.From != "" {
		err = uuid(key+".from", h.From)
	}
	if err == nil && !h.Last.IsZero() {
		err = between(key+".last", h.Last.Year(), 2000, 2200)
	}
	return err
}

func validLoad(key string, l policy.Load) error {
	return first(
		between(key+".cpu_millis", l.CPU, 0, cpuMax),
		between(key+".memory_bytes", l.Memory, 0, memoryMax),
	)
}

// fraction refuses NaN as well: it compares false with everything.
func fraction(key string, f policy.Fraction) error {
	if f.Valid() && f <= fractionMax {
		return nil
	}
	return fmt.Errorf("%s (%g) must be between 0 and %g", key, float64(f), float64(fractionMax))
}

func between[N ~int | ~int64 | ~uint8](key string, n, low, high N) error {
	if n >= low && n <= high {
		return nil
	}
	return fmt.Errorf("%s (%d) must be between %d and %d", key, int64(n), int64(low), int64(high))
}

func same[S ~string](key string, s S, otherKey string, other S) error {
	if s == other {
		return nil
	}
	return fmt.Errorf("%s (%.40q) must equal %s (%.40q)", key, string(s), otherKey, string(other))
}

// uuid wants the lower-case form with hyphens: IDs are compared as strings.
func uuid[S ~string](key string, s S) error {
	ok := len(s) == 36
	for i := 0; ok && i < len(s); i++ {
		switch i {
		case 8, 13, 18, 23:
			ok = s[i] == '-'
		default:
			ok = s[i] >= '0' && s[i] <= '9' || s[i] >= 'a' && s[i] <= 'f'
		}
	}
	if ok {
		return nil
	}
	return fmt.Errorf("%s (%.40q) must be a UUID in lower case", key, string(s))
}

// text is one line for people.
func text(key, s string, limit int) error {
	switch {
	case len(s) > limit:
		return fmt.Errorf("%s has %d bytes, at most %d are allowed", key, len(s), limit)
	case !utf8.ValidString(s), strings.ContainsFunc(s, control):
		return fmt.Errorf("%s (%.40q) must be one line of printable UTF-8", key, s)
	}
	return nil
}

// document is an XML text; its parser looks at the rest.
func document(key, s string) error {
	switch {
	case len(s) > xmlMax:
		return fmt.Errorf("%s has %d bytes, at most %d are allowed", key, len(s), xmlMax)
	case !utf8.ValidString(s), strings.ContainsRune(s, 0):
		return fmt.Errorf("%s must be UTF-8 without NUL", key)
	}
	return nil
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
