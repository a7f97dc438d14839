package policy

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// Instead is the smallest change of one or two things under which a domain that
// stays would have been moved.
type Instead struct {
	Changes []Change `json:"changes"`
	Move    Move     `json:"move"`
}

// Change is one thing that would have to be other than it is: a key of the
// configuration, or a wait that would have to be over.
type Change struct {
	// Key is the key; of a wait, the one that it goes by.
	Key string `json:"key"`
	// Was and Is are the values as configuration files write them; empty for a
	// wait.
	Was string `json:"was,omitempty"`
	Is  string `json:"is,omitempty"`
}

// Text is the change as a clause for people.
func (c Change) Text() string {
	switch {
	case c.Is != "":
		return "with " + c.Key + " = " + c.Is + " instead of " + c.Was
	case c.Key == "policy.settle":
		return "had the last move settled"
	case c.Key == "policy.cooldown":
		return "were it not cooling down"
	case c.Key == "policy.failed_backoff":
		return "without the wait after a refusal or failure"
	case c.Key == "policy.quarantine":
		return "were no host in quarantine after failures"
	default:
		return "once that has lasted for policy.samples_over samples"
	}
}

// Text is all that would have to change, as a clause for people.
func (i Instead) Text() string {
	clauses := make([]string, len(i.Changes))
	for n, c := range i.Changes {
		clauses[n] = c.Text()
	}
	return strings.Join(clauses, " and ")
}

// world is what a decision is made of.
type world struct {
	config Config
	view   View
	state  State
}

// knob is one thing that may be turned: its options, the smallest change first.
type knob []option

type option struct {
	Change
	turn func(*world)
}

// Instead finds the smallest change under which the next decision would propose
// to move the domain; false if it does so already, or if none of the changes
// that are tried would make it.
//
// Tried is, in this order: waits that would have to be over, then each mark and
// margin by whole percentage points, then two of these together, the marks in
// steps of five points. So the answer is the smallest of what is tried, and its
// cost bounded: some hundred decisions at most. Who moves a mark should still
// look at the whole fleet: simulate shows that.
func (p Policy) Instead(v View, s State, id DomainID) (Instead, bool) {
	now := world{p.Config.inForce(), v, s}
	if _, moves := now.moves(id); moves {
		return Instead{}, false
	}
	d, ok := v.Domain(id)
	if !ok || obstruction(&d) != OK {
		return Instead{}, false
	}
	for _, k := range now.knobs(id, 1) {
		for _, o := range k {
			if m, ok := now.with(o).moves(id); ok {
				return Instead{[]Change{o.Change}, m}, true
			}
		}
	}
	coarse := now.knobs(id, 5)
	for i, first := range coarse {
		for _, second := range coarse[i+1:] {
			for _, a := range first {
				for _, b := range second {
					if m, ok := now.with(a, b).moves(id); ok {
						return Instead{[]Change{a.Change, b.Change}, m}, true
					}
				}
			}
		}
	}
	return Instead{}, false
}

// with is the world with options taken.
func (w world) with(options ...option) world {
	for _, o := range options {
		o.turn(&w)
	}
	return w
}

// moves reports whether the domain would be the first to be moved for its load.
func (w world) moves(id DomainID) (Move, bool) {
	if w.config.Validate() != nil {
		return Move{}, false
	}
	w.config.MaxMoves = 1
	d, _ := Policy{w.config}.Decide(w.view, w.state)
	if len(d.Plan) == 0 || d.Plan[0].Domain != id {
		return Move{}, false
	}
	return d.Plan[0], true
}

// lasted is the world in which the host has been over its mark for long enough,
// if it is over it now.
func (w *world) lasted() {
	if !w.config.over(w.view) {
		return
	}
	w.state.Over = make([]bool, w.config.SamplesWindow)
	for i := range w.state.Over {
		w.state.Over[i] = true
	}
	w.state.Counted = w.view.Utilization.At
}

// knobs are all that may be turned, marks in steps of so many points.
func (w world) knobs(id DomainID, step int) []knob {
	waits := []knob{
		{{Change{Key: "policy.samples_over"}, (*world).lasted}},
		{{Change{Key: "policy.settle"}, func(w *world) { w.state.SettleUntil = w.view.Now }}},
		{{Change{Key: "policy.failed_backoff"}, func(w *world) { w.state.Backoffs = nil }}},
		{{Change{Key: "policy.quarantine"}, func(w *world) { w.state.Quarantines = nil }}},
		{{Change{Key: "policy.cooldown"}, func(w *world) {
			w.view.Domains = slices.Clone(w.view.Domains)
			for i := range w.view.Domains {
				if w.view.Domains[i].ID == id {
					w.view.Domains[i].History = MoveHistory{}
				}
			}
		}}},
	}
	c := w.config
	u := max(w.view.Utilization.Recent, w.view.Utilization.Ahead)
	if c.WaitHigh > 0 {
		return append(waits, w.mark("policy.wait_high", c.WaitHigh, 0.01, step, func(w *world, f Fraction) {
			w.config.WaitHigh = f
			w.lasted()
		}), w.receive(step), w.gain(step), w.memory(step))
	}
	var high knob
	if c.Detector == Static && u > c.Marks.Receive {
		high = w.mark("policy.high", c.Marks.High, c.Marks.Receive, step, func(w *world, f Fraction) {
			gap := w.config.Marks.High - w.config.Marks.Stop
			w.config.Marks.High = f
			w.config.Marks.Stop = min(w.config.Marks.Stop, max(f-gap, (w.config.Marks.Receive+f)/2))
			w.lasted()
		})
	}
	return append(waits, high, w.receive(step), w.gain(step), w.memory(step))
}

func (w world) receive(step int) knob {
	return w.mark("policy.receive", w.config.Marks.Receive, w.config.Marks.Stop, step, func(w *world, f Fraction) { w.config.Marks.Receive = f })
}

func (w world) gain(step int) knob {
	return w.mark("policy.min_gain", w.config.MinGain, 0, step, func(w *world, f Fraction) { w.config.MinGain = f })
}

func (w world) memory(step int) knob {
	return w.mark("policy.memory_receive", w.config.MemoryReceive, 1, step, func(w *world, f Fraction) { w.config.MemoryReceive = f })
}

// mark is a knob for a fraction, from where it is towards a last value, in whole
// steps of so many percentage points.
func (w world) mark(key string, from, last Fraction, step int, set func(*world, Fraction)) knob {
	var k knob
	was := strconv.FormatFloat(math.Round(float64(from)*1e8)/1e6, 'g', -1, 64) // 0.29 x 100 is not 29
	add := func(points int) {
		f := Fraction(points) / 100
		if f != from {
			k = append(k, option{Change{key, was, strconv.Itoa(points)}, func(w *world) { set(w, f) }})
		}
	}
	const slip = 1e-9
	if last < from {
		for n := int(math.Ceil(float64(from)*100-slip)) - step; n >= int(math.Ceil(float64(last)*100-slip)); n -= step {
			add(n)
		}
	} else {
		for n := int(math.Floor(float64(from)*100+slip)) + step; n <= int(math.Floor(float64(last)*100+slip)); n += step {
			add(n)
		}
	}
	return k
}
