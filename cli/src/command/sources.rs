//! `indelible sources`: the profiles that say where an event's time, run, agent and the rest are found.

use std::path::PathBuf;

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
