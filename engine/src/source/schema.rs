//! The TOML of a profile, as its author writes it, and what can be said against it before it is compiled.

use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};

use super::profile::{FieldKind, MaskAction, PathRule, invalid};
use super::time::Epoch;
use crate::{Result, limits};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Schema {
    pub(super) name: String,
    pub(super) version: String,
    #[serde(default)]
    pub(super) description: String,
    pub(super) records: Option<String>,
    #[serde(default)]
    pub(super) field: Vec<Field>,
    #[serde(default)]
    pub(super) mask: Vec<Mask>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Field {
    pub(super) name: String,
    #[serde(default)]
    pub(super) kind: FieldKind,
    pub(super) paths: Vec<Path>,
    #[serde(default)]
    pub(super) all: bool,
    #[serde(default)]
    pub(super) join: bool,
    #[serde(default)]
    pub(super) private: bool,
    forms: Option<Vec<String>>,
    pub(super) framework: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Mask {
    pub(super) name: String,
    pub(super) path: String,
    pub(super) action: MaskAction,
}

/// `"a.b"`, or `{ path = "a.b", when = "a.type", is = ["agent"] }`.
#[derive(Debug, Clone)]
pub(super) enum Path {
    Plain(String),
    When(Conditional),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Conditional {
    path: String,
    when: String,
    is: Vec<String>,
}

impl Path {
    pub(super) fn parts(&self) -> (&str, Option<(&str, &[String])>) {
        match self {
            Path::Plain(path) => (path, None),
            Path::When(it) => (&it.path, Some((&it.when, &it.is))),
        }
    }

    pub(super) fn into_rule(self) -> PathRule {
        match self {
            Path::Plain(path) => PathRule { path, when: None },
            Path::When(it) => PathRule { path: it.path, when: Some((it.when, it.is)) },
        }
    }
}

impl<'de> Deserialize<'de> for Path {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Path;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a path in quotes, or { path = \"..\", when = \"..\", is = [\"..\"] }")
            }

            fn visit_str<E: de::Error>(self, path: &str) -> Result<Path, E> {
                Ok(Path::Plain(path.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Path, A::Error> {
                Conditional::deserialize(de::value::MapAccessDeserializer::new(map)).map(Path::When)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// Reads the TOML.
pub(super) fn read(text: &str) -> Result<Schema> {
    toml::from_str(text).map_err(|error| {
        let line =
            error.span().map_or(1, |span| 1 + text.bytes().take(span.start).filter(|&b| b == b'\n').count());
        invalid(&format!("line {line}"), error.message().to_owned())
    })
}

/// Fields that the store makes itself.
const RESERVED_FIELDS: &[&str] = &["source", "encoding", "day", "label", "deleted", "seq", "received_at"];

/// Longest name of a profile, a field or a mask rule in bytes: `masked:` and a rule's name make one label.
const NAME_LEN_MAX: usize = 48;

/// Most mask rules: each can make a label, and a record has at most 255, those of secrets among them.
const MASKS_MAX: usize = 128;

/// Checks what the types alone do not.
pub(super) fn check(schema: &Schema) -> Result<(), String> {
    name("profile", &schema.name)?;
    if schema.version.is_empty() || schema.version.len() > NAME_LEN_MAX {
        return Err(format!("version: give it 1 to {NAME_LEN_MAX} bytes, such as \"1\""));
    }
    if schema.field.len() > limits::PROFILE_FIELDS_MAX {
        return Err(format!("more than {} fields", limits::PROFILE_FIELDS_MAX));
    }
    let mut seen = BTreeSet::new();
    for field in &schema.field {
        name("field", &field.name)?;
        if RESERVED_FIELDS.contains(&field.name.as_str()) {
            return Err(format!("field {}: the store has a field of this name; choose another", field.name));
        }
        if !seen.insert(&field.name) {
            return Err(format!("field {}: it is there twice; list all its paths in one", field.name));
        }
        if field.paths.is_empty() || field.paths.len() > 100 {
            return Err(format!("field {}: give it 1 to 100 paths", field.name));
        }
        if field.paths.iter().any(|path| path.parts().1.is_some_and(|(_, is)| is.is_empty())) {
            return Err(format!("field {}: `is` needs at least one value", field.name));
        }
        if field.forms.is_some() && field.kind != FieldKind::Time {
            return Err(format!("field {}: forms are for kind = \"time\"", field.name));
        }
        if field.framework.is_some() && field.kind != FieldKind::Control {
            return Err(format!("field {}: a framework is for kind = \"control\"", field.name));
        }
        if field.join {
            joined(field).map_err(|reason| format!("field {}: {reason}", field.name))?;
        }
    }
    for (kind, what) in [(FieldKind::Time, "time"), (FieldKind::Id, "id")] {
        if schema.field.iter().filter(|field| field.kind == kind).count() > 1 {
            return Err(format!("more than one field of kind {what}; list all paths in one"));
        }
    }
    if schema.mask.len() > MASKS_MAX {
        return Err(format!("more than {MASKS_MAX} mask rules"));
    }
    let mut seen = BTreeSet::new();
    for mask in &schema.mask {
        name("mask", &mask.name)?;
        if !seen.insert(&mask.name) {
            return Err(format!("mask {}: it is there twice; give each rule a name of its own", mask.name));
        }
    }
    Ok(())
}

/// Checks a field whose value is made of the values at all of its paths.
fn joined(field: &Field) -> Result<(), String> {
    if field.kind != FieldKind::Id {
        return Err("join is for kind = \"id\"".to_owned());
    }
    if field.all || field.paths.len() < 2 {
        return Err("join takes one value at each of two or more paths; `all` is another thing".to_owned());
    }
    Ok(())
}

fn name(what: &str, name: &str) -> Result<(), String> {
    let fits = (1..=NAME_LEN_MAX).contains(&name.len());
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-.".contains(&byte);
    if fits && name.bytes().all(plain) && name.starts_with(|c: char| c.is_ascii_lowercase()) {
        return Ok(());
    }
    Err(format!(
        "{what} name {name:?}: use 1 to {NAME_LEN_MAX} of a-z, 0-9, _, - and ., starting with a letter"
    ))
}

/// Whether RFC 3339 text is a time of this field, and what a number counts.
pub(super) fn time_forms(field: &Field) -> Result<(bool, Option<Epoch>), String> {
    let Some(forms) = &field.forms else { return Ok((true, None)) };
    let (mut rfc3339, mut epoch) = (false, None);
    for form in forms {
        let unit = match form.as_str() {
            "rfc3339" => {
                rfc3339 = true;
                continue;
            }
            "epoch_s" => Epoch::Seconds,
            "epoch_ms" => Epoch::Millis,
            "epoch_us" => Epoch::Micros,
            "epoch_ns" => Epoch::Nanos,
            _ => {
                return Err(format!(
                    "no time form {form:?}; there are rfc3339, epoch_s, epoch_ms, epoch_us, epoch_ns"
                ));
            }
        };
        if epoch.replace(unit).is_some() {
            return Err("more than one epoch form: a number alone doesn't say which it is".to_owned());
        }
    }
    if !rfc3339 && epoch.is_none() {
        return Err("forms is empty; leave it out for rfc3339".to_owned());
    }
    Ok((rfc3339, epoch))
}
