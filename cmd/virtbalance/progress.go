package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"golang.org/x/term"

	"github.com/virtbalance/virtbalance/policy"
)

// progress prints what has happened, a line each; and below, on a terminal,
// what is happening, which it draws anew each time.
type progress struct {
	w        io.Writer
	terminal bool
	drawn    int // lines
	now      map[string][]string
	// told are the moves whose end need not be told any more.
	told map[policy.OpID]bool
}

func newProgress(w io.Writer, s *settings) *progress {
	f, ok := w.(*os.File)
	return &progress{
		w: w, terminal: ok && !s.plain && term.IsTerminal(int(f.Fd())),
		now: map[string][]string{}, told: map[policy.OpID]bool{},
	}
}

// line prints something that has happened.
func (p *progress) line(text string) {
	p.erase()
	fmt.Fprintln(p.w, text)
	p.draw()
}

// live replaces what is happening under a key.
func (p *progress) live(key string, lines []string) {
	p.erase()
	p.now[key] = lines
	p.draw()
}

// clear ends the drawing.
func (p *progress) clear() {
	p.erase()
	clear(p.now)
}

func (p *progress) draw() {
	if !p.terminal {
		return
	}
	for _, key := range slices.Sorted(maps.Keys(p.now)) {
		for _, line := range p.now[key] {
			fmt.Fprintln(p.w, line)
			p.drawn++
		}
	}
}

// erase takes back what draw has drawn: cursor up and clear to the end, as any
// terminal does it (ECMA-48).
func (p *progress) erase() {
	if p.drawn > 0 {
		fmt.Fprintf(p.w, "\x1b[%dA\x1b[J", p.drawn)
		p.drawn = 0
	}
}
