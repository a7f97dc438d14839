package balancer

import (
	"time"

	"github.com/virtbalance/virtbalance/policy"
)

// closed remembers that load-driven moves may not begin: when they may again is
// sought once and not at every turn, for a year of windows takes a while to look
// through.
type closed struct {
	since  time.Time
	until  time.Time
	moment policy.Moment
}

// moment is what the windows say now.
func (c *Core) moment(now time.Time) policy.Moment {
	if !now.Before(c.closed.since) && now.Before(c.closed.until) {
		return c.closed.moment
	}
	m := c.tuning.Windows.At(now, c.tuning.Mode)
	c.closed = closed{}
	if !m.Open {
		c.closed = closed{now, m.Opens, m}
	}
	if !m.Open && m.Opens.IsZero() {
		c.closed.until = now.Add(time.Hour)
	}
	return m
}
