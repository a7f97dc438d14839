# Benchmarks of the policy. Traces and fleets are data and not in the repository:
#   make bench-policy TRACES=DIR FLEETS=DIR
# Without TRACES, made-up traces are used; without FLEETS, planning is left out.
.PHONY: bench-policy bench-policy-hbal bench-policy-day

bench-policy: check-go ## run the experiments of docs/benchmarks.md (TRACES=DIR FLEETS=DIR)
	go run ./policy/sim/cmd/vbsim --experiment 1 $(if $(TRACES),--traces $(TRACES))
	go run ./policy/sim/cmd/vbsim --experiment 2 $(if $(TRACES),--traces $(TRACES))
	$(if $(FLEETS),go run ./policy/sim/cmd/vbsim --experiment 3 --fleets $(FLEETS))
	go test -run '^$$' -bench . -benchmem ./policy/...

bench-policy-hbal: check-go ## plan fleets beside Ganeti's hbal (FLEETS=DIR); takes minutes
	@[ -n "$(FLEETS)" ] || { echo "make bench-policy-hbal needs FLEETS=DIR, a folder with KIND-N.nodes.csv and KIND-N.vms.csv"; exit 1; }
	go run ./policy/sim/cmd/vbsim --experiment 3 --fleets $(FLEETS) --hbal 40

bench-policy-day: check-go ## simulate a day of 5000 hosts with 20 VMs each
	go run ./policy/sim/cmd/vbsim day --hosts 5000 --vms 20
