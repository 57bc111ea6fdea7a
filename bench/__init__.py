"""What gradent adds to the agent, measured beside its peers: `make bench`.

`python -m bench` sets up what it needs below `.bench/`, measures, judges by the budgets, and writes `bench/results/`
and `docs/speed.svg`. `docs/testing.md` says how to read it.
"""
