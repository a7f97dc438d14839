package libvirt

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"
)

// session is the time between connecting and losing the connection.
type session struct {
	stats, control *conn
	// reading admits one bulk reading of counters at a time.
	reading chan struct{}
	node    node
	sick    chan string
	events  chan event
	lost    atomic.Bool // an event did not fit
}

// Run connects, keeps connected, and keeps what is known of the domains up to
// date until ctx ends. The only error it returns is that too many calls into
// libvirt have hung: the process should then be restarted.
//
// Migrations that are running when Run returns go on inside libvirtd.
func (h *Hypervisor) Run(ctx context.Context) error {
	pause := h.opts.ReconnectMin
	for {
		s, err := h.connect(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			h.log.Warn("libvirt is not reachable", "uri", h.opts.URI, "err", err, "retry_in", pause)
		} else {
			began := time.Now()
			why := h.serve(ctx, s)
			if ctx.Err() != nil {
				return nil
			}
			h.log.Warn("libvirt connection lost", "uri", h.opts.URI, "reason", why, "lasted", time.Since(began))
			if time.Since(began) > h.opts.ReconnectMax {
				pause = h.opts.ReconnectMin
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-h.calls.tooMany:
			hung, _ := h.calls.counts()
			return fmt.Errorf("%w: %d hang now", errTooMany, hung)
		case <-time.After(jitter(pause)):
		}
		pause = min(2*pause, h.opts.ReconnectMax)
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

// connect opens the connections of a session. There is never more than one
// attempt under way, however long libvirtd keeps it waiting.
func (h *Hypervisor) connect(ctx context.Context) (*session, error) {
	type result struct {
		s   *session
		err error
	}
	done := make(chan result, 1)
	go func() {
		s, err := h.open()
		done <- result{s, err}
	}()
	slow := time.NewTimer(h.opts.CallDeadline)
	defer slow.Stop()
	for {
		select {
		case r := <-done:
			return r.s, r.err
		case <-slow.C:
			h.log.Warn("libvirtd does not answer an attempt to connect; still waiting", "uri", h.opts.URI)
		case <-ctx.Done():
			go func() { // close what may still come of it
				if r := <-done; r.s != nil {
					r.s.drop()
				}
			}()
			return nil, ctx.Err()
		}
	}
}

// open blocks for as long as libvirtd does.
func (h *Hypervisor) open() (*session, error) {
	s := &session{
		reading: make(chan struct{}, 1),
		sick:    make(chan string, 1),
		events:  make(chan event, eventBacklog),
	}
	var err error
	if s.stats, err = dial(h.opts, s.sick); err != nil {
		return nil, err
	}
	if s.control, err = dial(h.opts, s.sick); err != nil {
		s.drop()
		return nil, err
	}
	if err = s.subscribe(); err != nil {
		s.drop()
		return nil, fmt.Errorf("subscribe to events: %w", err)
	}
	if s.node, err = readNode(s.control.lv); err != nil {
		s.drop()
		return nil, err
	}
	return s, nil
}

func (s *session) drop() {
	for _, c := range []*conn{s.stats, s.control} {
		if c != nil {
			c.drop()
		}
	}
}

// serve publishes the session and works on it until it is lost. It returns
// why it was.
func (h *Hypervisor) serve(ctx context.Context, s *session) string {
	ctx, cancel := context.WithCancel(ctx)
	var workers sync.WaitGroup
	h.known.forget()
	for _, work := range []func(context.Context, *session){h.watchEvents, h.inspectDomains, h.probeJobs} {
		workers.Go(func() { work(ctx, s) })
	}
	h.publish(s)
	h.log.Info("connected to libvirt", "uri", h.opts.URI,
		"libvirt", s.node.libvirtVersion, "hypervisor", s.node.hypervisorVersion)

	var why string
	select {
	case why = <-s.sick:
	case <-h.calls.tooMany:
		why = errTooMany.Error()
	case <-ctx.Done():
	}
	h.publish(nil)
	cancel()
	workers.Wait()
	s.drop()
	return why
}

// publish makes s the session that every method uses; nil while there is none.
func (h *Hypervisor) publish(s *session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s == nil {
		h.up = make(chan struct{})
	} else {
		h.sessions++
		close(h.up)
	}
	h.session = s
}
