package gossip

import (
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"
)

// complaints tells the operator of mistakes in the setup of peers: each mistake
// of each peer once in a while, however many packets repeat it.
type complaints struct {
	log   *slog.Logger
	count *counters

	mu   sync.Mutex
	said map[complaint]time.Time
}

// complaint is a mistake of one peer.
type complaint struct{ fault, peer string }

const (
	complaintAgain = 15 * time.Minute
	// complaintsMax bounds the mistakes remembered: a sender of forged addresses
	// shall fill neither memory nor log.
	complaintsMax = 256
	// faultMax bounds those of one kind, so that made up names leave room for
	// what else there is to say.
	faultMax = 64
)

func newComplaints(l *slog.Logger, c *counters) *complaints {
	return &complaints{log: l, count: c, said: make(map[complaint]time.Time)}
}

// The faults, as the operator is told them.
const (
	otherKey   = "uses another gossip key"
	otherLabel = "belongs to another cluster"
	garbage    = "sends what is no gossip"
	overflow   = "sends faster than this host reads"
	streams    = "opens more streams than a host needs"
	misfit     = "cannot be a member"
	clone      = "claims an ID that another host has: is one a clone of the other?"
)

// uncounted marks what a callback of memberlist has counted already.
const uncounted = causes

// known are the texts of memberlist v0.7.0 (net.go, security.go, label.go,
// state.go) that tell of a peer's mistake. Tests provoke them over a network,
// so that a newer memberlist with other words is noticed.
var known = []struct {
	text  string
	cause Cause
	fault string
}{
	{"no installed keys could decrypt", CauseOtherKey, otherKey},
	{"encryption is configured but remote state is not encrypted", CauseOtherKey, otherKey},
	{"remote state is encrypted and encryption is not configured", CauseOtherKey, otherKey},
	{"unacceptable label", CauseOtherLabel, otherLabel},
	{"Decrypt packet failed", CauseGarbage, garbage}, // too short, or of no known version
	{"cannot decode label", CauseGarbage, garbage},
	{"label header", CauseGarbage, garbage},
	{"missing message type byte", CauseGarbage, garbage},
	{"not supported from=", CauseGarbage, garbage},
	{"Received invalid msgType", CauseGarbage, garbage},
	{"Failed to decode", CauseGarbage, garbage},
	{"Failed to decompress", CauseGarbage, garbage},
	{"invalid checksum", CauseGarbage, garbage},
	{"UDP packet too short", CauseGarbage, garbage},
	{"failed to receive", CauseGarbage, garbage},
	{"Failed to read remote state", CauseGarbage, garbage},
	{"Failed to receive user message", CauseGarbage, garbage},
	{"handler queue full", CauseOverflow, overflow},
	{"ignoring alive message for", uncounted, misfit},
	{"Conflicting address for", uncounted, clone},
}

// hear reports whether a text tells of a peer's mistake. If so, it has been
// counted, and passed on unless it was lately.
func (c *complaints) hear(text, peer string) bool {
	for _, k := range known {
		if !strings.Contains(text, k.text) {
			continue
		}
		if k.cause != uncounted {
			c.count.reject(k.cause)
		}
		if c.first(complaint{k.fault, peer}) {
			c.log.Warn("gossip peer at fault", "fault", k.fault, "peer", peer, "detail", cut(text, 300))
		}
		return true
	}
	return false
}

// about counts what was kept from memberlist, and passes it on unless it was
// lately.
func (c *complaints) about(why Cause, fault string, from net.Addr, detail error) {
	c.count.reject(why)
	peer := from.String()
	if host, _, err := net.SplitHostPort(peer); err == nil {
		peer = host
	}
	if c.first(complaint{fault, peer}) {
		c.log.Warn("gossip peer at fault", "fault", fault, "peer", peer, "detail", detail)
	}
}

// first reports whether a complaint has not been passed on lately.
func (c *complaints) first(what complaint) bool {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if at, ok := c.said[what]; ok && now.Sub(at) < complaintAgain {
		return false
	}
	same := 0
	for old, at := range c.said {
		switch {
		case now.Sub(at) >= complaintAgain:
			delete(c.said, old)
		case old.fault == what.fault:
			same++
		}
	}
	if same >= faultMax || len(c.said) >= complaintsMax {
		return false
	}
	c.said[what] = now
	return true
}
