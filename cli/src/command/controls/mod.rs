//! `indelible controls`: which controls there are, what is evidence of them, and how much there is.

mod add;
mod list;

use std::path::{Path, PathBuf};

use indelible::Snapshot;
use indelible::query::controls::MappedControls;

use super::query::{Asking, answer, answer_as, joined};
use crate::exit::Outcome;
use crate::render::Format;

/// List controls, what is evidence of them, and how much there is; add packs, mappings and label rules
///
/// Packs of controls and a mapping ship with indelible; files of your own are added to the log. What they look like
/// stands in docs/CONTROLS.md. With nothing behind it, the command counts what there is of each control, as
/// `controls coverage` does.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  indelible controls
  indelible controls list SOC2
  indelible controls show 'pci dss 6.5.1'
  indelible controls coverage SOC2 since 90d
  indelible controls add mapping.toml --dry-run"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) what: Option<What>,
    /// As of `controls coverage`.
    #[command(flatten)]
    pub(crate) asking: Box<Asking>,
}

/// What to do with controls.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum What {
    /// List the frameworks, or the controls of one
    #[command(after_help = "Examples:
  indelible controls list
  indelible controls list 'iso 27001' --format csv")]
    List {
        /// A framework, such as SOC2
        #[arg(value_name = "FRAMEWORK")]
        framework: Option<String>,
        /// How to print it
        #[arg(long, value_enum, value_name = "FORMAT", default_value = "table")]
        format: Format,
    },
    /// Show a control, and by which rules of the mapping what is evidence of it
    #[command(after_help = "Examples:
  indelible controls show SOC2:CC8.1
  indelible controls show 'EU AI Act Art. 12' --format json")]
    Show {
        /// Its id, in any spelling; several words are one id
        #[arg(value_name = "ID", required = true)]
        id: Vec<String>,
        /// How to print it
        #[arg(long, value_enum, value_name = "FORMAT", default_value = "table")]
        format: Format,
    },
    /// Count events, runs and agents for each control, from the first to the last
    #[command(after_help = "Examples:
  indelible controls coverage
  indelible controls coverage 'pci dss' since 90d
  indelible controls coverage 'PCI-DSS during 2026-Q1 | where events = 0' --format markdown")]
    Coverage {
        /// A framework, and more of the query; all frameworks without it
        #[arg(value_name = "FRAMEWORK [QUERY]", allow_negative_numbers = true)]
        words: Vec<String>,
        #[command(flatten)]
        asking: Box<Asking>,
    },
    /// Print the mapping: each kind of evidence, and of which controls of which framework it is
    #[command(after_help = "Examples:
  indelible controls matrix --format markdown > matrix.md
  indelible controls matrix SOC2")]
    Matrix {
        /// A framework, such as SOC2; all without it
        #[arg(value_name = "FRAMEWORK")]
        framework: Option<String>,
        /// How to print it
        #[arg(long, value_enum, value_name = "FORMAT", default_value = "table")]
        format: Format,
    },
    /// Add a pack, a mapping or label rules to the log, and say what that changes
    ///
    /// Which of these a file is, its keys tell: `framework`, [[rule]] or [[label]]. It is checked before anything is
    /// written. No record is changed by it: a mapping answers from now on, label rules label what is appended from now on.
    #[command(after_help = "Examples:
  indelible controls add mapping.toml --dry-run
  indelible controls add labels.toml")]
    Add {
        /// The file, TOML, - for stdin
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// Say what it would change, and write nothing
        #[arg(long)]
        dry_run: bool,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
}

/// Lists, shows, counts or adds.
pub(crate) fn run(store: &Path, args: &Args) -> Outcome {
    let Some(what) = &args.what else { return answer(store, &coverage(""), &args.asking) };
    match what {
        What::List { framework, format } => list::list(store, framework.as_deref(), *format),
        What::Show { id, format } => list::show(store, &id.join(" "), *format),
        What::Coverage { words, asking } => {
            let text = |snapshot: &Snapshot| {
                let is_name = |word: &str| Ok(MappedControls::of(snapshot)?.catalogue.is_framework(word));
                Ok(coverage(&joined(words, is_name)?))
            };
            answer_as(store, text, asking)
        }
        What::Matrix { framework, format } => list::matrix(store, framework.as_deref(), *format),
        What::Add { file, dry_run, json } => add::add(store, file, *dry_run, *json),
    }
}

/// Words that a query goes on with; another first word is a framework.
const GOES_ON: [&str; 8] = ["framework", "since", "until", "between", "during", "received", "where", "not"];

/// The query of a coverage.
fn coverage(text: &str) -> String {
    let first = text.split_whitespace().next().unwrap_or_default();
    // What has a mark in it is a condition.
    let is_query = GOES_ON.contains(&first)
        || first.contains(|c: char| "|=<>~!()".contains(c))
        || text.split_whitespace().nth(1).is_some_and(|next| next.starts_with(['=', '<', '>', '~', '!']));
    let framework = if first.is_empty() || is_query { "" } else { "framework " };
    format!("controls {framework}{text}").trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_word_is_a_framework_unless_a_query_goes_on_with_it() {
        for (words, expected) in [
            (&[][..], "controls"),
            (&["SOC2"], "controls framework SOC2"),
            (&["SOC2", "since", "90d"], "controls framework SOC2 since 90d"),
            (
                &["PCI-DSS during 2026-Q1 | where events = 0"],
                "controls framework PCI-DSS during 2026-Q1 | where events = 0",
            ),
            (&["since", "90d"], "controls since 90d"),
            (&["| where events = 0"], "controls | where events = 0"),
            (&["agent", "=", "ops"], "controls agent = ops"),
            (&["agent=ops since 1d"], "controls agent=ops since 1d"),
            (&["framework", "SOC2"], "controls framework SOC2"),
            (&["\"pci dss\"", "since", "90d"], "controls framework \"pci dss\" since 90d"),
        ] {
            assert_eq!(coverage(&words.join(" ")), expected);
        }
    }
}
