// Package peer is what two daemons say to each other: about one move (reserve,
// renew, finish, locate), and for the operator who asks one daemon about the
// whole fleet (report, explain). It runs over HTTP/2 with mutual TLS by host
// certificate; bodies are small JSON objects, one question and one answer each.
//
// Gossip is a hint; this is where a target promises room, so this is where
// identity is checked. It is not the place for judgement: whether there is room
// is decided by the Handler, what becomes of a refusal by the caller.
//
// # Who is who
//
// Certificates are libvirt's own by default: a host that may migrate by TLS may
// speak here. A client accepts a server whose certificate chains to the CA and
// is valid for the name or address it was reached by, or for the name its
// libvirt is reached by. A server accepts a client whose certificate chains to
// the CA and which Identify connects with the host that it claims to be: by the
// URI urn:uuid:<host UUID> in the certificate, else by a name or an address that
// gossip tells of that host.
//
// The weaker of the two trusts whoever can write gossip: somebody who holds the
// gossip key and a certificate of the CA can pass for another host. With the
// UUID in the certificates, the CA alone decides. An impostor can take room and
// end promises. It can give orders as well (relay), of the kind that an operator
// gives: drain, cordon, move one domain by the ordinary way with all its checks,
// unless the host obeys none from outside (peer.orders).
//
// Who may give orders is decided where they are given, by the permissions of
// that daemon's socket: daemons trust each other to have looked.
//
// # Invariants
//
//   - The Handler sees no request that is not identified, bounded and validated.
//   - Every message names who asks and who is asked; both are checked at the
//     receiving end, and an answer is accepted only from the host that was asked.
//   - Connections, requests at once, requests per second, header and body size
//     and time are bounded, each per peer and in total; what is turned away is
//     counted by its Refusal.
//   - A certificate file that changes takes effect without a restart, also on
//     connections that are already open.
//   - Unknown JSON fields are ignored and unknown words read as the value that
//     permits nothing, so a newer and an older daemon work together.
package peer
