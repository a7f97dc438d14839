# Benchmarks of the policy. Traces and fleets are data and not in the repository:
#   make bench-policy TRACES=DIR FLEETS=DIR
# Without TRACES, made-up traces are used; without FLEETS, planning is left out.
.PHONY: bench-policy
bench-policy:
	go run ./policy/sim/cmd/vbsim --experiment 1 $(if $(TRACES),--traces $(TRACES))
	$(if $(TRACES),go run ./policy/sim/cmd/vbsim --experiment 2 --traces $(TRACES))
	$(if $(FLEETS),go run ./policy/sim/cmd/vbsim --experiment 3 --fleets $(FLEETS))
	go test -run '^$$' -bench . -benchmem ./policy/...
