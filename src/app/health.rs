//! `soakrig health`: whether a generator lives, for containers that hold nothing but soakrig.

use super::say;
use crate::config::plan::Health;
use crate::error::{ExitCode, StartError};

/// Exit 0 if `/live` answers 200 in time.
pub(super) async fn health(health: Health) -> Result<ExitCode, StartError> {
    // Whoever uses reqwest without a default provider has to name one, even for plain HTTP.
    let tls = crate::drivers::ws::tls::trusting(None).map_err(|e| StartError::environment("TLS", e.to_string()))?;
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured((*tls).clone())
        .timeout(health.timeout)
        .connect_timeout(health.timeout)
        // The generator itself is asked, and not a proxy that may answer in its place.
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|e| StartError::environment("the HTTP client", e.to_string()))?;
    match client.get(health.url.join("/live")).send().await {
        Ok(answer) if answer.status().is_success() => Ok(ExitCode::Ok),
        Ok(answer) => {
            say(&format!("soakrig: health: {} answered {}", health.url, answer.status()));
            Ok(ExitCode::Threshold)
        }
        Err(error) => {
            say(&format!("soakrig: health: {} does not answer: {}", health.url, error.without_url()));
            Ok(ExitCode::Threshold)
        }
    }
}
