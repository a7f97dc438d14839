package libvirt

import (
	"net"
	"strings"
	"testing"
	"time"
)

func TestWhereATargetIs(t *testing.T) {
	for in, want := range map[string]struct{ data, libvirt string }{
		"qemu+tls://h2/system":                     {"tcp://h2", "h2:16514"},
		"qemu://h2/system":                         {"tcp://h2", "h2:16514"},
		"qemu+tcp://10.0.0.2:16000/system":         {"tcp://10.0.0.2", "10.0.0.2:16000"},
		"qemu+tls://[fd00::2]/system?pkipath=/p":   {"tcp://[fd00::2]", "[fd00::2]:16514"},
		"qemu+ssh://root@h2/system":                {"tcp://h2", "h2:22"},
		"qemu+unix:///system?socket=/run/x":        {"", ""},
		"qemu+ext://h2/system?command=/usr/bin/nc": {"tcp://h2", ""},
		"test:///default":                          {"", ""},
		"%":                                        {"", ""},
	} {
		if got := dataURI(in); got != want.data {
			t.Errorf("%s: data to %q, want %q", in, got, want.data)
		}
		if got := libvirtAddress(in); got != want.libvirt {
			t.Errorf("%s: libvirt at %q, want %q", in, got, want.libvirt)
		}
	}
}

func TestProbe(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	uri := "qemu+tcp://" + l.Addr().String() + "/system"
	if err := probe(t.Context(), uri, time.Minute); err != nil {
		t.Errorf("a port that listens: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := probe(t.Context(), uri, time.Minute); err == nil || !strings.Contains(err.Error(), "not reachable") {
		t.Errorf("a port that does not listen: %v", err)
	}
	for _, skipped := range []error{
		probe(t.Context(), uri, 0), probe(t.Context(), "qemu+unix:///system?socket=/none", time.Minute),
	} {
		if skipped != nil {
			t.Errorf("nothing to look at: %v", skipped)
		}
	}
}
