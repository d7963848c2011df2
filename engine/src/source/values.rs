//! Values at JSON paths of an event: for questions about places that no profile names.
//!
//! Where a path meets an array it goes on in each element, unless it says which: `tool.args.path` is the path of
//! every argument, `tool.args[0].path` that of the first. An array at a path's end stands for its elements, however
//! deep; so `controls = x` holds where any element is `x`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::keys::Print;
use super::path::{self, Step};
use super::scan::{Scalar, Sink, Top, scalar_of, scan};
use crate::{Error, Result, limits};

/// A JSON path: keys joined by dots, `[0]` for one element, `[]` for each; a key with odd characters in double quotes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Path(Vec<Step>);

impl FromStr for Path {
    type Err = Error;

    fn from_str(text: &str) -> Result<Path> {
        path::parse(text).map(Path).map_err(|reason| Error::InvalidFilter { reason })
    }
}

impl TryFrom<String> for Path {
    type Error = Error;

    fn try_from(text: String) -> Result<Path> {
        text.parse()
    }
}

impl From<Path> for String {
    fn from(path: Path) -> String {
        path.to_string()
    }
}

impl fmt::Display for Path {
    /// The one spelling that reads back as this path; keys are quoted where they need it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, step) in self.0.iter().enumerate() {
            match step {
                Step::Each => f.write_str("[]")?,
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(key) => {
                    if place > 0 {
                        f.write_str(".")?;
                    }
                    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '$' | '@');
                    if !key.is_empty() && key.chars().all(plain) {
                        f.write_str(key)?;
                    } else {
                        write!(f, "\"{}\"", key.replace('\\', r"\\").replace('"', "\\\""))?;
                    }
                }
            }
        }
        Ok(())
    }
}

impl Path {
    /// The path of one key.
    pub fn key(key: &str) -> Path {
        Path(vec![Step::Key(key.to_owned())])
    }

    /// The key, where the path is just one.
    pub fn as_key(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Step::Key(key)] => Some(key),
            _ => None,
        }
    }
}

/// A few paths that are followed together, in one pass over an event.
#[derive(Debug, Clone, Default)]
pub struct Paths {
    paths: Vec<Path>,
    prints: Vec<Vec<Print>>,
}

/// What stood at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FoundValue {
    /// The path's place among the [`Paths`].
    pub path: usize,
    /// Whether it is an element of an array that stands at the path, rather than what stands there itself.
    pub element: bool,
    /// Where it begins in the event.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
}

/// A JSON value, its text unescaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonValue<'a> {
    /// Text.
    Text(&'a [u8]),
    /// A number as the event writes it.
    Number(&'a [u8]),
    /// A truth value.
    Bool(bool),
    /// Null.
    Null,
    /// An object or array, as it stands in the event.
    Container(&'a [u8]),
}

impl FoundValue {
    /// The value; `buffer` is overwritten where a text has to be unescaped.
    pub fn value<'b>(&self, event: &'b [u8], buffer: &'b mut Vec<u8>) -> JsonValue<'b> {
        let bytes = event.get(self.start..self.end).unwrap_or_default();
        if let [b'{' | b'[', ..] = bytes {
            return JsonValue::Container(bytes);
        }
        match scalar_of(bytes) {
            Scalar::String(text) => JsonValue::Text(text.unescaped(buffer)),
            Scalar::Number(number) => JsonValue::Number(number),
            Scalar::True => JsonValue::Bool(true),
            Scalar::False => JsonValue::Bool(false),
            Scalar::Null => JsonValue::Null,
        }
    }
}

impl Paths {
    /// The place of a path, added where it is not among them yet.
    pub fn add(&mut self, path: &Path) -> usize {
        if let Some(place) = self.paths.iter().position(|known| known == path) {
            return place;
        }
        let print = |step: &Step| match step {
            Step::Key(key) => Print::of(key.as_bytes()),
            _ => Print::of(b""),
        };
        self.prints.push(path.0.iter().map(print).collect());
        self.paths.push(path.clone());
        self.paths.len() - 1
    }

    /// The longest key of the path at a place.
    pub(crate) fn longest_key(&self, place: usize) -> Option<&str> {
        let keys = self.paths.get(place)?.0.iter().filter_map(|step| match step {
            Step::Key(key) => Some(key.as_str()),
            Step::Index(_) | Step::Each => None,
        });
        keys.max_by_key(|key| key.len())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// Finds all that stands at these paths, in the order of the bytes; an array before its elements. `found` is
    /// cleared first.
    ///
    /// # Errors
    /// [`Error::InvalidEvent`] where `event` is none.
    pub fn find(&self, event: &[u8], found: &mut Vec<FoundValue>) -> Result<()> {
        found.clear();
        if self.is_empty() {
            return Ok(());
        }
        let start = (0..self.paths.len()).map(|path| Thread { path, step: 0, element: false }).collect();
        let mut walk = Walk { paths: self, found, open: Vec::new(), threads: Vec::new(), next: start };
        scan(event, Top::Object, limits::EVENT_DEPTH_MAX, &mut walk)
    }
}

/// A path that is being followed: it has gone `step` steps.
#[derive(Debug, Clone, Copy)]
struct Thread {
    path: usize,
    step: usize,
    /// It is past its end, among the elements of the array that it ended at.
    element: bool,
}

struct Walk<'p> {
    paths: &'p Paths,
    found: &'p mut Vec<FoundValue>,
    open: Vec<Open>,
    /// The threads of all that is open, those of the innermost last.
    threads: Vec<Thread>,
    /// The threads of the next value.
    next: Vec<Thread>,
}

struct Open {
    /// Where its threads begin.
    threads_at: usize,
    /// The place of the next element, of an array.
    index: Option<u32>,
    /// Those of `found` that it is, to be given their end: where they begin, and how many.
    found: (usize, usize),
}

impl Walk<'_> {
    /// Prepares the threads of an element, where an array is the innermost open.
    fn arrive(&mut self) {
        let Some(Open { threads_at, index: Some(index), .. }) = self.open.last_mut() else { return };
        let place = *index;
        *index = index.saturating_add(1);
        self.next.clear();
        for thread in &self.threads[*threads_at..] {
            let steps = &self.paths.paths[thread.path].0;
            match steps.get(thread.step) {
                None => self.next.push(Thread { element: true, ..*thread }),
                Some(Step::Key(_)) => self.next.push(*thread),
                Some(Step::Each) => self.next.push(Thread { step: thread.step + 1, ..*thread }),
                Some(Step::Index(wanted)) if *wanted == place => {
                    self.next.push(Thread { step: thread.step + 1, ..*thread });
                }
                Some(Step::Index(_)) => {}
            }
        }
    }

    /// Notes the value at `start..end` for each thread that has come to its end.
    fn note(&mut self, start: usize, end: usize) -> (usize, usize) {
        let first = self.found.len();
        for thread in &self.next {
            if thread.step == self.paths.paths[thread.path].0.len() {
                self.found.push(FoundValue { path: thread.path, element: thread.element, start, end });
            }
        }
        (first, self.found.len() - first)
    }
}

impl<'a> Sink<'a> for Walk<'_> {
    fn key(&mut self, key: &[u8], print: Print, _at: usize) {
        self.next.clear();
        let Some(open) = self.open.last() else { return };
        for thread in &self.threads[open.threads_at..] {
            let Some(Step::Key(wanted)) = self.paths.paths[thread.path].0.get(thread.step) else { continue };
            if self.paths.prints[thread.path][thread.step] == print && Print::decides(wanted.as_bytes(), key)
            {
                self.next.push(Thread { step: thread.step + 1, ..*thread });
            }
        }
    }

    fn start(&mut self, array: bool, at: usize) {
        self.arrive();
        let found = self.note(at, at);
        let threads_at = self.threads.len();
        self.threads.extend_from_slice(&self.next);
        self.open.push(Open { threads_at, index: array.then_some(0), found });
    }

    fn end(&mut self, end: usize) {
        let Some(open) = self.open.pop() else { return };
        self.threads.truncate(open.threads_at);
        for found in self.found.iter_mut().skip(open.found.0).take(open.found.1) {
            found.end = end;
        }
    }

    fn scalar(&mut self, _value: Scalar<'a>, at: usize, end: usize) {
        self.arrive();
        self.note(at, end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(event: &str, path: &str) -> Vec<(bool, String)> {
        let mut paths = Paths::default();
        paths.add(&path.parse().unwrap());
        let mut found = Vec::new();
        paths.find(event.as_bytes(), &mut found).unwrap();
        found.iter().map(|value| (value.element, event[value.start..value.end].to_owned())).collect()
    }

    #[test]
    fn paths_lead_to_values_and_through_arrays() {
        let event = r#"{"a":{"b":1,"c":[{"d":"x"},{"d":["y",["z"]]},5],"e":[]},"a.b":null,"n":[[1,2],[3]]}"#;
        let one = |text: &str| vec![(false, text.to_owned())];
        assert_eq!(at(event, "a.b"), one("1"));
        assert_eq!(at(event, "\"a.b\""), one("null"));
        assert_eq!(at(event, "a.c[0].d"), one("\"x\""));
        assert_eq!(at(event, "a.c[2]"), one("5"));
        assert_eq!(at(event, "a.e"), one("[]"));
        assert_eq!(at(event, "a.x"), []);
        assert_eq!(at(event, "a.b.c"), []);
        let strings = |found: &[(bool, &str)]| -> Vec<(bool, String)> {
            found.iter().map(|(element, text)| (*element, (*text).to_owned())).collect()
        };
        let through = [
            (false, "\"x\""),
            (false, r#"["y",["z"]]"#),
            (true, "\"y\""),
            (true, r#"["z"]"#),
            (true, "\"z\""),
        ];
        assert_eq!(at(event, "a.c.d"), strings(&through));
        assert_eq!(at(event, "a.c[].d"), strings(&through));
        let numbers =
            [(false, "[[1,2],[3]]"), (true, "[1,2]"), (true, "1"), (true, "2"), (true, "[3]"), (true, "3")];
        assert_eq!(at(event, "n"), strings(&numbers));
        assert_eq!(at(event, "n[1]"), strings(&[(false, "[3]"), (true, "3")]));
        assert_eq!(at(event, "n[][0]"), strings(&[(false, "1"), (false, "3")]));
    }

    #[test]
    fn several_paths_are_followed_at_once() {
        let mut paths = Paths::default();
        let (b, a, again) = (
            paths.add(&"a.b".parse().unwrap()),
            paths.add(&"a".parse().unwrap()),
            paths.add(&"a.b".parse().unwrap()),
        );
        assert_eq!(b, again);
        let (event, mut found, mut buffer) = (br#"{"a":{"b":"\u0041"}}"#, Vec::new(), Vec::new());
        paths.find(event, &mut found).unwrap();
        let values: Vec<usize> = found.iter().map(|value| value.path).collect();
        assert_eq!(values, [a, b]);
        assert_eq!(found[0].value(event, &mut buffer), JsonValue::Container(br#"{"b":"\u0041"}"#));
        assert_eq!(found[1].value(event, &mut buffer), JsonValue::Text(b"A"));
    }

    #[test]
    fn a_path_reads_back_as_it_prints() {
        for text in [
            "a",
            "a.b[0].c[]",
            r#""odd key"."with \"quote\" and \\".x"#,
            "[]",
            "x[][3]",
            r#""a.b""#,
            "@t.$id",
        ] {
            let path: Path = text.parse().unwrap();
            assert_eq!(path.to_string(), text);
            assert_eq!(path.to_string().parse::<Path>().unwrap(), path);
        }
        assert_eq!("\"plain\"".parse::<Path>().unwrap().to_string(), "plain");
    }
}
