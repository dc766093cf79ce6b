"""Advice with a receipt: a finding becomes a scenario, which runs before and after the remedy, in turns.

scenario   what is run, as a value: a set-up, the fault, the remedies
target     where it runs: the bundled engine, or a Milvus
run        rounds in turns (A B A B …), and what was measured
judge      did the rule fire before and fall silent after, and is the effect larger than the noise
plan       from a report to a scenario in the incident's own shape
receipt    what is kept of it
"""
