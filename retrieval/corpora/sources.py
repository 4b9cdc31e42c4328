"""Corpora that PhysioNet offers without an account, with what their licences ask for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """A corpus that PhysioNet offers without an account."""

    name: str
    title: str
    base: str
    licence: str
    citations: tuple[str, ...]


PTBXL = Source(
    name="ptbxl",
    title="PTB-XL 1.0.3",
    base="https://physionet.org/files/ptb-xl/1.0.3/",
    licence="Creative Commons Attribution 4.0 International (CC BY 4.0)",
    citations=(
        "Wagner P, Strodthoff N, Bousseljot R, Samek W, Schaeffter T: PTB-XL, a large publicly available "
        "electrocardiography dataset (version 1.0.3). PhysioNet (2022). https://doi.org/10.13026/kfzx-aw45",
        "Wagner P, Strodthoff N, Bousseljot RD, Kreiseler D, Lunze FI, Samek W, Schaeffter T: PTB-XL, a large "
        "publicly available electrocardiography dataset. Scientific Data 7:154 (2020). "
        "https://doi.org/10.1038/s41597-020-0495-6",
        "Goldberger AL, Amaral LAN, Glass L, et al.: PhysioBank, PhysioToolkit, and PhysioNet. "
        "Circulation 101(23):e215-e220 (2000).",
    ),
)
SOURCES = {source.name: source for source in (PTBXL,)}
