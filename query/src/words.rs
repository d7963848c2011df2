//! The words that mean something to the language, and the nearest known word to one that is not known.

/// Words that begin or join conditions: as words to search for they stand in quotes.
pub(crate) const RESERVED: [&str; 10] =
    ["and", "or", "not", "in", "since", "until", "between", "during", "received", "where"];

/// Words that begin a query and say what kind it is.
pub(crate) const HEADS: [&str; 7] = ["timeline", "control", "controls", "event", "seq", "around", "explain"];

/// Words that a stage begins with.
pub(crate) const STAGES: [&str; 14] = [
    "where", "fields", "sort", "limit", "tail", "sample", "count", "stats", "distinct", "first", "last",
    "preceded", "followed", "unless",
];

/// What `stats` can say of a group.
pub(crate) const FUNCTIONS: [&str; 9] =
    ["count", "sum", "avg", "min", "max", "p50", "p95", "p99", "distinct"];

/// The known word that was most likely meant: at most a third of its letters are off.
pub(crate) fn nearest<'w>(word: &str, known: impl IntoIterator<Item = &'w str>) -> Option<&'w str> {
    let word = word.to_lowercase();
    known
        .into_iter()
        .map(|candidate| (distance(&word, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.chars().count().max(3) / 3)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// How many letters must be put in, left out, replaced or swapped with their neighbour.
fn distance(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().take(64).collect(), to.chars().take(64).collect());
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=to.len()).collect();
    for (row, a) in from.iter().enumerate() {
        let mut line = vec![row + 1];
        for (column, b) in to.iter().enumerate() {
            let mut cost =
                (above[column] + usize::from(a != b)).min(above[column + 1] + 1).min(line[column] + 1);
            if row > 0 && column > 0 && *a == to[column - 1] && from[row - 1] == *b {
                cost = cost.min(before[column - 1] + 1);
            }
            line.push(cost);
        }
        (before, above) = (above, line);
    }
    above.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_finger_are_near_and_other_words_are_not() {
        for (slip, meant) in [
            ("siince", "since"),
            ("sicne", "since"),
            ("limt", "limit"),
            ("decisoin", "decision"),
            ("Sort", "sort"),
        ] {
            let known = ["since", "limit", "decision", "sort"];
            assert_eq!(nearest(slip, known), Some(meant), "{slip}");
        }
        assert_eq!(nearest("rollback", ["since", "limit", "sort", "run"]), None);
        assert_eq!(nearest("", ["run"]), None);
    }
}
