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
// packet: such lines go to the complaints. The rest goes to debug level, and
// its warnings, within bounds, to warning level.
type logSink struct {
	log        *slog.Logger
	complaints *complaints

	mu     sync.Mutex
	budget int
	refill time.Time
}

// Write takes one line, as log.Logger writes it.
func (s *logSink) Write(line []byte) (int, error) {
	level, text := splitLevel(strings.TrimSpace(string(line)))
	if level > slog.LevelDebug && s.complaints.hear(text, peerOf(text)) {
		return len(line), nil
	}
	if level > slog.LevelDebug && !s.affordable() {
		level = slog.LevelDebug
	}
	s.log.Log(context.Background(), level, "memberlist", "text", cut(text, 500))
	return len(line), nil
}

// affordable bounds the warnings.
func (s *logSink) affordable() bool {
	const perMinute = 20
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.refill) >= time.Minute {
		s.refill, s.budget = now, perMinute
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
	if strings.Contains(line, "Refuting an alive message") {
		level = slog.LevelDebug // a restart, with a dump of the facts
	}
	if _, rest, ok := strings.Cut(line, "] "); ok && strings.HasPrefix(line, "[") {
		line = rest
	}
	return level, strings.TrimPrefix(line, "memberlist: ")
}

// peerOf returns the address in "... from=10.0.0.2:17450", or else the name in
// "... for 'name': ..." or "... for name. ...".
func peerOf(text string) string {
	_, from, ok := strings.Cut(text, "from=")
	if !ok {
		_, name, _ := strings.Cut(text, " for ")
		name, _, _ = strings.Cut(name, " ")
		return strings.Trim(name, "'.:")
	}
	from, _, _ = strings.Cut(from, " ")
	if host, _, err := net.SplitHostPort(from); err == nil {
		return host
	}
	return from
}
