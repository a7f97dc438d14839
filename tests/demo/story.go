package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/virtbalance/virtbalance/balancer/api"
	"github.com/virtbalance/virtbalance/policy"
	"github.com/virtbalance/virtbalance/tests/stage"
)

// patience is how long the story may take from the heat to the relief.
const patience = 3 * time.Minute

// overture is how long the calm before the heat is shown at least.
const overture = 5 * time.Second

// warmUp is how long a load takes to show as an overload where nothing disturbs it,
// and half as long again.
const warmUp = 10 * time.Second

// tell shows the hosts once a second while one of them is heated, until it is
// relieved.
func tell(ctx context.Context, daemons []*stage.Daemon, place theatre) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	screen := newScreen()
	began := time.Now()
	hot := daemons[0]

	heated, explained := false, false
	var turnedUp time.Time
	var ended *api.Operation
	for {
		frame, err := look(ctx, daemons)
		if err != nil {
			return err
		}
		screen.show(time.Since(began), frame)

		switch {
		case !heated && time.Since(began) > overture && frame.calm():
			screen.leave()
			if err := place.Heat(ctx); err != nil {
				return err
			}
			heated, turnedUp = true, time.Now()
		case heated && ended == nil && len(frame.operations) == 0 && frame.hosts[0].Hold == policy.NotOverloaded && time.Since(turnedUp) > warmUp:
			screen.leave()
			if err := place.Hotter(ctx); err != nil {
				return err
			}
			turnedUp = time.Now()
		case !explained && len(frame.operations) > 0:
			explained = true
			if err := explain(ctx, screen, hot, frame); err != nil {
				return err
			}
		}
		if ended == nil {
			if ended, err = lastMove(ctx, hot); err != nil {
				return err
			}
			if ended != nil {
				screen.leave()
				say("%s has moved to %s: %s. It took %.1f s (%.1f s predicted), the guest stood still for %.0f ms.",
					ended.Move.Name, ended.ToName, ended.Result, ended.DurationSeconds, ended.Move.Duration.Seconds(), ended.DowntimeSeconds*1000)
			}
		}
		if ended != nil && frame.hosts[0].State.Band < policy.BandHigh && frame.hosts[0].Hold != policy.Settling {
			screen.leave()
			proof, err := place.Proof(ended.Move.Name)
			if err != nil {
				return err
			}
			say("h1 is relieved: %s, below its high mark. Did %s ever stop? %s.",
				frame.hosts[0].cpu(), ended.Move.Name, proof)
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the story did not come to its end within %s", patience)
		case <-time.After(time.Second):
		}
	}
}

// frame is what is to be seen at one instant.
type frame struct {
	hosts      []hostFrame
	operations []api.Operation
}

type hostFrame struct {
	api.Status
	domains []api.Domain
}

func (h hostFrame) cpu() policy.Fraction { return h.State.Used.Share(policy.CPU, h.Host.Capacity) }

// heading says what the host forecasts for itself, when that is much more.
func (h hostFrame) heading() string {
	if h.State.Ahead < h.cpu()+0.05 {
		return ""
	}
	return fmt.Sprintf("heading for %.0f%%  ", 100*float64(h.State.Ahead))
}

// calm: every daemon knows its host and has heard from the others.
func (f frame) calm() bool {
	for _, h := range f.hosts {
		if h.State.Band == policy.BandUnknown || h.Fleet.Fresh < len(f.hosts) || h.State.Band >= policy.BandHold || h.State.Ahead >= h.Marks.High || len(h.domains) == 0 || !h.domains[0].Known {
			return false
		}
	}
	return true
}

// look asks every daemon about its own host.
func look(ctx context.Context, daemons []*stage.Daemon) (frame, error) {
	var f frame
	for _, d := range daemons {
		s, err := d.Client.Status(ctx)
		if err != nil {
			return f, fmt.Errorf("%s: %w\n%s", d.Host, err, d.Log())
		}
		domains, err := d.Client.Domains(ctx)
		if err != nil {
			return f, err
		}
		f.hosts = append(f.hosts, hostFrame{s, domains})
		f.operations = append(f.operations, s.Operations...)
	}
	return f, nil
}

// lastMove returns the host's newest successful move, if there is one.
func lastMove(ctx context.Context, d *stage.Daemon) (*api.Operation, error) {
	history, err := d.Client.History(ctx, 1)
	if err != nil || len(history) == 0 || history[0].Result != policy.Succeeded {
		return nil, err
	}
	return &history[0], nil
}

// explain prints the decision: what moves, why there, and why not the others.
func explain(ctx context.Context, screen *screen, d *stage.Daemon, f frame) error {
	plan, err := d.Client.Plan(ctx)
	if err != nil {
		return err
	}
	m := f.operations[0].Move
	screen.leave()
	say("Decision: %s moves from %s to %s, because %s.", m.Name, plan.HostNames[m.From], plan.HostNames[m.To], m.Why.Text())
	say("  %s goes from %s to %s, %s from %s to %s.", plan.HostNames[m.From], m.FromBefore, m.FromAfter, plan.HostNames[m.To], m.ToBefore, m.ToAfter)
	for _, v := range plan.Verdicts {
		if v.Host == "" && v.Domain != m.Domain && v.Reason != policy.InFlight {
			say("  %s stays: %s.", v.Name, v.Reason.Text())
		}
	}
	return nil
}

// screen shows frames: in place on a terminal, as lines on a pipe.
type screen struct {
	terminal bool
	drawn    int
	last     time.Duration
}

func newScreen() *screen { return &screen{terminal: isTerminal()} }

// leave lets what comes next be printed below.
func (s *screen) leave() { s.drawn = 0 }

func (s *screen) show(at time.Duration, f frame) {
	if !s.terminal {
		if at-s.last < 3*time.Second && s.last > 0 && len(f.operations) == 0 {
			return
		}
		s.last = at
	}
	lines := f.lines(at)
	if s.terminal && s.drawn > 0 {
		fmt.Printf("\x1b[%dA\x1b[J", s.drawn)
	}
	fmt.Println(strings.Join(lines, "\n"))
	s.drawn = len(lines)
}

// lines draws the hosts as bars made of their guests.
func (f frame) lines(at time.Duration) []string {
	lines := []string{fmt.Sprintf("%4.0f s", at.Seconds())}
	for _, h := range f.hosts {
		lines = append(lines, fmt.Sprintf("  %s %s %6s %-8s %s", h.Host.Name, h.bar(), h.cpu(), h.State.Band, h.heading()+h.legend()))
	}
	if h := f.hosts[0]; h.Hold != policy.NotOverloaded && h.Hold != policy.OK && len(f.operations) == 0 {
		lines = append(lines, fmt.Sprintf("  %s: %s", h.Host.Name, h.HoldText))
	}
	for _, o := range f.operations {
		const width = 30
		done := int(float64(o.Done) * width)
		lines = append(lines, fmt.Sprintf("  %s -> %s [%s%s] %s", o.Move.Name, o.ToName,
			strings.Repeat("=", done), strings.Repeat(" ", width-done), o.Phase))
	}
	return lines
}

const barWidth = 40

// bar draws each guest's share with a shade of its own, then the rest of what is
// used, then the receive and high marks in what is free.
func (h hostFrame) bar() string {
	cells := []rune(strings.Repeat(" ", barWidth))
	for _, mark := range []policy.Fraction{h.Marks.Receive, h.Marks.High} {
		cells[int(float64(mark)*barWidth)] = '|'
	}
	at := 0
	fill := func(share policy.Fraction, shade rune) {
		for n := int(float64(share)*barWidth + 0.5); n > 0 && at < barWidth; n-- {
			cells[at] = shade
			at++
		}
	}
	var guests policy.Fraction
	for _, d := range h.domains {
		share := d.Demand.Share(policy.CPU, h.Host.Capacity)
		guests += share
		fill(share, shade(d.Name))
	}
	if rest := h.cpu() - guests; rest > 0 {
		fill(rest, '░')
	}
	return "[" + string(cells) + "]"
}

// shade is the same for a guest on every host.
func shade(guest string) rune {
	shades := []rune("▓█▒")
	return shades[int(guest[0])%len(shades)]
}

// legend names the guests.
func (h hostFrame) legend() string {
	var words []string
	for _, d := range h.domains {
		words = append(words, fmt.Sprintf("%c %s %.0f%%", shade(d.Name), d.Name, 100*float64(d.Demand.Share(policy.CPU, h.Host.Capacity))))
	}
	return strings.Join(words, "  ")
}
