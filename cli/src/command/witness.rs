//! `indelible witness`: being a witness of other people's logs, and knowing the witnesses of one's own.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use indelible::Witness;
use indelible::disk::World;
use indelible::limits;
use indelible::trust::{CosignerKey, Refusal, Signer};
use serde_json::{Value, json};

use crate::exit::{Code, Failure, Outcome};
use crate::http::{self, Request, Response};
use crate::output::{self, Out, Table};
use crate::signal::Stop;
use crate::{approvals, input, keys, witnesses};

/// Cosign other people's logs, or name the witnesses of your own
///
/// A witness is another machine, of another department or organisation, that remembers how far it has seen a log and
/// cosigns only what provably continues that (C2SP tlog-witness). Whoever checks the log then need not trust its owner
/// alone: two histories would need a dishonest witness too.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  indelible witness key w.key --name witness.example/w1
  indelible witness serve --listen 0.0.0.0:7380 --state /var/lib/witness --key w.key --log acme.vkey
  indelible witness add audit http://witness.example:7380 'witness.example/w1+9af1...+BaZ...'
  indelible checkpoint --cosign")]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Make the key of a witness, and print its verifier key
    #[command(after_help = "Example:\n  indelible witness key w.key --name witness.example/w1")]
    Key {
        /// The file to make
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The witness's name, best an address without its scheme
        #[arg(long)]
        name: String,
    },
    /// Run a witness, until Ctrl-C
    ///
    /// The state directory remembers, for each log, what was cosigned last; it is written before a cosignature leaves.
    /// Never restore it from a backup: a witness that forgets what it cosigned can be shown another history. After its
    /// loss, make a new key. One witness may run at a time or several with one state directory.
    #[command(after_help = "Example:
  indelible witness serve --listen 0.0.0.0:7380 --state /var/lib/witness --key w.key --log acme.vkey")]
    Serve {
        /// Where to take requests: an address and a port
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7380")]
        listen: String,
        /// What is remembered: a directory, made if it is missing
        #[arg(long, value_name = "DIR")]
        state: PathBuf,
        /// The witness's key file
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// The verifier key of a log to witness, or a file that holds one; may be given more than once
        #[arg(long = "log", value_name = "VKEY|FILE", required = true)]
        logs: Vec<String>,
    },
    /// Name a witness for `checkpoint --cosign` and `verify`
    #[command(after_help = "Example:
  indelible witness add audit http://witness.example:7380 'witness.example/w1+9af1...+BaZ...'")]
    Add {
        /// What to call it here
        name: String,
        /// The address under which it takes requests
        url: String,
        /// Its verifier key: a vkey, or a file that holds one
        #[arg(value_name = "VKEY|FILE")]
        key: String,
    },
    /// List the witnesses
    #[command(after_help = "Example:\n  indelible witness list --json")]
    List {
        /// Print one JSON array
        #[arg(long)]
        json: bool,
    },
    /// Take a witness off the list
    #[command(after_help = "Example:\n  indelible witness remove audit")]
    Remove {
        /// What it is called here
        name: String,
    },
}

/// Does what was asked for.
pub(crate) fn run(args: &Args) -> Outcome {
    match &args.what {
        What::Key { file, name } => {
            let key = approvals::make_key(file, name)?;
            let mut out = Out::stdout();
            out.line(output::escape(CosignerKey::of(key.verifier()).to_string().as_bytes()))?;
            out.finish()?;
            output::say(format_args!(
                "witness's key: {} (it stays on the witness's machine)",
                file.display()
            ));
        }
        What::Serve { listen, state, key, logs } => return serve(listen, state, key, logs),
        What::Add { name, url, key } => {
            witnesses::add(name, url, input::cosigner_key(key)?)?;
            output::say(format_args!("witness {name} is asked by `indelible checkpoint --cosign`"));
        }
        What::Remove { name } => witnesses::remove(name)?,
        What::List { json } => list(*json)?,
    }
    Ok(Code::Clean)
}

fn list(as_json: bool) -> Outcome<()> {
    let known = witnesses::list()?;
    let mut out = Out::stdout();
    if as_json {
        let rows: Vec<Value> = known
            .iter()
            .map(
                |witness| json!({ "name": witness.shown(), "url": witness.address(), "key": witness.key.to_string() }),
            )
            .collect();
        out.json(&rows)?;
    } else if known.is_empty() {
        output::say("no witness is known; name one with `indelible witness add NAME URL VKEY`");
    } else {
        let mut table = Table::new(&["witness", "address", "key"]);
        for witness in known {
            table.row([
                witness.shown().into(),
                witness.address().unwrap_or_default().into(),
                witness.key.to_string(),
            ]);
        }
        table.print(&mut out)?;
    }
    out.finish()
}

fn serve(listen: &str, state: &Path, key: &Path, logs: &[String]) -> Outcome {
    let logs = logs.iter().map(|log| input::verifier_key(log)).collect::<Outcome<Vec<_>>>()?;
    let signer = Box::new(keys::read(key, "--key")?);
    let witness = Witness::open(&World::real()?, state, signer, logs)?;
    let listener = TcpListener::bind(listen).map_err(Failure::io(format!("listen at {listen}")))?;
    let address = listener.local_addr().map_err(Failure::io("tell the address"))?;
    let stop = Stop::listen(move || {
        // Whoever waits for a connection gets one.
        let _ = TcpStream::connect_timeout(&address, Duration::from_secs(1));
    })?;
    let mut out = Out::stdout();
    out.line(output::escape(witness.key().to_string().as_bytes()))?;
    out.line(format_args!("listening at http://{address}"))?;
    out.flush()?;
    let answer: Arc<http::Answer> = Arc::new(move |request: &Request| answer(&witness, request));
    http::serve(&listener, &stop, limits::WITNESS_REQUEST_LEN_MAX, &answer)
}

/// Answers one request. What is refused is told here too: it may be a sign of a forked log.
fn answer(witness: &Witness, request: &Request) -> Response {
    if request.path != "/add-checkpoint" {
        return Response::say(404, "there is nothing here but /add-checkpoint");
    }
    if request.method != "POST" {
        return Response::say(405, "add-checkpoint is asked by POST");
    }
    match witness.add_checkpoint(&request.body) {
        Ok(Ok(line)) => {
            Response { status: 200, content_type: "text/plain; charset=utf-8", body: format!("{line}\n") }
        }
        Ok(Err(Refusal::Conflict { size })) => {
            Response { status: 409, content_type: "text/x.tlog.size", body: format!("{size}\n") }
        }
        Ok(Err(refusal)) => {
            output::warn(format_args!("refused: {refusal}"));
            Response::say(refusal.status(), &refusal.to_string())
        }
        Err(error) => {
            output::error(&error);
            Response::say(500, "this witness cannot cosign now")
        }
    }
}
