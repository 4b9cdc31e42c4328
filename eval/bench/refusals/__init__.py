"""Inputs that hold no ECG, and files that were damaged, made from a seed for ``eval.bench.intake_refusals``."""
