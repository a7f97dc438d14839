package policy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Replay runs the policy over a sequence of snapshots, and says what it would
// have decided at each. Every decision rests on what was recorded, not on what
// was decided before: nothing is moved in thought.
//
// A snapshot does not hold everything that a daemon goes by. One counts as one
// sample, whose recent use is the smoothed one. Backoffs, the time for settling
// and open swaps are not in it; cooldowns are, with the domains.
type Replay struct {
	Config  Config
	Mode    Mode
	Windows Windows

	states map[HostID]State
}

// Next takes in the next snapshot, which is not older than those before it, and
// decides for each host of which it knows domains, in the order of IDs.
func (r *Replay) Next(s Snapshot) []Decision {
	if r.states == nil {
		r.states = map[HostID]State{}
	}
	hosts := slices.Clone(s.Hosts)
	sortHosts(hosts)
	for i := range hosts {
		if hosts[i].Received.IsZero() { // written by hand
			hosts[i].Received = s.At
		}
	}
	domains := map[HostID][]Domain{}
	for i := range s.Domains {
		domains[s.Domains[i].Host] = append(domains[s.Domains[i].Host], s.Domains[i].Domain)
	}
	moment := r.Windows.At(s.At, r.Mode)
	var all []Decision
	for i := range hosts {
		self := &hosts[i]
		if len(domains[self.ID]) == 0 {
			continue
		}
		used := self.Used.Share(CPU, self.Capacity)
		v := View{
			Now: s.At, Self: self.ID, Hosts: hosts, Domains: domains[self.ID],
			Utilization: Utilization{
				At: s.At, Recent: used, Smoothed: used, Ahead: self.Ahead, Pressure: self.Pressure,
				Memory: self.Used.Memory, Known: !self.Flags.Has(Blind),
			},
			Conditions: Conditions{
				Mode: moment.Mode, Closed: !moment.Open, Opens: moment.Opens, Known: len(hosts),
				Paused: self.Flags.Has(Paused), Frozen: self.Flags.Has(Frozen),
			},
		}
		var d Decision
		d, r.states[self.ID] = Policy{r.Config}.Decide(v, r.states[self.ID])
		all = append(all, d)
	}
	return all
}

// ReadSnapshots reads snapshots that follow one another, a line each or not,
// until the end. See ReadSnapshot. With an error it returns those before the fault,
// too; io.ErrUnexpectedEOF is one in the middle of which the text ends.
func ReadSnapshots(r io.Reader) ([]Snapshot, error) {
	dec := json.NewDecoder(r)
	dec.DisallowUnknownFields()
	var all []Snapshot
	for {
		var s Snapshot
		err := dec.Decode(&s)
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err == nil {
			err = s.Validate()
		}
		if err == nil && s.At.IsZero() {
			err = errors.New("at is missing: when it was taken")
		}
		if err != nil {
			return all, fmt.Errorf("read snapshot %d: %w", len(all)+1, err)
		}
		all = append(all, s)
	}
}
