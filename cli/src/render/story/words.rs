//! What kinds, statuses and decisions mean to a reader. The evidence says what it says: this only marks it.

/// Words that say that something did not go well.
const FAILURES: [&str; 17] = [
    "fail",
    "failed",
    "failure",
    "error",
    "errored",
    "timeout",
    "timedout",
    "denied",
    "deny",
    "refused",
    "rejected",
    "rolledback",
    "rollback",
    "deadletter",
    "dead",
    "aborted",
    "crashed",
];
/// Words that say that something was tried again.
const RETRIES: [&str; 4] = ["retry", "retried", "retrying", "retries"];

/// Whether a kind or a status tells of a failure.
pub(super) fn is_failure(word: &str) -> bool {
    has_one_of(word, &FAILURES)
}

/// Whether a kind or a status tells of another attempt.
pub(super) fn is_retry(word: &str) -> bool {
    has_one_of(word, &RETRIES)
}

/// Whether a decision refuses.
pub(super) fn is_denial(decision: &str) -> bool {
    has_one_of(decision, &["deny", "denied", "block", "blocked", "reject", "rejected", "refuse", "refused"])
}

/// Whether a decision, or a kind, asks for approval.
pub(super) fn asks_for_approval(decision: &str) -> bool {
    let letters = letters(decision);
    letters.contains("requireapproval") || letters.contains("approvalrequest")
}

/// `deployment.rolled_back` has the words `deployment` and `rolledback`.
fn has_one_of(word: &str, known: &[&str]) -> bool {
    word.split(['.', ':', '/', ' ']).any(|part| {
        let part = letters(part);
        known.contains(&part.as_str())
    })
}

fn letters(word: &str) -> String {
    word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}
