//! A published log that is followed over HTTP: servers that are honest, that lie, stall, send garbage, and never end.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;

use super::{Run, Site, events, feed};

/// Answers each request, by its path, on a connection of its own; ends with the process.
fn serve(answer: impl Fn(&str, &mut TcpStream) -> std::io::Result<()> + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/log/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            let request = lines.next().unwrap_or_default();
            let path = request.split(' ').nth(1).and_then(|path| path.strip_prefix("/log/"));
            let _head = lines.take_while(|line| !line.is_empty()).count();
            // Whoever asked may have gone: that is his right.
            let _gone = answer(path.unwrap_or_default(), &mut stream);
        }
    });
    url
}

fn say(stream: &mut TcpStream, status: &str, body: &[u8]) -> std::io::Result<()> {
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)
}

/// Serves the files of a directory.
pub(super) fn files(dir: PathBuf) -> String {
    serve(move |path, stream| match std::fs::read(dir.join(path)) {
        Ok(bytes) => say(stream, "200 OK", &bytes),
        Err(_) => say(stream, "404 Not Found", b"no such file"),
    })
}

/// A published log of more than one tile, its key, and its address.
fn published() -> (Site, String, String) {
    let site = Site::new();
    let key = site.run(&["init", "--origin", "acme.example/test"]).ends(0).text().trim().to_owned();
    grow(&site, 300);
    site.run(&["publish", "www"]).ends(0);
    let url = files(site.path("www"));
    (site, key, url)
}

fn grow(site: &Site, count: u64) {
    site.feed(&["append", "--no-checkpoint"], events(count).as_bytes()).ends(0);
    site.run(&["checkpoint"]).ends(0);
}

fn look(site: &Site, key: &str, url: &str) -> Run {
    site.run(&["monitor", url, "--key", key, "--state", "seen", "--timeout", "20s", "--json"])
}

#[test]
fn a_log_is_followed_over_http_as_it_is_in_a_directory() {
    let (site, key, url) = published();
    let first = look(&site, &key, &url).ends(0).json();
    assert!(first["before"].is_null());
    let early = std::fs::read(site.path("www/checkpoint")).unwrap();
    grow(&site, 300);
    site.run(&["publish", "www"]).ends(0);
    assert_eq!(look(&site, &key, &url).ends(0).json()["before"], first["tree_size"]);
    // What it had seen over the network holds in a mirror too.
    look(&site, &key, "www").ends(0);

    // Once a tile is whole its beginnings may be gone: who has an older checkpoint reads the whole one.
    site.run(&["monitor", &url, "--key", &key, "--state", "other", "--timeout", "20s"]).ends(0);
    std::fs::remove_dir_all(site.path("www/tile/0/001.p")).unwrap();
    std::fs::write(site.path("www/checkpoint"), early).unwrap();
    look(&site, &key, &url).ends(13);
    std::fs::remove_file(site.path("seen")).unwrap();
    assert_eq!(look(&site, &key, &url).ends(0).json()["root"], first["root"]);
}

#[test]
fn a_fork_that_its_own_key_signed_is_refused() {
    let (site, key, url) = published();
    site.run(&["backup", "fork"]).ends(0);
    grow(&site, 100);
    site.run(&["publish", "www"]).ends(0);
    look(&site, &key, &url).ends(0);
    let seen = std::fs::read(site.path("seen")).unwrap();
    // Who took a copy of the key has no memory of what it signed.
    std::fs::copy(site.path("config/keys/acme.example_test.key"), site.path("stolen.key")).unwrap();
    site.feed(&["-C", "fork", "append", "--no-checkpoint"], events(150).as_bytes()).ends(0);
    let mut thief = site.command(&["-C", "fork", "checkpoint", "--signing-key", "stolen.key"]);
    thief.env("INDELIBLE_CONFIG_DIR", site.path("thief"));
    feed(thief, b"").ends(0);
    site.run(&["-C", "fork", "publish", "www2"]).ends(0);
    let refused = look(&site, &key, &files(site.path("www2"))).ends(11);
    assert!(refused.err.contains("consistency proof"), "{}", refused.err);
    assert_eq!(std::fs::read(site.path("seen")).unwrap(), seen);
}

#[test]
fn whoever_lies_stalls_or_never_ends_costs_a_message_and_no_more() {
    let (site, key, url) = published();
    look(&site, &key, &url).ends(0);
    grow(&site, 300);
    site.run(&["publish", "www"]).ends(0);
    let seen = std::fs::read(site.path("seen")).unwrap();
    let root = site.path("www");
    let lying = serve(move |path, stream| {
        let mut bytes = std::fs::read(root.join(path)).unwrap_or_default();
        if path != "checkpoint" {
            bytes.iter_mut().for_each(|byte| *byte ^= 1);
        }
        say(stream, "200 OK", &bytes)
    });
    let root = site.path("www");
    let short = serve(move |path, stream| {
        let bytes = std::fs::read(root.join(path)).unwrap_or_default();
        let len = if path == "checkpoint" { bytes.len() } else { bytes.len() / 2 };
        say(stream, "200 OK", &bytes[..len])
    });
    let cut = serve(|_, stream| stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nshort"));
    let endless = serve(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
        loop {
            stream.write_all(&[b'x'; 4096])?;
        }
    });
    let endless_head = serve(|_, stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\n")?;
        loop {
            stream.write_all(b"X-More: x\r\n")?;
        }
    });
    let garbage = serve(|_, stream| stream.write_all(&[0xff; 300]));
    let no_note = serve(|_, stream| say(stream, "200 OK", b"\x00\x01 no checkpoint"));
    let failing = serve(|_, stream| say(stream, "500 Internal Server Error", b"no"));
    let elsewhere = serve(|_, stream| {
        stream.write_all(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")
    });
    let table = [
        (lying, &[11][..], "forged"),
        (short, &[11], "not the length of its width"),
        (cut, &[3], "cannot be asked"),
        (endless, &[3], "longer than"),
        (endless_head, &[3], "cannot be asked"),
        (garbage, &[3], "cannot be asked"),
        (no_note, &[2, 11, 12], "error"),
        (failing, &[3], "status 500"),
        (elsewhere, &[3], "name the address that it leads to"),
        ("http://127.0.0.1:1/".to_owned(), &[3], "cannot be asked"),
        ("https://127.0.0.1:1/".to_owned(), &[3], "cannot be asked"),
        ("ftp://log.example/".to_owned(), &[2], "begins with https:// or http://"),
    ];
    for (url, codes, words) in table {
        let run = look(&site, &key, &url);
        assert!(run.code.is_some_and(|code| codes.contains(&code)), "{url}: {:?} {}", run.code, run.err);
        assert!(run.err.contains(words), "{words}: {}", run.err);
        assert_eq!(std::fs::read(site.path("seen")).unwrap(), seen, "{words}");
    }

    // One that takes the request and says nothing.
    let silent = serve(|_, stream| stream.peek(&mut [0]).map(drop));
    let stalled =
        site.run(&["monitor", &silent, "--key", &key, "--state", "seen", "--timeout", "300ms"]).ends(3);
    assert!(stalled.err.contains("did not answer in time"), "{}", stalled.err);
    look(&site, &key, &url).ends(0);
}
