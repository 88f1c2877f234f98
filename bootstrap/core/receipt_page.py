"""A receipt for people: its parts in words and tables, and one page of HTML to keep, print or hand on.

The page needs nothing but itself: no script, no picture, no address. Names in it were chosen by others (keys of
objects, tags, folders), so each is escaped, and none can change what the page says.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bootstrap.core.counts import counted
from bootstrap.core.inventory import EVERYWHERE, Mark, Place, Scan, Thing
from bootstrap.core.receipt import Receipt, Where, printable

_REMOVED: dict[Where, str] = {
    "aws": "Removed in AWS",
    "mlflow": "Removed from MLflow",
    "github": "Removed on GitHub",
    "laptop": "Removed on the machine it was run on",
}
_MARKS: dict[Mark, str] = {"tag": "its tag", "path": "its path", "name": "its name", "mark": "its mark"}


_UTC = re.compile(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?(?:Z|\+00:00)", re.ASCII)
# As S3 counts it.
_GB = 2**30


@dataclass(frozen=True)
class Section:
    """One part: a heading, sentences, and a table if there are rows. Nothing in it is escaped.

    `widths` are those of the columns, in hundredths of the page. `typed` are the columns that hold what a program
    understands: a name, an ARN, a command.
    """

    title: str
    words: tuple[str, ...] = ()
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    widths: tuple[int, ...] = ()
    typed: frozenset[int] = frozenset()
    is_bad: bool = False


def facts(receipt: Receipt) -> list[tuple[str, str]]:
    """Return what was taken down, where, when and by whom: a name and a value each."""
    where = "an AWS account" if receipt.target == "aws" else "the emulator on a laptop"
    return [
        ("Project", receipt.project),
        ("Environment", receipt.env or "all of the project"),
        ("Where", f"{where} ({receipt.account_id}), {receipt.region}"),
        ("Command", receipt.command),
        ("By", receipt.by or "not known"),
        ("Began (UTC)", _time(receipt.began)),
        ("Ended (UTC)", _time(receipt.ended)),
        ("Receipt", receipt.id),
    ]


def sections(receipt: Receipt) -> list[Section]:
    """Return the parts in the order in which they are read, behind the verdict."""
    return [
        *_removed(receipt),
        _data(receipt),
        *_looked(receipt.scan, receipt),
        *_left(receipt),
        _cost(receipt),
        _archive(receipt),
        _history(receipt),
    ]


def _removed(receipt: Receipt) -> Iterator[Section]:
    if not receipt.removed:
        yield Section("Removed", ("Nothing was there to be removed.",))
    header, widths = ("What", "Name", "When (UTC)"), (16, 62, 22)
    for place, title in _REMOVED.items():
        rows = tuple((one.kind, one.id, _time(one.at)) for one in receipt.removed if one.place == place)
        if rows:
            yield Section(title, (f"{counted(len(rows), 'thing')}.",), header, rows, widths, frozenset({1}))


def _data(receipt: Receipt) -> Section:
    counts = ((receipt.objects, "object"), (receipt.versions, "version"))
    told = [counted(count, word) for count, word in counts if count is not None]
    told += [_size(receipt.bytes)] if receipt.bytes is not None else []
    return Section("Data", (f"{', '.join(told)}." if told else "It could not be counted what the bucket held.",))


def _looked(scan: Scan | None, receipt: Receipt) -> Iterator[Section]:
    title = "Looked at, and found empty"
    if scan is None:
        gone = receipt.target == "local"
        words = "Nothing: the emulator was gone, and all that it held with it." if gone else "Nothing was looked at."
        yield Section(title, (words,), is_bad=not gone)
        return
    regions: dict[str, list[str]] = {}
    for place in _empty_places(scan):
        regions.setdefault(place.region, []).append(place.kind)
    rows = tuple((_region(region), ", ".join(regions[region])) for region in sorted(regions))
    count = counted(sum(map(len, regions.values())), "place") if rows else "None"
    yield Section(title, (f"{count}.",), ("Where", "For"), rows, (16, 84))
    if scan.blind:
        unseen = tuple((_region(one.place.region), one.place.kind, one.reason) for one in scan.blind)
        words = f"{counted(len(unseen), 'place')}. Something of it may be there still."
        yield Section("Could not be looked at", (words,), ("Where", "For", "Why"), unseen, (16, 22, 62), is_bad=True)


def _empty_places(scan: Scan) -> list[Place]:
    """Return where nothing was found.

    What has no region of its own to be looked for (buckets) is found in one all the same. And a thing whose kind was
    looked for under another name could be from any place in its region: then none of them is called empty.
    """
    full: set[Place] = set()
    for thing in scan.things:
        of_its_kind = [
            place
            for place in scan.looked
            if place.kind == thing.kind and (place.region == thing.region or EVERYWHERE in (place.region, thing.region))
        ]
        full |= set(of_its_kind or [place for place in scan.looked if place.region == thing.region])
    return [place for place in scan.looked if place not in full]


def _left(receipt: Receipt) -> Iterator[Section]:
    header, widths, typed = ("What", "ARN", "Known by", "Remove it with"), (22, 33, 15, 30), frozenset({1, 3})
    if receipt.left:
        words = ["What is left may cost money until it is removed."]
        if not all(thing.removable for thing in receipt.left):
            words.append("This version cannot remove what is marked (by hand).")
        rows = tuple(_row(thing) for thing in receipt.left)
        yield Section("Left", tuple(words), header, rows, widths, typed, is_bad=True)
    elif receipt.could_look:
        yield Section("Left", ("Nothing.",))
    else:
        yield Section("Left", ("Nothing was found in the places that were looked at.",), is_bad=True)
    if receipt.unfinished:
        rows = tuple((each.what, each.command) for each in receipt.unfinished)
        yield Section("Not finished", (), ("What", "Finish it with"), rows, (45, 55), frozenset({1}), is_bad=True)
    if receipt.kept:
        rows = tuple(_row(thing) for thing in receipt.kept)
        yield Section("Kept, as you wished", ("It may go on costing money.",), header, rows, widths, typed)


def _row(thing: Thing) -> tuple[str, ...]:
    by_hand = "" if thing.removable else " (by hand)"
    region = "" if thing.region == EVERYWHERE else f", in {thing.region}"
    return (f"{thing.what}{by_hand}", thing.arn, f"{_MARKS[thing.mark]}{region}", thing.command)


def _cost(receipt: Receipt) -> Section:
    rows = (
        ("before", receipt.cost_before.dollars, receipt.cost_before.says),
        ("now", receipt.cost_now.dollars, receipt.cost_now.says),
    )
    header = ("", "US dollars", "What is in it")
    return Section("Cost in a month", ("An estimate, not a bill.",), header, rows, (10, 15, 75))


def _archive(receipt: Receipt) -> Section:
    if (made := receipt.archive) is None:
        return Section("Archive", ("None was asked for.",))
    rows = (
        ("In S3" if made.folder.startswith("s3://") else "Folder", made.folder),
        ("Manifest", f"SHA-256 {made.manifest_sha256}"),
    )
    words = f"{counted(made.files, 'file')}, {_size(made.bytes)}, put aside and compared before anything was deleted."
    return Section("Archive", (words,), ("", ""), rows, (12, 88), frozenset({1}))


def _history(receipt: Receipt) -> Section:
    if not receipt.history:
        return Section("History", ("No command was written down.",))
    rows = tuple(
        (
            _time(_words(entry.get("time"))),
            " ".join(filter(None, (_words(entry.get("command")), _words(entry.get("arguments"))))),
            _words(entry.get("who")),
            _words(entry.get("result")),
        )
        for entry in receipt.history
    )
    words = f"{counted(len(rows), 'command')} run on it, oldest first."
    return Section("History", (words,), ("When (UTC)", "Command", "Who", "Result"), rows, (22, 28, 26, 24))


def _words(value: Any) -> str:
    """Return any value of JSON in words."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_words(each)}".rstrip() for name, each in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(_words, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def _size(count: int) -> str:
    return counted(count, "byte") if count < _GB // 10 else f"{counted(count, 'byte')} ({count / _GB:,.1f} GB)"


def _region(region: str) -> str:
    return "no region" if region == EVERYWHERE else region


def _time(text: str) -> str:
    """Return a time of UTC, in ISO 8601, as people write it; any other text as it is."""
    found = _UTC.fullmatch(text)
    return f"{found[1]} {found[2]}" if found else text


def page(receipt: Receipt, sha256: str, fingerprint: str) -> str:
    """Return the page. `sha256` is that of the receipt's JSON, `fingerprint` that of the key it is signed with."""
    name = f"{receipt.project} {receipt.env}" if receipt.env else receipt.project
    lines = [
        "<!doctype html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        # Should an escape ever be forgotten, the browser still runs and fetches nothing.
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f"<title>Teardown of {_safe(name)}</title>",
        f"<style>{_STYLE}</style>",
        "</head>",
        "<body>",
        "<main>",
        f"<h1>Teardown of {_safe(name)}</h1>",
        f'<p class="verdict {"good" if receipt.is_clean else "bad"}">{_safe(receipt.verdict)}</p>',
        *_table(Section("", rows=tuple(facts(receipt)), widths=(16, 84))),
    ]
    for section in sections(receipt):
        lines.append('<section class="bad">' if section.is_bad else "<section>")
        lines.append(f"<h2>{_safe(section.title)}</h2>")
        lines += [f"<p>{_safe(words)}</p>" for words in section.words]
        lines += _table(section) if section.rows else []
        lines.append("</section>")
    lines += [
        "<footer>",
        f"<p>SHA-256 of the receipt <code>{_safe(receipt.id)}.json</code>, which this page was made from:"
        f" <code>{_safe(sha256)}</code></p>",
        f"<p>Signed with the key <code>{_safe(fingerprint)}</code>. Whether the receipt was edited since is told by"
        f" <code>bootstrap receipts verify {_safe(receipt.id)}</code>; this page itself is not signed.</p>",
        "</footer>",
        "</main>",
        "</body>",
        "</html>",
    ]
    return ("\n".join(lines) + "\n").encode("utf-8", "replace").decode("utf-8")


def _table(section: Section) -> Iterator[str]:
    # Set widths, since a browser that chooses them makes room for one long name by cutting all other words in two.
    columns = "".join(f'<col style="width: {width}%">' for width in section.widths)
    yield f"<table><colgroup>{columns}</colgroup>"
    named = not any(section.header)
    if not named:
        cells = "".join(f'<th scope="col">{_safe(cell)}</th>' if cell else "<td></td>" for cell in section.header)
        yield f"<thead><tr>{cells}</tr></thead>"
    yield "<tbody>"
    for row in section.rows:
        cells = "".join(_cell(text, named=named and at == 0, typed=at in section.typed) for at, text in enumerate(row))
        yield f"<tr>{cells}</tr>"
    yield "</tbody></table>"


def _cell(text: str, *, named: bool, typed: bool) -> str:
    if named:
        return f'<th scope="row">{_safe(text)}</th>'
    if not typed:
        return f"<td>{_safe(text)}</td>"
    # A word each, so that a line ends between `--env` and its value and not behind a hyphen.
    words = " ".join(f"<span>{_safe(word)}</span>" for word in text.split(" "))
    return f"<td><code>{words}</code></td>"


def _safe(text: str) -> str:
    return html.escape(printable(text))


_STYLE = """
:root { --ink: #1b1f24; --soft: #57606a; --line: #d0d7de; --paper: #ffffff; --good: #0f5323; --good-paper: #e6f4ea;
  --bad: #8a1020; --bad-paper: #fdecee; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ed; --soft: #a3adb8; --line: #3b434c; --paper: #14181d; --good: #8fe0a6; --good-paper: #14301d;
    --bad: #ffb3ba; --bad-paper: #3d171c; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 2rem 1.25rem 3rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 1rem; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 2rem 0 .4rem; break-after: avoid; }
p { margin: .3rem 0; overflow-wrap: anywhere; break-after: avoid; }
.verdict { font-size: 1.1rem; font-weight: 600; padding: .8rem 1rem; margin: 0 0 1.25rem; border-left: .35rem solid;
  border-radius: .2rem; }
.good { color: var(--good); background: var(--good-paper); }
.verdict.bad { color: var(--bad); background: var(--bad-paper); }
section.bad h2 { color: var(--bad); }
table { border-collapse: collapse; table-layout: fixed; width: 100%; margin-top: .4rem; font-size: .92rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--line);
  overflow-wrap: anywhere; }
th { color: var(--soft); font-weight: 600; }
@media screen and (max-width: 45rem) {
  main { overflow-x: auto; }
  table { table-layout: auto; }
  col { width: auto !important; }
  th, td { overflow-wrap: break-word; }
  td code { display: inline-block; min-width: 8rem; } }
tr { break-inside: avoid; }
code { font: .9em/1.45 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
code span { display: inline-block; max-width: 100%; }
footer { margin-top: 2.5rem; padding-top: .8rem; border-top: 2px solid var(--line); color: var(--soft);
  font-size: .88rem; break-inside: avoid; }
@page { size: A4; margin: 16mm 14mm; }
@media print {
  :root { --ink: #000; --soft: #444; --line: #bbb; --paper: #fff; --good: #000; --good-paper: #fff; --bad: #000;
    --bad-paper: #fff; font-size: 10pt; }
  body { font-size: 1rem; }
  main { max-width: none; padding: 0; }
  .verdict { border: 1.5pt solid; }
  thead { display: table-header-group; }
}
"""
