"""Sound files of a simulated ECG in every format that is read, as small as their formats allow: to be damaged."""

from __future__ import annotations

import base64
import gzip
import io
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.ecg.recording import LEADS, Recording

Stored = NDArray[np.int16]
MICROVOLTS = 5
"""Of one step of the stored samples."""


@dataclass(frozen=True)
class Sample:
    """One ECG as samples and as a page: what every format below is written from."""

    recording: Recording
    page: NDArray[np.uint8]

    @property
    def stored(self) -> Stored:
        """``[12, samples]`` in steps of ``MICROVOLTS``."""
        return np.rint(self.recording.signal * 1000 / MICROVOLTS).clip(-30000, 30000).astype(np.int16)

    @property
    def rate(self) -> int:
        """Samples per second, whole."""
        return round(self.recording.rate)


def sample(seed: int) -> Sample:
    """A simulated ECG and its drawn page at 150 dpi."""
    from retrieval.ecg.drawing import PageStyle, draw_page
    from retrieval.ecg.simulator import simulate

    recording = simulate(seed).recording
    return Sample(recording, draw_page(recording, PageStyle(px_per_mm=150 / 25.4)).pixels)


def _picture(kind: str, **options: Any) -> Callable[[Sample], bytes]:
    def write(one: Sample) -> bytes:
        from PIL import Image

        packed = io.BytesIO()
        image = Image.fromarray(one.page)
        (image.quantize(64) if kind == "GIF" else image).save(packed, kind, **options)
        return packed.getvalue()

    return write


def _pages(kind: str) -> Callable[[Sample], bytes]:
    """Two pages, of which the second holds the ECG."""

    def write(one: Sample) -> bytes:
        from PIL import Image

        packed = io.BytesIO()
        cover = Image.new("RGB", (600, 400), "white")
        cover.save(packed, kind, save_all=True, append_images=[Image.fromarray(one.page)], resolution=150)
        return packed.getvalue()

    return write


def _vector_pdf(one: Sample) -> bytes:
    """A page of lines: a grid of 5 mm and the twelve leads under one another, in points."""
    rows = [f"0.9 0.6 0.6 RG 0.3 w {x:.1f} 0 m {x:.1f} 595 l S" for x in np.arange(0, 842, 14.173)]
    rows += [f"0 {y:.1f} m 842 {y:.1f} l S" for y in np.arange(0, 595, 14.173)]
    rows.append("0 0 0 RG 0.8 w")
    for number, lead in enumerate(one.recording.signal):
        seconds = np.arange(len(lead)) / one.recording.rate
        x, y = 40 + seconds * 70.87, 560 - number * 46 + (lead - np.median(lead)) * 28.35
        points = [f"{a:.1f} {b:.1f} {'m' if i == 0 else 'l'}" for i, (a, b) in enumerate(zip(x, y, strict=True))]
        rows.append(" ".join(points) + " S")
    content = "\n".join(rows).encode()
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 842 595]/Contents 4 0 R>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(content), content),
    ]
    return pdf_of(objects)


def pdf_of(objects: list[bytes]) -> bytes:
    """A PDF of these objects, the first of which is its catalogue, with a table of where they lie."""
    packed, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, start=1):
        places.append(len(packed))
        packed += b"%d 0 obj%s endobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size, start = len(objects) + 1, len(packed)
    head = b"xref\n0 %d\n0000000000 65535 f \n%s" % (size, table)
    return packed + head + b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (size, start)


def _dicom(sop_class: Any) -> tuple[Any, io.BytesIO]:
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid

    dataset, meta = Dataset(), FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid(entropy_srcs=["nearbeat"])
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta = meta
    return dataset, io.BytesIO()


def _dicom_waveform(one: Sample) -> bytes:
    from pydicom.dataset import Dataset
    from pydicom.uid import TwelveLeadECGWaveformStorage

    dataset, packed = _dicom(TwelveLeadECGWaveformStorage)
    group = Dataset()
    group.WaveformOriginality, group.NumberOfWaveformChannels = "ORIGINAL", 12
    group.NumberOfWaveformSamples, group.SamplingFrequency = one.stored.shape[1], str(one.rate)
    group.WaveformBitsAllocated, group.WaveformSampleInterpretation = 16, "SS"
    group.ChannelDefinitionSequence = [_channel(lead) for lead in LEADS]
    group.WaveformData = one.stored.T.astype("<i2").tobytes()
    dataset.WaveformSequence = [group]
    dataset.save_as(packed, enforce_file_format=True)
    return packed.getvalue()


def _channel(lead: str) -> Any:
    from pydicom.dataset import Dataset

    channel, source, unit = Dataset(), Dataset(), Dataset()
    source.CodeValue, source.CodingSchemeDesignator, source.CodeMeaning = f"L_{lead}", "99LOCAL", f"Lead {lead}"
    unit.CodeValue, unit.CodingSchemeDesignator, unit.CodeMeaning = "uV", "UCUM", "microvolt"
    channel.ChannelSourceSequence, channel.ChannelSensitivityUnitsSequence = [source], [unit]
    channel.ChannelSensitivity, channel.ChannelSensitivityCorrectionFactor = str(MICROVOLTS), "1"
    channel.ChannelBaseline, channel.WaveformBitsStored = "0", 16
    return channel


def _dicom_picture(one: Sample) -> bytes:
    from pydicom.uid import SecondaryCaptureImageStorage

    dataset, packed = _dicom(SecondaryCaptureImageStorage)
    dataset.Rows, dataset.Columns = one.page.shape[:2]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PlanarConfiguration = 3, "RGB", 0
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.PixelData = one.page.tobytes() + b"\0" * (one.page.size % 2)
    dataset.save_as(packed, enforce_file_format=True)
    return packed.getvalue()


def _aecg(one: Sample) -> bytes:
    def sequence(code: str, value: str) -> str:
        return f'<component><sequence><code code="{code}"/>{value}</sequence></component>'

    step = f'<value xsi:type="GLIST_TS"><head value="0"/><increment value="{1 / one.rate}" unit="s"/></value>'
    leads = "".join(
        sequence(
            f"MDC_ECG_LEAD_{lead.upper()}",
            '<value xsi:type="SLIST_PQ"><origin value="0" unit="uV"/>'
            f'<scale value="{MICROVOLTS}" unit="uV"/><digits>{" ".join(map(str, row))}</digits></value>',
        )
        for lead, row in zip(LEADS, one.stored, strict=True)
    )
    return (
        '<?xml version="1.0"?><AnnotatedECG xmlns="urn:hl7-org:v3" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><component><series><code code="RHYTHM"/>'
        f"<component><sequenceSet>{sequence('TIME_RELATIVE', step)}{leads}</sequenceSet></component>"
        "</series></component></AnnotatedECG>"
    ).encode()


def _muse(one: Sample) -> bytes:
    chosen = [
        (lead, row) for lead, row in zip(LEADS, one.stored, strict=True) if lead in ("I", "II") or lead[0] == "V"
    ]
    leads = "".join(
        f"<LeadData><LeadSampleCountTotal>{len(row)}</LeadSampleCountTotal>"
        f"<LeadAmplitudeUnitsPerBit>{MICROVOLTS}</LeadAmplitudeUnitsPerBit>"
        f"<LeadAmplitudeUnits>MICROVOLTS</LeadAmplitudeUnits><LeadID>{lead}</LeadID><LeadSampleSize>2</LeadSampleSize>"
        f"<WaveFormData>{base64.b64encode(row.astype('<i2').tobytes()).decode()}</WaveFormData></LeadData>"
        for lead, row in chosen
    )
    return (
        '<?xml version="1.0"?><RestingECG><Waveform><WaveformType>Rhythm</WaveformType>'
        f"<SampleBase>{one.rate}</SampleBase><SampleExponent>0</SampleExponent>{leads}</Waveform></RestingECG>"
    ).encode()


def _philips(one: Sample) -> bytes:
    text = base64.b64encode(one.stored.astype("<i2").tobytes()).decode()
    milliseconds = round(1000 * one.stored.shape[1] / one.rate)
    return (
        '<?xml version="1.0"?><restingecgdata><waveforms><parsedwaveforms dataencoding="Base64" compression="NONE" '
        f'numberofleads="12" leadlabels="{" ".join(LEADS)}" durationperchannel="{milliseconds}" '
        f'samplespersecond="{one.rate}" resolution="{MICROVOLTS}" signaloffset="0" signalsigned="true">'
        f"{text}</parsedwaveforms></waveforms></restingecgdata>"
    ).encode()


def _scp(one: Sample) -> bytes:
    """Sections 0, 1, 3 and 6, the samples as plain integers."""
    import binascii

    codes = {"I": 1, "II": 2, "III": 61, "aVR": 62, "aVL": 63, "aVF": 64} | {f"V{i}": 2 + i for i in range(1, 7)}
    samples = one.stored.shape[1]
    leads = b"".join(struct.pack("<IIB", 1, samples, codes[lead]) for lead in LEADS)
    sizes = struct.pack("<12H", *[2 * samples] * 12)
    rhythm = (
        struct.pack("<HHBB", MICROVOLTS * 1000, round(1e6 / one.rate), 0, 0)
        + sizes
        + one.stored.astype("<i2").tobytes()
    )
    contents = {0: b"", 1: b"\xff\0\0", 3: bytes((12, 0)) + leads, 6: rhythm}
    contents[0] = bytes(10 * len(contents))
    at, pointers, rest = 6, b"", b""
    for number, content in contents.items():
        body = content + b"\0" * (len(content) % 2)
        pointers += struct.pack("<HII", number, len(body) + 16, at + 1)
        rest += b"" if number == 0 else _scp_section(number, body)
        at += len(body) + 16
    record = struct.pack("<I", at) + _scp_section(0, pointers) + rest
    return struct.pack("<H", binascii.crc_hqx(record, 0xFFFF)) + record


def _scp_section(number: int, body: bytes) -> bytes:
    import binascii

    head = struct.pack("<HIBB", number, len(body) + 16, 20, 20) + (b"SCPECG" if number == 0 else bytes(6))
    return struct.pack("<H", binascii.crc_hqx(head + body, 0xFFFF)) + head + body


def _edf(one: Sample) -> bytes:
    """One data record a second, in microvolts."""
    seconds = one.stored.shape[1] // one.rate
    fixed = f"{'0':<8}{'X X X X':<80}{'Startdate X X X X':<80}01.01.0101.01.01{256 * 13:<8}{'':<44}"
    fixed += f"{seconds:<8}{1:<8}{12:<4}"
    low, high = -32768 * MICROVOLTS, 32767 * MICROVOLTS
    columns = [
        [f"{lead:<16}" for lead in LEADS],
        [" " * 80] * 12,
        [f"{'uV':<8}"] * 12,
        [f"{low:<8}"] * 12,
        [f"{high:<8}"] * 12,
        [f"{-32768:<8}"] * 12,
        [f"{32767:<8}"] * 12,
        [" " * 80] * 12,
        [f"{one.rate:<8}"] * 12,
        [" " * 32] * 12,
    ]
    head = fixed + "".join("".join(column) for column in columns)
    blocks = one.stored[:, : seconds * one.rate].reshape(12, seconds, one.rate).transpose(1, 0, 2)
    return head.encode("ascii") + np.ascontiguousarray(blocks).astype("<i2").tobytes()


def _csv(one: Sample) -> bytes:
    rows = [",".join(f"{value:.3f}" for value in row) for row in one.recording.signal.T]
    return "\n".join([f"# rate: {one.rate}", "# unit: mV", ",".join(LEADS), *rows, ""]).encode()


def _npz(one: Sample) -> bytes:
    packed = io.BytesIO()
    np.savez(packed, signal=one.recording.signal, rate=np.array(one.rate), unit=np.array("mV"))
    return packed.getvalue()


def _npy(one: Sample) -> bytes:
    packed = io.BytesIO()
    np.save(packed, one.recording.signal)
    return packed.getvalue()


def _wfdb_samples(one: Sample) -> bytes:
    return np.ascontiguousarray(one.stored.T).astype("<i2").tobytes()


def _wfdb_header(one: Sample) -> bytes:
    lines = [f"{{stem}} 12 {one.rate} {one.stored.shape[1]}"]
    lines += [
        f"{{stem}}.dat 16 {1000 // MICROVOLTS}/mV 16 0 {row[0]} 0 0 {lead}"
        for lead, row in zip(LEADS, one.stored, strict=True)
    ]
    return "\n".join([*lines, ""]).encode()


@dataclass(frozen=True)
class Format:
    """How a format is written: its suffix, its bytes, and the files that must stand beside it.

    ``{stem}`` in the bytes stands for the name of the file without its suffix.
    """

    suffix: str
    write: Callable[[Sample], bytes]
    beside: tuple[tuple[str, Callable[[Sample], bytes]], ...] = ()


def _declared(one: Sample) -> bytes:
    return f'{{"rate": {one.rate}, "unit": "mV"}}'.encode()


def _zipped(one: Sample) -> bytes:
    return gzip.compress(_csv(one), mtime=0)


FORMATS: dict[str, Format] = {
    "PNG": Format(".png", _picture("PNG")),
    "JPEG": Format(".jpg", _picture("JPEG", quality=85)),
    "BMP": Format(".bmp", _picture("BMP")),
    "WebP": Format(".webp", _picture("WEBP", quality=85)),
    "GIF": Format(".gif", _picture("GIF")),
    "TIFF": Format(".tif", _pages("TIFF")),
    "TIFF, packed": Format(".tif", _picture("TIFF", compression="tiff_lzw")),
    "PDF of scans": Format(".pdf", _pages("PDF")),
    "PDF of lines": Format(".pdf", _vector_pdf),
    "DICOM waveform": Format(".dcm", _dicom_waveform),
    "DICOM picture": Format(".dcm", _dicom_picture),
    "WFDB header": Format(".hea", _wfdb_header, ((".dat", _wfdb_samples),)),
    "WFDB samples": Format(".dat", _wfdb_samples, ((".hea", _wfdb_header),)),
    "HL7 aECG": Format(".xml", _aecg),
    "MUSE XML": Format(".xml", _muse),
    "Philips XML": Format(".xml", _philips),
    "SCP-ECG": Format(".scp", _scp),
    "EDF": Format(".edf", _edf),
    "CSV": Format(".csv", _csv),
    "CSV, gzip": Format(".csv.gz", _zipped),
    "NPY": Format(".npy", _npy, ((".json", _declared),)),
    "NPZ": Format(".npz", _npz),
}
