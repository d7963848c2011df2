//! What can be wrong with a query, and where; what can stop one that runs.

use std::fmt;

use crate::span::Span;

/// The query crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why there is no answer, or no more of it.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The query's text makes no sense, here and perhaps in other places too.
    #[error("{0}")]
    Query(Problems),
    /// A stage would hold more than it may.
    #[error("{stage} would hold more than {limit} bytes: {advice}")]
    OverMemory {
        /// The stage, as the query writes it.
        stage: String,
        /// What all stages together may hold, in bytes.
        limit: usize,
        /// What to do.
        advice: &'static str,
    },
    /// An answer would be of more groups than there may be.
    #[error("there are more than {limit} groups: {advice}")]
    OverGroups {
        /// How many there may be.
        limit: u64,
        /// What to do.
        advice: &'static str,
    },
    /// A pack of controls, a mapping or label rules cannot be used.
    #[error("invalid {what}: {reason}")]
    Controls {
        /// `pack`, `mapping`, `label rules` or `file`.
        what: &'static str,
        /// What is wrong, and where.
        reason: String,
    },
    /// A policy of retention makes no sense.
    #[error("invalid retention policy: {reason}")]
    Retention {
        /// What is wrong, and where.
        reason: String,
    },
    /// What the store says.
    #[error(transparent)]
    Store(#[from] indelible_engine::Error),
}

/// What to do where an answer would hold too much.
pub(crate) const ADVICE: &str =
    "ask for fewer events or groups: a shorter time, more conditions, or `limit` behind `sort`";

impl Error {
    /// What the store says when it is asked for groups.
    pub(crate) fn of_groups(error: indelible_engine::Error) -> Error {
        match error {
            indelible_engine::Error::OverLimit { limit, .. } => Error::OverGroups { limit, advice: ADVICE },
            other => Error::Store(other),
        }
    }
}

/// One thing that is wrong with a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub span: Span,
    /// What, in a few words.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
}

/// All that is wrong with a query, in the order of the text. It prints each with the line and a caret below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    /// The query.
    pub text: String,
    /// At least one.
    pub problems: Vec<Problem>,
}

impl Problem {
    pub(crate) fn new(span: Span, message: impl Into<String>) -> Problem {
        Problem { span, message: message.into(), help: None }
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Problem {
        self.help = Some(help.into());
        self
    }
}

impl Problems {
    /// Puts the problems in order; those at one place say the same thing in other words, so the first is kept.
    pub(crate) fn new(text: &str, mut problems: Vec<Problem>) -> Problems {
        problems.sort_by_key(|problem| problem.span.start);
        problems.dedup_by_key(|problem| problem.span.start);
        Problems { text: text.to_owned(), problems }
    }
}

impl From<Problems> for Error {
    fn from(problems: Problems) -> Error {
        Error::Query(problems)
    }
}

impl Problems {
    /// All problems as they are printed, on a terminal of which `shown` knows how it shows a piece of the query, and in how
    /// many columns: the carets then stand below their place there.
    pub fn marked(&self, shown: impl Fn(&str) -> (String, usize)) -> String {
        let marked: Vec<String> = self.problems.iter().map(|one| mark(&self.text, one, &shown)).collect();
        marked.join("\n")
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.marked(|piece| (piece.to_owned(), piece.chars().count())))
    }
}

impl std::error::Error for Problems {}

/// The line that a problem is in, and below it carets and what is wrong.
fn mark(text: &str, problem: &Problem, shown: &impl Fn(&str) -> (String, usize)) -> String {
    let at = |place: usize| (0..=place.min(text.len())).rfind(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let (start, end) = (at(problem.span.start), at(problem.span.end));
    let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
    let line_end = text[start..].find('\n').map_or(text.len(), |newline| start + newline);
    let end = end.clamp(start, line_end);
    let number = 1 + text[..start].matches('\n').count();
    // A tab is as wide as the terminal likes; a space is one column below too.
    let piece = |piece: &str| shown(&piece.replace(|c: char| c.is_control(), " "));
    let (before, indent) = piece(&text[line_start..start]);
    let (place, width) = piece(&text[start..end]);
    let (after, _) = piece(&text[end..line_end]);
    let gutter = " ".repeat(number.to_string().len());
    let (space, carets) = (" ".repeat(indent), "^".repeat(width.max(1)));
    let mut marked =
        format!("{number} | {before}{place}{after}\n{gutter} | {space}{carets} {}", problem.message);
    if let Some(help) = &problem.help {
        marked.push_str(&format!("\n{gutter} = help: {help}"));
    }
    marked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carets_stand_below_the_place() {
        let problem = |start, end| Problem::new(Span { start, end }, "wrong");
        let print = |text: &str, problem| Problems::new(text, vec![problem]).to_string();
        assert_eq!(print("ä = x", problem(5, 6)), "1 | ä = x\n  |     ^ wrong");
        assert_eq!(print("a\n\tbcd\ne", problem(3, 6).help("do")), "2 |  bcd\n  |  ^^^ wrong\n  = help: do");
        assert_eq!(print("a", problem(1, 1)), "1 | a\n  |  ^ wrong");
        assert_eq!(print("", problem(7, 9)), "1 | \n  | ^ wrong");
        assert_eq!(print("a b\nc", problem(2, 5)), "1 | a b\n  |   ^ wrong");
    }

    #[test]
    fn carets_are_as_wide_as_what_is_shown() {
        let problem = Problem::new(Span { start: 3, end: 6 }, "wrong");
        let twice = |piece: &str| (piece.replace('é', "(e)"), 3 * piece.chars().count());
        let marked = Problems::new("aéébc", vec![problem]).marked(twice);
        assert_eq!(marked, "1 | a(e)(e)bc\n  |       ^^^^^^ wrong");
    }

    #[test]
    fn one_place_has_one_problem() {
        let problem = |start, message| Problem::new(Span { start, end: start + 1 }, message);
        let problems =
            Problems::new("abc", vec![problem(2, "third"), problem(0, "first"), problem(2, "fourth")]);
        let messages: Vec<_> = problems.problems.iter().map(|problem| problem.message.as_str()).collect();
        assert_eq!(messages, ["first", "third"]);
    }
}
