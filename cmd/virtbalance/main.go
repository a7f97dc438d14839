// Command virtbalance is the operator's command line: what the daemon on this
// host sees, would do and has done.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/virtbalance/virtbalance/balancer/api"
)

// version is set by the build.
var version = "dev"

// Exit codes, as documented by `virtbalance help`.
const (
	exitOK = iota
	exitFailed
	exitUsage
	exitNoDaemon
	exitIncomplete
)

func main() {
	ctx, stop := untilInterrupted(context.Background())
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// untilInterrupted ends the context at the first Ctrl-C. A second one ends the
// program at once, unless somebody waits for it by then.
func untilInterrupted(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// run is main without the process.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	var usage usageError
	var incomplete incompleteError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "virtbalance: %v\n", err)
		return exitUsage
	case errors.As(err, &incomplete):
		fmt.Fprintf(stderr, "virtbalance: %v\n", err)
		return exitIncomplete
	case errors.Is(err, api.ErrNotRunning):
		fmt.Fprintf(stderr, "virtbalance: %v\n", err)
		return exitNoDaemon
	default:
		fmt.Fprintf(stderr, "virtbalance: %v\n", err)
		return exitFailed
	}
}

// usageError is a command line that says nothing sensible.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// incompleteError says that the order stands and not all of it could be done,
// or that the balancer's rules refuse it: nothing is wrong with the program.
type incompleteError struct{ error }

func (e incompleteError) Unwrap() error { return e.error }

// settings are the flags that all commands share.
type settings struct {
	socket string
	format string
	groups string
	// plain: no escape sequences, whatever the output is.
	plain bool
}

// formats are what commands can write. Those annotated with pageFormat write
// pages, too.
var formats = []string{"table", "json", "yaml"}

const pageFormat = "html"

func newRoot() *cobra.Command {
	var s settings
	root := &cobra.Command{
		Use:   "virtbalance",
		Short: "Look at and steer the load balancer of this hypervisor",
		Long: `virtbalance asks the daemon on this host (virtbalanced) what it sees, what it
would do and why, and what it has done.

Where a command takes HOSTS, these are names or sets of names as ClusterShell has
them: node[1-10,15], @group, @* for every host, node*; and a,b a!b a&b a^b for
union, difference, intersection, and what is in one of the two alone.

Exit codes: 0 done; 1 it could not be done; 2 the command line is wrong; 3 no
daemon answers; 4 it is refused by the balancer's rules, or done in part.`,
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			known := formats
			if cmd.Annotations[pageFormat] != "" {
				known = append(slices.Clone(formats), pageFormat)
			}
			if !slices.Contains(known, s.format) {
				return usageError{fmt.Errorf("--format %q is not one of %s", s.format, strings.Join(known, ", "))}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("there is no command %q; see virtbalance --help", args[0])}
			}
			return cmd.Help()
		},
		Args: cobra.ArbitraryArgs,
	}
	root.SetVersionTemplate("virtbalance {{.Version}}\n")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	flags := root.PersistentFlags()
	flags.StringVar(&s.socket, "socket", cmp.Or(os.Getenv("VIRTBALANCE_SOCKET"), api.DefaultSocket), "unix socket of the daemon (also: VIRTBALANCE_SOCKET)")
	flags.StringVar(&s.format, "format", "table", "output: table for people, json or yaml for programs")
	flags.BoolVar(&s.plain, "no-color", os.Getenv("NO_COLOR") != "", "write no escape sequences, not even to redraw (also: NO_COLOR)")
	flags.StringVar(&s.groups, "groups", os.Getenv("VIRTBALANCE_GROUPS"), "`file` of host groups, ClusterShell's YAML or groups.conf (default: ClusterShell's own)")
	root.AddCommand(
		completes(&s, newStatus(&s), liveHosts), completes(&s, newHosts(&s), liveHosts), newDomains(&s), newPlan(&s), completes(&s, newExplain(&s), liveDomains, liveHosts), completes(&s, newMatrix(&s), liveDomains), newHistory(&s), newSnapshot(&s),
		completes(&s, newPause(&s, true), liveHosts), completes(&s, newPause(&s, false), liveHosts), newKeygen(), newBootstrap(&s),
		completes(&s, newDrain(&s), liveHosts), completes(&s, newUndrain(&s), liveHosts),
		completes(&s, newCordon(&s), liveHosts), completes(&s, newUncordon(&s), liveHosts),
		completes(&s, newMove(&s), liveDomains, liveHosts), completes(&s, newApply(&s), liveDomains),
		newSimulate(&s), newReplay(&s), newFind(&s), newTop(&s), newVersion(&s), newConfig(&s), newSupportBundle(&s),
		completes(&s, newRules(&s), liveDomains), newLabel(&s),
	)
	for _, c := range root.Commands() {
		if c.Args == nil {
			c.Args = noArgs
		}
	}
	return root
}

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("%s takes no argument, got %q", cmd.CommandPath(), args[0])}
	}
	return nil
}

func (s *settings) client() *api.Client { return api.NewClient(s.socket) }
