// Package balancer is the imperative shell of the daemon: it gathers facts for
// the policy, carries out what the policy decides, and feeds the outcome back
// as a fact.
//
// It is not the place for judgement: which domain moves, where to and when is
// decided in package policy, on values.
package balancer
