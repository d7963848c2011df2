//! `indelible explain`: how an answer is found.

use std::path::Path;

use super::query::{Asking, answer};
use crate::exit::Outcome;

/// How an answer is found: segments, postings, records read, and the time of each stage
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  indelible explain timeline run run_8bce4
  indelible explain 'decision = DENY since 30d | count by agent'")]
pub(crate) struct Args {
    /// The query
    #[arg(value_name = "QUERY", required = true, allow_negative_numbers = true)]
    pub(crate) words: Vec<String>,
    #[command(flatten)]
    pub(crate) asking: Asking,
}

/// Answers the query, and prints how.
pub(crate) fn run(store: &Path, args: &Args) -> Outcome {
    answer(store, &format!("explain {}", args.words.join(" ")), &args.asking)
}
