"""Disorders of rhythm and conduction, and the normal ECG."""

from __future__ import annotations

from collections.abc import Mapping

from retrieval.ecg.simulator.condition import Condition, Range, Remark

_HEALTHY: Mapping[str, float | None] = {"NORM": 100.0}
_WIDE: tuple[Remark, ...] = (
    ("QRS {qrs} ms", "QRS-Dauer {qrs} ms"),
    ("QRS widened to {qrs} ms", "QRS verbreitert auf {qrs} ms"),
    ("secondary ST-T changes", "sekundäre ST-T-Veränderungen"),
)
_SLOW: Range = (52.0, 92.0)


RHYTHM_CONDITIONS: dict[str, Condition] = {
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
"""Conditions of the rhythm and of the AV node, by name."""

CONDUCTION_CONDITIONS: dict[str, Condition] = {
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
"""Conditions of the ventricles' conduction, by name."""
