//! Witnesses over loopback: those that cosign, those that are told another history, and those that misbehave.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Stdio};

use super::{Site, events};

const ORIGIN: &str = "acme.example/test";

/// A running witness; it ends with the test.
pub(super) struct Served {
    child: Child,
    pub(super) url: String,
    key: String,
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts the witness `name` of the log whose key this is; a second time with the state of the first.
pub(super) fn serve(site: &Site, name: &str, log: &str) -> Served {
    let (key, state) = (format!("{name}.key"), format!("{name}.state"));
    if !site.path(&key).exists() {
        site.run(&["witness", "key", &key, "--name", &format!("witness.example/{name}")]).ends(0);
    }
    let args =
        ["witness", "serve", "--listen", "127.0.0.1:0", "--state", &state, "--key", &key, "--log", log];
    let mut child = site
        .command(&args)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .stdin(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let key = lines.next().unwrap().unwrap();
    let url = lines.next().unwrap().unwrap().strip_prefix("listening at ").unwrap().to_owned();
    Served { child, url, key }
}

/// A log of `count` records, with its key.
pub(super) fn log(count: u64) -> (Site, String) {
    let site = Site::new();
    let key = site.run(&["init", "--origin", ORIGIN]).ends(0).text().trim().to_owned();
    site.feed(&["append", "--no-checkpoint"], events(count).as_bytes()).ends(0);
    (site, key)
}

fn add(site: &Site, name: &str, witness: &Served) {
    add_at(site, name, &witness.url, witness);
}

/// Adds a witness that is asked at another address than its own.
pub(super) fn add_at(site: &Site, name: &str, url: &str, witness: &Served) {
    site.run(&["witness", "add", name, url, &witness.key]).ends(0);
}

fn cosignature_count(site: &Site) -> usize {
    let note = std::fs::read_to_string(site.path("evidence/checkpoint")).unwrap();
    note.lines().filter(|line| line.starts_with("\u{2014} witness.example/")).count()
}

#[test]
fn two_witnesses_cosign_a_log_as_it_grows() {
    let (site, key) = log(20);
    let (one, two) = (serve(&site, "w1", &key), serve(&site, "w2", &key));
    add(&site, "one", &one);
    add(&site, "two", &two);
    let first = site.run(&["checkpoint", "--cosign"]).ends(0);
    assert!(first.err.contains("witnessed by one at ") && first.err.contains("witnessed by two at "));
    assert_eq!(cosignature_count(&site), 2);
    // The note on stdout is the one that is kept.
    assert_eq!(first.text(), std::fs::read_to_string(site.path("evidence/checkpoint")).unwrap());

    // One that was not asked is behind: it says from where it wants to be shown.
    site.run(&["witness", "remove", "two"]).ends(0);
    site.feed(&["append", "--no-checkpoint"], b"{\"n\":1}\n").ends(0);
    site.run(&["checkpoint", "--cosign"]).ends(0);
    assert_eq!(cosignature_count(&site), 1);
    site.feed(&["append", "--no-checkpoint"], b"{\"n\":2}\n").ends(0);
    drop(two);
    let two = serve(&site, "w2", &key);
    add(&site, "two", &two);
    site.run(&["checkpoint", "--cosign"]).ends(0);
    assert_eq!(cosignature_count(&site), 2);
    // Who verifies sees who witnessed it; whose key is given must have.
    let shown = site.run(&["verify", "--no-record", "--json"]).ends(0).json();
    assert_eq!(shown["witnessed"][0]["by"], "one");
    assert_eq!(shown["witnessed"][1]["tree_size"], shown["tree_size"]);
    site.run(&["verify", "--no-record", "--witness", &one.key, "--witness", &two.key]).ends(0);
    site.run(&["verify", "--no-record", "--metrics", "w.prom"]).ends(0);
    let measured = std::fs::read_to_string(site.path("w.prom")).unwrap();
    let cosigned = format!("indelible_witness_time_seconds{{origin=\"{ORIGIN}\",witness=\"one\"}} 1");
    assert!(measured.contains(&cosigned), "{measured}");
    let stranger = site.run(&["witness", "key", "w3.key", "--name", "witness.example/w3"]).ends(0).text();
    site.run(&["verify", "--no-record", "--witness", &one.key, "--witness", stranger.trim()]).ends(12);
    // A bundle carries the cosignatures of its checkpoint.
    site.run(&["export", "exists(n)", "-o", "n.zip"]).ends(0);
    let bundle = ["verify-bundle", "n.zip", "--key", &key, "--json"];
    let with = |more: &[&str]| site.run(&[&bundle[..], more].concat());
    let told = with(&[]).ends(0).json();
    assert_eq!(told["witnessed"][0]["by"], "one");
    assert_eq!(told["witnessed"][1]["by"], "two");
    with(&["--witness", &one.key, "--witness", &two.key]).ends(0);
    assert!(with(&["--witness", stranger.trim()]).ends(12).err.contains("not cosigned"));
    let policy = |quorum: &str| {
        let keys = [("one", one.key.as_str()), ("two", &two.key), ("three", stranger.trim())];
        let lines: String = keys.iter().map(|(name, key)| format!("witness {name} {key}\n")).collect();
        site.write("quorum.policy", format!("{lines}group g {quorum} one two three\nquorum g\n"));
        ["--policy", "quorum.policy"]
    };
    assert_eq!(with(&policy("2")).ends(0).json()["witnessed"].as_array().unwrap().len(), 2);
    with(&policy("all")).ends(12);
    // Signed again without witnesses, it keeps their lines.
    site.run(&["checkpoint"]).ends(0);
    assert_eq!(cosignature_count(&site), 2);
}

#[test]
fn a_witness_that_was_told_another_history_refuses_this_one() {
    let (site, key) = log(20);
    let (one, two) = (serve(&site, "w1", &key), serve(&site, "w2", &key));
    // The same key signs a fork, on a machine where it does not remember: the second witness is told that one first.
    let fork = Site::new();
    std::fs::create_dir_all(fork.path("config/keys")).unwrap();
    let name = "config/keys/acme.example_test.key";
    std::fs::copy(site.path(name), fork.path(name)).unwrap();
    fork.run(&["init", "--origin", ORIGIN, "--no-key"]).ends(0);
    fork.feed(&["append", "--no-checkpoint"], events(10).as_bytes()).ends(0);
    add(&fork, "two", &two);
    fork.run(&["checkpoint", "--cosign"]).ends(0);

    add(&site, "one", &one);
    add(&site, "two", &two);
    let refused = site.run(&["checkpoint", "--cosign"]).ends(12);
    assert!(refused.err.contains("witness two: "), "{}", refused.err);
    assert!(refused.err.contains("does not continue"), "{}", refused.err);
    assert!(refused.err.contains("too few witnesses"), "{}", refused.err);
    assert_eq!(cosignature_count(&site), 1, "the checkpoint is signed and has the other's cosignature");

    // Where one of the two is enough, it is enough.
    let policy = format!(
        "witness one {} {}\nwitness two {} {}\ngroup g any one two\nquorum g\n",
        one.key, one.url, two.key, two.url
    );
    site.write("any.policy", policy);
    site.run(&["checkpoint", "--cosign", "--policy", "any.policy"]).ends(0);
}

/// Answers each connection by what `misbehave` does with it.
fn rogue(misbehave: fn(TcpStream)) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut stream = stream;
                let mut request = [0; 4096];
                let _ = stream.read(&mut request);
                misbehave(stream);
            });
        }
    });
    url
}

fn reply(mut stream: TcpStream, head: &str, body: &[u8]) {
    let head = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n", body.len());
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
    // Closing on unread bytes could take the answer back.
    let _ = stream.shutdown(Shutdown::Write).and_then(|()| stream.read_to_end(&mut Vec::new()));
}

#[test]
fn a_witness_that_misbehaves_costs_a_message() {
    type Lie = fn(TcpStream);
    let (site, key) = log(5);
    let witness = serve(&site, "w1", &key);
    let table: [(Lie, &str); 8] = [
        (|stream| reply(stream, "200 OK", b"\xff\x00garbage"), "no cosignature"),
        // A line in the witness's name that it did not make.
        (
            |stream| reply(stream, "200 OK", "\u{2014} witness.example/w1 AAAAAAAA\n".as_bytes()),
            "not believed",
        ),
        (|stream| reply(stream, "409 Conflict", b"many\n"), "without the size"),
        (|stream| reply(stream, "409 Conflict", b"0\n"), "another tree of 0 records"),
        (|stream| reply(stream, "409 Conflict", b"999999\n"), "was it restored?"),
        (|stream| reply(stream, "302 Found", b"\x1b[2J elsewhere"), "status 302"),
        // It never answers: the request's time is what it costs.
        (
            |mut stream| {
                let _ = stream.read_to_end(&mut Vec::new());
            },
            "did not answer in time",
        ),
        // It never ends.
        (
            |mut stream| {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
                while stream.write_all(b"8\r\nendless!\r\n").is_ok() {}
            },
            "witness rogue: ",
        ),
    ];
    for (misbehave, message) in table {
        let url = rogue(misbehave);
        site.write("p.policy", format!("witness rogue {} {url}\nquorum rogue\n", witness.key));
        let run =
            site.run(&["checkpoint", "--cosign", "--policy", "p.policy", "--timeout", "500ms"]).ends(12);
        assert!(run.err.contains(message), "{message}: {}", run.err);
        assert!(!run.err.contains('\u{1b}'));
        assert_eq!(cosignature_count(&site), 0);
    }
    site.run(&["verify", "--key", &key]).ends(0);
}

#[test]
fn who_speaks_no_http_or_too_much_of_it_is_refused() {
    let (site, key) = log(1);
    let witness = serve(&site, "w1", &key);
    let ask = |request: &str| {
        let mut stream = TcpStream::connect(witness.url.strip_prefix("http://").unwrap()).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        line.split(' ').nth(1).unwrap_or_default().to_owned()
    };
    let post =
        |headers: &str, body: &str| ask(&format!("POST /add-checkpoint HTTP/1.1\r\n{headers}\r\n{body}"));
    assert_eq!(ask("GET /add-checkpoint HTTP/1.1\r\n\r\n"), "405");
    assert_eq!(ask("POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n"), "404");
    assert_eq!(ask("\u{0}nonsense\r\n\r\n"), "400");
    assert_eq!(ask(&format!("GET /{} HTTP/1.1\r\n", "x".repeat(9000))), "431");
    assert_eq!(post("Content-Length: 3\r\n", "old"), "400");
    assert_eq!(post("Content-Length: 1\r\nContent-Length: 1\r\n", "x"), "400");
    assert_eq!(post("Content-Length: +1\r\n", "x"), "400");
    assert_eq!(post("Content-Length: 99999999\r\n", ""), "413");
    assert_eq!(post("Transfer-Encoding: chunked\r\n", "0\r\n\r\n"), "411");
}

#[test]
fn a_witness_is_named_once_and_by_an_address_that_can_be_asked() {
    let (site, _) = log(1);
    let key = site.run(&["witness", "key", "w.key", "--name", "witness.example/w"]).ends(0).text();
    let key = key.trim();
    site.run(&["checkpoint", "--cosign"]).ends(2);
    site.run(&["witness", "add", "w", "ftp://witness.example", key]).ends(2);
    site.run(&["witness", "add", "w", "witness.example", key]).ends(2);
    site.run(&["witness", "add", "w 2", "http://127.0.0.1:1", key]).ends(2);
    site.run(&["witness", "add", "w", "http://127.0.0.1:1", key]).ends(0);
    let again = site.run(&["witness", "add", "again", "http://127.0.0.1:2", key]).ends(2);
    assert!(again.err.contains("the key of the witness w already"), "{}", again.err);
    let other = site.run(&["witness", "key", "w2.key", "--name", "witness.example/w2"]).ends(0).text();
    let again = site.run(&["witness", "add", "w", "http://127.0.0.1:2", other.trim()]).ends(2);
    assert!(again.err.contains("a witness is called w already"), "{}", again.err);
    let listed = site.run(&["witness", "list", "--json"]).ends(0).json();
    assert_eq!((&listed[0]["name"], &listed[0]["key"]), (&"w".into(), &key.into()));
    // Nobody listens there.
    let run = site.run(&["checkpoint", "--cosign"]).ends(12);
    assert!(run.err.contains("cannot be asked at http://127.0.0.1:1/add-checkpoint"), "{}", run.err);
    site.run(&["witness", "remove", "nobody"]).ends(2);
    site.run(&["witness", "remove", "w"]).ends(0);
    assert_eq!(site.run(&["witness", "list", "--json"]).ends(0).json(), serde_json::json!([]));
}
