//go:build !race && !lab

package webtest

import (
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/virtbalance/virtbalance/balancer/api"
	"github.com/virtbalance/virtbalance/balancer/web"
)

// Three hundred hosts with six thousand VMs: what the page does with them is the
// same, whoever tells it of them; so the daemon is a made-up one.
func TestPageOfThreeHundredHosts(t *testing.T) {
	server := api.NewServer()
	f := fleet{start: time.Now(), hosts: 300, domains: 20}
	server.Show(f)
	server.ShowElsewhere(f)
	handler, err := web.Handler(web.Options{API: server.Handler()})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: handler, ReadHeaderTimeout: time.Second}
	go func() { _ = s.Serve(l) }() // until Close
	defer s.Close()
	browse(t, here, "many.mjs", "http://"+l.Addr().String()+"/", nil)
}
