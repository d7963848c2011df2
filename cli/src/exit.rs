//! The one place that maps what happened to an exit code, and that says what went wrong.
//!
//! Code 0 is only ever given by a command that came to its end, its last output flushed: every other way out of
//! the program, a panic and a broken pipe included, is a failure.

use std::fmt;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use indelible::{Class, Error, Fault, query};

use crate::output;

/// Longest query that is shown with what is wrong with it, in bytes: none that is longer is read.
const QUERY_SHOWN_LEN_MAX: usize = 64 << 10;

/// The exit codes of the command line. The help documents them (`args`), and they never change meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Code {
    /// All is well.
    Clean = 0,
    /// The answer is empty, and `--exit-status` asked to be told.
    Empty = 1,
    /// The command or its input cannot be understood: a wrong option, a bad event.
    Usage = 2,
    /// The environment refused: I/O, permissions, a lock, a broken pipe.
    Environment = 3,
    /// A version that this release does not know.
    Unsupported = 4,
    /// A checksum fails.
    Damaged = 10,
    /// A hash, a root, a signature or an authority fails.
    Forged = 11,
    /// A signature that was asked for is missing or does not verify.
    NotAuthenticated = 12,
    /// The store is behind what was signed or seen of it.
    RolledBack = 13,
    /// Something that should be there is not.
    Incomplete = 14,
    /// What was looked at is as it should be, and the time that was given was over before all was.
    Partial = 15,
    /// A bug of ours.
    Bug = 70,
    /// Stopped by Ctrl-C.
    Interrupted = 130,
    /// Stopped by SIGTERM.
    Terminated = 143,
}

impl From<Code> for ExitCode {
    fn from(code: Code) -> Self {
        ExitCode::from(code as u8)
    }
}

/// Why a command ended before its end.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The engine refused.
    Engine(Error),
    /// A file that is no part of a store, or a stream, failed: what was tried, and on what.
    Io(String, io::Error),
    /// What the user gave cannot be used.
    Usage(String),
    /// All has been said already; this is the code.
    Told(Code),
}

/// What every command returns.
pub(crate) type Outcome<T = Code> = Result<T, Failure>;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Engine(error)
    }
}

impl From<query::Error> for Failure {
    fn from(error: query::Error) -> Self {
        match error {
            query::Error::Store(error) => Failure::Engine(error),
            // One that is too long to be read is too long to be shown.
            query::Error::Query(problems) if problems.text.len() > QUERY_SHOWN_LEN_MAX => {
                let reasons: Vec<&str> =
                    problems.problems.iter().map(|problem| problem.message.as_str()).collect();
                let (len, reasons) = (problems.text.len(), reasons.join("\n"));
                Failure::Usage(format!("this query of {len} bytes makes no sense\n{reasons}"))
            }
            query::Error::Query(problems) => {
                let marked = problems.marked(output::shown);
                Failure::Usage(format!("this query makes no sense\n{marked}"))
            }
            other => Failure::Usage(other.to_string()),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Engine(error) => error.fmt(f),
            Failure::Io(what, error) => write!(f, "cannot {what}: {error}"),
            Failure::Usage(reason) => f.write_str(reason),
            Failure::Told(_) => Ok(()),
        }
    }
}

impl Failure {
    /// An I/O failure: `map_err(Failure::io("read events.jsonl"))`.
    pub(crate) fn io(what: impl Into<String>) -> impl FnOnce(io::Error) -> Failure {
        let what = what.into();
        move |error| Failure::Io(what, error)
    }

    /// The same of a file that is to be checked: what has not the form that it must have is no wrong usage there. It is
    /// damaged.
    pub(crate) fn of_evidence(self, path: &Path) -> Failure {
        let misshapen = match self {
            Failure::Engine(
                error @ (Error::InvalidTrust { .. }
                | Error::InvalidFilter { .. }
                | Error::InvalidProfile { .. }
                | Error::InvalidEvent { .. }
                | Error::OverLimit { .. }),
            ) => error,
            other => return other,
        };
        let fault = Fault::damaged(0, "evidence", "the one form that it can have", misshapen);
        Failure::Engine(fault.in_file(path))
    }

    /// Whether the reader of our output went away: nobody is left to be told.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(self, Failure::Io(_, error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// The exit code.
    pub(crate) fn code(&self) -> Code {
        match self {
            Failure::Engine(error) => of_error(error),
            Failure::Io(..) => Code::Environment,
            Failure::Usage(_) => Code::Usage,
            Failure::Told(code) => *code,
        }
    }
}

/// The code of an error of the engine.
fn of_error(error: &Error) -> Code {
    match error {
        Error::Fault { fault, .. } => of_class(fault.class),
        Error::InvalidEvent { .. }
        | Error::DuplicateEvent { .. }
        | Error::InvalidProfile { .. }
        | Error::InvalidFilter { .. }
        | Error::InvalidTrust { .. }
        | Error::NotFound { .. }
        | Error::Deleted { .. }
        | Error::NotAStore { .. }
        | Error::AlreadyExists { .. }
        | Error::OverLimit { .. }
        | Error::Refused { .. } => Code::Usage,
        Error::Forged { .. } => Code::Forged,
        Error::Incomplete { .. } => Code::Incomplete,
        Error::NotAuthenticated { .. } => Code::NotAuthenticated,
        Error::RolledBack { .. } => Code::RolledBack,
        Error::Forked { .. } => Code::Bug,
        Error::Cancelled => Code::Interrupted,
        // Io, Locked, ReadOnly, ClosedToWriting; and what a later engine may add is no success either.
        _ => Code::Environment,
    }
}

/// The code of a class of fault.
pub(crate) fn of_class(class: Class) -> Code {
    match class {
        Class::Unsupported => Code::Unsupported,
        Class::Damaged => Code::Damaged,
        Class::Forged => Code::Forged,
    }
}

/// Says what went wrong, on stderr, and returns the code to end with.
fn tell(failure: &Failure) -> Code {
    if !failure.is_broken_pipe() && !matches!(failure, Failure::Told(_)) {
        output::error(failure);
    }
    failure.code()
}

/// Prints clap's help or its complaint. Help that could not be printed is a failure too.
pub(crate) fn of_usage(error: &clap::Error) -> Outcome {
    error.print().map_err(Failure::io("write the help"))?;
    Ok(if error.use_stderr() { Code::Usage } else { Code::Clean })
}

/// Runs the program, and gives the code to end with. Whatever panics, on whichever thread, says that it is our
/// bug; here it cannot become a success.
pub(crate) fn guard(program: impl FnOnce() -> Outcome + std::panic::UnwindSafe) -> Code {
    report_panics();
    match std::panic::catch_unwind(program) {
        Ok(Ok(code)) => code,
        Ok(Err(failure)) => tell(&failure),
        Err(_panic) => Code::Bug,
    }
}

/// Makes a panic say where it happened, and what to do.
fn report_panics() {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let payload = info.payload();
        let words = payload
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("no message");
        output::error(&format_args!(
            "this is a bug in indelible {}: {words} ({place}); please report it with what you did",
            env!("CARGO_PKG_VERSION"),
        ));
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    #[test]
    fn every_error_has_a_code_that_is_no_success() {
        let path = PathBuf::from("x");
        let fault = |class| Fault::new(class, 0, "w", "a", "b").in_file(Path::new("f"));
        let table = [
            (fault(Class::Damaged), 10),
            (fault(Class::Forged), 11),
            (fault(Class::Unsupported), 4),
            (Error::NotAuthenticated { reason: String::new() }, 12),
            (Error::Incomplete { what: "event", reason: String::new() }, 14),
            (Error::RolledBack { reason: String::new() }, 13),
            (Error::Locked { path: path.clone(), reason: String::new() }, 3),
            (Error::ReadOnly { reason: String::new() }, 3),
            (Error::ClosedToWriting { reason: String::new() }, 3),
            (Error::NotAStore { path: path.clone(), reason: String::new() }, 2),
            (Error::AlreadyExists { path, reason: String::new() }, 2),
            (Error::InvalidEvent { offset: 0, reason: String::new() }, 2),
            (Error::NotFound { what: "record", name: String::new() }, 2),
            (Error::Cancelled, 130),
        ];
        for (error, code) in table {
            assert_eq!(Failure::from(error).code() as u8, code);
        }
    }

    #[test]
    fn carets_stand_below_their_place_on_a_terminal() {
        let vocabulary = query::Vocabulary::default();
        for text in [
            "x = \"世界🙂\" since then",
            "x = \"a\u{202e}b\" since then",
            "\tx = \"e\u{301}\"\tsince then",
            "x = 世界 since then",
        ] {
            let error = query::Query::parse(text, &vocabulary).unwrap_err();
            let told = Failure::from(error).to_string();
            let [_, shown, below, ..] = told.lines().collect::<Vec<_>>()[..] else { panic!("{told}") };
            let (before, _) = shown.split_once("then").unwrap();
            assert_eq!(below.find("^^^^ `then`"), Some(output::shown(before).1), "{told}");
        }
    }

    #[test]
    fn a_panic_is_our_bug_and_no_success() {
        assert_eq!(guard(|| panic!("on purpose")), Code::Bug);
        assert_eq!(guard(|| Err(Failure::Told(Code::Forged))), Code::Forged);
        assert_eq!(guard(|| Ok(Code::Clean)), Code::Clean);
        // The other tests' panics are theirs.
        drop(std::panic::take_hook());
    }

    #[test]
    fn a_broken_pipe_is_silent_and_no_success() {
        let failure = Failure::Io("write".into(), io::ErrorKind::BrokenPipe.into());
        assert!(failure.is_broken_pipe());
        assert_eq!(failure.code(), Code::Environment);
    }
}
