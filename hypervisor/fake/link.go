package fake

import (
	"slices"
	"time"
)

// watchConnections starts and stops the clocks of broken connections. What
// flows between two QEMUs is given up with the connection of their libvirts.
func (w *World) watchConnections() {
	for _, m := range w.migrations {
		if m.phase == queued {
			continue
		}
		m.silent = m.broken || m.src.cut || m.dst.cut || m.dst.off ||
			m.src.libvirt == libvirtHangs || m.dst.libvirt == libvirtHangs
		switch {
		case !m.silent:
			m.giveUp = forever
		case m.giveUp == forever:
			m.giveUp = w.now + time.Duration(w.migration.Keepalive)
		}
	}
}

// shareLinks sets the rates at which migrations go on.
func (w *World) shareLinks() {
	for _, h := range w.hosts {
		h.sending, h.receiving = 0, 0
	}
	for _, m := range w.migrations {
		if m.moving() {
			m.src.sending++
			m.dst.receiving++
		}
	}
	for _, m := range w.migrations {
		if m.phase != copying {
			continue
		}
		m.dirtyRate = int64(m.dom.spec.DirtyRate) * (100 - m.out.throttle) / 100
		if !m.moving() {
			m.rate = 0
			continue
		}
		m.rate = max(1, min(int64(m.src.spec.Link)/m.src.sending, int64(m.dst.spec.Link)/m.dst.receiving))
		if limit := int64(m.transfer.Bandwidth); limit > 0 {
			m.rate = min(m.rate, limit)
		}
	}
}

// leave clears the target up, as soon as it can hear of it.
func (w *World) leave(m *migration) {
	if m.silent && (w.now < m.giveUp || m.dst.libvirt == libvirtHangs) {
		w.abandon(m, m.giveUp)
	} else {
		w.drop(m)
	}
}

// leftover is an incoming instance whose migration has ended without the
// target hearing of it: it goes away when the target gives the connection up.
type leftover struct {
	in *instance
	at time.Duration
}

// due is when the leftover goes away; a libvirt that hangs does nothing.
func (l leftover) due(now time.Duration) time.Duration {
	if l.in.host.libvirt == libvirtHangs {
		return forever
	}
	return max(now, l.at)
}

// abandon makes what a migration has on the target a leftover until then.
func (w *World) abandon(m *migration, until time.Duration) {
	if m.in != nil {
		w.leftovers = append(w.leftovers, leftover{m.in, until})
		m.in = nil
	}
}

// drop removes what a migration has on the target.
func (w *World) drop(m *migration) {
	if m.in != nil {
		m.dst.remove(m.in)
		m.in = nil
	}
}

// dropLeftovers removes all from a host.
func (w *World) dropLeftovers(h *host) {
	w.leftovers = slices.DeleteFunc(w.leftovers, func(l leftover) bool {
		if l.in.host == h {
			h.remove(l.in)
		}
		return l.in.host == h
	})
}
