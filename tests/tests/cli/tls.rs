//! Witnesses and published logs over TLS: an authority that is trusted, one that is not, and a certificate for another name.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::following::files;
use super::witnessing::{add_at, log, serve};
use super::{Run, Site, feed};

type Stream = StreamOwned<ServerConnection, TcpStream>;

fn certificate(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/tls")).join(name)
}

/// What stands before a server in an institution: it ends TLS, with this certificate, and asks the server at `behind`. Its
/// address.
fn front(name: &str, behind: &str) -> String {
    let chain = CertificateDer::pem_file_iter(certificate(&format!("{name}.pem"))).unwrap();
    let key = PrivateKeyDer::from_pem_file(certificate(&format!("{name}.key"))).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain.map(Result::unwrap).collect(), key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (host, rest) = behind.strip_prefix("http://").unwrap().split_once('/').unwrap_or((&behind[7..], ""));
    let url = format!("https://{}/{rest}", listener.local_addr().unwrap());
    let (config, host) = (Arc::new(config), host.to_owned());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            // Whoever does not trust the certificate goes: that is his right.
            let _gone = pass_on(StreamOwned::new(connection, stream.unwrap()), &host);
        }
    });
    url
}

/// Passes one request on, and its answer back.
fn pass_on(mut client: Stream, host: &str) -> std::io::Result<()> {
    let mut reader = BufReader::new(&mut client);
    let (mut head, mut body_len) = (String::new(), 0);
    while reader.read_line(&mut head)? > 2 {
        let line = head.lines().last().unwrap_or_default().to_ascii_lowercase();
        if let Some(len) = line.strip_prefix("content-length: ") {
            body_len = len.parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; body_len];
    reader.read_exact(&mut body)?;
    let mut server = TcpStream::connect(host)?;
    server.write_all(head.replacen("\r\n", "\r\nConnection: close\r\n", 1).as_bytes())?;
    server.write_all(&body)?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer)?;
    client.write_all(&answer)?;
    client.conn.send_close_notify();
    client.flush()
}

/// Runs the program where these authorities are the ones that are trusted.
fn run(site: &Site, authority: &str, args: &[&str]) -> Run {
    let mut command = site.command(args);
    command.env("SSL_CERT_FILE", certificate(authority)).env_remove("SSL_CERT_DIR");
    feed(command, b"")
}

#[test]
fn a_witness_behind_tls_is_asked_where_its_authority_is_trusted() {
    let (site, key) = log(20);
    let witness = serve(&site, "w1", &key);
    add_at(&site, "one", &front("here", &witness.url), &witness);
    let cosigned = run(&site, "authority.pem", &["checkpoint", "--cosign"]).ends(0);
    assert!(cosigned.err.contains("witnessed by one at "), "{}", cosigned.err);
    // Another authority than the one that signed.
    site.feed(&["append", "--no-checkpoint"], b"{\"n\":1}\n").ends(0);
    let refused = run(&site, "elsewhere.pem", &["checkpoint", "--cosign"]).ends(12);
    assert!(
        refused.err.contains("witness one: ") && refused.err.contains("SSL_CERT_FILE"),
        "{}",
        refused.err
    );
    // The authority is right, and the certificate is somebody else's.
    site.run(&["witness", "remove", "one"]).ends(0);
    add_at(&site, "other", &front("elsewhere", &witness.url), &witness);
    let refused = run(&site, "authority.pem", &["checkpoint", "--cosign"]).ends(12);
    assert!(refused.err.contains("its certificate is for another name"), "{}", refused.err);
}

#[test]
fn a_log_that_is_published_over_tls_is_followed_where_its_authority_is_trusted() {
    let (site, key) = log(20);
    site.run(&["checkpoint"]).ends(0);
    site.run(&["publish", "www"]).ends(0);
    let behind = files(site.path("www"));
    let monitor = |authority: &str, url: &str| {
        run(&site, authority, &["monitor", url, "--key", &key, "--state", "seen", "--timeout", "20s"])
    };
    let refused = monitor("elsewhere.pem", &front("here", &behind)).ends(3);
    assert!(refused.err.contains("no authority that this system trusts"), "{}", refused.err);
    let refused = monitor("authority.pem", &front("elsewhere", &behind)).ends(3);
    assert!(refused.err.contains("its certificate is for another name"), "{}", refused.err);
    assert!(!site.path("seen").exists(), "nothing is remembered of what was refused");
    monitor("authority.pem", &front("here", &behind)).ends(0);
    assert!(site.path("seen").exists());
}
