# What a reader and the CI type. One profile (release) for everything, so that the world is built once.

CARGO ?= cargo

# With the places where the crash tests kill the program. One set of features, so that it is built once.
TESTED = --features failpoints

.PHONY: run test bench plugins check drift deny fuzz faults soak

# Builds, makes a demo folder (./sluice-data), imports samples and leaves the server up.
run:
	$(CARGO) build --locked --release
	target/release/sluice demo

# What is about files and calls alone, and runs once: on the usual database.
ELSEWHERE = --skip faults::hostile --skip faults::bodies --skip faults::races --skip faults::paths

# All tests, with what they need: real DICOM files, pydicom as an independent reader, XNAT's Python clients,
# schemathesis, which calls all that the OpenAPI document describes, PostgreSQL, on which all that touches a
# database runs a second time, and Chromium for the page.
test:
	tests/venv.sh
	target/venv/bin/python tests/real_files.py
	target/venv/bin/python tests/check_untouched_test.py
	$(CARGO) test --locked --release --no-fail-fast $(TESTED)
	tests/with_postgres.sh $(CARGO) test --locked --release --no-fail-fast $(TESTED) --lib --test suite -- $(ELSEWHERE)
	tests/venv.sh target/clients-venv tests/clients/requirements.txt
	target/clients-venv/bin/python tests/clients/main.py
	tests/venv.sh target/openapi-venv tests/openapi/requirements.txt
	target/openapi-venv/bin/python tests/openapi/main.py
	target/venv/bin/python tests/identity/main.py
	tests/page/setup.sh
	node --test --test-concurrency=1 tests/page/*.test.mjs

# Import throughput as a ratio to cp and sync of the same tree, beside other programs that are installed for it; what
# a caller notices of a server at work; and what rules cost for an instance.
bench:
	benches/rivals.sh
	$(CARGO) bench --locked --profile release --bench rules
	$(CARGO) bench --locked --profile release --bench import

# The long forms of what tests/suite does to a site that is to survive it, on both databases, and a table of it.
SUITE = $(CARGO) test --locked --release --no-fail-fast $(TESTED) --test suite --
FAULTS = faults:: crash:: kills:: several:: cluster:: damaged:: archives:: disk:: log:: metrics:: permissions::
faults: export SLUICE_TEST_KILLS ?= 200
faults: export SLUICE_TEST_DEATHS_STEP ?= 1
faults: export SLUICE_TEST_STOPS ?= 20
faults: export SLUICE_TEST_FILLS ?= 5
faults: export SLUICE_TEST_ROUNDS ?= 100
faults: export SLUICE_TEST_RACES ?= 400
faults: export SLUICE_TEST_EMPTY_FILES ?= 1000000
faults: export SLUICE_TEST_SEVERAL ?= 300
faults:
	tests/tabled.sh '$(SUITE) $(FAULTS)' 'tests/with_postgres.sh $(SUITE) $(FAULTS)'

# A site under everything at once for SOAK_MINUTES: nothing is lost, and the server does not grow.
SOAK_MINUTES ?= 60
soak: export SLUICE_TEST_SOAK_SECONDS = $(shell expr $(SOAK_MINUTES) '*' 60)
soak:
	tests/tabled.sh '$(SUITE) soak::'

# Rebuilds the WebAssembly modules that ship, from their sources.
plugins:
	plugins/build.sh

check: drift
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --release --all-targets $(TESTED) -- -D warnings

# What is generated and committed must match its sources.
drift:
	plugins/check-drift.sh

# Licences, bans and sources of all dependencies; and known advisories, where their database can be reached.
ADVISORIES = https://github.com/RustSec/advisory-db
deny: target/tools/bin/cargo-deny
	target/tools/bin/cargo-deny --locked check licenses bans sources
	@if GIT_TERMINAL_PROMPT=0 timeout 30 git ls-remote --exit-code $(ADVISORIES) HEAD >/dev/null 2>&1; then \
		target/tools/bin/cargo-deny --locked check advisories && echo "advisories: checked"; \
	else \
		echo "advisories: not checked, as $(ADVISORIES) can't be reached"; \
	fi

target/tools/bin/cargo-deny:
	$(CARGO) install --locked --root target/tools cargo-deny

# Each fuzz target for FUZZ_SECONDS, or those in FUZZ_TARGETS; prints executions and findings.
FUZZ_SECONDS ?= 60
fuzz: target/tools/bin/cargo-fuzz
	FUZZ_SECONDS=$(FUZZ_SECONDS) fuzz/run.sh $(FUZZ_TARGETS)

target/tools/bin/cargo-fuzz:
	$(CARGO) install --locked --root target/tools cargo-fuzz
