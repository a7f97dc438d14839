package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/virtbalance/virtbalance/policy"
)

// errNoHbal says that there is nothing to compare with.
var errNoHbal = errors.New("hbal is not installed (Debian: ganeti-htools)")

// hbal asks Ganeti's balancer for a plan, and returns its moves in its order with
// the CPU seconds that it took.
//
// It is given the fleet in its text format (manual page hbal(1), -t), every disk
// on shared storage, so that each move is a live migration to any node; and what
// each VM uses as its dynamic CPU load (-U), in so small a unit that CPU dominates
// its score.
func hbal(s policy.Snapshot) ([]policy.PlannedMove, float64, error) {
	program, err := exec.LookPath("hbal")
	if err != nil {
		return nil, 0, errNoHbal
	}
	dir, err := os.MkdirTemp("", "vbsim-hbal")
	if err != nil {
		return nil, 0, err
	}
	defer os.RemoveAll(dir)
	fleet, load := filepath.Join(dir, "fleet"), filepath.Join(dir, "load")
	if err := errors.Join(os.WriteFile(fleet, ganetiFleet(s), 0o600), os.WriteFile(load, ganetiLoad(s), 0o600)); err != nil {
		return nil, 0, err
	}
	cmd := exec.Command(program, "-t", fleet, "-U", load, "--no-disk-moves")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, 0, fmt.Errorf("hbal: %w: %s", err, strings.TrimSpace(stderr.String()))
	}
	used := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	return ganetiMoves(s, out), time.Duration(used.Utime.Nano() + used.Stime.Nano()).Seconds(), nil
}

// ganetiFleet writes groups, nodes, instances, tags and policies; an empty line
// between each.
func ganetiFleet(s policy.Snapshot) []byte {
	const group, disk = "11111111-1111-1111-1111-111111111111", 1 << 20
	var b bytes.Buffer
	fmt.Fprintf(&b, "default|%s|preferred||\n\n", group)
	for _, h := range s.Hosts {
		total, used := h.Capacity.Memory/policy.MiB, h.Used.Memory/policy.MiB
		fmt.Fprintf(&b, "%s|%d|0|%d|%d|%d|%d|N|%s|1||N|1\n", h.ID, total, total-used, disk, disk, h.Capacity.CPU/1000, group)
	}
	fmt.Fprintln(&b)
	for _, d := range s.Domains {
		fmt.Fprintf(&b, "%s|%d|1024|%d|running|Y|%s||ext||1|1\n", d.ID, d.Demand.Memory/policy.MiB, d.VCPUs, d.Host)
	}
	fmt.Fprint(&b, "\n\n")
	return b.Bytes()
}

func ganetiLoad(s policy.Snapshot) []byte {
	var b bytes.Buffer
	for _, d := range s.Domains {
		fmt.Fprintf(&b, "%s %d 0 0 0\n", d.ID, d.Demand.CPU)
	}
	return b.Bytes()
}

// ganetiMove is a line such as "  1. vm7 node2 => node6  460.2 a=fa:node6".
var ganetiMove = regexp.MustCompile(`(?m)^\s*\d+\. (\S+) (\S+)\s+=> (\S+)\s`)

func ganetiMoves(s policy.Snapshot, out []byte) []policy.PlannedMove {
	memory := make(map[policy.DomainID]policy.Bytes, len(s.Domains))
	for _, d := range s.Domains {
		memory[d.ID] = d.Demand.Memory
	}
	var moves []policy.PlannedMove
	for _, m := range ganetiMove.FindAllSubmatch(out, -1) {
		id := policy.DomainID(m[1])
		moves = append(moves, policy.PlannedMove{Domain: id, From: policy.HostID(m[2]), To: policy.HostID(m[3]), Memory: memory[id]})
	}
	return moves
}
