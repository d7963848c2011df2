//! `indelible operators`: who may approve deletions and the release of holds.

use std::path::{Path, PathBuf};

use indelible::format::retention::{Approved, OperatorSet};
use indelible::trust::VerifierKey;
use serde_json::json;

use crate::approvals::{self, Asking};
use crate::exit::{Code, Failure, Outcome};
use crate::output::{self, Out, Table};
use crate::{input, open};

/// Say who may approve deletions and the release of holds, and how many of them it takes
///
/// The first operator is named by whoever may write to the store. From then on every change takes the approval of as
/// many operators as the log says, two unless told otherwise. The log's own key is no operator's, and a key counts once.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  indelible operators key alice -o alice.key > alice.vkey
  indelible operators add alice.vkey
  indelible operators add bob.vkey --key alice.key
  indelible operators threshold 3 -o change.json
  indelible operators list")]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) what: What,
}

/// What to do with operators.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum What {
    /// Make an operator's key, and print the public half
    #[command(after_help = "Example:\n  indelible operators key alice -o alice.key > alice.vkey")]
    Key {
        /// The operator's name: no spaces and no plus signs
        name: String,
        /// The file to write the key to, readable by you alone
        #[arg(long, short, value_name = "FILE")]
        output: PathBuf,
    },
    /// Add operators
    #[command(after_help = "Example:\n  indelible operators add bob.vkey --key alice.key")]
    Add {
        /// Their verifier keys, or files that hold one
        #[arg(value_name = "VKEY|FILE", required = true)]
        keys: Vec<String>,
        #[command(flatten)]
        asking: Asking,
    },
    /// Remove operators
    #[command(after_help = "Example:\n  indelible operators remove bob --key alice.key --key carol.key")]
    Remove {
        /// Their names, or their verifier keys
        #[arg(value_name = "NAME|VKEY", required = true)]
        names: Vec<String>,
        #[command(flatten)]
        asking: Asking,
    },
    /// Change how many operators it takes
    #[command(after_help = "Example:\n  indelible operators threshold 3 --key alice.key --key bob.key")]
    Threshold {
        /// How many: one at least
        #[arg(value_parser = clap::value_parser!(u32).range(1..))]
        count: u32,
        #[command(flatten)]
        asking: Asking,
    },
    /// Carry out a change that others have approved
    #[command(after_help = "Example:\n  indelible operators apply change.json")]
    Apply {
        /// The file
        file: PathBuf,
    },
    /// List the operators
    #[command(after_help = "Example:\n  indelible operators list --json")]
    List {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

/// Makes a key, changes the operators, or lists them.
pub(crate) fn run(store: &Path, args: &Args) -> Outcome {
    match &args.what {
        What::Key { name, output: file } => {
            let key = approvals::make_key(file, name)?;
            let mut out = Out::stdout();
            out.line(output::escape(approvals::vkey(&key).as_bytes()))?;
            out.finish()?;
            output::say(format_args!("operator's key: {} (it belongs to one person)", file.display()));
        }
        What::Add { keys, asking } => {
            let keys: Vec<VerifierKey> =
                keys.iter().map(|key| input::verifier_key(key)).collect::<Outcome<_>>()?;
            change(store, asking, |set| {
                set.keys.extend(keys.iter().map(ToString::to_string));
                Ok(())
            })?;
        }
        What::Remove { names, asking } => change(store, asking, |set| {
            for name in names {
                let before = set.keys.len();
                set.keys.retain(|key| key != name && key.split('+').next() != Some(name));
                if set.keys.len() == before {
                    return Err(Failure::Usage(format!("no operator is called {name:?}")));
                }
            }
            Ok(())
        })?,
        What::Threshold { count, asking } => change(store, asking, |set| {
            set.threshold = *count;
            Ok(())
        })?,
        What::Apply { file } => apply(store, &approvals::read(file)?)?,
        What::List { json } => list(store, *json)?,
    }
    Ok(Code::Clean)
}

/// Asks for a change of the operators in force, and carries it out unless it was asked for in a file.
fn change(store: &Path, asking: &Asking, edit: impl FnOnce(&mut OperatorSet) -> Outcome<()>) -> Outcome<()> {
    let asked = {
        let store = open::to_read(store)?;
        let snapshot = store.snapshot()?;
        let state = snapshot.retention()?;
        let operators = &state.operators;
        let keys = operators.keys.iter().map(ToString::to_string).collect();
        let mut set = OperatorSet { keys, replaces: operators.seq, threshold: operators.threshold };
        edit(&mut set)?;
        set.keys.sort();
        asking.ask(&snapshot, set)?
    };
    if asking.put_aside(&asked)? { Ok(()) } else { apply(store, &asked) }
}

fn apply(store: &Path, change: &Approved<OperatorSet>) -> Outcome<()> {
    let store = open::to_write(store)?;
    let seq = store.set_operators(change)?;
    store.close()?;
    let set = &change.matter;
    output::say(format_args!(
        "record {seq}: {}, of whom it takes {}",
        output::counted(set.keys.len() as u64, "operator", "operators"),
        set.threshold
    ));
    if set.keys.len() < set.threshold as usize {
        output::warn("nothing can be deleted and no hold released until there are more operators");
    }
    Ok(())
}

fn list(store: &Path, as_json: bool) -> Outcome<()> {
    let store = open::to_read(store)?;
    let state = store.snapshot()?.retention()?;
    let operators = &state.operators;
    let mut out = Out::stdout();
    if as_json {
        let keys: Vec<String> = operators.keys.iter().map(ToString::to_string).collect();
        out.json(&json!({ "seq": operators.seq, "threshold": operators.threshold, "keys": keys }))?;
        return out.finish();
    }
    let mut table = Table::new(&["operator", "key"]);
    for key in &operators.keys {
        table.row([key.name().to_owned(), key.to_string()]);
    }
    table.print(&mut out)?;
    out.line(format_args!("it takes {} of them", operators.threshold))?;
    out.finish()
}
