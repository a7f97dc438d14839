package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/virtbalance/virtbalance/tests/lab"
)

// hostCommands are about single hosts.
func (c *cli) hostCommands() []*cobra.Command {
	exec := &cobra.Command{
		Use: "exec NODE COMMAND...", Short: "Run a command on a host, or on \"machine\", which all hosts are plugged into",
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := c.open()
			if err != nil {
				return err
			}
			n, err := l.Node(args[0])
			if err != nil {
				return err
			}
			ctx := cmd.Context()
			if term.IsTerminal(int(os.Stdin.Fd())) {
				ctx = context.WithoutCancel(ctx) // ^C is for the command, which gets it from the terminal
			}
			return n.Run(ctx, os.Stdin, os.Stdout, os.Stderr, args[1:]...)
		},
	}
	start := &cobra.Command{
		Use: "start NODE NAME COMMAND...", Short: "Start a command on a host in the background",
		Args: cobra.MinimumNArgs(3),
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := c.open()
			if err != nil {
				return err
			}
			n, err := l.Node(args[0])
			if err != nil {
				return err
			}
			p, err := n.Start(args[1], args[2:]...)
			if err != nil {
				return err
			}
			cmd.Printf("pid %d (%d on %s), output in %s\n", p.PID, p.HostPID, args[0], p.Output)
			return nil
		},
	}
	for _, e := range []*cobra.Command{exec, start} {
		e.Flags().SetInterspersed(false) // flags after NODE are the command's
	}
	net := &cobra.Command{
		Use: "net HOST up|down", Short: "Plug a host's network cable in, or pull it out", Args: cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			_, h, err := c.host(args[0])
			if err != nil {
				return err
			}
			if args[1] != "up" && args[1] != "down" {
				return fmt.Errorf("%q: must be up or down", args[1])
			}
			return h.Cable(args[1] == "up")
		},
	}
	capacity := &cobra.Command{
		Use: "capacity HOST PERCENT", Short: "Change a host's CPU capacity, in percent of a core", Args: cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			_, h, err := c.host(args[0])
			if err != nil {
				return err
			}
			percent, err := strconv.Atoi(args[1])
			if err != nil {
				return fmt.Errorf("capacity %q: must be a number of percent", args[1])
			}
			return h.SetCapacity(percent)
		},
	}
	cpu := &cobra.Command{
		Use: "cpu [SECONDS]", Short: "Show what the hosts use of the CPU", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := c.open()
			if err != nil {
				return err
			}
			seconds := 2.0
			if len(args) == 1 {
				if seconds, err = strconv.ParseFloat(args[0], 64); err != nil {
					return fmt.Errorf("seconds %q: must be a number", args[0])
				}
			}
			return printCPU(cmd, l, time.Duration(seconds*float64(time.Second)))
		},
	}
	return []*cobra.Command{
		exec, start, net, capacity, cpu,
		c.onHost("freeze", "Stop every process of a host", func(_ context.Context, h *lab.Host) error { return h.Freeze() }),
		c.onHost("thaw", "Let a frozen host go on", func(_ context.Context, h *lab.Host) error { return h.Thaw() }),
		c.onHost("poweroff", "Take a host's power away", func(ctx context.Context, h *lab.Host) error { return h.PowerOff(ctx) }),
		c.onHost("poweron", "Start a host again", func(ctx context.Context, h *lab.Host) error { return h.PowerOn(ctx) }),
		c.onHost("kill-libvirtd", "Kill a host's libvirtd; its guests run on",
			func(ctx context.Context, h *lab.Host) error { return h.KillLibvirtd(ctx) }),
		c.onHost("restart-libvirtd", "Kill a host's libvirtd if it runs, and start it",
			func(ctx context.Context, h *lab.Host) error { return h.RestartLibvirtd(ctx) }),
		c.onHost("uri", "Print the URI of a host's libvirtd, for use outside the lab",
			func(_ context.Context, h *lab.Host) error { _, err := fmt.Println(h.URI()); return err }),
	}
}

func printCPU(cmd *cobra.Command, l *lab.Lab, during time.Duration) error {
	before := make([]time.Duration, len(l.Hosts()))
	began := time.Now()
	for i, h := range l.Hosts() {
		before[i], _ = h.CPUUsage() // of one without power there is none
	}
	select {
	case <-time.After(during):
	case <-cmd.Context().Done():
		return cmd.Context().Err()
	}
	for i, h := range l.Hosts() {
		if !h.Running() {
			continue
		}
		after, err := h.CPUUsage()
		if err != nil {
			return err
		}
		capacity, err := h.Capacity()
		if err != nil {
			return err
		}
		ofCore := 100 * (after - before[i]).Seconds() / time.Since(began).Seconds()
		cmd.Printf("%-4s %5.1f %% of a core, %5.1f %% of its capacity\n", h.Name, ofCore, 100*ofCore/float64(capacity))
	}
	return nil
}

// networkCommands make the network worse.
func (c *cli) networkCommands() []*cobra.Command {
	var shape lab.Shape
	bad := &cobra.Command{
		Use: "shape HOST", Short: "Make a host's cable slow and lossy until interrupted", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, h, err := c.host(args[0])
			if err != nil {
				return err
			}
			s, err := h.Shape(shape)
			if err != nil {
				return err
			}
			<-cmd.Context().Done()
			cmd.Printf("%d packets passed, %d lost\n", s.Passed.Load(), s.Lost.Load())
			return s.Stop()
		},
	}
	f := bad.Flags()
	f.DurationVar(&shape.Delay, "delay", 0, "delay of every packet, each way")
	f.DurationVar(&shape.Jitter, "jitter", 0, "by how much the delay varies")
	f.Float64Var(&shape.Loss, "loss", 0, "fraction of packets lost, 0 to 1")

	split := &cobra.Command{
		Use: "partition HOST,HOST... HOST,HOST...", Short: "Split the network into groups of hosts that do not reach each other",
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			l, err := c.open()
			if err != nil {
				return err
			}
			var groups [][]*lab.Host
			for _, names := range args {
				var group []*lab.Host
				for name := range strings.SplitSeq(names, ",") {
					h := l.Host(name)
					if h == nil {
						return fmt.Errorf("no host %q", name)
					}
					group = append(group, h)
				}
				groups = append(groups, group)
			}
			return l.Partition(groups...)
		},
	}
	heal := &cobra.Command{
		Use: "heal", Short: "Undo a partition", Args: cobra.NoArgs,
		RunE: func(_ *cobra.Command, _ []string) error {
			l, err := c.open()
			if err != nil {
				return err
			}
			return l.Heal()
		},
	}
	return []*cobra.Command{bad, split, heal}
}
