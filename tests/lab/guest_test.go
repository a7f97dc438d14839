package lab

import (
	"strings"
	"testing"
)

func TestGuestXML(t *testing.T) {
	l := &Lab{opts: Options{Name: "test", Dir: "/tmp/vblab-test"}}
	text, err := l.guestXML(GuestSpec{
		Name: "vm1", Load: 30, MemoryMiB: 64, VCPUs: 2, FillMiB: -1,
		Metadata: `<x:y xmlns:x="urn:x">z</x:y>`, Extra: "<on_reboot>destroy</on_reboot>",
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{
		"<name>vm1</name>", "<vcpu>2</vcpu>", "name=vm1 load=30 dirty=0 fill=0 every=100",
		`<metadata><x:y xmlns:x="urn:x">z</x:y></metadata>`, "<on_reboot>destroy</on_reboot>",
		"/tmp/vblab-test/consoles/vm1",
	} {
		if !strings.Contains(text, part) {
			t.Errorf("no %s in\n%s", part, text)
		}
	}
}

func TestGuestSpecFaults(t *testing.T) {
	l := &Lab{opts: Options{Name: "test", Dir: "/tmp/vblab-test"}}
	for _, s := range []GuestSpec{
		{},
		{Name: "a b"},
		{Name: strings.Repeat("x", 32)},
		{Name: "vm", MemoryMiB: 8},
		{Name: "vm", VCPUs: 17},
		{Name: "vm", Load: 101},
		{Name: "vm", Metadata: "<open>"},
		{Name: "vm", Every: 5},
	} {
		if text, err := l.guestXML(s); err == nil {
			t.Errorf("%+v was accepted:\n%s", s, text)
		}
	}
}
