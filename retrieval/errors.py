"""What can be wrong with an input, one class for each thing that a user would mend in another way."""

from __future__ import annotations

from index.errors import ExtraMissing, NearBeatError

__all__ = ["BadInput", "BundleError", "ExtraMissing", "NearBeatError"]


class BadInput(NearBeatError):
    """The input cannot be used as it is."""

    kind = "bad_input"


class FileMissing(BadInput):
    """No file at that path."""

    kind = "file_missing"


class EmptyFile(BadInput):
    """The file holds zero bytes."""

    kind = "empty_file"


class UnsupportedFormat(BadInput):
    """No reader knows this kind of file."""

    kind = "unsupported_format"


class DamagedFile(BadInput):
    """The file is of a known kind, yet truncated or damaged."""

    kind = "damaged_file"


class TooLarge(BadInput):
    """Decoding the file would take more memory than a page can need (a decompression bomb, or a poster)."""

    kind = "too_large"


class TookTooLong(BadInput):
    """Reading the file was stopped at its time limit."""

    kind = "took_too_long"


class ReaderFailed(BadInput):
    """Reading the file ended the reader itself, in a way that no check of ours foresaw."""

    kind = "reader_failed"


class EncryptedFile(BadInput):
    """The file asks for a password."""

    kind = "encrypted_file"


class NoWaveform(BadInput):
    """A DICOM or other container without an ECG inside."""

    kind = "no_waveform"


class CompanionMissing(BadInput):
    """A file of a set is absent, such as the ``.dat`` beside a WFDB header."""

    kind = "companion_missing"


class LeadsMissing(BadInput):
    """Fewer leads than a 12-lead ECG needs."""

    kind = "leads_missing"


class BadSignal(BadInput):
    """The samples are not a usable ECG: flat, not finite, too short, or in microvolts by mistake."""

    kind = "bad_signal"


class NotAnEcg(BadInput):
    """A picture in which no ECG was found."""

    kind = "not_an_ecg"


class EmptySentence(BadInput):
    """A text query without a word in it."""

    kind = "empty_sentence"


class BadArgument(BadInput):
    """A value of an option or a recipe that cannot be used."""

    kind = "bad_argument"


class BundleError(NearBeatError):
    """The model bundle is missing, damaged, or of a version this program cannot read."""

    kind = "bundle"


class CorpusError(NearBeatError):
    """A corpus folder lacks what a corpus of its kind must have."""

    kind = "corpus"
