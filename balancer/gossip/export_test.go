package gossip

import (
	"github.com/virtbalance/virtbalance/policy"
)

// What tests need in order to speak as a peer that is not this program, or not
// this version of it.

// EncodeMeta writes facts.
func EncodeMeta(f policy.HostFacts, epoch uint32) ([]byte, error) { return encodeMeta(f, epoch) }

// EncodeDigest writes a digest.
func EncodeDigest(id policy.HostID, epoch, seq uint32, s policy.HostState) []byte {
	return digest{host: keyOf(id), epoch: epoch, seq: seq, state: s}.append(nil)
}

// EncodeBatch writes a batch of records.
func EncodeBatch(records ...[]byte) []byte {
	batch := appendBatchHeader(nil)
	for _, r := range records {
		batch = appendRecord(batch, r)
	}
	return batch
}

// Epoch returns the epoch in which this host numbers its digests.
func (g *Gossip) Epoch() uint32 { return g.outbox.currentEpoch() }
