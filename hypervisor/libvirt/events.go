package libvirt

import (
	"context"
	"strings"
	"time"

	lv "libvirt.org/go/libvirt"

	"github.com/virtbalance/virtbalance/policy"
)

// eventBacklog is the number of events that may wait. When more come, some are
// lost and everything is looked at again.
const eventBacklog = 1024

// event is what a callback hands over: no libvirt object, and nothing that
// would have to be asked for.
type event struct {
	domain policy.DomainID
	kind   eventKind
	at     time.Time
	stats  *lv.DomainJobInfo // with migrationEnded
}

type eventKind uint8

const (
	changed        eventKind = iota // definition, devices, metadata or state
	jobMoved                        // a job began, went on or ended
	stoppedHere                     // not because of a migration
	migratedAway                    // stopped because it runs elsewhere now
	migrationEnded                  // a migration out; carries its figures
)

// subscribe registers for the events that say that something here is
// outdated. An event that this libvirt does not know is done without: the
// periodic inspection finds what it would have told.
func (s *session) subscribe() error {
	c := s.conn.lv
	simple := func(kind eventKind) func(*lv.Domain) {
		return func(d *lv.Domain) { s.tell(d, event{kind: kind}) }
	}
	change, job := simple(changed), simple(jobMoved)
	for _, register := range []func() (int, error){
		func() (int, error) { return c.DomainEventLifecycleRegister(nil, s.lifecycle) },
		func() (int, error) {
			return c.DomainEventDeviceAddedRegister(nil, func(_ *lv.Connect, d *lv.Domain, _ *lv.DomainEventDeviceAdded) { change(d) })
		},
		func() (int, error) {
			return c.DomainEventDeviceRemovedRegister(nil, func(_ *lv.Connect, d *lv.Domain, _ *lv.DomainEventDeviceRemoved) { change(d) })
		},
		func() (int, error) {
			return c.DomainEventDiskChangeRegister(nil, func(_ *lv.Connect, d *lv.Domain, _ *lv.DomainEventDiskChange) { change(d) })
		},
		func() (int, error) {
			return c.DomainEventMetadataChangeRegister(nil, func(_ *lv.Connect, d *lv.Domain, _ *lv.DomainEventMetadataChange) { change(d) })
		},
		func() (int, error) {
			return c.DomainEventBlockJob2Register(nil, func(_ *lv.Connect, d *lv.Domain, _ *lv.DomainEventBlockJob) { change(d) })
		},
		func() (int, error) {
			return c.DomainEventMigrationIterationRegister(nil, func(_ *lv.Connect, d *lv.Domain, _ *lv.DomainEventMigrationIteration) { job(d) })
		},
		func() (int, error) { return c.DomainEventJobCompletedRegister(nil, s.jobCompleted) },
	} {
		id, err := register()
		switch {
		case err == nil:
			s.conn.events = append(s.conn.events, id)
		case !noSupport(err):
			return err
		}
	}
	return nil
}

func (s *session) lifecycle(_ *lv.Connect, d *lv.Domain, e *lv.DomainEventLifecycle) {
	kind := changed
	if e.Event == lv.DOMAIN_EVENT_STOPPED {
		kind = stoppedHere
		if lv.DomainEventStoppedDetailType(e.Detail) == lv.DOMAIN_EVENT_STOPPED_MIGRATED {
			kind = migratedAway
		}
	}
	s.tell(d, event{kind: kind})
}

func (s *session) jobCompleted(_ *lv.Connect, d *lv.Domain, e *lv.DomainEventJobCompleted) {
	if e.Info.OperationSet && e.Info.Operation == lv.DOMAIN_JOB_OPERATION_MIGRATION_OUT {
		info := e.Info
		s.tell(d, event{kind: migrationEnded, stats: &info})
		return
	}
	s.tell(d, event{kind: jobMoved})
}

// tell runs on the thread of libvirt's event loop: it copies and hands over.
// The UUID is in the object itself, so reading it asks nobody.
func (s *session) tell(d *lv.Domain, e event) {
	uuid, err := d.GetUUIDString()
	if err != nil {
		return
	}
	e.domain, e.at = policy.DomainID(strings.ToLower(uuid)), time.Now()
	select {
	case s.events <- e:
	default:
		s.lost.Store(true)
	}
}

// watchEvents turns events into marks in the registry.
func (h *Hypervisor) watchEvents(ctx context.Context, s *session) {
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-s.events:
			h.handle(e)
		}
		if s.lost.Swap(false) {
			h.log.Warn("libvirt events came faster than they were taken; looking at every domain again")
			h.known.forget()
		}
	}
}

func (h *Hypervisor) handle(e event) {
	switch e.kind {
	case stoppedHere, migratedAway:
		h.known.stopped(e.domain, e.at, e.kind == migratedAway)
	case changed:
		h.known.outdated(e.domain, e.at)
		h.known.jobHint(e.domain)
	case jobMoved:
		h.known.jobHint(e.domain)
	case migrationEnded:
		h.known.jobHint(e.domain)
		h.mu.Lock()
		p := h.moves[e.domain]
		h.mu.Unlock()
		if p != nil {
			p.finished(e.stats)
		}
	}
}
