package main

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"github.com/spf13/cobra"
)

func newSupportBundle(s *settings) *cobra.Command {
	var o struct{ output, config, log string }
	cmd := &cobra.Command{
		Use:   "support-bundle",
		Short: "Write what a bug report needs into one file, without secrets",
		Long: `Asks the daemon of this host for all that it knows and adds its configuration and
its log. What could not be had is noted in the bundle and does not stop it.

Keys, passwords and tokens are removed, from every file. Names of hosts and domains,
addresses and labels are not: look before you send it.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.output == "" {
				o.output = "virtbalance-" + time.Now().UTC().Format("20060102T150405Z") + ".tar.gz"
			}
			f, err := os.OpenFile(o.output, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
			if err != nil {
				return fmt.Errorf("--output: %w", err)
			}
			b := newBundle(f)
			b.collect(cmd.Context(), s, o.config, o.log)
			if err := errors.Join(b.close(), f.Close()); err != nil {
				return err
			}
			return show(cmd, s, map[string]string{"written": o.output}, func(w io.Writer, _ map[string]string) {
				fmt.Fprintf(w, "%s: keys and passwords are removed; names and addresses are in it, look before you send it.\n", o.output)
			})
		},
	}
	cmd.Flags().StringVarP(&o.output, "output", "o", "", "`file` to write, which must not exist (default: virtbalance-TIME.tar.gz)")
	cmd.Flags().StringVar(&o.config, "config", configFile, "the daemon's configuration `file`")
	cmd.Flags().StringVar(&o.log, "log", "", "the daemon's log `file` (default: what the journal has of the last day)")
	return cmd
}

// bundle is an archive in the making.
type bundle struct {
	gzip *gzip.Writer
	tar  *tar.Writer
	err  error
	now  time.Time
	// missing says what could not be had.
	missing string
}

func newBundle(w io.Writer) *bundle {
	z := gzip.NewWriter(w)
	return &bundle{gzip: z, tar: tar.NewWriter(z), now: time.Now()}
}

func (b *bundle) close() error {
	b.add("missing.txt", []byte(b.missing), nil)
	return errors.Join(b.err, b.tar.Close(), b.gzip.Close())
}

// collect adds everything.
func (b *bundle) collect(ctx context.Context, s *settings, configPath, logPath string) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	c := s.client()
	b.add("version.txt", []byte(version+"\n"), nil)
	ask(b, "status.json", func() (any, error) { return c.Status(ctx) })
	ask(b, "hosts.json", func() (any, error) { return c.Hosts(ctx) })
	ask(b, "fleet.json", func() (any, error) { return c.Fleet(ctx, 200) })
	ask(b, "domains.json", func() (any, error) { return c.Domains(ctx) })
	ask(b, "plan.json", func() (any, error) { return c.Plan(ctx) })
	ask(b, "history.json", func() (any, error) { return c.History(ctx, 1000) })
	ask(b, "snapshot.json", func() (any, error) { return c.Snapshot(ctx) })
	configuration, err := os.ReadFile(configPath)
	b.add("config.toml", configuration, err)
	if logPath != "" {
		log, err := os.ReadFile(logPath)
		b.add("virtbalanced.log", log, err)
		return
	}
	log, err := exec.CommandContext(ctx, "journalctl", "--unit", "virtbalanced", "--since", "-1d", "--no-pager", "--output", "short-iso-precise").Output()
	b.add("virtbalanced.log", log, err)
}

func ask(b *bundle, name string, question func() (any, error)) {
	v, err := question()
	var data []byte
	if err == nil {
		data, err = json.MarshalIndent(v, "", "  ")
	}
	b.add(name, data, err)
}

// add adds a file without its secrets, or notes why it is missing.
func (b *bundle) add(name string, data []byte, err error) {
	if err != nil {
		b.missing += name + ": " + err.Error() + "\n"
		return
	}
	data = scrub(data)
	err = b.tar.WriteHeader(&tar.Header{Name: "virtbalance/" + name, Mode: 0o600, Size: int64(len(data)), ModTime: b.now})
	if err == nil {
		_, err = b.tar.Write(data)
	}
	b.err = errors.Join(b.err, err)
}
