"""Read HL7's annotated ECG (ANSI/HL7 V3 ECG R1, root ``AnnotatedECG``): its rhythm, never a representative beat."""

from __future__ import annotations

from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import BadSignal, DamagedFile, NoWaveform
from retrieval.intake.channels import (
    Channel,
    age_between,
    assemble,
    check_amount,
    known_sex,
    lead_of,
    unit_in_millivolts,
)
from retrieval.intake.opening import Opened, Recorded, Source
from retrieval.intake.xml_tree import number_in, parse_xml, text_of, value_of

SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6}


def open_aecg(source: Source) -> Opened:
    """An aECG file, with one record for each set of sequences in its rhythm series.

    A representative beat stands in a derived series, which is left out, or in a series of its own code.

    Raises:
        NoWaveform: no rhythm in it.
        DamagedFile: not well-formed.
    """
    root = parse_xml(source)
    rhythm = [series for series in root.iterfind("component/series") if _is_rhythm(series)]
    sets = [(series, one) for series in rhythm for one in series.iterfind("component/sequenceSet")]
    if not sets:
        raise NoWaveform(f"'{source.name}' is an aECG without a rhythm series; export the recorded ECG")
    return Opened("aecg", len(sets), lambda number: _record(root, *sets[number - 1], source.name))


def _is_rhythm(series: Element) -> bool:
    return "BEAT" not in value_of(series, "code", "code").upper()


def _record(root: Element, series: Element, sequences: Element, name: str) -> Recorded:
    coded = [(value_of(one, "code", "code"), one.find("value")) for one in sequences.iterfind("component/sequence")]
    check_amount(len(coded), 0, name)
    rate = 1.0 / _increment(coded, name)
    channels = [
        Channel(code, _millivolts(value, code, name), rate)
        for code, value in coded
        if value is not None and lead_of(code) is not None
    ]
    person = next(root.iter("subjectDemographicPerson"), None)
    begun = value_of(series, "effectiveTime/low") or value_of(root, "effectiveTime/low")
    age = age_between(value_of(person, "birthTime"), begun or value_of(root, "effectiveTime"))
    return assemble(channels, name, age, known_sex(value_of(person, "administrativeGenderCode", "code")))


def _increment(coded: list[tuple[str, Element | None]], name: str) -> float:
    """Seconds between samples, from the sequence that holds the times."""
    for code, value in coded:
        if value is None or not code.upper().startswith("TIME_"):
            continue
        unit = value_of(value, "increment", "unit") or "s"
        if unit not in SECONDS:
            raise DamagedFile(f"'{name}' gives its time step in '{unit[:20]}'; s, ms or us is expected")
        step = number_in(value_of(value, "increment"), "its time step", name) * SECONDS[unit]
        if step <= 0:
            raise DamagedFile(f"'{name}' has a time step of {step:g} s; export it again")
        return step
    raise DamagedFile(f"'{name}' gives no times (TIME_ABSOLUTE or TIME_RELATIVE) for its leads; export it again")


def _millivolts(value: Element, code: str, name: str) -> NDArray[np.float64]:
    """``origin + scale * digit`` of one lead (HL7's SLIST_PQ)."""
    text = text_of(value, "digits")
    check_amount(12, len(text) // 2, name)
    try:
        digits = np.array(text.split(), dtype=np.float64)
    except ValueError as error:
        raise DamagedFile(f"{code} of '{name}' holds something else than numbers ({error})") from error
    if value.find("scale") is None:
        raise BadSignal(f"{code} of '{name}' gives no scale, so its millivolts are not known")
    scale, origin = _quantity(value, "scale", code, name), 0.0
    if value_of(value, "origin"):
        origin = _quantity(value, "origin", code, name)
    return origin + scale * digits


def _quantity(value: Element, part: str, code: str, name: str) -> float:
    number = number_in(value_of(value, part), f"the {part} of {code}", name)
    unit = value_of(value, part, "unit")
    return 0.0 if number == 0 and not unit else number * unit_in_millivolts(unit)
