package gate

import (
	"log/slog"
	"sync"
	"time"
)

// Log keeps a flood out of the log: about one warning a second goes through,
// and the next one tells how many did not.
type Log struct {
	Log *slog.Logger

	mu         sync.Mutex
	usage      usage
	suppressed int
}

// Warn logs a warning, or counts it.
func (l *Log) Warn(message string, attrs ...any) {
	allowed := Allowance{AtOnce: 1, PerSecond: 1, Burst: 10}
	l.mu.Lock()
	ok := l.usage.take(time.Now(), allowed)
	suppressed := l.suppressed
	if ok {
		l.usage.atOnce, l.suppressed = 0, 0
	} else {
		l.suppressed++
	}
	l.mu.Unlock()
	if !ok {
		return
	}
	if suppressed > 0 {
		attrs = append(attrs, "suppressed", suppressed)
	}
	l.Log.Warn(message, attrs...) //nolint:sloglint // a constant at every caller
}
