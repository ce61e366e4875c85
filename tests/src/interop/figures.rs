//! What a gateway holds, by its own metrics and by what the system tells of its process.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use net::clock;
use net::tls::Trust;

use super::gateway::Gateway;
use crate::bench::process::resident_bytes;
use crate::harness::Api;

/// Longest time that transactions stay behind: 64·T1 (RFC 3261 §17), and some seconds more.
pub const LINGER: Duration = Duration::from_secs(40);

/// What the gateway holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Channels of the trunk that are taken.
    pub channels: u64,
    /// Sessions, each leg one.
    pub sessions: u64,
    /// Dialogs.
    pub dialogs: u64,
    /// Client transactions.
    pub clients: u64,
    /// Server transactions.
    pub servers: u64,
    /// UDP ports, those of media and those that are listened on.
    pub ports: u64,
    /// File descriptors.
    pub files: u64,
    /// Resident memory in bytes.
    pub memory: u64,
}

impl Held {
    /// Whether nothing but memory is more than `before`.
    #[must_use]
    pub fn is_back_to(&self, before: &Self) -> bool {
        let all = |held: &Self| {
            let Self {
                channels,
                sessions,
                dialogs,
                ..
            } = *held;
            let Self {
                clients,
                servers,
                ports,
                files,
                ..
            } = *held;
            [channels, sessions, dialogs, clients, servers, ports, files]
        };
        all(self)
            .iter()
            .zip(all(before))
            .all(|(now, before)| *now <= before)
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            channels,
            sessions,
            dialogs,
            clients,
            servers,
            ports,
            files,
            memory,
        } = self;
        let mib = memory >> 20;
        write!(
            f,
            "{channels:>5} channels {sessions:>6} sessions {dialogs:>6} dialogs {clients:>6} client \
             {servers:>6} server transactions {ports:>4} UDP ports {files:>4} files {mib:>4} MiB"
        )
    }
}

/// The figures of one gateway.
#[derive(Debug)]
pub struct Figures {
    api: Api,
    process: u32,
    runtime: tokio::runtime::Runtime,
}

impl Figures {
    /// As soon as the SIP part tells of itself, which it does once a second.
    ///
    /// # Errors
    /// The gateway is not running.
    pub fn of(gateway: &Gateway) -> Result<Self> {
        let figures = Self {
            api: Api::new(gateway.portal, &Trust::Loopback, None)?,
            process: gateway.id()?,
            runtime: tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?,
        };
        let end = clock::now() + LINGER;
        while figures.held().is_err() && clock::now() < end {
            sleep(Duration::from_millis(100));
        }
        Ok(figures)
    }

    /// The process.
    #[must_use]
    pub const fn process(&self) -> u32 {
        self.process
    }

    /// Every sample of the page, by name with labels, and all samples of a name added up by the name alone.
    ///
    /// # Errors
    /// The gateway does not answer.
    pub fn page(&self) -> Result<BTreeMap<String, u64>> {
        let reply = self.runtime.block_on(self.api.get("/metrics"))?;
        ensure!(reply.status == 200, "the metrics answer {}", reply.status);
        let mut samples = BTreeMap::new();
        for line in reply.text.lines().filter(|line| !line.starts_with('#')) {
            let Some((labelled, value)) = line.rsplit_once(' ') else {
                continue;
            };
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "the samples that are looked at are counts"
            )]
            let value = value.parse::<f64>().unwrap_or_default() as u64;
            let name = labelled.split('{').next().unwrap_or_default();
            *samples.entry(name.to_owned()).or_default() += value;
            if name != labelled {
                samples.insert(labelled.to_owned(), value);
            }
        }
        Ok(samples)
    }

    /// One sample of the page.
    ///
    /// # Errors
    /// The gateway does not answer, or has no such sample.
    pub fn sample(&self, name: &str) -> Result<u64> {
        let value = self.page()?.get(name).copied();
        value.with_context(|| format!("no metric {name}"))
    }

    /// What is held now.
    ///
    /// # Errors
    /// The gateway does not answer.
    pub fn held(&self) -> Result<Held> {
        let page = self.page()?;
        let of = |name: &str| {
            let value = page.get(&format!("ringway_sip_{name}"));
            value.copied().with_context(|| format!("no metric {name}"))
        };
        let (files, ports) = descriptors(self.process)?;
        Ok(Held {
            channels: of("channels")?,
            sessions: of("sessions")?,
            dialogs: of("dialogs")?,
            clients: of("client_transactions")?,
            servers: of("server_transactions")?,
            ports,
            files,
            memory: resident_bytes(self.process)?,
        })
    }

    /// Waits until `enough` of what is held, or [`LINGER`] is over; gives what is held then.
    ///
    /// # Errors
    /// The gateway does not answer.
    pub fn settled(&self, enough: impl Fn(Held) -> bool) -> Result<Held> {
        let end = clock::now() + LINGER;
        loop {
            let held = self.held()?;
            if enough(held) || clock::now() > end {
                return Ok(held);
            }
            sleep(Duration::from_millis(200));
        }
    }

    /// Calls answered so far.
    ///
    /// # Errors
    /// The gateway does not answer.
    pub fn answered(&self) -> Result<u64> {
        self.sample("ringway_sip_calls_answered_total")
    }
}

/// File descriptors of a process, and how many of them are UDP sockets.
fn descriptors(process: u32) -> Result<(u64, u64)> {
    let mut datagrams = BTreeSet::new();
    for table in ["udp", "udp6"] {
        let text = fs::read_to_string(format!("/proc/{process}/net/{table}"))?;
        // The tenth column is the inode (proc(5)).
        let inodes = text.lines().skip(1);
        let inodes = inodes.filter_map(|line| line.split_whitespace().nth(9));
        datagrams.extend(inodes.map(|inode| format!("socket:[{inode}]")));
    }
    let (mut files, mut ports) = (0, 0);
    for file in fs::read_dir(format!("/proc/{process}/fd"))? {
        files += 1;
        // One that was closed meanwhile leads nowhere.
        let target = fs::read_link(file?.path()).unwrap_or_default();
        ports += u64::from(datagrams.contains(&*target.to_string_lossy()));
    }
    Ok((files, ports))
}
