package main

import (
	"net/netip"
	"strings"
	"testing"
)

func TestAdvertised(t *testing.T) {
	one, two := netip.MustParseAddr("192.0.2.10"), netip.MustParseAddr("198.51.100.10")
	var none netip.Addr
	for _, c := range []struct {
		name   string
		all    []netip.Addr
		routed netip.Addr
		want   netip.Addr
		fault  string
	}{
		{name: "one address, routed: the daemon finds it", all: []netip.Addr{one}, routed: one, want: none},
		{name: "several: the routes choose", all: []netip.Addr{one, two}, routed: two, want: two},
		{name: "one without a route", all: []netip.Addr{one}, want: one},
		{name: "several without a route", all: []netip.Addr{one, two}, fault: "give one of 192.0.2.10, 198.51.100.10 with --advertise"},
		{name: "no network", fault: "no address but the loopback's"},
	} {
		got, err := advertised(c.all, c.routed)
		if got != c.want || (err == nil) != (c.fault == "") || err != nil && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%s: %s, %v", c.name, got, err)
		}
	}
}

func TestPlain(t *testing.T) {
	for name, want := range map[string]bool{
		"hv1": true, "hv1.example.org": true, "10.0.0.2:17450": true, "[2001:db8::1]:17450": true,
		"": false, "-o": false, "hv1; reboot": false, "$(id)": false, "hv'1": false, `hv"1`: false,
	} {
		if plain(name) != want {
			t.Errorf("plain(%q) = %t", name, !want)
		}
	}
}
