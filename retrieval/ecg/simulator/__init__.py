"""A labelled 12-lead simulator: Gaussian dipole, Dower's leads, 40 and more conditions, reports in two languages.

It is a toy of known labels, not of known realism: one dipole has no near field, so results on simulated ECGs are
always reported apart from those on real ones.
"""

from retrieval.ecg.simulator.conditions import CONDITIONS
from retrieval.ecg.simulator.simulate import SimulatedCase, SimulatedTruth, simulate

__all__ = ["CONDITIONS", "SimulatedCase", "SimulatedTruth", "simulate"]
