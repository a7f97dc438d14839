package gate

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// However many warnings there are, about one a second is written, and none is
// lost without being counted.
func TestAFloodIsKeptOutOfTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var written bytes.Buffer
		l := &Log{Log: slog.New(slog.NewTextHandler(&written, nil))}
		const seconds, perSecond = 60, 1000
		for range seconds * perSecond {
			l.Warn("refused", "peer", "x")
			time.Sleep(time.Second / perSecond)
		}
		lines := strings.Count(written.String(), "\n")
		if lines < seconds || lines > seconds+10 {
			t.Errorf("%d lines in %d s", lines, seconds)
		}
		written.Reset()
		time.Sleep(time.Minute)
		l.Warn("refused", "peer", "x")
		if !strings.Contains(written.String(), "suppressed=") {
			t.Errorf("the next line does not tell how many were left out: %s", &written)
		}
		written.Reset()
		l.Warn("refused", "peer", "x")
		if strings.Contains(written.String(), "suppressed=") {
			t.Errorf("what has been told is told again: %s", &written)
		}
	})
}
