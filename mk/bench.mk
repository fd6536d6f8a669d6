# Measurements, side by side in one run. Nothing fails on a timing.

bench: $(O)/oaitap $(E2E_TOOLS)
	$(Q)$(E2E_ENV) $(O)/venv/bin/python bench/overhead.py

.PHONY: bench
