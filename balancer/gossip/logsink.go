package gossip

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"
)

// logSink receives memberlist's log, line by line. What memberlist says of a
// mistake in the setup of a peer it says in no other way, once for every
// packet: the sink counts such lines by cause and passes each mistake on once
// per peer and quarter of an hour, in words an operator can act upon. The rest
// goes to debug level, warnings within bounds.
type logSink struct {
	log   *slog.Logger
	count *counters

	mu     sync.Mutex
	said   map[complaint]time.Time
	budget int
	refill time.Time
}

// complaint is a mistake of one peer.
type complaint struct {
	cause Cause
	peer  string
}

const (
	complaintAgain = 15 * time.Minute
	complaintsMax  = 256 // peers remembered; a sender of forged addresses shall not fill memory
	warningsPerMin = 20
)

func newLogSink(l *slog.Logger, c *counters) *logSink {
	return &logSink{log: l, count: c, said: make(map[complaint]time.Time)}
}

// known are the texts of memberlist v0.7.0 (net.go, security.go, label.go) that
// tell of a peer's mistake. A test provokes each over a wire, so that a newer
// memberlist with other words is noticed.
var known = []struct {
	text  string
	cause Cause
}{
	{"no installed keys could decrypt", CauseOtherKey},
	{"encryption is configured but remote state is not encrypted", CauseOtherKey},
	{"remote state is encrypted and encryption is not configured", CauseOtherKey},
	{"unacceptable label", CauseOtherLabel},
	{"Decrypt packet failed", CauseGarbage}, // too short, or of no known version
	{"cannot decode label", CauseGarbage},
	{"label header", CauseGarbage},
	{"missing message type byte", CauseGarbage},
	{"not supported from=", CauseGarbage},
	{"Received invalid msgType", CauseGarbage},
	{"Failed to decode", CauseGarbage},
	{"Failed to decompress", CauseGarbage},
	{"Got invalid checksum", CauseGarbage},
	{"UDP packet too short", CauseGarbage},
	{"failed to receive:", CauseGarbage},
	{"Failed to read remote state", CauseGarbage},
	{"Failed to receive user message", CauseGarbage},
	{"handler queue full", CauseOverflow},
}

// advice is what the operator is told of each mistake.
var advice = map[Cause]string{
	CauseOtherKey:   "peer uses another gossip key",
	CauseOtherLabel: "peer belongs to another cluster",
	CauseGarbage:    "peer sends what is no gossip",
	CauseOverflow:   "gossip messages dropped: they come faster than they are read",
}

// Write takes one line, as log.Logger writes it.
func (s *logSink) Write(line []byte) (int, error) {
	text := strings.TrimSpace(string(line))
	level, text := splitLevel(text)
	for _, k := range known {
		if level == slog.LevelDebug || !strings.Contains(text, k.text) {
			continue
		}
		s.count.reject(k.cause)
		peer := peerOf(text)
		if s.first(complaint{k.cause, peer}) {
			s.log.Warn(advice[k.cause], "peer", peer, "detail", cut(text, 200))
		}
		return len(line), nil
	}
	if level > slog.LevelDebug && !s.affordable() {
		level = slog.LevelDebug
	}
	s.log.Log(context.Background(), level, "memberlist", "text", cut(text, 500))
	return len(line), nil
}

// first reports whether a complaint has not been passed on lately.
func (s *logSink) first(c complaint) bool {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if at, ok := s.said[c]; ok && now.Sub(at) < complaintAgain {
		return false
	}
	if len(s.said) >= complaintsMax {
		for old, at := range s.said {
			if now.Sub(at) >= complaintAgain {
				delete(s.said, old)
			}
		}
		if len(s.said) >= complaintsMax {
			return false
		}
	}
	s.said[c] = now
	return true
}

// affordable bounds the other warnings.
func (s *logSink) affordable() bool {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.refill) >= time.Minute {
		s.refill, s.budget = now, warningsPerMin
	}
	s.budget--
	return s.budget >= 0
}

// splitLevel reads "[WARN] memberlist: text". memberlist's errors are about
// others or about a moment, and it goes on after each: they are warnings here.
func splitLevel(line string) (slog.Level, string) {
	level := slog.LevelDebug
	if strings.HasPrefix(line, "[WARN]") || strings.HasPrefix(line, "[ERR") {
		level = slog.LevelWarn
	}
	if _, rest, ok := strings.Cut(line, "] "); ok && strings.HasPrefix(line, "[") {
		line = rest
	}
	return level, strings.TrimPrefix(line, "memberlist: ")
}

// peerOf returns the address in "... from=10.0.0.2:17450".
func peerOf(text string) string {
	_, from, ok := strings.Cut(text, "from=")
	if !ok {
		return "unknown"
	}
	from, _, _ = strings.Cut(from, " ")
	if host, _, err := net.SplitHostPort(from); err == nil {
		return host
	}
	return from
}
