package libvirt

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// link is a connection that is made anew whenever it is lost. There are two:
// when the bulk reading of counters is held up by a QEMU that hangs (NOWAIT
// avoids waiting for other calls, not for QEMU itself), only its own
// connection is given up, and the domains go on being watched.
type link struct {
	name string
	opts *Options
	log  *slog.Logger
	// open completes a session on a new connection.
	open func(*session) error
	// hurry ends the pause before the next attempt; other is the link that is
	// told to hurry when this one is up, for then libvirtd is back.
	hurry chan struct{}
	other *link

	mu       sync.Mutex
	session  *session // nil while down
	sessions uint64
}

func newLink(name string, o *Options, open func(*session) error) *link {
	return &link{name: name, opts: o, log: o.Log.With("link", name), open: open, hurry: make(chan struct{}, 1)}
}

// session is the time between connecting and losing the connection.
type session struct {
	conn *conn
	sick chan string

	// Of the link for control:
	node   node
	events chan event
	lost   atomic.Bool // an event did not fit

	// Of the link for statistics: admits one reading at a time.
	reading chan struct{}
}

// current returns the session, or errDown.
func (l *link) current() (*session, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.session == nil {
		return nil, errDown
	}
	return l.session, nil
}

// keep connects, and does so again whenever the connection is lost, until ctx
// ends. serve, if any, runs for as long as each session lasts.
func (l *link) keep(ctx context.Context, serve func(context.Context, *session)) {
	pause := l.opts.ReconnectMin
	for ctx.Err() == nil {
		s, err := l.connect(ctx)
		if err != nil {
			if ctx.Err() == nil {
				l.log.Warn("libvirt is not reachable", "uri", l.opts.URI, "err", err, "retry_in", pause)
			}
		} else {
			began := time.Now()
			why := l.serve(ctx, s, serve)
			if ctx.Err() == nil {
				l.log.Warn("libvirt connection lost", "uri", l.opts.URI, "reason", why, "lasted", time.Since(began))
			}
			if time.Since(began) > l.opts.ReconnectMax {
				pause = l.opts.ReconnectMin
			}
		}
		l.wait(ctx, jitter(pause))
		pause = min(2*pause, l.opts.ReconnectMax)
	}
}

// jitter spreads d over half of it to the whole, so that the daemons of many
// hosts do not act in step.
func jitter(d time.Duration) time.Duration {
	if d <= 1 {
		return d
	}
	return d/2 + rand.N(d/2)
}

// wait waits, and reports whether ctx let it.
func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// wait is the pause between two attempts.
func (l *link) wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	case <-l.hurry:
	}
}

// connect opens a session. There is never more than one attempt under way,
// however long libvirtd keeps it waiting: it cannot be interrupted.
func (l *link) connect(ctx context.Context) (*session, error) {
	type result struct {
		s   *session
		err error
	}
	done := make(chan result, 1)
	go func() {
		s, err := l.dial()
		done <- result{s, err}
	}()
	slow := time.NewTimer(l.opts.CallDeadline)
	defer slow.Stop()
	for {
		select {
		case r := <-done:
			return r.s, r.err
		case <-slow.C:
			l.log.Warn("libvirtd does not answer an attempt to connect; still waiting", "uri", l.opts.URI)
		case <-ctx.Done():
			go func() { // close what may still come of it
				if r := <-done; r.s != nil {
					r.s.conn.drop()
				}
			}()
			return nil, ctx.Err()
		}
	}
}

// dial blocks for as long as libvirtd does.
func (l *link) dial() (*session, error) {
	s := &session{
		sick:    make(chan string, 1),
		reading: make(chan struct{}, 1),
		events:  make(chan event, eventBacklog),
	}
	var err error
	if s.conn, err = dial(*l.opts, s.sick); err != nil {
		return nil, err
	}
	if l.open != nil {
		if err := l.open(s); err != nil {
			s.conn.drop()
			return nil, err
		}
	}
	return s, nil
}

// serve publishes the session until it is lost, and returns why it was.
func (l *link) serve(ctx context.Context, s *session, work func(context.Context, *session)) string {
	ctx, cancel := context.WithCancel(ctx)
	var worker sync.WaitGroup
	if work != nil {
		worker.Go(func() { work(ctx, s) })
	}
	l.publish(s)
	l.log.Info("connected to libvirt", "uri", l.opts.URI)
	select {
	case <-l.hurry: // it is from before
	default:
	}
	if l.other != nil {
		select {
		case l.other.hurry <- struct{}{}:
		default:
		}
	}
	var why string
	select {
	case why = <-s.sick:
	case <-ctx.Done():
	}
	l.publish(nil)
	cancel()
	worker.Wait()
	s.conn.drop()
	return why
}

// publish makes s the session that everybody uses; nil while there is none.
func (l *link) publish(s *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s != nil {
		l.sessions++
	}
	l.session = s
}

// condition returns whether the link is up, and how often it came up again.
func (l *link) condition() (up bool, reconnects uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.session != nil, l.sessions - min(l.sessions, 1)
}
