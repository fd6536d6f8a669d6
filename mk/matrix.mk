# Clients of the fidelity matrix (tests/e2e/test_matrix.py) and some that cannot be read, in $(O)/matrix. Versions are pinned in tests/support/matrix.
# What cannot be made here is left out: $(O)/matrix/NAME.why says why, and its rows are skipped with that text.

MATRIX_SRC  := tests/support/matrix
MATRIX_ALL  := c-system c-static c-dlopen c-openssl11 java rust-system rust-vendored rustls

# try(NAME, COMMAND): COMMAND's last words become the reason.
matrix_try   = if $(2) > $(O)/matrix/$(1).log 2>&1; then rm -f $(O)/matrix/$(1).why; else tail -3 $(O)/matrix/$(1).log > $(O)/matrix/$(1).why; fi

matrix: $(MATRIX_ALL:%=$(O)/matrix/%.made)
e2e e2e-full e2e-tools: matrix

MATRIX_CFLAGS := -D_GNU_SOURCE -std=gnu17 -O1 -g $(WARN) -Wno-deprecated-declarations
MATRIX_C_SRC  := $(sort $(wildcard $(MATRIX_SRC)/*.c))
MATRIX_C_DEP  := $(MATRIX_C_SRC) $(wildcard $(MATRIX_SRC)/*.h)

# A client that knows nothing of us: never with the sanitizers.
$(O)/matrix/c-system.made: $(MATRIX_C_DEP)
	$(call say,CC,$(@:.made=))
	@mkdir -p $(@D)
	$(Q)$(CC) $(MATRIX_CFLAGS) -o $(@:.made=) $(MATRIX_C_SRC) -lssl -lcrypto -lpthread
	$(Q)touch $@

# Symbols in .symtab only.
$(O)/matrix/c-static.made: $(MATRIX_C_DEP)
	$(call say,CC,$(@:.made=))
	@mkdir -p $(@D)
	$(Q)$(CC) $(MATRIX_CFLAGS) -o $(@:.made=) $(MATRIX_C_SRC) -Wl,-Bstatic -lssl -lcrypto -Wl,-Bdynamic -lpthread -ldl
	$(Q)touch $@

# libssl by dlopen, from a copy as Python wheels carry it.
$(O)/matrix/c-dlopen.made: $(MATRIX_C_DEP)
	$(call say,CC,$(@:.made=))
	@mkdir -p $(@D)
	$(Q)$(CC) $(MATRIX_CFLAGS) -DMATRIX_DLOPEN -o $(@:.made=) $(MATRIX_C_SRC) -lcrypto -lpthread -ldl
	$(Q)cp "$$($(CC) -print-file-name=libssl.so.3)" $(O)/matrix/libssl-3a1b2c3d.so.3
	$(Q)touch $@

$(O)/matrix/c-openssl11.made: $(MATRIX_SRC)/openssl11.sh $(MATRIX_C_DEP)
	$(call say,CC,$(@:.made=))
	@mkdir -p $(@D)
	$(Q)$(call matrix_try,c-openssl11,$< $(O)/matrix/openssl11 $(CC) $(MATRIX_CFLAGS) -o $(abspath $(@:.made=)) $(abspath $(MATRIX_C_SRC)))
	$(Q)touch $@

$(O)/matrix/java.made: $(MATRIX_SRC)/java/pom.xml $(MATRIX_SRC)/java/MatrixClient.java
	$(call say,MVN,$(@:.made=))
	@rm -rf $(@:.made=) && mkdir -p $(@:.made=)
	$(Q)$(call matrix_try,java,mvn -q -B -f $< dependency:copy-dependencies -DoutputDirectory=$(abspath $(@:.made=))/jars \
	  && javac -cp '$(@:.made=)/jars/*' -d $(@:.made=) $(MATRIX_SRC)/java/MatrixClient.java)
	$(Q)touch $@

MATRIX_CARGO = cargo build --release --locked --manifest-path $(MATRIX_SRC)/rust/Cargo.toml --target-dir $(O)/matrix/rust-target

$(O)/matrix/rust-system.made: $(wildcard $(MATRIX_SRC)/rust/Cargo.* $(MATRIX_SRC)/rust/src/*)
	$(call say,CARGO,$(@:.made=))
	@mkdir -p $(@D)
	$(Q)$(call matrix_try,rust-system,$(MATRIX_CARGO) && cp $(O)/matrix/rust-target/release/matrix-rust $(@:.made=))
	$(Q)touch $@

# OpenSSL built from source.
$(O)/matrix/rust-vendored.made: $(wildcard $(MATRIX_SRC)/rust/Cargo.* $(MATRIX_SRC)/rust/src/*)
	$(call say,CARGO,$(@:.made=))
	@mkdir -p $(@D)
	$(Q)$(call matrix_try,rust-vendored,$(MATRIX_CARGO) --features vendored && cp $(O)/matrix/rust-target/release/matrix-rust $(@:.made=))
	$(Q)touch $@

# Not OpenSSL: for tests/e2e/test_blind.py.
$(O)/matrix/rustls.made: $(wildcard $(MATRIX_SRC)/rustls/Cargo.* $(MATRIX_SRC)/rustls/src/*)
	$(call say,CARGO,$(@:.made=))
	@mkdir -p $(@D)
	$(Q)$(call matrix_try,rustls,cargo build --release --locked --manifest-path $(MATRIX_SRC)/rustls/Cargo.toml \
	  --target-dir $(O)/matrix/rust-target && cp $(O)/matrix/rust-target/release/matrix-rustls $(@:.made=))
	$(Q)touch $@

.PHONY: matrix
