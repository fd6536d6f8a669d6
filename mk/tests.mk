# The BPF programs against a small OpenSSL program.

$(O)/tests/bpf/ssl_calls: tests/bpf/ssl_calls.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu17 -g -O1 $(WARN) -o $@ $< -lssl -lcrypto

$(O)/tests/bpf/records_test: $(O)/tests/bpf/records_test.o $(call objs,tests/unit/support/*.c) $(O)/agent/probe.a $(O)/agent/ring.a $(O)/agent/base.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LDLIBS) -lcmocka

bpf-test: $(O)/tests/bpf/records_test $(O)/tests/bpf/ssl_calls
	$(Q)$< $(O)/tests/bpf/ssl_calls

.PHONY: bpf-test
