# make            the program: build/release/everseal
# make demo       see it work: a CA, an nginx with seven sites, all of them put on HTTPS
# make test       everything that is tested, in one run of ctest
# make bench      beside Debian's other ACME clients, and its CA beside pebble
# make install    into PREFIX [/usr/local]
# Each installs what it needs from Debian first.

PREFIX ?= /usr/local
JOBS ?= $(shell nproc)
# End-to-end tests wait more than they work.
TEST_JOBS ?= $(shell expr 2 \* $(JOBS))

build: build-release

build-release: TARGET = everseal
build-release build-dev build-fuzz: build-%: deps-build
	@cmake --preset $* $(if $(filter fuzz,$*),-DEVERSEAL_FUZZ_SECONDS=$(FUZZ_SECONDS)) >/dev/null
	@cmake --build --preset $* --parallel $(JOBS) --target $(or $(TARGET),all)

build-fuzz: deps-test

deps-%:
	@scripts/install-deps.sh $*

demo: build-release deps-test
	@demo/run

test: build-release build-dev build-fuzz deps-test
	@cmake --build --preset release --parallel $(JOBS) --target year_test
	@ctest --test-dir build/dev --parallel $(TEST_JOBS) --output-on-failure

bench: build-release
	@bench/peers.sh
	@bench/ca.sh

# FUZZ_SECONDS=3600: for each target [60 for those of nginx, 15 for others]
fuzz: build-fuzz
	@ctest --test-dir build/fuzz --parallel $(JOBS) --output-on-failure

crash: build-release deps-test
	@/usr/bin/python3 tests/crash/kill_everywhere.py --fault KILL --fault ENOSPC
	@/usr/bin/python3 tests/crash/power_cut.py

format: deps-test
	@scripts/format.sh

tidy: build-dev deps-test
	@scripts/tidy.sh

install: build-release
	@install -D -m 755 build/release/everseal $(DESTDIR)$(PREFIX)/bin/everseal
	@install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/everseal systemd/as-root.conf systemd/everseal.cron
	@install -D -m 644 -t $(DESTDIR)$(PREFIX)/lib/systemd/system $(wildcard systemd/*.service systemd/*.socket systemd/*.timer)
	@sed -i 's|/usr/local/bin/everseal|$(PREFIX)/bin/everseal|' $(DESTDIR)$(PREFIX)/lib/systemd/system/everseal*.service

clean:
	@rm -rf build

.NOTPARALLEL:
.PHONY: build build-release build-dev build-fuzz demo test bench crash fuzz format tidy install clean
