# Tasks of a developer: `make setup` once, then `make test`, `make lint`, ...
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help setup test slow lint format types imports docs benchmarks demo

help:  ## list the tasks
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

setup:  ## make a virtual environment with everything that the other tasks need
	$(PYTHON) -m venv .venv && $(BIN)/pip install -c constraints.txt -e ".[test]"

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
