"""Examples behind the help of each command, as they may be typed; tests/retrieval/app/test_examples.py runs them.

They speak of the same few things: ``photo.jpg`` and other ECGs, ``my.gallery``, ``archive/`` with ``reports.csv``,
and ``ptb-xl/``.
"""

from __future__ import annotations

EXAMPLES: dict[str, tuple[str, ...]] = {
    "query": (
        "nearbeat query photo.jpg",
        "nearbeat query photo.jpg -k 5 --gallery my.gallery --html answer.html",
        'nearbeat query ecg.dcm record.hea --gallery my.gallery --where "age >= 60" --json',
    ),
    "search": (
        'nearbeat search "inferior infarct with RBBB"',
        "nearbeat search Vorhofflimmern --gallery my.gallery --by words -k 20 --json",
    ),
    "intake": (
        "nearbeat intake photo.jpg",
        "nearbeat intake photo.jpg --show understood.png --save page.png --json",
    ),
    "audit": ("nearbeat audit reports.csv --gallery my.gallery --out audited",),
    "cohort": (
        "nearbeat cohort 'atrial fibrillation' --gallery my.gallery -k 10 --out cohort.csv",
        'nearbeat cohort --where "age >= 60" --gallery my.gallery --no-patients --out cohort.csv',
    ),
    "audit-mark": (
        "nearbeat audit reports.csv --gallery my.gallery --out audited",
        "nearbeat audit-mark audited archive/0.png dismissed --note 'the report is right'",
    ),
    "replay": (
        "nearbeat query photo.jpg --gallery my.gallery --log answers.db",
        "nearbeat replay 1 --log answers.db",
    ),
    "serve": (
        "nearbeat serve",
        "nearbeat serve --gallery my.gallery --port 9000",
        "nearbeat serve --host 0.0.0.0 --tls self --gallery my.gallery",
    ),
    "token add": ("nearbeat token add ward-phone --role read",),
    "token list": ("nearbeat token add ward-phone --role read", "nearbeat token list --json"),
    "token revoke": ("nearbeat token add ward-phone --role read", "nearbeat token revoke ward-phone"),
    "serve-log verify": ("nearbeat serve-log verify service-8765.jsonl",),
    "demo": ("nearbeat demo --out demo-out --cases 20",),
    "doctor": ("nearbeat doctor", "nearbeat doctor --gallery my.gallery --json"),
    "gallery build": (
        "nearbeat gallery build --simulated 20 --out simulated.gallery",
        "nearbeat gallery build --files archive --reports reports.csv --out archive.gallery",
        "nearbeat gallery build --ptbxl ptb-xl --folds 1-8 --out ptbxl.gallery",
    ),
    "gallery add": ("nearbeat gallery add my.gallery --files archive --reports reports.csv --update",),
    "gallery info": ("nearbeat gallery info my.gallery", "nearbeat gallery info my.gallery --json"),
    "gallery verify": ("nearbeat gallery verify my.gallery",),
    "gallery delete": ("nearbeat gallery delete my.gallery sim-000003 sim-000004",),
    "gallery compact": ("nearbeat gallery compact my.gallery",),
    "gallery snapshot": ("nearbeat gallery snapshot my.gallery --out copy",),
    "gallery restore": (
        "nearbeat gallery snapshot my.gallery --out copy",
        "nearbeat gallery restore copy --out back.gallery",
    ),
    "gallery diff": (
        "nearbeat gallery snapshot my.gallery --out copy",
        "nearbeat gallery diff my.gallery copy",
    ),
    "gallery export": ("nearbeat gallery export my.gallery --out exported --no-recordings",),
    "gallery import": (
        "nearbeat gallery export my.gallery --out exported",
        "nearbeat gallery import exported --out back.gallery",
    ),
    "gallery reembed": ("nearbeat gallery reembed my.gallery --bundle new-bundle",),
    "corpus fetch": (
        "nearbeat corpus fetch ptbxl --to ptb-xl",
        "nearbeat corpus fetch ptbxl --to ptb-xl --folds 1-2 --rate 500 --json",
    ),
    "corpus check": (
        "nearbeat corpus check ptb-xl",
        "nearbeat corpus check archive --reports reports.csv",
    ),
    "evaluate": ("nearbeat evaluate --ptbxl ptb-xl --robust-ecgs 0 --search 0 --out evaluation",),
    "train": ("nearbeat train recipe.yaml --out runs/first",),
    "average": ("nearbeat average runs/first runs/second --out runs/mean",),
    "pack": ("nearbeat pack ptb-xl shards",),
}
"""By the words of the command. Each list is run from top to bottom in a folder of its own."""
