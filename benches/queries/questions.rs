//! The questions: what an auditor asks first, with parameters taken from the events themselves.

use indelible_benches::{Events, Time};

/// A question.
#[derive(Debug, Clone)]
pub(crate) enum Question {
    /// The event with this id.
    Event(String),
    /// All events of a run.
    Run(String),
    /// What an agent was denied from one time up to another.
    Denials { agent: String, from: String, until: String },
    /// How many events each control has.
    Controls,
    /// How many events a control has from one time up to another.
    ControlCount { control: String, from: String, until: String },
    /// The events of a control, an agent and a kind.
    Conjunction { control: String, agent: String, kind: String },
    /// The events that contain a text.
    Text(String),
}

/// What contenders must agree on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    /// How many rows.
    pub(crate) rows: u64,
    /// The bytes of all events that were read, or the sum of all counts.
    pub(crate) sum: u64,
}

/// One question with many parameters.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) name: &'static str,
    /// How many times faster than the best peer Indelible is held to be.
    pub(crate) bound: f64,
    pub(crate) questions: Vec<Question>,
}

pub(crate) const SEED: u64 = 11;
pub(crate) const DAYS: usize = 365;
const START_MS: u64 = 1_775_001_600_000;

/// The text between `before` and the next quote.
fn part<'a>(event: &'a str, before: &str) -> &'a str {
    let rest = event.split_once(before).map_or("", |(_, rest)| rest);
    rest.split('"').next().unwrap_or_default()
}

/// All questions.
pub(crate) fn questions(events: usize) -> Vec<Asked> {
    let every = (events / 400).max(1);
    let sample: Vec<String> = Events::spread(SEED, events, DAYS)
        .take(events)
        .step_by(every)
        .map(|event| String::from_utf8_lossy(&event).into_owned())
        .collect();
    let each = |make: &dyn Fn(usize, &str) -> Question| -> Vec<Question> {
        sample.iter().enumerate().map(|(index, event)| make(index, event)).collect()
    };
    let window = |index: usize, days: usize| {
        let start = START_MS + ((index * 37) % (DAYS - days)) as u64 * 86_400_000;
        (Time(start).to_string(), Time(start + days as u64 * 86_400_000).to_string())
    };
    let text = |_: usize, event: &str| {
        Question::Text(part(event, "\"args_digest\":\"sha256:").get(..20).unwrap_or("none").to_owned())
    };
    let asked = |name, bound, questions| Asked { name, bound, questions };
    vec![
        asked(
            "event by id",
            1.5,
            each(&|_, event| Question::Event(part(event, "\"event_id\":\"").to_owned())),
        ),
        asked(
            "timeline of a run",
            2.5,
            each(&|_, event| Question::Run(part(event, "\"run_id\":\"").to_owned())),
        ),
        asked(
            "denials of an agent, 7 days",
            2.5,
            each(&|index, event| {
                let (from, until) = window(index, 7);
                Question::Denials { agent: part(event, "\"agent_id\":\"").to_owned(), from, until }
            }),
        ),
        asked("counts by control", 3.0, vec![Question::Controls; 40]),
        asked(
            "count of a control, 90 days",
            4.0,
            each(&|index, event| {
                let (from, until) = window(index, 90);
                Question::ControlCount { control: part(event, "\"controls\":[\"").to_owned(), from, until }
            }),
        ),
        asked(
            "control, agent and kind",
            5.0,
            each(&|_, event| Question::Conjunction {
                control: part(event, "\"controls\":[\"").to_owned(),
                agent: part(event, "\"agent_id\":\"").to_owned(),
                kind: part(event, "\"kind\":\"").to_owned(),
            }),
        ),
        asked(
            "a text anywhere",
            2.0,
            sample.iter().take(12).enumerate().map(|(i, event)| text(i, event)).collect(),
        ),
    ]
}
