//! Measures Indelible side by side with physical floors and other stores, in one process and one run.
//!
//! ```text
//! cargo bench -p indelible-benches --features tantivy --bench peers -- [--quick|--full] [--only NAME] [--json FILE]
//! ```
//! Without its feature, tantivy is left out: it is long to build.
//!
//! Prints a table for each section: every contender's rounds as percentiles, how many times better Indelible is,
//! and whether it meets what it is held to. The rounds of the contenders take turns, since machines are noisy.
#![allow(clippy::print_stdout, reason = "the tables are for whoever runs this")]

mod append;
mod bulk;
mod evidence;
mod floor;
mod group;
mod open;
mod stores;
mod verify;

use std::path::PathBuf;

use indelible_benches::Result;
use indelible_benches::harness::{Bench, Size, Table, machine};
use serde_json::json;

/// The name of a section, and what measures it.
type Section = (&'static str, fn(&Bench) -> Result<Vec<Table>>);

const SECTIONS: [Section; 10] = [
    ("append", append::one_by_one),
    ("append-8", |bench| append::threads(bench, 8)),
    ("append-64", |bench| append::threads(bench, 64)),
    ("bulk", bulk::bulk),
    ("verify", verify::full),
    ("proof", evidence::proof),
    ("bundle", evidence::bundle),
    ("open", open::open),
    ("recover", open::recover),
    ("roll", open::roll),
];

struct Arguments {
    size: Size,
    only: Option<String>,
    json: Option<PathBuf>,
}

fn arguments() -> Result<Arguments> {
    let mut parsed = Arguments { size: Size::Normal, only: None, json: None };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            // From cargo.
            "--bench" => {}
            "--quick" => parsed.size = Size::Quick,
            "--full" => parsed.size = Size::Full,
            "--only" => parsed.only = Some(arguments.next().ok_or("--only needs a name")?),
            "--json" => parsed.json = Some(arguments.next().ok_or("--json needs a file")?.into()),
            other => {
                let names: Vec<&str> = SECTIONS.iter().map(|(name, _)| *name).collect();
                let usage = "usage: peers [--quick|--full] [--only NAME] [--json FILE]";
                return Err(format!("unknown argument {other}; {usage}; names: {}", names.join(", ")).into());
            }
        }
    }
    Ok(parsed)
}

fn main() -> Result {
    let arguments = arguments()?;
    let bench = Bench::new(arguments.size)?;
    let machine = machine(bench.dir());
    println!("machine: {machine}");
    let mut tables = Vec::new();
    for (name, measure) in SECTIONS {
        if arguments.only.as_deref().is_none_or(|only| only == name) {
            for table in measure(&bench)? {
                table.print();
                tables.push(table.json());
            }
        }
    }
    if let Some(path) = arguments.json {
        let report = json!({ "machine": machine, "tables": tables });
        std::fs::write(path, serde_json::to_string_pretty(&report)?)?;
    }
    Ok(())
}
