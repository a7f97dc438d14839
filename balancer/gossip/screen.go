package gossip

import (
	"bufio"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/hashicorp/go-msgpack/v2/codec"
	"github.com/hashicorp/memberlist"
)

// screen looks at what arrives before memberlist does, and keeps from it what no
// daemon sends and what memberlist v0.7.0 does not bear. Whoever has the key
// could otherwise end every daemon with a packet each (an empty or wrongly
// padded payload makes memberlist panic), or have 64 KiB decompressed to 40 MiB,
// a thousand times over (hashicorp/memberlist#362 has the ratio). What cannot be
// opened at all is left to memberlist, which says why.
//
// Everything is decrypted twice, which at seventeen packets a second is nothing.
type screen struct {
	label   string
	keyring *memberlist.Keyring // nil: not encrypted
	// streamMax bounds the bytes of one stream, nodesMax the hosts in it.
	streamMax, nodesMax int
}

func newScreen(o Options, keyring *memberlist.Keyring) screen {
	// A member takes some 400 bytes, digest and facts together, and memberlist
	// tells for a while of those that are gone.
	const perHost, base = 640, 64 << 10
	return screen{label: o.Label, keyring: keyring, streamMax: base + perHost*o.MaxHosts, nodesMax: 2*o.MaxHosts + 64}
}

// The types of messages of memberlist v0.7.0 (net.go) that the screen knows.
const (
	msgPushPull = 6
	msgCompound = 7
	msgUser     = 8
	msgCompress = 9
	msgEncrypt  = 10
	msgCRC      = 12
	msgLabel    = 244
)

var (
	errCompressed = errors.New("compressed, which no virtbalanced sends")
	errNested     = errors.New("a packet in a packet in a packet")
	errOldCipher  = errors.New("encrypted in a way that no virtbalanced uses")
	errEmpty      = errors.New("nothing is in it")
	errUserStream = errors.New("a message by stream, which no virtbalanced sends")
)

// errUnreadable leaves it to memberlist to say what is wrong.
var errUnreadable = errors.New("unreadable")

// packet says why a packet is kept from memberlist, or nil.
func (s screen) packet(b []byte) error {
	label, b, ok := cutLabel(b)
	if !ok || label != s.label {
		return nil // memberlist refuses it and says so
	}
	if s.keyring != nil {
		plain, err := s.open(b, []byte(label))
		if errors.Is(err, errUnreadable) {
			return nil // the same
		}
		if err != nil {
			return err
		}
		b = plain
	}
	if len(b) >= 5 && b[0] == msgCRC {
		b = b[5:]
	}
	return message(b, false)
}

// message judges a message, or those in a compound one.
func message(b []byte, inside bool) error {
	if len(b) == 0 {
		return errEmpty
	}
	switch {
	case b[0] == msgCompress:
		return errCompressed
	case b[0] != msgCompound:
		return nil
	case inside:
		return errNested
	}
	b = b[1:]
	if len(b) < 1 || len(b) < 1+2*int(b[0]) {
		return nil // memberlist refuses it
	}
	n := int(b[0])
	lengths, parts := b[1:1+2*n], b[1+2*n:]
	for i := range n {
		size := int(binary.BigEndian.Uint16(lengths[2*i:]))
		if size > len(parts) {
			return nil // cut off: memberlist stops here, too
		}
		if err := message(parts[:size], true); err != nil {
			return err
		}
		parts = parts[size:]
	}
	return nil
}

// stream reads what a stream begins with, and judges it. What it has read is
// returned, for memberlist to read again. Only who opens a stream puts the label
// before it.
func (s screen) stream(r io.Reader, incoming bool) (head []byte, err error) {
	var read bytes.Buffer
	// Buffered, as memberlist reads: who closes a connection before it has read
	// what came resets it, and its last words are lost.
	r = bufio.NewReader(io.TeeReader(io.LimitReader(r, int64(s.streamMax)), &read))
	err = s.judge(r, incoming)
	if errors.Is(err, errUnreadable) {
		err = nil
	}
	return read.Bytes(), err
}

func (s screen) judge(r io.Reader, incoming bool) error {
	kind, err := readByte(r)
	if err != nil {
		return errUnreadable
	}
	label := s.label
	if incoming {
		label = ""
		if kind == msgLabel {
			if label, kind, err = readLabel(r); err != nil {
				return errUnreadable
			}
		}
		if label != s.label {
			return errUnreadable
		}
	}
	if s.keyring == nil {
		return s.exchange(kind, r)
	}
	if kind != msgEncrypt {
		return errUnreadable
	}
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return errUnreadable
	}
	n := binary.BigEndian.Uint32(size[:])
	if int64(n) > int64(s.streamMax) {
		return fmt.Errorf("a stream of %d bytes, at most %d have a meaning", n, s.streamMax)
	}
	var sealed bytes.Buffer // grows with what comes, not with what was announced
	if _, err := io.CopyN(&sealed, r, int64(n)); err != nil {
		return errUnreadable
	}
	aad := append(append([]byte{msgEncrypt}, size[:]...), label...)
	plain, err := s.open(sealed.Bytes(), aad)
	if err != nil {
		return err
	}
	return s.exchange(plain[0], bytes.NewReader(plain[1:]))
}

// exchange judges the one message of a stream.
func (s screen) exchange(kind byte, r io.Reader) error {
	switch kind {
	case msgCompress:
		return errCompressed
	case msgUser:
		return errUserStream
	case msgPushPull:
		var header struct{ Nodes, UserStateLen int }
		if codec.NewDecoder(r, &codec.MsgpackHandle{}).Decode(&header) != nil {
			return errUnreadable
		}
		if header.Nodes > s.nodesMax || header.UserStateLen > s.streamMax {
			return fmt.Errorf("tells of %d hosts in %d bytes and more", header.Nodes, header.UserStateLen)
		}
	}
	return nil
}

// open decrypts a payload of memberlist's version 1: a byte that says so, a
// nonce, and what AES-GCM has sealed. What it returns is not empty.
func (s screen) open(b, aad []byte) ([]byte, error) {
	const version, nonce = 1, 12
	if len(b) < 1+nonce {
		return nil, errUnreadable
	}
	for _, key := range s.keyring.GetKeys() {
		block, err := aes.NewCipher(key)
		if err != nil {
			continue // cannot be: keys are checked
		}
		gcm, err := cipher.NewGCM(block)
		if err != nil {
			continue
		}
		plain, err := gcm.Open(nil, b[1:1+nonce], b[1+nonce:], aad)
		switch {
		case err != nil:
			continue
		case b[0] != version:
			return nil, errOldCipher
		case len(plain) == 0:
			return nil, errEmpty
		default:
			return plain, nil
		}
	}
	return nil, errUnreadable
}

// cutLabel takes the label off a packet.
func cutLabel(b []byte) (label string, rest []byte, ok bool) {
	if len(b) == 0 || b[0] != msgLabel {
		return "", b, true
	}
	if len(b) < 2 || len(b) < 2+int(b[1]) {
		return "", nil, false
	}
	n := 2 + int(b[1])
	return string(b[2:n]), b[n:], true
}

// readLabel reads a label and the type that follows it.
func readLabel(r io.Reader) (label string, kind byte, err error) {
	n, err := readByte(r)
	if err != nil {
		return "", 0, err
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return "", 0, err
	}
	kind, err = readByte(r)
	return string(text), kind, err
}

func readByte(r io.Reader) (byte, error) {
	var b [1]byte
	_, err := io.ReadFull(r, b[:])
	return b[0], err
}
