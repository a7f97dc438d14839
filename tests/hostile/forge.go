package hostile

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

// The wire of memberlist v0.7.0 (net.go, security.go, label.go), as far as a
// forger needs it.
const (
	kindSuspect  = 3
	kindAlive    = 4
	kindDead     = 5
	kindPushPull = 6
	kindCompound = 7
	kindUser     = 8
	kindCompress = 9
	kindEncrypt  = 10
	kindLabel    = 244
)

type alive struct {
	Incarnation uint32
	Node        string
	Addr        []byte
	Port        uint16
	Meta        []byte
	Vsn         []byte
}

// accusation is a suspicion or a death.
type accusation struct {
	Incarnation uint32
	Node, From  string
}

type compressed struct {
	Algo uint8
	Buf  []byte
}

type pushPull struct {
	Nodes, UserStateLen int
	Join                bool
}

// encode writes a message. A forger's own types can always be encoded.
func encode(kind byte, message any) []byte {
	b := bytes.NewBuffer([]byte{kind})
	if err := codec.NewEncoder(b, &codec.MsgpackHandle{}).Encode(message); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// compound joins messages into one.
func compound(messages ...[]byte) []byte {
	b := []byte{kindCompound, byte(len(messages))}
	for _, m := range messages {
		b = binary.BigEndian.AppendUint16(b, uint16(len(m)))
	}
	return append(b, bytes.Join(messages, nil)...)
}

// bomb is a message of 60 KiB that becomes one of n bytes.
func bomb(kind byte, n int) []byte {
	var b bytes.Buffer
	w := lzw.NewWriter(&b, lzw.LSB, 8)
	_, _ = w.Write([]byte{kind})
	_, _ = io.CopyN(w, zeros{}, int64(n))
	_ = w.Close() // a Buffer takes everything
	return encode(kindCompress, compressed{Buf: b.Bytes()})
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// forger has the key.
type forger struct {
	label string
	gcm   cipher.AEAD
}

func newForger(label string, key []byte) (forger, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return forger{}, err
	}
	gcm, err := cipher.NewGCM(block)
	return forger{label, gcm}, err
}

func (f forger) head() []byte { return append([]byte{kindLabel, byte(len(f.label))}, f.label...) }

// packet seals a message for UDP. Version 1 is what daemons send.
func (f forger) packet(version byte, message []byte) []byte {
	return f.seal(f.head(), version, message, []byte(f.label))
}

// stream seals a message for TCP.
func (f forger) stream(message []byte) []byte {
	size := binary.BigEndian.AppendUint32([]byte{kindEncrypt}, uint32(1+12+len(message)+16))
	return f.seal(append(f.head(), size...), 1, message, append(bytes.Clone(size), f.label...))
}

func (f forger) seal(to []byte, version byte, message, aad []byte) []byte {
	nonce := make([]byte, 12)
	_, _ = rand.Read(nonce) // never fails, by its documentation
	to = append(append(to, version), nonce...)
	return f.gcm.Seal(to, nonce, message, aad)
}

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
	b := []byte{kindUser, 1, 1}
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
