"""Parse XML from strangers: no entity of theirs, nothing fetched, bounds on depth and on the number of elements."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from retrieval.errors import DamagedFile, TooLarge, UnsupportedFormat
from retrieval.intake.limits import MAX_XML_BYTES, MAX_XML_DEPTH, MAX_XML_ELEMENTS
from retrieval.intake.opening import Source

_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")
_ROOT = re.compile(r"<([A-Za-z_][\w.-]*:)?([A-Za-z_][\w.-]*)[\s/>]")
_BEFORE_ROOT = re.compile(r"<\?.*?\?>|<!--.*?-->|<!DOCTYPE[^>\[]*(\[.*?\]\s*)?>", re.DOTALL)


def parse_xml(source: Source) -> Element:
    """The root of an XML document, tags and attributes without their namespaces.

    A document type may be named, as MUSE does; it is not fetched, and one that declares entities is refused.

    Raises:
        TooLarge: over 64 MB, 64 levels or 500,000 elements.
        UnsupportedFormat: it declares entities.
        DamagedFile: not well-formed.
    """
    if len(source.data) > MAX_XML_BYTES:
        raise TooLarge(f"'{source.name}' has {len(source.data) / 1e6:.0f} MB of XML; at most 64 are read")
    try:
        return _parse(source.data, None, source.name)
    except expat.ExpatError as first:
        text = decoded(source.data)
        if text is None:
            raise _damaged(source.name, first) from first
    # Declared as UTF-16 and stored as UTF-8, or the other way round: exporters do that.
    try:
        return _parse(_DECLARATION.sub("", text).encode(), "utf-8", source.name)
    except expat.ExpatError as error:
        raise _damaged(source.name, error) from error


def decoded(data: bytes) -> str | None:
    """Text of a document by its byte order mark or its first bytes; ``None`` where it is neither UTF-8 nor UTF-16."""
    codecs = ("utf-16",) if data[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig",)
    if data[:1] == b"<" and data[1:2] == b"\0":
        codecs = ("utf-16-le",)
    elif data[:2] == b"\0<":
        codecs = ("utf-16-be",)
    for codec in (*codecs, "latin-1"):
        try:
            return data.decode(codec)
        except UnicodeDecodeError:
            continue
    return None


def root_name(head: bytes) -> str | None:
    """Name of the root element in the first bytes of a file, ``None`` where they are no XML."""
    even = head[: len(head) // 2 * 2]
    text = (decoded(even) or "").lstrip("\ufeff \t\r\n")
    if not text.startswith("<"):
        return None
    found = _ROOT.search(_BEFORE_ROOT.sub("", text))
    return found[2] if found else None


def text_of(element: Element | None, path: str = ".") -> str:
    """Stripped text of the element at a path, empty where there is none."""
    found = element.find(path) if element is not None else None
    return (found.text or "").strip() if found is not None else ""


def value_of(element: Element | None, path: str, attribute: str = "value") -> str:
    """Stripped attribute of the element at a path, empty where there is none."""
    found = element.find(path) if element is not None else None
    return (found.get(attribute) or "").strip() if found is not None else ""


def number_in(text: str, what: str, name: str) -> float:
    """A finite number that a document gives as text.

    Raises:
        DamagedFile: no such number.
    """
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not -1e300 < value < 1e300:
        raise DamagedFile(f"'{name}' gives {what} as '{text[:40]}', which is no number; export it again")
    return value


def _damaged(name: str, error: expat.ExpatError) -> DamagedFile:
    return DamagedFile(f"'{name}' is not well-formed XML (truncated?): {error}; export it again")


def _parse(data: bytes, encoding: str | None, name: str) -> Element:
    builder = _Builder(name)
    parser = expat.ParserCreate(encoding, namespace_separator="}")
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.text
    parser.EntityDeclHandler = builder.refuse_entity
    parser.UnparsedEntityDeclHandler = builder.refuse_entity
    parser.Parse(data, True)
    return builder.tree.close()


class _Builder:
    """Builds the tree, counting what it is given."""

    def __init__(self, name: str) -> None:
        self.name, self.tree, self.depth, self.elements = name, TreeBuilder(), 0, 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        self.elements += 1
        if self.depth > MAX_XML_DEPTH or self.elements > MAX_XML_ELEMENTS:
            raise TooLarge(
                f"'{self.name}' nests over {MAX_XML_DEPTH} levels or has over {MAX_XML_ELEMENTS:,} elements of XML"
            )
        self.tree.start(_bare(tag), {_bare(key): value for key, value in attributes.items()})

    def end(self, tag: str) -> None:
        self.depth -= 1
        self.tree.end(_bare(tag))

    def text(self, text: str) -> None:
        self.tree.data(text)

    def refuse_entity(self, *_: object) -> None:
        raise UnsupportedFormat(f"'{self.name}' declares entities of its own in XML, which is how bombs are made")


def _bare(name: str) -> str:
    return name.rpartition("}")[2]
