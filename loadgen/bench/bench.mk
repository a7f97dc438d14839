.PHONY: bench-loadgen
bench-loadgen: ## judge loadgen and other load generators on this machine (root)
	loadgen/bench/run $(BENCH_LOADGEN_FLAGS)
