package disaster

import (
	"errors"
	"time"

	"github.com/virtbalance/virtbalance/policy"
)

var (
	errTimeout = errors.New("no answer in time")
	errRefused = errors.New("connection refused")
)

// network carries what daemons say to one another.
type network struct {
	// cut[a][b]: nothing gets from a to b.
	cut map[*host]map[*host]bool
	// loss and repeat are one in so many messages; zero is none.
	loss, repeat int
	slow         time.Duration
}

// transmit gives the delay of a message, false if it is lost.
func (s *Sim) transmit(from, to *host) (time.Duration, bool) {
	if s.net.cut[from][to] || s.net.loss > 0 && s.chance(s.net.loss) {
		return 0, false
	}
	d := s.within(200*time.Microsecond, 5*time.Millisecond)
	if s.net.slow > 0 {
		d += s.within(0, s.net.slow)
	}
	return d, true
}

// call asks another daemon and hands its answer over, or why there is none. A
// question may arrive twice, and late; the asker may be gone by the answer.
func (s *Sim) call(from *host, target policy.HostID, timeout time.Duration, serve func(h *host, done func(any)), answer func(any, error)) {
	to, life, over := s.byID[target], from.life, false
	finish := func(x any, err error) {
		if !over && from.alive(life) {
			over = true
			answer(x, err)
		}
	}
	s.after(timeout, func() { finish(nil, errTimeout) })
	back := func(x any, err error) {
		if d, ok := s.transmit(to, from); ok {
			s.after(d, func() { finish(x, err) })
		}
	}
	deliver := func() {
		switch {
		case to.off:
		case !to.up:
			back(nil, errRefused)
		default:
			serve(to, func(x any) { back(x, nil) })
		}
	}
	if d, ok := s.transmit(from, to); ok {
		s.after(d, deliver)
	}
	if s.net.repeat > 0 && s.chance(s.net.repeat) {
		if d, ok := s.transmit(from, to); ok {
			s.after(d+s.within(0, 40*time.Second), deliver)
		}
	}
}

// gossip tells all others of a host's state; some hear it later, or not.
func (s *Sim) gossip(from *host, state policy.HostState) {
	from.told++
	told, life := from.told, from.life
	for _, to := range s.hosts {
		if to == from {
			continue
		}
		d, ok := s.transmit(from, to)
		if !ok || s.chance(50) {
			continue
		}
		s.after(d+s.within(10*time.Millisecond, 1500*time.Millisecond), func() {
			to.hear(from, life, told, state)
		})
	}
}
