//! The catalogue and the mapping, as tables.

use std::path::Path;

use indelible::Snapshot;
use indelible::query::controls::{Control, Framework, MappedControls, Mapping, Rule};
use indelible::query::{Row, Value};
use serde_json::json;

use crate::exit::{Code, Failure, Outcome};
use crate::open;
use crate::output::{self, Colour, Out};
use crate::render::{Format, Line, Printer, Sheet};

/// The controls in force, and the log that has them: without a store, those that ship.
fn controls(store: &Path) -> Outcome<(MappedControls, Option<Snapshot>)> {
    if !store.join("log").exists() {
        return Ok((MappedControls::shipped()?, None));
    }
    let snapshot = open::to_read(store)?.snapshot()?;
    Ok((MappedControls::of(&snapshot)?, Some(snapshot)))
}

/// Lists the frameworks, or the controls of one.
pub(super) fn list(store: &Path, framework: Option<&str>, format: Format) -> Outcome {
    let (controls, snapshot) = controls(store)?;
    if let Some(name) = framework {
        let framework = find_framework(&controls, name)?;
        let rows = framework.controls.iter().map(|control| {
            let family = controls.catalogue.family(&control.id);
            let rules = controls.mapping.rules_for(&family).count() as u64;
            let parent = control.parent.clone().map_or(Value::Missing, Value::Text);
            vec![text(&control.id), text(&control.title), parent, Value::count(rules)]
        });
        return table(&["control", "title", "part_of", "rules"], rows, format);
    }
    let packs = snapshot.as_ref().map(Snapshot::packs).transpose()?.unwrap_or_default();
    let rows = controls.catalogue.frameworks().iter().map(|known| {
        let added = packs.iter().rev().find(|pack| pack.document.name == known.name);
        let from = added.map_or_else(|| "shipped".to_owned(), |pack| format!("seq {}", pack.seq));
        let count = Value::count(known.controls.len() as u64);
        vec![text(&known.name), text(&known.title), text(&known.edition), count, text(&from)]
    });
    table(&["framework", "title", "edition", "controls", "from"], rows, format)
}

/// Shows a control.
pub(super) fn show(store: &Path, id: &str, format: Format) -> Outcome {
    let (controls, snapshot) = controls(store)?;
    let Some(control) = controls.catalogue.find(id) else {
        let help = controls.catalogue.nearest(id).map_or_else(
            || "`indelible controls list` has the frameworks".to_owned(),
            |near| format!("did you mean {} ({})?", near.id, near.title),
        );
        return Err(Failure::Usage(format!(
            "there is no control {id}, or it is one of several frameworks: {help}"
        )));
    };
    let family = controls.catalogue.family(&control.id);
    let rules: Vec<&Rule> = controls.mapping.rules_for(&family).collect();
    let labelled = labelled(snapshot.as_ref(), &family)?;
    match format {
        Format::Table => tell(&controls, control, &family, &rules, &labelled),
        Format::Json | Format::Jsonl => {
            let mut out = Out::stdout();
            let rules: Vec<_> = rules.iter().map(|rule| rule_as_json(rule, &family)).collect();
            let shown = json!({
                "control": control.id,
                "title": control.title,
                "framework": control.framework(),
                "part_of": control.parent,
                "parts": family.get(1..).unwrap_or_default(),
                "mapping": {"name": controls.mapping.name, "version": controls.mapping.version, "rules": rules},
                "label_rules": labelled,
            });
            // One array of one, as of any rows.
            if format == Format::Json {
                out.json(&[shown])?
            } else {
                out.json(&shown)?
            }
            out.finish()?;
            Ok(Code::Clean)
        }
        other => {
            let rows = rules.iter().map(|rule| {
                let of = of_family(rule, &family).join(", ");
                let strength = rule.strength.to_string();
                vec![text(&of), text(&strength), text(&rule.name), text(&rule.when), text(&rule.reason)]
            });
            table(&["control", "strength", "evidence", "when", "reason"], rows, other)
        }
    }
}

/// Which of the label rules in force give a label of the family: their filters as the log has them.
fn labelled(snapshot: Option<&Snapshot>, family: &[&str]) -> Outcome<Vec<String>> {
    let in_force = snapshot.map(Snapshot::rules).transpose()?.flatten();
    let Some(in_force) = in_force else { return Ok(Vec::new()) };
    let gives = |label: &String| family.contains(&label.as_str());
    let given = in_force.rules().iter().flat_map(|rule| &rule.labels).filter(|label| gives(label));
    let mut given: Vec<String> = given.map(|label| format!("{label} by record {}", in_force.seq())).collect();
    given.dedup();
    Ok(given)
}

fn of_family(rule: &Rule, family: &[&str]) -> Vec<String> {
    rule.controls.iter().filter(|id| family.contains(&id.as_str())).cloned().collect()
}

fn rule_as_json(rule: &Rule, family: &[&str]) -> serde_json::Value {
    json!({
        "evidence": rule.name,
        "when": rule.when,
        "controls": of_family(rule, family),
        "strength": rule.strength.to_string(),
        "reason": rule.reason,
    })
}

fn tell(
    controls: &MappedControls,
    control: &Control,
    family: &[&str],
    rules: &[&Rule],
    labelled: &[String],
) -> Outcome {
    let mut out = Out::paged();
    let plain = |text: &str| output::escape(text.as_bytes()).into_owned();
    out.line(format_args!("{}  {}", out.paint(Colour::Strong, &control.id), plain(&control.title)))?;
    if let Some(framework) = controls.catalogue.framework(control.framework()) {
        out.line(format_args!("{}, {}", plain(&framework.title), plain(&framework.edition)))?;
    }
    if let Some(parent) = &control.parent {
        out.line(format_args!("part of {}", plain(parent)))?;
    }
    if let Some(parts @ [_, ..]) = family.get(1..) {
        out.line(format_args!("parts: {}", plain(&parts.join(", "))))?;
    }
    let Mapping { name, version, .. } = &controls.mapping;
    out.line(format_args!("\nevidence by the mapping {} (version {}):", plain(name), plain(version)))?;
    if rules.is_empty() {
        out.line("  none: no rule speaks of it")?;
    }
    for rule in rules {
        let of = of_family(rule, family).join(", ");
        out.line(format_args!("  {}, {} of {}", plain(&rule.name), rule.strength, plain(&of)))?;
        out.line(format_args!("    when {}", plain(&rule.when)))?;
        out.line(format_args!("    {}", plain(&rule.reason)))?;
    }
    for label in labelled {
        out.line(format_args!("labelled {}", plain(label)))?;
    }
    out.finish()?;
    Ok(Code::Clean)
}

/// Prints the mapping, a row for each rule, a column for each framework.
pub(super) fn matrix(store: &Path, framework: Option<&str>, format: Format) -> Outcome {
    let (controls, _) = controls(store)?;
    let frameworks: Vec<&Framework> = match framework {
        Some(name) => vec![find_framework(&controls, name)?],
        None => controls.catalogue.frameworks().iter().collect(),
    };
    let mut columns = vec!["evidence", "strength", "when"];
    columns.extend(frameworks.iter().map(|framework| framework.name.as_str()));
    let rows = controls.mapping.rules.iter().filter_map(|rule| {
        let numbers = |framework: &&Framework| {
            let of = rule.controls.iter().filter_map(|id| {
                id.split_once(':').filter(|(name, _)| *name == framework.name).map(|(_, number)| number)
            });
            of.collect::<Vec<_>>().join(", ")
        };
        let cells: Vec<String> = frameworks.iter().map(numbers).collect();
        let strength = rule.strength.to_string();
        cells.iter().any(|cell| !cell.is_empty()).then(|| {
            let cell = |cell: &String| if cell.is_empty() { Value::Missing } else { text(cell) };
            let head = vec![text(&rule.name), text(&strength), text(&rule.when)];
            head.into_iter().chain(cells.iter().map(cell)).collect()
        })
    });
    table(&columns, rows, format)
}

fn find_framework<'c>(controls: &'c MappedControls, name: &str) -> Outcome<&'c Framework> {
    controls.catalogue.framework(name).ok_or_else(|| {
        let known = controls.catalogue.frameworks().iter().map(|known| known.name.as_str());
        let known = known.collect::<Vec<_>>().join(", ");
        Failure::Usage(format!("there is no framework {name}; there are {known}"))
    })
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// Prints rows as the answer of a query would be.
fn table(columns: &[&str], rows: impl Iterator<Item = Vec<Value>>, format: Format) -> Outcome {
    let sheet = Sheet {
        columns: columns.iter().map(|column| (*column).to_owned()).collect(),
        is_events: false,
        is_timeline: false,
        has_integrity: false,
    };
    let mut out = Out::paged();
    let mut printer = Printer::new(format, sheet, &out)?;
    for row in rows {
        printer.row(&mut out, &Line { row: &Row::of_values(row), tied: None })?;
    }
    printer.finish(&mut out)?;
    out.finish()?;
    Ok(Code::Clean)
}
