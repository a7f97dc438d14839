package gossip

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/memberlist"
)

// The pace at which hosts are looked for.
const (
	// joinPeriod is the time between two rounds in a cluster. 1 to joinPerRound
	// hosts are tried in each, not all: everyone looking for everyone costs more
	// than the partition (hashicorp/memberlist#243).
	joinPeriod   = 30 * time.Second
	joinPerRound = 3
	// joinFirst is the time to the second round while alone; it doubles to
	// joinPeriod.
	joinFirst = time.Second
	// In its youth a host also exchanges all it knows with a random member, a
	// few times. When a large fleet starts at once, some of the many messages
	// "I am here" are lost on some hosts, and memberlist's own exchanges are two
	// and a half minutes apart at 300 hosts.
	youth      = time.Minute
	youthPause = 20 * time.Second
	// While most members have never answered, memberlist's own exchanges are with
	// those. Then a host has one of its own, with a few that have.
	swampedPause = 10 * time.Second
	// savePeriod is the time between two writes of the known hosts.
	savePeriod = 5 * time.Minute
)

// maintaining looks for hosts that should be members and are not, for ever,
// tells the others of changed facts and keeps the known hosts on disk.
func (g *Gossip) maintaining(ctx context.Context, list *memberlist.Memberlist) {
	join := time.NewTimer(0)
	defer join.Stop()
	save := time.NewTicker(savePeriod)
	defer save.Stop()
	pause, began := joinFirst, time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-g.forged:
			g.renewEpoch()
			if g.table.swamped() {
				join.Reset(0)
			}
			wake(g.changed)
			wake(g.published)
		case <-g.changed:
			const patience = 2 * time.Second
			if err := list.UpdateNode(patience); err != nil {
				g.log.Debug("facts told late: push/pull will carry them", "err", err)
			}
		case <-save.C:
			g.save()
		case <-join.C:
			young := time.Since(began) < youth
			g.seek(ctx, list, young)
			switch alone := g.size.Load() == 1; {
			case alone:
			case g.table.swamped():
				pause = swampedPause
			case young:
				pause = youthPause
			default:
				pause = joinPeriod
			}
			join.Reset(jittered(pause))
			pause = min(2*pause, joinPeriod)
		}
	}
}

// jittered spreads a period by a quarter to both sides, so that a fleet that
// was started at once does not stay in step.
func jittered(d time.Duration) time.Duration {
	return d*3/4 + rand.N(d/2)
}

// seek joins a few hosts that should be members and are not, and in its youth
// one that is.
func (g *Gossip) seek(ctx context.Context, list *memberlist.Memberlist, young bool) {
	candidates := g.candidates(ctx)
	answered := false
	rand.Shuffle(len(candidates), func(i, j int) { candidates[i], candidates[j] = candidates[j], candidates[i] })
	candidates = candidates[:min(len(candidates), joinPerRound)]
	if young {
		for addr := range g.table.addresses() { // in random order
			candidates = append(candidates, addr)
			break
		}
	}
	if g.table.swamped() {
		candidates = append(candidates, g.table.proven(joinPerRound)...)
	}
	for _, addr := range candidates {
		if ctx.Err() != nil {
			return
		}
		g.count.joinAttempts.Add(1)
		if _, err := list.Join([]string{addr.String()}); err != nil {
			g.count.joinFailures.Add(1)
			if !g.complaints.hear(err.Error(), addr.Addr().String()) {
				g.log.Debug("host not joined", "addr", addr.String(), "err", err)
			}
			continue
		}
		answered = true
		g.table.answeredAt(addr, time.Now())
	}
	if !answered && len(g.opts.Join) > 0 && g.size.Load() == 1 && ctx.Err() == nil && g.complaints.first(complaint{fault: "alone"}) {
		g.log.Warn("this host is alone: no host of the join list answers; trying for ever", "join", g.opts.Join)
	}
}

// candidates returns the addresses of the join list and of lost hosts at which
// there is no member.
func (g *Gossip) candidates(ctx context.Context) []netip.AddrPort {
	wanted := g.table.lost(time.Now())
	for _, entry := range g.opts.Join {
		addrs, err := g.resolve(ctx, entry)
		if err != nil {
			g.log.Debug("join entry not resolved", "entry", entry, "err", err)
			continue
		}
		wanted = append(wanted, addrs...)
	}
	have := g.table.addresses()
	have[g.advertise] = true
	var missing []netip.AddrPort
	for _, addr := range wanted {
		if !have[addr] {
			have[addr] = true
			missing = append(missing, addr)
		}
	}
	return missing
}

// resolve looks up one join entry.
func (g *Gossip) resolve(ctx context.Context, entry string) ([]netip.AddrPort, error) {
	const patience = 5 * time.Second
	host, port, err := splitJoin(entry)
	if err != nil {
		return nil, err
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.AddrPort{netip.AddrPortFrom(addr.Unmap(), port)}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	addrs, err := g.opts.Resolve(ctx, host)
	if err != nil {
		return nil, fmt.Errorf("resolve %s: %w", host, err)
	}
	found := make([]netip.AddrPort, 0, len(addrs))
	for _, a := range addrs {
		found = append(found, netip.AddrPortFrom(a.Unmap(), port))
	}
	return found, nil
}

// splitJoin reads host, host:port, an IPv6 address, or [address]:port.
func splitJoin(entry string) (host string, port uint16, err error) {
	if addr, err := netip.ParseAddr(strings.Trim(entry, "[]")); err == nil {
		return addr.String(), DefaultPort, nil
	}
	if !strings.Contains(entry, ":") {
		if entry == "" {
			return "", 0, errors.New("empty")
		}
		return entry, DefaultPort, nil
	}
	host, text, err := net.SplitHostPort(entry)
	if err != nil {
		return "", 0, fmt.Errorf("want host or host:port: %w", err)
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 || host == "" {
		return "", 0, errors.New("want host or host:port with a port from 1 to 65535")
	}
	return host, uint16(n), nil
}

func (g *Gossip) save() {
	if g.opts.PeersFile == "" {
		return
	}
	if err := g.table.savePeers(g.opts.PeersFile, time.Now()); err != nil {
		g.log.Warn("known hosts not kept: after a restart they are found through the join list only", "err", err)
	}
}
