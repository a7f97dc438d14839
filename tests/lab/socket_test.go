//go:build lab

package lab_test

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/tests/lab"
	"github.com/virtbalance/virtbalance/tests/lab/labtest"
)

// TestSockets: this program listens on a host and connects from the machine, in
// a network in which it is not.
func TestSockets(t *testing.T) {
	l := labtest.Up(t, lab.Options{Hosts: 1})
	ctx := within(t, 20*time.Second)
	h1 := l.Host("h1")
	listener, err := h1.Listen(ctx, h1.Address+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		c, err := listener.Accept()
		if err != nil {
			return // the other end says so
		}
		defer c.Close()
		_, _ = io.WriteString(c, "hello "+c.RemoteAddr().(*net.TCPAddr).IP.String())
	}()
	c, err := l.Machine().Dial(ctx, listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if said, err := io.ReadAll(c); err != nil || string(said) != "hello "+l.Machine().Address {
		t.Errorf("h1 says %q (%v), want it to greet the machine", said, err)
	}
	if c, err := l.Machine().Dial(ctx, "h1:80"); err == nil {
		c.Close()
		t.Error("a name was looked up, somewhere")
	}
}
