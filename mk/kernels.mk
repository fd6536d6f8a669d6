# The same tests on the running kernel and on others under emulation, one table. Needs root, qemu and a static busybox.
#   make test-kernels [KERNELS="running 5.10 6.1 6.12"]
# A kernel that cannot be downloaded is skipped, or is a failure with OAITAP_KERNELS_REQUIRED=1. Downloads and logs are
# in $(O)/kernels.

KERNELS ?= running 5.10 6.1 6.12

test-kernels: $(O)/oaitap $(E2E_TOOLS) $(O)/tests/bpf/records_test $(O)/tests/bpf/ssl_calls $(O)/tests/bpf/block_test
	$(Q)PYTHONDONTWRITEBYTECODE=1 $(O)/venv/bin/python tests/kernels/run.py $(abspath $(O)) $(KERNELS)

.PHONY: test-kernels
