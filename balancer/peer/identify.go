package peer

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/virtbalance/virtbalance/policy"
)

// Identify says whether a certificate, already verified against the CA, is that
// of the host which claims to ask: nil if it is.
type Identify func(cert *x509.Certificate, claimed policy.HostID) error

// IdentifyByName accepts a certificate that carries the URI urn:uuid:<claimed>,
// or else, if it carries no such URI at all, a DNS name or an IP address among
// those that lookup gives for the host. A wildcard names no host and a common
// name is not looked at.
func IdentifyByName(lookup func(policy.HostID) (names []string, ok bool)) Identify {
	return func(cert *x509.Certificate, claimed policy.HostID) error {
		if ids := certifiedIDs(cert); len(ids) > 0 {
			return certifiedAs(ids, claimed)
		}
		names, ok := lookup(claimed)
		if !ok {
			return fmt.Errorf("host %s is not known here yet, and the certificate carries no urn:uuid: URI", claimed)
		}
		for _, name := range names {
			if carries(cert, name) {
				return nil
			}
		}
		return fmt.Errorf("the certificate is for %s, host %s is known as %s",
			listed(certificateNames(cert)), claimed, listed(names))
	}
}

// certifiedIDs are the host IDs in a certificate's URIs.
func certifiedIDs(cert *x509.Certificate) []policy.HostID {
	var ids []policy.HostID
	for _, uri := range cert.URIs {
		if strings.EqualFold(uri.Scheme, "urn") && len(uri.Opaque) > 5 && strings.EqualFold(uri.Opaque[:5], "uuid:") {
			ids = append(ids, policy.HostID(strings.ToLower(uri.Opaque[5:])))
		}
	}
	return ids
}

func certifiedAs(ids []policy.HostID, claimed policy.HostID) error {
	if slices.Contains(ids, claimed) {
		return nil
	}
	return fmt.Errorf("the certificate is that of host %.60q, not of %s", string(ids[0]), claimed)
}

// carries reports whether the certificate was issued for exactly that name or
// address.
func carries(cert *x509.Certificate, name string) bool {
	if addr, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		addr = addr.Unmap().WithZone("")
		for _, ip := range cert.IPAddresses {
			if have, ok := netip.AddrFromSlice(ip); ok && have.Unmap() == addr {
				return true
			}
		}
		return false
	}
	name = strings.TrimSuffix(name, ".")
	for _, have := range cert.DNSNames {
		if name != "" && !strings.Contains(have, "*") && strings.EqualFold(strings.TrimSuffix(have, "."), name) {
			return true
		}
	}
	return false
}

// errNames: the server was reached by names that its certificate is not for.
var errNames = errors.New("the server's certificate is not for this host")

// identifyServer checks the certificate of a server: valid for one of the names
// it is reached by, and not that of a host with another UUID.
func identifyServer(cert *x509.Certificate, target policy.HostID, names []string) error {
	if ids := certifiedIDs(cert); len(ids) > 0 {
		if err := certifiedAs(ids, target); err != nil {
			return fmt.Errorf("%w: %w", errNames, err)
		}
	}
	for _, name := range names {
		if name != "" && cert.VerifyHostname(strings.Trim(name, "[]")) == nil {
			return nil
		}
	}
	return fmt.Errorf("%w: it is for %s, the host was reached as %s", errNames, listed(certificateNames(cert)), listed(names))
}

func certificateNames(cert *x509.Certificate) []string {
	names := append([]string(nil), cert.DNSNames...)
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	return names
}

// listed shows a few of the names.
func listed(names []string) string {
	const few = 6
	if len(names) == 0 {
		return "no name"
	}
	more := ""
	if len(names) > few {
		names, more = names[:few], ", ..."
	}
	return printable(strings.Join(names, ", ")) + more
}
