package fake

import (
	"crypto/sha256"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/virtbalance/virtbalance/policy"
)

// Duration is a time.Duration that JSON writes as "1m30s".
type Duration time.Duration

// MarshalText writes the duration as time.Duration prints it.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads what time.ParseDuration reads, if it is not negative.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil || v < 0 {
		return fmt.Errorf("%q is no duration such as \"1m30s\"", b)
	}
	*d = Duration(v)
	return nil
}

// Size is an amount of memory, or of memory per second, that JSON writes as
// "512MiB" (KiB, MiB and GiB, whole numbers).
type Size policy.Bytes

// The usual sizes.
const (
	KiB Size = 1 << 10
	MiB Size = 1 << 20
	GiB Size = 1 << 30
)

var sizeUnits = []struct {
	name string
	unit Size
}{{"GiB", GiB}, {"MiB", MiB}, {"KiB", KiB}, {"B", 1}}

// MarshalText writes the size with the largest unit that divides it.
func (s Size) MarshalText() ([]byte, error) {
	for _, u := range sizeUnits {
		if s%u.unit == 0 && s != 0 {
			return []byte(strconv.FormatInt(int64(s/u.unit), 10) + u.name), nil
		}
	}
	return []byte("0B"), nil
}

// UnmarshalText reads a whole number with a unit.
func (s *Size) UnmarshalText(b []byte) error {
	for _, u := range sizeUnits {
		number, ok := strings.CutSuffix(string(b), u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
		if err != nil || n < 0 || n > int64(1<<60/u.unit) {
			break
		}
		*s = Size(n) * u.unit
		return nil
	}
	return fmt.Errorf("%q is no size such as \"512MiB\"", b)
}

// HostID is the ID of the host with this name, the same in every world.
func HostID(name string) policy.HostID { return policy.HostID(uuid("host", name)) }

// DomainID is the ID of the domain with this name, the same in every world.
func DomainID(name string) policy.DomainID { return policy.DomainID(uuid("domain", name)) }

// uuid derives a version 8 UUID (RFC 9562, section 5.8) from a name.
func uuid(kind, name string) string {
	sum := sha256.Sum256([]byte("virtbalance simulated " + kind + " " + name))
	b := sum[:16]
	b[6] = b[6]&0x0f | 0x80
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:16])
}
