"""The shapes of a heartbeat, one for each disease of the ventricles or atria.

A shape is a QRS of ``activation``, an ST segment, a T wave and the two halves of P. The numbers were set by hand
until the leads showed what the textbooks describe (tests/retrieval/ecg holds them to it).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from retrieval.ecg.simulator.activation import QRS, Kernel, Vector


@dataclass(frozen=True)
class Shape:
    """One heartbeat as kernels.

    Args:
        qrs: kernels of ``activation``; only their proportions count.
        st: dipole of the ST segment, mV.
        t: dipole of the T wave, mV.
        t_rise: standard deviation of the T wave before its peak, as a fraction of J to T end.
        t_fall: the same after its peak.
        extra: further waves between J (0) and the end of T (1), or past it: a sagging ST, a late inversion, a U wave.
        p_right: dipole of the right atrium, the first half of P.
        p_left: dipole of the left atrium, the second half.
        p_apart: how far the two halves stand apart, as a fraction of the P duration; a notch shows from about 0.4.
    """

    qrs: tuple[Kernel, ...] = QRS["normal"]
    st: Vector = (0.01, 0.012, -0.040)
    t: Vector = (0.26, 0.17, -0.21)
    t_rise: float = 0.20
    t_fall: float = 0.13
    extra: tuple[Kernel, ...] = ()
    p_right: Vector = (0.035, 0.095, -0.045)
    p_left: Vector = (0.060, 0.055, 0.030)
    p_apart: float = 0.26


NORMAL = Shape()

SHAPES: Mapping[str, Shape] = MappingProxyType(
    {
        "normal": NORMAL,
        "low_voltage": NORMAL,
        "lbbb": Shape(QRS["lbbb"], st=(-0.06, -0.04, -0.25), t=(-0.16, -0.08, -0.54), t_rise=0.24, t_fall=0.155),
        "rbbb": Shape(QRS["rbbb"], st=(0.01, 0.01, 0.03), t=(0.28, 0.18, 0.10)),
        "irbbb": Shape(QRS["irbbb"], t=(0.28, 0.18, -0.14)),
        "lafb": Shape(QRS["lafb"], t=(0.24, 0.20, -0.18)),
        "lpfb": Shape(QRS["lpfb"], t=(0.26, 0.10, -0.20)),
        "rbbb_lafb": Shape(QRS["rbbb_lafb"], st=(0.01, 0.01, 0.03), t=(0.28, 0.20, 0.10)),
        "ivcd": Shape(QRS["ivcd"], t=(0.16, 0.12, -0.22)),
        "wpw": Shape(QRS["wpw"], st=(-0.05, -0.01, 0.01), t=(-0.05, 0.06, -0.08)),
        "lvh_strain": Shape(QRS["lvh"], st=(-0.10, -0.02, -0.09), t=(-0.25, 0.02, -0.26)),
        "lvh_voltage": Shape(QRS["lvh"], t=(0.30, 0.20, -0.26)),
        "rvh": Shape(QRS["rvh"], st=(0.02, -0.03, 0.05), t=(0.22, 0.06, 0.18), p_right=(0.03, 0.19, -0.06)),
        "left_atrium": Shape(p_right=(0.05, 0.10, -0.04), p_left=(0.12, 0.06, 0.12), p_apart=0.42),
        "right_atrium": Shape(p_right=(0.02, 0.25, -0.10), p_left=(0.02, 0.10, 0.00), p_apart=0.14),
        "anterior_stemi": Shape(QRS["anterior_stemi"], st=(0.13, -0.07, -0.22), t=(0.28, 0.02, -0.36), t_rise=0.24),
        "anteroseptal_old": Shape(QRS["anteroseptal_old"], st=(0.02, -0.01, -0.06), t=(0.20, 0.14, 0.10)),
        "anterolateral_mi": Shape(QRS["anterolateral_mi"], st=(0.12, -0.06, -0.10), t=(-0.22, 0.16, 0.24)),
        "inferior_stemi": Shape(QRS["inferior_stemi"], st=(-0.03, 0.20, 0.04), t=(0.10, 0.34, -0.06)),
        "inferior_old": Shape(QRS["inferior_old"], t=(0.26, -0.10, -0.20)),
        "inferolateral_mi": Shape(QRS["inferolateral_mi"], st=(0.05, 0.10, 0.06), t=(-0.10, -0.10, -0.24)),
        "lateral_mi": Shape(QRS["lateral_mi"], st=(0.15, -0.05, 0.02), t=(0.30, 0.08, -0.10)),
        "posterior_mi": Shape(QRS["posterior_mi"], st=(0.03, 0.04, 0.15), t=(0.22, 0.16, -0.42)),
        "pericarditis": Shape(st=(0.13, 0.12, -0.06), t=(0.30, 0.22, -0.18)),
        "ischaemia_anterolateral": Shape(st=(-0.13, -0.03, 0.03), t=(-0.20, 0.04, 0.04)),
        "ischaemia_inferior": Shape(st=(0.02, -0.13, 0.01), t=(0.22, -0.20, -0.20)),
        "injury_subendocardial": Shape(st=(-0.20, -0.12, 0.03), t=(0.10, 0.10, -0.16)),
        "t_inversion_anterior": Shape(t=(0.06, 0.14, 0.28), t_rise=0.16),
        "t_flat": Shape(t=(0.035, 0.025, -0.03)),
        "long_qt": Shape(t=(0.28, 0.20, -0.20), t_rise=0.24, t_fall=0.15),
        "hyperkalaemia": Shape(
            p_right=(0.012, 0.03, -0.01), p_left=(0.02, 0.02, 0.01), t=(0.66, 0.44, -0.60), t_rise=0.085, t_fall=0.085
        ),
        "hypokalaemia": Shape(
            st=(-0.06, -0.04, 0.04), t=(0.05, 0.03, -0.05), extra=((1.16, 0.10, 0.10, (0.12, 0.10, -0.14)),)
        ),
        "digitalis": Shape(
            st=(-0.03, -0.02, 0.0), t=(0.12, 0.08, -0.10), extra=((0.30, 0.14, 0.16, (-0.14, -0.10, 0.02)),)
        ),
        "paced": Shape(QRS["paced"], st=(-0.03, 0.08, -0.12), t=(-0.10, 0.30, -0.34)),
        "pvc_left": Shape(QRS["pvc_left"], st=(0.08, 0.12, 0.12), t=(0.30, 0.48, 0.45)),
        "pvc_outflow": Shape(QRS["pvc_outflow"], st=(-0.03, -0.14, -0.10), t=(-0.15, -0.52, -0.42)),
        "pvc_apex": Shape(QRS["pvc_apex"], st=(-0.08, 0.12, -0.10), t=(-0.34, 0.46, -0.42)),
    }
)
"""Every shape by its name."""
