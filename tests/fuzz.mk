.PHONY: fuzz
fuzz: check-go ## fuzz everything that reads what others wrote, FUZZTIME (30s) for each target
	.ci/fuzz $(FUZZ)
