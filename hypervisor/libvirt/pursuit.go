package libvirt

import (
	"fmt"
	"sync"

	lv "libvirt.org/go/libvirt"

	"github.com/virtbalance/virtbalance/policy"
)

// pursuit is a migration out that this process follows: one that it started,
// or one that it found running.
type pursuit struct {
	h  *Hypervisor
	id policy.DomainID
	// final receives the figures that libvirt gives at the end of the job.
	final chan *lv.DomainJobInfo

	mu       sync.Mutex
	holders  int  // the follower, and whoever waits for libvirt's call
	started  bool // libvirt is being asked, or has been
	deserted bool // the caller left before that: do not ask
}

// pursue registers a pursuit. There is at most one for each domain.
func (h *Hypervisor) pursue(id policy.DomainID) (*pursuit, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.moves[id] != nil {
		return nil, fmt.Errorf("a migration of domain %s is being followed already", id)
	}
	p := &pursuit{h: h, id: id, final: make(chan *lv.DomainJobInfo, 1), holders: 1}
	h.moves[id] = p
	return p, nil
}

// hold keeps the pursuit on the list until one more release.
func (p *pursuit) hold() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.holders++
}

// release takes the pursuit off the list when nobody is concerned any more:
// libvirt's call may outlast the caller, and the figures come after the call.
func (p *pursuit) release() {
	p.mu.Lock()
	p.holders--
	last := p.holders == 0
	p.mu.Unlock()
	if last {
		p.h.mu.Lock()
		defer p.h.mu.Unlock()
		delete(p.h.moves, p.id)
	}
}

// start reports whether the migration may be asked for. After that it cannot
// be abandoned any more.
func (p *pursuit) start() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.started = !p.deserted
	return p.started
}

// abandon prevents a migration that has not been asked for yet, and reports
// whether that was in time.
func (p *pursuit) abandon() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deserted = !p.started
	return p.deserted
}

// finished hands over the figures of the job. Only the last ones count.
func (p *pursuit) finished(stats *lv.DomainJobInfo) {
	select {
	case <-p.final:
	default:
	}
	p.final <- stats // there is room: only the event loop's reader calls this
}
