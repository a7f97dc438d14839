package gossip

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/virtbalance/virtbalance/policy"
)

var here = netip.MustParseAddr("10.0.0.7")

// typicalFacts are those of a large host with a long name.
func typicalFacts() policy.HostFacts {
	return policy.HostFacts{
		Name:           "hv0017.rack12.frankfurt1.cloud.example.org",
		Capacity:       policy.Load{CPU: 256_000, Memory: 4096 * policy.GiB},
		CPUFingerprint: math.MaxUint64, CPUModel: "Skylake-Server-noTSX-IBRS",
		LibvirtVersion: 11010003, HypervisorVersion: 10001002,
		Labels:   []string{"zone=fra1", "rack=12", "gen=7"},
		Endpoint: policy.Endpoint{Peer: "[2001:db8:1234:5678:9abc:def0:1234:5678]:17451"},
	}
}

func TestMetaSurvivesTheWire(t *testing.T) {
	text := rapid.StringMatching(`[a-z0-9.=:-]{0,20}`)
	rapid.Check(t, func(t *rapid.T) {
		want := policy.HostFacts{
			Name: text.Draw(t, "name"),
			Capacity: policy.Load{
				CPU:    policy.MilliCPU(rapid.Int64Range(0, int64(maxCPU)).Draw(t, "cpu")),
				Memory: policy.Bytes(rapid.Int64Range(0, int64(maxMemory)).Draw(t, "memory")),
			},
			CPUFingerprint: rapid.Uint64().Draw(t, "fingerprint"), CPUModel: text.Draw(t, "model"),
			LibvirtVersion: rapid.Uint32().Draw(t, "libvirt"), HypervisorVersion: rapid.Uint32().Draw(t, "qemu"),
			Labels:   rapid.SliceOfN(text, 0, 3).Draw(t, "labels"),
			Endpoint: policy.Endpoint{Peer: "10.0.0.7:17451", Migration: "hv7"},
		}
		epoch := rapid.Uint32().Draw(t, "epoch")
		wire, err := encodeMeta(want, epoch)
		if err != nil {
			t.Fatal(err)
		}
		// What a newer version appends is ignored, and so is its number.
		newer := append(slices.Clip(wire), "what comes later"...)
		newer[0] = metaVersion + 1
		for _, b := range [][]byte{wire, newer} {
			got, err := decodeMeta(b, here)
			if err != nil || got.epoch != epoch || fmt.Sprint(got.facts) != fmt.Sprint(want) {
				t.Fatalf("got %+v, %v\nwant %+v", got, err, want)
			}
		}
		for n := range wire {
			if _, err := decodeMeta(wire[:n], here); err == nil {
				t.Fatalf("the first %d of %d bytes passed for facts", n, len(wire))
			}
		}
	})
}

func TestMetaIsBounded(t *testing.T) {
	wire, err := encodeMeta(typicalFacts(), math.MaxUint32)
	if err != nil {
		t.Fatalf("a large but usual host: %v", err)
	}
	if len(wire) > MetaMax {
		t.Errorf("%d bytes, at most %d are allowed", len(wire), MetaMax)
	}

	// The model is for people: it gives way before anything is refused.
	f := typicalFacts()
	f.CPUModel = strings.Repeat("é", 100)
	f.Labels = append(f.Labels, strings.Repeat("x", MetaMax-len(wire)+len(typicalFacts().CPUModel)-1-3))
	wire, err = encodeMeta(f, math.MaxUint32)
	if err != nil || len(wire) > MetaMax {
		t.Fatalf("%d bytes, %v", len(wire), err)
	}
	if m, err := decodeMeta(wire, here); err != nil || len(m.facts.CPUModel) > 4 {
		t.Errorf("model %q, %v", m.facts.CPUModel, err)
	}

	f.Labels = append(f.Labels, "and-one-more")
	_, err = encodeMeta(f, 1)
	if err == nil || !strings.Contains(err.Error(), "shorten host.labels (") || !strings.Contains(err.Error(), "200 fit") {
		t.Errorf("too long: %v", err)
	}
}

func TestMetaFaultsNameTheirKey(t *testing.T) {
	for _, tt := range []struct {
		change func(*policy.HostFacts)
		want   string
	}{
		{func(f *policy.HostFacts) { f.Name = "a\nb" }, "host.name"},
		{func(f *policy.HostFacts) { f.Labels = []string{"\x1b[31m"} }, "host.labels"},
		{func(f *policy.HostFacts) { f.Labels = []string{strings.Repeat("x", 300)} }, "host.labels"},
		{func(f *policy.HostFacts) { f.Endpoint.Peer = "\xff:1" }, "peer.advertise"},
		{func(f *policy.HostFacts) { f.Endpoint.Migration = "a b\x00" }, "libvirt.migration_address"},
		{func(f *policy.HostFacts) { f.Capacity.CPU = -1 }, "host capacity: CPU -1"},
		{func(f *policy.HostFacts) { f.Capacity.Memory = maxMemory + 1 }, "host capacity: memory"},
	} {
		f := typicalFacts()
		tt.change(&f)
		if _, err := encodeMeta(f, 1); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, want an error that names %s", f, err, tt.want)
		}
	}
}

func TestMetaRefusesNonsense(t *testing.T) {
	good, err := encodeMeta(typicalFacts(), 1)
	if err != nil {
		t.Fatal(err)
	}
	broken := func(change func([]byte) []byte) []byte { return change(append([]byte(nil), good...)) }
	for name, b := range map[string][]byte{
		"nothing":        {},
		"version 0":      broken(func(b []byte) []byte { b[0] = 0; return b }),
		"huge CPU":       append(broken(func(b []byte) []byte { return b[:13] }), 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f),
		"endless number": append(broken(func(b []byte) []byte { return b[:13] }), strings.Repeat("\xff", 20)...),
		"terminal codes": broken(func(b []byte) []byte {
			i := strings.Index(string(b), "hv0017")
			b[i] = 0x1b
			return b
		}),
	} {
		if m, err := decodeMeta(b, here); err == nil {
			t.Errorf("%s was read as %+v", name, m)
		}
	}
	f := typicalFacts()
	f.Endpoint.Peer = "no port"
	if b, err := encodeMeta(f, 1); err != nil {
		t.Error(err)
	} else if _, err := decodeMeta(b, here); err == nil {
		t.Error("a peer address without a port was accepted")
	}
}

func TestEmptyHostMeansWhereItGossipsFrom(t *testing.T) {
	f := typicalFacts()
	f.Endpoint = policy.Endpoint{Peer: ":17451"}
	wire, err := encodeMeta(f, 1)
	if err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string]policy.Endpoint{
		"10.0.0.7":    {Peer: "10.0.0.7:17451", Migration: "10.0.0.7"},
		"2001:db8::7": {Peer: "[2001:db8::7]:17451", Migration: "2001:db8::7"},
	} {
		m, err := decodeMeta(wire, netip.MustParseAddr(addr))
		if err != nil || m.facts.Endpoint != want {
			t.Errorf("from %s: %+v, %v; want %+v", addr, m.facts.Endpoint, err, want)
		}
	}
}
