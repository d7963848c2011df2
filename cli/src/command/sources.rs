//! `indelible sources`: the profiles that say where an event's time, run, agent and the rest are found.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use indelible::source::{Profile, shipped};
use indelible::{Seq, Snapshot, limits};
use serde::Serialize;
use serde_json::json;

use crate::exit::{Code, Failure, Outcome};
use crate::input::{self, Input, Line, LineReader};
use crate::output::{self, Out, Table};
use crate::{open, profiles};

/// List, show and test source profiles
///
/// A profile says where in one kind of JSON the time, the id, the run, the agent and the rest are found. Those
/// that ship with indelible need no setting up; your own are TOML files.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  indelible sources list
  indelible sources show claude-code > mine.toml
  indelible sources test --source mine.toml session.jsonl
  indelible append --source mine.toml session.jsonl")]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) what: What,
}

/// What to do with profiles.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum What {
    /// List the profiles that ship with indelible and those that the store has registered
    #[command(after_help = "Example:\n  indelible sources list --json")]
    List {
        /// Print one JSON object a profile
        #[arg(long)]
        json: bool,
    },
    /// Print a profile's text
    #[command(after_help = "Example:\n  indelible sources show cloudtrail")]
    Show {
        /// A shipped or registered profile's name, or the seq of its record
        name: String,
    },
    /// Show what a profile finds in a file, field by field; nothing is appended
    #[command(after_help = "Examples:
  indelible sources test --source mine.toml session.jsonl
  indelible sources test --source cloudtrail events.json.gz --json")]
    Test {
        /// The file to try, - for stdin
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The profile: a shipped or registered one's name, or a profile file
        #[arg(long, short, value_name = "NAME|FILE.toml", default_value = "evidence")]
        source: String,
        /// Examples to show of each field
        #[arg(long, value_name = "N", default_value_t = 3)]
        examples: usize,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

/// Lists, shows or tests.
pub(crate) fn run(store: &Path, args: &Args) -> Outcome {
    let mut out = Out::stdout();
    match &args.what {
        What::List { json } => list(store, *json, &mut out)?,
        What::Show { name } => show(store, name, &mut out)?,
        What::Test { file, source, examples, json } => test(store, file, source, *examples, *json, &mut out)?,
    }
    out.finish()?;
    Ok(Code::Clean)
}

/// The store's snapshot, where there is a store: profiles can be looked at without one.
fn snapshot(path: &Path) -> Outcome<Option<Snapshot>> {
    if !path.join("log").exists() {
        return Ok(None);
    }
    Ok(Some(open::to_read(path)?.snapshot()?))
}

fn list(store: &Path, as_json: bool, out: &mut Out) -> Outcome<()> {
    let mut found: Vec<(Profile, &str, Option<Seq>)> = Vec::new();
    for profile in shipped() {
        found.push((Profile::parse(profile.text)?, "shipped", None));
    }
    if let Some(snapshot) = snapshot(store)? {
        for source in snapshot.sources()? {
            let profile = source.profile();
            let known = found.iter_mut().find(|(known, ..)| known.digest() == profile.digest());
            match known {
                Some((.., seq)) => *seq = Some(source.seq()),
                None => found.push((Profile::parse(profile.text())?, "registered", Some(source.seq()))),
            }
        }
    }
    if as_json {
        for (profile, from, seq) in &found {
            out.json(&json!({
                "name": profile.name(),
                "from": from,
                "seq": seq,
                "digest": profile.digest().to_string(),
                "fields": profile.fields().len(),
            }))?;
        }
        return Ok(());
    }
    let mut table = Table::new(&["name", "from", "registered at", "fields", "digest"]);
    for (profile, from, seq) in &found {
        let seq = seq.map_or_else(|| "-".to_owned(), |seq| format!("seq {seq}"));
        let digest: String = profile.digest().to_string().chars().take(16).collect();
        table.row([
            profile.name().to_owned(),
            (*from).to_owned(),
            seq,
            profile.fields().len().to_string(),
            digest,
        ]);
    }
    table.print(out)
}

fn show(store: &Path, name: &str, out: &mut Out) -> Outcome<()> {
    let snapshot = snapshot(store)?;
    let text = match (name.parse::<Seq>(), &snapshot) {
        (Ok(seq), Some(snapshot)) => snapshot.source(seq)?.profile().text().to_owned(),
        _ => profiles::find(name, snapshot.as_ref())?.text().to_owned(),
    };
    out.line(output::escape_text(&text, out.is_terminal()).trim_end_matches('\n'))
}

/// What was found of one field in all events.
#[derive(Debug, Default, Serialize)]
struct Found {
    name: String,
    kind: String,
    present: u64,
    absent: u64,
    unreadable: u64,
    /// Why values could not be read: the first few reasons.
    reasons: Vec<String>,
    /// The first few values.
    examples: Vec<String>,
}

/// What was found in a file; the names are stable.
#[derive(Debug, Serialize)]
struct Tested {
    profile: String,
    events: u64,
    /// Lines that are no event, and what is wrong with the first of them.
    bad: u64,
    first_bad: Option<String>,
    fields: Vec<Found>,
}

/// Longest example in a table, in characters.
const EXAMPLE_LEN_MAX: usize = 40;

fn test(
    store: &Path,
    file: &Path,
    source: &str,
    examples: usize,
    as_json: bool,
    out: &mut Out,
) -> Outcome<()> {
    let profile = profiles::find(source, snapshot(store)?.as_ref())?;
    let fields = profile.fields().iter().map(|field| Found {
        name: field.name.clone(),
        kind: format!("{:?}", field.kind).to_lowercase(),
        ..Found::default()
    });
    let mut tested = Tested {
        profile: profile.name().to_owned(),
        events: 0,
        bad: 0,
        first_bad: None,
        fields: fields.collect(),
    };
    let input = Input::open(file, Arc::default())?;
    let name = input.name.clone();
    let mut lines = LineReader::new(input, limits::EVENT_LEN_MAX);
    if profile.splits() {
        lines = lines.with_documents();
    }
    while let Some(chunk) = lines.next_chunk().map_err(Failure::io(format!("read {name}")))? {
        for (number, line) in chunk.lines() {
            let looked = match line {
                Line::Whole(line) => look(&profile, line, examples, &mut tested),
                Line::TooLong { len, .. } => Err(format!("the line is {len} bytes long")),
            };
            if let Err(reason) = looked {
                tested.bad += 1;
                tested.first_bad.get_or_insert_with(|| format!("{name}:{number}: {reason}"));
            }
        }
    }
    if as_json { out.json(&tested) } else { print(out, &tested) }
}

/// Takes one line into account.
fn look(profile: &Profile, line: &[u8], examples: usize, tested: &mut Tested) -> Result<(), String> {
    if let Some(reason) = input::not_plain_utf8(line) {
        return Err(reason.to_owned());
    }
    let told = |error: indelible::Error| error.to_string();
    let events = if profile.splits() { profile.split(line).map_err(told)? } else { vec![line] };
    for event in events {
        let inspected = profile.inspect(event).map_err(told)?;
        tested.events += 1;
        for (found, seen) in tested.fields.iter_mut().zip(&inspected) {
            found.present += u64::from(!seen.values.is_empty());
            found.absent += u64::from(seen.is_absent());
            found.unreadable += u64::from(seen.unreadable.is_some());
            for value in &seen.values {
                if found.examples.len() < examples && !found.examples.contains(value) {
                    found.examples.push(value.clone());
                }
            }
            if let Some(reason) = seen.unreadable
                && found.reasons.len() < examples
                && !found.reasons.iter().any(|known| known == reason)
            {
                found.reasons.push(reason.to_owned());
            }
        }
    }
    Ok(())
}

fn print(out: &mut Out, tested: &Tested) -> Outcome<()> {
    let events = output::counted(tested.events, "event", "events");
    out.line(format_args!("{events}, read as {}", output::escape(tested.profile.as_bytes())))?;
    if let Some(first) = &tested.first_bad {
        let bad = output::counted(tested.bad, "bad line", "bad lines");
        out.line(format_args!("{bad}, the first: {}", output::escape(first.as_bytes())))?;
    }
    let mut table = Table::new(&["field", "kind", "present", "absent", "unreadable", "examples"]);
    for found in &tested.fields {
        let mut examples: Vec<String> = found.examples.iter().map(|value| short(value)).collect();
        examples.extend(found.reasons.iter().map(|reason| format!("({reason})")));
        table.row([
            found.name.clone(),
            found.kind.clone(),
            output::count(found.present),
            output::count(found.absent),
            output::count(found.unreadable),
            examples.join(", "),
        ]);
    }
    table.print(out)
}

fn short(value: &str) -> String {
    if value.chars().count() <= EXAMPLE_LEN_MAX {
        return value.to_owned();
    }
    let start: String = value.chars().take(EXAMPLE_LEN_MAX - 1).collect();
    format!("{start}…")
}
