# End-to-end tests and the demo: real clients against a stand-in endpoint, in namespaces of their own. Need root.
#   make e2e [T=fidelity]   every cell REPEAT times (default 2)      make e2e-full   50 times
#   make demo               a look at it, half a minute
# What they need is made in $(O): a Python environment, npm packages, generators of load and storms. Versions are pinned in
# tests/support/requirements.txt and tests/support/node/package-lock.json.

REPEAT   ?= 2
# The system's Python, if it can make environments, uses the system's libssl: that is what most services do.
VENV_PY   = $(firstword $(foreach p,/usr/bin/python3 python3,$(shell $(p) -c 'import ensurepip, venv' 2>/dev/null && echo $(p))))
E2E_TOOLS = $(O)/venv/made $(O)/node/made $(O)/loadgen $(O)/storm
E2E_ENV   = OAITAP_BUILD=$(abspath $(O)) PYTHONDONTWRITEBYTECODE=1
E2E_RUN   = $(E2E_ENV) OAITAP_REPEAT=$(1) $(O)/venv/bin/python -m pytest -c tests/e2e/pytest.ini --rootdir tests/e2e \
	    $(if $(T),tests/e2e/test_$(T).py,tests/e2e) $(PYTEST_ARGS)

$(O)/venv/made: tests/support/requirements.txt
	$(call say,VENV,$(@D))
	$(Q)rm -rf $(@D)
	$(Q)test -n "$(VENV_PY)" || { echo "no Python with the venv module: make deps" >&2; exit 1; }
	$(Q)$(VENV_PY) -m venv $(@D)
	$(Q)$(@D)/bin/pip install --quiet --disable-pip-version-check --no-deps -r $<
	$(Q)$(@D)/bin/pip check --disable-pip-version-check >/dev/null
	$(Q)touch $@

$(O)/node/made: tests/support/node/package.json tests/support/node/package-lock.json
	$(call say,NPM,$(@D))
	$(Q)rm -rf $(@D) && mkdir -p $(@D) && cp $^ $(@D)
	$(Q)cd $(@D) && npm ci --ignore-scripts --no-audit --no-fund --silent
	$(Q)touch $@

# Never with the sanitizers: it stands for programs that know nothing of us.
$(O)/loadgen: tests/support/loadgen.c
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -D_GNU_SOURCE -std=gnu17 -O2 -g $(WARN) -o $@ $< -lssl -lcrypto -lpthread

$(O)/storm: tests/support/storm.c
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -D_GNU_SOURCE -std=gnu17 -O2 -g $(WARN) -o $@ $<

e2e-tools: $(E2E_TOOLS)

e2e: $(O)/oaitap $(E2E_TOOLS)
	$(Q)$(call E2E_RUN,$(REPEAT))

e2e-full: $(O)/oaitap $(E2E_TOOLS)
	$(Q)$(call E2E_RUN,50)

demo: $(O)/oaitap $(E2E_TOOLS)
	$(Q)$(E2E_ENV) $(O)/venv/bin/python tests/support/demo.py

.PHONY: e2e e2e-full e2e-tools demo
