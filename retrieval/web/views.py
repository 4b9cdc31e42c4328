"""An entry of a visit as the values that its pages show; every text of it is escaped by the templates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from retrieval.answer import SIMULATED, Answer, Hit
from retrieval.ecg.recording import LEADS
from retrieval.web.drawing import simulated_query
from retrieval.web.language import Words
from retrieval.web.shelf import Entry
from retrieval.web.showing import may_be_shown

if TYPE_CHECKING:
    from index import Case
    from retrieval.evidence import Evidence
    from retrieval.intake import Intake
    from retrieval.intake.result import Quad

VOTED = 8
"""Statements of the vote that are shown."""


def answer_values(entry: Entry, t: Words) -> dict[str, Any]:
    """What the page of an answer shows, but for the choices of its filters."""
    answer, evidence = entry.answer, entry.evidence
    if answer is None:
        raise ValueError("a refused entry has no answer to show")
    hits = [hit_values(hit, answer, evidence, t) for hit in answer.hits]
    intake = entry.intake
    shown = answer.query.page is not None or (entry.case is not None and entry.case.page is not None)
    report = intake.report if intake is not None else None
    return {
        "number": entry.number,
        "asked": entry.asked,
        "given": entry.asked.filters,
        "where": entry.asked.filters.condition(),
        "also": ", ".join(answer.query.also),
        "heading": heading_of(entry, t),
        "kind": t(f"kind.{entry.asked.kind}"),
        "simulated": simulated_query(entry),
        "any_simulated": answer.gallery.simulated or any(hit.simulated for hit in answer.hits),
        "strange": t.either(evidence.strange) if evidence and evidence.strange else "",
        "cautions": _cautions(evidence, t),
        "leads": LEADS,
        "shown_speed": report.speed if report and report.speed in (12.5, 25, 50, 100) else 25,
        "shown_gain": report.gain if report and report.gain in (5, 10, 20, 40) else 10,
        "figure": shown,
        "query_alt": query_alt(entry, t),
        "read": read_values(entry, intake, t) if intake is not None else None,
        "like": _like(entry, t),
        "hits": hits,
        "ballots": _ballots(evidence, t),
        "contrary": _contrary(answer, evidence, t),
        "earlier": [case_values(case, f"earlier-{i}", t) for i, case in enumerate(answer.earlier, start=1)],
        "can_measure": bool(hits),
        "gallery": t(
            "foot.gallery_is",
            name=answer.gallery.path,
            generation=answer.gallery.generation,
            cases=t.number(answer.gallery.cases),
        ),
        "model": f"{answer.model.name} {answer.model.sha256[:16]}",
        "search": _exactness(answer, t),
    }


def refused_values(entry: Entry, picture: bool, t: Words, problem: str) -> dict[str, Any]:
    """What the page shows of an ECG that could not be read, and of which there may be a ``picture``."""
    error = entry.error
    return {
        "number": entry.number,
        "name": heading_of(entry, t),
        "problem": problem,
        "kind": t.known(f"error.{error.kind}") if error is not None else "",
        "correctable": picture or (entry.asked.upload is not None and entry.asked.upload.tabular),
        "picture": f"/answers/{entry.number}/picture" if picture else "",
    }


def history_rows(entries: Sequence[Entry], t: Words) -> list[dict[str, Any]]:
    """The entries of a visit, in a line each."""
    return [
        {
            "number": entry.number,
            "name": heading_of(entry, t),
            "what": t(f"kind.{entry.asked.kind}"),
            "where": entry.asked.filters.condition(),
            "result": _result(entry, t),
            "simulated": simulated_query(entry),
        }
        for entry in entries
    ]


def _result(entry: Entry, t: Words) -> str:
    if entry.answer is None:
        return t("refused.short")
    if not entry.answer.hits:
        return t("case.none")
    best = entry.answer.hits[0]
    return t("history.best", case=best.case_id, score=t.number(best.score, 3))


def heading_of(entry: Entry, t: Words) -> str:
    """What an entry is called."""
    asked = entry.asked
    if asked.kind == "text":
        return f"“{asked.text}”"
    if asked.kind == "case":
        return t("answer.like", case=asked.case_id)
    if asked.example:
        return t(f"example.{asked.example}")
    return asked.upload.name if asked.upload is not None else t("kind.ecg")


def query_alt(entry: Entry, t: Words) -> str:
    """The query's drawing in words."""
    intake = entry.intake
    if entry.case is not None:
        return str(case_values(entry.case, "query", t)["alt"])
    seconds = intake.recording.seconds if intake is not None and intake.recording is not None else None
    if seconds is not None:
        return t("read.alt_recording", seconds=t.number(seconds))
    layout = intake.page.layout if intake is not None else "3x4+1"
    return t("read.alt_page", layout=layout)


def read_values(entry: Entry, intake: Intake, t: Words) -> dict[str, Any]:
    """What was read of an upload, to be checked by eye and set right by hand."""
    report = intake.report
    picture = may_be_shown(entry)
    return {
        "facts": _read_facts(intake, t),
        "findings": [{"title": t.known(f"finding.{one.kind}"), "message": one.message} for one in intake.findings],
        "correctable": report is not None,
        "picture": f"/answers/{entry.number}/picture" if picture else "",
        "wide": report.picture[0] if report else 0,
        "high": report.picture[1] if report else 0,
        "boxes": [points(lead.box) for lead in report.leads] if report else [],
    }


def _read_facts(intake: Intake, t: Words) -> list[tuple[str, str]]:
    facts = [(t("read.kind"), intake.kind.replace("_", " "))]
    if intake.pages > 1:
        facts.append((t("read.page"), t("read.page_of", page=intake.number, pages=intake.pages)))
    report, own = intake.report, intake.recording
    if report is not None:
        gains = [report.gain, report.chest_gain] if report.gain != report.chest_gain else [report.gain]
        order = f" · {t('read.cabrera')}" if report.order == "cabrera" else ""
        facts += [
            (t("read.layout"), (t.known(f"layout.{report.layout}") or report.layout) + order),
            (t("read.speed"), f"{_short(report.speed, t)} mm/s" + _assumed("speed", report.assumed, t)),
            (
                t("read.gain"),
                " / ".join(_short(gain, t) for gain in gains) + " mm/mV" + _assumed("gain", report.assumed, t),
            ),
            (t("read.certainty"), t.number(report.certainty, 2)),
        ]
    if own is not None:
        facts.append((t("read.samples"), t("read.rate", rate=_short(own.rate, t), seconds=t.number(own.seconds, 1))))
        facts += _person(own.age, own.sex, t)
    return facts


def _assumed(what: str, assumed: Sequence[str], t: Words) -> str:
    return f" ({t('read.assumed')})" if what in assumed else ""


def _short(value: float, t: Words) -> str:
    return t.number(value, 0 if value == round(value) else 1)


def hit_values(hit: Hit, answer: Answer, evidence: Evidence | None, t: Words) -> dict[str, Any]:
    """One neighbour's card."""
    shares = evidence.percentiles if evidence is not None else ()
    place = hit.rank - 1
    share = shares[place] if 0 <= place < len(shares) and answer.hits[place : place + 1] == (hit,) else None
    return case_values(hit.case, str(hit.rank), t) | {
        "place": str(hit.rank),
        "score": t.number(hit.score, 3),
        "bar": max(0.0, min(1.0, hit.score)),
        "percentile": _percent(share, answer, t),
        "exact": _exactness(answer, t),
    }


def case_values(case: Case, which: str, t: Words) -> dict[str, Any]:
    """What a card shows of a case."""
    statements = [
        {
            "code": code,
            "words": t.statement(code),
            "unsure": f"{t.number(likelihood)} %" if likelihood is not None and likelihood < 100 else "",
        }
        for code, likelihood in case.statements.items()
    ]
    facts = _person(case.age, case.sex, t) + [
        (t(f"case.{name}"), str(value))
        for name, value in (("recorded", case.recorded), ("device", case.device), ("site", case.site))
        if value
    ]
    source = case.source if not case.source.lower().startswith(SIMULATED) and case.source != case.case_id else ""
    return {
        "which": which,
        "place": "",
        "case_id": case.case_id,
        "score": "",
        "percentile": "",
        "simulated": case.source.lower().startswith(SIMULATED),
        "facts": facts + ([(t("case.source"), source)] if source else []),
        "report": case.report,
        "statements": statements,
        "figure": case.waveform is not None or case.page is not None,
        "alt": t("case.alt", case=case.case_id, statements=", ".join(one["words"] for one in statements) or "-"),
    }


def _person(age: float | None, sex: str | None, t: Words) -> list[tuple[str, str]]:
    facts = [(t("case.age"), t("case.years", age=t.number(age)))] if age is not None else []
    return [*facts, (t("case.sex"), t.known(f"sex.{sex}") or sex)] if sex else facts


def _percent(share: float | None, answer: Answer, t: Words) -> str:
    """A percentile in words, without the false claim of 100 %."""
    if share is None:
        return ""
    shown = f"> {t.number(99.9, 1)} %" if share > 99.9 else f"{t.number(share, 1)} %"
    return t("case.percentile_text" if answer.query.text else "case.percentile", share=shown)


def _exactness(answer: Answer, t: Words) -> str:
    if answer.exact:
        return t("case.exact")
    return t("case.recall", recall=t.number(answer.recall, 2)) if answer.recall is not None else t("case.approximate")


def _ballots(evidence: Evidence | None, t: Words) -> list[dict[str, Any]]:
    ballots = evidence.ballots[:VOTED] if evidence is not None else ()
    return [
        {
            "words": t.either(one),
            "cases": one.cases,
            "lift": t.number(one.lift, 1),
            "adjusted": one.adjusted,
            "shown": t.number(one.adjusted, 2),
        }
        for one in ballots
    ]


def _contrary(answer: Answer, evidence: Evidence | None, t: Words) -> dict[str, Any] | None:
    """The contrary case: a card of its own where it is not among those that are shown anyway."""
    found = evidence.contrary if evidence is not None else None
    if found is None:
        return None
    among = any(hit.case_id == found.hit.case_id for hit in answer.hits)
    place = next((hit.rank for hit in answer.hits if hit.case_id == found.hit.case_id), 0)
    card = case_values(found.hit.case, "contrary", t) | {
        "score": t.number(found.hit.score, 3),
        "bar": max(0.0, min(1.0, found.hit.score)),
        "exact": "",
    }
    return {"sentence": t.either(found), "place": place, "hit": None if among else card}


def _cautions(evidence: Evidence | None, t: Words) -> list[str]:
    """All cautions but the one that the page's banner gives."""
    cautions = evidence.cautions if evidence is not None else ()
    return [t.either(one) for one in cautions if one.kind != "simulated"]


def _like(entry: Entry, t: Words) -> dict[str, Any] | None:
    """The case that the neighbours are like."""
    return case_values(entry.case, "query", t) if entry.case is not None else None


def points(quad: Quad) -> str:
    """Four corners as the points of a polygon."""
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in quad)
