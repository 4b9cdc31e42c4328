"""``nearbeat serve``, the tokens of those who may ask it, and the check of its log."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from retrieval.app.console import out, print_json, say
from retrieval.app.opening import BundleOption, GalleryOption, JsonOption, LogOption, open_engine
from retrieval.errors import BadArgument

if TYPE_CHECKING:
    from socket import socket

    from retrieval.service.chain import ChainLog
    from retrieval.service.settings import Settings
    from retrieval.service.tls import Certificate
    from retrieval.service.tokens import TokenFile

TokensOption = Annotated[
    Path | None, typer.Option("--tokens", help="File of the tokens; without it, the one of this user.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("serve")(serve)
    tokens = typer.Typer(help="Who may ask the service: make, list and revoke tokens.", no_args_is_help=True)
    tokens.command("add")(token_add)
    tokens.command("list")(token_list)
    tokens.command("revoke")(token_revoke)
    app.add_typer(tokens, name="token")
    logs = typer.Typer(help="The log of requests and answers that the service keeps.", no_args_is_help=True)
    logs.command("verify")(log_verify)
    logs.callback()(_nothing)  # with one command alone, typer would make it the group itself
    app.add_typer(logs, name="serve-log")


def serve(
    host: Annotated[str, typer.Option(help="Address to listen at; 0.0.0.0 for every network of this machine.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8765,
    gallery: GalleryOption = None,
    bundle: BundleOption = None,
    tls: Annotated[
        Literal["self"] | None, typer.Option(help="'self' makes a certificate once, and tells its fingerprint.")
    ] = None,
    cert: Annotated[Path | None, typer.Option(help="Certificate in PEM, for TLS; with --key.")] = None,
    key: Annotated[Path | None, typer.Option(help="Its key in PEM, without a password.")] = None,
    tokens: TokensOption = None,
    audit_log: Annotated[
        Path | None, typer.Option(help="Where requests and answers are put down; without it, a file of this user.")
    ] = None,
    no_audit_log: Annotated[bool, typer.Option("--no-audit-log", help="Put nothing down.")] = False,
    jobs: Annotated[
        Path | None, typer.Option(help="Folder of batch jobs; without it, a folder of this user.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Files that are read at a time.")] = 2,
    log: LogOption = None,
) -> None:
    """Serve the pages and the HTTP API (docs/service.md). Nothing leaves this machine.

    Without a token it listens on this machine alone; once there are tokens, everyone needs one. Ctrl-C ends it.
    """
    from retrieval.service.places import state_folder
    from retrieval.service.running import is_loopback, listen

    holders = _holders(tokens)
    local = is_loopback(host)
    if not local and holders is None:
        raise BadArgument(
            f"listening at {host} without a token would let anyone in; make one with "
            "'nearbeat token add NAME --role read', or listen at 127.0.0.1"
        )
    certificate = _certificate(host, tls, cert, key)
    if not local and certificate is None:
        say("nearbeat: without TLS, tokens and ECGs can be read on their way; --tls self makes a certificate.")
    with ExitStack() as undo:
        bound = undo.enter_context(listen(host, port))
        port = bound.getsockname()[1]
        settings = _settings(host, port, certificate is not None, local, holders, workers)
        settings = _with_state(
            settings, undo, None if no_audit_log else audit_log or state_folder() / f"service-{port}.jsonl", jobs
        )
        _run(settings, bound, certificate, gallery, bundle, log)


def token_add(
    name: Annotated[str, typer.Argument(help="Whose it is; it stands in the service's log.")],
    role: Annotated[
        Literal["read", "write"], typer.Option(help="read: search and look; write: batch jobs as well.")
    ] = "read",
    tokens: TokensOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a token and print it; it is shown this once."""
    found = _token_file(tokens)
    token = found.add(name, role)
    if as_json:
        print_json({"schema": "nearbeat.token/1", "name": name, "role": role, "token": token})
    else:
        out().print(token, soft_wrap=True)
    say(f"The token of {name} ({role}) is shown this once; {found.path} holds its hash alone.")


def token_list(tokens: TokensOption = None, as_json: JsonOption = False) -> None:
    """Who has a token, revoked ones too."""
    from dataclasses import asdict

    found = _token_file(tokens)
    rows = [{name: value for name, value in asdict(one).items() if name != "sha256"} for one in found.tokens()]
    if as_json:
        print_json({"schema": "nearbeat.tokens/1", "path": str(found.path), "tokens": rows})
        return
    from rich.table import Table

    table = Table(*("name", "role", "made", "revoked"))
    for row in rows:
        table.add_row(row["name"], row["role"], row["made"], row["revoked"] or "-")
    out().print(table if rows else f"No tokens in {found.path}.")


def token_revoke(
    name: Annotated[str, typer.Argument(help="Whose token to withdraw.")], tokens: TokensOption = None
) -> None:
    """Withdraw a token; a service that runs refuses it from the next request on."""
    _token_file(tokens).revoke(name)
    say(f"The token of {name} is revoked.")


def log_verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The log.")],
    head: Annotated[str | None, typer.Option(help="Hash of a line that must be there, as noted down before.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Check that no line of a log was changed, taken out or put in. Exit code 2 when one was."""
    from retrieval.service.chain import verify

    found = verify(file, head)
    if as_json:
        facts = {**vars(found), "problems": list(found.problems)}
        print_json({"schema": "nearbeat.log-check/1", "path": str(file), "ok": not found.problems, **facts})
    else:
        healed = f"; {found.healed} times a line that a crash cut off was taken away" if found.healed else ""
        span = f", {found.first_at} to {found.last_at}" if found.lines else ""
        out().print(f"{found.lines} lines hold{span}{healed}.", soft_wrap=True)
        out().print(f"head {found.head}", soft_wrap=True)
    if found.problems:
        say(f"nearbeat: {file}: {found.problems[0]}")
        raise typer.Exit(2)


def _run(
    settings: Settings,
    bound: socket,
    certificate: Certificate | None,
    gallery: Path | None,
    bundle: Path | None,
    log: Path | None,
) -> None:
    from retrieval.service.application import create_app
    from retrieval.service.desk import Desk
    from retrieval.service.running import run

    desk = Desk(open_engine(gallery, bundle, log), settings.limits)
    try:
        run(create_app(desk, settings), bound, settings, certificate, lambda: _tell(settings, certificate))
    finally:
        desk.close()


def _tell(settings: Settings, certificate: Certificate | None) -> None:
    """Say where the service is found, and by what it is known."""
    from retrieval.service.tls import addresses

    everywhere = settings.host in ("0.0.0.0", "::")  # noqa: S104
    places = addresses() if everywhere else (settings.host,)
    urls = [f"http{'s' * settings.secure}://{f'[{p}]' if ':' in p else p}:{settings.port}/" for p in places]
    where = " and ".join(urls) or settings.origin
    say(f"NearBeat listens at {where}; it is research software, not a diagnosis. Ctrl-C ends it.")
    if settings.tokens is not None:
        say("Each request needs a token: nearbeat token list shows who has one.")
    if settings.log is not None:
        say(f"Requests are put down in {settings.log.path}, whose last line has the hash {settings.log.head}.")
    if certificate is not None:
        say(f"SHA-256 of the certificate, to compare once: {certificate.fingerprint}")
    if everywhere and urls:
        _qr(urls[0])


def _qr(url: str) -> None:
    """The address to photograph, where the package that draws it is installed and a person looks at a terminal."""
    import sys

    try:
        import segno
    except ImportError:
        return
    if sys.stderr.isatty():
        segno.make(url, micro=False).terminal(sys.stderr, compact=True)


def _settings(host: str, port: int, secure: bool, local: bool, holders: TokenFile | None, workers: int) -> Settings:
    from retrieval.service.settings import LOOPBACK, Limits, Settings

    names = LOOPBACK | {host} if local else frozenset()
    return Settings(host, port, secure, names, holders, limits=Limits(workers=workers))


def _with_state(settings: Settings, undo: ExitStack, audit_log: Path | None, jobs: Path | None) -> Settings:
    """The settings with the log opened and the folder of jobs named."""
    from dataclasses import replace

    from retrieval.service.places import state_folder

    log: ChainLog | None = None
    if audit_log is not None:
        from retrieval.service.chain import ChainLog

        log = ChainLog(audit_log)
        undo.callback(log.close)
        if log.notice:
            say(f"nearbeat: {log.notice}; nearbeat serve-log verify checks the rest.")
    return replace(settings, log=log, jobs=jobs or state_folder() / f"jobs-{settings.port}")


def _certificate(host: str, tls: str | None, cert: Path | None, key: Path | None) -> Certificate | None:
    from retrieval.service.places import config_folder
    from retrieval.service.tls import given, names_of, self_made

    if (cert is None) != (key is None) or (cert is not None and tls is not None):
        raise BadArgument("--cert and --key go together, and not with --tls; give both files, or --tls self")
    if cert is not None and key is not None:
        return given(cert, key)
    return None if tls is None else self_made(config_folder() / "tls", names_of(host))


def _holders(path: Path | None) -> TokenFile | None:
    """The file of tokens where it holds a good one."""
    found = _token_file(path)
    if found.any_good():
        return found
    if path is not None:
        raise BadArgument(f"{path} holds no good token; make one with 'nearbeat token add NAME --tokens {path}'")
    return None


def _token_file(path: Path | None) -> TokenFile:
    from retrieval.service.tokens import TokenFile, default_tokens

    return TokenFile(path or default_tokens())


def _nothing() -> None:
    """Hold the group together."""
