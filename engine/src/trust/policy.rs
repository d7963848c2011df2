//! Trust policies, C2SP tlog-policy: which witnesses are known, and which of them together are enough.
//!
//! The file is octets, as the specification has it: names, addresses and comments may hold any that is no control
//! character, and names are compared octet by octet. Reading one trusts it: whoever chooses the file chooses whom to
//! believe.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use super::{CosignerKey, Note, VerifierKey};
use crate::{Error, Result, limits};

/// The name that stands for no witness at all in a quorum line.
const NONE: &[u8] = b"none";

/// The logs, the witnesses and the quorum of a policy file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<VerifierKey>,
    witnesses: Vec<PolicyWitness>,
    groups: Vec<Group>,
    /// Nothing where the policy asks for no cosignature.
    quorum: Option<Member>,
}

/// A witness of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyWitness {
    /// What the policy calls it, opaque; the name in its signature lines is that of its key.
    pub name: Vec<u8>,
    /// Its key.
    pub key: CosignerKey,
    /// The prefix of the addresses at which it takes requests, opaque.
    pub url: Option<Vec<u8>>,
}

impl PolicyWitness {
    /// Its name for people: octets that are no UTF-8 are replaced.
    pub fn shown(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.name)
    }

    /// Its address, where that can be one.
    pub fn address(&self) -> Option<&str> {
        self.url.as_deref().and_then(|url| std::str::from_utf8(url).ok())
    }
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
        if bytes.iter().any(|byte| (*byte < b' ' && !b"\n\t".contains(byte)) || *byte == 0x7f) {
            return Err(invalid("it has a control character other than tab and newline"));
        }
        if !bytes.is_empty() && !bytes.ends_with(b"\n") {
            return Err(invalid("its last line does not end in a newline"));
        }
        let mut reader = Reader::default();
        for (at, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            reader.line(line).map_err(|reason| invalid(&format!("line {}: {reason}", at + 1)))?;
        }
        let Reader { logs, witnesses, groups, quorum, .. } = reader;
        let quorum =
            quorum.ok_or_else(|| invalid("it has no quorum line; `quorum none` asks for nothing"))?;
        Ok(Policy { logs, witnesses, groups, quorum })
    }

    /// The keys of the logs that it names.
    pub fn logs(&self) -> impl Iterator<Item = &VerifierKey> {
        self.logs.iter()
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
    logs: Vec<VerifierKey>,
    witnesses: Vec<PolicyWitness>,
    groups: Vec<Group>,
    names: BTreeMap<Vec<u8>, Member>,
    /// Those that are in a group already: each counts in one way only.
    taken: BTreeSet<Member>,
    quorum: Option<Option<Member>>,
}

impl Reader {
    fn line(&mut self, line: &[u8]) -> Result<(), String> {
        let mut items = line.split(|byte| b" \t".contains(byte)).filter(|item| !item.is_empty());
        let Some(word) = items.next() else { return Ok(()) };
        if word.starts_with(b"#") {
            return Ok(());
        }
        let items: Vec<&[u8]> = items.collect();
        match (word, items.as_slice()) {
            // What a log's address means is for others to know.
            (b"log", [key] | [key, _]) => self.log(key),
            (b"witness", [name, key]) => self.witness(name, key, None),
            (b"witness", [name, key, url]) => self.witness(name, key, Some(url)),
            (b"group", [name, threshold, members @ ..]) => self.group(name, threshold, members),
            (b"quorum", [name]) => self.quorum(name),
            (b"log", _) => Err("a log line is `log VKEY [URL]`".to_owned()),
            (b"witness", _) => Err("a witness line is `witness NAME VKEY [URL]`".to_owned()),
            (b"group", _) => Err("a group line is `group NAME all|any|K NAME…`".to_owned()),
            (b"quorum", _) => Err("a quorum line is `quorum NAME`, or `quorum none`".to_owned()),
            (word, _) => Err(format!("`{}` is none of log, witness, group and quorum", shown(word))),
        }
    }

    fn log(&mut self, key: &[u8]) -> Result<(), String> {
        let key: VerifierKey = vkey(key)?;
        if self.logs.iter().any(|other| other.public_key() == key.public_key()) {
            return Err("this log's key stands here a second time".to_owned());
        }
        self.logs.push(key);
        room(self.logs.len())
    }

    fn witness(&mut self, name: &[u8], key: &[u8], url: Option<&[u8]>) -> Result<(), String> {
        let key: CosignerKey = vkey(key)?;
        // One key under two names would count twice.
        if let Some(other) = self.witnesses.iter().find(|other| other.key.public_key() == key.public_key()) {
            return Err(format!("the key of {} is that of {} too", shown(name), other.shown()));
        }
        self.define(name, Member::Witness(self.witnesses.len()))?;
        self.witnesses.push(PolicyWitness { name: name.to_owned(), key, url: url.map(<[u8]>::to_vec) });
        Ok(())
    }

    fn group(&mut self, name: &[u8], threshold: &[u8], names: &[&[u8]]) -> Result<(), String> {
        let mut members = Vec::with_capacity(names.len());
        for name in names {
            let member = self.defined(name)?;
            if !self.taken.insert(member) {
                return Err(format!("{} is a member already, and can count in one group only", shown(name)));
            }
            members.push(member);
        }
        let threshold = match threshold {
            b"any" => 1,
            b"all" => members.len(),
            number => {
                let number = shown(number);
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

    fn quorum(&mut self, name: &[u8]) -> Result<(), String> {
        let quorum = if name == NONE { None } else { Some(self.defined(name)?) };
        match self.quorum.replace(quorum) {
            None => Ok(()),
            Some(_) => Err("there is a quorum line already".to_owned()),
        }
    }

    fn define(&mut self, name: &[u8], member: Member) -> Result<(), String> {
        if name == NONE || self.names.insert(name.to_owned(), member).is_some() {
            return Err(format!("the name {} is taken", shown(name)));
        }
        room(self.names.len())
    }

    fn defined(&self, name: &[u8]) -> Result<Member, String> {
        let member = self.names.get(name).copied();
        member.ok_or_else(|| format!("{} is not defined above this line", shown(name)))
    }
}

fn shown(octets: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(octets)
}

fn vkey<K: FromStr<Err = Error>>(octets: &[u8]) -> Result<K, String> {
    let text = std::str::from_utf8(octets).map_err(|_| "a verifier key is not UTF-8".to_owned())?;
    text.parse().map_err(|error: Error| error.to_string())
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
