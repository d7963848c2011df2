//! A small HTTP client: every length and time bounded, no redirects, no proxies of the environment's. TLS trusts whom the
//! system trusts, or the authorities in the file that `SSL_CERT_FILE` names.
//!
//! What it says of a failure is words for people: whoever asks knows what to make of them.

use std::time::{Duration, Instant};

use ureq::Agent;
use ureq::config::ConfigBuilder;
use ureq::typestate::AgentScope;

use crate::exit::{Failure, Outcome};

/// An answer's status and body.
pub(crate) type Answer = Result<(u16, Vec<u8>), String>;

/// That requests can be sent there; `whose` address it is.
pub(crate) fn check_url(url: &str, whose: &str) -> Outcome<()> {
    if url.starts_with("https://") && cfg!(not(feature = "tls")) {
        return Err(Failure::Usage(format!(
            "{url}: this program was built without TLS; name a local http address that leads there, of a proxy or tunnel"
        )));
    }
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    if rest.is_none_or(str::is_empty) {
        return Err(Failure::Usage(format!("{url}: {whose} address begins with https:// or http://")));
    }
    Ok(())
}

/// Asks for what is at an address.
pub(crate) fn get(address: &str, len_max: u64, deadline: Instant) -> Answer {
    let sent = agent(deadline)?.get(address).call();
    answer(address, len_max, sent)
}

/// Hands something to an address.
pub(crate) fn post(address: &str, body: &str, len_max: u64, deadline: Instant) -> Answer {
    let sent = agent(deadline)?.post(address).send(body);
    answer(address, len_max, sent)
}

/// One request's: what it costs is bounded by what is left of the time.
fn agent(deadline: Instant) -> Result<Agent, String> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left == Duration::ZERO {
        return Err("it did not answer in time".to_owned());
    }
    let config = Agent::config_builder()
        .timeout_global(Some(left))
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None);
    Ok(Agent::new_with_config(with_tls(config).build()))
}

/// With TLS as the way to S3 has it.
#[cfg(feature = "tls")]
fn with_tls(config: ConfigBuilder<AgentScope>) -> ConfigBuilder<AgentScope> {
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let tls = ureq::tls::TlsConfig::builder()
        .root_certs(ureq::tls::RootCerts::PlatformVerifier)
        .unversioned_rustls_crypto_provider(provider);
    config.tls_config(tls.build())
}

/// Without TLS nothing asks for it: `check_url` refuses such addresses.
#[cfg(not(feature = "tls"))]
fn with_tls(config: ConfigBuilder<AgentScope>) -> ConfigBuilder<AgentScope> {
    config
}

fn answer(
    address: &str,
    len_max: u64,
    sent: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
) -> Answer {
    let told = |error: ureq::Error| match error {
        ureq::Error::Timeout(_) => "it did not answer in time".to_owned(),
        ureq::Error::BodyExceedsLimit(len_max) => {
            format!("it cannot be asked at {address}: the answer is longer than {len_max} bytes")
        }
        other => {
            let reason = untrusted(&other).unwrap_or_else(|| other.to_string());
            format!("it cannot be asked at {address}: {reason}")
        }
    };
    let mut response = sent.map_err(told)?;
    let status = response.status().as_u16();
    let body = response.body_mut().with_config().limit(len_max).read_to_vec().map_err(told)?;
    Ok((status, body))
}

/// What is wrong with a server's certificate, in words; nothing where something else failed.
#[cfg(feature = "tls")]
fn untrusted(error: &ureq::Error) -> Option<String> {
    use rustls::{CertificateError, Error};
    let found = match error {
        ureq::Error::Rustls(found) => found,
        ureq::Error::Io(error) => error.get_ref()?.downcast_ref::<Error>()?,
        _ => return None,
    };
    let Error::InvalidCertificate(wrong) = found else { return None };
    Some(match wrong {
        CertificateError::UnknownIssuer => {
            "no authority that this system trusts has signed its certificate; if it is one of your own, add it to the \
             system's, or name a file with it in SSL_CERT_FILE"
                .to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("its certificate is for another name ({found})")
        }
        _ => format!("its certificate is not to be trusted ({found})"),
    })
}

#[cfg(not(feature = "tls"))]
fn untrusted(_: &ureq::Error) -> Option<String> {
    None
}
