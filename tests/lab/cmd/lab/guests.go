package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/virtbalance/virtbalance/tests/lab"
)

// guestCommands are about guests.
func (c *cli) guestCommands() []*cobra.Command {
	var spec lab.GuestSpec
	vm := &cobra.Command{
		Use: "vm HOST NAME", Short: "Start a test guest", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, h, err := c.host(args[0])
			if err != nil {
				return err
			}
			spec.Name = args[1]
			_, err = h.StartGuest(cmd.Context(), spec)
			return err
		},
	}
	f := vm.Flags()
	f.IntVar(&spec.MemoryMiB, "memory", 16, "memory in MiB")
	f.IntVar(&spec.VCPUs, "vcpus", 1, "number of vCPUs")
	f.IntVar(&spec.Load, "load", 0, "percent of each vCPU to burn")
	f.IntVar(&spec.DirtyMiB, "dirty", 0, "MiB to rewrite in a second")
	f.IntVar(&spec.FillMiB, "fill", 0, "MiB with content (default: half of the memory)")
	f.BoolVar(&spec.Persistent, "persistent", false, "define it, so that it stays when it stops")
	f.BoolVar(&spec.Autostart, "autostart", false, "start it with its host (persistent only)")

	where := &cobra.Command{
		Use: "where GUEST", Short: "Say which hosts know a guest", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := c.open()
			if err != nil {
				return err
			}
			for _, p := range l.Where(cmd.Context(), args[0]) {
				if p.Err != nil {
					cmd.Printf("%s: %v; %d QEMU\n", p.Host.Name, p.Err, p.QEMUs)
					continue
				}
				cmd.Printf("%s: %s, persistent %t, %d QEMU\n", p.Host.Name, p.State, p.Persistent, p.QEMUs)
			}
			return nil
		},
	}
	migrate := &cobra.Command{
		Use: "migrate GUEST HOST [VIRSH-OPTION...]", Short: "Move a running guest to a host, live",
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			l, to, err := c.host(args[1])
			if err != nil {
				return err
			}
			from, err := l.RunningOn(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			took, err := l.Guest(args[0]).Migrate(cmd.Context(), from, to, args[2:]...)
			if err == nil {
				cmd.Printf("%s: %s -> %s in %.2f s\n", args[0], from.Name, to.Name, took.Seconds())
			}
			return err
		},
	}
	migrate.Flags().SetInterspersed(false)
	counter := &cobra.Command{
		Use: "counter GUEST [SECONDS]", Short: "Watch a guest's counter, until interrupted or for so long", Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := c.open()
			if err != nil {
				return err
			}
			ctx := cmd.Context()
			if len(args) == 2 {
				seconds, err := strconv.ParseFloat(args[1], 64)
				if err != nil {
					return fmt.Errorf("seconds %q: must be a number", args[1])
				}
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, time.Duration(seconds*float64(time.Second)))
				defer cancel()
			}
			w, err := l.Guest(args[0]).Watch(ctx)
			if err != nil {
				return err
			}
			<-ctx.Done()
			record, err := w.Stop()
			cmd.Println(record)
			return errors.Join(err, record.Err())
		},
	}
	return []*cobra.Command{
		vm, where, migrate, counter,
		c.setting("load GUEST PERCENT", "Change how much of each vCPU a guest burns",
			func(ctx context.Context, g *lab.Guest, on *lab.Host, n int) error { return g.SetLoad(ctx, on, n) }),
		c.setting("dirty GUEST MIB", "Change how much memory a guest rewrites in a second (0 or a power of two up to 256)",
			func(ctx context.Context, g *lab.Guest, on *lab.Host, n int) error { return g.SetDirty(ctx, on, n) }),
	}
}

// setting makes a command that sets a number of a running guest.
func (c *cli) setting(use, short string, set func(context.Context, *lab.Guest, *lab.Host, int) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := c.open()
			if err != nil {
				return err
			}
			n, err := strconv.Atoi(args[1])
			if err != nil {
				return fmt.Errorf("%q: must be a number", args[1])
			}
			on, err := l.RunningOn(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return set(cmd.Context(), l.Guest(args[0]), on, n)
		},
	}
}
