package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/virtbalance/virtbalance/balancer/api"
	"github.com/virtbalance/virtbalance/policy"
)

// drainWatch follows the drain of one host.
type drainWatch struct {
	host   string
	client *api.Client
	out    *progress

	// patience is for how long room is waited for where hosts are merely busy.
	patience time.Duration

	last   api.Drain
	moving map[policy.OpID]api.Operation
	said   string // the last thing said of what holds the drain up
	held   int    // looks in a row at which something did
	// still counts the looks in a row at which nothing moved and nothing would,
	// stuck is when the first of them was.
	still int
	stuck time.Time
	done  bool
}

// look looks once, and says what has changed.
func (w *drainWatch) look(ctx context.Context) error {
	if w.done {
		return nil
	}
	d, err := w.client.Drain(ctx, api.DrainQuery{})
	if err != nil {
		if ctx.Err() == nil {
			w.say("does not answer; waiting for it (%v)", err)
		}
		return nil
	}
	if !d.Draining {
		return fmt.Errorf("%s is not being drained any more: somebody has ended it", w.host)
	}
	w.ended(ctx, d)
	w.moving = map[policy.OpID]api.Operation{}
	var lines []string
	for _, o := range d.Moving {
		w.moving[o.ID] = o
		lines = append(lines, fmt.Sprintf("%s: %s to %s  %s", w.host, o.Move.Name, target(o), share(o)))
	}
	left := len(d.Moving) + len(d.Moves)
	w.out.live(w.host, append(lines, fmt.Sprintf("%s: %d to move, %d to stay", w.host, left, len(d.Stays))))
	w.last = d
	switch {
	case !d.Stuck():
		w.still = 0
	case w.still == 0:
		w.still, w.stuck = 1, time.Now()
	default:
		w.still++
	}
	// What has just ended may not have shown its effect: once is not enough.
	if w.still >= 3 {
		crowded := crowded(d)
		w.done = crowded == "" || time.Since(w.stuck) >= w.patience
		if !w.done {
			w.say("waits: the hosts are too busy for %s", crowded)
		}
		return nil
	}
	switch {
	case d.Hold == policy.OK || len(d.Moving) > 0:
		w.held, w.said = 0, ""
	default:
		if w.held++; w.held > 3 { // most of what is in the way goes away by itself
			w.say("waits: %s", d.HoldText)
		}
	}
	return nil
}

// crowded names the domains that some host would take if it were less busy.
func crowded(d api.Drain) string {
	var names []string
	for _, stay := range d.Stays {
		if stay.Crowded() {
			names = append(names, stay.Name)
		}
	}
	if len(names) > 3 {
		return fmt.Sprintf("%d domains", len(names))
	}
	return strings.Join(names, ", ")
}

// ended tells of the moves that ran at the last look and do not any more, and
// of those that were begun and ended in between.
func (w *drainWatch) ended(ctx context.Context, d api.Drain) {
	now := map[policy.OpID]bool{}
	for _, o := range d.Moving {
		now[o.ID] = true
	}
	first := !w.last.Draining // what was before is no news
	over := first || len(w.last.Moves)+len(w.last.Moving) != len(d.Moves)+len(d.Moving)
	for id := range w.moving {
		over = over || !now[id]
	}
	if !over {
		return
	}
	history, err := w.client.History(ctx, 50)
	if err != nil {
		return // the next look tells
	}
	for _, o := range slices.Backward(history) {
		if w.out.told[o.ID] {
			continue
		}
		w.out.told[o.ID] = true
		if first {
			continue
		}
		text := fmt.Sprintf("%s: %s to %s  %s", w.host, o.Move.Name, target(o), o.Result)
		if o.Result == policy.Succeeded {
			text += fmt.Sprintf(" in %s, downtime %s", seconds(o.DurationSeconds), seconds(o.DowntimeSeconds))
		} else {
			text += ": " + because(o)
		}
		w.out.line(text)
	}
}

// say says something once.
func (w *drainWatch) say(format string, args ...any) {
	text := w.host + " " + fmt.Sprintf(format, args...)
	if text != w.said {
		w.said = text
		w.out.line(text)
	}
}

// share draws how much of a guest's memory has been copied.
func share(o api.Operation) string {
	const width = 20
	n := min(width, max(0, int(float64(o.Done)*width)))
	return strings.Repeat("█", n) + strings.Repeat("·", width-n) + " " + o.Done.String()
}
