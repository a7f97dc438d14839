package main

import (
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/virtbalance/virtbalance/balancer/config"
)

// configFile is where the daemon's configuration is by default.
const configFile = "/etc/virtbalanced/config.toml"

func newConfig(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Check or show a configuration of the daemon",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return usageError{fmt.Errorf("%s takes check or show", cmd.CommandPath())}
		},
	}
	cmd.AddCommand(
		&cobra.Command{
			Use:   "check [FILE]",
			Short: "Say every fault of a configuration file at once",
			Long:  "Without FILE: " + configFile + ". The files that it names are looked at by virtbalanced --check-config.",
			Args:  oneFile,
			RunE: func(cmd *cobra.Command, args []string) error {
				path := append(args, configFile)[0]
				if _, err := config.Load(path); err != nil {
					return err
				}
				return show(cmd, s, map[string]string{"valid": path}, func(w io.Writer, _ map[string]string) { fmt.Fprintf(w, "%s is valid\n", path) })
			},
		},
		newConfigShow(s),
	)
	return cmd
}

func newConfigShow(s *settings) *cobra.Command {
	all := false
	cmd := &cobra.Command{
		Use:   "show [FILE]",
		Short: "Show what a configuration file changes, with the defaults; --all shows every key",
		Args:  oneFile,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := config.Load(append(args, configFile)[0])
			if err != nil {
				return err
			}
			settings := c.Settings()
			if !all {
				settings = slices.DeleteFunc(settings, func(k config.Setting) bool { return k.Value == k.Default })
			}
			return show(cmd, s, settings, func(w io.Writer, settings []config.Setting) {
				columns(w, func(w io.Writer) {
					fmt.Fprintln(w, "KEY\tVALUE\tDEFAULT")
					for _, k := range settings {
						fmt.Fprintf(w, "%s\t%s\t%s\n", k.Key, k.Value, k.Default)
					}
				})
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "every key")
	return cmd
}

func oneFile(cmd *cobra.Command, args []string) error {
	if len(args) > 1 {
		return usageError{fmt.Errorf("%s takes one file at most, got %q", cmd.CommandPath(), args)}
	}
	return nil
}
