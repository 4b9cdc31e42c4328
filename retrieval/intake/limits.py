"""How much of a file is looked at, at most: each limit is checked from a header before anything is decoded.

A page of A3 at 300 dpi has 17 megapixels, a phone's picture up to 50, and ten seconds of twelve leads at 1000 Hz hold
120,000 values. What is far beyond that is no ECG page but a bomb, a poster or a monitor's file.
"""

from __future__ import annotations

MAX_BYTES = 200_000_000
"""Of a file."""
MAX_UNPACKED = 64_000_000
"""Bytes to which a gzip file or a deflated DICOM file unpacks; a small file must not take much memory."""
MAX_PIXELS = 51_000_000
"""Of a picture: decoding takes up to eight bytes for each."""
MAX_WEBP_PIXELS = 25_000_000
"""Of a WebP, whose decoder takes twice as much for each pixel; no camera writes larger ones."""
PIXELS_PER_BYTE = 4_000
"""Of a picture in color that is no blank sheet; gray ones, which take half the memory, may be as empty as may be."""
BLANK_PIXELS = 4_000_000
"""Up to here any picture may be blank: it is small, and the reader of pages tells that it shows nothing."""
MAX_SIDE = 16_000
"""Of a picture, in pixels."""
MAX_PAGE_PIXELS = 12_000_000
"""To which a page of a PDF is rendered."""
MAX_PAGES = 20
"""Pages or records that are looked at where none is named: an ECG stands at the front of a report."""
MAX_VALUES = 12 * 1000 * 900
"""Samples of all leads together: a quarter of an hour of twelve leads at 1000 Hz."""
MAX_CHANNELS = 512
"""Channels of a recording, whatever they record."""
MAX_XML_BYTES = 64_000_000
MAX_XML_DEPTH = 64
MAX_XML_ELEMENTS = 500_000
MAX_TABLE_BYTES = 64_000_000
"""Of a CSV file, whose numbers take far more room as text than as samples."""
MAX_RATE = 100_000.0
"""Samples per second; an ECG has 100 to 8,000."""
