//! What was asked, with all that changes the answer: the member `query.json`.

use std::collections::BTreeMap;
use std::path::Path;

use indelible_engine::filter::{Field, Filter, Test, Value};
use indelible_engine::source::rfc3339;
use indelible_engine::{Class, Error as StoreError, Fault, Timestamp};
use serde::{Deserialize, Serialize};

use super::registered::{CONTROLS, ControlTexts, Known, Registered, SOURCE};
use crate::answer::{Options, Query};
use crate::ast::Head;
use crate::controls::{Controls, NoControls};
use crate::error::{Problem, Problems, Result};
use crate::span::Span;

/// The version of the member, and of the language that it speaks.
const FORMAT: u16 = 0;
/// The member's name.
pub(super) const MEMBER: &str = "query.json";
/// What an answer in a bundle may hold on its way, in bytes. It is the same for whoever makes and whoever checks one.
const HELD_MAX: usize = 1 << 30;
/// Longest such member in bytes: packs and mapping are in it.
const LEN_MAX: usize = 16 << 20;

/// A question, with all that changes its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The query, as it was typed.
    pub text: String,
    /// The values of its parameters.
    pub parameters: BTreeMap<String, String>,
    /// What `since 24h` counts back from.
    pub now: Timestamp,
    /// Whether the store's own records are among the answers, named or not.
    pub all: bool,
}

/// How a question is written; the names in their order.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    all: bool,
    controls: Option<ControlTexts>,
    format: u16,
    means: String,
    now: String,
    parameters: BTreeMap<String, String>,
    query: String,
}

/// A question that was read by the names of one log.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) query: Query,
    /// The controls, where the query asks for any.
    pub(super) known: Option<Known>,
    /// The query as it means the same at any time.
    pub(super) means: String,
    /// All that is asked of the log; last what gives names their meaning.
    pub(super) filters: Vec<Filter>,
}

impl Asked {
    fn controls(&self) -> &dyn Controls {
        self.known.as_ref().map_or(&NoControls, |known| &known.controls)
    }
}

impl Question {
    /// Reads the question by what a log registered, and by `texts` where controls are asked for and these are known.
    pub(super) fn read(&self, registered: &Registered, texts: Option<ControlTexts>) -> Result<Asked> {
        let mut query = Query::parse(&self.text, &registered.vocabulary)?;
        for (name, value) in &self.parameters {
            query = query.bind(name, value)?;
        }
        if query.tree().explain {
            let message = "an explanation tells how long things took, and is no evidence";
            let problem = Problem::new(Span::default(), message).help("leave `explain` out");
            return Err(Problems::new(&self.text, vec![problem]).into());
        }
        let asks = matches!(query.tree().head, Head::Control(_) | Head::Controls(_));
        let known = match texts {
            _ if !asks => None,
            Some(texts) => Some(registered.read(texts)?),
            None => Some(registered.controls()?),
        };
        let means = query.settled(self.now);
        let mut asked = Asked { query, known, means, filters: Vec::new() };
        asked.filters = asked.query.filters(asked.controls(), &self.options(&asked))?;
        asked.filters.push(registering(asks));
        Ok(asked)
    }

    /// How the query is run.
    pub(super) fn options<'a>(&self, asked: &'a Asked) -> Options<'a> {
        let controls = Some(asked.controls());
        Options { all: self.all, controls, held_max: HELD_MAX, ..Options::at(self.now) }
    }

    /// The member's bytes: JSON without spaces, keys in order.
    pub(super) fn encode(&self, asked: &Asked) -> Vec<u8> {
        let written = Written {
            all: self.all,
            controls: asked.known.as_ref().map(|known| known.texts.clone()),
            format: FORMAT,
            means: asked.means.clone(),
            now: self.now.to_string(),
            parameters: self.parameters.clone(),
            query: self.text.clone(),
        };
        let mut bytes = serde_json::to_vec(&written).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// Reads the member. That it is the one which the question makes is known once it was read by the log's names and
    /// written anew.
    pub(super) fn decode(bytes: &[u8]) -> Result<(Question, Option<ControlTexts>)> {
        if bytes.len() > LEN_MAX {
            let (found, limit) = (bytes.len() as u64, LEN_MAX as u64);
            return Err(StoreError::OverLimit { what: "query.json length", found, limit }.into());
        }
        let refuse = |fault: Fault| fault.in_file(Path::new(MEMBER));
        let written: Written = serde_json::from_slice(bytes).map_err(|error| {
            refuse(Fault::damaged(error.column() as u64, "query", "a bundle's query", error))
        })?;
        if written.format != FORMAT {
            let fault = Fault::new(Class::Unsupported, 0, "query format", FORMAT, written.format);
            return Err(refuse(fault).into());
        }
        let Some(now) = rfc3339(written.now.as_bytes()) else {
            return Err(refuse(Fault::damaged(0, "present time", "an RFC 3339 time", written.now)).into());
        };
        let Written { query: text, parameters, all, controls, .. } = written;
        Ok((Question { text, parameters, now, all }, controls))
    }
}

/// The records by which the names of a query mean what they mean.
fn registering(controls: bool) -> Filter {
    let kinds = [SOURCE].into_iter().chain(CONTROLS.into_iter().filter(|_| controls));
    let kind = Test::Equals(kinds.map(|kind| Value::Text(kind.to_owned())).collect());
    Filter::StoreRecord.and(Filter::Field(Field::Name("kind".to_owned()), kind))
}
