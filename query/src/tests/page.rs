//! `docs/QUERY.md`: each query of the page is run, and says what the page says it does.
//!
//! `INDELIBLE_WRITE_PAGE=1 cargo test -p indelible-query page` writes the answers anew.

use std::collections::BTreeSet;
use std::path::Path;

use super::sample::sample;
use super::{Sample, id};
use crate::{Row, Value, Vocabulary};

const FENCE: &str = "```query\n";

#[test]
fn the_page_says_what_queries_answer() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/QUERY.md");
    let page = std::fs::read_to_string(&path).expect("the page");
    let sample = sample();
    let (mut expected, mut rest, mut count) = (String::new(), page.as_str(), 0);
    while let Some((before, block)) = rest.split_once(FENCE) {
        let (block, after) = block.split_once("```").expect("a block ends");
        let question = block.lines().next().and_then(|line| line.strip_prefix("> ")).expect("a query");
        expected += &format!("{before}{FENCE}> {question}\n{}```", answer(&sample, question));
        (rest, count) = (after, count + 1);
    }
    expected += rest;
    if std::env::var_os("INDELIBLE_WRITE_PAGE").is_some() {
        std::fs::write(&path, &expected).expect("the page is written");
    }
    assert!(count > 20);
    assert!(page == expected, "docs/QUERY.md says other things than queries do: write the page anew");
}

#[test]
fn the_page_has_all_names_that_are_well_known() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/QUERY.md");
    let page = std::fs::read_to_string(&path).expect("the page");
    let listed = |fence: &str| -> Vec<String> {
        let (_, block) = page.split_once(fence).expect("the list");
        let (block, _) = block.split_once("```").expect("a list ends");
        block.split_whitespace().map(str::to_owned).collect()
    };
    let names =
        |vocabulary: &Vocabulary| -> BTreeSet<String> { vocabulary.names().map(str::to_owned).collect() };
    let known = Vocabulary::default();
    let of_mappings = known.with_shipped().expect("they ship");
    let mut told = listed("```text names\n");
    told.extend(["source", "encoding", "day", "label"].map(str::to_owned));
    // A name more or less gives queries another meaning: those of bundles, too, which others made before.
    assert_eq!(told.iter().cloned().collect::<BTreeSet<_>>(), names(&known));
    told.extend(listed("```text names of mappings\n"));
    assert_eq!(told.iter().cloned().collect::<BTreeSet<_>>(), names(&of_mappings));
    assert_eq!(told.len(), names(&of_mappings).len(), "no name stands there twice");
}

/// What a query says: its rows as a table, warnings behind, or what is wrong with it.
fn answer(sample: &Sample, question: &str) -> String {
    let mut answer = match sample.run(question) {
        Ok(answer) => answer,
        Err(error) => return format!("{error}\n"),
    };
    let of_events = ["id", "kind"].iter().filter(|_| answer.is_events()).map(|name| (*name).to_owned());
    let mut table = vec![of_events.chain(answer.columns().to_vec()).collect::<Vec<String>>()];
    for row in answer.by_ref() {
        table.push(cells(&row.expect("a row")));
    }
    let warnings: String =
        answer.warnings().expect("warnings").iter().map(|warning| format!("warning: {warning}\n")).collect();
    let widths: Vec<usize> = (0..table[0].len())
        .map(|column| table.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    let rows: String = if table.len() > 1 { table.iter().map(line).collect() } else { String::new() };
    rows + &warnings
}

fn cells(row: &Row) -> Vec<String> {
    let of_event = row.event().map(|_| {
        let kind = row.field("kind").expect("a kind");
        [id(row).expect("an event"), kind.to_string()]
    });
    let value = |value: &Value| match value {
        Value::Missing => "(missing)".to_owned(),
        value => value.to_string(),
    };
    of_event.into_iter().flatten().chain(row.values().iter().map(value)).collect()
}
