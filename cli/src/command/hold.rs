//! `indelible hold`: legal holds, which keep what matches whatever the policy says.

use std::path::{Path, PathBuf};

use indelible::format::retention::{Approved, Hold, HoldRelease};
use indelible::query::{Vocabulary, hold_conditions};
use indelible::retention::PlacedHold;
use indelible::{Error, Snapshot};
use serde_json::{Value, json};

use crate::approvals::{self, Asking};
use crate::exit::{Code, Failure, Outcome};
use crate::open;
use crate::output::{self, Out, Table};

/// Place, list, show and release legal holds
///
/// A hold keeps every event that matches it, those that are there and those to come, from every deletion. What cannot be
/// decided counts as held. Releasing a hold takes the approvals that deleting takes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  indelible hold place acme-v-us --where 'tenant = acme' --reason 'Acme v. Us' --by counsel --ticket LEGAL-12
  indelible hold list
  indelible hold show acme-v-us
  indelible hold release acme-v-us --reason settled --by counsel --key alice.key --key bob.key")]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) what: What,
}

/// What to do with holds.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum What {
    /// Place a hold
    #[command(after_help = "Example:
  indelible hold place case-12 --where 'run = run_8bce4 or agent = ops*' --reason 'case 12' --by counsel")]
    Place {
        /// The hold's name
        name: String,
        /// Which events: conditions of the query language
        #[arg(long = "where", value_name = "FILTER")]
        conditions: String,
        /// Why
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Who places it
        #[arg(long, value_name = "WHO")]
        by: String,
        /// Where it is spoken of elsewhere
        #[arg(long, value_name = "T", default_value = "")]
        ticket: String,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// List the holds
    #[command(after_help = "Examples:\n  indelible hold list\n  indelible hold list --all --json")]
    List {
        /// Those that were released too
        #[arg(long)]
        all: bool,
        /// Print one JSON object a hold
        #[arg(long)]
        json: bool,
    },
    /// Show a hold, and how much it keeps; this reads all events
    #[command(after_help = "Example:\n  indelible hold show case-12")]
    Show {
        /// The hold's name
        name: String,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Release a hold, with the approvals of operators
    #[command(after_help = "Examples:
  indelible hold release case-12 --reason settled --by counsel --key alice.key --key bob.key
  indelible hold release case-12 --reason settled --by counsel -o release.json
  indelible hold release --approved release.json")]
    Release {
        /// The hold's name
        #[arg(required_unless_present = "approved")]
        name: Option<String>,
        /// Why
        #[arg(long, value_name = "TEXT", required_unless_present = "approved")]
        reason: Option<String>,
        /// Who asks for it
        #[arg(long, value_name = "WHO", required_unless_present = "approved")]
        by: Option<String>,
        /// Carry out a release that others have approved
        #[arg(long, value_name = "FILE", conflicts_with_all = ["name", "reason", "by", "key", "output"])]
        approved: Option<PathBuf>,
        #[command(flatten)]
        asking: Asking,
    },
}

/// Places, lists, shows or releases.
pub(crate) fn run(store: &Path, args: &Args) -> Outcome {
    match &args.what {
        What::Place { name, conditions, reason, by, ticket, json } => {
            let hold = Hold {
                by: by.clone(),
                conditions: conditions.clone(),
                name: name.clone(),
                reason: reason.clone(),
                ticket: ticket.clone(),
                when: serde_json::Value::Null,
            };
            place(store, hold, *json)?;
        }
        What::List { all, json } => list(store, *all, *json)?,
        What::Show { name, json } => show(store, name, *json)?,
        What::Release { approved: Some(file), .. } => release(store, &approvals::read(file)?)?,
        What::Release { name, reason, by, asking, .. } => {
            let word = |word: &Option<String>| word.clone().unwrap_or_default();
            let asked = {
                let store = open::to_read(store)?;
                let snapshot = store.snapshot()?;
                let hold = standing(&snapshot, &word(name))?.seq;
                let matter = HoldRelease { by: word(by), hold, name: word(name), reason: word(reason) };
                asking.ask(&snapshot, matter)?
            };
            if !asking.put_aside(&asked)? {
                release(store, &asked)?;
            }
        }
    }
    Ok(Code::Clean)
}

fn standing(snapshot: &Snapshot, name: &str) -> Outcome<PlacedHold> {
    let found = snapshot.retention()?.hold(name).cloned();
    Ok(found.ok_or_else(|| Error::NotFound { what: "hold", name: name.to_owned() })?)
}

fn place(store: &Path, mut hold: Hold, as_json: bool) -> Outcome<()> {
    let store = open::to_write(store)?;
    let snapshot = store.snapshot()?;
    hold.when = hold_conditions(&hold.conditions, &Vocabulary::of(&snapshot)?)?;
    let seq = store.place_hold(&hold)?;
    let snapshot = store.snapshot()?;
    let reach = snapshot.hold_reach(&standing(&snapshot, &hold.name)?)?;
    let gone = snapshot.deleted(0..seq)?;
    store.close()?;
    let mut out = Out::stdout();
    if as_json {
        out.json(&json!({
            "name": hold.name, "seq": seq, "events": reach.held.events, "bytes": reach.held.bytes,
            "deleted_before": gone.values().sum::<u64>(),
        }))?;
    } else {
        let events = output::counted(reach.held.events, "event", "events");
        let name = output::escape(hold.name.as_bytes());
        out.line(format_args!(
            "record {seq}: {name} holds {events}, {}, and all to come that match",
            output::length(reach.held.bytes)
        ))?;
    }
    for (plan, count) in gone {
        let (events, they) =
            (output::counted(count, "event was", "events were"), if count == 1 { "it" } else { "they" });
        output::warn(format_args!(
            "{events} gone before, by the plan of record {plan}; whether {they} would have matched cannot be told"
        ));
    }
    out.finish()
}

fn list(store: &Path, all: bool, as_json: bool) -> Outcome<()> {
    let store = open::to_read(store)?;
    let state = store.snapshot()?.retention()?;
    let mut out = Out::stdout();
    let mut table = Table::new(&["hold", "record", "by", "ticket", "where", "reason", "released"]);
    for placed in state.holds.iter().filter(|placed| all || placed.released_at.is_none()) {
        if as_json {
            out.json(&described(placed))?;
            continue;
        }
        let released = placed.released_at.map_or_else(|| "-".to_owned(), |seq| format!("record {seq}"));
        let Hold { by, conditions, name, reason, ticket, .. } = placed.hold.clone();
        table.row([name, placed.seq.to_string(), by, ticket, conditions, reason, released]);
    }
    if !as_json {
        table.print(&mut out)?;
    }
    out.finish()
}

fn described(placed: &PlacedHold) -> Value {
    let Hold { by, conditions, name, reason, ticket, when } = &placed.hold;
    json!({
        "name": name,
        "seq": placed.seq,
        "by": by,
        "reason": reason,
        "ticket": ticket,
        "where": conditions,
        "filter": when,
        "released_at": placed.released_at,
    })
}

fn show(store: &Path, name: &str, as_json: bool) -> Outcome<()> {
    let store = open::to_read(store)?;
    let snapshot = store.snapshot()?;
    let placed = standing(&snapshot, name)?;
    let reach = snapshot.hold_reach(&placed)?;
    let mut out = Out::stdout();
    if as_json {
        let mut value = described(&placed);
        if let Value::Object(map) = &mut value {
            map.insert("events".to_owned(), reach.held.events.into());
            map.insert("bytes".to_owned(), reach.held.bytes.into());
            map.insert("events_since".to_owned(), reach.since.events.into());
            map.insert("bytes_since".to_owned(), reach.since.bytes.into());
            map.insert("first_seq".to_owned(), reach.seqs.map(|(first, _)| first).into());
            map.insert("last_seq".to_owned(), reach.seqs.map(|(_, last)| last).into());
        }
        out.json(&value)?;
        return out.finish();
    }
    let Hold { by, conditions, reason, ticket, .. } = &placed.hold;
    for (word, value) in [("where", conditions), ("by", by), ("reason", reason), ("ticket", ticket)] {
        if !value.is_empty() {
            out.line(format_args!("{word:<9}  {}", output::escape(value.as_bytes())))?;
        }
    }
    let events = |count: u64| output::counted(count, "event", "events");
    out.line(format_args!("placed     by record {}", placed.seq))?;
    out.line(format_args!("holds      {}, {}", events(reach.held.events), output::length(reach.held.bytes)))?;
    let since = (events(reach.since.events), output::length(reach.since.bytes));
    out.line(format_args!("since      {}, {}", since.0, since.1))?;
    if let (Some((first, last)), Some((from, to))) = (reach.seqs, reach.received) {
        out.line(format_args!("records    {first} to {last}, received {from} to {to}"))?;
    }
    out.finish()
}

fn release(store: &Path, release: &Approved<HoldRelease>) -> Outcome<()> {
    if release.matter.reason.trim().is_empty() || release.matter.by.trim().is_empty() {
        return Err(Failure::Usage("a release needs a reason, and who asks for it".to_owned()));
    }
    let store = open::to_write(store)?;
    let seq = store.release_hold(release)?;
    store.close()?;
    output::say(format_args!("record {seq}: {} is released", release.matter.name));
    Ok(())
}
