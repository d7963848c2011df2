//! `indelible control`: the evidence of a control.

use std::path::Path;

use indelible::Snapshot;
use indelible::query::controls::MappedControls;

use super::query::{Asking, answer_as, joined};
use crate::exit::Outcome;

/// The evidence of a control: what was labelled with it, names it, or is mapped to it
///
/// The column `via` says which of these, `mapped_by` by which rules of the mapping. Ids are known in the spellings that people use.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  indelible control SOC2:CC6.1 during 2026-Q1
  indelible control 'SOC2:CC6.* since 90d | count by control, agent'
  indelible control 'PCI DSS 6.5.1' since 90d
  indelible control SOC2:CC8.1, PCI-DSS:6.5.1 where agent = ops-agent-3")]
pub(crate) struct Args {
    /// One id or several, and more of the query
    #[arg(value_name = "ID [QUERY]", required = true, allow_negative_numbers = true)]
    pub(crate) words: Vec<String>,
    #[command(flatten)]
    pub(crate) asking: Asking,
}

/// Prints the evidence.
pub(crate) fn run(store: &Path, args: &Args) -> Outcome {
    let text = |snapshot: &Snapshot| {
        let is_id = |word: &str| Ok(MappedControls::of(snapshot)?.catalogue.find(word).is_some());
        Ok(format!("control {}", joined(&args.words, is_id)?))
    };
    answer_as(store, text, &args.asking)
}
