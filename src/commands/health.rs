//! `soakrig health`: whether a generator is alive, for containers that hold nothing but soakrig.

use crate::config::plan::Health;
use crate::error::{ExitCode, StartError};
use crate::model::FailureKind;
use crate::telemetry::stdio::say;
use crate::transport::errors;
use crate::transport::resolve::{Files, Names, Resolver};

/// Exit 0 if `/live` answers 200 in time.
pub(super) async fn health(health: Health) -> Result<ExitCode, StartError> {
    // reqwest built without a default TLS provider needs one, even for plain HTTP.
    let tls = crate::transport::tls::trusting(None).map_err(|e| StartError::environment("TLS", e.to_string()))?;
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured((*tls).clone())
        .timeout(health.timeout)
        .connect_timeout(health.timeout)
        // The C library's resolver does not work in a static binary.
        .dns_resolver(Names::new(Resolver::new(Files::default(), Vec::new())))
        // Ask the generator itself, not a proxy that may answer in its place.
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|e| StartError::environment("the HTTP client", e.to_string()))?;
    let said = match ask(&client, &health).await {
        Ok(status) if status.is_success() => return Ok(ExitCode::Ok),
        Ok(status) => format!("{} answered {status}", health.url),
        Err(error) => format!("{} does not answer: {}", health.url, cause(&error)),
    };
    say(&format!("soakrig: health: {said}"));
    Ok(ExitCode::Threshold)
}

/// The status of a complete answer; an error if the answer is cut off.
async fn ask(client: &reqwest::Client, health: &Health) -> Result<reqwest::StatusCode, reqwest::Error> {
    let mut answer = client.get(health.url.join("/live")).send().await?;
    while answer.chunk().await?.is_some() {}
    Ok(answer.status())
}

/// Why there was no answer.
fn cause(error: &reqwest::Error) -> String {
    let failure = errors::of_error(error, FailureKind::Io);
    match failure.kind {
        _ if error.is_timeout() => "timed out".to_owned(),
        FailureKind::ConnectionRefused => "connection refused".to_owned(),
        FailureKind::BadHttp => format!("its answer is not HTTP ({})", failure.detail),
        _ if error.is_body() || error.is_decode() => format!("the answer was cut off ({})", failure.detail),
        _ => failure.detail.into_owned(),
    }
}
