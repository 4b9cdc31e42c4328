"""The conditions that can be simulated: shape, rhythm, ranges, SCP-ECG statements and remarks for the report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

Range = tuple[float, float]
Remark = tuple[str, str]
"""English, German; may hold {rate}, {pr}, {qrs} or {qt}, filled with the patient's own values."""

DEFAULT_RATE: Range = (60.5, 96.0)
DEFAULT_PR: Range = (128.0, 196.0)
DEFAULT_QRS: Range = (78.0, 104.0)
DEFAULT_QTC: Range = (380.0, 438.0)
DEFAULT_AXIS: Range = (-24.0, 84.0)
DEFAULT_AGE: Range = (20.0, 90.0)


@dataclass(frozen=True)
class Condition:
    """One labelled condition.

    Args:
        statements: SCP-ECG codes with a likelihood in percent, or ``None`` where PTB-XL gives none. The sinus codes
            are added from the rate.
        shape: a key of ``SHAPES``.
        rhythm: a key of ``RHYTHMS``.
        rate: ventricular rate, beats a minute (atrial rate where the block is of second degree).
        pr: ms.
        qrs: duration in ms.
        qtc: Fridericia, ms.
        axis: frontal QRS axis, degrees.
        age: years.
        gain: factor on all voltages.
        weight: how often the mix draws it.
        remarks: what a reader may add; one is drawn for most reports.
        rhythm_only: it can be laid over the shape of another condition.
    """

    statements: Mapping[str, float | None]
    shape: str = "normal"
    rhythm: str = "sinus"
    rate: Range = DEFAULT_RATE
    pr: Range = DEFAULT_PR
    qrs: Range = DEFAULT_QRS
    qtc: Range = DEFAULT_QTC
    axis: Range = DEFAULT_AXIS
    age: Range = DEFAULT_AGE
    gain: Range = (0.72, 1.16)
    weight: float = 1.0
    remarks: tuple[Remark, ...] = field(default=())
    rhythm_only: bool = False


_HEALTHY: Mapping[str, float | None] = {"NORM": 100.0}
_ACUTE: tuple[Remark, ...] = (
    ("probably acute", "wahrscheinlich akut"),
    ("acute or recent", "akut oder frisch"),
    ("compatible with acute occlusion", "vereinbar mit akutem Verschluss"),
)
_OLD: tuple[Remark, ...] = (
    ("probably old", "wahrscheinlich alt"),
    ("age undetermined", "Alter unbestimmt"),
    ("healed stage", "altes Stadium"),
)
_WIDE: tuple[Remark, ...] = (
    ("QRS {qrs} ms", "QRS-Dauer {qrs} ms"),
    ("QRS widened to {qrs} ms", "QRS verbreitert auf {qrs} ms"),
    ("secondary ST-T changes", "sekundäre ST-T-Veränderungen"),
)
_SLOW: Range = (52.0, 92.0)

_RHYTHMS: dict[str, Condition] = {
    "normal": Condition(_HEALTHY, weight=9.0),
    "sinus_bradycardia": Condition(_HEALTHY, rate=(38, 57), weight=2, rhythm_only=True),
    "sinus_tachycardia": Condition(_HEALTHY, rate=(103, 145), pr=(115, 160), weight=2, rhythm_only=True),
    "sinus_arrhythmia": Condition(
        {"NORM": 100.0, "SARRH": None}, rhythm="sinus_arrhythmia", rate=(58, 82), age=(18, 60), weight=1.5
    ),
    "atrial_fibrillation": Condition(
        {"AFIB": None},
        rhythm="fibrillation",
        rate=(58, 140),
        age=(45, 92),
        weight=3,
        rhythm_only=True,
        remarks=(
            ("ventricular rate {rate}/min", "Kammerfrequenz {rate}/min"),
            ("no P waves", "keine P-Wellen abgrenzbar"),
            ("irregular ventricular response", "unregelmäßige Überleitung"),
        ),
    ),
    "atrial_flutter": Condition(
        {"AFLT": None},
        rhythm="flutter",
        age=(45, 90),
        weight=1.5,
        rhythm_only=True,
        remarks=(
            ("ventricular rate {rate}/min", "Kammerfrequenz {rate}/min"),
            ("sawtooth waves in the inferior leads", "Sägezahnwellen in den inferioren Ableitungen"),
        ),
    ),
    "supraventricular_tachycardia": Condition(
        {"SVTAC": None},
        rhythm="supraventricular_tachycardia",
        rate=(152, 205),
        age=(18, 75),
        remarks=(("rate {rate}/min", "Frequenz {rate}/min"), ("P waves not seen", "P nicht abgrenzbar")),
    ),
    "av_block_1": Condition(
        {"1AVB": 100.0},
        pr=(215, 330),
        rate=(52, 84),
        age=(40, 92),
        weight=2,
        rhythm_only=True,
        remarks=(("PR {pr} ms", "PQ {pr} ms"), ("PR interval {pr} ms", "PQ-Zeit {pr} ms")),
    ),
    "av_block_2_wenckebach": Condition(
        {"2AVB": 100.0, "SR": None},
        rhythm="wenckebach",
        rate=(62, 92),
        pr=(170, 230),
        age=(30, 90),
        remarks=(
            ("Wenckebach type", "Typ Wenckebach"),
            ("PR lengthens until a P wave is not conducted", "zunehmende PQ-Zeit bis zum Ausfall eines QRS"),
        ),
    ),
    "av_block_2_mobitz": Condition(
        {"2AVB": 100.0, "SR": None},
        rhythm="mobitz",
        rate=(64, 96),
        pr=(150, 230),
        age=(55, 92),
        weight=0.7,
        remarks=(
            ("Mobitz type, constant PR {pr} ms", "Typ Mobitz, konstante PQ-Zeit {pr} ms"),
            ("P waves not conducted without a change of PR", "P-Wellen ohne Überleitung bei gleicher PQ-Zeit"),
        ),
    ),
    "av_block_3": Condition(
        {"3AVB": 100.0},
        rhythm="complete_block",
        rate=(36, 52),
        age=(50, 92),
        rhythm_only=True,
        remarks=(
            ("junctional escape rhythm {rate}/min", "junktionaler Ersatzrhythmus {rate}/min"),
            ("P waves and QRS independent of each other", "P-Wellen und QRS unabhängig voneinander"),
        ),
    ),
    "av_block_3_wide": Condition(
        {"3AVB": 100.0},
        shape="lbbb",
        rhythm="complete_block",
        rate=(28, 42),
        qrs=(142, 168),
        qtc=(430, 480),
        axis=(-50, 30),
        age=(60, 92),
        remarks=(
            ("ventricular escape rhythm {rate}/min", "ventrikulärer Ersatzrhythmus {rate}/min"),
            ("wide escape beats", "breite Ersatzschläge"),
        ),
    ),
    "pvc": Condition({"PVC": None}, rhythm="ventricular_ectopy", rate=(60.5, 90), weight=2, rhythm_only=True),
    "pac": Condition({"PAC": None}, rhythm="atrial_ectopy", rate=(60.5, 90), weight=2, rhythm_only=True),
    "bigeminy": Condition(
        {"BIGU": None, "PVC": None}, rhythm="ventricular_bigeminy", rate=(62, 90), age=(35, 90), rhythm_only=True
    ),
    "trigeminy": Condition(
        {"TRIGU": None, "PVC": None}, rhythm="ventricular_trigeminy", rate=(62, 90), age=(35, 90), rhythm_only=True
    ),
    "paced": Condition(
        {"PACE": None},
        shape="paced",
        rhythm="paced",
        rate=(60, 82),
        qrs=(148, 186),
        qtc=(430, 480),
        axis=(-88, -45),
        age=(55, 94),
        weight=2,
        remarks=(
            ("spike before each QRS", "Spike vor jedem QRS"),
            ("pacing at {rate}/min", "Stimulation mit {rate}/min"),
        ),
    ),
}

_CONDUCTION: dict[str, Condition] = {
    "lbbb": Condition(
        {"CLBBB": 100.0},
        "lbbb",
        rate=_SLOW,
        qrs=(132, 176),
        qtc=(420, 475),
        axis=(-48, 25),
        age=(45, 92),
        weight=3,
        remarks=_WIDE,
    ),
    "rbbb": Condition(
        {"CRBBB": 100.0},
        "rbbb",
        rate=_SLOW,
        qrs=(124, 164),
        qtc=(410, 460),
        axis=(25, 85),
        age=(35, 92),
        weight=3,
        remarks=_WIDE,
    ),
    "irbbb": Condition({"IRBBB": 100.0}, "irbbb", qrs=(98, 116), age=(16, 75), axis=(20, 88), weight=2),
    "lafb": Condition({"LAFB": 100.0}, "lafb", qrs=(88, 114), axis=(-78, -46), age=(40, 92), weight=3),
    "lpfb": Condition({"LPFB": 100.0}, "lpfb", qrs=(88, 114), axis=(94, 125), age=(30, 90)),
    "bifascicular": Condition(
        {"CRBBB": 100.0, "LAFB": 100.0},
        "rbbb_lafb",
        rate=_SLOW,
        qrs=(126, 164),
        qtc=(410, 460),
        axis=(-82, -45),
        age=(50, 92),
        weight=1.5,
        remarks=(("bifascicular block", "bifaszikulärer Block"), *_WIDE[:2]),
    ),
    "ivcd": Condition(
        {"IVCD": 100.0}, "ivcd", qrs=(114, 140), qtc=(400, 450), age=(35, 90), weight=1.5, remarks=_WIDE[:2]
    ),
    "wpw": Condition(
        {"WPW": 100.0},
        "wpw",
        qrs=(116, 148),
        pr=(82, 116),
        age=(16, 60),
        axis=(-10, 80),
        weight=1.5,
        remarks=(("PR {pr} ms with delta wave", "PQ {pr} ms mit Deltawelle"),),
    ),
}

_CHAMBERS: dict[str, Condition] = {
    "lvh_strain": Condition(
        {"LVH": 100.0, "ISC_": 100.0, "STD_": None},
        "lvh_strain",
        gain=(0.82, 1.2),
        qrs=(86, 112),
        axis=(-35, 50),
        age=(40, 92),
        weight=3,
        remarks=(
            ("with strain pattern", "mit Linksbelastung"),
            ("ST-T changes due to LV strain", "ST-T-Veränderungen bei Linksbelastung"),
        ),
    ),
    "lvh_voltage": Condition(
        {"LVH": 100.0, "VCLVH": None}, "lvh_voltage", gain=(0.82, 1.15), qrs=(84, 110), age=(25, 85), weight=2
    ),
    "rvh": Condition(
        {"RVH": 100.0},
        "rvh",
        qrs=(80, 108),
        axis=(96, 150),
        age=(20, 85),
        weight=1.5,
        remarks=(("tall R in V1", "hohes R in V1"), ("T inverted in V1", "T negativ in V1")),
    ),
    "left_atrial_enlargement": Condition({"LAO/LAE": 100.0}, "left_atrium", pr=(160, 200), age=(40, 90), weight=1.5),
    "right_atrial_enlargement": Condition({"RAO/RAE": 100.0}, "right_atrium", axis=(50, 88), age=(30, 85)),
}

_INFARCTS: dict[str, Condition] = {
    "anterior_stemi": Condition(
        {"AMI": 100.0, "STE_": None},
        "anterior_stemi",
        rate=(62, 99),
        age=(38, 90),
        weight=1.5,
        remarks=(*_ACUTE, ("ST elevation in V2 to V4", "ST-Hebung in V2 bis V4")),
    ),
    "anteroseptal_mi_old": Condition(
        {"ASMI": 100.0, "QWAVE": None},
        "anteroseptal_old",
        age=(40, 92),
        weight=3,
        remarks=(*_OLD, ("R missing in V1 to V3", "R-Verlust in V1 bis V3")),
    ),
    "anterolateral_mi": Condition(
        {"ALMI": 100.0, "QWAVE": None},
        "anterolateral_mi",
        axis=(30, 110),
        age=(40, 92),
        weight=1.5,
        remarks=(*_OLD[1:2], ("Q waves in V2 to V4 and aVL", "Q-Zacken in V2 bis V4 und aVL")),
    ),
    "inferior_stemi": Condition(
        {"IMI": 100.0, "STE_": None},
        "inferior_stemi",
        rate=(60.5, 92),
        axis=(-30, 70),
        age=(38, 90),
        weight=1.5,
        remarks=(*_ACUTE, ("ST elevation in II, III and aVF", "ST-Hebung in II, III und aVF")),
    ),
    "inferior_mi_old": Condition(
        {"IMI": 100.0, "QWAVE": None},
        "inferior_old",
        axis=(-40, 50),
        age=(40, 92),
        weight=3,
        remarks=(*_OLD, ("Q waves in III and aVF", "Q-Zacken in III und aVF")),
    ),
    "inferolateral_mi": Condition(
        {"ILMI": 100.0, "QWAVE": None},
        "inferolateral_mi",
        axis=(-40, 50),
        age=(40, 92),
        weight=1.5,
        remarks=(*_OLD, ("Q waves in the inferior leads and V6", "Q-Zacken inferior und in V6")),
    ),
    "lateral_mi": Condition(
        {"LMI": 100.0, "QWAVE": None, "STE_": None},
        "lateral_mi",
        axis=(20, 100),
        age=(40, 92),
        remarks=(*_ACUTE, ("Q waves in I and aVL", "Q-Zacken in I und aVL")),
    ),
    "posterior_mi": Condition(
        {"PMI": 100.0, "STD_": None},
        "posterior_mi",
        axis=(0, 84),
        age=(40, 92),
        remarks=(
            ("tall R in V1 and V2", "hohes R in V1 und V2"),
            ("ST depression in V1 to V3", "ST-Senkung in V1 bis V3"),
        ),
    ),
}

_RECOVERY: dict[str, Condition] = {
    "ischaemia_anterolateral": Condition(
        {"ISCAL": 100.0, "STD_": None, "INVT": None},
        "ischaemia_anterolateral",
        age=(45, 92),
        weight=2,
        remarks=(("ST depression and T inversion in V4 to V6", "ST-Senkung und negatives T in V4 bis V6"),),
    ),
    "ischaemia_inferior": Condition(
        {"ISCIN": 100.0, "STD_": None},
        "ischaemia_inferior",
        axis=(10, 84),
        age=(45, 92),
        weight=1.5,
        remarks=(("ST depression in II, III and aVF", "ST-Senkung in II, III und aVF"),),
    ),
    "injury_subendocardial": Condition(
        {"INJAL": 100.0, "STD_": None},
        "injury_subendocardial",
        rate=(66, 99),
        age=(45, 92),
        remarks=(("ST depression in I, II, V4 and V5", "ST-Senkung in I, II, V4 und V5"),),
    ),
    "t_inversion_anterior": Condition(
        {"ISCAN": 80.0, "INVT": None},
        "t_inversion_anterior",
        age=(40, 90),
        weight=1.5,
        remarks=(("T inverted in V2 and V3", "T negativ in V2 und V3"),),
    ),
    "t_flat": Condition(
        {"NDT": 100.0, "LOWT": None},
        "t_flat",
        age=(30, 90),
        weight=2,
        remarks=(("T low in many leads", "T in vielen Ableitungen flach"),),
    ),
    "long_qt": Condition(
        {"LNGQT": 100.0},
        "long_qt",
        rate=(60.5, 84),
        qtc=(490, 570),
        age=(16, 80),
        remarks=(("QT {qt} ms", "QT {qt} ms"),),
    ),
    "hyperkalaemia": Condition(
        {"EL": 100.0, "TAB_": None},
        "hyperkalaemia",
        pr=(180, 230),
        qrs=(98, 126),
        qtc=(370, 420),
        age=(40, 90),
        remarks=(
            ("tall narrow T waves, suggests hyperkalaemia", "hohe spitze T-Wellen, Hinweis auf Hyperkaliämie"),
            ("peaked T waves", "zeltförmige T-Wellen"),
        ),
    ),
    "hypokalaemia": Condition(
        {"EL": 100.0, "LOWT": None},
        "hypokalaemia",
        rate=(60.5, 80),
        age=(25, 90),
        remarks=(("U waves, suggests hypokalaemia", "U-Wellen, Hinweis auf Hypokaliämie"), ("U waves", "U-Wellen")),
    ),
    "digitalis": Condition(
        {"DIG": 100.0, "STD_": None},
        "digitalis",
        qtc=(350, 395),
        age=(50, 92),
        remarks=(("sagging ST depression", "muldenförmige ST-Senkung"),),
    ),
    "pericarditis": Condition(
        {"STE_": None},
        "pericarditis",
        rate=(66, 99),
        age=(18, 60),
        axis=(10, 84),
        remarks=(
            ("widespread ST elevation, suggests pericarditis", "diffuse ST-Hebungen, vereinbar mit Perikarditis"),
        ),
    ),
    "low_voltage": Condition(
        {"LVOLT": None},
        "low_voltage",
        gain=(0.24, 0.42),
        age=(40, 92),
        weight=1.5,
        remarks=(("limb leads below 0.5 mV", "Extremitätenableitungen unter 0,5 mV"),),
    ),
}

TABLE: Mapping[str, Condition] = MappingProxyType({**_RHYTHMS, **_CONDUCTION, **_CHAMBERS, **_INFARCTS, **_RECOVERY})
"""Every condition by its name."""

CONDITIONS: tuple[str, ...] = tuple(TABLE)
"""The names, in the order of the table."""
