# The front door. Meson describes the build (meson.build); each of these is one
# thing that a person wants. CONTRIBUTING.md says more.
#
#   make run                          the main job, on a generated sample
#   make run SOURCE=file KEY=keyfile  the same on your own Signal backup
#   make test                         every test, two compilers, sanitizers
#   make build                        build/keepsay
#   make lint, interop, bench, clean

.PHONY: build run test interop lint bench clean deps

build:
	@tools/build.sh

deps:
	@tools/deps.sh

run:
	@tools/deps.sh
	@tools/build.sh
	@tools/demo.sh

test:
	@tools/deps.sh
	@tools/test.sh

interop:
	@tests/interop/run.sh

lint:
	@tools/deps.sh
	@tools/lint.sh

bench:
	@tools/deps.sh bench
	@tools/build.sh
	@/usr/bin/python3 bench/run.py

clean:
	rm -rf build build-*/
