package fake_test

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/hypervisor"
	"github.com/virtbalance/virtbalance/hypervisor/fake"
	"github.com/virtbalance/virtbalance/policy"
)

// served is a live world at a socket, until the test ends.
func served(t *testing.T, s fake.Spec) (*fake.World, *fake.Server, string) {
	t.Helper()
	w := newLive(t, s)
	socket := filepath.Join(t.TempDir(), "world.sock")
	server, err := fake.Listen(socket, w)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return w, server, socket
}

func open(t *testing.T, url string) *fake.Hypervisor {
	t.Helper()
	h, c, err := fake.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

func TestServerAnswersGarbage(t *testing.T) {
	_, _, socket := served(t, pair())
	for _, c := range []struct{ send, want string }{
		{"hello\n", "request: invalid character"},
		{`{"call":"dance"}` + "\n", `call \"dance\" is unknown`},
		{`{"call":"facts","host":"h9"}` + "\n", `host \"h9\" is not in this world`},
		{`{"call":"migrate"}` + "\n", "transfer is missing"},
		{`{"call":"preflight"}` + "\n", "description is missing"},
		{`{"call":"settle"}` + "\n", "handoff is missing"},
		{`{"call":"do"}` + "\n", "action is missing"},
		{`{"call":"do","action":{"do":"explode"}}` + "\n", "is unknown"},
		{strings.Repeat("x", 5<<20), ""}, // longer than any request: no answer
	} {
		conn, err := net.Dial("unix", socket)
		if err != nil {
			t.Fatal(err)
		}
		go func() { _, _ = conn.Write([]byte(c.send)) }() // fails when the server hangs up
		_ = conn.SetReadDeadline(time.Now().Add(30 * time.Second))
		answer, err := bufio.NewReader(conn).ReadString('\n')
		if c.want != "" && err != nil || !strings.Contains(answer, c.want) {
			t.Errorf("%.30q: answer %q, %v, want %q in it", c.send, answer, err, c.want)
		}
		_ = conn.Close()
	}
}

func TestClosingTheServerEndsCalls(t *testing.T) {
	_, server, socket := served(t, pair())
	h1 := open(t, "sim:unix:"+socket)
	outcome := make(chan policy.Outcome, 1)
	begun := make(chan struct{}, 100)
	go func() {
		outcome <- h1.Migrate(context.Background(), to("vm1", "h2"), func(policy.Progress) { begun <- struct{}{} })
	}()
	<-begun
	idle, err := net.Dial("unix", socket) // says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	if err := server.Close(); err != nil {
		t.Error(err)
	}
	if o := <-outcome; o.Result != policy.Unknown {
		t.Errorf("outcome %+v", o)
	}
	if _, err := h1.Facts(t.Context()); err == nil {
		t.Error("a closed server answers")
	}
	if _, err := os.Stat(socket); err == nil {
		t.Error("the socket is left behind")
	}
}

// What Go's errors.Is finds here, it finds on the other side of the socket.
func TestRemoteErrorsAndHangs(t *testing.T) {
	w, _, socket := served(t, pair())
	h1 := open(t, "sim:unix:"+socket+"?host=h1")
	check := func(when string, err error, want ...error) {
		t.Helper()
		for _, target := range want {
			if !errors.Is(err, target) {
				t.Errorf("%s: %v is not %v", when, err, target)
			}
		}
	}
	do(t, w, fake.Action{Do: fake.LibvirtDown, Host: "h1"})
	s, err := h1.Sample(t.Context())
	check("down", err, fake.ErrDown)
	if !s.Host.Known || s.DomainsKnown {
		t.Errorf("sample %+v", s)
	}
	if why, _ := h1.Preflight(t.Context(), hypervisor.Description{Domain: fake.DomainID("vm1")}); why != policy.PreflightFailed {
		t.Errorf("preflight: %s", why)
	}

	do(t, w, fake.Action{Do: fake.LibvirtUp, Host: "h1"})
	do(t, w, fake.Action{Do: fake.LibvirtHang, Host: "h1"})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	s, err = h1.Sample(ctx)
	check("hung", err, fake.ErrHung)
	if !s.Host.Known || s.DomainsKnown {
		t.Errorf("the host's part is lost with a hung libvirt: %+v", s)
	}
}

func TestRemoteWorld(t *testing.T) {
	_, _, socket := served(t, pair())
	c := fake.Dial(socket)
	if err := c.Do(t.Context(), fake.Action{Do: fake.PowerOff, Host: "h2"}); err != nil {
		t.Fatal(err)
	}
	if err := c.Do(t.Context(), fake.Action{Do: fake.PowerOff, Host: "h9"}); err == nil {
		t.Error("an unknown host was powered off")
	}
	r, err := c.Report(t.Context())
	if err != nil || len(r.Hosts) != 2 || !r.Hosts[1].Off || len(r.Hosts[0].Domains) != 2 {
		t.Errorf("%+v, %v", r, err)
	}
	text := r.String()
	for _, want := range []string{"h1", "50.0%", "vm1", "running", "0.60 CPU", "h2       off"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

func TestServeByURL(t *testing.T) {
	dir := t.TempDir()
	socket, file := filepath.Join(dir, "world.sock"), filepath.Join(dir, "world.json")
	if err := os.WriteFile(file, []byte(world), 0o600); err != nil {
		t.Fatal(err)
	}
	open(t, "sim:unix:"+socket+"?serve=true&host=h2&world="+file)
	facts, err := open(t, "sim:unix:"+socket+"?host=h1").Facts(t.Context())
	if err != nil || facts.Name != "h1" || facts.Capacity.CPU != 4000 {
		t.Errorf("%+v, %v", facts, err)
	}
	if _, _, err := fake.Open(t.Context(), "sim:unix:"+socket+"?serve=true"); err == nil || !strings.Contains(err.Error(), "another process serves") {
		t.Errorf("served twice: %v", err)
	}
}

// Daemons may start before the world does.
func TestWorldThatIsNotThereYet(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "world.sock")
	h1 := open(t, "sim:unix:"+socket)
	if _, err := h1.Facts(t.Context()); !errors.Is(err, fake.ErrDown) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("facts: %v", err)
	}
	if o := h1.Migrate(t.Context(), to("vm1", "h2"), nil); o.Result != policy.Failed {
		t.Errorf("migrate: %+v", o)
	}
	if o := h1.Watch(t.Context(), fake.DomainID("vm1"), nil); o.Result != policy.Unknown {
		t.Errorf("watch: %+v", o)
	}
	server, err := fake.Listen(socket, newLive(t, pair()))
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	if facts, err := h1.Facts(t.Context()); err != nil || facts.Name != "h1" {
		t.Errorf("%+v, %v", facts, err)
	}
}

// A socket that a killed server has left is taken over; a file is not.
func TestListenTakesOverADeadSocket(t *testing.T) {
	dir := t.TempDir()
	socket := filepath.Join(dir, "world.sock")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: socket, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	_ = dead.Close()
	server, err := fake.Listen(socket, newLive(t, pair()))
	if err != nil {
		t.Fatal(err)
	}
	_ = server.Close()

	if err := os.WriteFile(socket, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := fake.Listen(socket, newLive(t, pair())); err == nil || !strings.Contains(err.Error(), "is no socket") {
		t.Errorf("a file was replaced: %v", err)
	}
}
