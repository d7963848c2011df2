//! `indelible timeline`: everything that happened in a run, of an agent, of a deployment.

use std::path::Path;

use super::query::{Asking, answer, value};
use crate::exit::Outcome;

/// Everything that happened in a run, or of an agent, a tenant, a deployment, by event time
///
/// On a terminal it reads like a story: the pause before each event, who did what, what was decided and by which rule,
/// approvals with approver and delay; failures, retries, gaps and events in disputed order are marked.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  indelible timeline run run_8bce4
  indelible timeline agent ops-agent-3 since 24h where decision = DENY
  indelible timeline work_item PAY-417 '| count by kind'
  indelible timeline run run_8bce4 --format markdown > run.md")]
pub(crate) struct Args {
    /// A field such as run, agent, tenant, trace, deployment or work_item
    #[arg(value_name = "FIELD")]
    pub(crate) field: String,
    /// Its value, and more of the query
    #[arg(value_name = "VALUE [QUERY]", allow_negative_numbers = true)]
    pub(crate) words: Vec<String>,
    #[command(flatten)]
    pub(crate) asking: Asking,
}

/// Prints a timeline.
pub(crate) fn run(store: &Path, args: &Args) -> Outcome {
    answer(store, &text(&args.field, &args.words), &args.asking)
}

/// The query. A value that came as one argument is one value, whatever stands in it; one argument alone is all of the
/// query.
fn text(field: &str, words: &[String]) -> String {
    let mut text = format!("timeline {field}");
    for (at, word) in words.iter().enumerate() {
        text.push(' ');
        if at == 0 { text.push_str(&value(word)) } else { text.push_str(word) }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_the_shell_become_a_query() {
        for (words, expected) in [
            (&["run", "run_8bce4"][..], "timeline run run_8bce4"),
            (&["run run_8bce4 since 24h"], "timeline run run_8bce4 since 24h"),
            (&["agent", "ops 3", "since", "24h"], "timeline agent \"ops 3\" since 24h"),
            (&["agent", "a\"b\\ c"], r#"timeline agent "a\"b\\ c""#),
            (&["agent", "\"ops 3\"", "| count"], "timeline agent \"ops 3\" | count"),
            (&["run", "$run"], "timeline run $run"),
        ] {
            let rest: Vec<String> = words[1..].iter().map(|word| (*word).to_owned()).collect();
            assert_eq!(text(words[0], &rest), expected);
        }
    }
}
