//! Source profiles: what stands where in one kind of JSON, compiled from TOML.
//!
//! A profile is immutable: its text is registered in the log, and what is indexed by it can be found again from
//! that text alone. This file reads the text and compiles it; `extract`, `mask` and `split` use what it made.

use std::sync::LazyLock;

use super::path::{self, Entry, Step, Trie};
use super::schema;
use super::time::Epoch;
use crate::hash::{self, Hash};
use crate::{Error, Result, limits};

/// What a field's values are read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldKind {
    /// Any scalar, by its own type: a string, a number, true, false or null.
    #[default]
    Text,
    /// A number; a string that is one by JSON's grammar is taken for it, any other value is unreadable.
    Number,
    /// The event's own time. It is told by [`Fields::time`](super::Fields::time) and makes no terms.
    Time,
    /// The event's id. It is told by [`Fields::event_id`](super::Fields::event_id) and makes no terms.
    Id,
    /// A control id, normalised to `FRAMEWORK:ID`.
    Control,
}

/// One place where a field is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathRule {
    /// The JSON path, as the profile writes it.
    pub path: String,
    /// The path is followed only in events with one of these at another path: strings, `true` or `false`.
    pub when: Option<(String, Vec<String>)>,
}

/// A field of a profile. Its slot is its position in [`Profile::fields`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldRule {
    /// The field's name in queries.
    pub name: String,
    /// What its values are read as.
    pub kind: FieldKind,
    /// Where it is looked for.
    pub paths: Vec<PathRule>,
    /// Whether the values at all paths are taken; else those at the first path that has any.
    pub all: bool,
    /// Whether the value is made of one value at each path: of an id alone.
    pub join: bool,
    /// Indexed in this store and never committed to.
    pub private: bool,
}

/// A field as extraction needs it.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) kind: FieldKind,
    /// Of a time: whether RFC 3339 text is one.
    pub(super) rfc3339: bool,
    /// Of a time: what a number counts.
    pub(super) epoch: Option<Epoch>,
    /// Of a control: the framework of ids that name none.
    pub(super) framework: Option<String>,
}

/// What is done with the value at a path of the extraction trie.
#[derive(Debug, Clone, Copy)]
pub(super) enum Target {
    /// It belongs to the field at `slot`, by its path of this rank: the lowest rank that is present wins.
    Field { slot: u16, rank: u8, when: Option<u16> },
    /// It is one part of the event's id, the first being 0.
    Part { part: u8, when: Option<u16> },
    /// It decides a condition.
    Condition(u16),
}

/// What a mask rule does to a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MaskAction {
    /// The member or element is left out, its key with it.
    Drop,
    /// The value becomes `"[masked:<rule>]"`.
    Mask,
    /// The value becomes a keyed hash of itself: equal values of one store stay equal.
    Token,
}

/// A mask rule of a profile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaskRule {
    /// The rule's name: records that it changed are labelled `masked:<name>`.
    pub name: String,
    /// The JSON path of the values that it changes.
    pub path: String,
    /// What it does to them.
    pub action: MaskAction,
}

/// A source profile, compiled. Immutable, and cheap to share behind an `Arc`.
#[derive(Debug)]
pub struct Profile {
    name: String,
    version: String,
    description: String,
    text: String,
    digest: Hash,
    fields: Vec<FieldRule>,
    masks: Vec<MaskRule>,
    pub(super) readers: Vec<Reader>,
    pub(super) targets: Vec<Target>,
    /// The strings that decide each condition.
    pub(super) conditions: Vec<Vec<String>>,
    pub(super) trie: Trie,
    pub(super) mask_trie: Trie,
    pub(super) records: Option<Trie>,
    /// The slot of the event id and how many parts it is joined of, where it is.
    pub(super) joined: Option<(u16, u8)>,
    /// The slot of the field `kind`, whose values may not be `store.*`; none in the store's own profile.
    pub(super) guarded_kind: Option<u16>,
}

const STORE_RECORDS: &str =
    "name = \"store\"\nversion = \"1\"\n[[field]]\nname = \"kind\"\npaths = [\"kind\"]\n";

impl Profile {
    /// Reads and compiles a profile.
    ///
    /// # Errors
    /// [`Error::InvalidProfile`] where the text is no TOML, has a key that is not known, or does not make sense.
    pub fn parse(text: &str) -> Result<Profile> {
        let profile = Profile::compile(text, false)?;
        if profile.name == "store" {
            return Err(invalid("store", "this name is the store's own; choose another"));
        }
        Ok(profile)
    }

    /// The profile of the store's own records, source 0: the field `kind` alone, no event id and no event time.
    pub fn store_records() -> &'static Profile {
        static STORE: LazyLock<Profile> = LazyLock::new(|| constant(STORE_RECORDS, true));
        &STORE
    }

    /// The default profile.
    pub fn evidence() -> &'static Profile {
        static EVIDENCE: LazyLock<Profile> = LazyLock::new(|| constant(super::shipped::EVIDENCE, false));
        &EVIDENCE
    }

    /// The profile's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The version that its author gave it.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// What it is for, in a sentence.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// The TOML text that it was compiled from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The digest of [`Profile::text`]: what the index rules name this version by.
    pub fn digest(&self) -> Hash {
        self.digest
    }

    /// The fields; a field's slot is its position.
    pub fn fields(&self) -> &[FieldRule] {
        &self.fields
    }

    /// The mask rules, in the order of the text.
    pub fn masks(&self) -> &[MaskRule] {
        &self.masks
    }

    /// Whether a document of this source can hold many events, so that [`Profile::split`] has work to do.
    pub fn splits(&self) -> bool {
        self.records.is_some()
    }

    fn compile(text: &str, own: bool) -> Result<Profile> {
        if text.len() > limits::PROFILE_LEN_MAX {
            return Err(invalid("(too long)", format!("longer than {} bytes", limits::PROFILE_LEN_MAX)));
        }
        let schema = schema::read(text)?;
        let name = schema.name.clone();
        let refuse = |reason: String| invalid(&name, reason);
        schema::check(&schema).map_err(refuse)?;

        let mut compiler = Compiler::default();
        let mut fields = Vec::new();
        let mut readers = Vec::new();
        for (slot, field) in (0..).zip(&schema.field) {
            let in_field = |reason: String| invalid(&name, format!("field {}: {reason}", field.name));
            let mut paths = Vec::new();
            for (index, path) in (0_u8..).zip(&field.paths) {
                if field.join {
                    compiler.add_part(slot, index, path).map_err(in_field)?;
                } else {
                    compiler.add(slot, if field.all { 0 } else { index }, path).map_err(in_field)?;
                }
                paths.push(path.clone().into_rule());
            }
            let (rfc3339, epoch) = schema::time_forms(field).map_err(in_field)?;
            readers.push(Reader { kind: field.kind, rfc3339, epoch, framework: field.framework.clone() });
            fields.push(FieldRule {
                name: field.name.clone(),
                kind: field.kind,
                paths,
                all: field.all,
                join: field.join,
                private: field.private,
            });
        }
        let (mask_steps, masks) = schema
            .mask
            .iter()
            .map(|mask| {
                let steps = path::parse(&mask.path)
                    .map_err(|reason| invalid(&name, format!("mask {}: {reason}", mask.name)))?;
                let rule = MaskRule { name: mask.name.clone(), path: mask.path.clone(), action: mask.action };
                Ok((steps, rule))
            })
            .collect::<Result<(Vec<_>, Vec<_>)>>()?;
        let records = schema.records.as_deref().map(path::parse).transpose().map_err(refuse)?;
        let guarded = fields.iter().position(|field| field.name == "kind" && !own);
        Ok(Profile {
            text: text.to_owned(),
            digest: hash::profile(text),
            masks,
            readers,
            trie: Trie::new(&compiler.entries()),
            mask_trie: Trie::new(&entries(&mask_steps)),
            records: records.map(|steps| Trie::new(&entries(&[steps]))),
            joined: compiler.joined,
            guarded_kind: guarded.and_then(|slot| u16::try_from(slot).ok()),
            fields,
            targets: compiler.targets,
            conditions: compiler.conditions.into_iter().map(|(_, values)| values).collect(),
            version: schema.version,
            description: schema.description,
            name: schema.name,
        })
    }
}

pub(super) fn invalid(name: &str, reason: impl Into<String>) -> Error {
    Error::InvalidProfile { name: name.to_owned(), reason: reason.into() }
}

/// A profile of our own; a test compiles each, so the empty one is never seen.
fn constant(text: &str, own: bool) -> Profile {
    Profile::compile(text, own).unwrap_or_else(|_| Profile {
        name: String::new(),
        version: String::new(),
        description: String::new(),
        text: String::new(),
        digest: Hash::ZERO,
        fields: Vec::new(),
        masks: Vec::new(),
        readers: Vec::new(),
        targets: Vec::new(),
        conditions: Vec::new(),
        trie: Trie::new(&[]),
        mask_trie: Trie::new(&[]),
        records: None,
        joined: None,
        guarded_kind: None,
    })
}

fn entries(paths: &[Vec<Step>]) -> Vec<Entry<'_>> {
    (0..).zip(paths).map(|(target, steps)| Entry { steps, target, group: target }).collect()
}

/// The extraction trie in the making.
#[derive(Debug, Default)]
struct Compiler {
    targets: Vec<Target>,
    steps: Vec<Vec<Step>>,
    conditions: Vec<(String, Vec<String>)>,
    joined: Option<(u16, u8)>,
}

impl Compiler {
    fn add(&mut self, slot: u16, rank: u8, path: &schema::Path) -> Result<(), String> {
        let (path, when) = path.parts();
        let when = when.map(|when| self.condition(when)).transpose()?;
        self.steps.push(path::parse(path)?);
        self.targets.push(Target::Field { slot, rank, when });
        Ok(())
    }

    /// Adds one path of an id that is joined of several values.
    fn add_part(&mut self, slot: u16, part: u8, path: &schema::Path) -> Result<(), String> {
        let (path, when) = path.parts();
        let when = when.map(|when| self.condition(when)).transpose()?;
        let steps = path::parse(path)?;
        if steps.contains(&Step::Each) {
            return Err(format!(
                "path {path:?}: a joined id takes one value at each path, so it can't have []"
            ));
        }
        self.steps.push(steps);
        self.targets.push(Target::Part { part, when });
        self.joined = Some((slot, part + 1));
        Ok(())
    }

    fn condition(&mut self, when: (&str, &[String])) -> Result<u16, String> {
        let known = self.conditions.iter().position(|(path, is)| path == when.0 && is == when.1);
        let index = known.unwrap_or(self.conditions.len());
        let index = u16::try_from(index).map_err(|_| "too many conditions".to_owned())?;
        if known.is_none() {
            let steps = path::parse(when.0)?;
            if steps.contains(&Step::Each) {
                return Err(format!(
                    "when {:?}: a condition looks at one value, so it can't have []",
                    when.0
                ));
            }
            self.steps.push(steps);
            self.targets.push(Target::Condition(index));
            self.conditions.push((when.0.to_owned(), when.1.to_vec()));
        }
        Ok(index)
    }

    fn entries(&self) -> Vec<Entry<'_>> {
        let all = (0..).zip(self.steps.iter().zip(&self.targets));
        all.map(|(target, (steps, what))| {
            let group = match *what {
                Target::Field { slot, .. } => slot,
                // Each part is a thing of its own; no slot and no condition reaches the middle.
                Target::Part { part, .. } => 1 << 15 | u16::from(part),
                Target::Condition(index) => u16::MAX - index,
            };
            Entry { steps, target, group }
        })
        .collect()
    }
}
