package gossiptest

import (
	"bytes"
	"compress/lzw"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"io"

	"github.com/hashicorp/go-msgpack/v2/codec"
)

// The types of messages on the wire of memberlist v0.7.0 (net.go, label.go), as
// far as a forger needs them.
const (
	Suspect  = 3
	Alive    = 4
	Dead     = 5
	PushPull = 6
	Compound = 7
	User     = 8
	Compress = 9
	Encrypt  = 10
	CRC      = 12
	Label    = 244
)

// Member is what Alive says of a host, and what follows States for each.
type Member struct {
	Incarnation uint32
	Node        string
	Addr        []byte
	Port        uint16
	Meta        []byte
	State       int // not in Alive
	Vsn         []byte
}

// Accusation is what Suspect and Dead say.
type Accusation struct {
	Incarnation uint32
	Node, From  string
}

// States is what PushPull begins with: so many Members and bytes follow.
type States struct {
	Nodes, UserStateLen int
	Join                bool
}

// Encode writes a message. A forger's own types can always be encoded.
func Encode(kind byte, message any) []byte {
	b := bytes.NewBuffer([]byte{kind})
	if err := codec.NewEncoder(b, &codec.MsgpackHandle{}).Encode(message); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// Join makes one compound message of several.
func Join(messages ...[]byte) []byte {
	b := []byte{Compound, byte(len(messages))}
	for _, m := range messages {
		b = binary.BigEndian.AppendUint16(b, uint16(len(m)))
	}
	return append(b, bytes.Join(messages, nil)...)
}

// Bomb is a compressed message, of 60 KiB at most, that becomes one of n bytes.
func Bomb(kind byte, n int) []byte {
	var b bytes.Buffer
	w := lzw.NewWriter(&b, lzw.LSB, 8)
	_, _ = w.Write([]byte{kind})
	_, _ = io.CopyN(w, zeros{}, int64(n))
	_ = w.Close() // a Buffer takes everything
	return Encode(Compress, struct {
		Algo uint8
		Buf  []byte
	}{Buf: b.Bytes()})
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// Forger has the key of a cluster, and seals whatever it is given.
type Forger struct {
	Label string
	gcm   cipher.AEAD
}

// NewForger takes the key, of 16, 24 or 32 bytes.
func NewForger(label string, key []byte) (Forger, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return Forger{}, err
	}
	gcm, err := cipher.NewGCM(block)
	return Forger{label, gcm}, err
}

func (f Forger) head() []byte { return append([]byte{Label, byte(len(f.Label))}, f.Label...) }

// Packet seals a message for UDP. Version 1 is what daemons send.
func (f Forger) Packet(version byte, message []byte) []byte {
	return f.seal(f.head(), version, message, []byte(f.Label))
}

// Stream seals a message for TCP.
func (f Forger) Stream(message []byte) []byte {
	size := binary.BigEndian.AppendUint32([]byte{Encrypt}, uint32(1+12+len(message)+16))
	return f.seal(append(f.head(), size...), 1, message, append(bytes.Clone(size), f.Label...))
}

func (f Forger) seal(to []byte, version byte, message, aad []byte) []byte {
	nonce := make([]byte, 12)
	_, _ = rand.Read(nonce) // never fails, by its documentation
	to = append(append(to, version), nonce...)
	return f.gcm.Seal(to, nonce, message, aad)
}
