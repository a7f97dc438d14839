// Package peer is what two daemons say to each other about one move: reserve,
// renew, finish, locate. It runs over HTTP/2 with mutual TLS by host
// certificate.
//
// Gossip is a hint; this is where a target promises room, so this is where
// identity is checked.
package peer
