package main

import (
	"testing"

	"github.com/virtbalance/virtbalance/balancer/config"
)

func TestOrdersOfStrangersAreNotObeyed(t *testing.T) {
	for _, tt := range []struct {
		listen           string
		insecure, orders bool
		want             bool
	}{
		{"0.0.0.0:17451", false, true, true},
		{"0.0.0.0:17451", false, false, false},
		{"0.0.0.0:17451", true, true, false},
		{":17451", true, true, false},
		{"hv1.example.org:17451", true, true, false},
		{"127.0.0.1:17451", true, true, true},
		{"[::1]:17451", true, true, true},
		{"127.0.0.1:17451", true, false, false},
	} {
		if got := obeys(config.Peer{Listen: tt.listen, Insecure: tt.insecure, Orders: tt.orders}); got != tt.want {
			t.Errorf("%+v: %t", tt, got)
		}
	}
}
