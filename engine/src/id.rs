//! The names of things: positions, segments, stores, times.

use std::fmt;
use std::str::FromStr;

use crate::{Error, Result, limits};

/// A record's position in the log: from 0, gap-free, never reused once durable.
pub type Seq = u64;

/// A segment, named by the seq of its first record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SegmentId(pub Seq);

impl SegmentId {
    /// The file name of this segment with `extension`: twenty digits, so that names sort as numbers do.
    pub fn file_name(self, extension: &str) -> String {
        format!("{:020}.{extension}", self.0)
    }

    /// The segment that a file name speaks of, if it is one with this extension.
    pub fn from_file_name(name: &str, extension: &str) -> Option<Self> {
        let digits = name.strip_suffix(extension)?.strip_suffix('.')?;
        let canonical = digits.len() == 20 && digits.bytes().all(|b| b.is_ascii_digit());
        if canonical { digits.parse().ok().map(SegmentId) } else { None }
    }
}

impl fmt::Display for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:020}", self.0)
    }
}

/// A store's identity for life, drawn at random when it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StoreId(pub [u8; 16]);

impl fmt::Display for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The name of a log, as C2SP tlog-checkpoint wants it: a schema-less URL such as `acme.example/agents-prod`,
/// without spaces or plus signs.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin(String);

impl Origin {
    /// The origin as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Origin {
    type Err = Error;

    /// # Errors
    /// [`Error::InvalidTrust`] if the text is empty, too long, or has a space, a plus or a control character.
    fn from_str(text: &str) -> Result<Self> {
        let refuse = |reason: &str| Error::InvalidTrust { what: "origin", reason: reason.to_owned() };
        if text.is_empty() {
            return Err(refuse("it is empty; use a name such as acme.example/agents-prod"));
        }
        if text.len() > limits::ORIGIN_LEN_MAX {
            return Err(refuse("it is longer than 255 bytes"));
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+') {
            return Err(refuse("it may have no space, no plus sign and no control character"));
        }
        Ok(Origin(text.to_owned()))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A point in time: nanoseconds since 1970-01-01T00:00:00Z, leap seconds not counted (years 1678 to 2262).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The UTC day of this time: days since 1970-01-01, rounded down.
    pub fn day(self) -> i64 {
        self.0.div_euclid(86_400_000_000_000)
    }

    /// The UTC day of this time as the index has it: `YYYY-MM-DD`.
    pub fn day_text(self) -> String {
        // RFC 3339 in UTC begins with the day; all times that a `Timestamp` can say have years of four digits.
        self.to_string().chars().take(10).collect()
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC, with as many fractional digits as there are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_nanosecond(i128::from(self.0)) {
            Ok(time) => time.fmt(f),
            Err(_) => write!(f, "{}ns", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segment_names_round_trip_and_nothing_else_is_one() {
        let name = SegmentId(42).file_name("log");
        assert_eq!(name, "00000000000000000042.log");
        assert_eq!(SegmentId::from_file_name(&name, "log"), Some(SegmentId(42)));
        for other in
            ["42.log", "0000000000000000004x.log", "00000000000000000042.idx", "99999999999999999999.log"]
        {
            assert_eq!(SegmentId::from_file_name(other, "log"), None, "{other}");
        }
    }

    #[test]
    fn origins_are_what_c2sp_recommends() {
        assert!("acme.example/agents-prod".parse::<Origin>().is_ok());
        for bad in ["", "a b", "a+b", "a\nb"] {
            assert!(bad.parse::<Origin>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn timestamps_print_as_rfc_3339_and_days_round_down() {
        assert_eq!(Timestamp(0).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(Timestamp(-1).day(), -1);
        assert_eq!(Timestamp(86_400_000_000_000).day(), 1);
    }
}
