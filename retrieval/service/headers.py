"""What each answer of the service carries, so that a browser holds it to what it is for."""

from __future__ import annotations

CSP = (
    "default-src 'self'; img-src 'self' data: blob:; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
)
STATIC = "/static/"
"""Below here stand files of the program, which are the same for everyone and may be kept."""
_ALWAYS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "geolocation=(), microphone=(), payment=(), usb=()",
    "X-Frame-Options": "DENY",
}
HSTS = "max-age=31536000"


def headers_for(path: str, secure: bool) -> list[tuple[bytes, bytes]]:
    """The headers of an answer, in the form that ASGI wants; what is static says itself how long it keeps."""
    more = {} if path.startswith(STATIC) else {"Cache-Control": "no-store"}
    if secure:
        more["Strict-Transport-Security"] = HSTS
    return [(name.lower().encode(), value.encode()) for name, value in {**_ALWAYS, **more}.items()]
