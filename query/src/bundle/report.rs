//! `report.html`: the answer and its verdict for people. It is static, runs no script, loads nothing, and prints well.

use indelible_engine::Timestamp;
use indelible_engine::source::EventTime;

use super::html::Html;
use super::registered::Known;
use super::verdict::{Verdict, plural};
use super::{Settled, readme};
use crate::ast::Head;
use crate::controls::{Controls, Mapping};
use crate::error::Result;
use crate::event::Event;
use crate::run::Row;
use crate::value::Value;

/// The member's name.
pub(super) const MEMBER: &str = "report.html";
/// More rows than these stand in `answer.jsonl` alone.
const ROWS_SHOWN: usize = 5_000;
/// Of an event no more characters than these are shown.
const EVENT_CHARS_SHOWN: usize = 1_200;
/// What is shown of each event: the heading, and the fields of which the first that is there is shown.
const OF_EVENT: [(&str, &[&str]); 4] = [
    ("kind", &["kind"]),
    ("who", &["agent", "actor"]),
    ("run", &["run"]),
    ("decision or status", &["decision", "status"]),
];

const HEAD: &str = "<!DOCTYPE html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">
<title>Evidence</title>
<style>
body { font: 15px/1.45 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
code, pre { font: 12px/1.4 ui-monospace, monospace; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; color: #444; }
.query { font-size: 14px; background: #f4f4f1; border-left: 4px solid #456; padding: .6rem .8rem; color: inherit; }
.grade { border: 2px solid #456; padding: .6rem .8rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .25rem .6rem .25rem 0; border-bottom: 1px solid #ddd; overflow-wrap: anywhere; }
th { border-bottom: 2px solid #888; }
.event td { border-bottom: none; } .body td { padding-left: 1rem; }
dt { font-weight: 600; } dd { margin: 0 0 .4rem 1rem; overflow-wrap: anywhere; }
@media print { body { margin: 0; max-width: none; font-size: 11px; } tr { break-inside: avoid; } h2 { break-after: avoid; } }
</style>
</head>
<body>
";

/// The member's bytes.
pub(super) fn render(settled: &Settled, verdict: &Verdict) -> Result<Vec<u8>> {
    let mut html = Html::default();
    html.raw(HEAD);
    html.element("h1", format_args!("An answer of {}", verdict.origin));
    html.element("pre class=\"query\"", &verdict.query);
    html.raw("<p class=\"grade\">");
    html.element("strong", verdict.grade);
    html.text(format_args!(". {}.", sentence(verdict.meaning)));
    html.raw("</p>\n");
    html.element(
        "p",
        format_args!(
            "This page is not to be believed by itself: `indelible verify-bundle` makes it anew from the evidence that \
             it comes with. {} says how.",
            readme::MEMBER
        ),
    );
    answer(&mut html, settled)?;
    controls(&mut html, settled);
    terms(&mut html, verdict);
    html.raw("</body>\n</html>\n");
    Ok(html.into_bytes())
}

fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

fn answer(html: &mut Html, settled: &Settled) -> Result<()> {
    let count = settled.rows.len() as u64;
    html.element("h2", format_args!("The answer: {}", plural(count, "row", "rows")));
    if settled.rows.is_empty() {
        html.element("p", "Nothing in the log matches.");
        return Ok(());
    }
    html.raw("<table>\n<thead>");
    if settled.is_events {
        let of_event = OF_EVENT.iter().map(|(heading, _)| *heading);
        let after = settled.is_timeline.then_some("after");
        let columns = settled.columns.iter().map(String::as_str);
        html.row("th", ["seq", "time"].into_iter().chain(after).chain(of_event).chain(columns));
    } else {
        html.row("th", &settled.columns);
    }
    html.raw("</thead>\n<tbody>\n");
    let mut before = None;
    for row in settled.rows.iter().take(ROWS_SHOWN) {
        match row.event() {
            Some(event) => before = Some(event_rows(html, settled, row, event, before)?),
            None => html.row("td", row.values()),
        }
    }
    html.raw("</tbody>\n</table>\n");
    let left = count.saturating_sub(ROWS_SHOWN as u64);
    if left > 0 {
        html.element("p", format_args!("{left} more rows stand in answer.jsonl."));
    }
    Ok(())
}

/// An event: what it is in short, and below it its own words. Returns its time.
fn event_rows(
    html: &mut Html,
    settled: &Settled,
    row: &Row,
    event: &Event,
    before: Option<Timestamp>,
) -> Result<Timestamp> {
    let time = event.time()?;
    let is_known = matches!(event.event_time()?, EventTime::Known(_));
    let shown =
        if is_known { time.to_string() } else { format!("{time} (received: it has no time of its own)") };
    let mut cells = vec![event.seq().to_string(), shown];
    if settled.is_timeline {
        let after = before.map(|before| Value::Duration(i128::from(time.0) - i128::from(before.0)));
        cells.push(after.map_or_else(String::new, |after| format!("+{after}")));
    }
    for (_, fields) in OF_EVENT {
        let mut cell = String::new();
        for field in fields {
            if cell.is_empty() {
                cell = row.field(field)?.to_string();
            }
        }
        cells.push(cell);
    }
    cells.extend(row.values().iter().map(ToString::to_string));
    cells.resize(cells.len() + settled.columns.len().saturating_sub(row.values().len()), String::new());
    let width = cells.len();
    html.raw("<tr class=\"event\">");
    cells.iter().for_each(|cell| html.element("td", cell));
    html.raw("</tr>\n<tr class=\"body\">");
    html.raw(&format!("<td colspan=\"{width}\">"));
    let body = String::from_utf8_lossy(event.body());
    let mut text: String = body.chars().take(EVENT_CHARS_SHOWN).collect();
    if text.len() < body.len() {
        text.push_str(" … (the whole event stands in answer.jsonl)");
    }
    html.element("pre", text);
    html.raw("</td></tr>\n");
    Ok(time)
}

/// What the controls are that the query names, and by what an event was taken for evidence.
fn controls(html: &mut Html, settled: &Settled) {
    let tree = settled.tree();
    if !matches!(tree.head, Head::Control(_) | Head::Controls(_)) {
        return;
    }
    html.element("h2", "Controls");
    html.element(
        "p",
        "An event is evidence of a control by a label that the store gave it when it was appended, by its own words, or \
         by a rule of the mapping; the column `via` says by which of them, and `mapped_by` names the rules.",
    );
    let Some(Known { controls, mapping: seq, .. }) = &settled.known else { return };
    let named: Vec<String> = match &tree.head {
        Head::Control(ids) => ids.iter().flat_map(|id| controls.family(&settled.value(&id.node))).collect(),
        _ => Vec::new(),
    };
    let (catalogue, mapping) = (controls.catalogue(), &controls.mapping);
    let named: Vec<_> = catalogue.iter().filter(|control| named.contains(&control.id)).collect();
    if !named.is_empty() {
        html.raw("<table>\n");
        html.row("th", ["control", "what it asks for"]);
        named.iter().for_each(|control| html.row("td", [&control.id, &control.title]));
        html.raw("</table>\n");
    }
    let family: Vec<&str> = named.iter().map(|control| control.id.as_str()).collect();
    let whose = match seq {
        Some(seq) => format!("registered by record {seq} of the log"),
        None => "that of the program, for the log registered none".to_owned(),
    };
    let Mapping { name, version, description, .. } = mapping;
    html.element("p", format_args!("Mapping {name}, version {version}, {whose}. {description}"));
    let mut rules = mapping.rules_for(&family).peekable();
    if rules.peek().is_some() {
        html.raw("<table>\n");
        html.row("th", ["rule", "evidence is", "it shows", "because"]);
        for rule in rules {
            html.row("td", [&rule.name, &rule.when, &rule.strength.to_string(), &rule.reason]);
        }
        html.raw("</table>\n");
    }
}

/// What the verdict rests on.
fn terms(html: &mut Html, verdict: &Verdict) {
    html.element("h2", "What was checked");
    html.element("pre", verdict);
    html.element("h2", "What was not");
    html.raw("<ul>\n");
    verdict.unchecked.iter().for_each(|text| html.element("li", text));
    html.raw("</ul>\n");
}
