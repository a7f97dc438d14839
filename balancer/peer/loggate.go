package peer

import (
	"log/slog"
	"sync"
	"time"
)

// logGate keeps a flood out of the log: about one warning a second goes
// through, and the next one tells how many did not.
type logGate struct {
	log *slog.Logger

	mu         sync.Mutex
	usage      usage
	suppressed int
}

func (g *logGate) warn(message string, attrs ...any) {
	allowed := Allowance{AtOnce: 1, PerSecond: 1, Burst: 10}
	g.mu.Lock()
	ok := g.usage.take(time.Now(), allowed)
	suppressed := g.suppressed
	if ok {
		g.usage.atOnce, g.suppressed = 0, 0
	} else {
		g.suppressed++
	}
	g.mu.Unlock()
	if !ok {
		return
	}
	if suppressed > 0 {
		attrs = append(attrs, "suppressed", suppressed)
	}
	g.log.Warn(message, attrs...) //nolint:sloglint // a constant at every caller
}
