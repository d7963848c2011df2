//! An archive in a bucket of a real server, with a way to it that fails.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::json;

use super::proxy::{Fault, Proxy};
use super::python;
use crate::cli::{Run, Site, feed};

/// Makes the bucket, or says what it holds.
const BOTO: &str = "
import boto3, json, sys
s3 = boto3.client('s3', endpoint_url=sys.argv[1], region_name='eu-west-1',
                  aws_access_key_id='key', aws_secret_access_key='secret')
if sys.argv[2] == 'make':
    s3.create_bucket(Bucket='evidence', ObjectLockEnabledForBucket=True,
                     CreateBucketConfiguration={'LocationConstraint': 'eu-west-1'})
if sys.argv[2] == 'plain':
    s3.create_bucket(Bucket='plain', CreateBucketConfiguration={'LocationConstraint': 'eu-west-1'})
if sys.argv[2] == 'spoil':
    s3.put_object(Bucket='evidence', Key=sys.argv[3], Body=b'something else')
if sys.argv[2] == 'lock':
    found = s3.head_object(Bucket='evidence', Key=sys.argv[3])
    print(json.dumps([found['ObjectLockMode'], found['ObjectLockRetainUntilDate'].isoformat()]))
if sys.argv[2] == 'list':
    print(json.dumps([object['Key'] for object in s3.list_objects_v2(Bucket='evidence').get('Contents', [])]))
";

/// A server of S3 with a bucket, which ends with the test, and a way to it.
pub(super) struct Server {
    child: Child,
    python: &'static Path,
    url: String,
    pub(super) proxy: Proxy,
}

impl Server {
    /// Nothing where there is no such server to be had.
    pub(super) fn start() -> Option<Server> {
        let python = python()?;
        let mut child = Command::new(python)
            .args(["-c", "from moto.server import main; main()", "-H", "127.0.0.1", "-p", "0"])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let port = lines.find_map(|line| {
            let line = line.unwrap();
            line.split_once("http://127.0.0.1:").map(|(_, port)| port.trim().parse::<u16>().unwrap())
        });
        // What it says of each request is nobody's business, but must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        let address = ([127, 0, 0, 1], port.expect("it says where it is")).into();
        let server =
            Server { child, python, url: format!("http://{address}"), proxy: Proxy::before(address) };
        server.boto(&["make"]);
        Some(server)
    }

    /// Does or asks something past the proxy, without us.
    pub(super) fn boto(&self, args: &[&str]) -> String {
        let done = Command::new(self.python).args(["-c", BOTO, &self.url]).args(args).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).unwrap()
    }

    /// Runs the program with the way to the server in its environment.
    pub(super) fn run(&self, site: &Site, args: &[&str]) -> Run {
        let mut command = site.command(args);
        command
            .env("AWS_ENDPOINT_URL", format!("http://{}", self.proxy.address))
            .env("AWS_ALLOW_HTTP", "true")
            .env("AWS_ACCESS_KEY_ID", "key")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .env("AWS_REGION", "eu-west-1")
            .env("NO_PROXY", "127.0.0.1");
        feed(command, b"")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A store with two sealed segments whose files are long enough to fail half way.
pub(super) fn site() -> Site {
    let site = Site::with_store();
    for segment in 0..2 {
        let events = (0..2_000).map(|n| {
            let noise = blake(segment * 2_000 + n);
            format!("{{\"event_id\":\"ev_{segment}_{n}\",\"n\":{n},\"noise\":\"{noise}\"}}\n")
        });
        site.feed(&["append", "--no-checkpoint"], events.collect::<String>().as_bytes()).ends(0);
        site.run(&["seal"]).ends(0);
    }
    site
}

/// Digits that do not compress.
fn blake(seed: u64) -> String {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    (0..4).map(|_| format!("{:016x}", next())).collect()
}

pub(super) const ARCHIVE: &str = "s3://evidence/agents/prod";

#[test]
fn segments_go_to_a_bucket_once_however_the_way_there_fails() {
    let Some(server) = Server::start() else { return };
    let site = site();
    // Each put meets one; what was begun is begun again.
    server.proxy.fail([Fault::Dropped(10_000), Fault::Busy, Fault::Dribble(512)]);
    let copied = server.run(&site, &["archive", "copy", ARCHIVE, "--json"]).ends(0).json();
    assert_eq!(server.proxy.left(), 0);
    let files = copied["files"].as_array().unwrap();
    assert_eq!(files.len(), 2);
    assert!(
        files.iter().all(|file| file["was_there"] == false && file["len"].as_u64().unwrap() > 20_000),
        "{copied}"
    );
    let listed: Vec<String> = serde_json::from_str(&server.boto(&["list"])).unwrap();
    let named = |file: &serde_json::Value| format!("agents/prod/{}", file["file"].as_str().unwrap());
    assert_eq!(listed, files.iter().map(named).collect::<Vec<_>>());

    let again = server.run(&site, &["archive", "copy", ARCHIVE, "--json"]).ends(0).json();
    assert!(again["files"].as_array().unwrap().iter().all(|file| file["was_there"] == true), "{again}");
    server.proxy.fail([Fault::Busy, Fault::Dropped(100)]);
    let verified = server.run(&site, &["archive", "verify", ARCHIVE, "--json"]).ends(0).json();
    assert_eq!(
        (verified["files"].as_array().unwrap().len(), &verified["gaps"]),
        (2, &json!([])),
        "{verified}"
    );

    server.boto(&["spoil", &listed[1]]);
    let refused = server.run(&site, &["archive", "copy", ARCHIVE]).ends(2);
    assert!(refused.err.contains(&listed[1]) && refused.err.contains("other bytes"), "{}", refused.err);
    let found = server.run(&site, &["archive", "verify", ARCHIVE]).ends(10);
    assert!(found.text().contains(&format!("wrong    s3://evidence/{}", listed[1])), "{}", found.text());
}

#[test]
fn a_put_that_was_done_and_seemed_to_fail_is_no_other_object() {
    let Some(server) = Server::start() else { return };
    let site = site();
    server.proxy.fail([Fault::Unanswered]);
    let copied = server.run(&site, &["archive", "copy", ARCHIVE, "--json"]).ends(0).json();
    assert_eq!((server.proxy.left(), copied["files"].as_array().unwrap().len()), (0, 2), "{copied}");
}

#[test]
fn a_bucket_locks_what_is_put_until_a_time() {
    let Some(server) = Server::start() else { return };
    let site = site();
    let locked = ["archive", "copy", ARCHIVE, "--lock-until", "2032-01-01", "--json"];
    let copied = server.run(&site, &locked).ends(0).json();
    let key = format!("agents/prod/{}", copied["files"][0]["file"].as_str().unwrap());
    let lock: serde_json::Value = serde_json::from_str(&server.boto(&["lock", &key])).unwrap();
    assert_eq!(lock, json!(["COMPLIANCE", "2032-01-01T00:00:00+00:00"]));
    site.run(&["archive", "copy", "folder", "--lock-until", "2032-01-01"]).ends(2);
}

#[test]
fn a_bucket_locks_what_is_put_until_the_first_of_it_is_due() {
    let Some(server) = Server::start() else { return };
    let site = site();
    let policy = "default = \"700d\"\n[[rule]]\nname = \"a\"\nmatch = \"n < 9\"\nkeep = \"800d\"\n\
                  [[rule]]\nname = \"b\"\nmatch = \"n < 5\"\nkeep = \"900d\"\n";
    site.write("retention.toml", policy);
    site.run(&["retention", "set", "retention.toml"]).ends(0);
    let lock = |copied: &serde_json::Value| {
        copied["files"][0]["locked_until"].as_str().unwrap_or("none")[..10].to_owned()
    };
    let copied = server.run(&site, &["archive", "copy", ARCHIVE, "--json"]).ends(0).json();
    let key = format!("agents/prod/{}", copied["files"][0]["file"].as_str().unwrap());
    let there: serde_json::Value = serde_json::from_str(&server.boto(&["lock", &key])).unwrap();
    assert_eq!(there[0], "COMPLIANCE");
    assert_eq!(there[1].as_str().unwrap()[..10], lock(&copied));
    let longer = ["archive", "copy", "s3://evidence/b", "--lock-until", "2099-01-01", "--json"];
    assert_eq!(lock(&server.run(&site, &longer).ends(0).json()), "2099-01-01");
    let shorter = ["archive", "copy", "s3://evidence/c", "--lock-until", "2027-01-01", "--json"];
    assert_eq!(lock(&server.run(&site, &shorter).ends(0).json()), lock(&copied));
    // Where there are no locks the file goes there all the same, unless a lock is asked for.
    server.boto(&["plain"]);
    let plain = server.run(&site, &["archive", "copy", "s3://plain/a", "--json"]).ends(0).json();
    assert!(plain["files"][0]["locked_until"].is_null(), "{plain}");
    server.run(&site, &["archive", "copy", "s3://plain/b", "--lock-until", "2099-01-01"]).ends(3);
}

#[test]
fn a_server_that_stays_busy_and_a_bucket_that_is_not_there_are_told() {
    let Some(server) = Server::start() else { return };
    let site = site();
    server.proxy.fail([Fault::Busy; 64]);
    let busy = server.run(&site, &["archive", "copy", ARCHIVE]).ends(3);
    assert!(busy.err.contains("cannot put s3://evidence/agents/prod/day="), "{}", busy.err);
    assert!(busy.err.contains("503") && server.proxy.left() > 0, "{}", busy.err);
    let missing = server.run(&site, &["archive", "verify", "s3://elsewhere/x"]);
    assert_eq!(missing.code, Some(3), "{}", missing.err);
    assert_eq!(serde_json::from_str::<Vec<String>>(&server.boto(&["list"])).unwrap(), [""; 0]);
}
