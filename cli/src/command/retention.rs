//! `indelible retention`: how long evidence is kept, what is due, and what operators agree to delete.

use std::path::{Path, PathBuf};

use indelible::Timestamp;
use indelible::query::{POLICY_TEMPLATES, Vocabulary, policy};
use serde_json::json;

use super::query::{moment, present};
use super::{apply, compact, drill};
use crate::approvals::{self, AnyApproved, duration};
use crate::exit::{Code, Failure, Outcome};
use crate::output::{self, Out};
use crate::render::retention as shown;
use crate::{input, keys, open};

/// Say how long evidence is kept, and see what is due
///
/// A policy is a TOML file of rules: which events, for how long, and what demands it. The longest rule that applies wins,
/// over every policy since an event was stored. Nothing is deleted but by a plan that operators have approved.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  indelible retention template hipaa > retention.toml
  indelible retention set retention.toml
  indelible retention status
  indelible retention compact --older-than 90d
  indelible retention plan -o plan.json
  indelible retention approve plan.json --key alice.key
  indelible retention apply plan.json
  indelible retention drill
  indelible retention history")]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) what: What,
}

/// What to do.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum What {
    /// Put a policy in force
    #[command(after_help = "Example:\n  indelible retention set retention.toml")]
    Set {
        /// The policy: TOML
        file: PathBuf,
    },
    /// Show the policy in force
    #[command(after_help = "Examples:\n  indelible retention show\n  indelible retention show --json")]
    Show {
        /// Print one JSON object, with the filters
        #[arg(long)]
        json: bool,
    },
    /// Print a starting point for a policy
    #[command(after_help = "Example:\n  indelible retention template pci-dss > retention.toml")]
    Template {
        /// Which: soc2, pci-dss, hipaa, eu-ai-act, sec-17a-4
        #[arg(value_parser = POLICY_TEMPLATES.map(|(name, _)| name))]
        name: String,
    },
    /// Show by rule what is kept, what is due, and whether what was promised holds; this reads all events
    #[command(
        after_help = "Examples:\n  indelible retention status\n  indelible retention status --as-of 2027-01-01 --json"
    )]
    Status {
        /// As of when: RFC 3339 or a date [default: now]
        #[arg(long, value_name = "TIME", value_parser = moment)]
        as_of: Option<Timestamp>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Write down what is due, for operators to approve; nothing is deleted
    #[command(after_help = "Examples:
  indelible retention plan --dry-run
  indelible retention plan --as-of 2026-12-31 -o plan.json")]
    Plan {
        /// As of when all periods are counted: RFC 3339 or a date, not in the future [default: now]
        #[arg(long, value_name = "TIME", value_parser = moment)]
        as_of: Option<Timestamp>,
        /// How long the plan is good for, counted from its time
        #[arg(long, value_name = "DURATION", default_value = "7d", value_parser = duration)]
        expires: i64,
        /// Write the plan to this file
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Only show it, which is all that happens without -o
        #[arg(long, conflicts_with = "output")]
        dry_run: bool,
        /// Print the plan as JSON
        #[arg(long)]
        json: bool,
    },
    Compact(compact::Args),
    /// Approve a plan, the release of a hold, or a change of operators, with an operator's key
    #[command(after_help = "Example:\n  indelible retention approve plan.json --key alice.key")]
    Approve {
        /// The file that gathers the approvals
        file: PathBuf,
        /// Your key's file
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
    },
    Apply(apply::Args),
    Drill(drill::Args),
    /// Show what was deleted: by which plan, why, and who approved it
    #[command(after_help = "Examples:\n  indelible retention history\n  indelible retention history --json")]
    History {
        /// Print one JSON object a plan, with the seqs that went
        #[arg(long)]
        json: bool,
    },
    /// Say whether a plan is whole, of this log, in time, and approved by enough operators
    #[command(after_help = "Example:\n  indelible retention check plan.json")]
    Check {
        /// The plan
        file: PathBuf,
    },
}

/// Does it.
pub(crate) fn run(store: &Path, args: &Args) -> Outcome {
    let mut out = Out::stdout();
    match &args.what {
        What::Compact(args) => return compact::run(store, args),
        What::Apply(args) => return apply::run(store, args),
        What::Drill(args) => return drill::run(store, args),
        What::History { json } => {
            let state = open::to_read(store)?.snapshot()?.retention()?;
            if *json { shown::history_json(&mut out, &state)? } else { shown::history(&mut out, &state)? }
        }
        What::Set { file } => set(store, file)?,
        What::Show { json } => show(store, *json, &mut out)?,
        What::Template { name } => {
            let found = POLICY_TEMPLATES.iter().find(|(known, _)| known == name);
            out.line(found.map_or("", |(_, text)| text).trim_end())?;
        }
        What::Status { as_of, json } => {
            let as_of = as_of.unwrap_or_else(present);
            let status = open::to_read(store)?.snapshot()?.retention_status(as_of)?;
            if *json {
                out.json(&shown::status_json(&status, as_of))?
            } else {
                shown::status(&mut out, &status)?
            }
        }
        What::Plan { as_of, expires, output: file, json, .. } => {
            let now = present();
            let as_of = as_of.unwrap_or(now);
            if as_of > now {
                return Err(Failure::Usage(format!("{as_of} is in the future: nobody could approve that")));
            }
            let store = open::to_read(store)?;
            let snapshot = store.snapshot()?;
            let plan = snapshot.plan(as_of, Timestamp(as_of.0.saturating_add(*expires)))?;
            if let Some(file) = file {
                approvals::write(file, &plan)?;
            }
            if *json {
                out.json(&plan)?;
            } else {
                shown::plan(&mut out, &plan)?;
                approvals::say_operators(&mut out, &snapshot.retention()?)?;
            }
        }
        What::Approve { file, key } => approve(file, key, &mut out)?,
        What::Check { file } => {
            let approved = approvals::read(file)?;
            shown::plan(&mut out, &approved)?;
            open::to_read(store)?.check_plan(&approved)?;
            out.line("good       whole, of this log, in time, and approved by enough operators")?;
        }
    }
    out.finish()?;
    Ok(Code::Clean)
}

fn set(store: &Path, file: &Path) -> Outcome<()> {
    let bytes = input::read_all(file, indelible::limits::POLICY_LEN_MAX as u64)?;
    let text =
        String::from_utf8(bytes).map_err(|_| Failure::Usage(format!("{} is not UTF-8", file.display())))?;
    let store = open::to_write(store)?;
    let policy = policy(&text, &Vocabulary::of(&store.snapshot()?)?)?;
    let seq = store.set_policy(&policy)?;
    store.close()?;
    let rules = output::counted(policy.rules.len() as u64, "rule", "rules");
    output::say(format_args!("record {seq}: a policy of {rules} is in force"));
    Ok(())
}

fn show(store: &Path, as_json: bool, out: &mut Out) -> Outcome<()> {
    let state = open::to_read(store)?.snapshot()?.retention()?;
    match state.policy() {
        Some((seq, policy)) if as_json => out.json(&json!({ "seq": seq, "policy": policy })),
        Some((seq, policy)) => {
            output::say(format_args!("in force since record {seq}"));
            out.line(output::escape_text(policy.text.trim_end(), out.is_terminal()))
        }
        None if as_json => out.json(&json!({ "seq": null, "policy": null })),
        None => {
            output::say("no policy is set: all is kept for ever");
            Ok(())
        }
    }
}

fn approve(file: &Path, key: &Path, out: &mut Out) -> Outcome<()> {
    let mut asked = AnyApproved::read(file)?;
    shown::matter(out, &asked)?;
    let key = keys::read(key, "--key")?;
    let count = asked.approve(file, &key)?;
    let statement = asked.statement();
    out.line(format_args!(
        "log        {} ({})",
        output::escape(statement.origin.as_bytes()),
        statement.store_id
    ))?;
    let times = output::counted(count as u64, "approval", "approvals");
    out.line(format_args!("has        {times}, good until {}", statement.expires))
}
