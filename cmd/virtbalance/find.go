package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/virtbalance/virtbalance/balancer/api"
	"github.com/virtbalance/virtbalance/policy"
)

func newFind(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "find cpu=4,mem=16G[,net=NAME][,label=NAME]",
		Short: "Say which hosts could take a new domain, and how many of its kind",
		Long: `Judged is by the rule by which hosts admit domains that are moved: no host would
be filled above its receive mark or its memory. cpu is what the domain will use,
in CPUs; mem what it may grow to, in bytes or with K, M, G or T for binary multiples;
label a label that the host must have, net a network that it must have: one of
libvirt's that is active there, or an interface such as a bridge. Both as often as
there are such.

Storage is known to each host alone: its pre-flight checks look at it when a
domain comes (virtbalance move --dry-run).`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{fmt.Errorf("find takes one description such as cpu=4,mem=16G, got %q", args)}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			q, networks, err := parseNeed(args[0])
			if err != nil {
				return usageError{err}
			}
			rooms, err := s.client().Find(cmd.Context(), q)
			if err != nil {
				return err
			}
			withNetworks(cmd.Context(), s, rooms, networks)
			if err := show(cmd, s, rooms, printRooms); err != nil {
				return err
			}
			if !slices.ContainsFunc(rooms, func(r api.Room) bool { return r.Times > 0 }) {
				return incompleteError{errors.New("no host could take it")}
			}
			return nil
		},
	}
}

// withNetworks asks each host that has room whether it has the networks, and
// leaves no room on one that has not or that does not say.
func withNetworks(ctx context.Context, s *settings, rooms []api.Room, networks []string) {
	const atOnce = 16
	places := make(chan struct{}, atOnce)
	var asking sync.WaitGroup
	for i := range rooms {
		if rooms[i].Times == 0 || len(networks) == 0 {
			continue
		}
		places <- struct{}{}
		asking.Go(func() {
			defer func() { <-places }()
			r := &rooms[i]
			if why, text := lacksNetwork(ctx, s.client().At(string(r.Host)), networks); why != policy.OK {
				r.Reason, r.Text, r.Times = why, text, 0
			}
		})
	}
	asking.Wait()
}

// lacksNetwork is why a host does not have all networks; OK if it has.
func lacksNetwork(ctx context.Context, host *api.Client, networks []string) (policy.Reason, string) {
	for _, name := range networks {
		n, err := host.Network(ctx, name)
		var told *api.Error
		switch {
		case errors.As(err, &told) && told.Status == http.StatusNotFound:
			return policy.PreflightFailed, "its daemon is older and does not say which networks it has"
		case err != nil:
			return policy.PreflightFailed, err.Error()
		case !n.Here:
			return policy.NetworkMissing, policy.NetworkMissing.Text() + ": " + name
		}
	}
	return policy.OK, ""
}

// parseNeed reads a description of a domain, and the networks that it needs.
func parseNeed(text string) (q api.FindQuery, networks []string, err error) {
	for part := range strings.SplitSeq(text, ",") {
		key, value, ok := strings.Cut(part, "=")
		switch {
		case !ok:
			err = fmt.Errorf("%q is not key=value", part)
		case key == "cpu":
			q.Load.CPU, err = parseCPUs(value)
		case key == "mem":
			q.Load.Memory, err = parseBytes(value)
		case key == "label":
			q.Requires = append(q.Requires, value)
		case key == "net" && value != "":
			networks = append(networks, value)
		case key == "net":
			err = errors.New("net= names no network")
		case key == "disk":
			err = errors.New("disk: storage is known to each host alone; virtbalance move VM HOST --dry-run asks it")
		default:
			err = fmt.Errorf("%q is not one of cpu, mem, net, label", key)
		}
		if err != nil {
			return q, nil, err
		}
	}
	if q.Load.CPU == 0 || q.Load.Memory == 0 {
		return q, nil, fmt.Errorf("%q says not both how much cpu and how much mem", text)
	}
	return q, networks, nil
}

func parseCPUs(text string) (policy.MilliCPU, error) {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || !(n > 0 && n <= 100_000) {
		return 0, fmt.Errorf("cpu=%s is not a number of CPUs", text)
	}
	return policy.MilliCPU(n * 1000), nil
}

func parseBytes(text string) (policy.Bytes, error) {
	digits := strings.TrimRight(strings.TrimSuffix(strings.TrimSuffix(text, "B"), "i"), "KMGT")
	unit := policy.Bytes(1)
	if len(digits) < len(text) {
		unit = policy.KiB << (10 * strings.IndexByte("KMGT", text[len(digits)]))
	}
	n, err := strconv.ParseFloat(digits, 64)
	if err != nil || !(n > 0 && n*float64(unit) < 1<<60) {
		return 0, fmt.Errorf("mem=%s is not an amount of memory such as 16G", text)
	}
	return policy.Bytes(n * float64(unit)), nil
}

// printRooms lists hosts with the same answer together.
func printRooms(w io.Writer, rooms []api.Room) {
	var answers folded
	for _, r := range rooms {
		answer := "no\t" + r.Text
		if r.Times > 0 {
			answer = fmt.Sprintf("yes\troom for %d", r.Times)
		}
		answers.add(r.Name, answer)
	}
	columns(w, func(w io.Writer) {
		answers.each(func(hosts, answer string) { fmt.Fprintf(w, "%s:\t%s\n", hosts, answer) })
	})
}
