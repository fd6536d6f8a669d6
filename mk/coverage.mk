# Line coverage of the unit tests, by gcov, in a build folder of its own. Fails if the sum of a stage of COVERAGE_FLOOR is
# below MINIMUM percent.

MINIMUM         ?= 90
COVERAGE_O      := build-cov
COVERAGE_STAGES := base http openai identity
COVERAGE_FLOOR  := http openai

ifdef COVERAGE
# Lines are counted as they are written, and _FORTIFY_SOURCE wants an optimizer.
CFLAGS  += -O0 -U_FORTIFY_SOURCE --coverage
LDFLAGS += --coverage
endif

# What an earlier run counted does not count.
coverage:
	$(Q)if [ -d $(COVERAGE_O) ]; then find $(COVERAGE_O) -name '*.gcda' -delete; fi
	$(Q)set -e; for s in $(COVERAGE_STAGES); do \
	  $(MAKE) --no-print-directory O=$(COVERAGE_O) COVERAGE=1 SANITIZE= unit T=$$s; done
	$(Q)tests/support/coverage.py --minimum $(MINIMUM) --floor '$(COVERAGE_FLOOR)' $(COVERAGE_O) $(COVERAGE_STAGES)

.PHONY: coverage
