//! Playing a scenario against a PBX in virtual time.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use csta::Dialect;
use csta::dialect::AnswerOrder;

use super::client::{Client, ClientError};
use super::compare::Symbols;
use super::heard::Heard;
use super::{Act, Expected, Scenario, Setting, Step};
use crate::config::{Config, Extensions};
use crate::switching::{Forking, HuntGroup, NetworkReached, Terminals};

/// What `set` knows besides the switches of [`Dialect::SWITCHES`].
pub const SETTINGS: &[&str] = &[
    "extensions NUMBERS",
    "terminals NUMBER COUNT",
    "pick-up-after SECONDS",
    "queueing on|off",
    "offered on|off",
    "network-reached before-delivered|instead-of-delivered|never",
    "network-interface NAME",
    "session SECONDS",
    "group NUMBER MEMBERS…",
    "call-waiting on|off",
];
/// How long sessions live: longer than any scenario.
const SESSION_DURATION: Duration = Duration::from_secs(7 * 24 * 3600);

/// What stands for the client where others stand for monitors.
const CLIENT: &str = "client";

/// Not required where digits come en bloc (ECMA-269 §17.2.18), so that scenarios may lack it.
const SERVICE_INITIATED: &str = "ServiceInitiatedEvent";

/// How a scenario is played: nothing of it changes what is to be heard.
#[derive(Debug, Clone)]
pub struct Variant {
    dialect: Dialect,
    name: String,
}

impl Variant {
    /// The PBX as that dialect has it.
    #[must_use]
    pub fn of(dialect: Dialect) -> Self {
        let name = dialect.name().to_owned();
        Self { dialect, name }
    }

    /// Every dialect as it is; each with answers before and after events, and with and without
    /// Service Initiated where the scenario leaves that open.
    #[must_use]
    pub fn all(scenario: &Scenario) -> Vec<Self> {
        let mut variants: Vec<Self> = Dialect::ALL.into_iter().map(Self::of).collect();
        let mut switches = vec![("answers", ["before-events", "after-events"])];
        if scenario.may_lack(SERVICE_INITIATED) {
            switches.push(("service-initiated", ["true", "false"]));
        }
        for (switch, values) in switches {
            let with = |value| variants.iter().filter_map(move |it| it.with(switch, value));
            variants = values.into_iter().flat_map(with).collect();
        }
        variants
    }

    fn with(&self, switch: &str, value: &str) -> Option<Self> {
        let mut dialect = self.dialect;
        dialect.set(switch, value).ok()?;
        let name = format!("{}, {switch} {value}", self.name);
        Some(Self { dialect, name })
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Scenario {
    /// Whether some line with that message may be missing.
    fn may_lack(&self, message: &str) -> bool {
        let mut expected = self.steps.iter().flat_map(|step| &step.expected);
        expected.any(|line| line.optional && line.name == message)
    }
}

/// Where a PBX is not what a scenario says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct Mismatch {
    /// The line of the file.
    pub line: usize,
    /// What was expected and what came.
    pub what: String,
}

/// Plays a scenario against a PBX of its own that begins at `now`; time is virtual.
///
/// # Errors
/// The first [`Mismatch`].
pub fn play(scenario: &Scenario, variant: &Variant, now: Instant) -> Result<(), Mismatch> {
    let mut dialect = variant.dialect;
    let mut config = Config {
        extensions: Extensions::range(2001, 2004),
        ..Config::default()
    };
    config.timing.outside_answer_after = None;
    config.association.session_duration_max = SESSION_DURATION;
    for setting in &scenario.settings {
        apply(setting, &mut dialect, &mut config).map_err(|what| {
            let line = setting.line;
            Mismatch { line, what }
        })?;
    }
    config.association.dialect = dialect;
    let mut player = Player::new(config, now);
    let associated = player.associate(scenario);
    associated.map_err(|error| mismatch(1, &error))?;
    scenario
        .steps
        .iter()
        .try_for_each(|step| player.step(step))?;
    Ok(())
}

fn apply(setting: &Setting, dialect: &mut Dialect, config: &mut Config) -> Result<(), String> {
    let words: Vec<&str> = setting.words.iter().map(String::as_str).collect();
    let usage = || format!("expected `set` and one of: {}", SETTINGS.join(", "));
    let switching = &mut config.switching;
    match words.as_slice() {
        ["extensions", numbers] => {
            config.extensions = numbers.parse().map_err(|error| format!("{error}"))?;
        }
        ["terminals", number, count] => {
            let count = count.parse().map_err(|_| usage())?;
            let terminals = Terminals::new(count, Forking::OneDelivered);
            switching.terminals.insert((*number).to_owned(), terminals);
        }
        ["pick-up-after", seconds] => {
            let seconds = seconds.parse().map_err(|_| usage())?;
            config.timing.pick_up_after = Duration::from_secs(seconds);
        }
        ["group", number, members @ ..] => switching.groups.push(HuntGroup {
            number: (*number).to_owned(),
            members: members.iter().map(ToString::to_string).collect(),
        }),
        ["call-waiting", word] => switching.call_waiting = is_on(word).ok_or_else(usage)?,
        ["queueing", word] => switching.queueing = is_on(word).ok_or_else(usage)?,
        ["offered", word] => switching.offered = is_on(word).ok_or_else(usage)?,
        ["network-reached", word] => {
            switching.network_reached = match *word {
                "before-delivered" => NetworkReached::BeforeDelivered,
                "instead-of-delivered" => NetworkReached::InsteadOfDelivered,
                "never" => NetworkReached::Never,
                _ => return Err(usage()),
            };
        }
        ["session", seconds] => {
            let seconds = seconds.parse().map_err(|_| usage())?;
            config.association.session_duration_max = Duration::from_secs(seconds);
        }
        ["network-interface", name] => switching.network_interface = Some((*name).to_owned()),
        [switch, value] => {
            let set = dialect.set(switch, value);
            set.map_err(|error| format!("{error}; {}", usage()))?;
        }
        _ => return Err(usage()),
    }
    Ok(())
}

fn is_on(word: &str) -> Option<bool> {
    match word {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    }
}

fn mismatch(line: usize, what: &impl ToString) -> Mismatch {
    let what = what.to_string();
    Mismatch { line, what }
}

struct Player {
    client: Client,
    symbols: Symbols,
    /// Cross reference ids by the label that the scenario has for them.
    monitors: BTreeMap<String, String>,
    dialect: Dialect,
}

impl Player {
    fn new(config: Config, now: Instant) -> Self {
        let dialect = config.association.dialect;
        let newest = dialect.editions().newest().namespace();
        Self {
            client: Client::new(&config, now),
            dialect,
            symbols: Symbols::with("E1", newest),
            monitors: BTreeMap::new(),
        }
    }

    fn associate(&mut self, scenario: &Scenario) -> Result<(), ClientError> {
        self.client.greet()?;
        if scenario.settings.iter().all(|it| it.words[0] != "session") {
            self.client.associate()?;
        }
        for device in &scenario.monitors {
            let cross_ref = self.client.monitor(device)?;
            self.monitors.insert(device.clone(), cross_ref);
        }
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Result<(), Mismatch> {
        let heard = self.act(&step.act);
        let heard = heard.map_err(|error| mismatch(step.line, &error))?;
        if matches!(step.act, Act::Given(..)) {
            return Ok(());
        }
        self.keeps_to_the_dialect(step, &heard)?;
        self.compare(step, &heard)
    }

    /// The answer stands on that side of its events where the dialect has it, and Service Initiated
    /// comes only where the dialect has it or a telephone prompts.
    fn keeps_to_the_dialect(&self, step: &Step, heard: &[Heard]) -> Result<(), Mismatch> {
        let answer = heard.iter().position(Heard::is_answer);
        let order = self.dialect.answers();
        let event = match order {
            AnswerOrder::BeforeEvents => heard.iter().position(Heard::is_event),
            AnswerOrder::AfterEvents => heard.iter().rposition(Heard::is_event),
        };
        let before = answer < event;
        if answer.and(event).is_some() && before != (order == AnswerOrder::BeforeEvents) {
            let what = format!("the answer does not come {}", order.as_str());
            return Err(mismatch(step.line, &what));
        }
        let may_lack = |line: &&Expected| line.optional && line.name == SERVICE_INITIATED;
        let initiated = heard.iter().find(|it| it.message.name == SERVICE_INITIATED);
        match initiated.filter(|_| step.expected.iter().any(|line| may_lack(&line))) {
            Some(heard) if !self.dialect.service_initiated() => Err(unexpected(step.line, heard)),
            _ => Ok(()),
        }
    }

    /// Does what the step says, and gives what was heard of it.
    fn act(&mut self, act: &Act) -> Result<Vec<Heard>, ClientError> {
        match act {
            Act::Pbx(command) => self.client.command(command.clone()),
            Act::Client(request) => self.client.request(request, &self.symbols, &self.monitors),
            Act::Wait(time) => self.client.wait(*time),
            Act::Given(act, None) => self.act(act),
            Act::Given(act, Some(call)) => {
                let known = self.client.calls().clone();
                let heard = self.act(act)?;
                let new = self.client.calls().difference(&known).next();
                self.symbols.bind(call, new.ok_or(ClientError::NoCall)?);
                Ok(heard)
            }
        }
    }

    /// Compares what was heard with what was expected, one monitor after the other.
    fn compare(&mut self, step: &Step, heard: &[Heard]) -> Result<(), Mismatch> {
        let mut channels: Vec<&str> = Vec::new();
        for expected in &step.expected {
            if !channels.contains(&expected.to.as_str()) {
                channels.push(&expected.to);
            }
        }
        let mut seen = vec![false; heard.len()];
        // What the client is told first may name a monitor whose events are compared then.
        channels.sort_by_key(|channel| *channel != CLIENT);
        for channel in channels {
            let expected = step.expected.iter().filter(|line| line.to == channel);
            let mut told = Vec::new();
            for (index, message) in heard.iter().enumerate() {
                if self.is_on(message, channel) {
                    seen[index] = true;
                    told.push(message);
                }
            }
            self.channel(step, expected.collect(), &told)?;
        }
        match seen.iter().position(|seen| !seen) {
            Some(surplus) => Err(unexpected(step.line, &heard[surplus])),
            None => Ok(()),
        }
    }

    fn is_on(&self, heard: &Heard, channel: &str) -> bool {
        match heard.cross_ref() {
            None => channel == CLIENT,
            Some(cross_ref) => {
                let monitor = self.monitors.get(channel).map(String::as_str);
                monitor.or_else(|| self.symbols.get(channel)) == Some(cross_ref)
            }
        }
    }

    fn channel(
        &mut self,
        step: &Step,
        expected: Vec<&Expected>,
        told: &[&Heard],
    ) -> Result<(), Mismatch> {
        let mut expected = expected.into_iter().peekable();
        for heard in told {
            loop {
                let Some(line) = expected.next() else {
                    return Err(unexpected(step.line, heard));
                };
                if self.admits(line, heard) {
                    break;
                }
                if !line.optional {
                    return Err(differs(line, Some(heard)));
                }
            }
        }
        match expected.find(|line| !line.optional) {
            Some(missing) => Err(differs(missing, None)),
            None => Ok(()),
        }
    }

    fn admits(&mut self, line: &Expected, heard: &Heard) -> bool {
        self.symbols.admit(line, &heard.message, &self.monitors)
    }
}

fn unexpected(line: usize, heard: &Heard) -> Mismatch {
    mismatch(
        line,
        &format!("nothing more was expected\n  came: {}", heard.message),
    )
}

fn differs(expected: &Expected, heard: Option<&Heard>) -> Mismatch {
    let Expected {
        line, text, source, ..
    } = expected;
    let came = heard.map(|heard| heard.message.to_string());
    let came = came.as_deref().unwrap_or("nothing");
    mismatch(*line, &format!("{text}\n  from: {source}\n  came: {came}"))
}
