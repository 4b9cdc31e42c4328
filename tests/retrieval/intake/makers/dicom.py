"""DICOM: waveforms in any scaling and order of bytes, secondary captures, and encapsulated PDFs."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, generate_uid

from retrieval.ecg.recording import LEADS, Recording
from tests.retrieval.intake.makers.scp import CODES

TWELVE_LEAD, GENERAL, AMBULATORY, WIDE = (f"1.2.840.10008.5.1.4.1.1.9.{i}" for i in ("1.1", "1.2", "1.3", "1.4"))
CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
ENCAPSULATED = "1.2.840.10008.5.1.4.1.1.104.1"


def bare(kind: str) -> Dataset:
    dataset = Dataset()
    dataset.SOPClassUID = kind
    dataset.SOPInstanceUID = generate_uid(entropy_srcs=["nearbeat tests"])
    dataset.PatientName, dataset.PatientID = "Mustermann^Erika", "4711"
    dataset.PatientAge, dataset.PatientSex, dataset.Modality = "064Y", "F", "ECG"
    return dataset


def saved(dataset: Dataset, syntax: str = ExplicitVRLittleEndian, header: bool = True) -> bytes:
    out = io.BytesIO()
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
    meta.TransferSyntaxUID = syntax
    if header:
        dataset.file_meta = meta
        dataset.save_as(out, enforce_file_format=True)
    else:
        dataset.save_as(out, implicit_vr=False, little_endian=syntax != ExplicitVRBigEndian)
    return out.getvalue()


def group(
    recording: Recording, leads: Sequence[str] = LEADS, label: str = "RHYTHM", sensitivity: float = 2.5,
    unit: str = "uV", baseline: float = 0.0, correction: float = 1.0, bits: int = 16, codes: str = "scp",
    order: str = "<", skew: Sequence[float] = (),
) -> Dataset:  # fmt: skip
    """A multiplex group; ``baseline`` and ``sensitivity`` are in ``unit``."""
    per_mv = {"uV": 1000.0, "mV": 1.0, "V": 1e-3}[unit]
    item = Dataset()
    item.MultiplexGroupLabel, item.WaveformOriginality = label, "DERIVED" if label == "MEDIAN BEAT" else "ORIGINAL"
    item.NumberOfWaveformChannels, item.NumberOfWaveformSamples = len(leads), recording.signal.shape[1]
    item.SamplingFrequency = str(recording.rate)
    kind = np.dtype(f"{order}i{bits // 8}")
    values = np.stack([recording.lead(lead).astype(float) * per_mv for lead in leads], axis=1)
    data = np.round((values - baseline) / (sensitivity * correction)).astype(kind)
    item.ChannelDefinitionSequence = Items(
        [
            _channel(lead, i, sensitivity, unit, baseline, correction, bits, codes, skew)
            for i, lead in enumerate(leads)
        ]
    )
    item.WaveformBitsAllocated = bits
    item.WaveformSampleInterpretation = {8: "SB", 16: "SS", 32: "SL"}[bits]
    item.add_new(0x54001010, "OB" if bits == 8 else "OW", data.tobytes())
    return item


def _channel(
    lead: str, i: int, sensitivity: float, unit: str, baseline: float, correction: float, bits: int, codes: str,
    skew: Sequence[float],
) -> Dataset:  # fmt: skip
    channel, source, units = Dataset(), Dataset(), Dataset()
    if codes == "scp":
        source.CodeValue, source.CodingSchemeDesignator = f"5.6.3-9-{CODES[lead]}", "SCPECG"
        source.CodeMeaning = "a meaning in no language that is known"
    elif codes == "mdc":
        source.CodeValue, source.CodingSchemeDesignator = f"2:{CODES[lead]}", "MDC"
        source.CodeMeaning = "unknown"
    else:
        source.CodeValue, source.CodingSchemeDesignator, source.CodeMeaning = "X1", "99LOCAL", f"Lead {lead.upper()}"
    units.CodeValue, units.CodingSchemeDesignator, units.CodeMeaning = unit, "UCUM", unit
    channel.ChannelSourceSequence, channel.ChannelSensitivityUnitsSequence = Items([source]), Items([units])
    channel.ChannelSensitivity, channel.ChannelSensitivityCorrectionFactor = str(sensitivity), str(correction)
    channel.ChannelBaseline, channel.WaveformBitsStored = str(baseline), bits
    channel.ChannelSampleSkew = str(skew[i] if skew else 0)
    return channel


def waveform(*groups: Dataset, kind: str = TWELVE_LEAD) -> Dataset:
    dataset = bare(kind)
    dataset.WaveformSequence = Items(groups)
    return dataset


def capture(pixels: np.ndarray, photometric: str = "RGB", bits: int = 8, **more: Any) -> Dataset:
    """A secondary capture of ``[rows, columns]``, ``[rows, columns, 3]``, or frames of either."""
    colour = photometric in {"RGB", "YBR_FULL"}
    frames = pixels.ndim == (4 if colour else 3)
    dataset = bare(CAPTURE)
    dataset.Rows, dataset.Columns = pixels.shape[1:3] if frames else pixels.shape[:2]
    dataset.SamplesPerPixel = 3 if colour else 1
    if colour:
        dataset.PlanarConfiguration = 0
    if frames:
        dataset.NumberOfFrames = len(pixels)
    dataset.PhotometricInterpretation = photometric
    dataset.BitsAllocated = dataset.BitsStored = bits
    dataset.HighBit, dataset.PixelRepresentation = bits - 1, 0
    for key, value in more.items():
        setattr(dataset, key, value)
    raw = pixels.astype("u1" if bits == 8 else "<u2").tobytes()
    dataset.add_new(0x7FE00010, "OB" if bits == 8 else "OW", raw + bytes(len(raw) % 2))
    return dataset


def encapsulated(document: bytes, kind: str = "application/pdf") -> Dataset:
    dataset = bare(ENCAPSULATED)
    dataset.MIMETypeOfEncapsulatedDocument = kind
    dataset.EncapsulatedDocument = document + bytes(len(document) % 2)
    return dataset
