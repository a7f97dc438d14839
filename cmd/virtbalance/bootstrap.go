package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/virtbalance/virtbalance/balancer/config"
)

// keyFile is where the daemon looks for the gossip key without being told.
const keyFile = "/etc/virtbalanced/gossip.key"

// bootstrap is what the command is given.
type bootstrap struct {
	// config and key are paths.
	config, key string
	// name is that of this host; named says that it was given.
	name  string
	named bool
	// advertise is empty where the routes are to say it.
	advertise string
	// others are the other hosts, by name.
	others []string
}

// bootstrapped is what bootstrap did.
type bootstrapped struct {
	Config string `json:"config"`
	// Kept is where the configuration of the package went.
	Kept      string `json:"kept,omitempty"`
	Key       string `json:"key"`
	KeyMade   bool   `json:"key_made"`
	Advertise string `json:"advertise,omitempty"`
	// Here are commands for this host, Others for each other one.
	Here   []string `json:"here"`
	Others []string `json:"others,omitempty"`
}

func newBootstrap(s *settings) *cobra.Command {
	var b bootstrap
	cmd := &cobra.Command{
		Use:   "bootstrap [HOSTS]...",
		Short: "Write the configuration and the gossip key of a new cluster's first host",
		Long: `Writes a configuration in mode dry-run and a new gossip key, and prints what to
do next, here and on the other HOSTS. It starts nothing.

A key that is there is kept, which makes this the command for the other hosts,
too, once they have the key. A configuration that is there is never replaced,
unless it changes no default, as that of a package; it is then kept as FILE.orig.

gossip.advertise is set if this host has several addresses, to the one that its
routes prefer towards HOSTS, or if it has no route that would tell.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			b.named = cmd.Flags().Changed("name")
			if len(args) > 0 {
				others, err := s.hosts(cmd.Context(), args)
				if err != nil {
					return err
				}
				b.others = others
			}
			did, err := b.run()
			if err != nil {
				return err
			}
			return show(cmd, s, did, printBootstrapped)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&b.config, "config", configFile, "the configuration `file` to write")
	flags.StringVar(&b.key, "key", keyFile, "the key `file` to write, or to use if it is there")
	flags.StringVar(&b.name, "name", "", "`name` of this host (default: the system's host name)")
	flags.StringVar(&b.advertise, "advertise", "", "`address` at which the other hosts reach this one")
	return cmd
}

// run writes the files. On an error, what was there is there, and nothing new.
func (b *bootstrap) run() (bootstrapped, error) {
	if b.name == "" {
		name, err := os.Hostname()
		if err != nil {
			return bootstrapped{}, fmt.Errorf("find the name of this host: %w; give it with --name", err)
		}
		b.name = name
	}
	b.others = slices.DeleteFunc(b.others, func(h string) bool { return h == b.name })
	for _, h := range append([]string{b.name}, b.others...) {
		if !plain(h) {
			return bootstrapped{}, usageError{fmt.Errorf("%q is not the name or the address of a host", h)}
		}
	}
	address, all, err := b.address()
	if err != nil {
		return bootstrapped{}, err
	}
	text := b.text(address, all)
	if _, err := config.Parse(b.config, text); err != nil {
		return bootstrapped{}, err
	}

	did := bootstrapped{Config: b.config, Key: b.key}
	if address.IsValid() {
		did.Advertise = address.String()
	}
	replace, err := replaceable(b.config)
	if err != nil {
		return bootstrapped{}, err
	}
	if did.KeyMade, err = b.writeKey(); err != nil {
		return bootstrapped{}, err
	}
	if replace {
		did.Kept = b.config + ".orig"
		err = moveAway(b.config, did.Kept)
	}
	if err == nil {
		err = writeNew(b.config, text, 0o644)
		if err != nil && replace {
			err = errors.Join(err, os.Rename(did.Kept, b.config))
		}
	}
	if err != nil {
		if did.KeyMade {
			err = errors.Join(err, os.Remove(b.key))
		}
		return bootstrapped{}, err
	}
	did.Here, did.Others = b.next(did.KeyMade)
	return did, nil
}

// plain reports whether a name can stand in a configuration and in a shell's
// command line as it is.
func plain(name string) bool {
	const others = "-._:[]"
	return name != "" && name[0] != '-' && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && !strings.ContainsRune(others, r)
	})
}

// replaceable reports whether there is a configuration that holds nobody's
// decisions. One that does is an error.
func replaceable(path string) (bool, error) {
	c, err := config.Load(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case errors.Is(err, fs.ErrPermission):
		return false, fmt.Errorf("%w; run this as root", err)
	case err != nil:
		return false, fmt.Errorf("%s exists and is left as it is: %w", path, err)
	}
	for _, k := range c.Settings() {
		if k.Value != k.Default {
			return false, fmt.Errorf("%s exists and is left as it is: it sets %s; change it by hand, or move it away", path, k.Key)
		}
	}
	return true, nil
}

// moveAway renames a file, to a name that is free.
func moveAway(from, to string) error {
	if err := os.Link(from, to); err != nil {
		return fmt.Errorf("keep %s: %w", from, err)
	}
	return os.Remove(from)
}

// writeKey makes a key unless there is one, and reports whether it did.
func (b *bootstrap) writeKey() (bool, error) {
	if _, err := os.Lstat(b.key); err == nil {
		if _, err := config.ReadKeys(b.key); err != nil {
			return false, fmt.Errorf("%s exists and is left as it is: %w", b.key, err)
		}
		return false, nil
	}
	key, err := newKey()
	if err != nil {
		return false, err
	}
	return true, writeNew(b.key, []byte(key+"\n"), 0o600)
}

// writeNew writes a file that is not there, durably.
func writeNew(path string, content []byte, mode fs.FileMode) error {
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	var f *os.File
	if err == nil {
		f, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	}
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w; run this as root", err)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Chmod(mode) // whatever the umask is
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

// text is the configuration.
func (b *bootstrap) text(address netip.AddrPort, all []netip.Addr) []byte {
	var t strings.Builder
	t.WriteString(`# The configuration of virtbalanced on this host, by virtbalance bootstrap. Every
# key has a default; docs/configuration.md and config.example.toml explain them.
# Check this file with "virtbalanced --check-config", and have it read again with
# "systemctl reload virtbalanced".

# Show what would be moved, and move nothing. "auto" moves.
mode = "dry-run"
`)
	if b.named {
		fmt.Fprintf(&t, "\n[host]\nname = %q\n", b.name)
	}
	t.WriteString("\n[gossip]\n# Two or three hosts of the cluster, the same list on every host.\njoin = [")
	for i, h := range b.join() {
		if i > 0 {
			t.WriteString(", ")
		}
		fmt.Fprintf(&t, "%q", h)
	}
	t.WriteString("]\n")
	if address.IsValid() {
		t.WriteString("\n# The address at which the other hosts reach this one")
		if len(all) > 1 {
			t.WriteString(", of these:\n# ")
			for i, a := range all {
				if i > 0 {
					t.WriteString(", ")
				}
				t.WriteString(a.String())
			}
		}
		fmt.Fprintf(&t, "\nadvertise = %q\n", address)
	}
	if b.key != keyFile {
		fmt.Fprintf(&t, "\nkey_file = %q\n", absolute(b.key))
	}
	return []byte(t.String())
}

// join is the list for every host: the same on all, so in their order.
func (b *bootstrap) join() []string {
	if len(b.others) == 0 {
		return nil
	}
	const enough = 3 // rarely down together
	all := slices.Sorted(slices.Values(append([]string{b.name}, b.others...)))
	return all[:min(enough, len(all))]
}

func absolute(path string) string {
	if a, err := filepath.Abs(path); err == nil {
		return a
	}
	return path
}

// next are the commands that a person gives then.
func (b *bootstrap) next(keyMade bool) (here, others []string) {
	check := "virtbalanced --check"
	if b.config != configFile {
		check += " --config " + b.config
	}
	here = []string{"systemctl enable --now virtbalanced", check}
	if !keyMade {
		return here, nil
	}
	list, hosts := b.others, append([]string{b.name}, b.others...)
	if len(list) == 0 {
		list, hosts = []string{"HOST"}, append(hosts, "HOST")
	}
	for _, h := range list {
		others = append(others, fmt.Sprintf("scp -p %s root@%s:%s && ssh root@%s 'virtbalance bootstrap %s && systemctl enable --now virtbalanced'",
			b.key, h, keyFile, h, strings.Join(hosts, " ")))
	}
	return here, others
}

func printBootstrapped(w io.Writer, d bootstrapped) {
	if d.Kept != "" {
		fmt.Fprintf(w, "%s changed nothing and is now %s\n", d.Config, d.Kept)
	}
	fmt.Fprintf(w, "%s is written: mode dry-run, nothing is moved\n", d.Config)
	if d.Advertise != "" {
		fmt.Fprintf(w, "  The other hosts are told to reach this one at %s (gossip.advertise).\n", d.Advertise)
	}
	if d.KeyMade {
		fmt.Fprintf(w, "%s is written, mode 0600: whoever has this key can take part, so it goes to the other hosts by scp\n", d.Key)
	} else {
		fmt.Fprintf(w, "%s was there and is kept\n", d.Key)
	}
	tell := func(heading string, commands []string) {
		fmt.Fprintf(w, "\n%s\n\n", heading)
		for _, c := range commands {
			fmt.Fprintf(w, "    %s\n", c)
		}
	}
	tell("Here:", d.Here)
	if len(d.Others) > 0 {
		tell("For the other hosts, from here, once virtbalance is installed there:", d.Others)
		tell("Then, on any host, all of them are to be seen:", []string{"virtbalance hosts"})
	}
}
