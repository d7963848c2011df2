//! Writes the golden stores anew: `cargo run -p indelible-tests --bin golden`, in the repository's root.

use std::path::Path;
use std::process::ExitCode;

use indelible_tests::golden;

fn main() -> ExitCode {
    let run = || -> Result<(), Box<dyn std::error::Error>> {
        for golden in golden::all()? {
            golden::write(&golden, Path::new(golden::DIR))?;
        }
        std::fs::write(golden::LIST, golden::list(&golden::files_below(Path::new(golden::DIR))?))?;
        Ok(())
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A tool for developers, not the library: this is where it may talk.
            let _ =
                std::io::Write::write_all(&mut std::io::stderr(), format!("golden: {error}\n").as_bytes());
            ExitCode::FAILURE
        }
    }
}
