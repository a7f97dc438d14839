package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Windows say when a host may begin moves by itself. Outside all of Open, and
// inside any of Blackouts, it begins none that the load asks for. What persons
// order (moves, drains) and what a domain's rules demand goes on at any time.
//
// Windows govern what a host begins, not what it takes in: the fleet's hosts are
// meant to have the same.
type Windows struct {
	// Zone is where the wall clock of the windows hangs; nil is UTC.
	Zone *time.Location
	// Open are the windows; of several that hold at one time, the first counts.
	// Without any it is always open.
	Open []Window
	// Blackouts are closed, whatever Open says.
	Blackouts []Window
}

// Window is a span of the wall clock on some days. One that ends at or before its
// beginning ends on the next day.
//
// The wall clock is what it is on the day: on those two days of a year when it is
// changed, a window is an hour longer or shorter, and what would begin within the
// skipped hour begins an hour off.
type Window struct {
	// days holds the bit 1<<weekday of every day on which the window begins; a
	// window of dates has none, but first and last.
	days        uint8
	first, last time.Time // midnights in UTC, standing for dates
	// from and to are minutes after midnight.
	from, to int
	// set: the window has a mode of its own. off: nothing begins within it.
	set, off bool
	mode     Mode
}

// Moment is what windows say of one instant.
type Moment struct {
	// Open reports whether load-driven moves may begin, Mode in which mode.
	Open bool
	Mode Mode
	// Opens is when that becomes true next; zero if it is, or if that lies more
	// than a year ahead.
	Opens time.Time
}

// lookAhead is the number of days in which the next opening is sought.
const lookAhead = 366

var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// At is what the windows say of an instant, on a host whose mode is otherwise the
// given one.
func (w Windows) At(now time.Time, mode Mode) Moment {
	m := Moment{Mode: mode}
	if m.Mode, m.Open = w.judge(now, mode); m.Open {
		return m
	}
	for _, t := range w.changes(now) {
		if _, open := w.judge(t, mode); open {
			m.Opens = t
			break
		}
	}
	return m
}

func (w Windows) zone() *time.Location {
	if w.Zone == nil {
		return time.UTC
	}
	return w.Zone
}

// judge is the mode at an instant, and whether load-driven moves may begin.
func (w Windows) judge(t time.Time, mode Mode) (Mode, bool) {
	within := func(x Window) bool { return x.holds(t, w.zone()) }
	if slices.ContainsFunc(w.Blackouts, within) {
		return mode, false
	}
	i := slices.IndexFunc(w.Open, within)
	switch {
	case len(w.Open) == 0:
		return mode, true
	case i < 0 || w.Open[i].off:
		return mode, false
	case w.Open[i].set:
		return w.Open[i].mode, true
	default:
		return mode, true
	}
}

// changes are the instants after now at which a window begins or ends, in their
// order.
func (w Windows) changes(now time.Time) []time.Time {
	var all []time.Time
	today := now.In(w.zone())
	for _, x := range slices.Concat(w.Open, w.Blackouts) {
		for ahead := -1; ahead <= lookAhead; ahead++ {
			begin, end, ok := x.on(today, ahead, w.zone())
			for _, t := range []time.Time{begin, end} {
				if ok && t.After(now) {
					all = append(all, t)
				}
			}
		}
	}
	slices.SortFunc(all, time.Time.Compare)
	return all
}

// on is the span of the window that begins so many days after a day.
func (w Window) on(day time.Time, ahead int, zone *time.Location) (begin, end time.Time, ok bool) {
	year, month, date := day.Date()
	calendar := time.Date(year, month, date+ahead, 0, 0, 0, 0, time.UTC)
	ok = w.days&(1<<calendar.Weekday()) != 0
	if !w.first.IsZero() {
		ok = !calendar.Before(w.first) && !calendar.After(w.last)
	}
	next := 0
	if w.to <= w.from {
		next = 1
	}
	begin = time.Date(year, month, date+ahead, 0, w.from, 0, 0, zone)
	end = time.Date(year, month, date+ahead+next, 0, w.to, 0, 0, zone)
	return begin, end, ok
}

// holds reports whether an instant is within the window: the one that begins on
// its day, or the day before.
func (w Window) holds(t time.Time, zone *time.Location) bool {
	for _, ahead := range []int{0, -1} {
		begin, end, ok := w.on(t.In(zone), ahead, zone)
		if ok && !t.Before(begin) && t.Before(end) {
			return true
		}
	}
	return false
}

// ParseWindow reads "DAYS FROM-TO [MODE]": "mon-fri 22:00-06:00 auto",
// "daily 01:00-05:00", "sat,sun 00:00-24:00", and dates with the first and the
// last day, "2026-12-24..2027-01-02 00:00-24:00". MODE is one of dry-run,
// approve, auto, off; without it the host's own holds.
func ParseWindow(s string) (Window, error) {
	var w Window
	fields := strings.Fields(strings.ToLower(s))
	if len(fields) < 2 || len(fields) > 3 {
		return w, errors.New(`must be "DAYS FROM-TO [MODE]", such as "mon-fri 22:00-06:00" or "daily 01:00-05:00 auto"`)
	}
	if err := w.parseDays(fields[0]); err != nil {
		return Window{}, err
	}
	from, to, _ := strings.Cut(fields[1], "-")
	var okFrom, okTo bool
	w.from, okFrom = parseClock(from)
	w.to, okTo = parseClock(to)
	switch {
	case !okFrom || !okTo || w.from == 24*60:
		return Window{}, fmt.Errorf("has the times %q, which must be FROM-TO, such as 22:00-06:00 or 00:00-24:00", fields[1])
	case w.from == w.to:
		return Window{}, fmt.Errorf("has the times %q, which begin and end at once; the whole day is 00:00-24:00", fields[1])
	case len(fields) == 2:
		return w, nil
	case fields[2] == "off":
		w.off = true
		return w, nil
	}
	mode, err := ParseMode(fields[2])
	if err != nil {
		return Window{}, fmt.Errorf("has the mode %q, which must be one of dry-run, approve, auto, off", fields[2])
	}
	w.set, w.mode = true, mode
	return w, nil
}

// HasMode reports whether the window names a mode of its own, off included.
func (w Window) HasMode() bool { return w.set || w.off }

// parseDays reads "daily", "mon-fri", "sat,sun", a date, or two with dots between.
func (w *Window) parseDays(s string) error {
	if s == "daily" {
		w.days = 1<<7 - 1
		return nil
	}
	first, last, _ := strings.Cut(s, "..")
	if date, err := time.Parse(time.DateOnly, first); err == nil {
		w.first, w.last = date, date
		if strings.Contains(s, "..") {
			if w.last, err = time.Parse(time.DateOnly, last); err != nil || w.last.Before(w.first) {
				return fmt.Errorf("has the dates %q, which must be FIRST..LAST, such as 2026-12-24..2027-01-02", s)
			}
		}
		return nil
	}
	for part := range strings.SplitSeq(s, ",") {
		from, to, ranged := strings.Cut(part, "-")
		i, j := slices.Index(weekdays, from), slices.Index(weekdays, to)
		if !ranged {
			j = i
		}
		if i < 0 || j < 0 {
			return fmt.Errorf(`has the days %q, which must be "daily", days such as mon-fri or sat,sun, or a date such as 2026-12-24`, s)
		}
		for ; ; i = (i + 1) % 7 { // fri-mon goes over the week's end
			w.days |= 1 << i
			if i == j {
				break
			}
		}
	}
	return nil
}

// parseClock reads HH:MM as minutes after midnight, 24:00 included.
func parseClock(s string) (int, bool) {
	if s == "24:00" {
		return 24 * 60, true
	}
	t, err := time.Parse("15:04", s)
	return t.Hour()*60 + t.Minute(), err == nil
}
