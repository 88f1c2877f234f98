"""The drift report as a page: one file without scripts and without anything from the network, in two languages."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from .psi import CHANGED, DRIFTED, MISSING, REST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .psi import Comparison

LANGUAGES = ("en", "pt-BR")


@dataclass(frozen=True)
class Period:
    """What was compared: numbers of rows, the time (ISO 8601) from `first` to `last`, the versions that answered."""

    training_rows: int
    recent_rows: int
    first: str
    last: str
    models: tuple[str, ...]
    unreadable: int = 0


_WORDS = {
    "en": {
        "title": "Drift of the model's inputs",
        "drifted": "drifted",
        "changed": "changed",
        "same": "as before",
        "yes": "Drift: {names}. What the model is asked no longer looks like what it learned from.",
        "some": "Something changed, but not much: {names}.",
        "no": "No drift: what the model is asked looks like what it learned from.",
        "compared": "{recent} predictions from {first} to {last} against {training} rows of the training data. "
        "Model: {models}.",
        "unreadable": "Lines of the log that could not be read and are left out: {count}.",
        "column": "column",
        "psi": "PSI",
        "verdict": "verdict",
        "legend": "grey: training data; colour: recent predictions",
        "how": "How to read this",
        "explained": "PSI (population stability index) is 0 if the shares of all values are as in the training data, "
        "and grows with the distance. Above {changed} a column counts as changed, above {drifted} as drifted, unless "
        "chance alone explains it: few predictions make a large PSI by chance.",
        "next": "After drift: look at what is new in the columns above, get the true prices of some recent rows, "
        "compare, and train again with recent data.",
        "target": "Price: what the model predicts now, against the prices it learned from. A model pulls extremes "
        "towards the middle, so a small change is normal here.",
        MISSING: "missing",
        REST: "others",
    },
    "pt-BR": {
        "title": "Deriva (drift) das entradas do modelo",
        "drifted": "com deriva",
        "changed": "mudou",
        "same": "como antes",
        "yes": "Há deriva: {names}. O que perguntam ao modelo já não se parece com os dados em que ele aprendeu.",
        "some": "Algo mudou, mas pouco: {names}.",
        "no": "Sem deriva: o que perguntam ao modelo se parece com os dados em que ele aprendeu.",
        "compared": "{recent} previsões de {first} a {last}, comparadas com {training} linhas dos dados de treino. "
        "Modelo: {models}.",
        "unreadable": "Linhas do registro que não puderam ser lidas e ficaram de fora: {count}.",
        "column": "coluna",
        "psi": "PSI",
        "verdict": "resultado",
        "legend": "cinza: dados de treino; cor: previsões recentes",
        "how": "Como ler esta página",
        "explained": "O PSI (índice de estabilidade populacional) é 0 quando a proporção de cada valor é a dos dados "
        "de treino, e cresce com a distância. Acima de {changed} a coluna conta como mudada, acima de {drifted} como "
        "coluna com deriva, a não ser que o acaso explique: com poucas previsões, o PSI fica grande por acaso.",
        "next": "Se houver deriva: veja o que há de novo nas colunas acima, descubra o preço real de algumas linhas "
        "recentes, compare e treine de novo com dados recentes.",
        "target": "Price: o que o modelo prevê agora, comparado com os preços em que aprendeu. Um modelo puxa os "
        "extremos para o meio, por isso uma mudança pequena aqui é normal.",
        MISSING: "sem valor",
        REST: "outros",
    },
}

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5b6675; --paper: #fff; --line: #d8dee6; --then: #aab4c0;
  --same: #2a7a4f; --changed: #a66300; --drifted: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaf0; --soft: #a3adba; --paper: #14181e; --line: #333c48;
  --then: #66717f; --same: #5cc08a; --changed: #e0a03c; --drifted: #f2837b; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 62rem;
  margin: 2rem auto; padding: 0 1rem; }
p, small { color: var(--soft); }
.answer { font-size: 1.2rem; border-left: .4rem solid; padding-left: 1rem; }
table { border-collapse: collapse; width: 100%; } th, td { text-align: left; padding: .3rem .6rem; vertical-align: top;
  border-bottom: 1px solid var(--line); } .number { text-align: right; font-variant-numeric: tabular-nums; }
.same { color: var(--same); } .changed { color: var(--changed); } .drifted { color: var(--drifted); }
section { break-inside: avoid; margin: 1.5rem 0; } .bars { display: grid; gap: 0 .8rem; align-items: center;
  grid-template-columns: minmax(6rem, 14rem) 1fr 7rem; } .bars > * { border-bottom: 1px solid var(--line); }
.bar { height: .5rem; min-width: 1px; background: currentColor; } .bar.then { background: var(--then); }
.shares { text-align: right; color: var(--soft); font-variant-numeric: tabular-nums; }
"""


def render(comparisons: Sequence[Comparison], period: Period, language: str, target: str) -> str:
    """Return the page; `comparisons` come most drifted first, `language` is one of LANGUAGES."""
    words = _WORDS[language]
    verdicts = {verdict: [one.column for one in comparisons if one.verdict == verdict] for verdict in _VERDICTS}
    worst = next(verdict for verdict in _VERDICTS if verdicts[verdict] or verdict == "same")
    answer = {"drifted": "yes", "changed": "some", "same": "no"}[worst]
    compared = words["compared"].format(
        recent=period.recent_rows,
        training=period.training_rows,
        first=_minute(period.first),
        last=_minute(period.last),
        models=", ".join(period.models),
    )
    parts = [
        f"<!doctype html>\n<html lang='{language}'>\n<head>\n<meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width, initial-scale=1'>",
        f"<title>{escape(words['title'])}</title>\n<style>{_STYLE}</style>\n</head>\n<body>",
        f"<h1>{escape(words['title'])}</h1>",
        f"<p class='answer {worst}'>{escape(words[answer].format(names=', '.join(verdicts[worst])))}</p>",
        f"<p>{escape(compared)}</p>",
    ]
    if period.unreadable:
        parts.append(f"<p>{escape(words['unreadable'].format(count=period.unreadable))}</p>")
    parts += [_table(comparisons, words), f"<p>{escape(words['legend'])}</p>"]
    parts += [_section(one, words, target) for one in comparisons]
    explained = words["explained"].format(changed=CHANGED, drifted=DRIFTED)
    parts.append(f"<h2>{escape(words['how'])}</h2>\n<p>{escape(explained)}</p>\n<p>{escape(words['next'])}</p>")
    parts.append("</body>\n</html>\n")
    return "\n".join(parts)


_VERDICTS = ("drifted", "changed", "same")


def _minute(at: str) -> str:
    """Return a time of the log (ISO 8601, UTC) as people read it."""
    return f"{at[:16].replace('T', ' ')} UTC"


def _table(comparisons: Sequence[Comparison], words: dict[str, str]) -> str:
    head = f"<th>{escape(words['column'])}</th><th class='number'>{escape(words['psi'])}</th>"
    head += f"<th>{escape(words['verdict'])}</th>"
    rows = "\n".join(
        f"<tr><td>{escape(one.column)}</td><td class='number'>{one.psi:.3f}</td>"
        f"<td class='{one.verdict}'>{escape(words[one.verdict])}</td></tr>"
        for one in comparisons
    )
    return f"<table>\n<tr>{head}</tr>\n{rows}\n</table>"


def _section(one: Comparison, words: dict[str, str], target: str) -> str:
    most = max(*one.before, *one.now)
    bars = "\n".join(
        f"<div>{escape(words.get(name, name))}</div>"
        f"<div class='{one.verdict}'><div class='bar then' style='width:{100 * then / most:.1f}%'></div>"
        f"<div class='bar' style='width:{100 * now / most:.1f}%'></div></div>"
        f"<div class='shares'>{then:.0%} → {now:.0%}</div>"
        for name, then, now in zip(one.bins, one.before, one.now, strict=True)
    )
    note = f"<small>{escape(words['target'])}</small>" if one.column == target else ""
    title = f"<h3>{escape(one.column)} <small class='{one.verdict}'>{escape(words[one.verdict])}</small></h3>"
    return f"<section>\n{title}\n{note}\n<div class='bars'>\n{bars}\n</div>\n</section>"
