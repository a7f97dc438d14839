package gossip

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/hashicorp/memberlist"
)

// checkKeys returns every fault of a key list. It never shows a key.
func checkKeys(keys [][]byte) error {
	var faults []error
	for i, k := range keys {
		if memberlist.ValidateKey(k) != nil {
			faults = append(faults, fmt.Errorf("gossip.key_file: key %d has %d bytes, an AES key has 16, 24 or 32", i+1, len(k)))
		}
	}
	return errors.Join(faults...)
}

// Rekey replaces the keys while the gossip runs. The first encrypts, all
// decrypt. To rotate without losing a packet: add the new key behind the old
// one on every host, then put it first on every host, then drop the old one.
func (g *Gossip) Rekey(keys [][]byte) error {
	if g.keyring == nil {
		return errors.New("gossip.key_file: gossip was started without a key (gossip.insecure); a restart is needed to begin encrypting")
	}
	if len(keys) == 0 {
		return errors.New("gossip.key_file: no key; encryption cannot be given up without a restart")
	}
	if err := checkKeys(keys); err != nil {
		return err
	}
	g.rekeying.Lock()
	defer g.rekeying.Unlock()
	if err := rekey(g.keyring, keys); err != nil {
		return fmt.Errorf("rekey: %w", err)
	}
	g.log.Info("gossip keys replaced", "keys", len(keys))
	return nil
}

// rekey makes the ring hold exactly keys, the first as the primary.
//
// memberlist hands its key slice to readers without a copy, and RemoveKey
// shifts later keys within that same slice (keyring.go of v0.7.0): removing any
// but the last key races with decryption. So keys are only ever removed from
// the end. A key that has to go round that way is not accepted for some
// microseconds; gossip repeats itself enough not to notice.
func rekey(ring *memberlist.Keyring, keys [][]byte) error {
	for _, k := range keys {
		if err := ring.AddKey(bytes.Clone(k)); err != nil {
			return err
		}
	}
	if err := ring.UseKey(keys[0]); err != nil {
		return err
	}
	wanted := func(k []byte) bool {
		for _, w := range keys {
			if bytes.Equal(w, k) {
				return true
			}
		}
		return false
	}
	var back [][]byte
	for {
		ringKeys := ring.GetKeys()
		clean := true
		for _, k := range ringKeys {
			clean = clean && wanted(k)
		}
		if clean {
			break
		}
		last := ringKeys[len(ringKeys)-1]
		if wanted(last) {
			back = append(back, last)
		}
		if err := ring.RemoveKey(last); err != nil {
			return err
		}
	}
	for _, k := range back {
		if err := ring.AddKey(k); err != nil {
			return err
		}
	}
	return nil
}
