"""HL7 aECG, MUSE and Philips XML."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping, Sequence

import numpy as np

from retrieval.ecg.recording import INDEPENDENT_LEADS, LEADS, Recording
from tests.retrieval.intake.makers.xli import pack_xli


def stored(recording: Recording, microvolts: float) -> dict[str, np.ndarray]:
    """Leads as 16-bit integers of so many microvolts each."""
    return {
        lead: np.round(row.astype(float) * 1000 / microvolts).astype(np.int16)
        for lead, row in zip(LEADS, recording.signal, strict=True)
    }


def aecg(
    recording: Recording, scale: float = 2.5, unit: str = "uV", origin: float = 0.0, beat: bool = True,
    leads: Sequence[str] = LEADS, series: int = 1, head: str = "",
) -> bytes:  # fmt: skip
    """An annotated ECG: ``series`` rhythm sets and, with ``beat``, a representative beat that none should read."""
    per_mv = {"uV": 1000.0, "mV": 1.0}[unit]
    step = 1 / recording.rate

    def sequences(stretch: slice, sign: float) -> str:
        rows = []
        for lead in leads:
            values = sign * recording.lead(lead)[stretch].astype(float) * per_mv
            digits = " ".join(str(int(v)) for v in np.round((values - origin) / scale))
            rows.append(
                f'<component><sequence><code code="MDC_ECG_LEAD_{lead.upper()}" codeSystem="2.16.840.1.113883.6.24"/>'
                f'<value xsi:type="SLIST_PQ"><origin value="{origin}" unit="{unit}"/>'
                f'<scale value="{scale}" unit="{unit}"/><digits>{digits}</digits></value></sequence></component>'
            )
        times = (
            '<component><sequence><code code="TIME_ABSOLUTE"/><value xsi:type="GLIST_TS">'
            f'<head value="20240301101500"/><increment value="{step:.9g}" unit="s"/></value></sequence></component>'
        )
        return f"<component><sequenceSet>{times}{''.join(rows)}</sequenceSet></component>"

    derived = ""
    if beat:
        derived = (
            '<derivation><derivedSeries><code code="REPRESENTATIVE_BEAT"/>'
            f"{sequences(slice(0, 200), -1.0)}</derivedSeries></derivation>"
        )
    rhythm = "".join(
        '<component><series><code code="RHYTHM"/><effectiveTime><low value="20240301101500"/></effectiveTime>'
        f"{sequences(slice(None), 1.0 if i == 0 else 0.5)}{derived}</series></component>"
        for i in range(series)
    )
    person = (
        "<componentOf><timepointEvent><componentOf><subjectAssignment><subject><trialSubject>"
        "<subjectDemographicPerson><name><family>Mustermann</family></name>"
        '<administrativeGenderCode code="F"/><birthTime value="19600615"/></subjectDemographicPerson>'
        "</trialSubject></subject></subjectAssignment></componentOf></timepointEvent></componentOf>"
    )
    text = (
        f'<?xml version="1.0" encoding="UTF-8"?>{head}<AnnotatedECG xmlns="urn:hl7-org:v3" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><id root="1.2.3"/><code code="93000"/>'
        f"{person}{rhythm}</AnnotatedECG>"
    )
    return text.encode()


def muse(
    recording: Recording, units_per_bit: float = 4.88, unit: str = "MICROVOLTS", exponent: int = 0,
    leads: Sequence[str] = INDEPENDENT_LEADS, kinds: Sequence[str] = ("Median", "Rhythm"),
    wrong_checksums: Sequence[str] = (), off: Sequence[str] = (),
) -> bytes:  # fmt: skip
    """A MUSE export; the waveforms of other kinds than Rhythm are turned upside down, so that a mix-up is seen."""
    microvolts = units_per_bit * {"MICROVOLTS": 1.0, "MILLIVOLTS": 1000.0}[unit]
    whole = stored(recording, microvolts)

    def lead_data(lead: str, kind: str) -> str:
        data = (whole[lead] if kind == "Rhythm" else -whole[lead][:600]).astype("<i2").tobytes()
        crc = zlib.crc32(data) ^ (lead in wrong_checksums)
        return (
            f"<LeadData><LeadByteCountTotal>{len(data)}</LeadByteCountTotal>"
            f"<LeadSampleCountTotal>{len(data) // 2}</LeadSampleCountTotal>"
            f"<LeadAmplitudeUnitsPerBit>{units_per_bit}</LeadAmplitudeUnitsPerBit>"
            f"<LeadAmplitudeUnits>{unit}</LeadAmplitudeUnits><LeadID>{lead}</LeadID>"
            f"<LeadSampleSize>2</LeadSampleSize><LeadOff>{'TRUE' if lead in off else 'FALSE'}</LeadOff>"
            f"<LeadDataCRC32>{crc}</LeadDataCRC32><WaveFormData>{_lines(data)}</WaveFormData></LeadData>"
        )

    waves = "".join(
        f"<Waveform><WaveformType>{kind}</WaveformType><NumberofLeads>{len(leads)}</NumberofLeads>"
        f"<SampleType>CONTINUOUS_SAMPLES</SampleType><SampleBase>{recording.rate / 10**exponent:.10g}</SampleBase>"
        f"<SampleExponent>{exponent}</SampleExponent>{''.join(lead_data(lead, kind) for lead in leads)}</Waveform>"
        for kind in kinds
    )
    return (
        '<?xml version="1.0" encoding="ISO-8859-1"?>\n<!DOCTYPE RestingECG SYSTEM "restecg.dtd">\n<RestingECG>'
        "<PatientDemographics><PatientID>4711</PatientID><PatientAge>63</PatientAge><AgeUnits>YEARS</AgeUnits>"
        "<Gender>MALE</Gender><PatientLastName>M\xfcller</PatientLastName></PatientDemographics>"
        f"{waves}</RestingECG>"
    ).encode("latin-1")


def philips(
    recording: Recording, microvolts: float = 5.0, packed: bool = True, version: str = "1.04",
    encoding: str = "UTF-8", attributes: Mapping[str, str] | None = None, plain: bool = False,
) -> bytes:  # fmt: skip
    """A Sierra file of version 1.03 (facts in elements) or 1.04 (facts in attributes)."""
    rows = stored(recording, microvolts)
    samples = recording.signal.shape[1]
    if packed:
        text = _lines(pack_xli(_residuals(rows)))
    elif plain:
        text = " ".join(str(value) for lead in LEADS for value in rows[lead])
    else:
        text = _lines(np.concatenate([rows[lead] for lead in LEADS]).astype("<i2").tobytes())
    compress = {"1.03": "compressmethod", "1.04": "compression"}[version]
    given = {
        "durationperchannel": f"{samples * 1000 / recording.rate:.10g}",
        "dataencoding": "Plain" if plain else "Base64",
        compress: "XLI" if packed else "Uncompressed",
    }
    if version == "1.04":
        given |= {"numberofleads": "12", "leadlabels": " ".join(LEADS), "samplespersecond": f"{recording.rate:g}"}
        given |= {"resolution": f"{microvolts:g}"}
    given |= attributes or {}
    waves = " ".join(f'{key}="{value}"' for key, value in given.items() if value)
    resolution = f"<signalresolution>{microvolts:g}</signalresolution>" if version == "1.03" else ""
    return (
        f'<?xml version="1.0" encoding="{encoding}"?><restingecgdata xmlns="http://www3.medical.philips.com">'
        f"<documentinfo><documenttype>SierraECG</documenttype><documentversion>{version}</documentversion>"
        '</documentinfo><dataacquisition date="2024-03-01" time="10:15:00"><signalcharacteristics>'
        f"<samplingrate>{recording.rate:g}</samplingrate>{resolution}<signalsigned>True</signalsigned>"
        "<numberchannelsallocated>12</numberchannelsallocated><acquisitiontype>STD-12</acquisitiontype>"
        "</signalcharacteristics></dataacquisition><patient><generalpatientdata><name><lastname>Muster</lastname>"
        '</name><age defaultage="30"><years>71</years></age><sex>Female</sex></generalpatientdata></patient>'
        f"<waveforms><parsedwaveforms {waves}>{text}</parsedwaveforms>"
        '<repbeats dataencoding="Base64"><repbeat leadname="I">AAAAAA==</repbeat></repbeats>'
        "</waveforms></restingecgdata>"
    ).encode("utf-16" if encoding == "UTF-16" else "utf-8")


def _residuals(rows: dict[str, np.ndarray]) -> list[np.ndarray]:
    """What XLI stores of the leads III, aVR, aVL and aVF: their departure from what I and II tell."""
    wide = {lead: row.astype(np.int64) for lead, row in rows.items()}
    one, two, three = wide["I"], wide["II"], wide["III"]
    limbs = [
        one, two, two - one - three, -wide["aVR"] - (one + two) // 2, (one - three) // 2 - wide["aVL"],
        (two + three) // 2 - wide["aVF"],
    ]  # fmt: skip
    return [*limbs, *(wide[lead] for lead in LEADS[6:])]


def _lines(data: bytes) -> str:
    text = base64.b64encode(data).decode()
    return "\n".join(text[at : at + 76] for at in range(0, len(text), 76))
