//! Trust policies, C2SP tlog-policy: which witnesses are known, and which of them together are enough.
//!
//! The file is read as bytes where the specification wants names to be opaque; here a file must be UTF-8 as well, so
//! that names can be shown. Reading one trusts it: whoever chooses the file chooses whom to believe.

use std::collections::{BTreeMap, BTreeSet};

use super::{CosignerKey, Note, VerifierKey};
use crate::{Error, Result, limits};

/// The name that stands for no witness at all in a quorum line.
const NONE: &str = "none";

/// The logs, the witnesses and the quorum of a policy file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<(VerifierKey, Option<String>)>,
    witnesses: Vec<PolicyWitness>,
    groups: Vec<Group>,
    /// Nothing where the policy asks for no cosignature.
    quorum: Option<Member>,
}

/// A witness of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyWitness {
    /// What the policy calls it; the name in its signature lines is that of its key.
    pub name: String,
    /// Its key.
    pub key: CosignerKey,
    /// The prefix of the addresses at which it takes requests.
    pub url: Option<String>,
}

/// `threshold` of the members, each of which was defined before the group.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    threshold: usize,
    members: Vec<Member>,
}

/// A place in the list of witnesses or of groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Member {
    Witness(usize),
    Group(usize),
}

impl Policy {
    /// Reads a policy file.
    ///
    /// # Errors
    /// [`Error::InvalidTrust`] with the line where it is not in the form of the specification; two names or two
    /// witnesses that are the same are refused, and so is a group or quorum of what is not defined before it.
    /// [`Error::OverLimit`].
    pub fn decode(bytes: &[u8]) -> Result<Policy> {
        over("trust policy's bytes", bytes.len(), limits::TRUST_POLICY_LEN_MAX)?;
        let text = std::str::from_utf8(bytes).map_err(|_| invalid("it is not UTF-8"))?;
        if text.bytes().any(|byte| (byte < b' ' && byte != b'\n' && byte != b'\t') || byte == 0x7f) {
            return Err(invalid("it has a control character other than tab and newline"));
        }
        if !text.is_empty() && !text.ends_with('\n') {
            return Err(invalid("its last line does not end in a newline"));
        }
        let mut reader = Reader::default();
        for (at, line) in text.split('\n').enumerate() {
            reader.line(line).map_err(|reason| invalid(&format!("line {}: {reason}", at + 1)))?;
        }
        let Reader { logs, witnesses, groups, quorum, .. } = reader;
        let quorum =
            quorum.ok_or_else(|| invalid("it has no quorum line; `quorum none` asks for nothing"))?;
        Ok(Policy { logs, witnesses, groups, quorum })
    }

    /// The keys of the logs that it names.
    pub fn logs(&self) -> impl Iterator<Item = &VerifierKey> {
        self.logs.iter().map(|(key, _)| key)
    }

    /// The witnesses that it names, in the order of the file.
    pub fn witnesses(&self) -> &[PolicyWitness] {
        &self.witnesses
    }

    /// Whether the witnesses who cosigned `note` are enough. A cosignature that does not verify counts for nothing.
    pub fn is_met(&self, note: &Note) -> bool {
        let cosigned = |at: usize| {
            self.witnesses.get(at).is_some_and(|witness| matches!(witness.key.cosigned(note), Ok(Some(_))))
        };
        let witnesses: Vec<bool> = (0..self.witnesses.len()).map(cosigned).collect();
        let mut groups: Vec<bool> = Vec::with_capacity(self.groups.len());
        for group in &self.groups {
            let count = group.members.iter().filter(|member| member.stands(&witnesses, &groups)).count();
            groups.push(count >= group.threshold);
        }
        self.quorum.is_none_or(|member| member.stands(&witnesses, &groups))
    }
}

impl Member {
    fn stands(self, witnesses: &[bool], groups: &[bool]) -> bool {
        let (list, at) = match self {
            Member::Witness(at) => (witnesses, at),
            Member::Group(at) => (groups, at),
        };
        list.get(at).copied().unwrap_or(false)
    }
}

/// What the lines so far define.
#[derive(Default)]
struct Reader {
    logs: Vec<(VerifierKey, Option<String>)>,
    witnesses: Vec<PolicyWitness>,
    groups: Vec<Group>,
    names: BTreeMap<String, Member>,
    /// Those that are in a group already: each counts in one way only.
    taken: BTreeSet<Member>,
    quorum: Option<Option<Member>>,
}

impl Reader {
    fn line(&mut self, line: &str) -> Result<(), String> {
        let mut items = line.split([' ', '\t']).filter(|item| !item.is_empty());
        let Some(word) = items.next() else { return Ok(()) };
        if word.starts_with('#') {
            return Ok(());
        }
        let items: Vec<&str> = items.collect();
        match (word, items.as_slice()) {
            ("log", [key]) => self.log(key, None),
            ("log", [key, url]) => self.log(key, Some(url)),
            ("witness", [name, key]) => self.witness(name, key, None),
            ("witness", [name, key, url]) => self.witness(name, key, Some(url)),
            ("group", [name, threshold, members @ ..]) => self.group(name, threshold, members),
            ("quorum", [name]) => self.quorum(name),
            ("log", _) => Err("a log line is `log VKEY [URL]`".to_owned()),
            ("witness", _) => Err("a witness line is `witness NAME VKEY [URL]`".to_owned()),
            ("group", _) => Err("a group line is `group NAME all|any|K NAME…`".to_owned()),
            ("quorum", _) => Err("a quorum line is `quorum NAME`, or `quorum none`".to_owned()),
            (word, _) => Err(format!("`{word}` is none of log, witness, group and quorum")),
        }
    }

    fn log(&mut self, key: &str, url: Option<&str>) -> Result<(), String> {
        let key: VerifierKey = key.parse().map_err(|error: Error| error.to_string())?;
        if self.logs.iter().any(|(other, _)| other.public_key() == key.public_key()) {
            return Err("this log's key stands here a second time".to_owned());
        }
        self.logs.push((key, url.map(str::to_owned)));
        room(self.logs.len())
    }

    fn witness(&mut self, name: &str, key: &str, url: Option<&str>) -> Result<(), String> {
        let key: CosignerKey = key.parse().map_err(|error: Error| error.to_string())?;
        // One key under two names would count twice.
        if let Some(other) = self.witnesses.iter().find(|other| other.key.public_key() == key.public_key()) {
            return Err(format!("the key of {name} is that of {} too", other.name));
        }
        self.define(name, Member::Witness(self.witnesses.len()))?;
        self.witnesses.push(PolicyWitness { name: name.to_owned(), key, url: url.map(str::to_owned) });
        Ok(())
    }

    fn group(&mut self, name: &str, threshold: &str, names: &[&str]) -> Result<(), String> {
        let mut members = Vec::with_capacity(names.len());
        for name in names {
            let member = self.defined(name)?;
            if !self.taken.insert(member) {
                return Err(format!("{name} is a member already, and can count in one group only"));
            }
            members.push(member);
        }
        let threshold = match threshold {
            "any" => 1,
            "all" => members.len(),
            number => {
                let value: usize = number.parse().unwrap_or(0);
                if value.to_string() != number {
                    return Err(format!("`{number}` is none of all, any and a number of members"));
                }
                value
            }
        };
        if threshold < 1 || threshold > members.len() {
            return Err(format!("a group of {} cannot ask for {threshold} of them", members.len()));
        }
        self.define(name, Member::Group(self.groups.len()))?;
        self.groups.push(Group { threshold, members });
        Ok(())
    }

    fn quorum(&mut self, name: &str) -> Result<(), String> {
        let quorum = if name == NONE { None } else { Some(self.defined(name)?) };
        match self.quorum.replace(quorum) {
            None => Ok(()),
            Some(_) => Err("there is a quorum line already".to_owned()),
        }
    }

    fn define(&mut self, name: &str, member: Member) -> Result<(), String> {
        if name == NONE || self.names.insert(name.to_owned(), member).is_some() {
            return Err(format!("the name {name} is taken"));
        }
        room(self.names.len())
    }

    fn defined(&self, name: &str) -> Result<Member, String> {
        self.names.get(name).copied().ok_or_else(|| format!("{name} is not defined above this line"))
    }
}

fn room(count: usize) -> Result<(), String> {
    over("trust policy's names", count, limits::TRUST_POLICY_NAMES_MAX).map_err(|error| error.to_string())
}

fn over(what: &'static str, found: usize, limit: usize) -> Result<()> {
    if found > limit {
        return Err(Error::OverLimit { what, found: found as u64, limit: limit as u64 });
    }
    Ok(())
}

fn invalid(reason: &str) -> Error {
    Error::InvalidTrust { what: "trust policy", reason: reason.to_owned() }
}
