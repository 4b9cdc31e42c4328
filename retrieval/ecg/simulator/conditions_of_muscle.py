"""Disorders of the muscle: enlarged chambers, infarcts, and disturbed recovery."""

from __future__ import annotations

from retrieval.ecg.simulator.condition import Condition, Remark

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

CHAMBER_CONDITIONS: dict[str, Condition] = {
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
"""Enlarged chambers, by name."""

INFARCT_CONDITIONS: dict[str, Condition] = {
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
"""Infarcts, by name."""

RECOVERY_CONDITIONS: dict[str, Condition] = {
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
"""Disorders of ST, T and voltage, by name."""
