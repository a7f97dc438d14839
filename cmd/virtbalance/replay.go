package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/virtbalance/virtbalance/balancer/config"
	"github.com/virtbalance/virtbalance/policy"
)

// replayed is what one host would have decided at one snapshot.
type replayed struct {
	Name string          `json:"name"`
	CPU  policy.Fraction `json:"cpu"`
	policy.Decision
	HoldText  string                   `json:"hold_text"`
	HostNames map[policy.HostID]string `json:"host_names"`
	// Recorded is what the daemon decided then, and Disagreement how this differs
	// from it; empty if nobody recorded that.
	Recorded     *policy.Decided     `json:"recorded,omitempty"`
	Disagreement policy.Disagreement `json:"disagreement,omitempty"`
	// names are those of the domains.
	names map[policy.DomainID]string
}

func newReplay(s *settings) *cobra.Command {
	var path string
	var set []string
	cmd := &cobra.Command{
		Use:   "replay FILE|DIR...",
		Short: "Show what the policy would have decided on recorded snapshots",
		Long: `Runs the policy over what daemons have recorded (record = true; DIR is their
directory record), or over snapshots as virtbalance snapshot writes them, one after
the other in a file, or in several files; "-" is the standard input. They are taken
in the order of their times. Where it was recorded what the daemon decided, that
stands beside it. No daemon is asked, and nothing is moved; each
decision rests on what was recorded, not on what would have come of the one
before. --format json has the reason for each domain and host.

The mode is auto, unless --config or --set mode= says otherwise. Each snapshot
counts as one sample: take one every sampling.interval, or set
policy.samples_over=1 to have each judged alone. Not recorded, and so not heeded,
are the waits after a move, a refusal or a failure, and forecasts of the last
sample alone.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{errors.New("replay needs files of snapshots, which virtbalance snapshot >>FILE writes, or a daemon's directory of recordings")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := replayConfig(path, set)
			if err != nil {
				return err
			}
			snapshots, err := readSnapshots(cmd.InOrStdin(), cmd.ErrOrStderr(), args)
			if err != nil {
				return err
			}
			all, err := replay(c, snapshots)
			if err != nil {
				return err
			}
			return show(cmd, s, all, printReplay)
		},
	}
	cmd.Flags().StringVar(&path, "config", "", "configuration `file` of the daemons (default: the default configuration)")
	cmd.Flags().StringArrayVar(&set, "set", nil, "another configuration, `KEY=VALUE`, such as policy.high=85; may be repeated")
	_ = cmd.RegisterFlagCompletionFunc("set", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return decidingKeys(), cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveNoFileComp
	})
	return cmd
}

// decides reports whether the policy goes by a key.
func decides(key string) bool {
	return key == "mode" || strings.HasPrefix(key, "policy.") || strings.HasPrefix(key, "schedule.")
}

// decidingKeys are those keys as --set takes them, for completion.
func decidingKeys() []string {
	var keys []string
	for _, k := range config.Default().Settings() {
		if decides(k.Key) {
			keys = append(keys, k.Key+"=")
		}
	}
	return keys
}

func replayConfig(path string, set []string) (config.Config, error) {
	c := config.Default()
	c.Mode = policy.AutoMode
	if path != "" {
		var err error
		if c, err = config.Load(path); err != nil {
			return c, err
		}
	}
	for _, text := range set {
		key, value, ok := strings.Cut(text, "=")
		if !ok {
			return c, usageError{fmt.Errorf("--set %q is not KEY=VALUE, such as policy.high=85", text)}
		}
		if err := c.Set(key, value); err != nil {
			return c, usageError{fmt.Errorf("--set %s: %w", text, err)}
		}
		if !decides(key) {
			return c, usageError{fmt.Errorf("--set %s: the policy goes by no such key, only by mode, policy.* and schedule.*", text)}
		}
	}
	if err := c.Validate(); err != nil {
		return c, usageError{fmt.Errorf("--set: %w", err)}
	}
	return c, nil
}

// readSnapshots reads all files and puts their snapshots in the order of time. A
// recording that breaks off, as after a loss of power, counts up to there.
func readSnapshots(stdin io.Reader, stderr io.Writer, args []string) ([]policy.Snapshot, error) {
	var all []policy.Snapshot
	paths, err := recordings(args)
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		in := stdin
		if path != "-" {
			f, err := os.Open(path)
			if err != nil {
				return nil, fmt.Errorf("replay: %w", err)
			}
			defer f.Close()
			in = f
		}
		snapshots, err := policy.ReadSnapshots(in)
		if errors.Is(err, io.ErrUnexpectedEOF) && strings.HasSuffix(path, policy.RecordSuffix) {
			fmt.Fprintf(stderr, "%s ends in the middle of a snapshot, which is left out\n", path)
			err = nil
		}
		if err != nil {
			return nil, fmt.Errorf("replay %s: %w", path, err)
		}
		all = append(all, snapshots...)
	}
	slices.SortStableFunc(all, func(a, b policy.Snapshot) int { return a.At.Compare(b.At) })
	return all, nil
}

// recordings are the files that are meant: of a directory, those that a daemon
// records.
func recordings(args []string) ([]string, error) {
	var paths []string
	for _, arg := range args {
		info, err := os.Stat(arg)
		if err != nil || !info.IsDir() {
			paths = append(paths, arg) // opening it tells what is wrong
			continue
		}
		files, err := filepath.Glob(filepath.Join(arg, "*"+policy.RecordSuffix))
		if err == nil && len(files) == 0 {
			err = fmt.Errorf("replay: %s holds no recordings, which are called *%s; a daemon writes them with record = true", arg, policy.RecordSuffix)
		}
		if err != nil {
			return nil, err
		}
		paths = append(paths, files...)
	}
	return paths, nil
}

func replay(c config.Config, snapshots []policy.Snapshot) ([]replayed, error) {
	windows, err := c.Schedule.Compile()
	if err != nil {
		return nil, err
	}
	r := policy.Replay{Config: c.Policy, Mode: c.Mode, Windows: windows}
	all := []replayed{}
	for _, s := range snapshots {
		names, use := map[policy.HostID]string{}, map[policy.HostID]policy.Fraction{}
		for i := range s.Hosts {
			h := &s.Hosts[i]
			names[h.ID], use[h.ID] = h.Name, h.Used.Share(policy.CPU, h.Capacity)
			if h.Name == "" {
				names[h.ID] = string(h.ID)
			}
		}
		domains := map[policy.DomainID]string{}
		for i := range s.Domains {
			domains[s.Domains[i].ID] = s.Domains[i].Name
		}
		for _, d := range r.Next(s) {
			one := replayed{Name: names[d.Self], CPU: use[d.Self], Decision: d, HoldText: d.HoldText(), HostNames: names, names: domains}
			if s.Decided != nil && s.Decided.Host == d.Self {
				one.Recorded, one.Disagreement = s.Decided, s.Decided.Decision().Disagrees(d)
			}
			all = append(all, one)
		}
	}
	return all, nil
}

func printReplay(w io.Writer, all []replayed) {
	if len(all) == 0 {
		fmt.Fprintln(w, "No snapshot knows a domain, so there was nothing to decide.")
		return
	}
	moves, recorded, differ := 0, 0, 0
	for _, r := range all {
		if r.Recorded != nil {
			recorded++
		}
	}
	columns(w, func(w io.Writer) {
		then := ""
		if recorded > 0 {
			then = "THEN\t"
		}
		fmt.Fprintf(w, "AT\tHOST\tCPU\t%sDECISION\tBECAUSE\n", then)
		for _, r := range all {
			decision, why := "nothing moves", r.HoldText
			if len(r.Plan) > 0 {
				m := r.Plan[0]
				decision, why = fmt.Sprintf("%s to %s", m.Name, r.HostNames[m.To]), m.Why.Text()
				if r.Hold == policy.OK {
					moves++
				} else {
					why += "; not made: " + r.HoldText
				}
			}
			if recorded > 0 {
				then = r.then() + "\t"
			}
			if r.Disagreement != "" && r.Disagreement != policy.Agreed {
				differ++
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s%s\t%s\n", r.At.Format(time.RFC3339), r.Name, r.CPU, then, decision, why)
		}
	})
	fmt.Fprintf(w, "\n%s, of which %d would have begun a move.\n", count(len(all), "decision"), moves)
	if recorded > 0 {
		fmt.Fprintf(w, "%d of the %d that were recorded would have been different.\n", differ, recorded)
	}
}

// then is what the daemon decided then, as far as it was recorded.
func (r replayed) then() string {
	switch d := r.Recorded; {
	case d == nil:
		return "not recorded"
	case d.Domain == "":
		return "nothing moves"
	case r.names[d.Domain] == "":
		return fmt.Sprintf("%s to %s", d.Domain, r.HostNames[d.To])
	default:
		return fmt.Sprintf("%s to %s", r.names[d.Domain], r.HostNames[d.To])
	}
}
