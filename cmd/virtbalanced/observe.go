package main

import (
	"time"

	"github.com/virtbalance/virtbalance/balancer/operation"
	"github.com/virtbalance/virtbalance/policy"
)

// observer turns what happens into metrics.
type observer struct{}

func (*observer) Sampled(time.Duration, error, policy.Host, policy.Marks, []policy.Domain) {}
func (*observer) Decided(policy.Decision)                                                  {}
func (*observer) Asked(policy.Reason)                                                      {}
func (*observer) Promised(policy.Ledger)                                                   {}
func (*observer) Fleet([]policy.Host, time.Time)                                           {}
func (*observer) Progress(policy.Progress)                                                 {}
func (*observer) Advanced(operation.Operation)                                             {}
func (*observer) JournalWritten(error)                                                     {}
