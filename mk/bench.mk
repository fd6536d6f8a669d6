# Measurements, side by side in one run. Nothing fails on a timing. The table is printed, all numbers are in
# $(O)/bench.json.
#   make bench [ROUNDS=5]

ROUNDS ?= 5

$(O)/bench/floor.bpf.o: bench/floor.bpf.c vmlinux/$(ARCH)/vmlinux.h
	$(call say,CLANG,$<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_FLAGS) -MMD -MP -c -o $@ $<

$(O)/bench/floor.skel.h: $(O)/bench/floor.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name floor_bpf > $@

$(O)/bench/floor.o: $(O)/bench/floor.skel.h

# The agent's code that places probes, with empty programs in place of the agent's.
$(O)/bench/floor: $(O)/bench/floor.o $(O)/agent/probe.a $(O)/agent/base.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LDLIBS)

bench: $(O)/oaitap $(O)/bench/floor $(E2E_TOOLS)
	$(Q)$(E2E_ENV) ROUNDS=$(ROUNDS) $(O)/venv/bin/python bench/overhead.py

.PHONY: bench
