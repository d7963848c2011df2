//! Indelible as a contender.

use std::path::Path;

use indelible_benches::{CONTROLS, Events};
use indelible_engine::filter::{Clock, Field, Filter, Test, Value, Window};
use indelible_engine::source::{Fields, Profile, rfc3339};
use indelible_engine::{Options, Snapshot, Store};

use super::questions::{Answer, DAYS, Question, SEED};
use super::{Contender, Result};

pub(crate) struct Indelible {
    /// The spellings of controls, as written and as the index has them.
    controls: Vec<(String, String)>,
    snapshot: Snapshot,
}

impl Indelible {
    /// Opens the store in `place`, or makes it.
    pub(crate) fn open(place: &Path, events: usize) -> Result<Self> {
        let path = place.join("indelible");
        let store = match Store::open(&path, Options::default()) {
            Ok(store) => store,
            Err(_) => Self::make(&path, events)?,
        };
        let snapshot = store.snapshot()?;
        let controls = CONTROLS.iter().map(|control| ((*control).to_owned(), normal(control))).collect();
        Ok(Indelible { controls, snapshot })
    }

    fn make(path: &Path, events: usize) -> Result<Store> {
        let making = path.with_extension("making");
        let _ = std::fs::remove_dir_all(&making);
        let store = Store::create(&making, Options::new("bench.example/queries"))?;
        let mut all = Events::spread(SEED, events, DAYS).take(events).peekable();
        while all.peek().is_some() {
            store.append_batch(all.by_ref().take(10_000))?;
        }
        store.close()?;
        std::fs::rename(&making, path)?;
        Ok(Store::open(path, Options::default())?)
    }

    fn control<'a>(&'a self, written: &'a str) -> &'a str {
        self.controls.iter().find(|(known, _)| known == written).map_or(written, |(_, normal)| normal)
    }

    fn rows(&self, filter: Filter) -> Result<Answer> {
        let mut answer = Answer::default();
        for hit in self.snapshot.search(&of_users(filter))? {
            answer.rows += 1;
            answer.sum += hit?.body().len() as u64;
        }
        Ok(answer)
    }
}

/// Of users' events, as the language has it, and not of the store's own records.
fn of_users(filter: Filter) -> Filter {
    filter.and(Filter::Not(Box::new(Filter::StoreRecord)))
}

fn is(field: &str, value: &str) -> Filter {
    Filter::Field(Field::Name(field.to_owned()), Test::Equals(vec![Value::Text(value.to_owned())]))
}

/// A control as the index has it: in the one spelling of its framework.
fn normal(control: &str) -> String {
    let mut fields = Fields::default();
    let event = format!(r#"{{"controls":["{control}"]}}"#);
    let read = Profile::evidence().extract(event.as_bytes(), &mut fields);
    let term = fields.terms().next().filter(|_| read.is_ok());
    term.map_or_else(|| control.to_owned(), |(_, term)| String::from_utf8_lossy(term.bytes).into_owned())
}

fn window(from: &str, until: &str) -> Filter {
    let time = |text: &str| rfc3339(text.as_bytes());
    Filter::Time(Clock::Event, Window { from: time(from), until: time(until) })
}

impl Contender for Indelible {
    fn name(&self) -> &'static str {
        "Indelible"
    }

    fn ask(&mut self, question: &Question) -> Result<Answer> {
        match question {
            Question::Event(id) => {
                let events = self.snapshot.events_with_id(id)?;
                let sum = events.iter().map(|event| event.body().len() as u64).sum();
                Ok(Answer { rows: events.len() as u64, sum })
            }
            Question::Run(run) => self.rows(is("run", run)),
            Question::Denials { agent, from, until } => {
                self.rows(Filter::All(vec![is("agent", agent), is("decision", "deny"), window(from, until)]))
            }
            Question::Controls => {
                let groups = self.snapshot.count_by(&of_users(Filter::everything()), &["control"])?;
                let terms = groups.counts.iter().filter(|(key, _)| {
                    matches!(key.as_slice(), [indelible_engine::answer::GroupKey::Term(_)])
                });
                Ok(terms.fold(Answer::default(), |sum, (_, count)| Answer {
                    rows: sum.rows + 1,
                    sum: sum.sum + count,
                }))
            }
            Question::ControlCount { control, from, until } => {
                let filter = Filter::All(vec![is("control", self.control(control)), window(from, until)]);
                Ok(Answer { rows: 1, sum: self.snapshot.count(&of_users(filter))? })
            }
            Question::Conjunction { control, agent, kind } => self.rows(Filter::All(vec![
                is("control", self.control(control)),
                is("agent", agent),
                is("kind", kind),
            ])),
            Question::Text(text) => self.rows(Filter::Text(text.clone())),
        }
    }
}
