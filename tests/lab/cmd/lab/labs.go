package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/virtbalance/virtbalance/tests/lab"
)

// labCommands are about labs as a whole.
func (c *cli) labCommands() []*cobra.Command {
	up := &cobra.Command{
		Use: "up", Short: "Build the lab, or what is missing of it", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			began := time.Now()
			l, err := lab.Up(cmd.Context(), c.options)
			if missing := new(lab.MissingError); errors.As(err, &missing) {
				return fmt.Errorf("%w\n(\"lab install\" installs the programs)", err)
			}
			if err != nil {
				return err
			}
			cmd.Printf("lab %s is up in %s: %d hosts, %.1f s\n", l.Name(), l.Dir(), len(l.Hosts()), time.Since(began).Seconds())
			return nil
		},
	}
	f := up.Flags()
	f.IntVar(&c.options.Hosts, "hosts", 3, "how many hosts")
	f.IntVar(&c.options.Capacity, "capacity", 60, "CPU time of a host, in percent of a core")
	f.IntVar(&c.options.MemoryMiB, "memory", 1024, "memory of a host, in MiB")
	f.DurationVar(&c.options.KeepaliveInterval, "keepalive-interval", 5*time.Second, "libvirt's keep-alive interval")
	f.IntVar(&c.options.KeepaliveCount, "keepalive-count", 5, "libvirt's keep-alive count")

	down := &cobra.Command{
		Use: "down", Short: "Take the lab away, or whatever is left of it", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), time.Minute)
			defer cancel()
			return lab.Down(ctx, c.options)
		},
	}
	list := &cobra.Command{
		Use: "list", Short: "List the labs on this machine", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			names, err := lab.List()
			for _, n := range names {
				cmd.Println(n)
			}
			return err
		},
	}
	install := &cobra.Command{
		Use: "install", Short: "Install the programs that a lab needs (Debian)", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return lab.Install(cmd.Context(), cmd.OutOrStdout()) },
	}
	check := &cobra.Command{
		Use: "check", Short: "Say what this machine lacks for a lab", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if lacks := lab.Requirements(); len(lacks) > 0 {
				return &lab.MissingError{Lacks: lacks}
			}
			cmd.Println("A lab can be built here.")
			return nil
		},
	}
	status := &cobra.Command{
		Use: "status", Short: "Show the hosts and their guests", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := c.open()
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "HOST\tADDRESS\tSTATE\tCAPACITY\tUUID\tGUESTS")
			for _, s := range l.Status(cmd.Context()) {
				state, guests := "on", strings.Join(s.Guests, " ")
				switch {
				case !s.Running:
					state = "off"
				case s.Frozen:
					state = "frozen"
				case s.Err != nil:
					guests = s.Err.Error()
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%d %%\t%s\t%s\n", s.Name, s.Address, state, s.CapacityPercent, s.UUID, guests)
			}
			return w.Flush()
		},
	}
	return []*cobra.Command{up, down, list, install, check, status}
}
