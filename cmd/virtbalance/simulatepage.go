package main

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/virtbalance/virtbalance/policy"
	"github.com/virtbalance/virtbalance/policy/sim"
)

// page is what the page of a simulated day shows. The page asks for nothing from
// anywhere, and is well-formed XML, too.
type page struct {
	run           traceRun
	command       string
	marks         policy.Marks
	world         *sim.World
	with, without *sim.Recorder
}

//go:embed simulate.html
var pageSource string

// figureRow is a figure in words.
type figureRow struct {
	Name, Key, Before, After string
}

// moveRow is a migration in words.
type moveRow struct {
	At, VM, From, To, Took string
}

// mark is a line across a picture of load.
type mark struct {
	Y    float64
	Text string
}

// legend is a colour in words.
type legend struct {
	Class int
	Text  string
}

// shownMoves bounds the list of migrations on the page.
const shownMoves = 500

func writePage(w io.Writer, p page) error {
	t, err := template.New("simulate.html").Funcs(template.FuncMap{
		"add": func(a, b float64) float64 { return a + b },
		// dict hands a template two things.
		"dict": func(a string, x any, b string, y any) map[string]any { return map[string]any{a: x, b: y} },
	}).Parse(pageSource)
	if err != nil {
		return fmt.Errorf("page: %w", err)
	}
	length := p.world.Length()
	moves := stripOf(p.with.Transits, length)
	receive, high := float64(p.marks.Receive), float64(p.marks.High)
	data := map[string]any{
		"Run": p.run, "Command": p.command, "Headline": p.headline(), "Fleet": p.fleet(),
		"Figures": p.figures(), "Version": version,
		"Left": plotLeft, "Width": plotWidth, "Full": plotLeft + plotWidth + 20, "LoadHeight": loadHeight, "StripRoom": stripRoom, "SpreadHeight": spreadHeight,
		"Ticks": timeTicks(length),
		"Band":  map[string]float64{"Y": loadY(high), "Height": loadY(receive) - loadY(high)},
		"Marks": []mark{
			{loadY(1), "100 %"},
			{loadY(high), fmt.Sprintf("%.0f %%", 100*high)},
			{loadY(receive), fmt.Sprintf("%.0f %%", 100*receive)},
			{loadY(0), "0 %"},
		},
		"Receive": fmt.Sprintf("%.0f %%", 100*receive), "High": fmt.Sprintf("%.0f %%", 100*high),
		"Before": loadsOf(p.without), "After": loadsOf(p.with), "Interval": lasting(p.with.Every),
		"HeatBefore": heatOf(p.without, p.run.Hosts, p.marks), "HeatAfter": heatOf(p.with, p.run.Hosts, p.marks), "HeatLegend": p.legend(),
		"Moves": moves, "MovesPart": lasting(moves.Part), "Transits": len(p.with.Transits), "List": p.list(), "Shown": shownMoves,
		"Spread": spreadOf(p.without, p.with),
	}
	return t.Execute(w, data)
}

// headline says what came of it.
func (p page) headline() string {
	before, after := percent(p.run.Baseline.OT80), percent(p.run.OT80)
	switch {
	case len(p.with.Transits) == 0:
		return fmt.Sprintf("Nothing would have moved; hosts are above 80 %% load for %s of the time", before)
	case p.run.OT80 < p.run.Baseline.OT80:
		return fmt.Sprintf("Balanced, hosts are above 80 %% load for %s of the time instead of %s", after, before)
	default:
		return fmt.Sprintf("Balanced, hosts are above 80 %% load for %s of the time; with nothing moved, for %s", after, before)
	}
}

// fleet says what was run.
func (p page) fleet() string {
	r := p.run
	day := "made-up load"
	if r.Traces != "made-up" {
		day = "the load of " + r.Traces
	}
	text := fmt.Sprintf("%d VMs on %d hosts under %s for %.3g hours, simulated with one virtbalance daemon on each host, strategy %s, a decision every %g s.",
		r.VMs, r.Hosts, day, r.Hours, r.Strategy, r.Period)
	if r.Semantics == compat {
		text += " VMs that idle vanish for good, as in CloudSim: the fleet grows emptier over the day."
	}
	return text
}

func (p page) figures() []figureRow {
	b, a := p.run.Baseline, p.run.Figures
	row := func(name, key, format string, before, after float64) figureRow {
		return figureRow{name, key, fmt.Sprintf(format, before), fmt.Sprintf(format, after)}
	}
	return []figureRow{
		row("hosts' time above 80 % load", "ot80", "%.2f %%", 100*b.OT80, 100*a.OT80),
		row("hosts' time above 100 % load", "ot100", "%.3f %%", 100*b.OT100, 100*a.OT100),
		row("demand that no host had room for", "unserved", "%.4f %%", 100*b.Unserved, 100*a.Unserved),
		row("demand lost by migrating VMs", "migloss", "%.4f %%", 100*b.MigrationLoss, 100*a.MigrationLoss),
		row("deviation of load between the hosts, in points", "sd", "%.1f", 100*b.SD, 100*a.SD),
		row("migrations per VM and day", "migrations", "%.2f", b.Migrations, a.Migrations),
		row("GiB moved per VM and day", "gib", "%.2f", b.GiB, a.GiB),
		row("score: 100 ot80 + 1000 (unserved + migloss) + 0.5 gib", "s", "%.2f", b.S, a.S),
	}
}

func (p page) legend() []legend {
	limits := heatMarks(p.marks)
	var all []legend
	last := 0.0
	for i, l := range limits {
		all = append(all, legend{i, fmt.Sprintf("%.0f to %.0f %%", 100*last, 100*l)})
		last = l
	}
	return append(all, legend{len(limits), fmt.Sprintf("above %.0f %%", 100*last)})
}

// list are the first migrations.
func (p page) list() []moveRow {
	var rows []moveRow
	for _, t := range p.with.Transits[:min(shownMoves, len(p.with.Transits))] {
		at := t.At / time.Second
		rows = append(rows, moveRow{
			fmt.Sprintf("%d:%02d:%02d", at/3600, at/60%60, at%60),
			p.world.VMs[t.VM].Name, p.world.HostName(t.From), p.world.HostName(t.To), seconds(t.Took.Seconds()),
		})
	}
	return rows
}

func percent(share float64) string { return fmt.Sprintf("%.1f %%", 100*share) }

// commandLine is the command with the flags that were given, in a fixed order.
func commandLine(cmd *cobra.Command) string {
	words := []string{cmd.CommandPath()}
	cmd.Flags().Visit(func(f *pflag.Flag) {
		values := []string{f.Value.String()}
		if many, ok := f.Value.(pflag.SliceValue); ok {
			values = many.GetSlice()
		}
		for _, v := range values {
			if strings.ContainsAny(v, " \"'*?[]$&|;<>()\\`") {
				v = "'" + strings.ReplaceAll(v, "'", `'\''`) + "'"
			}
			words = append(words, "--"+f.Name, v)
		}
	})
	return strings.Join(words, " ")
}
