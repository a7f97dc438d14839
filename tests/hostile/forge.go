package hostile

import (
	"encoding/binary"

	"github.com/virtbalance/virtbalance/balancer/gossip/gossiptest"
)

// digest is a state as package gossip writes it (digest.go), of anything.
func digest(host [6]byte, epoch, seq uint32, cpu, memory uint64) []byte {
	b := append([]byte{}, host[:]...)
	b = binary.BigEndian.AppendUint32(b, epoch)
	b = append(b, 0, 0)
	b = binary.AppendUvarint(b, uint64(seq))
	b = append(b, 1, 0) // band, flags
	for _, n := range []uint64{cpu, memory, 0, 0} {
		b = binary.AppendUvarint(b, n)
	}
	return append(b, 0, 0, 1, 0, 0, 0) // pressure, running, in, out, groups
}

// batch is a user message of digests.
func batch(digests ...[]byte) []byte {
	b := []byte{gossiptest.User, 1, 1}
	for _, d := range digests {
		b = append(append(b, byte(len(d))), d...)
	}
	return b
}

// facts are a host's, as package gossip writes them (meta.go).
func facts(name string, epoch uint32) []byte {
	b := binary.BigEndian.AppendUint32([]byte{1}, epoch)
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 1)
	for _, n := range []uint64{4000, 16 << 30, 9000000, 7002000} {
		b = binary.AppendUvarint(b, n)
	}
	for _, text := range []string{name, ":9", ""} {
		b = append(append(b, byte(len(text))), text...)
	}
	return append(b, 0, 0) // labels, CPU model
}
