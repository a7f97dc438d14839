package gossip

import (
	"bytes"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/hashicorp/memberlist"
	"pgregory.net/rapid"
)

func TestRekeyLeavesExactlyTheNewKeys(t *testing.T) {
	keys := rapid.SliceOfNDistinct(rapid.ByteRange(1, 6), 1, 6, rapid.ID)
	expand := func(bs []byte) (out [][]byte) {
		for _, b := range bs {
			out = append(out, bytes.Repeat([]byte{b}, 32))
		}
		return out
	}
	rapid.Check(t, func(t *rapid.T) {
		first := expand(keys.Draw(t, "first"))
		ring, err := memberlist.NewKeyring(first, first[0])
		if err != nil {
			t.Fatal(err)
		}
		// Readers must never race with a change: run with -race.
		stop := make(chan struct{})
		var readers sync.WaitGroup
		readers.Go(func() {
			for sum := byte(0); ; {
				for _, k := range ring.GetKeys() {
					sum += k[0]
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
		defer readers.Wait()
		defer close(stop)

		for range 3 {
			want := expand(keys.Draw(t, "next"))
			if err := rekey(ring, want); err != nil {
				t.Fatal(err)
			}
			got := ring.GetKeys()
			if !bytes.Equal(got[0], want[0]) {
				t.Fatalf("primary %d, want %d", got[0][0], want[0][0])
			}
			same := func(a, b [][]byte) bool {
				return !slices.ContainsFunc(a, func(k []byte) bool {
					return !slices.ContainsFunc(b, func(o []byte) bool { return bytes.Equal(k, o) })
				})
			}
			if len(got) != len(want) || !same(got, want) {
				t.Fatalf("%d keys on the ring, want %d", len(got), len(want))
			}
		}
	})
}

func TestKeyFaultsShowNoKey(t *testing.T) {
	secret := []byte("attack at dawn")
	err := checkKeys([][]byte{bytes.Repeat([]byte{1}, 32), secret})
	if err == nil || !strings.Contains(err.Error(), "key 2 has 14 bytes") || strings.Contains(err.Error(), "dawn") {
		t.Errorf("got %v", err)
	}
}
