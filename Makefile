# Tasks of a developer: `make setup` once, then `make test`, `make lint`, ...
PYTHON ?= python3
BIN := .venv/bin

# Compilers and emulators of other processors in Debian and Ubuntu, for proofs of C code.
EMULATORS := gcc-arm-none-eabi libnewlib-arm-none-eabi libstdc++-arm-none-eabi-newlib \
	qemu-system-arm gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf qemu-system-misc \
	clang lld wasi-libc libclang-rt-dev-wasm32 nodejs cmake qemu-user \
	gcc-aarch64-linux-gnu libc6-dev-arm64-cross gcc-i686-linux-gnu libc6-dev-i386-cross \
	gcc-riscv64-linux-gnu libc6-dev-riscv64-cross gcc-s390x-linux-gnu libc6-dev-s390x-cross \
	gcc-powerpc64-linux-gnu libc6-dev-ppc64-cross
APT := $(if $(filter 0,$(shell id -u)),,sudo) apt-get

.PHONY: help setup emulators test slow lint format types imports docs benchmarks demo

help:  ## list the tasks
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

setup:  ## make a virtual environment with everything that the other tasks need
	$(PYTHON) -m venv .venv && $(BIN)/pip install -c constraints.txt -e ".[test]"

emulators:  ## install the compilers and emulators that slow tests use (Debian and Ubuntu)
	$(APT) update && $(APT) install -y --no-install-recommends $(EMULATORS)

test:  ## run the fast tests
	$(BIN)/python -m pytest

slow:  ## run the slow tests, minutes each
	$(BIN)/python -m pytest -m slow

lint:  ## check style
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

format:  ## mend style where a program can
	$(BIN)/ruff check --fix . && $(BIN)/ruff format .

types:  ## check types
	$(BIN)/mypy

imports:  ## check which package imports which
	$(BIN)/lint-imports

docs:  ## build the documentation site in build/site
	$(BIN)/mkdocs build --strict

benchmarks:  ## install what the benchmarks compare with, and count the structure of the source
	$(BIN)/pip install -c constraints.txt -e ".[benchmarks]" && $(BIN)/python -m benchmarks.structure

demo:  ## see every application work on built-in data
	$(BIN)/rnn-apps demo
