package fake

import (
	"slices"
	"time"

	"github.com/virtbalance/virtbalance/policy"
)

// powerOff stops everything on a host at once. Who is connected to it only
// hears silence.
func (w *World) powerOff(h *host) {
	if h.off {
		return
	}
	h.off = true
	h.libvirt = libvirtAnswers // of its next life
	for _, m := range slices.Clone(w.migrations) {
		switch {
		case m.src == h:
			w.abandon(m, w.now+time.Duration(w.migration.Keepalive))
			w.end(m, policy.Outcome{Reason: policy.ConnectionLost, Detail: "the host lost power"})
		case m.dst == h:
			w.targetGone(m)
		}
	}
	w.dropLeftovers(h)
	for _, i := range slices.Clone(h.instances) {
		h.remove(i)
		if !w.inSwitchOver(i.dom) && i.dom.running() == 0 {
			i.dom.off, i.dom.quitting = true, false
		}
	}
	h.busy, h.total, h.stalled = counter{}, counter{}, counter{}
}

// powerOn boots a host, which starts the domains that have autostart.
func (w *World) powerOn(h *host) {
	if !h.off {
		return
	}
	h.off = false
	for _, m := range slices.Clone(w.migrations) {
		if m.dst == h && m.broken { // the first packet to the new life is refused
			w.loseConnection(m)
		}
	}
	for _, d := range w.domains {
		if def := h.defined[d.id]; def != nil && def.autostart && !def.migratedAway {
			w.boot(h, def, "autostart")
		}
	}
}

// libvirtDown kills libvirt. Its guests run on; migrations end: those to here
// are given up by the source at once, those from here by the target. A guest
// that had stopped for its switch-over stays paused. Who asked for a migration
// hears of its end when libvirt is back.
func (w *World) libvirtDown(h *host) {
	if h.off || h.libvirt == libvirtIsDown {
		return
	}
	h.libvirt = libvirtIsDown
	for _, m := range slices.Clone(w.migrations) {
		switch {
		case m.src == h && m.phase == switching:
			w.strand(m, policy.Outcome{Reason: policy.NotLocated, Detail: "the domain is paused here"})
		case m.src == h:
			w.end(m, policy.Outcome{
				Result: policy.Failed, Reason: policy.ConnectionLost,
				Detail: "the connection to libvirt was closed; the domain runs here and no migration does",
			})
		case m.dst == h:
			w.targetGone(m)
		}
	}
	w.dropLeftovers(h)
}

// targetGone takes the half-made instance away from a migration. The source
// hears of it at once if anything can be heard from the target.
func (w *World) targetGone(m *migration) {
	if m.phase == connecting {
		return // it will find out
	}
	w.drop(m)
	if m.dst.off || m.dst.cut || m.src.cut {
		m.broken = true
	} else {
		w.loseConnection(m)
	}
}

func (w *World) libvirtHang(h *host) {
	if !h.off && h.libvirt == libvirtAnswers {
		h.libvirt = libvirtHangs
	}
}

// libvirtUp starts libvirt again, or lets a hung one go on: it then does what
// it was asked in the meantime, whether or not the caller still waits.
func (w *World) libvirtUp(h *host) {
	h.libvirt = libvirtAnswers
	for _, m := range slices.Clone(w.migrations) {
		if m.src == h && m.phase == queued {
			w.connect(m)
		}
	}
}
