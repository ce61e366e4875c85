//! `ringway status`: asks the portal on this box and prints a table.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::{complain, exit, say};

/// Longest wait for the answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// Largest answer that is read.
const ANSWER_LEN_MAX: u64 = 1024 * 1024;

#[derive(Debug, Deserialize)]
struct Health {
    state: String,
    ready: bool,
    software: String,
    started: String,
    parts: Vec<Part>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    name: String,
    state: String,
    since: String,
    detail: String,
    last_error: Option<String>,
}

/// Exit code 0 when all is well, 69 when something is down or nothing answers.
pub(super) fn status(portal: SocketAddr, json: bool) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&error.to_string());
            return ExitCode::from(exit::SOFTWARE);
        }
    };
    match runtime.block_on(ask(portal)) {
        Ok(body) if json => {
            say(&body);
            ExitCode::SUCCESS
        }
        Ok(body) => match serde_json::from_str::<Health>(&body) {
            Ok(health) => {
                say(&table(&health));
                if health.state == "down" {
                    ExitCode::from(exit::UNAVAILABLE)
                } else {
                    ExitCode::SUCCESS
                }
            }
            Err(error) => {
                complain(&format!(
                    "{portal} answers, but not as a gateway does: {error}"
                ));
                ExitCode::from(exit::UNAVAILABLE)
            }
        },
        Err(error) => {
            complain(&format!("no gateway at {portal}: {error:#}"));
            complain("Is the service running? Look with: systemctl status ringway");
            ExitCode::from(exit::UNAVAILABLE)
        }
    }
}

async fn ask(portal: SocketAddr) -> anyhow::Result<String> {
    if !portal.ip().is_loopback() {
        bail!("only a gateway on this box tells its state, give a loopback address");
    }
    let asking = async {
        let endpoint = net::tcp::Endpoint {
            address: portal.to_string(),
            // The certificate is the box's own and this is the box: there is nothing to compare with.
            tls: Some(net::tls::client_config(&net::tls::Trust::Loopback)?),
        };
        let mut stream = net::tcp::connect(&endpoint).await?;
        let request = format!(
            "GET /healthz HTTP/1.1\r\nHost: {portal}\r\nConnection: close\r\nAccept: application/json\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(ANSWER_LEN_MAX).read_to_end(&mut answer).await?;
        let answer = String::from_utf8(answer).context("the answer is not text")?;
        let (_, body) = answer
            .split_once("\r\n\r\n")
            .context("the answer is no HTTP")?;
        Ok(body.to_owned())
    };
    tokio::time::timeout(ANSWER_TIMEOUT, asking)
        .await
        .context("no answer in time")?
}

fn table(health: &Health) -> String {
    let ready = if health.ready { "ready" } else { "not ready" };
    let mut lines = vec![format!(
        "{} {}, {ready}, running since {}",
        mark(&health.state),
        health.software,
        health.started
    )];
    for part in &health.parts {
        lines.push(format!(
            "  {} {:<11} {}",
            mark(&part.state),
            part.name,
            part.detail
        ));
        lines.push(format!("                since {}", part.since));
        if let Some(error) = &part.last_error {
            lines.push(format!("                last error: {error}"));
        }
    }
    lines.join("\n")
}

fn mark(state: &str) -> &'static str {
    match state {
        "ok" => "[ ok ]",
        "degraded" => "[warn]",
        _ => "[DOWN]",
    }
}
