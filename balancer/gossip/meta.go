package gossip

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/virtbalance/virtbalance/policy"
)

// MetaMax is the most bytes of facts that a host may tell. memberlist allows
// 512, but the meta rides in every alive message and in every push/pull: at 300
// bytes it delays joins and deaths (20 s to converge at 100 hosts).
const MetaMax = 200

// metaVersion is the schema of the facts. Fields are only ever appended: a
// decoder ignores what follows the fields that it knows, and reads the ones
// that an older sender leaves out as zero. What cannot be done so needs another
// DelegateProtocolVersion.
const metaVersion = 1

// The bounds of what a host may say of its size. The largest hosts of today
// have less than a thousandth of it.
const (
	maxCPU    policy.MilliCPU = 1_000_000 * 1000
	maxMemory policy.Bytes    = 1 << 50
)

// modelMax bounds the CPU model, which only people read: a longer one is cut.
const modelMax = 32

var errShort = errors.New("ends too early")

// meta is what node meta carries: the facts, and the epoch that this life of
// the daemon numbers its digests in.
type meta struct {
	facts policy.HostFacts // without ID, which is the node name
	epoch uint32
}

// encodeMeta writes the facts; the error names the configuration keys that make
// them too long.
func encodeMeta(f policy.HostFacts, epoch uint32) ([]byte, error) {
	switch {
	case f.Capacity.CPU < 0 || f.Capacity.CPU > maxCPU:
		return nil, fmt.Errorf("host capacity: CPU %d out of range 0..%d thousandths", f.Capacity.CPU, maxCPU)
	case f.Capacity.Memory < 0 || f.Capacity.Memory > maxMemory:
		return nil, fmt.Errorf("host capacity: memory %d out of range 0..%d bytes", f.Capacity.Memory, maxMemory)
	}
	labels := 0
	for _, l := range f.Labels {
		if err := checkText("host.labels", l); err != nil {
			return nil, err
		}
		labels += 1 + len(l)
	}
	for _, field := range []struct{ key, text string }{
		{"host.name", f.Name}, {"peer.advertise", f.Endpoint.Peer}, {"libvirt.migration_address", f.Endpoint.Migration},
	} {
		if err := checkText(field.key, field.text); err != nil {
			return nil, err
		}
	}

	b := []byte{metaVersion}
	b = binary.BigEndian.AppendUint32(b, epoch)
	b = binary.BigEndian.AppendUint64(b, f.CPUFingerprint)
	b = binary.AppendUvarint(b, uint64(f.Capacity.CPU))
	b = binary.AppendUvarint(b, uint64(f.Capacity.Memory))
	b = binary.AppendUvarint(b, uint64(f.LibvirtVersion))
	b = binary.AppendUvarint(b, uint64(f.HypervisorVersion))
	b = appendText(b, f.Name)
	b = appendText(b, f.Endpoint.Peer)
	b = appendText(b, f.Endpoint.Migration)
	b = append(b, byte(len(f.Labels)))
	for _, l := range f.Labels {
		b = appendText(b, l)
	}
	room := MetaMax - len(b) - 1
	if room < 0 || len(f.Labels) > 255 {
		return nil, fmt.Errorf("the facts that the other hosts are told take %d bytes, %d fit: shorten host.labels (%d bytes), host.name (%d), peer.advertise (%d) or libvirt.migration_address (%d)",
			len(b)+1, MetaMax, labels, len(f.Name), len(f.Endpoint.Peer), len(f.Endpoint.Migration))
	}
	return appendText(b, cut(printable(f.CPUModel), min(room, modelMax))), nil
}

// decodeMeta reads facts. addr is where the host gossips from: it stands in for
// the hosts that the endpoint leaves empty.
func decodeMeta(b []byte, addr netip.Addr) (meta, error) {
	r := reader{b: b}
	var m meta
	if v := r.byte(); v < 1 && r.err == nil {
		return meta{}, fmt.Errorf("schema version %d", v)
	}
	m.epoch = r.uint32()
	f := &m.facts
	f.CPUFingerprint = r.uint64()
	f.Capacity.CPU = policy.MilliCPU(r.uvarint(uint64(maxCPU)))
	f.Capacity.Memory = policy.Bytes(r.uvarint(uint64(maxMemory)))
	f.LibvirtVersion = uint32(r.uvarint(1<<32 - 1))
	f.HypervisorVersion = uint32(r.uvarint(1<<32 - 1))
	f.Name = r.text()
	f.Endpoint.Peer = r.text()
	f.Endpoint.Migration = r.text()
	for range r.byte() {
		f.Labels = append(f.Labels, r.text())
		if r.err != nil {
			break
		}
	}
	f.CPUModel = r.text()
	if r.err != nil {
		return meta{}, r.err
	}

	if p := f.Endpoint.Peer; p != "" {
		host, port, err := net.SplitHostPort(p)
		if err != nil {
			return meta{}, fmt.Errorf("peer address %q: %w", p, err)
		}
		if host == "" {
			f.Endpoint.Peer = net.JoinHostPort(addr.String(), port)
		}
	}
	if f.Endpoint.Migration == "" && addr.IsValid() {
		f.Endpoint.Migration = addr.String()
	}
	return m, nil
}

// textMax is the longest text: its length is sent as one byte.
const textMax = 255

// checkText refuses what cannot be sent in one length byte, or would spoil a
// terminal or a log.
func checkText(key, text string) error {
	if len(text) > textMax {
		return fmt.Errorf("%s (%q...): at most %d bytes", key, cut(text, 20), textMax)
	}
	if printable(text) != text {
		return fmt.Errorf("%s (%q): only printable UTF-8 is allowed", key, text)
	}
	return nil
}

// printable drops what is not a printable character.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, text)
}

// cut returns at most n bytes of text, in whole characters.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}

func appendText(b []byte, text string) []byte {
	return append(append(b, byte(len(text))), text...)
}

// reader takes fields off a message. After the first fault every further field
// reads as zero, so that a decoder checks once, at the end.
type reader struct {
	b   []byte
	err error
}

func (r *reader) take(n int) []byte {
	if r.err != nil || len(r.b) < n {
		if r.err == nil {
			r.err = errShort
		}
		return make([]byte, n)
	}
	taken := r.b[:n]
	r.b = r.b[n:]
	return taken
}

func (r *reader) byte() byte     { return r.take(1)[0] }
func (r *reader) uint16() uint16 { return binary.BigEndian.Uint16(r.take(2)) }
func (r *reader) uint32() uint32 { return binary.BigEndian.Uint32(r.take(4)) }
func (r *reader) uint64() uint64 { return binary.BigEndian.Uint64(r.take(8)) }

func (r *reader) uvarint(limit uint64) uint64 {
	if r.err != nil {
		return 0
	}
	v, n := binary.Uvarint(r.b)
	switch {
	case n <= 0:
		r.err = errShort
		return 0
	case v > limit:
		r.err = fmt.Errorf("value %d exceeds %d", v, limit)
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) text() string {
	text := string(bytes.Clone(r.take(int(r.byte()))))
	if r.err == nil && bytes.Equal([]byte(printable(text)), []byte(text)) {
		return text
	}
	if r.err == nil {
		r.err = errors.New("holds text that is not printable")
	}
	return ""
}
