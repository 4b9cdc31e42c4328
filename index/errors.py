"""The one root of every error that NearBeat raises on purpose, and the gallery's own."""

from __future__ import annotations

from typing import ClassVar


class NearBeatError(Exception):
    """Something a user can mend; the message says what failed, the value seen, what was expected and the way out.

    ``kind`` is the stable machine-readable name used in ``--json`` output; ``exit_code`` is what the command line
    returns.
    """

    kind: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 2


class ExtraMissing(NearBeatError):
    """Something needs an optional extra that is not installed."""

    kind = "extra_missing"


class GalleryError(NearBeatError):
    """The gallery cannot do what was asked of it."""

    kind = "gallery"


class GalleryMissing(GalleryError):
    """There is no gallery at that path."""

    kind = "gallery_missing"


class GalleryExists(GalleryError):
    """A gallery already stands where a new one was to be made."""

    kind = "gallery_exists"


class GalleryDamaged(GalleryError):
    """The database, the truth of a gallery, cannot be read or disagrees with itself."""

    kind = "gallery_damaged"


class WrongBundle(GalleryError):
    """The vectors of a gallery were made by another bundle than the one at hand."""

    kind = "wrong_bundle"


class DuplicateCase(GalleryError):
    """A case of that id was added before; ids are never used again."""

    kind = "duplicate_case"


class BadVector(GalleryError):
    """A vector has the wrong length, is not finite, or is zero."""

    kind = "bad_vector"


class UnknownCase(GalleryError):
    """No case of that id is in the gallery, or it was deleted."""

    kind = "unknown_case"


class BadCase(GalleryError):
    """A case holds a value that cannot be kept, such as an empty id or an age that is not a number."""

    kind = "bad_case"


class BadSearch(GalleryError):
    """A search was asked for in a way that cannot be answered: k, a filter, or the list of patients to leave out."""

    kind = "bad_search"


class ReembedUnderWay(GalleryError):
    """A gallery is being moved to another bundle than the one named, or is not complete in it yet."""

    kind = "reembed_under_way"


class NoReembed(GalleryError):
    """No re-embedding was begun, or it is done."""

    kind = "no_reembed"


class GalleryBusy(GalleryError):
    """Another process is writing to the gallery and did not finish in time."""

    kind = "gallery_busy"
