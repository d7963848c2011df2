//! The questions that the store is there to answer, each as one query: over evidence whose truth is known, and over
//! real samples.
#![expect(clippy::unwrap_used, clippy::panic, reason = "what fails here fails a test")]

mod controls;
mod generated;
pub(crate) mod samples;
mod shell;

use std::collections::BTreeSet;

use indelible::query::{Options, Query, Value, Vocabulary};
use indelible::{Snapshot, Timestamp};
use indelible_tests::scenario::NOW_S;

/// The query that `docs/QUERY.md` gives under this question.
pub(crate) fn documented(question: &str) -> String {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/QUERY.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, after) = page.split_once(&format!("\n{question}")).unwrap_or_else(|| panic!("no `{question}`"));
    let (_, after) = after.split_once("```text\n").unwrap();
    after.split_once("\n```").unwrap().0.to_owned()
}

/// A query: its text and the values of its parameters.
pub(crate) struct Question<'q> {
    pub(crate) text: &'q str,
    pub(crate) parameters: &'q [(&'q str, &'q str)],
}

/// A question without parameters.
pub(crate) fn ask(text: &str) -> Question<'_> {
    Question { text, parameters: &[] }
}

impl Question<'_> {
    /// The rows of the answer; of events those columns alone that the query added.
    pub(crate) fn rows(&self, snapshot: &Snapshot) -> Vec<Vec<Value>> {
        let mut query = Query::parse(self.text, &Vocabulary::of(snapshot).unwrap()).unwrap();
        for (name, value) in self.parameters {
            query = query.bind(name, *value).unwrap();
        }
        let answer = query.run(snapshot, &Options::at(Timestamp(NOW_S * 1_000_000_000))).unwrap();
        answer.map(|row| row.unwrap().values().to_vec()).collect()
    }

    /// The rows as texts.
    pub(crate) fn texts(&self, snapshot: &Snapshot) -> Vec<Vec<String>> {
        let text = |row: Vec<Value>| row.iter().map(ToString::to_string).collect();
        self.rows(snapshot).into_iter().map(text).collect()
    }

    /// The first column, in order.
    pub(crate) fn firsts(&self, snapshot: &Snapshot) -> Vec<String> {
        self.texts(snapshot).into_iter().map(|row| row[0].clone()).collect()
    }

    /// The first column, as a set: each value is there once.
    pub(crate) fn set(&self, snapshot: &Snapshot) -> BTreeSet<String> {
        let firsts = self.firsts(snapshot);
        let set: BTreeSet<String> = firsts.iter().cloned().collect();
        assert_eq!(set.len(), firsts.len(), "{} says something twice", self.text);
        set
    }
}
