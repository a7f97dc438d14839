# make soak runs it; 100 000 seeds take about an hour on one core.
.PHONY: soak-disaster
soak: soak-disaster

SOAK_SEEDS ?= 100000
SOAK_FIRST ?= 1

soak-disaster: ## let $(SOAK_SEEDS) simulated clusters live through disasters
	go test ./tests/disaster -run TestStorm -v -count 1 -timeout 0 -seeds $(SOAK_SEEDS) -first $(SOAK_FIRST)
