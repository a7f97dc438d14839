// Command lab builds and handles several real hypervisor hosts on this machine;
// see package lab.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/virtbalance/virtbalance/tests/lab"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command().ExecuteContext(ctx)
	stop()
	if exit := new(exec.ExitError); errors.As(err, &exit) && exit.ExitCode() > 0 {
		os.Exit(exit.ExitCode()) // of a command on a node, which has said why
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab:", err)
		os.Exit(1)
	}
}

func command() *cobra.Command {
	c := &cli{}
	root := &cobra.Command{
		Use:           "lab",
		Short:         "Real libvirt hosts with real QEMU guests, on one machine",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetOut(os.Stdout)
	flags := root.PersistentFlags()
	flags.StringVar(&c.options.Name, "name", "", "which lab (default: $VBLAB_NAME, or one for each checkout)")
	flags.StringVar(&c.options.Dir, "dir", "", "its directory (default: /tmp/vblab-NAME)")
	root.AddCommand(c.labCommands()...)
	root.AddCommand(c.hostCommands()...)
	root.AddCommand(c.networkCommands()...)
	root.AddCommand(c.guestCommands()...)
	return root
}

// cli is what the commands share.
type cli struct{ options lab.Options }

// open returns the lab that the flags name.
func (c *cli) open() (*lab.Lab, error) { return lab.Open(c.options) }

// host returns one of the lab's hosts.
func (c *cli) host(name string) (*lab.Lab, *lab.Host, error) {
	l, err := c.open()
	if err != nil {
		return nil, nil, err
	}
	h := l.Host(name)
	if h == nil {
		return nil, nil, fmt.Errorf("no host %q in lab %s: it has h1 to h%d", name, l.Name(), len(l.Hosts()))
	}
	return l, h, nil
}

// onHost makes a command that does one thing to one host.
func (c *cli) onHost(use, short string, do func(context.Context, *lab.Host) error) *cobra.Command {
	return &cobra.Command{
		Use: use + " HOST", Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			_, h, err := c.host(args[0])
			if err != nil {
				return err
			}
			return do(cmd.Context(), h)
		},
	}
}
