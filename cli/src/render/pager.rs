//! The pager: what a person reads on a terminal goes through `$PAGER`, so that a long answer can be read from its
//! beginning.

use std::io::ErrorKind;
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::exit::{Failure, Outcome};

/// A pager that runs. It is waited for when this goes: the terminal is its own until then.
pub(crate) struct Pager(Child);

impl Pager {
    /// Starts the user's pager, or `less` where there is one; nothing where none is wanted.
    pub(crate) fn start() -> Option<(Pager, ChildStdin)> {
        let mut command = match std::env::var_os("PAGER") {
            Some(pager) if pager.is_empty() || pager == "cat" => return None,
            Some(pager) => {
                let mut shell = Command::new("sh");
                shell.arg("-c").arg(pager);
                shell
            }
            None => Command::new("less"),
        };
        // One screen is printed and done; colours pass; the answer stays on the screen afterwards.
        if std::env::var_os("LESS").is_none() {
            command.env("LESS", "FRX");
        }
        let mut child = match command.stdin(Stdio::piped()).spawn() {
            Ok(child) => child,
            Err(error) => {
                if error.kind() != ErrorKind::NotFound {
                    crate::output::warn(format_args!("cannot start the pager: {error}"));
                }
                return None;
            }
        };
        let stdin = child.stdin.take()?;
        Some((Pager(child), stdin))
    }
}

impl Pager {
    /// Waits for the pager. That whoever reads has seen enough is no failure; that there is no such program is.
    pub(crate) fn end(mut self) -> Outcome<()> {
        // What a shell ends with where it cannot run what it was told to.
        const NOT_RUN: [i32; 2] = [126, 127];
        let code = self.0.wait().ok().and_then(|status| status.code());
        if code.is_some_and(|code| NOT_RUN.contains(&code)) {
            let reason = "no such program; --no-pager does without";
            return Err(Failure::Io(
                "run the pager that PAGER names".to_owned(),
                std::io::Error::other(reason),
            ));
        }
        Ok(())
    }
}

impl Drop for Pager {
    fn drop(&mut self) {
        let _ = self.0.wait();
    }
}
