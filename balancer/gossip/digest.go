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
const DigestMax = 48 + 1 + 2*policy.GroupsTold + 9

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
//	bytes
//	6     host key
//	4     epoch: names one life of the sender's daemon; its meta has it too
//	2     age of the state at sending, in ms; 65535 means that or more
//	1..5  sequence within the epoch, from 1
//	1     band; the top bit says goodbye
//	1..3  flags
//	1..4  CPU used, in thousandths of a CPU
//	1..5  memory used, in MiB, rounded up
//	1..4  CPU promised
//	1..5  memory promised
//	2     pressure, in 1/10000
//	1..3  domains running
//	1     migrations in
//	1     migrations out
//	1     groups that follow; older versions end before this
//	2 x   a group each: policy.GroupKey
//	2     CPU forecast, in 1/10000; 0: not told
//	1..4  CPU reserved
//	1..5  memory reserved
//
// Numbers of variable length are unsigned varints: a usual digest has 30 bytes
// and two more for each group, none has more than DigestMax. Capacity is a fact and rides in the meta.
// Fields are only ever appended: a receiver ignores what follows the fields
// that it knows, and passes it on.
type digest struct {
	host    hostKey
	epoch   uint32
	age     time.Duration
	seq     uint32
	goodbye bool
	state   policy.HostState
}

const (
	ageOffset  = 10
	goodbyeBit = 0x80

	// recordMin and recordMax bound a record: the fixed fields with every
	// varint at its shortest, and room for what newer versions append.
	recordMin = 24
	recordMax = 96

	// cpuMax is a quarter of a million CPUs; aheadMax what two bytes hold.
	cpuMax   = 1<<28 - 1
	aheadMax = 6.5535
)

func (d digest) append(b []byte) []byte {
	band := byte(d.state.Band) &^ goodbyeBit
	if d.goodbye {
		band |= goodbyeBit
	}
	s := d.state
	b = append(b, d.host[:]...)
	b = binary.BigEndian.AppendUint32(b, d.epoch)
	b = binary.BigEndian.AppendUint16(b, millis(d.age))
	b = binary.AppendUvarint(b, uint64(d.seq))
	b = append(b, band)
	b = binary.AppendUvarint(b, uint64(s.Flags))
	b = binary.AppendUvarint(b, clamp(s.Used.CPU, cpuMax))
	b = binary.AppendUvarint(b, mebibytes(s.Used.Memory))
	b = binary.AppendUvarint(b, clamp(s.Promised.CPU, cpuMax))
	b = binary.AppendUvarint(b, mebibytes(s.Promised.Memory))
	b = binary.BigEndian.AppendUint16(b, tenThousandths(s.Pressure, 1))
	b = binary.AppendUvarint(b, clamp(s.Running, math.MaxUint16))
	b = append(b, byte(clamp(s.Inbound, math.MaxUint8)), byte(clamp(s.Outbound, math.MaxUint8)))
	b = appendGroups(b, s.Groups)
	b = binary.BigEndian.AppendUint16(b, tenThousandths(s.Ahead, aheadMax))
	b = binary.AppendUvarint(b, clamp(s.Reserved.CPU, cpuMax))
	return binary.AppendUvarint(b, mebibytes(s.Reserved.Memory))
}

func appendGroups(b []byte, groups policy.GroupSet) []byte {
	count := len(b)
	b = append(b, 0)
	for _, k := range groups {
		if k != 0 {
			b = binary.BigEndian.AppendUint16(b, uint16(k))
			b[count]++
		}
	}
	return b
}

// groups reads groups; of a newer version's that tells more, the first.
func (r *reader) groups() (groups policy.GroupSet) {
	n := 0
	for range r.byte() {
		if k := policy.GroupKey(r.uint16()); k.Members() > 0 && n < len(groups) {
			groups[n] = k
			n++
		}
	}
	return groups
}

// decodeDigest reads a record of this version or a newer one.
func decodeDigest(b []byte) (digest, error) {
	r := reader{b: b}
	var d digest
	copy(d.host[:], r.take(len(d.host)))
	d.epoch = r.uint32()
	d.age = time.Duration(r.uint16()) * time.Millisecond
	d.seq = uint32(r.uvarint(math.MaxUint32))
	band := r.byte()
	d.goodbye = band&goodbyeBit != 0
	if b := policy.Band(band &^ goodbyeBit); b <= policy.BandCritical {
		d.state.Band = b // a band that a newer version added reads as unknown
	}
	s := &d.state
	s.Flags = policy.HostFlags(r.uvarint(math.MaxUint16))
	s.Used.CPU = policy.MilliCPU(r.uvarint(cpuMax))
	s.Used.Memory = policy.Bytes(r.uvarint(math.MaxUint32)) * policy.MiB
	s.Promised.CPU = policy.MilliCPU(r.uvarint(cpuMax))
	s.Promised.Memory = policy.Bytes(r.uvarint(math.MaxUint32)) * policy.MiB
	s.Pressure = policy.Fraction(r.uint16()) / 10000
	s.Running = int(r.uvarint(math.MaxUint16))
	s.Inbound = int(r.byte())
	s.Outbound = int(r.byte())
	if r.err == nil && len(r.b) > 0 { // what older versions do not tell
		s.Groups = r.groups()
	}
	if r.err == nil && len(r.b) > 0 {
		s.Ahead = policy.Fraction(r.uint16()) / 10000
	}
	if r.err == nil && len(r.b) > 0 {
		s.Reserved.CPU = policy.MilliCPU(r.uvarint(cpuMax))
		s.Reserved.Memory = policy.Bytes(r.uvarint(math.MaxUint32)) * policy.MiB
	}
	return d, r.err
}

// plausible reports whether a host of that capacity can be in that state. The
// factors leave room for a measurement during a change of capacity; a claim
// beyond them is a fault or a lie. A capacity of zero is one that the host does
// not know yet.
func plausible(s policy.HostState, capacity policy.Load) bool {
	const usedMax, promisedMax = 2, 4
	within := func(l policy.Load, factor int64) bool {
		return (capacity.CPU == 0 || l.CPU <= policy.MilliCPU(factor)*capacity.CPU) &&
			(capacity.Memory == 0 || l.Memory <= policy.Bytes(factor)*capacity.Memory)
	}
	return s.Pressure <= 1 && within(s.Used, usedMax) && within(s.Promised, promisedMax) && within(s.Reserved, 1)
}

// setAge writes the age into an encoded digest.
func setAge(record []byte, age time.Duration) {
	binary.BigEndian.PutUint16(record[ageOffset:], millis(age))
}

func millis(d time.Duration) uint16 { return uint16(clamp(d.Milliseconds(), math.MaxUint16)) }

// mebibytes rounds up: a host looks fuller rather than emptier than it is.
func mebibytes(b policy.Bytes) uint64 {
	return clamp((max(0, b)+policy.MiB-1)/policy.MiB, math.MaxUint32)
}

func tenThousandths(f policy.Fraction, most float64) uint16 {
	if !f.Valid() {
		return 0
	}
	return uint16(math.Round(min(float64(f), most) * 10000))
}

// clamp brings v into the range 0..limit.
func clamp[T ~int | ~int64](v T, limit uint64) uint64 {
	return min(uint64(max(0, v)), limit)
}
