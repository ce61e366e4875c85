//! The options of `ringway-pbx-sim run`.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use clap::Args;
use csta::Dialect;

use super::loopback;
use super::sip::SipArgs;
use crate::command::{Command, SessionFault};
use crate::config::{AssociationConfig, CSTA_PORT, Config, Extensions};
use crate::exchange::DEVICES_PER_SEGMENT_MAX;
use crate::provisioning::ManagerConfig;
use crate::session::SessionRefusal;
use crate::switching::TERMINALS_MAX;

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// Where CSTA clients connect
    #[arg(long, value_name = "ADDRESS", default_value_t = loopback(CSTA_PORT))]
    listen: SocketAddr,
    /// The telephones, as numbers and ranges
    #[arg(long, value_name = "NUMBERS", default_value = "2000-2019")]
    extensions: Extensions,
    /// Telephones that nobody uses
    #[arg(long, value_name = "NUMBERS")]
    phantoms: Option<Extensions>,
    /// Extensions with several terminals, and how many: 2001=3
    #[arg(long, value_name = "NUMBER=COUNT", value_parser = terminals)]
    terminals: Vec<(String, u8)>,
    /// Numbers beginning with this are outside parties, which ring and answer
    #[arg(long, value_name = "DIGITS", default_value = "0")]
    trunk_prefix: String,
    /// Human traffic: calls begun per hour by all users together
    #[arg(long, value_name = "N", default_value_t = 0.0, value_parser = rate)]
    calls_per_hour: f64,
    /// Machine traffic instead: about so many CSTA events per second
    #[arg(long, value_name = "N", conflicts_with = "calls_per_hour")]
    events_per_second: Option<NonZeroU32>,
    /// The same seed gives the same calls
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Mean seconds until somebody answers
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    ring: Duration,
    /// Mean seconds of a conversation
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    talk: Duration,
    /// Seconds from lifting the handset (or the prompt of Make Call) until the number is dialled
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = seconds)]
    dial: Duration,
    /// Seconds until no-answer forwarding acts
    #[arg(long, value_name = "SECONDS", default_value = "15", value_parser = seconds)]
    no_answer: Duration,
    /// Milliseconds until each request is carried out and answered
    #[arg(long, value_name = "MS", default_value_t = 0)]
    response_delay: u64,
    /// What the PBX makes of the standard: ecma, mx-one, mivoice-400 or openscape; without it the
    /// standard up to ed5, Diverted to the diverting device alone
    #[arg(long, value_name = "NAME", value_parser = dialect)]
    dialect: Option<Dialect>,
    /// Set a switch of the dialect: `--set resulting-call=primary`, `--set answers=after-events`
    #[arg(long, value_name = "SWITCH=VALUE", value_parser = switch)]
    set: Vec<(String, String)>,
    /// The same as --set answers=after-events: a request's events before its response
    #[arg(long)]
    events_first: bool,
    /// The same as --set diverted-to=all
    #[arg(long)]
    diverted_to_all: bool,
    /// The same as --set snapshot=segmented
    #[arg(long)]
    segmented_snapshots: bool,
    /// Devices in one segment of the list of devices
    #[arg(long, value_name = "N", default_value_t = DEVICES_PER_SEGMENT_MAX)]
    devices_per_segment: usize,
    /// The same as --set speaks-first=true: greets each client with System Status
    #[arg(long)]
    greet: bool,
    /// Demand an application session (ECMA-354) before anything else
    #[arg(long)]
    session_required: bool,
    /// Longest life of a session without a reset
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    session_duration: Duration,
    /// Demand user and password in applicationSpecificInfo; implies --session-required
    #[arg(long, value_name = "USER:PASSWORD", value_parser = credentials)]
    credentials: Option<(String, String)>,
    /// Refuse every session: invalidApplicationInfo, requestedProtocolVersionNotSupported,
    /// serverResourcesBusy or maxNumberSessions; or `silent`, or `unsupported`
    #[arg(long, value_name = "REASON", value_parser = refusal)]
    refuse_session: Option<SessionFault>,
    /// Refuse monitors beyond so many
    #[arg(long, value_name = "N")]
    monitor_limit: Option<usize>,
    /// Carry out a command (listed below) before the first client comes, such as `drop every 10`
    #[arg(long = "do", value_name = "COMMAND")]
    commands: Vec<Command>,
    /// Frames that may wait for a client that does not read; then it is cut
    #[arg(long, value_name = "FRAMES", default_value_t = 20_000)]
    out_queue: usize,
    #[command(flatten)]
    sip: SipArgs,
    /// Where Provisioning Manager's REST API is, by HTTPS; without it there is none
    #[arg(long, value_name = "ADDRESS")]
    provisioning_manager: Option<SocketAddr>,
    /// Who may sign in there
    #[arg(long, value_name = "USER:PASSWORD", default_value = "admin:admin", value_parser = credentials)]
    pm_user: (String, String),
    /// What it says of its version
    #[arg(long, value_name = "VERSION", default_value = "7.6.SP1.HF0")]
    pm_version: String,
}

impl RunArgs {
    /// Provisioning Manager, where there is to be one.
    pub(super) fn manager(&self) -> Option<ManagerConfig> {
        Some(ManagerConfig {
            listen: self.provisioning_manager?,
            user: self.pm_user.clone(),
            version: self.pm_version.clone(),
            bare_token: false,
        })
    }

    fn dialect(&self) -> Dialect {
        let mut dialect = self
            .dialect
            .unwrap_or_else(|| AssociationConfig::default().dialect);
        let flags = [
            (self.events_first, "answers", "after-events"),
            (self.diverted_to_all, "diverted-to", "all"),
            (self.segmented_snapshots, "snapshot", "segmented"),
            (self.greet, "speaks-first", "true"),
        ];
        let flags = flags.iter().filter(|(given, ..)| *given);
        let given = self.set.iter().map(|(switch, value)| (&**switch, &**value));
        for (switch, value) in flags
            .map(|(_, switch, value)| (*switch, *value))
            .chain(given)
        {
            let set = dialect.set(switch, value);
            debug_assert_eq!(set, Ok(()), "a switch was tried when it was read");
        }
        dialect
    }

    /// The PBX that they describe.
    pub(super) fn config(self, control: SocketAddr) -> anyhow::Result<Config> {
        let dialect = self.dialect();
        let mut config = Config {
            listen: self.listen,
            control: Some(control),
            extensions: self.extensions.clone(),
            phantoms: self.phantoms.unwrap_or_default(),
            terminals: self.terminals.into_iter().collect(),
            commands: self.commands,
            sip: self.sip.config(&self.extensions, &self.trunk_prefix)?,
            trunk_prefix: self.trunk_prefix,
            ..Config::default()
        };
        config.timing.pick_up_after = self.dial;
        config.timing.no_answer_after = self.no_answer;
        config.traffic.seed = self.seed;
        config.traffic.calls_per_hour = self.calls_per_hour;
        config.traffic.events_per_second = self.events_per_second;
        config.traffic.ring_mean = self.ring;
        config.traffic.talk_mean = self.talk;
        let association = &mut config.association;
        association.dialect = dialect;
        association.session_required = self.session_required;
        association.session_duration_max = self.session_duration;
        association.credentials = self.credentials;
        association.refuse_session = self.refuse_session;
        association.response_delay = Duration::from_millis(self.response_delay);
        association.monitor_limit = self.monitor_limit;
        association.devices_per_segment = self.devices_per_segment;
        association.out_queue_frames = self.out_queue;
        Ok(config)
    }
}

/// A day: longer times are mistakes.
const SECONDS_MAX: f64 = 86_400.0;

pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().unwrap_or(f64::NAN);
    if (0.0..=SECONDS_MAX).contains(&seconds) {
        Ok(Duration::from_secs_f64(seconds))
    } else {
        Err(format!("allowed are seconds from 0 to {SECONDS_MAX}"))
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().unwrap_or(f64::NAN);
    let fits = rate.is_finite() && rate >= 0.0;
    fits.then_some(rate)
        .ok_or_else(|| "allowed are numbers from 0".to_owned())
}

pub(super) fn credentials(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once(':').ok_or("write it as USER:PASSWORD")?;
    Ok((pair.0.to_owned(), pair.1.to_owned()))
}

fn dialect(text: &str) -> Result<Dialect, String> {
    let names = Dialect::ALL.map(|dialect| dialect.name()).join(", ");
    Dialect::by_name(text).ok_or_else(|| format!("allowed are {names}"))
}

fn switch(text: &str) -> Result<(String, String), String> {
    let (switch, value) = text.split_once('=').ok_or("write it as SWITCH=VALUE")?;
    let set = Dialect::ECMA.clone().set(switch, value);
    set.map_err(|error| error.to_string())?;
    Ok((switch.to_owned(), value.to_owned()))
}

fn terminals(text: &str) -> Result<(String, u8), String> {
    let pair = text.split_once('=');
    let pair = pair.and_then(|(number, count)| Some((number.to_owned(), count.parse().ok()?)));
    let pair = pair.filter(|(_, count)| (1..=TERMINALS_MAX).contains(count));
    pair.ok_or_else(|| format!("write it as NUMBER=COUNT; COUNT is 1 to {TERMINALS_MAX}"))
}

fn refusal(text: &str) -> Result<SessionFault, String> {
    let names = SessionRefusal::ALL.map(SessionRefusal::as_str).join(", ");
    let fault = SessionFault::from_word(text);
    fault.ok_or_else(|| format!("allowed are {names}, silent and unsupported"))
}
