//! Commands of the user's, run in a shell: each is given something to read, and waited for no longer than it may take.

use std::io::{self, Read, Write};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// How often one is looked at that has nothing more to say.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What becomes of what a command prints.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Printed {
    /// Nobody sees it.
    Dropped,
    /// So much of it is handed out, in bytes.
    UpTo(u64),
}

/// Runs a command with `input` on its standard input; how it ended and what it printed. Nothing where it took longer than
/// `time_max`: then it was stopped. What it says on stderr is shown. A command that does not read all of its input says by
/// how it ends what it made of it.
///
/// It stays in our group of processes, so that it may ask a person at the terminal.
///
/// # Errors
/// Where it cannot be run.
pub(crate) fn run(
    command: &str,
    input: &[u8],
    printed: Printed,
    time_max: Duration,
) -> io::Result<Option<(ExitStatus, Vec<u8>)>> {
    let until = Instant::now() + time_max;
    let (stdout, len_max) = match printed {
        Printed::Dropped => (Stdio::null(), 0),
        Printed::UpTo(len_max) => (Stdio::piped(), len_max),
    };
    let mut child = Command::new("sh").args(["-c", command]).stdin(Stdio::piped()).stdout(stdout).spawn()?;
    let (stdin, stdout, input) = (child.stdin.take(), child.stdout.take(), input.to_vec());
    let (done, ended) = mpsc::channel();
    // Whoever reads may wait as long as somebody has the other end: a thread that nobody waits for.
    thread::spawn(move || {
        if let Some(mut stdin) = stdin {
            let _ = stdin.write_all(&input);
        }
        let mut bytes = Vec::new();
        let read = stdout.map_or(Ok(0), |stdout| stdout.take(len_max).read_to_end(&mut bytes));
        let _ = done.send(read.map(|_| bytes));
    });
    let left = || until.saturating_duration_since(Instant::now());
    let bytes = ended.recv_timeout(left()).ok();
    loop {
        match (child.try_wait()?, &bytes) {
            (Some(status), Some(_)) => {
                return Ok(Some((status, bytes.transpose()?.unwrap_or_default())));
            }
            (None, Some(_)) if !left().is_zero() => thread::sleep(LOOK_EVERY.min(left())),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return Ok(None);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    #[test]
    fn a_command_reads_and_prints_and_its_end_is_told() {
        let (status, printed) = run("tr a-z A-Z", b"signed", Printed::UpTo(4), LONG).unwrap().unwrap();
        assert_eq!((status.success(), &printed[..]), (true, &b"SIGN"[..]));
        let (status, printed) = run("echo x; exit 3", b"", Printed::Dropped, LONG).unwrap().unwrap();
        assert_eq!((status.code(), &printed[..]), (Some(3), &b""[..]));
        // More than a pipe holds, and nobody reads it.
        let (status, _) = run("exit 0", &vec![0; 1 << 20], Printed::UpTo(9), LONG).unwrap().unwrap();
        assert!(status.success());
    }

    #[test]
    fn a_command_that_hangs_is_stopped_and_so_is_the_waiting_for_what_it_left_behind() {
        for hanging in ["exec sleep 5", "sleep 5 & wait", "sleep 5 &"] {
            assert!(run(hanging, b"", Printed::UpTo(9), Duration::ZERO).unwrap().is_none(), "{hanging}");
        }
    }
}
