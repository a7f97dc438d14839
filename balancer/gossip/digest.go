package gossip

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"time"

	"github.com/virtbalance/virtbalance/policy"
)

// DigestMax is the most bytes that a digest of this version takes. Together
// with the interval it decides how many hosts fit into memberlist's packets.
const DigestMax = 48

// hostKey stands for a host in a digest: the first bytes of the SHA-256 of its
// ID. Among 5000 hosts two share one with a probability of 4e-8; the second is
// then refused, loudly.
type hostKey [6]byte

func keyOf(id policy.HostID) hostKey {
	sum := sha256.Sum256([]byte(id))
	return hostKey(sum[:6])
}

// digest is one host's state on the wire:
//
//	offset size
//	 0     6   host key
//	 6     4   epoch: names one life of the sender's daemon; its meta has it too
//	10     4   sequence within the epoch, from 1
//	14     2   age of the state at sending, in ms; 65535 means that or more
//	16     1   band; the top bit says goodbye
//	17     2   flags
//	19     4   CPU used, in thousandths of a CPU
//	23     4   memory used, in MiB, rounded up
//	27     4   CPU promised
//	31     4   memory promised
//	35     2   pressure, in 1/10000
//	37     2   domains running
//	39     1   migrations in
//	40     1   migrations out
//
// Capacity is a fact and rides in the meta. Fields are only ever appended: a
// receiver ignores what follows the fields that it knows, and passes it on.
type digest struct {
	host    hostKey
	epoch   uint32
	seq     uint32
	age     time.Duration
	goodbye bool
	state   policy.HostState
}

const (
	digestSize = 41
	ageOffset  = 14
	goodbyeBit = 0x80

	// recordMax bounds the record that a newer version may send.
	recordMax = 96
)

func (d digest) append(b []byte) []byte {
	band := byte(d.state.Band) &^ goodbyeBit
	if d.goodbye {
		band |= goodbyeBit
	}
	s := d.state
	b = append(b, d.host[:]...)
	b = binary.BigEndian.AppendUint32(b, d.epoch)
	b = binary.BigEndian.AppendUint32(b, d.seq)
	b = binary.BigEndian.AppendUint16(b, millis(d.age))
	b = append(b, band)
	b = binary.BigEndian.AppendUint16(b, uint16(s.Flags))
	b = binary.BigEndian.AppendUint32(b, clamp[uint32](int64(s.Used.CPU)))
	b = binary.BigEndian.AppendUint32(b, mebibytes(s.Used.Memory))
	b = binary.BigEndian.AppendUint32(b, clamp[uint32](int64(s.Promised.CPU)))
	b = binary.BigEndian.AppendUint32(b, mebibytes(s.Promised.Memory))
	b = binary.BigEndian.AppendUint16(b, tenThousandths(s.Pressure))
	b = binary.BigEndian.AppendUint16(b, clamp[uint16](int64(s.Running)))
	return append(b, clamp[uint8](int64(s.Inbound)), clamp[uint8](int64(s.Outbound)))
}

// decodeDigest reads a record of this version or a newer one.
func decodeDigest(b []byte) (digest, error) {
	r := reader{b: b}
	var d digest
	copy(d.host[:], r.take(len(d.host)))
	d.epoch = r.uint32()
	d.seq = r.uint32()
	d.age = time.Duration(r.uint16()) * time.Millisecond
	band := r.byte()
	d.goodbye = band&goodbyeBit != 0
	if b := policy.Band(band &^ goodbyeBit); b <= policy.BandCritical {
		d.state.Band = b // a band that a newer version added reads as unknown
	}
	s := &d.state
	s.Flags = policy.HostFlags(r.uint16())
	s.Used.CPU = policy.MilliCPU(r.uint32())
	s.Used.Memory = policy.Bytes(r.uint32()) * policy.MiB
	s.Promised.CPU = policy.MilliCPU(r.uint32())
	s.Promised.Memory = policy.Bytes(r.uint32()) * policy.MiB
	s.Pressure = policy.Fraction(r.uint16()) / 10000
	s.Running = int(r.uint16())
	s.Inbound = int(r.byte())
	s.Outbound = int(r.byte())
	return d, r.err
}

// plausible reports whether a host of that capacity can be in that state. The
// factors leave room for a measurement during a change of capacity; a claim
// beyond them is a fault or a lie.
func plausible(s policy.HostState, capacity policy.Load) bool {
	const usedMax, promisedMax = 2, 4
	return s.Pressure <= 1 &&
		s.Used.CPU <= usedMax*capacity.CPU+1000 && s.Used.Memory <= usedMax*capacity.Memory+policy.GiB &&
		s.Promised.CPU <= promisedMax*capacity.CPU+1000 && s.Promised.Memory <= promisedMax*capacity.Memory+policy.GiB
}

// setAge writes the age into an encoded digest.
func setAge(record []byte, age time.Duration) {
	binary.BigEndian.PutUint16(record[ageOffset:], millis(age))
}

func millis(d time.Duration) uint16 { return clamp[uint16](d.Milliseconds()) }

// mebibytes rounds up: a host looks fuller rather than emptier than it is.
func mebibytes(b policy.Bytes) uint32 {
	return clamp[uint32](int64(max(0, b)+policy.MiB-1) / int64(policy.MiB))
}

func tenThousandths(f policy.Fraction) uint16 {
	if !f.Valid() {
		return 0
	}
	return clamp[uint16](int64(math.Round(min(float64(f), 1) * 10000)))
}

// clamp brings v into the range of T.
func clamp[T uint8 | uint16 | uint32](v int64) T {
	return T(min(max(0, v), int64(^T(0))))
}
